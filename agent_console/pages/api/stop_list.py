"""Whom the bank says not to call comes in (FL-08)."""

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agent_console.pages.api.access import ClientWork, Refusal, client, new_router
from agent_console.pages.api.rows import read, rows_of
from backoffice_core.borrowers.rules import read_phone
from backoffice_core.days import meant
from backoffice_core.errors import BadInput
from backoffice_core.events import StopListChanged
from backoffice_core.loans import stop_list

router = new_router()
StopClient = Annotated[ClientWork, client("stop-list")]

Kind = Literal["person", "contract", "phone"]


class StopRow(BaseModel):
    """Whom not to call. One that is there gets the newer reason and dates."""

    model_config = ConfigDict(extra="forbid")
    kind: Kind
    value: str = Field(description="person_ref, contract number or phone", min_length=1, max_length=200)
    reason: str = Field(
        description="a word, as PAID, COMPLAINT, DECEASED; where the setting stop_reasons names some, one of them",
        min_length=2, max_length=60,
    )  # fmt: skip
    since: Annotated[date, AfterValidator(meant)] | None = Field(default=None, description="default: today")
    until: date | None = Field(default=None, description="the last day; none = until lifted")


class Stops(BaseModel):
    model_config = ConfigDict(extra="forbid")
    entries: list[Any] = rows_of(StopRow)


class StopUnknown(BaseModel):
    """An entry that was taken and stops nobody yet: look whether its key is misspelt."""

    index: int
    field: str
    message: str


class StopsTaken(BaseModel):
    """`unknown`: taken, but nobody is known by these keys yet."""

    received: int
    new: int
    changed: int
    unknown: list[StopUnknown]
    refused: list[Refusal]


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

    Bad rows come back in `refused`: these people are still called. The others count.
    """

    async def do() -> StopsTaken:
        return await _add(work, body)

    return await work.once(body, do, StopsTaken)


async def _add(work: ClientWork, body: Stops) -> StopsTaken:
    good, where, refused = read(body.entries, StopRow)
    stops: dict[int, stop_list.Stop] = {}
    for index, row in zip(where, good, strict=True):
        try:
            stops[index] = _stop(work, row)
        except BadInput as error:
            remedy = f"{error.remedy} Then send this row again: he is still called."
            refused.append(
                Refusal(index=index, field=str(error.details.get("field", "")), message=error.message, remedy=remedy)
            )
    new = changed = 0
    if stops:
        new, changed = await stop_list.add(
            work.s, stops.values(), at=work.now, by=work.who, source=work.client.name, who=work.who
        )
        work.news.append(StopListChanged())
    strange = await stop_list.unknown(work.s, stops.values())
    return StopsTaken(
        received=len(body.entries), new=new, changed=changed, refused=sorted(refused, key=lambda one: one.index),
        unknown=[
            StopUnknown(index=index, field="value", message=f"no {_NOUNS[one.kind]} is known as {one.value} yet")
            for index, one in stops.items() if (one.kind, one.value) in strange
        ],
    )  # fmt: skip


_NOUNS = {"person": "person", "contract": "loan", "phone": "number"}


def _stop(work: ClientWork, row: StopRow) -> stop_list.Stop:
    """Raises BadInput, naming the field."""
    value = phone_or_text(work, row.kind, row.value, "value")
    stop_list.refuse_reason(row.reason, work.console.settings.stop_reasons)
    since = row.since or work.console.clock.today()
    return stop_list.Stop(row.kind, value, row.reason, since, row.until)


@router.delete("/stop-list")
async def delete_stop(work: StopClient, kind: Kind, value: Annotated[str, Query(min_length=1)]) -> StopsLifted:
    """Take an entry of this client off the list; those of other sources stay. Repeating is no error: `lifted` is 0."""
    said = phone_or_text(work, kind, value, "value")
    return StopsLifted(lifted=await stop_list.lift(work.s, kind, said, source=work.client.name, who=work.who))
