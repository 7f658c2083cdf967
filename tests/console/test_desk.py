"""The agent's desk over HTTP: what is shown, what is asked, what is refused (MS-…, CC-13, TL-05)."""

import re
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select, update

from backoffice_core.call_centre.calls import attempts
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.dialing import campaigns
from backoffice_core.call_centre.models import AgentSession, CallAttempt
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import CaseEvent, Task
from backoffice_core.collection.models import Promise
from backoffice_core.db import new_key
from backoffice_core.staff.models import AccessEntry
from tests import house
from tests.console.conftest import Browser, RunningConsole, Talk, begin_talk

SECRETS = ("1800", "1 800", "1\u00a0800", "10000", "10\u00a0000", "КД-", "31000", "калина", "1985-03-14")


async def at_desk(talk: Talk) -> Browser:
    browser = talk.console.browser()
    assert (await browser.log_in(talk.agent.login)).status_code == 303
    return browser


async def confirm(browser: Browser, talk: Talk) -> None:
    for field, answer in (("birth_date", "14.03.1985"), ("code_word", "Калина")):
        said = await browser.send_form("/desk/identity", json=True, call_id=talk.call, field=field, answer=answer)
        assert said.json()["match"]


async def test_the_state_tells_a_program_all_it_needs(talk: Talk) -> None:
    browser = await at_desk(talk)
    state = (await browser.get("/desk/state")).json()
    assert (state["state"], state["line"], state["call_id"], state["csrf"]) == (
        "TALKING",
        "UP",
        str(talk.call),
        browser.csrf,
    )
    assert state["needs_result"] is False
    await talk.end()
    state = (await browser.get("/desk/state")).json()
    assert (state["state"], state["needs_result"]) == ("WRAP_UP", True)


async def test_before_confirmation_nothing_secret_is_in_the_page(talk: Talk) -> None:
    browser = await at_desk(talk)
    for path in ("/desk", "/desk/view", "/desk/card"):
        html = (await browser.get(path)).text
        assert f'data-call-id="{talk.call}"' in html
        assert "Олена Петрівна Коваленко" in html
        words = re.sub(r'(data-since="|data-wall="|[0-9a-f-]{36})[0-9]*', "", html)  # stamps and ids are digits, too
        assert [secret for secret in SECRETS if secret in words] == [], path
    await confirm(browser, talk)
    html = (await browser.get("/desk/card")).text
    assert "1\u00a0800,00\u00a0₴" in html
    assert talk.borrower.loan.contract_no in html


async def test_who_looked_at_the_card_stands_in_the_journal_once(talk: Talk) -> None:
    browser = await at_desk(talk)
    for _ in range(3):
        await browser.get("/desk/card")
    await confirm(browser, talk)
    await browser.get("/desk/card")
    async with talk.console.database.begin() as s:
        query = (
            select(AccessEntry.act, AccessEntry.case_id).where(AccessEntry.act.like("CARD%")).order_by(AccessEntry.id)
        )
        rows = (await s.execute(query)).all()
    assert rows == [("CARD_SHOWN", talk.borrower.case.id), ("CARD_SEEN", talk.borrower.case.id)]


async def test_another_agents_card_is_not_found(talk: Talk) -> None:
    other = await talk.console.logged_in("petro", extension=102)
    assert (await other.get("/desk/card")).status_code == 404
    assert (await other.get("/desk/card", params={"call_id": str(talk.call)})).status_code == 404
    for path, fields in (
        ("/desk/note", {"note": "x"}), ("/desk/result", {"outcome": "HANGUP"}),
        ("/desk/identity", {"field": "code_word", "answer": "Калина"}),
    ):  # fmt: skip
        assert (await other.send_form(path, json=True, call_id=talk.call, **fields)).status_code == 404, path


