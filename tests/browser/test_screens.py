"""Each page in three languages and both themes: no serious finding of axe, nothing outside its panel, no lost words."""

from playwright.async_api import Page, expect

from backoffice_core.call_centre.desks import agents
from backoffice_core.events import AgentChanged, StopChanged
from tests.browser import tour, world
from tests.browser.complaints import look
from tests.browser.conftest import log_in
from tests.console.conftest import RunningConsole, begin_talk


async def test_login(page: Page, console: RunningConsole) -> None:
    await tour.login(page, console, look)


async def test_desk(page: Page, console: RunningConsole) -> None:
    """The desk in every state, its menu open."""
    await tour.desk(page, console, look)


async def test_desk_of_an_unknown_caller(page: Page, console: RunningConsole) -> None:
    await tour.caller(page, console, look)


async def test_floor(page: Page, console: RunningConsole) -> None:
    """The floor at peace and in trouble, its menu and dialogs open."""
    await world.shift(console)
    await tour.supervisor(page, console)
    await tour.floor(page, console, look)


async def test_case_and_lists(page: Page, console: RunningConsole) -> None:
    talk = await begin_talk(console)
    await world.long_history(console, talk.borrower.case, talk.agent, talk.call)
    await talk.end()
    await world.shift(console, agents=1)
    await world.troubles(console)
    await tour.supervisor(page, console)
    await tour.case(page, console, talk.borrower.case.number, look)
    await tour.lists(page, console, look)
    await tour.work(page, console, look)


async def test_alarms_stand_in_three_lines(page: Page, console: RunningConsole) -> None:
    """Issue 3 "Desk and floor polish": the gravest three are whole, the others a click away, and stay open when news come."""
    await world.shift(console)
    await world.troubles(console)
    await tour.supervisor(page, console)
    assert await page.locator("#alarms > .alarm").count() == 3
    assert await page.locator("#alarms > .alarm").first.get_attribute("id") == "alarm-id-1"
    assert (await page.locator("#alarms").bounding_box() or {})["height"] <= 4 * 34
    await expect(page.locator("#alarm-unknown")).to_be_hidden()
    await page.click("#alarms-more summary")
    await expect(page.locator("#alarm-unknown")).to_be_visible()
    async with page.expect_response("**/floor/view"):
        await console.bus.publish(StopChanged())
    await page.wait_for_function("() => !document.querySelector('.htmx-request')")
    await expect(page.locator("#alarm-unknown")).to_be_visible()


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
