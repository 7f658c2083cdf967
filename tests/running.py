"""A whole house running for tests: all parts under their supervisor, the far end's carrier, robot agents when asked.

Started as an operator starts it (`parts.control.up`), on free ports and in a data folder of its own.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from sqlalchemy import select, update

from backoffice_core.bus import Bus
from backoffice_core.call_centre.dialing.campaign_models import CampaignCase
from backoffice_core.call_centre.models import AgentSession, CallAttempt, CallerId, CallTask
from backoffice_core.clock import Clock
from backoffice_core.clock import load as load_clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.events import QueueChanged
from backoffice_core.migrations import migrate
from backoffice_core.parts import asterisk, control, process
from backoffice_core.parts import state as states
from backoffice_core.staff import service as staff
from tests import house
from tests.conftest import ROOT, fresh_settings, until

PASSWORD = "test-test-test"
ROBOTS_A_PROCESS = 10  # more would wait for each other, and not for the product


class RunningHouse:
    """`dial()` lays numbers into tonight's queue and wakes the dialer; the far end acts by their last three digits."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Clock = load_clock(settings)
        self.children: list[subprocess.Popen[bytes]] = []
        self.console = f"http://127.0.0.1:{settings.ports.console}"
        self.carrier_log = settings.data / "far-end.jsonl"
        self.release: Path | None = None  # the tree whose programs run, if not this one
        self._numbers = 0

    # --- programs -----------------------------------------------------------------------------------------------

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.settings.data / "log" / f"{arguments[0]}.log").open("ab") as out:
            child = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdout=out,
                stderr=out,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                cwd="/",
            )
        self.children.append(child)
        return child

    def part(self, name: str) -> psutil.Process:
        """The process of a part as the supervisor's state file has it."""
        state = states.read(self.settings)
        assert state is not None
        found = next(part for part in state.parts if part.name == name).process
        assert found is not None, f"{name} does not run"
        return found

    async def kill(self, name: str) -> None:
        """kill -9, and wait until the supervisor has started it again."""
        old = self.part(name)
        old.send_signal(signal.SIGKILL)
        await until(lambda: self._again(name, old.pid), 30, what=f"{name} up again after kill -9")

    @contextlib.asynccontextmanager
    async def away(self, name: str) -> AsyncIterator[None]:
        """kill -9, and nobody starts it again until the end of the block; then it is waited for."""
        state = states.read(self.settings)
        supervisor = state.supervisor if state else None
        assert supervisor is not None
        old = self.part(name)
        supervisor.suspend()
        try:
            old.send_signal(signal.SIGKILL)
            yield
        finally:
            supervisor.resume()
        await until(lambda: self._again(name, old.pid), 40, what=f"{name} up again")

    def _again(self, name: str, old: int) -> bool:
        state = states.read(self.settings)
        part = next(p for p in state.parts if p.name == name) if state else None
        return bool(part and part.state == "up" and part.pid not in (None, old))

    # --- content ------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        database = Database(self.settings, pool=2, name="tests")
        try:
            yield database
        finally:
            await database.close()

    async def dial(self, *endings: str, campaign: str = "collection") -> list[UUID]:
        """One new borrower and call task for each ending; returns the tasks' ids, in order. `campaign`: one to which lists are
        given."""
        async with self.database() as database, database.begin() as s:
            tasks = []
            for ending in endings:
                self._numbers += 1
                borrower = await house.borrower(s, self.clock, number=f"+38067{self._numbers:04}{ending}")
                if campaign != "collection":
                    await s.execute(update(CallerId).values(campaigns=["collection", campaign]))
                    borrower.task.campaign = campaign
                    s.add(CampaignCase(campaign=campaign, case_id=borrower.case.id))
                tasks.append(borrower.task.id)
        await self.news(QueueChanged())
        return tasks

    async def news(self, *news: Any) -> None:
        bus = Bus(self.settings)
        await bus.publish(*news)
        await bus.close()

    async def attempt(self, task: UUID) -> CallAttempt | None:
        async with self.database() as database, database.begin() as s:
            query = (
                select(CallAttempt).where(CallAttempt.task_id == task).order_by(CallAttempt.claimed_at.desc()).limit(1)
            )
            return (await s.execute(query)).scalar_one_or_none()

    async def ended(self, task: UUID, limit: float = 40) -> CallAttempt:
        async def look() -> CallAttempt | None:
            found = await self.attempt(task)
            return found if found and found.ended_at else None

        found: CallAttempt = await until(look, limit, every=0.1, what=f"the call of task {task} ended")
        return found

    async def met(self, tasks: list[UUID], limit: float = 60) -> None:
        """Waits until the voices of each of these tasks have met, now or a moment ago: on a slow machine the first talk may be
        over when the last begins. Raises AssertionError that tells how each call stands."""
        told: list[str] = []

        async def all_met() -> bool:
            found = [await self.attempt(task) for task in tasks]
            told[:] = [f"{one.state} {one.result} {one.claimed_at} {one.answered_at}" if one else "-" for one in found]
            return all(one and one.bridged_at for one in found)

        try:
            await until(all_met, limit, every=0.2)
        except AssertionError as error:
            raise AssertionError(f"not every call met its agent within {limit:g} s: {told}") from error

    async def clear_queue(self) -> None:
        """No task of an earlier test is left to dial."""
        async with self.database() as database, database.begin() as s:
            waiting = CallTask.state.in_(("ELIGIBLE", "RETRY_WAIT"))
            await s.execute(update(CallTask).where(waiting).values(state="CANCELLED", state_reason="TEST"))

    async def seats(self) -> list[AgentSession]:
        async with self.database() as database, database.begin() as s:
            return list((await s.execute(select(AgentSession).where(AgentSession.ended_at.is_(None)))).scalars())

    def carrier_events(self, number: str = "") -> list[dict[str, Any]]:
        """The far end's own log: the truth of what left us."""
        lines = [json.loads(line) for line in self.carrier_log.read_text().splitlines()]
        return [line for line in lines if not number or str(line.get("number", "")).endswith(number.lstrip("+"))]

    async def user(self, login: str, role: str, extension: int | None = None, *, robot: bool = False) -> None:
        async with self.database() as database, database.begin() as s:
            known = (await s.execute(select(staff.User.login).where(staff.User.login == login))).scalar_one_or_none()
            if known is None:
                await staff.create_user(
                    s, login=login, full_name=f"{login.capitalize()} Тестова", role=role, password=PASSWORD,
                    wall=self.clock.wall(), extension=extension, robot=robot,
                )  # fmt: skip

    @contextlib.asynccontextmanager
    async def robots(
        self, count: int, *, talk: str = "60", wrap: str = "0.2", options: tuple[str, ...] = ()
    ) -> AsyncIterator[Path]:
        """Robot agents at desks, ready; gives their log. They leave their seats at the end."""
        extensions = list(range(200, 200 + count))
        for extension in extensions:
            await self.user(f"robot{extension}", "agent", extension, robot=True)
        await asyncio.to_thread(self._make_phones_known)
        log, children = self.settings.data / "robots.jsonl", []
        for first in range(0, count, ROBOTS_A_PROCESS):
            seats = [
                {"login": f"robot{e}", "password": PASSWORD, "extension": e,
                 "phone_secret": self.settings.derived_secret(f"phone:{e}")}
                for e in extensions[first : first + ROBOTS_A_PROCESS]
            ]  # fmt: skip
            agents_file = self.settings.data / f"robots{first}.json"
            agents_file.write_text(json.dumps(seats))
            children.append(
                self.spawn(
                    "far_end.robots", "--agents", str(agents_file), "--log", str(log), "--console", self.console,
                    "--sip-port", str(self.settings.ports.sip), "--talk", talk, "--wrap", wrap,
                    "--today", str(self.clock.today()), *options,
                )
            )  # fmt: skip
        try:

            async def all_ready() -> bool:
                seats = await self.seats()
                return sum(seat.state == "READY" and seat.line == "UP" for seat in seats) >= count

            await until(all_ready, 40 + 3 * count, every=0.2, what=f"{count} robots ready with their lines up")
            yield log
        finally:
            for child in children:
                child.terminate()
            for child in children:
                await asyncio.to_thread(child.wait, 30)
            async with self.database() as database, database.begin() as s:
                open_seats = update(AgentSession).where(AgentSession.ended_at.is_(None))
                await s.execute(
                    open_seats.values(
                        state="OFF", ended_at=self.clock.wall(), line_wanted=False, line="NONE", call_id=None
                    )
                )

    def _make_phones_known(self) -> None:
        if self.release is None:
            asterisk.refresh(self.settings)
            return
        of_that = "from backoffice_core import config; from backoffice_core.parts import asterisk"
        self.run_release("-c", f"{of_that}; asterisk.refresh(config.load())")

    def run_release(self, *arguments: str) -> None:
        """Python in the tree whose programs run. Raises CalledProcessError."""
        path = {"PYTHONPATH": str(self.release or ROOT)}
        variables = os.environ | process.environment(self.settings) | path
        subprocess.run([sys.executable, *arguments], env=variables, cwd="/", check=True, stdout=sys.stderr)


