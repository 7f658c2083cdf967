"""What people do with tasks, each act once however often it is sent; and what the night does: placing, going up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, Task, TaskDate, TaskMove, TaskRule
from backoffice_core.cases.task_rules import BY_HAND, DATED_BY_OTHERS, NEEDS_NOTE, RESULTS, Rule, last_day_up, rule_for
from backoffice_core.errors import BadInput, Conflict, NotAllowed, NotFound
from backoffice_core.staff import units
from backoffice_core.staff.models import User

LONGEST_NOTE = 1000
FURTHEST = timedelta(days=366)  # of a control date


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `any_task`: also on what stands on others' lists."""

    id: UUID
    unit: str
    any_task: bool


async def _open(s: AsyncSession, task_id: UUID) -> Task:
    task = await s.get(Task, task_id, with_for_update=True, populate_existing=True)
    if task is None:
        raise NotFound("There is no such task.", remedy="Look at the work list again.")
    return task


async def _last(s: AsyncSession, task_id: UUID) -> TaskMove | None:
    query = select(TaskMove).where(TaskMove.task_id == task_id).order_by(TaskMove.id.desc()).limit(1)
    return await s.scalar(query)


def _note_of(note: str) -> str:
    return note.strip()[:LONGEST_NOTE]


async def _same(s: AsyncSession, task: Task, actor: Actor, **fields: object) -> bool:
    """Whether the last act on the task was this very one of this very person: a second click."""
    last = await _last(s, task.id)
    return last is not None and last.by == actor.id and all(getattr(last, k) == v for k, v in fields.items())


def _refuse_foreign(task: Task, actor: Actor) -> None:
    mine = task.owner_id == actor.id or (task.owner_id is None and actor.unit and task.unit == actor.unit)
    if not (mine or actor.any_task):
        raise NotAllowed("This task is on another's list.", remedy="Ask its owner or the head of the unit.")


def _refuse_closed(task: Task) -> None:
    if task.state != "OPEN":
        raise Conflict("This task is closed already.", remedy="Look at the case's history.")


def _move(s: AsyncSession, task: Task, act: str, actor: Actor, at: datetime, **fields: Any) -> None:
    after = {"to_owner": task.owner_id, "to_unit": task.unit, "note": "", **fields}
    s.add(
        TaskMove(
            task_id=task.id, at=at, by=actor.id, act=act, from_owner=task.owner_id, from_unit=task.unit, **after
        )
    )  # fmt: skip
    told = {"act": act, "kind": task.kind, "note": bool(after["note"])}
    audit.note(s, f"user:{actor.id}", "TASK_" + act, str(task.id), told)


async def create(
    s: AsyncSession,
    case_id: UUID,
    kind: str,
    control_date: date,
    actor: Actor,
    *,
    at: datetime,
    today: date,
    unit: str = "",
    owner_id: UUID | None = None,
    note: str = "",
) -> UUID:
    """A task by hand (CC-05). The same kind for the same day of a case is one task: a second click gives the first.

    Raises BadInput.
    """
    if kind not in BY_HAND:
        raise BadInput("Choose a kind of task from the list.", field="kind")
    _refuse_day(control_date, today)
    if unit:
        await units.find(s, unit)
    await _refuse_unknown(s, owner_id)
    key = f"hand:{kind}:{case_id}:{control_date}"
    data = {"note": _note_of(note), "by": str(actor.id)}
    task_id = await cases.raise_task(
        s, case_id, kind, control_date, key, owner_id=owner_id, unit=unit, data=data, at=at, owned=False
    )
    if task_id is None:
        known = await s.scalar(select(Task.id).where(Task.dedupe_key == key, Task.state == "OPEN"))
        assert known is not None  # noqa: S101 (it kept the new one out)
        return known
    task = await _open(s, task_id)
    _move(s, task, "RAISE", actor, at, note=_note_of(note))
    await cases.add_event(
        s, case_id, "task", at, actor.id, data={"task": kind, "control_date": str(control_date), "note": _note_of(note)}
    )
    return task_id


def _refuse_day(control_date: date, today: date) -> None:
    if control_date < today:
        raise BadInput("The control date is over.", remedy="Give a day from today on.", field="control_date")
    last = today + FURTHEST
    if control_date > last:
        raise BadInput(
            "The control date is more than a year ahead: the working calendar knows a year.",
            remedy=f"Give a day up to {last}.", field="control_date",
        )  # fmt: skip


async def _refuse_unknown(s: AsyncSession, owner_id: UUID | None) -> None:
    if owner_id and not await s.scalar(select(User.active).where(User.id == owner_id)):
        raise BadInput("This person does not work here.", field="to")


