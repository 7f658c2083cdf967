"""Stages, promises and the moves of a case: pure decisions behind the night (CC-14)."""

from datetime import date
from decimal import Decimal

import pytest

from backoffice_core.cases.rules import MOVES, may_move
from backoffice_core.collection.rules import PromiseView, judge_promise, missed_its_day, stage_of


@pytest.mark.parametrize(
    ("dpd", "stage"), [(0, 0), (1, 1), (30, 1), (31, 2), (60, 2), (61, 3), (90, 3), (91, 4), (999, 4)]
)
def test_stage_by_days_past_due(dpd: int, stage: int) -> None:
    assert stage_of(dpd) == stage


def promise(day: int, *, overdue: str, made: str | None = "1000", grace: int = 1) -> PromiseView:
    return PromiseView(
        amount=Decimal(400), due_date=date(2026, 11, 10), grace_days=grace, overdue=Decimal(overdue),
        overdue_when_made=Decimal(made) if made else None, balance_day=date(2026, 11, day),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("view", "state", "missed"),
    [
        (promise(9, overdue="1000"), "OPEN", False),
        (promise(9, overdue="600"), "KEPT", False),  # before its day
        (promise(10, overdue="1000"), "OPEN", False),
        (promise(11, overdue="1000"), "OPEN", True),  # unpaid on its day, the grace still runs
        (promise(11, overdue="599.50"), "KEPT", True),
        (promise(11, overdue="800"), "PARTIAL", True),
        (promise(12, overdue="800"), "BROKEN", True),
        (promise(12, overdue="0.40"), "KEPT", True),  # cents do not break it
        (promise(11, overdue="1000", grace=0), "BROKEN", True),
        (promise(12, overdue="10", made=None), "BROKEN", True),
        (promise(12, overdue="0", made=None), "KEPT", True),
    ],
)
def test_cc14_promise_is_judged_by_balances_of_a_day_that_knows(view: PromiseView, state: str, missed: bool) -> None:
    """CC-14: kept, broken, open, by hand."""
    assert judge_promise(view) == state
    assert missed_its_day(view) is missed


def test_case_moves_are_those_of_the_machine_and_no_others() -> None:
    assert may_move("ACTIVE", "PROMISED")
    assert may_move("PROMISED", "CURED")
    assert may_move("LEGAL", "PAID_OFF")
    assert not may_move("LEGAL", "CURED")
    assert not may_move("NEW", "PROMISED")
    assert not may_move("CLOSED", "ACTIVE")
    assert not may_move("PAID_OFF", "ACTIVE")
    known = {
        "NEW", "ACTIVE", "PROMISED", "PLAN", "ON_HOLD", "TRANSFERRED_SECURITY", "PRE_LEGAL", "LEGAL", "ENFORCEMENT",
        "PLACED", "CURED", "PAID_OFF", "WRITTEN_OFF", "RECOVERY", "SOLD", "CLOSED",
    }  # fmt: skip
    assert {to for moves in MOVES.values() for to in moves} | set(MOVES) == known
