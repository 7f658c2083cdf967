"""The way through every page of the console, with its dialogs and menus open: for the checks, and for the pictures.

Each part of the tour brings its page into a state and calls `look(page, name)`; `languages` are given where the page
need not be seen in all of them.
"""

from collections.abc import Awaitable
from typing import Protocol

from playwright.async_api import Page

from backoffice_core.call_centre.dialing import stop
from tests.browser import world, world_reports
from tests.browser.conftest import log_in
from tests.console.conftest import PASSWORD, RunningConsole, begin_talk
from tests.console.test_caller import calls_us

ALL = ("ru", "en", "uk")


class Look(Protocol):
    def __call__(self, page: Page, name: str, *, languages: tuple[str, ...] = ALL) -> Awaitable[None]: ...


async def login(page: Page, console: RunningConsole, look: Look) -> None:
    await page.goto(f"{console.url}/login")
    for lang in ("uk", "ru", "en"):
        await page.click(f".seg a[lang={lang}]")
        await look(page, "1-login", languages=(lang,))


async def speak(page: Page, lang: str) -> None:
    """Switches the language in place, as a person does."""
    await page.click(f".seg [lang={lang}]")
    await page.wait_for_function("lang => document.documentElement.lang === lang", arg=lang)


async def desk(page: Page, console: RunningConsole, look: Look) -> int:
    """One call from the card to the next wish: unconfirmed, confirmed, wrap-up, ready, paused. Returns its case."""
    talk = await begin_talk(console)
    await world.long_history(console, talk.borrower.case, talk.agent, talk.call)
    await log_in(page, console, talk.agent.login)
    await page.fill("#id-birth_date", "14.03.1985")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#id-birth_date-said.ok")
    await look(page, "2b-desk-call")
    await page.fill("#id-code_word", "калина")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-mode=rpc]")
    await look(page, "2c-desk-confirmed")
    await world.as_survey(console, talk.call)
    await page.reload()  # while a call lasts nothing changes what it is about
    await page.wait_for_selector("#campaign-script")
    await look(page, "2c-desk-survey", languages=("en", "uk"))
    await world.as_survey(console, talk.call, back=True)
    await talk.end()
    await page.evaluate("ui.refreshDesk()")
    await page.wait_for_selector("[data-mode=wrap]")
    await page.keyboard.press("1")
    await page.fill("#PTP_FULL-due_date", "+5")
    await page.keyboard.press("Tab")
    await page.fill("#note", "Зарплата 24-го, сплатить усе в застосунку.")
    await look(page, "2d-desk-wrapup")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_selector("[data-mode=ready]")
    await page.click("#toast-close")
    await look(page, "2a-desk-ready")
    await page.click("[popovertarget=pause-menu]")
    await look(page, "2a-desk-pause-menu", languages=())
    await page.keyboard.press("Escape")
    await page.keyboard.press("F2")
    await page.wait_for_selector("[data-state=PAUSED]")
    await look(page, "2a-desk-paused", languages=("uk",))
    return talk.borrower.case.number


async def caller(page: Page, console: RunningConsole, look: Look) -> None:
    """Somebody calls whom nobody knows: two borrowers have the number, a search, the one who was chosen."""
    one = await calls_us(console, "+380671239876", "+380671239876", "+380671239876", login="oksana", extension=111)
    await log_in(page, console, "oksana")
    await page.fill("#caller-q", "ковален")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#caller-found .pick")
    await look(page, "2e-desk-caller")
    await page.click("#caller-found .pick >> nth=0")
    await page.wait_for_selector("#caller-back")
    await look(page, "2e-desk-caller-chosen", languages=("uk",))
    await one.end()


async def supervisor(page: Page, console: RunningConsole) -> None:
    await console.person("olha", "supervisor", name="Ковальчук Ольга")
    await log_in(page, console, "olha")


