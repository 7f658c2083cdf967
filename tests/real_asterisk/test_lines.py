"""FL-10, TL-12 on real Asterisk: agents' lines tested by echo, a line that dies under a call."""

import json
from collections.abc import Iterator

import pytest

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
