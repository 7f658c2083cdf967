"""People who borrowed, how they can be reached, and what is known about each number."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Numeric, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Key, Serial, new_key


class Person(Base):
    """A borrower. `time_zone` (IANA) comes from the place of residence; empty = unknown, and then nobody calls."""

    __tablename__ = "persons"

    id: Mapped[Key] = mapped_column(default=new_key)
    external_ref: Mapped[str] = mapped_column(unique=True)
    last_name: Mapped[str]
    first_name: Mapped[str]
    middle_name: Mapped[str] = mapped_column(default="")
    birth_date: Mapped[date | None]
    tax_id: Mapped[str] = mapped_column(default="")
    code_word: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="uk")
    jurisdiction: Mapped[str]
    region: Mapped[str] = mapped_column(default="")
    place: Mapped[str] = mapped_column(default="")
    time_zone: Mapped[str] = mapped_column(default="")
    demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]

    @property
    def full_name(self) -> str:
        return " ".join(part for part in (self.last_name, self.first_name, self.middle_name) if part)


class PersonFlag(Base):
    """A status that changes what may be done (bankrupt, inpatient, protected_military, deceased …), with its evidence."""

    __tablename__ = "person_flags"
    __table_args__ = (Index(None, "person_id"),)

    id: Mapped[Key] = mapped_column(default=new_key)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("persons.id"))
    flag: Mapped[str]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    evidence: Mapped[str] = mapped_column(default="")
    source: Mapped[str] = mapped_column(default="import")


class ContactPoint(Base):
    """One phone number of one person (domain.md 4.2 Phone). The same number may stand with several persons."""

    __tablename__ = "contact_points"
    __table_args__ = (
        UniqueConstraint("person_id", "kind", "value"),
        Index(None, "value"),
        CheckConstraint(
            "state IN ('UNVERIFIED','VERIFIED','SUSPECT','DEAD','UNREACHABLE','WRONG_PARTY')", name="state"
        ),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("persons.id"))
    kind: Mapped[str] = mapped_column(default="phone")
    value: Mapped[str]  # E.164 with its plus
    original: Mapped[str] = mapped_column(default="")  # as the bank's file wrote it
    owner_kind: Mapped[str] = mapped_column(default="self")  # self, work, relative, third_party, unknown
    owner_guessed: Mapped[bool] = mapped_column(default=False)  # read from words beside the number, or from none
    extension: Mapped[str] = mapped_column(default="")  # dialed after the answer
    number_type: Mapped[str] = mapped_column(default="unknown")  # mobile, fixed, fax (never dialed), unknown
    rank: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(default="UNVERIFIED")
    state_reason: Mapped[str] = mapped_column(default="")
    state_since: Mapped[datetime | None]
    state_facts: Mapped[dict[str, Any] | None] = mapped_column(JSONB)  # what led to it (`verdicts.Judged.facts`)


class PhoneEvidence(Base):
    """One observation for or against a number. A verdict is made from many (CC-10), never from one."""

    __tablename__ = "phone_evidence"
    __table_args__ = (
        Index(None, "contact_point_id", "at"),
        Index("ix_phone_evidence_trunk", "trunk", "at", postgresql_where="trunk <> ''"),
    )

    id: Mapped[Serial]
    contact_point_id: Mapped[UUID] = mapped_column(ForeignKey("contact_points.id"))
    at: Mapped[datetime]  # business time
    # dead, alive, right_party, wrong_party, revived, rings (of suspects only); trunk and announcement count for nothing
    sign: Mapped[str]
    sip_code: Mapped[int | None]
    cause: Mapped[int | None]
    trunk: Mapped[str] = mapped_column(default="")
    announcement: Mapped[str] = mapped_column(default="")  # what the network said, as `switched_off`
    call_id: Mapped[UUID | None] = mapped_column(unique=True)
    rang_s: Mapped[int | None]  # seconds of ringing before a refusal
    # of a refusal: the number had been answered within sixty days
    lived: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class NumberTerm(Base):
    """A dated weight or threshold of the verdicts on numbers; what has no row is as in `verdicts.Terms` (CC-10, CC-11)."""

    __tablename__ = "number_terms"

    id: Mapped[Serial]
    name: Mapped[str]
    value: Mapped[Decimal] = mapped_column(Numeric(12, 4))
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    source: Mapped[str] = mapped_column(default="")  # who decided it, and why
