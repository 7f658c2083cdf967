"""`backoffice worker`: the night by schedule, the care for recordings (recordings/keeper.py), and the end of overdue wrap-ups."""

import asyncio
import time

import asyncpg
import structlog
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Schedule
from pgqueuer.queries import Queries
from sqlalchemy.exc import DBAPIError

from backoffice_core import clock as clocks
from backoffice_core import config
from backoffice_core.audit import service as audit
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import call_backs
from backoffice_core.call_centre.carriers import caller_ids
from backoffice_core.call_centre.desks import wrap_up
from backoffice_core.call_centre.queueing import hour_order, queue, requeue
from backoffice_core.clock import Clock
from backoffice_core.compliance import elsewhere
from backoffice_core.config import Settings
from backoffice_core.db import AWAY, Database
from backoffice_core.errors import Refused
from backoffice_core.events import AgentChanged, CallChanged, QueueChanged, TrunksChanged
from backoffice_core.listening import Ears
from backoffice_core.nightly import run_night
from backoffice_core.outbox import service as outbox
from backoffice_core.outbox.sender import Sender
from backoffice_core.parts import wal
from backoffice_core.parts.ready import mark_ready
from backoffice_core.program import JUDGES, calm_collector, run_program
from backoffice_core.staff import clients
from recordings.keeper import Keeper

log = structlog.get_logger()
WRAP_UP_LOOK_S = 1.0
CALLER_IDS_EVERY_S = 60.0
HOUR_S = 3600.0
HOURLY_RETRY_S = 60.0
SHIP_LOG_EVERY_S = 5.0
CALL_BACK_LOOK_S = 1.0
REQUEUE_LOOK_S = 0.25
REQUEUE_SAY_S = 2.0
NEW_HOUR_LOOK_S = 15.0


