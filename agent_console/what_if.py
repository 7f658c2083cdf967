"""What-if runs of the supervisors: `backoffice simulate` in a process of its own, at the lowest priority, one at a time.

The console only starts it, reads its progress, and keeps what came of it for a while. The same question of two people is one
run; others wait in their turn. A console that ends takes its run with it.
"""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
import yaml

log = structlog.get_logger()

POLICIES = ("ours", "progressive", "ratio-1.5")
SEEDS = 5
KEPT = 12  # runs that are over
MOST_WAITING = 8
LONGEST_S = 900.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    campaign: str
    days: int
    agents: int
    hours: float
    target: float


@dataclass(kw_only=True)
class Run:
    """`state`: WAITING, RUNNING, DONE, FAILED, CANCELLED. `world`, `calls`: what was learned from how many calls."""

    asked: Asked
    world: Mapping[str, Any]
    calls: int
    first_hour: int
    by: str
    at: datetime
    id: str = field(default_factory=lambda: uuid4().hex)
    state: str = "WAITING"
    done: int = 0
    total: int = len(POLICIES) * SEEDS
    rows: list[dict[str, Any]] = field(default_factory=list)  # of shifts, as the command said them
    people: set[str] = field(default_factory=set)
    task: asyncio.Task[None] | None = None


class Runs:
    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self._turn = asyncio.Lock()

    @property
    def listed(self) -> list[Run]:
        """The newest first."""
        return sorted(self.runs.values(), key=lambda one: one.at, reverse=True)

    def same(self, asked: Asked) -> Run | None:
        """One that answers, or is about to answer, the same question from the same calls of today."""
        alive = ("WAITING", "RUNNING")
        return next((one for one in self.runs.values() if one.asked == asked and one.state in alive), None)

    @property
    def full(self) -> bool:
        return sum(one.state == "WAITING" for one in self.runs.values()) >= MOST_WAITING

    def begin(self, run: Run) -> Run:
        for old in self.listed[KEPT:]:
            if old.state not in {"WAITING", "RUNNING"}:
                del self.runs[old.id]
        self.runs[run.id] = run
        run.people.add(run.by)
        run.task = asyncio.create_task(self._in_turn(run))
        return run

    def cancel(self, run_id: str) -> None:
        run = self.runs.get(run_id)
        if run is not None and run.state in {"WAITING", "RUNNING"} and run.task is not None:
            run.state = "CANCELLED"
            run.task.cancel()

    async def end(self) -> None:
        """The console goes: nothing goes on without it."""
        for run in self.runs.values():
            self.cancel(run.id)
        await asyncio.gather(*(one.task for one in self.runs.values() if one.task), return_exceptions=True)

    async def _in_turn(self, run: Run) -> None:
        async with self._turn:
            if run.state != "WAITING":
                return
            run.state = "RUNNING"
            try:
                async with asyncio.timeout(LONGEST_S):
                    await self._run(run)
            except (OSError, TimeoutError, ValueError, KeyError) as error:
                log.warning("a what-if run failed", error=type(error).__name__)
                run.state = "FAILED"

    async def _run(self, run: Run) -> None:
        with tempfile.TemporaryDirectory(prefix="what-if-") as folder:
            file = Path(folder) / "world.yaml"
            file.write_text(yaml.safe_dump(dict(run.world), allow_unicode=True), encoding="utf-8")
            words = ["simulate", "--world", str(file), "--target", str(run.asked.target), "--json", "--progress"]
            words += [word for policy in POLICIES for word in ("--policy", policy)]
            words += [word for seed in range(1, SEEDS + 1) for word in ("--seed", str(seed))]
            process = await asyncio.create_subprocess_exec(
                "nice", "-n", "19", sys.executable, "-m", "backoffice_core", *words, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE, limit=2**24,
            )  # fmt: skip
            assert process.stdout is not None  # noqa: S101
            said = asyncio.create_task(process.stdout.read())
            try:
                await self._follow(run, process)
                if await process.wait() == 0:
                    run.rows = json.loads(await said)["shifts"]
                    run.state = "DONE"
                else:
                    run.state = "FAILED"
            finally:
                said.cancel()
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        process.send_signal(signal.SIGKILL)
                    await process.wait()

    @staticmethod
    async def _follow(run: Run, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None  # noqa: S101
        async for line in process.stderr:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                run.done = int(json.loads(line)["done"])


@dataclass(frozen=True, kw_only=True)
class Band:
    """A figure over the seeds."""

    mean: float
    least: float
    most: float


def bands(rows: list[dict[str, Any]]) -> dict[str, dict[str, Band]]:
    """By policy: utilisation, abandon_rate and worst_hour as percent, calls and answers of an agent-hour."""
    found: dict[str, dict[str, Band]] = {}
    for policy in dict.fromkeys(row["policy"] for row in rows):
        own = [row for row in rows if row["policy"] == policy]
        hours = [row["live"] / row["answers_per_agent_hour"] if row["answers_per_agent_hour"] else 0.0 for row in own]
        figures = {
            "utilisation": [100 * row["utilisation"] for row in own],
            "abandoned": [100 * row["abandon_rate"] for row in own],
            "worst_hour": [100 * row["worst_hour"] for row in own],
            "dials": [row["dials"] / hour if hour else 0.0 for row, hour in zip(own, hours, strict=True)],
            "answers": [row["answers_per_agent_hour"] for row in own],
        }
        found[policy] = {
            name: Band(mean=sum(values) / len(values), least=min(values), most=max(values))
            for name, values in figures.items()
        }
    return found
