"""FL-09: contacts made elsewhere count as our own, once, in any order; a late source lowers the cap by its rule."""

import itertools
import random
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from openpyxl import Workbook
from sqlalchemy import delete, func, select

from backoffice_core.borrowers.models import Person
from backoffice_core.compliance import elsewhere, feeds, service
from backoffice_core.compliance.feeds import RESULTS, Fed
from backoffice_core.compliance.models import ComplianceRule, ContactLedger, ContactSource, ContactUnmatched
from backoffice_core.compliance.recompute import recompute
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.loans.table_file import BadFile
from tests.core.bank import KYIV, WEDNESDAY, Bank
from tests.rules.compliance_world import Address, Contact, PersonView, local


@pytest.fixture
async def bank(database: Database, settings: Settings, tmp_path: Path) -> Bank:
    one = Bank(database, settings, tmp_path)
    await one.open()
    one.at(WEDNESDAY, 12)
    async with database.begin() as s:
        await elsewhere.set_source(s, "sms", channel="sms", every_minutes=15, now=one.now, by="test")
    return one


async def fed(
    bank: Bank, *rows: dict[str, Any], source: str = "sms", covered_to: datetime | None = None
) -> elsewhere.Done:
    async with bank.database.begin() as s:
        one = await elsewhere.find_source(s, source)
        defaults = {"at": bank.now.isoformat(), "result": "delivered"}
        read = [elsewhere.read_row(defaults | row, one, country="UA", zone=KYIV, now=bank.now) for row in rows]
        return await elsewhere.feed(s, one, read, who="os:test", covered_to=covered_to)


async def person_of(bank: Bank, n: int) -> Any:
    async with bank.database.begin() as s:
        return (await s.scalars(select(Person.id).where(Person.external_ref == f"P{n}"))).one()


def asked(person: Any, channel: str = "call") -> Contact:
    return Contact(
        person=PersonView(person, ("UA",), ("Europe/Kyiv",)), channel=channel, actor="dialer", purpose="collection",
        address=Address("+380671000001", "mobile"), caller_id_hidden=False, caller_id_declared=True, agent_guaranteed=True,
    )  # fmt: skip


async def may_call(bank: Bank, n: int = 1, at: datetime | None = None) -> tuple[bool, list[str]]:
    async with bank.database.begin() as s:
        decision = await service.ask(s, asked(await person_of(bank, n)), at or bank.now)
    return decision.allow, [reason.rule_id or "" for reason in decision.reasons]


async def test_fl09_a_message_of_the_banks_gateway_counts_once_in_the_cap(bank: Bank) -> None:
    """UA: at most two interactions a day; two delivered messages of another system leave no call."""
    await bank.file({"n": 1}, {"n": 2})
    assert (await may_call(bank))[0]
    one = {"external_id": "a1", "phone": "067 100 00 01"}
    assert (await fed(bank, one)).new == 1
    for _ in range(3):
        again = await fed(bank, one, one)
        assert (again.new, again.changed) == (0, 0)
    assert (await may_call(bank))[0]  # one of two
    await fed(bank, {"external_id": "a2", "contract_no": "C1"})
    assert not (await may_call(bank))[0]
    assert (await may_call(bank, 2))[0]
    async with bank.database.begin() as s:
        rows = (await s.execute(select(ContactLedger.source, ContactLedger.source_id, ContactLedger.loan_id))).all()
        found = await recompute(s, 1000)
    assert sorted((r.source, r.source_id, r.loan_id is not None) for r in rows) == [
        ("sms", "a1", False),
        ("sms", "a2", True),
    ]
    assert found.differences == []


async def test_fl09_what_only_left_counts_less_than_what_arrived_and_what_failed_not_at_all(bank: Bank) -> None:
    await bank.file({"n": 1})
    ids = ("x1", "x2", "x3")
    await fed(bank, *({"external_id": each, "phone": "+380671000001", "result": "failed"} for each in ids))
    assert (await may_call(bank))[0]
    await fed(bank, *({"external_id": each, "phone": "+380671000001", "result": "sent"} for each in ids))
    assert (await may_call(bank))[0]  # messages, but no interactions
    done = await fed(bank, *({"external_id": each, "phone": "+380671000001"} for each in ids))
    assert (done.new, done.changed) == (0, 3)
    assert not (await may_call(bank))[0]
    await fed(bank, {"external_id": "x1", "phone": "+380671000001", "result": "failed"})  # comes late, changes nothing
    assert not (await may_call(bank))[0]


async def test_fl09_a_contact_before_its_borrower_is_kept_listed_and_counted_later(bank: Bank) -> None:
    done = await fed(bank, {"external_id": "u1", "phone": "+380671000001"}, {"external_id": "u2", "tax_id": "9"})
    assert (done.new, done.unmatched) == (0, 2)
    async with bank.database.begin() as s:
        assert {one.source_id for one in await elsewhere.unmatched(s)} == {"u1", "u2"}
    await bank.file({"n": 1})
    async with bank.database.begin() as s:
        again = await elsewhere.match_again(s)
    assert (again.new, again.unmatched) == (1, 1)
    async with bank.database.begin() as s:
        assert [one.source_id for one in await elsewhere.unmatched(s)] == ["u2"]
        assert await s.scalar(select(func.count()).select_from(ContactLedger)) == 1


