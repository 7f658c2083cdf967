"""What the borrower promised."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Key, new_key


class Promise(Base):
    """A promise to pay (domain.md 4.2 Promise). One call makes at most one."""

    __tablename__ = "promises"
    __table_args__ = (
        Index(None, "case_id"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("state IN ('OPEN','PARTIAL','KEPT','BROKEN','CANCELLED')", name="state"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("cases.id"))
    call_id: Mapped[UUID | None] = mapped_column(unique=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 2))
    currency: Mapped[str]
    due_date: Mapped[date]
    grace_days: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(default="OPEN")
    made_at: Mapped[datetime]
    made_by: Mapped[UUID | None]
