"""Trunks and the numbers that we show, acted on in a browser (FL-03, FL-04): every act with its reason, which is kept."""

from playwright.async_api import Page, expect
from sqlalchemy import select

from backoffice_core.audit.models import AuditEntry
from backoffice_core.call_centre.carriers import caller_ids, trunks
from backoffice_core.call_centre.carriers.trunk_rules import in_order
from backoffice_core.call_centre.models import CallerIdEvent
from tests.browser import tour, world
from tests.browser.conftest import log_in
from tests.console.conftest import RunningConsole


async def usable(console: RunningConsole) -> list[str]:
    clock = console.clock
    async with console.database.begin() as s:
        seen = await trunks.standings(
            s, console.settings, wall=clock.wall(), day_start=clock.day_bounds(clock.today())[0]
        )
    return [one.name for one in in_order(seen.values(), clock.wall())]


async def test_fl04_a_trunk_is_closed_and_opened_by_a_person_with_a_reason(page: Page, console: RunningConsole) -> None:
    name = console.settings.trunks[0].name
    assert name in await usable(console)
    await tour.supervisor(page, console)
    await page.click('.nav a[href="/lines"]')
    await page.click(f"[popovertarget=close-{name}]")
    await page.click(f"#close-{name} button.strong")
    assert name in await usable(console), "without a reason nothing happens"
    await page.fill(f"#close-{name} [name=reason]", "Оператор попередив про роботи")
    await page.keyboard.press("Enter")
    await expect(page.locator(f"#trunk-{name}")).to_contain_text("закрила людина: Ковальчук Ольга, «Оператор попередив")
    assert name not in await usable(console)
    await page.click('.nav a[href="/floor"]')
    await expect(page.locator(f"#alarm-trunk-{name}")).to_contain_text("відкрити її може людина")
    await page.keyboard.press("g")
    await page.keyboard.press("l")
    await page.click(f"[popovertarget=open-{name}]")
    await page.fill(f"#open-{name} [name=reason]", "Роботи скінчилися")
    await page.keyboard.press("Enter")
    await page.wait_for_selector(f"[popovertarget=close-{name}]")
    assert name in await usable(console)
    async with console.database.begin() as s:
        acts = (
            await s.execute(select(AuditEntry.act).where(AuditEntry.subject == name).order_by(AuditEntry.seq))
        ).all()
    assert [act for (act,) in acts] == ["TRUNK_CLOSED", "TRUNK_OPENED"]


async def test_fl03_a_number_leaves_the_pool_and_comes_back_with_a_reason(page: Page, console: RunningConsole) -> None:
    """One that the signs took out comes back; one in the pool is taken out, is listed as such, and comes back too."""
    await world.shift(console, agents=2)
    await world.troubles(console)
    await tour.supervisor(page, console)
    await page.goto(f"{console.url}/lines")
    await page.click("[popovertarget='back-380445550201']")
    await page.fill("#back-380445550201 [name=reason]", "Скрипт змінено, оператор підтвердив")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[popovertarget='out-380445550201']")
    await page.click("[popovertarget='out-380445550200']")
    await page.fill("#out-380445550200 [name=reason]", "Договір із оператором скінчився")
    await page.keyboard.press("Enter")
    await expect(page.locator("#retired-380445550200")).to_contain_text("Договір із оператором скінчився")
    async with console.database.begin() as s:
        states = {one.number: one.state for one in await caller_ids.views(s)}
    assert "+380445550200" not in states
    assert states["+380445550201"] == "IN"
    await page.click("[popovertarget='back-380445550200']")
    await page.fill("#back-380445550200 [name=reason]", "Договір продовжено")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("[popovertarget='out-380445550200']")
    async with console.database.begin() as s:
        rows = (await s.execute(select(CallerIdEvent.kind, CallerIdEvent.by).order_by(CallerIdEvent.id))).all()
        acts = (await s.execute(select(AuditEntry.act).where(AuditEntry.act.like("CALLER_ID_%")))).scalars().all()
    assert [(kind, by) for kind, by in rows if kind in {"BACK", "RETIRED"}] == [
        ("BACK", "Ковальчук Ольга"), ("RETIRED", "Ковальчук Ольга"), ("BACK", "Ковальчук Ольга"),
    ]  # fmt: skip
    assert sorted(acts) == ["CALLER_ID_BACK", "CALLER_ID_BACK", "CALLER_ID_RETIRED"]


async def test_the_menu_leads_where_the_role_may_go(page: Page, console: RunningConsole) -> None:
    """An agent sees the desk alone; an administrator no page with borrowers; every link opens."""
    floor = ["/floor", "/queue", "/tasks", "/campaigns", "/lines", "/what-if"]
    shared = [*floor, "/strategies", "/proof", "/reports", "/dossier", "/overdue", "/rules"]
    wanted = {
        "supervisor": [*shared, "/unknown", "/announcements"],
        "manager": [*shared, "/announcements"],
        "admin": ["/floor", "/campaigns", "/lines", "/webhooks"],
        "agent": ["/desk", "/tasks"],
    }
    for role, links in wanted.items():
        await console.person(role, role, extension=101 if role == "agent" else None)
        await log_in(page, console, role)
        shown = [await one.get_attribute("href") for one in await page.locator(".nav a").all()]
        assert shown == links, role
        for link in links:
            assert (await page.goto(f"{console.url}{link}")).status == 200, (role, link)  # type: ignore[union-attr]
        await page.context.clear_cookies()
