"""Whom the bank says not to call comes in (FL-08)."""

from datetime import date
from typing import Annotated, Literal

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agent_console.pages.api.access import MOST, ClientWork, client, new_router
from agent_console.pages.api.rows import storable
from backoffice_core.borrowers.rules import read_phone
from backoffice_core.days import meant
from backoffice_core.errors import BadInput
from backoffice_core.events import StopListChanged
from backoffice_core.loans import stop_list

router = new_router()
StopClient = Annotated[ClientWork, client("stop-list")]

Text = Annotated[str, AfterValidator(storable)]
Kind = Literal["person", "contract", "phone"]


class StopRow(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Kind
    value: Text = Field(description="person_ref, contract number or phone", min_length=1, max_length=200)
    reason: Text = Field(description="as PAID, COMPLAINT, DECEASED", min_length=1, max_length=200)
    since: Annotated[date, AfterValidator(meant)] | None = Field(default=None, description="default: today")
    until: date | None = Field(default=None, description="the last day; none = until lifted")


class Stops(BaseModel):
    model_config = ConfigDict(extra="forbid")
    entries: list[StopRow] = Field(min_length=1, max_length=MOST)


class StopsTaken(BaseModel):
    new: int
    changed: int


class StopsLifted(BaseModel):
    lifted: int


def phone_or_text(work: ClientWork, kind: str, value: str, where: str) -> str:
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

    async def do() -> StopsTaken:
        return await _add(work, body)

    return await work.once(body, do, StopsTaken)


async def _add(work: ClientWork, body: Stops) -> StopsTaken:
    stops = []
    for n, row in enumerate(body.entries):
        value = phone_or_text(work, row.kind, row.value, f"entries.{n}.value")
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
    said = phone_or_text(work, kind, value, "value")
    return StopsLifted(lifted=await stop_list.lift(work.s, kind, said, source=work.client.name, who=work.who))
