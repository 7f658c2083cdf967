"""Stop dialing (FL-01). The file STOP in the data folder is the stop: the dialer looks at it before each Originate.

It works with PostgreSQL, Redis and the console dead. A full recordings volume stops, too, with nobody's doing; the
worker then writes the file, so that a person has to look before it is lifted (decision 0011). Who stopped and who lifted
is also written to `dialing_stops` when the database answers.
"""

import contextlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.calls import recording_room
from backoffice_core.call_centre.calls.recording_room import RECORDINGS_FULL, RecordingsFull
from backoffice_core.call_centre.models import DialingStop
from backoffice_core.config import Settings
from backoffice_core.errors import BadInput, Conflict

THE_HOUSE = "backoffice"  # who stopped, when no person did
RESTORED = "RESTORED"  # the reason that a restore writes


class RestoreUnsettled(Conflict):
    """The database was restored, and the calls since then are not accounted for."""

    code = "RESTORE_UNSETTLED"


@dataclass(frozen=True)
class StopNotice:
    """Who stopped, when (the machine's time, ISO) and why. A file made by hand says nothing of these.

    `code`: the house stopped itself, and why, for the words of a screen (CLOCK_JUMPED …, RECORDINGS_FULL); "" = a person
    did. `seconds`: of a clock, by how much.
    """

    by: str
    at: str
    reason: str
    code: str = ""
    seconds: float = 0.0

    @property
    def why(self) -> str:
        """Code and reason, for logs, journals and the command line."""
        return ": ".join(filter(None, (self.code, self.reason)))


def stopped(settings: Settings) -> StopNotice | None:
    """None = dialing may go on. A file that cannot be read stops as well."""
    try:
        content = settings.stop_file.read_text()
    except FileNotFoundError:
        room = recording_room.look(settings)
        return StopNotice(THE_HOUSE, "", "", RECORDINGS_FULL) if room and room.full else None
    except OSError:
        return StopNotice("", "", "")
    with contextlib.suppress(ValueError, KeyError, TypeError):
        said = json.loads(content)
        return StopNotice(
            str(said["by"]),
            str(said["at"]),
            str(said["reason"]),
            str(said.get("code", "")),
            float(said.get("seconds", 0)),
        )
    return StopNotice("", "", content.strip()[:500])


def stop_now(settings: Settings, by: str, reason: str, wall: datetime) -> None:
    """Writes the file. Idempotent: the first stop's words stay. Raises OSError when the data folder cannot be written."""
    _write(settings, StopNotice(by, wall.isoformat(), reason))


def stop_by_house(settings: Settings, code: str, wall: datetime, *, reason: str = "", seconds: float = 0.0) -> None:
    """As stop_now, with nobody's doing: `code` is the reason that screens translate."""
    _write(settings, StopNotice(THE_HOUSE, wall.isoformat(), reason, code, seconds))


def _write(settings: Settings, notice: StopNotice) -> None:
    settings.data.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError), settings.stop_file.open("x") as out:
        json.dump(asdict(notice), out)


async def note_stop(session: AsyncSession, by: str, reason: str, wall: datetime) -> None:
    """The row beside the file, once per stop."""
    if await _open(session) is None:
        session.add(DialingStop(stopped_at=wall, stopped_by=by, reason=reason))


def stop_after_restore(settings: Settings, by: str, wall: datetime) -> None:
    """The stop that only a settled restore lets anybody lift (FL-13). Replaces a stop that is there."""
    settings.data.mkdir(parents=True, exist_ok=True)
    part = settings.stop_file.with_suffix(".part")
    part.write_text(json.dumps({"by": by, "at": wall.isoformat(), "reason": RESTORED}))
    part.replace(settings.stop_file)


def draining(settings: Settings) -> bool:
    """No new calls, but what rings and talks goes on (FL-14)."""
    return settings.drain_file.exists()


def lift_now(settings: Settings, by: str, reason: str) -> None:
    """Removes the file. Raises BadInput without a name and a reason, RestoreUnsettled while a restore is not settled,
    RecordingsFull while their volume is full.
    """
    if settings.restored_file.exists():
        raise RestoreUnsettled(
            remedy="`backoffice restore findings` shows what is missing, `backoffice restore settle` goes on."
        )
    if not by.strip():
        raise BadInput("Who lifts the stop? A name is needed.", remedy="Give --by NAME.", field="by")
    if not reason.strip():
        raise BadInput("Why may dialing go on? A reason is needed.", remedy="Give --reason TEXT.", field="reason")
    room = recording_room.look(settings)
    if room and room.full:
        raise RecordingsFull(remedy="Free space or enlarge the volume, then lift the stop; see `backoffice status`.")
    settings.stop_file.unlink(missing_ok=True)


async def note_lift(session: AsyncSession, notice: StopNotice | None, by: str, reason: str, wall: datetime) -> None:
    """Closes the row; a stop made by hand, of which there is no row, gets one now."""
    row = await _open(session)
    if row is None:
        at = datetime.fromisoformat(notice.at) if notice and notice.at else wall
        row = DialingStop(stopped_at=at, stopped_by=notice.by if notice else "", reason=notice.why if notice else "")
        session.add(row)
    row.lifted_at, row.lifted_by, row.lift_reason = wall, by, reason


async def _open(session: AsyncSession) -> DialingStop | None:
    query = select(DialingStop).where(DialingStop.lifted_at.is_(None)).order_by(DialingStop.id.desc()).limit(1)
    return (await session.execute(query)).scalar_one_or_none()
