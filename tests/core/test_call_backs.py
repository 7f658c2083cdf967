"""A borrower who calls one of our numbers (FL-02, CC-01) on real tables."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from backoffice_core.audit import service as audit
from backoffice_core.call_centre.calls import attempts, call_backs, callers, settling
from backoffice_core.call_centre.calls.history import day_figures
from backoffice_core.call_centre.models import AgentSession, CallAttempt, CallTask, Recording, UnknownCaller
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import CaseEvent, Task
from backoffice_core.clock import Clock
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.config import Settings
from backoffice_core.db import Database
from tests import house

OURS = "+380445550100"


class Office:
    """A house with rules, whose number is called."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self.database, self.settings, self.clock = database, settings, clock
        self.channels = 0

    @property
    def now(self) -> datetime:
        return self.clock.now().astimezone(self.clock.zone)

    async def called(self, number: str, channel: str = "") -> CallAttempt:
        self.channels += 1
        async with self.database.begin() as s:
            return await call_backs.came_in(
                s, self.settings, channel_id=channel or f"1795312345.{self.channels}", number=number, called=OURS,
                now=self.now, wall=Clock.wall(), today=self.clock.today(),
            )  # fmt: skip

    async def ends(self, call_id: UUID, *, talked: float | None = None) -> CallAttempt:
        """The call is over, after so many seconds of a talk, or without one."""
        wall = Clock.wall()
        begun = wall - timedelta(seconds=talked) if talked is not None else None
        async with self.database.begin() as s:
            call = await settling.settle(
                s, call_id, CallFacts(answered_at=begun, bridged_at=begun, ended_at=wall, cause=16), self.now
            )
            return call

    async def follow(self) -> list[UUID]:
        async with self.database.begin() as s:
            return await call_backs.follow_missed(s, self.settings, self.now)


@pytest.fixture
async def office(database: Database, live_settings: Settings, clock: Clock) -> Office:
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
    return Office(database, live_settings, clock)


@pytest.mark.parametrize("written", ["+380675550123", "380675550123", "0675550123"])
async def test_fl02_the_caller_is_found_however_the_trunk_writes_his_number(office: Office, written: str) -> None:
    async with office.database.begin() as s:
        known = await house.borrower(s, office.clock, number="+380675550123")
    call = await office.called(written, "channel.1")
    again = await office.called(written, "channel.1")
    assert (call.direction, call.person_id, call.caller_id, call.task_id) == ("in", known.person.id, OURS, None)
    assert call.id == again.id


@pytest.mark.parametrize("number", ["+380671112233", "", "anonymous"])
async def test_fl02_an_unknown_caller_whom_nobody_took_is_told_once(office: Office, number: str) -> None:
    """No case to raise a task on: the supervisor sees the number; no history, no slot, no recording that waits."""
    call = await office.called(number)
    assert (call.case_id, call.person_id, call.contact_point_id, call.candidates) == (None, None, None, 0)
    await office.ends(call.id)
    assert await office.follow() == [call.id]
    assert await office.follow() == []
    async with office.database.begin() as s:
        seen = (await s.execute(select(UnknownCaller))).scalar_one()
        assert (await s.get_one(Recording, call.id)).state == "NONE"
        assert await s.scalar(select(func.count()).select_from(CaseEvent)) == 0
        assert await s.scalar(select(func.count()).select_from(ContactLedger)) == 0
    assert (seen.number, seen.called, seen.call_id) == (number, OURS, call.id)


async def test_fl02_of_several_with_the_number_the_last_tried_is_the_first_to_choose_and_to_be_called_back(
    office: Office,
) -> None:
    """Nobody is taken for another by himself; when nobody could ask, he whom we tried last is called back."""
    async with office.database.begin() as s:
        for _ in range(3):
            await house.borrower(s, office.clock, number="+380675550999")
        tasks = (await s.execute(select(CallTask).order_by(CallTask.position))).scalars().all()
        for task in (tasks[0], tasks[2]):
            task.state = "CANCELLED"
        placed = await attempts.claim(
            s,
            office.settings,
            trunk=office.settings.trunks[0],
            now=office.now,
            today=office.clock.today(),
            wall=Clock.wall(),
        )
        assert isinstance(placed, attempts.Placing)
        await settling.settle(s, placed.call_id, CallFacts(ended_at=Clock.wall(), cause=16), office.now)
    call = await office.called("+380675550999")
    assert (call.person_id, call.candidates) == (None, 3)
    async with office.database.begin() as s:
        found = await callers.with_number(s, "+380675550999")
    assert found[0].person.id == tasks[1].person_id
    await office.ends(call.id)
    await office.follow()
    async with office.database.begin() as s:
        missed = await s.get_one(CallAttempt, call.id)
        (line,) = (await s.execute(select(CaseEvent).where(CaseEvent.call_id == call.id))).scalars()
        kinds = (await s.execute(select(Task.kind).where(Task.case_id == tasks[1].case_id))).scalars().all()
    assert missed.person_id == tasks[1].person_id
    assert (line.case_id, line.data["direction"], kinds) == (tasks[1].case_id, "in", ["CALLBACK"])


