"""`python -m tests.bench.predictive`: predictive dialing on a real Asterisk, against the simulator's word for it.

Robot agents talk 15 s and wrap up 5 s in the mean; three of ten borrowers answer. After `--answers` answers: abandoned by
our account and by the far end (an answered call that never heard an agent's voice), answer to bridge where an agent was
free, calls outside the rules, and the utilisation beside 50 simulated runs of the same settings.
`--capacity 10,25,40`: teams of these sizes for `--seconds` each, until the bridge's p99 with an agent free passes
200 ms. `--json FILE`, `--trace FILE` for the story of every call.
"""

import argparse
import asyncio
import itertools
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile
from sqlalchemy import select

from backoffice_core.call_centre.dialing import campaigns
from backoffice_core.call_centre.dialing.campaign_models import PacingDecision
from backoffice_core.call_centre.models import AgentStateChange, CallAttempt
from backoffice_core.config import FAR_END
from backoffice_core.events import CampaignsChanged, QueueChanged
from backoffice_core.parts import state as states
from dialer.simulation.policies import named
from dialer.simulation.shift import Shift
from dialer.simulation.world import World
from far_end import tones
from tests import conftest, house
from tests.conftest import until
from tests.running import RunningHouse, running_house

TALK, WRAP, RING = (5.0, 25.0), (2.0, 8.0), (3.0, 13.0)  # uniform
ANSWER_RATE = 0.3
CAPACITY_RATE = 0.15  # five lines an agent, as VICIdial counts them
OTHERS = (("777", 0.75), ("480", 0.1), ("431", 0.1), ("631", 0.05))  # rings out, switched off, busy, dead number
LIMIT, BRIDGE_MS, CAPACITY_MS = 0.03, 100, 200
LINES = 125
AGENTS = {tones.agent(f"agent-{n}") for n in range(200, 300)}
FREE_FOR_S = 0.5  # an agent was free at the answer: since half a second, and still


@dataclass
class Far:
    """What the far end's own log and ears say."""

    answered: int
    abandoned: int


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else math.nan


# --- the simulator's word --------------------------------------------------------------------------------------------


class Until(Shift):
    """A shift that is cut off after so many answers; the pacer sees the whole of it before it."""

    answers = 400

    def _tick(self) -> None:
        super()._tick()
        if self.live >= self.answers:
            self.horizon = self.t


def _sigma(low: float, high: float) -> float:
    """Of the log-normal with the mean and variance of a uniform span."""
    mean, variance = (low + high) / 2, (high - low) ** 2 / 12
    return math.sqrt(math.log(1 + variance / mean**2))


def world_of(agents: int, lines: int, hours: float) -> World:
    """The bench's settings, for the simulator."""
    ring, variance = sum(RING) / 2, (RING[1] - RING[0]) ** 2 / 12
    return World(
        name="bench", agents=agents, hours=hours, lines=lines, decide_every=0.5, answer_rate=ANSWER_RATE,
        post_dial=(0.05, 0.15), ring_mean=ring, ring_shape=ring**2 / variance, busy=OTHERS[2][1] + OTHERS[1][1], rejected=0,
        invalid=OTHERS[3][1], talk_mean=sum(TALK) / 2, talk_sigma=_sigma(*TALK), wrap_mean=sum(WRAP) / 2,
        wrap_sigma=_sigma(*WRAP), break_every=0, out_every=0,
    )  # fmt: skip


def cut_off(world: World, seed: int, answers: int) -> dict[str, Any]:
    shift = Until(world, named("ours"), seed)
    shift.answers = answers
    return shift.run()


def simulated(agents: int, answers: int, lines: int, hours: float, runs: int = 50) -> dict[str, Any]:
    """Utilisation and abandoned share of the same settings, seeds 0 … runs − 1."""
    world = world_of(agents, lines, hours)
    used, lost = [], []
    for seed in range(runs):
        told = cut_off(world, seed, answers)
        used.append(told["utilisation"])
        lost.append(told["abandon_rate"])
    return {
        "utilisation": round(statistics.mean(used), 4), "low": round(quantile(used, 0.025), 4),
        "high": round(quantile(used, 0.975), 4), "abandoned": round(statistics.mean(lost), 4),
        "most_abandoned": round(max(lost), 4),
    }  # fmt: skip


