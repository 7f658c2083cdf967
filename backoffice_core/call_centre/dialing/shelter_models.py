"""Alarms by region (FL-15)."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Serial


class Shelter(Base):
    """One alarm of one region: while `until` is empty its agents are in a paid pause and nobody there is called. `undone`:
    pressed by mistake. Stamps are the machine's."""

    __tablename__ = "shelters"
    __table_args__ = (Index("uq_shelters_open", "region", unique=True, postgresql_where="until IS NULL"),)

    id: Mapped[Serial]
    region: Mapped[str]
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    by: Mapped[str]
    ended_by: Mapped[str] = mapped_column(default="", server_default="")
    undone: Mapped[bool] = mapped_column(default=False, server_default="false")
