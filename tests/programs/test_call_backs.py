"""Borrowers who call our number, on the whole house with a real Asterisk (FL-02, CC-01)."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from sqlalchemy import func, select, update

from asterisk_conf import prompts
from backoffice_core.call_centre.calls import recordings as rows
from backoffice_core.call_centre.dialing import campaign_lists, campaigns, pacing_book, pacing_view
from backoffice_core.call_centre.models import CallAttempt, CallerId, CallTask, Recording, UnknownCaller
from backoffice_core.cases.models import CaseEvent, Task
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.events import CampaignsChanged, QueueChanged
from backoffice_core.loans import stop_list
from far_end.endpoint import Call, Endpoint
from far_end.media import SOUNDS, Engine
from tests import house
from tests.conftest import until
from tests.core import talk_files
from tests.real_asterisk.test_calls import likeness
from tests.running import RunningHouse, running_house

OURS = "380445550100"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    options = ("--call-back", "1", "--call-back-after", "1", "--talk", "3")
    with running_house(
        tmp_path_factory.mktemp("house"), carrier_options=options, ring_timeout_s=15, calls_in_wait_s=5
    ) as one:
        yield one


@pytest.fixture
async def caller(running: RunningHouse) -> Endpoint:
    endpoint = Endpoint(Engine(), "somebody", keep_heard=True)
    await endpoint.open()
    return endpoint


async def call_us(running: RunningHouse, caller: Endpoint, number: str) -> Call:
    where = ("127.0.0.1", running.settings.ports.sip)
    return await caller.dial(OURS, where, caller=number, sound=SOUNDS / "borrower-uk.wav", limit=20)


async def the_call(running: RunningHouse, number: str) -> CallAttempt:
    async def look() -> CallAttempt | None:
        async with running.database() as database, database.begin() as s:
            query = select(CallAttempt).where(
                CallAttempt.number == number, CallAttempt.direction == "in", CallAttempt.ended_at.is_not(None)
            )
            return (await s.execute(query.limit(1))).scalar_one_or_none()

    found: CallAttempt = await until(look, 30, every=0.2, what=f"the call from {number} ended")
    return found


async def test_who_missed_our_call_calls_back_and_meets_an_agent_with_his_card(running: RunningHouse) -> None:
    """FL-02: the far end's person lets it ring, calls the number he saw: card, talk, recording, history `in`, no cap."""
    async with running.robots(1, talk="4") as log:
        (task,) = await running.dial("777")  # rings until we give up
        missed = await running.ended(task, 60)
        back = await the_call(running, missed.number)
        assert (back.result, back.person_id) == ("ANSWERED_HUMAN", missed.person_id)
        assert f'"CARD", "robot": "robot200", "call_id": "{back.id}", "named": true' in log.read_text()
        async with running.database() as database, database.begin() as s:
            lines = (await s.execute(select(CaseEvent).where(CaseEvent.call_id == back.id))).scalars().all()
            slots = await s.scalar(
                select(func.count()).select_from(ContactLedger).where(ContactLedger.person_id == back.person_id)
            )
        assert [line.data["direction"] for line in lines if line.kind == "call"] == ["in"]
        assert slots == 1, "only our own call counts"

        async def sealed() -> bool:
            async with running.database() as database, database.begin() as s:
                return (await s.get_one(Recording, back.id)).state == "SEALED"

        await until(sealed, 20, every=0.3, what="the recording of the call that came in is sealed")


async def test_a_silent_side_and_an_overdriven_one_are_noticed_while_they_talk(
    running: RunningHouse, caller: Endpoint, tmp_path: Path
) -> None:
    """FL-16, issue 4: on the real exchange, from the files that Asterisk is writing, within 60 s, and told on the floor. What
    somebody else sends to the talk's port is neither heard nor recorded: the silent side stays silent."""
    number, shout = "+380671110007", tmp_path / "shout.wav"
    talk_files.put(shout, talk_files.voice(10, "borrower-uk", gain=12))
    async with running.database() as database, database.begin() as s:
        known = await house.borrower(s, running.clock, number=number)
        known.task.state = "CANCELLED"

    async def told(*wanted: str) -> bool:
        start, end = running.clock.day_bounds(running.clock.today())
        async with running.database() as database, database.begin() as s:
            found = [one.faults for one in await rows.bad_sound(s, start, end) if one.case_number == known.case.number]
        return list(wanted) in found

    async with running.robots(1, talk="100"):
        where = ("127.0.0.1", running.settings.ports.sip)
        call = await caller.dial(OURS, where, caller=number.removeprefix("+"), limit=20)
        assert call.stream is not None
        began = time.monotonic()
        stranger = Engine()  # a call of an exchange that died may go on speaking to a port that is another's now
        stranger.open(call.stream.remote, call.stream.law).play(SOUNDS / "borrower-uk.wav")
        await until(lambda: told("BORROWER_SILENT"), 60, every=0.5, what="the silent side is noticed")
        stranger.close()
        call.stream.play(shout)
        await until(lambda: told("BORROWER_CLIPPED"), 60, every=0.5, what="the overdriven side is noticed")
        assert not call.over.is_set(), "both while the talk went on"
        assert time.monotonic() - began < 100
        await call.hang_up()
    ended = await the_call(running, number)
    assert ended.result == "ANSWERED_HUMAN"


