"""The echo test of an agent's line (FL-10, decision 0015): he is sent to an echo, the exchange must hear his phone, and he
says that he hears himself. Passed once a shift; a change of the phone asks for it again.

`AgentSession.line_check`: empty, WANTED (the line is called and sent to the echo), ECHO (he is there), BACK (he said yes;
his line is on its way back to waiting, and gets no call until it is there).
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core import bulk
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.models import AgentSession
from backoffice_core.errors import Conflict, Refused


class LineNotChecked(Refused):
    """Your line has not passed its test this shift. Press "Check my line"."""

    code = "LINE_NOT_CHECKED"


class LineNotUp(Refused):
    """Your phone is not connected. Press "Check my line": it is called again."""

    code = "LINE_NOT_UP"


class LineSilent(Refused):
    """The exchange hears nothing from your phone. Check the microphone, say a few words, then confirm."""

    code = "LINE_SILENT"


def require_sure(agent: AgentSession) -> None:
    """Raises LineNotChecked, LineNotUp."""
    if agent.line_checked_at is None:
        raise LineNotChecked
    if agent.line != "UP" and not agent.per_call:
        raise LineNotUp


async def ask(s: AsyncSession, user_id: UUID, wall: datetime) -> AgentSession:
    """The line is called if need be and sent to the echo. A test that runs goes on. Raises NoSession, InCall."""
    agent = await agents.seat(s, user_id)
    if agent.state in {"RESERVED", "TALKING", "WRAP_UP"}:
        raise agents.InCall
    if agent.line_check == "ECHO":
        return agent
    agent.line_wanted, agent.line_failures, agent.line_retry_at = True, 0, None
    agent.line_check, agent.line_heard_at, agent.line_checked_at = "WANTED", None, None
    if agent.state != "PAUSED":
        agents.change(s, agent, "PAUSED", "LINE_CHECK", wall)
    return agent


async def confirm(s: AsyncSession, user_id: UUID, wall: datetime) -> AgentSession:
    """The agent hears himself. A second yes changes nothing. Raises NoSession, Conflict without a test, LineSilent."""
    agent = await agents.seat(s, user_id)
    if agent.line_checked_at is not None:
        return agent
    if agent.line_check != "ECHO" or agent.line != "UP":
        raise Conflict("Your line is not being tested.", remedy="Press “Check my line”.")
    if agent.line_heard_at is None:
        raise LineSilent
    agent.line_checked_at, agent.line_check = wall, "BACK"
    return agent


async def heard(s: AsyncSession, session_id: UUID, n: int, at: datetime) -> UUID | None:
    """The exchange hears sound from this phone. Returns the agent's user id when that was not known.

    It may be told before it is written that the line is in the echo, and who speaks without a pause is told of once.
    """
    agent = await bulk.locked(s, AgentSession, session_id)
    if agent is None or agent.line_n != n or agent.line_heard_at is not None:
        return None
    if agent.line_check not in {"WANTED", "ECHO"}:
        return None
    agent.line_heard_at = at
    return agent.user_id


async def to_move(s: AsyncSession) -> list[AgentSession]:
    """Lines that are up and wait to be sent to the echo (WANTED) or back (BACK)."""
    query = select(AgentSession).where(
        AgentSession.ended_at.is_(None),
        AgentSession.line == "UP",
        ~AgentSession.line_ending,
        AgentSession.line_check.in_(("WANTED", "BACK")),
    )
    return list((await s.execute(query)).scalars())


async def moved(s: AsyncSession, session_id: UUID, n: int, asked: str) -> UUID | None:
    """The exchange has sent the line where `asked` said. Returns the agent's user id when his desk shows something new."""
    agent = await bulk.locked(s, AgentSession, session_id)
    if agent is None or agent.line_n != n or agent.line_check != asked:
        return None
    agent.line_check = {"WANTED": "ECHO", "BACK": ""}[asked]
    return agent.user_id
