"""The queue's rules, pure: who is not called and why, by which phone and from when, and what becomes of a task that stands
in the queue when its case is judged anew."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from backoffice_core.borrowers.rules import UNUSABLE
from backoffice_core.cases.rules import CALLBACK, ELSEWHERE, HOLDS, OVER, WAITS
from backoffice_core.compliance.terms import REASON_ORDER, Decision
from backoffice_core.days import day_after

# Protections that the house keeps whether or not a rule of this country names them (domain.md 3.1, rows of UA and RU).
HOUSE_BLOCKS = frozenset({"deceased", "incapacitated", "inpatient", "minor"})


class TaskView(NamedTuple):
    kind: str
    control_date: date
    earliest_at: datetime | None = None


class FlagView(NamedTuple):
    name: str
    since: date
    until: date | None = None


class PhoneView(NamedTuple):
    """`missed`: calls of late that no person answered. `stopped`: by the stop-list, for everybody who has it."""

    id: UUID
    owner_kind: str
    state: str
    number_type: str
    rank: int
    missed: int = 0
    stopped: bool = False


class CaseView(NamedTuple):
    """One open case as the night sees it; made by names alone. `overdue` and `days_past_due` are those of the currency with
    most days late."""

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
    stage: int = 0
    last_called: datetime | None = None  # of this date
    tasks: Sequence[TaskView] = ()
    flags: Sequence[FlagView] = ()
    phones: Sequence[PhoneView] = ()


class NotToday(NamedTuple):
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
    if len(usable) == 1:
        return usable[0]
    return min(
        usable,
        key=lambda p: (
            _OWNERS.index(p.owner_kind), _STATES.index(p.state), p.missed, p.number_type != "mobile", p.rank, str(p.id)
        ),
        default=None,
    )  # fmt: skip


_OWNERS = ("self", "unknown", "work")
_STATES = ("VERIFIED", "UNVERIFIED", "SUSPECT")


def own_refusal(case: CaseView, today: date, zone: ZoneInfo, debt: bool = True) -> NotToday | None:
    """The first reason that the case itself gives, whatever the law says. `zone` is the bank's; `debt`: the call is about what
    is overdue, not a survey or information, for which nobody needs to owe anything and no promise stands against."""
    return min(_own_refusals(case, today, zone, debt), key=lambda r: REASON_ORDER[r.reason], default=None)


def own_terms(case: CaseView, best: PhoneView | None) -> tuple[object, ...]:
    """All of a case that `own_refusal` looks at: cases that are equal in it get the same. `best`: of its phones."""
    return (
        case.state, case.days_past_due == 0, best is None, best is None and any(p.stopped for p in case.phones),
        case.hold_until, case.promise_ends, case.no_disposition, case.stop, case.stop_until, case.list_hold, case.tasks,
        case.flags,
    )  # fmt: skip


def _own_refusals(case: CaseView, today: date, zone: ZoneInfo, debt: bool) -> Iterable[NotToday]:
    if case.state in OVER:
        yield NotToday("CLOSED", None, case.state)
    yield from _word_of_the_bank(case, zone)
    if case.state in ELSEWHERE:
        lifted = day_after(case.hold_until) if case.state == "ON_HOLD" else None
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
            yield NotToday("STATUS_BLOCK", _midnight(day_after(flag.until), zone), flag.name)
    if debt and (case.state == "CURED" or case.days_past_due == 0):
        yield NotToday("NOT_DUE", None, "DPD_0")
    if debt and case.promise_ends is not None:
        yield NotToday("PROMISE_OPEN", _midnight(case.promise_ends, zone) if case.promise_ends > today else None)
    if best_phone(case.phones) is None:
        yield NotToday("NO_PHONE")


def _word_of_the_bank(case: CaseView, zone: ZoneInfo) -> Iterable[NotToday]:
    """Its stop-list (FL-08), and lists that are not to be believed about this borrower (FL-07)."""
    if case.stop:
        yield NotToday("STOP_LIST", _midnight(day_after(case.stop_until), zone), case.stop)
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


# --- what becomes of a task ----------------------------------------------------------------------------------------

NO_SUCH_LINE = frozenset({"INVALID_NUMBER", "FAX"})  # the call's result is of the number, not of the borrower
BEST_HOUR = "BEST_HOUR"  # waits for the hour of the day at which he is likeliest reached
JUDGED_ALONE = frozenset({"cancelled"})  # a mark by the cancelling itself: no fact speaks for calling again


class Stand(NamedTuple):
    """A case's task as it stands in the queue of the date; nobody is dialing it."""

    id: UUID
    state: str
    state_reason: str
    attempts: int
    fence: int
    earliest_at: datetime | None

    @property
    def untouched(self) -> bool:
        return self.state == "ELIGIBLE" and self.attempts == 0 and self.fence == 0


