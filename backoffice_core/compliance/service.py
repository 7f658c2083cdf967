"""Asks the evaluator with what the tables know, keeps what it answered, and keeps the ledger from which it counts.

Every function works inside the caller's transaction, which must be READ COMMITTED (PostgreSQL's default).
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core import bulk
from backoffice_core.audit import service as audit
from backoffice_core.compliance import loader, rules, workdays
from backoffice_core.compliance.dialer_limits import AbandonAccount, DialerLimits, dialer_limits
from backoffice_core.compliance.late import LateSource
from backoffice_core.compliance.models import (
    ComplianceBook,
    ComplianceDecision,
    ComplianceRule,
    ContactLedger,
    ContactSource,
    WorkCalendar,
)
from backoffice_core.compliance.records import Inputs, answer_json, book_digest, contact_json, inputs_json, row_digest
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.terms import (
    VOICE,
    Calendar,
    Contact,
    Decision,
    Entry,
    LedgerView,
    PersonView,
    Reason,
    ReasonCode,
)
from backoffice_core.db import insert_sql, new_key
from backoffice_core.errors import BadInput, NotFound

__all__ = [
    "AbandonAccount", "ContactsOfDay", "Decision", "DialerLimits", "Entry", "RuleBook", "ask", "ask_and_reserve",
    "ask_many", "ask_slot", "calendar", "commit_slot", "contacts_of_day", "dialer_limits", "free_slot", "hold_slots",
    "last_working_day", "load_rules", "record",
    "rulebook", "seed_calendar", "working_days",
]  # fmt: skip

GUARD_MINUTES = 5  # default of the setting `guard_minutes`
LIVE_RECHECK = timedelta(minutes=1)
"""Nobody knows when a live attempt ends: a contact refused because of one may be asked again so much later."""

IN_ONE_GO = 2_000  # persons or rows per statement


# --- rules and calendar --------------------------------------------------------------------------------------------


async def load_rules(session: AsyncSession, by: str, rows: Sequence[dict[str, Any]] | None = None) -> int:
    """Takes over the shipped rule file (or rows of `loader.read_file`): a row that differs from the newest version of
    its rule becomes the next version. Returns how many were added; a rule absent from the file stays as it is.

    Raises loader.RuleRefused, and then nothing has been added.
    """
    wanted = loader.read_file() if rows is None else rows
    for row in wanted:
        loader.parse(row)
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _lock_key("compliance_rules")})
    stored = (await session.execute(select(ComplianceRule).order_by(ComplianceRule.version))).scalars()
    known = {rule.rule_id: rule for rule in stored}  # the newest stays
    added = [
        {"rule_id": row["id"], "version": known[row["id"]].version + 1 if row["id"] in known else 1, "row": row}
        for row in wanted
        if row["id"] not in known or known[row["id"]].row != row
    ]
    if added:
        await session.execute(insert(ComplianceRule), [{**each, "loaded_by": by} for each in added])
        versions = {str(each["rule_id"]): each["version"] for each in added}
        audit.note(session, f"os:{by}", "RULES_LOADED", data={"versions": versions})
    return len(added)


@dataclass(slots=True)
class _Kept:
    stamp: tuple[Any, ...]
    rules: RuleBook
    calendar: Calendar
    row: dict[str, Any]  # its ComplianceBook
    written: bool = False  # that row was seen committed
    sources: list[Any] = field(default_factory=list)  # those that report contacts made elsewhere, as just read

    def late(self, at: datetime) -> tuple[LateSource, ...]:
        """Sources that should have been heard of again before `at`."""
        found = []
        for name, channel, actor, every, covered in self.sources:
            since = datetime.fromisoformat(covered)
            if at - since > timedelta(minutes=every):
                found.append(LateSource(name, channel, actor, since))
        return tuple(found)


def _source_digest() -> str:
    """Of the evaluator's own files: an answer that another version of them gave can be told from a changed one."""
    folder = Path(rules.__file__).parent
    files = ("rules.py", "rulebook.py", "counting.py", "terms.py", "loader.py", "late.py")
    return hashlib.sha256(b"\0".join((folder / name).read_bytes() for name in files)).hexdigest()[:16]


