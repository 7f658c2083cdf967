"""A lost number comes back by a person's word, or is tried once more (CC-10): from the case file, with a reason."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form
from fastapi.responses import RedirectResponse, Response

from agent_console import reads
from agent_console.deps import CaseWork, case_refused
from backoffice_core.borrowers import service as borrowers
from backoffice_core.cases import service as cases
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.staff.service import note_access

router = APIRouter()


@router.post("/case/{number}/phone/{phone_id}")
async def act(
    work: CaseWork,
    number: int,
    phone_id: UUID,
    act: Annotated[Literal["works", "try"], Form()],
    reason: Annotated[str, Form()] = "",
) -> Response:
    """`works`: the signs against it are gone. `try`: the next queue dials it; silence or a refusal loses it again."""
    file = await reads.case_file(work.s, number, work.user, any_case=work.may("case_any"))
    point = next((p for p in file.phones if p.id == phone_id), None) if file else None
    if file is None:
        raise await case_refused(work, number)
    if point is None:
        raise NotFound
    why = " ".join(reason.split())[:200]
    if not why:
        raise BadInput(field="reason")
    if act == "works":
        await borrowers.revive(work.s, phone_id, at=work.now)
    else:
        await borrowers.try_again(work.s, phone_id, at=work.now)
    data = {"act": act, "number": point.value, "note": why}
    await cases.add_event(work.s, file.case.id, "number", work.now, actor_id=work.user.id, data=data)
    note_access(work.s, work.user.id, "NUMBER_" + act.upper(), work.wall, case_id=file.case.id, object_id=str(phone_id))
    return RedirectResponse(f"/case/{number}", 303)