async def take(s: AsyncSession, task_id: UUID, actor: Actor, *, at: datetime) -> bool:
    """The task becomes the actor's own. False: it was already. Raises NotFound, NotAllowed, Conflict."""
    task = await _open(s, task_id)
    if task.state == "OPEN" and task.owner_id == actor.id:
        return False
    _refuse_closed(task)
    if task.owner_id is not None and not actor.any_task:
        active = await s.scalar(select(User.active).where(User.id == task.owner_id))
        if active:
            raise Conflict("Somebody else took this task.", remedy="Ask its owner to hand it over.")
    if task.owner_id is None:
        _refuse_foreign(task, actor)
    _move(s, task, "TAKE", actor, at, to_owner=actor.id)
    task.owner_id = actor.id
    return True


async def hand_over(
    s: AsyncSession,
    task_id: UUID,
    actor: Actor,
    *,
    note: str,
    at: datetime,
    to_unit: str = "",
    to_owner: UUID | None = None,
) -> bool:
    """To a person, or to a unit's list; the note says why. False: this very act was done already.

    Raises BadInput, NotFound, NotAllowed, Conflict.
    """
    task = await _open(s, task_id)
    note = _note_of(note)
    if to_owner is not None:
        await _refuse_unknown(s, to_owner)
        to_unit = await s.scalar(select(func.coalesce(User.unit, "")).where(User.id == to_owner)) or task.unit
    elif to_unit:
        to_unit = (await units.find(s, to_unit)).code
    else:
        raise BadInput("Say to whom.", remedy="Choose a person or a unit.", field="to")
    if not note:
        raise BadInput("Say why it is handed over.", remedy="The next one reads it first.", field="note")
    if await _same(s, task, actor, act="HAND_OVER", to_owner=to_owner, to_unit=to_unit, note=note):
        return False
    _refuse_closed(task)
    _refuse_foreign(task, actor)
    _move(s, task, "HAND_OVER", actor, at, to_owner=to_owner, to_unit=to_unit, note=note)
    task.owner_id, task.unit = to_owner, to_unit
    return True


async def close(s: AsyncSession, task_id: UUID, actor: Actor, *, result: str, at: datetime, note: str = "") -> bool:
    """Done, with its result. False: this very act was done already. Raises BadInput, NotFound, NotAllowed, Conflict."""
    task = await _open(s, task_id)
    note = _note_of(note)
    if result not in RESULTS:
        raise BadInput("Choose a result from the list.", field="result")
    if result in NEEDS_NOTE and not note:
        raise BadInput("Say in words what came of it.", field="note")
    if task.state == "DONE" and task.result == result and await _same(s, task, actor, act="CLOSE", note=note):
        return False
    _refuse_closed(task)
    _refuse_foreign(task, actor)
    _move(s, task, "CLOSE", actor, at, note=note)
    await _end(s, task, actor, "DONE", at, result=result, note=note)
    return True


async def cancel(s: AsyncSession, task_id: UUID, actor: Actor, *, reason: str, at: datetime) -> bool:
    """Not to be done any more, with the reason. False: this very act was done already."""
    task = await _open(s, task_id)
    reason = _note_of(reason)
    if not reason:
        raise BadInput("Say why it is cancelled.", field="reason")
    if task.state == "CANCELLED" and await _same(s, task, actor, act="CANCEL", note=reason):
        return False
    _refuse_closed(task)
    _refuse_foreign(task, actor)
    _move(s, task, "CANCEL", actor, at, note=reason)
    await _end(s, task, actor, "CANCELLED", at, result="", note=reason)
    return True


async def _end(
    s: AsyncSession, task: Task, actor: Actor, state: str, at: datetime, *, result: str, note: str
) -> None:  # fmt: skip
    task.state, task.closed_at, task.closed_by, task.result, task.note = state, at, actor.id, result, note
    data = {"task": task.kind, "state": state, "result": result, "note": note}
    await cases.add_event(s, task.case_id, "task_end", at, actor.id, data=data)


async def move_date(
    s: AsyncSession, task_id: UUID, actor: Actor, *, to: date, note: str, at: datetime, today: date
) -> bool:
    """Another control date, with the reason; the strategy's deadline stays where it was. What is late already only who may act on
    all tasks moves: then it may go up anew. False: this very act was done already.

    Raises BadInput, NotFound, NotAllowed, Conflict.
    """
    task = await _open(s, task_id)
    note = _note_of(note)
    _refuse_day(to, today)
    if not note:
        raise BadInput("Say why the date is moved.", field="note")
    last = (await dates_of(s, task.id))[-1:]
    if last and (last[0].by, last[0].to_date, last[0].note) == (actor.id, to, note) and task.control_date == to:
        return False
    _refuse_closed(task)
    _refuse_foreign(task, actor)
    if task.kind in DATED_BY_OTHERS:
        raise Conflict("The day of this task is the borrower's word.", remedy="Close it and record a new one.")
    if (task.control_date < today or task.escalated_at is not None) and not actor.any_task:
        raise NotAllowed("A late task is moved by the head.", remedy="Ask the head of the unit.")
    if to == task.control_date:
        raise BadInput("This is its control date already.", remedy="Give another day.", field="control_date")
    s.add(TaskDate(task_id=task.id, at=at, by=actor.id, from_date=task.control_date, to_date=to, note=note))
    told = {"kind": task.kind, "from": str(task.control_date), "to": str(to)}
    audit.note(s, f"user:{actor.id}", "TASK_DATE", str(task.id), told)
    data = {"task": task.kind, "control_date": str(to), "from": str(task.control_date), "note": note, "act": "moved"}
    task.control_date, task.escalated_at = to, None
    await cases.add_event(s, task.case_id, "task_date", at, actor.id, data=data)
    return True


