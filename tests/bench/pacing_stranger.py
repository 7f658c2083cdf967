"""`python -m tests.bench.pacing_stranger`: the pacer on a floor that others might have simulated (`stranger.py`, no line of it
shared with ours), in worlds that nobody tuned it for. Says for each what was promised and whether it held; ends with 1 when
one did not. `--seeds 1,2` or `--fresh 2`; `--only blackout` takes worlds whose name holds that word."""
# ruff: noqa: T201 (a bench speaks to the terminal)

import argparse
import json
import math
import os
import random
import secrets
import statistics
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from dialer.pacing import PacingSettings
from tests.bench.stranger import Floor, Played, play

H = 3600.0


def steady(p: float) -> Callable[[float], float]:
    return lambda t: p


def steps(*parts: tuple[float, float]) -> Callable[[float], float]:
    """From each hour on, that rate."""
    return lambda t: [p for hour, p in parts if t >= hour * H][-1]


def saw(low: float, high: float, hours: float) -> Callable[[float], float]:
    return lambda t: low + (high - low) * (t / H % hours) / hours


def _mixed(r: random.Random) -> float:
    """A quarter wrong numbers, some who read out a whole contract."""
    u = r.random()
    return r.gammavariate(2, 5) if u < 0.25 else r.uniform(300, 700) if u < 0.3 else r.gammavariate(2.2, 55)


def _two_ways(r: random.Random) -> float:
    """One key, or a form to fill."""
    return r.uniform(2, 5) if r.random() < 0.5 else r.uniform(30, 70)


