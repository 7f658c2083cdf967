"""A strategy edited, approved by a second person, its effect previewed, run by the night, and proved step by step (CK-25)."""

from datetime import timedelta

from playwright.async_api import Page, expect

from backoffice_core.nightly import run_night
from backoffice_core.strategy import service
from tests import house
from tests.browser.conftest import log_in
from tests.console.conftest import RunningConsole


async def test_ck25_edited_approved_previewed_run_and_proved(page: Page, console: RunningConsole) -> None:
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        one = await house.borrower(s, console.clock)
        one.case.opened_at = console.clock.now() - timedelta(days=1)
        await s.merge(one.case)
        content = {"steps": [{"key": "s1", "stage": 2, "day": 0, "kind": "SMS"}]}
        await service.draft(s, "collection", content, who="os:test", at=console.clock.now(), title="М’яке стягнення")
    await console.person("olha", "supervisor", name="Ковальчук Ольга")
    await console.person("petro", "manager", name="Бойко Петро")
    await log_in(page, console, "olha")
    await page.goto(f"{console.url}/strategies")
    await page.click("a.rowlink")
    await page.click("#new-step")
    await page.select_option("[name=stage]", "1")
    await page.select_option("[name=kind]", "LETTER")
    await page.fill("[name=day]", "рано")
    await page.fill("[name=note]", "Лист-нагадування")
    await page.click("#step-form .primary")
    await expect(page.locator("#step-form .hint.err")).to_contain_text("Ціле число")
    await expect(page.locator("#step-form [name=day]")).to_have_value("рано")
    await expect(page.locator("#step-form [name=note]")).to_have_value("Лист-нагадування")
    await page.fill("[name=day]", "1")
    await page.click("#step-form .primary")
    await expect(page.locator("#step-s2")).to_contain_text("Лист-нагадування")
    await page.click("#preview")
    await expect(page.locator("#preview-touched")).to_have_text("0")
    await page.fill("#on", "+0")
    await page.keyboard.press("Enter")
    await expect(page.locator("#preview-touched")).to_have_text("1")
    await expect(page.locator("table[data-rows]")).to_contain_text(str(one.case.number))
    await page.goto(f"{console.url}/strategies/collection")
    await page.click("#submit")
    await expect(page.locator("main")).to_contain_text("Затверджує друга людина")
    assert await page.locator("#approve").count() == 0
    await page.context.clear_cookies()
    await log_in(page, console, "petro")
    await page.goto(f"{console.url}/strategies/collection")
    await page.click("#approve")
    await page.fill("[name=live_from]", "+0")
    await page.click("#approving .primary")
    await expect(page.locator(".head")).to_contain_text("Бойко П.")
    await run_night(console.database, console.clock, console.settings, console.clock.today())
    await page.goto(f"{console.url}/proof")
    await expect(page.locator("#total-due")).to_have_text("1")
    await expect(page.locator("#total-open")).to_have_text("1")
    await page.goto(f"{console.url}/tasks?list=all&kind=LETTER")
    await page.click("table[data-rows] a.rowlink")
    await page.select_option("#task-close [name=result]", "DONE")
    await page.fill("#task-close [name=note]", "Рекомендований № 0500012345678")
    await page.click("#task-close .btn")
    await expect(page.locator(".empty")).to_be_visible()
    await run_night(console.database, console.clock, console.settings, console.clock.today(), again=True)
    await page.goto(f"{console.url}/proof")
    await expect(page.locator("#total-done")).to_have_text("1")
    await page.click('a[href*="state=DONE"]')
    await page.click("table[data-rows] a.rowlink")
    step = page.locator("#step-s2")
    await expect(step).to_contain_text("Зроблено")
    await expect(step).to_contain_text("Бойко П.")
    async with page.expect_download() as download:
        await page.click("#pdf")
    assert (await download.value).suggested_filename == f"case-{one.case.number}.pdf"
