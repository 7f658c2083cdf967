"""Building the queue of a date (design, "Following one call", row 2), changing it by events, and reading it."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, delete, exists, func, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.dialing import campaign_lists, campaign_terms
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.campaign_rules import DEBT
from backoffice_core.call_centre.dialing.campaign_terms import Retries, Strategy
from backoffice_core.call_centre.models import CallAttempt, CallTask, NotCallable
from backoffice_core.call_centre.queueing import live_order
from backoffice_core.call_centre.queueing.judged_aside import Aside
from backoffice_core.call_centre.queueing.judging import Judged, Terms, judge_each
from backoffice_core.call_centre.queueing.ordering import Norms, Planned, place
from backoffice_core.call_centre.queueing.queue_models import QueueDay, QueueMark
from backoffice_core.call_centre.queueing.queue_rules import Change, NotToday, Stand, change_of
from backoffice_core.call_centre.rules import OUTCOMES
from backoffice_core.cases.models import Case, Task
from backoffice_core.cases.rules import CALLBACK, FOLLOW_UP
from backoffice_core.config import Settings
from backoffice_core.db import by_keys, copy_in, driver, keys, new_key

AT_ONCE = 2000  # cases
JUDGING = 0x71756575  # "queu": a lock for each share of the cases; nobody else judges these
SHARES = 2  # one may wait for PostgreSQL while the other thinks; three and four were no quicker on two cores

# number, position, terms as PostgreSQL writes them, demo, campaign, purpose
Said = tuple[UUID, int, str, bool, str, str]
T = TypeVar("T")
Progress = Callable[[int, int], None]


async def build_queue(
    session: AsyncSession, business_date: date, *, now: datetime, settings: Settings, zone: ZoneInfo,
    progress: Progress = lambda done, total: None,
) -> dict[str, int]:  # fmt: skip
    """For every open case either one call task of this date, or one reason why not. Counts of both, by reason.

    `now` is business time, `zone` the bank's. Run again it changes nothing that is being dialed or done, and no case gets a
    second task (CC-08). Marks of changed cases are taken away: all are judged.
    """
    await begin_judging(session)
    await session.execute(delete(QueueMark))
    terms = Terms.of(business_date, now, settings, zone, store=True)
    strategies, retries = await strategies_and_retries(session)
    every = list(await session.scalars(_EVERY))
    aside, done = Aside(strategies), 0
    for some in _in_parts(every):
        await aside.add(session, await judge_each(session, some, terms))
        done += len(some)
        progress(done, len(every))
    norms = await aside.norms(session, retries, terms)
    day = insert(QueueDay).values(business_date=business_date, norms=norms.as_json(), built_at=now)
    new = {"norms": day.excluded.norms, "built_at": day.excluded.built_at}
    await session.execute(day.on_conflict_do_update(index_elements=["business_date"], set_=new))
    await _end_days_before(session, min(business_date, now.astimezone(zone).date()))
    async for part in aside.parts(session):
        await write(session, terms, norms, part, retries)
    await aside.end(session)
    await _drop_closed(session, business_date, every)
    return dict(aside.counts)


_EVERY = select(Case.id).where(Case.closed_at.is_(None)).order_by(Case.number)


def _in_parts(rows: Sequence[T]) -> Iterable[Sequence[T]]:
    return (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))


# --- writing -------------------------------------------------------------------------------------------------------


async def begin_judging(session: AsyncSession) -> None:
    """Waits until nobody else judges; what this transaction does to tasks marks no case."""
    for share in range(SHARES):
        await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": JUDGING + share})
    await session.execute(text("SELECT set_config('queue.judging', 'yes', true)"))


async def write(
    session: AsyncSession, terms: Terms, norms: Norms, judged: Sequence[Judged], retries: Mapping[str, Retries],
    whys: Mapping[UUID, Collection[str]] | None = None,
) -> int:  # fmt: skip
    """Brings tasks and reasons to what was judged; how many cases changed. `whys`: what has changed of each case (None: it
    is the night). A case that is being dialed is left alone: its call's end marks it."""
    link, cases = await driver(session), [one.view.case_id for one in judged]
    stands, dialing = await _stands(link, terms.day, cases)
    as_shipped = campaign_terms.retries({})
    refused = await _refused(link, terms.day, keys(cases))
    tried = {case_id: stand.attempts for case_id, (stand, _) in stands.items()}
    plans = await live_order.places(session, norms, judged, terms, tried)
    changes = _Changes(terms.day, await campaign_lists.purposes(session))
    for one in judged:
        case_id = one.view.case_id
        if case_id in dialing:
            continue
        stand, said = stands.get(case_id, (None, None))
        why = {"night"} if whys is None else whys.get(case_id, ())
        moves_on = _moves_on(one, stand, said, retries.get(one.campaign, as_shipped))
        change = change_of(stand, one.view, one.refused, one.from_when, terms.at, why, moves_on)
        changes.task(one, stand, said, change, norms, terms, plans.get(case_id))
        changes.reason(case_id, refused.get(case_id), change.refused)
    await changes.write(session)
    return len(changes.changed)


