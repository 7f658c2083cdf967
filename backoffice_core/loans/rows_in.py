"""Persons, loans and balances row by row, as the API brings them: checked as the file's rows are; a bad row stops no other.

A row is a dict of cells under the columns of portfolio_file. Repeating rows changes nothing: a person is known by
`person_ref`, a loan by `contract_no`, a balance by its contract and `as_at`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.borrowers.models import Person
from backoffice_core.loans import portfolio
from backoffice_core.loans.models import Loan
from backoffice_core.loans.portfolio import AHEAD
from backoffice_core.loans.portfolio_file import LoanRow, PersonRow, Portfolio, Problems, Rows

Cells = Mapping[str, str]
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Refusal:
    index: int
    field: str
    message: str


@dataclass(slots=True)
class Taken:
    """`new`, `changed`: persons or loans; what said nothing new is in neither. `counts`: of all that a row may carry.
    `persons`: whose loans were named."""

    new: int = 0
    changed: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    persons: set[UUID] = field(default_factory=set)


async def take_persons(
    session: AsyncSession, rows: Sequence[Cells], *, at: datetime, today: date, zone: ZoneInfo, who: str
) -> Taken:
    """With their numbers and flags. Numbers that a row does not name stay. The caller commits; `at` is business time."""
    taken, check = Taken(), Rows(zone, today, Problems())
    good: dict[str, PersonRow] = {}
    for index, person in _each(rows, check, check.person_row, taken):
        ref = str(person.values[0])
        if ref in good:
            taken.refused.append(Refusal(index, "person_ref", f"{ref} stands already in row {good[ref].line}"))
        else:
            good[ref] = person
    if good:
        counts = taken.counts = await portfolio.write(session, Portfolio("", "", good, {}, today), at=at)
        taken.new, taken.changed = counts["persons_new"], counts["persons_changed"]
    _note(session, who, "PERSONS_TAKEN", rows, taken)
    return taken


async def take_loans(
    session: AsyncSession, rows: Sequence[Cells], *, at: datetime, today: date, zone: ZoneInfo, who: str
) -> Taken:
    """Of persons who are known. A row says the whole loan with its balances."""
    taken, check = Taken(), Rows(zone, today, Problems())
    good = _once(_each(rows, check, check.loan_row, taken), taken)
    await _write_loans(session, good, taken, at, today)
    _note(session, who, "LOANS_TAKEN", rows, taken)
    return taken


async def take_balances(
    session: AsyncSession, rows: Sequence[Cells], *, at: datetime, today: date, zone: ZoneInfo, who: str
) -> Taken:
    """Of loans that are known: what they owe as at a moment. What a loan is otherwise stays as it was."""
    taken, check = Taken(), Rows(zone, today, Problems())
    check.opened_known = True
    asked = sorted({row.get("contract_no", "") for row in rows})
    query = select(Loan, Person.external_ref).join(Person, Person.id == Loan.person_id)
    known = {
        loan.contract_no: (loan, ref) for loan, ref in await session.execute(query.where(Loan.contract_no.in_(asked)))
    }
    whole: list[Cells] = []
    for row in rows:
        found = known.get(row.get("contract_no", ""))
        whole.append({**row, **_as_known(*found)} if found else {**row, "person_ref": "?", "currency": "UAH"})
    good = []
    for index, loan in _each(whole, check, check.loan_row, taken):
        if loan["contract_no"] not in known:
            taken.refused.append(Refusal(index, "contract_no", f"no loan has the contract {loan['contract_no']}"))
        else:
            good.append((index, loan))
    await _write_loans(session, _once(good, taken), taken, at, today)
    _note(session, who, "BALANCES_TAKEN", rows, taken)
    return taken


def _as_known(loan: Loan, person_ref: str) -> dict[str, str]:
    return {
        "person_ref": person_ref, "currency": loan.currency, "product": loan.product, "branch": loan.branch,
        "portfolio": loan.portfolio, "opened": loan.opened.isoformat() if loan.opened else "",
    }  # fmt: skip


def _each(
    rows: Sequence[Cells], check: Rows, read: Callable[[int, dict[str, str]], Row], taken: Taken
) -> list[tuple[int, Row]]:
    """The rows that can be read, with their index; the others' first fault goes to `refused`."""
    good = []
    for index, cells in enumerate(rows):
        check.problems = check.lost = Problems()
        row = read(index, {"phones": "", "person_ref": "", **cells})
        if check.problems.count:
            first = check.problems.kept[0]
            taken.refused.append(Refusal(index, first.column, first.reason))
        else:
            good.append((index, row))
    return good


def _once(rows: Sequence[tuple[int, LoanRow]], taken: Taken) -> dict[str, LoanRow]:
    good: dict[str, LoanRow] = {}
    for index, loan in rows:
        first = good.setdefault(loan["contract_no"], loan)
        if first is not loan:
            taken.refused.append(
                Refusal(index, "contract_no", f"{loan['contract_no']} stands already in row {first['line']}")
            )
    return good


async def _write_loans(
    session: AsyncSession, good: dict[str, LoanRow], taken: Taken, at: datetime, today: date
) -> None:
    refs = {loan["person_ref"] for loan in good.values()}
    found = await session.execute(select(Person.external_ref, Person.id).where(Person.external_ref.in_(refs)))
    persons: dict[str, UUID] = {ref: person_id for ref, person_id in found}
    query = select(Loan.contract_no, Loan.person_id, Loan.as_at).where(Loan.contract_no.in_(list(good)))
    known = {contract: (person, as_at) for contract, person, as_at in await session.execute(query)}
    for contract, loan in list(good.items()):
        fault = _contradiction(loan, persons, known.get(contract), at)
        if fault is not None:
            taken.refused.append(Refusal(loan["line"], *fault))
            del good[contract]
    if not good:
        return
    counts = taken.counts = await portfolio.write(session, Portfolio("", "", {}, good, today), at=at)
    taken.new, taken.changed = counts["loans_new"], counts["loans_changed"]
    taken.persons = {persons[loan["person_ref"]] for loan in good.values()}


def _contradiction(
    loan: LoanRow, persons: Mapping[str, UUID], known: tuple[UUID, datetime] | None, at: datetime
) -> tuple[str, str] | None:
    """What only the database or the clock can tell: field and message."""
    if loan["person_ref"] not in persons:
        return "person_ref", f"nobody is known as {loan['person_ref']}: send the person first"
    if loan["as_at"] > at + AHEAD:
        return "as_at", f"is in the future (now it is {at:%Y-%m-%dT%H:%M}Z)"
    if known is not None and known[0] != persons[loan["person_ref"]]:
        return "contract_no", "this contract is loaded with another person_ref"
    if known is not None and loan["as_at"] < known[1]:
        return "as_at", f"older than the balances that are loaded ({known[1]:%Y-%m-%dT%H:%M}Z)"
    return None


def _note(session: AsyncSession, who: str, act: str, rows: Sequence[Cells], taken: Taken) -> None:
    told: dict[str, Any] = {
        "rows": len(rows),
        "new": taken.new,
        "changed": taken.changed,
        "refused": len(taken.refused),
    }
    audit.note(session, who, act, data=told)
