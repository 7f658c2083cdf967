"""Payments, balances as at any date, promises kept at once, holds, plans, hand-overs (issue 6: whose money, promises)."""

import asyncio
import time
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from backoffice_core import money_in
from backoffice_core.bus import Bus
from backoffice_core.call_centre.queueing import queue
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, Hold, Task
from backoffice_core.collection import bands, court, hand_over, overdue, plans
from backoffice_core.collection import service as collection
from backoffice_core.collection.models import PaymentPlan, Promise, PromiseMatch, StageMove
from backoffice_core.collection.rules import PLAN_MOVES, PROMISE_MOVES, Room, match, may
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, Conflict
from backoffice_core.loans import balances
from backoffice_core.loans.models import Loan, Payment
from backoffice_core.loans.payments import PaymentRow, Refusal, import_schedule
from backoffice_core.loans.rules import COMPONENTS, Due, days_past_due, effective, oldest_unpaid, split
from backoffice_core.worker import Worker
from tests.core.bank import KYIV, WEDNESDAY, Bank

D = Decimal


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    return bank


def pay(ref: str, amount: str | None, at: datetime, n: int = 1, **fields: Any) -> PaymentRow:
    return PaymentRow(external_ref=ref, contract_no=f"C{n}", paid_at=at, amount=D(amount) if amount else None, **fields)


async def take(bank: Bank, *rows: PaymentRow) -> money_in.MoneyIn:
    async with bank.database.begin() as s:
        return await money_in.take(s, rows, bank.settings, at=bank.now, today=bank.clock.today(), zone=KYIV, by="test")


async def loan(bank: Bank, n: int = 1) -> Loan:
    async with bank.database.begin() as s:
        return (await s.scalars(select(Loan).where(Loan.contract_no == f"C{n}"))).one()


async def one(bank: Bank, kind: type, *where: Any) -> Any:
    async with bank.database.begin() as s:
        return (await s.scalars(select(kind).where(*where))).one()


# --- payments ------------------------------------------------------------------------------------------------------


async def test_dm12_a_payment_counts_once_and_its_split_adds_up(bank: Bank) -> None:
    """DM-12: the same reference twice is once, another amount under it is refused by name; reversal restores to the cent."""
    await bank.file({"n": 1, "overdue_principal": "1000", "overdue_interest": "200.50", "overdue_penalty": "30"})
    first = await take(bank, pay("A-1", "300.50", bank.now), pay("A-2", "10", bank.now, channel="cash"))
    assert (len(first.posted.new), first.posted.known, first.posted.refused) == (2, 0, [])
    row = await loan(bank)
    assert (row.balance, row.overdue, row.paid_since) == (D("9689.50"), D("920.00"), D("310.50"))
    assert (row.overdue_interest, row.overdue_principal, row.overdue_penalty) == (0, D("890.00"), D("30.00"))
    again = await take(bank, pay("A-1", "300.50", bank.now), pay("A-2", "11", bank.now), pay("A-3", "5", bank.now, n=9))
    assert (again.posted.new, again.posted.known) == ([], 1)
    assert again.posted.refused == [
        Refusal(1, "amount", "the reference A-2 is known with the amount 10.00, this one says 11"),
        Refusal(2, "contract_no", "no loan has the contract C9"),
    ]
    assert (await loan(bank)).balance == D("9689.50")
    back = await take(bank, pay("R-1", None, bank.now, reverses="A-1"), pay("R-2", None, bank.now, reverses="A-1"))
    assert [r.field for r in back.posted.refused] == ["reverses"]
    assert (await take(bank, pay("R-1", None, bank.now, reverses="A-1"))).posted.known == 1
    row = await loan(bank)
    assert (row.balance, row.overdue_interest, row.overdue) == (D("9990.00"), D("200.50"), D("1220.50"))


