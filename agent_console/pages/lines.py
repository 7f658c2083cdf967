"""Trunks and the numbers that we show: health for the supervisor. No borrower stands on this page.

Who may, closes a trunk and opens it, takes a number out of the pool and puts it back: always with a reason, which is kept.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from agent_console.deps import FloorWork, LinesWork, Work
from agent_console.view import page
from backoffice_core.call_centre.carriers import caller_id_accounts, caller_ids, trunks
from backoffice_core.errors import BadInput
from backoffice_core.events import TrunksChanged

router = APIRouter(prefix="/lines")


async def _page(work: Work, *, status: int = 200, bad: str = "") -> HTMLResponse:
    """`bad`: the trunk or number whose reason was missing."""
    settings, clock = work.console.settings, work.console.clock
    start, _ = clock.day_bounds(clock.today())
    return page(
        work, "lines.html", status=status, bad=bad,
        trunks=await trunks.health(work.s, settings, wall=work.wall, day_start=start),
        ids=await caller_ids.health(work.s, settings, now=work.now, wall=work.wall),
        accounts=await caller_id_accounts.of_today(
            work.s, {settings.jurisdiction}, clock.today(), {"day": start - clock.offset}, work.wall
        ),
        retired=await caller_ids.retired(work.s),
        limits={trunk.name: trunk.calls_per_second for trunk in settings.trunks},
    )  # fmt: skip


@router.get("")
async def lines(work: FloorWork) -> HTMLResponse:
    return await _page(work)


async def _done(work: Work, what: str, act: Any) -> Response:
    try:
        await act
    except BadInput:
        return await _page(work, status=422, bad=what)
    work.news.append(TrunksChanged())
    return RedirectResponse("/lines", 303)


@router.post("/trunk/{name}")
async def trunk(
    work: LinesWork, name: str, act: Annotated[Literal["close", "open"], Form()], reason: Annotated[str, Form()] = ""
) -> Response:
    change = trunks.close if act == "close" else trunks.reopen
    said = {"by": work.user.full_name, "who": f"user:{work.user.id}", "reason": reason.strip()[:200]}
    return await _done(work, name, change(work.s, work.console.settings, name, **said, wall=work.wall))


@router.post("/number/{number}")
async def number(
    work: LinesWork, number: str, act: Annotated[Literal["out", "back"], Form()], reason: Annotated[str, Form()] = ""
) -> Response:
    state = "RETIRED" if act == "out" else "IN"
    said = {"by": work.user.full_name, "who": f"user:{work.user.id}", "reason": reason.strip()[:200]}
    return await _done(work, number, caller_ids.move(work.s, number, state, **said, now=work.now))