# --- the house -------------------------------------------------------------------------------------------------------


async def lay_queue(one: RunningHouse, count: int, dice: random.Random, rate: float = ANSWER_RATE) -> None:
    """Borrowers of whom this share answers, in an order that nobody can learn."""
    async with one.database() as database:
        for first in range(0, count, 200):
            async with database.begin() as s:
                for n in range(first, min(first + 200, count)):
                    ending = dice.choices([e for e, _ in OTHERS], [w for _, w in OTHERS])[0]
                    if dice.random() < rate:
                        ending = "100"  # a person, who talks until the other side hangs up
                    await house.borrower(s, one.clock, number=f"+380{50 + n // 10_000}{n % 10_000:04}{ending}")


async def to_predictive(one: RunningHouse, **fields: Any) -> None:
    async with one.database() as database, database.begin() as s:
        given = {"mode": "predictive", **fields}
        await campaigns.change(s, "collection", given, who="program:bench", by="bench", wall=one.clock.wall())
    await one.news(CampaignsChanged())


async def calls(one: RunningHouse, since: datetime) -> list[CallAttempt]:
    async with one.database() as database, database.begin() as s:
        query = select(CallAttempt).where(CallAttempt.claimed_at >= since).order_by(CallAttempt.claimed_at)
        return list((await s.execute(query)).scalars())


async def changes(one: RunningHouse, since: datetime) -> list[AgentStateChange]:
    async with one.database() as database, database.begin() as s:
        query = select(AgentStateChange).where(AgentStateChange.at >= since).order_by(AgentStateChange.id)
        return list((await s.execute(query)).scalars())


def utilisation(found: list[AgentStateChange], agents: int, since: datetime, till: datetime) -> float:
    """(Talk + wrap-up) / time at the desk, all agents ready at `since`."""
    worked, busy = timedelta(), {}
    for change in found:
        if change.at > till:
            break
        if change.to_state in {"TALKING", "WRAP_UP"}:
            busy.setdefault(change.session_id, max(change.at, since))
        elif change.session_id in busy:
            worked += change.at - busy.pop(change.session_id)
    worked += sum((till - began for began in busy.values()), timedelta())
    return worked / (agents * (till - since))


def free_at(found: list[AgentStateChange], at: datetime, agents: set[Any]) -> bool:
    """Whether an agent was ready at this moment, since a while before."""
    state: dict[Any, tuple[str, datetime]] = {}
    for change in found:
        if change.at > at:
            break
        state[change.session_id] = (change.to_state, change.at)
    ready = [since for said, since in state.values() if said == "READY"]
    never_moved = len(agents - set(state))
    return bool(never_moved) or any(at - since >= timedelta(seconds=FREE_FOR_S) for since in ready)


def far_end(one: RunningHouse) -> Far:
    """Of the answered calls: which never heard an agent's chord? Its own log and its own ears, none of ours."""
    answered = [e for e in one.carrier_events() if e["event"] == "ANSWER"]
    lost = 0
    for event in answered:
        files = list((one.settings.data / "heard").glob(f"*{event['number'].lstrip('+')}-{event['call_id']}*.wav"))
        if not any(_agent_heard(file) for file in files):
            lost += 1
    return Far(len(answered), lost)


def _agent_heard(file: Path) -> bool:
    sound, rate = soundfile.read(file, dtype="int16")
    for begins in np.arange(0.2, len(sound) / rate, 0.4):
        part = sound[int(begins * rate) : int((begins + 0.3) * rate)].astype(float).tolist()
        if tones.heard(part, tones.FIRST + tones.HALF_STEP) in AGENTS:  # the message's speech makes chords too
            return True
    return False


