"""Tonight's queue in its order, with the reason of the order; and who is not called, with the reason."""

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from agent_console import reads
from agent_console.deps import QueueWork
from agent_console.view import page
from backoffice_core.call_centre.history import not_callable_counts, queue_counts
from backoffice_core.call_centre.queue import position_of

router = APIRouter()


@router.get("/queue")
async def queue(
    work: QueueWork, reason: str = "", after: int = 0, show: Literal["queue", "not"] = "queue"
) -> HTMLResponse:
    """Fifty rows a page, by key: `after` is the key of the last task (or id of the last reason) of the page before."""
    today = work.console.clock.today()
    if reason:
        show = "not"
    rows = await (
        reads.queue_rows(work.s, today, after)
        if show == "queue"
        else reads.not_callable_rows(work.s, today, reason, after)
    )
    first = await position_of(work.s, today, after) if show == "queue" else 0
    counts = await queue_counts(work.s, today)
    reasons = await not_callable_counts(work.s, today)
    return page(
        work, "queue.html", rows=rows[: reads.PAGE], first=first, more=len(rows) > reads.PAGE, counts=counts, reasons=reasons,
        reason=reason, show=show, after=after, day=today, last_day=await reads.last_queue_day(work.s),
    )  # fmt: skip
