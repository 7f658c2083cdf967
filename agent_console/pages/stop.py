"""Stop dialing, and lift the stop (FL-01). The file is written first: it holds with the database dead."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.exc import SQLAlchemyError

from agent_console.console import Known
from agent_console.deps import COOKIE, StopWork, console_of, csrf_matches, open_work, same_origin
from agent_console.pages.floor import floor_view
from agent_console.view import toast
from backoffice_core.call_centre.dialing import stop
from backoffice_core.errors import BadInput
from backoffice_core.events import StopChanged
from backoffice_core.staff import service

router = APIRouter()


async def _known(request: Request) -> Known | None:
    """Who asks, from memory: a stop waits for no database."""
    console = console_of(request)
    known = console.known.get(request.cookies.get(COOKIE, ""))
    if known is None or known.expires_at < console.clock.wall() or not same_origin(request):
        return None
    return known if await csrf_matches(request, known.csrf) else None


@router.post("/stop")
async def stop_dialing(request: Request, reason: Annotated[str, Form()] = "") -> Response:
    """Idempotent: the first stop's words stay. A reason is not demanded, a stop must not wait for words."""
    console, why = console_of(request), reason.strip()[:500]
    known = await _known(request)
    if known is not None:
        await asyncio.to_thread(stop.stop_now, console.settings, known.name, why, console.clock.wall())
    try:
        async with open_work(request, "stop") as work:
            by = work.user.full_name
            await asyncio.to_thread(stop.stop_now, console.settings, by, why, work.wall)
            await stop.note_stop(work.s, by, why, work.wall)
            service.note_access(work.s, work.user.id, "DIALING_STOPPED", work.wall, reason=why)
            work.news.append(StopChanged())
            await work.s.flush()
            return toast(await floor_view(work), work.words, "stop-done")
    except (SQLAlchemyError, OSError):
        if known is None:
            raise
        words = console.catalogue.words(request.cookies.get("lang", console.settings.language))
        return toast(HTMLResponse("", headers={"HX-Reswap": "none"}), words, "stop-done-database-away", "warn")


@router.post("/stop/lift")
async def lift(work: StopWork, reason: Annotated[str, Form()] = "") -> Response:
    """Raises BadInput without a reason; who lifts is the person logged in."""
    by, why = work.user.full_name, reason.strip()[:500]
    if not why:
        raise BadInput("Why may dialing go on? A reason is needed.", field="reason")
    notice = stop.stopped(work.console.settings)
    await stop.note_lift(work.s, notice, by, why, work.wall)
    service.note_access(work.s, work.user.id, "STOP_LIFTED", work.wall, reason=why)
    await work.s.flush()  # the journal must take it before dialing goes on
    await asyncio.to_thread(stop.lift_now, work.console.settings, by, why)
    work.news.append(StopChanged())
    return toast(await floor_view(work), work.words, "stop-lifted")
