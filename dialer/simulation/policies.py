"""Pacing policies to compare ours with, in the simulator: `POLICIES[name]()` (pure).

Own code after the rules that others publish or show in their sources; none of theirs. Each sees what its original sees:
counts of agents and calls, its own drop rate, nothing of ages or lengths unless the original uses them.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dialer.pacing import Observation, Pacer, PacingSettings

if TYPE_CHECKING:
    from dialer.simulation.shift import Shift


class Ours:
    """The pacer of this product."""

    def __init__(self, settings: PacingSettings | None = None) -> None:
        self.pacer = Pacer(settings or PacingSettings())

    def calls(self, o: Observation) -> int:
        return self.pacer.decide(o).calls


def in_flight(o: Observation) -> int:
    return len(o.ringing) + len(o.waiting)


class Progressive:
    """One line per free agent."""

    def calls(self, o: Observation) -> int:
        return max(len(o.free) - in_flight(o), 0)


class Ratio:
    """So many lines per free agent (Wombat's boost; the power dialer of most products)."""

    def __init__(self, lines_per_agent: float) -> None:
        self.lines_per_agent = lines_per_agent

    def calls(self, o: Observation) -> int:
        return max(math.floor(len(o.free) * self.lines_per_agent) - in_flight(o), 0)


class Vicidial:
    """VICIdial's adaptive modes: a level of lines per agent on the hook or ready, nudged every 15 s by how many agents
    wait, cut by the day's drop rate (refreshed each minute) in the way of the mode: hard_limit, average, tapered."""

    LIMIT, TOP, TARGET_WAITING = 0.03, 3.0, 0.0

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.level = 1.0
        self.adapted = self.counted = self.dialed = -math.inf
        self.drop_rate = 0.0
        self.began = -1.0

    def calls(self, o: Observation) -> int:
        if self.began < 0:
            self.began = o.t
        if o.t - self.counted >= 60:
            self.counted = o.t
            self.drop_rate = o.abandoned / o.live if o.live else 0.0
        if o.t - self.adapted >= 15:
            self.adapted = o.t
            self._adapt(o)
        if o.t - self.dialed < 2.5:
            return 0
        self.dialed = o.t
        agents = len(o.free) + len(o.talking)  # those in wrap-up are paused for it
        return max(round(self.level * agents) - in_flight(o) - len(o.talking), 0)

    def _adapt(self, o: Observation) -> None:
        agents = max(len(o.free) + len(o.talking) + len(o.wrapping), 1)
        self.level *= 1 + (len(o.free) - len(o.waiting) + self.TARGET_WAITING) / agents
        if self.drop_rate > self.LIMIT:
            if self.mode == "hard_limit":
                self.level = 1.0
            elif self.mode == "average":
                self.level /= 2
            else:  # the hours left are taken from a clock face read as a decimal number: 100 to the hour
                self.level *= max(_clock_face(o.horizon) - _clock_face(o.t), 0) / 1000
        self.level = min(max(self.level, 1.0), self.TOP)


def _clock_face(t: float) -> int:
    return int(t // 3600) * 100 + int(t % 3600 // 60)


class Issabel:
    """Free agents, and busy ones whose elapsed talk would be rare if all talks began anew now (an exponential of the mean
    talk, over 0.97), less the calls in flight, over the answer rate (at least 0.20)."""

    def __init__(self) -> None:
        self.talk_seconds = self.talked = self.answered = self.tried = 0.0

    def calls(self, o: Observation) -> int:
        self.talk_seconds += sum(o.talks)
        self.talked += len(o.talks)
        self.tried += len(o.attempts)
        self.answered += sum(outcome == "answer" for outcome, _ in o.attempts)
        mean = self.talk_seconds / self.talked if self.talked else 120.0
        soon = sum(1 - math.exp(-elapsed / mean) > 0.97 for elapsed in o.talking)
        rate = max(self.answered / self.tried if self.tried else 1.0, 0.20)
        return max(math.floor((len(o.free) + soon - in_flight(o)) / rate), 0)


class AllKnowing:
    """The bound: knows the fate of every dial and when each agent will be free. No dialer can do this."""

    def __init__(self) -> None:
        self.shift: Shift | None = None
        self.due: list[float] = []  # answers on their way

    def watch(self, shift: "Shift") -> None:
        self.shift = shift

    def calls(self, o: Observation) -> int:
        shift = self.shift
        if shift is None:
            raise RuntimeError("the all-knowing bound plays in a simulated shift only")
        t = shift.t
        self.due = [x for x in self.due if x > t]
        free_at = sorted(shift.free_times())
        self.due.sort()
        room = min(o.trunks_free, 400)
        placed = ahead = 0
        while ahead < room:
            fate = shift.fate(ahead)
            ahead += 1
            if fate.u >= shift.answer_rate(t):
                continue
            trial = sorted([*self.due, t + fate.answer_after])
            held = [t] * len(o.waiting)  # answered, and served by the first who is free
            served = len(held) + len(trial) <= len(free_at)
            if not served or any(
                ready > answer + 0.5 for ready, answer in zip(free_at[len(held) :], trial, strict=False)
            ):
                break
            self.due = trial
            placed = ahead
        return placed


POLICIES: dict[str, Callable[[], Any]] = {
    "ours": Ours,
    "progressive": Progressive,
    "vicidial-hard-limit": lambda: Vicidial("hard_limit"),
    "vicidial-average": lambda: Vicidial("average"),
    "vicidial-tapered": lambda: Vicidial("tapered"),
    "issabel": Issabel,
    "all-knowing": AllKnowing,
}


def named(name: str) -> Any:
    """A fresh policy; `ratio-1.5` and the like are fixed ratios. Raises KeyError."""
    if name.startswith("ratio-"):
        try:
            return Ratio(float(name.removeprefix("ratio-")))
        except ValueError:
            raise KeyError(name) from None
    return POLICIES[name]()
