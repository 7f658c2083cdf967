"""Whether each of these cases is called on a date, by which number and from when, or why not: the night asks for all open
cases, the day (`requeue`) for those of which a fact has changed. There is no other way to judge one."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.calls.contacts import call_contact
from backoffice_core.call_centre.carriers import caller_ids
from backoffice_core.call_centre.dialing import campaign_lists
from backoffice_core.call_centre.dialing.campaign_lists import Owners
from backoffice_core.call_centre.dialing.campaign_rules import DEBT, barred
from backoffice_core.call_centre.queueing.queue_rules import (
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
    own_terms,
)
from backoffice_core.call_centre.rules import NO_DISPOSITION
from backoffice_core.cases.rules import CALLBACK, CHANNEL_HOLD, ELSEWHERE, OVER
from backoffice_core.collection.rules import is_overdue
from backoffice_core.collection.service import OPEN_PROMISE
from backoffice_core.compliance import consents
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.terms import ConsentView, Contact, Decision
from backoffice_core.config import Settings
from backoffice_core.db import by_keys, driver, keys, passes
from backoffice_core.loans import sources, stop_list

log = structlog.get_logger()
CAMPAIGN = campaign_lists.REST
UNSAID = frozenset({"NO_RULE", "NO_CONSENT"})  # nobody was called for it: his debt may be
UNJUDGED = "UNJUDGED"  # the rule of a case whose judging failed
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
    value: str
    owner_kind: str
    number_type: str
    rank: int
    state: str

    @classmethod
    def of(cls, digits: str, view: PhoneView) -> "Phone":
        return cls(view.id, digits, view.owner_kind, view.number_type, view.rank, view.state)


class Flag(NamedTuple):
    """As `call_contact` takes it."""

    flag: str
    valid_from: date
    valid_to: date | None
    evidence: str


# Stands in the question about a borrower without a usable number: a protection is named before NO_PHONE.
_NO_NUMBER = Phone(UUID(int=0), "", "self", "unknown", 0, "")


@dataclass(slots=True)
class Judged:
    """`refused` None: he is called by `phone` from `from_when` (business time; None = at once)."""

    view: CaseView
    whom: Whom
    phone: Phone | None
    refused: NotToday | None = None
    from_when: datetime | None = None
    numbers: Sequence[tuple[str, PhoneView]] = ()  # all of his: digits, and the rest
    campaign: str = CAMPAIGN

    @property
    def phones(self) -> list[Phone]:
        return [Phone.of(digits, phone) for digits, phone in self.numbers]


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
    def day_begins(self) -> datetime:
        return datetime.combine(self.day, time(), self.zone)

    @property
    def day_ends(self) -> datetime:
        return datetime.combine(self.day + timedelta(days=1), time(), self.zone)

    @classmethod
    def of(cls, day: date, now: datetime, settings: Settings, zone: ZoneInfo, *, store: bool = False) -> "Terms":
        return cls(day=day, at=max(now, datetime.combine(day, time(), zone)), settings=settings, zone=zone, store=store)


async def judge(session: AsyncSession, case_ids: Sequence[UUID], terms: Terms) -> list[Judged]:
    """Those of these cases that are open, by number. Some thousands at a time: what is equal for many is worked out once.

    Who may not be called for a survey or information is judged again as a debtor, unless he was called today: one case, one
    task or one reason a day."""
    material = await _read(session, case_ids, terms)
    known: dict[tuple[object, ...], NotToday | None] = {}
    judged = [_judge(whom, material, terms, known) for whom in material.cases]
    others = [one for one in judged if material.owners.purpose(one.campaign) != DEBT]
    if others:
        await _refuse_barred(session, others, material, terms)
    await _ask_the_law(session, judged, material, terms)
    back = [one for one in others if one.refused and (one.view.last_called is None or one.refused.reason in UNSAID)]
    if back:
        for one in back:
            robots = one.view.case_id not in material.no_robot
            one.campaign = material.owners.of(one.view.case_id, one.view.stage, debt=True, robots=robots)
            one.refused, one.from_when = _own(one.view, material, one.campaign, terms, known), None
        await _ask_the_law(session, back, material, terms)
    for one in judged:
        if one.refused and one.refused.until is not None and one.refused.until <= terms.at:
            one.refused = one.refused._replace(until=terms.day_ends)  # over by its date, but only the night lifts it
    return judged


async def judge_each(session: AsyncSession, case_ids: Sequence[UUID], terms: Terms) -> list[Judged]:
    """`judge`, where a case that cannot be judged holds up no other: it is told in the log, and not called (UNJUDGED) until
    a fact of it changes or the next night. Raises as `judge` when the database does not answer."""
    try:
        async with session.begin_nested():
            return await judge(session, case_ids, terms)
    except Exception as error:
        if passes(error) or not case_ids:
            raise
        if len(case_ids) == 1:
            log.error("a case cannot be judged", case_id=str(case_ids[0]), error=type(error).__name__)
            return await _unjudged(session, case_ids[0])
    half = len(case_ids) // 2
    first = await judge_each(session, case_ids[:half], terms)
    return first + await judge_each(session, case_ids[half:], terms)


async def _unjudged(session: AsyncSession, case_id: UUID) -> list[Judged]:
    row = (await session.execute(_BARE, {"id": case_id})).one_or_none()
    if row is None:
        return []
    whom = Whom(*row)
    view = CaseView(
        case_id=whom.case_id, number=whom.number, state=whom.state, currency="", overdue=Decimal(0), days_past_due=0, phones=()
    )  # fmt: skip
    return [Judged(view, whom, None, NotToday("ON_HOLD", None, UNJUDGED))]


_BARE = text("""
    SELECT c.id, c.number, c.state, c.stage, CAST(NULL AS date), p.id, p.jurisdiction, p.time_zone, p.demo
    FROM cases c JOIN persons p ON p.id = c.person_id WHERE c.id = :id AND c.closed_at IS NULL
