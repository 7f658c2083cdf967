"""Tonight's queue, call attempts, agents at their desks, recordings, and the stop switch.

Stamps named `…_at` are the machine's time (what telephony measures) unless the comment says business time.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, Numeric, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Json, Key, Serial, new_key

_OPEN = "state IN ('ELIGIBLE','RETRY_WAIT')"


class CallTask(Base):
    """One case to be called on one business date (CC-08). States: domain.md 4.2 "Call task"."""

    __tablename__ = "call_tasks"
    __table_args__ = (
        UniqueConstraint("business_date", "case_id"),
        Index(
            "ix_call_tasks_callable",
            "business_date",
            "campaign",
            "position",
            postgresql_where=f"{_OPEN} AND earliest_at IS NULL",
        ),
        Index(
            "ix_call_tasks_waiting",
            "business_date",
            "earliest_at",
            postgresql_where=f"{_OPEN} AND earliest_at IS NOT NULL",
        ),
        CheckConstraint(
            "state IN ('ELIGIBLE','DIALING','SETTLING','RETRY_WAIT','DONE','EXHAUSTED','CANCELLED','UNKNOWN')",
            name="state",
        ),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    business_date: Mapped[date]
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("persons.id"))
    contact_point_id: Mapped[UUID] = mapped_column(ForeignKey("contact_points.id"))
    campaign: Mapped[str] = mapped_column(default="collection")
    purpose: Mapped[str] = mapped_column(default="collection")
    position: Mapped[int]
    why: Mapped[Json] = mapped_column(default=dict)  # the terms of the order, for the manager who asks
    state: Mapped[str] = mapped_column(default="ELIGIBLE")
    state_reason: Mapped[str] = mapped_column(default="")
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    earliest_at: Mapped[datetime | None]  # business time; empty = callable now
    demo: Mapped[bool] = mapped_column(default=False)


class NotCallable(Base):
    """A case that is not called on this business date: one reason, and when it ends (domain.md 2.3)."""

    __tablename__ = "not_callable"
    __table_args__ = (UniqueConstraint("business_date", "case_id"), Index(None, "business_date", "until"))

    id: Mapped[Serial]
    business_date: Mapped[date]
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    reason: Mapped[str]
    until: Mapped[datetime | None]  # business time; empty = only a person or new data ends it
    rule: Mapped[str] = mapped_column(default="")


class Whose(NamedTuple):
    case_id: UUID
    person_id: UUID
    contact_point_id: UUID


class CallAttempt(Base):
    """One call. Its id is Asterisk's Uniqueid, the recording's name and the key of the case history.

    A call that came `in` (FL-02) has no task, and the exchange's own id beside it in `channel_id`; `caller_id` is the
    number of ours that was called. Whose it is may be unknown until an agent chooses the person: then it has no case
    and no person, and no contact point while his number does not stand with him.
    """

    __tablename__ = "call_attempts"
    __table_args__ = (
        Index(None, "case_id", "claimed_at"),
        Index(None, "claimed_at"),
        Index(
            "uq_call_attempts_live_person",
            "person_id",
            unique=True,
            postgresql_where="ended_at IS NULL AND direction = 'out'",
        ),
        Index(
            "uq_call_attempts_live_number",
            "number",
            unique=True,
            postgresql_where="ended_at IS NULL AND direction = 'out'",
        ),
        Index("ix_call_attempts_channel", "channel_id", postgresql_where="channel_id <> ''"),
        Index(None, "contact_point_id", "claimed_at"),
        CheckConstraint("direction IN ('out','in')", name="direction"),
        CheckConstraint(
            "direction = 'in' OR (case_id IS NOT NULL AND person_id IS NOT NULL AND contact_point_id IS NOT NULL)",
            name="whose",
        ),
        Index(None, "number", "claimed_at"),
        Index("ix_call_attempts_live", "id", postgresql_where="ended_at IS NULL"),
        Index("ix_call_attempts_live_in", "person_id", postgresql_where="ended_at IS NULL AND direction = 'in'"),
        Index("ix_call_attempts_live_in_number", "number", postgresql_where="ended_at IS NULL AND direction = 'in'"),
        Index("ix_call_attempts_abandoned", "business_at", postgresql_where="abandoned"),
        Index("ix_call_attempts_asked", "claimed_at", postgresql_where="robot_key = '1' AND outcome IS NULL"),
        Index("ix_call_attempts_unknown", "claimed_at", postgresql_where="result = 'UNKNOWN' OR problem <> ''"),
        CheckConstraint(
            "state IN ('INTENT','RINGING','ANSWERED','CONNECTED','SETTLING','ENDED')",
            name="state",
        ),
    )

    id: Mapped[Key]
    task_id: Mapped[UUID | None] = mapped_column(ForeignKey("call_tasks.id"))
    case_id: Mapped[UUID | None] = mapped_column(ForeignKey("cases.id"))
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("persons.id"))
    contact_point_id: Mapped[UUID | None] = mapped_column(ForeignKey("contact_points.id"))
    direction: Mapped[str] = mapped_column(default="out")
    channel_id: Mapped[str] = mapped_column(default="")  # Asterisk's Uniqueid, where it is not our id
    candidates: Mapped[int] = mapped_column(default=1)  # who called: open cases with this number
    number: Mapped[str]
    campaign: Mapped[str]
    purpose: Mapped[str]
    trunk: Mapped[str]
    caller_id: Mapped[str]
    language: Mapped[str]
    fence: Mapped[int] = mapped_column(BigInteger)
    decision_id: Mapped[UUID | None]
    legs: Mapped[int] = mapped_column(
        default=1
    )  # trunks tried so far (CallLeg); trunk and caller_id are the last one's
    state: Mapped[str] = mapped_column(default="INTENT")
    business_at: Mapped[datetime]  # business time of the claim
    claimed_at: Mapped[datetime]
    ringing_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    reserved_at: Mapped[datetime | None]  # an agent was written in, the card was sent
    bridged_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    agent_id: Mapped[UUID | None]
    agent_session_id: Mapped[UUID | None]
    held: Mapped[bool] = mapped_column(default=False, server_default=text("false"))  # reserved before the dial
    cause: Mapped[int | None]
    sip_code: Mapped[int | None]
    estimated: Mapped[bool] = mapped_column(default=False)  # nobody told the end: ended_at is the last evidence
    result: Mapped[str | None]  # telephony result, domain.md 2.3
    abandoned: Mapped[bool] = mapped_column(default=False)
    message_played: Mapped[bool] = mapped_column(default=False)
    message_at: Mapped[datetime | None]
    # who answers: beside, before, "" = nobody listens
    machine_mode: Mapped[str] = mapped_column(default="", server_default="")
    machine: Mapped[bool] = mapped_column(default=False, server_default=text("false"))  # and nobody was left with it
    # without an agent (`robots`): a message was meant for him; and the key that he pressed
    robot: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    robot_key: Mapped[str] = mapped_column(default="", server_default="")
    cancelled: Mapped[str] = mapped_column(default="")  # STOP_LIST: taken back by us before an answer
    cancelled_why: Mapped[str] = mapped_column(default="")  # the reason of that entry
    identity_matches: Mapped[Json] = mapped_column(default=dict)
    identity_misses: Mapped[int] = mapped_column(default=0)
    identity_confirmed_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    outcome_at: Mapped[datetime | None]
    notice_rule: Mapped[str] = mapped_column(default="")  # the rule that asks to warn of the recording (FL-11)
    notice: Mapped[str] = mapped_column(default="")  # script, prompt; "" = not warned yet
    notice_language: Mapped[str] = mapped_column(default="")
    notice_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")
    recording: Mapped[str] = mapped_column(default="")  # path below the recordings folder, without extension
    problem: Mapped[str] = mapped_column(default="", server_default="")  # why it could not be settled in order
    announcement: Mapped[str | None]  # what the network said before any answer: a meaning, or `unknown`
    # 0 = the library's very sound, 1 = another
    announcement_distance: Mapped[Decimal | None] = mapped_column(Numeric(4, 3))
    announcement_id: Mapped[int | None] = mapped_column(BigInteger)  # the library's entry, or the unnamed cluster

    @property
    def agent_held(self) -> bool:
        """Whether its agent was reserved before the dial, and nobody has answered yet: both are one commit."""
        return self.reserved_at is not None and self.reserved_at == self.claimed_at

    @property
    def whose(self) -> "Whose":
        """Every call that we made is somebody's. Raises LookupError for one that came in and is nobody's yet."""
        if self.case_id is None or self.person_id is None or self.contact_point_id is None:
            raise LookupError("a call that is tied to no person")
        return Whose(self.case_id, self.person_id, self.contact_point_id)


class UnknownCaller(Base):
    """A call to a number of ours that ended without a case: nobody took it, or nobody found the person (FL-02)."""

    __tablename__ = "unknown_callers"
    __table_args__ = (Index(None, "at"),)

    id: Mapped[Serial]
    at: Mapped[datetime]  # business time
    number: Mapped[str]  # E.164 where it could be read, else as it came; "" = withheld
    called: Mapped[str]
    call_id: Mapped[UUID | None]  # of the call; empty in rows from before calls of nobody were kept


class CallLeg(Base):
    """One try of one call on one trunk (FL-04). All legs of a call carry its id; at most one of them lives.

    `placed_at` empty: wanted, to be placed before `wanted_until` or never.
    """

    __tablename__ = "call_legs"
    __table_args__ = (
        Index("ix_call_legs_live", "trunk", postgresql_where="ended_at IS NULL"),
        Index("ix_call_legs_wanted", "call_id", postgresql_where="placed_at IS NULL AND ended_at IS NULL"),
        Index("ix_call_legs_ended", "trunk", "ended_at", postgresql_where="ended_at IS NOT NULL"),
    )

    call_id: Mapped[UUID] = mapped_column(ForeignKey("call_attempts.id"), primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    trunk: Mapped[str]
    caller_id: Mapped[str]
    rate: Mapped[Decimal] = mapped_column(Numeric(12, 4), default=Decimal(0))  # price of a minute when it was placed
    wanted_until: Mapped[datetime | None]
    placed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    cause: Mapped[int | None]
    sip_code: Mapped[int | None]
    said: Mapped[str] = mapped_column(default="")  # trunk_rules.Leg: what it says of the trunk


class TrunkState(Base):
    """The breaker of one trunk and its money (FL-04). No row = closed. Stamps are the machine's time."""

    __tablename__ = "trunk_states"
    __table_args__ = (CheckConstraint("breaker IN ('CLOSED','OPEN','HALF_OPEN')", name="breaker"),)

    trunk: Mapped[str] = mapped_column(primary_key=True)
    breaker: Mapped[str] = mapped_column(default="CLOSED")
    why: Mapped[str] = mapped_column(default="")
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    opened: Mapped[int] = mapped_column(default=0)
    probe: Mapped[UUID | None]  # the one call that tries it again
    probe_at: Mapped[datetime | None]
    money_out_on: Mapped[date | None]  # the business date on which its money was used up


