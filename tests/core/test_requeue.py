"""The queue follows the day's facts (issue 5): every fact that decides whether and whom to call, and what it changes."""

import json
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers import service as borrowers
from backoffice_core.borrowers.models import ContactPoint, PersonFlag
from backoffice_core.call_centre.calls import settling
from backoffice_core.call_centre.dialing import campaigns
from backoffice_core.call_centre.models import CallAttempt, CallTask
from backoffice_core.call_centre.queueing import judging, queue, requeue, standing
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.collection import service as collection
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.terms import Entry
from backoffice_core.config import Settings
from backoffice_core.db import Database, new_key
from backoffice_core.errors import BadInput
from backoffice_core.loans import stop_list
from backoffice_core.loans.models import Loan
from backoffice_core.loans.stop_list import Stop
from tests.core.bank import KYIV, WEDNESDAY, Bank

TODAY = WEDNESDAY
CALLED = ("CALLED", "1")  # by his first number
SECOND = ("CALLED", "2")
Fact = Callable[[AsyncSession, Case, datetime], Awaitable[Any]]


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    """Two borrowers with two numbers each, and the queue of an ordinary Wednesday at eleven."""
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    numbers = "+38067100000{0}|+38067200000{0}"
    await bank.file(*({"n": n, "phones": numbers.format(n)} for n in (1, 2)))
    await bank.night()
    bank.at(WEDNESDAY, 11)
    async with database.begin() as s:
        await requeue.touched_all(s, "test")
    assert await follow(bank) == 2
    return bank


async def follow(bank: Bank) -> int:
    """What the worker does, until no mark is left; how many cases were judged."""
    judged = 0
    while True:
        async with bank.database.begin() as s:
            done = await requeue.rejudge(s, bank.settings, now=bank.now, today=bank.clock.today(), zone=KYIV)
        if done is None:
            return judged
        judged += done.judged
        if not done.left:
            return judged


async def stands(bank: Bank, n: int = 1) -> tuple[str, str]:
    """CALLED and the number's place in the file; WAITING and the hour; or the reason and its end."""
    case = await bank.case(n)
    async with bank.database.begin() as s:
        query = select(CallTask, ContactPoint).join(ContactPoint, ContactPoint.id == CallTask.contact_point_id)
        found = (
            await s.execute(query.where(CallTask.case_id == case.id, CallTask.business_date == TODAY))
        ).one_or_none()
    refused = (await bank.reasons()).get(case.id)
    if found is not None and found[0].state != "CANCELLED":
        assert refused is None
        task, phone = found
        if task.earliest_at:
            return "WAITING", f"{task.earliest_at.astimezone(KYIV):%H:%M}"
        return (task.state if task.state != "ELIGIBLE" else "CALLED", phone.value[6])
    assert refused is not None, "neither a task nor a reason"
    return refused.reason, f"{refused.until.astimezone(KYIV):%d.%m}" if refused.until else ""


# --- the facts -----------------------------------------------------------------------------------------------------


def loan(**fields: Any) -> Fact:
    async def fact(s: AsyncSession, case: Case, _: datetime) -> None:
        await s.execute(update(Loan).where(Loan.person_id == case.person_id).values(**fields))

    return fact


def first_phone(**fields: Any) -> Fact:
    async def fact(s: AsyncSession, case: Case, _: datetime) -> None:
        mine = ContactPoint.person_id == case.person_id, ContactPoint.rank == 0
        await s.execute(update(ContactPoint).where(*mine).values(**fields))

    return fact


def all_phones(state: str) -> Fact:
    async def fact(s: AsyncSession, case: Case, _: datetime) -> None:
        await s.execute(update(ContactPoint).where(ContactPoint.person_id == case.person_id).values(state=state))

    return fact


async def new_phone(s: AsyncSession, case: Case, _: datetime) -> None:
    s.add(ContactPoint(id=new_key(), person_id=case.person_id, value="+380673000001", number_type="mobile", rank=9))


async def wrong_party(s: AsyncSession, case: Case, at: datetime) -> None:
    first = select(ContactPoint.id).where(ContactPoint.person_id == case.person_id, ContactPoint.rank == 0)
    await cases.number_evidence(s, case.id, (await s.execute(first)).scalar_one(), "wrong_party", at=at)


