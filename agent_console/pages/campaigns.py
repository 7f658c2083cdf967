"""Campaigns for the supervisor: how each is dialed, as what it runs now and why, and changing that while it runs."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from agent_console.deps import CampaignsWork, FloorWork, Work
from agent_console.view import page
from backoffice_core.call_centre import campaigns, preview
from backoffice_core.call_centre.campaign_rules import DENOMINATORS, MACHINES, MODES, WINDOWS
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.events import CampaignsChanged

router = APIRouter(prefix="/campaigns")


async def _page(work: Work, *, status: int = 200, bad: str = "", field: str = "") -> HTMLResponse:
    """`bad`: the campaign whose `field` was refused."""
    rows = await campaigns.board(work.s, work.console.clock.today(), work.console.settings.jurisdiction)
    start, end = work.console.clock.day_bounds(work.console.clock.today())
    shown = await preview.counts(work.s, start, end)
    return page(
        work, "campaigns.html", cards=dict(sorted(shown.items(), key=lambda one: -one[1])),
        skills=await campaigns.skills(work.s), agents=await campaigns.agent_names(work.s), status=status, rows=rows,
        modes=MODES, windows=WINDOWS, denominators=DENOMINATORS,
        machines=MACHINES, bad=bad, field=field,
    )  # fmt: skip


@router.get("")
async def listed(work: FloorWork) -> HTMLResponse:
    return await _page(work)


@router.post("/skills/set")
async def skill(
    work: CampaignsWork, login: Annotated[str, Form()], skill: Annotated[str, Form()],
    priority: Annotated[str, Form()] = "1", act: Annotated[Literal["set", "remove"], Form()] = "set",
) -> Response:  # fmt: skip
    """What an agent can: calls of a campaign that wants the skill go to him, the lower the priority the sooner."""
    try:
        if not (priority.isdecimal() and 1 <= int(priority) <= 99):
            raise BadInput(f"priority cannot be “{priority}”.", remedy="Give a number from 1 to 99.", field="priority")
        rank = None if act == "remove" else int(priority)
        await campaigns.set_skill(work.s, login, skill.strip(), rank, who=f"user:{work.user.id}")
    except (BadInput, NotFound) as refused:
        return await _page(work, status=422, bad="skill", field=str(refused.details.get("field", "skill")))
    work.news.append(CampaignsChanged())
    return RedirectResponse("/campaigns", 303)


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
