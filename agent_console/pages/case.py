"""One case file: numbers, history with recordings, tasks, promises, phones. Each look leaves a line in the journal."""

from datetime import datetime, timedelta

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse

from agent_console import reads
from agent_console.deps import CaseWork
from agent_console.view import page
from backoffice_core.call_centre.history import history
from backoffice_core.errors import NotFound
from backoffice_core.staff.service import note_access

router = APIRouter()
PAGE = 50


@router.get("/case")
async def find(work: CaseWork, number: str = "") -> RedirectResponse:
    """The search field: a case's number, with or without its letter."""
    digits = "".join(c for c in number if c.isdigit())
    if not digits or len(digits) > 15:
        raise NotFound
    return RedirectResponse(f"/case/{digits}", 303)


@router.get("/case/{number}")
async def case(work: CaseWork, number: int, before: datetime | None = None) -> HTMLResponse:
    file = await reads.case_file(work.s, number, work.user, any_case=work.may("case_any"))
    if file is None:
        raise NotFound
    recently = work.wall - timedelta(minutes=10)
    if not await reads.noted(work.s, work.user.id, "CASE_SEEN", str(file.case.id), recently):
        note_access(work.s, work.user.id, "CASE_SEEN", work.wall, case_id=file.case.id, object_id=str(file.case.id))
    rows = await history(work.s, file.case.id, limit=PAGE + 1, before=before)
    return page(work, "case.html", file=file, rows=rows[:PAGE], more=len(rows) > PAGE, before=before)
