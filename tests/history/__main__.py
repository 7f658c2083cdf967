"""Days of a bank with known truth through the night, killed at random and resumed; figures beside the truth.

`python -m tests.history [--days 90] [--loans 2000] [--seed 1] [--kills 20] [--json FILE]`

The same history goes through two databases: once with KILLS kills (SIGKILL) of the process that runs the nights, once
without. Each morning the bank's list comes, then the night runs; by day the first CALLS of the night's queue are called,
promises are made and payments posted. `state_hash`: SHA-256 over stages, balances, promises and tasks by natural keys.
"""

import argparse
import asyncio
import csv
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

import asyncpg
from sqlalchemy import select, text, update

from backoffice_core import money_in
from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.calls import kpi
from backoffice_core.call_centre.models import CallAttempt, CallTask
from backoffice_core.collection import service as collection
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.loans.payments import PaymentRow
from backoffice_core.loans.portfolio import import_file
from backoffice_core.migrations import migrate
from backoffice_core.parts import postgres as postgres_part
from far_end.portfolio import COLUMNS
from tests.conftest import child_environment, fresh_settings, running
from tests.history.world import World, moments

KYIV = ZoneInfo("Europe/Kyiv")
FIRST = date(2027, 1, 11)  # a Monday
CALLS = 60
STATE = (
    "SELECT 'case', p.external_ref, c.episode, c.state, c.stage, c.bucket, c.closed_at IS NULL FROM cases c JOIN persons p ON"
    " p.id = c.person_id",
    "SELECT 'stage', p.external_ref, m.kind, m.before, m.after, m.as_at, m.why, m.days_past_due, m.version FROM stage_moves m"
    " JOIN cases c ON c.id = m.case_id JOIN persons p ON p.id = c.person_id",
    "SELECT 'loan', contract_no, balance, overdue_principal, overdue_interest, days_past_due, paid_since FROM loans",
    "SELECT 'fact', l.contract_no, b.as_at, b.balance, b.overdue_principal, b.days_past_due FROM loan_balances b"
    " JOIN loans l ON l.id = b.loan_id",
    "SELECT 'payment', external_ref, amount, principal, interest, paid_at FROM payments",
    "SELECT 'promise', p.external_ref, r.amount, r.due_date, r.state, r.matched FROM promises r JOIN cases c ON"
    " c.id = r.case_id JOIN persons p ON p.id = c.person_id",
    "SELECT 'task', p.external_ref, t.kind, t.state, t.control_date FROM tasks t JOIN cases c ON c.id = t.case_id"
    " JOIN persons p ON p.id = c.person_id",
    "SELECT 'call', p.external_ref, t.business_date, t.state FROM call_tasks t JOIN persons p ON p.id = t.person_id",
)


def say(words: str) -> None:
    sys.stderr.write(words + "\n")


class Nights:
    """The process that runs the nights, killed while it does."""

    def __init__(self, settings: Settings, kills: int, days: int, seed: int) -> None:
        dice = random.Random(f"kills|{seed}")
        self.settings, self.dice = settings, dice
        self.on = [dice.randrange(days) for _ in range(kills)]
        self.killed, self.child = 0, self._start()
        self.usual = 1.0  # seconds of a night, learned

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.history.night"], env=child_environment(self.settings), text=True,
            cwd=self.settings.data, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=(self.settings.data / "nights.log").open("a"),
        )  # fmt: skip

    def run(self, n: int, at: datetime) -> None:
        for _ in range(self.on.count(n)):
            self._ask(at)
            try:
                self.child.wait(self.dice.uniform(0.02, self.usual))
            except subprocess.TimeoutExpired:
                self.child.kill()
            self.child.wait()
            self.killed += 1
            self.child = self._start()  # the next kill may well find it still starting: a fair target, too
        began = time.monotonic()
        self._ask(at)
        assert self.child.stdout is not None
        if self.child.stdout.readline() != "done\n":
            raise RuntimeError((self.settings.data / "nights.log").read_text()[-3000:])
        self.usual = min(5.0, time.monotonic() - began)

    def _ask(self, at: datetime) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(at.isoformat() + "\n")
        self.child.stdin.flush()

    def close(self) -> None:
        assert self.child.stdin is not None
        self.child.stdin.close()
        self.child.wait()


