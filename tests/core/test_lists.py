"""Lists from the bank can be wrong (FL-07): files of many makes, figures that move, contracts left out, no list at all."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from sqlalchemy import select

from backoffice_core.borrowers import service as borrowers
from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.clock import Clock
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.loans import sources
from backoffice_core.loans.control import ImportQuestion, oldest_expected
from backoffice_core.loans.layout import parse_map
from backoffice_core.loans.models import Import, Loan
from backoffice_core.loans.portfolio import Imported, import_portfolio
from backoffice_core.loans.portfolio_file import OPTIONAL, REQUIRED, BadFile, read
from backoffice_core.loans.sources import Source
from backoffice_core.loans.table_file import open_table
from tests.core.bank import KYIV, Bank

HEADER = (
    "ПІБ;Код клієнта;Телефон;Тел. роб.;Номер договору;Заборгованість;Прострочена заборгованість;Дні прострочення;"
    "Станом на;Коментар"
)
MAP = parse_map(["Тел. роб.=phones:work", "Коментар=-"], REQUIRED + OPTIONAL)
CONSTANTS = {"jurisdiction": "UA", "currency": "UAH"}
ABS = Source("abs", MAP, CONSTANTS, {"": "044"})
MONDAY = date(2027, 2, 1)


@pytest.fixture
async def bank(database: Database, settings: Settings, tmp_path: Path) -> Bank:
    one = Bank(database, settings, tmp_path)
    await one.open()
    return one


def rows(bank: Bank, *numbers: int, **fields: str) -> list[str]:
    """Lines of the core banking system's list, one for each number."""
    out, as_at = [], f"{bank.now - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    for n in numbers:
        good = {
            "name": "Коваль Олена Петрівна", "ref": f"P{n}", "phone": f"067 {1_000_000 + n:07d}", "work": "",
            "contract": f"C{n}", "balance": "10 000,00", "overdue": "1 000,00", "days": "10", "as_at": as_at,
            "note": "не читати",
        }  # fmt: skip
        out.append(";".join((good | fields).values()))
    return out


def write(bank: Bank, lines: list[str], *, encoding: str = "utf-8", trailer: str = "", header: str = HEADER) -> Path:
    bank.files += 1
    file = bank.folder / f"list{bank.files}.csv"
    file.write_bytes("\n".join([header, *lines, *([trailer] if trailer else [])]).encode(encoding) + b"\n")
    return file


async def take(bank: Bank, file: Path, source: Source = ABS, **options: Any) -> Imported:
    """As the command does it: read with the source's layout, controlled, remembered."""
    today = bank.now.astimezone(KYIV).date()
    portfolio = read(file, zone=KYIV, today=today, layout=source.layout)
    async with bank.database.begin() as session:
        done = await import_portfolio(session, portfolio, at=bank.now, demo=True, source=source, today=today, **options)
        await sources.save(session, source, at=bank.now, by="test")
    return done


async def test_fl07_headers_are_mapped_and_a_full_name_is_parted(bank: Bank) -> None:
    done = await take(bank, write(bank, rows(bank, 1, work="490-12-34 вн. 12")))
    assert (done.counts["loans_new"], done.counts["phones_new"]) == (1, 2)
    async with bank.database.begin() as session:
        person = (await session.scalars(select(Person))).one()
        assert (person.last_name, person.first_name, person.middle_name) == ("Коваль", "Олена", "Петрівна")
        points = (await session.scalars(select(ContactPoint).order_by(ContactPoint.rank))).all()
        assert [(p.value, p.extension, p.owner_kind, p.owner_guessed) for p in points] == [
            ("+380671000001", "", "self", True), ("+380444901234", "12", "work", False),
        ]  # fmt: skip
        loan = (await session.scalars(select(Loan))).one()
        assert (loan.source, loan.balance, loan.overdue) == ("abs", Decimal(10000), Decimal(1000))
        assert await sources.load(session, "abs") == ABS


async def test_fl07_unknown_header_is_asked_for_once_and_then_remembered(bank: Bank, clock: Clock) -> None:
    file = write(bank, rows(bank, 1))
    with pytest.raises(BadFile) as refused:
        read(file, zone=KYIV, today=clock.today(), layout=Source("new", {}, CONSTANTS).layout)
    told = {p.column: p.reason for p in refused.value.problems}
    assert set(told) == {"Тел. роб.", "Коментар"}
    assert "--map “Коментар=-”" in told["Коментар"]
    with pytest.raises(BadInput, match="balance"):
        parse_map(["Сума=balans"], REQUIRED + OPTIONAL)