async def test_three_misses_lock_the_check(talk: Talk) -> None:
    browser = await at_desk(talk)
    said = [
        (await browser.send_form("/desk/identity", json=True, call_id=talk.call, field="code_word", answer=a)).json()
        for a in ("мак", "рута", "мальва")
    ]
    assert [s["locked"] for s in said] == [False, False, True]
    last = await browser.send_form(
        "/desk/identity", json=True, call_id=talk.call, field="birth_date", answer="14.03.1985"
    )
    assert (last.status_code, last.json()["error"]) == (409, "IDENTITY_LOCKED")
    assert "перевірку на цей дзвінок закрито" in (await browser.get("/desk/card")).text
    async with talk.console.database.begin() as s:
        details = (
            (await s.execute(select(AccessEntry.detail).where(AccessEntry.act == "IDENTITY_CHECKED"))).scalars().all()
        )
    assert "мак" not in str(details), "answers are not kept"


async def test_a_right_party_result_needs_the_confirmation(talk: Talk) -> None:
    browser = await at_desk(talk)
    await talk.end()
    form = {"call_id": talk.call, "outcome": "REFUSE"}
    answer = await browser.send_form("/desk/result", json=True, **form)
    assert (answer.status_code, answer.json()["error"]) == (409, "OUTCOME_NEEDS_CONFIRMATION")
    html = await browser.send_form("/desk/result", **form)
    assert html.status_code == 422
    assert "Спершу підтвердьте особу: цей результат" in html.text


async def test_wrong_input_is_kept_and_its_field_is_named(talk: Talk) -> None:
    browser = await at_desk(talk)
    await confirm(browser, talk)
    await talk.end()
    form = {
        "call_id": talk.call,
        "outcome": "PTP_PART",
        "amount": "пів суми",
        "due_date": "2511",
        "note": "чекає зарплату",
    }
    answer = await browser.send_form("/desk/result", **form)
    assert answer.status_code == 422
    assert 'value="пів суми" aria-invalid="true"' in answer.text
    assert "Це не сума" in answer.text
    assert "чекає зарплату" in answer.text
    far = await browser.send_form("/desk/result", json=True, **(form | {"amount": "500,00", "due_date": "+90"}))
    assert (far.status_code, far.json()["field"]) == (422, "due_date")
    async with talk.console.database.begin() as s:
        assert (await s.get_one(CallAttempt, talk.call)).outcome is None


async def test_a_promise_is_saved_once_whoever_clicks_twice(talk: Talk) -> None:
    """CC-13, CC-14: the disposition makes the promise, its task with a control date, and frees the agent."""
    browser = await at_desk(talk)
    await confirm(browser, talk)
    await talk.end()
    form = {"call_id": talk.call, "outcome": "PTP_FULL", "amount": "1 800,00", "due_date": "+5", "note": "у застосунку"}
    answers = [await browser.send_form("/desk/result", **form) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 200]
    assert "\\u041e\\u0431\\u0456\\u0446\\u044f\\u043d\\u043a\\u0443" in answers[0].headers["hx-trigger"]
    assert 'data-state="READY"' in answers[0].text
    async with talk.console.database.begin() as s:
        promises = (await s.execute(select(Promise))).scalars().all()
        assert [(p.amount, p.call_id) for p in promises] == [(Decimal("1800.00"), talk.call)]
        assert await s.scalar(select(func.count()).select_from(Task).where(Task.kind == "CHECK_PROMISE")) == 1
        assert await s.scalar(select(func.count()).select_from(CaseEvent).where(CaseEvent.kind == "outcome")) == 1
    other = await browser.send_form("/desk/result", json=True, **(form | {"outcome": "REFUSE"}))
    assert (other.status_code, other.json()["error"]) == (409, "CONFLICT")


async def test_no_next_call_before_the_result(talk: Talk) -> None:
    browser = await at_desk(talk)
    await talk.end()
    answer = await browser.send_form("/desk/ready", json=True)
    assert (answer.status_code, answer.json()["error"]) == (409, "NO_DISPOSITION")
    assert (await browser.send_form("/logout", json=True)).status_code == 409
    toast = (await browser.send_form("/desk/ready")).headers["hx-trigger"]
    assert "toast" in toast


