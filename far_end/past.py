"""Thirty days before the demo opens: lists, nights, calls, messages, promises and payments, so that its reports and its proof
have something to say on the first look. By the product's own functions; the deeds are thrown with dice, the calls invented
(past_talks.py).

The strategy that is shipped governs from the first day, with a challenger, approved by a second person. The last list, which the
demo imports as today's, knows what was paid meanwhile.
"""

import csv
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select

from backoffice_core import money_in
from backoffice_core.borrowers.models import Person
from backoffice_core.cases import tasks
from backoffice_core.cases.models import Case, Task
from backoffice_core.clock import Clock
from backoffice_core.collection import service as collection
from backoffice_core.compliance import elsewhere
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.loans.payments import PaymentRow
from backoffice_core.loans.portfolio import import_file
from backoffice_core.nightly import STEPS, Night
from backoffice_core.staff.models import User
from backoffice_core.strategy import service as strategies
from backoffice_core.strategy.models import StepDue, StrategyVersion
from far_end.past_talks import Talks
from far_end.portfolio import COLUMNS

BACK = (30, 24, 18, 12, 6, 1)  # days before today on which a night is lived; a night makes up for seven days
LEFT_OUT = frozenset({"learn_chances", "build_queue"})  # its calls are those of past_talks
GATEWAYS = {
    "SMS": ("sms-gateway", "sms"),
    "LETTER": ("post", "letter"),
}  # kind of step: source of contacts, its channel
PROMISES, PAYERS = 12, 6  # a night: people who promise, who pay unasked
CLOSED = 0.7  # of the open tasks, a night
ACTS = 3  # cases that go to others
ARMS = [{"code": "champion", "share": 60}, {"code": "challenger", "share": 40}]
SOONER = {
    "key": "c1",
    "stage": 1,
    "day": 5,
    "kind": "SMS",
    "within": 1,
    "arm": "challenger",
    "note": "Друге нагадування",
}
OVERDUE = ("overdue_principal", "overdue_interest", "overdue_penalty")
Told = Callable[[str], AbstractContextManager[None]]


