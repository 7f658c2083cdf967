"""What people may do with a task, and when a late one goes up. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

RESULTS = ("DONE", "NOT_REACHED", "REFUSED", "OTHER")  # with which a person closes a task
NEEDS_NOTE = frozenset({"REFUSED", "OTHER"})  # results that say nothing without words
LISTS = ("person", "unit", "managers", "night")
DATED_BY_OTHERS = frozenset({"CALLBACK", "CHECK_PROMISE"})  # by what was said in a talk
BY_HAND = (  # kinds that a person may raise (CC-05); the others are raised by what happened
    "CALL", "SMS", "ROBOT_CALL", "EMAIL", "LETTER", "VISIT", "HAND_OVER", "LEGAL_STEP", "CHECK_POSTING", "EVIDENCE",
    "REFRESH_CONTACT_DATA", "SPECIALIST", "OTHER",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of `task_rules`."""

    kind: str
    unit: str
    escalate_days: int
    valid_from: date


def rule_for(rules: Iterable[Rule], kind: str, day: date) -> Rule | None:
    """The kind's own rule in force on this day, else that of all others; None when there is neither."""
    held = [rule for rule in rules if rule.kind in {kind, ""} and rule.valid_from <= day]
    return max(held, key=lambda rule: (rule.kind == kind, rule.valid_from), default=None)


def last_day_up(today: date, working_days_late: int, is_working: Callable[[date], bool]) -> date:
    """The last control date from which so many whole working days have gone by without the task being done.

    With 0 a task goes up the day after its control date. Raises ValueError when the calendar has no working day in a year.
    """
    day = today - timedelta(days=1)
    for _ in range(working_days_late):
        for back in range(367):
            if is_working(day - timedelta(days=back)):
                day -= timedelta(days=back + 1)
                break
        else:
            raise ValueError(f"no working day within a year before {day}")
    return day
