"""Cards, verdicts on machines and the shelter in a real browser, by keys (issue 5; TL-07, FL-15)."""

from playwright.async_api import Page, expect
from sqlalchemy import select, text, update

from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.desks.preview_models import Preview
from backoffice_core.call_centre.dialing import shelter
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.machine_models import MachineVerdict
from backoffice_core.call_centre.models import AgentSession
from backoffice_core.events import AgentChanged
from backoffice_core.staff.models import User
from tests import house
from tests.browser.conftest import log_in
from tests.browser.tour import speak
from tests.console.conftest import RunningConsole, begin_talk

REGION = "Полтавська"


async def test_cards_are_shown_skipped_by_a_digit_and_dialed_by_keys_alone(page: Page, console: RunningConsole) -> None:
    """TL-07: F3 shows, F6 and a digit skip with that reason, F3 dials; Esc closes the menu and skips nobody."""
    user = await console.person("ivanka", extension=101)
    await log_in(page, console, "ivanka")
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        await s.execute(update(Campaign).values(mode="preview"))
        for n in (1, 2):
            await house.borrower(s, console.clock, position=n)
    await page.keyboard.press("F2")
    await page.wait_for_selector("#desk-view[data-state=READY]")
    async with console.database.begin() as s:
        seat = await agents.current(s, user.id)
        assert seat is not None
        seat.line, seat.line_n, seat.line_channel = "UP", 1, "PJSIP/agent-101-00000001"
    await console.bus.publish(AgentChanged(agent_id=user.id))
    await page.wait_for_selector("#preview-next")
    await page.keyboard.press("F3")
    first = await page.wait_for_selector("#desk-preview")
    assert first is not None
    before = await first.get_attribute("data-preview-id")
    await page.keyboard.press("F6")
    await expect(page.locator("#skip-menu")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.locator("#skip-menu")).to_be_hidden()
    await expect(page.locator("#desk-preview")).to_be_visible()
    await page.keyboard.press("F6")
    await page.keyboard.press("Digit2")
    await page.wait_for_selector("#preview-next")
    await page.keyboard.press("F3")
    await page.wait_for_selector(f"#desk-preview:not([data-preview-id='{before}'])")
    await page.keyboard.press("F3")
    await expect(page.locator("#bar-state")).to_be_visible()
    await expect(page.locator("#preview-dial")).to_have_count(0)
    async with console.database.begin() as s:
        rows = {str(one.id): one for one in await s.scalars(select(Preview))}
    assert (rows[before or ""].ended, rows[before or ""].reason) == ("SKIPPED", "NEEDS_STUDY")
    assert [one.dial_at is not None for key, one in rows.items() if key != before] == [True]


async def test_what_a_sample_was_is_said_by_one_key(page: Page, console: RunningConsole) -> None:
    """Issue 5, answering machines: M or P says what a sampled verdict was; not while the agent writes a note."""
    talk = await begin_talk(console)
    async with console.database.begin() as s:
        await s.execute(text("UPDATE call_attempts SET machine_mode = 'beside'"))
        s.add(MachineVerdict(
            call_id=talk.call, campaign="collection", mode="beside", verdict="MACHINE", why="long", at_s=2, released=False,
            sampled=True, business_at=console.clock.now(),
        ))  # fmt: skip
    await log_in(page, console, talk.agent.login)
    await page.wait_for_selector("#machine-sample")
    await page.focus("#note")
    await page.keyboard.press("KeyP")
    await expect(page.locator("#machine-sample")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("KeyM")
    await expect(page.locator("#machine-sample")).to_have_count(0)
    async with console.database.begin() as s:
        assert (await s.get_one(MachineVerdict, talk.call)).judged == "MACHINE"


async def test_shelter_is_one_button_a_region_and_a_press_and_its_toast_speaks_the_language(
    page: Page, console: RunningConsole
) -> None:
    """FL-15: the dialog asks for the region, Esc does nothing; after it the alarm stands with its two ways out."""
    await console.person("olha", "supervisor")
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        await house.borrower(s, console.clock)
        seat = await house.agent(s, console.clock)
        await s.execute(update(User).where(User.id == seat.user_id).values(region=REGION))
    await log_in(page, console, "olha")
    await page.goto(f"{console.url}/floor")
    await page.wait_for_selector("#live[data-state=ok]")
    await page.click("#shelter-button")
    await page.keyboard.press("Escape")
    await expect(page.locator("#shelter-dialog")).to_be_hidden()
    await page.click("#shelter-button")
    await page.select_option("#shelter-dialog [name=region]", REGION)
    await page.click("#shelter-confirm")
    await expect(page.locator("#shelter-dialog")).to_be_hidden()
    await page.wait_for_selector("[id^=alarm-shelter-]")
    await expect(page.locator("#toast-text")).to_contain_text(REGION)
    async with console.database.begin() as s:
        assert [one.region for one in await shelter.running(s)] == [REGION]
        assert (await s.get_one(AgentSession, seat.id)).state == "PAUSED"
    await speak(page, "en")
    await expect(page.locator("#toast")).to_be_hidden()
    await page.click("[id^=alarm-shelter-] button >> nth=1")
    await expect(page.locator("[id^=alarm-shelter-]")).to_have_count(0)
    async with console.database.begin() as s:
        assert await shelter.running(s) == []
        assert (await s.get_one(AgentSession, seat.id)).state == "READY"
