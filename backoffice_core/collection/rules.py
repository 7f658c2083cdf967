"""Stages by days past due, and when a promise counts as kept or broken. Pure."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

BY_DPD = ((0, 0), (30, 1), (60, 2), (90, 3))  # last day past due -> stage; later is 4 (pre-legal); domain.md 4.1
CURE_REOPENS = timedelta(days=90)  # a re-default within it reopens the cured case
TOLERANCE = Decimal("1.00")  # units of the currency: cents do not open a case nor keep one open


def stage_of(days_past_due: int) -> int:
    """Stage 0–4; 5–9 (court, enforcement, recovery, agency, sold) are given by what was done, not by days."""
    for last, stage in BY_DPD:
        if days_past_due <= last:
            return stage
    return 4


def is_overdue(overdue: Decimal, days_past_due: int) -> bool:
    return days_past_due > 0 and overdue >= TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseView:
    """`overdue_when_made` None = not known; then only an overdue of nought keeps the promise. `balance_day`: the
    business date of the balances that `overdue` comes from."""

    amount: Decimal
    due_date: date
    grace_days: int
    overdue_when_made: Decimal | None
    overdue: Decimal
    balance_day: date


def judge_promise(view: PromiseView) -> str:
    """OPEN, PARTIAL, KEPT or BROKEN, as far as balances tell (domain.md 4.2 Promise).

    Kept: the overdue fell by at least the amount, or is gone. Broken: the balances are of a day after due date and
    grace, and it is not kept. Nobody is called a breaker on balances of an earlier day.
    """
    fell = view.overdue_when_made - view.overdue if view.overdue_when_made is not None else Decimal(0)
    if fell >= view.amount or view.overdue < TOLERANCE:
        return "KEPT"
    if view.balance_day > view.due_date + timedelta(days=view.grace_days):
        return "BROKEN"
    return "PARTIAL" if fell >= TOLERANCE else "OPEN"


def missed_its_day(view: PromiseView) -> bool:
    """The due date went by unpaid, though the grace may still run: time for a follow-up task (CC-14)."""
    return view.balance_day > view.due_date
