"""The claim of a call among a million tasks and twenty million contacts, beside the least that any claim could do.

`python -m tests.bench.claim [--json FILE] [--tasks N] [--ledger N] [--seconds S] [--workers N] [--data DIR]`

A durable PostgreSQL of its own is filled to a tenth, measured, filled whole, measured again. The floor, by the same
processes in the same run: a transaction of two statements (SKIP LOCKED update, insert) on tables of the same length.
Its files are read once before (a bank's have been in memory for days). Two ways: all workers one claim after the other
without a pause, which asks how much the machine bears; and claims offered at an even rate, as a dialer makes them
(500 agents with talks of 150 s and every fourth answering make 11 a second).
"""
# ruff: noqa: S608, T201 (keys are made here, of numbers; a bench speaks to the terminal)

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.schema import AddConstraint, CreateIndex, DropConstraint, DropIndex

from backoffice_core import clock as clocks
from backoffice_core import leases
from backoffice_core.clock import Clock
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.leases import Held
from backoffice_core.migrations import migrate
from backoffice_core.parts import postgres as postgres_part
from tests import house
from tests.conftest import child_environment, fresh_settings, running

GOAL_P99_MS = 20.0
GOAL_SHARE = 0.5
OFFERED = 40.0  # claims a second by all workers together
CHUNK = 500_000  # rows a statement

# --- measuring ---------------------------------------------------------------------------------------------------------


