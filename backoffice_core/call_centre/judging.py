"""Whether each of these cases is called on a date, by which number and from when, or why not: the night asks for all open
cases, the day (`requeue`) for those of which a fact has changed. There is no other way to judge one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import PersonFlag
from backoffice_core.call_centre import caller_ids, campaign_lists
from backoffice_core.call_centre.campaign_lists import Owners
from backoffice_core.call_centre.contacts import call_contact
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.queue_rules import (
    CaseView,
    FlagView,
    NotToday,
    PhoneView,
    TaskView,
    best_phone,
    earliest,
    first_of,
    lawful_refusal,
    own_refusal,
)
from backoffice_core.call_centre.rules import NO_DISPOSITION
from backoffice_core.cases.models import Task
from backoffice_core.cases.rules import CALLBACK, ELSEWHERE, OVER
from backoffice_core.collection.models import Promise
from backoffice_core.collection.rules import is_overdue
from backoffice_core.collection.service import OPEN_PROMISE, promise_ends
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.terms import Contact
from backoffice_core.config import Settings
from backoffice_core.db import fetch
from backoffice_core.loans import service as loans
from backoffice_core.loans import sources, stop_list
from backoffice_core.loans.service import Debt

CAMPAIGN = PURPOSE = "collection"
NO_ID_YET = "none yet"  # an id may be added by the morning; without one the claim refuses each call in its own words
MISSED_WITHIN = timedelta(days=14)  # calls in vain of so long ago still speak for the other number


class Whom(NamedTuple):
    """A case with its borrower, as far as the judgement needs them."""

    case_id: UUID
    number: int
    state: str
    stage: int
    hold_until: date | None
    id: UUID  # the person's
    jurisdiction: str
    time_zone: str
    demo: bool


class Phone(NamedTuple):
    id: UUID
    person_id: UUID
    value: str
    owner_kind: str
    number_type: str
    rank: int
    state: str


# Stands in the question about a borrower without a usable number: a protection is named before NO_PHONE.
_NO_NUMBER = Phone(UUID(int=0), UUID(int=0), "", "self", "unknown", 0, "")


@dataclass(slots=True)
class Judged:
    """`refused` None: he is called by `phone` from `from_when` (business time; None = at once)."""

    view: CaseView
    whom: Whom
    phone: Phone | None
    refused: NotToday | None = None
    from_when: datetime | None = None
    phones: Sequence[Phone] = ()
    campaign: str = CAMPAIGN


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a judgement is made for. `at`: business time, not before the day begins; `zone`: the bank's. `store`: the
    evaluator's answers are kept as the proof of that night; during the day each claim keeps its own."""

    day: date
    at: datetime
    settings: Settings
    zone: ZoneInfo
    store: bool = False

    @property
    def day_ends(self) -> datetime:
        return datetime.combine(self.day + timedelta(days=1), time(), self.zone)

    @classmethod
    def of(cls, day: date, now: datetime, settings: Settings, zone: ZoneInfo, *, store: bool = False) -> "Terms":
        return cls(day=day, at=max(now, datetime.combine(day, time(), zone)), settings=settings, zone=zone, store=store)


async def judge(session: AsyncSession, case_ids: Sequence[UUID], terms: Terms) -> list[Judged]:
    """Those of these cases that are open, by number. Some thousands at a time."""
    material = await _read(session, case_ids, terms)
    judged = [_judge(whom, material, terms) for whom in material.cases]
    await _ask_the_law(session, judged, material, terms)
    for one in judged:
        if one.refused and one.refused.until is not None and one.refused.until <= terms.at:
            one.refused = one.refused._replace(until=terms.day_ends)  # over by its date, but only the night lifts it
    return judged


# --- reading -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Material:
    """What is read at once for all of them."""

    cases: list[Whom]
    debts: dict[UUID, list[Debt]] = field(default_factory=dict)  # by person
    flags: dict[UUID, list[PersonFlag]] = field(default_factory=dict)  # by person
    phones: dict[UUID, list[Phone]] = field(default_factory=dict)  # by person
    missed: dict[UUID, int] = field(default_factory=dict)  # by contact point
    tasks: dict[UUID, list[TaskView]] = field(default_factory=dict)  # by case
    promises: dict[UUID, date] = field(default_factory=dict)  # by case
    no_disposition: set[UUID] = field(default_factory=set)  # cases
    last_called: dict[UUID, datetime] = field(default_factory=dict)  # by case, of the date
    stops: dict[UUID, tuple[str, date | None]] = field(default_factory=dict)  # by person
    stopped_numbers: dict[str, date | None] = field(default_factory=dict)
    list_holds: dict[UUID, str] = field(default_factory=dict)  # by person
    owners: Owners = field(default_factory=Owners)
    # by campaign the caller id, and whether it is declared
    shown: dict[str, tuple[str, bool]] = field(default_factory=dict)


