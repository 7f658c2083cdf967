"""Preview mode: the agent sees the next borrower's card, dials with one key or skips with a reason.

A shown task waits in the queue like one whose hour has not come (`earliest_at`), so whatever dies, it comes back by itself.
The agent's key is a wish: the leading dialer claims the task with this agent in hand, where the law is asked again, and
places the call within seconds or never.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import exists, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.calls import attempts
from backoffice_core.call_centre.calls.attempts import Passed, Placing
from backoffice_core.call_centre.calls.contacts import agreed, call_contact, flags_of
from backoffice_core.call_centre.calls.history import HistoryRow, history
from backoffice_core.call_centre.carriers import caller_ids
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.desks.preview_models import Preview
from backoffice_core.call_centre.dialing import shelter
from backoffice_core.call_centre.dialing.campaign_models import AgentSkill, Campaign
from backoffice_core.call_centre.dialing.campaign_rules import DEBT
from backoffice_core.call_centre.dialing.stop import draining, stopped
from backoffice_core.call_centre.models import AgentSession, CallTask
from backoffice_core.cases.models import Case
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings, Trunk
from backoffice_core.errors import BadInput, Refused
from backoffice_core.leases import Held
from backoffice_core.staff.models import User

SKIP_REASONS = ("SPOKE_LATELY", "NEEDS_STUDY", "NOT_NOW", "KNOWS_HIM", "OTHER_LANGUAGE", "OTHER")
SKIPPED_FOR = timedelta(minutes=30)  # business time
DIAL_WITHIN = timedelta(seconds=5)  # a wish that is older is not dialed: the agent may have looked away
TOLD_FOR = timedelta(minutes=1)  # so long a desk says why the last card was not dialed
LOOKED_AT = 20  # tasks that may turn out not to be callable now before an agent is told that none is
_OPEN = ("ELIGIBLE", "RETRY_WAIT")


class NothingShown(Refused):
    """No card is shown to you now. The one before went back to the queue."""

    code = "NOTHING_SHOWN"


class NotReadyForCards(Refused):
    """Go ready first: cards are shown to agents who are ready with their line up."""

    code = "NOT_READY_FOR_CARDS"


@dataclass(frozen=True)
class Nothing:
    """No card can be shown. `code`: STOPPED, NO_CAMPAIGN (none in preview mode that he serves), EMPTY, WAITING; of WAITING
    how many tasks, the most common reason, and when the first may be dialed (business time; None: a person or data must
    change it)."""

    code: str
    tasks: int = 0
    reason: str = ""
    earliest: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class PreviewCard:
    """What an agent sees before he dials: no money and no contract, as before any check of identity."""

    preview: Preview
    person: Person
    contact: ContactPoint
    case: Case
    attempts: int
    local_time: datetime
    contacts_today: int
    contacts_max: int | None
    callable_until: datetime | None
    calls: list[HistoryRow]


# --- showing ---------------------------------------------------------------------------------------------------------


async def campaigns_of(s: AsyncSession, user_id: UUID) -> list[Campaign]:
    """Active campaigns that this agent can serve, the most urgent first."""
    can = select(AgentSkill.skill).where(AgentSkill.user_id == user_id)
    query = select(Campaign).where(Campaign.active, (Campaign.skill == "") | Campaign.skill.in_(can))
    return list(await s.scalars(query.order_by(Campaign.priority, Campaign.name)))


async def open_of(s: AsyncSession, user_id: UUID, *, lock: bool = False) -> Preview | None:
    query = select(Preview).where(Preview.user_id == user_id, Preview.ended_at.is_(None))
    return (await s.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def offer(
    s: AsyncSession, settings: Settings, user_id: UUID, *, now: datetime, today: date, wall: datetime
) -> Preview | Nothing:
    """Shows this agent the next task of his campaigns in preview mode; the one that he sees already stays. `now` is business
    time. Raises NoSession, NotReadyForCards."""
    seat = await agents.seat(s, user_id)
    shown = await open_of(s, user_id)
    if shown is not None and seat.previewing:
        return shown
    if seat.state != "READY" or seat.line_check:
        raise NotReadyForCards
    if stopped(settings) or draining(settings):
        return Nothing("STOPPED")
    names = [one.name for one in await campaigns_of(s, user_id) if one.mode == "preview"]
    if not names:
        return Nothing("NO_CAMPAIGN")
    await attempts.wake_due(s, today, now)
    for name in names:
        task = await _next(s, settings, name, user_id, now=now, today=today)
        if task is not None:
            return await _show(s, settings, seat, task, now=now, wall=wall)
    return await _nothing(s, names, today)


# Call backs that an agent promised himself: first of all his own, and nobody else's while who promised is at work.
_HIS_OWN = text("""
    call_tasks.case_id IN (SELECT y.case_id FROM tasks y WHERE y.owner_id = :user AND y.kind = 'CALLBACK' AND y.state = 'OPEN'
        AND y.earliest_at <= :now AND NOT y.data ? 'anybody')
