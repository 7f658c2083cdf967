"""Decisions of the call centre, pure: what a call's facts amount to, what an outcome asks for, what comes next.

Codes are those of domain.md 2.3; their words live in the catalogue.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

# --- telephony result --------------------------------------------------------------------------------------------

SHORT_CALL = timedelta(seconds=2)  # an answer that ends sooner, by the far side, was no talk

BY_SIP = MappingProxyType(
    {
        404: "INVALID_NUMBER", 410: "INVALID_NUMBER", 484: "INVALID_NUMBER",
        486: "BUSY", 600: "BUSY",
        480: "NO_ANSWER", 408: "NO_ANSWER", 487: "NO_ANSWER",
        603: "REJECTED", 403: "REJECTED",
        503: "CONGESTION", 502: "CONGESTION", 500: "CONGESTION",
    }
)  # fmt: skip
BY_CAUSE = MappingProxyType(
    {
        1: "INVALID_NUMBER", 22: "INVALID_NUMBER", 28: "INVALID_NUMBER",
        16: "NO_ANSWER",  # before an answer: we gave up ringing
        17: "BUSY",
        18: "NO_ANSWER", 19: "NO_ANSWER",
        21: "REJECTED",
        3: "CONGESTION", 27: "CONGESTION", 34: "CONGESTION", 38: "CONGESTION", 42: "CONGESTION",
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CallFacts:
    """What was heard of one call until its end. Stamps are Asterisk's own; `None` = did not happen or was not heard."""

    rang_at: datetime | None = None
    answered_at: datetime | None = None
    bridged_at: datetime | None = None  # both voices in one bridge
    message_at: datetime | None = None  # the dialplan told the borrower that nobody is free
    told_at: datetime | None = None  # a call without an agent: the message was heard to its end
    asked_at: datetime | None = None  # 〃 he pressed the key for an agent
    stop_asked_at: datetime | None = None  # 〃 he pressed the key not to be called any more
    ended_at: datetime
    cause: int | None = None  # Q.850
    sip_code: int | None = None  # empty after a catch-up from CEL
    heard: bool = True  # False: nothing was found in events, CEL or the list of channels
    far_side_hung_up: bool = True  # False: we ended it
    estimated: bool = False  # nobody told the end: `ended_at` is the last instant for which there is evidence


def telephony_result(facts: CallFacts, *, reserved: bool, machine: bool = False, robot: bool = False) -> str:
    """The result code of one ended call. `reserved`: an agent had been written into the attempt; `machine`: it was heard
    that an answering machine took it, and nobody was left with it; `robot`: a call without an agent, which abandons nobody.

    An answer that the far side ends within 2 s is SILENT when an agent was with him or reserved for him, otherwise
    ABANDONED; an answer without a bridge is ABANDONED, whoever hung up first (domain.md 2.3 and 3.5).
    """
    if not facts.heard:
        return "UNKNOWN"
    if facts.answered_at is not None:
        if machine:
            return "ANSWERED_MACHINE"
        if robot:
            return "ANSWERED_HUMAN"
        if facts.ended_at - facts.answered_at < SHORT_CALL and facts.far_side_hung_up and reserved:
            return "SILENT"
        return "ANSWERED_HUMAN" if facts.bridged_at else "ABANDONED"
    said = BY_SIP.get(facts.sip_code or 0) or BY_CAUSE.get(facts.cause or 0)
    if said:
        return said
    return "NO_ANSWER" if facts.rang_at else "FAILED"


def is_abandoned(facts: CallFacts, result: str) -> bool:
    """Answered by a person and no agent with him within the rule's seconds, whoever hung up first (domain.md 3.5)."""
    return result == "ABANDONED" or (facts.message_at is not None and facts.bridged_at is None)


ROBOT_TOLD, ROBOT_CUT, ROBOT_STOP = "ROBOT_TOLD", "ROBOT_CUT", "ROBOT_STOP"


def robot_outcome(facts: CallFacts, result: str) -> str | None:
    """What a call without an agent came to; None: nobody answered, an agent writes the result of his talk, or who asked for
    one and found nobody is called back (`call_backs.follow_missed`)."""
    if result != "ANSWERED_HUMAN" or facts.bridged_at is not None:
        return None
    if facts.stop_asked_at is not None:
        return ROBOT_STOP
    if facts.asked_at is not None:
        return None
    return ROBOT_TOLD if facts.told_at is not None else ROBOT_CUT


def counts_as_contact(result: str) -> bool:
    """Any answer by a person counts, and so does what is uncertain (domain.md 3.5)."""
    return result in {"ANSWERED_HUMAN", "SILENT", "ABANDONED", "UNKNOWN"}


