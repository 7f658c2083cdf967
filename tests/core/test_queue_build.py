"""Tonight's queue on real tables: a task or a reason for every open case, and what a second run leaves alone (CC-08)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, text, update

from backoffice_core.call_centre.calls import attempts
from backoffice_core.call_centre.models import CallAttempt, CallTask
from backoffice_core.call_centre.queueing import judged_aside, queue
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Task
from backoffice_core.clock import Clock
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.config import Settings
from backoffice_core.db import Database
from tests.core.bank import KYIV, WEDNESDAY, Bank


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    return bank


async def contacts(bank: Bank, n: int, *, times: int, at: datetime, **fields: Any) -> None:
    async with bank.database.begin() as session:
        person = (await bank.case(n)).person_id
        for _ in range(times):
            session.add(
                ContactLedger(
                    person_id=person, channel="call", actor="human", purpose="collection", at=at, state="COMMITTED",
                    conversation=True, **fields,
                )
            )  # fmt: skip


async def test_case_outside_hours_now_is_called_from_the_first_lawful_moment(bank: Bank) -> None:
    await bank.file({"n": 1})
    await bank.night()
    (task,) = await bank.tasks()
    assert task.earliest_at == datetime(2027, 2, 3, 9, tzinfo=KYIV)
    assert (task.state, task.campaign, task.demo) == ("ELIGIBLE", "collection", True)
    bank.at(WEDNESDAY, hour=11)
    await bank.night(again=True)
    (task,) = await bank.tasks()
    assert task.earliest_at is None


async def test_no_lawful_moment_left_is_out_of_hours_until_the_next_one(bank: Bank) -> None:
    await bank.file({"n": 1})
    bank.at(WEDNESDAY, hour=19.95)  # the last minutes are the guard's: a talk must fit
    await bank.night()
    assert await bank.reason() == ("OUT_OF_HOURS", "04 09:00", "UA-TIME")
    bank.at(WEDNESDAY + timedelta(days=3))
    await bank.night()
    assert await bank.reason() == ("OUT_OF_HOURS", "08 09:00", "UA-WEEKEND")
    assert await bank.tasks() == []


async def test_what_is_put_aside_in_the_database_is_placed_as_what_is_not(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue 6, memory flat: beyond so many cases they wait in a table for their places; the queue is the same."""
    await bank.file(*(
        {"n": n, "days_past_due": 5 + 20 * n, "overdue_principal": 100 + 777 * n % 5000} | ({"phones": ""} if n == 3 else {})
        for n in range(1, 12)
    ))  # fmt: skip
    found = []
    for kept in (judged_aside.KEPT, 4, 0):
        monkeypatch.setattr(judged_aside, "KEPT", kept)
        monkeypatch.setattr(queue, "AT_ONCE", 4)
        async with bank.database.begin() as session:
            await session.execute(text("DELETE FROM call_tasks"))
            await session.execute(text("DELETE FROM not_callable"))
        await bank.night(again=True)
        tasks = [(t.case_id, t.contact_point_id, t.position, t.why, t.earliest_at) for t in await bank.tasks()]
        found.append((tasks, {case: (row.reason, row.until, row.rule) for case, row in (await bank.reasons()).items()}))
    assert len(found[0][0]) == 10
    assert found[0] == found[1] == found[2]


async def _hold(bank: Bank) -> None:
    async with bank.database.begin() as session:
        assert await cases.hold(session, (await bank.case()).id, reason="DISPUTE", at=bank.now)


async def _dispute(bank: Bank) -> None:
    async with bank.database.begin() as session:
        await cases.raise_task(session, (await bank.case()).id, "DISPUTE", WEDNESDAY, at=bank.now)


async def _capped(bank: Bank) -> None:
    await contacts(bank, 1, times=2, at=bank.now)


async def _abandoned(bank: Bank) -> None:
    await contacts(bank, 1, times=1, at=bank.now - timedelta(hours=20), abandoned=True)


async def _dead(bank: Bank) -> None:
    async with bank.database.begin() as session:
        await session.execute(text("UPDATE contact_points SET state = 'DEAD'"))


async def _nothing(bank: Bank) -> None:
    pass


