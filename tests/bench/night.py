"""One ordinary night of a portfolio of LOANS: seconds, peak of memory, and a floor of bare SQL in the same run.

`python -m tests.bench.night [--loans N] [--json FILE]`

The portfolio has the shares of domain figures (88 % not late). A first night opens the cases; then a day passes: those
who are late are one day later, some paid, some have promised. The second night is measured, as the command that a
person would run, in a process of its own (`night_s`: its steps; `command_s`: with the start of Python). The floor fetches
the rows of every open case with what belongs to it, and writes as many rows of each table as that night wrote, with
their indexes, deciding nothing. The shipped strategy is live. Beside the seconds stand those of the CPU (`cpu_s`,
`floor_cpu_s`: of the command and of PostgreSQL; `python_s`: of the command alone), for a machine that others use as well.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg

from backoffice_core.clock import load as load_clock
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.migrations import migrate
from backoffice_core.parts import postgres as postgres_part
from backoffice_core.strategy import service as strategy
from tests.bench import cpu
from tests.conftest import child_environment, fresh_settings, running

GOAL_TIMES = 4.0
GOAL_S = 600.0  # at 1,000,000 loans
FILL = """
INSERT INTO persons (id, external_ref, last_name, first_name, middle_name, tax_id, code_word, language, jurisdiction, region,
                     place, time_zone, demo, created_at)
SELECT uuidv7(), 'N' || n, 'Коваль', 'Олена', '', '', '', 'uk', 'UA', '', '', 'Europe/Kyiv', true, $2
  FROM generate_series(1, $1::int * 4 / 5) n;
INSERT INTO contact_points (id, person_id, kind, value, original, owner_kind, owner_guessed, extension, number_type, rank, state,
                            state_reason)
SELECT uuidv7(), id, 'phone', '+38067' || lpad(substr(external_ref, 2), 7, '0'), '', 'self', false, '', 'mobile', 0,
       'UNVERIFIED', ''
  FROM persons;
INSERT INTO loans (id, person_id, contract_no, portfolio, product, branch, currency, balance, overdue_principal, overdue_interest,
                   overdue_penalty, days_past_due, as_at, demo, source, missing_note)
SELECT uuidv7(), p.id, 'C' || l.n, 'main', '', '', 'UAH', 20000 + l.n % 30000,
       CASE WHEN l.days > 0 THEN 500 + l.n % 4000 ELSE 0 END,
       CASE WHEN l.days > 0 THEN 100 ELSE 0 END, 0, l.days, $2, true, '', ''
  FROM (SELECT n, CASE WHEN n % 1000 < 880 THEN 0 WHEN n % 1000 < 935 THEN 1 + n % 30 WHEN n % 1000 < 953 THEN 31 + n % 30
                       WHEN n % 1000 < 963 THEN 61 + n % 30 WHEN n % 1000 < 978 THEN 91 + n % 90 ELSE 181 + n % 400 END AS days
          FROM (SELECT (i::bigint * 7919 + 13) AS n FROM generate_series(1, $1::int) i) x) l
  JOIN persons p ON p.external_ref = 'N' || (1 + (l.n % ($1::int * 4 / 5)))
ON CONFLICT DO NOTHING;
INSERT INTO loan_balances (loan_id, as_at, recorded_at, balance, overdue_principal, overdue_interest, overdue_penalty,
                           overdue_fee, days_past_due, correction, note)
SELECT id, as_at, as_at, balance, overdue_principal, overdue_interest, overdue_penalty, 0, days_past_due, false, '' FROM loans;
"""
# A day passes. Every fifteenth who was late paid; each twentieth had promised, a third of these kept it.
DAY = """
UPDATE loans SET as_at = $2, days_past_due = CASE WHEN n % 15 = 0 THEN 0 ELSE days_past_due + 1 END,
       overdue_principal = CASE WHEN n % 15 = 0 THEN 0 ELSE overdue_principal END,
       overdue_interest = CASE WHEN n % 15 = 0 THEN 0 ELSE overdue_interest + 5 END
  FROM (SELECT id AS i, row_number() OVER (ORDER BY id) AS n FROM loans WHERE days_past_due > 0) x WHERE id = x.i;
