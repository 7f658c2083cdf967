"""The end of a call attempt (design: "Following one call", step 9), and the calls whose end nobody heard.

A settlement is one transaction and happens once for each call: the attempt, its slot in the contact ledger, the task,
the case history, the evidence on the number and the agent's seat change together.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core import bulk
from backoffice_core.audit import service as audit
from backoffice_core.call_centre.calls import abandoned, legs, robots
from backoffice_core.call_centre.carriers import trunks
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.dialing import campaign_terms
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.models import AgentSession, CallAttempt, CallTask, Recording
from backoffice_core.call_centre.rules import (
    RETRY_AFTER,
    SETTLED_BY_HAND,
    CallFacts,
    call_in_result,
    counts_as_contact,
    evidence,
    is_abandoned,
    is_taken_back,
    is_trunks_own,
    rang,
    robot_outcome,
    task_after_call,
    telephony_result,
)
from backoffice_core.cases import service as cases
from backoffice_core.compliance import service as compliance
from backoffice_core.errors import BadInput, Conflict, NotFound

log = structlog.get_logger()


async def not_placed(s: AsyncSession, call_id: UUID, reason: str, now: datetime, wall: datetime) -> None:
    """Nothing left us (dialing was stopped, our own exchange refused): the slot is given back, the task waits again."""
    attempt = await s.get(CallAttempt, call_id, with_for_update=True)
    if attempt is None or attempt.ended_at is not None:
        return
    attempt.state, attempt.ended_at, attempt.result = "ENDED", wall, "FAILED"
    await legs.close(s, attempt, wall)
    await compliance.free_slot(s, call_id)
    await _no_recording(s, call_id)
    task = await s.get_one(CallTask, attempt.task_id, with_for_update=True)
    task.state, task.state_reason = "RETRY_WAIT", reason
    task.attempts -= 1
    task.earliest_at = now + timedelta(seconds=0 if reason == "STOPPED" else 60)
    if attempt.agent_session_id:
        await agents.call_over(s, attempt.agent_session_id, call_id, wall, talked=False, reason="NOT_PLACED")
    await write_history(s, attempt, seconds=0)


async def settle(s: AsyncSession, call_id: UUID, facts: CallFacts, now: datetime) -> CallAttempt | None:
    """Closes the attempt with everything that follows from it, once. None when it is unknown or already closed.

    `now` is business time: retries and evidence are counted in it.
    """
    attempt = await bulk.locked(s, CallAttempt, call_id)
    if attempt is None or attempt.ended_at is not None:
        return None
    facts = _with_what_is_known(attempt, facts)
    if attempt.direction == "in":
        return await _settle_in(s, attempt, facts, now)
    result = telephony_result(
        facts, reserved=attempt.agent_id is not None, machine=attempt.machine, robot=attempt.robot
    )
    if is_taken_back(result, facts, attempt.cancelled):
        result = "CANCELLED"
    attempt.state, attempt.ended_at, attempt.result = "ENDED", facts.ended_at, result
    attempt.cause, attempt.sip_code, attempt.estimated = facts.cause, facts.sip_code, facts.estimated
    attempt.ringing_at, attempt.answered_at = facts.rang_at, facts.answered_at
    attempt.bridged_at, attempt.message_played = facts.bridged_at, facts.message_at is not None
    attempt.message_at = facts.message_at
    attempt.notice_at = attempt.notice_at or (facts.bridged_at if attempt.notice == "prompt" else None)
    attempt.abandoned = is_abandoned(facts, result) and not attempt.robot
    seconds = (facts.ended_at - facts.answered_at).total_seconds() if facts.answered_at else 0.0
    await _settle_slot(s, attempt, result, facts)
    if facts.answered_at is None and result != "UNKNOWN":
        await _no_recording(s, call_id)
    await legs.close(s, attempt, facts.ended_at)
    if attempt.robot and facts.answered_at is not None:
        await robots.follow(s, attempt, robot_outcome(facts, result), facts, now)
    if attempt.machine and facts.bridged_at is not None:
        await _say_it_was_a_machine(s, attempt, facts.ended_at, now)
    sign = evidence(result, facts) or ("rings" if rang(result, facts) else "")
    doubted = sign == "dead" and await trunks.suspect(s, attempt.trunk)  # the trunk's word counts for nothing now
    counts = not (doubted or is_trunks_own(result, facts))
    await close_task(s, attempt, "CONGESTION" if doubted else result, now, counts=counts)
    await write_history(s, attempt, seconds=seconds)
    if sign:
        await cases.number_evidence(
            s, attempt.whose.case_id, attempt.whose.contact_point_id, "trunk" if doubted else sign, at=now, call_id=call_id,
            trunk=attempt.trunk, sip_code=facts.sip_code, cause=facts.cause, rang_s=_rang_s(facts) if sign == "dead" else None,
        )  # fmt: skip
    if attempt.agent_session_id:
        await agents.call_over(
            s, attempt.agent_session_id, call_id, facts.ended_at, talked=facts.bridged_at is not None,
            has_outcome=attempt.outcome is not None,
        )  # fmt: skip
    return attempt


def _rang_s(facts: CallFacts) -> int | None:
    return None if facts.rang_at is None else max(int((facts.ended_at - facts.rang_at).total_seconds()), 0)


async def _say_it_was_a_machine(s: AsyncSession, attempt: CallAttempt, at: datetime, now: datetime) -> None:
    """The result of a talk that was none sets itself, so that its agent is free at once."""
    if attempt.outcome is not None:
        return
    attempt.outcome, attempt.outcome_at = "VOICEMAIL_LIMITED", at
    data = {"outcome": attempt.outcome, "rpc": False, "note": "", "task": "", "control_date": None, "machine": True}
    await cases.add_event(s, attempt.whose.case_id, "outcome", at=now, call_id=attempt.id, data=data)


_CALLS = select(CallAttempt).where(bulk.among(CallAttempt.id)).order_by(CallAttempt.id).with_for_update()
_TASKS = select(CallTask).where(bulk.among(CallTask.id)).order_by(CallTask.id).with_for_update()
_CAMPAIGNS = select(Campaign)
_RECORDINGS = select(Recording).where(bulk.among(Recording.call_id)).with_for_update()
_SESSIONS = select(AgentSession).where(bulk.among(AgentSession.id)).order_by(AgentSession.id).with_for_update()


async def begin_many(
    s: AsyncSession, heard: Collection[UUID], met: Collection[UUID], over: Collection[UUID], seats: Collection[UUID]
) -> None:
    """Locks and loads what `attempts.heard`, `settle` and the changes of seats of this transaction will ask for.

    `heard`: calls of which something was heard; `met`, `over`: those of them in which the voices met, that end.
    `finish_many` writes what was kept.
    """
    known: list[CallAttempt] = bulk.hold(s, await s.scalars(_CALLS, {"ids": list(heard)}) if heard else ())
    ending = [call for call in known if call.id in over and call.ended_at is None]
    if ending:
        await compliance.hold_slots(s, [call.id for call in ending])
        await legs.hold(s, [call.id for call in ending])
        bulk.hold(s, await s.scalars(_TASKS, {"ids": [call.task_id for call in ending if call.task_id]}))
        silent = [call.id for call in ending if call.answered_at is None]
        bulk.hold(s, await s.scalars(_RECORDINGS, {"ids": silent}) if silent else (), "call_id")
        bulk.hold(s, await s.scalars(_CAMPAIGNS), "name")
    with_agent = [call for call in known if call.id in met or call.id in over]
    sessions = {call.agent_session_id for call in with_agent if call.agent_session_id} | set(seats)
    bulk.hold(s, await s.scalars(_SESSIONS, {"ids": list(sessions)}) if sessions else ())


async def finish_many(s: AsyncSession) -> None:
    bulk.write_alike(s)
    bulk.close(s)
    await s.flush()
    await cases.write_kept(s)


async def late_code(s: AsyncSession, call_id: UUID, sip_code: int) -> None:
    """The SIP code of a call that was settled without it (the CEL file has none)."""
    query = update(CallAttempt).where(CallAttempt.id == call_id, CallAttempt.sip_code.is_(None))
    await s.execute(query.values(sip_code=sip_code))


async def _settle_in(s: AsyncSession, attempt: CallAttempt, facts: CallFacts, now: datetime) -> CallAttempt:
    """A call that came in (FL-02): no slot, no task; that he called says that his number lives."""
    attempt.state, attempt.ended_at, attempt.result = "ENDED", facts.ended_at, call_in_result(facts)
    attempt.cause, attempt.estimated, attempt.answered_at = facts.cause, facts.estimated, facts.answered_at
    attempt.bridged_at, attempt.message_played = facts.bridged_at, facts.message_at is not None
    attempt.notice_at = attempt.notice_at or (facts.bridged_at if attempt.notice == "prompt" else None)
    attempt.abandoned = False  # given up by us, but he had called: the account of abandoned calls is of those we made
    if facts.bridged_at is None:
        await _no_recording(s, attempt.id)
    seconds = (facts.ended_at - facts.bridged_at).total_seconds() if facts.bridged_at else 0.0
    await write_history(s, attempt, seconds=seconds)
    await note_he_called(s, attempt, now)
    if attempt.agent_session_id:
        await agents.call_over(
            s, attempt.agent_session_id, attempt.id, facts.ended_at, talked=facts.bridged_at is not None,
            has_outcome=attempt.outcome is not None,
        )  # fmt: skip
    return attempt


async def note_he_called(s: AsyncSession, attempt: CallAttempt, now: datetime) -> None:
    if attempt.case_id is not None and attempt.contact_point_id is not None:
        await cases.number_evidence(s, attempt.case_id, attempt.contact_point_id, "alive", at=now, call_id=attempt.id)


SLOT_GONE = "SLOT_GONE"


async def _settle_slot(s: AsyncSession, attempt: CallAttempt, result: str, facts: CallFacts) -> None:
    try:
        if is_trunks_own(result, facts):
            await compliance.free_slot(s, attempt.id)
            return
    except NotFound:
        attempt.problem = SLOT_GONE
        log.error("a call's slot is gone", call_id=str(attempt.id))
        return
    minutes = Decimal(str(round((facts.ended_at - attempt.claimed_at).total_seconds() / 60, 2)))
    if not await _count(s, attempt, result, minutes):
        attempt.problem = SLOT_GONE
        log.error("a call's slot is gone", call_id=str(attempt.id))


async def _count(s: AsyncSession, attempt: CallAttempt, result: str, minutes: Decimal | None) -> bool:
    """False when the slot was gone: it is made anew, for the call did happen."""
    talk, machine = counts_as_contact(result), result == "ANSWERED_MACHINE"
    try:
        await compliance.commit_slot(
            s, attempt.id, conversation=talk, abandoned=attempt.abandoned, machine_message=machine,
            uncertain=result == "UNKNOWN", minutes=minutes,
        )  # fmt: skip
    except NotFound:
        entry = compliance.Entry(
            at=attempt.business_at, channel="robot" if attempt.robot else "call",
            actor="robot" if attempt.robot else "dialer", purpose=attempt.purpose, conversation=talk,
            machine_message=machine, abandoned=attempt.abandoned, uncertain=result == "UNKNOWN", minutes=minutes,
        )  # fmt: skip
        await compliance.record(
            s, attempt.whose.person_id, entry, number=attempt.number, campaign=attempt.campaign, call_id=attempt.id
        )
        return False
    return True


def _with_what_is_known(attempt: CallAttempt, facts: CallFacts) -> CallFacts:
    """Facts joined with what was already written: after a restart the listener knows only the end."""
    return CallFacts(
        rang_at=facts.rang_at or attempt.ringing_at,
        answered_at=facts.answered_at or attempt.answered_at,
        bridged_at=facts.bridged_at or attempt.bridged_at,
        message_at=facts.message_at or attempt.message_at or (facts.ended_at if attempt.message_played else None),
        told_at=facts.told_at,
        asked_at=facts.asked_at or (facts.ended_at if attempt.robot_key == robots.AGENT else None),
        stop_asked_at=facts.stop_asked_at,
        ended_at=max(facts.ended_at, attempt.claimed_at),
        cause=facts.cause,
        sip_code=facts.sip_code,
        heard=facts.heard or attempt.answered_at is not None,
        far_side_hung_up=facts.far_side_hung_up,
        estimated=facts.estimated,
    )


async def close_task(s: AsyncSession, attempt: CallAttempt, result: str, now: datetime, *, counts: bool = True) -> None:
    task = await bulk.locked(s, CallTask, attempt.task_id)
    assert task is not None  # noqa: S101 (a foreign key)
    if task.fence != attempt.fence or task.state not in {"DIALING", "SETTLING"}:
        return  # the task has moved on (cancelled by a payment, or a later attempt owns it)
    task.attempts -= 0 if counts else 1  # a fault of our trunk uses up nobody's attempts
    if attempt.cancelled and attempt.answered_at is None and result != "UNKNOWN":
        task.state, task.state_reason, task.earliest_at = "CANCELLED", attempt.cancelled, None
        return
    await _step(s, task, result, now)


async def _step(s: AsyncSession, task: CallTask, result: str, now: datetime) -> None:
    """Done, given up for the day, or tried again when its campaign says."""
    campaign = bulk.held(s, Campaign, task.campaign) or await s.get(Campaign, task.campaign)
    terms = campaign_terms.retries(campaign.retries if campaign else {})
    after = terms.after(result, task.attempts) if result in RETRY_AFTER else None
    step = task_after_call(result, task.attempts, now, after=after, most=terms.max_attempts)
    task.state, task.state_reason, task.earliest_at = step.state, result, step.earliest_at


async def _no_recording(s: AsyncSession, call_id: UUID) -> None:
    recording = bulk.held(s, Recording, call_id) or await s.get(Recording, call_id)
    if recording is not None and recording.state == "EXPECTED":
        recording.state = "NONE"


async def write_history(s: AsyncSession, attempt: CallAttempt, *, seconds: float = 0.0) -> None:
    """Its line in the case's history; a call of nobody has none."""
    if attempt.case_id is None:
        return
    data: dict[str, Any] = {
        "direction": attempt.direction, "result": attempt.result, "number": attempt.number, "seconds": round(seconds, 1),
        "abandoned": attempt.abandoned, "campaign": attempt.campaign, "decision": str(attempt.decision_id or ""),
    }  # fmt: skip
    if attempt.estimated:
        data["estimated"] = True
    if attempt.robot:
        data["robot"] = True
    if attempt.abandoned:
        data |= await abandoned.proof(s, attempt)
    if attempt.legs > 1:
        data["legs"] = await legs.story(s, attempt.id)
    if attempt.result == "CANCELLED":
        data |= {"cancelled": attempt.cancelled, "why": attempt.cancelled_why}
    await cases.add_event(
        s, attempt.case_id, "call", at=attempt.business_at, actor_id=attempt.agent_id, call_id=attempt.id, data=data
    )


