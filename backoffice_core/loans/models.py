"""Loan accounts as the bank's file gives them, with the moment they were true (`balance_source = core`).

A row of `loans` is the present: the newest statement of the bank less the payments that came after its `as_at`. The past is
in facts that are only appended: `loan_balances` (statements) and `payments`.
"""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, UniqueConstraint, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Json, Key, Money, Serial, new_key


class Loan(Base):
    __tablename__ = "loans"
    __table_args__ = (
        CheckConstraint("days_past_due >= 0", name="days_past_due"),
        Index(None, "person_id"),
        Index(None, "branch", "person_id"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("persons.id"))
    contract_no: Mapped[str] = mapped_column(unique=True)
    portfolio: Mapped[str] = mapped_column(default="main")
    product: Mapped[str] = mapped_column(default="")
    branch: Mapped[str] = mapped_column(default="")
    currency: Mapped[str] = mapped_column(default="UAH")
    opened: Mapped[date | None]
    balance: Mapped[Money]
    overdue_principal: Mapped[Decimal] = mapped_column(Numeric(18, 2), default=Decimal(0))
    overdue_interest: Mapped[Decimal] = mapped_column(Numeric(18, 2), default=Decimal(0))
    overdue_penalty: Mapped[Decimal] = mapped_column(Numeric(18, 2), default=Decimal(0))
    overdue_fee: Mapped[Decimal] = mapped_column(Numeric(18, 2), default=Decimal(0), server_default=text("0"))
    paid_since: Mapped[Decimal] = mapped_column(Numeric(18, 2), default=Decimal(0), server_default=text("0"))
    days_past_due: Mapped[int]
    next_due: Mapped[date | None]
    next_amount: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    as_at: Mapped[datetime]  # business time at which the bank's core said so; `paid_since` came later and is taken off
    import_id: Mapped[UUID | None] = mapped_column(ForeignKey("imports.id"))
    demo: Mapped[bool] = mapped_column(default=False)
    source: Mapped[str] = mapped_column(default="")  # the list that last named it (ImportSource)
    missing_since: Mapped[datetime | None]  # business time of the first full list of its source without it
    missing_note: Mapped[str] = mapped_column(default="")  # the explanation; while empty, nobody calls

    @hybrid_property
    def overdue(self) -> Decimal:
        return self.overdue_principal + self.overdue_interest + self.overdue_penalty + self.overdue_fee


class LoanBalance(Base):
    """Append-only: what the bank's core said of a loan, and as at when. A statement equal to the one before is not kept.

    `correction`: said later about a time for which the bank had said something else; the former is kept, and answers whoever
    asks what was known then (`recorded_at`).
    """

    __tablename__ = "loan_balances"
    __table_args__ = (Index("ix_loan_balances_as_at", "loan_id", "as_at", "id"),)

    id: Mapped[Serial]
    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loans.id"))
    as_at: Mapped[datetime]  # business time
    recorded_at: Mapped[datetime]  # business time
    balance: Mapped[Money]
    overdue_principal: Mapped[Money]
    overdue_interest: Mapped[Money]
    overdue_penalty: Mapped[Money]
    overdue_fee: Mapped[Money]
    days_past_due: Mapped[int]
    next_due: Mapped[date | None]
    next_amount: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    correction: Mapped[bool] = mapped_column(default=False)
    note: Mapped[str] = mapped_column(default="")


class Payment(Base):
    """Append-only: money that came in, or went back (`REVERSAL`, always of the whole payment). One row a reference.

    `principal` … `fee` add up to `amount`: as the bank says, or by the order of loans/orders.py (`split_by` = here).
    """

    __tablename__ = "payments"
    __table_args__ = (
        Index(None, "loan_id", "paid_at"),
        Index("uq_payments_reverses", "reverses", unique=True, postgresql_where="reverses IS NOT NULL"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("kind IN ('PAYMENT','REVERSAL')", name="kind"),
        CheckConstraint("(kind = 'REVERSAL') = (reverses IS NOT NULL)", name="reverses"),
        CheckConstraint("principal + interest + penalty + fee = amount", name="split"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    external_ref: Mapped[str] = mapped_column(unique=True)  # the bank's, unique over all its systems
    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loans.id"))
    kind: Mapped[str] = mapped_column(default="PAYMENT")
    reverses: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id"))
    amount: Mapped[Money]
    currency: Mapped[str]
    principal: Mapped[Money]
    interest: Mapped[Money]
    penalty: Mapped[Money]
    fee: Mapped[Money]
    split_by: Mapped[str] = mapped_column(default="bank")  # bank, here
    channel: Mapped[str] = mapped_column(default="")  # cash, transfer …, in the bank's word
    paid_at: Mapped[datetime]  # business time: when it counts
    recorded_at: Mapped[datetime]  # business time: when we were told
    recorded_by: Mapped[str] = mapped_column(default="")


class Instalment(Base):
    """What falls due on a day, where the bank gives schedules. A schedule replaces the contract's former one whole."""

    __tablename__ = "instalments"
    __table_args__ = (CheckConstraint("amount > 0 AND paid >= 0", name="amount"),)

    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loans.id"), primary_key=True)
    due_date: Mapped[date] = mapped_column(primary_key=True)
    amount: Mapped[Money]
    paid: Mapped[Money] = mapped_column(
        default=Decimal(0)
    )  # of it, by `as_at`; later payments fill up the oldest first
    as_at: Mapped[datetime]  # business time


class PortfolioNight(Base):
    """How far the night of a portfolio came. LATE = the latest end came first: nobody in it is called on old stages."""

    __tablename__ = "portfolio_nights"
    __table_args__ = (CheckConstraint("state IN ('DONE','LATE')", name="state"),)

    portfolio: Mapped[str] = mapped_column(primary_key=True)
    business_date: Mapped[date] = mapped_column(primary_key=True)
    state: Mapped[str]
    at: Mapped[datetime]  # the machine's time


class Import(Base):
    """One accepted file. The digest makes the same file twice a file once."""

    __tablename__ = "imports"

    id: Mapped[Key] = mapped_column(default=new_key)
    kind: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    file_name: Mapped[str]
    rows: Mapped[int]
    imported_at: Mapped[datetime]
    imported_by: Mapped[str] = mapped_column(default="")
    counts: Mapped[Json] = mapped_column(default=dict)
    source: Mapped[str] = mapped_column(default="")
    mode: Mapped[str] = mapped_column(default="")  # full, delta; empty = no source said so
    business_date: Mapped[date | None]  # that of the file
    valid_for: Mapped[date | None]  # the business date on which it may be dialed
    figures: Mapped[Json] = mapped_column(default=dict)  # control.Figures, with what a person confirmed


class ImportSource(Base):
    """A system of the bank that sends lists: how its headers are read, and what its files must look like (FL-07)."""

    __tablename__ = "import_sources"

    name: Mapped[str] = mapped_column(primary_key=True)
    mapping: Mapped[Json] = mapped_column(default=dict)  # header in small letters -> column
    settings: Mapped[Json] = mapped_column(default=dict)  # layout.SETTINGS
    updated_at: Mapped[datetime]
    updated_by: Mapped[str] = mapped_column(default="")


class StopEntry(Base):
    """Whom not to call by word of the bank (FL-08). By key, so that it may come before the borrower does."""

    __tablename__ = "stop_list"
    __table_args__ = (
        UniqueConstraint("kind", "value", "source"),
        CheckConstraint("kind IN ('person','contract','phone')", name="kind"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    kind: Mapped[str]
    value: Mapped[str]  # person_ref, contract number, E.164 with its plus
    reason: Mapped[str]
    since: Mapped[date]
    until: Mapped[date | None]  # the last day; None = until lifted
    source: Mapped[str] = mapped_column(default="")
    added_at: Mapped[datetime]
    added_by: Mapped[str] = mapped_column(default="")


class PaymentOrder(Base):
    """From a day on: in which order a payment covers what is overdue of a product's loans (orders.py). `product` empty = all that
    have no row of their own. Counts once a second person approved it; earlier rows stay for the days before."""

    __tablename__ = "payment_orders"
    __table_args__ = (
        CheckConstraint("state IN ('PROPOSED','APPROVED','REFUSED')", name="state"),
        Index("ix_payment_orders_product", "product", "valid_from"),
    )

    id: Mapped[Serial]
    product: Mapped[str] = mapped_column(default="", server_default="")
    order: Mapped[list[str]]
    valid_from: Mapped[date]
    source: Mapped[str]  # the law or the contract that says so
    state: Mapped[str] = mapped_column(default="PROPOSED")
    proposed_at: Mapped[datetime]  # business time
    proposed_by: Mapped[str]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str] = mapped_column(default="", server_default="")
