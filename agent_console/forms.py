"""What people type: sums as 18462,75 or 18 462.75, dates as 25.11.2026, 2511 or +3, times as 14:30."""

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from hashlib import blake2s
from zoneinfo import ZoneInfo

from agent_console.deps import Work
from backoffice_core import days
from backoffice_core.call_centre.desks.desk import Result


@dataclass
class Typed:
    """The outcome form as it was typed (to be shown again), what it means, and which fields cannot be read."""

    values: dict[str, str] = field(default_factory=dict)
    result: Result = field(default_factory=lambda: Result(outcome=""))
    errors: dict[str, str] = field(default_factory=dict)  # field → key of the words

    def get(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    @property
    def version(self) -> str:
        """Another one for each refusal of another input, so that the page shows the fault of this one."""
        if not self.errors:
            return ""
        return blake2s(repr((self.values, self.errors)).encode(), digest_size=6).hexdigest()


def money(text: str) -> Decimal | None:
    """None for a blank. Raises ValueError for what is no sum of money with at most two decimals."""
    text = re.sub(r"[\s\u00a0\u202f]|UAH|₴|грн\.?", "", text)
    if not text:
        return None
    if not re.fullmatch(r"\d{1,13}([.,]\d{1,2})?", text):
        raise ValueError(text)
    try:
        return Decimal(text.replace(",", "."))
    except InvalidOperation as error:
        raise ValueError(text) from error


def day(text: str, today: date) -> date | None:
    """25.11.2026, 25.11, 2511, 2026-11-25, +3. A day without a year is the next such day. Raises ValueError, also for one
    before days.FIRST or after days.LAST."""
    found = any_day(text, today)
    return found and days.meant(found)


def any_day(text: str, today: date) -> date | None:
    """`day`, where 31.12.9999 may mean without end. Raises ValueError."""
    text = text.strip()
    if not text:
        return None
    if re.fullmatch(r"\+\d{1,3}", text):
        return today + timedelta(days=int(text))
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return date.fromisoformat(text)
    digits = re.fullmatch(r"(\d{1,2})[.\s/](\d{1,2})(?:[.\s/](\d{4}|\d{2}))?", text) or re.fullmatch(
        r"(\d{2})(\d{2})(\d{4})?", text
    )
    if digits is None:
        raise ValueError(text)
    d, m, y = digits.groups()
    if y is not None:
        return date(int(y) + (2000 if len(y) == 2 else 0), int(m), int(d))
    near = date(today.year, int(m), int(d))
    return near if near >= today else date(today.year + 1, int(m), int(d))


def past_day(text: str, today: date) -> date:
    """`day`, where one without a year is the last such day. Raises ValueError, also for a blank."""
    found = day(text, today)
    if found is None:
        raise ValueError(text)
    if found > today and len(text.strip()) < len("1.1.27"):
        found = found.replace(year=found.year - 1)
    return found


def moment(text: str, today: date, now: datetime, zone: ZoneInfo) -> datetime | None:
    """“25.11 14:30”, “14:30” (today, in the borrower's zone), “2026-11-25T14:30”. Raises ValueError."""
    text = text.strip().replace("T", " ").replace(",", " ")
    if not text:
        return None
    found = re.fullmatch(r"(?:(\S+)\s+)?(\d{1,2})[:.](\d{2})", text)
    if found is None:
        raise ValueError(text)
    said, hour, minute = found.groups()
    local_today = now.astimezone(zone).date()
    on = day(said, today) if said else local_today
    return datetime.combine(on or local_today, time(int(hour), int(minute)), zone)


def typed_result(
    work: Work, *, outcome: str, amount: str = "", due_date: str = "", call_back_at: str = "", note: str = "",
    wants: str = "ready", zone: ZoneInfo | None = None, anybody: bool = False,
) -> Typed:  # fmt: skip
    """Reads the outcome form. Unreadable fields are named in `errors`; nothing is raised."""
    values = {"outcome": outcome, "amount": amount, "due_date": due_date, "call_back_at": call_back_at, "note": note,
              "anybody": "1" if anybody else ""}  # fmt: skip
    typed = Typed(values)
    today = work.console.clock.today()
    parsed: dict[str, object] = {}
    readers = {
        "amount": lambda: money(amount),
        "due_date": lambda: day(due_date, today),
        "call_back_at": lambda: moment(call_back_at, today, work.now, zone or work.console.clock.zone),
    }
    for name, read in readers.items():
        try:
            parsed[name] = read()
        except ValueError:
            parsed[name], typed.errors[name] = None, f"{name}-unreadable"
    typed.result = Result(
        outcome=outcome,
        note=note[:4000],
        anybody=anybody,
        wants="pause" if wants == "pause" else "ready",
        **parsed,  # type: ignore[arg-type]
    )
    return typed
