"""The night: cases, stages, promises and tasks; twice, killed midway, two at once (CC-08, CC-12, CC-14, DM-15)."""

import asyncio
import time
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, text

from backoffice_core import money_in, nightly
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, CaseEvent, Task
from backoffice_core.collection import night as night_of
from backoffice_core.collection import service as collection
from backoffice_core.collection.models import Promise
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, Conflict
from backoffice_core.loans.payments import PaymentRow
from backoffice_core.loans.portfolio import import_file
from backoffice_core.nightly import NightStep
from far_end import portfolio as far_end
from tests.core.bank import KYIV, WEDNESDAY, Bank


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    return bank


async def count(bank: Bank, table: type, *where: object) -> int:
    async with bank.database.begin() as session:
        return await session.scalar(select(func.count()).select_from(table).where(*where)) or 0  # type: ignore[arg-type]


async def history(bank: Bank, case_id: UUID, kind: str) -> list[dict[str, object]]:
    query = select(CaseEvent.data).where(CaseEvent.case_id == case_id, CaseEvent.kind == kind).order_by(CaseEvent.id)
    async with bank.database.begin() as session:
        return list(await session.scalars(query))


async def promise(bank: Bank, amount: int, due: date, n: int = 1) -> Promise:
    case = await bank.case(n)
    async with bank.database.begin() as session:
        return await collection.make_promise(
            session, case.id, amount=Decimal(amount), currency="UAH", due_date=due, at=bank.now, call_id=uuid4()
        )


async def test_dm15_overdue_loan_opens_one_case_the_next_night(bank: Bank) -> None:
    """DM-15, DM-06: the case is opened and linked by the night, without a person."""
    await bank.file({"n": 1, "days_past_due": 0, "overdue_principal": 0}, {"n": 2}, {"n": 2, "contract_no": "C2b"})
    await bank.night()
    assert await count(bank, Case) == 1
    assert ((await bank.case(2)).state, (await bank.case(2)).stage) == ("ACTIVE", 1)
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.file({"n": 1, "days_past_due": 1}, {"n": 2, "days_past_due": 31})
    await bank.night()
    assert await count(bank, Case) == 2
    assert (await bank.case(2)).stage == 2
    assert await history(bank, (await bank.case(2)).id, "stage") == [{"from": 1, "to": 2}]
    assert [line["to"] for line in await history(bank, (await bank.case(1)).id, "state")] == ["NEW", "ACTIVE"]


async def test_cc08_thousand_cases_and_the_second_run_adds_nothing(bank: Bank, tmp_path: Path) -> None:
    """CC-08: a thousand cases, the night twice: one task for each that may be called."""
    file = tmp_path / "thousand.csv"
    far_end.write(far_end.Wish(loans=1_400, seed=2, as_at=bank.now - timedelta(hours=1)), file)
    async with bank.database.begin() as session:
        await import_file(session, file, at=bank.now, zone=KYIV, demo=True)
    first = await bank.night()
    tasks = {task.case_id: (task.id, task.position, task.contact_point_id) for task in await bank.tasks()}
    reasons = {case_id: (row.id, row.reason) for case_id, row in (await bank.reasons()).items()}
    lines = await count(bank, CaseEvent)
    open_cases = await count(bank, Case)
    assert open_cases > 900
    assert len(tasks) + len(reasons) == open_cases
    assert not set(tasks) & set(reasons)
    assert first.counts("build_queue")["callable"] == len(tasks)
    for options in ({}, {"again": True}):
        await bank.night(**options)
        assert {t.case_id: (t.id, t.position, t.contact_point_id) for t in await bank.tasks()} == tasks
        assert {case_id: (row.id, row.reason) for case_id, row in (await bank.reasons()).items()} == reasons
        assert (await count(bank, CaseEvent), await count(bank, Case)) == (lines, open_cases)


