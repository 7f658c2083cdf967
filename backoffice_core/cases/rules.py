"""How a collection case may move (domain.md 4.2), kinds of tasks and what an open one means for calling. Pure."""

from collections.abc import Callable
from datetime import date, timedelta

_WORKED = ("NEW", "ACTIVE", "PROMISED", "PLAN", "ON_HOLD", "TRANSFERRED_SECURITY", "PRE_LEGAL", "PLACED")
_COURT = ("LEGAL", "ENFORCEMENT")
_MOVES: dict[str, tuple[str, ...]] = {
    "NEW": ("ACTIVE", "ON_HOLD"),
    "ACTIVE": ("PROMISED", "PLAN", "ON_HOLD", "TRANSFERRED_SECURITY", "PRE_LEGAL", "PLACED"),
    "PROMISED": ("ACTIVE", "ON_HOLD"),
    "PLAN": ("ACTIVE", "ON_HOLD"),
    "ON_HOLD": ("ACTIVE", "PROMISED", "PLAN", "PRE_LEGAL", "TRANSFERRED_SECURITY"),  # back to where it was
    # ON_HOLD from here and from NEW: a stop said on the phone always holds. On and back by an act: decisions/0024
    "TRANSFERRED_SECURITY": ("ACTIVE", "PRE_LEGAL", "ON_HOLD"),
    "PRE_LEGAL": ("ACTIVE", "TRANSFERRED_SECURITY", "LEGAL", "PLACED", "ON_HOLD"),
    "LEGAL": ("ENFORCEMENT",),
    "PLACED": ("ACTIVE",),
    "WRITTEN_OFF": ("RECOVERY",),
    "CURED": ("ACTIVE", "CLOSED"),
    "PAID_OFF": ("CLOSED",),
    "SOLD": ("CLOSED",),
}
_EVER = dict.fromkeys(_WORKED, ("CURED", "PAID_OFF", "WRITTEN_OFF", "SOLD")) | dict.fromkeys(
    (*_COURT, "CURED", "RECOVERY"), ("PAID_OFF", "WRITTEN_OFF", "SOLD")
)
MOVES = {state: frozenset(_MOVES.get(state, ()) + _EVER.get(state, ())) for state in {*_MOVES, *_EVER}}

OVER = frozenset({"PAID_OFF", "WRITTEN_OFF", "SOLD", "CLOSED"})  # nothing is collected by calls any more
ELSEWHERE = frozenset({"ON_HOLD", "TRANSFERRED_SECURITY", "LEGAL", "ENFORCEMENT", "PLACED", "RECOVERY"})  # or by others


def may_move(state: str, to: str) -> bool:
    """Anything that the machine does not list is refused."""
    return to in MOVES.get(state, frozenset())


# domain.md 4.1: stages 0–9, as the rules of compliance name them
STAGE_WORDS = (
    "pre_due", "soft_early", "soft_late", "hard", "pre_legal", "legal", "enforcement", "recovery", "agency", "sold",
)  # fmt: skip

CALLBACK = "CALLBACK"  # the borrower named the hour: data and `earliest_at` carry it
FOLLOW_UP = "FOLLOW_UP"  # a promise was not kept on its day (CC-14)
CHECK_PROMISE = "CHECK_PROMISE"  # waits for the promise's last day; judged by the night, no work for a person
REFRESH_CONTACT = "REFRESH_CONTACT_DATA"  # CC-12
APPROVE = "APPROVE"  # a plan or a correction waits for a second person
TAKE_OVER = "TAKE_OVER"  # a hand-over waits for the other unit's word
COMPLAINT = "COMPLAINT"  # waits for an answer
CHECK_NUMBER = "CHECK_NUMBER"  # the same number was proven wrong for another borrower (FL-05)

# What the bank owes the borrower, whoever has the case: no act takes it back.
OWED_TO_HIM = (COMPLAINT, "DISPUTE", "EVIDENCE", "STOP_REQUEST", "CHECK_POSTING", APPROVE)
HOLDS = frozenset({"SPECIALIST", "DISPUTE", "EVIDENCE", "STOP_REQUEST"})  # nobody calls until a person has closed it
WAITS = frozenset({"CHECK_POSTING"})  # nobody calls before its control date

# What a hold stops, and whether days past due by a schedule pause meanwhile (domain.md 3.1, 4.2).
CHANNELS = ("call", "robot", "sms", "email", "letter", "visit", "legal", "accrual")
_CONTACT = ("call", "robot", "sms", "email", "letter", "visit")
HOLD_STOPS: dict[str, tuple[tuple[str, ...], bool]] = {
    "DISPUTE": (CHANNELS, False),
    "HARDSHIP": (("call", "robot", "sms", "letter", "visit"), True),  # a specialist talks to him, nobody else
    "PLAN_REQ": (("call", "robot", "sms", "letter", "visit"), False),
    "BREATHING_SPACE": (CHANNELS, True),
    "PROTECTED": (_CONTACT, False),
}
LIFTED_BY_PLAN = frozenset({"HARDSHIP", "PLAN_REQ"})  # an approved plan answers them; no other hold
CHANNEL_HOLD = "CHANNEL"  # stops only the channels that it names; while calls are not among them, the case goes on
WAITS_WITH = "call"  # a case is ON_HOLD while a hold stops this channel
CHANNELS_BY_HAND = _CONTACT
OTHER_HOLD: tuple[tuple[str, ...], bool] = (CHANNELS, False)  # of a reason without a row: everything
TASKS_OF = {
    "call": "CALL",
    "robot": "ROBOT_CALL",
    "sms": "SMS",
    "email": "EMAIL",
    "letter": "LETTER",
    "visit": "VISIT",
    "legal": "LEGAL_STEP",
}  # by channel: taken back by a hold that stops it


def next_working_day(day: date, is_working: Callable[[date], bool], count: int = 1) -> date:
    """The `count`-th working day after `day`, by the given calendar.

    Raises ValueError when a year has none: the calendar is broken.
    """
    found = day
    for _ in range(count):
        for ahead in range(1, 367):
            if is_working(found + timedelta(days=ahead)):
                found += timedelta(days=ahead)
                break
        else:
            raise ValueError(f"no working day within a year after {found}")
    return found


def one_per_case(kind: str, case_id: object) -> str:
    """The key that keeps a second open task of this kind out of a case (CC-12)."""
    return f"{kind}:{case_id}"
