"""Liquidation (domain.md 2.4): collected in the period / balance placed at its start, by the month of placement (vintage).

Placed at the start are loans with a debt at the end of the first day whose borrower's case was open then; the vintage is the
month in which the case was opened. Collected is what was paid on these loans after that day, less what went back. A loan keeps
the branch, stage and owner that it had at the start, as in the report of rolls.
"""

from sqlalchemy import Subquery
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.reports import standing
from backoffice_core.reports.question import Question
from backoffice_core.reports.tables import Column, Family, Figure, Rate, sql

_ROWS = ("loan_id", "person_id", "case_id", "contract_no", "currency", "portfolio", "branch", "product", "owner", "unit", "stage",
         "bucket", "vintage", "opened_on", "days_past_due", "balance", "paid")  # fmt: skip
_SQL = f"""
    -- report_liquidation
    SELECT a.loan_id, a.person_id, k.case_id, a.contract_no, a.currency, a.portfolio, a.branch, a.product, k.owner,
           k.case_unit AS unit, k.stage, a.bucket, to_char(k.opened_at AT TIME ZONE CAST(:zone AS text), 'YYYY-MM') AS vintage,
           CAST(k.opened_at AT TIME ZONE CAST(:zone AS text) AS date) AS opened_on, a.days_past_due, a.balance,
           coalesce(p.paid, 0.00) AS paid
      FROM ({standing.loans("start")}) a
      JOIN ({standing.cases("start", "first")}) k ON k.person_id = a.person_id
      LEFT JOIN (SELECT loan_id, sum(CASE kind WHEN 'REVERSAL' THEN -amount ELSE amount END) AS paid FROM payments
                  WHERE paid_at >= CAST(:start AS timestamptz) AND paid_at < CAST(:until AS timestamptz)
                  GROUP BY loan_id) p ON p.loan_id = a.loan_id
     WHERE a.balance > 0
"""  # noqa: S608


async def _base(s: AsyncSession, q: Question) -> Subquery:
    given = {"start": q.start, "until": q.until, "first": q.first, "zone": str(q.zone)}
    return sql(_SQL, _ROWS, given | await standing.buckets(s, q.as_at))


FAMILY = Family(
    name="liquidation", base=_base,
    cuts=("vintage", "bucket", "stage", "unit", "branch", "product", "owner", "portfolio"),
    figures=(
        Figure("loans"), Figure("placed", sum="balance"), Figure("payers", "paid <> 0"),
        Figure("collected", "paid <> 0", "paid"),
    ),
    rates=(Rate("liquidation", "collected", ("placed",)), Rate("payer_share", "payers", ("loans",))),
    columns=(
        Column("contract_no"), Column("vintage"), Column("opened_on", "date"), Column("bucket"), Column("stage", "stage"),
        Column("days_past_due", "number"), Column("balance", "money"), Column("paid", "money"), Column("branch"),
        Column("product"), Column("owner", "name"),
    ),
    order=("opened_on", "contract_no"), chart=("collected",),
)  # fmt: skip