async def test_a_payment_younger_than_the_list_stays_paid_and_an_older_one_is_in_the_list_already(bank: Bank) -> None:
    await bank.file({"n": 1})
    await take(bank, pay("A-1", "400", bank.now))
    async with bank.database.begin() as s:
        old = await s.scalar(select(func.count()).select_from(Payment))
    assert old == 1
    early = (bank.now - timedelta(minutes=20)).isoformat()
    await bank.file({"n": 1, "overdue_principal": "1010", "balance": "10010", "as_at": early})
    row = await loan(bank)
    assert (row.overdue, row.balance, row.paid_since) == (D("610.00"), D("9610.00"), D("400.00"))
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.file({"n": 1, "overdue_principal": "620", "balance": "9620"})
    row = await loan(bank)
    assert (row.overdue, row.paid_since) == (D("620.00"), 0)
    await take(bank, pay("A-2", "50", bank.now - timedelta(hours=5)))
    assert (await loan(bank)).overdue == D("620.00")


async def test_dm05_a_balance_as_at_a_date_is_not_moved_by_later_facts_but_by_corrections(bank: Bank) -> None:
    """DM-05: equals the ledger as at X, also when run later; `known` gives back what was said before a correction."""
    ends: dict[date, datetime] = {}
    seen: dict[date, tuple[Decimal, int]] = {}

    async def standing(day: date, **asked: Any) -> tuple[Decimal, int]:
        async with bank.database.begin() as s:
            (found,) = (await balances.as_at(s, ends[day], **asked)).values()
        return found.overdue, found.days_past_due

    for ahead in range(5):
        day = WEDNESDAY + timedelta(days=ahead)
        bank.at(day)
        if ahead != 2:  # a day without a list
            await bank.file({"n": 1, "overdue_principal": str(1000 + 10 * ahead), "days_past_due": str(10 + ahead)})
        if ahead in {1, 3}:
            await take(bank, pay(f"P{ahead}", "100", bank.now + timedelta(minutes=5)))
        if ahead == 4:
            await take(bank, pay("R3", None, bank.now + timedelta(minutes=6), reverses="P3"))
        ends[day] = bank.clock.day_bounds(day)[1]
        seen[day] = await standing(day)
        assert {one: await standing(one) for one in seen} == seen
    assert [seen[d][0] for d in sorted(seen)] == [D(1000), D(910), D(910), D(930), D(1140)]
    before = bank.now + timedelta(minutes=1)
    bank.now += timedelta(hours=1)
    async with bank.database.begin() as s:
        row = (await s.scalars(select(Loan))).one()
        was = balances.Standing(
            loan_id=row.id, balance=D(9000), overdue_principal=D(700), overdue_interest=D(0), overdue_penalty=D(0),
            overdue_fee=D(0), days_past_due=12, as_at=ends[WEDNESDAY] - timedelta(hours=1),
        )  # fmt: skip
        await balances.correct(s, row.id, was.as_at, was, at=bank.now, note="booked on the wrong contract")
    assert await standing(WEDNESDAY) == (D(700), 12)
    assert await standing(WEDNESDAY, known=before) == seen[WEDNESDAY]
    assert (await standing(WEDNESDAY + timedelta(days=1)))[0] == D(910)  # its own list said so


amounts = st.decimals(min_value="0.01", max_value="5000", places=2)


@given(amount=amounts, overdue=st.fixed_dictionaries(dict.fromkeys(COMPONENTS, amounts)))
@settings(max_examples=60, deadline=None)
def test_a_split_adds_up_and_takes_penalty_last(amount: Decimal, overdue: dict[str, Decimal]) -> None:
    parts = split(amount, overdue)
    assert sum(parts.values()) == amount
    assert all(part >= 0 for part in parts.values())
    if parts["penalty"]:
        assert parts["interest"] == overdue["interest"]
        assert parts["principal"] >= overdue["principal"]


@given(
    rooms=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40), amounts), max_size=6),
    paid=st.lists(st.tuples(st.integers(0, 40), amounts), max_size=6),
)
@settings(max_examples=80, deadline=None)
def test_matching_adds_up(rooms: list[tuple[int, int, Decimal]], paid: list[tuple[int, Decimal]]) -> None:
    """No payment gives more than it is, no promise takes more than was promised, and none outside its days."""
    day = date(2027, 1, 1)
    left = {n: amount for n, (_, _, amount) in enumerate(rooms)}
    for on, amount in paid:
        open_ones = [
            Room(n, day + timedelta(days=since), (end := day + timedelta(days=since + lasts)), end, left[n])
            for n, (since, lasts, _) in enumerate(rooms)
        ]  # fmt: skip
        found = match(amount, day + timedelta(days=on), open_ones)
        assert sum(part for _, part in found) <= amount
        for n, part in found:
            assert 0 < part <= left[n]  # type: ignore[index]
            assert rooms[n][0] <= on <= rooms[n][0] + rooms[n][1]  # type: ignore[index]
            left[n] -= part  # type: ignore[index]


