"""Load by person and unit: open tasks and cases as at a day, tasks closed by people and talks between two days.

A task stands with who owned it then (its moves say so); a closed one with who closed it. What the night keeps for itself
(CHECK_PROMISE) is nobody's load. Talks are the call centre's,
incoming ones too. Cases that nobody owns stand where no person is named.
"""

from sqlalchemy import Subquery
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases.rules import CHECK_PROMISE
from backoffice_core.reports import standing
from backoffice_core.reports.question import Question
from backoffice_core.reports.tables import Column, Family, Figure, Rate, sql
from backoffice_core.strategy.night import CALLERS

_ROWS = ("id", "person_id", "case_id", "currency", "portfolio", "branch", "product", "owner", "item", "kind", "person", "unit",
         "control_date", "ended_on", "open", "late", "closed", "in_time", "seconds")  # fmt: skip
_TASKS = """
    SELECT t.id, t.case_id, 'TASK' AS item, t.kind, t.control_date, CAST(t.closed_at AT TIME ZONE CAST(:zone AS text) AS date)
             AS ended_on, t.closed_at IS NULL OR t.closed_at >= CAST(:until AS timestamptz) AS open,
           CASE WHEN t.closed_at < CAST(:until AS timestamptz) THEN t.closed_by
                WHEN later.id IS NOT NULL THEN later.from_owner ELSE t.owner_id END AS who,
           CASE WHEN later.id IS NOT NULL THEN later.from_unit ELSE t.unit END AS unit, 0 AS seconds
      FROM tasks t
      LEFT JOIN LATERAL (SELECT m.id, m.from_owner, m.from_unit FROM task_moves m WHERE m.task_id = t.id
                            AND m.at >= CAST(:until AS timestamptz) ORDER BY m.id LIMIT 1) later ON true
     WHERE t.created_at < CAST(:until AS timestamptz) AND t.kind <> :nights
       AND (t.closed_at IS NULL OR t.closed_at >= CAST(:until AS timestamptz)
            OR (t.closed_at >= CAST(:begins AS timestamptz) AND t.closed_by IS NOT NULL))
"""
_TALKS = """
    SELECT a.id, a.case_id, 'TALK', '', CAST(a.business_at AT TIME ZONE CAST(:zone AS text) AS date),
           CAST(a.business_at AT TIME ZONE CAST(:zone AS text) AS date), false, a.agent_id, :callers,
           CAST(greatest(0, extract(epoch FROM coalesce(a.ended_at, a.bridged_at) - a.bridged_at)) AS int)
      FROM call_attempts a
     WHERE a.business_at >= CAST(:begins AS timestamptz) AND a.business_at < CAST(:until AS timestamptz)
       AND a.agent_id IS NOT NULL AND a.bridged_at IS NOT NULL AND a.case_id IS NOT NULL
"""
_OWNED = """
    SELECT k.case_id, k.case_id, 'CASE', '', CAST(NULL AS date), CAST(NULL AS date), true,
           CAST(nullif(k.owner, '') AS uuid), k.case_unit, 0
      FROM owned k
"""
_SQL = f"""
    -- report_load
    WITH owned AS ({standing.cases()}),
    items AS ({_TASKS} UNION ALL {_TALKS} UNION ALL {_OWNED})
    SELECT i.id, c.person_id, i.case_id, '' AS currency, coalesce(d.portfolio, '') AS portfolio,
           coalesce(d.branch, '') AS branch, coalesce(d.product, '') AS product, {standing.owner()}, i.item, i.kind,
           coalesce(CAST(i.who AS text), '') AS person, i.unit, i.control_date,
           CASE WHEN NOT i.open THEN i.ended_on END AS ended_on, i.open,
           i.item = 'TASK' AND i.open AND i.control_date < :day AS late, i.item = 'TASK' AND NOT i.open AS closed,
           i.item = 'TASK' AND NOT i.open AND i.ended_on <= i.control_date AS in_time, i.seconds
      FROM items i JOIN cases c ON c.id = i.case_id {standing.handed()}
      LEFT JOIN ({standing.leading()}) d ON d.person_id = c.person_id
"""  # noqa: S608


async def _base(s: AsyncSession, q: Question) -> Subquery:
    given = {
        "until": q.until, "begins": q.begins, "day": q.as_at, "zone": str(q.zone), "nights": CHECK_PROMISE, "callers": CALLERS,
    }  # fmt: skip
    return sql(_SQL, _ROWS, given | await standing.buckets(s, q.as_at))


_TASK = "item = 'TASK'"
FAMILY = Family(
    name="load", base=_base, cuts=("person", "unit", "kind", "branch", "product", "portfolio"),
    figures=(
        Figure("cases", "item = 'CASE'"), Figure("open", f"{_TASK} AND open"), Figure("late", "late"),
        Figure("on_track", f"{_TASK} AND open AND NOT late"),
        Figure("closed", "closed"), Figure("in_time", "in_time"), Figure("talks", "item = 'TALK'"),
        Figure("talk_s", "item = 'TALK'", "seconds", unit="seconds"),
    ),
    rates=(Rate("in_time_rate", "in_time", ("closed",)), Rate("late_share", "late", ("open",))),
    columns=(
        Column("item", "load-item"), Column("kind", "task"), Column("control_date", "date"), Column("ended_on", "date"),
        Column("late", "flag"), Column("seconds", "seconds"), Column("unit", "unit"), Column("person", "name"), Column("branch"),
    ),
    order=("item", "control_date", "id"), chart=("on_track", "late"), hidden=("on_track",),
)  # fmt: skip
