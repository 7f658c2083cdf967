"""Each page in three languages and both themes: no serious finding of axe, nothing outside its panel, no lost words."""

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from backoffice_core.call_centre import agents, stop
from backoffice_core.events import AgentChanged
from tests.browser import world
from tests.browser.conftest import log_in, shot
from tests.console.conftest import RunningConsole, begin_talk

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
OUTSIDE = """() => {
  const boxes = [...document.querySelectorAll('.panel, .call, .top, .strip, .head')];
  const skip = '.vh, [popover], .scroll, .agents, .cut, .sprite';
  const name = (e) => `${e.tagName}.${e.className.baseVal ?? e.className} ${e.textContent.trim().slice(0, 40)}`;
  const out = boxes.flatMap((box) => {
    const edge = box.getBoundingClientRect();
    return [...box.querySelectorAll('*')].filter((e) => {
      const r = e.getBoundingClientRect();
      const seen = r.width && getComputedStyle(e).visibility !== 'hidden' && !e.closest(skip);
      return seen && (r.right > edge.right + 1 || r.left < edge.left - 1);
    }).map((e) => `${box.className}: ${name(e)}`);
  });
  const panes = [document.documentElement, ...document.querySelectorAll('.scroll, .agents')];
  return out.concat(panes.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => `scrolls sideways: ${name(e)}`));
}"""


async def look(page: Page, folder: Path, name: str, *, languages: tuple[str, ...] = ("ru", "en", "uk")) -> None:
    """Goes through languages and themes; asserts what a person would complain about."""
    for lang in languages:
        if await page.locator("#me").count():
            await page.click(f".seg [lang={lang}]")
            await page.wait_for_function("lang => document.documentElement.lang === lang", arg=lang)
        for theme in ("light", "dark"):
            await page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
            await page.evaluate("document.fonts.ready")
            await shot(page, folder, f"{name}.{lang}.{theme}")
            found = await Axe().run(page, options=RULES)
            bad = [
                f"{v['id']}: {v['nodes'][0]['html'][:160]} {v['nodes'][0].get('failureSummary', '')[:200]}"
                for v in found.response["violations"] if v["impact"] in {"serious", "critical"}
            ]  # fmt: skip
            assert bad == [], f"{name} {lang} {theme}"
        assert await page.evaluate(OUTSIDE) == [], f"{name} {lang}"


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp()


async def test_login(page: Page, console: RunningConsole, folder: Path) -> None:
    await page.goto(f"{console.url}/login")
    for lang in ("uk", "ru", "en"):
        await page.click(f".seg a[lang={lang}]")
        await look(page, folder, f"1-login-{lang}", languages=(lang,))


async def test_desk_ready_and_paused(page: Page, console: RunningConsole, folder: Path) -> None:
    talk = await begin_talk(console)
    await world.long_history(console, talk.borrower.case, talk.agent)
    await talk.end()
    await log_in(page, console, talk.agent.login)
    await page.click("label.opt:has([value=WRONG_NUMBER])")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_selector("[data-mode=ready]")
    await look(page, folder, "2a-desk-ready")
    await page.keyboard.press("F2")
    await page.wait_for_selector("[data-state=PAUSED]")
    await look(page, folder, "2a-desk-paused", languages=("uk",))


async def test_desk_in_a_call(page: Page, console: RunningConsole, folder: Path) -> None:
    talk = await begin_talk(console)
    await world.long_history(console, talk.borrower.case, talk.agent, talk.call)
    await log_in(page, console, talk.agent.login)
    await page.fill("#id-birth_date", "14.03.1985")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#id-birth_date-said.ok")
    await look(page, folder, "2b-desk-call")
    await page.fill("#id-code_word", "калина")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-mode=rpc]")
    await look(page, folder, "2c-desk-confirmed")
    await talk.end()
    await page.evaluate("ui.refreshDesk()")
    await page.wait_for_selector("[data-mode=wrap]")
    await page.keyboard.press("1")
    await page.fill("#PTP_FULL-due_date", "+5")
    await page.keyboard.press("Tab")
    await page.fill("#note", "Зарплата 24-го, сплатить усе в застосунку.")
    await look(page, folder, "2d-desk-wrapup")


async def test_floor(page: Page, console: RunningConsole, folder: Path) -> None:
    await world.shift(console)
    await console.person("olha", "supervisor")
    await log_in(page, console, "olha")
    await look(page, folder, "3-floor")
    await page.click("#stop-button")
    await look(page, folder, "3-floor-stopping", languages=())
    await shot(page, folder, "3-floor-dialog")
    await page.fill("#stop-dialog [name=reason]", "Збій транка «Львів-резерв»")
    await page.click("#stop-dialog .strong")
    await page.wait_for_selector("#alarm-stop")
    assert stop.stopped(console.settings) is not None
    await look(page, folder, "3-floor-stopped")


async def test_case_and_queue(page: Page, console: RunningConsole, folder: Path) -> None:
    await world.shift(console, agents=0)
    talk = await begin_talk(console)
    await world.long_history(console, talk.borrower.case, talk.agent, talk.call)
    await talk.end()
    await console.person("olha", "supervisor")
    await log_in(page, console, "olha")
    await page.goto(f"{console.url}/case/{talk.borrower.case.number}")
    await page.click("details.rec summary")
    await look(page, folder, "4-case")
    await page.goto(f"{console.url}/queue")
    await look(page, folder, "5-queue")
    await page.goto(f"{console.url}/queue?reason=CAP_REACHED")
    await look(page, folder, "5-queue-reason", languages=("uk",))
    await page.goto(f"{console.url}/case/99")
    await shot(page, folder, "9-error")


async def test_a_row_of_the_floor_changes_alone(page: Page, console: RunningConsole) -> None:
    """An agent's news swaps his row; nothing else moves, and his clock ticks without messages."""
    await world.shift(console, agents=6)
    await console.person("olha", "supervisor")
    await log_in(page, console, "olha")
    async with console.database.begin() as s:
        row = next(r for r in await agents.board(s) if r.state == "TALKING")
        seat = await agents.current(s, row.agent_id)
        assert seat is not None
        agents.change(s, seat, "PAUSED", "LUNCH", console.clock.wall())
    await console.bus.publish(AgentChanged(agent_id=row.agent_id))
    mine = page.locator(f"#agent-{row.agent_id}")
    await expect(mine).to_contain_text("Пауза: обід")
    before = await mine.locator("time").text_content()
    await expect(mine.locator("time")).not_to_have_text(before or "")
    await expect(page.locator("#strip")).to_contain_text("пауза")
