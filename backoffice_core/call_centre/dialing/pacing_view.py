"""What the dialer sees of its floor: agents, live calls, how calls ended, and the account of abandoned calls."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.calls import robots
from backoffice_core.call_centre.desks.agents import FREE
from backoffice_core.call_centre.models import AgentSession, CallAttempt

TAIL = timedelta(minutes=5)  # so far back a call's end may still change what it counts for
REFRESH = timedelta(minutes=1)
INBOUND = timedelta(minutes=30)  # of these is learned how often we are called


@dataclass(frozen=True, slots=True)
class Seat:
    """An agent at work. `free`: he would get an answered call now. `leaves`: he will not come back after his call."""

    user_id: UUID
    state: str
    free: bool
    since: datetime
    leaves: bool
    held: bool  # reserved before the dial, for a call that rings


@dataclass(frozen=True, slots=True)
class Call:
    id: UUID
    campaign: str
    inbound: bool  # he wants an agent: he called us, or asked a message for one
    claimed_at: datetime
    answered_at: datetime | None
    with_agent: bool
    abandoned: bool
    out: bool = True  # we called him


@dataclass(frozen=True, slots=True)
class Floor:
    calls: Sequence[Call]
    seats: Sequence[Seat]


async def look(s: AsyncSession) -> Floor:
    """Calls before agents: a call that gets its agent in between then stands as waiting, which errs to the safe side."""
    a, g = CallAttempt, AgentSession
    calls = await s.execute(
        select(
            a.id,
            a.campaign,
            or_(a.direction == "in", a.robot_key == robots.AGENT),
            a.claimed_at,
            a.answered_at,
            a.agent_id.is_not(None),
            a.abandoned,
            a.direction == "out",
        ).where(a.ended_at.is_(None))
    )
    seats = await s.execute(
        select(
            g.user_id, g.state, and_(*FREE).label("free"), g.since, g.wants_pause != "",
            and_(g.state == "RESERVED", g.reason == "DIAL"),
        ).where(g.ended_at.is_(None))
    )  # fmt: skip
    return Floor([Call(*row) for row in calls.all()], [Seat(*row) for row in seats.all()])


@dataclass(frozen=True, slots=True)
class Ended:
    answered_at: datetime | None
    ended_at: datetime | None
    result: str


async def ended(s: AsyncSession, ids: Collection[UUID]) -> dict[UUID, Ended]:
    a = CallAttempt
    rows = await s.execute(select(a.id, a.answered_at, a.ended_at, a.result).where(a.id.in_(ids)))
    return {id_: Ended(answered, over, result or "") for id_, answered, over, result in rows.all()}


_INBOUND = text("""
    -- calls_in: how many called us since a moment
    SELECT count(*) FROM call_attempts WHERE (direction = 'in' OR robot_key = '1') AND claimed_at >= :since
""")


async def inbound_per_s(s: AsyncSession, wall: datetime) -> float:
    """Calls to us a second, by the last half hour."""
    return float(await s.scalar(_INBOUND, {"since": wall - INBOUND}) or 0) / INBOUND.total_seconds()


# --- the account -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Count:
    """`live`: answered by a person. `queued`: of these, those for whom an agent was asked. `abandoned`: nobody in time."""

    live: int = 0
    queued: int = 0
    abandoned: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.live + other.live, self.queued + other.queued, self.abandoned + other.abandoned)


Counts = dict[tuple[str, str], Count]  # by campaign and caller id

_COUNT = text("""
    -- abandon_account: live answers of calls placed in [since, until) and those that found nobody
    SELECT campaign, caller_id,
           count(*) FILTER (WHERE ended_at IS NULL OR abandoned OR result IN ('ANSWERED_HUMAN','SILENT','ABANDONED')) AS live,
           count(*) FILTER (WHERE abandoned OR agent_id IS NOT NULL) AS queued,
           count(*) FILTER (WHERE abandoned) AS abandoned
      FROM call_attempts
     WHERE claimed_at >= :since AND claimed_at < :until AND direction = 'out' AND NOT robot
           AND (answered_at IS NOT NULL OR abandoned)
     GROUP BY campaign, caller_id
""")


async def count(s: AsyncSession, since: datetime, until: datetime) -> Counts:
    """Of calls placed in [since, until), the machine's time."""
    if since >= until:
        return {}
    rows = await s.execute(_COUNT, {"since": since, "until": until})
    return {(campaign, number): Count(live, queued, lost) for campaign, number, live, queued, lost in rows.all()}


def added(*parts: Counts) -> Counts:
    total: Counts = {}
    for part in parts:
        for key, one in part.items():
            total[key] = total.get(key, Count()) + one
    return total


class Accounts:
    """Counts of several windows, each looked at twice a second: days that are over are read once, today once a minute, and
    every time only the last minutes."""

    def __init__(self) -> None:
        self._past: dict[tuple[datetime, datetime], Counts] = {}
        self._today: dict[datetime, tuple[datetime, Counts]] = {}

    async def look(
        self, s: AsyncSession, starts: Mapping[str, datetime], day_start: datetime, wall: datetime
    ) -> dict[str, Counts]:
        """By window. `starts`: when each window began; `day_start`: when this business day did; the machine's time."""
        tails: dict[datetime, Counts] = {}
        found: dict[str, Counts] = {}
        self._today = {start: kept for start, kept in self._today.items() if start >= day_start}
        for window, start in starts.items():
            key = (start, day_start)
            if key not in self._past:
                self._past = {k: v for k, v in self._past.items() if k[1] == day_start}
                self._past[key] = await count(s, start, day_start)
            begins = max(start, day_start)
            cut, counts = self._today.get(begins, (begins, {}))
            if wall - cut > TAIL + REFRESH:
                cut = wall - TAIL
                counts = await count(s, begins, cut)
                self._today[begins] = (cut, counts)
            if cut not in tails:
                tails[cut] = await count(s, cut, wall + REFRESH)
            found[window] = added(self._past[key], counts, tails[cut])
        return found
