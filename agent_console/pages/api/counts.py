"""What was counted, to compare with the other systems' own figures (FL-09)."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel
from sqlalchemy import select

from agent_console.pages.api.access import ClientWork, client, new_router
from agent_console.pages.api.stop_list import phone_or_text
from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.compliance import elsewhere
from backoffice_core.compliance import service as compliance
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.loans import stop_list
from backoffice_core.loans.models import Loan

router = new_router()
CountsClient = Annotated[ClientWork, client("counts")]


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
        number = phone_or_text(work, "phone", phone, "phone")
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
