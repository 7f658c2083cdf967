"""Opening cases, moving them by days past due, and promises: of one borrower, at once. night.py does the same for all.

The two give the same numbers: tests/core/test_night_money.py compares them on portfolios made at random.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, CaseEvent, Task
from backoffice_core.cases.rules import CHECK_PROMISE, FOLLOW_UP, may_move, one_per_case
from backoffice_core.collection import bands
from backoffice_core.collection.models import Promise, StageMove
from backoffice_core.collection.rules import (
    CURE_REOPENS,
    EVENING,
    PROMISE_MOVES,
    STOPPED_BY_PROMISE,
    TOLERANCE,
    Bands,
    PromiseView,
    is_overdue,
    judge_promise,
    may,
    missed_its_day,
    stage_of,
)
from backoffice_core.days import LAST, later
from backoffice_core.db import new_key
from backoffice_core.errors import Conflict
from backoffice_core.loans import service as loans
from backoffice_core.loans.models import Loan
from backoffice_core.loans.service import Debt

OPEN_PROMISE = ("OPEN", "PARTIAL")
BY_DAYS = (
    "NEW",
    "ACTIVE",
    "PROMISED",
    "PLAN",
    "ON_HOLD",
    "PRE_LEGAL",
    "TRANSFERRED_SECURITY",
)  # stage follows the days

# --- opening and moving cases --------------------------------------------------------------------------------------


async def open_cases(session: AsyncSession, at: datetime, today: date, person_ids: Collection[UUID]) -> int:
    """One open case for each of these persons with an overdue loan (DM-15); a case cured less than 90 days ago is reopened
    by `move_cases`, not opened anew. Running it again opens nothing."""
    stages = await bands.in_force(session, "stage", today)
    buckets = await bands.in_force(session, "bucket", today)
    query = (
        select(Loan.person_id, func.max(Loan.days_past_due))
        .where(
            Loan.person_id.in_(list(person_ids)),
            Loan.days_past_due > 0,
            Loan.overdue >= TOLERANCE,
            ~select(Case.id).where(Case.person_id == Loan.person_id, Case.closed_at.is_(None)).exists(),
        )
        .group_by(Loan.person_id)
        .order_by(Loan.person_id)
    )
    rows: list[dict[str, Any]] = []
    moves: list[dict[str, Any]] = []
    for person_id, dpd in await session.execute(query):
        case_id, stage, bucket = new_key(), stage_of(dpd, stages), buckets.code(dpd)
        rows.append({"id": case_id, "person_id": person_id, "state": "NEW", "state_since": at, "stage": stage,
                     "bucket": bucket, "opened_at": at})  # fmt: skip
        common = {
            "case_id": case_id,
            "before": "",
            "as_at": today,
            "why": "OPENED",
            "days_past_due": dpd,
            "recorded_at": at,
        }
        moves.append(common | {"kind": "stage", "after": str(stage), "version": stages.version})
        moves.append(common | {"kind": "bucket", "after": bucket, "version": buckets.version})
    if rows:
        await session.execute(insert(Case), rows)
        await session.execute(insert(StageMove), moves)
        await _note(session, at, [(row["id"], {"from": "", "to": "NEW", "reason": "OVERDUE"}) for row in rows], "state")
    return len(rows)


async def move_cases(
    session: AsyncSession, at: datetime, today: date, person_ids: Collection[UUID], why: str = "DAYS"
) -> dict[str, int]:
    """State, stage and bucket of these persons' open cases after their loans' days past due and what is owed.

    NEW → ACTIVE; nothing overdue → CURED (never out of court by itself); nothing owed → PAID_OFF (sold: CLOSED); cured and
    overdue again → ACTIVE; cured for 90 days, or paid off with no task open → CLOSED; a hold past its last day is lifted.
    """
    stages = await bands.in_force(session, "stage", today)
    buckets = await bands.in_force(session, "bucket", today)
    lifted = await lift_ended_holds(session, at, today, person_ids)
    owed = await loans.debts(session, person_ids)
    query = select(Case).where(Case.closed_at.is_(None), Case.person_id.in_(list(person_ids))).order_by(Case.number)
    counts = {"stages_moved": 0, "holds_lifted": lifted}
    for case in await session.scalars(query.with_for_update()):
        debts = owed.get(case.person_id, [])
        worst = max((d.days_past_due for d in debts if is_overdue(d.overdue, d.days_past_due)), default=0)
        busy = case.state in {"CURED", "PAID_OFF", "SOLD"} and await _busy(session, case.id)
        before = case.state
        to, reason = _next_state(before, debts, worst, case.state_since, at, busy)
        if to != before and may_move(before, to):
            await cases.move(session, case, to, at=at, reason=reason)
            counts[to.lower()] = counts.get(to.lower(), 0) + 1
        if before in BY_DAYS or case.state in BY_DAYS:
            counts["stages_moved"] += await _move_stage(session, case, worst, stages, at, today, why)
        await _move_bucket(session, case, worst, buckets, at, today, why)
    await session.flush()
    return counts


async def _busy(session: AsyncSession, case_id: UUID) -> bool:
    query = select(Task.id).where(Task.case_id == case_id, Task.state == "OPEN").limit(1)
    return await session.scalar(query) is not None


async def _move_stage(
    session: AsyncSession, case: Case, worst: int, stages: Bands, at: datetime, today: date, why: str
) -> bool:
    stage = stage_of(worst, stages)
    if stage == case.stage:
        return False
    before, case.stage = case.stage, stage
    session.add(
        StageMove(case_id=case.id, kind="stage", before=str(before), after=str(stage), as_at=today, why=why,
                  days_past_due=worst, version=stages.version, recorded_at=at)
    )  # fmt: skip
    await _note(session, at, [(case.id, {"from": before, "to": stage})], "stage")
    return True


async def _move_bucket(
    session: AsyncSession, case: Case, worst: int, buckets: Bands, at: datetime, today: date, why: str
) -> None:
    bucket = buckets.code(worst)
    if bucket != case.bucket:
        session.add(
            StageMove(case_id=case.id, kind="bucket", before=case.bucket, after=bucket, as_at=today, why=why,
                      days_past_due=worst, version=buckets.version, recorded_at=at)
        )  # fmt: skip
        case.bucket = bucket


async def lift_ended_holds(session: AsyncSession, at: datetime, today: date, person_ids: Collection[UUID]) -> int:
    over = select(Case.id).where(
        Case.state == "ON_HOLD", Case.hold_until < today, Case.closed_at.is_(None), Case.person_id.in_(list(person_ids))
    )
    ended = list(await session.scalars(over.order_by(Case.number)))
    for case_id in ended:
        await cases.lift_hold(session, case_id, reason="HOLD_ENDED", at=at)
    return len(ended)


def _next_state(
    state: str, debts: list[Debt], worst: int, since: datetime | None, at: datetime, busy: bool
) -> tuple[str, str]:
    if state == "PAID_OFF":
        return ("PAID_OFF", "") if busy else ("CLOSED", "PAID_OFF")
    clear = bool(debts) and all(d.balance <= 0 and d.overdue < TOLERANCE for d in debts)
    if state == "SOLD":  # while the bank's list still has the debt, no new case may be opened on it
        return ("CLOSED", "SOLD") if clear and not busy else ("SOLD", "")
    if clear and may_move(state, "PAID_OFF"):
        return "PAID_OFF", "BALANCE_ZERO"
    if state == "CURED":
        if worst:
            return "ACTIVE", "OVERDUE_AGAIN"
        return ("CLOSED", "CURED") if since and at - since > CURE_REOPENS and not busy else ("CURED", "")
    if debts and not worst and may_move(state, "CURED"):
        return "CURED", "NOTHING_OVERDUE"
    return ("ACTIVE", "AUTO") if state == "NEW" else (state, "")


async def recompute(
    session: AsyncSession, person_ids: Collection[UUID], *, at: datetime, today: date, zone: ZoneInfo, why: str
) -> dict[str, int]:
    """What the night does, for these persons, now: open, judge, move. The caller has brought their loans up to date."""
    opened = await open_cases(session, at, today, person_ids)
    judged = await judge_promises(session, at, today, zone, person_ids)
    return {"opened": opened, **judged, **await move_cases(session, at, today, person_ids, why)}


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
    tolerance_pct: Decimal = Decimal(0),
) -> Promise:
    """Writes what the borrower promised. One call makes at most one; a promise that still stood is CANCELLED by it (those
    of a plan stand), and messages, robot's calls and letters that waited for him are taken back.

    The overdue sum of the moment is kept: the night judges by payments, and by how far it fell.
    """
    if call_id is not None:
        made = await session.scalar(select(Promise).where(Promise.call_id == call_id))
        if made is not None:
            return made
    case = await session.get_one(Case, case_id, with_for_update=True)
    standing = select(Promise).where(
        Promise.case_id == case_id, Promise.state.in_(OPEN_PROMISE), Promise.plan_id.is_(None)
    )
    for old in await session.scalars(standing):
        await set_promise(session, old, "CANCELLED", at, by)
    debts = (await loans.debts(session, [case.person_id])).get(case.person_id, [])
    overdue = sum((d.overdue for d in debts if d.currency == currency), Decimal(0))
    promise = Promise(
        id=new_key(), case_id=case_id, call_id=call_id, amount=amount, currency=currency, due_date=due_date,
        grace_days=grace_days, tolerance_pct=tolerance_pct, overdue_when_made=overdue, state="OPEN", state_since=at,
        made_at=at, made_by=by,
    )  # fmt: skip
    session.add(promise)
    await session.flush()
    await cases.close_tasks(session, case_id, STOPPED_BY_PROMISE, at, state="CANCELLED")
    data = {"promise_id": str(promise.id), "state": "OPEN", "amount": str(amount), "currency": currency,
            "due_date": due_date.isoformat(), "overdue": str(overdue)}  # fmt: skip
    await cases.add_event(session, case_id, "promise", at, by, call_id, data)
    if may_move(case.state, "PROMISED"):
        await cases.move(session, case, "PROMISED", at=at, reason="PROMISE", actor_id=by)
    return promise


async def set_promise(session: AsyncSession, promise: Promise, to: str, at: datetime, by: UUID | None = None) -> None:
    """The only way from one state of a promise to another; leaves a line in the history. Raises Conflict."""
    if not may(PROMISE_MOVES, promise.state, to):
        raise Conflict(f"A promise cannot go from {promise.state} to {to}.", promise=str(promise.id))
    promise.state, promise.state_since = to, at
    data = {"promise_id": str(promise.id), "state": to}
    await cases.add_event(session, promise.case_id, "promise", at, by, data=data)


@dataclass(slots=True)
class _Judged:
    kept: int = 0
    broken: int = 0
    partial: int = 0
    follow_ups: int = 0


async def judge_promises(
    session: AsyncSession, at: datetime, today: date, zone: ZoneInfo, person_ids: Collection[UUID]
) -> dict[str, int]:
    """Kept, broken or still open, for each promise of these persons that stands (CC-14). `zone`: the bank's, for the day of
    balances.

    The morning after an unpaid due date one follow-up task appears; a promise kept within its grace takes it away.
    """
    query = (
        select(Promise, Case)
        .join(Case, Case.id == Promise.case_id)
        .where(Promise.state.in_(OPEN_PROMISE), Case.person_id.in_(list(person_ids)))
    )
    found = (await session.execute(query.order_by(Promise.due_date, Promise.id).with_for_update())).all()
    debts = await loans.debts(session, [case.person_id for _, case in found])
    judged = _Judged()
    for promise, case in found:
        here = [d for d in debts.get(case.person_id, []) if d.currency == promise.currency]
        if not here:
            continue  # the loan is in no file any more: nothing can be said
        view = PromiseView(
            amount=promise.amount, due_date=promise.due_date, grace_days=promise.grace_days,
            overdue_when_made=promise.overdue_when_made, overdue=here[0].overdue,
            balance_day=min(here[0].as_at.astimezone(zone).date(), today), matched=promise.matched,
            tolerance_pct=promise.tolerance_pct, before=(plan := await _plan(session, promise))[0], state=promise.state,
            planned=promise.plan_id is not None, by_payments=plan[1],
            known_day=min((here[0].as_at.astimezone(zone).replace(tzinfo=None) + EVENING).date(), today),
        )  # fmt: skip
        worst = max(
            (d.days_past_due for d in debts[case.person_id] if is_overdue(d.overdue, d.days_past_due)), default=0
        )
        await _follow(session, promise, case, view, at, today, worst, judged)
    await session.flush()
    return {"kept": judged.kept, "broken": judged.broken, "partial": judged.partial, "follow_ups": judged.follow_ups}


async def _plan(session: AsyncSession, promise: Promise) -> tuple[Decimal, bool]:
    """Sum of the plan's instalments before this one, and whether money was counted on any of them."""
    if promise.plan_id is None:
        return Decimal(0), False
    earlier = func.sum(Promise.amount).filter(Promise.due_date < promise.due_date)
    query = select(earlier, func.bool_or(Promise.matched > 0)).where(Promise.plan_id == promise.plan_id)
    before, paid = (await session.execute(query)).one()
    return before or Decimal(0), bool(paid)


async def _follow(
    session: AsyncSession, promise: Promise, case: Case, view: PromiseView, at: datetime, today: date, worst: int,
    judged: _Judged,
) -> None:  # fmt: skip
    state = judge_promise(view)
    key = f"{FOLLOW_UP}:{promise.id}"
    if state != promise.state:
        await set_promise(session, promise, state, at)
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


def promise_ends(promise: Promise) -> date:
    """The first day on which the promise keeps nobody from calling."""
    return later(promise.due_date, promise.grace_days + 1) or LAST