# --- calls whose end nobody heard --------------------------------------------------------------------------------


async def live(s: AsyncSession) -> list[CallAttempt]:
    """All attempts that are not ended, oldest first."""
    query = select(CallAttempt).where(CallAttempt.ended_at.is_(None)).order_by(CallAttempt.claimed_at)
    return list((await s.execute(query)).scalars())


async def start_settling(s: AsyncSession, call_id: UUID) -> None:
    """The exchange does not know this call any more: its true end is looked for; it is never dialed again by itself."""
    attempt = await s.get(CallAttempt, call_id, with_for_update=True)
    if attempt is not None and attempt.ended_at is None:
        attempt.state = "SETTLING"
        if attempt.task_id is None:
            return
        task = await s.get_one(CallTask, attempt.task_id, with_for_update=True)
        if task.state == "DIALING":
            task.state = "SETTLING"


async def settle_unknown(
    s: AsyncSession, call_id: UUID, result: str, *, by: str, now: datetime, who: str = ""
) -> CallAttempt:
    """A person (`by`) found out how a call ended whose end nobody heard: the task goes on as after any such call.

    `who` is `by` for the audit, by default an account of this machine.
    The slot counts with certainty now; after CONGESTION, which never reached the borrower's network, it is given back.
    Raises NotFound, BadInput for a result that is none, Conflict when the call is not UNKNOWN.
    """
    if result not in SETTLED_BY_HAND:
        raise BadInput(f"{result!r} is no result.", remedy=f"One of: {', '.join(SETTLED_BY_HAND)}.", field="result")
    attempt = await unknown_call(s, call_id)
    attempt.problem = ""
    attempt.result, attempt.abandoned = result, result == "ABANDONED"
    if attempt.task_id is not None:
        await _as_it_was(s, attempt, result, now)
    data = {"result": result, "by": by, "number": attempt.number}
    if attempt.case_id is not None:
        await cases.add_event(s, attempt.case_id, "settled", at=now, call_id=call_id, data=data)
    audit.note(s, who or f"os:{by}", "CALL_SETTLED", str(call_id), {"result": result, "case": str(attempt.case_id)})
    sign = "dead" if result == "INVALID_NUMBER" else "alive" if result.startswith("ANSWERED") else ""
    if sign and attempt.case_id is not None and attempt.contact_point_id is not None:
        await cases.number_evidence(
            s, attempt.case_id, attempt.contact_point_id, sign, at=now, call_id=call_id, trunk=attempt.trunk
        )
    return attempt


