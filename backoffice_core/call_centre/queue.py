"""Building tonight's queue (design, "Following one call", row 2) and reading it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person, PersonFlag
from backoffice_core.call_centre import caller_ids
from backoffice_core.call_centre.contacts import call_contact
from backoffice_core.call_centre.models import CallAttempt, CallTask, NotCallable
from backoffice_core.call_centre.queue_rules import (
    CaseView,
    FlagView,
    NotToday,
    PhoneView,
    Placed,
    TaskView,
    best_phone,
    earliest,
    first_of,
    lawful_refusal,
    order,
    own_refusal,
)
from backoffice_core.call_centre.rules import NO_DISPOSITION, OUTCOMES
from backoffice_core.cases.models import Case, Task
from backoffice_core.cases.rules import CALLBACK, ELSEWHERE, FOLLOW_UP, OVER
from backoffice_core.collection.models import Promise
from backoffice_core.collection.rules import is_overdue
from backoffice_core.collection.service import OPEN_PROMISE, promise_ends
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.terms import Contact
from backoffice_core.config import Settings
from backoffice_core.db import new_key
from backoffice_core.loans import service as loans
from backoffice_core.loans import sources, stop_list
from backoffice_core.loans.service import Debt

CAMPAIGN = PURPOSE = "collection"
NO_ID_YET = "none yet"  # an id may be added by the morning; without one the claim refuses each call in its own words
MISSED_WITHIN = timedelta(days=14)  # calls in vain of so long ago still speak for the other number
_AT_ONCE = 2000
# Stands in the question about a borrower without a usable number: a protection is named before NO_PHONE.
_NO_NUMBER = ContactPoint(value="", owner_kind="self", number_type="unknown")

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class _Material:
    """What the night reads at once for all open cases."""

    cases: list[tuple[Case, Person]]
    debts: dict[UUID, list[Debt]]
    flags: dict[UUID, list[PersonFlag]] = field(default_factory=dict)  # by person
    phones: dict[UUID, list[ContactPoint]] = field(default_factory=dict)  # by person
    missed: dict[UUID, int] = field(default_factory=dict)  # by contact point
    tasks: dict[UUID, list[TaskView]] = field(default_factory=dict)  # by case
    promises: dict[UUID, date] = field(default_factory=dict)  # by case
    no_disposition: set[UUID] = field(default_factory=set)  # cases
    stops: dict[UUID, tuple[str, date | None]] = field(default_factory=dict)  # by person
    stopped_numbers: dict[str, date | None] = field(default_factory=dict)
    list_holds: dict[UUID, str] = field(default_factory=dict)  # by person
    shown: tuple[str, bool] = ("", False)  # the caller id of this campaign, and whether it is declared


@dataclass(slots=True)
class _Choice:
    view: CaseView
    stage: int
    person: Person
    phone: ContactPoint | None
    refused: NotToday | None = None
    from_when: datetime | None = None


async def build_queue(
    session: AsyncSession, business_date: date, *, now: datetime, settings: Settings, zone: ZoneInfo,
    progress: Progress = lambda done, total: None,
) -> dict[str, int]:  # fmt: skip
    """For every open case either one call task of this date, or one reason why not. Counts of both, by reason.

    `now` is business time, `zone` the bank's. Run again it changes only tasks that nobody has touched (ELIGIBLE, never
    claimed); what is being dialed, done or cancelled stays as it is, and its case gets no second task (CC-08).
    """
    day_begins = datetime.combine(business_date, time(), zone)
    day_ends = datetime.combine(business_date + timedelta(days=1), time(), zone)
    at = max(now, day_begins)
    material = await _read(session, at, business_date, settings.jurisdiction)
    if shown := await caller_ids.shown_by(session, settings, CAMPAIGN, business_date):
        material.shown = (shown.number, shown.declared(business_date))
    choices = [_choose(case, person, material, business_date, zone) for case, person in material.cases]
    await _ask_the_law(session, choices, material, at, day_ends, settings, progress)
    callable_now = [c for c in choices if c.refused is None and c.phone is not None]
    by_case = {c.view.case_id: c for c in callable_now}
    placed = order([c.view for c in callable_now], business_date)
    await _end_days_before(session, min(business_date, now.astimezone(zone).date()))
    await _write_tasks(session, business_date, placed, by_case)
    refused = [c for c in choices if c.refused is not None]
    await _write_reasons(session, business_date, refused)
    counts = {"callable": len(placed), "not_callable": len(refused)}
    for choice in refused:
        if choice.refused:
            counts[choice.refused.reason] = counts.get(choice.refused.reason, 0) + 1
            if choice.refused.rule in {sources.NO_FILE, sources.NOT_IN_FILE}:
                counts[choice.refused.rule] = counts.get(choice.refused.rule, 0) + 1
    return counts


# --- reading -------------------------------------------------------------------------------------------------------


async def _read(session: AsyncSession, at: datetime, day: date, jurisdiction: str) -> _Material:
    query = select(Case, Person).join(Person, Person.id == Case.person_id).where(Case.closed_at.is_(None))
    found = (await session.execute(query.order_by(Case.number))).all()
    material = _Material(list(found), await loans.debts(session))
    persons = select(Case.person_id).where(Case.closed_at.is_(None))
    for flag in await session.scalars(select(PersonFlag).where(PersonFlag.person_id.in_(persons))):
        material.flags.setdefault(flag.person_id, []).append(flag)
    phones = select(ContactPoint).where(ContactPoint.kind == "phone", ContactPoint.person_id.in_(persons))
    for phone in await session.scalars(phones):
        material.phones.setdefault(phone.person_id, []).append(phone)
    for task in await session.scalars(select(Task).where(Task.state == "OPEN").order_by(Task.control_date, Task.id)):
        view = TaskView(task.kind, task.control_date, task.earliest_at)
        material.tasks.setdefault(task.case_id, []).append(view)
    for promise in await session.scalars(select(Promise).where(Promise.state.in_(OPEN_PROMISE))):
        ends = promise_ends(promise)
        material.promises[promise.case_id] = max(ends, material.promises.get(promise.case_id, ends))
    missed = (
        select(CallAttempt.contact_point_id, func.count())
        .where(CallAttempt.business_at > at - MISSED_WITHIN, CallAttempt.answered_at.is_(None))
        .where(CallAttempt.direction == "out")
        .group_by(CallAttempt.contact_point_id)
    )
    material.missed = {point: count for point, count in (await session.execute(missed)).all() if point is not None}
    waiting = select(CallAttempt.case_id).where(CallAttempt.outcome == NO_DISPOSITION)
    material.no_disposition = {one for one in await session.scalars(waiting) if one is not None}
    material.stops = await stop_list.stopped_persons(session, day)
    material.stopped_numbers = await stop_list.stopped_numbers(session, day)
    list_day = await compliance.last_working_day(session, jurisdiction, day)
    material.list_holds = await sources.held(session, list_day)
    return material


def _choose(case: Case, person: Person, material: _Material, day: date, zone: ZoneInfo) -> _Choice:
    phones = {p.id: p for p in material.phones.get(person.id, [])}
    late = [d for d in material.debts.get(person.id, []) if is_overdue(d.overdue, d.days_past_due)]
    worst = max(late, key=lambda d: (d.days_past_due, d.overdue), default=None)
    stop, stop_until = material.stops.get(person.id, ("", None))
    view = CaseView(
        case_id=case.id, number=case.number, state=case.state, hold_until=case.hold_until,
        currency=worst.currency if worst else "", overdue=worst.overdue if worst else Decimal(0),
        days_past_due=worst.days_past_due if worst else 0,
        promise_ends=material.promises.get(case.id), no_disposition=case.id in material.no_disposition,
        stop=stop, stop_until=stop_until, list_hold=material.list_holds.get(person.id, ""),
        tasks=tuple(material.tasks.get(case.id, ())),
        flags=tuple(FlagView(f.flag, f.valid_from, f.valid_to) for f in material.flags.get(person.id, [])),
        phones=tuple(
            PhoneView(p.id, p.owner_kind, p.state, p.number_type, p.rank, material.missed.get(p.id, 0),
                      p.value in material.stopped_numbers)
            for p in phones.values()
        ),
    )  # fmt: skip
    best = best_phone(view.phones)
    return _Choice(view, case.stage, person, phones[best.id] if best else None, own_refusal(view, day, zone))


async def _ask_the_law(
    session: AsyncSession, choices: list[_Choice], material: _Material, at: datetime, day_ends: datetime,
    settings: Settings, progress: Progress,
) -> None:  # fmt: skip
    """One question for each case that is ours to call. A reason of the law may stand before our own."""
    asked = [c for c in choices if c.view.state not in OVER | ELSEWHERE]
    for start in range(0, len(asked), _AT_ONCE):
        part = asked[start : start + _AT_ONCE]
        contacts = [_contact(c, material, settings) for c in part]
        decisions = await compliance.ask_many(session, contacts, at, guard_minutes=settings.guard_minutes)
        for choice, decision in zip(part, decisions, strict=True):
            choice.refused = first_of(choice.refused, lawful_refusal(decision, day_ends))
            lawful_from = at if decision.allow else decision.next_allowed_at
            if choice.refused is None and lawful_from is not None:
                choice.from_when = earliest(choice.view, lawful_from, at)
                if choice.from_when is not None and choice.from_when > lawful_from:
                    choice.refused = await _still_lawful(session, choice, material, day_ends, settings)
        progress(start + len(part), len(asked))


def _contact(choice: _Choice, material: _Material, settings: Settings) -> Contact:
    return call_contact(
        settings, choice.person, choice.phone or _NO_NUMBER, material.flags.get(choice.person.id, []), purpose=PURPOSE,
        campaign=CAMPAIGN, stage=choice.stage, caller_id=material.shown[0] or NO_ID_YET,
        declared=material.shown[1], agent_guaranteed=True,  # whom we abandoned, the claim dials only so
    )  # fmt: skip


async def _still_lawful(
    session: AsyncSession, choice: _Choice, material: _Material, day_ends: datetime, settings: Settings
) -> NotToday | None:
    """The borrower asked for a later hour than the first lawful one: is that hour lawful too?"""
    assert choice.from_when is not None  # noqa: S101
    if choice.from_when >= day_ends:
        return NotToday("NOT_DUE", choice.from_when, CALLBACK)
    contact = _contact(choice, material, settings)
    decision = await compliance.ask(session, contact, choice.from_when, guard_minutes=settings.guard_minutes)
    if not decision.allow and decision.next_allowed_at is not None and decision.next_allowed_at < day_ends:
        choice.from_when = decision.next_allowed_at
    return lawful_refusal(decision, day_ends)


# --- writing -------------------------------------------------------------------------------------------------------


async def _end_days_before(session: AsyncSession, day: date) -> None:
    """Yesterday's list is not dialed."""
    left = (CallTask.business_date < day, CallTask.state.in_(("ELIGIBLE", "RETRY_WAIT")))
    await session.execute(update(CallTask).where(*left).values(state="CANCELLED", state_reason="DAY_OVER"))


