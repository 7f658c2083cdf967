"""The place that reads and writes people and their numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person, PersonFlag, PhoneEvidence
from backoffice_core.borrowers.rules import FLAGS, UNUSABLE, Sign, phone_state, trunk_refuses_everybody
from backoffice_core.errors import BadInput, NotFound

BY_A_PERSON = ("right_party", "wrong_party")
_TRUNK_WINDOW = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a new observation did to a number. `lost` = it just became unusable: its owner needs a task (CC-12)."""

    contact_point_id: UUID
    person_id: UUID
    before: str
    state: str

    @property
    def lost(self) -> bool:
        return self.state in UNUSABLE and self.before not in UNUSABLE


async def add_evidence(
    session: AsyncSession,
    contact_point_id: UUID,
    sign: str,
    *,
    at: datetime,
    call_id: UUID | None = None,
    sip_code: int | None = None,
    cause: int | None = None,
    trunk: str = "",
    announcement: str = "",
) -> Verdict:
    """Notes one observation (`dead`, `alive`, `right_party`, `wrong_party`) and judges the number anew on all of them.

    `at` is business time; two signs of death count only on two days by the person's own clock. A call leaves one
    observation; what a person says of it later (`right_party`, `wrong_party`) takes the place of what the machine
    heard. A "dead" that comes while its trunk refuses nearly everybody is kept as `trunk` and counts for nothing.
    `announcement`: what the network said before any answer; the sign `announcement` means that it was something
    harmless, and takes back the "dead" that the same call's code gave.

    Raises NotFound. The caller raises the refresh task when `lost` (`cases.service.number_evidence` does both).
    """
    point = await session.get(ContactPoint, contact_point_id, with_for_update=True)
    if point is None:
        raise NotFound(f"No contact point {contact_point_id}.")
    if sign == "dead" and await _trunk_is_down(session, trunk, at):
        sign = "trunk"
    row = insert(PhoneEvidence).values(
        contact_point_id=contact_point_id,
        at=at,
        sign=sign,
        sip_code=sip_code,
        cause=cause,
        trunk=trunk,
        announcement=announcement,
        call_id=call_id,
    )
    if sign in BY_A_PERSON:
        row = row.on_conflict_do_update(index_elements=["call_id"], set_={"sign": sign})
    elif announcement:
        heard = {"announcement": announcement} | ({"sign": sign} if sign == "announcement" else {})
        row = row.on_conflict_do_update(
            index_elements=["call_id"], set_=heard, where=PhoneEvidence.sign.in_(("dead", "trunk"))
        )
    else:
        row = row.on_conflict_do_nothing(index_elements=["call_id"])
    await session.execute(row)
    before = point.state
    state = await _judged(session, point)
    if state != before:
        point.state, point.state_since = state, at
        code = f"sip {sip_code}" if sip_code else f"cause {cause}" if cause else sign
        point.state_reason = announcement or code
        await session.flush()
    return Verdict(contact_point_id, point.person_id, before, state)


async def note_alive(session: AsyncSession, signs: Sequence[tuple[UUID, datetime, Mapping[str, Any]]]) -> set[UUID]:
    """Notes answers (`alive`) of numbers whose state they cannot change, all at once; gives the ids of those calls.

    Each sign: contact point, business time, and what `add_evidence` takes besides. The others are left to `add_evidence`.
    """
    if not signs:
        return set()
    points = select(ContactPoint.id).where(
        ContactPoint.id.in_([point for point, _, _ in signs]),
        ContactPoint.state.in_(("UNVERIFIED", "VERIFIED", "WRONG_PARTY")),
    )
    settled = set(await session.scalars(points.order_by(ContactPoint.id).with_for_update()))
    plain = {"sign": "alive", "sip_code": None, "cause": None, "trunk": ""}
    rows = [{**plain, "contact_point_id": point, "at": at, **seen} for point, at, seen in signs if point in settled]
    if rows:
        once = insert(PhoneEvidence.__table__).on_conflict_do_nothing(index_elements=["call_id"])  # type: ignore[arg-type]
        await session.execute(once, rows)
    return {row["call_id"] for row in rows}