def is_trunks_own(result: str, facts: CallFacts) -> bool:
    """Lost before the borrower's network (503, no route): the slot is given back, no attempt is used up."""
    return result == "CONGESTION" and facts.answered_at is None


def is_taken_back(result: str, facts: CallFacts, cancelled: str) -> bool:
    """We ended it before an answer, because of `cancelled` (a code; "" = we did not). It rang, or may have: it counts
    as an attempt as any other that was not answered."""
    return bool(cancelled) and facts.answered_at is None and result in {"NO_ANSWER", "FAILED"}


def evidence(result: str, facts: CallFacts) -> str | None:
    """What the call says of the number: `dead`, `alive` or nothing. Only 404, 410, 484 speak against it (TL-06, CC-10)."""
    if result == "INVALID_NUMBER":
        return "dead"
    return "alive" if facts.answered_at is not None else None


def rang(result: str, facts: CallFacts) -> bool:
    """Nobody answered, but it rang or was busy: that speaks for a number under suspicion."""
    return facts.answered_at is None and (result == "BUSY" or (result == "NO_ANSWER" and facts.rang_at is not None))


MISSED = "MISSED"  # he called us and nobody took it


def call_in_result(facts: CallFacts) -> str:
    """The result of a call that came in: a talk, or nobody took it (also when nobody heard its end: we call back)."""
    return "ANSWERED_HUMAN" if facts.bridged_at else MISSED


MEANINGS = ("not_in_service", "switched_off", "forbidden", "no_funds", "voicemail", "ringback")  # of announcements
IGNORED = "ignored"  # a sound that a person has heard and found to be no announcement
UNKNOWN_ANNOUNCEMENT = "unknown"


def announcement_evidence(meaning: str) -> str | None:
    """What the network's words say of the number: `dead` only when they say that it does not exist (FL-18)."""
    if meaning not in MEANINGS:
        return None
    return "dead" if meaning == "not_in_service" else "announcement"


def result_after_announcement(result: str, meaning: str) -> str:
    """The telephony result once it is known what the network said. Its own tone of ringing changes nothing, nor does an
    announcement behind a code that is more exact (INVALID_NUMBER) or speaks of the trunk."""
    told = meaning in MEANINGS and meaning != "ringback"
    return "ANNOUNCEMENT" if told and result in {"NO_ANSWER", "BUSY", "REJECTED", "FAILED"} else result


# --- what happens to the task ------------------------------------------------------------------------------------

RETRY_AFTER = MappingProxyType(
    {
        "NO_ANSWER": timedelta(hours=2), "BUSY": timedelta(minutes=30), "REJECTED": timedelta(hours=4),
        "CONGESTION": timedelta(minutes=5), "FAILED": timedelta(minutes=15), "ANSWERED_MACHINE": timedelta(hours=3),
        "ABANDONED": timedelta(hours=2), "SILENT": timedelta(hours=4), "ANNOUNCEMENT": timedelta(hours=4),
    }
)  # fmt: skip
SETTLED_BY_HAND = ("ANSWERED_HUMAN", "INVALID_NUMBER", "FAX", *RETRY_AFTER)  # what an UNKNOWN call may turn out to be
MAX_ATTEMPTS_A_DAY = 4  # after them the task is EXHAUSTED for the day; legal caps are the evaluator's business


@dataclass(frozen=True)
class TaskStep:
    state: str  # RETRY_WAIT, DONE, EXHAUSTED, UNKNOWN
    earliest_at: datetime | None = None


def task_after_call(
    result: str, attempts: int, at: datetime, *, after: timedelta | None = None, most: int = MAX_ATTEMPTS_A_DAY
) -> TaskStep:
    """The call task's next state after one attempt ended. `at` is business time; `after`, `most`: the campaign's own terms
    (campaign_terms)."""
    if result == "UNKNOWN":
        return TaskStep("UNKNOWN")  # settled by a person, never redialed by itself
    if result in {"ANSWERED_HUMAN", "INVALID_NUMBER", "FAX"}:
        return TaskStep("DONE")
    if attempts >= most:
        return TaskStep("EXHAUSTED")
    return TaskStep("RETRY_WAIT", at + (RETRY_AFTER[result] if after is None else after))


# --- outcomes of a talk ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class OutcomeRule:
    """`rpc` = right-party contact: needs the identity confirmed. `needs`: fields that the form demands."""

    contact: bool = True
    rpc: bool = False
    needs: frozenset[str] = frozenset()
    task: str = ""  # kind of the task that comes next; empty = none
    working_days: int = 0  # its control date, from today
    flag: str = ""  # status of the person, as said on the phone
    stops: bool = False  # treatment stops until a person has looked


