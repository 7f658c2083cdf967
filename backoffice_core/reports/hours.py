"""Right parties per agent-hour (domain.md 2.4): right parties reached / hours logged in, by person, unit, day.

Logged in is logged in: pauses and waiting count, as the trade counts them. A right party is a call, in or out, whose result
says so, on the day of the call, for the agent who gave the result. The branch here is the agent's own: his hours are of no
borrower, so under a filter by portfolio, product or owner there are talks but no hours, and no rate.
"""

from sqlalchemy import Subquery
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.reports.question import Question
from backoffice_core.reports.tables import Column, Family, Figure, Rate, sql

_ROWS = ("id", "person_id", "case_id", "currency", "portfolio", "branch", "product", "owner", "item", "person", "unit", "day",
         "at", "outcome", "seconds", "talk", "rpc", "promised")  # fmt: skip
_SQL = """
    -- report_hours: each session cut at the ends of days, and each talk. Sessions are stamped by the machine, calls by both:
    -- where the business clock is shifted (a demo), the newest call says by how much
    WITH shift AS (SELECT coalesce((SELECT business_at - claimed_at FROM call_attempts ORDER BY claimed_at DESC LIMIT 1),
                                   interval '0') AS by),
    seats AS (SELECT s.id, s.user_id, s.started_at + shift.by AS since, coalesce(s.ended_at, now()) + shift.by AS till
                FROM agent_sessions s, shift),
    days AS (
      SELECT d AS day, greatest(d AT TIME ZONE CAST(:zone AS text), CAST(:begins AS timestamptz)) AS since,
             least((d + interval '1 day') AT TIME ZONE CAST(:zone AS text), CAST(:until AS timestamptz)) AS till
        FROM generate_series(CAST(CAST(:first AS date) AS timestamp), CAST(CAST(:day AS date) AS timestamp), interval '1 day') d),
    items AS (
      SELECT s.id, CAST(NULL AS uuid) AS person_id, CAST(NULL AS uuid) AS case_id, 'SESSION' AS item, s.user_id, d.day,
             greatest(s.since, d.since) AT TIME ZONE CAST(:zone AS text) AS at, '' AS outcome,
             CAST(extract(epoch FROM least(s.till, d.till) - greatest(s.since, d.since)) AS int) AS seconds,
             false AS rpc, false AS promised
        FROM days d JOIN seats s ON s.since < d.till AND s.till > d.since
      UNION ALL
      SELECT a.id, a.person_id, a.case_id, 'TALK', a.agent_id,
             date_trunc('day', a.business_at AT TIME ZONE CAST(:zone AS text)),
             a.business_at AT TIME ZONE CAST(:zone AS text), coalesce(e.data->>'outcome', ''), 0,
             coalesce(e.data->>'rpc' = 'true', false),
             EXISTS (SELECT FROM promises p WHERE p.call_id = a.id AND p.made_at < CAST(:until AS timestamptz))
        FROM call_attempts a
        LEFT JOIN case_events e ON e.call_id = a.id AND e.kind = 'outcome' AND e.at < CAST(:until AS timestamptz)
       WHERE a.business_at >= CAST(:begins AS timestamptz) AND a.business_at < CAST(:until AS timestamptz)
         AND a.agent_id IS NOT NULL AND a.bridged_at IS NOT NULL)
    SELECT i.id, i.person_id, i.case_id, '' AS currency, '' AS portfolio, u.branch, '' AS product, '' AS owner, i.item,
           CAST(u.id AS text) AS person, coalesce(u.unit, '') AS unit, to_char(i.day, 'YYYY-MM-DD') AS day,
           to_char(i.at, 'YYYY-MM-DD HH24:MI') AS at, i.outcome, i.seconds, i.item = 'TALK' AS talk, i.rpc, i.promised
      FROM items i JOIN staff_users u ON u.id = i.user_id
"""


async def _base(s: AsyncSession, q: Question) -> Subquery:
    given = {"until": q.until, "begins": q.begins, "first": q.first, "day": q.as_at, "zone": str(q.zone)}
    return sql(_SQL, _ROWS, given)


LEAST_S = 900  # one call in the first minute would be sixty an hour
FAMILY = Family(
    name="hours", base=_base, cuts=("person", "unit", "day", "branch"),
    figures=(
        Figure("logged", "item = 'SESSION'", "seconds", unit="seconds"), Figure("talks", "talk"), Figure("rpc", "rpc"),
        Figure("promised", "promised"), Figure("others", "talk AND NOT rpc"),
    ),
    rates=(
        Rate("rpc_hour", "rpc", ("logged",), times=3600, least=LEAST_S),
        Rate("ptp_hour", "promised", ("logged",), times=3600, least=LEAST_S),
    ),
    columns=(
        Column("at"), Column("item", "hours-item"), Column("person", "name"), Column("unit", "unit"),
        Column("seconds", "seconds"), Column("outcome", "outcome"), Column("rpc", "flag"), Column("promised", "flag"),
    ),
    order=("at", "item", "id"), chart=("rpc", "others"), hidden=("others",),
)  # fmt: skip
