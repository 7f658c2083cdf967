"""`python -m tests.bench.pacing [--json F] [--seeds 11,12,13] [--quick]`: utilisation and abandoned calls of the pacer beside
other dialers' rules and the all-knowing bound, in one run, against the goals.

Teams of 5 … 200 × answer rates × stationary, drifting and stepping worlds × seeds, 8-hour shifts from a cold start; every
policy meets the same people. `--fresh 5` takes seeds that nobody has seen and says which; `--alone` leaves the others out;
`--weather` adds worlds made to break a pacer; `--teams 5,10` and `--rates 0.1` take a part. Then days with a list that ends
(`pacing_days.py`, `--cases 0` leaves them out), and what a decision and a simulated shift cost. Ends with 1 when a goal is
missed. A quiet core does the table of three seeds in about 12 minutes and the days in four, `--quick` all in two.
"""
# ruff: noqa: T201 (a bench speaks to the terminal)

import argparse
import json
import os
import secrets
import statistics
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dialer.pacing import Observation, Pacer, PacingSettings
from dialer.simulation.shift import run_simulation
from dialer.simulation.world import SHAPES, World
from tests.bench.pacing_days import days
from tests.bench.pacing_weather import WEATHER, judge

# mean utilisation in % over shapes and seeds: goal, stretch
GOALS: dict[tuple[int, float], tuple[float, float]] = {
    (5, 0.10): (70, 74), (5, 0.25): (76, 79), (5, 0.45): (83, 86),
    (10, 0.10): (78, 81), (10, 0.25): (82, 84), (10, 0.45): (86, 88),
    (25, 0.10): (87, 90), (25, 0.25): (88.5, 91), (25, 0.45): (90, 92),
    (50, 0.10): (92, 94), (50, 0.25): (92.5, 94), (50, 0.45): (93, 95),
    (200, 0.10): (97, 97), (200, 0.25): (97, 97), (200, 0.45): (97, 97),
}  # fmt: skip
LIMIT, WORST_HOUR = 3.0, 5.0  # % of a shift, of an hour
RATIOS = ("ratio-1.5", "ratio-2", "ratio-3", "ratio-4", "ratio-6")
OTHERS = (
    "progressive",
    "vicidial-hard-limit",
    "vicidial-average",
    "vicidial-tapered",
    "issabel",
    *RATIOS,
    "all-knowing",
)
SHOWN = (
    ("progressive", "progr."),
    ("vicidial-average", "VICIdial"),
    ("issabel", "Issabel"),
    ("all-knowing", "knowing"),
)


@dataclass(frozen=True)
class Job:
    world: World
    policy: str
    seed: int

    def run(self) -> dict[str, Any]:
        began = time.process_time()
        found = run_simulation(self.world, self.policy, self.seed)
        return {**found, "rate": self.world.answer_rate, "cpu_s": round(time.process_time() - began, 2)}


def run_all(jobs: Iterable[Job], workers: int) -> list[dict[str, Any]]:
    """Processes of the lowest priority; in order."""
    with ProcessPoolExecutor(workers, initializer=os.nice, initargs=(10,)) as pool:
        return list(pool.map(Job.run, jobs))


def figures(found: list[dict[str, Any]]) -> dict[str, float]:
    return {
        "utilisation": round(100 * statistics.mean(r["utilisation"] for r in found), 2),
        "abandoned": round(100 * statistics.mean(r["abandon_rate"] for r in found), 2),
        "worst_shift": round(100 * max(r["abandon_rate"] for r in found), 3),
        "worst_hour": round(100 * max(r["worst_hour"] for r in found), 1),
    }


