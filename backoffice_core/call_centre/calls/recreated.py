"""Calls that left us and of which a restored database knows nothing: written again, so that every cap counts them and
nobody is dialed twice (FL-13).

A trace is what the exchange's own record, a recording's name or the carrier tells of one call. A call is written with its
own id, its task moves on as after any call, and a talk whose result was lost waits for a supervisor like one that nobody
gave a result.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.calls import settling
from backoffice_core.call_centre.desks import agents, wrap_up
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.models import AgentSession, CallAttempt, CallLeg, CallTask, Recording
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.cases.models import Case
from backoffice_core.clock import Clock
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.terms import Entry
from backoffice_core.db import new_key

RESTORED = "RESTORED"
Known = Literal["known", "settled", "recreated", "NO_ACCOUNT", "NO_PERSON", "NO_CASE"]


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One call. `begun_at` is the machine's time; `facts` None = it is over, but nobody knows how."""

    call_id: UUID
    source: str  # cel, recording, carrier
    begun_at: datetime
    facts: CallFacts | None = None
    task_id: UUID | None = None
    contact_point_id: UUID | None = None
    trunk: str = ""
    session_id: UUID | None = None  # the seat whose line was in a bridge with him
    robot: bool = False  # a message spoke, no agent: nobody was abandoned in it


async def take_over(s: AsyncSession, trace: Trace, clock: Clock) -> Known:
    """Makes the database know this call, once. A word in capitals = it cannot be tied, and nothing was written."""
    return (await take_over_many(s, [trace], clock))[0]


async def apart(s: AsyncSession, traces: Sequence[Trace], most: int = 100) -> list[list[Trace]]:
    """In their order, in groups in which no person and no number stands twice: of each one call may be live at a time."""
    wanted = {trace.contact_point_id for trace in traces if trace.contact_point_id}
    found = await s.execute(
        select(ContactPoint.id, ContactPoint.person_id, ContactPoint.value).where(ContactPoint.id.in_(wanted))
    )
    who: dict[UUID, set[UUID | str]] = {point: {person, number} for point, person, number in found}
    groups: list[list[Trace]] = [[]]
    taken: set[UUID | str] = set()
    for trace in traces:
        mine = who.get(trace.contact_point_id, set()) if trace.contact_point_id else set()
        if len(groups[-1]) >= most or taken & mine:
            groups.append([])
            taken = set()
        groups[-1].append(trace)
        taken |= mine
    return groups


