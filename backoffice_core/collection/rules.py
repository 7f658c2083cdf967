"""Stages by days past due, the machines of promises and plans, and when a promise counts as kept or broken. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType

from backoffice_core.days import LAST, later
from backoffice_core.loans.rules import TOLERANCE

__all__ = [
    "BANDS", "CURE_REOPENS", "EVENING",
    "PLAN_MOVES", "PROMISE_MOVES", "STOPPED_BY_PROMISE", "TOLERANCE", "Band", "Bands", "PromiseView",
    "is_overdue", "judge_promise", "may", "missed_its_day", "needed", "stage_of",
]  # fmt: skip

EVENING = timedelta(hours=4)  # before midnight: a bank's day is posted by then
CURE_REOPENS = timedelta(days=90)  # a re-default within it reopens the cured case
# What was queued for the borrower and is taken back when he promises (kinds of tasks).
STOPPED_BY_PROMISE = ("SMS", "ROBOT_CALL", "LETTER", "EMAIL", "PUSH")

_NONE: frozenset[str] = frozenset()
# domain.md 4.2 "Promise". KEPT → OPEN, PARTIAL: the payment was taken back and the grace still runs.
PROMISE_MOVES: Mapping[str, frozenset[str]] = MappingProxyType({
    "OPEN": frozenset({"PARTIAL", "KEPT", "BROKEN", "CANCELLED"}),
    "PARTIAL": frozenset({"OPEN", "KEPT", "BROKEN", "CANCELLED"}),
    "KEPT": frozenset({"OPEN", "PARTIAL"}),
    "BROKEN": _NONE,
    "CANCELLED": _NONE,
})  # fmt: skip
PLAN_MOVES: Mapping[str, frozenset[str]] = MappingProxyType({
    "PROPOSED": frozenset({"ACTIVE", "CANCELLED"}),
    "ACTIVE": frozenset({"DONE", "BREACHED", "CANCELLED"}),
    "DONE": _NONE, "BREACHED": _NONE, "CANCELLED": _NONE,
})  # fmt: skip


def may(moves: Mapping[str, frozenset[str]], state: str, to: str) -> bool:
    """Anything that the machine does not list is refused."""
    return to in moves.get(state, _NONE)


# --- stages and buckets --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Band:
    """Days past due from `first` to `last`, both included; None = without end."""

    code: str
    first: int
    last: int | None


@dataclass(frozen=True, slots=True)
class Bands:
    """One version of a kind (stage, bucket), in force on some day."""

    version: int
    bands: tuple[Band, ...]

    def code(self, days_past_due: int) -> str:
        """Raises ValueError when no band holds so many days: the bands have a gap."""
        for band in self.bands:
            if band.first <= days_past_due and (band.last is None or days_past_due <= band.last):
                return band.code
        raise ValueError(f"no band holds {days_past_due} days past due")


BANDS = Bands(1, (Band("0", 0, 0), Band("1", 1, 30), Band("2", 31, 60), Band("3", 61, 90), Band("4", 91, None)))


def stage_of(days_past_due: int, bands: Bands = BANDS) -> int:
    """Stage 0–4 by days; 5–9 (court, enforcement, recovery, agency, sold) are given by what was done, not by days."""
    return int(bands.code(days_past_due))


def is_overdue(overdue: Decimal, days_past_due: int) -> bool:
    return days_past_due > 0 and overdue >= TOLERANCE


# --- promises ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseView:
    """`overdue_when_made` None = not known; then only an overdue of nought keeps the promise. `balance_day`: the
    business date of the balances that `overdue` comes from; `known_day`: the same, where those of the evening (EVENING) tell of
    the whole day. `matched`: payments counted on it. `before`: sum of the earlier
    instalments of the same plan, which the fall of the overdue keeps first. `by_payments`: money was counted on this plan, so
    payments alone tell of those of its instalments that go beyond what was overdue."""

    amount: Decimal
    due_date: date
    grace_days: int
    overdue_when_made: Decimal | None
    overdue: Decimal
    balance_day: date
    matched: Decimal = Decimal(0)
    tolerance_pct: Decimal = Decimal(0)
    before: Decimal = Decimal(0)
    state: str = "OPEN"
    known_day: date | None = None
    planned: bool = False
    by_payments: bool = False

    @property
    def nothing_owed(self) -> bool:
        """Whether nothing overdue means that it was paid. An instalment of a plan may go beyond what was overdue: the borrower
        is in time without it, so it is kept by payments; where the bank sends balances alone, by those of its day."""
        beyond = (
            self.planned and self.overdue_when_made is not None and self.before + self.amount > self.overdue_when_made
        )
        told = not beyond or (self.balance_day >= self.due_date and not self.by_payments)
        return self.overdue < TOLERANCE and told

    @property
    def paid(self) -> Decimal:
        """By payments, or by how far the overdue fell where the bank sends balances alone: the larger."""
        fell = Decimal(0)
        if self.overdue_when_made is not None:
            fell = self.overdue_when_made - self.before - self.overdue
        return max(self.matched, fell)


def needed(amount: Decimal, tolerance_pct: Decimal) -> Decimal:
    """How much of a promise keeps it, to the cent (half up)."""
    return (amount - amount * tolerance_pct / 100).quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")


def judge_promise(view: PromiseView) -> str:
    """OPEN, PARTIAL, KEPT or BROKEN, as far as payments and balances tell (domain.md 4.2 Promise).

    Kept: paid, or nothing is overdue any more (nothing_owed). Broken: the balances are of a day after due date and grace, and
    it is not kept. Nobody is called a breaker on balances of an earlier day.
    """
    if view.paid >= needed(view.amount, view.tolerance_pct) or view.nothing_owed:
        return "KEPT"
    if view.balance_day > (later(view.due_date, view.grace_days) or LAST):
        return "BROKEN"
    return "PARTIAL" if view.paid >= TOLERANCE or view.state == "PARTIAL" else "OPEN"


def missed_its_day(view: PromiseView) -> bool:
    """The due date went by unpaid, though the grace may still run: time for a follow-up task (CC-14). Balances of that evening
    are enough for it: a payment that they lack takes the task away again, while a broken promise is broken for ever."""
    return (view.known_day or view.balance_day) > view.due_date


# --- matching ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Room:
    """A promise that a payment may fill: made on `since`, open through `until` (due date and grace)."""

    key: object
    since: date
    until: date
    due_date: date
    open: Decimal


def match(amount: Decimal, paid_on: date, rooms: Sequence[Room]) -> list[tuple[object, Decimal]]:
    """A payment onto promises, the first due first; what is left stays with the debt. Never more than there is of either."""
    found = []
    for room in sorted(rooms, key=lambda one: (one.due_date, one.since, str(one.key))):
        part = min(amount, room.open)
        if part > 0 and room.since <= paid_on <= room.until:
            found.append((room.key, part))
            amount -= part
    return found
