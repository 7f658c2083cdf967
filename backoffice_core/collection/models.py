"""What the borrower promised and what was paid on it, plans, and stages and buckets as dated data with their history."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, Numeric, text
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Json, Key, Money, Serial, new_key


class Promise(Base):
    """A promise to pay (rules.PROMISE_MOVES). One call makes at most one; an approved plan makes one an instalment."""

    __tablename__ = "promises"
    __table_args__ = (
        Index(None, "case_id"),
        Index("ix_promises_open", "case_id", postgresql_where="state IN ('OPEN','PARTIAL')"),
        Index("ix_promises_plan", "plan_id", postgresql_where="plan_id IS NOT NULL"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("state IN ('OPEN','PARTIAL','KEPT','BROKEN','CANCELLED')", name="state"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    call_id: Mapped[UUID | None] = mapped_column(unique=True)
    plan_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment_plans.id"))
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    currency: Mapped[str]
    due_date: Mapped[date]
    grace_days: Mapped[int] = mapped_column(default=1)
    tolerance_pct: Mapped[Decimal] = mapped_column(Numeric(5, 2), default=Decimal(0), server_default=text("0"))
    state: Mapped[str] = mapped_column(default="OPEN")
    state_since: Mapped[datetime | None]  # business time
    matched: Mapped[Decimal] = mapped_column(Numeric(18, 2), default=Decimal(0), server_default=text("0"))
    overdue_when_made: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))  # None = not known
    made_at: Mapped[datetime]
    made_by: Mapped[UUID | None]


class PromiseMatch(Base):
    """Append-only: so much of this payment went on this promise; less than nought when the payment was reversed."""

    __tablename__ = "promise_matches"
    __table_args__ = (Index(None, "promise_id"), Index(None, "payment_id"))

    id: Mapped[Serial]
    promise_id: Mapped[UUID] = mapped_column(ForeignKey("promises.id"))
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"))
    amount: Mapped[Money]
    at: Mapped[datetime]  # business time


class PaymentPlan(Base):
    """Instalments that the borrower asked for and a second person approved (rules.PLAN_MOVES)."""

    __tablename__ = "payment_plans"
    __table_args__ = (
        Index("uq_payment_plans_standing", "case_id", unique=True, postgresql_where="state IN ('PROPOSED','ACTIVE')"),
        CheckConstraint("state IN ('PROPOSED','ACTIVE','DONE','BREACHED','CANCELLED')", name="state"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    currency: Mapped[str]
    instalments: Mapped[list[dict[str, str]]]  # due_date, amount (text)
    grace_days: Mapped[int] = mapped_column(default=1)
    breach_after: Mapped[int] = mapped_column(default=1)  # so many broken instalments end it
    reason: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="PROPOSED")
    state_since: Mapped[datetime]
    proposed_at: Mapped[datetime]  # business time
    proposed_by: Mapped[UUID | None]
    decided_by: Mapped[UUID | None]


class BalanceCorrection(Base):
    """How a loan is said to have stood; in force once a second person approved it. `before`, `after`: sums as text, days."""

    __tablename__ = "balance_corrections"
    __table_args__ = (
        Index(None, "case_id"),
        Index("uq_balance_corrections_open", "loan_id", unique=True, postgresql_where="state = 'PROPOSED'"),
        CheckConstraint("state IN ('PROPOSED','APPROVED','REFUSED')", name="state"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loans.id"))
    as_at: Mapped[datetime]  # business time
    before: Mapped[Json]
    after: Mapped[Json]
    reason: Mapped[str]
    state: Mapped[str]
    proposed_at: Mapped[datetime]  # business time
    proposed_by: Mapped[UUID]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    decided_why: Mapped[str] = mapped_column(default="", server_default="")


class StageBand(Base):
    """A stage or a reporting bucket by days past due, in force on dates. `kind`: stage, bucket, cbr (domain.md 4.1).

    A later `version` of a kind holds from its `valid_from` on; earlier rows get their `valid_to` and stay.
    """

    __tablename__ = "stage_bands"
    __table_args__ = (CheckConstraint("last IS NULL OR last >= first", name="days"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    first: Mapped[int]  # days past due, both included
    last: Mapped[int | None]  # None = without end
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]  # the last day
    source: Mapped[str] = mapped_column(default="")


class StageMove(Base):
    """Append-only: a case's stage or bucket changed, as at which business date, why, and by which version of the bands."""

    __tablename__ = "stage_moves"
    __table_args__ = (Index("ix_stage_moves_as_at", "case_id", "kind", "as_at", "id"),)

    id: Mapped[Serial]
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    kind: Mapped[str]  # stage, bucket
    before: Mapped[str]
    after: Mapped[str]
    as_at: Mapped[date]
    why: Mapped[str]  # OPENED, DAYS, PAYMENT, REVERSAL, CORRECTION …
    days_past_due: Mapped[int]
    version: Mapped[int]
    recorded_at: Mapped[datetime]  # business time


