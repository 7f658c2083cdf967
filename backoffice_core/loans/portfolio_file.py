"""The bank's portfolio file, read and checked without a database: every problem with its line, column and reason.

CSV in UTF-8 (a byte order mark is welcome) or Windows-1251, columns parted by `;`, `,` or tabs as the header shows, or
a sheet of an XLSX; one row for a loan.
A person with two loans stands in two rows with the same `person_ref` and the same personal columns.

column             meaning
person_ref *       the bank's key of the person
last_name *  first_name *  middle_name
birth_date         2001-12-31 or 31.12.2001, as all dates
tax_id  code_word  asked to confirm the identity
language           uk (default), ru, en …
jurisdiction *     country of residence, two letters (UA); its law says when a call is allowed
region  place      of residence
time_zone          IANA name; when left out it is derived from region and place, and if that is unsure nobody calls
phones *           several parted by `|`, each with an owner if known: +380501234567:self|0441234567:work
contract_no *      the key of the loan, once in a file
product  branch  opened
portfolio          under which name the night reports it (default main)
currency *         ISO 4217
balance *          all that is owed; overdue_principal, overdue_interest, overdue_penalty, overdue_fee: what is late (0)
days_past_due *    whole number, 0 = not late
next_due  next_amount
as_at *            when the bank's core said so: 2026-11-18T06:00+02:00; without a zone it is the bank's time
flags              several parted by `|`: flag:from:to:evidence, as in inpatient:2026-11-01:2026-12-01:certificate 17

* must be there; `phones` may be empty in a row. A column that is not in this list is refused: it may be a misspelt one.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from babel.core import get_global

from backoffice_core.borrowers.phones import Phone, read_cell
from backoffice_core.borrowers.rules import time_zone_of
from backoffice_core.loans.cells import (
    FlagRow,
    read_country,
    read_date,
    read_days,
    read_flag,
    read_language,
    read_moment,
    read_money,
    short,
)  # fmt: skip
from backoffice_core.loans.layout import FULL_NAME, IGNORED, Layout, Trailer, is_trailer, read_trailer, targets
from backoffice_core.loans.rules import refuse_more_overdue
from backoffice_core.loans.table_file import KEPT_PROBLEMS, BadFile, Problem, Problems, Progress, open_table

__all__ = [
    "KEPT_PROBLEMS", "OPTIONAL", "PERSONAL", "REQUIRED", "BadFile", "FlagRow", "LoanRow", "PersonRow", "Portfolio", "Problem",
    "Problems", "Rows", "read", "read_date", "read_moment", "read_money",
]  # fmt: skip

REQUIRED = (
    "person_ref", "last_name", "first_name", "jurisdiction", "phones", "contract_no", "currency", "balance",
    "days_past_due", "as_at",
)  # fmt: skip
OPTIONAL = (
    "middle_name", "birth_date", "tax_id", "code_word", "language", "region", "place", "time_zone", "product", "branch",
    "opened", "overdue_principal", "overdue_interest", "overdue_penalty", "overdue_fee", "next_due", "next_amount", "portfolio",
    "flags",
)  # fmt: skip
PERSONAL = (
    "last_name", "first_name", "middle_name", "birth_date", "tax_id", "code_word", "language", "jurisdiction", "region",
    "place", "time_zone",
)  # fmt: skip
NO_FLAGS: Mapping[tuple[str, date], FlagRow] = MappingProxyType({})


class _Row:
    """Values under the class's names. A list has a hundred thousand of these, so that each is one tuple."""

    NAMES: ClassVar[tuple[str, ...]] = ()
    __slots__ = ("values",)

    def __init__(self, values: tuple[Any, ...]) -> None:
        self.values = values

    def __getitem__(self, name: str) -> Any:
        return self.values[self.NAMES.index(name)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.NAMES)


