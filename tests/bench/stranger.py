"""A second simulator of a dialer's floor, which shares nothing with `dialer/simulation/`: what a stranger would write who
has only the pacer's door. It exists so that a fault of our simulator cannot hide a fault of our pacer.

Every event happens at its own moment; the pacer is asked every `every` seconds. An answered call goes to the agent who has
waited longest, or waits `limit` seconds and is abandoned. Rates of answer, lengths and ringing are functions that a world
brings along. The pacer may be asked at uneven moments, be silent for a while, or hand over to a new one with another zero
of time.
"""

import heapq
import itertools
import json
import random
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

from dialer.pacing import Observation, Pacer, PacingSettings

Draw = Callable[[random.Random], float]


@dataclass(frozen=True, kw_only=True)
class Floor:
    """A world. Times in seconds; `rate` is the chance of an answer at a moment. `staff`: how many may work at a moment, at
    once. `dead`: spans in which the trunk answers nothing: from, until, seconds after which each call ends.
    `silent`: spans in which nobody asks the pacer. `handovers`: moments at which a new leader takes over."""

    name: str
    agents: int
    rate: Callable[[float], float]
    hours: float = 8.0
    talk: Draw = lambda r: r.lognormvariate(4.55, 0.7)
    wrap: Draw = lambda r: r.lognormvariate(3.1, 0.5)
    ring: Draw = lambda r: r.uniform(1, 3) + r.gammavariate(2, 4)
    ring_timeout: float = 25.0
    limit: float = 2.0
    every: float = 1.0
    uneven: float = 0.0
    zero: float = 0.0
    pause_every: float = 5400.0
    pause: float = 600.0
    staff: Callable[[float], int] = lambda t: 10**6
    dead: tuple[tuple[float, float, float], ...] = ()
    silent: tuple[tuple[float, float], ...] = ()
    handovers: tuple[float, ...] = ()
    lines: int = 10_000
    before: tuple[int, int] = (0, 0)  # live and abandoned of the window so far
    told: Callable[[float, float], float] = lambda t, end: end  # the horizon that the pacer is told
    settings: PacingSettings = field(default_factory=PacingSettings)


@dataclass
class Played:
    """`live`, `abandoned`: moments. `faults`: what the pacer did that it never may."""

    name: str
    seed: int
    live: list[float] = field(default_factory=list)
    abandoned: list[float] = field(default_factory=list)
    worked: float = 0.0
    paid: float = 0.0
    dials: int = 0
    faults: list[str] = field(default_factory=list)
    length: float = 0.0

    @property
    def utilisation(self) -> float:
        return self.worked / max(self.paid, 1.0)

    @property
    def share(self) -> float:
        return len(self.abandoned) / max(len(self.live), 1)

    def between(self, begin: float, end: float) -> tuple[int, int]:
        a, b = self.abandoned, self.live
        return bisect_left(a, end) - bisect_left(a, begin), bisect_left(b, end) - bisect_left(b, begin)

    def hours(self) -> list[tuple[int, int]]:
        """Abandoned and live, hour by hour of the shift."""
        return [self.between(h * 3600.0, (h + 1) * 3600.0) for h in range(round(self.length / 3600 + 0.49))]

    def worst_hour(self) -> float:
        return max((a / b for a, b in self.hours() if b), default=0.0)

    def worst_sliding(self) -> float:
        starts = range(0, int(self.length) - 3599, 60)
        return max((a / b for a, b in (self.between(s, s + 3600.0) for s in starts) if b), default=0.0)


class Worker:
    def __init__(self, r: random.Random, world: Floor) -> None:
        self.state, self.since = "free", 0.0
        self.next_pause = r.uniform(0.2, 1.8) * world.pause_every
        self.turn = 0


