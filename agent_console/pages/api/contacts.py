"""Contacts made elsewhere come in (FL-09)."""

from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from agent_console.pages.api.access import MOST, ClientWork, Refusal, client, new_router
from agent_console.pages.api.faults import fault
from agent_console.pages.api.rows import UNSTORABLE, unstorable
from backoffice_core.compliance import elsewhere
from backoffice_core.days import meant_moment

router = new_router()
ContactsClient = Annotated[ClientWork, client("contacts")]


class ContactRow(BaseModel):
    """One contact. A person is named by at least one of person_ref, contract_no, tax_id, phone; the surest decides."""

    model_config = ConfigDict(extra="forbid")
    external_id: str = Field(description="the source's own id; the same id counts once", max_length=200)
    at: AwareDatetime
    person_ref: str = Field(default="", max_length=200)
    contract_no: str = Field(default="", max_length=200)
    tax_id: str = Field(default="", max_length=200)
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
    contacts: list[Any] = Field(
        max_length=MOST, description="rows as ContactRow; may be empty: there was nothing",
        json_schema_extra={"items": {"$ref": "#/components/schemas/ContactRow"}},
    )  # fmt: skip
    complete_to: Annotated[AwareDatetime, AfterValidator(meant_moment)] | None = Field(
        default=None, description="up to when the source has now told everything; default: now"
    )


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

    async def do() -> ContactsTaken:
        return await _take(work, body)

    return await work.once(body, do, ContactsTaken)


async def _take(work: ClientWork, body: Contacts) -> ContactsTaken:
    settings, zone = work.console.settings, work.console.clock.zone
    source = await elsewhere.find_source(work.s, body.source)

    def read(raw: Any) -> Any:
        if found := unstorable(raw):
            raise ValueError(UNSTORABLE, found)
        try:
            row = ContactRow.model_validate(raw)
        except ValueError as error:
            first = error.errors()[0]  # type: ignore[attr-defined]
            raise ValueError(fault(first, ContactRow)[0], ".".join(map(str, first["loc"]))) from None
        said = row.model_dump() | {"at": row.at.isoformat()}
        return elsewhere.read_row(said, source, country=settings.jurisdiction, zone=zone, now=work.now)

    rows, bad = elsewhere.refusals(body.contacts, read)
    covered = min(body.complete_to or work.now, work.now)
    done = await elsewhere.feed(work.s, source, rows, who=work.who, covered_to=None if bad else covered)
    return ContactsTaken(
        received=len(body.contacts), new=done.new, changed=done.changed, unmatched=done.unmatched,
        refused=[Refusal(**one) for one in bad],
    )  # fmt: skip
