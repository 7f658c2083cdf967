"""The bank's portfolio file, read and checked without a database: every problem with its line, column and reason.

CSV in UTF-8 (a byte order mark is welcome), columns parted by `;` or `,` as the header shows, one row for a loan.
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
currency *         ISO 4217
balance *          all that is owed; overdue_principal, overdue_interest, overdue_penalty: what is late (default 0)
days_past_due *    whole number, 0 = not late
next_due  next_amount
as_at *            when the bank's core said so: 2026-11-18T06:00+02:00; without a zone it is the bank's time
flags              several parted by `|`: flag:from:to:evidence, as in inpatient:2026-11-01:2026-12-01:certificate 17

* must be there; `phones` may be empty in a row. A column that is not in this list is refused: it may be a misspelt one.
"""

import codecs
import csv
import difflib
import hashlib
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from babel.core import get_global

from backoffice_core.borrowers.rules import FLAGS, Phone, read_phone, time_zone_of
from backoffice_core.errors import BadInput

REQUIRED = (
    "person_ref", "last_name", "first_name", "jurisdiction", "phones", "contract_no", "currency", "balance",
    "days_past_due", "as_at",
)  # fmt: skip
OPTIONAL = (
    "middle_name", "birth_date", "tax_id", "code_word", "language", "region", "place", "time_zone", "product", "branch",
    "opened", "overdue_principal", "overdue_interest", "overdue_penalty", "next_due", "next_amount", "flags",
)  # fmt: skip
PERSONAL = (
    "last_name", "first_name", "middle_name", "birth_date", "tax_id", "code_word", "language", "jurisdiction", "region",
    "place", "time_zone",
)  # fmt: skip
KEPT_PROBLEMS = 1000  # more are only counted
_MAX_MONEY = Decimal(10) ** 16
_MONEY = re.compile(r"[+-]?\d+(?:[.,]\d{1,2})?")


@dataclass(frozen=True, slots=True)
class Problem:
    """Line 1 is the header; column "" = the whole line or file."""

    line: int
    column: str
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}" + (f", {self.column}" if self.column else "") + f": {self.reason}"


class BadFile(BadInput):
    """The file cannot be imported. `problems` says what is wrong, `more` how many further ones there are."""

    code = "BAD_FILE"

    def __init__(self, message: str, *, remedy: str, problems: list[Problem] | None = None, more: int = 0) -> None:
        super().__init__(message, remedy=remedy)
        self.problems, self.more = problems or [], more


@dataclass(frozen=True, slots=True)
class FlagRow:
    flag: str
    valid_from: date
    valid_to: date | None
    evidence: str


@dataclass(slots=True)
class PersonRow:
    line: int
    fields: dict[str, Any]
    phones: dict[str, Phone] = field(default_factory=dict)  # by E.164, in the order of the file
    flags: dict[tuple[str, date], FlagRow] = field(default_factory=dict)


@dataclass(slots=True)
class Portfolio:
    """A file without a problem."""

    name: str
    digest: str
    persons: dict[str, PersonRow]
    loans: dict[str, dict[str, Any]]  # by contract; each with `person_ref` and `line` beside the table's columns


class Problems:
    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.count = 0

    def add(self, line: int, column: str, reason: str) -> None:
        self.count += 1
        if len(self.kept) < KEPT_PROBLEMS:
            self.kept.append(Problem(line, column, reason))

    def refuse(self, name: str) -> None:
        """Raises BadFile when there is any."""
        if self.count:
            self.kept.sort(key=lambda p: p.line)
            raise BadFile(
                f"{name}: {self.count} problem{'s' if self.count > 1 else ''}; nothing was imported.",
                remedy="Correct these lines and import the whole file again.",
                problems=self.kept,
                more=self.count - len(self.kept),
            )


