"""Wrap-up cannot hang (FL-12): a talk whose result is not given in time waits for a supervisor, its agent is paused."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.models import AgentSession, CallAttempt, UnknownCaller
from backoffice_core.call_centre.rules import MORE_TIME, NO_DISPOSITION, wrap_up_limit, wrap_up_over
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.errors import Conflict
from backoffice_core.loans.service import of_branch
from backoffice_core.staff.models import User


async def overdue(s: AsyncSession, wall: datetime, limit_s: int) -> list[UUID]:
    """Seats (their ids) whose seconds for the result are over."""
    query = select(AgentSession.id, AgentSession.since, AgentSession.reason).where(
        AgentSession.state == "WRAP_UP", AgentSession.ended_at.is_(None)
    )
    seats = (await s.execute(query)).all()
    return [seat for seat, since, reason in seats if wrap_up_over(since, wall, wrap_up_limit(reason, limit_s))]


async def more_time(s: AsyncSession, user_id: UUID, wall: datetime, limit_s: int) -> None:
    """Thirty seconds more for the result, once a call; the clock runs on from the call's end.

    Raises Conflict outside a wrap-up, for the second wish, and when the time is over.
    """
    seat = await agents.current(s, user_id, lock=True)
    if seat is None or seat.state != "WRAP_UP":
        raise Conflict("There is no result to be written.", remedy="More time is for the seconds after a call.")
    if seat.reason == MORE_TIME or wrap_up_over(seat.since, wall, limit_s):
        raise Conflict("More time is given once a call.", remedy="Save the result, or let a supervisor complete it.")
    since = seat.since
    agents.change(s, seat, "WRAP_UP", MORE_TIME, wall, seat.call_id)
    seat.since = since


async def end(
    s: AsyncSession, session_id: UUID, *, now: datetime, wall: datetime, limit_s: int
) -> tuple[UUID, UUID] | None:
    """Ends one wrap-up: outcome, history, pause. (agent, call); None when the result came meanwhile.

    `now` is business time. The call is locked before the seat, in the order of `desk.record_result`.
    """
    call_id = await s.scalar(select(AgentSession.call_id).where(AgentSession.id == session_id))
    call = await s.get(CallAttempt, call_id, with_for_update=True) if call_id else None
    seat = await s.get(AgentSession, session_id, with_for_update=True, populate_existing=True)
    if seat is None or seat.state != "WRAP_UP" or seat.call_id != call_id:
        return None
    limit_s = wrap_up_limit(seat.reason, limit_s)
    if call is None or not wrap_up_over(seat.since, wall, limit_s):
        return None
    if call.outcome is None:
        await without_result(s, call, now=now, wall=wall, data={"seconds": limit_s})
    seat.wants_pause = ""
    agents.change(s, seat, "PAUSED", NO_DISPOSITION, wall)
    return seat.user_id, call.id


async def without_result(
    s: AsyncSession, call: CallAttempt, *, now: datetime, wall: datetime, data: dict[str, Any]
) -> None:
    """Its result waits for a supervisor. A call that is nobody's has nothing that could wait: its number is told to him."""
    if call.case_id is None:
        call.outcome, call.outcome_at = "NO_CONTACT", wall
        s.add(UnknownCaller(at=now, number=call.number, called=call.caller_id, call_id=call.id))
        return
    call.outcome, call.outcome_at = NO_DISPOSITION, wall
    told = {"outcome": NO_DISPOSITION, **data}
    await cases.add_event(s, call.case_id, "wrap_over", at=now, actor_id=call.agent_id, call_id=call.id, data=told)


async def case_waits(s: AsyncSession, case_id: UUID) -> bool:
    """Whether a talk of this case waits for its result: nobody is called before (domain.md 2.3)."""
    waiting = exists().where(CallAttempt.case_id == case_id, CallAttempt.outcome == NO_DISPOSITION)
    return bool(await s.scalar(select(waiting)))


async def waiting_call(s: AsyncSession, case_id: UUID) -> tuple[CallAttempt, str | None] | None:
    """The case's oldest talk without a result, and its agent's name."""
    query = select(CallAttempt, User.full_name).outerjoin(User, User.id == CallAttempt.agent_id)
    query = query.where(CallAttempt.case_id == case_id, CallAttempt.outcome == NO_DISPOSITION)
    row = (await s.execute(query.order_by(CallAttempt.claimed_at).limit(1))).one_or_none()
    return (row[0], row[1]) if row else None


@dataclass(frozen=True, kw_only=True)
class WithoutResult:
    case_number: int
    agent_name: str | None


async def all_waiting(s: AsyncSession, limit: int = 50, *, branch: str = "") -> list[WithoutResult]:
    """Talks that wait for a supervisor, oldest first."""
    query = (
        select(Case.number, User.full_name)
        .select_from(CallAttempt)
        .join(Case, Case.id == CallAttempt.case_id)
        .outerjoin(User, User.id == CallAttempt.agent_id)
        .where(CallAttempt.outcome == NO_DISPOSITION, of_branch(CallAttempt.person_id, branch))
        .order_by(CallAttempt.claimed_at)
        .limit(limit)
    )
    return [WithoutResult(case_number=n, agent_name=name) for n, name in (await s.execute(query)).all()]