class Worker:
    def __init__(self, settings: Settings, database: Database, bus: Bus, clock: Clock) -> None:
        self.settings, self.database, self.bus, self.clock = settings, database, bus, clock

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._jobs())
            group.create_task(Keeper(self.settings, self.database, self.bus, self.clock).run())
            group.create_task(self._end_wrap_ups())
            group.create_task(self._review_caller_ids())
            group.create_task(self._each_hour())
            group.create_task(self._ship_log())
            group.create_task(self._call_back())
            group.create_task(Sender(self.settings, self.database, self.clock).run())
            for share in range(queue.SHARES):
                group.create_task(self._requeue(share))
            group.create_task(self._plan_hours())
            group.create_task(Ears(self.settings, self.database, self.bus, self.clock).run())

    async def _jobs(self) -> None:
        """pgqueuer runs the jobs: with several workers, each tick runs in one of them."""
        while True:
            try:
                connection = await asyncpg.connect(self.settings.database.replace("+asyncpg", ""), timeout=5)
                driver = AsyncpgDriver(connection)
                tables = Queries(driver)
                if not await tables.schema_is_installed():
                    await tables.install()
                pgq = PgQueuer(driver)
                pgq.schedule("night", "* * * * *")(self._night)
                mark_ready(self.settings, "worker")
                await pgq.run()
                return
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.warning("jobs wait for the database", error=type(error).__name__)
                await asyncio.sleep(2)

    async def _night(self, _: Schedule) -> None:
        """Every minute: has the bank's night come, and is its work done? The steps themselves run once a date."""
        now = self.clock.now().astimezone(self.clock.zone)
        if f"{now:%H:%M}" >= self.settings.nightly_at:
            hour, minute = map(int, self.settings.nightly_until.split(":"))
            until = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
            late_start = now >= until  # by a restart, or a clock that was moved: then it takes its time
            await run_night(self.database, self.clock, self.settings, now.date(), until=None if late_start else until)

    async def _end_wrap_ups(self) -> None:
        while True:
            try:
                await self.end_wrap_ups()
            except AWAY as error:
                log.warning("wrap-ups wait", error=type(error).__name__)
            await asyncio.sleep(WRAP_UP_LOOK_S)

    async def _ship_log(self) -> None:
        """PostgreSQL's log into the backups, so that any minute since the last one can be restored."""
        while True:
            try:
                if self.settings.embedded_postgres:
                    await asyncio.to_thread(wal.ship, self.settings)
            except (OSError, Refused) as error:
                log.error("the log is not in the backups; it waits in the spool", error=type(error).__name__)
            await asyncio.sleep(SHIP_LOG_EVERY_S)

    async def _call_back(self) -> None:
        """Callers whom nobody took get their task within seconds of hanging up (FL-02)."""
        while True:
            try:
                async with self.database.begin() as s:
                    done = await call_backs.follow_missed(
                        s, self.settings, self.clock.now().astimezone(self.clock.zone)
                    )
                if done:
                    await self.bus.publish(QueueChanged(), *(CallChanged(call_id=call_id) for call_id in done))
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("call-backs wait", error=type(error).__name__)
            await asyncio.sleep(CALL_BACK_LOOK_S)

    async def _requeue(self, share: int) -> None:
        """Cases of which a fact has changed are judged anew within a second: in a row while there are any, then by a look
        every quarter of one, which nobody has to wake and no lost news can delay."""
        said = 0.0
        while True:
            done: requeue.Requeued | None = None
            try:
                done = await self.requeue(share)
                if done is not None and done.left and time.monotonic() - said > REQUEUE_SAY_S:
                    said = time.monotonic()
                    async with self.database.begin() as s:
                        log.info("judging the queue anew", left=await requeue.marks_left(s))
            except AWAY as error:
                log.warning("changed cases wait", error=type(error).__name__)
            except (
                Exception
            ) as error:  # the other work of this program goes on; what is wrong stands in the log, nobody's data
                log.error("changed cases cannot be judged", error=type(error).__name__)
                await asyncio.sleep(REQUEUE_SAY_S)
            if done is None or not done.left or not done.judged:  # what is left may be the other share's
                await asyncio.sleep(REQUEUE_LOOK_S)

    async def requeue(self, share: int) -> requeue.Requeued | None:
        """One step of it, and the news where the queue has changed."""
        now = self.clock.now()
        async with self.database.begin() as s:
            done = await requeue.rejudge(
                s, self.settings, now=now, today=self.clock.today(), zone=self.clock.zone, share=share
            )
        if done is not None and done.changed:
            await self.bus.publish(QueueChanged())
        return done

    async def _plan_hours(self) -> None:
        """At the beginning of each hour cases find their places by what was learned of the hours that are left (CC-11)."""
        while True:
            try:
                if (hour := await self.plan_hour()) is not None:
                    log.info("the hour is planned", cases=hour.cases, moved=len(hour.moves), judged=len(hour.judged))
                    await self.bus.publish(QueueChanged())
            except AWAY as error:
                log.warning("the plan of the hour waits", error=type(error).__name__)
            await asyncio.sleep(NEW_HOUR_LOOK_S)

    async def plan_hour(self) -> hour_order.Hour | None:
        """None when there is nothing to plan. Raises what the database raises; then it is planned by the next look."""
        now, today = self.clock.now(), self.clock.today()
        async with self.database.begin() as s:
            hour = await hour_order.new_hour(s, now=now, today=today, zone=self.clock.zone)
            for part in hour.parts if hour is not None else ():
                async with self.database.begin() as one:
                    await hour_order.move(one, part)
        return hour

    async def _review_caller_ids(self) -> None:
        """Numbers that show the operators' signs of blocking leave the pool (FL-03)."""
        while True:
            try:
                async with self.database.begin() as s:
                    out = await caller_ids.review(s, self.settings, now=self.clock.now(), wall=self.clock.wall())
                if out:
                    log.warning("caller ids have left the pool", numbers=out)  # our own numbers, nobody's secret
                    await self.bus.publish(TrunksChanged())
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("caller ids not looked at", error=type(error).__name__)
            await asyncio.sleep(CALLER_IDS_EVERY_S)

    async def end_wrap_ups(self) -> None:
        """One look at all seats: whose seconds for the result are over is paused, his talk waits for a supervisor."""
        wall, limit_s = self.clock.wall(), self.settings.wrap_up_s
        async with self.database.begin() as s:
            seats = await wrap_up.overdue(s, wall, limit_s)
        for seat in seats:
            async with self.database.begin() as s:
                ended = await wrap_up.end(s, seat, now=self.clock.now(), wall=wall, limit_s=limit_s)
            if ended:
                agent_id, call_id = ended
                log.warning("a talk has no result", call_id=str(call_id), agent_id=str(agent_id))
                await self.bus.publish(AgentChanged(agent_id=agent_id), CallChanged(call_id=call_id, agent_id=agent_id))

    async def _each_hour(self) -> None:
        """At the start and each hour: people are looked for whose contacts elsewhere came before they did, and the end of
        the audit's chain goes into a file, by which rows that are cut off later are found."""
        while True:
            try:
                async with self.database.begin() as s:
                    await elsewhere.match_again(s)
                    await clients.forget(s, self.clock.wall())
                    await outbox.forget(s, self.clock.wall())
                async with self.database.begin() as s:
                    head = await audit.head(s, audit.secret(self.settings))
                await asyncio.to_thread(audit.keep, self.settings, head)
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("hourly work waits", error=type(error).__name__)
                await asyncio.sleep(HOURLY_RETRY_S)
            else:
                await asyncio.sleep(HOUR_S)


async def _run() -> None:
    settings = config.load()
    bus, database = Bus(settings), Database(settings, pool=4, name="worker")
    calm_collector(JUDGES)
    try:
        await Worker(settings, database, bus, clocks.load(settings)).run()
    finally:
        await asyncio.gather(bus.close(), database.close())


def run(_: Settings) -> None:
    """Until a signal: jobs and recordings."""
    run_program("worker", _run)
