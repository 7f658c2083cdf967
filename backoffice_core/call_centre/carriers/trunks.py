"""The trunks as they stand now: lines, breaker, money; which way a call goes, and what each of its legs teaches (FL-04).

PostgreSQL holds all of it, so the dialer that leads next and the console see what the last one knew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.borrowers import service as borrowers
from backoffice_core.call_centre.carriers import caller_ids
from backoffice_core.call_centre.carriers.caller_id_rules import IdView, choose
from backoffice_core.call_centre.carriers.trunk_rules import (
    BY_HAND,
    PROBE_LOST_AFTER,
    BreakerState,
    BreakerTerms,
    Leg,
    Standing,
    judge,
)
from backoffice_core.call_centre.models import CallAttempt, CallLeg, TrunkEvent, TrunkState
from backoffice_core.config import Settings, Trunk
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.numbering import destination_refusal, longest

_SPENT = text(
    """
    -- trunk_money: what each trunk's talks of the business day cost so far; only a call's last leg can have been answered
    SELECT l.trunk, sum(l.rate * extract(epoch FROM coalesce(a.ended_at, :wall) - a.answered_at) / 60)
      FROM call_attempts a JOIN call_legs l ON l.call_id = a.id AND l.n = a.legs
     WHERE a.business_at >= :start AND a.claimed_at >= cast(:wall AS timestamptz) - interval '2 days'
       AND a.answered_at IS NOT NULL AND l.rate > 0
     GROUP BY l.trunk
    """
)


async def standings(s: AsyncSession, settings: Settings, *, wall: datetime, day_start: datetime) -> dict[str, Standing]:
    """All trunks of the settings by name. `day_start`: the beginning of the business day, for the money."""
    on = select(CallLeg.trunk, func.count()).join(CallAttempt, CallAttempt.id == CallLeg.call_id)
    live = on.where(CallAttempt.ended_at.is_(None), CallLeg.ended_at.is_(None)).group_by(CallLeg.trunk)
    used: dict[str, int] = {name: count for name, count in (await s.execute(live)).all()}
    states = {row.trunk: row for row in (await s.execute(select(TrunkState))).scalars()}
    spent: dict[str, Decimal] = {}
    if any(trunk.rates for trunk in settings.trunks):
        rows = await s.execute(_SPENT, {"wall": wall, "start": day_start})
        spent = {name: Decimal(money).quantize(Decimal("0.01")) for name, money in rows.all()}
    return {
        trunk.name: Standing(
            name=trunk.name, priority=trunk.priority, lines=trunk.lines, used=used.get(trunk.name, 0),
            breaker=breaker_of(states.get(trunk.name)), probing=_probing(states.get(trunk.name), wall),
            spent=spent.get(trunk.name, Decimal(0)), budget=trunk.money_per_day,
        )
        for trunk in settings.trunks
    }  # fmt: skip


def breaker_of(row: TrunkState | None) -> BreakerState:
    return BreakerState(row.breaker, row.why, row.until, row.opened) if row else BreakerState()


def _probing(row: TrunkState | None, wall: datetime) -> bool:
    return bool(row and row.probe and row.probe_at and wall - row.probe_at < PROBE_LOST_AFTER)


# --- which way ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Way:
    trunk: Trunk
    caller_id: str
    declared: bool


@dataclass(frozen=True)
class NoWay:
    """No trunk may take this call; `reason` is a code of the catalogue's family `reason`."""

    reason: str

    @property
    def passing(self) -> bool:
        """A person can mend it during the day; the number itself is not at fault."""
        return self.reason.startswith("CALLER_ID_")


async def way_for(
    s: AsyncSession, trunks: Sequence[Trunk], number: str, campaign: str, *, demo: bool, today: date
) -> Way | NoWay:
    """The first of these trunks that may call this number with an id of this campaign. `number`: E.164.

    A demo borrower is refused on a trunk that leads off this machine.
    """
    return choose_way(await caller_ids.views(s), trunks, number, campaign, demo=demo, today=today)


