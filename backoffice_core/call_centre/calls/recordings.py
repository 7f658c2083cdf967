"""Rows of recordings: written before the file, sealed after the call, deleted by rule; holds; the supervisor's list."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.models import CallAttempt, LegalHold, Recording, RecordingDeletion
from backoffice_core.cases.models import Case
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.loans.service import of_branch
from backoffice_core.staff import service as staff
from backoffice_core.staff.models import User

MISSING_AFTER = timedelta(seconds=30)  # an answered call whose file has not come by then has none
_DELETING = 0x0B0D1A5  # pg_advisory_xact_lock key: a hold and a deletion never pass each other


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


async def talking(s: AsyncSession, since: datetime) -> list[tuple[Recording, CallAttempt]]:
    """Recordings of talks that go on since before this moment."""
    query = (
        select(Recording, CallAttempt)
        .join(CallAttempt, CallAttempt.id == Recording.call_id)
        .where(Recording.state == "EXPECTED", CallAttempt.ended_at.is_(None), CallAttempt.bridged_at < since)
    )
    return [(recording, attempt) for recording, attempt in (await s.execute(query)).all()]


async def by_calls(s: AsyncSession, calls: Collection[UUID]) -> dict[UUID, Recording]:
    found: dict[UUID, Recording] = {}
    wanted = list(calls)
    for first in range(0, len(wanted), 5000):
        rows = await s.scalars(select(Recording).where(Recording.call_id.in_(wanted[first : first + 5000])))
        found |= {row.call_id: row for row in rows}
    return found


async def sealed(
    s: AsyncSession, since: datetime | None, after: UUID | None = None, limit: int = 2000
) -> list[Recording]:
    """Sealed recordings of calls begun since then, in the order of their calls' ids, page by page."""
    query = select(Recording).where(Recording.state == "SEALED").order_by(Recording.call_id).limit(limit)
    if since is not None:
        query = query.where(Recording.created_at >= since)
    if after is not None:
        query = query.where(Recording.call_id > after)
    return list(await s.scalars(query))


async def counts(s: AsyncSession) -> dict[str, int]:
    query = select(Recording.state, func.count()).group_by(Recording.state)
    return {state: count for state, count in (await s.execute(query)).all()}


async def missing(s: AsyncSession, limit: int = 1000) -> list[Recording]:
    """Answered calls that should have a recording and have none, newest first."""
    query = select(Recording).where(Recording.state == "MISSING").order_by(Recording.created_at.desc()).limit(limit)
    return list(await s.scalars(query))


async def note_access(s: AsyncSession, user_id: UUID, call_id: UUID, wall: datetime) -> None:
    """One listening, written and committed before the first byte goes out (TL-04)."""
    recording = await s.get(Recording, call_id)
    case_id = recording.case_id if recording else None
    staff.note_access(s, user_id, "RECORDING_HEARD", wall, case_id=case_id, object_id=str(call_id))


# --- what the supervisor is told -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BadSound:
    """A call whose sound or recording has something wrong; `faults` as in recordings/faults.py."""

    call_id: UUID
    case_number: int
    agent_name: str | None
    agent_phone: int | None
    at: datetime  # business time
    faults: list[str]


async def bad_sound(
    s: AsyncSession, start: datetime, end: datetime, limit: int = 50, *, branch: str = ""
) -> list[BadSound]:
    """Of the business day [start, end), newest first."""
    query = (
        select(
            Recording.call_id, Case.number, User.full_name, User.extension, CallAttempt.business_at, Recording.faults
        )
        .join(CallAttempt, CallAttempt.id == Recording.call_id)
        .join(Case, Case.id == CallAttempt.case_id)
        .outerjoin(User, User.id == CallAttempt.agent_id)
        .where(
            CallAttempt.business_at >= start,
            CallAttempt.business_at < end,
            func.jsonb_array_length(Recording.faults) > 0,
            of_branch(CallAttempt.person_id, branch),
        )
        .order_by(CallAttempt.business_at.desc())
        .limit(limit)
    )
    return [
        BadSound(call_id=call, case_number=case, agent_name=name, agent_phone=phone, at=at, faults=faults)
        for call, case, name, phone, at, faults in (await s.execute(query)).all()
    ]


# --- how much there is ---------------------------------------------------------------------------------------------

_PER_DAY = text(
    """
    -- stored_per_day: what a day with calls has added, mean of the last :days days that have any
    SELECT avg(bytes)::float AS bytes, avg(hours)::float AS hours, count(*) AS days
      FROM (SELECT sum(bytes) AS bytes, sum(seconds) / 3600 AS hours
              FROM recordings WHERE state = 'SEALED' AND created_at > cast(:wall AS timestamptz) - interval '30 days'
             GROUP BY date_trunc('day', created_at) ORDER BY date_trunc('day', created_at) DESC LIMIT :days) t
    """
)


@dataclass(frozen=True, kw_only=True)
class PerDay:
    """Means of the last days with calls; `days` = how many they were."""

    bytes: float
    hours: float
    days: int


async def stored_per_day(s: AsyncSession, wall: datetime, days: int = 7) -> PerDay | None:
    """None before the first sealed recording."""
    row = (await s.execute(_PER_DAY, {"wall": wall, "days": days})).mappings().one()
    return PerDay(**row) if row["days"] else None


# --- holds and deletion --------------------------------------------------------------------------------------------


