"""The restore drill (FL-13): back up in shift, go on, lose what came since, restore, and dial on."""

import asyncio
import json
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from backoffice_core.call_centre.models import CallTask, Restore
from backoffice_core.parts import control
from tests.conftest import ROOT, command, until
from tests.drills import truth
from tests.running import RunningHouse, running_house

ENDINGS = ("030", "041", "486", "130", "404", "050", "031", "603", "140", "480")  # talks of 2 to 8 s, and refusals


def backoffice(running: RunningHouse, *words: str) -> dict[str, Any]:
    """A command as an operator gives it, with --json. Raises AssertionError with what it said."""
    import os

    from backoffice_core.parts import process

    variables = os.environ | process.environment(running.settings) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command(*words), env=variables, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    answer: dict[str, Any] = json.loads(done.stdout) if "--json" in words else {}
    return answer


def drill(data: Path, *, robots: int, before_s: float, after_s: float, say: Any = print) -> dict[str, Any]:
    """`before_s` of dialing between the backup and the restored point, `after_s` between the point and the loss."""
    with running_house(data, ring_timeout_s=15, wrap_up_s=600) as running:
        return asyncio.run(_drill(running, robots=robots, before_s=before_s, after_s=after_s, say=say))


def _endings(count: int) -> list[str]:
    return [ENDINGS[n % len(ENDINGS)] for n in range(count)]


async def _waiting(running: RunningHouse) -> int:
    async with running.database() as database, database.begin() as s:
        left = select(func.count()).select_from(CallTask).where(CallTask.state == "ELIGIBLE")
        return (await s.execute(left)).scalar_one()


async def _drill(
    running: RunningHouse, *, robots: int, before_s: float, after_s: float, say: Any = print
) -> dict[str, Any]:
    async with running.robots(robots, talk="90", wrap="0.2-1"):
        tasks = await running.dial(*_endings(robots * 4))
        await until(lambda: len(truth.invites(running)) >= robots, 150, what="the robots are at work")
        say(f"  {robots} robots at work")
        began = time.monotonic()
        backing = asyncio.create_task(asyncio.to_thread(backoffice, running, "backup", "--json"))
        while not backing.done():  # however long it takes, nobody runs out of work
            if await _waiting(running) < robots * 3:
                tasks += await running.dial(*_endings(robots * 2))
            await asyncio.wait({backing}, timeout=1)
        backed = await backing
        say(f"  backup in shift: {backed['bytes'] / 2**20:.1f} MB, {time.monotonic() - began:.1f} s")
        count = int((before_s + after_s + 50) * robots / 4)  # also for after the restore: what comes later is not in it
        tasks += await running.dial(*_endings(count))
        await asyncio.sleep(before_s)
        point = datetime.now(UTC)
        known = len(truth.invites(running))
        await asyncio.sleep(after_s)
        say(f"  {len(truth.invites(running)) - known} calls since the point; draining")
        drained = await asyncio.to_thread(backoffice, running, "drain", "--timeout", "120", "--json")
        lost_calls = len(truth.invites(running)) - known
        began = time.monotonic()
        control.down(running.settings, say=lambda _: None)
        done = await asyncio.to_thread(
            backoffice, running, "restore", "--at", point.isoformat(), "--by", "Drill", "--json"
        )
        running.settings.drain_file.unlink()
        say(f"  restored and accounted for: {time.monotonic() - began:.1f} s; {done['counts']}")
        control.up(running.settings, say=lambda _: None)
        quiet = len(truth.invites(running))
        refused_while_stopped = quiet == known + lost_calls
        await asyncio.to_thread(backoffice, running, "stop", "--lift", "--by", "Drill", "--reason", "drill", "--json")
        resumed = datetime.now(UTC)
        await until(lambda: len(truth.invites(running)) > quiet, 150, what="a call after the restore")
        pause = truth.longest_pause(running, point, datetime.now(UTC))
        say(f"  dialing again, {pause} s after the last call before")

        async def all_dialed() -> bool:
            async with running.database() as database, database.begin() as s:
                left = select(func.count()).select_from(CallTask)
                left = left.where(CallTask.state.in_(("DIALING", "SETTLING")) | (CallTask.fence == 0))
                return not (await s.execute(left)).scalar_one()

        await until(all_dialed, 60 + count * 8 / robots, every=0.5, what="every task was dialed once")
        found = await truth.compare(running)
        async with running.database() as database, database.begin() as s:
            restored = (await s.execute(select(Restore))).scalar_one()
        return {
            "drill": "restore", "robots": robots, "tasks": len(tasks), "calls_since_point": lost_calls,
            **{key: found[key] for key in ("attempts_lost", "dialed_again", "talks_cut")},
            "no_new_calls_s": pause, "nothing_dialed_while_stopped": refused_while_stopped,
            "drained": drained["drained"], "accounted": restored.counts, "calls": found["calls"],
            "results": found["results"], "backup_bytes": backed["bytes"], "backup_s": backed["seconds"],
            "lifted_to_call_s": round((truth.at(truth.invites(running)[quiet]) - resumed).total_seconds(), 1),
        }  # fmt: skip
