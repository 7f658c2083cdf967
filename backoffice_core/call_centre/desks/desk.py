"""What an agent sees and does during a call: the card, the check of identity, the result of the talk.

What may not be said is not handed out: until the right party is confirmed a card has no money, contract or history.
Every function takes the agent's id into its query: another agent's call is not found.
"""

import hmac
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers import service as borrowers
from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.calls.history import HistoryRow, history
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.campaign_rules import DEBT
from backoffice_core.call_centre.dialing.campaign_terms import spoken
from backoffice_core.call_centre.models import AgentSession, CallAttempt, UnknownCaller
from backoffice_core.call_centre.rules import (
    BALANCE_MAX_AGE,
    IDENTITY_FIELDS,
    IDENTITY_MATCHES,
    IDENTITY_MISSES,
    MAX_PROMISE_DAYS,
    NO_DISPOSITION,
    OF_OTHERS,
    OUTCOMES,
    PROMISE_GRACE_DAYS,
    STRANGER_OUTCOMES,
    OutcomeRule,
    outcomes_of,
)
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.cases.rules import CALLBACK, REFRESH_CONTACT, next_working_day, one_per_case
from backoffice_core.collection import service as collection
from backoffice_core.collection.models import Promise
from backoffice_core.compliance import service as compliance
from backoffice_core.errors import BadInput, Conflict, NotFound, Refused
from backoffice_core.loans.models import Loan
from backoffice_core.loans.service import spoken_of


class OutcomeNeedsConfirmation(Refused):
    """This result says that you spoke with the borrower: confirm the identity first, or choose another result."""

    code = "OUTCOME_NEEDS_CONFIRMATION"


class CallerNotChosen(Refused):
    """First say who is calling: choose the person on the card."""

    code = "CALLER_NOT_CHOSEN"


class IdentityLocked(Refused):
    """Three answers did not match: the check is closed for this call. Say nothing of the debt."""

    code = "IDENTITY_LOCKED"


@dataclass(frozen=True, kw_only=True)
class Card:
    """`loans`, `promises` and `history` are empty until `confirmed`, the last two also in a call that is not `about_debt`: the
    history tells of promises and sums. `contact` None: he calls from a number that is not his."""

    call: CallAttempt
    person: Person
    contact: ContactPoint | None
    case: Case
    confirmed: bool
    identity: dict[str, bool]
    needed: int
    misses: int
    locked: bool
    local_time: datetime
    contacts_today: int
    contacts_max: int | None
    callable_until: datetime | None
    loans: list[Loan] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    history: list[HistoryRow] = field(default_factory=list)
    balance_too_old: bool = False
    script: str = ""  # the campaign's own, in the language `script_language`
    script_language: str = ""

    @property
    def about_debt(self) -> bool:
        return self.call.purpose == DEBT

    @property
    def currency(self) -> str:
        """In which the debt is spoken of."""
        return next((loan.currency for loan in spoken_of(self.loans)), "UAH")

    def sum_of(self, part: str) -> Decimal:
        """A component, or all that is `overdue`, of the loans in `currency`."""
        return sum((getattr(loan, part) for loan in spoken_of(self.loans)), Decimal(0))

    @property
    def overdue(self) -> Decimal:
        return self.sum_of("overdue")

    @property
    def days_past_due(self) -> int:
        return max((loan.days_past_due for loan in self.loans), default=0)


@dataclass(frozen=True)
class IdentityCheck:
    match: bool
    matches: int
    misses: int
    locked: bool
    confirmed: bool


@dataclass(frozen=True, kw_only=True)
class Result:
    outcome: str
    amount: Decimal | None = None
    due_date: date | None = None
    call_back_at: datetime | None = None
    anybody: bool = False  # may call back; otherwise it is this agent's own
    note: str = ""
    wants: Literal["ready", "pause"] = "ready"