async def place_hold(
    s: AsyncSession, *, case_id: UUID | None, call_id: UUID | None, reason: str, by: str, wall: datetime
) -> LegalHold:
    """From its commit on nothing of the case, or of the call, is deleted. Raises BadInput without a name and a reason."""
    _named(reason, by)
    await _one_at_a_time(s)
    hold = LegalHold(case_id=case_id, call_id=call_id, reason=reason.strip(), placed_by=by.strip(), placed_at=wall)
    s.add(hold)
    await s.flush()
    return hold


async def lift_hold(s: AsyncSession, hold_id: int, *, reason: str, by: str, wall: datetime) -> LegalHold:
    """Raises NotFound, or BadInput without a name and a reason."""
    _named(reason, by)
    hold = await s.get(LegalHold, hold_id, with_for_update=True)
    if hold is None or hold.lifted_at is not None:
        raise NotFound(f"There is no hold {hold_id} in force.", remedy="`backoffice recordings holds` lists them.")
    hold.lifted_by, hold.lifted_at, hold.lift_reason = by.strip(), wall, reason.strip()
    return hold


async def holds(s: AsyncSession, *, lifted: bool = False) -> list[tuple[LegalHold, int | None]]:
    """With the case's number."""
    query = select(LegalHold, Case.number).outerjoin(Case, Case.id == LegalHold.case_id).order_by(LegalHold.id)
    if not lifted:
        query = query.where(LegalHold.lifted_at.is_(None))
    return [(hold, number) for hold, number in (await s.execute(query)).all()]


def _named(reason: str, by: str) -> None:
    if not by.strip():
        raise BadInput("Who? A name is needed.", remedy="Give --by NAME.", field="by")
    if not reason.strip():
        raise BadInput("Why? A reason is needed.", remedy="Give --reason TEXT.", field="reason")


async def _one_at_a_time(s: AsyncSession) -> None:
    await s.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _DELETING})


@dataclass(frozen=True, kw_only=True)
class Aged:
    """What a retention rule asks of a recording. `held`: a hold is in force."""

    call_id: UUID
    case_id: UUID | None  # None: a call to us that stayed nobody's
    path: str
    called_at: datetime  # business time
    purpose: str
    outcome: str
    jurisdiction: str
    last_activity: datetime
    held: bool


_AGED = """
    -- aged: sealed recordings called before :before, in the order of their ids, with what rules of retention ask
    SELECT r.call_id, r.case_id, r.path, a.business_at AS called_at, a.purpose, coalesce(a.outcome, a.result, '') AS outcome,
           coalesce(p.jurisdiction, '') AS jurisdiction,
           coalesce((SELECT max(l.business_at) FROM call_attempts l WHERE l.case_id = r.case_id), a.business_at)
               AS last_activity,
           EXISTS (SELECT 1 FROM legal_holds h WHERE h.lifted_at IS NULL
                                                 AND (h.call_id = r.call_id OR h.case_id = r.case_id)) AS held
      FROM recordings r
      JOIN call_attempts a ON a.id = r.call_id
      LEFT JOIN persons p ON p.id = a.person_id
     WHERE r.state = 'SEALED' AND a.business_at < :before
"""
_PAGE = text(_AGED + " AND (cast(:after AS uuid) IS NULL OR r.call_id > :after) ORDER BY r.call_id LIMIT :limit")
_ONE = text(_AGED + " AND r.call_id = :call FOR UPDATE OF r")


async def aged(s: AsyncSession, before: datetime, after: UUID | None = None, limit: int = 1000) -> list[Aged]:
    rows = await s.execute(_PAGE, {"before": before, "after": after, "limit": limit})
    return [Aged(**row) for row in rows.mappings()]


async def delete(
    s: AsyncSession, one: Aged, *, rule_id: str, rule_version: int, rule: dict[str, Any], wall: datetime
) -> bool:
    """Drops the key and writes the row of the deletion; the files are the caller's, after the commit.

    False, and nothing is done, when a hold came meanwhile or the recording is gone.
    """
    await _one_at_a_time(s)
    found = (await s.execute(_ONE, {"before": wall + timedelta(days=36_500), "call": one.call_id})).mappings().first()
    if found is None or found["held"]:
        return False
    row = await s.get_one(Recording, one.call_id)
    s.add(
        RecordingDeletion(
            call_id=one.call_id, case_id=one.case_id, path=row.path, sha256=row.sha256, bytes=row.bytes,
            seconds=row.seconds, called_at=one.called_at, rule_id=rule_id, rule_version=rule_version, rule=rule,
            deleted_at=wall,
        )
    )  # fmt: skip
    row.state, row.wrapped_key, row.key_id = "DELETED", None, ""
    return True


async def files_to_remove(s: AsyncSession, limit: int = 1000) -> list[RecordingDeletion]:
    """Deleted, but somebody was stopped before the files went."""
    query = select(RecordingDeletion).where(RecordingDeletion.files_gone_at.is_(None)).limit(limit)
    return list(await s.scalars(query))


async def deletions(s: AsyncSession, limit: int = 100) -> list[RecordingDeletion]:
    """Newest first."""
    return list(await s.scalars(select(RecordingDeletion).order_by(RecordingDeletion.deleted_at.desc()).limit(limit)))


async def wrapped_elsewhere(s: AsyncSession, key_id: str, limit: int = 500) -> list[Recording]:
    """Rows, locked, whose key another key than this one closes."""
    query = select(Recording).where(Recording.wrapped_key.is_not(None), Recording.key_id != key_id)
    return list(await s.scalars(query.limit(limit).with_for_update(skip_locked=True)))
