"""The place that writes what was heard of numbers and the verdicts on them (CC-10 … CC-12); verdicts.py judges."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, NumberTerm, Person, PhoneEvidence
from backoffice_core.borrowers.verdicts import (
    LIFE,
    NAMES,
    REFUSED,
    TEST,
    UNUSABLE,
    Heard,
    Judged,
    Seen,
    Terms,
    judge,
    network_of,
    terms_of,
    trunk_lies,
)
from backoffice_core.errors import BadInput, Conflict, NotFound

BY_A_PERSON = ("right_party", "wrong_party")
PLAIN_STATES = ("UNVERIFIED", "VERIFIED", "WRONG_PARTY")  # an answer changes none of them
_LIVED_WITHIN = timedelta(days=60)


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


async def terms(session: AsyncSession, day: date) -> Terms:
    """Those in force on this day."""
    query = select(NumberTerm.name, NumberTerm.value).where(
        NumberTerm.valid_from <= day, or_(NumberTerm.valid_to.is_(None), NumberTerm.valid_to >= day)
    )
    rows = await session.execute(query.order_by(NumberTerm.valid_from, NumberTerm.id))
    return terms_of((name, float(value)) for name, value in rows)


async def set_term(session: AsyncSession, name: str, value: Decimal, *, since: date, source: str) -> None:
    """A weight or threshold from this day on. Raises BadInput for an unknown name, a negative value, no source."""
    if name not in NAMES:
        raise BadInput(f"“{name}” is no term of verdicts.", remedy=f"Known: {', '.join(NAMES)}.", field="name")
    if not 0 <= value <= 10_000:
        raise BadInput(f"{value} cannot be a term.", remedy="Give a number from 0 to 10000.", field="value")
    if not source.strip():
        raise BadInput("Nobody has decided this.", remedy="Say who decided it, and why, in --source.", field="source")
    session.add(NumberTerm(name=name, value=value, valid_from=since, valid_to=None, source=source.strip()[:200]))
    await session.flush()


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
    rang_s: int | None = None,
) -> Verdict:
    """Notes one observation and judges the number anew on all of them (`verdicts.judge`).

    `sign`: dead, alive, right_party, wrong_party, rings. `at` is business time; signs of death count by the person's own
    days. A call leaves one observation; what a person says of it later (`right_party`, `wrong_party`) takes the place of
    what the machine heard. A "dead" that comes while its trunk lies is kept as `trunk` and counts for nothing; the moment a
    trunk is found to lie, what it said before in its window is taken back too. `rings` is kept of suspects only.
    `announcement`: what the network said before any answer; the sign `announcement` means that it was something
    harmless, and takes back the "dead" that the same call's code gave.

    Raises NotFound. The caller raises the refresh task when `lost` (`cases.service.number_evidence` does both).
    """
    point = await session.get(ContactPoint, contact_point_id, with_for_update=True)
    if point is None:
        raise NotFound(f"No contact point {contact_point_id}.")
    if sign == "rings" and point.state != "SUSPECT":
        return Verdict(contact_point_id, point.person_id, point.state, point.state)
    in_force, lived = await terms(session, at.date()), False
    if sign == "dead":
        lived = await _has_lived(session, contact_point_id, at)
        lies, since = await _trunk_lies(session, trunk, point, at, in_force)
        if lies:
            sign = "trunk"
            await _take_back(session, trunk, network_of(point.value) if lies == "network" else "", since, at, in_force)
    row = insert(PhoneEvidence).values(
        contact_point_id=contact_point_id, at=at, sign=sign, sip_code=sip_code, cause=cause, trunk=trunk,
        announcement=announcement, call_id=call_id, rang_s=rang_s, lived=lived,
    )  # fmt: skip
    if sign in BY_A_PERSON:
        row = row.on_conflict_do_update(index_elements=["call_id"], set_={"sign": sign})
    elif announcement:
        heard = {"announcement": announcement} | ({"sign": sign} if sign == "announcement" else {})
        row = row.on_conflict_do_update(
            index_elements=["call_id"], set_=heard, where=PhoneEvidence.sign.in_(tuple(REFUSED))
        )
    else:
        row = row.on_conflict_do_nothing(index_elements=["call_id"])
    await session.execute(row)
    code = f"sip {sip_code}" if sip_code else f"cause {cause}" if cause else sign
    before = point.state
    await _apply(session, point, sign, at, announcement or code, in_force)
    return Verdict(contact_point_id, point.person_id, before, point.state)


async def _apply(
    session: AsyncSession, point: ContactPoint, sign: str, at: datetime, reason: str, in_force: Terms
) -> None:
    judged = await _judged(session, point, in_force)
    absent = point.state == "UNREACHABLE" or point.state_reason == TEST
    if absent and sign not in LIFE and judged.state in {"UNVERIFIED", "VERIFIED"}:
        return  # of his absence only an answer is news
    facts = judged.facts() or None
    if judged.state != point.state:
        point.state, point.state_since, point.state_reason, point.state_facts = judged.state, at, reason, facts
        await session.flush()
    elif judged.state in {"SUSPECT", "DEAD"} and facts != point.state_facts:
        point.state_facts = facts
        await session.flush()


async def note_alive(session: AsyncSession, signs: Sequence[tuple[UUID, datetime, Mapping[str, Any]]]) -> set[UUID]:
    """Notes answers (`alive`) of numbers whose state they cannot change, all at once; gives the ids of those calls.

    Each sign: contact point, business time, and what `add_evidence` takes besides. The others are left to `add_evidence`.
    """
    if not signs:
        return set()
    points = select(ContactPoint.id).where(
        ContactPoint.id.in_([point for point, _, _ in signs]), ContactPoint.state.in_(PLAIN_STATES)
    )
    settled = set(await session.scalars(points.order_by(ContactPoint.id).with_for_update()))
    plain = {"sign": "alive", "sip_code": None, "cause": None, "trunk": "", "rang_s": None}
    rows = [{**plain, "contact_point_id": point, "at": at, **seen} for point, at, seen in signs if point in settled]
    if rows:
        once = insert(PhoneEvidence.__table__).on_conflict_do_nothing(index_elements=["call_id"])  # type: ignore[arg-type]
        await session.execute(once, rows)
    return {row["call_id"] for row in rows}


async def suspects(session: AsyncSession, points: Sequence[UUID]) -> set[UUID]:
    """Which of these numbers are suspect now: only of them it is told that they rang."""
    if not points:
        return set()
    query = select(ContactPoint.id).where(ContactPoint.id.in_(points), ContactPoint.state == "SUSPECT")
    return set(await session.scalars(query))


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
    in_force = await terms(session, at.date())
    for point_id in points:
        point = await session.get_one(ContactPoint, point_id, with_for_update=True)
        await _judge_again(session, point, at, in_force)
    return len(points)


async def _judge_again(session: AsyncSession, point: ContactPoint, at: datetime, in_force: Terms) -> None:
    if point.state in {"SUSPECT", "DEAD"}:
        await _apply(session, point, "trunk", at, "trunk", in_force)


async def _judged(session: AsyncSession, point: ContactPoint, in_force: Terms) -> Judged:
    """The verdict on all evidence of a number; days are those of the person's own clock."""
    zone = ZoneInfo(await session.scalar(select(Person.time_zone).where(Person.id == point.person_id)) or "UTC")
    e = PhoneEvidence
    seen = await session.execute(
        select(e.at, e.sign, e.sip_code, e.cause, e.announcement, e.trunk, e.rang_s)
        .where(e.contact_point_id == point.id)
        .order_by(e.id)
    )
    told = (
        Seen(day=at.astimezone(zone).date(), sign=sign, sip_code=sip, cause=cause, announcement=words, trunk=trunk, rang_s=rang)
        for at, sign, sip, cause, words, trunk, rang in seen
    )  # fmt: skip
    return judge(told, in_force)