def choose_way(
    ids: Sequence[IdView], trunks: Sequence[Trunk], number: str, campaign: str, *, demo: bool, today: date
) -> Way | NoWay:
    """`way_for`, with the ids at hand."""
    refused: NoWay | None = None
    for trunk in trunks:
        way = _on_this(trunk, ids, number, campaign, demo=demo, today=today)
        if isinstance(way, Way):
            return way
        refused = refused or way
    return refused or NoWay("NO_TRUNK")


def _on_this(
    trunk: Trunk, ids: Sequence[IdView], number: str, campaign: str, *, demo: bool, today: date
) -> Way | NoWay:
    if demo and not trunk.is_loopback:
        return NoWay("DEMO_ON_REAL_TRUNK")
    if refused := destination_refusal(number, trunk.allow, trunk.deny):
        return NoWay(refused)
    chosen = choose(ids, trunk.name, campaign, today)
    if isinstance(chosen, str):
        return NoWay(chosen)
    return Way(trunk=trunk, caller_id=chosen.number, declared=chosen.declared(today))


async def begin_leg(
    s: AsyncSession,
    call_id: UUID,
    n: int,
    way: Way,
    number: str,
    *,
    wall: datetime,
    wanted_until: datetime | None = None,
) -> CallLeg:
    """Writes a leg: placed now, or (`wanted_until`) waiting for the dialer. On a trunk that is out it is the probe."""
    leg = CallLeg(
        call_id=call_id, n=n, trunk=way.trunk.name, caller_id=way.caller_id, rate=rate_of(way, number),
        wanted_until=wanted_until, placed_at=None if wanted_until else wall,
    )  # fmt: skip
    s.add(leg)
    await probes(s, call_id, way, wall)
    return leg


def rate_of(way: Way, number: str) -> Decimal:
    return longest(way.trunk.rates, number) or Decimal(0)


async def probes(s: AsyncSession, call_id: UUID, way: Way, wall: datetime) -> None:
    """On a trunk that is out this call is the probe."""
    state = await s.get(TrunkState, way.trunk.name)
    if state is not None and state.breaker != "CLOSED":
        await s.refresh(state, with_for_update=True)
        if state.breaker == "OPEN":
            _change(s, state, BreakerState("HALF_OPEN", state.why, state.until, state.opened), wall)
        state.probe, state.probe_at = call_id, wall


# --- what a leg teaches ------------------------------------------------------------------------------------------


async def end_leg(
    s: AsyncSession, settings: Settings, leg: CallLeg, said: Leg, *, now: datetime, wall: datetime
) -> bool:
    """Notes what an ended leg says of its trunk and judges its breaker anew. True when the breaker changed.

    `leg` has its end, cause and code already. What calls have said against their numbers while the trunk refused
    everybody is withdrawn. `now`: business time.
    """
    leg.said = said.value
    trunk = next((one for one in settings.trunks if one.name == leg.trunk), None)
    state = await _state(s, leg.trunk)
    settled = state is None or state.breaker == "CLOSED"
    if trunk is None or (settled and said in {Leg.GOOD, Leg.NOTHING}):
        return False
    if state is None:
        before = wall - timedelta(seconds=trunk.breaker.within_s)  # the legs that led here count
        new = insert(TrunkState).values(trunk=leg.trunk, breaker="CLOSED", why="", since=before, opened=0)
        await s.execute(new.on_conflict_do_nothing())
    state = await s.get_one(TrunkState, leg.trunk, with_for_update=True, populate_existing=True)
    s.info.get("trunk_states", {})[leg.trunk] = state
    if state.probe == leg.call_id:
        state.probe = state.probe_at = None
    elif state.breaker == "HALF_OPEN":
        return False  # a call from before the break tells nothing new
    await s.flush()
    terms = BreakerTerms(at_least=trunk.breaker.at_least, share=trunk.breaker.share, pause_s=trunk.breaker.pause_s)
    last = await _last(s, trunk, state, leg, wall)
    judged = judge(breaker_of(state), [said for said, _ in last], terms, wall)
    if judged == breaker_of(state):
        return False
    if judged.why == "REFUSES_ALL":
        await borrowers.withdraw_evidence(s, [call_id for _, call_id in last], now)
    _change(s, state, judged, wall, {"sip_code": leg.sip_code, "cause": leg.cause})
    return True