async def test_fl05_bad_cells_of_a_list_are_told_and_the_rest_is_imported(bank: Bank) -> None:
    done = await take(
        bank,
        write(bank, [*rows(bank, 1, phone="3,80671E+11"), *rows(bank, 2, phone="067 1000001, 050 123 45 67 мама")]),
    )
    assert (done.counts["loans_new"], done.counts["phones_new"], done.counts["phones_refused"]) == (2, 2, 1)
    assert "format the column as text" in done.warnings[0].reason
    assert done.warnings[0].line == 2


async def test_fl05_one_number_on_many_borrowers_is_flagged(bank: Bank) -> None:
    done = await take(bank, write(bank, rows(bank, 1, 2, 3, phone="067 123 45 67") + rows(bank, 4)))
    assert done.counts["phones_shared"] == 1
    async with bank.database.begin() as session:
        shared = await borrowers.shared_numbers(session)
        assert [(s.value, s.persons, s.refs) for s in shared] == [("+380671234567", 3, ["P1", "P2", "P3"])]
        assert await borrowers.shared_numbers(session, at_least=4) == []


# --- makes of files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251"])
async def test_fl07_encoding_is_found_out(bank: Bank, encoding: str) -> None:
    file = write(bank, rows(bank, *range(1, 6)), encoding=encoding)
    assert open_table(file).encoding == encoding.removesuffix("-sig")
    await take(bank, file)
    async with bank.database.begin() as session:
        assert (await session.scalars(select(Person.last_name).distinct())).all() == ["Коваль"]


@pytest.mark.parametrize("encoding", ["koi8-u", "cp866", "mac-cyrillic", "iso8859-5"])
async def test_fl07_other_code_page_is_refused_not_guessed(bank: Bank, encoding: str) -> None:
    header = "фамилия;имя;город"
    lines = ["Кузнецова;Марина;Екатеринбург", "Соколов;Андрей;Нижний Новгород"] * 20
    assert open_table(write(bank, lines, header=header, encoding="cp1251")).encoding == "cp1251"
    with pytest.raises(BadFile, match="not UTF-8"):
        open_table(write(bank, lines, header=header, encoding=encoding))


async def test_fl07_few_letters_are_no_evidence_of_an_encoding_unless_named(bank: Bank) -> None:
    file = write(bank, ["P1;Коваль"], header="person_ref;last_name", encoding="cp1251")
    with pytest.raises(BadFile, match="not UTF-8"):
        open_table(file)
    assert next(open_table(file, encoding="cp1251").rows()) == (2, ["P1", "Коваль"])


async def test_fl07_xlsx_is_read_with_excel_s_numbers_and_dates(bank: Bank) -> None:
    book = Workbook()
    sheet = book.active
    sheet.append(HEADER.split(";"))
    as_at = (bank.now - timedelta(hours=1)).replace(tzinfo=None, microsecond=0)
    sheet.append(["Коваль Олена", "P1", 380671234567, None, "C1", 1234.5, 100, 10, as_at, "x"])
    sheet.append([None] * 10)
    sheet.append(["Мороз Іван", 2, "'050 123 45 67", None, 17, 1000, 0, 0, as_at, None])
    file = bank.folder / "list.xlsx"
    book.save(file)
    done = await take(bank, file)
    assert done.rows == 2
    async with bank.database.begin() as session:
        loans = {x.contract_no: x.balance for x in await session.scalars(select(Loan))}
        assert loans == {"C1": Decimal("1234.50"), "17": Decimal(1000)}
        assert set(await session.scalars(select(ContactPoint.value))) == {"+380671234567", "+380501234567"}


async def test_fl07_book_with_two_sheets_asks_which(bank: Bank) -> None:
    book = Workbook()
    book.active.append(["a"])
    book.create_sheet("Борги").append(["b", "c"])
    file = bank.folder / "two.xlsx"
    book.save(file)
    with pytest.raises(BadFile, match="2 sheets: Sheet, Борги"):
        open_table(file)
    assert open_table(file, sheet="Борги").header == ["b", "c"]
    (bank.folder / "broken.xlsx").write_bytes(b"PK\x03\x04 no book")
    with pytest.raises(BadFile, match="not an XLSX"):
        open_table(bank.folder / "broken.xlsx")