# --- days past due, to the day --------------------------------------------------------------------------------------


def test_days_past_due_by_hand() -> None:
    """Leap days, pauses that overlap, an instalment due on a Saturday, cents that are nothing."""
    leap = date(2028, 2, 29)
    assert days_past_due(leap, date(2028, 3, 1)) == 1
    assert days_past_due(date(2028, 2, 28), date(2028, 3, 1)) == 2
    assert days_past_due(date(2027, 2, 28), date(2027, 3, 1)) == 1
    assert days_past_due(leap, date(2029, 2, 28)) == 365
    assert days_past_due(leap, leap) == 0
    pauses = [(date(2028, 3, 1), date(2028, 3, 5)), (date(2028, 3, 4), date(2028, 3, 10)), (date(2028, 3, 20), None)]
    assert days_past_due(leap, date(2028, 3, 25), pauses) == 25 - 10 - 6
    plan = [Due(date(2028, 1, 31), D(100), D(100)), Due(leap, D(100), D("40")), Due(date(2028, 3, 31), D(100))]
    assert oldest_unpaid(plan, D(0), date(2028, 4, 10)) == leap
    assert oldest_unpaid(plan, D(60), date(2028, 4, 10)) == date(2028, 3, 31)
    assert oldest_unpaid(plan, D("159.01"), date(2028, 4, 10)) is None  # 99 cents are left
    assert oldest_unpaid(plan, D("158.99"), date(2028, 4, 10)) == date(2028, 3, 31)
    weekdays = lambda day: day.weekday() < 5  # noqa: E731
    saturday = date(2027, 2, 6)
    assert effective(saturday, weekdays) == date(2027, 2, 8)
    assert oldest_unpaid([Due(saturday, D(5))], D(0), date(2027, 2, 8), weekdays) is None
    assert oldest_unpaid([Due(saturday, D(5))], D(0), date(2027, 2, 9), weekdays) == date(2027, 2, 8)


async def test_schedule_counts_days_in_the_night_and_at_once_by_a_payment(bank: Bank, tmp_path: Path) -> None:
    """The oldest unpaid instalment minus pauses; the bank's own days where there is no schedule; as at a past day."""
    bank.settings = bank.settings.model_copy(update={"due_on_day_off": "next"})
    await bank.file({"n": 1, "days_past_due": "3"}, {"n": 2, "days_past_due": "77"})
    file = tmp_path / "schedule.csv"
    # 9 January 2027 is a Saturday: by the calendar it may be paid until Monday the 11th
    file.write_text(
        "contract_no;due_date;amount;paid\nC1;2026-12-09;500;500\nC1;2027-01-09;500;0\nC1;2027-02-09;500;0\n"
    )
    async with bank.database.begin() as s:
        assert await import_schedule(s, file, as_at=bank.now) == {"contracts": 1, "instalments": 3}
    await bank.night()
    assert [(await loan(bank, n)).days_past_due for n in (1, 2)] == [23, 77]  # 11 January to 3 February
    case = await bank.case(1)
    async with bank.database.begin() as s:
        await cases.hold(
            s,
            case.id,
            reason="HARDSHIP",
            at=bank.now,
            since=WEDNESDAY,
            until=WEDNESDAY + timedelta(days=6),
            evidence="довідка",
        )
    bank.at(WEDNESDAY + timedelta(days=4))
    await bank.night()
    assert (await loan(bank)).days_past_due == 22  # 27 days less the five of the hold
    bank.at(WEDNESDAY + timedelta(days=8))
    await bank.night()
    assert (await loan(bank)).days_past_due == 31 - 7
    assert (await bank.case(1)).state == "ACTIVE"
    await take(bank, pay("W", "500", bank.now))
    assert ((await loan(bank)).days_past_due, (await bank.case(1)).state) == (2, "ACTIVE")  # that of 9 February
    paid = await take(bank, pay("X", "500", bank.now))
    assert paid.counts["cured"] == 1
    assert ((await loan(bank)).days_past_due, (await bank.case(1)).state) == (0, "CURED")
    async with bank.database.begin() as s:
        past = await balances.as_at(s, bank.clock.day_bounds(WEDNESDAY + timedelta(days=4))[1])
    assert sorted(one.days_past_due for one in past.values()) == [22, 77]


