"""The dialer's loop: observe, decide, claim, place. One dialer leads by lease; the others wait."""

import asyncio
import contextlib
import time
from collections import deque
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from asterisk_conf import prompts
from backoffice_core import leases
from backoffice_core.bus import Bus
from backoffice_core.call_centre import agents, attempts, legs, trunks
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.stop import draining, stopped
from backoffice_core.call_centre.trunk_rules import Spacing, in_order
from backoffice_core.clock import Clock
from backoffice_core.config import Settings, Trunk
from backoffice_core.db import Database
from backoffice_core.events import (
    AgentChanged,
    CallChanged,
    LegWanted,
    PreviewWanted,
    QueueChanged,
    StopChanged,
    StopListChanged,
    TrunksChanged,
)
from backoffice_core.leases import Held, LeaseLost
from backoffice_core.parts.ready import mark_ready
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused, ActionUnknown, Event, LinkDown
from dialer.clock_watch import ClockWatch
from dialer.legs import Legs
from dialer.line_watch import LineWatch
from dialer.originate import Caller
from dialer.pacing import Decision, progressive
from dialer.previewed import Previewed
from dialer.stop_list import StopListWatch

log = structlog.get_logger()

TICK_S = 0.5  # re-read without news
GATHER_S = 0.04  # news come in flocks: one step serves them all
STOP_LOOK_S = 0.2
SWEEP_S = 5.0
STEP_S = 1.0  # a step that dials longer than this observes again, so that a slow trunk's calls fit the agents of now
_WAKES = (AgentChanged, QueueChanged, StopChanged, LegWanted, PreviewWanted, TrunksChanged)
MAX_PASSED = 200  # refused tasks looked at in one step, so that a long refused head of the queue cannot stall the loop


