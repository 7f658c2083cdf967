"""A payment comes in: one transaction from the reference to the queue. By API, by file, by a test; all the same way.

Posted once, taken off the balance, put on promises (kept at once), stages and states moved, and the queue told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.queueing import requeue
from backoffice_core.cases.models import Case
from backoffice_core.collection import days, matching, plans
from backoffice_core.collection import service as collection
from backoffice_core.config import Settings
from backoffice_core.loans import payments, schedules
from backoffice_core.loans.models import Instalment, Loan
from backoffice_core.loans.payments import PaymentRow, Posted
from backoffice_core.loans.schedules import Schedule
from backoffice_core.nightly import day_shifts


@dataclass(slots=True)
class MoneyIn:
    """`cases`: open cases that the payments touched. `counts`: promises kept, cases cured …"""

    posted: Posted
    cases: set[UUID] = field(default_factory=set)
    counts: dict[str, int] = field(default_factory=dict)


async def take(
    session: AsyncSession,
    rows: Sequence[PaymentRow],
    settings: Settings,
    *,
    at: datetime,
    today: date,
    zone: ZoneInfo,
    by: str,
) -> MoneyIn:
    """The caller commits, and publishes QueueChanged when `cases` is not empty. `at`: business time, `zone`: the bank's."""
    posted = await payments.post(session, rows, at=at, by=by, zone=zone)
    done = MoneyIn(posted)
    if not posted.new:
        return done
    await count_days(session, posted.persons, settings, at=at, today=today, zone=zone)
    matched = await matching.settle(session, posted.new, at=at, today=today, zone=zone)
    done.counts = {"matches": matched.matches, "reopened": matched.reopened}
    done.counts |= await collection.recompute(session, posted.persons, at=at, today=today, zone=zone, why="PAYMENT")
    touched = set(
        await session.scalars(select(Case.id).where(Case.person_id.in_(posted.persons), Case.closed_at.is_(None)))
    )
    done.counts |= await plans.settle(session, at, touched)
    done.cases = touched | matched.cases
    await requeue.touched(session, done.cases, "payment")
    return done


async def follow(
    session: AsyncSession,
    person_ids: set[UUID],
    settings: Settings,
    *,
    at: datetime,
    today: date,
    zone: ZoneInfo,
    why: str,
) -> dict[str, int]:
    """After these persons' balances were said anew: days, cases, promises, stages and plans, as the night would; the queue
    follows by itself. `why` stands in the history of stages: BALANCE, CORRECTION. Returns counts as `take` does."""
    if not person_ids:
        return {}
    await count_days(session, person_ids, settings, at=at, today=today, zone=zone)
    counts = await collection.recompute(session, person_ids, at=at, today=today, zone=zone, why=why)
    touched = set(
        await session.scalars(select(Case.id).where(Case.person_id.in_(person_ids), Case.closed_at.is_(None)))
    )
    return counts | await plans.settle(session, at, touched)


async def take_schedules(
    session: AsyncSession,
    rows: Sequence[Schedule],
    settings: Settings,
    *,
    at: datetime,
    today: date,
    zone: ZoneInfo,
    who: str,
) -> tuple[schedules.Taken, dict[str, int]]:
    """Schedules, and what follows from them at once; counts as of `take`. A row by which a loan is late while its balance has
    nothing overdue is refused; the others count. The caller commits."""
    faults: dict[int, str] = {}
    while True:
        async with session.begin_nested() as attempt:
            taken = await schedules.take(session, rows, at=at, who=who, faults=faults)
            await count_days(session, taken.persons, settings, at=at, today=today, zone=zone)
            found = await schedules.late_without_sum(session, taken)
            if found:
                await attempt.rollback()
        if not found:
            break
        faults |= found
    return taken, await follow(session, taken.persons, settings, at=at, today=today, zone=zone, why="SCHEDULE")


async def count_days(
    session: AsyncSession, person_ids: set[UUID], settings: Settings, *, at: datetime, today: date, zone: ZoneInfo
) -> None:
    """Days past due of these persons' loans with a schedule."""
    scheduled = (
        select(Loan.person_id).join(Instalment, Instalment.loan_id == Loan.id).where(Loan.person_id.in_(person_ids))
    )
    found = list(await session.scalars(scheduled.distinct()))
    shifts = await day_shifts(session, settings, today) if found else {}
    for person_id in found:
        await days.refresh(session, today, person_id, person_id, at=at, zone=str(zone), shifts=shifts)