async def strategies_and_retries(session: AsyncSession) -> tuple[dict[str, Strategy], dict[str, Retries]]:
    """By what each campaign orders and how it tries again, by its name."""
    rows = (await session.execute(select(Campaign.name, Campaign.ordering, Campaign.retries))).all()
    return (
        {name: campaign_terms.strategy(ordering) for name, ordering, _ in rows},
        {name: campaign_terms.retries(said) for name, _, said in rows},
    )


def _moves_on(one: Judged, stand: Stand | None, said: Said | None, retries: Retries) -> datetime | None:
    """When the next number of a borrower may be called after a call in vain; None = there is no other, or none so soon."""
    if stand is None or said is None or one.phone is None or one.phone.id == said[0] or one.view.last_called is None:
        return None
    after = retries.next_number(stand.state_reason) if stand.attempts < retries.max_attempts else None
    return None if after is None else one.view.last_called + after


_STANDS = by_keys("""
    -- task_stands: nobody dials these while they are looked at; those in a call are left out
    SELECT case_id, id, state, state_reason, attempts, fence, earliest_at, contact_point_id, position, why::text, demo, campaign,
           purpose
    FROM call_tasks WHERE business_date = $1 AND case_id = ANY($2) AND state NOT IN ('DIALING','SETTLING')
    ORDER BY id FOR UPDATE
""")
_DIALING = by_keys("""
    SELECT case_id FROM call_tasks WHERE business_date = $1 AND case_id = ANY($2) AND state IN ('DIALING','SETTLING')
""")
# A join: of a day whose first rows are being written the planner knows nothing, and would look each up in all of the keys.
_REFUSED = """
    SELECT n.case_id, n.reason, n.until, n.rule FROM unnest($2::text::uuid[]) AS k(case_id) JOIN not_callable n USING (case_id)
    WHERE n.business_date = $1
"""


async def _stands(
    link: Any, day: date, cases: Sequence[UUID]
) -> tuple[dict[UUID, tuple[Stand, Said]], set[UUID]]:  # fmt: skip
    found = {}
    for row in await link.fetch(_STANDS, day, keys(cases)):
        case_id, task_id, state, reason, attempts, fence, hour, *said = row
        found[case_id] = (Stand(task_id, state, reason, attempts, fence, hour), tuple(said))
    rest = [case_id for case_id in cases if case_id not in found]
    dialing = {row[0] for row in await link.fetch(_DIALING, day, keys(rest))} if rest else set()
    return found, dialing


async def _refused(link: Any, day: date, cases: str) -> dict[UUID, NotToday]:
    return {row[0]: NotToday(row[1], row[2], row[3]) for row in await link.fetch(_REFUSED, day, cases)}


def _as_stored(why: Mapping[str, Any]) -> str:
    """As PostgreSQL writes a jsonb: keys by length, then by letters. So terms that have not changed are not written."""
    return _json({key: why[key] for key in _keys_as_stored(tuple(why))})


_json = json.JSONEncoder(ensure_ascii=False).encode


@lru_cache(maxsize=256)
def _keys_as_stored(keys: tuple[str, ...]) -> list[str]:
    return sorted(keys, key=lambda one: (len(one), one))


