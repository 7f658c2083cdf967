"""Tonight's queue in its order, with the reason of the order; and every other open case: who waits, who is done, who is not
called, with the reason, the hour and who ends it. As lists and as files."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from agent_console import reads
from agent_console.deps import QueueWork, Work
from agent_console.view import page
from backoffice_core import sheets
from backoffice_core.call_centre.queueing import requeue, standing
from backoffice_core.call_centre.queueing.queue import position_of
from backoffice_core.errors import BadInput
from backoffice_core.staff.service import note_access

router = APIRouter()
Show = Literal["queue", "not", "waiting", "done"]
CLASS = {"not": "not_callable", "waiting": "waiting", "done": "done"}
COLUMNS = ("case", "borrower", "class", "reason", "rule", "until", "who_ends", "owner", "attempts")


@router.get("/queue")
async def queue(work: QueueWork, reason: str = "", after: int = 0, show: Show = "queue", q: str = "") -> HTMLResponse:
    """Fifty rows a page, by key: `after` is the key of the last row of the page before. `q`: a name or a case's number."""
    today = work.console.clock.today()
    _known(work, reason)
    if show == "queue" and reason:
        show = "not"
    stands = await standing.counts(work.s, today, work.now, work.user.branch)
    tasks = await reads.queue_rows(work.s, today, after, branch=work.user.branch) if show == "queue" else []
    rows = await _listed(work, show, reason, q, after, reads.PAGE + 1) if show != "queue" else []
    found = tasks or rows
    return page(
        work, "queue.html", tasks=tasks[: reads.PAGE], rows=rows[: reads.PAGE], more=len(found) > reads.PAGE, stands=stands,
        reason=reason, show=show, after=after, q=q, day=today, last_day=await reads.last_queue_day(work.s),
        first=await position_of(work.s, today, after) if show == "queue" else 0, groups=CLASS,
        judging=await requeue.marks_left(work.s),
    )  # fmt: skip


def _known(work: Work, reason: str) -> None:
    """Raises BadInput for a word of the address that is none of ours, and for a reason that nothing has."""
    if unknown := sorted(work.request.query_params.keys() - {"show", "reason", "after", "q"}):
        raise BadInput(field=unknown[0])
    has, families = work.console.catalogue.has, ("reason", "result", "task-state")
    if reason and not any(has(work.words.lang, f"{family}-{reason}") for family in families):
        raise BadInput(field="reason")


async def _listed(work: Work, show: Show, reason: str, q: str, after: int, limit: int | None) -> list[standing.Row]:
    today = work.console.clock.today()
    return await standing.listed(
        work.s, today, work.now, CLASS[show], reason=reason, search=q, after=after, limit=limit,
        branch=work.user.branch,
    )  # fmt: skip


@router.get("/queue.{kind}")
async def export(
    work: QueueWork, kind: Literal["csv", "xlsx"], show: Show = "not", reason: str = "", q: str = ""
) -> Response:
    """The same list, whole, times in UTC. Who took it stands in the journal."""
    _known(work, reason)
    rows = await _listed(work, "not" if show == "queue" else show, reason, q, 0, None)
    note_access(work.s, work.user.id, "QUEUE_EXPORTED", work.wall, rows=len(rows), show=show, reason=reason)
    lines = [
        (
            r.case_number,
            r.person_name,
            r.where,
            r.reason,
            r.rule,
            _stamp(r.until),
            r.who,
            r.owner,
            r.attempts,
        )
        for r in rows
    ]
    body, media = (
        (sheets.as_csv(COLUMNS, lines), sheets.CSV)
        if kind == "csv"
        else (sheets.as_xlsx(COLUMNS, lines, "queue"), sheets.XLSX)
    )
    name = f"{CLASS.get(show, 'not_callable')}-{work.console.clock.today()}.{kind}"
    return Response(body, media_type=media, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _stamp(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
