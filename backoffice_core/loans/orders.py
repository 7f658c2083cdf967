"""In which order a payment covers what is overdue: dated rows per product, in force once a second person approved them.

While a product has no row, rules.ORDER holds: overdue interest, overdue principal, fees, penalty last. It keeps the order of
353-FZ art. 5 p. 20 and of the Ukrainian law's art. 19 (domain.md 3.1; there principal and interest stand together).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.errors import BadInput, Conflict, NotAllowed, NotFound
from backoffice_core.loans.models import Loan, PaymentOrder
from backoffice_core.loans.rules import COMPONENTS, ORDER


@dataclass(frozen=True, slots=True)
class Orders:
    """Approved rows, by product, the newest first."""

    by_product: dict[str, list[tuple[date, tuple[str, ...]]]]

    def of(self, product: str, day: date) -> tuple[str, ...]:
        """For a payment of that day; a row of the product itself wins over one for all."""
        for name in (product, ""):
            for first, order in self.by_product.get(name, ()):
                if first <= day:
                    return order
        return ORDER


async def in_force(s: AsyncSession) -> Orders:
    t = PaymentOrder
    found: dict[str, list[tuple[date, tuple[str, ...]]]] = {}
    rows = select(t).where(t.state == "APPROVED").order_by(t.valid_from.desc(), t.id.desc())
    for one in await s.scalars(rows):
        found.setdefault(one.product, []).append((one.valid_from, tuple(one.order)))
    return Orders(found)


async def every(s: AsyncSession) -> list[PaymentOrder]:
    """By product, the newest first."""
    t = PaymentOrder
    return list(await s.scalars(select(t).order_by(t.product, t.valid_from.desc(), t.id.desc())))


async def propose(
    s: AsyncSession, product: str, order: Sequence[str], *, valid_from: date, source: str, who: str, at: datetime, today: date
) -> PaymentOrder:  # fmt: skip
    """Raises BadInput by field: each component stands in it exactly once, the day is still to come, the source is named."""
    if sorted(order) != sorted(COMPONENTS):
        raise BadInput(
            "Each component stands in the order exactly once.", remedy=f"Give {', '.join(ORDER)} in your order.", field="order"
        )  # fmt: skip
    if valid_from <= today:
        raise BadInput("A rule begins tomorrow at the earliest.", remedy="Give a later day.", field="valid_from")
    if not source.strip():
        raise BadInput("Who says so?", remedy="Name the law or the contract.", field="source")
    if product and await s.scalar(select(Loan.id).where(Loan.product == product).limit(1)) is None:
        raise BadInput(f"No loan has the product “{product}”.", remedy="Check the name.", field="product")
    one = PaymentOrder(
        product=product, order=list(order), valid_from=valid_from, source=source.strip(), state="PROPOSED", proposed_at=at,
        proposed_by=who,
    )  # fmt: skip
    s.add(one)
    await s.flush()
    audit.note(s, who, "PAYMENT_ORDER_PROPOSED", str(one.id), {"product": product, "order": list(order)})
    return one


async def decide(s: AsyncSession, order_id: int, *, approve: bool, who: str, at: datetime, today: date) -> PaymentOrder:
    """The second person's word; who proposed it may only take it back. Raises NotFound, Conflict, NotAllowed, BadInput when its
    day has begun meanwhile."""
    one = await s.get(PaymentOrder, order_id, with_for_update=True)
    if one is None:
        raise NotFound(f"There is no order {order_id}.", remedy="`backoffice payments order list` names them.")
    if one.state != "PROPOSED":
        raise Conflict("This order is decided already.")
    if approve and who == one.proposed_by:
        raise NotAllowed("Who proposed an order does not approve it.", remedy="Ask another person.")
    if approve and one.valid_from <= today:
        raise BadInput("Its first day has begun.", remedy="Propose it anew from a later day.", field="valid_from")
    one.state, one.decided_at, one.decided_by = "APPROVED" if approve else "REFUSED", at, who
    await s.flush()
    audit.note(
        s, who, f"PAYMENT_ORDER_{one.state}", str(one.id), {"product": one.product, "valid_from": str(one.valid_from)}
    )
    return one
