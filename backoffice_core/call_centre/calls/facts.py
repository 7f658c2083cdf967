"""Facts of channels as the listener heard them, and how far each source is written: saved and read back in bulk."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.models import ChannelFact, ListenerPosition

KEPT = timedelta(days=7)  # as evidence in a dispute of what was heard; the case history is for ever
PURGE_AT_ONCE = 20_000  # rows of one transaction

Packed = Sequence[Any]  # kind, channel, stamp in seconds, from CEL?, then the kind's own values

_SAVE = text(
    """
    -- save_facts: all at once, with the positions up to which the sources are read; a fact that is there is left alone
    WITH moved AS (
        INSERT INTO listener_positions (source, file, position, at)
        SELECT source, file, position, cast(:wall AS timestamptz)
            FROM unnest(cast(:sources AS text[]), cast(:files AS text[]), cast(:positions AS bigint[]))
                AS one (source, file, position)
            ON CONFLICT (source) DO UPDATE SET file = excluded.file, position = excluded.position, at = excluded.at
    )
    INSERT INTO channel_facts (channel, kind, at, cel, detail)
    SELECT * FROM unnest(cast(:channels AS text[]), cast(:kinds AS text[]), cast(:stamps AS timestamptz[]),
                         cast(:cels AS boolean[]), cast(:details AS jsonb[]))
        ON CONFLICT DO NOTHING
    """
)
_PURGE = text(
    """
    -- purge_facts: the oldest first, some at a time
    DELETE FROM channel_facts WHERE id IN (SELECT id FROM channel_facts WHERE at < :before ORDER BY at LIMIT :limit)
    """
)


async def save(
    s: AsyncSession,
    facts: Iterable[Packed],
    moved: Mapping[str, tuple[str, int]] | None = None,
    wall: datetime | None = None,
) -> None:
    """`moved`: source -> file and position up to which it is read, as of `wall`."""
    rows, kept = list(facts), moved or {}
    if rows or kept:
        await s.execute(
            _SAVE,
            {
                "channels": [row[1] for row in rows],
                "kinds": [row[0] for row in rows],
                "stamps": [datetime.fromtimestamp(row[2], UTC) for row in rows],
                "cels": [row[3] for row in rows],
                "details": [json.dumps(row[4:]) for row in rows],
                "sources": list(kept),
                "files": [file for file, _ in kept.values()],
                "positions": [at for _, at in kept.values()],
                "wall": wall,
            },
        )


async def of_channels(s: AsyncSession, channels: Iterable[str], since: datetime) -> list[list[Any]]:
    """Facts of these channels at or after `since`, as they were given to `save`, in the order of their instants."""
    query = (
        select(ChannelFact)
        .where(ChannelFact.channel.in_(list(channels)), ChannelFact.at >= since)
        .order_by(ChannelFact.at, ChannelFact.id)
    )
    return [[fact.kind, fact.channel, fact.at.timestamp(), fact.cel, *fact.detail] for fact in await s.scalars(query)]


async def purge(s: AsyncSession, wall: datetime) -> int:
    """Takes out facts older than KEPT; how many, at most PURGE_AT_ONCE."""
    done = await s.execute(_PURGE, {"before": wall - KEPT, "limit": PURGE_AT_ONCE})
    return int(done.rowcount)  # type: ignore[attr-defined]


async def positions(s: AsyncSession) -> dict[str, tuple[str, int]]:
    """Source -> file and position."""
    return {one.source: (one.file, one.position) for one in await s.scalars(select(ListenerPosition))}