async def dates_of(s: AsyncSession, task_id: UUID) -> list[TaskDate]:
    """How the control date was moved, the first first."""
    return list(await s.scalars(select(TaskDate).where(TaskDate.task_id == task_id).order_by(TaskDate.id)))


async def moves_of(s: AsyncSession, task_id: UUID) -> list[TaskMove]:
    return list(await s.scalars(select(TaskMove).where(TaskMove.task_id == task_id).order_by(TaskMove.id)))


# --- rules, and the night ------------------------------------------------------------------------------------------


async def rules(s: AsyncSession) -> list[Rule]:
    rows = await s.scalars(select(TaskRule).order_by(TaskRule.kind, TaskRule.valid_from))
    return [Rule(row.kind, row.unit, row.escalate_days, row.valid_from) for row in rows]


async def set_rule(
    s: AsyncSession, kind: str, unit: str, escalate_days: int, valid_from: date, *, by: str, today: date
) -> None:
    """A new row from that day on; what held before stays. Raises BadInput, NotFound."""
    if valid_from <= today:
        raise BadInput("A rule begins tomorrow at the earliest.", remedy="Give a later day.", field="valid_from")
    if not 0 <= escalate_days <= 250:
        raise BadInput("Working days late are 0 to 250.", field="escalate_days")
    await units.find(s, unit)
    known = await s.scalar(select(TaskRule).where(TaskRule.kind == kind, TaskRule.valid_from == valid_from))
    if known is None:
        s.add(known := TaskRule(kind=kind, valid_from=valid_from))
    known.unit, known.escalate_days, known.set_by = unit, escalate_days, by
    await s.flush()
    told = {"unit": unit, "escalate_days": escalate_days, "valid_from": str(valid_from)}
    audit.note(s, f"os:{by}", "TASK_RULE_SET", kind or "*", told)


async def place(s: AsyncSession, today: date) -> int:
    """Open tasks without unit get that of their kind's rule, so that each stands on somebody's list; how many did."""
    placed, held = 0, await rules(s)
    kinds = await s.scalars(select(Task.kind).where(Task.state == "OPEN", Task.unit == "").distinct())
    for kind in sorted(kinds):
        rule = rule_for(held, kind, today)
        if rule is not None and rule.unit:
            change = update(Task).where(Task.state == "OPEN", Task.unit == "", Task.kind == kind)
            placed += len((await s.execute(change.values(unit=rule.unit).returning(Task.id))).all())
    return placed


async def escalate(s: AsyncSession, today: date, is_working: Callable[[date], bool], *, at: datetime) -> int:
    """Tasks late by as many working days as their rule says go up to the list of the unit's head; how many did."""
    held = await rules(s)
    open_ones = (
        Task.state == "OPEN",
        Task.escalated_at.is_(None),
        Task.control_date < today,
        Task.kind != "CHECK_PROMISE",
    )
    pairs = (await s.execute(select(Task.kind, Task.escalate_days).where(*open_ones).distinct())).all()
    due = []
    for kind, own in pairs:
        rule = rule_for(held, kind, today)
        days = own if own is not None else rule.escalate_days if rule else None
        if days is not None:
            same = Task.escalate_days == own if own is not None else Task.escalate_days.is_(None)
            due.append(and_(Task.kind == kind, same, Task.control_date <= last_day_up(today, days, is_working)))
    if not due:
        return 0
    change = update(Task).where(*open_ones, or_(*due)).values(escalated_at=at)
    went = (await s.execute(change.returning(Task.id, Task.owner_id, Task.unit))).all()
    s.add_all(
        TaskMove(task_id=i, at=at, by=None, act="ESCALATE", from_owner=o, from_unit=u, to_owner=o, to_unit=u)
        for i, o, u in went
    )  # fmt: skip
    await s.flush()
    return len(went)


async def of_case(s: AsyncSession, case_id: UUID) -> list[Task]:
    """All tasks of a case, the oldest first."""
    query = select(Task).join(Case, Case.id == Task.case_id).where(Task.case_id == case_id)
    return list(await s.scalars(query.order_by(Task.created_at, Task.id)))