# --- control -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trailer",
    [
        "TRAILER;rows=3;overdue=3000.00;overdue_count=3",
        "РАЗОМ: 3;;;;;30 000,00;3 000,00;;;",
        "Итого;строк=3;дата=03.02.2027",
    ],
)
async def test_fl07_trailer_that_agrees_is_accepted(bank: Bank, trailer: str) -> None:
    assert (await take(bank, write(bank, rows(bank, 1, 2, 3), trailer=trailer))).rows == 3


@pytest.mark.parametrize(
    ("trailer", "words"),
    [
        ("TRAILER;rows=4", "says 4, the rows make 3"),
        ("РАЗОМ;;;;;30 000,00;3 000,01;;;", "says 3000.01, the rows make 3000.00"),
        ("TRAILER;overdue_count=2", "says 2"),
        ("TRAILER", "nothing that can be checked"),
        ("TRAILER;rows=many", "not a number of rows"),
    ],
)
async def test_fl07_trailer_that_contradicts_the_rows_refuses_the_list(bank: Bank, trailer: str, words: str) -> None:
    with pytest.raises(BadFile) as refused:
        await take(bank, write(bank, rows(bank, 1, 2, 3), trailer=trailer))
    assert words in str(refused.value.problems[0])
    assert refused.value.problems[0].line == 5


async def test_fl07_list_that_lost_its_trailer_is_cut_off(bank: Bank) -> None:
    source = Source("abs", MAP, CONSTANTS, trailer=True)
    with pytest.raises(BadFile) as refused:
        await take(bank, write(bank, rows(bank, 1)), source)
    assert "cut off" in refused.value.problems[0].reason


async def test_fl07_moved_figures_stop_the_list_with_a_question_until_confirmed(bank: Bank) -> None:
    await take(bank, write(bank, rows(bank, *range(1, 11))))
    bank.at(date(2027, 2, 4), 7)
    small = write(bank, rows(bank, *range(1, 8), overdue="2 000,00"))  # rows −30 %, sum +40 %
    with pytest.raises(ImportQuestion) as asked:
        await take(bank, small)
    assert {(d.code, d.before, d.now) for d in asked.value.doubts} == {
        ("ROWS", "10", "7"), ("OVERDUE_COUNT", "10", "7"), ("OVERDUE_SUM", "10000.00", "14000.00"),
    }  # fmt: skip
    assert "10 in the last one accepted, 7 now" in asked.value.message
    assert asked.value.confirm in asked.value.remedy
    async with bank.database.begin() as session:
        assert len((await session.scalars(select(Import))).all()) == 1
    other = write(bank, rows(bank, *range(1, 7)))
    with pytest.raises(ImportQuestion):
        await take(bank, other, confirm=asked.value.confirm)  # the code of another file
    await take(bank, small, confirm=asked.value.confirm.lower())
    async with bank.database.begin() as session:
        last = await sources.last_accepted(session, "abs")
        assert last is not None
        assert last.figures["rows"] == 7
        assert len(last.figures["confirmed"]) == 3


async def test_fl07_moves_within_the_share_and_delta_lists_ask_nothing(bank: Bank) -> None:
    await take(bank, write(bank, rows(bank, *range(1, 11))))
    await take(bank, write(bank, rows(bank, *range(1, 9))))  # exactly −20 %
    delta = Source("abs", MAP, CONSTANTS, mode="delta")
    done = await take(bank, write(bank, rows(bank, 1, overdue="5,00")), delta)
    assert "loans_missing" not in done.counts or done.counts["loans_missing"] == 0


async def test_fl07_list_of_another_day_is_a_question(bank: Bank) -> None:
    yesterday = rows(bank, 1, as_at=f"{bank.now - timedelta(days=1):%Y-%m-%dT%H:%M}")
    with pytest.raises(ImportQuestion, match="the list is of 2027-02-02, expected was 2027-02-03"):
        await take(bank, write(bank, yesterday))
    done = await take(bank, write(bank, yesterday), Source("abs", MAP, CONSTANTS, lag_days=1))
    assert done.rows == 1


def test_fl07_monday_s_list_may_be_friday_s_where_lists_are_a_day_old() -> None:
    assert oldest_expected(MONDAY, 1) == MONDAY - timedelta(days=3)
    assert oldest_expected(MONDAY, 0) == MONDAY
    assert oldest_expected(MONDAY + timedelta(days=1), 1) == MONDAY


# --- what a list leaves out, and no list at all --------------------------------------------------------------------


