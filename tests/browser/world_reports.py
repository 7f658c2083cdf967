"""What the reports tell of, written straight into the tables: a month of balances, stages, promises and two arms."""

from datetime import timedelta
from decimal import Decimal
from random import Random

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.models import AgentSession, CallAttempt
from backoffice_core.cases.models import Case, CaseEvent, Task
from backoffice_core.clock import Clock
from backoffice_core.collection import complaints, late
from backoffice_core.collection.models import Promise, StageMove
from backoffice_core.db import new_key
from backoffice_core.loans.models import Loan, LoanBalance, Payment
from backoffice_core.reports import costs
from backoffice_core.staff.models import User
from backoffice_core.strategy import rules
from backoffice_core.strategy.models import StrategyVersion
from tests.browser.world import NAMES, PEOPLE
from tests.console.conftest import RunningConsole

ARMS = {"arms": [{"code": "champion", "share": 50}, {"code": "challenger", "share": 50}], "steps": []}
LOANS = 140


async def reported(console: RunningConsole) -> None:
    clock, dice = console.clock, Random(13)
    people = [await console.person(f"rep{n}", "agent", 140 + n, name=name) for n, name in enumerate(NAMES[:4])]
    async with console.database.begin() as s:
        s.add(StrategyVersion(
            id=new_key(), strategy="a_arms", version=1, title="Дві гілки", state="APPROVED", content=ARMS,
            changed_at=clock.now(), live_from=clock.today() - timedelta(days=60), submitted_by="os:a", decided_by="os:b",
        ))  # fmt: skip
        for kind, amount in (("attempt", "0.05"), ("line_minute", "0.60"), ("agent_minute", "3.20")):
            await costs.put(s, kind, "UAH", Decimal(amount), clock.today() - timedelta(days=90), by="test")
        for n in range(LOANS):
            await _loan(s, clock, dice, n, people)
        await _late(s, clock, Random(14), people)


async def _late(s: AsyncSession, clock: Clock, dice: Random, people: list[User]) -> None:
    """Hours at the desks, complaints, acts that wait and that are in force."""
    now, today = clock.now(), clock.today()
    for n, one in enumerate(people):
        since = now - timedelta(days=n + 1, hours=5)
        s.add(AgentSession(id=new_key(), user_id=one.id, phone="desk", endpoint="x", state="OFF", since=since, started_at=since,
                           ended_at=since + timedelta(hours=4 + n)))  # fmt: skip
    found = (await s.scalars(select(Case).where(Case.state == "ACTIVE").order_by(Case.number).limit(6))).all()
    for n, case in enumerate(found):
        noted = await complaints.note(
            s, case.id, kind=dice.choice(complaints.KINDS), channel="call", text="Дзвонили тричі на день",
            about=people[n % 2].id, at=now, by=people[3].id,
        )  # fmt: skip
        if n % 2:
            await complaints.answer(s, noted.id, "UPHELD", "Вибачились листом", at=now, by=people[2].id)
        act = await late.propose(
            s, case.id, "SALE" if n < 4 else "WRITE_OFF", counterparty="ТОВ «Фінансова компанія»", number=f"17-{n}", on=today,
            reason="Понад рік", price=Decimal(2500), at=now, today=today, by=people[0].id,
        )  # fmt: skip
        if n != 2:
            await late.approve(s, act.id, at=now, today=today, by=people[1].id)


