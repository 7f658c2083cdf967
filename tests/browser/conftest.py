"""Headless Chromium with a fake microphone, a console with people at work, and axe."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.console.conftest import PASSWORD, RunningConsole, console

__all__ = ["console"]
ARGS = [
    "--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--disable-features=WebRtcHideLocalIpsWithMdns", "--allow-loopback-in-peer-connection",
    "--disable-background-networking",
]  # fmt: skip


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
        yield browser
        await browser.close()


@pytest.fixture
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A window of 1366 × 768; whatever the page reports as an error fails the test."""
    context = await chromium.new_context(viewport={"width": 1366, "height": 768}, locale="uk-UA")
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console", lambda said: errors.append(said.text) if said.type == "error" and "ws://" not in said.text else None
    )
    yield page
    await context.close()
    assert [e for e in errors if "WebSocket" not in e and "status of 4" not in e and "ERR_CONNECTION" not in e] == []


async def log_in(page: Page, console: RunningConsole, login: str, phone: str = "desk") -> None:
    await page.goto(f"{console.url}/login")
    await page.fill("input[name=login]", login)
    await page.fill("input[name=password]", PASSWORD)
    await page.check(f"input[name=phone][value={phone}]", force=True)
    await page.click("button.primary")
    await page.wait_for_selector("#live[data-state=ok]")


async def shot(page: Page, folder: Path, name: str) -> None:
    await page.screenshot(path=folder / f"{name}.png")
