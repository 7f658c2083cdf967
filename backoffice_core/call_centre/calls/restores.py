"""What a restore of the database owes before anybody is dialed: the calls since the restored point (FL-13).

The file `RESTORED` in the data folder keeps the stop from being lifted until the calls since then are settled and a
named person has accepted what could not be tied to anybody.
"""

import json
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.call_centre.models import Restore, RestoreFinding
from backoffice_core.config import Settings
from backoffice_core.errors import BadInput, NotFound


def mark_unsettled(settings: Settings, to: datetime) -> None:
    """Before anything else of a restore; whole or not at all."""
    part = settings.restored_file.with_suffix(".part")
    part.write_text(json.dumps({"restored_to": to.isoformat()}))
    part.replace(settings.restored_file)


def settled(settings: Settings) -> None:
    """The way to lifting the stop is free."""
    settings.restored_file.unlink(missing_ok=True)


async def begin(s: AsyncSession, *, to: datetime, backup: str, by: str, wall: datetime) -> Restore:
    restore = Restore(restored_at=wall, restored_to=to, backup=backup, restored_by=by)
    s.add(restore)
    audit.note(s, f"os:{by}", "DATABASE_RESTORED", backup, {"to": to.isoformat()})
    await s.flush()
    return restore


async def last(s: AsyncSession) -> Restore:
    """Raises NotFound."""
    found = (
        await s.execute(select(Restore).order_by(Restore.id.desc()).limit(1).with_for_update())
    ).scalar_one_or_none()
    if found is None:
        raise NotFound("This database was never restored.", remedy="See `backoffice restore --help`.")
    return found


async def find(s: AsyncSession, restore: Restore, *, source: str, source_id: str, reason: str, at: datetime,
               number: str = "") -> bool:  # fmt: skip
    """Notes what could not be tied; False when it is known."""
    row = {"restore_id": restore.id, "source": source, "source_id": source_id, "reason": reason, "at": at,
           "number": number}  # fmt: skip
    noted = insert(RestoreFinding).values(row).on_conflict_do_nothing().returning(RestoreFinding.id)
    return (await s.execute(noted)).first() is not None


async def open_findings(s: AsyncSession) -> list[RestoreFinding]:
    """Not accepted yet, oldest first."""
    query = select(RestoreFinding).where(RestoreFinding.accepted_at.is_(None)).order_by(RestoreFinding.at)
    return list((await s.execute(query)).scalars())


async def count_open(s: AsyncSession) -> int:
    query = select(func.count()).select_from(RestoreFinding).where(RestoreFinding.accepted_at.is_(None))
    return int((await s.execute(query)).scalar_one())


async def accept(s: AsyncSession, *, by: str, reason: str, wall: datetime) -> int:
    """A named person has looked at all of them. Raises BadInput without a name and a reason."""
    if not by.strip():
        raise BadInput("Who has looked at them? A name is needed.", remedy="Give --by NAME.", field="by")
    if not reason.strip():
        raise BadInput("What was found out? A reason is needed.", remedy="Give --reason TEXT.", field="reason")
    found = await open_findings(s)
    for finding in found:
        finding.accepted_at, finding.accepted_by, finding.accept_reason = wall, by, reason
    audit.note(s, f"os:{by}", "RESTORE_ACCEPTED", "", {"findings": len(found), "reason": reason})
    return len(found)
