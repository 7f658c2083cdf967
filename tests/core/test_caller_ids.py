"""Caller ids, breakers and legs on real PostgreSQL: what is refused at the claim, what leaves the pool, who dials what."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, PhoneEvidence
from backoffice_core.call_centre.calls import attempts, legs, settling
from backoffice_core.call_centre.calls.attempts import Passed, Placing
from backoffice_core.call_centre.carriers import caller_ids, trunks
from backoffice_core.call_centre.carriers.caller_id_rules import IdView
from backoffice_core.call_centre.carriers.trunk_rules import in_order
from backoffice_core.call_centre.models import (
    CallAttempt,
    CallerId,
    CallerIdEvent,
    CallLeg,
    CallTask,
    TrunkEvent,
    TrunkState,
)
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.catalogue import Catalogue
from backoffice_core.clock import Clock
from backoffice_core.config import FAR_END, Breaker, Settings
from backoffice_core.db import Database, new_key
from backoffice_core.errors import BadInput, Conflict
from tests import house

S = timedelta(seconds=1)
OURS = "+380445550100"


@pytest.fixture
def two_trunks(live_settings: Settings) -> Settings:
    """Two loopback trunks whose operators block; the second is the backup."""
    first = FAR_END.model_copy(
        update={"name": "far-end", "blocks_caller_ids": True, "breaker": Breaker(at_least=3), "allow": ["380"]}
    )
    second = first.model_copy(update={"name": "backup", "priority": 2, "port": 5099})
    return live_settings.model_copy(update={"trunks": [first, second]})


async def claim(database: Database, settings: Settings, clock: Clock) -> Placing | Passed | None:
    async with database.begin() as s:
        return await attempts.claim(
            s, settings, trunk=settings.trunks[0], others=settings.trunks[1:], now=clock.now(), today=clock.today(),
            wall=clock.wall(),
        )  # fmt: skip


async def bank(database: Database, settings: Settings, clock: Clock, borrowers: int = 1, **fields: Any) -> None:
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        await caller_ids.adopt(s, settings)
        for _ in range(borrowers):
            await house.borrower(s, clock, **fields)


async def change(database: Database, **values: Any) -> None:
    async with database.begin() as s:
        await s.execute(update(CallerId).values(**values))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"campaigns": []}, "CALLER_ID_ABSENT"),
        ({"state": "OUT"}, "CALLER_ID_OUT"),
        ({"valid_to": "yesterday"}, "CALLER_ID_EXPIRED"),
        ({"trunks": ["elsewhere"]}, "CALLER_ID_NOT_ADMITTED"),
    ],
)
async def test_a_call_without_a_good_caller_id_is_refused_before_originate(
    database: Database, two_trunks: Settings, clock: Clock, values: dict[str, Any], reason: str
) -> None:
    """FL-03: no attempt, no slot; the task waits and says why in three languages."""
    await bank(database, two_trunks, clock)
    if "valid_to" in values:
        values = {"valid_to": clock.today() - timedelta(days=1)}
    await change(database, **values)
    passed = await claim(database, two_trunks, clock)
    assert isinstance(passed, Passed)
    assert passed.reason == reason
    async with database.begin() as s:
        assert not (await s.execute(select(CallAttempt))).scalars().all()
        task = (await s.execute(select(CallTask))).scalar_one()
    assert (task.state, task.state_reason) == ("RETRY_WAIT", reason)
    words = Catalogue.load(strict=True)
    assert len({words.text(lang, f"reason-{reason}") for lang in ("uk", "ru", "en")}) == 3


async def test_the_setting_is_taken_into_the_table_once_and_a_person_has_the_last_word(
    database: Database, two_trunks: Settings, clock: Clock
) -> None:
    """FL-03: what stands in the trunks' two_trunks works by itself; a retired id does not come back at the next start."""
    async with database.begin() as s:  # the migration has adopted the two_trunks' own trunk already
        assert await caller_ids.adopt(s, two_trunks) == []
        (row,) = (await s.execute(select(CallerId))).scalars()
        assert (row.number, row.trunks, row.source) == (OURS, ["backup", "far-end"], "settings")
        await caller_ids.move(s, OURS, "RETIRED", by="test", reason="returned to the carrier", now=clock.now())
    async with database.begin() as s:
        assert await caller_ids.adopt(s, two_trunks) == []
        assert await caller_ids.views(s) == []


