"""Balances: what the bank said, less what was paid since; now, and as at any past moment.

A statement and a payment are facts that are never changed. The balance at a moment is the newest statement as at that
moment less the payments between the two. So no later fact moves it; only a fact *about* an earlier time does, which is
a correction, and whoever asks with `known` gets what the books said before it.

Days that we count by a schedule (collection/days.py) are facts, too, of days alone: a payment that is told later than they
were counted still comes off the bank's own statement before them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.db import typed_sql

_SAID = (
    "balance", "overdue_principal", "overdue_interest", "overdue_penalty", "overdue_fee", "days_past_due", "next_due",
    "next_amount",
)  # fmt: skip
_NAMES = ", ".join(_SAID)
_PAID = ", ".join(
    f"sum(CASE p.kind WHEN 'REVERSAL' THEN -p.{part} ELSE p.{part} END) AS {part}"
    for part in ("amount", "principal", "interest", "penalty", "fee")
)
_LEFT = {f"overdue_{part}": f"greatest(0, b.overdue_{part} - coalesce(p.{part}, 0))"
         for part in ("principal", "interest", "penalty", "fee")}  # fmt: skip
_LEFT["balance"] = "greatest(0, b.balance - coalesce(p.amount, 0))"
_NO_MORE = f"{' + '.join(_LEFT[k] for k in _LEFT if k.startswith('overdue'))} < 1.00 AND p.amount > 0"
_OF_BANK = ", ".join(f"CASE WHEN f.id IS NULL THEN d.{name} ELSE f.{name} END AS {name}"
                     for name in (*_SAID, "as_at") if name != "days_past_due")  # fmt: skip


def _counted(row: str) -> str:
    """Whether a fact is of days counted here; the rest of it is no word of the bank's."""
    return f"({row}.note = 'schedule' AND NOT {row}.correction)"


AS_AT = f"""
    -- balances_as_at: each loan as the facts up to :until give it, of those recorded before :known; d: the newest of them,
    -- f: where d is of days counted here, the bank's own statement before it
    WITH b AS (SELECT d.loan_id, d.days_past_due, {_counted("d")} AS counted,
                      {_OF_BANK}
                 FROM loans l
                 JOIN LATERAL (SELECT * FROM loan_balances d WHERE d.loan_id = l.id AND d.as_at < CAST(:until AS timestamptz)
                                  AND (CAST(:known AS timestamptz) IS NULL OR d.recorded_at < CAST(:known AS timestamptz))
                                ORDER BY d.as_at DESC, d.id DESC LIMIT 1) d ON true
                 LEFT JOIN LATERAL (SELECT * FROM loan_balances f WHERE {_counted("d")} AND NOT {_counted("f")}
                                  AND f.loan_id = l.id AND f.as_at <= d.as_at
                                  AND (CAST(:known AS timestamptz) IS NULL OR f.recorded_at < CAST(:known AS timestamptz))
                                ORDER BY f.as_at DESC, f.id DESC LIMIT 1) f ON true
                WHERE CAST(:ids AS uuid[]) IS NULL OR l.id = ANY(CAST(:ids AS uuid[]))),
         p AS (SELECT b.loan_id, {_PAID} FROM b JOIN payments p ON p.loan_id = b.loan_id AND p.paid_at > b.as_at
                  AND p.paid_at < CAST(:until AS timestamptz)
                  AND (CAST(:known AS timestamptz) IS NULL OR p.recorded_at < CAST(:known AS timestamptz)) GROUP BY b.loan_id)
    SELECT b.loan_id, {", ".join(f"{value} AS {name}" for name, value in _LEFT.items())},
           CASE WHEN NOT b.counted AND {_NO_MORE} THEN 0 ELSE b.days_past_due END AS days_past_due,
           b.next_due, b.next_amount, b.as_at
      FROM b LEFT JOIN p ON p.loan_id = b.loan_id
"""  # noqa: S608

