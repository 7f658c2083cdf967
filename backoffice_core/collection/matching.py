"""Payments onto promises, the first due first (rules.match); a reversal takes its matches back. Append-only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.cases.rules import may_move
from backoffice_core.collection.models import Promise, PromiseMatch
from backoffice_core.collection.rules import Room, match
from backoffice_core.collection.service import OPEN_PROMISE, set_promise
from backoffice_core.days import LAST, later
from backoffice_core.loans.models import Loan, Payment
from backoffice_core.loans.rules import TOLERANCE

AT_ONCE = 2000


@dataclass(slots=True)
class Matched:
    """`cases`: open cases whose borrower paid or whose payment went back."""

    cases: set[UUID] = field(default_factory=set)
    matches: int = 0
    reopened: int = 0


async def settle(
    session: AsyncSession, payment_ids: Sequence[UUID], *, at: datetime, today: date, zone: ZoneInfo
) -> Matched:
    """Puts new payments on the promises of their borrowers, in the order in which they were paid, and takes reversed ones
    off. Whether a promise is kept by that is judged afterwards. `at`: business time, `zone`: the bank's."""
    done = Matched()
    for start in range(0, len(payment_ids), AT_ONCE):
        query = (
            select(Payment, Loan.person_id, Loan.contract_no, Case)
            .join(Loan, Loan.id == Payment.loan_id)
            .outerjoin(Case, (Case.person_id == Loan.person_id) & Case.closed_at.is_(None))
            .where(Payment.id.in_(payment_ids[start : start + AT_ONCE]))
            .order_by(Payment.paid_at, Payment.external_ref)
        )
        for payment, _, contract, case in (await session.execute(query)).all():
            if payment.kind == "REVERSAL":
                await _take_back(session, payment, at, today, done)
            elif case is not None:
                await _put_on(session, payment, case.id, at, zone, done)
            if case is not None:
                done.cases.add(case.id)
                data = {"amount": str(payment.amount), "currency": payment.currency, "contract": contract,
                        "ref": payment.external_ref, "kind": payment.kind, "paid_at": payment.paid_at.isoformat()}  # fmt: skip
                await cases.add_event(session, case.id, "payment", at, data=data)
    await session.flush()
    return done


async def _put_on(
    session: AsyncSession, payment: Payment, case_id: UUID, at: datetime, zone: ZoneInfo, done: Matched
) -> None:
    query = select(Promise).where(
        Promise.case_id == case_id, Promise.currency == payment.currency, Promise.state.in_(OPEN_PROMISE)
    )
    promises = {p.id: p for p in await session.scalars(query.with_for_update())}
    rooms = [
        Room(p.id, p.made_at.astimezone(zone).date(), later(p.due_date, p.grace_days) or LAST, p.due_date, p.amount - p.matched)
        for p in promises.values()
    ]  # fmt: skip
    for key, part in match(payment.amount, payment.paid_at.astimezone(zone).date(), rooms):
        promise = promises[key]  # type: ignore[index]
        promise.matched += part
        session.add(PromiseMatch(promise_id=promise.id, payment_id=payment.id, amount=part, at=at))
        done.matches += 1


async def _take_back(session: AsyncSession, reversal: Payment, at: datetime, today: date, done: Matched) -> None:
    """A promise that was kept by it, and whose grace still runs, is open again (domain.md 4.2); after that it stays kept."""
    query = (
        select(Promise, func.sum(PromiseMatch.amount))
        .join(PromiseMatch, PromiseMatch.promise_id == Promise.id)
        .where(PromiseMatch.payment_id == reversal.reverses)
        .group_by(Promise.id)
    )
    for promise, part in (await session.execute(query)).all():
        if not part:
            continue
        promise.matched -= part
        session.add(PromiseMatch(promise_id=promise.id, payment_id=reversal.reverses, amount=-part, at=at))
        to = "PARTIAL" if promise.matched >= TOLERANCE else "OPEN"
        runs = today <= (later(promise.due_date, promise.grace_days) or LAST)
        if runs and promise.state in {"KEPT", "PARTIAL"} and to != promise.state:
            await _reopen(session, promise, to, at)
            done.reopened += 1


async def _reopen(session: AsyncSession, promise: Promise, to: str, at: datetime) -> None:
    kept = promise.state == "KEPT"
    await set_promise(session, promise, to, at)
    if not kept or promise.plan_id is not None:
        return
    case = await session.get_one(Case, promise.case_id, with_for_update=True)
    if case.state == "CURED":
        await cases.move(session, case, "ACTIVE", at=at, reason="PAYMENT_REVERSED")
    if may_move(case.state, "PROMISED"):
        await cases.move(session, case, "PROMISED", at=at, reason="PAYMENT_REVERSED")


async def free_of(session: AsyncSession, payment_id: UUID) -> Decimal:
    """What of a payment is on no promise."""
    payment = await session.get_one(Payment, payment_id)
    used = await session.scalar(select(func.sum(PromiseMatch.amount)).where(PromiseMatch.payment_id == payment_id))
    return payment.amount - (used or Decimal(0))