def cell(agents: int, rate: float, found: list[dict[str, Any]]) -> dict[str, Any]:
    """One line of the table. A shift passes when no more than 3.00 % are abandoned."""
    mine = [r for r in found if r["policy"] == "ours"]
    goal, stretch = GOALS.get((agents, rate), (0.0, 0.0))
    ours = figures(mine)
    others = {o: figures(rs) for o in OTHERS if (rs := [r for r in found if r["policy"] == o])}
    lawful = [f["utilisation"] for o, f in others.items() if o in RATIOS and f["worst_shift"] <= LIMIT]
    return {
        "agents": agents, "rate": rate, "goal": goal, "stretch": stretch, "ours": ours, "others": others,
        "best_ratio": max(lawful, default=None),
        "worlds": {shape: figures([r for r in mine if r["world"] == shape]) for shape in SHAPES[:3]},
        "shifts_over_limit": [[r["world"], r["seed"], r["abandon_rate"]] for r in mine if r["abandon_rate"] > LIMIT / 100],
        "hours_over_limit": [[r["world"], r["seed"], r["worst_hour"]] for r in mine if r["worst_hour"] > WORST_HOUR / 100],
        "reached": "stretch" if ours["utilisation"] >= stretch else "goal" if ours["utilisation"] >= goal else "BELOW",
    }  # fmt: skip


def line(c: dict[str, Any]) -> str:
    ours, others = c["ours"], c["others"]
    beside = [f"{others[o]['utilisation']:.0f} ({others[o]['abandoned']:.1f})" if o in others else "" for o, _ in SHOWN]
    ratio = "" if c["best_ratio"] is None else f"{c['best_ratio']:.0f}"
    goals = f"{c['goal']:g}, {c['stretch']:g}"
    return (
        f"{c['agents']:6} {c['rate']:.2f}  {ours['utilisation']:6.2f} {goals:>9} {c['reached']:8}{ours['abandoned']:5.2f}"
        f" {ours['worst_shift']:6.2f} {ours['worst_hour']:5.1f}  {beside[0]:>9} {beside[1]:>9} {beside[2]:>10} {ratio:>6}"
        f" {beside[3]:>9}\n"
        + "               "
        + "   ".join(f"{s} {f['utilisation']:.1f} ({f['abandoned']:.2f})" for s, f in c["worlds"].items())
    )


HEAD = (
    "                utilisation   (goal,     abandoned in %:        others: utilisation (abandoned), %\n"
    "agents    p     of ours     stretch)      mean  shift  hour  "
    + " ".join(f"{name:>9}" for _, name in SHOWN[:2]) + f" {SHOWN[2][1]:>10} {'ratio':>6} {SHOWN[3][1]:>9}"
)  # fmt: skip


def observation(agents: int, t: float) -> Observation:
    """A busy moment of a team: a tenth free, a seventh wrapping, as many ringing as agents."""
    free, wrapping = agents // 10, agents // 7
    return Observation(
        t=t, horizon=28_800, free=tuple(0.4 * n for n in range(free)), wrapping=tuple(0.4 * n for n in range(wrapping)),
        talking=tuple(0.7 * n for n in range(agents - free - wrapping)), ringing=tuple(n * 25 / agents for n in range(agents)),
        waiting=(), on_break=0, logged_in=agents, trunks_free=10 * agents, attempts=(("answer", 8.0), ("no_answer", 25.0)),
        talks=(100.0,), wraps=(20.0,), live=int(t / 10), abandoned=int(t / 500),
    )  # fmt: skip


