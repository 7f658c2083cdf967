"""Work on a case that is no call: holds, consents, repayment plans, hand-overs between units, corrections of balances.

Who may change a case: its owner, and whose role has `case_work`; whoever had it before reads. A plan and a correction count
once a second person has approved them; a hand-over once the other unit has accepted it.
"""

import calendar
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time
from decimal import ROUND_DOWN, Decimal
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import select

from agent_console import forms, reads
from agent_console.deps import CaseWork, Work, case_refused
from agent_console.reads import CaseFile
from agent_console.view import page
from backoffice_core import money_in
from backoffice_core.cases import holds
from backoffice_core.cases.models import HandOver, Hold
from backoffice_core.cases.rules import CHANNELS_BY_HAND, HOLD_STOPS, LIFTED_BY_PLAN, WAITS_WITH
from backoffice_core.collection import complaints, corrections, court, hand_over, late, plans
from backoffice_core.collection.models import BalanceCorrection, PaymentPlan
from backoffice_core.compliance import consents
from backoffice_core.errors import BadInput, Conflict, NotAllowed, NotFound
from backoffice_core.events import QueueChanged
from backoffice_core.loans.models import Loan
from backoffice_core.said import said
from backoffice_core.staff import units
from backoffice_core.staff.service import note_access

router = APIRouter(prefix="/case/{number}")
MOST_INSTALMENTS = 60
Do = Callable[[CaseFile, dict[str, str]], Awaitable[None]]


async def _file(work: Work, number: int) -> CaseFile:
    file = await reads.case_file(work.s, number, work.user, any_case=work.may("case_any"))
    if file is None:
        raise await case_refused(work, number)
    return file


async def _may_write(work: Work, file: CaseFile) -> bool:
    return work.may("case_work") or await hand_over.right(work.s, file.case, work.user.id) == "write"


def _may_accept(work: Work, given: HandOver) -> bool:
    """The other unit's people, and whose role works on all cases; never who gives it away."""
    return given.proposed_by != work.user.id and (work.may("case_work") or work.user.unit == given.to_unit)


@router.get("/work")
async def shown(work: CaseWork, number: int) -> HTMLResponse:
    return await _page(work, await _file(work, number))


async def _page(
    work: Work, file: CaseFile, *, status: int = 200, form: str = "", typed: dict[str, str] | None = None, bad: str = "",
    refused: str = "",
) -> HTMLResponse:  # fmt: skip
    """`form`: the one that was refused; `typed` stands in it again, `bad` is its field, `refused` the sentence."""
    given = list(
        await work.s.scalars(select(HandOver).where(HandOver.case_id == file.case.id).order_by(HandOver.act_no.desc()))
    )
    plan_rows = await work.s.scalars(
        select(PaymentPlan).where(PaymentPlan.case_id == file.case.id).order_by(PaymentPlan.proposed_at.desc())
    )
    return page(
        work, "case_work.html", status=status, file=file, writes=await _may_write(work, file), form=form, typed=typed or {},
        bad=bad, refused=refused, kinds=holds.BY_HAND, lifted_by_plan=LIFTED_BY_PLAN, waits_with=WAITS_WITH,
        stops={kind: HOLD_STOPS[kind] for kind in holds.BY_HAND if kind in HOLD_STOPS}, channels=CHANNELS_BY_HAND,
        plans=list(plan_rows), given=given, accepts={one.id for one in given if _may_accept(work, one)},
        corrections=await corrections.of_case(work.s, file.case.id), names=await reads.names(work.s),
        people=await units.people(work.s), units={u.code: u.name for u in await units.listed(work.s) if u.active},
        sums=corrections.SUMS, court_act=court.possible(file.case), said=await consents.of_person(work.s, file.person.id),
        purposes=consents.KINDS, contacts=consents.CHANNELS, ways=consents.WAYS,
        late_acts=await late.of_case(work.s, file.case.id),
        late_kinds=late.KINDS, late_possible=late.possible(file.case), complaint=complaints,
        complaints=await complaints.of_case(work.s, file.case.id),
    )  # fmt: skip


