"""Abandoned calls: whom we may dial again and how, and the report with its proof (domain.md 3.1, 3.5).

Who answered and found nobody is dialed again only with an agent reserved before the dial and held for that call: for the
hours of the `dialer_limit` rules because they ask for it, for thirty days so that nobody is abandoned twice in them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from backoffice_core.borrowers.models import Person
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.cases.models import Case, CaseEvent
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.dialer_limits import DialerLimits

NEVER_TWICE = timedelta(days=30)
USUAL_WITHIN_S = 2.0  # where no rule says within how many seconds the message must begin

# when this task's person was last abandoned, for the question of a claim (`attempts`)
# (what is uncertain counts, as for the evaluator)
LAST_SQL = """(SELECT max(l.at) FROM contact_ledger l WHERE l.person_id = next.person_id
            AND (l.abandoned OR (l.uncertain AND l.state = 'COMMITTED')))"""

# when a machine last answered for him within a day
MACHINE_SQL = """(SELECT max(l.at) FROM contact_ledger l WHERE l.person_id = next.person_id AND l.machine_message
            AND l.at > CAST(:now AS timestamptz) - interval '1 day')"""


def one_to_one(abandoned_at: datetime, now: datetime, limits: DialerLimits | None) -> bool:
    """Whether a person who was abandoned at `abandoned_at` is dialed at `now` only with an agent in hand; both business
    time. Pure. Where no agent makes it lawful, the evaluator refuses besides."""
    return now < max(abandoned_at + NEVER_TWICE, locked_until(abandoned_at, limits))


def locked_until(abandoned_at: datetime, limits: DialerLimits | None) -> datetime:
    """The end of the rules' lock-out; without a rule there is none."""
    return abandoned_at + timedelta(hours=(limits.redial_hold_hours or 0) if limits else 0)


def after_machine(machine_at: datetime, now: datetime, zone: str, limits: DialerLimits | None) -> bool:
    """Whether a person for whom a machine answered at `machine_at` is dialed at `now` only with an agent in hand: on the same
    day of his `zone`, where a rule says so (it may have been no machine). Both business time. Pure."""
    here = ZoneInfo(zone or "UTC")
    same_day = machine_at.astimezone(here).date() == now.astimezone(here).date()
    return same_day and limits is not None and limits.same_day_after_machine_needs_agent


async def needs_agent(
    s: AsyncSession, jurisdiction: str, abandoned_at: datetime | None, machine_at: datetime | None, now: datetime,
    zone: str,
) -> bool:  # fmt: skip
    """As `one_to_one` and `after_machine`, by the rules in force; False where neither happened."""
    if abandoned_at is None and machine_at is None:
        return False
    limits = await _limits(s, jurisdiction, now)
    return (abandoned_at is not None and one_to_one(abandoned_at, now, limits)) or (
        machine_at is not None and after_machine(machine_at, now, zone, limits)
    )


async def _limits(s: AsyncSession, jurisdiction: str, at: datetime) -> DialerLimits | None:
    return compliance.dialer_limits(await compliance.rulebook(s), jurisdiction, at)


async def proof(s: AsyncSession, attempt: CallAttempt) -> dict[str, Any]:
    """For the one line of an abandoned call in the case history: when he answered, when the message began, by which rules,
    until when he is not dialed without an agent."""
    if attempt.person_id is None or attempt.answered_at is None:
        return {}
    person = await s.get_one(Person, attempt.person_id)
    limits = await _limits(s, person.jurisdiction, attempt.business_at)
    after_s = round((attempt.message_at - attempt.answered_at).total_seconds(), 3) if attempt.message_at else None
    return {
        "proof": {
            "answered_at": attempt.answered_at.isoformat(),
            "message_at": attempt.message_at.isoformat() if attempt.message_at else None,
            "after_s": after_s,
            "within_s": str(limits.connect_within_s) if limits and limits.connect_within_s is not None else None,
            "rules": [f"{rule}/{version}" for rule, version in limits.consulted] if limits else [],
            "locked_until": locked_until(attempt.business_at, limits).isoformat(),
            "agent_first_until": (attempt.business_at + NEVER_TWICE).isoformat(),
        }
    }