async def test_fl09_a_number_of_two_borrowers_counts_for_both_and_once_for_each(bank: Bank) -> None:
    await bank.file({"n": 1, "phones": "+380671112233"}, {"n": 2, "phones": "+380671112233"})
    for _ in range(2):
        await fed(bank, {"external_id": "s1", "phone": "+380671112233"})
    async with bank.database.begin() as s:
        persons = list(await s.scalars(select(ContactLedger.person_id)))
    assert sorted(persons) == sorted([await person_of(bank, 1), await person_of(bank, 2)])


async def test_fl09_any_order_and_duplication_of_feeds_gives_the_same_ledger(bank: Bank) -> None:
    """Property: rows of three sources, shuffled, repeated, cut into batches, borrowers coming in between."""
    async with bank.database.begin() as s:
        for name, channel in (("agency", "call"), ("visits", "visit")):
            await elsewhere.set_source(s, name, channel=channel, every_minutes=0, now=bank.now, by="test")
    await bank.file({"n": 1}, {"n": 2, "phones": "+380671000001|+380671000002"})
    dice = random.Random(9)
    keys = [{"phone": "+380671000001"}, {"contract_no": "C1"}, {"person_ref": "P2"}, {"phone": "+380671000003"}]
    rows = []
    for n in range(40):
        key, source = dice.choice(keys), dice.choice(["sms", "agency", "visits"])
        for _ in range(dice.randint(1, 3)):  # several rows of one id: statuses that follow each other
            at = bank.now - timedelta(hours=dice.randint(0, 300))
            rows.append((source, key | {
                "external_id": f"{source}-{n}", "at": at.isoformat(), "result": dice.choice(list(RESULTS)),
                "minutes": dice.choice(["", "1.5", "3"]), "purpose": dice.choice(["", "collection"]),
            }))  # fmt: skip

    async def ledger() -> Counter[Any]:
        t = ContactLedger
        columns = (t.person_id, t.loan_id, t.number, t.channel, t.actor, t.purpose, t.direction, t.at, t.state,
                   t.conversation, t.delivered, t.machine_message, t.uncertain, t.minutes, t.source, t.source_id)  # fmt: skip
        async with bank.database.begin() as s:
            return Counter(tuple(row) for row in await s.execute(select(*columns)))

    outcomes = []
    for round_ in range(8):
        async with bank.database.begin() as s:
            await s.execute(delete(ContactLedger))
            await s.execute(delete(ContactUnmatched))
        order = rows * (1 + round_ % 3)
        dice.shuffle(order)
        while order:
            size = dice.randint(1, 30)
            taken, order = order[:size], order[size:]
            for source in ("sms", "agency", "visits"):
                if part := [row for name, row in taken if name == source]:
                    await fed(bank, *part, source=source)
        async with bank.database.begin() as s:
            await elsewhere.match_again(s)
        outcomes.append(await ledger())
    assert all(one == outcomes[0] for one in outcomes)
    assert max(Counter((row[0], row[-2], row[-1]) for row in outcomes[0]).values()) == 1


ROWS = st.builds(
    Fed,
    external_id=st.just("1"), at=st.sampled_from([local("2026-11-18 12:00"), local("2026-11-18 13:00")]),
    channel=st.sampled_from(["sms", "call"]), actor=st.just("robot"), facts=st.sampled_from(list(RESULTS.values())),
    purpose=st.sampled_from([None, "collection", "survey"]), minutes=st.sampled_from([None, 1, 2]), phone=st.just("+1"),
    contract_no=st.sampled_from(["", "C1"]),
)  # fmt: skip


@given(ROWS, ROWS, ROWS)
@hypothesis_settings(max_examples=300, deadline=None)
def test_joining_rows_of_one_id_heeds_no_order_and_no_repetition(a: Fed, b: Fed, c: Fed) -> None:
    wanted = feeds.joined(feeds.joined(a, b), c)
    for order in itertools.permutations([a, b, c]):
        assert feeds.by_id([*order, *order])["1"] == wanted
    assert feeds.fed_of(feeds.fed_json(wanted)) == wanted


# --- late ----------------------------------------------------------------------------------------------------------


