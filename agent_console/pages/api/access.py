"""Who asks the API, what his key lets him do, and how a refusal is told: as JSON, with the field and the remedy."""

import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from agent_console.console import Console
from agent_console.deps import console_of
from agent_console.pages.api.faults import fault
from backoffice_core.db import unfit
from backoffice_core.errors import BadInput, NotAllowed, NotFound, Refused
from backoffice_core.events import News
from backoffice_core.staff import clients
from backoffice_core.staff.models import ApiClient

log = structlog.get_logger()
Answer = TypeVar("Answer", bound=BaseModel)
MOST = 1000  # rows in one post
MOST_BYTES = 4 << 20
MOST_KEY = 200  # characters of an Idempotency-Key
WRONG_KEYS = 30  # a minute from one address


class KeyUnknown(Refused):
    """The key is not known, or was revoked."""

    code = "KEY_UNKNOWN"


class TooMany(Refused):
    """Too many requests in this minute."""

    code = "TOO_MANY"


_STATUS: tuple[tuple[type[Refused], int], ...] = (
    (KeyUnknown, 401), (TooMany, 429), (BadInput, 422), (NotFound, 404), (NotAllowed, 403),
)  # fmt: skip


def _refusal(status: int, code: str, message: str, remedy: str = "", where: str = "") -> JSONResponse:
    said = {"error": code, "message": message, "remedy": remedy, **({"field": where} if where else {})}
    headers = {"Retry-After": "10"} if status in {429, 503} else {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse(said, status, headers=headers)


class _Route(APIRoute):
    """Whatever is wrong is told as JSON, with the field and what to do."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            if int(request.headers.get("content-length") or 0) > MOST_BYTES:
                return _refusal(413, "TOO_LARGE", "The request is too large.", f"Send at most {MOST} rows at a time.")
            try:
                return await inner(request)
            except RequestValidationError as error:
                first = error.errors()[0]
                json_is_wrong = first["type"] == "json_invalid"
                where = "" if json_is_wrong else ".".join(str(p) for p in first["loc"] if p not in {"body", "query"})
                message, remedy = fault(first)
                return _refusal(422, "BAD_INPUT", f"{where or 'The body'} {message}.", remedy, where)
            except Refused as refused:
                status = next((code for kind, code in _STATUS if isinstance(refused, kind)), 409)
                where = str(refused.details.get("field") or "")
                return _refusal(status, refused.code, refused.message, refused.remedy, where)
            except (SQLAlchemyError, OSError) as error:
                if unfit(error):
                    remedy = "Send text without NUL characters, and numbers that fit."
                    return _refusal(422, "BAD_INPUT", "A value cannot be stored.", remedy)
                log.error("api: database away", path=request.url.path, error=type(error).__name__)
                return _refusal(503, "DATABASE_AWAY", "The database does not answer.", "Repeat it in some seconds.")

        return handler


# --- who asks ------------------------------------------------------------------------------------------------------


@dataclass
class Limits:
    """Requests of the running minute, by client or address. Of this process: several consoles allow each their own."""

    counts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take(self, who: str, most: int) -> None:
        """Raises TooMany."""
        minute = int(time.monotonic() // 60)
        begun, count = self.counts.get(who, (minute, 0))
        count = count + 1 if begun == minute else 1
        if len(self.counts) > 10_000:
            self.counts.clear()
        self.counts[who] = (minute, count)
        if count > most:
            raise TooMany(
                f"More than {most} requests in this minute.", remedy="Wait for the next one; send more rows at once."
            )


@dataclass
class ClientWork:
    """One request's transaction, and the client's name for the audit."""

    console: Console
    s: AsyncSession
    client: ApiClient
    now: datetime  # business time
    news: list[News] = field(default_factory=list)

    key: str = ""  # Idempotency-Key of the request
    path: str = ""

    @property
    def who(self) -> str:
        return f"client:{self.client.name}"

    async def once(self, body: BaseModel, do: Callable[[], Awaitable[Answer]], kind: type[Answer]) -> Answer:
        """With an Idempotency-Key: the first answer again, without doing anything. Raises BadInput for another body."""
        if not self.key:
            return await do()
        digest = hashlib.sha256(f"{self.path} {_said(body)}".encode()).hexdigest()
        said = await clients.said_before(self.s, self.client.name, self.key, digest, wall=self.console.clock.wall())
        if said is not None:
            return kind.model_validate(said)
        answer = await do()
        await clients.say(self.s, self.client.name, self.key, answer.model_dump(mode="json"))
        return answer


def _said(body: BaseModel) -> str:
    """As JSON, also what no UTF-8 can hold: its row is refused later, by its index."""
    try:
        return body.model_dump_json()
    except PydanticSerializationError:
        return json.dumps(body.model_dump(), default=str)


@asynccontextmanager
async def open_client(request: Request, scope: str) -> AsyncIterator[ClientWork]:
    """Raises KeyUnknown, NotAllowed, TooMany."""
    console = console_of(request)
    limits: Limits = request.app.state.api_limits
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    address = f"address {request.client.host if request.client else '?'}"
    async with console.database.begin() as s:
        found = await clients.find(s, key.strip()) if kind.lower() == "bearer" and key else None
        if found is None:
            limits.take(address, WRONG_KEYS)
            raise KeyUnknown(
                remedy="Send the header Authorization: Bearer KEY; `backoffice client add NAME` gives one."
            )
        limits.take(found.name, found.per_minute)
        if scope not in found.scopes:
            remedy = f"`backoffice client add {found.name} --scope {scope} …` gives a key that may."
            raise NotAllowed(f"This key may not: {scope}.", remedy=remedy)
        again = request.headers.get("idempotency-key", "").strip()
        if len(again) > MOST_KEY:
            raise BadInput(f"An Idempotency-Key has at most {MOST_KEY} characters.", field="Idempotency-Key")
        one = ClientWork(console, s, found, console.clock.now(), key=again, path=request.url.path)
        yield one
    if one.news:
        await console.bus.publish(*one.news)


def client(scope: str) -> Any:
    async def begin(request: Request) -> AsyncIterator[ClientWork]:
        async with open_client(request, scope) as one:
            yield one

    return Depends(begin, scope="function")


def new_router() -> APIRouter:
    """For the paths of one noun; refusals come as JSON."""
    return APIRouter(route_class=_Route)


class Refusal(BaseModel):
    index: int
    field: str
    message: str
    remedy: str = "Correct this row and send it again; the others count."
