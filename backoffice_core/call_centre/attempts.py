"""One call attempt from its claim until it is settled (design: "Following one call", steps 4 and 6).

A claim is one transaction: the task's fence, the slot in the contact ledger and the attempt's intent. Only after its
commit does anything go to the exchange. How an attempt ends is the business of `settling`.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core import bulk, leases
from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre import agents, wrap_up
from backoffice_core.call_centre.contacts import call_contact, flags_of
from backoffice_core.call_centre.models import AgentSession, CallAttempt, CallTask, Recording
from backoffice_core.call_centre.queue_rules import HOUSE_BLOCKS
from backoffice_core.cases.models import Case
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings, Trunk
from backoffice_core.db import new_key
from backoffice_core.leases import Held
from backoffice_core.loans import stop_list

CALLS_US_RECHECK = timedelta(minutes=1)
UNDIALABLE = {"DEAD", "UNREACHABLE", "WRONG_PARTY"}


@dataclass(frozen=True, kw_only=True)
class Placing:
    """All that Originate needs. `number` is E.164 with its plus."""

    call_id: UUID
    task_id: UUID
    case_id: UUID
    contact_point_id: UUID
    number: str
    trunk: Trunk
    language: str
    recording: str


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A task that may not be dialed now, with the first reason."""

    task_id: UUID
    reason: str


