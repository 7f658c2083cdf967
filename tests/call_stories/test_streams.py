"""10,000 streams of events, shuffled, doubled, delayed, cut and lost, made from what a real Asterisk told: one history.

Each stream is drawn from a seed of its own, which a failure names. What is true of both sources holds for all: AMI may
lose anything, and then a gap is marked, as a new link does; the CEL file is in order, but may lag or be absent. Only one
of the two is allowed to fail a call at a time.
"""

import random
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from ami_listener.call_story import GRACE, PATIENCE, CallEnded, CodeHeard, LineDown, Meaning, Stories
from ami_listener.catch_up import rows_of
from ami_listener.heard import Gap, Heard, HungUp, Line, pack, unpack
from backoffice_core.call_centre.rules import evidence, is_abandoned, is_trunks_own, telephony_result
from tests.call_stories.test_stories import RAW, TABLE, facts_of

STREAMS = 10_000
PARTS = 10  # so that a failure does not hide the others
SAME = timedelta(milliseconds=50)  # the two sources stamp one fact so close together

AMI = {row[0]: facts_of(row[0]) for row in TABLE}
CEL = {name: rows_of(RAW / "cel.csv", {h.who for h in facts}) for name, facts in AMI.items()}  # type: ignore[misc]
# a line goes on after a story: its file rows end where the story's events do
CEL = {
    name: [h for h in rows if AMI[name][0].at - SAME <= h.at <= AMI[name][-1].at + SAME] for name, rows in CEL.items()
}


@dataclass(frozen=True)
class Arrival:
    at: datetime
    fact: Heard | Gap


@dataclass(frozen=True)
class End:
    """What the bank keeps of one call."""

    result: str
    without_agent: str
    abandoned: bool
    trunks_own: bool
    sign: str | None
    answered_at: datetime | None
    bridged_at: datetime | None
    ended_at: datetime

    def same(self, other: "End") -> bool:
        stamps = ("answered_at", "bridged_at", "ended_at")
        mine, others = ([getattr(end, name) for name in stamps] for end in (self, other))
        close = all(
            (a is None) == (b is None) and (a is None or abs(a - b) <= SAME) for a, b in zip(mine, others, strict=True)
        )
        bare = dict.fromkeys(stamps)
        return close and replace(self, **bare) == replace(other, **bare)


@dataclass
class History:
    ends: dict[UUID, End]
    codes: dict[UUID, int | None]
    downs: dict[Line, bool]


def history_of(meanings: Iterable[Meaning], *, killed: bool = False) -> History:
    """As PostgreSQL keeps it: a call is settled once. Without a kill not even the fold may say an end twice."""
    found = History({}, {}, {})
    for meaning in meanings:
        if isinstance(meaning, CallEnded):
            if meaning.call_id in found.ends:
                assert killed, "a call ended twice"
                found.codes[meaning.call_id] = found.codes[meaning.call_id] or meaning.facts.sip_code
                continue
            facts = meaning.facts
            result = telephony_result(facts, reserved=True)
            found.codes[meaning.call_id] = facts.sip_code
            found.ends[meaning.call_id] = End(
                result, telephony_result(facts, reserved=False), is_abandoned(facts, result),
                is_trunks_own(result, facts), evidence(result, facts), facts.answered_at, facts.bridged_at,
                facts.ended_at,
            )  # fmt: skip
        elif isinstance(meaning, CodeHeard):
            assert killed or not found.codes[meaning.call_id]
            found.codes[meaning.call_id] = found.codes[meaning.call_id] or meaning.sip_code
        elif isinstance(meaning, LineDown):
            assert killed or meaning.line not in found.downs, "a line ended twice"
            found.downs.setdefault(meaning.line, meaning.hung_up)
    return found


def in_order(name: str) -> History:
    stories = Stories()
    meant = [m for fact in AMI[name] + CEL[name] for m in stories.hear(fact)]
    return history_of(meant + stories.overdue(AMI[name][-1].at + PATIENCE))


TRUE = {name: in_order(name) for name in AMI}


def ami_arrivals(dice: random.Random, facts: list[Heard], late: float, *, lose: bool) -> list[Arrival]:
    """Each fact after a delay of its own up to `late` seconds past the last of them, some of them twice."""
    last = max(fact.at for fact in facts)
    found = []
    shuffled = dice.random() < 0.8
    lost = dice.choice((0.2, 0.6, 1.0)) if lose else 0.0
    for fact in facts:
        if dice.random() < lost:
            continue
        for _ in range(dice.choice((1, 1, 2, 3))):
            at = last + timedelta(seconds=dice.uniform(0, late)) if shuffled else fact.at
            found.append(Arrival(max(at, fact.at), fact))
    if lost:
        found.append(Arrival(min(fact.at for fact in facts), Gap(last)))
    return found


