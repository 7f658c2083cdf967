"""Shelter (FL-15): one button by region on the floor page; the end of it, and the undo of a wrong press."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Response

from agent_console.deps import StopWork
from agent_console.pages.floor import floor_view
from agent_console.view import toast
from backoffice_core.call_centre.dialing import shelter
from backoffice_core.events import AgentChanged, QueueChanged, StopChanged

router = APIRouter(prefix="/shelter")


@router.post("")
async def act(
    work: StopWork, region: Annotated[str, Form()], act: Annotated[Literal["begin", "end", "undo"], Form()] = "begin"
) -> Response:
    """Raises BadInput for an unknown region."""
    said = {"by": work.user.full_name, "who": f"user:{work.user.id}"}
    if act == "begin":
        done = await shelter.begin(work.s, region, **said, now=work.now, wall=work.wall)
    else:
        done = await shelter.end(work.s, region, **said, wall=work.wall, undo=act == "undo")
    if done.changed:
        work.news += [*(AgentChanged(agent_id=one) for one in done.agents), QueueChanged(), StopChanged()]
    await work.s.flush()
    key = {"begin": "shelter-begun", "end": "shelter-ended", "undo": "shelter-undone"}[act]
    return toast(await floor_view(work), work.words, key, region=region, agents=len(done.agents), tasks=done.tasks)
