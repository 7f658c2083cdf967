"""Acts of the late stages (domain.md 4.2): who approves, what stops, who still reads, how a mistake is undone."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, CaseEvent, HandOver, Task
from backoffice_core.collection import bands, hand_over, late
from backoffice_core.collection import service as collection
from backoffice_core.collection.models import LateAct, Promise
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, Conflict, NotAllowed
from tests.core.bank import WEDNESDAY, Bank
from tests.core.test_reports import asked, figures, person, some

D, DAY = Decimal, timedelta(days=1)


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    await bank.file({"n": 1, "days_past_due": 200, "balance": "5000", "overdue_principal": "4000"}, {"n": 2})
    await bank.night()
    return bank


async def act(bank: Bank, name: str, by: UUID, approvers: Sequence[UUID] = (), n: int = 1, **more: Any) -> LateAct:
    given = {"counterparty": "Buyer Ltd", "number": "17-K", "on": bank.clock.today(), "reason": "resolution",
             "price": D("1500")} | more  # fmt: skip
    async with bank.database.begin() as s:
        one = await late.propose(
            s, (await bank.case(n)).id, name, at=bank.now, today=bank.clock.today(), by=by, **given
        )
        for who in approvers:
            await late.approve(s, one.id, at=bank.now, today=bank.clock.today(), by=who)
        return one


async def state(bank: Bank) -> tuple[str, int, str, UUID | None]:
    case = await bank.case()
    return case.state, case.stage, case.unit, case.owner_id


async def test_dm01_a_write_off_needs_two_more_stops_everything_and_is_undone_by_two(bank: Bank) -> None:
    """domain.md 4.2: … → WRITTEN_OFF (two approvals): stage 7; calls, promises, steps stop; who had it reads; recovery
    goes on from there; a mistake comes back to state, stage, unit and owner of before."""
    olha, petro, vira = [await person(bank, name) for name in ("olha", "petro", "vira")]
    case = await bank.case()
    async with bank.database.begin() as s:
        held = await s.get_one(Case, case.id)
        held.owner_id, held.unit = olha.id, "hard"
        await collection.make_promise(s, case.id, amount=D(100), currency="UAH", due_date=WEDNESDAY + DAY, at=bank.now)
        await cases.raise_task(s, case.id, "LETTER", WEDNESDAY, at=bank.now, unit="letters")
        await cases.raise_task(s, case.id, "DISPUTE", WEDNESDAY, at=bank.now, unit="letters")
    one = await act(bank, "WRITE_OFF", olha.id)
    async with bank.database.begin() as s:
        with pytest.raises(NotAllowed):
            await late.approve(s, one.id, at=bank.now, today=WEDNESDAY, by=olha.id)
        await late.approve(s, one.id, at=bank.now, today=WEDNESDAY, by=petro.id)
        with pytest.raises(NotAllowed):
            await late.approve(s, one.id, at=bank.now, today=WEDNESDAY, by=petro.id)
    assert (await state(bank))[0] == "PROMISED", "one approval is not two"
    async with bank.database.begin() as s:
        await late.approve(s, one.id, at=bank.now, today=WEDNESDAY, by=vira.id)
    assert await state(bank) == ("WRITTEN_OFF", 7, "", None)
    async with bank.database.begin() as s:
        tasks = {t.kind: t.state for t in await s.scalars(select(Task).where(Task.case_id == case.id))}
        assert (tasks["LETTER"], tasks["DISPUTE"], tasks["APPROVE"]) == ("CANCELLED", "OPEN", "DONE")
        assert list(await s.scalars(select(Promise.state).where(Promise.case_id == case.id))) == ["CANCELLED"]
        assert await hand_over.right(s, await s.get_one(Case, case.id), olha.id) == "read"
        told = await s.scalars(select(CaseEvent.data["state"].astext).where(
            CaseEvent.case_id == case.id, CaseEvent.kind == "late_act").order_by(CaseEvent.id))  # fmt: skip
        assert list(told) == ["PROPOSED", "PROPOSED", "APPROVED"]
    bank.at(WEDNESDAY + DAY)
    await bank.night()
    assert (await bank.reason())[0] == "CLOSED", "nobody calls what was written off"
    assert (await state(bank))[:2] == ("WRITTEN_OFF", 7), "the night leaves the stage of an act alone"
    await act(bank, "RECOVERY", petro.id, [olha.id])
    assert (await state(bank))[:2] == ("RECOVERY", 7)
    async with bank.database.begin() as s:
        with pytest.raises(Conflict):  # another act came after it
            await late.ask_reversal(s, one.id, why="wrong case", at=bank.now, by=petro.id)
        last = (await late.of_case(s, case.id))[0]
        for each in (last, one):
            with pytest.raises(BadInput):
                await late.ask_reversal(s, each.id, why=" ", at=bank.now, by=petro.id)
            await late.ask_reversal(s, each.id, why="wrong case", at=bank.now, by=petro.id)
            with pytest.raises(NotAllowed):
                await late.reverse(s, each.id, at=bank.now, today=WEDNESDAY + DAY, by=petro.id)
            await late.reverse(s, each.id, at=bank.now, today=WEDNESDAY + DAY, by=vira.id)
    assert await state(bank) == ("ACTIVE", 4, "hard", olha.id), "the promise that the act ended stays ended"
    async with bank.database.begin() as s:
        assert (await bands.as_at(s, "stage", WEDNESDAY))[case.id] == "7"
        assert (await bands.as_at(s, "stage", WEDNESDAY + DAY))[case.id] == "4"
    before = await figures(bank, asked("acts", WEDNESDAY, WEDNESDAY))
    assert some(before["WRITE_OFF UAH"], "acts", "in_force", "reversed", "balance") == (1, 1, 0, D(5000))
    now = await figures(bank, asked("acts", WEDNESDAY + DAY, WEDNESDAY))
    assert some(now["WRITE_OFF UAH"], "acts", "in_force", "reversed", "balance") == (1, 0, 1, D(0))


async def test_an_agency_gets_no_case_with_a_promise_and_gives_it_back_to_whom_it_was(bank: Bank) -> None:
    """ACTIVE|PRE_LEGAL → PLACED (agency; no open promise), PLACED → ACTIVE (recall): the stage follows the days again."""
    olha, petro = await person(bank, "olha"), await person(bank, "petro")
    case = await bank.case()
    async with bank.database.begin() as s:
        held = await s.get_one(Case, case.id)
        held.owner_id, held.unit = olha.id, "hard"
        given = await hand_over.propose(s, case.id, to_unit="legal", at=bank.now, by=olha.id)
    with pytest.raises(Conflict, match="hand-over"):
        await act(bank, "AGENCY", olha.id)
    async with bank.database.begin() as s:
        await hand_over.refuse(s, given.id, at=bank.now, by=petro.id, why="no")
    with pytest.raises(Conflict):
        await act(bank, "RECALL", olha.id)
    for field, wrong in (
        ("counterparty", ""),
        ("number", ""),
        ("reason", " "),
        ("on", WEDNESDAY + DAY),
        ("number", "x" * 201),
    ):
        with pytest.raises(BadInput) as refused:
            await act(bank, "AGENCY", olha.id, **{field: wrong})
        assert refused.value.details["field"] == field
    one = await act(bank, "AGENCY", olha.id)
    with pytest.raises(Conflict):
        await act(bank, "AGENCY", petro.id)
    async with bank.database.begin() as s:
        await collection.make_promise(s, case.id, amount=D(10), currency="UAH", due_date=WEDNESDAY + DAY, at=bank.now)
        with pytest.raises(Conflict):
            await late.approve(s, one.id, at=bank.now, today=WEDNESDAY, by=petro.id)
    async with bank.database.begin() as s:
        promise = (await s.scalars(select(Promise).where(Promise.case_id == case.id))).one()
        await collection.set_promise(s, promise, "CANCELLED", bank.now)
        await cases.move(s, await s.get_one(Case, case.id), "ACTIVE", at=bank.now, reason="PROMISE_CANCELLED")
        await late.approve(s, one.id, at=bank.now, today=WEDNESDAY, by=petro.id)
    assert await state(bank) == ("PLACED", 8, "", None)
    await act(bank, "RECALL", petro.id, [olha.id])
    assert await state(bank) == ("ACTIVE", 4, "hard", olha.id)


async def test_a_sold_case_is_no_new_one_while_the_list_has_it_and_closes_when_nothing_is_owed(bank: Bank) -> None:
    """… → SOLD (two persons) → CLOSED (no open task): alike in the night's statements and one by one; calls stop."""
    olha, petro = await person(bank, "olha"), await person(bank, "petro")
    with pytest.raises(BadInput, match="price"):
        await act(bank, "SALE", olha.id, price=None)
    await act(bank, "SALE", olha.id, [petro.id])
    assert await state(bank) == ("SOLD", 9, "", None)
    number = (await bank.case()).number
    bank.at(WEDNESDAY + DAY)
    await bank.file({"n": 1, "days_past_due": 201, "balance": "5000", "overdue_principal": "4000"}, {"n": 2})
    await bank.night()
    assert ((await bank.case()).number, (await state(bank))[0]) == (number, "SOLD")
    assert (await bank.reason())[0] == "CLOSED"
    sold = await figures(bank, asked("acts", WEDNESDAY, WEDNESDAY))
    assert some(sold["SALE UAH"], "in_force", "balance", "price") == (1, D(5000), D(1500))
    bank.at(WEDNESDAY + 2 * DAY)
    await bank.file({"n": 1, "days_past_due": 0, "balance": "0", "overdue_principal": "0"}, {"n": 2})
    await bank.night()
    closed = await bank.case()
    assert (closed.number, closed.state, bool(closed.closed_at)) == (number, "CLOSED", True)
    async with bank.database.begin() as s:
        assert late.possible(closed) == []
        acts = (await s.scalars(select(HandOver).where(HandOver.case_id == closed.id))).all()
        assert [(a.state, a.to_unit, a.act["late_act"] > 0) for a in acts] == [("ACCEPTED", "", True)]
