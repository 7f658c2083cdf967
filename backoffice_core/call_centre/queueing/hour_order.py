"""A new hour: the plan of the day finds new prices and writes the places that follow from them.

No fact of a case has changed by it, so nobody is judged anew: that would cost three times as much (`tests.bench.hours`). Only
where the plan has another number now is the case judged, because the law is asked of a number.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.dialing import campaign_terms
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.campaign_terms import Strategy
from backoffice_core.call_centre.queueing import learned, queue
from backoffice_core.call_centre.queueing.learned import Learned
from backoffice_core.call_centre.queueing.live_order import MISSED, Wanting, at_hour, priced, stand_by_plan
from backoffice_core.call_centre.queueing.ordering import DayPlan, Planned, position_of, said_of
from backoffice_core.call_centre.queueing.queue_models import QueueDay
from backoffice_core.call_centre.queueing.queue_rules import BEST_HOUR
from backoffice_core.db import driver, fetch
from backoffice_core.loans import stop_list

WAIT_S = 5  # for who judges cases just now

_OPEN = """
    -- cases_of_the_plan: tasks of the day that may still be called, by the terms of their place
    SELECT t.case_id, t.contact_point_id, t.why->>'currency' AS currency, (t.why->>'contact_worth')::float8 AS worth,
           (t.why->>'days_past_due')::int AS days, c.rank, p.jurisdiction, p.time_zone, t.attempts, t.earliest_at,
           t.state_reason, t.id, t.position, t.why->>'group' AS "group", t.why->>'overdue' AS overdue,
           t.why->>'bucket' AS bucket, t.why->>'reach' AS reach, t.why->>'best_hour' AS best_hour
    FROM call_tasks t JOIN contact_points c ON c.id = t.contact_point_id JOIN persons p ON p.id = t.person_id
    WHERE t.business_date = $1 AND t.state IN ('ELIGIBLE','RETRY_WAIT') AND t.why ? 'contact_worth' AND t.campaign = $2
"""
# numbers that the law and the rules of the queue do not tell apart from the one that stands, as `_alike`
_OTHERS = f"""
    SELECT t.case_id, n.id, n.rank FROM call_tasks t JOIN contact_points o ON o.id = t.contact_point_id
    JOIN contact_points n ON n.person_id = t.person_id AND n.id <> o.id AND n.kind = 'phone'
     AND (n.owner_kind, n.number_type, n.state) = (o.owner_kind, o.number_type, o.state)
    WHERE t.business_date = $1 AND t.state IN ('ELIGIBLE','RETRY_WAIT') AND t.why ? 'contact_worth' AND t.campaign = $2
      AND NOT {stop_list.number_stopped_sql(number="n.value", day="$1")}
"""  # noqa: S608 (no value in it)
_MARK = text("""
    -- mark_hour: tasks for which the plan has another number now: the law is asked of it first
    INSERT INTO queue_marks (case_id, why, bulk) SELECT unnest(CAST(:cases AS uuid[])), 'hour', true
""")
_MOVE = """
    -- move_in_hour: unless something has happened to it meanwhile
    UPDATE call_tasks t SET position = n.position, why = t.why || n.why, earliest_at = n.hour, state_reason = n.reason
    FROM unnest($1::uuid[], $2::int[], $3::int[], $4::jsonb[], $5::timestamptz[], $6::text[], $7::text[])
         AS n(id, was_at, position, why, hour, was_for, reason)
    WHERE t.id = n.id AND t.position = n.was_at AND t.state_reason = n.was_for AND t.state IN ('ELIGIBLE','RETRY_WAIT')
