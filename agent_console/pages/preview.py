"""Preview mode at the desk: the next borrower's card, one key to dial, a reason to skip.

    POST /desk/preview       shows the next card (F3); what is not callable is said in words
    POST /desk/preview/dial  form: preview_id; the dialer places it within seconds, the law is asked again then (F3)
    POST /desk/preview/skip  form: preview_id, reason = SPOKE_LATELY | NEEDS_STUDY | NOT_NOW | KNOWS_HIM | … (F6)

As the other POSTs of the desk they answer its HTML, or JSON.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Response

from agent_console.deps import DeskWork
from agent_console.pages.desk import answer
from backoffice_core.call_centre.desks import preview
from backoffice_core.events import AgentChanged, PreviewWanted, QueueChanged

router = APIRouter(prefix="/desk/preview")


@router.post("")
async def next_card(work: DeskWork) -> Response:
    clock = work.console.clock
    shown = await preview.offer(
        work.s, work.console.settings, work.user.id, now=work.now, today=clock.today(), wall=work.wall
    )
    if not isinstance(shown, preview.Nothing):
        work.news.append(AgentChanged(agent_id=work.user.id))
    return await answer(work)


@router.post("/dial")
async def dial(work: DeskWork, preview_id: Annotated[UUID, Form()]) -> Response:
    await preview.want_dial(work.s, work.console.settings, work.user.id, preview_id, work.wall)
    work.news.append(PreviewWanted(agent_id=work.user.id))
    return await answer(work)


@router.post("/skip")
async def skip(work: DeskWork, preview_id: Annotated[UUID, Form()], reason: Annotated[str, Form()] = "") -> Response:
    await preview.skip(work.s, work.user.id, preview_id, reason, now=work.now, wall=work.wall)
    work.news += [AgentChanged(agent_id=work.user.id), QueueChanged()]
    return await answer(work)