class TrunkEvent(Base):
    """Append-only: what happened to a trunk, for the supervisor. Kinds: OPEN, HALF_OPEN, CLOSED, MONEY_OUT."""

    __tablename__ = "trunk_events"
    __table_args__ = (Index(None, "trunk", "at"),)

    id: Mapped[Serial]
    trunk: Mapped[str]
    at: Mapped[datetime]
    kind: Mapped[str]
    data: Mapped[Json] = mapped_column(default=dict)


class CallerId(Base):
    """A number that we show (FL-03). `IN` = in the pool, `OUT` = taken out by the signs, `RETIRED` = by a person.

    `campaigns`: those that it was assigned to, in whose pool it is. An id without a campaign is shown by none.
    """

    __tablename__ = "caller_ids"
    __table_args__ = (CheckConstraint("state IN ('IN','OUT','RETIRED')", name="state"),)

    id: Mapped[Key] = mapped_column(default=new_key)
    number: Mapped[str] = mapped_column(unique=True)  # E.164 with its plus
    owner: Mapped[str]
    purpose: Mapped[str] = mapped_column(default="collection")
    trunks: Mapped[list[str]]  # those that admit it
    campaigns: Mapped[list[str]]
    position: Mapped[int] = mapped_column(default=1)  # the first usable one is shown
    declared_on: Mapped[date | None]
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    state: Mapped[str] = mapped_column(default="IN")
    state_since: Mapped[datetime]
    rests_since: Mapped[datetime | None]  # its account of abandoned calls is spent (the machine's time)
    source: Mapped[str] = mapped_column(default="person")  # person, settings
    created_at: Mapped[datetime]


