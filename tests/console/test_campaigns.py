"""The page of campaigns: who sees it, who changes it, what a refusal says."""

import re

from sqlalchemy import select

from backoffice_core import leases
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.dialing import pacing_book
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.staff.models import User
from tests import house
from tests.console.conftest import RunningConsole

FORM = {
    "mode": "predictive", "priority": "5", "target_abandon_pct": "2", "ratio": "1,5", "abandon_window": "day",
    "denominator": "live", "machines": "off", "skill": "", "active": "1",
}  # fmt: skip


async def test_a_supervisor_changes_the_mode_while_it_runs(console: RunningConsole) -> None:
    """TL-07: listed with as what it runs and why; a refused value changes nothing."""
    boss = await console.logged_in("boss", "supervisor")
    page = (await boss.get("/campaigns")).text
    assert 'id="campaign-collection"' in page
    assert "прогресивний набір" in page
    assert (await boss.send_form("/campaigns/collection", **FORM)).status_code == 303
    page = (await boss.get("/campaigns")).text
    assert "предиктивний набір" in page
    assert "немає правила про покинуті дзвінки" in page, "no rules are loaded: it is locked, and says so"
    refused = await boss.send_form("/campaigns/collection", **FORM | {"priority": "0"})
    assert refused.status_code == 422
    assert "Нічого не змінено" in refused.text
    async with console.database.begin() as s:
        one = await s.scalar(select(Campaign))
        assert one is not None
        assert (one.mode, one.priority) == ("predictive", 5)


async def test_a_new_campaign_with_a_name_that_is_taken_is_refused_with_the_way_to_it(console: RunningConsole) -> None:
    """TL-07: it does not open the other one as if it were new."""
    boss = await console.logged_in("boss", "supervisor")
    assert (await boss.send_form("/campaigns", name="spring")).headers["location"] == "/campaigns/spring"
    for name in ("spring", " collection "):
        taken = await boss.send_form("/campaigns", name=name)
        assert (taken.status_code, "вже є" in taken.text) == (422, True)
        assert f'href="/campaigns/{name.strip()}"' in taken.text


async def test_a_campaign_without_a_number_to_show_says_that_it_calls_nobody(console: RunningConsole) -> None:
    """TL-07: on its page and on the list; the one that has a number does not."""
    boss = await console.logged_in("boss", "supervisor")
    await boss.send_form("/campaigns", name="spring")
    for campaign, warned in (("spring", True), ("collection", False)):
        assert ('id="campaign-number"' in (await boss.get(f"/campaigns/{campaign}")).text) is warned
    assert (await boss.get("/campaigns")).text.count("немає номера, який показувати") == 1


async def test_who_may_look_may_not_change_and_agents_see_nothing(console: RunningConsole) -> None:
    admin = await console.logged_in("root", "admin")
    assert (await admin.get("/campaigns")).status_code == 200
    assert 'action="/campaigns/' not in (await admin.get("/campaigns")).text
    assert (await admin.send_form("/campaigns/collection", **FORM)).status_code == 403
    agent = await console.logged_in("anna", "agent", extension=101)
    assert (await agent.get("/campaigns")).status_code == 403


async def test_skills_are_given_and_taken_on_the_page(console: RunningConsole) -> None:
    """TL-07: agents serve by skill and priority; what cannot be a skill is refused with its words."""
    boss = await console.logged_in("boss", "supervisor")
    await console.person("anna", "agent", extension=101)
    said = {"login": "anna", "skill": "mortgage", "priority": "2"}
    assert (await boss.send_form("/campaigns/skills/set", **said)).status_code == 303
    assert "mortgage" in (await boss.get("/campaigns")).text
    for wrong in ({"skill": "Дві навички"}, {"priority": "0"}, {"login": "nobody"}):
        refused = await boss.send_form("/campaigns/skills/set", **said | wrong)
        assert (refused.status_code, "Нічого не змінено" in refused.text) == (422, True)
    await boss.send_form("/campaigns/skills/set", **said | {"act": "remove"})
    assert "mortgage" not in (await boss.get("/campaigns")).text


