"""Playing a recording. The journal's line is committed before the first byte leaves."""

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from agent_console import reads
from agent_console.deps import HearWork
from backoffice_core.call_centre import recordings
from backoffice_core.errors import NotFound
from recordings.playback import path_of

router = APIRouter()

SAME_LISTENING = timedelta(minutes=5)  # a browser that seeks asks again and again; that is one listening


@router.get("/recordings/{call_id}")
async def play(work: HearWork, call_id: UUID) -> Response:
    """The two-channel WAV (left: agent, right: borrower), by ranges, so that the player can seek."""
    recording = await reads.recording(work.s, call_id, work.user, any_call=work.may("hear_any"))
    if recording is None:
        raise NotFound
    path = path_of(work.console.settings, recording)
    if not path.is_file():
        raise NotFound
    if not await reads.noted(work.s, work.user.id, "RECORDING_HEARD", str(call_id), work.wall - SAME_LISTENING):
        await recordings.note_access(work.s, work.user.id, call_id, work.wall)
    return FileResponse(path, media_type="audio/wav", headers={"Cache-Control": "private, no-store"})
