"""Instalments of loans row by row, as the API brings them: a row is a loan's whole schedule and replaces the former one.

Repeating a row changes nothing. Days past due are counted by it from then on (collection/days.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.days import FIRST, WRONG, meant
from backoffice_core.loans.models import Instalment, Loan
from backoffice_core.loans.payments import AHEAD, MOST
from backoffice_core.loans.rows_in import Refusal
from backoffice_core.loans.rules import TOLERANCE

LONGEST = 600  # instalments: fifty years by the month


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`paid`: of `amount`, by the schedule's `as_at`."""

    due_date: date
    amount: Decimal
    paid: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    contract_no: str
    as_at: datetime
    parts: Sequence[Part]


@dataclass(slots=True)
class Taken:
    """`new`: loans that had none; what said nothing new is in neither count. `persons`: whose schedules came. `loans`: of
    the rows that were written, with their index."""

    new: int = 0
    changed: int = 0
    refused: list[Refusal] = field(default_factory=list)
    persons: set[UUID] = field(default_factory=set)
    loans: dict[UUID, int] = field(default_factory=dict)


async def take(
    session: AsyncSession, rows: Sequence[Schedule], *, at: datetime, who: str, faults: Mapping[int, str] | None = None
) -> Taken:
    """The caller commits, and has the days counted anew. `at` is business time. A refused row changes nothing. `faults`: what
    is known to be wrong with the instalments of rows, by index."""
    taken = Taken()
    query = select(Loan.contract_no, Loan.id, Loan.person_id).where(Loan.contract_no.in_([r.contract_no for r in rows]))
    found = await session.execute(query.order_by(Loan.id).with_for_update())
    loans = {contract: (loan, person) for contract, loan, person in found}
    known = await _known(session, [loan for loan, _ in loans.values()])
    first: dict[str, int] = {}
    for index, row in enumerate(rows):
        before = known.get(loans[row.contract_no][0]) if row.contract_no in loans else None
        fault = _refusal(row, loans, before, first, at)
        if fault is None and faults and index in faults:
            fault = "instalments", faults[index]
        if fault is not None:
            taken.refused.append(Refusal(index, *fault))
            continue
        first[row.contract_no] = index
        loan, person = loans[row.contract_no]
        fresh = {(one.due_date, one.amount, one.paid, row.as_at) for one in row.parts}
        if before == fresh:
            continue
        taken.new += before is None
        taken.changed += before is not None
        taken.persons.add(person)
        taken.loans[loan] = index
        await session.execute(delete(Instalment).where(Instalment.loan_id == loan))
        values: list[dict[str, Any]] = [
            {"loan_id": loan, "due_date": one.due_date, "amount": one.amount, "paid": one.paid, "as_at": row.as_at}
            for one in row.parts
        ]
        await session.execute(insert(Instalment), values)
    told = {"rows": len(rows), "new": taken.new, "changed": taken.changed, "refused": len(taken.refused)}
    audit.note(session, who, "SCHEDULES_TAKEN", data=told)
    return taken


async def late_without_sum(session: AsyncSession, taken: Taken) -> dict[int, str]:
    """Rows by which a loan is late though its balance has nothing overdue, with what is wrong, once the days are counted:
    nobody could say what is owed, and no case would open."""
    query = select(Loan.id, Loan.days_past_due).where(
        Loan.id.in_(list(taken.loans)), Loan.days_past_due > 0, Loan.overdue < TOLERANCE
    )
    empty = "days past due, but the balance has nothing overdue: send the balance with its overdue sums first"
    return {taken.loans[loan]: f"say {days} {empty}" for loan, days in await session.execute(query)}


Known = set[tuple[date, Decimal, Decimal, datetime]]


async def _known(session: AsyncSession, loans: Sequence[UUID]) -> dict[UUID, Known]:
    t, found = Instalment, dict[UUID, Known]()
    query = select(t.loan_id, t.due_date, t.amount, t.paid, t.as_at).where(t.loan_id.in_(loans))
    for loan, due_date, amount, paid, as_at in await session.execute(query):
        found.setdefault(loan, set()).add((due_date, amount, paid, as_at))
    return found


def _refusal(
    row: Schedule, loans: Mapping[str, Any], before: Known | None, first: Mapping[str, int], at: datetime
) -> tuple[str, str] | None:
    """Field and message of what is wrong with a row."""
    if row.contract_no not in loans:
        return "contract_no", f"no loan has the contract {row.contract_no}: send the loan first"
    if row.contract_no in first:
        return "contract_no", f"{row.contract_no} stands already in row {first[row.contract_no]}"
    if row.as_at.date() < FIRST:
        return "as_at", f"is {WRONG}"
    if row.as_at > at + AHEAD:
        return "as_at", f"is in the future (now it is {at:%Y-%m-%dT%H:%M}Z)"
    known_at = max((one[3] for one in before), default=None) if before else None
    if known_at is not None and row.as_at < known_at:
        return "as_at", f"older than the schedule that is there ({known_at:%Y-%m-%dT%H:%M}Z)"
    if not 1 <= len(row.parts) <= LONGEST:
        return "instalments", f"must be 1 to {LONGEST}"
    return next(_bad_parts(row.parts), None)


def _bad_parts(parts: Iterable[Part]) -> Iterator[tuple[str, str]]:
    seen: set[date] = set()
    for n, one in enumerate(parts):
        where = f"instalments.{n}"
        for name, value in (("amount", one.amount), ("paid", one.paid)):
            if not value.is_finite() or value >= MOST or value != round(value, 2):
                yield f"{where}.{name}", f"must be below {MOST:f}, with at most two decimals"
                return
        if one.amount <= 0:
            yield f"{where}.amount", "must be above nought"
        if not 0 <= one.paid <= one.amount:
            yield f"{where}.paid", f"must be from nought to the amount ({one.amount})"
        if one.due_date in seen:
            yield f"{where}.due_date", f"{one.due_date} stands twice"
        seen.add(one.due_date)
        try:
            meant(one.due_date)
        except ValueError:
            yield f"{where}.due_date", f"is {WRONG}"
