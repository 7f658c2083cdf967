"""A small bank for tests: rules and holidays loaded, borrowers as rows of a portfolio file, days that pass."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.models import CallTask, NotCallable
from backoffice_core.cases.models import Case
from backoffice_core.clock import Clock
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.loans.portfolio import Imported, import_file
from backoffice_core.nightly import NightReport, run_night
from far_end.portfolio import COLUMNS

KYIV = ZoneInfo("Europe/Kyiv")
WEDNESDAY = date(2027, 2, 3)  # an ordinary week without holidays


class Bank:
    """`now` can be set; the clock of the night follows it."""

    def __init__(self, database: Database, settings: Settings, folder: Path) -> None:
        self.database, self.settings, self.folder = database, settings, folder
        self.now = datetime.combine(WEDNESDAY, datetime.min.time(), KYIV) + timedelta(hours=3)
        self.files = 0

    def at(self, day: date, hour: float = 3) -> None:
        """Moves the clock to this hour of this day in Kyiv."""
        self.now = datetime.combine(day, datetime.min.time(), KYIV) + timedelta(hours=hour)

    @property
    def clock(self) -> Clock:
        return Clock("Europe/Kyiv", self.now - Clock.wall())

    async def open(self) -> None:
        async with self.database.begin() as session:
            await compliance.load_rules(session, "test")
            await compliance.seed_calendar(session, (2026, 2027))

    async def file(self, *rows: dict[str, Any]) -> Imported:
        """Imports loans; what a row leaves out is that of an ordinary borrower, ten days late. `n` numbers him."""
        self.files += 1
        lines = [";".join(COLUMNS)]
        for row in rows:
            n = row.get("n", len(lines))
            good = dict.fromkeys(COLUMNS, "") | {
                "person_ref": f"P{n}", "last_name": "Коваль", "first_name": "Олена", "jurisdiction": "UA",
                "region": "Львівська", "place": "Львів", "phones": f"+38067{1_000_000 + n:07d}", "contract_no": f"C{n}",
                "currency": "UAH", "balance": "10000", "overdue_principal": "1000", "days_past_due": "10",
                "as_at": (self.now - timedelta(minutes=30)).isoformat(),
            }  # fmt: skip
            lines.append(";".join(str((good | row)[column]) for column in COLUMNS))
        file = self.folder / f"{self.files}.csv"
        file.write_text("\n".join(lines), encoding="utf-8")
        async with self.database.begin() as session:
            return await import_file(session, file, at=self.now, zone=KYIV, demo=True)

    async def night(self, **options: Any) -> NightReport:
        return await run_night(self.database, self.clock, self.settings, self.clock.today(), **options)

    async def case(self, n: int = 1) -> Case:
        """The newest case of borrower `n`."""
        query = select(Case).join(Person, Person.id == Case.person_id).where(Person.external_ref == f"P{n}")
        async with self.database.begin() as session:
            return (await session.scalars(query.order_by(Case.number.desc()).limit(1))).one()

    async def phone(self, n: int = 1) -> ContactPoint:
        query = select(ContactPoint).join(Person, Person.id == ContactPoint.person_id)
        async with self.database.begin() as session:
            found = await session.scalars(query.where(Person.external_ref == f"P{n}").order_by(ContactPoint.rank))
            return found.first()  # type: ignore[return-value]

    async def tasks(self) -> list[CallTask]:
        query = select(CallTask).where(CallTask.business_date == self.clock.today()).order_by(CallTask.position)
        async with self.database.begin() as session:
            return list(await session.scalars(query))

    async def reasons(self) -> dict[UUID, NotCallable]:
        query = select(NotCallable).where(NotCallable.business_date == self.clock.today())
        async with self.database.begin() as session:
            return {row.case_id: row for row in await session.scalars(query)}

    async def reason(self, n: int = 1) -> tuple[str, str | None, str]:
        """Reason, end (as Kyiv's hour) and rule of borrower `n`; fails when he is in the queue."""
        row = (await self.reasons())[(await self.case(n)).id]
        return row.reason, f"{row.until.astimezone(KYIV):%d %H:%M}" if row.until else None, row.rule