async def act_on(
    work: Work, number: int, form: str, act: str, deed: Do, *, may: Callable[[CaseFile], Awaitable[bool]] | None = None
) -> Response:
    """One act: right, deed, journal; a refused form comes back as it was typed (422, 409)."""
    file = await _file(work, number)
    allowed = await may(file) if may else await _may_write(work, file)
    if not allowed:
        raise NotAllowed
    sent = await work.request.form()
    typed = {key: ",".join(map(str, sent.getlist(key))) for key in sent if key != "csrf"}
    try:
        async with work.s.begin_nested():
            await deed(file, typed)
    except (BadInput, Conflict) as error:
        status, field = 422 if isinstance(error, BadInput) else 409, str(error.details.get("field", ""))
        sentence = " ".join(said(part, work.words.lang) for part in (error.message, error.remedy) if part)
        return await _page(
            work, await _file(work, number), status=status, form=form, typed=typed, bad=field, refused=sentence
        )
    note_access(work.s, work.user.id, act, work.wall, case_id=file.case.id, object_id=str(number))
    work.news.append(QueueChanged())
    if not work.may("case_any") and await reads.case_file(work.s, number, work.user, any_case=False) is None:
        return RedirectResponse("/tasks", 303)  # it is another's now: he refused an act, or gave the case away
    return RedirectResponse(f"/case/{number}/work#{form.partition('-')[0]}", 303)


def day_of(work: Work, typed: dict[str, str], field: str, *, endless: bool = False) -> date | None:
    """`endless`: a day that nobody can mean is for the deed to judge. Raises BadInput."""
    try:
        return (forms.any_day if endless else forms.day)(typed.get(field, ""), work.console.clock.today())
    except ValueError:
        remedy = "Write it as 25.11.2026, or +3 (in three days), at most +999."
        raise BadInput("This is no date.", remedy=remedy, field=field) from None


def money_of(typed: dict[str, str], field: str) -> Decimal:
    """Nought for a blank. Raises BadInput."""
    try:
        return forms.money(typed.get(field, "")) or Decimal(0)
    except ValueError:
        raise BadInput("This is no sum.", remedy="Write it as 1500,00.", field=field) from None


def _whole(typed: dict[str, str], field: str, most: int) -> int:
    """Raises BadInput."""
    text = typed.get(field, "").strip() or "0"
    if not (text.isascii() and text.isdecimal()) or int(text[:6]) > most:
        raise BadInput("This is no whole number that can be meant here.", remedy=f"Give 0 to {most}.", field=field)
    return int(text)


# --- holds ---------------------------------------------------------------------------------------------------------


@router.post("/holds")
async def place_hold(work: CaseWork, number: int) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await holds.place(
            work.s, file.case.id, typed.get("kind", ""), evidence=typed.get("evidence", ""),
            until=day_of(work, typed, "until", endless=True), today=work.console.clock.today(), at=work.now, by=work.user.id,
            channels=[one for one in typed.get("channels", "").split(",") if one],
        )  # fmt: skip

    return await act_on(work, number, "holds", "HOLD_PLACED", deed)


