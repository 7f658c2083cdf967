"""The table of the numbers that we show: kept by people, taken out of the pool by the operators' signs (FL-03)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from sqlalchemy import func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.call_centre.carriers.caller_id_rules import (
    SPANS,
    Figures,
    IdView,
    SignRow,
    choose,
    needed,
    signs_met,
)
from backoffice_core.call_centre.models import CallerId, CallerIdEvent, CallerIdSign
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import new_key
from backoffice_core.errors import BadInput, Conflict, NotFound
from backoffice_core.numbering import digits_of

SPAN_OF = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
CAMPAIGN = "collection"
QUARANTINE = timedelta(days=30)  # so long an id that went bad stands in the way of a new one for its campaign


async def views(s: AsyncSession) -> list[IdView]:
    """All ids that are not retired."""
    rows = (await s.execute(select(CallerId).where(CallerId.state != "RETIRED"))).scalars()
    return [view_of(row) for row in rows]


VIEWS_SQL = """(SELECT coalesce(jsonb_agg(jsonb_build_array(
    number, trunks, campaigns, position, declared_on, valid_from, valid_to, state, rests_since IS NOT NULL)), '[]')::text
    FROM caller_ids WHERE state <> 'RETIRED')"""
"""The same inside a query that asks more; `views_of` reads it."""


@lru_cache(maxsize=8)
def views_of(said: str) -> tuple[IdView, ...]:
    return tuple(
        IdView(
            number=number, trunks=frozenset(trunks), campaigns=frozenset(campaigns), position=position,
            declared_on=_day(declared), valid_from=_day(since), valid_to=_day(until), state=state, rests=rests,
        )
        for number, trunks, campaigns, position, declared, since, until, state, rests in json.loads(said)
    )  # fmt: skip


def _day(said: str | None) -> date | None:
    return date.fromisoformat(said) if said else None


def view_of(row: CallerId) -> IdView:
    return IdView(
        number=row.number, trunks=frozenset(row.trunks), campaigns=frozenset(row.campaigns), position=row.position,
        declared_on=row.declared_on, valid_from=row.valid_from, valid_to=row.valid_to, state=row.state,
        rests=row.rests_since is not None,
    )  # fmt: skip


async def shown_by(s: AsyncSession, settings: Settings, campaign: str, day: date) -> IdView | None:
    """The id that calls of this campaign show on that day on the first trunk that has one: what the night asks with."""
    ids = await views(s)
    for trunk in sorted(settings.trunks, key=lambda one: one.priority):
        if isinstance(chosen := choose(ids, trunk.name, campaign, day), IdView):
            return chosen
    return None


async def is_declared(s: AsyncSession, number: str, day: date) -> bool:
    """Whether this number of ours is declared on that day; False for one that the table does not have."""
    return any(one.declared(day) for one in await views(s) if one.number == f"+{number.lstrip('+')}")


# --- keeping the table -------------------------------------------------------------------------------------------


async def adopt(s: AsyncSession, settings: Settings) -> list[str]:
    """Takes the ids that stand in the trunks' settings into the table, once each; returns the new ones.

    They are the bank's own, declared (who names a number in the settings answers for it), and used by collection. An
    id that a person has changed or retired is left as it is.
    """
    wall, named = Clock.wall(), dict[str, list[str]]()
    for trunk in settings.trunks:
        if trunk.caller_id:
            named.setdefault(f"+{trunk.caller_id.lstrip('+')}", []).append(trunk.name)
    new = []
    for position, (number, trunks) in enumerate(named.items(), 1):
        known = (await s.execute(select(CallerId).where(CallerId.number == number))).scalar_one_or_none()
        if known is None:
            row = insert(CallerId).values(
                id=new_key(), number=number, owner=settings.bank_name, purpose=CAMPAIGN, trunks=trunks,
                campaigns=[CAMPAIGN], position=position, declared_on=wall.date(), state="IN", state_since=wall,
                source="settings", created_at=wall,
            )  # fmt: skip
            made = await s.execute(row.on_conflict_do_nothing(index_elements=["number"]).returning(CallerId.id))
            if (made_id := made.scalar_one_or_none()) is not None:
                data = {"trunks": trunks, "campaigns": [CAMPAIGN]}
                s.add(CallerIdEvent(caller_id=made_id, at=wall, kind="ADDED", by="settings", data=data))
                new.append(number)
        elif known.source == "settings" and not set(trunks) <= set(known.trunks):
            known.trunks = sorted({*known.trunks, *trunks})
    return new


@dataclass(frozen=True, kw_only=True)
class NewId:
    """What a person says of a new id. Raises BadInput on use when the number has no country code."""

    number: str
    owner: str
    trunks: Sequence[str]
    campaigns: Sequence[str] = (CAMPAIGN,)
    purpose: str = CAMPAIGN
    position: int = 1
    declared_on: date | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    reason: str = ""


async def add(s: AsyncSession, settings: Settings, said: NewId, *, by: str, now: datetime) -> CallerId:
    """A new id, or new terms of one that is known. Raises BadInput, and Conflict when a campaign of it has lost an id
    to the operators' signs lately and no reason is given: fresh numbers do not follow blocked ones by habit."""
    try:
        number = f"+{digits_of(said.number)}"
    except ValueError:
        raise BadInput(
            f"{said.number!r} is no number with a country code.", remedy="Write it as +380445550100.", field="number"
        ) from None
    known_trunks = {trunk.name for trunk in settings.trunks}
    if unknown := sorted(set(said.trunks) - known_trunks) or (not said.trunks and ["(none)"]):
        raise BadInput(
            f"There is no trunk {unknown[0]}.", remedy=f"One of: {', '.join(sorted(known_trunks))}.", field="trunk"
        )
    if said.valid_from and said.valid_to and said.valid_to < said.valid_from:
        raise BadInput("It would end before it begins.", remedy="Correct --from or --to.", field="valid_to")
    row = (await s.execute(select(CallerId).where(CallerId.number == number).with_for_update())).scalar_one_or_none()
    fresh = [c for c in said.campaigns if row is None or c not in row.campaigns or row.state == "RETIRED"]
    if fresh and not said.reason and (blocked := await _lately_out(s, fresh, number, now)):
        raise Conflict(
            f"{blocked} has left the pool of this campaign by the operators' signs; another number would only dodge them.",
            remedy="Mend the calls first. If this number is not its replacement, say why with --reason.",
        )
    kind = "CHANGED"
    if row is None:
        kind = "ADDED"
        row = CallerId(id=new_key(), number=number, state="IN", state_since=now, created_at=now, source="person")
        s.add(row)
    elif row.state == "RETIRED":
        row.state, row.state_since = "IN", now
    row.owner, row.purpose, row.position, row.source = said.owner, said.purpose, said.position, "person"
    row.trunks, row.campaigns = sorted(set(said.trunks)), sorted(set(said.campaigns))
    row.declared_on, row.valid_from, row.valid_to = said.declared_on, said.valid_from, said.valid_to
    await s.flush()
    data = {"trunks": row.trunks, "campaigns": row.campaigns, "reason": said.reason}
    s.add(CallerIdEvent(caller_id=row.id, at=now, kind=kind, by=by, data=data))
    return row


