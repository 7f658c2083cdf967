"""Payment plans: proposed, approved by a second person, kept instalment by instalment, or breached (rules.PLAN_MOVES)."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases import holds
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.cases.rules import LIFTED_BY_PLAN, WAITS_WITH, may_move
from backoffice_core.collection import approvals
from backoffice_core.collection.models import PaymentPlan, Promise
from backoffice_core.collection.rules import PLAN_MOVES, STOPPED_BY_PROMISE, TOLERANCE, is_overdue, may
from backoffice_core.collection.service import OPEN_PROMISE, set_promise
from backoffice_core.days import FIRST, LAST
from backoffice_core.db import new_key
from backoffice_core.errors import BadInput, Conflict
from backoffice_core.loans import service as loans


async def propose(
    session: AsyncSession, case_id: UUID, instalments: Sequence[tuple[date, Decimal]], *, currency: str, at: datetime,
    today: date, by: UUID | None, reason: str = "", grace_days: int = 1, breach_after: int = 1,
) -> PaymentPlan:  # fmt: skip
    """Raises BadInput for instalments in the past, out of order or of nothing, and above the debt; Conflict when a plan
    stands already."""
    case = await session.get_one(Case, case_id, with_for_update=True)
    days = [day for day, _ in instalments]
    if not days or days != sorted(set(days)) or days[0] < today:
        raise BadInput("Instalments need days from today on, each later than the one before.", field="due_date")
    if days[-1] > LAST:
        raise BadInput(
            "This day is not one that can be meant.", remedy=f"Give a day from {FIRST} to {LAST}.", field="due_date"
        )
    if any(amount <= 0 for _, amount in instalments):
        raise BadInput("An instalment must be above nought.", field="amount")
    if breach_after < 1 or grace_days < 0:
        raise BadInput("A plan is breached after one instalment or more.", field="breach_after")
    owed = [d for d in (await loans.debts(session, [case.person_id])).get(case.person_id, []) if d.currency == currency]
    if not owed or sum(amount for _, amount in instalments) > owed[0].balance:
        raise BadInput(
            "A plan cannot exceed the whole debt.", remedy="Check the sums and the currency.", field="amount"
        )
    standing = select(PaymentPlan.id).where(
        PaymentPlan.case_id == case_id, PaymentPlan.state.in_(("PROPOSED", "ACTIVE"))
    )
    if await session.scalar(standing) is not None:
        raise Conflict("A plan stands already.", remedy="Cancel it first.")
    plan = PaymentPlan(
        id=new_key(), case_id=case_id, currency=currency, grace_days=grace_days, breach_after=breach_after, reason=reason,
        instalments=[{"due_date": day.isoformat(), "amount": str(amount)} for day, amount in instalments],
        state="PROPOSED", state_since=at, proposed_at=at, proposed_by=by,
    )  # fmt: skip
    session.add(plan)
    await session.flush()
    await approvals.wait(session, case_id, plan.id, note=reason, at=at)
    await _note(session, plan, at, by)
    return plan


async def approve(session: AsyncSession, plan_id: UUID, *, at: datetime, by: UUID) -> PaymentPlan:
    """The second person's word: each instalment becomes a promise, the case is in PLAN. A hold that asked for it ends
    (LIFTED_BY_PLAN). Raises Conflict, also while another hold stands: a dispute is for a person to resolve."""
    plan = await session.get_one(PaymentPlan, plan_id, with_for_update=True)
    if by == plan.proposed_by:
        raise Conflict("Who proposed a plan does not approve it.", remedy="Ask another person.")
    case = await session.get_one(Case, plan.case_id, with_for_update=True)
    of_case = await cases.holds_of(session, case.id)
    standing_holds = [one for one in of_case if one.lifted_at is None and WAITS_WITH in one.stops]
    if any(one.kind not in LIFTED_BY_PLAN for one in standing_holds):
        raise Conflict(
            "The case is held for another reason than a plan.",
            remedy="Resolve that hold first: lift it, with a reason.",
        )
    await _set(session, plan, "ACTIVE", at, by)
    plan.decided_by = by
    standing = select(Promise).where(Promise.case_id == case.id, Promise.state.in_(OPEN_PROMISE))
    for old in await session.scalars(standing):
        await set_promise(session, old, "CANCELLED", at, by)
    if case.state in {"NEW", "PROMISED"} and may_move(case.state, "ACTIVE"):
        await cases.move(session, case, "ACTIVE", at=at, reason="PLAN_APPROVED", actor_id=by)
    for hold in standing_holds:
        await holds.lift(session, hold.id, why="PLAN_APPROVED", at=at, by=by)
    if case.state in {"PLAN", "PROMISED"}:  # what it was before the hold
        await cases.move(session, case, "ACTIVE", at=at, reason="PLAN_APPROVED", actor_id=by)
    await cases.move(session, case, "PLAN", at=at, reason="PLAN_APPROVED", actor_id=by)
    owed = (await loans.debts(session, [case.person_id])).get(case.person_id, [])
    overdue = sum((d.overdue for d in owed if d.currency == plan.currency), Decimal(0))
    for one in plan.instalments:
        session.add(
            Promise(
                id=new_key(), case_id=case.id, plan_id=plan.id, amount=Decimal(one["amount"]), currency=plan.currency,
                due_date=date.fromisoformat(one["due_date"]), grace_days=plan.grace_days, overdue_when_made=overdue,
                state="OPEN", state_since=at, made_at=at, made_by=by,
            )
        )  # fmt: skip
    await cases.close_tasks(session, case.id, STOPPED_BY_PROMISE, at, state="CANCELLED")
    await session.flush()
    return plan


async def cancel(session: AsyncSession, plan_id: UUID, *, at: datetime, by: UUID | None, reason: str) -> None:
    plan = await session.get_one(PaymentPlan, plan_id, with_for_update=True)
    plan.reason = reason or plan.reason
    await _end(session, plan, "CANCELLED", at, by)


async def settle(session: AsyncSession, at: datetime, case_ids: Collection[UUID] | None = None) -> dict[str, int]:
    """After promises are judged: plans whose instalments are all kept are DONE, those with too many broken are BREACHED."""
    query = select(PaymentPlan).where(PaymentPlan.state == "ACTIVE").order_by(PaymentPlan.id)
    if case_ids is not None:
        query = query.where(PaymentPlan.case_id.in_(list(case_ids)))
    done = breached = 0
    for plan in await session.scalars(query.with_for_update()):
        states = list(await session.scalars(select(Promise.state).where(Promise.plan_id == plan.id)))
        if states.count("BROKEN") >= plan.breach_after:
            await _end(session, plan, "BREACHED", at, None)
            breached += 1
        elif states and not set(states) & set(OPEN_PROMISE):
            await _end(session, plan, "DONE", at, None)
            done += 1
    return {"plans_done": done, "plans_breached": breached}


async def _end(session: AsyncSession, plan: PaymentPlan, to: str, at: datetime, by: UUID | None) -> None:
    await _set(session, plan, to, at, by)
    rest = select(Promise).where(Promise.plan_id == plan.id, Promise.state.in_(OPEN_PROMISE))
    for promise in await session.scalars(rest):
        await set_promise(session, promise, "CANCELLED", at, by)
    case = await session.get_one(Case, plan.case_id, with_for_update=True)
    if case.state == "PLAN":
        owed = (await loans.debts(session, [case.person_id])).get(case.person_id, [])
        late = any(is_overdue(d.overdue, d.days_past_due) and d.overdue >= TOLERANCE for d in owed)
        to_state = "ACTIVE" if late or to != "DONE" else "CURED"
        await cases.move(session, case, to_state, at=at, reason=f"PLAN_{to}", actor_id=by)


async def _set(session: AsyncSession, plan: PaymentPlan, to: str, at: datetime, by: UUID | None) -> None:
    if not may(PLAN_MOVES, plan.state, to):
        raise Conflict(f"A plan cannot go from {plan.state} to {to}.", plan=str(plan.id))
    if plan.state == "PROPOSED":
        await approvals.decided(session, plan.id, at=at, by=by)
    plan.state, plan.state_since = to, at
    await session.flush()
    await _note(session, plan, at, by)


async def _note(session: AsyncSession, plan: PaymentPlan, at: datetime, by: UUID | None) -> None:
    total = sum((Decimal(one["amount"]) for one in plan.instalments), Decimal(0))
    data = {"plan_id": str(plan.id), "state": plan.state, "amount": str(total), "currency": plan.currency,
            "n": len(plan.instalments), "last": plan.instalments[-1]["due_date"]}  # fmt: skip
    await cases.add_event(session, plan.case_id, "plan", at, by, data=data)
