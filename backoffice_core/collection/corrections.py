"""A balance that the bank said wrongly is said anew: proposed with a reason, approved by a second person, both kept.

What was said before stays (balances.correct): a report as at that time, as it was known then, comes out the same.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.collection import approvals
from backoffice_core.collection.models import BalanceCorrection
from backoffice_core.days import FIRST
from backoffice_core.db import new_key
from backoffice_core.errors import BadInput, Conflict, NotFound
from backoffice_core.loans import balances
from backoffice_core.loans.balances import Standing
from backoffice_core.loans.models import Loan
from backoffice_core.loans.rules import refuse_more_overdue

SUMS = ("balance", "overdue_principal", "overdue_interest", "overdue_penalty", "overdue_fee")


async def propose(
    session: AsyncSession, case: Case, contract: str, sums: Mapping[str, Decimal], days_past_due: int, *, as_at: datetime | None,
    reason: str, at: datetime, by: UUID,
) -> BalanceCorrection:  # fmt: skip
    """How a loan stood at `as_at` (None = at its newest statement). Raises BadInput, Conflict when one waits already."""
    loan = await session.scalar(select(Loan).where(Loan.contract_no == contract, Loan.person_id == case.person_id))
    if loan is None:
        raise BadInput("Which loan?", remedy="Choose one of the case's contracts.", field="contract")
    if not reason.strip():
        raise BadInput("Why is it corrected?", remedy="Give the reason and the paper it rests on.", field="reason")
    overdue = sum((sums[name] for name in SUMS[1:]), Decimal(0))
    try:
        refuse_more_overdue(sums["balance"], overdue)
    except ValueError:
        raise BadInput("More is overdue than is owed.", remedy="Check the sums.", field="balance") from None
    if (overdue > 0) != (days_past_due > 0):
        raise BadInput("Days past due and the overdue sum contradict each other.", field="days_past_due")
    if as_at is not None and as_at > at + timedelta(days=1):
        raise BadInput("A balance is corrected as at a day that is over.", remedy="Give an earlier day.", field="as_at")
    if as_at is not None and as_at.date() < max(loan.opened or FIRST, FIRST):
        raise BadInput("On that day the loan was not opened yet.", remedy="Give a later day.", field="as_at")
    moment = min(as_at or loan.as_at, loan.as_at)
    waiting = select(BalanceCorrection.id).where(
        BalanceCorrection.loan_id == loan.id, BalanceCorrection.state == "PROPOSED"
    )
    if await session.scalar(waiting) is not None:
        raise Conflict("A correction of this loan waits already.", remedy="Decide on it first.")
    before = (await balances.as_at(session, moment, ids=[loan.id])).get(loan.id)
    if moment == loan.as_at:  # the row: it holds what was paid since, too
        said = {name: str(getattr(loan, name)) for name in SUMS} | {"days_past_due": str(loan.days_past_due)}
    else:
        said = {name: str(getattr(before, name)) for name in (*SUMS, "days_past_due")} if before else {}
    one = BalanceCorrection(
        id=new_key(), case_id=case.id, loan_id=loan.id, as_at=moment, before=said, reason=reason.strip(), state="PROPOSED",
        after={name: str(sums[name]) for name in SUMS} | {"days_past_due": str(days_past_due)}, proposed_at=at, proposed_by=by,
    )  # fmt: skip
    session.add(one)
    await session.flush()
    await approvals.wait(session, case.id, one.id, note=one.reason, at=at)
    return one


async def approve(session: AsyncSession, correction_id: UUID, *, at: datetime, by: UUID) -> BalanceCorrection:
    """The second person's word: the balance is said anew. The caller lets days, cases and promises follow. Raises Conflict."""
    one = await _decide(session, correction_id, "APPROVED", at, by)
    said = {name: Decimal(one.after[name]) for name in SUMS}
    await balances.refresh(session, [one.loan_id])  # what was said before is kept as a fact, if it was not yet
    standing = Standing(loan_id=one.loan_id, as_at=one.as_at, days_past_due=int(one.after["days_past_due"]), **said)
    await balances.correct(session, one.loan_id, one.as_at, standing, at=at, note=one.reason)
    loan = await session.get_one(Loan, one.loan_id, populate_existing=True)
    data = {"contract": loan.contract_no, "as_at": one.as_at.isoformat(), "amount": one.after["balance"],
            "currency": loan.currency, "note": one.reason}  # fmt: skip
    await cases.add_event(session, one.case_id, "correction", at, by, data=data)
    return one


async def refuse(session: AsyncSession, correction_id: UUID, *, why: str, at: datetime, by: UUID) -> BalanceCorrection:
    """Also by who proposed it: that takes it back. Raises BadInput without a reason, Conflict."""
    if not why.strip():
        raise BadInput("Why is it refused?", field="why")
    one = await _decide(session, correction_id, "REFUSED", at, by)
    one.decided_why = why.strip()
    return one


async def of_case(session: AsyncSession, case_id: UUID) -> list[tuple[BalanceCorrection, str]]:
    """Newest first, with the contract."""
    query = select(BalanceCorrection, Loan.contract_no).join(Loan, Loan.id == BalanceCorrection.loan_id)
    query = query.where(BalanceCorrection.case_id == case_id).order_by(BalanceCorrection.proposed_at.desc())
    return [(one, contract) for one, contract in await session.execute(query)]


async def _decide(session: AsyncSession, correction_id: UUID, to: str, at: datetime, by: UUID) -> BalanceCorrection:
    one = await session.get(BalanceCorrection, correction_id, with_for_update=True)
    if one is None:
        raise NotFound
    if one.state != "PROPOSED":
        raise Conflict("This correction is decided already.")
    if to == "APPROVED" and by == one.proposed_by:
        raise Conflict("Who proposed a correction does not approve it.", remedy="Ask another person.")
    one.state, one.decided_at, one.decided_by = to, at, by
    await approvals.decided(session, one.id, at=at, by=by)
    await session.flush()
    return one
