"""Roll rates and cures between the ends of two days: every loan with a debt at the first, and where it stood at the second.

worse + same + better + cured = loans at the start (domain.md 2.4). A loan keeps the branch, stage and owner that it had at
the start, so that the starts are those of the portfolio's report as at the first day.
"""

from sqlalchemy import Subquery
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.reports import standing
from backoffice_core.reports.question import Question
from backoffice_core.reports.tables import Column, Family, Figure, Rate, sql

_ROWS = ("loan_id", "person_id", "case_id", "contract_no", "currency", "portfolio", "branch", "product", "owner", "stage",
         "bucket", "after", "days_before", "days_after", "balance", "overdue_after", "way", "next")  # fmt: skip
_SQL = f"""
    -- report_rolls
    SELECT a.loan_id, a.person_id, k.case_id, a.contract_no, a.currency, a.portfolio, a.branch, a.product,
           coalesce(k.owner, '') AS owner, coalesce(k.stage, '') AS stage, a.bucket, z.bucket AS after,
           a.days_past_due AS days_before, z.days_past_due AS days_after, a.balance, z.overdue AS overdue_after,
           CASE WHEN z.place > a.place THEN 'WORSE' WHEN a.days_past_due > 0 AND z.days_past_due = 0 THEN 'CURED'
                WHEN z.place < a.place THEN 'BETTER' ELSE 'SAME' END AS way, z.place = a.place + 1 AS next
      FROM ({standing.loans("start")}) a JOIN ({standing.loans()}) z ON z.loan_id = a.loan_id
      LEFT JOIN ({standing.cases("start", "first")}) k ON k.person_id = a.person_id
     WHERE a.balance > 0 OR a.overdue > 0
"""  # noqa: S608
_WAYS = (("cured", "CURED"), ("better", "BETTER"), ("same", "SAME"), ("worse", "WORSE"))


async def _base(s: AsyncSession, q: Question) -> Subquery:
    moments = {"start": q.start, "until": q.until, "first": q.first}
    return sql(_SQL, _ROWS, moments | await standing.buckets(s, q.as_at))


FAMILY = Family(
    name="rolls", base=_base, cuts=("bucket", "stage", "branch", "product", "owner", "portfolio"),
    figures=(
        Figure("start"), *(Figure(name, f"way = '{way}'") for name, way in _WAYS), Figure("next", "next"),
        Figure("late_start", "days_before > 0"), Figure("balance_start", sum="balance"),
        *(Figure(f"balance_{name}", f"way = '{way}'", "balance") for name, way in _WAYS),
    ),
    rates=(
        Rate("roll_rate", "next", ("start",)), Rate("cure_rate", "cured", ("late_start",)),
        Rate("roll_rate_money", "balance_worse", ("balance_start",)),
    ),
    columns=(
        Column("contract_no"), Column("bucket"), Column("after"), Column("way", "roll-way"), Column("days_before", "number"),
        Column("days_after", "number"), Column("balance", "money"), Column("overdue_after", "money"), Column("branch"),
        Column("product"), Column("owner", "name"),
    ),
    order=("days_before", "contract_no"), chart=("cured", "better", "same", "worse"), extra=("after",),
    under={"start": "balance_start", **{name: f"balance_{name}" for name, _ in _WAYS}}, hidden=("late_start",),
)  # fmt: skip