# --- stages --------------------------------------------------------------------------------------------------------


async def test_dm01_dm02_stages_and_buckets_in_order_with_dates(bank: Bank) -> None:
    """DM-01, DM-02: from 1 to 400 days every stage and bucket in order, dated, with the rule's version; nothing twice; and a
    stage as at a date is not changed by what comes later."""
    seen: dict[date, tuple[list[str], list[str]]] = {}
    for ahead in (0, 29, 30, 60, 90, 120, 180, 360):
        bank.at(WEDNESDAY + timedelta(days=ahead))
        await bank.file({"n": 1, "days_past_due": str(1 + ahead)})
        await bank.night()
        await bank.night(again=ahead == 30)
        async with bank.database.begin() as s:
            now = {
                day: (
                    list((await bands.as_at(s, "stage", day)).values()),
                    list((await bands.as_at(s, "bucket", day)).values()),
                )
                for day in [*seen, bank.clock.today()]
            }
        assert seen.items() <= now.items()
        seen = now
    assert seen[WEDNESDAY + timedelta(days=60)] == (["3"], ["61-90"])
    async with bank.database.begin() as s:
        moves = list(await s.scalars(select(StageMove).order_by(StageMove.id)))
    stages = [(m.before, m.after, (m.as_at - WEDNESDAY).days, m.why) for m in moves if m.kind == "stage"]
    assert stages == [("", "1", 0, "OPENED"), ("1", "2", 30, "DAYS"), ("2", "3", 60, "DAYS"), ("3", "4", 90, "DAYS")]
    buckets = [(m.after, (m.as_at - WEDNESDAY).days) for m in moves if m.kind == "bucket"]
    assert buckets == [
        ("1-30", 0),
        ("31-60", 30),
        ("61-90", 60),
        ("91-120", 90),
        ("121-180", 120),
        ("181-360", 180),
        ("361+", 360),
    ]
    assert {m.version for m in moves} == {1}


async def test_redefault_reopens_the_same_case_as_a_new_episode(bank: Bank) -> None:
    await bank.file({"n": 1})
    await bank.night()
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.file({"n": 1, "days_past_due": 0, "overdue_principal": 0})
    await bank.night()
    bank.at(WEDNESDAY + timedelta(days=20))
    await bank.file({"n": 1, "days_past_due": 2})
    await bank.night()
    case = await bank.case(1)
    assert (case.state, case.episode, case.stage, case.bucket) == ("ACTIVE", 2, 1, "1-30")


# --- promises ------------------------------------------------------------------------------------------------------


async def promise(bank: Bank, amount: int, due: date, n: int = 1) -> Promise:
    case = await bank.case(n)
    async with bank.database.begin() as s:
        return await collection.make_promise(
            s, case.id, amount=D(amount), currency="UAH", due_date=due, at=bank.now, call_id=uuid4()
        )


async def task(bank: Bank, kind: str, case_id: UUID) -> None:
    async with bank.database.begin() as s:
        await cases.raise_task(s, case_id, kind, WEDNESDAY, at=bank.now)


