"""Importing the bank's portfolio file: all rows in one transaction, or none; the same file twice is a file once.

What a later file says replaces what an earlier one said of a person or a loan. Nothing is removed by being left out:
a loan, a number or a flag that a file does not name stays (a flag ends by its `to`), because a file may be a part.
Only the full list of a named source says something by its silence: a contract that it lacks is not called until a
person explains it (sources.py).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.borrowers.models import ContactPoint, Person, PersonFlag
from backoffice_core.db import new_key
from backoffice_core.loans import balances, sources
from backoffice_core.loans.control import Figures, ImportQuestion, check_trailer, confirmation, doubts, figures_of
from backoffice_core.loans.models import Import, Loan
from backoffice_core.loans.portfolio_file import LoanRow, PersonRow, Portfolio, Problem, Problems, read
from backoffice_core.loans.sources import Source

__all__ = ["Imported", "import_portfolio", "read"]

_LOCK = 0x6C6F616E  # "loan": two imports at once wait for one another
AHEAD = timedelta(hours=1)  # clocks of two systems may differ, days may not


@dataclass(slots=True)
class Imported:
    """`already` = this very file was imported before, and nothing was done."""

    already: bool
    rows: int
    counts: dict[str, int] = field(default_factory=dict)
    import_id: UUID | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    warnings: list[Problem] = field(default_factory=list)  # numbers that could not be read, rows imported without them


async def import_portfolio(
    session: AsyncSession,
    portfolio: Portfolio,
    *,
    at: datetime,
    by: str = "",
    demo: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    source: Source | None = None,
    today: date | None = None,
    business_date: date | None = None,
    confirm: str = "",
    days_off: Collection[date] = (),
) -> Imported:
    """Writes a checked file; the caller commits, or rolls back for a rehearsal. `at` is business time.

    With a `source` (and `today`, the business date) the list is controlled before: its trailer line, its date, its
    figures against those of the last one accepted. `business_date`: that of the list, when neither a trailer nor its
    balances say it. `confirm`: the code of the question that a person has answered. `days_off`: days without a list.

    Raises BadFile when rows contradict what is there: a contract of another person, older balances than the loaded;
    ImportQuestion when the list is strange and `confirm` does not answer for it.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    before = await session.scalar(select(Import).where(Import.digest == portfolio.digest))
    if before is not None:
        return Imported(True, before.rows, before.counts, before.id, before.figures)
    record = Import(
        id=new_key(), kind="portfolio", digest=portfolio.digest, file_name=portfolio.name, rows=len(portfolio.loans),
        imported_at=at, imported_by=by,
    )  # fmt: skip
    if source is not None:
        await _control(session, portfolio, record, source, today or at.date(), business_date, confirm, days_off)
    session.add(record)
    await session.flush()
    steps = 6
    await _stage(session, portfolio, at, demo, record.id)
    progress(1, steps)
    await _refuse_contradictions(session, portfolio, at)
    counts = await _write(session, at, lambda n: progress(n, steps))
    if source is not None:
        counts |= await sources.note_list(session, source, at)
    counts["phones_shared"] = await session.scalar(text(_SHARED)) or 0
    counts["phones_refused"] = portfolio.lost_numbers
    progress(steps, steps)
    record.counts = counts
    await session.flush()
    told = {"digest": portfolio.digest, "rows": len(portfolio.loans), "source": record.source, "confirmed": confirm}
    audit.note(session, f"os:{by}", "PORTFOLIO_IMPORTED", portfolio.name, told)
    return Imported(False, len(portfolio.loans), counts, record.id, record.figures, portfolio.warnings)


