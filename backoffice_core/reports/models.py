"""Where a loan stood before the bank moved it: a report as at that time counts it there. And what contacts cost."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Serial


class LoanPlace(Base):
    """Append-only, written by the trigger `place_kept` of `loans`: the former portfolio, branch and product of a loan, which
    hold as at every moment up to `till`, the as-at time of the list that named others."""

    __tablename__ = "loan_places"
    __table_args__ = (Index(None, "loan_id", "till"),)

    id: Mapped[Serial]
    loan_id: Mapped[UUID] = mapped_column(ForeignKey("loans.id"))
    till: Mapped[datetime]  # business time
    portfolio: Mapped[str]
    branch: Mapped[str]
    product: Mapped[str]


class ContactCost(Base):
    """What one of a kind (costs.KINDS) costs from a day on, in the currency of the debt that it is for. Earlier rows stay."""

    __tablename__ = "contact_costs"
    __table_args__ = (CheckConstraint("amount >= 0", name="amount"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    valid_from: Mapped[date] = mapped_column(primary_key=True)
    amount: Mapped[Decimal] = mapped_column(Numeric(18, 4))
    set_by: Mapped[str] = mapped_column(default="")
