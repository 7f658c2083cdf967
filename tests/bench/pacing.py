"""`python -m tests.bench.pacing`: utilisation and abandoned calls of the pacer beside others', against the goals.

Teams × answer rates × worlds × seeds, 8-hour cold-start shifts, then the cost of a decision. `--seeds 5 --from 9000` takes
fresh people; `--teams 5,10` and `--rates 0.1` part of the table; `--others` the other policies beside (slower).
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dialer.pacing import Observation, Pacer, PacingSettings
from dialer.simulation.shift import run_simulation
from dialer.simulation.world import SHAPES, World

# utilisation in %: goal, stretch
GOALS: dict[tuple[int, float], tuple[float, float]] = {
    (5, 0.10): (70, 74), (5, 0.25): (76, 79), (5, 0.45): (83, 86),
    (10, 0.10): (78, 81), (10, 0.25): (82, 84), (10, 0.45): (86, 88),
    (25, 0.10): (87, 90), (25, 0.25): (88.5, 91), (25, 0.45): (90, 92),
    (50, 0.10): (92, 94), (50, 0.25): (92.5, 94), (50, 0.45): (93, 95),
    (200, 0.10): (97, 97), (200, 0.25): (97, 97), (200, 0.45): (97, 97),
}  # fmt: skip
LIMIT = 3.0
OTHERS = (
    "progressive",
    "ratio-2",
    "vicidial-hard-limit",
    "vicidial-average",
    "vicidial-tapered",
    "issabel",
    "all-knowing",
)


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def shifts(policy: str, agents: int, rate: float, seeds: range) -> Iterator[dict[str, Any]]:
    for shape in SHAPES[:3]:
        world = World(name=shape, agents=agents, answer_rate=rate, rate_shape=shape)
        for seed in seeds:
            yield run_simulation(world, policy, seed)


def figures(found: list[dict[str, Any]]) -> dict[str, float]:
    return {
        "utilisation": round(100 * statistics.mean(r["utilisation"] for r in found), 2),
        "abandoned": round(100 * statistics.mean(r["abandon_rate"] for r in found), 2),
        "worst_shift": round(100 * max(r["abandon_rate"] for r in found), 3),
        "worst_hour": round(100 * max(r["worst_hour"] for r in found), 1),
    }


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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pacing")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--from", type=int, default=1, dest="first")
    parser.add_argument("--teams", default="5,10,25,50,200")
    parser.add_argument("--rates", default="0.1,0.25,0.45")
    parser.add_argument("--others", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    result: dict[str, Any] = {"cells": [], "cost": {}}
    missed = 0
    say(
        "agents    p  utilisation (goal, stretch)   abandoned  worst shift  worst hour    others: utilisation (abandoned)"
    )
    for agents in map(int, options.teams.split(",")):
        for rate in map(float, options.rates.split(",")):
            goal, stretch = GOALS.get((agents, rate), (0.0, 0.0))
            found = list(shifts("ours", agents, rate, seeds))
            mine = figures(found)
            worlds = {shape: figures([r for r in found if r["world"] == shape]) for shape in SHAPES[:3]}
            others = {o: figures(list(shifts(o, agents, rate, seeds[:1]))) for o in OTHERS} if options.others else {}
            missed += mine["utilisation"] < goal or mine["worst_shift"] > LIMIT
            mark = "stretch" if mine["utilisation"] >= stretch else "goal" if mine["utilisation"] >= goal else "BELOW"
            beside = "  ".join(f"{o} {f['utilisation']:.0f} ({f['abandoned']:.1f})" for o, f in others.items())
            say(
                f"{agents:6} {rate:.2f}  {mine['utilisation']:6.2f} ({goal}, {stretch}) {mark:8} {mine['abandoned']:8.2f} "
                f"{mine['worst_shift']:11.2f} {mine['worst_hour']:11.1f}    {beside}"
            )
            say(
                "             "
                + "  ".join(f"{s} {f['utilisation']:.1f} ({f['abandoned']:.2f})" for s, f in worlds.items())
            )
            result["cells"].append({"agents": agents, "rate": rate, "ours": mine, "worlds": worlds, "others": others})
    for agents in (5, 50, 500):
        result["cost"][agents] = cost(agents)
        say(f"decide() at {agents} agents: {result['cost'][agents]} (goal ≤ 5 ms at 500)")
    say(f"{missed} cells below a goal or above the limit")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
