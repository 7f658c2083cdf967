"""Calls that must not go on ringing: somebody named the person, a contract of his or the number on the stop-list (FL-08).

A talk goes on. Whether it has become one is looked at once more by whoever hangs up, and by the settlement.
"""

from datetime import date
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.loans import stop_list


async def mark_stopped(s: AsyncSession, today: date) -> list[UUID]:
    """Writes into each outgoing attempt that nobody has answered, and that the stop-list forbids on this business date,
    why it is taken back; returns them, also those that were marked before and still live."""
    t = CallAttempt
    nobody_yet = or_(t.agent_id.is_(None), t.reserved_at == t.claimed_at)  # reserved before the dial is no answer
    unanswered = (t.ended_at.is_(None), t.answered_at.is_(None), nobody_yet, t.direction == "out")
    calls = (await s.execute(select(t.id, t.person_id, t.number).where(*unanswered))).all()
    forbidden = await stop_list.reasons(s, [(call.person_id, call.number) for call in calls], today)
    found: list[UUID] = []
    for call in calls:
        reason = forbidden.get((call.person_id, call.number))
        if reason is None:
            continue
        query = select(t).where(t.id == call.id, *unanswered).with_for_update()
        attempt = (await s.execute(query)).scalar_one_or_none()  # answered meanwhile: left alone
        if attempt is not None:
            attempt.cancelled, attempt.cancelled_why = "STOP_LIST", reason
            found.append(call.id)
    return found