class _Changes:
    """What differs from what stands, gathered, and written at once."""

    def __init__(self, day: date, purposes: Mapping[str, str]) -> None:
        self.day, self.purposes = day, purposes
        self.new: list[tuple[Any, ...]] = []  # _NEW
        self.moved: list[tuple[Any, ...]] = []  # _MOVE
        self.waiting: list[tuple[Any, ...]] = []  # _WAIT: the same place, another hour or state
        self.gone: list[UUID] = []  # tasks
        self.reasons: list[tuple[Any, ...]] = []
        self.lifted: list[UUID] = []  # cases
        self.changed: set[UUID] = set()

    def task(
        self, one: Judged, stand: Stand | None, said: Said | None, change: Change, norms: Norms, terms: Terms,
        planned: Planned | None = None,
    ) -> None:  # fmt: skip
        if change.act == "withdraw" and stand is not None:
            self.gone.append(stand.id)
        elif change.act == "cancel" and stand is not None:
            self.waiting.append((stand.id, change.state, change.state_reason, None))
        elif change.act == "place" and one.phone is not None:
            placed = place(one.view, norms.of(one.campaign), terms.day, terms.zone, planned)
            change = change.after(placed.waits_until)
            kind = self.purposes.get(one.campaign, DEBT)
            meant = (one.phone.id, placed.position, _as_stored(placed.why), one.whom.demo, one.campaign, kind)
            if stand is None:
                mine = (new_key(), self.day, one.view.case_id, one.whom.id)
                self.new.append((*mine, change.state, change.state_reason, change.earliest_at, *meant, 0, 0))
            else:
                stands = (stand.state, stand.state_reason, stand.earliest_at)
                if said != meant:
                    self.moved.append((stand.id, *change[2:], *meant))
                elif stands != change[2:]:
                    self.waiting.append((stand.id, *change[2:]))
                else:
                    return
        else:
            return
        self.changed.add(one.view.case_id)

    def reason(self, case_id: UUID, stands: NotToday | None, refused: NotToday | None) -> None:
        if refused == stands:
            return
        self.changed.add(case_id)
        if refused is None:
            self.lifted.append(case_id)
            return
        self.reasons.append((case_id, refused.reason, refused.until, refused.rule))

    async def write(self, session: AsyncSession) -> None:
        link = await driver(session)
        if self.gone:
            await link.execute("DELETE FROM call_tasks WHERE id = ANY($1)", self.gone)
        if self.moved:
            await link.execute(_MOVE, *map(list, zip(*self.moved, strict=True)))
        if self.waiting:
            await link.execute(_WAIT, *map(list, zip(*self.waiting, strict=True)))
        await copy_in(session, "call_tasks", _NEW, self.new)
        if self.lifted:
            await link.execute(
                "DELETE FROM not_callable WHERE business_date = $1 AND case_id = ANY($2)", self.day, self.lifted
            )
        if self.reasons:
            await link.execute(_SAY_WHY, self.day, *map(list, zip(*self.reasons, strict=True)))


_NEW = (
    "id", "business_date", "case_id", "person_id", "state", "state_reason", "earliest_at", "contact_point_id",
    "position", "why", "demo", "campaign", "purpose", "fence", "attempts",
)  # fmt: skip
_MOVE = """
    -- move_tasks: all at once
    UPDATE call_tasks t SET state = n.state, state_reason = n.reason, earliest_at = n.hour, contact_point_id = n.point,
           position = n.position, why = n.why, demo = n.demo, campaign = n.campaign, purpose = n.purpose
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::uuid[], $6::int[], $7::jsonb[], $8::bool[],
                $9::text[], $10::text[])
         AS n(id, state, reason, hour, point, position, why, demo, campaign, purpose)
    WHERE t.id = n.id
"""
_WAIT = """
    -- tasks_wait: all at once, where only this has changed
    UPDATE call_tasks t SET state = n.state, state_reason = n.reason, earliest_at = n.hour
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS n(id, state, reason, hour) WHERE t.id = n.id
"""
_SAY_WHY = """
    -- not_callable: one reason of each case
    INSERT INTO not_callable (business_date, case_id, reason, until, rule)
    SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::text[])
    ON CONFLICT (business_date, case_id) DO UPDATE SET reason = excluded.reason, until = excluded.until, rule = excluded.rule
"""


async def _end_days_before(session: AsyncSession, day: date) -> None:
    """Yesterday's list is not dialed."""
    left = (CallTask.business_date < day, CallTask.state.in_(("ELIGIBLE", "RETRY_WAIT")))
    await session.execute(update(CallTask).where(*left).values(state="CANCELLED", state_reason="DAY_OVER"))


async def _drop_closed(session: AsyncSession, day: date, still_open: list[UUID]) -> None:
    tasks = select(CallTask.case_id).where(CallTask.business_date == day, CallTask.case_id != func.all(still_open))
    reasons = select(NotCallable.case_id).where(
        NotCallable.business_date == day, NotCallable.case_id != func.all(still_open)
    )
    await drop(session, day, list(await session.scalars(tasks.union(reasons))))


async def drop(session: AsyncSession, day: date, closed: Collection[UUID]) -> int:
    """Cases that are closed leave the queue: what nobody has touched goes, what somebody called is cancelled."""
    if not closed:
        return 0
    these = (CallTask.business_date == day, CallTask.case_id == func.any(list(closed)))
    waiting = CallTask.state.in_(("ELIGIBLE", "RETRY_WAIT"))
    untouched = (CallTask.state == "ELIGIBLE", CallTask.attempts == 0, CallTask.fence == 0)
    gone = await session.execute(delete(CallTask).where(*these, *untouched))
    left = await session.execute(
        update(CallTask).where(*these, waiting).values(state="CANCELLED", state_reason="CLOSED", earliest_at=None)
    )
    no_more = NotCallable.business_date == day, NotCallable.case_id == func.any(list(closed))
    lifted = await session.execute(delete(NotCallable).where(*no_more))
    return int(gone.rowcount + left.rowcount + lifted.rowcount)  # type: ignore[attr-defined]


