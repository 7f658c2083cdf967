"""What the tests of compliance share: the shipped rules, a calendar, and short ways to say a contact or an entry."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from backoffice_core.compliance import loader, rules, workdays
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.terms import (
    Address,
    Calendar,
    Contact,
    Decision,
    Entry,
    Flag,
    LedgerView,
    PersonView,
)

ROWS = loader.read_file()
BOOK = RuleBook(loader.parse(row) for row in ROWS)
CALENDAR = Calendar((place, day, False) for place, day, _ in workdays.days_of(workdays.SHIPPED, range(2025, 2029)))
PERSON = UUID(int=1)
LOAN, OTHER_LOAN = UUID(int=11), UUID(int=12)

ZONES = {
    "UA": "Europe/Kyiv",
    "RU": "Europe/Moscow",
    "US": "America/New_York",
    "KZ": "Asia/Almaty",
    "GB": "Europe/London",
}


def book(*ids: str, change: dict[str, dict[str, Any]] | None = None) -> RuleBook:
    """Only these of the shipped rules, with fields changed."""
    rows = [row | (change or {}).get(row["id"], {}) for row in ROWS if row["id"] in ids]
    assert len(rows) == len(ids), "a rule of the test is not in the file"
    return RuleBook(loader.parse(row) for row in rows)


def local(text: str, zone: str = "Europe/Kyiv") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def person(*jurisdictions: str, zones: Iterable[str] | None = None, flags: Iterable[Flag] = ()) -> PersonView:
    where = jurisdictions or ("UA",)
    known = tuple(ZONES[place] for place in where) if zones is None else tuple(zones)
    return PersonView(PERSON, where, known, tuple(flags))


def contact(who: PersonView | None = None, **fields: Any) -> Contact:
    """A collection call by the dialer from a shown, declared number."""
    usual: dict[str, Any] = {
        "channel": "call",
        "actor": "dialer",
        "purpose": "collection",
        "debt": LOAN,
        "address": Address("+380671234567", "mobile"),
        "caller_id_hidden": False,
        "caller_id_declared": True,
    }
    return Contact(person=who or person(), **(usual | fields))


def dialed(at: datetime, **fields: Any) -> Entry:
    """An unanswered call of ours, unless the fields say more."""
    usual: dict[str, Any] = {"channel": "call", "actor": "dialer", "debt": LOAN, "minutes": Decimal(0)}
    return Entry(at=at, **(usual | fields))


def talked(at: datetime, **fields: Any) -> Entry:
    return dialed(at, **({"conversation": True, "minutes": Decimal(2)} | fields))


def decide(
    what: Contact,
    at: datetime,
    *entries: Entry,
    rulebook: RuleBook = BOOK,
    calendar: Calendar = CALENDAR,
    guard_minutes: int = 0,
) -> Decision:
    return rules.decide(what, at, rulebook, calendar, LedgerView(entries), guard_minutes=guard_minutes)


def codes(decision: Decision) -> list[str]:
    return [reason.code.value for reason in decision.reasons]


def ids(decision: Decision) -> set[str | None]:
    return {reason.rule_id for reason in decision.reasons}


__all__ = [
    "BOOK", "CALENDAR", "LOAN", "OTHER_LOAN", "PERSON", "ROWS", "ZONES", "Address", "Calendar", "Contact", "Decimal",
    "Entry", "Flag", "LedgerView", "PersonView", "RuleBook", "book", "codes", "contact", "date", "datetime", "decide",
    "dialed", "ids", "local", "person", "talked", "timedelta",
]  # fmt: skip
