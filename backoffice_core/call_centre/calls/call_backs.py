"""Somebody who calls a number of ours (FL-02, CC-01): given to an agent, found by his number, or called back.

He began this contact, so no slot is reserved and no cap counts it. What he hears when nobody takes the call is neutral:
whoever holds the phone learns the bank's name and its hours.
"""

from datetime import date, datetime, time
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.borrowers.rules import read_phone
from backoffice_core.call_centre.calls import attempts, callers, robots
from backoffice_core.call_centre.calls.callers import Caller
from backoffice_core.call_centre.calls.contacts import agreed, call_contact, flags_of, notice_rule
from backoffice_core.call_centre.carriers import caller_ids
from backoffice_core.call_centre.models import AgentSession, CallAttempt, CallTask, Recording, UnknownCaller
from backoffice_core.call_centre.rules import MISSED
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.cases.rules import CALLBACK, next_working_day, one_per_case
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import new_key


def readable(number: str, country: str) -> str:
    """The caller's number in E.164 as trunks write it (with or without plus, national); as it came when it is none."""
    for cell in (number, f"+{number}"):
        try:
            return read_phone(cell, country).value
        except ValueError:
            continue
    return number


async def came_in(
    s: AsyncSession, settings: Settings, *, channel_id: str, number: str, called: str, now: datetime, wall: datetime,
    today: date,
) -> CallAttempt:  # fmt: skip
    """Writes the call; once for each `channel_id` (Asterisk's Uniqueid). `now` is business time.

    It is tied to the person when his number stands with him alone. Else the agent who takes it chooses (`callers`).
    """
    known = await s.scalar(select(CallAttempt).where(CallAttempt.channel_id == channel_id))
    if known is not None:
        return known
    value = readable(number, settings.jurisdiction)
    found = await callers.with_number(s, value) if value else []
    call_id = new_key()
    recording = f"{today:%Y/%m/%d}/{call_id}"
    attempt = CallAttempt(
        id=call_id, direction="in", channel_id=channel_id, candidates=len(found), number=value, campaign="collection",
        purpose="collection", trunk="", caller_id=called, language=settings.language, fence=0, business_at=now,
        claimed_at=wall, ringing_at=wall, state="RINGING", recording=recording,
        notice_rule=await _notice_rule(s, settings, found[0] if found else None, value, called, now),
    )  # fmt: skip
    s.add(attempt)
    s.add(Recording(call_id=call_id, path=recording, created_at=wall))
    await s.flush()
    if len(found) == 1:
        await callers.tie(s, attempt, found[0].person, found[0].contact, found[0].case)
    return attempt


async def _notice_rule(
    s: AsyncSession, settings: Settings, caller: Caller | None, number: str, called: str, now: datetime
) -> str:
    """Whether he must be warned of the recording. He calls: nothing else is asked. Nobody's call: the bank's own rules."""
    stranger = Person(id=new_key(), jurisdiction=settings.jurisdiction, time_zone=settings.bank_time_zone)
    person = caller.person if caller else stranger
    contact = call_contact(
        settings, person, caller.contact if caller else ContactPoint(value=number, owner_kind="unknown"),
        await flags_of(s, person.id) if caller else (), purpose="collection", campaign="collection",
        stage=caller.case.stage if caller else 0, caller_id=called, declared=True,
    )  # fmt: skip
    return notice_rule(await compliance.ask(s, contact, now, store=False))


def is_open(settings: Settings, now: datetime) -> bool:
    """Whether agents take calls at this hour of the bank's clock. `now`: business time in the bank's zone."""
    return time.fromisoformat(settings.calls_in_from) <= now.time() < time.fromisoformat(settings.calls_in_until)


async def connect(s: AsyncSession, call_id: UUID, wall: datetime) -> AgentSession | None:
    """An agent for a call that came in: who spoke with or tried him last when he is free, else who waits longest.

    Whose call it is may not be known: then who last had this number counts.
    """
    attempt = await s.get(CallAttempt, call_id)
    if attempt is None:
        return None
    same = CallAttempt.number == attempt.number
    if attempt.person_id is not None:
        same = CallAttempt.person_id == attempt.person_id
    elif not attempt.number.startswith("+"):
        return await attempts.connect(s, call_id, wall)
    last = (
        select(CallAttempt.agent_id)
        .where(same, CallAttempt.agent_id.is_not(None), CallAttempt.id != call_id)
        .order_by(CallAttempt.claimed_at.desc())
        .limit(1)
    )
    return await attempts.connect(s, call_id, wall, prefer=await s.scalar(last))


