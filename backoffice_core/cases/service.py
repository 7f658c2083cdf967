"""The case file: history (append-only), tasks, and finding a case."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core import bulk
from backoffice_core.borrowers import service as borrowers
from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.cases.models import Case, CaseEvent, Hold, Task, TaskRule
from backoffice_core.cases.rules import (
    CHECK_NUMBER,
    HOLD_STOPS,
    OTHER_HOLD,
    OVER,
    REFRESH_CONTACT,
    TASKS_OF,
    WAITS_WITH,
    may_move,
    next_working_day,
    one_per_case,
)
from backoffice_core.db import new_key
from backoffice_core.errors import Conflict, NotFound
from backoffice_core.loans.models import Loan

# --- history -----------------------------------------------------------------------------------------------------


async def add_event(
    session: AsyncSession,
    case_id: UUID,
    kind: str,
    at: datetime,
    actor_id: UUID | None = None,
    call_id: UUID | None = None,
    data: Mapping[str, Any] | None = None,
) -> bool:
    """Appends one line. A call has one line of each kind: the second is not written, and False is returned (TL-06).

    `at` is business time; `data` must be JSON (money as text).
    """
    values = {
        "case_id": case_id, "at": at, "kind": kind, "actor_id": actor_id, "call_id": call_id, "data": dict(data or {}),
    }  # fmt: skip
    if bulk.later(session, "case_events", values):
        return True
    row = (
        insert(CaseEvent)
        .values(values)
        .on_conflict_do_nothing(index_elements=["call_id", "kind"], index_where=CaseEvent.call_id.is_not(None))
        .returning(CaseEvent.id)
    )
    return (await session.execute(row)).scalar_one_or_none() is not None


async def events(session: AsyncSession, case_id: UUID, limit: int = 50) -> list[CaseEvent]:
    """Newest first."""
    query = select(CaseEvent).where(CaseEvent.case_id == case_id).order_by(CaseEvent.at.desc(), CaseEvent.id.desc())
    return list((await session.execute(query.limit(limit))).scalars())


# --- state -------------------------------------------------------------------------------------------------------


async def move(
    session: AsyncSession, case: Case, to: str, *, at: datetime, reason: str, actor_id: UUID | None = None
) -> None:
    """The only way from one state to another; leaves a line in the history. Raises Conflict for an unlisted move."""
    if not may_move(case.state, to):
        raise Conflict(f"A case cannot go from {case.state} to {to}.", case=str(case.id))
    before, case.state, case.state_since = case.state, to, at
    if before == "CURED" and to == "ACTIVE":
        case.episode += 1
    if to != "ON_HOLD":
        case.hold_reason, case.hold_until = "", None
    if to == "CLOSED":
        case.closed_at = at
    await session.flush()
    await add_event(session, case.id, "state", at, actor_id, data={"from": before, "to": to, "reason": reason})


async def put_back(
    session: AsyncSession, case: Case, to: str, *, at: datetime, reason: str, actor_id: UUID | None = None
) -> None:
    """Back to where an act found the case, when the act was a mistake: no move of the machine, so only a reversal may do it."""
    before, case.state, case.state_since = case.state, to, at
    await session.flush()
    await add_event(session, case.id, "state", at, actor_id, data={"from": before, "to": to, "reason": reason})


async def hold(
    session: AsyncSession,
    case_id: UUID,
    *,
    reason: str,
    at: datetime,
    actor_id: UUID | None = None,
    until: date | None = None,
    evidence: str = "",
    since: date | None = None,
    channels: Sequence[str] = (),
) -> bool:
    """Stops what a hold of this reason stops (rules.HOLD_STOPS; of CHANNEL_HOLD these `channels`), from `since` (default: the day
    of `at`) through the last day `until` (None = until a person lifts it): the case waits, unless calls go on, and tasks of
    the stopped channels are taken back.

    A case that is out of our hands already (court, agency, over) stays where it is: False. Held twice, the later
    reason stands and the longer term wins.
    """
    case = await session.get_one(Case, case_id, with_for_update=True)
    before, moved = case.state, True
    stops, pauses = (tuple(channels), False) if channels else HOLD_STOPS.get(reason, OTHER_HOLD)
    if WAITS_WITH not in stops:
        moved = False
    elif case.state == "ON_HOLD":
        until = max(until, case.hold_until) if until and case.hold_until else None
        await add_event(
            session, case_id, "state", at, actor_id, data={"from": "ON_HOLD", "to": "ON_HOLD", "reason": reason}
        )
    elif may_move(case.state, "ON_HOLD"):
        await move(session, case, "ON_HOLD", at=at, reason=reason, actor_id=actor_id)
    else:
        moved = False
    if before in OVER:
        return False
    since = since or at.date()
    session.add(
        Hold(
            id=new_key(), case_id=case_id, kind=reason, stops=list(stops), pauses_days=pauses, evidence=evidence,
            state_before=before if moved and before != "ON_HOLD" else "", valid_from=min(since, until or since),
            valid_to=until, placed_at=at,
            placed_by=actor_id,
        )
    )  # fmt: skip
    kinds = tuple(TASKS_OF[channel] for channel in stops if channel in TASKS_OF)
    await close_tasks(session, case_id, kinds, at, state="CANCELLED")
    if moved:
        case.hold_reason, case.hold_until = reason, until
    await session.flush()
    return moved


async def lift_hold(
    session: AsyncSession, case_id: UUID, *, reason: str, at: datetime, actor_id: UUID | None = None
) -> str:
    """Ends all holds for which the case waits; back to the state before the first, which the history remembers; returns it.

    Raises Conflict when the case is not on hold.
    """
    case = await session.get_one(Case, case_id, with_for_update=True)
    before = await session.scalar(
        select(CaseEvent.data["from"].astext)
        .where(CaseEvent.case_id == case_id, CaseEvent.kind == "state", CaseEvent.data["to"].astext == "ON_HOLD",
               CaseEvent.data["from"].astext != "ON_HOLD")
        .order_by(CaseEvent.id.desc()).limit(1)
    )  # fmt: skip
    to = before if before and may_move("ON_HOLD", before) else "ACTIVE"
    await move(session, case, to, at=at, reason=reason, actor_id=actor_id)
    standing = update(Hold).where(Hold.case_id == case_id, Hold.lifted_at.is_(None), Hold.stops.contains([WAITS_WITH]))
    await session.execute(standing.values(lifted_at=at, lifted_by=actor_id, lifted_why=reason))
    return to


async def holds_of(session: AsyncSession, case_id: UUID) -> list[Hold]:
    """All, the newest first."""
    return list(await session.scalars(select(Hold).where(Hold.case_id == case_id).order_by(Hold.placed_at.desc())))


async def stopped(session: AsyncSession, case_id: UUID, channel: str, day: date) -> str:
    """The kind of the hold that stops this channel (rules.CHANNELS) on this day; "" = none does."""
    query = select(Hold.kind).where(
        Hold.case_id == case_id, Hold.lifted_at.is_(None), Hold.valid_from <= day,
        or_(Hold.valid_to.is_(None), Hold.valid_to >= day), Hold.stops.contains([channel]),
    )  # fmt: skip
    return await session.scalar(query.limit(1)) or ""


# --- tasks -------------------------------------------------------------------------------------------------------


async def raise_task(
    session: AsyncSession,
    case_id: UUID,
    kind: str,
    control_date: date,
    dedupe_key: str = "",
    earliest_at: datetime | None = None,
    owner_id: UUID | None = None,
    data: Mapping[str, Any] | None = None,
    *,
    at: datetime,
    unit: str = "",
    owned: bool = True,
    escalate_days: int | None = None,
) -> UUID | None:
    """A new open task, or None when an open one with this key is already there (CC-12). `at` is business time.

    Without `owner_id` it falls to the case's owner (not with `owned` False); without one of these either, it stands on
    the list of `unit`, by default the one that the rule of its kind names (TaskRule).
    """
    owner: Any = owner_id
    if owner is None and owned:
        owner = select(Case.owner_id).where(Case.id == case_id).scalar_subquery()
    ruled = (
        select(TaskRule.unit)
        .where(TaskRule.kind.in_((kind, "")), TaskRule.valid_from <= at.date())
        .order_by(TaskRule.kind.desc(), TaskRule.valid_from.desc())
        .limit(1)
    )
    row = (
        insert(Task)
        .values(
            id=new_key(), case_id=case_id, kind=kind, state="OPEN", control_date=control_date, dedupe_key=dedupe_key,
            earliest_at=earliest_at, owner_id=owner, data=dict(data or {}), created_at=at, escalate_days=escalate_days,
            unit=unit or func.coalesce(ruled.scalar_subquery(), ""),
        )
        .on_conflict_do_nothing(
            index_elements=["dedupe_key"], index_where=text("state = 'OPEN' AND dedupe_key <> ''")
        )
        .returning(Task.id)
    )  # fmt: skip
    return (await session.execute(row)).scalar_one_or_none()


async def close_task(session: AsyncSession, task_id: UUID, at: datetime, *, state: str = "DONE") -> bool:
    """DONE or CANCELLED; False when it was not open any more."""
    change = (
        update(Task)
        .where(Task.id == task_id, Task.state == "OPEN")
        .values(state=state, closed_at=at)
        .returning(Task.id)
    )
    return (await session.execute(change)).scalar_one_or_none() is not None


async def close_tasks(
    session: AsyncSession,
    case_id: UUID,
    kinds: tuple[str, ...],
    at: datetime,
    *,
    state: str = "DONE",
    dedupe_key: str = "",
) -> int:
    """All open tasks of these kinds of one case, or only the one with `dedupe_key`."""
    change = update(Task).where(Task.case_id == case_id, Task.kind.in_(kinds), Task.state == "OPEN")
    if dedupe_key:
        change = change.where(Task.dedupe_key == dedupe_key)
    closed = await session.execute(change.values(state=state, closed_at=at).returning(Task.id))
    return len(closed.all())


async def tasks_of(session: AsyncSession, case_id: UUID, *, open_only: bool = True) -> list[Task]:
    query = select(Task).where(Task.case_id == case_id).order_by(Task.control_date, Task.created_at)
    return list((await session.execute(query.where(Task.state == "OPEN") if open_only else query)).scalars())


async def number_evidence(
    session: AsyncSession, case_id: UUID, contact_point_id: UUID, sign: str, *, at: datetime, **seen: Any
) -> borrowers.Verdict:
    """What a call says of the number it went to (`borrowers.add_evidence`), and, when the number is lost by it, the one
    open task to refresh the person's contact data (CC-10, CC-12). Its control date is the next weekday."""
    if bulk.later(session, "evidence", (case_id, contact_point_id, sign, at, seen)):
        return borrowers.Verdict(contact_point_id, contact_point_id, "", "")  # judged at the end, by write_kept
    verdict = await borrowers.add_evidence(session, contact_point_id, sign, at=at, **seen)
    due = next_working_day(at.date(), lambda day: day.weekday() < 5)
    if verdict.lost:
        await refresh_contact(session, case_id, due, at=at, state=verdict.state)
    if verdict.state == "WRONG_PARTY" and verdict.before != "WRONG_PARTY":
        await _doubt_elsewhere(session, contact_point_id, due, at=at)
    return verdict


