"""Loan accounts as the bank's file gives them, with the moment they were true (`balance_source = core`)."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Json, Key, Money, new_key


class Loan(Base):
    __tablename__ = "loans"
    __table_args__ = (CheckConstraint("days_past_due >= 0", name="days_past_due"), Index(None, "person_id"))

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
    days_past_due: Mapped[int]
    next_due: Mapped[date | None]
    next_amount: Mapped[Decimal | None] = mapped_column(Numeric(18, 2))
    as_at: Mapped[datetime]  # business time at which the bank's core said so
    import_id: Mapped[UUID | None] = mapped_column(ForeignKey("imports.id"))
    demo: Mapped[bool] = mapped_column(default=False)

    @property
    def overdue(self) -> Decimal:
        return self.overdue_principal + self.overdue_interest + self.overdue_penalty


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