MILITARY = {"flags": "protected_military:2026-01-01::довідка"}
REASONS: list[tuple[dict[str, Any], Callable[[Bank], Any], tuple[str, str | None, str]]] = [
    ({}, _hold, ("ON_HOLD", None, "ON_HOLD")),
    ({}, _dispute, ("ON_HOLD", None, "DISPUTE")),
    (MILITARY, _nothing, ("STATUS_BLOCK", None, "UA-MILITARY")),
    ({"flags": "inpatient:2027-02-01:2027-02-09:довідка"}, _nothing, ("STATUS_BLOCK", "10 00:00", "inpatient")),
    ({"phones": ""}, _nothing, ("NO_PHONE", None, "")),
    ({}, _dead, ("NO_PHONE", None, "")),
    ({"phones": "+380671234567:relative"}, _nothing, ("NO_PHONE", None, "")),
    ({"region": "Крим", "place": ""}, _nothing, ("NO_TIME_ZONE", None, "")),
    ({}, _capped, ("CAP_REACHED", "04 09:00", "UA-DAY")),
    (MILITARY | {"phones": ""}, _nothing, ("STATUS_BLOCK", None, "UA-MILITARY")),
]


async def test_who_was_abandoned_stays_in_the_queue_and_is_dialed_with_an_agent_in_hand_only(bank: Bank) -> None:
    """Issue 5: the rule's 72 hours allow a redial with an agent guaranteed; nobody is at a desk, so the claim waits."""
    await bank.file({"n": 1})
    await bank.night()
    await _abandoned(bank)
    await bank.night(again=True)
    (task,) = await bank.tasks()
    bank.at(WEDNESDAY, 12)
    async with bank.database.begin() as s:
        now = bank.now
        taken = await attempts.claim(
            s, bank.settings, trunk=bank.settings.trunks[0], now=now, today=WEDNESDAY, wall=Clock.wall()
        )
    assert isinstance(taken, attempts.Passed)
    assert (taken.task_id, taken.reason) == (task.id, "AGENT_FIRST")


@pytest.mark.parametrize(("row", "happens", "reason"), REASONS)
async def test_case_that_is_not_called_has_one_reason_and_its_end(
    bank: Bank, row: dict[str, Any], happens: Callable[[Bank], Any], reason: tuple[str, str | None, str]
) -> None:
    await bank.file({"n": 1, **row})
    await bank.night()
    await happens(bank)
    await bank.night(again=True)
    assert await bank.tasks() == []
    assert await bank.reason() == reason


async def test_without_rules_nobody_is_called(database: Database, live_settings: Settings, tmp_path: Path) -> None:
    bank = Bank(database, live_settings, tmp_path)
    await bank.file({"n": 1})
    await bank.night()
    assert (await bank.reason())[0] == "NO_RULE"


async def test_second_run_leaves_touched_tasks_and_corrects_untouched_ones(bank: Bank) -> None:
    await bank.file(*({"n": n, "overdue_principal": 1000 * n} for n in range(1, 7)))
    await bank.night()
    before = {t.case_id: t for t in await bank.tasks()}
    touched = {1: "DIALING", 2: "DONE", 3: "CANCELLED", 4: "RETRY_WAIT"}
    async with bank.database.begin() as session:
        for n, state in touched.items():
            task, reason = before[(await bank.case(n)).id], "NO_TRUNK" if n == 3 else ""
            now = {"state": state, "state_reason": reason, "attempts": int(n != 3), "fence": 1}
            await session.execute(update(CallTask).where(CallTask.id == task.id).values(now))
    more = {n: {"n": n, "overdue_principal": owed, "balance": owed} for n, owed in ((1, 99_000), (5, 100_000))}
    await bank.file(more[1], {"n": 2, **MILITARY}, more[5], {"n": 6, **MILITARY})
    await bank.night()
    after = {t.case_id: t for t in await bank.tasks()}
    for n, state in touched.items():
        case_id = (await bank.case(n)).id
        old, new = before[case_id], after[case_id]
        assert (new.state, new.why["overdue"]) == (state, old.why["overdue"])
        assert (case_id in await bank.reasons()) == (n == 3)
    assert await bank.reason(3) == ("NO_TRUNK", None, "")
    fifth = (await bank.case(5)).id
    assert after[fifth].id == before[fifth].id
    assert after[fifth].why["overdue"] == "100000.00"
    assert min(after.values(), key=lambda task: task.position).case_id == fifth
    assert (await bank.case(6)).id not in after
    assert (await bank.reason(6))[0] == "STATUS_BLOCK"


