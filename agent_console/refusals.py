"""What a person sees when something is refused or breaks: a page, a fragment's toast, or JSON for programs.

A page whose address has a word that cannot be read comes without that word, and says which it was.
"""

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Message

from agent_console.console import Console
from agent_console.deps import CaseClosed, ForeignRequest, LoginNeeded
from agent_console.view import render
from backoffice_core.db import unfit
from backoffice_core.errors import BadInput, NotAllowed, NotFound, Refused

log = structlog.get_logger()

_STATUS: dict[type[Refused], int] = {
    BadInput: 422,
    NotFound: 404,
    NotAllowed: 403,
    CaseClosed: 403,
    ForeignRequest: 403,
    LoginNeeded: 401,
}


def install(app: FastAPI) -> None:
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(SQLAlchemyError, _broken)
    app.add_exception_handler(OSError, _broken)
    app.add_exception_handler(Exception, _broken)


def say(
    request: Request, status: int, code: str, details: dict[str, Any] | None = None, fallback: str = ""
) -> Response:
    """The same error as a page, as a fragment's toast, or as JSON. Words come from the catalogue by code; a refusal
    whose code is new says what it said."""
    console: Console = request.app.state.console
    words = console.catalogue.words(_language(request, console))
    has = console.catalogue.has(words.lang, f"error-{code}")
    title, remedy = (
        (words(f"error-{code}"), words(f"remedy-{code}")) if has else (fallback or words("error-SERVER"), "")
    )
    if request.headers.get("hx-request"):
        at = words("error-field", field=str(details["field"])) if details and details.get("field") else ""
        text = " ".join(part for part in (title, at, remedy) if part)
        trigger = json.dumps({"toast": {"kind": "crit", "text": text}})
        return HTMLResponse("", status, headers={"HX-Trigger": trigger, "HX-Reswap": "none"})
    if "application/json" in request.headers.get("accept", "") or request.url.path.startswith("/api/"):
        body = {"error": code, "message": title, "remedy": remedy, **(details or {})}
        return JSONResponse(body, status)
    field = str((details or {}).get("field", ""))
    html = render(
        console, request, "error.html", None, "", status=status, code=code, title=title, remedy=remedy, field=field
    )
    return HTMLResponse(html, status)


def _language(request: Request, console: Console) -> str:
    """A person's; of a program, what it accepts, else English."""
    if not request.url.path.startswith("/api/"):
        return getattr(request.state, "lang", None) or request.cookies.get("lang", console.settings.language)
    wished = (part.strip()[:2].lower() for part in request.headers.get("accept-language", "").split(","))
    return next((code for code in wished if code in console.catalogue.languages), "en")


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 (registered for this class)
    if isinstance(error, LoginNeeded):
        expired = bool(request.cookies)
        if request.headers.get("hx-request"):
            shown = urlsplit(
                request.headers.get("hx-current-url", "")
            )  # the page that asked; the login looks at it once more
            back = shown.path + (f"?{shown.query}" if shown.query else "")
            again = urlencode({"expired": 1} | ({"next": back} if back else {}))
            return Response(status_code=401, headers={"HX-Redirect": f"/login?{again}"})
        if request.method == "GET" and "application/json" not in request.headers.get("accept", ""):
            back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            again = f"/login?{urlencode({'expired': 1, 'next': back})}"
            return RedirectResponse(again if expired and request.url.path != "/" else "/login", 303)
        if _wants_page(request):  # a form that was sent without a script
            page = urlsplit(request.headers.get("referer", ""))
            back = page.path + (f"?{page.query}" if page.query else "") if page.netloc == request.url.netloc else ""
            return RedirectResponse(f"/login?{urlencode({'expired': 1, 'next': back})}" if back else "/login", 303)
    if isinstance(error, BadInput) and (page_again := await _again(request, str(error.details.get("field", "")))):
        return page_again
    status = next((s for cls, s in _STATUS.items() if isinstance(error, cls)), 409)
    field = error.details.get("field")
    return say(
        request, status, error.code, {"field": field} if field else None, f"{error.message} {error.remedy}".strip()
    )


async def _unreadable(request: Request, error: Exception) -> Response:
    """A value of the address or a form that cannot be read: the field is named. A thing with such a key there is none."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for this class)
    where = error.errors()[0]["loc"]
    if where[0] == "path":
        return say(request, 404, "NOT_FOUND")
    if page_again := await _again(request, str(where[-1])):
        return page_again
    return say(request, 422, "BAD_INPUT", {"field": str(where[-1])})


async def _again(request: Request, field: str) -> Response | None:
    """The page without that word of its address, which it tells (view.py `misread`); None where it is no page, or where it
    would lead away. A file is refused: without the word it would hold other rows."""
    said = parse_qsl(request.url.query, keep_blank_values=True)
    if request.method != "GET" or not _wants_page(request) or "." in request.url.path.rpartition("/")[2]:
        return None
    if field not in dict(said):
        return None
    misread = [*getattr(request.state, "misread", []), (field, ", ".join(v for k, v in said if k == field)[:80])]
    kept = {k: v for k, v in request.scope.items() if k not in {"path_params", "endpoint", "route", "router"}}
    scope = kept | {
        "query_string": urlencode([(k, v) for k, v in said if k != field]).encode(),
        "state": {**request.scope.get("state", {}), "misread": misread},
    }
    began: Message = {}
    body = bytearray()

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            began.update(message)
        body.extend(message.get("body", b""))

    await request.app(scope, request.receive, keep)
    if began.get("status") not in {200, 422}:
        return None
    answer = Response(bytes(body), 422)
    answer.raw_headers = list(began["headers"])
    return answer


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == 405 and request.method == "GET" and _wants_page(request) and (page := _page_above(request)):
        return RedirectResponse(page, 303)
    return say(request, error.status_code, "NOT_FOUND" if error.status_code == 404 else "BAD_REQUEST")


def _page_above(request: Request) -> str:
    """The page that an address of a form belongs to; "" = there is none."""
    path = request.url.path
    while path := path.rpartition("/")[0]:
        asked = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
        if any(route.matches(asked)[0] is Match.FULL for route in request.app.routes):
            return path
    return ""


async def _broken(request: Request, error: Exception) -> Response:
    """Database away: 503; a value that no database takes: 400; everything else that nobody foresaw: 500. The log has the
    cause, the person a short code."""
    if unfit(error):
        log.warning("request holds what cannot be stored", path=request.url.path)
        return say(request, 400, "BAD_REQUEST")
    away = isinstance(error, SQLAlchemyError | OSError)
    log.error("request failed", path=request.url.path, error=type(error).__name__, exc_info=not away)
    return say(request, 503 if away else 500, "DATABASE_AWAY" if away else "SERVER")
