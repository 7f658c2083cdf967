"""How a source's lists are laid out: which header is which column, what stands for all rows, the trailer line. Pure.

A target of a header is a column of portfolio_file.py, or
  full_name          family name, given name, patronymic in one cell
  phones:OWNER       a number whose owner is known (self, work, relative, third_party, unknown); several headers may be phones
  -                  a header that is not taken over
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from backoffice_core.borrowers.phones import OWNER_KINDS
from backoffice_core.errors import BadInput
from backoffice_core.loans.cells import read_date, read_money

FULL_NAME, IGNORED, PHONES = "full_name", "-", "phones"
# Headers that mean one thing only, as banks write them; everything else is asked for once, with --map.
ALIASES: dict[str, tuple[str, ...]] = {
    "person_ref": ("ід клієнта", "id клієнта", "ид клиента", "id клиента", "код клієнта", "код клиента",
                   "client id", "customer id"),
    "last_name": ("прізвище", "фамилия", "last name", "surname"),
    "first_name": ("ім'я", "ім’я", "имя", "first name", "given name"),
    "middle_name": ("по батькові", "отчество", "patronymic"),
    "full_name": ("піб", "фио", "ф.и.о.", "п.і.б.", "full name"),
    "birth_date": ("дата народження", "дата рождения", "birth date", "date of birth"),
    "tax_id": ("іпн", "рнокпп", "инн", "иин", "ідентифікаційний код", "tax id"),
    "code_word": ("кодове слово", "кодовое слово", "code word"),
    "language": ("мова", "язык", "language"),
    "jurisdiction": ("країна", "страна", "country"),
    "region": ("область", "регіон", "регион", "region"),
    "place": ("місто", "город", "населений пункт", "населенный пункт", "city"),
    "phones": ("телефон", "телефони", "телефоны", "номер телефону", "номер телефона", "phone", "phones"),
    "contract_no": ("номер договору", "номер договора", "№ договору", "№ договора", "договір", "договор",
                    "contract", "contract no"),
    "product": ("продукт", "product"),
    "branch": ("відділення", "отделение", "філія", "филиал", "branch"),
    "opened": ("дата договору", "дата договора", "дата видачі", "дата выдачи"),
    "currency": ("валюта", "currency"),
    "balance": ("залишок", "остаток", "сума боргу", "сумма долга", "заборгованість", "задолженность", "balance"),
    "overdue_principal": ("прострочене тіло", "просроченный основной долг", "прострочена заборгованість",
                          "просроченная задолженность", "overdue"),
    "overdue_interest": ("прострочені відсотки", "просроченные проценты"),
    "overdue_penalty": ("пеня", "штраф", "неустойка"),
    "days_past_due": ("днів прострочення", "дней просрочки", "дні прострочення", "дни просрочки", "dpd", "days past due"),
    "next_due": ("дата наступного платежу", "дата следующего платежа"),
    "next_amount": ("сума наступного платежу", "сумма следующего платежа"),
    "as_at": ("станом на", "по состоянию на", "дата балансу", "дата баланса", "as at"),
}  # fmt: skip
_BY_ALIAS = {alias: column for column, aliases in ALIASES.items() for alias in aliases}
TRAILERS = frozenset(
    ("trailer", "total", "totals", "разом", "всього", "усього", "итого", "всего", "жиыны", "барлығы", "razem")
)
_SAID = re.compile(r"^\s*([\w ]+?)\s*[=:]\s*(.+?)\s*$")
_SAYS = {
    "rows": "rows", "records": "rows", "count": "rows", "рядків": "rows", "записів": "rows", "строк": "rows", "записей": "rows",
    "кількість": "rows", "количество": "rows",
    "overdue": "overdue", "overdue_sum": "overdue", "прострочено": "overdue", "просрочено": "overdue",
    "overdue_count": "overdue_count", "прострочених": "overdue_count", "просроченных": "overdue_count",
    "balance": "balance", "залишок": "balance", "остаток": "balance",
    "date": "date", "business_date": "date", "дата": "date", "на": "date",
}  # fmt: skip
_SUMMED = ("balance", "overdue_principal", "overdue_interest", "overdue_penalty")


def header_key(header: str) -> str:
    """Capitals, spaces and line breaks in a header do not matter."""
    return " ".join(header.replace("\u00a0", " ").lower().split())


@dataclass(frozen=True, slots=True)
class Layout:
    """`constants`: what stands for every row that has no such column. `area_codes`: by branch, "" for all others."""

    mapping: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    area_codes: Mapping[str, str] = field(default_factory=dict)
    encoding: str = ""
    sheet: str = ""
    trailer_needed: bool = False


@dataclass(slots=True)
class Trailer:
    """What the last line says of the list; None = it does not say."""

    line: int
    rows: int | None = None
    overdue_count: int | None = None
    overdue: Decimal | None = None
    balance: Decimal | None = None
    day: date | None = None  # business date
    sums: dict[str, Decimal] = field(default_factory=dict)  # by column


def parse_map(said: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """`["ПІБ=full_name", …]` as header -> target. Raises BadInput, naming what it did not understand."""
    out: dict[str, str] = {}
    for one in said:
        header, equals, target = one.rpartition("=")
        target = target.strip().lower()
        column, _, owner = target.partition(":")
        good = target in {*known, FULL_NAME, IGNORED} or (column == PHONES and owner in OWNER_KINDS)
        if not equals or not header.strip() or not good:
            near = difflib.get_close_matches(target, [*known, FULL_NAME], 1)
            raise BadInput(
                f"--map “{one}” is not understood." + (f" Did you mean {near[0]}?" if near else ""),
                remedy="Write HEADER=COLUMN, as in --map «ПІБ=full_name»; COLUMN «-» leaves a header out.",
            )
        out[header_key(header)] = target
    return out


def targets(header: Sequence[str], layout: Layout | None, known: Sequence[str]) -> list[str]:
    """The target of each header; one that nobody mapped stays as it is written, in small letters."""
    if layout is None:
        return [name.strip().lower() for name in header]
    out = []
    for name in header:
        key = header_key(name)
        out.append(layout.mapping.get(key) or (key if key in known else _BY_ALIAS.get(key, key)))
    return out


def is_trailer(cells: Sequence[str]) -> bool:
    first = next((cell for cell in cells if cell), "")
    word = re.split(r"[\s:=]", first.lower().strip(), maxsplit=1)[0].strip(".:")
    return word in TRAILERS


def read_trailer(line: int, cells: Sequence[str], columns: Sequence[str]) -> Trailer:
    """`TRAILER;rows=3;overdue=1234.50;date=2026-11-18`, or totals that stand under their columns.

    Raises ValueError when it says nothing that can be checked, or what it says cannot be read.
    """
    trailer = Trailer(line)
    said = False
    for place, cell in enumerate(cells):
        column = columns[place] if place < len(columns) else ""
        if found := _SAID.match(cell):
            key = _SAYS.get(found[1].lower().strip())
            if key is None and found[1].lower().strip() in TRAILERS:
                key = "rows"
            if key is None:
                raise ValueError(
                    f"«{cell}» is not understood; write rows=…, overdue=…, overdue_count=…, balance=…, date=…"
                )
            _set(trailer, key, found[2])
            said = True
        elif cell and column in _SUMMED and re.search(r"\d", cell):
            trailer.sums[column] = read_money(cell)
            said = True
        elif column == "contract_no" and cell.isascii() and cell.isdigit():
            trailer.rows = int(cell)
            said = True
    if not said:
        raise ValueError("the trailer line says nothing that can be checked")
    return trailer


def _set(trailer: Trailer, key: str, value: str) -> None:
    if key in {"rows", "overdue_count"}:
        plain = value.replace(" ", "").replace("\u00a0", "")
        if not (plain.isascii() and plain.isdigit()):
            raise ValueError(f"«{value}» is not a number of rows")
        setattr(trailer, key, int(plain))
    elif key == "date":
        trailer.day = read_date(value)
    else:
        setattr(trailer, key, read_money(value))
