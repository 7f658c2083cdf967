"""One attempt from claim to settlement on real PostgreSQL: fence, slot, agent, result, history, each once."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from backoffice_core.borrowers.models import ContactPoint, PhoneEvidence
from backoffice_core.call_centre.calls import attempts, settling
from backoffice_core.call_centre.calls.attempts import Passed, Placing
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.models import AgentSession, AgentStateChange, CallAttempt, CallTask, Recording
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.cases.models import Case, CaseEvent
from backoffice_core.clock import Clock
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.config import Settings, Trunk
from backoffice_core.db import Database
from tests import house

S = timedelta(seconds=1)


async def claim(
    database: Database, settings: Settings, clock: Clock, trunk: Trunk | None = None
) -> Placing | Passed | None:
    async with database.begin() as s:
        return await attempts.claim(
            s, settings, trunk=trunk or settings.trunks[0], now=clock.now(), today=clock.today(), wall=clock.wall()
        )


async def placed(database: Database, settings: Settings, clock: Clock) -> Placing:
    taken = await claim(database, settings, clock)
    assert isinstance(taken, Placing)
    return taken


@pytest.fixture
async def world(database: Database, clock: Clock) -> house.Borrower:
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        return await house.borrower(s, clock)


async def test_a_claim_is_fence_slot_intent_and_recording_in_one_commit(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    """TL-06, TL-03: before anything goes to the exchange, all that proves the call stands in PostgreSQL."""
    placing = await placed(database, live_settings, clock)
    async with database.begin() as s:
        task = await s.get_one(CallTask, world.task.id)
        call = await s.get_one(CallAttempt, placing.call_id)
        slot = (await s.execute(select(ContactLedger).where(ContactLedger.call_id == placing.call_id))).scalar_one()
        recording = await s.get_one(Recording, placing.call_id)
    assert (task.state, task.fence, call.fence, call.state) == ("DIALING", 1, 1, "INTENT")
    assert (slot.state, recording.state, recording.path) == ("RESERVED", "EXPECTED", placing.recording)
    assert await claim(database, live_settings, clock) is None


async def test_eight_dialers_never_take_one_task_twice(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """FL-20 and design "no task is dialed twice": concurrent claims share the queue without a double."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        for _ in range(12):
            await house.borrower(s, clock)
    taken = await asyncio.gather(*(claim(database, live_settings, clock) for _ in range(16)))
    tasks = [t.task_id for t in taken if isinstance(t, Placing)]
    assert len(tasks) == len(set(tasks)) == 12


