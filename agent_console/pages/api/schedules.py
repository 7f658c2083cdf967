"""Schedules of loans come in: what falls due when, and what of it is paid (DM-02)."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agent_console.pages.api.access import ClientWork, Refusal, client, new_router
from agent_console.pages.api.rows import joined, read, rows_of
from backoffice_core import money_in
from backoffice_core.events import QueueChanged
from backoffice_core.loans.schedules import LONGEST, Part, Schedule

router = new_router()
SchedulesClient = Annotated[ClientWork, client("portfolio")]


class InstalmentIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    due_date: date
    amount: Decimal = Field(description="of this instalment, as “1500.00”")
    paid: Decimal = Field(default=Decimal(0), description="of it, by `as_at`; later payments fill up the oldest first")


class ScheduleIn(BaseModel):
    """The whole schedule of a loan that is known; it replaces the former one. Days past due are counted by it from then on."""

    model_config = ConfigDict(extra="forbid")
    contract_no: str = Field(min_length=1, max_length=200)
    as_at: AwareDatetime = Field(description="when your core said so; nothing older than what is there is taken")
    instalments: list[InstalmentIn] = Field(min_length=1, max_length=LONGEST)


class SchedulesIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    schedules: list[Any] = rows_of(ScheduleIn)


class SchedulesTaken(BaseModel):
    """What said nothing new is in neither count. The others: cases and promises that followed at once."""

    received: int
    new: int
    changed: int
    cases_opened: int
    cases_cured: int
    promises_kept: int
    refused: list[Refusal]


@router.post("/schedules")
async def post_schedules(work: SchedulesClient, body: SchedulesIn) -> SchedulesTaken:
    """Schedules of known loans, one row a loan. Days past due, stages, cases and the queue follow in the same moment.

    One by which a loan is late while its balance has nothing overdue is refused: send the balance first.
    """

    async def do() -> SchedulesTaken:
        return await _take(work, body)

    return await work.once(body, do, SchedulesTaken)


async def _take(work: ClientWork, body: SchedulesIn) -> SchedulesTaken:
    clock = work.console.clock
    good, where, refused = read(body.schedules, ScheduleIn)
    rows = [
        Schedule(
            contract_no=one.contract_no.strip(), as_at=one.as_at,
            parts=[Part(due_date=i.due_date, amount=i.amount, paid=i.paid) for i in one.instalments],
        )
        for one in good
    ]  # fmt: skip
    taken, counts = await money_in.take_schedules(
        work.s, rows, work.console.settings, at=work.now, today=clock.today(), zone=clock.zone, who=work.who
    )
    if taken.persons:
        work.news.append(QueueChanged())
    return SchedulesTaken(
        received=len(body.schedules), new=taken.new, changed=taken.changed, cases_opened=counts.get("opened", 0),
        cases_cured=counts.get("cured", 0), promises_kept=counts.get("kept", 0),
        refused=joined(refused, taken.refused, where),
    )  # fmt: skip
