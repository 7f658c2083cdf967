"""Stored decisions are given again from their stored inputs and the rules of then, and a changed one is found."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text, update

from backoffice_core.compliance import loader, service
from backoffice_core.compliance.models import ComplianceDecision, WorkCalendar
from backoffice_core.compliance.recompute import recompute
from backoffice_core.compliance.terms import Entry
from backoffice_core.db import Database
from tests.rules.compliance_world import Address, Contact, Decimal, Flag, PersonView, date, local

AT = local("2026-11-18 12:00")


async def decide_variously(database: Database) -> int:
    """Calls and messages, allowed and refused for many reasons, in several countries; how many decisions."""
    people = [
        PersonView(uuid4(), ("UA",), ("Europe/Kyiv",)),
        PersonView(uuid4(), ("RU", "UA"), ("Europe/Moscow", "Asia/Vladivostok")),
        PersonView(uuid4(), ("US",), ("America/New_York",)),
        PersonView(uuid4(), ("KZ",), ()),
        PersonView(uuid4(), (), ("Europe/Kyiv",)),
        PersonView(uuid4(), ("UA",), ("Europe/Kyiv",), (Flag("protected_military", date(2026, 1, 1), None, True),)),
    ]
    count = 0
    for person in people:
        for n in range(3):
            async with database.begin() as s:
                entry = Entry(
                    at=AT - timedelta(hours=5 * n + 3), channel="call", actor="dialer", debt=uuid4(),
                    conversation=n == 1, minutes=Decimal("2.50") if n else None, exceptions=frozenset({"consent"}),
                )  # fmt: skip
                await service.record(s, person.id, entry, source="test", source_id=str(uuid4()))
                call = Contact(
                    person=person, channel="call", actor="dialer", purpose="collection", debt=uuid4(),
                    address=Address("+380671234567", "mobile"), caller_id_hidden=False, caller_id_declared=True,
                    stage="soft_early", consent_at=AT - timedelta(days=n) if n else None,
                )  # fmt: skip
                sms = Contact(person=person, channel="sms", actor="robot", purpose="marketing", given=frozenset({"x"}))
                asked = await service.ask_many(s, [call, sms], AT + timedelta(hours=n * 4))
                reserved = await service.ask_and_reserve(s, call, uuid4(), AT + timedelta(minutes=n))
                count += len([*asked, reserved])
    return count


@pytest.fixture
async def bank(database: Database) -> Database:
    async with database.begin() as s:
        await service.load_rules(s, "test")
        await service.seed_calendar(s, [2026, 2027])
    return database


async def test_decisions_are_the_same_again_after_rules_and_holidays_have_changed(bank: Database) -> None:
    """Old versions are kept, and so is the calendar of then."""
    count = await decide_variously(bank)
    async with bank.begin() as s:
        found = await recompute(s, 1000)
        allowed = set(await s.scalars(text("SELECT DISTINCT allow FROM compliance_decisions")))
    assert (found.checked, found.same, found.old, found.differences) == (count, count, 0, [])
    assert allowed == {True, False}
    rows = loader.read_file()
    for row in rows:
        if row["kind"] == "frequency_cap":
            row["params"] = {**row["params"], "max": 0}
        if row["kind"] == "time_window" and "from" in row["params"]:
            row["params"] = {**row["params"], "from": "18:00"}
    async with bank.begin() as s:
        await service.load_rules(s, "test", rows)
        s.add(WorkCalendar(jurisdiction="UA", day=AT.date(), working=False, name="new"))
    count += await decide_variously(bank)
    async with bank.begin() as s:
        found = await recompute(s, 1000)
        books = (await s.execute(text("SELECT count(*) FROM compliance_books"))).scalar_one()
    assert (found.checked, found.same, found.differences, books) == (count, count, [], 2)


async def test_a_changed_decision_and_a_changed_rule_are_found_and_named(bank: Database) -> None:
    await decide_variously(bank)
    async with bank.begin() as s:
        await s.execute(text("ALTER TABLE compliance_decisions DISABLE TRIGGER ALL"))
        t = ComplianceDecision
        refused, other, third = (
            await s.scalars(text("SELECT id FROM compliance_decisions WHERE NOT allow ORDER BY id LIMIT 3"))
        ).all()
        await s.execute(update(t).where(t.id == refused).values(allow=True, reasons=[]))
        fewer = {"book": (await s.get_one(t, other)).inputs["book"], "ledger": "x"}  # type: ignore[index]
        await s.execute(update(t).where(t.id == other).values(inputs=fewer))
        await s.execute(update(t).where(t.id == third).values(inputs=None))
    async with bank.begin() as s:
        found = await recompute(s, 1000)
    assert {(d.decision, d.field) for d in found.differences} == {
        (refused, "allow"), (refused, "reasons"), (other, "inputs"),
    }  # fmt: skip
    assert found.old == 1
    async with bank.begin() as s:
        await s.execute(text("ALTER TABLE compliance_rules DISABLE TRIGGER ALL"))
        await s.execute(text("UPDATE compliance_rules SET row = row || '{\"note\": \"x\"}' WHERE rule_id = 'UA-TIME'"))
    async with bank.begin() as s:
        found = await recompute(s, 1000)
    assert found.same == 0
    assert {(d.field, d.again) for d in found.differences} == {("book", "rule UA-TIME, version 1, was changed")}
