"""Proof of steps (CK-25): what was due, and that it is done, late, skipped with a reason, or open; each figure opens its rows."""

from datetime import date, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from agent_console import reads
from agent_console.deps import ProofWork, Work
from agent_console.forms import day as typed_day
from agent_console.pages.tasks import sheet
from agent_console.view import page
from backoffice_core.catalogue import masked
from backoffice_core.errors import BadInput
from backoffice_core.reports import service as reports
from backoffice_core.staff import units
from backoffice_core.staff.service import note_access
from backoffice_core.strategy import proof
from backoffice_core.strategy.proof import Ask
from backoffice_core.strategy.rules import STATES

router = APIRouter(prefix="/proof")
NARROWS = ("state", "reason", "unit", "person", "version", "arm", "kind", "stage")


class Asked:
    """What the address asks for: a span of due dates, the day as at which, the cut, and what narrows the rows."""

    def __init__(self, query: dict[str, str], today: date) -> None:
        self.given = {k: v[:80] for k, v in query.items() if v}
        if unknown := sorted(self.given.keys() - {"as_at", "first", "last", "by", "offset", *NARROWS}):
            raise BadInput(field=unknown[0])
        self.as_at = self._day("as_at", today, today)
        self.first = self._day("first", self.as_at - timedelta(days=30), today)
        self.last = self._day("last", self.as_at, today)
        self.by = self.given.get("by", "unit")
        if self.by not in proof.BY:
            raise BadInput(field="by")
        if self.given.get("state", STATES[0]) not in STATES:
            raise BadInput(field="state")
        offset = self.given.get("offset", "0")
        if not (offset.isascii() and offset.isdecimal()) or int(offset[:9]) > proof.MOST:
            raise BadInput(field="offset")
        self.offset = int(offset)

    def _day(self, name: str, otherwise: date, today: date) -> date:
        try:
            return typed_day(self.given.get(name, ""), today) or otherwise
        except ValueError:
            raise BadInput(field=name) from None

    def ask(self, branch: str) -> Ask:
        """`branch`: that of the login."""
        narrow: dict[str, Any] = {name: self.given.get(name, "") for name in NARROWS}
        return Ask(as_at=self.as_at, first=self.first, last=self.last, branch=branch, **narrow)

    def url(self, path: str = "/proof", **changes: object) -> str:
        asked = {k: v for k, v in self.given.items() if k != "offset"} | {k: str(v) for k, v in changes.items()}
        asked = {k: v for k, v in asked.items() if v}
        return f"{path}?{urlencode(asked)}" if asked else path


async def _read(work: Work) -> tuple[Asked, dict[str, Any]]:
    asked = Asked(dict(work.request.query_params), work.console.clock.today())
    names = {u.code: u.name or work.words.code("unit", u.code) for u in await units.listed(work.s)}
    await _refuse_unknown(work, asked, set(names))
    return asked, {"asked": asked, "units": names, "narrows": [n for n in NARROWS if asked.given.get(n)], "cuts": proof.BY,
                   "names": {str(k): v for k, v in (await reads.names(work.s)).items()}}  # fmt: skip


async def _refuse_unknown(work: Work, asked: Asked, codes: set[str]) -> None:
    """Raises BadInput for what no step can have: an empty list would look like an answer."""
    given = {name: value for name, value in asked.given.items() if name in NARROWS and value != "-"}
    families = {"kind": "task", "stage": "stage", "reason": "skip-reason"}
    known: dict[str, Any] = {"unit": codes}
    if given.keys() & {"version", "arm"}:
        known |= await reports.strategy_words(work.s)
    if "person" in given:
        known["person"] = {str(one) for one in await reads.names(work.s)}
    for name, value in given.items():
        if name in families:
            fits = work.words.catalogue.has(work.words.lang, f"{families[name]}-{value}")
        else:
            fits = name not in known or value in known[name]
        if not fits:
            raise BadInput(field=name)


@router.get("")
async def figures(work: ProofWork) -> HTMLResponse:
    asked, more = await _read(work)
    lines = await proof.figures(work.s, asked.ask(work.user.branch), asked.by)
    total = {name: sum(getattr(line, name) for line in lines) for name in ("due", "done", "late", "skipped", "open")}
    return page(
        work,
        "proof.html",
        lines=lines,
        total=total,
        reasons=await proof.reasons(work.s, asked.ask(work.user.branch)),
        **more,
    )


@router.get("/rows")
async def rows(work: ProofWork) -> HTMLResponse:
    asked, more = await _read(work)
    found = await proof.rows(work.s, asked.ask(work.user.branch), offset=asked.offset)
    return page(work, "proof_rows.html", rows=found[: proof.PAGE], more=len(found) > proof.PAGE, **more)


@router.get("/export.{kind}")
async def export(work: ProofWork, kind: Literal["csv", "xlsx"]) -> Response:
    """The rows behind the figures. The journal has a line of it."""
    asked, more = await _read(work)
    found, w = await proof.rows(work.s, asked.ask(work.user.branch), limit=proof.MOST), work.words
    head = [w(key) for key in (
        "nav-case", "borrower", "proof-step", "strategy-name", "col-stage", "proof-due", "proof-deadline", "col-state",
        "proof-reason", "proof-done-on", "proof-evidence", "unit", "proof-person", "strategy-arms",
    )]  # fmt: skip
    lines = [
        [r.case_number, masked(r.person_name), w.code("task", r.due.kind), f"{r.strategy}/{r.version} {r.due.step}", r.due.stage,
         r.due.due_date, r.due.deadline, w.code("step-state", r.state),
         w.code("skip-reason", r.due.reason) if r.due.reason else "", r.due.done_on, r.due.evidence,
         more["units"].get(r.due.unit, r.due.unit), r.owner_name, r.due.arm] for r in found
    ]  # fmt: skip
    note_access(work.s, work.user.id, "PROOF_EXPORTED", work.wall, rows=len(lines), file=kind)
    return sheet(kind, "proof", head, lines)
