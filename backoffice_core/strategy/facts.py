"""What a strategy needs to know of cases: read for many at once, a part of the portfolio at a time."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.rules import UNUSABLE
from backoffice_core.strategy.rules import Facts

IN_ONE_GO = 5_000
Persons = tuple[UUID, UUID]  # from one to another, both included
EVERYBODY: Persons = (UUID(int=0), UUID(int=2**128 - 1))

_READ = text(
    """
    -- strategy_facts: the next cases by number that are not closed, with what segments and obstacles ask
    SELECT c.id, c.person_id, c.owner_id, c.number, c.stage, c.state, p.language,
           (greatest(st.at, c.opened_at) AT TIME ZONE :zone)::date AS stage_since,
           coalesce(l.days_past_due, 0) AS days_past_due, coalesce(l.overdue, 0) AS overdue, coalesce(l.currency, '') AS currency,
           coalesce(w.product, '') AS product, coalesce(w.branch, '') AS branch,
           coalesce(pr.broken, 0) AS broken, coalesce(pr.open, false) AS promise_open,
           EXISTS (SELECT FROM contact_points cp WHERE cp.person_id = c.person_id AND cp.kind = 'phone'
                      AND cp.state <> ALL (:unusable) AND cp.owner_kind IN ('self', 'unknown', 'work')
                      AND cp.number_type <> 'fax') AS has_phone,
           EXISTS (SELECT FROM case_events e WHERE e.case_id = c.id AND e.kind = 'outcome' AND e.data->>'rpc' = 'true'
                      AND e.at >= greatest(st.at, c.opened_at)) AS contact,
           ARRAY(SELECT DISTINCT jsonb_array_elements_text(h.stops) FROM holds h WHERE h.case_id = c.id AND h.lifted_at IS NULL
                    AND h.valid_from <= CAST(:day AS date)
                    AND (h.valid_to IS NULL OR h.valid_to >= CAST(:day AS date))) AS held
      FROM cases c
      JOIN persons p ON p.id = c.person_id
      LEFT JOIN LATERAL (SELECT max(e.at) AS at FROM case_events e WHERE e.case_id = c.id AND e.kind = 'stage') st ON true
      LEFT JOIN LATERAL (
          SELECT currency, max(days_past_due) AS days_past_due,
                 sum(overdue_principal + overdue_interest + overdue_penalty + overdue_fee) AS overdue
            FROM loans WHERE person_id = c.person_id GROUP BY currency ORDER BY 2 DESC, 3 DESC, 1 LIMIT 1) l ON true
      LEFT JOIN LATERAL (
          SELECT product, branch FROM loans WHERE person_id = c.person_id
           ORDER BY days_past_due DESC, contract_no LIMIT 1) w ON true
      LEFT JOIN LATERAL (
          SELECT count(*) FILTER (WHERE state = 'BROKEN') AS broken, bool_or(state IN ('OPEN', 'PARTIAL')) AS open
            FROM promises WHERE case_id = c.id) pr ON true
     WHERE c.closed_at IS NULL AND c.number > :after AND c.person_id BETWEEN :low AND :high
       AND (cast(:only AS bigint[]) IS NULL OR c.number = ANY (:only))
     ORDER BY c.number
     LIMIT :many
    """
)


@dataclass(frozen=True, slots=True)
class CaseFacts:
    case_id: UUID
    person_id: UUID
    owner_id: UUID | None
    facts: Facts


_NEAR = text(
    """
    -- strategy_near: by number, open cases of a stage on a day of which one of these steps falls due that is not made yet
    WITH mine AS MATERIALIZED (
      SELECT c.id, c.number, c.stage,
             (greatest((SELECT max(e.at) FROM case_events e WHERE e.case_id = c.id AND e.kind = 'stage'), c.opened_at)
              AT TIME ZONE :zone)::date AS since
        FROM cases c WHERE c.closed_at IS NULL AND c.person_id BETWEEN :low AND :high AND c.stage = ANY (:stages))
    SELECT DISTINCT m.number FROM mine m
      JOIN unnest(CAST(:versions AS uuid[]), CAST(:steps AS text[]), CAST(:stages AS int[]), CAST(:firsts AS date[]),
                  CAST(:lasts AS date[])) AS w(version_id, step, stage, first, last)
        ON w.stage = m.stage AND m.since BETWEEN w.first AND w.last
     WHERE NOT EXISTS (SELECT FROM step_dues d WHERE d.case_id = m.id AND d.version_id = w.version_id AND d.step = w.step
                          AND d.since = m.since)
     ORDER BY m.number
    """
)


@dataclass(frozen=True, slots=True)
class Window:
    """A step falls due for cases that came to its stage from `first` through `last`."""

    version_id: UUID
    step: str
    stage: int
    first: date
    last: date


async def near(s: AsyncSession, zone: ZoneInfo, windows: Sequence[Window], *, of: Persons = EVERYBODY) -> list[int]:
    """Numbers of the cases for which one of these steps may fall due; of the others nothing else need be read. That it is
    made already is known; whether it is theirs by segment and arm is not asked."""
    if not windows:
        return []
    asked = {
        "zone": str(zone), "low": of[0], "high": of[1], "versions": [one.version_id for one in windows],
        "steps": [one.step for one in windows], "stages": [one.stage for one in windows],
        "firsts": [one.first for one in windows], "lasts": [one.last for one in windows],
    }  # fmt: skip
    return list(await s.scalars(_NEAR, asked))


async def read(
    s: AsyncSession,
    zone: ZoneInfo,
    day: date,
    *,
    only: Sequence[int] | None = None,
    many: int = IN_ONE_GO,
    of: Persons = EVERYBODY,
) -> AsyncIterator[list[CaseFacts]]:
    """All open cases in parts, by number, with the holds that stand on `day`; `only`: those with these numbers; `of`: of
    persons from one to another."""
    after = 0
    asked: dict[str, Any] = {
        "zone": str(zone), "unusable": sorted(UNUSABLE), "only": list(only) if only is not None else None, "many": many,
        "low": of[0], "high": of[1], "day": day,
    }  # fmt: skip
    while True:
        rows = (await s.execute(_READ, {**asked, "after": after})).all()
        if not rows:
            return
        yield [
            CaseFacts(
                r.id, r.person_id, r.owner_id,
                Facts(
                    number=r.number, stage=r.stage, stage_since=r.stage_since, state=r.state, days_past_due=r.days_past_due,
                    overdue=r.overdue, currency=r.currency, product=r.product, branch=r.branch, language=r.language,
                    broken=r.broken, promise_open=r.promise_open, has_phone=r.has_phone, contact=r.contact,
                    held=frozenset(r.held),
                ),
            ) for r in rows
        ]  # fmt: skip
        after = rows[-1].number


def day_begins(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)
