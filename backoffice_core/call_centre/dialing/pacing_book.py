"""What is kept of pacing: the pacer's memory for the next leader, and decisions that can be read back."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.dialing.campaign_models import PacerMemory, PacingDecision

KEPT = timedelta(days=30)  # as long as the longest window of the account of abandoned calls
PRUNE_AT_ONCE = 20_000


async def memory(s: AsyncSession, pool: str) -> dict[str, Any] | None:
    """Of this pool; else of the newest one that shared a campaign with it."""
    rows = (await s.scalars(select(PacerMemory).order_by(PacerMemory.at.desc()))).all()
    own = set(pool.split("+"))
    rows = sorted(rows, key=lambda row: row.pool != pool)
    return next((row.memory for row in rows if own & set(row.pool.split("+"))), None)


async def keep_memory(s: AsyncSession, pool: str, memory: Mapping[str, Any], wall: datetime) -> None:
    row = pg_insert(PacerMemory).values(pool=pool, at=wall, memory=dict(memory))
    taken = {"at": row.excluded.at, "memory": row.excluded.memory}
    await s.execute(row.on_conflict_do_update(index_elements=["pool"], set_=taken))


async def keep_decisions(s: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """`rows`: columns of `PacingDecision`."""
    if rows:
        await s.execute(insert(PacingDecision), list(rows))


async def decisions(s: AsyncSession, limit: int = 20, pool: str = "", before: int = 0) -> list[PacingDecision]:
    """Newest first; those of smaller id than `before`, 0 = all."""
    query = select(PacingDecision).order_by(PacingDecision.id.desc()).limit(limit)
    query = query.where(PacingDecision.id < before) if before else query
    return list(await s.scalars(query.where(PacingDecision.pool == pool) if pool else query))


async def last_of_each_pool(s: AsyncSession, since: datetime) -> list[PacingDecision]:
    """The newest decision of each pool that decided since then."""
    d = PacingDecision
    newest = select(func.max(d.id)).where(d.at >= since).group_by(d.pool)
    return list(await s.scalars(select(d).where(d.id.in_(newest)).order_by(d.pool)))


async def prune(s: AsyncSession, wall: datetime) -> int:
    """Deletes the oldest decisions that are past `KEPT`, some at a time; how many."""
    old = select(PacingDecision.id).where(PacingDecision.at < wall - KEPT).limit(PRUNE_AT_ONCE)
    done = await s.execute(delete(PacingDecision).where(PacingDecision.id.in_(old)))
    return int(done.rowcount)  # type: ignore[attr-defined]
