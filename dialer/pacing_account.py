"""The budget of abandoned calls: how much of it may be spent now (pure).

The share allowed from now to the shift's end is what the target leaves over, so that luck of the morning, good or bad, is
made up for in small steps. The threshold on one call's risk follows that share by a ratio that is learned from the
risks of the calls placed: these are known at once, abandoned calls only one by one.
"""

import math
from dataclasses import dataclass
from typing import Any

LEAST = 1e-5  # threshold when nothing more may be spent: practically no risk
HOUR_PARTS = 12  # the last hour is kept in as many parts


@dataclass(frozen=True)
class Steer:
    """`threshold`: the risk at which no more call is placed. `allowed`: share of answers that may be abandoned from now on.
    `budget`: abandoned calls the account could bear now. `spent`: nothing may be risked."""

    threshold: float
    allowed: float
    budget: float
    spent: bool


def _ramp(x: float, none: float, full: float) -> float:
    return min(max((x - none) / (full - none), 0.0), 1.0)


class Account:
    def __init__(self, memory: dict[str, Any] | None, target: float, worst_hour: float | None) -> None:
        m = memory or {}
        self.target, self.worst_hour = target, worst_hour
        self.t: float | None = m.get("t")
        self.live0, self.abandoned0 = m.get("before", (None, None))
        self.live, self.abandoned = m.get("counts", (0, 0))
        self.elapsed: float = m.get("elapsed", 0.0)
        self.speed_live, self.speed_s = m.get("speed", (1.0, 60.0))
        self.ratio: float = m.get("ratio", math.log(1.35))
        self.foretold: float = m.get("foretold", 0.0)
        self.mean_risk: float = m.get("mean_risk", 0.02)
        self.dt = 0.0
        self.spent: bool = m.get("spent", False)
        # while nothing was risked: people taken for machines, agents who left while it rang. No caution prevents these
        self.calm_live, self.calm_abandoned = m.get("calm", (250.0, 0.5))
        self.hour: list[list[float]] = [list(x) for x in m.get("hour", [[0.0, 0, 0]])]
        self.aim: float = m.get("aim", 0.0)

    def memory(self) -> dict[str, Any]:
        return {
            "t": self.t, "before": [self.live0, self.abandoned0], "counts": [self.live, self.abandoned],
            "elapsed": self.elapsed, "speed": [self.speed_live, self.speed_s], "ratio": self.ratio,
            "foretold": self.foretold, "mean_risk": self.mean_risk, "spent": self.spent,
            "calm": [self.calm_live, self.calm_abandoned], "hour": [list(x) for x in self.hour], "aim": self.aim,
        }  # fmt: skip

    def count(self, t: float, live: int, abandoned: int) -> None:
        dt = 0.0 if self.t is None else min(max(t - self.t, 0.0), 60.0)
        self.t = t
        if self.live0 is None:
            self.live0, self.abandoned0 = live, abandoned
            self.live, self.abandoned = live, abandoned
        if live < self.live or abandoned < self.abandoned:  # a new day, or days that have left the window
            self.live0 = (self.live0 or 0) - max(self.live - live, 0)
            self.abandoned0 = (self.abandoned0 or 0) - max(self.abandoned - abandoned, 0)
            self.live, self.abandoned = min(live, self.live), min(abandoned, self.abandoned)
        fade = math.exp(-dt / 2400)
        self.speed_live = self.speed_live * fade + max(live - self.live, 0)
        self.speed_s = self.speed_s * fade + dt
        self.elapsed += dt
        part = self.hour[-1]
        part[0] += dt
        part[1] += live - self.live
        part[2] += abandoned - self.abandoned
        if part[0] >= 3600 / HOUR_PARTS:
            self.hour = [*self.hour[-HOUR_PARTS:], [0.0, 0, 0]]
        self.dt = dt
        if self.spent:
            self.calm_live += live - self.live
            self.calm_abandoned += abandoned - self.abandoned
        self.foretold += self.mean_risk * max(live - self.live, 0)
        self.live, self.abandoned = live, abandoned

    def to_come(self, left: float) -> float:
        """Answers expected in so many seconds, at the speed of the last hour."""
        return max(left, 0.0) * self.speed_live / self.speed_s

    def steer(self, left: float, in_flight: float) -> Steer:
        """`left`: seconds to the end of the shift. `in_flight`: answers still to come from calls placed."""
        target = self.target
        to_come = self.to_come(left)
        budget = target * self.live - self.abandoned
        reserve = 1.8 + 0.04 * in_flight
        ahead = 0.75 * to_come  # the answer rate may fall
        allowed = (budget - reserve + target * ahead) / max(ahead, 1.0)
        allowed = min(max(allowed, 0.0), 1.6 * target)
        # what is left even if from now on nothing is risked, which makes calls fewer
        unavoidable = self.calm_abandoned / self.calm_live
        secure = budget + (target * 0.5 - unavoidable) * to_come - 0.08 * in_flight
        least = 3.0 + min(4 * self.speed_live / self.speed_s, 3.0)  # abandoned calls come in bursts of two and three
        # while there is time, the next calls earn it; what a burst takes must still be there when they no longer can
        least = 0.3 + (least - 0.3) / (1 + (to_come / 70) ** 2)
        allowed *= _ramp(secure, least, least + 1.2)
        if self.worst_hour is not None:
            allowed *= _ramp(self._room_of_hour() - 0.04 * in_flight, 1.0, 2.2)
        spent = allowed < 0.05 * target
        # more are abandoned than foretold, as later calls may be answered before earlier ones: by how much is learned
        trust = (self.foretold + 15) / (self.abandoned - (self.abandoned0 or 0) + 20)
        self.aim = allowed * min(max(trust, 0.3), 1.3)
        threshold = max(min(math.exp(self.ratio) * self.aim, 0.6), LEAST)
        return Steer(threshold, allowed, budget, spent)

    def _room_of_hour(self) -> float:
        """Abandoned calls that the last hour could still bear."""
        seconds, live, abandoned = (sum(x) for x in zip(*self.hour, strict=True))
        expected = live if seconds >= 3600 else max(live, self.speed_live / self.speed_s * 3600)
        # in an hour of few answers one call more is no breach of faith but chance; two hundred an hour bear none
        return (self.worst_hour or 0.0) * expected - abandoned + max(4 - expected / 60, 0.0)

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
