"""The night for a range of persons in whole statements; service.py does the same for one. Names in SQL comments.

Each statement reads the persons from :low to :high (both included) of :portfolio ("" = all), and leaves the same when it
is run again. A person belongs to the first portfolio, by name, in which he has a loan.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases.models import Case
from backoffice_core.cases.rules import CHECK_PROMISE, FOLLOW_UP, MOVES
from backoffice_core.collection import bands, plans
from backoffice_core.collection import service as one_by_one
from backoffice_core.collection.models import PaymentPlan
from backoffice_core.collection.rules import CURE_REOPENS, EVENING
from backoffice_core.db import typed_sql


def _sql(sql: str) -> TextClause:
    return typed_sql(
        sql, stage_version="int", stage_firsts="int[]", stage_codes="text[]", bucket_version="int", bucket_firsts="int[]",
        bucket_codes="text[]", cured_for="interval", evening="interval", check="text", follow_up="text", by_days="text[]",
        may_be_paid_off="text[]", may_be_cured="text[]",
    )  # fmt: skip


_OVERDUE = "l.overdue_principal + l.overdue_interest + l.overdue_penalty + l.overdue_fee"


# What is owed in one currency; currencies are never added up.
_DEBT = f"""sum({_OVERDUE}) AS overdue, sum(l.balance) AS balance, max(l.days_past_due) AS days, min(l.as_at) AS as_at,
             min(l.portfolio) AS portfolio"""


def _band(kind: str, days: str) -> str:
    """The code of the band that holds so many days: bands begin at 0 and leave no gap (bands.replace)."""
    return f"(:{kind}_codes)[width_bucket({days}, :{kind}_firsts)]"


_OPEN = _sql(
    f"""
    -- open_cases: one for each person with an overdue loan and no open case
    WITH past AS MATERIALIZED (
      SELECT l.person_id, l.days_past_due AS days, l.balance, {_OVERDUE} AS overdue FROM loans l
       WHERE l.person_id BETWEEN :low AND :high AND l.days_past_due > 0),
    late AS (
      SELECT p.person_id, max(p.days) AS days FROM past p
       WHERE p.overdue >= 1.00
         AND NOT EXISTS (SELECT FROM cases c WHERE c.person_id = p.person_id AND c.closed_at IS NULL)
         AND (CAST(:portfolio AS text) = ''
              OR (SELECT min(x.portfolio) FROM loans x WHERE x.person_id = p.person_id) = CAST(:portfolio AS text))
       GROUP BY p.person_id),
    opened AS (
      INSERT INTO cases (id, person_id, state, state_since, stage, bucket, episode, unit, hold_reason, opened_at)
      SELECT uuidv7(), person_id, 'NEW', :at, CAST({_band("stage", "days")} AS int), {_band("bucket", "days")}, 1, '', '', :at
        FROM late ORDER BY person_id RETURNING id, person_id, stage, bucket),
    told AS (
      INSERT INTO case_events (case_id, at, kind, data)
      SELECT id, :at, 'state', jsonb_build_object('from', '', 'to', 'NEW', 'reason', 'OVERDUE') FROM opened),
    staged AS (
      INSERT INTO stage_moves (case_id, kind, before, after, as_at, why, days_past_due, version, recorded_at)
      SELECT o.id, k.kind, '', CASE k.kind WHEN 'stage' THEN CAST(o.stage AS text) ELSE o.bucket END, :today, 'OPENED',
             late.days, CASE k.kind WHEN 'stage' THEN :stage_version ELSE :bucket_version END, :at
        FROM opened o JOIN late USING (person_id) CROSS JOIN (VALUES ('stage'), ('bucket')) AS k(kind))
    SELECT (SELECT count(*) FROM opened) AS opened,
           (SELECT count(*) FROM past WHERE overdue = 0 AND balance > 0) AS late_without_sum
    """  # noqa: S608
)

_MOVE = _sql(
    f"""
    -- move_cases: state, stage and bucket after what is owed
    -- grouped, not joined with its own sums: of rows written a moment ago the planner knows nothing
    WITH debts AS (
      SELECT c.id, c.state, c.stage, c.bucket, c.state_since, {_DEBT}
        FROM cases c LEFT JOIN loans l USING (person_id)
       WHERE c.closed_at IS NULL AND c.person_id BETWEEN :low AND :high GROUP BY c.id, l.currency),
    owed AS (
      SELECT d.id, d.state, d.stage, d.bucket, d.state_since,
             coalesce(max(d.days) FILTER (WHERE d.overdue >= 1.00 AND d.days > 0), 0) AS worst,
             bool_and(d.balance <= 0 AND d.overdue < 1.00) AS clear  -- NULL without loans
        FROM debts d GROUP BY d.id, d.state, d.stage, d.bucket, d.state_since
      HAVING CAST(:portfolio AS text) = '' OR min(d.portfolio) = CAST(:portfolio AS text)),
    now AS (
      SELECT o.id, o.state, o.stage, o.bucket, o.worst AS days, o.clear,
             CAST({_band("stage", "o.worst")} AS int) AS new_stage, {_band("bucket", "o.worst")} AS new_bucket,
             CASE WHEN o.state IN ('CURED', 'PAID_OFF', 'SOLD')
                  THEN EXISTS (SELECT FROM tasks t WHERE t.case_id = o.id AND t.state = 'OPEN') END AS busy,
             o.state_since < CAST(:at AS timestamptz) - CAST(:cured_for AS interval) AS long_ago
        FROM owed o),
    next AS (
      SELECT n.*, CASE
               WHEN state = 'PAID_OFF' THEN CASE WHEN busy THEN 'PAID_OFF' ELSE 'CLOSED' END
               WHEN state = 'SOLD' THEN CASE WHEN clear AND NOT busy THEN 'CLOSED' ELSE 'SOLD' END
               WHEN clear AND state = ANY(:may_be_paid_off) THEN 'PAID_OFF'
               WHEN state = 'CURED' THEN CASE WHEN days > 0 THEN 'ACTIVE'
                    WHEN long_ago AND NOT busy THEN 'CLOSED' ELSE 'CURED' END
               WHEN clear IS NOT NULL AND days = 0 AND state = ANY(:may_be_cured) THEN 'CURED'
               WHEN state = 'NEW' THEN 'ACTIVE'
               ELSE state END AS new_state
        FROM now n),
    due AS (
      SELECT *, (state = ANY(:by_days) OR new_state = ANY(:by_days)) AND new_stage <> stage AS moves_stage FROM next
       WHERE new_state <> state OR new_bucket <> bucket
          OR ((state = ANY(:by_days) OR new_state = ANY(:by_days)) AND new_stage <> stage)),
    written AS (
      UPDATE cases c SET state = d.new_state, bucket = d.new_bucket,
             stage = CASE WHEN d.moves_stage THEN d.new_stage ELSE c.stage END,
             state_since = CASE WHEN d.new_state <> d.state THEN CAST(:at AS timestamptz) ELSE c.state_since END,
             hold_reason = CASE WHEN d.new_state <> d.state THEN '' ELSE c.hold_reason END,
             hold_until = CASE WHEN d.new_state <> d.state THEN NULL ELSE c.hold_until END,
             closed_at = CASE WHEN d.new_state = 'CLOSED' THEN CAST(:at AS timestamptz) END,
             episode = c.episode + CASE WHEN d.state = 'CURED' AND d.new_state = 'ACTIVE' THEN 1 ELSE 0 END
        FROM due d WHERE c.id = d.id),
    told AS (
      INSERT INTO case_events (case_id, at, kind, data)
      SELECT id, :at, 'state', jsonb_build_object('from', state, 'to', new_state, 'reason', CASE
               WHEN new_state = 'PAID_OFF' THEN 'BALANCE_ZERO' WHEN new_state = 'CLOSED' THEN state
               WHEN new_state = 'CURED' THEN 'NOTHING_OVERDUE' WHEN state = 'CURED' THEN 'OVERDUE_AGAIN' ELSE 'AUTO' END)
        FROM due WHERE new_state <> state
      UNION ALL
      SELECT id, :at, 'stage', jsonb_build_object('from', stage, 'to', new_stage) FROM due WHERE moves_stage),
    staged AS (
      INSERT INTO stage_moves (case_id, kind, before, after, as_at, why, days_past_due, version, recorded_at)
      SELECT id, 'stage', CAST(stage AS text), CAST(new_stage AS text), :today, 'DAYS', days, :stage_version, :at
        FROM due WHERE moves_stage
      UNION ALL
      SELECT id, 'bucket', bucket, new_bucket, :today, 'DAYS', days, :bucket_version, :at FROM due
       WHERE new_bucket <> bucket)
    SELECT count(*) FILTER (WHERE moves_stage) AS stages_moved,
           count(*) FILTER (WHERE new_state <> state AND new_state = 'ACTIVE') AS active,
           count(*) FILTER (WHERE new_state <> state AND new_state = 'CURED') AS cured,
           count(*) FILTER (WHERE new_state <> state AND new_state = 'PAID_OFF') AS paid_off,
           count(*) FILTER (WHERE new_state <> state AND new_state = 'CLOSED') AS closed FROM due
    """  # noqa: S608
)

_JUDGE = _sql(
    f"""
    -- judge_promises: what payments and balances say of each that stands, and what follows from it for tasks and cases
    WITH debts AS (
      SELECT p.id, p.case_id, p.plan_id, p.state, p.amount, p.due_date, p.grace_days, p.tolerance_pct, p.matched,
             p.overdue_when_made, c.state AS case_state, c.owner_id, l.currency = p.currency AS promised, {_DEBT}
        FROM promises p JOIN cases c ON c.id = p.case_id JOIN loans l USING (person_id)
       WHERE p.state IN ('OPEN', 'PARTIAL') AND c.person_id BETWEEN :low AND :high GROUP BY p.id, c.id, l.currency),
    owed AS (
      SELECT d.*, min(d.portfolio) OVER his AS mine,
             coalesce(max(d.days) FILTER (WHERE d.overdue >= 1.00 AND d.days > 0) OVER his, 0) AS worst,
             CASE WHEN d.plan_id IS NULL THEN 0 ELSE coalesce((
               SELECT sum(x.amount) FROM promises x WHERE x.plan_id = d.plan_id AND x.due_date < d.due_date), 0) END AS before,
             d.plan_id IS NOT NULL AND EXISTS (
               SELECT FROM promises x WHERE x.plan_id = d.plan_id AND x.matched > 0) AS by_payments
        FROM debts d WINDOW his AS (PARTITION BY d.id)),
    seen AS (
      SELECT o.*, least(CAST(o.as_at AT TIME ZONE :zone AS date), :today) AS balance_day,
             least(CAST((o.as_at AT TIME ZONE :zone) + :evening AS date), :today) AS known_day,
             greatest(o.matched, coalesce(o.overdue_when_made - o.before - o.overdue, 0)) AS paid,
             round(o.amount - o.amount * o.tolerance_pct / 100, 2) AS needed
        FROM owed o WHERE o.promised AND (:portfolio = '' OR o.mine = :portfolio)),
    judged AS MATERIALIZED (
      SELECT id, case_id, state, case_state, owner_id, amount, due_date, worst, known_day > due_date AS missed, CASE
               WHEN paid >= needed OR (overdue < 1.00 AND (plan_id IS NULL OR overdue_when_made IS NULL
                    OR before + amount <= overdue_when_made OR (balance_day >= due_date AND NOT by_payments))) THEN 'KEPT'
               WHEN balance_day > due_date + grace_days THEN 'BROKEN'
               WHEN paid >= 1.00 OR state = 'PARTIAL' THEN 'PARTIAL' ELSE 'OPEN' END AS new_state
        FROM seen),
    written AS (
      UPDATE promises p SET state = j.new_state, state_since = :at FROM judged j
       WHERE p.id = j.id AND j.new_state <> j.state),
    served AS (
      UPDATE tasks t SET state = CASE t.kind WHEN :check THEN 'DONE' ELSE 'CANCELLED' END, closed_at = :at FROM judged j
       WHERE t.case_id = j.case_id AND t.state = 'OPEN' AND (
             (j.new_state = 'KEPT' AND t.kind = :follow_up AND t.dedupe_key = :follow_up || ':' || j.id)
             OR (j.new_state IN ('KEPT', 'BROKEN') AND t.kind = :check AND t.dedupe_key = :check || ':' || j.case_id))),
    ends AS MATERIALIZED (
      SELECT DISTINCT ON (case_id) case_id, new_state,
             CASE WHEN new_state = 'KEPT' AND worst = 0 THEN 'CURED' ELSE 'ACTIVE' END AS to_state
        FROM judged WHERE new_state IN ('KEPT', 'BROKEN') AND case_state = 'PROMISED' ORDER BY case_id, due_date, id),
    moved AS (
      UPDATE cases c SET state = e.to_state, state_since = :at, hold_reason = '', hold_until = NULL
        FROM ends e WHERE c.id = e.case_id),
    -- one task for one promise, also not a second one after the first was done (CC-14)
    raised AS (
      INSERT INTO tasks (id, case_id, kind, state, control_date, owner_id, dedupe_key, data, created_at)
      SELECT uuidv7(), case_id, :follow_up, 'OPEN', :today, owner_id, :follow_up || ':' || id,
             jsonb_build_object('promise_id', id, 'amount', CAST(amount AS text), 'due_date', due_date), :at
        FROM judged j WHERE missed AND new_state <> 'KEPT'
         AND NOT EXISTS (SELECT FROM tasks t WHERE t.case_id = j.case_id AND t.kind = :follow_up
                            AND t.dedupe_key = :follow_up || ':' || j.id)
      RETURNING case_id, data),
    told AS (
      INSERT INTO case_events (case_id, at, kind, data)
      SELECT case_id, :at, kind, data FROM (
        SELECT 1 AS n, due_date, id, case_id, 'promise' AS kind,
               jsonb_build_object('promise_id', id, 'state', new_state) AS data FROM judged WHERE new_state <> state
         UNION ALL
        SELECT 2, NULL, NULL, case_id, 'state',
               jsonb_build_object('from', 'PROMISED', 'to', to_state, 'reason', 'PROMISE_' || new_state) FROM ends
         UNION ALL
        SELECT 3, NULL, NULL, case_id, 'task', data || jsonb_build_object('task', :follow_up, 'control_date', :today)
          FROM raised) AS said ORDER BY n, due_date, id)
    SELECT count(*) FILTER (WHERE new_state = 'KEPT') AS kept, count(*) FILTER (WHERE new_state = 'BROKEN') AS broken,
           count(*) FILTER (WHERE new_state = 'PARTIAL' AND state <> 'PARTIAL') AS partial,
           (SELECT count(*) FROM raised) AS follow_ups FROM judged
    """  # noqa: S608
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Whom a statement is about, and when. `at`: business time; `zone`: the bank's, by name."""

    low: UUID
    high: UUID
    portfolio: str
    at: datetime
    today: date
    zone: str


