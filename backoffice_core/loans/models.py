"""Loan accounts as the bank's file gives them, with the moment they were true (`balance_source = core`)."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, UniqueConstraint
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
    source: Mapped[str] = mapped_column(default="")  # the list that last named it (ImportSource)
    missing_since: Mapped[datetime | None]  # business time of the first full list of its source without it
    missing_note: Mapped[str] = mapped_column(default="")  # the explanation; while empty, nobody calls

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