CODE = _source_digest()


_kept: list[_Kept] = []  # the last one read by this process


async def _book(session: AsyncSession) -> _Kept:
    """Rules and calendar as they stand; read anew only when a row was added or changed."""
    c = ContactSource
    row = (
        await session.execute(
            select(
                select(func.count()).select_from(ComplianceRule).scalar_subquery(),
                select(func.max(ComplianceRule.loaded_at)).scalar_subquery(),
                select(func.count()).select_from(WorkCalendar).scalar_subquery(),
                select(func.max(WorkCalendar.updated_at)).scalar_subquery(),
                select(
                    func.jsonb_agg(func.jsonb_build_array(c.name, c.channel, c.actor, c.every_minutes, c.covered_to))
                ).where(c.every_minutes > 0).scalar_subquery(),
            )
        )
    ).one()  # fmt: skip
    stamp, sources = tuple(row[:-1]), row[-1] or []
    for kept in _kept:
        if kept.stamp == stamp:
            kept.sources = sources
            return kept
    t = ComplianceRule
    versions = (await session.execute(select(t.row, t.version).order_by(t.rule_id, t.version))).all()
    book = RuleBook(loader.parse(one, where="compliance_rules", version=version) for one, version in versions)
    w = WorkCalendar
    days = (await session.execute(select(w.jurisdiction, w.day, w.working).order_by(w.jurisdiction, w.day))).all()
    listed = [[one["id"], version, row_digest(one)] for one, version in versions]
    dated = [[place, day.isoformat(), working] for place, day, working in days]
    written = {"digest": book_digest(listed, dated, CODE), "versions": listed, "calendar": dated, "code": CODE}
    days_off = Calendar((place, day, working) for place, day, working in days)
    kept = _Kept(stamp, book, days_off, written, sources=sources)
    _kept[:] = [kept]
    return kept


async def _write_book(session: AsyncSession, book: _Kept) -> None:
    """The state of the rules stands before the first decision by it. That it is committed is known only when a later
    transaction finds it there; until then it is written with each."""
    if book.written:
        return
    statement = pg_insert(ComplianceBook).values(book.row).on_conflict_do_nothing().returning(ComplianceBook.digest)
    book.written = (await session.execute(statement)).first() is None


async def rulebook(session: AsyncSession) -> RuleBook:
    return (await _book(session)).rules


async def calendar(session: AsyncSession) -> Calendar:
    return (await _book(session)).calendar


async def seed_calendar(
    session: AsyncSession, years: Iterable[int], jurisdictions: Iterable[str] = workdays.SHIPPED
) -> int:
    """Writes the holidays of these years; days that already have a row keep it. Returns how many were added."""
    days = workdays.days_of(jurisdictions, years)
    rows = [{"jurisdiction": place, "day": day, "working": False, "name": name} for place, day, name in days]
    if not rows:
        return 0
    statement = pg_insert(WorkCalendar).values(rows).on_conflict_do_nothing().returning(WorkCalendar.day)
    return len((await session.execute(statement)).all())


async def working_days(session: AsyncSession, jurisdiction: str, first: date, days: int = 30) -> dict[date, bool]:
    """For each of `days` days from `first`, whether it is a working day; an unknown year goes by the weekday."""
    known = await calendar(session)
    found: dict[date, bool] = {}
    for ahead in range(days):
        day = first + timedelta(days=ahead)
        working = known.working(jurisdiction, day)
        found[day] = day.weekday() < 5 if working is None else working
    return found


async def last_working_day(session: AsyncSession, jurisdiction: str, day: date) -> date:
    """`day` itself, or the nearest working day before it (at most 30 days back): the date of the newest list there is."""
    working = await working_days(session, jurisdiction, day - timedelta(days=30), days=31)
    return max((one for one, works in working.items() if works), default=day)


# --- asking --------------------------------------------------------------------------------------------------------