async def test_nobody_there_is_told_and_called_back(running: RunningHouse, caller: Endpoint) -> None:
    """FL-02: no agent works: a neutral message, one task to call back, however often he calls."""
    number = "+380671110001"
    async with running.database() as database, database.begin() as s:
        known = await house.borrower(s, running.clock, number=number)
        known.task.state = "CANCELLED"
    for _ in range(2):
        call = await call_us(running, caller, number.removeprefix("+"))
        await asyncio.wait_for(call.over.wait(), 30)
        assert call.how == "them"
        assert call.stream is not None
        assert call.stream.packets > 100, "he heard a message"

    async def tasks() -> list[Task]:
        async with running.database() as database, database.begin() as s:
            found = (
                await s.execute(select(Task).where(Task.case_id == known.case.id, Task.kind == "CALLBACK"))
            ).scalars()
            return list(found)

    assert (await the_call(running, number)).result == "MISSED"
    await until(tasks, 15, every=0.2, what="the task to call back")
    assert len(await tasks()) == 1


async def test_a_stranger_whom_nobody_takes_hears_the_message_and_the_supervisor_his_number(
    running: RunningHouse, caller: Endpoint
) -> None:
    call = await call_us(running, caller, "380509998877")
    await asyncio.wait_for(call.over.wait(), 30)
    assert call.stream is not None
    assert call.stream.packets > 100, "he heard a message"

    async def told() -> list[str]:
        async with running.database() as database, database.begin() as s:
            return [one.number for one in (await s.execute(select(UnknownCaller))).scalars()]

    assert await until(told, 20, every=0.3, what="the supervisor is told") == ["+380509998877"]


async def test_whom_nobody_knows_and_whom_the_number_names_twice_meet_an_agent(
    running: RunningHouse, caller: Endpoint
) -> None:
    """FL-02, CC-01: a stranger talks with the agent and stays nobody's; of two with one number the agent chooses at the
    desk while they talk: history `in`, result and recording are this person's, no cap counts it, and each heard the other."""
    shared = "+380671110777"
    async with running.database() as database, database.begin() as s:
        two = [await house.borrower(s, running.clock, number=shared) for _ in range(2)]
        for one in two:
            one.task.state = "CANCELLED"
    async with running.robots(1, talk="4") as log:
        call = await call_us(running, caller, "380509990011")
        await asyncio.wait_for(call.over.wait(), 30)
        assert call.stream is not None
        assert call.stream.packets > 100
        alone = await the_call(running, "+380509990011")
        assert (alone.result, alone.case_id) == ("ANSWERED_HUMAN", None)
        assert f'"CARD", "robot": "robot200", "call_id": "{alone.id}", "named": true' in log.read_text()

        call = await call_us(running, caller, shared.removeprefix("+"))
        await asyncio.wait_for(call.over.wait(), 30)
        chosen = await the_call(running, shared)

        async def written() -> bool:
            async with running.database() as database, database.begin() as s:
                both = (await s.execute(select(CallAttempt).where(CallAttempt.id.in_([alone.id, chosen.id])))).scalars()
                recordings = (
                    await s.execute(select(Recording).where(Recording.call_id.in_([alone.id, chosen.id])))
                ).scalars()
                return all(one.outcome for one in both) and {one.state for one in recordings} == {"SEALED"}

        await until(written, 30, every=0.3, what="results saved and recordings sealed")
    async with running.database() as database, database.begin() as s:
        lines = (await s.execute(select(CaseEvent).where(CaseEvent.call_id == chosen.id))).scalars().all()
        strangers = (await s.execute(select(CaseEvent).where(CaseEvent.call_id == alone.id))).scalars().all()
        recording = await s.get_one(Recording, chosen.id)
        people = [one.person.id for one in two]
        slots = await s.scalar(
            select(func.count()).select_from(ContactLedger).where(ContactLedger.person_id.in_(people))
        )
    assert chosen.result == "ANSWERED_HUMAN"
    assert chosen.candidates == 2
    assert chosen.case_id in {one.case.id for one in two}
    assert {(line.kind, line.case_id) for line in lines} >= {("call", chosen.case_id), ("outcome", chosen.case_id)}
    assert [line.data["direction"] for line in lines if line.kind == "call"] == ["in"]
    assert recording.case_id == chosen.case_id
    assert strangers == []
    assert slots == 0