# --- by a person -----------------------------------------------------------------------------------------------------


async def revive(session: AsyncSession, contact_point_id: UUID, *, at: datetime) -> Verdict:
    """A person knows that the number works and is his (he wrote, he called from it): the signs against it are gone."""
    return await add_evidence(session, contact_point_id, "revived", at=at)


async def try_again(session: AsyncSession, contact_point_id: UUID, *, at: datetime) -> ContactPoint:
    """A lost number may be dialed again; an answer brings it back, another refusal or silence loses it again.

    Raises NotFound, Conflict for a wrong party (only evidence brings that number back) and for one that is not lost.
    """
    point = await session.get(ContactPoint, contact_point_id, with_for_update=True)
    if point is None:
        raise NotFound(f"No contact point {contact_point_id}.")
    if point.state not in {"DEAD", "UNREACHABLE"}:
        raise Conflict("This number is not lost.", remedy="Only a dead or unreachable number needs a test.")
    point.state, point.state_since, point.state_reason = "SUSPECT", at, TEST
    await session.flush()
    return point


# --- trunks ----------------------------------------------------------------------------------------------------------


async def _has_lived(session: AsyncSession, contact_point_id: UUID, at: datetime) -> bool:
    query = select(PhoneEvidence.id).where(
        PhoneEvidence.contact_point_id == contact_point_id, PhoneEvidence.at > at - _LIVED_WITHIN,
        PhoneEvidence.sign.in_(tuple(LIFE)),
    )  # fmt: skip
    return await session.scalar(query.limit(1)) is not None