""")


# --- reading -------------------------------------------------------------------------------------------------------


Debt = tuple[Decimal, int, str]  # overdue, days past due, currency


@dataclass(slots=True)
class _Material:
    """What is read at once for all of them."""

    cases: list[Whom]
    debts: dict[UUID, list[Debt]] = field(default_factory=dict)  # by person
    flags: dict[UUID, list[Flag]] = field(default_factory=dict)  # by person
    phones: dict[UUID, list[tuple[str, PhoneView]]] = field(default_factory=dict)  # by person: digits, and the rest
    tasks: dict[UUID, list[TaskView]] = field(default_factory=dict)  # by case
    promises: dict[UUID, date] = field(default_factory=dict)  # by case: the day after the last one's grace
    no_disposition: set[UUID] = field(default_factory=set)  # cases
    last_called: dict[UUID, datetime] = field(default_factory=dict)  # by case, of the date
    stops: dict[UUID, tuple[str, date | None]] = field(default_factory=dict)  # by person
    list_holds: dict[UUID, str] = field(default_factory=dict)  # by person
    owners: Owners = field(default_factory=Owners)
    # by campaign the caller id, and whether it is declared
    shown: dict[str, tuple[str, bool]] = field(default_factory=dict)
    consents: dict[UUID, tuple[ConsentView, ...]] = field(default_factory=dict)  # by person
    # read only while a campaign needs it:
    no_robot: set[UUID] = field(default_factory=set)  # cases of which a hold stops robots' calls
    hardship: set[UUID] = field(default_factory=set)  # persons


_CASES = by_keys("""
    -- judged_cases: open cases with their borrowers
    SELECT c.id, c.number, c.state, c.stage, c.hold_until, p.id, p.jurisdiction, p.time_zone, p.demo
    FROM cases c JOIN persons p ON p.id = c.person_id
    WHERE c.id = ANY($1) AND c.closed_at IS NULL ORDER BY c.number
""")
# loans.service.debts, of these alone
_DEBTS = by_keys("""
    SELECT person_id, sum(overdue_principal + overdue_interest + overdue_penalty + overdue_fee), max(days_past_due), currency
    FROM loans WHERE person_id = ANY($1) GROUP BY person_id, currency ORDER BY currency
