"""People who work here, their logins, and who looked at what."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Json, Key, Serial, new_key


class Unit(Base):
    """A part of the house that works cases: contact centre, letters, visits, legal … `name` empty = the catalogue's words."""

    __tablename__ = "staff_units"

    code: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(default="", server_default="")
    head_id: Mapped[UUID | None]  # whose list late tasks go up to
    active: Mapped[bool] = mapped_column(default=True, server_default="true")


class User(Base):
    """One login. `extension` is the phone number inside the house: desk phone `agent-101`, browser phone `agent-101-web`;
    `bank_number` that of his phone on the bank's own exchange. `line`: kept up all shift, or rung for each call."""

    __tablename__ = "staff_users"
    __table_args__ = (
        CheckConstraint("role IN ('agent','supervisor','manager','admin')", name="role"),
        CheckConstraint("line IN ('','kept','per_call')", name="line"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    login: Mapped[str] = mapped_column(unique=True)
    full_name: Mapped[str]
    role: Mapped[str]
    password_hash: Mapped[str]
    unit: Mapped[str | None] = mapped_column(ForeignKey("staff_units.code"))
    language: Mapped[str] = mapped_column(default="uk")
    extension: Mapped[int | None] = mapped_column(unique=True)
    bank_number: Mapped[str | None] = mapped_column(unique=True)
    line: Mapped[str] = mapped_column(default="", server_default="")  # empty = as the house has it
    region: Mapped[str] = mapped_column(default="", server_default="")  # where he works, for alarms (FL-15)
    branch: Mapped[str] = mapped_column(default="", server_default="")  # whose cases alone he sees; empty = of all
    active: Mapped[bool] = mapped_column(default=True)
    robot: Mapped[bool] = mapped_column(default=False)
    failed_logins: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Login(Base):
    """A browser's session. Only the SHA-256 of its cookie is kept, so that a copy of the table opens nothing."""

    __tablename__ = "staff_logins"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("staff_users.id"))
    csrf: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_why: Mapped[str] = mapped_column(default="", server_default="")  # TAKEN: by a later login of the same person


class AccessEntry(Base):
    """Append-only: who did or saw what (card seen, recording heard, login, stop lifted). Times are the machine's."""

    __tablename__ = "staff_access"
    __table_args__ = (Index(None, "case_id", "at"),)

    id: Mapped[Serial]
    at: Mapped[datetime]
    user_id: Mapped[UUID | None]
    act: Mapped[str]
    case_id: Mapped[UUID | None]
    object_id: Mapped[str] = mapped_column(default="")
    detail: Mapped[Json] = mapped_column(default=dict[str, Any])


class ApiAnswer(Base):
    """What a client was told under an Idempotency-Key, to tell it the same again (kept clients.KEPT)."""

    __tablename__ = "api_answers"
    __table_args__ = (Index(None, "at"),)

    client: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]  # SHA-256 of path and body
    answer: Mapped[Json] = mapped_column(default=dict, server_default="{}")
    at: Mapped[datetime]  # the machine's time


class ApiClient(Base):
    """A system of the bank that may call the API. Only the SHA-256 of its key is kept."""

    __tablename__ = "api_clients"
    __table_args__ = (CheckConstraint("per_minute > 0", name="per_minute"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    key_hash: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    per_minute: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    revoked_at: Mapped[datetime | None]