def hold_states(s: AsyncSession, states: Mapping[str, TrunkState | None]) -> None:
    """The states of these trunks, as read in a transaction of many steps; others are asked for."""
    s.info["trunk_states"] = dict(states)


async def _state(s: AsyncSession, trunk: str) -> TrunkState | None:
    known: dict[str, TrunkState | None] = s.info.get("trunk_states", {})
    return known[trunk] if trunk in known else await s.get(TrunkState, trunk)


async def _last(
    s: AsyncSession, trunk: Trunk, state: TrunkState, leg: CallLeg, wall: datetime
) -> list[tuple[Leg, UUID]]:
    """The legs that the breaker looks at, newest first; while it is tried again, the probe alone."""
    if state.breaker == "HALF_OPEN":
        return [(Leg(leg.said), leg.call_id)]
    since = wall - timedelta(seconds=trunk.breaker.within_s)
    query = (
        select(CallLeg.said, CallLeg.call_id)
        .where(
            CallLeg.trunk == trunk.name, CallLeg.ended_at.is_not(None), CallLeg.said != "",
            CallLeg.ended_at >= max(since, state.since),
        )
        .order_by(CallLeg.ended_at.desc())
        .limit(trunk.breaker.last)
    )  # fmt: skip
    return [(Leg(said), call_id) for said, call_id in (await s.execute(query)).all()]


def _change(
    s: AsyncSession, row: TrunkState, to: BreakerState, wall: datetime, data: dict[str, Any] | None = None
) -> None:
    if row.breaker != to.state:
        kept = {"why": to.why or row.why, "until": to.until.isoformat() if to.until else None, **(data or {})}
        s.add(TrunkEvent(trunk=row.trunk, at=wall, kind=to.state, data=kept))
        row.since = wall
    row.breaker, row.why, row.until, row.opened = to.state, to.why, to.until, to.opened


async def close(
    s: AsyncSession, settings: Settings, name: str, *, by: str, who: str, reason: str, wall: datetime
) -> None:
    """A person takes a trunk out: no call begins on it until a person opens it. Talks on it go on.

    `who`: for the audit, as `audit.note` has it. Raises NotFound, BadInput without a reason.
    """
    row = await _by_hand(s, settings, name, reason, wall)
    _change(s, row, BreakerState("OPEN", BY_HAND, None, row.opened), wall, {"by": by, "reason": reason})
    audit.note(s, who, "TRUNK_CLOSED", name, {"reason": reason})


async def reopen(
    s: AsyncSession, settings: Settings, name: str, *, by: str, who: str, reason: str, wall: datetime
) -> None:
    """A person lets calls go by this trunk again, whatever had taken it out. Raises NotFound, BadInput."""
    row = await _by_hand(s, settings, name, reason, wall)
    row.probe = row.probe_at = None
    _change(s, row, BreakerState(), wall, {"by": by, "reason": reason})
    audit.note(s, who, "TRUNK_OPENED", name, {"reason": reason})


async def _by_hand(s: AsyncSession, settings: Settings, name: str, reason: str, wall: datetime) -> TrunkState:
    if not reason.strip():
        raise BadInput("A reason is needed.", remedy="Say why; it stands in the journal.", field="reason")
    if name not in {trunk.name for trunk in settings.trunks}:
        raise NotFound(f"There is no trunk {name}.")
    new = insert(TrunkState).values(trunk=name, breaker="CLOSED", why="", since=wall, opened=0)
    await s.execute(new.on_conflict_do_nothing())
    return await s.get_one(TrunkState, name, with_for_update=True, populate_existing=True)


async def suspect(s: AsyncSession, name: str) -> bool:
    """Whether this trunk's refusals condemn no number now: it is out, or it is being tried again."""
    state = await s.get(TrunkState, name)
    return state is not None and breaker_of(state).suspect


