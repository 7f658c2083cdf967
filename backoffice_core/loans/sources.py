"""The systems that send lists: what is remembered of each, which of today's is still missing, what a full one left out.

A source with an hour (`due_by`) sends a list each working day. While today's is not accepted its borrowers are not
called, because yesterday's balances are yesterday's; after the hour the list is late, and people are told.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.borrowers.models import Person
from backoffice_core.db import by_keys, fetch, keys
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.loans.control import MAX_MOVE
from backoffice_core.loans.layout import Layout
from backoffice_core.loans.models import Import, ImportSource, Loan, PortfolioNight

NO_FILE, NOT_IN_FILE = "NO_FILE", "NOT_IN_FILE"  # rules of the reason ON_HOLD
NIGHT_LATE, OLD_BALANCE = "NIGHT_LATE", "OLD_BALANCE"


@dataclass(frozen=True, slots=True)
class Source:
    """`mode`: full (names every contract) or delta. `lag_days`: how old a list's business date may be. `due_by`: HH:MM
    of the bank's time, "" = it comes when it comes. `max_move`: share by which figures may move without a question."""

    name: str
    mapping: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    area_codes: Mapping[str, str] = field(default_factory=dict)
    encoding: str = ""
    sheet: str = ""
    mode: str = "full"
    lag_days: int = 0
    due_by: str = ""
    max_move: Decimal = MAX_MOVE
    trailer: bool = False  # earlier lists had a trailer line, so that one without it is cut off

    def __post_init__(self) -> None:
        """Raises BadInput."""
        if not re.fullmatch(r"[\w.-]{1,60}", self.name):
            raise BadInput(f"“{self.name}” is no name of a source.", remedy="Use letters, digits, dots and hyphens.")
        if self.mode not in {"full", "delta"}:
            raise BadInput(f"“{self.mode}” is no kind of list.", remedy="Say full or delta.")
        if self.due_by and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", self.due_by):
            raise BadInput(f"“{self.due_by}” is no hour.", remedy="Write it as 08:30, or none.")
        if not 0 <= self.lag_days <= 30:
            raise BadInput("The lag of a list is 0 to 30 days.", remedy="Say --lag-days 0 or 1.")
        if not 0 < self.max_move <= 10:
            raise BadInput("The share of a move lies above 0 and up to 10.", remedy="Say --max-move 0.2 for 20 %.")

    @property
    def layout(self) -> Layout:
        return Layout(self.mapping, self.constants, self.area_codes, self.encoding, self.sheet, self.trailer)


_KEPT = ("constants", "area_codes", "encoding", "sheet", "mode", "lag_days", "due_by", "trailer")


async def load(session: AsyncSession, name: str) -> Source | None:
    row = await session.get(ImportSource, name)
    if row is None:
        return None
    known = {key: row.settings[key] for key in _KEPT if key in row.settings}
    try:
        move = Decimal(row.settings.get("max_move", MAX_MOVE))
    except InvalidOperation:
        move = MAX_MOVE
    return Source(name, row.mapping, max_move=move, **known)


async def save(session: AsyncSession, source: Source, *, at: datetime, by: str) -> None:
    settings: dict[str, Any] = {key: getattr(source, key) for key in _KEPT}
    settings |= {
        "constants": dict(source.constants),
        "area_codes": dict(source.area_codes),
        "max_move": str(source.max_move),
    }
    fields = {"mapping": dict(source.mapping), "settings": settings, "updated_at": at, "updated_by": by}
    row = insert(ImportSource).values(name=source.name, **fields)
    before = await session.get(ImportSource, source.name)
    if before is None or before.settings != settings or before.mapping != fields["mapping"]:
        audit.note(session, f"os:{by}", "SOURCE_SET", source.name, settings)
    await session.execute(row.on_conflict_do_update(index_elements=["name"], set_=fields))


async def last_accepted(session: AsyncSession, source: str, *, mode: str = "") -> Import | None:
    query = select(Import).where(Import.kind == "portfolio", Import.source == source)
    if mode:
        query = query.where(Import.mode == mode)
    return await session.scalar(query.order_by(Import.id.desc()).limit(1))


