"""Calls for which one agent is taken before the dial: a promised call back, a retry after a machine; and who is kept free for
whom."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from backoffice_core.borrowers.models import Person
from backoffice_core.call_centre.calls import abandoned, attempts, settling
from backoffice_core.call_centre.calls.attempts import Passed, Placing
from backoffice_core.call_centre.desks import agents, preview
from backoffice_core.call_centre.dialing import campaigns, shelter
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.models import AgentSession, CallAttempt, CallTask
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.cases.models import Task
from backoffice_core.clock import Clock
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.config import Settings
from backoffice_core.db import Database, new_key
from tests import house
from tests.core.test_attempts import claim, placed

S = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


async def _promise(database: Database, clock: Clock, who: UUID, case_id: UUID, **fields: Any) -> None:
    async with database.begin() as s:
        given = {"earliest_at": clock.now() - MINUTE, "data": {}, **fields}
        s.add(
            Task(
                id=new_key(),
                case_id=case_id,
                kind="CALLBACK",
                control_date=clock.today(),
                owner_id=who,
                created_at=clock.now() - timedelta(hours=2),
                **given,
            )
        )


async def _free(database: Database, seat: AgentSession, state: str = "READY") -> None:
    async with database.begin() as s:
        await s.execute(update(AgentSession).where(AgentSession.id == seat.id).values(state=state, call_id=None))
        await s.execute(update(CallTask).values(earliest_at=None))


async def test_a_promised_call_back_waits_for_the_agent_who_promised_it(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """Issue 5, call backs personal or anybody's: dialed with him in hand; while he talks it waits, with the reason; a quarter
    of an hour after its hour, without him at work, or when it is anybody's, it goes to anybody."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        world = await house.borrower(s, clock)
        await house.agent(s, clock, since=clock.wall() - 60 * S)
        promised = await house.agent(s, clock, since=clock.wall() - 5 * S)
    await _promise(database, clock, promised.user_id, world.case.id)
    await _free(database, promised, "TALKING")
    passed = await claim(database, live_settings, clock)
    assert passed == Passed(task_id=world.task.id, reason="PROMISED_AGENT")
    async with database.begin() as s:
        task = await s.get_one(CallTask, world.task.id)
        assert task.earliest_at is not None
        assert task.earliest_at - clock.now() < MINUTE
    await _free(database, promised)
    call = await placed(database, live_settings, clock)
    assert call.agent_id == promised.user_id, "although another has waited longer"
    for change in ({"data": {"anybody": True}}, {"earliest_at": clock.now() - 16 * MINUTE}):
        async with database.begin() as s:
            await settling.not_placed(s, call.call_id, "STOPPED", clock.now(), clock.wall())
            await s.execute(delete(Task))
        await _promise(database, clock, promised.user_id, world.case.id, **change)
        await _free(database, promised, "TALKING")
        call = await placed(database, live_settings, clock)
        assert call.agent_id is None, change


