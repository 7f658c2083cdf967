"""What Asterisk asks for a channel. `connect`: an answered borrower needs an agent, now. `call-in`: who calls us?

`connect-again`: the line of the agent who was chosen could not be bridged.
"""

import asyncio
import contextlib
from uuid import UUID

import structlog

from agi.ear import Ear
from agi.session import AgiSession
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import attempts, call_backs, recording_room, robots
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.events import AgentChanged, CallChanged, CardShown, ScreenPop

log = structlog.get_logger()
KEPT_S = 60.0  # so long it is remembered when the seconds of a call end
EAR_S = 1.5  # the longest that a call waits for who answers it
LOOK_AGAIN_S = 0.1  # also without news
MARGIN_S = 0.15  # of the rule's seconds, for the way back through the dialplan to the message


class Connect:
    """Gives the borrower the agent who waits longest; nobody within the rule's seconds, and the dialplan plays the message.

    `within_s` seconds from the answer: of the `dialer_limit` rules in force. The setting `card_head_start_ms`: the longest
    that the voice waits for the card, so that the agent sees the name before he hears it. Who calls us himself (FL-02)
    hears it ring for `calls_in_wait_s`, at the bank's hours and while somebody works.
    """

    def __init__(
        self, settings: Settings, database: Database, bus: Bus, clock: Clock, within_s: float, ear: Ear | None = None
    ) -> None:
        self.ear = ear
        self.settings, self.database, self.bus, self.clock = settings, database, bus, clock
        self.within_s, self.head_start_s = within_s, settings.card_head_start_ms / 1000
        self._news = asyncio.Condition()
        self._until: dict[UUID, float] = {}  # loop time at which the seconds of a call end
        self._shown: dict[UUID, asyncio.Event] = {}  # calls whose card is on its way

    async def hear_news(self) -> None:
        """Until cancelled: wakes the waiting when an agent's state changed or his card is on the screen."""
        async for news in self.bus.hear():
            if isinstance(news, CardShown):
                if shown := self._shown.get(news.call_id):
                    shown.set()
            elif news is None or isinstance(news, AgentChanged):
                async with self._news:
                    self._news.notify_all()

    async def __call__(self, agi: AgiSession) -> None:
        """Sets AGENT_CHANNEL. Without it, or when this raises, the dialplan goes on to the message."""
        script = agi.env.get("agi_network_script")
        if script == "call-in":
            await self._who_calls(agi)
        elif script in {"connect", "connect-in", "connect-asked", "machine"}:
            try:
                call_id = UUID(agi.env["agi_arg_1" if script in {"connect-in", "connect-asked"} else "agi_uniqueid"])
            except (KeyError, ValueError):
                log.warning("AGI request without a call of ours")
                return
            if script == "machine":
                await self._is_machine(agi, call_id, self.within_s - MARGIN_S)
                return
            if script == "connect-asked" and not await self._asked(call_id):
                return
            within_s = self.within_s - MARGIN_S if script == "connect" else await self._wait_of_caller()
            await self._connect(agi, call_id, within_s, came_in=script != "connect")
        elif script == "connect-again":
            await self._again(agi)
        else:
            log.warning("unknown AGI request")

    async def _who_calls(self, agi: AgiSession) -> None:
        """Sets BO_CALL, BO_REC, BO_LANG, also for a caller whom nobody knows; without BO_CALL he hears the message."""
        async with self.database.begin() as s:
            call = await call_backs.came_in(
                s, self.settings, channel_id=agi.env["agi_uniqueid"], number=agi.env.get("agi_callerid", ""),
                called=agi.env.get("agi_arg_1", ""), now=self.clock.now(), wall=self.clock.wall(), today=self.clock.today(),
            )  # fmt: skip
        await self.bus.publish(CallChanged(call_id=call.id))
        values = {
            "BO_LANG": call.language,
            "BO_REC": call.recording,
            "BO_POINT": str(call.contact_point_id or ""),
            "BO_CALL": str(call.id),
        }
        for name, value in values.items():
            await agi.run(agi.set_variable, name, value)

    async def _again(self, agi: AgiSession) -> None:
        """The next free agent, within what is left of the same seconds (FL-10); who lost the call is told by his desk."""
        try:
            call_id = UUID(agi.env["agi_arg_1"])
        except (KeyError, ValueError):
            log.warning("AGI request without a call of ours")
            return
        line_id, busy = agi.env.get("agi_arg_2", ""), agi.env.get("agi_arg_3") == "BUSY"
        async with self.database.begin() as s:
            loser = await attempts.line_died(s, call_id, line_id, self.clock.wall(), busy=busy)
            attempt = await s.get(attempts.CallAttempt, call_id)
            came_in = attempt is not None and (attempt.direction == "in" or attempt.robot)
        log.warning("an agent's line died before the bridge", call_id=str(call_id), agent=str(loser), busy=busy)
        if loser is not None:
            await self.bus.publish(AgentChanged(agent_id=loser), CallChanged(call_id=call_id))
        now = asyncio.get_running_loop().time()
        await self._connect(agi, call_id, self._until.get(call_id, now) - now, came_in=came_in)

    def _remember(self, call_id: UUID, deadline: float, now: float) -> None:
        for old in [one for one, until in self._until.items() if until < now - KEPT_S]:
            del self._until[old]
        self._until[call_id] = deadline

    async def _connect(self, agi: AgiSession, call_id: UUID, within_s: float, *, came_in: bool) -> None:
        take = call_backs.connect if came_in else attempts.connect
        now = asyncio.get_running_loop().time()
        deadline = now + within_s
        self._remember(call_id, deadline, now)
        before = agi.env.get("agi_network_script") == "connect" and agi.env.get("agi_arg_1") == "before"
        if before and await self._is_machine(agi, call_id, within_s):
            return
        while within_s > 0:
            wall = self.clock.wall()
            async with self.database.begin() as s:
                agent = await take(s, call_id, wall)
                attempt = await s.get(attempts.CallAttempt, call_id)
                warns = self.settings.recording_notice == "prompt" and attempt is not None and not attempt.robot
                if agent and attempt and attempt.notice_rule and warns:
                    attempt.notice, attempt.notice_language = (
                        "prompt",
                        attempt.language,
                    )  # its time: when the voices meet
            if agent is not None and attempt is not None:
                pop = ScreenPop(agent_id=agent.user_id, case_id=attempt.case_id, call_id=call_id)
                if attempt.notice:
                    await agi.run(agi.set_variable, "BO_NOTICE", "1")
                if not attempt.held:
                    await self._show_card(pop)
                else:  # his card has stood there since before the dial
                    await self.bus.publish(AgentChanged(agent_id=agent.user_id), CallChanged(call_id=call_id))
                await agi.run(agi.set_variable, "AGENT_CHANNEL", agent.line_id)
                return
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0 or attempt is None or attempt.ended_at is not None or attempt.agent_id is not None:
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_AGAIN_S)), self._news:
                    await self._news.wait()
        async with self.database.begin() as s:
            gone = await attempts.give_up(s, call_id)
        if gone:
            log.info("nobody free in time", call_id=str(call_id), within_s=within_s, came_in=came_in)
            await self.bus.publish(CallChanged(call_id=call_id))

    async def _is_machine(self, agi: AgiSession, call_id: UUID, within_s: float) -> bool:
        """Sets BO_MACHINE when the ear is certain of it within these seconds."""
        if self.ear is None or not await self.ear.is_machine(call_id, min(EAR_S, within_s - MARGIN_S)):
            return False
        await agi.run(agi.set_variable, "BO_MACHINE", "1")
        return True

    async def _asked(self, call_id: UUID) -> bool:
        """Who heard a call without an agent wants one."""
        async with self.database.begin() as s:
            asked = await robots.asks_for_agent(s, call_id)
        await self.bus.publish(CallChanged(call_id=call_id))
        return asked

    async def _wait_of_caller(self) -> float:
        """Seconds; 0 = nobody will take this call. While it could not be recorded he hears the message and is called back."""
        room = recording_room.look(self.settings)
        if room is not None and room.full:
            log.error("the recordings volume is full: a caller hears the message", used_pct=room.used_pct)
            return 0
        if not call_backs.is_open(self.settings, self.clock.now().astimezone(self.clock.zone)):
            return 0
        async with self.database.begin() as s:
            return float(self.settings.calls_in_wait_s) if await call_backs.somebody_works(s) else 0

    async def _show_card(self, pop: ScreenPop) -> None:
        """Sends the pop and gives the card its head start; without a console the voice waits no longer than that."""
        shown = self._shown[pop.call_id] = asyncio.Event()
        try:
            await self.bus.publish(pop, AgentChanged(agent_id=pop.agent_id))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.head_start_s):
                    await shown.wait()
        finally:
            del self._shown[pop.call_id]
