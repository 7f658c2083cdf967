"""Compliance for the other nouns: may this contact be made, its slot, its record, and how much of today is used up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.compliance import books, rules
from backoffice_core.compliance.asking import ask, ask_many, ledgers_of
from backoffice_core.compliance.books import (
    calendar,
    last_working_day,
    load_rules,
    rulebook,
    seed_calendar,
    working_days,
)
from backoffice_core.compliance.dialer_limits import AbandonAccount, DialerLimits, dialer_limits
from backoffice_core.compliance.many import Question, answer_many
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.slots import (
    COUNTED,
    DECISION,
    SLOT,
    ask_and_reserve,
    ask_slot,
    commit_slot,
    counting,
    free_slot,
    hold_slots,
)
from backoffice_core.compliance.terms import Contact, Decision, Entry, LedgerView, PersonView
from backoffice_core.db import new_key

__all__ = [
    "COUNTED", "DECISION", "SLOT", "AbandonAccount", "ContactsOfDay", "Decision", "DialerLimits", "Entry", "Question",
    "RuleBook", "answer_many", "ask", "ask_and_reserve", "ask_many", "ask_slot", "calendar", "commit_slot",
    "contacts_of_day", "counting", "dialer_limits", "free_slot", "hold_slots", "last_working_day", "load_rules",
    "record", "rulebook", "seed_calendar", "working_days",
]  # fmt: skip


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


# --- for the card --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ContactsOfDay:
    """`count` of `limit` by the daily cap that is nearest (`limit` None = no such cap); `until`: when today's hours
    for a call end, None = closed now."""

    count: int
    limit: int | None
    until: datetime | None


async def contacts_of_day(
    session: AsyncSession, person_id: UUID, at: datetime, *, zone: str, jurisdiction: str, bound: str = "bank",
    purpose: str = "collection",
) -> ContactsOfDay:  # fmt: skip
    """How much of today's contact with this person is used up, as a call of this purpose would be counted."""
    book = await books.current(session)
    person = PersonView(person_id, (jurisdiction,), (zone,) if zone else ())
    contact = Contact(person=person, channel="call", actor="human", purpose=purpose, bound=bound)
    since = at - timedelta(days=book.rules.ledger_days)
    ledger = LedgerView(tuple((await ledgers_of(session, {person_id}, since, book.rules)).get(person_id, ())))
    return ContactsOfDay(*rules.today(contact, at, book.rules, book.calendar, ledger))
