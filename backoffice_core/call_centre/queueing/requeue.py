"""The queue follows what happens during the day: a payment, a promise, a new number, a verdict on one, a status, an entry of
the stop-list, a hold, a task, a changed rule, a window that opens.

Each such fact marks its cases (`queue_marks`) in its own transaction; the database does that by itself (migration
0019), `touched` is for facts that it does not know. The worker judges the marked cases by the way of the night
(`judging`), some thousands in a transaction, and takes the marks away. A case in a call is left alone until the call's
end, which marks it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.models import NotCallable
from backoffice_core.call_centre.queueing import queue
from backoffice_core.call_centre.queueing.judging import CAMPAIGN, UNJUDGED, Terms, judge_each
from backoffice_core.call_centre.queueing.ordering import Norms
from backoffice_core.call_centre.queueing.queue_models import QueueDay, QueueMark
from backoffice_core.config import Settings
from backoffice_core.db import fetch

NIGHT = 0x6E696768  # "nigh": held while a night runs (nightly.py); it judges everything itself
ENDED = {"call", "outcome"}  # after these a call back may have been served


async def touched(session: AsyncSession, case_ids: Iterable[UUID], why: str) -> None:
    """These cases are judged anew within a second of the caller's commit. `why`: a word for the fact that changed.

    Not needed after changes of cases, persons, contact_points, person_flags, loans, promises, tasks, stop_list, imports,
    compliance_rules, work_calendar, caller_ids, contacts made elsewhere and calls: those tables mark by themselves.
    """
    rows = [{"case_id": case_id, "why": why} for case_id in case_ids]
    if rows:
        await session.execute(insert(QueueMark), [row | {"bulk": len(rows) > queue.AT_ONCE} for row in rows])


async def touched_all(session: AsyncSession, why: str) -> None:
    """The same for all open cases: something that concerns everybody has changed."""
    await session.execute(insert(QueueMark).values(why=why, bulk=True))


@dataclass(frozen=True, slots=True)
class Requeued:
    """One step: how many cases were judged, how many of them changed, whether marks are left."""

    judged: int
    changed: int
    left: bool


async def rejudge(
    session: AsyncSession, settings: Settings, *, now: datetime, today: date, zone: ZoneInfo, share: int | None = None,
    most: int = queue.AT_ONCE,
) -> Requeued | None:  # fmt: skip
    """Judges up to `most` marked cases of today's queue, single ones before those of a change that marked very many.

    None = nothing to do: no marks, no queue of today yet (the night will judge all), or a night or another worker is at it.
    `now` is business time, `zone` the bank's. `share`: of `queue.SHARES` parts of the cases only this one, so that as many
    may judge at a time and no case is judged by two; None = all.
    """
    if not await _something_waits(session, today, now):
        return None
    shares = list(range(queue.SHARES)) if share is None else [share]
    locks = {"night": NIGHT, "judging": [queue.JUDGING + one for one in shares]}
    if not await session.scalar(_MAY_JUDGE, locks):
        return None
    day = await session.get(QueueDay, today)
    if day is None:
        await session.execute(delete(QueueMark))
        return None
    await session.execute(_SPREAD)
    whys: dict[UUID, set[str]] = {}
    mine = {"shares": shares, "of": queue.SHARES}
    for marked, why in await fetch(session, _TAKE, most, shares, queue.SHARES):
        whys.setdefault(marked, set()).add(why)
    for due in await session.scalars(_OVER, {"today": today, "now": now, "most": most, **mine}):
        whys.setdefault(due, set()).add("time")
    if served := [case_id for case_id, why in whys.items() if why & ENDED]:
        await queue.close_served(session, now, served)
    terms = Terms.of(today, now, settings, zone)
    judged = await judge_each(session, list(whys), terms)
    strategies, retries = await queue.strategies_and_retries(session)
    changed = await queue.write(session, terms, Norms.read(day.norms, strategies, CAMPAIGN), judged, retries, whys)
    changed += await queue.drop(session, today, whys.keys() - {one.view.case_id for one in judged})
    return Requeued(len(whys), changed, bool(await session.scalar(_LEFT)))


async def marks_left(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(QueueMark)) or 0


async def unjudged(session: AsyncSession, day: date) -> int:
    """Cases of this date whose judging failed: nobody calls them until a fact of them changes."""
    query = select(func.count()).select_from(NotCallable)
    return await session.scalar(query.where(NotCallable.business_date == day, NotCallable.rule == UNJUDGED)) or 0


_MAY_JUDGE = text("""
    -- may_judge: what is done to tasks here marks no case; and the commit waits for no disk: should the server's machine die,
    -- the marks stand again, and a claim that followed is written behind it in the same log
    SELECT pg_try_advisory_xact_lock_shared(:night)
        AND (SELECT bool_and(pg_try_advisory_xact_lock(one)) FROM unnest(CAST(:judging AS bigint[])) one)
        AND set_config('queue.judging', 'yes', true) IS NOT NULL AND set_config('synchronous_commit', 'off', true) IS NOT NULL
""")
_SPREAD = text("""
    -- spread_marks: a mark of everybody becomes one of each open case
    WITH everybody AS (DELETE FROM queue_marks WHERE case_id IS NULL RETURNING why)
    INSERT INTO queue_marks (case_id, why, bulk)
    SELECT c.id, e.why, true FROM (SELECT min(why) AS why FROM everybody HAVING count(*) > 0) e CROSS JOIN cases c
    WHERE c.closed_at IS NULL ORDER BY c.number
""")
_TAKE = """
    DELETE FROM queue_marks WHERE id = ANY(ARRAY(
        SELECT id FROM queue_marks
        WHERE case_id IS NOT NULL AND abs(uuid_hash(case_id) % $3::int) = ANY($2::int[])
        ORDER BY bulk, id LIMIT $1 FOR UPDATE SKIP LOCKED
    )) RETURNING case_id, why
"""
_OVER = text("""
    -- over_by_now: cases whose reason has come to its end during the day
    SELECT case_id FROM not_callable WHERE business_date = :today AND until <= :now
        AND abs(uuid_hash(case_id) % :of) = ANY(CAST(:shares AS int[])) LIMIT :most
""")
_LEFT = text("SELECT EXISTS (SELECT FROM queue_marks)")
_WAITS = text("""
    SELECT EXISTS (SELECT FROM queue_marks)
        OR EXISTS (SELECT FROM not_callable WHERE business_date = :today AND until <= :now)
""")


async def _something_waits(session: AsyncSession, today: date, now: datetime) -> bool:
    return bool(await session.scalar(_WAITS, {"today": today, "now": now}))
