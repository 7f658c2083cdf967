"""One call attempt from its claim until it is settled (design: "Following one call", steps 4 and 6).

A claim is one transaction: the task's fence, the slot in the contact ledger and the attempt's intent. Only after its
commit does anything go to the exchange. How an attempt ends is the business of `settling`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import exists, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core import bulk
from backoffice_core.call_centre.calls import abandoned
from backoffice_core.call_centre.calls.contacts import STANDING_SQL, call_contact, notice_rule
from backoffice_core.call_centre.carriers import caller_ids, trunks
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.dialing import shelter
from backoffice_core.call_centre.dialing.campaign_rules import DEBT, barred
from backoffice_core.call_centre.models import AgentSession, CallAttempt, CallLeg, CallTask, Recording
from backoffice_core.call_centre.queueing.queue_rules import HOUSE_BLOCKS
from backoffice_core.cases import holds
from backoffice_core.compliance import consents
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings, Trunk
from backoffice_core.db import Ready, insert_sql, new_key
from backoffice_core.leases import Held, LeaseLost
from backoffice_core.loans import stop_list

CALLS_US_RECHECK = timedelta(minutes=1)
UNDIALABLE = {"DEAD", "UNREACHABLE", "WRONG_PARTY"}
CALLER_ID_RETRY = timedelta(minutes=5)  # business time
SHELTER_RECHECK = timedelta(minutes=5)  # business time
ROBOT_RECHECK = timedelta(hours=1)  # business time
FOR_AN_AGENT = {"AGENT_FIRST": timedelta(seconds=30), "PROMISED_AGENT": timedelta(seconds=20)}  # business time
HIS_FOR = timedelta(minutes=15)  # business time: so long after its hour a call back waits for who promised it


@dataclass(frozen=True, kw_only=True)
class Placing:
    """All that Originate needs. `number` is E.164 with its plus."""

    call_id: UUID
    task_id: UUID
    case_id: UUID
    contact_point_id: UUID
    number: str
    extension: str  # dialled by tones after the answer; often empty
    trunk: Trunk
    caller_id: str
    language: str
    recording: str
    leg: int = 1  # the n-th trunk that this call tries
    agent_id: UUID | None = None  # reserved before the dial and held for this call; his card shows it
    machines: str = ""  # how it is heard whether a machine answers: beside, before, "" = not at all
    says: str = ""  # the prompt that a call without an agent says; "" = an agent speaks


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A task that may not be dialed now, with the first reason."""

    task_id: UUID
    reason: str


class _Whom(NamedTuple):
    """As much of a borrower as the rules ask for; so of his number and of a status of his."""

    id: UUID
    jurisdiction: str
    time_zone: str


class _Number(NamedTuple):
    value: str
    number_type: str
    owner_kind: str


class _Status(NamedTuple):
    flag: str
    valid_from: date
    valid_to: date | None
    evidence: str


