"""The description of a simulated world: read from a documented YAML file (dialer/simulation/worlds/), checked (pure).

Times in seconds unless the name says otherwise; shares 0 … 1. Every key has a default, so that a file names only what is
special. `dialer/simulation/worlds/standard.yaml` explains all of them.
"""

import math
import random
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

import yaml

SHAPES = ("stationary", "drifting", "stepping", "by_hour")
HOURS = 24
FAULTS = ("refuse", "refuse_invalid", "silent", "no_lines")


class BadWorld(ValueError):
    """The file of a world says something that is not understood; the message names the key."""


@dataclass(frozen=True, kw_only=True)
class Blackout:
    """At `at` all but `agents_left` are gone `within` some seconds, back at `until`."""

    at: float
    until: float
    agents_left: int
    within: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Of the trunk. refuse: ends at once and is not reported; refuse_invalid: wrongly as a bad number; silent: rings and
    nobody answers; no_lines: none is free."""

    at: float
    until: float
    kind: str = "refuse"


@dataclass(frozen=True, kw_only=True)
class World:
    name: str = "standard"
    agents: int = 25
    hours: float = 8.0
    lines: int = 100_000
    decide_every: float = 1.0
    answer_limit: float = 2.0
    # people
    answer_rate: float = 0.25
    rate_shape: str = "stationary"
    drift_amplitude: float = 0.4
    drift_period: float = 4 * 3600.0
    steps: tuple[tuple[float, float], ...] = ((1 / 3, 1.5), (2 / 3, 0.5))  # from this part of the shift, times this
    by_hour: tuple[float, ...] = ()  # factors, one an hour
    post_dial: tuple[float, float] = (1.0, 3.0)
    ring_mean: float = 8.0
    ring_shape: float = 2.0  # of a gamma distribution; 1 is exponential
    ring_timeout: float = 25.0
    busy: float = 0.08  # shares of the calls that are not answered
    rejected: float = 0.05
    invalid: float = 0.03
    talk_mean: float = 120.0
    talk_sigma: float = 0.7
    short_share: float = 0.0
    short_mean: float = 12.0
    # machines
    machine_share: float = 0.0  # of the answers
    detection: str = "off"  # off, before
    detection_seconds: float = 1.5
    machine_missed: float = 0.08
    human_misjudged: float = 0.03
    machine_talk: float = 6.0  # until the agent hangs up on it
    # agents
    wrap_mean: float = 25.0
    wrap_sigma: float = 0.5
    break_every: float = 6600.0
    break_length: float = 600.0
    out_every: float = 14_400.0
    out_length: float = 300.0
    # what happens
    blackouts: tuple[Blackout, ...] = ()
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if self.rate_shape not in SHAPES:
            raise BadWorld(f"rate_shape: {self.rate_shape}; known: {', '.join(SHAPES)}")
        if self.detection not in ("off", "before"):
            raise BadWorld(f"detection: {self.detection}; known: off, before")
        for fault in self.faults:
            if fault.kind not in FAULTS:
                raise BadWorld(f"faults: kind {fault.kind}; known: {', '.join(FAULTS)}")
        if self.agents < 1 or not 0 < self.hours <= 48 or not 0 < self.decide_every <= 60:
            raise BadWorld("agents ≥ 1, 0 < hours ≤ 48 and 0 < decide_every ≤ 60 are needed")
        if self.rate_shape == "by_hour" and not self.by_hour:
            raise BadWorld("by_hour: factors are missing")
        if self.post_dial[1] >= self.ring_timeout or self.ring_mean <= 0 or self.ring_shape <= 0:
            raise BadWorld("post_dial, ring_mean, ring_shape: an answer must be possible before ring_timeout")

    def rate_at(self, t: float, phase: float) -> float:
        """Chance that a dial at t is answered. `phase`: 0 … 1, of the drift."""
        p = self.answer_rate
        if self.rate_shape == "drifting":
            p *= 1 + self.drift_amplitude * math.sin(2 * math.pi * (t / self.drift_period + phase))
        elif self.rate_shape == "stepping":
            part = t / (self.hours * 3600)
            for begins, factor in self.steps:
                if part >= begins:
                    p = self.answer_rate * factor
        elif self.rate_shape == "by_hour":
            p *= self.by_hour[min(int(t // 3600), len(self.by_hour) - 1)]
        return min(p, 0.98)

    def ring_time(self, r: random.Random) -> float:
        return r.gammavariate(self.ring_shape, self.ring_mean / self.ring_shape)

    def fault_at(self, t: float) -> str:
        for fault in self.faults:
            if fault.at <= t < fault.until:
                return fault.kind
        return ""

    def but(self, **changes: Any) -> "World":
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class FiniteWorld:
    """A list that ends: some days in a row over the same cases (`finite_days.py`)."""

    name: str = "finite days"
    cases: int = 12_000
    days: int = 5
    first_day: date = date(2026, 11, 16)
    agents: int = 15
    opens: int = 9  # hours in Kyiv
    closes: int = 20
    lines: int = 75
    utilisation: float = 0.88
    russian: float = 0.4
    numbers: tuple[float, float, float] = (0.45, 0.35, 0.20)  # shares of cases with 1, 2, 3
    shared: float = 0.04
    habit: float = 0.6  # share of people with hours of their own:
    habit_hours: tuple[float, ...] = (10.0, 13.0, 16.5, 19.0)  # around one of these
    by_hour: tuple[
        float, ...
    ] = ()  # how readily the others answer in each of the 24 hours; empty: rising to the evening
    decline: float = 1.0  # how much worse older debts' and later numbers are: 1 as is usual, 0 not at all
    rings_back: float = 0.03  # of the borrowers who were missed
    asks_for_hour: float = 0.08  # of right parties: call me at that hour
    history: float = 8.0  # calls to a number in the months before, on average
    again_after_days: int = 2  # a right party without a promise
    talk_mean: float = 150.0
    other_talk_mean: float = 30.0
    wrap_mean: float = 30.0
    ring_time: float = 20.0

    def __post_init__(self) -> None:
        if self.cases < 1 or not 1 <= self.days <= 31 or self.agents < 1 or self.lines < 1:
            raise BadWorld("cases, agents and lines ≥ 1 and 1 ≤ days ≤ 31 are needed")
        if not 0 <= self.opens < self.closes <= 24:
            raise BadWorld("opens, closes: hours of one day, the first before the second")
        if len(self.numbers) != 3 or abs(sum(self.numbers) - 1) > 0.01:
            raise BadWorld("numbers: three shares that add up to 1")
        if not self.habit_hours or len(self.by_hour) not in (0, HOURS) or not 0 <= self.decline <= 2:
            raise BadWorld("habit_hours: at least one; by_hour: 24 factors or none; 0 ≤ decline ≤ 2")
        if not isinstance(self.first_day, date):
            raise BadWorld("first_day: a date like 2026-11-16")

    def but(self, **changes: Any) -> "FiniteWorld":
        return replace(self, **changes)


def read(text: str) -> World | FiniteWorld:
    """A file that names `cases` describes days with a finite list, any other a shift. Raises BadWorld on anything that is
    not understood."""
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadWorld(str(error)) from None
    if not isinstance(said, dict):
        raise BadWorld("a world is a list of keys and values")
    kind: type[World] | type[FiniteWorld] = FiniteWorld if "cases" in said else World
    known = {f.name for f in fields(kind)}
    if strange := sorted(set(map(str, said)) - known):
        raise BadWorld(f"unknown: {', '.join(strange)}; known: {', '.join(sorted(known))}")
    try:
        for key, happening in (("blackouts", Blackout), ("faults", Fault)):
            if key in said:
                said[key] = tuple(happening(**entry) for entry in said[key])
        for key in ("post_dial", "by_hour", "numbers", "habit_hours"):
            if key in said:
                said[key] = tuple(map(float, said[key]))
        if "steps" in said:
            said["steps"] = tuple((float(a), float(b)) for a, b in said["steps"])
        return kind(**said)
    except BadWorld:
        raise
    except (TypeError, ValueError) as error:
        raise BadWorld(str(error)) from None
