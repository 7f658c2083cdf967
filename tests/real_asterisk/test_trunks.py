"""A whole house with two carriers, the first of which fails on demand: failover, formats, destinations, breaker."""

import json
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from backoffice_core.borrowers.models import ContactPoint
from backoffice_core.call_centre.models import CallAttempt, CallLeg, CallTask, TrunkEvent, TrunkState
from backoffice_core.cases.models import CaseEvent
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.config import FAR_END, Breaker
from backoffice_core.events import QueueChanged
from backoffice_core.parts import process
from tests import house as builders
from tests.conftest import child_environment, command, fresh_settings, until
from tests.running import RunningHouse, running_house

TALKS_2_S = "020"


class TwoCarriers:
    """`first` fails as its mood says; `second` is a good one. What each saw is in its own log."""

    def __init__(self, house: RunningHouse, mood: Path, logs: dict[str, Path]) -> None:
        self.house, self.mood_file, self.logs = house, mood, logs

    def mood(self, mood: str) -> None:
        self.mood_file.write_text(mood)

    def saw(self, trunk: str, ending: str, *events: str) -> list[dict[str, Any]]:
        """Lines of this carrier about numbers that end so."""
        lines = [json.loads(line) for line in self.logs[trunk].read_text().splitlines()]
        return [
            line for line in lines
            if str(line.get("number", "")).endswith(ending) and (not events or line["event"] in events)
        ]  # fmt: skip

    async def dial(self, ending: str) -> tuple[UUID, str]:
        """One new borrower whose number ends so; his task, and the last seven digits of his number."""
        (task,) = await self.house.dial(ending)
        async with self.house.database() as database, database.begin() as s:
            query = select(ContactPoint.value).join(CallTask, CallTask.contact_point_id == ContactPoint.id)
            number = (await s.execute(query.where(CallTask.id == task))).scalar_one()
        return task, number[-7:]

    async def legs(self, task: UUID) -> list[CallLeg]:
        async with self.house.database() as database, database.begin() as s:
            query = select(CallLeg).join(CallAttempt, CallAttempt.id == CallLeg.call_id)
            return list((await s.execute(query.where(CallAttempt.task_id == task).order_by(CallLeg.n))).scalars())

    async def close_breaker(self) -> None:
        async with self.house.database() as database, database.begin() as s:
            await s.execute(update(TrunkState).values(breaker="CLOSED", why="", until=None, opened=0, probe=None,
                                                      since=self.house.clock.wall()))  # fmt: skip


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoCarriers]:
    data = tmp_path_factory.mktemp("trunks")
    ports = fresh_settings(data).ports
    sip, rtp = process.free_ports(2)
    mood, log = data / "mood", data / "second.jsonl"
    first = FAR_END.model_copy(
        update={"name": "first", "port": ports.far_end, "priority": 1, "allow": ["380"], "number_format": "national",
                "caller_id_format": "digits", "caller_id_in": "from", "breaker": Breaker(at_least=6, pause_s=2)}
    )  # fmt: skip
    second = FAR_END.model_copy(
        update={"name": "second", "port": sip, "priority": 2, "allow": ["380"], "number_format": "plus",
                "caller_id": "+380445550101", "test_numbers": ["+380671110020"]}
    )  # fmt: skip
    other = ("--port", str(sip), "--rtp-port", str(rtp), "--log", str(log))
    with running_house(
        data, carrier_options=("--mood", str(mood)), more_carriers=(other,), ports=ports, trunks=[first, second]
    ) as house:
        yield TwoCarriers(house, mood, {"first": house.carrier_log, "second": log})


@pytest.fixture
async def carriers(two: TwoCarriers) -> Any:
    two.mood("")
    await two.house.clear_queue()
    await two.close_breaker()
    async with two.house.robots(2, talk="0.2-0.4"):
        yield two
    two.mood("")


@pytest.mark.parametrize("fault", ["503", "silent"])
async def test_a_trunk_that_fails_gives_the_call_to_the_next_within_the_same_attempt(
    carriers: TwoCarriers, fault: str
) -> None:
    """FL-04: next trunk ≤ 6 s, same call id, one slot, one history row with both legs; FL-06: each as it wants it."""
    carriers.mood(fault)
    task, tail = await carriers.dial(TALKS_2_S)
    call = await carriers.house.ended(task)
    assert (call.result, call.trunk, call.legs) == ("ANSWERED_HUMAN", "second", 2)
    first, second = await carriers.legs(task)
    assert (first.trunk, first.said, second.trunk, second.said) == ("first", "fault", "second", "good")
    assert (first.sip_code, first.cause) == ((503, 34) if fault == "503" else (502, 27))
    assert first.ended_at
    assert second.placed_at
    assert first.ended_at <= second.placed_at
    assert (second.placed_at - call.claimed_at).total_seconds() < 6
    async with carriers.house.database() as database, database.begin() as s:
        slots = select(ContactLedger.state).where(ContactLedger.call_id == call.id)
        assert (await s.execute(slots)).scalars().all() == ["COMMITTED"]
        rows = select(CaseEvent.data).where(CaseEvent.call_id == call.id, CaseEvent.kind == "call")
        (told,) = (await s.execute(rows)).scalars().all()
        attempts = select(func.count()).where(CallAttempt.case_id == call.case_id)
        assert (await s.execute(attempts)).scalar_one() == 1
    assert [(leg["trunk"], leg["sip_code"]) for leg in told["legs"]] == [("first", first.sip_code), ("second", None)]
    (rang,) = carriers.saw("second", tail, "INVITE")
    assert (rang["number"][:4], rang["caller"], rang["asserted"]) == ("+380", "+380445550101", "+380445550101")
    tried = carriers.saw("first", tail, "INVITE", "IGNORED")
    assert tried[0]["number"] == "067" + tail
    seconds = datetime.fromisoformat(rang["at"]) - datetime.fromisoformat(tried[0]["at"])
    assert 0 < seconds.total_seconds() < 6