async def promise(s: AsyncSession, case: Case, at: datetime) -> None:
    await collection.make_promise(
        s, case.id, amount=Decimal(100), currency="UAH", due_date=TODAY + timedelta(days=5), at=at
    )


async def promise_broken(s: AsyncSession, case: Case, _: datetime) -> None:
    await s.execute(text("UPDATE promises SET state = 'BROKEN' WHERE case_id = :id"), {"id": case.id})
    await s.execute(text("UPDATE cases SET state = 'ACTIVE' WHERE id = :id"), {"id": case.id})


def flag(name: str) -> Fact:
    async def fact(s: AsyncSession, case: Case, _: datetime) -> None:
        await borrowers.set_flag(s, case.person_id, name, since=TODAY, evidence="довідка")

    return fact


async def flag_ends(s: AsyncSession, case: Case, _: datetime) -> None:
    await s.execute(
        update(PersonFlag).where(PersonFlag.person_id == case.person_id).values(valid_to=TODAY - timedelta(days=1))
    )


async def stop_him(s: AsyncSession, case: Case, at: datetime) -> None:
    entry = Stop("person", "P1", "complaint", TODAY, TODAY + timedelta(days=1))
    await stop_list.add(s, [entry], at=at, by="test")


async def stop_contract(s: AsyncSession, case: Case, at: datetime) -> None:
    await stop_list.add(s, [Stop("contract", "C1", "paid", TODAY, None)], at=at, by="test")


async def stop_number(s: AsyncSession, case: Case, at: datetime) -> None:
    await stop_list.add(s, [Stop("phone", "+380671000001", "stranger", TODAY, None)], at=at, by="test")


async def lift_stop(s: AsyncSession, case: Case, _: datetime) -> None:
    for kind, value in (("person", "P1"), ("contract", "C1"), ("phone", "+380671000001")):
        await stop_list.lift(s, kind, value)


async def hold(s: AsyncSession, case: Case, at: datetime) -> None:
    await cases.hold(s, case.id, reason="HARDSHIP", at=at, until=TODAY + timedelta(days=2))


async def lift_hold(s: AsyncSession, case: Case, at: datetime) -> None:
    await cases.lift_hold(s, case.id, reason="test", at=at)


def task(kind: str, *, days: int = 0, hour: float | None = None) -> Fact:
    async def fact(s: AsyncSession, case: Case, at: datetime) -> None:
        day = TODAY + timedelta(days=days)
        asked = datetime(day.year, day.month, day.day, tzinfo=KYIV) + timedelta(hours=hour) if hour else None
        await cases.raise_task(s, case.id, kind, day, f"{kind}:1", asked, at=at)

    return fact


async def tasks_done(s: AsyncSession, case: Case, at: datetime) -> None:
    await cases.close_tasks(s, case.id, ("DISPUTE", "CHECK_POSTING", "CALLBACK"), at)


async def talked_elsewhere(s: AsyncSession, case: Case, at: datetime) -> None:
    for n in range(2):
        one = Entry(at=at, channel="call", actor="human", conversation=True)
        assert await compliance.record(s, case.person_id, one, source="agency", source_id=f"a{n}")


async def no_zone(s: AsyncSession, case: Case, _: datetime) -> None:
    await s.execute(text("UPDATE persons SET time_zone = '' WHERE id = :id"), {"id": case.person_id})


async def closed(s: AsyncSession, case: Case, at: datetime) -> None:
    await s.execute(update(Case).where(Case.id == case.id).values(state="PAID_OFF"))


async def nothing_said(s: AsyncSession, case: Case, at: datetime) -> None:
    """The last talk lost its result (FL-12)."""
    await s.execute(
        text(
            """INSERT INTO call_attempts (id, case_id, person_id, contact_point_id, direction, channel_id, candidates,
                   number, campaign, purpose, trunk, caller_id, language, fence, legs, state, business_at, claimed_at,
                   recording, estimated, abandoned, cancelled, cancelled_why, message_played, identity_matches,
                   identity_misses, note, problem, notice, notice_rule, notice_language)
               SELECT gen_random_uuid(), c.id, c.person_id, p.id, 'out', '', 1, p.value, 'collection', 'collection', 't', '',
                   'uk', 0, 1, 'ENDED', :at, now(), '', false, false, '', '', false, '{}', 0, '', '', '', '', ''
               FROM cases c JOIN contact_points p ON p.person_id = c.person_id AND p.rank = 0 WHERE c.id = :id"""
        ),
        {"id": case.id, "at": at},
    )
    await s.execute(text("UPDATE call_attempts SET outcome = 'NO_DISPOSITION' WHERE case_id = :id"), {"id": case.id})


