"""Importing the bank's portfolio file: all rows in one transaction, or none; the same file twice is a file once.

What a later file says replaces what an earlier one said of a person or a loan. Nothing is removed by being left out:
a loan, a number or a flag that a file does not name stays (a flag ends by its `to`), because a file may be a part.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person, PersonFlag
from backoffice_core.db import new_key
from backoffice_core.loans.models import Import, Loan
from backoffice_core.loans.portfolio_file import Portfolio, Problems, read

__all__ = ["Imported", "import_portfolio", "read"]

_LOCK = 0x6C6F616E  # "loan": two imports at once wait for one another
_AHEAD = timedelta(hours=1)  # clocks of two systems may differ, days may not


@dataclass(slots=True)
class Imported:
    """`already` = this very file was imported before, and nothing was done."""

    already: bool
    rows: int
    counts: dict[str, int] = field(default_factory=dict)
    import_id: UUID | None = None


async def import_portfolio(
    session: AsyncSession,
    portfolio: Portfolio,
    *,
    at: datetime,
    by: str = "",
    demo: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Imported:
    """Writes a checked file; the caller commits, or rolls back for a rehearsal. `at` is business time.

    Raises BadFile when rows contradict what is there: a contract of another person, older balances than the loaded.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    before = await session.scalar(select(Import).where(Import.digest == portfolio.digest))
    if before is not None:
        return Imported(True, before.rows, before.counts, before.id)
    record = Import(
        id=new_key(), kind="portfolio", digest=portfolio.digest, file_name=portfolio.name, rows=len(portfolio.loans),
        imported_at=at, imported_by=by,
    )  # fmt: skip
    session.add(record)
    await session.flush()
    steps = 5
    await _stage(session, portfolio, at, demo, record.id)
    progress(1, steps)
    await _refuse_contradictions(session, portfolio, at)
    counts: dict[str, int] = {}
    for n, (name, statement) in enumerate(_STEPS, 2):
        done = (await session.execute(text(statement))).one()
        counts[f"{name}_new"], counts[f"{name}_changed"] = done.fresh, done.changed
        progress(n, steps)
    record.counts = counts
    await session.flush()
    return Imported(False, len(portfolio.loans), counts, record.id)


async def _stage(session: AsyncSession, portfolio: Portfolio, at: datetime, demo: bool, import_id: UUID) -> None:
    """The file in temporary tables, by COPY: ten times as fast as INSERT."""
    persons = list(portfolio.persons.values())
    fields = list(persons[0].fields)
    await _copy(
        session, Person.__tablename__, "in_persons", ["id", *fields, "demo", "created_at"],
        ((new_key(), *p.fields.values(), demo, at) for p in persons),
    )  # fmt: skip
    await _copy(
        session, ContactPoint.__tablename__, "in_phones",
        ["id", "value", "original", "owner_kind", "owner_guessed", "extension", "number_type", "rank", "state_reason"],
        ((new_key(), p.value, p.original, p.owner_kind, p.guessed, p.extension, p.number_type, rank,
          person.fields["external_ref"])
         for person in persons for rank, p in enumerate(person.phones.values())),
    )  # fmt: skip
    await _copy(
        session, PersonFlag.__tablename__, "in_flags", ["id", "flag", "valid_from", "valid_to", "evidence", "source"],
        ((new_key(), f.flag, f.valid_from, f.valid_to, f.evidence, person.fields["external_ref"])
         for person in persons for f in person.flags.values()),
    )  # fmt: skip
    columns = [c for c in next(iter(portfolio.loans.values())) if c not in {"line", "person_ref"}]
    await _copy(
        session, Loan.__tablename__, "in_loans", ["id", *columns, "import_id", "demo", "source", "missing_note", "portfolio"],
        ((new_key(), *(loan[c] for c in columns), import_id, demo, "", "", loan["person_ref"])
         for loan in portfolio.loans.values()),
    )  # fmt: skip


