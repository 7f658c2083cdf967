"""A strategy edited, approved by a second person, its effect previewed, run by the night, and proved step by step (CK-25)."""

from datetime import timedelta

from playwright.async_api import Page, expect

from backoffice_core.nightly import run_night
from backoffice_core.strategy import service
from tests import house
from tests.browser.conftest import log_in
from tests.console.conftest import RunningConsole

STATES = ("done", "late", "skipped", "open")


async def add_step(page: Page, kind: str, **fields: str) -> None:
    await page.click("#new-step")
    await page.select_option("[name=stage]", "1")
    await page.select_option("[name=kind]", kind)
    for name, value in fields.items():
        await page.fill(f"#step-form [name={name}]", value)
    await page.click("#step-form .primary")


async def totals(page: Page) -> dict[str, int]:
    """The figures of the proof; due is the sum of the others, on the page as in the database."""
    found = {name: int(await page.locator(f"#total-{name}").inner_text()) for name in ("due", *STATES)}
    assert found["due"] == sum(found[name] for name in STATES)
    return found


async def test_ck25_edited_previewed_approved_run_and_proved(page: Page, console: RunningConsole) -> None:
    """Issue 6, "in the browser": title, scope and steps edited; whom it touches seen before it is live; sent, approved by a
    second person; the night runs it; the proof and the case's dossier show every step: due = done + late + skipped + open."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        one, other = [await house.borrower(s, console.clock) for _ in range(2)]
        for each in (one, other):
            each.case.opened_at = console.clock.now() - timedelta(days=1)
            await s.merge(each.case)
        other.case.stage = 2
        await s.merge(other.case)
        content = {"steps": [{"key": "s1", "stage": 2, "day": 1, "kind": "SMS"}]}
        await service.draft(s, "collection", content, who="os:test", at=console.clock.now(), title="М’яке стягнення")
    await console.person("olha", "supervisor", name="Ковальчук Ольга")
    await console.person("petro", "manager", name="Бойко Петро")
    await log_in(page, console, "olha")

    # edited: what is typed wrong comes back at its field
    await page.goto(f"{console.url}/strategies")
    await page.click("a.rowlink")
    await page.click("#scope")
    await page.fill("#scope-form [name=title]", "М’яке стягнення: перший етап")
    await page.check("#scope-form [name=stage][value='1']")
    await page.fill("#scope-form [name=dpd_max]", "багато")
    await page.click("#scope-form .primary")
    await expect(page.locator("#scope-form .hint.err")).to_be_visible()
    await expect(page.locator("#scope-form [name=title]")).to_have_value("М’яке стягнення: перший етап")
    await page.fill("#scope-form [name=dpd_max]", "90")
    await page.click("#scope-form .primary")
    await expect(page.locator("h1")).to_have_text("М’яке стягнення: перший етап")
    await expect(page.locator("#scope")).to_contain_text("Етап 1 · Днів до 90")
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
    for n, (kind, within) in enumerate((("SMS", "1"), ("CALL", "0"), ("VISIT", "3")), 3):
        await add_step(page, kind, day="1", within=within)
        await expect(page.locator(f"#step-s{n}")).to_be_visible()

    # previewed: whom it would touch, before it is live
    await page.click("#preview")
    await expect(page.locator("#preview-touched")).to_have_text("0")
    await page.fill("#on", "+0")
    await page.keyboard.press("Enter")
    await expect(page.locator("#preview-touched")).to_have_text("1")
    await expect(page.locator("#preview-governed")).to_have_text("1"), "the other case is out of its scope"
    await expect(page.locator("table[data-rows]")).to_contain_text(str(one.case.number))

    # sent for approval, and approved by a second person
    await page.goto(f"{console.url}/strategies/collection")
    await page.click("#submit")
    await expect(page.locator("main")).to_contain_text("Затверджує друга людина")
    assert await page.locator("#approve").count() == 0
    await page.goto(f"{console.url}/case/{one.case.number}/work")
    await page.click("#holds details summary")
    await page.select_option("#holds [name=kind]", "CHANNEL")
    await page.check("#holds [name=channels][value=sms]")
    await page.fill("#holds [name=evidence]", "Просив не писати, лист 17")
    await page.click("#holds details .primary")
    await expect(page.locator("#holds table")).to_contain_text("Просив не писати")
    await page.context.clear_cookies()
    await log_in(page, console, "petro")
    await page.goto(f"{console.url}/strategies/collection")
    await page.click("#approve")
    await page.fill("[name=live_from]", "+0")
    await page.click("#approving .primary")
    await expect(page.locator(".head")).to_contain_text("Бойко П.")

    # run by the night, done by a person
    await run_night(console.database, console.clock, console.settings, console.clock.today())
    await page.goto(f"{console.url}/proof")
    assert await totals(page) == {"due": 4, "done": 0, "late": 0, "skipped": 1, "open": 3}
    await page.goto(f"{console.url}/tasks?list=all&kind=LETTER")
    await page.click("table[data-rows] a.rowlink")
    await page.select_option("#task-close [name=result]", "DONE")
    await page.fill("#task-close [name=note]", "Рекомендований № 0500012345678")
    await page.click("#task-close .btn")
    await expect(page.locator(".empty")).to_be_visible()
    await run_night(console.database, console.clock, console.settings, console.clock.today(), again=True)

    # proved: each figure, its rows, and the case step by step, as at today and as at tomorrow
    await page.goto(f"{console.url}/proof")
    assert await totals(page) == {"due": 4, "done": 1, "late": 0, "skipped": 1, "open": 2}
    for name in ("done", "skipped", "open"):
        figure = page.locator(
            f'tfoot td a[href*="state={name.upper()}"], tbody td a[href*="state={name.upper()}"]'
        ).first
        said = int(await figure.inner_text())
        await figure.click()
        await expect(page.locator("tr[id^=due-]")).to_have_count(said)
        await page.go_back()
    await page.goto(f"{console.url}/proof?as_at=%2B1&last=%2B1")
    assert await totals(page) == {"due": 4, "done": 1, "late": 1, "skipped": 1, "open": 1}
    await page.goto(f"{console.url}/proof")
    await page.click('a[href*="state=DONE"]')
    await page.click("table[data-rows] a.rowlink")
    for key, words in (("s2", "Зроблено"), ("s3", "Пропущено"), ("s4", "Відкрито"), ("s5", "Відкрито")):
        await expect(page.locator(f"#step-{key}")).to_contain_text(words)
    await expect(page.locator("#step-s2")).to_contain_text("Бойко П.")
    await expect(page.locator("#step-s3")).to_contain_text("призупинено", ignore_case=True)
    await expect(page.locator("tr[id^=step-]")).to_have_count(4)
    async with page.expect_download() as download:
        await page.click("#pdf")
    assert (await download.value).suggested_filename == f"case-{one.case.number}.pdf"
