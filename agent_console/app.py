"""The console's web application: pages, fragments, the websocket, and what protects them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_console import live, refusals
from agent_console.console import Console
from agent_console.pages import (
    abandoned,
    announcements,
    api,
    caller,
    campaigns,
    case,
    case_acts,
    case_work,
    decisions,
    desk,
    dossier,
    floor,
    health,
    lines,
    login,
    numbers,
    overdue,
    preview,
    proof,
    queue,
    recording,
    reports,
    rules,
    shelter,
    stop,
    strategies,
    tasks,
    unknown,
    webhooks,
    what_if,
)
from agent_console.view import STATIC, warm_up
from backoffice_core.bus import Bus
from backoffice_core.catalogue import FOLDER, Catalogue
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database

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
        case_acts,
        numbers,
        queue,
        recording,
        stop,
        lines,
        health,
        unknown,
        announcements,
        campaigns,
        decisions,
        abandoned,
        preview,
        tasks,
        shelter,
        strategies,
        proof,
        reports,
        dossier,
        what_if,
        rules,
        overdue,
        webhooks,
    ):
        app.include_router(pages.router)
    app.state.api_limits = api.Limits()
    app.include_router(api.router)
    app.include_router(api.docs)
    app.include_router(live.router)
    app.mount("/static", StaticFiles(directory=STATIC))
    refusals.install(app)
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
        if (
            "\0" in scope["path"] or b"%00" in scope["query_string"]
        ):  # no text of ours holds it, and no database takes it
            await refusals.say(Request(scope), 400, "BAD_REQUEST")(scope, receive, send)
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
