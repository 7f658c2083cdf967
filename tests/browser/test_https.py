"""CC-01: the whole house over https: a browser logs in, its phone registers over wss, an agent takes a call."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from playwright.async_api import Browser

from backoffice_core import tls
from backoffice_core.clock import Clock
from backoffice_core.parts import asterisk
from tests.conftest import fresh_settings, until
from tests.running import PASSWORD, RunningHouse, running_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    cert, key = tls.make(fresh_settings(tmp_path_factory.mktemp("certificate")), [], Clock.wall())
    with running_house(tmp_path_factory.mktemp("https"), ring_timeout_s=15, tls_cert=cert, tls_key=key) as one:
        one.console = one.settings.console_url
        yield one


async def test_a_browser_phone_registers_over_wss_and_takes_a_call(chromium: Browser, house: RunningHouse) -> None:
    """Cookies are Secure, the page may reach wss only, a page of the same host without TLS is a stranger."""
    await house.user("olena", "agent", 101)
    await asyncio.to_thread(asterisk.refresh, house.settings)
    async with httpx.AsyncClient(verify=False) as plain:  # noqa: S501 (our own certificate, made for this test)
        assert (await plain.get(f"{house.console}/health")).status_code == 200
        stranger = {"Origin": house.console.replace("https", "http")}
        form = {"login": "olena", "password": PASSWORD, "phone": "desk"}
        assert (await plain.post(f"{house.console}/login", data=form, headers=stranger)).status_code == 403
        with pytest.raises(httpx.HTTPError):
            await plain.get(f"{house.console.replace('https', 'http')}/health")
    context = await chromium.new_context(ignore_https_errors=True, permissions=["microphone"])
    page = await context.new_page()
    sockets: list[str] = []
    page.on("websocket", lambda one: sockets.append(one.url))
    answer = await page.goto(f"{house.console}/login")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert f"wss://127.0.0.1:{house.settings.ports.asterisk_http}" in policy
    assert "ws://" not in policy.replace("wss://", "")
    await page.fill("input[name=login]", "olena")
    await page.fill("input[name=password]", PASSWORD)
    await page.check("input[name=phone][value=browser]", force=True)
    await page.click("button.primary")
    await page.wait_for_selector("#phone-line[data-state=ok]", timeout=20_000)
    assert all(one["secure"] for one in await context.cookies())
    assert {one.split(":")[0] for one in sockets} == {"wss"}
    assert len(sockets) >= 2, "the page's own and the phone's"
    await page.keyboard.press("F2")

    async def ready() -> bool:
        return any((one.state, one.line) == ("READY", "UP") for one in await house.seats())

    await until(ready, 20, what="the browser phone took the agent's line")
    (task,) = await house.dial("040")
    await page.wait_for_selector("#desk-card[data-call-id]", timeout=20_000)
    call = await house.ended(task, 40)
    assert call.bridged_at is not None
    await context.close()
