"""Acts of the late stages between two days: written off, sold, with agencies, recalled, recovered; waiting or reversed ones too.

One row an act and currency of its loans, with the sums that the act names: what the bank later says of a loan changes nothing of
it. As at the second day: an approval, a refusal or a reversal that came later leaves the act as it was.
"""

from sqlalchemy import Subquery
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.reports import standing
from backoffice_core.reports.question import Question
from backoffice_core.reports.tables import Column, Family, Figure, Rate, sql

_ROWS = ("id", "person_id", "case_id", "currency", "portfolio", "branch", "product", "owner", "act", "state", "counterparty",
         "act_no", "proposed_on", "decided_on", "loans", "balance", "price", "person")  # fmt: skip
_SQL = f"""
    -- report_acts
    SELECT a.id, c.person_id, a.case_id, x.currency, coalesce(d.portfolio, '') AS portfolio, coalesce(d.branch, '') AS branch,
           coalesce(d.product, '') AS product,
           CASE WHEN a.decided_at < CAST(:until AS timestamptz) AND a.before <> '{{}}' THEN coalesce(a.before->>'owner', '')
                ELSE o.owner END AS owner,
           a.kind AS act, CASE WHEN a.reversed_at < CAST(:until AS timestamptz) THEN 'REVERSED'
                               WHEN a.decided_at < CAST(:until AS timestamptz)
                                    THEN CASE a.state WHEN 'REVERSED' THEN 'APPROVED' ELSE a.state END
                               ELSE 'PROPOSED' END AS state,
           a.counterparty, a.act_no, CAST(a.proposed_at AT TIME ZONE CAST(:zone AS text) AS date) AS proposed_on,
           CASE WHEN a.decided_at < CAST(:until AS timestamptz)
                THEN CAST(a.decided_at AT TIME ZONE CAST(:zone AS text) AS date) END AS decided_on,
           x.loans, x.balance, CASE WHEN x.currency = a.currency THEN coalesce(a.price, 0.00) ELSE 0.00 END AS price,
           CAST(a.proposed_by AS text) AS person
      FROM late_acts a JOIN cases c ON c.id = a.case_id
      JOIN (SELECT c.id, {standing.owner()} FROM cases c {standing.handed()}) o ON o.id = a.case_id
     CROSS JOIN LATERAL (SELECT l->>'currency' AS currency, count(*) AS loans, sum(CAST(l->>'balance' AS numeric)) AS balance
                           FROM jsonb_array_elements(a.act->'loans') l GROUP BY l->>'currency') x
      LEFT JOIN ({standing.leading()}) d ON d.person_id = c.person_id
     WHERE a.proposed_at < CAST(:until AS timestamptz)
       AND (a.proposed_at >= CAST(:begins AS timestamptz) OR a.decided_at >= CAST(:begins AS timestamptz)
            OR a.reversed_at >= CAST(:begins AS timestamptz))
"""  # noqa: S608


async def _base(s: AsyncSession, q: Question) -> Subquery:
    given = {"until": q.until, "begins": q.begins, "zone": str(q.zone)}
    return sql(_SQL, _ROWS, given | await standing.buckets(s, q.as_at))


_IN_FORCE = "state = 'APPROVED'"
FAMILY = Family(
    name="acts", base=_base, cuts=("act", "counterparty", "branch", "product", "owner", "person", "portfolio"),
    figures=(
        Figure("acts"), Figure("waiting", "state = 'PROPOSED'"), Figure("in_force", _IN_FORCE),
        Figure("reversed", "state = 'REVERSED'"), Figure("refused", "state = 'REFUSED'"),
        Figure("balance", _IN_FORCE, "balance"), Figure("price", f"{_IN_FORCE} AND price > 0", "price"),
        Figure("sold_balance", f"{_IN_FORCE} AND price > 0", "balance"),
    ),
    rates=(Rate("price_share", "price", ("sold_balance",)),),
    columns=(
        Column("proposed_on", "date"), Column("act", "late-act"), Column("counterparty"), Column("state", "late-act-state"),
        Column("decided_on", "date"), Column("loans", "number"), Column("balance", "money"), Column("price", "money"),
        Column("branch"), Column("person", "name"),
    ),
    order=("proposed_on", "act_no", "currency"), chart=("in_force", "waiting", "reversed", "refused"), hidden=("sold_balance",),
)  # fmt: skip