@router.post("/holds/{hold_id}/lift")
async def lift_hold(work: CaseWork, number: int, hold_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await thing_of(work, Hold, hold_id, file)
        await holds.lift(work.s, hold_id, why=typed.get("why", "")[:1000], at=work.now, by=work.user.id)

    return await act_on(work, number, "holds-lift", "HOLD_LIFTED", deed)


async def thing_of(work: Work, kind: Any, key: UUID, file: CaseFile) -> Any:
    """A thing of this case. Raises NotFound for another's: a right to one case opens no other."""
    found = await work.s.get(kind, key)
    if found is None or found.case_id != file.case.id:
        raise NotFound
    return found


# --- consents ------------------------------------------------------------------------------------------------------


@router.post("/consents")
async def record_consent(work: CaseWork, number: int) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        given = day_of(work, typed, "given_at")
        if given is None:
            raise BadInput("When was it given?", remedy="Give its date.", field="given_at")
        numbers = {"", *(one.value for one in file.phones)}
        if typed.get("number", "") not in numbers:
            raise BadInput("Which number?", remedy="Choose one of the list.", field="number")
        said = consents.Given(
            purpose=typed.get("purpose", ""), channel=typed.get("channel", ""), number=typed.get("number", ""),
            given_at=datetime.combine(given, time(), work.console.clock.zone), how=typed.get("how", ""),
            evidence=typed.get("evidence", ""), until=day_of(work, typed, "until"),
        )  # fmt: skip
        await consents.record(
            work.s, file.person.id, said, now=work.now, source=consents.CONSOLE, who=f"user:{work.user.id}"
        )

    return await act_on(work, number, "consents", "CONSENT_RECORDED", deed)


@router.post("/consents/{consent_id}/withdraw")
async def withdraw_consent(work: CaseWork, number: int, consent_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        if consent_id not in {one.id for one in await consents.of_person(work.s, file.person.id)}:
            raise NotFound
        await consents.withdraw(work.s, consent_id, why=typed.get("why", ""), now=work.now, who=f"user:{work.user.id}")

    return await act_on(work, number, "consents-withdraw", "CONSENT_WITHDRAWN", deed)


# --- plans ---------------------------------------------------------------------------------------------------------


@router.post("/plans")
async def propose_plan(work: CaseWork, number: int) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        first, total, count = (
            day_of(work, typed, "due_date"),
            money_of(typed, "amount"),
            _whole(typed, "n", MOST_INSTALMENTS),
        )
        if first is None:
            raise BadInput("When is the first instalment due?", remedy="Give its day.", field="due_date")
        if count < 1:
            raise BadInput("How many instalments?", remedy=f"Give 1 to {MOST_INSTALMENTS}.", field="n")
        await plans.propose(
            work.s, file.case.id, _monthly(total, first, count), currency=file.currency, at=work.now,
            today=work.console.clock.today(), by=work.user.id, reason=typed.get("reason", "")[:1000],
        )  # fmt: skip

    return await act_on(work, number, "plans", "PLAN_PROPOSED", deed)


def _monthly(total: Decimal, first: date, count: int) -> list[tuple[date, Decimal]]:
    """Equal instalments on the same day of each month (its last day where it is shorter); the last has the cents."""
    part = (total / count).quantize(Decimal("0.01"), ROUND_DOWN)
    days = [_same_day(first, n) for n in range(count)]
    return [(day, part if n < count - 1 else total - part * (count - 1)) for n, day in enumerate(days)]


def _same_day(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, min(first.day, calendar.monthrange(year, month + 1)[1]))


@router.post("/plans/{plan_id}/approve")
async def approve_plan(work: CaseWork, number: int, plan_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await thing_of(work, PaymentPlan, plan_id, file)
        await plans.approve(work.s, plan_id, at=work.now, by=work.user.id)

    return await act_on(work, number, "plans-decide", "PLAN_APPROVED", deed, may=decides(work))


@router.post("/plans/{plan_id}/cancel")
async def cancel_plan(work: CaseWork, number: int, plan_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await thing_of(work, PaymentPlan, plan_id, file)
        why = typed.get("why", "").strip()[:1000]
        if not why:
            raise BadInput("Why is the plan ended?", remedy="Give a reason; the history keeps it.", field="why")
        await plans.cancel(work.s, plan_id, at=work.now, by=work.user.id, reason=why)

    return await act_on(work, number, "plans-decide", "PLAN_CANCELLED", deed)


def decides(work: Work) -> Callable[[CaseFile], Awaitable[bool]]:
    async def may(_: CaseFile) -> bool:
        return work.may("case_work")

    return may


# --- hand-overs ----------------------------------------------------------------------------------------------------


@router.post("/hand-over")
async def propose_hand_over(work: CaseWork, number: int) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        reason = typed.get("reason", "").strip()[:1000]
        if not reason:
            raise BadInput("Why is the case handed over?", remedy="Give a reason; the act names it.", field="reason")
        known = {one.code for one in await units.listed(work.s) if one.active}
        to_unit = typed.get("to_unit", "")
        if to_unit not in known:
            raise BadInput("To which unit?", remedy="Name another than the one that has the case.", field="to_unit")
        await hand_over.propose(work.s, file.case.id, to_unit=to_unit, at=work.now, by=work.user.id, reason=reason)

    return await act_on(work, number, "hand_over", "HAND_OVER_PROPOSED", deed)


def _receives(work: Work, given_id: UUID) -> Callable[[CaseFile], Awaitable[bool]]:
    async def may(file: CaseFile) -> bool:
        return _may_accept(work, await thing_of(work, HandOver, given_id, file))

    return may


@router.post("/hand-over/{given_id}/accept")
async def accept_hand_over(work: CaseWork, number: int, given_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        owner = typed.get("owner", "")
        people = {str(key): key for key, _, _ in await units.people(work.s)}
        if owner and owner not in people:
            raise BadInput("Who is to have the case?", remedy="Choose one of the list.", field="owner")
        mine = None if work.may("case_any") else work.user.id  # who sees his own cases alone takes it for himself
        await hand_over.accept(work.s, given_id, at=work.now, by=work.user.id, owner=people.get(owner) or mine)

    return await act_on(work, number, "hand_over-decide", "HAND_OVER_ACCEPTED", deed, may=_receives(work, given_id))


@router.post("/hand-over/{given_id}/refuse")
async def refuse_hand_over(work: CaseWork, number: int, given_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await hand_over.refuse(work.s, given_id, at=work.now, by=work.user.id, why=typed.get("why", "")[:1000])

    return await act_on(work, number, "hand_over-decide", "HAND_OVER_REFUSED", deed, may=_receives(work, given_id))


# --- the court -----------------------------------------------------------------------------------------------------


@router.post("/court")
async def note_court(work: CaseWork, number: int) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await court.note(
            work.s, file.case.id, typed.get("act", ""), court=typed.get("court", ""), number=typed.get("number", ""),
            on=day_of(work, typed, "on"), amount=money_of(typed, "amount") or None, at=work.now,
            today=work.console.clock.today(), by=work.user.id,
        )  # fmt: skip

    return await act_on(work, number, "court", "COURT_NOTED", deed)


# --- corrections ---------------------------------------------------------------------------------------------------


@router.post("/corrections")
async def propose_correction(work: CaseWork, number: int) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        today, zone = work.console.clock.today(), work.console.clock.zone
        on = day_of(work, typed, "as_at")
        if on is not None and on > today:
            raise BadInput(
                "A balance is corrected as at a day that is over.", remedy="Give an earlier day.", field="as_at"
            )
        moment = datetime.combine(on, time(23, 59, 59), zone) if on else None
        await corrections.propose(
            work.s, file.case, typed.get("contract", ""), {name: money_of(typed, name) for name in corrections.SUMS},
            _whole(typed, "days_past_due", 20_000), as_at=moment, reason=typed.get("reason", "")[:1000], at=work.now,
            by=work.user.id,
        )  # fmt: skip

    return await act_on(work, number, "corrections", "CORRECTION_PROPOSED", deed)


@router.post("/corrections/{correction_id}/approve")
async def approve_correction(work: CaseWork, number: int, correction_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        clock = work.console.clock
        await thing_of(work, BalanceCorrection, correction_id, file)
        one = await corrections.approve(work.s, correction_id, at=work.now, by=work.user.id)
        loan = await work.s.get_one(Loan, one.loan_id)
        await money_in.follow(
            work.s,
            {loan.person_id},
            work.console.settings,
            at=work.now,
            today=clock.today(),
            zone=clock.zone,
            why="CORRECTION",
        )

    return await act_on(work, number, "corrections-decide", "CORRECTION_APPROVED", deed, may=decides(work))


@router.post("/corrections/{correction_id}/refuse")
async def refuse_correction(work: CaseWork, number: int, correction_id: UUID) -> Response:
    async def deed(file: CaseFile, typed: dict[str, str]) -> None:
        await thing_of(work, BalanceCorrection, correction_id, file)
        await corrections.refuse(work.s, correction_id, why=typed.get("why", "")[:1000], at=work.now, by=work.user.id)

    return await act_on(work, number, "corrections-decide", "CORRECTION_REFUSED", deed)
