"""What pages read beyond the services: short lists for one screen. Only SELECTs; permission is in the query."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person, PersonFlag
from backoffice_core.call_centre.models import CallAttempt, CallTask, Recording
from backoffice_core.cases.models import Case, HandOver, Hold, Task
from backoffice_core.collection.models import Promise, StageMove
from backoffice_core.loans.models import Loan, Payment
from backoffice_core.loans.service import of_branch, spoken_of
from backoffice_core.staff.models import AccessEntry, Unit, User

_TIME_IN_STATES = text(
    """
    -- time_in_states: seconds that one agent spent in each state since :start, up to :wall
    SELECT to_state,
           sum(greatest(0, extract(epoch FROM least(coalesce(till, :wall), :wall) - greatest(at, :start))))::float AS seconds
      FROM (SELECT to_state, at, lead(at) OVER (PARTITION BY session_id ORDER BY id) AS till
              FROM agent_state_changes WHERE user_id = :user AND at > cast(:start AS timestamptz) - interval '1 day') t
     WHERE coalesce(till, :wall) > :start AND to_state <> 'OFF'
     GROUP BY to_state
    """
)


async def time_in_states(s: AsyncSession, user_id: UUID, start: datetime, wall: datetime) -> dict[str, float]:
    rows = await s.execute(_TIME_IN_STATES, {"user": user_id, "start": start, "wall": wall})
    return {state: seconds for state, seconds in rows.all()}


async def callbacks(s: AsyncSession, user_id: UUID, today: date, limit: int = 20) -> list[tuple[Task, Case, Person]]:
    """Open call backs that this agent promised, due today or earlier."""
    query = (
        select(Task, Case, Person)
        .join(Case, Case.id == Task.case_id)
        .join(Person, Person.id == Case.person_id)
        .where(Task.kind == "CALLBACK", Task.state == "OPEN", Task.control_date <= today, Task.owner_id == user_id)
        .order_by(Task.earliest_at.nulls_last(), Task.control_date)
        .limit(limit)
    )
    return [(a, b, c) for a, b, c in (await s.execute(query)).all()]


async def promised_in(s: AsyncSession, call_id: UUID) -> str:
    """The currency of the promise that this call brought."""
    return await s.scalar(select(Promise.currency).where(Promise.call_id == call_id)) or "UAH"


async def promises_due(s: AsyncSession, user_id: UUID, today: date, limit: int = 20) -> list[tuple[Promise, Person]]:
    """Promises that this agent took and that are due today, or were yesterday and are unpaid (day of grace)."""
    query = (
        select(Promise, Person)
        .join(Case, Case.id == Promise.case_id)
        .join(Person, Person.id == Case.person_id)
        .where(
            Promise.made_by == user_id,
            or_(
                Promise.due_date == today,
                and_(Promise.due_date == today - timedelta(days=1), Promise.state.in_(("OPEN", "PARTIAL"))),
            ),
        )
        .order_by(Promise.due_date, Person.last_name)
        .limit(limit)
    )
    return [(a, b) for a, b in (await s.execute(query)).all()]


async def noted(s: AsyncSession, user_id: UUID, act: str, object_id: str, since: datetime | None = None) -> bool:
    """Whether the journal has this line already."""
    query = select(AccessEntry.id).where(
        AccessEntry.user_id == user_id, AccessEntry.act == act, AccessEntry.object_id == object_id
    )
    if since is not None:
        query = query.where(AccessEntry.at > since)
    return (await s.execute(query.limit(1))).first() is not None


async def zone_of_call(s: AsyncSession, user_id: UUID, call_id: UUID) -> ZoneInfo | None:
    """The borrower's zone: a call back at 14:30 means his 14:30."""
    query = (
        select(Person.time_zone)
        .join(CallAttempt, CallAttempt.person_id == Person.id)
        .where(CallAttempt.id == call_id, CallAttempt.agent_id == user_id)
    )
    name = (await s.execute(query)).scalar_one_or_none()
    return ZoneInfo(name) if name else None


async def names(s: AsyncSession) -> dict[UUID, str]:
    """Who works or has worked here, by id."""
    return {key: name for key, name in (await s.execute(select(User.id, User.full_name))).all()}


async def units_headed(s: AsyncSession, user_id: UUID) -> list[str]:
    return list(await s.scalars(select(Unit.code).where(Unit.head_id == user_id).order_by(Unit.code)))