async def test_pause_in_a_call_comes_after_its_result(talk: Talk) -> None:
    """TL-05: pause with a reason."""
    browser = await at_desk(talk)
    html = (await browser.send_form("/desk/pause", reason="LUNCH")).text
    assert 'data-state="TALKING"' in html
    assert "потім пауза: обід" in html
    await talk.end()
    state = await browser.send_form("/desk/result", call_id=talk.call, outcome="HANGUP")
    assert 'data-state="PAUSED"' in state.text
    bad = await browser.send_form("/desk/pause", json=True, reason="TIRED")
    assert (bad.status_code, bad.json()["field"]) == (422, "reason")


async def test_hanging_up_ends_the_borrowers_channel(talk: Talk) -> None:
    browser = await at_desk(talk)
    assert (await browser.send_form("/desk/hangup")).status_code == 200
    assert [(name, fields["Channel"]) for name, fields in talk.console.ami.actions] == [("Hangup", str(talk.call))]
    talk.console.ami.up = False
    away = await browser.send_form("/desk/hangup", json=True)
    assert away.json()["error"] == "EXCHANGE_AWAY"


async def test_the_draft_of_the_note_survives(talk: Talk) -> None:
    browser = await at_desk(talk)
    assert (await browser.send_form("/desk/note", call_id=talk.call, note="дзвонити після 11:00")).status_code == 204
    assert "дзвонити після 11:00" in (await browser.get("/desk")).text


async def test_the_next_step_is_told_before_it_is_saved(talk: Talk) -> None:
    browser = await at_desk(talk)
    await confirm(browser, talk)
    answer = await browser.get("/desk/next", params={"call_id": str(talk.call), "outcome": "DISPUTE"})
    assert "розглянути спір" in answer.text
    assert "на паузі" in answer.text
    async with talk.console.database.begin() as s:
        assert (await s.execute(select(Task))).first() is None


async def test_the_phones_secret_is_given_only_to_its_own_desk(console: RunningConsole) -> None:
    await console.person("anna", extension=101)
    browser = console.browser()
    await browser.log_in("anna", phone="browser")
    answer = await browser.get("/desk/phone")
    assert answer.json()["user"] == "agent-101-web"
    assert answer.json()["password"] == console.settings.derived_secret("phone:101")
    assert answer.headers["cache-control"] == "no-store"
    supervisor = await console.logged_in("olha", "supervisor")
    assert (await supervisor.get("/desk/phone")).status_code == 403


async def test_a_case_opens_only_to_who_spoke_with_the_right_party(talk: Talk) -> None:
    browser = await at_desk(talk)
    address = f"/case/{talk.borrower.case.number}"
    assert (await browser.get(address)).status_code == 403, "not while the present call is unconfirmed"
    await confirm(browser, talk)
    assert (await browser.get(address)).status_code == 200
    await talk.end()
    await browser.send_form("/desk/result", call_id=talk.call, outcome="CALLBACK", call_back_at="+1 12:00")
    assert (await browser.get(address)).status_code == 200
    async with talk.console.database.begin() as s:
        old = await s.get_one(CallAttempt, talk.call)
        again = {c.key: getattr(old, c.key) for c in CallAttempt.__table__.columns}
        again |= {
            "id": new_key(),
            "identity_confirmed_at": None,
            "identity_matches": {},
            "outcome": None,
            "outcome_at": None,
        }
        s.add(CallAttempt(**again))
    assert (await browser.get(address)).status_code == 403, "a new unconfirmed call closes the other door"
    other = await talk.console.logged_in("petro", extension=102)
    assert (await other.get(address)).status_code == 403
    supervisor = await talk.console.logged_in("olha", "supervisor")
    assert (await supervisor.get(address)).status_code == 200
    async with talk.console.database.begin() as s:
        seen = (await s.execute(select(AccessEntry.user_id).where(AccessEntry.act == "CASE_SEEN"))).scalars().all()
    assert len(seen) == 2


