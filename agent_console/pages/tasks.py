"""The work list: mine, my unit's, nobody's, all; as a table or a calendar; taking, handing over, closing, cancelling."""

import calendar
from collections.abc import Awaitable
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from agent_console import reads
from agent_console.deps import TasksWork, Work, case_refused
from agent_console.forms import day as typed_day
from agent_console.view import page
from backoffice_core import sheets
from backoffice_core.cases import tasks, work_lists
from backoffice_core.cases.task_rules import BY_HAND, DATED_BY_OTHERS, RESULTS
from backoffice_core.cases.work_lists import PAGE, Wish
from backoffice_core.catalogue import masked
from backoffice_core.days import meant
from backoffice_core.errors import BadInput, Conflict, NotAllowed, Refused
from backoffice_core.staff import units
from backoffice_core.staff.service import note_access

router = APIRouter(prefix="/tasks")
WORDS: dict[str, tuple[str, ...]] = {  # of an address, and what each may be; () = anything
    "list": work_lists.SCOPES, "view": ("table", "calendar"), "kind": (), "unit": (), "person": (), "when": work_lists.WHEN,
    "on": (), "q": (), "month": (), "after": (), "task": (),
}  # fmt: skip
SAID = {"list": "mine", "view": "table"}  # what an address need not say


def actor(work: Work) -> tasks.Actor:
    return tasks.Actor(work.user.id, work.user.unit or "", work.may("tasks_all"))


def scopes(work: Work) -> tuple[str, ...]:
    mine = ("mine", "unit") if work.user.unit else ("mine",)
    return (*mine, "managers", "all") if work.may("tasks_all") else mine


class Asked:
    """What the address asks for. Raises BadInput for a word that is none of ours: nothing is passed over in silence."""

    def __init__(self, query: dict[str, str]) -> None:
        for name, value in query.items():
            if value and (name not in WORDS or (WORDS[name] and value not in WORDS[name])):
                raise BadInput(field=name)
        self.given = {k: v[:80] for k, v in query.items() if v and SAID.get(k) != v}

    def __getitem__(self, name: str) -> str:
        return self.given.get(name, SAID.get(name, ""))

    def url(self, path: str = "/tasks", **changes: object) -> str:
        """The same list with changes; an empty one takes a filter away. A change of list begins at its first page."""
        keep = (
            self.given
            if set(changes) <= {"task"}
            else {k: v for k, v in self.given.items() if k not in ("after", "task")}
        )
        asked = {k: str(v) for k, v in (keep | changes).items() if v and SAID.get(k) != v}
        return f"{path}?{urlencode(asked)}" if asked else path

    def day(self, name: str) -> date | None:
        try:
            return meant(date.fromisoformat(self[name])) if self[name] else None
        except ValueError:
            raise BadInput(field=name) from None

    def id(self, name: str) -> UUID | None:
        try:
            return UUID(self[name]) if self[name] else None
        except ValueError:
            raise BadInput(field=name) from None


async def _wish(work: Work, asked: Asked) -> Wish:
    await _refuse_unknown(work, asked)
    heads = tuple(await reads.units_headed(work.s, work.user.id))
    may = scopes(work) if not heads else tuple(dict.fromkeys((*scopes(work), "unit")))
    scope = asked["list"] if asked["list"] in may else "mine"
    return Wish(
        branch=work.user.branch,
        scope=scope, user_id=work.user.id, own_unit=work.user.unit or "", heads=heads, kind=asked["kind"], unit=asked["unit"],
        person=asked.id("person"), when=asked["when"], on=asked.day("on"), q=asked["q"],
    )  # fmt: skip


async def _refuse_unknown(work: Work, asked: Asked) -> None:
    """Raises BadInput for a kind, unit or person that there is none of: an empty list would look like an answer."""
    words = work.words
    if asked["kind"] and not words.catalogue.has(words.lang, f"task-{asked['kind']}"):
        raise BadInput(field="kind")
    if asked["unit"] not in {"", "none", *(u.code for u in await units.listed(work.s))}:
        raise BadInput(field="unit")
    if asked["person"] and asked.id("person") not in await reads.names(work.s):
        raise BadInput(field="person")


def _after(asked: Asked) -> tuple[date, UUID] | None:
    if not asked["after"]:
        return None
    day, _, key = asked["after"].partition("_")
    try:
        return meant(date.fromisoformat(day)), UUID(key)
    except ValueError:
        raise BadInput(field="after") from None


def _month(asked: Asked, today: date) -> tuple[date, list[list[date]]]:
    try:
        first = meant(date.fromisoformat(f"{asked['month']}-01")) if asked["month"] else today.replace(day=1)
    except ValueError:
        raise BadInput(field="month") from None
    return first, calendar.Calendar().monthdatescalendar(first.year, first.month)


