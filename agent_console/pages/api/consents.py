"""Consents of people come in: to which contacts they have agreed, and that they withdrew it (CC-15, issue 5)."""

from datetime import date
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agent_console.pages.api.access import ClientWork, Refusal, client, new_router
from agent_console.pages.api.rows import read, rows_of
from backoffice_core.compliance import consents
from backoffice_core.errors import BadInput
from backoffice_core.events import QueueChanged

router = new_router()
ConsentsClient = Annotated[ClientWork, client("portfolio")]


class ConsentIn(BaseModel):
    """One consent: one purpose, one channel. A person is named by person_ref or contract_no."""

    model_config = ConfigDict(extra="forbid")
    external_id: str = Field(
        description="your own id of it: the same id is one consent; who agrees anew gets another",
        min_length=1,
        max_length=200,
    )
    person_ref: str = Field(default="", max_length=200)
    contract_no: str = Field(default="", max_length=200)
    purpose: str = Field(description=", ".join(consents.KINDS))
    channel: str = Field(description=", ".join(consents.CHANNELS))
    number: str = Field(default="", description="as +380671234567; empty: whichever of his numbers", max_length=60)
    given_at: AwareDatetime
    how: str = Field(description=", ".join(consents.WAYS))
    evidence: str = Field(
        description="the paper or the recording that proves it", min_length=1, max_length=consents.LONGEST
    )
    until: date | None = Field(default=None, description="its last day; may be brought forward later, never put off")
    withdrawn_at: AwareDatetime | None = Field(default=None, description="stands once it was said")
    withdrawn_why: str = Field(default="", max_length=consents.LONGEST)


class ConsentsIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    consents: list[dict[str, Any]] = rows_of(ConsentIn)


class ConsentsTaken(BaseModel):
    """`changed`: withdrawn, or it ends sooner. What said nothing new is in neither count."""

    received: int
    new: int
    changed: int
    refused: list[Refusal]


@router.post("/consents")
async def post_consents(work: ConsentsClient, body: ConsentsIn) -> ConsentsTaken:
    """Consents of people and their withdrawals. A withdrawn one meets no rule from the next call on.

    Bad rows come back in `refused`: without them these people are not contacted where a rule needs their consent.
    """

    async def do() -> ConsentsTaken:
        return await _take(work, body)

    return await work.once(body, do, ConsentsTaken)


async def _take(work: ClientWork, body: ConsentsIn) -> ConsentsTaken:
    good, where, refused = read(body.consents, ConsentIn)
    rows: list[consents.Given] = []
    places: list[int] = []
    for index, row in zip(where, good, strict=True):
        try:
            number = consents.read_number(row.number, work.console.settings.jurisdiction)
        except BadInput as error:
            refused.append(Refusal(index=index, field="number", message=error.message, remedy=error.remedy))
            continue
        rows.append(consents.Given(**row.model_dump() | {"number": number}))
        places.append(index)
    source = f"client:{work.client.name}"
    taken = await consents.take(work.s, rows, now=work.now, source=source, who=work.who)
    refused += [
        Refusal(index=places[index], field=field, message=message, remedy=remedy)
        for index, field, message, remedy in taken.refused
    ]
    if taken.new or taken.changed:
        work.news.append(QueueChanged())
    return ConsentsTaken(
        received=len(body.consents),
        new=taken.new,
        changed=taken.changed,
        refused=sorted(refused, key=lambda one: one.index),
    )
