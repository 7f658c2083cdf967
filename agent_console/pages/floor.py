"""The supervisor's floor: agents, calls and figures as they are now, and the strong stop button.

The page ticks clocks by itself and fetches what the websocket says has changed: single rows, and at most once a
second the summary.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from agent_console.deps import FloorWork, Work
from agent_console.view import page
from asterisk_conf import prompts
from backoffice_core import leases
from backoffice_core.call_centre.calls import call_backs, history, line_quality, recordings, unknown
from backoffice_core.call_centre.carriers import caller_ids, trunks
from backoffice_core.call_centre.desks import agents, wrap_up
from backoffice_core.call_centre.dialing import campaigns, pacing_book, pacing_words, shelter, stop
from backoffice_core.call_centre.queueing import standing
from backoffice_core.compliance import elsewhere
from backoffice_core.compliance.service import last_working_day
from backoffice_core.loans import sources

router = APIRouter(prefix="/floor")

LONG_PAUSE_S = 15 * 60
PACING_SHOWN = timedelta(hours=1)
ABANDON_LIMIT = 3  # percent of live answers (domain.md 3.1), until a decision tells the campaigns' own


async def _context(work: Work) -> dict[str, Any]:
    today = work.console.clock.today()
    start, end = work.console.clock.day_bounds(today)
    branch = work.user.branch  # its own people and borrowers; what the house itself lacks is told to everybody
    board = await agents.board(work.s, branch=branch)
    calls = await history.live_calls(work.s, branch)
    counts = Counter(row.state for row in board)
    counts["CONNECTING"] = sum(1 for row in board if row.state == "READY" and row.line != "UP")
    counts["READY"] -= counts["CONNECTING"]
    counts["PREVIEW"] = sum(1 for row in board if row.state == "RESERVED" and row.reason == "PREVIEW")
    return {
        "board": board,
        "counts": counts,
        "calls": calls,
        "dialing": sum(1 for call in calls if call.state in {"INTENT", "RINGING"}),
        "waiting": sum(1 for call in calls if call.state == "ANSWERED" and call.agent_name is None),
        **await _lines(work, start),
        "figures": await history.day_figures(work.s, start, end, branch=branch),
        "queue": await history.queue_counts(work.s, today, branch),
        "open_cases": await history.open_cases(work.s, branch),
        "still": await campaigns.still(work.s, today),
        "reasons": await history.not_callable_counts(work.s, today, branch),
        "waits": await standing.waiting_counts(work.s, today, work.now, branch),
        "shelters": await shelter.running(work.s),
        "stopped": stop.stopped(work.console.settings),
        "draining": stop.draining(work.console.settings),
        "phones": await line_quality.phones(work.s, work.console.settings, work.wall, branch),
        "bad_sound": await recordings.bad_sound(work.s, start, end, branch=branch),
        "fast": await history.fast_results(work.s, start, end, branch),
        "no_results": await wrap_up.all_waiting(work.s, branch=branch),
        "unknown": await call_backs.unknown_callers(work.s, start) if not branch else [],
        "unknown_calls": await unknown.count(work.s, branch),
        "late_lists": await _late_lists(work),
        "late_contacts": await elsewhere.late_names(work.s, work.now),
        "no_prompts": prompts.missing(work.console.settings),
        "pacing": (pacing := await _pacing(work)),
        "mode": next(
            (a["collection"]["mode"] for a in (one["accounts"] for one in pacing) if "collection" in a), "progressive"
        ),
        # a campaign without agents has no such account
        "limit": min(
            (a["limit_pct"] for one in pacing for a in one["accounts"].values() if "limit_pct" in a),
            default=ABANDON_LIMIT,
        ),
        "away": await _away(work),
        "long_pause_s": LONG_PAUSE_S,
    }


async def _pacing(work: Work) -> list[dict[str, Any]]:
    """Each pool's last decision in words, why it is slow, and the account of its campaigns (FL-17)."""
    rows = await pacing_book.last_of_each_pool(work.s, work.wall - PACING_SHOWN)
    return [
        {
            "at": row.at, "words": pacing_words.decision(work.words, row), "slow": pacing_words.slow(work.words, row),
            "accounts": row.terms.get("accounts", {}),
        }
        for row in rows
    ]  # fmt: skip


async def _away(work: Work) -> str:
    """What dialing lacks altogether: "dialer" (none leads any more), "exchange" (no link to it), "" = nothing."""
    leading = [one for one in await leases.board(work.s) if one.name == leases.POOL]
    if leading and not leading[0].holds:
        return "dialer"
    return "exchange" if not getattr(work.console.ami, "up", True) else ""


async def _late_lists(work: Work) -> list[str]:
    """Sources whose list of today has not come by its hour (FL-07)."""
    clock, settings = work.console.clock, work.console.settings
    day = await last_working_day(work.s, settings.jurisdiction, clock.today())
    found = await sources.states(work.s, clock.now().astimezone(clock.zone), day)
    return [one.name for one in found if one.state == "LATE"]


async def _lines(work: Work, day_start: datetime) -> dict[str, Any]:
    """Trunks as they stand, and which numbers have left the pool: alarms until they are mended."""
    standing = await trunks.standings(work.s, work.console.settings, wall=work.wall, day_start=day_start)
    return {"trunks": list(standing.values()), "ids_out": await caller_ids.out(work.s)}


@router.get("")
async def floor(work: FloorWork) -> HTMLResponse:
    regions = await shelter.regions(work.s) if work.may("stop") else []
    return page(work, "floor.html", regions=regions, **await _context(work))


async def floor_view(work: Work) -> HTMLResponse:
    return page(work, "floor_view.html", **await _context(work))


@router.get("/view")
async def view(work: FloorWork) -> HTMLResponse:
    return await floor_view(work)


@router.get("/agents")
async def rows(work: FloorWork, ids: Annotated[list[UUID], Query(alias="id")]) -> HTMLResponse:
    """Only these agents' rows, for the page to put in their places."""
    wanted = set(ids[:100])
    if len(wanted) == 1:
        board = await agents.board(work.s, next(iter(wanted)), branch=work.user.branch)
    else:
        board = [row for row in await agents.board(work.s, branch=work.user.branch) if row.agent_id in wanted]
    return page(work, "floor_rows.html", board=board, long_pause_s=LONG_PAUSE_S)
