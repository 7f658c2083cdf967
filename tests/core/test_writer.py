"""The listener's writer: one event that cannot be written takes no other with it, and does not end the program."""

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, text

from ami_listener.call_story import CallAnswered, CallEnded, CallRang, CodeHeard, Meaning, VoicesMet
from ami_listener.heard import Line
from ami_listener.writer import Batch, Writer
from backoffice_core.borrowers.models import ContactPoint
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import attempts, settling, unknown
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.call_centre.models import CallAttempt, CallTask
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.clock import Clock
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.config import Settings
from backoffice_core.db import Database
from tests import house


async def two_ends(database: Database, settings: Settings, clock: Clock) -> list[CallEnded]:
    """Two calls that are to be told as busy."""
    calls = []
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        for _ in range(2):
            await house.borrower(s, clock)
    for _ in range(2):
        async with database.begin() as s:
            taken = await attempts.claim(
                s, settings, trunk=settings.trunks[0], now=clock.now(), today=clock.today(), wall=clock.wall()
            )
        assert isinstance(taken, Placing)
        calls.append(taken.call_id)
    wall = clock.wall()
    return [CallEnded(wall, call, CallFacts(ended_at=wall, cause=17, sip_code=486)) for call in calls]


async def test_a_call_that_cannot_be_settled_is_put_aside_and_never_tried_again(
    database: Database, live_settings: Settings, clock: Clock, bus: Bus
) -> None:
    """TL-06: a failing call is taken out of the batch; the others stand in the history. It ends as UNKNOWN, counted,
    with its task, and waits for a person: no sweep finds it live again."""
    ends = await two_ends(database, live_settings, clock)
    refused = ends[0].call_id
    async with database.begin() as s:
        await s.execute(
            text("""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.result = 'BUSY' AND NEW.trunk = 'refused' THEN RAISE EXCEPTION 'no' USING ERRCODE = '23514'; END IF;
                RETURN NEW; END $$
        """)
        )
        await s.execute(
            text("CREATE TRIGGER refuse BEFORE UPDATE ON call_attempts FOR EACH ROW EXECUTE FUNCTION refuse()")
        )
        (await s.get_one(CallAttempt, refused)).trunk = "refused"
    await Writer(live_settings, database, bus, clock).write(Batch(list(ends)))
    async with database.begin() as s:
        call = await s.get_one(CallAttempt, refused)
        task = await s.get_one(CallTask, call.task_id)
        slot = (await s.execute(select(ContactLedger).where(ContactLedger.call_id == refused))).scalar_one()
        assert (call.result, call.problem, task.state) == ("UNKNOWN", unknown.NOT_SETTLED, "UNKNOWN")
        assert (slot.state, slot.uncertain) == ("COMMITTED", True)
        assert (await s.get_one(CallAttempt, ends[1].call_id)).result == "BUSY"
        assert await settling.live(s) == []
        assert [(one.call_id, one.problem) for one in await unknown.waiting(s)] == [(refused, unknown.NOT_SETTLED)]


async def test_a_slot_that_is_gone_is_made_anew_and_a_person_is_told(
    database: Database, live_settings: Settings, clock: Clock, bus: Bus
) -> None:
    """FL-20, caps: the call did happen, so it counts; that its slot was gone is shown once, until somebody has seen it."""
    ends = await two_ends(database, live_settings, clock)
    async with database.begin() as s:
        await s.execute(delete(ContactLedger).where(ContactLedger.call_id == ends[0].call_id))
    await Writer(live_settings, database, bus, clock).write(Batch(list(ends)))
    async with database.begin() as s:
        call = await s.get_one(CallAttempt, ends[0].call_id)
        slot = (await s.execute(select(ContactLedger).where(ContactLedger.call_id == call.id))).scalar_one()
        assert (call.result, call.problem) == ("BUSY", settling.SLOT_GONE)
        assert (slot.state, slot.number, slot.at) == ("COMMITTED", call.number, call.business_at)
        await unknown.noted(s, call.id)
        assert await unknown.count(s) == 0


