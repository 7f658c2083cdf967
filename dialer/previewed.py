"""Preview mode in the dialer: places the cards that agents want dialed, takes back those left alone, shows the next ones."""

import asyncio
from uuid import UUID

import structlog

from backoffice_core.bus import Bus
from backoffice_core.call_centre.carriers import trunks
from backoffice_core.call_centre.carriers.trunk_rules import in_order
from backoffice_core.call_centre.desks import preview
from backoffice_core.call_centre.dialing.stop import draining, stopped
from backoffice_core.clock import Clock
from backoffice_core.config import Settings, Trunk
from backoffice_core.db import Database
from backoffice_core.errors import Refused
from backoffice_core.events import AgentChanged, CallChanged, News
from backoffice_core.leases import Held
from dialer.originate import Caller

log = structlog.get_logger()


class Previewed:
    def __init__(self, settings: Settings, database: Database, bus: Bus, clock: Clock, caller: Caller) -> None:
        self.settings, self.database, self.bus, self.clock, self.caller = settings, database, bus, clock, caller

    async def step(self, lease: Held | None, *, closed: bool) -> None:
        """One look; costs one short query while no campaign is in preview mode. `closed`: no call may begin now, nothing is
        shown. Raises LeaseLost."""
        async with self.database.begin() as s:
            if not await preview.in_use(s):
                return
            wishes = await preview.wanted(s)
            told = await preview.sweep(s, self.clock.wall())
        await self._tell([AgentChanged(agent_id=one) for one in told])
        if wishes:
            order = await self._order()
            for wish in wishes:
                await self._place(wish, order, lease)
        if not closed and not stopped(self.settings) and not draining(self.settings):
            await self._show()

    async def _place(self, wish: UUID, order: list[Trunk], lease: Held | None) -> None:
        began = asyncio.get_running_loop().time()
        async with self.database.begin() as s:
            placing, agent = await preview.claim(
                s, self.settings, wish, order=order, now=self.clock.now(), today=self.clock.today(),
                wall=self.clock.wall(), lease=lease,
            )  # fmt: skip
        if placing is not None and await self.caller.place(placing, began):
            await self._tell([CallChanged(call_id=placing.call_id, agent_id=placing.agent_id)])
        if agent is not None:
            await self._tell([AgentChanged(agent_id=agent)])

    async def _order(self) -> list[Trunk]:
        """Trunks that may take a call now and have a line free, in the order in which they are tried."""
        wall, today = self.clock.wall(), self.clock.today()
        async with self.database.begin() as s:
            seen = await trunks.standings(s, self.settings, wall=wall, day_start=self.clock.day_bounds(today)[0])
        return [self.settings.trunk(one.name) for one in in_order(seen.values(), wall) if one.lines_free(wall) > 0]

    async def _show(self) -> None:
        async with self.database.begin() as s:
            waiting = await preview.waiting_agents(s)
        for user_id in waiting:
            try:
                async with self.database.begin() as s:
                    shown = await preview.offer(
                        s,
                        self.settings,
                        user_id,
                        now=self.clock.now(),
                        today=self.clock.today(),
                        wall=self.clock.wall(),
                    )
            except Refused:
                continue  # he has gone meanwhile
            if isinstance(shown, preview.Nothing):
                return  # nor for the next one: they serve the same campaigns, or are looked at in half a second
            await self._tell([AgentChanged(agent_id=user_id)])

    async def _tell(self, news: list[News]) -> None:
        if news:
            await self.bus.publish(*news)
