"""The report of abandoned calls, its file, the line in the case's history, and the card of a call that still rings."""

from datetime import timedelta

from sqlalchemy import select, update

from backoffice_core.call_centre.calls import attempts, settling
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.models import CallAttempt, CallTask
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.staff.models import AccessEntry
from tests import house
from tests.console.conftest import RunningConsole

S = timedelta(seconds=1)


async def _claim(console: RunningConsole) -> Placing:
    async with console.database.begin() as s:
        taken = await attempts.claim(
            s, console.settings, trunk=console.settings.trunks[0], now=console.clock.now(), today=console.clock.today(),
            wall=console.clock.wall(),
        )  # fmt: skip
    assert isinstance(taken, Placing), taken
    return taken


async def test_the_report_has_the_proof_and_the_next_call_its_agent(console: RunningConsole) -> None:
    """Issue 5, abandoned calls: list, file and history say when he answered, when the message began, by which rule, until
    when he is locked out; the next call is on an agent's screen while it still rings."""
    clock = console.clock
    async with console.database.begin() as s:
        await house.rules_in_force(s, clock)
        borrower = await house.borrower(s, clock)
    first, wall = await _claim(console), clock.wall()
    async with console.database.begin() as s:
        facts = CallFacts(answered_at=wall, message_at=wall + 1.8 * S, ended_at=wall + 9 * S, far_side_hung_up=False)
        await settling.settle(s, first.call_id, facts, clock.now())
    async with console.database.begin() as s:
        two_days = timedelta(days=2)
        await s.execute(update(ContactLedger).values(at=ContactLedger.at - two_days))
        await s.execute(update(CallAttempt).values(business_at=CallAttempt.business_at - two_days))
        await s.execute(update(CallTask).values(state="ELIGIBLE", earliest_at=None))
    agent = await console.logged_in("ivanka", extension=101)
    assert (await agent.get("/desk")).status_code == 200
    async with console.database.begin() as s:
        user = (await agents.board(s))[0].agent_id
        seat = await agents.go_ready(s, user, clock.wall())
        seat.line, seat.line_n, seat.line_channel = "UP", 1, "PJSIP/agent-101-00000001"
    second = await _claim(console)
    assert second.agent_id == user
    desk = (await agent.get("/desk/view")).text
    assert "Дзвонимо…" in desk
    assert f'data-call-id="{second.call_id}"' in desk
    assert borrower.person.full_name in desk

    boss = await console.logged_in("olha", "supervisor")
    page = (await boss.get("/abandoned?days=7")).text
    assert f'id="abandoned-{first.call_id}"' in page
    assert "через 1,8 с" in page
    assert "агент чекав наперед" in page
    assert 'href="/abandoned"' in (await boss.get("/floor")).text
    file = await boss.get("/abandoned.csv?days=7")
    head, row = file.text.lstrip("\ufeff").splitlines()
    told = dict(zip(head.split(";"), row.split(";"), strict=True))
    assert (told["call_id"], told["after_s"], told["in_time"], told["redialed_with_agent"]) == (
        str(first.call_id), "1.8", "1", "1",
    )  # fmt: skip
    assert "ANY-ABANDON" in told["rules"]
    assert told["locked_until"]
    history = (await boss.get(f"/case/{borrower.case.number}")).text
    assert "повідомлення через 1,8 с" in history
    assert (await agent.get("/abandoned")).status_code == 403
    async with console.database.begin() as s:
        assert await s.scalar(select(AccessEntry.act).where(AccessEntry.act == "ABANDONED_EXPORTED"))
