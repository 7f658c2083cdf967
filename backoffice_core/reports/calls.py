"""Calls out between two days: answers, right parties, promises, abandoned ones, by campaign, hour, agent (domain.md 2.4).

Each rate names its denominator: connect = answered by a person / attempts; right parties per answer and per attempt; promises /
right parties of calls about a debt; abandoned / answered by a person for an agent (a message without an agent abandons nobody:
decision 0025); intensity = attempts / cases attempted. A case is counted at its first attempt.
"""

from sqlalchemy import Subquery
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.reports import standing
from backoffice_core.reports.question import Question
from backoffice_core.reports.tables import Column, Family, Figure, Rate, sql

_ROWS = ("id", "person_id", "case_id", "currency", "portfolio", "branch", "product", "owner", "campaign", "person", "day", "hour",
         "at", "result", "outcome", "human", "for_agent", "rpc", "promised", "abandoned", "first", "debt")  # fmt: skip
_SQL = f"""
    -- report_calls
    SELECT a.id, c.person_id, a.case_id, '' AS currency, coalesce(d.portfolio, '') AS portfolio,
           coalesce(d.branch, '') AS branch, coalesce(d.product, '') AS product, {standing.owner()}, a.campaign,
           coalesce(CAST(a.agent_id AS text), '') AS person, to_char(a.at, 'YYYY-MM-DD') AS day, to_char(a.at, 'HH24') AS hour,
           to_char(a.at, 'YYYY-MM-DD HH24:MI') AS at, coalesce(a.result, '') AS result, coalesce(e.outcome, '') AS outcome,
           coalesce(a.result IN ('ANSWERED_HUMAN', 'SILENT', 'ABANDONED'), false) AS human,
           coalesce(a.result IN ('ANSWERED_HUMAN', 'SILENT', 'ABANDONED'), false) AND NOT a.robot AS for_agent,
           coalesce(e.rpc, false) AS rpc,
           EXISTS (SELECT FROM promises p WHERE p.call_id = a.id AND p.made_at < CAST(:until AS timestamptz)) AS promised,
           a.abandoned, a.n = 1 AS first, a.purpose = 'collection' AS debt
      FROM (SELECT t.*, t.business_at AT TIME ZONE CAST(:zone AS text) AS at,
                   row_number() OVER (PARTITION BY t.case_id ORDER BY t.business_at, t.id) AS n
              FROM call_attempts t
             WHERE t.direction = 'out' AND t.case_id IS NOT NULL AND t.business_at >= CAST(:begins AS timestamptz)
               AND t.business_at < CAST(:until AS timestamptz)) a
      JOIN cases c ON c.id = a.case_id {standing.handed()}
      LEFT JOIN (SELECT call_id, data->>'outcome' AS outcome, data->>'rpc' = 'true' AS rpc FROM case_events
                  WHERE kind = 'outcome' AND call_id IS NOT NULL AND at >= CAST(:begins AS timestamptz)
                    AND at < CAST(:until AS timestamptz)) e ON e.call_id = a.id
      LEFT JOIN ({standing.leading()}) d ON d.person_id = c.person_id
"""  # noqa: S608


async def _base(s: AsyncSession, q: Question) -> Subquery:
    given = {"until": q.until, "begins": q.begins, "zone": str(q.zone)}
    return sql(_SQL, _ROWS, given | await standing.buckets(s, q.as_at))


FAMILY = Family(
    name="calls", base=_base, cuts=("campaign", "day", "hour", "person", "branch", "product", "owner", "portfolio"),
    figures=(
        Figure("attempts"), Figure("cases", "first"), Figure("human", "human"), Figure("for_agent", "for_agent"),
        Figure("rpc", "rpc"),
        Figure("promised", "promised"), Figure("abandoned", "abandoned"), Figure("others", "human AND NOT rpc"),
        Figure("unreached", "NOT human AND NOT rpc"), Figure("debtors", "rpc AND debt"),
    ),
    rates=(
        Rate("connect_rate", "human", ("attempts",)), Rate("rpc_per_connect", "rpc", ("human",)),
        Rate("rpc_per_attempt", "rpc", ("attempts",)), Rate("ptp_rate", "promised", ("debtors",)),
        Rate("abandon_rate", "abandoned", ("for_agent",)), Rate("intensity", "attempts", ("cases",), times=1),
    ),
    columns=(
        Column("at"), Column("campaign"), Column("result", "result"), Column("outcome", "outcome"), Column("person", "name"),
        Column("rpc", "flag"), Column("promised", "flag"), Column("abandoned", "flag"), Column("branch"),
    ),
    order=("at", "id"), chart=("rpc", "others", "unreached"), hidden=("others", "unreached", "debtors"),
)  # fmt: skip