def outside_rules(found: list[CallAttempt]) -> list[str]:
    """Calls twice to one person at once, a person more than twice a day, without a decision of the evaluator, on a second
    attempt within its gap: what the caps of the house forbid."""
    faults = [f"{c.id}: no decision" for c in found if c.decision_id is None]
    by_person: dict[Any, list[CallAttempt]] = {}
    for call in found:
        by_person.setdefault(call.person_id, []).append(call)
    for person, own in by_person.items():
        faults += [f"{person}: called {len(own)} times"] if len(own) > 2 else []
        for a, b in itertools.pairwise(own):
            if a.ended_at is None or b.claimed_at < a.ended_at:
                faults.append(f"{person}: two calls at once")
    return faults


def story(
    found: list[CallAttempt], moves: list[AgentStateChange], decisions: list[PacingDecision], since: datetime
) -> list[dict[str, Any]]:
    """Every call, every change of an agent and every decision in the order of their seconds: to see why one was abandoned."""
    second = lambda at: round((at - since).total_seconds(), 2) if at else None  # noqa: E731
    rows = [
        {"at": second(c.claimed_at), "call": str(c.id)[-6:], "answered": second(c.answered_at), "met": second(c.bridged_at),
         "ended": second(c.ended_at), "outcome": c.outcome, "abandoned": c.abandoned} for c in found
    ] + [
        {"at": second(m.at), "agent": str(m.session_id)[-6:], "to": m.to_state, "why": m.reason} for m in moves
    ] + [
        {"at": second(d.at), "calls": d.calls, "bound": d.bound, **{k: v for k, v in d.terms.items() if k != "accounts"}}
        for d in decisions
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row["at"])


async def play(
    one: RunningHouse, agents: int, answers: int, seconds: float, *, rate: float, trace: Path | None, seed: int
) -> dict[str, Any]:
    """Dials until there are so many answers, or the seconds are over; then what happened."""
    await lay_queue(one, int(answers / rate * 1.4) + 60, random.Random(seed), rate)
    span = lambda s: f"{s[0]:g}-{s[1]:g}"  # noqa: E731
    (one.settings.data / "STOP").touch()  # nobody is dialed before all are at their desks
    async with one.robots(agents, talk=span(TALK), wrap=span(WRAP), options=("--chords",)):
        await to_predictive(one)
        parts = states.read(one.settings)
        assert parts is not None
        running = {part.name: part.process for part in parts.parts if part.process}
        before = {name: sum(p.cpu_times()[:2]) for name, p in running.items()}
        psutil.cpu_percent()
        since, began = one.clock.wall(), time.monotonic()
        (one.settings.data / "STOP").unlink()
        await one.news(QueueChanged())

        async def answered() -> bool:
            found = await calls(one, since)
            done = sum(c.answered_at is not None for c in found)
            say(f"  {time.monotonic() - began:5.0f} s: {len(found)} dialed, {done} answered, "
                f"{sum(c.abandoned for c in found)} abandoned")  # fmt: skip
            return done >= answers or time.monotonic() - began > seconds

        await until(answered, seconds + 60, every=10.0)
        till = one.clock.wall()
        (one.settings.data / "STOP").touch()
        machine = psutil.cpu_percent()
        took = time.monotonic() - began
        cores = {name: round((sum(p.cpu_times()[:2]) - before[name]) / took, 2) for name, p in running.items()}

        async def all_over() -> bool:
            return all(c.ended_at for c in await calls(one, since))

        await until(all_over, 90, every=1.0)
        found, moves = await calls(one, since), await changes(one, since)
    seats = {c.agent_session_id for c in found if c.agent_session_id}
    live = [c for c in found if c.answered_at]
    met = [c for c in live if c.bridged_at]
    when_free = [_ms(c) for c in met if c.answered_at and free_at(moves, c.answered_at, seats)]
    far = await asyncio.to_thread(far_end, one)
    async with one.database() as database, database.begin() as s:
        query = select(PacingDecision).where(PacingDecision.at >= since).order_by(PacingDecision.id)
        decisions = list((await s.execute(query)).scalars())
    if trace is not None:
        await asyncio.to_thread(trace.write_text, json.dumps(story(found, moves, decisions, since), indent=1))
    return {
        "agents": agents, "seconds": round(took, 1), "dialed": len(found), "answered": len(live),
        "abandoned": sum(c.abandoned for c in found), "share": round(sum(c.abandoned for c in found) / max(len(live), 1), 4),
        "far_end": asdict(far), "far_end_share": round(far.abandoned / max(far.answered, 1), 4),
        "utilisation": round(utilisation(moves, agents, since, till), 4),
        "bridge_ms": {"n": len(met), "p50": quantile([_ms(c) for c in met], 0.5), "p99": quantile([_ms(c) for c in met], 0.99)},
        "bridge_ms_agent_free": {"n": len(when_free), "p50": quantile(when_free, 0.5), "p99": quantile(when_free, 0.99)},
        "outside_rules": outside_rules(found), "decisions_kept": len(decisions), "cpu_cores": cores, "cpu_percent": machine,
        "most_lines": _most_lines(found),
    }  # fmt: skip


