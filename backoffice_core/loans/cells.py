"""What one cell of a list means: dates, moments, money, codes. Pure; each raises ValueError with the way to write it."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from backoffice_core.borrowers.rules import FLAGS
from backoffice_core.days import end, meant, meant_moment

_MAX_MONEY = Decimal(10) ** 16
_MONEY = re.compile(r"[+-]?\d+(?:[.,]\d{1,2})?")


@dataclass(frozen=True, slots=True)
class FlagRow:
    flag: str
    valid_from: date
    valid_to: date | None
    evidence: str


def short(cell: str) -> str:
    return cell if len(cell) <= 40 else cell[:39] + "…"


@lru_cache(maxsize=4096)
def _any_date(cell: str) -> date:
    try:
        if "." in cell:
            day, month, year = cell.split(".")
            if len(year) != 4:
                raise ValueError
            return date(int(year), int(month), int(day))
        return date.fromisoformat(cell)
    except ValueError:
        raise ValueError("not a date (write 2026-12-31 or 31.12.2026)") from None


def read_date(cell: str) -> date:
    """2026-12-31 or 31.12.2026, a day that can be meant. Raises ValueError."""
    return meant(_any_date(cell))


def read_end(cell: str) -> date | None:
    """The last day of what may have none: 9999-12-31 and its like mean without end. Raises ValueError."""
    return end(_any_date(cell))


@lru_cache(maxsize=4096)
def read_moment(cell: str, zone: ZoneInfo) -> datetime:
    """ISO date and time; without an offset it is the time of `zone`. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(cell)
    except ValueError:
        raise ValueError("not a time (write 2026-12-31T06:00+02:00)") from None
    return meant_moment(moment if moment.tzinfo else moment.replace(tzinfo=zone))


@lru_cache(maxsize=4096)
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


def read_days(cell: str) -> int:
    if not (cell.isascii() and cell.isdigit()) or len(cell) > 5:
        raise ValueError("not a whole number of days")
    return int(cell)


def read_country(cell: str) -> str:
    if not re.fullmatch("[A-Z]{2}", cell.upper()):
        raise ValueError("not a country of two letters (as UA)")
    return cell.upper()


def read_language(cell: str) -> str:
    if not re.fullmatch("[a-z]{2,3}", cell.lower()):
        raise ValueError("not a language code (as uk)")
    return cell.lower()


def read_flag(cell: str, today: date) -> FlagRow:
    name, since, until, evidence = (*cell.split(":", 3), "", "", "")[:4]
    if name not in FLAGS:
        raise ValueError(f"unknown flag; known: {', '.join(FLAGS)}")
    begins, ends = (read_date(since) if since else today), (read_end(until) if until else None)
    if ends and ends < begins:
        raise ValueError("ends before it begins")
    return FlagRow(name, begins, ends, evidence)
