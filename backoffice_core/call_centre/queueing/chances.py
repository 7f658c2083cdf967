"""How likely the next call to a number reaches the borrower, by hour of his day: learned from the calls made so far (pure).

Each number is believed to be one of a few kinds: whose it is (the borrower's, somebody's who takes messages, a wrong one,
dead) × when it is answered (mornings, midday, evenings, no habit) × how readily. An attempt moves the belief by Bayes'
rule. How common the kinds are and how the floor's answers go over the day is learned from all numbers together, so that a
new number begins as its like have turned out. Everything is an array over numbers, so that 30,000 are judged in
milliseconds.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HOURS = 24
RIGHT, MESSAGE, WRONG, DEAD = range(4)
OUTCOMES = ("right_party", "third_party", "wrong_number", "no_answer", "invalid")
_OUTCOME = {name: n for n, name in enumerate(OUTCOMES)}
# hours at which people of a habit answer more readily; none: as the floor does
HABITS = (None, 10.0, 14.0, 18.5)
HABIT_WEIGHTS = (0.40, 0.16, 0.16, 0.28)
READY = (0.35, 1.0, 1.8)
READY_WEIGHTS = (0.35, 0.40, 0.25)
PARTY_WEIGHTS = (0.68, 0.14, 0.08, 0.10)
SPREAD, LIFT = 2.4, 2.6  # of a habit: hours of half its width, and how much likelier at its height
INVALID_OF_DEAD = 0.5  # the carrier says so; the others ring out


@dataclass(frozen=True, slots=True)
class Kind:
    party: int
    habit: int
    ready: int


KINDS = (
    *(Kind(*which) for which in itertools.product((RIGHT, MESSAGE, WRONG), range(len(HABITS)), range(len(READY)))),
    Kind(DEAD, 0, 1),
)


def _habit(center: float | None) -> Floats:
    hours = np.arange(HOURS) + 0.5
    if center is None:
        return np.ones(HOURS)
    curve = 0.45 + LIFT * np.exp(-(((hours - center) / SPREAD) ** 2))
    return np.asarray(curve / curve[9:20].mean(), dtype=float)


class Chances:
    """Of `numbers` numbers in `groups` (any whole numbers 0 …: the bucket, the rank in the file, the mark of its owner);
    a group's numbers share what is learned of them. `answer_rate`: the first belief, 0 … 1."""

    def __init__(self, groups: Sequence[int], answer_rate: float = 0.25) -> None:
        self.groups = np.asarray(groups, dtype=int)
        self.seen = np.zeros(len(self.groups), dtype=int)
        prior = np.array([_prior(kind) for kind in KINDS])
        self.prior = np.tile(prior, (int(self.groups.max(initial=0)) + 1, 1))
        self.log_seen = np.zeros((len(self.groups), len(KINDS)))  # log likelihood of what was heard, per kind
        self.rate = answer_rate
        self.curve = np.ones(HOURS)  # answers of the floor over the day, mean 1
        self._tried, self._answered = np.zeros(HOURS), np.zeros(HOURS)
        self._hour_of: list[tuple[int, int, int, int]] = []  # what was heard: number, hour, outcome, how often
        self._tables()

    def _tables(self) -> None:
        answers = np.zeros((len(KINDS), HOURS))
        for n, kind in enumerate(KINDS):
            if kind.party != DEAD:
                answers[n] = self.rate * self.curve * _habit(HABITS[kind.habit]) * READY[kind.ready]
        answers = np.clip(answers, 0.0, 0.95)
        party = np.array([kind.party for kind in KINDS])
        dead = (party == DEAD)[:, None]
        self.right = np.where((party == RIGHT)[:, None], answers, 0.0)
        said = np.zeros((len(OUTCOMES), len(KINDS), HOURS))
        said[0] = self.right
        said[1] = np.where((party == MESSAGE)[:, None], answers, 0.0)
        said[2] = np.where((party == WRONG)[:, None], answers, 0.0)
        said[3] = np.where(dead, 1 - INVALID_OF_DEAD, 1 - answers)
        said[4] = np.where(dead, INVALID_OF_DEAD, 0.002)
        # somebody else may pick up the borrower's telephone, and he the telephone of his house
        said[1] += 0.06 * said[0]
        said[0] += 0.05 * said[1]
        self.log_said = np.log(np.clip(said, 1e-6, 1.0))

    def heard(self, number: int, hour: int, outcome: str, times: int = 1) -> None:
        """An attempt's end, or so many alike; `hour` 0 … 23 of the borrower's day. Raises KeyError for an unknown outcome."""
        what = _OUTCOME[outcome]
        self.log_seen[number] += times * self.log_said[what, :, hour]
        self.seen[number] += times
        self._hour_of.append((number, hour, what, times))

    def heard_all(self, heard: Sequence[tuple[int, int, str, int]]) -> None:
        """The same of very many: number, hour, outcome, how often."""
        rows = [(number, hour, _OUTCOME[outcome], times) for number, hour, outcome, times in heard]
        self._hour_of += rows
        if rows:
            number, hour, what, times = (np.array(column) for column in zip(*rows, strict=True))
            np.add.at(self.log_seen, number, times[:, None] * self.log_said[what, :, hour])
            np.add.at(self.seen, number, times)

    def belief(self) -> Floats:
        """Numbers × kinds, each row adding up to 1."""
        weight = np.log(np.clip(self.prior[self.groups], 1e-9, None)) + self.log_seen
        weight -= weight.max(axis=1, keepdims=True)
        belief = np.exp(weight)
        return np.asarray(belief / belief.sum(axis=1, keepdims=True), dtype=float)

    def right_party(self) -> Floats:
        """Numbers × hours: the chance that a call then reaches the borrower."""
        return self.belief() @ self.right

    def answered(self) -> Floats:
        """Numbers × hours: the chance that anybody answers; this is what costs an agent's time."""
        return self.belief() @ (1 - np.exp(self.log_said[3]) - np.exp(self.log_said[4])).clip(0)

    def learn(self) -> None:
        """The night's work: how common each kind is in each group, and the floor's curve, from all that was heard.

        A kind keeps the weight of 40 numbers of its first belief, an hour that of 200 attempts.
        """
        belief = self.belief()
        tried = self.seen > 0
        first = np.array([_prior(kind) for kind in KINDS])
        for group in range(len(self.prior)):
            mine = belief[(self.groups == group) & tried]
            self.prior[group] = (mine.sum(axis=0) + 40 * first) / (len(mine) + 40)
        if not self._hour_of:
            return
        number, hour, outcome, times = (np.array(column) for column in zip(*self._hour_of, strict=True))
        alive = 1 - belief[:, -1]
        habits = np.array(
            [_habit(HABITS[k.habit]) * READY[k.ready] if k.party != DEAD else np.zeros(HOURS) for k in KINDS]
        )
        expected = np.bincount(hour, times * (belief @ habits)[number, hour] * alive[number], HOURS)
        answers = np.bincount(hour, times * (outcome < 3), HOURS)
        self.rate = float((answers.sum() + 50 * self.rate) / (expected.sum() + 50))
        self.curve = (answers / self.rate + 50) / (expected + 50)
        self._tables()
        self.log_seen[:] = 0
        np.add.at(self.log_seen, number, times[:, None] * self.log_said[outcome, :, hour])


def _prior(kind: Kind) -> float:
    if kind.party == DEAD:
        return PARTY_WEIGHTS[DEAD]
    return PARTY_WEIGHTS[kind.party] * HABIT_WEIGHTS[kind.habit] * READY_WEIGHTS[kind.ready]
