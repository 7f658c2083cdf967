"""The night's step: closes steps by their evidence, skips those whose ground is gone, and makes those that fall due.

For a range of persons at a time, in whole statements; run twice it changes nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Table, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases import holds, tasks
from backoffice_core.cases.models import Task
from backoffice_core.cases.task_rules import rule_for
from backoffice_core.config import Settings
from backoffice_core.db import new_key
from backoffice_core.strategy import facts as reading
from backoffice_core.strategy import lawful, rules, service
from backoffice_core.strategy.facts import EVERYBODY, CaseFacts, Persons, day_begins
from backoffice_core.strategy.models import StepDue, StrategyVersion
from backoffice_core.strategy.rules import CHANNEL, Due, Version

# As tables: the ORM would insert rows one by one that differ in which columns are empty.
_DUES, _TASKS = cast(Table, StepDue.__table__), cast(Table, Task.__table__)
CATCH_UP = 7  # days: nights that were left out are made up for so far back
CALLERS = "call_centre"  # the unit whose a call step is
_WAITS = "d.done_on IS NULL AND d.skipped_on IS NULL AND d.person_id BETWEEN :low AND :high"
_STATE = "CASE WHEN (x.at AT TIME ZONE :zone)::date <= d.deadline THEN 'DONE' ELSE 'LATE' END"
_DONE = "done_on = (x.at AT TIME ZONE :zone)::date, done_at = x.at"

# A call step is done by a talk with the right party; any step with a task by the task's end; a message by its contact.
# ruff: noqa: S608 (the statements are put together of our own words alone)
_EVIDENCE = (
    f"""
    -- steps_talked: the first talk with the right party since the step fell due
    UPDATE step_dues d SET state = {_STATE}, {_DONE}, done_by = x.actor_id, evidence = 'CALL', evidence_id = x.call_id::text
      FROM (SELECT DISTINCT ON (d.id) d.id, e.at, e.actor_id, e.call_id FROM step_dues d
              JOIN case_events e ON e.case_id = d.case_id AND e.kind = 'outcome' AND e.data->>'rpc' = 'true'
                                AND e.at >= d.starts_at AND e.at <= :now
             WHERE {_WAITS} AND d.kind = 'CALL' ORDER BY d.id, e.at, e.id) x
     WHERE x.id = d.id RETURNING d.task_id
    """,
    f"""
    -- steps_sent: the first contact of the step's channel in the ledger
    UPDATE step_dues d SET state = {_STATE}, {_DONE}, evidence = 'CONTACT', evidence_id = x.contact::text
      FROM (SELECT DISTINCT ON (d.id) d.id, l.at, l.id AS contact FROM step_dues d
              JOIN contact_ledger l ON l.person_id = d.person_id AND l.direction = 'outbound' AND l.state = 'COMMITTED'
                                   AND l.at >= d.starts_at AND l.at <= :now
                                   AND l.channel = CASE d.kind WHEN 'ROBOT_CALL' THEN 'robot' ELSE lower(d.kind) END
             WHERE {_WAITS} AND d.kind IN ('SMS', 'ROBOT_CALL', 'EMAIL', 'LETTER', 'VISIT') ORDER BY d.id, l.at, l.id) x
     WHERE x.id = d.id RETURNING d.task_id
    """,
    f"""
    -- steps_worked: tasks that a person closed as done
    UPDATE step_dues d SET state = {_STATE}, {_DONE}, done_by = x.closed_by, evidence = 'TASK', evidence_id = x.id::text,
                           owner_id = coalesce(x.closed_by, d.owner_id)
      FROM (SELECT id, closed_at AS at, closed_by FROM tasks WHERE state = 'DONE') x
     WHERE x.id = d.task_id AND {_WAITS} RETURNING d.task_id
    """,
)
_STANDS = "h.case_id = c.id AND h.lifted_at IS NULL AND h.valid_from <= CAST(:day AS date)"
_STANDS += " AND (h.valid_to IS NULL OR h.valid_to >= CAST(:day AS date))"
_STOPPED_AS = "CASE d.kind WHEN 'ROBOT_CALL' THEN 'robot' WHEN 'LEGAL_STEP' THEN 'legal' ELSE lower(d.kind) END"
_SKIP = f"""
    -- steps_groundless: open steps whose case is cured, over, elsewhere, promised, held, at another stage; cancelled tasks
    UPDATE step_dues d SET state = CASE d.state WHEN 'OPEN' THEN 'SKIPPED' ELSE d.state END, reason = x.reason, detail = x.detail,
                           skipped_on = CASE d.state WHEN 'OPEN' THEN least(:day, d.deadline) ELSE :day END
      FROM (SELECT d.id, CASE WHEN c.state = ANY (:over) THEN 'CLOSED'
                              WHEN c.state = 'CURED' THEN 'CURED'
                              WHEN c.state = ANY (:elsewhere) THEN 'ELSEWHERE'
                              WHEN EXISTS (SELECT FROM promises p WHERE p.case_id = c.id
                                              AND p.state IN ('OPEN', 'PARTIAL')) THEN 'PROMISE_OPEN'
                              WHEN t.state = 'CANCELLED' AND t.closed_by IS NOT NULL THEN 'TASK_CANCELLED'
                              WHEN EXISTS (SELECT FROM holds h WHERE {_STANDS} AND h.stops @> to_jsonb({_STOPPED_AS})) THEN 'HOLD'
                              WHEN c.state = 'ON_HOLD' AND d.kind = ANY (:channels)
                                   AND NOT EXISTS (SELECT FROM holds h WHERE {_STANDS}) THEN 'HOLD'
                              WHEN c.stage <> d.stage THEN 'STAGE_CHANGED'
                              WHEN t.state = 'CANCELLED' THEN 'TAKEN_BACK' END AS reason,
                   coalesce(CASE WHEN t.state = 'CANCELLED' THEN t.note END, '') AS detail
              FROM step_dues d JOIN cases c ON c.id = d.case_id LEFT JOIN tasks t ON t.id = d.task_id
             WHERE {_WAITS}) x
     WHERE x.id = d.id AND x.reason IS NOT NULL RETURNING d.task_id
