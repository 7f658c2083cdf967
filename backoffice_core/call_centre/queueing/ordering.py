"""In which order the queue is called, pure, and with which terms.

(Once calls have taught when each number is answered, those ordered by value stand by the plan of the day: `live_order.py`.)

The order is one that a manager can read. First the borrowers who asked for a call back, by their hour; then those whose
promise went by unpaid; then all others by expected value: overdue sum × the chance that one call to a debt of this age
ends in a kept promise. Currencies are not compared: each value is a multiple of the typical one (the median) of its
own currency. What is typical is worked out once for a date, at night (`Norms`); from then on a case finds its place by
itself, so that one that is judged anew during the day comes to stand where the night would have put it.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from math import log2
from statistics import median
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from backoffice_core.call_centre.dialing.campaign_terms import Strategy
from backoffice_core.call_centre.queueing.chances import Floats
from backoffice_core.call_centre.queueing.queue_rules import CaseView
from backoffice_core.cases.rules import CALLBACK, FOLLOW_UP

# Last day past due -> valid number, answer, right party of answers, promise of right parties, kept (domain.md 5.3)
_CHANCES: tuple[tuple[float, tuple[str, ...]], ...] = (
    (30, ("0.95", "0.42", "0.80", "0.60", "0.68")),
    (60, ("0.91", "0.35", "0.72", "0.50", "0.55")),
    (90, ("0.86", "0.29", "0.64", "0.42", "0.45")),
    (180, ("0.78", "0.23", "0.55", "0.32", "0.35")),
    (float("inf"), ("0.62", "0.17", "0.45", "0.22", "0.25")),
)
BUCKETS = ("1-30", "31-60", "61-90", "91-180", "181+")
_AS_SHIPPED = Strategy()
GROUPS = ("CALL_BACK", "BROKEN_PROMISE", "VALUE")


def chance(days_past_due: int) -> tuple[str, Decimal]:
    """Bucket, and the chance that one call ends in a promise that is kept."""
    for bucket, (last, factors) in zip(BUCKETS, _CHANCES, strict=True):
        if days_past_due <= last:
            product = Decimal(1)
            for factor in factors:
                product *= Decimal(factor)
            return bucket, product
    raise AssertionError("the last bucket has no end")


_OF_CONTACT: Mapping[str, Decimal] = MappingProxyType(
    {name: Decimal(factors[3]) * Decimal(factors[4]) for name, (_, factors) in zip(BUCKETS, _CHANCES, strict=True)}
)  # that a talk with the borrower ends in a promise which is kept
_BY_BUCKET: Mapping[str, Decimal] = MappingProxyType(dict(chance(days) for days in (1, 31, 61, 91, 181)))
_CENT, _NOUGHT = Decimal("0.01"), Decimal(0)
_SHOWN = {bucket: str(share.quantize(Decimal("0.0001"))) for bucket, share in _BY_BUCKET.items()}


_ENDS = tuple(last for last, _ in _CHANCES)


def bucket_of(days_past_due: int) -> str:
    return BUCKETS[bisect_left(_ENDS, days_past_due)]


def expected(case: CaseView) -> Decimal:
    return case.overdue * _BY_BUCKET[bucket_of(case.days_past_due)]


def worth(case: CaseView, strategy: Strategy) -> Decimal:
    """By what the campaign orders, never below nought; expected value is what is expected above a call's cost."""
    if strategy.by == "amount":
        by = case.overdue
    elif strategy.by == "days":
        by = Decimal(case.days_past_due)
    else:
        by = max(expected(case) - strategy.cost.get(case.currency, _NOUGHT), _NOUGHT)
    weight = strategy.weights.get(case.stage)
    return by if weight is None else by * weight


