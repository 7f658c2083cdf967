"""500 consoles at one server: `python -m tests.bench.consoles [--json FILE] [--consoles 500] [--seconds 30]`.

Real PostgreSQL, Valkey and console; the consoles are websockets with logins of their own that come back as the page does.
Told are: an agent's change from its commit to the frame at his console (goal p99 ≤ 150 ms), the time until all are back
after the server was killed (goal ≤ 10 s from the moment it listens again), memory and CPU. The floor, in the same run: a
bare websocket server that passes Redis messages on to one of as many clients.
"""

import argparse
import asyncio
import contextlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import redis.asyncio as redis
import uvloop
import websockets
from sqlalchemy import insert, select

from backoffice_core.bus import Bus
from backoffice_core.call_centre import agents
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
from tests.conftest import child_environment, fresh_settings, running, until

FLOORS = 10  # of the consoles belong to supervisors, who hear of everybody
EVENTS_A_SECOND = 25  # changes of agents; 500 agents with a call every 2.5 minutes make 13
GOAL_MS, GOAL_BACK_S = 150.0, 10.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 1.0  # as agent_console/static/console.js tries again


class Client:
    """One console: connects, comes back when cut off, and notes when which news came."""

    def __init__(self, name: str, address: str, cookie: str = "") -> None:
        self.name, self.address = name, address
        self.headers = {"Cookie": cookie} if cookie else {}
        self.back_at = 0.0  # when the last snapshot was asked for
        self.heard: list[tuple[float, str]] = []  # (when, whose change)

    async def live(self) -> None:
        wait = FIRST_WAIT_S
        while True:
            with contextlib.suppress(OSError, websockets.WebSocketException, TimeoutError):
                async with websockets.connect(
                    self.address, additional_headers=self.headers, compression=None, ping_interval=None, open_timeout=60
                ) as link:
                    async for raw in link:
                        wait = FIRST_WAIT_S
                        at, news = time.monotonic(), json.loads(raw)
                        if news["kind"] == "reread":
                            self.back_at = at
                        elif news["kind"] == "agent":
                            self.heard.append((at, news.get("v", "")))
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))
            wait = min(wait * 2, LONGEST_WAIT_S)


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


async def all_back(clients: list[Client], since: float, limit_s: float = 120.0) -> float:
    """Seconds from `since` until the last was back."""
    await until(lambda: all(client.back_at > since for client in clients), limit_s, every=0.05, what="all are back")
    return max(client.back_at for client in clients) - since


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
    address = f"ws://127.0.0.1:{settings.ports.console}/live"
    clients = {who: Client(str(who), address, cookie) for who, cookie in zip(ids, cookies, strict=True)}
    found: dict[str, Any] = {"consoles": count}
    log = settings.data / "console.log"
    with server(["agent_console"], settings, log) as console:
        await listens(settings.ports.console)
        await asyncio.sleep(2)
        alone = memory_kb(console)
        tasks = [asyncio.create_task(client.live()) for client in clients.values()]
        await all_back(list(clients.values()), 0.0)
        cpu, began = cpu_seconds(console), time.monotonic()
        took = await _change(database, bus, clients, seconds)
        found["cpu_cores"] = round((cpu_seconds(console) - cpu) / (time.monotonic() - began), 2)
        found["event_ms"] = figures(took)
        found["lost"] = sum(one == float("inf") for one in took)
        found["memory_kb_a_console"] = round((memory_kb(console) - alone) / count, 1)
        console.send_signal(signal.SIGKILL)
        cut_at = time.monotonic()
    with server(["agent_console"], settings, log):
        await listens(settings.ports.console)
        up_at = time.monotonic()
        await all_back(list(clients.values()), up_at)
        last = max(client.back_at for client in clients.values())
        found |= {"back_s": round(last - up_at, 2), "back_with_start_s": round(last - cut_at, 2)}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await bus.close()
    await database.close()
    return found


async def _change(database: Database, bus: Bus, clients: dict[UUID, Client], seconds: float) -> list[float]:
    """Changes agents one after the other at an even rate; milliseconds from each commit to the frame at his console."""
    async with database.begin() as s:
        seats = {seat.user_id: seat.id for seat in (await s.execute(select(AgentSession))).scalars()}
    dice, due, sent = random.Random(1), time.monotonic(), []
    states = ("READY", "RESERVED", "TALKING", "WRAP_UP")
    for client in clients.values():
        client.heard.clear()
    who = list(seats)
    for n in range(int(seconds * EVENTS_A_SECOND)):
        due += 1 / EVENTS_A_SECOND
        await asyncio.sleep(max(due - time.monotonic(), 0))
        user, call = who[dice.randrange(len(who))], new_key()
        async with database.begin() as s:
            seat = await s.get_one(AgentSession, seats[user], with_for_update=True)
            agents.change(s, seat, states[n % 4], "CALL", Clock.wall(), call)
        sent.append((user, str(call), time.monotonic()))
        await bus.publish(AgentChanged(agent_id=user), CallChanged(call_id=call, agent_id=user))
    await asyncio.sleep(3)
    return [_heard(clients[user], call, at) for user, call, at in sent]


def _heard(client: Client, call: str, at: float) -> float:
    """The frame that tells of this change, or of a later one that overtook it."""
    own = next((when for when, v in client.heard if call in v), None)
    later = next((when for when, _ in client.heard if when >= at), float("inf"))
    return ((own or later) - at) * 1000


async def floor(settings: Settings, count: int, seconds: float) -> dict[str, Any]:
    (port,) = process.free_ports(1)
    clients = [Client(str(n), f"ws://127.0.0.1:{port}/live?name={n}") for n in range(count)]
    publisher, argv, log = (
        redis.from_url(settings.redis),
        ["tests.bench.floor_live", str(port), settings.redis],
        "floor.log",
    )
    found: dict[str, Any] = {}
    with server(argv, settings, settings.data / log) as bare:
        await listens(port)
        await asyncio.sleep(1)
        alone = memory_kb(bare)
        tasks = [asyncio.create_task(client.live()) for client in clients]
        await all_back(clients, 0.0)
        cpu, began, due, took = cpu_seconds(bare), time.monotonic(), time.monotonic(), []
        dice = random.Random(1)
        for _ in range(int(seconds * EVENTS_A_SECOND)):
            due += 1 / EVENTS_A_SECOND
            await asyncio.sleep(max(due - time.monotonic(), 0))
            client = clients[dice.randrange(count)]
            before, at = len(client.heard), time.monotonic()
            await publisher.publish("floor", client.name)
            with contextlib.suppress(AssertionError):
                await until(lambda client=client, before=before: len(client.heard) > before, 2, every=0)
            took.append(((client.heard[-1][0] if len(client.heard) > before else float("inf")) - at) * 1000)
        found["cpu_cores"] = round((cpu_seconds(bare) - cpu) / (time.monotonic() - began), 2)
        found["event_ms"] = figures(took)
        found["memory_kb_a_console"] = round((memory_kb(bare) - alone) / count, 1)
        bare.send_signal(signal.SIGKILL)
    with server(argv, settings, settings.data / log):
        await listens(port)
        up_at = time.monotonic()
        await all_back(clients, up_at)
        found["back_s"] = round(max(client.back_at for client in clients) - up_at, 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await publisher.aclose()
    return found


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
