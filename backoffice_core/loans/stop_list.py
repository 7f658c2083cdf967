"""Whom the bank says not to call: paid, complaint, deceased … (FL-08). By person, contract or number; by file or call.

The claim of a call reads this table in its own transaction, so that an entry works for the next call after its commit.
A stopped contract stops its borrower: a talk is about all his debts. A stopped number stops only that number.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, text, union_all
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.borrowers.models import Person
from backoffice_core.borrowers.phones import read_cell
from backoffice_core.days import end, meant
from backoffice_core.db import new_key
from backoffice_core.errors import BadInput
from backoffice_core.loans.cells import read_date, read_end
from backoffice_core.loans.models import Import, Loan, StopEntry
from backoffice_core.loans.table_file import BadFile, Problem, Problems, Table, open_table

KINDS = {"person": "person_ref", "contract": "contract_no", "phone": "phone"}  # kind -> its column in a file
NAMED = 50  # entries of one file that the audit names; the file's digest stands for the rest
COLUMNS = (*KINDS.values(), "reason", "since", "until")


@dataclass(frozen=True, slots=True)
class Stop:
    """Until the end of `until`; None, or a day after days.LAST = until lifted. `value`: person_ref, contract number, E.164
    with its plus."""

    kind: str
    value: str
    reason: str
    since: date
    until: date | None = None

    def __post_init__(self) -> None:
        """Raises BadInput."""
        if self.kind not in KINDS:
            raise BadInput(f"“{self.kind}” cannot be stopped.", remedy=f"Stop one of {', '.join(KINDS)}.")
        if not self.value or not self.reason.strip():
            field = "reason" if self.value else "value"
            raise BadInput(
                "A stop needs its person, contract or number, and its reason.", remedy="Give both.", field=field
            )
        try:
            meant(self.since)
            object.__setattr__(self, "until", end(self.until))
        except ValueError as error:
            raise BadInput(
                f"A stop cannot have this date: {error}.", remedy="Correct the dates.", field="since"
            ) from None
        if self.until and self.until < self.since:
            raise BadInput(
                f"The stop ends on {self.until}, before it begins on {self.since}.",
                remedy="Correct the dates.",
                field="until",
            )


@dataclass(slots=True)
class StopFile:
    """What a file could be read of. A bad row does not hold up the others: each is somebody who must not be called."""

    name: str
    digest: str
    stops: list[Stop]
    problems: list[Problem] = field(default_factory=list)
    refused: int = 0


def read_stops(file: Path, *, today: date, country: str, encoding: str = "", sheet: str = "") -> StopFile:
    """CSV or XLSX with a header: person_ref, contract_no or phone (one or more in a row), reason, since, until.

    `since` is `today` when empty. Raises BadFile when the file or its header cannot be used.
    """
    table = open_table(file, encoding=encoding, sheet=sheet)
    columns = _columns(table)
    problems = Problems()
    stops: list[Stop] = []
    for line, cells in table.rows():
        if len(cells) != len(columns):
            problems.add(line, "", f"{len(cells)} cells, the header has {len(columns)}")
            continue
        row = dict(zip(columns, cells, strict=True))
        try:
            since = read_date(row["since"]) if row.get("since") else today
            until = read_end(row["until"]) if row.get("until") else None
            found = [(kind, row[column]) for kind, column in KINDS.items() if row.get(column) and kind != "phone"]
            found += [("phone", value) for value in _numbers(row.get("phone", ""), country)]
            if not found:
                raise ValueError("names no person, contract or number")
            stops += [Stop(kind, value, row["reason"], since, until) for kind, value in found]
        except ValueError as error:
            problems.add(line, "", str(error))
        except BadInput as error:
            problems.add(line, "", error.message)
    return StopFile(file.name, table.digest, stops, problems.kept, problems.count)


def _columns(table: Table) -> list[str]:
    columns = [name.strip().lower() for name in table.header]
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown or "reason" not in columns or not set(columns) & set(KINDS.values()):
        raise BadFile(
            f"{table.name} is no stop-list" + (f": unknown column {', '.join(unknown)}." if unknown else "."),
            remedy=f"Its header needs reason and one of {', '.join(KINDS.values())}; since and until may follow.",
        )
    return columns


def _numbers(cell: str, country: str) -> list[str]:
    """Raises ValueError for a cell of which anything cannot be read."""
    if not cell:
        return []
    found = read_cell(cell, country)
    if found.refused:
        raise ValueError(str(found.refused[0]))
    return [phone.value for phone in found.numbers]


@dataclass(slots=True)
class Stopped:
    """`already` = this very file was taken over before."""

    already: bool
    new: int = 0
    changed: int = 0


async def import_stops(session: AsyncSession, file: StopFile, *, at: datetime, by: str, source: str = "") -> Stopped:
    """Adds the file's entries; one that is known gets the newer reason and dates. The caller commits."""
    before = await session.scalar(select(Import.id).where(Import.digest == file.digest, Import.kind == "stop_list"))
    if before is not None and not file.refused:
        return Stopped(True)
    new, changed = await add(session, file.stops, at=at, by=by, source=source)
    if not file.refused:  # a file with bad rows comes again, corrected or not
        session.add(
            Import(
                id=new_key(), kind="stop_list", digest=file.digest, file_name=file.name, rows=len(file.stops),
                imported_at=at, imported_by=by, counts={"new": new, "changed": changed}, source=source,
            )
        )  # fmt: skip
        await session.flush()
    return Stopped(False, new, changed)


