"""The console's web application: pages, fragments, the websocket, and what protects them."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_console import live
from agent_console.console import Console
from agent_console.deps import ForeignRequest, LoginNeeded
from agent_console.pages import (
    abandoned,
    announcements,
    api,
    caller,
    campaigns,
    case,
    case_work,
    desk,
    dossier,
    floor,
    health,
    lines,
    login,
    numbers,
    preview,
    proof,
    queue,
    recording,
    reports,
    shelter,
    stop,
    strategies,
    tasks,
    unknown,
    what_if,
)
from agent_console.view import STATIC, render, warm_up
from backoffice_core.bus import Bus
from backoffice_core.catalogue import FOLDER, Catalogue
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, NotAllowed, NotFound, Refused

log = structlog.get_logger()

_STATUS: dict[type[Refused], int] = {
    BadInput: 422,
    NotFound: 404,
    NotAllowed: 403,
    ForeignRequest: 403,
    LoginNeeded: 401,
}
_HOST = re.compile(r"[\w.-]+(:[0-9]+)?|\[[0-9a-fA-F:]+\](:[0-9]+)?")
FOR_EVER = "public, max-age=31536000, immutable"


def create_app(
    settings: Settings,
    database: Database,
    bus: Bus,
    clock: Clock,
    ami: Any | None = None,
    *,
    catalogue: Catalogue | None = None,
) -> FastAPI:
    """The app over connections that the caller opened and closes."""
    console = Console(settings, database, bus, clock, catalogue or Catalogue.load(FOLDER, settings.own_words), ami)
    console.hub = live.Hub(console)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        warm_up()
        console.hub.start()
        yield
        await console.what_if.end()
        await console.hub.close()

    app = FastAPI(title="Console", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.console = console
    app.add_middleware(_Protect, phone_port=settings.ports.asterisk_http)
    for pages in (
        login,
        desk,
        caller,
        floor,
        case,
        case_work,
        numbers,
        queue,
        recording,
        stop,
        lines,
        health,
        unknown,
        announcements,
        campaigns,
        abandoned,
        preview,
        tasks,
        shelter,
        strategies,
        proof,
        reports,
        dossier,
        what_if,
    ):
        app.include_router(pages.router)
    app.state.api_limits = api.Limits()
    app.include_router(api.router)
    app.include_router(api.docs)
    app.include_router(live.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(SQLAlchemyError, _broken)
    app.add_exception_handler(OSError, _broken)
    app.add_exception_handler(Exception, _broken)
    return app


# --- protection --------------------------------------------------------------------------------------------------


class _Protect:
    """Own scripts and styles only, no frames; the browser phone may reach our own Asterisk, and nothing else.

    Plain ASGI: it stands in the way of every card.
    """

    def __init__(self, app: ASGIApp, phone_port: int) -> None:
        self.app, self.phone_port = app, phone_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._add(scope, MutableHeaders(scope=message))
            await send(message)

        await self.app(scope, receive, protected)

    def _add(self, scope: Scope, headers: MutableHeaders) -> None:
        netloc = Headers(scope=scope).get("host", "")
        netloc = netloc if _HOST.fullmatch(netloc) else "localhost"
        host = netloc.rpartition(":")[0] if netloc.rpartition(":")[2].isdecimal() else netloc
        ws = "wss" if scope["scheme"] == "https" else "ws"
        phone = f"{ws}://{host}:{self.phone_port} {ws}://{netloc}"
        headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; media-src "
            f"'self' blob:; connect-src 'self' {phone}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Referrer-Policy"] = "same-origin"
        headers["Permissions-Policy"] = "microphone=(self), camera=(), geolocation=()"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        if scope["path"].startswith("/static/"):
            versioned = any(part.startswith(b"v=") for part in scope["query_string"].split(b"&"))
            headers["Cache-Control"] = FOR_EVER if versioned else "no-cache"
        else:
            headers.setdefault("Cache-Control", "no-store")


# --- errors ------------------------------------------------------------------------------------------------------


def _say(
    request: Request, status: int, code: str, details: dict[str, Any] | None = None, fallback: str = ""
) -> Response:
    """The same error as a page, as a fragment's toast, or as JSON. Words come from the catalogue by code; a refusal
    whose code is new says what it said."""
    console: Console = request.app.state.console
    lang = getattr(request.state, "lang", None) or request.cookies.get("lang", console.settings.language)
    words = console.catalogue.words(lang)
    has = console.catalogue.has(words.lang, f"error-{code}")
    title, remedy = (
        (words(f"error-{code}"), words(f"remedy-{code}")) if has else (fallback or words("error-SERVER"), "")
    )
    if request.headers.get("hx-request"):
        trigger = json.dumps({"toast": {"kind": "crit", "text": f"{title} {remedy}".strip()}})
        return HTMLResponse("", status, headers={"HX-Trigger": trigger, "HX-Reswap": "none"})
    if "application/json" in request.headers.get("accept", ""):
        body = {"error": code, "message": title, "remedy": remedy, **(details or {})}
        return JSONResponse(body, status)
    html = render(console, request, "error.html", None, "", status=status, code=code, title=title, remedy=remedy)
    return HTMLResponse(html, status)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 (registered for this class)
    if isinstance(error, LoginNeeded):
        expired = bool(request.cookies)
        if request.headers.get("hx-request"):
            return Response(status_code=401, headers={"HX-Redirect": "/login?expired=1"})
        if request.method == "GET" and "application/json" not in request.headers.get("accept", ""):
            return RedirectResponse("/login?expired=1" if expired and request.url.path != "/" else "/login", 303)
    status = next((s for cls, s in _STATUS.items() if isinstance(error, cls)), 409)
    field = error.details.get("field")
    return _say(
        request, status, error.code, {"field": field} if field else None, f"{error.message} {error.remedy}".strip()
    )


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return _say(request, error.status_code, "NOT_FOUND" if error.status_code == 404 else "BAD_REQUEST")


async def _broken(request: Request, error: Exception) -> Response:
    """Database away: 503, everything else that nobody foresaw: 500. The log has the cause, the person a short code."""
    away = isinstance(error, SQLAlchemyError | OSError)
    log.error("request failed", path=request.url.path, error=type(error).__name__, exc_info=not away)
    return _say(request, 503 if away else 500, "DATABASE_AWAY" if away else "SERVER")
