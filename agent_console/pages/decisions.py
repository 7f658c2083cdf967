"""The dialer's decisions, read back: how many calls, why so many, why no more, and each campaign's account at that moment."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from agent_console.deps import FloorWork
from agent_console.view import page
from backoffice_core.call_centre.dialing import pacing_book, pacing_words
from backoffice_core.errors import BadInput

router = APIRouter(prefix="/decisions")
PAGE = 50


@router.get("")
async def decisions(
    work: FloorWork, pool: Annotated[str, Query(max_length=400)] = "", before: Annotated[int, Query(ge=0)] = 0
) -> HTMLResponse:
    """The newest first. `pool`: only this one's; `before`: the key of the last row of the page before."""
    if unknown := sorted(work.request.query_params.keys() - {"pool", "before"}):
        raise BadInput(field=unknown[0])
    found = await pacing_book.decisions(work.s, PAGE + 1, pool, before)
    rows = [(row, pacing_words.decision(work.words, row), pacing_words.slow(work.words, row)) for row in found[:PAGE]]
    return page(
        work, "decisions.html", rows=rows, more=len(found) > PAGE, pool=pool, before=before,
        kept_days=pacing_book.KEPT.days,
    )  # fmt: skip
