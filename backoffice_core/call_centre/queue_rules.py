"""Tonight's queue, pure: who is not called and why, by which phone, in what order and with which terms.

The order is one that a manager can read. First the borrowers who asked for a call back, by their hour; then those whose
promise went by unpaid; then all others by expected value: overdue sum × the chance that one call to a debt of this age
ends in a kept promise. Currencies are not compared: each value is a multiple of the typical one (the median) of its
own currency tonight.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from statistics import median
from types import MappingProxyType
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from backoffice_core.borrowers.rules import UNUSABLE
from backoffice_core.cases.rules import CALLBACK, ELSEWHERE, FOLLOW_UP, HOLDS, OVER, WAITS
from backoffice_core.compliance.terms import REASON_ORDER, Decision

# Last day past due -> valid number, answer, right party of answers, promise of right parties, kept (domain.md 5.3)
_CHANCES: tuple[tuple[float, tuple[str, ...]], ...] = (
    (30, ("0.95", "0.42", "0.80", "0.60", "0.68")),
    (60, ("0.91", "0.35", "0.72", "0.50", "0.55")),
    (90, ("0.86", "0.29", "0.64", "0.42", "0.45")),
    (180, ("0.78", "0.23", "0.55", "0.32", "0.35")),
    (float("inf"), ("0.62", "0.17", "0.45", "0.22", "0.25")),
)
BUCKETS = ("1-30", "31-60", "61-90", "91-180", "181+")
GROUPS = ("CALL_BACK", "BROKEN_PROMISE", "VALUE")
# Protections that the house keeps whether or not a rule of this country names them (domain.md 3.1, rows of UA and RU).
HOUSE_BLOCKS = frozenset({"deceased", "incapacitated", "inpatient", "minor"})


@dataclass(frozen=True, slots=True)
class TaskView:
    kind: str
    control_date: date
    earliest_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FlagView:
    name: str
    since: date
    until: date | None = None


@dataclass(frozen=True, slots=True)
class PhoneView:
    """`missed`: calls of late that no person answered. `stopped`: by the stop-list, for everybody who has it."""

    id: UUID
    owner_kind: str
    state: str
    number_type: str
    rank: int
    missed: int = 0
    stopped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """One open case as the night sees it. `overdue` and `days_past_due` are those of the currency with most days late."""

    case_id: UUID
    number: int
    state: str
    hold_until: date | None = None
    currency: str = ""
    overdue: Decimal = Decimal(0)
    days_past_due: int = 0
    promise_ends: date | None = None  # first day on which an open promise keeps nobody from calling
    no_disposition: bool = False  # the last talk still waits for its result
    stop: str = ""  # the stop-list's reason (FL-08)
    stop_until: date | None = None  # its last day
    list_hold: str = ""  # NO_FILE, NOT_IN_FILE: the bank's list is not to be believed about this borrower (FL-07)
    tasks: Sequence[TaskView] = ()
    flags: Sequence[FlagView] = ()
    phones: Sequence[PhoneView] = ()


@dataclass(frozen=True, slots=True)
class NotToday:
    """`until`: when this reason ends; None = only a person or new data ends it. `rule`: what says so."""

    reason: str
    until: datetime | None = None
    rule: str = ""


def best_phone(phones: Iterable[PhoneView]) -> PhoneView | None:
    """The borrower's own number before one at work or of unknown owner; verified before unverified before suspect;
    the less often missed, mobile before fixed, then the file's order. Dead, unreachable and strangers' numbers never,
    nor a fax, and never those of relatives and third parties: these need a lawful reason of their own."""
    usable = [
        p
        for p in phones
        if p.state not in UNUSABLE and p.owner_kind in _OWNERS and p.number_type != "fax" and not p.stopped
    ]
    return min(
        usable,
        key=lambda p: (
            _OWNERS.index(p.owner_kind), _STATES.index(p.state), p.missed, p.number_type != "mobile", p.rank, str(p.id)
        ),
        default=None,
    )  # fmt: skip


_OWNERS = ("self", "unknown", "work")
_STATES = ("VERIFIED", "UNVERIFIED", "SUSPECT")


def own_refusal(case: CaseView, today: date, zone: ZoneInfo) -> NotToday | None:
    """The first reason that the case itself gives, whatever the law says. `zone` is the bank's."""
    return min(_own_refusals(case, today, zone), key=lambda r: REASON_ORDER[r.reason], default=None)


def _own_refusals(case: CaseView, today: date, zone: ZoneInfo) -> Iterable[NotToday]:
    if case.state in OVER:
        yield NotToday("CLOSED", None, case.state)
    yield from _word_of_the_bank(case, zone)
    if case.state in ELSEWHERE:
        lifted = case.hold_until + timedelta(days=1) if case.state == "ON_HOLD" and case.hold_until else None
        yield NotToday("ON_HOLD", _midnight(lifted, zone), case.state)
    if case.no_disposition:
        yield NotToday("ON_HOLD", None, "NO_DISPOSITION")
    for task in case.tasks:
        if task.kind in HOLDS:
            yield NotToday("ON_HOLD", None, task.kind)
        elif task.kind in WAITS and task.control_date > today:
            yield NotToday("NOT_DUE", _midnight(task.control_date, zone), task.kind)
        elif task.kind == CALLBACK and _call_back_day(task, zone) > today:
            yield NotToday("NOT_DUE", task.earliest_at or _midnight(task.control_date, zone), CALLBACK)
    for flag in case.flags:
        if flag.name in HOUSE_BLOCKS and flag.since <= today and (flag.until is None or today <= flag.until):
            yield NotToday("STATUS_BLOCK", _midnight(flag.until and flag.until + timedelta(days=1), zone), flag.name)
    if case.state == "CURED" or case.days_past_due == 0:
        yield NotToday("NOT_DUE", None, "DPD_0")
    if case.promise_ends is not None:
        yield NotToday("PROMISE_OPEN", _midnight(case.promise_ends, zone) if case.promise_ends > today else None)
    if best_phone(case.phones) is None:
        yield NotToday("NO_PHONE")