class CallerIdEvent(Base):
    """Append-only: ADDED, CHANGED, OUT, BACK, RETIRED, RESTS, RESTED, COMPLAINT, with who and, for OUT and RESTS, the figures."""

    __tablename__ = "caller_id_events"
    __table_args__ = (Index(None, "caller_id", "at"),)

    id: Mapped[Serial]
    caller_id: Mapped[UUID] = mapped_column(ForeignKey("caller_ids.id"))
    at: Mapped[datetime]  # business time
    kind: Mapped[str]
    by: Mapped[str]
    data: Mapped[Json] = mapped_column(default=dict)


class CallerIdSign(Base):
    """A dated threshold of one sign by which operators block an id (FL-03). `verified` = read in the law's own text."""

    __tablename__ = "caller_id_signs"

    id: Mapped[Serial]
    sign: Mapped[str]  # caller_id_rules.SIGNS, or SIGNS_NEEDED
    span: Mapped[str]  # hour, day, week
    threshold: Mapped[Decimal] = mapped_column(Numeric(12, 4))
    min_calls: Mapped[int]  # fewer calls say nothing
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    source: Mapped[str] = mapped_column(default="")
    verified: Mapped[bool] = mapped_column(default=False)


class AgentSession(Base):
    """An agent at a desk: the state (changed only by `call_centre.agents`), and the line that is kept up to the phone."""

    __tablename__ = "agent_sessions"
    __table_args__ = (
        Index("uq_agent_sessions_open", "user_id", unique=True, postgresql_where="ended_at IS NULL"),
        CheckConstraint("state IN ('READY','RESERVED','TALKING','WRAP_UP','PAUSED','UNREACHABLE','OFF')", name="state"),
        CheckConstraint("line IN ('NONE','CALLING','UP')", name="line"),
        CheckConstraint("line_check IN ('','WANTED','ECHO','BACK')", name="line_check"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("staff_users.id"))
    phone: Mapped[str]  # browser, desk, bank
    endpoint: Mapped[str]  # agent-101, agent-101-web, or bank:2345 on the bank's own exchange
    per_call: Mapped[bool] = mapped_column(default=False, server_default=text("false"))  # rung for each call
    state: Mapped[str] = mapped_column(default="PAUSED")
    reason: Mapped[str] = mapped_column(default="LOGIN")
    since: Mapped[datetime]
    wants_pause: Mapped[str] = mapped_column(default="")  # the reason of the pause asked for during a call
    call_id: Mapped[UUID | None]  # whom he is with; before a dial the preview (`previewing`)
    line: Mapped[str] = mapped_column(default="NONE")
    line_wanted: Mapped[bool] = mapped_column(default=False)
    line_ending: Mapped[bool] = mapped_column(default=False, server_default=text("false"))  # we hang it up
    line_n: Mapped[int] = mapped_column(default=0)
    line_channel: Mapped[str] = mapped_column(default="")  # Asterisk's channel name while the line is up
    line_failures: Mapped[int] = mapped_column(default=0)
    line_retry_at: Mapped[datetime | None]
    line_check: Mapped[str] = mapped_column(default="", server_default="")  # the echo test: `line_check`
    line_heard_at: Mapped[datetime | None]  # in this test the exchange heard sound from the phone
    line_checked_at: Mapped[datetime | None]  # he heard himself: passed for this shift
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    @property
    def previewing(self) -> bool:
        """He looks at a card before the dial: reserved for a borrower, with no call yet."""
        return self.state == "RESERVED" and self.reason == "PREVIEW"

    @property
    def line_id(self) -> str:
        """The ChannelId of the current line: comes back as Uniqueid in every event."""
        return f"leg-{self.id}-{self.line_n}"


class AgentStateChange(Base):
    """Append-only: every change of an agent's state, with its cause (TL-05)."""

    __tablename__ = "agent_state_changes"
    __table_args__ = (Index(None, "session_id", "at"),)

    id: Mapped[Serial]
    session_id: Mapped[UUID] = mapped_column(ForeignKey("agent_sessions.id"))
    user_id: Mapped[UUID]
    at: Mapped[datetime]
    from_state: Mapped[str]
    to_state: Mapped[str]
    reason: Mapped[str]
    call_id: Mapped[UUID | None]


class LineFigures(Base):
    """The sound of one talk on the agent's line, by RTCP (TL-12). `in` is from the phone to us."""

    __tablename__ = "line_figures"
    __table_args__ = (Index(None, "at"),)

    call_id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]  # the last reading
    user_id: Mapped[UUID]
    endpoint: Mapped[str]
    readings: Mapped[int] = mapped_column(default=0)
    received: Mapped[int] = mapped_column(default=0)  # packets
    lost_in: Mapped[int] = mapped_column(default=0)
    jitter_in_ms: Mapped[int] = mapped_column(default=0)  # mean of the readings
    sent: Mapped[int] = mapped_column(default=0)
    lost_out: Mapped[int] = mapped_column(default=0)
    jitter_out_ms: Mapped[int] = mapped_column(default=0)
    one_way: Mapped[str] = mapped_column(default="")  # FROM_PHONE, FROM_BORROWER: nothing came from there for a while