class LoanRow(_Row):
    """A loan's columns, with `person_ref` and `line` beside them."""

    NAMES = ("line", "person_ref", "contract_no", "product", "branch", "currency", "opened", "balance", "overdue_principal",
             "overdue_interest", "overdue_penalty", "overdue_fee", "days_past_due", "next_due", "next_amount", "as_at",
             "portfolio")  # fmt: skip
    __slots__ = ()

    @property
    def overdue(self) -> Decimal:
        principal, interest, penalty, fee = self.values[8:12]
        return principal + interest + penalty + fee


@dataclass(slots=True)
class PersonRow:
    """`phones` by E.164, in the order of the file."""

    line: int
    values: tuple[Any, ...]  # of FIELDS
    phones: dict[str, Phone] = field(default_factory=dict)
    flags: Mapping[tuple[str, date], FlagRow] = field(default_factory=lambda: NO_FLAGS)

    FIELDS: ClassVar[tuple[str, ...]] = ("external_ref", *PERSONAL)

    @property
    def fields(self) -> dict[str, Any]:
        return dict(zip(self.FIELDS, self.values, strict=True))


@dataclass(slots=True)
class Portfolio:
    """A file without a problem. `warnings`: numbers that a source's list may hold and nobody can call."""

    name: str
    digest: str
    persons: dict[str, PersonRow]
    loans: dict[str, LoanRow]  # by contract
    newest: date  # of the youngest balance, in the bank's zone
    trailer: Trailer | None = None
    warnings: list[Problem] = field(default_factory=list)
    lost_numbers: int = 0


def read(
    file: Path,
    *,
    zone: ZoneInfo,
    today: date,
    progress: Progress = lambda done, total: None,
    layout: Layout | None = None,
) -> Portfolio:
    """Reads and checks the whole file. `zone` is the bank's; `progress(done, in all)` is called often.

    With a `layout` (a source's list) headers are mapped, a trailer line is read, and a cell without a usable number is a
    warning; without one it is a problem as any other. Raises BadFile with all problems at once.
    """
    table = open_table(
        file, encoding=layout.encoding if layout else "", sheet=layout.sheet if layout else "", progress=progress
    )
    columns = targets(table.header, layout, REQUIRED + OPTIONAL)
    problems = Problems()
    _check_header(table.header, columns, layout, problems)
    problems.refuse(file.name)
    check = Rows(zone, today, problems, layout)
    trailer: Trailer | None = None
    for line, cells in table.rows():
        if trailer is not None:
            problems.add(line, "", "stands behind the trailer line")
        elif layout is not None and is_trailer(cells):
            try:
                trailer = read_trailer(line, cells, columns)
            except ValueError as error:
                problems.add(line, "", str(error))
                trailer = Trailer(line)
        elif len(cells) != len(columns):
            problems.add(line, "", f"{len(cells)} cells, the header has {len(columns)}")
        else:
            check.row(line, _named(columns, cells, layout))
    if not check.loans and not problems.count:
        raise BadFile(f"{file.name} has a header and no rows.", remedy="Export the portfolio again.")
    if layout is not None and layout.trailer_needed and trailer is None:
        problems.add(0, "", "the trailer line is missing: earlier files had one, so this may be cut off")
    problems.refuse(file.name)
    lost, newest = check.lost, max(loan["as_at"] for loan in check.loans.values()).astimezone(zone).date()
    return Portfolio(file.name, table.digest, check.persons, check.loans, newest, trailer, lost.kept, lost.count)


def _named(columns: list[str], cells: list[str], layout: Layout | None) -> dict[str, str]:
    """Cells by column. Several columns of phones become one cell, a full name becomes its three parts."""
    if layout is None:
        return dict(zip(columns, cells, strict=True))
    out = dict(layout.constants)
    phones: list[str] = []
    for column, cell in zip(columns, cells, strict=True):
        name, _, owner = column.partition(":")
        if name == "phones":
            phones += [f"{part}:{owner}" if owner else part for part in cell.split("|") if part.strip()]
        elif name == FULL_NAME:
            last, first, middle = (*cell.split(maxsplit=2), "", "", "")[:3]
            out |= {"last_name": last, "first_name": first, "middle_name": middle}
        elif column != IGNORED and (cell or column not in out):
            out[column] = cell
    out["phones"] = "|".join(phones)
    return out


