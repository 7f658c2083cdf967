"""The bank's own days as a simulated world: what its calls of the last days say of answers, rings, talks and the team.

A world is a description by values (dialer/simulation/worlds/standard.yaml explains its keys); nobody's name, number or debt goes
into it.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.config import Settings
from backoffice_core.errors import BadInput

ENOUGH = 200  # calls; fewer describe no world
SHORT_S = 20  # a talk that ended sooner was none: a wrong number, "call later"
MOST_DAYS = 90
_FIGURES = text("""
    -- past_world: one row of sums and spreads over the calls that people took or let ring
    WITH calls AS (
        SELECT result, outcome, extract(epoch FROM answered_at - claimed_at) AS answered_after,
               extract(epoch FROM ended_at - bridged_at) AS talk, extract(epoch FROM outcome_at - ended_at) AS wrap
        FROM call_attempts WHERE claimed_at >= :since AND direction = 'out' AND NOT robot AND ended_at IS NOT NULL
         AND (CAST(:campaign AS text) = '' OR campaign = :campaign)
         AND result IN ('ANSWERED_HUMAN','SILENT','ABANDONED','ANSWERED_MACHINE','NO_ANSWER','BUSY','REJECTED','INVALID_NUMBER',
                        'ANNOUNCEMENT'))
    SELECT count(*) AS calls, count(*) FILTER (WHERE result IN ('ANSWERED_HUMAN','SILENT','ABANDONED')) AS people,
           count(*) FILTER (WHERE result = 'ANSWERED_MACHINE') AS machines, count(*) FILTER (WHERE result = 'BUSY') AS busy,
           count(*) FILTER (WHERE result = 'REJECTED') AS rejected,
           count(*) FILTER (WHERE result = 'INVALID_NUMBER') AS invalid,
           avg(answered_after) FILTER (WHERE answered_after > 0) AS ring, stddev(answered_after) AS ring_sd,
           avg(talk) FILTER (WHERE talk >= :short) AS talk, stddev(ln(talk)) FILTER (WHERE talk >= :short) AS talk_sigma,
           count(*) FILTER (WHERE talk < :short) AS shorts, avg(talk) FILTER (WHERE talk < :short) AS short,
           count(talk) AS talks, avg(wrap) FILTER (WHERE wrap > 0) AS wrap,
           stddev(ln(greatest(wrap, 1))) FILTER (WHERE wrap > 0) AS wrap_sigma
    FROM calls
""")
_HOURS = text("""
    SELECT extract(hour FROM business_at AT TIME ZONE CAST(:zone AS text))::int AS hour, count(*) AS calls,
           count(*) FILTER (WHERE result IN ('ANSWERED_HUMAN','SILENT','ABANDONED')) AS people
    FROM call_attempts WHERE claimed_at >= :since AND direction = 'out' AND NOT robot AND ended_at IS NOT NULL
     AND (CAST(:campaign AS text) = '' OR campaign = :campaign)
    GROUP BY 1 ORDER BY 1
""")
_TEAM = text("""
    SELECT coalesce(max(n), 0) FROM (SELECT count(DISTINCT user_id) AS n FROM agent_sessions
    WHERE started_at >= :since GROUP BY date_trunc('day', started_at)) d
""")


@dataclass(frozen=True, slots=True)
class Past:
    """`world`: keys and values of a world; `calls` tell it, `first_hour` is the bank's hour at which its shift begins."""

    world: dict[str, Any]
    calls: int
    first_hour: int


async def learned(
    s: AsyncSession, settings: Settings, *, days: int, wall: datetime, zone: ZoneInfo, campaign: str = "",
    agents: int = 0, hours: float = 0.0,
) -> Past:  # fmt: skip
    """The world of the last `days` days (1 … MOST_DAYS). `agents`, `hours`: 0 = as they were. Raises BadInput."""
    if not 1 <= days <= MOST_DAYS:
        raise BadInput("The number of days is not possible.", remedy=f"Give 1 to {MOST_DAYS}.", field="days")
    asked = {"since": wall - timedelta(days=days), "campaign": campaign}
    row = (await s.execute(_FIGURES, asked | {"short": SHORT_S})).one()
    if row.calls < ENOUGH or not row.people:
        raise BadInput(
            f"The last {days} days have {row.calls} calls: too few to learn from.",
            remedy=f"Take more days; {ENOUGH} calls are needed, some of them answered.", field="days",
        )  # fmt: skip
    by_hour = [(hour, calls, people) for hour, calls, people in await s.execute(_HOURS, asked | {"zone": str(zone)})]
    busy_hours = [one for one in by_hour if one[1] >= max(row.calls // 100, 5)] or by_hour
    first, last = busy_hours[0][0], busy_hours[-1][0]
    hours = hours or float(last - first + 1)
    team = agents or int(await s.scalar(_TEAM, asked) or 0) or 1
    return Past(_world(row, by_hour, first, hours, team, settings, days), row.calls, first)


def _world(
    row: Any, by_hour: list[tuple[int, int, int]], first: int, hours: float, agents: int, settings: Settings, days: int
) -> dict[str, Any]:
    vain = max(row.calls - row.people - row.machines, 1)
    reached = row.people + row.machines
    rate = reached / row.calls
    known = {hour: (calls, people) for hour, calls, people in by_hour}
    factors = []
    for hour in range(first, first + math.ceil(hours)):
        calls, people = known.get(hour % 24, (0, 0))
        factors.append(round((people + 50 * row.people / row.calls) / (calls + 50) / (row.people / row.calls), 3))
    ring = _within(row.ring, 3.0, settings.ring_timeout_s - 1.0, 10.0) - 2.0
    spread = float(row.ring_sd or 0) or ring
    talk, wrap = _within(row.talk, SHORT_S, 3600, 120), _within(row.wrap, 1, 1800, 25)
    return {
        "name": f"{days} days of history", "agents": agents, "hours": hours,
        "lines": sum(trunk.lines for trunk in settings.trunks), "answer_rate": round(rate, 4), "rate_shape": "by_hour",
        "by_hour": factors, "ring_mean": round(max(ring, 1.0), 2),
        "ring_shape": round(min(max((ring / spread) ** 2, 0.5), 8.0), 2), "ring_timeout": float(settings.ring_timeout_s),
        "busy": round(row.busy / vain, 4), "rejected": round(row.rejected / vain, 4), "invalid": round(row.invalid / vain, 4),
        "talk_mean": round(talk, 1), "talk_sigma": round(_within(row.talk_sigma, 0.1, 1.5, 0.7), 2),
        "short_share": round(row.shorts / max(row.talks, 1), 4), "short_mean": round(_within(row.short, 1, SHORT_S, 10), 1),
        "machine_share": round(row.machines / max(reached, 1), 4), "wrap_mean": round(wrap, 1),
        "wrap_sigma": round(_within(row.wrap_sigma, 0.1, 1.5, 0.5), 2),
    }  # fmt: skip


def _within(value: Any, least: float, most: float, otherwise: float) -> float:
    return otherwise if value is None else min(max(float(value), least), most)