class Recording(Base):
    """Written before the file (TL-03). `sealed_at` = the call is over, the digest and the length are known.

    `sha256`: of the kept sound; `wave_sha256`: of the samples it was made from. `wrapped_key` opens the file; without it
    nobody can hear it again (state DELETED). `faults`: codes of recordings/faults.py.
    """

    __tablename__ = "recordings"
    __table_args__ = (
        CheckConstraint("state IN ('EXPECTED','SEALED','NONE','MISSING','DELETED')", name="state"),
        Index("ix_recordings_expected", "call_id", postgresql_where="state = 'EXPECTED'"),
        Index("ix_recordings_sealed", "created_at", postgresql_where="state = 'SEALED'"),
    )

    call_id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID | None]
    path: Mapped[str]
    state: Mapped[str] = mapped_column(default="EXPECTED")
    sha256: Mapped[str] = mapped_column(default="")
    wave_sha256: Mapped[str] = mapped_column(default="", server_default=text("''"))
    key_id: Mapped[str] = mapped_column(default="", server_default=text("''"))
    wrapped_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    seconds: Mapped[Decimal] = mapped_column(Numeric(10, 3), default=Decimal(0))
    agent_dbfs: Mapped[Decimal | None] = mapped_column(Numeric(6, 1))  # mean level of each side, dB below full scale
    borrower_dbfs: Mapped[Decimal | None] = mapped_column(Numeric(6, 1))
    agent_clipped: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))  # percent of a side's samples at full scale
    borrower_clipped: Mapped[Decimal | None] = mapped_column(Numeric(5, 2))
    faults: Mapped[list[str]] = mapped_column(default=list, server_default=text("'[]'"))
    created_at: Mapped[datetime]
    sealed_at: Mapped[datetime | None]


