"""The night: what is done once for each business date, safe to run twice and to be killed at any moment.

Each step is one transaction, or, for the big ones, one for each range of persons (night_chunks.py), and each leaves the
same when it is run again. A step that is done is not repeated unless asked for, or unless a newer portfolio file has come
since: then the day gets a queue that knows the new balances. A step that was killed goes on at its first range undone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import CheckConstraint, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core import night_chunks
from backoffice_core.borrowers.rules import UNUSABLE
from backoffice_core.call_centre.queueing import absence, learned, queue, requeue
from backoffice_core.cases import tasks
from backoffice_core.cases.models import Task
from backoffice_core.cases.rules import REFRESH_CONTACT, next_working_day
from backoffice_core.clock import Clock
from backoffice_core.collection import days
from backoffice_core.collection import night as collection
from backoffice_core.collection.night import Span
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import Base, Database, Json, typed_sql
from backoffice_core.errors import BadInput, Conflict
from backoffice_core.loans.models import Import, Instalment
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
    """What a step gets. `now` is business time. `portfolio`, `low`, `high`: of a step in ranges, whom it is about."""

    business_date: date
    now: datetime
    clock: Clock
    settings: Settings
    progress: Callable[[int, int], None]
    portfolio: str = ""
    low: UUID = night_chunks.LEAST
    high: UUID = night_chunks.MOST

    @property
    def span(self) -> Span:
        return Span(low=self.low, high=self.high, portfolio=self.portfolio, at=self.now, today=self.business_date,
                    zone=str(self.clock.zone))  # fmt: skip


@dataclass(slots=True)
class StepReport:
    """`ran` False = it was done before; the counts are those of then."""

    step: str
    ran: bool
    seconds: float
    counts: dict[str, int]


@dataclass(slots=True)
class NightReport:
    """`late`: portfolios that were not complete at the latest end; nobody in them is called."""

    business_date: date
    steps: list[StepReport] = field(default_factory=list)
    complete: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)

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
    until: datetime | None = None,
) -> NightReport:
    """Runs the steps that this date still needs (`again`: all of them). `progress(step, done, total)` is called meanwhile.

    From `until` (business time) on no further range is begun: the portfolios that are complete get their queue, the others
    are LATE. Raises BadInput for a date that is over or too far ahead, Conflict when another night runs longer than `wait_s`.
    """
    today = clock.today()
    if not today <= business_date <= today + timedelta(days=DAYS_AHEAD):
        raise BadInput(
            f"The night of {business_date} cannot be run: today is {today} in the bank's time.",
            remedy=f"Give a date from {today} to {today + timedelta(days=DAYS_AHEAD)}.",
        )
    one = _OneNight(database, clock, settings, business_date, progress, again, until)
    async with _one_at_a_time(database, wait_s):
        return await one.run()


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


@dataclass(slots=True)
class _OneNight:
    database: Database
    clock: Clock
    settings: Settings
    day: date
    progress: Progress
    again: bool
    until: datetime | None
    begun: set[str] = field(default_factory=set)  # steps that this run has looked at
    seconds: dict[str, float] = field(default_factory=dict)
    ended: dict[str, StepReport] = field(default_factory=dict)
    spans: list[tuple[str, UUID, UUID]] = field(default_factory=list)

    async def run(self) -> NightReport:
        report = NightReport(self.day)
        async with self.database.begin() as session:
            self.spans = await night_chunks.ranges(session, self.settings.night_range)
            await night_chunks.forget(session, self.day - timedelta(days=DAYS_AHEAD))
        big = [(name, step) for name, step in STEPS if name in IN_RANGES]
        for portfolio in dict.fromkeys(span[0] for span in self.spans):
            complete = True
            for name, step in big:
                complete = complete and await self._in_ranges(name, step, portfolio)
            async with self.database.begin() as session:
                for shown in await night_chunks.names(session, portfolio):
                    (report.complete if complete else report.late).append(shown)
                    await night_chunks.publish(
                        session, self.day, shown, "DONE" if complete else "LATE", self.clock.wall()
                    )
        if report.late:
            log.warning("night not complete", date=str(self.day), complete=report.complete, late=report.late)
        for name, step in STEPS:
            if name in IN_RANGES_OF_CASES:
                await self._of_cases(name, step, "|".join(report.late))
            if name in IN_RANGES | IN_RANGES_OF_CASES:
                report.steps.append(self.ended.get(name) or StepReport(name, False, 0.0, {}))
            else:
                report.steps.append(await self._whole(name, step, "|".join(report.late)))
        return report

    async def _of_cases(self, name: str, step: Step, late: str) -> None:
        """Whatever the hour is: it follows the big steps, and the queue waits for it."""
        async with self.database.begin() as session:
            self.spans = await night_chunks.ranges_of_cases(session, self.settings.night_range)
        self.until = None
        await self._in_ranges(name, step, "", late)

    async def _needed(self, session: AsyncSession, name: str, late: str = "") -> StepReport | None:
        """Notes that a step runs now; None, or the report of the one that was done before and still holds."""
        basis = await _newest_file(session) + (f"|{late}" if late else "")
        known = await session.get(NightStep, (self.day, name))
        same = known is not None and known.basis == basis
        if known is not None and same and known.state == "DONE" and not self.again:
            return StepReport(name, False, 0.0, known.counts)
        if name in IN_RANGES | IN_RANGES_OF_CASES and not (known is not None and same and known.state == "RUNNING"):
            await night_chunks.plan(session, self.day, name, self.spans)
        started = self.clock.wall()
        await _note(session, self.day, name, state="RUNNING", started=started, finished=None, basis=basis, counts={})
        return None

    def _night(self, name: str, **span: Any) -> Night:
        progress = lambda done, total: self.progress(name, done, total)  # noqa: E731
        return Night(self.day, self.clock.now(), self.clock, self.settings, progress, **span)

    async def _in_ranges(self, name: str, step: Step, portfolio: str, late: str = "") -> bool:
        """What is left of a step for one portfolio; False when the time was over first."""
        if name not in self.begun:
            self.begun.add(name)
            async with self.database.begin() as session:
                if await self._needed(session, name, late) is None:
                    self.seconds[name] = 0.0
        async with self.database.begin() as session:
            chunks = await night_chunks.left(session, self.day, name, portfolio)
        for chunk in chunks:
            if self.until is not None and self.clock.now() >= self.until:
                return False
            began = self.clock.wall()
            self.progress(name, chunk.n - 1, len(self.spans))
            async with self.database.begin() as session:
                counts = await step(session, self._night(name, portfolio=portfolio, low=chunk.low, high=chunk.high))
                await night_chunks.done(session, chunk, counts)
            self.seconds[name] = self.seconds.get(name, 0.0) + (self.clock.wall() - began).total_seconds()
        await self._end(name)
        return True

    async def _end(self, name: str) -> None:
        """A step in ranges is done when all of them are, of all portfolios."""
        ran, seconds = name in self.seconds, self.seconds.get(name, 0.0)
        async with self.database.begin() as session:
            done, total, counts = await night_chunks.summed(session, self.day, name)
            known = await session.get(NightStep, (self.day, name))
            if known is not None and known.state == "RUNNING":
                known.counts = counts
                if done == total:
                    known.state, known.finished = "DONE", self.clock.wall()
            elif known is not None:
                counts = known.counts
        self.progress(name, done, total)
        if ran and done == total:
            log.info("night step done", date=str(self.day), step=name, seconds=round(seconds, 2), **counts)
        self.ended[name] = StepReport(name, ran, seconds, counts)

    async def _whole(self, name: str, step: Step, late: str) -> StepReport:
        started = self.clock.wall()
        async with self.database.begin() as session:
            if (before := await self._needed(session, name, late)) is not None:
                return before
            basis = await _newest_file(session) + (f"|{late}" if late else "")
        self.progress(name, 0, 1)
        async with self.database.begin() as session:
            counts = await step(session, self._night(name))
            done = self.clock.wall()
            fields = {"state": "DONE", "started": started, "finished": done, "basis": basis, "counts": counts}
            await _note(session, self.day, name, **fields)
        self.progress(name, 1, 1)
        seconds = (done - started).total_seconds()
        log.info("night step done", date=str(self.day), step=name, seconds=round(seconds, 2), **counts)
        return StepReport(name, True, seconds, counts)


async def _newest_file(session: AsyncSession) -> str:
    newest = select(Import.id).where(Import.kind == "portfolio").order_by(Import.id.desc()).limit(1)
    return str(await session.scalar(newest) or "")


async def _note(session: AsyncSession, day: date, name: str, **fields: Any) -> None:
    row = insert(NightStep).values(business_date=day, step=name, **fields)
    await session.execute(row.on_conflict_do_update(index_elements=["business_date", "step"], set_=fields))


# --- the steps -----------------------------------------------------------------------------------------------------


async def _days_past_due(session: AsyncSession, night: Night) -> dict[str, int]:
    """Of loans with a schedule; the bank's own days stand for the others."""
    span = night.span
    changed = await days.refresh(
        session, span.today, span.low, span.high, at=span.at, zone=span.zone,
        shifts=await day_shifts(session, night.settings, span.today),
    )  # fmt: skip
    return {"counted": changed}


