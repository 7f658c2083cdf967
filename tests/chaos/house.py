"""The house under faults: servers and programs under two supervisors, as in containers, with links that can be cut."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil
import redis.asyncio as redis
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from backoffice_core import clock
from backoffice_core.call_centre.models import CallTask
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.parts import process
from backoffice_core.parts import state as states
from tests import house
from tests.chaos.links import Link
from tests.chaos.plan import PROGRAMS, SERVERS, Fault
from tests.chaos.truth import Done
from tests.conftest import ROOT, fresh_settings, until
from tests.running import RunningHouse

PART_LIMIT_S = 40.0
WAITING_TASKS, LAID_AT_ONCE = 20, 12
IN_VAIN = ("NO_ANSWER", "BUSY", "REJECTED", "ABANDONED", "SILENT", "FAILED", "CONGESTION")
# What the far end does (far_end/README.md): mostly persons who talk for some seconds
ENDINGS = (
    "030", "030", "130", "130", "040", "140", "100", "000", "020", "031", "131", "041", "030", "130", "100", "001",
    "486", "404", "603", "500", "230", "777",
)  # fmt: skip


def wall() -> datetime:
    return datetime.now(UTC)


class ChaosHouse(RunningHouse):
    """`settings` lead straight to the servers; the programs' own (`programs`) lead through the links."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        ami, news = process.free_ports(2)
        sockets = settings.run_dir / "link"
        self.links = {
            "ami": Link("ami", ami, settings.ports.ami),
            "redis": Link("redis", news, settings.ports.redis),
            "postgres": Link("postgres", sockets / ".s.PGSQL.5432", settings.run_dir / ".s.PGSQL.5432"),
        }
        self.programs = settings.model_copy(
            update={
                "ports": settings.ports.model_copy(update={"ami": ami}),
                "database_url": f"postgresql+asyncpg://backoffice@/backoffice?host={sockets}",
                "redis_url": f"redis://127.0.0.1:{news}/0",
            }
        )

    # --- starting and ending -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Raises AssertionError with the log's last lines when a part does not come up."""
        for folder in (self.settings.run_dir, self.settings.run_dir / "link", self.settings.data / "log"):
            process.own_folder(folder, unprivileged_owner=folder.name != "log")
        self.clock = clock.load(self.settings, restart=True)
        ports = self.settings.ports
        self.spawn(
            "far_end.carrier", "--port", str(ports.far_end), "--rtp-port", str(ports.far_end_rtp),
            "--log", str(self.carrier_log), "--chords",
        )  # fmt: skip
        await self._supervise(self.settings, SERVERS)
        for link in self.links.values():
            await link.start()
        await self._keep_moments_of_commits()
        async with self.database() as database, database.begin() as s:
            await house.rules_in_force(s, self.clock)
        await self._supervise(self.programs, PROGRAMS)

    async def _keep_moments_of_commits(self) -> None:
        """A row's own stamp may be seconds older than its commit, when the link or the program stood still in between."""
        async with self.database() as database, database.reading.connect() as connection:
            await connection.execute(text("ALTER SYSTEM SET track_commit_timestamp = on"))
        old = self.part("postgres")
        old.send_signal(signal.SIGINT)

        async def again() -> bool:
            new = self.find("postgres")
            return new is not None and new.pid != old.pid

        await until(again, 30, every=0.1, what="postgres up again")

    async def _supervise(self, settings: Settings, names: tuple[str, ...]) -> None:
        log = self.settings.data / "log" / f"{names[-1]}-and-others.log"
        with log.open("ab") as out:
            child = subprocess.Popen(  # noqa: ASYNC220 (it is started, not waited for)
                [sys.executable, "-m", "backoffice_core", "supervise", "--only", ",".join(names)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", start_new_session=True,
                env=os.environ | process.environment(settings) | {"PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        self.children.append(child)

        def runs() -> bool:
            if child.poll() is not None:
                raise AssertionError("\n".join(process.tail(log, 20)))
            state = states.read(self.settings, "-".join(names))
            return state is not None and state.phase == "running"

        await until(runs, 90, every=0.1, what=f"{', '.join(names)} run")

    async def stop(self) -> None:
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    await asyncio.to_thread(child.wait, 15)
        for link in self.links.values():
            await link.close()

    # --- faults --------------------------------------------------------------------------------------------------

    def find(self, name: str) -> psutil.Process | None:
        """The process of a part; None while it is being started again."""
        for names in (SERVERS, PROGRAMS):
            state = states.read(self.settings, "-".join(names))
            for part in state.parts if state else ():
                if part.name == name and part.state == "up":
                    return part.process
        return None

    def part(self, name: str) -> psutil.Process:
        found = self.find(name)
        assert found is not None, f"{name} does not run"
        return found

    async def make(self, fault: Fault) -> Done:
        """Makes the fault once its victim is up and its trigger has come, and ends it.

        Raises AssertionError when a part does not come back, or a supervisor or the far end has ended.
        """
        dead = [child.args for child in self.children if child.poll() is not None]
        assert not dead, f"ended by themselves: {dead}"
        victim: psutil.Process | None = None
        if fault.what in {"kill", "freeze"}:
            victim = await until(lambda: self.find(fault.whom), PART_LIMIT_S, every=0.05, what=f"{fault.whom} up")
        release = await self._trigger(fault)
        began = wall()
        match fault.what:
            case "kill" | "freeze":
                assert victim is not None
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.send_signal(signal.SIGKILL if fault.what == "kill" else signal.SIGSTOP)
            case "flush":
                server = redis.from_url(self.settings.redis)
                with contextlib.suppress(redis.RedisError, OSError):
                    await server.flushall()
                await server.aclose()
            case "cut":
                self.links[fault.whom].cut(True)
            case "mute":
                self.links[fault.whom].mute(True)
            case "slow":
                self.links[fault.whom].delay_s = 0.3
        release()
        await asyncio.sleep(fault.lasts_s)
        match fault.what:
            case "freeze":
                assert victim is not None
                with contextlib.suppress(psutil.NoSuchProcess):
                    victim.send_signal(signal.SIGCONT)
            case "cut":
                self.links[fault.whom].cut(False)
            case "mute":
                self.links[fault.whom].mute(False)
            case "slow":
                self.links[fault.whom].delay_s = 0.0
        return Done(fault.kind, began, wall() if fault.lasts_s else began)

    async def _trigger(self, fault: Fault, limit_s: float = 3.0) -> Callable[[], None]:
        """Waits for the event, at most `limit_s`; gives what lets go on what was held for it."""
        if fault.trigger.startswith("originate"):
            trap = self.links["ami"].trap(_is_call, before=fault.trigger == "originate-before")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(trap.sprung.wait(), limit_s)
            trap.sprung.set()  # a trap that was not sprung holds nothing later
            return trap.release
        if fault.trigger != "time":
            place, end = self.carrier_log.stat().st_size, time.monotonic() + limit_s
            wanted = f'"event": "{fault.trigger}"'.encode()
            while time.monotonic() < end:
                with self.carrier_log.open("rb") as log:
                    log.seek(place)
                    if wanted in log.read():
                        break
                await asyncio.sleep(0.01)
        await asyncio.sleep(fault.delay_s)
        return _nothing

    # --- work ----------------------------------------------------------------------------------------------------

    async def feed(self) -> None:
        """Until cancelled: keeps callable tasks in the queue, whatever is being broken."""
        while True:
            with contextlib.suppress(SQLAlchemyError, OSError, TimeoutError):
                async with self.database() as database:
                    while True:
                        await self._lay(database)
                        await asyncio.sleep(0.5)
            await asyncio.sleep(0.5)

    async def _lay(self, database: Database) -> None:
        """More borrowers when few wait; and who was called in vain is asked for again at once: only the rules say no."""
        async with database.begin() as s:
            impatient = update(CallTask).where(CallTask.state == "RETRY_WAIT", CallTask.state_reason.in_(IN_VAIN))
            await s.execute(impatient.values(earliest_at=None))
            waiting = await s.scalar(select(func.count()).where(CallTask.state == "ELIGIBLE"))
            for _ in range(LAID_AT_ONCE if (waiting or 0) < WAITING_TASKS else 0):
                self._numbers += 1
                number = f"+38067{self._numbers:04}{ENDINGS[self._numbers * 7 % len(ENDINGS)]}"
                await house.borrower(s, self.clock, number=number, position=self._numbers)


def _nothing() -> None:
    pass


def _is_call(piece: bytes) -> bool:
    return b"Action: Originate" in piece and b"Context: borrower" in piece


@contextlib.asynccontextmanager
async def chaos_house(data: Path) -> AsyncIterator[ChaosHouse]:
    """Raises AssertionError when it does not come up; nothing is left running."""
    one = ChaosHouse(fresh_settings(data, ring_timeout_s=15, nightly_at="23:59"))
    try:
        await one.start()
        yield one
    finally:
        await one.stop()
