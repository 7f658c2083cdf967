"""What the pacer has learned: the answer rate, and through `pacing_tables.py` the lengths of all that is going on (pure).

Learned from `Observation`s alone. `Model.look_ahead` turns one into a `Net` (`pacing_risk.py`).
"""

import math
from typing import Any

from dialer.observation import Observation
from dialer.pacing_risk import Net
from dialer.pacing_tables import RING_BINS, RING_STEP, TALK_STEP, Beliefs, Q, Ringing, Tables

RELEARN_S = (20.0, 180.0)  # tables are made again that often: at first, later
SILENCE = 15.0  # due answers that did not come; chance does that once in three million times
MEMORY_S = (30.0, 120.0, 500.0, 2400.0)  # the shortest for steps: believed as soon as it explains more than chance
YOUNG = 1.5  # ring timeouts: before so long nobody knows of how many the late answers are still to come


class AnswerRate:
    """The chance p that a dial is answered: gamma beliefs over answers per exposure, one per memory length.

    A ringing call of age e exposes itself by the answer-time distribution, so that a fall of p is seen as early as a rise,
    and calls that vanish within a second (a trunk that refuses everybody) say next to nothing about people.
    """

    EVERY_S = 5.0

    def __init__(self, memory: dict[str, Any], start: float) -> None:
        kept = memory.get("beliefs", ())
        if len(kept) != len(MEMORY_S):
            kept = [[1.5, 1.5 / start, 1 / len(MEMORY_S)] for _ in MEMORY_S]
        self.beliefs: list[list[float]] = [list(b) for b in kept]
        self.answers, self.exposure, self.span = memory.get("open", (0.0, 0.0, 0.0))
        self.age, self.usual = memory.get("usual", (0.0, math.log(start)))
        # answers that were due, as usual, since the last one came; after a silence no chance explains: answers that are
        # still to show that all is well again, as p has sunk to nothing and does not know it yet
        self.silence, self.mistrust = memory.get("silence", (0.0, 0.0))
        self._mix()

    def memory(self) -> dict[str, Any]:
        return {
            "beliefs": [list(b) for b in self.beliefs], "open": [self.answers, self.exposure, self.span],
            "usual": [self.age, self.usual], "silence": [self.silence, self.mistrust],
        }  # fmt: skip

    def _mix(self) -> None:
        means = [(a / b, w) for a, b, w in self.beliefs]
        self.p = min(max(sum(m * w for m, w in means), 0.002), 0.97)
        second = sum(w * (a * a + a) / (b * b) for a, b, w in self.beliefs)
        # half of the doubt, as the memories are kept short for the sake of changes and not because more is not known
        self.cv2 = max(0.5 * (second / self.p**2 - 1), 0.0005)
        # when nearly nobody answers any more, a fault is likelier than a change of mind, and it may end any moment: the
        # further p falls under a third of the usual, under two thirds where not one answers, the more the usual is reckoned with
        usual = math.exp(self.usual)
        silent = (self.silence - 5) / (SILENCE - 5)
        least = 0.3 + 0.35 * min(max(silent, self.mistrust / SILENCE, 0.0), 1.0)
        fallen = self.p / usual / least
        self.safe = self.p if fallen >= 1 else usual * (least + (1 - least) * (1 - fallen))

    def add(self, answers: float, exposure: float, span: float) -> None:
        self.answers += answers
        self.exposure += exposure
        self.span += span
        if self.span < self.EVERY_S and self.answers < 3:
            return
        k, e = self.answers, self.exposure
        self._listen(k, e)
        if e > 0 or k > 0:
            logs = []
            for a, b, w in self.beliefs:
                seen = (
                    math.lgamma(a + k)
                    - math.lgamma(a)
                    + a * math.log(b / (b + e))
                    + k * math.log(max(e, 1e-9) / (b + e))
                )
                logs.append(math.log(w) + seen)
            top = max(logs)
            weights = [math.exp(x - top) for x in logs]
            total = sum(weights)
            slow = self.beliefs[-1][0] / self.beliefs[-1][1]
            for belief, weight, lasts in zip(self.beliefs, weights, MEMORY_S, strict=True):
                fade = math.exp(-self.span / lasts)
                belief[0] = (belief[0] + k) * fade + (1 - fade) * 2.0
                belief[1] = (belief[1] + e) * fade + (1 - fade) * 2.0 / slow
                belief[2] = 0.98 * weight / total + 0.02 / len(MEMORY_S)
        self._follow_usual(self.span)
        self.answers = self.exposure = self.span = 0.0
        self._mix()

    def _listen(self, answers: float, exposure: float) -> None:
        if answers:
            self.mistrust = max((2 * SILENCE if self.silence >= SILENCE else self.mistrust) - answers, 0.0)
            self.silence = 0.0
        else:
            self.silence += exposure * math.exp(self.usual)

    def _follow_usual(self, span: float) -> None:
        self.age += span
        away = math.log(self.p) - self.usual
        if self.age < 300:
            self.usual += away
        else:
            slowness = 5 if away < math.log(0.1) else 1
            self.usual += min(span / (2400 * slowness), 1.0) * max(away, -0.8)