async def _page(
    work: Work, query: dict[str, str], *, status: int = 200, typed: dict[str, str] | None = None, bad: str = "",
    act: str = "", said: str = "",
) -> HTMLResponse:  # fmt: skip
    """`bad`: the field of the form `act` that was refused; `typed` is shown in it again. `said`: a refusal's code."""
    asked = Asked(query)
    today, wish = work.console.clock.today(), await _wish(work, asked)
    month, weeks = _month(asked, today)
    as_calendar = asked["view"] == "calendar"
    rows = [] if as_calendar else await work_lists.rows(work.s, wish, today, after=_after(asked))
    days = await work_lists.by_day(work.s, wish, today, weeks[0][0], weeks[-1][-1]) if as_calendar else {}
    chosen = await _chosen(work, asked, wish, today)
    return page(
        work, "tasks.html", status=status, asked=asked, wish=wish, rows=rows[:PAGE], more=len(rows) > PAGE,
        whens=await work_lists.by_when(work.s, wish, today), kinds=await work_lists.by_kind(work.s, wish, today),
        per_unit=await work_lists.by_unit(work.s, wish, today), month=month, weeks=weeks, days=days, as_calendar=as_calendar,
        lists=await work_lists.by_scope(work.s, wish, today, _shown(work, wish)), chosen=chosen, results=RESULTS,
        people=await units.people(work.s) if chosen else [], units={u.code: u.name for u in await units.listed(work.s)},
        moves=await tasks.moves_of(work.s, chosen.task.id) if chosen else [],
        dates=await tasks.dates_of(work.s, chosen.task.id) if chosen else [], movable=_movable(work, chosen, today),
        typed=typed or {}, bad=bad, act=act, said=said,
        names=await reads.names(work.s), month_before=(month - timedelta(days=1)).strftime("%Y-%m"),
        month_after=(month + timedelta(days=31)).strftime("%Y-%m"), gone=bool(asked["task"]) and chosen is None,
    )  # fmt: skip


def _movable(work: Work, chosen: work_lists.WorkRow | None, today: date) -> bool:
    """Whether this person may move its control date."""
    if chosen is None or chosen.task.kind in DATED_BY_OTHERS:
        return False
    late = chosen.task.control_date < today or chosen.task.escalated_at is not None
    mine = chosen.task.owner_id == work.user.id or (chosen.task.owner_id is None and chosen.task.unit == work.user.unit)
    return work.may("tasks_all") or (mine and not late)


def _shown(work: Work, wish: Wish) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*scopes(work), *(("unit",) if wish.heads else ()))))


async def _chosen(work: Work, asked: Asked, wish: Wish, today: date) -> work_lists.WorkRow | None:
    """The task whose acts are shown; only one that its reader may see."""
    try:
        key = asked.id("task")
    except BadInput:
        key = None  # a link to a task that is gone says so
    if key is None:
        return None
    bare = Wish(user_id=wish.user_id, own_unit=wish.own_unit, heads=wish.heads, branch=wish.branch)
    for scope in _shown(work, wish):
        found = await work_lists.one(work.s, key, replace(bare, scope=scope), today)
        if found is not None:
            return found
    return None


@router.get("")
async def listed(work: TasksWork) -> HTMLResponse:
    return await _page(work, dict(work.request.query_params))


@router.get("/export.{kind}")
async def export(work: TasksWork, kind: Literal["csv", "xlsx"]) -> Response:
    """The list as it is narrowed, all of its rows. The journal has a line of it."""
    asked = Asked(dict(work.request.query_params))
    today, w = work.console.clock.today(), work.words
    rows = await work_lists.rows(work.s, await _wish(work, asked), today, limit=work_lists.MOST)
    names = {u.code: u.name or w.code("unit", u.code) for u in await units.listed(work.s)}
    head = [
        w("nav-case"),
        w("borrower"),
        w("tasks-task"),
        w("tasks-when"),
        w("tasks-owner"),
        w("unit"),
        w("tasks-when-overdue"),
    ]
    lines = [
        [r.case_number, masked(r.person_name), w.code("task", r.task.kind), r.task.control_date, r.owner_name,
         names.get(r.unit, ""), r.late_days] for r in rows
    ]  # fmt: skip
    note_access(work.s, work.user.id, "TASKS_EXPORTED", work.wall, rows=len(lines), file=kind)
    return sheet(kind, "tasks", head, lines)