async def claim(
    s: AsyncSession,
    settings: Settings,
    *,
    trunk: Trunk,
    now: datetime,
    today: date,
    wall: datetime,
    lease: Held | None = None,
) -> Placing | Passed | None:
    """Takes the next callable task of `today`. None = nothing is callable now. `now` is business time.

    A demo borrower is refused on a trunk that leads off this machine. `lease`: the dialer's own; raises LeaseLost when
    another leads. Only tests and tools, which place no call, go without.
    """
    if lease is not None:
        await leases.confirm(s, lease)
    query = (
        select(CallTask)
        .where(
            CallTask.business_date == today,
            CallTask.state.in_(("ELIGIBLE", "RETRY_WAIT")),
            or_(CallTask.earliest_at.is_(None), CallTask.earliest_at <= now),
        )
        .order_by(CallTask.position)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    task = (await s.execute(query)).scalar_one_or_none()
    if task is None:
        return None
    person = await s.get_one(Person, task.person_id)
    phone = await s.get_one(ContactPoint, task.contact_point_id)
    case = await s.get_one(Case, task.case_id)
    if person.demo and not trunk.is_loopback:
        return _cancel(task, "DEMO_ON_REAL_TRUNK")
    if phone.state in UNDIALABLE:
        return _cancel(task, "NO_PHONE")
    flags = await flags_of(s, person.id)
    if any(f.flag in HOUSE_BLOCKS and f.valid_from <= today <= (f.valid_to or today) for f in flags):
        return _cancel(task, "STATUS_BLOCK")
    if refused := await stop_list.refusal(s, person.id, phone.value, today):
        return _cancel(task, refused)
    if case.closed_at is not None or case.state == "ON_HOLD":
        return _cancel(task, "ON_HOLD" if case.state == "ON_HOLD" else "CLOSED")
    if await wrap_up.case_waits(s, case.id):
        return _cancel(task, "ON_HOLD")
    if await _calls_us(s, person.id, phone.value):
        task.state, task.state_reason, task.earliest_at = "RETRY_WAIT", "RETRY_WAIT", now + CALLS_US_RECHECK
        return Passed(task_id=task.id, reason="RETRY_WAIT")
    call_id = new_key()
    contact = call_contact(
        settings, person, phone, flags, purpose=task.purpose, campaign=task.campaign,
        stage=case.stage, caller_id=trunk.caller_id,
    )  # fmt: skip
    decision = await compliance.ask_and_reserve(s, contact, call_id, now, guard_minutes=settings.guard_minutes)
    if not decision.allow:
        return _wait(task, decision, today, settings)
    task.fence += 1
    task.state, task.state_reason, task.attempts = "DIALING", "", task.attempts + 1
    recording = f"{today:%Y/%m/%d}/{call_id}"
    s.add(
        CallAttempt(
            id=call_id, task_id=task.id, case_id=task.case_id, person_id=person.id, contact_point_id=phone.id,
            number=phone.value, campaign=task.campaign, purpose=task.purpose, trunk=trunk.name,
            caller_id=trunk.caller_id, language=person.language, fence=task.fence, decision_id=decision.id,
            business_at=now, claimed_at=wall, recording=recording,
        )
    )  # fmt: skip
    s.add(Recording(call_id=call_id, case_id=task.case_id, path=recording, created_at=wall))
    await s.flush()
    return Placing(
        call_id=call_id, task_id=task.id, case_id=task.case_id, contact_point_id=phone.id, number=phone.value,
        trunk=trunk, language=person.language, recording=recording,
    )  # fmt: skip


async def _calls_us(s: AsyncSession, person_id: UUID, number: str) -> bool:
    """Whether this person, or somebody from this number, is calling us at this moment (FL-02, FL-20)."""
    live = exists().where(
        CallAttempt.ended_at.is_(None), CallAttempt.direction == "in",
        or_(CallAttempt.person_id == person_id, CallAttempt.number == number),
    )  # fmt: skip
    return bool(await s.scalar(select(live)))


def _cancel(task: CallTask, reason: str) -> Passed:
    task.state, task.state_reason = "CANCELLED", reason
    return Passed(task_id=task.id, reason=reason)


def _wait(task: CallTask, decision: compliance.Decision, today: date, settings: Settings) -> Passed:
    """Asked again at the second of dialing, the evaluator said no: the task waits until it would say yes."""
    reason = decision.reasons[0].code if decision.reasons else "NO_RULE"
    if decision.next_allowed_at is None:
        return _cancel(task, reason)
    task.state, task.state_reason, task.earliest_at = "RETRY_WAIT", reason, decision.next_allowed_at
    return Passed(task_id=task.id, reason=reason)


# --- while it lasts ----------------------------------------------------------------------------------------------


async def connect(s: AsyncSession, call_id: UUID, wall: datetime, *, prefer: UUID | None = None) -> AgentSession | None:
    """An answered borrower gets the agent who waits longest; he is written into the attempt before any bridge.

    `prefer`: the agent (his user id) who gets it when he is free, however short he waits.

    None when nobody is free now, or when the call is over, unknown, or already has an agent.
    """
    attempt = await s.get(CallAttempt, call_id, with_for_update=True)
    if attempt is None or attempt.ended_at is not None or attempt.agent_id is not None or attempt.abandoned:
        return None
    agent = await agents.longest_waiting(s, prefer)
    if agent is None:
        return None
    agents.change(s, agent, "RESERVED", "CALL", wall, call_id)
    attempt.agent_id, attempt.agent_session_id, attempt.reserved_at = agent.user_id, agent.id, wall
    return agent


async def give_up(s: AsyncSession, call_id: UUID) -> bool:
    """The rule's seconds are over: from now on nobody is reserved for this call. False when somebody already is."""
    attempt = await s.get(CallAttempt, call_id, with_for_update=True)
    if attempt is None or attempt.agent_id is not None:
        return False
    attempt.abandoned = True
    return True


async def heard(
    s: AsyncSession,
    call_id: UUID,
    *,
    rang_at: datetime | None = None,
    answered_at: datetime | None = None,
    bridged_at: datetime | None = None,
    message_at: datetime | None = None,
) -> CallAttempt | None:
    """Progress of a live call; hearing it twice changes nothing. None for a call that is not ours."""
    attempt = await bulk.locked(s, CallAttempt, call_id)
    if attempt is None:
        return None
    if rang_at and attempt.ringing_at is None:
        attempt.ringing_at = rang_at
        attempt.state = "RINGING" if attempt.state == "INTENT" else attempt.state
    if answered_at and attempt.answered_at is None:
        attempt.answered_at = answered_at
        attempt.state = "ANSWERED" if attempt.state in {"INTENT", "RINGING", "SETTLING"} else attempt.state
    if message_at:
        attempt.message_played = True
    if bridged_at and attempt.bridged_at is None:
        attempt.bridged_at = bridged_at
        if attempt.ended_at is None:
            attempt.state = "CONNECTED"
            if attempt.agent_session_id:
                await agents.talking(s, attempt.agent_session_id, call_id, bridged_at)
    return attempt
