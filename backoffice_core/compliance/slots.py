"""Slots of the contact ledger: asked for and reserved in the transaction that hands a number to the dialer, counted or
given back by the call's end.

That transaction must be READ COMMITTED (PostgreSQL's default).
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core import bulk
from backoffice_core.compliance import books, rules
from backoffice_core.compliance.asking import GUARD_MINUTES, decision_row
from backoffice_core.compliance.models import ComplianceDecision, ContactLedger
from backoffice_core.compliance.terms import VOICE, Contact, Decision, Entry, LedgerView, Reason, ReasonCode
from backoffice_core.db import Ready, insert_sql, new_key
from backoffice_core.errors import BadInput, NotFound

LIVE_RECHECK = timedelta(minutes=1)
"""Nobody knows when a live attempt ends: a contact refused because of one may be asked again so much later."""


async def ask_and_reserve(
    session: AsyncSession,
    contact: Contact,
    call_id: UUID,
    at: datetime,
    *,
    guard_minutes: int = GUARD_MINUTES,
) -> Decision:
    """Asks for one call and, when allowed, reserves its slot in the ledger, in the caller's transaction.

    Holds a lock on the person and one on the number until that transaction ends, so that no other program counts
    meanwhile; therefore only one call may be asked for in one transaction. Refused with RETRY_WAIT while another attempt
    on the person or the number is live (FL-20). The decision is stored with the call's id. Raises BadInput for anything
    but a call with a number.
    """
    decision, values = await ask_slot(session, contact, call_id, at, guard_minutes=guard_minutes)
    if decision.allow:
        await session.execute(_RESERVE, values)
    return decision


@dataclass(frozen=True, slots=True)
class Counting:
    """How contacts are counted: by which rules, from when on, and whether by number too."""

    book: books.Kept
    since: datetime
    by_number: bool


async def counting(session: AsyncSession, at: datetime) -> Counting:
    """As this process knows the rules; `ask_slot` sees whether they have changed since."""
    return _by(books.known() or await books.current(session), at)


def _by(book: books.Kept, at: datetime) -> Counting:
    return Counting(book, at - timedelta(days=book.rules.ledger_days), book.rules.by_number)


async def ask_slot(
    session: AsyncSession,
    contact: Contact,
    call_id: UUID,
    at: datetime,
    *,
    guard_minutes: int = GUARD_MINUTES,
    counted: tuple[Counting, str] | None = None,
) -> tuple[Decision, dict[str, Any]]:
    """As `ask_and_reserve`, but an allowed call is not written yet: the caller puts DECISION and SLOT, with these values,
    into a statement of his own, in the same transaction. A refusal is stored here.

    `counted`: what COUNTED answered to an earlier question of the same transaction, and how it was asked."""
    if contact.channel not in VOICE or contact.address is None or not contact.address.value:
        raise BadInput("A slot is reserved for a call, and a call needs a number.")
    person, number = contact.person.id, contact.address.value
    how, said = counted or await _counted(session, person, number, await counting(session, at))
    found = _read(said, how)
    if found.stamp != how.book.stamp:  # rules or calendar have changed
        how, said = await _counted(session, person, number, _by(await books.current(session), at))
        found = _read(said, how)
    kept = how.book
    ledger = LedgerView(found.of_person, found.of_number)
    kept.sources = found.sources
    decision = rules.decide(
        contact, at, kept.rules, kept.calendar, ledger, guard_minutes=guard_minutes, late=kept.late(at)
    )
    if found.live:
        decision = one_at_a_time(decision, at)
    await books.write_book(session, kept)
    decision = replace(decision, id=new_key())
    row = decision_row(kept, contact, decision, ledger, at, guard_minutes, call_id, found.live)
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


COUNTED = "contacts_counted({person}, {number}, :since, :by_number)"
"""An SQL expression for a question that asks more; its parameters are those of `Counting`. It takes the locks on person and
number, and answers behind them: everything that a cap may count of this person (and of this number, where a rule counts by
number), whether an attempt is live, and the stamp by which `books.current` knows that rules or calendar have changed."""
_COUNTED = Ready("SELECT " + COUNTED.format(person=":person", number=":number"))


async def _counted(session: AsyncSession, person: UUID, number: str, how: Counting) -> tuple[Counting, str]:
    terms = {"person": person, "number": number, "since": how.since, "by_number": how.by_number}
    return how, (await _COUNTED.rows(session, terms)).scalar_one()


@dataclass(frozen=True, slots=True)
class _Found:
    """What COUNTED said, read."""

    stamp: tuple[Any, ...]
    live: bool
    sources: list[Any]
    of_person: tuple[Entry, ...]
    of_number: tuple[Entry, ...]


def _read(said: str, how: Counting) -> _Found:
    (versions, loaded), (days, changed), live, sources, rows = json.loads(said)
    own: tuple[list[Entry], list[Entry]] = [], []
    for (
        his, at, channel, actor, direction, state, debt, number, purpose, talk, delivered, machine, abandoned, uncertain,
        minutes, why,
    ) in rows or ():  # fmt: skip
        entry = Entry(
            at=datetime.fromisoformat(at), channel=channel, actor=actor, direction=direction, state=state,
            debt=UUID(debt) if debt else None, number=number if how.by_number else "", purpose=purpose, conversation=talk,
            delivered=delivered, machine_message=machine, abandoned=abandoned, uncertain=uncertain,
            minutes=None if minutes is None else Decimal(minutes), exceptions=frozenset(why),
        )  # fmt: skip
        own[0 if his else 1].append(entry)
    stamp = (versions, _instant(loaded), days, _instant(changed))
    return _Found(stamp, live, sources or [], tuple(own[0]), tuple(own[1]))


def _instant(said: str | None) -> datetime | None:
    return datetime.fromisoformat(said) if said else None


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


_SLOTS = select(ContactLedger).where(bulk.among(ContactLedger.call_id)).order_by(ContactLedger.id).with_for_update()


async def hold_slots(session: AsyncSession, calls: Collection[UUID]) -> None:
    """Locks the slots of these calls for a transaction of many steps (`bulk`)."""
    bulk.hold(session, await session.scalars(_SLOTS, {"ids": list(calls)}), "call_id")


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
