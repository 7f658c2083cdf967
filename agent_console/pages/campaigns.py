"""Campaigns for the supervisor: how each is dialed, as what it runs now and why, and changing that while it runs."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import UploadFile

from agent_console.deps import CampaignsWork, FloorWork, Work
from agent_console.pages.campaign_form import RESULTS, STAGES, Known, Refused, label_of, read, typed
from agent_console.view import page
from asterisk_conf import prompts
from backoffice_core.audit import service as audit
from backoffice_core.call_centre.carriers import caller_ids
from backoffice_core.call_centre.desks import preview
from backoffice_core.call_centre.dialing import campaign_lists, campaign_terms, campaigns
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.campaign_rules import CHOICES, DEBT, DENOMINATORS, MACHINES, MODES, WINDOWS
from backoffice_core.call_centre.dialing.campaign_terms import BY, LANGUAGES, ONCE, SCRIPT_MOST, USE_OF_HOURS
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.events import CampaignsChanged

router = APIRouter(prefix="/campaigns")
MOST_BYTES = 5_000_000  # of a list


async def _page(work: Work, *, status: int = 200, bad: str = "", field: str = "") -> HTMLResponse:
    """`bad`: skill or new, whose form was refused; exists: the campaign `field` is there."""
    rows = await campaigns.board(work.s, work.console.clock.today(), work.console.settings.jurisdiction)
    start, end = work.console.clock.day_bounds(work.console.clock.today())
    shown = await preview.counts(work.s, start, end)
    numberless = {row.campaign.name for row in rows if not await _has_number(work, row.campaign.name)}
    return page(
        work, "campaigns.html", cards=dict(sorted(shown.items(), key=lambda one: -one[1])),
        skills=await campaigns.skills(work.s), agents=await campaigns.agent_names(work.s), status=status, rows=rows,
        bad=bad, field=field, numberless=numberless,
    )  # fmt: skip


async def _has_number(work: Work, name: str) -> bool:
    """Whether calls of this campaign have a number to show today: without one nobody is called."""
    found = await caller_ids.shown_by(work.s, work.console.settings, name, work.console.clock.today())
    return found is not None


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


@router.post("")
async def begin(work: CampaignsWork, name: Annotated[str, Form()]) -> Response:
    """A new campaign, which takes nobody yet; one that is there is refused with the way to it."""
    name = name.strip()
    if await work.s.get(Campaign, name) is not None:
        return await _page(work, status=422, bad="exists", field=name)
    try:
        await campaigns.change(work.s, name, {}, **_by(work), new=True)
    except BadInput:
        return await _page(work, status=422, bad="new", field="name")
    return RedirectResponse(f"/campaigns/{name}", 303)


def _by(work: Work) -> dict[str, Any]:
    return {"who": f"user:{work.user.id}", "by": work.user.full_name, "wall": work.wall}


async def _known(work: Work) -> Known:
    return Known(*await campaign_lists.said_of_loans(work.s), prompts.robot_messages(work.console.settings))


async def _one(
    work: Work, name: str, *, form: dict[str, Any] | None = None, refused: Refused | None = None,
    taken: campaign_lists.Taken | None = None, given: tuple[int, int] | None = None, status: int = 200,
) -> HTMLResponse:  # fmt: skip
    """`form`: as typed; `refused`: what of it cannot be; `taken`: whom it would take; `given`: cases of the list just given, and
    lines that name none."""
    one = await campaigns.named(work.s, name)
    known = await _known(work)
    if taken is None and name != campaign_lists.REST:
        rule = campaign_terms.whom(one.whom)
        if not rule.nobody and refused is None:
            day = work.console.clock.today()
            taken = await campaign_lists.would_take(
                work.s, name, rule, one.priority, day, purpose=one.purpose, robot=one.mode == "agentless"
            )
    shown = typed(one) | (form or {})
    texts = [
        prompt.text for prompt in prompts.wanted(work.console.settings)
        if (prompt.name, prompt.language) == (shown["message"], work.user.language) and prompt.text
    ]  # fmt: skip
    return page(
        work, "campaign.html", status=status, one=one, form=shown, refused=refused, taken=taken, given=given, known=known,
        label=label_of(str(refused.details["field"])) if refused else "", rest=campaign_lists.REST, texts=texts,
        listed=await campaign_lists.given_count(work.s, name), stages=STAGES, results=RESULTS, once=ONCE, modes=MODES,
        windows=WINDOWS, denominators=DENOMINATORS, machines=MACHINES, ways=BY, uses=USE_OF_HOURS,
        purposes=CHOICES["purpose"], scripts=LANGUAGES, runs=(await _row(work, name)).running,
        has_number=await _has_number(work, name),
    )  # fmt: skip


async def _row(work: Work, name: str) -> campaigns.Row:
    """As what it runs, as saved."""
    rows = await campaigns.board(work.s, work.console.clock.today(), work.console.settings.jurisdiction)
    return next(row for row in rows if row.campaign.name == name)


@router.get("/{name}")
async def one(
    work: CampaignsWork, name: str, given: Annotated[int, Query(ge=0)] = -1, strange: Annotated[int, Query(ge=0)] = 0
) -> HTMLResponse:
    return await _one(work, name, given=(given, strange) if given >= 0 else None)


async def _typed(work: Work) -> dict[str, Any]:
    """The whole form. A box that is not ticked sends nothing."""
    sent = await work.request.form()
    form: dict[str, Any] = {"active": "", "given": ""} | {
        key: str(value).replace("\r\n", "\n")[: SCRIPT_MOST + 1] for key, value in sent.items()
    }  # fmt: skip
    return form | {"stages": [str(value) for value in sent.getlist("stages")]}


@router.post("/{name}/count")
async def count(work: CampaignsWork, name: str) -> HTMLResponse:
    """How many cases the list would take, as typed; nothing is changed."""
    form = await _typed(work)
    try:
        fields = read(form, name, await _known(work))
        rule = campaign_terms.whom(fields["whom"])
        taken = await campaign_lists.would_take(
            work.s, name, rule, int(fields["priority"]), work.console.clock.today(),
            purpose=fields.get("purpose", DEBT), robot=fields.get("mode") == "agentless",
        )  # fmt: skip
    except Refused as refused:
        return await _one(work, name, form=form, refused=refused, status=422)
    return await _one(work, name, form=form, taken=taken)


@router.post("/{name}/list")
async def give(work: CampaignsWork, name: str) -> Response:
    """The list of case or contract numbers, typed or as a file, in place of the last one."""
    sent = await work.request.form()
    text = str(sent.get("numbers", ""))
    file = sent.get("file")
    try:
        if isinstance(file, UploadFile) and file.filename:
            text = (await file.read(MOST_BYTES + 1)).decode("utf-8-sig")
        if len(text) > MOST_BYTES:
            raise Refused("file", "campaign-bad-file-size")
        if not text.strip():
            raise Refused("file", "campaign-bad-file-empty")
    except UnicodeDecodeError:
        return await _one(work, name, refused=Refused("file", "campaign-bad-file-text"), status=422)
    except Refused as refused:
        return await _one(work, name, refused=refused, status=422)
    await campaigns.named(work.s, name, lock=True)
    lines = (line.partition(";")[0].partition(",")[0].strip(' "') for line in text.splitlines())
    cases, strange = await campaign_lists.give(work.s, name, lines)
    audit.note(work.s, f"user:{work.user.id}", "CAMPAIGN_LIST_GIVEN", name, {"cases": cases})
    work.news.append(CampaignsChanged())
    return RedirectResponse(f"/campaigns/{name}?given={cases}&strange={len(strange)}", 303)


@router.post("/{name}")
async def change(work: CampaignsWork, name: str) -> Response:
    form = await _typed(work)
    try:
        await campaigns.change(work.s, name, read(form, name, await _known(work)), **_by(work))
    except Refused as refused:
        return await _one(work, name, form=form, refused=refused, status=422)
    work.news.append(CampaignsChanged())
    return RedirectResponse("/campaigns", 303)