""")
_ANOTHERS = text(f"""
    NOT EXISTS (SELECT FROM tasks y JOIN agent_sessions g ON g.user_id = y.owner_id AND g.ended_at IS NULL
        AND {agents.AT_WORK_SQL} WHERE y.case_id = call_tasks.case_id AND y.kind = 'CALLBACK' AND y.state = 'OPEN'
        AND y.owner_id <> :user AND NOT (y.data ? 'anybody' OR y.data ? 'missed') AND y.earliest_at > :since)
""")


async def _next(
    s: AsyncSession, settings: Settings, campaign: str, user_id: UUID, *, now: datetime, today: date
) -> CallTask | None:
    """The first task that may be dialed now, locked; those that may not wait with the reason, as after a refused claim."""
    base = (
        select(CallTask)
        .where(CallTask.business_date == today, CallTask.campaign == campaign, CallTask.state.in_(_OPEN))
        .where(CallTask.earliest_at.is_(None))
        .where(~exists().where(Preview.task_id == CallTask.id, Preview.ended_at.is_(None)))
        .order_by(CallTask.position)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    his = base.where(_HIS_OWN.bindparams(user=user_id, now=now))
    anybodys = base.where(_ANOTHERS.bindparams(user=user_id, since=now - attempts.HIS_FOR))
    for _ in range(LOOKED_AT):
        task = (await s.execute(his)).scalar_one_or_none() or (await s.execute(anybodys)).scalar_one_or_none()
        if task is None:
            return None
        passed = await _unlawful(s, settings, task, now)
        if passed is None:
            return task
        reason, until = passed
        if until is None:
            task.state, task.state_reason = "CANCELLED", reason
        else:
            task.state, task.state_reason, task.earliest_at = "RETRY_WAIT", reason, until
        await s.flush()
    return None


async def _unlawful(
    s: AsyncSession, settings: Settings, task: CallTask, now: datetime
) -> tuple[str, datetime | None] | None:
    """Reason and end, as the evaluator sees it with this agent in hand; None = may be dialed now."""
    if await shelter.covers(s, task.person_id):
        return shelter.PAUSE, now + attempts.SHELTER_RECHECK
    person = await s.get_one(Person, task.person_id)
    phone = await s.get_one(ContactPoint, task.contact_point_id)
    case = await s.get_one(Case, task.case_id)
    shown = await caller_ids.shown_by(s, settings, task.campaign, task.business_date)
    contact = call_contact(
        settings, person, phone, await flags_of(s, person.id), purpose=task.purpose, campaign=task.campaign,
        stage=case.stage, caller_id=shown.number if shown else "", declared=bool(shown and shown.declared(task.business_date)),
        agent_guaranteed=True, **await agreed(s, person.id),
    )  # fmt: skip
    decision = await compliance.ask(s, contact, now, guard_minutes=settings.guard_minutes)
    if decision.allow:
        return None
    return str(decision.reasons[0].code) if decision.reasons else "NO_RULE", decision.next_allowed_at


async def _show(
    s: AsyncSession, settings: Settings, seat: AgentSession, task: CallTask, *, now: datetime, wall: datetime
) -> Preview:
    shown_for = timedelta(seconds=settings.preview_s)
    task.state, task.state_reason, task.earliest_at = "RETRY_WAIT", "PREVIEW", now + shown_for + DIAL_WITHIN
    shown = Preview(
        task_id=task.id, case_id=task.case_id, campaign=task.campaign, user_id=seat.user_id, session_id=seat.id,
        business_at=now, shown_at=wall, until=wall + shown_for,
    )  # fmt: skip
    s.add(shown)
    await s.flush()
    agents.change(s, seat, "RESERVED", "PREVIEW", wall, shown.id)
    return shown


async def standing(s: AsyncSession, settings: Settings, user_id: UUID, today: date) -> Nothing | None:
    """Why no card is shown to a ready agent, for his desk: NEXT when one is on its way; None when he serves no campaign in
    preview mode. Changes nothing."""
    names = [one.name for one in await campaigns_of(s, user_id) if one.mode == "preview"]
    if not names:
        return None
    if stopped(settings) or draining(settings):
        return Nothing("STOPPED")
    callable_now = (CallTask.business_date == today, CallTask.campaign.in_(names), CallTask.state.in_(_OPEN))
    first = select(CallTask.id).where(*callable_now, CallTask.earliest_at.is_(None)).limit(1)
    return Nothing("NEXT") if await s.scalar(first) else await _nothing(s, names, today)


async def _nothing(s: AsyncSession, names: Sequence[str], today: date) -> Nothing:
    left = (
        CallTask.business_date == today, CallTask.campaign.in_(names), CallTask.state.in_(_OPEN),
        CallTask.earliest_at.is_not(None),
    )  # fmt: skip
    tasks = await s.scalar(select(func.count()).where(*left)) or 0
    if not tasks:
        return Nothing("EMPTY")
    by_reason = select(CallTask.state_reason).where(*left).group_by(CallTask.state_reason).order_by(func.count().desc())
    reason = await s.scalar(by_reason.limit(1)) or ""
    return Nothing("WAITING", tasks, reason, await s.scalar(select(func.min(CallTask.earliest_at)).where(*left)))


async def card(s: AsyncSession, user_id: UUID, now: datetime) -> PreviewCard | None:
    """Of the card that is shown to him now. `now` is business time."""
    shown = await open_of(s, user_id)
    task = await s.get(CallTask, shown.task_id) if shown else None
    if shown is None or task is None:
        return None
    person = await s.get_one(Person, task.person_id)
    today = await compliance.contacts_of_day(
        s, person.id, now, zone=person.time_zone, jurisdiction=person.jurisdiction, purpose=task.purpose
    )
    told = {"call", "outcome"} if task.purpose == DEBT else {"call"}  # results tell of promises
    return PreviewCard(
        preview=shown, person=person, contact=await s.get_one(ContactPoint, task.contact_point_id),
        case=await s.get_one(Case, task.case_id), attempts=task.attempts,
        local_time=now.astimezone(ZoneInfo(person.time_zone or "UTC")), contacts_today=today.count,
        contacts_max=today.limit, callable_until=today.until,
        calls=[row for row in await history(s, task.case_id, limit=30) if row.kind in told][:8],
    )  # fmt: skip


# --- what becomes of it ----------------------------------------------------------------------------------------------


async def _own(s: AsyncSession, user_id: UUID, preview_id: UUID) -> tuple[AgentSession, Preview]:
    seat = await agents.seat(s, user_id)
    shown = await open_of(s, user_id, lock=True)
    if shown is None or shown.id != preview_id or seat.call_id != shown.id:
        raise NothingShown
    return seat, shown


async def skip(s: AsyncSession, user_id: UUID, preview_id: UUID, reason: str, *, now: datetime, wall: datetime) -> None:
    """Back to the queue for half an hour, counted by reason. Raises NoSession, NothingShown, BadInput."""
    if reason not in SKIP_REASONS:
        raise BadInput("Choose why you skip this card.", field="reason")
    seat, shown = await _own(s, user_id, preview_id)
    if shown.dial_at is not None:
        raise NothingShown
    await _back(s, shown, now + SKIPPED_FOR, "SKIPPED")
    _end(shown, "SKIPPED", wall, reason)
    agents.free(s, seat, wall, "SKIPPED")


async def want_dial(s: AsyncSession, settings: Settings, user_id: UUID, preview_id: UUID, wall: datetime) -> None:
    """The agent's key. Again changes nothing. Raises NoSession, NothingShown, NotReadyForCards without a line."""
    seat, shown = await _own(s, user_id, preview_id)
    if seat.line != "UP" or seat.line_ending or stopped(settings):
        raise NotReadyForCards
    shown.dial_at = shown.dial_at or wall


