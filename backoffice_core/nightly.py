"""The night: what is done once for each business date, safe to run twice and to be killed at any moment.

Each step is one transaction, and each leaves the same when it is run again. A step that is done is not repeated unless
asked for, or unless a newer portfolio file has come since: then the day gets a queue that knows the new balances.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import CheckConstraint, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.borrowers.models import ContactPoint
from backoffice_core.borrowers.rules import UNUSABLE
from backoffice_core.call_centre import absence, queue, requeue
from backoffice_core.cases import service as cases
from backoffice_core.cases import tasks
from backoffice_core.cases.models import Case, Task
from backoffice_core.cases.rules import REFRESH_CONTACT, next_working_day
from backoffice_core.clock import Clock
from backoffice_core.collection import service as collection
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import Base, Database, Json
from backoffice_core.errors import BadInput, Conflict
from backoffice_core.loans.models import Import
from backoffice_core.strategy import night as strategy

_LOCK = requeue.NIGHT  # one night at a time in this database
DAYS_AHEAD = 7  # a queue may be built before a long week-end, not for next month
log = structlog.get_logger()


class NightStep(Base):
    """One step of one night. `basis`: the newest portfolio file that it knew. Stamps are the machine's time."""

    __tablename__ = "night_steps"
    __table_args__ = (CheckConstraint("state IN ('RUNNING','DONE')", name="state"),)

    business_date: Mapped[date] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    started: Mapped[datetime]
    finished: Mapped[datetime | None]
    basis: Mapped[str] = mapped_column(default="")
    counts: Mapped[Json] = mapped_column(default=dict)


@dataclass(frozen=True, slots=True)
class Night:
    """What a step gets. `now` is business time."""

    business_date: date
    now: datetime
    clock: Clock
    settings: Settings
    progress: Callable[[int, int], None]


@dataclass(slots=True)
class StepReport:
    """`ran` False = it was done before; the counts are those of then."""

    step: str
    ran: bool
    seconds: float
    counts: dict[str, int]


@dataclass(slots=True)
class NightReport:
    business_date: date
    steps: list[StepReport] = field(default_factory=list)

    def counts(self, step: str) -> dict[str, int]:
        return next((one.counts for one in self.steps if one.step == step), {})


Step = Callable[[AsyncSession, Night], Awaitable[dict[str, int]]]
Progress = Callable[[str, int, int], None]


async def run_night(
    database: Database,
    clock: Clock,
    settings: Settings,
    business_date: date,
    progress: Progress = lambda step, done, total: None,
    *,
    again: bool = False,
    wait_s: float = 60,
) -> NightReport:
    """Runs the steps that this date still needs (`again`: all of them). `progress(step, done, total)` is called meanwhile.

    Raises BadInput for a date that is over or too far ahead, Conflict when another night runs longer than `wait_s`.
    """
    today = clock.today()
    if not today <= business_date <= today + timedelta(days=DAYS_AHEAD):
        raise BadInput(
            f"The night of {business_date} cannot be run: today is {today} in the bank's time.",
            remedy=f"Give a date from {today} to {today + timedelta(days=DAYS_AHEAD)}.",
        )
    report = NightReport(business_date)
    async with _one_at_a_time(database, wait_s):
        for name, step in STEPS:
            report.steps.append(await _run(database, clock, settings, business_date, name, step, progress, again))
    return report


@asynccontextmanager
async def _one_at_a_time(database: Database, wait_s: float) -> AsyncIterator[None]:
    """A lock that the server gives up by itself when this program dies."""
    async with database.engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        deadline = asyncio.get_running_loop().time() + wait_s
        while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
            if asyncio.get_running_loop().time() > deadline:
                raise Conflict("Another night is running.", remedy="Wait until it is done: `backoffice nightly` again.")
            await asyncio.sleep(0.2)
        try:
            yield
        finally:
            await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})


async def _run(
    database: Database,
    clock: Clock,
    settings: Settings,
    day: date,
    name: str,
    step: Step,
    progress: Progress,
    again: bool,
) -> StepReport:
    started = clock.wall()
    async with database.begin() as session:
        basis = await _newest_file(session)
        known = await session.get(NightStep, (day, name))
        if known is not None and known.state == "DONE" and known.basis == basis and not again:
            return StepReport(name, False, 0.0, known.counts)
        await _note(session, day, name, state="RUNNING", started=started, finished=None, basis=basis, counts={})
    night = Night(day, clock.now(), clock, settings, lambda done, total: progress(name, done, total))
    progress(name, 0, 1)
    async with database.begin() as session:
        counts = await step(session, night)
        done = clock.wall()
        await _note(session, day, name, state="DONE", started=started, finished=done, basis=basis, counts=counts)
    progress(name, 1, 1)
    seconds = (done - started).total_seconds()
    log.info("night step done", date=str(day), step=name, seconds=round(seconds, 2), **counts)
    return StepReport(name, True, seconds, counts)