async def _write_tasks(session: AsyncSession, day: date, placed: list[Placed], by_case: dict[UUID, _Choice]) -> None:
    """Adds new tasks, corrects those that nobody has touched, takes away those whose case may not be called any more."""
    untouched = (CallTask.state == "ELIGIBLE", CallTask.attempts == 0, CallTask.fence == 0)
    kept = [one.case.case_id for one in placed]
    stale = delete(CallTask).where(CallTask.business_date == day, *untouched, CallTask.case_id != func.all(kept))
    await session.execute(stale)
    rows: list[dict[str, Any]] = []
    for one in placed:
        choice = by_case[one.case.case_id]
        assert choice.phone is not None  # noqa: S101 (a case without one has been refused)
        rows.append(
            {
                "id": new_key(), "business_date": day, "case_id": one.case.case_id, "person_id": choice.person.id,
                "contact_point_id": choice.phone.id, "campaign": CAMPAIGN, "purpose": PURPOSE, "state": "ELIGIBLE",
                "position": one.position, "why": one.why, "earliest_at": choice.from_when, "demo": choice.person.demo,
            }
        )  # fmt: skip
    changing = ("contact_point_id", "position", "why", "earliest_at", "demo")
    statement = insert(CallTask)
    new = {name: statement.excluded[name] for name in changing}
    differs = or_(*(getattr(CallTask, name).is_distinct_from(value) for name, value in new.items()))
    statement = statement.on_conflict_do_update(
        index_elements=["business_date", "case_id"], set_=new, where=and_(*untouched, differs)
    )
    if rows:
        await session.execute(statement, rows)