async def _trunk_lies(
    session: AsyncSession, trunk: str, point: ContactPoint, at: datetime, in_force: Terms
) -> tuple[str, datetime]:
    """What `verdicts.trunk_lies` says of the trunk that refuses this number now, and since when its word counts for nothing."""
    begins = at - timedelta(hours=in_force.trunk_hours)
    if not trunk:
        return "", begins
    e, network = PhoneEvidence, network_of(point.value)
    same = ContactPoint.value.startswith(network, autoescape=True)
    refused, answered = e.sign.in_(tuple(REFUSED)), e.sign.in_(_ANSWERED)

    def distinct(*which: Any) -> Any:
        wanted = which[0]
        for one in which[1:]:
            wanted = wanted & one
        return func.count(case((wanted, e.contact_point_id)).distinct())

    query = (
        select(
            distinct(refused), distinct(refused, e.lived), distinct(answered), distinct(refused, same),
            distinct(refused, e.lived, same), distinct(answered, same),
        )
        .join(ContactPoint, ContactPoint.id == e.contact_point_id)
        .where(e.trunk == trunk, e.at > begins, e.at <= at)
    )  # fmt: skip
    n = (await session.execute(query)).one()
    silent_since, others = (begins, 0) if n[2] else await _since_answer(session, trunk, point.id, at)
    whole = Heard(n[0], n[1], n[2], others + 1)
    return trunk_lies(whole, Heard(n[3], n[4], n[5]), in_force), min(begins, silent_since)


async def _since_answer(session: AsyncSession, trunk: str, but: UUID, at: datetime) -> tuple[datetime, int]:
    """When anybody was last answered on this trunk, at most `_LIVED_WITHIN` ago, and how many numbers besides `but` it has
    refused since."""
    e = PhoneEvidence
    last = select(e.at).where(e.trunk == trunk, e.sign.in_(_ANSWERED), e.at <= at, e.at > at - _LIVED_WITHIN)
    since = await session.scalar(last.order_by(e.at.desc()).limit(1)) or at - _LIVED_WITHIN
    refused = (e.trunk == trunk, e.at > since, e.at <= at, e.sign.in_(tuple(REFUSED)), e.contact_point_id != but)
    return since, await session.scalar(select(func.count(e.contact_point_id.distinct())).where(*refused)) or 0


_ANSWERED = ("alive", *BY_A_PERSON)


async def _take_back(
    session: AsyncSession, trunk: str, network: str, since: datetime, at: datetime, in_force: Terms
) -> None:
    """All that this trunk has said since then against numbers (of one network, or of all). Numbers that another transaction
    holds are left out: what they lose by it, they get back with their next answer."""
    e = PhoneEvidence
    ours = (e.trunk == trunk, e.sign == "dead", e.at > since)
    points = (
        select(ContactPoint)
        .where(ContactPoint.id.in_(select(e.contact_point_id).where(*ours)))
        .where(ContactPoint.value.startswith(network, autoescape=True) if network else ContactPoint.id.is_not(None))
        .order_by(ContactPoint.id)
        .with_for_update(skip_locked=True)
    )
    found = list(await session.scalars(points))
    if not found:
        return
    await session.execute(
        update(e).where(*ours, e.contact_point_id.in_([point.id for point in found])).values(sign="trunk")
    )
    for point in found:
        await _judge_again(session, point, at, in_force)