def cost(agents: int, decisions: int = 400) -> dict[str, float]:
    """Processor milliseconds of a decision, the making of tables included."""
    pacer, took = Pacer(PacingSettings()), []
    for n in range(decisions):
        seen = observation(agents, float(n))
        began = time.thread_time()
        pacer.decide(seen)
        took.append((time.thread_time() - began) * 1000)
    took.sort()
    return {
        "median_ms": round(took[len(took) // 2], 3),
        "p99_ms": round(took[int(len(took) * 0.99)], 3),
        "max_ms": round(took[-1], 3),
    }


def weather(seeds: list[int], workers: int) -> list[dict[str, Any]]:
    """The worlds of `pacing_weather.py`, ours alone."""
    found = run_all([Job(world, "ours", seed) for world in WEATHER for seed in seeds], workers)
    told = []
    print(f"\n{'weather':44} utilisation  abandoned  worst shift  worst hour   by pacing")
    for n, world in enumerate(WEATHER):
        mine = found[n * len(seeds) : (n + 1) * len(seeds)]
        f = figures(mine)
        by_pacing = round(
            100 * max((r["abandoned"] - r["people_taken_for_machines"]) / max(r["live"], 1) for r in mine), 2
        )
        failed = [why for r in mine if (why := judge(world, r))]
        told.append({"world": world.name, **f, "by_pacing": by_pacing, "failed": failed})
        print(
            f"{world.name:44} {f['utilisation']:10.1f} {f['abandoned']:10.2f} {f['worst_shift']:12.2f}"
            f" {f['worst_hour']:11.1f} {by_pacing:11.2f}   {'; '.join(failed)}",
            flush=True,
        )
    return told


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pacing")
    parser.add_argument("--seeds", default="11,12,13")
    parser.add_argument("--fresh", type=int, help="so many seeds from the system's dice instead")
    parser.add_argument("--teams", default="5,10,25,50,200")
    parser.add_argument("--rates", default="0.1,0.25,0.45")
    parser.add_argument("--quick", action="store_true", help="one seed, teams of 5, 10 and 25")
    parser.add_argument("--alone", action="store_true", help="without the other policies")
    parser.add_argument("--weather", action="store_true", help="worlds made to break a pacer as well")
    parser.add_argument("--cases", type=int, default=12_000, help="of the days with a list that ends")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    fresh = [secrets.randbelow(10**6) for _ in range(options.fresh or 0)]
    seeds = fresh or [int(s) for s in options.seeds.split(",")]
    teams, rates = ([int(x) for x in options.teams.split(",")], [float(x) for x in options.rates.split(",")])
    if options.quick:
        seeds, teams, options.cases = seeds[:1], [t for t in teams if t <= 25], min(options.cases, 2400)
    result: dict[str, Any] = {"seeds": seeds, "cells": [], "cost": {}}
    print(f"seeds: {', '.join(map(str, seeds))}; the others on the first one\n{HEAD}")
    for agents in teams:
        for rate in rates:
            worlds = [World(name=s, agents=agents, answer_rate=rate, rate_shape=s) for s in SHAPES[:3]]
            jobs = [Job(w, "ours", seed) for w in worlds for seed in seeds]
            jobs += [] if options.alone else [Job(w, o, seeds[0]) for w in worlds for o in OTHERS]
            told = cell(agents, rate, run_all(jobs, options.workers))
            result["cells"].append(told)
            print(line(told), flush=True)
    if options.weather:
        result["weather"] = weather(seeds, options.workers)
    if options.cases:
        result["days"] = days(seeds[:1], options.cases, options.workers)
    for agents in (5, 50, 500):
        result["cost"][agents] = cost(agents)
        print(f"decide() at {agents} agents: {result['cost'][agents]} (goal ≤ 5 ms at 500)")
    one = Job(World(), "ours", seeds[0]).run()
    result["shift_cpu_s"] = one["cpu_s"]
    print(f"8 hours of 25 agents in {one['cpu_s']} s of a core (goal ≤ 10 s)")
    missed = [
        f"{c['agents']} agents, p {c['rate']}: {what}" for c in result["cells"]
        for what, bad in (("utilisation", c["reached"] == "BELOW"), ("a shift over 3.00 %", c["shifts_over_limit"]),
                          ("an hour over 5 %", c["hours_over_limit"])) if bad
    ]  # fmt: skip
    missed += [f"{w['world']}: {w['failed'][0]}" for w in result.get("weather", ()) if w["failed"]]
    missed += [f"days {d['world']}: {what}" for d in result.get("days", ()) for what in d["missed"]]
    missed += ["8 hours of 25 agents"] if one["cpu_s"] > 10 else []
    missed += ["a decision"] if result["cost"].get(500, {}).get("median_ms", 0) > 5 else []
    result["missed"] = missed
    print("all goals reached" if not missed else "missed: " + "; ".join(missed))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
