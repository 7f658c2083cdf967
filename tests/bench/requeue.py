"""The queue judged anew: one case after a fact, and all of 10,000 and of 100,000 after a rule and after a list.

`python -m tests.bench.requeue [--json FILE] [--cases N,N]`

The floor, in the same run and database: bare SQL that fetches the very rows that a judgement reads, in the same parts,
and writes back as many tasks as it writes, with no rule and nothing decided. `python_cpu_s`, `server_cpu_s`: of the CPU, for a
machine that others use as well.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import uvloop
from sqlalchemy import text

from backoffice_core.call_centre.queueing import queue, requeue
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.migrations import migrate
from backoffice_core.parts import postgres as postgres_part
from backoffice_core.program import JUDGES, calm_collector
from tests.bench import cpu
from tests.conftest import fresh_settings, running

KYIV = ZoneInfo("Europe/Kyiv")
NOW = datetime(2027, 2, 3, 11, tzinfo=KYIV)  # a Wednesday
TODAY = NOW.date()
GOAL_S, GOAL_ONE_MS = 10.0, 200.0
SINGLE = 40

# Of every hundred borrowers 20 live in Kazakhstan, 3 are protected, 5 have promised, 4 have a task; each was contacted
# twice in the last three weeks, every tenth twice today, and missed once or twice on his first number.
FILL = """
INSERT INTO persons (id, external_ref, last_name, first_name, middle_name, tax_id, code_word, language, jurisdiction,
                     region, place, time_zone, demo, created_at)
SELECT gen_random_uuid(), 'B' || n, 'Коваль', 'Олена', '', '', '', 'uk', CASE WHEN n % 5 = 0 THEN 'KZ' ELSE 'UA' END, '', '',
       CASE WHEN n % 5 = 0 THEN 'Asia/Almaty' ELSE 'Europe/Kyiv' END, true, {now} FROM generate_series(1, :n) n;
INSERT INTO contact_points (id, person_id, kind, value, original, owner_kind, owner_guessed, extension, number_type, rank,
                            state, state_reason)
SELECT gen_random_uuid(), p.id, 'phone', '+380' || (670000000 + 2 * substr(p.external_ref, 2)::int + r), '', 'self', false, '',
       'mobile', r, CASE WHEN (substr(p.external_ref, 2)::int + r) % 17 = 0 THEN 'DEAD' ELSE 'UNVERIFIED' END, ''
FROM persons p CROSS JOIN generate_series(0, 1) r;
INSERT INTO loans (id, person_id, contract_no, portfolio, product, branch, currency, balance, overdue_principal,
                   overdue_interest, overdue_penalty, days_past_due, as_at, demo, source, missing_note)
SELECT gen_random_uuid(), p.id, 'C' || p.external_ref, 'main', '', '', 'UAH', 50000,
       1000 + substr(p.external_ref, 2)::int % 9000, 10, 0, 1 + substr(p.external_ref, 2)::int % 200, {now}, true, 'core', ''
FROM persons p;
INSERT INTO cases (id, person_id, state, stage, hold_reason, opened_at)
SELECT gen_random_uuid(), p.id, 'ACTIVE', 1, '', {now} - interval '20 days' FROM persons p ORDER BY p.id;
INSERT INTO person_flags (id, person_id, flag, valid_from, evidence, source)
SELECT gen_random_uuid(), p.id, 'protected_military', '2026-12-01', 'x', 'import' FROM persons p
WHERE substr(p.external_ref, 2)::int % 33 = 0;
INSERT INTO promises (id, case_id, amount, currency, due_date, grace_days, state, made_at)
SELECT gen_random_uuid(), c.id, 100, 'UAH', '2027-02-06', 1, 'OPEN', {now} FROM cases c WHERE c.number % 20 = 0;
INSERT INTO tasks (id, case_id, kind, state, control_date, dedupe_key, data, created_at, earliest_at)
SELECT gen_random_uuid(), c.id, (ARRAY['FOLLOW_UP','CALLBACK','DISPUTE'])[1 + c.number / 25 % 3], 'OPEN', '2027-02-03', '', '{}',
       {now}, CASE WHEN c.number / 25 % 3 = 1 THEN timestamptz '2027-02-03 15:00+02' END FROM cases c WHERE c.number % 25 = 0;
INSERT INTO contact_ledger (id, person_id, number, channel, actor, purpose, direction, at, state, conversation, delivered,
                            machine_message, abandoned, uncertain, exceptions)
