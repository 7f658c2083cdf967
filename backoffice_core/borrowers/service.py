"""The place that reads and writes people and their numbers."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.evidence import (
    Verdict,
    add_evidence,
    note_alive,
    revive,
    suspects,
    try_again,
    withdraw_evidence,
)
from backoffice_core.borrowers.models import ContactPoint, Person, PersonFlag
from backoffice_core.borrowers.rules import FLAGS, UNUSABLE
from backoffice_core.errors import BadInput

__all__ = [
    "UNUSABLE", "SharedNumber", "Verdict", "add_evidence", "mark_wrong_party", "note_alive", "phones_of", "revive", "set_flag",
    "shared_numbers", "suspects", "try_again", "verify_phone", "withdraw_evidence",
]  # fmt: skip


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