async def take_over_many(s: AsyncSession, traces: Sequence[Trace], clock: Clock) -> list[Known]:
    """As `take_over` for each, with few statements for all; they stand `apart`."""
    ids, seen = [trace.call_id for trace in traces], await _load(s, traces)
    answers: dict[UUID, Known] = dict.fromkeys(ids, "known")
    over = [trace for trace in traces if (call := seen.calls.get(trace.call_id)) and call.ended_at is None]
    made: list[CallAttempt] = []
    for trace in traces:
        if trace.call_id in seen.calls:
            continue
        if trace.contact_point_id is None:
            answers[trace.call_id] = "NO_ACCOUNT"
        elif trace.contact_point_id not in seen.points:
            answers[trace.call_id] = "NO_PERSON"
        else:
            phone, person = seen.points[trace.contact_point_id]
            task = seen.tasks.get(trace.task_id) if trace.task_id else None
            task = task or await _task(s, trace, phone, person, clock)
            answers[trace.call_id] = "recreated" if task else "NO_CASE"
            if task:
                made.append(_write(s, trace, task, phone, person, seen, clock))
                over.append(trace)
    await s.flush()
    for attempt in made:
        channel, actor = ("robot", "robot") if attempt.robot else ("call", "dialer")
        slot = Entry(at=attempt.business_at, channel=channel, actor=actor, state="RESERVED", purpose=attempt.purpose)
        await compliance.record(
            s, attempt.whose.person_id, slot, number=attempt.number, campaign=attempt.campaign, call_id=attempt.id
        )
    ending = {trace.call_id for trace in over}
    await settling.begin_many(s, ending, ending, ending, ())
    for trace in over:
        if await _settle(s, trace, clock) and trace.call_id in seen.calls:
            answers[trace.call_id] = "settled"
    await settling.finish_many(s)
    return [answers[call] for call in ids]


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What the database has of some calls, persons and tasks; tasks are locked."""

    calls: dict[UUID, CallAttempt]
    points: dict[UUID, tuple[ContactPoint, Person]]
    tasks: dict[UUID, CallTask]
    seats: dict[UUID, AgentSession]
    recordings: set[UUID]
    robots: set[str]  # campaigns whose calls no agent speaks in, by now


async def _load(s: AsyncSession, traces: Sequence[Trace]) -> _Seen:
    ids = [trace.call_id for trace in traces]
    calls = await s.scalars(select(CallAttempt).where(CallAttempt.id.in_(ids)))
    points = await s.execute(
        select(ContactPoint, Person)
        .join(Person, Person.id == ContactPoint.person_id)
        .where(ContactPoint.id.in_([trace.contact_point_id for trace in traces if trace.contact_point_id]))
    )
    tasks = await s.scalars(
        select(CallTask)
        .where(CallTask.id.in_([trace.task_id for trace in traces if trace.task_id]))
        .order_by(CallTask.id)
        .with_for_update()
    )
    seats = await s.scalars(
        select(AgentSession).where(AgentSession.id.in_([trace.session_id for trace in traces if trace.session_id]))
    )
    recordings = await s.scalars(select(Recording.call_id).where(Recording.call_id.in_(ids)))
    return _Seen(
        calls={call.id: call for call in calls},
        points={phone.id: (phone, person) for phone, person in points},
        tasks={task.id: task for task in tasks},
        seats={seat.id: seat for seat in seats},
        recordings=set(recordings),
        robots=set(await s.scalars(select(Campaign.name).where(Campaign.mode == "agentless"))),
    )


async def _task(s: AsyncSession, trace: Trace, phone: ContactPoint, person: Person, clock: Clock) -> CallTask | None:
    """A task that the restored database has not yet is written, so that it is not dialed again; or it has another one."""
    day = clock.business(trace.begun_at).astimezone(clock.zone).date()
    mine = select(CallTask).where(CallTask.person_id == person.id, CallTask.business_date == day)
    task = (await s.execute(mine.order_by(CallTask.position).limit(1).with_for_update())).scalar_one_or_none()
    if task is not None:
        return task
    newest = (
        select(Case)
        .where(Case.person_id == person.id)
        .order_by(Case.closed_at.desc().nulls_first(), Case.number.desc())
    )
    case = (await s.execute(newest.limit(1))).scalar_one_or_none()
    if case is None:
        return None
    last = await s.scalar(select(func.max(CallTask.position)).where(CallTask.business_date == day))
    task = CallTask(
        id=trace.task_id or new_key(), business_date=day, case_id=case.id, person_id=person.id, contact_point_id=phone.id,
        position=(last or 0) + 1, why={"group": RESTORED}, demo=person.demo,
    )  # fmt: skip
    s.add(task)
    await s.flush()
    return task


def _write(
    s: AsyncSession, trace: Trace, task: CallTask, phone: ContactPoint, person: Person, seen: _Seen, clock: Clock
) -> CallAttempt:
    """The attempt as its claim had written it, its slot follows. No decision: the one that was made is lost."""
    at = clock.business(trace.begun_at)
    seat = seen.seats.get(trace.session_id) if trace.session_id else None
    task.fence += 1
    task.attempts += 1
    task.state, task.state_reason = "DIALING", RESTORED
    path = f"{at.astimezone(clock.zone):%Y/%m/%d}/{trace.call_id}"
    attempt = CallAttempt(
        id=trace.call_id, task_id=task.id, case_id=task.case_id, person_id=person.id, contact_point_id=phone.id,
        number=phone.value, campaign=task.campaign, purpose=task.purpose, trunk=trace.trunk, caller_id="",
        language=person.language, fence=task.fence, business_at=at, claimed_at=trace.begun_at, recording=path,
        agent_id=seat.user_id if seat else None, agent_session_id=seat.id if seat else None,
        robot=trace.robot or (trace.source == "carrier" and task.campaign in seen.robots),
    )  # fmt: skip
    s.add(attempt)
    if trace.trunk:  # its lines and its money count this call; of the trunk's health it says nothing
        s.add(CallLeg(call_id=trace.call_id, n=1, trunk=trace.trunk, caller_id="", placed_at=trace.begun_at))
    if trace.call_id not in seen.recordings:
        s.add(Recording(call_id=trace.call_id, case_id=task.case_id, path=path, created_at=trace.begun_at))
    return attempt


async def _settle(s: AsyncSession, trace: Trace, clock: Clock) -> bool:
    facts = trace.facts or CallFacts(
        ended_at=trace.begun_at, heard=False
    )  # never before its claim: `settle` sees to it
    if trace.source == "carrier" and trace.facts and await _says_a_message(s, trace.call_id):
        facts = replace(facts, bridged_at=None)  # the carrier's answer is no agent
    done = await settling.settle(s, trace.call_id, facts, clock.business(facts.ended_at))
    if done is None:
        return False
    if done.bridged_at is not None and done.outcome is None:
        await _result_is_lost(s, done, clock)
    return True


async def _says_a_message(s: AsyncSession, call_id: UUID) -> bool:
    attempt = await s.get(CallAttempt, call_id)
    return attempt is not None and attempt.robot


async def _result_is_lost(s: AsyncSession, attempt: CallAttempt, clock: Clock) -> None:
    """Somebody spoke with the borrower, and what they agreed is gone: a supervisor completes it before any other call."""
    await wrap_up.without_result(s, attempt, now=clock.now(), wall=clock.wall(), data={"restored": True})


async def end_unknown(s: AsyncSession, clock: Clock) -> int:
    """Calls that were live at the restored point and of which no source tells: UNKNOWN, counted, not dialed again."""
    wall, count = clock.wall(), 0
    for attempt in await settling.live(s):
        await settling.settle(s, attempt.id, CallFacts(ended_at=wall, heard=False), clock.now())
        count += 1
    return count


async def clear_seats(s: AsyncSession, clock: Clock) -> int:
    """Who sat at the restored point sits no more; a talk of his without a result waits for a supervisor."""
    wall = clock.wall()
    seats = (await s.execute(select(AgentSession).where(AgentSession.ended_at.is_(None)).with_for_update())).scalars()
    count = 0
    for seat in seats:
        call = await s.get(CallAttempt, seat.call_id) if seat.call_id else None
        if call is not None and call.bridged_at is not None and call.outcome is None:
            await _result_is_lost(s, call, clock)
        agents.change(s, seat, "OFF", RESTORED, wall)
        seat.ended_at, seat.line, seat.line_wanted, seat.line_channel = wall, "NONE", False, ""
        count += 1
    return count
