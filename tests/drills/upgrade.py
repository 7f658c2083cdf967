"""The upgrade drill (FL-14): an older release's programs on the new tables, replaced one by one while people talk."""

import asyncio
import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from backoffice_core.call_centre.models import CallTask
from backoffice_core.parts import control
from tests.conftest import ROOT, until
from tests.drills import truth
from tests.running import RunningHouse, running_house

ENDINGS = ("060", "071", "486", "160", "061", "404", "070", "051", "480", "161")  # talks of 8 to 20 s, and refusals


def previous() -> str:
    """The newest tag, else the commit that last changed the tables; empty without a history."""
    for words in (
        ("describe", "--tags", "--abbrev=0"),
        ("log", "-1", "--format=%H", "--", "backoffice_core/migrations/versions"),
    ):
        asked = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        if asked.returncode == 0 and asked.stdout.strip():
            return asked.stdout.strip()
    return ""


@contextlib.contextmanager
def release(ref: str) -> Iterator[Path | None]:
    """A tree of that release; None = this one (no git here)."""
    if not ref:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        Path(folder).chmod(0o755)
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", ref], capture_output=True, check=True)
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder)


def drill(data: Path, *, robots: int, ref: str, before_s: float, after_s: float, say: Any = print) -> dict[str, Any]:
    """`ref`: the older release, as git names it; empty = this one."""
    with release(ref) as tree, running_house(data, ring_timeout_s=15, wrap_up_s=600, release=tree) as running:
        return asyncio.run(_drill(running, robots=robots, ref=ref, before_s=before_s, after_s=after_s, say=say))


async def _drill(
    running: RunningHouse, *, robots: int, ref: str, before_s: float, after_s: float, say: Any = print
) -> dict[str, Any]:
    async with running.robots(robots, talk="90", wrap="0.2-1"):
        count = int((before_s + after_s + 90) * robots / 9)
        tasks = await running.dial(*(ENDINGS[n % len(ENDINGS)] for n in range(count)))
        await until(lambda: truth.talks_up(running) >= robots * 0.6, 150, what="most robots talk")
        await asyncio.sleep(before_s)
        talks, began, begin = truth.talks_up(running), time.monotonic(), datetime.now(UTC)
        old = running.part("asterisk").pid
        say(f"  {talks} talks up; upgrading from {ref or 'this release'}")
        await asyncio.to_thread(control.upgrade, running.settings, say)
        running.release = None
        took = time.monotonic() - began
        done = len(truth.invites(running))
        await until(lambda: len(truth.invites(running)) > done, 150, what="a call after the upgrade")
        pause = truth.longest_pause(running, begin, datetime.now(UTC))
        say(f"  upgraded in {took:.1f} s; longest time without a new call {pause} s")
        await asyncio.sleep(after_s)

        async def all_dialed() -> bool:
            async with running.database() as database, database.begin() as s:
                left = select(func.count()).select_from(CallTask)
                left = left.where(CallTask.state.in_(("DIALING", "SETTLING")) | (CallTask.fence == 0))
                return not (await s.execute(left)).scalar_one()

        await until(all_dialed, 60 + count * 20 / robots, every=0.5, what="every task was dialed once")
        found = await truth.compare(running)
        return {
            "drill": "upgrade", "robots": robots, "from": ref or "this release", "tasks": len(tasks), "talks_up": talks,
            **{key: found[key] for key in ("attempts_lost", "dialed_again", "talks_cut")},
            "no_new_calls_s": pause, "took_s": round(took, 1), "asterisk_kept": running.part("asterisk").pid == old,
            "calls": found["calls"], "results": found["results"],
        }  # fmt: skip
