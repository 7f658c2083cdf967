"""What is learned of ringing, talks and wrap-ups, and the tables a decision looks up (pure). Times in seconds."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import mul
from typing import Any

Q = 5  # moments at which the answer of a new call is imagined: the middles of Q equally likely parts
RING_STEP, RING_BINS = 0.5, 150
USUAL_TIMEOUT_S = 25.0
TALK_STEP, TALK_BINS = 2.0, 450
WRAP_STEP, WRAP_BINS = 1.0, 240


class Bins:
    """Weighted counts of durations that slowly forget, over a prior. `keep`: about how many it remembers."""

    def __init__(self, prior: list[float], keep: float, memory: list[float] | None) -> None:
        self.prior, self.keep = prior, keep
        self.count = list(memory) if memory and len(memory) == len(prior) else [0.0] * len(prior)
        self.total = sum(self.count)
        self.fresh = 0

    def add(self, place: int) -> None:
        self.count[min(max(place, 0), len(self.count) - 1)] += 1
        self.total += 1
        self.fresh += 1
        if self.total > self.keep * 1.1:
            self.count = [c * 0.9 for c in self.count]
            self.total *= 0.9


def gamma_masses(mean: float, shape: int, step: float, bins: int) -> list[float]:
    """Shares of an Erlang distribution in cells of `step`."""
    rate = shape / mean

    def beyond(x: float) -> float:
        return math.exp(-rate * x) * sum((rate * x) ** k / math.factorial(k) for k in range(shape))

    edges = [beyond(i * step) for i in range(bins)] + [0.0]
    return [a - b for a, b in pairwise(edges)]


class Ringing:
    """Time to an answer (Fa) and to any other end (Fo), both since Originate, on a grid of RING_STEP."""

    def __init__(self, memory: dict[str, Any], answer_after: float) -> None:
        self.answer_after = answer_after
        self.answers = Bins([0.0] * RING_BINS, 1500, memory.get("answers"))
        self.others = Bins([0.0] * RING_BINS, 1500, memory.get("others"))
        self.timeout = 0.0
        self.expect(memory.get("timeout", USUAL_TIMEOUT_S))

    def memory(self) -> dict[str, Any]:
        return {"answers": list(self.answers.count), "others": list(self.others.count), "timeout": self.timeout}

    def expect(self, timeout: float) -> bool:
        """First beliefs by the seconds after which nobody rings any longer; whether they have changed. The longer people
        are let ring, the less is believed to be known of when they answer."""
        timeout = max(timeout, 1.0)
        if abs(timeout - self.timeout) < RING_STEP:
            return False
        self.timeout = timeout
        last = min(max(int(timeout / RING_STEP), 4), RING_BINS - 7)
        usual = gamma_masses(self.answer_after, 3, RING_STEP, RING_BINS)[:last]
        any_time = max(1 - USUAL_TIMEOUT_S / timeout, 0.0)
        total = sum(usual)
        answered = [(1 - any_time) * m / total + any_time / last for m in usual]
        self.answers.prior = [30 * m for m in answered] + [0.3 / RING_BINS] * (RING_BINS - last)
        other = [0.2 / RING_BINS] * RING_BINS
        for i in range(last - 4, last + 6):
            other[i] += 0.08
        self.others.prior = [10 * m for m in other]
        return True

    def learn(self) -> None:
        self.fa = self._cdf(self.answers)
        self.fo = self._cdf(self.others)
        self.taus = [self._quantile((q + 0.5) / Q) for q in range(Q)]
        # what is left of Fa in each moment ahead, by age
        self.ahead = [tuple(self._at(i * RING_STEP + tau) - fa for tau in self.taus) for i, fa in enumerate(self.fa)]
        self.soon = [self._at(i * RING_STEP + 1.0) - fa for i, fa in enumerate(self.fa)]

    @staticmethod
    def _cdf(bins: Bins) -> list[float]:
        """At the left edge of each cell."""
        total = bins.total + sum(bins.prior)
        found, run = [], 0.0
        for count, prior in zip(bins.count, bins.prior, strict=True):
            found.append(run / total)
            run += count + prior
        return found

    def _quantile(self, level: float) -> float:
        for i in range(1, RING_BINS):
            if self.fa[i] >= level:
                low, high = self.fa[i - 1], self.fa[i]
                return (i - 1 + (level - low) / max(high - low, 1e-9)) * RING_STEP
        return RING_BINS * RING_STEP

    def _at(self, x: float) -> float:
        place = x / RING_STEP
        i = int(place)
        if i >= RING_BINS - 1:
            return 1.0
        return self.fa[i] + (place - i) * (self.fa[i + 1] - self.fa[i])


class Lengths:
    """Lengths of talks or of wrap-ups: a log-normal fit, bent by a coarse histogram as far as that has been filled."""

    COARSE = 20
    TRUST = 12.0  # a coarse bin counts half against the fit when it has seen this many

    def __init__(self, memory: dict[str, Any], mean: float, sigma: float, step: float, bins: int) -> None:
        self.step, self.bins = step, bins
        mu = math.log(mean) - sigma * sigma / 2
        weight, total, squares = memory.get("logs", (10.0, 10 * mu, 10 * (mu * mu + sigma * sigma)))
        self.weight, self.total, self.squares = weight, total, squares
        self.seen = Bins([0.0] * self.COARSE, 1500, memory.get("seen"))

    def memory(self) -> dict[str, Any]:
        return {"logs": [self.weight, self.total, self.squares], "seen": list(self.seen.count)}

    def add(self, x: float) -> None:
        y = math.log(max(x, 0.5))
        if self.weight > 1500:
            self.weight, self.total, self.squares = self.weight * 0.9, self.total * 0.9, self.squares * 0.9
        self.weight, self.total, self.squares = self.weight + 1, self.total + y, self.squares + y * y
        self.seen.add(self._coarse(y))

    @staticmethod
    def _coarse(y: float) -> int:
        """0.5 … 1200 s in equal ratios."""
        return int((y + 0.7) * 2.55)

    def learn(self) -> None:
        mu = self.total / self.weight
        sigma = math.sqrt(max(self.squares / self.weight - mu * mu, 0.01))
        below, mass = 0.0, []
        for i in range(1, self.bins):
            at = 0.5 * math.erfc(-(math.log(i * self.step) - mu) / (sigma * math.sqrt(2)))
            mass.append(at - below)
            below = at
        mass.append(1 - below)
        if self.seen.total:
            places = [self._coarse(math.log((i + 0.5) * self.step)) for i in range(self.bins)]
            expected = [0.0] * self.COARSE
            for place, m in zip(places, mass, strict=True):
                expected[min(max(place, 0), self.COARSE - 1)] += m * self.seen.total
            bend = [(c + self.TRUST) / (e + self.TRUST) for c, e in zip(self.seen.count, expected, strict=True)]
            mass = [m * bend[min(max(p, 0), self.COARSE - 1)] for p, m in zip(places, mass, strict=True)]
        total = sum(mass)
        self.mass = [m / total for m in mass]
        left, run = [0.0] * self.bins, 0.0
        for i in range(self.bins - 1, -1, -1):
            run += self.mass[i]
            left[i] = max(run, 1e-9)
        self.left = left  # chance to last at least i·step

    def cdf(self, x: float) -> float:
        """Chance to have ended by x seconds."""
        place = x / self.step
        i = int(place)
        if i < 0:
            return 0.0
        if i >= self.bins - 1:
            return 1.0
        return 1 - self.left[i] + (place - i) * self.mass[i]


@dataclass(frozen=True, kw_only=True)
class Beliefs:
    """Before anything is seen: answer rate 0 … 1, mean seconds."""

    answer_rate: float
    answer_after: float
    talk_mean: float
    wrap_mean: float

    def lengths(self, memory: dict[str, Any]) -> tuple[Lengths, Lengths]:
        return (
            Lengths(memory.get("talk", {}), self.talk_mean, 0.8, TALK_STEP, TALK_BINS),
            Lengths(memory.get("wrap", {}), self.wrap_mean, 0.7, WRAP_STEP, WRAP_BINS),
        )


class Tables:
    """All that is looked up in a decision, made from one state of what was learned (`basis`), in small steps so that no
    single decision is slow. By elapsed talk or wrap-up: the chances that the agent is free within tau + answer limit."""

    def __init__(self, basis: dict[str, Any], start: Beliefs) -> None:
        self.basis = basis
        self.ring = Ringing(basis["ring"], start.answer_after)
        self.talk, self.wrap = start.lengths(basis)
        self.talking: list[tuple[float, ...]] = []
        self.wrapping: list[tuple[float, ...]] = []
        self.steps = 0
        self._work = self._make()

    def step(self) -> bool:
        """Does a part of the work; False when all is done."""
        self.steps += 1
        return next(self._work, None) is not None

    def finished(self) -> "Tables":
        while self.step():
            pass
        return self

    def _make(self) -> Iterator[bool]:
        self.ring.learn()
        yield True
        self.talk.learn()
        yield True
        self.wrap.learn()
        yield True
        talk, wrap = self.talk, self.wrap
        left, wraps = self.basis["leaving"]
        comes_back = 1 - min(left / wraps, 0.5)
        horizons = [tau + self.basis["limit"] for tau in self.ring.taus]
        for i in range(wrap.bins):
            if i < 60 or i % 6 == 0:
                row = self._row(self._wrap(wrap, i, h) * comes_back for h in horizons)
            self.wrapping.append(row)
            if i % 15 == 14:
                yield True
        kernels = []
        for h in horizons:
            steps = int(h / talk.step) + 1
            kernels.append([wrap.cdf(h - (j + 0.5) * talk.step) for j in range(steps)])
        yield True
        made = 0
        for i in range(talk.bins - 40):
            if i < 20 or (i < 80 and i % 2 == 0) or i % 8 == 0:
                part, left = talk.mass[i : i + 40], comes_back / talk.left[i]
                row = self._row(left * sum(map(mul, part, k)) for k in kernels)
                made += 1
                if made % 10 == 0:
                    yield True
            self.talking.append(row)

    @staticmethod
    def _wrap(wrap: Lengths, i: int, h: float) -> float:
        u = i * wrap.step
        return (wrap.cdf(u + h) - wrap.cdf(u)) / wrap.left[i]

    @staticmethod
    def _row(chances: Iterable[float]) -> tuple[float, ...]:
        """The chances, then their squares (for the variance)."""
        qs = tuple([min(max(q, 0.0), 1.0) for q in chances])
        return (*qs, *[q * q for q in qs])