async def test_fl07_contract_missing_from_a_full_list_is_not_called_until_explained(bank: Bank) -> None:
    await take(bank, write(bank, rows(bank, *range(1, 11))))
    await bank.night()
    assert len(await bank.tasks()) == 10
    done = await take(bank, write(bank, rows(bank, *range(1, 10))))
    assert done.counts["loans_missing"] == 1
    await bank.night()
    assert len(await bank.tasks()) == 9
    assert await bank.reason(10) == ("ON_HOLD", None, "NOT_IN_FILE")
    async with bank.database.begin() as session:
        assert [m.contract_no for m in await sources.missing(session)] == ["C10"]
        with pytest.raises(BadInput):
            await sources.explain(session, "C10", " ")
        await sources.explain(session, "C10", "продано частину портфеля помилково")
    await bank.night(again=True)
    assert len(await bank.tasks()) == 10


async def test_fl07_contract_that_comes_back_is_called_again_and_a_delta_list_misses_nothing(bank: Bank) -> None:
    await take(bank, write(bank, rows(bank, *range(1, 11))))
    await take(bank, write(bank, rows(bank, *range(1, 10))))
    delta = Source("abs", MAP, CONSTANTS, mode="delta")
    await take(bank, write(bank, rows(bank, 10)), delta)
    async with bank.database.begin() as session:
        assert await sources.missing(session) == []


async def test_fl07_without_today_s_list_yesterday_s_is_not_dialed(bank: Bank) -> None:
    daily = Source("abs", MAP, CONSTANTS, due_by="08:30")
    await take(bank, write(bank, rows(bank, 1, 2)), daily)
    await bank.file({"n": 3})  # of no source: not waited for
    await bank.night()
    assert len(await bank.tasks()) == 3
    bank.at(date(2027, 2, 4), 7)
    report = await bank.night()
    assert report.counts("build_queue")["NO_FILE"] == 2
    assert await bank.reason(1) == ("ON_HOLD", None, "NO_FILE")
    assert len(await bank.tasks()) == 1
    assert await state(bank) == "WAITING"
    bank.at(date(2027, 2, 4), 9)
    assert await state(bank) == "LATE"
    await take(bank, write(bank, rows(bank, 1, 2)), daily)
    assert await state(bank) == "FRESH"
    await bank.night()
    assert len(await bank.tasks()) == 3


async def test_fl07_no_list_is_missed_on_a_day_off(bank: Bank) -> None:
    """Friday's list serves Saturday and Sunday, and the days of a holiday; on the next working day it is yesterday's."""
    daily = Source("abs", MAP, CONSTANTS, due_by="08:30")
    friday = date(2027, 2, 5)
    bank.at(friday, 7)
    await take(bank, write(bank, rows(bank, 1, 2)), daily)
    for ahead, held, stands in ((1, 0, "FRESH"), (2, 0, "FRESH"), (3, 2, "LATE")):
        bank.at(friday + timedelta(days=ahead), 9)
        report = await bank.night()
        assert (report.counts("build_queue").get("NO_FILE", 0), await state(bank)) == (held, stands)
    assert oldest_expected(MONDAY, 1, {MONDAY - timedelta(days=3)}) == MONDAY - timedelta(days=4)


async def state(bank: Bank) -> str:
    async with bank.database.begin() as session:
        day = await compliance.last_working_day(session, bank.settings.jurisdiction, bank.now.date())
        return (await sources.states(session, bank.now, day))[0].state


@pytest.mark.parametrize(
    "wrong", [{"name": "a b"}, {"mode": "half"}, {"due_by": "25:00"}, {"lag_days": -1}, {"max_move": Decimal(0)}]
)
def test_fl07_wrong_settings_of_a_source_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        Source(**({"name": "abs"} | wrong))


def test_rows_are_named_by_their_columns(bank_file: Callable[[], Path], clock: Clock) -> None:
    portfolio = read(bank_file(), zone=KYIV, today=clock.today())
    loan = next(iter(portfolio.loans.values()))
    assert (loan["contract_no"], loan["line"], loan.overdue) == ("C1", 2, Decimal(0))


@pytest.fixture
def bank_file(tmp_path: Path) -> Callable[[], Path]:
    def make() -> Path:
        file = tmp_path / "one.csv"
        file.write_text(
            ",".join(REQUIRED) + "\nP1,Коваль,Олена,UA,0671234567,C1,UAH,1,0,2026-01-01\n", encoding="utf-8"
        )
        return file

    return make
