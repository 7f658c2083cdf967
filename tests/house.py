"""Small builders of what a test needs to stand in the house: rules in force, a borrower with a task, an agent at a desk."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.models import AgentSession, CallTask
from backoffice_core.cases.models import Case
from backoffice_core.clock import Clock
from backoffice_core.compliance import service as compliance
from backoffice_core.db import new_key
from backoffice_core.loans.models import Loan
from backoffice_core.staff.models import User

_n = count(1)


@dataclass(frozen=True)
class Borrower:
    person: Person
    phone: ContactPoint
    case: Case
    loan: Loan
    task: CallTask


async def rules_in_force(s: AsyncSession, clock: Clock) -> None:
    await compliance.load_rules(s, "test")
    await compliance.seed_calendar(s, [clock.today().year, clock.today().year + 1])


async def borrower(
    s: AsyncSession, clock: Clock, *, number: str = "", position: int = 0, demo: bool = True
) -> Borrower:
    """A person 20 days past due with one phone, an active case and a call task for today."""
    n, now = next(_n), clock.now()
    person = Person(
        id=new_key(), external_ref=f"P-{n}", last_name="Коваленко", first_name="Олена", middle_name="Петрівна",
        birth_date=date(1985, 3, 14), tax_id=f"31{n:08}", code_word="Калина", jurisdiction="UA", region="Полтавська",
        place="Полтава", time_zone="Europe/Kyiv", demo=demo, created_at=now,
    )  # fmt: skip
    s.add(person)
    await s.flush()
    phone = ContactPoint(id=new_key(), person_id=person.id, value=number or f"+3806755{n:05}", number_type="mobile")
    case = Case(id=new_key(), person_id=person.id, state="ACTIVE", stage=1, opened_at=now - timedelta(days=10))
    loan = Loan(
        id=new_key(), person_id=person.id, contract_no=f"КД-{n}", balance=Decimal("10000.00"),
        overdue_principal=Decimal("1800.00"), days_past_due=20, as_at=now - timedelta(hours=4), demo=demo,
    )  # fmt: skip
    s.add_all([phone, case, loan])
    await s.flush()
    task = CallTask(
        id=new_key(), business_date=clock.today(), case_id=case.id, person_id=person.id, contact_point_id=phone.id,
        position=position or n, demo=demo,
    )  # fmt: skip
    s.add(task)
    await s.flush()
    return Borrower(person, phone, case, loan, task)


async def agent(s: AsyncSession, clock: Clock, *, ready: bool = True, since: datetime | None = None) -> AgentSession:
    """An agent at a desk phone, by default ready with his line up."""
    n = next(_n)
    user = User(
        id=new_key(), login=f"agent{n}", full_name=f"Агент {n}", role="agent", password_hash="-", extension=1000 + n,
        created_at=clock.wall(),
    )  # fmt: skip
    s.add(user)
    await s.flush()
    seat = await agents.open_session(s, user, "desk", since or clock.wall())
    if ready:
        await agents.go_ready(s, user.id, since or clock.wall())
        seat.line, seat.line_n, seat.line_channel = "UP", 1, f"PJSIP/agent-{1000 + n}-00000001"
    await s.flush()
    return seat


def some_call() -> UUID:
    return new_key()
