"""A console on a free port over real PostgreSQL and Valkey, people with logins, and a talk at somebody's desk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import httpx
import pytest
import uvicorn

from agent_console.app import create_app
from asterisk_conf import prompts
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import attempts, settling
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.catalogue import Catalogue
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.staff import service
from backoffice_core.staff.models import User
from tests import house
from tests.conftest import until

PASSWORD = "long enough 1"
S = timedelta(seconds=1)


@cache
def words() -> Catalogue:
    """Read once: it takes a second."""
    return Catalogue.load(strict=True)


class FakeAmi:
    """Stands for the link to the exchange: notes what is asked of it."""

    up = True

    def __init__(self) -> None:
        self.actions: list[tuple[str, dict[str, Any]]] = []

    async def action(self, name: str, **fields: Any) -> Any:
        self.actions.append((name, fields))
        return type("Reply", (), {"ok": True, "message": ""})()


class Browser(httpx.AsyncClient):
    """A client with a person's cookie and CSRF token."""

    csrf = ""

    async def log_in(self, login: str, password: str = PASSWORD, phone: str = "desk") -> httpx.Response:
        answer = await super().post("/login", data={"login": login, "password": password, "phone": phone})
        self.csrf = answer.headers.get("x-csrf-token", "")
        return answer

    async def send_form(self, path: str, *, json: bool = False, **fields: Any) -> httpx.Response:
        headers = {"X-CSRF-Token": self.csrf} | ({"Accept": "application/json"} if json else {"HX-Request": "true"})
        return await self.post(path, data=fields, headers=headers)


@dataclass
class RunningConsole:
    settings: Settings
    database: Database
    bus: Bus
    clock: Clock
    url: str
    ami: FakeAmi
    app: Any

    def browser(self) -> Browser:
        return Browser(base_url=self.url)

    async def person(self, login: str, role: str = "agent", extension: int | None = None, name: str = "") -> User:
        async with self.database.begin() as s:
            return await service.create_user(
                s, login=login, full_name=name or f"{login.title()} Тест", role=role, password=PASSWORD,
                wall=self.clock.wall(), extension=extension,
            )  # fmt: skip

    async def logged_in(self, login: str, role: str = "agent", extension: int | None = None) -> Browser:
        await self.person(login, role, extension)
        browser = self.browser()
        answer = await browser.log_in(login)
        assert answer.status_code == 303, answer.text
        return browser


@asynccontextmanager
async def running_console(settings: Settings, database: Database, clock: Clock) -> AsyncIterator[RunningConsole]:
    """The console on a free port; `database` is the caller's own pool on the same database."""
    prompts.provide(settings)  # as `backoffice up` does
    bus, ami = Bus(settings), FakeAmi()
    pool = Database(settings, name="console-test")
    app = create_app(settings, pool, bus, clock, ami, catalogue=words())
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1)
    )
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started, 10, what="console started")
    port = server.servers[0].sockets[0].getsockname()[1]
    yield RunningConsole(settings, database, bus, clock, f"http://127.0.0.1:{port}", ami, app)
    server.should_exit = True
    await running
    await bus.close()
    await pool.close()


@pytest.fixture
async def console(
    live_settings: Settings, valkey: Settings, database: Database, clock: Clock
) -> AsyncIterator[RunningConsole]:
    settings = live_settings.model_copy(update={"data": live_settings.data / f"console-{id(database)}"})
    async with running_console(settings, database, clock) as one:
        yield one


@dataclass
class Talk:
    """A call at an agent's desk: `agent` is his login, `call` Asterisk's Uniqueid."""

    console: RunningConsole
    borrower: house.Borrower
    agent: User
    call: UUID

    async def end(self) -> None:
        """The borrower hangs up: the agent is in wrap-up."""
        async with self.console.database.begin() as s:
            facts = CallFacts(ended_at=self.console.clock.wall(), cause=16)
            await settling.settle(s, self.call, facts, self.console.clock.now())


async def begin_talk(console: RunningConsole, login: str = "ivanka", extension: int = 101, talk_s: int = 30) -> Talk:
    """An agent at a desk phone with a borrower on the line since `talk_s` seconds."""
    user = await console.person(login, "agent", extension, name="Бондар Ірина")
    return await next_talk(console, user, await ready_at_desk(console, user), talk_s)


async def ready_at_desk(console: RunningConsole, user: User) -> house.Borrower:
    """The agent waits with his line up; gives the borrower who is called next."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        borrower = await house.borrower(s, console.clock)
        seat = await agents.open_session(s, user, "desk", console.clock.wall())
        await agents.go_ready(s, user.id, console.clock.wall())
        seat.line, seat.line_n, seat.line_channel = "UP", 1, f"PJSIP/agent-{user.extension}-00000001"
    return borrower


async def next_talk(console: RunningConsole, user: User, borrower: house.Borrower, talk_s: int = 30) -> Talk:
    clock = console.clock
    async with console.database.begin() as s:
        placing = await attempts.claim(
            s,
            console.settings,
            trunk=console.settings.trunks[0],
            now=clock.now(),
            today=clock.today(),
            wall=clock.wall(),
        )
        assert isinstance(placing, Placing), placing
    wall = clock.wall() - talk_s * S
    async with console.database.begin() as s:
        await attempts.connect(s, placing.call_id, wall)
        await attempts.heard(s, placing.call_id, answered_at=wall, bridged_at=wall)
    return Talk(console, borrower, user, placing.call_id)


@pytest.fixture
async def talk(console: RunningConsole) -> Talk:
    return await begin_talk(console)