async def test_cc14_a_promise_is_kept_at_once_when_paid_and_open_again_when_the_money_goes_back(bank: Bank) -> None:
    """CC-14 without waiting for the night: two payments keep it, within a second of the post; a reversal within the grace
    reopens it. What was queued (SMS, robot, letter) was taken back by the promise."""
    await bank.file({"n": 1})
    await bank.night()
    case = await bank.case(1)
    for kind in ("SMS", "ROBOT_CALL", "LETTER", "VISIT"):
        await task(bank, kind, case.id)
    made = await promise(bank, 600, WEDNESDAY + timedelta(days=2))
    async with bank.database.begin() as s:
        states = {k: v for k, v in await s.execute(select(Task.kind, Task.state))}
    assert states == {"SMS": "CANCELLED", "ROBOT_CALL": "CANCELLED", "LETTER": "CANCELLED", "VISIT": "OPEN"}
    bank.at(WEDNESDAY, hour=11)
    await take(bank, pay("A", "250", bank.now))
    assert (await one(bank, Promise, Promise.id == made.id)).state == "PARTIAL"
    done = await take(bank, pay("B", "500", bank.now))
    kept = await one(bank, Promise, Promise.id == made.id)
    assert (kept.state, kept.matched, done.counts["kept"]) == ("KEPT", D("600.00"), 1)
    assert (await bank.case(1)).state == "ACTIVE"  # 250 of the 1,000 are still overdue
    await take(bank, pay("C", None, bank.now, reverses="B"))
    again = await one(bank, Promise, Promise.id == made.id)
    assert (again.state, again.matched) == ("PARTIAL", D("250.00"))
    assert (await bank.case(1)).state == "PROMISED"
    async with bank.database.begin() as s:
        sums = await s.execute(
            select(PromiseMatch.payment_id, func.sum(PromiseMatch.amount)).group_by(PromiseMatch.payment_id)
        )
        assert sorted(total for _, total in sums) == [0, D("250.00")]
    bank.at(WEDNESDAY + timedelta(days=5))
    await bank.file({"n": 1, "overdue_principal": "790", "days_past_due": 15})
    await bank.night()
    assert (await one(bank, Promise, Promise.id == made.id)).state == "BROKEN"
    assert [t.why["group"] for t in await bank.tasks()] == ["BROKEN_PROMISE"]


async def test_a_payment_takes_the_case_out_of_tonights_queue_within_a_second(bank: Bank, bus: Bus) -> None:
    """A payment posted → queue changed ≤ 1 s end to end, by the running worker: the best of four, because tests share their
    machine."""
    await bank.file(*({"n": n} for n in range(1, 5)))
    await bank.night()
    bank.at(WEDNESDAY, hour=11)
    cases = [await bank.case(n) for n in range(1, 5)]
    worker = Worker(bank.settings, bank.database, bus, bank.clock)
    looks = [asyncio.create_task(worker._requeue(share)) for share in range(queue.SHARES)]
    try:
        took = [await paid_until_gone(bank, n, case.id) for n, case in enumerate(cases, 1)]
    finally:
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)
    assert [(await bank.reason(n))[0] for n in range(1, 5)] == ["NOT_DUE"] * 4
    assert min(took) < 1.0


async def paid_until_gone(bank: Bank, n: int, case_id: UUID) -> float:
    """Seconds from the payment's posting to the queue without him."""
    began = time.monotonic()
    await take(bank, pay(f"Q{n}", "1000", bank.now, n=n))
    while time.monotonic() - began < 30:
        waiting = {task.case_id for task in await bank.tasks() if task.state != "CANCELLED"}
        if case_id not in waiting and case_id in await bank.reasons():
            return time.monotonic() - began
        await asyncio.sleep(0.02)
    raise AssertionError("the queue did not follow the payment")


