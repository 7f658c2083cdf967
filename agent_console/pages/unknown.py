"""Calls whose end nobody heard: who, when, what evidence there is; a supervisor says how each ended, in two clicks."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response

from agent_console.deps import CompleteWork, Work
from agent_console.view import page, toast
from backoffice_core.call_centre.calls import settling, unknown
from backoffice_core.call_centre.rules import SETTLED_BY_HAND
from backoffice_core.errors import NotFound
from backoffice_core.events import CallChanged
from backoffice_core.staff import service

router = APIRouter(prefix="/unknown")


async def _list(work: Work, template: str) -> HTMLResponse:
    calls = await unknown.waiting(work.s, branch=work.user.branch)
    return page(work, template, calls=calls, results=SETTLED_BY_HAND)


async def _refuse_foreign(work: Work, call_id: UUID) -> None:
    """Raises NotFound for a call with another branch's borrower."""
    if work.user.branch and not await unknown.waiting(work.s, branch=work.user.branch, only=call_id):
        raise NotFound


@router.get("")
async def unknown_calls(work: CompleteWork) -> HTMLResponse:
    return await _list(work, "unknown.html")


@router.post("/{call_id}")
async def settle(work: CompleteWork, call_id: UUID, result: Annotated[str, Form()] = "") -> Response:
    """Raises BadInput for what is no result, Conflict when somebody was quicker."""
    await _refuse_foreign(work, call_id)
    who, by = f"user:{work.user.id}", work.user.full_name
    call = await settling.settle_unknown(work.s, call_id, result.upper(), by=by, now=work.now, who=who)
    work.news.append(CallChanged(call_id=call_id, agent_id=call.agent_id))
    await work.s.flush()
    return toast(await _list(work, "unknown_view.html"), work.words, "unknown-saved")


@router.post("/{call_id}/noted")
async def noted(work: CompleteWork, call_id: UUID) -> Response:
    """Its result is known; what was odd about it has been seen."""
    await _refuse_foreign(work, call_id)
    call = await unknown.noted(work.s, call_id)
    service.note_access(work.s, work.user.id, "PROBLEM_NOTED", work.wall, case_id=call.case_id, object_id=str(call_id))
    await work.s.flush()
    return toast(await _list(work, "unknown_view.html"), work.words, "unknown-saved")