async def test_bad_terms_of_an_id_name_the_field(database: Database, two_trunks: Settings, clock: Clock) -> None:
    async def add(**fields: Any) -> None:
        said = {"number": "+380445550199", "owner": "bank", "trunks": ["far-end"]} | fields
        async with database.begin() as s:
            await caller_ids.add(s, two_trunks, caller_ids.NewId(**said), by="test", now=clock.now())

    for fields, field in (
        ({"number": "0445550199"}, "number"),
        ({"trunks": ["nowhere"]}, "trunk"),
        ({"trunks": []}, "trunk"),
        ({"valid_from": clock.today(), "valid_to": clock.today() - timedelta(days=1)}, "valid_to"),
    ):
        with pytest.raises(BadInput) as refused:
            await add(**fields)
        assert refused.value.details["field"] == field


async def talked(s: AsyncSession, clock: Clock, caller_id: str, n: int, seconds: int, answered: bool = True) -> None:
    """`n` ended calls to new numbers, each with a talk of so many seconds."""
    begun = clock.wall() - timedelta(hours=2)
    for _ in range(n):
        borrower = await house.borrower(s, clock)
        s.add(
            CallAttempt(
                id=new_key(), task_id=borrower.task.id, case_id=borrower.case.id, person_id=borrower.person.id,
                contact_point_id=borrower.phone.id, number=borrower.phone.value, campaign="collection",
                purpose="collection", trunk="far-end", caller_id=caller_id, language="uk", fence=1, state="ENDED",
                business_at=clock.business(begun), claimed_at=begun, answered_at=begun if answered else None,
                bridged_at=begun if answered else None, ended_at=begun + seconds * S,
                result="ANSWERED_HUMAN" if answered else "NO_ANSWER",
            )
        )  # fmt: skip
    await s.flush()


async def test_an_id_with_two_signs_leaves_the_pool_and_nothing_fresh_takes_its_place(
    database: Database, two_trunks: Settings, clock: Clock
) -> None:
    """FL-03: threshold crossed → out, event kept with the figures; another only if it was assigned before."""
    await bank(database, two_trunks, clock, borrowers=0)
    async with database.begin() as s:
        await talked(s, clock, OURS, 110, 30)
        (health,) = await caller_ids.health(s, two_trunks, now=clock.now(), wall=clock.wall())
        day = health.figures["day"]
        assert (day.calls, day.answered, day.talks, day.short_talks, day.new_numbers) == (110, 110, 110, 110, 110)
        assert day.mean_talk_s == pytest.approx(30)
        assert health.figures["hour"].calls == 0
        assert health.signs == ["SHORT_TALKS", "NEW_NUMBERS"]
    async with database.begin() as s:
        assert await caller_ids.review(s, two_trunks, now=clock.now(), wall=clock.wall()) == [OURS]
        assert await caller_ids.review(s, two_trunks, now=clock.now(), wall=clock.wall()) == []
        event = (await s.execute(select(CallerIdEvent).where(CallerIdEvent.kind == "OUT"))).scalar_one()
        assert event.data["signs"] == ["SHORT_TALKS", "NEW_NUMBERS"]
        assert event.data["figures"]["day"]["calls"] == 110
        assert await caller_ids.out(s) == [(OURS, ["SHORT_TALKS", "NEW_NUMBERS"])]
        assert await caller_ids.shown_by(s, two_trunks, "collection", clock.today()) is None
    fresh = caller_ids.NewId(number="+380445550111", owner="bank", trunks=["far-end"])
    with pytest.raises(Conflict):
        async with database.begin() as s:
            await caller_ids.add(s, two_trunks, fresh, by="test", now=clock.now())
    async with database.begin() as s:
        await caller_ids.move(s, OURS, "IN", by="Olha", reason="scripts are mended", now=clock.now())
        back = await caller_ids.shown_by(s, two_trunks, "collection", clock.today())
    assert isinstance(back, IdView)


