"""Reads how the agents' lines sound while they talk (TL-12): RTCP's figures, every few seconds, of both legs of a talk."""

import asyncio
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backoffice_core import leases
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import line_quality
from backoffice_core.call_centre.calls.line_quality import Talking
from backoffice_core.call_centre.calls.sound_rules import SILENT_READINGS, OneWay, Reading, reading, silent, since
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import Refused
from backoffice_core.events import SoundChanged
from backoffice_core.leases import Held, LeaseLost
from backoffice_core.pbx.actions import sound_of
from backoffice_core.pbx.ami import Ami

log = structlog.get_logger()
EVERY_S = 3.0
AT_ONCE = 8  # questions that wait for Asterisk's answer together


@dataclass
class _Talk:
    """The last readings of one talk, and how many in a row lacked one side."""

    phone: Reading
    borrower: Reading | None
    one_way: OneWay = ""
    times: int = 0

    def silent_for(self, now: OneWay) -> OneWay:
        """The side that has sent nothing for long enough; empty as long as there is none."""
        self.times = self.times + 1 if now and now == self.one_way else 1
        self.one_way = now
        return now if self.times >= SILENT_READINGS else ""


class LineWatch:
    def __init__(self, settings: Settings, database: Database, bus: Bus, clock: Clock, ami: Ami) -> None:
        self.settings, self.database, self.bus, self.clock, self.ami = settings, database, bus, clock, ami
        self._talks: dict[tuple[str, str], _Talk] = {}  # by line and call
        self._room = asyncio.Semaphore(AT_ONCE)

    async def run(self, lease: Held) -> None:
        """While the lease is held; until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                if self.ami.up:
                    await self.look(lease)
            except LeaseLost:
                self._talks.clear()
            except (Refused, DBAPIError, PoolTimeout, OSError, TimeoutError) as error:
                log.info("lines not listened to", error=type(error).__name__)

    async def look(self, lease: Held) -> None:
        """One reading of every talk. Raises LeaseLost, LinkDown, ActionUnknown."""
        async with self.database.begin() as s:
            talks = await line_quality.talking(s)
        heard = zip(talks, await asyncio.gather(*map(self._read, talks)), strict=True)
        fresh: list[tuple[Talking, Reading, OneWay]] = []
        known, self._talks = self._talks, {}
        for one, (phone, borrower) in heard:
            if phone is None:
                continue
            key = (one.line_id, str(one.call_id))
            before = known.get(key)
            talk = self._talks[key] = before or _Talk(phone, borrower)
            if before is not None:
                more = since(talk.phone, phone)
                far = since(talk.borrower, borrower) if talk.borrower and borrower else None
                fresh.append((one, more, talk.silent_for(silent(more, far))))
            talk.phone, talk.borrower = phone, borrower
        if fresh:
            await self._keep(lease, fresh)

    async def _read(self, one: Talking) -> tuple[Reading | None, Reading | None]:
        """The phone's leg and the borrower's."""
        async with self._room:
            return reading(await sound_of(self.ami, one.line_id)), reading(await sound_of(self.ami, one.channel_id))

    async def _keep(self, lease: Held, fresh: list[tuple[Talking, Reading, OneWay]]) -> None:
        wall = self.clock.wall()
        async with self.database.begin() as s:
            await leases.confirm(s, lease)
            worse = [one for one, more, way in fresh if await line_quality.note(s, self.settings, one, more, way, wall)]
        for one in worse:
            log.warning("bad sound on a line", endpoint=one.endpoint, call_id=str(one.call_id))
            await self.bus.publish(SoundChanged(agent_id=one.user_id))