# --- the report ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AbandonedCall:
    """One row of the report; stamps without `business` are the machine's. `after_s`: from the answer to the message, None =
    there was none; `stayed_s`: from the answer to the end. `redialed_at` (business): the next call to him, `redial_held`:
    with an agent in hand."""

    call_id: UUID
    case_number: int | None
    person_name: str
    number: str
    campaign: str
    caller_id: str
    business_at: datetime
    answered_at: datetime | None
    message_at: datetime | None
    after_s: float | None
    stayed_s: float | None
    within_s: float | None
    rules: list[str]
    locked_until: datetime | None
    twice: bool  # he had been abandoned within thirty days before
    redialed_at: datetime | None
    redial_held: bool
    redial_result: str

    @property
    def in_time(self) -> bool:
        """The message began within the rule's seconds, or he had gone before they were over: nobody was left in silence."""
        waited = self.after_s if self.after_s is not None else self.stayed_s
        return waited is None or waited <= (self.within_s if self.within_s is not None else USUAL_WITHIN_S)


async def report(
    s: AsyncSession, start: datetime, end: datetime, *, campaigns: Collection[str] = (), limit: int = 1000
) -> list[AbandonedCall]:
    """Abandoned calls of [start, end) in business time, newest first."""
    later = aliased(CallAttempt)
    again = (
        select(later.id)
        .where(later.person_id == CallAttempt.person_id, later.direction == "out")
        .where(later.business_at > CallAttempt.business_at)
        .order_by(later.business_at)
        .limit(1)
        .correlate(CallAttempt)
        .scalar_subquery()
    )
    next_call = aliased(CallAttempt)
    earlier = aliased(CallAttempt)
    twice = exists().where(
        earlier.person_id == CallAttempt.person_id, earlier.abandoned, earlier.direction == "out",
        earlier.business_at < CallAttempt.business_at, earlier.business_at > CallAttempt.business_at - NEVER_TWICE,
    )  # fmt: skip
    query = (
        select(CallAttempt, Case.number, Person, CaseEvent.data["proof"], twice, next_call)
        .outerjoin(Case, Case.id == CallAttempt.case_id)
        .outerjoin(Person, Person.id == CallAttempt.person_id)
        .outerjoin(CaseEvent, (CaseEvent.call_id == CallAttempt.id) & (CaseEvent.kind == "call"))
        .outerjoin(next_call, next_call.id == again)
        .where(CallAttempt.abandoned, CallAttempt.direction == "out", CallAttempt.ended_at.is_not(None))
        .where(CallAttempt.business_at >= start, CallAttempt.business_at < end)
        .order_by(CallAttempt.business_at.desc())
        .limit(limit)
    )
    if campaigns:
        query = query.where(CallAttempt.campaign.in_(campaigns))
    return [_row(*row) for row in (await s.execute(query)).all()]


def _row(
    call: CallAttempt,
    number: int | None,
    person: Person | None,
    proved: dict[str, Any] | None,
    twice: bool,
    again: CallAttempt | None,
) -> AbandonedCall:
    told = proved or {}
    stayed = (call.ended_at - call.answered_at).total_seconds() if call.ended_at and call.answered_at else None
    return AbandonedCall(
        call_id=call.id, case_number=number, person_name=person.full_name if person else "", number=call.number,
        campaign=call.campaign, caller_id=call.caller_id, business_at=call.business_at, answered_at=call.answered_at,
        message_at=call.message_at, after_s=told.get("after_s"), stayed_s=stayed,
        within_s=float(told["within_s"]) if told.get("within_s") else None, rules=list(told.get("rules", ())),
        locked_until=datetime.fromisoformat(told["locked_until"]) if told.get("locked_until") else None,
        twice=twice, redialed_at=again.business_at if again else None, redial_held=bool(again and again.held),
        redial_result=(again.result or "") if again else "",
    )  # fmt: skip
