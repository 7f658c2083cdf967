"""Systems of the bank that are told of events: who, of what, what waits, each attempt; pausing, testing, sending again.

A secret is shown once, in the answer to the form that made it: the page never fetches one.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from agent_console.deps import WebhooksWork, Work
from agent_console.view import page
from backoffice_core.catalogue import Words
from backoffice_core.errors import BadInput, Conflict, NotFound
from backoffice_core.outbox import rules, service
from backoffice_core.outbox.models import OutboxEvent, Webhook
from backoffice_core.said import said

router = APIRouter(prefix="/webhooks")
PAGE = 50
STATES = ("WAITING", "SENT", "DEAD")
KINDS = rules.KINDS[:-1]  # a test comes only when it is asked for


@dataclass
class Asked:
    """What the address asks for. Raises BadInput for a word that is none of ours."""

    given: dict[str, str]

    def __post_init__(self) -> None:
        self.given = {k: v[:100] for k, v in self.given.items() if v}
        if unknown := sorted(self.given.keys() - {"name", "state", "kind", "event", "before", "form"}):
            raise BadInput(field=unknown[0])
        for name, known in (("state", STATES), ("kind", rules.KINDS), ("form", ("new", "change"))):
            if self[name] and self[name] not in known:
                raise BadInput(field=name)

    def __getitem__(self, name: str) -> str:
        return self.given.get(name, "")

    def number(self, name: str) -> int | None:
        text = self[name]
        if text and not (text.isascii() and text.isdecimal() and len(text) <= 18):
            raise BadInput(field=name)
        return int(text) if text else None

    def url(self, path: str = "/webhooks", **changes: object) -> str:
        """The same with changes; an empty one takes a word away."""
        kept = {k: str(v) for k, v in (self.given | changes).items() if v}
        return f"{path}?{urlencode(kept)}" if kept else path


def _who(work: Work) -> str:
    return f"user:{work.user.id}"


async def _page(
    work: Work, query: dict[str, str], *, status: int = 200, typed: dict[str, Any] | None = None, bad: str = "",
    refused: str = "", secret: str = "", conflict: str = "",
) -> HTMLResponse:  # fmt: skip
    """`refused`: what is wrong with the field `bad` of the form; `typed` stands in it again. `secret`: a new one."""
    asked = Asked(query)
    hooks = await service.states(work.s)
    chosen = next((one for one in hooks if one.name == asked["name"]), None)
    if asked["name"] and chosen is None:
        raise BadInput(field="name")
    found = await service.listed(
        work.s, name=asked["name"], state=asked["state"], kind=asked["kind"], before=asked.number("before"), most=PAGE + 1
    )  # fmt: skip
    event = await _event(work, asked)
    return page(
        work, "webhooks.html", status=status, asked=asked, hooks=hooks, chosen=chosen, rows=found[:PAGE],
        more=len(found) > PAGE,
        event=event, tries=await service.tries_of(work.s, event[0].id) if event else [], kinds=_grouped(), all_kinds=KINDS,
        apart=rules.BY_NAME_ALONE, states=STATES, typed=typed or {}, bad=bad, refused=refused, secret=secret,
        conflict=conflict, said_of=_said_of,
        hosts=work.console.settings.webhook_hosts, most_tries=work.console.settings.webhook_tries,
    )  # fmt: skip


def _said_of(words: Words, status: int | None, error: str) -> str:
    """What came of an attempt."""
    if not error:
        return f"HTTP {status}" if status else "—"
    if error.startswith("HTTP "):
        return error
    if error == "no answer in time":
        return words("webhook-error-time")
    if error.startswith("redirect "):
        return words("webhook-error-redirect", status=error.partition(" ")[2])
    if error.startswith("the address "):
        return words("webhook-error-address")
    return words("webhook-error-link", error=error)


def _grouped() -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for kind in KINDS:
        groups.setdefault(kind.partition(".")[0], []).append(kind)
    return groups


async def _event(work: Work, asked: Asked) -> tuple[OutboxEvent, str] | None:
    number = asked.number("event")
    if number is None:
        return None
    one = await work.s.get(OutboxEvent, number)
    if one is None:
        raise NotFound
    return one, (await work.s.get_one(Webhook, one.webhook_id)).name


@router.get("")
async def listed(work: WebhooksWork) -> HTMLResponse:
    return await _page(work, dict(work.request.query_params))


async def _set(work: Work, request: Request, name: str, *, new: bool) -> Webhook | HTMLResponse:
    """What was made of the form, or the form again with its fault."""
    form = await request.form()
    url, kinds = str(form.get("url", "")).strip(), [str(kind) for kind in form.getlist("kinds")]
    typed = {"name": name, "url": url, "kinds": kinds}
    try:
        if not kinds:
            raise BadInput("Of which events?", remedy="Mark at least one.", field="kind")
        async with work.s.begin_nested():
            return await service.subscribe(
                work.s, work.console.settings, name, url, kinds, wall=work.wall, by=_who(work), new=new
            )
    except BadInput as error:
        sentence = " ".join(said(part, work.words.lang) for part in (error.message, error.remedy) if part)
        if error.details.get("field") == "url":
            sentence = _why_not(work.words, url, work.console.settings.webhook_hosts)
        query = {"form": "new"} if new else {"form": "change", "name": name}
        return await _page(
            work, query, status=422, typed=typed, bad=str(error.details.get("field", "")), refused=sentence
        )


def _why_not(words: Words, url: str, hosts: Sequence[str]) -> str:
    """What is wrong with an address, in the reader's language."""
    why = rules.refusal(url, hosts)
    for said_so, key in (("leads to", "host"), ("carries", "secret"), ("is not encrypted", "plain")):
        if why.startswith(said_so):
            return words(f"webhook-url-{key}")
    return words("webhook-url-none")


