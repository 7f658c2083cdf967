"""The desk in a real browser: the card comes by itself, typed words survive, keys work, one tab holds the desk."""

import asyncio
from datetime import timedelta
from decimal import Decimal

from playwright.async_api import Page, Route, expect
from sqlalchemy import select

from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.collection.models import Promise
from backoffice_core.events import AgentChanged, CallChanged, ScreenPop
from tests import house
from tests.browser.conftest import log_in
from tests.conftest import until
from tests.console.conftest import PASSWORD, RunningConsole, begin_talk, next_talk
from tests.console.test_caller import calls_us


async def test_the_card_comes_by_websocket_and_the_draft_survives_news(page: Page, console: RunningConsole) -> None:
    user = await console.person("ivanka", extension=101)
    await log_in(page, console, "ivanka")
    await page.keyboard.press("F2")
    await page.wait_for_selector("#desk-view[data-state=READY]")
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        borrower = await house.borrower(s, console.clock)
        seat = await agents.current(s, user.id)
        assert seat is not None
        seat.line, seat.line_n, seat.line_channel = "UP", 1, "PJSIP/agent-101-00000001"
    talk = await next_talk(console, user, borrower, talk_s=0)
    await console.bus.publish(ScreenPop(agent_id=user.id, case_id=borrower.case.id, call_id=talk.call))
    await page.wait_for_selector(f'#desk-card[data-call-id="{talk.call}"]')
    await expect(page.locator("#alert")).to_contain_text("Коваленко")
    await page.keyboard.press("KeyN")
    await page.keyboard.type("просить дзвонити після 11")
    await page.fill("#id-code_word", "Кали")
    await console.bus.publish(CallChanged(call_id=talk.call, agent_id=user.id), AgentChanged(agent_id=user.id))

    async def saved() -> bool:
        async with console.database.begin() as s:
            note = (await s.execute(select(CallAttempt.note).where(CallAttempt.id == talk.call))).scalar_one()
        return note == "просить дзвонити після 11"

    await until(saved, what="the draft reached the server")
    await page.click(".seg [lang=en]")
    await expect(page.locator("#pane-result h2")).to_have_text("Result")
    assert await page.input_value("#note") == "просить дзвонити після 11"
    assert await page.input_value("#id-code_word") == "Кали"


async def test_a_result_by_keys_alone(page: Page, console: RunningConsole) -> None:
    talk = await begin_talk(console)
    await log_in(page, console, talk.agent.login)
    await talk.end()
    await page.wait_for_selector("#desk-view[data-mode=wrap]", timeout=10_000)
    await page.keyboard.press("2")
    await expect(page.locator("#next-step")).to_contain_text("оновити контактні дані")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_selector("#desk-view[data-mode=ready]")
    await expect(page.locator("#toast-text")).to_have_text("Збережено: Не та особа")


async def test_a_view_that_is_older_than_the_agents_answer_never_replaces_it(
    page: Page, console: RunningConsole
) -> None:
    """A view that was made before the answer was written, and comes after it, is thrown away and asked for again."""
    talk = await begin_talk(console)
    await log_in(page, console, talk.agent.login)
    asked, go, again = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        if asked.is_set():
            again.set()
            await route.fulfill(body="")  # nothing else mends the desk
            return
        answer = await route.fetch()  # the desk as it is now
        asked.set()
        await go.wait()
        await route.fulfill(response=answer)

    await page.route("**/desk/view", late)
    await console.bus.publish(CallChanged(call_id=talk.call, agent_id=talk.agent.id))
    await asyncio.wait_for(asked.wait(), 20)
    await page.fill("#id-birth_date", "14.03.1985")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#id-birth_date-said.ok")
    go.set()
    await asyncio.wait_for(again.wait(), 20)
    await expect(page.locator("#id-birth_date")).to_be_disabled()
    await expect(page.locator("#id-birth_date-said")).to_have_class("hint ok")