KINDS = ("talk", "talk", "busy", "dead", "trunk", "talk on a suspect number", "unknown", "message")
LOOK = """
    SELECT a.state, a.result, a.abandoned, a.estimated, a.cause, a.sip_code, a.answered_at - a.claimed_at AS answered,
           t.state AS task, t.state_reason, t.attempts, l.state AS slot, l.conversation, l.uncertain, l.minutes,
           r.state AS recording, p.state AS phone, e.sign, h.data->>'result' AS told, h.data->>'seconds' AS seconds,
           h.data->>'estimated' AS marked, s.state AS seat,
           (SELECT count(*) FROM case_events c WHERE c.call_id = a.id) AS lines,
           (SELECT count(*) FROM agent_state_changes c WHERE c.call_id = a.id) AS changes
      FROM call_attempts a JOIN call_tasks t ON t.id = a.task_id JOIN contact_ledger l ON l.call_id = a.id
      JOIN recordings r ON r.call_id = a.id JOIN contact_points p ON p.id = a.contact_point_id
      LEFT JOIN phone_evidence e ON e.call_id = a.id LEFT JOIN case_events h ON h.call_id = a.id AND h.kind = 'call'
      LEFT JOIN agent_sessions s ON s.id = a.agent_session_id
     WHERE a.id = :call
"""


async def test_many_at_once_write_what_they_write_one_by_one(
    database: Database, live_settings: Settings, clock: Clock, bus: Bus
) -> None:
    """TL-06: a transaction of many steps (`bulk`) leaves in every table what the single steps leave; twice changes nothing."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
    writer, found = Writer(live_settings, database, bus, clock), []
    for at_once in (True, False):
        begun = clock.wall()
        calls = [await _call(database, live_settings, clock, kind) for kind in KINDS]
        meanings = [m for kind, call in zip(KINDS, calls, strict=True) for m in _meanings(kind, call, begun)]
        for _ in range(2):
            for batch in [meanings] if at_once else [[one] for one in meanings]:
                await writer.write(Batch(batch))
        async with database.begin() as s:
            rows = [(await s.execute(text(LOOK), {"call": call})).mappings().one() for call in calls]
        found.append([dict(row) for row in rows])
    for kind, many, single in zip(KINDS, *found, strict=True):
        near = {"answered", "minutes"}  # they hang on the moment of the claim
        assert {k: v for k, v in many.items() if k not in near} == {k: v for k, v in single.items() if k not in near}, (
            kind
        )
        assert many["lines"] == 1, kind
    results = [row["result"] for row in found[0]]
    assert results == [
        "ANSWERED_HUMAN", "ANSWERED_HUMAN", "BUSY", "INVALID_NUMBER", "CONGESTION", "ANSWERED_HUMAN", "UNKNOWN", "ABANDONED",
    ]  # fmt: skip
    assert [row["phone"] for row in found[0]][3:6] == ["SUSPECT", "UNVERIFIED", "UNVERIFIED"]
    assert [row["seat"] for row in found[0]][:2] == ["WRAP_UP", "WRAP_UP"]


async def _call(database: Database, settings: Settings, clock: Clock, kind: str) -> Any:
    async with database.begin() as s:
        await house.borrower(s, clock)
    async with database.begin() as s:
        taken = await attempts.claim(
            s, settings, trunk=settings.trunks[0], now=clock.now(), today=clock.today(), wall=clock.wall()
        )
    assert isinstance(taken, Placing)
    async with database.begin() as s:
        if "talk" in kind:
            await house.agent(s, clock)
            assert await attempts.connect(s, taken.call_id, clock.wall())
        if "suspect" in kind:
            call = await s.get_one(CallAttempt, taken.call_id)
            (await s.get_one(ContactPoint, call.contact_point_id)).state = "SUSPECT"
    return taken.call_id


def _meanings(kind: str, call: Any, begun: Any) -> list[Meaning]:
    at = [begun + timedelta(seconds=60 + n) for n in range(40)]
    if "talk" in kind:
        facts = CallFacts(answered_at=at[1], bridged_at=at[2], ended_at=at[32], cause=16)
        line = Line(call, 1)  # whose it is, only the log would tell
        return [CallAnswered(at[1], call), VoicesMet(at[2], call, line), CallEnded(at[32], call, facts)]
    facts = {
        "busy": CallFacts(rang_at=at[0], ended_at=at[3], cause=17, sip_code=None),
        "dead": CallFacts(ended_at=at[1], cause=1, sip_code=404),
        "trunk": CallFacts(ended_at=at[1], cause=34, sip_code=503),
        "unknown": CallFacts(ended_at=at[0], heard=False, estimated=True),
        "message": CallFacts(answered_at=at[1], message_at=at[3], ended_at=at[9], cause=16),
    }[kind]
    told: list[Meaning] = [CallRang(at[0], call)] if kind == "busy" else []
    late: list[Meaning] = [CodeHeard(at[4], call, 486)] if kind == "busy" else []
    return [*told, CallEnded(facts.ended_at, call, facts), *late]