class LegalHold(Base):
    """While it is not lifted, no recording of the call, or of any call of the case, is deleted."""

    __tablename__ = "legal_holds"
    __table_args__ = (
        CheckConstraint("(case_id IS NULL) <> (call_id IS NULL)", name="subject"),
        Index(None, "case_id"),
        Index(None, "call_id"),
    )

    id: Mapped[Serial]
    case_id: Mapped[UUID | None]
    call_id: Mapped[UUID | None]
    reason: Mapped[str]
    placed_by: Mapped[str]
    placed_at: Mapped[datetime]
    lifted_by: Mapped[str | None]
    lifted_at: Mapped[datetime | None]
    lift_reason: Mapped[str | None]


class RecordingDeletion(Base):
    """Append-only but for `files_gone_at`: what was deleted, when, by which version of which rule. Its key went first."""

    __tablename__ = "recording_deletions"

    call_id: Mapped[UUID] = mapped_column(primary_key=True)
    case_id: Mapped[UUID | None]
    path: Mapped[str]
    sha256: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[Decimal] = mapped_column(Numeric(10, 3))
    called_at: Mapped[datetime]  # business time
    rule_id: Mapped[str]
    rule_version: Mapped[int]
    rule: Mapped[Json]
    deleted_at: Mapped[datetime]
    files_gone_at: Mapped[datetime | None]


