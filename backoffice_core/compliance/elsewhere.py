"""Contacts made elsewhere, in the same ledger as our own (FL-09): by file and API, once for each source and id.

A contact with nobody we know is kept and listed, and matched again each hour. A number of several borrowers counts for each
of them. A source that is late is told, and lowers the caps by the rule that was set with it (`late.py`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, case, delete, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.borrowers.rules import read_phone
from backoffice_core.clock import Clock
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.feeds import KEYS, Fed, by_id, facts_of, fed_json, fed_of, joined
from backoffice_core.compliance.models import ELSEWHERE, ContactLedger, ContactSource, ContactUnmatched
from backoffice_core.compliance.terms import ACTORS, CHANNELS
from backoffice_core.db import new_key
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.loans.cells import read_moment
from backoffice_core.loans.models import Import, Loan
from backoffice_core.loans.table_file import BadFile, Problem, Problems, open_table

IN_ONE_GO = 1000
COLUMNS = ("external_id", "at", *KEYS, "channel", "result", "minutes", "purpose", "direction")
FUTURE = timedelta(minutes=10)  # clocks differ; a contact further ahead is a mistake
MOST_MINUTES = 1440  # of one talk


# --- sources -------------------------------------------------------------------------------------------------------


async def set_source(
    s: AsyncSession,
    name: str,
    *,
    channel: str,
    every_minutes: int,
    now: datetime,
    by: str,
    actor: str = "",
    assume_per_day: int = 1,
    fail_closed: bool = False,
) -> ContactSource:
    """Sets a source up or changes it, and its rule for the time when it is late (a new version of LATE-NAME).

    Raises BadInput. `now` is business time: a new source is known up to then.
    """
    name = name.strip().lower()
    actor = actor or ("agency" if channel == "visit" else "robot" if channel not in {"call", "letter"} else "human")
    if not name or len(name) > 60 or not all(c.isalnum() or c in "-_." for c in name):
        raise BadInput(f"“{name}” cannot be a source.", remedy="Use letters, digits, dash.", field="name")
    for said, words, which in ((channel, CHANNELS, "channel"), (actor, ACTORS, "actor")):
        if said not in words:
            raise BadInput(f"“{said}” is no {which}.", remedy=f"One of {', '.join(sorted(words))}.", field=which)
    if every_minutes < 0 or assume_per_day < 0:
        raise BadInput("Minutes and contacts are 0 or more.", remedy="Correct the number.", field="every_minutes")
    row = {
        "id": f"LATE-{name.upper()}", "jurisdiction": "*", "kind": "late_source", "applies_to": {},
        "params": {"source": name, "assume_per_day": assume_per_day, "fail_closed": fail_closed},
        "on_breach": "block", "effective_from": now.date().isoformat(), "source": "set with the source of contacts",
        "verified": True,
    }  # fmt: skip
    known = {rule.id: rule for rule in await compliance.rulebook(s)}.get(str(row["id"]))
    if known is None or dict(known.params) != row["params"]:
        await compliance.load_rules(s, by, [row])
    fields = {"channel": channel, "actor": actor, "every_minutes": every_minutes, "set_by": by}
    statement = insert(ContactSource).values(name=name, covered_to=now, **fields)
    await s.execute(statement.on_conflict_do_update(index_elements=["name"], set_=fields))
    audit.note(s, f"os:{by}", "CONTACT_SOURCE_SET", name, {**fields, **row["params"]})  # type: ignore[dict-item]
    return await find_source(s, name)


async def find_source(s: AsyncSession, name: str) -> ContactSource:
    """Raises NotFound."""
    query = select(ContactSource).where(ContactSource.name == name.strip().lower())
    found = (await s.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()
    if found is None:
        raise NotFound(
            f"There is no source of contacts “{name}”.",
            remedy="`backoffice contacts source NAME --channel sms --every 15` sets one up.", field="source",
        )  # fmt: skip
    return found


async def late_names(s: AsyncSession, now: datetime) -> list[str]:
    """Sources that should have been heard of again by now."""
    t = ContactSource
    silent = (t.every_minutes > 0) & (t.covered_to + func.make_interval(0, 0, 0, 0, 0, t.every_minutes) < now)
    return list(await s.scalars(select(t.name).where(silent).order_by(t.name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    name: str
    channel: str
    actor: str
    every_minutes: int
    covered_to: datetime
    late: bool
    contacts_today: int
    unmatched: int


async def states(s: AsyncSession, now: datetime, day_start: datetime) -> list[SourceState]:
    """All sources, the late ones first. `day_start`: the beginning of the business day."""
    t, u = ContactLedger, ContactUnmatched
    made = select(t.source, func.count()).where(t.source.is_not(None), t.at >= day_start).group_by(t.source)
    today: dict[str, int] = {str(name): count for name, count in await s.execute(made)}
    kept = select(u.source, func.count()).group_by(u.source)
    unmatched: dict[str, int] = {name: count for name, count in await s.execute(kept)}
    found = [
        SourceState(
            name=one.name, channel=one.channel, actor=one.actor, every_minutes=one.every_minutes, covered_to=one.covered_to,
            late=bool(one.every_minutes) and now - one.covered_to > timedelta(minutes=one.every_minutes),
            contacts_today=today.get(one.name, 0), unmatched=unmatched.get(one.name, 0),
        )
        for one in await s.scalars(select(ContactSource).order_by(ContactSource.name))
    ]  # fmt: skip
    return sorted(found, key=lambda one: not one.late)


# --- one row as it came --------------------------------------------------------------------------------------------


def read_row(said: dict[str, Any], source: ContactSource, *, country: str, zone: ZoneInfo, now: datetime) -> Fed:
    """Raises ValueError whose second argument names the field."""

    def cell(name: str) -> str:
        return str(said.get(name) or "").strip()

    try:
        at = read_moment(cell("at"), zone)
    except ValueError as error:
        raise ValueError(str(error), "at") from None
    if at > now + FUTURE:
        raise ValueError("lies in the future", "at")
    try:
        phone = read_phone(cell("phone"), country).value if cell("phone") else ""
    except ValueError as error:
        raise ValueError(f"{error}", "phone") from None
    try:
        minutes = Decimal(cell("minutes").replace(",", ".")) if cell("minutes") else None
    except InvalidOperation:
        raise ValueError("not a number of minutes", "minutes") from None
    if minutes is not None and not 0 <= minutes <= MOST_MINUTES:
        raise ValueError(f"not a number of minutes from 0 to {MOST_MINUTES}", "minutes")
    return Fed(
        external_id=cell("external_id"), at=at, channel=cell("channel") or source.channel, actor=source.actor,
        facts=facts_of(cell("result")), direction=cell("direction") or "outbound", purpose=cell("purpose") or None,
        minutes=minutes, person_ref=cell("person_ref"), contract_no=cell("contract_no"), tax_id=cell("tax_id"), phone=phone,
    )  # fmt: skip


# --- into the ledger -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Done:
    """`new`, `changed`: rows of the ledger; `unmatched`: contacts with nobody we know, kept."""

    received: int = 0
    new: int = 0
    changed: int = 0
    unmatched: int = 0
    already: bool = False
    refused: int = 0
    problems: list[Problem] = field(default_factory=list)


async def feed(
    s: AsyncSession, source: ContactSource, rows: Sequence[Fed], *, who: str, covered_to: datetime | None
) -> Done:
    """Takes contacts over. `covered_to`: up to when the source has now told everything; None = this says nothing of it."""
    await _lock(s, source.name)
    done = Done(received=len(rows))
    merged = by_id(rows)
    listed = list(merged.values())
    for start in range(0, len(listed), IN_ONE_GO):
        await _feed_some(s, source.name, listed[start : start + IN_ONE_GO], done)
    if covered_to is not None:
        current = await s.get_one(ContactSource, source.name, with_for_update=True, populate_existing=True)
        current.covered_to = max(current.covered_to, covered_to)
    if rows:
        told = {"received": done.received, "new": done.new, "changed": done.changed, "unmatched": done.unmatched}
        audit.note(s, who, "CONTACTS_FED", source.name, told)
    return done


async def _lock(s: AsyncSession, name: str) -> None:
    key = text("SELECT pg_advisory_xact_lock(hashtextextended('contact_source:' || :name, 0))")
    await s.execute(key, {"name": name})


async def _feed_some(s: AsyncSession, source: str, rows: Sequence[Fed], done: Done) -> None:
    kept = select(ContactUnmatched).where(
        ContactUnmatched.source == source, ContactUnmatched.source_id.in_([row.external_id for row in rows])
    )
    before = {one.source_id: fed_of(one.row) for one in await s.scalars(kept)}
    rows = [joined(before[row.external_id], row) if row.external_id in before else row for row in rows]
    persons = await _persons(s, source, rows)
    loans = await _loans(s, rows)
    ledger = [
        _ledger_row(source, row, person, loans.get(row.contract_no))
        for row in rows
        for person in sorted(persons.get(row.external_id, ()))
    ]
    new, changed = await _write(s, ledger)
    done.new, done.changed = done.new + new, done.changed + changed
    lost = [row for row in rows if not persons.get(row.external_id)]
    done.unmatched += len(lost)
    found = [row.external_id for row in rows if row.external_id in before and persons.get(row.external_id)]
    if found:
        await s.execute(
            delete(ContactUnmatched).where(ContactUnmatched.source == source, ContactUnmatched.source_id.in_(found))
        )
    if lost:
        statement = insert(ContactUnmatched).values(
            [
                {"source": source, "source_id": row.external_id, "at": row.at, "row": fed_json(row), "received_at": Clock.wall()}
                for row in lost
            ]
        )  # fmt: skip
        fields = {"at": statement.excluded.at, "row": statement.excluded.row}
        await s.execute(statement.on_conflict_do_update(index_elements=["source", "source_id"], set_=fields))


async def _persons(s: AsyncSession, source: str, rows: Sequence[Fed]) -> dict[str, set[UUID]]:
    """Whose contact each id is: as it was counted before, else by the surest key that leads to anybody."""
    found: dict[str, set[UUID]] = {}
    t = ContactLedger
    ids = [row.external_id for row in rows]
    for key, person in await s.execute(
        select(t.source_id, t.person_id).where(t.source == source, t.source_id.in_(ids))
    ):
        found.setdefault(str(key), set()).add(person)
    queries = {
        "person_ref": lambda values: select(Person.external_ref, Person.id).where(Person.external_ref.in_(values)),
        "contract_no": lambda values: select(Loan.contract_no, Loan.person_id).where(Loan.contract_no.in_(values)),
        "tax_id": lambda values: select(Person.tax_id, Person.id).where(Person.tax_id.in_(values)),
        "phone": lambda values: select(ContactPoint.value, ContactPoint.person_id).where(
            ContactPoint.kind == "phone", ContactPoint.value.in_(values)
        ),
    }
    for name in KEYS:
        values = {getattr(row, name) for row in rows if row.external_id not in found} - {""}
        if not values:
            continue
        known: dict[str, set[UUID]] = {}
        for value, person in await s.execute(queries[name](values)):
            known.setdefault(value, set()).add(person)
        for row in rows:
            if row.external_id not in found and (persons := known.get(getattr(row, name))):
                found[row.external_id] = set(persons)
    return found


async def _loans(s: AsyncSession, rows: Sequence[Fed]) -> dict[str, UUID]:
    wanted = {row.contract_no for row in rows} - {""}
    if not wanted:
        return {}
    found = await s.execute(select(Loan.contract_no, Loan.id).where(Loan.contract_no.in_(wanted)))
    return {contract: loan for contract, loan in found}


def _ledger_row(source: str, row: Fed, person: UUID, loan: UUID | None) -> dict[str, Any]:
    return {
        "id": new_key(), "person_id": person, "loan_id": loan, "number": row.phone, "channel": row.channel, "actor": row.actor,
        "purpose": row.purpose, "direction": row.direction, "at": row.at, "source": source, "source_id": row.external_id,
        "state": "FREED" if "failed" in row.facts else "COMMITTED", "minutes": row.minutes, "exceptions": [],
        **{name: name in row.facts for name in _FACTS}, "abandoned": False,
    }  # fmt: skip


_FACTS = ("conversation", "delivered", "machine_message", "uncertain")


async def _write(s: AsyncSession, rows: list[dict[str, Any]]) -> tuple[int, int]:
    """New and changed rows. A row that is there is joined with the new one by the same laws as `feeds.joined`."""
    if not rows:
        return 0, 0
    t, statement = ContactLedger, insert(ContactLedger).values(rows)
    new = statement.excluded
    fields: dict[str, Any] = {
        "at": func.least(t.at, new.at),
        "minutes": func.greatest(t.minutes, new.minutes),
        "loan_id": func.coalesce(t.loan_id, new.loan_id),
        "purpose": func.least(t.purpose.collate("C"), new.purpose),
        "number": func.greatest(t.number.collate("C"), new.number),
        **{name: func.least(getattr(t, name).collate("C"), new[name]) for name in ("channel", "actor", "direction")},
        "uncertain": and_(t.uncertain, new.uncertain),
        "state": case((and_(t.state == "FREED", new.state == "FREED"), "FREED"), else_="COMMITTED"),
        **{name: or_(getattr(t, name), new[name]) for name in _FACTS if name != "uncertain"},
    }
    # Once something certain is known of an id, a row that knows nothing no longer makes it count: FREED stays FREED.
    differs = or_(*(getattr(t, name).is_distinct_from(value) for name, value in fields.items()))
    written = await s.execute(
        statement.on_conflict_do_update(
            index_elements=["source", "source_id", "person_id"], index_where=ELSEWHERE, set_=fields, where=differs
        ).returning(text("xmax = 0"))
    )
    fresh = list(written.scalars())
    return sum(fresh), len(fresh) - sum(fresh)


async def match_again(s: AsyncSession, who: str = "program:worker") -> Done:
    """Looks for the people of contacts that were with nobody we knew."""
    total = Done()
    for source in await s.scalars(select(ContactSource)):
        kept = await s.scalars(select(ContactUnmatched.row).where(ContactUnmatched.source == source.name))
        rows = [fed_of(row) for row in kept]
        if rows:
            done = await feed(s, source, rows, who=who, covered_to=None)
            total.new, total.unmatched = total.new + done.new, total.unmatched + done.unmatched
    return total


async def unmatched(s: AsyncSession, source: str = "", limit: int = 100) -> list[ContactUnmatched]:
    """Newest first."""
    query = select(ContactUnmatched).order_by(ContactUnmatched.at.desc()).limit(limit)
    return list(await s.scalars(query.where(ContactUnmatched.source == source) if source else query))


# --- by file -------------------------------------------------------------------------------------------------------


async def import_file(
    s: AsyncSession,
    file: Path,
    source_name: str,
    *,
    now: datetime,
    zone: ZoneInfo,
    country: str,
    by: str,
    encoding: str = "",
    sheet: str = "",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Done:
    """CSV or XLSX with a header of COLUMNS. A bad row is told and does not hold up the others: each is a contact that
    counts. The same file twice is a file once; only a file without bad rows says that the source is heard of.

    Raises BadFile, NotFound.
    """
    source = await find_source(s, source_name)
    table = open_table(file, encoding=encoding, sheet=sheet, progress=progress)
    columns = [name.strip().lower() for name in table.header]
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown or not {"external_id", "at"} <= set(columns) or not set(columns) & set(KEYS):
        raise BadFile(
            f"{table.name} is no list of contacts" + (f": unknown column {', '.join(unknown)}." if unknown else "."),
            remedy=f"Its header needs external_id, at and one of {', '.join(KEYS)}; the others: {', '.join(COLUMNS)}.",
        )
    if await s.scalar(select(Import.id).where(Import.digest == table.digest, Import.kind == "contacts")):
        return Done(already=True)
    problems, rows = Problems(), list[Fed]()
    for line, cells in table.rows():
        try:
            if len(cells) != len(columns):
                raise ValueError(f"{len(cells)} cells, the header has {len(columns)}", "")
            said = dict(zip(columns, cells, strict=True))
            rows.append(read_row(said, source, country=country, zone=zone, now=now))
        except ValueError as error:
            problems.add(line, *_named(error))
    done = await feed(s, source, rows, who=f"os:{by}", covered_to=None if problems.count else now)
    done.refused, done.problems = problems.count, problems.kept
    if not problems.count:
        counts = {name: value for name, value in asdict(done).items() if isinstance(value, int)}
        s.add(
            Import(
                id=new_key(), kind="contacts", digest=table.digest, file_name=table.name, rows=len(rows), imported_at=now,
                imported_by=by, counts=counts, source=source.name,
            )
        )  # fmt: skip
        await s.flush()
    return done


def _named(error: ValueError) -> tuple[str, str]:
    """Column and reason."""
    reason, column = (*error.args, "")[:2]
    return str(column), str(reason)


def refusals(rows: Iterable[dict[str, Any]], read: Callable[[dict[str, Any]], Fed]) -> tuple[list[Fed], list[Any]]:
    """Rows of a batch that can be used, and what is wrong with the others: place, field, reason."""
    good, bad = list[Fed](), list[Any]()
    for place, row in enumerate(rows):
        try:
            good.append(read(row))
        except ValueError as error:
            column, reason = _named(error)
            bad.append({"index": place, "field": column, "message": reason})
    return good, bad