async def claim(
    s: AsyncSession,
    settings: Settings,
    *,
    trunk: Trunk,
    now: datetime,
    today: date,
    wall: datetime,
    others: Sequence[Trunk] = (),
    lease: Held | None = None,
    campaign: str = "collection",
    task_id: UUID | None = None,
    agent: AgentSession | None = None,
    robot: bool = False,
) -> Placing | Passed | None:
    """Takes the next callable task of `today` and this campaign. None = nothing is callable now. `now` is business time.

    `task_id`: this task and no other, although it waits (a preview). `agent`: the seat, locked, of who is reserved for it
    from now on, while it rings. A person whom we abandoned before is dialed only so, and where a rule says so one whose
    machine answered today: a free agent is taken here for him, and without one the task waits. A call back that an agent
    promised goes to him alone while he is at work, for HIS_FOR after its hour. `robot`: a call without an agent;
    None for a campaign that has another mode by now, as without it for one that is agentless.

    It goes by `trunk`, or by the first of `others` where that one may not call this number. A demo borrower is refused
    on a trunk that leads off this machine. `lease`: the dialer's own; raises LeaseLost when another leads. Only tests and
    tools, which place no call, go without.
    """
    terms: dict[str, Any] = {"today": today, "now": now, "campaign": campaign, "robot": robot}
    terms |= {"lease": "", "holder": "", "fence": 0}
    if lease is not None:
        terms |= {"lease": lease.name, "holder": lease.holder, "fence": lease.fence}
    counting = await compliance.counting(s, now)
    terms |= {"since": counting.since, "by_number": counting.by_number}
    task = await _take(s, terms, task_id, now)
    if task is None:
        return None
    flags = [_Status(name, date.fromisoformat(since), _day(till), proof) for name, since, till, proof in task.flags]
    ids = caller_ids.views_of(task.caller_ids)
    way = trunks.choose_way(ids, (trunk, *others), task.number, task.campaign, demo=task.demo, today=today)
    if isinstance(way, trunks.NoWay):
        return await _wait(s, task.id, way.reason, now + CALLER_ID_RETRY if way.passing else None)
    if refused := _refused(task, flags, today):
        return await _cancel(s, task.id, refused)
    if task.purpose != DEBT:  # the rules of its purpose may have ended since the queue was judged
        places = {task.jurisdiction, settings.jurisdiction}
        if barred(await compliance.rulebook(s), task.purpose, places, today, robot=bool(robot and task.says)):
            return await _cancel(s, task.id, "NO_RULE")
    if task.sheltered:
        return await _wait(s, task.id, "SHELTER", now + SHELTER_RECHECK)
    if task.calls_us:
        return await _wait(s, task.id, "RETRY_WAIT", now + CALLS_US_RECHECK)
    says = task.says if robot and task.says else ""
    agent, waits_for = await _in_hand(s, task, agent, now, chosen=task_id is not None, robot=bool(says))
    if waits_for:
        until = None if waits_for == "ON_HOLD" else now + (ROBOT_RECHECK if says else FOR_AN_AGENT[waits_for])
        return await _wait(s, task.id, waits_for, until)
    says = says if agent is None else ""  # a call back that an agent promised is his, whatever the mode
    call_id = new_key()
    contact = call_contact(
        settings, _Whom(task.person_id, task.jurisdiction, task.time_zone),
        _Number(task.number, task.number_type, task.owner_kind), flags,
        purpose=task.purpose, campaign=task.campaign, stage=task.stage, caller_id=way.caller_id, declared=way.declared,
        agent_guaranteed=agent is not None, robot=bool(says), consents=consents.views_of(task.consents),
        standing=task.standing,
    )  # fmt: skip
    decision, slot = await compliance.ask_slot(
        s, contact, call_id, now, guard_minutes=settings.guard_minutes, counted=(counting, task.counted)
    )
    if not decision.allow:
        # Asked again at the second of dialing, the evaluator said no: the task waits until it would say yes.
        reason = decision.reasons[0].code if decision.reasons else "NO_RULE"
        return await _wait(s, task.id, reason, decision.next_allowed_at)
    recording = f"{today:%Y/%m/%d}/{call_id}"
    intent = {
        "task_id": task.id, "case_id": task.case_id, "contact_point_id": task.contact_point_id,
        "trunk": way.trunk.name, "caller_id": way.caller_id, "language": task.language, "fence": task.fence + 1,
        "wall": wall, "recording": recording, "notice_rule": notice_rule(decision), "leg": 1,
        "rate": trunks.rate_of(way, task.number), "agent_id": agent and agent.user_id,
        "agent_session_id": agent and agent.id, "reserved_at": wall if agent else None,
        "held": agent is not None, "machine_mode": task.machines, "robot": bool(says),
    }  # fmt: skip
    await _INTENT.rows(s, slot | intent)
    if agent is not None:
        agents.change(s, agent, "RESERVED", "DIAL", wall, call_id)
    if way.trunk.name in task.trunks_out:
        await trunks.probes(s, call_id, way, wall)
    return Placing(
        call_id=call_id, task_id=task.id, case_id=task.case_id, contact_point_id=task.contact_point_id,
        number=task.number, extension=task.extension, trunk=way.trunk, caller_id=way.caller_id, language=task.language,
        recording=recording, agent_id=agent.user_id if agent else None, machines=task.machines, says=says,
    )  # fmt: skip


