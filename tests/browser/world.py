"""A shift at work, written straight into the tables: agents in all states, calls, history, a queue."""

from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.carriers import announcements
from backoffice_core.call_centre.carriers.announcements import Sound
from backoffice_core.call_centre.dialing import campaigns, pacing_book
from backoffice_core.call_centre.models import (
    AgentSession,
    CallAttempt,
    CallerId,
    CallerIdEvent,
    CallTask,
    NotCallable,
    Recording,
    TrunkEvent,
    TrunkState,
    UnknownCaller,
)  # fmt: skip
from backoffice_core.cases import holds
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, CaseEvent, Task
from backoffice_core.collection import complaints, corrections, hand_over, late, plans
from backoffice_core.collection.models import Promise
from backoffice_core.compliance import consents
from backoffice_core.db import new_key
from backoffice_core.loans import sources
from backoffice_core.loans.models import Loan
from backoffice_core.loans.sources import Source
from backoffice_core.outbox import service as outbox
from backoffice_core.outbox.models import OutboxEvent
from backoffice_core.staff import units
from backoffice_core.staff.models import User
from backoffice_core.strategy import rules, service
from backoffice_core.strategy.models import StepDue
from far_end.announcements import sound
from recordings.fingerprint import fingerprint
from tests import house
from tests.console.conftest import RunningConsole

NAMES = [
    "Бондар Іван",
    "Литвин Оксана",
    "Шевчук Ніна",
    "Ткаченко Віктор",
    "Мельник Анна",
    "Кравчук Юрій",
    "Олійник Тарас",
    "Поліщук Роман",
    "Савченко Дарина",
    "Руденко Марія",
    "Панченко Лідія",
    "Мороз Кирило",
    "Петренко Семен",
    "Лисенко Галина",
    "Клименко Євген",
    "Павленко Олег",
    "Сидоренко Ірина",
    "Гончарук Богдан",
    "Василенко Надія",
    "Кузьменко Петро",
    "Левченко Алла",
    "Карпенко Жанна",
    "Гаврилюк Захар",
    "Назаренко Федір",
    "Яковенко Христина",
    "Гнатюк Ілля",
    "Федоренко Уляна",
    "Марчук Вадим",
    "Дяченко Юлія",
    "Захарченко Ольга",
]
STATES = [("TALKING", "CALL")] * 15 + [("WRAP_UP", "CALL_ENDED")] * 4 + [("READY", "AGENT")] * 5 + [
    ("PAUSED", "LUNCH"), ("PAUSED", "TECHNICAL"), ("PAUSED", "TRAINING"), ("UNREACHABLE", "LINE_LOST"), ("RESERVED", "CALL"),
    ("PAUSED", "LOGIN"),
]  # fmt: skip
PEOPLE = [
    "Коваленко Олена Петрівна",
    "Іваненко Роман Сергійович",
    "Приходько Наталія Андріївна",
    "Бабенко Володимир Ілліч",
    "Тимошенко-Гай Людмила Вікторівна",
    "Щербак Микола Олегович",
    "Юрченко Дмитро Данилович",
    "Євтушенко Їжакія Миколаївна",
]
REASONS = (
    "CAP_REACHED",
    "PROMISE_OPEN",
    "NO_PHONE",
    "STATUS_BLOCK",
    "COOLDOWN",
    "ON_HOLD",
    "NO_TIME_ZONE",
    "OUT_OF_HOURS",
)