async def ask(
    session: AsyncSession, contact: Contact, at: datetime, *, store: bool = True, guard_minutes: int = GUARD_MINUTES
) -> Decision:
    """May this contact be made at `at` (business time)? With `store`, the decision is kept and carries its id."""
    return (await ask_many(session, [contact], at, store=store, guard_minutes=guard_minutes))[0]


async def ask_many(
    session: AsyncSession,
    contacts: Sequence[Contact],
    at: datetime,
    *,
    store: bool = True,
    guard_minutes: int = GUARD_MINUTES,
) -> list[Decision]:
    """The same for a whole night; decisions stand in the order of `contacts`."""
    book = await _book(session)
    late = book.late(at)
    ledgers = await _ledgers(session, {contact.person.id for contact in contacts}, at, book.rules)
    decisions = []
    for contact in contacts:
        ledger = ledgers.get(contact.person.id, NOTHING)
        terms = (contact, at, book.rules, book.calendar, ledger)
        decisions.append(rules.decide(*terms, guard_minutes=guard_minutes, late=late))
    if store:
        counted = [ledgers.get(contact.person.id, NOTHING) for contact in contacts]
        decisions = await _store(session, book, contacts, decisions, counted, at, guard_minutes)
    return decisions


NOTHING = LedgerView()


async def _ledgers(session: AsyncSession, persons: set[UUID], at: datetime, book: RuleBook) -> dict[UUID, LedgerView]:
    found: dict[UUID, list[Entry]] = {}
    everyone = sorted(persons)
    t = ContactLedger
    for start in range(0, len(everyone), IN_ONE_GO):
        rows = await session.execute(
            select(
                t.person_id, t.at, t.channel, t.actor, t.direction, t.state, t.loan_id, t.number, t.purpose,
                t.conversation, t.delivered, t.machine_message, t.abandoned, t.uncertain, t.minutes, t.exceptions,
            ).where(
                t.person_id == func.any(everyone[start : start + IN_ONE_GO]),
                t.at >= at - timedelta(days=book.ledger_days),
                t.state != "FREED",
            )
        )  # fmt: skip
        for row in rows:
            found.setdefault(row.person_id, []).append(_entry(row, book.by_number))
    return {person: LedgerView(tuple(entries)) for person, entries in found.items()}


def _entry(row: Any, with_number: bool = False) -> Entry:
    return Entry(
        at=row.at, channel=row.channel, actor=row.actor, direction=row.direction, state=row.state, debt=row.loan_id,
        number=row.number if with_number else "", purpose=row.purpose, conversation=row.conversation, delivered=row.delivered,
        machine_message=row.machine_message, abandoned=row.abandoned, uncertain=row.uncertain, minutes=row.minutes,
        exceptions=frozenset(row.exceptions),
    )  # fmt: skip


async def _store(
    session: AsyncSession,
    book: _Kept,
    contacts: Sequence[Contact],
    decisions: Sequence[Decision],
    ledgers: Sequence[LedgerView],
    at: datetime,
    guard_minutes: int,
) -> list[Decision]:
    """With all that the answers hang on, so that `recompute` can give them again."""
    await _write_book(session, book)
    kept = [replace(decision, id=new_key()) for decision in decisions]
    rows = [
        _decision_row(book, contact, decision, ledger, at, guard_minutes)
        for contact, decision, ledger in zip(contacts, kept, ledgers, strict=True)
    ]
    for start in range(0, len(rows), IN_ONE_GO):
        await session.execute(insert(ComplianceDecision), rows[start : start + IN_ONE_GO])
    return kept


def _decision_row(
    book: _Kept,
    contact: Contact,
    decision: Decision,
    ledger: LedgerView,
    at: datetime,
    guard_minutes: int,
    call_id: UUID | None = None,
    live: bool = False,
) -> dict[str, Any]:
    return {
        **answer_json(decision), "id": decision.id, "at": at, "person_id": contact.person.id,
        "contact": {**contact_json(contact), "guard_minutes": guard_minutes},
        "next_allowed_at": decision.next_allowed_at, "call_id": call_id,
        "inputs": inputs_json(Inputs(book.row["digest"], ledger.entries, live, book.late(at), ledger.of_number)),
    }  # fmt: skip


