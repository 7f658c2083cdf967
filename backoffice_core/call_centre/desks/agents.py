"""Agents at their desks: state, pause, and the line that is kept up to each phone.

Every change of state goes through `change`, which leaves a row with its cause (TL-05).
Stamps are the machine's time: browsers tick from them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import and_, func, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core import bulk
from backoffice_core.borrowers.models import Person
from backoffice_core.call_centre.desks.preview_models import Preview
from backoffice_core.call_centre.models import AgentSession, AgentStateChange, CallAttempt
from backoffice_core.cases.models import Case
from backoffice_core.errors import BadInput, Conflict, Refused
from backoffice_core.loans.service import of_branch
from backoffice_core.staff.models import User

PAUSE_REASONS = ("BREAK", "LUNCH", "TRAINING", "TECHNICAL")  # what an agent may choose
LINE_RETRY_S = (1, 2, 5)  # after these the agent is paused with LINE_LOST


class NoSession(Refused):
    """You have not taken a seat yet: log in at the desk first."""

    code = "NO_SESSION"


class NoDisposition(Refused):
    """The last call has no result yet. Choose the result and save it, then go on."""

    code = "NO_DISPOSITION"


class InCall(Refused):
    """A call is going on. End it and save its result first."""

    code = "IN_CALL"


Phone = Literal["browser", "desk", "bank"]


class NoPhone(Refused):
    """This login has no phone of this kind. An administrator gives one with `backoffice user set`."""

    code = "NO_PHONE"


def change(
    s: AsyncSession, agent: AgentSession, to_state: str, reason: str, wall: datetime, call_id: UUID | None = None
) -> None:
    """The one place where an agent's state changes. `call_id` is the call he is with from now on, if any."""
    s.add(
        AgentStateChange(
            session_id=agent.id, user_id=agent.user_id, at=wall, from_state=agent.state, to_state=to_state,
            reason=reason, call_id=call_id or agent.call_id,
        )
    )  # fmt: skip
    agent.state, agent.reason, agent.since, agent.call_id = to_state, reason, wall, call_id