PROMISE = frozenset({"amount", "due_date"})
OUTCOMES: MappingProxyType[str, OutcomeRule] = MappingProxyType(
    {
        "PTP_FULL": OutcomeRule(rpc=True, needs=PROMISE, task="CHECK_PROMISE"),
        "PTP_PART": OutcomeRule(rpc=True, needs=PROMISE, task="CHECK_PROMISE"),
        "PAID_CLAIM": OutcomeRule(rpc=True, task="CHECK_POSTING", working_days=2),
        "CALLBACK": OutcomeRule(rpc=True, needs=frozenset({"call_back_at"}), task="CALLBACK"),
        "PLAN_REQ": OutcomeRule(rpc=True, task="SPECIALIST", working_days=1),
        "HARDSHIP": OutcomeRule(rpc=True, task="SPECIALIST", working_days=1),
        "REFUSE": OutcomeRule(rpc=True, task="NEXT_STAGE", working_days=1),
        "DISPUTE": OutcomeRule(rpc=True, task="DISPUTE", working_days=1, stops=True),
        "ANSWERED": OutcomeRule(rpc=True),
        "DECLINED": OutcomeRule(rpc=True),
        "LEFT_MSG_3P": OutcomeRule(),
        "WRONG_PERSON": OutcomeRule(task="REFRESH_CONTACT_DATA", working_days=1),
        "WRONG_NUMBER": OutcomeRule(task="REFRESH_CONTACT_DATA", working_days=1),
        "DECEASED": OutcomeRule(task="EVIDENCE", working_days=1, flag="deceased", stops=True),
        "BANKRUPT": OutcomeRule(task="EVIDENCE", working_days=1, flag="bankrupt", stops=True),
        "INCAPACITY": OutcomeRule(task="EVIDENCE", working_days=1, flag="incapacitated", stops=True),
        "HOSPITAL": OutcomeRule(task="EVIDENCE", working_days=1, flag="inpatient", stops=True),
        "MILITARY": OutcomeRule(task="EVIDENCE", working_days=1, flag="protected_military", stops=True),
        "CEASE": OutcomeRule(rpc=True, task="STOP_REQUEST", working_days=1, flag="refused_interaction", stops=True),
        "REP_ONLY": OutcomeRule(rpc=True, task="STOP_REQUEST", working_days=1, flag="representative_only", stops=True),
        "LANG": OutcomeRule(),
        "HANGUP": OutcomeRule(),
        "ABUSE": OutcomeRule(),
        "VOICEMAIL_LIMITED": OutcomeRule(contact=False),
        "NO_CONTACT": OutcomeRule(contact=False),
    }
)
OF_DEBT = frozenset({"PTP_FULL", "PTP_PART", "PAID_CLAIM", "PLAN_REQ", "REFUSE"})  # results of talks about a debt alone
# of a survey or information: told or answered to the end, or not wished
OF_OTHERS = frozenset({"ANSWERED", "DECLINED"})


def outcomes_of(purpose: str) -> dict[str, OutcomeRule]:
    """Results that a call of this purpose may have."""
    others = OF_OTHERS if purpose == "collection" else OF_DEBT
    return {code: rule for code, rule in OUTCOMES.items() if code not in others}


STRANGER_OUTCOMES = ("NO_CONTACT", "WRONG_NUMBER", "HANGUP", "LANG", "ABUSE")  # of a call that stays nobody's
NO_DISPOSITION = "NO_DISPOSITION"  # set when the seconds for the result are over; only a supervisor replaces it (FL-12)
MAX_PROMISE_DAYS = 30  # a later date needs a plan, not a promise
PROMISE_GRACE_DAYS = 1
IDENTITY_FIELDS = ("birth_date", "tax_id_last4", "code_word")
IDENTITY_MATCHES = 2
IDENTITY_MISSES = 3
BALANCE_MAX_AGE = timedelta(hours=26)  # nothing is said to a borrower from an older balance (domain.md 3.5)


FAST_RESULT_S = 2  # a result that came sooner after the call's end was hardly thought over (FL-12)
MORE_TIME = "MORE_TIME"  # the reason of a wrap-up whose agent asked for more seconds, once a call
MORE_TIME_S = 30


def wrap_up_limit(reason: str, limit_s: int) -> int:
    """Seconds for the result of one talk; `reason` is the seat's."""
    return limit_s + MORE_TIME_S if reason == MORE_TIME else limit_s


def wrap_up_over(since: datetime, wall: datetime, limit_s: int) -> bool:
    """Whether the agent's `limit_s` seconds for the result are over (FL-12)."""
    return wall - since >= timedelta(seconds=limit_s)
