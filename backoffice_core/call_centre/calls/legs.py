"""The legs of one call: another trunk inside the same attempt (FL-04; docs/decisions/0013).

All legs go out under the call's own id, one after the other: Asterisk refuses a second channel of an id while the first
lives, so two at once cannot be. The listener, who hears the end of a leg, decides here in one transaction whether
another follows and writes it down; the leading dialer places what is written, once, and within seconds or never.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core import bulk
from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.call_centre.carriers import trunks
from backoffice_core.call_centre.carriers.trunk_rules import FAIL_OVER_WITHIN, Leg, fails_over, in_order, leg_says
from backoffice_core.call_centre.dialing import campaign_terms
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.stop import stopped
from backoffice_core.call_centre.models import CallAttempt, CallLeg, TrunkState
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.clock import Clock
from backoffice_core.config import Settings

UNHEARD_AFTER = timedelta(seconds=8)  # a placed leg without any sign of a channel by then never came to be
AT_ONCE = timedelta(seconds=1)
NO_CIRCUIT = 34  # Q.850


@dataclass(frozen=True)
class LegOver:
    """`settles_with`: the attempt is over, with these facts. `wanted`: another leg waits for the dialer. Neither: an old
    end that was heard again. `trunks_changed`: a breaker opened or closed by it."""

    settles_with: CallFacts | None = None
    wanted: bool = False
    trunks_changed: bool = False


async def leg_over(
    s: AsyncSession, settings: Settings, call_id: UUID, facts: CallFacts, *, now: datetime, wall: datetime
) -> LegOver:
    """The current leg of a call has ended so. `now`: business time. Hearing it twice changes nothing."""
    attempt = await bulk.locked(s, CallAttempt, call_id)
    if attempt is None or attempt.ended_at is not None:
        return LegOver(facts)  # settling an ended call does nothing
    leg = await _last(s, attempt)
    if leg is None or leg.ended_at is not None:
        return LegOver(facts)
    if leg.placed_at is None:
        if leg.wanted_until is not None and wall < leg.wanted_until:
            return LegOver()
        leg.ended_at, leg.said = wall, Leg.NOTHING.value  # nobody placed it in time: the call ended with the leg before
        last = await s.get_one(CallLeg, (call_id, leg.n - 1))
        return LegOver(CallFacts(ended_at=last.ended_at or wall, cause=last.cause, sip_code=last.sip_code))
    if leg.n > 1 and facts.ended_at < leg.placed_at and wall - leg.placed_at < UNHEARD_AFTER:
        return LegOver()
    if _never_left(facts, attempt, leg.placed_at) and not stopped(settings):
        facts = replace(facts, cause=NO_CIRCUIT)
    leg.ended_at, leg.cause, leg.sip_code = facts.ended_at, facts.cause, facts.sip_code
    rang, answered = bool(facts.rang_at or attempt.ringing_at), bool(facts.answered_at or attempt.answered_at)
    said = leg_says(facts.sip_code, facts.cause, rang=rang, answered=answered) if facts.heard else Leg.NOTHING
    changed = await trunks.end_leg(s, settings, leg, said, now=now, wall=wall)
    further = facts.heard and fails_over(
        facts.sip_code, facts.cause, rang=rang, answered=answered, legs=leg.n, since_claim=wall - attempt.claimed_at
    )
    if not further or stopped(settings):
        return LegOver(facts, trunks_changed=changed)
    wanted = await _want_further(s, settings, attempt, now=now, wall=wall)
    return LegOver(None if wanted else facts, wanted=wanted, trunks_changed=changed)


def _never_left(facts: CallFacts, attempt: CallAttempt, placed_at: datetime) -> bool:
    """Our own exchange made a channel and could not use it (no RTP port left, no codec): it ends at once, without a cause or
    a SIP code. That is no try of the borrower, and if it goes on no call can be placed at all."""
    told = facts.cause or facts.sip_code or facts.rang_at or facts.answered_at or attempt.ringing_at
    heard = facts.heard and not facts.estimated and not attempt.cancelled
    return heard and not told and facts.ended_at - placed_at < AT_ONCE


async def _want_further(
    s: AsyncSession, settings: Settings, attempt: CallAttempt, *, now: datetime, wall: datetime
) -> bool:
    """Writes the next leg on a trunk that this call has not tried. False when there is none."""
    today, day_start = _business_day(settings, now)
    tried = set((await s.execute(select(CallLeg.trunk).where(CallLeg.call_id == attempt.id))).scalars())
    seen = await trunks.standings(s, settings, wall=wall, day_start=day_start)
    order = [settings.trunk(one.name) for one in in_order(seen.values(), wall) if one.name not in tried]
    if not order:
        return False
    person = await s.get_one(Person, attempt.person_id)
    way = await trunks.way_for(s, order, attempt.number, attempt.campaign, demo=person.demo, today=today)
    if isinstance(way, trunks.NoWay):
        return False
    attempt.legs += 1
    attempt.trunk, attempt.caller_id, attempt.state = way.trunk.name, way.caller_id, "INTENT"
    until = attempt.claimed_at + FAIL_OVER_WITHIN
    await trunks.begin_leg(s, attempt.id, attempt.legs, way, attempt.number, wall=wall, wanted_until=until)
    return True


def _business_day(settings: Settings, now: datetime) -> tuple[date, datetime]:
    zone = Clock(settings.bank_time_zone)
    today = now.astimezone(zone.zone).date()
    return today, zone.day_bounds(today)[0]


# --- placing what is wanted --------------------------------------------------------------------------------------


async def take_wanted(s: AsyncSession, settings: Settings, wall: datetime) -> list[Placing]:
    """Legs that wait for the dialer, marked as placed: after this commit they are placed now or never."""
    query = (
        select(CallLeg, CallAttempt, ContactPoint.extension, Campaign.robot)
        .join(CallAttempt, CallAttempt.id == CallLeg.call_id)
        .join(ContactPoint, ContactPoint.id == CallAttempt.contact_point_id)
        .outerjoin(Campaign, Campaign.name == CallAttempt.campaign)
        .where(
            CallLeg.placed_at.is_(None), CallLeg.ended_at.is_(None), CallLeg.wanted_until > wall,
            CallAttempt.ended_at.is_(None),
        )
        .with_for_update(skip_locked=True, of=CallLeg)
    )  # fmt: skip
    taken = []
    for leg, attempt, extension, said in (await s.execute(query)).all():
        if attempt.task_id is None:
            continue  # a call to us has no legs of ours
        leg.placed_at = wall
        taken.append(
            Placing(
                call_id=leg.call_id, task_id=attempt.task_id, case_id=attempt.whose.case_id,
                contact_point_id=attempt.whose.contact_point_id, number=attempt.number, extension=extension,
                trunk=settings.trunk(leg.trunk), caller_id=leg.caller_id, language=attempt.language,
                recording=attempt.recording, leg=leg.n, agent_id=attempt.agent_id, machines=attempt.machine_mode,
                says=campaign_terms.robot(said or {}).message if attempt.robot else "",
            )
        )  # fmt: skip
    return taken


async def close(s: AsyncSession, attempt: CallAttempt, at: datetime) -> None:
    """The call is over: a leg that nobody saw end, or that never went out, says nothing of its trunk."""
    leg = await _last(s, attempt)
    if leg is not None and leg.ended_at is None:
        leg.ended_at, leg.said = at, Leg.NOTHING.value


async def _last(s: AsyncSession, attempt: CallAttempt) -> CallLeg | None:
    """The leg that a call is on, locked."""
    leg = bulk.held(s, CallLeg, attempt.id)
    if leg is not None and leg.n == attempt.legs:
        return leg
    return await s.get(CallLeg, (attempt.id, attempt.legs), with_for_update=True)


_LAST = (
    select(CallLeg, TrunkState)
    .join(CallAttempt, CallAttempt.id == CallLeg.call_id)
    .outerjoin(TrunkState, TrunkState.trunk == CallLeg.trunk)
    .where(bulk.among(CallLeg.call_id), CallLeg.n == CallAttempt.legs)
    .order_by(CallLeg.call_id)
    .with_for_update(of=CallLeg)
)


async def hold(s: AsyncSession, calls: list[UUID]) -> None:
    """Locks and loads the last legs of these calls, and reads their trunks' states, for a transaction of many steps."""
    rows = (await s.execute(_LAST, {"ids": calls})).all()
    bulk.hold(s, [leg for leg, _ in rows], "call_id")
    trunks.hold_states(s, {leg.trunk: state for leg, state in rows})


async def story(s: AsyncSession, call_id: UUID) -> list[dict[str, Any]]:
    """The legs of a call that tried several trunks, for its one line in the case history; empty after one leg."""
    legs = list((await s.execute(select(CallLeg).where(CallLeg.call_id == call_id).order_by(CallLeg.n))).scalars())
    if len(legs) < 2:
        return []
    return [
        {"n": leg.n, "trunk": leg.trunk, "caller_id": leg.caller_id, "sip_code": leg.sip_code, "cause": leg.cause}
        for leg in legs
    ]