async def _loan(s: AsyncSession, clock: Clock, dice: Random, n: int, people: list[User]) -> None:
    now, month = clock.now(), clock.now() - timedelta(days=31)
    last, first, middle = PEOPLE[n % len(PEOPLE)].split()
    person = Person(
        id=new_key(), external_ref=f"REP-{n}", last_name=last, first_name=first, middle_name=middle, jurisdiction="UA",
        place="Львів", region="Львівська", time_zone="Europe/Kyiv", demo=True, created_at=month,
    )  # fmt: skip
    before = dice.choice((0, 0, 3, 12, 25, 40, 70, 100, 160, 400))
    after = dice.choice((0, before, before + 30, before + 30, max(0, before - 30)))
    overdue = Decimal(dice.randint(20_000, 4_000_000)) / 100
    loan = Loan(
        id=new_key(), person_id=person.id, contract_no=f"КД-2026/{n:05}", balance=overdue * 4, days_past_due=after,
        overdue_principal=overdue if after else Decimal(0), branch=dice.choice(("Львів", "Київ-Печерськ", "Одеса-Аркадія")),
        product=dice.choice(("Готівковий", "Картка")), as_at=now - timedelta(hours=5), demo=True,
    )  # fmt: skip
    s.add(person)
    await s.flush()
    s.add(loan)
    await s.flush()
    for at, days in ((month - timedelta(days=2), before), (loan.as_at, after)):
        s.add(LoanBalance(
            loan_id=loan.id, as_at=at, recorded_at=at, balance=loan.balance, overdue_principal=overdue if days else Decimal(0),
            overdue_interest=Decimal(0), overdue_penalty=Decimal(0), overdue_fee=Decimal(0), days_past_due=days,
        ))  # fmt: skip
    if before or after:
        await _case(s, clock, dice, loan, people, min(4, 1 + max(before, after, 1) // 30))


async def _case(s: AsyncSession, clock: Clock, dice: Random, loan: Loan, people: list[User], stage: int) -> None:
    now, opened = clock.now(), clock.now() - timedelta(days=dice.randrange(2, 29), hours=dice.randrange(6))
    owner = dice.choice(people)
    case = Case(
        id=new_key(), person_id=loan.person_id, state="ACTIVE", stage=stage, opened_at=opened, owner_id=owner.id
    )
    s.add(case)
    await s.flush()
    s.add(StageMove(
        case_id=case.id, kind="stage", before="", after=str(1 + dice.randrange(2)), as_at=opened.date(), why="OPENED",
        days_past_due=5, version=1, recorded_at=opened,
    ))  # fmt: skip
    await _calls(s, dice, case, people)
    better = rules.arm_of(rules.read("a_arms", ARMS), case.number) == "challenger"
    if dice.random() < (0.75 if better else 0.45):
        s.add(CaseEvent(case_id=case.id, at=opened + timedelta(hours=30), kind="outcome", data={"rpc": True}))
    if dice.random() < 0.5:
        made, state = opened + timedelta(hours=31), dice.choice(("KEPT", "KEPT", "BROKEN", "CANCELLED", "OPEN"))
        due = made.date() + timedelta(days=dice.randrange(1, 12))
        s.add(Promise(
            id=new_key(), case_id=case.id, amount=Decimal(dice.randint(10_000, 900_000)) / 100, currency="UAH", due_date=due,
            state="OPEN" if due >= clock.today() else state, state_since=made, made_at=made, made_by=dice.choice(people).id,
        ))  # fmt: skip
    if dice.random() < 0.3:
        paid = Decimal(dice.randint(5_000, 90_000)) / 100
        s.add(Payment(
            id=new_key(), external_ref=f"REP-{case.number}", loan_id=loan.id, amount=paid, currency="UAH", principal=paid,
            interest=Decimal(0), penalty=Decimal(0), fee=Decimal(0), paid_at=now - timedelta(hours=20), recorded_at=now,
        ))  # fmt: skip
    day = clock.today() + timedelta(days=dice.randrange(-9, 9))
    done = now - timedelta(days=dice.randrange(1, 9)) if dice.random() < 0.5 else None
    s.add(Task(
        id=new_key(), case_id=case.id, kind=dice.choice(("LETTER", "VISIT", "DISPUTE", "SMS")), control_date=day,
        state="DONE" if done else "OPEN", unit=dice.choice(("letters", "legal", "messages")), owner_id=owner.id,
        created_at=opened, closed_at=done, closed_by=dice.choice(people).id if done else None,
    ))  # fmt: skip


async def _calls(s: AsyncSession, dice: Random, case: Case, people: list[User]) -> None:
    """Some calls to a borrower of whom one number is known, at what they cost."""
    phone = ContactPoint(
        id=new_key(), person_id=case.person_id, kind="phone", value=f"+38050{case.number % 10_000_000:07}", owner_kind="self",
        number_type="mobile", rank=0, state="UNVERIFIED",
    )  # fmt: skip
    s.add(phone)
    await s.flush()
    for n in range(dice.randrange(1, 4)):
        at = case.opened_at + timedelta(hours=3 + 5 * n)
        result = dice.choice(("ANSWERED_HUMAN", "ANSWERED_HUMAN", "NO_ANSWER", "BUSY", "ABANDONED"))
        talked = result == "ANSWERED_HUMAN"
        call = CallAttempt(
            id=new_key(), case_id=case.id, person_id=case.person_id, contact_point_id=phone.id, number=phone.value, trunk="t",
            campaign="collection", purpose="collection", caller_id="", language="uk", fence=1, state="ENDED", business_at=at,
            claimed_at=at, answered_at=at if talked else None, bridged_at=at if talked else None, result=result,
            ended_at=at + timedelta(seconds=90 if talked else 20), agent_id=dice.choice(people).id if talked else None,
            abandoned=result == "ABANDONED",
        )  # fmt: skip
        s.add(call)
        if talked:
            said = {"rpc": dice.random() < 0.7, "outcome": "REFUSE"}
            s.add(CaseEvent(case_id=case.id, at=at, kind="outcome", call_id=call.id, data=said))