# --- slots ---------------------------------------------------------------------------------------------------------


async def ask_and_reserve(
    session: AsyncSession,
    contact: Contact,
    call_id: UUID,
    at: datetime,
    *,
    guard_minutes: int = GUARD_MINUTES,
    gated: bool = False,
) -> Decision:
    """Asks for one call and, when allowed, reserves its slot in the ledger, in the caller's transaction.

    Holds a lock on the person and one on the number until that transaction ends, so that no other program counts
    meanwhile; therefore only one call may be asked for in one transaction. `gated`: an earlier statement of it passed
    `slot_gate(person, number)`, which takes them. Refused with RETRY_WAIT while another attempt on the person or the
    number is live (FL-20). The decision is stored with the call's id. Raises BadInput for anything but a call with a
    number.
    """
    decision, values = await ask_slot(session, contact, call_id, at, guard_minutes=guard_minutes, gated=gated)
    if decision.allow:
        await session.execute(_RESERVE, values)
    return decision


async def ask_slot(
    session: AsyncSession,
    contact: Contact,
    call_id: UUID,
    at: datetime,
    *,
    guard_minutes: int = GUARD_MINUTES,
    gated: bool = False,
) -> tuple[Decision, dict[str, Any]]:
    """As `ask_and_reserve`, but an allowed call is not written yet: the caller puts DECISION and SLOT, with these values,
    into a statement of his own, in the same transaction. A refusal is stored here."""
    if contact.channel not in VOICE or contact.address is None or not contact.address.value:
        raise BadInput("A slot is reserved for a call, and a call needs a number.")
    person, number = contact.person.id, contact.address.value
    if not gated:
        await session.execute(text("SELECT slot_gate(:person, :number)"), {"person": person, "number": number})
    kept = _kept[0] if _kept else await _book(session)
    rows = await _counted(session, person, number, at, kept)
    if tuple(rows[0][:4]) != kept.stamp:  # rules or calendar have changed
        kept = await _book(session)
        rows = await _counted(session, person, number, at, kept)
    live, by_number = bool(rows[0].live), kept.rules.by_number
    ledger = LedgerView(
        tuple(_entry(row, by_number) for row in rows if row.person_id == person),
        tuple(_entry(row, by_number) for row in rows if row.person_id not in (None, person)),
    )
    kept.sources = rows[0].sources or []
    decision = rules.decide(
        contact, at, kept.rules, kept.calendar, ledger, guard_minutes=guard_minutes, late=kept.late(at)
    )
    if live:
        decision = one_at_a_time(decision, at)
    await _write_book(session, kept)
    decision = replace(decision, id=new_key())
    row = _decision_row(kept, contact, decision, ledger, at, guard_minutes, call_id, live)
    values = {
        **row, **{name: json.dumps(row[name]) for name in _DECISION_JSON}, "decision_id": row.pop("id"),
        "slot_id": new_key(), "loan_id": contact.debt, "number": number, "channel": contact.channel,
        "actor": contact.actor, "purpose": contact.purpose, "campaign": contact.campaign, "slot_state": "RESERVED",
        "exceptions": json.dumps(_exceptions(contact, at)),
    }  # fmt: skip
    if not decision.allow:
        await session.execute(_DECIDED, values)
    return decision, values


_DECISION_JSON = ("contact", "reasons", "must", "consulted", "inputs")
DECISION = insert_sql(
    ComplianceDecision, ("at", "person_id", "allow", "next_allowed_at", "call_id", *_DECISION_JSON), id="decision_id"
)
SLOT = insert_sql(
    ContactLedger,
    ("person_id", "loan_id", "number", "channel", "actor", "purpose", "campaign", "at", "exceptions", "call_id", "decision_id"),
    id="slot_id", state="slot_state",
)  # fmt: skip
_DECIDED = text(DECISION)
_RESERVE = text(f"WITH decided AS ({DECISION}) {SLOT}")