async def test_the_floor_says_why_a_campaign_is_not_dialed(console: RunningConsole) -> None:
    """FL-17: off, preview, a skill that nobody has, or nobody of it at work: one sentence each, with the cases that wait."""
    boss = await console.logged_in("boss", "supervisor")
    async with console.database.begin() as s:
        await house.borrower(s, console.clock)
        anna = await house.agent(s, console.clock)
        login = (await s.get_one(User, anna.user_id)).login
    assert 'id="still"' not in (await boss.get("/floor")).text
    for change, sentence in (
        ({"skill": "gold"}, "якої не має жоден оператор: 1"), ({"skill": ""}, ""), ({"mode": "preview"}, "показано 0, у черзі 1"),
        ({"active": ""}, "вимкнена, тому 1"),
    ):  # fmt: skip
        await boss.send_form("/campaigns/collection", **FORM | change)
        page = (await boss.get("/floor")).text
        assert (sentence in page) if sentence else ('id="still"' not in page)
    await boss.send_form("/campaigns/skills/set", login=login, skill="gold")
    async with console.database.begin() as s:
        seat = await agents.seat(s, anna.user_id)
        seat.ended_at = console.clock.wall()
    await boss.send_form("/campaigns/collection", **FORM | {"skill": "gold"})
    assert "ніхто з навичкою «gold» не на зміні" in (await boss.get("/floor")).text


async def test_every_decision_is_read_back_with_its_account(console: RunningConsole) -> None:
    """Issue 5, explained: on a page, the newest first, with what led to it and why no more; agents do not see it."""
    account = {
        "mode": "predictive",
        "answers": 612,
        "abandoned": 14,
        "limit_pct": 2.0,
        "window": "day",
        "forecast_pct": 1.9,
    }
    terms = {
        "free": 4,
        "expected_free": 2.3,
        "expected_answers": 3.0,
        "budget": 1.4,
        "callers": 1,
        "accounts": {"collection": account},
    }
    async with console.database.begin() as s:
        row = {"at": console.clock.wall(), "bound": "account", "terms": terms, "given": {"collection": 2}}
        await pacing_book.keep_decisions(s, [row | {"pool": "collection", "calls": n} for n in range(60)])
        await pacing_book.keep_decisions(s, [row | {"pool": "cards", "calls": 77}])
    boss = await console.logged_in("boss", "supervisor")
    page = (await boss.get("/decisions")).text
    assert page.count('<tr id="decision-') == 50
    assert "Набрано 77: вільних 4 + скоро звільняться 2,3" in page
    assert "операторів для тих, хто дзвонить нам 1" in page
    assert "запас покинутих дзвінків вичерпано" in page
    assert "покинуто 14 з 612" in page
    (older,) = re.findall(r'href="(/decisions\?before=\d+)"', page)
    assert (await boss.get(older)).text.count('<tr id="decision-') == 11
    assert (await boss.get("/decisions?pool=cards")).text.count('<tr id="decision-') == 1
    assert (await boss.get("/decisions?pol=cards")).status_code == 422
    floor = (await boss.get("/floor")).text
    assert 'href="/decisions"' in floor
    assert "/ 2" in floor, "the mark stands at the limit in use"
    agent = await console.logged_in("ivanka", extension=101)
    assert (await agent.get("/decisions")).status_code == 403


async def test_a_campaign_without_agents_stands_on_the_floor_and_among_decisions(console: RunningConsole) -> None:
    """FL-17: it has lines and calls, but no account of abandoned ones; the pages say so, also when it has just been made."""
    account = {"mode": "agentless", "lines": 3, "live": 1}
    row = {"at": console.clock.wall(), "pool": "news", "calls": 0, "bound": "list", "given": {"news": 0},
           "terms": {"lines": 3.0, "in_flight": 1.0, "accounts": {"news": account}}}  # fmt: skip
    async with console.database.begin() as s:
        await pacing_book.keep_decisions(s, [row])
    boss = await console.logged_in("boss", "supervisor")
    for path in ("/floor", "/decisions", "/decisions?pool=news"):
        answer = await boss.get(path)
        assert answer.status_code == 200, path
        assert "дзвінків зараз 1 з 3" in answer.text, path


async def test_the_floor_says_that_no_dialer_leads(console: RunningConsole) -> None:
    """FL-17: nothing is dialed because nobody dials, in one sentence."""
    boss = await console.logged_in("boss", "supervisor")
    assert 'id="alarm-away"' not in (await boss.get("/floor")).text
    async with console.database.begin() as s:
        held = await leases.take(s, leases.POOL, leases.this_process())
        assert held is not None
    assert 'id="alarm-away"' not in (await boss.get("/floor")).text
    async with console.database.begin() as s:
        await leases.let_go(s, held)
    assert "жодна програма набору не веде" in (await boss.get("/floor")).text


