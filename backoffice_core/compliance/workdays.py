"""Holidays with which `work_calendar` is seeded (pure).

Ukraine: the package `holidays` returns none since 2023, because martial law suspends them. For collection contact
they stay closed until the bank's lawyer lifts them (house decision 3.5), so they stand here: Labour Code art. 73 as
amended in 2023 (not verified), Easter and Trinity by the Julian reckoning, and the day off that art. 67 moves to the
next working day when a holiday falls on a weekend.
"""

from collections.abc import Iterable
from datetime import date, timedelta

from holidays import country_holidays

SHIPPED = ("UA", "RU", "KZ", "US", "GB")
NATIONS_OF_GB = ("ENG", "NIR", "SCT", "WLS")  # a person's nation is not known: a holiday in one closes all

UA_FIXED = (
    (1, 1, "New Year's Day"),
    (3, 8, "International Women's Day"),
    (5, 1, "Labour Day"),
    (5, 8, "Day of Remembrance and Victory"),
    (6, 28, "Constitution Day"),
    (7, 15, "Statehood Day"),
    (8, 24, "Independence Day"),
    (10, 1, "Day of Defenders"),
    (12, 25, "Christmas Day"),
)


def holidays_of(jurisdiction: str, year: int) -> dict[date, str]:
    """Days on which nobody works, with their names. Raises NotImplementedError for a country nobody knows."""
    if jurisdiction == "UA":
        return ukrainian(year)
    if jurisdiction == "GB":
        nations = [country_holidays("GB", subdiv=nation, years=year) for nation in NATIONS_OF_GB]
        return {day: name for nation in nations for day, name in nation.items()}
    return dict(country_holidays(jurisdiction, years=year).items())


def ukrainian(year: int) -> dict[date, str]:
    easter = orthodox_easter(year)
    days = {date(year, month, day): name for month, day, name in UA_FIXED}
    days |= {easter: "Easter", easter + timedelta(days=49): "Trinity"}
    for day, name in sorted(days.items()):
        moved = day
        while moved.weekday() >= 5 or (moved != day and moved in days):
            moved += timedelta(days=1)
        days.setdefault(moved, f"{name} (moved)")
    return days


def orthodox_easter(year: int) -> date:
    """Meeus's rule for the Julian calendar, given in ours. Good for 1900–2099."""
    moon = (19 * (year % 19) + 15) % 30
    week = (2 * (year % 4) + 4 * (year % 7) - moon + 34) % 7
    month, day = divmod(moon + week + 114, 31)
    return date(year, month, day + 1) + timedelta(days=13)


def days_of(jurisdictions: Iterable[str], years: Iterable[int]) -> list[tuple[str, date, str]]:
    wanted = sorted(set(years))
    found = [(place, holidays_of(place, year)) for place in jurisdictions for year in wanted]
    return [(place, day, name) for place, days in found for day, name in sorted(days.items())]
