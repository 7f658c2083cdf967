"""Slots of the contact ledger: asked for and reserved in the transaction that hands a number to the dialer, counted or
given back by the call's end.

That transaction must be READ COMMITTED (PostgreSQL's default).
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core import bulk
from backoffice_core.compliance import books, rules
from backoffice_core.compliance.asking import GUARD_MINUTES, decision_row, entry_of
from backoffice_core.compliance.models import ComplianceDecision, ContactLedger
from backoffice_core.compliance.terms import VOICE, Contact, Decision, LedgerView, Reason, ReasonCode
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
    kept = books.known() or await books.current(session)
    rows = await _counted(session, person, number, at, kept)
    if tuple(rows[0][:4]) != kept.stamp:  # rules or calendar have changed
        kept = await books.current(session)
        rows = await _counted(session, person, number, at, kept)
    live, by_number = bool(rows[0].live), kept.rules.by_number
    ledger = LedgerView(
        tuple(entry_of(row, by_number) for row in rows if row.person_id == person),
        tuple(entry_of(row, by_number) for row in rows if row.person_id not in (None, person)),
    )
    kept.sources = rows[0].sources or []
    decision = rules.decide(
        contact, at, kept.rules, kept.calendar, ledger, guard_minutes=guard_minutes, late=kept.late(at)
    )
    if live:
        decision = one_at_a_time(decision, at)
    await books.write_book(session, kept)
    decision = replace(decision, id=new_key())
    row = decision_row(kept, contact, decision, ledger, at, guard_minutes, call_id, live)
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
# is live, and the stamp by which `books.current` knows that rules or calendar have changed. Always at least one row. What is live
# is asked for by the order of its own index: with `number = :number` a plan made while nothing was live, and kept, walks
# all live calls by the index of persons.
_COUNTED = Ready("""
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


async def _counted(session: AsyncSession, person: UUID, number: str, at: datetime, kept: books.Kept) -> Sequence[Any]:
    terms = {
        "person": person, "number": number, "since": at - timedelta(days=kept.rules.ledger_days),
        "by_number": kept.rules.by_number,
    }  # fmt: skip
    return (await _COUNTED.rows(session, terms)).all()


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