_CASES = """
    -- judged_cases: open cases with their borrowers
    SELECT c.id, c.number, c.state, c.stage, c.hold_until, p.id, p.jurisdiction, p.time_zone, p.demo
    FROM cases c JOIN persons p ON p.id = c.person_id
    WHERE c.id = ANY($1) AND c.closed_at IS NULL ORDER BY c.number
"""
_PHONES = """
    SELECT id, person_id, value, owner_kind, number_type, rank, state FROM contact_points
    WHERE kind = 'phone' AND person_id = ANY($1)
"""


_LAST_CALLED = """
    SELECT case_id, max(business_at) FROM call_attempts
    WHERE case_id = ANY($1) AND business_at >= $2 AND direction = 'out' GROUP BY case_id
"""


async def _read(session: AsyncSession, case_ids: Sequence[UUID], terms: Terms) -> _Material:
    material = _Material([Whom(*row) for row in await fetch(session, _CASES, list(case_ids))])
    persons = [whom.id for whom in material.cases]
    cases = [whom.case_id for whom in material.cases]
    if not cases:
        return material
    material.debts = await loans.debts(session, persons)
    for flag in await session.scalars(select(PersonFlag).where(PersonFlag.person_id == func.any(persons))):
        material.flags.setdefault(flag.person_id, []).append(flag)
    for row in await fetch(session, _PHONES, persons):
        material.phones.setdefault(row[1], []).append(Phone(*row))
    material.missed = await _missed(session, [p.id for some in material.phones.values() for p in some], terms.at)
    await _read_work(session, cases, material)
    begins = datetime.combine(terms.day, time(), terms.zone)
    material.last_called = {row[0]: row[1] for row in await fetch(session, _LAST_CALLED, cases, begins)}
    numbers = [phone.value for some in material.phones.values() for phone in some]
    material.stops = await stop_list.stopped_persons(session, terms.day, persons)
    material.stopped_numbers = await stop_list.stopped_numbers(session, terms.day, numbers)
    list_day = await compliance.last_working_day(session, terms.settings.jurisdiction, terms.day)
    material.list_holds = await sources.held(session, list_day, persons, max_days=terms.settings.balance_max_days)
    material.owners = await campaign_lists.owners(session, cases)
    for name in (CAMPAIGN, *(name for name, _ in material.owners.campaigns)):
        if shown := await caller_ids.shown_by(session, terms.settings, name, terms.day):
            material.shown[name] = (shown.number, shown.declared(terms.day))
    return material


async def _missed(session: AsyncSession, points: list[UUID], at: datetime) -> dict[UUID, int]:
    query = (
        select(CallAttempt.contact_point_id, func.count())
        .where(CallAttempt.contact_point_id == func.any(points), CallAttempt.direction == "out")
        .where(CallAttempt.business_at > at - MISSED_WITHIN, CallAttempt.answered_at.is_(None))
        .group_by(CallAttempt.contact_point_id)
    )
    return {point: count for point, count in (await session.execute(query)).all() if point is not None}


async def _read_work(session: AsyncSession, cases: list[UUID], material: _Material) -> None:
    t = Task
    query = select(t.case_id, t.kind, t.control_date, t.earliest_at).where(
        t.state == "OPEN", t.case_id == func.any(cases)
    )
    for case_id, kind, control_date, earliest_at in await session.execute(query.order_by(t.control_date, t.id)):
        material.tasks.setdefault(case_id, []).append(TaskView(kind, control_date, earliest_at))
    promises = select(Promise).where(Promise.state.in_(OPEN_PROMISE), Promise.case_id == func.any(cases))
    for promise in await session.scalars(promises):
        ends = promise_ends(promise)
        material.promises[promise.case_id] = max(ends, material.promises.get(promise.case_id, ends))
    waiting = select(CallAttempt.case_id).where(
        CallAttempt.outcome == NO_DISPOSITION, CallAttempt.case_id == func.any(cases)
    )
    material.no_disposition = {one for one in await session.scalars(waiting) if one is not None}


# --- judging -------------------------------------------------------------------------------------------------------