async def shift(console: RunningConsole, agents: int = 30) -> None:
    """Agents at desks with their calls, a queue of 60 tasks and 40 refusals."""
    dice, clock, wall, now = Random(7), console.clock, console.clock.wall(), console.clock.now()
    async with console.database.begin() as s:
        for n in range(100):
            last, first, middle = PEOPLE[n % len(PEOPLE)].split()
            person = Person(
                id=new_key(), external_ref=f"W-{n}", last_name=last, first_name=first, middle_name=middle, jurisdiction="UA",
                place="Полтава", region="Полтавська", time_zone="Europe/Kyiv", demo=True, created_at=now,
            )  # fmt: skip
            s.add(person)
            await s.flush()
            phone = ContactPoint(id=new_key(), person_id=person.id, value=f"+38067{5550000 + n}", number_type="mobile")
            case = Case(
                id=new_key(), person_id=person.id, state="ACTIVE", stage=1 + n % 3, opened_at=now - timedelta(days=40)
            )
            s.add_all([phone, case])
            await s.flush()
            days, overdue = 5 + n % 80, Decimal(dice.randint(90_000, 4_000_000)) / 100
            s.add(Loan(
                id=new_key(), person_id=person.id, contract_no=f"W-КД-{n}", balance=overdue * 5, overdue_principal=overdue,
                days_past_due=days, as_at=now - timedelta(hours=5), demo=True,
            ))  # fmt: skip
            if n >= 60:
                s.add(NotCallable(
                    business_date=clock.today(), case_id=case.id, reason=REASONS[int((n - 60) ** 0.55) % len(REASONS)],
                    until=None if n % 3 else now + timedelta(days=2), rule="UA-DAY",
                ))  # fmt: skip
                continue
            task = CallTask(
                id=new_key(), business_date=clock.today(), case_id=case.id, person_id=person.id, contact_point_id=phone.id,
                position=n + 1, demo=True, state="DIALING" if n < 26 else "RETRY_WAIT" if n % 5 == 0 else "ELIGIBLE",
                why={"group": ("CALL_BACK", "BROKEN_PROMISE", "VALUE")[min(n // 3, 2)], "overdue": str(overdue),
                     "currency": "UAH", "days_past_due": days, "times_typical": "1.84"},
            )  # fmt: skip
            s.add(task)
            await s.flush()
            if n < agents:
                await _agent(s, n, agents, task, phone, wall - timedelta(seconds=dice.randint(3, 400)), now)


async def _agent(s, n: int, agents: int, task: CallTask, phone: ContactPoint, since, now) -> None:  # type: ignore[no-untyped-def]
    state, reason = STATES[n % len(STATES)]
    user = User(
        id=new_key(),
        login=f"world{n}",
        full_name=NAMES[n],
        role="agent",
        password_hash="-",
        extension=500 + n,
        created_at=since,
    )
    s.add(user)
    await s.flush()
    call: UUID | None = new_key() if state in {"TALKING", "WRAP_UP", "RESERVED"} else None
    if state == "PAUSED" and reason == "TECHNICAL":
        since -= timedelta(minutes=16)
    seat = AgentSession(
        id=new_key(), user_id=user.id, phone="desk", endpoint=f"agent-{500 + n}", state=state, reason=reason, since=since,
        line="CALLING" if n == 23 else "UP", started_at=since, call_id=call,
    )  # fmt: skip
    s.add(seat)
    if call:
        ended = state == "WRAP_UP"
        s.add(CallAttempt(
            id=call, task_id=task.id, case_id=task.case_id, person_id=task.person_id, contact_point_id=phone.id,
            number=phone.value, campaign="collection", purpose="collection", trunk="far-end", caller_id="", language="uk",
            fence=1, business_at=now, claimed_at=since - timedelta(seconds=20), answered_at=since, agent_id=user.id,
            agent_session_id=seat.id, bridged_at=None if state == "RESERVED" else since,
            state="ENDED" if ended else "ANSWERED" if state == "RESERVED" else "CONNECTED",
            ended_at=since if ended else None, result="ANSWERED_HUMAN" if ended else None,
        ))  # fmt: skip


async def long_history(console: RunningConsole, case: Case, agent: User, call: UUID | None = None) -> None:
    """Past calls, promises and tasks of one case; `call` gets a sealed recording row."""
    now = console.clock.now()
    async with console.database.begin() as s:
        rows = [
            (1, "call", {"result": "NO_ANSWER", "number": "+380675550142", "seconds": 0}),
            (
                8,
                "outcome",
                {"outcome": "HARDSHIP", "note": "Втратив роботу, документи до 26.11", "control_date": "2026-11-26"},
            ),
            (8, "call", {"result": "ANSWERED_HUMAN", "number": "+380675550142", "seconds": 362}),
            (20, "promise", {"state": "BROKEN", "amount": "6154.25", "currency": "UAH", "due_date": "2026-08-11"}),
            (41, "call", {"result": "BUSY", "number": "+380675550142", "seconds": 0}),
            (43, "state", {"from": "NEW", "to": "ACTIVE", "reason": "NIGHT"}),
        ]
        for days, kind, data in rows:
            s.add(
                CaseEvent(
                    case_id=case.id,
                    at=now - timedelta(days=days, minutes=days),
                    kind=kind,
                    actor_id=agent.id,
                    data=data,
                )
            )
        if call:
            s.add(CaseEvent(case_id=case.id, at=now - timedelta(minutes=3), kind="call", actor_id=agent.id, call_id=call,
                            data={"result": "ANSWERED_HUMAN", "number": "+380675550142", "seconds": 278}))  # fmt: skip
            row = await s.get(Recording, call)
            if row is not None:
                row.state, row.seconds = "SEALED", Decimal(278)
        for amount, days, state in ((Decimal("6200.00"), -30, "KEPT"), (Decimal("6154.25"), -90, "BROKEN")):
            s.add(Promise(
                id=new_key(), case_id=case.id, amount=amount, currency="UAH",
                due_date=console.clock.today() + timedelta(days=days),
                state=state, made_at=now + timedelta(days=days - 7), made_by=agent.id,
            ))  # fmt: skip
        s.add(Task(
            id=new_key(), case_id=case.id, kind="CALLBACK", control_date=console.clock.today(), owner_id=agent.id,
            earliest_at=now + timedelta(hours=2), created_at=now,
        ))  # fmt: skip


async def troubles(console: RunningConsole) -> None:
    """What a bad morning brings to a shift: a late list, calls without an end, talks without a result, a trunk and a
    number of ours that are out, callers whom nobody knows. `shift` comes first."""
    clock, wall, now = console.clock, console.clock.wall(), console.clock.now()
    trunk = console.settings.trunks[0].name
    async with console.database.begin() as s:
        await sources.save(s, Source("abs-branch-12", due_by="00:00"), at=now, by="test")
        tasks = (await s.scalars(select(CallTask).order_by(CallTask.position).offset(30).limit(8))).all()
        agents = (await s.scalars(select(User).where(User.role == "agent").order_by(User.login))).all()
        for n, task in enumerate(tasks):
            ended = wall - timedelta(minutes=5 + n)
            attempt = CallAttempt(
                id=new_key(), task_id=task.id, case_id=task.case_id, person_id=task.person_id,
                contact_point_id=task.contact_point_id, number=f"+38050111000{n}", campaign="collection",
                purpose="collection", trunk=trunk, caller_id="", language="uk", fence=1, business_at=now,
                claimed_at=ended - timedelta(seconds=90), ringing_at=ended - timedelta(seconds=80), ended_at=ended,
                state="ENDED", agent_id=agents[n % len(agents)].id, result="UNKNOWN",
            )  # fmt: skip
            if n % 2:
                attempt.result, attempt.outcome, attempt.outcome_at = "ANSWERED_HUMAN", "NO_DISPOSITION", ended
                attempt.answered_at = attempt.bridged_at = ended - timedelta(seconds=70)
            s.add(attempt)
        s.add(TrunkState(trunk=trunk, breaker="OPEN", why="FAULTS", since=wall, until=wall + timedelta(minutes=1)))
        account = {
            "mode": "predictive",
            "answers": 612,
            "abandoned": 14,
            "limit_pct": 3.0,
            "window": "day",
            "forecast_pct": 2.84,
        }
        ahead = {"free": 4, "expected_free": 2.3, "expected_answers": 3.0, "budget": 1.4, "callers": 1, "pace": 0.5}
        plain = {"free": 2, "in_flight": 1, "ratio": 1.5, "in_hand": 1}
        accounts = {"accounts": {"collection": account, "mortgage": account | {"mode": "progressive", "abandoned": 0}}}
        seen = (("agents", plain), ("lines", ahead), ("account", ahead))
        of = {"pool": "collection+mortgage", "given": {"collection": 3, "mortgage": 1}}
        await pacing_book.keep_decisions(
            s,
            [
                of | {"at": wall - timedelta(seconds=9 - n), "calls": n, "bound": bound, "terms": terms | accounts}
                for n, (bound, terms) in enumerate(seen)
            ],
        )
        s.add(TrunkEvent(trunk=trunk, at=wall, kind="OPEN", data={"why": "FAULTS"}))
        for n, state in enumerate(("IN", "OUT")):
            row = CallerId(
                id=new_key(), number=f"+38044555020{n}", owner="Київстар", trunks=[trunk], campaigns=["collection"],
                position=n + 1, state=state, state_since=wall, declared_on=clock.today(), created_at=wall,
            )  # fmt: skip
            s.add(row)
            await s.flush()
        s.add(CallerIdEvent(caller_id=row.id, at=now, kind="OUT", by="system",
                            data={"signs": ["SHORT_TALKS", "NEW_NUMBERS"]}))  # fmt: skip
        s.add_all([UnknownCaller(at=now - timedelta(minutes=n), number=f"+38063222000{n}" if n else "",
                                 called="+380445550200") for n in range(3)])  # fmt: skip
        said = {"mode": "agentless", "whom": {"given": True}, "robot": {"lines": 20}}
        await campaigns.change(s, "reminders", said, who="os:test", by="test", wall=wall, new=True)
        await survey(s, console)
    await heard_announcements(console)


SCRIPT = {
    "uk": "Дякуємо, що ви з нами! Чи можете оцінити роботу відділення від одного до п’яти?\nЩо нам зробити краще?",
    "en": "Thank you for being with us! How would you rate our branch, from one to five?\nWhat could we do better?",
}


async def survey(s: AsyncSession, console: RunningConsole) -> None:
    """A campaign that asks borrowers' opinion: for want of a cap nobody is called yet."""
    said = {"purpose": "survey", "whom": {"given": True}, "script": SCRIPT, "priority": "30"}
    await campaigns.change(s, "opinion", said, who="os:test", by="test", wall=console.clock.wall(), new=True)


async def as_survey(console: RunningConsole, call: UUID, *, back: bool = False) -> None:
    """The call is one of that campaign; or (`back`) about the debt again."""
    async with console.database.begin() as s:
        await survey(s, console)
        fields = (
            {"campaign": "collection", "purpose": "collection"}
            if back
            else {"campaign": "opinion", "purpose": "survey"}
        )
        await s.execute(update(CallAttempt).where(CallAttempt.id == call).values(**fields))


async def heard_announcements(console: RunningConsole) -> None:
    """One announcement of the library, one that waits for its name."""
    wall = console.clock.wall()
    async with console.database.begin() as s:
        for name in ("uk-overload-1", "uk-switched-off-1"):
            samples = sound(name)
            one = Sound(fingerprint=fingerprint(samples).trimmed().to_bytes(), seconds=3.6, file=f"{name}.wav")
            number, _ = await announcements.keep(s, one, wall=wall)
        await announcements.name(
            s, number, "switched_off", language="uk", carrier="Kyivstar", by="Ольга Тест", wall=wall
        )  # fmt: skip


async def work(console: RunningConsole) -> int:
    """Tasks of all kinds on all lists, some late, one with its head; the number of a case that has some."""
    clock, today = console.clock, console.clock.today()
    kinds = ("LETTER", "SMS", "VISIT", "LEGAL_STEP", "DISPUTE", "REFRESH_CONTACT_DATA", "CALLBACK", "CHECK_POSTING")
    owner = await console.person("halyna", "agent", extension=131, name="Литвиненко Галина Степанівна")
    async with console.database.begin() as s:
        owner.unit = "letters"
        await s.merge(owner)
        made = [await house.borrower(s, clock) for _ in range(4)]
        for n in range(16):
            key = await cases.raise_task(
                s, made[n % 4].case.id, kinds[n % 8], today + timedelta(days=n - 5), owned=False, at=clock.now(),
                owner_id=owner.id if n % 3 == 0 else None, data={"note": "Перевірити адресу: лист повернувся."},
            )  # fmt: skip
            if n == 0:
                (await s.get_one(Task, key)).escalated_at = clock.now()
    return made[0].case.number


async def case_work(console: RunningConsole) -> int:
    """A case with a hold lifted and one that stands, a plan and a correction that wait for the second person, and an act of
    hand-over; its number."""
    clock, today = console.clock, console.clock.today()
    who = await console.person("stepan", "agent", extension=133, name="Кравченко Степан Олексійович")
    async with console.database.begin() as s:
        for code in ("soft", "legal"):
            await units.put(s, code, who="test")
        one = await house.borrower(s, clock)
        case = await s.get_one(Case, one.case.id)
        case.unit, case.owner_id = "soft", who.id
        opened = {"from": "", "to": "NEW", "reason": "OVERDUE"}
        await cases.add_event(s, case.id, "state", clock.now(), data=opened)
        given: dict[str, Any] = {"at": clock.now(), "by": who.id}
        first = await holds.place(
            s, case.id, "HARDSHIP", evidence="Довідка центру зайнятості 318/04 від 12.11.2026", until=today + timedelta(days=20),
            today=today, **given,
        )  # fmt: skip
        await holds.lift(s, first.id, why="Знову працює, телефонував сам", **given)
        await holds.place(
            s,
            case.id,
            "DISPUTE",
            evidence="Лист позичальника вх. 1207",
            until=today + timedelta(days=30),
            today=today,
            **given,
        )
        rows = [(today + timedelta(days=30 * n), Decimal("600.00")) for n in (1, 2, 3)]
        await plans.propose(s, case.id, rows, currency="UAH", today=today, reason="Зарплата 24-го числа", **given)
        late_act: dict[str, Any] = {"number": "17-К", "on": today, "today": today, "reason": "Борг безнадійний"}
        act = await late.propose(s, case.id, "WRITE_OFF", **late_act, **given)
        await late.refuse(s, act.id, why="Спершу думка юриста", **given)
        await hand_over.propose(s, case.id, to_unit="legal", reason="Спір про суму: потрібна думка юриста", **given)
        sums = dict.fromkeys(corrections.SUMS, Decimal(0)) | {
            "balance": Decimal(9100),
            "overdue_principal": Decimal("950.50"),
        }
        await corrections.propose(
            s,
            case,
            one.loan.contract_no,
            sums,
            12,
            as_at=None,
            reason="Платіж рознесено не на той договір, службова 44",
            **given,
        )
        await complaints.note(
            s, case.id, kind="TONE", channel="call", text="Оператор підвищував голос", about=who.id, **given
        )
        for n, (purpose, channel, how) in enumerate(
            (("survey", "call", "branch"), ("collection", "robot", "recorded_call"))
        ):
            said = consents.Given(
                purpose=purpose, channel=channel, how=how, given_at=clock.now() - timedelta(days=90 * n),
                evidence="Анкета 17 від 02.11.2026",
                number=one.phone.value if n else "", until=today + timedelta(days=300) if n else None,
            )  # fmt: skip
            await consents.record(s, one.person.id, said, now=clock.now(), source="console", who=f"user:{who.id}")
        gone = (await consents.of_person(s, one.person.id))[-1]
        await consents.withdraw(s, gone.id, why="Заява у відділенні вх. 1311", now=clock.now(), who=f"user:{who.id}")
    return case.number


async def court(console: RunningConsole) -> int:
    """A case that the lawyers took over by an act: the claim may be noted."""
    taker = await console.person("lesia", "supervisor", name="Гнатюк Леся Богданівна")
    async with console.database.begin() as s:
        one = await house.borrower(s, console.clock)
        given = await hand_over.propose(
            s, one.case.id, to_unit="legal", reason="91 день", at=console.clock.now(), by=None, to_owner=taker.id
        )
        await hand_over.accept(s, given.id, at=console.clock.now(), by=taker.id)
    return one.case.number


async def strategy(console: RunningConsole) -> int:
    """The shipped strategy in force, a draft beside it, and steps of a month in all states; the number of a case."""
    clock, today, dice = console.clock, console.clock.today(), Random(12)
    who = await console.person("roman", "agent", extension=132, name="Гриценко Роман Іванович")
    code, title, content = service.read_file(service.DEFAULT)
    async with console.database.begin() as s:
        found = [await house.borrower(s, clock) for _ in range(5)]
        one = await service.draft(s, code, content, who="os:admin", at=clock.now(), title=title)
        await service.submit(s, code, 1, who="os:admin", at=clock.now())
        await service.approve(
            s, code, 1, who=f"user:{who.id}", at=clock.now(), today=today, live_from=today
        )  # fmt: skip
        arms = [{"code": "champion", "share": 80}, {"code": "challenger", "share": 20}]
        more = [*content["steps"], {"key": "s99", "stage": 1, "day": 12, "kind": "VISIT", "segment": "bigger"}]
        await service.draft(s, code, content | {"arms": arms, "steps": more}, who=f"user:{who.id}", at=clock.now())
        for n in range(60):
            due = today - timedelta(days=dice.randrange(0, 25))
            last, end = due + timedelta(days=2), dice.choice(("done", "done", "done", "late", "skip", "open"))
            done = due + timedelta(days=1 if end == "done" else 4) if end in {"done", "late"} else None
            done = done if done is None or done <= today else None
            skipped = due if end == "skip" else None
            s.add(StepDue(
                id=new_key(), case_id=found[n % 5].case.id, person_id=found[n % 5].person.id, version_id=one.id, step=f"s{n}",
                stage=1, since=due, kind=dice.choice(("SMS", "CALL", "LETTER", "VISIT")), due_date=due, deadline=last,
                starts_at=clock.now(), unit=dice.choice(("messages", "letters", "call_centre")), created_at=clock.now(),
                state=rules.state_as_at(today, last, done, skipped), done_on=done, skipped_on=skipped, owner_id=who.id,
                reason=dice.choice(("PROMISE_OPEN", "NO_PHONE", "HOLD")) if skipped else "",
                evidence="TASK" if done else "",
            ))  # fmt: skip
        await cases.raise_task(s, found[0].case.id, "LETTER", today, at=clock.now(), owner_id=who.id)
    return found[0].case.number


async def webhooks(console: RunningConsole) -> int:
    """Two systems, one paused, with events waiting, heard and given up; the number of one that was given up."""
    console.settings.webhook_hosts.append("crm.bank.ua")
    now, wall, dead = console.clock.now(), console.clock.wall(), 0
    async with console.database.begin() as s:
        for name in ("crm", "core-abs"):
            url = f"https://crm.bank.ua/{name}/events?token=8c1f"
            await outbox.subscribe(s, console.settings, name, url, ["promise.*", "case.*"], wall=wall, by="test")
        hook = await outbox.find(s, "crm")
        for n in range(24):
            state = "DEAD" if n in {5, 6} else "WAITING" if n > 20 else "SENT"
            tries = {"DEAD": 15, "WAITING": 3 if n == 21 else 0, "SENT": 1}[state]
            error = "no answer in time" if state == "DEAD" else "HTTP 503" if tries == 3 else ""
            event = OutboxEvent(
                webhook_id=hook.id, event_id=f"case-{900 + n}", kind=("promise.made", "case.held", "promise.kept")[n % 3],
                subject=str(n), at=now - timedelta(minutes=60 - n), data={}, state=state, tries=tries, error=error, next_at=wall,
                sent_at=wall if state == "SENT" else None,
                answered={"SENT": 204, "DEAD": None}.get(state, 503 if error else None),
            )  # fmt: skip
            s.add(event)
            await s.flush()
            for k in range(min(tries, 4)):
                outbox.note_try(
                    s, event.id, ms=10_000 if error[:2] == "no" else 38 + k, status=event.answered, error=error
                )
            dead = event.id if state == "DEAD" else dead
        await outbox.change(s, "core-abs", by="test", state="PAUSED")
    return dead