_MISSED = and_(CallAttempt.direction == "in", CallAttempt.result == MISSED)


async def follow_missed(s: AsyncSession, settings: Settings, now: datetime, limit: int = 20) -> list[UUID]:
    """What follows for callers whom nobody took, and for those who asked a message for an agent in vain, once for each call;
    their calls' ids. `now`: business time, bank's zone."""
    query = (
        select(CallAttempt)
        .where(CallAttempt.outcome.is_(None), or_(_MISSED, robots.ASKED_IN_VAIN))
        .order_by(CallAttempt.claimed_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = list((await s.execute(query)).scalars())
    for attempt in found:
        if attempt.case_id is None:
            await _likeliest(s, attempt, now)
        if attempt.case_id is None:
            s.add(UnknownCaller(at=now, number=attempt.number, called=attempt.caller_id, call_id=attempt.id))
        else:
            await _call_back(s, settings, attempt, attempt.case_id, now)
        attempt.outcome, attempt.outcome_at = MISSED, attempt.ended_at
    return [attempt.id for attempt in found]


async def _likeliest(s: AsyncSession, attempt: CallAttempt, now: datetime) -> None:
    """Nobody could ask who it was: of several with the number he is called back whom we tried last."""
    found = await callers.with_number(s, attempt.number) if attempt.number else []
    if found:
        await callers.tie(s, attempt, found[0].person, found[0].contact, found[0].case)
        await callers.after_the_end(s, attempt, now)


async def _call_back(s: AsyncSession, settings: Settings, attempt: CallAttempt, case_id: UUID, now: datetime) -> None:
    """One task to call him back at the next lawful moment; tonight's task moves to the front of the queue.

    A task that stands open already (he called three times) stays the one.
    """
    person = await s.get_one(Person, attempt.person_id)
    phone = ContactPoint(
        value=attempt.number, owner_kind="unknown"
    )  # chosen by an agent who did not add it to the person
    if attempt.contact_point_id is not None:
        phone = await s.get_one(ContactPoint, attempt.contact_point_id)
    case = await s.get_one(Case, case_id)
    contact = call_contact(
        settings, person, phone, await flags_of(s, person.id), purpose=attempt.purpose, campaign=attempt.campaign,
        stage=case.stage, caller_id=attempt.caller_id,
        declared=await caller_ids.is_declared(s, attempt.caller_id, now.date()), **await agreed(s, person.id),
    )  # fmt: skip
    decision = await compliance.ask(s, contact, now, store=False, guard_minutes=settings.guard_minutes)
    at = now if decision.allow else decision.next_allowed_at
    day = at.astimezone(now.tzinfo).date() if at else next_working_day(now.date(), lambda one: one.weekday() < 5)
    raised = await cases.raise_task(
        s, case.id, CALLBACK, day, one_per_case(CALLBACK, case.id), at, data={"call_id": str(attempt.id), "missed": True},
        at=now,
    )  # fmt: skip
    told = {"case": str(case.id), "task": bool(raised), "at": at.isoformat() if at else None}
    audit.note(s, "program:worker", "CALL_BACK_PROMISED", str(attempt.id), told)
    if raised:
        await cases.add_event(s, case.id, "task", now, data={"task": CALLBACK, "control_date": str(day)})
    if at is not None:
        first = select(func.min(CallTask.position) - 1).where(CallTask.business_date == day).scalar_subquery()
        await s.execute(
            update(CallTask)
            .where(CallTask.business_date == day, CallTask.case_id == case.id)
            .where(CallTask.state.in_(("ELIGIBLE", "RETRY_WAIT")))
            .values(position=first, earliest_at=at)
        )


async def unknown_callers(s: AsyncSession, since: datetime, limit: int = 50) -> list[UnknownCaller]:
    """Newest first."""
    query = select(UnknownCaller).where(UnknownCaller.at >= since).order_by(UnknownCaller.at.desc()).limit(limit)
    return list((await s.execute(query)).scalars())


async def somebody_works(s: AsyncSession) -> bool:
    """Whether anybody sits at a desk who could become free for a caller."""
    working = exists().where(
        AgentSession.ended_at.is_(None), AgentSession.state.in_(("READY", "RESERVED", "TALKING", "WRAP_UP"))
    )
    return bool(await s.scalar(select(working)))
