"""Cards that agents look at before they dial."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Key, new_key


class Preview(Base):
    """One task that was shown to one agent before the dial. Open while `ended_at` is empty: then nobody else gets the task,
    and the agent's seat (`AgentSession.previewing`) has this id in `call_id`. Stamps are the machine's unless said."""

    __tablename__ = "previews"
    __table_args__ = (
        Index("uq_previews_task", "task_id", unique=True, postgresql_where="ended_at IS NULL"),
        Index("uq_previews_session", "session_id", unique=True, postgresql_where="ended_at IS NULL"),
        Index(None, "shown_at"),
        CheckConstraint("ended IN ('','DIALED','SKIPPED','LEFT','REFUSED','WITHDRAWN')", name="ended"),
    )

    id: Mapped[Key] = mapped_column(default=new_key)
    task_id: Mapped[UUID]
    case_id: Mapped[UUID]
    campaign: Mapped[str]
    user_id: Mapped[UUID]
    session_id: Mapped[UUID]
    business_at: Mapped[datetime]  # business time
    shown_at: Mapped[datetime]
    until: Mapped[datetime]  # then it goes back to the queue
    dial_at: Mapped[datetime | None]  # the agent's key; the dialer places it within seconds or never
    ended_at: Mapped[datetime | None]
    ended: Mapped[str] = mapped_column(default="", server_default="")
    reason: Mapped[str] = mapped_column(default="", server_default="")  # of a skip or a refusal
    call_id: Mapped[UUID | None]