""")
_FLAGS = by_keys("SELECT person_id, flag, valid_from, valid_to, evidence FROM person_flags WHERE person_id = ANY($1)")
_PHONES = by_keys("""
    -- judged_phones: person, digits, and a PhoneView
    SELECT n.person_id, n.value, n.id, n.owner_kind, n.state, n.number_type, n.rank,
           (SELECT count(*) FROM call_attempts a WHERE a.contact_point_id = n.id AND a.direction = 'out'
               AND a.business_at > $2 AND a.answered_at IS NULL),
           STOPPED
    FROM contact_points n WHERE n.kind = 'phone' AND n.person_id = ANY($1)
""").replace("STOPPED", stop_list.number_stopped_sql(number="n.value", day="$3"))
_TASKS = by_keys("""
    SELECT case_id, kind, control_date, earliest_at FROM tasks WHERE state = 'OPEN' AND case_id = ANY($1)
    ORDER BY control_date, id
""")
# collection.service.promise_ends
_PROMISES = by_keys("""
    SELECT case_id, least(max(due_date + grace_days + 1), date '9999-12-31')
    FROM promises WHERE state = ANY($2::text[]) AND case_id = ANY($1)
    GROUP BY case_id
""")
_HOLDS = by_keys("""
    -- judged_holds: case, person, kind, and whether it stops robots on this date
    SELECT h.case_id, c.person_id, h.kind,
           h.stops ? 'robot' AND h.valid_from <= $2 AND (h.valid_to IS NULL OR h.valid_to >= $2)
    FROM holds h JOIN cases c ON c.id = h.case_id WHERE c.person_id = ANY($1) AND h.lifted_at IS NULL
""")
_CALLS = by_keys("""
    -- judged_calls: whether a talk waits for its result, and the last call of the date
    SELECT case_id, bool_or(outcome = $2) IS TRUE, max(business_at) FILTER (WHERE business_at >= $3 AND direction = 'out')
    FROM call_attempts WHERE case_id = ANY($1) AND (outcome = $2 OR business_at >= $3) GROUP BY case_id
