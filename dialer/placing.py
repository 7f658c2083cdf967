"""One call from the queue to the exchange: the claim in a transaction, then, after its commit, the line."""

import asyncio
from collections.abc import Mapping
from typing import Final, Literal

from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import attempts
from backoffice_core.call_centre.calls.attempts import Passed, Placing
from backoffice_core.call_centre.carriers.trunk_rules import Spacing
from backoffice_core.call_centre.desks import agents
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.events import AgentChanged, CallChanged
from backoffice_core.leases import Held
from dialer.originate import Caller

NoAgent = Literal["NO_AGENT"]
NO_AGENT: Final = "NO_AGENT"


class Placer:
    def __init__(self, settings: Settings, database: Database, bus: Bus, clock: Clock, caller: Caller) -> None:
        self.settings, self.database, self.bus, self.clock, self.caller = settings, database, bus, clock, caller
        self.spacing = {trunk.name: Spacing(trunk.calls_per_second) for trunk in settings.trunks}

    async def space(self, trunk: str) -> None:
        """Waits until this trunk takes another call: never more in any second than its limit."""
        clock, spacing = asyncio.get_running_loop().time, self.spacing[trunk]
        if wait := spacing.wait_s(clock()):
            await asyncio.sleep(wait)
        spacing.take(clock())

    async def claim(
        self, campaign: str, lines: Mapping[str, int], lease: Held | None, *, in_hand: bool = False, robot: bool = False
    ) -> Placing | Passed | NoAgent | None:
        """The next task of the campaign, by a trunk that has a line free (`lines`; at least one has), as `attempts.claim`;
        then its line, by `place`. `in_hand`: a free agent is taken first; NO_AGENT when there is none. Raises LeaseLost."""
        ways = [self.settings.trunk(name) for name, free in lines.items() if free > 0]
        clock = asyncio.get_running_loop().time
        if wait := self.spacing[ways[0].name].wait_s(clock()):
            await asyncio.sleep(wait)
        self._began = clock()
        async with self.database.begin() as s:
            agent = await agents.longest_waiting(s, campaign=campaign) if in_hand else None
            if agent is None and in_hand:
                return NO_AGENT
            return await attempts.claim(
                s, self.settings, trunk=ways[0], others=ways[1:], now=self.clock.now(), today=self.clock.today(),
                wall=self.clock.wall(), lease=lease, campaign=campaign, agent=agent, robot=robot,
            )  # fmt: skip

    async def place(self, taken: Placing, lines: dict[str, int]) -> None:
        """What `claim` has just given."""
        lines[taken.trunk.name] = lines.get(taken.trunk.name, 1) - 1
        self.spacing[taken.trunk.name].take(asyncio.get_running_loop().time())
        if await self.caller.place(taken, self._began):
            held = [AgentChanged(agent_id=taken.agent_id)] if taken.agent_id else []
            await self.bus.publish(CallChanged(call_id=taken.call_id, agent_id=taken.agent_id), *held)
