"""Abandoned calls on real PostgreSQL: message or agent and never both; who was abandoned gets an agent before the dial."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select, update

from backoffice_core.call_centre.calls import abandoned, attempts, settling
from backoffice_core.call_centre.calls.attempts import Passed, Placing
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.models import AgentSession, AgentStateChange, CallAttempt, CallTask
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.clock import Clock
from backoffice_core.compliance.dialer_limits import DialerLimits
from backoffice_core.config import Settings
from backoffice_core.db import Database
from tests import house
from tests.core.test_attempts import claim, placed

S = timedelta(seconds=1)
LIMITS = DialerLimits(
    connect_within_s=Decimal(2), ring_min_s=15, ring_max_s=40, max_abandon_pct=Decimal(3), abandon_accounts=(),
    redial_hold_hours=72, redial_ok_if_agent_guaranteed=True, same_day_after_machine_needs_agent=False,
    message=frozenset(), caller_id_required=True, keep_records=True, consulted=(("ANY-ABANDON", 1),),
)  # fmt: skip


def test_how_an_abandoned_person_may_be_dialed_again() -> None:
    """Issue 5: 72 h by the rule, only with an agent; the same for thirty days; without a rule the thirty days stay."""
    at = datetime(2026, 11, 2, 10, tzinfo=UTC)
    hour, day = timedelta(hours=1), timedelta(days=1)
    long = replace(LIMITS, redial_hold_hours=31 * 24)
    table = [
        (LIMITS, hour, True), (LIMITS, 73 * hour, True), (LIMITS, 30 * day - hour, True), (LIMITS, 30 * day, False),
        (long, 30 * day, True), (long, 31 * day, False), (None, hour, True), (None, 31 * day, False),
    ]  # fmt: skip
    for limits, later, needs in table:
        assert abandoned.one_to_one(at, at + later, limits) == needs, later


@pytest.fixture
async def world(database: Database, clock: Clock) -> house.Borrower:
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        return await house.borrower(s, clock)


async def _abandon(database: Database, settings: Settings, clock: Clock, ago: timedelta) -> UUID:
    """He answered `ago`, nobody was there, the message came after 1.9 s."""
    call = await placed(database, settings, clock)
    wall = clock.wall()
    async with database.begin() as s:
        assert await attempts.give_up(s, call.call_id)
        await attempts.heard(s, call.call_id, answered_at=wall)
        await attempts.message_heard(s, call.call_id, wall + 1.9 * S)
    async with database.begin() as s:
        facts = CallFacts(answered_at=wall, message_at=wall + 1.9 * S, ended_at=wall + 9 * S, far_side_hung_up=False)
        await settling.settle(s, call.call_id, facts, clock.now())
    async with database.begin() as s:  # days go by: the law's own gaps and caps are not what is asked here
        change = update(CallAttempt).values(business_at=CallAttempt.business_at - ago)
        await s.execute(change.where(CallAttempt.id == call.call_id))
        from backoffice_core.compliance.models import ContactLedger

        await s.execute(update(ContactLedger).values(at=ContactLedger.at - ago))
        await s.execute(update(CallTask).values(state="ELIGIBLE", earliest_at=None))
    return call.call_id


async def _seat(database: Database, seat: AgentSession) -> AgentSession:
    async with database.begin() as s:
        return await s.get_one(AgentSession, seat.id)


async def test_who_was_abandoned_is_dialed_only_with_an_agent_in_hand(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    """Issue 5: nobody free: he waits with the reason; somebody free: reserved in the claim's own commit, held while it
    rings, free again when nobody answers; answered, he and nobody else gets the call. The report has it with proof."""
    first = await _abandon(database, live_settings, clock, timedelta(days=1))
    passed = await claim(database, live_settings, clock)
    assert isinstance(passed, Passed)
    assert passed.reason == "AGENT_FIRST"
    async with database.begin() as s:
        await s.execute(update(CallTask).values(earliest_at=None))
        other = await house.agent(s, clock, since=clock.wall() - 5 * S)
        seat = await house.agent(s, clock, since=clock.wall() - 60 * S)
    call = await placed(database, live_settings, clock)
    held = await _seat(database, seat)
    assert (held.state, held.reason, held.call_id, call.agent_id) == ("RESERVED", "DIAL", call.call_id, seat.user_id)
    async with database.begin() as s:  # nobody answers
        await settling.settle(
            s, call.call_id, CallFacts(rang_at=clock.wall(), ended_at=clock.wall(), cause=19), clock.now()
        )
    assert (await _seat(database, seat)).state == "READY"

    await _again(database)
    call = await placed(database, live_settings, clock)
    async with database.begin() as s:
        mine = await attempts.connect(s, call.call_id, clock.wall() + S)
        assert mine is not None
        assert mine.user_id == call.agent_id
    async with database.begin() as s:
        assert await attempts.connect(s, call.call_id, clock.wall()) is None, "asked twice, chosen once"
        assert not await attempts.give_up(s, call.call_id)
        free = [one.user_id for one in (await s.scalars(select(AgentSession))).all() if one.state == "READY"]
        assert len(free) == 1
        assert {free[0], call.agent_id} == {other.user_id, seat.user_id}
        start, end = clock.now() - timedelta(days=6), clock.now() + timedelta(days=1)
        (row,) = await abandoned.report(s, start, end)
    assert (row.call_id, row.after_s, row.within_s, row.in_time) == (first, 1.9, 2.0, True)
    assert row.redial_held
    assert row.locked_until is not None
    assert any(rule.startswith("ANY-ABANDON/") for rule in row.rules)
    assert not row.twice
    assert replace(row, after_s=None, stayed_s=1.2).in_time, "he had gone"
    assert not replace(row, after_s=None, stayed_s=9.0).in_time, "nine seconds of silence"
    async with database.begin() as s:  # as if nobody had been held for him
        change = update(CallAttempt).where(CallAttempt.id == call.call_id)
        await s.execute(change.values(abandoned=True, ended_at=clock.wall()))
        report = await abandoned.report(s, start, end)
    assert {one.call_id: one.twice for one in report} == {call.call_id: True, first: False}


async def _again(database: Database) -> None:
    async with database.begin() as s:
        from backoffice_core.compliance.models import ContactLedger

        await s.execute(update(ContactLedger).values(at=ContactLedger.at - timedelta(days=1)))
        await s.execute(update(CallTask).values(state="ELIGIBLE", earliest_at=None))


async def test_a_held_agent_whose_line_is_gone_or_who_was_never_dialed_for_is_given_back(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower
) -> None:
    """FL-10 for a reserved agent: his line died while it rang, the call goes to the next; nothing left us, he is free."""
    await _abandon(database, live_settings, clock, timedelta(days=1))
    async with database.begin() as s:
        seat = await house.agent(s, clock, since=clock.wall() - 60 * S)
    call = await placed(database, live_settings, clock)
    async with database.begin() as s:
        await settling.not_placed(s, call.call_id, "STOPPED", clock.now(), clock.wall())
    assert (await _seat(database, seat)).state == "READY"
    await _again(database)
    call = await placed(database, live_settings, clock)
    async with database.begin() as s:
        second = await house.agent(s, clock)
        await agents.line_down(s, seat.id, 1, clock.wall(), hung_up=False)
    async with database.begin() as s:
        taken = await attempts.connect(s, call.call_id, clock.wall() + S)
        assert taken is not None
        assert taken.user_id == second.user_id
    assert (await _seat(database, seat)).state == "UNREACHABLE"


@pytest.mark.parametrize("order", ["message first", "agent first", "talk first"])
async def test_message_or_agent_never_both(
    database: Database, live_settings: Settings, clock: Clock, world: house.Borrower, order: str
) -> None:
    """Issue 5: the dialplan began the message while the AGI chose: an agent chosen before is free at once, none is chosen
    after; a message told late of a talk that had begun takes nobody out of it."""
    async with database.begin() as s:
        seat = await house.agent(s, clock)
    call = await placed(database, live_settings, clock)
    assert isinstance(call, Placing)
    wall = clock.wall()
    async with database.begin() as s:
        await attempts.heard(s, call.call_id, answered_at=wall)
    for step in {"message first": "MC", "agent first": "CM", "talk first": "CTM"}[order]:
        async with database.begin() as s:
            if step == "M":
                await attempts.message_heard(s, call.call_id, wall + 2 * S)
            elif step == "T":
                await attempts.heard(s, call.call_id, bridged_at=wall + S)
            else:
                chosen = await attempts.connect(s, call.call_id, wall + S)
                assert (chosen is None) == (order == "message first")
    async with database.begin() as s:
        attempt, now = await s.get_one(CallAttempt, call.call_id), await s.get_one(AgentSession, seat.id)
        reasons = (await s.scalars(select(AgentStateChange.reason).order_by(AgentStateChange.id))).all()
    if order == "talk first":
        assert (now.state, attempt.agent_id) == ("TALKING", seat.user_id)
        return
    assert (now.state, attempt.agent_id, attempt.abandoned) == ("READY", None, True)
    assert ("MESSAGE" in reasons) == (order == "agent first")