class LateAct(Base):
    """A case leaves the bank's own hands, or comes back (late.KINDS): written off, sold, given to an agency, recalled, recovered.

    Proposed by one person, in force once others approved it; `act`: loans with their sums as they then stood. A mistaken one is
    REVERSED by two persons, too: the case is what it was before, and both stay to be read.
    """

    __tablename__ = "late_acts"
    __table_args__ = (
        Index(None, "case_id"),
        Index("uq_late_acts_open", "case_id", unique=True, postgresql_where="state = 'PROPOSED'"),
        CheckConstraint("kind IN ('WRITE_OFF','SALE','AGENCY','RECALL','RECOVERY')", name="kind"),
        CheckConstraint("state IN ('PROPOSED','APPROVED','REFUSED','REVERSED')", name="state"),
        CheckConstraint("price >= 0", name="price"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    act_no: Mapped[int] = mapped_column(BigInteger, Identity(start=1), unique=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    kind: Mapped[str]
    counterparty: Mapped[str] = mapped_column(default="", server_default="")  # the buyer, the agency
    number: Mapped[str] = mapped_column(default="", server_default="")  # of the paper: a decision, a contract
    on: Mapped[date]  # the day of the paper
    price: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))  # of a sale
    currency: Mapped[str]
    reason: Mapped[str]
    act: Mapped[Json] = mapped_column(default=dict)
    state: Mapped[str] = mapped_column(default="PROPOSED")
    proposed_at: Mapped[datetime]  # business time
    proposed_by: Mapped[UUID]
    approvals: Mapped[list[dict[str, str]]] = mapped_column(default=list)  # by, at: one person each
    decided_at: Mapped[datetime | None]  # the last approval, or the refusal
    decided_by: Mapped[UUID | None]
    decided_why: Mapped[str] = mapped_column(default="", server_default="")
    before: Mapped[Json] = mapped_column(default=dict)  # state, stage, unit, owner of the case until the approval
    reverse_at: Mapped[datetime | None]  # somebody said that it was mistaken
    reverse_by: Mapped[UUID | None]
    reverse_why: Mapped[str] = mapped_column(default="", server_default="")
    reversed_at: Mapped[datetime | None]
    reversed_by: Mapped[UUID | None]


class Complaint(Base):
    """Somebody complains of how he was treated (complaints.py). `about`: who works here; None = nobody is named."""

    __tablename__ = "complaints"
    __table_args__ = (
        Index(None, "case_id"),
        Index(None, "noted_at"),
        CheckConstraint("state IN ('OPEN','UPHELD','REJECTED')", name="state"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    number: Mapped[int] = mapped_column(BigInteger, Identity(start=1), unique=True)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    kind: Mapped[str]  # complaints.KINDS
    channel: Mapped[str]  # of the contact that is complained of
    about: Mapped[UUID | None]
    text: Mapped[str]
    noted_at: Mapped[datetime]  # business time
    noted_by: Mapped[UUID]
    answer_by: Mapped[date]
    state: Mapped[str] = mapped_column(default="OPEN")
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[UUID | None]
    answer: Mapped[str] = mapped_column(default="", server_default="")
