"""Importing a portfolio: all or nothing, every problem named, the same file twice is a file once (FL-05)."""

import time
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import func, select

from backoffice_core.borrowers.models import ContactPoint, Person, PersonFlag
from backoffice_core.clock import Clock
from backoffice_core.db import Database
from backoffice_core.loans.models import Import, Loan
from backoffice_core.loans.portfolio import Imported, import_file
from backoffice_core.loans.portfolio_file import BadFile, Problem, read
from far_end import portfolio as far_end
from far_end.carrier import plan_for

HEADER = (
    "person_ref;last_name;first_name;jurisdiction;region;place;phones;contract_no;currency;balance;overdue_principal;"
    "days_past_due;as_at;flags"
)
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, clock: Clock) -> Make:
    """A file of these rows, each given as the columns that differ from a good one."""
    as_at = (clock.now() - timedelta(hours=4)).isoformat()

    def write(*rows: dict[str, str], name: str = "portfolio.csv", header: str = HEADER) -> Path:
        lines = [header]
        for n, row in enumerate(rows, 1):
            good = {
                "person_ref": f"P{n}", "last_name": "Коваль", "first_name": "Олена", "jurisdiction": "UA",
                "region": "Львівська", "place": "Львів", "phones": f"067 123 45 {n:02d}", "contract_no": f"C{n}",
                "currency": "UAH", "balance": "10000.00", "overdue_principal": "900,50", "days_past_due": "12",
                "as_at": as_at, "flags": "",
            }  # fmt: skip
            lines.append(";".join((good | row)[column] for column in header.split(";")))
        file = tmp_path / name
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    return write


async def run(database: Database, clock: Clock, file: Path, **options: bool) -> Imported:
    async with database.begin() as session:
        return await import_file(session, file, at=clock.now(), zone=clock.zone, by="test", **options)


def problems_of(file: Path, clock: Clock) -> list[Problem]:
    with pytest.raises(BadFile) as refused:
        read(file, zone=clock.zone, today=clock.today())
    assert refused.value.remedy
    return refused.value.problems


async def test_an_invented_borrower_stays_one_whoever_loads_him_again(
    database: Database, clock: Clock, make: Make
) -> None:
    """Only the mark keeps a demo borrower off a real trunk: a file loaded without it does not take it away."""
    await run(database, clock, make({}), demo=True)
    done = await run(database, clock, make({"last_name": "Ковальчук"}))
    assert done.counts["persons_changed"] == 1
    async with database.begin() as session:
        assert (await session.scalars(select(Person.demo))).all() == [True]
        assert (await session.scalars(select(Loan.demo))).all() == [True]


async def test_rows_become_persons_numbers_loans_and_flags(database: Database, clock: Clock, make: Make) -> None:
    day = clock.today()
    file = make(
        {"phones": "067 123-45-67:self|(044) 490-12-34 робочий", "flags": f"inpatient:{day}:{day}:довідка 7"},
        {"person_ref": "P1", "contract_no": "C1b", "phones": "", "balance": "1 500"},
        {"jurisdiction": "RU", "region": "", "place": "десь", "phones": "+7 495 123-45-67"},
    )
    done = await run(database, clock, file, demo=True)
    assert done.counts["persons_new"] == 2
    assert done.counts["loans_new"] == 3
    async with database.begin() as session:
        person = (await session.scalars(select(Person).where(Person.external_ref == "P1"))).one()
        assert (person.time_zone, person.demo) == ("Europe/Kyiv", True)
        points = (await session.scalars(select(ContactPoint).where(ContactPoint.person_id == person.id))).all()
        assert {(p.value, p.owner_kind, p.number_type, p.rank) for p in points} == {
            ("+380671234567", "self", "mobile", 0), ("+380444901234", "work", "fixed", 1),
        }  # fmt: skip
        assert {p.original for p in points} == {"067 123-45-67:self", "(044) 490-12-34 робочий"}
        loans = (
            await session.scalars(select(Loan).where(Loan.person_id == person.id).order_by(Loan.contract_no))
        ).all()
        assert [(x.contract_no, x.balance, x.overdue, x.demo) for x in loans] == [
            ("C1", Decimal("10000.00"), Decimal("900.50"), True), ("C1b", Decimal("1500.00"), Decimal("900.50"), True),
        ]  # fmt: skip
        flag = (await session.scalars(select(PersonFlag))).one()
        assert (flag.flag, flag.valid_to, flag.evidence, flag.source) == ("inpatient", day, "довідка 7", "import")
        unknown = (await session.scalars(select(Person).where(Person.external_ref == "P3"))).one()
        assert unknown.time_zone == ""


