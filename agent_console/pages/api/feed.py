"""What goes out to the bank's systems: decisions, promises, contacts; in pages that go on from a cursor."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from agent_console.pages.api.access import ClientWork, client, new_router
from backoffice_core.call_centre.calls import feed
from backoffice_core.call_centre.calls.feed import Asked
from backoffice_core.days import meant_moment

router = new_router()
ReadClient = Annotated[ClientWork, client("read")]
After = Annotated[str, Query(description="`next` of the page before; left out: from the beginning", max_length=40)]
Limit = Annotated[int, Query(ge=1, le=feed.MOST, description="rows in a page")]
Moment = Annotated[AwareDatetime, AfterValidator(meant_moment)]
Since = Annotated[Moment | None, Query(description="not before this time")]
Until = Annotated[Moment | None, Query(description="before this time")]
PersonRef = Annotated[str, Query(max_length=200, description="of this person only")]


class PromiseOut(BaseModel):
    """A change of a promise (`became`, `at`), and the promise as it is now. Instalments of a plan are promises."""

    cursor: str
    promise_id: UUID
    became: str = Field(description="OPEN, PARTIAL, KEPT, BROKEN, CANCELLED")
    at: datetime
    case_number: int
    person_ref: str
    plan_id: UUID | None
    amount: Decimal
    currency: str
    due_date: date
    grace_days: int
    state: str = Field(description="now")
    matched: Decimal = Field(description="paid on it so far")
    made_at: datetime
    call_id: UUID | None


class Promises(BaseModel):
    """`next`: ask after it, now if there is `more`, or later."""

    rows: list[PromiseOut]
    next: str
    more: bool


class ContactOut(BaseModel):
    """A call as it is now. It comes when it ended (`what` = call), and again with its result (outcome): join by `call_id`."""

    cursor: str
    what: str
    at: datetime
    case_number: int
    person_ref: str
    call_id: UUID
    direction: str
    number: str
    result: str | None = Field(description="how the call went, as ANSWERED_AGENT, NO_ANSWER")
    outcome: str | None = Field(description="what came of the talk, as PTP; null = nobody said it yet")
    right_party: bool
    abandoned: bool
    begun_at: datetime
    talk_s: int | None
    campaign: str | None
    agent: str | None
    decision_id: UUID | None


class ContactsOut(BaseModel):
    """`next`: ask after it, now if there is `more`, or later."""

    rows: list[ContactOut]
    next: str
    more: bool


class DecisionOut(BaseModel):
    """Whether somebody could be contacted then, and the rules that said so."""

    id: UUID
    at: datetime
    person_ref: str | None
    channel: str | None
    purpose: str | None
    allow: bool
    reasons: list[Any]
    next_allowed_at: datetime | None
    must: list[Any]
    consulted: list[Any]
    call_id: UUID | None


class Decisions(BaseModel):
    """`next`: ask after it, now if there is `more`, or later."""

    rows: list[DecisionOut]
    next: str
    more: bool


def _asked(after: str, limit: int, since: datetime | None, until: datetime | None, person_ref: str) -> Asked:
    return Asked(after=after, most=limit, since=since, until=until, person_ref=person_ref)


@router.get("/promises")
async def get_promises(
    work: ReadClient, after: After = "", limit: Limit = 200, since: Since = None, until: Until = None, person_ref: PersonRef = "",
) -> Promises:  # fmt: skip
    """Promises as they are made, kept, broken and cancelled. Each change once; `since` and `until` mean its time."""
    page = await feed.promises(work.s, _asked(after, limit, since, until, person_ref))
    return Promises.model_validate(page, from_attributes=True)


@router.get("/contacts")
async def get_contacts(
    work: ReadClient, after: After = "", limit: Limit = 200, since: Since = None, until: Until = None, person_ref: PersonRef = "",
) -> ContactsOut:  # fmt: skip
    """Calls of this house, each when it ended and again when its result was recorded."""
    page = await feed.contacts(work.s, _asked(after, limit, since, until, person_ref))
    return ContactsOut.model_validate(page, from_attributes=True)


@router.get("/decisions")
async def get_decisions(
    work: ReadClient, after: After = "", limit: Limit = 200, since: Since = None, until: Until = None, person_ref: PersonRef = "",
    allow: Annotated[bool | None, Query(description="only those that allowed, or only those that did not")] = None,
) -> Decisions:  # fmt: skip
    """Decisions of compliance: what was asked, what was answered, by which rules."""
    page = await feed.decisions(work.s, _asked(after, limit, since, until, person_ref), allow=allow)
    return Decisions.model_validate(page, from_attributes=True)
