"""The agents' own lines: called when a seat wants one, hung up when nobody owns it any more."""

import structlog

from backoffice_core import leases
from backoffice_core.bus import Bus
from backoffice_core.call_centre.desks import agents, line_check
from backoffice_core.call_centre.queueing import queue
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.events import AgentChanged
from backoffice_core.leases import Held
from backoffice_core.pbx.actions import hang_up, list_channels, originate_leg, send_line
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused, ActionUnknown, LinkDown

log = structlog.get_logger()
RING_S = 15


class NoBankPbx(BadInput):
    """This phone is on the bank's own exchange, and no setting says where that is. Set BACKOFFICE_BANK_PBX."""

    code = "NO_BANK_PBX"


class Legs:
    def __init__(self, settings: Settings, database: Database, bus: Bus, clock: Clock, ami: Ami) -> None:
        self.settings, self.database, self.bus, self.clock, self.ami = settings, database, bus, clock, ami

    async def call_missing(self, lease: Held, *, dialing: bool = True) -> None:
        """Calls each phone whose seat wants a line and has none. The listener says when it is up. Raises LeaseLost.

        `dialing`: calls may be begun. A phone that is rung for each call rings before the borrower is dialed, so that who
        answers finds a line that is up; it rings only when there is somebody to call, or somebody calls us.
        """
        if not self.ami.up:
            return
        async with self.database.begin() as s:
            await leases.confirm(s, lease)
            work = await queue.somebody_waits(s, self.clock.today(), dialing=dialing)
            wanted = await agents.lines_to_call(s, self.clock.wall(), work=work)
            for agent in wanted:
                agent.line, agent.line_n = "CALLING", agent.line_n + 1
            calls = [(agent.user_id, agent.id, agent.line_n, agent.line_id, agent.endpoint) for agent in wanted]
        for user_id, session_id, n, line_id, endpoint in calls:
            bank = endpoint.startswith("bank:")
            try:
                if bank and self.settings.bank_pbx is None:
                    raise NoBankPbx
                await originate_leg(
                    self.ami, channel_id=line_id, endpoint=endpoint, ring_timeout_s=RING_S,
                    caller_id=self.settings.bank_pbx.caller_id if bank and self.settings.bank_pbx else "",
                )  # fmt: skip
            except ActionUnknown:
                continue  # the sweep below finds out
            except (LinkDown, ActionRefused, BadInput) as error:
                log.warning("line not called", endpoint=endpoint, error=error.code)
                async with self.database.begin() as s:
                    await agents.line_down(s, session_id, n, self.clock.wall(), hung_up=False)
            await self.bus.publish(AgentChanged(agent_id=user_id))

    async def end_released(self) -> None:
        """Hangs up lines that were rung for one call, once it is over. Raises LinkDown, ActionUnknown, ActionRefused."""
        async with self.database.begin() as s:
            lines = [(a.user_id, a.id, a.line_n, a.line_id) for a in await agents.lines_to_end(s)]
        for user_id, session_id, n, line_id in lines:
            if await hang_up(self.ami, line_id):
                continue  # the listener tells when it is down
            async with self.database.begin() as s:
                await agents.line_down(s, session_id, n, self.clock.wall(), hung_up=False)
            await self.bus.publish(AgentChanged(agent_id=user_id))

    async def move_tested(self) -> None:
        """Sends lines to the echo test, and back once it is passed. Raises LinkDown, ActionUnknown, ActionRefused."""
        if not self.ami.up:
            return
        async with self.database.begin() as s:
            wanted = [(a.id, a.line_n, a.line_id, a.line_check) for a in await line_check.to_move(s)]
        for session_id, n, line_id, asked in wanted:
            if not await send_line(self.ami, line_id, echo=asked == "WANTED"):
                continue  # gone: the listener tells, and the line is called again
            async with self.database.begin() as s:
                user_id = await line_check.moved(s, session_id, n, asked)
            if user_id:
                await self.bus.publish(AgentChanged(agent_id=user_id))

    async def hang_up_ownerless(self) -> None:
        """Lines whose seat is closed, paused for good, or has a newer line. Raises LinkDown, ActionUnknown."""
        channels = [c for c in await list_channels(self.ami) if c.uniqueid.startswith("leg-")]
        if not channels:
            return
        async with self.database.begin() as s:
            held = {a.line_id for a in await agents.lines_held(s) if a.ended_at is None}
        for channel in channels:
            if channel.uniqueid not in held:
                await hang_up(self.ami, channel.name)