async def wanted(s: AsyncSession) -> list[UUID]:
    """Cards whose agents want them dialed, the first wish first."""
    query = select(Preview.id).where(Preview.dial_at.is_not(None), Preview.ended_at.is_(None))
    return list(await s.scalars(query.order_by(Preview.dial_at)))


async def claim(
    s: AsyncSession, settings: Settings, preview_id: UUID, *, order: Sequence[Trunk], now: datetime, today: date,
    wall: datetime, lease: Held | None = None,
) -> tuple[Placing | None, UUID | None]:  # fmt: skip
    """For the leading dialer: the wished call with its agent in hand, or why not (told by his desk); and the agent's user
    id, None when somebody was quicker. Raises LeaseLost."""
    query = select(Preview).where(Preview.id == preview_id, Preview.ended_at.is_(None), Preview.dial_at.is_not(None))
    shown = (await s.execute(query)).scalar_one_or_none()
    seat = await s.get(AgentSession, shown.session_id, with_for_update=True) if shown else None
    shown = (
        await s.execute(query.with_for_update(skip_locked=True).execution_options(populate_existing=True))
    ).scalar_one_or_none()
    if shown is None or shown.dial_at is None or seat is None or seat.call_id != shown.id:
        return None, None
    taken: Placing | Passed | None = None
    late = wall - shown.dial_at > DIAL_WITHIN
    if order and not late and seat.line == "UP":
        trunk, *others = order
        taken = await attempts.claim(
            s, settings, trunk=trunk, others=others, now=now, today=today, wall=wall, lease=lease, campaign=shown.campaign,
            task_id=shown.task_id, agent=seat,
        )  # fmt: skip
    if isinstance(taken, Placing):
        _end(shown, "DIALED", wall)
        shown.call_id = taken.call_id
        return taken, seat.user_id
    reason = (
        str(taken.reason) if taken else "TOO_LATE" if late else "NO_LINE" if seat.line != "UP" or not order else "TAKEN"
    )
    if taken is None:
        await _back(s, shown, None, "")
    _end(shown, "REFUSED", wall, reason)
    agents.free(s, seat, wall, "REFUSED")
    return None, seat.user_id


