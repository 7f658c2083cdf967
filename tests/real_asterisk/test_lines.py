"""FL-10, TL-12 on real Asterisk: agents' lines tested by echo, a line that dies under a call."""

import json
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import select

from backoffice_core.call_centre.models import AgentSession, AgentStateChange
from backoffice_core.pbx.actions import hang_up
from backoffice_core.pbx.ami import Ami
from tests.conftest import until
from tests.running import RunningHouse, running_house


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


async def _state_reason(house: RunningHouse, session_id: UUID, reason: str) -> bool:
    async with house.database() as database, database.begin() as s:
        query = select(AgentStateChange.id).where(
            AgentStateChange.session_id == session_id, AgentStateChange.reason == reason
        )
        return (await s.execute(query)).first() is not None


async def _line_again(house: RunningHouse, old: AgentSession) -> bool:
    return any(seat.id == old.id and seat.line == "UP" and seat.line_n > old.line_n for seat in await house.seats())