def _ms(call: CallAttempt) -> float:
    assert call.bridged_at is not None
    assert call.answered_at is not None
    return round((call.bridged_at - call.answered_at).total_seconds() * 1000, 1)


def _most_lines(found: list[CallAttempt]) -> int:
    moves = sorted([(c.claimed_at, 1) for c in found] + [(c.ended_at, -1) for c in found if c.ended_at])
    now = most = 0
    for _, step in moves:
        now += step
        most = max(most, now)
    return most


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(
    agents: int, answers: int, lines: int, seconds: float, *, rate: float = ANSWER_RATE, trace: Path | None = None,
    seed: int = 1,
) -> dict[str, Any]:  # fmt: skip
    conftest.FAR_END = FAR_END.model_copy(update={"lines": lines})
    conftest.MEDIA_PORTS = 2 * (lines + 2 * agents)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        ring = ("--answer-after", f"{RING[0]:g}-{RING[1]:g}", "--seed", str(seed + 6))
        with running_house(Path(folder), carrier_options=ring) as one:
            hours = 20.0 - one.clock.now().astimezone(one.clock.zone).hour
            found = asyncio.run(play(one, agents, answers, seconds, rate=rate, trace=trace, seed=seed))
    return found | {"hours_ahead": hours, "seed": seed}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.predictive", description=__doc__)
    parser.add_argument("--answers", type=int, default=400)
    parser.add_argument("--agents", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--capacity", default="", help="teams, as 10,25,40")
    parser.add_argument("--seed", type=int, default=1, help="of the list: who answers, and after how long")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--trace", type=Path, help="every call, agent's change and decision")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    if options.capacity:
        result["capacity"] = []
        for agents in map(int, options.capacity.split(",")):
            found = run(agents, int(agents * options.seconds / 15), LINES, options.seconds, rate=CAPACITY_RATE)
            result["capacity"].append(found)
            p99 = found["bridge_ms_agent_free"]["p99"]  # who waits for an agent waits by the pacing, not by the machine
            say(f"{agents} agents: answer to bridge with an agent free p99 {p99} ms (goal ≤ {CAPACITY_MS}), "
                f"{found['most_lines']} lines at most, utilisation {found['utilisation']:.1%}")  # fmt: skip
            if p99 > CAPACITY_MS:
                break
    else:
        found = run(options.agents, options.answers, LINES, options.seconds, trace=options.trace, seed=options.seed)
        band = simulated(options.agents, found["answered"], LINES, found["hours_ahead"])
        result = found | {"simulated": band}
        say(f"{found['answered']} answers in {found['seconds']:.0f} s: abandoned {found['share']:.2%} by our account, "
            f"{found['far_end_share']:.2%} by the far end (goal ≤ {LIMIT:.0%}); answer to bridge with an agent free p99 "
            f"{found['bridge_ms_agent_free']['p99']} ms (goal ≤ {BRIDGE_MS}); outside a rule {len(found['outside_rules'])}; "
            f"utilisation {found['utilisation']:.1%}, simulated {band['low']:.1%}–{band['high']:.1%}")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(result, indent=1, default=str))
    return 0


if __name__ == "__main__":
    sys.exit(main())
