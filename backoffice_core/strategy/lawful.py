"""May the steps that are due be done before their deadlines? The one evaluator is asked, for many at once."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person, PersonFlag
from backoffice_core.borrowers.rules import UNUSABLE
from backoffice_core.cases.rules import STAGE_WORDS
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.terms import Address, Contact, Flag, PersonView
from backoffice_core.config import Settings
from backoffice_core.strategy.facts import CaseFacts, day_begins
from backoffice_core.strategy.rules import BY_PHONE

ACTOR = {"call": "dialer", "robot": "robot", "sms": "robot", "email": "robot", "letter": "human", "visit": "human"}
AGREED = frozenset({"prior_consent", "agreed_place_time"})  # what the visitor obtains before he goes; his task says so


async def refusals(
    s: AsyncSession, asked: Sequence[tuple[CaseFacts, str, date]], at: datetime, settings: Settings, zone: ZoneInfo
) -> dict[tuple[UUID, str], str]:
    """`asked`: case, channel, last day. Gives, by case and channel, the rule that allows it at no moment until then.

    Such refusals are kept as decisions: they prove why a step was not done.
    """
    if not asked:
        return {}
    persons = {one.person_id for one, _, _ in asked}
    people = {p.id: p for p in await s.scalars(select(Person).where(Person.id.in_(persons)))}
    flags: dict[UUID, list[PersonFlag]] = {}
    for flag in await s.scalars(select(PersonFlag).where(PersonFlag.person_id.in_(persons))):
        flags.setdefault(flag.person_id, []).append(flag)
    phones: dict[UUID, ContactPoint] = {}
    usable = select(ContactPoint).where(
        ContactPoint.person_id.in_(persons), ContactPoint.kind == "phone", ContactPoint.state.not_in(sorted(UNUSABLE))
    )
    for phone in await s.scalars(usable.order_by(ContactPoint.rank.desc())):
        phones[phone.person_id] = phone
    contacts = [
        _contact(one, channel, people[one.person_id], flags.get(one.person_id, []), phones.get(one.person_id), settings)
        for one, channel, _ in asked
    ]  # fmt: skip
    decisions = await compliance.ask_many(s, contacts, at, store=False, guard_minutes=settings.guard_minutes)
    refused = [
        n for n, ((_, _, last), decision) in enumerate(zip(asked, decisions, strict=True))
        if not decision.allow
        and (decision.next_allowed_at is None or decision.next_allowed_at >= day_begins(last + timedelta(days=1), zone))
    ]  # fmt: skip
    kept = await compliance.ask_many(s, [contacts[n] for n in refused], at, guard_minutes=settings.guard_minutes)
    return {
        (asked[n][0].case_id, asked[n][1]): next((r.rule_id for r in one.reasons if r.rule_id), None) or str(one.reasons[0].code)
        for n, one in zip(refused, kept, strict=True)
    }  # fmt: skip


def _contact(
    one: CaseFacts,
    channel: str,
    person: Person,
    flags: Sequence[PersonFlag],
    phone: ContactPoint | None,
    settings: Settings,
) -> Contact:
    view = PersonView(
        id=person.id,
        jurisdictions=tuple(dict.fromkeys((person.jurisdiction, settings.jurisdiction))),
        zones=(person.time_zone,) if person.time_zone else (),
        flags=tuple(Flag(f.flag, f.valid_from, f.valid_to, bool(f.evidence)) for f in flags),
    )
    contact = Contact(
        person=view, channel=channel, actor=ACTOR[channel], purpose="collection", bound=settings.bound,
        stage=STAGE_WORDS[one.facts.stage], campaign="collection", caller_id_hidden=False, caller_id_declared=True,
        given=AGREED if channel == "visit" else frozenset(),
    )  # fmt: skip
    if channel in BY_PHONE and phone is not None:
        kind = phone.number_type if phone.number_type in {"mobile", "fixed"} else None
        contact = replace(contact, address=Address(phone.value, kind))
    return contact