async def close_served(session: AsyncSession, at: datetime, case_ids: Collection[UUID] | None = None) -> int:
    """Closes call backs and follow-ups (of these cases, or of all) after which the right person has been talked to; how
    many."""
    talked = [code for code, rule in OUTCOMES.items() if rule.rpc]
    served = exists().where(
        CallAttempt.case_id == Task.case_id,
        CallAttempt.business_at >= func.coalesce(Task.earliest_at, Task.created_at),
        CallAttempt.outcome.in_(talked),
        or_(Task.kind == CALLBACK, CallAttempt.purpose == DEBT),  # an answered survey follows up no debt
    )
    change = update(Task).where(Task.kind.in_((CALLBACK, FOLLOW_UP)), Task.state == "OPEN", served)
    if case_ids is not None:
        change = change.where(Task.case_id == func.any(list(case_ids)))
    closed = await session.execute(change.values(state="DONE", closed_at=at).returning(Task.id))
    return len(closed.all())


# --- reading the queue ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """`position`: 1 = the first of the date, whatever its state; `key`: for the next page. `why`: the terms of the order."""

    position: int
    key: int
    case_number: int
    person_name: str
    phone: str
    state: str
    state_reason: str
    attempts: int
    earliest_at: datetime | None
    why: dict[str, Any]


async def somebody_waits(session: AsyncSession, business_date: date, *, dialing: bool) -> bool:
    """Whether a phone that is rung for each call should ring: a task is callable now (`dialing`: calls may be begun), or a
    borrower calls us and has nobody yet."""
    callable_now = exists().where(
        CallTask.business_date == business_date, CallTask.state.in_(("ELIGIBLE", "RETRY_WAIT")),
        CallTask.earliest_at.is_(None),
    )  # fmt: skip
    calls_us = exists().where(
        CallAttempt.direction == "in", CallAttempt.ended_at.is_(None), CallAttempt.agent_id.is_(None),
        ~CallAttempt.abandoned,
    )  # fmt: skip
    return bool(await session.scalar(select(or_(and_(literal(dialing), callable_now), calls_us))))


async def position_of(session: AsyncSession, business_date: date, after: int) -> int:
    """The place of the first task behind the key `after`; 1 = the first of the date."""
    before = select(func.count()).where(CallTask.business_date == business_date, CallTask.position <= after)
    return 1 + (await session.scalar(before) or 0 if after else 0)


async def tonight(session: AsyncSession, business_date: date, *, limit: int = 100, after: int = 0) -> list[QueueRow]:
    """Tasks of a date in their order, those behind the key `after`."""
    first = await position_of(session, business_date, after)
    query = (
        select(CallTask, Case.number, Person, ContactPoint.value)
        .join(Case, Case.id == CallTask.case_id)
        .join(Person, Person.id == CallTask.person_id)
        .join(ContactPoint, ContactPoint.id == CallTask.contact_point_id)
        .where(CallTask.business_date == business_date, CallTask.position > after)
        .order_by(CallTask.position, CallTask.id)
        .limit(limit)
    )
    return [
        QueueRow(
            position=n, key=task.position, case_number=number, person_name=person.full_name, phone=phone, state=task.state,
            state_reason=task.state_reason, attempts=task.attempts, earliest_at=task.earliest_at, why=task.why,
        )
        for n, (task, number, person, phone) in enumerate(await session.execute(query), first)
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCallableRow:
    case_number: int
    person_name: str
    reason: str
    until: datetime | None
    rule: str


async def not_callable(
    session: AsyncSession, business_date: date, *, reason: str = "", limit: int = 100
) -> list[NotCallableRow]:
    """Cases that are not called on a date, by case number."""
    query = (
        select(NotCallable, Case.number, Person)
        .join(Case, Case.id == NotCallable.case_id)
        .join(Person, Person.id == Case.person_id)
        .where(NotCallable.business_date == business_date)
        .order_by(Case.number)
        .limit(limit)
    )
    found = await session.execute(query.where(NotCallable.reason == reason) if reason else query)
    return [
        NotCallableRow(case_number=number, person_name=p.full_name, reason=n.reason, until=n.until, rule=n.rule)
        for n, number, p in found
    ]
