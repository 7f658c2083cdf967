"""Work lists: every open task stands on exactly one (the view `work_lists`), and how a list is narrowed, counted, read."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, Uuid, column, func, or_, select, tuple_
from sqlalchemy import table as view
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import Person
from backoffice_core.cases.models import Case, Task
from backoffice_core.loans.models import Loan
from backoffice_core.staff.models import User

STANDING = view(
    "work_lists", column("task_id", Uuid), column("list", Text), column("person_id", Uuid), column("unit", Text),
    column("head_id", Uuid),
)  # fmt: skip
"""The view: `head_id` is whose list a late task went up to."""

SCOPES = ("mine", "unit", "managers", "all")
WHEN = ("overdue", "today", "week", "later")
PAGE = 50
MOST = 100_000  # rows of one export


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which tasks. `user_id`, `own_unit`: who looks; the rest narrows. `on`: one control date."""

    scope: str = "mine"
    user_id: UUID | None = None
    own_unit: str = ""
    heads: tuple[str, ...] = ()  # units whose head looks
    kind: str = ""
    unit: str = ""
    person: UUID | None = None
    when: str = ""
    on: date | None = None
    q: str = ""
    branch: str = ""  # only tasks of borrowers with a loan there


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRow:
    """`late_days`: calendar days past the control date, 0 = not late."""

    task: Task
    case_number: int
    person_name: str
    owner_name: str
    unit: str
    list: str
    late_days: int


def _scope(wish: Wish) -> ColumnElement[bool]:
    s = STANDING.c
    if wish.scope == "mine":
        return or_(s.person_id == wish.user_id, s.head_id == wish.user_id)
    if wish.scope == "unit":
        free = (s.list == "unit") & (s.unit == wish.own_unit)
        return or_(free, s.unit.in_(wish.heads)) if wish.heads else free
    return s.list == "managers" if wish.scope == "managers" else s.list != "night"


def _days(wish: Wish, today: date) -> list[ColumnElement[bool]]:
    ends = today + timedelta(days=7)
    return [
        *([Task.control_date == wish.on] if wish.on else []),
        *{"overdue": [Task.control_date < today], "today": [Task.control_date == today],
          "week": [Task.control_date > today, Task.control_date <= ends],
          "later": [Task.control_date > ends]}.get(wish.when, []),
    ]  # fmt: skip


def _narrowed(query: Select[Any], wish: Wish, today: date) -> Select[Any]:
    s = STANDING.c
    query = query.where(_scope(wish), s.list != "night", *_days(wish, today))
    if wish.kind:
        query = query.where(Task.kind == wish.kind)
    if wish.unit:
        query = query.where(s.unit == ("" if wish.unit == "none" else wish.unit))
    if wish.person:
        query = query.where(s.person_id == wish.person)
    if wish.branch:
        query = query.where(Case.person_id.in_(select(Loan.person_id).where(Loan.branch == wish.branch)))
    if wish.q.strip().isdecimal():
        query = query.where(Case.number == int(wish.q.strip()[:15]))
    elif wish.q.strip():
        query = query.where(Person.last_name.istartswith(wish.q.strip(), autoescape=True))
    return query


def _joined(*what: Any) -> Select[Any]:
    return (
        select(*what)
        .select_from(Task)
        .join(STANDING, STANDING.c.task_id == Task.id)
        .join(Case, Case.id == Task.case_id)
        .join(Person, Person.id == Case.person_id)
        .outerjoin(User, User.id == STANDING.c.person_id)
    )


async def one(s: AsyncSession, task_id: UUID, wish: Wish, today: date) -> WorkRow | None:
    """The task, when it stands on this list."""
    found = await rows(s, wish, today, only=task_id, limit=1)
    return found[0] if found else None


async def rows(
    s: AsyncSession, wish: Wish, today: date, *, after: tuple[date, UUID] | None = None, limit: int = PAGE + 1,
    only: UUID | None = None,
) -> list[WorkRow]:  # fmt: skip
    """By control date, the most late first."""
    query = _narrowed(_joined(Task, Case.number, Person, User.full_name, STANDING.c.unit, STANDING.c.list), wish, today)
    if only is not None:
        query = query.where(Task.id == only)
    if after is not None:
        query = query.where(tuple_(Task.control_date, Task.id) > tuple_(*after))
    found = (await s.execute(query.order_by(Task.control_date, Task.id).limit(limit))).all()
    return [
        WorkRow(
            task=task, case_number=number, person_name=person.full_name, owner_name=owner or "", unit=unit, list=which,
            late_days=max(0, (today - task.control_date).days),
        )
        for task, number, person, owner, unit, which in found
    ]  # fmt: skip


async def _grouped(s: AsyncSession, wish: Wish, today: date, by: Any) -> dict[Any, int]:
    query = _narrowed(_joined(by, func.count()), wish, today).group_by(by).order_by(func.count().desc(), by)
    return {key: count for key, count in (await s.execute(query)).all()}


async def by_kind(s: AsyncSession, wish: Wish, today: date) -> dict[str, int]:
    return await _grouped(s, replace(wish, kind=""), today, Task.kind)


async def by_unit(s: AsyncSession, wish: Wish, today: date) -> dict[str, int]:
    return await _grouped(s, replace(wish, unit=""), today, STANDING.c.unit)


async def by_day(s: AsyncSession, wish: Wish, today: date, first: date, last: date) -> dict[date, int]:
    """How many have their control date on each day from `first` through `last`."""
    query = _narrowed(_joined(Task.control_date, func.count()), replace(wish, on=None, when=""), today)
    query = query.where(Task.control_date.between(first, last)).group_by(Task.control_date)
    return {day: count for day, count in (await s.execute(query)).all()}


async def by_when(s: AsyncSession, wish: Wish, today: date) -> dict[str, int]:
    """Overdue, today, within a week, later, and `total`, of the same list without its days."""
    one = replace(wish, on=None, when="")
    parts = {name: func.count().filter(*_days(replace(one, when=name), today)) for name in WHEN}
    row = (await s.execute(_narrowed(_joined(*parts.values(), func.count()), one, today))).one()
    return dict(zip((*WHEN, "total"), row, strict=True))


async def by_scope(s: AsyncSession, wish: Wish, today: date, scopes: tuple[str, ...]) -> dict[str, int]:
    bare = Wish(user_id=wish.user_id, own_unit=wish.own_unit, heads=wish.heads, branch=wish.branch)
    counts = {}
    for scope in scopes:
        counts[scope] = (await by_when(s, replace(bare, scope=scope), today))["total"]
    return counts


async def sums(s: AsyncSession) -> dict[str, int]:
    """How many open tasks stand on each kind of list; together they are all open tasks."""
    query = select(STANDING.c.list, func.count()).group_by(STANDING.c.list)
    return {which: count for which, count in (await s.execute(query)).all()}