def _judge(whom: Whom, material: _Material, terms: Terms) -> Judged:
    phones = {p.id: p for p in material.phones.get(whom.id, ())}
    late = [d for d in material.debts.get(whom.id, ()) if is_overdue(d.overdue, d.days_past_due)]
    worst = max(late, key=attrgetter("days_past_due", "overdue"), default=None)
    stop, stop_until = material.stops.get(whom.id, ("", None))
    view = CaseView(
        case_id=whom.case_id, number=whom.number, state=whom.state, hold_until=whom.hold_until,
        currency=worst.currency if worst else "", overdue=worst.overdue if worst else Decimal(0),
        days_past_due=worst.days_past_due if worst else 0,
        stage=whom.stage, last_called=material.last_called.get(whom.case_id),
        promise_ends=material.promises.get(whom.case_id), no_disposition=whom.case_id in material.no_disposition,
        stop=stop, stop_until=stop_until, list_hold=material.list_holds.get(whom.id, ""),
        tasks=tuple(material.tasks.get(whom.case_id, ())),
        flags=tuple(FlagView(f.flag, f.valid_from, f.valid_to) for f in material.flags.get(whom.id, ())),
        phones=tuple(
            PhoneView(p.id, p.owner_kind, p.state, p.number_type, p.rank, material.missed.get(p.id, 0),
                      p.value in material.stopped_numbers)
            for p in phones.values()
        ),
    )  # fmt: skip
    best = best_phone(view.phones)
    refused = own_refusal(view, terms.day, terms.zone)
    return Judged(
        view, whom, phones[best.id] if best else None, refused, phones=tuple(phones.values()),
        campaign=material.owners.of(whom.case_id, whom.stage),
    )  # fmt: skip


async def _ask_the_law(session: AsyncSession, judged: Iterable[Judged], material: _Material, terms: Terms) -> None:
    """One question for each case that is ours to call. A reason of the law may stand before our own."""
    asked = [one for one in judged if one.view.state not in OVER | ELSEWHERE]
    guard = terms.settings.guard_minutes
    if terms.store:
        contacts = [_contact(one, material, terms.settings) for one in asked]
        decisions = await compliance.ask_many(session, contacts, terms.at, guard_minutes=guard)
    else:
        questions = [_question(one, material, terms.settings) for one in asked]
        decisions = await compliance.answer_many(session, questions, terms.at, guard_minutes=guard)
    for one, decision in zip(asked, decisions, strict=True):
        one.refused = first_of(one.refused, lawful_refusal(decision, terms.day_ends))
        lawful_from = terms.at if decision.allow else decision.next_allowed_at
        if one.refused is None and lawful_from is not None:
            one.from_when = earliest(one.view, lawful_from, terms.at)
            if one.from_when is not None and one.from_when > lawful_from:
                one.refused = await _still_lawful(session, one, material, terms)


def _question(one: Judged, material: _Material, settings: Settings) -> compliance.Question:
    """Contacts of one campaign by one dialer differ in what is named here, and in the person (`call_contact`)."""
    whom, phone = one.whom, one.phone or _NO_NUMBER
    flags = tuple((f.flag, f.valid_from, f.valid_to, bool(f.evidence)) for f in material.flags.get(whom.id, ()))
    alike = (whom.jurisdiction, whom.time_zone, whom.stage, phone.number_type, phone.owner_kind, flags, one.campaign)
    return compliance.Question(whom.id, alike, lambda: _contact(one, material, settings))


def _contact(one: Judged, material: _Material, settings: Settings) -> Contact:
    number, declared = material.shown.get(one.campaign, ("", False))
    return call_contact(
        settings, one.whom, one.phone or _NO_NUMBER, material.flags.get(one.whom.id, ()), purpose=PURPOSE,
        campaign=one.campaign, stage=one.whom.stage, caller_id=number or NO_ID_YET, declared=declared,
        agent_guaranteed=True,  # whom we abandoned, the claim dials only so
    )  # fmt: skip


async def _still_lawful(session: AsyncSession, one: Judged, material: _Material, terms: Terms) -> NotToday | None:
    """The borrower asked for a later hour than the first lawful one: is that hour lawful too?"""
    assert one.from_when is not None  # noqa: S101
    if one.from_when >= terms.day_ends:
        return NotToday("NOT_DUE", one.from_when, CALLBACK)
    contact = _contact(one, material, terms.settings)
    guard = terms.settings.guard_minutes
    decision = await compliance.ask(session, contact, one.from_when, store=terms.store, guard_minutes=guard)
    if not decision.allow and decision.next_allowed_at is not None and decision.next_allowed_at < terms.day_ends:
        one.from_when = decision.next_allowed_at
    return lawful_refusal(decision, terms.day_ends)