async def _in_hand(
    s: AsyncSession, task: Any, agent: AgentSession | None, now: datetime, *, chosen: bool, robot: bool
) -> tuple[AgentSession | None, str]:
    """The agent who is reserved before the dial, if it must be one; or the reason why the task waits for him. `chosen`: by
    the agent himself. A call without an agent (`robot`) takes none for whom the rules want one in hand: it waits."""
    if not chosen and task.promised_by is not None and (agent is None or agent.user_id != task.promised_by):
        his = await agents.if_free(s, task.promised_by)
        return his, "" if his else "PROMISED_AGENT"
    been = (None if robot else task.abandoned_at), task.machine_at  # no message abandons anybody
    if agent is None and await abandoned.needs_agent(s, task.jurisdiction, *been, now, task.time_zone):
        agent = None if robot else await agents.longest_waiting(s, campaign=task.campaign)
        return agent, "" if agent else "AGENT_FIRST"
    if robot and agent is None and task.robot_held:  # since the queue was judged; an agent may call him
        return None, "ON_HOLD"
    return agent, ""


async def _take(s: AsyncSession, terms: dict[str, Any], task_id: UUID | None, now: datetime) -> Any:
    """The row of `_question`. Raises LeaseLost."""
    if task_id is not None:
        task = (await _THIS.rows(s, terms | {"task": task_id})).one_or_none()
    else:
        task = (await _NEXT.rows(s, terms)).one_or_none()
        if task is None and await wake_due(s, terms["today"], now):
            task = (await _NEXT.rows(s, terms)).one_or_none()
    if task is not None and not task.leads:
        raise LeaseLost
    return task


# The next task, locked, with all that decides whether it may be dialed, in one question; and the locks behind which one
# live attempt per person and number is decided. A task that waits for its hour is not looked at (see `wake_due`).
# of a campaign in preview mode nothing is dialed but what its agent has seen, of an agentless one nothing for an agent
_FIRST = """t.campaign = :campaign AND t.earliest_at IS NULL
              AND CASE (SELECT c.mode FROM campaigns c WHERE c.name = :campaign) WHEN 'preview' THEN false
                       WHEN 'agentless' THEN :robot ELSE NOT :robot END
        ORDER BY t.position LIMIT 1 FOR UPDATE SKIP LOCKED"""


def _calls_us(column: str, ours: str) -> str:
    """Asked by the order of the index of live calls in: a plan made while nobody was on the line, and kept, would walk
    all live calls instead."""
    return f"""coalesce((SELECT {column} FROM call_attempts WHERE {column} >= {ours} AND ended_at IS NULL AND direction = 'in'
                     ORDER BY {column} LIMIT 1) = {ours}, false)"""  # noqa: S608 (no value in it)


# who promised this call back, while he is at work and its hour is not long over
_PROMISED_NOW = f"""(SELECT y.owner_id FROM tasks y
               JOIN agent_sessions g ON g.user_id = y.owner_id AND g.ended_at IS NULL AND {agents.AT_WORK_SQL}
             WHERE y.case_id = next.case_id AND y.kind = 'CALLBACK' AND y.state = 'OPEN'
               AND NOT (y.data ? 'anybody' OR y.data ? 'missed')
               AND y.earliest_at > CAST(:now AS timestamptz) - interval '{HIS_FOR.seconds} seconds'
             ORDER BY y.control_date LIMIT 1)"""  # noqa: S608 (no value in it)