# --- one case ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CaseFile:
    case: Case
    person: Person
    owner: str | None
    flags: list[PersonFlag]
    phones: list[ContactPoint]
    loans: list[Loan]
    promises: list[Promise]
    tasks: list[Task]
    payments: list[Payment]
    holds: list[Hold]
    moves: list[StageMove]

    @property
    def currency(self) -> str:
        return next((one.currency for one in spoken_of(self.loans)), "UAH")

    def sums(self, part: str) -> list[tuple[Decimal, str]]:
        """Of all loans, by currency: never added up over two. The one spoken of first."""
        found = dict.fromkeys([self.currency, *(one.currency for one in self.loans)], Decimal(0))
        for one in self.loans:
            found[one.currency] += getattr(one, part)
        return [(value, currency) for currency, value in found.items()]

    def older_than(self, moment: datetime) -> bool:
        """Whether a balance of these was true before this moment and is said by nobody any more."""
        return any(one.as_at < moment for one in self.loans)


async def case_file(s: AsyncSession, number: int, user: User, *, any_case: bool) -> CaseFile | None:
    """One case. An agent sees his own, those that he has handed over (to read: what changes a case asks for other rights),
    those on which he has spoken with the confirmed right party or has an open task, and none while the present call on it
    is unconfirmed: what may not be said is not handed out by another door."""
    query = select(Case, Person, User.full_name).join(Person, Person.id == Case.person_id)
    query = query.outerjoin(User, User.id == Case.owner_id).where(Case.number == number)
    query = query.where(of_branch(Case.person_id, user.branch))
    if not any_case:
        own = (CallAttempt.case_id == Case.id, CallAttempt.agent_id == user.id)
        query = query.where(
            or_(
                exists().where(*own, CallAttempt.identity_confirmed_at.is_not(None)),
                exists().where(Task.case_id == Case.id, Task.owner_id == user.id, Task.state == "OPEN"),
                exists().where(
                    HandOver.case_id == Case.id, HandOver.state == "ACCEPTED", HandOver.from_owner == user.id
                ),
                Case.owner_id == user.id,
            ),
            ~exists().where(*own, CallAttempt.identity_confirmed_at.is_(None), CallAttempt.outcome.is_(None)),
        )
    row = (await s.execute(query)).one_or_none()
    if row is None:
        return None
    case, person, owner = row

    async def all_of(query: Any) -> list[Any]:
        return list((await s.execute(query)).scalars())

    today = func.current_date()
    current = or_(PersonFlag.valid_to.is_(None), PersonFlag.valid_to >= today)
    return CaseFile(
        case=case, person=person, owner=owner,
        flags=await all_of(select(PersonFlag).where(PersonFlag.person_id == person.id, current)),
        phones=await all_of(
            select(ContactPoint)
            .where(ContactPoint.person_id == person.id, ContactPoint.kind == "phone")
            .order_by(ContactPoint.rank)
        ),
        payments=await all_of(
            select(Payment).join(Loan, Loan.id == Payment.loan_id).where(Loan.person_id == person.id)
            .order_by(Payment.paid_at.desc(), Payment.id.desc()).limit(20)
        ),
        holds=await all_of(select(Hold).where(Hold.case_id == case.id).order_by(Hold.placed_at.desc())),
        moves=await all_of(select(StageMove).where(StageMove.case_id == case.id).order_by(StageMove.id.desc()).limit(20)),
        loans=await all_of(select(Loan).where(Loan.person_id == person.id).order_by(Loan.contract_no)),
        promises=await all_of(select(Promise).where(Promise.case_id == case.id).order_by(Promise.made_at.desc())),
        tasks=await all_of(
            select(Task).where(Task.case_id == case.id, Task.state == "OPEN").order_by(Task.control_date)
        ),
    )  # fmt: skip


async def recording(s: AsyncSession, call_id: UUID, user: User, *, any_call: bool) -> Recording | None:
    """A sealed recording; an agent's own only."""
    query = select(Recording).where(Recording.call_id == call_id, Recording.state == "SEALED")
    if not any_call:
        query = query.where(exists().where(CallAttempt.id == call_id, CallAttempt.agent_id == user.id))
    return (await s.execute(query)).scalar_one_or_none()


# --- tonight's queue ---------------------------------------------------------------------------------------------

PAGE = 50


async def queue_rows(
    s: AsyncSession, day: date, after: int = 0, *, branch: str = ""
) -> list[tuple[CallTask, Case, Person, ContactPoint]]:
    """Tasks in their order, after this position; one more than a page tells that there is more."""
    query = (
        select(CallTask, Case, Person, ContactPoint)
        .join(Case, Case.id == CallTask.case_id)
        .join(Person, Person.id == CallTask.person_id)
        .join(ContactPoint, ContactPoint.id == CallTask.contact_point_id)
        .where(CallTask.business_date == day, CallTask.position > after, of_branch(CallTask.person_id, branch))
        .order_by(CallTask.position)
        .limit(PAGE + 1)
    )
    return [(a, b, c, d) for a, b, c, d in (await s.execute(query)).all()]


async def last_queue_day(s: AsyncSession) -> date | None:
    return (await s.execute(select(func.max(CallTask.business_date)))).scalar_one_or_none()