async def test_what_the_borrowers_side_answers_never_leads_to_another_trunk(carriers: TwoCarriers) -> None:
    """FL-04: 404 and 486 end the attempt; the first trunk got number and caller id in its own forms (FL-06)."""
    for code, result in (("404", "INVALID_NUMBER"), ("486", "BUSY")):
        task, tail = await carriers.dial(code)
        call = await carriers.house.ended(task)
        assert (call.result, call.sip_code, call.trunk, call.legs) == (result, int(code), "first", 1)
        assert not carriers.saw("second", tail)
        (invited,) = carriers.saw("first", tail, "INVITE")
        assert (invited["number"], invited["caller"], invited["asserted"]) == ("067" + tail, "380445550100", None)


async def test_a_forbidden_destination_gets_no_invite(carriers: TwoCarriers) -> None:
    """FL-06: outside the allowed prefixes nothing leaves us, on no trunk, and the task says why."""
    async with carriers.house.database() as database, database.begin() as s:
        borrower = await builders.borrower(s, carriers.house.clock, number="+48601230020")
    await carriers.house.news(QueueChanged())

    async def cancelled() -> str:
        async with carriers.house.database() as database, database.begin() as s:
            return (await s.get_one(CallTask, borrower.task.id)).state_reason

    await until(cancelled, 20, every=0.1)
    assert await cancelled() == "DESTINATION_NOT_ALLOWED"
    assert not carriers.saw("first", "8601230020")
    assert not carriers.saw("second", "8601230020")


async def test_an_extension_is_dialled_after_the_answer(carriers: TwoCarriers) -> None:
    """FL-06: вн. 12 behind the number: tones at the far end before the agent talks."""
    async with carriers.house.database() as database, database.begin() as s:
        borrower = await builders.borrower(s, carriers.house.clock, number="+380445557050")
        (await s.get_one(ContactPoint, borrower.phone.id)).extension = "12"
    await carriers.house.news(QueueChanged())
    call = await carriers.house.ended(borrower.task.id)
    assert call.answered_at
    heard = await until(lambda: carriers.saw("first", "5557050", "HEARD"), 10, every=0.1)
    assert heard[0]["keys"] == "12"


async def test_a_broken_trunk_is_taken_out_and_taken_back(carriers: TwoCarriers) -> None:
    """FL-04: after six faults no call meets it first; after its pause one call tries it, and it serves again."""
    carriers.mood("503")
    for _ in range(6):
        task, _ = await carriers.dial(TALKS_2_S)
        await carriers.house.ended(task)

    async def breaker() -> str:
        async with carriers.house.database() as database, database.begin() as s:
            return (await s.get_one(TrunkState, "first")).breaker

    assert await breaker() in {"OPEN", "HALF_OPEN"}
    carriers.mood("")

    async def taken_back() -> bool:
        task, _ = await carriers.dial(TALKS_2_S)
        await carriers.house.ended(task)
        return await breaker() == "CLOSED"

    await until(taken_back, 60, every=0.1)
    async with carriers.house.database() as database, database.begin() as s:
        kinds = (await s.execute(select(TrunkEvent.kind).order_by(TrunkEvent.id.desc()).limit(3))).scalars().all()
    assert kinds[0] == "CLOSED"
    assert "HALF_OPEN" in kinds


async def test_a_test_call_reaches_a_registered_number_only(carriers: TwoCarriers) -> None:
    """`backoffice trunk test`: a registered number hears that this is a test; any other is refused before the call."""
    environment = child_environment(carriers.house.settings)

    def run(*words: str) -> tuple[int, str]:
        done = subprocess.run(
            command("trunk", "test", *words, "--json"), check=False, env=environment, capture_output=True, text=True,
            cwd=carriers.house.settings.data, timeout=60,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    code, said = run("second", "--to", "+380671110020")
    assert code == 0, said
    told = json.loads(said.splitlines()[-1])
    assert (told["result"], told["dialled"]) == ("ANSWERED", "+380671110020")
    (heard,) = carriers.saw("second", "1110020", "HEARD")
    assert heard["dbfs"] > -45
    code, said = run("second", "--to", "+48671110020")
    assert code == 1
    assert not carriers.saw("second", "48671110020")
