"""What the queue of a day is placed by, and which cases wait to be judged anew."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Boolean, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Json, Serial


class QueueDay(Base):
    """A business date whose queue was built. `norms`: what its cases are compared with (`ordering.Norms`), so that a case
    judged anew during the day finds the same place as it would have found at night."""

    __tablename__ = "queue_days"

    business_date: Mapped[date] = mapped_column(primary_key=True)
    norms: Mapped[Json] = mapped_column(default=dict)
    built_at: Mapped[datetime]


class QueueMark(Base):
    """A case of which a fact has changed (`why`: which), in the transaction of that change; the worker judges it anew and
    takes the mark away. Written by the database itself (migration) or by `requeue.touched`. `case_id` empty: all open cases.
    `bulk`: one of very many, which let a single one pass."""

    __tablename__ = "queue_marks"
    __table_args__ = (
        Index(None, "bulk", "id"),
        Index("ix_queue_marks_everybody", "id", postgresql_where="case_id IS NULL"),
    )

    id: Mapped[Serial]
    case_id: Mapped[UUID | None]
    why: Mapped[str]
    bulk: Mapped[bool] = mapped_column(Boolean, default=False, server_default=text("false"))
    marked_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