async def sweep(s: AsyncSession, wall: datetime) -> list[UUID]:
    """Cards that were left alone, whose agents have gone, whose tasks were taken away, or whose campaign has left preview
    mode, go back. An agent who let one lie is paused. Returns the user ids of agents whose desks change."""
    query = (
        select(Preview, AgentSession, CallTask.state, (Campaign.mode == "preview") & Campaign.active)
        .join(AgentSession, AgentSession.id == Preview.session_id)
        .outerjoin(CallTask, CallTask.id == Preview.task_id)
        .outerjoin(Campaign, Campaign.name == Preview.campaign)
        .where(Preview.ended_at.is_(None))
        .where(
            (Preview.until < wall - DIAL_WITHIN) & Preview.dial_at.is_not(None)
            | (Preview.until < wall) & Preview.dial_at.is_(None)
            | (AgentSession.call_id.is_distinct_from(Preview.id))
            | CallTask.state.is_(None)
            | CallTask.state.not_in(_OPEN)
            | Preview.dial_at.is_(None) & ((Campaign.mode != "preview") | ~Campaign.active)
        )
        .with_for_update(of=AgentSession, skip_locked=True)
    )
    told = []
    for shown, seat, state, in_preview in (await s.execute(query)).all():
        left = shown.until < wall and state in _OPEN and bool(in_preview)
        await _back(s, shown, None, "")
        _end(shown, "LEFT" if left else "WITHDRAWN", wall)
        if seat.previewing and seat.call_id == shown.id:
            if left:
                agents.change(s, seat, "PAUSED", "PREVIEW_LEFT", wall)
            else:
                agents.free(s, seat, wall, "WITHDRAWN")
            told.append(seat.user_id)
    return told