async def _newest_file(session: AsyncSession) -> str:
    newest = select(Import.id).where(Import.kind == "portfolio").order_by(Import.id.desc()).limit(1)
    return str(await session.scalar(newest) or "")


async def _note(session: AsyncSession, day: date, name: str, **fields: Any) -> None:
    row = insert(NightStep).values(business_date=day, step=name, **fields)
    await session.execute(row.on_conflict_do_update(index_elements=["business_date", "step"], set_=fields))


# --- the steps -----------------------------------------------------------------------------------------------------


async def _open_cases(session: AsyncSession, night: Night) -> dict[str, int]:
    return await collection.open_cases(session, night.now)


async def _move_stages(session: AsyncSession, night: Night) -> dict[str, int]:
    return await collection.move_cases(session, night.now, night.business_date)


async def _judge_promises(session: AsyncSession, night: Night) -> dict[str, int]:
    return await collection.judge_promises(session, night.now, night.business_date, night.clock.zone)


async def _due_tasks(session: AsyncSession, night: Night) -> dict[str, int]:
    """Closes what a talk has served, gives up numbers that nobody answers (CC-11), and asks for fresh contact data where a
    number fell out without a task (CC-12)."""
    served = await queue.close_served(session, night.now)
    absent = await absence.judge_absence(session, night.now)
    calendar = await compliance.working_days(session, night.settings.jurisdiction, night.business_date, days=60)
    before = night.business_date - timedelta(days=90)
    working = await compliance.working_days(session, night.settings.jurisdiction, before, days=90)
    control = next_working_day(night.business_date, lambda day: calendar.get(day, day.weekday() < 5))
    asked_before = (
        select(Task.id)
        .where(Task.case_id == Case.id, Task.kind == REFRESH_CONTACT, Task.created_at >= ContactPoint.state_since)
        .exists()
    )
    lost = (
        select(Case.id, func.min(ContactPoint.state))
        .join(ContactPoint, ContactPoint.person_id == Case.person_id)
        .where(Case.closed_at.is_(None), ContactPoint.state.in_(sorted(UNUSABLE)), ~asked_before)
        .group_by(Case.id)
    )
    raised = 0
    for case_id, state in (await session.execute(lost)).all():
        task = await cases.refresh_contact(session, case_id, control, at=night.now, state=state)
        raised += task is not None
    placed = await tasks.place(session, night.business_date)
    went_up = await tasks.escalate(
        session, night.business_date, lambda day: working.get(day, day.weekday() < 5), at=night.now
    )
    due = await session.scalar(
        select(func.count()).where(Task.state == "OPEN", Task.control_date <= night.business_date)
    )
    return {
        "served": served,
        **absent,
        "refresh_contact": raised,
        "placed": placed,
        "escalated": went_up,
        "due": due or 0,
    }


async def _strategy_steps(session: AsyncSession, night: Night) -> dict[str, int]:
    """Which steps fall due by the strategies in force, and what became of those that did (CK-25)."""
    calendar = await compliance.working_days(session, night.settings.jurisdiction, night.business_date, days=400)
    return await strategy.run(
        session, night.business_date, now=night.now, settings=night.settings, zone=night.clock.zone,
        is_working=lambda day: calendar.get(day, day.weekday() < 5), progress=night.progress,
    )  # fmt: skip


async def _build_queue(session: AsyncSession, night: Night) -> dict[str, int]:
    return await queue.build_queue(
        session, night.business_date, now=night.now, settings=night.settings, zone=night.clock.zone,
        progress=night.progress,
    )  # fmt: skip


STEPS: tuple[tuple[str, Step], ...] = (
    ("open_cases", _open_cases),
    ("judge_promises", _judge_promises),
    ("move_stages", _move_stages),
    ("due_tasks", _due_tasks),
    ("strategy_steps", _strategy_steps),
    ("build_queue", _build_queue),
)
