"""The hour: shifted for rules and business dates only, agreed on by all programs, refused beside a real trunk."""

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from backoffice_core import clock as clocks
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.clock import Clock
from backoffice_core.config import Settings, Trunk
from backoffice_core.db import Database
from backoffice_core.errors import ClockShiftRefused
from backoffice_core.pbx.ami import Ami
from dialer.originate import Caller

NOW = datetime.fromisoformat("2026-11-18T10:00+02:00")
OUTSIDE = Trunk(name="carrier", host="192.0.2.7")


def test_programs_that_start_later_agree_on_the_hour(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, now=NOW)
    first = clocks.load(settings, restart=True)
    assert abs(first.now() - NOW) < timedelta(seconds=2)
    assert first.today() == date(2026, 11, 18)
    assert clocks.load(settings).offset == first.offset
    assert abs(Clock.wall() - datetime.now(UTC)) < timedelta(seconds=1), "what telephony measures is not shifted"


def test_a_new_start_begins_at_the_hour_again(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, now=NOW)
    (tmp_path / "clock.json").write_text(json.dumps({"now": NOW.isoformat(), "offset_s": -1.0}))
    assert clocks.load(settings).offset == timedelta(seconds=-1)
    assert abs(clocks.load(settings, restart=True).now() - NOW) < timedelta(seconds=2)


def test_a_command_without_the_setting_follows_the_installation(tmp_path: Path) -> None:
    """`backoffice calls` beside a demo shows the demo's day; the next start without a shift ends it."""
    shifted = clocks.load(Settings(data=tmp_path, now=NOW), restart=True)
    assert clocks.load(Settings(data=tmp_path)).offset == shifted.offset
    with pytest.raises(ClockShiftRefused):
        clocks.load(Settings(data=tmp_path, trunks=[OUTSIDE]))
    assert clocks.load(Settings(data=tmp_path, trunks=[OUTSIDE]), restart=True).offset == timedelta()
    assert clocks.load(Settings(data=tmp_path)).offset == timedelta()


def test_an_unknown_time_zone_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bank_time_zone"):
        Settings(data=tmp_path, bank_time_zone="Mars/X")


@pytest.mark.parametrize("host", ["192.0.2.7", "sip.example.net", "10.0.0.5"])
def test_a_shift_is_refused_at_start_beside_a_trunk_that_leads_outside(tmp_path: Path, host: str) -> None:
    settings = Settings(data=tmp_path, now=NOW, trunks=[Trunk(name="carrier", host=host)])
    with pytest.raises(ClockShiftRefused) as refused:
        clocks.load(settings)
    assert host in refused.value.message


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "localhost", "::1"])
def test_loopback_is_loopback(host: str) -> None:
    assert Trunk(name="here", host=host).is_loopback


async def test_a_shift_is_refused_at_originate_too(database: Database, live_settings: Settings, bus: Bus) -> None:
    """Were a program started with the shift and the trunk changed under it, the call still does not leave."""
    shifted = Clock(offset=timedelta(hours=5))
    caller = Caller(live_settings, database, bus, shifted, Ami("127.0.0.1", 1, "dialer", "x" * 20))
    placing = Placing(
        call_id=uuid4(),
        task_id=uuid4(),
        case_id=uuid4(),
        contact_point_id=uuid4(),
        number="+380671234020",
        extension="",
        trunk=OUTSIDE,
        caller_id="+380445550100",
        language="uk",
        recording="a",
    )
    assert not await caller.place(placing, asyncio.get_running_loop().time())
    assert caller._forbidden(placing, asyncio.get_running_loop().time()) == "CLOCK_SHIFT_REFUSED"


def test_a_time_without_its_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zone"):
        Settings(data=tmp_path, now=datetime(2026, 11, 18, 10))  # noqa: DTZ001


def test_a_business_day_has_25_hours_when_the_clock_goes_back() -> None:
    start, end = Clock("Europe/Kyiv").day_bounds(date(2026, 10, 25))
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=25)
