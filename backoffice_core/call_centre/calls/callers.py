"""Who is calling us (FL-02): the persons with his number, and the one whom the agent chooses when that is not plain.

Until somebody is chosen the call is nobody's: no case, no history, and nothing that could be said of a debt.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.borrowers.rules import read_phone
from backoffice_core.call_centre.calls import settling
from backoffice_core.call_centre.desks import desk
from backoffice_core.call_centre.models import CallAttempt, Recording
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.db import new_key
from backoffice_core.errors import Conflict, NotFound, Refused
from backoffice_core.staff.service import note_access


class CallerConfirmed(Refused):
    """The caller's identity is confirmed: the call stays with this person."""

    code = "CALLER_CONFIRMED"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """One person with the number. `last_try`: when we called him there (the machine's time)."""

    person: Person
    contact: ContactPoint
    case: Case
    last_try: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """The card of a call that is nobody's yet. `callers`: whom the number may mean, the likeliest first; often none."""

    call: CallAttempt
    callers: list[Caller]
    local_time: datetime


async def with_number(s: AsyncSession, number: str) -> list[Caller]:
    """Open cases with this number (E.164), the likeliest first: whom we tried last. A number found wrong does not count."""
    tried = (
        select(func.max(CallAttempt.claimed_at))
        .where(CallAttempt.contact_point_id == ContactPoint.id, CallAttempt.direction == "out")
        .scalar_subquery()
    )
    query = (
        select(Person, ContactPoint, Case, tried)
        .join(ContactPoint, ContactPoint.person_id == Person.id)
        .join(Case, Case.person_id == Person.id)
        .where(ContactPoint.kind == "phone", ContactPoint.value == number, ContactPoint.state != "WRONG_PARTY")
        .where(Case.closed_at.is_(None))
        .order_by(tried.desc().nulls_last(), ContactPoint.state != "VERIFIED", Case.number)
    )
    once: dict[UUID, Caller] = {}
    for person, contact, case, last_try in (await s.execute(query)).all():
        once.setdefault(person.id, Caller(person=person, contact=contact, case=case, last_try=last_try))
    return list(once.values())


async def tie(s: AsyncSession, call: CallAttempt, person: Person, contact: ContactPoint | None, case: Case) -> None:
    """From now on the call is this person's: the row, its recording, and its line in the history once it is over."""
    call.person_id, call.case_id, call.contact_point_id = person.id, case.id, contact.id if contact else None
    call.language = person.language
    recording = await s.get(Recording, call.id)
    if recording is not None:
        recording.case_id = case.id


async def after_the_end(s: AsyncSession, call: CallAttempt, now: datetime) -> None:
    """What the end of a call writes, for one that was tied only after it."""
    talked = call.bridged_at and call.ended_at
    seconds = (call.ended_at - call.bridged_at).total_seconds() if talked else 0.0  # type: ignore[operator]
    await settling.write_history(s, call, seconds=seconds)
    await settling.note_he_called(s, call, now)


# --- at the desk ---------------------------------------------------------------------------------------------------


async def stranger(s: AsyncSession, user_id: UUID, call_id: UUID, now: datetime) -> Stranger | None:
    """This agent's own call that is nobody's yet; None for any other. `now`: business time in the bank's zone."""
    query = select(CallAttempt).where(
        CallAttempt.id == call_id, CallAttempt.agent_id == user_id, CallAttempt.case_id.is_(None)
    )
    call = (await s.execute(query)).scalar_one_or_none()
    if call is None:
        return None
    return Stranger(call=call, callers=await with_number(s, call.number) if call.number else [], local_time=now)


async def choose(
    s: AsyncSession, user_id: UUID, call_id: UUID, case_number: int, *, now: datetime, wall: datetime
) -> CallAttempt:
    """The agent says whose call this is, from the list or from a search. The journal keeps whom he chose.

    Raises NotFound, Conflict when it is somebody's already or has its result.
    """
    call = await desk.own_call(s, user_id, call_id, lock=True)
    if call.case_id is not None or call.outcome is not None:
        raise Conflict("This call belongs to a person already.", remedy="Take the choice back first.")
    query = select(Case, Person).join(Person, Person.id == Case.person_id).where(Case.number == case_number)
    row = (await s.execute(query)).one_or_none()
    if row is None:
        raise NotFound("There is no case with this number.")
    case, person = row
    await tie(s, call, person, await _his(s, person.id, call.number), case)
    if call.ended_at is not None:
        await after_the_end(s, call, now)
    note_access(s, user_id, "CALLER_CHOSEN", wall, case_id=case.id, object_id=str(call_id))
    return call


async def take_back(s: AsyncSession, user_id: UUID, call_id: UUID, *, wall: datetime) -> CallAttempt:
    """It was not he: the call is nobody's again. What was asked of him does not count for another; misses stay.

    Raises NotFound, CallerConfirmed, Conflict when the call is over (its line stands in the history) or we made it.
    """
    call = await desk.own_call(s, user_id, call_id, lock=True)
    if call.identity_confirmed_at is not None:
        raise CallerConfirmed(remedy="If it is somebody else, say so in the result.")
    if call.direction != "in" or call.case_id is None or call.ended_at is not None:
        raise Conflict("The choice stands.", remedy="If it is somebody else, say so in the result.")
    note_access(s, user_id, "CALLER_TAKEN_BACK", wall, case_id=call.case_id, object_id=str(call_id))
    call.case_id = call.person_id = call.contact_point_id = None
    call.identity_matches = {}
    recording = await s.get(Recording, call.id)
    if recording is not None:
        recording.case_id = None
    return call


async def add_number(s: AsyncSession, user_id: UUID, call_id: UUID, *, now: datetime, wall: datetime) -> ContactPoint:
    """The number from which the confirmed person calls becomes his own. `now` is business time.

    Raises NotFound, OutcomeNeedsConfirmation before he is confirmed, Conflict when the number stands with him or is none.
    """
    call = await desk.own_call(s, user_id, call_id, lock=True)
    if call.identity_confirmed_at is None or call.case_id is None or call.person_id is None:
        raise desk.OutcomeNeedsConfirmation(remedy="A number is added to a person whose identity is confirmed.")
    try:
        phone = read_phone(call.number, "ZZ")
    except ValueError as error:
        raise Conflict("There is no number to add.", remedy="The caller withholds it: ask him for one.") from error
    if call.contact_point_id is not None:
        raise Conflict("This number stands with the person already.", remedy="Nothing needs to be done.")
    last = await s.scalar(select(func.max(ContactPoint.rank)).where(ContactPoint.person_id == call.person_id))
    contact = ContactPoint(
        id=new_key(), person_id=call.person_id, value=call.number, original=call.number, owner_kind="self",
        number_type=phone.number_type, rank=(last or 0) + 1,
    )  # fmt: skip
    s.add(contact)
    await s.flush()
    call.contact_point_id = contact.id
    await cases.number_evidence(s, call.case_id, contact.id, "right_party", at=now, call_id=call.id)
    note_access(s, user_id, "NUMBER_ADDED", wall, case_id=call.case_id, object_id=str(call_id))
    return contact


async def _his(s: AsyncSession, person_id: UUID, number: str) -> ContactPoint | None:
    query = select(ContactPoint).where(
        ContactPoint.person_id == person_id, ContactPoint.kind == "phone", ContactPoint.value == number
    )
    return (await s.execute(query)).scalar_one_or_none()