def _check_header(header: list[str], columns: list[str], layout: Layout | None, problems: Problems) -> None:
    known = REQUIRED + OPTIONAL
    there = {name.partition(":")[0] for name in columns} | set(layout.constants if layout else ())
    if FULL_NAME in there and layout is not None:
        there |= {"last_name", "first_name"}
    for name in REQUIRED:
        if name not in there:
            problems.add(1, name, "this column is missing" + (_how_to_map(name) if layout else ""))
    for written, name in dict(zip(header, columns, strict=True)).items():
        plain = name.partition(":")[0] if layout is not None else name
        if layout is not None and name in {IGNORED, FULL_NAME}:
            continue
        if plain not in known:
            near = difflib.get_close_matches(name, known, 1)
            mapped = (
                f"; say what it is with --map “{written}=COLUMN”, or leave it out with --map “{written}=-”"
                if layout
                else ""
            )
            problems.add(
                1, written if layout else name, "unknown column" + (f"; did you mean {near[0]}?" if near else mapped)
            )
        elif plain != "phones" and columns.count(name) > 1:
            problems.add(1, name, "this column stands twice")


def _how_to_map(name: str) -> str:
    return f"; name it with --map “HEADER={name}”" + (
        "" if name == "phones" else f", or for all rows with --set {name}=…"
    )


