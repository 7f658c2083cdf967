"""A loan's row and its facts say the same whatever comes in which order; what was known once is known for ever (DM-05)."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import select

from backoffice_core import money_in
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.loans import balances
from backoffice_core.loans.balances import Standing
from backoffice_core.loans.models import Loan, Payment
from backoffice_core.loans.payments import PaymentRow, import_schedule
from tests.core.bank import KYIV, WEDNESDAY, Bank

D = Decimal
SAME = ("balance", "overdue_principal", "overdue_interest", "overdue_penalty", "overdue_fee", "days_past_due")


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    return bank


async def take(bank: Bank, ref: str, contract: str, amount: str | None, at: datetime, reverses: str = "") -> None:
    row = PaymentRow(
        external_ref=ref, contract_no=contract, paid_at=at, amount=D(amount) if amount else None, reverses=reverses
    )
    async with bank.database.begin() as s:
        done = await money_in.take(
            s, [row], bank.settings, at=bank.now, today=bank.clock.today(), zone=KYIV, by="test"
        )  # fmt: skip
        assert not done.posted.refused


async def rows(bank: Bank) -> dict[UUID, Loan]:
    async with bank.database.begin() as s:
        return {one.id: one for one in await s.scalars(select(Loan))}


async def facts(bank: Bank, until: datetime, known: datetime | None = None) -> dict[UUID, Standing]:
    async with bank.database.begin() as s:
        return await balances.as_at(s, until, known=known)


async def test_dm05_a_payment_told_after_the_night_comes_off_every_balance_since_it_was_paid(
    bank: Bank, tmp_path: Path
) -> None:
    """By hand: a loan with a schedule, counted by each night; on Friday a payment of Wednesday is told. The row, the report of
    today and that of Thursday have it; that of Thursday as it was known then has not."""
    await bank.file({"n": 1})
    file = tmp_path / "schedule.csv"
    file.write_text("contract_no;due_date;amount;paid\nC1;2027-01-20;500;0\nC1;2027-02-20;500;0\n")
    async with bank.database.begin() as s:
        await import_schedule(s, file, as_at=bank.now)
    ends = {}
    for ahead in range(3):
        bank.at(WEDNESDAY + timedelta(days=ahead))
        await bank.night()
        ends[ahead] = bank.clock.day_bounds(bank.clock.today())[1]
    before = bank.now
    bank.at(WEDNESDAY + timedelta(days=2), hour=10)
    await take(bank, "A", "C1", "300", bank.now - timedelta(days=2))
    (row,) = (await rows(bank)).values()
    assert (row.overdue, row.balance, row.days_past_due) == (D(700), D(9700), 16)
    for ahead, days in ((0, 14), (1, 15), (2, 16)):
        (then,) = (await facts(bank, ends[ahead])).values()
        assert (then.overdue, then.balance, then.days_past_due) == (D(700), D(9700), days)
    (known,) = (await facts(bank, ends[1], before)).values()
    assert (known.overdue, known.balance) == (D(1000), D(10000))


@pytest.mark.parametrize("seed", [6, 26])
async def test_dm05_rows_are_their_facts_whatever_comes_when(bank: Bank, tmp_path: Path, seed: int) -> None:
    """Property, seeded: lists that say the same or something new, payments of the last days, reversals, nights; one loan with a
    schedule, one without. After each the row is what the facts give now, and what was known at every earlier moment stays."""
    dice = Random(seed)
    said = {n: {"n": n, "overdue_principal": "900", "overdue_interest": "80.25", "overdue_penalty": "20", "days_past_due": 14}
            for n in (1, 2)}  # fmt: skip
    await bank.file(*said.values())
    file = tmp_path / "schedule.csv"
    file.write_text("contract_no;due_date;amount;paid\nC1;2027-01-20;500;0\nC1;2027-02-05;500;0\n")
    async with bank.database.begin() as s:
        await import_schedule(s, file, as_at=bank.now)
    seen: list[tuple[datetime, dict[UUID, Standing]]] = []
    sums = dict[str, str]()
    for step in range(22):
        bank.now += timedelta(hours=dice.randrange(1, 9))
        match dice.choice(("list", "list", "pay", "pay", "pay", "back", "night")):
            case "list":
                for n in said if dice.random() < 0.6 else ():
                    said[n] |= {
                        "overdue_principal": str(dice.randrange(0, 1000)),
                        "days_past_due": dice.randrange(1, 40),
                    }
                await bank.file(*said.values())
            case "pay":
                contract, sums[f"P{step}"] = dice.choice(("C1", "C2")), str(dice.randrange(1, 400))
                await take(bank, f"P{step}", contract, sums[f"P{step}"], bank.now - timedelta(hours=dice.randrange(60)))
            case "back":
                async with bank.database.begin() as s:
                    back = select(Payment.reverses).where(Payment.reverses.is_not(None))
                    free = list(await s.execute(
                        select(Payment.external_ref, Loan.contract_no).join(Loan, Loan.id == Payment.loan_id)
                        .where(Payment.kind == "PAYMENT", Payment.id.not_in(back)).order_by(Payment.external_ref)
                    ))  # fmt: skip
                if free:
                    ref, contract = dice.choice(free)
                    await take(bank, f"R{step}", contract, None, bank.now, reverses=ref)
            case _:
                await bank.night(again=True)
        async with bank.database.begin() as s:  # days by the schedule follow each list, as the night after it would
            people = {one for one in await s.scalars(select(Loan.person_id))}
            await money_in.count_days(s, people, bank.settings, at=bank.now, today=bank.clock.today(), zone=KYIV)
        now = await facts(bank, bank.now + timedelta(minutes=1))
        for key, row in (await rows(bank)).items():
            assert [getattr(now[key], name) for name in SAME] == [getattr(row, name) for name in SAME], (
                step,
                row.contract_no,
            )
        seen.append((bank.now + timedelta(seconds=1), await facts(bank, bank.now + timedelta(seconds=1))))
    for moment, standing in seen:
        again = await facts(bank, moment, moment)
        assert {k: replace(v, as_at=moment) for k, v in again.items()} == {
            k: replace(v, as_at=moment) for k, v in standing.items()
        }, moment
