"""The dossier of a case, on one page and as PDF; found by a phone number and a day."""

from datetime import date
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from agent_console.deps import ProofWork, Work, case_refused
from agent_console.forms import past_day
from agent_console.view import page
from backoffice_core.borrowers.phones import read_cell
from backoffice_core.dossier import pdf
from backoffice_core.dossier.service import Dossier, cases_with_phone, gather
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.staff import units
from backoffice_core.staff.service import note_access

router = APIRouter()


@router.get("/dossier")
async def find(work: ProofWork, phone: str = "", day: str = "") -> Response:
    """One case with the number opens; several are listed. What cannot be read stays in its field."""
    asked, today = phone.strip()[:40], work.console.clock.today()
    if strange := sorted(set(work.request.query_params) - {"phone", "day"}):
        raise BadInput(field=strange[0])
    bad = ""
    try:
        on = _come(day, today)
    except ValueError:
        on, bad = None, "day"
    numbers = [one.value for one in read_cell(asked, work.console.settings.jurisdiction).numbers] if asked else []
    bad = bad or ("phone" if asked and not numbers else "")
    found = (
        sorted({n for one in numbers for n in await cases_with_phone(work.s, one, work.user.branch)}, reverse=True)
        if not bad
        else []
    )
    query = f"?{urlencode({'day': on.isoformat()})}" if on else ""
    if len(found) == 1:
        return RedirectResponse(f"/case/{found[0]}/dossier{query}", 303)
    return page(work, "dossier_find.html", phone_=asked, day=day, bad=bad, found=found, query=query,
                searched=bool(asked), status=422 if bad else 200)  # fmt: skip


def _come(day: str, today: date) -> date | None:
    """Raises ValueError, also for a day that is to come: nothing is known of it."""
    on = past_day(day, today) if day.strip() else None
    if on is not None and on > today:
        raise ValueError(day)
    return on


async def _gather(work: Work, number: int, day: str, act: str) -> Dossier:
    clock = work.console.clock
    try:
        on = _come(day, clock.today())
    except ValueError:
        raise BadInput(field="day") from None
    try:
        file = await gather(
            work.s, number, now=work.now, today=clock.today(), zone=clock.zone, day=on, branch=work.user.branch
        )
    except NotFound:
        raise await case_refused(work, number) from None
    note_access(work.s, work.user.id, act, work.wall, case_id=file.case.id, object_id=str(file.case.id))
    return file


@router.get("/case/{number}/dossier")
async def shown(work: ProofWork, number: int, day: str = "") -> HTMLResponse:
    file = await _gather(work, number, day, "DOSSIER_SEEN")
    names = {u.code: u.name or work.words.code("unit", u.code) for u in await units.listed(work.s)}
    return page(work, "dossier.html", file=file, units=names, why_moved=pdf.why, told=pdf.moved)


@router.get("/case/{number}/dossier.pdf")
async def printed(work: ProofWork, number: int, day: str = "") -> Response:
    file = await _gather(work, number, day, "DOSSIER_PRINTED")
    made = pdf.as_pdf(file, work.words, work.console.clock.zone)
    headers = {"Content-Disposition": f'attachment; filename="case-{number}.pdf"', "Cache-Control": "no-store"}
    return Response(made, media_type="application/pdf", headers=headers)