async def _lately_out(s: AsyncSession, campaigns: Sequence[str], other_than: str, now: datetime) -> str:
    rows = select(CallerId).where(
        CallerId.state == "OUT", CallerId.number != other_than, CallerId.state_since > now - QUARANTINE
    )
    return next((r.number for r in (await s.execute(rows)).scalars() if set(r.campaigns) & set(campaigns)), "")


async def move(
    s: AsyncSession, number: str, state: str, *, by: str, reason: str, now: datetime, who: str = ""
) -> CallerId:
    """A person retires an id (RETIRED), or puts one that had left the pool back (IN). Raises NotFound, BadInput.

    `who` is `by` for the audit, by default an account of this machine.
    """
    if not reason.strip():
        raise BadInput("A reason is needed.", remedy="Say it with --reason.", field="reason")
    row = await _row(s, number)
    if row.state != state:
        row.state, row.state_since = state, now
        kind = "BACK" if state == "IN" else "RETIRED"
        s.add(CallerIdEvent(caller_id=row.id, at=now, kind=kind, by=by, data={"reason": reason}))
        audit.note(s, who or f"os:{by}", f"CALLER_ID_{kind}", row.number, {"reason": reason})
    return row


async def retired(s: AsyncSession) -> list[tuple[CallerId, dict[str, Any], str]]:
    """Numbers that a person has taken out: with the last such event's data, and who did it."""
    query = (
        select(CallerId, CallerIdEvent.data, CallerIdEvent.by)
        .join(CallerIdEvent, CallerIdEvent.caller_id == CallerId.id)
        .where(CallerId.state == "RETIRED", CallerIdEvent.kind == "RETIRED")
        .order_by(CallerId.number, CallerIdEvent.id)
    )
    last = {row.number: (row, dict(data), by) for row, data, by in (await s.execute(query)).all()}
    return list(last.values())


