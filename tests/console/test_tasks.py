"""The work list page: who sees what, filters, forms that lose nothing, the second click, the files."""

import io
from datetime import timedelta

from openpyxl import load_workbook
from sqlalchemy import select, update

from backoffice_core.cases import service as cases
from backoffice_core.cases import tasks
from backoffice_core.cases.models import Case, Task, TaskMove
from backoffice_core.staff.models import User
from tests import house
from tests.console.conftest import RunningConsole


async def a_task(console: RunningConsole, kind: str = "LETTER", *, unit: str = "", late: int = 0) -> tuple[Task, Case]:
    async with console.database.begin() as s:
        borrower = await house.borrower(s, console.clock)
        on = console.clock.today() - timedelta(days=late)
        key = await cases.raise_task(s, borrower.case.id, kind, on, unit=unit, owned=False, at=console.clock.now())
        task = await s.get_one(Task, key)
        return task, borrower.case


async def in_unit(console: RunningConsole, login: str, unit: str) -> None:
    async with console.database.begin() as s:
        await s.execute(update(User).where(User.login == login).values(unit=unit))


async def test_cc14_a_worker_takes_and_closes_what_waits_in_his_unit(console: RunningConsole) -> None:
    """CC-14: overdue is red, taken, closed with its result, for worker and head."""
    late, case = await a_task(console, late=3)
    foreign, _ = await a_task(console, "LEGAL_STEP")
    agent = await console.logged_in("anna", "agent", extension=101)
    await in_unit(console, "anna", "letters")
    assert "Тут порожньо" in (await agent.get("/tasks")).text
    assert (await agent.get(f"/case/{case.number}")).status_code == 403, "not his yet"
    page = (await agent.get("/tasks?list=unit")).text
    assert f'id="task-{late.id}"' in page
    assert "chip crit" in page, "overdue is red, with its shape and days"
    assert f'id="task-{foreign.id}"' not in page
    assert f'id="task-{foreign.id}"' not in (await agent.get("/tasks?list=all")).text, "all is not his to ask for"
    for _ in range(2):
        assert (await agent.send_form(f"/tasks/{late.id}/take?list=unit")).status_code == 303
    assert (await agent.send_form(f"/tasks/{foreign.id}/take")).status_code == 403
    assert (await agent.get(f"/case/{case.number}")).status_code == 200, "who has the task reads the case"
    bad = await agent.send_form(f"/tasks/{late.id}/close?list=mine", result="OTHER", note="")
    assert bad.status_code == 422
    assert 'value="OTHER" selected' in bad.text
    assert "наступний почне з них" in bad.text
    for _ in range(2):
        done = await agent.send_form(f"/tasks/{late.id}/close?list=mine", result="DONE", note="Лист № 7")
        assert done.status_code == 303
    async with console.database.begin() as s:
        one = await s.get_one(Task, late.id)
        assert (one.state, one.result, one.note) == ("DONE", "DONE", "Лист № 7")


async def test_a_manager_sees_all_filters_and_exports(console: RunningConsole) -> None:
    first, case = await a_task(console, "SMS")
    await a_task(console, "VISIT", late=1)
    boss = await console.logged_in("boss", "manager")
    everything = (await boss.get("/tasks?list=all")).text
    assert everything.count("rowlink") == 2
    assert (await boss.get("/tasks?list=managers")).text.count("rowlink") == 2, "no unit has anybody yet"
    assert (await boss.get("/tasks?list=all&kind=SMS")).text.count("rowlink") == 1
    assert (await boss.get("/tasks?list=all&when=overdue")).text.count("rowlink") == 1
    assert (await boss.get(f"/tasks?list=all&q={case.number}")).text.count("rowlink") == 1
    assert (await boss.get("/tasks?list=all&q=ковал")).text.count("rowlink") == 2
    assert "Цієї задачі" in (await boss.get("/tasks?task=1")).text
    wrong = ("on=x", "month=x&view=calendar", "after=1", "person=1", f"person={case.id}", "kind=HOUSE", "unit=moon")
    for odd in wrong:  # an empty list, or another day's, would look like an answer
        refused = await boss.get(f"/tasks?list=all&{odd}", headers={"Accept": "application/json"})
        assert (refused.status_code, refused.json()["field"]) == (422, odd.partition("=")[0]), odd
    calendar = (await boss.get("/tasks?list=all&view=calendar")).text
    assert f"on={console.clock.today()}" in calendar
    book = load_workbook(io.BytesIO((await boss.get("/tasks/export.xlsx?list=all")).content))
    assert [row[0] for row in book.active.iter_rows(min_row=2, values_only=True)].count(case.number) == 1  # type: ignore[union-attr]
    assert (await boss.get("/tasks/export.csv?list=all&kind=SMS")).text.count("\n") == 2
    given = await boss.send_form(f"/tasks/{first.id}/hand-over?list=all", to="unit:legal", note="до суду")
    assert given.status_code == 303
    async with console.database.begin() as s:
        assert await s.scalar(select(Task.unit).where(Task.id == first.id)) == "legal"


