"""Issue "Worlds", clock: a jump stops dialing until a person has looked; PostgreSQL's clock counts as well."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from backoffice_core.bus import Bus
from backoffice_core.call_centre.dialing import stop
from backoffice_core.call_centre.models import DialingStop
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from dialer.clock_watch import ClockWatch

S = timedelta(seconds=1)


class Hands(Clock):
    """A wall clock that a test moves."""

    at = datetime(2026, 11, 18, 8, tzinfo=UTC)

    def wall(self) -> datetime:  # type: ignore[override]
        return self.at


class World:
    def __init__(self, settings: Settings, database: Database, bus: Bus) -> None:
        self.settings, self.database, self.clock, self.ticks = settings, database, Hands(), 0.0
        self.watch = ClockWatch(settings, database, bus, self.clock, lambda: self.ticks)

    def pass_(self, wall: float, ticks: float) -> None:
        self.clock.at += wall * S
        self.ticks += ticks
        self.watch.look()

    @property
    def code(self) -> str:
        notice = stop.stopped(self.settings)
        return notice.code if notice else ""


@pytest.fixture
def world(live_settings: Settings, database: Database, bus: Bus, tmp_path: Path) -> World:
    return World(live_settings.model_copy(update={"data": tmp_path}), database, bus)


@pytest.mark.parametrize("jump", [-3600.0, -2.5, 2.5, 3600.0])
async def test_a_jump_in_either_direction_stops_with_its_own_reason(world: World, jump: float) -> None:
    """Clock: 2 s are enough, both ways; the row beside the file says why; lifted, it does not come again."""
    for _ in range(5):
        world.pass_(0.5, 0.5)
    assert world.code == ""
    world.pass_(0.5 + jump, 0.5)
    notice = stop.stopped(world.settings)
    assert notice is not None
    assert (notice.code, round(notice.seconds, 1), notice.by) == ("CLOCK_JUMPED", jump, stop.THE_HOUSE)
    await world.watch._write()
    async with world.database.begin() as s:
        row = (await s.execute(select(DialingStop))).scalar_one()
    assert row.reason.startswith("CLOCK_JUMPED")
    stop.lift_now(world.settings, "Ольга", "Годинник звірено")
    for _ in range(5):
        world.pass_(0.5, 0.5)
    assert world.code == ""


def test_small_steps_that_add_up_within_a_minute_are_a_jump_slewing_is_not(world: World) -> None:
    for _ in range(240):
        world.pass_(0.50025, 0.5)  # NTP's most: 500 ppm
    assert world.code == ""
    for _ in range(6):
        world.pass_(1.0, 0.5)
    assert world.code == "CLOCK_JUMPED"


async def test_the_databases_clock_is_compared_with_ours(world: World) -> None:
    """PostgreSQL's now() against ours; a person who lifts the stop accepts the difference as it is, not a new one."""
    world.clock.at = datetime.now(UTC)
    await world.watch.look_at_database()
    assert world.code == ""
    world.clock.at -= 60 * S
    await world.watch.look_at_database()
    assert world.code == "CLOCK_DATABASE"
    stop.lift_now(world.settings, "Ольга", "Так і має бути")
    await world.watch.look_at_database()
    assert world.code == ""
    world.clock.at += 180 * S
    await world.watch.look_at_database()
    assert world.code == "CLOCK_DATABASE"


def test_a_shift_of_business_time_under_a_running_program_stops(world: World) -> None:
    world.watch.look_at_shift()
    assert world.code == ""
    (world.settings.data / "clock.json").write_text(json.dumps({"now": "", "offset_s": 7200.0}))
    world.watch.look_at_shift()
    assert world.code == "CLOCK_SHIFTED"