def read(
    file: Path, *, zone: ZoneInfo, today: date, progress: Callable[[int, int], None] = lambda done, total: None
) -> Portfolio:
    """Reads and checks the whole file. `zone` is the bank's; `progress(characters done, in all)` is called often.

    Raises BadFile with all problems at once.
    """
    text, digest = _text(file)
    lines = io.StringIO(text, newline="")
    header_line = lines.readline()
    separator = ";" if header_line.count(";") > header_line.count(",") else ","
    header = [name.strip().lower() for name in next(csv.reader([header_line], delimiter=separator), [])]
    problems = Problems()
    _check_header(header, problems)
    problems.refuse(file.name)
    reader = csv.reader(lines, delimiter=separator)
    check = _Rows(zone, today, problems)
    begins, size = 2, len(text)
    try:
        for n, cells in enumerate(reader):
            if any(cell.strip() for cell in cells):
                if len(cells) != len(header):
                    problems.add(begins, "", f"{len(cells)} cells, the header has {len(header)}")
                else:
                    check.row(begins, dict(zip(header, map(str.strip, cells), strict=True)))
            begins = reader.line_num + 2
            if n % 500 == 0:
                progress(lines.tell(), size)
    except csv.Error as error:
        problems.add(begins, "", f"not CSV: {error}")
    if not check.loans and not problems.count:
        raise BadFile(f"{file.name} has a header and no rows.", remedy="Export the portfolio again.")
    problems.refuse(file.name)
    progress(size, size)
    return Portfolio(file.name, digest, check.persons, check.loans)


def _text(file: Path) -> tuple[str, str]:
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise BadFile(
            f"{file} cannot be read: {error.strerror}.", remedy="Give the path of a CSV file that you may read."
        ) from error
    if not raw.strip(codecs.BOM_UTF8 + b" \r\n\t"):
        raise BadFile(f"{file.name} is empty.", remedy="Export the portfolio again.")
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:4096]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = raw.count(b"\n", 0, error.start) + 1
        raise BadFile(
            f"{file.name} is not UTF-8{' but UTF-16' if wide else f' (first in line {bad})'}.",
            remedy="Save it as «CSV UTF-8», or convert it: iconv -f CP1251 -t UTF-8 FILE > NEW.",
        ) from error
    if wide:
        raise BadFile(f"{file.name} is not a text file.", remedy="Export it as «CSV UTF-8».")
    return text, hashlib.sha256(raw).hexdigest()


def _check_header(header: list[str], problems: Problems) -> None:
    known = REQUIRED + OPTIONAL
    for name in REQUIRED:
        if name not in header:
            problems.add(1, name, "this column is missing")
    for name in dict.fromkeys(header):
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            problems.add(1, name, "unknown column" + (f"; did you mean {near[0]}?" if near else ""))
        elif header.count(name) > 1:
            problems.add(1, name, "this column stands twice")


class _Rows:
    """Folds rows into persons and loans; what is wrong goes to `problems` and the row on to its next column."""

    def __init__(self, zone: ZoneInfo, today: date, problems: Problems) -> None:
        self.zone, self.today, self.problems = zone, today, problems
        self.persons: dict[str, PersonRow] = {}
        self.loans: dict[str, dict[str, Any]] = {}
        self.currencies = frozenset(get_global("all_currencies"))
        self.zones = available_timezones()

    def row(self, line: int, cells: dict[str, str]) -> None:
        person = self._person(line, cells)
        loan = self._loan(line, cells)
        if loan["contract_no"] in self.loans:
            first = self.loans[loan["contract_no"]]["line"]
            self.problems.add(line, "contract_no", f"{_short(loan['contract_no'])} stands already in line {first}")
        else:
            self.loans[loan["contract_no"]] = loan
        known = self.persons.setdefault(cells["person_ref"], person)
        if known is not person:
            differ = [name for name in PERSONAL if known.fields[name] != person.fields[name]]
            if differ:
                self.problems.add(line, ", ".join(differ), f"differs from the same person in line {known.line}")
            known.phones.update({k: v for k, v in person.phones.items() if k not in known.phones})
            known.flags.update(person.flags)

    def _take(
        self, line: int, cells: dict[str, str], column: str, read_cell: Callable[[str], Any], default: Any
    ) -> Any:
        """The cell's value; an empty cell of an optional column is the default, of a required one a problem."""
        cell = cells.get(column, "")
        if not cell:
            if column in REQUIRED:
                self.problems.add(line, column, "is empty")
            return default
        try:
            return read_cell(cell)
        except ValueError as error:
            self.problems.add(line, column, f"«{_short(cell)}»: {error}")
            return default

    def _person(self, line: int, cells: dict[str, str]) -> PersonRow:
        take = self._take
        country = take(line, cells, "jurisdiction", _country, "")
        region, place = cells.get("region", ""), cells.get("place", "")
        fields = {
            "external_ref": take(line, cells, "person_ref", str, ""),
            "last_name": take(line, cells, "last_name", str, ""),
            "first_name": take(line, cells, "first_name", str, ""),
            "middle_name": cells.get("middle_name", ""),
            "birth_date": take(line, cells, "birth_date", self._birth_date, None),
            "tax_id": cells.get("tax_id", ""),
            "code_word": cells.get("code_word", ""),
            "language": take(line, cells, "language", _language, "uk"),
            "jurisdiction": country,
            "region": region,
            "place": place,
            "time_zone": take(line, cells, "time_zone", self._zone, time_zone_of(country, region, place)),
        }
        person = PersonRow(line, fields)
        for cell in filter(None, map(str.strip, cells["phones"].split("|"))):
            try:
                phone = read_phone(cell, country)
            except ValueError as error:
                self.problems.add(line, "phones", f"«{_short(cell)}»: {error}")
            else:
                person.phones.setdefault(phone.value, phone)
        for cell in filter(None, map(str.strip, cells.get("flags", "").split("|"))):
            try:
                flag = _flag(cell, self.today)
            except ValueError as error:
                self.problems.add(line, "flags", f"«{_short(cell)}»: {error}")
            else:
                person.flags[flag.flag, flag.valid_from] = flag
        return person

    def _loan(self, line: int, cells: dict[str, str]) -> dict[str, Any]:
        take, zero = self._take, Decimal(0)
        loan = {
            "line": line,
            "person_ref": cells["person_ref"],
            "contract_no": take(line, cells, "contract_no", str, f"?{line}"),
            "product": cells.get("product", ""),
            "branch": cells.get("branch", ""),
            "currency": take(line, cells, "currency", self._currency, ""),
            "opened": take(line, cells, "opened", read_date, None),
            "balance": take(line, cells, "balance", read_money, zero),
            "overdue_principal": take(line, cells, "overdue_principal", read_money, zero),
            "overdue_interest": take(line, cells, "overdue_interest", read_money, zero),
            "overdue_penalty": take(line, cells, "overdue_penalty", read_money, zero),
            "days_past_due": take(line, cells, "days_past_due", _days, 0),
            "next_due": take(line, cells, "next_due", read_date, None),
            "next_amount": take(line, cells, "next_amount", read_money, None),
            "as_at": take(line, cells, "as_at", self._as_at, datetime(2000, 1, 1, tzinfo=UTC)),
        }
        return loan

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


