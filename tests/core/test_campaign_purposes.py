"""Campaigns of three purposes in one queue (CC-09): whose task it is, what the rules are asked, which script is spoken."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from backoffice_core.call_centre.calls import attempts
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.call_centre.carriers import caller_ids
from backoffice_core.call_centre.dialing import campaign_lists, campaign_terms, campaigns
from backoffice_core.call_centre.dialing.campaign_terms import spoken
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.queueing import requeue
from backoffice_core.clock import Clock
from backoffice_core.collection import service as collection
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.models import ComplianceDecision, ContactLedger
from backoffice_core.config import Settings
from backoffice_core.db import Database, new_key
from backoffice_core.errors import BadInput
from tests.core.bank import KYIV, WEDNESDAY, Bank
from tests.core.test_night_commands import said

SURVEY_CAP = {
    "id": "BANK-SURVEY", "jurisdiction": "*", "kind": "frequency_cap", "count_unit": "attempt", "scope": "person",
    "applies_to": {"purpose": ["survey"], "channel": ["call", "robot"]}, "window": {"type": "calendar_day", "n": 1},
    "params": {"max": 1}, "on_breach": "block", "effective_from": "2020-01-01", "source": "the bank", "verified": False,
}  # fmt: skip


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    return bank


async def set_(bank: Bank, name: str, **fields: Any) -> None:
    async with bank.database.begin() as s:
        await campaigns.change(s, name, fields, who="os:x", by="x", wall=Clock.wall(), new=True)


async def give(bank: Bank, name: str, *numbers: int) -> None:
    async with bank.database.begin() as s:
        assert (await campaign_lists.give(s, name, [f"C{n}" for n in numbers]))[0] == len(numbers)


async def queue_of(bank: Bank) -> dict[int, tuple[str, str]]:
    """Campaign and purpose of each borrower's task, after the queue has followed what changed."""
    async with bank.database.begin() as s:
        await requeue.rejudge(s, bank.settings, now=bank.now, today=bank.now.date(), zone=KYIV)
    tasks = {task.case_id: (task.campaign, task.purpose) for task in await bank.tasks()}
    return {n: tasks[case.id] for n in range(1, 6) if (case := await bank.case(n)).id in tasks}


async def test_three_purposes_stand_in_one_queue_and_their_calls_carry_them(bank: Bank) -> None:
    """CC-09: collection, survey and information; the task, the attempt, the contact and the question carry the purpose; a
    purpose without caps, or that needs a consent, takes nobody away from collection and says why."""
    await bank.file(*({"n": n} for n in range(1, 6)))
    await bank.night()
    async with bank.database.begin() as s:
        await collection.make_promise(
            s, (await bank.case(4)).id, amount=Decimal(500), currency="UAH", due_date=WEDNESDAY + timedelta(days=3),
            at=bank.now,
        )  # fmt: skip
        for days in range(1, 5):  # four calls of a week: the caps of information are used up
            person = (await bank.case(5)).person_id
            at = bank.now - timedelta(days=days) + timedelta(hours=10)
            s.add(ContactLedger(
                person_id=person, channel="call", actor="dialer", purpose="service", at=at, state="COMMITTED",
            ))  # fmt: skip
    await set_(bank, "opinion", purpose="survey", whom={"given": True}, priority="3")
    await set_(bank, "news", purpose="service", whom={"given": True}, priority="5")
    await give(bank, "opinion", 2)
    await give(bank, "news", 3, 4, 5)
    bank.at(WEDNESDAY, hour=11)
    await bank.night(again=True)
    debt, news = ("collection", "collection"), ("news", "service")
    assert await queue_of(bank) == {1: debt, 2: debt, 3: news, 4: news, 5: debt}
    async with bank.database.begin() as s:
        board = {row.campaign.name: row.running.why for row in await campaigns.board(s, WEDNESDAY, "UA")}
        assert board == {"collection": "", "opinion": "NO_PURPOSE_CAPS", "news": ""}
        (row,) = await s.scalars(text("SELECT row FROM compliance_rules WHERE rule_id = 'ANY-MARKETING'"))
        own = row | {"applies_to": row["applies_to"] | {"purpose": ["marketing"]}}
        await compliance.load_rules(s, "lawyer", [own])
    assert (await queue_of(bank))[2] == debt, "no rule caps surveys"
    async with bank.database.begin() as s:
        board = {row.campaign.name: row.running.why for row in await campaigns.board(s, WEDNESDAY, "UA")}
        assert board["opinion"] == "NO_PURPOSE_CAPS"
        await compliance.load_rules(s, "lawyer", [SURVEY_CAP])
    assert await queue_of(bank) == {1: debt, 2: ("opinion", "survey"), 3: news, 4: news, 5: debt}

    trunk = bank.settings.trunks[0]
    async with bank.database.begin() as s:
        number = caller_ids.NewId(
            number="+380445550177", owner="bank", trunks=[trunk.name], campaigns=("opinion", "news", "collection"),
            declared_on=WEDNESDAY - timedelta(days=30),
        )  # fmt: skip
        await caller_ids.add(s, bank.settings, number, by="test", now=Clock.wall())
    for campaign, purpose in (("collection", "collection"), ("opinion", "survey"), ("news", "service")):
        async with bank.database.begin() as s:
            placing = await attempts.claim(
                s, bank.settings, trunk=trunk, now=bank.now, today=WEDNESDAY, wall=Clock.wall(), campaign=campaign,
            )  # fmt: skip
            assert isinstance(placing, Placing), placing
        async with bank.database.begin() as s:
            attempt = await s.get_one(CallAttempt, placing.call_id)
            asked = await s.scalar(select(ComplianceDecision).where(ComplianceDecision.call_id == placing.call_id))
            entry = await s.scalar(select(ContactLedger).where(ContactLedger.call_id == placing.call_id))
            assert asked is not None
            assert entry is not None
            assert [attempt.purpose, asked.contact["purpose"], entry.purpose] == [purpose] * 3

    async with bank.database.begin() as s:  # nobody dials these any more
        await s.execute(
            text("UPDATE call_tasks SET state = 'ELIGIBLE', fence = 0, attempts = 0 WHERE state = 'DIALING'")
        )
        await s.execute(text("DELETE FROM contact_ledger WHERE state = 'RESERVED'"))
    await set_(bank, "news", purpose="collection")
    assert await queue_of(bank) == {
        1: debt,
        2: ("opinion", "survey"),
        3: ("news", "collection"),
        5: ("news", "collection"),
    }
    assert (await bank.reason(4))[0] == "PROMISE_OPEN"


