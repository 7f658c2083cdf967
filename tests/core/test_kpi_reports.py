"""The last KPIs of domain.md 2.4 by hand: liquidation by vintage, time to first contact, right parties per agent-hour,
complaints per 10,000 contacts; each as at a day that later facts leave alone."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from backoffice_core.borrowers.models import ContactPoint
from backoffice_core.call_centre.models import AgentSession, CallAttempt
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Task
from backoffice_core.collection import complaints
from backoffice_core.config import Settings
from backoffice_core.db import Database, new_key
from backoffice_core.errors import BadInput, Conflict, NotAllowed
from backoffice_core.loans.payments import PaymentRow
from backoffice_core.money_in import take
from backoffice_core.reports.service import FAMILIES
from backoffice_core.staff import units
from tests.core.bank import KYIV, WEDNESDAY, Bank
from tests.core.test_reports import asked, figures, person, some

D = Decimal
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    return bank


def rates(name: str, values: Any) -> dict[str, Decimal | None]:
    return {one.name: one.rounded(values) for one in FAMILIES[name].rates}


async def pay(bank: Bank, n: int, amount: str, ref: str, **more: str) -> None:
    row = PaymentRow(external_ref=ref, contract_no=f"C{n}", paid_at=bank.now, amount=D(amount), **more)
    async with bank.database.begin() as s:
        done = await take(s, [row], bank.settings, at=bank.now, today=bank.clock.today(), zone=KYIV, by="test")
        assert not done.posted.refused


async def talk(bank: Bank, n: int, outcome: str, agent: UUID, at: datetime, *, rpc: bool) -> None:
    case = await bank.case(n)
    point = await bank.phone(n)
    async with bank.database.begin() as s:
        assert isinstance(point, ContactPoint)
        call = CallAttempt(
            id=new_key(), case_id=case.id, person_id=case.person_id, contact_point_id=point.id, direction="out", campaign="c",
            number=point.value, trunk="t", purpose="collection", caller_id="", language="uk", fence=1, state="ENDED",
            business_at=at, claimed_at=at, bridged_at=at, ended_at=at + timedelta(seconds=60), agent_id=agent,
            result="ANSWERED_HUMAN",
        )  # fmt: skip
        s.add(call)
        await cases.add_event(s, case.id, "outcome", at, agent, call.id, {"outcome": outcome, "rpc": rpc})


async def test_liquidation_is_collected_of_placed_by_vintage_and_stays_as_at_its_day(bank: Bank) -> None:
    """domain.md 2.4: collected in the period / balance placed at its start, by placement vintage; a payment before the start,
    one that went back and a loan placed later count for nothing."""
    bank.at(WEDNESDAY.replace(day=1) - DAY, 20)  # the last of January
    await bank.file({"n": 1, "balance": "1000", "overdue_principal": "400", "as_at": (bank.now - HOUR).isoformat()})
    await bank.night()
    bank.at(WEDNESDAY)
    await bank.file({"n": 2, "balance": "3000"}, {"n": 3, "days_past_due": 0, "overdue_principal": 0, "balance": "500"})
    await bank.night()
    bank.at(WEDNESDAY, 12)
    await pay(bank, 2, "100", "before the start")
    bank.at(WEDNESDAY + DAY, 12)
    await pay(bank, 1, "250", "R1")
    await pay(bank, 2, "300", "R2")
    await pay(bank, 3, "50", "R3")  # of no placed loan
    bank.at(WEDNESDAY + DAY, 13)
    await pay(bank, 2, "300", "R2-back", reverses="R2")
    question = asked("liquidation", WEDNESDAY + DAY, WEDNESDAY)

    async def thursday() -> None:
        found = await figures(bank, question)
        assert set(found) == {"2027-01 UAH", "2027-02 UAH", "=UAH"}
        assert some(found["2027-01 UAH"], "loans", "placed", "payers", "collected") == (1, D(1000), 1, D(250))
        assert some(found["2027-02 UAH"], "loans", "placed", "payers", "collected") == (1, D(2900), 0, D(0))
        assert rates("liquidation", found["2027-01 UAH"]) == {"liquidation": D("0.2500"), "payer_share": D("1.0000")}
        assert rates("liquidation", found["=UAH"])["liquidation"] == D("0.0641"), "250 / 3900"

    await thursday()
    bank.at(WEDNESDAY + 3 * DAY, 12)
    await pay(bank, 1, "100", "R4")
    await thursday()
    later = await figures(bank, asked("liquidation", WEDNESDAY + 3 * DAY, WEDNESDAY))
    assert later["2027-01 UAH"]["collected"] == D(350)


async def test_first_contact_and_right_parties_per_hour(bank: Bank) -> None:
    """domain.md 2.4: time to first contact; RPC / logged-in hours. A machine is no contact, a third person is one; a session over
    midnight is of both days, pauses included; who waits for a contact is no part of the mean."""
    await bank.file({"n": 1}, {"n": 2}, {"n": 3})
    await bank.night()  # cases open at 03:00
    bank.at(WEDNESDAY, 3)
    async with bank.database.begin() as s:
        await units.put(s, "soft", who="test", name="Soft")
    olha, petro = await person(bank, "olha", "soft"), await person(bank, "petro")
    opened = (await bank.case(1)).opened_at
    await talk(bank, 1, "VOICEMAIL_LIMITED", olha.id, opened + HOUR, rpc=False)
    await talk(bank, 1, "PTP_FULL", olha.id, opened + 6 * HOUR, rpc=True)
    await talk(bank, 1, "REFUSE", olha.id, opened + 7 * HOUR, rpc=True)
    await talk(bank, 2, "LEFT_MSG_3P", petro.id, opened + 30 * HOUR, rpc=False)
    midnight = datetime.combine(WEDNESDAY + DAY, datetime.min.time(), KYIV)
    async with bank.database.begin() as s:
        for user, since, till in (
            (olha, midnight - 4 * HOUR, midnight + HOUR),
            (petro, midnight + HOUR, midnight + 2 * HOUR),
        ):
            s.add(AgentSession(id=new_key(), user_id=user.id, phone="desk", endpoint=f"{user.login}", state="OFF", since=since,
                               started_at=since, ended_at=till))  # fmt: skip
    week = f"{WEDNESDAY:%G-W%V}"
    first = await figures(bank, asked("reach", WEDNESDAY, WEDNESDAY))
    assert some(first[week], "cases", "reached", "day_one", "waiting", "seconds") == (3, 1, 1, 2, 6 * 3600)
    second = await figures(bank, asked("reach", WEDNESDAY + DAY, WEDNESDAY))
    assert some(second[week], "cases", "reached", "day_one", "waiting", "seconds") == (3, 2, 1, 1, 36 * 3600)
    assert rates("reach", second[week]) == {
        "mean_hours": D("18.00"),
        "reached_share": D("0.6667"),
        "day_one_share": D("0.3333"),
    }
    assert await figures(bank, asked("reach", WEDNESDAY, WEDNESDAY)) == first

    hours = await figures(bank, asked("hours", WEDNESDAY, WEDNESDAY))
    assert some(hours[str(olha.id)], "logged", "talks", "rpc") == (4 * 3600, 3, 2)
    assert rates("hours", hours[str(olha.id)])["rpc_hour"] == D("0.50")
    both = await figures(bank, asked("hours", WEDNESDAY + DAY, WEDNESDAY, by="unit"))
    assert some(both["soft"], "logged", "rpc") == (5 * 3600, 2)
    assert some(both[""], "logged", "talks", "rpc") == (3600, 1, 0)
    assert rates("hours", both["="]) == {"rpc_hour": D("0.33"), "ptp_hour": D("0.00")}


async def test_complaints_per_ten_thousand_contacts_and_how_one_is_answered(bank: Bank) -> None:
    """domain.md 2.4: complaints / contacts × 10 000. A complaint is a task until somebody else than whom it is about answers it;
    as at the day before, it stands unanswered."""
    await bank.file({"n": 1}, {"n": 2})
    await bank.night()
    olha, petro = await person(bank, "olha"), await person(bank, "petro")
    for n, outcome in ((1, "REFUSE"), (2, "LEFT_MSG_3P"), (2, "NO_CONTACT"), (1, "CALLBACK"), (1, "PTP_PART")):
        await talk(bank, n, outcome, olha.id, bank.now, rpc=outcome != "LEFT_MSG_3P")
    case = await bank.case(1)
    async with bank.database.begin() as s:
        for bad in ({"kind": "X"}, {"channel": "pigeon"}, {"text": " "}):
            with pytest.raises(BadInput) as refused:
                await complaints.note(
                    s, case.id, **({"kind": "TONE", "channel": "call", "text": "x"} | bad), about=None, at=bank.now, by=petro.id
                )  # fmt: skip
            assert refused.value.details["field"] in bad
        one = await complaints.note(
            s, case.id, kind="TONE", channel="call", text="He shouted", about=olha.id, at=bank.now, by=petro.id
        )
        task = (await s.scalars(select(Task).where(Task.case_id == case.id, Task.kind == "COMPLAINT"))).one()
        assert (task.state, task.control_date) == ("OPEN", WEDNESDAY + 7 * DAY)  # five working days
        with pytest.raises(NotAllowed):
            await complaints.answer(s, one.id, "REJECTED", "no", at=bank.now, by=olha.id)
    found = await figures(bank, asked("complaints", WEDNESDAY, WEDNESDAY, by="person"))
    assert some(found[str(olha.id)], "contacts", "complaints", "open") == (4, 1, 1)
    assert rates("complaints", found["="])["per_10000"] == D("2500.00")
    bank.at(WEDNESDAY + DAY, 12)
    async with bank.database.begin() as s:
        await complaints.answer(s, one.id, "UPHELD", "We are sorry", at=bank.now, by=petro.id)
        assert (await s.get_one(Task, task.id)).state == "DONE"
        with pytest.raises(Conflict):
            await complaints.answer(s, one.id, "REJECTED", "no", at=bank.now, by=petro.id)
    assert (await figures(bank, asked("complaints", WEDNESDAY, WEDNESDAY, by="person")))["="]["open"] == 1
    after = (await figures(bank, asked("complaints", WEDNESDAY + DAY, WEDNESDAY, by="channel")))["call"]
    assert some(after, "complaints", "upheld", "open") == (1, 1, 0)