async def day_shifts(session: AsyncSession, settings: Settings, today: date) -> dict[date, date]:
    """Where the bank lets an instalment wait for a working day: days off since the first schedule, and that day of each."""
    first = await session.scalar(select(func.min(Instalment.due_date))) if settings.due_on_day_off == "next" else None
    if first is None or first > today:
        return {}
    working = await compliance.working_days(session, settings.jurisdiction, first, days=(today - first).days + 30)
    return {
        day: next_working_day(day, lambda one: working.get(one, one.weekday() < 5))
        for day, works in working.items()
        if not works
    }


async def _open_cases(session: AsyncSession, night: Night) -> dict[str, int]:
    return await collection.open_cases(session, night.span)


async def _move_stages(session: AsyncSession, night: Night) -> dict[str, int]:
    return await collection.move_cases(session, night.span)


async def _judge_promises(session: AsyncSession, night: Night) -> dict[str, int]:
    return await collection.judge_promises(session, night.span)


async def _due_tasks(session: AsyncSession, night: Night) -> dict[str, int]:
    """Closes what a talk has served, gives up numbers that nobody answers (CC-11), and asks for fresh contact data where a
    number fell out without a task (CC-12)."""
    served = await queue.close_served(session, night.now)
    absent = await absence.judge_absence(session, night.now)
    calendar = await compliance.working_days(session, night.settings.jurisdiction, night.business_date, days=60)
    before = night.business_date - timedelta(days=90)
    working = await compliance.working_days(session, night.settings.jurisdiction, before, days=90)
    control = next_working_day(night.business_date, lambda day: calendar.get(day, day.weekday() < 5))
    given = {"unusable": sorted(UNUSABLE), "kind": REFRESH_CONTACT, "control": control, "at": night.now}
    raised: Any = await session.execute(_ASK_FOR_CONTACTS, given)
    placed = await tasks.place(session, night.business_date)
    went_up = await tasks.escalate(
        session, night.business_date, lambda day: working.get(day, day.weekday() < 5), at=night.now
    )
    due = await session.scalar(
        select(func.count()).where(Task.state == "OPEN", Task.control_date <= night.business_date)
    )
    counts = {"served": served, **absent, "refresh_contact": raised.rowcount, "placed": placed, "escalated": went_up}
    return counts | {"due": due or 0}


