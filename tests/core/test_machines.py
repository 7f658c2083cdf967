"""What becomes of a verdict on real PostgreSQL: released, sampled, or a person's whatever was heard; and the account of it."""

from datetime import timedelta

from sqlalchemy import select, update

from backoffice_core.call_centre.calls import attempts, settling
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.call_centre.dialing import machines
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.machine_rules import Verdict
from backoffice_core.call_centre.models import AgentSession, CallAttempt, CallTask
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.clock import Clock
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.config import Settings
from backoffice_core.db import Database
from tests import house
from tests.core.test_attempts import placed

S = timedelta(seconds=1)
MACHINE = Verdict("MACHINE", "GREETING", 3.0)


async def _talk(database: Database, settings: Settings, clock: Clock) -> Placing:
    call, wall = await placed(database, settings, clock), clock.wall()
    async with database.begin() as s:
        assert await attempts.connect(s, call.call_id, wall) is not None
        await attempts.heard(s, call.call_id, answered_at=wall, bridged_at=wall)
    return call


async def test_a_machine_frees_its_agent_a_sample_asks_him_and_a_proved_person_stays(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """Issue 5: released: result and outcome set themselves, he is ready, it counts as no contact; the retry comes later.
    Sampled: nothing ends, his word is kept and measures the error. Confirmed: a person's, whatever the ear heard."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        await s.execute(update(Campaign).values(machines="beside", machine_sample_pct=0))
        for _ in range(3):
            await house.borrower(s, clock)
        seat = await house.agent(s, clock)
    call = await _talk(database, live_settings, clock)
    assert call.machines == "beside"
    async with database.begin() as s:
        assert await machines.note(s, call.call_id, MACHINE) == (True, seat.user_id)
        assert [one.id for one in await machines.to_hang_up(s)] == [call.call_id]
    async with database.begin() as s:
        wall = clock.wall()
        facts = CallFacts(answered_at=wall - 3 * S, bridged_at=wall - 3 * S, ended_at=wall, far_side_hung_up=False)
        await settling.settle(s, call.call_id, facts, clock.now())
    async with database.begin() as s:
        ended, task = await s.get_one(CallAttempt, call.call_id), await s.get_one(CallTask, call.task_id)
        slot = (await s.execute(select(ContactLedger).where(ContactLedger.call_id == call.call_id))).scalar_one()
        now = await s.get_one(AgentSession, seat.id)
    assert (ended.result, ended.outcome, ended.abandoned) == ("ANSWERED_MACHINE", "VOICEMAIL_LIMITED", False)
    assert (task.state, slot.conversation, now.state) == ("RETRY_WAIT", False, "READY")

    async with database.begin() as s:
        await s.execute(update(Campaign).values(machine_sample_pct=100))
    sampled = await _talk(database, live_settings, clock)
    async with database.begin() as s:
        assert await machines.note(s, sampled.call_id, MACHINE) == (False, seat.user_id)
        assert await machines.note(s, sampled.call_id, Verdict("PERSON", "HELLO", 1)) == (False, seat.user_id), "once"
        assert await machines.to_hang_up(s) == []
        assert await machines.sample_of(s, house.some_call(), sampled.call_id) is None, "another's call"
    async with database.begin() as s:
        await machines.judge(s, seat.user_id, sampled.call_id, "PERSON", clock.wall())
        await settling.settle(s, sampled.call_id, CallFacts(ended_at=clock.wall(), cause=16), clock.now())
        await s.execute(update(CallAttempt).where(CallAttempt.id == sampled.call_id).values(outcome="HANGUP"))
        await s.execute(update(AgentSession).values(state="READY", call_id=None))
        await s.execute(update(Campaign).values(machine_sample_pct=0))
    proved = await _talk(database, live_settings, clock)
    async with database.begin() as s:
        await s.execute(
            update(CallAttempt).where(CallAttempt.id == proved.call_id).values(identity_confirmed_at=clock.wall())
        )
    async with database.begin() as s:
        assert await machines.note(s, proved.call_id, MACHINE) == (False, seat.user_id)
        day = timedelta(days=1)
        (found,) = await machines.accounts(s, clock.now() - day, clock.now() + day)
    assert (found.heard, found.machines, found.released, found.sampled) == (3, 3, 1, 1)
    assert (found.correction.judged, found.correction.wrong) == (1, 1)
    assert found.correction.abandoned(0, found.released) == 1.0, "one of one sample was a person: so may be each other"