class DialingStop(Base):
    """One stop and, once lifted, who lifted it and why (FL-01). The file STOP in the data folder is what the dialer obeys."""

    __tablename__ = "dialing_stops"

    id: Mapped[Serial]
    stopped_at: Mapped[datetime]
    stopped_by: Mapped[str]
    reason: Mapped[str]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]
    lift_reason: Mapped[str | None]


class Restore(Base):
    """One restore of the database to an earlier moment (FL-13). `settled_at`: the calls since then are accounted for."""

    __tablename__ = "restores"

    id: Mapped[Serial]
    restored_at: Mapped[datetime]
    restored_to: Mapped[datetime]
    backup: Mapped[str]
    restored_by: Mapped[str]
    counts: Mapped[Json] = mapped_column(default=dict)
    settled_at: Mapped[datetime | None]


class RestoreFinding(Base):
    """A call since the restored point that could not be tied to a person or a task: somebody must look."""

    __tablename__ = "restore_findings"
    __table_args__ = (UniqueConstraint("restore_id", "source", "source_id"),)

    id: Mapped[Serial]
    restore_id: Mapped[int] = mapped_column(ForeignKey("restores.id"))
    source: Mapped[str]  # cel, recording, carrier
    source_id: Mapped[str]  # a call's id, or the carrier's
    reason: Mapped[str]  # NO_ACCOUNT, NO_PERSON, NO_CASE, NUMBER_UNKNOWN
    at: Mapped[datetime]
    number: Mapped[str] = mapped_column(default="")
    accepted_at: Mapped[datetime | None]
    accepted_by: Mapped[str | None]
    accept_reason: Mapped[str | None]


class ChannelFact(Base):
    """What one source told of one channel, once: what a call's story was made from. Kept for some days (`facts.KEPT`)."""

    __tablename__ = "channel_facts"
    __table_args__ = (UniqueConstraint("channel", "kind", "at", "cel"), Index(None, "at"))

    id: Mapped[Serial]
    channel: Mapped[str]  # Asterisk's Uniqueid: a call_id, or leg-<session>-<n>
    kind: Mapped[str]
    at: Mapped[datetime]  # Asterisk's own stamp
    cel: Mapped[bool]  # from the CEL file; otherwise from AMI
    detail: Mapped[list[Any]] = mapped_column(JSONB, default=list)


class ListenerPosition(Base):
    """How far a source of call events is written, committed with what was read from it."""

    __tablename__ = "listener_positions"

    source: Mapped[str] = mapped_column(primary_key=True)  # cel, spool
    file: Mapped[str] = mapped_column(default="")  # which file: inode of the CEL file, name of the spool
    position: Mapped[int] = mapped_column(BigInteger)  # bytes
    at: Mapped[datetime]


class Announcement(Base):
    """An announcement of a network: named, it is an entry of the library; unnamed, a cluster that waits for a person."""

    __tablename__ = "announcements"
    __table_args__ = (
        CheckConstraint(
            "meaning IN ('','ignored','not_in_service','switched_off','forbidden','no_funds','voicemail','ringback')",
            name="meaning",
        ),
    )

    id: Mapped[Serial]
    meaning: Mapped[str] = mapped_column(default="")  # empty = nobody has named it yet
    language: Mapped[str] = mapped_column(default="")
    carrier: Mapped[str] = mapped_column(default="")  # whose network says it
    heard: Mapped[int] = mapped_column(default=0)  # on so many calls
    first_heard_at: Mapped[datetime]
    last_heard_at: Mapped[datetime]
    named_by: Mapped[str] = mapped_column(default="")
    named_at: Mapped[datetime | None]


class AnnouncementSound(Base):
    """One sound of an announcement: its fingerprint, and the file as long as a person may need to hear it."""

    __tablename__ = "announcement_sounds"
    __table_args__ = (Index(None, "announcement_id"),)

    id: Mapped[Serial]
    announcement_id: Mapped[int] = mapped_column(ForeignKey("announcements.id", ondelete="CASCADE"))
    fingerprint: Mapped[bytes]
    seconds: Mapped[Decimal] = mapped_column(Numeric(6, 2))  # of speech or music
    file: Mapped[str] = mapped_column(default="")  # its name in the folder `announcements`
    call_id: Mapped[UUID | None]
    at: Mapped[datetime]