async def test_plan_is_approved_by_a_second_person_kept_or_breached(bank: Bank) -> None:
    await bank.file({"n": 1}, {"n": 2})
    await bank.night()
    mine, other = uuid4(), uuid4()
    days = [WEDNESDAY + timedelta(days=d) for d in (1, 8)]
    made = []
    for n in (1, 2):
        case = await bank.case(n)
        async with bank.database.begin() as s:
            with pytest.raises(BadInput, match="exceed"):
                await plans.propose(
                    s, case.id, [(days[0], D(99_999))], currency="UAH", at=bank.now, today=WEDNESDAY, by=mine
                )
            plan = await plans.propose(
                s, case.id, [(day, D(500)) for day in days], currency="UAH", at=bank.now, today=WEDNESDAY, by=mine
            )
            with pytest.raises(Conflict, match="does not approve"):
                await plans.approve(s, plan.id, at=bank.now, by=mine)
            await plans.approve(s, plan.id, at=bank.now, by=other)
        made.append(plan.id)
    assert (await bank.case(1)).state == "PLAN"
    bank.at(days[0], hour=11)
    await take(bank, pay("1", "500", bank.now))
    bank.at(WEDNESDAY + timedelta(days=3))
    await bank.file({"n": 1, "overdue_principal": "500"}, {"n": 2, "overdue_principal": "1020"})
    await bank.night()
    async with bank.database.begin() as s:
        states = {k: v for k, v in await s.execute(select(PaymentPlan.id, PaymentPlan.state))}
        second = list(
            await s.scalars(select(Promise.state).where(Promise.plan_id == made[1]).order_by(Promise.due_date))
        )
    assert [states[one] for one in made] == ["ACTIVE", "BREACHED"]
    assert second == ["BROKEN", "CANCELLED"]
    assert ((await bank.case(1)).state, (await bank.case(2)).state) == ("PLAN", "ACTIVE")
    done = await take(bank, pay("2", "500", bank.now))
    assert done.counts["plans_done"] == 1
    assert (await bank.case(1)).state == "CURED"


def test_machines_list_their_moves_and_refuse_others() -> None:
    """Stages of a promise and of a plan move only as listed (domain.md 4.2)."""
    assert may(PROMISE_MOVES, "OPEN", "KEPT")
    assert not may(PROMISE_MOVES, "BROKEN", "KEPT")
    assert not may(PROMISE_MOVES, "CANCELLED", "OPEN")
    assert not may(PLAN_MOVES, "BREACHED", "ACTIVE")
    for machine in (PROMISE_MOVES, PLAN_MOVES):
        assert {to for moves in machine.values() for to in moves} <= set(machine)


# --- holds and hand-overs --------------------------------------------------------------------------------------------


async def test_a_hold_says_what_it_stops_until_when_and_by_what_evidence(bank: Bank) -> None:
    await bank.file({"n": 1})
    await bank.night()
    case = await bank.case(1)
    await task(bank, "LETTER", case.id)
    until = WEDNESDAY + timedelta(days=2)
    async with bank.database.begin() as s:
        await cases.hold(
            s, case.id, reason="BREATHING_SPACE", at=bank.now, until=until, evidence="certificate 17", since=WEDNESDAY
        )
    async with bank.database.begin() as s:
        assert await cases.stopped(s, case.id, "letter", until) == "BREATHING_SPACE"
        assert await cases.stopped(s, case.id, "letter", until + timedelta(days=1)) == ""
        assert (await s.scalars(select(Task.state).where(Task.kind == "LETTER"))).one() == "CANCELLED"
    bank.at(WEDNESDAY + timedelta(days=3))
    await bank.night()
    held = await one(bank, Hold)
    assert (held.evidence, held.pauses_days, held.valid_to, held.lifted_why) == (
        "certificate 17",
        True,
        until,
        "HOLD_ENDED",
    )
    assert (await bank.case(1)).state == "ACTIVE"


async def test_hand_over_has_an_act_and_leaves_the_former_owner_reading(bank: Bank) -> None:
    await bank.file({"n": 1})
    await bank.night()
    former, chief, lawyer = uuid4(), uuid4(), uuid4()
    case_id = (await bank.case(1)).id
    async with bank.database.begin() as s:
        case = await s.get_one(Case, case_id)
        case.unit, case.owner_id = "soft", former
        given = await hand_over.propose(
            s, case_id, to_unit="legal", at=bank.now, by=former, to_owner=lawyer, reason="91 days"
        )
        assert given.act["loans"][0]["balance"] == "10000.00"
        with pytest.raises(Conflict, match="does not accept"):
            await hand_over.accept(s, given.id, at=bank.now, by=former)
        assert await hand_over.right(s, case, former) == "write"
        await hand_over.accept(s, given.id, at=bank.now, by=chief)
        assert (case.unit, case.owner_id) == ("legal", lawyer)
        assert [await hand_over.right(s, case, user) for user in (former, lawyer, chief)] == ["read", "write", ""]
        with pytest.raises(Conflict, match="decided"):
            await hand_over.refuse(s, given.id, at=bank.now, by=chief, why="late")


