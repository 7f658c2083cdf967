"""The dialer's loop: observe, decide, claim, place. One dialer leads by lease; the others wait."""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from asterisk_conf import prompts
from backoffice_core import leases
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import attempts, legs
from backoffice_core.call_centre.carriers import trunks
from backoffice_core.call_centre.carriers.trunk_rules import Standing, in_order
from backoffice_core.call_centre.dialing import pacing_book, pacing_view, shelter
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.stop import draining, stopped
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.events import (
    AgentChanged,
    CallChanged,
    CampaignsChanged,
    LegWanted,
    MachineFound,
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
from dialer.agentless import Agentless, of_agents
from dialer.clock_watch import ClockWatch
from dialer.ears import Ears
from dialer.journal import Journal
from dialer.legs import Legs
from dialer.line_watch import LineWatch
from dialer.machines import MachineWatch
from dialer.originate import Caller
from dialer.placing import NO_AGENT, Placer
from dialer.pool import Heard, Plan, Pool, name_of, pools
from dialer.previewed import Previewed
from dialer.stop_list import StopListWatch
from dialer.terms import Terms, TermsWatch

log = structlog.get_logger()

TICK_S = 0.5  # re-read without news
GATHER_S = 0.04  # news come in flocks: one step serves them all
STOP_LOOK_S = 0.2
SWEEP_S = 5.0
PACE_LOOK_S = 5.0
STEP_S = 1.0  # a step that dials longer than this observes again, so that a slow trunk's calls fit the agents of now
EMPTY_S = 0.5  # so long nothing is asked of a campaign whose list had nothing to call, unless news come
_WAKES = (AgentChanged, QueueChanged, StopChanged, LegWanted, PreviewWanted, TrunksChanged, CampaignsChanged)
MAX_PASSED = 200  # refused tasks looked at in one step, so that a long refused head of the queue cannot stall the loop
CALLER_ID = "CALLER_ID"  # reasons of a refused task that begin so are our own lack of a number to show
HOURS = frozenset({"OUT_OF_HOURS", "NO_TIME_ZONE"})


@dataclass
class Look:
    """One observation of everything that a step decides by."""

    floor: pacing_view.Floor
    over: Mapping[UUID, pacing_view.Ended]
    standings: Sequence[Standing]  # usable ones, in the order in which they are tried
    terms: Terms


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
        self.terms = TermsWatch(settings, clock)
        self.pools: dict[str, Pool] = {}
        self.journal = Journal(database)
        self.empty: dict[
            str, tuple[float, str]
        ] = {}  # campaigns whose list had nothing: until when (loop time), and why
        self._told: dict[str, tuple[int, str]] = {}  # by pool, for the log
        self.lacking: list[str] = []  # prompts
        self.lease: Held | None = None
        self.ears = Ears()
        self.stop_list = StopListWatch(database, bus, clock, self.ami, self.ears)
        self.swept = 0.0  # when lines were last compared, monotonic
        self._paced = (1.0, 0.0)  # the factor, and until when it holds (monotonic)
        self.machines = MachineWatch(database, self.ami)
        self.placer = Placer(settings, database, bus, clock, self.caller)
        self.agentless = Agentless(self.placer, self._may_place)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.ami.run())
            group.create_task(self._hear_exchange())
            group.create_task(self._hear_news())
            group.create_task(self._obey_stop())
            group.create_task(self.stop_list.run())
            group.create_task(self.machines.run())
            group.create_task(self.watch.run())
            group.create_task(self._lead())

    # --- news ----------------------------------------------------------------------------------------------------

    async def _hear_exchange(self) -> None:
        """Keeps the set of ringing calls true, for stop and for the pools."""
        async for event in self.ami.events():
            if isinstance(event, Event) and (call_id := self.ears.hear(event)) is not None:
                self.caller.ringing.discard(call_id)

    async def _hear_news(self) -> None:
        async for news in self.bus.hear():
            if news is None or isinstance(news, StopListChanged):
                self.stop_list.wake.set()
            if news is None or isinstance(news, CampaignsChanged):
                self.terms.changed = True
            if news is None or isinstance(news, QueueChanged):
                self.empty.clear()
            if isinstance(news, MachineFound):
                self.machines.wake.set()
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
        self.pools.clear()  # another may have led meanwhile: its memory is newer
        away = True
        task = asyncio.current_task()
        # a rollback under way when the lease is lost may swallow the cancellation: then it is seen here
        while task is None or not task.cancelling():
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
        self.caller.ringing.update(
            one for one in found if one not in self.ears
        )  # the listener may write a moment later

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
            await self.placer.space(placing.trunk.name)
            log.info("another trunk is tried", call_id=str(placing.call_id), leg=placing.leg, trunk=placing.trunk.name)
            if await self.caller.place(placing, began):
                await self.bus.publish(CallChanged(call_id=placing.call_id))

    async def step(self) -> list[Plan]:
        """One observation, one decision a pool, and the calls it leads to. Long lists are looked at anew on the way."""
        look = await self._look()
        until = asyncio.get_running_loop().time() + STEP_S
        pace = await self._pace()
        lines = {one.name: one.lines_free(self.clock.wall()) for one in look.standings}
        plans = []
        found = pools(of_agents(look.terms.campaigns), look.terms)
        current = {name_of(rows): await self._pool(rows) for rows in found}
        self.pools = current
        for rows in found:
            pool = current[name_of(rows)]
            plan = self._plan(pool, rows, look, sum(lines.values()), pace)
            placed, stopped_by = await self._place(pool, plan, lines, until)
            bound = self._bound(plan, look, stopped_by)
            if (placed, bound) != self._told.get(pool.name) and (placed or self._told.get(pool.name, (1, ""))[0]):
                log.info("paced", pool=pool.name, calls=placed, bound=bound, **plan.decision.terms)
            self._told[pool.name] = (placed, bound)
            self.journal.note(pool.name, plan, placed, bound, self.clock.wall())
            plans.append(plan)
        for done in await self.agentless.step(look.floor, look.terms, lines, self.lease, pace=pace):
            name = next(iter(done.plan.given))
            self.journal.note(name, done.plan, done.placed, done.bound, self.clock.wall())
            plans.append(done.plan)
        await self.journal.write(self.pools, self.clock.wall())
        return plans

    async def _pace(self) -> float:
        """1, or less for a while after an alarm (FL-15); read every few seconds."""
        if time.monotonic() > self._paced[1]:
            async with self.database.begin() as s:
                self._paced = (await shelter.pace_factor(s, self.clock.wall()), time.monotonic() + PACE_LOOK_S)
        return self._paced[0]

    async def _pool(self, rows: Sequence[Campaign]) -> Pool:
        """The pool of these campaigns, with what one that shared a campaign has learned, or the last leader."""
        name = name_of(rows)
        if name not in self.pools:
            kin = [one for one in self.pools.values() if one.campaigns & {row.name for row in rows}]
            if kin:
                memory = max(kin, key=lambda one: len(one.campaigns)).memory()
            else:
                async with self.database.begin() as s:
                    memory = await pacing_book.memory(s, name) or {}
            self.pools[name] = Pool(rows, memory)
        return self.pools[name]

    def _plan(self, pool: Pool, rows: Sequence[Campaign], look: Look, lines: int, pace: float = 1.0) -> Plan:
        t, now = time.monotonic(), asyncio.get_running_loop().time()
        ends = look.terms.lawful_until
        left = (ends - self.clock.now()).total_seconds() if ends is not None else 0.0
        answered, over = self.ears.answered, self.ears.over
        unanswered = [call.id for call in look.floor.calls if call.answered_at is None]
        heard = Heard(
            {one: t - answered[one] for one in unanswered if one in answered},
            {one: t - over[one] for one in unanswered if one in over},
        )
        seen = pool.observe(
            look.floor, look.over, heard, rows, look.terms, t=t, wall=self.clock.wall(), horizon=t + max(left, 0.0),
            lines=lines, ring_timeout=float(self.settings.ring_timeout_s),
        )  # fmt: skip
        self.empty = {name: said for name, said in self.empty.items() if said[0] > now}
        return pool.plan(seen, look.floor, rows, look.terms, self.empty, pace)

    async def _place(self, pool: Pool, plan: Plan, lines: dict[str, int], until: float) -> tuple[int, str]:
        """Places the plan's calls on trunks that still have `lines`; how many, and what kept it from placing all: a bound,
        "" = nothing."""
        placed = passed = 0
        why = ""
        clock = asyncio.get_running_loop().time
        for campaign, calls in plan.given.items():
            left = calls
            while left > 0 and self._may_place():
                if not any(free > 0 for free in lines.values()):
                    return placed, "lines"
                if clock() > until or passed >= MAX_PASSED:
                    self.wake.set()
                    return placed, why
                taken = await self.placer.claim(campaign, lines, self.lease, in_hand=campaign in plan.in_hand)
                if taken == NO_AGENT:
                    break  # who was free has a call meanwhile
                if taken is None:
                    why = await self._nothing_to_call(campaign, why)
                    break
                if isinstance(taken, attempts.Passed):
                    passed += 1
                    why = "caller_ids" if taken.reason.startswith(CALLER_ID) else why
                    why = "clock" if taken.reason in HOURS else why
                    continue
                placed, left = placed + 1, left - 1
                if taken.agent_id is None:  # who has his agent already is nobody's risk
                    pool.placed(taken.call_id, self.clock.wall(), campaign)
                await self.placer.place(taken, lines)
        return placed, why

    async def _nothing_to_call(self, campaign: str, why: str) -> str:
        """Nothing of this campaign can be called just now: the others get its calls, from the next step on."""
        async with self.database.begin() as s:
            waits = await attempts.somebody_waits(s, self.clock.today(), campaign)
        bound = why or ("clock" if waits else "list")
        self.empty[campaign] = (asyncio.get_running_loop().time() + EMPTY_S, bound)
        if len(self.terms.now.campaigns) > 1:
            self.wake.set()
        return bound

    def _bound(self, plan: Plan, look: Look, stopped_by: str) -> str:
        """What held this step back, for the sentence that says why dialing is slow (FL-17)."""
        dialed = [name for name, account in plan.accounts.items() if account["mode"] != "preview"]
        if stopped_by and not (stopped_by in {"list", "clock"} and any(name not in self.empty for name in dialed)):
            return stopped_by  # one empty list among several holds nothing back
        if plan.given and all(name in self.empty for name in plan.given):
            return self.empty[next(iter(plan.given))][1]
        if not look.standings:
            return "lines"
        seats = look.floor.seats
        if plan.decision.bound == "agents" and not any(seat.free for seat in seats) and any(
            seat.state == "READY" for seat in seats
        ):  # fmt: skip
            return "legs"
        return plan.decision.bound

    def _may_place(self) -> bool:
        self.watch.look()
        return self.ami.up and not stopped(self.settings)

    async def _look(self) -> Look:
        """The floor as PostgreSQL has it now, the trunks that may take a call, and the campaigns' terms."""
        wall, today = self.clock.wall(), self.clock.today()
        async with self.database.begin() as s:
            floor = await pacing_view.look(s)
            gone = [one for pool in self.pools.values() for one in pool.gone(floor)]
            over = await pacing_view.ended(s, gone) if gone else {}
            terms = await self.terms.look(s)
            if await attempts.wake_due(s, today, self.clock.now()):
                self.empty.clear()
            day_start, _ = self.clock.day_bounds(today)
            standings = await trunks.standings(s, self.settings, wall=wall, day_start=day_start)
            out_of_money = await trunks.note_money(s, list(standings.values()), today, wall)
        if out_of_money:
            log.warning("a trunk's money of the day is used up", trunks=out_of_money)
            await self.bus.publish(TrunksChanged())
        return Look(floor, over, in_order(standings.values(), wall), terms)
