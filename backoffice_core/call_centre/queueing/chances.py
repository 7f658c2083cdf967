"""How likely the next call to a number reaches the borrower, by hour of his day: learned from the calls made so far (pure).

Each number is believed to be one of a few kinds: whose it is (the borrower's, somebody's who takes messages, a wrong one,
dead) × when it is answered (mornings, midday, evenings, no habit) × how readily. An attempt moves the belief by Bayes'
rule. How common the kinds are and how the floor's answers go over the day is learned from all numbers together, so that a
new number begins as its like have turned out. Before the first call there is a guess that every floor would make
(`first_beliefs`); some hundred attempts outweigh it. Everything is an array over numbers, so that 30,000 are judged in
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
# Before anything is heard: the older the debt and the further back in the file, the less is a number worth, step by step;
# more people are at hand after work than before. Nothing else is assumed of people
LESS_HIS, LESS_READY = 0.88, 0.25  # a step: times the odds that it is his; readiness to the power of less this
FIRST_CURVE = np.array([0.9] * 12 + [1.0] * 5 + [1.15] * 7)
GUESS_NUMBERS, GUESS_CALLS = 20, 50  # the weight of the guess, in numbers of a group, and in answers of an hour
SAMPLE = 20_000  # numbers that teach how common the kinds are: more teach nothing more
ROUNDS = 6  # of finding in turns what the numbers are and how common the kinds: more rounds foretell no better


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
    a group's numbers share what is learned of them. `first`: groups × kinds, what is believed of each group before anything
    is heard, rows adding up to 1; None: of all the same. `answer_rate`: the first belief, 0 … 1."""

    def __init__(self, groups: Sequence[int], answer_rate: float = 0.25, *, first: Floats | None = None) -> None:
        self.groups = np.asarray(groups, dtype=int)
        self.seen = np.zeros(len(self.groups), dtype=int)
        many = int(self.groups.max(initial=0)) + 1
        self.first = np.tile(PRIOR, (many, 1)) if first is None else first[:many]
        self.prior = self.first.copy()
        self.log_seen = np.zeros((len(self.groups), len(KINDS)))  # log likelihood of what was heard, per kind
        self.rate = self.first_rate = answer_rate
        self.curve = FIRST_CURVE.copy()  # answers of the floor over the day
        self._kept = np.zeros((0, 4), dtype=np.int64)  # what was heard: number, hour, outcome, how often
        self._new: list[tuple[int, int, int, int]] = []
        self._tables()

    def _tables(self) -> None:
        answers = np.clip(self.rate * self.curve * USUAL, 0.0, 0.95)
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
        self._new.append((number, hour, what, times))

    def heard_all(self, heard: Sequence[tuple[int, int, str, int]]) -> None:
        """The same of very many: number, hour, outcome, how often."""
        rows = [(number, hour, _OUTCOME[outcome], times) for number, hour, outcome, times in heard]
        if rows:
            number, hour, what, times = (np.array(column) for column in zip(*rows, strict=True))
            np.add.at(self.log_seen, number, times[:, None] * self.log_said[what, :, hour])
            np.add.at(self.seen, number, times)
            self._kept = np.concatenate([self._kept, np.column_stack([number, hour, what, times])])

    def belief(self) -> Floats:
        """Numbers × kinds, each row adding up to 1."""
        return _belief(self.prior[self.groups], self.log_seen)

    def right_party(self) -> Floats:
        """Numbers × hours: the chance that a call then reaches the borrower."""
        return self.belief() @ self.right

    def answered(self) -> Floats:
        """Numbers × hours: the chance that anybody answers; this is what costs an agent's time."""
        return self.belief() @ (1 - np.exp(self.log_said[3]) - np.exp(self.log_said[4])).clip(0)

    def learn(self) -> None:
        """How common each kind is in each group, how readily all are answered and the floor's curve, from all that was heard.

        What a number is follows from how common the kinds are and that from the numbers, so that both are found in turns
        (expectation and maximization). A group begins where all groups together have moved to, so that a small one learns
        from the others; the guess keeps the weight of GUESS_NUMBERS numbers and of GUESS_CALLS answers an hour.
        """
        heard = self._all_heard()
        if not len(heard):
            return
        tried = np.flatnonzero(self.seen)
        some = tried[:: -(-len(tried) // SAMPLE)]
        place = np.full(len(self.groups), -1)
        place[some] = np.arange(len(some))
        mine = heard[place[heard[:, 0]] >= 0]
        mine[:, 0] = place[mine[:, 0]]
        calls = _Calls(mine, len(some), self.groups[some], len(self.prior))
        for _ in range(ROUNDS):
            self._round(calls)
        self.log_seen[:] = 0
        for low in range(0, len(heard), _AT_ONCE):
            number, hour, what, times = heard[low : low + _AT_ONCE].T
            np.add.at(self.log_seen, number, times[:, None] * self.log_said[what, :, hour])

    def _all_heard(self) -> NDArray[np.int64]:
        if self._new:
            self._kept = np.concatenate([self._kept, np.array(self._new, dtype=np.int64)])
            self._new = []
        return self._kept.copy()

    def _round(self, calls: "_Calls") -> None:
        belief = _belief(self.prior[calls.groups], calls.likelihood(self.log_said))
        of_group = calls.by_group @ belief
        # whether all groups are better or worse than guessed: each begins where the guess comes to by that
        guess = self.first.mean(axis=0)
        moved = (of_group.sum(axis=0) + GUESS_NUMBERS * guess) / (
            calls.by_group.sum(axis=1) @ self.first + GUESS_NUMBERS * guess
        )
        anchor = self.first * moved
        anchor /= anchor.sum(axis=1, keepdims=True)
        counted = of_group + GUESS_NUMBERS * anchor
        self.prior = counted / counted.sum(axis=1, keepdims=True)
        expected = ((belief @ USUAL) * calls.tried).sum(axis=0)
        answers = calls.answers
        self.rate = float(
            (answers.sum() + GUESS_CALLS) / ((expected * self.curve).sum() + GUESS_CALLS / self.first_rate)
        )
        self.curve = (answers / self.rate + GUESS_CALLS * FIRST_CURVE) / (expected + GUESS_CALLS)
        self._tables()


class _Calls:
    """What was heard of some numbers, as counts: `tried`, numbers × hours; `answers`, hours; `by_group`, groups × numbers."""

    def __init__(self, heard: NDArray[np.int64], numbers: int, groups: NDArray[np.int64], many: int) -> None:
        number, hour, what, times = heard.T
        cells = len(OUTCOMES) * HOURS
        found = np.bincount(number * cells + what * HOURS + hour, times, numbers * cells)
        self.counts = found.reshape(numbers, cells)
        by_outcome = self.counts.reshape(numbers, len(OUTCOMES), HOURS)
        self.groups, self.tried = groups, by_outcome.sum(axis=1)
        self.answers = by_outcome[:, :_NOBODY].sum(axis=(0, 1))
        self.by_group = np.zeros((many, numbers))
        self.by_group[groups, np.arange(numbers)] = 1.0

    def likelihood(self, log_said: Floats) -> Floats:
        """Numbers × kinds, logarithms."""
        return np.asarray(self.counts @ log_said.transpose(0, 2, 1).reshape(-1, len(KINDS)), dtype=float)


def _belief(prior: Floats, log_seen: Floats) -> Floats:
    weight = np.log(np.clip(prior, 1e-9, None)) + log_seen
    weight -= weight.max(axis=1, keepdims=True)
    belief = np.exp(weight)
    return np.asarray(belief / belief.sum(axis=1, keepdims=True), dtype=float)


def _prior(kind: Kind) -> float:
    if kind.party == DEAD:
        return PARTY_WEIGHTS[DEAD]
    return PARTY_WEIGHTS[kind.party] * HABIT_WEIGHTS[kind.habit] * READY_WEIGHTS[kind.ready]


PRIOR = np.array([_prior(kind) for kind in KINDS])
# kinds × hours: answers beside those of the whole floor; a dead number has none
USUAL = np.array([_habit(HABITS[k.habit]) * READY[k.ready] if k.party != DEAD else np.zeros(HOURS) for k in KINDS])
_NOBODY = OUTCOMES.index("no_answer")
_AT_ONCE = 100_000


def first_beliefs(buckets: int, ranks: int) -> Floats:
    """Groups × kinds before anything was heard, for groups numbered bucket × ranks + rank, each from the best down.

    The assumption, on purpose a coarse one: with each step the odds that a number is the borrower's, and that it is readily
    answered, fall alike. A floor where it is otherwise teaches so within a hundred calls to a group.
    """
    his = np.array([kind.party == RIGHT for kind in KINDS])
    ready = np.array([READY[kind.ready] for kind in KINDS])
    steps = np.add.outer(np.arange(buckets), np.arange(ranks)).reshape(-1, 1)
    found = PRIOR * np.where(his, LESS_HIS**steps, 1.0) * ready ** (-LESS_READY * steps)
    return np.asarray(found / found.sum(axis=1, keepdims=True), dtype=float)
