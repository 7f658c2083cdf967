"""Acts by which a case leaves the bank's own hands, and comes back (domain.md 4.2): write-off, sale, agency; recall, recovery.

An act is proposed by one person and counts once others approved it: one more for most, two for a write-off (domain.md: "two
approvals"). From then on nobody is called or written to, what waited is taken back, and whoever had the case reads it. What was
done by mistake is reversed by two persons as well: the case is what it was, and both acts stay in its history.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, HandOver, Task
from backoffice_core.cases.rules import OWED_TO_HIM, may_move
from backoffice_core.collection import approvals, bands, plans
from backoffice_core.collection.models import LateAct, PaymentPlan, Promise
from backoffice_core.collection.rules import is_overdue, stage_of
from backoffice_core.collection.service import OPEN_PROMISE, set_promise
from backoffice_core.days import FIRST
from backoffice_core.db import new_key
from backoffice_core.errors import BadInput, Conflict, NotAllowed, NotFound
from backoffice_core.loans import service as loans

LONGEST = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """`to`: the state; `stage` None = the one that the days give; `approvals`: how many persons beside who proposed it."""

    to: str
    stage: int | None
    approvals: int = 1
    counterparty: bool = False
    price: bool = False
    leaves: bool = True  # the case is nobody's here from then on


KINDS = {
    "AGENCY": Kind("PLACED", 8, counterparty=True),
    "RECALL": Kind("ACTIVE", None, leaves=False),
    "WRITE_OFF": Kind("WRITTEN_OFF", 7, approvals=2),
    "RECOVERY": Kind("RECOVERY", 7, leaves=False),
    "SALE": Kind("SOLD", 9, counterparty=True, price=True),
}
_FROM = {"AGENCY": ("ACTIVE", "PRE_LEGAL"), "RECALL": ("PLACED",), "RECOVERY": ("WRITTEN_OFF",)}  # others: as MOVES say
_GONE = ("PROMISED", "PLAN", "NEW")  # states that end with what made them


def possible(case: Case) -> list[str]:
    """Acts that the machine allows from here."""
    if case.closed_at is not None:
        return []
    return [
        name for name, kind in KINDS.items() if may_move(case.state, kind.to) and case.state in _FROM.get(name, (case.state,))
    ]  # fmt: skip


async def propose(
    s: AsyncSession, case_id: UUID, name: str, *, counterparty: str = "", number: str = "", on: date | None, reason: str,
    price: Decimal | None = None, at: datetime, today: date, by: UUID,
) -> LateAct:  # fmt: skip
    """Draws up the act with the loans' sums. Raises BadInput by field, Conflict for a case that is elsewhere, has a promise that
    an agency would break, or another act or hand-over that waits."""
    kind = KINDS.get(name)
    if kind is None:
        raise BadInput("Which act?", remedy="Choose one of the list.", field="act")
    for field, text, must in (
        ("counterparty", counterparty, kind.counterparty), ("number", number, True), ("reason", reason, True),
    ):  # fmt: skip
        if must and not text.strip():
            raise BadInput("This is needed for the act.", remedy="As its paper says.", field=field)
        if len(text.strip()) > (LONGEST if field != "reason" else 1000):
            raise BadInput("This is too long.", remedy=f"Give at most {LONGEST} signs.", field=field)
    if on is None or not FIRST <= on <= today:
        raise BadInput("On which day?", remedy="Give the day of the paper, today or earlier.", field="on")
    if kind.price and (price is None or price <= 0):
        raise BadInput("At which price?", remedy="Write it as 1500,00.", field="price")
    case = await s.get_one(Case, case_id, with_for_update=True)
    await _refuse(s, case, name)
    if await s.scalar(select(LateAct.id).where(LateAct.case_id == case_id, LateAct.state == "PROPOSED")):
        raise Conflict("An act of this case waits already.", remedy="Decide on it first.")
    his = await loans.loans_of(s, case.person_id)
    spoken = loans.spoken_of(his)
    one = LateAct(
        id=new_key(), case_id=case_id, kind=name, counterparty=counterparty.strip() if kind.counterparty else "",
        number=number.strip(), on=on, price=price if kind.price else None, currency=spoken[0].currency if spoken else "UAH",
        reason=reason.strip(), state="PROPOSED", proposed_at=at, proposed_by=by, approvals=[], before={},
        act={"loans": [
            {"contract": loan.contract_no, "balance": str(loan.balance), "overdue": str(loan.overdue), "currency": loan.currency,
             "days_past_due": loan.days_past_due, "as_at": loan.as_at.isoformat()} for loan in his
        ]},
    )  # fmt: skip
    s.add(one)
    await s.flush()
    await approvals.wait(s, case_id, one.id, note=one.reason, at=at)
    await _told(s, one, at, by)
    return one


async def approve(s: AsyncSession, act_id: UUID, *, at: datetime, today: date, by: UUID) -> LateAct:
    """One person's word; with the last that is needed the act is in force. Raises Conflict, NotAllowed for who proposed it or
    said it already."""
    one = await _locked(s, act_id)
    if one.state != "PROPOSED":
        raise Conflict("This act is decided already.")
    if by == one.proposed_by or any(said["by"] == str(by) for said in one.approvals):
        raise NotAllowed("Who proposed or approved an act does not approve it again.", remedy="Ask another person.")
    case = await s.get_one(Case, one.case_id, with_for_update=True)
    await _refuse(s, case, one.kind)
    one.approvals = [*one.approvals, {"by": str(by), "at": at.isoformat()}]
    if len(one.approvals) < KINDS[one.kind].approvals:
        await s.flush()
        await _told(s, one, at, by)
        return one
    one.state, one.decided_at, one.decided_by = "APPROVED", at, by
    one.before = {"state": case.state, "stage": case.stage, "unit": case.unit,
                  "owner": str(case.owner_id) if case.owner_id else ""}  # fmt: skip
    await approvals.decided(s, one.id, at=at, by=by)
    await s.flush()
    await _told(s, one, at, by)
    if KINDS[one.kind].leaves:
        await _stop(s, case, at, by)
        await _pass_on(s, case, one, at, by, unit="", owner=None)
    elif one.kind == "RECALL":
        given = select(LateAct).where(LateAct.case_id == case.id, LateAct.kind == "AGENCY", LateAct.state == "APPROVED")
        last = await s.scalar(given.order_by(LateAct.decided_at.desc(), LateAct.act_no.desc()).limit(1))
        if last is not None:  # to whom it was taken from
            unit, owner = last.before["unit"], last.before["owner"]
            await _pass_on(s, case, one, at, by, unit=unit, owner=UUID(owner) if owner else None)
    await cases.move(s, case, KINDS[one.kind].to, at=at, reason=one.kind, actor_id=by)
    await _give_stage(s, case, KINDS[one.kind].stage, one.kind, at=at, today=today, by=by)
    return one


async def refuse(s: AsyncSession, act_id: UUID, *, why: str, at: datetime, by: UUID) -> LateAct:
    """Also by who proposed it: that takes it back. Raises BadInput without a reason, Conflict."""
    if not why.strip():
        raise BadInput("Why is it refused?", field="why")
    one = await _locked(s, act_id)
    if one.state != "PROPOSED":
        raise Conflict("This act is decided already.")
    one.state, one.decided_at, one.decided_by, one.decided_why = "REFUSED", at, by, why.strip()
    await approvals.decided(s, one.id, at=at, by=by)
    await s.flush()
    await _told(s, one, at, by)
    return one


# --- mistaken acts -------------------------------------------------------------------------------------------------


async def ask_reversal(s: AsyncSession, act_id: UUID, *, why: str, at: datetime, by: UUID) -> LateAct:
    """Somebody says that an act in force was a mistake. Raises BadInput without a reason, Conflict."""
    if not why.strip():
        raise BadInput("Why was it a mistake?", remedy="The history keeps it.", field="why")
    one = await _locked(s, act_id)
    await _refuse_reversal(s, one, await s.get_one(Case, one.case_id, with_for_update=True))
    if one.reverse_at is not None:
        raise Conflict("A reversal of this act waits already.", remedy="Decide on it first.")
    one.reverse_at, one.reverse_by, one.reverse_why = at, by, why.strip()[:1000]
    await s.flush()
    await approvals.wait(s, one.case_id, one.id, note=one.reverse_why, at=at)
    return one


async def reverse(s: AsyncSession, act_id: UUID, *, at: datetime, today: date, by: UUID) -> LateAct:
    """The second person's word: state, stage, unit and owner are those of before the act. A promise or plan that it ended stays
    ended. Raises Conflict, NotAllowed."""
    one = await _locked(s, act_id)
    if one.reverse_at is None or one.state != "APPROVED":
        raise Conflict("Nobody asked to reverse this act.")
    if by == one.reverse_by:
        raise NotAllowed("Who asks for a reversal does not approve it.", remedy="Ask another person.")
    case = await s.get_one(Case, one.case_id, with_for_update=True)
    await _refuse_reversal(s, one, case)
    one.state, one.reversed_at, one.reversed_by = "REVERSED", at, by
    await approvals.decided(s, one.id, at=at, by=by)
    await s.flush()
    await _told(s, one, at, by)
    owner = UUID(one.before["owner"]) if one.before["owner"] else None
    if (case.unit, case.owner_id) != (one.before["unit"], owner):
        await _pass_on(s, case, one, at, by, unit=one.before["unit"], owner=owner)
    to = "ACTIVE" if one.before["state"] in _GONE else one.before["state"]
    if to == "ON_HOLD" and not any(h.lifted_at is None for h in await cases.holds_of(s, case.id)):
        to = "ACTIVE"
    await cases.put_back(s, case, to, at=at, reason="REVERSED", actor_id=by)
    by_days = one.before["stage"] <= 4
    await _give_stage(s, case, None if by_days else one.before["stage"], "REVERSED", at=at, today=today, by=by)
    return one


async def of_case(s: AsyncSession, case_id: UUID) -> list[LateAct]:
    """The newest first."""
    return list(await s.scalars(select(LateAct).where(LateAct.case_id == case_id).order_by(LateAct.act_no.desc())))


# --- what they share -----------------------------------------------------------------------------------------------


async def _locked(s: AsyncSession, act_id: UUID) -> LateAct:
    one = await s.get(LateAct, act_id, with_for_update=True)
    if one is None:
        raise NotFound
    return one


async def _refuse(s: AsyncSession, case: Case, name: str) -> None:
    if name not in possible(case):
        raise Conflict(f"A case cannot go from {case.state} to {KINDS[name].to}.", case=str(case.id))
    if await s.scalar(select(HandOver.id).where(HandOver.case_id == case.id, HandOver.state == "PROPOSED")):
        raise Conflict("A hand-over of this case waits already.", remedy="Decide on it first.")
    promise = select(Promise.id).where(Promise.case_id == case.id, Promise.state.in_(OPEN_PROMISE)).limit(1)
    if name == "AGENCY" and await s.scalar(promise) is not None:
        raise Conflict("A promise stands: the case stays until it is kept or broken.")


async def _refuse_reversal(s: AsyncSession, one: LateAct, case: Case) -> None:
    newest = select(LateAct.id).where(LateAct.case_id == one.case_id, LateAct.state == "APPROVED")
    last = await s.scalar(newest.order_by(LateAct.decided_at.desc(), LateAct.act_no.desc()).limit(1))
    if one.state != "APPROVED" or last != one.id or case.closed_at is not None or case.state != KINDS[one.kind].to:
        raise Conflict("Only the act by which the case stands where it is can be reversed.")


async def _stop(s: AsyncSession, case: Case, at: datetime, by: UUID) -> None:
    """Plans, promises and work that waited are taken back; what we owe the borrower (complaint, dispute, evidence) is not."""
    plan = select(PaymentPlan.id).where(PaymentPlan.case_id == case.id, PaymentPlan.state.in_(("PROPOSED", "ACTIVE")))
    for plan_id in await s.scalars(plan):
        await plans.cancel(s, plan_id, at=at, by=by, reason="")
    for promise in await s.scalars(select(Promise).where(Promise.case_id == case.id, Promise.state.in_(OPEN_PROMISE))):
        await set_promise(s, promise, "CANCELLED", at, by)
    waits = update(Task).where(Task.case_id == case.id, Task.state == "OPEN", Task.kind.not_in(OWED_TO_HIM))
    await s.execute(waits.values(state="CANCELLED", closed_at=at))


async def _pass_on(
    s: AsyncSession, case: Case, one: LateAct, at: datetime, by: UUID, *, unit: str, owner: UUID | None
) -> None:
    """The change of owner stands among the hand-overs: by them a former owner reads, and reports know whose it was when."""
    act = one.act | {"late_act": one.act_no, "kind": one.kind}
    s.add(HandOver(
        id=new_key(), case_id=case.id, from_unit=case.unit, from_owner=case.owner_id, to_unit=unit, to_owner=owner,
        reason=one.reason if one.state == "APPROVED" else one.reverse_why, act=act,
        state="ACCEPTED", proposed_at=one.proposed_at, proposed_by=one.proposed_by, decided_at=at, decided_by=by,
    ))  # fmt: skip
    case.unit, case.owner_id = unit, owner
    await s.flush()


async def _give_stage(
    s: AsyncSession, case: Case, stage: int | None, why: str, *, at: datetime, today: date, by: UUID
) -> None:
    debts = (await loans.debts(s, [case.person_id])).get(case.person_id, [])
    worst = max((d.days_past_due for d in debts if is_overdue(d.overdue, d.days_past_due)), default=0)
    held = await bands.in_force(s, "stage", today)
    to = stage_of(worst, held) if stage is None else stage
    await bands.give_stage(s, case, to, why=why, days=worst, version=held.version, at=at, today=today, by=by)


async def _told(s: AsyncSession, one: LateAct, at: datetime, by: UUID) -> None:
    said = ", ".join(part for part in (one.counterparty, f"№ {one.number}", one.on.isoformat()) if part)
    data: dict[str, Any] = {"act": one.kind, "state": one.state, "act_no": one.act_no, "note": said,
                            "approved": len(one.approvals), "needed": KINDS[one.kind].approvals}  # fmt: skip
    if one.price is not None:
        data |= {"amount": str(one.price), "currency": one.currency}
    await cases.add_event(s, one.case_id, "late_act", at, by, data=data)
    audit.note(s, f"user:{by}", "LATE_ACT", str(one.act_no), {"kind": one.kind, "state": one.state})