def _word_of_the_bank(case: CaseView, zone: ZoneInfo) -> Iterable[NotToday]:
    """Its stop-list (FL-08), and lists that are not to be believed about this borrower (FL-07)."""
    if case.stop:
        lasts = case.stop_until and case.stop_until + timedelta(days=1)
        yield NotToday("STOP_LIST", _midnight(lasts, zone), case.stop)
    elif any(p.stopped for p in case.phones) and best_phone(case.phones) is None:
        yield NotToday("STOP_LIST", None, "phone")
    if case.list_hold:
        yield NotToday("ON_HOLD", None, case.list_hold)


def _call_back_day(task: TaskView, zone: ZoneInfo) -> date:
    return task.earliest_at.astimezone(zone).date() if task.earliest_at else task.control_date


def _midnight(day: date | None, zone: ZoneInfo) -> datetime | None:
    return datetime.combine(day, time(), zone) if day else None


def lawful_refusal(decision: Decision, day_ends: datetime) -> NotToday | None:
    """What the evaluator has against a call on this business date; None when some moment of it is lawful.

    A reason that ends within the day is passed over for one that does not: nobody waits for the night to end alone.
    """
    if decision.allow or (decision.next_allowed_at is not None and decision.next_allowed_at < day_ends):
        return None
    lasting = [r for r in decision.reasons if r.until is None or r.until >= day_ends] or list(decision.reasons)
    first = min(lasting, key=lambda r: REASON_ORDER[r.code])
    return NotToday(str(first.code), decision.next_allowed_at, first.rule_id or "")


def first_of(*refusals: NotToday | None) -> NotToday | None:
    """The one to show (domain.md 2.3: the first that applies)."""
    return min((r for r in refusals if r), key=lambda r: REASON_ORDER[r.reason], default=None)


def earliest(case: CaseView, lawful_from: datetime, now: datetime) -> datetime | None:
    """When the call may be made: not before the law allows nor before the hour that the borrower asked for.

    None = at once.
    """
    asked = [t.earliest_at for t in case.tasks if t.kind == CALLBACK and t.earliest_at]
    at = max([lawful_from, *asked])
    return at if at > now else None


# --- order ---------------------------------------------------------------------------------------------------------


def chance(days_past_due: int) -> tuple[str, Decimal]:
    """Bucket, and the chance that one call ends in a promise that is kept."""
    for bucket, (last, factors) in zip(BUCKETS, _CHANCES, strict=True):
        if days_past_due <= last:
            product = Decimal(1)
            for factor in factors:
                product *= Decimal(factor)
            return bucket, product
    raise AssertionError("the last bucket has no end")


_BY_BUCKET: Mapping[str, Decimal] = MappingProxyType(dict(chance(days) for days in (1, 31, 61, 91, 181)))


@dataclass(frozen=True, slots=True)
class Placed:
    """A case with its place (1 = first) and the terms of it."""

    case: CaseView
    position: int
    why: dict[str, Any] = field(default_factory=dict)


def order(cases: Sequence[CaseView], today: date) -> list[Placed]:
    """Deterministic: equal terms go by case number."""
    expected = {c.case_id: c.overdue * _BY_BUCKET[chance(c.days_past_due)[0]] for c in cases}
    typical: dict[str, Decimal] = {}
    for currency in {c.currency for c in cases}:
        typical[currency] = median(expected[c.case_id] for c in cases if c.currency == currency)
    keyed = []
    for case in cases:
        group, at = _group(case, today)
        times = expected[case.case_id] / typical[case.currency] if typical[case.currency] else Decimal(0)
        keyed.append(((GROUPS.index(group), at or _NEVER, -times, case.number), group, at, times, case))
    keyed.sort(key=lambda k: k[0])
    return [
        Placed(case, position, _why(case, group, at, expected[case.case_id], times))
        for position, (_, group, at, times, case) in enumerate(keyed, 1)
    ]


_NEVER = datetime.max.replace(tzinfo=ZoneInfo("UTC"))


def _group(case: CaseView, today: date) -> tuple[str, datetime | None]:
    for task in case.tasks:
        if task.kind == CALLBACK:  # one that is not due today has been refused as NOT_DUE
            return "CALL_BACK", task.earliest_at
    if any(t.kind == FOLLOW_UP and t.control_date <= today for t in case.tasks):
        return "BROKEN_PROMISE", None
    return "VALUE", None


def _why(case: CaseView, group: str, at: datetime | None, expected: Decimal, times: Decimal) -> dict[str, Any]:
    bucket, share = chance(case.days_past_due)
    why: dict[str, Any] = {
        "group": group,
        "overdue": str(case.overdue),
        "currency": case.currency,
        "days_past_due": case.days_past_due,
        "bucket": bucket,
        "chance": str(share.quantize(Decimal("0.0001"))),
        "expected": str(expected.quantize(Decimal("0.01"))),
        "times_typical": str(times.quantize(Decimal("0.01"))),
    }
    if at is not None:
        why["call_back_at"] = at.isoformat()
    return why
