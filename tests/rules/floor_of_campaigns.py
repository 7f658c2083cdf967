"""A small floor in virtual time that drives a real `Pool`: several campaigns, agents with skills, answers by chance.

The shift simulator (`dialer/simulation`) paces one campaign; here it is told who serves whom, and calls go to agents as
`agents.longest_waiting` gives them.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.campaign_rules import Running
from backoffice_core.call_centre.dialing.pacing_view import Call, Count, Ended, Floor, Seat
from dialer.pool import Heard, Pool
from dialer.terms import Terms

ZERO = datetime(2026, 11, 25, 10, tzinfo=UTC)
STEP_S = 0.5
WAITS_S = 2.0  # so long an answered borrower waits for an agent


def at(t: float) -> datetime:
    return ZERO + timedelta(seconds=t)


@dataclass
class Agent:
    id: UUID
    skills: frozenset[str]
    state: str = "READY"
    since: float = 0.0
    until: float = 0.0
    held: bool = False


@dataclass
class Dialed:
    id: UUID
    campaign: str
    placed: float
    answers: float | None  # when somebody answers
    ends: float  # of ringing in vain
    agent: Agent | None = None
    answered: bool = False


@dataclass
class Told:
    """What an hour came to. `talks`, `live`, `lost`: by campaign."""

    busy_s: float = 0.0
    agents_s: float = 0.0
    talks: Counter[str] = field(default_factory=Counter)
    live: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)

    @property
    def use(self) -> float:
        return self.busy_s / self.agents_s

    @property
    def abandoned(self) -> float:
        return sum(self.lost.values()) / max(sum(self.live.values()), 1)


class FloorOfCampaigns:
    """`answer`: chance that a call is answered. `lists`: how many calls each campaign has; without a word any number."""

    def __init__(
        self, rows: Sequence[Campaign], skills: Sequence[Mapping[str, int]], *, seed: int = 1, answer: float = 0.3,
        talk: float = 60.0, wrap: float = 15.0, lists: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        self.rows, self.dice, self.answer, self.talk, self.wrap = list(rows), random.Random(seed), answer, talk, wrap
        self.agents = [Agent(uuid4(), frozenset(can)) for can in skills]
        self.terms = Terms(
            campaigns=rows,
            running={one.name: Running(mode=one.mode, target_pct=one.target_abandon_pct) for one in rows},
            skills={agent.id: dict(can) for agent, can in zip(self.agents, skills, strict=True)},
        )
        self.left = {one.name: (lists or {}).get(one.name, 10**6) for one in rows}
        self.pool = Pool(rows)
        self.calls: dict[UUID, Dialed] = {}
        self.over: dict[UUID, Ended] = {}
        self.told, self.warm = Told(), Told()

    def run(self, seconds: float, *, warm_up: float = 0.0) -> Told:
        """What came of the time after `warm_up`."""
        for n in range(int((seconds + warm_up) / STEP_S)):
            t = n * STEP_S
            if n == int(warm_up / STEP_S):
                self.warm, self.told = self.told, Told()
            self._go_on(t)
            self._dial(t, seconds + warm_up)
        return self.told

    # --- the world ---------------------------------------------------------------------------------------------------

    def _go_on(self, t: float) -> None:
        for agent in self.agents:
            if agent.state in {"TALKING", "WRAP_UP"} and agent.until <= t:
                ended, agent.since = agent.state, agent.until
                agent.state = "WRAP_UP" if ended == "TALKING" else "READY"
                agent.until += self.dice.expovariate(1 / self.wrap)
            self.told.busy_s += STEP_S * (agent.state in {"TALKING", "WRAP_UP"})
            self.told.agents_s += STEP_S
        for call in sorted(self.calls.values(), key=lambda one: one.answers or 0.0):
            if call.answers is None:
                if call.ends <= t:
                    self._end(call, t, "NO_ANSWER")
            elif call.answers <= t:
                self._answered(call, t)

    def _answered(self, call: Dialed, t: float) -> None:
        if not call.answered:
            call.answered = True
            self.told.live[call.campaign] += 1
        agent = call.agent or self._free(call.campaign)
        if agent is not None:
            agent.state, agent.since, agent.held = "TALKING", t, False
            agent.until = t + self.dice.lognormvariate(3.9, 0.6) * self.talk / 60
            self.told.talks[call.campaign] += 1
            self._end(call, t, "ANSWERED_HUMAN")
        elif call.answers is not None and t - call.answers > WAITS_S:
            self.told.lost[call.campaign] += 1
            self._end(call, t, "ABANDONED")

    def _free(self, campaign: str) -> Agent | None:
        row = next(one for one in self.rows if one.name == campaign)
        able = [a for a in self.agents if a.state == "READY" and not a.held and self.terms.can_serve(a.id, row)]
        return min(able, key=lambda a: (self._wanted_elsewhere(a, row), a.since), default=None)

    def _wanted_elsewhere(self, agent: Agent, row: Campaign) -> bool:
        """Callers of a campaign that fewer agents serve are on their way, and he is one of these."""
        flying = {call.campaign for call in self.calls.values() if call.agent is None} - {row.name}
        return any(one.name in flying and one.skill and one.skill in agent.skills for one in self.rows)

    def _end(self, call: Dialed, t: float, result: str) -> None:
        if call.agent is not None and call.agent.held:
            call.agent.state, call.agent.since, call.agent.held = "READY", t, False
        del self.calls[call.id]
        answered = at(call.answers) if call.answered and call.answers is not None else None
        self.over[call.id] = Ended(answered, at(t), result)

    # --- the dialer ----------------------------------------------------------------------------------------------------

    def _floor(self) -> Floor:
        calls = [
            Call(
                one.id, one.campaign, inbound=False, claimed_at=at(one.placed),
                answered_at=at(one.answers) if one.answered and one.answers is not None else None,
                with_agent=one.agent is not None, abandoned=False,
            )
            for one in self.calls.values()
        ]  # fmt: skip
        seats = [
            Seat(a.id, "RESERVED" if a.held else a.state, a.state == "READY" and not a.held, at(a.since), leaves=False,
                 held=a.held)
            for a in self.agents
        ]  # fmt: skip
        return Floor(calls, seats)

    def _dial(self, t: float, horizon: float) -> None:
        floor = self._floor()
        live, lost = (self.warm.live + self.told.live, self.warm.lost + self.told.lost)
        self.terms.counts = {
            "day": {(one.name, "x"): Count(live[one.name], live[one.name], lost[one.name]) for one in self.rows}
        }
        gone = {one: self.over[one] for one in self.pool.gone(floor) if one in self.over}
        seen = self.pool.observe(
            floor, gone, Heard(), self.rows, self.terms, t=t, wall=at(t), horizon=max(horizon, t + 3600.0), lines=500,
            ring_timeout=25.0,
        )  # fmt: skip
        self.over.clear()
        empty = [name for name, left in self.left.items() if left <= 0]
        plan = self.pool.plan(seen, floor, self.rows, self.terms, empty)
        for name, calls in plan.given.items():
            for _ in range(min(calls, self.left[name])):
                if not self._place(name, t, held=name in plan.in_hand):
                    break

    def _place(self, name: str, t: float, *, held: bool) -> bool:
        agent = self._free(name) if held else None
        if held and agent is None:
            return False
        answers = t + 2 + self.dice.lognormvariate(1.9, 0.5) if self.dice.random() < self.answer else None
        call = Dialed(uuid4(), name, t, answers, t + 25, agent)
        if agent is not None:
            agent.held, agent.state, agent.since = True, "READY", t
        self.calls[call.id] = call
        if agent is None:
            self.pool.placed(call.id, at(t), name)
        self.left[name] -= 1
        return True