"""


async def run(
    s: AsyncSession, day: date, *, now: datetime, settings: Settings, zone: ZoneInfo, is_working: Callable[[date], bool],
    of: Persons = EVERYBODY,
) -> dict[str, int]:  # fmt: skip
    """Counts: done, skipped, late, due (new ones), and of these skipped at once, with a task. `of`: persons from one to
    another."""
    await holds.end_those_over(s, day, at=now, of=of)
    counts = await settle(s, day, now=now, zone=zone, of=of)
    counts |= {"due": 0, "skipped_at_once": 0, "tasks": 0}
    live = await service.live(s, day)
    if some := await reading.near(s, zone, _windows(live, day), of=of):
        async for part in reading.read(s, zone, day, of=of, only=some):
            new = await _make(s, part, live, day, now=now, settings=settings, zone=zone, is_working=is_working)
            counts = {name: n + new.get(name, 0) for name, n in counts.items()}
    counts["tasks"] += await _late_calls(s, day, now, of)
    return counts


async def settle(
    s: AsyncSession, day: date, *, now: datetime, zone: ZoneInfo, of: Persons = EVERYBODY
) -> dict[str, int]:  # fmt: skip
    """What became of the open steps by now; may be run at any hour. What ended within its deadline and is found the night
    after has ended in time."""
    whose = {"low": of[0], "high": of[1]}
    asked = {"zone": str(zone), "now": now, **whose}
    done = 0
    for statement in _EVIDENCE:
        ended = (await s.execute(text(statement), asked)).scalars().all()
        done += len(ended)
        await _close_tasks(s, ended, "DONE", now)
    skip = whose | {
        "day": day,
        "over": sorted(rules.OVER),
        "elsewhere": sorted(rules.ELSEWHERE),
        "channels": sorted(CHANNEL),
    }
    gone = (await s.execute(text(_SKIP), skip)).scalars().all()
    await _close_tasks(s, gone, "CANCELLED", now)
    return {"done": done, "skipped": len(gone), "late": await _late(s, day, of)}


async def _close_tasks(s: AsyncSession, ids: Iterable[UUID | None], state: str, at: datetime) -> None:
    """Of steps that have ended otherwise than by their task."""
    if some := [one for one in ids if one is not None]:
        change = update(Task).where(Task.id == func.any(some), Task.state == "OPEN")
        await s.execute(change.values(state=state, closed_at=at, result="DONE" if state == "DONE" else ""))


async def _late(s: AsyncSession, day: date, of: Persons) -> int:
    late = update(StepDue).where(StepDue.state == "OPEN", StepDue.deadline < day, StepDue.person_id.between(*of))
    return len((await s.execute(late.values(state="LATE").returning(StepDue.id))).all())


async def _late_calls(s: AsyncSession, day: date, now: datetime, of: Persons) -> int:
    """A call step that is late by the queue becomes a task for a person; how many did."""
    waits = (StepDue.state == "LATE", StepDue.kind == "CALL", StepDue.task_id.is_(None), StepDue.person_id.between(*of))
    still = (StepDue.done_on.is_(None), StepDue.skipped_on.is_(None))
    query = select(StepDue, StrategyVersion).join(StrategyVersion, StrategyVersion.id == StepDue.version_id)
    late = (await s.execute(query.where(*waits, *still))).all()
    await _raise(s, [(_values(due, day), _step(due, row)) for due, row in late], now)
    return len(late)


def _step(due: StepDue, row: StrategyVersion) -> rules.Step:
    return next(one for one in rules.read(row.strategy, row.content).steps if one.key == due.step)


def _values(due: StepDue, day: date) -> dict[str, Any]:
    return {
        "id": due.id,
        "case_id": due.case_id,
        "kind": due.kind,
        "deadline": day,
        "unit": due.unit,
        "due_date": due.due_date,
    }


# --- what falls due ------------------------------------------------------------------------------------------------

Row = tuple[CaseFacts, StrategyVersion, Version, Due, date]


def _first(row: StrategyVersion, day: date) -> date:
    """Steps of earlier days are not made up for."""
    return max(day - timedelta(days=CATCH_UP), row.live_from or day)


def _windows(live: list[tuple[StrategyVersion, Version]], day: date) -> list[reading.Window]:
    """`rules.due`, turned round: when a case must have come to its stage for each step to fall due."""
    return [
        reading.Window(
            row.id, step.key, step.stage, _first(row, day) - timedelta(days=step.day), day - timedelta(days=step.day)
        )
        for row, version in live for step in version.steps
    ]  # fmt: skip


async def _make(
    s: AsyncSession, part: list[CaseFacts], live: list[tuple[StrategyVersion, Version]], day: date, *, now: datetime,
    settings: Settings, zone: ZoneInfo, is_working: Callable[[date], bool],
) -> dict[str, int]:  # fmt: skip
    rows = [
        (one, row, version, due, rules.deadline(due.due_date, due.step.within, is_working))
        for one in part
        for row, version in _governing(live, one)
        for due in rules.due(version, one.facts, _first(row, day), day)
    ]  # fmt: skip
    rows = await _new_alone(s, rows)
    rows = await _lawful(s, rows, max(now, day_begins(day, zone)), settings, zone)
    if not rows:
        return {}
    units = await tasks.rules(s)
    values = []
    for one, row, version, due, last in rows:
        rule = rule_for(units, due.kind, day)
        unit = due.step.unit or (CALLERS if due.kind == "CALL" else rule.unit if rule else "")
        values.append({
            "id": new_key(), "case_id": one.case_id, "person_id": one.person_id, "version_id": row.id, "step": due.step.key,
            "arm": rules.arm_of(version, one.facts.number), "stage": one.facts.stage, "since": one.facts.stage_since,
            "kind": due.kind, "fallback_of": due.fallback_of, "due_date": due.due_date,
                "starts_at": day_begins(due.due_date, zone),
            "deadline": last, "unit": unit, "owner_id": one.owner_id if due.kind == "CALL" else None, "reason": due.reason,
            "state": "SKIPPED" if due.reason else "OPEN", "detail": due.detail,
            "skipped_on": min(day, last) if due.reason else None,  # a night that was left out skips it in time
            "created_at": now,
        })  # fmt: skip
    made = insert(_DUES).on_conflict_do_nothing(index_elements=["case_id", "version_id", "step", "since"])
    new = set(await s.scalars(made.returning(_DUES.c.id), values))
    open_ones = [
        (value, due.step) for value, (_, _, _, due, _) in zip(values, rows, strict=True)
        if value["id"] in new and value["state"] == "OPEN" and due.kind != "CALL"
    ]  # fmt: skip
    await _raise(s, open_ones, now)
    skipped = sum(value["id"] in new and value["state"] == "SKIPPED" for value in values)
    return {"due": len(new), "skipped_at_once": skipped, "tasks": len(open_ones)}


def _governing(live: list[tuple[StrategyVersion, Version]], one: CaseFacts) -> list[tuple[StrategyVersion, Version]]:
    """The first that the case is in the scope of."""
    return [(row, version) for row, version in live if rules.governs(version, one.facts)][:1]


async def _new_alone(s: AsyncSession, rows: list[Row]) -> list[Row]:
    """Without those that an earlier run has made: the law is not asked again about them."""
    if not rows:
        return []
    t = StepDue
    known = select(t.case_id, t.version_id, t.step, t.since).where(t.case_id.in_({one.case_id for one, *_ in rows}))
    there = {tuple(found) for found in (await s.execute(known)).all()}
    return [r for r in rows if (r[0].case_id, r[1].id, r[3].step.key, r[0].facts.stage_since) not in there]


async def _lawful(
    s: AsyncSession, rows: list[Row], at: datetime, settings: Settings, zone: ZoneInfo
) -> list[Row]:  # fmt: skip
    """Steps by a channel, and what would take their place, are judged once more with the evaluator's answers."""
    asked: dict[tuple[UUID, str], tuple[CaseFacts, str, date]] = {}
    for one, _, _, due, last in rows:
        for kind in {due.kind, due.step.fallback} if not due.reason else set():
            if channel := CHANNEL.get(kind):
                asked[one.case_id, channel] = (one, channel, last)
    refused = await lawful.refusals(s, list(asked.values()), at, settings, zone)
    by_case: dict[UUID, dict[str, str]] = {}
    for (case_id, channel), rule in refused.items():
        by_case.setdefault(case_id, {})[channel] = rule
    return [
        (one, row, version, rules.judged(due.step, due.due_date, replace(one.facts, refused=by_case[one.case_id])), last)
        if one.case_id in by_case and not due.reason else (one, row, version, due, last)
        for one, row, version, due, last in rows
    ]  # fmt: skip


async def _raise(s: AsyncSession, steps: list[tuple[dict[str, Any], rules.Step]], now: datetime) -> None:
    """Steps of channels that have no machine yet become tasks on the list of their unit."""
    if not steps:
        return
    values: list[dict[str, Any]] = [
        {"id": new_key(), "case_id": v["case_id"], "kind": v["kind"], "state": "OPEN", "control_date": v["deadline"],
         "owner_id": None, "unit": v["unit"], "dedupe_key": f"step:{v['id']}", "created_at": now,
         "escalate_days": step.escalate_days, "data": {"step": str(v["id"]), "note": step.note, "due": str(v["due_date"])}}
        for v, step in steps
    ]  # fmt: skip
    await s.execute(insert(_TASKS), values)
    joined = update(StepDue).where(StepDue.id == func.cast(Task.data["step"].astext, StepDue.id.type))
    fresh = Task.id == func.any([value["id"] for value in values])
    await s.execute(joined.where(fresh).values(task_id=Task.id))
