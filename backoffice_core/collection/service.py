"""Opening cases, moving them by days past due, and promises. The night calls these for all cases at once."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, CaseEvent, Task
from backoffice_core.cases.rules import CHECK_PROMISE, FOLLOW_UP, may_move, one_per_case
from backoffice_core.collection.models import Promise
from backoffice_core.collection.rules import (
    CURE_REOPENS,
    TOLERANCE,
    PromiseView,
    is_overdue,
    judge_promise,
    missed_its_day,
    stage_of,
)
from backoffice_core.db import new_key
from backoffice_core.loans import service as loans
from backoffice_core.loans.models import Loan
from backoffice_core.loans.service import Debt

OPEN_PROMISE = ("OPEN", "PARTIAL")
_BY_DAYS = (
    "NEW",
    "ACTIVE",
    "PROMISED",
    "PLAN",
    "ON_HOLD",
    "PRE_LEGAL",
    "TRANSFERRED_SECURITY",
)  # stage follows the dpd

# --- opening and moving cases --------------------------------------------------------------------------------------


async def open_cases(session: AsyncSession, at: datetime) -> dict[str, int]:
    """One open case for each person with an overdue loan (DM-15); a case cured less than 90 days ago is reopened by
    `move_cases`, not opened anew. Running it again opens nothing. `late_without_sum`: loans late by days with nothing
    overdue; without a sum there is nothing to ask for, so they open no case and are only counted."""
    overdue = Loan.overdue_principal + Loan.overdue_interest + Loan.overdue_penalty
    query = (
        select(Loan.person_id, func.max(Loan.days_past_due))
        .where(
            Loan.days_past_due > 0,
            overdue >= TOLERANCE,
            ~select(Case.id).where(Case.person_id == Loan.person_id, Case.closed_at.is_(None)).exists(),
        )
        .group_by(Loan.person_id)
        .order_by(Loan.person_id)
    )
    rows: list[dict[str, Any]] = [
        {"id": new_key(), "person_id": person_id, "state": "NEW", "stage": stage_of(dpd), "opened_at": at}
        for person_id, dpd in await session.execute(query)
    ]
    if rows:
        await session.execute(insert(Case), rows)
        await _note(session, at, [(row["id"], {"from": "", "to": "NEW", "reason": "OVERDUE"}) for row in rows], "state")
    no_sum = select(func.count()).where(Loan.days_past_due > 0, overdue == 0, Loan.balance > 0)
    return {"opened": len(rows), "late_without_sum": await session.scalar(no_sum) or 0}


async def move_cases(session: AsyncSession, at: datetime, today: date) -> dict[str, int]:
    """State and stage of each open case after its loans' days past due and what is owed.

    NEW → ACTIVE; nothing overdue → CURED (never out of court by itself); nothing owed → PAID_OFF; cured and overdue
    again → ACTIVE; cured for 90 days, or paid off with no task open → CLOSED; a hold past its last day is lifted.
    """
    owed = await loans.debts(session)
    cured_since = await _since(session, "CURED")
    busy = set((await session.execute(select(Task.case_id).where(Task.state == "OPEN"))).scalars())
    query = select(Case.id, Case.person_id, Case.state, Case.stage, Case.hold_until).where(Case.closed_at.is_(None))
    states: list[tuple[UUID, str, str, str]] = []
    stages: list[tuple[UUID, int, int]] = []
    lifted = 0
    for case_id, person_id, state, stage, hold_until in await session.execute(query.order_by(Case.number)):
        debts = owed.get(person_id, [])
        worst = max((d.days_past_due for d in debts if is_overdue(d.overdue, d.days_past_due)), default=0)
        if state == "ON_HOLD" and hold_until is not None and hold_until < today:
            await cases.lift_hold(session, case_id, reason="HOLD_ENDED", at=at)
            lifted += 1
            continue
        to, reason = _next_state(state, debts, worst, cured_since.get(case_id), at, case_id in busy)
        if to != state and may_move(state, to):
            states.append((case_id, state, to, reason))
        if state in _BY_DAYS and stage_of(worst) != stage:
            stages.append((case_id, stage, stage_of(worst)))
    await _write_states(session, at, states)
    if stages:
        await session.execute(update(Case), [{"id": case_id, "stage": new} for case_id, _, new in stages])
        await _note(session, at, [(case_id, {"from": old, "to": new}) for case_id, old, new in stages], "stage")
    counts = {"stages_moved": len(stages), "holds_lifted": lifted}
    for _, _, to, _ in states:
        counts[to.lower()] = counts.get(to.lower(), 0) + 1
    return counts


def _next_state(
    state: str, debts: list[Debt], worst: int, cured_at: datetime | None, at: datetime, busy: bool
) -> tuple[str, str]:
    if state == "PAID_OFF":
        return ("PAID_OFF", "") if busy else ("CLOSED", "PAID_OFF")
    if debts and all(d.balance <= 0 and d.overdue < TOLERANCE for d in debts) and may_move(state, "PAID_OFF"):
        return "PAID_OFF", "BALANCE_ZERO"
    if state == "CURED":
        if worst:
            return "ACTIVE", "OVERDUE_AGAIN"
        return ("CLOSED", "CURED") if cured_at and at - cured_at > CURE_REOPENS and not busy else ("CURED", "")
    if debts and not worst and may_move(state, "CURED"):
        return "CURED", "NOTHING_OVERDUE"
    return ("ACTIVE", "AUTO") if state == "NEW" else (state, "")


async def _since(session: AsyncSession, state: str) -> dict[UUID, datetime]:
    query = (
        select(CaseEvent.case_id, func.max(CaseEvent.at))
        .join(Case, Case.id == CaseEvent.case_id)
        .where(CaseEvent.kind == "state", CaseEvent.data["to"].astext == state, Case.state == state)
        .group_by(CaseEvent.case_id)
    )
    return dict((await session.execute(query)).all())


async def _write_states(session: AsyncSession, at: datetime, moves: list[tuple[UUID, str, str, str]]) -> None:
    if not moves:
        return
    fields = [
        {"id": case_id, "state": to, "hold_reason": "", "hold_until": None, "closed_at": at if to == "CLOSED" else None}
        for case_id, _, to, _ in moves
    ]
    await session.execute(update(Case), fields)
    await _note(session, at, [(i, {"from": old, "to": to, "reason": why}) for i, old, to, why in moves], "state")


async def _note(session: AsyncSession, at: datetime, lines: list[tuple[UUID, dict[str, Any]]], kind: str) -> None:
    await session.execute(
        insert(CaseEvent), [{"case_id": case_id, "at": at, "kind": kind, "data": data} for case_id, data in lines]
    )


# --- promises ------------------------------------------------------------------------------------------------------


async def make_promise(
    session: AsyncSession,
    case_id: UUID,
    *,
    amount: Decimal,
    currency: str,
    due_date: date,
    at: datetime,
    by: UUID | None = None,
    call_id: UUID | None = None,
    grace_days: int = 1,
) -> Promise:
    """Writes what the borrower promised. One call makes at most one; a promise that still stood is CANCELLED by it.

    The overdue sum of the moment is kept in the history: the night judges by how far it fell.
    """
    if call_id is not None:
        made = await session.scalar(select(Promise).where(Promise.call_id == call_id))
        if made is not None:
            return made
    case = await session.get_one(Case, case_id, with_for_update=True)
    earlier = await session.scalars(select(Promise).where(Promise.case_id == case_id, Promise.state.in_(OPEN_PROMISE)))
    for old in earlier:
        old.state = "CANCELLED"
        await cases.add_event(
            session, case_id, "promise", at, by, data={"promise_id": str(old.id), "state": "CANCELLED"}
        )
    promise = Promise(
        id=new_key(), case_id=case_id, call_id=call_id, amount=amount, currency=currency, due_date=due_date,
        grace_days=grace_days, made_at=at, made_by=by,
    )  # fmt: skip
    session.add(promise)
    await session.flush()
    debts = (await loans.debts(session, [case.person_id])).get(case.person_id, [])
    overdue = sum((d.overdue for d in debts if d.currency == currency), Decimal(0))
    data = {"promise_id": str(promise.id), "state": "OPEN", "amount": str(amount), "currency": currency,
            "due_date": due_date.isoformat(), "overdue": str(overdue)}  # fmt: skip
    await cases.add_event(session, case_id, "promise", at, by, call_id, data)
    if may_move(case.state, "PROMISED"):
        await cases.move(session, case, "PROMISED", at=at, reason="PROMISE", actor_id=by)
    return promise


@dataclass(slots=True)
class _Judged:
    kept: int = 0
    broken: int = 0
    partial: int = 0
    follow_ups: int = 0


async def judge_promises(session: AsyncSession, at: datetime, today: date, zone: ZoneInfo) -> dict[str, int]:
    """Kept, broken or still open, for each promise that stands (CC-14). `zone`: the bank's, for the day of balances.

    The morning after an unpaid due date one follow-up task appears; a promise kept within its grace takes it away.
    """
    query = select(Promise, Case).join(Case, Case.id == Promise.case_id).where(Promise.state.in_(OPEN_PROMISE))
    found = (await session.execute(query.order_by(Promise.id).with_for_update())).all()
    debts = await loans.debts(session, [case.person_id for _, case in found])
    made = await _overdue_when_made(session, [case.id for _, case in found])
    judged = _Judged()
    for promise, case in found:
        here = [d for d in debts.get(case.person_id, []) if d.currency == promise.currency]
        if not here:
            continue  # the loan is in no file any more: nothing can be said
        view = PromiseView(
            amount=promise.amount, due_date=promise.due_date, grace_days=promise.grace_days,
            overdue_when_made=made.get(str(promise.id)), overdue=here[0].overdue,
            balance_day=min(here[0].as_at.astimezone(zone).date(), today),
        )  # fmt: skip
        worst = max(
            (d.days_past_due for d in debts[case.person_id] if is_overdue(d.overdue, d.days_past_due)), default=0
        )
        await _follow(session, promise, case, view, at, today, worst, judged)
    return {"kept": judged.kept, "broken": judged.broken, "partial": judged.partial, "follow_ups": judged.follow_ups}


async def _follow(
    session: AsyncSession, promise: Promise, case: Case, view: PromiseView, at: datetime, today: date, worst: int,
    judged: _Judged,
) -> None:  # fmt: skip
    state = judge_promise(view)
    key = f"{FOLLOW_UP}:{promise.id}"
    if state != promise.state:
        promise.state = state
        await cases.add_event(session, case.id, "promise", at, data={"promise_id": str(promise.id), "state": state})
        judged.kept += state == "KEPT"
        judged.broken += state == "BROKEN"
        judged.partial += state == "PARTIAL"
    if state == "KEPT":
        await cases.close_tasks(session, case.id, (FOLLOW_UP,), at, state="CANCELLED", dedupe_key=key)
    elif missed_its_day(view):
        raised = await _follow_up(session, promise, case, at, today, key, state)
        judged.follow_ups += raised
    if state in {"KEPT", "BROKEN"}:
        waiting = one_per_case(CHECK_PROMISE, case.id)
        await cases.close_tasks(session, case.id, (CHECK_PROMISE,), at, dedupe_key=waiting)
        if case.state == "PROMISED":
            to = "CURED" if state == "KEPT" and not worst else "ACTIVE"
            await cases.move(session, case, to, at=at, reason=f"PROMISE_{state}")


async def _follow_up(
    session: AsyncSession, promise: Promise, case: Case, at: datetime, today: date, key: str, state: str
) -> bool:
    """One task for one promise: also not a second one after the first was done."""
    known = await session.scalar(select(Task.id).where(Task.dedupe_key == key).limit(1))
    if known is not None:
        return False
    data = {"promise_id": str(promise.id), "amount": str(promise.amount), "due_date": promise.due_date.isoformat()}
    await cases.raise_task(session, case.id, FOLLOW_UP, today, key, data=data, at=at)
    await cases.add_event(
        session, case.id, "task", at, data={"task": FOLLOW_UP, "control_date": today.isoformat(), **data}
    )
    return True


async def _overdue_when_made(session: AsyncSession, case_ids: list[UUID]) -> dict[str, Decimal]:
    query = select(CaseEvent.data["promise_id"].astext, CaseEvent.data["overdue"].astext).where(
        CaseEvent.case_id.in_(case_ids), CaseEvent.kind == "promise", CaseEvent.data["overdue"].astext.is_not(None)
    )
    return {promise_id: Decimal(overdue) for promise_id, overdue in await session.execute(query)}


def promise_ends(promise: Promise) -> date:
    """The first day on which the promise keeps nobody from calling."""
    return promise.due_date + timedelta(days=promise.grace_days + 1)
