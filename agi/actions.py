"""What Asterisk asks for a channel. `connect`: an answered borrower needs an agent, now."""

import asyncio
import contextlib
from uuid import UUID

import structlog

from agi.session import AgiSession
from backoffice_core.bus import Bus
from backoffice_core.call_centre import attempts
from backoffice_core.clock import Clock
from backoffice_core.db import Database
from backoffice_core.events import AgentChanged, CallChanged, CardShown, ScreenPop

log = structlog.get_logger()
LOOK_AGAIN_S = 0.1  # also without news
MARGIN_S = 0.15  # of the rule's seconds, for the way back through the dialplan to the message


class Connect:
    """Gives the borrower the agent who waits longest; nobody within the rule's seconds, and the dialplan plays the message.

    `within_s` seconds from the answer: of the `dialer_limit` rules in force. `head_start_s`: the longest that the voice
    waits for the card, so that the agent sees the name before he hears it.
    """

    def __init__(self, database: Database, bus: Bus, clock: Clock, within_s: float, head_start_s: float) -> None:
        self.database, self.bus, self.clock = database, bus, clock
        self.within_s, self.head_start_s = within_s, head_start_s
        self._news = asyncio.Condition()
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
        if agi.env.get("agi_network_script") != "connect":
            log.warning("unknown AGI request")
            return
        try:
            call_id = UUID(agi.env["agi_uniqueid"])
        except (KeyError, ValueError):
            log.warning("AGI request without a call of ours")
            return
        deadline = asyncio.get_running_loop().time() + self.within_s - MARGIN_S
        while True:
            async with self.database.begin() as s:
                agent = await attempts.connect(s, call_id, self.clock.wall())
                attempt = await s.get(attempts.CallAttempt, call_id)
            if agent is not None and attempt is not None:
                pop = ScreenPop(agent_id=agent.user_id, case_id=attempt.case_id, call_id=call_id)
                await self._show_card(pop)
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
            log.info("nobody free within the rule's seconds", call_id=str(call_id), within_s=self.within_s)
            await self.bus.publish(CallChanged(call_id=call_id))

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