async def test_same_file_twice_is_a_file_once_and_a_changed_one_updates(
    database: Database, clock: Clock, make: Make
) -> None:
    file = make({}, {})
    assert not (await run(database, clock, file)).already
    again = await run(database, clock, file)
    assert again.already
    changed = await run(database, clock, make({"balance": "9000"}, {"phones": "067 123 45 99"}, name="tomorrow.csv"))
    assert changed.counts["loans_changed"] == 1
    assert (changed.counts["persons_new"], changed.counts["loans_new"], changed.counts["phones_new"]) == (0, 0, 1)
    async with database.begin() as session:
        assert await session.scalar(select(Loan.balance).where(Loan.contract_no == "C1")) == Decimal(9000)
        assert await session.scalar(select(func.count()).select_from(Import)) == 2


async def test_one_bad_row_keeps_all_rows_out(database: Database, clock: Clock, make: Make) -> None:
    with pytest.raises(BadFile, match="nothing was imported"):
        await run(database, clock, make({}, {"balance": "much"}, {}))
    async with database.begin() as session:
        for table in (Person, Loan, ContactPoint, Import):
            assert await session.scalar(select(func.count()).select_from(table)) == 0


def test_all_problems_are_told_at_once_by_line_column_and_reason(clock: Clock, make: Make) -> None:
    found = problems_of(
        make(
            {"phones": "0671234567|+38000111"},
            {"balance": "12.345", "days_past_due": "-3", "currency": "UHA"},
            {"as_at": "yesterday", "jurisdiction": "Україна"},
            {"contract_no": "C1"},
            {"person_ref": "P1", "last_name": "Інша"},
            {"contract_no": "", "flags": "sleepy"},
        ),
        clock,
    )
    told = {(p.line, p.column) for p in found}
    assert told >= {
        (2, "phones"), (3, "balance"), (3, "days_past_due"), (3, "currency"), (4, "as_at"), (4, "jurisdiction"),
        (5, "contract_no"), (6, "last_name"), (7, "contract_no"), (7, "flags"),
    }  # fmt: skip
    assert "line 2" in next(p.reason for p in found if p.line == 5)
    assert all(p.reason for p in found)


def test_line_is_counted_right_behind_a_cell_of_two_lines(clock: Clock, make: Make) -> None:
    assert [p.line for p in problems_of(make({"place": '"Львів\nЦентр"'}, {"balance": "x"}), clock)] == [4]


def test_missing_and_misspelt_columns_are_named(clock: Clock, make: Make) -> None:
    found = problems_of(make(header=HEADER.replace("balance", "balanse")), clock)
    assert {(p.column, p.reason) for p in found} == {
        ("balance", "this column is missing"), ("balanse", "unknown column; did you mean balance?"),
    }  # fmt: skip


def test_row_of_another_width_is_named(clock: Clock, make: Make) -> None:
    found = problems_of(make({"place": "Львів;Центр"}), clock)
    assert (found[0].line, found[0].reason) == (2, "15 cells, the header has 14")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        ((HEADER + "\n").encode(), "no rows"),
        ((HEADER + "\nP1;Коваль\n").encode("cp1251"), "not UTF-8 .first in line 2"),
        ((HEADER + "\nP1;Коваль\n").encode("utf-16"), "UTF-16"),
    ],
)
def test_file_that_is_no_portfolio_is_refused_with_the_remedy(
    tmp_path: Path, clock: Clock, content: bytes, words: str
) -> None:
    file = tmp_path / "file.csv"
    file.write_bytes(content)
    with pytest.raises(BadFile, match=words) as refused:
        read(file, zone=clock.zone, today=clock.today())
    assert refused.value.remedy