async def test_two_agents_talk_apart(console: RunningConsole) -> None:
    first = await begin_talk(console)
    html = (await (await at_desk(first)).get("/desk")).text
    assert html.count(f'data-call-id="{first.call}"') == 2


async def test_sums_of_an_old_balance_are_hidden_everywhere_on_the_card(talk: Talk) -> None:
    """Domain 3.5: nothing is said to a borrower from a balance older than 26 h; the card says of when it is."""
    browser = await at_desk(talk)
    await confirm(browser, talk)
    assert "1\u00a0800,00" in (await browser.get("/desk/card")).text.split('class="say" lang="uk">')[1].split("</p>")[0]
    clock = talk.console.clock
    old = clock.now() - timedelta(hours=30)
    async with talk.console.database.begin() as s:
        loan = await s.get_one(type(talk.borrower.loan), talk.borrower.loan.id)
        loan.as_at, loan.next_due, loan.next_amount = old, clock.today() + timedelta(days=9), Decimal("731.00")
    html = (await browser.get("/desk/card")).text
    assert [sum_ for sum_ in ("1\u00a0800,00", "10\u00a0000,00", "731,00") if sum_ in html] == []
    assert f"Дані банку від {old.astimezone(clock.zone):%d.%m.%Y %H:%M} застаріли" in html
    assert "20" in html.split('class="sub stack"')[1]  # days past due stay


async def test_fl11_the_warning_of_the_recording_is_ticked_once_and_stands_on_the_call(talk: Talk) -> None:
    """UA-REC asks for it: the script has a line with its own button; how, when and in which language stands on the call."""
    browser = await at_desk(talk)
    assert 'data-act="notice"' in (await browser.get("/desk/card")).text
    for _ in range(2):
        await browser.send_form("/desk/notice", call_id=str(talk.call))
    async with talk.console.database.begin() as s:
        call = await s.get_one(CallAttempt, talk.call)
    assert (call.notice_rule, call.notice, call.notice_language) == ("UA-REC", "script", "uk")
    assert call.notice_at is not None
    html = (await browser.get("/desk/card")).text
    assert 'data-act="notice"' not in html
    assert "Попереджено про запис: за сценарієм" in html


@pytest.mark.parametrize("warned", [True, False])
async def test_fl11_a_talk_without_the_warning_says_so_in_the_history(talk: Talk, warned: bool) -> None:
    browser = await at_desk(talk)
    if warned:
        await browser.send_form("/desk/notice", call_id=str(talk.call))
    await talk.end()
    await browser.send_form("/desk/result", call_id=str(talk.call), outcome="HANGUP")
    async with talk.console.database.begin() as s:
        (event,) = [e for e in await cases.events(s, talk.borrower.case.id) if e.kind == "outcome"]
    assert (event.data["notice"], event.data["notice_language"]) == (("script", "uk") if warned else ("none", ""))


