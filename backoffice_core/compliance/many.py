"""The evaluator asked about very many people at once, as the queue does it.

Most of them differ in nothing that a rule reads: one jurisdiction and zone, one kind of number, a few contacts long ago.
Those get one answer, which the evaluator gave for one of them with an empty ledger; whoever was contacted so often or so lately
that a rule might count it (`Reach`, which errs on that side) is asked about by himself. Kept answers are written the same
way: what is equal for all of a kind is sent to the database once.
"""

import json
from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
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
    """`alike`: equal for contacts that differ in the person and the number's digits (`address`) alone. `of`: what the asker
    makes the `Contact` of, once for all that are alike."""

    person_id: UUID
    address: str
    alike: Hashable
    of: Any
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

    @staticmethod
    def widest(several: Iterable["Reach"]) -> tuple[Mapping[float, float], float]:
        """Whom none of them counts is below all of these: fewest contacts by days, and days since one that was abandoned."""
        caps: dict[float, float] = {}
        dropped = 0.0
        for one in several:
            dropped = max(dropped, one.dropped_days)
            for days, most in one.caps:
                caps[days] = min(most, caps.get(days, most))
        return caps, dropped


@dataclass(slots=True)
class _Kind:
    """One kind of question: its answer with an empty ledger, and what of it is written into each kept decision."""

    contact: Contact
    alike: rules.Alike
    answer: Decision
    reach: Reach
    late: tuple[LateSource, ...]


async def answer_many(
    session: AsyncSession, questions: Sequence[Question], contact: Callable[[Any], Contact], *,
    guard_minutes: int = GUARD_MINUTES, store: bool = False,
) -> list[Decision]:  # fmt: skip
    """As `ask_many` answers each of them at its moment, in their order. With `store` they are kept (but carry no id)."""
    if not questions:
        return []
    book = await books.current(session)
    kinds: dict[Hashable, _Kind] = {}
    of_kind = []
    for one in questions:
        key = one.alike, one.at
        kind = kinds.get(key)
        if kind is None:
            kind = kinds[key] = _kind(book, one, contact(one.of), guard_minutes)
        of_kind.append(kind)
    ledgers = await _Ledgers.read(session, questions, book.rules, None if store else kinds.values())
    found = [
        (
            kind,
            None if one.person_id in ledgers and (kind.late or kind.reach.counts(*ledgers.ages(one))) else kind.answer,
        )
        for one, kind in zip(questions, of_kind, strict=True)
    ]
    by_themselves = [one for one, (_, answer) in zip(questions, found, strict=True) if answer is None]
    await ledgers.complete(session, by_themselves)
    answers = [
        answer or kind.alike.answer(one.address, ledgers.of(one))
        for one, (kind, answer) in zip(questions, found, strict=True)
    ]
    if store:
        await _store(session, book, questions, [kind for kind, _ in found], answers, ledgers, guard_minutes)
    return answers


def _kind(book: books.Kept, one: Question, contact: Contact, guard_minutes: int) -> _Kind:
    late = book.late(one.at)
    alike = rules.Alike(contact, one.at, book.rules, book.calendar, guard_minutes=guard_minutes, late=late)
    return _Kind(contact, alike, alike.answer(one.address, NOTHING), Reach(book.rules, contact.profile()), late)


# --- what they were contacted before -------------------------------------------------------------------------------


class _Ledgers:
    """What everybody asked about was contacted before, as the evaluator takes it; or, of those alone whom a rule might count
    (`kinds`), when that was."""

    def __init__(self, book: RuleBook) -> None:
        self.book = book
        self._days = timedelta(days=book.ledger_days)
        self._at: dict[UUID, list[float]] = {}  # seconds of Unix time
        self._dropped: dict[UUID, float] = {}  # the latest that was abandoned, or may have been
        self._entries: dict[UUID, list[Entry]] = {}

    @classmethod
    async def read(
        cls, session: AsyncSession, asked: Sequence[Question], book: RuleBook, kinds: Iterable[_Kind] | None
    ) -> "_Ledgers":
        found = cls(book)
        persons, first = {one.person_id for one in asked}, min(one.at for one in asked)
        if kinds is not None:
            await found._read_moments(session, persons, first, list(kinds))
            return found
        found._entries = await ledgers_of(session, persons, first - found._days, book)
        for person, entries in found._entries.items():
            found._at[person] = [entry.at.timestamp() for entry in entries]
            dropped = [entry.at.timestamp() for entry in entries if entry.abandoned or entry.uncertain]
            if dropped:
                found._dropped[person] = max(dropped)
        return found

    async def _read_moments(
        self, session: AsyncSession, persons: Iterable[UUID], first: datetime, kinds: Sequence[_Kind]
    ) -> None:
        caps, dropped_days = Reach.widest(kind.reach for kind in kinds)
        if any(kind.late for kind in kinds):  # then every contact is looked at
            caps = {self._days.days: 1.0}
        longest = max([*caps, dropped_days])
        if not longest:
            return
        early = lambda days: first - timedelta(days=days, seconds=1)  # noqa: E731 (a second for what rounding takes)
        given = [value for days, most in caps.items() for value in (early(days), most)]
        query = _contacted(len(caps))
        for person, at, dropped in await fetch(
            session, query, keys(persons), early(longest), early(dropped_days), *given
        ):
            self._at[person] = at
            if dropped is not None:
                self._dropped[person] = dropped

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


@lru_cache(maxsize=16)
def _contacted(caps: int) -> str:
    """Persons, keys as one parameter; since when contacts are looked at, and those that were abandoned; of each cap since when,
    and how many."""
    reached = "".join(f" OR count(*) FILTER (WHERE at >= ${4 + 2 * n}) >= ${5 + 2 * n}::float8" for n in range(caps))
    return by_keys(f"""
        -- contacted: when each was of those whom a rule might count, and the latest that may have been abandoned
        SELECT person_id, array_agg(date_part('epoch', at)), max(date_part('epoch', at)) FILTER (WHERE abandoned OR uncertain)
        FROM contact_ledger WHERE person_id = ANY($1) AND at >= $2 AND state <> 'FREED' GROUP BY person_id
        HAVING coalesce(bool_or((abandoned OR uncertain) AND at >= $3), false){reached}
    """)  # noqa: S608 (no value in it)


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
