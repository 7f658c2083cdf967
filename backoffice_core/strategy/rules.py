"""Strategies, pure: reading a version from its data, whose a case is, and which steps are due for it on a day."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from backoffice_core.errors import BadInput

CHANNEL = {
    "SMS": "sms", "CALL": "call", "ROBOT_CALL": "robot", "EMAIL": "email", "LETTER": "letter", "VISIT": "visit",
}  # fmt: skip
KINDS = (*CHANNEL, "HAND_OVER", "LEGAL_STEP", "SPECIALIST", "OTHER")
STOPPED_AS = {"LEGAL_STEP": "legal"}  # kinds without a channel that a hold may name
BY_PHONE = frozenset({"sms", "call", "robot"})
STAGES = range(10)  # domain.md 4.1
ONLY_IF = (
    "",
    "no_contact",
    "broken_promise",
)  # no right party reached since the stage began; a promise was broken ever
OBSTACLES = ("NO_PHONE", "HOLD", "NOT_LAWFUL")  # for which a step may have another in its place
SKIPS = (
    "CURED", "CLOSED", "ELSEWHERE", "PROMISE_OPEN", "HOLD", "NO_PHONE", "NOT_LAWFUL", "NOT_NEEDED", "STAGE_CHANGED",
    "TASK_CANCELLED", "TAKEN_BACK",
)  # fmt: skip
STATES = ("DONE", "LATE", "SKIPPED", "OPEN")
OVER = frozenset({"PAID_OFF", "WRITTEN_OFF", "SOLD", "CLOSED"})
ELSEWHERE = frozenset({"PLACED"})  # an agency's own strategy rules
LAST_DAY, LONGEST = 2000, 365
WHOLE = 100
_LISTS = ("product", "branch", "currency", "language")
_SUMS = ("overdue_min", "overdue_max")
_DAYS = ("dpd_min", "dpd_max", "broken_min", "broken_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Conditions over a case's facts; all of them hold. An empty list or None asks nothing; bounds are included."""

    stage: tuple[int, ...] = ()
    product: tuple[str, ...] = ()
    branch: tuple[str, ...] = ()
    currency: tuple[str, ...] = ()
    language: tuple[str, ...] = ()
    overdue_min: Decimal | None = None
    overdue_max: Decimal | None = None
    dpd_min: int | None = None
    dpd_max: int | None = None
    broken_min: int | None = None
    broken_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`day`: days after the case came to its stage. `within`: working days it may take, 0 = the same day.

    `fallback`: the kind that takes its place when one of `fallback_on` stands in the way. `escalate_days`: working days
    late after which its task goes up; None = as the rule of its kind says.
    """

    key: str
    stage: int
    kind: str
    day: int
    within: int = 1
    segment: str = ""
    arm: str = ""
    only_if: str = ""
    fallback: str = ""
    fallback_on: tuple[str, ...] = ()
    unit: str = ""
    escalate_days: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Arm:
    code: str
    share: int  # percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    strategy: str
    scope: Segment = field(default_factory=Segment)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    arms: tuple[Arm, ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One case. `overdue`, `currency`, `days_past_due`, `product`, `branch`: of what is most late. `refused`: by channel,
    the rule by which a contact is not lawful before the step's deadline; channels that were not asked are not in it."""

    number: int
    stage: int
    stage_since: date
    state: str
    days_past_due: int = 0
    overdue: Decimal = Decimal(0)
    currency: str = ""
    product: str = ""
    branch: str = ""
    language: str = ""
    broken: int = 0
    promise_open: bool = False
    has_phone: bool = True
    contact: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    held: frozenset[str] = frozenset()  # what the holds that stand stop (cases/rules.py CHANNELS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """`kind` may be the fallback's. `reason` "" = to be done."""

    step: Step
    due_date: date
    kind: str
    fallback_of: str = ""
    reason: str = ""
    detail: str = ""


def matches(segment: Segment, facts: Facts) -> bool:
    bounds = (
        (segment.overdue_min, segment.overdue_max, facts.overdue), (segment.dpd_min, segment.dpd_max, facts.days_past_due),
        (segment.broken_min, segment.broken_max, facts.broken),
    )  # fmt: skip
    listed: tuple[tuple[tuple[Any, ...], Any], ...] = (
        (segment.stage, facts.stage), (segment.product, facts.product), (segment.branch, facts.branch),
        (segment.currency, facts.currency), (segment.language, facts.language),
    )  # fmt: skip
    return all(not some or value in some for some, value in listed) and all(
        (low is None or value >= low) and (high is None or value <= high) for low, high, value in bounds
    )


