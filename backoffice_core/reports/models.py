"""Where a loan stood before the bank moved it: a report as at that time counts it there."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
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
