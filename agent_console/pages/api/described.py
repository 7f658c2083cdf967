"""The API's description: /api/docs for people, /api/openapi.json for programs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field

from agent_console.deps import console_of, open_work
from agent_console.pages.api import consents, portfolio, routes, schedules, stop_list
from agent_console.pages.api.access import MOST_KEY, open_client
from agent_console.pages.api.contacts import ContactRow
from agent_console.pages.api.payments import PaymentIn
from agent_console.view import render

docs = APIRouter(prefix="/api")
ROWS = (
    "PersonIn", "PhoneIn", "FlagIn", "LoanIn", "BalanceIn", "ScheduleIn", "InstalmentIn", "PaymentIn", "StopRow", "ConsentIn",
    "ContactRow", "Refusal", "PromiseOut",
    "ContactOut", "DecisionOut",
)  # fmt: skip


_ONCE = {
    "name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string", "maxLength": MOST_KEY},
    "description": "one for each request: repeated with it, the first answer comes again for three days",
}  # fmt: skip
_REFUSALS = {
    code: {"description": said, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    for code, said in (
        ("401", "no such key, or revoked"), ("403", "the key may not"), ("404", "nothing is known by this"),
        ("413", "too large"), ("422", "`field` names what is wrong"), ("429", "too many requests in this minute"),
        ("503", "the database is away: repeat it"),
    )
}  # fmt: skip


class Error(BaseModel):
    """What every refusal says."""

    error: str = Field(description="a code, as BAD_INPUT")
    message: str
    remedy: str
    field: str = Field(default="", description="which field is wrong; absent when it is none")


def description() -> dict[str, Any]:
    """OpenAPI of this API alone."""
    made = get_openapi(
        title="BackOffice for Bank", version="1", routes=routes.router.routes, description=routes.__doc__
    )
    made["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    one_by_one: tuple[type[BaseModel], ...] = (
        ContactRow, PaymentIn, schedules.ScheduleIn, stop_list.StopRow, consents.ConsentIn, *portfolio.ROWS,
    )  # fmt: skip
    for row in one_by_one:
        said = row.model_json_schema(ref_template="#/components/schemas/{model}")
        made["components"]["schemas"] |= said.pop("$defs", {}) | {row.__name__: said}
    made["components"]["schemas"]["Error"] = Error.model_json_schema()
    made["security"] = [{"key": []}]
    for operations in made["paths"].values():
        for method, operation in operations.items():
            operation["responses"] = {"200": operation["responses"]["200"]} | _REFUSALS
            if method == "post":
                operation.setdefault("parameters", []).append(_ONCE)
    for unused in ("HTTPValidationError", "ValidationError"):  # what the framework would say; this API says Error
        made["components"]["schemas"].pop(unused, None)
    return made


@asynccontextmanager
async def _reader(request: Request) -> AsyncIterator[tuple[Any, str]]:
    """An administrator who is logged in, or a key with the scope docs."""
    if "authorization" in request.headers:
        async with open_client(request, "docs"):
            yield None, ""
    else:
        async with open_work(request, "users") as work:
            yield work.user, work.csrf


@docs.get("/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    async with _reader(request):
        return JSONResponse(description())


@docs.get("/docs")
async def docs_page(request: Request) -> HTMLResponse:
    said = description()
    schemas = said["components"]["schemas"]
    operations = [
        {"method": method.upper(), "path": path, **operation, "body": _schema_of(operation, schemas)}
        for path, methods in said["paths"].items()
        for method, operation in methods.items()
    ]
    async with _reader(request) as (user, csrf):
        context = {"operations": operations, "rows": {name: schemas[name] for name in ROWS}}
        return HTMLResponse(render(console_of(request), request, "api_docs.html", user, csrf, **context))


def _schema_of(operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    try:
        ref = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    except KeyError:
        return {}
    found: dict[str, Any] = schemas[ref.rsplit("/", 1)[1]]
    return found