async def _copy(
    session: AsyncSession, like: str, name: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """A temporary table shaped like a real one, without its constraints. (In a text column that the file does not
    fill, `person_ref` travels along: state_reason, source, portfolio.)"""
    await session.execute(text(f"CREATE TEMP TABLE {name} ON COMMIT DROP AS SELECT * FROM {like} WITH NO DATA"))  # noqa: S608
    connection = await session.connection()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.copy_records_to_table(name, records=rows, columns=columns)
    await session.execute(text(f"ANALYZE {name}"))


async def _refuse_contradictions(session: AsyncSession, portfolio: Portfolio, at: datetime) -> None:
    """Raises BadFile, by line, for what only the database or the clock can tell."""
    problems = Problems()
    found = await session.execute(
        text(
            "SELECT n.contract_no, l.as_at, n.as_at > :ahead AS ahead, p.external_ref IS DISTINCT FROM n.portfolio"
            " AND l.id IS NOT NULL AS stranger, n.as_at < l.as_at AS older"
            " FROM in_loans n LEFT JOIN loans l USING (contract_no) LEFT JOIN persons p ON p.id = l.person_id"
            " WHERE n.as_at > :ahead OR n.as_at < l.as_at OR (l.id IS NOT NULL AND p.external_ref <> n.portfolio)"
        ),
        {"ahead": at + _AHEAD},
    )
    for row in found:
        line = portfolio.loans[row.contract_no]["line"]
        if row.stranger:
            problems.add(line, "contract_no", "this contract is loaded with another person_ref")
        if row.ahead:
            problems.add(line, "as_at", f"is in the future (now it is {at:%Y-%m-%dT%H:%M}Z)")
        if row.older:
            problems.add(line, "as_at", f"older than the balances that are loaded ({row.as_at:%Y-%m-%dT%H:%M}Z)")
    problems.refuse(portfolio.name)


def _upsert(table: str, source: str, key: str, columns: Sequence[str], fixed: str = "", values: str = "") -> str:
    """SQL that inserts new rows, changes those that differ, and counts both (`xmax` is 0 only in a new row)."""
    names = ", ".join(columns)
    given = ", ".join(f"n.{c}" for c in columns)
    changing = [c for c in columns if c != "id" and c not in key.split(", ")]
    kept = ", ".join(f"{c} = EXCLUDED.{c}" for c in changing)
    told = [c for c in changing if c != "import_id"]  # the same words in another file are no change
    mine, theirs = (", ".join(f"{w}.{c}" for c in told) for w in ("t", "EXCLUDED"))
    return (
        f"WITH done AS (INSERT INTO {table} AS t ({names}{fixed}) SELECT {given}{values} FROM {source}"  # noqa: S608
        f" ON CONFLICT ({key}) DO UPDATE SET {kept} WHERE ({mine}) IS DISTINCT FROM ({theirs})"
        f" RETURNING xmax = 0 AS fresh) SELECT count(*) FILTER (WHERE fresh) AS fresh,"
        f" count(*) FILTER (WHERE NOT fresh) AS changed FROM done"
    )


_PERSON = ("id", "external_ref", "last_name", "first_name", "middle_name", "birth_date", "tax_id", "code_word",
           "language", "jurisdiction", "region", "place", "time_zone", "demo")  # fmt: skip
_LOAN = ("id", "contract_no", "product", "branch", "currency", "opened", "balance", "overdue_principal",
         "overdue_interest", "overdue_penalty", "days_past_due", "next_due", "next_amount", "as_at",
         "import_id", "demo", "source", "missing_since", "missing_note")  # fmt: skip
_STEPS = (
    ("persons", _upsert("persons", "in_persons n", "external_ref", _PERSON, ", created_at", ", n.created_at")),
    ("phones", _upsert(
        "contact_points", "in_phones n JOIN persons p ON p.external_ref = n.state_reason", "person_id, kind, value",
        ("id", "value", "original", "owner_kind", "owner_guessed", "extension", "number_type", "rank"),
        ", person_id, kind, state, state_reason", ", p.id, 'phone', 'UNVERIFIED', ''",
    )),
    ("flags",
     "WITH changed AS (UPDATE person_flags f SET valid_to = n.valid_to, evidence = n.evidence FROM in_flags n"
     " JOIN persons p ON p.external_ref = n.source WHERE f.person_id = p.id AND f.flag = n.flag"
     " AND f.source = 'import' AND f.valid_from = n.valid_from"
     " AND (f.valid_to, f.evidence) IS DISTINCT FROM (n.valid_to, n.evidence) RETURNING 1),"
     " fresh AS (INSERT INTO person_flags (id, person_id, flag, valid_from, valid_to, evidence, source)"
     " SELECT n.id, p.id, n.flag, n.valid_from, n.valid_to, n.evidence, 'import' FROM in_flags n"
     " JOIN persons p ON p.external_ref = n.source WHERE NOT EXISTS (SELECT FROM person_flags f"
     " WHERE f.person_id = p.id AND f.flag = n.flag AND f.valid_from = n.valid_from"
     " AND f.source = 'import') RETURNING 1)"
     " SELECT (SELECT count(*) FROM fresh) AS fresh, (SELECT count(*) FROM changed) AS changed"),
    ("loans", _upsert(
        "loans", "in_loans n JOIN persons p ON p.external_ref = n.portfolio", "contract_no", _LOAN,
        ", person_id, portfolio", ", p.id, 'main'",
    )),
)  # fmt: skip


async def import_file(
    session: AsyncSession, file: Path, *, at: datetime, zone: ZoneInfo, by: str = "", demo: bool = False
) -> Imported:
    """`read` and `import_portfolio` in one, for programs and tests. Raises BadFile."""
    portfolio = read(file, zone=zone, today=at.astimezone(zone).date())
    return await import_portfolio(session, portfolio, at=at, by=by, demo=demo)