async def _back(s: AsyncSession, shown: Preview, until: datetime | None, reason: str) -> None:
    """Only a task that still waits for this card."""
    mine = (CallTask.id == shown.task_id, CallTask.state == "RETRY_WAIT", CallTask.state_reason == "PREVIEW")
    await s.execute(update(CallTask).where(*mine).values(earliest_at=until, state_reason=reason))


def _end(shown: Preview, how: str, wall: datetime, reason: str = "") -> None:
    shown.ended, shown.ended_at, shown.reason = how, wall, reason


# --- who is shown what, and what it came to --------------------------------------------------------------------------

_IN_USE = text("""
    SELECT EXISTS (SELECT FROM campaigns WHERE mode = 'preview' AND active)
        OR EXISTS (SELECT FROM previews WHERE ended_at IS NULL)
""")
_WAITING = text("""
    -- agents who are ready with their line up and serve preview campaigns only
    SELECT a.user_id FROM agent_sessions a
     WHERE a.ended_at IS NULL AND a.state = 'READY' AND a.line = 'UP' AND NOT a.line_ending AND a.line_check = ''
       AND NOT EXISTS (SELECT FROM campaigns c WHERE c.active AND c.mode <> 'preview' AND (c.skill = ''
             OR EXISTS (SELECT FROM agent_skills k WHERE k.user_id = a.user_id AND k.skill = c.skill)))
     ORDER BY a.since
""")


async def in_use(s: AsyncSession) -> bool:
    """Whether any campaign is in preview mode, or a card is open."""
    return bool(await s.scalar(_IN_USE))


async def waiting_agents(s: AsyncSession) -> list[UUID]:
    """User ids of agents to whom the next card is shown without their asking, the longest waiting first."""
    return list(await s.scalars(_WAITING))


@dataclass(frozen=True)
class Taken:
    case_number: int
    agent_name: str
    since: datetime
    campaign: str


async def taken(s: AsyncSession, case_id: UUID | None = None) -> list[Taken]:
    """Cards that agents look at now, the oldest first; or only of one case."""
    query = (
        select(Case.number, User.full_name, Preview.shown_at, Preview.campaign)
        .join(Case, Case.id == Preview.case_id)
        .join(User, User.id == Preview.user_id)
        .where(Preview.ended_at.is_(None))
        .order_by(Preview.shown_at)
    )
    if case_id is not None:
        query = query.where(Preview.case_id == case_id)
    return [Taken(*row) for row in (await s.execute(query)).all()]


async def last_refusal(s: AsyncSession, user_id: UUID, wall: datetime) -> tuple[int, str] | None:
    """Case number and reason, when the card that he wanted dialed last was refused a moment ago."""
    query = (
        select(Case.number, Preview.reason, Preview.ended)
        .join(Case, Case.id == Preview.case_id)
        .where(Preview.user_id == user_id, Preview.ended_at > wall - TOLD_FOR)
        .order_by(Preview.ended_at.desc())
        .limit(1)
    )
    row = (await s.execute(query)).one_or_none()
    return (row[0], row[1]) if row is not None and row[2] == "REFUSED" else None


async def counts(s: AsyncSession, start: datetime, end: datetime) -> dict[str, int]:
    """What cards shown in [start, end) of business time came to: DIALED, LEFT, REFUSED, WITHDRAWN, and skips by reason as
    `SKIPPED:<reason>`."""
    query = (
        select(Preview.ended, Preview.reason, func.count())
        .where(Preview.business_at >= start, Preview.business_at < end, Preview.ended != "")
        .group_by(Preview.ended, Preview.reason)
    )
    found: dict[str, int] = {}
    for ended, reason, n in (await s.execute(query)).all():
        key = f"SKIPPED:{reason}" if ended == "SKIPPED" else ended
        found[key] = found.get(key, 0) + n
    return found
