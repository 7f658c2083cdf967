"""One shift of a pool of agents on a virtual clock, under any pacing policy (pure: seeded, no wall clock, no I/O).

The k-th dial of a seed has the same fate (how likely it is answered, how long it rings, talks, wraps) under every policy,
so that policies are compared on the same people. A policy sees `Observation`s and nothing else, except the all-knowing
bound, which asks `Shift` for what no dialer can know.
"""

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from dialer.observation import Observation
from dialer.simulation.policies import named
from dialer.simulation.world import World

ANSWERED, ENDED, ABANDON, TALKED, WRAPPED, BREAK, BACK, OUT, IN, DETECTED = range(10)
FREE, TALKING, WRAPPING, AWAY, GONE = range(5)


class Policy(Protocol):
    def calls(self, o: Observation) -> int: ...


@dataclass(slots=True, eq=False)
class Agent:
    number: int
    state: int = FREE
    since: float = 0.0
    call: "Call | None" = None
    wants: list[tuple[int, float]] = field(
        default_factory=list
    )  # what is to begin when the talk is over: kind, how long
    epoch: int = 0  # events of an earlier epoch no longer count


@dataclass(slots=True, eq=False)
class Call:
    number: int
    placed: float
    fate: "Fate"
    answered: float = 0.0
    ringing: bool = True
    agent: Agent | None = None


@dataclass(frozen=True, slots=True)
class Fate:
    """Of the k-th dial. `u`: answered when under the answer rate of the moment of dialing."""

    u: float
    answer_after: float
    other: str
    other_after: float
    talk: float
    wrap: float
    machine: bool
    misjudged: float


@dataclass
class Hour:
    live: int = 0
    abandoned: int = 0
    worked: float = 0.0  # seconds of talk and wrap-up
    paid: float = 0.0  # seconds logged in, breaks left out