def _question(which: str) -> str:
    return f"""
    WITH next AS MATERIALIZED (
        SELECT t.* FROM call_tasks t
        WHERE t.business_date = :today AND t.state IN ('ELIGIBLE','RETRY_WAIT') AND {which}
    )
    SELECT next.id, next.case_id, next.person_id, next.contact_point_id, next.campaign, next.purpose, next.fence,
           p.jurisdiction, p.time_zone, p.language, p.demo, c.value AS number, c.number_type, c.owner_kind, c.extension,
           c.state AS phone_state, k.stage, k.state AS case_state, k.closed_at,
           (SELECT coalesce(jsonb_agg(jsonb_build_array(f.flag, f.valid_from, f.valid_to, f.evidence)), '[]')
            FROM person_flags f WHERE f.person_id = p.id) AS flags,
           {stop_list.refusal_sql(person="next.person_id", number="c.value", day=":today")} AS stopped,
           EXISTS (SELECT FROM call_attempts a WHERE a.case_id = next.case_id AND a.outcome = 'NO_DISPOSITION') AS waits,
           {_calls_us("person_id", "next.person_id")} OR {_calls_us("number", "c.value")} AS calls_us,
           {abandoned.LAST_SQL} AS abandoned_at, {abandoned.MACHINE_SQL} AS machine_at, {_PROMISED_NOW} AS promised_by,
           {shelter.OF_PERSON_SQL} AS sheltered,
           coalesce((SELECT c.machines FROM campaigns c WHERE c.name = next.campaign AND c.machines <> 'off'), '') AS machines,
           (SELECT coalesce(c.robot ->> 'message', 'robot') FROM campaigns c
            WHERE c.name = next.campaign AND c.mode = 'agentless') AS says,
           {caller_ids.VIEWS_SQL} AS caller_ids, {consents.OF_PERSON_SQL} AS consents,
           CASE WHEN next.purpose <> '{DEBT}' THEN {STANDING_SQL.format(person="next.person_id")} END AS standing,
           CASE WHEN :robot THEN {holds.STOPPED_SQL.format(case="next.case_id", channel="robot", day=":today")}
                ELSE false END AS robot_held,
           ARRAY(SELECT trunk FROM trunk_states WHERE breaker <> 'CLOSED') AS trunks_out,
           {compliance.COUNTED.format(person="next.person_id", number="c.value")} AS counted,
           CASE WHEN :lease = '' THEN true ELSE lease_holds(:lease, :holder, :fence) END AS leads
    FROM next JOIN persons p ON p.id = next.person_id JOIN contact_points c ON c.id = next.contact_point_id
         JOIN cases k ON k.id = next.case_id
"""  # noqa: S608 (no value in it)


_NEXT, _THIS = Ready(_question(_FIRST)), Ready(_question("t.id = :task FOR UPDATE"))

_ATTEMPT = insert_sql(
    CallAttempt,
    ("task_id", "case_id", "person_id", "contact_point_id", "number", "campaign", "purpose", "trunk", "caller_id",
     "language", "fence", "decision_id", "recording", "notice_rule", "agent_id", "agent_session_id", "reserved_at",
     "held", "machine_mode", "robot"),
    id="call_id", business_at="at", claimed_at="wall",
)  # fmt: skip
_LEG = insert_sql(CallLeg, ("call_id", "trunk", "caller_id", "rate"), n="leg", placed_at="wall")
_RECORDING = insert_sql(Recording, ("call_id", "case_id"), path="recording", created_at="wall")

# Decision, slot, fence, intent, leg and the recording's row in one statement: after its commit the call may go out, not
# before.
_INTENT = Ready(f"""
    WITH decision AS ({compliance.DECISION}),
    slot AS ({compliance.SLOT}),
    task AS (UPDATE call_tasks SET fence = fence + 1, state = 'DIALING', state_reason = '', attempts = attempts + 1
             WHERE id = :task_id),
    attempt AS ({_ATTEMPT}),
    leg AS ({_LEG})
    {_RECORDING}
""")  # noqa: S608 (names of columns)


