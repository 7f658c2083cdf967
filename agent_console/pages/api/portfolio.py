"""The bank's portfolio comes in by rows: persons, loans, balances. One validation for these and the file's rows."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agent_console.pages.api.access import ClientWork, Refusal, client, new_router
from agent_console.pages.api.rows import joined, read, rows_of
from backoffice_core import money_in
from backoffice_core.events import QueueChanged
from backoffice_core.loans import rows_in
from backoffice_core.loans.rows_in import Taken

router = new_router()
PortfolioClient = Annotated[ClientWork, client("portfolio")]


class PhoneIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: str = Field(min_length=1, max_length=60, description="as you write it; E.164 is surest")
    owner: str = Field(default="", description="self, work, relative, third_party, unknown; empty = unknown")


class FlagIn(BaseModel):
    """A status that the law protects, as inpatient or protected_military."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    flag: str
    since: date | None = Field(default=None, alias="from", description="default: today")
    to: date | None = Field(default=None, description="the last day; none = until further notice")
    evidence: str = Field(default="", max_length=500)


class PersonIn(BaseModel):
    """A person. What a later row says takes the place of an earlier one; numbers and flags that it leaves out stay."""

    model_config = ConfigDict(extra="forbid")
    person_ref: str = Field(min_length=1, max_length=200, description="your key of the person")
    last_name: str
    first_name: str
    middle_name: str = ""
    birth_date: date | None = None
    tax_id: str = ""
    code_word: str = Field(default="", description="asked to confirm the identity")
    language: str = Field(default="uk", description="uk, ru, en …")
    jurisdiction: str = Field(description="country of residence, two letters; its law says when a call is allowed")
    region: str = ""
    place: str = ""
    time_zone: str = Field(default="", description="IANA name; left out: derived from region and place")
    phones: list[PhoneIn] = Field(default=[], max_length=50)
    flags: list[FlagIn] = Field(default=[], max_length=50)


class _Owed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    contract_no: str = Field(min_length=1, max_length=200)
    balance: Decimal = Field(description="all that is owed, as “12500.00”")
    overdue_principal: Decimal = Decimal(0)
    overdue_interest: Decimal = Decimal(0)
    overdue_penalty: Decimal = Decimal(0)
    overdue_fee: Decimal = Decimal(0)
    days_past_due: int = Field(description="whole number, 0 = not late")
    next_due: date | None = None
    next_amount: Decimal | None = None
    as_at: AwareDatetime = Field(description="when your core said so; nothing older than what is loaded is taken")


class BalanceIn(_Owed):
    """What a loan that is known owes, as at a moment.

    One later in the day with the same `as_at` and other sums takes the place of the former: the last word of your core counts,
    and what it had said stays in the loan's history. In one post a contract stands once; its second row is refused."""


class LoanIn(_Owed):
    """A loan of a person who is known, with its balances."""

    person_ref: str = Field(min_length=1, max_length=200)
    product: str = ""
    branch: str = ""
    portfolio: str = Field(default="", description="under which name the night reports it; default: main")
    currency: str = Field(description="ISO 4217")
    opened: date | None = None


class Persons(BaseModel):
    model_config = ConfigDict(extra="forbid")
    persons: list[Any] = rows_of(PersonIn)


class Loans(BaseModel):
    model_config = ConfigDict(extra="forbid")
    loans: list[Any] = rows_of(LoanIn)


class Balances(BaseModel):
    model_config = ConfigDict(extra="forbid")
    balances: list[Any] = rows_of(BalanceIn)


class PersonsTaken(BaseModel):
    """What said nothing new is in neither count. Numbers and flags are counted apart from their persons."""

    received: int
    new: int
    changed: int
    phones_new: int
    flags_changed: int
    refused: list[Refusal]


class LoansTaken(BaseModel):
    """What said nothing new is in neither count. The others: cases and promises that followed at once."""

    received: int
    new: int
    changed: int
    cases_opened: int
    cases_cured: int
    promises_kept: int
    refused: list[Refusal]


ROWS: tuple[type[BaseModel], ...] = (PersonIn, LoanIn, BalanceIn)


@router.post("/persons")
async def post_persons(work: PortfolioClient, body: Persons) -> PersonsTaken:
    """Persons with their numbers and protected statuses. Send them before their loans."""

    async def do() -> PersonsTaken:
        good, where, refused = read(body.persons, PersonIn)
        taken = await rows_in.take_persons(work.s, [_cells(row) for row in good], **_given(work))
        if taken.new or taken.changed or any(taken.counts.values()):
            work.news.append(QueueChanged())
        return PersonsTaken(
            received=len(body.persons), new=taken.new, changed=taken.changed,
            phones_new=taken.counts.get("phones_new", 0),
            flags_changed=taken.counts.get("flags_new", 0) + taken.counts.get("flags_changed", 0),
            refused=joined(refused, taken.refused, where),
        )  # fmt: skip

    return await work.once(body, do, PersonsTaken)


@router.post("/loans")
async def post_loans(work: PortfolioClient, body: Loans) -> LoansTaken:
    """Loans with their balances. One that is overdue opens its person's case at once; tonight's queue follows."""

    async def do() -> LoansTaken:
        good, where, refused = read(body.loans, LoanIn)
        taken = await rows_in.take_loans(work.s, [_cells(row) for row in good], **_given(work))
        return await _followed(work, len(body.loans), taken, joined(refused, taken.refused, where))

    return await work.once(body, do, LoansTaken)


@router.post("/balances")
async def post_balances(work: PortfolioClient, body: Balances) -> LoansTaken:
    """Balances of known loans. Days, promises, stages, cases and the queue follow in the same moment."""

    async def do() -> LoansTaken:
        good, where, refused = read(body.balances, BalanceIn)
        taken = await rows_in.take_balances(work.s, [_cells(row) for row in good], **_given(work))
        return await _followed(work, len(body.balances), taken, joined(refused, taken.refused, where))

    return await work.once(body, do, LoansTaken)


def _given(work: ClientWork) -> dict[str, Any]:
    clock = work.console.clock
    return {"at": work.now, "today": clock.today(), "zone": clock.zone, "who": work.who}


async def _followed(work: ClientWork, received: int, taken: Taken, refused: list[Refusal]) -> LoansTaken:
    clock, counts = work.console.clock, {}
    if taken.new or taken.changed:
        counts = await money_in.follow(
            work.s,
            taken.persons,
            work.console.settings,
            at=work.now,
            today=clock.today(),
            zone=clock.zone,
            why="BALANCE",
        )
        work.news.append(QueueChanged())
    return LoansTaken(
        received=received, new=taken.new, changed=taken.changed, cases_opened=counts.get("opened", 0),
        cases_cured=counts.get("cured", 0), promises_kept=counts.get("kept", 0), refused=refused,
    )  # fmt: skip


def _cells(row: BaseModel) -> dict[str, str]:
    cells = {}
    for name, value in row:
        if name == "phones":
            cells[name] = "|".join(f"{one.number}:{one.owner}" if one.owner else one.number for one in value)
        elif name == "flags":
            cells[name] = "|".join(
                ":".join((f.flag, _cell(f.since), _cell(f.to), f.evidence.replace("|", "/"))) for f in value
            )
        else:
            cells[name] = _cell(value)
    return cells


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return (
        value.isoformat()
        if isinstance(value, date)
        else f"{value:f}"
        if isinstance(value, Decimal)
        else str(value).strip()
    )
