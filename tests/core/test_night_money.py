"""The night in whole statements gives what one borrower at a time gives; in ranges, killed, by portfolio, with an end (DM-09)."""

import random
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core import money_in, nightly
from backoffice_core.borrowers.models import Person
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, CaseEvent
from backoffice_core.cases.rules import may_move
from backoffice_core.collection import bands, matching, plans
from backoffice_core.collection import service as collection
from backoffice_core.collection.models import StageMove
from backoffice_core.collection.rules import stage_of
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.loans.payments import PaymentRow, import_schedule, post
from tests.core.bank import KYIV, WEDNESDAY, Bank

D = Decimal
# What both ways must leave, without surrogate ids and stamps.
STATE = (
    "SELECT p.external_ref, c.state, c.stage, c.bucket, c.episode, c.closed_at IS NULL, c.hold_reason, c.hold_until"
    " FROM cases c JOIN persons p ON p.id = c.person_id",
    "SELECT p.external_ref, r.amount, r.due_date, r.state, r.matched FROM promises r JOIN cases c ON c.id = r.case_id"
    " JOIN persons p ON p.id = c.person_id",
    "SELECT p.external_ref, t.kind, t.state, t.control_date FROM tasks t JOIN cases c ON c.id = t.case_id"
    " JOIN persons p ON p.id = c.person_id",
    "SELECT p.external_ref, m.kind, m.before, m.after, m.as_at, m.why, m.days_past_due, m.version FROM stage_moves m"
    " JOIN cases c ON c.id = m.case_id JOIN persons p ON p.id = c.person_id",
    "SELECT p.external_ref, e.kind, CAST(e.data - 'promise_id' - 'plan_id' AS text) FROM case_events e"
    " JOIN cases c ON c.id = e.case_id JOIN persons p ON p.id = c.person_id",
    "SELECT contract_no, balance, overdue_principal, days_past_due, paid_since FROM loans",
    "SELECT p.external_ref, x.state FROM payment_plans x JOIN cases c ON c.id = x.case_id JOIN persons p ON p.id = c.person_id",
)


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    return bank


async def state(session: AsyncSession) -> list[Counter[tuple[Any, ...]]]:
    return [Counter(tuple(row) for row in await session.execute(text(sql))) for sql in STATE]


def rows(dice: random.Random, day: int) -> list[dict[str, Any]]:
    """Sixty loans of forty people: some cured, some paid off, some in two currencies, some late without a sum."""
    out = []
    for n in range(1, 61):
        dpd = dice.choice((0, 0, 1, 5, 29, 30, 31, 60, 61, 90, 91, 200, 400))
        late = 0 if dpd == 0 else dice.choice((0, "0.40", 100, 500, 1000))
        balance = 0 if late == 0 and dice.random() < 0.3 else 10_000
        owner = (n - 1) % 40 + 1
        out.append(
            {"n": n, "person_ref": f"P{owner}", "phones": f"+38067{1_000_000 + owner:07d}",
             "days_past_due": dpd + (day if dpd else 0),
             "overdue_principal": late, "balance": balance, "currency": "UAH" if n <= 50 else "EUR"}
        )  # fmt: skip
    return out


async def moved_only_as_listed(bank: Bank) -> None:
    """Property: each line of a case's history goes on where the one before ended, by a move that domain.md 4.2 lists; stages and
    buckets too, each by the days that it names."""
    async with bank.database.begin() as s:
        at: dict[UUID, str] = {}
        lines = await s.execute(
            select(CaseEvent.case_id, CaseEvent.data).where(CaseEvent.kind == "state").order_by(CaseEvent.id)
        )
        for case_id, data in lines:
            before, to = data["from"], data["to"]
            assert before == at.get(case_id, ""), data
            assert may_move(before, to) or (before, to) in {("", "NEW"), ("ON_HOLD", "ON_HOLD")}, data
            at[case_id] = to
        assert at == {case_id: now for case_id, now in await s.execute(select(Case.id, Case.state))}
        stood: dict[tuple[UUID, str], str] = {}
        buckets = await bands.in_force(s, "bucket", WEDNESDAY)
        for move in await s.scalars(select(StageMove).order_by(StageMove.id)):
            assert move.before == stood.get((move.case_id, move.kind), ""), move
            named = buckets.code(move.days_past_due) if move.kind == "bucket" else str(stage_of(move.days_past_due))
            assert move.after == named
            stood[move.case_id, move.kind] = move.after
        for case in await s.scalars(select(Case)):
            assert (stood[case.id, "stage"], stood[case.id, "bucket"]) == (str(case.stage), case.bucket)


