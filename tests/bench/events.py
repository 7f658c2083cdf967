"""What the listener bears: durable events a second, its share of Asterisk's CPU, ten times the load without a loss.

`python -m tests.bench.events [--json FILE] [--calls 2000] [--seconds 60]`. An event is one fact of AMI or of the CEL file
as the listener keeps it, with all that follows from it: the attempt, its slot, task, history, evidence, seat. The floor,
in the same run: a bare batched INSERT of the same rows into the same PostgreSQL.

The listener's share of Asterisk's CPU depends on the calls: Asterisk pays for each second of a talk (media, recording),
the listener for each call and, when calls are rare, for each of their transactions (at most four a second,
`wire.PACE_S`). So the share falls with longer talks and with more calls a second. Three profiles: a floor of 25 agents
as banks have it (about a quarter answers, after 22 s; talks of 150 s, wrap-up 30 s; the dialer sets the rate), and two
that no floor has, talks of 8 s and of 2 s.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import func, select, text

from ami_listener.heard import pack, parse
from ami_listener.wire import BATCH, Listener
from asterisk_conf import cel_file
from backoffice_core import clock as clocks
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import facts
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.cases.models import CaseEvent
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.events import QueueChanged
from backoffice_core.migrations import migrate
from backoffice_core.parts import postgres as postgres_part
from backoffice_core.parts import valkey as valkey_part
from tests import house
from tests.bench.event_world import RAW, Seeded, seed
from tests.bench.replay import Replay
from tests.conftest import fresh_settings, running, until
from tests.running import RunningHouse, running_house

# story -> how many of ten calls, and its result
MIX = {
    "talk_borrower_hangs_up": (4, "ANSWERED_HUMAN"), "rings_out": (2, "NO_ANSWER"), "refused_486": (1, "BUSY"),
    "refused_480": (1, "NO_ANSWER"), "refused_404": (1, "INVALID_NUMBER"), "message_no_agent": (1, "ABANDONED"),
}  # fmt: skip
AGENTS = 12
FLOOR_AGENTS = 25
# ending of a number -> of a hundred
FLOOR_MIX = {"100": 25, "777": 45, "444": 12, "555": 8, "611": 4, "645": 4, "505": 2}
_numbers = itertools.count(1)
TEN_TIMES = 100  # calls a second: ten times the highest rate of `make bench`


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def chosen(count: int, dice: random.Random) -> list[str]:
    names = [name for name, (share, _) in MIX.items() for _ in range(share)]
    return [dice.choice(names) for _ in range(count)]


@contextmanager
def servers(folder: Path) -> Iterator[Settings]:
    """PostgreSQL as an operator has it (every commit waits for the disk), and Valkey."""
    settings = fresh_settings(folder)
    with (
        running(postgres_part.part(settings), folder / "postgres.log"),
        running(valkey_part.part(settings), folder / "valkey.log"),
    ):
        migrate(settings)
        yield settings


# --- durable events ----------------------------------------------------------------------------------------------


async def durable(settings: Settings, calls: int) -> dict[str, Any]:
    dice = random.Random(4)
    names = chosen(calls, dice)
    database, bus, clock = Database(settings, name="bench"), Bus(settings), clocks.load(settings)
    since = datetime.now(UTC) - timedelta(minutes=10)
    seeded = await seed(database, clock, [name.startswith("talk") for name in names], [since] * calls)
    listener = Listener(settings, database, bus, clock)
    listener.cel.start_fresh(whole=True)
    begun = since.timestamp()
    both = zip(names, seeded, strict=True)
    flock = [(begun + n / 100, RAW[name].told_of(one.call_id, one.line)) for n, (name, one) in enumerate(both)]
    ami = sorted((at + after, stamped(frame, at + after)) for at, told in flock for after, frame in told.ami)
    cel = sorted((at + after, stamped(line, at + after)) for at, told in flock for after, line in told.cel)
    heard = [fact for _, frame in ami if (fact := parse(event_of(frame)))]
    listener.spool.append([pack(fact) for fact in heard])
    cel_file(settings).parent.mkdir(parents=True, exist_ok=True)
    cel_file(settings).write_text("".join(line for _, line in cel))
    listener.cel.start_fresh(whole=True)
    began, cpu = time.perf_counter(), time.process_time()
    await listener.step()
    while not listener.caught_up or listener.stories.overdue(datetime.now(UTC)):
        if not await listener.step():
            await asyncio.sleep(0.01)  # its transactions keep a pace
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    async with database.begin() as s:
        query = "SELECT kind, channel, extract(epoch FROM at)::float8, cel FROM channel_facts ORDER BY id"
        rows = [list(row) for row in await s.execute(text(query))]
    wrong = await mismatches(database, names, seeded)
    floor = await bare_insert(database, rows)
    await asyncio.gather(database.close(), bus.close())
    found = {
        "calls": calls, "wire_events": len(ami) + len(cel), "events": len(rows), "seconds": round(took, 2),
        "events_per_s": round(len(rows) / took), "wire_events_per_s": round((len(ami) + len(cel)) / took),
        "calls_settled_per_s": round(calls / took), "listener_cpu_ms_per_call": round(cpu / calls * 1000, 2),
        "floor_insert_per_s": round(len(rows) / floor), "share_of_floor": round(floor / took, 3), "wrong": wrong,
    }  # fmt: skip
    say(f"durable: {json.dumps(found)} (goal ≥ 3000 events/s)")
    return found


def event_of(frame: str) -> dict[str, str]:
    pairs = (line.partition(": ") for line in frame.splitlines())
    return {key: value for key, _, value in reversed(list(pairs))}


def stamped(frame: str, at: float) -> str:
    return frame.replace("{stamp}", f"{at:.6f}")


async def bare_insert(database: Database, rows: list[list[Any]]) -> float:
    """Seconds for the same rows in the same batches, in a table that is the same but empty."""
    async with database.begin() as s:
        await s.execute(text("TRUNCATE channel_facts"))
    began = time.perf_counter()
    for start in range(0, len(rows), BATCH):
        async with database.begin() as s:
            await facts.save(s, rows[start : start + BATCH])
    return time.perf_counter() - began


async def mismatches(database: Database, names: list[str], seeded: list[Seeded]) -> dict[str, int]:
    """Calls without the end that the story has, and calls that stand in the history not exactly once."""
    async with database.begin() as s:
        query = select(CallAttempt.id, CallAttempt.result)
        results = {call: result for call, result in (await s.execute(query)).all()}
        lines = select(CaseEvent.call_id, func.count()).where(CaseEvent.kind == "call").group_by(CaseEvent.call_id)
        counts = {call: count for call, count in (await s.execute(lines)).all()}
    ids = [one.call_id for one in seeded]
    return {
        "result": sum(results[call] != MIX[name][1] for name, call in zip(names, ids, strict=True)),
        "history_missing": sum(call not in counts for call in ids),
        "history_double": sum(count > 1 for count in counts.values()),
    }


# --- ten times the load ------------------------------------------------------------------------------------------


async def ten_times(settings: Settings, seconds: float) -> dict[str, Any]:
    """The real program, on a server that speaks AMI and replays real stories at ten times the rate, and appends to the
    CEL file as Asterisk does. Like Asterisk it would cut off a reader that does not read for 100 ms."""
    dice = random.Random(10)
    names = chosen(int(seconds * TEN_TIMES), dice)
    database, clock = Database(settings, name="bench"), clocks.load(settings)
    start = datetime.now(UTC) + timedelta(seconds=len(names) / 250 + 8)  # seeding takes a while
    due = [start + timedelta(seconds=n / TEN_TIMES) for n in range(len(names))]
    seeded = await seed(database, clock, [name.startswith("talk") for name in names], due)
    told = [RAW[name].told_of(one.call_id, one.line) for name, one in zip(names, seeded, strict=True)]
    async with Replay(
        settings, [(at.timestamp(), one.ami, one.cel) for at, one in zip(due, told, strict=True)]
    ) as replay:
        child = replay.start_listener()
        await until(lambda: replay.logins, 60)
        await replay.play()
        over = time.monotonic()

        async def all_ended() -> bool:
            async with database.begin() as s:
                return not await s.scalar(select(func.count()).where(CallAttempt.ended_at.is_(None)))

        try:
            await until(all_ended, 120, every=0.25)
        except AssertionError:
            say("not all calls were closed")
        drained = time.monotonic() - over
        cpu = psutil.Process(child.pid).cpu_times()
        found = {
            "calls_per_s": TEN_TIMES, "seconds": seconds, "wire_events": replay.sent, "late_ms": round(replay.late_s * 1000),
            "cut_off": replay.cut_off, "links": replay.logins, "closed_after_end_s": round(drained, 1),
            "listener_cores": round((cpu.user + cpu.system) / (seconds + drained), 2),
            "wrong": await mismatches(database, names, seeded),
        }  # fmt: skip
    await database.close()
    say(f"ten times: {json.dumps(found)} (goal: nothing wrong, never cut off)")
    return found


# --- the share of Asterisk's CPU ---------------------------------------------------------------------------------


def share(folder: Path, seconds: float, only: str) -> dict[str, Any]:
    """The whole house with robot agents and the far end: listener's CPU over Asterisk's for the same calls."""
    found: dict[str, Any] = {}
    if "short" in only:
        with running_house(folder / "short") as one:
            for name, ending, rate in (("talks_of_2_s_at_4_a_s", "020", 4), ("talks_of_8_s_at_1_a_s", "050", 1)):
                found[name] = asyncio.run(measure(one, ending, rate, seconds))
                say(f"{name}: {json.dumps(found[name])}")
    if "floor" in only:
        persons = ("--answer-after", "16-28", "--talk", "600")  # the agents hang up
        with running_house(folder / "floor", carrier_options=persons) as one:
            found["floor_of_25_agents"] = asyncio.run(measure_floor(one, seconds * 2))
    say(f"share of Asterisk's CPU: {json.dumps(found)} (goal ≤ 0.15 on the floor)")
    return found


async def measure_floor(one: RunningHouse, seconds: float) -> dict[str, float]:
    """A floor that has been at work for a minute and a half: so long it takes until most agents talk."""
    dice = random.Random(25)
    mixed = dice.choices(list(FLOOR_MIX), list(FLOOR_MIX.values()), k=600)
    async with one.robots(FLOOR_AGENTS, talk="60-240", wrap="30"):
        await one.dial(*(["100"] * (FLOOR_AGENTS - 6)), *mixed)
        await asyncio.sleep(90)
        found = await used(one, asyncio.sleep(seconds))
        talking = sum(seat.state == "TALKING" for seat in await one.seats())
        await one.clear_queue()
        return found | {"talking_at_the_end": talking}


async def measure(one: RunningHouse, ending: str, rate: int, seconds: float) -> dict[str, float]:
    async with one.robots(AGENTS, talk="60", wrap="0.4"):
        found = await used(one, dial_evenly(one, ending, rate, seconds))
        await one.clear_queue()
        return found


async def dial_evenly(one: RunningHouse, ending: str, rate: int, seconds: float) -> None:
    bus, due = Bus(one.settings), time.monotonic()
    async with one.database() as database:
        for _ in range(int(seconds * rate)):
            due += 1 / rate
            await asyncio.sleep(max(due - time.monotonic(), 0))
            async with database.begin() as s:
                await house.borrower(s, one.clock, number=f"+38050{next(_numbers):04}{ending}")
            await bus.publish(QueueChanged())
    await bus.close()
    await asyncio.sleep(5)


async def used(one: RunningHouse, work: Coroutine[Any, Any, None]) -> dict[str, float]:
    """CPU of both while `work` lasts, and the calls that ended meanwhile."""
    parts = {name: one.part(name) for name in ("asterisk", "ami_listener")}
    before, calls = {name: cpu_seconds(found) for name, found in parts.items()}, await ended(one)
    await work
    took = {name: cpu_seconds(found) - before[name] for name, found in parts.items()}
    calls = await ended(one) - calls
    return {
        "calls": calls, "asterisk_cpu_s": round(took["asterisk"], 2), "listener_cpu_s": round(took["ami_listener"], 2),
        "listener_cpu_ms_per_call": round(took["ami_listener"] / max(calls, 1) * 1000, 1),
        "share": round(took["ami_listener"] / took["asterisk"], 3),
    }  # fmt: skip


async def ended(one: RunningHouse) -> int:
    async with one.database() as database, database.begin() as s:
        query = select(func.count()).where(CallAttempt.ended_at.is_not(None))
        return int(await s.scalar(query) or 0)


def cpu_seconds(found: psutil.Process) -> float:
    times = found.cpu_times()
    return float(times.user + times.system)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.events")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", default="durable,ten_times,share", help="also `short` or `floor`: a part of share")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        base = Path(folder)
        base.chmod(0o755)
        if "durable" in options.only:
            with servers(base / "durable") as settings:
                result["durable"] = asyncio.run(durable(settings, options.calls))
        if "ten_times" in options.only:
            with servers(base / "ten") as settings:
                result["ten_times"] = asyncio.run(ten_times(settings, options.seconds))
        if profiles := [one for one in ("short", "floor") if "share" in options.only or one in options.only]:
            result["share"] = share(base / "share", min(options.seconds, 45), ",".join(profiles))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
