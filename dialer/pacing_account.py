"""The budget of abandoned calls: how much of it may be spent now (pure).

Several promises are kept at once, each with its own count: the account's window, this shift alone, the hours of the shift.
Each says how large a share of the next answers may be abandoned, and the least of them holds. A promise with much left
spends it evenly; one with little left goes on at a small risk, as the first per mille of risk is worth more to the agents
than all that follow, and stops when not one whole call is left.

The threshold on one call's risk follows that share by a ratio that is learned from the risks of the calls placed: these
are known at once, abandoned calls only one by one.
"""

import math
from dataclasses import dataclass
from typing import Any

LEAST = 1e-5  # threshold when nothing more may be spent: practically no risk
HOUR_S = 3600.0
HOUR_PARTS = 12  # the last hour is kept in as many parts
SLACK = 3.0  # calls by which the promise of an hour may be passed in a sixty minutes that begin anywhere
SURE = 0.85  # share of the answers to come until the shift ends that is counted on; of those of an hour, all are
KEPT = 2.5  # calls kept back, as abandoned calls come in bursts of two and three


@dataclass(frozen=True)
class Steer:
    """`threshold`: the risk at which no more call is placed. `allowed`: share of answers that may be abandoned from now on.
    `budget`: abandoned calls the account could bear now. `spent`: nothing may be risked."""

    threshold: float
    allowed: float
    budget: float
    spent: bool


def pace(left: float, answers: float, kept: float = KEPT) -> float:
    """Share of the next `answers` that may be abandoned when `left` calls may be in all. Never falls with `left`.

    Even, but for what is kept back; and so little when few are left that a burst practically never takes more: found by
    dynamic programming over (left, answers) with the agents' gain and the sizes of bursts as simulated.
    """
    if left < 1:
        return 0.0
    return min(max(left - kept, left / 4) / max(answers, 1.0), 0.005 * 4 ** min(left - kept, 6.0))


def _kept(bears: float) -> float:
    """Calls kept back in an hour that bears so many: larger teams have larger bursts."""
    return 2.0 + min(max(0.2 * (bears - 4.5), 0.0), 2.5)


