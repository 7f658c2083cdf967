"""Every form with text keeps what was typed: over a session that ended, over another language after a refusal; no key is kept."""

from playwright.async_api import Page, expect
from sqlalchemy import delete, select

from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.cases.models import Case
from backoffice_core.staff import units
from backoffice_core.staff.models import Login
from tests import house
from tests.browser.conftest import log_in
from tests.conftest import until
from tests.console.conftest import PASSWORD, RunningConsole, begin_talk

STORED = "Object.entries(localStorage).filter(([name]) => name.startsWith('draft:')).map(([, value]) => value).join()"


async def back_in(page: Page, console: RunningConsole, login: str, button: str, url: str) -> None:
    """The session ends, the form is sent, the login leads back."""
    async with console.database.begin() as s:
        await s.execute(delete(Login))
    await page.click(button)
    await page.wait_for_url("**/login?*")
    await page.fill("input[name=login]", login)
    await page.fill("input[name=password]", PASSWORD)
    await page.click("button.primary")
    await page.wait_for_url(url)
    await page.wait_for_selector("#live[data-state=ok]")


async def switch(page: Page, lang: str) -> None:
    await page.click(f".seg [lang={lang}]")
    await page.wait_for_function("(lang) => document.documentElement.lang === lang", arg=lang)


async def test_a_campaigns_terms_outlive_the_session_and_another_language(page: Page, console: RunningConsole) -> None:
    """FL-17: terms that were refused, or counted, stay as typed through uk, ru and en, on the campaign's own page."""
    await console.person("olha", "supervisor", name="Ковальчук Ольга")
    await log_in(page, console, "olha")
    await page.goto(f"{console.url}/campaigns")
    await page.fill("#campaign-new [name=name]", "collection")
    await page.click("#campaign-new button")
    await expect(page.locator("#campaign-bad")).to_contain_text("вже є")
    await expect(page.locator("#campaign-new [name=name]")).to_have_value("collection")
    await page.fill("#campaign-new [name=name]", "spring")
    await page.click("#campaign-new button")
    one = f"{console.url}/campaigns/spring"
    await page.wait_for_url(one)
    await page.fill("#campaign [name=skill]", "mortgage")
    await page.fill("#campaign [name=ratio]", "забагато")
    await page.check("#campaign [name=stages][value='2']")
    await back_in(page, console, "olha", "#campaign-save", one)
    await expect(page.locator("#campaign .draft-note")).to_contain_text("Відновлено")
    await expect(page.locator("#campaign [name=ratio]")).to_have_value("забагато")
    for button in ("#campaign-save", "#campaign-count"):
        await page.click(button)
        await expect(page.locator("#campaign [name=ratio]")).to_have_attribute("aria-invalid", "true")
    for lang in ("ru", "en", "uk"):
        await switch(page, lang)
        assert page.url == one
        await expect(page.locator("#campaign [name=ratio]")).to_have_value("забагато")
        await expect(page.locator("#campaign [name=skill]")).to_have_value("mortgage")
        await expect(page.locator("#campaign [name=stages][value='2']")).to_be_checked()
    await page.fill("#campaign [name=ratio]", "1,5")
    await page.click("#campaign-count")
    await expect(page.locator("#campaign-taken")).to_be_visible()
    await switch(page, "en")
    await expect(page.locator("#campaign [name=skill]")).to_have_value("mortgage")
    await page.fill("#campaign-list [name=numbers]", "100001")
    await page.reload()
    await expect(page.locator("#campaign-list [name=numbers]")).to_have_value("100001")
    await page.click("#campaign-list button.btn:not(.ghost)")
    await page.wait_for_url("**/campaigns/spring?given=*")
    await expect(page.locator("#campaign [name=skill]")).to_have_value("mortgage")
    await page.click("#campaign-save")
    await page.wait_for_url("**/campaigns")
    assert await page.evaluate(STORED) == ""