async def test_a_campaign_without_agents_speaks_its_message_and_heeds_two_keys(running: RunningHouse) -> None:
    """Issue 5, RB-05: a list is given to an agentless campaign; the far end answers, hears the shipped message whole in its
    own language, presses 9 (its number is stopped) or 1 (an agent takes him; with nobody there he is called back). Lines are
    the campaign's, caps and recording as of any call, no answer stands in the account of abandoned calls."""
    await running.clear_queue()
    clock, settings = running.clock, running.settings
    async with running.database() as database, database.begin() as s:
        said = {"mode": "agentless", "priority": 1, "whom": {"given": True}, "robot": {"lines": 2, "per_second": 2}}
        await campaigns.change(s, "reminders", said, who="os:x", by="x", wall=clock.wall(), new=True)
        await s.execute(update(CallerId).values(campaigns=["collection", "reminders"]))
        numbers = {name: f"+3806722{n}{ending}" for n, (name, ending) in enumerate(
            (("told", "0970"), ("stop", "0979"), ("in vain", "0971"), ("talk", "1971"))
        )}  # fmt: skip
        known = {name: await house.borrower(s, clock, number=number) for name, number in numbers.items()}
        known["talk"].task.state = "CANCELLED"
        await campaign_lists.give(
            s, "reminders", [str(known[name].case.number) for name in ("told", "stop", "in vain")]
        )
    await running.news(CampaignsChanged(), QueueChanged())
    calls = {name: await running.ended(known[name].task.id, 90) for name in ("told", "stop", "in vain")}
    assert {name: (call.campaign, call.robot, call.result, call.outcome) for name, call in calls.items()} == {
        "told": ("reminders", True, "ANSWERED_HUMAN", "ROBOT_TOLD"),
        "stop": ("reminders", True, "ANSWERED_HUMAN", "ROBOT_STOP"),
        "in vain": ("reminders", True, "ANSWERED_HUMAN", calls["in vain"].outcome),
    }
    begins, ends = {n: c.claimed_at for n, c in calls.items()}, {n: c.ended_at for n, c in calls.items()}
    assert sum(begins[n] < min(e for e in ends.values() if e) for n in calls) <= 2, "two calls at once are all it may"
    kept = f"*{numbers['told'].lstrip('+')}-*.wav"
    file = await until(lambda: next(iter((settings.data / "heard").glob(kept)), None), 10, what="what he heard is kept")
    heard, rate = soundfile.read(file)
    spoken, _ = soundfile.read(prompts.sounds_dir(settings) / "uk" / "robot.wav")
    assert rate == 8000
    assert likeness(spoken[:24_000], heard) > 0.5, "the beginning: that it is an automatic call"
    assert likeness(spoken[-24_000:], heard) > 0.5, "and the end"

    async def called_back() -> list[Task]:
        async with running.database() as database, database.begin() as s:
            query = select(Task).where(Task.case_id == known["in vain"].case.id, Task.kind == "CALLBACK")
            return list((await s.scalars(query)).all())

    await until(called_back, 20, every=0.3, what="who asked in vain is called back")
    async with running.robots(1, talk="3") as log:
        async with running.database() as database, database.begin() as s:
            await campaign_lists.give(s, "reminders", [str(known["talk"].case.number)])
            task = await s.get_one(CallTask, known["talk"].task.id)
            task.state, task.campaign = "ELIGIBLE", "reminders"
        await running.news(QueueChanged())
        talk = await running.ended(known["talk"].task.id, 60)
        assert (talk.result, talk.robot_key) == ("ANSWERED_HUMAN", "1")
        assert talk.bridged_at is not None
        assert f'"CARD", "robot": "robot200", "call_id": "{talk.id}", "named": true' in log.read_text()
    async with running.database() as database, database.begin() as s:
        assert await stop_list.stopped(s, known["stop"].person.id, numbers["stop"], clock.today())
        of_these = select(ContactLedger).where(ContactLedger.campaign == "reminders")
        slots = (await s.scalars(of_these)).all()
        assert {(one.channel, one.state, one.conversation, one.abandoned) for one in slots} == {
            ("robot", "COMMITTED", True, False)
        }
        assert len(slots) == 4
        begun = min(begins.values())
        counts = await pacing_view.count(s, begun, clock.wall())
        assert not any(campaign == "reminders" for campaign, _ in counts)
        recorded = {one.call_id for one in await s.scalars(select(Recording).where(Recording.state != "NONE"))}
        assert {call.id for call in calls.values()} | {talk.id} <= recorded
        decisions = await pacing_book.decisions(s, 50, "reminders")
        assert any(row.calls for row in decisions), "each step that placed calls can be read back"
        await campaigns.change(s, "reminders", {"active": False}, who="os:x", by="x", wall=clock.wall())