async def floor(page: Page, console: RunningConsole, look: Look) -> None:
    """A healthy floor, then with everything that can go wrong at once, stopped."""
    await page.goto(f"{console.url}/floor")
    await look(page, "3-floor")
    await page.click("#me")
    await look(page, "3-floor-menu", languages=())
    await page.keyboard.press("Escape")
    await page.click("#stop-button")
    await look(page, "3-floor-stopping", languages=())
    await page.keyboard.press("Escape")
    await world.troubles(console)
    await page.reload()
    await page.wait_for_selector("#live[data-state=ok]")
    await look(page, "3-floor-troubles")
    await page.click("#stop-button")
    await page.fill("#stop-dialog [name=reason]", "Збій транка «Львів-резерв»")
    await page.click("#stop-dialog .strong")
    await page.wait_for_selector("#alarm-stop")
    assert stop.stopped(console.settings) is not None
    await page.click("#toast-close")
    await look(page, "3-floor-stopped", languages=("uk",))
    await page.click("[data-open=lift-dialog]")
    await look(page, "3-floor-lifting", languages=())
    await page.keyboard.press("Escape")


async def case(page: Page, console: RunningConsole, number: int, look: Look) -> None:
    await page.goto(f"{console.url}/case/{number}")
    await page.click("details.rec summary")
    await look(page, "4-case")


async def lists(page: Page, console: RunningConsole, look: Look) -> None:
    """The pages that are tables; `world.troubles` has filled them."""
    for path, name, languages in (
        ("/queue", "5-queue", ALL), ("/queue?reason=CAP_REACHED", "5-queue-reason", ("uk",)), ("/lines", "6-lines", ALL),
        ("/announcements", "8-announcements", ALL), ("/unknown", "7-unknown", ALL), ("/case?q=олена", "5-search", ALL),
        ("/case?q=нікогонема", "5-search-none", ("uk",)), ("/what-if", "6-what-if", ("uk",)), ("/campaigns", "6-campaigns", ALL),
        ("/decisions", "6-decisions", ALL),
        ("/campaigns/reminders", "6-campaign", ALL), ("/campaigns/collection", "6-campaign-rest", ("uk",)),
        ("/campaigns/opinion", "6-campaign-survey", ("uk",)),
    ):  # fmt: skip
        await page.goto(f"{console.url}{path}")
        await look(page, name, languages=languages)
    await page.goto(f"{console.url}/lines")
    await page.click("[popovertarget^=out-]")
    await look(page, "6-lines-closing", languages=())
    await page.goto(f"{console.url}/unknown")
    await page.click("[popovertarget^=settle-]")
    await look(page, "7-unknown-menu", languages=())
    await page.keyboard.press("Escape")


async def work(page: Page, console: RunningConsole, look: Look) -> None:
    """The work list: as a table with a task open, as a calendar, and empty; a new task in a case."""
    number = await world.work(console)
    await page.goto(f"{console.url}/tasks?list=all")
    await page.click("table[data-rows] a.rowlink >> nth=0")
    await page.wait_for_selector("#task")
    await look(page, "10-work")
    await page.goto(f"{console.url}/tasks?list=all&view=calendar")
    await look(page, "10-work-calendar")
    await page.goto(f"{console.url}/tasks?list=mine")
    await look(page, "10-work-empty", languages=("uk",))
    await page.goto(f"{console.url}/case/{number}")
    await page.click("[popovertarget=new-task]")
    await look(page, "10-work-new", languages=())
    await page.keyboard.press("Escape")


async def strategies(page: Page, console: RunningConsole, look: Look) -> None:
    """A draft beside what is in force, a step with a fault in its form, whom it touches; the proof, its rows, a dossier."""
    number = await world.strategy(console)
    for path, name, languages in (
        ("/strategies", "11-strategies", ("uk",)), ("/strategies/collection?v=2&step=s2", "11-strategy", ALL),
        ("/strategies/collection?v=2&edit=segment&name=bigger", "11-strategy-segment", ("uk",)),
        ("/strategies/collection?v=2&edit=scope", "11-strategy-scope", ALL),
        ("/strategies/collection/2/preview?on=%2B0", "11-strategy-preview", ALL), ("/proof", "12-proof", ALL),
        ("/proof/rows?state=SKIPPED", "12-proof-rows", ALL), ("/dossier?phone=x", "12-dossier-find", ("uk",)),
        (f"/case/{number}/dossier?day={console.clock.today()}", "12-dossier", ALL),
    ):  # fmt: skip
        await page.goto(f"{console.url}{path}")
        await look(page, name, languages=languages)