async def test_night_killed_in_any_step_is_resumed_and_ends_the_same(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bank.file(*({"n": n, "days_past_due": 5 * n} for n in range(1, 8)))
    steps = nightly.STEPS

    async def dies(*_: object) -> dict[str, int]:
        raise RuntimeError("killed")

    for n in range(len(steps)):
        monkeypatch.setattr(nightly, "STEPS", (*steps[:n], (steps[n][0], dies)))
        with pytest.raises(RuntimeError, match="killed"):
            await bank.night()
        assert await count(bank, NightStep, NightStep.state == "RUNNING") == 1
    monkeypatch.setattr(nightly, "STEPS", steps)
    report = await bank.night()
    assert [step.ran for step in report.steps] == [False] * (len(steps) - 1) + [True]
    assert await count(bank, Case) == 7
    assert len(await bank.tasks()) == 7
    assert await count(bank, CaseEvent, CaseEvent.kind == "state") == 14
    assert await count(bank, NightStep, NightStep.state == "DONE") == len(steps)


async def test_a_step_that_breaks_leaves_nothing_of_itself(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    await bank.file({"n": 1})

    async def half(session: object, night: nightly.Night) -> dict[str, int]:
        await night_of.open_cases(session, night.span)  # type: ignore[arg-type]
        raise RuntimeError("killed")

    monkeypatch.setattr(nightly, "STEPS", (("open_cases", half),))
    with pytest.raises(RuntimeError, match="killed"):
        await bank.night()
    assert await count(bank, Case) == 0


async def test_two_nights_at_once_do_the_work_once(bank: Bank) -> None:
    await bank.file(*({"n": n} for n in range(1, 30)))
    reports = await asyncio.gather(bank.night(), bank.night())
    ran = Counter(step.ran for report in reports for step in report.steps)
    assert ran == {True: len(nightly.STEPS), False: len(nightly.STEPS)}
    assert await count(bank, Case) == 29


async def test_a_night_that_is_held_up_says_so(bank: Bank) -> None:
    async with bank.database.engine.connect() as other:
        await other.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": nightly._LOCK})
        with pytest.raises(Conflict, match="Another night"):
            await bank.night(wait_s=0.3)
        await other.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": nightly._LOCK})
    await bank.night()


async def test_a_file_that_comes_after_the_night_gets_its_night(bank: Bank) -> None:
    await bank.file({"n": 1})
    await bank.night()
    await bank.file({"n": 2})
    report = await bank.night()
    assert all(step.ran for step in report.steps)
    assert len(await bank.tasks()) == 2


@pytest.mark.parametrize("days", [-1, 30])
async def test_night_of_a_day_that_is_over_or_far_ahead_is_refused(bank: Bank, days: int) -> None:
    with pytest.raises(BadInput, match="cannot be run"):
        await nightly.run_night(bank.database, bank.clock, bank.settings, bank.clock.today() + timedelta(days=days))


async def test_cc14_unpaid_on_its_day_raises_one_follow_up_and_breaks_after_the_grace(bank: Bank) -> None:
    """CC-14: a follow-up task the day after, once; broken after the grace."""
    await bank.file({"n": 1})
    await bank.night()
    made = await promise(bank, 400, WEDNESDAY)
    assert (await bank.case()).state == "PROMISED"
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.file({"n": 1, "days_past_due": 11, "overdue_principal": "1010"})
    for again in (False, True):
        await bank.night(again=again)
    async with bank.database.begin() as session:
        follow_up = (await session.scalars(select(Task).where(Task.kind == "FOLLOW_UP"))).one()
    assert (follow_up.control_date, follow_up.state) == (WEDNESDAY + timedelta(days=1), "OPEN")
    assert (await bank.case()).state == "PROMISED"
    assert (await bank.reason())[0] == "PROMISE_OPEN"
    bank.at(WEDNESDAY + timedelta(days=2))
    await bank.file({"n": 1, "days_past_due": 12, "overdue_principal": "1020"})
    await bank.night()
    assert (await bank.case()).state == "ACTIVE"
    lines = await history(bank, (await bank.case()).id, "promise")
    assert [line["state"] for line in lines] == ["OPEN", "BROKEN"]
    assert {line["promise_id"] for line in lines} == {str(made.id)}
    assert await count(bank, Task, Task.kind == "FOLLOW_UP") == 1
    assert [task.why["group"] for task in await bank.tasks()] == ["BROKEN_PROMISE"]


async def test_cc14_the_balances_of_the_evening_are_enough_for_a_follow_up_and_not_for_a_breach(bank: Bank) -> None:
    """CC-14: a bank that sends its list as at 23:00 has the follow-up on the morning after the due date; broken is said only by
    balances of a later day; a payment told late takes the task away."""
    await bank.file({"n": 1}, {"n": 2})
    await bank.night()
    for n in (1, 2):
        case = await bank.case(n)
        async with bank.database.begin() as s:
            await collection.make_promise(
                s, case.id, amount=Decimal(500), currency="UAH", due_date=WEDNESDAY, at=bank.now, grace_days=0
            )
    bank.at(WEDNESDAY + timedelta(days=1))
    evening = (bank.now - timedelta(hours=4)).isoformat()
    await bank.file({"n": 1, "as_at": evening, "days_past_due": 11}, {"n": 2, "as_at": evening, "days_past_due": 11})
    await bank.night()

    async def seen() -> list[tuple[str, str]]:
        async with bank.database.begin() as s:
            tasks = select(Promise.state, Task.state).join(Task, Task.case_id == Promise.case_id)
            return sorted((a, b) for a, b in await s.execute(tasks.where(Task.kind == "FOLLOW_UP")))

    assert await seen() == [("OPEN", "OPEN"), ("OPEN", "OPEN")]
    async with bank.database.begin() as s:
        at = bank.now - timedelta(hours=3, minutes=30)
        paid = PaymentRow(external_ref="A", contract_no="C1", paid_at=at, amount=Decimal(500))
        await money_in.take(s, [paid], bank.settings, at=bank.now, today=bank.clock.today(), zone=KYIV, by="test")
    assert await seen() == [("KEPT", "CANCELLED"), ("OPEN", "OPEN")]
    bank.at(WEDNESDAY + timedelta(days=2))
    await bank.file({"n": 1, "overdue_principal": 500, "days_past_due": 12}, {"n": 2, "days_past_due": 12})
    await bank.night()
    assert await seen() == [("BROKEN", "OPEN"), ("KEPT", "CANCELLED")]


async def test_cc14_paid_on_its_day_is_kept_and_leaves_no_task(bank: Bank) -> None:
    """CC-14: paid on its day, kept, no task."""
    await bank.file({"n": 1}, {"n": 2})
    await bank.night()
    await promise(bank, 400, WEDNESDAY, 1)
    await promise(bank, 1000, WEDNESDAY, 2)
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.file({"n": 1, "overdue_principal": "600"}, {"n": 2, "overdue_principal": 0, "days_past_due": 0})
    report = await bank.night()
    assert report.counts("judge_promises") == {"kept": 2, "broken": 0, "partial": 0, "follow_ups": 0}
    assert await count(bank, Task) == 0
    assert ((await bank.case(1)).state, (await bank.case(2)).state) == ("ACTIVE", "CURED")
    assert (await bank.reason(2))[0] == "NOT_DUE"
    assert len(await bank.tasks()) == 1


async def test_nobody_is_called_a_breaker_on_old_balances(bank: Bank) -> None:
    await bank.file({"n": 1})
    await bank.night()
    await promise(bank, 400, WEDNESDAY)
    bank.at(WEDNESDAY + timedelta(days=6))
    await bank.night()
    assert await count(bank, Promise, Promise.state == "OPEN") == 1
    assert await count(bank, Task) == 0


async def test_second_promise_takes_the_place_of_the_first_and_one_call_makes_one(bank: Bank) -> None:
    await bank.file({"n": 1})
    await bank.night()
    first = await promise(bank, 400, WEDNESDAY)
    second = await promise(bank, 300, WEDNESDAY + timedelta(days=2))
    async with bank.database.begin() as session:
        same = await collection.make_promise(
            session, second.case_id, amount=Decimal(999), currency="UAH", due_date=WEDNESDAY, at=bank.now,
            call_id=second.call_id,
        )  # fmt: skip
        assert same.id == second.id
        assert (await session.get_one(Promise, first.id)).state == "CANCELLED"
        assert (await session.get_one(Promise, second.id)).amount == Decimal(300)


async def test_cured_case_is_reopened_within_ninety_days_and_closed_after(bank: Bank) -> None:
    healthy = {"days_past_due": 0, "overdue_principal": 0}
    await bank.file({"n": 1}, {"n": 2}, {"n": 3})
    await bank.night()
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.file({"n": 1, **healthy}, {"n": 2, **healthy}, {"n": 3, "balance": 0, **healthy})
    await bank.night()
    assert [(await bank.case(n)).state for n in (1, 2, 3)] == ["CURED", "CURED", "PAID_OFF"]
    assert (await bank.reason(3))[0] == "CLOSED"
    bank.at(WEDNESDAY + timedelta(days=20))
    await bank.file({"n": 1, "days_past_due": 3})
    await bank.night()
    assert [(await bank.case(n)).state for n in (1, 2, 3)] == ["ACTIVE", "CURED", "CLOSED"]
    assert await count(bank, Case) == 3
    bank.at(WEDNESDAY + timedelta(days=100))
    await bank.night()
    assert [(await bank.case(n)).state for n in (1, 2)] == ["ACTIVE", "CLOSED"]


async def test_hold_ends_with_its_last_day(bank: Bank) -> None:
    await bank.file({"n": 1})
    await bank.night()
    await promise(bank, 400, WEDNESDAY + timedelta(days=9))
    async with bank.database.begin() as session:
        await cases.hold(
            session, (await bank.case()).id, reason="DISPUTE", at=bank.now, until=WEDNESDAY + timedelta(days=2)
        )
    bank.at(WEDNESDAY + timedelta(days=2))
    await bank.night()
    assert (await bank.case()).state == "ON_HOLD"
    assert await bank.reason() == ("ON_HOLD", "06 00:00", "ON_HOLD")
    bank.at(WEDNESDAY + timedelta(days=3))
    await bank.night()
    assert (await bank.case()).state == "PROMISED"


async def test_cc12_lost_number_without_a_task_gets_one_from_the_night(bank: Bank) -> None:
    await bank.file({"n": 1, "phones": "+380671000001|+380671000002"})
    await bank.night()
    async with bank.database.begin() as session:
        await session.execute(text("UPDATE contact_points SET state = 'DEAD', state_since = :at"), {"at": bank.now})
    for _ in range(2):
        await bank.night(again=True)
    async with bank.database.begin() as session:
        task = (await session.scalars(select(Task))).one()
        assert task.kind == "REFRESH_CONTACT_DATA"
        assert task.control_date == WEDNESDAY + timedelta(days=1)
        await cases.close_task(session, task.id, bank.now)
    await bank.night(again=True)
    assert await count(bank, Task, Task.state == "OPEN") == 0  # done is done, until another number falls out


async def test_ten_thousand_cases_in_a_few_seconds(bank: Bank, tmp_path: Path) -> None:
    """The goal is 10 000 cases in 20 s; here a third of it, with room for a busy machine."""
    file = tmp_path / "large.csv"
    far_end.write(far_end.Wish(loans=5_000, seed=4, as_at=bank.now - timedelta(hours=1)), file)
    async with bank.database.begin() as session:
        await import_file(session, file, at=bank.now, zone=KYIV, demo=True)
    begun = time.monotonic()
    await bank.night()
    assert time.monotonic() - begun < 40
    assert await count(bank, Case) > 3_000
