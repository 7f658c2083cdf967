"""A new hour for a learned order of 100,000 cases: places written from the plan, beside judging every case anew.

`python -m tests.bench.hours [--json FILE] [--cases N]`

Four of ten numbers have a history of calls, each borrower has two numbers, thirty agents work. `judged`: the same hour by
marks of all its cases, as it was done before. Seconds of the CPU, of Python and of the server.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvloop
from sqlalchemy import insert, select, text

from backoffice_core.borrowers.models import ContactPoint
from backoffice_core.call_centre.queueing import hour_order, queue
from backoffice_core.call_centre.queueing.chance_models import ChancesLearned, NumberChance
from backoffice_core.call_centre.queueing.chances import HOURS
from backoffice_core.call_centre.queueing.learned import GROUPS, PARTS
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.migrations import migrate
from backoffice_core.parts import postgres as postgres_part
from backoffice_core.program import calm_collector
from tests import house
from tests.bench import cpu
from tests.bench.requeue import KYIV, NOW, TODAY, drained, fill, say
from tests.conftest import fresh_settings, running

AGENTS = 30
GOAL = 0.5  # of the CPU that judging all of them costs


async def teach(database: Database) -> None:
    """As a night that has learned from calls: half of the numbers have an hour of their own."""
    dice = random.Random(7)
    usual = [0.08 + 0.06 * (9 <= hour < 12) + 0.1 * (17 <= hour < 20) for hour in range(HOURS)]
    groups = {"right": [usual] * len(GROUPS), "answered": [[2 * one for one in usual]] * len(GROUPS)}
    async with database.begin() as s:
        points = list(await s.scalars(select(ContactPoint.id).where(ContactPoint.state != "DEAD")))
        rows = []
        for point in points:
            if dice.random() > 0.4:
                continue
            best, height = dice.randrange(8, 20), dice.uniform(0.05, 0.5)
            right = [height / (1 + abs(hour - best)) for hour in range(HOURS)]
            said = [b"".join(int(PARTS * min(k * one, 0.9)).to_bytes(2, "little") for one in right) for k in (1, 2)]
            rows.append({"contact_point_id": point, "tried": 9, "right_party": said[0], "answered": said[1]})
        await s.execute(insert(NumberChance), rows)
        taught = insert(ChancesLearned).values(
            business_date=TODAY, attempts=9 * len(rows), numbers=len(rows), learned_at=NOW, groups=groups,
            handle={"seconds": [190.0, 45.0, 25.0]},
        )  # fmt: skip
        await s.execute(taught)
        clock = Clock("Europe/Kyiv")
        for _ in range(AGENTS):
            await house.agent(s, clock)


async def planned(database: Database, settings: Settings, hours: int) -> dict[str, Any]:
    """As the worker does it."""
    began, python, server = time.monotonic(), time.process_time(), cpu.of_server(settings)
    longest = 0.0
    async with database.begin() as s:
        hour = await hour_order.new_hour(s, now=NOW + timedelta(hours=hours), today=TODAY, zone=KYIV)
        assert hour is not None
        for part in hour.parts:
            at = time.monotonic()
            async with database.begin() as one:
                await hour_order.move(one, part)
            longest = max(longest, time.monotonic() - at)
    return {
        "seconds": round(time.monotonic() - began, 2), "python_cpu_s": round(time.process_time() - python, 2),
        "server_cpu_s": round(cpu.of_server(settings) - server, 2), "cases": hour.cases, "moved": len(hour.moves),
        "judged": len(hour.judged), "longest_part_ms": round(longest * 1000),
    }  # fmt: skip


async def run(settings: Settings, cases: int) -> dict[str, Any]:
    database = Database(settings, pool=3, name="bench")
    try:
        await fill(database, cases)
        await teach(database)
        async with database.begin() as s:
            await queue.build_queue(s, TODAY, now=NOW, settings=settings, zone=KYIV)
        found: dict[str, Any] = {"cases": cases, "hours": []}
        for ahead in (1, 2):
            one = await planned(database, settings, ahead)
            one["another_number"] = await drained(database, settings)
            found["hours"].append(one)
        async with database.begin() as s:
            await s.execute(text("INSERT INTO queue_marks (why, bulk) VALUES ('hour', true)"))
        found["judged"] = await drained(database, settings)
    finally:
        await database.close()
    say(json.dumps(found, ensure_ascii=False))
    return found


def _cpu(one: dict[str, Any]) -> float:
    return float(one["python_cpu_s"] + one["server_cpu_s"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hours", description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cases", type=int, default=100_000)
    options = parser.parse_args()
    calm_collector()  # as the worker does
    with tempfile.TemporaryDirectory(prefix="bench-hours-", ignore_cleanup_errors=True) as said:
        folder = Path(said)
        folder.chmod(0o755)
        settings = fresh_settings(folder / "house")
        with running(postgres_part.part(settings), settings.data / "log" / "postgres.log"):
            migrate(settings)
            found = uvloop.run(run(settings, options.cases))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    worst = max(_cpu(one) + _cpu(one["another_number"]) for one in found["hours"])
    return 0 if worst <= GOAL * _cpu(found["judged"]) else 1


if __name__ == "__main__":
    sys.exit(main())
