"""The pool a few seconds ahead: the chance that more calls are answered than agents are free (pure)."""

import math


class Net:
    """The pool a few seconds ahead: answers less releases, at each of the Q moments a new call could be answered."""

    def __init__(self, room: int, rate: float, cv2: float, answers: float, releases: float, in_time: float) -> None:
        self.room, self.rate, self.cv2 = room, rate, cv2
        self.answers, self.releases, self.in_time = answers, releases, in_time
        self.moments: list[tuple[float, float, float, float, float]] = []

    def risk(self, nth: int, limit: float) -> float:
        """What the nth new call would risk, if answered: the chance that at that moment as many have answered as agents
        are free. (To reckon with the moments after it as well, when its agent is missing for others, finds no more: how
        much is abandoned in all is learned.) Where the risk is sure to reach `limit`, any figure at or above it comes back.
        """
        parts = len(self.moments)
        limit = (limit - 1 + self.in_time) * parts
        total = 0.0
        for level, ma, va, ms, vs in reversed(self.moments):
            more = (nth - 1) * self.rate * level
            mean = ma + more
            total += exceeds(self.room, mean, va + more * (1 - self.rate * level) + self.cv2 * mean * mean, ms, vs)
            if total >= limit:
                return 1.0
        return total / parts + 1 - self.in_time


def exceeds(k: int, ma: float, va: float, ms: float, vs: float) -> float:
    """P(A − S ≥ k) for counts A, S of given mean and variance. Never rises with k."""
    var = va + vs
    if ma > 25 or ms > 25 or var > 10:
        third = va * (2 * va / ma - 1 if ma > 0 else 0) - (vs * (2 * vs / ms - 1) if ms > 0 else 0)
        sd = math.sqrt(max(var, 0.05))
        skew = min(max(third / sd**3, -0.6), 0.6)
        z = (k - 0.5 - ma + ms) / sd
        z = min(max(z, -4.5), 4.5)  # where the correction still rises with z
        return 0.5 * math.erfc((z - skew * (z * z - 1) / 6) / math.sqrt(2))
    pa, na, ba = _panjer(ma, va)
    ps, ns, bs = _panjer(ms, vs)
    # 1 − Σ_j P(S=j) P(A ≤ k−1+j)
    top = k - 1
    i, below, under, j, seen = 0, pa, 0.0, 0, 0.0
    while i < top:
        i += 1
        pa = max(pa * (na + ba / i), 0.0)
        below += pa
    while True:
        if top >= 0:
            under += ps * below
        seen += ps
        if seen > 1 - 1e-7 or j > 60:
            break
        j += 1
        ps = max(ps * (ns + bs / j), 0.0)
        if ps == 0.0:
            break
        top += 1
        if top > 0:
            i += 1
            pa = max(pa * (na + ba / i), 0.0)
            below += pa
    return min(max(1 - under / max(seen, 1e-12), 0.0), 1.0)


def _panjer(mean: float, var: float) -> tuple[float, float, float]:
    """P(0) and the two constants of P(i) = P(i−1)·(a + b/i), the counts of this mean and variance: binomial-like when
    the variance is under the mean, Poisson when equal, negative binomial above."""
    if mean < 1e-9:
        return 1.0, 0.0, 0.0
    var = max(var, mean * 0.02)
    if abs(var - mean) < 1e-6 * mean:
        return math.exp(-mean), 0.0, mean
    a = 1 - mean / var
    return (mean / var) ** (mean * mean / (var - mean)), a, mean * mean / var - a
