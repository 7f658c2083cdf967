"""Shelter (FL-15): an alarm in a region. Its agents go to a paid pause, nobody there is called, who is answered hears the
message; afterwards the dialer comes back at half pace for some minutes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.borrowers.models import Person
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.dialing.shelter_models import Shelter
from backoffice_core.call_centre.models import AgentSession, CallTask
from backoffice_core.errors import BadInput
from backoffice_core.staff.models import User

PAUSE = "SHELTER"
HALF_PACE_FOR = timedelta(minutes=10)  # after the end
HALF = 0.5
LONG = timedelta(hours=24)  # business time: an alarm's tasks wait until it ends, or until the day is over
_OPEN = ("ELIGIBLE", "RETRY_WAIT")


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a button did. `agents`: user ids whose desks change; `tasks`: that wait, or wait no more."""

    changed: bool
    agents: tuple[UUID, ...] = ()
    tasks: int = 0


async def regions(s: AsyncSession) -> list[str]:
    """Regions of borrowers and agents."""
    people = await s.scalars(select(Person.region).where(Person.region != "").distinct())
    own = await s.scalars(select(User.region).where(User.region != "", User.active).distinct())
    return sorted({*people, *own})


async def running(s: AsyncSession) -> list[Shelter]:
    """Alarms that last, the oldest first."""
    return list(await s.scalars(select(Shelter).where(Shelter.until.is_(None)).order_by(Shelter.since)))


async def begin(s: AsyncSession, region: str, *, by: str, who: str, now: datetime, wall: datetime) -> Done:
    """Begins it; again changes nothing. `by`: a name for people, `who`: for the audit. Raises BadInput for a region in which
    nobody is known."""
    region = region.strip()
    if not region or region not in await regions(s):
        raise BadInput(
            "No borrower and no agent is known in this region.", remedy="Choose one of the list.", field="region"
        )
    await s.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"shelter:{region}"))))
    if await s.scalar(select(Shelter.id).where(Shelter.region == region, Shelter.until.is_(None))):
        return Done(changed=False)
    s.add(Shelter(region=region, since=wall, by=by))
    seats = await _seats(s, region)
    paused = [seat.user_id for seat in seats if agents.take_shelter(s, seat, PAUSE, wall)]
    there = select(Person.id).where(Person.region == region)
    wait = (
        update(CallTask)
        .where(CallTask.state.in_(_OPEN), CallTask.earliest_at.is_(None), CallTask.person_id.in_(there))
        .values(state="RETRY_WAIT", state_reason=PAUSE, earliest_at=now + LONG)
    )
    tasks = int((await s.execute(wait)).rowcount)  # type: ignore[attr-defined]
    audit.note(s, who, "SHELTER_BEGUN", region, {"agents": len(paused), "tasks": tasks, "by": by})
    return Done(changed=True, agents=tuple(paused), tasks=tasks)


async def end(s: AsyncSession, region: str, *, by: str, who: str, wall: datetime, undo: bool = False) -> Done:
    """Ends it; without one nothing changes. Its agents come back by themselves, when they are at their desks again; after
    `undo`, a button pressed by mistake, they are ready at once and the pace is whole."""
    query = select(Shelter).where(Shelter.region == region.strip(), Shelter.until.is_(None)).with_for_update()
    one = (await s.execute(query)).scalar_one_or_none()
    if one is None:
        return Done(changed=False)
    one.until, one.ended_by, one.undone = wall, by, undo
    told = []
    for seat in await _seats(s, one.region):
        if seat.wants_pause == PAUSE:
            seat.wants_pause = ""
            told.append(seat.user_id)
        elif seat.state == "PAUSED" and seat.reason == PAUSE and undo:
            seat.line_wanted = True
            agents.change(s, seat, "READY", "SHELTER_UNDONE", wall)
            told.append(seat.user_id)
    there = select(Person.id).where(Person.region == one.region)
    back = (
        update(CallTask)
        .where(CallTask.state == "RETRY_WAIT", CallTask.state_reason == PAUSE, CallTask.person_id.in_(there))
        .values(state_reason="", earliest_at=None)
    )
    tasks = int((await s.execute(back)).rowcount)  # type: ignore[attr-defined]
    act = "SHELTER_UNDONE" if undo else "SHELTER_ENDED"
    audit.note(s, who, act, one.region, {"agents": len(told), "tasks": tasks, "by": by, "since": one.since.isoformat()})
    return Done(changed=True, agents=tuple(told), tasks=tasks)


async def _seats(s: AsyncSession, region: str) -> list[AgentSession]:
    query = (
        select(AgentSession)
        .join(User, User.id == AgentSession.user_id)
        .where(AgentSession.ended_at.is_(None), User.region == region)
        .order_by(AgentSession.id)
        .with_for_update(of=AgentSession)
    )
    return list(await s.scalars(query))


_COVERS = text("""
    SELECT EXISTS (SELECT FROM shelters h JOIN persons p ON p.region = h.region WHERE h.until IS NULL AND p.id = :person)
""")
# for the question of a claim (`attempts`)
OF_PERSON_SQL = "EXISTS (SELECT FROM shelters h WHERE h.until IS NULL AND h.region = p.region)"


async def covers(s: AsyncSession, person_id: UUID | None) -> bool:
    """Whether this person's region shelters now."""
    return bool(await s.scalar(_COVERS, {"person": person_id}))


def pace_after(ends: Iterable[datetime], wall: datetime) -> float:
    """The factor of the pace at `wall`, given when alarms ended (those not undone). Pure."""
    return HALF if any(wall - HALF_PACE_FOR < end <= wall for end in ends) else 1.0


async def pace_factor(s: AsyncSession, wall: datetime) -> float:
    """What the dialer multiplies its calls by: 0.5 for ten minutes after an alarm, else 1."""
    query = select(Shelter.until).where(Shelter.until > wall - HALF_PACE_FOR, ~Shelter.undone)
    return pace_after([end for end in await s.scalars(query) if end is not None], wall)
