"""Compliance on real PostgreSQL: rules as dated versions, decisions as proof, slots that never let a cap be passed."""

import asyncio
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from backoffice_core.compliance import loader, service, slots
from backoffice_core.compliance.models import ComplianceDecision, ComplianceRule, ContactLedger, WorkCalendar
from backoffice_core.db import Base, Database
from backoffice_core.errors import BadInput, NotFound
from tests.rules.compliance_world import (
    Address,
    Contact,
    Decimal,
    Flag,
    PersonView,
    codes,
    date,
    datetime,
    dialed,
    ids,
    local,
    talked,
)

AT = local("2026-11-18 12:00")
MODELS = (ComplianceRule, ComplianceDecision, ContactLedger, WorkCalendar)


@pytest.fixture
async def bank(database: Database) -> Database:
    """A database with the shipped rules and the holidays of 2026 and 2027."""
    async with database.engine.begin() as connection:
        await connection.run_sync(
            Base.metadata.create_all, tables=[Base.metadata.tables[model.__tablename__] for model in MODELS]
        )
    async with database.begin() as s:
        await service.load_rules(s, "test")
        await service.seed_calendar(s, [2026, 2027])
    return database


def call(person: UUID, number: str = "+380671234567", *, zone: str = "Europe/Kyiv", place: str = "UA") -> Contact:
    return Contact(
        person=PersonView(person, (place,), (zone,)), channel="call", actor="dialer", purpose="collection",
        address=Address(number, "mobile"), caller_id_hidden=False, caller_id_declared=True, agent_guaranteed=True,
    )  # fmt: skip


# --- rules and calendar --------------------------------------------------------------------------------------------


async def test_all_72_rules_are_loaded_once_and_only_changes_become_versions(bank: Database) -> None:
    async with bank.begin() as s:
        assert await s.scalar(select(func.count()).select_from(ComplianceRule)) == 74
        assert await service.load_rules(s, "again") == 0
    rows = loader.read_file()
    index = next(n for n, row in enumerate(rows) if row["id"] == "UA-DAY")
    rows[index] = rows[index] | {"effective_from": "2027-02-01", "params": {"max": 0}}
    async with bank.begin() as s:
        assert await service.load_rules(s, "lawyer", rows) == 1
    async with bank.begin() as s:
        newest = (await s.execute(select(ComplianceRule).where(ComplianceRule.rule_id == "UA-DAY"))).scalars().all()
        assert sorted((row.version, row.loaded_by) for row in newest) == [(1, "test"), (2, "lawyer")]


async def test_cp_04_a_new_version_is_used_from_its_day_without_a_deploy(bank: Database) -> None:
    """CP-04: valid from 1 February: 31 January by the old version, 1 February by the new one."""
    before, after, asked = local("2027-01-29 12:00"), local("2027-02-01 12:00"), call(uuid4())
    async with bank.begin() as s:
        assert (await service.ask(s, asked, after)).allow
        rows = [row for row in loader.read_file() if row["id"] == "UA-DAY"]
        new = {**rows[0], "effective_from": "2027-02-01", "params": {"max": 0}}
        await service.load_rules(s, "lawyer", [new])
    async with bank.begin() as s:
        old, changed = await service.ask(s, asked, before), await service.ask(s, asked, after)
    assert old.allow
    assert ("UA-DAY", 1) in old.consulted
    assert ids(changed) == {"UA-DAY"}
    assert ("UA-DAY", 2) in changed.consulted
    assert changed.next_allowed_at is None


async def test_a_bad_row_is_refused_and_nothing_is_taken_over(bank: Database) -> None:
    rows = [row | {"note": "changed"} for row in loader.read_file()[:3]]
    rows[2] = rows[2] | {"kind": "sometimes"}
    with pytest.raises(loader.RuleRefused, match="sometimes"):
        async with bank.begin() as s:
            await service.load_rules(s, "test", rows)
    async with bank.begin() as s:
        assert await s.scalar(select(func.count()).select_from(ComplianceRule)) == 74


async def test_holidays_are_seeded_once_and_a_lawyers_change_stays(bank: Database) -> None:
    independence = date(2026, 8, 24)
    async with bank.begin() as s:
        closed = await service.ask(s, call(uuid4()), local("2026-08-24 12:00"))
        assert codes(closed) == ["OUT_OF_HOURS"]
        lifted = update(WorkCalendar).where(WorkCalendar.jurisdiction == "UA", WorkCalendar.day == independence)
        await s.execute(lifted.values(working=True))
    async with bank.begin() as s:
        assert await service.seed_calendar(s, [2026, 2027]) == 0
        assert (await service.ask(s, call(uuid4()), local("2026-08-24 12:00"))).allow
        days = await service.working_days(s, "UA", date(2026, 12, 24), days=4)
    assert list(days.values()) == [True, False, False, False]  # Thursday, Christmas, the weekend


