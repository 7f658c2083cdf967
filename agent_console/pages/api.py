"""The API for the bank's systems, /api/v1: contacts made elsewhere (FL-09), the stop-list (FL-08), payments, counts.

A key in `Authorization: Bearer …` opens it, cookies never do. Every post may be repeated: it is joined with what is
there and counts once. Answers are JSON; a refusal names the field and the remedy.
"""

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from agent_console.console import Console
from agent_console.deps import console_of, open_work
from agent_console.view import render
from backoffice_core import money_in
from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.borrowers.rules import read_phone
from backoffice_core.call_centre import shelter
from backoffice_core.compliance import elsewhere
from backoffice_core.compliance import service as compliance
from backoffice_core.errors import BadInput, NotAllowed, NotFound, Refused
from backoffice_core.events import AgentChanged, News, QueueChanged, StopChanged, StopListChanged
from backoffice_core.loans import stop_list
from backoffice_core.loans.models import Loan
from backoffice_core.loans.payments import PaymentRow
from backoffice_core.loans.rules import COMPONENTS
from backoffice_core.staff import clients
from backoffice_core.staff.models import ApiClient

log = structlog.get_logger()
MOST = 1000  # rows in one post
MOST_BYTES = 4 << 20
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
                where = ".".join(str(part) for part in first["loc"] if part not in {"body", "query"})
                remedy = "Compare with /api/docs."
                return _refusal(422, "BAD_INPUT", f"{where or 'The body'}: {first['msg']}.", remedy, where)
            except Refused as refused:
                status = next((code for kind, code in _STATUS if isinstance(refused, kind)), 409)
                where = str(refused.details.get("field") or "")
                return _refusal(status, refused.code, refused.message, refused.remedy, where)
            except (SQLAlchemyError, OSError) as error:
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

    @property
    def who(self) -> str:
        return f"client:{self.client.name}"


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
        one = ClientWork(console, s, found, console.clock.now())
        yield one
    if one.news:
        await console.bus.publish(*one.news)


def _client(scope: str) -> Any:
    async def begin(request: Request) -> AsyncIterator[ClientWork]:
        async with open_client(request, scope) as one:
            yield one

    return Depends(begin, scope="function")


ContactsClient = Annotated[ClientWork, _client("contacts")]
StopClient = Annotated[ClientWork, _client("stop-list")]
ShelterClient = Annotated[ClientWork, _client("shelter")]
CountsClient = Annotated[ClientWork, _client("counts")]
PaymentsClient = Annotated[ClientWork, _client("payments")]

router = APIRouter(prefix="/api/v1", route_class=_Route, tags=["v1"])


# --- contacts made elsewhere ---------------------------------------------------------------------------------------


class ContactRow(BaseModel):
    """One contact. A person is named by at least one of person_ref, contract_no, tax_id, phone; the surest decides."""

    model_config = ConfigDict(extra="forbid")
    external_id: str = Field(description="the source's own id; the same id counts once", max_length=200)
    at: AwareDatetime
    person_ref: str = ""
    contract_no: str = ""
    tax_id: str = ""
    phone: str = Field(default="", description="as you write it; E.164 is surest")
    channel: str = Field(default="", description="default: the source's")
    result: str = Field(
        default="", description="sent, delivered, talk, no_answer, machine, visit, failed; empty = not known"
    )
    minutes: str = Field(default="", description="of talk, as 1.5")
    purpose: str = ""
    direction: str = Field(default="", description="outbound (default), inbound")


class Contacts(BaseModel):
    model_config = ConfigDict(extra="forbid")
    source: str = Field(description="as set up by `backoffice contacts source`")
    contacts: list[dict[str, Any]] = Field(
        max_length=MOST, description="rows as ContactRow; may be empty: there was nothing",
        json_schema_extra={"items": {"$ref": "#/components/schemas/ContactRow"}},
    )  # fmt: skip
    complete_to: AwareDatetime | None = Field(
        default=None, description="up to when the source has now told everything; default: now"
    )


class Refusal(BaseModel):
    index: int
    field: str
    message: str
    remedy: str = "Correct this row and send it again; the others count."


class ContactsTaken(BaseModel):
    """`unmatched`: kept until their person is known."""

    received: int
    new: int
    changed: int
    unmatched: int
    refused: list[Refusal]


@router.post("/contacts")
async def post_contacts(work: ContactsClient, body: Contacts) -> ContactsTaken:
    """Count contacts made elsewhere. Repeating changes nothing; a later status of the same id is joined with it."""
    settings, zone = work.console.settings, work.console.clock.zone
    source = await elsewhere.find_source(work.s, body.source)

    def read(raw: dict[str, Any]) -> Any:
        try:
            row = ContactRow.model_validate(raw)
        except ValueError as error:
            first = error.errors()[0]  # type: ignore[attr-defined]
            raise ValueError(first["msg"], ".".join(map(str, first["loc"]))) from None
        said = row.model_dump() | {"at": row.at.isoformat()}
        return elsewhere.read_row(said, source, country=settings.jurisdiction, zone=zone, now=work.now)

    rows, bad = elsewhere.refusals(body.contacts, read)
    covered = min(body.complete_to or work.now, work.now)
    done = await elsewhere.feed(work.s, source, rows, who=work.who, covered_to=None if bad else covered)
    return ContactsTaken(
        received=len(body.contacts), new=done.new, changed=done.changed, unmatched=done.unmatched,
        refused=[Refusal(**one) for one in bad],
    )  # fmt: skip


