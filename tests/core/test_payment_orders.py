"""The order in which a payment covers what is overdue: dated, per product, approved by a second person (domain.md 3.1, 4.4)."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import select

from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, Conflict, NotAllowed
from backoffice_core.loans import orders
from backoffice_core.loans.models import Payment
from backoffice_core.loans.rules import ORDER
from tests.core.bank import WEDNESDAY, Bank
from tests.core.test_kpi_reports import pay

DAY = timedelta(days=1)
PENALTY_FIRST = ("penalty", "fee", "principal", "interest")


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    return bank


async def test_a_payment_is_split_by_the_order_of_its_day_and_product(bank: Bank) -> None:
    """Default: interest, principal, fee, penalty last. A row counts from its day on, for its product, once a second person
    approved it; a payment told later of a day before is split as that day's was."""
    late = {"overdue_principal": "100", "overdue_interest": "20", "overdue_penalty": "30"}
    await bank.file({"n": 1, "product": "CASH"} | late, {"n": 2, "product": "CARD"} | late)
    await bank.night()
    told = {"valid_from": WEDNESDAY + DAY, "source": "contract 7", "at": bank.now, "today": WEDNESDAY}
    async with bank.database.begin() as s:
        for field, product, order, more in (
            ("order", "", ORDER[:3], {}), ("order", "", (*ORDER[:3], "interest"), {}), ("product", "MOON", ORDER, {}),
            ("valid_from", "", ORDER, {"valid_from": WEDNESDAY}), ("source", "", ORDER, {"source": " "}),
        ):  # fmt: skip
            with pytest.raises(BadInput) as refused:
                await orders.propose(s, product, order, who="os:a", **(told | more))  # type: ignore[arg-type]
            assert refused.value.details["field"] == field
        one = await orders.propose(s, "CASH", PENALTY_FIRST, who="os:a", **told)  # type: ignore[arg-type]
        with pytest.raises(NotAllowed):
            await orders.decide(s, one.id, approve=True, who="os:a", at=bank.now, today=WEDNESDAY)
    async with bank.database.begin() as s:
        assert (await orders.in_force(s)).of("CASH", WEDNESDAY + DAY) == ORDER, "proposed is not in force"
        await orders.decide(s, one.id, approve=True, who="os:b", at=bank.now, today=WEDNESDAY)
        with pytest.raises(Conflict):
            await orders.decide(s, one.id, approve=False, who="os:c", at=bank.now, today=WEDNESDAY)
        held = await orders.in_force(s)
        assert (held.of("CASH", WEDNESDAY), held.of("CASH", WEDNESDAY + DAY), held.of("CARD", WEDNESDAY + DAY)) == (
            ORDER, PENALTY_FIRST, ORDER,
        )  # fmt: skip
    bank.at(WEDNESDAY + DAY, 0.5)  # 22:30 of Wednesday in UTC: the bank's day counts
    await pay(bank, 1, "50", "A")
    await pay(bank, 2, "50", "B")
    bank.now -= timedelta(hours=2)
    await pay(bank, 1, "10", "C")
    async with bank.database.begin() as s:
        split = {p.external_ref: (p.interest, p.principal, p.fee, p.penalty) for p in await s.scalars(select(Payment))}
    assert split == {
        "A": (Decimal(0), Decimal(20), Decimal(0), Decimal(30)), "B": (Decimal(20), Decimal(30), Decimal(0), Decimal(0)),
        "C": (Decimal(10), Decimal(0), Decimal(0), Decimal(0)),
    }  # fmt: skip
