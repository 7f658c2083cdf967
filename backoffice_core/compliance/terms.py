"""The words of compliance as values (pure): who is to be contacted, by which rule, what is already counted, the answer.

The words are those of `compliance_rules.yaml`; `loader.py` refuses any other. A contact is refused at construction
when it uses an unknown word, because a rule that matches nothing would let it through.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

ALL_CONTACT = frozenset({"call", "robot", "sms", "push", "email", "messenger", "voice_message", "visit"})
VOICE = frozenset({"call", "robot"})
MESSAGES = frozenset({"sms", "push", "email", "messenger", "voice_message"})
CHANNELS = ALL_CONTACT | {"letter", "voicemail"}
ACTORS = frozenset({"human", "dialer", "robot", "agency"})
SUBJECTS = frozenset({"debtor", "third_party"})
PURPOSES = frozenset({"collection", "marketing", "survey", "service", "verification"})
STAGES = frozenset(
    {"pre_due", "soft_early", "soft_late", "hard", "pre_legal", "legal", "enforcement", "recovery", "agency", "sold"}
)
BOUND = frozenset({"bank", "mfo", "agency"})
NUMBER_TYPES = frozenset({"mobile", "fixed"})
FLAGS = frozenset(
    [
        "bankrupt",
        "incapacitated",
        "inpatient",
        "minor",
        "disability_group_1",
        "protected_military",
        "close_to_protected",
        "deceased",
        "vulnerable",
        "representative_only",
        "refused_interaction",
        "breathing_space",
        "breathing_space_mh",
    ]
)
SCOPES = frozenset({"person", "person_debt", "number"})
OUTCOMES = frozenset(  # results of a talk, for rules of retention; the same words as call_centre/rules.py has
    [
        "ABUSE", "ANSWERED", "BANKRUPT", "CALLBACK", "CEASE", "DECEASED", "DECLINED",
        "DISPUTE", "HANGUP", "HARDSHIP", "HOSPITAL", "INCAPACITY",
        "LANG", "LEFT_MSG_3P", "MILITARY", "NO_CONTACT", "NO_DISPOSITION", "PAID_CLAIM", "PLAN_REQ", "PTP_FULL",
        "PTP_PART", "REFUSE", "REP_ONLY", "VOICEMAIL_LIMITED", "WRONG_NUMBER", "WRONG_PERSON",
    ]
)  # fmt: skip
EXCEPTIONS = frozenset({"consent", "consent_7d", "person_initiative"})
STANDING = frozenset({"in_arrears", "hardship"})
"""For rules that no consent lifts for such a person."""


class ReasonCode(StrEnum):
    """Why a person is not contacted, in the order in which one is chosen when several apply.

    The first five and NO_PHONE, NOT_DUE, PROMISE_OPEN, EXHAUSTED are given by other nouns; the evaluator never does.
    """

    CLOSED = "CLOSED"
    STOP_LIST = "STOP_LIST"
    ON_HOLD = "ON_HOLD"
    STATUS_BLOCK = "STATUS_BLOCK"
    NOT_DUE = "NOT_DUE"
    PROMISE_OPEN = "PROMISE_OPEN"
    NO_PHONE = "NO_PHONE"
    NO_TIME_ZONE = "NO_TIME_ZONE"
    NO_RULE = "NO_RULE"
    NO_CONSENT = "NO_CONSENT"
    CAP_REACHED = "CAP_REACHED"
    COOLDOWN = "COOLDOWN"
    RETRY_WAIT = "RETRY_WAIT"
    EXHAUSTED = "EXHAUSTED"
    OUT_OF_HOURS = "OUT_OF_HOURS"


REASON_ORDER: Mapping[str, int] = {code: place for place, code in enumerate(ReasonCode)}


# --- the person and the contact ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flag:
    """A status of the person. `since` and `until` are local dates, both inclusive; None = open on that side."""

    name: str
    since: date | None = None
    until: date | None = None
    evidence: bool = False  # a document is in the file

    def __post_init__(self) -> None:
        _known(FLAGS, self.name, "flag")


@dataclass(frozen=True, slots=True)
class PersonView:
    """What the rules need of a person.

    Several `jurisdictions` (residence, registration, creditor): the strictest wins. Several `zones` (IANA names,
    all candidates when the address is unknown): the moment must be lawful in each.
    """

    id: UUID
    jurisdictions: tuple[str, ...]
    zones: tuple[str, ...]
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class Address:
    """Where the contact goes: an E.164 number, an e-mail address … `number_type` None = not known, so restricted."""

    value: str
    number_type: str | None = None

    def __post_init__(self) -> None:
        if self.number_type is not None:
            _known(NUMBER_TYPES, self.number_type, "number type")


@dataclass(frozen=True, slots=True)
class ConsentView:
    """A consent of the person to contacts for one purpose by one channel. `number`: "" = whichever of his. `until`: its last
    local day; None = open. A withdrawn one never holds; it stands here to say so."""

    id: UUID
    purpose: str
    channel: str
    number: str
    given_at: datetime
    until: date | None = None
    withdrawn_at: datetime | None = None

    def meant_for(self, purpose: str, channel: str, number: str) -> bool:
        return (self.purpose, self.channel) == (purpose, channel) and self.number in {"", number}

    def holds(self, at: datetime, last_day: date) -> bool:
        """At that moment, which is `last_day` in the latest of his zones."""
        return self.withdrawn_at is None and self.given_at <= at and (self.until is None or last_day <= self.until)


class Profile(NamedTuple):
    """All that decides which rules apply; equal for thousands of contacts of one night."""

    jurisdictions: tuple[str, ...]
    bound: str
    subject: str
    channel: str
    actor: str
    purpose: str
    stage: str | None
    number_type: str | None
    template_tags: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One intended contact. What is not known (None) is taken the way that restricts.

    `debt`: key of the loan, None = about no single loan, counted against all. `bound`: as whom the caller is bound.
    `caller_id_hidden`, `caller_id_declared`: of our own number. `consent_at`: the person's consent to be contacted beyond a
    cap. `consents`: what he has agreed to, for rules that need it; they lift no cap. `standing`: what is true of him of
    the words of STANDING. `person_initiative`: the person asked for it and the evidence is kept. `agent_guaranteed`: an agent is
    reserved before the dial. `given`: needs of a visit that are met (prior_consent, agreed_place_time).
    Raises ValueError on a word that no rule knows.
    """

    person: PersonView
    channel: str
    actor: str
    purpose: str
    debt: UUID | None = None
    subject: str = "debtor"
    address: Address | None = None
    bound: str = "bank"
    stage: str | None = None
    campaign: str | None = None
    template: str | None = None
    template_tags: frozenset[str] = frozenset()
    caller_id_hidden: bool | None = None
    caller_id_declared: bool | None = None
    agent_guaranteed: bool = False
    consent_at: datetime | None = None
    person_initiative: bool = False
    delinquency_months: int | None = None
    given: frozenset[str] = frozenset()
    consents: tuple[ConsentView, ...] = ()
    standing: frozenset[str] | None = None

    def __post_init__(self) -> None:
        _known(CHANNELS, self.channel, "channel")
        _known(ACTORS, self.actor, "actor")
        _known(PURPOSES, self.purpose, "purpose")
        _known(SUBJECTS, self.subject, "subject")
        _known(BOUND, self.bound, "bound")
        if self.stage is not None:
            _known(STAGES, self.stage, "stage")

    def profile(self) -> Profile:
        return Profile(
            self.person.jurisdictions,
            self.bound,
            self.subject,
            self.channel,
            self.actor,
            self.purpose,
            self.stage,
            self.address.number_type if self.address else None,
            self.template_tags,
        )


