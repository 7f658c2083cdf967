"""FL-12: wrap-up cannot hang. The talk waits for a supervisor, the agent is paused, nobody is called before."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import attempts, settling
from backoffice_core.call_centre.calls.attempts import Passed, Placing
from backoffice_core.call_centre.desks import agents, desk, wrap_up
from backoffice_core.call_centre.desks.desk import OutcomeNeedsConfirmation, Result
from backoffice_core.call_centre.models import CallAttempt, CallTask, NotCallable
from backoffice_core.call_centre.rules import CallFacts, wrap_up_over
from backoffice_core.cases.models import CaseEvent, Task
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database, new_key
from backoffice_core.errors import BadInput, Conflict
from backoffice_core.events import AgentChanged
from backoffice_core.nightly import run_night
from backoffice_core.worker import Worker
from tests import house
from tests.conftest import until

S = timedelta(seconds=1)


class LeftDesk:
    """An agent whose borrower hung up `ago` seconds before now, and who gives no result."""

    def __init__(self, database: Database, settings: Settings, clock: Clock, bus: Bus) -> None:
        self.database, self.settings, self.clock = database, settings, clock
        self.worker = Worker(settings, database, bus, clock)

    async def talk(self, ago: float) -> None:
        at = self.clock.wall() - ago * S
        async with self.database.begin() as s:
            await house.rules_in_force(s, self.clock)
            self.borrower = await house.borrower(s, self.clock)
            seat = await house.agent(s, self.clock)
            self.agent: UUID = seat.user_id
        async with self.database.begin() as s:
            placing = await self._claim(s)
            assert isinstance(placing, Placing)
        self.call = placing.call_id
        async with self.database.begin() as s:
            (await s.get_one(CallAttempt, self.call)).claimed_at = at - 60 * S
            await attempts.connect(s, self.call, at - 50 * S)
            await attempts.heard(s, self.call, answered_at=at - 50 * S, bridged_at=at - 50 * S)
            await settling.settle(s, self.call, CallFacts(ended_at=at, cause=16), self.clock.now())

    async def _claim(self, s: object) -> Placing | Passed | None:
        clock = self.clock
        return await attempts.claim(
            s, self.settings, trunk=self.settings.trunks[0], now=clock.now(), today=clock.today(), wall=clock.wall()
        )

    async def seat(self) -> tuple[str, str]:
        async with self.database.begin() as s:
            seat = await agents.current(s, self.agent)
            assert seat is not None
            return seat.state, seat.reason

    async def complete(self, by: UUID, result: Result) -> desk.NextStep:
        clock = self.clock
        async with self.database.begin() as s:
            return await desk.complete_result(
                s, by, self.call, result, now=clock.now(), today=clock.today(), wall=clock.wall()
            )


@pytest.fixture
def left(database: Database, live_settings: Settings, clock: Clock, bus: Bus) -> LeftDesk:
    return LeftDesk(database, live_settings.model_copy(update={"wrap_up_s": 45}), clock, bus)


def test_the_limit_is_half_open(clock: Clock) -> None:
    wall = clock.wall()
    assert not wrap_up_over(wall - 44.9 * S, wall, 45)
    assert wrap_up_over(wall - 45 * S, wall, 45)


async def test_wrap_up_within_its_seconds_is_left_alone(left: LeftDesk) -> None:
    await left.talk(ago=20)
    await left.worker.end_wrap_ups()
    assert await left.seat() == ("WRAP_UP", "CALL_ENDED")


async def test_agent_gone_in_wrap_up_is_paused_and_the_talk_waits(left: LeftDesk, bus: Bus) -> None:
    """FL-12: NO_DISPOSITION, paused, told, in the history once; the agent himself cannot give it any more."""
    await left.talk(ago=60)
    published: list[object] = []

    async def note(*news: object) -> None:
        published.extend(news)

    left.worker.bus.publish = note  # type: ignore[method-assign]
    working = asyncio.create_task(left.worker.run())

    async def paused() -> bool:
        return await left.seat() == ("PAUSED", "NO_DISPOSITION")

    await until(paused, 15, what="the worker ended the wrap-up")
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await left.worker.end_wrap_ups()
    assert [n.agent_id for n in published if isinstance(n, AgentChanged)] == [left.agent]
    async with left.database.begin() as s:
        assert (await s.get_one(CallAttempt, left.call)).outcome == "NO_DISPOSITION"
        lines = (await s.scalars(select(CaseEvent.kind).where(CaseEvent.call_id == left.call))).all()
        assert sorted(lines) == ["call", "wrap_over"]
        assert [w.case_number for w in await wrap_up.all_waiting(s)] == [left.borrower.case.number]
        with pytest.raises(Conflict):
            await desk.record_result(
                s, left.agent, left.call, Result(outcome="HANGUP"), now=left.clock.now(), today=left.clock.today(),
                wall=left.clock.wall(),
            )  # fmt: skip
        assert (await agents.go_ready(s, left.agent, left.clock.wall())).state == "READY"


async def test_nobody_calls_there_before_it_is_completed(left: LeftDesk) -> None:
    """Domain 2.3: no new attempt before. Neither by a task of today, nor in tomorrow's queue."""
    await left.talk(ago=60)
    await left.worker.end_wrap_ups()
    async with left.database.begin() as s:
        done = await s.get_one(CallTask, left.borrower.task.id)
        done.state = "ELIGIBLE"
        assert await left._claim(s) == Passed(task_id=done.id, reason="ON_HOLD")
    tomorrow = left.clock.today() + timedelta(days=1)
    await run_night(left.database, left.clock, left.settings, tomorrow)
    async with left.database.begin() as s:
        why = (await s.scalars(select(NotCallable).where(NotCallable.business_date == tomorrow))).one()
    assert (why.reason, why.rule) == ("ON_HOLD", "NO_DISPOSITION")
    await left.complete(new_key(), Result(outcome="HANGUP"))
    async with left.database.begin() as s:
        assert not await wrap_up.case_waits(s, left.borrower.case.id)


async def test_a_supervisor_completes_by_the_same_rules(left: LeftDesk) -> None:
    await left.talk(ago=60)
    await left.worker.end_wrap_ups()
    boss = new_key()
    hour = left.clock.now() + timedelta(hours=30)
    with pytest.raises(OutcomeNeedsConfirmation):
        await left.complete(boss, Result(outcome="CALLBACK", call_back_at=hour))
    with pytest.raises(BadInput):
        await left.complete(boss, Result(outcome="NO_DISPOSITION"))
    async with left.database.begin() as s:
        (await s.get_one(CallAttempt, left.call)).identity_confirmed_at = left.clock.wall()
    with pytest.raises(BadInput) as refused:
        await left.complete(boss, Result(outcome="CALLBACK"))
    assert refused.value.details["field"] == "call_back_at"
    for _ in range(2):
        step = await left.complete(boss, Result(outcome="CALLBACK", call_back_at=hour, note="з запису"))
        assert step.task == "CALLBACK"
    with pytest.raises(Conflict):
        await left.complete(boss, Result(outcome="HANGUP"))
    async with left.database.begin() as s:
        line = (await s.scalars(select(CaseEvent).where(CaseEvent.kind == "outcome"))).one()
        task = (await s.scalars(select(Task))).one()
    assert (line.actor_id, line.data["outcome"], line.data["note"]) == (boss, "CALLBACK", "з запису")
    assert task.owner_id == left.agent, "the call back is the agent's, not the supervisor's"
