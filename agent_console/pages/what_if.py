"""What if: a supervisor asks how a shift would go with so many agents, that limit of abandoned calls and these hours, in the
world that the bank's own last days describe. A simulation answers, outside the console (`agent_console/what_if.py`)."""

from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from agent_console.deps import CampaignsWork, Work
from agent_console.view import page
from agent_console.what_if import Asked, Run, bands
from backoffice_core.call_centre.dialing import campaigns
from backoffice_core.call_centre.queueing import past_world
from backoffice_core.chart import busy_by_hour, lines
from backoffice_core.errors import BadInput, NotFound

router = APIRouter(prefix="/what-if")

DAYS = (7, 14, 30, 60)
AGENTS, HOURS, TARGET = (1, 500), (1.0, 12.0), (0.0, 20.0)


def _shown(work: Work, run: Run) -> dict[str, Any]:
    drawn = None
    if run.state == "DONE":
        named = {
            work.words.code("policy", name.replace(".", "_")): values for name, values in busy_by_hour(run.rows).items()
        }
        drawn = Markup(lines(work.words("what-if-busy"), named, unit="%", own_colours=False))  # noqa: S704 (its words are escaped)
    return {"run": run, "bands": bands(run.rows) if run.state == "DONE" else {}, "drawn": drawn}


async def _page(work: Work, *, status: int = 200, bad: str = "", said: dict[str, Any] | None = None) -> HTMLResponse:
    found = await campaigns.listed(work.s)
    runs = work.console.what_if.listed
    return page(
        work, "what_if.html", status=status, campaigns=found, days=DAYS, bad=bad, said=said or {},
        shown=_shown(work, runs[0]) if runs else None, others=runs[1:],
    )  # fmt: skip


@router.get("")
async def asked(work: CampaignsWork) -> HTMLResponse:
    return await _page(work)


def _number(said: str, field: str, least: float, most: float) -> float:
    try:
        value = float(said.replace(",", "."))
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise BadInput(f"{field} cannot be “{said}”.", remedy=f"Give a number from {least:g} to {most:g}.", field=field)
    return value


@router.post("")
async def begin(
    work: CampaignsWork, agents: Annotated[str, Form()], target: Annotated[str, Form()], hours: Annotated[str, Form()],
    days: Annotated[str, Form()] = "30", campaign: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    said = {"agents": agents, "target": target, "hours": hours, "days": days, "campaign": campaign}
    runs, clock = work.console.what_if, work.console.clock
    try:
        question = Asked(
            campaign=campaign, days=int(_number(days, "days", 1, past_world.MOST_DAYS)),
            agents=int(_number(agents, "agents", *AGENTS)), hours=_number(hours, "hours", *HOURS),
            target=_number(target, "target", *TARGET),
        )  # fmt: skip
        if (same := runs.same(question)) is not None:
            same.people.add(work.user.full_name)
            return RedirectResponse(f"/what-if/{same.id}", 303)
        past = await past_world.learned(
            work.s, work.console.settings, days=question.days, wall=work.wall, zone=clock.zone, campaign=campaign,
            agents=question.agents, hours=question.hours,
        )  # fmt: skip
    except BadInput as refused:
        return await _page(work, status=422, bad=str(refused.details.get("field", "")) or "days", said=said)
    if runs.full:
        return await _page(work, status=409, bad="full", said=said)
    run = runs.begin(
        Run(
            asked=question,
            world=past.world,
            calls=past.calls,
            first_hour=past.first_hour,
            by=work.user.full_name,
            at=work.wall,
        )
    )
    return RedirectResponse(f"/what-if/{run.id}", 303)


def _run(work: Work, run_id: str) -> Run:
    run = work.console.what_if.runs.get(run_id)
    if run is None:
        raise NotFound("This what-if run is not kept any more.", remedy="Ask again.")
    return run


@router.get("/{run_id}")
async def one(work: CampaignsWork, run_id: str) -> HTMLResponse:
    run = _run(work, run_id)
    return page(
        work, "what_if.html", campaigns=await campaigns.listed(work.s), days=DAYS, bad="", said={},
        shown=_shown(work, run), others=[each for each in work.console.what_if.listed if each is not run],
    )  # fmt: skip


@router.get("/{run_id}/state")
async def state(work: CampaignsWork, run_id: str) -> HTMLResponse:
    """The run as it stands, for the page that waits for it."""
    return page(work, "what_if_run.html", shown=_shown(work, _run(work, run_id)))


@router.post("/{run_id}/cancel")
async def cancel(work: CampaignsWork, run_id: str) -> Response:
    work.console.what_if.cancel(_run(work, run_id).id)
    return RedirectResponse(f"/what-if/{run_id}", 303)