WHOLE = FORM | {
    "mode": "agentless", "machine_sample_pct": "5", "weight": "3", "by": "amount", "hours": "off", "cost": "UAH 4,5",
    "weight_1": "1.5", "max_attempts": "3", "after_BUSY": "15", "backoff_BUSY": "2", "next_BUSY": "5", "message": "robot",
    "lines": "20", "per_second": "4", "stages": "1", "products": "", "purpose": "service",
    "script_uk": "Добрий день!\r\nПослуга змінюється.", "script_ru": "", "script_en": " Good day! ",
}  # fmt: skip


async def test_all_terms_of_a_campaign_are_on_its_page(console: RunningConsole) -> None:
    """Issue 5: whom, weight, order, retries, message and lines; how many cases the list would take before it is saved; a refusal
    names the field, keeps what was typed and changes nothing."""
    boss = await console.logged_in("boss", "supervisor")
    async with console.database.begin() as s:
        three = [await house.borrower(s, console.clock) for _ in range(3)]
        three[2].case.stage = 2
        numbers = [str(one.case.number) for one in three]
    assert (await boss.send_form("/campaigns", name="Весна")).status_code == 422
    made = await boss.send_form("/campaigns", name="reminders")
    assert (made.status_code, made.headers["location"]) == (303, "/campaigns/reminders")
    page = (await boss.get("/campaigns/reminders")).text
    assert 'name="message"' in page
    assert "автоматичний дзвінок" in page, "the words that will be said"
    counted = (await boss.send_form("/campaigns/reminders/count", **WHOLE)).text
    assert "Бере справ: 2" in counted
    for wrong, field in (
        ({"lines": "0"}, "lines"), ({"cost": "XXX 4"}, "cost"), ({"products": "boat"}, "products"),
        ({"weight_1": "x"}, "weight_1"), ({"cost": "vier"}, "cost"),
        ({"after_BUSY": "9999"}, "after_BUSY"), ({"message": "robot-x"}, "message"), ({"ratio": "99"}, "ratio"),
        ({"purpose": "war"}, "purpose"), ({"script_en": "a" * 4001}, "script_en"),
    ):  # fmt: skip
        refused = await boss.send_form("/campaigns/reminders", **WHOLE | wrong)
        assert refused.status_code == 422
        assert f'id="bad-{field}"' in refused.text, field
        assert 'value="20"' in refused.text or field == "lines", "what was typed is kept"
    saved = await boss.send_form("/campaigns/reminders", **WHOLE)
    assert saved.status_code == 303
    async with console.database.begin() as s:
        one = await s.get_one(Campaign, "reminders")
        assert (one.mode, one.whom, one.robot) == (
            "agentless", {"stages": [1], "weight": "3"}, {"lines": 20, "per_second": 4},
        )  # fmt: skip
        # CC-09: its purpose, and what its agents say
        assert (one.purpose, one.script) == ("service", {"uk": "Добрий день!\nПослуга змінюється.", "en": "Good day!"})
        assert one.ordering == {"by": "amount", "hours": "off", "cost": {"UAH": "4.5"}, "weights": {"1": "1.5"}}
        assert one.retries == {
            "BUSY": {"after_minutes": 15, "backoff": "2", "next_number_minutes": 5}, "max_attempts": 3,
        }  # fmt: skip
    page = (await boss.get("/campaigns/reminders")).text
    for value in ('name="after_BUSY" value="15"', 'name="weight" value="3"', 'name="cost" value="UAH 4.5"'):
        assert value in page
    given = await boss.send_form("/campaigns/reminders/list", numbers="\n".join([numbers[0], "КД-немає", numbers[2]]))
    assert given.headers["location"] == "/campaigns/reminders?given=2&strange=1"
    assert "Справ у списку: 2" in (await boss.get(given.headers["location"])).text
    assert (await boss.send_form("/campaigns/reminders/list", numbers=" ")).status_code == 422
    counted = (
        await boss.send_form("/campaigns/reminders/count", **WHOLE | {"cost": "", "given": "1", "stages": "2"})
    ).text
    assert "Бере справ: 1" in counted, "a case must fit all that is said"
    assert (await boss.get("/campaigns/nobody")).status_code == 404
    admin = await console.logged_in("root", "admin")
    assert (await admin.get("/campaigns/reminders")).status_code == 403
