"""Tables of compliance: rules (append-only versions), decisions (the bank's proof), the ledger of contacts, holidays.

The ledger and the decisions carry plain keys of persons, loans and calls: they outlive the erasure of what they name.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Numeric, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Key, new_key

LIVE_CALL = text("state = 'RESERVED' AND direction = 'outbound' AND channel IN ('call', 'robot')")
ELSEWHERE = text("source IS NOT NULL")
ABANDONED = text("abandoned OR (uncertain AND state = 'COMMITTED')")


class ComplianceRule(Base):
    """One version of one rule; rows are only added. `row` is the row of the rule file as JSON."""

    __tablename__ = "compliance_rules"
    __table_args__ = (CheckConstraint("version > 0", name="version"),)

    rule_id: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    row: Mapped[dict[str, Any]]
    loaded_at: Mapped[datetime] = mapped_column(server_default=func.now())
    loaded_by: Mapped[str]


class ComplianceDecision(Base):
    """What was asked, what was consulted (rule ids with versions), what was answered. `at` is business time."""

    __tablename__ = "compliance_decisions"
    __table_args__ = (Index(None, "person_id", "at"), Index(None, "call_id"))

    id: Mapped[Key] = mapped_column(default=new_key)
    at: Mapped[datetime]
    person_id: Mapped[UUID]
    contact: Mapped[dict[str, Any]]
    allow: Mapped[bool]
    reasons: Mapped[list[Any]] = mapped_column(JSONB)
    next_allowed_at: Mapped[datetime | None]
    must: Mapped[list[Any]] = mapped_column(JSONB)
    consulted: Mapped[list[Any]] = mapped_column(JSONB)
    call_id: Mapped[UUID | None]
    inputs: Mapped[dict[str, Any] | None]  # records.Inputs: all else that the answer hangs on; NULL in old rows


class ComplianceBook(Base):
    """The rules and the calendar that decisions were made with, once for each state they were in; rows are only added."""

    __tablename__ = "compliance_books"

    digest: Mapped[str] = mapped_column(primary_key=True)
    versions: Mapped[list[Any]] = mapped_column(JSONB)  # [rule, version, SHA-256 of its row]
    calendar: Mapped[list[Any]] = mapped_column(JSONB)  # [jurisdiction, day, working]
    code: Mapped[str]  # digest of the evaluator's own source
    made_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ContactLedger(Base):
    """Every contact with a person from which a cap is counted, ours and those made elsewhere (`source`, `source_id`).

    A call is RESERVED in the transaction that hands its number to the dialer, and COMMITTED or FREED by its end.
    `at` is business time; `minutes` of talk, NULL = not known; `exceptions`: those it was made under.
    """

    __tablename__ = "contact_ledger"
    __table_args__ = (
        Index(None, "person_id", "at"),
        Index(None, "number", "at"),
        # FL-20, the last guard: one live attempt per person and per number, whatever the code above believes.
        Index("uq_contact_ledger_live_person", "person_id", unique=True, postgresql_where=LIVE_CALL),
        Index("uq_contact_ledger_live_number", "number", unique=True, postgresql_where=LIVE_CALL),
        Index(
            "uq_contact_ledger_elsewhere", "source", "source_id", "person_id", unique=True, postgresql_where=ELSEWHERE
        ),
        Index("ix_contact_ledger_elsewhere", "source", "at", postgresql_where=ELSEWHERE),
        # Asked before each call: a person's whole history is not read for it.
        Index("ix_contact_ledger_abandoned", "person_id", "at", postgresql_where=ABANDONED),
        CheckConstraint("state IN ('RESERVED', 'COMMITTED', 'FREED')", name="state"),
        CheckConstraint("direction IN ('outbound', 'inbound')", name="direction"),
        CheckConstraint("(source IS NULL) = (source_id IS NULL)", name="source"),
        CheckConstraint("minutes >= 0", name="minutes"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    person_id: Mapped[UUID]
    loan_id: Mapped[UUID | None]
    number: Mapped[str] = mapped_column(default="")
    channel: Mapped[str]
    actor: Mapped[str]
    purpose: Mapped[str | None]
    direction: Mapped[str] = mapped_column(default="outbound")
    campaign: Mapped[str | None]
    at: Mapped[datetime]
    state: Mapped[str] = mapped_column(default="COMMITTED")
    conversation: Mapped[bool] = mapped_column(default=False)
    delivered: Mapped[bool] = mapped_column(default=False)
    machine_message: Mapped[bool] = mapped_column(default=False)
    abandoned: Mapped[bool] = mapped_column(default=False)
    uncertain: Mapped[bool] = mapped_column(default=False)
    minutes: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    exceptions: Mapped[list[str]] = mapped_column(default=list)
    call_id: Mapped[UUID | None] = mapped_column(unique=True)
    decision_id: Mapped[UUID | None]
    source: Mapped[str | None]
    source_id: Mapped[str | None]


class ContactSource(Base):
    """Who reports contacts made elsewhere: an SMS gateway, an agency, another dialer (FL-09). Times are business time."""

    __tablename__ = "contact_sources"
    __table_args__ = (CheckConstraint("every_minutes >= 0", name="every_minutes"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    channel: Mapped[str]  # of rows that name none
    actor: Mapped[str]
    every_minutes: Mapped[int]  # how often it reports, at least with nothing to report; 0 = it is never late
    covered_to: Mapped[datetime]  # up to when its contacts are known; at first, when it was set up
    set_by: Mapped[str] = mapped_column(default="")


class ContactUnmatched(Base):
    """A contact made elsewhere with nobody we know; it is matched again when borrowers come. `row`: feeds.Fed."""

    __tablename__ = "contacts_unmatched"

    source: Mapped[str] = mapped_column(primary_key=True)
    source_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    row: Mapped[dict[str, Any]]
    received_at: Mapped[datetime]  # the machine's time


class Consent(Base):
    """A person's consent to contacts for one purpose by one channel. Of what was said only its end and its withdrawal come
    later; who agrees anew gets another row. Times are business time."""

    __tablename__ = "consents"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index(None, "person_id"),
        CheckConstraint("evidence <> ''", name="evidence"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    person_id: Mapped[UUID]
    purpose: Mapped[str]
    channel: Mapped[str]
    number: Mapped[str] = mapped_column(default="")  # E.164 with its plus; "" = whichever of his
    given_at: Mapped[datetime]
    how: Mapped[str]  # consents.WAYS
    evidence: Mapped[str]
    until: Mapped[date | None]  # its last day, in all zones of his; None = open
    withdrawn_at: Mapped[datetime | None]
    withdrawn_why: Mapped[str] = mapped_column(default="")
    source: Mapped[str]  # who recorded it: client:<name>, file:<name>, console
    external_id: Mapped[str]  # the source's own id
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[str]  # as the audit has it


class WorkCalendar(Base):
    """A day that is not what its weekday says. Seeded; a person may add and change rows, and seeding keeps them."""

    __tablename__ = "work_calendar"

    jurisdiction: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    working: Mapped[bool]
    name: Mapped[str] = mapped_column(default="")
    updated_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp(), onupdate=func.clock_timestamp())
