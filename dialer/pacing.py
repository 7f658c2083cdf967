"""How many calls to place now, and why (pure: no clock, no randomness, no I/O).

`Pacer` is the predictive pacer of one pool of agents, `progressive` the rule of one line per free agent, `share` gives the
calls of a pool to its campaigns. What it has learned is in
`pacing_model.py` and `pacing_tables.py`, the risk of a call in `pacing_risk.py`, the budget in `pacing_account.py`.

In one paragraph: every call that could be placed now is asked how likely its answer would find no agent, from the ages of
the calls that ring, the elapsed talks and wrap-ups, and what was learned of their lengths. Calls are placed while that
chance stays under a threshold; the threshold is steered so that the shift spends its budget of abandoned calls and no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dialer.observation import Observation
from dialer.pacing_account import Account, Steer
from dialer.pacing_model import Model
from dialer.pacing_risk import Net
from dialer.pacing_tables import Beliefs

__all__ = ["Campaign", "Decision", "Observation", "Pacer", "PacingSettings", "progressive", "share"]
# numbers of calls are looked at in these steps
GRID = (*[1] * 12, *[2] * 6, *[3] * 4, *[4] * 4, *[6] * 4, *[8] * 4, *[12] * 4, *[16] * 4, *[24] * 400)


@dataclass(frozen=True)
class Decision:
    """`calls`: 0 … trunks_free. `terms` lead to it. `bound` names what holds it back:
    agents, lines, account (the budget of abandoned calls is spent), shift (it is over, or ends before an answer could come).
    """

    calls: int
    bound: str
    terms: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        t = self.terms
        if "budget" not in t:
            return f"{self.calls} placed: {t['free']:.0f} free; {t['in_flight']:.0f} in flight"
        return (
            f"{self.calls} placed: {t['free']:.0f} free + {t['expected_free']:.1f} expected to be free; "
            f"{t['expected_answers']:.1f} expected answers in flight; budget {t['budget']:.1f}"
        )


@dataclass(frozen=True, kw_only=True)
class PacingSettings:
    """`target_abandon`: abandoned / answered by a person over the account's window, 0 … 1; 0 makes the pacer progressive.
    The rest are starting beliefs, soon outweighed by what is seen: answer rate 0 … 1, means in seconds.
    `worst_hour`: no hour of the run should abandon more than this share; None: no such promise.
    """

    target_abandon: float = 0.03
    worst_hour: float | None = 0.05
    answer_rate: float = 0.3
    answer_after: float = 10.0
    talk_mean: float = 120.0
    wrap_mean: float = 25.0


def progressive(*, free: int, in_flight: int, lines_free: int) -> Decision:
    """One line per free agent. `in_flight`: placed calls that are not ended and have no agent yet."""
    wanted = max(free - in_flight, 0)
    calls = max(min(wanted, lines_free), 0)
    terms = {"free": free, "in_flight": in_flight, "lines_free": lines_free}
    return Decision(calls, "lines" if calls < wanted else "agents", terms)


class Pacer:
    """One per pool. Equal settings, memory and observations decide alike."""

    def __init__(self, settings: PacingSettings, memory: dict[str, Any] | None = None) -> None:
        """`memory`: what `memory()` gave, also of another process and another zero of t. Raises ValueError on a target
        outside 0 … 1."""
        if not 0 <= settings.target_abandon <= 1:
            raise ValueError("target_abandon is a share, 0 … 1")
        self.settings = settings
        memory = memory or {}
        start = Beliefs(
            answer_rate=settings.answer_rate, answer_after=settings.answer_after, talk_mean=settings.talk_mean,
            wrap_mean=settings.wrap_mean,
        )  # fmt: skip
        self.model = Model(memory.get("model"), start)
        self.account = Account(memory.get("account"), settings.target_abandon, settings.worst_hour)
        self.last_steer: Steer | None = None

    def aim(self, target: float) -> None:
        """Another limit of abandoned calls, 0 … 1, from now on: the campaign's was changed, or a stricter rule came into
        force."""
        if not 0 <= target <= 1:
            raise ValueError("target_abandon is a share, 0 … 1")
        self.settings = replace(self.settings, target_abandon=target)
        self.account.target = target

    def watch(self, o: Observation) -> None:
        """Learns without deciding, while another rule paces the pool."""
        self._hear(o)

    def _hear(self, o: Observation) -> None:
        self.model.learn(o)
        machines = sum(outcome == "machine" for outcome, _ in o.attempts)
        self.account.count(o.t, o.horizon - o.t, o.live, o.abandoned, machines)

    def memory(self) -> dict[str, Any]:
        """JSON; to be stored every minute and given to the next leader."""
        return {"model": self.model.memory(), "account": self.account.memory()}

    def decide(self, o: Observation) -> Decision:
        self._hear(o)
        free, waiting, ringing, lines = len(o.free), len(o.waiting), len(o.ringing), max(o.trunks_free, 0)
        sure = max(free - waiting - ringing, 0)
        if self.settings.target_abandon == 0:
            return progressive(free=free, in_flight=waiting + ringing, lines_free=lines)
        net = self.model.look_ahead(o)
        steer = self.last_steer = self.account.steer(net.answers)
        n, risk, bound = _search(net, steer.threshold, lines)
        if n < sure and net.in_time > 0:  # what a progressive dialer may do, this one may
            n = min(sure, lines)
            bound = "lines" if n < sure else "agents"
        if bound == "agents" and steer.spent:
            bound = "account"
        self.account.placed(net.rate, n, risk)
        return Decision(
            n,
            bound,
            {
                "free": free,
                "waiting": waiting,
                "expected_free": net.releases,
                "expected_answers": net.answers,
                "answer_rate": net.rate,
                "threshold": steer.threshold,
                "allowed": steer.allowed,
                "budget": steer.budget,
                "lines_free": lines,
            },
        )


def _search(net: Net, threshold: float, lines: int) -> tuple[int, float, str]:
    """The first number of calls whose next one would be too risky, the summed risk of those before it, and the bound.

    Walks a fixed grid upward and stops at the first refusal, so that a lower risk everywhere never places fewer calls.
    """
    n, risk = 0, 0.0
    if net.in_time <= 0:
        return 0, 0.0, "shift"
    for step in GRID:
        if n >= lines:
            return lines, risk, "lines"
        c = net.risk(n + step, threshold)
        if c >= threshold:
            break
        n += step
        risk += step * c
    return min(n, lines), risk, "lines" if n > lines else "agents"


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """One that shares the pool. `priority`: lower numbers first. `wanted`: calls it could place now (list, caller ids, mode).
    `weight`: its part among equals, `had`: calls of late that count towards it. `room`: abandoned calls its own account may
    still bear; at or under 0 it gets only calls that are sure of an agent."""

    name: str
    wanted: int
    priority: int = 0
    weight: float = 1.0
    room: float = 1.0
    had: float = 0.0


def share(calls: int, campaigns: Sequence[Campaign], *, sure: int = 0) -> dict[str, int]:
    """Gives `calls` to campaigns: first by priority, then one by one to the one furthest behind its weight (ties by name).

    `sure`: how many of the calls find a free agent for certain; a campaign without room takes only of these.
    Never more than `wanted`; calls that nobody may take stay out.
    """
    given = {c.name: 0 for c in campaigns}
    left, sure = max(calls, 0), max(min(sure, calls), 0)
    for priority in sorted({c.priority for c in campaigns}):
        peers = [c for c in campaigns if c.priority == priority and c.weight > 0]
        while left > 0:
            able = [c for c in peers if given[c.name] < c.wanted and (c.room > 0 or sure > 0)]
            if not able:
                break
            chosen = min(able, key=lambda c: ((c.had + given[c.name] + 1) / c.weight, c.name))
            given[chosen.name] += 1
            left -= 1
            if chosen.room <= 0:
                sure -= 1
    return given