@pytest.mark.parametrize("seed", [1, 2])
async def test_dm09_the_night_and_one_borrower_at_a_time_give_the_same(bank: Bank, tmp_path: Path, seed: int) -> None:
    """DM-09, DM-06: whole statements and the single-case path give the same numbers."""
    dice = random.Random(seed)
    await bank.file(*rows(dice, 0))
    await bank.night()
    schedule = tmp_path / "s.csv"
    schedule.write_text("contract_no;due_date;amount\n" + "".join(
        f"C{n};{WEDNESDAY - timedelta(days=dice.randrange(1, 90))};{dice.choice((50, 300))}\n" for n in range(1, 20)
    ))  # fmt: skip
    refs = []
    async with bank.database.begin() as s:
        await import_schedule(s, schedule, as_at=bank.now)
        for case in list(await s.scalars(select(Case).where(Case.state == "ACTIVE").order_by(Case.number))):
            due = WEDNESDAY + timedelta(days=dice.randrange(0, 4))
            what = dice.random()
            if what < 0.5:
                await collection.make_promise(
                    s, case.id, amount=D(dice.choice((50, 100, 400, 900))), currency="UAH", due_date=due, at=bank.now,
                    call_id=uuid4(),
                )  # fmt: skip
                await cases.raise_task(s, case.id, "CHECK_PROMISE", due, f"CHECK_PROMISE:{case.id}", at=bank.now)
            elif what < 0.6:
                await cases.hold(
                    s, case.id, reason="HARDSHIP", at=bank.now, until=WEDNESDAY + timedelta(days=dice.randrange(4))
                )
            elif what < 0.8:
                parts = [(WEDNESDAY + timedelta(days=day), D(100)) for day in (0, 2, 9)]
                try:
                    plan = await plans.propose(s, case.id, parts, currency="UAH", at=bank.now, today=WEDNESDAY, by=None)
                except BadInput:
                    continue
                await plans.approve(s, plan.id, at=bank.now, by=uuid4())
        for n in range(1, 50, 3):
            refs.append(
                PaymentRow(
                    external_ref=f"R{n}", contract_no=f"C{n}", amount=D(dice.choice((60, 100, 1500))), paid_at=bank.now
                )
            )
        paid = await post(s, refs, at=bank.now)
        await matching.settle(s, paid.new, at=bank.now, today=WEDNESDAY, zone=KYIV)
    bank.at(WEDNESDAY + timedelta(days=3))
    await bank.file(*rows(dice, 3))
    async with bank.database.sessions() as s:
        everybody = set(await s.scalars(select(Person.id)))
        given = {"at": bank.now, "today": bank.clock.today(), "zone": KYIV}
        for person in sorted(everybody, key=lambda _: dice.random()):
            await money_in.count_days(s, {person}, bank.settings, **given)  # type: ignore[arg-type]
            await collection.open_cases(s, bank.now, bank.clock.today(), [person])
            await collection.judge_promises(s, bank.now, bank.clock.today(), KYIV, [person])
            case = select(Case.id).where(Case.person_id == person, Case.closed_at.is_(None))
            await plans.settle(s, bank.now, list(await s.scalars(case)))
            await collection.move_cases(s, bank.now, bank.clock.today(), [person])
        await s.flush()
        alone = await state(s)
        await s.rollback()
    report = await bank.night()
    async with bank.database.begin() as s:
        together = await state(s)
    assert [one - two for one, two in zip(alone, together, strict=True)] == [Counter()] * len(STATE)
    assert alone == together
    await moved_only_as_listed(bank)
    judged = report.counts("judge_promises")
    assert judged["kept"]
    assert judged["broken"]
    assert report.counts("move_stages")["cured"]


async def test_ranges_a_kill_costs_one_range_and_the_end_is_the_same(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumable within a big step: after a kill in the third range of five the first two are not done again."""
    bank.settings = bank.settings.model_copy(update={"night_range": 3})
    await bank.file(*({"n": n} for n in range(1, 15)))
    seen: list[UUID] = []
    steps = dict(nightly.STEPS)

    async def dies(session: AsyncSession, night: nightly.Night) -> dict[str, int]:
        if len(seen) == 2:
            seen.append(night.low)
            await steps["open_cases"](session, night)
            raise RuntimeError("killed")
        seen.append(night.low)
        return await steps["open_cases"](session, night)

    monkeypatch.setattr(nightly, "STEPS", tuple((n, dies if n == "open_cases" else s) for n, s in nightly.STEPS))
    with pytest.raises(RuntimeError, match="killed"):
        await bank.night()
    async with bank.database.begin() as s:
        assert len(list(await s.scalars(select(Case.id)))) == 6
    report = await bank.night(again=True)
    assert len(seen) == 3 + 3  # the third range again, the fourth and the fifth
    assert seen[2] == seen[3]
    assert report.counts("open_cases")["opened"] == 14
    assert len(await bank.tasks()) == 14


async def test_at_the_latest_end_the_complete_portfolios_are_published_and_the_others_named(bank: Bank) -> None:
    await bank.file(*({"n": n} for n in range(1, 9)))
    async with bank.database.begin() as s:
        await s.execute(text("UPDATE loans SET portfolio = CASE WHEN contract_no < 'C5' THEN 'cards' ELSE 'cash' END"))
    await bank.night()
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.file(*({"n": n, "days_past_due": 31} for n in range(1, 9)))
    async with bank.database.begin() as s:
        await s.execute(text("UPDATE loans SET portfolio = CASE WHEN contract_no < 'C5' THEN 'cards' ELSE 'cash' END"))
    until = bank.now + timedelta(minutes=30)
    slow = bank.clock

    def late(step: str, done: int, total: int) -> None:
        if step == "move_stages" and done:  # the first portfolio is through: now the time is over
            slow.offset += timedelta(hours=1)

    report = await nightly.run_night(bank.database, slow, bank.settings, slow.today(), late, until=until)
    assert (report.complete, report.late) == (["cards"], ["cash"])
    rules = {row.rule for row in (await bank.reasons()).values()}
    assert (len(await bank.tasks()), rules) == (4, {"NIGHT_LATE"})
    assert ((await bank.case(1)).stage, (await bank.case(8)).stage) == (2, 1)
    report = await bank.night()
    assert (report.complete, report.late) == (["cards", "cash"], [])
    assert len(await bank.tasks()) == 8
    assert (await bank.case(8)).stage == 2


async def test_nobody_is_called_about_an_old_balance(bank: Bank) -> None:
    await bank.file({"n": 1})
    await bank.night()
    bank.at(WEDNESDAY + timedelta(days=9))
    days = bank.settings
    bank.settings = days.model_copy(update={"balance_max_days": 20})
    await bank.night()
    assert len(await bank.tasks()) == 1
    bank.settings = days
    await bank.night(again=True)
    assert (await bank.reason())[::2] == ("ON_HOLD", "OLD_BALANCE")
