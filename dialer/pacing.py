"""How many calls to place now, and why (pure: no clock, no randomness, no I/O).

Progressive for now: one line per free agent, so that an answer always finds somebody. The predictive pacer takes this
place; its decisions carry their terms in the same way.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What the dialer sees of one pool. `in_flight`: placed calls that are not ended and have no agent yet."""

    free: int
    in_flight: int
    lines_free: int


@dataclass(frozen=True)
class Decision:
    """`calls`: 0 … lines_free. `terms` lead to it; `bound` names what holds it back (agents, lines)."""

    calls: int
    bound: str
    terms: dict[str, int] = field(default_factory=dict)


def progressive(o: Observation) -> Decision:
    wanted = max(o.free - o.in_flight, 0)
    calls = max(min(wanted, o.lines_free), 0)
    return Decision(
        calls,
        "lines" if calls < wanted else "agents",
        {"free": o.free, "in_flight": o.in_flight, "lines_free": o.lines_free},
    )