async def add(
    session: AsyncSession, stops: Iterable[Stop], *, at: datetime, by: str, source: str = "", who: str = ""
) -> tuple[int, int]:
    """How many entries are new and how many were changed. `at` is business time. `who`: for the audit, see there."""
    rows = {
        (one.kind, one.value): {
            "id": new_key(), "kind": one.kind, "value": one.value, "reason": one.reason.strip(), "since": one.since,
            "until": one.until, "source": source, "added_at": at, "added_by": by,
        }
        for one in stops
    }  # fmt: skip
    new = changed = 0
    listed = list(rows.values())
    for start in range(0, len(listed), 1000):
        statement = insert(StopEntry).values(listed[start : start + 1000])
        fields = {name: statement.excluded[name] for name in ("reason", "since", "until", "added_at", "added_by")}
        differs = or_(*(getattr(StopEntry, n).is_distinct_from(fields[n]) for n in ("reason", "since", "until")))
        done = await session.execute(
            statement.on_conflict_do_update(
                index_elements=["kind", "value", "source"], set_=fields, where=differs
            ).returning(text("xmax = 0"))
        )
        fresh = list(done.scalars())
        new, changed = new + sum(fresh), changed + len(fresh) - sum(fresh)
    if new or changed:
        named = [f"{one['kind']}:{one['value']}" for one in listed[:NAMED]]
        told = {"source": source, "new": new, "changed": changed, "entries": named}
        audit.note(session, who or f"os:{by}", "STOP_LIST_SET", named[0] if len(listed) == 1 else "", told)
    return new, changed


def refuse_reason(reason: str, known: Sequence[str]) -> None:
    """`known`: the setting stop_reasons; empty = any word. Raises BadInput."""
    said = reason.strip()
    if known and said.upper() not in {one.upper() for one in known}:
        raise BadInput(f"“{said}” is no reason of this bank.", remedy=f"Known are {', '.join(known)}.", field="reason")
    if len(said) < 2 or not any(sign.isalpha() for sign in said):
        raise BadInput(f"“{said}” says no reason.", remedy="Give a word, as PAID or COMPLAINT.", field="reason")


_KNOWN = text("""
    -- stops_known: of these keys those that stand for somebody
    SELECT k.kind, k.value FROM unnest(CAST(:kinds AS text[]), CAST(:values AS text[])) AS k(kind, value)
     WHERE CASE k.kind WHEN 'person' THEN EXISTS (SELECT FROM persons p WHERE p.external_ref = k.value)
                       WHEN 'contract' THEN EXISTS (SELECT FROM loans l WHERE l.contract_no = k.value)
                       ELSE EXISTS (SELECT FROM contact_points c WHERE c.kind = 'phone' AND c.value = k.value) END
""")


async def unknown(session: AsyncSession, stops: Iterable[Stop]) -> set[tuple[str, str]]:
    """Kind and value of those that stop nobody yet: misspelt, or they came before their borrower."""
    keys = {(one.kind, one.value) for one in stops}
    if not keys:
        return set()
    given = {"kinds": [kind for kind, _ in keys], "values": [value for _, value in keys]}
    return keys - {(row.kind, row.value) for row in await session.execute(_KNOWN, given)}


async def lift(
    session: AsyncSession, kind: str, value: str, *, source: str | None = None, by: str = "", who: str = ""
) -> int:
    """Takes the entries of all sources away, or of one; how many there were."""
    query = delete(StopEntry).where(StopEntry.kind == kind, StopEntry.value == value)
    if source is not None:
        query = query.where(StopEntry.source == source)
    gone = (await session.execute(query.returning(StopEntry.reason, StopEntry.source))).all()
    if gone:
        told = {"reasons": [row.reason for row in gone], "sources": [row.source for row in gone]}
        audit.note(session, who or f"os:{by}", "STOP_LIST_LIFTED", f"{kind}:{value}", told)
    return len(gone)


def _in_force(day: date) -> object:
    return and_(StopEntry.since <= day, or_(StopEntry.until.is_(None), StopEntry.until >= day))