async def test_a_far_end_on_this_machine_blocks_nobody(database: Database, two_trunks: Settings, clock: Clock) -> None:
    """The demo goes on by itself: ids that only such trunks admit are shown with their signs and not taken out."""
    quiet = [one.model_copy(update={"blocks_caller_ids": False}) for one in two_trunks.trunks]
    two_trunks = two_trunks.model_copy(update={"trunks": quiet})
    await bank(database, two_trunks, clock, borrowers=0)
    async with database.begin() as s:
        await talked(s, clock, OURS, 110, 30)
        assert await caller_ids.review(s, two_trunks, now=clock.now(), wall=clock.wall()) == []


# --- legs and breakers ------------------------------------------------------------------------------------------------


async def end(
    database: Database,
    settings: Settings,
    clock: Clock,
    call_id: UUID,
    code: int | None,
    cause: int | None = 34,
    **facts: Any,
) -> legs.LegOver:
    """What the listener does at the end of a leg."""
    wall = clock.wall()
    async with database.begin() as s:
        found = CallFacts(ended_at=wall, sip_code=code, cause=cause, **facts)
        over = await legs.leg_over(s, settings, call_id, found, now=clock.now(), wall=wall)
        if over.settles_with:
            await settling.settle(s, call_id, over.settles_with, clock.now())
    return over


async def test_a_dialer_that_dies_between_two_legs_places_none_twice(
    database: Database, two_trunks: Settings, clock: Clock
) -> None:
    """FL-04: a wanted leg is taken once, by one; not taken in time it is never placed, and the call ends as it was."""
    await bank(database, two_trunks, clock, borrowers=2)
    calls = [await claim(database, two_trunks, clock) for _ in range(2)]
    one, two = (call.call_id for call in calls if isinstance(call, Placing))
    for call_id in (one, two):
        assert (await end(database, two_trunks, clock, call_id, 503)).wanted
        assert await end(database, two_trunks, clock, call_id, 503) == legs.LegOver(), "heard twice"
    async with database.begin() as s:
        await s.execute(update(CallLeg).where(CallLeg.call_id == two, CallLeg.n == 2).values(wanted_until=clock.wall()))
    async with database.begin() as s:
        (taken,) = await legs.take_wanted(s, two_trunks, clock.wall())
    assert (taken.call_id, taken.leg, taken.trunk.name, taken.caller_id) == (one, 2, "backup", OURS)
    async with database.begin() as s:
        assert await legs.take_wanted(s, two_trunks, clock.wall()) == [], "placed now or never"
    over = await end(database, two_trunks, clock, two, None, heard=False)
    assert over.settles_with
    async with database.begin() as s:
        late, live = await s.get_one(CallAttempt, two), await s.get_one(CallAttempt, one)
        states = (await s.execute(select(CallTask.state, CallTask.attempts).where(CallTask.id == late.task_id))).one()
    assert (late.result, late.sip_code, tuple(states)) == ("CONGESTION", 503, ("RETRY_WAIT", 0))
    assert (live.legs, live.trunk, live.ended_at) == (2, "backup", None)


async def test_a_third_fault_ends_the_attempt_when_there_is_no_further_trunk(
    database: Database, two_trunks: Settings, clock: Clock
) -> None:
    await bank(database, two_trunks, clock)
    call = await claim(database, two_trunks, clock)
    assert isinstance(call, Placing)
    assert (await end(database, two_trunks, clock, call.call_id, 503)).wanted
    async with database.begin() as s:
        await legs.take_wanted(s, two_trunks, clock.wall())
    assert (await end(database, two_trunks, clock, call.call_id, 503)).settles_with
    async with database.begin() as s:
        assert (await s.get_one(CallAttempt, call.call_id)).result == "CONGESTION"