async def test_dm01_dm14_from_unit_to_unit_to_the_court(bank: Bank) -> None:
    """DM-01, DM-14, domain 4.2: security and legal take the case over by an act that waits on their list; what its owner had to
    do goes along; claim and writ give stages 5 and 6, which days past due do not touch."""
    await bank.file({"n": 1, "days_past_due": 95})
    await bank.night()
    former, chief, lawyer = uuid4(), uuid4(), uuid4()
    case_id = (await bank.case(1)).id
    async with bank.database.begin() as s:
        (await s.get_one(Case, case_id)).owner_id = former
        await cases.raise_task(s, case_id, "CALLBACK", WEDNESDAY, owner_id=former, at=bank.now)
        await cases.raise_task(s, case_id, "HAND_OVER", WEDNESDAY, unit="security", owned=False, at=bank.now)
    paper: dict[str, Any] = {"court": "Львівський суд", "number": "17/2027", "on": WEDNESDAY, "amount": D(1000), "at": bank.now,
                             "today": WEDNESDAY, "by": chief}  # fmt: skip
    for unit, state, owner in (("security", "TRANSFERRED_SECURITY", None), ("legal", "PRE_LEGAL", lawyer)):
        async with bank.database.begin() as s:
            given = await hand_over.propose(s, case_id, to_unit=unit, at=bank.now, by=former, reason="91 days")
            waits = (await s.scalars(select(Task).where(Task.kind == "TAKE_OVER", Task.state == "OPEN"))).one()
            assert (waits.unit, waits.owner_id, waits.control_date) == (unit, None, WEDNESDAY + timedelta(days=1))
            with pytest.raises(Conflict):
                await court.note(s, case_id, "CLAIM", **paper)
            await hand_over.accept(s, given.id, at=bank.now, by=chief, owner=owner)
            assert (await s.get_one(Case, case_id)).state == state
            left = list(await s.execute(select(Task.kind, Task.owner_id, Task.unit).where(Task.state == "OPEN")))
            assert left == [("CALLBACK", owner, unit)], "his own task went along, the others ended with the act"
    async with bank.database.begin() as s:
        with pytest.raises(BadInput) as refused:
            await court.note(s, case_id, "CLAIM", **(paper | {"on": WEDNESDAY + timedelta(days=1)}))
        assert refused.value.details["field"] == "on"
        await court.note(s, case_id, "CLAIM", **paper)
        with pytest.raises(Conflict):
            await court.note(s, case_id, "CLAIM", **paper)
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.file({"n": 1, "days_past_due": 5})
    await bank.night()
    assert ((await bank.case(1)).state, (await bank.case(1)).stage) == ("LEGAL", 5)
    assert (await bank.reason(1))[0] == "ON_HOLD", "the lawyers have it"
    async with bank.database.begin() as s:
        await court.note(s, case_id, "WRIT", **(paper | {"amount": None}))
    assert ((await bank.case(1)).state, (await bank.case(1)).stage) == ("ENFORCEMENT", 6)
    async with bank.database.begin() as s:
        moves = list(await s.scalars(select(StageMove).where(StageMove.kind == "stage").order_by(StageMove.id)))
    assert [(m.after, m.why) for m in moves] == [("4", "OPENED"), ("5", "COURT"), ("6", "COURT")]


async def test_an_act_brings_a_case_back(bank: Bank) -> None:
    """Out of the lawyers' hands by an act: active again, called again; a promise stands whoever has the case."""
    await bank.file({"n": 1}, {"n": 2})
    await bank.night()
    await promise(bank, 500, WEDNESDAY + timedelta(days=9), n=2)
    async with bank.database.begin() as s:
        for n, states in ((1, ["PRE_LEGAL", "ACTIVE"]), (2, ["PROMISED", "PROMISED"])):
            case = await s.get_one(Case, (await bank.case(n)).id)
            for unit, state in zip(("legal", "soft"), states, strict=True):
                given = await hand_over.propose(s, case.id, to_unit=unit, at=bank.now, by=uuid4(), reason="act")
                await hand_over.accept(s, given.id, at=bank.now, by=uuid4())
                assert case.state == state