async def _as_it_was(s: AsyncSession, attempt: CallAttempt, result: str, now: datetime) -> None:
    """Slot and task of a call that we made, now that its end is known."""
    lost = result == "CONGESTION"
    if lost:
        await compliance.free_slot(s, attempt.id, uncertain_too=True)
    else:
        await _count(s, attempt, result, None)
    task = await s.get_one(CallTask, attempt.task_id, with_for_update=True)
    if task.fence == attempt.fence and task.state == "UNKNOWN":
        task.attempts -= 1 if lost else 0
        await _step(s, task, result, now)


async def unknown_call(s: AsyncSession, call_id: UUID) -> CallAttempt:
    """The call, locked. Raises NotFound, Conflict when its result is known."""
    attempt = await s.get(CallAttempt, call_id, with_for_update=True)
    if attempt is None:
        raise NotFound("There is no such call.", remedy="`backoffice calls --json` tells their ids.")
    if attempt.result != "UNKNOWN":
        raise Conflict(f"The result of this call is known: {attempt.result or 'it is going on'}.")
    return attempt


async def call_with_problem(s: AsyncSession, call_id: UUID) -> CallAttempt:
    """The call, locked. Raises NotFound, Conflict when its result must be said first."""
    attempt = await s.get(CallAttempt, call_id, with_for_update=True)
    if attempt is None or not attempt.problem:
        raise NotFound("There is no such call.")
    if attempt.result == "UNKNOWN":
        raise Conflict("Say first how this call ended.")
    return attempt