async def test_a_trunk_that_refuses_everybody_condemns_no_number(
    database: Database, two_trunks: Settings, clock: Clock
) -> None:
    """CC-10, FL-04: 404 for everybody opens the breaker, takes back what it said, and nobody is SUSPECT by it."""
    await bank(database, two_trunks, clock, borrowers=8)
    changed = []
    for _ in range(6):
        call = await claim(database, two_trunks, clock)
        assert isinstance(call, Placing)
        changed.append((await end(database, two_trunks, clock, call.call_id, 404, cause=1)).trunks_changed)
    assert True in changed
    async with database.begin() as s:
        state = await s.get_one(TrunkState, "far-end")
        signs = (await s.execute(select(PhoneEvidence.sign))).scalars().all()
        states = set((await s.execute(select(ContactPoint.state))).scalars())
        kinds = (await s.execute(select(TrunkEvent.kind))).scalars().all()
    assert (state.breaker, state.why, kinds) == ("OPEN", "REFUSES_ALL", ["OPEN"])
    assert set(signs) == {"trunk"}
    assert states == {"UNVERIFIED"}


async def test_faults_open_the_breaker_and_one_call_tries_the_trunk_again(
    database: Database, two_trunks: Settings, clock: Clock
) -> None:
    """FL-04: out after the share of faults; half open it gets one call; that one's ringing closes it."""
    await bank(database, two_trunks, clock, borrowers=6)

    async def usable() -> list[str]:
        async with database.begin() as s:
            start, _ = clock.day_bounds(clock.today())
            seen = await trunks.standings(s, two_trunks, wall=clock.wall(), day_start=start)
            return [one.name for one in in_order(seen.values(), clock.wall())]

    assert await usable() == ["far-end", "backup"]
    for _ in range(3):
        call = await claim(database, two_trunks, clock)
        assert isinstance(call, Placing)
        await end(database, two_trunks, clock, call.call_id, 503)
    assert await usable() == ["backup"]
    async with database.begin() as s:
        await s.execute(update(TrunkState).values(until=clock.wall() - S))
    assert await usable() == ["far-end", "backup"]
    probe = await claim(database, two_trunks, clock)
    assert isinstance(probe, Placing)
    assert await usable() == ["backup"], "one call tries it, not two"
    assert (await end(database, two_trunks, clock, probe.call_id, 486, cause=17)).trunks_changed
    assert await usable() == ["far-end", "backup"]


async def test_an_exchange_that_cannot_place_calls_uses_up_nobodys_attempts(
    database: Database, two_trunks: Settings, clock: Clock
) -> None:
    """FL-04: channels that end at once without a cause or a code (no RTP port is left): the slot is given back, the list is not
    burnt, and the trunks are out until a call gets through; what we ended ourselves says nothing."""
    await bank(database, two_trunks, clock, borrowers=8)
    ours = await claim(database, two_trunks, clock)
    assert isinstance(ours, Placing)
    async with database.begin() as s:
        await s.execute(update(CallAttempt).where(CallAttempt.id == ours.call_id).values(cancelled="STOP_LIST"))
    assert (await end(database, two_trunks, clock, ours.call_id, None, cause=None)).settles_with
    async with database.begin() as s:
        assert (await s.get_one(CallAttempt, ours.call_id)).result == "CANCELLED"
        assert await s.scalar(select(CallLeg.said).where(CallLeg.call_id == ours.call_id)) == "nothing"
    for _ in range(3):
        call = await claim(database, two_trunks, clock)
        assert isinstance(call, Placing)
        assert (await end(database, two_trunks, clock, call.call_id, None, cause=None)).wanted
        async with database.begin() as s:
            await legs.take_wanted(s, two_trunks, clock.wall())
        await end(database, two_trunks, clock, call.call_id, None, cause=None)
    async with database.begin() as s:
        start, _ = clock.day_bounds(clock.today())
        seen = await trunks.standings(s, two_trunks, wall=clock.wall(), day_start=start)
        assert [one.breaker.why for one in seen.values()] == ["FAULTS", "FAULTS"]
        assert in_order(seen.values(), clock.wall()) == []
        last = await s.get_one(CallAttempt, call.call_id)
        task = await s.get_one(CallTask, last.task_id)
        assert (last.result, task.state, task.attempts) == ("CONGESTION", "RETRY_WAIT", 0)
        slot = text("SELECT state FROM contact_ledger WHERE call_id = :call")
        assert await s.scalar(slot, {"call": last.id}) == "FREED"


