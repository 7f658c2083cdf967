"""The days that this bank can mean. Beyond them dates are misspelt, or stand for “no end”: 9999-12-31. Pure."""

from datetime import date, datetime, timedelta

FIRST, LAST = date(1900, 1, 1), date(2199, 12, 31)
WRONG = f"not a day from {FIRST} to {LAST}"


def meant(day: date) -> date:
    """The day itself; raises ValueError for one that nobody means."""
    if not FIRST <= day <= LAST:
        raise ValueError(WRONG)
    return day


def meant_moment(at: datetime) -> datetime:
    """The aware moment itself; raises ValueError as `meant`."""
    meant(at.date())
    return at


def end(day: date | None) -> date | None:
    """The last day of something that may have none: a day after LAST means without end. Raises ValueError before FIRST."""
    return None if day is None or day > LAST else meant(day)


def later(day: date | None, days: int) -> date | None:
    """So many days later; None = without end, also for whatever ends after LAST: never an overflow."""
    if day is None or day > LAST:
        return None
    try:
        found = day + timedelta(days=days)
    except OverflowError:
        return None
    return found if found <= LAST else None


def day_after(day: date | None) -> date | None:
    """When what lasts through `day` is over; None = never."""
    return later(day, 1)