async def test_one_live_attempt_per_number_whoever_owns_it(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    """FL-20: a second borrower with the same number waits while a call to it is live."""
    await placed(database, live_settings, clock)
    async with database.begin() as s:
        other = await house.borrower(s, clock, number=world.phone.value)
    passed = await claim(database, live_settings, clock)
    assert isinstance(passed, Passed)
    assert (passed.task_id, passed.reason) == (other.task.id, "RETRY_WAIT")


async def test_a_demo_borrower_is_never_dialed_on_a_trunk_that_leads_outside(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    outside = Trunk(name="carrier", host="192.0.2.7", caller_id="+380445550100")
    passed = await claim(database, live_settings, clock, outside)
    assert isinstance(passed, Passed)
    assert passed.reason == "DEMO_ON_REAL_TRUNK"
    async with database.begin() as s:
        assert (await s.get_one(CallTask, world.task.id)).state == "CANCELLED"
        assert not (await s.execute(select(CallAttempt))).scalars().all()


async def test_the_longest_waiting_agent_gets_the_call_and_nobody_gets_two(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """Design: Bridge takes a channel out of a running talk, so the agent is reserved in PostgreSQL first."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        for _ in range(3):
            await house.borrower(s, clock)
        late = await house.agent(s, clock, since=clock.wall() - 10 * S)
        early = await house.agent(s, clock, since=clock.wall() - 60 * S)
        await house.agent(s, clock, ready=False)
    calls = [(await placed(database, live_settings, clock)).call_id for _ in range(3)]

    async def connect(call_id: object) -> AgentSession | None:
        async with database.begin() as s:
            return await attempts.connect(s, call_id, clock.wall())  # type: ignore[arg-type]

    first = await connect(calls[0])
    assert first is not None
    assert first.id == early.id
    rest = await asyncio.gather(*(connect(call) for call in calls))
    assert [a.id for a in rest if a] == [late.id]


async def test_settling_twice_writes_once(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    """TL-06: a call stands in the case history exactly once, also when its end is heard again after a restart."""
    async with database.begin() as s:
        seat = await house.agent(s, clock)
    placing = await placed(database, live_settings, clock)
    began = clock.wall()
    async with database.begin() as s:
        assert await attempts.connect(s, placing.call_id, began + 2 * S)
        await attempts.heard(s, placing.call_id, rang_at=began + S, answered_at=began + 2 * S)
        await attempts.heard(s, placing.call_id, bridged_at=began + 2 * S)
    facts = CallFacts(ended_at=began + 32 * S, cause=16)
    for _ in range(2):
        async with database.begin() as s:
            await settling.settle(s, placing.call_id, facts, clock.now())
    async with database.begin() as s:
        call = await s.get_one(CallAttempt, placing.call_id)
        lines = (await s.execute(select(CaseEvent).where(CaseEvent.call_id == placing.call_id))).scalars().all()
        slot = (await s.execute(select(ContactLedger).where(ContactLedger.call_id == placing.call_id))).scalar_one()
        state = (await s.get_one(AgentSession, seat.id)).state
        changes = (await s.execute(select(AgentStateChange.to_state).order_by(AgentStateChange.id))).scalars().all()
    assert (call.result, call.state, call.abandoned) == ("ANSWERED_HUMAN", "ENDED", False)
    assert [(line.kind, line.data["result"], line.data["seconds"]) for line in lines] == [
        ("call", "ANSWERED_HUMAN", 30.0)
    ]
    assert (slot.state, slot.conversation) == ("COMMITTED", True)
    assert state == "WRAP_UP"
    assert changes[-3:] == ["RESERVED", "TALKING", "WRAP_UP"]


REFUSALS = [  # sip code, cause, result, slot, evidence against the number, task afterwards
    (404, 1, "INVALID_NUMBER", "COMMITTED", 1, "DONE"),
    (410, 22, "INVALID_NUMBER", "COMMITTED", 1, "DONE"),
    (484, 28, "INVALID_NUMBER", "COMMITTED", 1, "DONE"),
    (480, 19, "NO_ANSWER", "COMMITTED", 0, "RETRY_WAIT"),
    (486, 17, "BUSY", "COMMITTED", 0, "RETRY_WAIT"),
    (603, 21, "REJECTED", "COMMITTED", 0, "RETRY_WAIT"),
    (503, 34, "CONGESTION", "FREED", 0, "RETRY_WAIT"),
]


@pytest.mark.parametrize(
    ("sip", "cause", "result", "slot", "dead", "state"), REFUSALS, ids=[str(r[0]) for r in REFUSALS]
)
async def test_a_refusal_ends_as_its_result(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower,
    sip: int, cause: int, result: str, slot: str, dead: int, state: str,
) -> None:  # fmt: skip
    """CC-10, TL-06: each refusal is its result; only 404, 410, 484 speak against the number; 503 gives the slot back."""
    placing = await placed(database, live_settings, clock)
    async with database.begin() as s:
        facts = CallFacts(ended_at=clock.wall(), cause=cause, sip_code=sip)
        await settling.settle(s, placing.call_id, facts, clock.now())
    async with database.begin() as s:
        call = await s.get_one(CallAttempt, placing.call_id)
        ledger = (await s.execute(select(ContactLedger).where(ContactLedger.call_id == placing.call_id))).scalar_one()
        signs = (await s.execute(select(func.count()).where(PhoneEvidence.sign == "dead"))).scalar_one()
        task = await s.get_one(CallTask, world.task.id)
        number = await s.get_one(ContactPoint, world.phone.id)
        recording = await s.get_one(Recording, placing.call_id)
    assert (call.result, ledger.state, signs, task.state) == (result, slot, dead, state)
    assert number.state == ("SUSPECT" if dead else "UNVERIFIED")
    assert recording.state == "NONE"


async def test_nobody_free_is_abandoned_and_counted(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    placing = await placed(database, live_settings, clock)
    async with database.begin() as s:
        assert await attempts.connect(s, placing.call_id, clock.wall()) is None
        assert await attempts.give_up(s, placing.call_id)
        await house.agent(s, clock)
        assert await attempts.connect(s, placing.call_id, clock.wall()) is None, "message or agent, never both"
        wall = clock.wall()
        facts = CallFacts(answered_at=wall, message_at=wall + 2 * S, ended_at=wall + 7 * S, cause=16)
        await settling.settle(s, placing.call_id, facts, clock.now())
    async with database.begin() as s:
        call = await s.get_one(CallAttempt, placing.call_id)
        slot = (await s.execute(select(ContactLedger).where(ContactLedger.call_id == placing.call_id))).scalar_one()
    assert (call.result, call.abandoned, call.message_played) == ("ABANDONED", True, True)
    assert (slot.conversation, slot.abandoned) == (True, True)


async def test_a_borrower_who_hangs_up_before_the_bridge_gives_the_agent_back(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    """Answered and gone within 2 s with an agent reserved: SILENT; the agent is ready again, no result is demanded."""
    placing = await placed(database, live_settings, clock)
    async with database.begin() as s:
        seat = await house.agent(s, clock)
        assert await attempts.connect(s, placing.call_id, clock.wall())
        wall = clock.wall()
        await settling.settle(s, placing.call_id, CallFacts(answered_at=wall, ended_at=wall + 0.5 * S), clock.now())
    async with database.begin() as s:
        assert (await s.get_one(AgentSession, seat.id)).state == "READY"
        assert (await s.get_one(CallAttempt, placing.call_id)).result == "SILENT"


async def test_a_call_nobody_heard_of_is_unknown_counted_and_never_redialed(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    """Design: a lease that runs out goes to SETTLING, and absent after the quarantine to UNKNOWN."""
    placing = await placed(database, live_settings, clock)
    async with database.begin() as s:
        await settling.start_settling(s, placing.call_id)
    async with database.begin() as s:
        await settling.settle(s, placing.call_id, CallFacts(ended_at=clock.wall(), heard=False), clock.now())
    async with database.begin() as s:
        call = await s.get_one(CallAttempt, placing.call_id)
        task = await s.get_one(CallTask, world.task.id)
        slot = (await s.execute(select(ContactLedger).where(ContactLedger.call_id == placing.call_id))).scalar_one()
    assert (call.result, task.state, slot.state, slot.uncertain) == ("UNKNOWN", "UNKNOWN", "COMMITTED", True)
    assert await claim(database, live_settings, clock) is None


async def test_what_never_left_us_costs_nobody_an_attempt(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    """FL-01: a claim that the stop caught before Originate gives slot and attempt back."""
    placing = await placed(database, live_settings, clock)
    async with database.begin() as s:
        await settling.not_placed(s, placing.call_id, "STOPPED", clock.now(), clock.wall())
    async with database.begin() as s:
        task = await s.get_one(CallTask, world.task.id)
        slot = (await s.execute(select(ContactLedger).where(ContactLedger.call_id == placing.call_id))).scalar_one()
    assert (task.state, task.attempts, slot.state) == ("RETRY_WAIT", 0, "FREED")
    assert isinstance(await claim(database, live_settings, clock), Placing)


async def test_a_case_put_on_hold_after_the_night_is_not_dialed(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    async with database.begin() as s:
        (await s.get_one(Case, world.case.id)).state = "ON_HOLD"
    passed = await claim(database, live_settings, clock)
    assert isinstance(passed, Passed)
    assert passed.reason == "ON_HOLD"


async def test_a_desk_phone_put_down_is_a_pause_and_a_lost_line_is_called_again(
    database: Database, clock: Clock
) -> None:
    """FL-10 (its base): told apart by who ended it; after 1, 2, 5 s without success the agent is paused."""
    async with database.begin() as s:
        put_down, lost = await house.agent(s, clock), await house.agent(s, clock)
        wall = clock.wall()
        await agents.line_down(s, put_down.id, 1, wall, hung_up=True)
        assert (put_down.state, put_down.reason, put_down.line_wanted) == ("PAUSED", "PHONE_HUNG_UP", False)
        await agents.line_down(s, lost.id, 1, wall, hung_up=False)
        assert (lost.state, lost.line, lost.line_retry_at) == ("UNREACHABLE", "NONE", wall + S)
        assert await agents.lines_to_call(s, wall) == []
        for seconds, n in ((1, 2), (3, 3), (8, 4)):
            (again,) = await agents.lines_to_call(s, wall + seconds * S)
            again.line, again.line_n = "CALLING", n
            await agents.line_down(s, lost.id, n, wall + seconds * S, hung_up=False)
        assert (lost.state, lost.reason, lost.line_wanted) == ("PAUSED", "LINE_LOST", False)