async def test_fl09_a_late_source_is_shown_and_lowers_the_cap_by_its_dated_rule(bank: Bank) -> None:
    await bank.file({"n": 1})
    start, _ = bank.clock.day_bounds(bank.clock.today())
    await fed(bank, {"external_id": "m1", "phone": "+380671000001"}, covered_to=bank.now)
    later = bank.now + timedelta(minutes=20)
    async with bank.database.begin() as s:
        assert not (await elsewhere.states(s, bank.now + timedelta(minutes=14), start))[0].late
        assert (await elsewhere.states(s, later, start))[0].late
        assert (await s.scalars(select(ComplianceRule.row).where(ComplianceRule.rule_id == "LATE-SMS"))).one()["params"] == {
            "source": "sms", "assume_per_day": 1, "fail_closed": False,
        }  # fmt: skip
        decision = await service.ask(s, asked(await person_of(bank, 1)), later)
    assert (await may_call(bank))[0]  # in time: one of two interactions
    assert not decision.allow  # late: one and one assumed
    (reason,) = decision.reasons
    assert (reason.code, reason.params["assumed"], reason.params["late_source"]) == ("CAP_REACHED", "1", ["sms"])
    assert decision.next_allowed_at == later + timedelta(minutes=15)
    assert ("LATE-SMS", 1) in decision.consulted
    await fed(bank, covered_to=later)  # it reports that there was nothing
    assert (await may_call(bank, at=later))[0]
    async with bank.database.begin() as s:
        found = await recompute(s, 1000)
    assert (found.differences, found.checked) == ([], 3)


async def test_fl09_a_source_whose_rule_fails_closed_stops_contacts_until_it_reports(bank: Bank) -> None:
    await bank.file({"n": 1})
    later = bank.now + timedelta(minutes=20)
    async with bank.database.begin() as s:
        await elsewhere.set_source(
            s, "sms", channel="sms", every_minutes=15, now=bank.now, by="test", assume_per_day=0, fail_closed=True
        )
    assert await may_call(bank, at=later) == (False, ["LATE-SMS"])
    async with bank.database.begin() as s:
        await elsewhere.set_source(s, "sms", channel="sms", every_minutes=15, now=bank.now, by="t", assume_per_day=0)
        versions = await s.scalar(select(func.max(ComplianceRule.version)).where(ComplianceRule.rule_id == "LATE-SMS"))
    assert versions == 3
    assert (await may_call(bank, at=later))[0]
    async with bank.database.begin() as s:
        assert (await recompute(s, 100)).differences == []


async def test_a_source_that_makes_no_sense_is_refused(bank: Bank) -> None:
    async with bank.database.begin() as s:
        for wrong in ({"channel": "pigeon"}, {"actor": "x"}, {"every_minutes": -1}):
            with pytest.raises(BadInput):
                await elsewhere.set_source(
                    s, "sms", **({"channel": "sms", "every_minutes": 1} | wrong), now=bank.now, by="t"  # type: ignore[arg-type]
                )  # fmt: skip
        with pytest.raises(NotFound):
            await elsewhere.find_source(s, "nobody")


# --- by file -------------------------------------------------------------------------------------------------------


async def test_fl09_a_file_is_taken_once_its_good_rows_count_and_bad_ones_are_told(bank: Bank) -> None:
    await bank.file({"n": 1})
    file = bank.folder / "sms.csv"
    moment = bank.now.strftime("%Y-%m-%dT%H:%M")
    file.write_text(
        "external_id;at;phone;contract_no;result\n"
        f"f1;{moment};0671000001;;delivered\n"
        f"f2;{moment};;C1;delivered\n"
        f";{moment};0671000001;;delivered\n"
        "f4;yesterday;0671000001;;delivered\n"
        f"f5;{moment};3,80671E+11;;delivered\n"
        f"f6;{moment};;;delivered\n"
        f"f7;{moment};0671000001;;arrived\n"
        f"f8;2031-01-01T10:00;0671000001;;sent\n",
        encoding="utf-8",
    )
    before = bank.now - timedelta(hours=1)
    async with bank.database.begin() as s:
        (await s.get_one(ContactSource, "sms")).covered_to = before

    async def take(path: Path) -> elsewhere.Done:
        async with bank.database.begin() as s:
            return await elsewhere.import_file(s, path, "SMS", now=bank.now, zone=KYIV, country="UA", by="test")

    done = await take(file)
    assert (done.new, done.refused) == (2, 6)
    assert [(p.line, p.column) for p in done.problems] == [
        (4, "external_id"), (5, "at"), (6, "phone"), (7, "phone"), (8, "result"), (9, "at"),
    ]  # fmt: skip
    async with bank.database.begin() as s:
        assert (await s.get_one(ContactSource, "sms")).covered_to == before  # a broken file is no report
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["external_id", "at", "phone", "result"])
    sheet.append(["f1", bank.now.replace(tzinfo=None), 380671000001, "delivered"])
    book.save(bank.folder / "sms.xlsx")
    done = await take(bank.folder / "sms.xlsx")
    assert (done.new, done.changed, done.refused, done.already) == (0, 0, 0, False)
    assert (await take(bank.folder / "sms.xlsx")).already
    async with bank.database.begin() as s:
        assert (await s.get_one(ContactSource, "sms")).covered_to == bank.now
    file.write_text("id;at\n1;2\n", encoding="utf-8")
    with pytest.raises(BadFile, match="no list of contacts"):
        await take(file)
    assert not (await may_call(bank))[0]
