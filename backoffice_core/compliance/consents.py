"""What people have agreed to: recorded by a person or by the bank's systems, withdrawn, and read for the evaluator.

A consent speaks of one purpose and one channel; it meets the rules of kind `consent_needed` and lifts no cap. The same id of
the same source is one consent: repeating changes nothing, a withdrawal stays, and nothing that comes later takes it back.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.borrowers.models import Person
from backoffice_core.borrowers.phones import read_phone
from backoffice_core.compliance.models import Consent
from backoffice_core.compliance.records import consent_of
from backoffice_core.compliance.terms import ALL_CONTACT, PURPOSES, ConsentView
from backoffice_core.days import end
from backoffice_core.db import by_keys, fetch, keys, new_key
from backoffice_core.errors import BadInput, Conflict, NotFound
from backoffice_core.loans.cells import read_date, read_end, read_moment
from backoffice_core.loans.models import Loan
from backoffice_core.loans.table_file import BadFile, Problem, Problems, open_table

WAYS = ("written", "recorded_call", "web", "app", "branch", "message")  # how it was given
CHANNELS = tuple(sorted(ALL_CONTACT))
KINDS = tuple(sorted(PURPOSES))
CONSOLE = "console"  # the source of what a person records
LONGEST = 1000  # signs of the evidence
COLUMNS = ("external_id", "person_ref", "contract_no", "purpose", "channel", "number", "given_at", "how", "evidence", "until",
           "withdrawn_at", "withdrawn_why")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One consent as it was said. `number`: E.164 with its plus, "" = whichever of his; `until`: its last day."""

    purpose: str
    channel: str
    given_at: datetime
    how: str
    evidence: str
    number: str = ""
    until: date | None = None
    withdrawn_at: datetime | None = None
    withdrawn_why: str = ""
    external_id: str = ""
    person_ref: str = ""
    contract_no: str = ""

    def check(self, now: datetime) -> None:
        """Raises BadInput naming the field."""
        for name, words in (("purpose", KINDS), ("channel", CHANNELS), ("how", WAYS)):
            if getattr(self, name) not in words:
                raise BadInput(
                    f"{name} cannot be “{getattr(self, name)}”.", remedy=f"One of: {', '.join(words)}.", field=name
                )
        if not self.evidence.strip() or len(self.evidence.strip()) > LONGEST:
            raise BadInput(
                "A consent needs its evidence.", remedy=f"Name the paper or the recording, in at most {LONGEST} signs.",
                field="evidence",
            )  # fmt: skip
        if self.given_at > now:
            raise BadInput("A consent is given before it is recorded.", remedy="Correct the date.", field="given_at")
        if self.until is not None and self.until < self.given_at.date():
            raise BadInput("It ends before it is given.", remedy="Correct the dates.", field="until")
        if self.withdrawn_at is not None and not self.given_at <= self.withdrawn_at <= now:
            raise BadInput(
                "It is withdrawn after it was given, and not in the future.", remedy="Correct the dates.",
                field="withdrawn_at",
            )  # fmt: skip


# --- recording -----------------------------------------------------------------------------------------------------


async def record(
    s: AsyncSession, person_id: UUID, given: Given, *, now: datetime, source: str, who: str, external_id: str = ""
) -> str:
    """`new`, `changed` (an earlier end, or it was withdrawn) or `known`. Without an `external_id` it is a new one. Audited.

    Raises BadInput naming the field, Conflict when this id is another consent."""
    given.check(now)
    key = external_id or str(new_key())
    row = await s.scalar(select(Consent).where(Consent.source == source, Consent.external_id == key).with_for_update())
    if row is None:
        row = Consent(
            id=new_key(), person_id=person_id, purpose=given.purpose, channel=given.channel, number=given.number,
            given_at=given.given_at, how=given.how, evidence=given.evidence.strip(), until=given.until,
            withdrawn_at=given.withdrawn_at, withdrawn_why=given.withdrawn_why[:LONGEST], source=source, external_id=key,
            recorded_at=now, recorded_by=who,
        )  # fmt: skip
        s.add(row)
        await s.flush()
        _note(s, who, "CONSENT_RECORDED", row)
        return "new"
    said = (row.person_id, row.purpose, row.channel, row.number, row.given_at)
    if said != (person_id, given.purpose, given.channel, given.number, given.given_at):
        raise Conflict(
            f"{key} is another consent already.", remedy="Give a consent that was said anew an id of its own.",
            field="external_id",
        )  # fmt: skip
    # never later: that is another consent
    ends = given.until is not None and (row.until is None or given.until < row.until)
    over = row.withdrawn_at is None and given.withdrawn_at is not None
    if ends:
        row.until = given.until
    if over:
        row.withdrawn_at, row.withdrawn_why = given.withdrawn_at, given.withdrawn_why[:LONGEST]
    if ends or over:
        await s.flush()
        _note(s, who, "CONSENT_WITHDRAWN" if over else "CONSENT_CHANGED", row)
        return "changed"
    return "known"


