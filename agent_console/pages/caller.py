"""At the desk: whose call is it that came in (FL-02). The agent chooses from the persons with the number, or searches.

    POST /desk/caller/find    form: call_id, q: a name, a phone, a contract or a case's number
    POST /desk/caller         form: call_id, case_number: it is he
    POST /desk/caller/back    form: call_id: it was not he
    POST /desk/caller/number  form: call_id: his number becomes the confirmed person's own

Only for an agent's own call, and searching only while it is nobody's: elsewhere an agent cannot look for people.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Response

from agent_console import search
from agent_console.deps import DeskWork
from agent_console.pages.desk import answer, show
from agent_console.view import page, toast
from backoffice_core.call_centre.calls import callers
from backoffice_core.errors import NotFound
from backoffice_core.events import CallChanged
from backoffice_core.staff.service import note_access

router = APIRouter(prefix="/desk/caller")
MOST = 8


@router.post("/find")
async def find(work: DeskWork, call_id: Annotated[UUID, Form()], q: Annotated[str, Form()] = "") -> Response:
    """The journal says that somebody was looked for in this call, and how many were shown; not what was typed."""
    asked = q.strip()[:80]
    stranger = await callers.stranger(work.s, work.user.id, call_id, work.now)
    if stranger is None:
        raise NotFound
    region, branch = work.console.settings.jurisdiction, work.user.branch
    found = await search.cases(work.s, asked, region, branch=branch) if asked else []
    shown = min(len(found), MOST)
    note_access(work.s, work.user.id, "CALLER_SEARCHED", work.wall, object_id=str(call_id), found=shown)
    return page(
        work, "desk_found.html", call=stranger.call, asked=asked, found=found[:MOST], more=len(found) > MOST,
        before=min(len(stranger.callers), 9),
    )  # fmt: skip


@router.post("")
async def choose(
    work: DeskWork, call_id: Annotated[UUID, Form()], case_number: Annotated[int, Form(ge=1, lt=2**63)]
) -> Response:
    await callers.choose(work.s, work.user.id, call_id, case_number, now=work.now, wall=work.wall)
    work.news.append(CallChanged(call_id=call_id, agent_id=work.user.id))
    return await answer(work)


@router.post("/back")
async def take_back(work: DeskWork, call_id: Annotated[UUID, Form()]) -> Response:
    await callers.take_back(work.s, work.user.id, call_id, wall=work.wall)
    work.news.append(CallChanged(call_id=call_id, agent_id=work.user.id))
    return await answer(work)


@router.post("/number")
async def add_number(work: DeskWork, call_id: Annotated[UUID, Form()]) -> Response:
    await callers.add_number(work.s, work.user.id, call_id, now=work.now, wall=work.wall)
    return toast(await show(work), work.words, "caller-number-added")
