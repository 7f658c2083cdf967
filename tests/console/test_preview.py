"""The desk in preview mode: the card with its clock, one key to dial, reasons to skip, who has what, words for nothing."""

from sqlalchemy import update

from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.models import CallTask
from tests import house
from tests.console.conftest import Browser, RunningConsole


async def _ready(console: RunningConsole, login: str, extension: int) -> Browser:
    browser = await console.logged_in(login, extension=extension)
    await browser.get("/desk")
    async with console.database.begin() as s:
        (row,) = [one for one in await agents.board(s) if one.extension == extension]
        seat = await agents.go_ready(s, row.agent_id, console.clock.wall())
        seat.line, seat.line_n, seat.line_channel = "UP", 1, f"PJSIP/agent-{extension}-00000001"
    return browser


async def test_the_next_card_is_dialed_or_skipped_by_keys_and_others_see_who_has_it(console: RunningConsole) -> None:
    """Issue 5, preview: F3 shows and dials, F6 skips with a reason; the colleague's desk, the case and the floor say who
    looks at it; the card has neither money nor contract; nothing callable is told in words in each language."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        await s.execute(update(Campaign).values(mode="preview"))
        first = await house.borrower(s, console.clock, position=1)
        await house.borrower(s, console.clock, position=2)
    anna, bohdan = await _ready(console, "anna", 101), await _ready(console, "bohdan", 102)
    assert 'id="preview-next" data-act="card"' in (await anna.get("/desk/view")).text
    card = (await anna.send_form("/desk/preview")).text
    assert first.person.first_name in card
    assert 'data-act="card" hx-post="/desk/preview/dial"' in card
    assert 'data-down="60"' in card
    assert first.loan.contract_no not in card
    assert "1800" not in card.replace("\u00a0", "")
    state = (await anna.get("/desk/state")).json()
    assert (state["state"], state["reason"], state["call_id"]) == ("RESERVED", "PREVIEW", None)
    other = (await bohdan.send_form("/desk/preview")).text
    assert str(first.case.number) in other
    assert "Anna" in other, "the colleague sees who has it"
    boss = await console.logged_in("olha", "supervisor")
    assert 'id="looked-at"' in (await boss.get(f"/case/{first.case.number}")).text
    assert "Картка" in (await boss.get("/floor")).text

    mine = card.partition('data-preview-id="')[2].partition('"')[0]
    assert (await bohdan.send_form("/desk/preview/dial", json=True, preview_id=mine)).status_code == 409
    wrong = await anna.send_form("/desk/preview/skip", json=True, preview_id=mine, reason="")
    assert (wrong.status_code, wrong.json()["field"]) == (422, "reason")
    dialing = (await anna.send_form("/desk/preview/dial", preview_id=mine)).text
    assert "Дзвонимо…" in dialing
    assert (await anna.send_form("/desk/preview/skip", json=True, preview_id=mine, reason="OTHER")).status_code == 409
    his = other.partition('data-preview-id="')[2].partition('"')[0]
    left = await bohdan.send_form("/desk/preview/skip", json=True, preview_id=his, reason="NOT_NOW")
    assert left.json()["state"] == "READY"
    for lang, words in (
        ("uk", "Зараз дзвонити нікому"),
        ("ru", "Сейчас звонить некому"),
        ("en", "Nobody can be called"),
    ):
        await bohdan.send_form("/language", lang=lang)
        assert words in (await bohdan.send_form("/desk/preview")).text
    async with console.database.begin() as s:
        await s.execute(update(CallTask).values(state="DONE"))
    assert "The queue is empty" in (await bohdan.get("/desk/view")).text