async def current(s: AsyncSession, user_id: UUID, *, lock: bool = False) -> AgentSession | None:
    query = select(AgentSession).where(AgentSession.user_id == user_id, AgentSession.ended_at.is_(None))
    return (await s.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def seat(s: AsyncSession, user_id: UUID) -> AgentSession:
    """His open seat, locked. Raises NoSession."""
    agent = await current(s, user_id, lock=True)
    if agent is None:
        raise NoSession
    return agent


def _endpoint(user: User, phone: Phone) -> str:
    """Raises NoPhone when he has no phone of this kind."""
    if phone == "bank":
        if user.bank_number is None:
            raise NoPhone
        return f"bank:{user.bank_number}"
    if user.extension is None:
        raise NoPhone
    return f"agent-{user.extension}-web" if phone == "browser" else f"agent-{user.extension}"


async def open_session(
    s: AsyncSession, user: User, phone: Phone, wall: datetime, line: Literal["kept", "per_call"] = "kept"
) -> AgentSession:
    """Takes the seat, paused. An open seat is returned as it is; its phone changes only while no call is with him.

    `line`: as the house has it, when the person has no own. Raises NoPhone.
    """
    endpoint, per_call = _endpoint(user, phone), (user.line or line) == "per_call"
    agent = await current(s, user.id, lock=True)
    if agent is None:
        agent = AgentSession(
            user_id=user.id, phone=phone, endpoint=endpoint, since=wall, started_at=wall, state="OFF", per_call=per_call
        )
        s.add(agent)
        await s.flush()
        change(s, agent, "PAUSED", "LOGIN", wall)
    elif agent.phone != phone and agent.state in {"PAUSED", "UNREACHABLE", "READY"}:
        change(s, agent, "PAUSED", "LOGIN", wall)
        agent.phone, agent.endpoint, agent.per_call = phone, endpoint, per_call
        _drop_line(agent)
    return agent


class TalksElsewhere(InCall):
    """A call is going on in the browser where you logged in before. End it there first."""

    code = "TALKS_ELSEWHERE"


async def take_over(s: AsyncSession, user: User, wall: datetime) -> None:
    """A later login of the same person takes his seat; before the earlier ones are ended.

    He is paused, so that no call comes to a chair that was just left; a browser's line goes with its browser, and the
    next is tested anew. A talk on a desk phone goes on. Raises TalksElsewhere for one in the other browser: the talk
    would end with that page.
    """
    agent = await current(s, user.id, lock=True)
    if agent is None:
        return
    if agent.state in {"RESERVED", "TALKING"} and not agent.previewing:
        if agent.phone == "browser" and agent.line == "UP":
            raise TalksElsewhere
        return
    if agent.state in {"READY", "UNREACHABLE"} or agent.previewing:
        change(s, agent, "PAUSED", "LOGIN", wall)
        _release(agent)
    if agent.phone == "browser":
        _drop_line(agent)


def _drop_line(agent: AgentSession) -> None:
    """The old line has its old id: it is hung up as a line that nobody owns, and the new phone is called when wanted."""
    agent.line, agent.line_channel, agent.line_wanted, agent.line_ending = "NONE", "", False, False
    agent.line_check, agent.line_heard_at, agent.line_checked_at = "", None, None


async def go_ready(
    s: AsyncSession, user_id: UUID, wall: datetime, sure: Callable[[AgentSession], None] | None = None
) -> AgentSession:
    """Ready for calls; the dialer brings the line up if it is not. Idempotent; during a call it takes a wished pause back.

    `sure` refuses a line that may not work (`line_check.require_sure`). Raises NoSession, NoDisposition, and what it does.
    """
    agent = await seat(s, user_id)
    if agent.state == "WRAP_UP":
        raise NoDisposition
    if sure is not None and agent.state in {"PAUSED", "UNREACHABLE"}:
        sure(agent)
    agent.line_wanted = True
    agent.wants_pause = ""
    if agent.state in {"PAUSED", "UNREACHABLE"}:
        agent.line_failures, agent.line_retry_at = 0, None
        change(s, agent, "READY", "AGENT", wall)
    return agent


async def pause(s: AsyncSession, user_id: UUID, reason: str, wall: datetime) -> AgentSession:
    """Pause with a reason; with a call it is remembered and done after the outcome. Raises NoSession, BadInput."""
    if reason not in PAUSE_REASONS:
        raise BadInput(f"Unknown reason of a pause: {reason!r}.", remedy="Choose one of the list.", field="reason")
    agent = await seat(s, user_id)
    if agent.state in {"RESERVED", "TALKING", "WRAP_UP"} and not agent.previewing:
        agent.wants_pause = reason
    else:
        change(s, agent, "PAUSED", reason, wall)
        _release(agent)
    return agent


def take_shelter(s: AsyncSession, agent: AgentSession, reason: str, wall: datetime) -> bool:
    """A paid pause for an alarm, now or after the call that he is in. False for who is paused already."""
    if agent.state == "PAUSED":
        return False
    if agent.state in {"RESERVED", "TALKING", "WRAP_UP"} and not agent.previewing:
        agent.wants_pause = reason
    else:
        change(s, agent, "PAUSED", reason, wall)
        _release(agent)
    return True


async def close_session(s: AsyncSession, user_id: UUID, wall: datetime) -> None:
    """Leaves the seat; the dialer hangs the line up. Nothing to do without a seat. Raises InCall, NoDisposition."""
    agent = await current(s, user_id, lock=True)
    if agent is None:
        return
    if agent.state == "WRAP_UP":
        raise NoDisposition
    if agent.state in {"RESERVED", "TALKING"} and not agent.previewing:
        raise InCall
    change(s, agent, "OFF", "LOGOUT", wall)
    agent.ended_at, agent.line_wanted = wall, False


# --- with a call -------------------------------------------------------------------------------------------------


FREE = (  # on his way back from the echo test he is not
    AgentSession.state == "READY",
    AgentSession.line == "UP",
    ~AgentSession.line_ending,
    AgentSession.line_check == "",
    AgentSession.ended_at.is_(None),
)


# He can serve the campaign when it wants no skill, or one that he has.
_CAN_SERVE = text("""
    NOT EXISTS (SELECT FROM campaigns c WHERE c.name = :campaign AND c.skill <> '' AND NOT EXISTS
        (SELECT FROM agent_skills k WHERE k.user_id = agent_sessions.user_id AND k.skill = c.skill))
""")
_HOW_SOON = text("""
    coalesce((SELECT k.priority FROM agent_skills k JOIN campaigns c ON c.skill = k.skill
              WHERE c.name = :campaign AND k.user_id = agent_sessions.user_id), 99)
""")


# Callers of a campaign that fewer can serve are on their way: who can serve them is taken last by others' callers.
_WANTED_ELSEWHERE = text("""
    EXISTS (SELECT FROM call_attempts a JOIN campaigns c ON c.name = a.campaign AND c.skill <> ''
             JOIN agent_skills k ON k.skill = c.skill AND k.user_id = agent_sessions.user_id
             WHERE a.ended_at IS NULL AND a.agent_id IS NULL AND NOT a.abandoned AND a.campaign <> :campaign)
""")


async def longest_waiting(
    s: AsyncSession, prefer: UUID | None = None, campaign: str = "collection"
) -> AgentSession | None:
    """Of the free agents with the campaign's skill, and of those by its priority, the one who waits longest (or the
    preferred one, if he is free), locked; agents whom another transaction just takes are passed over. Who is one of the few
    that can serve callers on their way to another campaign is kept for them while others are free."""
    query = (
        select(AgentSession)
        .where(*FREE, _CAN_SERVE.bindparams(campaign=campaign))
        .order_by(
            *([AgentSession.user_id != prefer] if prefer else []),
            _WANTED_ELSEWHERE.bindparams(campaign=campaign),
            _HOW_SOON.bindparams(campaign=campaign),
            AgentSession.since,
        )
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return (await s.execute(query)).scalar_one_or_none()


AT_WORK_SQL = "g.state IN ('READY','RESERVED','TALKING','WRAP_UP')"  # of a seat g: he will be free soon


async def if_free(s: AsyncSession, user_id: UUID) -> AgentSession | None:
    """This agent's seat, locked, when he would get an answered call now."""
    query = select(AgentSession).where(*FREE, AgentSession.user_id == user_id).with_for_update(skip_locked=True)
    return (await s.execute(query)).scalar_one_or_none()


async def count_free(s: AsyncSession) -> int:
    query = select(AgentSession.id).where(*FREE)
    return len((await s.execute(query)).all())


async def talking(s: AsyncSession, session_id: UUID, call_id: UUID, wall: datetime) -> UUID | None:
    """The voices met. Returns the agent's user id when his state changed."""
    agent = await bulk.locked(s, AgentSession, session_id)
    if agent is None or agent.call_id != call_id or agent.state != "RESERVED":
        return None
    change(s, agent, "TALKING", "CALL", wall, call_id)
    return agent.user_id


async def call_over(
    s: AsyncSession, session_id: UUID, call_id: UUID, wall: datetime, *, talked: bool, has_outcome: bool = False,
    reason: str = "CALL_ENDED",
) -> UUID | None:  # fmt: skip
    """The borrower's call ended, or is his no more: wrap-up after a talk, back to ready when the voices never met."""
    agent = await bulk.locked(s, AgentSession, session_id)
    if agent is None or agent.call_id != call_id or agent.state not in {"RESERVED", "TALKING"}:
        return None
    if talked:
        _release(agent)
    if talked and not has_outcome:
        change(s, agent, "WRAP_UP", reason, wall, call_id)
    else:
        free(s, agent, wall, reason)
    return agent.user_id


def free(s: AsyncSession, agent: AgentSession, wall: datetime, reason: str) -> None:
    """After a call: to the pause he wished, to unreachable if his line is gone, else ready again."""
    if agent.wants_pause:
        wished, agent.wants_pause = agent.wants_pause, ""
        change(s, agent, "PAUSED", wished, wall)
        _release(agent)
    elif agent.line != "UP" and not agent.per_call:
        change(s, agent, "UNREACHABLE", "LINE_LOST", wall)
    else:
        agent.line_wanted = agent.line_wanted or agent.per_call
        change(s, agent, "READY", reason, wall)


def _release(agent: AgentSession) -> None:
    """A line that is rung for each call ends with it; the dialer hangs it up, and it is rung anew when it is wanted."""
    if agent.per_call:
        agent.line_wanted = False
        agent.line_ending = agent.line != "NONE"


# --- the line ----------------------------------------------------------------------------------------------------


async def lines_to_call(s: AsyncSession, wall: datetime, *, work: bool = True) -> list[AgentSession]:
    """Seats that want a line and have none, locked. `work`: there is somebody to be called, or somebody calls us; without
    it no phone is rung for a call."""
    query = (
        select(AgentSession)
        .where(
            AgentSession.ended_at.is_(None),
            AgentSession.line_wanted,
            AgentSession.line == "NONE",
            or_(AgentSession.line_retry_at.is_(None), AgentSession.line_retry_at <= wall),
            or_(~AgentSession.per_call, AgentSession.line_check != "", literal(work)),
        )
        .with_for_update(skip_locked=True)
    )
    return list((await s.execute(query)).scalars())


async def lines_to_end(s: AsyncSession) -> list[AgentSession]:
    return list(await s.scalars(select(AgentSession).where(AgentSession.line_ending, AgentSession.ended_at.is_(None))))


async def line_up(s: AsyncSession, session_id: UUID, n: int, channel: str, wall: datetime) -> UUID | None:
    """The agent's phone answered. A line that is not the current one (n) changes nothing."""
    agent = await bulk.locked(s, AgentSession, session_id)
    if agent is None or agent.line_n != n or agent.ended_at is not None or agent.line == "UP" or agent.line_ending:
        return None
    agent.line, agent.line_channel, agent.line_failures, agent.line_retry_at = "UP", channel, 0, None
    if agent.state == "UNREACHABLE":
        change(s, agent, "READY", "LINE_BACK", wall)
    return agent.user_id


async def line_down(s: AsyncSession, session_id: UUID, n: int, wall: datetime, *, hung_up: bool) -> UUID | None:
    """The agent's line ended. Hanging up a desk phone is a pause; any other end is a loss: called again after 1, 2, 5 s.

    A browser hangs up when its page is closed or loaded anew, which is no wish for a pause.
    """
    agent = await bulk.locked(s, AgentSession, session_id)
    if agent is None or agent.line_n != n or agent.line == "NONE":
        return None
    was_up, ended_by_us = agent.line == "UP", agent.line_ending
    agent.line, agent.line_channel, agent.line_ending = "NONE", "", False
    if agent.line_check:  # what was heard of this line proves nothing of the next
        agent.line_check, agent.line_heard_at = ("" if agent.line_check == "BACK" else "WANTED"), None
    if agent.ended_at is not None:
        return None
    if ended_by_us or (hung_up and was_up and agent.per_call and agent.state in {"TALKING", "WRAP_UP"}):
        agent.line_failures, agent.line_retry_at = 0, None
        return agent.user_id  # a phone that was rung for this call alone: its end is no wish for a pause
    with_call = agent.state in {"RESERVED", "TALKING", "WRAP_UP"}
    if hung_up and was_up and agent.phone != "browser":
        agent.line_wanted = False
        if with_call:
            agent.wants_pause = agent.wants_pause or "PHONE_HUNG_UP"
        elif agent.state != "PAUSED":
            change(s, agent, "PAUSED", "PHONE_HUNG_UP", wall)
        return agent.user_id
    _lost(s, agent, wall, was_up=was_up, with_call=with_call)
    return agent.user_id


def _lost(s: AsyncSession, agent: AgentSession, wall: datetime, *, was_up: bool, with_call: bool) -> None:
    """Called again after 1, 2, 5 s, then paused."""
    failures = agent.line_failures
    agent.line_failures = failures + 1
    if failures < len(LINE_RETRY_S):
        agent.line_retry_at = wall + timedelta(seconds=LINE_RETRY_S[failures])
        if agent.state == "READY" and was_up:
            change(s, agent, "UNREACHABLE", "LINE_LOST", wall)
    else:
        agent.line_wanted = False
        if agent.per_call:
            agent.line_checked_at = None  # ready is refused until the line can be had again
        if with_call:
            agent.wants_pause = "LINE_LOST"
        elif agent.state != "PAUSED" or agent.reason == "LOGIN":
            change(s, agent, "PAUSED", "LINE_LOST", wall)


def line_died(s: AsyncSession, agent: AgentSession, n: int, wall: datetime, *, busy: bool) -> None:
    """His n-th line could not be bridged to the call that he was chosen for (FL-10): he is told, and the call goes on to
    the next. `busy`: the line is with another call, of which nothing is known here; he looks himself."""
    if busy:
        change(s, agent, "PAUSED", "LINE_BUSY", wall)
        return
    if agent.line_n == n and agent.line != "NONE":
        agent.line, agent.line_channel, agent.line_retry_at = "NONE", "", wall
        agent.line_failures = 1
    if agent.wants_pause or agent.line == "UP":
        free(s, agent, wall, "LINE_BACK")
    else:
        change(s, agent, "UNREACHABLE", "LINE_DIED", wall)


async def lines_held(s: AsyncSession) -> list[AgentSession]:
    """Open and just closed seats that hold or call a line: what the exchange should have."""
    return list((await s.execute(select(AgentSession).where(AgentSession.line != "NONE"))).scalars())


# --- the board ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AgentRow:
    agent_id: UUID
    name: str
    extension: int | None
    robot: bool
    state: str
    reason: str
    since: datetime
    line: str
    call_id: UUID | None
    case_id: UUID | None
    case_number: int | None
    person_name: str | None
    campaign: str | None


async def board(s: AsyncSession, user_id: UUID | None = None, *, branch: str = "") -> list[AgentRow]:
    """Everybody who has taken a seat, by name; or only one agent's row. Of a branch its own people, and whom they are with only
    when he is its borrower."""
    query = (
        select(AgentSession, User, Case.id, CallAttempt.campaign, Case.number, Person)
        .join(User, User.id == AgentSession.user_id)
        .outerjoin(CallAttempt, CallAttempt.id == AgentSession.call_id)
        .outerjoin(Preview, and_(Preview.id == AgentSession.call_id, AgentSession.reason == "PREVIEW"))
        .outerjoin(
            Case,
            and_(Case.id == func.coalesce(CallAttempt.case_id, Preview.case_id), of_branch(Case.person_id, branch)),
        )
        .outerjoin(Person, Person.id == Case.person_id)
        .where(AgentSession.ended_at.is_(None), and_(User.id == user_id) if user_id else and_(True))
        .where(User.branch == branch if branch else and_(True))
        .order_by(User.full_name, User.id)
    )
    return [
        AgentRow(
            agent_id=user.id, name=user.full_name, extension=user.extension, robot=user.robot, state=seat.state,
            reason=seat.reason, since=seat.since, line=seat.line, call_id=seat.call_id, case_id=case_id,
            case_number=number, person_name=person.full_name if person else None, campaign=campaign,
        )
        for seat, user, case_id, campaign, number, person in (await s.execute(query)).all()
    ]  # fmt: skip


async def require_in_call(s: AsyncSession, user_id: UUID) -> AgentSession:
    """The seat of an agent who is with a call now. Raises NoSession, Conflict."""
    agent = await seat(s, user_id)
    if agent.call_id is None or agent.previewing:
        raise Conflict("There is no call at your desk.", remedy="The call has ended meanwhile.")
    return agent
