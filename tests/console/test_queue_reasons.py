"""Every case not called has its reason and its time: on the board, in lists and in files (issue 5)."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

from openpyxl import load_workbook
from sqlalchemy import select, update

from backoffice_core.call_centre.models import CallTask, NotCallable
from backoffice_core.call_centre.queueing.standing import who_ends
from backoffice_core.staff.models import AccessEntry
from tests import house
from tests.console.conftest import RunningConsole


async def test_every_case_stands_somewhere_and_each_reason_opens_its_list(console: RunningConsole) -> None:
    """FL-17: counts by reason with lists, search, files; tasks that wait have their reason and hour, too."""
    clock = console.clock
    today, now = clock.today(), clock.now()
    async with console.database.begin() as s:
        some = [await house.borrower(s, clock) for _ in range(6)]
        states: list[dict[str, Any]] = [
            {}, {"state": "RETRY_WAIT", "state_reason": "BUSY", "earliest_at": now + timedelta(hours=1), "attempts": 1},
            {"earliest_at": now + timedelta(hours=2)}, {"state": "DIALING"}, {"state": "DONE"},
        ]  # fmt: skip
        for one, state in zip(some, states, strict=False):
            if state:
                await s.execute(update(CallTask).where(CallTask.id == one.task.id).values(state))
        await s.delete(some[5].task)
        some[5].person.last_name = "=Шевченко"
        s.add(NotCallable(business_date=today, case_id=some[5].case.id, reason="NO_PHONE", until=None, rule=""))
    boss = await console.logged_in("olha", "supervisor")
    found = (await boss.get("/queue?show=waiting")).text
    assert found.count("<tr>") == 3
    assert f"/case/{some[1].case.number}" in found
    assert "/queue?show=waiting&amp;reason=BUSY" in found or "/queue?show=waiting&reason=BUSY" in found
    for query, cases in (
        ("show=waiting&reason=BUSY", [1]), ("show=waiting&reason=AT_HOUR", [2]), ("show=not", [5]), ("reason=NO_PHONE", [5]),
        ("show=not&q=шевч", [5]), ("show=not&q=петренко", []), (f"show=waiting&q={some[2].case.number}", [2]),
        ("show=done", [4]), ("show=queue", [0, 1, 2, 3, 4]),
    ):  # fmt: skip
        text = (await boss.get(f"/queue?{query}")).text
        shown = [n for n, one in enumerate(some) if f'href="/case/{one.case.number}"' in text]
        assert shown == cases, query
    floor = (await boss.get("/floor")).text
    assert "reason=BUSY" in floor
    assert "reason=NO_PHONE" in floor
    told = (await boss.get("/queue.csv?show=not")).content.decode("utf-8-sig").splitlines()
    assert told[1].split(";")[:4] == [str(some[5].case.number), "'=Шевченко Олена Петрівна", "not_callable", "NO_PHONE"]
    sheet = load_workbook(io.BytesIO((await boss.get("/queue.xlsx?show=waiting")).content))["queue"]
    assert [row[3] for row in sheet.values][1:] == ["BUSY", "AT_HOUR"]
    async with console.database.begin() as s:
        acts = list(await s.scalars(select(AccessEntry.act).where(AccessEntry.act == "QUEUE_EXPORTED")))
    assert len(acts) == 2
    agent = await console.logged_in("ivanka", extension=101)
    assert (await agent.get("/queue.csv?show=not")).status_code == 403


def test_who_ends_a_reason() -> None:
    assert who_ends("NO_PHONE", "", None) == "DATA"
    assert who_ends("ON_HOLD", "NO_FILE", None) == "LIST"
    assert who_ends("ON_HOLD", "DISPUTE", None) == "OWNER"
    assert who_ends("CALLER_ID_OUT", "", None) == "LINES"
    assert who_ends("NO_RULE", "UA-X", None) == "RULES"
    assert who_ends("ON_HOLD", "ON_HOLD", datetime(2027, 1, 1, tzinfo=UTC)) == "TIME"