def _given(span: Span, *names: str) -> dict[str, Any]:
    return {name: getattr(span, name) for name in names}


async def _bands(session: AsyncSession, day: date) -> dict[str, Any]:
    """Stages and buckets that hold on that day, as the statements take them."""
    given: dict[str, Any] = {}
    for kind in ("stage", "bucket"):
        held = await bands.in_force(session, kind, day)
        given |= {f"{kind}_version": held.version, f"{kind}_firsts": [band.first for band in held.bands],
                  f"{kind}_codes": [band.code for band in held.bands]}  # fmt: skip
    return given


async def open_cases(session: AsyncSession, span: Span) -> dict[str, int]:
    """`late_without_sum`: loans late by days with nothing overdue; there is nothing to ask for, so they open no case and
    are only counted."""
    given = _given(span, "low", "high", "portfolio", "at", "today") | await _bands(session, span.today)
    return dict((await session.execute(_OPEN, given)).mappings().one())


async def judge_promises(session: AsyncSession, span: Span) -> dict[str, int]:
    given = _given(span, "low", "high", "portfolio", "at", "today", "zone")
    given |= {"check": CHECK_PROMISE, "follow_up": FOLLOW_UP, "evening": EVENING}
    counts = dict((await session.execute(_JUDGE, given)).mappings().one())
    planned = select(PaymentPlan.case_id).join(Case, Case.id == PaymentPlan.case_id)
    planned = planned.where(PaymentPlan.state == "ACTIVE", Case.person_id.between(span.low, span.high))
    if with_plan := list(await session.scalars(planned)):
        counts |= {k: v for k, v in (await plans.settle(session, span.at, with_plan)).items() if v}
    return counts


async def move_cases(session: AsyncSession, span: Span) -> dict[str, int]:
    over = select(Case.person_id).where(
        Case.state == "ON_HOLD",
        Case.hold_until < span.today,
        Case.closed_at.is_(None),
        Case.person_id.between(span.low, span.high),
    )
    ended = list(await session.scalars(over))
    lifted = await one_by_one.lift_ended_holds(session, span.at, span.today, ended) if ended else 0
    await session.flush()
    given = _given(span, "low", "high", "portfolio", "at", "today") | await _bands(session, span.today)
    given |= {
        "cured_for": CURE_REOPENS, "by_days": list(one_by_one.BY_DAYS),
        "may_be_paid_off": sorted(state for state, to in MOVES.items() if "PAID_OFF" in to),
        "may_be_cured": sorted(state for state, to in MOVES.items() if "CURED" in to),
    }  # fmt: skip
    counts = dict((await session.execute(_MOVE, given)).mappings().one())
    return {"stages_moved": counts.pop("stages_moved"), "holds_lifted": lifted} | {k: v for k, v in counts.items() if v}