async def result_given(s: AsyncSession, case: Case, _: datetime) -> None:
    await s.execute(text("UPDATE call_attempts SET outcome = 'HANGUP' WHERE case_id = :id"), {"id": case.id})


async def no_hours(s: AsyncSession, case: Case, _: datetime) -> None:
    """The bank loads a row that closes the rest of this day."""
    rows = [row for (row,) in await s.execute(text("SELECT row FROM compliance_rules WHERE rule_id = 'UA-TIME'"))]
    await compliance.load_rules(s, "test", [rows[0] | {"params": rows[0]["params"] | {"to": "10:00"}}])


async def holiday(s: AsyncSession, case: Case, _: datetime) -> None:
    await s.execute(
        text("INSERT INTO work_calendar (jurisdiction, day, working, name) VALUES ('UA', :day, false, 'mourning')"),
        {"day": TODAY},
    )


NOT_CALLED, AND_AGAIN = "not called", "and called again"
FACTS: list[tuple[str, list[tuple[Fact, tuple[str, str]]]]] = [
    ("a payment of all that is overdue; overdue again",
     [(loan(overdue_principal=0, days_past_due=0), ("NOT_DUE", "")), (loan(overdue_principal=9, days_past_due=3), CALLED)]),
    ("the list leaves the contract out; explained",
     [(loan(missing_since=datetime(2027, 2, 3, tzinfo=KYIV)), ("ON_HOLD", "")), (loan(missing_note="sold"), CALLED)]),
    ("a promise; broken", [(promise, ("PROMISE_OPEN", "10.02")), (promise_broken, CALLED)]),
    ("the first number dies; lives again", [(first_phone(state="DEAD"), SECOND), (first_phone(state="VERIFIED"), CALLED)]),
    ("somebody else answers at the first number", [(wrong_party, SECOND)]),
    ("the first number is a relative's; his own after all",
     [(first_phone(owner_kind="relative"), SECOND), (first_phone(owner_kind="self"), CALLED)]),
    ("no number lives; a new one comes", [(all_phones("DEAD"), ("NO_PHONE", "")), (new_phone, ("CALLED", "3"))]),
    ("a status protects him; it ends", [(flag("protected_military"), ("STATUS_BLOCK", "")), (flag_ends, CALLED)]),
    ("he is in hospital", [(flag("inpatient"), ("STATUS_BLOCK", ""))]),
    ("the stop-list names him; lifted", [(stop_him, ("STOP_LIST", "05.02")), (lift_stop, CALLED)]),
    ("the stop-list names his contract; lifted", [(stop_contract, ("STOP_LIST", "")), (lift_stop, CALLED)]),
    ("the stop-list names his number; lifted", [(stop_number, SECOND), (lift_stop, CALLED)]),
    ("a hold; lifted", [(hold, ("ON_HOLD", "06.02")), (lift_hold, CALLED)]),
    ("a dispute; settled", [(task("DISPUTE"), ("ON_HOLD", "")), (tasks_done, CALLED)]),
    ("he says that he paid; the posting is checked",
     [(task("CHECK_POSTING", days=2), ("NOT_DUE", "05.02")), (tasks_done, CALLED)]),
    ("he asks to be called at five", [(task("CALLBACK", hour=17), ("WAITING", "17:00")), (tasks_done, CALLED)]),
    ("he asks to be called on Friday", [(task("CALLBACK", days=2, hour=12), ("NOT_DUE", "05.02")), (tasks_done, CALLED)]),
    ("an agency spoke with him twice today", [(talked_elsewhere, ("CAP_REACHED", "04.02"))]),
    ("where he lives is not sure any more", [(no_zone, ("NO_TIME_ZONE", ""))]),
    ("all is paid off", [(closed, ("CLOSED", ""))]),
    ("his last talk has no result; a supervisor gives it", [(nothing_said, ("ON_HOLD", "")), (result_given, SECOND)]),
    ("a rule closes the rest of the day", [(no_hours, ("OUT_OF_HOURS", "04.02"))]),
    ("the day becomes a holiday", [(holiday, ("OUT_OF_HOURS", "04.02"))]),
]  # fmt: skip


