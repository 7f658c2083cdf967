"""What networks say before any answer: the library, what it means for a call, and what waits for a name (FL-18).

Fingerprints are bytes here: who makes and compares them is `recordings`, out of the dialing path, after the call.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import phonenumbers
from phonenumbers import carrier as carriers
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.models import Announcement, AnnouncementSound, CallAttempt, CallTask
from backoffice_core.call_centre.rules import (
    IGNORED,
    MEANINGS,
    UNKNOWN_ANNOUNCEMENT,
    announcement_evidence,
    result_after_announcement,
    task_after_call,
)
from backoffice_core.cases import service as cases
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.staff.models import AccessEntry

NAMES = (*MEANINGS, IGNORED)
SOUNDS_EACH = 3  # as many sounds of one cluster are kept: what one lost of its beginning, another has
UNNAMED_LIMIT = 200
UNNAMED_FOR = timedelta(days=60)  # a cluster that was heard no more for so long is forgotten with its sounds


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One fingerprint. `announcement_id` is shared by the sounds of one announcement."""

    announcement_id: int
    meaning: str
    language: str
    carrier: str
    fingerprint: bytes


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A sound to keep. `file`: its name in the folder `announcements`, "" = the fingerprint alone."""

    fingerprint: bytes
    seconds: float
    file: str = ""
    call_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An announcement with its sounds, oldest first."""

    row: Announcement
    sounds: list[AnnouncementSound]


def network_of(number: str) -> str:
    """The network to which the number's range was given, or "": a number may have been ported since."""
    try:
        return str(carriers.name_for_number(phonenumbers.parse(number), "en"))
    except phonenumbers.NumberParseException:
        return ""


async def library(s: AsyncSession) -> list[Entry]:
    """All fingerprints: named, ignored and unnamed."""
    query = select(Announcement, AnnouncementSound.fingerprint).join(
        AnnouncementSound, AnnouncementSound.announcement_id == Announcement.id
    )
    return [
        Entry(
            announcement_id=row.id, meaning=row.meaning, language=row.language, carrier=row.carrier, fingerprint=print_
        )
        for row, print_ in await s.execute(query.order_by(AnnouncementSound.id))
    ]


async def calls_of(s: AsyncSession, call_ids: list[UUID]) -> dict[UUID, CallAttempt]:
    """The attempts among these ids."""
    return {one.id: one for one in await s.scalars(select(CallAttempt).where(CallAttempt.id.in_(call_ids)))}


async def note(
    s: AsyncSession, call_id: UUID, meaning: str, distance: float | None, announcement_id: int | None, now: datetime
) -> CallAttempt | None:
    """Writes what was heard before a call that nobody answered into the attempt, once, with what follows from it:
    the result ANNOUNCEMENT, the next try, evidence on the number. `now` is business time.

    `meaning`: one of MEANINGS, otherwise it is written as `unknown`. None for a call that is unknown, live, answered,
    or noted already.
    """
    attempt = await s.get(CallAttempt, call_id, with_for_update=True)
    if attempt is None or attempt.direction != "out" or attempt.ended_at is None or attempt.answered_at:
        return None
    if attempt.announcement is not None:
        return None
    attempt.announcement = meaning if meaning in MEANINGS else UNKNOWN_ANNOUNCEMENT
    attempt.announcement_id = announcement_id
    attempt.announcement_distance = None if distance is None else Decimal(str(round(distance, 3)))
    if announcement_id is not None:
        row = await s.get_one(Announcement, announcement_id, with_for_update=True)
        row.heard, row.last_heard_at = row.heard + 1, max(row.last_heard_at, attempt.ended_at)
    result = result_after_announcement(attempt.result or "", meaning)
    if result != attempt.result:
        await _changed(s, attempt, result, meaning, now)
    if meaning in MEANINGS:
        data = {"announcement": meaning, "number": attempt.number}
        await cases.add_event(s, attempt.whose.case_id, "announcement", at=now, call_id=call_id, data=data)
    if sign := announcement_evidence(meaning):
        await cases.number_evidence(
            s, attempt.whose.case_id, attempt.whose.contact_point_id, sign, at=now, call_id=call_id, trunk=attempt.trunk,
            sip_code=attempt.sip_code, cause=attempt.cause, announcement=meaning,
        )  # fmt: skip
    return attempt


async def _changed(s: AsyncSession, attempt: CallAttempt, result: str, meaning: str, now: datetime) -> None:
    """A number that does not exist is not tried again today, as after a 404; what else was said waits its hours."""
    before, attempt.result = attempt.result, result
    task = await s.get(CallTask, attempt.task_id, with_for_update=True)
    if (
        task is None
        or task.fence != attempt.fence
        or task.state not in {"RETRY_WAIT", "EXHAUSTED"}
        or task.state_reason != before
    ):
        return  # it has moved on meanwhile
    step = task_after_call("INVALID_NUMBER" if meaning == "not_in_service" else result, task.attempts, now)
    task.state, task.state_reason, task.earliest_at = step.state, result, step.earliest_at