async def complaint(s: AsyncSession, number: str, *, by: str, note: str, now: datetime) -> None:
    """Somebody complained of calls from this id. Raises NotFound."""
    row = await _row(s, number)
    s.add(CallerIdEvent(caller_id=row.id, at=now, kind="COMPLAINT", by=by, data={"note": note}))


async def _row(s: AsyncSession, number: str) -> CallerId:
    wanted = f"+{number.lstrip('+')}"
    row = (await s.execute(select(CallerId).where(CallerId.number == wanted).with_for_update())).scalar_one_or_none()
    if row is None:
        raise NotFound(f"There is no caller id {wanted}.", remedy="`backoffice caller-id list` tells those there are.")
    return row


async def out(s: AsyncSession) -> list[tuple[str, list[str]]]:
    """Numbers that have left the pool by the operators' signs, with the signs."""
    last = (
        select(CallerIdEvent.data)
        .where(CallerIdEvent.caller_id == CallerId.id, CallerIdEvent.kind == "OUT")
        .order_by(CallerIdEvent.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = await s.execute(select(CallerId.number, last).where(CallerId.state == "OUT").order_by(CallerId.number))
    return [(number, list((data or {}).get("signs", []))) for number, data in rows.all()]


async def rest(s: AsyncSession, spent: Mapping[str, tuple[int, int]], *, wall: datetime, now: datetime) -> list[str]:
    """These ids rest from now on, and no other; `spent`: abandoned and answered of their accounts, kept with the event. Returns
    those whose rest begins or ends."""
    changed = []
    rows = await s.scalars(
        select(CallerId)
        .where(or_(CallerId.number.in_(list(spent)), CallerId.rests_since.is_not(None)))
        .with_for_update()
    )
    for row in rows:
        if (row.number in spent) == (row.rests_since is not None):
            continue
        row.rests_since = wall if row.number in spent else None
        abandoned, answered = spent.get(row.number, (0, 0))
        data = {"abandoned": abandoned, "answered": answered} if row.number in spent else {}
        kind = "RESTS" if row.number in spent else "RESTED"
        s.add(CallerIdEvent(caller_id=row.id, at=now, kind=kind, by="account", data=data))
        changed.append(row.number)
    return changed


# --- health ------------------------------------------------------------------------------------------------------

_FIGURES = text(
    """
    -- caller_id_figures: each id over an hour, a day and a week at once. A number is new to an id that never called it
    -- before; talks are those that met an agent.
    SELECT w.span, a.caller_id AS number,
           count(*) AS calls,
           count(*) FILTER (WHERE a.answered_at IS NOT NULL) AS answered,
           count(*) FILTER (WHERE t.seconds IS NOT NULL) AS talks,
           coalesce(sum(t.seconds), 0)::float AS talk_s,
           count(*) FILTER (WHERE t.seconds < 60) AS short_talks,
           count(*) FILTER (WHERE NOT a.abandoned AND a.result = 'SILENT') AS silent,
           count(*) FILTER (WHERE a.abandoned) AS abandoned,
           count(*) FILTER (WHERE a.message_played) AS recorded,
           count(*) FILTER (WHERE NOT EXISTS (
               SELECT 1 FROM call_attempts b
                WHERE b.number = a.number AND b.claimed_at < a.claimed_at AND b.caller_id = a.caller_id
                  AND b.direction = 'out')) AS new_numbers
      FROM (VALUES ('hour', cast(:hour AS timestamptz)), ('day', cast(:day AS timestamptz)),
                   ('week', cast(:week AS timestamptz))) AS w(span, since)
      JOIN call_attempts a ON a.claimed_at >= w.since AND a.claimed_at <= :wall
     CROSS JOIN LATERAL (SELECT CASE WHEN a.bridged_at IS NOT NULL AND a.ended_at IS NOT NULL
                                     THEN extract(epoch FROM a.ended_at - a.bridged_at) END AS seconds) t
     WHERE a.caller_id <> '' AND a.direction = 'out'
     GROUP BY w.span, a.caller_id
    """
)
_CALL_BACKS = text(
    """
    -- caller_id_call_backs: calls to our own numbers, known callers and strangers, and those that met an agent
    SELECT w.span, b.number, count(*) AS call_backs, count(*) FILTER (WHERE b.answered) AS call_backs_answered
      FROM (VALUES ('hour', cast(:hour AS timestamptz)), ('day', cast(:day AS timestamptz)),
                   ('week', cast(:week AS timestamptz))) AS w(span, since)
      JOIN (SELECT claimed_at AS at, caller_id AS number, bridged_at IS NOT NULL AS answered
              FROM call_attempts WHERE direction = 'in'
            UNION ALL
            SELECT at, called, false FROM unknown_callers WHERE call_id IS NULL) AS b ON b.at >= w.since
     GROUP BY w.span, b.number
    """
)
_COMPLAINTS = text(
    """
    -- caller_id_complaints
    SELECT w.span, c.number, count(*) FROM (VALUES ('hour', cast(:hour AS timestamptz)),
           ('day', cast(:day AS timestamptz)), ('week', cast(:week AS timestamptz))) AS w(span, since)
      JOIN caller_id_events e ON e.kind = 'COMPLAINT' AND e.at >= w.since
      JOIN caller_ids c ON c.id = e.caller_id
     GROUP BY w.span, c.number
    """
)


@dataclass(frozen=True, kw_only=True)
class Health:
    """One id with its figures by span (`hour`, `day`, `week`) and the signs that it shows."""

    row: CallerId
    figures: dict[str, Figures]
    signs: list[str]
    judged: bool  # False: only trunks without operators that block admit it


async def health(s: AsyncSession, settings: Settings, *, now: datetime, wall: datetime) -> list[Health]:
    """All ids that are not retired. `now`: business time, whose date chooses the thresholds in force."""
    spans = {span: wall - SPAN_OF[span] for span in SPANS}
    complaints = {span: now - SPAN_OF[span] for span in SPANS}
    seen: dict[str, dict[str, dict[str, Any]]] = {}
    for row in (await s.execute(_FIGURES, {**spans, "wall": wall})).mappings():
        counted = {key: value for key, value in row.items() if key not in {"span", "number"}}
        seen.setdefault(row["number"], {})[row["span"]] = counted
    for row in (await s.execute(_CALL_BACKS, spans)).mappings():
        counted = {"call_backs": row["call_backs"], "call_backs_answered": row["call_backs_answered"]}
        seen.setdefault(f"+{row['number'].lstrip('+')}", {}).setdefault(row["span"], {}).update(counted)
    for span, number, count in (await s.execute(_COMPLAINTS, complaints)).all():
        seen.setdefault(number, {}).setdefault(span, {})["complaints"] = count
    figures = {number: {span: Figures(**by.get(span, {})) for span in SPANS} for number, by in seen.items()}
    pool = {span: _together([by[span] for by in figures.values()]) for span in SPANS}
    signs = await sign_rows(s)
    today = now.astimezone(Clock(settings.bank_time_zone).zone).date()
    judging = {trunk.name for trunk in settings.trunks if trunk.blocks_caller_ids}
    rows = select(CallerId).where(CallerId.state != "RETIRED").order_by(CallerId.position, CallerId.number)
    return [
        Health(
            row=row, figures=(own := figures.get(row.number, {span: Figures() for span in SPANS})),
            signs=signs_met(own, pool, signs, today), judged=bool(judging & set(row.trunks)),
        )
        for row in (await s.execute(rows)).scalars()
    ]  # fmt: skip


def _together(parts: Sequence[Figures]) -> Figures:
    return Figures(calls=sum(p.calls for p in parts), answered=sum(p.answered for p in parts))


async def sign_rows(s: AsyncSession) -> list[SignRow]:
    rows = (await s.execute(select(CallerIdSign).order_by(CallerIdSign.valid_from, CallerIdSign.id))).scalars()
    return [
        SignRow(
            sign=r.sign, span=r.span, threshold=Decimal(r.threshold), min_calls=r.min_calls, valid_from=r.valid_from,
            valid_to=r.valid_to,
        )
        for r in rows
    ]  # fmt: skip


async def review(s: AsyncSession, settings: Settings, *, now: datetime, wall: datetime) -> list[str]:
    """Takes every id that shows enough signs out of the pool, with an event that keeps the figures; returns them."""
    if await s.scalar(select(func.count()).select_from(CallerId).where(CallerId.state == "IN")) == 0:
        return []
    limit = needed(await sign_rows(s), now.astimezone(Clock(settings.bank_time_zone).zone).date())
    out = []
    for one in await health(s, settings, now=now, wall=wall):
        if one.row.state == "IN" and one.judged and len(one.signs) >= limit:
            row = await _row(s, one.row.number)
            row.state, row.state_since = "OUT", now
            kept = {span: vars(figures) for span, figures in one.figures.items()}
            data = {"signs": one.signs, "figures": kept}
            s.add(CallerIdEvent(caller_id=row.id, at=now, kind="OUT", by="signs", data=data))
            out.append(row.number)
    return out
