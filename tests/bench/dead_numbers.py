"""`python -m tests.bench.dead_numbers [--seeds 1,2,3] [--json F]`: are good numbers condemned, and how soon are dead ones found?

2,000 good numbers of several networks and 300 that die or are dead, called once or twice a day for 60 days on two trunks,
through the same pure rules as the live path (`borrowers/verdicts.py`). The trunks have bad days: one refuses everybody with 404
for hours, one answers 404 for a single network for three days, one for half of a network's calls for four days, and a few calls
in a thousand are refused for no reason at all. Subscribers are out of reach for days. Goal: 0 good numbers DEAD.
"""
# ruff: noqa: T201 (a bench speaks to the terminal)

import argparse
import json
import random
import statistics
import sys
from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from backoffice_core.borrowers.verdicts import LIFE, REFUSED, Heard, Seen, Terms, judge, trunk_lies

DAY0, DAYS, NETWORKS = date(2026, 9, 1), 60, ("+38067", "+38050", "+38063", "+38044")
TRUNKS = ("a", "b")


@dataclass
class Number:
    n: int
    network: str
    answers: float  # chance of an answer, 0 … 1
    dies_on: int | None  # day; from it on it is out of service
    says: str  # what the network says then
    seen: list[Seen] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    state: str = "UNVERIFIED"
    tries: int = 0
    tries_dead: int = 0
    found_on: int | None = None
    quiet_since: float = 0.0
    quiet: int = 0
    out: tuple[int, int] = (-1, -1)


@dataclass(frozen=True)
class Bad:
    """A fault: of a trunk, maybe of one network only; in days since the first; `share` of the calls."""

    trunk: str
    begins: float
    ends: float
    network: str = ""
    share: float = 1.0


FAULTS = (
    Bad("a", 5.4, 5.6), Bad("b", 12.4, 12.5), Bad("a", 18.0, 21.0, "+38063"), Bad("b", 30.0, 34.0, "+38050", 0.5),
    Bad("a", 40.3, 42.7), Bad("a", 50.0, 52.0, "+38067", 0.3), Bad("b", 2.3, 4.0, "+38044"),
)  # fmt: skip