async def test_a_refused_result_stays_as_typed_and_can_be_mended(page: Page, console: RunningConsole) -> None:
    """News that come right after the refusal wipe neither message nor words; then the mended result is saved once."""
    talk = await begin_talk(console)
    await log_in(page, console, talk.agent.login)
    await page.keyboard.press("1")
    await page.keyboard.press("Escape")
    await page.fill("#id-birth_date", "14.03.1985")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#id-birth_date:disabled")
    await page.focus("#pane-talk")
    await page.keyboard.press("3")
    await page.keyboard.type("калина")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".owed")
    await talk.end()
    await console.bus.publish(AgentChanged(agent_id=talk.agent.id))
    await page.wait_for_selector("#desk-view[data-mode=wrap]", timeout=10_000)
    await page.locator("input[name=outcome][value=PTP_PART]").check(force=True)
    for _ in range(3):
        await page.fill("#PTP_PART-amount", "abc")
        await page.fill("#PTP_PART-due_date", "99.99")
        await page.keyboard.press("Control+Enter")
        await page.wait_for_selector("#PTP_PART-amount[aria-invalid=true]")
        await console.bus.publish(
            CallChanged(call_id=talk.call, agent_id=talk.agent.id), AgentChanged(agent_id=talk.agent.id)
        )
        await page.wait_for_timeout(600)  # the page fetches itself anew meanwhile
        await expect(page.locator("#PTP_PART-amount")).to_have_value("abc")
        await expect(page.locator("#PTP_PART-amount")).to_have_attribute("aria-invalid", "true")
        await expect(page.locator("#PTP_PART-amount")).to_be_enabled()
    await page.fill("#PTP_PART-amount", "1 500,00")
    await page.fill("#PTP_PART-due_date", (console.clock.today() + timedelta(days=2)).strftime("%d.%m.%Y"))
    await page.keyboard.press("Control+Enter")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_selector("#desk-view[data-mode=ready]")
    async with console.database.begin() as s:
        assert (await s.execute(select(Promise.amount))).scalars().all() == [Decimal("1500.00")]


async def test_silence_is_told_and_the_return_too(page: Page, console: RunningConsole) -> None:
    await console.person("ivanka", extension=101)
    await log_in(page, console, "ivanka")
    hub = console.app.state.console.hub
    await page.route_web_socket("**/live", lambda ws: None)  # a link that opens and says nothing
    for socket in list(hub.sockets):
        socket.slow = True
        socket.push({"kind": "stop"})
    await page.wait_for_selector("#live[data-state=wait]", timeout=10_000)
    await expect(page.locator("#offline")).to_be_visible(timeout=15_000)
    await expect(page.locator("#go-ready")).to_be_disabled()


async def test_one_tab_holds_the_desk(page: Page, console: RunningConsole) -> None:
    await console.person("ivanka", extension=101)
    await log_in(page, console, "ivanka")
    second = await page.context.new_page()
    await second.goto(f"{console.url}/desk")
    await second.wait_for_selector("#other-tab[open]")
    await second.click("#take-over")
    await second.wait_for_selector("#other-tab:not([open])", state="attached")
    await page.wait_for_selector("#other-tab[open]")


async def test_caps_lock_and_a_wrong_password_are_told(page: Page, console: RunningConsole) -> None:
    await console.person("ivanka", extension=101)
    await page.goto(f"{console.url}/login")
    await page.fill("input[name=login]", "ivanka")
    await page.fill("input[name=password]", PASSWORD + "x")
    await page.keyboard.press("Enter")
    await expect(page.locator("[role=alert]")).to_contain_text("15 хвилин")
    assert await page.input_value("input[name=login]") == "ivanka"


