"""The notice of the day to the credit department: loans that turned overdue, as a list and as a file (DM-13)."""

from datetime import date
from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from agent_console.deps import ProofWork, Work
from agent_console.forms import day as typed_day
from agent_console.pages.tasks import sheet
from agent_console.view import page
from backoffice_core.catalogue import masked
from backoffice_core.collection import overdue
from backoffice_core.collection.overdue import Turned
from backoffice_core.errors import BadInput
from backoffice_core.staff.service import note_access

router = APIRouter(prefix="/overdue")
SHOWN = 500  # rows on the page; the file has all


def _day(work: Work, day: str) -> date:
    """Raises BadInput."""
    today = work.console.clock.today()
    try:
        return typed_day(day, today) or today
    except ValueError:
        raise BadInput(field="day") from None


async def _rows(work: Work, on: date, branch: str) -> list[Turned]:
    start, end = work.console.clock.day_bounds(on)
    return await overdue.turned(work.s, start, end, branch=work.user.branch or branch.strip()[:80])


@router.get("")
async def listed(work: ProofWork, day: str = "", branch: str = "") -> HTMLResponse:
    on = _day(work, day)
    rows = await _rows(work, on, branch)
    sums: dict[str, Any] = {}
    for row in rows:
        sums[row.currency] = sums.get(row.currency, 0) + row.overdue
    return page(
        work, "overdue.html", rows=rows[:SHOWN], count=len(rows), sums=sums, on=on, branch=work.user.branch or branch
    )


@router.get(".{kind}")
async def export(work: ProofWork, kind: Literal["csv", "xlsx"], day: str = "", branch: str = "") -> Response:
    """All of it. Who took it stands in the journal."""
    on, w = _day(work, day), work.words
    rows = await _rows(work, on, branch)
    note_access(work.s, work.user.id, "OVERDUE_EXPORTED", work.wall, rows=len(rows), file=kind)
    head = [w("overdue-branch"), w("contract"), w("borrower"), w("nav-case"), w("overdue-product"), w("col-days"), w("overdue"),
            w("cw-sum-balance"), w("overdue-currency")]  # fmt: skip
    lines: list[list[Any]] = [
        [
            r.branch,
            r.contract_no,
            masked(r.person),
            r.case_number,
            r.product,
            r.days_past_due,
            r.overdue,
            r.balance,
            r.currency,
        ]
        for r in rows
    ]
    return sheet(kind, f"overdue-{on}", head, lines)