async def test_fl02_the_agent_who_tried_him_last_gets_the_call(office: Office) -> None:
    """He gets it when he is free, though another waits longer; when he is not, the longest waiting one does."""
    async with office.database.begin() as s:
        known = await house.borrower(s, office.clock, number="+380675550777")
        patient = await house.agent(s, office.clock, since=Clock.wall() - timedelta(minutes=9))
        his = await house.agent(s, office.clock)
    first = await office.called(known.phone.value)
    async with office.database.begin() as s:
        call = await s.get_one(CallAttempt, first.id)
        call.agent_id, call.agent_session_id = his.user_id, his.id
    await office.ends(first.id, talked=30)
    second = await office.called(known.phone.value)
    third = await office.called(known.phone.value)
    async with office.database.begin() as s:
        got = await call_backs.connect(s, second.id, Clock.wall())
        then = await call_backs.connect(s, third.id, Clock.wall())
    assert got is not None
    assert then is not None
    assert (got.user_id, then.user_id) == (his.user_id, patient.user_id)


async def test_fl02_a_missed_call_leaves_one_task_and_moves_to_the_front(office: Office) -> None:
    """History says in, no cap is touched, three calls leave one task, and tonight's task is the first one."""
    async with office.database.begin() as s:
        await house.borrower(s, office.clock)
        known = await house.borrower(s, office.clock, number="+380675550555")
    for n in range(3):
        call = await office.called(known.phone.value)
        ended = await office.ends(call.id)
        assert (ended.result, ended.abandoned) == ("MISSED", False)
        assert await office.follow() == [call.id], n
        assert await office.follow() == []
    async with office.database.begin() as s:
        tasks = [t for t in await cases.tasks_of(s, known.case.id) if t.kind == "CALLBACK"]
        events = await cases.events(s, known.case.id)
        slots = await s.scalar(select(func.count()).select_from(ContactLedger))
        first = (
            (await s.execute(select(CallTask).where(CallTask.state == "ELIGIBLE").order_by(CallTask.position)))
            .scalars()
            .first()
        )
        figures = await day_figures(s, *office.clock.day_bounds(office.clock.today()))
        told = await audit.entries(s, act="CALL_BACK_PROMISED")
    assert len(tasks) == 1
    assert [row.data["task"] for row in told] == [False, False, True], "newest first; each missed call is accounted for"
    assert tasks[0].earliest_at is not None
    assert [e.data["direction"] for e in events if e.kind == "call"] == ["in"] * 3
    assert slots == 0
    assert first.case_id == known.case.id
    assert (figures.dialed, figures.answered, figures.abandoned) == (0, 0, 0)


async def test_fl02_outside_hours_he_is_called_back_at_a_lawful_time(office: Office) -> None:
    async with office.database.begin() as s:
        known = await house.borrower(s, office.clock, number="+380675550444")
    call = await office.called(known.phone.value)
    await office.ends(call.id)
    night = office.now.replace(hour=23, minute=30)
    async with office.database.begin() as s:
        await call_backs.follow_missed(s, office.settings, night)
        (task,) = [t for t in await cases.tasks_of(s, known.case.id) if t.kind == "CALLBACK"]
    assert task.earliest_at is not None
    at = task.earliest_at.astimezone(office.clock.zone)
    assert at.date() > night.date()
    assert 8 <= at.hour < 20
    assert not call_backs.is_open(office.settings, night)
    assert call_backs.is_open(office.settings, night.replace(hour=12))


async def test_fl02_who_calls_us_is_not_dialed_meanwhile(office: Office) -> None:
    """FL-20 for both directions: his task waits a minute, and goes on once he has hung up."""
    async with office.database.begin() as s:
        known = await house.borrower(s, office.clock, number="+380675550333")
    call = await office.called(known.phone.value)

    async def claim(now: datetime) -> attempts.Placing | attempts.Passed | None:
        async with office.database.begin() as s:
            return await attempts.claim(
                s,
                office.settings,
                trunk=office.settings.trunks[0],
                now=now,
                today=office.clock.today(),
                wall=Clock.wall(),
            )

    assert await claim(office.now) == attempts.Passed(task_id=known.task.id, reason="RETRY_WAIT")
    assert await claim(office.now) is None
    await office.ends(call.id, talked=5)
    assert isinstance(await claim(office.now + timedelta(minutes=2)), attempts.Placing)


async def test_cc01_a_talk_that_he_began_ends_in_wrap_up_and_stands_in_the_history(office: Office) -> None:
    async with office.database.begin() as s:
        known = await house.borrower(s, office.clock, number="+380675550222")
        seat = await house.agent(s, office.clock)
    call = await office.called(known.phone.value)
    async with office.database.begin() as s:
        await call_backs.connect(s, call.id, Clock.wall())
        await attempts.heard(s, call.id, answered_at=Clock.wall(), bridged_at=Clock.wall())
    ended = await office.ends(call.id, talked=12)
    async with office.database.begin() as s:
        now_at = await s.get_one(AgentSession, seat.id)
        (line,) = [e for e in await cases.events(s, known.case.id) if e.kind == "call"]
    assert (ended.result, now_at.state, now_at.call_id) == ("ANSWERED_HUMAN", "WRAP_UP", call.id)
    assert (line.data["direction"], line.actor_id, round(line.data["seconds"])) == ("in", seat.user_id, 12)
    assert await office.follow() == []