SELECT gen_random_uuid(), p.id, '', 'call', 'dialer', 'collection', 'outbound',
       CASE WHEN substr(p.external_ref, 2)::int % 10 = 0 THEN {now} - interval '2 hours' * r
            ELSE {now} - interval '1 day' * (r * 7 - substr(p.external_ref, 2)::int % 6) END,
       'COMMITTED', substr(p.external_ref, 2)::int % 4 < 2, false, false, false, false, '[]'
FROM persons p CROSS JOIN generate_series(1, 2) r;
INSERT INTO call_attempts (id, case_id, person_id, contact_point_id, direction, channel_id, candidates, number, campaign, purpose,
                           trunk, caller_id, language, fence, legs, state, business_at, claimed_at, ended_at, recording,
                           estimated, abandoned, cancelled, cancelled_why, message_played, identity_matches,
                           identity_misses, note, problem, notice, notice_rule, notice_language)
SELECT gen_random_uuid(), c.id, c.person_id, n.id, 'out', '', 1, n.value, 'collection', 'collection', 't', '', 'uk', 0,
       1, 'ENDED', {now} - interval '3 days', now(), now(), '', false, false, '', '', false, '{}', 0, '', '', '', '', ''
FROM cases c JOIN contact_points n ON n.person_id = c.person_id AND n.rank = 0 WHERE c.number % 2 = 0;
"""
READS = (
    "SELECT c.*, p.* FROM cases c JOIN persons p ON p.id = c.person_id WHERE c.id = ANY($1)",
    "SELECT * FROM contact_points WHERE person_id = ANY(SELECT person_id FROM cases WHERE id = ANY($1))",
    "SELECT * FROM loans WHERE person_id = ANY(SELECT person_id FROM cases WHERE id = ANY($1))",
    "SELECT * FROM person_flags WHERE person_id = ANY(SELECT person_id FROM cases WHERE id = ANY($1))",
    "SELECT * FROM promises WHERE case_id = ANY($1)",
    "SELECT * FROM tasks WHERE case_id = ANY($1)",
    "SELECT * FROM contact_ledger WHERE person_id = ANY(SELECT person_id FROM cases WHERE id = ANY($1))",
    "SELECT contact_point_id, count(*) FROM call_attempts WHERE case_id = ANY($1) GROUP BY 1",
    "SELECT * FROM call_tasks WHERE business_date = '2027-02-03' AND case_id = ANY($1)",
    "SELECT * FROM not_callable WHERE business_date = '2027-02-03' AND case_id = ANY($1)",
)

WRITE = """UPDATE call_tasks SET earliest_at = coalesce(earliest_at, now()) + interval '1 minute'
           WHERE business_date = '2027-02-03' AND case_id = ANY($1)"""


def say(said: str) -> None:
    sys.stdout.write(said + "\n")
    sys.stdout.flush()


async def fill(database: Database, cases: int) -> None:
    async with database.begin() as s:
        await compliance.load_rules(s, "bench")
        await compliance.seed_calendar(s, (2026, 2027))
        for statement in FILL.split(";\n"):
            if statement.strip():
                statement = statement.replace("{now}", f"timestamptz '{NOW.isoformat()}'")  # noqa: PLW2901
                await s.execute(text(statement), {"n": cases} if ":n)" in statement else {})
    async with database.engine.connect() as link:
        await (await link.execution_options(isolation_level="AUTOCOMMIT")).execute(text("VACUUM ANALYZE"))


async def step(database: Database, settings: Settings, share: int | None = None) -> requeue.Requeued | None:
    async with database.begin() as s:
        return await requeue.rejudge(s, settings, now=NOW, today=TODAY, zone=KYIV, share=share)


async def drained(database: Database, settings: Settings) -> dict[str, Any]:
    """Judges until no mark is left, as the worker does: seconds, how many were judged and changed, the longest transaction."""
    began, python, server = time.monotonic(), time.process_time(), cpu.of_server(settings)
    longest, judged, changed = 0.0, 0, 0

    async def one_share(share: int) -> None:
        nonlocal longest, judged, changed
        done = None
        while done is None or done.left:
            at = time.monotonic()
            done = await step(database, settings, share)
            longest = max(longest, time.monotonic() - at)
            if done is None or not done.judged:
                return
            judged, changed = judged + done.judged, changed + done.changed

    await step(database, settings)  # a mark of everybody becomes one of each
    await asyncio.gather(*map(one_share, range(queue.SHARES)))
    return {
        "seconds": round(time.monotonic() - began, 2), "python_cpu_s": round(time.process_time() - python, 2),
        "server_cpu_s": round(cpu.of_server(settings) - server, 2),
        "judged": judged, "changed": changed, "longest_step_ms": round(longest * 1000),
    }  # fmt: skip


async def floor(database: Database, changed: int) -> float:
    """As many connections, parts as large."""
    began = time.monotonic()
    async with database.engine.connect() as pooled:
        link = (await pooled.get_raw_connection()).driver_connection
        assert link is not None
        every = [row[0] for row in await link.fetch("SELECT id FROM cases ORDER BY number")]
    parts = [every[start : start + queue.AT_ONCE] for start in range(0, len(every), queue.AT_ONCE)]
    writing = -(-changed // queue.AT_ONCE)
    shares = (_one_share(database, list(enumerate(parts))[n :: queue.SHARES], writing) for n in range(queue.SHARES))
    await asyncio.gather(*shares)
    return round(time.monotonic() - began, 2)


async def _one_share(database: Database, parts: list[tuple[int, list[Any]]], writing: int) -> None:
    async with database.engine.connect() as pooled:
        link = (await pooled.get_raw_connection()).driver_connection
        assert link is not None
        for n, part in parts:
            async with link.transaction():
                for query in READS:
                    await link.fetch(query, part)
                if n < writing:
                    await link.execute(WRITE, part)


async def singles(database: Database, settings: Settings) -> dict[str, float]:
    """Milliseconds of the one transaction after each of some payments."""
    took = []
    for n in range(SINGLE):
        async with database.begin() as s:
            await s.execute(
                text("UPDATE loans SET overdue_principal = overdue_principal / 2 WHERE contract_no = :c"),
                {"c": f"CB{7 + n}"},
            )
        at = time.monotonic()
        done = await step(database, settings)
        took.append((time.monotonic() - at) * 1000)
        assert done is not None
        assert done.judged == 1
    took.sort()
    return {
        "p50_ms": round(took[len(took) // 2], 1),
        "p95_ms": round(took[int(len(took) * 0.95)], 1),
        "max_ms": round(took[-1], 1),
    }


async def run(settings: Settings, cases: int) -> dict[str, Any]:
    database = Database(settings, pool=2, name="bench")
    try:
        await fill(database, cases)
        at = time.monotonic()
        async with database.begin() as s:
            counts = await queue.build_queue(s, TODAY, now=NOW, settings=settings, zone=KYIV)
        found: dict[str, Any] = {
            "cases": cases,
            "night": {"seconds": round(time.monotonic() - at, 2), "counts": counts},
        }
        found["single"] = await singles(database, settings)
        async with database.begin() as s:
            (row,) = (await s.scalars(text("SELECT row FROM compliance_rules WHERE rule_id = 'UA-TIME'"))).all()
            await compliance.load_rules(s, "bench", [row | {"params": row["params"] | {"from": "12:00"}}])
        found["rule"] = await drained(database, settings)
        at = time.monotonic()
        async with database.begin() as s:
            await s.execute(text("UPDATE loans SET overdue_principal = overdue_principal + 1"))
        found["list_marks_s"] = round(time.monotonic() - at, 2)
        found["list"] = await drained(database, settings)
        found["floor_s"] = await floor(database, found["rule"]["changed"])
        found["rule_times_floor"] = round(found["rule"]["seconds"] / found["floor_s"], 1)
    finally:
        await database.close()
    say(json.dumps(found, ensure_ascii=False))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.requeue", description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cases", default="10000,100000")
    options = parser.parse_args()
    found = {}
    calm_collector(JUDGES)  # as the worker does
    for cases in map(int, options.cases.split(",")):
        with tempfile.TemporaryDirectory(prefix="bench-requeue-", ignore_cleanup_errors=True) as said:
            folder = Path(said)
            folder.chmod(0o755)
            settings = fresh_settings(folder / "house")
            with running(postgres_part.part(settings), settings.data / "log" / "postgres.log"):
                migrate(settings)
                found[cases] = uvloop.run(run(settings, cases))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    last = found[max(found)]
    return 0 if last["rule"]["seconds"] <= GOAL_S and last["single"]["p95_ms"] <= GOAL_ONE_MS else 1


if __name__ == "__main__":
    sys.exit(main())
