"""Trunks and the numbers that we show: health for the supervisor. No borrower stands on this page."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from agent_console.deps import FloorWork
from agent_console.view import page
from backoffice_core.call_centre import caller_ids, trunks

router = APIRouter()


@router.get("/lines")
async def lines(work: FloorWork) -> HTMLResponse:
    settings, clock = work.console.settings, work.console.clock
    start, _ = clock.day_bounds(clock.today())
    return page(
        work, "lines.html",
        trunks=await trunks.health(work.s, settings, wall=work.wall, day_start=start),
        ids=await caller_ids.health(work.s, settings, now=work.now, wall=work.wall),
        limits={trunk.name: trunk.calls_per_second for trunk in settings.trunks},
    )  # fmt: skip