async def wake_due(s: AsyncSession, today: date, now: datetime, most: int = 1000) -> int:
    """Tasks whose hour has come stand in the queue again, each at its place; how many. The dialer asks at each step."""
    due = (
        select(CallTask.id)
        .where(
            CallTask.business_date == today, CallTask.state.in_(("ELIGIBLE", "RETRY_WAIT")), CallTask.earliest_at <= now
        )
        .order_by(CallTask.earliest_at)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    done = await s.execute(update(CallTask).where(CallTask.id.in_(due.scalar_subquery())).values(earliest_at=None))
    return int(done.rowcount)  # type: ignore[attr-defined]


async def somebody_waits(s: AsyncSession, today: date, campaign: str) -> bool:
    """Whether a task of the campaign waits for its hour."""
    open_ = CallTask.state.in_(("ELIGIBLE", "RETRY_WAIT"))
    waits = exists().where(
        CallTask.business_date == today, CallTask.campaign == campaign, open_, CallTask.earliest_at.is_not(None)
    )
    return bool(await s.scalar(select(waits)))


def _refused(task: Any, flags: Sequence[_Status], today: date) -> str | None:
    if task.phone_state in UNDIALABLE:
        return "NO_PHONE"
    if any(f.flag in HOUSE_BLOCKS and f.valid_from <= today <= (f.valid_to or today) for f in flags):
        return "STATUS_BLOCK"
    if task.stopped:
        return str(task.stopped)
    if task.closed_at is not None and task.case_state != "ON_HOLD":
        return "CLOSED"
    return "ON_HOLD" if task.case_state == "ON_HOLD" or task.waits else None


def _day(said: str | None) -> date | None:
    return date.fromisoformat(said) if said else None


async def _cancel(s: AsyncSession, task_id: UUID, reason: str) -> Passed:
    await s.execute(update(CallTask).where(CallTask.id == task_id).values(state="CANCELLED", state_reason=reason))
    return Passed(task_id=task_id, reason=reason)


async def _wait(s: AsyncSession, task_id: UUID, reason: str, until: datetime | None) -> Passed:
    """`until` None: only a person, or new data, lifts the reason."""
    if until is None:
        return await _cancel(s, task_id, reason)
    change = {"state": "RETRY_WAIT", "state_reason": reason, "earliest_at": until}
    await s.execute(update(CallTask).where(CallTask.id == task_id).values(change))
    return Passed(task_id=task_id, reason=reason)


# --- while it lasts ----------------------------------------------------------------------------------------------


# A personal call back: who promised it, while it is due; one that is anybody's has no such agent.
_PROMISED_BY = text("""
    SELECT owner_id FROM tasks
    WHERE case_id = :case AND kind = 'CALLBACK' AND state = 'OPEN' AND owner_id IS NOT NULL
     AND NOT (data ? 'anybody') ORDER BY control_date LIMIT 1
""")


async def connect(s: AsyncSession, call_id: UUID, wall: datetime, *, prefer: UUID | None = None) -> AgentSession | None:
    """An answered borrower gets the agent who waits longest; he is written into the attempt before any bridge. An agent
    who was reserved before the dial is his, as long as the line is up.

    `prefer`: the agent (his user id) who gets it when he is free, however short he waits.

    None when nobody is free now, or when the call is over, unknown, or already has an agent.
    """
    attempt = await s.get(CallAttempt, call_id, with_for_update=True)
    if attempt is None or attempt.ended_at is not None or attempt.abandoned:
        return None
    if attempt.direction == "out" and await shelter.covers(s, attempt.person_id):
        return None
    if attempt.agent_id is not None:
        if not attempt.agent_held:
            return None
        if (held := await _the_held(s, attempt, wall)) is not None:
            return held
    if prefer is None and attempt.direction == "out":
        prefer = await s.scalar(_PROMISED_BY, {"case": attempt.case_id})
    agent = await agents.longest_waiting(s, prefer, campaign=attempt.campaign)
    if agent is None:
        return None
    agents.change(s, agent, "RESERVED", "CALL", wall, call_id)
    attempt.agent_id, attempt.agent_session_id, attempt.reserved_at = agent.user_id, agent.id, wall
    return agent


async def _the_held(s: AsyncSession, attempt: CallAttempt, wall: datetime) -> AgentSession | None:
    """The agent who was reserved before the dial; None when his line is gone: then the call is anybody's."""
    agent = await s.get(AgentSession, attempt.agent_session_id, with_for_update=True)
    if agent is not None and agent.call_id == attempt.id and agent.state == "RESERVED":
        if agent.line == "UP" and not agent.line_ending:
            agents.change(s, agent, "RESERVED", "CALL", wall, attempt.id)
            attempt.reserved_at = wall
            return agent
        agents.free(s, agent, wall, "LINE_LOST")
    attempt.agent_id = attempt.agent_session_id = attempt.reserved_at = None
    attempt.held = False
    return None


async def line_died(s: AsyncSession, call_id: UUID, line_id: str, wall: datetime, *, busy: bool) -> UUID | None:
    """The chosen agent's line could not be bridged: the call is without an agent again, for `connect`. Returns the user id
    of the agent who lost it; None when the call is over, or was his no more."""
    attempt = await s.get(CallAttempt, call_id, with_for_update=True)
    if attempt is None or attempt.ended_at is not None or attempt.bridged_at is not None:
        return None
    session, _, n = line_id.removeprefix("leg-").rpartition("-")
    if attempt.agent_session_id is None or str(attempt.agent_session_id) != session or not n.isdecimal():
        return None
    agent = await s.get(AgentSession, attempt.agent_session_id, with_for_update=True)
    attempt.agent_id = attempt.agent_session_id = attempt.reserved_at = None
    if agent is None or agent.call_id != call_id or agent.state != "RESERVED":
        return None
    agents.line_died(s, agent, int(n), wall, busy=busy)
    return agent.user_id


async def give_up(s: AsyncSession, call_id: UUID) -> bool:
    """The rule's seconds are over: from now on nobody is reserved for this call. False when somebody already is."""
    attempt = await s.get(CallAttempt, call_id, with_for_update=True)
    if attempt is None or attempt.agent_id is not None:
        return False
    attempt.abandoned = True
    return True


async def message_heard(s: AsyncSession, call_id: UUID, at: datetime) -> tuple[CallAttempt | None, UUID | None]:
    """The dialplan tells the borrower that nobody is free: from now on he gets no agent, and one who was chosen meanwhile is
    free again. Also the user id of that agent. Hearing it twice changes nothing."""
    attempt = await bulk.locked(s, CallAttempt, call_id)
    if attempt is None:
        return None, None
    attempt.message_played = True
    attempt.message_at = attempt.message_at or at
    if attempt.bridged_at is not None or attempt.ended_at is not None:
        return attempt, None
    attempt.abandoned = True  # of a call that came in only until its end
    if attempt.agent_session_id is None:
        return attempt, None
    loser = await agents.call_over(s, attempt.agent_session_id, call_id, at, talked=False, reason="MESSAGE")
    attempt.agent_id = attempt.agent_session_id = attempt.reserved_at = None
    return attempt, loser


async def heard(
    s: AsyncSession,
    call_id: UUID,
    *,
    rang_at: datetime | None = None,
    answered_at: datetime | None = None,
    bridged_at: datetime | None = None,
) -> CallAttempt | None:
    """Progress of a live call; hearing it twice changes nothing. None for a call that is not ours."""
    attempt = await bulk.locked(s, CallAttempt, call_id)
    if attempt is None:
        return None
    if rang_at and attempt.ringing_at is None:
        attempt.ringing_at = rang_at
        attempt.state = "RINGING" if attempt.state == "INTENT" else attempt.state
    if answered_at and attempt.answered_at is None:
        attempt.answered_at = answered_at
        attempt.state = "ANSWERED" if attempt.state in {"INTENT", "RINGING", "SETTLING"} else attempt.state
    if bridged_at and attempt.bridged_at is None:
        attempt.bridged_at = bridged_at
        if attempt.notice == "prompt":
            attempt.notice_at = bridged_at  # Asterisk speaks it to both as they meet
        if attempt.ended_at is None:
            attempt.state = "CONNECTED"
            if attempt.agent_session_id:
                await agents.talking(s, attempt.agent_session_id, call_id, bridged_at)
    return attempt
