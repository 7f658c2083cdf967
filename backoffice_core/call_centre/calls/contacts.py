"""The one place that turns a borrower and a number into the evaluator's `Contact`: for the night, the claim, the desk."""

from collections.abc import Collection, Iterable
from datetime import date
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import PersonFlag
from backoffice_core.cases.rules import STAGE_WORDS
from backoffice_core.compliance import consents
from backoffice_core.compliance.terms import Address, ConsentView, Contact, Decision, Flag, PersonView
from backoffice_core.config import Settings


class Whom(Protocol):
    """A borrower, or as much of one."""

    @property
    def id(self) -> UUID: ...
    @property
    def jurisdiction(self) -> str: ...
    @property
    def time_zone(self) -> str: ...


class Number(Protocol):
    @property
    def value(self) -> str: ...
    @property
    def number_type(self) -> str: ...
    @property
    def owner_kind(self) -> str: ...


class FlagRow(Protocol):
    """A status of his."""

    @property
    def flag(self) -> str: ...
    @property
    def valid_from(self) -> date: ...
    @property
    def valid_to(self) -> date | None: ...
    @property
    def evidence(self) -> str: ...


async def flags_of(s: AsyncSession, person_id: UUID) -> list[PersonFlag]:
    return list((await s.execute(select(PersonFlag).where(PersonFlag.person_id == person_id))).scalars())


# which of terms.STANDING is true of a person with this case, as an array of words
STANDING_SQL = """array_remove(ARRAY[
             CASE WHEN EXISTS (SELECT FROM loans l WHERE l.person_id = {person} AND (l.days_past_due > 0 OR
                 l.overdue_principal + l.overdue_interest + l.overdue_penalty + l.overdue_fee > 0)) THEN 'in_arrears' END,
             CASE WHEN EXISTS (SELECT FROM holds h JOIN cases b ON b.id = h.case_id WHERE b.person_id = {person}
                 AND h.kind = 'HARDSHIP' AND h.lifted_at IS NULL) THEN 'hardship' END], NULL)"""
_STANDING = text("SELECT " + STANDING_SQL.format(person="CAST(:person AS uuid)"))


async def agreed(s: AsyncSession, person_id: UUID) -> dict[str, Any]:
    """What `call_contact` asks for of one person: `consents` and `standing`."""
    said = await consents.views(s, [person_id])
    return {"consents": said.get(person_id, ()), "standing": await s.scalar(_STANDING, {"person": person_id})}


def notice_rule(decision: Decision) -> str:
    """The rule that asks to warn at the start that the call is recorded; "" when none does (FL-11)."""
    asks = (must.rule_id for must in decision.must if must.kind == "recording" and must.params.get("warn_at_start"))
    return next(asks, "")


def call_contact(
    settings: Settings,
    person: Whom,
    phone: Number,
    flags: Iterable[FlagRow],
    *,
    purpose: str,
    campaign: str,
    stage: int,
    caller_id: str,
    declared: bool,
    agent_guaranteed: bool = False,
    robot: bool = False,
    consents: Iterable[ConsentView] = (),
    standing: Collection[str] | None = None,
) -> Contact:
    """A call by the dialer to the person's own number. Strictest of the person's and the bank's jurisdiction applies.

    `agent_guaranteed`: an agent is reserved before the dial and held for it. `robot`: a message speaks, no agent. `consents`: all
    of his; those that speak of this contact go with it. `standing`: terms.STANDING, None = not known."""
    channel = "robot" if robot else "call"
    jurisdictions = dict.fromkeys((person.jurisdiction, settings.jurisdiction))  # ordered, without doubles
    return Contact(
        person=PersonView(
            id=person.id,
            jurisdictions=tuple(jurisdictions),
            zones=(person.time_zone,) if person.time_zone else (),
            flags=tuple(Flag(f.flag, f.valid_from, f.valid_to, bool(f.evidence)) for f in flags),
        ),
        channel=channel,
        actor="robot" if robot else "dialer",
        purpose=purpose,
        address=Address(phone.value, phone.number_type if phone.number_type in {"mobile", "fixed"} else None),
        bound=settings.bound,
        stage=STAGE_WORDS[stage],
        campaign=campaign,
        caller_id_hidden=not caller_id,
        caller_id_declared=declared and bool(caller_id),
        agent_guaranteed=agent_guaranteed,
        subject="third_party" if phone.owner_kind in {"relative", "third_party"} else "debtor",
        consents=tuple(one for one in consents if one.meant_for(purpose, channel, phone.value)),
        standing=None if standing is None else frozenset(standing),
    )
