"""The search field finds by number, contract, phone in any writing, or name; the desk's last seconds; the fast results."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from agent_console import search
from backoffice_core.call_centre.calls import history
from backoffice_core.call_centre.desks import wrap_up
from backoffice_core.call_centre.models import AgentSession, CallAttempt
from backoffice_core.call_centre.rules import FAST_RESULT_S, MORE_TIME_S
from backoffice_core.errors import Conflict
from tests import house
from tests.console.conftest import RunningConsole, Talk


async def test_the_search_field_finds_in_any_way_of_asking(console: RunningConsole) -> None:
    """Issue 3 "Desk and floor polish": one hit opens, several are a list, none says so in place; not for agents."""
    async with console.database.begin() as s:
        one = await house.borrower(s, console.clock, number="+380671234567")
        two = await house.borrower(s, console.clock)
        two.person.first_name, two.person.last_name = "Ольга", "О’Коваль"
    boss = await console.logged_in("olha", "supervisor")
    for asked in (
        one.case.number, f"C{one.case.number}", one.loan.contract_no.lower(), "067 123-45-67", "+380 67 123 45 67",
        "80671234567", "коваленко олена", "ОЛЕНА Ков",
    ):  # fmt: skip
        answer = await boss.get("/case", params={"q": str(asked)})
        assert (answer.status_code, answer.headers.get("location")) == (303, f"/case/{one.case.number}"), asked
    assert (await boss.get("/case", params={"q": "о’кОВАЛЬ"})).headers["location"] == f"/case/{two.case.number}"
    async with console.database.begin() as s:
        (await s.merge(two.person)).last_name = "Коваль"
    several = await boss.get("/case", params={"q": "ковал"})
    assert several.status_code == 200
    assert all(f'href="/case/{x.case.number}"' in several.text for x in (one, two))
    for nonsense in ("qqqq", "%", "_", "", "9" * 40, "о", "<b>"):
        none = await boss.get("/case", params={"q": nonsense})
        assert (none.status_code, 'id="search-none"' in none.text) == (200, True), nonsense
        assert "<b>»" not in none.text
    agent = await console.logged_in("petro", extension=102)
    assert (await agent.get("/case", params={"q": "коваленко"})).status_code == 403
    async with console.database.begin() as s:
        assert search.MOST + 1 >= len(await search.cases(s, "ко", "UA")) == 2


async def test_thirty_seconds_more_once_a_call(talk: Talk) -> None:
    """FL-12: who still writes gets 30 s more, once; then the wrap-up ends by itself as without them."""
    console, limit = talk.console, talk.console.settings.wrap_up_s
    desk = console.browser()
    await desk.log_in(talk.agent.login)
    assert (await desk.send_form("/desk/more", json=True)).status_code == 409, "not during the talk"
    await talk.end()
    given = await desk.send_form("/desk/more")
    assert given.status_code == 200
    assert f'data-down="{limit + MORE_TIME_S}"' in given.text
    assert 'data-act="more"' not in given.text
    assert (await desk.send_form("/desk/more", json=True)).status_code == 409, "once"
    async with console.database.begin() as s:
        seat = (await s.scalars(select(AgentSession).where(AgentSession.user_id == talk.agent.id))).one()
        late, over = (seat.since + timedelta(seconds=limit + more) for more in (MORE_TIME_S - 1, MORE_TIME_S))
        assert await wrap_up.overdue(s, late, limit) == []
        assert await wrap_up.end(s, seat.id, now=console.clock.now(), wall=late, limit_s=limit) is None
        assert await wrap_up.overdue(s, over, limit) == [seat.id]
        with pytest.raises(Conflict):
            await wrap_up.more_time(s, talk.agent.id, over, limit)
        assert await wrap_up.end(s, seat.id, now=console.clock.now(), wall=over, limit_s=limit) is not None
    boss = await console.logged_in("olha", "supervisor")
    shown = (await boss.get(f"/case/{talk.borrower.case.number}")).text
    assert 'id="no-result"' in shown, "the case says why nobody calls it"


async def test_results_faster_than_two_seconds_are_watched(talk: Talk) -> None:
    """FL-12: who gives results faster than they can be thought over stands on the floor, with of how many."""
    console = talk.console
    await talk.end()
    desk, boss = console.browser(), await console.logged_in("olha", "supervisor")
    await desk.log_in(talk.agent.login)
    assert 'id="fast-title"' not in (await boss.get("/floor")).text
    saved = await desk.send_form("/desk/result", call_id=talk.call, outcome="WRONG_NUMBER")
    assert saved.status_code == 200, saved.text
    start, end = console.clock.day_bounds(console.clock.today())
    for seconds, fast in ((FAST_RESULT_S - 0.1, 1), (FAST_RESULT_S, 0)):
        async with console.database.begin() as s:
            call = await s.get_one(CallAttempt, talk.call)
            assert call.ended_at is not None
            call.outcome_at = call.ended_at + timedelta(seconds=seconds)
            await s.flush()
            assert [one.fast for one in await history.fast_results(s, start, end)] == [fast][:fast]
        floor = (await boss.get("/floor")).text
        assert ("1 із 1" in floor) is bool(fast)
