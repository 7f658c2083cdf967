"""The portfolio as at a day (DM-02, DM-05): loans with a debt by bucket, stage, branch, product, owner."""

from sqlalchemy import Subquery
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.reports import standing
from backoffice_core.reports.question import Question
from backoffice_core.reports.tables import Column, Family, Figure, Rate, sql

_PARTS = ("overdue_principal", "overdue_interest", "overdue_penalty", "overdue_fee")
_ROWS = ("loan_id", "person_id", "case_id", "contract_no", "currency", "portfolio", "branch", "product", "owner", "stage",
         "bucket", "days_past_due", "balance", "overdue", *_PARTS)  # fmt: skip
_SQL = f"""
    -- report_portfolio: loans with a debt, each with the case of its borrower, if one was open
    SELECT l.loan_id, l.person_id, k.case_id, l.contract_no, l.currency, l.portfolio, l.branch, l.product,
           coalesce(k.owner, '') AS owner, coalesce(k.stage, '') AS stage, l.bucket, l.days_past_due, l.balance, l.overdue,
           {", ".join(f"l.{part}" for part in _PARTS)}
      FROM ({standing.loans()}) l LEFT JOIN ({standing.cases()}) k ON k.person_id = l.person_id
     WHERE l.balance > 0 OR l.overdue > 0
"""  # noqa: S608


async def _base(s: AsyncSession, q: Question) -> Subquery:
    return sql(_SQL, _ROWS, {"until": q.until, "day": q.as_at, **await standing.buckets(s, q.as_at)})


FAMILY = Family(
    name="portfolio", base=_base, cuts=("bucket", "stage", "branch", "product", "owner", "portfolio"), spans=False,
    figures=(
        Figure("loans"), Figure("late", "days_past_due > 0"), Figure("balance", sum="balance"),
        Figure("overdue", "overdue > 0", "overdue"),
        *(Figure(part, f"{part} > 0", part) for part in _PARTS),
    ),
    rates=(Rate("late_share", "late", ("loans",)),),
    columns=(
        Column("contract_no"), Column("bucket"), Column("stage", "stage"), Column("days_past_due", "number"),
        Column("balance", "money"), Column("overdue", "money"), Column("branch"), Column("product"), Column("owner", "name"),
    ),
    order=("days_past_due", "contract_no"), chart=("overdue",),
)  # fmt: skip