class Play:
    def __init__(self, world: Floor, seed: int) -> None:
        self.w, self.r, self.t = world, random.Random(seed), 0.0
        self.people = random.Random(seed + 1)
        self.out = Played(world.name, seed, length=world.hours * 3600.0)
        self.workers = [Worker(self.r, world) for _ in range(world.agents)]
        self.ringing: dict[int, float] = {}
        self.waiting: dict[int, float] = {}
        self.heap: list[tuple[float, int, Callable[[], None]]] = []
        self.ids = itertools.count()
        self.attempts: list[tuple[str, float]] = []
        self.talks: list[float] = []
        self.wraps: list[float] = []
        self.pacer = Pacer(world.settings)
        self.offset = world.zero

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self.heap, (self.t + seconds, next(self.ids), do))

    def run(self) -> Played:
        w, next_ask, handovers = self.w, 0.0, list(self.w.handovers)
        while next_ask < self.out.length:
            while self.heap and self.heap[0][0] <= next_ask:
                self.t, _, do = heapq.heappop(self.heap)
                do()
            self.t = next_ask
            self._attendance()
            if handovers and self.t >= handovers[0]:
                handovers.pop(0)
                self.pacer = Pacer(w.settings, json.loads(json.dumps(self.pacer.memory())))
                self.offset += self.r.uniform(-5e4, 5e4)
            if not any(a <= self.t < b for a, b in w.silent):
                self._ask()
            next_ask += w.every * (1 + w.uneven * self.r.uniform(-1, 1))
        self.t = self.out.length
        self.out.abandoned += [self.t] * len(self.waiting)
        for one in self.workers:
            self._becomes(one, "gone")
        return self.out

    def _becomes(self, one: Worker, state: str) -> None:
        if one.state in ("free", "talk", "wrap"):
            self.out.paid += self.t - one.since
        if one.state in ("talk", "wrap"):
            self.out.worked += self.t - one.since
        one.state, one.since, one.turn = state, self.t, one.turn + 1

    def _attendance(self) -> None:
        """Who must leave at once leaves, whatever he does; who may come comes."""
        allowed = self.w.staff(self.t)
        here = [one for one in self.workers if one.state != "gone"]
        for one in here[allowed:]:
            self._becomes(one, "gone")
        for one in [one for one in self.workers if one.state == "gone"][: max(allowed - len(here), 0)]:
            self._frees(one)
        for one in here[:allowed]:
            if one.state == "free" and self.t >= one.next_pause:
                self._pauses(one)

    def _pauses(self, one: Worker) -> None:
        self._becomes(one, "pause")
        length, turn = self.w.pause * self.r.uniform(0.3, 1.7), one.turn
        one.next_pause = self.t + length + self.r.uniform(0.2, 1.8) * self.w.pause_every
        self.later(length, lambda: self._frees(one) if one.turn == turn else None)

    def _frees(self, one: Worker) -> None:
        self._becomes(one, "free")
        if self.waiting:
            self.waiting.pop(next(iter(self.waiting)))
            self._talks(one)

    def _talks(self, one: Worker) -> None:
        self._becomes(one, "talk")
        length, turn = self.w.talk(self.people), one.turn
        self.later(length, lambda: self._wraps_up(one, length) if one.turn == turn else None)

    def _wraps_up(self, one: Worker, talked: float) -> None:
        self.talks.append(talked)
        self._becomes(one, "wrap")
        length, turn = self.w.wrap(self.people), one.turn

        def done() -> None:
            if one.turn == turn:
                self.wraps.append(length)
                self._frees(one)
                if one.state == "free" and self.t >= one.next_pause:
                    self._pauses(one)

        self.later(length, done)

    def _places(self) -> None:
        w, call, r = self.w, next(self.ids), self.people
        self.out.dials += 1
        self.ringing[call] = self.t
        answered, ring = r.random() < w.rate(self.t), w.ring(r)
        for begin, end, after in w.dead:
            if begin <= self.t < end:
                self.later(after, lambda: self._ends(call, "no_answer"))
                return
        if answered and ring < w.ring_timeout:
            self.later(ring, lambda: self._answers(call))
        elif r.random() < 0.15:
            self.later(min(ring, w.ring_timeout), lambda: self._ends(call, "busy"))
        else:
            self.later(w.ring_timeout, lambda: self._ends(call, "no_answer"))

    def _ends(self, call: int, outcome: str) -> None:
        self.attempts.append((outcome, self.t - self.ringing.pop(call)))

    def _answers(self, call: int) -> None:
        self._ends(call, "answer")
        self.out.live.append(self.t)
        free = [one for one in self.workers if one.state == "free"]
        if free:
            self._talks(min(free, key=lambda one: one.since))
            return
        self.waiting[call] = self.t

        def gives_up() -> None:
            if self.waiting.pop(call, None) is not None:
                self.out.abandoned.append(self.t)

        self.later(self.w.limit, gives_up)

    def _ask(self) -> None:
        w, t, states = self.w, self.t, [one.state for one in self.workers]
        ages = {s: tuple(t - one.since for one in self.workers if one.state == s) for s in ("free", "talk", "wrap")}
        lines = max(w.lines - len(self.ringing) - len(self.waiting) - len(ages["talk"]), 0)
        calls = self.pacer.decide(
            Observation(
                t=t + self.offset, horizon=w.told(t, self.out.length) + self.offset, free=ages["free"], talking=ages["talk"],
                wrapping=ages["wrap"], ringing=tuple(t - at for at in self.ringing.values()),
                waiting=tuple(t - at for at in self.waiting.values()), on_break=states.count("pause"),
                logged_in=len(states) - states.count("gone"), trunks_free=lines, attempts=tuple(self.attempts),
                talks=tuple(self.talks), wraps=tuple(self.wraps), live=w.before[0] + len(self.out.live),
                abandoned=w.before[1] + len(self.out.abandoned), answer_limit=w.limit, ring_timeout=w.ring_timeout,
            )
        ).calls  # fmt: skip
        self.attempts, self.talks, self.wraps = [], [], []
        if not isinstance(calls, int) or not 0 <= calls <= lines:
            self.out.faults.append(f"{calls!r} calls for {lines} lines at {t:.0f}")
        for _ in range(calls):
            self._places()


def play(world: Floor, seed: int) -> Played:
    return Play(world, seed).run()