async def _write_reasons(session: AsyncSession, day: date, refused: list[_Choice]) -> None:
    """One reason for each case without a task; a case that somebody is already calling today keeps its task instead."""
    with_task = set(await session.scalars(select(CallTask.case_id).where(CallTask.business_date == day)))
    rows = [
        {"business_date": day, "case_id": c.view.case_id, "reason": c.refused.reason, "until": c.refused.until,
         "rule": c.refused.rule}
        for c in refused if c.refused and c.view.case_id not in with_task
    ]  # fmt: skip
    kept = [row["case_id"] for row in rows]
    stale = delete(NotCallable).where(NotCallable.business_date == day, NotCallable.case_id != func.all(kept))
    await session.execute(stale)
    statement = insert(NotCallable)
    new = {name: statement.excluded[name] for name in ("reason", "until", "rule")}
    differs = or_(*(getattr(NotCallable, name).is_distinct_from(value) for name, value in new.items()))
    if rows:
        await session.execute(
            statement.on_conflict_do_update(index_elements=["business_date", "case_id"], set_=new, where=differs), rows
        )


async def close_served(session: AsyncSession, at: datetime) -> int:
    """Closes call backs and follow-ups after which the right person has been talked to; returns how many."""
    talked = [code for code, rule in OUTCOMES.items() if rule.rpc]
    served = exists().where(
        CallAttempt.case_id == Task.case_id,
        CallAttempt.business_at >= func.coalesce(Task.earliest_at, Task.created_at),
        CallAttempt.outcome.in_(talked),
    )
    change = update(Task).where(Task.kind.in_((CALLBACK, FOLLOW_UP)), Task.state == "OPEN", served)
    closed = await session.execute(change.values(state="DONE", closed_at=at).returning(Task.id))
    return len(closed.all())