class Account:
    def __init__(self, memory: dict[str, Any] | None, target: float, worst_hour: float | None) -> None:
        m = memory or {}
        self.target, self.worst_hour = target, worst_hour
        self.t: float | None = m.get("t")
        self.live0, self.abandoned0 = m.get("before", (None, None))
        self.live, self.abandoned = m.get("counts", (0, 0))
        self.speed_live, self.speed_s = m.get("speed", (2.0, 60.0))
        self.ratio: float = m.get("ratio", math.log(1.35))
        self.foretold: float = m.get("foretold", 0.0)
        self.mean_risk: float = m.get("mean_risk", 0.02)
        self.dt = 0.0
        self.spent: bool = m.get("spent", False)
        # while nothing was risked: people taken for machines, agents who left while it rang. No caution prevents these
        self.calm_live, self.calm_abandoned = m.get("calm", (250.0, 0.5))
        # people hung up on at the moment at which a machine was: misjudged
        self.judged_live, self.judged_people = m.get("judged", (150.0, 0.0))
        self.last: list[list[float]] = [list(x) for x in m.get("last", [[0.0, 0, 0]])]
        # seconds left of the shift, and the most that were; live and abandoned in it, and in its hours counted from its
        # beginning and from its end
        self.left, self.length = m.get("shift", (None, 0.0))
        self.of_shift: list[int] = list(m.get("of_shift", (0, 0)))
        self.of_hours: list[list[int]] = [list(x) for x in m.get("of_hours", ([0, 0, 0], [0, 0, 0]))]
        self.aim: float = m.get("aim", 0.0)

    def memory(self) -> dict[str, Any]:
        return {
            "t": self.t, "before": [self.live0, self.abandoned0], "counts": [self.live, self.abandoned],
            "speed": [self.speed_live, self.speed_s], "ratio": self.ratio, "foretold": self.foretold,
            "mean_risk": self.mean_risk, "spent": self.spent, "calm": [self.calm_live, self.calm_abandoned],
            "judged": [self.judged_live, self.judged_people],
            "last": [list(x) for x in self.last], "shift": [self.left, self.length], "of_shift": list(self.of_shift),
            "of_hours": [list(x) for x in self.of_hours], "aim": self.aim,
        }  # fmt: skip

    def count(self, t: float, left: float, live: int, abandoned: int, machines: int = 0) -> None:
        """`left`: seconds to the end of the shift. `machines`: calls just ended as such."""
        dt = self._passed(t, left)
        self.t = t
        if self.live0 is None:
            self.live0, self.abandoned0 = live, abandoned
            self.live, self.abandoned = live, abandoned
        if live < self.live or abandoned < self.abandoned:  # a new day, or days that have left the window
            self.live0 = (self.live0 or 0) - max(self.live - live, 0)
            self.abandoned0 = (self.abandoned0 or 0) - max(self.abandoned - abandoned, 0)
            self.live, self.abandoned = min(live, self.live), min(abandoned, self.abandoned)
        more, lost = live - self.live, abandoned - self.abandoned
        fade = math.exp(-dt / 2400)
        likely = 10 + 3 * dt * self.speed_live / self.speed_s  # what came while nobody counted is no speed
        self.speed_live = self.speed_live * fade + min(more, likely)
        self.speed_s = self.speed_s * fade + dt
        self.dt = min(dt, 60.0)
        if self.spent:
            self.calm_live += more
            self.calm_abandoned += lost
        self.judged_live += more
        self.judged_people += min(lost, machines)
        self.foretold += self.mean_risk * more
        self.live, self.abandoned = live, abandoned
        self._count_hours(dt, max(left, 0.0), more, lost)

    def _passed(self, t: float, left: float) -> float:
        """Seconds since the last count. Another leader's t has another zero: only where the shift's rest shrank alike is
        a long time believed."""
        if self.t is None:
            return 0.0
        dt = max(t - self.t, 0.0)
        alike = self.left is not None and abs(self.left - max(left, 0.0) - dt) < 5
        return dt if alike else min(dt, 60.0)

    def _count_hours(self, dt: float, left: float, more: int, lost: int) -> None:
        part = self.last[-1]
        part[0] += dt
        part[1] += more
        part[2] += lost
        if part[0] >= HOUR_S / HOUR_PARTS:
            self.last = [*self.last[-HOUR_PARTS:], [0.0, 0, 0]]
        if self.left is None or left > self.left + HOUR_S:  # another shift
            self.length, self.of_shift = left, [0, 0]
        self.left = left
        self.of_shift = [self.of_shift[0] + more, self.of_shift[1] + lost]
        numbers = (int((self.length - left + 1e-6) / HOUR_S), math.ceil(left / HOUR_S - 1e-9))
        for hour, number in zip(self.of_hours, numbers, strict=True):
            hour[1] += more
            hour[2] += lost
            if hour[0] != number:
                hour[:] = [number, 0, 0]

    def to_come(self, left: float) -> float:
        """Answers expected in so many seconds, at the speed of the last hour."""
        return max(left, 0.0) * self.speed_live / self.speed_s

    def steer(self, in_flight: float) -> Steer:
        """`in_flight`: answers still to come from calls placed."""
        budget = self.target * self.live - self.abandoned
        ahead, risked = SURE * self.to_come(self.left or 0.0), 0.05 * in_flight
        paces = [
            self._pace(self.target, live, lost, ahead, risked, KEPT)
            for live, lost in ((self.live, self.abandoned), self.of_shift)
        ]
        if self.worst_hour is not None:
            paces += [
                self._pace(
                    self.worst_hour, live, lost, coming, 0.03 * in_flight, _kept(self.worst_hour * (live + coming))
                )
                for live, lost, coming in self._hours()
            ]
        allowed = min(*paces, 1.6 * self.target)
        spent = allowed < 0.02 * self.target
        # more are abandoned than foretold, as later calls may be answered before earlier ones: by how much is learned
        trust = (self.foretold + 7) / (self.abandoned - (self.abandoned0 or 0) + 12)
        self.aim = allowed * min(max(trust, 0.3), 1.3)
        threshold = max(min(math.exp(self.ratio) * self.aim, 0.6), LEAST)
        self.spent = spent
        return Steer(threshold, allowed, budget, spent)

    def _pace(self, share: float, live: float, lost: float, coming: float, risked: float, kept: float) -> float:
        unavoidable = max(self.calm_abandoned / self.calm_live, self.judged_people / self.judged_live)
        return pace((share - unavoidable) * coming + share * live - lost - risked, coming, kept)

    def _hours(self) -> list[tuple[float, float, float]]:
        """Live, abandoned and answers to come, of the hours of the shift that this moment belongs to, and of sixty minutes
        that began somewhat earlier."""
        left = self.left or 0.0
        from_start, to_end = self.of_hours
        found: list[tuple[float, float, float]] = [
            (from_start[1], from_start[2], self.to_come(min((from_start[0] + 1) * HOUR_S - self.length + left, left))),
            (to_end[1], to_end[2], self.to_come(left - (to_end[0] - 1) * HOUR_S)),
        ]
        seconds = live = abandoned = 0.0
        for part in reversed(self.last):
            seconds, live, abandoned = seconds + part[0], live + part[1], abandoned + part[2]
            found.append((live, abandoned - SLACK, self.to_come(min(HOUR_S - seconds, left))))
        return found

    def placed(self, rate: float, calls: int, risk: float) -> None:
        """`risk`: sum over the calls of the chance that their answer finds nobody."""
        if not calls:
            return
        # calls that a broken trunk swallows by the hundred must not teach more than those of a busy minute
        speed = self.speed_live / self.speed_s
        weight = min(rate * calls, 2 * speed * max(self.dt, 0.5) + 0.5)
        mean = risk / calls
        self.mean_risk += (mean - self.mean_risk) * weight / (100 + weight)
        if self.aim > 0.15 * self.target:
            # follow so that the mean risk of an answered call becomes what is aimed at, over about forty minutes
            error = weight * (1 - mean / self.aim) / max(speed * 2400, 20.0)
            self.ratio = min(max(self.ratio + min(max(error, -0.1), 0.1), math.log(0.7)), math.log(4))
