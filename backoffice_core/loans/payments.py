"""Payments and their reversals: taken over once by reference, split by components, taken off the balance at once.

A reference says the same thing every time it comes: the same again is once, another amount under it is refused.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.days import FIRST, WRONG
from backoffice_core.db import new_key
from backoffice_core.loans import balances, orders
from backoffice_core.loans.cells import read_date, read_moment, read_money
from backoffice_core.loans.models import Instalment, Loan, Payment
from backoffice_core.loans.rows_in import Refusal
from backoffice_core.loans.rules import COMPONENTS, split
from backoffice_core.loans.table_file import BadFile, Problem, Problems, open_table

AHEAD = timedelta(hours=1)  # clocks of two systems may differ, days may not
AT_ONCE = 5000
MOST = Decimal(10) ** 12  # of one payment, in any currency: more is a mistyped sum
REQUIRED = ("external_ref", "contract_no", "paid_at")
OPTIONAL = ("amount", "currency", "kind", "reverses", "channel", *COMPONENTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRow:
    """`reverses`: the reference of the payment that goes back, whole; then `amount` may be left out. `parts`: the bank's split
    by components, empty = split here. `currency` empty = the loan's."""

    external_ref: str
    contract_no: str
    paid_at: datetime
    amount: Decimal | None = None
    currency: str = ""
    reverses: str = ""
    channel: str = ""
    parts: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(slots=True)
class Posted:
    """`known`: references that were there before, with the same content. `persons`: whose money it was."""

    new: list[UUID] = field(default_factory=list)
    known: int = 0
    refused: list[Refusal] = field(default_factory=list)
    loans: set[UUID] = field(default_factory=set)
    persons: set[UUID] = field(default_factory=set)


async def post(
    session: AsyncSession, rows: Sequence[PaymentRow], *, at: datetime, by: str = "", zone: tzinfo = UTC
) -> Posted:
    """Writes what is new and brings the loans up to it; the caller commits. `at` is business time; `zone`: the bank's, in which a
    payment's day is the one whose order holds (orders.py).

    A refused row changes nothing; the others count, unless the caller rolls back.
    """
    posted, held = Posted(), await orders.in_force(session)

    def order_of(row: PaymentRow, loan: Loan) -> tuple[str, ...]:
        return held.of(loan.product, row.paid_at.astimezone(zone).date())

    for start in range(0, len(rows), AT_ONCE):
        await _post_part(session, rows[start : start + AT_ONCE], start, at, by, posted, order_of)
    return posted


async def _post_part(
    session: AsyncSession, rows: Sequence[PaymentRow], start: int, at: datetime, by: str, posted: Posted,
    order_of: Callable[[PaymentRow, Loan], tuple[str, ...]],
) -> None:  # fmt: skip
    contracts = sorted({row.contract_no for row in rows})
    query = select(Loan).where(Loan.contract_no.in_(contracts)).order_by(Loan.id).with_for_update()
    loans = {loan.contract_no: loan for loan in await session.scalars(query)}
    wanted = {row.external_ref for row in rows} | {row.reverses for row in rows if row.reverses}
    known = {p.external_ref: p for p in await session.scalars(select(Payment).where(Payment.external_ref.in_(wanted)))}
    gone = {p.id: p.external_ref for p in known.values()}
    query_back = select(Payment.reverses, Payment.external_ref).where(Payment.reverses.in_(list(gone)))
    back = {reverses: ref for reverses, ref in await session.execute(query_back) if reverses}
    left = {c: {part: getattr(loan, f"overdue_{part}") for part in COMPONENTS} for c, loan in loans.items()}
    fresh: list[dict[str, Any]] = []
    for index, row in enumerate(rows, start):
        loan = loans.get(row.contract_no)
        found = _refusal(row, loan, known, back, at)
        if found is not None:
            posted.refused.append(Refusal(index, *found))
            continue
        assert loan is not None  # noqa: S101 (refused above)
        if row.external_ref in known:
            posted.known += 1
            continue
        payment = _payment(row, loan, known, left[row.contract_no], at, by, order_of(row, loan))
        known[row.external_ref] = payment
        if payment.reverses:
            back[payment.reverses] = payment.external_ref
        fresh.append({c.name: getattr(payment, c.name) for c in Payment.__table__.columns})
        posted.new.append(payment.id)
        posted.loans.add(loan.id)
        posted.persons.add(loan.person_id)
    if fresh:
        await session.execute(insert(Payment), fresh)
        await balances.refresh(session, sorted({row["loan_id"] for row in fresh}))
        for loan in loans.values():
            session.expire(loan)


