"""Into which hour of his day a borrower is called, and by which number: the plan of a finite list (pure).

An attempt is scarce twice: the law allows a case few of them, and an agent's time costs. So every case looks through the
rest of its day and plans its attempts into its best hours, where an hour has a price for agents' time that is just high
enough for the planned calls to fit. A case is called now if this hour is among those planned, first where most would be
lost by waiting; while agents are scarce (this hour has a price) none of them waits for a planned call while another could be
made. The same functions order the product's queue (`live_order.py`) and the simulator's days (dialer/simulation/orders.py).

Arrays: numbers or cases × the remaining hours; column 0 is the hour that runs now.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NEVER = float("inf")
GAP_H = 2  # between two attempts
ATTEMPT = 0.01  # what a call must be worth, in contacts with the borrower of a typical case: phone, patience, caller id
OVERBOOK = 1.15  # some of those planned will have promised by then
TIE = 0.1  # between cases that lose alike by waiting the one that is worth more goes first
ROUNDS = 12


@dataclass(frozen=True, slots=True)
class OfCases:
    """`best`: the chance to reach the borrower by the best of his numbers, in each hour; `cost`: agents' seconds of an
    attempt by it; `chosen`: the number to call now."""

    best: Floats
    cost: Floats
    chosen: NDArray[np.int64]


def of_cases(
    right: Floats, answered: Floats, case_of: NDArray[np.int64], starts: NDArray[np.int64], *, handle: tuple[float, float],
    dial_s: float,
) -> OfCases:  # fmt: skip
    """`right`, `answered`: numbers × hours, the chances that the borrower, and that anybody, answers. `starts`: the first
    number of each case. `handle`: seconds with the borrower, and with somebody else; `dial_s`: agents' seconds of a dial."""
    best = np.maximum.reduceat(right, starts, axis=0)
    cost = right * handle[0] + np.maximum(answered - right, 0) * handle[1] + dial_s
    cost = np.minimum.reduceat(np.where(right >= best[case_of], cost, NEVER), starts, axis=0)
    first = np.where(right[:, 0] >= best[case_of, 0], np.arange(len(right)), len(right))
    return OfCases(best, cost, np.minimum.reduceat(first, starts))


def pick(surplus: Floats, allowed: NDArray[np.int64]) -> tuple[NDArray[np.bool_], Floats]:
    """The best hours of each case, as many as it is allowed and far enough apart, and the best of what is left."""
    left, rows = surplus.copy(), np.arange(len(surplus))
    picked = np.zeros(surplus.shape, dtype=bool)
    for turn in range(int(allowed.max(initial=0))):
        hour = left.argmax(axis=1)
        good = (left[rows, hour] > 0) & (allowed > turn)
        picked[rows[good], hour[good]] = True
        for apart in range(-GAP_H + 1, GAP_H):
            near = np.clip(hour + apart, 0, surplus.shape[1] - 1)
            left[rows[good], near[good]] = -NEVER
    return picked, left.max(axis=1)


def prices(worth: Floats, cost: Floats, allowed: NDArray[np.int64], room: Floats, first: Floats) -> Floats:
    """Of an agent's second in each hour, such that the plan fits the agents: `room`, their seconds; by raising those hours
    that are overbooked. `first`: where the search begins, yesterday's or the last ones."""
    price = first.copy()
    step = float(np.median(worth[worth > 0]) / max(float(np.median(cost)), 1.0)) if (worth > 0).any() else 0.0
    for turn in range(ROUNDS):
        picked, _ = pick(worth - price * cost, allowed)
        load = (cost * picked).sum(axis=0) / room
        price = np.clip(price + step * np.clip(load - 1, -0.5, 2.0) / (1 + turn / 4), 0, None)
    return price


@dataclass(frozen=True, slots=True)
class Stand:
    """`take`: cases to be called in this hour; `score`: the greater, the sooner; `picked`: the hours that each planned."""

    take: NDArray[np.bool_]
    score: Floats
    picked: NDArray[np.bool_]


def stand(worth: Floats, cost: Floats, allowed: NDArray[np.int64], price: Floats) -> Stand:
    surplus = worth - price * cost
    picked, left = pick(surplus, allowed)
    # what would be lost by waiting for the first hour left out
    score = surplus[:, 0] - np.clip(left, 0, None) + TIE * worth[:, 0]
    take = picked[:, 0]
    if price[0] > 0:
        take = take | ((allowed > 0) & (worth[:, 0] > 0))
    return Stand(take, score, picked)