# --- the stop-list -------------------------------------------------------------------------------------------------

Kind = Literal["person", "contract", "phone"]


class StopRow(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Kind
    value: str = Field(description="person_ref, contract number or phone", min_length=1, max_length=200)
    reason: str = Field(description="as PAID, COMPLAINT, DECEASED", min_length=1, max_length=200)
    since: date | None = Field(default=None, description="default: today")
    until: date | None = Field(default=None, description="the last day; none = until lifted")


class Stops(BaseModel):
    model_config = ConfigDict(extra="forbid")
    entries: list[StopRow] = Field(min_length=1, max_length=MOST)


class StopsTaken(BaseModel):
    new: int
    changed: int


class StopsLifted(BaseModel):
    lifted: int


def _value(work: ClientWork, kind: str, value: str, where: str) -> str:
    """Raises BadInput for a phone that cannot be read."""
    if kind != "phone":
        return value.strip()
    try:
        return read_phone(value, work.console.settings.jurisdiction).value
    except ValueError as error:
        raise BadInput(f"{where}: “{value}”: {error}.", remedy="Write it as +380671234567.", field=where) from None


@router.post("/stop-list")
async def post_stops(work: StopClient, body: Stops) -> StopsTaken:
    """Stop calls to people, contracts and numbers: none begins after this, and one that rings is cancelled within 5 s.

    All or nothing. An entry that is there gets the newer reason and dates.
    """
    stops = []
    for n, row in enumerate(body.entries):
        value = _value(work, row.kind, row.value, f"entries.{n}.value")
        try:
            since = row.since or work.console.clock.today()
            stops.append(stop_list.Stop(row.kind, value, row.reason, since, row.until))
        except BadInput as error:
            raise BadInput(f"entries.{n}: {error.message}", remedy=error.remedy, field=f"entries.{n}") from None
    new, changed = await stop_list.add(work.s, stops, at=work.now, by=work.who, source=work.client.name, who=work.who)
    work.news.append(StopListChanged())
    return StopsTaken(new=new, changed=changed)


@router.delete("/stop-list")
async def delete_stop(work: StopClient, kind: Kind, value: Annotated[str, Query(min_length=1)]) -> StopsLifted:
    """Take an entry of this client off the list; those of other sources stay. Repeating is no error: `lifted` is 0."""
    said = _value(work, kind, value, "value")
    return StopsLifted(lifted=await stop_list.lift(work.s, kind, said, source=work.client.name, who=work.who))


# --- payments ------------------------------------------------------------------------------------------------------


class PaymentIn(BaseModel):
    """A payment, or with `reverses` one that went back. Without a split by components it is made here."""

    model_config = ConfigDict(extra="forbid")
    external_ref: str = Field(
        description="yours, unique over all your systems; the same again counts once", max_length=200
    )
    contract_no: str
    paid_at: AwareDatetime = Field(description="when it counts")
    amount: Decimal | None = Field(default=None, description="as “1500.00”; may be left out of a reversal")
    currency: str = Field(default="", description="default: the loan's")
    reverses: str = Field(default="", description="external_ref of the payment that goes back, whole")
    channel: str = Field(default="", description="cash, transfer … in your word")
    principal: Decimal = Decimal(0)
    interest: Decimal = Decimal(0)
    penalty: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)


class PaymentsIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    payments: list[PaymentIn] = Field(min_length=1, max_length=MOST)


class PaymentsTaken(BaseModel):
    """`known`: they were here before. `promises_kept`, `cases_cured`: by these payments, at once."""

    received: int
    new: int
    known: int
    promises_kept: int
    cases_cured: int
    refused: list[Refusal]


@router.post("/payments")
async def post_payments(work: PaymentsClient, body: PaymentsIn) -> PaymentsTaken:
    """Payments and reversals. Balances, promises, stages and tonight's queue follow in the same moment.

    A known reference with another amount or contract is refused; bad rows come back in `refused`, the others count.
    """
    clock = work.console.clock
    rows = [
        PaymentRow(
            external_ref=one.external_ref, contract_no=one.contract_no, paid_at=one.paid_at, amount=one.amount,
            currency=one.currency.upper(), reverses=one.reverses, channel=one.channel,
            parts={name: value for name in COMPONENTS if (value := getattr(one, name))},
        )
        for one in body.payments
    ]  # fmt: skip
    done = await money_in.take(
        work.s, rows, work.console.settings, at=work.now, today=clock.today(), zone=clock.zone, by=work.who
    )
    if done.cases:
        work.news.append(QueueChanged())
    return PaymentsTaken(
        received=len(rows), new=len(done.posted.new), known=done.posted.known, promises_kept=done.counts.get("kept", 0),
        cases_cured=done.counts.get("cured", 0),
        refused=[Refusal(index=one.index, field=one.field, message=one.message) for one in done.posted.refused],
    )  # fmt: skip


