"""TL-12: the figures of a talk stand with the call and name the phone."""

from datetime import timedelta

from backoffice_core.call_centre.calls import line_quality
from backoffice_core.call_centre.calls.line_quality import Talking
from backoffice_core.call_centre.calls.sound_rules import OneWay, Reading
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from tests import house


async def test_figures_add_up_and_a_bad_phone_is_told_once(
    settings: Settings, database: Database, clock: Clock
) -> None:
    """TL-12: readings of one talk are one row; it turns bad once; the worst phone stands first, for half an hour."""
    wall = clock.wall()
    async with database.begin() as s:
        seats = [await house.agent(s, clock) for _ in range(3)]
        calls = [
            Talking(user_id=seat.user_id, endpoint=seat.endpoint, line_id=seat.line_id, call_id=house.some_call())
            for seat in seats
        ]

        async def note(n: int, *figures: float, way: OneWay = "") -> bool:
            received, sent, lost, lost_there, jitter, jitter_there = figures
            more = Reading(int(received), int(sent), int(lost), int(lost_there), jitter, jitter_there)
            return await line_quality.note(s, settings, calls[n], more, way, wall)

        assert not await note(0, 150, 150, 0, 0, 4, 2)
        assert await note(0, 142, 150, 18, 0, 36, 2), "5.8 % lost and 20 ms of jitter"
        assert not await note(0, 142, 150, 8, 0, 35, 2), "told again"
        assert not await note(1, 150, 150, 1, 1, 3, 3)
        assert await note(2, 0, 150, 0, 0, 0, 0, way="FROM_PHONE")
        found = await line_quality.phones(s, settings, wall)
        assert [(one.endpoint, one.bad, one.one_way) for one in found] == [
            (seats[2].endpoint, True, "FROM_PHONE"), (seats[0].endpoint, True, ""), (seats[1].endpoint, False, ""),
        ]  # fmt: skip
        assert (found[1].loss, found[1].jitter_ms) == (5.65, 25)
        assert len(line_quality.bad(found)) == 2
        assert await line_quality.phones(s, settings, wall + line_quality.SHOWN + timedelta(seconds=1)) == []


async def test_loss_towards_the_phone_counts_too(settings: Settings, database: Database, clock: Clock) -> None:
    """TL-12: what the phone itself reports as lost or uneven is as bad as what we hear of it."""
    async with database.begin() as s:
        seat = await house.agent(s, clock)
        who = Talking(user_id=seat.user_id, endpoint=seat.endpoint, line_id=seat.line_id, call_id=house.some_call())
        assert await line_quality.note(s, settings, who, Reading(500, 500, 0, 25, 1, 1), "", clock.wall())
        (one,) = await line_quality.phones(s, settings, clock.wall())
    assert (one.loss, one.bad) == (5.0, True)