_ASK_FOR_CONTACTS = typed_sql(
    """
    -- ask_for_contacts: one open task for a person whose number was lost since he was last asked
    WITH lost AS (
      SELECT c.id, c.owner_id, min(p.state) AS state FROM contact_points p JOIN cases c USING (person_id)
       WHERE c.closed_at IS NULL AND p.state = ANY(:unusable)
         AND NOT EXISTS (SELECT FROM tasks t WHERE t.case_id = c.id AND t.kind = :kind AND t.created_at >= p.state_since)
       GROUP BY c.id),
    raised AS (
      INSERT INTO tasks (id, case_id, kind, state, control_date, owner_id, dedupe_key, data, created_at)
      SELECT uuidv7(), id, :kind, 'OPEN', :control, owner_id, :kind || ':' || id, jsonb_build_object('number', state), :at
        FROM lost
          ON CONFLICT (dedupe_key) WHERE state = 'OPEN' AND dedupe_key <> '' DO NOTHING RETURNING case_id)
    INSERT INTO case_events (case_id, at, kind, data)
    SELECT case_id, :at, 'task', jsonb_build_object('task', :kind, 'control_date', :control) FROM raised
    """,
    unusable="text[]",
    kind="text",
    control="date",
)


async def _strategy_steps(session: AsyncSession, night: Night) -> dict[str, int]:
    """Which steps fall due by the strategies in force, and what became of those that did (CK-25)."""
    calendar = await compliance.working_days(session, night.settings.jurisdiction, night.business_date, days=400)
    return await strategy.run(
        session, night.business_date, now=night.now, settings=night.settings, zone=night.clock.zone,
        is_working=lambda day: calendar.get(day, day.weekday() < 5), of=(night.low, night.high),
    )  # fmt: skip


async def _learn_chances(session: AsyncSession, night: Night) -> dict[str, int]:
    """When each number is answered, and by whom, for the order of the queue (CC-11)."""
    clock = night.clock
    return await learned.learn(session, night.business_date, at=night.now, wall=clock.wall(), zone=clock.zone)


async def _build_queue(session: AsyncSession, night: Night) -> dict[str, int]:
    return await queue.build_queue(
        session, night.business_date, now=night.now, settings=night.settings, zone=night.clock.zone,
        progress=night.progress,
    )  # fmt: skip


STEPS: tuple[tuple[str, Step], ...] = (
    ("days_past_due", _days_past_due),
    ("open_cases", _open_cases),
    ("judge_promises", _judge_promises),
    ("move_stages", _move_stages),
    ("due_tasks", _due_tasks),
    ("strategy_steps", _strategy_steps),
    ("learn_chances", _learn_chances),
    ("build_queue", _build_queue),
)
IN_RANGES = frozenset({"days_past_due", "open_cases", "judge_promises", "move_stages"})
IN_RANGES_OF_CASES = frozenset({"strategy_steps"})
