"""Calls that a person has to look at: nobody heard their end, or they could not be settled in order.

Such a call counts against the limits and is never dialed again by itself. `settling.settle_unknown` says how it ended.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import func, or_, select, true
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import Person
from backoffice_core.call_centre.calls import settling
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.models import CallAttempt, Recording
from backoffice_core.cases.models import Case
from backoffice_core.compliance import service as compliance
from backoffice_core.errors import Refused
from backoffice_core.loans.service import of_branch
from backoffice_core.staff.models import User

log = structlog.get_logger()

NOT_SETTLED = "NOT_SETTLED"  # its end was heard, but could not be written


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """One such call with all evidence there is: what was heard, and whether a recording exists (`recorded_s` seconds)."""

    call_id: UUID
    at: datetime  # business time of the claim
    number: str
    person_name: str  # empty, and no case: a call to us that is nobody's
    case_number: int | None
    result: str | None
    problem: str
    rang: bool
    answered: bool
    bridged: bool
    agent_name: str | None
    recording: str | None
    recorded_s: float


_WAITS = or_(CallAttempt.result == "UNKNOWN", CallAttempt.problem != "")


async def count(s: AsyncSession, branch: str = "") -> int:
    query = select(func.count()).select_from(CallAttempt).where(_WAITS, of_branch(CallAttempt.person_id, branch))
    return (await s.execute(query)).scalar_one()


async def waiting(s: AsyncSession, limit: int = 100, *, branch: str = "", only: UUID | None = None) -> list[Unknown]:
    """Oldest first; of a branch those with its borrowers."""
    query = (
        select(CallAttempt, Person, Case.number, User.full_name, Recording)
        .outerjoin(Person, Person.id == CallAttempt.person_id)
        .outerjoin(Case, Case.id == CallAttempt.case_id)
        .outerjoin(User, User.id == CallAttempt.agent_id)
        .outerjoin(Recording, Recording.call_id == CallAttempt.id)
        .where(_WAITS, of_branch(CallAttempt.person_id, branch), CallAttempt.id == only if only else true())
        .order_by(CallAttempt.claimed_at)
        .limit(limit)
    )
    return [
        Unknown(
            call_id=call.id, at=call.business_at, number=call.number, person_name=person.full_name if person else "",
            case_number=number, result=call.result, problem=call.problem, rang=call.ringing_at is not None,
            answered=call.answered_at is not None, bridged=call.bridged_at is not None, agent_name=agent,
            recording=row.state if row else None, recorded_s=float(row.seconds) if row else 0.0,
        )
        for call, person, number, agent, row in (await s.execute(query)).all()
    ]  # fmt: skip


async def noted(s: AsyncSession, call_id: UUID) -> CallAttempt:
    """A person has seen what was odd about a call whose result is known. Raises NotFound, Conflict when it is UNKNOWN."""
    call = await settling.call_with_problem(s, call_id)
    call.problem = ""
    return call


async def put_aside(s: AsyncSession, call_id: UUID, ended_at: datetime, now: datetime) -> CallAttempt | None:
    """The settlement of this call was refused: it ends as UNKNOWN, so that nothing tries for ever, and a person looks.

    Its slot stays counted, its agent is free; what cannot even be written so is left as it is. None when it is over.
    """
    call = await s.get(CallAttempt, call_id, with_for_update=True)
    if call is None or call.ended_at is not None:
        return None
    call.state, call.ended_at = "ENDED", max(ended_at, call.claimed_at)
    call.result, call.problem = "UNKNOWN", NOT_SETTLED
    await s.flush()

    async def seat() -> None:
        if call.agent_session_id:
            talked = call.bridged_at is not None
            await agents.call_over(
                s, call.agent_session_id, call_id, ended_at, talked=talked, has_outcome=call.outcome is not None
            )

    async def slot() -> None:
        await compliance.commit_slot(
            s, call_id, conversation=True, abandoned=False, machine_message=False, uncertain=True, minutes=None
        )

    steps = [settling.write_history(s, call), seat()]
    if call.direction == "out":
        steps = [slot(), settling.close_task(s, call, "UNKNOWN", now), *steps]
    for step in steps:
        await _if_possible(s, step, call_id)
    return call


async def _if_possible(s: AsyncSession, step: Awaitable[object], call_id: UUID) -> None:
    try:
        async with s.begin_nested():
            await step
    except (SQLAlchemyError, Refused) as error:
        log.error("put aside without a part", call_id=str(call_id), error=type(error).__name__)
