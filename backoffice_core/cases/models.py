"""The case file: one collection case per person, its append-only history, its tasks with control dates."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Json, Key, Serial, new_key


class Case(Base):
    """State after domain.md 4.2 "Collection case"; stage 0–9 after 4.1."""

    __tablename__ = "cases"
    __table_args__ = (
        CheckConstraint(
            "state IN ('NEW','ACTIVE','PROMISED','PLAN','ON_HOLD','TRANSFERRED_SECURITY','PRE_LEGAL','LEGAL','ENFORCEMENT',"
            "'PLACED','CURED','PAID_OFF','WRITTEN_OFF','RECOVERY','SOLD','CLOSED')",
            name="state",
        ),
        Index("uq_cases_person_open", "person_id", unique=True, postgresql_where="closed_at IS NULL"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    number: Mapped[int] = mapped_column(BigInteger, Identity(start=100001), unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("persons.id"))
    state: Mapped[str] = mapped_column(default="NEW")
    state_since: Mapped[datetime | None]  # business time of the last move
    stage: Mapped[int] = mapped_column(default=0)
    bucket: Mapped[str] = mapped_column(default="", server_default="")  # code of a stage band of kind bucket
    episode: Mapped[int] = mapped_column(default=1, server_default=text("1"))  # one more with each re-default
    unit: Mapped[str] = mapped_column(
        default="", server_default=""
    )  # who works it: soft, hard, legal … in the bank's word
    owner_id: Mapped[UUID | None]
    hold_reason: Mapped[str] = mapped_column(default="")
    hold_until: Mapped[date | None]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class CaseEvent(Base):
    """One line of the history, never changed. `(call_id, kind)` is unique: a call stands there exactly once (TL-06)."""

    __tablename__ = "case_events"
    __table_args__ = (
        Index(None, "case_id", "at"),
        Index("uq_case_events_call", "call_id", "kind", unique=True, postgresql_where="call_id IS NOT NULL"),
        Index(
            "ix_case_events_feed",
            "kind",
            "xid",
            "id",
            postgresql_where="kind IN ('promise', 'plan', 'call', 'outcome')",
        ),
    )

    id: Mapped[Serial]
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    at: Mapped[datetime]  # business time
    kind: Mapped[str]  # call, outcome, promise, task, flag, note, stage
    actor_id: Mapped[UUID | None]
    call_id: Mapped[UUID | None]
    data: Mapped[Json] = mapped_column(default=dict)
    # of its transaction: in this order lines are told to others (feed.py), for ids are not given in the order of commits
    xid: Mapped[int] = mapped_column(
        BigInteger, server_default=text("CAST(CAST(pg_current_xact_id() AS text) AS bigint)")
    )


class Task(Base):
    """Work for a person or a channel, with its control date (CC-14). `dedupe_key` keeps the second one out (CC-12)."""

    __tablename__ = "tasks"
    __table_args__ = (
        Index(None, "case_id"),
        Index("ix_tasks_open", "control_date", postgresql_where="state = 'OPEN'"),
        Index(
            "uq_tasks_open_dedupe", "dedupe_key", unique=True, postgresql_where="state = 'OPEN' AND dedupe_key <> ''"
        ),
        CheckConstraint("state IN ('OPEN','DONE','CANCELLED')", name="state"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(default="OPEN")
    control_date: Mapped[date]
    earliest_at: Mapped[datetime | None]  # a call back is not due before this
    owner_id: Mapped[UUID | None]
    unit: Mapped[str] = mapped_column(default="", server_default="")  # whose it is while nobody owns it
    dedupe_key: Mapped[str] = mapped_column(default="")
    data: Mapped[Json] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[UUID | None]
    result: Mapped[str] = mapped_column(default="", server_default="")  # task_rules.RESULTS; "" = closed by a program
    note: Mapped[str] = mapped_column(default="", server_default="")  # of the closing, or why it was cancelled
    escalate_days: Mapped[int | None]  # working days late until it goes up; None = as its kind's rule says
    escalated_at: Mapped[datetime | None]  # business time


class TaskMove(Base):
    """Append-only: who took, handed over, closed, cancelled a task, and when it went up. The id is the number of the act."""

    __tablename__ = "task_moves"
    __table_args__ = (
        Index(None, "task_id"),
        CheckConstraint("act IN ('RAISE','TAKE','HAND_OVER','CLOSE','CANCEL','ESCALATE')", name="act"),
    )

    id: Mapped[Serial]
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"))
    at: Mapped[datetime]  # business time
    by: Mapped[UUID | None]  # None = the night
    act: Mapped[str]
    from_owner: Mapped[UUID | None]
    from_unit: Mapped[str] = mapped_column(default="")
    to_owner: Mapped[UUID | None]
    to_unit: Mapped[str] = mapped_column(default="")
    note: Mapped[str] = mapped_column(default="")


class TaskDate(Base):
    """Append-only: a control date was moved, by whom and why."""

    __tablename__ = "task_dates"
    __table_args__ = (Index(None, "task_id"),)

    id: Mapped[Serial]
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"))
    at: Mapped[datetime]  # business time
    by: Mapped[UUID]
    from_date: Mapped[date]
    to_date: Mapped[date]
    note: Mapped[str]


class TaskRule(Base):
    """From a day on: whose list tasks of a kind fall to, and after how many working days late they go up to its head.

    `kind` empty = all others. Later rows take the place of earlier ones, which stay.
    """

    __tablename__ = "task_rules"
    __table_args__ = (
        CheckConstraint("escalate_days >= 0", name="escalate_days"),
        UniqueConstraint("kind", "valid_from"),
    )

    id: Mapped[Serial]
    kind: Mapped[str] = mapped_column(default="")
    unit: Mapped[str] = mapped_column(default="")
    escalate_days: Mapped[int]
    valid_from: Mapped[date]
    set_by: Mapped[str] = mapped_column(default="")


class Hold(Base):
    """Why a case is not worked as others are: with evidence, an end, and what it stops (rules.HOLD_STOPS)."""

    __tablename__ = "holds"
    __table_args__ = (
        Index("ix_holds_standing", "case_id", postgresql_where="lifted_at IS NULL"),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="days"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    kind: Mapped[str]
    stops: Mapped[list[str]]
    pauses_days: Mapped[bool] = mapped_column(default=False)  # days past due by a schedule do not count meanwhile
    evidence: Mapped[str] = mapped_column(default="")
    state_before: Mapped[str] = mapped_column(default="")  # of the case; "" = it was not moved
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]  # the last day; None = until a person lifts it
    placed_at: Mapped[datetime]  # business time
    placed_by: Mapped[UUID | None]
    lifted_at: Mapped[datetime | None]  # business time
    lifted_by: Mapped[UUID | None]
    lifted_why: Mapped[str] = mapped_column(default="")


class HandOver(Base):
    """A case goes from one unit to another with an act. Whoever had it keeps the right to read it."""

    __tablename__ = "hand_overs"
    __table_args__ = (
        Index(None, "case_id"),
        Index("uq_hand_overs_open", "case_id", unique=True, postgresql_where="state = 'PROPOSED'"),
        CheckConstraint("state IN ('PROPOSED','ACCEPTED','REFUSED')", name="state"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    act_no: Mapped[int] = mapped_column(BigInteger, Identity(start=1), unique=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    from_unit: Mapped[str]
    from_owner: Mapped[UUID | None]
    to_unit: Mapped[str]
    to_owner: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(default="PROPOSED")
    reason: Mapped[str] = mapped_column(default="")
    act: Mapped[Json] = mapped_column(default=dict)  # what is handed over: loans with sums, promises, tasks, holds
    proposed_at: Mapped[datetime]  # business time
    proposed_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    decided_why: Mapped[str] = mapped_column(default="")
