"""Decisions about trunks, pure: what a failed leg means, when another trunk is tried, when a trunk is taken out.

A leg is one try of one call on one trunk. Codes are SIP's; where there is none, Q.850 causes of Asterisk.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import Enum

MAX_LEGS = 3  # the first trunk and at most two further
FAIL_OVER_WITHIN = timedelta(seconds=6)  # from the claim to the last further leg
PROBE_LOST_AFTER = timedelta(seconds=60)  # a probe whose end nobody heard holds the trunk no longer

_NETWORK_CAUSES = frozenset({3, 27, 34, 38, 41, 42, 44, 58})  # no route, out of order, congestion, failure
_SILENT_CAUSE = 18  # nobody answered our INVITE at all (its SIP code is 408)
_REFUSALS = frozenset({403, 404, 410, 484, 603, 604, 607})
_REFUSAL_CAUSES = frozenset({1, 21, 22, 28})


class Leg(Enum):
    """What a leg says of its trunk."""

    GOOD = "good"  # the call reached the borrower's network
    FAULT = "fault"  # the trunk's own: time-out, 5xx, congestion, unreachable
    REFUSAL = "refusal"  # alone it speaks of the number, from everybody it speaks of the trunk
    NOTHING = "nothing"  # we ended it before anything was heard


def leg_says(sip_code: int | None, cause: int | None, *, rang: bool, answered: bool) -> Leg:
    """`rang`, `answered`: the borrower's side was heard of before the end."""
    if answered or rang:
        return Leg.GOOD
    if sip_code is not None:
        if sip_code == 408 or 500 <= sip_code <= 599:
            return Leg.FAULT
        if sip_code in _REFUSALS:
            return Leg.REFUSAL
        return Leg.NOTHING if sip_code == 487 else Leg.GOOD  # 480, 486, 600: his network answered for him
    if cause in _NETWORK_CAUSES or cause == _SILENT_CAUSE:
        return Leg.FAULT
    if cause in _REFUSAL_CAUSES:
        return Leg.REFUSAL
    return Leg.GOOD if cause in {17, 19} else Leg.NOTHING


def fails_over(
    sip_code: int | None, cause: int | None, *, rang: bool, answered: bool, legs: int, since_claim: timedelta
) -> bool:
    """Whether this attempt may try another trunk: only after the trunk's own fault, and within count and time (FL-04).

    404, 410, 480, 484, 486 and 603 are answers of the borrower's side and never lead to a second call; neither does
    anything after his phone rang.
    """
    if legs >= MAX_LEGS or since_claim >= FAIL_OVER_WITHIN:
        return False
    return leg_says(sip_code, cause, rang=rang, answered=answered) is Leg.FAULT


# --- the breaker -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BreakerTerms:
    """Settings of one trunk's breaker (config.Breaker)."""

    at_least: int
    share: float
    pause_s: int


BY_HAND = "BY_HAND"


@dataclass(frozen=True)
class BreakerState:
    """`until`: when an open trunk may be tried again by one call. `opened`: how often in a row it had to be opened."""

    state: str = "CLOSED"  # CLOSED, OPEN, HALF_OPEN
    why: str = ""  # FAULTS, REFUSES_ALL, BY_HAND
    until: datetime | None = None
    opened: int = 0

    @property
    def by_hand(self) -> bool:
        """A person closed the trunk: only a person opens it again."""
        return self.state == "OPEN" and self.why == BY_HAND

    @property
    def suspect(self) -> bool:
        """Its refusals condemn no number now."""
        return self.state != "CLOSED"


REFUSES_ALL_SHARE = 0.9  # of the calls looked at: no list of borrowers is as bad as that


def judge(now: BreakerState, legs: Sequence[Leg], terms: BreakerTerms, wall: datetime) -> BreakerState:
    """The breaker's state after its latest leg; `legs` are the ones looked at, newest first, that ended since the last
    change of state."""
    heard = [leg for leg in legs if leg is not Leg.NOTHING]
    if now.state == "HALF_OPEN" and heard:
        if heard[0] is Leg.GOOD:
            return BreakerState()
        return _opened(now, now.why if heard[0] is Leg.REFUSAL else "FAULTS", terms, wall)
    if now.state != "CLOSED" or len(heard) < terms.at_least:
        return now
    if sum(leg is Leg.FAULT for leg in heard) >= terms.share * len(heard):
        return _opened(now, "FAULTS", terms, wall)
    if len(heard) >= 2 * terms.at_least and heard.count(Leg.GOOD) <= (1 - REFUSES_ALL_SHARE) * len(heard):
        return _opened(now, "REFUSES_ALL", terms, wall)
    return now


def _opened(now: BreakerState, why: str, terms: BreakerTerms, wall: datetime) -> BreakerState:
    pause = terms.pause_s * 2 ** min(now.opened, 4)
    return BreakerState("OPEN", why, wall + timedelta(seconds=pause), now.opened + 1)


# --- which trunk -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One trunk as it stands now. `spent`, `budget`: money of this business day; a budget of None is no limit."""

    name: str
    priority: int
    lines: int
    used: int
    breaker: BreakerState = BreakerState()
    probing: bool = False  # the one call that tries a half-open trunk is under way
    spent: Decimal = Decimal(0)
    budget: Decimal | None = None

    @property
    def out_of_money(self) -> bool:
        return self.budget is not None and self.spent >= self.budget

    def lines_free(self, wall: datetime) -> int:
        """How many calls may begin on it now; a trunk that is being tried again gets one."""
        if self.out_of_money or self.breaker.by_hand:
            return 0
        free = max(self.lines - self.used, 0)
        if self.breaker.state == "CLOSED":
            return free
        due = self.breaker.until is None or wall >= self.breaker.until
        return min(free, 1) if due and not self.probing else 0


def in_order(trunks: Iterable[Standing], wall: datetime) -> list[Standing]:
    """Those that may take a call now: by priority, then the one with the most free lines, then by name."""
    usable = [trunk for trunk in trunks if trunk.lines_free(wall) > 0]
    return sorted(usable, key=lambda t: (t.priority, -t.lines_free(wall), t.name))


class Spacing:
    """Calls per second of one trunk: a bucket that holds one call, so that no second has more than the rate."""

    def __init__(self, per_second: float) -> None:
        self.gap_s = 1 / per_second
        self._next = 0.0

    def wait_s(self, now: float) -> float:
        """Seconds until the next call may begin, 0 = now. `now`: a monotonic clock."""
        return max(self._next - now, 0.0)

    def take(self, now: float) -> None:
        self._next = max(self._next, now) + self.gap_s


def price(rate_per_minute: Decimal, seconds: Decimal) -> Decimal:
    """Money of one talk, by the second, rounded to the cent."""
    return (rate_per_minute * seconds / 60).quantize(Decimal("0.01"), ROUND_HALF_UP)