# --- asking --------------------------------------------------------------------------------------------------------


async def test_cp_01_the_question_the_rules_with_versions_and_the_answer_are_stored(bank: Database) -> None:
    """CP-01: the rules consulted, their versions and the result are stored."""
    person = uuid4()
    async with bank.begin() as s:
        decision = await service.ask(s, call(person), local("2026-11-18 20:00"))
    async with bank.begin() as s:
        row = await s.get_one(ComplianceDecision, decision.id)
    assert (row.person_id, row.allow, row.at) == (person, False, local("2026-11-18 20:00"))
    assert row.next_allowed_at == local("2026-11-19 09:00")
    assert row.reasons[0]["code"] == "OUT_OF_HOURS"
    assert row.reasons[0]["rule"] == "UA-TIME"
    assert {"rule": "UA-DAY", "version": 1} in row.consulted
    assert row.contact["person"]["zones"] == ["Europe/Kyiv"]
    assert row.contact["channel"] == "call"
    assert {must["rule"] for must in row.must} == {"UA-REC", "UA-DISCLOSE"}


async def test_cp_01_flags_and_their_evidence_are_part_of_the_proof(bank: Database) -> None:
    """CP-01: what was known of the person is part of the proof."""
    person = PersonView(uuid4(), ("UA",), ("Europe/Kyiv",), (Flag("protected_military", date(2026, 1, 2)),))
    asked = Contact(person=person, channel="sms", actor="robot", purpose="collection", debt=uuid4())
    async with bank.begin() as s:
        decision = await service.ask(s, asked, AT)
        row = await s.get_one(ComplianceDecision, decision.id)
    flag = {"name": "protected_military", "since": "2026-01-02", "until": None, "evidence": False}
    assert row.contact["person"]["flags"] == [flag]
    assert row.contact["debt"] == str(asked.debt)


async def test_contacts_made_elsewhere_enter_the_same_ledger_once(bank: Database) -> None:
    person = uuid4()
    sms = dialed(local("2026-11-18 10:00"), channel="sms", delivered=True)
    async with bank.begin() as s:
        assert await service.record(s, person, sms, source="gateway", source_id="1")
        assert not await service.record(s, person, sms, source="gateway", source_id="1")
        assert (await service.ask(s, call(person), AT)).allow
        assert await service.record(
            s, person, talked(local("2026-11-18 09:00"), actor="agency"), source="a", source_id="1"
        )
        refused = await service.ask(s, call(person), AT)
    assert ids(refused) == {"UA-DAY"}


async def test_cc_08_ten_thousand_people_are_asked_about_in_seconds(bank: Database) -> None:
    """CC-08: the night asks about all at once."""
    people = [uuid4() for _ in range(10_000)]
    async with bank.begin() as s:
        for person in people[:500]:
            await service.record(s, person, dialed(local("2026-11-18 11:30")))
    async with bank.begin() as s:
        began = time.monotonic()
        decisions = await service.ask_many(s, [call(person) for person in people], AT)
        took = time.monotonic() - began
    counts = Counter(codes(decision)[0] if decision.reasons else "" for decision in decisions)
    assert counts == {"": 9_500, "COOLDOWN": 500}
    assert [decision.allow for decision in decisions[:501]] == [False] * 500 + [True]
    assert all(decision.id for decision in decisions)
    assert took < 30  # about 3 s alone on two cores
    async with bank.begin() as s:
        assert await s.scalar(select(func.count()).select_from(ComplianceDecision)) == 10_000


# --- slots ---------------------------------------------------------------------------------------------------------


async def claim(bank: Database, contact: Contact, at: datetime = AT) -> tuple[UUID, list[str]]:
    call_id = uuid4()
    async with bank.begin() as s:
        decision = await service.ask_and_reserve(s, contact, call_id, at)
    return call_id, codes(decision)


async def settle(bank: Database, call_id: UUID, *, talk: bool = False, uncertain: bool = False) -> bool:
    async with bank.begin() as s:
        return await service.commit_slot(
            s, call_id, conversation=talk, abandoned=False, machine_message=False, uncertain=uncertain,
            minutes=None if uncertain else Decimal(1) if talk else Decimal(0),
        )  # fmt: skip