def contact_worth(case: CaseView, strategy: Strategy) -> Decimal:
    """What a talk with the borrower is expected to bring, in his currency, times the weight of his stage."""
    brings = case.overdue * _OF_CONTACT[bucket_of(case.days_past_due)]
    return brings * strategy.weights.get(case.stage, Decimal(1))


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPlan:
    """What the plan of a day places cases by. `learned`: the night that taught it; `hour`: of the bank's day, at which prices
    were last found; `prices`: of an agent's second in each hour of that day; `right`, `answered`: chances by hour of numbers
    not heard of, by group; `handle`: seconds with the borrower, with another, of ringing; `attempts`: of a case and day;
    `typical`: the median worth of a contact, by currency; `places`: by jurisdiction and time zone the hours that its clock is
    ahead, the hour at which calling ends, and the attempts that the law allows a day; `part`: of
    the agents' time that this campaign's cases may plan with."""

    learned: date
    hour: int
    prices: tuple[float, ...]
    right: list[list[float]]
    answered: list[list[float]]
    handle: list[float]
    attempts: int
    typical: Mapping[str, Decimal]
    places: Mapping[str, tuple[int, int, int]]
    part: float = 1.0

    @property
    def groups(self) -> tuple[Floats, Floats]:
        return np.array(self.right), np.array(self.answered)

    def as_json(self) -> dict[str, Any]:
        return {
            "learned": self.learned.isoformat(), "hour": self.hour, "prices": list(self.prices), "right": self.right,
            "answered": self.answered, "handle": self.handle, "attempts": self.attempts,
            "typical": {currency: str(value) for currency, value in sorted(self.typical.items())},
            "places": {key: list(value) for key, value in self.places.items()}, "part": self.part,
        }  # fmt: skip

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> "DayPlan":
        known = {**said, "learned": date.fromisoformat(said["learned"]), "prices": tuple(said["prices"])}
        known["typical"] = {currency: Decimal(value) for currency, value in said["typical"].items()}
        known["places"] = {key: tuple(value) for key, value in said["places"].items()}
        return cls(**known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """Where the plan puts a case. `score`: about -5 … 5, the greater the sooner; `now`: it is to be called in this hour,
    otherwise it stands behind all who are, or waits. `chance` to reach him now, by a number called `tried` times; `best_hour`
    of his own day, with its `best_chance`."""

    score: float
    now: bool
    waits_until: datetime | None
    chance: float
    best_hour: int
    best_chance: float
    tried: int
    pays: bool = True  # at some hour of the day it brings more than a call costs


@dataclass(frozen=True, slots=True)
class Norms:
    """What the cases of one date are compared with. `typical`: the median worth of each currency, by `strategy`."""

    typical: Mapping[str, Decimal] = field(default_factory=dict)
    strategy: Strategy = field(default_factory=Strategy)
    plan: DayPlan | None = None
    campaigns: Mapping[str, "Norms"] = field(default_factory=dict)  # those with a list of their own

    def of(self, campaign: str) -> "Norms":
        return self.campaigns.get(campaign, self)

    def as_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {"typical": {currency: str(value) for currency, value in sorted(self.typical.items())}}
        if self.plan is not None:
            said["plan"] = self.plan.as_json()
        if self.campaigns:
            said["campaigns"] = {name: one.as_json() for name, one in sorted(self.campaigns.items())}
        return said

    @classmethod
    def read(cls, said: Mapping[str, Any], strategies: Mapping[str, Strategy], name: str) -> "Norms":
        """Those of campaign `name` and, below it, of all others with theirs."""
        strategy = strategies.get(name, _AS_SHIPPED)
        typical = {currency: Decimal(value) for currency, value in said.get("typical", {}).items()}
        planned = said.get("plan") if strategy.by == "value" and strategy.hours != "off" else None
        others = {one: cls.read(norms, strategies, one) for one, norms in said.get("campaigns", {}).items()}
        return cls(typical, strategy, DayPlan.read(planned) if planned else None, others)


class Worths:
    """What is typical of cases that come in parts."""

    def __init__(self, strategy: Strategy = _AS_SHIPPED) -> None:
        self._strategy = strategy
        self._by_currency: dict[str, list[Decimal]] = {}

    def add(self, case: CaseView) -> None:
        self._by_currency.setdefault(case.currency, []).append(worth(case, self._strategy))

    def norms(self) -> Norms:
        return Norms({currency: median(values) for currency, values in self._by_currency.items()}, self._strategy)


def norms_of(cases: Iterable[CaseView], strategy: Strategy = _AS_SHIPPED) -> Norms:
    worths = Worths(strategy)
    for case in cases:
        worths.add(case)
    return worths.norms()


@dataclass(frozen=True, slots=True)
class Placed:
    """A case with its place and the terms of it. `position` orders tasks, the smaller first; it is no rank: between two of
    them others may come. Equal terms go by case number."""

    case: CaseView
    position: int
    why: dict[str, Any] = field(default_factory=dict)
    waits_until: datetime | None = None  # for his better hour, while agents have time enough then


# A position is its group, then 16 bits of value, then 12 of the case number; three groups stay inside PostgreSQL's integer.
_VALUES, _NUMBERS = 1 << 16, 1 << 12
_OCTAVES = 16  # values from 2^-16 to 2^16 times the typical one are told apart from 0.04 % on


def place(case: CaseView, norms: Norms, today: date, zone: ZoneInfo, planned: Planned | None = None) -> Placed:
    """Where the case stands in the queue of `today`. `zone`: the bank's."""
    group, at = _group(case, today)
    value = worth(case, norms.strategy)
    typical = norms.typical.get(case.currency) or value
    times = value / typical if typical else Decimal(0)
    why = _why(case, group, at, times, norms.strategy)
    waits = None
    if group == "CALL_BACK":
        begins = datetime(today.year, today.month, today.day, tzinfo=zone)
        inside = _VALUES - 1 if at is None else min(max(int((at - begins).total_seconds()) // 2, 0), _VALUES - 2)
    elif planned is not None:
        inside = _by_score(planned)
        why |= said_of(planned, case.overdue, why["bucket"])
        why["contact_worth"] = str(contact_worth(case, norms.strategy).quantize(Decimal("0.01")))
        waits = planned.waits_until if group == "VALUE" else None
    else:
        inside = _behind(float(times))
    position = (GROUPS.index(group) * _VALUES + inside) * _NUMBERS + case.number % _NUMBERS
    return Placed(case, position, why, waits)


_SCORES = 5.0


def _by_score(planned: Planned) -> int:
    """Those of this hour before all others."""
    half = _VALUES // 2
    share = (min(max(planned.score, -_SCORES), _SCORES) + _SCORES) / (2 * _SCORES)
    return int((1 - share) * (half - 1)) + (0 if planned.now else half)


def position_of(group: str, planned: Planned, before: int) -> int:
    """Where a case stands by the plan; `before`: any position of it, for its number."""
    return (GROUPS.index(group) * _VALUES + _by_score(planned)) * _NUMBERS + before % _NUMBERS


def said_of(planned: Planned, overdue: Decimal, bucket: str) -> dict[str, Any]:
    """What the plan adds to the terms of a place."""
    share = Decimal(str(round(planned.chance, 4))) * _OF_CONTACT[bucket]
    return {
        "chance": str(share.quantize(Decimal("0.0001"))),
        "expected": str((overdue * share).quantize(Decimal("0.01"))),
        "pays": planned.pays, "reach": f"{planned.chance:.2f}", "best_hour": planned.best_hour,
        "best_reach": f"{planned.best_chance:.2f}",
        "tried": planned.tried,
    }  # fmt: skip


def _behind(times: float) -> int:
    """The greater, the nearer to the front: by its logarithm, so that small values are told apart as well as great ones."""
    if times <= 0:
        return _VALUES - 1
    share = (log2(times) + _OCTAVES) / (2 * _OCTAVES)
    return int((1 - min(max(share, 0.0), 1.0)) * (_VALUES - 1))


def order(cases: Sequence[CaseView], today: date, zone: ZoneInfo, *, strategy: Strategy = _AS_SHIPPED) -> list[Placed]:
    """All of them in their order, compared with each other."""
    norms = norms_of(cases, strategy)
    return sorted((place(case, norms, today, zone) for case in cases), key=lambda p: (p.position, p.case.number))


def _group(case: CaseView, today: date) -> tuple[str, datetime | None]:
    if not case.tasks:
        return "VALUE", None
    for task in case.tasks:
        if task.kind == CALLBACK:  # one that is not due today has been refused as NOT_DUE
            return "CALL_BACK", task.earliest_at
    if any(t.kind == FOLLOW_UP and t.control_date <= today for t in case.tasks):
        return "BROKEN_PROMISE", None
    return "VALUE", None


def _why(case: CaseView, group: str, at: datetime | None, times: Decimal, strategy: Strategy) -> dict[str, Any]:
    bucket = bucket_of(case.days_past_due)
    why: dict[str, Any] = {
        "group": group,
        "overdue": str(case.overdue),
        "currency": case.currency,
        "days_past_due": case.days_past_due,
        "bucket": bucket,
        "chance": _SHOWN[bucket],
        "expected": str((case.overdue * _BY_BUCKET[bucket]).quantize(_CENT)),
        "times_typical": str(times.quantize(_CENT)),
    }
    if strategy.by != "value":
        why["by"] = strategy.by
    if cost := strategy.cost.get(case.currency):
        why["cost"] = str(cost)
    if (weight := strategy.weights.get(case.stage)) is not None:
        why["weight"] = str(weight)
    if at is not None:
        why["call_back_at"] = at.isoformat()
    return why