async def test_dm13_the_notice_of_a_day_says_what_stood_at_its_end(bank: Bank) -> None:
    """DM-13: asked later, with a payment, other sums and another branch come since, it says what it said; whoever paid before
    the end of the day is not on it."""

    async def told(day: date, branch: str = "") -> list[tuple[str, str, Decimal, int]]:
        start, end = bank.clock.day_bounds(day)
        async with bank.database.begin() as s:
            found = await overdue.turned(s, start, end, branch=branch)
        return [(one.contract_no, one.branch, one.overdue, one.days_past_due) for one in found]

    healthy = {"overdue_principal": 0, "days_past_due": 0}
    await bank.file(*({"n": n, "branch": "Львів"} for n in (1, 2, 3)), {"n": 4, "branch": "Львів"} | healthy)
    await bank.night()
    bank.at(WEDNESDAY, hour=11)
    await take(bank, pay("A", "1000", bank.now, n=3))
    first = [("C1", "Львів", D(1000), 10), ("C2", "Львів", D(1000), 10)]
    assert await told(WEDNESDAY) == first
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.file(
        {"n": 1, "branch": "Київ", "overdue_principal": "1020", "days_past_due": 11}, {"n": 4, "branch": "Львів"}
    )
    await bank.night()
    await take(bank, pay("B", "1000", bank.now, n=2))
    assert await told(WEDNESDAY) == first
    assert await told(WEDNESDAY, "Київ") == []
    assert await told(WEDNESDAY + timedelta(days=1)) == [("C4", "Львів", D(1000), 10)]
    assert await told(WEDNESDAY - timedelta(days=1)) == []


async def test_instalments_of_a_plan_beyond_the_overdue_are_kept_by_payments(bank: Bank) -> None:
    """domain.md 4.2: a plan may cover the whole debt; with nothing overdue any more its later instalments still wait for money,
    alike one by one and in the night's statements. A bank that sends balances alone tells it by those of the instalment's day."""
    await bank.file(
        {"n": 1, "balance": "3000", "overdue_principal": "1000"},
        {"n": 2, "balance": "3000", "overdue_principal": "1000"},
    )
    await bank.night()
    one, two = uuid4(), uuid4()
    days = [WEDNESDAY + timedelta(days=n) for n in (1, 3, 20)]
    for n in (1, 2):
        async with bank.database.begin() as s:
            plan = await plans.propose(s, (await bank.case(n)).id, [(day, Decimal(1000)) for day in days], currency="UAH",
                                       at=bank.now, today=WEDNESDAY, by=one)  # fmt: skip
            await plans.approve(s, plan.id, at=bank.now, by=two)

    async def states(n: int) -> list[str]:
        query = select(Promise.state).where(Promise.case_id == (await bank.case(n)).id).order_by(Promise.due_date)
        async with bank.database.begin() as s:
            return list(await s.scalars(query))

    bank.at(days[0], 12)
    await take(bank, pay("P1", "1000", bank.now))
    assert await states(1) == ["KEPT", "OPEN", "OPEN"], "the overdue is paid, the plan is not"
    bank.at(days[0], 22)
    await bank.file({"n": 1, "balance": "2000", "overdue_principal": "0", "days_past_due": 0},
                    {"n": 2, "balance": "2000", "overdue_principal": "0", "days_past_due": 0})  # fmt: skip
    bank.at(days[0] + timedelta(days=1))
    await bank.night()
    assert (await states(1), await states(2)) == (["KEPT", "OPEN", "OPEN"], ["KEPT", "OPEN", "OPEN"])
    bank.at(days[1] + timedelta(days=2), 2)
    await bank.file({"n": 1, "balance": "2000", "overdue_principal": "0", "days_past_due": 0},
                    {"n": 2, "balance": "1000", "overdue_principal": "0", "days_past_due": 0})  # fmt: skip
    bank.at(days[1] + timedelta(days=2))
    await bank.night()
    assert (await states(1))[1] == "BROKEN", "payments are known of this plan, and none came"
    assert await states(2) == ["KEPT", "KEPT", "OPEN"]