def _short(cell: str) -> str:
    return cell if len(cell) <= 40 else cell[:39] + "…"


@lru_cache(maxsize=4096)
def read_date(cell: str) -> date:
    """2026-12-31 or 31.12.2026. Raises ValueError."""
    try:
        if "." in cell:
            day, month, year = cell.split(".")
            if len(year) != 4:
                raise ValueError
            return date(int(year), int(month), int(day))
        return date.fromisoformat(cell)
    except ValueError:
        raise ValueError("not a date (write 2026-12-31 or 31.12.2026)") from None


@lru_cache(maxsize=4096)
def read_moment(cell: str, zone: ZoneInfo) -> datetime:
    """ISO date and time; without an offset it is the time of `zone`. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(cell)
        return moment if moment.tzinfo else moment.replace(tzinfo=zone)
    except ValueError:
        raise ValueError("not a time (write 2026-12-31T06:00+02:00)") from None


def read_money(cell: str) -> Decimal:
    """`1234.56`, `1 234,56`; not below nought, at most two decimals. Raises ValueError."""
    plain = cell.replace(" ", "").replace("\u00a0", "").replace("\u202f", "")
    if not _MONEY.fullmatch(plain) or not plain.isascii():
        raise ValueError("not an amount (write 1234.56, at most two decimals)")
    amount = Decimal(plain.replace(",", "."))
    if amount < 0:
        raise ValueError("below nought")
    if amount >= _MAX_MONEY:
        raise ValueError("too large")
    return amount


def _days(cell: str) -> int:
    if not (cell.isascii() and cell.isdigit()) or len(cell) > 5:
        raise ValueError("not a whole number of days")
    return int(cell)


def _country(cell: str) -> str:
    if not re.fullmatch("[A-Z]{2}", cell.upper()):
        raise ValueError("not a country of two letters (as UA)")
    return cell.upper()


def _language(cell: str) -> str:
    if not re.fullmatch("[a-z]{2,3}", cell.lower()):
        raise ValueError("not a language code (as uk)")
    return cell.lower()


def _flag(cell: str, today: date) -> FlagRow:
    name, since, until, evidence = (*cell.split(":", 3), "", "", "")[:4]
    if name not in FLAGS:
        raise ValueError(f"unknown flag; known: {', '.join(FLAGS)}")
    begins, ends = (read_date(since) if since else today), (read_date(until) if until else None)
    if ends and ends < begins:
        raise ValueError("ends before it begins")
    return FlagRow(name, begins, ends, evidence)