class Dialer:
    def __init__(self, settings: Settings, database: Database, bus: Bus, clock: Clock) -> None:
        self.settings, self.database, self.bus, self.clock = settings, database, bus, clock
        self.ami = Ami(
            settings.asterisk_host, settings.ports.ami, "dialer", settings.derived_secret("ami:dialer"), "dialer",
            wanted=frozenset({"Newstate", "Hangup"}),
        )  # fmt: skip
        self.caller = Caller(settings, database, bus, clock, self.ami)
        self.legs = Legs(settings, database, bus, clock, self.ami)
        self.previewed = Previewed(settings, database, bus, clock, self.caller)
        self.line_watch = LineWatch(settings, database, bus, clock, self.ami)
        self.watch = ClockWatch(settings, database, bus, clock)
        self.wake = asyncio.Event()
        self.last: Decision | None = None
        self.lacking: list[str] = []  # prompts
        self.lease: Held | None = None
        self.no_more_ringing: deque[UUID] = deque(maxlen=1000)
        self.stop_list = StopListWatch(database, bus, clock, self.ami, self.no_more_ringing)
        self.swept = 0.0  # when lines were last compared, monotonic
        self.spacing = {trunk.name: Spacing(trunk.calls_per_second) for trunk in settings.trunks}

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.ami.run())
            group.create_task(self._hear_exchange())
            group.create_task(self._hear_news())
            group.create_task(self._obey_stop())
            group.create_task(self.stop_list.run())
            group.create_task(self.watch.run())
            group.create_task(self._lead())

    # --- news ----------------------------------------------------------------------------------------------------

    async def _hear_exchange(self) -> None:
        """Keeps the set of ringing calls true, for stop."""
        async for event in self.ami.events():
            if isinstance(event, Event) and (
                event.name == "Hangup" or (event.name == "Newstate" and event.get("ChannelState") == "6")
            ):
                with contextlib.suppress(ValueError):
                    self.no_more_ringing.append(call_id := UUID(event.get("Uniqueid")))
                    self.caller.ringing.discard(call_id)

    async def _hear_news(self) -> None:
        async for news in self.bus.hear():
            if news is None or isinstance(news, StopListChanged):
                self.stop_list.wake.set()
            ended_without_agent = isinstance(news, CallChanged) and news.agent_id is None
            if news is None or ended_without_agent or isinstance(news, _WAKES):
                self.wake.set()

    async def _obey_stop(self) -> None:
        """Looks at the stop file by itself: neither database nor Redis nor a slow loop may delay it."""
        while True:
            if self.caller.ringing and stopped(self.settings):
                await self.caller.take_back()
            await asyncio.sleep(STOP_LOOK_S)

    # --- leading -------------------------------------------------------------------------------------------------

    async def _lead(self) -> None:
        await leases.lead(
            self.database, leases.POOL, self._work_and_listen, waiting=lambda: mark_ready(self.settings, "dialer")
        )

    async def _work_and_listen(self, lease: Held) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work(lease))
            group.create_task(self.line_watch.run(lease))

    async def _work(self, lease: Held) -> None:
        """Until the lease is lost. Each claim asks the database whether it is."""
        self.lease = lease
        away = True
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.wake.wait(), TICK_S)
            await asyncio.sleep(GATHER_S)
            self.wake.clear()
            try:
                if away:
                    await self._take_over()
                away = False
                mark_ready(self.settings, "dialer")
                if self.ami.up:
                    await self._look_after_lines(lease)
                    await self.place_further()
                    await self.previewed.step(lease, closed=self._closed() or self._speechless())
                if self.ami.up and not self._closed() and not self._speechless():
                    await self.step()
            except LeaseLost:
                log.warning("not leading; nothing is claimed")
                await asyncio.sleep(leases.RENEW_S)
            except (DBAPIError, PoolTimeout, OSError, TimeoutError) as error:
                log.warning("no database; not dialing", error=type(error).__name__)
                away = True
                await asyncio.sleep(1.0)

    async def _take_over(self) -> None:
        """What the last leader left ringing is ours to take back on stop."""
        ringing = select(CallAttempt.id).where(
            CallAttempt.ended_at.is_(None), CallAttempt.answered_at.is_(None), CallAttempt.direction == "out"
        )
        async with self.database.begin() as s:
            found = (await s.execute(ringing)).scalars()
        self.caller.ringing.update(set(found) - set(self.no_more_ringing))  # the listener may write a moment later

    async def _look_after_lines(self, lease: Held) -> None:
        try:
            await self.legs.end_released()
            await self.legs.call_missing(lease, dialing=not self._closed())
            await self.legs.move_tested()
            if time.monotonic() - self.swept > SWEEP_S:
                self.swept = time.monotonic()
                await self.legs.hang_up_ownerless()
        except (LinkDown, ActionUnknown, ActionRefused) as error:
            log.warning("lines not looked after", error=error.code)

    def _closed(self) -> bool:
        return bool(stopped(self.settings)) or draining(self.settings)

    def _speechless(self) -> bool:
        """A message that a call may need is missing: no call is begun that might end in silence (FL-19)."""
        lacking = prompts.missing(self.settings)
        if lacking != self.lacking:
            log.warning("not dialing: prompts are missing" if lacking else "all prompts are there", missing=lacking)
        self.lacking = lacking
        return bool(lacking)

    async def place_further(self) -> None:
        """Calls whose trunk has failed them go out on the next one, before any new call (FL-04)."""
        began = asyncio.get_running_loop().time()
        async with self.database.begin() as s:
            if self.lease is not None:
                await leases.confirm(s, self.lease)
            taken = await legs.take_wanted(s, self.settings, self.clock.wall())
        for placing in taken:
            await self._space(placing.trunk.name)
            log.info("another trunk is tried", call_id=str(placing.call_id), leg=placing.leg, trunk=placing.trunk.name)
            if await self.caller.place(placing, began):
                await self.bus.publish(CallChanged(call_id=placing.call_id))

    async def _space(self, trunk: str) -> None:
        """Waits until this trunk takes another call: never more in any second than its limit."""
        clock, spacing = asyncio.get_running_loop().time, self.spacing[trunk]
        if wait := spacing.wait_s(clock()):
            await asyncio.sleep(wait)
        spacing.take(clock())

    async def step(self) -> Decision:
        """One observation, one decision, and the calls it leads to. Long lists of calls are looked at anew on the way."""
        trunks_in_order, seen = await self._observe()
        decision = progressive(**seen)
        if decision != self.last and (decision.calls or self.last is None or self.last.calls):
            log.info("paced", calls=decision.calls, bound=decision.bound, **decision.terms)
        self.last = decision
        placed = passed = 0
        clock = asyncio.get_running_loop().time
        until = clock() + STEP_S
        while placed < decision.calls and passed < MAX_PASSED and self._may_place():
            if clock() > until:
                self.wake.set()
                break
            trunk, *others = trunks_in_order
            if wait := self.spacing[trunk.name].wait_s(clock()):
                await asyncio.sleep(wait)
            began = clock()
            async with self.database.begin() as s:
                taken = await attempts.claim(
                    s,
                    self.settings,
                    trunk=trunk,
                    others=others,
                    now=self.clock.now(),
                    today=self.clock.today(),
                    wall=self.clock.wall(),
                    lease=self.lease,
                )
            if taken is None:
                break
            if isinstance(taken, attempts.Passed):
                passed += 1
                continue
            placed += 1
            self.spacing[taken.trunk.name].take(clock())
            if await self.caller.place(taken, began):
                held = [AgentChanged(agent_id=taken.agent_id)] if taken.agent_id else []
                await self.bus.publish(CallChanged(call_id=taken.call_id, agent_id=taken.agent_id), *held)
        if passed >= MAX_PASSED:
            self.wake.set()
        return decision

    def _may_place(self) -> bool:
        self.watch.look()
        return self.ami.up and not stopped(self.settings)

    async def _observe(self) -> tuple[list[Trunk], dict[str, int]]:
        """The trunks that may take a call now, in the order in which they are tried, and the pool as PostgreSQL has it.

        `lines_free` is of the first trunk: a step dials what that one takes, the next step sees who is first then.
        """
        flying = select(func.count()).where(
            CallAttempt.ended_at.is_(None), CallAttempt.agent_id.is_(None), ~CallAttempt.abandoned
        )
        wall, today = self.clock.wall(), self.clock.today()
        async with self.database.begin() as s:
            in_flight = (await s.execute(flying)).scalar_one()
            free = await agents.count_free(s)
            await attempts.wake_due(s, self.clock.today(), self.clock.now())
            day_start, _ = self.clock.day_bounds(today)
            standings = await trunks.standings(s, self.settings, wall=wall, day_start=day_start)
            out_of_money = await trunks.note_money(s, list(standings.values()), today, wall)
        if out_of_money:
            log.warning("a trunk's money of the day is used up", trunks=out_of_money)
            await self.bus.publish(TrunksChanged())
        usable = in_order(standings.values(), wall)
        lines_free = usable[0].lines_free(wall) if usable else 0
        order = [self.settings.trunk(one.name) for one in usable]
        return order, {"free": free, "in_flight": in_flight, "lines_free": lines_free}
