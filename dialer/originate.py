"""From a claim to a ringing line. Whatever can forbid the call is looked at again here, on this machine, without a server."""

import asyncio
import contextlib
from uuid import UUID

import structlog

from asterisk_conf.prompts import said_by_robot
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import settling
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.call_centre.dialing.stop import stopped
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.events import AgentChanged, CallChanged
from backoffice_core.pbx.actions import (
    OUT_OF_ORDER,
    account_of,
    hang_up,
    originate_borrower,
    trunk_is_silent,
)
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused, ActionUnknown, LinkDown

log = structlog.get_logger()
LEASE_S = 3.0  # a claim that is older than this is not dialed: the listener may already be looking for its end
SILENT_TRUNK_S = 3.0  # two such trunks still leave the second its chance within six seconds
FURTHER_LEASE_S = 1.5  # the same for a further leg, whose call is older


class Caller:
    """Places claimed calls and, on stop, takes back those that still ring."""

    def __init__(self, settings: Settings, database: Database, bus: Bus, clock: Clock, ami: Ami) -> None:
        self.settings, self.database, self.bus, self.clock, self.ami = settings, database, bus, clock, ami
        self.watching: set[asyncio.Task[None]] = set()
        self.ringing: set[UUID] = set()  # placed by this process, not yet answered or ended

    async def place(self, placing: Placing, claimed_at: float) -> bool:
        """True when the call may have left us. `claimed_at`: loop time just before the claim."""
        reason = self._forbidden(placing, claimed_at)
        if reason is None:
            self.ringing.add(placing.call_id)
            try:
                await originate_borrower(
                    self.ami, call_id=placing.call_id, number=placing.number, trunk=placing.trunk,
                    caller_id=placing.caller_id, extension=placing.extension, leg=placing.leg,
                    ring_timeout_s=self.settings.ring_timeout_s, recording=placing.recording, language=placing.language,
                    listen=placing.machines,
                    account=account_of(placing.task_id, placing.contact_point_id, robot=bool(placing.says)),
                    say=placing.says and said_by_robot(self.settings, placing.says, placing.language),
                )  # fmt: skip
            except ActionUnknown:
                log.warning("originate without an answer; the listener settles it", call_id=str(placing.call_id))
            except (LinkDown, ActionRefused, BadInput) as error:
                log.warning("call not placed", call_id=str(placing.call_id), error=error.code)
                self.ringing.discard(placing.call_id)
                reason = str(error.details.get("reason") or error.code)
            else:
                self._watch(placing.call_id)
                return True
        if reason is None:
            return True
        async with self.database.begin() as s:
            await settling.not_placed(s, placing.call_id, reason, self.clock.now(), self.clock.wall())
        freed = [AgentChanged(agent_id=placing.agent_id)] if placing.agent_id else []
        await self.bus.publish(CallChanged(call_id=placing.call_id, agent_id=placing.agent_id), *freed)
        return False

    def _forbidden(self, placing: Placing, claimed_at: float) -> str | None:
        if stopped(self.settings):
            return "STOPPED"
        if self.clock.offset and not placing.trunk.is_loopback:
            return "CLOCK_SHIFT_REFUSED"
        if asyncio.get_running_loop().time() - claimed_at > (LEASE_S if placing.leg == 1 else FURTHER_LEASE_S):
            return "CLAIM_TOO_OLD"
        return None

    def _watch(self, call_id: UUID) -> None:
        self.watching.add(task := asyncio.create_task(self._give_up_silent(call_id)))
        task.add_done_callback(self.watching.discard)

    async def _give_up_silent(self, call_id: UUID) -> None:
        """A trunk that answers an INVITE with nothing would be waited for half a minute: after three seconds the leg is
        ended as the trunk's fault, and the listener looks for another trunk (FL-04)."""
        await asyncio.sleep(SILENT_TRUNK_S)
        if call_id not in self.ringing:
            return
        with contextlib.suppress(LinkDown, ActionUnknown, ActionRefused):
            if await trunk_is_silent(self.ami, call_id):
                log.warning("the trunk does not answer", call_id=str(call_id))
                await hang_up(self.ami, str(call_id), OUT_OF_ORDER)

    async def take_back(self) -> None:
        """Stop: what still rings is hung up; talks go on. Works with the database and Redis dead."""
        for call_id in list(self.ringing):
            try:
                await hang_up(self.ami, str(call_id))
            except (LinkDown, ActionUnknown, ActionRefused):
                return  # tried again by the next look, 0.2 s from now
            self.ringing.discard(call_id)
