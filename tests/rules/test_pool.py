"""One pool of campaigns: what it sees, how it shares its calls, which account binds it (issue 5; TL-07, FL-15)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from backoffice_core.call_centre.carriers.caller_id_accounts import Standing
from backoffice_core.call_centre.carriers.caller_id_rules import IdView
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.campaign_rules import Running
from backoffice_core.call_centre.dialing.pacing_view import Call, Count, Ended, Floor, Seat
from backoffice_core.compliance.dialer_limits import AbandonAccount, DialerLimits
from dialer.observation import Observation
from dialer.pool import Heard, Plan, Pool, pools
from dialer.terms import Terms

WALL = datetime(2026, 11, 25, 10, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return WALL - timedelta(seconds=seconds)


def seat(state: str = "READY", seconds: float = 5.0, user: UUID | None = None) -> Seat:
    return Seat(user or uuid4(), state, state == "READY", ago(seconds), leaves=False, held=False)


def call(seconds: float = 5.0, campaign: str = "collection", **told: Any) -> Call:
    given = {"inbound": False, "answered_at": None, "with_agent": False, "abandoned": False, **told}
    return Call(uuid4(), campaign, claimed_at=ago(seconds), **given)


def row(name: str = "collection", **fields: Any) -> Campaign:
    given = {
        "mode": "progressive", "priority": 10, "ratio": Decimal("1.5"), "target_abandon_pct": Decimal(3), "skill": "",
        "abandon_window": "day", "denominator": "live", "machines": "off", **fields,
    }  # fmt: skip
    return Campaign(name=name, **given)


def terms(*rows: Campaign, skills: dict[UUID, dict[str, int]] | None = None, counts: Any = None) -> Terms:
    running = {one.name: Running(mode=one.mode, target_pct=one.target_abandon_pct) for one in rows}
    return Terms(campaigns=rows, running=running, skills=skills or {}, counts={"day": counts or {}})


def see(pool: Pool, floor: Floor, held: Terms, ends: dict[UUID, Ended] | None = None, **heard: Any) -> Observation:
    return pool.observe(
        floor, ends or {}, Heard(**heard), held.campaigns, held, t=100.0, wall=WALL, horizon=20_000.0, lines=100,
        ring_timeout=25.0,
    )  # fmt: skip


def planned(floor: Floor, held: Terms, empty: tuple[str, ...] = (), pool: Pool | None = None) -> Plan:
    pool = pool or Pool(held.campaigns)
    return pool.plan(see(pool, floor, held), floor, held.campaigns, held, empty)


def test_what_the_pool_sees() -> None:
    """Ages of ringing, waiting, talks; who leaves or is held does not come back; ended rings are told once."""
    ears, rings = call(9), call(4)
    over_there = call(3)
    waits = call(8, answered_at=ago(1))
    talks, leaves = seat("TALKING", 30), replace(seat("TALKING", 30), leaves=True)
    floor = Floor(
        [ears, rings, over_there, waits, call(with_agent=True), call(2, inbound=True), call(1, campaign="other")],
        [seat(seconds=7), seat(seconds=9), talks, leaves, seat("WRAP_UP", 4), seat("PAUSED"),
         replace(seat("RESERVED"), held=True)],
    )  # fmt: skip
    pool, held = Pool([row()]), terms(row())
    o = see(pool, floor, held, answered={ears.id: 0.4}, over={over_there.id: 0.1})
    assert o.free == (9.0, 7.0)
    assert (o.talking, o.wrapping, o.on_break, o.logged_in) == ((30.0,), (4.0,), 1, 7)
    assert o.ringing == (4.0,)
    assert sorted(o.waiting) == [0.4, 1.0, 2.0]
    after = Floor([waits], [replace(talks, state="WRAP_UP", since=ago(0), free=False)])
    assert set(pool.gone(after)) == {ears.id, rings.id, over_there.id}
    ends = {
        rings.id: Ended(None, WALL, "NO_ANSWER"), ears.id: Ended(ago(0.4), WALL, "ANSWERED_HUMAN"),
        over_there.id: Ended(None, WALL, "CONGESTION"),
    }  # fmt: skip
    o = see(pool, after, held, ends)
    assert sorted(o.attempts) == [("answer", pytest.approx(8.6)), ("no_answer", pytest.approx(4.0))]
    assert o.talks == (30.0,)
    assert pool.gone(Floor([], [])) == []


def test_an_answer_is_learned_with_its_own_seconds() -> None:
    """The agent may be written into the call before the listener has written the answer: that is no answer after 0 s."""
    one = call(6)
    pool, held = Pool([row()]), terms(row())
    pool.placed(one.id, one.claimed_at)
    talks = replace(one, with_agent=True)
    assert see(pool, Floor([talks], []), held).attempts == ()
    assert see(pool, Floor([replace(talks, answered_at=ago(1))], []), held).attempts == (("answer", 5.0),)
    assert see(pool, Floor([replace(talks, answered_at=ago(1))], []), held).attempts == ()


def test_callers_are_counted_out_by_a_forecast() -> None:
    """Issue 5: agents wanted by inbound are not dialed for."""
    held = terms(row())
    floor = Floor([], [seat() for _ in range(4)])
    assert planned(floor, held).decision.calls == 4
    held.inbound_per_s = 0.2  # twelve a minute: two of them before a call that is placed now is answered
    assert planned(floor, held).decision.calls == 2


def test_progressive_and_limit_0_never_dial_more_than_free_agents() -> None:
    for mode, limit in (("progressive", 3), ("predictive", 0)):
        held = terms(row(mode=mode, target_abandon_pct=Decimal(limit)))
        talking = [seat("TALKING", 200) for _ in range(20)]
        floor = Floor([call(), call()], [seat() for _ in range(5)] + talking)
        assert planned(floor, held).given == {"collection": 3}


def test_power_dials_its_ratio_until_the_account_is_spent() -> None:
    one = row(mode="power", ratio=Decimal(2))
    floor = Floor([call()], [seat() for _ in range(5)])
    good = {("collection", "+380445550100"): Count(1000, 1000, 5)}
    assert planned(floor, terms(one, counts=good)).given == {"collection": 9}
    spent = {("collection", "+380445550100"): Count(1000, 1000, 60)}
    assert planned(floor, terms(one, counts=spent)).given == {"collection": 4}, "one a free agent"


def test_predictive_overdials_only_while_its_account_bears_it() -> None:
    """TL-07: more abandoned, never more calls; a rule's window binds beside the campaign's own."""
    one = row(mode="predictive")
    floor = Floor([], [seat(seconds=1)] + [seat("WRAP_UP", 24) for _ in range(30)])
    counts = [planned(floor, terms(one, counts={("collection", "x"): Count(2000, 2000, n)})) for n in (0, 40, 59, 90)]
    calls = [plan.decision.calls for plan in counts]
    assert calls[0] > 1, "it counts on agents who will be free"
    assert calls == sorted(calls, reverse=True)
    assert calls[-1] < calls[0] / 2, "only calls that are as good as sure"
    assert counts[-1].accounts["collection"]["abandoned"] == 90
    law = AbandonAccount(
        rule_id="X", max_pct=Decimal(1), of="live_answers", per=("campaign",), window="rolling_days", window_days=30
    )
    limits = DialerLimits(
        connect_within_s=None, ring_min_s=None, ring_max_s=None, max_abandon_pct=Decimal(1), abandon_accounts=(law,),
        redial_hold_hours=None, redial_ok_if_agent_guaranteed=False, same_day_after_machine_needs_agent=False,
        message=frozenset(), caller_id_required=False, keep_records=False, consulted=(),
    )  # fmt: skip
    held = terms(one, counts={("collection", "x"): Count(2000, 2000, 10)})
    held.running = {"collection": Running(mode="predictive", target_pct=Decimal(1), limits=limits)}
    held.counts = {**held.counts, "30d": {("collection", "x"): Count(9000, 9000, 200)}}
    assert Pool([one]).count(one, held) == (9000, 200, 0.01, "30d")
    assert planned(floor, held).decision.calls == calls[-1]


def test_a_number_that_rests_binds_nobody_while_another_is_shown() -> None:
    """Issue 5, limit per caller id: its account counts over all campaigns; spent and alone it leaves only calls that are sure."""
    one = row(mode="power", ratio=Decimal(3))
    floor = Floor([], [seat() for _ in range(4)])
    held = terms(one, counts={("collection", "+1"): Count(500, 500, 2), ("other", "+1"): Count(10, 10, 298)})
    held.ids = {"+1": Standing(510, 300, Decimal(3), "day")}
    held.shown = [IdView(number="+1", trunks=frozenset({"a"}), campaigns=frozenset({"collection"}))]
    assert planned(floor, held).given == {"collection": 4}
    held.shown = [*held.shown, IdView(number="+2", trunks=frozenset({"a"}), campaigns=frozenset({"collection"}))]
    assert planned(floor, held).given == {"collection": 12}


def test_people_taken_for_machines_count_as_abandoned() -> None:
    """Issue 5: the denominator with detection correction."""
    one = row(mode="predictive", machines="before")
    held = terms(one, counts={("collection", "x"): Count(100, 90, 2)})
    held.misjudged = {"collection": 3}
    assert Pool([one]).count(one, held)[:2] == (103, 5)


def test_calls_go_by_priority_past_empty_lists_and_to_the_skilled_only() -> None:
    """Issue 5: agents serve several campaigns by skill and priority."""
    urgent, late, own = row("urgent", priority=1), row("late", priority=5), row("own", priority=1, skill="own")
    users = [uuid4() for _ in range(4)]
    can: dict[UUID, dict[str, int]] = {user: {} for user in users} | {users[0]: {"own": 1}}
    held = terms(urgent, late, own, skills=can)
    floor = Floor([], [seat(user=user) for user in users])
    assert planned(floor, held).given == {"own": 1, "urgent": 3, "late": 0}
    assert planned(floor, held, empty=("urgent",)).given == {"own": 1, "urgent": 0, "late": 3}
    held = terms(replace_mode(urgent, "preview"), late, skills=can)
    assert planned(floor, held).given == {"urgent": 0, "late": 4}, "nobody dials a preview for the agent"


def replace_mode(one: Campaign, mode: str) -> Campaign:
    return row(one.name, priority=one.priority, mode=mode)


def test_pools_are_linked_by_agents() -> None:
    own, other, anyones = row("own", skill="own"), row("other", skill="other"), row("anyones")
    a, b = uuid4(), uuid4()

    def names(rows: list[Campaign], skills: dict[UUID, dict[str, int]]) -> list[list[str]]:
        return [[one.name for one in group] for group in pools(rows, terms(*rows, skills=skills))]

    assert names([own, other], {a: {"own": 1}, b: {"other": 1}}) == [["other"], ["own"]]
    assert names([own, other], {a: {"own": 1, "other": 2}}) == [["own", "other"]]
    assert names([own, other, anyones], {a: {"own": 1}, b: {"other": 1}}) == [["own", "other", "anyones"]]


def test_another_pool_goes_on_with_what_was_learned() -> None:
    """A killed dialer's successor has the memory; an account that starts a new day begins at nothing."""
    held = terms(row(mode="predictive"), counts={("collection", "x"): Count(500, 500, 9)})
    first = Pool(held.campaigns)
    planned(Floor([], [seat()]), held, pool=first)
    second = Pool(held.campaigns, first.pacer.memory())
    assert second.pacer.memory() == first.pacer.memory()
    held.counts = {"day": {}}
    planned(Floor([], [seat()]), held, pool=second)
    assert (second.pacer.account.live, second.pacer.account.abandoned) == (0, 0)
