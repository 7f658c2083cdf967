"""The main job as its user sees it: a browser as desk and phone, a real Asterisk, a borrower who talks.

Headless Chromium with a fake microphone (it beeps), WebRTC to the exchange, the far end's borrower, the recording
played back.
"""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.async_api import Page
from sqlalchemy import select

from backoffice_core.call_centre.models import AgentSession, CallAttempt, Recording
from backoffice_core.cases.models import Case
from backoffice_core.collection.models import Promise
from backoffice_core.parts import asterisk
from tests.conftest import until
from tests.running import PASSWORD, RunningHouse, running_house


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with running_house(tmp_path_factory.mktemp("browser-house"), ring_timeout_s=15) as one:
        yield one


async def seat(running: RunningHouse) -> AgentSession:
    (only,) = await running.seats()
    return only


async def test_an_agent_in_a_browser_takes_the_call_and_the_promise(
    page: Page, running: RunningHouse, tmp_path: Path
) -> None:
    """TL-01, TL-03, TL-04, CC-13, CC-14: ready, card, voices, identity, promise, history, recording of both sides."""
    await running.user("olena", "agent", 101)
    await asyncio.to_thread(asterisk.refresh, running.settings)
    await page.goto(f"{running.console}/login")
    await page.fill("input[name=login]", "olena")
    await page.fill("input[name=password]", PASSWORD)
    await page.check("input[name=phone][value=browser]", force=True)
    await page.click("button.primary")
    await page.wait_for_selector("#phone-line[data-state=ok]", timeout=15_000)

    await page.keyboard.press("F2")

    async def ready() -> bool:
        return ((one := await seat(running)).state, one.line) == ("READY", "UP")

    await until(ready, 20, what="the browser phone took the agent's line")
    (task,) = await running.dial("100")  # answers after 1 s and talks until we hang up
    await page.wait_for_selector("#desk-card[data-call-id]", timeout=20_000)
    assert await page.inner_text(".who") == "Олена Петрівна Коваленко"
    unconfirmed = await page.inner_html("#desk-card")
    assert "1 800" not in unconfirmed
    assert "КД-" not in unconfirmed
    call = await until(lambda: running.attempt(task), 5)
    await until(lambda: _is_connected(running, call), 10, what="both voices in one bridge")

    await page.fill("#id-birth_date", "14.03.1985")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#id-birth_date:disabled")
    await page.fill("#id-code_word", "калина")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".owed")
    assert "1\xa0800,00" in await page.inner_text(".owed")
    await page.screenshot(path=tmp_path / "desk-call.png")

    await page.wait_for_timeout(2500)  # let the talk have some length to hear
    await page.keyboard.press("F9")
    await page.wait_for_selector("#save:not([disabled])", timeout=10_000)
    due = running.clock.today() + timedelta(days=2)
    await page.locator("input[name=outcome][value=PTP_FULL]").check(force=True)
    await page.fill("#PTP_FULL-due_date", due.strftime("%d.%m.%Y"))
    await page.fill("#note", "зарплата в середу")
    await page.keyboard.press("Control+Enter")

    async def saved() -> bool:
        one = await seat(running)
        return one.state == "READY" and one.call_id is None

    await until(saved, 10, what="the result saved, the agent ready again")
    async with running.database() as database, database.begin() as s:
        ended = await s.get_one(CallAttempt, call.id)
        promise = (await s.execute(select(Promise).where(Promise.call_id == call.id))).scalar_one()
        case = await s.get_one(Case, ended.case_id)
    assert (ended.result, ended.outcome, ended.note) == ("ANSWERED_HUMAN", "PTP_FULL", "зарплата в середу")
    assert (promise.amount, promise.due_date) == (Decimal("1800.00"), due)

    async def sealed() -> Recording | None:
        async with running.database() as database, database.begin() as s:
            found = await s.get_one(Recording, call.id)
            return found if found.state == "SEALED" else None

    recording: Recording = await until(sealed, 20, every=0.2)
    assert recording.agent_dbfs is not None
    assert recording.borrower_dbfs is not None
    assert min(recording.agent_dbfs, recording.borrower_dbfs) > -60, "both sides carry sound"

    await page.goto(f"{running.console}/case/{case.number}")
    await page.click("details.rec summary")
    played = await page.evaluate(
        """async () => {
          const audio = document.querySelector('details.rec audio');
          audio.muted = true;
          await audio.play();
          await new Promise((done) => audio.addEventListener('timeupdate', done, { once: true }));
          audio.currentTime = 1.5;
          await new Promise((done) => audio.addEventListener('seeked', done, { once: true }));
          return { length: audio.duration, at: audio.currentTime };
        }"""
    )
    assert played["length"] > 2
    assert played["at"] >= 1.5
    timeline = await page.inner_text(".tl")
    assert "1\xa0800,00" in timeline or "1 800,00" in timeline
    await page.screenshot(path=tmp_path / "case.png")


async def _is_connected(running: RunningHouse, call: CallAttempt) -> bool:
    async with running.database() as database, database.begin() as s:
        return (await s.get_one(CallAttempt, call.id)).state == "CONNECTED"