""")


async def _read(session: AsyncSession, case_ids: Sequence[UUID], terms: Terms) -> _Material:
    link = await driver(session)
    material = _Material([Whom(*row) for row in await link.fetch(_CASES, keys(case_ids))])
    everyone = [whom.id for whom in material.cases]
    if not everyone:
        return material
    persons = keys(everyone)
    for person, *debt in await link.fetch(_DEBTS, persons):
        material.debts.setdefault(person, []).append((debt[0], debt[1], debt[2]))
    for person, *flag in await link.fetch(_FLAGS, persons):
        material.flags.setdefault(person, []).append(Flag(*flag))
    for person, digits, *rest in await link.fetch(_PHONES, persons, terms.at - MISSED_WITHIN, terms.day):
        material.phones.setdefault(person, []).append((digits, PhoneView(*rest)))
    await _read_work(link, keys(whom.case_id for whom in material.cases), material, terms)
    material.stops = await stop_list.stopped_persons(session, terms.day, everyone)
    list_day = await compliance.last_working_day(session, terms.settings.jurisdiction, terms.day)
    material.list_holds = await sources.held(session, list_day, everyone, max_days=terms.settings.balance_max_days)
    material.owners = await campaign_lists.owners(session, [whom.case_id for whom in material.cases])
    material.consents = await consents.views(session, everyone)
    if material.owners.robots or material.owners.purposes:
        for case, person, kind, robots in await link.fetch(_HOLDS, persons, terms.day):
            if robots:
                material.no_robot.add(case)
            if kind == "HARDSHIP":
                material.hardship.add(person)
    for name in (CAMPAIGN, *(name for name, _ in material.owners.campaigns)):
        if shown := await caller_ids.shown_by(session, terms.settings, name, terms.day):
            material.shown[name] = (shown.number, shown.declared(terms.day))
    return material


async def _read_work(link: Any, cases: str, material: _Material, terms: Terms) -> None:
    for case_id, *task in await link.fetch(_TASKS, cases):
        material.tasks.setdefault(case_id, []).append(TaskView(*task))
    material.promises = dict(await link.fetch(_PROMISES, cases, list(OPEN_PROMISE)))
    for case_id, no_disposition, last_called in await link.fetch(_CALLS, cases, NO_DISPOSITION, terms.day_begins):
        if no_disposition:
            material.no_disposition.add(case_id)
        if last_called is not None:
            material.last_called[case_id] = last_called


# --- judging -------------------------------------------------------------------------------------------------------


def _judge(whom: Whom, material: _Material, terms: Terms, known: dict[tuple[object, ...], NotToday | None]) -> Judged:
    """`known`: what the case itself says against a call, by all that it hangs on."""
    overdue = [d for d in material.debts.get(whom.id, ()) if is_overdue(d[0], d[1])]
    worst = max(overdue, key=_WORST) if overdue else None
    stop, stop_until = material.stops.get(whom.id, ("", None))
    phones, flags = material.phones.get(whom.id, ()), material.flags.get(whom.id)
    view = CaseView(
        case_id=whom.case_id, number=whom.number, state=whom.state, hold_until=whom.hold_until,
        currency=worst[2] if worst else "", overdue=worst[0] if worst else Decimal(0),
        days_past_due=worst[1] if worst else 0,
        stage=whom.stage, last_called=material.last_called.get(whom.case_id),
        promise_ends=material.promises.get(whom.case_id), no_disposition=whom.case_id in material.no_disposition,
        stop=stop, stop_until=stop_until, list_hold=material.list_holds.get(whom.id, ""),
        tasks=tuple(material.tasks.get(whom.case_id, ())),
        flags=tuple([FlagView(f.flag, f.valid_from, f.valid_to) for f in flags]) if flags else (),
        phones=tuple([phone for _, phone in phones]),
    )  # fmt: skip
    best = best_phone(view.phones)
    campaign = material.owners.of(whom.case_id, whom.stage, robots=whom.case_id not in material.no_robot)
    number = None
    for digits, phone in phones if best is not None else ():
        if phone is best:
            number = Phone.of(digits, phone)
    return Judged(
        view, whom, number, _own(view, material, campaign, terms, known, best), numbers=phones, campaign=campaign
    )


def _own(
    view: CaseView, material: _Material, campaign: str, terms: Terms, known: dict[tuple[object, ...], NotToday | None],
    best: PhoneView | None = None,
) -> NotToday | None:  # fmt: skip
    """`best`: of its phones, where that is known already."""
    debt = material.owners.purpose(campaign) == DEBT
    own = (debt, *own_terms(view, best or best_phone(view.phones)))
    if own not in known:
        known[own] = own_refusal(view, terms.day, terms.zone, debt)
    if campaign in material.owners.robots and view.case_id in material.no_robot:  # no campaign of agents takes him
        return first_of(known[own], NotToday("ON_HOLD", None, CHANNEL_HOLD))
    return known[own]


async def _refuse_barred(session: AsyncSession, judged: Iterable[Judged], material: _Material, terms: Terms) -> None:
    """No rule of a person's country says how often he may be called for this purpose."""
    rules = await compliance.rulebook(session)
    found: dict[tuple[str, str], tuple[str, str] | None] = {}
    for one in judged:
        key = one.campaign, one.whom.jurisdiction
        if key not in found:
            places, robot = {one.whom.jurisdiction, terms.settings.jurisdiction}, one.campaign in material.owners.robots
            found[key] = barred(rules, material.owners.purpose(one.campaign), places, terms.day, robot=robot)
        if why := found[key]:
            one.refused = first_of(one.refused, NotToday("NO_RULE", None, why[0]))


_WORST = itemgetter(1, 0)


async def _ask_the_law(session: AsyncSession, judged: Iterable[Judged], material: _Material, terms: Terms) -> None:
    """One question for each case that is ours to call. A reason of the law may stand before our own."""
    asked = [one for one in judged if one.view.state not in OVER | ELSEWHERE]
    decisions = await _answers(session, [_question(one, material, terms.at) for one in asked], material, terms)
    later: list[tuple[Judged, datetime]] = []
    law = _Law(terms)
    for one, decision in zip(asked, decisions, strict=True):
        refused, lawful_from = law.says(decision)
        one.refused = first_of(one.refused, refused) if refused else one.refused
        if one.refused is None and lawful_from is not None:
            one.from_when = earliest(one.view, lawful_from, terms.at)
            if one.from_when is not None and one.from_when > lawful_from:
                later.append((one, one.from_when))
    await _still_lawful(session, later, material, terms)


