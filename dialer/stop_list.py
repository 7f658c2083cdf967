"""Takes back what still rings at somebody whom the bank has just put on its stop-list (FL-08). Talks go on.

Every dialer does it, leading or not: hanging up twice harms nobody, and the one that placed the call may be dead.
"""

import asyncio
import contextlib
from collections.abc import Container
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import cancelling
from backoffice_core.clock import Clock
from backoffice_core.db import Database
from backoffice_core.events import CallChanged
from backoffice_core.pbx.actions import hang_up, list_channels
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused, ActionUnknown, LinkDown

log = structlog.get_logger()
LOOK_S = 1.5  # without news; with them at once
ANSWERED = "Up"


class StopListWatch:
    """`answered`: calls that are known to ring no more, as the exchange's events tell them."""

    def __init__(self, database: Database, bus: Bus, clock: Clock, ami: Ami, answered: Container[UUID]) -> None:
        self.database, self.bus, self.clock, self.ami, self.answered = database, bus, clock, ami, answered
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), LOOK_S)
            self.wake.clear()
            try:
                await self.look()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("the stop-list is not looked at", error=type(error).__name__)
            except (LinkDown, ActionUnknown, ActionRefused) as error:
                log.warning("a stopped call still rings", error=error.code)

    async def look(self) -> int:
        """One look; how many calls were hung up. One whose channel is not there yet is met by the next look.

        Raises LinkDown, ActionUnknown, ActionRefused; what the database raises.
        """
        async with self.database.begin() as s:
            wanted = await cancelling.mark_stopped(s, self.clock.today())
        if not wanted:
            return 0
        states = {channel.uniqueid: channel.state for channel in await list_channels(self.ami)}
        gone = 0
        for call_id in wanted:
            state = states.get(str(call_id))
            if state in {None, ANSWERED} or call_id in self.answered:
                continue
            if await hang_up(self.ami, str(call_id)):
                gone += 1
                log.info("taken back: on the stop-list", call_id=str(call_id))
                await self.bus.publish(CallChanged(call_id=call_id))
        return gone