@router.post("")
async def add(work: WebhooksWork, request: Request, name: Annotated[str, Form()] = "") -> Response:
    """A system that is told from now on; its secret is in the answer and nowhere else."""
    made = await _set(work, request, name.strip().lower(), new=True)
    if isinstance(made, HTMLResponse):
        return made
    return await _page(work, {"name": made.name}, secret=service.secret(work.console.settings, made))


@router.post("/{name}/change")
async def change(work: WebhooksWork, request: Request, name: str) -> Response:
    await service.find(work.s, name)
    made = await _set(work, request, name, new=False)
    return made if isinstance(made, HTMLResponse) else RedirectResponse(f"/webhooks?name={made.name}", 303)


@router.post("/{name}/secret")
async def new_secret(work: WebhooksWork, name: str, after: Annotated[int, Form()]) -> Response:
    """Another secret, from the next attempt on. `after`: the one that the form saw, so that a second click makes no third."""
    hook = await service.find(work.s, name)
    if hook.secret_no != after:
        return await _page(work, {"name": hook.name}, status=409, conflict="webhook-secret-again")
    await service.change(work.s, name, by=_who(work), new_secret=True)
    return await _page(work, {"name": hook.name}, secret=service.secret(work.console.settings, hook))


async def _state(work: Work, name: str, to: str) -> str:
    await service.change(work.s, name, by=_who(work), state=to)
    return "" if to == "ENDED" else name


async def _again(work: Work, name: str) -> str:
    await service.again(work.s, name, by=_who(work))
    return name


async def _try(work: Work, name: str) -> str:
    await service.test(work.s, name, at=work.now, by=_who(work))
    return name


_DO: dict[str, Callable[[Work, str], Awaitable[str]]] = {
    "pause": lambda work, name: _state(work, name, "PAUSED"), "resume": lambda work, name: _state(work, name, "ACTIVE"),
    "end": lambda work, name: _state(work, name, "ENDED"), "again": _again, "test": _try,
}  # fmt: skip


@router.post("/{name}/{act}")
async def act(work: WebhooksWork, name: str, act: Literal["pause", "resume", "end", "again", "test"]) -> Response:
    """Ending drops what waits; `again` sends once more what was given up; `test` sends an event of that kind."""
    left = await _DO[act](work, name)
    return RedirectResponse(f"/webhooks?{urlencode({'name': left})}" if left else "/webhooks", 303)


@router.post("/{name}/events/{number}/again")
async def send_again(work: WebhooksWork, name: str, number: int) -> Response:
    """One event, in whatever state, from its first attempt. Raises NotFound for another system's."""
    hook, event = await service.find(work.s, name), await work.s.get(OutboxEvent, number)
    if event is None or event.webhook_id != hook.id:
        raise NotFound
    if event.state == "WAITING" and event.tries == 0:
        raise Conflict("It is on its way already.")
    await service.again(work.s, name, event_id=event.event_id, by=_who(work))
    return RedirectResponse(f"/webhooks?{urlencode({'name': name, 'event': number})}", 303)