def worlds() -> dict[str, Floor]:
    def of(name: str, agents: int = 25, rate: Any = 0.25, **more: Any) -> Floor:
        return Floor(name=name, agents=agents, rate=rate if callable(rate) else steady(rate), **more)

    target = PacingSettings
    found = [
        of("5 agents p .10", 5, 0.1), of("5 agents p .25", 5, 0.25), of("5 agents p .45", 5, 0.45),
        of("10 agents p .10", 10, 0.1), of("10 agents p .45", 10, 0.45), of("25 agents p .10", 25, 0.1), of("25 agents p .25"),
        of("blackout 25 12 25 within 10 s", staff=lambda t: 12 if 3 * H <= t < 3.4 * H else 25),
        of("blackout twice, 10 agents", 10, staff=lambda t: 4 if 2 * H <= t < 2.2 * H or 5 * H <= t < 6 * H else 10),
        of("trunk dead ten minutes, at once", dead=((3 * H, 3 * H + 600, 0.2),)),
        of("trunk dead ten minutes, silent", dead=((3 * H, 3 * H + 600, 25.0),)),
        of("trunk dead ten minutes, 10 agents p .1", 10, 0.1, dead=((5 * H, 5 * H + 600, 25.0),)),
        of("p .10 to .45 and back", 15, steps((0, 0.1), (2, 0.45), (4, 0.1), (6, 0.45))),
        of("p .45 to .10 and back", 15, steps((0, 0.45), (3, 0.1), (4.5, 0.45))),
        of("p saw .1 .4", 12, saw(0.1, 0.4, 1.5)),
        of("talks mixed", 20, 0.3, talk=_mixed), of("wraps of two kinds", 20, 0.3, wrap=_two_ways),
        of("no wrap", 12, 0.3, wrap=lambda r: 0.5), of("talks all alike", 12, 0.3, talk=lambda r: r.uniform(85, 95)),
        of("exponential talks", 12, 0.3, talk=lambda r: r.expovariate(1 / 100)),
        of("ring timeout 12 s", 12, 0.3, ring_timeout=12.0), of("ring timeout 60 s", 12, 0.2, ring_timeout=60.0,
           ring=lambda r: r.uniform(2, 58)),
        of("all answer at the same age", 12, 0.25, ring=lambda r: 9.0),
        of("asked every half second", 12, every=0.5), of("asked unevenly", 12, uneven=0.9),
        of("leaders change, zeros of time too", 12, handovers=tuple(H * x for x in (0.7, 1.5, 3.2, 3.3, 6.1))),
        of("nobody asks for a while", 12, silent=((H, H + 40), (2 * H, 2 * H + 300), (5 * H, 5.5 * H))),
        of("zero of time far off", 8, zero=8.2e6), of("limit 1 s", 12, limit=1.0), of("restless agents", 10, 0.2,
           pause_every=900.0, pause=240.0),
        of("few lines", 12, 0.15, lines=30), of("half a shift", 8, 0.2, hours=4.5), of("one hour", 15, 0.25, hours=1.0),
        of("the end is not known", 12, told=lambda t, end: math.inf),
        of("the end is not known, 5 agents", 5, told=lambda t, end: math.inf),
        of("the end is far off", 12, told=lambda t, end: 30 * 86_400.0),
        of("the end moves along", 12, told=lambda t, end: t + 3600.0),
        of("the end is told too late", 12, told=lambda t, end: end + 2.5 * H),
        of("the end flips", 12, told=lambda t, end: end + (2 * H if t // 60 % 2 else 0)),
        of("two hours", 10, 0.2, hours=2.0), of("two hours, 5 agents", 5, 0.15, hours=2.0),
        of("p .10 to .45 in two hours", 10, steps((0, 0.1), (0.7, 0.45), (1.4, 0.1)), hours=2.0),
        of("p .10 to .45 near the end", 10, steps((0, 0.1), (1.5, 0.45)), hours=2.0),
        of("target 1 %", 15, 0.25, settings=target(target_abandon=0.01)),
        of("target 1 %, 5 agents", 5, 0.25, settings=target(target_abandon=0.01)),
        of("target 0", 10, 0.25, settings=target(target_abandon=0.0)),
        of("account of thirty days in good standing", 10, 0.2, before=(6000, 90)),
        of("account of thirty days spent", 10, 0.2, before=(6000, 195)),
        of("2 agents", 2, 0.25), of("1 agent", 1, 0.3), of("60 agents p .3", 60, 0.3, hours=3.0),
    ]  # fmt: skip
    return {one.name: one for one in found}


def broken(world: Floor, played: Played) -> Iterator[str]:
    """Which promise did not hold."""
    target = world.settings.target_abandon
    yield from played.faults[:1]
    # agents who go while it rings cannot be foreseen, and a target of nothing has no room for them
    if played.share > max(target, 0.01):
        yield f"{played.share:.2%} of {len(played.live)} abandoned"
    live, lost = world.before
    if (lost + len(played.abandoned)) / max(live + len(played.live), 1) > max(target, 0.01, lost / max(live, 1)):
        yield "the account is overdrawn"
    if over := [f"{a} of {b}" for a, b in played.hours() if a > 0.05 * b and (b >= 20 or a > 1)]:
        yield "hour: " + ", ".join(over)


def run(job: tuple[str, int]) -> dict[str, Any]:
    world = worlds()[job[0]]
    played = play(world, job[1])
    return {
        "world": world.name, "seed": job[1], "utilisation": round(100 * played.utilisation, 2),
        "abandoned": round(100 * played.share, 3), "answers": len(played.live), "dials": played.dials,
        "worst_hour": round(100 * played.worst_hour(), 2), "worst_sixty_minutes": round(100 * played.worst_sliding(), 2),
        "broken": list(broken(world, played)),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pacing_stranger")
    parser.add_argument("--seeds", default="901")
    parser.add_argument("--fresh", type=int, help="so many seeds from the system's dice instead")
    parser.add_argument("--only", default="", help="worlds whose name holds this")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    seeds = [secrets.randbelow(10**6) for _ in range(options.fresh or 0)] or [int(s) for s in options.seeds.split(",")]
    names = [name for name in worlds() if options.only in name]
    print(f"seeds {seeds}\n{'world':44} utilisation  abandoned  worst shift  hour  any 60 min", flush=True)
    told: list[dict[str, Any]] = []
    with ProcessPoolExecutor(options.workers, initializer=os.nice, initargs=(10,)) as pool:
        runs = pool.map(run, [(name, seed) for name in names for seed in seeds])
        for name in names:
            mine = [next(runs) for _ in seeds]
            told += mine
            faults = [f"{why} (seed {r['seed']})" for r in mine for why in r["broken"]]
            print(f"{name:44} {statistics.mean(r['utilisation'] for r in mine):11.1f} "
                  f"{statistics.mean(r['abandoned'] for r in mine):10.2f} {max(r['abandoned'] for r in mine):12.2f} "
                  f"{max(r['worst_hour'] for r in mine):5.1f} {max(r['worst_sixty_minutes'] for r in mine):11.1f}   "
                  f"{'; '.join(faults)}", flush=True)  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    missed = sum(bool(r["broken"]) for r in told)
    print("every promise held" if not missed else f"{missed} of {len(told)} shifts broke a promise")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
