"""Days with a list that ends (FL-17, CC-11), beside VICIdial's orders and one that knows the truth: part of `tests.bench.pacing`.

`python -m tests.bench.pacing_days [--seeds 21,22] [--fresh 2] [--cases 12000] [--json FILE]` plays it alone. Worlds: numbers
with a history, numbers that nobody has called (cold), and cold ones whose people are otherwise than the first beliefs of
`chances.py` assume. Ends with 1 when a goal is missed where there is a history; cold ones are told beside the
goals. Twelve thousand cases take a core about four minutes.
"""
# ruff: noqa: T201 (a bench speaks to the terminal)

import argparse
import json
import os
import secrets
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from dialer.simulation.orders import run_days
from dialer.simulation.world import FiniteWorld

ORDERS = ("ours", "truth-known", "vicidial", "vicidial-alternatives")
OF_KNOWN, OVER_VICIDIAL, FEWER_ATTEMPTS = 80.0, 15.0, -20.0  # %
HISTORY = "with a history"
AGENTS_OF_CASES, LINES_OF_CASES = 800, 160  # a team as large as the list wants
# when offices close early and nobody answers in the evening; as many good numbers in old debts as in new ones
STRANGE = {
    "habit_hours": (9.0, 12.0),
    "by_hour": (0.0,) * 8 + (1.4, 1.4, 1.3, 1.2) + (1.0,) * 5 + (0.7,) * 7,
    "decline": 0.0,
}


def worlds(cases: int) -> dict[str, FiniteWorld]:
    like = FiniteWorld(cases=cases, agents=max(cases // AGENTS_OF_CASES, 1), lines=max(cases // LINES_OF_CASES, 5))
    return {
        HISTORY: like,
        "cold": like.but(history=0.0),
        "cold, other people": like.but(history=0.0, **STRANGE),
    }


def _run(job: tuple[FiniteWorld, str, int]) -> dict[str, Any]:
    return run_days(*job)


def days(seeds: list[int], cases: int, workers: int) -> list[dict[str, Any]]:
    """One line for each world: sums over the seeds, and at its end what lies below the goals; missed are they where numbers
    have a history."""
    told = []
    print(
        f"\n{cases} cases in five days, seeds {', '.join(map(str, seeds))}\n{'':20} right-party contacts: ours, of truth known,"
        f" over VICIdial (its alternatives)   attempts each   money an hour"
    )
    with ProcessPoolExecutor(workers, initializer=os.nice, initargs=(10,)) as pool:
        played = {
            name: {order: [pool.submit(_run, (world, order, seed)) for seed in seeds] for order in ORDERS}
            for name, world in worlds(cases).items()
        }
        for name, orders in played.items():
            sums = {order: _sums([one.result() for one in runs]) for order, runs in orders.items()}
            found = {"world": name, "orders": sums, **_beside(sums)}
            goals = (
                (found["of_known"] < OF_KNOWN, "of truth known"),
                (found["over_vicidial"] < OVER_VICIDIAL, "over VICIdial"),
                (found["attempts"] > FEWER_ATTEMPTS, "attempts"),
            )
            below = [what for bad, what in goals if bad]
            found |= {"below": below, "missed": below if name == HISTORY else []}
            told.append(found)
            print(
                f"{name:20} {sums['ours']['contacts']:21.0f} {found['of_known']:14.1f} % {found['over_vicidial']:+12.1f} %"
                f" ({found['over_alternatives']:+.1f} %) {sums['ours']['attempts'] / sums['ours']['contacts']:17.2f}"
                f" ({found['attempts']:+.0f} %) {found['money']:+10.1f} %   {', '.join(below)}",
                flush=True,
            )
    print(
        f"goals: ≥ {OF_KNOWN:g} % of truth known, ≥ +{OVER_VICIDIAL:g} % over VICIdial, attempts {FEWER_ATTEMPTS:g} %"
    )
    return told


def _sums(runs: list[dict[str, Any]]) -> dict[str, float]:
    keys = {"contacts": "right_party_contacts", "attempts": "attempts", "money": "money_per_agent_hour"}
    return {name: sum(run[key] for run in runs) for name, key in keys.items()}


def _beside(sums: dict[str, dict[str, float]]) -> dict[str, float]:
    ours, known, theirs, alternatives = (sums[order] for order in ORDERS)

    def more(what: float, than: float) -> float:
        return round(100 * (what / max(than, 1e-9) - 1), 1)

    return {
        "of_known": round(100 * ours["contacts"] / max(known["contacts"], 1), 1),
        "over_vicidial": more(ours["contacts"], theirs["contacts"]),
        "over_alternatives": more(ours["contacts"], alternatives["contacts"]),
        "attempts": more(ours["attempts"] / ours["contacts"], theirs["attempts"] / theirs["contacts"]),
        "money": more(ours["money"], theirs["money"]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pacing_days")
    parser.add_argument("--seeds", default="21")
    parser.add_argument("--fresh", type=int, help="so many seeds from the system's dice instead")
    parser.add_argument("--cases", type=int, default=12_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seeds = [secrets.randbelow(10**6) for _ in range(options.fresh or 0)] or [int(s) for s in options.seeds.split(",")]
    told = days(seeds, options.cases, options.workers)
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    return 1 if any(one["missed"] for one in told) else 0


if __name__ == "__main__":
    sys.exit(main())
