"""Campaigns that share some of their agents: skills, priorities and modes beside each other in one pool (issue 5)."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backoffice_core.call_centre.dialing.pacing_view import Floor
from dialer.hand_in_hand import Asking, left_to, take
from dialer.pool import Heard, Pool
from tests.rules.floor_of_campaigns import FloorOfCampaigns, Told
from tests.rules.test_pool import call, planned, row, seat, terms

SPECIALISTS = [{"mortgage": 1}] * 8 + [{}] * 12
BRIDGED = [{"a": 1}] * 10 + [{"b": 1}] * 9 + [{"a": 1, "b": 1}]


def an_hour(*rows: object, skills: list[dict[str, int]], **world: object) -> Told:
    """Ten minutes, after five to learn in."""
    return FloorOfCampaigns(rows, skills, **world).run(600, warm_up=300)  # type: ignore[arg-type]


def test_specialists_are_called_for_beside_a_campaign_that_anybody_serves() -> None:
    """Issue 5: by skill and priority. A campaign that eight of twenty serve is dialed ahead for those eight; nobody idles."""
    rows = row("any", mode="predictive"), row("mortgage", mode="predictive", skill="mortgage", priority=1)
    told = an_hour(*rows, skills=SPECIALISTS)
    assert told.talks["mortgage"] > 25, "urgent: its agents are first of all its own"
    assert told.talks["any"] > 40
    assert told.use > 0.7
    assert told.abandoned < 0.05


def test_one_agent_with_both_skills_slows_neither_campaign_down() -> None:
    """Issue 5: two teams linked by one agent are paced each by its own agents, not one call for each free agent."""
    told = an_hour(row("a", mode="predictive", skill="a"), row("b", mode="predictive", skill="b"), skills=BRIDGED)
    assert told.use > 0.7, "one for each free agent comes to a half"
    assert min(told.talks["a"], told.talks["b"]) > 25
    assert told.abandoned < 0.05


def test_a_progressive_campaign_is_not_starved_by_one_that_dials_ahead() -> None:
    """Issue 5: the urgent list is called first although it must not be dialed ahead; nobody of it finds no agent, and
    afterwards the other has the floor."""
    rows = row("any", mode="predictive"), row("urgent", priority=1)
    told = an_hour(*rows, skills=[{}] * 20, lists={"urgent": 150})
    assert told.talks["urgent"] + told.talks["any"] > 40
    assert told.lost["urgent"] == 0
    floor = Floor([call(8, "any") for _ in range(6)], [seat(seconds=9), *(seat("TALKING", 40) for _ in range(9))])
    held = terms(*rows)
    plan = planned(floor, held)
    assert plan.given == {"urgent": 1, "any": 0}
    assert plan.in_hand == {"urgent"}
    assert plan.decision.terms["in_hand"] == 1
    assert planned(floor, held, empty=("urgent",)).given["urgent"] == 0


def test_one_agent_gets_one_call_however_many_campaigns_want_him() -> None:
    """TL-07: progressive is one call for each free agent, of all his campaigns together."""
    rows = [row(name, skill=name, priority=n) for n, name in enumerate("xyz", 1)]
    a, b, c = uuid4(), uuid4(), uuid4()
    held = terms(*rows, skills={a: {"x": 1, "y": 1}, b: {"z": 1}, c: {"x": 1, "z": 1}})
    floor = Floor([], [seat(user=a), seat(user=b), seat("TALKING", user=c)])
    assert planned(floor, held).given == {"x": 1, "y": 0, "z": 1}


def test_a_pool_hands_on_what_it_learned_of_each_campaign() -> None:
    held = terms(
        row("any", mode="predictive"), row("own", mode="predictive", skill="s"), skills={(own := uuid4()): {"s": 1}}
    )
    floor = Floor([], [seat(), seat(user=own)])
    pool = Pool(held.campaigns)
    planned(floor, held, pool=pool)
    assert set(pool.narrow) == {"own"}
    assert Pool(held.campaigns, pool.memory()).memory() == pool.memory()
    assert Pool([row("any")], pool.memory()).narrow == {}


@pytest.mark.parametrize("pace", [1.0, 0.5])
def test_after_an_alarm_half_of_the_agents_are_counted_on(pace: float) -> None:
    """FL-15: back at half pace, also for agents who will be free soon."""
    held = terms(row(mode="predictive"))
    pool, floor = Pool(held.campaigns), Floor([], [seat(seconds=1)] * 4 + [seat("WRAP_UP", 24) for _ in range(30)])
    seen = pool.observe(
        floor, {}, Heard(), held.campaigns, held, t=100.0, wall=seat(seconds=0).since,
        horizon=20_000.0, lines=100, ring_timeout=25.0,
    )  # fmt: skip
    plan = pool.plan(seen, floor, held.campaigns, held, (), pace)
    whole = planned(floor, held).decision
    assert plan.decision.terms["expected_free"] == pytest.approx(pace * whole.terms["expected_free"], rel=0.1)
    assert (plan.decision.calls < whole.calls) == (pace < 1)
    assert plan.decision.terms.get("pace", 1.0) == pace


AGENTS = [UUID(int=n) for n in range(6)]
ASKING = st.builds(
    Asking, name=st.sampled_from("abcdef"), priority=st.integers(1, 3), weight=st.floats(0.5, 3), had=st.floats(0, 9),
    agents=st.frozensets(st.sampled_from(AGENTS)),
)  # fmt: skip


@settings(max_examples=150)
@given(
    asking=st.lists(ASKING, max_size=4, unique_by=lambda one: one.name), rivals=st.lists(ASKING, max_size=3),
    free=st.sets(st.sampled_from(AGENTS)), most=st.integers(0, 6),
)  # fmt: skip
def test_every_call_in_hand_has_an_agent_of_its_own(
    asking: list[Asking], rivals: list[Asking], free: set[UUID], most: int
) -> None:
    given_ = take(asking, rivals, free, most)
    taken = [user for users in given_.values() for user in users]
    assert len(taken) == len(set(taken)) <= most
    assert set(taken) <= free
    for one in asking:
        assert set(given_[one.name]) <= one.agents
        if given_[one.name]:
            assert not any(rival.priority < one.priority for rival in rivals)
    urgent = [one for one in asking if not any(rival.priority <= one.priority for rival in rivals)]
    left = left_to(rivals, asking)
    assert not any(left & one.agents for one in urgent), "who is taken as he becomes free is counted on by nobody else"