async def write_kept(session: AsyncSession) -> None:
    """At the end of a transaction of many steps: the lines and the evidence that were kept, each kind at once.

    Evidence that a number lives changes the state of few: those are judged one by one, as are all signs of death.
    """
    if lines := bulk.kept(session, "case_events"):
        once = insert(CaseEvent.__table__).on_conflict_do_nothing(  # type: ignore[arg-type]
            index_elements=["call_id", "kind"], index_where=CaseEvent.call_id.is_not(None)
        )
        await session.execute(once, lines)
    kept = bulk.kept(session, "evidence")
    plain = await borrowers.note_alive(
        session, [(point, at, seen) for _, point, sign, at, seen in kept if sign == "alive"]
    )
    suspect = await borrowers.suspects(session, [point for _, point, sign, _, _ in kept if sign == "rings"])
    for case_id, point, sign, at, seen in kept:
        if seen["call_id"] not in plain and (sign != "rings" or point in suspect):
            await number_evidence(session, case_id, point, sign, at=at, **seen)


async def _doubt_elsewhere(session: AsyncSession, contact_point_id: UUID, control_date: date, *, at: datetime) -> None:
    """A number proven wrong for one person is a question for everybody who works a case with the same number (FL-05)."""
    wrong = select(ContactPoint.value).where(ContactPoint.id == contact_point_id).scalar_subquery()
    others = await session.execute(
        select(Case.id, ContactPoint.id)
        .join(ContactPoint, ContactPoint.person_id == Case.person_id)
        .where(Case.closed_at.is_(None), ContactPoint.kind == "phone", ContactPoint.value == wrong)
        .where(ContactPoint.id != contact_point_id, ContactPoint.state.not_in(borrowers.UNUSABLE))
    )
    for case_id, point_id in others.all():
        raised = await raise_task(
            session, case_id, CHECK_NUMBER, control_date, f"{CHECK_NUMBER}:{point_id}",
            data={"contact_point": str(point_id)}, at=at,
        )  # fmt: skip
        if raised:
            await add_event(
                session, case_id, "task", at, data={"task": CHECK_NUMBER, "control_date": str(control_date)}
            )