@contextlib.contextmanager
def running_house(
    data: Path,
    *,
    carrier_options: tuple[str, ...] = (),
    release: Path | None = None,
    more_carriers: tuple[tuple[str, ...], ...] = (),
    **fields: Any,
) -> Iterator[RunningHouse]:
    """Raises what `up` raises, with the failing part's last log lines. `release`: another tree's programs, on our tables.
    `more_carriers`: the whole options of others."""
    settings = fresh_settings(data, **fields)
    one = RunningHouse(settings)
    one.release = release
    (settings.data / "log").mkdir(parents=True, exist_ok=True)
    one.spawn(
        "far_end.carrier", "--port", str(settings.ports.far_end), "--rtp-port", str(settings.ports.far_end_rtp),
        "--log", str(one.carrier_log), "--hear", str(settings.data / "heard"), "--exchange", str(settings.ports.sip),
        *carrier_options,
    )  # fmt: skip
    for options in more_carriers:
        one.spawn("far_end.carrier", *options)
    try:
        if release is None:
            control.up(settings, say=lambda _: None)
        else:
            one.run_release("-m", "backoffice_core", "up")
            migrate(settings)
        asyncio.run(_rules(one))
        yield one
    finally:
        control.down(settings, say=lambda _: None)
        for child in one.children:
            if child.poll() is None:
                child.terminate()
                child.wait(10)


async def _rules(one: RunningHouse) -> None:
    async with one.database() as database, database.begin() as s:
        await house.rules_in_force(s, one.clock)
