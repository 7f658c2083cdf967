"""Calls without an agent: what their keys mean and what follows (docs/decisions/0025-calls-without-an-agent.md).

The message tells a stranger nothing, so nobody is identified by it. Who presses the key for an agent is from then on as
somebody who calls us: it rings until an agent takes him, else he hears that we call back, and a task says so. Who presses the
other key has his number put on the stop-list. Nobody was promised an agent by the answer, so no such call is in the account
of abandoned ones, neither as an answer nor as a loss.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.models import CallAttempt, CallTask
from backoffice_core.call_centre.rules import ROBOT_STOP, CallFacts
from backoffice_core.cases import service as cases
from backoffice_core.loans import stop_list

AGENT, STOP = "1", "9"  # keys, as the prompts say them
SOURCE = "robot"  # of the stop-list's entry
ASKED_IN_VAIN = and_(
    CallAttempt.robot_key == AGENT, CallAttempt.bridged_at.is_(None), CallAttempt.ended_at.is_not(None)
)


async def asks_for_agent(s: AsyncSession, call_id: UUID) -> bool:
    """He pressed the key: from now on he waits for an agent. False for a call that is over, or none of ours."""
    attempt = await s.get(CallAttempt, call_id, with_for_update=True)
    if attempt is None or not attempt.robot or attempt.ended_at is not None:
        return False
    attempt.robot_key = AGENT
    return True


async def follow(s: AsyncSession, attempt: CallAttempt, outcome: str | None, facts: CallFacts, now: datetime) -> None:
    """At the end of a call that was answered. The message itself warns that the call is recorded."""
    attempt.notice, attempt.notice_language = attempt.notice or "prompt", attempt.language
    attempt.notice_at = attempt.notice_at or facts.answered_at
    if facts.stop_asked_at is not None:
        attempt.robot_key = STOP
    elif facts.asked_at is not None:
        attempt.robot_key = AGENT
    if outcome is None or attempt.outcome is not None:
        return
    attempt.outcome, attempt.outcome_at = outcome, facts.ended_at
    data = {"outcome": outcome, "rpc": False, "note": "", "task": "", "control_date": None, "robot": True}
    await cases.add_event(s, attempt.whose.case_id, "outcome", at=now, call_id=attempt.id, data=data)
    if outcome == ROBOT_STOP:
        day = await s.scalar(select(CallTask.business_date).where(CallTask.id == attempt.task_id))
        entry = stop_list.Stop("phone", attempt.number, ROBOT_STOP, day or now.date())
        await stop_list.add(s, [entry], at=now, by=SOURCE, source=SOURCE, who="program:listener")
