"""Promises to pay: those made, and those whose last day (due date and grace) came, between two days; as at the second.

due = kept + broken + cancelled + waiting. The kept rate is kept / (kept + broken), as in call_centre/calls/kpi.py: a
cancelled one was due to nobody, one that waits is judged the night after its last day. Beside it stands the share of
all that were judged or cancelled, by which kept + broken + cancelled are the whole (domain.md 2.4).
"""

from sqlalchemy import Subquery
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.reports import standing
from backoffice_core.reports.question import Question
from backoffice_core.reports.tables import Column, Family, Figure, Rate, sql

_ROWS = ("id", "person_id", "case_id", "currency", "portfolio", "branch", "product", "owner", "amount", "matched", "made_on",
         "due_date", "last_day", "week", "maker", "state", "made", "due")  # fmt: skip
_SQL = f"""
    -- report_promises
    SELECT x.*, to_char(x.last_day, 'IYYY-"W"IW') AS week, x.made_on BETWEEN :first AND :day AS made,
           x.last_day BETWEEN :first AND :day AS due,
           coalesce(d.portfolio, '') AS portfolio, coalesce(d.branch, '') AS branch, coalesce(d.product, '') AS product
      FROM (SELECT p.id, c.person_id, p.case_id, p.currency, {standing.owner()}, p.amount,
                   coalesce((SELECT sum(m.amount) FROM promise_matches m
                              WHERE m.promise_id = p.id AND m.at < CAST(:until AS timestamptz)), 0.00) AS matched,
                   CAST(p.made_at AT TIME ZONE CAST(:zone AS text) AS date) AS made_on,
                   p.due_date, p.due_date + p.grace_days AS last_day,
                   coalesce(CAST(p.made_by AS text), '') AS maker, {standing.PROMISE_STATE} AS state
              FROM promises p JOIN cases c ON c.id = p.case_id {standing.handed()}
             WHERE p.made_at < CAST(:until AS timestamptz)
               AND (p.made_at >= CAST(:begins AS timestamptz) OR p.due_date + p.grace_days BETWEEN :first AND :day)) x
      LEFT JOIN ({standing.leading()}) d ON d.person_id = x.person_id
"""  # noqa: S608
_KEPT, _BROKEN = "due AND state = 'KEPT'", "due AND state = 'BROKEN'"


async def _base(s: AsyncSession, q: Question) -> Subquery:
    given = {"until": q.until, "begins": q.begins, "first": q.first, "day": q.as_at, "zone": str(q.zone)}
    return sql(_SQL, _ROWS, given | await standing.buckets(s, q.as_at))


FAMILY = Family(
    name="promises", base=_base, cuts=("maker", "week", "branch", "product", "owner", "portfolio"),
    figures=(
        Figure("made", "made"), Figure("made_sum", "made", "amount"), Figure("due", "due"), Figure("kept", _KEPT),
        Figure("broken", _BROKEN), Figure("cancelled", "due AND state = 'CANCELLED'"),
        Figure("waiting", "due AND state IN ('OPEN', 'PARTIAL')"), Figure("due_sum", "due", "amount"),
        Figure("kept_sum", _KEPT, "amount"), Figure("broken_sum", _BROKEN, "amount"), Figure("matched_sum", "due", "matched"),
    ),
    rates=(
        Rate("kept_rate", "kept", ("kept", "broken")), Rate("kept_of_due", "kept", ("kept", "broken", "cancelled")),
        Rate("kept_rate_money", "kept_sum", ("kept_sum", "broken_sum")),
    ),
    columns=(
        Column("made_on", "date"), Column("due_date", "date"), Column("last_day", "date"), Column("amount", "money"),
        Column("matched", "money"), Column("state", "promise"), Column("maker", "name"), Column("branch"), Column("product"),
    ),
    order=("last_day", "id"), chart=("kept", "broken", "cancelled", "waiting"), extra=("state",),
    under={"made": "made_sum", "due": "due_sum", "kept": "kept_sum", "broken": "broken_sum"},
)  # fmt: skip