async def stopped_persons(
    session: AsyncSession, day: date, person_ids: Sequence[UUID] | None = None
) -> dict[UUID, tuple[str, date | None]]:
    """Persons (of these, or of all) stopped by themselves or by a contract: the reason and the last day, of the stop that
    lasts longest."""
    of_person = select(Person.id, StopEntry.reason, StopEntry.until).join(
        StopEntry, and_(StopEntry.kind == "person", StopEntry.value == Person.external_ref)
    )
    of_contract = select(Loan.person_id, StopEntry.reason, StopEntry.until).join(
        StopEntry, and_(StopEntry.kind == "contract", StopEntry.value == Loan.contract_no)
    )
    if person_ids is not None:
        of_person = of_person.where(Person.id == func.any(person_ids))
        of_contract = of_contract.where(Loan.person_id == func.any(person_ids))
    found: dict[UUID, tuple[str, date | None]] = {}
    force = _in_force(day)
    query = union_all(of_person.where(force), of_contract.where(force))  # type: ignore[arg-type]
    for person, reason, until in await session.execute(query):
        known = found.get(person)
        if known is None or (known[1] is not None and (until is None or until > known[1])):
            found[person] = (reason, until)
    return found


def number_stopped_sql(*, number: str, day: str) -> str:
    """Whether a number is dialed for nobody, as an SQL expression over these columns or parameters."""
    return (
        f"EXISTS (SELECT FROM stop_list s WHERE s.kind = 'phone' AND s.value = {number} AND s.since <= {day}"
        f" AND (s.until IS NULL OR s.until >= {day}))"
    )


# One question before each call: is there a stop for this person, one of his contracts or this number, or did a full
# list leave out a contract of his that nobody has explained?
_REFUSAL = """CASE WHEN EXISTS (
        SELECT FROM stop_list s WHERE s.since <= {day} AND (s.until IS NULL OR s.until >= {day}) AND (s.kind, s.value) IN (
            SELECT 'phone', {number} UNION ALL SELECT 'person', external_ref FROM persons WHERE id = {person}
            UNION ALL SELECT 'contract', contract_no FROM loans WHERE person_id = {person})
    ) THEN 'STOP_LIST' WHEN EXISTS (
        SELECT FROM loans WHERE person_id = {person} AND missing_since IS NOT NULL AND missing_note = ''
            AND (days_past_due > 0 OR overdue_principal + overdue_interest + overdue_penalty + overdue_fee > 0)
    ) THEN 'ON_HOLD' END"""


def refusal_sql(*, person: str, number: str, day: str) -> str:
    """The question as an SQL expression over these columns or parameters, for a query that asks more."""
    return _REFUSAL.format(person=person, number=number, day=day)


_ASK = text("SELECT " + refusal_sql(person=":person", number=":number", day=":day"))


async def refusal(session: AsyncSession, person_id: UUID, number: str, day: date) -> str | None:
    """Why this person must not be called at this number on this business date: STOP_LIST, ON_HOLD, or None."""
    said = await session.scalar(_ASK, {"person": person_id, "number": number, "day": day})
    return str(said) if said else None


async def stopped(session: AsyncSession, person_id: UUID, number: str, day: date) -> bool:
    """Whether the stop-list names this person, a contract of his, or this number."""
    return await refusal(session, person_id, number, day) == "STOP_LIST"


# Of many calls at once: the newest entry in force against each one's number, person or contract.
_WHY = text("""
    SELECT DISTINCT ON (n) n, reason FROM (
        SELECT c.n, s.* FROM unnest(CAST(:persons AS uuid[]), CAST(:numbers AS text[])) WITH ORDINALITY AS c(person, number, n)
            JOIN stop_list s ON s.kind = 'phone' AND s.value = c.number
        UNION ALL
        SELECT c.n, s.* FROM unnest(CAST(:persons AS uuid[])) WITH ORDINALITY AS c(person, n)
            JOIN persons p ON p.id = c.person JOIN stop_list s ON s.kind = 'person' AND s.value = p.external_ref
        UNION ALL
        SELECT c.n, s.* FROM unnest(CAST(:persons AS uuid[])) WITH ORDINALITY AS c(person, n)
            JOIN loans l ON l.person_id = c.person JOIN stop_list s ON s.kind = 'contract' AND s.value = l.contract_no
    ) found WHERE since <= :day AND (until IS NULL OR until >= :day) ORDER BY n, added_at DESC
""")


async def reasons(session: AsyncSession, calls: Sequence[tuple[UUID, str]], day: date) -> dict[tuple[UUID, str], str]:
    """Of calls as (person, number): those that the stop-list forbids on this business date, with its reason."""
    if not calls:
        return {}
    asked = {"persons": [person for person, _ in calls], "numbers": [number for _, number in calls], "day": day}
    return {calls[n - 1]: reason for n, reason in await session.execute(_WHY, asked)}