# Everything that a cap may count of this person (and of this number, where a rule counts by number), whether an attempt
# is live, and the stamp by which `_book` knows that rules or calendar have changed. Always at least one row. What is live
# is asked for by the order of its own index: with `number = :number` a plan made while nothing was live, and kept, walks
# all live calls by the index of persons.
_COUNTED = text("""
    SELECT r.n, r.loaded, w.n, w.updated,
           coalesce((SELECT person_id FROM contact_ledger WHERE person_id >= :person AND state = 'RESERVED'
                     AND direction = 'outbound' AND channel IN ('call', 'robot') ORDER BY person_id LIMIT 1) = :person
           , false) OR coalesce((SELECT number FROM contact_ledger WHERE number >= :number AND state = 'RESERVED'
                     AND direction = 'outbound' AND channel IN ('call', 'robot') ORDER BY number LIMIT 1) = :number
           , false) AS live,
           (SELECT jsonb_agg(jsonb_build_array(name, c.channel, c.actor, every_minutes, covered_to))
            FROM contact_sources c WHERE every_minutes > 0) AS sources,
           l.person_id, l.at, l.channel, l.actor, l.direction, l.state, l.loan_id, l.number, l.purpose, l.conversation,
           l.delivered, l.machine_message, l.abandoned, l.uncertain, l.minutes, l.exceptions
    FROM (SELECT count(*) AS n, max(loaded_at) AS loaded FROM compliance_rules) r
    CROSS JOIN (SELECT count(*) AS n, max(updated_at) AS updated FROM work_calendar) w
    LEFT JOIN LATERAL (
        SELECT * FROM contact_ledger WHERE person_id = :person AND at >= :since AND state <> 'FREED'
        UNION ALL
        SELECT * FROM contact_ledger WHERE :by_number AND number = :number AND person_id <> :person AND at >= :since
            AND state <> 'FREED'
    ) l ON true
""")


async def _counted(session: AsyncSession, person: UUID, number: str, at: datetime, kept: _Kept) -> Sequence[Any]:
    terms = {
        "person": person, "number": number, "since": at - timedelta(days=kept.rules.ledger_days),
        "by_number": kept.rules.by_number,
    }  # fmt: skip
    return (await session.execute(_COUNTED, terms)).all()


def one_at_a_time(decision: Decision, at: datetime) -> Decision:
    """FL-20: refused while another attempt is live, whatever else was answered."""
    again = at + LIVE_RECHECK
    live = Reason(ReasonCode.RETRY_WAIT, None, {"live_attempt": True}, again)
    # When refused for another reason too, that one decides when to ask again.
    later = again if decision.allow else decision.next_allowed_at and max(again, decision.next_allowed_at)
    return replace(decision, allow=False, reasons=(*decision.reasons, live), next_allowed_at=later)


def _exceptions(contact: Contact, at: datetime) -> list[str]:
    held = ["person_initiative"] if contact.person_initiative else []
    if contact.consent_at is not None and contact.consent_at <= at:
        held.append("consent")
        if at < contact.consent_at + timedelta(days=7):
            held.append("consent_7d")
    return held


async def commit_slot(
    session: AsyncSession,
    call_id: UUID,
    *,
    conversation: bool,
    abandoned: bool,
    machine_message: bool,
    uncertain: bool,
    minutes: Decimal | None,
) -> bool:
    """The call happened: its slot counts with these facts. `minutes` of talk, None = not known.

    Certain facts may replace uncertain ones, and a call that was heard of after all a slot that was given back;
    otherwise a second commit changes nothing. Returns whether something changed. Raises NotFound without a slot.
    """
    kept = bulk.held(session, ContactLedger, call_id)
    known = kept or await session.scalar(
        select(ContactLedger).where(ContactLedger.call_id == call_id).with_for_update()
    )
    if known is None:
        raise NotFound("No slot was reserved for this call.", call_id=call_id)
    if known.state == "COMMITTED" and not (known.uncertain and not uncertain):
        return False
    known.state = "COMMITTED"
    known.conversation, known.abandoned, known.machine_message = conversation, abandoned, machine_message
    known.uncertain, known.minutes = uncertain, minutes
    if kept is None:
        await session.flush()
    return True