_FIRST_FACT = typed_sql(
    f"""
    -- first_fact: a loan that no statement was kept of says what its row says
    INSERT INTO loan_balances (loan_id, as_at, recorded_at, {_NAMES}, correction, note)
    SELECT id, as_at, as_at, {_NAMES}, false, '' FROM loans l
     WHERE id = ANY(:ids) AND NOT EXISTS (SELECT FROM loan_balances b WHERE b.loan_id = l.id AND NOT {_counted("b")})
    """  # noqa: S608
)
_SAID_AGAIN = typed_sql(
    f"""
    -- said_again: a list that said the same as the statement before it left no row. Where a payment between the two is told
    -- later, or what was before is corrected, it becomes a fact of its own: it had the bank's word after that payment.
    INSERT INTO loan_balances (loan_id, as_at, recorded_at, {_NAMES}, correction, note)
    SELECT b.loan_id, b.row_as_at, b.row_as_at, {_NAMES}, false, ''
      FROM (SELECT DISTINCT ON (f.loan_id) f.*, l.as_at AS row_as_at FROM loans l
              JOIN loan_balances f ON f.loan_id = l.id AND f.as_at <= l.as_at AND NOT {_counted("f")}
             WHERE l.id = ANY(:ids) ORDER BY f.loan_id, f.as_at DESC, f.id DESC) b
     WHERE b.as_at < b.row_as_at AND (CAST(:always AS boolean) OR EXISTS (
           SELECT FROM payments p WHERE p.loan_id = b.loan_id AND p.paid_at > b.as_at AND p.paid_at <= b.row_as_at))
    """  # noqa: S608
)
_REFRESH = typed_sql(
    f"""
    -- refresh_loans: the row is the newest statement less what was paid after it; days of a schedule are counted anew by who
    -- asked for this (collection/days.py)
    WITH b AS (SELECT DISTINCT ON (f.loan_id) f.*, l.as_at AS row_as_at FROM loans l
                 JOIN loan_balances f ON f.loan_id = l.id AND f.as_at <= l.as_at AND NOT {_counted("f")}
                WHERE l.id = ANY(:ids) ORDER BY f.loan_id, f.as_at DESC, f.id DESC),
         p AS (SELECT b.loan_id, {_PAID} FROM b JOIN payments p ON p.loan_id = b.loan_id AND p.paid_at > b.row_as_at
                GROUP BY b.loan_id)
    UPDATE loans l SET paid_since = coalesce(p.amount, 0), {", ".join(f"{k} = {v}" for k, v in _LEFT.items())},
           days_past_due = CASE WHEN EXISTS (SELECT FROM instalments i WHERE i.loan_id = l.id) THEN l.days_past_due
                                WHEN {_NO_MORE} THEN 0 ELSE b.days_past_due END
      FROM b LEFT JOIN p USING (loan_id) WHERE l.id = b.loan_id
    """  # noqa: S608
)
_OF_LIST = ", ".join("l.as_at" if name == "as_at" else f"l.{name}" for name in _SAID)
_STATEMENTS = typed_sql(
    f"""
    -- keep_statements: of the list in in_loans, those that say something else than the fact before
    INSERT INTO loan_balances (loan_id, as_at, recorded_at, {_NAMES}, correction, note)
    SELECT l.id, l.as_at, :at, {_OF_LIST}, coalesce(b.as_at = l.as_at, false), ''
      FROM in_loans n JOIN loans l ON l.contract_no = n.contract_no
      LEFT JOIN LATERAL (SELECT * FROM loan_balances b WHERE b.loan_id = l.id AND b.as_at <= l.as_at AND NOT {_counted("b")}
                          ORDER BY b.as_at DESC, b.id DESC LIMIT 1) b ON true
     WHERE b.id IS NULL OR ({_OF_LIST}) IS DISTINCT FROM ({", ".join(f"b.{name}" for name in _SAID)})
        OR EXISTS (SELECT FROM payments p WHERE p.loan_id = l.id AND p.paid_at > b.as_at AND p.paid_at <= l.as_at)
        OR EXISTS (SELECT FROM loan_balances d WHERE d.loan_id = l.id AND d.as_at > b.as_at AND d.as_at <= l.as_at)
    """  # noqa: S608
)
_PAID_SINCE = text(
    "SELECT l.id FROM in_loans n JOIN loans l ON l.contract_no = n.contract_no WHERE l.paid_since <> 0 OR EXISTS"
    " (SELECT FROM payments p WHERE p.loan_id = l.id AND p.paid_at > l.as_at)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A loan at a moment. `as_at`: of the statement that it rests on."""

    loan_id: UUID
    balance: Decimal
    overdue_principal: Decimal
    overdue_interest: Decimal
    overdue_penalty: Decimal
    overdue_fee: Decimal
    days_past_due: int
    as_at: datetime

    @property
    def overdue(self) -> Decimal:
        return self.overdue_principal + self.overdue_interest + self.overdue_penalty + self.overdue_fee


async def as_at(
    session: AsyncSession, until: datetime, *, ids: Collection[UUID] | None = None, known: datetime | None = None
) -> dict[UUID, Standing]:
    """Loans by id as they stood just before `until` (the end of a business day: the next one's first moment).

    `known`: leave out what was recorded from then on, so that a report of that time comes out the same to the cent.
    """
    given = {"until": until, "known": known, "ids": list(ids) if ids is not None else None}
    names = Standing.__dataclass_fields__
    return {
        row["loan_id"]: Standing(**{name: row[name] for name in names})
        for row in (await session.execute(text(AS_AT), given)).mappings()
    }


async def refresh(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Brings the rows of these loans up to their facts."""
    await session.execute(_FIRST_FACT, {"ids": list(ids)})
    await session.execute(_SAID_AGAIN, {"ids": list(ids), "always": False})
    await session.execute(_REFRESH, {"ids": list(ids)})


async def keep_statements(session: AsyncSession, at: datetime) -> None:
    """After the rows of a list (`in_loans`) are written: their facts; and payments that are younger than the list stay paid."""
    await session.execute(_STATEMENTS, {"at": at})
    later = list(await session.scalars(_PAID_SINCE))
    if later:
        await refresh(session, later)


async def correct(
    session: AsyncSession, loan_id: UUID, as_at: datetime, standing: Standing, *, at: datetime, note: str
) -> None:
    """Says anew how a loan stood at a past moment; what was said before is kept. `at`: business time of the correction."""
    values = {name: getattr(standing, name) for name in _SAID if hasattr(standing, name)}
    given = ", ".join(values)
    await session.execute(_SAID_AGAIN, {"ids": [loan_id], "always": True})
    await session.execute(
        text(
            f"INSERT INTO loan_balances (loan_id, as_at, recorded_at, {given}, correction, note)"  # noqa: S608
            f" VALUES (:loan, :as_at, :at, {', '.join(':' + name for name in values)}, true, :note)"
        ),
        {"loan": loan_id, "as_at": as_at, "at": at, "note": note, **values},
    )
    await refresh(session, [loan_id])
