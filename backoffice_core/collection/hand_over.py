"""A case goes from one unit to another: proposed with an act of what is handed over, accepted or refused by the other.

While it is proposed it is a task of the other unit. Whoever had it before may read it for ever, and no longer write into it:
what he still had to do in it goes along. Security and legal make it a case of theirs (domain.md 4.2), others an active one.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, exists, false, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, HandOver, Task, TaskMove
from backoffice_core.cases.rules import TAKE_OVER, may_move, next_working_day
from backoffice_core.collection.models import Promise
from backoffice_core.collection.service import OPEN_PROMISE
from backoffice_core.db import new_key
from backoffice_core.errors import BadInput, Conflict
from backoffice_core.loans import service as loans

STATE_OF_UNIT = {"security": "TRANSFERRED_SECURITY", "legal": "PRE_LEGAL"}  # by the act that brings the case there


async def propose(
    session: AsyncSession, case_id: UUID, *, to_unit: str, at: datetime, by: UUID | None, to_owner: UUID | None = None,
    reason: str = "",
) -> HandOver:  # fmt: skip
    """Draws up the act: loans with their sums, standing promises, open tasks and holds. Raises BadInput, Conflict."""
    case = await session.get_one(Case, case_id, with_for_update=True)
    if not to_unit.strip() or to_unit == case.unit:
        raise BadInput("To which unit?", remedy="Name another than the one that has the case.", field="to_unit")
    if case.closed_at is not None:
        raise Conflict("A closed case is not handed over.")
    if await session.scalar(select(HandOver.id).where(HandOver.case_id == case_id, HandOver.state == "PROPOSED")):
        raise Conflict("A hand-over of this case waits already.", remedy="Decide on it first.")
    promises = await session.scalars(select(Promise).where(Promise.case_id == case_id, Promise.state.in_(OPEN_PROMISE)))
    act = {
        "loans": [
            {"contract": loan.contract_no, "balance": str(loan.balance), "overdue": str(loan.overdue), "currency": loan.currency,
             "days_past_due": loan.days_past_due, "as_at": loan.as_at.isoformat()}
            for loan in await loans.loans_of(session, case.person_id)
        ],
        "promises": [{"amount": str(p.amount), "due_date": p.due_date.isoformat()} for p in promises],
        "tasks": [{"kind": t.kind, "control_date": t.control_date.isoformat()} for t in await cases.tasks_of(session, case_id)],
        "holds": [h.kind for h in await cases.holds_of(session, case_id) if h.lifted_at is None],
        "stage": case.stage, "state": case.state,
    }  # fmt: skip
    given = HandOver(
        id=new_key(), case_id=case_id, from_unit=case.unit, from_owner=case.owner_id, to_unit=to_unit.strip(), to_owner=to_owner,
        reason=reason, act=act, state="PROPOSED", proposed_at=at, proposed_by=by,
    )  # fmt: skip
    session.add(given)
    await session.flush()
    await cases.raise_task(
        session, case_id, TAKE_OVER, next_working_day(at.date(), lambda day: day.weekday() < 5), f"{TAKE_OVER}:{given.id}",
        owner_id=to_owner, unit=given.to_unit, data={"act_no": given.act_no, "note": reason}, at=at, owned=False,
    )  # fmt: skip
    await _note(session, given, at, by)
    return given


async def accept(
    session: AsyncSession, hand_over_id: UUID, *, at: datetime, by: UUID, owner: UUID | None = None
) -> HandOver:
    """The case is the other unit's from here on. Raises Conflict when it was decided before, or by who proposed it."""
    given = await _decide(session, hand_over_id, "ACCEPTED", at, by, "")
    case = await session.get_one(Case, given.case_id, with_for_update=True)
    given.to_owner = owner or given.to_owner
    case.unit, case.owner_id = given.to_unit, given.to_owner
    await session.flush()
    await _tasks_go_along(session, given, at, by)
    to = STATE_OF_UNIT.get(given.to_unit, "ACTIVE" if case.state in STATE_OF_UNIT.values() else case.state)
    if case.state == "NEW" and to in STATE_OF_UNIT.values():
        await cases.move(session, case, "ACTIVE", at=at, reason="HAND_OVER", actor_id=by)
    if to != case.state and may_move(case.state, to):  # a promise, a plan, a hold stand: the case stays what it is
        await cases.move(session, case, to, at=at, reason="HAND_OVER", actor_id=by)
    return given


async def _tasks_go_along(session: AsyncSession, given: HandOver, at: datetime, by: UUID) -> None:
    """Open tasks of the former owner and of his unit's list are the new owner's, or wait on his unit's list; those of other
    units stay theirs. "Hand the case over" is done."""
    done = update(Task).where(
        Task.case_id == given.case_id, Task.kind == "HAND_OVER", Task.unit == given.to_unit, Task.state == "OPEN"
    )
    await session.execute(done.values(state="DONE", closed_at=at, closed_by=by, result="DONE"))
    mine = (Task.owner_id == given.from_owner) if given.from_owner else false()
    units = and_(Task.owner_id.is_(None), Task.unit == given.from_unit) if given.from_unit else false()
    his = select(Task).where(Task.case_id == given.case_id, Task.state == "OPEN", or_(mine, units))
    for task in await session.scalars(his.with_for_update()):
        session.add(
            TaskMove(
                task_id=task.id, at=at, by=by, act="HAND_OVER", from_owner=task.owner_id, from_unit=task.unit,
                to_owner=given.to_owner, to_unit=given.to_unit, note=f"№ {given.act_no}",
            )
        )  # fmt: skip
        task.owner_id, task.unit = given.to_owner, given.to_unit
    await session.flush()


async def refuse(session: AsyncSession, hand_over_id: UUID, *, at: datetime, by: UUID, why: str) -> HandOver:
    """Raises BadInput without a reason, Conflict."""
    if not why.strip():
        raise BadInput("Why is it refused?", field="why")
    return await _decide(session, hand_over_id, "REFUSED", at, by, why.strip())


async def _decide(session: AsyncSession, given_id: UUID, to: str, at: datetime, by: UUID, why: str) -> HandOver:
    given = await session.get_one(HandOver, given_id, with_for_update=True)
    if given.state != "PROPOSED":
        raise Conflict("This hand-over is decided already.")
    if by == given.proposed_by:
        raise Conflict("Who gives a case away does not accept it.", remedy="The other unit decides.")
    given.state, given.decided_at, given.decided_by, given.decided_why = to, at, by, why
    waits = update(Task).where(Task.dedupe_key == f"{TAKE_OVER}:{given.id}", Task.state == "OPEN")
    await session.execute(
        waits.values(state="DONE", closed_at=at, closed_by=by, result="DONE" if to == "ACCEPTED" else "REFUSED")
    )
    await _note(session, given, at, by)
    return given


async def _note(session: AsyncSession, given: HandOver, at: datetime, by: UUID | None) -> None:
    data = {"act_no": given.act_no, "state": given.state, "from": given.from_unit, "to": given.to_unit}
    await cases.add_event(session, given.case_id, "hand_over", at, by, data=data)


async def right(session: AsyncSession, case: Case, user_id: UUID) -> str:
    """`write` for the owner, `read` for whoever had the case before, "" for others (their roles may still let them)."""
    if case.owner_id == user_id:
        return "write"
    had = exists().where(HandOver.case_id == case.id, HandOver.state == "ACCEPTED", HandOver.from_owner == user_id)
    return "read" if await session.scalar(select(had)) else ""
