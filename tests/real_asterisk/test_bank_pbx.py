"""TL-13 on real Asterisk: agents' phones on a second Asterisk, the bank's own exchange, reached by a SIP trunk."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from backoffice_core.call_centre.models import AgentSession, CallAttempt, Recording
from backoffice_core.staff import service as staff
from far_end.carrier import Log, Span
from far_end.media import Engine
from far_end.robots import Manner, Robot, Seat
from tests.conftest import until
from tests.far_end.asterisk import installed
from tests.real_asterisk.bank_pbx import PHONES, TRUNK_SECRET, TRUNK_USER, BankPbx
from tests.running import PASSWORD, RunningHouse, running_house


@pytest.fixture(scope="module")
def pbx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BankPbx]:
    install = installed(tmp_path_factory.mktemp("found"))
    assert install is not None
    one = BankPbx(install, tmp_path_factory.mktemp("pbx"))
    asyncio.run(one.start())
    yield one
    one.kill()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, pbx: BankPbx) -> Iterator[RunningHouse]:
    trunk = {"host": "127.0.0.1", "port": pbx.sip, "username": TRUNK_USER, "password": TRUNK_SECRET}
    with running_house(tmp_path_factory.mktemp("bank"), ring_timeout_s=15, echo_test="required", bank_pbx=trunk) as one:
        yield one


@dataclass
class Agent:
    robot: Robot
    log: Path
    up_at: list[float] = field(default_factory=list)  # when his phone was picked up, the machine's time

    def cards(self) -> set[str]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return {one["call_id"] for one in lines if one["event"] == "CARD" and one["named"]}


@contextlib.asynccontextmanager
async def agent_at(house: RunningHouse, pbx: BankPbx, number: str, line: str) -> AsyncIterator[Agent]:
    """A robot at a desk whose phone is registered at the bank's exchange; ready when given, gone at the end."""
    login = f"bank{number}"
    async with house.database() as database, database.begin() as s:
        await staff.create_user(
            s, login=login, full_name=f"Агент {number}", role="agent", password=PASSWORD, wall=house.clock.wall(),
            robot=True, bank_number=number, line=line,
        )  # fmt: skip
    engine, log = Engine(), house.settings.data / f"{login}.jsonl"
    manner = Manner(Span(60, 60), Span(0.2, 0.2), {}, str(house.clock.today()))
    seat = Seat(login, PASSWORD, 0, PHONES[number], number=number, exchange=pbx.sip)
    one = Agent(Robot(seat, house.console, ("127.0.0.1", 0), engine, manner, Log(log)), log)
    one.robot.phone._on_up = lambda _, __: one.up_at.append(time.time())
    working = asyncio.create_task(one.robot.work())
    try:
        await until(lambda: ready(house, number), 40, every=0.2, what="the agent on the bank's exchange is ready")
        yield one
    finally:
        await one.robot.http.post("/logout")
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        engine.close()


async def seat_of(house: RunningHouse, number: str) -> AgentSession:
    return next(one for one in await house.seats() if one.endpoint == f"bank:{number}")


async def ready(house: RunningHouse, number: str) -> bool:
    return any(one.endpoint == f"bank:{number}" and one.state == "READY" for one in await house.seats())


async def sealed(house: RunningHouse, call_id: UUID) -> Recording | None:
    async with house.database() as database, database.begin() as s:
        return await s.scalar(select(Recording).where(Recording.call_id == call_id, Recording.state == "SEALED"))


async def proved(house: RunningHouse, agent: Agent, call: CallAttempt) -> None:
    """Bridged, popped and recorded as with a phone of our own."""
    assert call.bridged_at is not None
    assert call.answered_at is not None
    assert (call.bridged_at - call.answered_at).total_seconds() < 2
    assert not call.abandoned
    assert str(call.id) in agent.cards()
    kept = await until(lambda: sealed(house, call.id), 40, every=0.3, what="the recording is sealed")
    assert kept.faults == [], "one side is not heard"


async def test_a_phone_on_the_banks_exchange_is_bridged_recorded_and_popped(house: RunningHouse, pbx: BankPbx) -> None:
    """TL-13: kept up all shift: one call to the phone serves the echo test and two talks."""
    async with agent_at(house, pbx, "2345", "") as agent:
        for _ in range(2):
            (task,) = await house.dial("040")
            await proved(house, agent, await house.ended(task, 60))
            await until(lambda: ready(house, "2345"), 20, what="ready again")
        seat = await seat_of(house, "2345")
        assert (seat.line, seat.line_n, len(agent.up_at)) == ("UP", 1, 1)
        assert pbx.calls_of("2345") == 1
    await until(lambda: pbx.calls_of("2345") == 0, 20, what="the line ends with the seat")


async def test_a_phone_that_is_rung_for_each_call_is_up_before_the_borrower_is_dialed(
    house: RunningHouse, pbx: BankPbx
) -> None:
    """TL-13: rung per call: no borrower is dialed before the phone was picked up, it ends with the talk, and nobody rings
    it while there is nobody to call."""
    async with agent_at(house, pbx, "2346", "per_call") as agent:

        async def idle() -> bool:
            seat = await seat_of(house, "2346")
            return seat.state == "READY" and seat.line == "NONE" and pbx.calls_of("2346") == 0

        for n in range(1, 3):
            (task,) = await house.dial("040")
            call = await house.ended(task, 60)
            await proved(house, agent, call)
            assert len(agent.up_at) == n
            assert agent.up_at[-1] < call.claimed_at.timestamp(), "the borrower was dialed before the agent was there"
            await until(idle, 20, every=0.2, what="ready, with the phone hung up")
        seat = await seat_of(house, "2346")
        assert (seat.line_n, seat.line_failures) == (2, 0)