async def test_a_preview_shows_his_own_promised_call_back_first_and_nobody_elses(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        await s.execute(update(Campaign).values(mode="preview"))
        mine = await house.borrower(s, clock, position=1)
        other = await house.borrower(s, clock, position=2)
        me, colleague = await house.agent(s, clock), await house.agent(s, clock)
    await _promise(database, clock, me.user_id, other.case.id)
    await _promise(database, clock, colleague.user_id, mine.case.id)

    async def offer(seat: AgentSession) -> Any:
        async with database.begin() as s:
            return await preview.offer(
                s, live_settings, seat.user_id, now=clock.now(), today=clock.today(), wall=clock.wall()
            )

    assert (await offer(me)).task_id == other.task.id
    async with database.begin() as s:
        third = await house.agent(s, clock)
    assert isinstance(await offer(third), preview.Nothing), "it is the colleague's while he is at work"
    await _free(database, colleague, "PAUSED")
    async with database.begin() as s:
        await shelter.begin(s, mine.person.region, by="x", who="test", now=clock.now(), wall=clock.wall())
        await s.execute(update(CallTask).where(CallTask.id == mine.task.id).values(earliest_at=None))
    assert isinstance(await offer(third), preview.Nothing), "FL-15: there is an alarm where he lives"
    async with database.begin() as s:
        await shelter.end(s, mine.person.region, by="x", who="test", wall=clock.wall())
    assert (await offer(third)).task_id == mine.task.id


async def test_after_a_machine_the_same_day_only_with_an_agent_where_a_rule_says_so(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """domain.md 3.1, UK-ABANDON amd_same_day: what was taken for a machine may have been a person."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        world = await house.borrower(s, clock)
    call = await placed(database, live_settings, clock)
    wall = clock.wall()
    async with database.begin() as s:
        await s.execute(update(CallAttempt).values(machine=True))
        facts = CallFacts(answered_at=wall, ended_at=wall + 3 * S, far_side_hung_up=False)
        await settling.settle(s, call.call_id, facts, clock.now())
        slot = (await s.execute(select(ContactLedger))).scalar_one()
        assert slot.machine_message
        for place, needs in (("GB", True), ("UA", False)):
            days = [await abandoned.needs_agent(s, place, None, slot.at, slot.at + later, "Europe/London")
                    for later in (timedelta(), timedelta(days=1))]  # fmt: skip
            assert days == [needs, False], place
        await s.execute(update(Person).values(jurisdiction="GB", time_zone="Europe/London"))
        await s.execute(update(CallTask).values(state="ELIGIBLE", earliest_at=None))
    passed = await claim(database, live_settings, clock)
    assert passed == Passed(task_id=world.task.id, reason="AGENT_FIRST")


async def test_one_of_the_few_is_kept_for_the_callers_that_need_him(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """Issue 5: agents serve several campaigns by skill: anybody's caller does not take the specialist for whom another rings."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        await campaigns.change(s, "mortgage", {"skill": "mortgage"}, who="test", by="test", wall=clock.wall(), new=True)
        for n in range(3):
            await house.borrower(s, clock, position=n + 1)
        specialist = await house.agent(s, clock, since=clock.wall() - 60 * S)
        other = await house.agent(s, clock, since=clock.wall() - 5 * S)
        login = await s.scalar(select(campaigns.User.login).where(campaigns.User.id == specialist.user_id))
        await campaigns.set_skill(s, str(login), "mortgage", 1, who="test")
    calls = [await placed(database, live_settings, clock) for _ in range(3)]
    async with database.begin() as s:
        await s.execute(update(CallAttempt).where(CallAttempt.id == calls[0].call_id).values(campaign="mortgage"))
    got = []
    for call in (calls[1], calls[2], calls[0]):
        async with database.begin() as s:
            agent = await attempts.connect(s, call.call_id, clock.wall())
            got.append(agent.user_id if agent else None)
            if call is calls[1]:
                assert agent is not None
                held = await agents.current(s, agent.user_id)
                assert held is not None
    assert got == [other.user_id, specialist.user_id, None], "kept while others are free, not when he alone is"


async def test_a_call_settled_by_hand_is_tried_again_as_its_campaign_says(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """Issue 5, retries per result: also when a person said how the call ended."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        world = await house.borrower(s, clock)
        await campaigns.change(
            s, "collection", {"retries": {"BUSY": {"after_minutes": 7}}}, who="test", by="test", wall=clock.wall()
        )
    call = await placed(database, live_settings, clock)
    assert isinstance(call, Placing)
    async with database.begin() as s:
        await settling.settle(s, call.call_id, CallFacts(ended_at=clock.wall(), heard=False), clock.now())
    now = clock.now()
    async with database.begin() as s:
        await settling.settle_unknown(s, call.call_id, "BUSY", by="Ольга", now=now)
    async with database.begin() as s:
        task = await s.get_one(CallTask, world.task.id)
    assert (task.state, task.earliest_at) == ("RETRY_WAIT", now + 7 * MINUTE)