async def note_money(s: AsyncSession, seen: Sequence[Standing], today: date, wall: datetime) -> list[str]:
    """Trunks whose money of this business day is used up and who were not told of it yet; the event is kept."""
    told: list[str] = []
    for one in seen:
        if not one.out_of_money:
            continue
        row = insert(TrunkState).values(
            trunk=one.name, breaker="CLOSED", why="", since=wall, opened=0, money_out_on=today
        )
        first = await s.execute(
            row.on_conflict_do_update(
                index_elements=["trunk"], set_={"money_out_on": today},
                where=TrunkState.money_out_on.is_distinct_from(today),
            ).returning(TrunkState.trunk)
        )  # fmt: skip
        if first.scalar_one_or_none():
            s.add(TrunkEvent(trunk=one.name, at=wall, kind="MONEY_OUT", data={"spent": str(one.spent)}))
            told.append(one.name)
    return told


# --- health ------------------------------------------------------------------------------------------------------

_LAST_HOUR = text(
    """
    -- trunk_last_hour: calls and answers of each trunk, and the most calls that began in one second
    SELECT trunk, sum(calls)::int AS calls, sum(answered)::int AS answered, max(calls)::int AS most
      FROM (SELECT l.trunk, date_trunc('second', l.placed_at) AS at, count(*) AS calls,
                   count(a.answered_at) FILTER (WHERE l.n = a.legs) AS answered
              FROM call_legs l JOIN call_attempts a ON a.id = l.call_id
             WHERE a.claimed_at >= cast(:wall AS timestamptz) - interval '1 hour' AND l.placed_at IS NOT NULL
             GROUP BY 1, 2) AS seconds
     GROUP BY trunk
    """
)


@dataclass(frozen=True, kw_only=True)
class TrunkHealth:
    """One trunk for the supervisor: as it stands, its last hour, its last errors (`code`: SIP, else cause)."""

    standing: Standing
    since: datetime | None
    calls: int
    answered: int
    most_a_second: int
    errors: list[tuple[datetime, str]]
    closed: dict[str, Any] = field(default_factory=dict)  # `by` and `reason` of a trunk that a person closed


async def health(s: AsyncSession, settings: Settings, *, wall: datetime, day_start: datetime) -> list[TrunkHealth]:
    seen = await standings(s, settings, wall=wall, day_start=day_start)
    hours = {row["trunk"]: row for row in (await s.execute(_LAST_HOUR, {"wall": wall})).mappings()}
    since = {name: at for name, at in (await s.execute(select(TrunkState.trunk, TrunkState.since))).all()}
    told = []
    for one in seen.values():
        hour: Any = hours.get(one.name, {})
        told.append(
            TrunkHealth(
                standing=one, since=since.get(one.name), calls=hour.get("calls", 0), answered=hour.get("answered", 0),
                most_a_second=hour.get("most", 0), errors=await _last_errors(s, one.name, wall),
                closed=await _closed(s, one.name) if one.breaker.by_hand else {},
            )
        )  # fmt: skip
    return told


async def _closed(s: AsyncSession, trunk: str) -> dict[str, Any]:
    query = select(TrunkEvent.data).where(TrunkEvent.trunk == trunk, TrunkEvent.kind == "OPEN")
    return dict(await s.scalar(query.order_by(TrunkEvent.id.desc()).limit(1)) or {})


async def _last_errors(s: AsyncSession, trunk: str, wall: datetime) -> list[tuple[datetime, str]]:
    query = (
        select(CallLeg.ended_at, CallLeg.sip_code, CallLeg.cause)
        .where(
            CallLeg.trunk == trunk, CallLeg.ended_at > wall - timedelta(days=1),
            CallLeg.said.in_((Leg.FAULT.value, Leg.REFUSAL.value)),
        )
        .order_by(CallLeg.ended_at.desc())
        .limit(5)
    )  # fmt: skip
    return [
        (at, f"SIP {code}" if code else f"Q.850 {cause}") for at, code, cause in (await s.execute(query)).all() if at
    ]