async def write(session: AsyncSession, portfolio: Portfolio, *, at: datetime) -> dict[str, int]:
    """The same of rows that came by the API, once in a transaction; the caller has looked for contradictions."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    await _stage(session, portfolio, at, demo=False, import_id=None)
    return await _write(session, at)


async def _write(
    session: AsyncSession, at: datetime, progress: Callable[[int], None] = lambda step: None
) -> dict[str, int]:
    """From the temporary tables into the real ones: how many rows of each are new and how many were changed."""
    counts: dict[str, int] = {}
    for n, (name, statement) in enumerate(_STEPS, 2):
        done = (await session.execute(text(statement))).one()
        counts[f"{name}_new"], counts[f"{name}_changed"] = done.fresh, done.changed
        progress(n)
    await balances.keep_statements(session, at)
    await session.execute(text(_BACK))
    return counts


async def _control(
    session: AsyncSession,
    portfolio: Portfolio,
    record: Import,
    source: Source,
    today: date,
    said: date | None,
    confirm: str,
    days_off: Collection[date],
) -> None:
    """Fills the record's part about the source. Raises BadFile, ImportQuestion."""
    figures = figures_of(portfolio.loans.values())
    problems = Problems()
    check_trailer(portfolio.trailer, figures, portfolio.loans.values(), problems)
    of = (portfolio.trailer.day if portfolio.trailer else None) or said or portfolio.newest
    if said is not None and of != said:
        problems.add(portfolio.trailer.line if portfolio.trailer else 0, "date", f"the list says {of}, you say {said}")
    problems.refuse(portfolio.name)
    last = await sources.last_accepted(session, source.name)
    full = await sources.last_accepted(session, source.name, mode="full")
    found = doubts(
        figures, Figures.from_json(full.figures) if full else None, of=of, today=today, lag_days=source.lag_days,
        last_day=last.business_date if last else None, share=source.max_move, full=source.mode == "full", days_off=days_off,
    )  # fmt: skip
    code = confirmation(portfolio.digest, found)
    if found and confirm.strip().upper() != code:
        raise ImportQuestion(portfolio.name, found, code)
    record.source, record.mode, record.business_date, record.valid_for = source.name, source.mode, of, max(of, today)
    record.figures = figures.as_json() | ({"confirmed": [str(doubt) for doubt in found]} if found else {})


async def _stage(session: AsyncSession, portfolio: Portfolio, at: datetime, demo: bool, import_id: UUID | None) -> None:
    """The file in temporary tables, by COPY: ten times as fast as INSERT."""
    persons = list(portfolio.persons.values())
    fields = list(PersonRow.FIELDS)
    await _copy(
        session, Person.__tablename__, "in_persons", ["id", *fields, "demo", "created_at"],
        ((new_key(), *p.values, demo, at) for p in persons),
    )  # fmt: skip
    await _copy(
        session, ContactPoint.__tablename__, "in_phones",
        ["id", "value", "original", "owner_kind", "owner_guessed", "extension", "number_type", "rank", "state_reason"],
        ((new_key(), p.value, p.original, p.owner_kind, p.guessed, p.extension, p.number_type, rank,
          person.values[0])
         for person in persons for rank, p in enumerate(person.phones.values())),
    )  # fmt: skip
    await _copy(
        session, PersonFlag.__tablename__, "in_flags", ["id", "flag", "valid_from", "valid_to", "evidence", "source"],
        ((new_key(), f.flag, f.valid_from, f.valid_to, f.evidence, person.values[0])
         for person in persons for f in person.flags.values()),
    )  # fmt: skip
    columns = LoanRow.NAMES[2:]  # without line and person_ref
    await _copy(
        session, Loan.__tablename__, "in_loans", ["id", *columns, "import_id", "demo", "missing_note"],
        ((new_key(), *loan.values[2:], import_id, demo, loan.values[1])
         for loan in portfolio.loans.values()),
    )  # fmt: skip


_KEYS = {"in_loans": "contract_no", "in_phones": "value"}


