"""Who is told of events, and what he is still to be told. Triggers write the events beside the facts (migration 0032)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Json, Key, Serial, new_key


class Webhook(Base):
    """A subscription of a client: where to, and which kinds of events. Its secret is derived, never stored."""

    __tablename__ = "webhooks"
    __table_args__ = (
        CheckConstraint("state IN ('ACTIVE','PAUSED','ENDED')", name="state"),
        Index("uq_webhooks_name", "name", unique=True, postgresql_where="state <> 'ENDED'"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    name: Mapped[str]  # of the client
    url: Mapped[str]
    kinds: Mapped[list[str]]
    secret_no: Mapped[int] = mapped_column(default=1)  # one more with each new secret
    state: Mapped[str] = mapped_column(default="ACTIVE")  # PAUSED: events are kept and not sent
    created_at: Mapped[datetime]  # the machine's time, as all here but OutboxEvent.at
    created_by: Mapped[str]
    decisions_after: Mapped[UUID | None]  # decision.refused: read so far; NULL = not asked for


class OutboxEvent(Base):
    """An event for one subscriber. Those of one subject (a case, an entry of the stop-list) go out in the order of `id`."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("webhook_id", "event_id"),
        Index("ix_outbox_waiting", "webhook_id", "subject", "id", postgresql_where="state = 'WAITING'"),
        Index("ix_outbox_sent", "sent_at", postgresql_where="state = 'SENT'"),
        CheckConstraint("state IN ('WAITING','SENT','DEAD')", name="state"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id"))
    event_id: Mapped[str]  # the same for all subscribers and all tries
    kind: Mapped[str]
    subject: Mapped[str]
    case_id: Mapped[UUID | None]
    at: Mapped[datetime]  # business time of the fact
    data: Mapped[Json] = mapped_column(default=dict)
    state: Mapped[str] = mapped_column(default="WAITING", server_default="WAITING")
    tries: Mapped[int] = mapped_column(default=0, server_default="0")
    next_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    sent_at: Mapped[datetime | None]
    answered: Mapped[int | None]  # HTTP status of the last try; None = no answer
    error: Mapped[str] = mapped_column(default="", server_default="")


class OutboxTry(Base):
    """One attempt to tell an event, and what came of it; kept as long as the event."""

    __tablename__ = "outbox_tries"
    __table_args__ = (Index(None, "outbox_id"),)

    id: Mapped[Serial]
    outbox_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("outbox.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())  # when it was over
    ms: Mapped[int]
    answered: Mapped[int | None]  # HTTP status; None = no answer
    error: Mapped[str] = mapped_column(default="", server_default="")  # "" = heard