async def withdraw(s: AsyncSession, consent_id: UUID, *, why: str, now: datetime, who: str) -> Consent:
    """From now on it meets no rule. Raises BadInput without a reason, NotFound, Conflict when it was withdrawn before."""
    if not why.strip():
        raise BadInput("Why is it withdrawn?", remedy="Say how he told it; the journal keeps it.", field="why")
    row = await s.get(Consent, consent_id, with_for_update=True)
    if row is None:
        raise NotFound
    if row.withdrawn_at is not None:
        raise Conflict("This consent is withdrawn already.")
    row.withdrawn_at, row.withdrawn_why = max(now, row.given_at), why.strip()[:LONGEST]
    await s.flush()
    _note(s, who, "CONSENT_WITHDRAWN", row)
    return row


def _note(s: AsyncSession, who: str, act: str, row: Consent) -> None:
    told = {
        "person": str(row.person_id), "purpose": row.purpose, "channel": row.channel, "given_at": row.given_at,
        "until": row.until, "withdrawn_at": row.withdrawn_at, "source": row.source, "external_id": row.external_id,
    }  # fmt: skip
    audit.note(s, who, act, str(row.id), told)


@dataclass(slots=True)
class Taken:
    """Of many at once. `refused`: index, field, message and remedy of each that is not taken."""

    new: int = 0
    changed: int = 0
    known: int = 0
    refused: list[tuple[int, str, str, str]] = field(default_factory=list)


async def take(s: AsyncSession, rows: Sequence[Given], *, now: datetime, source: str, who: str) -> Taken:
    """Those of the bank's systems, each by its external_id. One that cannot be taken holds up no other."""
    taken = Taken()
    people = await _people(s, rows)
    for index, row in enumerate(rows):
        try:
            if not row.external_id:
                raise BadInput(
                    "A consent needs an id.", remedy="Give the id that your system has for it.", field="external_id"
                )
            async with s.begin_nested():
                how = await record(
                    s, _person(row, people), row, now=now, source=source, who=who, external_id=row.external_id
                )
            setattr(taken, how, getattr(taken, how) + 1)
        except (BadInput, Conflict) as error:
            taken.refused.append((index, str(error.details.get("field", "")), error.message, error.remedy))
    return taken


async def _people(s: AsyncSession, rows: Iterable[Given]) -> dict[tuple[str, str], UUID]:
    refs, contracts = {row.person_ref for row in rows} - {""}, {row.contract_no for row in rows} - {""}
    found: dict[tuple[str, str], UUID] = {}
    by_ref = select(Person.external_ref, Person.id).where(Person.external_ref.in_(refs))
    for ref, person in await s.execute(by_ref):
        found["person_ref", ref] = person
    by_contract = select(Loan.contract_no, Loan.person_id).where(Loan.contract_no.in_(contracts))
    for contract, person in await s.execute(by_contract):
        found["contract_no", contract] = person
    return found


def _person(row: Given, people: Mapping[tuple[str, str], UUID]) -> UUID:
    """Raises BadInput."""
    said = [(name, value) for name in ("person_ref", "contract_no") if (value := getattr(row, name))]
    if not said:
        raise BadInput("Whose consent is it?", remedy="Give person_ref or contract_no.", field="person_ref")
    whose = {people.get(one) for one in said}
    if len(whose) > 1 or None in whose:
        raise BadInput(
            "Nobody is known by this, or the two name different people.", remedy="Correct person_ref or contract_no.",
            field=said[0][0],
        )  # fmt: skip
    return people[said[0]]


# --- a file --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Done:
    """What became of a file's rows."""

    new: int = 0
    changed: int = 0
    known: int = 0
    refused: int = 0
    problems: list[Problem] = field(default_factory=list)