async def refresh_contact(
    session: AsyncSession, case_id: UUID, control_date: date, *, at: datetime, state: str
) -> UUID | None:
    """The task "refresh contact data" for the case's owner: one open at a time for a person (CC-12)."""
    task_id = await raise_task(
        session,
        case_id,
        REFRESH_CONTACT,
        control_date,
        one_per_case(REFRESH_CONTACT, case_id),
        data={"number": state},
        at=at,
    )
    if task_id:
        await add_event(session, case_id, "task", at, data={"task": REFRESH_CONTACT, "control_date": str(control_date)})
    return task_id


# --- finding -----------------------------------------------------------------------------------------------------


async def find(
    session: AsyncSession, *, number: int | None = None, contract: str = "", phone: str = ""
) -> tuple[Case, Person]:
    """The newest case by its number, by a contract of the person, or by one of his phones (E.164). Raises NotFound."""
    query = select(Case, Person).join(Person, Person.id == Case.person_id)
    if number is not None:
        query = query.where(Case.number == number)
    elif contract:
        query = query.where(Case.person_id.in_(select(Loan.person_id).where(Loan.contract_no == contract)))
    else:
        query = query.where(Case.person_id.in_(select(ContactPoint.person_id).where(ContactPoint.value == phone)))
    found = (
        await session.execute(query.order_by(Case.closed_at.desc().nulls_first(), Case.number.desc()).limit(1))
    ).first()
    if found is None:
        what = f"number {number}" if number is not None else f"contract {contract}" if contract else "this phone"
        raise NotFound(
            f"There is no case with {what}.", remedy="Look it up with `backoffice queue`, or run the night first."
        )
    return found[0], found[1]