@pytest.mark.parametrize(("facts"), [facts for _, facts in FACTS], ids=[name for name, _ in FACTS])
async def test_fact_of_the_day_changes_who_is_called(bank: Bank, facts: list[tuple[Fact, tuple[str, str]]]) -> None:
    """Issue 5: each fact is followed without anybody telling of it, and the night would say the same."""
    assert await stands(bank) == CALLED
    for fact, expected in facts:
        case = await bank.case()
        async with bank.database.begin() as s:
            await fact(s, case, bank.now)
        assert await follow(bank) >= 1
        assert await stands(bank) == expected
        async with bank.database.begin() as s:
            where = await standing.counts(s, TODAY, bank.now)
            still_open = await s.scalar(text("SELECT count(*) FROM cases WHERE closed_at IS NULL"))
        assert (where.open, sum(where.classes.values()), where.classes["unjudged"]) == (still_open, still_open, 0)
        by_day = await everything(bank)
        async with bank.database.begin() as s:
            norms = await s.scalar(text("SELECT norms FROM queue_days"))
            await s.execute(text("INSERT INTO queue_marks (why) VALUES ('all')"))
        await follow(bank)
        assert await everything(bank) == by_day
        async with bank.database.begin() as s:
            await queue.build_queue(s, TODAY, now=bank.now, settings=bank.settings, zone=KYIV)
            await s.execute(text("UPDATE queue_days SET norms = CAST(:norms AS jsonb)"), {"norms": json_of(norms)})
            await s.execute(text("INSERT INTO queue_marks (why) VALUES ('all')"))
        await follow(bank)
        assert await everything(bank) == by_day


def json_of(value: Any) -> str:
    return json.dumps(value)


async def everything(bank: Bank) -> list[Any]:
    """The queue of the day without its ids."""
    tasks = (
        "SELECT case_id, contact_point_id, state, state_reason, position, why, earliest_at, attempts FROM call_tasks"
    )
    reasons = "SELECT case_id, reason, until, rule FROM not_callable"
    async with bank.database.begin() as s:
        return [
            [
                tuple(map(str, row))
                for row in await s.execute(text(f"{query} WHERE business_date = :day ORDER BY case_id"), {"day": TODAY})
            ]
            for query in (tasks, reasons)
        ]


async def called(bank: Bank, result: str, *, attempts: int = 1) -> CallTask:
    """A call to the task's number ended with `result`, as the listener writes it; the task as it stands after the worker."""
    (task, *_) = [one for one in await bank.tasks() if one.case_id == (await bank.case()).id]
    wall, call_id = bank.clock.wall(), new_key()
    async with bank.database.begin() as s:
        await s.execute(
            update(CallTask).where(CallTask.id == task.id).values(state="DIALING", fence=1, attempts=attempts)
        )
        s.add(
            CallAttempt(
                id=call_id, task_id=task.id, case_id=task.case_id, person_id=task.person_id, fence=1, state="RINGING",
                contact_point_id=task.contact_point_id, number=str(call_id), campaign="collection", purpose="collection",
                trunk="far-end", caller_id="", language="uk", business_at=bank.now, claimed_at=wall,
            )
        )  # fmt: skip
        entry = Entry(at=bank.now, channel="call", actor="dialer")
        await compliance.record(s, task.person_id, entry, call_id=call_id)
    cause = {"BUSY": 17, "NO_ANSWER": 19, "INVALID_NUMBER": 1}[result]
    async with bank.database.begin() as s:
        facts = CallFacts(ended_at=wall, rang_at=wall, cause=cause)
        await settling.settle(s, call_id, facts, bank.now)
    await follow(bank)
    (task, *_) = [one for one in await bank.tasks() if one.case_id == task.case_id]
    return task