async def test_a_purpose_whose_rules_have_ended_is_not_dialed_at_the_second_of_dialing(bank: Bank) -> None:
    """CC-09: fails closed also between the judging and the call."""
    await bank.file({"n": 1})
    await bank.night()
    await set_(bank, "news", purpose="service", whom={"given": True})
    await give(bank, "news", 1)
    bank.at(WEDNESDAY, hour=11)
    await bank.night(again=True)
    trunk = bank.settings.trunks[0]
    async with bank.database.begin() as s:
        number = caller_ids.NewId(number="+380445550177", owner="bank", trunks=[trunk.name], campaigns=("news",))
        await caller_ids.add(s, bank.settings, number, by="test", now=Clock.wall())
        rows = await s.scalars(text("SELECT row FROM compliance_rules WHERE rule_id LIKE 'ANY-SERVICE-%'"))
        await compliance.load_rules(s, "lawyer", [row | {"effective_to": "2026-12-31"} for row in rows])
    async with bank.database.begin() as s:
        passed = await attempts.claim(
            s, bank.settings, trunk=trunk, now=bank.now, today=WEDNESDAY, wall=Clock.wall(), campaign="news"
        )
        assert isinstance(passed, attempts.Passed)
        assert passed.reason == "NO_RULE"


async def test_who_was_told_or_has_answered_is_not_called_for_it_again(bank: Bank) -> None:
    """CC-09: the next day's list of a survey or information leaves out whom it has reached, also with a refusal to answer, and
    counts him no more; who was not reached stays, and his debt is called as usual."""
    await bank.file(*({"n": n} for n in range(1, 6)))
    await bank.night()
    await set_(bank, "news", purpose="service", whom={"given": True}, priority="3")
    await give(bank, "news", 1, 2, 3, 4)
    bank.at(WEDNESDAY, hour=11)
    await bank.night(again=True)
    assert {n: name for n, (name, _) in (await queue_of(bank)).items()} == {
        **dict.fromkeys((1, 2, 3, 4), "news"), 5: "collection",
    }  # fmt: skip
    async with bank.database.begin() as s:
        for n, outcome, campaign in (
            (1, "ANSWERED", "news"),
            (2, "DECLINED", "news"),
            (3, "HANGUP", "news"),
            (4, "ANSWERED", "old"),
        ):
            case = await bank.case(n)
            s.add(CallAttempt(
                id=new_key(), case_id=case.id, person_id=case.person_id, direction="out", number="+380671000001",
                contact_point_id=(await bank.phone(n)).id, campaign=campaign, purpose="service", trunk="t",
                caller_id="", language="uk", fence=0, state="ENDED", business_at=bank.now,
                claimed_at=bank.now, ended_at=bank.now, outcome=outcome,
            ))  # fmt: skip
    bank.at(WEDNESDAY + timedelta(days=1), hour=11)
    await bank.file(*({"n": n} for n in range(1, 6)))
    await bank.night()
    debt, news = "collection", "news"
    assert {n: name for n, (name, _) in (await queue_of(bank)).items()} == {1: debt, 2: debt, 3: news, 4: news, 5: debt}
    async with bank.database.begin() as s:
        whom = campaign_terms.whom({"given": True})
        day = bank.now.date()
        taken = await campaign_lists.would_take(s, "news", whom, 3, day, purpose="service", robot=False)
        assert (taken.cases, taken.queued) == (2, 2)


async def test_a_script_is_said_by_language_and_collection_keeps_its_purpose(
    live_settings: Settings, database: Database
) -> None:
    """CC-09: set by the command; a language that is not there, too long a text, another purpose of collection are refused."""
    made = await said(
        live_settings,
        "campaign",
        "set",
        "news",
        "--new",
        "--purpose",
        "service",
        "--script",
        '{"uk": " Вітаємо ", "en": ""}',
    )
    assert (made["purpose"], made["script"]) == ("service", {"uk": "Вітаємо"})
    assert spoken(made["script"], "ru", "en") == ("Вітаємо", "uk")
    assert spoken({"uk": "а", "en": "b"}, "en") == ("b", "en")
    assert spoken({}) == ("", "")
    for name, fields, field in (
        ("news", {"script": {"de": "Guten Tag"}}, "script"), ("news", {"script": {"uk": "а" * 4001}}, "script"),
        ("news", {"script": {"uk": 5}}, "script"), ("collection", {"purpose": "survey"}, "purpose"),
    ):  # fmt: skip
        async with database.begin() as s:
            with pytest.raises(BadInput) as refused:
                await campaigns.change(s, name, fields, who="os:x", by="x", wall=Clock.wall())
            assert refused.value.details["field"] == field