@pytest.mark.parametrize("anybody", [False, True])
async def test_a_call_back_is_the_agents_own_or_anybodys(talk: Talk, anybody: bool) -> None:
    """Issue 5: the agent chooses; his own goes to him when he is free, anybody's to who waits longest. At the borrower's time."""
    console, day = talk.console, talk.console.clock.today()
    browser = await at_desk(talk)
    await confirm(browser, talk)
    await talk.end()
    said = {"call_back_at": "+1 12:00"} | ({"anybody": "1"} if anybody else {})
    await browser.send_form("/desk/result", call_id=talk.call, outcome="CALLBACK", **said)
    async with console.database.begin() as s:
        task = (await s.scalars(select(Task).where(Task.kind == "CALLBACK"))).one()
        assert task.earliest_at is not None
        assert task.earliest_at.astimezone(ZoneInfo("Europe/Kyiv")).hour == 12
        longest = await house.agent(s, console.clock)
        await s.execute(
            update(AgentSession)
            .where(AgentSession.id == longest.id)
            .values(since=console.clock.wall() - timedelta(hours=1))
        )
        mine = await agents.seat(s, talk.agent.id)
        agents.change(s, mine, "READY", "", console.clock.wall())
        mine.line = "UP"
        await house.borrower(s, console.clock)
        old = await s.get_one(CallAttempt, talk.call)
        again = {c.key: getattr(old, c.key) for c in CallAttempt.__table__.columns}
        again |= {
            "id": new_key(),
            "state": "ANSWERED",
            "ended_at": None,
            "outcome": None,
            "agent_id": None,
            "result": None,
        }
        again |= {"agent_session_id": None, "bridged_at": None, "reserved_at": None, "claimed_at": console.clock.wall()}
        s.add(CallAttempt(**again))
        await s.flush()
        chosen = await attempts.connect(s, again["id"], console.clock.wall())
    assert chosen is not None
    assert chosen.user_id == (longest.user_id if anybody else talk.agent.id)
    assert day < task.control_date


async def test_a_survey_opens_its_own_script_and_asks_for_no_promise(talk: Talk) -> None:
    """CC-09: the desk shows the campaign's script in the borrower's language, no sums, and results that fit its purpose."""
    browser, script = await at_desk(talk), "Чи задоволені ви відділенням?"
    async with talk.console.database.begin() as s:
        said = {"purpose": "survey", "script": {"uk": script, "en": "Are you content with the branch?"}}
        await campaigns.change(s, "opinion", said, who="os:x", by="x", wall=talk.console.clock.wall(), new=True)
        await campaigns.change(
            s,
            "collection",
            {"script": {"uk": "Наш текст про борг"}},
            who="os:x",
            by="x",
            wall=talk.console.clock.wall(),
        )
        here = update(CallAttempt).where(CallAttempt.id == talk.call)
    assert script not in (await browser.get("/desk/card")).text
    await confirm(browser, talk)
    page = (await browser.get("/desk/card")).text
    assert "Наш текст про борг" in page
    assert 'value="PTP_FULL"' in page
    assert 'value="ANSWERED"' not in page
    async with talk.console.database.begin() as s:
        await s.execute(here.values(campaign="opinion", purpose="survey"))
    for path in ("/desk/card", "/desk/view"):
        page = (await browser.get(path)).text
        assert script in page
        assert "1\u00a0800" not in page
        assert 'id="pane-history"' not in page, "what stands in it tells of promises and sums"
        for code, there in (("PTP_FULL", False), ("REFUSE", False), ("ANSWERED", True), ("CALLBACK", True)):
            assert (f'value="{code}"' in page) is there, code
    await talk.end()
    promise = {"call_id": talk.call, "outcome": "PTP_FULL", "amount": "100", "due_date": "+1"}
    assert (await browser.send_form("/desk/result", json=True, **promise)).status_code == 422
    told = await browser.get("/desk/next", params={"call_id": str(talk.call), "outcome": "ANSWERED"})
    assert "ця кампанія більше не дзвонитиме" in told.text
    answer = {"call_id": talk.call, "outcome": "ANSWERED", "note": "Так, 5 з 5"}
    assert (await browser.send_form("/desk/result", json=True, **answer)).status_code == 200
    async with talk.console.database.begin() as s:
        call = await s.get_one(CallAttempt, talk.call)
        assert (call.outcome, call.note) == ("ANSWERED", "Так, 5 з 5")
        assert await s.scalar(select(func.count()).select_from(Promise)) == 0
        await s.execute(update(CallAttempt).where(CallAttempt.id == talk.call).values(outcome=None))
        await campaigns.change(s, "opinion", {"script": {}}, who="os:x", by="x", wall=talk.console.clock.wall())
    assert 'id="no-script"' in (await browser.get("/desk/card", params={"call_id": str(talk.call)})).text
