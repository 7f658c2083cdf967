"""The websocket: ids only, own news only, and nothing stays lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets

from backoffice_core.call_centre.desks import agents
from backoffice_core.db import new_key
from backoffice_core.events import AgentChanged, CardShown, ScreenPop, StopChanged
from tests.conftest import until
from tests.console.conftest import Browser, RunningConsole, begin_talk, next_talk, ready_at_desk


class Heard(list[dict[str, Any]]):
    def kinds(self) -> set[str]:
        return {m["kind"] for m in self}


@asynccontextmanager
async def socket(console: RunningConsole, browser: Browser, **headers: str) -> AsyncIterator[Heard]:
    cookie = f"backoffice_login={browser.cookies['backoffice_login']}"
    heard = Heard()
    async with websockets.connect(
        console.url.replace("http", "ws") + "/live", additional_headers={"Cookie": cookie, **headers}
    ) as link:

        async def read() -> None:
            async for message in link:
                heard.append(json.loads(message))

        reader = asyncio.create_task(read())
        await until(lambda: heard.kinds() >= {"reread"}, what="a snapshot is asked for at once")
        await until(lambda: console.bus.connected or console.app.state.console.bus.connected)
        yield heard
        reader.cancel()


async def test_a_screen_pop_goes_to_its_agent_alone_and_carries_ids_only(console: RunningConsole) -> None:
    anna = await console.logged_in("anna", extension=101)
    petro = await console.logged_in("petro", extension=102)
    async with socket(console, anna) as hers, socket(console, petro) as his:
        async with console.database.begin() as s:
            anna_id = next(r.agent_id for r in await agents.board(s) if r.extension == 101)
        call, case = new_key(), new_key()
        await console.bus.publish(ScreenPop(agent_id=anna_id, case_id=case, call_id=call), StopChanged())
        await until(lambda: "stop" in hers.kinds() and "stop" in his.kinds(), what="a stop reaches everybody")
        assert [m for m in hers if m["kind"] == "screen_pop"] == [
            {"kind": "screen_pop", "call_id": str(call), "case_id": str(case)}
        ]
        assert "screen_pop" not in his.kinds()


async def test_only_the_agent_of_a_call_can_say_that_its_card_is_shown(console: RunningConsole) -> None:
    """Design step 6, card and voice together: the page's word lets the voices meet, another page's word does not."""
    talk = await begin_talk(console, "anna", 101)
    petro = await console.logged_in("petro", extension=102)
    anna = console.browser()
    await anna.log_in("anna")
    shown: list[CardShown] = []

    async def hear() -> None:
        async for news in console.bus.hear():
            if isinstance(news, CardShown):
                shown.append(news)

    hearing = asyncio.create_task(hear())
    links = [
        await websockets.connect(
            console.url.replace("http", "ws") + "/live",
            additional_headers={"Cookie": f"backoffice_login={browser.cookies['backoffice_login']}"},
        )
        for browser in (petro, anna)
    ]
    pop = ScreenPop(agent_id=talk.agent.id, case_id=talk.borrower.case.id, call_id=talk.call)
    await until(lambda: console.bus.connected and console.app.state.console.bus.connected)
    await console.bus.publish(pop)
    hub = console.app.state.console.hub
    await until(lambda: hub._popped.get(talk.agent.id) == talk.call)
    for said in ("nonsense", "[]", json.dumps({"shown": "x"}), json.dumps({"shown": str(new_key())})):
        await links[1].send(said)
    await links[0].send(json.dumps({"shown": str(talk.call)}))
    await links[1].send(json.dumps({"shown": str(talk.call)}))
    await until(lambda: shown)
    assert shown == [CardShown(agent_id=talk.agent.id, call_id=talk.call)]
    hearing.cancel()
    for link in links:
        await link.close()


async def test_lost_news_are_found_by_rereading(console: RunningConsole) -> None:
    """The row changes and no news is sent: within the re-read the page hears of it, and of the call at the desk."""
    anna = await console.logged_in("ivanka2", extension=102)
    user, browser = await console.person("ivanka", "agent", 101), console.browser()
    borrower = await ready_at_desk(console, user)
    await browser.log_in("ivanka")
    async with socket(console, anna) as other, socket(console, browser) as heard:
        talk = await next_talk(console, user, borrower)  # only now: a page that opens later reads a snapshot instead
        pops = await until(lambda: [m for m in heard if m["kind"] == "screen_pop"], 30, what="the call was popped")
        assert [pop["call_id"] for pop in pops] == [str(talk.call)]
        await talk.end()

        def wrap_up() -> bool:
            return any(m["kind"] == "agent" and m["v"].startswith("WRAP_UP:") for m in heard)

        await until(wrap_up, 30, what="the wrap-up was told")
        assert "screen_pop" not in other.kinds()


async def test_the_floor_hears_of_everybody(console: RunningConsole) -> None:
    olha = await console.logged_in("olha", "supervisor")
    async with socket(console, olha) as heard:
        someone = new_key()
        await console.bus.publish(AgentChanged(agent_id=someone))
        await until(lambda: [m for m in heard if m["kind"] == "agent" and m["agent_id"] == str(someone)])


async def test_a_heartbeat_comes_each_second(console: RunningConsole) -> None:
    anna = await console.logged_in("anna", extension=101)
    async with socket(console, anna) as heard:
        await until(lambda: [m for m in heard if m["kind"] == "beat" and m["at"] > 0], 5)


@pytest.mark.parametrize(("cookie", "origin", "code"), [(False, "", 4401), (True, "https://evil.example", 4403)])
async def test_strangers_get_no_news(console: RunningConsole, cookie: bool, origin: str, code: int) -> None:
    browser = await console.logged_in("anna", extension=101)
    headers = {"Origin": origin} if origin else {}
    if cookie:
        headers["Cookie"] = f"backoffice_login={browser.cookies['backoffice_login']}"
    async with websockets.connect(console.url.replace("http", "ws") + "/live", additional_headers=headers) as link:
        with pytest.raises(websockets.ConnectionClosed):
            await asyncio.wait_for(link.recv(), 5)
        assert link.close_code == code


async def test_a_slow_reader_is_dropped(console: RunningConsole) -> None:
    anna = await console.logged_in("anna", extension=101)
    hub = console.app.state.console.hub
    async with socket(console, anna):
        await until(lambda: hub.sockets)
        victim = next(iter(hub.sockets))
        for _ in range(1000):
            victim.push({"kind": "stop"})
        await until(lambda: victim not in hub.sockets, 10, what="the slow one is gone")
