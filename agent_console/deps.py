"""What each request needs: who asks, one transaction, permission, and protection from other sites.

Commit comes before the answer leaves (scope "function"), and news leave after the commit.
"""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from agent_console.console import Console
from backoffice_core.catalogue import Words
from backoffice_core.errors import BadInput, NotAllowed, NotFound, Refused
from backoffice_core.events import News
from backoffice_core.staff import rules, service
from backoffice_core.staff.models import User

COOKIE = "backoffice_login"
SEVERAL = frozenset({"id"})  # words of an address that may stand in it more than once: rows that a page asks for


class LoginNeeded(Refused):
    """Log in first."""

    code = "LOGIN_NEEDED"


class ForeignRequest(Refused):
    """The request did not come from a page of this console."""

    code = "FOREIGN_REQUEST"


@dataclass
class Work:
    """One request's transaction: session, person, words, both times, and the news to send after the commit."""

    request: Request
    console: Console
    s: AsyncSession
    user: User
    csrf: str
    now: datetime  # business time
    wall: datetime
    news: list[News] = field(default_factory=list)

    @property
    def words(self) -> Words:
        return self.console.catalogue.words(self.user.language)

    def may(self, act: str) -> bool:
        return rules.may(self.user.role, act, self.user.branch)


def console_of(connection: HTTPConnection) -> Console:
    return connection.app.state.console


def same_origin(connection: HTTPConnection) -> bool:
    """Browsers name the page that asks in Origin on every POST and websocket; programs without one are let through
    (they hold no person's cookie by accident). A page that came without TLS is another's page to one that has it."""
    origin = connection.headers.get("origin")
    if origin is None:
        return True
    page = urlsplit(origin)
    secure = connection.scope["scheme"] in {"https", "wss"}
    return page.netloc == connection.headers.get("host") and (page.scheme == "https" or not secure)


async def csrf_matches(request: Request, expected: str) -> bool:
    given = request.headers.get("x-csrf-token")
    if given is None and "form" in request.headers.get("content-type", ""):
        given = str((await request.form()).get("csrf", ""))
    return hmac.compare_digest(given or "", expected)


class CaseClosed(NotAllowed):
    """This case is not yours to see."""

    code = "CASE_CLOSED"


async def case_refused(work: Work, number: int | str) -> Refused:
    """For a case that was not found. Whoever sees only some cases is told the same of one that is there and of one that is not,
    and the attempt stands in the journal though the request is undone (CP-05)."""
    if work.may("case_any") and not work.user.branch:
        return NotFound()
    async with work.console.database.begin() as s:
        service.note_access(s, work.user.id, "CASE_REFUSED", work.wall, object_id=str(number))
    return CaseClosed()


def _refuse_doubled(request: Request) -> None:
    """Raises BadInput for a word that stands twice in the address: one of the two would be passed over in silence."""
    said = [name for name, _ in request.query_params.multi_items() if name not in SEVERAL]
    if twice := next((name for name in said if said.count(name) > 1), None):
        raise BadInput(f"{twice} stands twice.", remedy="Leave one of them.", field=twice)


@asynccontextmanager
async def open_work(request: Request, act: str) -> AsyncIterator[Work]:
    """The checks and the transaction of one request. Raises LoginNeeded, ForeignRequest, NotAllowed."""
    console = console_of(request)
    changes = request.method not in {"GET", "HEAD"}
    if changes and not same_origin(request):
        raise ForeignRequest
    token = request.cookies.get(COOKIE)
    if not token:
        raise LoginNeeded
    wall = console.clock.wall()
    async with console.database.begin() as s:
        found = await service.find_login(s, token, wall)
        if found is None:
            console.known.pop(token, None)
            raise LoginNeeded
        user, login = found
        request.state.lang = user.language  # errors are told after the transaction is gone
        if rules.may(user.role, "stop"):
            console.remember(token, user.full_name, login.csrf, login.expires_at)
        if changes and not await csrf_matches(request, login.csrf):
            raise ForeignRequest
        if act and not rules.may(user.role, act, user.branch):
            raise NotAllowed
        _refuse_doubled(request)
        one = Work(request, console, s, user, login.csrf, console.clock.now(), wall)
        yield one
    if one.news:
        await console.bus.publish(*one.news)


def work(act: str) -> Any:
    """Dependency: a `Work` for a person who may do `act` ("" = anyone who is logged in)."""

    async def begin(request: Request) -> AsyncIterator[Work]:
        async with open_work(request, act) as one:
            yield one

    return Depends(begin, scope="function")


AnyWork = Annotated[Work, work("")]
DeskWork = Annotated[Work, work("desk")]
FloorWork = Annotated[Work, work("floor")]
QueueWork = Annotated[Work, work("queue")]
AbandonedWork = Annotated[Work, work("abandoned")]
CaseWork = Annotated[Work, work("case")]
CompleteWork = Annotated[Work, work("complete")]
HearWork = Annotated[Work, work("hear")]
StrategiesWork = Annotated[Work, work("strategies")]
RulesWork = Annotated[Work, work("rules")]
ProofWork = Annotated[Work, work("proof")]
ReportsWork = Annotated[Work, work("reports")]
TasksWork = Annotated[Work, work("tasks")]
LinesWork = Annotated[Work, work("lines")]
CampaignsWork = Annotated[Work, work("campaigns")]
AnnouncementsWork = Annotated[Work, work("announcements")]
WebhooksWork = Annotated[Work, work("webhooks")]
StopWork = Annotated[Work, work("stop")]
