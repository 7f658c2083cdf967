"""Two arms of a strategy compared like for like (pure): shares and means with their 95 % intervals, and what may be said.

Within a stratum (stage × segment) an interval of two shares is Newcombe's (hybrid of Wilson's); over several strata the
differences are weighted by n1·n0 / (n1 + n0) (Cochran, Mantel and Haenszel) with variances of Agresti and Caffo, so that arms
which differ in what they were given do not differ by it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z = 1.959964  # 95 %
FEWEST = 30  # cases in each arm below which nothing is said
FEWEST_EITHER = 5  # cases with, and without, what is counted, over both arms


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True)
class Pair:
    """One stratum: `n` cases in the first arm (champion) and the other, `k` of them with the result."""

    n0: int
    k0: int
    n1: int
    k1: int


@dataclass(frozen=True, slots=True)
class Means:
    """One stratum of sums: cases, their sum and their sum of squares, of the first arm and the other."""

    n0: int
    sum0: float
    squares0: float
    n1: int
    sum1: float
    squares1: float


def wilson(k: int, n: int) -> Interval:
    """A share and its interval. Raises ZeroDivisionError for n = 0."""
    p, z2 = k / n, Z * Z
    mid, half = (p + z2 / (2 * n)) / (1 + z2 / n), Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Interval(max(0.0, mid - half), p, min(1.0, mid + half))


def difference(pairs: Sequence[Pair]) -> Interval | None:
    """The other arm's share less the first's; None when no stratum has both."""
    both = [one for one in pairs if one.n0 and one.n1]
    if not both:
        return None
    if len(both) == 1:
        return _newcombe(both[0])
    weights = [one.n0 * one.n1 / (one.n0 + one.n1) for one in both]
    mid = sum(w * (one.k1 / one.n1 - one.k0 / one.n0) for w, one in zip(weights, both, strict=True)) / sum(weights)
    spread = sum(
        w * w * (_caffo(one.k1, one.n1) + _caffo(one.k0, one.n0)) for w, one in zip(weights, both, strict=True)
    )
    return _around(mid, math.sqrt(spread) / sum(weights))


def _newcombe(one: Pair) -> Interval:
    a, b = wilson(one.k1, one.n1), wilson(one.k0, one.n0)
    mid = a.mid - b.mid
    return Interval(
        mid - math.hypot(a.mid - a.low, b.high - b.mid), mid, mid + math.hypot(a.high - a.mid, b.mid - b.low)
    )


def _caffo(k: int, n: int) -> float:
    p = (k + 1) / (n + 2)
    return p * (1 - p) / (n + 2)


def means(strata: Sequence[Means]) -> Interval | None:
    """The other arm's mean less the first's, in the unit of the sums; None when no stratum has two cases of both."""
    both = [one for one in strata if min(one.n0, one.n1) > 1]
    if not both:
        return None
    weights = [one.n0 * one.n1 / (one.n0 + one.n1) for one in both]
    mid = sum(w * (one.sum1 / one.n1 - one.sum0 / one.n0) for w, one in zip(weights, both, strict=True)) / sum(weights)
    spread = sum(
        w
        * w
        * (_variance(one.n1, one.sum1, one.squares1) / one.n1 + _variance(one.n0, one.sum0, one.squares0) / one.n0)
        for w, one in zip(weights, both, strict=True)
    )
    return _around(mid, math.sqrt(spread) / sum(weights))


def _variance(n: int, total: float, squares: float) -> float:
    return max(0.0, (squares - total * total / n) / (n - 1))


def _around(mid: float, error: float) -> Interval:
    return Interval(mid - Z * error, mid, mid + Z * error)


def verdict(interval: Interval | None, n0: int, n1: int, hits: int | None = None) -> str:
    """few, same, better or worse, of the other arm against the first. `hits`: cases with the result in both; None = a mean."""
    few = min(n0, n1) < FEWEST or (hits is not None and min(hits, n0 + n1 - hits) < FEWEST_EITHER)
    if interval is None or few:
        return "few"
    if interval.low <= 0 <= interval.high:
        return "same"
    return "better" if interval.mid > 0 else "worse"
