"""Calls of unknown end: shown with their evidence, settled by a supervisor in two clicks, told on the floor."""

from uuid import UUID

from sqlalchemy import select, update

from backoffice_core.audit.models import AuditEntry
from backoffice_core.call_centre.calls import attempts, settling, unknown
from backoffice_core.call_centre.models import CallAttempt, CallTask
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.compliance.models import ContactLedger
from tests import house
from tests.console.conftest import RunningConsole


async def lost_call(console: RunningConsole, *, answered: bool = False) -> UUID:
    """A call whose end nobody heard."""
    clock = console.clock
    async with console.database.begin() as s:
        await house.rules_in_force(s, clock)
        await house.borrower(s, clock)
    async with console.database.begin() as s:
        placing = await attempts.claim(
            s, console.settings, trunk=console.settings.trunks[0], now=clock.now(), today=clock.today(),
            wall=clock.wall(),
        )  # fmt: skip
    assert isinstance(placing, attempts.Placing)
    async with console.database.begin() as s:
        await settling.settle(s, placing.call_id, CallFacts(ended_at=clock.wall(), heard=False), clock.now())
    if answered:
        async with console.database.begin() as s:
            call = update(CallAttempt).where(CallAttempt.id == placing.call_id)
            await s.execute(call.values(answered_at=clock.wall()))
    return placing.call_id


async def test_a_supervisor_says_how_it_ended_in_two_clicks(console: RunningConsole) -> None:
    """Issue "The protocol": UNKNOWN is settled by a person in two clicks: the menu of results, and the result."""
    call_id = await lost_call(console, answered=True)
    browser = await console.logged_in("olha", "supervisor")
    floor = (await browser.get("/floor")).text
    assert 'id="alarm-unknown"' in floor
    assert 'href="/unknown"' in floor
    page = (await browser.get("/unknown")).text
    assert f'popovertarget="settle-{call_id}"' in page
    assert f'hx-post="/unknown/{call_id}" hx-vals=\'{{"result":"NO_ANSWER"}}\'' in page
    assert "Відповіли" in page
    wrong = await browser.send_form(f"/unknown/{call_id}", json=True, result="SOMETHING")
    assert (wrong.status_code, wrong.json()["field"]) == (422, "result")
    answer = await browser.send_form(f"/unknown/{call_id}", result="no_answer")
    assert answer.status_code == 200
    assert f"settle-{call_id}" not in answer.text
    assert (await browser.send_form(f"/unknown/{call_id}", json=True, result="BUSY")).status_code == 409
    async with console.database.begin() as s:
        call = await s.get_one(CallAttempt, call_id)
        task = await s.get_one(CallTask, call.task_id)
        slot = (await s.execute(select(ContactLedger).where(ContactLedger.call_id == call_id))).scalar_one()
        acts = (await s.execute(select(AuditEntry.act).where(AuditEntry.act == "CALL_SETTLED"))).scalars().all()
    assert (call.result, task.state, slot.state, slot.uncertain) == ("NO_ANSWER", "RETRY_WAIT", "COMMITTED", False)
    assert len(acts) == 1
    assert 'id="alarm-unknown"' not in (await browser.get("/floor")).text


async def test_only_who_may_complete_and_only_from_this_console(console: RunningConsole) -> None:
    call_id = await lost_call(console)
    for login, role in (("ivanka", "agent"), ("maria", "manager"), ("root", "admin")):
        browser = await console.logged_in(login, role)
        assert (await browser.get("/unknown")).status_code == 403
        assert (await browser.send_form(f"/unknown/{call_id}", result="BUSY")).status_code == 403
    browser = await console.logged_in("olha", "supervisor")
    browser.csrf = "guessed"
    assert (await browser.send_form(f"/unknown/{call_id}", result="BUSY")).status_code == 403
    async with console.database.begin() as s:
        assert (await s.get_one(CallAttempt, call_id)).result == "UNKNOWN"


async def test_what_was_odd_about_a_settled_call_is_noted_and_gone(console: RunningConsole) -> None:
    """A settlement whose slot was gone: told once, and it leaves the list when a person has seen it."""
    call_id = await lost_call(console)
    async with console.database.begin() as s:
        call = await s.get_one(CallAttempt, call_id)
        call.result, call.problem = "NO_ANSWER", settling.SLOT_GONE
    browser = await console.logged_in("olha", "supervisor")
    page = (await browser.get("/unknown")).text
    assert "обліку контактів" in page
    assert f'hx-post="/unknown/{call_id}/noted"' in page
    assert f"unknown-{call_id}" not in (await browser.send_form(f"/unknown/{call_id}/noted")).text
    async with console.database.begin() as s:
        assert await unknown.count(s) == 0