# --- shelter -------------------------------------------------------------------------------------------------------


class ShelterCall(BaseModel):
    """An alarm in a region, as borrowers and agents have it, begins or ends."""

    model_config = ConfigDict(extra="forbid")
    region: str = Field(min_length=1, max_length=200)
    alarm: bool = Field(description="true: it begins; false: it is over")


class ShelterDone(BaseModel):
    """`changed` false: it was so already."""

    changed: bool
    agents: int
    tasks: int


@router.post("/shelter")
async def post_shelter(work: ShelterClient, body: ShelterCall) -> ShelterDone:
    """Agents of the region go to a paid pause and nobody there is called; at its end dialing comes back at half pace."""
    wall = work.console.clock.wall()
    if body.alarm:
        done = await shelter.begin(work.s, body.region, by=work.client.name, who=work.who, now=work.now, wall=wall)
    else:
        done = await shelter.end(work.s, body.region, by=work.client.name, who=work.who, wall=wall)
    if done.changed:
        work.news += [*(AgentChanged(agent_id=one) for one in done.agents), QueueChanged(), StopChanged()]
    return ShelterDone(changed=done.changed, agents=len(done.agents), tasks=done.tasks)


# --- counts --------------------------------------------------------------------------------------------------------


class SourceCount(BaseModel):
    source: str
    channel: str
    late: bool
    known_to: datetime
    contacts_today: int
    unmatched: int


class PersonCount(BaseModel):
    """Of today's calls by the daily cap that is nearest; `limit` null = there is none; `stopped`: on the stop-list."""

    person_ref: str
    count: int
    limit: int | None
    until: datetime | None
    stopped: bool


@router.get("/counts")
async def get_counts(work: CountsClient) -> list[SourceCount]:
    """What was counted of each source today, to compare with the source's own figures."""
    start, _ = work.console.clock.day_bounds(work.console.clock.today())
    return [
        SourceCount(
            source=one.name, channel=one.channel, late=one.late, known_to=one.covered_to, contacts_today=one.contacts_today,
            unmatched=one.unmatched,
        )
        for one in await elsewhere.states(work.s, work.now, start)
    ]  # fmt: skip


@router.get("/counts/person")
async def get_person_counts(
    work: CountsClient, person_ref: str = "", contract_no: str = "", phone: str = ""
) -> list[PersonCount]:
    """How much of today's contact is used up, with all systems together; several persons where a number is shared."""
    query = select(Person)
    if person_ref:
        query = query.where(Person.external_ref == person_ref)
    elif contract_no:
        query = query.join(Loan, Loan.person_id == Person.id).where(Loan.contract_no == contract_no)
    elif phone:
        number = _value(work, "phone", phone, "phone")
        query = query.join(ContactPoint, ContactPoint.person_id == Person.id).where(ContactPoint.value == number)
    else:
        raise BadInput("Whose counts?", remedy="Give person_ref, contract_no or phone.", field="person_ref")
    found = []
    today = work.console.clock.today()
    for person in (await work.s.scalars(query.distinct().limit(50))).all():
        day = await compliance.contacts_of_day(
            work.s, person.id, work.now, zone=person.time_zone or "", jurisdiction=person.jurisdiction,
            bound=work.console.settings.bound,
        )  # fmt: skip
        stopped = await stop_list.stopped(work.s, person.id, "", today)
        found.append(
            PersonCount(
                person_ref=person.external_ref, count=day.count, limit=day.limit, until=day.until, stopped=stopped
            )
        )
    if not found:
        raise NotFound("Nobody is known by this.", remedy="Compare with the portfolio file.")
    return found


# --- what there is -------------------------------------------------------------------------------------------------

docs = APIRouter(prefix="/api")


def description() -> dict[str, Any]:
    """OpenAPI of this API alone."""
    made = get_openapi(title="BackOffice for Bank", version="1", routes=router.routes, description=__doc__)
    made["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    made["components"]["schemas"]["ContactRow"] = ContactRow.model_json_schema()
    made["security"] = [{"key": []}]
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
        rows = {"ContactRow": schemas["ContactRow"], "StopRow": schemas["StopRow"], "PaymentIn": schemas["PaymentIn"]}
        context = {"operations": operations, "rows": rows}
        return HTMLResponse(render(console_of(request), request, "api_docs.html", user, csrf, **context))


def _schema_of(operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    try:
        ref = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    except KeyError:
        return {}
    found: dict[str, Any] = schemas[ref.rsplit("/", 1)[1]]
    return found