async def reports(page: Page, console: RunningConsole, look: Look) -> None:
    """Each report with its chart, the rows behind a figure, and a question with a fault."""
    await world_reports.reported(console)
    for path, name, languages in (
        ("/portfolio", "13-report-portfolio", ALL), ("/rolls", "13-report-rolls", ("ru",)),
        ("/promises", "13-report-promises", ("uk",)), ("/arms", "13-report-arms", ALL), ("/load", "13-report-load", ()),
        ("/calls?by=hour", "13-report-calls", ALL), ("/liquidation", "13-report-liquidation", ("ru",)),
        ("/reach", "13-report-reach", ("uk",)), ("/hours", "13-report-hours", ("uk",)),
        ("/complaints?by=person", "13-report-complaints", ("en",)), ("/acts", "13-report-acts", ALL),
        ("/portfolio/rows?bucket=1-30&figure=overdue", "13-report-rows", ("ru",)), ("/steps", "13-report-steps", ("uk",)),
        ("/promises?as_at=колись", "13-report-bad", ("uk",)),
    ):  # fmt: skip
        await page.goto(f"{console.url}/reports{path}")
        await look(page, name, languages=languages)


async def case_work(page: Page, console: RunningConsole, look: Look) -> None:
    """Holds, a plan, an act, a correction; a form refused; the rules with one open."""
    number = await world.case_work(console)
    base = f"{console.url}/case/{number}/work"
    await page.goto(base)
    await look(page, "14-case-work")
    await page.click("#holds details summary")
    await page.fill("#holds [name=until]", "учора")
    await page.fill("#holds [name=evidence]", "Лист 9")
    await page.click("#holds details .primary")
    await page.wait_for_selector("#refused")
    await look(page, "14-case-work-refused", languages=())
    await page.goto(base)
    await page.click("[popovertarget^=accept-]")
    await look(page, "14-case-work-accepting", languages=())
    await page.keyboard.press("Escape")
    await page.goto(f"{console.url}/case/{await world.court(console)}/work")
    await page.click("#court details summary")
    await look(page, "14-case-work-court", languages=())
    await page.goto(f"{console.url}/rules?country=UA&code=UA-MILITARY")
    await look(page, "15-rules")
    await page.goto(f"{console.url}/overdue")
    await look(page, "15-overdue", languages=("uk",))
    await page.goto(f"{console.url}/queue?after=zz")
    await look(page, "9-error-field", languages=())


async def aside(page: Page, console: RunningConsole, look: Look) -> None:
    """Pages without the console's frame: they speak the language of the person's login."""
    for lang in ("ru", "en", "uk"):
        await page.goto(f"{console.url}/floor")
        await speak(page, lang)
        await page.goto(f"{console.url}/case/999999")
        await look(page, "9-error", languages=(lang,))


async def api_docs(page: Page, console: RunningConsole, look: Look) -> None:
    """`page` is nobody's yet: the description is for administrators."""
    await console.person("denys", "admin")
    await page.goto(f"{console.url}/login")
    await page.fill("input[name=login]", "denys")
    await page.fill("input[name=password]", PASSWORD)
    await page.click("button.primary")
    await page.goto(f"{console.url}/api/docs")
    await look(page, "9-api-docs", languages=())


async def webhooks(page: Page, console: RunningConsole, look: Look) -> None:
    """After `api_docs`: the administrator's page of systems that are told; a form with a fault, a secret, attempts, none yet."""
    await page.goto(f"{console.url}/webhooks")
    await look(page, "16-webhooks-none", languages=("uk",))
    await page.goto(f"{console.url}/webhooks?form=new")
    await page.fill("[name=name]", "crm")
    await page.fill("[name=url]", "https://evil.example/x")
    await page.click("#hook-form .primary")
    await page.wait_for_selector("#refused")
    await look(page, "16-webhooks-refused", languages=())
    dead = await world.webhooks(console)
    await page.goto(f"{console.url}/webhooks")
    await look(page, "16-webhooks")
    await page.goto(f"{console.url}/webhooks?name=crm&event={dead}")
    await look(page, "16-webhooks-event")
    await page.goto(f"{console.url}/webhooks?name=crm")
    await page.click("#hook-secret summary")
    await look(page, "16-webhooks-one")
    await page.click("#hook-secret .btn")
    await page.wait_for_selector("#secret")
    await look(page, "16-webhooks-secret", languages=())