def measure(
    settings: Settings, kind: str, workers: int, seconds: float, held: Held, rate: float = 0.0
) -> dict[str, Any]:
    """All workers begin at one moment. Milliseconds of one transaction as its caller waits; transactions a second.
    `rate`: so many a second are offered by all together; 0 = as many as they can."""
    argv = [sys.executable, "-m", "tests.bench.claim_worker", kind, str(seconds), str(workers / rate if rate else 0)]
    argv += [held.name, held.holder, str(held.fence)]
    children = [
        subprocess.Popen(
            argv, env=child_environment(settings), cwd="/", text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(workers)
    ]  # fmt: skip
    for child in children:
        assert child.stdout is not None
        if child.stdout.readline() != "ready\n":
            raise RuntimeError("a worker did not start")
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = [json.loads(child.communicate()[0]) for child in children]
    took = sorted(each for answer in answers for each in answer["took"])
    return {
        "transactions": len(took), "placed": sum(answer["placed"] for answer in answers),
        "rate_per_s": round(len(took) / seconds, 1),
        **{f"p{p}_ms": round(1000 * took[min(len(took) - 1, len(took) * p // 100)], 2) for p in (50, 90, 99)},
    }  # fmt: skip


# --- the bank --------------------------------------------------------------------------------------------------------

_UUID = "('{kind}0000000-0000-7000-8000-' || lpad(to_hex({n}), 12, '0'))::uuid"


def key(kind: str, n: str = "n") -> str:
    return _UUID.format(kind=kind, n=n)


_PEOPLE = (
    f"""INSERT INTO persons (id, external_ref, last_name, first_name, middle_name, birth_date, tax_id, code_word,
            language, jurisdiction, region, place, time_zone, demo, created_at)
        SELECT {key("a")}, 'P-' || n, 'Коваленко', 'Олена', 'Петрівна', '1985-03-14', '', '', 'uk', 'UA', 'Полтавська',
            'Полтава', 'Europe/Kyiv', true, :now FROM generate_series(cast(:low AS int), cast(:high AS int)) n""",
    f"""INSERT INTO contact_points (id, person_id, kind, value, original, owner_kind, owner_guessed, extension,
            number_type, rank, state, state_reason)
        SELECT {key("b")}, {key("a")}, 'phone', '+38067' || lpad(n::text, 7, '0'), '', 'self', false, '', 'mobile', 0,
            'UNVERIFIED', '' FROM generate_series(cast(:low AS int), cast(:high AS int)) n""",
    f"""INSERT INTO cases (id, person_id, state, stage, hold_reason, opened_at)
        SELECT {key("c")}, {key("a")}, 'ACTIVE', 1, '', :now FROM generate_series(cast(:low AS int), cast(:high AS int)) n""",
    f"""INSERT INTO loans (id, person_id, contract_no, balance, overdue_principal, days_past_due, as_at, demo,
            portfolio, product, branch, currency, overdue_interest, overdue_penalty, source, missing_note)
        SELECT {key("d")}, {key("a")}, 'C-' || n, 10000, 1800, 20, :now, true, 'main', '', '', 'UAH', 0, 0, '', ''
        FROM generate_series(cast(:low AS int), cast(:high AS int)) n""",
    f"""INSERT INTO call_tasks (id, business_date, case_id, person_id, contact_point_id, campaign, purpose, position,
            why, state, state_reason, fence, attempts, demo)
        SELECT {key("e")}, :day, {key("c")}, {key("a")}, {key("b")}, 'collection', 'collection',
            (n::bigint * 7919) % 1000003, '{{}}', 'ELIGIBLE', '', 0, 0, true
        FROM generate_series(cast(:low AS int), cast(:high AS int)) n""",
    f"""INSERT INTO bench_tasks SELECT {key("f")}, :day, (n::bigint * 7919) % 1000003, 'ELIGIBLE', 0
        FROM generate_series(cast(:low AS int), cast(:high AS int)) n""",
)
_KEYS = [
    *ContactLedger.__table__.indexes,
    *(one for one in ContactLedger.__table__.constraints if isinstance(one, UniqueConstraint)),
]
_OURS = "SELECT count(*) FROM contact_ledger WHERE id >= '10000000-0000-0000-0000-000000000000'"
_LEDGER = f"""
    INSERT INTO contact_ledger (id, person_id, loan_id, number, channel, actor, purpose, direction, campaign, at, state,
        conversation, delivered, machine_message, abandoned, uncertain, minutes, exceptions, call_id)
    SELECT {key("1")}, {key("a", "who")}, NULL, '+38067' || lpad(who::text, 7, '0'), 'call', 'dialer', 'collection',
        'outbound', 'collection', cast(:now AS timestamptz) - interval '1 day' - (n * 7907 % 5000000) * interval '1 second',
        'COMMITTED', n % 5 = 0, false, false, false, false, CASE WHEN n % 5 = 0 THEN 2.5 ELSE 0.4 END, '[]', {key("2")}
    FROM (
        SELECT n, 1 + (n * 48271) % cast(:people AS bigint) AS who
        FROM generate_series(cast(:low AS bigint), cast(:high AS bigint)) n) rows
"""


# The calls of measurements before: they ended long ago. What is live at one time in a house are some hundred calls.
_ENDED = (
    "UPDATE contact_ledger SET state = 'COMMITTED' WHERE state = 'RESERVED'",
    "UPDATE call_attempts SET state = 'ENDED', ended_at = now() WHERE ended_at IS NULL",
)


class Bank:
    """Filled by set-based SQL, in steps that are told. Filling goes on where it stopped."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock = database, clock
        self.day, self.now = clock.today(), clock.now()

    async def prepare(self) -> None:
        async with self.database.begin() as s:
            await s.execute(text(
                "CREATE TABLE IF NOT EXISTS bench_tasks (id uuid PRIMARY KEY, business_date date NOT NULL,"
                " position integer NOT NULL, state text NOT NULL, fence bigint NOT NULL)"
            ))  # fmt: skip
            await s.execute(text(
                "CREATE INDEX IF NOT EXISTS bench_callable ON bench_tasks (business_date, position)"
                " WHERE state = 'ELIGIBLE'"
            ))  # fmt: skip
            await s.execute(text(
                "CREATE TABLE IF NOT EXISTS bench_attempts (id uuid PRIMARY KEY, task_id uuid, at timestamptz)"
            ))  # fmt: skip
            if not await s.scalar(text("SELECT count(*) FROM compliance_rules")):
                await house.rules_in_force(s, self.clock)

    async def rows(self, table: str) -> int:
        """Of those that were filled in; the measured claims' own rows stand apart."""
        of = _OURS if table == "contact_ledger" else f"SELECT count(*) FROM {table}"
        async with self.database.begin() as s:
            return int(await s.scalar(text(of)) or 0)

    async def fill(self, tasks: int, ledger: int) -> None:
        have = {table: await self.rows(table) for table in (*(sql.split()[2] for sql in _PEOPLE), "contact_ledger")}
        if have.pop("contact_ledger") < ledger or min(have.values()) < tasks:
            await self._drop_indexes()
            for table, sql in zip(have, _PEOPLE, strict=True):
                await self._in_chunks(table, sql, have[table], tasks, {"day": self.day, "now": self.now})
            extra = {"now": self.now, "people": tasks}
            await self._in_chunks("contact_ledger", _LEDGER, await self.rows("contact_ledger"), ledger, extra)
        elif not await self._make_indexes():
            return
        await self._make_indexes()
        async with self.database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            for table in ("persons", "contact_points", "cases", "loans", "call_tasks", "contact_ledger", "bench_tasks"):
                await connection.execute(text(f"VACUUM ANALYZE {table}"))
            await connection.execute(text("CHECKPOINT"))

    async def end_calls(self) -> None:
        async with self.database.begin() as s:
            for sql in _ENDED:
                await s.execute(text(sql))
        async with self.database.reading.connect() as connection:
            for table in ("contact_ledger", "call_attempts"):
                await connection.execute(text(f"VACUUM {table}"))

    async def _drop_indexes(self) -> None:
        """Rows come in faster without them."""
        async with self.database.begin() as s:
            for key in _KEYS:
                plain = isinstance(key, Index)
                await s.execute(DropIndex(key, if_exists=True) if plain else DropConstraint(key, if_exists=True))

    async def _make_indexes(self) -> bool:
        """Those of the ledger's model that are not there, also after a filling that was broken off. False: all were."""
        made = False
        for key in _KEYS:
            began = time.monotonic()
            async with self.database.begin() as s:
                if await s.scalar(text("SELECT to_regclass(:name)"), {"name": key.name}):
                    continue
                await s.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
                await s.execute(CreateIndex(key) if isinstance(key, Index) else AddConstraint(key))
            made = True
            say(f"index {key.name}: {time.monotonic() - began:.0f} s")
        return made

    async def _in_chunks(self, name: str, sql: str, have: int, wanted: int, extra: dict[str, Any]) -> None:
        needed = {key: value for key, value in extra.items() if f":{key}" in sql}
        began = time.monotonic()
        for low in range(have + 1, wanted + 1, CHUNK):
            high = min(low + CHUNK - 1, wanted)
            async with self.database.begin() as s:
                await s.execute(text("SET LOCAL synchronous_commit = off"))
                await s.execute(text(sql), {**needed, "low": low, "high": high})
            say(f"{name}: {high:,} of {wanted:,} ({time.monotonic() - began:.0f} s)")


def read_once(settings: Settings) -> None:
    """The database's files into the machine's memory."""
    for file in (postgres_part.folder(settings) / "base").glob("*/*"):
        with contextlib.suppress(OSError), file.open("rb") as data:
            while data.read(1 << 22):
                pass


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# --- the run ---------------------------------------------------------------------------------------------------------


async def bench(settings: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    clock = clocks.load(settings)
    database = Database(settings, pool=2, name="bench")
    async with database.begin() as s:
        await s.execute(text("DELETE FROM leases"))
        held = await leases.take(s, leases.POOL, "bench/0/0@bench", ttl_s=86400)
    assert held is not None
    bank = Bank(database, clock)
    await bank.prepare()
    steps: dict[int, dict[str, Any]] = {}
    for part in (10, 1):
        tasks, ledger = arguments.tasks // part, arguments.ledger // part
        if part > 1 and (arguments.fill_only or await bank.rows("persons") > tasks):
            continue  # a database that is full already has no tenth to measure
        await bank.fill(tasks, ledger)
        if arguments.fill_only:
            continue
        await asyncio.to_thread(read_once, settings)
        steps[part] = {"tasks": tasks, "ledger_rows": ledger, "load_average": os.getloadavg()[0]}
        for name, rate in (("", 0.0), ("offered_", OFFERED)):
            await bank.end_calls()
            for kind in ("floor", "claim"):
                took = measure(settings, kind, arguments.workers, arguments.seconds, held, rate)
                steps[part][name + kind] = took
                say(f"{tasks:,} tasks, {ledger:,} contacts, {name}{kind}: {took}")
    await database.close()
    if arguments.fill_only:
        return {}
    whole, tenth = steps[1], steps.get(10)
    share, offered = whole["claim"]["rate_per_s"] / whole["floor"]["rate_per_s"], whole["offered_claim"]["p99_ms"]
    return {
        "workers": arguments.workers, "seconds": arguments.seconds, **whole, "share_of_floor": round(share, 3),
        "a_tenth": tenth,
        "p99_when_work_grows_ten_times": tenth and round(whole["claim"]["p99_ms"] / tenth["claim"]["p99_ms"], 2),
        "goals": {
            "p99_ms": [whole["claim"]["p99_ms"], GOAL_P99_MS, whole["claim"]["p99_ms"] <= GOAL_P99_MS],
            "p99_ms_offered": [offered, GOAL_P99_MS, offered <= GOAL_P99_MS],
            "share_of_floor": [round(share, 3), GOAL_SHARE, share >= GOAL_SHARE],
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--tasks", type=int, default=1_000_000)
    parser.add_argument("--ledger", type=int, default=20_000_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--data", type=Path, help="keep the filled database here, and use it again")
    parser.add_argument("--fill-only", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="claim-bench-", ignore_cleanup_errors=True) as place:
        settings = fresh_settings(arguments.data or Path(place))
        clocks.load(settings, restart=True)
        with running(postgres_part.part(settings), settings.data / "log" / "postgres.log"):
            migrate(settings)
            found = asyncio.run(bench(settings, arguments))
    print(json.dumps(found, indent=2))
    if arguments.json and found:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
