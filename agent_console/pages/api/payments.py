"""Payments and reversals come in (DM-12)."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agent_console.pages.api.access import ClientWork, Refusal, client, new_router
from agent_console.pages.api.rows import joined, read, rows_of
from backoffice_core import money_in
from backoffice_core.events import QueueChanged
from backoffice_core.loans.payments import PaymentRow
from backoffice_core.loans.rules import COMPONENTS

router = new_router()
PaymentsClient = Annotated[ClientWork, client("payments")]


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
    payments: list[Any] = rows_of(PaymentIn)


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

    async def do() -> PaymentsTaken:
        return await _take(work, body)

    return await work.once(body, do, PaymentsTaken)


async def _take(work: ClientWork, body: PaymentsIn) -> PaymentsTaken:
    clock = work.console.clock
    good, where, refused = read(body.payments, PaymentIn)
    rows = [
        PaymentRow(
            external_ref=one.external_ref, contract_no=one.contract_no, paid_at=one.paid_at, amount=one.amount,
            currency=one.currency.upper(), reverses=one.reverses, channel=one.channel,
            parts={name: value for name in COMPONENTS if (value := getattr(one, name))},
        )
        for one in good
    ]  # fmt: skip
    done = await money_in.take(
        work.s, rows, work.console.settings, at=work.now, today=clock.today(), zone=clock.zone, by=work.who
    )
    if done.cases:
        work.news.append(QueueChanged())
    return PaymentsTaken(
        received=len(body.payments), new=len(done.posted.new), known=done.posted.known, promises_kept=done.counts.get("kept", 0),
        cases_cured=done.counts.get("cured", 0),
        refused=joined(refused, done.posted.refused, where),
    )  # fmt: skip