@pytest.mark.parametrize(("result", "minutes"), [("BUSY", 10), ("NO_ANSWER", 25), ("INVALID_NUMBER", 1)])
async def test_after_a_call_in_vain_the_next_number_of_the_borrower(bank: Bank, result: str, minutes: int) -> None:
    """Issue 5: several numbers in order, by the campaign's data; the gap between two calls is the evaluator's."""
    async with bank.database.begin() as s:
        # the house rule keeps two hours between two attempts on a person; without it the campaign's data are seen
        (row,) = (await s.scalars(text("SELECT row FROM compliance_rules WHERE rule_id = 'ANY-ATTEMPT-D'"))).all()
        await compliance.load_rules(s, "test", [row | {"params": {"max": 4}}])
        await campaigns.change(
            s, "collection", {"retries": {"NO_ANSWER": {"next_number_minutes": 25}}}, who="test", by="test",
            wall=bank.clock.wall(),
        )  # fmt: skip
    await follow(bank)
    task = await called(bank, result)
    phone = await bank.phone()
    assert (task.state, task.state_reason, task.contact_point_id != phone.id) == ("RETRY_WAIT", result, True)
    assert task.earliest_at == bank.now + timedelta(minutes=minutes)


async def test_gap_of_the_law_goes_before_the_next_number(bank: Bank) -> None:
    task = await called(bank, "BUSY")
    assert task.earliest_at == bank.now + timedelta(minutes=120)  # ANY-ATTEMPT-D


async def rebuilt(bank: Bank) -> None:
    """What the night's step does."""
    async with bank.database.begin() as s:
        await queue.build_queue(s, TODAY, now=bank.now, settings=bank.settings, zone=KYIV)


async def test_days_at_the_end_of_time_end_no_night_and_no_worker(bank: Bank) -> None:
    """Issue 6: whatever day stands in the tables, each case gets its reason, by day and by night; what comes in says “without
    end” in its own way from the door on."""
    assert Stop("person", "P1", "PAID", TODAY, date.max).until is None
    with pytest.raises(BadInput):
        Stop("person", "P1", "PAID", date.min)
    case = await bank.case(1)
    async with bank.database.begin() as s:
        await stop_list.add(s, [Stop("person", "P2", "PAID", TODAY)], at=bank.now, by="test")
        await s.execute(text("UPDATE stop_list SET until = '9999-12-31'"))
        await borrowers.set_flag(s, case.person_id, "inpatient", since=TODAY, until=date.max, evidence="довідка")
        await collection.make_promise(
            s, case.id, amount=Decimal(100), currency="UAH", due_date=date.max, at=bank.now, grace_days=3
        )
    for judge in (follow(bank), rebuilt(bank)):
        await judge
        assert (await stands(bank, 1))[0] == "STATUS_BLOCK"
        assert await stands(bank, 2) == ("STOP_LIST", "")


async def test_a_case_that_cannot_be_judged_holds_up_no_other(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6: one case whose judging fails is told by its id, counted, not called; the others are judged by the day and by
    the night."""
    bad = await bank.case(1)
    known = judging.own_refusal

    def own_refusal(view: Any, *more: Any) -> Any:
        if view.case_id == bad.id:
            raise OverflowError("date value out of range")
        return known(view, *more)

    told: list[dict[str, Any]] = []
    monkeypatch.setattr(judging, "own_refusal", own_refusal)
    monkeypatch.setattr(judging, "log", SimpleNamespace(error=lambda _, **said: told.append(said)))
    async with bank.database.begin() as s:
        await stop_list.add(s, [Stop("person", "P2", "PAID", TODAY)], at=bank.now, by="test")
        await requeue.touched_all(s, "test")
    for judge in (follow(bank), rebuilt(bank)):
        told.clear()
        await judge
        assert (await stands(bank, 1), await bank.reason(1)) == (("ON_HOLD", ""), ("ON_HOLD", None, "UNJUDGED"))
        assert await stands(bank, 2) == ("STOP_LIST", "")
        assert told == [{"case_id": str(bad.id), "error": "OverflowError"}], "and nothing of the person"
        async with bank.database.begin() as s:
            assert await requeue.unjudged(s, TODAY) == 1
    monkeypatch.undo()
    async with bank.database.begin() as s:
        await requeue.touched(s, [bad.id], "test")
    await follow(bank)
    assert await stands(bank, 1) == CALLED
