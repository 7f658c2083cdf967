"""Announcements of networks: the unknown ones to be heard and named once, and the library (FL-18)."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from agent_console import reads
from agent_console.deps import AnnouncementsWork
from agent_console.view import page
from backoffice_core.call_centre.carriers import announcements
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.staff.service import note_access

router = APIRouter(prefix="/announcements")
SAME_LISTENING = timedelta(minutes=5)


@router.get("")
async def listing(work: AnnouncementsWork, bad: int = 0, status: int = 200) -> HTMLResponse:
    """`bad`: the announcement whose form was sent without a meaning."""
    return page(
        work, "announcements.html", status=status, new=await announcements.listing(work.s, named=False),
        known=await announcements.listing(work.s, named=True), names=announcements.NAMES, bad=bad,
    )  # fmt: skip


@router.get("/{announcement_id}/sounds/{sound_id}")
async def play(work: AnnouncementsWork, announcement_id: int, sound_id: int) -> Response:
    """The sound itself. Before the first byte the journal has a line, as with any recording."""
    one = await announcements.find(work.s, announcement_id)
    sound = next((sound for sound in one.sounds if sound.id == sound_id and sound.file), None)
    folder = work.console.settings.announcements_dir
    if sound is None or not (folder / sound.file).is_file():
        raise NotFound
    key = f"{announcement_id}/{sound_id}"
    if not await reads.noted(work.s, work.user.id, "ANNOUNCEMENT_HEARD", key, work.wall - SAME_LISTENING):
        note_access(work.s, work.user.id, "ANNOUNCEMENT_HEARD", work.wall, object_id=key)
    return FileResponse(folder / sound.file, media_type="audio/wav", headers={"Cache-Control": "private, no-store"})


@router.post("/{announcement_id}")
async def name(
    work: AnnouncementsWork,
    announcement_id: int,
    meaning: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
    carrier: Annotated[str, Form()] = "",
) -> Response:
    """Names a cluster, or corrects a name. A form without a meaning comes back (422)."""
    try:
        needless = await announcements.name(
            work.s, announcement_id, meaning, language=language, carrier=carrier, by=work.user.full_name,
            wall=work.wall, user_id=work.user.id,
        )  # fmt: skip
    except BadInput:
        return await listing(work, bad=announcement_id, status=422)
    await work.s.flush()
    for file in needless:
        (work.console.settings.announcements_dir / file).unlink(missing_ok=True)
    return RedirectResponse("/announcements", 303)