def sheet(kind: str, name: str, head: list[str], lines: list[list[Any]]) -> Response:
    """A table as a file."""
    made = sheets.as_csv(head, lines) if kind == "csv" else sheets.as_xlsx(head, lines)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind}"', "Cache-Control": "no-store"}
    return Response(made, media_type=sheets.CSV if kind == "csv" else sheets.XLSX, headers=headers)


# --- acts ----------------------------------------------------------------------------------------------------------


async def _done(
    work: Work, task_id: UUID, act: str, deed: Awaitable[Any], typed: dict[str, str], *, stays: bool
) -> Response:
    """Back to the list as it was; a refused form comes back with what was typed (422, 409)."""
    query = dict(work.request.query_params)
    try:
        async with work.s.begin_nested():
            await deed
    except BadInput as refused:
        field = str(refused.details.get("field", ""))
        return await _page(work, query | {"task": str(task_id)}, status=422, typed=typed, bad=field, act=act)
    except (Conflict, NotAllowed) as refused:
        return await _page(work, query, status=403 if isinstance(refused, NotAllowed) else 409, said=refused.code)
    return RedirectResponse(Asked(query).url(task=task_id if stays else ""), 303)


@router.post("/{task_id}/take")
async def take(work: TasksWork, task_id: UUID) -> Response:
    return await _done(work, task_id, "take", tasks.take(work.s, task_id, actor(work), at=work.now), {}, stays=True)


@router.post("/{task_id}/hand-over")
async def hand_over(
    work: TasksWork, task_id: UUID, to: Annotated[str, Form()] = "", note: Annotated[str, Form()] = ""
) -> Response:
    unit, owner = whom(to)
    deed = tasks.hand_over(work.s, task_id, actor(work), note=note, to_unit=unit, to_owner=owner, at=work.now)
    return await _done(work, task_id, "hand-over", deed, {"to": to, "note": note}, stays=False)


def whom(to: str) -> tuple[str, UUID | None]:
    """“unit:legal” or “user:<id>”; nobody for anything else."""
    kind, _, key = to.partition(":")
    try:
        return (key, None) if kind == "unit" else ("", UUID(key) if kind == "user" else None)
    except ValueError:
        return "", None


@router.post("/{task_id}/date")
async def move_date(
    work: TasksWork, task_id: UUID, control_date: Annotated[str, Form()] = "", note: Annotated[str, Form()] = ""
) -> Response:
    today = work.console.clock.today()

    async def deed() -> None:
        try:
            to = typed_day(control_date, today)
        except ValueError:
            to = None
        if to is None:
            raise BadInput(field="control_date")
        await tasks.move_date(work.s, task_id, actor(work), to=to, note=note, at=work.now, today=today)

    return await _done(work, task_id, "date", deed(), {"control_date": control_date, "note": note}, stays=True)


@router.post("/{task_id}/close")
async def close(
    work: TasksWork, task_id: UUID, result: Annotated[str, Form()] = "", note: Annotated[str, Form()] = ""
) -> Response:
    deed = tasks.close(work.s, task_id, actor(work), result=result, note=note, at=work.now)
    return await _done(work, task_id, "close", deed, {"result": result, "note": note}, stays=False)


@router.post("/{task_id}/cancel")
async def cancel(work: TasksWork, task_id: UUID, reason: Annotated[str, Form()] = "") -> Response:
    deed = tasks.cancel(work.s, task_id, actor(work), reason=reason, at=work.now)
    return await _done(work, task_id, "cancel", deed, {"reason": reason}, stays=False)


@router.post("")
async def raise_one(
    work: TasksWork,
    case: Annotated[int, Form()],
    kind: Annotated[str, Form()] = "",
    control_date: Annotated[str, Form()] = "",
    to: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
) -> Response:
    """A task by hand in a case that its raiser may see (CC-05)."""
    file = await reads.case_file(work.s, case, work.user, any_case=work.may("case_any"))
    if file is None:
        raise await case_refused(work, case)
    today = work.console.clock.today()
    typed = {"kind": kind, "control_date": control_date, "to": to, "note": note}
    unit, owner = whom(to)
    try:
        on = typed_day(control_date, today)
        if on is None:
            raise BadInput(field="control_date")
        if kind not in BY_HAND:
            raise BadInput(field="kind")
        await tasks.create(
            work.s, file.case.id, kind, on, actor(work), at=work.now, today=today, unit=unit, owner_id=owner, note=note
        )
    except (Refused, ValueError) as refused:
        field = str(refused.details.get("field", "")) if isinstance(refused, Refused) else "control_date"
        from agent_console.pages.case import show

        return await show(work, case, new_task=typed, bad=field, status=422)
    return RedirectResponse(f"/case/{case}", 303)
