"""The place that reads loans. They are written by the bank's file (`portfolio.py`) and its payments (`payments.py`)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.loans.models import Loan


@dataclass(frozen=True, slots=True, kw_only=True)
class Debt:
    """A person's loans in one currency together. `as_at` is the oldest of them: nothing newer is sure."""

    person_id: UUID
    currency: str
    overdue: Decimal
    balance: Decimal
    days_past_due: int
    as_at: datetime


OF_BRANCH = (
    "(CAST(:branch AS text) = '' OR {person} IN (SELECT person_id FROM loans WHERE branch = CAST(:branch AS text)))"
)
"""`of_branch` for a statement of our own: `{person}` is the column."""


def of_branch(person_id: Any, branch: str) -> ColumnElement[bool]:
    """Whether a login of this branch may see the borrower: he has a loan there (CP-05). "" = of all branches."""
    return person_id.in_(select(Loan.person_id).where(Loan.branch == branch)) if branch else true()


def spoken_of(loans: Sequence[Loan]) -> list[Loan]:
    """Of a person's loans those of which an agent speaks: in the currency of the one that is most late (of equal ones the
    first by name). Sums of two currencies are never added up, and a promise is in one."""
    worst = min(loans, key=lambda one: (-one.days_past_due, one.currency, one.contract_no), default=None)
    return [one for one in loans if worst is not None and one.currency == worst.currency]


async def loans_of(session: AsyncSession, person_id: UUID) -> list[Loan]:
    """The most overdue first."""
    query = select(Loan).where(Loan.person_id == person_id).order_by(Loan.days_past_due.desc(), Loan.contract_no)
    return list((await session.execute(query)).scalars())


async def debts(session: AsyncSession, person_ids: Iterable[UUID] | None = None) -> dict[UUID, list[Debt]]:
    """Debts of these persons (of all, without the argument), one per currency, in the order of the currencies' names:
    of equal debts the first is named to an agent, and it must be the same one each time. Currencies are never added up."""
    query = (
        select(
            Loan.person_id,
            Loan.currency,
            func.sum(Loan.overdue),
            func.sum(Loan.balance),
            func.max(Loan.days_past_due),
            func.min(Loan.as_at),
        )
        .group_by(Loan.person_id, Loan.currency)
        .order_by(Loan.currency)
    )
    if person_ids is not None:
        query = query.where(Loan.person_id == func.any(list(person_ids)))
    found: dict[UUID, list[Debt]] = {}
    for person_id, currency, overdue, balance, dpd, as_at in await session.execute(query):
        found.setdefault(person_id, []).append(
            Debt(
                person_id=person_id, currency=currency, overdue=overdue, balance=balance, days_past_due=dpd, as_at=as_at
            )
        )
    return found


async def branches(s: AsyncSession) -> set[str]:
    """Of all loans, as the bank names them."""
    return set(await s.scalars(select(Loan.branch).where(Loan.branch != "").distinct()))
