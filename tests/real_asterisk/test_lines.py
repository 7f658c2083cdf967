"""FL-10, TL-12 on real Asterisk: agents' lines tested by echo, a line that dies under a call, a line that sounds bad."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from backoffice_core.call_centre.calls.history import history
from backoffice_core.call_centre.calls.sound_rules import loss_percent
from backoffice_core.call_centre.models import AgentSession, AgentStateChange, LineFigures
from backoffice_core.pbx.actions import hang_up
from backoffice_core.pbx.ami import Ami
from far_end.carrier import Log, Span
from far_end.media import Engine
from far_end.robots import Manner, Robot, Seat
from tests.conftest import until
from tests.far_end.relay import Relay, Way
from tests.running import PASSWORD, RunningHouse, running_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with running_house(tmp_path_factory.mktemp("lines"), ring_timeout_s=15, echo_test="required") as one:
        yield one


async def test_robots_get_ready_only_through_the_echo_test(house: RunningHouse) -> None:
    """FL-10: each phone was sent to the echo, the exchange heard it (TALK_DETECT), it heard itself; then calls come."""
    async with house.robots(2) as log:
        seats = await house.seats()
        assert all(seat.line_heard_at and seat.line_checked_at and seat.line_check in ("", "BACK") for seat in seats)
        said = [json.loads(line) for line in log.read_text().splitlines()]
        assert {one["robot"] for one in said if one["event"] == "LINE" and one["status"] == 200} >= {
            "robot200",
            "robot201",
        }
        (task,) = await house.dial("010")
        call = await house.ended(task)
        assert call.bridged_at is not None


async def test_a_leg_that_died_before_the_bridge_costs_two_seconds_at_most_and_no_borrower(house: RunningHouse) -> None:
    """FL-10: the chosen agent's leg is gone and nobody knows it yet: the next agent talks within the rule's two seconds,
    the first is unreachable with the reason, his line comes back."""
    await house.clear_queue()
    async with house.robots(2, talk="2"):
        listener = house.part("ami_listener")
        first = min(await house.seats(), key=lambda seat: seat.since)
        settings = house.settings
        ami = Ami("127.0.0.1", settings.ports.ami, "console", settings.derived_secret("ami:console"))
        async with ami:
            listener.suspend()  # the leg's end is not heard: the house believes in it
            try:
                assert await hang_up(ami, first.line_id)
                (task,) = await house.dial("010")
                await until(lambda: _state_reason(house, first.id, "LINE_DIED"), 15, what="the first agent is told")
            finally:
                listener.resume()
        call = await house.ended(task)
        assert call.bridged_at is not None
        assert call.answered_at is not None
        assert call.agent_session_id != first.id
        assert (call.bridged_at - call.answered_at).total_seconds() <= 2.0
        assert not call.abandoned
        assert not call.message_played
        await until(lambda: _line_again(house, first), 20, what="the first agent's line is up again")


@contextlib.asynccontextmanager
async def bad_network(house: RunningHouse, extension: int, up: Way, down: Way) -> AsyncIterator[Robot]:
    """A robot at a desk whose phone is behind a bad network; ready when given."""
    login = f"far{extension}"
    await house.user(login, "agent", extension, robot=True)
    await asyncio.to_thread(house._make_phones_known)
    engine = Engine()
    relay = Relay(engine, up, down)
    await relay.open()
    seat = Seat(login, PASSWORD, extension, house.settings.derived_secret(f"phone:{extension}"))
    manner = Manner(Span(60, 60), Span(0.2, 0.2), {}, str(house.clock.today()))
    log = Log(house.settings.data / "far.jsonl")
    robot = Robot(seat, house.console, ("127.0.0.1", house.settings.ports.sip), engine, manner, log)
    robot.phone._on_up = lambda _, call: relay.take(call)
    working = asyncio.create_task(robot.work())

    async def ready() -> bool:
        return any(one.endpoint == f"agent-{extension}" and one.state == "READY" for one in await house.seats())

    try:
        await until(ready, 40, every=0.2, what="the robot behind the bad network is ready")
        yield robot
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        relay.close()
        engine.close()


async def test_loss_jitter_and_one_way_stand_on_the_call_and_the_phone_is_named(house: RunningHouse) -> None:
    """TL-12: 5 % loss and 80 ms bursts from one phone, 8 % loss towards it, then nothing from it at all: measured while
    the call lasts, named on the floor page, kept with the call."""
    await house.clear_queue()
    await house.user("floor", "supervisor")

    async def figures(call_id: UUID) -> LineFigures | None:
        async with house.database() as database, database.begin() as s:
            return await s.get(LineFigures, call_id)

    async with bad_network(house, 300, Way(0.05, 0.08), Way(0.08)) as robot, httpx.AsyncClient() as boss:
        await boss.post(f"{house.console}/login", data={"login": "floor", "password": PASSWORD, "phone": "desk"})
        (task,) = await house.dial("000")

        async def measured() -> LineFigures | None:
            call = await house.attempt(task)
            row = await figures(call.id) if call else None
            return row if row and row.readings >= 6 else None

        row = await until(measured, 60, every=0.5, what="six readings of the talk")
        call = await house.attempt(task)
        assert call is not None
        assert call.ended_at is None, "the figures come while the call lasts"
        assert 3 <= loss_percent(row.lost_in, row.received) <= 8, vars(row)
        assert 4 <= loss_percent(row.lost_out, row.sent - row.lost_out) <= 13, vars(row)
        assert 20 <= row.jitter_in_ms <= 45, vars(row)
        assert (row.endpoint, row.one_way) == ("agent-300", "")

        async def alarm() -> str:
            text = (await boss.get(f"{house.console}/floor")).text
            return text.split('id="alarm-phones"')[1].split("</div>")[0] if 'id="alarm-phones"' in text else ""

        assert "agent-300" in await alarm()
        stream = robot.phone.call.stream if robot.phone.call else None
        assert stream is not None
        stream.muted = True  # the phone's microphone path is gone: it sends no packet any more

        async def one_way() -> bool:
            found = await figures(call.id)
            return found is not None and found.one_way == "FROM_PHONE"

        await until(one_way, 20, every=0.5, what="one-way audio is noticed")
        assert (again := await house.attempt(task)) is not None
        assert again.ended_at is None, "one-way audio was noticed during the call"
        assert "від телефону нічого не чути" in await alarm()
        stream.muted = False
        await robot.http.post("/desk/hangup")
        ended = await house.ended(task, 60)
    async with house.database() as database, database.begin() as s:
        (line,) = [one.data["line"] for one in await history(s, ended.case_id) if one.kind == "call"]
    assert (line["phone"], line["one_way"]) == ("agent-300", "FROM_PHONE")
    assert line["loss"] >= 3


async def _state_reason(house: RunningHouse, session_id: UUID, reason: str) -> bool:
    async with house.database() as database, database.begin() as s:
        query = select(AgentStateChange.id).where(
            AgentStateChange.session_id == session_id, AgentStateChange.reason == reason
        )
        return (await s.execute(query)).first() is not None


async def _line_again(house: RunningHouse, old: AgentSession) -> bool:
    return any(seat.id == old.id and seat.line == "UP" and seat.line_n > old.line_n for seat in await house.seats())
