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

from dialer.pacing_shift import HOUR_S, ShiftClock

LEAST = 1e-5  # threshold when nothing more may be spent: practically no risk
HOUR_PARTS = 12  # the last hour is kept in as many parts
SLACK = 3.0  # calls by which the promise of an hour may be passed in a sixty minutes that begin anywhere
# share of the answers until the shift ends that is counted on: fewer may answer. Of those of an hour, all are
SURE = 0.65
KEPT = 3.0  # calls kept back, as abandoned calls come in bursts of two, three and, where agents have just left, four
RISKED = 0.1  # share of the answers still in flight that is reckoned lost
MARK = 400  # answers: who counts at each so many of a shift, long before its end, finds its promise kept too;
MARK_S = 1200.0  # a large team at a multiple of these, for which it takes so long
KEPT_AT_MARK, RISKED_AT_MARK = 1.0, 0.05
BURST_S = 20.0  # seconds' answers that are kept back for a step of the answer rate
HOUR_EASE = 0.03  # share that may be abandoned in an hour with one call left and one answer to come


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


def hour_pace(left: float, answers: float, bears: float) -> float:
    """The same for an hour that bears so many calls in all. An hour is short and a team small: most are lost by chance, so that
    it may go on a little while one call is left, and freely while there are three. Found by dynamic programming as well, at
    one hour in a hundred that passes its limit. Larger teams have larger bursts, for which more is kept back.
    """
    if left < 1:
        return 0.0
    kept = 0.2 + min(max(0.2 * (bears - 4.5), 0.0), 2.5)
    return HOUR_EASE * max(left - kept, 0.0) ** 1.4 / math.sqrt(max(answers, 1.0))


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
        # live and abandoned of the shift, and of its hours counted from its beginning and from its end
        self.clock = ShiftClock(m.get("clock"))
        self.of_shift: list[int] = list(m.get("of_shift", (0, 0)))
        self.of_hours: list[list[int]] = [list(x) for x in m.get("of_hours", ([0, 0, 0], [0, 0, 0]))]
        self.aim: float = m.get("aim", 0.0)

    def memory(self) -> dict[str, Any]:
        return {
            "t": self.t, "before": [self.live0, self.abandoned0], "counts": [self.live, self.abandoned],
            "speed": [self.speed_live, self.speed_s], "ratio": self.ratio, "foretold": self.foretold,
            "mean_risk": self.mean_risk, "spent": self.spent, "calm": [self.calm_live, self.calm_abandoned],
            "judged": [self.judged_live, self.judged_people],
            "last": [list(x) for x in self.last], "clock": self.clock.memory(), "of_shift": list(self.of_shift),
            "of_hours": [list(x) for x in self.of_hours], "aim": self.aim,
        }  # fmt: skip

    def count(self, t: float, left: float, live: int, abandoned: int, machines: int = 0) -> None:
        """`left`: seconds to the end of the shift. `machines`: calls just ended as such."""
        known = self._passed(t, left)
        dt = known or 0.0
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
        if self.clock.passed(known, left, more):
            self.of_shift = [0, 0]
        self._count_hours(dt, more, lost)

    def _passed(self, t: float, left: float) -> float | None:
        """Seconds since the last count. Another leader's t has another zero: only where the shift's rest shrank alike is
        a long time believed, and None says that it is not known."""
        if self.t is None:
            return 0.0
        dt, was = t - self.t, self.clock.left
        alike = was is not None and abs(was - max(left, 0.0) - dt) < 5
        return max(dt, 0.0) if alike or 0 <= dt <= 60 else None

    def _count_hours(self, dt: float, more: int, lost: int) -> None:
        part = self.last[-1]
        part[0] += dt
        part[1] += more
        part[2] += lost
        if part[0] >= HOUR_S / HOUR_PARTS:
            self.last = [*self.last[-HOUR_PARTS:], [0.0, 0, 0]]
        self.of_shift = [self.of_shift[0] + more, self.of_shift[1] + lost]
        numbers = (self.clock.hour()[0], self.clock.hour_from_end()[0])
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
        ahead, risked = SURE * self.to_come(self.clock.ahead()), RISKED * in_flight
        # many more may answer at once than ever before: a large team loses more in the seconds until that is seen
        kept = KEPT + min(max(BURST_S * self.speed_live / self.speed_s - 0.6, 0.0), 8.0)
        paces = [
            pace(self._left(self.target, live, lost, ahead, risked), ahead, kept)
            for live, lost in ((self.live, self.abandoned), self.of_shift)
        ]
        live, lost = self.of_shift
        mark = MARK * max(round(self.to_come(MARK_S) / MARK), 1)
        to_mark = float(mark - live % mark)
        paces.append(
            pace(self._left(self.target, live, lost, to_mark, RISKED_AT_MARK * in_flight), to_mark, KEPT_AT_MARK)
        )
        if self.worst_hour is not None:
            paces += [
                hour_pace(
                    self._left(self.worst_hour, live, lost, coming, 0.03 * in_flight),
                    coming,
                    self.worst_hour * (live + coming),
                )
                for live, lost, coming in self._hours()
            ]
        allowed = min(*paces, 1.6 * self.target)
        spent = allowed < 0.02 * self.target
        # more are abandoned than foretold, as later calls may be answered before earlier ones: by how much is learned
        trust = (self.foretold + 7) / (self.abandoned - (self.abandoned0 or 0) + 12)
        self.aim = allowed * min(max(trust, 0.05), 1.3)
        threshold = max(min(math.exp(self.ratio) * self.aim, 0.6), LEAST)
        self.spent = spent
        return Steer(threshold, allowed, budget, spent)

    def _left(self, share: float, live: float, lost: float, coming: float, risked: float) -> float:
        """Calls that a promise of that share can still bear, with what the answers to come earn."""
        unavoidable = max(self.calm_abandoned / self.calm_live, self.judged_people / self.judged_live)
        return (share - unavoidable) * coming + share * live - lost - risked

    def _hours(self) -> list[tuple[float, float, float]]:
        """Live, abandoned and answers to come, of the hours of the shift that this moment belongs to, and of sixty minutes
        that began somewhat earlier."""
        clock, (from_start, to_end) = self.clock, self.of_hours
        found: list[tuple[float, float, float]] = [
            (from_start[1], from_start[2], self.to_come(clock.hour()[1])),
            (to_end[1], to_end[2], self.to_come(clock.hour_from_end()[1])),
        ]
        seconds = live = abandoned = 0.0
        for part in reversed(self.last):
            seconds, live, abandoned = seconds + part[0], live + part[1], abandoned + part[2]
            found.append((live, abandoned - SLACK, self.to_come(clock.within(HOUR_S - seconds))))
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