# --- reading the queue ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """`why`: the terms of the order (queue_rules)."""

    position: int
    case_number: int
    person_name: str
    phone: str
    state: str
    state_reason: str
    attempts: int
    earliest_at: datetime | None
    why: dict[str, Any]


async def somebody_waits(session: AsyncSession, business_date: date, *, dialing: bool) -> bool:
    """Whether a phone that is rung for each call should ring: a task is callable now (`dialing`: calls may be begun), or a
    borrower calls us and has nobody yet."""
    callable_now = exists().where(
        CallTask.business_date == business_date, CallTask.state.in_(("ELIGIBLE", "RETRY_WAIT")),
        CallTask.earliest_at.is_(None),
    )  # fmt: skip
    calls_us = exists().where(
        CallAttempt.direction == "in", CallAttempt.ended_at.is_(None), CallAttempt.agent_id.is_(None),
        ~CallAttempt.abandoned,
    )  # fmt: skip
    return bool(await session.scalar(select(or_(and_(literal(dialing), callable_now), calls_us))))


async def tonight(session: AsyncSession, business_date: date, *, limit: int = 100, after: int = 0) -> list[QueueRow]:
    """Tasks of a date in their order, from the position behind `after`."""
    query = (
        select(CallTask, Case.number, Person, ContactPoint.value)
        .join(Case, Case.id == CallTask.case_id)
        .join(Person, Person.id == CallTask.person_id)
        .join(ContactPoint, ContactPoint.id == CallTask.contact_point_id)
        .where(CallTask.business_date == business_date, CallTask.position > after)
        .order_by(CallTask.position, CallTask.id)
        .limit(limit)
    )
    return [
        QueueRow(
            position=task.position, case_number=number, person_name=person.full_name, phone=phone, state=task.state,
            state_reason=task.state_reason, attempts=task.attempts, earliest_at=task.earliest_at, why=task.why,
        )
        for task, number, person, phone in (await session.execute(query))
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCallableRow:
    case_number: int
    person_name: str
    reason: str
    until: datetime | None
    rule: str


async def not_callable(
    session: AsyncSession, business_date: date, *, reason: str = "", limit: int = 100
) -> list[NotCallableRow]:
    """Cases that are not called on a date, by case number."""
    query = (
        select(NotCallable, Case.number, Person)
        .join(Case, Case.id == NotCallable.case_id)
        .join(Person, Person.id == Case.person_id)
        .where(NotCallable.business_date == business_date)
        .order_by(Case.number)
        .limit(limit)
    )
    found = await session.execute(query.where(NotCallable.reason == reason) if reason else query)
    return [
        NotCallableRow(case_number=number, person_name=p.full_name, reason=n.reason, until=n.until, rule=n.rule)
        for n, number, p in found
    ]