class History:
    def __init__(self, settings: Settings, loans: int, days: int, seed: int, kills: int) -> None:
        self.settings, self.days = settings, days
        self.world = World(loans, seed, FIRST)
        self.database = Database(settings, pool=2, name="history")
        self.nights = Nights(settings, kills, days, seed)
        self.paid = 0

    async def run(self) -> None:
        async with self.database.begin() as s:
            await compliance.load_rules(s, "history")
            await compliance.seed_calendar(s, (FIRST.year, FIRST.year + 1))
        for n in range(self.days):
            day = FIRST + timedelta(days=n)
            await self._list(day)
            await asyncio.to_thread(self.nights.run, n, _at(day, 3))
            if n < self.days - 1:  # the last morning is counted, its day is not lived
                await self._calls(day)
                await self._payments(day)
                self.world.evening(day)
            if n % 10 == 9:
                say(f"day {n + 1} of {self.days}, {self.nights.killed} kills")
        self.nights.close()

    async def _list(self, day: date) -> None:
        file = self.settings.data / "list.csv"
        with file.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, COLUMNS, delimiter=";", restval="")
            writer.writeheader()
            for loan, overdue, days in self.world.morning(day):
                balance = overdue + sum((left for due, left in loan.unpaid if due >= day), loan.rest)
                writer.writerow({
                    "person_ref": f"W{loan.person}", "last_name": "Коваль", "first_name": "Олена", "jurisdiction": "UA",
                    "region": "Львівська", "place": "Львів", "phones": f"+38067{1_000_000 + loan.person:07d}:self",
                    "contract_no": f"L{loan.n}", "currency": "UAH", "balance": balance, "overdue_principal": overdue,
                    "days_past_due": days, "as_at": _at(day, 2).isoformat(),
                })  # fmt: skip
        async with self.database.begin() as s:
            await import_file(s, file, at=_at(day, 2.5), zone=KYIV, demo=True)

    async def _calls(self, day: date) -> None:
        at = _at(day, 11)
        query = (
            select(CallTask, Person.external_ref, ContactPoint.value)
            .join(Person, Person.id == CallTask.person_id)
            .join(ContactPoint, ContactPoint.id == CallTask.contact_point_id)
            .where(CallTask.business_date == day, CallTask.state == "ELIGIBLE")
            .order_by(Person.external_ref)
        )
        async with self.database.begin() as s:
            found = list(await s.execute(query))
            dice = random.Random(f"{self.world.seed}|{day}")
            for task, ref, number in dice.sample(found, min(CALLS, len(found))):
                result, outcome, amount, due = self.world.call(int(ref[1:]), day)
                call_id = uuid5(NAMESPACE_URL, f"{ref}|{day}")
                s.add(
                    CallAttempt(
                        id=call_id, task_id=task.id, case_id=task.case_id, person_id=task.person_id, number=number,
                        contact_point_id=task.contact_point_id, campaign="collection", purpose="collection", trunk="world",
                        caller_id="", language="uk", fence=1, state="ENDED", business_at=at, claimed_at=at, ended_at=at,
                        answered_at=at if outcome else None, result=result, outcome=outcome or None,
                    )
                )  # fmt: skip
                await s.execute(
                    update(CallTask).where(CallTask.id == task.id).values(state="DONE", attempts=1, fence=1)
                )
                if due is not None:
                    await collection.make_promise(
                        s, task.case_id, amount=amount, currency="UAH", due_date=due, at=at, call_id=call_id,
                        grace_days=World.GRACE,
                    )  # fmt: skip

    async def _payments(self, day: date) -> None:
        rows = []
        for loan, amount in self.world.payments(day):
            self.paid += 1
            rows.append(
                PaymentRow(external_ref=f"W-{self.paid}", contract_no=f"L{loan.n}", paid_at=_at(day, 12), amount=amount)
            )
        async with self.database.begin() as s:
            done = await money_in.take(s, rows, self.settings, at=_at(day, 12), today=day, zone=KYIV, by="world")
            if done.posted.refused:
                raise RuntimeError(str(done.posted.refused[:3]))

    async def figures(self) -> dict[str, Any]:
        last = FIRST + timedelta(days=self.days - 1)
        async with self.database.begin() as s:
            found = await kpi.calls(s, _at(FIRST, 0), _at(last, 0))
            found |= await kpi.promises(s, FIRST, last)
            found |= await kpi.rolls(s, [_at(day, 3) for day in moments(FIRST, last)], last)
        return {name: {"value": _share(one.of, one.n), "n": one.n} for name, one in sorted(found.items())}

    async def state_hash(self) -> str:
        rows: list[str] = []
        async with self.database.begin() as s:
            for query in STATE:
                rows += sorted(json.dumps(list(row), default=str) for row in await s.execute(text(query)))
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def _share(of: int, n: int) -> float | None:
    return round(of / n, 6) if n else None


def _at(day: date, hour: float) -> datetime:
    return datetime.combine(day, datetime.min.time(), KYIV) + timedelta(hours=hour)


async def _database(settings: Settings, name: str) -> Settings:
    admin = await asyncpg.connect(host=str(settings.run_dir), user=postgres_part.USER, database="postgres")
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_part.DATABASE}")
    await admin.close()
    url = f"postgresql+asyncpg://{postgres_part.USER}@/{name}?host={settings.run_dir}"
    return settings.model_copy(update={"database_url": url})


async def both(settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(options, name) for name in ("days", "loans", "seed")}
    for name, kills in (("killed", options.kills), ("unkilled", 0)):
        began = time.monotonic()
        one = History(await _database(settings, name), options.loans, options.days, options.seed, kills)
        await one.run()
        said = await one.state_hash()
        if kills or not options.kills:
            last = FIRST + timedelta(days=options.days - 1)
            truth = one.world.truth(last)
            found |= {"kills": one.nights.killed, "kpi": await one.figures(), "state_hash": said}
            found["truth"] = {key: {"value": _share(of, n), "n": n} for key, (of, n) in sorted(truth.items())}
        if not kills:
            found["state_hash_unkilled"] = said
        found[f"{name}_s"] = round(time.monotonic() - began, 1)
        await one.database.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.history", description=__doc__)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--loans", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="history-", ignore_cleanup_errors=True) as said:
        folder = Path(said)
        folder.chmod(0o755)
        settings = fresh_settings(folder / "house")
        with running(postgres_part.part(settings, fast=True), settings.data / "log" / "postgres.log"):
            migrate(settings)
            found = asyncio.run(both(settings, options))
    found["same"] = {
        "state": found["state_hash"] == found["state_hash_unkilled"],
        "kpi": found["kpi"] == found["truth"],
    }
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0 if all(found["same"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
