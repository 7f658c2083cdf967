"""How things stood at a moment, for all reports: loans with their places, cases with stage and owner, promises with state.

All of it comes from facts that are only appended (balances, payments, stage moves, hand-overs, the case's history), so what
came later changes nothing; a fact *about* an earlier time, a correction, does.
"""

# ruff: noqa: S608 (SQL is put together from pieces of this file, no value)

from datetime import date
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.collection import bands
from backoffice_core.loans import balances

PLACES = "portfolio, branch, product"


def loans(until: str = "until") -> str:
    """Loans with a debt before the moment `:until`, with the place that each had then, and its bucket's place and code."""
    standing = balances.AS_AT.replace(":until", f":{until}").replace(":known", "NULL").replace(":ids", "NULL")
    return f"""
    SELECT l.id AS loan_id, l.person_id, l.contract_no, l.currency, coalesce(m.portfolio, l.portfolio) AS portfolio,
           coalesce(m.branch, l.branch) AS branch, coalesce(m.product, l.product) AS product, x.balance, x.overdue_principal,
           x.overdue_interest, x.overdue_penalty, x.overdue_fee, x.days_past_due,
           x.overdue_principal + x.overdue_interest + x.overdue_penalty + x.overdue_fee AS overdue,
           width_bucket(x.days_past_due, CAST(:firsts AS int[])) AS place,
           (CAST(:codes AS text[]))[width_bucket(x.days_past_due, CAST(:firsts AS int[]))] AS bucket
      FROM ({standing}) x JOIN loans l ON l.id = x.loan_id
      LEFT JOIN (SELECT DISTINCT ON (loan_id) loan_id, {PLACES} FROM loan_places WHERE till >= CAST(:{until} AS timestamptz)
                  ORDER BY loan_id, till, id) m ON m.loan_id = l.id
    """


def leading(until: str = "until") -> str:
    """Of each person the loan that is most late, by which his cases are counted: one branch, one product, one currency."""
    return f"""
    SELECT DISTINCT ON (person_id) person_id, {PLACES}, currency, days_past_due FROM ({loans(until)}) every
     ORDER BY person_id, days_past_due DESC, overdue DESC, contract_no
    """


def cases(until: str = "until", day: str = "day") -> str:
    """Cases that were open at the end of the day `:day`, whose moment `:until` is, with stage, owner and unit of then."""
    return f"""
    SELECT c.id AS case_id, c.person_id, c.number, c.opened_at, coalesce(st.after, CAST(c.stage AS text)) AS stage, {owner()}
      FROM cases c
      LEFT JOIN (SELECT DISTINCT ON (case_id) case_id, after FROM stage_moves WHERE kind = 'stage' AND as_at <= :{day}
                  ORDER BY case_id, as_at DESC, id DESC) st ON st.case_id = c.id
      {handed(until)}
     WHERE c.opened_at < CAST(:{until} AS timestamptz)
       AND (c.closed_at IS NULL OR c.closed_at >= CAST(:{until} AS timestamptz))
    """


def owner() -> str:
    """Columns of a query that joins `handed`: who had the case `c` then."""
    return (
        "coalesce(CAST(CASE WHEN ho.case_id IS NULL THEN c.owner_id ELSE ho.from_owner END AS text), '') AS owner,"
        " CASE WHEN ho.case_id IS NULL THEN c.unit ELSE ho.from_unit END AS case_unit"
    )


def handed(until: str = "until") -> str:
    return f"""
      LEFT JOIN (SELECT DISTINCT ON (case_id) case_id, from_owner, from_unit FROM hand_overs
                  WHERE state = 'ACCEPTED' AND decided_at >= CAST(:{until} AS timestamptz)
                  ORDER BY case_id, decided_at, act_no) ho ON ho.case_id = c.id
    """


# The row of a promise says its state since `state_since`; what it was before stands in the case's history.
PROMISE_STATE = """
    CASE WHEN p.state_since < CAST(:until AS timestamptz) THEN p.state ELSE coalesce((
        SELECT e.data->>'state' FROM case_events e
         WHERE e.case_id = p.case_id AND e.kind = 'promise' AND e.at < CAST(:until AS timestamptz)
           AND e.data->>'promise_id' = CAST(p.id AS text) ORDER BY e.id DESC LIMIT 1), 'OPEN') END
"""


async def buckets(s: AsyncSession, day: date) -> dict[str, Any]:
    """Parameters of `loans`: the reporting buckets in force on a day."""
    held = sorted((await bands.in_force(s, "bucket", day)).bands, key=lambda one: one.first)
    return {"firsts": [one.first for one in held], "codes": [one.code for one in held]}