class Rows:
    """Folds rows into persons and loans; what is wrong goes to `problems` and the row on to its next column."""

    def __init__(self, zone: ZoneInfo, today: date, problems: Problems, layout: Layout | None = None) -> None:
        self.zone, self.today, self.problems = zone, today, problems
        self.area_codes = layout.area_codes if layout else {}
        self.lost = Problems() if layout else problems  # cells without a usable number
        self.persons: dict[str, PersonRow] = {}
        self.loans: dict[str, LoanRow] = {}
        self.currencies = frozenset(get_global("all_currencies"))
        self.zones = available_timezones()
        self.opened_known = False
        self.same: dict[str, str] = {}  # names of people, places and products repeat: one object for each

    def row(self, line: int, cells: dict[str, str]) -> None:
        person = self.person_row(line, cells)
        loan = self.loan_row(line, cells)
        contract = loan["contract_no"]
        if contract in self.loans:
            self.problems.add(
                line, "contract_no", f"{short(contract)} stands already in line {self.loans[contract]['line']}"
            )
        else:
            self.loans[contract] = loan
        known = self.persons.setdefault(person.values[0], person)
        if known is not person:
            if known.values != person.values:
                mine, theirs = known.fields, person.fields
                differ = [name for name in PERSONAL if mine[name] != theirs[name]]
                self.problems.add(line, ", ".join(differ), f"differs from the same person in line {known.line}")
            known.phones.update({k: v for k, v in person.phones.items() if k not in known.phones})
            if person.flags:
                known.flags = {**known.flags, **person.flags}

    def _take(self, line: int, cells: dict[str, str], column: str, reader: Callable[[str], Any], default: Any) -> Any:
        """The cell's value; an empty cell of an optional column is the default, of a required one a problem."""
        cell = cells.get(column, "")
        if not cell:
            if column in REQUIRED:
                self.problems.add(line, column, "is empty")
            return default
        try:
            return reader(cell)
        except ValueError as error:
            self.problems.add(line, column, f"«{short(cell)}»: {error}")
            return default

    def _one(self, text: str) -> str:
        return self.same.setdefault(text, text)

    def person_row(self, line: int, cells: dict[str, str]) -> PersonRow:
        take, one = self._take, self._one
        country = take(line, cells, "jurisdiction", read_country, "")
        region, place = one(cells.get("region", "")), one(cells.get("place", ""))
        person = PersonRow(line, (
            take(line, cells, "person_ref", str, ""),
            one(take(line, cells, "last_name", str, "")),
            one(take(line, cells, "first_name", str, "")),
            one(cells.get("middle_name", "")),
            take(line, cells, "birth_date", self._birth_date, None),
            cells.get("tax_id", ""),
            one(cells.get("code_word", "")),
            one(take(line, cells, "language", read_language, "uk")),
            one(country), region, place,
            take(line, cells, "time_zone", self._zone, time_zone_of(country, region, place)),
        ))  # fmt: skip
        area = self.area_codes.get(cells.get("branch", ""), self.area_codes.get("", ""))
        for cell in filter(None, map(str.strip, cells["phones"].split("|"))):
            self._phones(person, line, cell, country, area)
        for cell in filter(None, map(str.strip, cells.get("flags", "").split("|"))):
            try:
                flag = read_flag(cell, self.today)
            except ValueError as error:
                self.problems.add(line, "flags", f"«{short(cell)}»: {error}")
            else:
                person.flags = {**person.flags, (flag.flag, flag.valid_from): flag}
        return person

    def _phones(self, person: PersonRow, line: int, cell: str, country: str, area: str) -> None:
        found = read_cell(cell, country, area)
        for phone in found.numbers:
            person.phones.setdefault(phone.value, phone)
        for refusal in found.refused:
            self.lost.add(line, "phones", str(refusal))

    def loan_row(self, line: int, cells: dict[str, str]) -> LoanRow:
        take, zero, before = self._take, _ZERO, self.problems.count
        loan = LoanRow((
            line,
            self.persons[cells["person_ref"]].values[0] if cells["person_ref"] in self.persons else cells["person_ref"],
            take(line, cells, "contract_no", str, f"?{line}"),
            self._one(cells.get("product", "")),
            self._one(cells.get("branch", "")),
            self._one(take(line, cells, "currency", self._currency, "")),
            take(line, cells, "opened", self._opened, None),
            take(line, cells, "balance", read_money, zero),
            take(line, cells, "overdue_principal", read_money, zero),
            take(line, cells, "overdue_interest", read_money, zero),
            take(line, cells, "overdue_penalty", read_money, zero),
            take(line, cells, "overdue_fee", read_money, zero),
            take(line, cells, "days_past_due", read_days, 0),
            take(line, cells, "next_due", read_date, None),
            take(line, cells, "next_amount", read_money, None),
            take(line, cells, "as_at", self._as_at, datetime(2000, 1, 1, tzinfo=UTC)),
            self._one(cells.get("portfolio", "") or "main"),
        ))  # fmt: skip
        if self.problems.count == before:
            try:
                refuse_more_overdue(loan["balance"], loan.overdue)
            except ValueError as error:
                self.problems.add(line, "balance", str(error))
        return loan

    def _opened(self, cell: str) -> date:
        """What is known of a loan already is not asked again (`opened_known`)."""
        if self.opened_known:
            return date.fromisoformat(cell)
        day = read_date(cell)
        if day > self.today:
            raise ValueError("is in the future")
        return day

    def _birth_date(self, cell: str) -> date:
        day = read_date(cell)
        if day.year < 1900 or day > self.today:
            raise ValueError("nobody living was born then")
        return day

    def _zone(self, cell: str) -> str:
        if cell not in self.zones:
            raise ValueError("not an IANA time zone (as Europe/Kyiv)")
        return cell

    def _currency(self, cell: str) -> str:
        if cell.upper() not in self.currencies:
            raise ValueError("not a currency of ISO 4217")
        return cell.upper()

    def _as_at(self, cell: str) -> datetime:
        return read_moment(cell, self.zone)


_ZERO = Decimal(0)