class Change(NamedTuple):
    """`act`: keep, place (a new or a standing task), withdraw (an untouched one), cancel. `refused`: the reason that stands
    for the case; None = its task speaks for it."""

    act: str
    refused: NotToday | None = None
    state: str = ""
    state_reason: str = ""
    earliest_at: datetime | None = None

    def after(self, better_hour: datetime | None) -> "Change":
        """The same, not before the hour that the plan of the day has for him."""
        if better_hour is None or (self.earliest_at is not None and self.earliest_at >= better_hour):
            return self
        return self._replace(earliest_at=better_hour, state_reason=self.state_reason or BEST_HOUR)


def change_of(
    stand: Stand | None, case: CaseView, refused: NotToday | None, from_when: datetime | None, at: datetime,
    whys: Collection[str], moves_on: datetime | None = None,
) -> Change:  # fmt: skip
    """What the judgement (`refused`, or callable from `from_when`) does to the task that stands. `whys`: what has changed.

    A call that was made today leaves its wait, unless the borrower asked for an hour after it; so does a talk end the day.
    `moves_on`: another number of his is the best now, and may be called from then on (business time).
    """
    if stand is None:
        return Change("keep", refused) if refused else Change("place", None, "ELIGIBLE", "", from_when)
    if stand.state == "UNKNOWN":  # a person must settle it
        return Change("keep")
    if stand.state in {"DONE", "EXHAUSTED"}:
        if refused:
            return Change("keep")
        if asked_since(case):
            return Change("place", None, "ELIGIBLE", "", from_when)
        if stand.state == "DONE" and stand.state_reason in NO_SUCH_LINE and moves_on is not None:
            return Change("place", None, "RETRY_WAIT", stand.state_reason, _not_before(at, moves_on, from_when))
        return Change("keep")
    if refused:
        if stand.state == "CANCELLED":
            return Change("keep", refused)
        return Change("withdraw" if stand.untouched else "cancel", refused, "CANCELLED", refused.reason)
    if stand.state == "CANCELLED":
        if stand.state_reason not in REASON_ORDER or not (set(whys) - JUDGED_ALONE):
            return Change("keep", NotToday(stand.state_reason))  # no trunk may take it: no fact of the case
        return Change("place", None, "ELIGIBLE", "", from_when)
    return _of_waiting(stand, case, from_when, at, whys, moves_on)


def _of_waiting(
    stand: Stand,
    case: CaseView,
    from_when: datetime | None,
    at: datetime,
    whys: Collection[str],
    moves_on: datetime | None,
) -> Change:
    if asked_since(case):
        return Change("place", None, stand.state, stand.state_reason, from_when)
    lifted = stand.state_reason in REASON_ORDER or ("caller_id" in whys and stand.state_reason.startswith("CALLER_ID"))
    if stand.state == "ELIGIBLE" or lifted:
        return Change("place", None, "ELIGIBLE", "", from_when)
    waits_until = stand.earliest_at or at
    if moves_on is not None and "call" in whys:
        waits_until = min(waits_until, moves_on)
    return Change("place", None, stand.state, stand.state_reason, _not_before(at, waits_until, from_when))


def _not_before(at: datetime, *hours: datetime | None) -> datetime | None:
    """The latest of these hours; None = at once."""
    latest = max(hour or at for hour in hours)
    return latest if latest > at else None


def asked_since(case: CaseView) -> bool:
    """Whether he asked for an hour that is after the last call of the date: that hour counts, whatever the call came to."""
    return case.last_called is not None and any(
        t.kind == CALLBACK and t.earliest_at is not None and t.earliest_at > case.last_called for t in case.tasks
    )