"""
Move = tuple[UUID, int, int, str, datetime | None, str, str]


@dataclass(slots=True)
class Hour:
    """What the plan of an hour comes to: cases that it looked at, tasks that stand elsewhere from now on, cases to be judged
    anew."""

    cases: int = 0
    moves: list[Move] = field(default_factory=list)
    judged: list[UUID] = field(default_factory=list)

    @property
    def parts(self) -> Iterator[list[Move]]:
        return (self.moves[start : start + queue.AT_ONCE] for start in range(0, len(self.moves), queue.AT_ONCE))


async def new_hour(s: AsyncSession, *, now: datetime, today: date, zone: ZoneInfo) -> Hour | None:
    """At the beginning of each hour: prices of the hours that are left, and the place that every case of the plan has by them.
    None = this hour is planned already, or there is no plan.

    The caller writes the `parts` by `move`, each in a transaction of its own, before this one's commit: so no dialer waits for
    all of them, and who dies on the way leaves the hour to be planned again.
    """
    local = now.astimezone(zone)
    day = await s.get(QueueDay, today, with_for_update={"skip_locked": True})
    if day is None:
        return None
    norms = dict(day.norms)
    own = {"collection": norms} | {name: dict(said) for name, said in norms.get("campaigns", {}).items()}
    due = [name for name, said in own.items() if said.get("plan") and said["plan"]["hour"] < local.hour]
    if not due:
        return None
    rows = await s.execute(select(Campaign.name, Campaign.ordering))
    hour, said_by = Hour(), {row.name: row.ordering for row in rows}
    for name in due:
        strategy = campaign_terms.strategy(said_by.get(name, {}))
        plan = DayPlan.read(own[name]["plan"])
        own[name]["plan"] = (await _plan_hour(s, name, strategy, plan, today, local, hour)).as_json()
    if "campaigns" in norms:
        norms["campaigns"] = {name: said for name, said in own.items() if name != "collection"}
    day.norms = norms
    if hour.judged:
        await s.execute(_MARK, {"cases": hour.judged})
    return hour


async def move(s: AsyncSession, part: Sequence[Move]) -> None:
    """Waits until nobody judges cases, as a night does, but not for a night: then the hour is planned again. Its transaction
    is over in an instant."""
    await s.execute(text(f"SET LOCAL lock_timeout = '{WAIT_S}s'"))
    for share in range(queue.SHARES):
        await s.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": queue.JUDGING + share})
    await (await driver(s)).execute(_MOVE, *map(list, zip(*part, strict=True)))


async def _plan_hour(
    s: AsyncSession, campaign: str, strategy: Strategy, plan: DayPlan, today: date, local: datetime, hour: Hour
) -> DayPlan:
    rows = await fetch(s, _OPEN, today, campaign)
    others: dict[UUID, list[tuple[UUID, int]]] = {}
    for case_id, point, rank in await fetch(s, _OTHERS, today, campaign):
        others.setdefault(case_id, []).append((point, rank))
    known = await learned.of_numbers(
        s,
        plan.groups,
        [row["contact_point_id"] for row in rows] + [point for some in others.values() for point, _ in some],
    )
    called, missed = [row["case_id"] for row in rows if row["attempts"]], dict[UUID, dict[UUID, int]]()
    for point, case_id, n in await fetch(s, MISSED, called, at_hour(local, 0)) if called else ():
        missed.setdefault(case_id, {})[point] = n
    by_case = {row["case_id"]: row for row in rows}
    wanting = [
        one for row in rows
        if (one := _of_row(row, others.get(row["case_id"], ()), strategy, plan, known, missed, local)) is not None
    ]  # fmt: skip
    plan = replace(await priced(s, plan, wanting, known, local) or plan, hour=local.hour)
    hour.cases += len(rows)
    for one, planned, point in (
        stand_by_plan(wanting, known, plan, local, waits=strategy.hours == "wait") if wanting else ()
    ):
        row = by_case[one.case_id]
        if point != row["contact_point_id"]:
            hour.judged.append(one.case_id)
        elif (moved := _moved(row, planned)) is not None:
            hour.moves.append(moved)
    return plan


def _of_row(
    row: Any, others: Iterable[tuple[UUID, int]], strategy: Strategy, plan: DayPlan, known: Learned,
    missed: Mapping[UUID, Mapping[UUID, int]], local: datetime,
) -> Wanting | None:  # fmt: skip
    place = plan.places.get(f"{row['jurisdiction']}|{row['time_zone']}")
    typical, worth = float(plan.typical.get(row["currency"]) or 0), row["worth"]
    if place is None or not typical:
        return None
    offset, closes, cap = place
    opens, earliest = 0.0, row["earliest_at"]
    if earliest is not None and row["state_reason"] != BEST_HOUR:
        there = earliest.astimezone(local.tzinfo)
        opens = there.hour + there.minute / 60 if there.date() <= local.date() else 24.0
    cost = float(strategy.cost.get(row["currency"], 0))
    numbers = sorted([(row["contact_point_id"], row["rank"]), *others], key=lambda one: one[1])
    return Wanting(
        case_id=row["case_id"], value=worth / typical, needs=min(cost / worth, 1.0) if worth else 1.0,
        points=[(point, known.row(point, row["days"], rank)) for point, rank in numbers],
        offset=offset, opens=opens, closes=closes, allowed=min(plan.attempts, cap) - row["attempts"],
        missed=missed.get(row["case_id"], {}),
    )  # fmt: skip


def _moved(row: Any, planned: Planned) -> Move | None:
    """None = it stands where it stood, for the same reason."""
    group, reason = row["group"], row["state_reason"]
    position = position_of(group, planned, row["position"])
    earliest, why = (None, "") if reason == BEST_HOUR else (row["earliest_at"], reason)
    wait = planned.waits_until if group == "VALUE" else None
    if wait is not None and (earliest is None or earliest < wait):
        earliest, why = wait, why or BEST_HOUR
    said = said_of(planned, Decimal(row["overdue"]), row["bucket"])
    same = (said["reach"], str(said["best_hour"])) == (row["reach"], row["best_hour"])
    if same and (position, earliest, why) == (row["position"], row["earliest_at"], reason):
        return None
    return row["id"], row["position"], position, json.dumps(said), earliest, reason, why