async def test_cc05_a_task_by_hand_in_a_case(console: RunningConsole) -> None:
    """CC-05: kind, case, owner, control date, state."""
    async with console.database.begin() as s:
        case = (await house.borrower(s, console.clock)).case
    boss = await console.logged_in("boss", "supervisor")
    bad = await boss.send_form("/tasks", case=case.number, kind="VISIT", control_date="учора", note="двір")
    assert bad.status_code == 422
    assert 'value="учора"' in bad.text, "nothing is lost"
    for _ in range(2):
        assert (await boss.send_form("/tasks", case=case.number, kind="VISIT", control_date="+2")).status_code == 303
    async with console.database.begin() as s:
        found = (await s.scalars(select(Task).where(Task.case_id == case.id))).all()
    assert [(t.kind, t.unit, t.control_date) for t in found] == [
        ("VISIT", "visits", console.clock.today() + timedelta(days=2))
    ]


async def test_what_the_program_writes_beside_a_task_speaks_the_readers_language(console: RunningConsole) -> None:
    """FL-19: a note that came with the shipped strategy is in his words; a number of an act has no sign of thousands."""
    async with console.database.begin() as s:
        borrower = await house.borrower(s, console.clock)
        data = {"note": "Лист-повідомлення про прострочення"}
        key = await cases.raise_task(
            s, borrower.case.id, "LETTER", console.clock.today(), data=data, owned=False, at=console.clock.now()
        )
        task = await s.get_one(Task, key)
        s.add(
            TaskMove(
                id=12345, task_id=task.id, at=console.clock.now(), by=None, act="HAND_OVER", to_unit="letters", note="x"
            )
        )  # fmt: skip
    boss = await console.logged_in("boss", "manager")
    await boss.send_form("/language", lang="en")
    page = (await boss.get(f"/tasks?list=all&task={key}")).text
    assert "Letter: the loan is overdue" in page
    assert "Task hand-over No. 12345" in page


async def test_a_control_date_is_moved_with_a_reason_by_who_may(console: RunningConsole) -> None:
    """Issue 6, work lists: the date moves with its reason, once; a late task only the head moves; history and list keep it."""
    task, case = await a_task(console)
    late, _ = await a_task(console, "VISIT", late=2)
    call_back, _ = await a_task(console, "CALLBACK")
    agent, boss = await console.logged_in("anna", "agent", extension=101), await console.logged_in("boss", "manager")
    await in_unit(console, "anna", "letters")
    to, today = f"/tasks/{task.id}/date?list=unit", console.clock.today()
    for fields in ({"control_date": "+3", "note": ""}, {"control_date": "учора", "note": "x"},
                   {"control_date": "01.01.2020", "note": "x"},
                   {"control_date": f"01.01.{today.year + 2}", "note": "x"}, {"control_date": "+0", "note": "x"}):  # fmt: skip
        bad = await agent.send_form(to, **fields)
        assert bad.status_code == 422, fields
        assert f'value="{fields["control_date"]}"' in bad.text
    for _ in range(2):
        assert (await agent.send_form(to, control_date="+3", note="у відпустці до п’ятниці")).status_code == 303
    page = (await agent.get(f"/tasks?list=unit&task={task.id}")).text
    assert page.count("у відпустці до п’ятниці") == 1
    assert (await agent.send_form(f"/tasks/{late.id}/date", control_date="+3", note="x")).status_code == 403
    assert (await boss.send_form(f"/tasks/{call_back.id}/date", control_date="+3", note="x")).status_code == 409
    assert (await boss.send_form(f"/tasks/{late.id}/date?list=all", control_date="+1", note="авто")).status_code == 303
    assert "у відпустці" in (await boss.get(f"/case/{case.number}")).text
    async with console.database.begin() as s:
        dates = {one: await s.scalar(select(Task.control_date).where(Task.id == one)) for one in (task.id, late.id)}
        assert dates == {task.id: today + timedelta(days=3), late.id: today + timedelta(days=1)}
        (moved,) = await tasks.dates_of(s, task.id)
        assert (moved.from_date, moved.to_date) == (today, today + timedelta(days=3))
