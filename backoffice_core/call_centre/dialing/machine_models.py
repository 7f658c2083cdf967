"""What was heard of who answers: a person or a machine."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base


class MachineVerdict(Base):
    """One answered call that was listened to. `released`: nobody was left with it. `sampled`: a machine's by the verdict, and
    given to an agent all the same, whose word is `judged`."""

    __tablename__ = "machine_verdicts"
    __table_args__ = (
        Index("ix_machine_verdicts_sampled", "campaign", "business_at", postgresql_where="sampled"),
        Index(None, "business_at"),
        CheckConstraint("mode IN ('beside','before')", name="mode"),
        CheckConstraint("verdict IN ('MACHINE','PERSON','UNSURE')", name="verdict"),
        CheckConstraint("judged IN ('','MACHINE','PERSON')", name="judged"),
    )

    call_id: Mapped[UUID] = mapped_column(primary_key=True)
    campaign: Mapped[str]
    mode: Mapped[str]
    verdict: Mapped[str]
    why: Mapped[str]  # machine_rules.Verdict
    at_s: Mapped[Decimal] = mapped_column(Numeric(6, 2))  # heard so long
    released: Mapped[bool]
    sampled: Mapped[bool]
    business_at: Mapped[datetime]  # business time
    judged: Mapped[str] = mapped_column(default="", server_default="")
    judged_by: Mapped[UUID | None]
    judged_at: Mapped[datetime | None]
