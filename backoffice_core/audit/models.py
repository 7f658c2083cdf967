"""The audit chain: who did what, in an order that nobody can change unseen."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base


class AuditEntry(Base):
    """Append-only, by trigger too. `hash` covers this row and `prev`, the hash of the row before; times are the machine's."""

    __tablename__ = "audit_log"

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    who: Mapped[str]  # user:<id>, os:<account>, client:<name>, program:<name>
    act: Mapped[str]
    subject: Mapped[str]
    data: Mapped[dict[str, Any]]
    prev: Mapped[str]
    hash: Mapped[str]
