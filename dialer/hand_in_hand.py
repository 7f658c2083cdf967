"""Calls that begin with their agent in hand, in a pool where others are dialed without (pure).

A progressive campaign promises each call a free agent. Beside one that dials ahead there is none free for long, and a
campaign that only some agents serve may lose them to another's callers. So these take a free agent first and dial then; the
others count on the agents that are left to them.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A campaign with somebody to call. `priority`: lower numbers first; `weight`: its part among equals, over 0; `had`:
    calls of late that count towards it; `agents`: those at work who can serve it."""

    name: str
    priority: int
    weight: float
    had: float
    agents: frozenset[UUID]

    def behind(self, given: int = 0) -> float:
        return (self.had + given + 1) / self.weight


def take(
    asking: Sequence[Asking], rivals: Sequence[Asking], free: Collection[UUID], most: int
) -> dict[str, list[UUID]]:
    """A free agent of its own for each call, at most `most`: by priority, among equals to the one furthest behind its weight.
    `rivals` are dialed without: to a more urgent one all agents are left, to an equal one until it is not behind."""
    given: dict[str, list[UUID]] = {one.name: [] for one in asking}
    left = set(free)
    for priority in sorted({one.priority for one in asking}):
        if any(rival.priority < priority for rival in rivals):
            break
        turn = min((rival.behind() for rival in rivals if rival.priority == priority), default=math.inf)
        peers = [one for one in asking if one.priority == priority]
        while len(free) - len(left) < most:
            able = [one for one in peers if left & one.agents]
            if not able:
                break
            chosen = min(able, key=lambda one: (one.behind(len(given[one.name])), one.name))
            if chosen.behind(len(given[chosen.name])) > turn:
                break
            agent = min(left & chosen.agents, key=lambda user: (sum(user in one.agents for one in asking), user))
            left.discard(agent)
            given[chosen.name].append(agent)
    return given


def left_to(rivals: Sequence[Asking], asking: Sequence[Asking]) -> frozenset[UUID]:
    """Agents on whom the rivals may count, now and when their talks are over: none of those whom a more urgent campaign
    takes as they become free, of an equal one's only their own part."""
    found: set[UUID] = set().union(*(one.agents for one in rivals))
    for one in asking:
        equals = [rival.weight for rival in rivals if rival.priority == one.priority]
        if not any(rival.priority < one.priority for rival in rivals):
            part = one.weight / (one.weight + sum(equals))
            theirs = sorted(one.agents & found)
            found -= set(theirs[: int(part * len(theirs))])
    return frozenset(found)
