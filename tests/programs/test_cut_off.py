"""A network cut between programs and PostgreSQL, with everything alive (issue 4, worlds): not a server that is dead."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from backoffice_core.cases.models import CaseEvent
from backoffice_core.config import Settings
from tests.chaos.house import ChaosHouse
from tests.chaos.plan import PROGRAMS
from tests.conftest import fresh_settings, until

BEHIND_THE_LINK = ("dialer", "ami_listener")
TALK_S = 20


class CutOff(ChaosHouse):
    """Dialer and listener reach PostgreSQL through a link of their own; all others reach it straight."""

    async def _supervise(self, settings: Settings, names: tuple[str, ...]) -> None:
        if names != PROGRAMS:
            await super()._supervise(settings, names)
            return
        await super()._supervise(self.settings, tuple(name for name in names if name not in BEHIND_THE_LINK))
        by_link = self.settings.model_copy(update={"database_url": self.programs.database_url})
        await super()._supervise(by_link, BEHIND_THE_LINK)

    def invited(self) -> int:
        return len([event for event in self.carrier_events() if event["event"] == "INVITE"])


@pytest.fixture
async def cut_off(tmp_path: Path) -> AsyncIterator[CutOff]:
    one = CutOff(fresh_settings(tmp_path / "house", ring_timeout_s=15, nightly_at="23:59"))
    try:
        await one.start()
        yield one
    finally:
        await one.stop()


@pytest.mark.parametrize("how", ["cut", "silent"])
async def test_cut_off_from_the_database_nobody_is_called_talks_go_on_and_are_written_later(
    cut_off: CutOff, how: str
) -> None:
    """Issue 4: connections that are refused, and those that only fall silent: no new call, the live one goes on to its own
    end, which is written once with its own time when the network is back; then dialing goes on."""
    link = cut_off.links["postgres"]
    async with cut_off.robots(2, talk="60", wrap="0.2"):
        (talk,) = await cut_off.dial("070")
        answered = await until(lambda: cut_off.attempt(talk), 30, what="it is placed")
        number = answered.number

        async def talks() -> bool:
            found = await cut_off.attempt(talk)
            return found is not None and found.state == "CONNECTED"

        await until(talks, 30, what="they talk")
        link.cut(True) if how == "cut" else link.mute(True)
        await asyncio.sleep(0.5)  # what was on its way out
        before = cut_off.invited()
        waiting = await cut_off.dial("020", "020", "020")  # an agent is free, and there is work
        over = await until(lambda: _over(cut_off, number), TALK_S + 20, every=0.2, what="the talk ends by itself")
        assert cut_off.invited() == before
        during = await cut_off.attempt(talk)
        assert during is not None
        assert during.ended_at is None, "nobody could write its end"
        link.cut(False) if how == "cut" else link.mute(False)
        call = await cut_off.ended(talk, 40)
        assert call.answered_at is not None
        assert call.ended_at is not None
        assert abs((call.ended_at - over).total_seconds()) < 1.0, "with its own time"
        assert (call.ended_at - call.answered_at).total_seconds() > TALK_S - 2
        for task in waiting:
            assert (await cut_off.ended(task, 60)).result == "ANSWERED_HUMAN"
    async with cut_off.database() as database, database.begin() as s:
        lines = (await s.execute(select(CaseEvent.kind).where(CaseEvent.call_id == call.id))).scalars().all()
    assert lines.count("call") == 1
    assert cut_off.invited() == before + 3


def _over(house: CutOff, number: str) -> datetime | None:
    """When the far end says that its talk was over."""
    ends = [event for event in house.carrier_events(number) if event["event"] in {"BYE", "LOST"}]
    return datetime.fromisoformat(ends[-1]["at"]) if ends else None
