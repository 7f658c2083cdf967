"""The case file on real tables: history, tasks, moves, and what evidence does to a number (CC-10, CC-12, TL-06)."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from backoffice_core.borrowers import service as borrowers
from backoffice_core.borrowers.models import ContactPoint, PersonFlag, PhoneEvidence
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import CaseEvent, Task
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, Conflict, NotFound
from tests.core.bank import WEDNESDAY, Bank


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    """Two borrowers with open cases; the first has two numbers."""
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    await bank.file({"n": 1, "phones": "+380671000001|+380671000002"}, {"n": 2})
    await bank.night()
    return bank


async def test_tl06_call_stands_in_the_history_once(bank: Bank) -> None:
    case, call = await bank.case(), uuid4()
    bank.at(WEDNESDAY, hour=12)
    async with bank.database.begin() as session:
        assert await cases.add_event(session, case.id, "call", bank.now, call_id=call, data={"result": "BUSY"})
        assert not await cases.add_event(session, case.id, "call", bank.now, call_id=call, data={"result": "OTHER"})
        assert await cases.add_event(session, case.id, "outcome", bank.now, call_id=call)
        assert await cases.add_event(session, case.id, "note", bank.now)
        assert await cases.add_event(session, case.id, "note", bank.now)
        lines = await cases.events(session, case.id)
    assert [line.kind for line in lines[:4]] == ["note", "note", "outcome", "call"]
    assert lines[3].data == {"result": "BUSY"}


async def test_cc12_second_open_task_with_the_same_key_is_not_raised(bank: Bank) -> None:
    case, owner = await bank.case(), uuid4()
    async with bank.database.begin() as session:
        (await session.get_one(type(case), case.id)).owner_id = owner
        first = await cases.raise_task(session, case.id, "X", WEDNESDAY, "X:1", at=bank.now)
        assert await cases.raise_task(session, case.id, "X", WEDNESDAY, "X:1", at=bank.now) is None
        assert await cases.raise_task(session, case.id, "Y", WEDNESDAY, at=bank.now)
        assert await cases.raise_task(session, case.id, "Y", WEDNESDAY, at=bank.now)
        assert first is not None
        assert (await session.get_one(Task, first)).owner_id == owner
        assert await cases.close_task(session, first, bank.now)
        assert not await cases.close_task(session, first, bank.now)
        assert await cases.raise_task(session, case.id, "X", WEDNESDAY, "X:1", at=bank.now)
        assert len(await cases.tasks_of(session, case.id)) == 3


async def dead(bank: Bank, point: ContactPoint, days: float, **more: object) -> borrowers.Verdict:
    async with bank.database.begin() as session:
        return await cases.number_evidence(
            session, (await bank.case()).id, point.id, "dead", at=bank.now + timedelta(days=days), call_id=uuid4(),
            sip_code=404, **more,
        )  # fmt: skip


async def test_cc10_cc12_two_dead_days_kill_a_number_and_ask_once_for_a_new_one(bank: Bank) -> None:
    point = await bank.phone()
    assert (await dead(bank, point, 0)).state == "SUSPECT"
    assert (await dead(bank, point, 0.2)).state == "SUSPECT"
    verdict = await dead(bank, point, 1)
    assert (verdict.state, verdict.lost) == ("DEAD", True)
    assert not (await dead(bank, point, 2)).lost
    async with bank.database.begin() as session:
        other = (
            await session.scalars(
                select(ContactPoint).where(ContactPoint.person_id == point.person_id, ContactPoint.rank == 1)
            )
        ).one()
    for day in (1, 2):
        await dead(bank, other, day)
    async with bank.database.begin() as session:
        task = (await session.scalars(select(Task))).one()
        assert (task.kind, task.state) == ("REFRESH_CONTACT_DATA", "OPEN")
        kept = await session.get_one(ContactPoint, point.id)
        assert (kept.state, kept.state_reason) == ("DEAD", "sip 404")
        assert await session.scalar(select(func.count()).select_from(PhoneEvidence)) == 6
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.night()
    assert (await bank.reason())[0] == "NO_PHONE"


async def test_cc10_an_answer_brings_a_number_back(bank: Bank) -> None:
    point = await bank.phone()
    for day in (0, 1):
        await dead(bank, point, day)
    async with bank.database.begin() as session:
        assert (await borrowers.add_evidence(session, point.id, "alive", at=bank.now)).state == "UNVERIFIED"


async def test_one_call_is_one_sign_and_an_agents_word_takes_its_place(bank: Bank) -> None:
    point, call = await bank.phone(), uuid4()
    async with bank.database.begin() as session:
        for _ in range(2):
            await borrowers.add_evidence(session, point.id, "alive", at=bank.now, call_id=call)
        verdict = await borrowers.add_evidence(session, point.id, "wrong_party", at=bank.now, call_id=call)
        assert (verdict.state, verdict.lost) == ("WRONG_PARTY", True)
        later = await borrowers.add_evidence(session, point.id, "alive", at=bank.now, call_id=uuid4())
        assert later.state == "WRONG_PARTY"
        assert (await borrowers.verify_phone(session, point.id, bank.now)).state == "VERIFIED"
        signs = (await session.scalars(select(PhoneEvidence.sign).order_by(PhoneEvidence.id))).all()
    assert list(signs) == ["wrong_party", "alive", "right_party"]


async def test_cc10_a_trunk_that_refuses_everybody_kills_no_number(bank: Bank) -> None:
    await bank.file(*({"n": n} for n in range(100, 140)))
    async with bank.database.begin() as session:
        points = (await session.scalars(select(ContactPoint).order_by(ContactPoint.value))).all()
    for day in (0, 1):
        for point in points:
            await dead(bank, point, day, trunk="broken")
    async with bank.database.begin() as session:
        states = dict(
            (await session.execute(select(ContactPoint.state, func.count()).group_by(ContactPoint.state))).all()
        )
    assert states == {"UNVERIFIED": len(points)}  # those before it was noticed have it back


async def test_moves_that_are_not_listed_are_refused(bank: Bank) -> None:
    async with bank.database.begin() as session:
        case = await session.get_one(type(await bank.case()), (await bank.case()).id)
        with pytest.raises(Conflict, match="from ACTIVE to ENFORCEMENT"):
            await cases.move(session, case, "ENFORCEMENT", at=bank.now, reason="?")
        await cases.move(session, case, "PRE_LEGAL", at=bank.now, reason="STAGE")
        assert await cases.hold(session, case.id, reason="DECEASED", at=bank.now)
        assert await cases.hold(session, case.id, reason="DISPUTE", at=bank.now)
        assert (case.state, case.hold_reason) == ("ON_HOLD", "DISPUTE")
        assert await cases.lift_hold(session, case.id, reason="RESOLVED", at=bank.now) == "PRE_LEGAL"
        await cases.move(session, case, "LEGAL", at=bank.now, reason="CLAIM")
        assert not await cases.hold(session, case.id, reason="DISPUTE", at=bank.now)
    async with bank.database.begin() as session:
        query = select(CaseEvent.data["to"].astext).where(CaseEvent.case_id == case.id, CaseEvent.kind == "state")
        moves = (await session.scalars(query.order_by(CaseEvent.id))).all()
    assert moves == ["NEW", "ACTIVE", "PRE_LEGAL", "ON_HOLD", "ON_HOLD", "PRE_LEGAL", "LEGAL"]


async def test_case_is_found_by_number_contract_and_phone(bank: Bank) -> None:
    case = await bank.case(2)
    async with bank.database.begin() as session:
        for how in ({"number": case.number}, {"contract": "C2"}, {"phone": "+380671000002"}):
            found, person = await cases.find(session, **how)
            assert person.external_ref in {"P2", "P1"}
            assert found.closed_at is None
        with pytest.raises(NotFound, match="contract X") as missing:
            await cases.find(session, contract="X")
    assert missing.value.remedy


async def test_flag_is_written_once_and_an_unknown_one_is_refused(bank: Bank) -> None:
    person = (await bank.case()).person_id
    async with bank.database.begin() as session:
        for _ in range(2):
            await borrowers.set_flag(session, person, "inpatient", since=WEDNESDAY, evidence="said in a call")
        with pytest.raises(BadInput, match="Unknown flag"):
            await borrowers.set_flag(session, person, "sleepy", since=WEDNESDAY)
        assert await session.scalar(select(func.count()).select_from(PersonFlag)) == 1


async def test_a_number_wrong_for_one_is_a_question_for_everybody_who_has_it(bank: Bank) -> None:
    """FL-05: one task for each other open case with that number, once; nobody's verdict is changed by it."""
    await bank.file({"n": 1, "phones": "+380671000001"}, {"n": 2, "phones": "+380671000001"}, {"n": 3})
    await bank.night()
    here, there, elsewhere = [await bank.case(n) for n in (1, 2, 3)]
    phone = await bank.phone(1)
    for sign in ("wrong_party", "alive", "wrong_party"):
        async with bank.database.begin() as s:
            await cases.number_evidence(s, here.id, phone.id, sign, at=bank.now)
    async with bank.database.begin() as s:
        kinds = {c.number: [t.kind for t in await cases.tasks_of(s, c.id)] for c in (here, there, elsewhere)}
        lines = [e.data for e in await cases.events(s, there.id) if e.kind == "task"]
    assert kinds == {here.number: ["REFRESH_CONTACT_DATA"], there.number: ["CHECK_NUMBER"], elsewhere.number: []}
    assert [line["task"] for line in lines] == ["CHECK_NUMBER"]
    assert (await bank.phone(2)).state == "UNVERIFIED"
