"""Hangs up calls that an answering machine took, once the ear is certain: the agent who was with it is free at once.

Every dialer does it, leading or not: hanging up twice harms nobody.
"""

import asyncio
import contextlib

import structlog
from sqlalchemy.exc import SQLAlchemyError

from backoffice_core.call_centre.dialing import machines
from backoffice_core.db import Database
from backoffice_core.pbx.actions import hang_up
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused, ActionUnknown, LinkDown

log = structlog.get_logger()
LOOK_S = 2.0  # without news; with them at once


class MachineWatch:
    def __init__(self, database: Database, ami: Ami) -> None:
        self.database, self.ami = database, ami
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
                log.warning("machines are not looked at", error=type(error).__name__)
            except (LinkDown, ActionUnknown, ActionRefused) as error:
                log.warning("a machine's call goes on", error=error.code)

    async def look(self) -> int:
        """One look; how many calls were hung up. Raises LinkDown, ActionUnknown, ActionRefused; what the database raises."""
        async with self.database.begin() as s:
            wanted = [call.id for call in await machines.to_hang_up(s)]
        return sum([await hang_up(self.ami, str(call_id)) for call_id in wanted])
