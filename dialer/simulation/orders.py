"""In which order a finite list is called: ours, VICIdial's, and the one of somebody who knows the truth (pure).

Ours: for every number the chance that a call reaches the borrower is known for each hour of the day (`chances.py`), and every
case plans its attempts into its best hours by the functions that order the product's queue (`planning.py`).
"""

import heapq
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from backoffice_core.call_centre.queueing import planning
from backoffice_core.call_centre.queueing.chances import HOURS, Chances, Floats, first_beliefs
from backoffice_core.call_centre.queueing.planning import NEVER
from dialer.simulation.finite_days import BUCKETS, Days, Order, Shown, Truth
from dialer.simulation.world import FiniteWorld

RANKS = 3  # places in the file that are told apart, as the product does


class Knowledge(Protocol):
    """What an order believes of numbers: arrays over numbers × hours."""

    def right_party(self) -> Floats: ...
    def answered(self) -> Floats: ...
    def heard(self, number: int, hour: int, outcome: str) -> None: ...
    def learn(self) -> None: ...


class Known:
    """The truth, for the bound."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth

    def right_party(self) -> Floats:
        return self.truth.right_party()

    def answered(self) -> Floats:
        return np.asarray(self.truth.answers)

    def heard(self, number: int, hour: int, outcome: str) -> None: ...

    def learn(self) -> None: ...


class Cases:
    """What every order keeps: who is finished, who waits until when, which numbers are known to be of no use."""

    def __init__(self, world: FiniteWorld, shown: Shown) -> None:
        self.w, self.shown, self.day = world, shown, -1
        n = len(shown.bucket)
        self.promised = np.zeros(n, dtype=bool)
        self.rests_until_day = np.zeros(n, dtype=int)
        self.not_before = np.zeros(n)  # second of this day
        self.useless = np.zeros(len(shown.case_of), dtype=bool)
        self.asked: list[tuple[float, int]] = []  # when a borrower wants to be called, his number
        for number, _, outcome in shown.history:
            if outcome in ("invalid", "wrong_number"):
                self.useless[shown.same_as == shown.same_as[number]] = True

    def begin_day(self, day: int) -> None:
        self.day = day
        self.not_before[:] = 0.0
        self.asked = []

    def resting(self) -> np.ndarray:
        return self.promised | (self.rests_until_day > self.day)

    def due(self, t: float) -> int | None:
        """A number whose borrower asked for this moment."""
        while self.asked and self.asked[0][0] <= t:
            _, number = heapq.heappop(self.asked)
            if not self.promised[self.shown.case_of[number]]:
                return number
        return None

    def refused(self, number: int, until: float | None) -> None:
        self.not_before[self.shown.case_of[number]] = NEVER if until is None else until

    def note(self, number: int, outcome: str, promise: bool, asked: float | None) -> None:
        case = self.shown.case_of[number]
        if outcome in ("invalid", "wrong_number"):
            self.useless[self.shown.same_as == self.shown.same_as[number]] = True
        if outcome == "right_party":
            self.promised[case] |= promise
            self.rests_until_day[case] = self.day + self.w.again_after_days
        if asked is not None:
            heapq.heappush(self.asked, (asked, number))


class Vicidial(Cases):
    """Leads fewest-called first, in the order of the list, recycled after an hour; call-backs at their hour. `alternatives`:
    when the main number was not answered, the next one is tried as soon as it may be (its automatic alternative dialing,
    which is off unless somebody turns it on)."""

    RECYCLE_S = 3600.0

    def __init__(self, world: FiniteWorld, shown: Shown, *, alternatives: bool) -> None:
        super().__init__(world, shown)
        self.alternatives = alternatives
        self.called = np.zeros(len(shown.bucket), dtype=int)
        self.numbers: list[list[int]] = [[] for _ in range(len(shown.bucket))]
        for number, case in enumerate(shown.case_of):
            self.numbers[case].append(number)
        self.next_of = np.zeros(len(shown.bucket), dtype=int)
        self.heap: list[tuple[int, int]] = []
        self.later: list[tuple[float, int]] = []

    def begin_day(self, day: int) -> None:
        super().begin_day(day)
        self.next_of[:] = 0
        rest = self.resting()
        self.heap = [(int(self.called[c]), c) for c in range(len(self.called)) if not rest[c]]
        heapq.heapify(self.heap)
        self.later = []

    def choose(self, t: float) -> int | None:
        if (asked := self.due(t)) is not None:
            return asked
        while self.later and self.later[0][0] <= t:
            _, case = heapq.heappop(self.later)
            heapq.heappush(self.heap, (int(self.called[case]), case))
        while self.heap:
            case = heapq.heappop(self.heap)[1]
            if self.promised[case] or self.rests_until_day[case] > self.day:
                continue
            mine = self.numbers[case] if self.alternatives else self.numbers[case][:1]
            usable = [n for n in mine if not self.useless[n]]
            if usable:
                return usable[self.next_of[case] % len(usable)]
        return None

    def refused(self, number: int, until: float | None) -> None:
        if until is not None:
            heapq.heappush(self.later, (until, int(self.shown.case_of[number])))

    def heard(self, number: int, t: float, outcome: str, *, promise: bool = False, asked: float | None = None) -> None:
        self.note(number, outcome, promise, asked)
        case = int(self.shown.case_of[number])
        self.called[case] += 1
        self.next_of[case] += 1
        if outcome != "right_party":
            heapq.heappush(self.later, (t + self.RECYCLE_S, case))


class Planned(Cases):
    """Ours, over what is believed (`Chances`) or known (`Known`)."""

    REPLAN_S, AGAIN_S = 1200.0, 300.0  # a plan lasts so long; an exhausted one is not made again sooner

    def __init__(self, world: FiniteWorld, shown: Shown, knowledge: Knowledge) -> None:
        super().__init__(world, shown)
        self.knowledge = knowledge
        n = len(shown.bucket)
        self.tries_today = np.zeros(n, dtype=int)
        self.tries = np.zeros(n, dtype=int)  # in these days
        self.plan: list[tuple[float, int]] = []
        self.planned_at = -NEVER
        self.prices = np.zeros(world.closes)  # of an agent's second, by Kyiv's hour; yesterday's are the first guess
        self.handle = (world.talk_mean + world.wrap_mean, world.other_talk_mean + world.wrap_mean)
        zones = shown.zone_hours[shown.case_of]
        self.hour_of = (np.arange(HOURS)[None, :] + zones[:, None]) % HOURS  # of each number's borrower, by Kyiv's hour
        self.starts = np.searchsorted(shown.case_of, np.arange(n))
        for number, hour, outcome in shown.history:
            knowledge.heard(int(shown.same_as[number]), hour, outcome)
        knowledge.learn()

    def begin_day(self, day: int) -> None:
        super().begin_day(day)
        if day:
            self.knowledge.learn()
        self.tries_today[:] = 0
        self.planned_at = -NEVER

    def choose(self, t: float) -> int | None:
        if (asked := self.due(t)) is not None:
            return asked
        if t - self.planned_at >= self.REPLAN_S or not self.plan:
            if t - self.planned_at < self.AGAIN_S:
                return None
            self._replan(t)
        while self.plan:
            _, number = self.plan.pop()
            case = self.shown.case_of[number]
            if not self.promised[case] and self.rests_until_day[case] <= self.day and self.not_before[case] <= t:
                return number
        return None

    def heard(self, number: int, t: float, outcome: str, *, promise: bool = False, asked: float | None = None) -> None:
        self.note(number, outcome, promise, asked)
        case = self.shown.case_of[number]
        self.tries_today[case] += 1
        self.tries[case] += 1
        self.not_before[case] = max(self.not_before[case], t + 1.0)
        self.knowledge.heard(
            int(self.shown.same_as[number]), int(t / 3600 + self.shown.zone_hours[case]) % HOURS, outcome
        )

    def _replan(self, t: float) -> None:
        """Cases × remaining hours, as the product plans its queue (`planning.py`)."""
        self.planned_at = t
        w, shown = self.w, self.shown
        now = int(t // 3600)
        hours = np.arange(now, w.closes)
        by_kyiv = self.hour_of[:, hours]
        same = shown.same_as[:, None]
        right = self.knowledge.right_party()[same, by_kyiv]
        right[self.useless] = 0.0
        answered = np.minimum(self.knowledge.answered()[same, by_kyiv], 0.95)
        of = planning.of_cases(
            right, answered, shown.case_of, self.starts, handle=self.handle,
            dial_s=w.ring_time / w.lines * w.agents * w.utilisation,
        )  # fmt: skip
        worth = np.maximum(of.best * self._worth()[:, None] - planning.ATTEMPT, 0.0)
        allowed = np.clip(np.where(self.resting() | (self.not_before == NEVER), 0, self._allowed()), 0, None)
        open_ = self.not_before[:, None] < (hours[None, :] + 1) * 3600.0
        worth = np.where(open_, worth, 0.0)
        room = np.full(len(hours), w.agents * w.utilisation * 3600.0 * planning.OVERBOOK)
        room[0] *= (now + 1) - t / 3600
        price = planning.prices(worth, of.cost, allowed, room, self.prices[now:])
        self.prices[now:] = price
        stands = planning.stand(worth, of.cost, allowed, price)
        cases = np.flatnonzero(stands.take & (of.best[:, 0] > 0))
        ranked = cases[np.argsort(stands.score[cases], kind="stable")]
        self.plan = [(float(stands.score[c]), int(of.chosen[c])) for c in ranked]

    def _allowed(self) -> np.ndarray:
        """Attempts of each case for the rest of this day: what is left of the week, spread over its days."""
        days = max(self.w.days - self.day, 1)
        today = np.ceil((self.shown.per_week - self.tries + self.tries_today) / days).astype(int)
        return np.clip(np.minimum(today, self.shown.per_day) - self.tries_today, 0, None)

    def _worth(self) -> Floats:
        """Of a right-party contact: the money of the case, flattened, because a contact is also worth its own sake."""
        return np.asarray(np.sqrt(np.clip(self.shown.value, 0.05, 20.0)))


def _ours(world: FiniteWorld, truth: Truth) -> Order:
    shown = truth.shown
    groups = shown.bucket[shown.case_of] * RANKS + np.minimum(shown.rank, RANKS - 1)
    return Planned(world, shown, Chances(groups, first=first_beliefs(len(BUCKETS), RANKS)))


ORDERS: dict[str, Callable[[FiniteWorld, Truth], Order]] = {
    "ours": _ours,
    "vicidial": lambda world, truth: Vicidial(world, truth.shown, alternatives=False),
    "vicidial-alternatives": lambda world, truth: Vicidial(world, truth.shown, alternatives=True),
    "truth-known": lambda world, truth: Planned(world, truth.shown, Known(truth)),
}


def run_days(world: FiniteWorld, order: str, seed: int) -> dict[str, Any]:
    """Raises KeyError for an unknown order."""
    truth = Truth(world, seed)
    return {"policy": order, "seed": seed, **Days(truth, ORDERS[order](world, truth), seed).run()}
