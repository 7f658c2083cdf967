"""500 consoles at one server: `python -m tests.bench.consoles [--json FILE] [--consoles 500] [--seconds 30]`.

Real PostgreSQL, Valkey and console; the consoles are websockets with logins of their own that come back as the page does,
in a process of their own (its CPU is told apart). Told are: an agent's change from its commit to the frame at his console
(goal p99 ≤ 150 ms), the time until all are back after the server was killed (goal ≤ 10 s from the moment it listens
again), memory and CPU. The floor, in the same run: a bare websocket server that sends the same frames to the same consoles.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import redis.asyncio as redis
import uvloop
from sqlalchemy import insert, select

from backoffice_core.bus import Bus
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.models import AgentSession
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database, new_key
from backoffice_core.events import AgentChanged, CallChanged
from backoffice_core.migrations import migrate
from backoffice_core.parts import postgres, process, valkey
from backoffice_core.staff import service
from backoffice_core.staff.models import User
from tests.bench.__main__ import cpu_seconds, figures, say
from tests.bench.console_clients import LINE_BYTES
from tests.conftest import ROOT, child_environment, fresh_settings, running, until

FLOORS = 10  # of the consoles belong to supervisors, who hear of everybody
EVENTS_A_SECOND = 25  # changes of agents; 500 agents with a call every 2.5 minutes make 13
GOAL_MS, GOAL_BACK_S = 150.0, 10.0
STATES = ("READY", "RESERVED", "TALKING", "WRAP_UP")
Heard = dict[str, list[tuple[float, str]]]  # console -> (when, whose change)


class Crowd:
    """The consoles' process, and what it is asked (`tests.bench.console_clients`)."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child
        self.process = psutil.Process(child.pid)

    async def back(self, since: float) -> float:
        """Seconds from `since` until the last was back."""
        return float(await self._ask(f"back {since}"))

    async def heard(self) -> Heard:
        """Since it was asked last."""
        found: Heard = await self._ask("heard")
        return found

    async def _ask(self, what: str) -> Any:
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(what.encode() + b"\n")
        return json.loads(await self.child.stdout.readline())


