"""Shelter (FL-15): one button by region, its end, its undo, the same by API; who is called, paused, and at what pace after."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from backoffice_core.audit.models import AuditEntry
from backoffice_core.call_centre.calls import attempts
from backoffice_core.call_centre.calls.attempts import Passed, Placing
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.dialing import shelter
from backoffice_core.call_centre.models import AgentSession, CallTask
from backoffice_core.staff import clients
from backoffice_core.staff.models import User
from tests import house
from tests.console.conftest import RunningConsole

REGION = "Полтавська"


def test_the_pace_is_half_for_ten_minutes_after_an_alarm() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    minute = timedelta(minutes=1)
    paces = [shelter.pace_after([now - n * minute], now) for n in (0, 9, 10, 60)]
    assert paces == [0.5, 0.5, 1.0, 1.0]
    assert shelter.pace_after([], now) == 1.0


async def test_one_button_pauses_the_region_and_brings_it_back(console: RunningConsole) -> None:
    """FL-15: agents of the region to a paid pause, at once or after their talk, others go on; no call there, and who rang
    already gets no agent; all clear: tasks are back at half pace; undone: agents too, at whole pace; all in the audit."""
    clock = console.clock
    async with console.database.begin() as s:
        await house.rules_in_force(s, clock)
        ringing = await house.borrower(s, clock, position=1)
        waits = await house.borrower(s, clock, position=2)
        seats = [await house.agent(s, clock) for _ in range(3)]
        there = [seats[0].user_id, seats[1].user_id]
        await s.execute(update(User).where(User.id.in_(there)).values(region=REGION))

    async def claim() -> Placing | Passed | None:
        async with console.database.begin() as s:
            return await attempts.claim(
                s, console.settings, trunk=console.settings.trunks[0], now=clock.now(), today=clock.today(),
                wall=clock.wall(),
            )  # fmt: skip

    async def states() -> list[tuple[str, str, str]]:
        async with console.database.begin() as s:
            rows = {seat.id: seat for seat in await s.scalars(select(AgentSession))}
            return [(rows[one.id].state, rows[one.id].reason, rows[one.id].wants_pause) for one in seats]

    call = await claim()
    assert isinstance(call, Placing)
    async with console.database.begin() as s:
        talking = await s.get_one(AgentSession, seats[1].id)
        agents.change(s, talking, "TALKING", "CALL", clock.wall(), house.some_call())
    boss = await console.logged_in("olha", "supervisor")
    floor = (await boss.get("/floor")).text
    assert 'id="shelter-dialog"' in floor
    assert f'<option value="{REGION}">' in floor
    assert (await boss.send_form("/shelter", json=True, region="Ніде")).json()["field"] == "region"
    done = await boss.send_form("/shelter", region=REGION)
    assert f"Укриття: {REGION}" in done.text
    assert await states() == [("PAUSED", "SHELTER", ""), ("TALKING", "CALL", "SHELTER"), ("READY", "AGENT", "")]
    async with console.database.begin() as s:
        task = await s.get_one(CallTask, waits.task.id)
        assert (task.state_reason, task.earliest_at is not None) == ("SHELTER", True)
        assert await attempts.connect(s, call.call_id, clock.wall()) is None, "the dialplan says the message"
        later = await house.borrower(s, clock, position=3)
    refused = await claim()
    assert isinstance(refused, Passed)
    assert (refused.task_id, refused.reason) == (later.task.id, "SHELTER")
    assert (await boss.send_form("/shelter", region=REGION)).status_code == 200, "pressed twice, begun once"

    async with console.database.begin() as s:
        assert await shelter.pace_factor(s, clock.wall()) == 1.0
    undone = await boss.send_form("/shelter", region=REGION, act="undo")
    assert f"Укриття: {REGION}" not in undone.text
    assert await states() == [("READY", "SHELTER_UNDONE", ""), ("TALKING", "CALL", ""), ("READY", "AGENT", "")]
    async with console.database.begin() as s:
        assert await shelter.pace_factor(s, clock.wall()) == 1.0, "pressed by mistake: nothing is slowed down"
        assert (await s.get_one(CallTask, waits.task.id)).earliest_at is None
        key = await clients.add(s, "alarms", scopes=["shelter"], per_minute=60, wall=clock.wall(), by="test")

    siren = console.browser()
    siren.headers["Authorization"] = f"Bearer {key}"
    said = await siren.post("/api/v1/shelter", json={"region": REGION, "alarm": True})
    assert said.json() == {"changed": True, "agents": 2, "tasks": 2}
    assert (await siren.post("/api/v1/shelter", json={"region": REGION, "alarm": True})).json()["changed"] is False
    clear = await siren.post("/api/v1/shelter", json={"region": REGION, "alarm": False})
    assert clear.json()["tasks"] == 2
    async with console.database.begin() as s:
        assert await shelter.pace_factor(s, clock.wall()) == 0.5
        assert await shelter.pace_factor(s, clock.wall() + timedelta(minutes=11)) == 1.0
        acts = (await s.scalars(select(AuditEntry.act).where(AuditEntry.act.like("SHELTER%")))).all()
        assert sorted(acts) == ["SHELTER_BEGUN", "SHELTER_BEGUN", "SHELTER_ENDED", "SHELTER_UNDONE"]
    assert (await states())[0] == ("PAUSED", "SHELTER", ""), "he comes back when he is at his desk again"
    assert ringing.task.id == call.task_id
    agent = await console.logged_in("ivanka", extension=101)
    assert (await agent.send_form("/shelter", json=True, region=REGION)).status_code == 403