def _refusal(
    row: PaymentRow, loan: Loan | None, known: Mapping[str, Payment], back: Mapping[UUID, str], at: datetime
) -> tuple[str, str] | None:
    """Field and message of what is wrong with a row."""
    if not row.external_ref.strip():
        return "external_ref", "is empty: without its reference a payment could count twice"
    if loan is None:
        return "contract_no", f"no loan has the contract {row.contract_no}"
    if row.currency and row.currency != loan.currency:
        return "currency", f"{row.currency}: the loan {row.contract_no} is in {loan.currency}"
    if row.paid_at > at + AHEAD:
        return "paid_at", f"is in the future (now it is {at:%Y-%m-%dT%H:%M}Z)"
    if row.paid_at.date() < FIRST:
        return "paid_at", f"is {WRONG}"
    for name, sum_ in (("amount", row.amount), *row.parts.items()):
        if sum_ is not None and (not sum_.is_finite() or sum_ >= MOST or sum_ != round(sum_, 2)):
            return name, f"must be below {MOST:f}, with at most two decimals"
    if row.amount is not None and row.amount <= 0:
        return "amount", "must be above nought; money that went back is a row with `reverses`"
    if row.amount is None and not row.reverses:
        return "amount", "is missing"
    if row.parts and row.amount is not None and sum(row.parts.values()) != row.amount:
        return "amount", f"is {row.amount}, its parts add up to {sum(row.parts.values())}"
    before = known.get(row.external_ref)
    if before is not None:
        return _same(row, loan, before, known)
    return _cannot_go_back(row, loan, known, back) if row.reverses else None


def _cannot_go_back(
    row: PaymentRow, loan: Loan, known: Mapping[str, Payment], back: Mapping[UUID, str]
) -> tuple[str, str] | None:
    first = known.get(row.reverses)
    if first is None or first.kind != "PAYMENT":
        return "reverses", f"there is no payment {row.reverses}"
    if first.loan_id != loan.id:
        return "contract_no", f"the payment {row.reverses} was on another contract"
    if row.amount is not None and row.amount != first.amount:
        return "amount", f"a payment goes back whole: {row.reverses} was {first.amount}"
    if row.paid_at < first.paid_at:
        return "paid_at", f"is before the payment {row.reverses} itself"
    if first.id in back:
        return "reverses", f"the payment {row.reverses} went back already, by {back[first.id]}"
    return None


def _same(row: PaymentRow, loan: Loan, before: Payment, known: Mapping[str, Payment]) -> tuple[str, str] | None:
    """A known reference must say what it said."""
    ref = f"the reference {row.external_ref} is known"
    if before.loan_id != loan.id:
        return "contract_no", f"{ref} with another contract"
    reverses = known.get(row.reverses)
    if (before.kind == "REVERSAL") != bool(row.reverses) or before.reverses != (reverses.id if reverses else None):
        return "reverses", f"{ref} as {'a reversal' if before.kind == 'REVERSAL' else 'a payment'}"
    if row.amount is not None and row.amount != before.amount:
        return "amount", f"{ref} with the amount {before.amount}, this one says {row.amount}"
    return None


def _payment(
    row: PaymentRow, loan: Loan, known: Mapping[str, Payment], left: dict[str, Decimal], at: datetime, by: str,
    order: Sequence[str],
) -> Payment:  # fmt: skip
    first = known[row.reverses] if row.reverses else None
    if first is not None:
        amount, parts, split_by = first.amount, {c: getattr(first, c) for c in COMPONENTS}, first.split_by
    else:
        amount = row.amount or Decimal(0)
        parts, split_by = {c: row.parts.get(c, Decimal(0)) for c in COMPONENTS}, "bank"
        if not row.parts:
            parts, split_by = split(amount, left, order), "here"
    for component, part in parts.items():
        left[component] += part if first is not None else -part
    return Payment(
        id=new_key(), external_ref=row.external_ref, loan_id=loan.id, kind="REVERSAL" if first else "PAYMENT",
        reverses=first.id if first else None, amount=amount, currency=loan.currency, split_by=split_by, channel=row.channel,
        paid_at=row.paid_at, recorded_at=at, recorded_by=by, **parts,
    )  # fmt: skip