# --- is today's list here? -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """`state`: FRESH (today's list is accepted), WAITING (its hour is not over), LATE (people are to be told),
    FREE (the source has no hour)."""

    name: str
    state: str
    mode: str
    due_by: str
    last_file: str = ""
    last_date: date | None = None
    last_at: datetime | None = None
    figures: dict[str, Any] = field(default_factory=dict)


async def states(session: AsyncSession, now: datetime, list_day: date) -> list[SourceState]:
    """How each source stands. `now`: business time in the bank's zone (its hour is compared); `list_day`: the newest
    day that has a list, today or the last working day before."""
    out = []
    for name in await session.scalars(select(ImportSource.name).order_by(ImportSource.name)):
        source = await load(session, name)
        assert source is not None  # noqa: S101 (just listed)
        last = await last_accepted(session, name)
        state = "FREE"
        if source.due_by:
            fresh = last is not None and last.valid_for is not None and last.valid_for >= list_day
            over = now.date() > list_day or f"{now:%H:%M}" >= source.due_by
            state = "FRESH" if fresh else "LATE" if over else "WAITING"
        out.append(
            SourceState(
                name=name, state=state, mode=source.mode, due_by=source.due_by,
                last_file=last.file_name if last else "", last_date=last.business_date if last else None,
                last_at=last.imported_at if last else None, figures=last.figures if last else {},
            )
        )  # fmt: skip
    return out


async def without_list(session: AsyncSession, day: date) -> list[str]:
    """Sources with an hour whose list for this business date is not accepted."""
    fresh = select(Import.source).where(Import.kind == "portfolio", Import.valid_for >= day)
    query = select(ImportSource.name).where(
        func.coalesce(ImportSource.settings["due_by"].astext, "") != "", ImportSource.name.not_in(fresh)
    )
    return list(await session.scalars(query.order_by(ImportSource.name)))


async def held(session: AsyncSession, day: date, person_ids: Iterable[UUID], *, max_days: int = 7) -> dict[UUID, str]:
    """Persons whom nobody calls because of what the bank's lists and the night say, by `day` (the last working one):
    NO_FILE, or NOT_IN_FILE for a contract that the last full list left out and nobody has explained; NIGHT_LATE for a
    portfolio that its newest night did not finish; OLD_BALANCE for a balance more than `max_days` old. Only loans with a
    sum or days late count."""
    late = await without_list(session, day)
    nights = select(PortfolioNight.portfolio, PortfolioNight.state).order_by(PortfolioNight.business_date)
    newest = {name: state for name, state in await session.execute(nights)}
    unfinished = [name for name, state in newest.items() if state == "LATE"]
    old = datetime.combine(day - timedelta(days=max_days), time(), UTC)
    rows = await fetch(session, _HELD, keys(person_ids), late, unfinished, old)
    return {
        person: NOT_IN_FILE if missing else NO_FILE if no_file else NIGHT_LATE if night else OLD_BALANCE
        for person, missing, no_file, night in rows
    }


_LEFT_OUT = "missing_since IS NOT NULL AND missing_note = ''"
_HELD = by_keys(f"""
    -- held_persons
    SELECT person_id, bool_or({_LEFT_OUT}), bool_or(source = ANY($2::text[])), bool_or(portfolio = ANY($3::text[]))
    FROM loans WHERE person_id = ANY($1)
      AND ({_LEFT_OUT} OR source = ANY($2::text[]) OR portfolio = ANY($3::text[]) OR as_at < $4)
      AND (days_past_due > 0 OR overdue_principal + overdue_interest + overdue_penalty + overdue_fee > 0)
    GROUP BY person_id
""")  # noqa: S608 (no value in it)


# --- contracts that a full list left out ---------------------------------------------------------------------------


async def note_list(session: AsyncSession, source: Source, at: datetime) -> dict[str, int]:
    """After the rows of `in_loans` (portfolio.py) are written: whose they are, which came back, which a full list lacks."""
    mine = {"source": source.name, "at": at}
    await session.execute(
        text(
            "UPDATE loans l SET source = :source FROM in_loans n WHERE n.contract_no = l.contract_no AND l.source <> :source"
        ),
        {"source": source.name},
    )
    if source.mode != "full":
        return {"loans_missing": 0}
    gone = await session.execute(
        text(
            "UPDATE loans l SET missing_since = :at WHERE l.source = :source AND l.missing_since IS NULL AND l.balance > 0"
            " AND NOT EXISTS (SELECT FROM in_loans n WHERE n.contract_no = l.contract_no) RETURNING l.id"
        ),
        mine,
    )
    return {"loans_missing": len(gone.all())}


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingLoan:
    contract_no: str
    source: str
    borrower: str
    balance: Decimal
    currency: str
    days_past_due: int
    missing_since: datetime
    note: str


async def missing(session: AsyncSession, *, explained: bool = False, limit: int = 1000) -> list[MissingLoan]:
    """Contracts that their source's full list left out; those already explained only when asked for."""
    query = (
        select(Loan, Person)
        .join(Person, Person.id == Loan.person_id)
        .where(Loan.missing_since.is_not(None))
        .order_by(Loan.missing_since.desc(), Loan.contract_no)
        .limit(limit)
    )
    if not explained:
        query = query.where(Loan.missing_note == "")
    return [
        MissingLoan(
            contract_no=loan.contract_no, source=loan.source, borrower=person.full_name, balance=loan.balance,
            currency=loan.currency, days_past_due=loan.days_past_due, missing_since=loan.missing_since, note=loan.missing_note,
        )
        for loan, person in await session.execute(query)
        if loan.missing_since is not None
    ]  # fmt: skip


async def explain(session: AsyncSession, contract_no: str, note: str, *, by: str = "") -> None:
    """Says why a full list left the contract out; from then on it may be called as any other.

    Raises BadInput without words, NotFound when no such contract is missing.
    """
    if not note.strip():
        raise BadInput("Why was the contract left out? An explanation is needed.", remedy="Give --reason TEXT.")
    change = update(Loan).where(Loan.contract_no == contract_no, Loan.missing_since.is_not(None))
    found = await session.execute(change.values(missing_note=note.strip()).returning(Loan.id))
    if not found.all():
        raise NotFound(f"No missing contract {contract_no}.", remedy="See `backoffice import missing`.")
    audit.note(session, f"os:{by}", "MISSING_EXPLAINED", contract_no, {"reason": note.strip()})
