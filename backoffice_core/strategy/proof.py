"""Proof that every step was done (CK-25): due = done + late + skipped + open, as at any day, each figure to its rows."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import Person
from backoffice_core.cases.models import Case
from backoffice_core.loans.service import of_branch
from backoffice_core.staff.models import User
from backoffice_core.strategy.models import StepDue, StrategyVersion
from backoffice_core.strategy.rules import STATES

BY = ("unit", "person", "version", "arm", "kind", "stage")
PAGE, MOST = 50, 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Steps due from `first` through `last`, as at the end of `as_at`. The rest narrows; "" = any, "-" = without."""

    as_at: date
    first: date
    last: date
    case_id: UUID | None = None
    state: str = ""
    reason: str = ""
    unit: str = ""
    person: str = ""
    version: str = ""
    arm: str = ""
    kind: str = ""
    stage: str = ""
    branch: str = ""  # of a login that sees one alone; "" = all


def due(ask: Ask, *columns: Any) -> Any:
    """A query of these columns over the steps that are asked for; `StepDue` and `StrategyVersion` are joined in it."""
    return _narrowed(select(*columns).select_from(StepDue), ask)


def step_owner() -> Any:
    """Who did a step, or whose it is."""
    return _OWNER


def version_name() -> Any:
    """A version as `strategy/number`."""
    return _VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`key` is what `Ask` narrows by; `name` what stands for it (a person, a version)."""

    key: str
    name: str
    due: int
    done: int
    late: int
    skipped: int
    open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    due: StepDue
    state: str
    case_number: int
    person_name: str
    owner_name: str
    strategy: str
    version: int


def state_at(day: date) -> ColumnElement[str]:
    """`rules.state_as_at`, in the database."""
    t = StepDue
    return case(
        (t.done_on <= day, case((t.done_on <= t.deadline, "DONE"), else_="LATE")),
        (t.skipped_on <= day, case((t.skipped_on <= t.deadline, "SKIPPED"), else_="LATE")),
        (t.deadline < day, "LATE"),
        else_="OPEN",
    )


_VERSION = StrategyVersion.strategy + "/" + func.cast(StrategyVersion.version, StrategyVersion.strategy.type)
_OWNER = func.coalesce(StepDue.done_by, StepDue.owner_id)
_KEYS: dict[str, Any] = {
    "unit": StepDue.unit, "person": func.coalesce(func.cast(_OWNER, StepDue.unit.type), ""), "version": _VERSION,
    "arm": StepDue.arm, "kind": StepDue.kind, "stage": func.cast(StepDue.stage, StepDue.unit.type),
}  # fmt: skip


def _narrowed(query: Any, ask: Ask) -> Any:
    last = min(ask.last, ask.as_at)  # what falls due later was not due then
    query = query.join(StrategyVersion, StrategyVersion.id == StepDue.version_id).where(
        StepDue.due_date.between(ask.first, last)
    )
    if ask.branch:
        query = query.where(of_branch(StepDue.person_id, ask.branch))
    if ask.case_id:
        query = query.where(StepDue.case_id == ask.case_id)
    if ask.state:
        query = query.where(state_at(ask.as_at) == ask.state)
    if ask.reason:
        query = query.where(StepDue.reason == ask.reason)
    for name, key in _KEYS.items():
        if wanted := getattr(ask, name):
            query = query.where(key == ("" if wanted == "-" else wanted))
    return query


async def figures(s: AsyncSession, ask: Ask, by: str) -> list[Line]:
    """One line for each value of `by`, the most due first; their sums are the portfolio's."""
    state, key = state_at(ask.as_at), _KEYS[by]
    counts = [func.count().filter(state == one) for one in STATES]
    query = _narrowed(select(key, func.count(), *counts).select_from(StepDue), ask).group_by(key)
    rows = (await s.execute(query.order_by(func.count().desc(), key))).all()
    names: dict[str, str] = {}
    if by == "person":
        ids = [UUID(row[0]) for row in rows if row[0]]
        found = (await s.execute(select(User.id, User.full_name).where(User.id.in_(ids)))).all()
        names = {str(i): name for i, name in found}
    return [
        Line(key=k or "-", name=names.get(k, k), due=n, done=done, late=late, skipped=skipped, open=waits)
        for k, n, done, late, skipped, waits in rows
    ]  # fmt: skip


async def reasons(s: AsyncSession, ask: Ask) -> dict[str, int]:
    """Why steps were skipped."""
    query = _narrowed(select(StepDue.reason, func.count()).select_from(StepDue), ask)
    query = query.where(state_at(ask.as_at) == "SKIPPED").group_by(StepDue.reason)
    return {reason: n for reason, n in (await s.execute(query.order_by(func.count().desc()))).all()}


async def rows(s: AsyncSession, ask: Ask, *, offset: int = 0, limit: int = PAGE + 1) -> list[StepRow]:
    """By due date, case and step."""
    query = _narrowed(
        select(StepDue, state_at(ask.as_at), Case.number, Person, User.full_name, StrategyVersion.strategy,
               StrategyVersion.version).select_from(StepDue), ask,
    )  # fmt: skip
    query = query.join(Case, Case.id == StepDue.case_id).join(Person, Person.id == StepDue.person_id)
    query = query.outerjoin(User, User.id == _OWNER).order_by(StepDue.due_date, Case.number, StepDue.step, StepDue.id)
    found = (await s.execute(query.offset(offset).limit(limit))).all()
    return [
        StepRow(due=due, state=state, case_number=number, person_name=person.full_name, owner_name=owner or "",
                strategy=strategy, version=version)
        for due, state, number, person, owner, strategy, version in found
    ]  # fmt: skip
