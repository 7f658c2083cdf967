"""Nothing typed is lost: not by a session that ended, not by a console that is away; and nobody else finds it (ui.md, 1.8)."""

from playwright.async_api import Page, expect
from sqlalchemy import delete

from backoffice_core.staff.models import Login
from tests import house
from tests.browser.conftest import log_in
from tests.console.conftest import PASSWORD, RunningConsole

KEPT = "Object.keys(localStorage).filter((one) => one.startsWith('draft:')).length"


async def test_a_typed_form_outlives_the_session_and_the_console(page: Page, console: RunningConsole) -> None:
    """FL-17: back after a login with a note, sent once more when the console is back, gone when saved, discarded, at a logout,
    and when another person logs in."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        one = await house.borrower(s, console.clock)
    await console.person("olha", "supervisor", name="Ковальчук Ольга")
    await console.person("petro", "manager", name="Бойко Петро")
    await log_in(page, console, "olha")
    work = f"{console.url}/case/{one.case.number}/work"
    await page.goto(work)
    await page.click("#holds details summary")
    await page.select_option("#holds [name=kind]", "CHANNEL")
    await page.check("#holds [name=channels][value=visit]")
    await page.fill("#holds [name=evidence]", "Лист 12 від 3 лютого")
    async with console.database.begin() as s:
        await s.execute(delete(Login))
    await page.click("#holds details .primary")
    await page.wait_for_url("**/login?*")
    await page.fill("input[name=login]", "olha")
    await page.fill("input[name=password]", PASSWORD)
    await page.click("button.primary")
    await page.wait_for_url(work)
    await expect(page.locator("#holds .draft-note")).to_contain_text("Відновлено")
    await expect(page.locator("#holds [name=evidence]")).to_have_value("Лист 12 від 3 лютого")
    await expect(page.locator("#holds [name=channels][value=visit]")).to_be_checked()

    await page.route("**/work/holds", lambda route: route.abort("connectionrefused"))
    await page.route("**/holds", lambda route: route.abort("connectionrefused"))
    await page.click("#holds details .primary")
    await expect(page.locator("#toast-text")).to_contain_text("Не надіслано")
    await expect(page.locator("#holds [name=evidence]")).to_have_value("Лист 12 від 3 лютого")
    await page.unroute_all()
    await page.click("#holds details .primary")
    await expect(page.locator("#holds table")).to_contain_text("Лист 12 від 3 лютого")
    assert await page.evaluate(KEPT) == 0
    await expect(page.locator(".draft-note")).to_have_count(0)

    await page.click("#plans details summary")
    await page.fill("#plans [name=amount]", "1500")
    await page.click(".seg [lang=en]")
    await page.wait_for_function("() => document.documentElement.lang === 'en'")
    await expect(page.locator("#plans [name=amount]")).to_have_value("1500")
    await page.reload()
    await page.click("#plans .draft-note button")
    await expect(page.locator("#plans [name=amount]")).to_have_value("")
    assert await page.evaluate(KEPT) == 0

    await page.fill("#plans [name=amount]", "1600")
    assert await page.evaluate(KEPT) == 1
    await page.click("#me")
    await page.click("#me-menu .opt")
    await page.wait_for_url("**/login")
    assert await page.evaluate(KEPT) == 0, "a logout takes it away"
    await log_in(page, console, "olha")
    await page.goto(work)
    await page.click("#plans details summary")
    await page.fill("#plans [name=amount]", "1700")
    await page.context.clear_cookies()
    await log_in(page, console, "petro")
    await page.wait_for_function(f"() => {KEPT} === 0")
