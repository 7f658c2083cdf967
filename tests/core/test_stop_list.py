"""The bank's stop-list (FL-08): by person, contract or number, for the queue and at the second of the call."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from backoffice_core.borrowers.models import ContactPoint
from backoffice_core.call_centre.calls import attempts
from backoffice_core.call_centre.calls.attempts import Passed, Placing
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.loans import stop_list
from backoffice_core.loans.models import StopEntry
from backoffice_core.loans.stop_list import Stop
from backoffice_core.loans.table_file import BadFile
from tests.core.bank import WEDNESDAY, Bank


@pytest.fixture
async def bank(database: Database, settings: Settings, tmp_path: Path) -> Bank:
    one = Bank(database, settings, tmp_path)
    await one.open()
    return one


async def stop(bank: Bank, *stops: Stop, source: str = "") -> tuple[int, int]:
    async with bank.database.begin() as session:
        return await stop_list.add(session, stops, at=bank.now, by="test", source=source)


def entry(kind: str, value: str, reason: str = "PAID", until: date | None = None) -> Stop:
    return Stop(kind, value, reason, WEDNESDAY, until)


async def test_fl08_stopped_persons_contracts_and_numbers_are_not_in_the_queue(bank: Bank) -> None:
    await bank.file({"n": 1}, {"n": 2}, {"n": 3}, {"n": 4, "phones": "+380671000004|+380501112233"}, {"n": 5})
    await stop(
        bank, entry("person", "P1", "DECEASED"), entry("contract", "C2", until=WEDNESDAY), entry("phone", "+380671000003"),
        entry("phone", "+380671000004"),
    )  # fmt: skip
    await bank.night()
    assert await bank.reason(1) == ("STOP_LIST", None, "DECEASED")
    assert await bank.reason(2) == ("STOP_LIST", "04 00:00", "PAID")
    assert await bank.reason(3) == ("STOP_LIST", None, "phone")
    tasks = {t.person_id: t.contact_point_id for t in await bank.tasks()}
    assert len(tasks) == 2  # the fourth by his other number, the fifth as ever
    async with bank.database.begin() as session:
        points = await session.execute(select(ContactPoint).where(ContactPoint.id.in_(tasks.values())))
        assert {p.value for p in points.scalars()} == {"+380501112233", "+380671000005"}


@pytest.mark.parametrize(("kind", "value"), [("person", "P1"), ("contract", "C1"), ("phone", "+380671000001")])
async def test_fl08_stop_after_the_queue_was_built_holds_at_the_claim(bank: Bank, kind: str, value: str) -> None:
    await bank.file({"n": 1}, {"n": 2})
    await bank.night()
    bank.at(WEDNESDAY, 11)
    await stop(bank, entry(kind, value))
    assert await claim(bank) == "STOP_LIST"
    assert await claim(bank) == ""  # the next borrower is dialed


async def claim(bank: Bank) -> str:
    """The reason of a refused claim; "" when it was placed."""
    async with bank.database.begin() as session:
        done = await attempts.claim(
            session, bank.settings, trunk=bank.settings.trunks[0], now=bank.now, today=WEDNESDAY, wall=bank.clock.wall()
        )
    assert isinstance(done, Passed | Placing)
    return done.reason if isinstance(done, Passed) else ""


async def test_fl08_stop_that_is_over_lifted_or_to_come_stops_nobody(bank: Bank) -> None:
    await bank.file({"n": 1})
    day = timedelta(days=1)
    await stop(bank, Stop("person", "P1", "COMPLAINT", WEDNESDAY - 9 * day, WEDNESDAY - day))
    await stop(bank, Stop("contract", "C1", "PAID", WEDNESDAY + day))
    await stop(bank, entry("phone", "+380671000001"))
    async with bank.database.begin() as session:
        assert await stop_list.lift(session, "phone", "+380671000001") == 1
        assert await stop_list.lift(session, "phone", "+380671000001") == 0
        person = (await bank.case(1)).person_id if await bank.tasks() else None
        assert person is None
    await bank.night()
    assert len(await bank.tasks()) == 1


async def test_fl08_known_entry_is_changed_not_doubled(bank: Bank) -> None:
    assert await stop(bank, entry("person", "P1"), entry("person", "P1", "COMPLAINT")) == (1, 0)
    assert await stop(bank, entry("person", "P1", "COMPLAINT")) == (0, 0)
    assert await stop(bank, entry("person", "P1", "COURT")) == (0, 1)
    async with bank.database.begin() as session:
        assert [row.reason for row in await session.scalars(select(StopEntry))] == ["COURT"]


async def test_fl08_file_s_good_rows_count_and_bad_ones_are_told(bank: Bank) -> None:
    file = bank.folder / "stop.csv"
    file.write_text(
        "person_ref;contract_no;phone;reason;since;until\n"
        "P1;;;DECEASED;;\n"
        ";C2;067 123 45 67;PAID;2027-02-01;2027-03-01\n"
        ";;3,80671E+11;PAID;;\n"
        ";;;PAID;;\n"
        "P5;;;;;\n"
        "P6;;;PAID;2027-02-05;2027-02-01\n",
        encoding="utf-8",
    )
    read = stop_list.read_stops(file, today=WEDNESDAY, country="UA")
    assert [(s.kind, s.value, s.since, s.until) for s in read.stops] == [
        ("person", "P1", WEDNESDAY, None), ("contract", "C2", date(2027, 2, 1), date(2027, 3, 1)),
        ("phone", "+380671234567", date(2027, 2, 1), date(2027, 3, 1)),
    ]  # fmt: skip
    assert [p.line for p in read.problems] == [4, 5, 6, 7]
    async with bank.database.begin() as session:
        assert (await stop_list.import_stops(session, read, at=bank.now, by="test")).new == 3
    file.write_text("person_ref;reason\nP1;DECEASED\n", encoding="utf-8")
    again = stop_list.read_stops(file, today=WEDNESDAY, country="UA")
    for already in (False, True):
        async with bank.database.begin() as session:
            assert (await stop_list.import_stops(session, again, at=bank.now, by="test")).already is already


def test_fl08_header_and_entry_without_sense_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "stop.csv"
    file.write_text("person;reason\nP1;PAID\n", encoding="utf-8")
    with pytest.raises(BadFile, match="unknown column person"):
        stop_list.read_stops(file, today=WEDNESDAY, country="UA")
    with pytest.raises(BadInput):
        Stop("house", "1", "PAID", WEDNESDAY)
