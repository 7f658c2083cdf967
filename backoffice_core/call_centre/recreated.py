"""Calls that left us and of which a restored database knows nothing: written again, so that every cap counts them and
nobody is dialed twice (FL-13).

A trace is what the exchange's own record, a recording's name or the carrier tells of one call. A call is written with its
own id, its task moves on as after any call, and a talk whose result was lost waits for a supervisor like one that nobody
gave a result.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre import agents, settling, wrap_up
from backoffice_core.call_centre.models import AgentSession, CallAttempt, CallTask, Recording
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


async def take_over(s: AsyncSession, trace: Trace, clock: Clock) -> Known:
    """Makes the database know this call, once. A word in capitals = it cannot be tied, and nothing was written."""
    known = await s.get(CallAttempt, trace.call_id)
    if known is not None:
        return "settled" if known.ended_at is None and await _settle(s, known, trace, clock) else "known"
    if trace.contact_point_id is None:
        return "NO_ACCOUNT"
    phone = await s.get(ContactPoint, trace.contact_point_id)
    person = await s.get(Person, phone.person_id) if phone else None
    if phone is None or person is None:
        return "NO_PERSON"
    task = await _task(s, trace, phone, person, clock)
    if task is None:
        return "NO_CASE"
    attempt = await _write(s, trace, task, phone, person, clock)
    await _settle(s, attempt, trace, clock)
    return "recreated"


async def _task(s: AsyncSession, trace: Trace, phone: ContactPoint, person: Person, clock: Clock) -> CallTask | None:
    """The task that was dialed. One that the restored database has not yet is written, so that it is not dialed again."""
    if trace.task_id and (task := await s.get(CallTask, trace.task_id, with_for_update=True)):
        return task
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


async def _write(
    s: AsyncSession, trace: Trace, task: CallTask, phone: ContactPoint, person: Person, clock: Clock
) -> CallAttempt:
    """The attempt as its claim had written it, with its slot in the ledger. No decision: the one that was made is lost."""
    at = clock.business(trace.begun_at)
    seat = await s.get(AgentSession, trace.session_id) if trace.session_id else None
    task.fence += 1
    task.attempts += 1
    task.state, task.state_reason = "DIALING", RESTORED
    path = f"{at.astimezone(clock.zone):%Y/%m/%d}/{trace.call_id}"
    attempt = CallAttempt(
        id=trace.call_id, task_id=task.id, case_id=task.case_id, person_id=person.id, contact_point_id=phone.id,
        number=phone.value, campaign=task.campaign, purpose=task.purpose, trunk=trace.trunk, caller_id="",
        language=person.language, fence=task.fence, business_at=at, claimed_at=trace.begun_at, recording=path,
        agent_id=seat.user_id if seat else None, agent_session_id=seat.id if seat else None,
    )  # fmt: skip
    s.add(attempt)
    if await s.get(Recording, trace.call_id) is None:
        s.add(Recording(call_id=trace.call_id, case_id=task.case_id, path=path, created_at=trace.begun_at))
    await s.flush()
    slot = Entry(at=at, channel="call", actor="human", state="RESERVED", purpose=task.purpose)
    await compliance.record(s, person.id, slot, number=phone.value, campaign=task.campaign, call_id=trace.call_id)
    return attempt


async def _settle(s: AsyncSession, attempt: CallAttempt, trace: Trace, clock: Clock) -> bool:
    facts = trace.facts or CallFacts(ended_at=max(trace.begun_at, attempt.claimed_at), heard=False)
    done = await settling.settle(s, attempt.id, facts, clock.business(facts.ended_at))
    if done is None:
        return False
    if done.bridged_at is not None and done.outcome is None:
        await _result_is_lost(s, done, clock)
    return True


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