async def withdraw_evidence(session: AsyncSession, call_ids: list[UUID], at: datetime) -> int:
    """What these calls said against their numbers came from a trunk that refused everybody: it is kept as `trunk` and
    counts for nothing any more. Returns how many numbers were judged anew. `at` is business time."""
    row = (
        update(PhoneEvidence)
        .where(PhoneEvidence.call_id.in_(call_ids), PhoneEvidence.sign == "dead")
        .values(sign="trunk")
        .returning(PhoneEvidence.contact_point_id)
    )
    points = sorted(set((await session.execute(row)).scalars()))
    for point_id in points:
        point = await session.get_one(ContactPoint, point_id, with_for_update=True)
        state = await _judged(session, point)
        if state != point.state and point.state in {"SUSPECT", "DEAD"}:
            point.state, point.state_since, point.state_reason = state, at, "trunk"
    return len(points)


async def _judged(session: AsyncSession, point: ContactPoint) -> str:
    """The verdict on all evidence of a number; days are those of the person's own clock."""
    zone = ZoneInfo(await session.scalar(select(Person.time_zone).where(Person.id == point.person_id)) or "UTC")
    seen = await session.execute(
        select(PhoneEvidence.at, PhoneEvidence.sign)
        .where(PhoneEvidence.contact_point_id == point.id)
        .order_by(PhoneEvidence.id)
    )
    return phone_state(Sign(when.astimezone(zone).date(), what) for when, what in seen)


async def phones_of(session: AsyncSession, person_id: UUID) -> list[ContactPoint]:
    """In the order of the bank's file."""
    query = select(ContactPoint).where(ContactPoint.person_id == person_id, ContactPoint.kind == "phone")
    return list((await session.scalars(query.order_by(ContactPoint.rank, ContactPoint.value))).all())


async def verify_phone(session: AsyncSession, contact_point_id: UUID, at: datetime) -> Verdict:
    """The right person answered here and proved it."""
    return await add_evidence(session, contact_point_id, "right_party", at=at)


async def mark_wrong_party(session: AsyncSession, contact_point_id: UUID, at: datetime) -> Verdict:
    """Another person answers here: never again for this borrower (domain.md 2.3)."""
    return await add_evidence(session, contact_point_id, "wrong_party", at=at)


async def set_flag(
    session: AsyncSession, person_id: UUID, flag: str, *, since: date, until: date | None = None, evidence: str = "",
    source: str = "call",
) -> None:  # fmt: skip
    """A status of the person with its evidence; one that already covers it is left alone.

    Raises BadInput on an unknown flag.
    """
    if flag not in FLAGS:
        raise BadInput(f"Unknown flag «{flag}».", remedy=f"Use one of {', '.join(FLAGS)}.")
    known = select(PersonFlag.id).where(
        PersonFlag.person_id == person_id, PersonFlag.flag == flag, PersonFlag.valid_from <= since,
        PersonFlag.valid_to.is_(None) if until is None else PersonFlag.valid_to >= until,
    )  # fmt: skip
    if await session.scalar(known.limit(1)) is None:
        session.add(
            PersonFlag(
                person_id=person_id, flag=flag, valid_from=since, valid_to=until, evidence=evidence, source=source
            )
        )
        await session.flush()


async def _trunk_is_down(session: AsyncSession, trunk: str, at: datetime) -> bool:
    if not trunk:
        return False
    counted = await session.execute(
        select(PhoneEvidence.sign, func.count(PhoneEvidence.contact_point_id.distinct()))
        .where(PhoneEvidence.trunk == trunk, PhoneEvidence.at > at - _TRUNK_WINDOW)
        .group_by(PhoneEvidence.sign)
    )
    signs = dict(counted.all())
    dead = signs.get("dead", 0) + signs.get("trunk", 0)
    return trunk_refuses_everybody(dead, sum(n for sign, n in signs.items() if sign not in {"dead", "trunk"}))


@dataclass(frozen=True, slots=True)
class SharedNumber:
    """A number that stands with several borrowers; `refs`: the bank's keys of the first ten."""

    value: str
    persons: int
    refs: list[str]


async def shared_numbers(session: AsyncSession, *, at_least: int = 2, limit: int = 100) -> list[SharedNumber]:
    """The most shared first."""
    persons = func.count(ContactPoint.person_id.distinct())
    query = (
        select(ContactPoint.value, persons, func.array_agg(Person.external_ref))
        .join(Person, Person.id == ContactPoint.person_id)
        .where(ContactPoint.kind == "phone")
        .group_by(ContactPoint.value)
        .having(persons >= at_least)
        .order_by(persons.desc(), ContactPoint.value)
        .limit(limit)
    )
    return [SharedNumber(value, n, sorted(refs)[:10]) for value, n, refs in await session.execute(query)]
