"""Login and logout, language and theme. The answer to a failed login is one and the same, whatever failed."""

import contextlib
import re
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.exc import SQLAlchemyError

from agent_console.deps import COOKIE, AnyWork, ForeignRequest, LoginNeeded, console_of, same_origin
from agent_console.pages.health import state
from agent_console.view import render
from backoffice_core.call_centre.desks import agents
from backoffice_core.config import Settings
from backoffice_core.errors import BadInput
from backoffice_core.events import AgentChanged, LoginTaken
from backoffice_core.staff import rules, service

router = APIRouter()
GAVE_UP = 499  # nobody reads it any more
CHOSEN, CHOSEN_S = "lang_chosen", 900  # who chooses a language before he logs in keeps it; the next one has his own


Next = Annotated[str, Query(alias="next")]
_OWN_PAGE = re.compile(r"/(?![/\\]|login|logout|api/|static/)[\w./?=&%+~:,@-]*", re.ASCII)


def own_page(address: str) -> str:
    """The address when it is a page of this console, "" otherwise: a login leads to no other site."""
    return address if len(address) <= 500 and _OWN_PAGE.fullmatch(address) else ""


def phones_offered(settings: Settings) -> tuple[agents.Phone, ...]:
    """Kinds of phones that a person may sit down with."""
    return ("browser", "desk", "bank") if settings.bank_pbx else ("browser", "desk")


def _form(request: Request, health: dict[str, bool], **context: object) -> str:
    console = console_of(request)
    values: dict[str, object] = {
        "login": "",
        "phone": request.cookies.get("phone", "browser"),
        "failed": False,
        "no_phone": False,
        "phones": phones_offered(console.settings),
        "expired": False,
        "taken": None,
        "talks_elsewhere": False,
        "after": "",
    }
    return render(console, request, "login.html", None, "", health=health, **{**values, **context})


@router.get("/login")
async def login_page(request: Request, expired: bool = False, after: Next = "") -> HTMLResponse:
    console, token = console_of(request), request.cookies.get(COOKIE)
    taken = None
    if expired and token:
        with contextlib.suppress(SQLAlchemyError, OSError):
            async with console.database.begin() as s:
                taken = await service.taken_at(s, token)
    return HTMLResponse(_form(request, await state(console), expired=expired, taken=taken, after=own_page(after)))


@router.get("/")
async def home(work: AnyWork) -> Response:
    return RedirectResponse(rules.home(work.user.role), 303)


@router.post("/login")
async def log_in(
    request: Request,
    login: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    phone: Annotated[str, Form()] = "browser",
    after: Annotated[str, Form(alias="next")] = "",
) -> Response:
    """303 to the page that was asked for (`next`), else the first one, with the cookie and the header X-CSRF-Token; 401 with the
    form otherwise."""
    console, after = console_of(request), own_page(after)
    if not same_origin(request):
        raise ForeignRequest
    kind: agents.Phone = next((one for one in phones_offered(console.settings) if one == phone), "browser")
    wall = console.clock.wall()
    token, csrf, seated, taken, elsewhere = "", "", None, 0, False
    async with console.password_checks:
        if (
            await request.is_disconnected()
        ):  # gave up or clicked again while others were checked: it must not take the desk
            return Response(status_code=GAVE_UP)
        async with console.database.begin() as s:
            user = await service.authenticate(s, login[:80], password[:200], wall)
            no_phone = user is not None and kind == "bank" and user.bank_number is None and rules.may(user.role, "desk")
            seats = user is not None and rules.may(user.role, "desk")
            if user is not None and seats and not no_phone and await service.open_tokens(s, user.id, wall):
                try:
                    await agents.take_over(s, user, wall)
                    taken = await service.end_others(s, user.id, wall)
                except agents.TalksElsewhere:
                    elsewhere = True
            chosen = request.cookies.get(CHOSEN, "")
            if user is not None and chosen in console.catalogue.languages:
                user.language = chosen  # on this page, a moment ago
            if user is not None and not no_phone and not elsewhere:
                token, row = await service.start_login(s, user, wall)
                csrf = row.csrf
                if seats and (user.extension is not None or kind == "bank"):
                    await agents.open_session(s, user, kind, wall, console.settings.line)
                    seated = user.id
    if no_phone:
        html = _form(request, await state(console), login=login[:80], phone="browser", no_phone=True, after=after)
        return HTMLResponse(html, 409)
    if elsewhere:
        html = _form(request, await state(console), login=login[:80], phone=kind, talks_elsewhere=True, after=after)
        return HTMLResponse(html, 409)
    if user is None:
        html = _form(request, await state(console), login=login[:80], phone=kind, failed=True, after=after)
        return HTMLResponse(html, 401)
    if seated is not None:
        await console.bus.publish(AgentChanged(agent_id=seated), *([LoginTaken(agent_id=seated)] if taken else []))
    answer = RedirectResponse(
        after or rules.home(user.role), 303, headers={"X-CSRF-Token": csrf, "Cache-Control": "no-store"}
    )
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, token, max_age=rules.LOGIN_HOURS * 3600, httponly=True, samesite="strict", secure=secure)
    answer.set_cookie("phone", kind, max_age=30 * 86400, samesite="strict", secure=secure)
    answer.set_cookie("lang", user.language, max_age=365 * 86400, samesite="strict", secure=secure)
    answer.delete_cookie(CHOSEN, samesite="strict", secure=secure)
    return answer


@router.post("/logout")
async def log_out(work: AnyWork) -> Response:
    """Ends the login and leaves the seat; refused while a call is at the desk or waits for its result."""
    if work.may("desk"):
        await agents.close_session(work.s, work.user.id, work.wall)
        work.news.append(AgentChanged(agent_id=work.user.id))
    token = work.request.cookies.get(COOKIE)
    if not token:
        raise LoginNeeded
    await service.end_login(work.s, token, work.wall)
    service.note_access(work.s, work.user.id, "LOGOUT", work.wall)
    to = {"HX-Redirect": "/login"} if work.request.headers.get("hx-request") else {"Location": "/login"}
    answer = Response(status_code=200 if "HX-Redirect" in to else 303, headers=to)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=work.request.url.scheme == "https")
    return answer


@router.post("/language")
async def language(work: AnyWork, lang: Annotated[str, Form()]) -> Response:
    """Keeps the choice with the person; the page then fetches itself anew and stays where it is."""
    if lang not in work.console.catalogue.languages:
        raise BadInput(f"There is no catalogue for {lang!r}.", field="lang")
    work.user.language = lang
    answer = Response(status_code=204, headers={"HX-Trigger": "language"})
    answer.set_cookie("lang", lang, max_age=365 * 86400, samesite="strict", secure=work.request.url.scheme == "https")
    return answer


@router.get("/login/language")
async def language_before_login(request: Request, lang: str, expired: bool = False, after: Next = "") -> Response:
    if lang not in console_of(request).catalogue.languages:
        raise BadInput(f"There is no catalogue for {lang!r}.", field="lang")
    kept = ({"expired": "1"} if expired else {}) | ({"next": own_page(after)} if own_page(after) else {})
    answer = RedirectResponse(f"/login?{urlencode(kept)}" if kept else "/login", 303)
    secure = request.url.scheme == "https"
    answer.set_cookie("lang", lang, max_age=365 * 86400, samesite="strict", secure=secure)
    answer.set_cookie(CHOSEN, lang, max_age=CHOSEN_S, samesite="strict", secure=secure)
    return answer