async def test_yesterdays_list_is_not_dialed(bank: Bank) -> None:
    await bank.file({"n": 1})
    await bank.night()
    (yesterday,) = await bank.tasks()
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.night()
    async with bank.database.begin() as session:
        old = await session.get_one(CallTask, yesterday.id)
        assert (old.state, old.state_reason) == ("CANCELLED", "DAY_OVER")
    assert [t.state for t in await bank.tasks()] == ["ELIGIBLE"]


async def test_call_back_is_first_at_its_hour_and_done_after_a_talk(bank: Bank) -> None:
    await bank.file({"n": 1, "overdue_principal": 90_000, "balance": 90_000}, {"n": 2})
    await bank.night()
    asked = datetime(2027, 2, 3, 14, 30, tzinfo=KYIV)
    case = await bank.case(2)
    async with bank.database.begin() as session:
        await cases.raise_task(session, case.id, "CALLBACK", WEDNESDAY, "CALLBACK:2", asked, at=bank.now)
    await bank.night(again=True)
    first = (await bank.tasks())[0]
    assert (first.case_id, first.earliest_at, first.why["group"]) == (case.id, asked, "CALL_BACK")
    wall = bank.clock.wall()
    async with bank.database.begin() as session:
        session.add(
            CallAttempt(
                id=uuid4(), task_id=first.id, case_id=case.id, person_id=case.person_id,
                contact_point_id=first.contact_point_id, number="+380671000002", campaign="collection",
                purpose="collection", trunk="far-end", caller_id="", language="uk", fence=1, state="ENDED",
                business_at=asked, claimed_at=wall, answered_at=wall, ended_at=wall, outcome="REFUSE",
            )
        )  # fmt: skip
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.night()
    async with bank.database.begin() as session:
        assert (await session.scalars(select(Task.state).where(Task.kind == "CALLBACK"))).one() == "DONE"
    assert [t.why["group"] for t in await bank.tasks()] == ["VALUE", "VALUE"]


async def test_call_back_asked_for_an_unlawful_hour_waits_for_a_lawful_one(bank: Bank) -> None:
    await bank.file({"n": 1})
    await bank.night()
    case = await bank.case()
    async with bank.database.begin() as session:
        late = datetime(2027, 2, 3, 21, tzinfo=KYIV)
        await cases.raise_task(session, case.id, "CALLBACK", WEDNESDAY, "CALLBACK:1", late, at=bank.now)
    await bank.night(again=True)
    assert await bank.reason() == ("OUT_OF_HOURS", "04 09:00", "UA-TIME")


async def test_number_that_never_answers_yields_to_the_other_one(bank: Bank) -> None:
    await bank.file({"n": 1, "phones": "+380671000001|+380671000002"})
    await bank.night()
    (task,) = await bank.tasks()
    wall = bank.clock.wall()
    async with bank.database.begin() as session:
        session.add(
            CallAttempt(
                id=uuid4(), task_id=task.id, case_id=task.case_id, person_id=task.person_id,
                contact_point_id=task.contact_point_id, number="+380671000001", campaign="collection",
                purpose="collection", trunk="far-end", caller_id="", language="uk", fence=1, state="ENDED",
                business_at=bank.now, claimed_at=wall, ended_at=wall, result="NO_ANSWER",
            )
        )  # fmt: skip
    bank.at(WEDNESDAY + timedelta(days=1))
    await bank.night()
    (next_day,) = await bank.tasks()
    assert next_day.contact_point_id != task.contact_point_id


async def test_queue_is_read_in_its_order_and_by_reason(bank: Bank) -> None:
    await bank.file({"n": 1}, {"n": 2, "overdue_principal": 5000}, {"n": 3, "phones": ""}, {"n": 4, **MILITARY})
    await bank.night()
    async with bank.database.begin() as session:
        rows = await queue.tonight(session, WEDNESDAY)
        assert [(r.position, r.case_number) for r in rows] == [
            (1, (await bank.case(2)).number), (2, (await bank.case(1)).number),
        ]  # fmt: skip
        assert await queue.tonight(session, WEDNESDAY, after=rows[0].key) == rows[1:]
        assert {r.reason for r in await queue.not_callable(session, WEDNESDAY)} == {"NO_PHONE", "STATUS_BLOCK"}
        (one,) = await queue.not_callable(session, WEDNESDAY, reason="NO_PHONE")
        assert one.person_name == "Коваль Олена"
