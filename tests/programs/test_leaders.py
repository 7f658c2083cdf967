"""Two dialers and two listeners on one real Asterisk: one of each leads, the other follows within 10 s, nobody is called
twice. The far end's own log is the truth."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from backoffice_core import leases
from backoffice_core.leases import Leading
from tests.conftest import child_environment, command, until
from tests.running import RunningHouse, running_house

TAKEOVER_S = 10.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with running_house(tmp_path_factory.mktemp("leaders"), ring_timeout_s=15) as one:
        for program in ("dialer", "ami_listener"):  # beside those of the supervisor
            with (one.settings.data / "log" / f"second-{program}.log").open("ab") as out:
                child = subprocess.Popen(
                    [sys.executable, "-m", program],
                    env=child_environment(one.settings),
                    cwd="/",
                    stdout=out,
                    stderr=out,
                )
            one.children.append(child)
        yield one


async def leader(running: RunningHouse, name: str) -> Leading | None:
    async with running.database() as database, database.begin() as s:
        return next((one for one in await leases.board(s) if one.name == name and one.holds), None)


async def followed(running: RunningHouse, name: str, old: Leading, began: float) -> Leading:
    async def another() -> Leading | None:
        now = await leader(running, name)
        return now if now is not None and now.fence > old.fence and now.pid != old.pid else None

    new: Leading = await until(another, 40, every=0.1, what=f"another leads {name}")
    assert time.monotonic() - began <= TAKEOVER_S, f"{name} was without a leader for too long"
    return new


async def test_a_killed_or_paused_leader_is_followed_and_nobody_is_called_twice(running: RunningHouse) -> None:
    """Issue "Leadership": takeover within 10 s after kill -9 and after SIGSTOP, of the dialer and of the listener; who
    wakes up again dials nobody: each number was INVITEd once, and each call stands ended."""
    names = (leases.POOL, leases.node(running.settings.asterisk_host, running.settings.ports.ami))
    said = await asyncio.to_thread(
        subprocess.run,
        command("status", "--json"),
        env=child_environment(running.settings),
        capture_output=True,
        cwd="/",
    )
    told = json.loads(said.stdout)["leaders"]
    assert {one["name"] for one in told if one["holds"]} == set(names), "`backoffice status` says who leads"
    async with running.robots(2, talk="2"):
        tasks = await running.dial("030", "030")
        for name in names:
            for number in (signal.SIGSTOP, signal.SIGKILL):
                old = await until(lambda name=name: leader(running, name), 20, every=0.1, what=f"{name} is led")
                tasks += await running.dial("030", "486")
                os.kill(old.pid, number)
                try:
                    new = await followed(running, name, old, time.monotonic())
                finally:
                    if number == signal.SIGSTOP:
                        os.kill(old.pid, signal.SIGCONT)
                tasks += await running.dial("030")
                assert new.fence > old.fence
        results = Counter([(await running.ended(task, 120)).result for task in tasks])
    invites = Counter(line["number"] for line in running.carrier_events() if line["event"] == "INVITE")
    assert len(invites) >= len(tasks) - results["UNKNOWN"]
    assert max(invites.values()) == 1, "somebody was called twice"
    assert results["ANSWERED_HUMAN"] + results["ABANDONED"] + results["SILENT"] >= len(tasks) / 3