@dataclass(frozen=True)
class NextStep:
    """What happens next, for the line above the save button."""

    task: str
    control_date: date | None
    case_state: str
    over: bool = False  # what the campaign had to ask or tell is said: it calls him no more


async def current_call(s: AsyncSession, user_id: UUID) -> CallAttempt | None:
    """The call whose card this agent's desk must show now: reserved, talking, or ended without a result."""
    query = (
        select(CallAttempt)
        .join(AgentSession, AgentSession.call_id == CallAttempt.id)
        .where(
            AgentSession.user_id == user_id,
            AgentSession.ended_at.is_(None),
            AgentSession.state.in_(("RESERVED", "TALKING", "WRAP_UP")),
        )
    )
    return (await s.execute(query)).scalar_one_or_none()


async def own_call(s: AsyncSession, user_id: UUID, call_id: UUID, *, lock: bool = False) -> CallAttempt:
    """Raises NotFound for another agent's call."""
    query = select(CallAttempt).where(CallAttempt.id == call_id, CallAttempt.agent_id == user_id)
    attempt = (await s.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
    if attempt is None:
        raise NotFound("This call is not yours.")
    return attempt


async def card(
    s: AsyncSession, user_id: UUID, call_id: UUID, now: datetime, *, max_age: timedelta = BALANCE_MAX_AGE
) -> Card | None:
    """The card of one of this agent's calls; None when it is not his, or nobody's yet (`callers.stranger`). `now` is
    business time; nothing is said from a balance older than `max_age`."""
    query = (
        select(CallAttempt, Person, ContactPoint, Case, Campaign.script)
        .join(Person, Person.id == CallAttempt.person_id)
        .outerjoin(ContactPoint, ContactPoint.id == CallAttempt.contact_point_id)
        .join(Case, Case.id == CallAttempt.case_id)
        .outerjoin(Campaign, Campaign.name == CallAttempt.campaign)
        .where(CallAttempt.id == call_id, CallAttempt.agent_id == user_id)
    )
    found = (await s.execute(query)).one_or_none()
    if found is None:
        return None
    call, person, contact, case, script = found
    zone = ZoneInfo(person.time_zone or "UTC")
    contacts = await compliance.contacts_of_day(
        s, person.id, now, zone=person.time_zone, jurisdiction=person.jurisdiction, purpose=call.purpose
    )
    confirmed = call.identity_confirmed_at is not None
    loans: list[Loan] = []
    promises: list[Promise] = []
    rows: list[HistoryRow] = []
    says = spoken(script or {}, call.language, person.language) if confirmed else ("", "")
    if confirmed:
        loans = list(
            (await s.execute(select(Loan).where(Loan.person_id == person.id).order_by(Loan.contract_no))).scalars()
        )
    if confirmed and call.purpose == DEBT:
        promises = list(
            (
                await s.execute(select(Promise).where(Promise.case_id == call.case_id).order_by(Promise.made_at.desc()))
            ).scalars()
        )
        rows = await history(s, case.id, limit=50)
    return Card(
        call=call, person=person, contact=contact,
        case=case, confirmed=confirmed, identity=dict(call.identity_matches),
        needed=IDENTITY_MATCHES, misses=call.identity_misses, locked=call.identity_misses >= IDENTITY_MISSES,
        local_time=now.astimezone(zone), contacts_today=contacts.count, contacts_max=contacts.limit,
        callable_until=contacts.until, loans=loans, promises=promises, history=rows,
        balance_too_old=any(now - loan.as_at > max_age for loan in loans), script=says[0], script_language=says[1],
    )  # fmt: skip


# --- who is speaking ---------------------------------------------------------------------------------------------


def _normal(field_name: str, answer: str) -> str:
    """Raises BadInput for a date that no calendar has: a slip of the hand is no miss of the speaker's."""
    answer = answer.strip().casefold()
    if field_name == "birth_date":
        digits = "".join(c if c.isdigit() else " " for c in answer).split()
        if len(digits) == 3:
            year, month, day = digits if len(digits[0]) == 4 else reversed(digits)
            try:
                return date(int(year), int(month), int(day)).isoformat()
            except ValueError:
                raise BadInput("There is no such date.", remedy="Type it as 14.03.1985.", field="birth_date") from None
    return answer


async def check_identity(
    s: AsyncSession, user_id: UUID, call_id: UUID, field_name: str, answer: str, wall: datetime
) -> IdentityCheck:
    """One answer of the speaker. Two fields that match confirm the right party; three misses close the check.

    The answer itself is not kept. Raises NotFound, BadInput, IdentityLocked.
    """
    if field_name not in IDENTITY_FIELDS:
        raise BadInput(f"Unknown question: {field_name!r}.", field=field_name)
    if not answer.strip():
        raise BadInput("The answer is empty.", remedy="Type what the speaker said.", field=field_name)
    said = _normal(field_name, answer)
    call = await own_call(s, user_id, call_id, lock=True)
    if call.identity_confirmed_at is None and call.identity_misses >= IDENTITY_MISSES:
        raise IdentityLocked
    if call.person_id is None or call.case_id is None:
        raise CallerNotChosen
    person = await s.get_one(Person, call.person_id)
    truth = {
        "birth_date": person.birth_date.isoformat() if person.birth_date else "",
        "tax_id_last4": person.tax_id[-4:],
        "code_word": person.code_word.strip().casefold(),
    }[field_name]
    match = bool(truth) and hmac.compare_digest(truth.encode(), said.encode())
    matches = {**call.identity_matches, field_name: match}
    call.identity_matches = matches
    call.identity_misses += 0 if match else 1
    count = sum(matches.values())
    if count >= IDENTITY_MATCHES and call.identity_confirmed_at is None:
        call.identity_confirmed_at = wall
        at = call.business_at + (wall - call.claimed_at)
        if call.contact_point_id is not None:
            await cases.number_evidence(s, call.case_id, call.contact_point_id, "right_party", at=at, call_id=call_id)
    return IdentityCheck(
        match, count, call.identity_misses, call.identity_misses >= IDENTITY_MISSES,
        call.identity_confirmed_at is not None,
    )  # fmt: skip


async def note_notice(s: AsyncSession, user_id: UUID, call_id: UUID, language: str, wall: datetime) -> None:
    """The agent has said that the call is recorded, in this language (FL-11); once. Raises NotFound."""
    call = await own_call(s, user_id, call_id, lock=True)
    if call.notice_at is None:
        call.notice, call.notice_language, call.notice_at = "script", language, wall


# --- the result --------------------------------------------------------------------------------------------------


async def save_note(s: AsyncSession, user_id: UUID, call_id: UUID, note: str) -> None:
    """The note as far as it is typed. After the result is saved it is history and stays. Raises NotFound."""
    call = await own_call(s, user_id, call_id, lock=True)
    if call.outcome is None:
        call.note = note[:4000]


def _refuse_incomplete(result: Result, rule: OutcomeRule, loans: list[Loan], now: datetime, today: date) -> None:
    loans = spoken_of(loans)
    card_overdue = sum((loan.overdue for loan in loans), Decimal(0))
    debt = max(card_overdue, sum((loan.balance for loan in loans), Decimal(0)))
    if "amount" in rule.needs:
        if result.amount is None or result.amount <= 0:
            raise BadInput("How much was promised?", remedy="Give the sum, for example 1500,00.", field="amount")
        if result.amount > card_overdue > 0 and result.outcome == "PTP_PART":
            raise BadInput("A part cannot exceed what is overdue.", remedy="Choose the full promise.", field="amount")
        if result.amount > debt > 0:
            raise BadInput("A promise cannot exceed the whole debt.", remedy="Check the sum.", field="amount")
    if "due_date" in rule.needs:
        if result.due_date is None:
            raise BadInput("By which day?", remedy="Give the date of the promise.", field="due_date")
        if not today <= result.due_date <= today + timedelta(days=MAX_PROMISE_DAYS):
            raise BadInput(
                f"A promise reaches from today to {MAX_PROMISE_DAYS} days ahead.",
                remedy="Choose a nearer day, or the result 'asks for a plan'.", field="due_date", days=MAX_PROMISE_DAYS,
            )  # fmt: skip
    if "call_back_at" in rule.needs and (result.call_back_at is None or result.call_back_at <= now):
        raise BadInput("When may we call back?", remedy="Give a time in the future.", field="call_back_at")


async def next_step(s: AsyncSession, call: CallAttempt, result: Result, today: date) -> NextStep:
    """What this result leads to; the console shows it before it is saved. Raises BadInput for an unknown result."""
    rule = OUTCOMES.get(result.outcome)
    if rule is None:
        raise BadInput("Choose a result from the list.", field="outcome")
    if call.case_id is None:
        return NextStep("", None, "")
    case = await s.get_one(Case, call.case_id)
    state = case.state
    if rule.stops:
        state = "ON_HOLD"
    elif rule.needs >= {"amount"} and state in {"NEW", "ACTIVE"}:
        state = "PROMISED"
    day: date | None = None
    if result.due_date and "due_date" in rule.needs:
        day = result.due_date + timedelta(days=PROMISE_GRACE_DAYS)
    elif result.call_back_at and "call_back_at" in rule.needs:
        day = result.call_back_at.date()
    elif rule.task:
        person = await s.get_one(Person, call.person_id)
        working = await compliance.working_days(s, person.jurisdiction, today, days=60)
        day = next_working_day(today, lambda one: working.get(one, one.weekday() < 5), rule.working_days)
    return NextStep(rule.task, day, state, result.outcome in OF_OTHERS)


async def record_result(
    s: AsyncSession, user_id: UUID, call_id: UUID, result: Result, *, now: datetime, today: date, wall: datetime
) -> NextStep:
    """The disposition of one call (CC-13): outcome, promise, task with control date, the agent's next state.

    Saving the same result again changes nothing; another one after that raises Conflict.
    Raises NotFound, BadInput (its `field` names the input), OutcomeNeedsConfirmation, Conflict.
    """
    call = await own_call(s, user_id, call_id, lock=True)
    rule = OUTCOMES.get(result.outcome)
    if rule is None:
        raise BadInput("Choose a result from the list.", field="outcome")
    if call.bridged_at is None and call.ended_at is None:
        raise Conflict("The talk has not begun.", remedy="Wait until the voices meet.")
    if call.outcome is not None:
        if call.outcome != result.outcome:
            raise Conflict("This call already has a result.", remedy="A supervisor can add a note to the case.")
        return await next_step(s, call, result, today)
    step = await _save(s, call, result, rule, user_id, now=now, today=today, wall=wall)
    agent = await agents.current(s, user_id, lock=True)
    if agent is not None and agent.call_id == call.id:
        if result.wants == "pause" and not agent.wants_pause:
            agent.wants_pause = "BREAK"
        if agent.state == "WRAP_UP":
            agents.free(s, agent, wall, "RESULT_SAVED")
    return step


async def complete_result(
    s: AsyncSession, supervisor_id: UUID, call_id: UUID, result: Result, *, now: datetime, today: date, wall: datetime
) -> NextStep:
    """A supervisor gives the result of a talk whose agent did not (FL-12), by the same rules as at the desk.

    The same result again changes nothing. Raises NotFound, BadInput, OutcomeNeedsConfirmation, Conflict.
    """
    call = await s.get(CallAttempt, call_id, with_for_update=True)
    if call is None:
        raise NotFound
    rule = OUTCOMES.get(result.outcome)
    if rule is None:
        raise BadInput("Choose a result from the list.", field="outcome")
    if call.outcome != NO_DISPOSITION:
        if call.outcome != result.outcome:
            raise Conflict("This call already has a result.", remedy="Look at the case's history.")
        return await next_step(s, call, result, today)
    return await _save(s, call, result, rule, supervisor_id, now=now, today=today, wall=wall)


async def _save(
    s: AsyncSession, call: CallAttempt, result: Result, rule: OutcomeRule, by: UUID, *, now: datetime, today: date,
    wall: datetime,
) -> NextStep:  # fmt: skip
    """Outcome, what it sets in motion, and its line in the history. Of a call that is nobody's only the result stays."""
    if result.outcome not in outcomes_of(call.purpose):
        raise BadInput("Choose a result from the list.", field="outcome")
    if call.case_id is None and result.outcome not in STRANGER_OUTCOMES:
        raise CallerNotChosen
    if rule.rpc and call.identity_confirmed_at is None:
        raise OutcomeNeedsConfirmation
    loans = list((await s.execute(select(Loan).where(Loan.person_id == call.person_id))).scalars())
    _refuse_incomplete(result, rule, loans, now, today)
    step = await next_step(s, call, result, today)
    call.outcome, call.outcome_at, call.note = result.outcome, wall, (result.note or call.note)[:4000]
    if call.case_id is None:
        s.add(UnknownCaller(at=now, number=call.number, called=call.caller_id, call_id=call.id))
        return step
    await _follow(s, call, result, rule, step, next((one.currency for one in spoken_of(loans)), "UAH"), by, now)
    await cases.add_event(
        s, call.case_id, "outcome", at=now, actor_id=by, call_id=call.id,
        data={"outcome": result.outcome, "rpc": rule.rpc, "note": call.note, "task": step.task, **_notice(call),
              "control_date": step.control_date.isoformat() if step.control_date else None},
    )  # fmt: skip
    return step


def _notice(call: CallAttempt) -> dict[str, str]:
    """How the warning of the recording was given, for the history; a talk that owed one and had none says so."""
    if not call.notice_rule or call.bridged_at is None:
        return {}
    return {"notice": call.notice if call.notice_at else "none", "notice_language": call.notice_language}


async def _follow(
    s: AsyncSession, call: CallAttempt, result: Result, rule: OutcomeRule, step: NextStep, currency: str,
    user_id: UUID, now: datetime,
) -> None:  # fmt: skip
    """What the outcome sets in motion: promise, hold, flag, verdict on the number, task."""
    if call.case_id is None or call.person_id is None:
        return
    data: dict[str, Any] = {"call_id": str(call.id), "outcome": result.outcome}
    if "amount" in rule.needs and result.amount is not None and result.due_date is not None:
        promise = await collection.make_promise(
            s, call.case_id, amount=result.amount, currency=currency, due_date=result.due_date, at=now,
            by=user_id, call_id=call.id,
        )  # fmt: skip
        data["promise_id"] = str(promise.id)
    if rule.stops:
        await cases.hold(
            s, call.case_id, reason=result.outcome, at=now, actor_id=user_id, evidence=f"said in call {call.id}"
        )
    if rule.flag:
        await borrowers.set_flag(s, call.person_id, rule.flag, since=now.date(), evidence=f"said in call {call.id}")
    if result.outcome in {"WRONG_NUMBER", "WRONG_PERSON"} and call.contact_point_id is not None:
        await cases.number_evidence(s, call.case_id, call.contact_point_id, "wrong_party", at=now, call_id=call.id)
    if step.task == CALLBACK:
        # the one that this call served, or another hour than he named before: what he says now counts
        await cases.close_tasks(s, call.case_id, (CALLBACK,), now)
        if result.anybody:
            data["anybody"] = True
    if step.task and step.task != REFRESH_CONTACT and step.control_date:  # the verdict on the number raised that one
        await cases.raise_task(
            s, call.case_id, step.task, control_date=step.control_date, at=now, dedupe_key=one_per_case(step.task, call.case_id),
            earliest_at=result.call_back_at, owner_id=call.agent_id if step.task == CALLBACK else None, data=data,
        )  # fmt: skip