# --- files ---------------------------------------------------------------------------------------------------------


def read_payments(file: Path, *, zone: ZoneInfo) -> tuple[list[PaymentRow], list[int]]:
    """CSV or XLSX with a header: external_ref, contract_no, paid_at, amount; and currency, reverses (the reference of the
    payment that goes back), channel, principal, interest, penalty, fee. With the rows their lines.

    Raises BadFile with all problems.
    """
    table = open_table(file)
    columns = [name.strip().lower() for name in table.header]
    problems = Problems()
    for name in REQUIRED:
        if name not in columns:
            problems.add(1, name, "this column is missing")
    for name in columns:
        if name not in REQUIRED + OPTIONAL:
            problems.add(1, name, f"unknown column; known: {', '.join(REQUIRED + OPTIONAL)}")
    problems.refuse(file.name)
    rows, lines = [], []
    for line, cells in table.rows():
        if len(cells) != len(columns):
            problems.add(line, "", f"{len(cells)} cells, the header has {len(columns)}")
            continue
        said = dict(zip(columns, cells, strict=True))
        column = ""
        try:
            money = {}
            for column in ("amount", *COMPONENTS):
                money[column] = read_money(said[column]) if said.get(column) else None
            column = "paid_at"
            row = PaymentRow(
                external_ref=said["external_ref"], contract_no=said["contract_no"], amount=money.pop("amount"),
                paid_at=read_moment(said["paid_at"], zone), currency=said.get("currency", "").upper(),
                reverses=said.get("reverses", ""), channel=said.get("channel", ""),
                parts={name: value for name, value in money.items() if value},
            )  # fmt: skip
        except ValueError as error:
            problems.add(line, column, str(error))
        else:
            rows.append(row)
            lines.append(line)
    problems.refuse(file.name)
    return rows, lines


def refuse_file(name: str, refused: Iterable[Refusal], lines: Sequence[int]) -> None:
    """Raises BadFile naming each refused row by its line."""
    problems = [Problem(lines[one.index], one.field, one.message) for one in refused]
    if problems:
        raise BadFile(
            f"{name}: {len(problems)} problem{'s' if len(problems) > 1 else ''}; nothing was imported.",
            remedy="Correct these lines and import the whole file again.", problems=problems, more=0,
        )  # fmt: skip


# --- schedules -----------------------------------------------------------------------------------------------------


async def import_schedule(session: AsyncSession, file: Path, *, as_at: datetime) -> dict[str, int]:
    """Instalments from CSV or XLSX: contract_no, due_date, amount, and paid (of it, as at `as_at`). The schedule of each
    contract that the file names is replaced whole. Raises BadFile."""
    table = open_table(file)
    columns = [name.strip().lower() for name in table.header]
    problems = Problems()
    if missing := {"contract_no", "due_date", "amount"} - set(columns):
        problems.add(1, ", ".join(sorted(missing)), "missing")
    problems.refuse(file.name)
    read: dict[str, dict[date, dict[str, Any]]] = {}
    for line, cells in table.rows():
        said = dict(zip(columns, cells, strict=False))
        try:
            day = read_date(said["due_date"])
            row = {"amount": read_money(said["amount"]), "paid": read_money(said.get("paid") or "0"), "line": line}
        except ValueError as error:
            problems.add(line, "", str(error))
            continue
        if not row["amount"]:
            problems.add(line, "amount", "must be above nought")
        if day in read.setdefault(said["contract_no"], {}):
            problems.add(line, "due_date", f"{day} stands twice in {said['contract_no']}")
        read[said["contract_no"]][day] = row
    query = select(Loan.contract_no, Loan.id).where(Loan.contract_no.in_(list(read)))
    loans = {contract: loan_id for contract, loan_id in await session.execute(query)}
    for contract, days in read.items():
        if contract not in loans:
            problems.add(min(row["line"] for row in days.values()), "contract_no", f"no loan has {contract}")
    problems.refuse(file.name)
    await session.execute(delete(Instalment).where(Instalment.loan_id.in_(list(loans.values()))))
    rows = [
        {"loan_id": loans[contract], "due_date": day, "amount": row["amount"], "paid": row["paid"], "as_at": as_at}
        for contract, days in read.items() for day, row in days.items()
    ]  # fmt: skip
    if rows:
        await session.execute(insert(Instalment), rows)
    return {"contracts": len(read), "instalments": len(rows)}
