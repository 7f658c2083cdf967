"""Abandoned calls with their proof: when he answered, when the message began, by which rule, until when he is not dialed
without an agent, and the call after it. As a list and as a file."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from agent_console.deps import AbandonedWork, Work
from agent_console.view import page
from backoffice_core import sheets
from backoffice_core.call_centre.calls import abandoned
from backoffice_core.call_centre.calls.abandoned import AbandonedCall
from backoffice_core.call_centre.dialing import machines
from backoffice_core.staff.service import note_access

router = APIRouter(prefix="/abandoned")
COLUMNS = (
    "call_id", "case", "number", "campaign", "caller_id", "called_at", "answered_at", "message_at", "after_s", "within_s",
    "in_time", "twice_in_30_days", "rules", "locked_until", "redialed_at", "redialed_with_agent", "redial_result",
)  # fmt: skip
Days = Annotated[int, Query(ge=1, le=400)]


async def _rows(work: Work, days: int) -> list[AbandonedCall]:
    """Of the last business days, today included."""
    clock = work.console.clock
    start, end = clock.day_bounds(clock.today())
    return await abandoned.report(work.s, start - timedelta(days=days - 1), end)


@router.get("")
async def abandoned_calls(work: AbandonedWork, days: Days = 1) -> HTMLResponse:
    rows = await _rows(work, days)
    start, end = work.console.clock.day_bounds(work.console.clock.today())
    heard = await machines.accounts(work.s, start - timedelta(days=days - 1), end)
    return page(
        work, "abandoned.html", rows=rows, days=days, late=sum(not row.in_time for row in rows), heard=heard,
        twice=sum(row.twice for row in rows),
    )  # fmt: skip


@router.get(".csv")
async def export(work: AbandonedWork, days: Days = 30) -> Response:
    """The list for the bank's records, times in UTC. Who took it stands in the journal."""
    rows = await _rows(work, days)
    note_access(work.s, work.user.id, "ABANDONED_EXPORTED", work.wall, rows=len(rows), days=days)
    lines = (
        [row.call_id, row.case_number or "", row.number, row.campaign, row.caller_id, _stamp(row.business_at),
         _stamp(row.answered_at), _stamp(row.message_at), _or_empty(row.after_s), _or_empty(row.within_s),
         int(row.in_time), int(row.twice), " ".join(row.rules), _stamp(row.locked_until), _stamp(row.redialed_at),
         int(row.redial_held) if row.redialed_at else "", row.redial_result]
        for row in rows
    )  # fmt: skip
    name = f"abandoned-{work.console.clock.today()}-{days}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(sheets.as_csv(COLUMNS, lines), media_type=sheets.CSV, headers=headers)


def _stamp(at: datetime | None) -> str:
    return at.isoformat(timespec="milliseconds") if at else ""


def _or_empty(value: float | None) -> str:
    return "" if value is None else str(value)