@dataclass
class Past:
    """`rows`: today's list, as it will be imported. `paid`: by contract, all that was overdue."""

    settings: Settings
    database: Database
    clock: Clock
    file: Path
    people: list[User]
    dice: random.Random
    rows: list[dict[str, str]] = field(default_factory=list)
    paid: dict[str, Decimal] = field(default_factory=dict)
    talks: Talks = field(init=False)

    def __post_init__(self) -> None:
        self.talks = Talks(self.people, self.dice, self.clock.zone, self.clock.offset)

    async def live(self, told: Told) -> None:
        """Raises whatever the product raises."""
        with self.file.open(encoding="utf-8", newline="") as source:
            self.rows = list(csv.DictReader(source, delimiter=";"))
        days = [self.clock.today() - timedelta(days=back) for back in BACK]
        with told("a strategy with a challenger, approved by a second person"):
            await self._strategy(days[0])
        for n, day in enumerate(days, 1):
            with told(f"the past: list, night and deeds of {day} ({n} of {len(days)})"):
                await self._day(day, ([*days, self.clock.today()])[n])
        async with self.database.begin() as s:
            self.talks.desks(s)
        self._write(0, self.file)

    # --- lists ---------------------------------------------------------------------------------------------------

    def _list(self, back: int) -> Iterator[dict[str, str]]:
        as_at = self._at(self.clock.today() - timedelta(days=back), 6)
        for row in self.rows:
            then = dict(row) | ({"as_at": as_at.isoformat()} if back else {})
            gone = self.paid.get(row["contract_no"], Decimal(0))
            late = 0 if gone else max(0, int(row["days_past_due"]) - back)
            if not late:
                then |= dict.fromkeys(OVERDUE, "0.00") | {"days_past_due": "0"}
            yield then | {"days_past_due": str(late), "balance": str(Decimal(row["balance"]) - gone)}

    def _write(self, back: int, file: Path) -> None:
        part = file.with_name(file.name + ".part")
        with part.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, COLUMNS, delimiter=";", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._list(back))
        part.replace(file)

    def _at(self, day: date, hour: int) -> datetime:
        return datetime.combine(day, time(hour), self.clock.zone)

    def _clock(self, at: datetime) -> Clock:
        return Clock(self.settings.bank_time_zone, at - Clock.wall())

    # --- days ----------------------------------------------------------------------------------------------------

    async def _strategy(self, day: date) -> None:
        code, title, content = strategies.read_file(strategies.DEFAULT)
        content |= {"arms": ARMS, "steps": [*content["steps"], SOONER]}
        at, approves = self._at(day, 2), f"user:{self.people[-1].id}"
        async with self.database.begin() as s:
            one = await strategies.draft(s, code, content, who="os:demo", at=at, title=title)
            await strategies.submit(s, code, one.version, who="os:demo", at=at)
            await strategies.approve(s, code, one.version, who=approves, at=at, today=day, live_from=day)
            for source, channel in GATEWAYS.values():
                await elsewhere.set_source(s, source, channel=channel, every_minutes=0, now=at, by="demo")

    async def _day(self, day: date, following: date) -> None:
        back = (self.clock.today() - day).days
        listed = self.file.with_name("past.csv")
        self._write(back, listed)
        async with self.database.begin() as s:
            await import_file(s, listed, at=self._at(day, 6), zone=self.clock.zone, by="demo", demo=True)
        listed.unlink()
        clock = self._clock(self._at(day, 7))
        for name, step in STEPS:
            if name not in LEFT_OUT:
                async with self.database.begin() as s:
                    await step(s, Night(day, clock.now(), clock, self.settings, lambda done, total: None))
        await self._contacts(day)
        async with self.database.begin() as s:
            await self.talks.call(s, day, following)
        await self._work(day)
        await self._money(day)
        async with self.database.begin() as s:
            await self.talks.complained(s, self._at(day, 17))
            if following == self.clock.today():
                await self.talks.acted(s, day, self._at(day, 12), ACTS)

    async def _contacts(self, day: date) -> None:
        """What the bank's own gateway and post office have sent of what was due, each within its days."""
        at = self._at(day, 11)
        for kind, (name, _) in GATEWAYS.items():
            async with self.database.begin() as s:
                waits = select(StepDue.id, Person.external_ref, StepDue.due_date).join(
                    Person, Person.id == StepDue.person_id
                )
                waits = waits.where(StepDue.kind == kind, StepDue.done_on.is_(None), StepDue.skipped_on.is_(None))
                due = [row for row in await s.execute(waits.order_by(StepDue.id)) if self.dice.random() < 0.85]
                source = await elsewhere.find_source(s, name)
                rows = [
                    elsewhere.read_row(
                        {"external_id": str(key), "at": self._at(on, 11).isoformat(), "person_ref": ref, "result": "delivered"},
                        source, country=self.settings.jurisdiction, zone=self.clock.zone, now=at + timedelta(hours=1),
                    )
                    for key, ref, on in due
                ]  # fmt: skip
                await elsewhere.feed(s, source, rows, who="os:demo", covered_to=at)

    async def _work(self, day: date) -> None:
        at = self._at(day, 15)
        async with self.database.begin() as s:
            waits = select(Task.id).where(
                Task.state == "OPEN", Task.kind.in_(("CALL", "VISIT", "SPECIALIST", "HAND_OVER"))
            )
            found = list(await s.scalars(waits.order_by(Task.control_date, Task.id)))
            for task in self.dice.sample(found, int(CLOSED * len(found))):
                who = tasks.Actor(self.dice.choice(self.people).id, "", any_task=True)
                await tasks.close(s, task, who, result=self.dice.choice(("DONE", "DONE", "NOT_REACHED")), at=at)

    async def _money(self, day: date) -> None:
        """Promises; half of them are kept within their days; others pay unasked."""
        overdue = {
            row["contract_no"]: sum((Decimal(row[name]) for name in OVERDUE), Decimal(0))
            for row in self._list((self.clock.today() - day).days) if row["days_past_due"] != "0"
        }  # fmt: skip
        by_person: dict[str, list[dict[str, str]]] = {}
        for row in self.rows:
            if row["contract_no"] in overdue:
                by_person.setdefault(row["person_ref"], []).append(row)
        alone = sorted(ref for ref, rows in by_person.items() if len(rows) == 1)
        chosen = self.dice.sample(alone, min(PROMISES + PAYERS, len(alone)))
        pay = chosen[PROMISES:]
        async with self.database.begin() as s:
            query = select(Person.external_ref, Case.id, Person.id).join(Case, Case.person_id == Person.id)
            cases = await s.execute(query.where(Case.state == "ACTIVE", Person.external_ref.in_(chosen[:PROMISES])))
            for n, (ref, case_id, person_id) in enumerate(sorted((a, b, c) for a, b, c in cases)):
                row = by_person[ref][0]
                call_id, by = await self.talks.promised(s, case_id, person_id, self._at(day, 14))
                await collection.make_promise(
                    s, case_id, amount=overdue[row["contract_no"]], currency=row["currency"], due_date=day + timedelta(days=5),
                    at=self._at(day, 14), by=by, call_id=call_id,
                )  # fmt: skip
                pay += [ref] if n % 2 else []
        rows = []
        for ref in pay:
            contract = by_person[ref][0]["contract_no"]
            self.paid[contract] = overdue[contract]
            rows.append(
                PaymentRow(external_ref=f"demo-{contract}", contract_no=contract, paid_at=self._at(day, 16),
                           amount=overdue[contract])
            )  # fmt: skip
        async with self.database.begin() as s:
            given: dict[str, Any] = {"at": self._at(day, 16), "today": day, "zone": self.clock.zone, "by": "demo"}
            await money_in.take(s, rows, self.settings, **given)


async def live_through(settings: Settings, database: Database, clock: Clock, file: Path, seed: int, told: Told) -> None:
    """Once for a database: a demo that goes on with its last one has its past."""
    async with database.begin() as s:
        if await s.scalar(select(StrategyVersion.id).limit(1)):
            return
        people = list(
            await s.scalars(select(User).where(User.robot.is_(False), User.role != "admin").order_by(User.login))
        )
    await Past(settings, database, clock, file, people, random.Random(f"past|{seed}")).live(told)
