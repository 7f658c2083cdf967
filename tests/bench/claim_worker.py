"""One worker of the claim's benchmark: a process with one connection that claims, or does the floor's transaction.

It reads the line "go" and answers with JSON. The settings come by the environment (so tests.conftest stays out).
"""
# ruff: noqa: T201 (its answer is its output)

import asyncio
import json
import random
import sys
import time
from typing import Any

import uvloop
from sqlalchemy import text

from backoffice_core import clock as clocks
from backoffice_core import config
from backoffice_core.call_centre.calls import attempts
from backoffice_core.db import Database, new_key
from backoffice_core.leases import Held

WARM_S = 3.0
_FLOOR_TAKE = text("""
    UPDATE bench_tasks SET state = 'DIALING', fence = fence + 1 WHERE id = (
        SELECT id FROM bench_tasks WHERE business_date = :day AND state = 'ELIGIBLE'
        ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id
""")
_FLOOR_NOTE = text("INSERT INTO bench_attempts (id, task_id, at) VALUES (:id, :task, now())")


async def work(kind: str, seconds: float, every_s: float, held: Held) -> dict[str, Any]:
    """`every_s` 0: one after the other without a pause; else due so often, and what is late counts from when it was due."""
    settings = config.load()
    clock = clocks.load(settings)
    database = Database(settings, pool=1, name=f"bench-{kind}")
    took: list[float] = []
    placed = 0

    async def claim() -> bool:
        async with database.begin() as s:
            taken = await attempts.claim(
                s, settings, trunk=settings.trunks[0], now=clock.now(), today=clock.today(), wall=clock.wall(),
                lease=held,
            )  # fmt: skip
        return isinstance(taken, attempts.Placing)

    async def floor() -> bool:
        async with database.begin() as s:
            task = (await s.execute(_FLOOR_TAKE, {"day": clock.today()})).scalar_one()
            await s.execute(_FLOOR_NOTE, {"id": new_key(), "task": task})
        return True

    one = claim if kind == "claim" else floor
    for _ in range(20):
        await one()  # connection, prepared statements, rules
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    ends = time.monotonic() + WARM_S + seconds
    due = time.monotonic() + random.random() * every_s
    while time.monotonic() < ends:
        await asyncio.sleep(max(due - time.monotonic(), 0) if every_s else 0)
        began = due if every_s else time.monotonic()
        done = await one()
        due += every_s
        if began > ends - seconds:
            took.append(time.monotonic() - began)
            placed += done
    await database.close()
    return {"took": took, "placed": placed}


if __name__ == "__main__":
    kind, seconds, every_s, name, holder, fence = sys.argv[1:]
    held = Held(name, holder, int(fence))
    print(json.dumps(uvloop.run(work(kind, float(seconds), float(every_s), held))))