class _Law:
    """What an answer means for the day; read once of an answer that many share."""

    def __init__(self, terms: Terms) -> None:
        self._at, self._ends = terms.at, terms.day_ends
        self._read: dict[int, tuple[NotToday | None, datetime | None]] = {}  # by identity: the answers live as long

    def says(self, decision: Decision) -> tuple[NotToday | None, datetime | None]:
        """Why nobody may be called on this date, and from when somebody may."""
        known = self._read.get(id(decision))
        if known is None:
            lawful_from = self._at if decision.allow else decision.next_allowed_at
            known = self._read[id(decision)] = lawful_refusal(decision, self._ends), lawful_from
        return known


async def _still_lawful(
    session: AsyncSession, later: list[tuple[Judged, datetime]], material: _Material, terms: Terms
) -> None:
    """Of borrowers who asked for a later hour than the first lawful one: is that hour lawful too?"""
    for one, at in later:
        if at >= terms.day_ends:
            one.refused = NotToday("NOT_DUE", at, CALLBACK)
    asked = [(one, at) for one, at in later if one.refused is None]
    decisions = await _answers(session, [_question(one, material, at) for one, at in asked], material, terms)
    for (one, _), decision in zip(asked, decisions, strict=True):
        if not decision.allow and decision.next_allowed_at is not None and decision.next_allowed_at < terms.day_ends:
            one.from_when = decision.next_allowed_at
        one.refused = lawful_refusal(decision, terms.day_ends)


async def _answers(
    session: AsyncSession, questions: list[compliance.Question], material: _Material, terms: Terms
) -> list[Decision]:
    return await compliance.answer_many(
        session, questions, lambda one: _contact(one, material, terms.settings),
        guard_minutes=terms.settings.guard_minutes, store=terms.store,
    )  # fmt: skip


def _question(one: Judged, material: _Material, at: datetime) -> compliance.Question:
    """Contacts of one campaign by one dialer differ in what is named here, and in the person (`call_contact`)."""
    whom, phone = one.whom, one.phone or _NO_NUMBER
    known = material.flags.get(whom.id)
    flags = tuple([(f.flag, f.valid_from, f.valid_to, bool(f.evidence)) for f in known]) if known else ()
    alike: Hashable = (
        whom.jurisdiction, whom.time_zone, whom.stage, phone.number_type, phone.owner_kind, flags, one.campaign,
        *_agreed(one, material),
    )  # fmt: skip
    return compliance.Question(whom.id, phone.value, alike, one, at)


def _agreed(one: Judged, material: _Material) -> tuple[tuple[ConsentView, ...], frozenset[str] | None]:
    """What he has consented to; and, of who is not called about a debt, how he stands with his (`contacts.agreed`)."""
    said = material.consents.get(one.whom.id, ())
    if material.owners.purpose(one.campaign) == DEBT:
        return said, None
    late = any(overdue > 0 or days > 0 for overdue, days, _ in material.debts.get(one.whom.id, ()))
    found = {"in_arrears": late, "hardship": one.whom.id in material.hardship}
    return said, frozenset(word for word, true in found.items() if true)


def _contact(one: Judged, material: _Material, settings: Settings) -> Contact:
    robots = material.owners.robots
    number, declared = material.shown.get(one.campaign, ("", False))
    said, standing = _agreed(one, material)
    return call_contact(
        settings, one.whom, one.phone or _NO_NUMBER, material.flags.get(one.whom.id, ()),
        purpose=material.owners.purpose(one.campaign), campaign=one.campaign, stage=one.whom.stage,
        caller_id=number or NO_ID_YET, declared=declared,
        agent_guaranteed=one.campaign not in robots,  # whom we abandoned, the claim dials only so
        robot=one.campaign in robots, consents=said, standing=standing,
    )  # fmt: skip
