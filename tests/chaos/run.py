"""One run: the house comes up, the plan is carried out, the calls end, and what happened is judged."""

import asyncio
import contextlib
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from backoffice_core.bus import Bus
from backoffice_core.call_centre.models import CallAttempt, Recording
from recordings.keeper import Keeper
from tests.chaos import plan as plans
from tests.chaos.collect import collect
from tests.chaos.house import ChaosHouse, chaos_house, wall
from tests.chaos.truth import COUNTS, Done, Seen, Verdict, judge, read_calls
from tests.conftest import until

ROBOTS = 8
LEAST_TASKS = 50
RECOVERED_LIMIT_S = 40.0
DRAIN_LIMIT_S, SEAL_LIMIT_S = 90.0, 170.0  # a missing recording is known after two minutes
FREE = {"READY"}


@dataclass
class Result:
    figures: dict[str, Any]
    verdict: Verdict
    seen: Seen

    @property
    def passed(self) -> bool:
        return not self.verdict.complaints


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def run(
    data: Path, *, kills: int, seed: int, only: str = "", least_tasks: int = LEAST_TASKS, limit_s: float = float("inf")
) -> Result:
    """`limit_s`: no fault is begun later than that. Raises AssertionError when the house does not come up, or a part
    never comes back."""
    began = time.monotonic()
    faults = plans.plan(kills, seed, only)
    done: list[Done] = []
    async with chaos_house(data) as one:
        say(
            f"the house is up after {time.monotonic() - began:.0f} s; {kills} faults, seed {seed}; logs in {one.settings.data}"
        )
        async with one.robots(ROBOTS, talk="2-4", wrap="0.1-0.4", options=("--chords",)) as robots_log:
            feeding = asyncio.create_task(one.feed())
            try:
                await until(lambda: _invites(one) >= 3, 30, every=0.1, what="the first calls are placed")
                for n, fault in enumerate(faults, 1):
                    if time.monotonic() - began > limit_s:
                        say(f"  {limit_s:g} s are over: {kills - n + 1} faults are left out")
                        break
                    made = await one.make(fault)
                    done.append(made)
                    took = 0.0 if fault.together else await _recovered(one, made.ended)
                    say(
                        f"  {n:>3}/{kills}  {time.monotonic() - began:5.0f} s  {fault.kind:<22} {fault.trigger:<17}"
                        f" dialed {_invites(one):>4}  {f'again after {took:.1f} s' if took else ''}"
                    )
                if done:
                    await _recovered(one, done[-1].ended)
                await until(
                    lambda: _invites(one) >= least_tasks + 5, 120, every=0.2, what=f"{least_tasks} calls dialed"
                )
            finally:
                feeding.cancel()
                await asyncio.gather(feeding, return_exceptions=True)
            freed_s = await _drain(one)
        await _sealed(one)
        seen = await collect(one, robots_log, done, freed_s)
    verdict = judge(seen)
    figures: dict[str, Any] = {"kills": dict(sorted(Counter(f.kind for f in done).items())), "tasks": verdict.tasks}
    figures |= {name: verdict.count(name) for name in COUNTS}
    figures |= {"unknown": verdict.unknown, "slowest_recovery_s": round(verdict.slowest_recovery_s, 1)}
    figures |= {"seed": seed, "duration_s": round(time.monotonic() - began, 1)}
    return Result(figures, verdict, seen)


def _invites(one: ChaosHouse) -> int:
    return one.carrier_log.read_bytes().count(b'"event": "INVITE"')


async def _recovered(one: ChaosHouse, since: datetime) -> float:
    """Seconds until a call is placed again; what is exact is worked out from the attempts afterwards."""
    after = since + timedelta(seconds=0.2)
    end = time.monotonic() + RECOVERED_LIMIT_S
    while time.monotonic() < end:
        if any(call.invited_at > after for call in read_calls(one.carrier_events())):
            break
        await asyncio.sleep(0.1)
    return (wall() - since).total_seconds()


async def _drain(one: ChaosHouse) -> float:
    """No new calls; until the last is over and all agents are free. Gives the seconds from the last call's end."""

    async def live() -> int:
        async with one.database() as database, database.begin() as s:
            return await s.scalar(select(func.count()).where(CallAttempt.ended_at.is_(None))) or 0

    async def none_live() -> bool:
        with contextlib.suppress(SQLAlchemyError, OSError):
            await one.clear_queue()
            return not await live()
        return False

    async def all_free() -> bool:
        seats = await one.seats()
        return all(seat.state in FREE and seat.line == "UP" for seat in seats)

    with contextlib.suppress(AssertionError):  # a call that does not end is told by `judge`
        await until(none_live, DRAIN_LIMIT_S, every=0.3)
    began = time.monotonic()
    with contextlib.suppress(AssertionError):  # told as a recovery that is too slow
        await until(all_free, 45, every=0.2)
    return time.monotonic() - began


async def _sealed(one: ChaosHouse) -> None:
    """Until no recording of an ended call is expected any more; then the sweeper of the product has its turn, which
    comes round every five minutes."""

    async def none_expected() -> bool:
        async with one.database() as database, database.begin() as s:
            answered = (
                select(func.count()).select_from(Recording).join(CallAttempt, CallAttempt.id == Recording.call_id)
            )
            answered = answered.where(Recording.state == "EXPECTED", CallAttempt.answered_at.is_not(None))
            return not await s.scalar(answered)

    with contextlib.suppress(AssertionError):
        await until(none_expected, SEAL_LIMIT_S, every=0.5)
        async with one.database() as database:
            bus = Bus(one.settings)
            await Keeper(one.settings, database, bus, one.clock).sweep_recent()
            await bus.close()
        await until(none_expected, SEAL_LIMIT_S, every=0.5)