async def test_fl_20_one_live_attempt_per_person_whoever_asks_at_once(bank: Database) -> None:
    person = uuid4()
    answers = await asyncio.gather(*(claim(bank, call(person, f"+38067000000{n}")) for n in range(8)))
    assert Counter(not reasons for _, reasons in answers) == {True: 1, False: 7}
    assert all("RETRY_WAIT" in reasons for _, reasons in answers if reasons)


async def test_fl_20_one_live_attempt_per_number_of_several_people(bank: Database) -> None:
    answers = await asyncio.gather(*(claim(bank, call(uuid4(), "+380670000001")) for _ in range(8)))
    assert Counter(tuple(reasons) for _, reasons in answers) == {(): 1, ("RETRY_WAIT",): 7}


async def test_fl_20_refused_for_a_live_attempt_a_contact_may_be_asked_again_soon(bank: Database) -> None:
    number = "+380670000001"
    live, _ = await claim(bank, call(uuid4(), number))
    async with bank.begin() as s:
        decision = await service.ask_and_reserve(s, call(uuid4(), number), uuid4(), AT)
    assert decision.next_allowed_at == AT + slots.LIVE_RECHECK
    await settle(bank, live)
    assert (await claim(bank, call(uuid4(), number)))[1] == []


async def test_fl_20_the_database_itself_refuses_a_second_live_attempt(bank: Database) -> None:
    person = uuid4()
    await claim(bank, call(person))
    with pytest.raises(IntegrityError):
        async with bank.begin() as s:
            s.add(ContactLedger(person_id=person, number="+1", channel="call", actor="human", at=AT, state="RESERVED"))


async def test_no_cap_is_passed_by_eight_dialers_asking_for_one_person_again_and_again(bank: Database) -> None:
    """RU: two attempts a day. Each winner ends its call at once, so that only the cap stands in the way."""
    person = uuid4()
    asked = call(person, zone="Europe/Moscow", place="RU")

    async def dialer(number: int) -> int:
        won = 0
        for round_ in range(4):
            at = local("2026-11-18 09:00", "Europe/Moscow") + timedelta(hours=3 * round_, seconds=number)
            call_id, reasons = await claim(bank, asked, at)
            if not reasons:
                won += 1
                await settle(bank, call_id)
        return won

    assert sum(await asyncio.gather(*(dialer(n) for n in range(8)))) == 2
    async with bank.begin() as s:
        counted = select(func.count()).where(ContactLedger.person_id == person)
        assert await s.scalar(counted) == 2


async def test_no_cap_by_debt_is_passed_by_dialers_of_two_loans_at_once(bank: Database) -> None:
    """Issue 4 "per person, debt and number": two calls a day about each loan, asked for by eight dialers at once; a contact
    about no single loan counts for both."""
    by_debt = {
        "id": "HOUSE-DEBT-D", "jurisdiction": "UA", "kind": "frequency_cap", "count_unit": "attempt",
        "applies_to": {"purpose": ["collection"], "channel": ["call", "robot"]}, "scope": "person_debt",
        "window": {"type": "calendar_day", "n": 1}, "params": {"max": 2}, "on_breach": "block",
        "effective_from": "2020-01-01", "source": "test", "verified": False,
    }  # fmt: skip
    ours = ("ANY-ATTEMPT-D", "ANY-ATTEMPT-W")  # by person: they would say no first
    freed = [row | {"params": {"max": 99}} for row in loader.read_file() if row["id"] in ours]
    async with bank.begin() as s:
        await service.load_rules(s, "test", [by_debt, *freed])
    person, loans = uuid4(), (uuid4(), uuid4())
    won: Counter[UUID | None] = Counter()

    async def dialer(number: int, debt: UUID | None) -> None:
        for round_ in range(4):
            at = local("2026-11-18 09:00") + timedelta(hours=2 * round_, seconds=number)
            call_id, reasons = await claim(bank, replace(call(person), debt=debt), at)
            if not reasons:
                won[debt] += 1
                await settle(bank, call_id)

    await asyncio.gather(*(dialer(n, loans[n % 2]) for n in range(8)))
    assert won == {loans[0]: 2, loans[1]: 2}
    await dialer(9, None)
    assert won[None] == 0, "four contacts stand against it"
    async with bank.begin() as s:
        counted = select(ContactLedger.loan_id, func.count()).where(ContactLedger.person_id == person)
        assert {loan: n for loan, n in (await s.execute(counted.group_by(ContactLedger.loan_id))).all()} == {
            loans[0]: 2,
            loans[1]: 2,
        }


