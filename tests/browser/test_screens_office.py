"""The pages of back office and managers in three languages and both themes, as tests/browser/test_screens.py does it."""

from playwright.async_api import Page

from tests.browser import tour, world
from tests.browser.complaints import look
from tests.console.conftest import RunningConsole, begin_talk


async def test_strategies_reports_and_work_on_a_case(page: Page, console: RunningConsole) -> None:
    talk = await begin_talk(console)
    await world.long_history(console, talk.borrower.case, talk.agent, talk.call)
    await talk.end()
    await tour.supervisor(page, console)
    await tour.strategies(page, console, look)
    await tour.reports(page, console, look)
    await tour.case_work(page, console, look)
    await tour.aside(page, console, look)
    await page.context.clear_cookies()
    await tour.api_docs(page, console, look)
    await tour.webhooks(page, console, look)
