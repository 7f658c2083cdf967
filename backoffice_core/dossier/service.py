"""One case on one page (CK-25, CP-01): every contact with the rules that were consulted, recordings and who heard them,
promises, steps, tasks with their hand-overs, and how the case moved. For an inspector, from a phone number and a day."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person, PersonFlag
from backoffice_core.call_centre.models import CallAttempt, Recording
from backoffice_core.cases.models import Case, CaseEvent, HandOver, Hold, Task, TaskMove
from backoffice_core.collection.models import Promise
from backoffice_core.compliance.models import ComplianceDecision, ContactLedger
from backoffice_core.errors import NotFound
from backoffice_core.loans.models import Loan
from backoffice_core.loans.service import of_branch
from backoffice_core.staff.models import AccessEntry, User
from backoffice_core.strategy import proof

HEARD = "RECORDING_HEARD"


@dataclass(frozen=True, kw_only=True)
class Contact:
    """A call of ours or a contact made elsewhere. `rules`: ids with versions as they were consulted at the dial."""

    at: datetime  # business time
    channel: str
    direction: str
    number: str
    result: str
    outcome: str = ""
    note: str = ""
    agent: str = ""
    seconds: float | None = None
    source: str = ""
    call_id: UUID | None = None
    allowed: bool | None = None
    rules: tuple[str, ...] = ()
    recording: str = ""
    digest: str = ""
    heard: tuple[tuple[datetime, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dossier:
    """`day`: the one that was asked for; its contacts are `of_day`."""

    case: Case
    person: Person
    as_at: datetime
    day: date | None
    loans: list[Loan]
    flags: list[PersonFlag]
    phones: list[ContactPoint]
    contacts: list[Contact]
    of_day: list[Contact]
    promises: list[Promise]
    steps: list[proof.StepRow]
    tasks: list[tuple[Task, list[TaskMove]]]
    hand_overs: list[HandOver]
    holds: list[Hold]
    moves: list[CaseEvent]
    names: dict[UUID, str] = field(default_factory=dict)


async def cases_with_phone(s: AsyncSession, number: str, branch: str = "") -> list[int]:
    """Cases of everybody who has this number (E.164), the newest first."""
    owners = select(ContactPoint.person_id).where(ContactPoint.kind == "phone", ContactPoint.value == number)
    query = select(Case.number).where(Case.person_id.in_(owners), of_branch(Case.person_id, branch))
    return list(await s.scalars(query.order_by(Case.number.desc())))


async def gather(
    s: AsyncSession, number: int, *, now: datetime, today: date, zone: ZoneInfo, day: date | None = None,
    branch: str = "",
) -> Dossier:  # fmt: skip
    """Raises NotFound, also for a case that is not of the `branch`."""
    query = select(Case, Person).join(Person, Person.id == Case.person_id).where(Case.number == number)
    found = (await s.execute(query.where(of_branch(Case.person_id, branch)))).one_or_none()
    if found is None:
        raise NotFound(f"There is no case with number {number}.", remedy="Look it up by phone, contract or name.")
    case, person = found
    names = {key: name for key, name in (await s.execute(select(User.id, User.full_name))).all()}
    contacts = sorted(
        [*await _calls(s, case, names), *await _elsewhere(s, person.id)], key=lambda one: one.at, reverse=True
    )
    tasks = list(await s.scalars(select(Task).where(Task.case_id == case.id).order_by(Task.created_at, Task.id)))
    moves: dict[UUID, list[TaskMove]] = {}
    for move in await s.scalars(
        select(TaskMove).where(TaskMove.task_id.in_([t.id for t in tasks])).order_by(TaskMove.id)
    ):
        moves.setdefault(move.task_id, []).append(move)
    changed = select(CaseEvent).where(
        CaseEvent.case_id == case.id, CaseEvent.kind.in_(("state", "stage", "flag", "court", "late_act", "complaint"))
    )
    phones = select(ContactPoint).where(ContactPoint.person_id == person.id, ContactPoint.kind == "phone")
    steps = proof.Ask(as_at=today, first=date(2000, 1, 1), last=today, case_id=case.id)
    return Dossier(
        case=case, person=person, as_at=now, day=day, contacts=contacts,
        of_day=[one for one in contacts if day and one.at.astimezone(zone).date() == day],
        loans=list(await s.scalars(select(Loan).where(Loan.person_id == person.id).order_by(Loan.contract_no))),
        flags=list(await s.scalars(select(PersonFlag).where(PersonFlag.person_id == person.id))),
        phones=list(await s.scalars(phones.order_by(ContactPoint.rank))),
        promises=list(await s.scalars(select(Promise).where(Promise.case_id == case.id).order_by(Promise.made_at.desc()))),
        steps=await proof.rows(s, steps, limit=proof.MOST), tasks=[(task, moves.get(task.id, [])) for task in tasks],
        hand_overs=list(await s.scalars(select(HandOver).where(HandOver.case_id == case.id).order_by(HandOver.act_no))),
        holds=list(await s.scalars(select(Hold).where(Hold.case_id == case.id).order_by(Hold.placed_at))),
        moves=list(await s.scalars(changed.order_by(CaseEvent.at.desc(), CaseEvent.id.desc()))), names=names,
    )  # fmt: skip


async def _calls(s: AsyncSession, case: Case, names: dict[UUID, str]) -> list[Contact]:
    query = (
        select(CallAttempt, ComplianceDecision, Recording)
        .outerjoin(ComplianceDecision, ComplianceDecision.id == CallAttempt.decision_id)
        .outerjoin(Recording, Recording.call_id == CallAttempt.id)
        .where(CallAttempt.case_id == case.id)
    )
    rows = (await s.execute(query)).all()
    ids = [str(call.id) for call, _, _ in rows]
    heard: dict[str, list[tuple[datetime, str]]] = {}
    looked = (
        select(AccessEntry).where(AccessEntry.act == HEARD, AccessEntry.object_id.in_(ids)).order_by(AccessEntry.id)
    )
    for entry in await s.scalars(looked):
        who = names.get(entry.user_id, "") if entry.user_id else str(entry.detail.get("by", ""))
        heard.setdefault(entry.object_id, []).append((entry.at, who))
    return [
        Contact(
            at=call.business_at, channel="call", direction=call.direction, number=call.number, result=call.result or call.state,
            outcome=call.outcome or "", note=call.note, agent=names.get(call.agent_id, "") if call.agent_id else "",
            seconds=(call.ended_at - call.bridged_at).total_seconds() if call.ended_at and call.bridged_at else None,
            call_id=call.id, allowed=decision.allow if decision else None, rules=_rules(decision),
            recording=recording.state if recording else "", digest=(recording.sha256 or "") if recording else "",
            heard=tuple(heard.get(str(call.id), ())),
        )
        for call, decision, recording in rows
    ]  # fmt: skip


def _rules(decision: ComplianceDecision | None) -> tuple[str, ...]:
    """“UA-DAY 1”: the id and the version of each rule that was consulted."""
    if decision is None:
        return ()
    said: list[str] = []
    for one in decision.consulted:
        pair: list[Any] = (
            list(one.values()) if isinstance(one, dict) else list(one) if isinstance(one, list | tuple) else [one]
        )
        said.append(" ".join(str(part) for part in pair[:2]))
    return tuple(said)


async def _elsewhere(s: AsyncSession, person_id: UUID) -> list[Contact]:
    """What others reported, and messages and visits of our own."""
    t = ContactLedger
    rows = await s.scalars(select(t).where(t.person_id == person_id, t.call_id.is_(None), t.state != "FREED"))
    return [
        Contact(
            at=row.at, channel=row.channel, direction="in" if row.direction == "inbound" else "out", number=row.number,
            result="CONVERSATION" if row.conversation else "DELIVERED" if row.delivered else "ATTEMPT", source=row.source or "",
        ) for row in rows
    ]  # fmt: skip