async def keep(
    s: AsyncSession, sound: Sound, *, wall: datetime, announcement_id: int | None = None, language: str = "",
    carrier: str = "",
) -> tuple[int, bool]:  # fmt: skip
    """An unknown sound becomes a cluster of its own, or joins the one it belongs to.

    Returns the cluster and whether this sound is kept: of a cluster SOUNDS_EACH are, the first ones.
    """
    if announcement_id is None:
        row = Announcement(language=language, carrier=carrier, first_heard_at=wall, last_heard_at=wall)
        s.add(row)
        await s.flush()
        announcement_id = row.id
    kept = select(func.count()).where(AnnouncementSound.announcement_id == announcement_id)
    if (await s.scalar(kept) or 0) >= SOUNDS_EACH:
        return announcement_id, False
    _add(s, announcement_id, sound, wall)
    await s.flush()
    return announcement_id, True


def _add(s: AsyncSession, announcement_id: int, sound: Sound, wall: datetime) -> None:
    s.add(
        AnnouncementSound(
            announcement_id=announcement_id, fingerprint=sound.fingerprint, seconds=Decimal(str(round(sound.seconds, 2))),
            file=sound.file, call_id=sound.call_id, at=wall,
        )
    )  # fmt: skip


async def learn(
    s: AsyncSession, sound: Sound, *, meaning: str, language: str, carrier: str, by: str, wall: datetime
) -> Announcement:
    """A sound from a file becomes an entry of the library. Raises BadInput for an unknown meaning."""
    row = Announcement(first_heard_at=wall, last_heard_at=wall)
    _name(row, meaning, language, carrier, by, wall)
    s.add(row)
    await s.flush()
    _add(s, row.id, sound, wall)
    return row


async def name(
    s: AsyncSession, announcement_id: int, meaning: str, *, language: str, carrier: str, by: str, wall: datetime,
    user_id: UUID | None = None,
) -> list[str]:  # fmt: skip
    """A person says what a cluster means; from now on every call that hears it gets this meaning.

    Returns the files that nobody needs any more: all of an ignored sound, all but the first of another.
    Raises NotFound, BadInput for an unknown meaning.
    """
    one = await find(s, announcement_id)
    _name(one.row, meaning, language, carrier, by, wall)
    if user_id is not None:
        s.add(
            AccessEntry(
                at=wall, user_id=user_id, act="ANNOUNCEMENT_NAMED", object_id=str(announcement_id),
                detail={"meaning": meaning},
            )
        )  # fmt: skip
    needless = [sound for sound in one.sounds[0 if meaning == IGNORED else 1 :] if sound.file]
    files = [sound.file for sound in needless]
    for sound in needless:
        sound.file = ""
    return files


def _name(row: Announcement, meaning: str, language: str, carrier: str, by: str, wall: datetime) -> None:
    if meaning not in NAMES:
        raise BadInput(
            f"“{meaning}” is no meaning of an announcement.", remedy=f"Say one of {', '.join(NAMES)}.", field="meaning"
        )
    row.meaning, row.language, row.carrier = meaning, language.strip()[:10], carrier.strip()[:60]
    row.named_by, row.named_at = by, wall


async def find(s: AsyncSession, announcement_id: int) -> Listed:
    """Raises NotFound."""
    row = await s.get(Announcement, announcement_id)
    if row is None:
        raise NotFound(
            f"There is no announcement {announcement_id}.",
            remedy="`backoffice announcements list` tells their numbers.",
        )
    return (await _with_sounds(s, [row]))[0]


async def listing(s: AsyncSession, *, named: bool, limit: int = 200) -> list[Listed]:
    """The most heard first."""
    query = select(Announcement).where(Announcement.meaning != "" if named else Announcement.meaning == "")
    rows = list(await s.scalars(query.order_by(Announcement.heard.desc(), Announcement.id).limit(limit)))
    return await _with_sounds(s, rows)


async def unnamed(s: AsyncSession) -> int:
    """How many wait for a name."""
    return await s.scalar(select(func.count()).where(Announcement.meaning == "")) or 0


async def _with_sounds(s: AsyncSession, rows: list[Announcement]) -> list[Listed]:
    query = select(AnnouncementSound).where(AnnouncementSound.announcement_id.in_([row.id for row in rows]))
    sounds: dict[int, list[AnnouncementSound]] = {row.id: [] for row in rows}
    for sound in await s.scalars(query.order_by(AnnouncementSound.id)):
        sounds[sound.announcement_id].append(sound)
    return [Listed(row=row, sounds=sounds[row.id]) for row in rows]


async def forget_old(s: AsyncSession, wall: datetime) -> list[str]:
    """Drops unnamed clusters that were heard no more, and the rarest ones beyond UNNAMED_LIMIT; returns their files."""
    beyond = (
        select(Announcement.id)
        .where(Announcement.meaning == "")
        .order_by(Announcement.heard.desc(), Announcement.last_heard_at.desc())
        .offset(UNNAMED_LIMIT)
    )
    old = select(Announcement.id).where(Announcement.meaning == "", Announcement.last_heard_at < wall - UNNAMED_FOR)
    gone = [*await s.scalars(beyond), *await s.scalars(old)]
    if not gone:
        return []
    files = await s.scalars(select(AnnouncementSound.file).where(AnnouncementSound.announcement_id.in_(gone)))
    found = [file for file in files if file]
    await s.execute(delete(Announcement).where(Announcement.id.in_(gone)))
    return found
