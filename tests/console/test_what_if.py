"""What if (issue 5, FL-17): a simulation in the world of the bank's own calls, beside the console and never in it."""

import glob
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert

from agent_console import what_if
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.queueing import past_world
from backoffice_core.clock import Clock
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from dialer.simulation.world import World
from tests import house
from tests.conftest import until
from tests.console.conftest import RunningConsole

ASKED = {"agents": "4", "target": "3", "hours": "1", "days": "7", "campaign": ""}
S = timedelta(seconds=1)


async def days_of_calls(database: Database, clock: Clock, calls: int = 400) -> None:
    """In every hour 10–13 a quarter answers after 9 s and talks 100 s; of the others some are busy."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        await house.agent(s, clock)
        who = await house.borrower(s, clock)
        rows: list[dict[str, Any]] = []
        local = clock.now().astimezone(clock.zone)
        for n in range(calls):
            wall = clock.wall() - timedelta(days=1 + n % 5)
            answered = n % 4 == 0
            end = wall + (9 + (4 if n % 8 == 4 and n % 16 == 4 else 100)) * S if answered else wall + 20 * S
            rows.append({
                "id": uuid4(), "case_id": who.case.id, "person_id": who.person.id,
                "contact_point_id": who.phone.id, "number": "+380671234567", "campaign": "collection",
                "purpose": "collection", "trunk": "far-end", "caller_id": "", "language": "uk", "fence": 1, "state": "ENDED",
                "claimed_at": wall, "business_at": local.replace(hour=10 + n % 4) - timedelta(days=1 + n % 5),
                "answered_at": wall + 9 * S if answered else None, "bridged_at": wall + 9 * S if answered else None,
                "ended_at": end, "outcome_at": end + 30 * S if answered else None,
                "outcome": "REFUSE" if answered else None,
                "result": "ANSWERED_HUMAN" if answered else "BUSY" if n % 4 == 1 else "NO_ANSWER",
            })  # fmt: skip
        await s.execute(insert(CallAttempt), rows)


async def test_a_world_is_learned_from_the_banks_own_calls(
    database: Database, clock: Clock, live_settings: Any
) -> None:
    """Issue 5: answer rate by hour, ring, talk and wrap-up times, team and lines; too few calls are refused with the remedy."""
    asked: dict[str, Any] = {"days": 7, "wall": clock.wall(), "zone": clock.zone}
    async with database.begin() as s:
        with pytest.raises(BadInput, match="too few to learn from"):
            await past_world.learned(s, live_settings, **asked)
    await days_of_calls(database, clock)
    async with database.begin() as s:
        past = await past_world.learned(s, live_settings, **asked)
    world = World(**past.world | {"by_hour": tuple(past.world["by_hour"])})
    assert (past.calls, past.first_hour, world.hours, len(world.by_hour)) == (400, 10, 4.0, 4)
    assert world.answer_rate == pytest.approx(0.25)
    assert (world.ring_mean, world.wrap_mean) == (pytest.approx(7.0), pytest.approx(30.0))
    assert (world.talk_mean, world.short_mean) == (pytest.approx(100.0), pytest.approx(4.0))
    assert world.short_share == pytest.approx(0.25)
    assert world.busy == pytest.approx(1 / 3, abs=0.01)
    assert world.lines == sum(trunk.lines for trunk in live_settings.trunks)


async def test_two_supervisors_share_a_run_that_never_runs_in_the_console(console: RunningConsole) -> None:
    """FL-17: progress, one run for one question, a band over the seeds, a chart; who may not change campaigns may not ask."""
    await days_of_calls(console.database, console.clock)
    boss, other = [await console.logged_in(name, "supervisor") for name in ("boss", "other")]
    agent = await console.logged_in("anna", "agent", extension=101)
    assert (await agent.get("/what-if")).status_code == 403
    refused = await boss.send_form("/what-if", **ASKED | {"agents": "many"})
    assert (refused.status_code, "число від 1 до 500" in refused.text) == (422, True)
    first = await boss.send_form("/what-if", **ASKED)
    second = await other.send_form("/what-if", **ASKED)
    assert first.status_code == 303
    assert first.headers["location"] == second.headers["location"], "the same question is one run"
    where = first.headers["location"]
    assert "hx-trigger" in (page := (await boss.get(where)).text)
    assert "розмова 01:16 (разом із короткими: 25 %" in page, (
        "the mean of all talks, a quarter of them of 4 s, others of 100 s"
    )

    async def done() -> bool:
        return "policy-ours" in (await boss.get(f"{where}/state")).text

    await until(done, 180)
    page = (await other.get(where)).text
    assert "hx-trigger" not in page
    assert page.count("<polyline") == len(what_if.POLICIES)
    assert page.count(" … ") >= 5 * len(what_if.POLICIES), "each figure with its band"
    assert (await boss.get("/what-if/none")).status_code == 404


async def test_a_run_is_cancelled_and_its_process_ends(console: RunningConsole) -> None:
    """FL-17: cancel works while it runs and while it waits; nothing of it is left."""
    await days_of_calls(console.database, console.clock)
    boss = await console.logged_in("boss", "supervisor")
    long_, waiting = [
        (await boss.send_form("/what-if", **ASKED | {"agents": n, "hours": "12"})).headers["location"]
        for n in ("400", "300")
    ]

    async def running() -> bool:
        return "з 15" in (await boss.get(f"{long_}/state")).text

    await until(running, 60)
    for where in (waiting, long_):
        await boss.send_form(f"{where}/cancel")
        assert "Підрахунок скасовано" in (await boss.get(f"{where}/state")).text
    await until(_nothing_left, 30)


async def _nothing_left() -> bool:
    return not any(b"what-if-" in _read(p) for p in glob.glob("/proc/[0-9]*/cmdline"))


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError:
        return b""


def test_bands_are_over_the_seeds_of_each_way() -> None:
    rows = [
        {"policy": "ours", "utilisation": u, "abandon_rate": 0.01, "worst_hour": 0.02, "dials": 400, "live": 100,
         "answers_per_agent_hour": 10.0} for u in (0.8, 0.9)
    ]  # fmt: skip
    found = what_if.bands(json.loads(json.dumps(rows)))["ours"]
    assert (found["utilisation"].mean, found["utilisation"].least, found["dials"].mean) == (pytest.approx(85), 80, 40)
