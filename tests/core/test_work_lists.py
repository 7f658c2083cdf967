"""Work lists (CC-05, CC-14): every open task stands on somebody's list, is done once, and goes up when it is late."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from backoffice_core.cases import service as cases
from backoffice_core.cases import tasks, work_lists
from backoffice_core.cases.models import Case, CaseEvent, Task, TaskMove
from backoffice_core.cases.task_rules import Rule, last_day_up, rule_for
from backoffice_core.cases.tasks import Actor
from backoffice_core.cases.work_lists import Wish
from backoffice_core.clock import Clock
from backoffice_core.db import Database, new_key
from backoffice_core.errors import BadInput, Conflict, NotAllowed
from backoffice_core.staff import units
from backoffice_core.staff.models import User
from tests import house

TODAY = date(2027, 2, 3)  # Wednesday


async def somebody(
    database: Database, clock: Clock, login: str, unit: str | None = None, *, active: bool = True
) -> UUID:
    async with database.begin() as s:
        user = User(
            id=new_key(), login=login, full_name=f"{login} Тест", role="agent", password_hash="-", unit=unit, active=active,
            created_at=clock.wall(),
        )  # fmt: skip
        s.add(user)
    return user.id


async def a_case(database: Database, clock: Clock) -> Case:
    async with database.begin() as s:
        return (await house.borrower(s, clock)).case


async def test_cc14_every_open_task_stands_on_exactly_one_list(database: Database, clock: Clock) -> None:
    """Owner or none, unit or none, an owner who left, a unit that is closed or empty: the lists sum to all open tasks."""
    case = await a_case(database, clock)
    anna = await somebody(database, clock, "anna", "legal")
    left = await somebody(database, clock, "left", "legal", active=False)
    gone = await somebody(database, clock, "gone", active=False)
    async with database.begin() as s:
        await units.put(s, "closed", who="os:test", active=False)
    n = 0
    async with database.begin() as s:
        for kind in ("LETTER", "CHECK_PROMISE", "NEVER_HEARD_OF"):
            for owner in (None, anna, left, gone):
                for unit in ("", "legal", "letters", "closed", "no such unit"):
                    n += 1
                    task = await cases.raise_task(
                        s, case.id, kind, TODAY, f"t{n}", owner_id=owner, owned=False, unit=unit, at=clock.now()
                    )
                    if not unit:  # as another program could have written it
                        await s.execute(update(Task).where(Task.id == task).values(unit=""))
    async with database.begin() as s:
        sums = await work_lists.sums(s)
        everyone = [Wish(scope="mine", user_id=user) for user in (anna, left, gone)]
        lists = [
            *everyone,
            Wish(scope="managers"),
            *(Wish(scope="unit", own_unit=u.code) for u in await units.listed(s)),
        ]
        shown = [row.task.id for wish in lists for row in await work_lists.rows(s, wish, TODAY, limit=1000)]
        assert sum(sums.values()) == n == await s.scalar(select(func.count()).where(Task.state == "OPEN"))
        assert len(shown) == len(set(shown)) == n - sums["night"]
        assert {row.task.id for row in await work_lists.rows(s, Wish(scope="all"), TODAY, limit=1000)} == set(shown)
        # anna is the only one at work, in legal: what is hers, and what waits in legal, is not the managers'
        assert sums["person"] == 2 * 5
        assert sums["unit"] == 2 * (3 * 1 + 1)  # unit legal of the other three, and the unit of the one who left


async def test_a_kind_falls_to_the_unit_of_its_rule(database: Database, clock: Clock) -> None:
    """CC-05: a task by hand has its kind, case, owner, control date and state; the same click again makes no second."""
    case = await a_case(database, clock)
    anna = await somebody(database, clock, "anna", "letters")
    actor = Actor(anna, "letters", False)
    made = []
    for _ in range(2):
        async with database.begin() as s:
            made.append(
                await tasks.create(s, case.id, "LETTER", TODAY, actor, at=clock.now(), today=TODAY, note="вимога")
            )
    assert made[0] == made[1]
    async with database.begin() as s:
        task = await s.get_one(Task, made[0])
        assert (task.kind, task.case_id, task.owner_id, task.unit, task.control_date, task.state) == (
            "LETTER", case.id, None, "letters", TODAY, "OPEN",
        )  # fmt: skip
        with pytest.raises(BadInput):
            await tasks.create(s, case.id, "LETTER", TODAY - timedelta(days=1), actor, at=clock.now(), today=TODAY)
        with pytest.raises(BadInput):
            await tasks.create(s, case.id, "FOLLOW_UP", TODAY, actor, at=clock.now(), today=TODAY)


async def test_acts_are_done_once_and_leave_their_act(database: Database, clock: Clock) -> None:
    """Take, hand over, close: the second click changes nothing; another's task is refused; all stands in the history."""
    case = await a_case(database, clock)
    anna, petro = await somebody(database, clock, "anna", "letters"), await somebody(database, clock, "petro", "legal")
    mine, his = Actor(anna, "letters", False), Actor(petro, "legal", False)
    async with database.begin() as s:
        task_id = await cases.raise_task(s, case.id, "LETTER", TODAY, at=clock.now())
        assert task_id is not None
        with pytest.raises(NotAllowed):
            await tasks.take(s, task_id, his, at=clock.now())
    for first in (True, False):
        async with database.begin() as s:
            assert await tasks.take(s, task_id, mine, at=clock.now()) is first
    async with database.begin() as s:
        with pytest.raises(BadInput, match="why"):
            await tasks.hand_over(s, task_id, mine, note=" ", to_owner=petro, at=clock.now())
    for first in (True, False):
        async with database.begin() as s:
            done = await tasks.hand_over(s, task_id, mine, note="адреса в області", to_owner=petro, at=clock.now())
            assert done is first
    for first in (True, False):
        async with database.begin() as s:
            assert await tasks.close(s, task_id, his, result="DONE", note="№ 5", at=clock.now()) is first
    async with database.begin() as s:
        with pytest.raises(Conflict):
            await tasks.cancel(s, task_id, his, reason="вже", at=clock.now())
        task = await s.get_one(Task, task_id)
        assert (task.state, task.result, task.closed_by, task.unit) == ("DONE", "DONE", petro, "legal")
        acts = [(m.act, m.by, m.note) for m in await tasks.moves_of(s, task_id)]
        assert acts == [("TAKE", anna, ""), ("HAND_OVER", anna, "адреса в області"), ("CLOSE", petro, "№ 5")]
        ends = await s.scalars(select(CaseEvent.data).where(CaseEvent.case_id == case.id, CaseEvent.kind == "task_end"))
        assert [one["result"] for one in ends] == ["DONE"]


