"""Reading what happened: the case's history, live calls, the day's figures."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import Person
from backoffice_core.call_centre.calls import line_quality
from backoffice_core.call_centre.models import CallAttempt, CallTask, LineFigures, NotCallable, Recording
from backoffice_core.call_centre.rules import FAST_RESULT_S, NO_DISPOSITION
from backoffice_core.cases.models import Case, CaseEvent
from backoffice_core.loans.service import OF_BRANCH, of_branch
from backoffice_core.staff.models import User


@dataclass(frozen=True, kw_only=True)
class HistoryRow:
    """One line of a case's history. `code` is the result, outcome or kind whose words the catalogue has."""

    at: datetime
    kind: str
    code: str
    call_id: UUID | None
    data: dict[str, Any]
    seconds: float | None
    recording: str | None  # state of the call's recording
    faults: list[str]  # of its sound: codes of recordings/faults.py
    agent_id: UUID | None
    actor_name: str | None


async def history(s: AsyncSession, case_id: UUID, limit: int = 50, before: datetime | None = None) -> list[HistoryRow]:
    """Newest first."""
    query = (
        select(CaseEvent, User.full_name, Recording.state, Recording.faults, LineFigures)
        .outerjoin(User, User.id == CaseEvent.actor_id)
        .outerjoin(Recording, Recording.call_id == CaseEvent.call_id)
        .outerjoin(LineFigures, LineFigures.call_id == CaseEvent.call_id)
        .where(CaseEvent.case_id == case_id)
        .order_by(CaseEvent.at.desc(), CaseEvent.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(CaseEvent.at < before)
    return [
        HistoryRow(
            at=event.at, kind=event.kind, call_id=event.call_id,
            data=event.data | _line(figures) if event.kind == "call" else event.data,
            code=str(event.data.get("outcome") or event.data.get("result") or event.data.get("code") or event.kind),
            seconds=event.data.get("seconds"), recording=recording if event.kind == "call" else None,
            faults=(faults or []) if event.kind == "call" else [],
            agent_id=event.actor_id, actor_name=name,
        )
        for event, name, recording, faults, figures in (await s.execute(query)).all()
    ]  # fmt: skip


def _line(figures: LineFigures | None) -> dict[str, Any]:
    """How the agent's line sounded in this talk (TL-12): the worse of both directions."""
    if figures is None:
        return {}
    loss, jitter_ms = line_quality.worst(figures)
    return {
        "line": {"loss": loss, "jitter_ms": jitter_ms, "one_way": figures.one_way, "phone": figures.endpoint}
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LiveCall:
    call_id: UUID
    state: str
    number: str
    person_name: str  # empty: a call to us of which nobody knows yet whose it is
    case_number: int | None
    since: datetime  # the machine's time at which this state began
    agent_name: str | None
    trunk: str


async def live_calls(s: AsyncSession, branch: str = "") -> list[LiveCall]:
    """Attempts that are not ended, oldest first; of one branch those to its borrowers."""
    query = (
        select(CallAttempt, Person, Case.number, User.full_name)
        .outerjoin(Person, Person.id == CallAttempt.person_id)
        .outerjoin(Case, Case.id == CallAttempt.case_id)
        .outerjoin(User, User.id == CallAttempt.agent_id)
        .where(CallAttempt.ended_at.is_(None), of_branch(CallAttempt.person_id, branch))
        .order_by(CallAttempt.claimed_at)
    )
    return [
        LiveCall(
            call_id=c.id, state=c.state, number=c.number, person_name=person.full_name if person else "", case_number=number,
            since=c.bridged_at or c.answered_at or c.ringing_at or c.claimed_at, agent_name=name, trunk=c.trunk,
        )
        for c, person, number, name in (await s.execute(query)).all()
    ]  # fmt: skip


async def calls_of_day(s: AsyncSession, start: datetime, end: datetime, limit: int = 200) -> list[CallAttempt]:
    """Attempts claimed in [start, end) of the business day, newest first."""
    query = (
        select(CallAttempt)
        .where(CallAttempt.business_at >= start, CallAttempt.business_at < end)
        .order_by(CallAttempt.business_at.desc())
        .limit(limit)
    )
    return list((await s.execute(query)).scalars())


async def last_calls(s: AsyncSession, user_id: UUID, limit: int = 12) -> list[tuple[CallAttempt, Person | None]]:
    """An agent's own last ended calls."""
    query = (
        select(CallAttempt, Person)
        .outerjoin(Person, Person.id == CallAttempt.person_id)
        .where(CallAttempt.agent_id == user_id, CallAttempt.ended_at.is_not(None))
        .order_by(CallAttempt.claimed_at.desc())
        .limit(limit)
    )
    return [(call, person) for call, person in (await s.execute(query)).all()]


async def queue_counts(s: AsyncSession, business_date: date, branch: str = "") -> dict[str, int]:
    query = select(CallTask.state, func.count()).where(CallTask.business_date == business_date)
    query = query.where(of_branch(CallTask.person_id, branch)).group_by(CallTask.state)
    return {state: count for state, count in (await s.execute(query)).all()}


async def open_cases(s: AsyncSession, branch: str = "") -> int:
    """By the index of persons' open cases."""
    query = select(func.count()).select_from(Case).where(Case.closed_at.is_(None), of_branch(Case.person_id, branch))
    return await s.scalar(query) or 0


async def not_callable_counts(s: AsyncSession, business_date: date, branch: str = "") -> dict[str, int]:
    query = (
        select(NotCallable.reason, func.count())
        .where(NotCallable.business_date == business_date, *_whose(NotCallable.case_id, branch))
        .group_by(NotCallable.reason)
        .order_by(func.count().desc())
    )
    return {reason: count for reason, count in (await s.execute(query)).all()}


def _whose(case_id: Any, branch: str) -> list[ColumnElement[bool]]:
    """Of rows that name a case alone."""
    return [case_id.in_(select(Case.id).where(of_branch(Case.person_id, branch)))] if branch else []


@dataclass(frozen=True, kw_only=True)
class DayFigures:
    """Counts of one business day; means in seconds. `answered` = live answers (domain.md 2.4)."""

    dialed: int
    answered: int
    connected: int
    abandoned: int
    rpc: int
    promises: int
    promised: Decimal
    talk_s: float | None
    wrap_s: float | None


_FIGURES = text(
    f"""
    -- day_figures: one pass over the business day's attempts of one agent, or of all (:agent is null)
    SELECT count(*) FILTER (WHERE a.direction = 'out') AS dialed,
           -- for an agent: who heard a message alone was promised none
           count(*) FILTER (WHERE a.direction = 'out' AND (NOT a.robot OR a.bridged_at IS NOT NULL)
                              AND (a.result IN ('ANSWERED_HUMAN', 'SILENT', 'ABANDONED')
                                   OR (a.ended_at IS NULL AND a.answered_at IS NOT NULL))) AS answered,
           count(*) FILTER (WHERE a.direction = 'out' AND a.bridged_at IS NOT NULL) AS connected,
           count(*) FILTER (WHERE a.abandoned) AS abandoned,
           count(*) FILTER (WHERE a.identity_confirmed_at IS NOT NULL) AS rpc,
           count(p.id) AS promises,
           coalesce(sum(p.amount), 0) AS promised,
           avg(extract(epoch FROM a.ended_at - a.bridged_at)) FILTER (WHERE a.bridged_at IS NOT NULL) AS talk_s,
           avg(extract(epoch FROM a.outcome_at - a.ended_at)) FILTER (WHERE a.outcome_at > a.ended_at) AS wrap_s
      FROM call_attempts a
      LEFT JOIN promises p ON p.call_id = a.id
     WHERE a.business_at >= :start AND a.business_at < :end
       AND (cast(:agent AS uuid) IS NULL OR a.agent_id = :agent)
       AND {OF_BRANCH.format(person="a.person_id")}
    """  # noqa: S608 (no value in it)
)


async def day_figures(
    s: AsyncSession, start: datetime, end: datetime, user_id: UUID | None = None, *, branch: str = ""
) -> DayFigures:
    """Figures of the business day [start, end) (`clock.day_bounds`)."""
    given = {"start": start, "end": end, "agent": user_id, "branch": branch}
    row = (await s.execute(_FIGURES, given)).mappings().one()
    talk_s, wrap_s = (float(row[key]) if row[key] is not None else None for key in ("talk_s", "wrap_s"))
    return DayFigures(**{**row, "talk_s": talk_s, "wrap_s": wrap_s})


@dataclass(frozen=True, kw_only=True)
class FastResults:
    agent_name: str
    fast: int
    results: int


async def fast_results(s: AsyncSession, start: datetime, end: datetime, branch: str = "") -> list[FastResults]:
    """FL-12: agents who gave a result less than FAST_RESULT_S after the call's end, of how many results between `start`
    and `end` (business time); the most first."""
    fast = func.count().filter(CallAttempt.outcome_at < CallAttempt.ended_at + timedelta(seconds=FAST_RESULT_S))
    query = (
        select(User.full_name, fast, func.count())
        .join(User, User.id == CallAttempt.agent_id)
        .where(CallAttempt.business_at >= start, CallAttempt.business_at < end, CallAttempt.ended_at.is_not(None))
        .where(CallAttempt.outcome_at.is_not(None), CallAttempt.outcome != NO_DISPOSITION)
        .where(of_branch(CallAttempt.person_id, branch))
        .group_by(User.id, User.full_name)
        .having(fast > 0)
        .order_by(fast.desc(), User.full_name)
    )
    return [FastResults(agent_name=name, fast=some, results=n) for name, some, n in (await s.execute(query)).all()]