class Shift:
    def __init__(self, world: World, policy: Policy, seed: int) -> None:
        self.w, self.policy, self.seed = world, policy, seed
        self.t, self.horizon = 0.0, world.hours * 3600.0
        self._fates = random.Random(f"{seed}:dials")
        self._drawn: deque[Fate] = deque()
        self._life = random.Random(f"{seed}:agents")
        self._phase = random.Random(f"{seed}:phase").random()
        self.agents = [Agent(n) for n in range(world.agents)]
        self.free: dict[Agent, float] = {}
        self.ringing: dict[int, Call] = {}
        self.waiting: dict[int, Call] = {}
        self.busy: dict[int, Agent] = {}
        self.heap: list[tuple[float, int, int, Any, int]] = []
        self.order = itertools.count()
        self.dials = self.live = self.abandoned = self.machines = self.people_hung_up = self.held = 0
        self.attempts: list[tuple[str, float]] = []
        self.talks: list[float] = []
        self.wraps: list[float] = []
        self.worked = self.paid = 0.0
        self.hours = [Hour() for _ in range(math.ceil(world.hours) or 1)]
        self.on_break = 0
        self.logged_in = 0
        self.marked = 0.0

    # --- the world -------------------------------------------------------------------------------------------------

    def answer_rate(self, t: float) -> float:
        return self.w.rate_at(t, self._phase)

    def fate(self, ahead: int = 0) -> Fate:
        """Of the next dial, or of one further ahead (for the all-knowing bound)."""
        while len(self._drawn) <= ahead:
            self._drawn.append(self._draw())
        return self._drawn[ahead]

    def _draw(self) -> Fate:
        r, w = self._fates, self.w
        delay = r.uniform(*w.post_dial)
        ring = w.ring_time(r)
        while delay + ring > w.ring_timeout:
            ring = w.ring_time(r)
        u, other, other_u = r.random(), "no_answer", r.random()
        other_after = w.ring_timeout
        kind = r.random()
        if kind < w.invalid:
            other, other_after = "invalid", delay
        elif kind < w.invalid + w.busy:
            other, other_after = "busy", delay + other_u
        elif kind < w.invalid + w.busy + w.rejected:
            other, other_after = "busy", delay + other_u * (w.ring_timeout - delay)
        talk = r.lognormvariate(math.log(w.talk_mean) - w.talk_sigma**2 / 2, w.talk_sigma)
        if r.random() < w.short_share:
            talk = r.lognormvariate(math.log(w.short_mean) - 0.125, 0.5)
        wrap = r.lognormvariate(math.log(w.wrap_mean) - w.wrap_sigma**2 / 2, w.wrap_sigma)
        return Fate(u, delay + ring, other, other_after, talk, wrap, r.random() < w.machine_share, r.random())

    def free_times(self) -> list[float]:
        """When each agent who is free or busy will take a next call (for the all-knowing bound)."""
        times = [self.t] * len(self.free)
        for agent in self.busy.values():
            if agent.wants or agent.call is None:
                continue
            fate = agent.call.fate
            talk = self.w.machine_talk if fate.machine else fate.talk
            left = talk + fate.wrap if agent.state == TALKING else fate.wrap
            times.append(agent.since + left)
        return times

    # --- running ---------------------------------------------------------------------------------------------------

    def at(self, t: float, kind: int, what: Any, epoch: int = 0) -> None:
        heapq.heappush(self.heap, (t, next(self.order), kind, what, epoch))

    def run(self) -> dict[str, Any]:
        if hasattr(self.policy, "watch"):
            self.policy.watch(self)
        for agent in self.agents:
            self._log_in(agent)
        for out in self.w.blackouts:
            some = self._life.sample(self.agents, max(len(self.agents) - out.agents_left, 0))
            for agent in some:
                self.at(out.at + self._life.uniform(0, out.within), OUT, (agent, "power"))
                self.at(out.until + self._life.uniform(0, out.within), IN, agent)
        do: dict[int, Callable[[Any], None]] = {
            ANSWERED: self._answered, ENDED: self._ended, ABANDON: self._abandon, TALKED: self._talked,
            WRAPPED: self._wrapped, BREAK: self._break, BACK: self._back, OUT: self._out, IN: self._in,
            DETECTED: self._detected,
        }  # fmt: skip
        heap, step, tick = self.heap, self.w.decide_every, 0.0
        of_agents = (TALKED, WRAPPED, BREAK, BACK)
        while tick < self.horizon:
            while heap and heap[0][0] <= tick:
                self.t, _, kind, what, epoch = heapq.heappop(heap)
                if kind in of_agents:
                    agent = what[0] if isinstance(what, tuple) else what
                    if agent.epoch != epoch:
                        continue
                do[kind](what)
            self.t = tick
            self._tick()
            tick += step
        self.t = self.horizon
        self.abandoned += len(self.waiting)  # they were answered and will have nobody
        self.hours[-1].abandoned += len(self.waiting)
        for agent in self.agents:
            self._account(agent)
        return self.result()

    def _tick(self) -> None:
        t = self.t
        wanted = min(self.policy.calls(self._observe()), self._lines())
        self.attempts, self.talks, self.wraps = [], [], []
        fault = self.w.fault_at(t)
        for _ in range(wanted):
            fate = self.fate()
            self._drawn.popleft()
            self.dials += 1
            call = Call(self.dials, t, fate)
            self.ringing[call.number] = call
            if fault == "refuse":
                self.at(t + 0.3, ENDED, (call, ""))
            elif fault == "refuse_invalid":
                self.at(t + 0.3, ENDED, (call, "invalid"))
            elif fault == "silent":
                self.at(t + self.w.ring_timeout, ENDED, (call, "no_answer"))
            elif fate.u < self.answer_rate(t):
                self.at(t + fate.answer_after, ANSWERED, call)
            else:
                self.at(t + fate.other_after, ENDED, (call, fate.other))

    def _lines(self) -> int:
        if self.w.fault_at(self.t) == "no_lines":
            return 0
        return max(self.w.lines - len(self.ringing) - len(self.waiting) - self.talking_count(), 0)

    def talking_count(self) -> int:
        return sum(a.state == TALKING for a in self.busy.values())

    def _observe(self) -> Observation:
        t = self.t
        talking: list[float] = []
        wrapping: list[float] = []
        for agent in self.busy.values():
            (talking if agent.state == TALKING else wrapping).append(t - agent.since)
        return Observation(
            t=t,
            horizon=self.horizon,
            free=tuple([t - since for since in self.free.values()]),
            talking=tuple(talking),
            wrapping=tuple(wrapping),
            ringing=tuple([t - c.placed for c in self.ringing.values()]),
            waiting=tuple([t - c.answered for c in self.waiting.values()]),
            on_break=self.on_break,
            logged_in=self.logged_in,
            trunks_free=self._lines(),
            attempts=tuple(self.attempts),
            talks=tuple(self.talks),
            wraps=tuple(self.wraps),
            live=self.live,
            abandoned=self.abandoned,
            answer_limit=self.w.answer_limit,
            ring_timeout=self.w.ring_timeout,
        )

    # --- calls -----------------------------------------------------------------------------------------------------

    def _ended(self, what: tuple[Call, str]) -> None:
        call, outcome = what
        del self.ringing[call.number]
        if outcome:
            self.attempts.append((outcome, self.t - call.placed))

    def _answered(self, call: Call) -> None:
        w = self.w
        del self.ringing[call.number]
        call.answered = self.t
        machine = call.fate.machine
        if machine:
            self.machines += 1
        if w.detection == "before":
            self.waiting[call.number] = call
            self.at(self.t + w.detection_seconds, DETECTED, call)
            return
        self.attempts.append(("answer", self.t - call.placed))
        if not machine:
            self._count_live()
        self._to_agent(call)

    def _detected(self, call: Call) -> None:
        fate, w = call.fate, self.w
        wrong = fate.misjudged < (w.machine_missed if fate.machine else w.human_misjudged)
        del self.waiting[call.number]
        if fate.machine != wrong:  # the verdict is "machine": hung up
            self.attempts.append(("machine", call.answered - call.placed))
            if not fate.machine:
                self.people_hung_up += 1
                self._count_live()
                self._count_abandoned()
            return
        self.attempts.append(("answer", call.answered - call.placed))
        if not fate.machine:
            self._count_live()
        self._to_agent(call)

    def _count_live(self) -> None:
        self.live += 1
        self.hours[min(int(self.t // 3600), len(self.hours) - 1)].live += 1

    def _count_abandoned(self) -> None:
        self.abandoned += 1
        self.hours[min(int(self.t // 3600), len(self.hours) - 1)].abandoned += 1

    def _to_agent(self, call: Call) -> None:
        if self.free:
            self._talk(next(iter(self.free)), call)
        else:
            self.waiting[call.number] = call
            self.at(call.answered + self.w.answer_limit, ABANDON, call)

    def _abandon(self, call: Call) -> None:
        if self.waiting.pop(call.number, None) is not None and not call.fate.machine:
            self._count_abandoned()

    # --- agents ----------------------------------------------------------------------------------------------------

    def _account(self, agent: Agent) -> None:
        """Adds the time since the last change of state."""
        spent = self.t - agent.since
        if agent.state in (FREE, TALKING, WRAPPING):
            self.paid += spent
            self._by_hour(agent.since, "paid")
        if agent.state in (TALKING, WRAPPING):
            self.worked += spent
            self._by_hour(agent.since, "worked")
        agent.since = self.t

    def _by_hour(self, since: float, what: str) -> None:
        """Spreads the time from `since` to now over the hours of the shift."""
        while since < self.t:
            n = min(int(since // 3600), len(self.hours) - 1)
            end = self.t if n == len(self.hours) - 1 else min((n + 1) * 3600.0, self.t)
            setattr(self.hours[n], what, getattr(self.hours[n], what) + end - since)
            since = end

    def _set(self, agent: Agent, state: int) -> None:
        self._account(agent)
        agent.state = state

    def _talk(self, agent: Agent, call: Call) -> None:
        del self.free[agent]
        self._set(agent, TALKING)
        self.busy[agent.number] = agent
        agent.call = call
        length = self.w.machine_talk if call.fate.machine else call.fate.talk
        self.at(self.t + length, TALKED, agent, agent.epoch)

    def _talked(self, agent: Agent) -> None:
        self.talks.append(self.t - agent.since)
        self._set(agent, WRAPPING)
        if agent.call is not None:
            self.at(self.t + agent.call.fate.wrap, WRAPPED, agent, agent.epoch)

    def _wrapped(self, agent: Agent) -> None:
        self.wraps.append(self.t - agent.since)
        del self.busy[agent.number]
        self._set(agent, FREE)
        agent.call = None
        if agent.wants:
            self._leave(agent, *agent.wants.pop())
        else:
            self._become_free(agent)

    def _become_free(self, agent: Agent) -> None:
        self.free[agent] = self.t
        if self.waiting and self.w.detection != "before":
            call = self.waiting.pop(next(iter(self.waiting)))
            self._talk(agent, call)
        elif self.waiting:
            judged = [c for c in self.waiting.values() if c.answered + self.w.detection_seconds < self.t]
            if judged:
                self._talk(agent, self.waiting.pop(judged[0].number))

    def _log_in(self, agent: Agent) -> None:
        self._account(agent)
        agent.state = FREE
        self.logged_in += 1
        for kind, every, lasts in (
            (AWAY, self.w.break_every, self.w.break_length),
            (GONE, self.w.out_every, self.w.out_length),
        ):
            if every:
                self.at(self.t + self._life.expovariate(1 / every), BREAK, (agent, kind, every, lasts), agent.epoch)
        self._become_free(agent)

    def _break(self, what: tuple[Agent, int, float, float]) -> None:
        agent, kind, every, lasts = what
        length = lasts * self._life.uniform(0.5, 1.5)
        self.at(self.t + length + self._life.expovariate(1 / every), BREAK, what, agent.epoch)
        if agent.state == FREE:
            del self.free[agent]
            self._leave(agent, kind, length)
        elif agent.state in (TALKING, WRAPPING):
            agent.wants = [(kind, length)]

    def _leave(self, agent: Agent, kind: int, length: float) -> None:
        self._set(agent, kind)
        if kind == AWAY:
            self.on_break += 1
        else:
            self.logged_in -= 1
        self.at(self.t + length, BACK, agent, agent.epoch)

    def _back(self, agent: Agent) -> None:
        if agent.state == AWAY:
            self.on_break -= 1
        elif agent.state == GONE:
            self.logged_in += 1
        else:
            return
        self._set(agent, FREE)
        self._become_free(agent)

    def _out(self, what: tuple[Agent, str]) -> None:
        """At once, out of whatever he does."""
        agent, _ = what
        self.free.pop(agent, None)
        self.busy.pop(agent.number, None)
        if agent.state == AWAY:
            self.on_break -= 1
        if agent.state != GONE:
            self.logged_in -= 1
        self._set(agent, GONE)
        agent.epoch += 1
        agent.wants, agent.call = [], None

    def _in(self, agent: Agent) -> None:
        self._log_in(agent)

    # --- the end ---------------------------------------------------------------------------------------------------

    def result(self) -> dict[str, Any]:
        counted = [h for h in self.hours if h.live]
        return {
            "world": self.w.name,
            "agents": self.w.agents,
            "seed": self.seed,
            "hours": self.w.hours,
            "utilisation": self.worked / self.paid if self.paid else 0.0,
            "abandon_rate": self.abandoned / self.live if self.live else 0.0,
            "live": self.live,
            "abandoned": self.abandoned,
            "dials": self.dials,
            "machines": self.machines,
            "people_taken_for_machines": self.people_hung_up,
            "answers_per_agent_hour": self.live / (self.paid / 3600) if self.paid else 0.0,
            "worst_hour": max((h.abandoned / h.live for h in counted), default=0.0),
            "by_hour": [
                {
                    "live": h.live,
                    "abandoned": h.abandoned,
                    "utilisation": round(h.worked / h.paid, 4) if h.paid else 0.0,
                }
                for h in self.hours
            ],
        }


def run_simulation(world: World, policy: str, seed: int) -> dict[str, Any]:
    """One shift under the policy of that name (`policies.py`). Raises KeyError for an unknown one."""
    return {"policy": policy, **Shift(world, named(policy), seed).run()}