class Model:
    def __init__(self, memory: dict[str, Any] | None, start: Beliefs) -> None:
        memory = memory or {}
        self.start = start
        self.ring = Ringing(memory.get("ring", {}), start.answer_after)
        self.talk, self.wrap = start.lengths(memory)
        self.rate = AnswerRate(memory.get("rate", {}), start.answer_rate)
        self.left, self.wraps = memory.get("leaving", (1.0, 60.0))
        self.away, self.here = memory.get("away", (0, 0))
        self.t: float | None = memory.get("t")
        self.since_tables: float = memory.get("since_tables", 0.0)
        self.age: float = memory.get("age", 0.0)
        self.limit: float = memory.get("limit", 2.0)
        self.tables = Tables(memory.get("tables") or self._basis(), start).finished()
        self.coming: Tables | None = None
        if memory.get("coming"):
            basis, steps = memory["coming"]
            self.coming = Tables(basis, start)
            while self.coming.steps < steps:
                self.coming.step()
        self._weigh(memory.get("weighed", self.p))

    @property
    def p(self) -> float:
        """The chance that a dial is answered, as a decision reckons with it."""
        young = self.age < YOUNG * self.ring.timeout
        return max(self.rate.safe, self.start.answer_rate) if young else self.rate.safe

    def _basis(self) -> dict[str, Any]:
        return {
            "ring": self.ring.memory(), "talk": self.talk.memory(), "wrap": self.wrap.memory(),
            "leaving": [self.left, self.wraps], "limit": self.limit,
        }  # fmt: skip

    def memory(self) -> dict[str, Any]:
        """What was learned, and of which state of it the tables were made, so that a copy decides alike."""
        return {
            **self._basis(), "rate": self.rate.memory(), "away": [self.away, self.here], "t": self.t,
            "since_tables": self.since_tables, "age": self.age, "weighed": self.weighed, "tables": self.tables.basis,
            "coming": [self.coming.basis, self.coming.steps] if self.coming else None,
        }  # fmt: skip

    def learn(self, o: Observation) -> None:
        dt = 0.0 if self.t is None else min(max(o.t - self.t, 0.0), 5.0)
        self.t = o.t
        if self.ring.expect(o.ring_timeout):
            self.tables, self.coming = Tables(self._basis(), self.start).finished(), None
            self._weigh(self.p)
        answers = 0
        for outcome, seconds in o.attempts:
            if outcome == "answer":
                answers += 1
                self.ring.answers.add(int(seconds / RING_STEP))
            elif seconds >= 1:  # what ends at once never rang; a broken trunk makes such by the thousand
                self.ring.others.add(int(seconds / RING_STEP))
        for x in o.talks:
            self.talk.add(x)
        for x in o.wraps:
            self.wrap.add(x)
        if self.here:
            self.left += max(o.on_break - self.away, 0) + max(self.here - o.logged_in, 0)
        self.wraps += len(o.wraps)
        if self.wraps > 1500:
            self.left, self.wraps = self.left * 0.9, self.wraps * 0.9
        self.away, self.here = o.on_break, o.logged_in
        soon = self.exposures
        self.rate.add(answers, dt * sum([soon[min(int(age * 2), RING_BINS - 1)] for age in o.ringing]), dt)
        self._renew(o, dt)

    def _renew(self, o: Observation, dt: float) -> None:
        self.since_tables += dt
        self.age += dt
        self.limit = o.answer_limit
        if self.coming:
            if not self.coming.step():
                self.tables, self.coming = self.coming, None
                self._weigh(self.p)
        elif self.limit != self.tables.basis["limit"] or self.since_tables > min(
            max(self.age / 8, RELEARN_S[0]), RELEARN_S[1]
        ):
            self.coming = Tables(self._basis(), self.start)
            self.since_tables = 0.0
        if abs(self.p - self.weighed) > 0.02 * self.p:
            self._weigh(self.p)

    def _weigh(self, p: float) -> None:
        """Rows by age of a ringing call: chance of an answer by each moment, and its square; made again as p moves."""
        self.weighed = p
        ring = self.tables.ring
        self.rows: list[tuple[float, ...]] = []
        self.exposures: list[float] = []
        for fa, fo, ahead, soon in zip(ring.fa, ring.fo, ring.ahead, ring.soon, strict=True):
            w = 1 / (p * (1 - fa) + (1 - p) * (1 - fo) + 1e-6)
            chances = [min(p * w * x, 1.0) for x in ahead]
            self.rows.append((*chances, *[c * c for c in chances], min(p * w * (1 - fa), 1.0)))
            self.exposures.append(w * soon)

    def look_ahead(self, o: Observation) -> Net:
        rows, talking, wrapping = self.rows, self.tables.talking, self.tables.wrapping
        a = [rows[min(int(age * 2), RING_BINS - 1)] for age in o.ringing]
        last_talk, last_wrap = len(talking) - 1, len(wrapping) - 1
        s = [talking[min(int(u / TALK_STEP), last_talk)] for u in o.talking]
        s += [wrapping[min(int(u), last_wrap)] for u in o.wrapping]
        answers = [sum(c) for c in zip(*a, strict=True)] if a else [0.0] * (2 * Q + 1)
        releases = [sum(c) for c in zip(*s, strict=True)] if s else [0.0] * (2 * Q)
        left = o.horizon - o.t
        in_time = sum(tau < left - 0.5 for tau in self.tables.ring.taus) / Q
        if left < o.ring_timeout and in_time < 1:
            in_time = 0.0
        net = Net(len(o.free) - len(o.waiting), self.p, self.rate.cv2, answers[2 * Q], releases[Q // 2], in_time)
        net.moments = [
            ((q + 0.5) / Q, answers[q], answers[q] - answers[Q + q], releases[q], releases[q] - releases[Q + q])
            for q in range(Q)
        ]
        return net
