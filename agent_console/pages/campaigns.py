"""Campaigns for the supervisor: how each is dialed, as what it runs now and why, and changing that while it runs."""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from agent_console.deps import CampaignsWork, FloorWork, Work
from agent_console.view import page
from backoffice_core.call_centre import campaigns
from backoffice_core.call_centre.campaign_rules import DENOMINATORS, MACHINES, MODES, WINDOWS
from backoffice_core.errors import BadInput
from backoffice_core.events import CampaignsChanged

router = APIRouter(prefix="/campaigns")


async def _page(work: Work, *, status: int = 200, bad: str = "", field: str = "") -> HTMLResponse:
    """`bad`: the campaign whose `field` was refused."""
    rows = await campaigns.board(work.s, work.console.clock.today(), work.console.settings.jurisdiction)
    return page(
        work, "campaigns.html", status=status, rows=rows, modes=MODES, windows=WINDOWS, denominators=DENOMINATORS,
        machines=MACHINES, bad=bad, field=field,
    )  # fmt: skip


@router.get("")
async def listed(work: FloorWork) -> HTMLResponse:
    return await _page(work)


@router.post("/{name}")
async def change(
    work: CampaignsWork,
    name: str,
    mode: Annotated[str, Form()],
    priority: Annotated[str, Form()],
    target_abandon_pct: Annotated[str, Form()],
    ratio: Annotated[str, Form()],
    abandon_window: Annotated[str, Form()],
    denominator: Annotated[str, Form()],
    machines: Annotated[str, Form()],
    skill: Annotated[str, Form()] = "",
    active: Annotated[str, Form()] = "",
) -> Response:
    fields = {
        "mode": mode, "priority": priority, "target_abandon_pct": target_abandon_pct, "ratio": ratio,
        "abandon_window": abandon_window, "denominator": denominator, "machines": machines, "skill": skill,
        "active": bool(active),
    }  # fmt: skip
    who, by = f"user:{work.user.id}", work.user.full_name
    try:
        await campaigns.change(work.s, name, fields, who=who, by=by, wall=work.wall)
    except BadInput as refused:
        return await _page(work, status=422, bad=name, field=str(refused.details.get("field", "")))
    work.news.append(CampaignsChanged())
    return RedirectResponse("/campaigns", 303)