@contextlib.asynccontextmanager
async def crowd(consoles: list[tuple[str, str, str]]) -> AsyncIterator[Crowd]:
    """`consoles`: name, address, cookie."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.console_clients", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        limit=LINE_BYTES, cwd="/", env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert child.stdin is not None
        child.stdin.write(json.dumps(consoles).encode() + b"\n")
        yield Crowd(child)
    finally:
        child.kill()
        await child.wait()


@contextlib.contextmanager
def server(argv: list[str], settings: Settings, log: Path) -> Iterator[psutil.Process]:
    with log.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", *argv], stdout=out, stderr=out, cwd=settings.data, env=child_environment(settings)
        )
    try:
        yield psutil.Process(child.pid)
    finally:
        child.kill()
        child.wait()


async def listens(port: int) -> None:
    await until(lambda: process.answers("127.0.0.1", port), 30, every=0.02)


def memory_kb(found: psutil.Process) -> float:
    return found.memory_full_info().uss / 1024


async def people(database: Database, count: int) -> tuple[list[UUID], list[str]]:
    """Agents at their desks and some supervisors; their ids and cookies."""
    wall = Clock.wall()
    async with database.begin() as s:
        first = await service.create_user(
            s, login="first", full_name="Перший", role="agent", password="-" * 12, wall=wall
        )
        rows = [
            {"id": new_key(), "login": f"a{n}", "full_name": f"Агент {n}", "role": "supervisor" if n < FLOORS else "agent",
             "password_hash": first.password_hash, "extension": None if n < FLOORS else 1000 + n, "created_at": wall}
            for n in range(count)
        ]  # fmt: skip
        await s.execute(insert(User), rows)
        users = list((await s.execute(select(User).where(User.login != "first").order_by(User.login))).scalars())
        cookies = []
        for user in users:
            token, _ = await service.start_login(s, user, wall)
            cookies.append(f"backoffice_login={token}")
            if user.extension:
                seat = await agents.open_session(s, user, "desk", wall)
                seat.line = "UP"
    return [user.id for user in users], cookies


async def product(settings: Settings, count: int, seconds: float) -> dict[str, Any]:
    database, bus = Database(settings, name="bench"), Bus(settings)
    ids, cookies = await people(database, count)
    async with database.begin() as s:
        seats = {seat.user_id: seat.id for seat in (await s.execute(select(AgentSession))).scalars()}

    async def change(who: UUID, call: UUID, state: str) -> float:
        async with database.begin() as s:
            seat = await s.get_one(AgentSession, seats[who], with_for_update=True)
            agents.change(s, seat, state, "CALL", Clock.wall(), call)
        at = time.monotonic()
        await bus.publish(AgentChanged(agent_id=who), CallChanged(call_id=call, agent_id=who))
        return at

    address = f"ws://127.0.0.1:{settings.ports.console}/live"
    consoles = [(str(who), address, cookie) for who, cookie in zip(ids, cookies, strict=True)]
    found = await observed(settings, ["agent_console"], settings.ports.console, consoles, list(seats), change, seconds)
    await bus.close()
    await database.close()
    return {"consoles": count} | found


async def floor(settings: Settings, count: int, seconds: float) -> dict[str, Any]:
    (port,) = process.free_ports(1)
    publisher, ids = redis.from_url(settings.redis), [new_key() for _ in range(count)]

    async def change(who: UUID, call: UUID, state: str) -> float:
        at = time.monotonic()
        await publisher.publish("floor", json.dumps({"name": str(who), "v": f"{state}:CALL:UP:{call}:"}))
        return at

    address = f"ws://127.0.0.1:{port}/live?name="
    consoles = [(str(who), f"{address}{who}{'&floor=1' if n < FLOORS else ''}", "") for n, who in enumerate(ids)]
    argv = ["tests.bench.floor_live", str(port), settings.redis]
    found = await observed(settings, argv, port, consoles, ids[FLOORS:], change, seconds)
    await publisher.aclose()
    return found


async def observed(
    settings: Settings, argv: list[str], port: int, consoles: list[tuple[str, str, str]], agents_of: list[UUID],
    change: Callable[[UUID, UUID, str], Awaitable[float]], seconds: float,
) -> dict[str, Any]:  # fmt: skip
    """One server with all consoles at it: changes at an even rate, then it is killed and started again."""
    log = settings.data / f"{argv[0]}.log"
    found: dict[str, Any] = {}
    async with contextlib.AsyncExitStack() as stack:
        with server(argv, settings, log) as one:
            await listens(port)
            await asyncio.sleep(2)
            alone = memory_kb(one)
            clients = await stack.enter_async_context(crowd(consoles))
            await clients.back(0.0)
            cpu, of_clients, began = cpu_seconds(one), cpu_seconds(clients.process), time.monotonic()
            took = await changes(clients, agents_of, change, seconds)
            lasted = time.monotonic() - began
            found["cpu_cores"] = round((cpu_seconds(one) - cpu) / lasted, 2)
            found["clients_cpu_cores"] = round((cpu_seconds(clients.process) - of_clients) / lasted, 2)
            found["event_ms"] = figures(took)
            found["lost"] = sum(each == float("inf") for each in took)
            found["memory_kb_a_console"] = round((memory_kb(one) - alone) / len(consoles), 1)
            one.send_signal(signal.SIGKILL)
            cut_at = time.monotonic()
        with server(argv, settings, log):
            await listens(port)
            up_at = time.monotonic()
            back = await clients.back(up_at)
            found |= {"back_s": round(back, 2), "back_with_start_s": round(up_at + back - cut_at, 2)}
    return found


async def changes(
    clients: Crowd, agents_of: list[UUID], change: Callable[[UUID, UUID, str], Awaitable[float]], seconds: float
) -> list[float]:
    """Milliseconds from each change (from its commit) to the frame at his console."""
    dice, due, sent = random.Random(1), time.monotonic(), []
    await clients.heard()
    for n in range(int(seconds * EVENTS_A_SECOND)):
        due += 1 / EVENTS_A_SECOND
        await asyncio.sleep(max(due - time.monotonic(), 0))
        who, call = agents_of[dice.randrange(len(agents_of))], new_key()
        sent.append((str(who), str(call), await change(who, call, STATES[n % 4])))
    await asyncio.sleep(3)
    heard = await clients.heard()
    return [_until_heard(heard[who], call, at) for who, call, at in sent]


def _until_heard(heard: list[tuple[float, str]], call: str, at: float) -> float:
    """The frame that tells of this change, or of a later one that overtook it."""
    own = next((when for when, v in heard if call in v), None)
    later = next((when for when, _ in heard if when >= at), float("inf"))
    return ((own or later) - at) * 1000


async def measure(folder: Path, count: int, seconds: float) -> dict[str, Any]:
    settings = fresh_settings(folder)
    logs = settings.data / "log"
    with (
        running(postgres.part(settings), logs / "postgres.log"),
        running(valkey.part(settings), logs / "valkey.log"),
    ):
        await asyncio.to_thread(migrate, settings)
        found: dict[str, Any] = {
            "product": await product(settings, count, seconds),
            "floor": await floor(settings, count, seconds),
        }
    mine, bare = found["product"], found["floor"]
    found["ratios"] = {
        "event_p99": round(mine["event_ms"]["p99"] / bare["event_ms"]["p99"], 2),
        "memory": round(mine["memory_kb_a_console"] / bare["memory_kb_a_console"], 2),
        "back": round(mine["back_s"] / max(bare["back_s"], 0.01), 2),
    }
    found["goals_reached"] = bool(
        mine["event_ms"]["p99"] <= GOAL_MS and mine["back_s"] <= GOAL_BACK_S and not mine["lost"]
    )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.consoles", description="Many consoles at one server.")
    parser.add_argument("--consoles", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="consoles-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        found = uvloop.run(measure(Path(folder), options.consoles, options.seconds))
    mine = found["product"]
    say(json.dumps(found, indent=2))
    say(
        f"{options.consoles} consoles: event p99 {mine['event_ms']['p99']} ms = {found['ratios']['event_p99']} × floor "
        "(goal ≤ 150 ms); "
        f"all back {mine['back_s']} s after the server listens again (goal ≤ 10 s); {mine['memory_kb_a_console']} KB a console"
    )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if found["goals_reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