async def hold_slots(session: AsyncSession, calls: Collection[UUID]) -> None:
    """Locks the slots of these calls for a transaction of many steps (`bulk`)."""
    query = select(ContactLedger).where(ContactLedger.call_id.in_(calls)).order_by(ContactLedger.id).with_for_update()
    bulk.hold(session, await session.scalars(query), "call_id")


async def free_slot(session: AsyncSession, call_id: UUID, *, uncertain_too: bool = False) -> bool:
    """Nothing left us (trunk refused, stop pressed): the slot no longer counts. Only a reserved slot is given back,
    or (`uncertain_too`: a person found out) one that counted because nobody knew.

    Returns whether it was. Raises NotFound without a slot.
    """
    if kept := bulk.held(session, ContactLedger, call_id):
        given = kept.state == "RESERVED" or (uncertain_too and kept.uncertain)
        kept.state = "FREED" if given else kept.state
        return given
    given_back = ContactLedger.state == "RESERVED"
    if uncertain_too:
        given_back = or_(given_back, ContactLedger.uncertain)
    freed = (
        update(ContactLedger)
        .where(ContactLedger.call_id == call_id, given_back)
        .values(state="FREED")
        .returning(ContactLedger.id)
    )
    if (await session.execute(freed)).first():
        return True
    if await session.scalar(select(ContactLedger.id).where(ContactLedger.call_id == call_id)) is None:
        raise NotFound("No slot was reserved for this call.", call_id=call_id)
    return False


async def record(
    session: AsyncSession,
    person_id: UUID,
    entry: Entry,
    *,
    number: str = "",
    campaign: str | None = None,
    call_id: UUID | None = None,
    source: str | None = None,
    source_id: str | None = None,
) -> bool:
    """Writes a contact that needed no slot: an inbound call, a visit, or one made elsewhere (`source`, `source_id`).

    Returns False, changing nothing, when this call or this source's row is already there.
    """
    row = {
        "id": new_key(), "person_id": person_id, "loan_id": entry.debt, "number": number, "channel": entry.channel,
        "actor": entry.actor, "purpose": entry.purpose, "direction": entry.direction, "campaign": campaign,
        "at": entry.at, "state": entry.state, "conversation": entry.conversation, "delivered": entry.delivered,
        "machine_message": entry.machine_message, "abandoned": entry.abandoned, "uncertain": entry.uncertain,
        "minutes": entry.minutes, "exceptions": sorted(entry.exceptions), "call_id": call_id,
        "source": source, "source_id": source_id,
    }  # fmt: skip
    statement = pg_insert(ContactLedger).values(row).on_conflict_do_nothing().returning(ContactLedger.id)
    return (await session.execute(statement)).first() is not None


def _lock_key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)


# --- for the card --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ContactsOfDay:
    """`count` of `limit` by the daily cap that is nearest (`limit` None = no such cap); `until`: when today's hours
    for a call end, None = closed now."""

    count: int
    limit: int | None
    until: datetime | None


async def contacts_of_day(
    session: AsyncSession, person_id: UUID, at: datetime, *, zone: str, jurisdiction: str, bound: str = "bank"
) -> ContactsOfDay:
    """How much of today's contact with this person is used up, as a call about his debt would be counted."""
    book = await _book(session)
    person = PersonView(person_id, (jurisdiction,), (zone,) if zone else ())
    contact = Contact(person=person, channel="call", actor="human", purpose="collection", bound=bound)
    ledger = (await _ledgers(session, {person_id}, at, book.rules)).get(person_id, NOTHING)
    return ContactsOfDay(*rules.today(contact, at, book.rules, book.calendar, ledger))
