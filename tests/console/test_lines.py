"""FL-10: what happens to an agent's line, who gets the call, and in which words the loser reads it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest
import websockets
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.models import AgentSession
from tests.console.conftest import PASSWORD, Browser, RunningConsole, begin_talk

Event = Callable[[AsyncSession, AgentSession, datetime], Awaitable[None]]


async def lost(s: AsyncSession, seat: AgentSession, wall: datetime) -> None:
    await agents.line_down(s, seat.id, 1, wall, hung_up=False)


async def lost_for_good(s: AsyncSession, seat: AgentSession, wall: datetime) -> None:
    for n in range(1, 5):
        seat.line, seat.line_n = ("UP" if n == 1 else "CALLING"), n
        await agents.line_down(s, seat.id, n, wall + timedelta(seconds=n), hung_up=False)


async def hung_up(s: AsyncSession, seat: AgentSession, wall: datetime) -> None:
    await agents.line_down(s, seat.id, 1, wall, hung_up=True)


async def died(s: AsyncSession, seat: AgentSession, wall: datetime) -> None:
    agents.line_died(s, seat, 1, wall, busy=False)


async def busy(s: AsyncSession, seat: AgentSession, wall: datetime) -> None:
    agents.line_died(s, seat, 1, wall, busy=True)


async def lost_and_back(s: AsyncSession, seat: AgentSession, wall: datetime) -> None:
    await lost(s, seat, wall)
    seat.line, seat.line_n = "CALLING", 2
    await agents.line_up(s, seat.id, 2, "PJSIP/x", wall)


TABLE: list[tuple[str, Event, str, str, bool, str]] = [
    # what happens, the event, state and reason after it, whether his phone is called again, what his desk says
    ("phone lost mid-shift", lost, "UNREACHABLE", "LINE_LOST", True, "Лінію до вашого телефону втрачено"),
    ("lost, and not reached", lost_for_good, "PAUSED", "LINE_LOST", False, "Лінію до вашого телефону втрачено"),
    ("lost, and back", lost_and_back, "READY", "LINE_BACK", True, "Чекаємо"),
    ("he hung up his phone", hung_up, "PAUSED", "PHONE_HUNG_UP", False, "слухавку покладено"),
    ("died between choice and bridge", died, "UNREACHABLE", "LINE_DIED", True, "ваша лінія обірвалась"),
    ("talks with another call", busy, "PAUSED", "LINE_BUSY", True, "ваша лінія була зайнята"),
]


@pytest.mark.parametrize(("what", "event", "state", "reason", "again", "words"), TABLE, ids=[one[0] for one in TABLE])
async def test_a_line_that_is_lost_gets_no_call_and_its_agent_is_told(
    console: RunningConsole, what: str, event: Event, state: str, reason: str, again: bool, words: str
) -> None:
    """FL-10: the rule decides the state, and the desk says it in words."""
    browser = await console.logged_in("anna", extension=101)
    wall = console.clock.wall()
    async with console.database.begin() as s:
        (row,) = await agents.board(s)
        seat = await agents.go_ready(s, row.agent_id, wall)
        seat.line, seat.line_n, seat.line_checked_at = "UP", 1, wall
        assert await agents.count_free(s) == 1
        await event(s, seat, wall)
        assert await agents.count_free(s) == (state == "READY"), "a borrower would reach an empty chair"
        assert seat.line_wanted == again
    desk = (await browser.get("/desk")).text
    told = (await browser.get("/desk/state")).json()
    assert (told["state"], told["reason"]) == (state, reason)
    assert words in desk, what


async def closed_with(console: RunningConsole, browser: Browser) -> "asyncio.Task[int | None]":
    """The code with which the console will close this browser's page."""
    cookie = f"backoffice_login={browser.cookies['backoffice_login']}"
    link = await websockets.connect(console.url.replace("http", "ws") + "/live", additional_headers={"Cookie": cookie})

    async def end() -> int | None:
        await link.wait_closed()
        return link.close_code

    asyncio.get_running_loop().create_task(_drain(link))
    return asyncio.create_task(end())


async def _drain(link: websockets.ClientConnection) -> None:
    async for _ in link:
        pass


@pytest.mark.parametrize(("phone", "line_stays"), [("desk", True), ("browser", False)])
async def test_a_second_login_takes_the_desk_and_the_first_is_told(
    console: RunningConsole, phone: str, line_stays: bool
) -> None:
    """FL-10: the later login has the desk, paused; the earlier page is closed at once, may do nothing more, and reads why.
    A browser's line goes with its browser and is tested anew; a desk phone's stays."""
    await console.person("anna", "agent", 101)
    first, second = console.browser(), console.browser()
    await first.log_in("anna", phone=phone)
    wall = console.clock.wall()
    async with console.database.begin() as s:
        (row,) = await agents.board(s)
        seat = await agents.go_ready(s, row.agent_id, wall)
        seat.line, seat.line_n, seat.line_checked_at = "UP", 1, wall
    page = await closed_with(console, first)
    assert (await second.log_in("anna", phone=phone)).status_code == 303
    assert await asyncio.wait_for(page, 10) == 4401
    assert (await first.send_form("/desk/ready", json=True)).status_code == 401
    for lang, words in (
        ("uk", "робоче місце тепер там"),
        ("ru", "рабочее место теперь там"),
        ("en", "the desk is there"),
    ):
        first.cookies.set("lang", lang)
        assert words in (await first.get("/login?expired=1")).text
    told = (await second.get("/desk/state")).json()
    assert (told["state"], told["reason"]) == ("PAUSED", "LOGIN")
    assert told["line"] == ("UP" if line_stays else "NONE")
    assert told["line_checked"] == line_stays
    assert (await second.send_form("/desk/pause", reason="LUNCH")).status_code == 200


async def test_a_second_login_never_ends_a_talk(console: RunningConsole) -> None:
    """FL-10: on a desk phone the talk goes on under the new login; in the other browser it forbids the login, in words."""
    talk = await begin_talk(console, "anna", 101)
    on_desk = console.browser()
    assert (await on_desk.log_in("anna")).status_code == 303
    assert (await on_desk.get("/desk/state")).json()["state"] == "TALKING"
    async with console.database.begin() as s:
        seat = await agents.seat(s, talk.agent.id)
        seat.phone, seat.endpoint = "browser", "agent-101-web"
    refused = await console.browser().post("/login", data={"login": "anna", "password": PASSWORD, "phone": "browser"})
    assert refused.status_code == 409
    assert "триває дзвінок" in refused.text
    assert (await on_desk.get("/desk/state")).json()["state"] == "TALKING"


async def test_nobody_gets_somebody_elses_phone(console: RunningConsole) -> None:
    """FL-10: the page gives the data of one's own browser phone only; the bank's exchange needs a number of one's own."""
    anna = await console.logged_in("anna", extension=101)
    assert (await anna.get("/desk/phone")).status_code == 404, "his seat is at a desk phone"
    petro = console.browser()
    await console.person("petro", "agent", 102)
    await petro.log_in("petro", phone="browser")
    account = (await petro.get("/desk/phone")).json()
    assert account["user"] == "agent-102-web"
    assert account["password"] == console.settings.derived_secret("phone:102")
    console.app.state.console.settings = console.settings.model_copy(update={"bank_pbx": {"host": "127.0.0.1"}})
    refused = await console.browser().post("/login", data={"login": "petro", "password": PASSWORD, "phone": "bank"})
    assert refused.status_code == 409
    assert "немає телефону на АТС банку" in refused.text
    assert (await petro.get("/desk/state")).json()["phone"] == "browser"