async def import_file(
    s: AsyncSession, file: Path, source: str, *, now: datetime, zone: ZoneInfo, country: str, by: str, encoding: str = "",
    sheet: str = "",
) -> Done:  # fmt: skip
    """CSV or XLSX with a header of COLUMNS. A bad row is told and holds up no other; the same file again changes nothing.
    Raises BadFile when the file or its header cannot be used."""
    table = open_table(file, encoding=encoding, sheet=sheet)
    columns = [name.strip().lower() for name in table.header]
    needed = {"external_id", "purpose", "channel", "given_at", "how", "evidence"}
    if set(columns) - set(COLUMNS) or needed - set(columns) or not {"person_ref", "contract_no"} & set(columns):
        raise BadFile(f"{file.name} is no list of consents.", remedy=f"Its header may have {', '.join(COLUMNS)}.")
    problems, rows, lines = Problems(), list[Given](), list[int]()
    for line, cells in table.rows():
        if len(cells) != len(columns):
            problems.add(line, "", f"{len(cells)} cells, the header has {len(columns)}")
            continue
        try:
            rows.append(read_row(dict(zip(columns, cells, strict=True)), zone=zone, country=country))
            lines.append(line)
        except BadInput as error:
            problems.add(line, str(error.details.get("field", "")), error.message)
    taken = await take(s, rows, now=now, source=f"file:{source}", who=f"os:{by}")
    for index, column, message, _ in taken.refused:
        problems.add(lines[index], column, message)
    told = sorted(problems.kept, key=lambda one: one.line)
    return Done(taken.new, taken.changed, taken.known, problems.count, told)


def read_row(said: Mapping[str, Any], *, zone: ZoneInfo, country: str) -> Given:
    """A moment without its offset is the time of `zone`, a day alone its beginning. Raises BadInput naming the field."""

    def cell(name: str) -> str:
        return str(said.get(name) or "").strip()

    def moment(name: str) -> datetime | None:
        text = cell(name)
        if not text:
            return None
        try:
            return (
                datetime.combine(read_date(text), time(), zone)
                if len(text) <= len("31.12.2026")
                else read_moment(text, zone)
            )
        except ValueError as error:
            raise BadInput(f"“{text}”: {error}.", remedy="Write it as 2026-12-31T10:00+02:00.", field=name) from None

    given_at = moment("given_at")
    if given_at is None:
        raise BadInput("When was it given?", remedy="Give its date.", field="given_at")
    try:
        until = end(read_end(cell("until"))) if cell("until") else None
    except ValueError as error:
        raise BadInput(f"“{cell('until')}”: {error}.", remedy="Write it as 2026-12-31.", field="until") from None
    return Given(
        purpose=cell("purpose"), channel=cell("channel"), given_at=given_at, how=cell("how"), evidence=cell("evidence"),
        number=read_number(cell("number"), country), until=until, withdrawn_at=moment("withdrawn_at"),
        withdrawn_why=cell("withdrawn_why"), external_id=cell("external_id"), person_ref=cell("person_ref"),
        contract_no=cell("contract_no"),
    )  # fmt: skip


def read_number(text: str, country: str) -> str:
    """E.164 with its plus; "" for a blank. Raises BadInput."""
    if not text.strip():
        return ""
    try:
        return read_phone(text, country).value
    except ValueError as error:
        raise BadInput(f"“{text}”: {error}.", remedy="Write it as +380671234567.", field="number") from None


# --- reading -------------------------------------------------------------------------------------------------------


async def of_person(s: AsyncSession, person_id: UUID) -> list[Consent]:
    """All of his, the newest first."""
    return list(
        await s.scalars(select(Consent).where(Consent.person_id == person_id).order_by(Consent.given_at.desc()))
    )


# those of this task's person, for the question of a claim
OF_PERSON_SQL = """(SELECT coalesce(jsonb_agg(to_jsonb(o) ORDER BY o.given_at, o.id), '[]')
            FROM consents o WHERE o.person_id = next.person_id)"""


def views_of(rows: Iterable[Mapping[str, Any]]) -> tuple[ConsentView, ...]:
    """Of `OF_PERSON_SQL`."""
    return tuple(consent_of(row) for row in rows)


_VIEWS = by_keys("""
    -- consents_of: what these people have agreed to
    SELECT person_id, id, purpose, channel, number, given_at, until, withdrawn_at FROM consents WHERE person_id = ANY($1)
    ORDER BY given_at, id
""")


async def views(s: AsyncSession, persons: Collection[UUID]) -> dict[UUID, tuple[ConsentView, ...]]:
    """Of each of these who has said any."""
    found: dict[UUID, tuple[ConsentView, ...]] = {}
    for person, *said in await fetch(s, _VIEWS, keys(persons)):
        found[person] = (*found.get(person, ()), ConsentView(*said))
    return found
