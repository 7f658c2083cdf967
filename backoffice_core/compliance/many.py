"""The evaluator asked about very many people at once, as the queue does it.

Most of them differ in nothing that a rule reads: one jurisdiction and zone, one kind of number, a few contacts long ago.
Those get one answer, which the evaluator gave for one of them with an empty ledger; whoever was contacted so often or so lately
that a rule might count it (`Reach`, which errs on that side) is asked about by himself. Kept answers are written the same
way: what is equal for all of a kind is sent to the database once.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.compliance import books, rules
from backoffice_core.compliance.asking import GUARD_MINUTES, NOTHING, ledgers_of
from backoffice_core.compliance.late import LateSource
from backoffice_core.compliance.records import Inputs, answer_json, contact_json, inputs_json
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.terms import Contact, Decision, Entry, LedgerView, Profile
from backoffice_core.db import by_keys, driver, fetch, keys

_DAYS = {"calendar_day": 1, "iso_week": 7, "calendar_month": 31, "rolling_days": 1}
_SLACK = 0.1  # days: an hour of summer time, and more
_DAY_S = 86400.0
_json = json.JSONEncoder(ensure_ascii=False).encode


class Question(NamedTuple):
    """`alike`: equal for contacts that differ in the person and the number's digits (`address`) alone."""

    person_id: UUID
    address: str
    alike: Hashable
    contact: Callable[[], Contact]
    at: datetime


class Reach:
    """From how many contacts within how many days on, whatever the date, any rule on such a contact could count them."""

    def __init__(self, book: RuleBook, profile: Profile) -> None:
        caps: dict[float, float] = {}
        self.dropped_days = 0.0
        for rule in book:
            if not rule.matches(profile):
                continue
            found: list[tuple[float, float]] = []
            if rule.window is not None and rule.kind in {"frequency_cap", "cooldown_after"}:
                later = 1 if rule.kind == "cooldown_after" else 0  # it begins the day after
                days = _DAYS[rule.window.type] * rule.window.n + later + _SLACK
                counted = rule.kind == "frequency_cap" and rule.count_unit != "minutes"
                found.append((days, float(rule.params["max"]) if counted else 1))
            if "max_per_day" in rule.params:
                found.append((1 + _SLACK, float(rule.params["max_per_day"])))
            if gap := rule.params.get("min_gap_minutes"):
                found.append((gap / 1440, 1))
            for days, most in found:
                caps[days] = min(most, caps.get(days, most))
            self.dropped_days = max(self.dropped_days, float(rule.params.get("redial_hold_hours", 0)) / 24)
        self.caps = sorted(caps.items())
        self.least = min((most for _, most in self.caps), default=float("inf"))

    def counts(self, ages: Sequence[float], dropped: float | None) -> bool:
        """`ages`: days since each contact; `dropped`: since the latest that was abandoned, or may have been."""
        if dropped is not None and dropped < self.dropped_days:
            return True
        if len(ages) < self.least:
            return False
        ages = sorted(ages)
        return any(bisect_right(ages, days) >= most for days, most in self.caps)


@dataclass(slots=True)
class _Kind:
    """One kind of question: its answer with an empty ledger, and what of it is written into each kept decision."""

    contact: Contact
    answer: Decision
    reach: Reach
    late: tuple[LateSource, ...]


async def answer_many(
    session: AsyncSession, questions: Sequence[Question], *, guard_minutes: int = GUARD_MINUTES, store: bool = False
) -> list[Decision]:
    """As `ask_many` answers each of them at its moment, in their order. With `store` they are kept (but carry no id)."""
    if not questions:
        return []
    book = await books.current(session)
    ledgers = await _Ledgers.read(session, questions, book.rules, whole=store)
    kinds: dict[Hashable, _Kind] = {}
    found: list[tuple[_Kind, Decision | None]] = []
    for one in questions:
        kind = kinds.get((one.alike, one.at))
        if kind is None:
            kind = kinds[one.alike, one.at] = _kind(book, one, guard_minutes)
        alone = one.person_id in ledgers and (bool(kind.late) or kind.reach.counts(*ledgers.ages(one)))
        found.append((kind, None if alone else kind.answer))
    by_themselves = [one for one, (_, answer) in zip(questions, found, strict=True) if answer is None]
    await ledgers.complete(session, by_themselves)
    terms = (book.rules, book.calendar)
    answers = [
        answer or rules.decide(
            one.contact(), one.at, *terms, ledgers.of(one), guard_minutes=guard_minutes, late=kind.late
        )
        for one, (kind, answer) in zip(questions, found, strict=True)
    ]  # fmt: skip
    if store:
        await _store(session, book, questions, [kind for kind, _ in found], answers, ledgers, guard_minutes)
    return answers


def _kind(book: books.Kept, one: Question, guard_minutes: int) -> _Kind:
    contact, late = one.contact(), book.late(one.at)
    answer = rules.decide(
        contact, one.at, book.rules, book.calendar, NOTHING, guard_minutes=guard_minutes, late=late
    )  # fmt: skip
    return _Kind(contact, answer, Reach(book.rules, contact.profile()), late)


# --- what they were contacted before -------------------------------------------------------------------------------


