"""What one pool looks like at one moment, call by call and seat by seat, and what a part of it looks like (pure)."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from backoffice_core.call_centre.dialing.pacing_view import Seat
from dialer.observation import Observation


@dataclass(frozen=True, kw_only=True)
class Sight:
    """Times as in `Observation`. `seats`: of agents who serve a campaign of the pool. Calls and attempts with their campaign,
    "" = he called us; talks and wraps with their agent. `callers`: free agents wanted by those who will call us soon."""

    t: float
    horizon: float
    wall: datetime
    lines: int
    answer_limit: float
    ring_timeout: float
    seats: Sequence[Seat]
    ringing: Sequence[tuple[str, float]]
    waiting: Sequence[tuple[str, float]]
    attempts: Sequence[tuple[str, str, float]]
    talks: Sequence[tuple[UUID, float]]
    wraps: Sequence[tuple[UUID, float]]
    callers: int

    def of(
        self, *, live: int, abandoned: int, agents: Collection[UUID] | None = None, campaigns: Collection[str] | None = None,
        counted_on: Collection[UUID] | None = None, part: float = 1.0,
    ) -> Observation:  # fmt: skip
        """As a pacer sees it. `agents`, `campaigns`: only these (who calls us is everybody's). Of the agents, free or busy, only
        `counted_on` will take its calls, and only a share `part` (0 … 1) of them."""
        seats = [one for one in self.seats if agents is None or one.user_id in agents]
        able = [one for one in seats if counted_on is None or one.user_id in counted_on]
        others = sum(one.free for one in self.seats) - sum(one.free for one in able)
        free = sorted((self._since(one) for one in able if one.free), reverse=True)[max(self.callers - others, 0) :]

        def ours(campaign: str) -> bool:
            return campaigns is None or not campaign or campaign in campaigns

        def here(user: UUID) -> bool:
            return agents is None or user in agents

        return Observation(
            t=self.t, horizon=self.horizon, free=_part(free, part),
            talking=_part(self._busy(able, ("TALKING", "RESERVED")), part),
            wrapping=_part(self._busy(able, ("WRAP_UP",)), part),
            ringing=tuple(age for campaign, age in self.ringing if ours(campaign)),
            waiting=tuple(age for campaign, age in self.waiting if ours(campaign)),
            on_break=sum(one.state in {"PAUSED", "UNREACHABLE"} for one in seats), logged_in=len(seats),
            trunks_free=self.lines,
            attempts=tuple((said, seconds) for campaign, said, seconds in self.attempts if ours(campaign)),
            talks=tuple(seconds for user, seconds in self.talks if here(user)),
            wraps=tuple(seconds for user, seconds in self.wraps if here(user)),
            live=live, abandoned=abandoned, answer_limit=self.answer_limit, ring_timeout=self.ring_timeout,
        )  # fmt: skip

    def _since(self, seat: Seat) -> float:
        return max((self.wall - seat.since).total_seconds(), 0.0)

    def _busy(self, seats: Sequence[Seat], states: Collection[str]) -> list[float]:
        return [self._since(one) for one in seats if one.state in states and not one.leaves and not one.held]


def _part(ages: Sequence[float], part: float) -> tuple[float, ...]:
    return tuple(ages if part >= 1 else ages[: math.ceil(part * len(ages))])
