"""Playing a recording. The journal's line is committed before the first byte leaves."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from agent_console import reads
from agent_console.deps import HearWork
from backoffice_core.call_centre.calls import recordings
from backoffice_core.errors import NotFound
from recordings.crypt import SealedSound
from recordings.playback import asked_range, media_type, open_sound

router = APIRouter()

SAME_LISTENING = timedelta(minutes=5)  # a browser that seeks asks again and again; that is one listening


@router.get("/recordings/{call_id}")
async def play(work: HearWork, call_id: UUID, request: Request) -> Response:
    """Two-channel Opus (left: agent, right: borrower), by ranges, so that the player can seek."""
    recording = await reads.recording(work.s, call_id, work.user, any_call=work.may("hear_any"))
    if recording is None:
        raise NotFound
    if not await reads.noted(work.s, work.user.id, "RECORDING_HEARD", str(call_id), work.wall - SAME_LISTENING):
        await recordings.note_access(work.s, work.user.id, call_id, work.wall)
    sound = open_sound(work.console.settings, recording)
    headers = {"Cache-Control": "private, no-store", "Accept-Ranges": "bytes"}
    try:
        asked = asked_range(request.headers.get("range"), sound.length)
    except ValueError:
        sound.close()
        return Response(status_code=416, headers=headers | {"Content-Range": f"bytes */{sound.length}"})
    start, end = asked or (0, sound.length)
    headers["Content-Length"] = str(end - start)
    if asked:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{sound.length}"
    return StreamingResponse(_bytes(sound, start, end), 206 if asked else 200, headers, media_type(sound))


def _bytes(sound: SealedSound, start: int, end: int) -> Iterator[bytes]:
    with sound:
        yield from sound.read(start, end)
