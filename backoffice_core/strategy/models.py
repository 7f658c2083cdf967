"""Strategies in versions, and every step that was due with what became of it."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Json, Key, new_key


class StrategyVersion(Base):
    """What is done with cases, in which order. `content` is `rules.read`'s; it changes only while the version is a draft.

    People are `user:<id>` or `os:<account>`. `editors`: everybody who changed the draft; none of them approves it.
    """

    __tablename__ = "strategy_versions"
    __table_args__ = (
        UniqueConstraint("strategy", "version"),
        Index("uq_strategy_versions_draft", "strategy", unique=True, postgresql_where="state IN ('DRAFT','SUBMITTED')"),
        CheckConstraint("state IN ('DRAFT','SUBMITTED','APPROVED','WITHDRAWN')", name="state"),
        CheckConstraint("live_to IS NULL OR live_to >= live_from", name="live"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    strategy: Mapped[str]  # its code
    version: Mapped[int]
    title: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="DRAFT")
    content: Mapped[Json] = mapped_column(default=dict)
    live_from: Mapped[date | None]
    live_to: Mapped[date | None]  # the last day; None = until a later version
    editors: Mapped[list[str]] = mapped_column(default=list)
    changed_at: Mapped[datetime]  # business time
    submitted_by: Mapped[str] = mapped_column(default="")
    submitted_at: Mapped[datetime | None]
    decided_by: Mapped[str] = mapped_column(default="")
    decided_at: Mapped[datetime | None]
    decided_why: Mapped[str] = mapped_column(default="")


class StepDue(Base):
    """One step that was due in one case (CK-25): done, late, skipped with a reason, or open; never deleted.

    `kind`: what is to be done, `fallback_of` the kind in whose place it came. `since`: the day on which the case came to
    its stage. LATE = neither done nor skipped by the end of `deadline`; it stays LATE when it is done after
    all (`done_on`) or its ground goes (`skipped_on`).
    """

    __tablename__ = "step_dues"
    __table_args__ = (
        UniqueConstraint("case_id", "version_id", "step", "since"),
        Index("ix_step_dues_waiting", "kind", postgresql_where="done_on IS NULL AND skipped_on IS NULL"),
        Index(None, "due_date"),
        Index("ix_step_dues_task", "task_id", postgresql_where="task_id IS NOT NULL"),
        CheckConstraint("state IN ('OPEN','DONE','LATE','SKIPPED')", name="state"),
        CheckConstraint("state <> 'SKIPPED' OR skipped_on <= deadline", name="skipped"),
        CheckConstraint("(skipped_on IS NULL) = (reason = '')", name="reason"),
        CheckConstraint("state <> 'DONE' OR done_on <= deadline", name="done"),
        CheckConstraint("deadline >= due_date", name="deadline"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    person_id: Mapped[UUID]
    version_id: Mapped[UUID] = mapped_column(ForeignKey("strategy_versions.id"))
    step: Mapped[str]  # its key in the version
    arm: Mapped[str] = mapped_column(default="")
    stage: Mapped[int]
    since: Mapped[date]
    kind: Mapped[str]
    fallback_of: Mapped[str] = mapped_column(default="")
    due_date: Mapped[date]
    starts_at: Mapped[datetime]  # the first moment of the due date in the bank's zone
    deadline: Mapped[date]
    unit: Mapped[str] = mapped_column(default="")
    owner_id: Mapped[UUID | None]
    task_id: Mapped[UUID | None] = mapped_column(ForeignKey("tasks.id"))
    state: Mapped[str] = mapped_column(default="OPEN")
    reason: Mapped[str] = mapped_column(default="")  # rules.SKIPS
    detail: Mapped[str] = mapped_column(default="")  # the rule that refused, a person's words
    skipped_on: Mapped[date | None]
    done_on: Mapped[date | None]
    done_at: Mapped[datetime | None]
    done_by: Mapped[UUID | None]
    evidence: Mapped[str] = mapped_column(default="")  # CALL, TASK, CONTACT
    evidence_id: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