async def test_many_pairs_of_person_and_number_crossed_do_not_deadlock(bank: Database) -> None:
    people, numbers = [uuid4() for _ in range(4)], [f"+38067000000{n}" for n in range(4)]
    pairs = [(person, number) for person in people for number in numbers]
    answers = await asyncio.wait_for(
        asyncio.gather(*(claim(bank, call(person, number)) for person, number in pairs + pairs[::-1])), 60
    )
    live = [pair for pair, (_, reasons) in zip(pairs + pairs[::-1], answers, strict=True) if not reasons]
    assert live
    assert len({person for person, _ in live}) == len({number for _, number in live}) == len(live)


async def test_the_slot_carries_the_decision_and_is_rolled_back_with_the_claim(bank: Database) -> None:
    person, call_id = uuid4(), uuid4()

    async def failing_claim() -> None:
        async with bank.begin() as s:
            assert (await service.ask_and_reserve(s, call(person), call_id, AT)).allow
            raise RuntimeError("the claim failed")

    with pytest.raises(RuntimeError, match="the claim failed"):
        await failing_claim()
    async with bank.begin() as s:
        assert await s.scalar(select(func.count()).select_from(ContactLedger)) == 0
        decision = await service.ask_and_reserve(s, call(person), call_id, AT)
        slot = (await s.execute(select(ContactLedger).where(ContactLedger.call_id == call_id))).scalar_one()
        stored = await s.get_one(ComplianceDecision, decision.id)
    assert (slot.state, slot.decision_id, slot.at) == ("RESERVED", decision.id, AT)
    assert stored.call_id == call_id


async def test_a_slot_is_committed_once_given_back_once_and_truth_replaces_doubt(bank: Database) -> None:
    person = uuid4()
    lost, _ = await claim(bank, call(person))
    assert await settle(bank, lost, uncertain=True)
    async with bank.begin() as s:
        doubtful = await service.contacts_of_day(s, person, AT, zone="Europe/Kyiv", jurisdiction="UA")
        assert not await service.free_slot(s, lost)  # what may have happened is not given back
    assert (doubtful.count, doubtful.limit) == (1, 2)
    assert doubtful.until == local("2026-11-18 20:00")
    assert await settle(bank, lost)  # found after all: it rang out
    assert not await settle(bank, lost, talk=True)
    async with bank.begin() as s:
        assert (await service.contacts_of_day(s, person, AT, zone="Europe/Kyiv", jurisdiction="UA")).count == 0


async def test_a_freed_slot_does_not_count_until_the_call_is_heard_of_after_all(bank: Database) -> None:
    person = uuid4()
    refused, _ = await claim(bank, call(person))
    async with bank.begin() as s:
        assert await service.free_slot(s, refused)
        assert not await service.free_slot(s, refused)
        assert (await service.ask(s, call(person), AT)).allow
    assert await settle(bank, refused, talk=True)
    async with bank.begin() as s:
        assert codes(await service.ask(s, call(person), AT)) == ["COOLDOWN"]


async def test_a_slot_that_was_never_reserved_is_not_passed_over_in_silence(bank: Database) -> None:
    with pytest.raises(NotFound):
        await settle(bank, uuid4())
    with pytest.raises(NotFound):
        async with bank.begin() as s:
            await service.free_slot(s, uuid4())


async def test_only_a_call_with_a_number_gets_a_slot(bank: Database) -> None:
    person = PersonView(uuid4(), ("UA",), ("Europe/Kyiv",))
    for asked in [
        Contact(person=person, channel="sms", actor="robot", purpose="collection", address=Address("+380670000001")),
        Contact(person=person, channel="call", actor="dialer", purpose="collection"),
    ]:
        with pytest.raises(BadInput):
            async with bank.begin() as s:
                await service.ask_and_reserve(s, asked, uuid4(), AT)


async def test_the_card_knows_that_it_is_too_late(bank: Database) -> None:
    async with bank.begin() as s:
        late = await service.contacts_of_day(
            s, uuid4(), local("2026-11-18 21:00"), zone="Europe/Kyiv", jurisdiction="UA"
        )
        nowhere = await service.contacts_of_day(s, uuid4(), AT, zone="", jurisdiction="UA")
    assert (late.count, late.limit, late.until) == (0, 2, None)
    assert nowhere.until is None
