"""How a payment is split, and days past due by a schedule. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType

COMPONENTS = ("principal", "interest", "penalty", "fee")
ORDER = ("interest", "principal", "fee", "penalty")  # of what is overdue; penalty last by the laws of domain.md 3.1
TOLERANCE = Decimal("1.00")  # units of the currency: cents do not open a case nor keep one open
_NOTHING: Mapping[str, Decimal] = MappingProxyType({})


def refuse_more_overdue(balance: Decimal, overdue: Decimal) -> None:
    """Raises ValueError where more is late than is owed: then one of the sums is wrong, whoever said them."""
    if overdue > balance:
        raise ValueError(f"is less than what of it is overdue ({overdue})")


def split(amount: Decimal, overdue: Mapping[str, Decimal], order: Sequence[str] = ORDER) -> dict[str, Decimal]:
    """A payment by components: what is overdue in its order, the rest onto the principal. They add up to `amount`."""
    left, found = amount, dict.fromkeys(COMPONENTS, Decimal(0))
    for component in order:
        part = min(left, max(overdue.get(component, Decimal(0)), Decimal(0)))
        found[component] += part
        left -= part
    found["principal"] += left
    return found


@dataclass(frozen=True, slots=True)
class Due:
    day: date
    amount: Decimal
    paid: Decimal = Decimal(0)


def effective(day: date, is_working: Callable[[date], bool] | None) -> date:
    """The day by which an instalment must be paid: with a calendar, that day or the next working one.

    Raises ValueError when a year has no working day: the calendar is broken.
    """
    if is_working is None:
        return day
    for ahead in range(366):
        if is_working(day + timedelta(days=ahead)):
            return day + timedelta(days=ahead)
    raise ValueError(f"no working day within a year from {day}")


def oldest_unpaid(
    schedule: Iterable[Due], paid_later: Decimal, today: date, is_working: Callable[[date], bool] | None = None
) -> date | None:
    """The day by which the oldest unpaid instalment should have been paid, None when none is late on `today`.

    `paid_later`: paid since the schedule's own `paid` was true; it fills up the oldest instalments first.
    """
    owed = Decimal(0)
    for due in sorted(schedule, key=lambda one: one.day):
        owed += due.amount - due.paid
        by = effective(due.day, is_working)
        if by < today and owed - paid_later >= TOLERANCE:
            return by
    return None


def days_past_due(oldest: date | None, today: date, pauses: Iterable[tuple[date, date | None]] = ()) -> int:
    """Days after the oldest unpaid due date up to `today`, without those on which the count paused (both ends included;
    None = still paused). A day within two pauses is taken off once. Fineract's formula (domain.md 4.1)."""
    if oldest is None or oldest >= today:
        return 0
    paused: set[int] = set()
    for first, last in pauses:
        begin, end = max(first, oldest + timedelta(days=1)), min(last or today, today)
        paused.update(range(begin.toordinal(), end.toordinal() + 1))
    return (today - oldest).days - len(paused)
