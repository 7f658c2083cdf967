"""What was learned of numbers and hours, for the order of the queue (`learned.py`)."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Json


class NumberChance(Base):
    """A number that was called of late. `right_party`, `answered`: the chance that the borrower, and that anybody, answers
    in each of the 24 hours of the borrower's day, in parts of 10,000, two bytes each, the lower first. Made anew each night."""

    __tablename__ = "number_chances"

    contact_point_id: Mapped[UUID] = mapped_column(primary_key=True)
    tried: Mapped[int]
    right_party: Mapped[bytes] = mapped_column(LargeBinary)
    answered: Mapped[bytes] = mapped_column(LargeBinary)


class ChancesLearned(Base):
    """A night that learned. `groups`: the same chances of a number that nobody has called yet, by age of the debt and place
    in the file; `handle`: seconds with the borrower, with somebody else, and of a dial's ringing."""

    __tablename__ = "chances_learned"

    business_date: Mapped[date] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    numbers: Mapped[int]
    groups: Mapped[Json]
    handle: Mapped[Json]
    learned_at: Mapped[datetime]
