"""Asks the evaluator with what the ledger knows, and keeps what it answered.

Every function works inside the caller's transaction.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.compliance import books, rules
from backoffice_core.compliance.models import ComplianceDecision
from backoffice_core.compliance.records import Inputs, answer_json, contact_json, inputs_json
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.terms import Contact, Decision, Entry, LedgerView
from backoffice_core.db import by_keys, fetch, keys, new_key

GUARD_MINUTES = 5  # default of the setting `guard_minutes`
IN_ONE_GO = 2_000  # persons or rows per statement


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
    book = await books.current(session)
    late = book.late(at)
    everyone = {contact.person.id for contact in contacts}
    entries = await ledgers_of(session, everyone, at - timedelta(days=book.rules.ledger_days), book.rules)
    ledgers = {person: LedgerView(tuple(known)) for person, known in entries.items()}
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


async def ledgers_of(
    session: AsyncSession, persons: Iterable[UUID], since: datetime, book: RuleBook
) -> dict[UUID, list[Entry]]:
    """What counts of everybody's contacts from `since` on; who has none is not in it."""
    found: dict[UUID, list[Entry]] = {}
    everyone = sorted(persons)
    for start in range(0, len(everyone), IN_ONE_GO):
        some = keys(everyone[start : start + IN_ONE_GO])
        for person, number, exceptions, *values in await fetch(session, _LEDGERS, some, since):
            entry = Entry(
                **dict(zip(_OF_ENTRY, values, strict=True)), number=number if book.by_number else "",
                exceptions=_NONE if exceptions == "[]" else frozenset(json.loads(exceptions)),
            )  # fmt: skip
            found.setdefault(person, []).append(entry)
    return found


_NONE: frozenset[str] = frozenset()
_OF_ENTRY = (
    "at", "channel", "actor", "direction", "state", "debt", "purpose", "conversation", "delivered", "machine_message",
    "abandoned", "uncertain", "minutes",
)  # fmt: skip
_LEDGERS = by_keys("""
    SELECT person_id, number, exceptions::text, at, channel, actor, direction, state, loan_id, purpose, conversation, delivered,
           machine_message, abandoned, uncertain, minutes
    FROM contact_ledger WHERE person_id = ANY($1) AND at >= $2 AND state <> 'FREED' ORDER BY at, id
""")


async def _store(
    session: AsyncSession,
    book: books.Kept,
    contacts: Sequence[Contact],
    decisions: Sequence[Decision],
    ledgers: Sequence[LedgerView],
    at: datetime,
    guard_minutes: int,
) -> list[Decision]:
    """With all that the answers hang on, so that `recompute` can give them again."""
    await books.write_book(session, book)
    kept = [replace(decision, id=new_key()) for decision in decisions]
    rows = [
        decision_row(book, contact, decision, ledger, at, guard_minutes)
        for contact, decision, ledger in zip(contacts, kept, ledgers, strict=True)
    ]
    for start in range(0, len(rows), IN_ONE_GO):
        await session.execute(insert(ComplianceDecision), rows[start : start + IN_ONE_GO])
    return kept


def decision_row(
    book: books.Kept,
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