class Bank:
    def __init__(self, seed: int, terms: Terms, *, good: int = 2000, bad: int = 300, noise: float = 0.003) -> None:
        self.r, self.terms, self.noise = random.Random(seed), terms, noise
        self.numbers = [self._number(n, n >= good) for n in range(good + bad)]
        self.heard: dict[str, deque[tuple[float, int, str, bool]]] = {t: deque() for t in TRUNKS}
        self.since_answer: dict[str, set[int]] = {t: set() for t in TRUNKS}
        self.withdrawn = 0
        self.wrongly: set[int] = set()
        self.suspected: set[int] = set()

    def _number(self, n: int, mortal: bool) -> Number:
        r = self.r
        says = r.choices(("sip 404", "cause 1", "words", "rings out"), (0.45, 0.2, 0.2, 0.15))[0]
        dies = r.choice((0, 0, r.randrange(DAYS - 20))) if mortal else None
        return Number(n, r.choice(NETWORKS), min(r.lognormvariate(-1.9, 0.9), 0.9), dies, says)

    def run(self) -> None:
        for day in range(DAYS):
            calls = [(day + self.r.uniform(9, 19) / 24, n) for n in self.numbers for _ in range(self.r.randint(1, 2))]
            for t, number in sorted(calls, key=lambda c: c[0]):
                if number.state not in {"DEAD", "UNREACHABLE"}:
                    self._call(t, number)
            self._night(day + 1)

    def _call(self, t: float, n: Number) -> None:
        trunk = self.r.choice(TRUNKS)
        n.tries += 1
        dead = n.dies_on is not None and t >= n.dies_on
        n.tries_dead += dead
        if self._faulty(trunk, n, t):
            self._evidence(t, n, "dead", trunk, sip=404, cause=1)
        elif dead and n.says != "rings out":
            words = "not_in_service" if n.says == "words" else ""
            self._evidence(t, n, "dead", trunk, sip=404 if n.says == "sip 404" else None, cause=1, words=words)
        elif not dead and self.r.random() < n.answers:
            n.quiet, n.quiet_since = 0, t
            self._evidence(t, n, "alive", trunk)
        else:
            n.quiet += 1
            if n.state == "SUSPECT":
                n.seen.append(Seen(day=DAY0 + timedelta(days=int(t)), sign="rings", trunk=trunk))
                n.times.append(t)

    def _faulty(self, trunk: str, n: Number, t: float) -> bool:
        if self.r.random() < self.noise:
            return True
        return any(
            f.trunk == trunk and f.begins <= t < f.ends and f.network in {"", n.network} and self.r.random() < f.share
            for f in FAULTS
        )

    def _evidence(
        self,
        t: float,
        n: Number,
        sign: str,
        trunk: str,
        *,
        sip: int | None = None,
        cause: int | None = None,
        words: str = "",
    ) -> None:
        window, alive = self.heard[trunk], any(s.sign in LIFE for s in n.seen)
        window.append((t, n.n, sign, alive))
        while window[0][0] < t - self.terms.trunk_hours / 24:
            window.popleft()
        self.since_answer[trunk].clear() if sign == "alive" else self.since_answer[trunk].add(n.n)
        if sign == "dead":
            lies = trunk_lies(self._heard(trunk, ""), self._heard(trunk, n.network), self.terms)
            if lies:
                sign = "trunk"
                self._withdraw(trunk, n.network if lies == "network" else "", t)
        n.seen.append(
            Seen(
                day=DAY0 + timedelta(days=int(t)), sign=sign, sip_code=sip, cause=cause, trunk=trunk, announcement=words
            )
        )
        n.times.append(t)
        self._judge(n, int(t))

    def _heard(self, trunk: str, network: str) -> Heard:
        refused, witnesses, answered = set(), set(), set()
        for _, n, sign, alive in self.heard[trunk]:
            if network and self.numbers[n].network != network:
                continue
            if sign in REFUSED:
                refused.add(n)
                if alive:
                    witnesses.add(n)
            else:
                answered.add(n)
        return Heard(len(refused), len(witnesses), len(answered), len(self.since_answer[trunk]))

    def _withdraw(self, trunk: str, network: str, t: float) -> None:
        begins = t - self.terms.trunk_hours / 24
        for k in {h[1] for h in self.heard[trunk] if h[2] == "dead" and network in {"", self.numbers[h[1]].network}}:
            n = self.numbers[k]
            for i, one in enumerate(n.seen):
                if one.trunk == trunk and one.sign == "dead" and n.times[i] >= begins:
                    n.seen[i] = Seen(day=one.day, sign="trunk", trunk=trunk)
                    self.withdrawn += 1
            self._judge(n, int(t))

    def _judge(self, n: Number, day: int) -> None:
        n.state = judge(n.seen, self.terms).state
        good = n.dies_on is None
        if n.state == "DEAD":
            n.found_on = day if n.found_on is None else n.found_on
            if good or (n.dies_on or 0) > day:
                self.wrongly.add(n.n)
        elif n.state == "SUSPECT" and good:
            self.suspected.add(n.n)

    def _night(self, day: int) -> None:
        for n in self.numbers:
            long = day - n.quiet_since >= self.terms.unreachable_days
            if n.state != "DEAD" and long and n.quiet >= self.terms.unreachable_attempts:
                n.state = "UNREACHABLE"


def figures(seed: int, terms: Terms | None = None, **more: Any) -> dict[str, Any]:
    """One run: good numbers ever DEAD, and how many days and attempts the dead ones took."""
    bank = Bank(seed, terms or Terms(), **more)
    bank.run()
    good = [n for n in bank.numbers if n.dies_on is None]
    took: dict[str, list[tuple[int, int]]] = defaultdict(list)
    missed = 0
    for n in bank.numbers:
        if n.dies_on is None:
            continue
        if n.state == "DEAD" and n.found_on is not None:
            took[n.says].append((n.found_on - n.dies_on, n.tries_dead))
        missed += n.state not in {"DEAD", "UNREACHABLE"}
    found = [x for name, rows in took.items() if name != "rings out" for x in rows]
    return {
        "seed": seed, "good": len(good), "condemned": len(bank.wrongly), "suspected": len(bank.suspected),
        "condemned_at_the_end": sum(n.state == "DEAD" for n in good),
        "good_unreachable": sum(n.state == "UNREACHABLE" for n in good),
        "signs_withdrawn": bank.withdrawn, "dead": len(bank.numbers) - len(good), "dead_found": len(found),
        "dead_not_found": missed,
        "days_until_dead": round(statistics.mean(d for d, _ in found), 2) if found else None,
        "attempts_until_dead": round(statistics.mean(a for _, a in found), 2) if found else None,
        "slowest_days": max((d for d, _ in found), default=None),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dead_numbers")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    runs = [figures(int(seed)) for seed in options.seeds.split(",")]
    for run in runs:
        print("  ".join(f"{key} {value}" for key, value in run.items()), flush=True)
    condemned = sum(run["condemned"] for run in runs)
    print(f"good numbers condemned: {condemned} (goal 0)")
    if options.json:
        options.json.write_text(json.dumps({"runs": runs, "condemned": condemned}, indent=2) + "\n")
    return 1 if condemned else 0


if __name__ == "__main__":
    sys.exit(main())