def _known(words: frozenset[str], word: str, field_name: str) -> None:
    if word not in words:
        raise ValueError(f"unknown {field_name} {word!r}; known: {', '.join(sorted(words))}")


# --- what is already counted ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the contact ledger. `at` is business time. `minutes` None = not known.

    `exceptions`: under which exceptions it was made. `purpose` None = not known, counted for every purpose.
    """

    at: datetime
    channel: str
    actor: str
    direction: str = "outbound"  # outbound | inbound
    state: str = "COMMITTED"  # RESERVED | COMMITTED | FREED
    debt: UUID | None = None
    number: str = ""
    purpose: str | None = "collection"
    conversation: bool = False
    delivered: bool = False
    machine_message: bool = False
    abandoned: bool = False
    uncertain: bool = False
    minutes: Decimal | None = None
    exceptions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LedgerView:
    """All entries of one person that any rule may still count (see `RuleBook.ledger_days`), and those of the number
    that is to be called with other persons (filled where a rule counts by number)."""

    entries: tuple[Entry, ...] = ()
    of_number: tuple[Entry, ...] = ()


# --- the rule ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Applies:
    """To what a rule applies. An empty set = any. A rule on objects, events or decisions applies to no contact."""

    channel: frozenset[str] = frozenset()
    actor: frozenset[str] = frozenset()
    subject: frozenset[str] = frozenset()
    purpose: frozenset[str] = frozenset()
    stage: frozenset[str] = frozenset()
    number_type: frozenset[str] = frozenset()
    template_tag: frozenset[str] = frozenset()
    object: frozenset[str] = frozenset()
    outcome: frozenset[str] = frozenset()  # asked of objects only
    event: frozenset[str] = frozenset()
    decision: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Window:
    """Over what a rule counts: n calendar days, ISO weeks, calendar months, or days back from the moment."""

    type: str  # calendar_day | iso_week | calendar_month | rolling_days
    n: int = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """One dated row. `effective_to` is its last day. A row that is not verified restricts, but permits nothing."""

    id: str
    version: int = 1
    jurisdiction: str
    kind: str
    params: Mapping[str, Any]
    applies_to: Applies = field(default_factory=Applies)
    bound: frozenset[str] = frozenset()
    day_class: str = "any"
    count_unit: str | None = None
    window: Window | None = None
    scope: str = "person"  # person | person_debt | number (whoever is called there)
    exceptions: frozenset[str] = frozenset()
    on_breach: str | None = None
    effective_from: date
    effective_to: date | None = None
    source: str = ""
    verified: bool = False
    note: str = ""

    @property
    def blocks(self) -> bool:
        return self.on_breach in {"block", "manual_review"}

    @property
    def honoured_exceptions(self) -> frozenset[str]:
        """House decision 3.5: an exception of an unverified row is treated as absent."""
        return self.exceptions if self.verified else frozenset()

    def matches(self, profile: Profile) -> bool:
        a = self.applies_to
        return (
            (self.jurisdiction == "*" or self.jurisdiction in profile.jurisdictions)
            and not (a.object or a.event or a.decision)
            and (not self.bound or profile.bound in self.bound)
            and (not a.channel or profile.channel in a.channel)
            and (not a.actor or profile.actor in a.actor)
            and (not a.subject or profile.subject in a.subject)
            and (not a.purpose or profile.purpose in a.purpose)
            and (not a.stage or profile.stage is None or profile.stage in a.stage)
            and (not a.number_type or profile.number_type is None or profile.number_type in a.number_type)
            and (not a.template_tag or bool(a.template_tag & profile.template_tags))
        )


# --- working days --------------------------------------------------------------------------------------------------


class Calendar:
    """Working days by jurisdiction: Monday to Friday, unless a row says otherwise. Immutable.

    A year without a single row is not covered: nobody knows its holidays, so `working` answers None.
    """

    def __init__(self, rows: Iterable[tuple[str, date, bool]]) -> None:
        self._days = {(jurisdiction, day): working for jurisdiction, day, working in rows}
        self._covered = {(jurisdiction, day.year) for jurisdiction, day in self._days}

    def working(self, jurisdiction: str, day: date) -> bool | None:
        if (jurisdiction, day.year) not in self._covered:
            return None
        stated = self._days.get((jurisdiction, day))
        return day.weekday() < 5 if stated is None else stated


# --- the answer ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reason:
    """Code and parameters, no words. `until`: when this reason alone ends; None = only a person can lift it."""

    code: ReasonCode
    rule_id: str | None
    params: Mapping[str, Any]
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Must:
    """What the contact owes: kind `recording`, `disclosure`, or `warn` (a breach that the rule only shows or lists)."""

    kind: str
    rule_id: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """`reasons` is empty exactly when allowed, else the first is the one to show.

    `next_allowed_at`: the first instant at which every reason has ended, given the same ledger; `at` itself when
    allowed; None when only a person can lift a reason. `consulted`: rule ids with versions.
    """

    allow: bool
    reasons: tuple[Reason, ...]
    next_allowed_at: datetime | None
    must: tuple[Must, ...]
    consulted: tuple[tuple[str, int], ...]
    id: UUID | None = None

    @property
    def reason(self) -> Reason | None:
        return self.reasons[0] if self.reasons else None