def arm_of(version: Version, number: int) -> str:
    """The arm of a case by its number: the same for ever within a strategy whose shares stay."""
    if not version.arms:
        return ""
    digest = hashlib.sha256(f"{number}:{version.strategy}".encode()).digest()
    place, upto = int.from_bytes(digest[:8]) % (WHOLE * 100), 0
    for arm in version.arms:
        upto += arm.share * 100
        if place < upto:
            return arm.code
    return version.arms[-1].code


def governs(version: Version, facts: Facts) -> bool:
    return matches(version.scope, facts)


def fitting(version: Version, facts: Facts) -> Iterable[Step]:
    """The steps of the case's stage that are its own by arm and segment, in their order."""
    arm = arm_of(version, facts.number)
    for step in version.steps:
        mine = step.stage == facts.stage and step.arm in {"", arm}
        if mine and (not step.segment or matches(version.segments[step.segment], facts)):
            yield step


def due(version: Version, facts: Facts, first: date, last: date) -> list[Due]:
    """Steps whose day is from `first` through `last`, each with what is to be done or why it is not."""
    if not governs(version, facts):
        return []
    dated = ((step, facts.stage_since + timedelta(days=step.day)) for step in fitting(version, facts))
    return [judged(step, on, facts) for step, on in dated if first <= on <= last]


def judged(step: Step, on: date, facts: Facts) -> Due:
    """To be done, something else in its place, or skipped with the reason."""
    reason = stopped(facts) or _needless(step, facts)
    if reason:
        return Due(step=step, due_date=on, kind=step.kind, reason=reason)
    obstacle, detail = _obstacle(step.kind, facts)
    if not obstacle:
        return Due(step=step, due_date=on, kind=step.kind)
    if step.fallback and obstacle in step.fallback_on:
        quiet = obstacle == "HOLD" and step.fallback not in CHANNEL  # work inside the house goes on during a hold
        if quiet or not _obstacle(step.fallback, facts)[0]:
            return Due(step=step, due_date=on, kind=step.fallback, fallback_of=step.kind, detail=obstacle)
    return Due(step=step, due_date=on, kind=step.kind, reason=obstacle, detail=detail)


def stopped(facts: Facts) -> str:
    """Why nothing at all is done with the case now; also what ends steps that are open."""
    if facts.state in OVER:
        return "CLOSED"
    if facts.state == "CURED" or facts.days_past_due == 0:
        return "CURED"
    if facts.state in ELSEWHERE:
        return "ELSEWHERE"
    return "PROMISE_OPEN" if facts.promise_open else ""


def _needless(step: Step, facts: Facts) -> str:
    needless = (step.only_if == "no_contact" and facts.contact) or (
        step.only_if == "broken_promise" and not facts.broken
    )
    return "NOT_NEEDED" if needless else ""


def _obstacle(kind: str, facts: Facts) -> tuple[str, str]:
    """A hold stops what it names (an email may go out during a hardship, a claim may not be filed during a dispute); of a case
    on hold without such a row everything."""
    channel = CHANNEL.get(kind, "")
    named = channel or STOPPED_AS.get(kind, "")
    if named in facts.held or (facts.state == "ON_HOLD" and not (named and facts.held)):
        return "HOLD", ""
    if channel in BY_PHONE and not facts.has_phone:
        return "NO_PHONE", ""
    return ("NOT_LAWFUL", facts.refused[channel]) if channel in facts.refused else ("", "")


def deadline(due_date: date, within: int, is_working: Callable[[date], bool]) -> date:
    """The `within`-th working day after the due date; with 0 the day itself."""
    day = due_date
    for _ in range(within):
        day += timedelta(days=1)
        for _ in range(366):
            if is_working(day):
                break
            day += timedelta(days=1)
    return day


def state_as_at(day: date, deadline: date, done_on: date | None, skipped_on: date | None) -> str:
    """What a step was at the end of a day: later facts change nothing of it."""
    if done_on is not None and done_on <= day:
        return "DONE" if done_on <= deadline else "LATE"
    if skipped_on is not None and skipped_on <= day:
        return "SKIPPED" if skipped_on <= deadline else "LATE"  # its ground went when it was late already
    return "LATE" if day > deadline else "OPEN"