async def test_court_and_webhook_forms_come_back_and_no_key_is_kept(page: Page, console: RunningConsole) -> None:
    """FL-17: the court's act and a system's address are typed once; what stands behind the address may be a key, and is not
    kept in the browser."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        await units.put(s, "legal", who="test", name="Legal")
        one = await house.borrower(s, console.clock)
        case = await s.get_one(Case, one.case.id)
        case.unit, case.state, case.stage = "legal", "PRE_LEGAL", 5
    await console.person("olha", "supervisor", name="Ковальчук Ольга")
    await console.person("root", "admin", name="Адмін Ада")
    await log_in(page, console, "olha")
    work = f"{console.url}/case/{one.case.number}/work"
    await page.goto(work)
    await page.click("#court details summary")
    await page.fill("#court [name=court]", "Господарський суд")
    await page.fill("#court [name=number]", "910/1/26")
    await back_in(page, console, "olha", "#court .primary", work)
    await expect(page.locator("#court [name=court]")).to_have_value("Господарський суд")
    await page.fill("#court [name=amount]", "багато")
    await page.click("#court .primary")
    await expect(page.locator("#court .hint.err")).to_be_visible()
    await switch(page, "en")
    await expect(page.locator("#court [name=amount]")).to_have_value("багато")

    await page.context.clear_cookies()
    await log_in(page, console, "root")
    new = f"{console.url}/webhooks?form=new"
    await page.goto(new)
    await page.fill("#hook-form [name=name]", "crm")
    await page.fill("#hook-form [name=url]", "https://crm.bank.ua/in?token=s3cret")
    await page.uncheck("#hook-form [value='call.ended']")
    await back_in(page, console, "root", "#hook-form .primary", new)
    await expect(page.locator("#hook-form [name=name]")).to_have_value("crm")
    await expect(page.locator("#hook-form [name=url]")).to_have_value("https://crm.bank.ua/in")
    await expect(page.locator("#hook-form [value='call.ended']")).not_to_be_checked()
    assert "s3cret" not in await page.evaluate(STORED)
    await page.fill("#hook-form [name=url]", "https://crm.bank.ua/in?token=s3cret")
    await page.click("#hook-form .primary")
    await expect(page.locator("#hook-form .hint.err")).to_be_visible()
    await expect(page.locator("#hook-form [name=url]")).to_have_value("https://crm.bank.ua/in?token=s3cret")
    await switch(page, "ru")
    await expect(page.locator("#hook-form [name=name]")).to_have_value("crm")
    async with console.database.begin() as s:
        assert (await s.scalars(select(Case.state).where(Case.id == one.case.id))).one() == "PRE_LEGAL"


async def test_the_desks_result_and_note_outlive_a_reload_and_another_language(
    page: Page, console: RunningConsole
) -> None:
    """FL-17: the chosen result and the note come back while the server takes neither; what a borrower proves himself with is
    kept nowhere."""
    talk = await begin_talk(console)
    await log_in(page, console, talk.agent.login)
    await talk.end()
    await page.wait_for_selector("#desk-view[data-mode=wrap]", timeout=10_000)
    await page.route("**/desk/note", lambda route: route.abort("connectionrefused"))
    await page.fill("#note", "просить дзвонити після 11")
    await page.locator("#result-form [name=outcome][value=WRONG_PERSON]").check(force=True)
    await page.fill("#id-code_word", "Калина")
    await page.reload()
    chosen = page.locator("#result-form [name=outcome][value=WRONG_PERSON]")
    await expect(page.locator("#note")).to_have_value("просить дзвонити після 11")
    await expect(chosen).to_be_checked()
    await switch(page, "en")
    await expect(page.locator("#note")).to_have_value("просить дзвонити після 11")
    await expect(chosen).to_be_checked()
    assert "Калина" not in await page.evaluate("JSON.stringify(localStorage)")
    await page.unroute_all()

    async def saved() -> bool:
        async with console.database.begin() as s:
            return (
                await s.scalar(select(CallAttempt.note).where(CallAttempt.id == talk.call))
                == "просить дзвонити після 11"
            )

    await until(saved, 20, what="the note reached the server")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_selector("#desk-view[data-mode=ready]")
    assert await page.evaluate(STORED) == ""
