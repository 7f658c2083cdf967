"""Acts by which a case leaves the bank's hands or comes back, and complaints: noted by one person, decided by another."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from agent_console import reads
from agent_console.deps import CaseWork, Work
from agent_console.pages.case_work import act_on, day_of, decides, money_of, thing_of
from agent_console.reads import CaseFile
from backoffice_core.collection import complaints, late
from backoffice_core.collection.models import Complaint, LateAct
from backoffice_core.errors import BadInput
from backoffice_core.strategy import night

router = APIRouter(prefix="/case/{number}")


@router.post("/late-acts")
async def propose(work: CaseWork, number: int) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await late.propose(
            work.s, file.case.id, typed.get("act", ""), counterparty=typed.get("counterparty", ""),
            number=typed.get("number", ""), on=day_of(work, typed, "on"), reason=typed.get("reason", ""),
            price=money_of(typed, "price") or None, at=work.now, today=work.console.clock.today(), by=work.user.id,
        )  # fmt: skip

    return await act_on(work, number, "late", "LATE_ACT_PROPOSED", deed)


async def _steps_end(work: Work, file: CaseFile) -> None:
    """What the strategy still wanted of the case ends with the act, not the night after."""
    clock, person = work.console.clock, file.case.person_id
    await night.settle(work.s, clock.today(), now=work.now, zone=clock.zone, of=(person, person))


@router.post("/late-acts/{act_id}/approve")
async def approve(work: CaseWork, number: int, act_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await thing_of(work, LateAct, act_id, file)
        await late.approve(work.s, act_id, at=work.now, today=work.console.clock.today(), by=work.user.id)
        await _steps_end(work, file)

    return await act_on(work, number, "late-decide", "LATE_ACT_APPROVED", deed, may=decides(work))


@router.post("/late-acts/{act_id}/refuse")
async def refuse(work: CaseWork, number: int, act_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await thing_of(work, LateAct, act_id, file)
        await late.refuse(work.s, act_id, why=typed.get("why", "")[:1000], at=work.now, by=work.user.id)

    return await act_on(work, number, "late-decide", "LATE_ACT_REFUSED", deed)


@router.post("/late-acts/{act_id}/mistaken")
async def mistaken(work: CaseWork, number: int, act_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await thing_of(work, LateAct, act_id, file)
        await late.ask_reversal(work.s, act_id, why=typed.get("why", ""), at=work.now, by=work.user.id)

    return await act_on(work, number, "late-decide", "LATE_ACT_MISTAKEN", deed, may=decides(work))


@router.post("/late-acts/{act_id}/reverse")
async def reverse(work: CaseWork, number: int, act_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await thing_of(work, LateAct, act_id, file)
        await late.reverse(work.s, act_id, at=work.now, today=work.console.clock.today(), by=work.user.id)

    return await act_on(work, number, "late-decide", "LATE_ACT_REVERSED", deed, may=decides(work))


# --- complaints ----------------------------------------------------------------------------------------------------


@router.post("/complaints")
async def note(work: CaseWork, number: int) -> Response:
    """By anybody who may see the case: also the former owner hears complaints."""

    async def everybody(_: CaseFile) -> bool:
        return True

    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        people = {str(key): key for key in await reads.names(work.s)}
        about = typed.get("about", "")
        if about and about not in people:
            raise BadInput("Whom is it about?", remedy="Choose one of the list.", field="about")
        await complaints.note(
            work.s, file.case.id, kind=typed.get("kind", ""), channel=typed.get("channel", ""), text=typed.get("text", ""),
            about=people.get(about), at=work.now, by=work.user.id,
        )  # fmt: skip

    return await act_on(work, number, "complaints", "COMPLAINT_NOTED", deed, may=everybody)


@router.post("/complaints/{complaint_id}/answer")
async def answer(work: CaseWork, number: int, complaint_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await thing_of(work, Complaint, complaint_id, file)
        await complaints.answer(
            work.s, complaint_id, typed.get("state", ""), typed.get("why", ""), at=work.now, by=work.user.id
        )

    return await act_on(work, number, "complaints-answer", "COMPLAINT_ANSWERED", deed, may=decides(work))
