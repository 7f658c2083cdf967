"""What tests share: free ports, real PostgreSQL and Valkey for the session, a fresh database for each test.

The database of a test is a clone of one that the migrations made. Nothing here needs, or touches, an installation
that runs on the same machine; two runs at once do not meet.
"""

import asyncio
import inspect
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import hypothesis
import psutil
import pytest
import structlog

from backoffice_core.bus import Bus
from backoffice_core.clock import Clock
from backoffice_core.clock import load as load_clock
from backoffice_core.config import FAR_END, Ports, Settings
from backoffice_core.db import Database
from backoffice_core.migrations import migrate
from backoffice_core.parts import postgres as postgres_part
from backoffice_core.parts import process
from backoffice_core.parts import valkey as valkey_part
from backoffice_core.parts.part import Part
from tests import clones

ROOT = Path(__file__).resolve().parent.parent
MEDIA_PORTS = 200  # two a leg; a bench of more legs asks for more

for name in [name for name in os.environ if name.startswith(("BACKOFFICE_", "PG"))]:
    if name != "BACKOFFICE_ASTERISK":  # which Asterisk there is belongs to the machine
        del os.environ[name]  # a developer's own installation has no say in tests
Settings.model_config["toml_file"] = None

# One tree has one verdict: `make test` draws the same examples each time. `make search` draws others (--hypothesis-seed).
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.register_profile("search", derandomize=False, print_blob=True)
hypothesis.settings.load_profile("same")


def lawful_moment() -> datetime:
    """Next Wednesday, ten in the morning in Kyiv: a call is lawful then by every rule."""
    now = datetime.now(ZoneInfo("Europe/Kyiv"))
    day = now + timedelta(days=(2 - now.weekday()) % 7 or 7)
    return day.replace(hour=10, minute=0, second=0, microsecond=0)


def fresh_settings(data: Path, **fields: Any) -> Settings:
    """Settings of an installation of its own: this data folder, free ports, one loopback trunk, a lawful hour."""
    media = process.free_ports(MEDIA_PORTS, together=True)
    single = process.free_ports(8)
    ports = Ports(
        console=single[0], sip=single[1], ami=single[2], asterisk_http=single[3], agi=single[4], redis=single[5],
        far_end=single[6], far_end_rtp=single[7], rtp_first=media[0], rtp_last=media[-1],
    )  # fmt: skip
    trunk = FAR_END.model_copy(update={"port": ports.far_end})
    given = {"data": data, "ports": ports, "trunks": [trunk], "now": lawful_moment(), "echo_test": "off", **fields}
    return Settings(**given)


async def until(
    check: Callable[[], Any],
    timeout: float = 10.0,  # noqa: ASYNC109 (a polled check cannot be cancelled into telling what it saw last)
    *,
    every: float = 0.02,
    what: str = "",
) -> Any:
    """Waits until `check()` (plain or async) gives something true, and returns it.

    Raises AssertionError after `timeout` seconds, naming `what` and the last value.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {timeout:g} s: {what or inspect.getsource(check).strip()} (last: {value!r})"
            )
        await asyncio.sleep(every)


def child_environment(settings: Settings) -> dict[str, str]:
    """Environment for a program of ours that shall run with these settings; its working folder must not hold a
    backoffice.toml (use the data folder)."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | process.environment(settings) | {"PYTHONPATH": path}


@contextmanager
def running(part: Part, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Prepares and starts a part without the supervisor, waits until it works, ends it afterwards."""
    part.prepare()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        child = subprocess.Popen(part.argv, stdout=out, stderr=out, env=os.environ | part.variables, cwd="/")
    try:
        works = process.until(lambda: child.poll() is not None or part.healthy(), part.start_limit_s)
        if not works or child.poll() is not None:
            raise RuntimeError(f"{part.name} did not start:\n" + "\n".join(process.tail(log, 20)))
        yield child
    finally:
        if child.poll() is None:
            process.end([(psutil.Process(child.pid), part.sign)], limit_s=part.stop_limit_s)
        child.wait()


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command that a test runs in this process hushes the log; the next test has it as it was."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The session's settings; see `live_settings` for those that lead to a test's own database."""
    return fresh_settings(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def clock(settings: Settings) -> Clock:
    return load_clock(settings)


@pytest.fixture(scope="session")
def postgres(settings: Settings) -> Iterator[Settings]:
    """PostgreSQL for the session, with the migrated database that is cloned for each test."""
    with running(postgres_part.part(settings, fast=True), settings.data / "log" / "postgres.log"):
        migrate(settings)
        yield settings


@pytest.fixture(scope="session")
def valkey(settings: Settings) -> Iterator[Settings]:
    with running(valkey_part.part(settings), settings.data / "log" / "valkey.log"):
        yield settings


@pytest.fixture
async def live_settings(postgres: Settings) -> AsyncIterator[Settings]:
    """Settings whose database is as the migrations leave it, and this test's own; give them to programs under test."""
    admin = await asyncpg.connect(host=str(postgres.run_dir), user=postgres_part.USER, database="postgres")
    try:
        name = await clones.take(admin, postgres_part.DATABASE)
        yield postgres.model_copy(
            update={"database_url": f"postgresql+asyncpg://{postgres_part.USER}@/{name}?host={postgres.run_dir}"}
        )
        await clones.give_back(admin, name, str(postgres.run_dir))
    finally:
        await admin.close()


@pytest.fixture
async def database(live_settings: Settings) -> AsyncIterator[Database]:
    """A fresh, migrated database."""
    database = Database(live_settings, name="tests")
    yield database
    await database.close()


@pytest.fixture
async def bus(valkey: Settings) -> AsyncIterator[Bus]:
    bus = Bus(valkey)
    yield bus
    await bus.close()


def command(*words: str) -> list[str]:
    """The command line of `backoffice …` as a child process."""
    return [sys.executable, "-m", "backoffice_core", *words]
