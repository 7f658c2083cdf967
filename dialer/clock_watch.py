"""A clock that jumped stops dialing until a person has looked: hours, caps and holds are all counted by it.

Looked at before each claim and twice a second: the wall clock against the monotonic one, and the shift of business time
against what the installation has kept. Every ten seconds: PostgreSQL's clock against ours.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backoffice_core.bus import Bus
from backoffice_core.call_centre.dialing import stop
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.events import StopChanged

log = structlog.get_logger()

MOST_S = 2.0
LOOK_S = 0.5
DATABASE_EVERY_S = 10.0
REACH_S = 60.0  # slow slewing by NTP stays far below MOST_S within this time, a jump in small steps does not


class ClockWatch:
    def __init__(
        self,
        settings: Settings,
        database: Database,
        bus: Bus,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings, self.database, self.bus, self.clock, self.monotonic = settings, database, bus, clock, monotonic
        self._looks: deque[tuple[datetime, float]] = deque()
        self._told = {"CLOCK_DATABASE": 0.0, "CLOCK_SHIFTED": 0.0}  # differences that a person has been told of
        self._unwritten: tuple[str, str] | None = None  # code and words of a stop whose row is still owed

    async def run(self) -> None:
        """Until cancelled."""
        asked = -DATABASE_EVERY_S
        while True:
            self.look()
            self.look_at_shift()
            try:
                if self.monotonic() - asked >= DATABASE_EVERY_S:
                    asked = self.monotonic()
                    await self.look_at_database()
                await self._write()
            except (DBAPIError, PoolTimeout, OSError, TimeoutError) as error:
                log.warning("clock not compared with the database's", error=type(error).__name__)
            await asyncio.sleep(LOOK_S)

    def look(self) -> float:
        """By how many seconds the wall clock has jumped against the monotonic one; beyond 2 s dialing is stopped."""
        wall, ticks = self.clock.wall(), self.monotonic()
        while self._looks and ticks - self._looks[0][1] > REACH_S and len(self._looks) > 1:
            self._looks.popleft()
        jump = max((_apart(look, (wall, ticks)) for look in self._looks), key=abs, default=0.0)
        if abs(jump) > MOST_S:
            self._looks.clear()
            self._stop("CLOCK_JUMPED", f"The clock jumped by {jump:+.1f} s.", jump)
        self._looks.append((wall, ticks))
        return jump

    def look_at_shift(self) -> None:
        """Another `up` may have shifted business time while this program runs on."""
        try:
            kept = float(json.loads((self.settings.data / "clock.json").read_text())["offset_s"])
        except FileNotFoundError:
            kept = 0.0
        except (OSError, ValueError, KeyError, TypeError):
            return
        self._compare("CLOCK_SHIFTED", kept - self.clock.offset.total_seconds(), "Business time was shifted by")

    async def look_at_database(self) -> None:
        before = self.clock.wall()
        async with self.database.engine.connect() as connection:
            theirs = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        took = (self.clock.wall() - before).total_seconds()
        if 0 <= took < MOST_S:  # a slow answer says nothing of the clock
            apart = (theirs - before).total_seconds() - took / 2
            self._compare("CLOCK_DATABASE", apart, "The database's clock differs from ours by")

    def _compare(self, code: str, apart: float, words: str) -> None:
        """Stops once for a difference; a person who lifts the stop accepts it as it is."""
        if abs(apart) <= MOST_S:
            self._told[code] = 0.0
        elif abs(apart - self._told[code]) > MOST_S:
            self._told[code] = apart
            self._stop(code, f"{words} {apart:+.1f} s.", apart)

    def _stop(self, code: str, words: str, seconds: float) -> None:
        log.error("dialing stopped: the clock", code=code, seconds=round(seconds, 1))
        stop.stop_by_house(self.settings, code, self.clock.wall(), reason=words, seconds=seconds)
        self._unwritten = code, words

    async def _write(self) -> None:
        """The row beside the file, and the news; later when the database is away."""
        if self._unwritten is None:
            return
        code, words = self._unwritten
        async with self.database.begin() as s:
            await stop.note_stop(s, stop.THE_HOUSE, f"{code}: {words}", self.clock.wall())
        self._unwritten = None
        await self.bus.publish(StopChanged())


def _apart(one: tuple[datetime, float], other: tuple[datetime, float]) -> float:
    return (other[0] - one[0]).total_seconds() - (other[1] - one[1])