# --- reading a version from its data -------------------------------------------------------------------------------


def _refuse(what: str, field: str) -> BadInput:
    return BadInput(f"A strategy cannot hold this: {what}.", remedy="Mend the field that is named.", field=field)


def whole(value: Any, field: str, low: int, high: int) -> int:
    """Raises BadInput naming the field."""
    try:
        number = int(str(value).strip())
    except ValueError:
        raise _refuse(f"{field} = {value}", field) from None
    if not low <= number <= high:
        raise _refuse(f"{field} = {number}", field)
    return number


def read_segment(data: Mapping[str, Any]) -> Segment:
    """Raises BadInput naming the field."""
    if unknown := set(data) - {"stage", *_LISTS, *_SUMS, *_DAYS}:
        raise _refuse(", ".join(sorted(unknown)), sorted(unknown)[0])
    stages = data.get("stage") or ()
    stages = stages.split(",") if isinstance(stages, str) else stages
    read = {whole(one, "stage", STAGES[0], STAGES[-1]) for one in stages if str(one).strip()}
    given: dict[str, Any] = {"stage": tuple(sorted(read))}
    for name in _LISTS:
        some = data.get(name) or ()
        given[name] = tuple(some.split(",") if isinstance(some, str) else some)
        given[name] = tuple(one.strip() for one in given[name] if one.strip())
    for name in _SUMS:
        try:
            given[name] = None if data.get(name) in (None, "") else Decimal(str(data[name]).replace(",", "."))
        except InvalidOperation:
            raise _refuse(f"{name} = {data[name]}", name) from None
    for name in _DAYS:
        given[name] = None if data.get(name) in (None, "") else whole(data[name], name, 0, 100_000)
    for low, high in (("overdue_min", "overdue_max"), ("dpd_min", "dpd_max"), ("broken_min", "broken_max")):
        if given[low] is not None and given[high] is not None and given[low] > given[high]:
            raise _refuse(f"{low} > {high}", high)
    return Segment(**given)


def read_step(data: Mapping[str, Any], segments: Iterable[str], arms: Iterable[str]) -> Step:
    """Raises BadInput naming the field."""
    choices = {
        "kind": KINDS, "segment": ("", *segments), "arm": ("", *arms), "only_if": ONLY_IF, "fallback": ("", *KINDS),
    }  # fmt: skip
    for name, known in choices.items():
        if str(data.get(name, "")) not in known:
            raise _refuse(f"{name} = {data.get(name, '')}", name)
    on = tuple(data.get("fallback_on") or ())
    if set(on) - set(OBSTACLES) or bool(on) != bool(data.get("fallback")) or data.get("fallback") == data["kind"]:
        raise _refuse("fallback_on", "fallback_on" if data.get("fallback") != data["kind"] else "fallback")
    late = data.get("escalate_days")
    soon = 1 if data.get("within") in (None, "") else data["within"]
    return Step(
        key=str(data["key"]), stage=whole(data.get("stage"), "stage", STAGES[0], STAGES[-1]), kind=str(data["kind"]),
        day=whole(data.get("day"), "day", 0, LAST_DAY), within=whole(soon, "within", 0, LONGEST),
        segment=str(data.get("segment", "")), arm=str(data.get("arm", "")), only_if=str(data.get("only_if", "")),
        fallback=str(data.get("fallback", "")), fallback_on=on, unit=str(data.get("unit", "")),
        note=str(data.get("note", ""))[:300],
        escalate_days=None if late in (None, "") else whole(late, "escalate_days", 0, LONGEST),
    )  # fmt: skip


def read(strategy: str, content: Mapping[str, Any]) -> Version:
    """Raises BadInput naming the field that cannot be used."""
    segments = {str(name): read_segment(one) for name, one in (content.get("segments") or {}).items()}
    arms = tuple(
        Arm(str(one["code"]), whole(one.get("share"), "share", 1, WHOLE)) for one in content.get("arms") or ()
    )  # fmt: skip
    if arms and (sum(arm.share for arm in arms) != WHOLE or len({arm.code for arm in arms}) != len(arms)):
        raise _refuse("arms", "arms")
    steps = tuple(read_step(one, segments, [arm.code for arm in arms]) for one in content.get("steps") or ())
    if len({step.key for step in steps}) != len(steps):
        raise _refuse("key", "key")
    return Version(
        strategy=strategy, scope=read_segment(content.get("scope") or {}), segments=segments, arms=arms, steps=steps
    )