async def test_a_late_task_goes_up_by_working_days_once(database: Database, clock: Clock) -> None:
    """Two working days late by the rule in force: the head has it; a week-end does not count; the night twice is once."""
    case = await a_case(database, clock)
    head = await somebody(database, clock, "head", "letters")
    friday, working = date(2027, 2, 5), lambda day: day.weekday() < 5
    async with database.begin() as s:
        await units.put(s, "letters", who="os:test", head="head")
        task_id = await cases.raise_task(s, case.id, "LETTER", friday, unit="letters", at=clock.now(), owned=False)
    for today, expected in ((8, 0), (9, 0), (10, 1), (11, 0)):
        async with database.begin() as s:
            assert await tasks.escalate(s, date(2027, 2, today), working, at=clock.now()) == expected, today
    async with database.begin() as s:
        mine = await work_lists.rows(s, Wish(scope="mine", user_id=head), date(2027, 2, 10))
        assert [row.task.id for row in mine] == [task_id]
        assert await s.scalar(select(func.count()).where(TaskMove.act == "ESCALATE")) == 1


def test_the_rule_of_a_day() -> None:
    rules = [Rule("", "a", 2, date(2020, 1, 1)), Rule("SMS", "b", 1, date(2020, 1, 1)), Rule("SMS", "c", 5, TODAY)]
    assert [rule_for(rules, kind, TODAY).unit for kind in ("SMS", "X")] == ["c", "a"]  # type: ignore[union-attr]
    assert rule_for(rules, "SMS", TODAY - timedelta(days=1)) == rules[1]
    assert rule_for(rules, "X", date(2019, 1, 1)) is None
    assert last_day_up(date(2027, 2, 8), 0, lambda day: day.weekday() < 5) == date(2027, 2, 7)
    assert last_day_up(date(2027, 2, 8), 1, lambda day: day.weekday() < 5) == date(2027, 2, 4)
