"""Rows of recordings: written before the file, sealed after the call."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.models import CallAttempt, Recording
from backoffice_core.staff import service as staff

MISSING_AFTER = timedelta(minutes=2)  # an answered call whose file has not come by then has none


async def find(s: AsyncSession, call_id: UUID) -> Recording | None:
    return await s.get(Recording, call_id)


async def due(s: AsyncSession, limit: int = 50) -> list[tuple[Recording, CallAttempt]]:
    """Recordings of ended calls that are not sealed, oldest first."""
    query = (
        select(Recording, CallAttempt)
        .join(CallAttempt, CallAttempt.id == Recording.call_id)
        .where(Recording.state == "EXPECTED", CallAttempt.ended_at.is_not(None))
        .order_by(CallAttempt.ended_at)
        .limit(limit)
    )
    return [(recording, attempt) for recording, attempt in (await s.execute(query)).all()]


async def note_access(s: AsyncSession, user_id: UUID, call_id: UUID, wall: datetime) -> None:
    """One listening, written and committed before the first byte goes out (TL-04)."""
    recording = await s.get(Recording, call_id)
    case_id = recording.case_id if recording else None
    staff.note_access(s, user_id, "RECORDING_HEARD", wall, case_id=case_id, object_id=str(call_id))