def stream(dice: random.Random, names: list[str]) -> list[Arrival]:
    arrivals: list[Arrival] = []
    for name in names:
        one_source = not any(isinstance(h.who, UUID) for h in CEL[name])
        failing = (
            "file late" if one_source else dice.choice(("none", "ami lost", "ami late", "file absent", "file late"))
        )
        late = {"ami late": 60.0}.get(failing, 1.5)
        arrivals += ami_arrivals(dice, AMI[name], late, lose=failing == "ami lost")
        lag = timedelta(seconds=dice.uniform(0, 15 if failing == "file late" else 1.5))
        if failing != "file absent":
            again = dice.randrange(len(CEL[name]) + 1)  # read again from an earlier position
            arrivals += [Arrival(fact.at + lag, fact) for fact in CEL[name]]
            if CEL[name]:
                arrivals += [Arrival(CEL[name][-1].at + lag, fact) for fact in CEL[name][:again]]
    return sorted(arrivals, key=lambda arrival: arrival.at)


def live_through(dice: random.Random, arrivals: list[Arrival], kill_at: int) -> list[Meaning]:
    """The listener's life: batches, looks for what is overdue, and a kill -9, after which it has what was written."""
    stories, told, kept = Stories(), [], []
    for n, arrival in enumerate(arrivals):
        if n == kill_at:
            over = {m.call_id for m in told if isinstance(m, CallEnded)}
            stories = Stories()
            for fact in map(unpack, kept):  # the facts of live calls, as PostgreSQL has them
                if isinstance(fact, Heard) and fact.who not in over:
                    stories.hear(fact)
            stories.hear(Gap(arrival.at))
        told += stories.hear(arrival.fact)
        if not isinstance(arrival.fact, Gap):
            kept.append(pack(arrival.fact))
        if dice.random() < 0.5:
            told += stories.overdue(arrival.at)
    return told + (stories.overdue(arrivals[-1].at + PATIENCE + GRACE) if arrivals else [])


@pytest.mark.parametrize("part", range(PARTS))
def test_any_order_repetition_delay_and_loss_gives_one_history(part: int) -> None:
    """TL-06: whatever comes when, twice, late or not at all: each call has one end, and it is the same one."""
    names = sorted(AMI)
    for seed in range(part, STREAMS, PARTS):
        dice = random.Random(seed)
        chosen = dice.sample(names, dice.randint(1, 4))
        chosen = [name for n, name in enumerate(chosen) if not shares_a_line(name, chosen[:n])]
        arrivals = stream(dice, chosen)
        kill_at = dice.randrange(len(arrivals)) if arrivals and dice.random() < 0.3 else -1
        found = history_of(live_through(dice, arrivals, kill_at), killed=kill_at >= 0)
        for name in chosen:
            for call, end in TRUE[name].ends.items():
                assert call in found.ends, f"seed {seed}, {name}: no end"
                assert found.ends[call].same(end), f"seed {seed}, {name}: {found.ends[call]} is not {end}"
                told = [a.fact.sip_code for a in arrivals if isinstance(a.fact, HungUp) and a.fact.who == call]
                assert found.codes[call] == next(filter(None, told), None), f"seed {seed}, {name}: SIP code"


def shares_a_line(name: str, others: list[str]) -> bool:
    """Two stories of one line overlap in no real stream."""
    mine = {h.who for h in AMI[name] + CEL[name] if isinstance(h.who, Line)}
    return any(mine & {h.who for h in AMI[other] + CEL[other]} for other in others)


@pytest.mark.parametrize("part", range(2))
def test_a_killed_asterisk_leaves_the_last_evidence_whatever_the_order(part: int) -> None:
    """Nobody told the end: the call is closed with the last instant that either source knows, and is marked."""
    talks = [name for name in sorted(AMI) if TRUE[name].ends and CEL[name]]
    for seed in range(part, 1000, 2):
        dice = random.Random(seed)
        name = dice.choice(talks)
        (call,) = TRUE[name].ends
        ends = [h.at for h in AMI[name] + CEL[name] if h.who == call and isinstance(h, HungUp)]
        facts = [h for h in AMI[name] + CEL[name] if h.at < min(ends)]
        cut = dice.choice(facts).at
        told = [h for h in facts if h.at <= cut]
        stories = Stories()
        for fact in dice.sample(told * 2, len(told) * 2):
            stories.hear(fact)
        assert not [m for m in stories.overdue(cut + timedelta(hours=1)) if isinstance(m, CallEnded)]
        last = stories.last_evidence(call)
        ours = [h.at for h in told if h.who == call]
        assert last == max(ours, default=None), f"seed {seed}"
        if last:
            end = stories.give_up(call, last)
            assert (end.facts.ended_at, end.facts.estimated, end.facts.heard) == (last, True, True)
            assert stories.last_evidence(call) is None


def test_all_kinds_of_facts_go_to_disk_and_back() -> None:
    """What the spool and PostgreSQL keep is what was heard."""
    kinds = defaultdict(int)
    for name, facts in AMI.items():
        for fact in facts + CEL[name]:
            assert unpack(pack(fact)) == fact
            kinds[type(fact)] += 1
    assert len(kinds) == 9
    assert unpack(pack(Gap(cut := AMI["rings_out"][0].at, cut))) == Gap(cut, cut)
    assert unpack(["FromAnotherVersion", "x", 1.0, False]) is None
    assert unpack(["HungUp", "no-uuid", 1.0, False, 1, 2, True, False]) is None
    assert unpack(["HungUp"]) is None
