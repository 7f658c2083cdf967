"""One case file: numbers, history with recordings, tasks, promises, phones. Each look leaves a line in the journal.

A supervisor completes here the result of a talk whose agent gave none.
"""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from agent_console import reads, search
from agent_console.deps import CaseWork, CompleteWork, Work, case_refused
from agent_console.forms import Typed, typed_result
from agent_console.view import page
from backoffice_core.call_centre.calls.history import history
from backoffice_core.call_centre.desks import desk, preview, wrap_up
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.rules import outcomes_of
from backoffice_core.cases.task_rules import BY_HAND
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.events import CallChanged
from backoffice_core.staff import units
from backoffice_core.staff.service import note_access

router = APIRouter()
PAGE = 50


@router.get("/case")
async def find(work: CaseWork, q: str = "") -> Response:
    """The search field: a case's number, a contract, a phone in any writing, or a name. One hit opens.

    Who sees only cases of his own gives the number: what others are like is not to be found out by trying.
    """
    asked = q.strip()[:80]
    if not work.may("case_any"):
        digits = "".join(c for c in asked if c.isdecimal())
        if not digits or len(digits) > 15:
            raise await case_refused(work, "")
        return RedirectResponse(f"/case/{digits}", 303)
    found = await search.cases(work.s, asked, work.console.settings.jurisdiction, branch=work.user.branch)
    if len(found) == 1:
        return RedirectResponse(f"/case/{found[0].number}", 303)
    return page(work, "search.html", q=asked, found=found[: search.MOST], more=len(found) > search.MOST)


@router.get("/case/{number}")
async def case(work: CaseWork, number: int, before: datetime | None = None) -> HTMLResponse:
    return await show(work, number, before=before)


async def show(
    work: Work, number: int, *, before: datetime | None = None, typed: Typed | None = None, status: int = 200,
    new_task: dict[str, str] | None = None, bad: str = "",
) -> HTMLResponse:  # fmt: skip
    """`new_task`, `bad`: the form of a new task as it was typed, and its refused field."""
    file = await reads.case_file(work.s, number, work.user, any_case=work.may("case_any"))
    if file is None:
        raise await case_refused(work, number)
    recently = work.wall - timedelta(minutes=10)
    if not await reads.noted(work.s, work.user.id, "CASE_SEEN", str(file.case.id), recently):
        note_access(work.s, work.user.id, "CASE_SEEN", work.wall, case_id=file.case.id, object_id=str(file.case.id))
    rows = await history(work.s, file.case.id, limit=PAGE + 1, before=before)
    waiting = await wrap_up.waiting_call(work.s, file.case.id) if work.may("complete") else None
    no_result = await wrap_up.case_waits(work.s, file.case.id)
    return page(
        work, "case.html", status=status, no_result=no_result, file=file, rows=rows[:PAGE], more=len(rows) > PAGE, before=before,
        waiting=waiting, looked_at=await preview.taken(work.s, file.case.id), outcomes_of=outcomes_of, typed=typed or Typed(),
        too_old=file.older_than(work.now - work.console.settings.balance_max_age),
        new_task=new_task or {}, bad=bad, act="new", kinds=BY_HAND, people=await units.people(work.s),
        units={u.code: u.name for u in await units.listed(work.s)},
    )  # fmt: skip


@router.post("/case/{number}/complete")
async def complete(
    work: CompleteWork,
    number: int,
    call_id: Annotated[UUID, Form()],
    outcome: Annotated[str, Form()] = "",
    amount: Annotated[str, Form()] = "",
    due_date: Annotated[str, Form()] = "",
    call_back_at: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
) -> Response:
    """The result of a talk without one. A wrong input comes back as it was typed (422)."""
    file = await reads.case_file(work.s, number, work.user, any_case=True)
    if file is None:
        raise await case_refused(work, number)
    call = await work.s.get(CallAttempt, call_id)
    if call is None or call.case_id != file.case.id:  # a right to one case opens no call of another
        raise NotFound
    zone = ZoneInfo(file.person.time_zone) if file.person.time_zone else None
    typed = typed_result(
        work, outcome=outcome, amount=amount, due_date=due_date, call_back_at=call_back_at, note=note, zone=zone
    )
    today = work.console.clock.today()
    try:
        if typed.errors:
            raise BadInput(field=next(iter(typed.errors)))
        async with work.s.begin_nested():
            await desk.complete_result(
                work.s, work.user.id, call_id, typed.result, now=work.now, today=today, wall=work.wall
            )
    except (BadInput, desk.OutcomeNeedsConfirmation) as error:
        field = str(error.details.get("field", "outcome"))
        typed.errors.setdefault(field, f"{field}-{error.code}")
        return await show(work, number, typed=typed, status=422)
    note_access(work.s, work.user.id, "RESULT_COMPLETED", work.wall, case_id=file.case.id, object_id=str(call_id))
    work.news.append(CallChanged(call_id=call_id))
    return RedirectResponse(f"/case/{number}", 303)