async def test_a_button_that_became_another_one_sends_nothing(page: Page, console: RunningConsole) -> None:
    """The bar is morphed in place: the arrow beside "Pause" only opens its menu, whatever its element was before."""
    await console.person("ivanka", extension=101)
    await log_in(page, console, "ivanka")
    await page.evaluate("""() => {
      const bar = (button) => `<section id="morphed">${button}</section>`;
      document.body.insertAdjacentHTML('beforeend', bar('<button type="button" hx-post="/desk/ready">one</button>'));
      htmx.process(document.getElementById('morphed'));
      const fresh = ui.parse(bar('<button type="button">other</button>')).getElementById('morphed');
      ui.morph(document.getElementById('morphed'), fresh);
    }""")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    await page.click("#morphed button")
    await page.keyboard.press("F2")
    await page.wait_for_selector("#desk-view[data-state=READY]")
    assert len(sent) == 1, sent


async def test_fl02_an_unknown_caller_is_found_chosen_and_confirmed(page: Page, console: RunningConsole) -> None:
    """FL-02: the card says that nobody knows who calls; by keys: search, choose, take back, choose, confirm, add the number."""
    one = await calls_us(console, "+380671239876")
    await log_in(page, console, "ivanka")
    await expect(page.locator(".who")).to_have_text("Невідомий абонент")
    await page.keyboard.press("Slash")
    await page.keyboard.type("ковален")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#caller-found .pick")
    assert one.borrower.loan.contract_no not in await page.content()
    await console.bus.publish(CallChanged(call_id=one.call, agent_id=(await one.attempt()).agent_id))
    async with page.expect_response("**/desk/view"):
        await console.bus.publish(AgentChanged(agent_id=(await one.attempt()).agent_id))
    await page.click("#caller-found .pick")
    await expect(page.locator(".who")).to_have_text("Олена Петрівна Коваленко")
    await page.click("#caller-back")
    await expect(page.locator(".who")).to_have_text("Невідомий абонент")
    await page.fill("#caller-q", str(one.borrower.case.number))
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#caller-found .pick")
    await page.focus("#pane-talk")
    await page.keyboard.press("1")
    await page.wait_for_selector("#id-birth_date")
    for field, said in (("birth_date", "14.03.1985"), ("code_word", "Калина")):
        await page.fill(f"#id-{field}", said)
        await page.keyboard.press("Enter")
        await page.wait_for_selector(f"#id-{field}-said.ok, .owed")
    await page.click("#caller-number")
    await expect(page.locator("#toast-text")).to_have_text("Номер додано")
    await expect(page.locator("#pane-card")).to_contain_text("перевірений")
    await one.end()
    await console.bus.publish(AgentChanged(agent_id=(await one.attempt()).agent_id))
    await page.wait_for_selector("#desk-view[data-mode=wrap]", timeout=10_000)


async def test_each_refusal_shows_its_own_fault_and_enter_alone_saves_nothing(
    page: Page, console: RunningConsole
) -> None:
    talk = await begin_talk(console)
    await log_in(page, console, talk.agent.login)
    await page.fill("#id-birth_date", "14.03.1985")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#id-birth_date-said.ok")
    await page.fill("#id-code_word", "калина")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[data-mode=rpc]")
    await talk.end()
    await page.evaluate("ui.refreshDesk()")
    await page.wait_for_selector("[data-mode=wrap]")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/desk/result") else None)
    await page.keyboard.press("1")
    for amount, day, field in (("100", "31.02", "due_date"), ("abc", "+3", "amount"), ("99999999", "+3", "amount")):
        await page.fill("#PTP_FULL-amount", amount)
        await page.fill("#PTP_FULL-due_date", day)
        await page.keyboard.press("Enter")
        async with page.expect_response("**/desk/result"):
            await page.keyboard.press("Control+Enter")
        await page.wait_for_function("() => !document.querySelector('.htmx-request')")
        await expect(page.locator(f"#PTP_FULL-{field}-err")).to_be_visible()
        await expect(page.locator("#result-form [aria-invalid=true]")).to_have_count(1)
    await page.fill("#PTP_FULL-amount", "100")
    await page.keyboard.press("Enter")
    await expect(page.locator("#desk-view")).to_have_attribute("data-mode", "wrap")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#pane-result")).to_have_count(0)
    assert len(sent) == 4
