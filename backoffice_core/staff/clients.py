"""Systems of the bank that may call the API: their keys, what each may do. Of a key only the SHA-256 is kept."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.staff.models import ApiAnswer, ApiClient

SCOPES = ("contacts", "stop-list", "shelter", "counts", "payments", "portfolio", "read", "docs")
KEPT = timedelta(days=3)  # for so long an answer is given again to the same Idempotency-Key
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")
_PREFIX = "bo_"  # a key found in a log or a repository can be told for what it is


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()  # 256 random bits need no slow hash


async def add(s: AsyncSession, name: str, *, scopes: Sequence[str], per_minute: int, wall: datetime, by: str) -> str:
    """Gives a client a new key, which nobody can read again; the client's former key ends. Raises BadInput."""
    name = name.strip().lower()
    if not _NAME.fullmatch(name):
        raise BadInput(f"“{name}” cannot be a client.", remedy="Use 2–40 of a–z, 0–9, dot, dash.", field="name")
    if strange := sorted(set(scopes) - set(SCOPES)):
        raise BadInput(f"There is no scope “{strange[0]}”.", remedy=f"Scopes: {', '.join(SCOPES)}.", field="scope")
    key = _PREFIX + secrets.token_urlsafe(32)
    row = await s.get(ApiClient, name) or ApiClient(name=name)
    row.key_hash, row.scopes, row.per_minute = _digest(key), sorted(set(scopes)), per_minute
    row.created_at, row.created_by, row.revoked_at = wall, by, None
    s.add(row)
    await s.flush()
    audit.note(s, f"os:{by}", "CLIENT_ADDED", name, {"scopes": row.scopes, "per_minute": per_minute})
    return key


async def revoke(s: AsyncSession, name: str, *, wall: datetime, by: str) -> None:
    """Raises NotFound."""
    row = await s.get(ApiClient, name.strip().lower())
    if row is None:
        raise NotFound(f"There is no client “{name}”.", remedy="`backoffice client list` shows them.")
    if row.revoked_at is None:
        row.revoked_at = wall
        audit.note(s, f"os:{by}", "CLIENT_REVOKED", row.name)


async def find(s: AsyncSession, key: str) -> ApiClient | None:
    """Whose key this is; None when it is nobody's any more."""
    query = select(ApiClient).where(ApiClient.key_hash == _digest(key), ApiClient.revoked_at.is_(None))
    return (await s.execute(query)).scalar_one_or_none()


async def every(s: AsyncSession) -> Sequence[ApiClient]:
    return (await s.scalars(select(ApiClient).order_by(ApiClient.name))).all()


async def said_before(s: AsyncSession, client: str, key: str, digest: str, *, wall: datetime) -> dict[str, Any] | None:
    """The answer that this client had for this Idempotency-Key; None = there was none, and its place is taken: a second
    request with the key waits for the end of this transaction. Raises BadInput when the key stood for something else."""
    row = insert(ApiAnswer).values(client=client, key=key, digest=digest, at=wall)
    if await s.scalar(row.on_conflict_do_nothing().returning(ApiAnswer.key)) is not None:
        return None
    found = await s.get_one(ApiAnswer, (client, key))
    if found.digest != digest:
        raise BadInput(
            "This Idempotency-Key stood for another request.", remedy="Give each request a key of its own.",
            field="Idempotency-Key",
        )  # fmt: skip
    return found.answer


async def say(s: AsyncSession, client: str, key: str, answer: dict[str, Any]) -> None:
    await s.execute(update(ApiAnswer).where(ApiAnswer.client == client, ApiAnswer.key == key).values(answer=answer))


async def forget(s: AsyncSession, wall: datetime) -> int:
    """Answers older than KEPT."""
    gone = await s.execute(delete(ApiAnswer).where(ApiAnswer.at < wall - KEPT).returning(ApiAnswer.key))
    return len(gone.all())