async def _copy(
    session: AsyncSession, like: str, name: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """A temporary table shaped like a real one, without its constraints. (In a text column that the file does not
    fill, `person_ref` travels along: state_reason, source, missing_note.)"""
    await session.execute(text(f"CREATE TEMP TABLE {name} ON COMMIT DROP AS SELECT * FROM {like} WITH NO DATA"))  # noqa: S608
    connection = await session.connection()
    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.copy_records_to_table(name, records=rows, columns=columns)
    key = _KEYS.get(name)
    if key:  # the real table may be new and without statistics: a plan that walks through both would take hours
        await session.execute(text(f"CREATE INDEX ON {name} ({key})"))
    await session.execute(text(f"ANALYZE {name}"))


async def _refuse_contradictions(session: AsyncSession, portfolio: Portfolio, at: datetime) -> None:
    """Raises BadFile, by line, for what only the database or the clock can tell."""
    problems = Problems()
    found = await session.execute(
        text(
            "SELECT n.contract_no, l.as_at, n.as_at > :ahead AS ahead, p.external_ref IS DISTINCT FROM n.missing_note"
            " AND l.id IS NOT NULL AS stranger, n.as_at < l.as_at AS older"
            " FROM in_loans n LEFT JOIN loans l USING (contract_no) LEFT JOIN persons p ON p.id = l.person_id"
            " WHERE n.as_at > :ahead OR n.as_at < l.as_at OR (l.id IS NOT NULL AND p.external_ref <> n.missing_note)"
        ),
        {"ahead": at + AHEAD},
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
    # an invented person stays one, whoever loads the file again: that is what keeps him off a real trunk
    said = {c: f"EXCLUDED.{c}" for c in changing}
    if "demo" in said:
        said["demo"] = "t.demo OR EXCLUDED.demo"
    if "import_id" in said:
        said["import_id"] = "coalesce(EXCLUDED.import_id, t.import_id)"  # rows of the API are of no file
    kept = ", ".join(f"{c} = {value}" for c, value in said.items())
    told = [c for c in changing if c != "import_id"]  # the same words in another file are no change
    mine, theirs = ", ".join(f"t.{c}" for c in told), ", ".join(said[c] for c in told)
    return (
        f"WITH done AS (INSERT INTO {table} AS t ({names}{fixed}) SELECT {given}{values} FROM {source}"  # noqa: S608
        f" ON CONFLICT ({key}) DO UPDATE SET {kept} WHERE ({mine}) IS DISTINCT FROM ({theirs})"
        f" RETURNING xmax = 0 AS fresh) SELECT count(*) FILTER (WHERE fresh) AS fresh,"
        f" count(*) FILTER (WHERE NOT fresh) AS changed FROM done"
    )


_PERSON = ("id", "external_ref", "last_name", "first_name", "middle_name", "birth_date", "tax_id", "code_word",
           "language", "jurisdiction", "region", "place", "time_zone", "demo")  # fmt: skip
_LOAN = ("id", "contract_no", "product", "branch", "currency", "opened", "balance", "overdue_principal",
         "overdue_interest", "overdue_penalty", "overdue_fee", "days_past_due", "next_due", "next_amount", "as_at",
         "portfolio", "import_id", "demo")  # fmt: skip
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
        "loans", "in_loans n JOIN persons p ON p.external_ref = n.missing_note", "contract_no", _LOAN,
        ", person_id, source, missing_note", ", p.id, '', ''",
    )),
)  # fmt: skip
# A contract that a file names is there again, whoever sent it.
_BACK = (
    "UPDATE loans l SET missing_since = NULL, missing_note = '' FROM in_loans n WHERE n.contract_no = l.contract_no"
    " AND l.missing_since IS NOT NULL"
)
# Numbers of this file that stand with several people: whose are they really?
_SHARED = (
    "SELECT count(*) FROM (SELECT c.value FROM contact_points c WHERE c.kind = 'phone' AND c.value IN"
    " (SELECT value FROM in_phones) GROUP BY c.value HAVING count(DISTINCT c.person_id) > 1) AS shared"
)


async def import_file(
    session: AsyncSession, file: Path, *, at: datetime, zone: ZoneInfo, by: str = "", demo: bool = False
) -> Imported:
    """`read` and `import_portfolio` in one, for programs and tests. Raises BadFile."""
    portfolio = read(file, zone=zone, today=at.astimezone(zone).date())
    return await import_portfolio(session, portfolio, at=at, by=by, demo=demo)