INSERT INTO promises (id, case_id, amount, currency, due_date, grace_days, state, made_at, overdue_when_made, matched)
SELECT uuidv7(), c.id, 300, 'UAH', $1::date - 2 + (c.number % 3)::int, 0, 'OPEN', $2::timestamptz - interval '4 days', 2000,
       CASE WHEN c.number % 60 = 0 THEN 300 ELSE 0 END FROM cases c WHERE c.number % 20 = 0 AND c.state = 'ACTIVE';
UPDATE cases SET state = 'PROMISED' WHERE number % 20 = 0 AND state = 'ACTIVE';
DELETE FROM queue_marks;
"""
READ = (
    "SELECT c.*, p.* FROM cases c JOIN persons p ON p.id = c.person_id WHERE c.closed_at IS NULL",
    "SELECT l.* FROM loans l JOIN cases c USING (person_id) WHERE c.closed_at IS NULL",
    "SELECT n.* FROM contact_points n JOIN cases c USING (person_id) WHERE c.closed_at IS NULL",
    "SELECT f.* FROM person_flags f JOIN cases c USING (person_id) WHERE c.closed_at IS NULL",
    "SELECT r.* FROM promises r WHERE state IN ('OPEN', 'PARTIAL')",
    "SELECT t.* FROM tasks t WHERE state = 'OPEN'",
)
NOT_ITS_WORK = {"queue_marks", "night_steps", "night_chunks", "portfolio_nights", "audit_log", "alembic_version"}


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


async def script(link: asyncpg.Connection, words: str, *given: Any) -> None:
    for one in filter(str.strip, words.split(";\n")):
        used = [value for n, value in enumerate(given, 1) if f"${n}" in one]
        for n in range(len(given), 0, -1):
            if f"${n}" in one and n > len(used):
                one = one.replace(f"${n}", f"${len(used)}")  # noqa: PLW2901
        await link.execute(one, *used)


async def written(link: asyncpg.Connection) -> dict[str, tuple[int, int, int]]:
    await asyncio.sleep(1.5)  # the server's counters come with some delay
    query = "SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables"
    return {row[0]: (row[1], row[2], row[3]) for row in await link.fetch(query)}


async def floor(
    link: asyncpg.Connection, work: dict[str, tuple[int, int]], settings: Settings
) -> tuple[float, float]:  # fmt: skip
    for table, (inserted, _) in work.items():
        await link.execute(f"CREATE TABLE floor_{table} (LIKE {table} INCLUDING ALL)")
        await link.execute(
            f"CREATE TEMP TABLE later_{table} AS SELECT * FROM {table} ORDER BY ctid DESC LIMIT {inserted}"  # noqa: S608
        )
        rest = f"SELECT * FROM {table} ORDER BY ctid LIMIT (SELECT greatest(0, count(*) - {inserted}) FROM {table})"  # noqa: S608
        await link.execute(f"INSERT INTO floor_{table} OVERRIDING SYSTEM VALUE {rest}")
        await link.execute(f"ANALYZE floor_{table}")
    began, server, python = time.monotonic(), cpu.of_server(settings), time.process_time()
    async with link.transaction():
        for query in READ:
            async for _ in link.cursor(query, prefetch=5000):
                pass
        for table, (inserted, updated) in work.items():
            if inserted:
                await link.execute(f"INSERT INTO floor_{table} OVERRIDING SYSTEM VALUE SELECT * FROM later_{table}")  # noqa: S608
            if updated:
                key = "id" if table not in {"not_callable"} else "case_id"
                few = f"SELECT {key} FROM floor_{table} LIMIT {updated}"  # noqa: S608
                await link.execute(f"UPDATE floor_{table} SET {key} = {key} WHERE {key} IN ({few})")  # noqa: S608
    took = cpu.of_server(settings) - server + time.process_time() - python
    return time.monotonic() - began, took


def night(settings: Settings, day: datetime) -> dict[str, Any]:
    server = cpu.of_server(settings)
    env = child_environment(settings)
    argv = [sys.executable, "-m", "backoffice_core", "nightly", "--date", str(day.date()), "--json"]
    out = settings.data / "night.json"
    began = time.monotonic()
    with out.open("wb") as said:
        child = os.posix_spawn(argv[0], argv, env, file_actions=[(os.POSIX_SPAWN_DUP2, said.fileno(), 1)])
        _, status, usage = os.wait4(child, 0)
    if status != 0:
        raise RuntimeError(f"the night ended with {status}: {out.read_text()}")
    report = json.loads(out.read_text().strip().splitlines()[-1])
    steps = {one["step"]: round(one["seconds"], 2) for one in report["steps"]}
    wall = round(time.monotonic() - began, 2)
    python_s = usage.ru_utime + usage.ru_stime
    return {
        "seconds": sum(steps.values()), "wall": wall, "peak_mb": usage.ru_maxrss / 1024, "steps": steps,
        "python_s": round(python_s, 2), "cpu_s": round(python_s + cpu.of_server(settings) - server, 2),
    }  # fmt: skip


async def prepare(settings: Settings) -> None:
    database = Database(settings, name="bench")
    async with database.begin() as session:
        await compliance.load_rules(session, "bench")
        await compliance.seed_calendar(session, [load_clock(settings).today().year])
        code, title, content = strategy.read_file(strategy.DEFAULT)
        now = load_clock(settings).now()
        one = await strategy.draft(session, code, content, who="user:1", at=now, title=title)
        await strategy.submit(session, code, one.version, who="user:1", at=now)
        today = load_clock(settings).today()
        await strategy.approve(session, code, one.version, who="user:2", at=now, today=today, live_from=today)
    await database.close()


async def run(settings: Settings, loans: int) -> dict[str, Any]:
    await prepare(settings)
    now = load_clock(settings).now()
    tomorrow = now + timedelta(days=1)
    link = await asyncpg.connect(host=str(settings.run_dir), user=postgres_part.USER, database=postgres_part.DATABASE)
    try:
        await script(link, FILL, loans, now - timedelta(hours=4))
        await link.execute("VACUUM ANALYZE")
        first = await asyncio.to_thread(night, settings, now)
        await script(link, DAY, tomorrow.date(), now - timedelta(hours=1))
        await link.execute("VACUUM ANALYZE")
        before = await written(link)
        second = await asyncio.to_thread(night, settings, tomorrow)
        after = await written(link)
        work = {
            table: (after[table][0] - before.get(table, (0, 0, 0))[0], after[table][1] - before.get(table, (0, 0, 0))[1])
            for table in sorted(after) if table not in NOT_ITS_WORK and after[table][:2] != before.get(table, (0, 0, 0))[:2]
        }  # fmt: skip
        floor_s, floor_cpu_s = await floor(link, work, settings)
        cases = await link.fetchval("SELECT count(*) FROM cases WHERE closed_at IS NULL")
    finally:
        await link.close()
    return {
        "loans": loans, "night_s": round(second["seconds"], 2), "floor_s": round(floor_s, 2),
        "peak_mb": round(second["peak_mb"], 1),
        "times_floor": round(second["seconds"] / floor_s, 2), "cases": cases, "first_night_s": round(first["seconds"], 2),
        "cpu_s": second["cpu_s"], "floor_cpu_s": round(floor_cpu_s, 2), "python_s": second["python_s"],
        "cpu_times_floor": round(second["cpu_s"] / floor_cpu_s, 2), "steps": second["steps"],
        "command_s": second["wall"], "rows": work,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.night", description=__doc__)
    parser.add_argument("--loans", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-night-", ignore_cleanup_errors=True) as said:
        folder = Path(said)
        folder.chmod(0o755)
        settings = fresh_settings(folder / "house")
        with running(postgres_part.part(settings), settings.data / "log" / "postgres.log"):
            migrate(settings)
            found = asyncio.run(run(settings, options.loans))
    say(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    slow = found["times_floor"] > GOAL_TIMES or found["night_s"] > GOAL_S
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