async def test_a_trunk_whose_money_is_used_up_is_out_for_the_day_and_it_is_told_once(
    database: Database, two_trunks: Settings, clock: Clock
) -> None:
    """Limits per trunk: money from the talks of the business day, in Decimal, by the price when they were placed."""
    dear = two_trunks.trunks[0].model_copy(update={"rates": {"380": Decimal("0.90")}, "money_per_day": Decimal("1.00")})
    two_trunks = two_trunks.model_copy(update={"trunks": [dear, two_trunks.trunks[1]]})
    await bank(database, two_trunks, clock)
    call = await claim(database, two_trunks, clock)
    assert isinstance(call, Placing)
    wall = clock.wall()
    async with database.begin() as s:
        facts = CallFacts(answered_at=wall - 80 * S, bridged_at=wall - 79 * S, ended_at=wall, cause=16)
        await settling.settle(s, call.call_id, facts, clock.now())
    async with database.begin() as s:
        start, _ = clock.day_bounds(clock.today())
        seen = await trunks.standings(s, two_trunks, wall=wall, day_start=start)
        assert (seen["far-end"].spent, seen["far-end"].out_of_money) == (Decimal("1.20"), True)
        assert [one.name for one in in_order(seen.values(), wall)] == ["backup"]
        assert await trunks.note_money(s, list(seen.values()), clock.today(), wall) == ["far-end"]
        assert await trunks.note_money(s, list(seen.values()), clock.today(), wall) == []
        tomorrow = await trunks.standings(s, two_trunks, wall=wall, day_start=start + timedelta(days=1))
        assert tomorrow["far-end"].spent == 0


async def test_a_forbidden_destination_is_refused_at_the_claim(
    database: Database, two_trunks: Settings, clock: Clock
) -> None:
    """FL-06: before Originate, with its reason; the other trunk is asked first."""
    await bank(database, two_trunks, clock, number="+48601234567")
    passed = await claim(database, two_trunks, clock)
    assert isinstance(passed, Passed)
    assert passed.reason == "DESTINATION_NOT_ALLOWED"
    wider = two_trunks.trunks[1].model_copy(update={"allow": ["380", "48"]})
    two_trunks = two_trunks.model_copy(update={"trunks": [two_trunks.trunks[0], wider]})
    await bank(database, two_trunks, clock, number="+48601234568")
    placing = await claim(database, two_trunks, clock)
    assert isinstance(placing, Placing)
    assert placing.trunk.name == "backup"


async def test_an_id_whose_account_is_spent_rests_and_the_next_is_shown(
    database: Database, two_trunks: Settings, clock: Clock
) -> None:
    """Issue 5, limit per caller id: chosen by account, with an event that keeps the figures; back when its window allows."""
    other = "+380445550101"
    await bank(database, two_trunks, clock, borrowers=3)
    async with database.begin() as s:
        said = caller_ids.NewId(number=other, owner="bank", trunks=["far-end"], position=9, declared_on=clock.today())
        await caller_ids.add(s, two_trunks, said, by="test", now=clock.now())
        assert await caller_ids.rest(s, {OURS: (2, 30)}, wall=clock.wall(), now=clock.now()) == [OURS]
    shown = await claim(database, two_trunks, clock)
    assert isinstance(shown, Placing)
    assert shown.caller_id == other
    async with database.begin() as s:
        assert await caller_ids.rest(s, {OURS: (2, 30)}, wall=clock.wall(), now=clock.now()) == [], "told once"
        assert await caller_ids.rest(s, {OURS: (2, 30), other: (3, 40)}, wall=clock.wall(), now=clock.now()) == [other]
    shown = await claim(database, two_trunks, clock)
    assert isinstance(shown, Placing)
    assert shown.caller_id == OURS, "all rest: the first, and the pacer takes no risk with it"
    async with database.begin() as s:
        assert set(await caller_ids.rest(s, {}, wall=clock.wall(), now=clock.now())) == {OURS, other}
        kinds = [
            (one.kind, one.data) for one in await s.scalars(select(CallerIdEvent).where(CallerIdEvent.by == "account"))
        ]
    assert kinds[0] == ("RESTS", {"abandoned": 2, "answered": 30})
    assert [kind for kind, _ in kinds].count("RESTED") == 2
    shown = await claim(database, two_trunks, clock)
    assert isinstance(shown, Placing)
    assert shown.caller_id == OURS
