"""In which order the queue is called, pure, and with which terms.

The order is one that a manager can read. First the borrowers who asked for a call back, by their hour; then those whose
promise went by unpaid; then all others by expected value: overdue sum × the chance that one call to a debt of this age
ends in a kept promise. Currencies are not compared: each value is a multiple of the typical one (the median) of its
own currency. What is typical is worked out once for a date, at night (`Norms`); from then on a case finds its place by
itself, so that one that is judged anew during the day comes to stand where the night would have put it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from math import log2
from statistics import median
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from backoffice_core.call_centre.campaign_terms import Strategy
from backoffice_core.call_centre.queue_rules import CaseView
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


_BY_BUCKET: Mapping[str, Decimal] = MappingProxyType(dict(chance(days) for days in (1, 31, 61, 91, 181)))


def bucket_of(days_past_due: int) -> str:
    return next(name for name, (last, _) in zip(BUCKETS, _CHANCES, strict=True) if days_past_due <= last)


def expected(case: CaseView) -> Decimal:
    return case.overdue * _BY_BUCKET[bucket_of(case.days_past_due)]


def worth(case: CaseView, strategy: Strategy) -> Decimal:
    """By what the campaign orders, never below nought; expected value is what is expected above a call's cost."""
    by = {"amount": case.overdue, "days": Decimal(case.days_past_due)}.get(strategy.by)
    if by is None:
        by = max(expected(case) - strategy.cost.get(case.currency, Decimal(0)), Decimal(0))
    return by * strategy.weights.get(case.stage, Decimal(1))


@dataclass(frozen=True, slots=True)
class Norms:
    """What the cases of one date are compared with. `typical`: the median worth of each currency, by `strategy`."""

    typical: Mapping[str, Decimal] = field(default_factory=dict)
    strategy: Strategy = field(default_factory=Strategy)

    def as_json(self) -> dict[str, Any]:
        return {"typical": {currency: str(value) for currency, value in sorted(self.typical.items())}}

    @classmethod
    def read(cls, said: Mapping[str, Any], strategy: Strategy) -> "Norms":
        return cls({currency: Decimal(value) for currency, value in said.get("typical", {}).items()}, strategy)


def norms_of(cases: Iterable[CaseView], strategy: Strategy = _AS_SHIPPED) -> Norms:
    by_currency: dict[str, list[Decimal]] = {}
    for case in cases:
        by_currency.setdefault(case.currency, []).append(worth(case, strategy))
    return Norms({currency: median(values) for currency, values in by_currency.items()}, strategy)


@dataclass(frozen=True, slots=True)
class Placed:
    """A case with its place and the terms of it. `position` orders tasks, the smaller first; it is no rank: between two of
    them others may come. Equal terms go by case number."""

    case: CaseView
    position: int
    why: dict[str, Any] = field(default_factory=dict)


# A position is its group, then 16 bits of value, then 12 of the case number; three groups stay inside PostgreSQL's integer.
_VALUES, _NUMBERS = 1 << 16, 1 << 12
_OCTAVES = 16  # values from 2^-16 to 2^16 times the typical one are told apart from 0.04 % on


def place(case: CaseView, norms: Norms, today: date, zone: ZoneInfo) -> Placed:
    """Where the case stands in the queue of `today`. `zone`: the bank's."""
    group, at = _group(case, today)
    value = worth(case, norms.strategy)
    typical = norms.typical.get(case.currency) or value
    times = value / typical if typical else Decimal(0)
    if group == "CALL_BACK":
        begins = datetime(today.year, today.month, today.day, tzinfo=zone)
        inside = _VALUES - 1 if at is None else min(max(int((at - begins).total_seconds()) // 2, 0), _VALUES - 2)
    else:
        inside = _behind(float(times))
    position = (GROUPS.index(group) * _VALUES + inside) * _NUMBERS + case.number % _NUMBERS
    return Placed(case, position, _why(case, group, at, times, norms.strategy))


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
    for task in case.tasks:
        if task.kind == CALLBACK:  # one that is not due today has been refused as NOT_DUE
            return "CALL_BACK", task.earliest_at
    if any(t.kind == FOLLOW_UP and t.control_date <= today for t in case.tasks):
        return "BROKEN_PROMISE", None
    return "VALUE", None


def _why(case: CaseView, group: str, at: datetime | None, times: Decimal, strategy: Strategy) -> dict[str, Any]:
    bucket = bucket_of(case.days_past_due)
    share = _BY_BUCKET[bucket]
    why: dict[str, Any] = {
        "group": group,
        "overdue": str(case.overdue),
        "currency": case.currency,
        "days_past_due": case.days_past_due,
        "bucket": bucket,
        "chance": str(share.quantize(Decimal("0.0001"))),
        "expected": str(expected(case).quantize(Decimal("0.01"))),
        "times_typical": str(times.quantize(Decimal("0.01"))),
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
