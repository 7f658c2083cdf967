"""Strategies: versions, their steps in a form, whom a change would touch before it is live, and the second person."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from copy import deepcopy
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select
from starlette.datastructures import FormData

from agent_console import reads
from agent_console.deps import StrategiesWork, Work
from agent_console.forms import day as typed_day
from agent_console.rule_words import shipped
from agent_console.view import page
from backoffice_core.borrowers.models import Person
from backoffice_core.errors import BadInput, Conflict, NotAllowed, NotFound, Refused
from backoffice_core.reports import service as reports
from backoffice_core.staff import units
from backoffice_core.strategy import preview as previews
from backoffice_core.strategy import rules, service

router = APIRouter(prefix="/strategies")
TITLE = 200  # signs at most
SEGMENT = (
    "stage", "product", "branch", "currency", "language",
    "overdue_min", "overdue_max", "dpd_min", "dpd_max", "broken_min", "broken_max",
)  # fmt: skip
UNSAID = {
    "segment": "",
    "arm": "",
    "only_if": "",
    "fallback": "",
    "fallback_on": [],
    "note": "",
    "within": 1,
}  # of a step
STEP = ("stage", "day", "kind", "within", "segment", "arm", "only_if", "fallback", "unit", "escalate_days", "note")


def _who(work: Work) -> str:
    return f"user:{work.user.id}"


async def _names(work: Work) -> Callable[[str], str]:
    """The name of who did something; of a command, the account."""
    names = {f"user:{key}": name for key, name in (await reads.names(work.s)).items()}
    return lambda who: names.get(who, who.rpartition(":")[2])


@router.get("")
async def listed(work: StrategiesWork) -> HTMLResponse:
    return await _list(work)


async def _list(work: Work, *, status: int = 200, typed: dict[str, str] | None = None, bad: str = "") -> HTMLResponse:
    live = {row.strategy: row.version for row, _ in await service.live(work.s, work.console.clock.today())}
    found: dict[str, list[Any]] = {}
    for one in await service.versions(work.s):
        found.setdefault(one.strategy, []).append(one)
    return page(
        work, "strategies.html", status=status, strategies=found, live=live, named=await _names(work), typed=typed or {},
        bad=bad, segment_fields=SEGMENT,
    )  # fmt: skip


@router.post("")
async def begin(
    work: StrategiesWork, code: Annotated[str, Form()] = "", title: Annotated[str, Form()] = ""
) -> Response:
    """A draft of the strategy that is shipped; with a code, an empty one of that name."""
    code, title = code.strip(), title.strip()
    content: dict[str, Any] = {"steps": []}
    if not code and not title:
        code, title, content = service.read_file(service.DEFAULT)
    try:
        if not title or len(title) > TITLE:
            raise BadInput(field="title")
        if content["steps"] == [] and await service.versions(work.s, code):
            raise BadInput(field="taken")
        async with work.s.begin_nested():
            one = await service.draft(work.s, code, content, who=_who(work), at=work.now, title=title)
    except BadInput as refused:
        field = str(refused.details.get("field", ""))
        return await _list(work, status=422, typed={"code": code, "title": title}, bad=field)
    return RedirectResponse(f"/strategies/{code}?v={one.version}", 303)


async def _page(
    work: Work, code: str, number: int = 0, *, step: str = "", edit: str = "", name: str = "", status: int = 200, bad: str = "",
    typed: dict[str, Any] | None = None, said: str = "", strange: Mapping[str, Any] | None = None,
) -> HTMLResponse:  # fmt: skip
    """`step`: key of the step in the form, "new" for another; `edit`: segment, arms. `bad`: the refused field of what was
    `typed`, `strange`: its value that there is none of, and the known ones; `said`: the code of another refusal."""
    all_versions = await service.versions(work.s, code)
    if not all_versions:
        raise NotFound
    one = next((v for v in all_versions if v.version == number), all_versions[0])
    chosen: dict[str, Any] = next((s for s in one.content.get("steps", []) if s["key"] == step), {})
    live = [row.version for row, _ in await service.live(work.s, work.console.clock.today()) if row.strategy == code]
    words = work.words
    bad_key = f"strategy-bad-{bad}" if words.catalogue.has(words.lang, f"strategy-bad-{bad}") else "strategy-bad-field"
    bad_words = words("strategy-bad-unknown", **strange) if strange else words(bad_key) if bad else ""
    said_before = one.content.get("scope") if edit == "scope" else one.content.get("segments", {}).get(name)
    form = typed if typed is not None else chosen if step else (said_before or {})
    return page(
        work, "strategy.html", status=status, code=code, one=one,
        steps=[UNSAID | s for s in one.content.get("steps", [])], versions=all_versions, live=live[0] if live else 0, step=step,
        edit=edit, name=name, form=form, bad=bad, bad_words=bad_words, said=said, kinds=rules.KINDS,
        only_ifs=rules.ONLY_IF, obstacles=rules.OBSTACLES, segment_fields=SEGMENT, named=await _names(work),
        draft=one.state == "DRAFT", units={u.code: u.name for u in await units.listed(work.s)}, mine=_who(work) in one.editors,
        tomorrow=work.console.clock.today() + timedelta(days=1),
    )  # fmt: skip


@router.get("/{code}")
async def shown(
    work: StrategiesWork, code: str, v: int = 0, step: str = "", edit: str = "", name: str = ""
) -> HTMLResponse:
    return await _page(work, code, v, step=step[:20], edit=edit[:20], name=name[:40])


async def _done(work: Work, code: str, number: int, deed: Awaitable[Any], **again: Any) -> Response:
    """Back to the version; a refused form comes back as it was typed (422, 409, 403)."""
    try:
        async with work.s.begin_nested():
            made = await deed
    except BadInput as refused:
        strange: dict[str, Any] = {key: refused.details[key] for key in ("value", "known") if key in refused.details}
        field = str(refused.details.get("field", ""))
        return await _page(work, code, number, status=422, bad=field, strange=strange, **again)
    except (Conflict, NotAllowed) as refused:
        return await _page(work, code, number, status=409 if isinstance(refused, Conflict) else 403, said=refused.code)
    return RedirectResponse(f"/strategies/{code}?v={getattr(made, 'version', number)}", 303)


async def _change(
    work: Work, code: str, number: int, what: str, edit: Callable[[dict[str, Any]], None], title: str = ""
) -> Any:
    content = deepcopy((await service.find(work.s, code, number)).content)
    edit(content)
    return await service.change(
        work.s, code, number, content, who=_who(work), at=work.now, what=what, title=title
    )  # fmt: skip


def _said(read: rules.Step | rules.Segment) -> dict[str, Any]:
    """What differs from saying nothing, as JSON has it."""
    said = {name: getattr(read, name) for name in read.__slots__}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in said.items() if v not in ("", None, ())}


@router.post("/{code}/{number}/step")
async def save_step(work: StrategiesWork, request: Request, code: str, number: int) -> Response:
    """Adds a step, or changes the one whose key is sent."""
    form = await request.form()
    typed: dict[str, Any] = {name: str(form.get(name, "")).strip() for name in STEP}
    typed["fallback_on"] = [str(one) for one in form.getlist("fallback_on")]
    key = str(form.get("key", ""))

    def edit(content: dict[str, Any]) -> None:
        steps = content.setdefault("steps", [])
        place = next((n for n, one in enumerate(steps) if one["key"] == key), None)
        taken = {one["key"] for one in steps}
        fresh = key if place is not None else next(f"s{n}" for n in range(1, 10_000) if f"s{n}" not in taken)
        arms = [one["code"] for one in content.get("arms") or ()]
        read = rules.read_step({**typed, "key": fresh}, content.get("segments") or {}, arms)
        value = _said(read)
        if place is None:
            place = next(
                (n for n, one in enumerate(steps) if (one["stage"], one["day"]) > (read.stage, read.day)), len(steps)
            )
            steps.insert(place, value)
        else:
            steps[place] = value

    deed = _change(work, code, number, f"step {key or 'new'}", edit)
    return await _done(work, code, number, deed, step=key or "new", typed=typed)


@router.post("/{code}/{number}/step/{key}/{act}")
async def turn_step(
    work: StrategiesWork, code: str, number: int, key: str, act: Literal["up", "down", "remove"]
) -> Response:  # fmt: skip
    def edit(content: dict[str, Any]) -> None:
        steps = content.get("steps", [])
        place = next((n for n, one in enumerate(steps) if one["key"] == key), None)
        if place is None:
            return  # it went by the first click
        if act == "remove":
            del steps[place]
            return
        same = [n for n, one in enumerate(steps) if one["stage"] == steps[place]["stage"]]
        to = same.index(place) + (1 if act == "down" else -1)
        if 0 <= to < len(same):
            steps[place], steps[same[to]] = steps[same[to]], steps[place]

    return await _done(work, code, number, _change(work, code, number, f"step {key} {act}", edit))


@router.post("/{code}/{number}/segment")
async def save_segment(work: StrategiesWork, request: Request, code: str, number: int) -> Response:
    """A named condition; sent without any bound it is taken away."""
    form = await request.form()
    typed, known = _conditions(form), await _known(work)
    name = str(form.get("name", "")).strip()[:40]

    def edit(content: dict[str, Any]) -> None:
        if not name.replace("_", "").isalnum():
            raise BadInput(field="name")
        kept = _kept(typed, known)
        segments = content.setdefault("segments", {})
        segments.pop(name, None)
        if kept:
            segments[name] = kept

    deed = _change(work, code, number, f"segment {name}", edit)
    return await _done(work, code, number, deed, edit="segment", name=name, typed=typed)


def _conditions(form: FormData) -> dict[str, Any]:
    typed: dict[str, Any] = {name: str(form.get(name, "")).strip() for name in SEGMENT}
    return typed | {"stage": [str(one) for one in form.getlist("stage")]}


async def _known(work: Work) -> dict[str, Collection[str]]:
    """What cases can be told apart by; of a column that no loan fills yet nothing is known, and nothing refused."""
    places = await reports.choices(work.s)
    tongues = {*work.console.catalogue.languages, *await work.s.scalars(select(Person.language).distinct())} - {""}
    return {
        "product": places["product"], "branch": places["branch"], "currency": await reports.currencies(work.s),
        "language": tongues,
    }  # fmt: skip


def _kept(typed: dict[str, Any], known: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """As JSON has it. Raises BadInput."""
    kept = {k: v if isinstance(v, list) else str(v) for k, v in _said(rules.read_segment(typed)).items()}
    for field, names in known.items():
        if names and (strange := next((one for one in kept.get(field, ()) if one not in names), None)):
            raise BadInput(field=field, value=strange, known=", ".join(sorted(names)))
    return kept


@router.post("/{code}/{number}/scope")
async def save_scope(work: StrategiesWork, request: Request, code: str, number: int) -> Response:
    """The title, and which cases it governs: those that meet all conditions; without any, all."""
    form = await request.form()
    title = str(form.get("title", "")).strip()
    typed, known = _conditions(form), await _known(work)

    def edit(content: dict[str, Any]) -> None:
        if not title or len(title) > TITLE:
            raise BadInput(field="title")
        content["scope"] = _kept(typed, known)

    before = (await service.find(work.s, code, number)).title
    same = title == shipped(work.words, before)  # the shipped title in the editor's language is no other title
    deed = _change(work, code, number, "scope", edit, before if same else title)
    return await _done(work, code, number, deed, edit="scope", typed=typed | {"title": title})


@router.post("/{code}/{number}/arms")
async def save_arms(work: StrategiesWork, code: str, number: int, arms: Annotated[str, Form()] = "") -> Response:
    """“champion 80, challenger 20”; empty = no arms."""

    def edit(content: dict[str, Any]) -> None:
        given = []
        for part in filter(None, (one.strip() for one in arms.replace(";", ",").split(","))):
            name, _, share = part.rpartition(" ")
            given.append({"code": name.strip(), "share": rules.whole(share.strip("% "), "arms", 1, 100)})
            if not name.strip().replace("_", "").isalnum():
                raise BadInput(field="arms")
        content["arms"] = given

    deed = _change(work, code, number, "arms", edit)
    return await _done(work, code, number, deed, edit="arms", typed={"arms": arms})


# --- the way of a version ------------------------------------------------------------------------------------------


@router.post("/{code}/{number}/copy")
async def copy(work: StrategiesWork, code: str, number: int) -> Response:
    return await _done(work, code, number, service.copy(work.s, code, number, who=_who(work), at=work.now))


@router.post("/{code}/{number}/submit")
async def submit(work: StrategiesWork, code: str, number: int) -> Response:
    return await _done(work, code, number, service.submit(work.s, code, number, who=_who(work), at=work.now))


@router.post("/{code}/{number}/approve")
async def approve(work: StrategiesWork, code: str, number: int, live_from: Annotated[str, Form()] = "") -> Response:
    today = work.console.clock.today()

    async def deed() -> Any:
        try:
            begins = typed_day(live_from, today) or today
        except ValueError:
            raise BadInput(field="live_from") from None
        return await service.approve(work.s, code, number, who=_who(work), at=work.now, today=today, live_from=begins)

    return await _done(work, code, number, deed(), typed={"live_from": live_from})


@router.post("/{code}/{number}/{act}")
async def end(
    work: StrategiesWork, code: str, number: int, act: Literal["back", "withdraw"], why: Annotated[str, Form()] = ""
) -> Response:
    said: dict[str, Any] = {"who": _who(work), "at": work.now, "why": why}
    if act == "back":
        return await _done(work, code, number, service.give_back(work.s, code, number, **said), typed={"why": why})
    deed = service.withdraw(work.s, code, number, today=work.console.clock.today(), **said)
    return await _done(work, code, number, deed, typed={"why": why})


@router.get("/{code}/{number}/preview")
async def preview(
    work: StrategiesWork, code: str, number: int, on: str = "", stage: str = "", kind: str = ""
) -> HTMLResponse:  # fmt: skip
    """Whom it would touch, were it live from that day: figures, and the cases behind them."""
    today = work.console.clock.today()
    try:
        day = typed_day(on, today) or today + timedelta(days=1)
    except ValueError:
        raise BadInput(field="on") from None
    one = await service.find(work.s, code, number)
    try:
        seen = await previews.preview(
            work.s, one, day, work.console.clock.zone, stage=stage, kind=kind, branch=work.user.branch
        )
    except Refused as refused:
        return await _page(work, code, number, status=422, bad=str(refused.details.get("field", "")))
    titles = {row.strategy: row.title for row, _ in await service.live(work.s, day)}
    return page(
        work, "strategy_preview.html", one=one, code=code, seen=seen, stage=stage, kind=kind, day=day, titles=titles
    )  # fmt: skip
