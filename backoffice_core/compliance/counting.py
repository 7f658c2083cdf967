"""What counts (pure): the count units, the windows they are counted over, and the instant at which a cap lets go.

House decision 3.5: what is uncertain counts, and so does a slot that is only reserved; what was freed never does.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from backoffice_core.compliance.terms import MESSAGES, VOICE, Entry, LedgerView, Rule, Window

Weighed = tuple[datetime, Decimal]
"""When an entry stops counting (UTC), and how much it counts until then."""

ONE = Decimal(1)
_UTC = ZoneInfo("UTC")


# --- units ---------------------------------------------------------------------------------------------------------


def attempt(entry: Entry) -> bool:
    """An INVITE left us, or may leave us any moment."""
    return entry.state != "FREED" and entry.channel in VOICE and entry.direction == "outbound"


def conversation(entry: Entry) -> bool:
    """Any answer by a person, however short and whoever answered; abandoned and silent calls included."""
    may_be = entry.conversation or entry.abandoned or entry.uncertain or entry.state == "RESERVED"
    return entry.state != "FREED" and entry.channel in VOICE and may_be


def message(entry: Entry) -> bool:
    """A message that left us, delivered or not."""
    return entry.state != "FREED" and entry.channel in MESSAGES and entry.direction == "outbound"


def visit(entry: Entry) -> bool:
    """A visit, whoever was met."""
    return entry.state != "FREED" and entry.channel == "visit"


def interaction(entry: Entry) -> bool:
    """A conversation, a delivered message, a visit, a machine that got a message."""
    reached = entry.delivered or entry.uncertain or entry.state == "RESERVED"
    left_message = entry.machine_message and entry.state != "FREED"
    return conversation(entry) or visit(entry) or left_message or (message(entry) and reached)


def minutes(entry: Entry) -> Decimal | None:
    """Minutes of talk; None when nobody knows yet, or any more, how many."""
    if entry.state == "FREED":
        return Decimal(0)
    if entry.minutes is not None:
        return entry.minutes
    return None if conversation(entry) else Decimal(0)


UNITS: Mapping[str, Callable[[Entry], bool]] = {
    "attempt": attempt,
    "conversation": conversation,
    "interaction": interaction,
    "message": message,
    "visit": visit,
}


def weight(entry: Entry, unit: str, limit: Decimal) -> Decimal:
    """How much of `limit` an entry takes: 1 or 0, or its minutes; minutes that nobody knows take all of it."""
    if unit == "minutes":
        known = minutes(entry)
        return limit if known is None else known
    return ONE if UNITS[unit](entry) else Decimal(0)


def concerns(rule: Rule, entry: Entry, debt: object, *, heed_exceptions: bool = True) -> bool:
    """Whether the rule looks at this entry at all: its channel, actor, purpose, the loan, and why it was made.

    An entry without a loan counts for every loan, and a contact without one is counted against all entries.
    A cooldown passes `heed_exceptions=False`: a talk that the person began starts it as well (Reg F).
    """
    a = rule.applies_to
    if a.channel and entry.channel not in a.channel:
        return False
    if a.actor and entry.actor not in a.actor:
        return False
    if a.purpose and entry.purpose is not None and entry.purpose not in a.purpose:
        return False
    if rule.scope == "person_debt" and None not in (debt, entry.debt) and entry.debt != debt:
        return False
    if not heed_exceptions:
        return True
    why = entry.exceptions | {"person_initiative"} if entry.direction == "inbound" else entry.exceptions
    return not (why & rule.honoured_exceptions)


def looked_at(rule: Rule, ledger: LedgerView, number: str) -> Iterable[Entry]:
    """The entries among which the rule counts: the person's, or all that went to this number, whoever was called.

    A rule by number counts everything of the person when no number is known.
    """
    if rule.scope != "number" or not number:
        return ledger.entries
    return (*(entry for entry in ledger.entries if entry.number == number), *ledger.of_number)


# --- windows -------------------------------------------------------------------------------------------------------


def instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant (in the zone) at which a wall clock there shows this; in a gap of summer time, the hour after it."""
    return datetime.combine(day, at, tzinfo=zone)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    return instant(day, time(0), zone)


def latest_start(day: date, zones: Iterable[ZoneInfo]) -> datetime:
    """When this day has begun in every zone (UTC)."""
    return max(utc(start_of_day(day, zone)) for zone in zones)


def utc(moment: datetime) -> datetime:
    return moment.astimezone(_UTC)


def expiry(at: datetime, window: Window, zone: ZoneInfo) -> datetime:
    """The first instant (UTC) at which an entry of `at` is no longer inside the window, in the person's zone.

    A rolling day ends at the same wall-clock time n days later: counted back from any moment, that covers the n
    calendar days of the other reading as well, so it is the stricter of the two.
    """
    local = at.astimezone(zone)
    day = local.date()
    match window.type:
        case "calendar_day":
            return utc(start_of_day(day + timedelta(days=window.n), zone))
        case "iso_week":
            return utc(start_of_day(day + timedelta(days=7 * window.n - day.weekday()), zone))
        case "calendar_month":
            months = day.year * 12 + day.month - 1 + window.n
            return utc(start_of_day(date(months // 12, months % 12 + 1, 1), zone))
        case "rolling_days":
            return utc(instant(day + timedelta(days=window.n), local.time(), zone))
    raise ValueError(f"unknown window type {window.type!r}")


DAYS_AT_MOST = {"calendar_day": 1, "iso_week": 7, "calendar_month": 31, "rolling_days": 1}


def over_before(at: datetime, window: Window) -> datetime:
    """An entry of this moment or earlier is over for the window at `at`, whatever the zone: a longest day of the wall
    clock has 25 hours, so one day more than the window has is enough."""
    return at - timedelta(days=DAYS_AT_MOST[window.type] * window.n + 1)


def weigh(
    rule: Rule,
    unit: str,
    window: Window,
    limit: Decimal,
    entries: Iterable[Entry],
    debt: object,
    zones: Iterable[ZoneInfo],
    at: datetime,
) -> list[Weighed]:
    """What the rule counts at `at` or later. With several zones an entry counts until its window has ended in all."""
    found: list[Weighed] = []
    over = over_before(at, window)
    for entry in entries:
        if entry.at > over and concerns(rule, entry, debt) and (heavy := weight(entry, unit, limit)) > 0:
            found.append((max(expiry(entry.at, window, zone) for zone in zones), heavy))
    return found


def used(weighed: Iterable[Weighed], at: datetime) -> Decimal:
    return sum((heavy for ends, heavy in weighed if ends > at), Decimal(0))


def released(weighed: Iterable[Weighed], limit: Decimal) -> datetime | None:
    """The first instant (UTC) from which less than `limit` is counted; None = never (the limit is 0)."""
    total = Decimal(0)
    for ends, heavy in sorted(weighed, reverse=True):
        total += heavy
        if total >= limit:
            return ends
    return None