def test_absent_file_is_refused(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(BadFile, match="cannot be read"):
        read(tmp_path / "none.csv", zone=clock.zone, today=clock.today())


def test_byte_order_mark_and_commas_are_read(clock: Clock, make: Make) -> None:
    file = make({"overdue_principal": "900.50"})
    file.write_text("\ufeff" + file.read_text().replace(";", ","), encoding="utf-8")
    assert len(read(file, zone=clock.zone, today=clock.today()).loans) == 1


async def test_what_only_the_database_knows_is_told_by_line_too(database: Database, clock: Clock, make: Make) -> None:
    await run(database, clock, make({}, {}))
    earlier = (clock.now() - timedelta(days=2)).isoformat()
    ahead = (clock.now() + timedelta(days=2)).isoformat()
    file = make({"person_ref": "P9"}, {"as_at": earlier}, {"as_at": ahead}, name="other.csv")
    with pytest.raises(BadFile) as refused:
        await run(database, clock, file)
    assert [(p.line, p.column) for p in refused.value.problems] == [(2, "contract_no"), (3, "as_at"), (4, "as_at")]


async def test_flag_and_number_stay_when_a_later_file_does_not_name_them(
    database: Database, clock: Clock, make: Make
) -> None:
    await run(database, clock, make({"flags": "protected_military:2026-01-01::", "phones": "0671234567"}))
    await run(database, clock, make({"flags": "", "phones": ""}, name="later.csv"))
    async with database.begin() as session:
        assert await session.scalar(select(func.count()).select_from(PersonFlag)) == 1
        assert await session.scalar(select(func.count()).select_from(ContactPoint)) == 1


async def test_generated_portfolio_is_imported_whole_and_fast(database: Database, clock: Clock, tmp_path: Path) -> None:
    """100 000 rows in under a minute is the goal; here a tenth of it, with room for a busy machine."""
    file = tmp_path / "generated.csv"
    far_end.write(far_end.Wish(loans=10_000, seed=5, as_at=clock.now() - timedelta(hours=4)), file)
    begun = time.monotonic()
    done = await run(database, clock, file, demo=True)
    assert done.rows == 10_000
    assert time.monotonic() - begun < 30


def test_generated_portfolio_is_the_same_for_the_same_seed_and_plausible(clock: Clock, tmp_path: Path) -> None:
    wish = far_end.Wish(loans=4_000, seed=5, as_at=clock.now() - timedelta(hours=4))
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    far_end.write(wish, first)
    far_end.write(wish, second)
    assert first.read_bytes() == second.read_bytes()
    portfolio = read(first, zone=clock.zone, today=clock.today())
    persons, loans = list(portfolio.persons.values()), list(portfolio.loans.values())
    assert 1.2 < len(loans) / len(persons) < 2.0
    numbers = [value for person in persons for value in person.phones]
    talks = [n for n in numbers if (plan := plan_for(n)).person and plan.code is None]
    assert 0.40 < len(talks) / len(numbers) < 0.50
    assert 0.03 < sum(plan_for(n).code in {404, 410, 484} for n in numbers) / len(numbers) < 0.08
    assert len(set(numbers)) < len(numbers)  # some share a telephone
    assert any(not p.phones for p in persons)
    assert {flag for p in persons for flag, _ in p.flags} == {"protected_military", "inpatient"}
    assert {p.fields["language"] for p in persons} == {"uk", "ru"}
    assert any(x["days_past_due"] == 0 for x in loans)
    assert {p.fields["time_zone"] for p in persons} == {"Europe/Kyiv"}
