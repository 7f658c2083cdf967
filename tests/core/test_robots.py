"""Calls without an agent (issue 5) on real tables: which rules are asked, what their ends come to, what they do not count in."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from backoffice_core.call_centre.calls import attempts, call_backs, history, robots, settling
from backoffice_core.call_centre.calls.attempts import Passed, Placing
from backoffice_core.call_centre.dialing import campaign_terms, campaigns, pacing_view
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.cases.models import CaseEvent, Task
from backoffice_core.clock import Clock
from backoffice_core.compliance.models import ComplianceDecision, ContactLedger
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.loans import stop_list
from tests import house

S = timedelta(seconds=1)


async def agentless(database: Database, clock: Clock, **robot: object) -> None:
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        said = {"mode": "agentless", "robot": robot}
        await campaigns.change(s, "collection", said, who="os:x", by="x", wall=clock.wall())


async def claim(database: Database, settings: Settings, clock: Clock, *, robot: bool = True) -> Placing | Passed | None:
    async with database.begin() as s:
        return await attempts.claim(
            s, settings, trunk=settings.trunks[0], now=clock.now(), today=clock.today(), wall=clock.wall(), robot=robot
        )


async def test_the_evaluator_is_asked_of_a_robot_and_nobody_is_dialed_for_an_agent(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """Issue 5, RB-05: channel and actor are the robot's, so its caps and windows hold, and the ledger has it so; the pacer's
    claim takes nothing of such a campaign, nor a robot's claim anything of another."""
    await agentless(database, clock, message="robot-short")
    async with database.begin() as s:
        who = await house.borrower(s, clock)
    assert await claim(database, live_settings, clock, robot=False) is None
    taken = await claim(database, live_settings, clock)
    assert isinstance(taken, Placing)
    assert (taken.says, taken.agent_id) == ("robot-short", None)
    async with database.begin() as s:
        slot = (await s.scalars(select(ContactLedger))).one()
        decision = (await s.scalars(select(ComplianceDecision))).one()
        call = await s.get_one(CallAttempt, taken.call_id)
    assert (slot.channel, slot.actor, slot.state, call.robot) == ("robot", "robot", "RESERVED", True)
    assert "UA-AUTODIAL" in {one["rule"] for one in decision.consulted}
    assert who.person.id == slot.person_id
    async with database.begin() as s:
        await house.borrower(s, clock)
        await campaigns.change(s, "collection", {"mode": "predictive"}, who="os:x", by="x", wall=clock.wall())
    assert await claim(database, live_settings, clock) is None, "the mode has changed since it was planned"


async def test_a_robot_needs_the_consent_that_the_law_asks(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """Issue 5: where prerecorded calls need consent (US-PREREC), the evaluator refuses them; an agent may call."""
    await agentless(database, clock)
    async with database.begin() as s:
        who = await house.borrower(s, clock)
        who.person.jurisdiction, who.person.time_zone = "US", "Europe/Kyiv"
    passed = await claim(database, live_settings, clock)
    assert isinstance(passed, Passed)
    assert passed.reason == "NO_CONSENT"
    async with database.begin() as s:
        decision = (await s.scalars(select(ComplianceDecision))).one()
        assert "US-PREREC" in {reason["rule"] for reason in decision.reasons}


ENDS = {  # what was heard -> result, outcome, key
    "told": ({"told_at": 20 * S}, "ROBOT_TOLD", ""),
    "cut": ({}, "ROBOT_CUT", ""),
    "stop": ({"stop_asked_at": 4 * S}, "ROBOT_STOP", "9"),
    "in vain": ({"asked_at": 4 * S, "message_at": 10 * S}, None, "1"),
    "talk": ({"asked_at": 4 * S, "bridged_at": 6 * S}, None, "1"),
}


async def test_each_end_has_its_own_outcome_and_none_is_abandoned(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """Issue 5: heard to the end, cut, an agent asked for with and without one, and never again; each answer is a conversation
    of the ledger, and none stands in the account of abandoned calls or among the day's answers for agents."""
    await agentless(database, clock)
    wall, calls = clock.wall(), {}
    for name, (heard, outcome, key) in ENDS.items():
        async with database.begin() as s:
            who = await house.borrower(s, clock)
        taken = await claim(database, live_settings, clock)
        assert isinstance(taken, Placing)
        facts = CallFacts(answered_at=wall, ended_at=wall + 25 * S, cause=16, **{k: wall + v for k, v in heard.items()})
        async with database.begin() as s:
            if key == robots.AGENT:
                assert await robots.asks_for_agent(s, taken.call_id)
                assert (await pacing_view.look(s)).calls[0].inbound, "from now on he waits for an agent"
            if name == "in vain":
                await attempts.give_up(s, taken.call_id)
            call = await settling.settle(s, taken.call_id, facts, clock.now())
        assert call is not None
        assert (call.result, call.outcome, call.robot_key, call.abandoned) == ("ANSWERED_HUMAN", outcome, key, False), (
            name
        )
        assert (call.notice, call.notice_at) == ("prompt", wall), "the message itself warns of the recording"
        calls[name] = (who, call)
    async with database.begin() as s:
        assert await pacing_view.count(s, wall - 60 * S, wall + 60 * S) == {}
        figures = await history.day_figures(s, *clock.day_bounds(clock.today()))
        assert (figures.dialed, figures.answered, figures.abandoned) == (5, 1, 0), "one met an agent"
        slots = (await s.scalars(select(ContactLedger))).all()
        assert [(one.state, one.conversation, one.abandoned) for one in slots] == [("COMMITTED", True, False)] * 5
        stopped, talked = calls["stop"][0], calls["told"][0]
        assert await stop_list.stopped(s, stopped.person.id, stopped.phone.value, clock.today())
        assert not await stop_list.stopped(s, talked.person.id, talked.phone.value, clock.today())
        told = await s.scalars(select(CaseEvent.data).where(CaseEvent.kind == "outcome"))
        assert sorted(one["outcome"] for one in told) == ["ROBOT_CUT", "ROBOT_STOP", "ROBOT_TOLD"]
        now = clock.now().astimezone(clock.zone)
        assert await call_backs.follow_missed(s, live_settings, now) == [calls["in vain"][1].id]
        assert await call_backs.follow_missed(s, live_settings, now) == []
        tasks = (await s.scalars(select(Task).where(Task.kind == "CALLBACK"))).all()
        assert [one.case_id for one in tasks] == [calls["in vain"][0].case.id]


def test_what_a_campaign_says_is_read_with_its_field() -> None:
    """Issue 5: message, calls at once and a second; refusals name the field."""
    assert campaign_terms.robot({}) == campaign_terms.Robot("robot", 5, 1)
    assert campaign_terms.robot({"lines": "20", "per_second": 3}).lines == 20
    for said, field in (
        ({"lines": 0}, "lines"), ({"per_second": "x"}, "per_second"), ({"message": "../etc"}, "message"),
        ({"colour": 1}, "robot"),
    ):  # fmt: skip
        with pytest.raises(BadInput) as refused:
            campaign_terms.robot(said)
        assert refused.value.details["field"] == field