class _Ledgers:
    """Of everybody asked about: when each contact was, or (`whole`) all of them as the evaluator takes them."""

    def __init__(self, book: RuleBook) -> None:
        self.book = book
        self._days = timedelta(days=book.ledger_days)
        self._at: dict[UUID, list[float]] = {}  # seconds of Unix time
        self._dropped: dict[UUID, float] = {}  # the latest that was abandoned, or may have been
        self._entries: dict[UUID, list[Entry]] = {}

    @classmethod
    async def read(cls, session: AsyncSession, asked: Sequence[Question], book: RuleBook, *, whole: bool) -> "_Ledgers":
        found = cls(book)
        persons, since = {one.person_id for one in asked}, min(one.at for one in asked) - found._days
        if not whole:
            for person, at, dropped in await fetch(session, _CONTACTED, keys(persons), since):
                found._at[person] = at
                if dropped is not None:
                    found._dropped[person] = dropped
            return found
        found._entries = await ledgers_of(session, persons, since, book)
        for person, entries in found._entries.items():
            found._at[person] = [entry.at.timestamp() for entry in entries]
            dropped = [entry.at.timestamp() for entry in entries if entry.abandoned or entry.uncertain]
            if dropped:
                found._dropped[person] = max(dropped)
        return found

    def __contains__(self, person: UUID) -> bool:
        return person in self._at

    def ages(self, one: Question) -> tuple[list[float], float | None]:
        """For `Reach.counts`."""
        now, dropped = one.at.timestamp(), self._dropped.get(one.person_id)
        ages = [(now - at) / _DAY_S for at in self._at[one.person_id]]
        return ages, None if dropped is None else (now - dropped) / _DAY_S

    async def complete(self, session: AsyncSession, asked: Sequence[Question]) -> None:
        """All contacts of those of whom only the moments are known."""
        missing = {one.person_id for one in asked if one.person_id in self._at} - self._entries.keys()
        if missing:
            first = min(one.at for one in asked if one.person_id in missing)
            self._entries |= await ledgers_of(session, missing, first - self._days, self.book)

    def of(self, one: Question) -> LedgerView:
        entries = self._entries.get(one.person_id)
        if not entries:
            return NOTHING
        since = one.at - self._days
        return LedgerView(tuple(entry for entry in entries if entry.at >= since))


_CONTACTED = by_keys("""
    -- contacted: when each was, and the latest that may have been abandoned
    SELECT person_id, array_agg(date_part('epoch', at)), max(date_part('epoch', at)) FILTER (WHERE abandoned OR uncertain)
    FROM contact_ledger WHERE person_id = ANY($1) AND at >= $2 AND state <> 'FREED' GROUP BY person_id
""")

# --- what is kept --------------------------------------------------------------------------------------------------


class _Words:
    """What kept decisions share, as their columns have it: of all of a kind that got the same answer."""

    def __init__(self, kind: _Kind, answer: Decision, at: datetime, book: str, guard_minutes: int) -> None:
        said = contact_json(kind.contact) | {"guard_minutes": guard_minutes}
        person, address = said.pop("person"), said.pop("address")
        del person["id"]
        told = answer_json(answer)
        self.columns = (
            at, _json(said), _json(person), address and address["number_type"], answer.allow, _json(told["reasons"]),
            answer.next_allowed_at, _json(told["must"]), _json(told["consulted"]), _inputs(book, kind.late, ()),
        )  # fmt: skip


_KEEP = """
    -- keep_decisions: one of each person; what many of them share is read once
    WITH shared AS MATERIALIZED (
      SELECT * FROM unnest($5::timestamptz[], $6::jsonb[], $7::jsonb[], $8::text[], $9::bool[], $10::jsonb[],
                           $11::timestamptz[], $12::jsonb[], $13::jsonb[], $14::jsonb[]) WITH ORDINALITY
           AS s(at, contact, person, number_type, allow, reasons, next_allowed_at, must, consulted, inputs, n))
    INSERT INTO compliance_decisions (id, at, person_id, contact, allow, reasons, next_allowed_at, must, consulted, inputs)
    SELECT uuidv7(), s.at, r.person_id, s.contact || jsonb_build_object(
             'person', s.person || jsonb_build_object('id', r.person_id),
             'address', jsonb_build_object('value', r.address, 'number_type', s.number_type)),
           s.allow, s.reasons, s.next_allowed_at, s.must, s.consulted, coalesce(r.inputs, s.inputs)
      FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::int[]) AS r(person_id, address, inputs, n) JOIN shared s USING (n)
"""


async def _store(
    session: AsyncSession, book: books.Kept, questions: Sequence[Question], kinds: Iterable[_Kind],
    answers: Iterable[Decision], ledgers: _Ledgers, guard_minutes: int,
) -> None:  # fmt: skip
    """With all that the answers hang on, as `asking.decision_row` has it."""
    await books.write_book(session, book)
    digest: str = book.row["digest"]
    places: dict[tuple[int, int], int] = {}  # by identity: those of a kind share an answer, and all are alive
    shared: list[tuple[Any, ...]] = []
    rows: list[tuple[Any, ...]] = []
    for one, kind, answer in zip(questions, kinds, answers, strict=True):
        place = places.get((id(kind), id(answer)))
        if place is None:
            shared.append(_Words(kind, answer, one.at, digest, guard_minutes).columns)
            place = places[id(kind), id(answer)] = len(shared)
        entries = ledgers.of(one).entries
        rows.append(
            (one.person_id, one.address, _inputs(digest, kind.late, entries) if entries else None, place)
        )  # fmt: skip
    link = await driver(session)
    await link.execute(_KEEP, *map(list, zip(*rows, strict=True)), *map(list, zip(*shared, strict=True)))


def _inputs(digest: str, late: tuple[LateSource, ...], entries: Sequence[Entry]) -> str:
    return _json(inputs_json(Inputs(digest, tuple(entries), late=late)))
