"""What the calls of the last weeks say of each number: learned every night (`chances.py`), read by the order of the queue.

The night reads the attempts of `DAYS` days to borrowers with an open case, added up by number, hour and end, so that its
cost grows with numbers, not with calls. Hours are those of the borrower's day, by his zone's offset of today.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import Person
from backoffice_core.call_centre.queueing.chance_models import ChancesLearned, NumberChance
from backoffice_core.call_centre.queueing.chances import HOURS, OUTCOMES, Chances, Floats, first_beliefs
from backoffice_core.call_centre.queueing.ordering import BUCKETS, bucket_of
from backoffice_core.call_centre.rules import OUTCOMES as RESULTS_OF_TALKS
from backoffice_core.db import fetch

DAYS = 60
ENOUGH = 200  # attempts; fewer teach nothing, and the queue goes by the age of the debt alone
RANKS = 3  # places in the file that are told apart; the third stands for all after it
GROUPS = [f"{bucket}:{rank}" for bucket, rank in product(BUCKETS, range(RANKS))]
PARTS = 10_000
# first guess of seconds: of a talk with wrap-up, with the borrower or another, and of ringing
HANDLE = (180.0, 60.0, 20.0)
_RIGHT = [code for code, rule in RESULTS_OF_TALKS.items() if rule.rpc]
_THIRD, _WRONG = ["LEFT_MSG_3P", "WRONG_PERSON"], ["WRONG_NUMBER"]
_NOBODY = ["NO_CONTACT", "VOICEMAIL_LIMITED"]
_VAIN = ["NO_ANSWER", "BUSY", "REJECTED", "ANNOUNCEMENT", "ANSWERED_MACHINE"]
_HEARD = """
    -- heard_of_numbers: what became of calls, added up by number, hour and end
    WITH zones AS (SELECT * FROM unnest($2::text[], $3::int[]) AS z(name, minutes)),
    heard AS (
        SELECT a.contact_point_id AS point, a.person_id AS person,
               extract(hour FROM (a.business_at AT TIME ZONE 'UTC') + make_interval(mins => z.minutes))::int AS hour,
               CASE WHEN a.result = 'INVALID_NUMBER' THEN 4 WHEN a.outcome = ANY($4) THEN 0 WHEN a.outcome = ANY($5) THEN 1
                    WHEN a.outcome = ANY($6) THEN 2 WHEN a.outcome = ANY($7) OR a.result = ANY($8) THEN 3 END AS what,
               count(*) AS times
        FROM call_attempts a JOIN persons p ON p.id = a.person_id JOIN zones z ON z.name = p.time_zone
        WHERE a.claimed_at >= $1 AND a.direction = 'out' AND a.ended_at IS NOT NULL AND a.contact_point_id IS NOT NULL
          AND EXISTS (SELECT FROM cases c WHERE c.person_id = a.person_id AND c.closed_at IS NULL)
        GROUP BY 1, 2, 3, 4)
    SELECT h.point, h.hour, h.what, h.times, c.rank,
           coalesce((SELECT max(l.days_past_due) FROM loans l WHERE l.person_id = h.person), 0)
    FROM heard h JOIN contact_points c ON c.id = h.point WHERE h.what IS NOT NULL
"""
_HANDLE = text("""
    -- handling_times: of talks that had a result
    SELECT avg(least(extract(epoch FROM coalesce(outcome_at, ended_at) - bridged_at), 1800)) FILTER (WHERE outcome = ANY(:right)),
           avg(least(extract(epoch FROM coalesce(outcome_at, ended_at) - bridged_at), 1800))
               FILTER (WHERE outcome <> ALL(:right)),
           avg(least(extract(epoch FROM coalesce(answered_at, ended_at) - claimed_at), 120))
    FROM call_attempts WHERE claimed_at >= :since AND direction = 'out' AND ended_at IS NOT NULL
""")


@dataclass(frozen=True, slots=True)
class Learned:
    """`base`: chances of the groups, then of numbers heard of; `row_of`: which row is a number's. `tried`: calls to it."""

    right: Floats
    answered: Floats
    row_of: dict[UUID, int]
    tried: dict[UUID, int]

    def row(self, point: UUID, days_past_due: int, rank: int) -> int:
        return self.row_of.get(point, group_of(days_past_due, rank))


def group_of(days_past_due: int, rank: int) -> int:
    """`rank`: the number's place in the file, 0 = the first."""
    return BUCKETS.index(bucket_of(days_past_due)) * RANKS + min(max(rank, 0), RANKS - 1)


async def learn(s: AsyncSession, day: date, *, at: datetime, wall: datetime, zone: ZoneInfo) -> dict[str, int]:
    """The night's work. Counts of attempts and numbers; less than ENOUGH attempts leave nothing learned."""
    names = list(await s.scalars(select(Person.time_zone).distinct()))
    minutes = [_offset_minutes(name, at, zone) for name in names]
    since = wall - timedelta(days=DAYS)
    rows = await fetch(s, _HEARD, since, names, minutes, _RIGHT, _THIRD, _WRONG, _NOBODY, _VAIN)
    attempts = sum(row[3] for row in rows)
    await s.execute(delete(NumberChance))
    await s.execute(delete(ChancesLearned).where(ChancesLearned.business_date == day))
    if attempts < ENOUGH:
        return {"attempts": attempts, "numbers": 0}
    index: dict[UUID, int] = {}
    groups = list(range(len(GROUPS)))  # a number of each that nobody has called stands for its like
    heard = []
    for point, hour, what, times, rank, days in rows:
        if point not in index:
            index[point] = len(groups)
            groups.append(group_of(days, rank))
        heard.append((index[point], hour, OUTCOMES[what], times))
    chances = Chances(groups, first=first_beliefs(len(BUCKETS), RANKS))
    chances.heard_all(heard)
    chances.learn()
    right, answered = chances.right_party(), chances.answered()
    await _keep(s, index, chances.seen, right, answered)
    n = len(GROUPS)
    learned = insert(ChancesLearned).values(
        business_date=day, attempts=attempts, numbers=len(index), learned_at=at, handle={"seconds": await _handle(s, since)},
        groups={"right": right[:n].round(4).tolist(), "answered": answered[:n].round(4).tolist()},
    )  # fmt: skip
    await s.execute(learned)
    return {"attempts": attempts, "numbers": len(index)}


def _offset_minutes(name: str, at: datetime, zone: ZoneInfo) -> int:
    offset = at.astimezone(ZoneInfo(name) if name else zone).utcoffset() or timedelta()
    return int(offset.total_seconds() // 60)


def offset_hours(name: str, at: datetime, zone: ZoneInfo) -> int:
    """Hours by which a clock of zone `name` is ahead of the bank's."""
    return round((_offset_minutes(name, at, zone) - _offset_minutes("", at, zone)) / 60)


async def _keep(s: AsyncSession, index: dict[UUID, int], tried: Any, right: Floats, answered: Floats) -> None:
    parts = [np.clip(np.rint(one * PARTS), 0, PARTS).astype("<u2") for one in (right, answered)]
    connection = await s.connection()
    link: Any = (await connection.get_raw_connection()).driver_connection
    await link.copy_records_to_table(
        NumberChance.__tablename__, columns=["contact_point_id", "tried", "right_party", "answered"],
        records=((point, int(tried[n]), parts[0][n].tobytes(), parts[1][n].tobytes()) for point, n in index.items()),
    )  # fmt: skip


async def _handle(s: AsyncSession, since: datetime) -> list[float]:
    found = (await s.execute(_HANDLE, {"since": since, "right": _RIGHT})).one()
    return [round(float(value), 1) if value else guess for value, guess in zip(found, HANDLE, strict=True)]


async def last(s: AsyncSession, day: date) -> ChancesLearned | None:
    """What is known on `day`: the newest night's, when it is not older than a week."""
    query = select(ChancesLearned).where(ChancesLearned.business_date.between(day - timedelta(days=7), day))
    return (await s.scalars(query.order_by(ChancesLearned.business_date.desc()).limit(1))).first()


_OF_NUMBERS = (
    "SELECT contact_point_id, tried, right_party, answered FROM number_chances WHERE contact_point_id = ANY($1)"
)


async def of_numbers(s: AsyncSession, groups: Sequence[Floats], points: Collection[UUID]) -> Learned:
    """`groups`: chances of numbers not heard of, right party and answered."""
    rows = await fetch(s, _OF_NUMBERS, list(points))
    found = [np.frombuffer(b"".join(row[n] for row in rows), "<u2").reshape(-1, HOURS) / PARTS for n in (2, 3)]
    first = len(GROUPS)
    return Learned(
        np.concatenate([groups[0], found[0]]), np.concatenate([groups[1], found[1]]),
        {row[0]: first + n for n, row in enumerate(rows)}, {row[0]: row[1] for row in rows},
    )  # fmt: skip


async def of_number(s: AsyncSession, point: UUID) -> tuple[int, Floats, Floats] | None:
    """Calls to a number, and its chances by hour; for people."""
    row = await s.get(NumberChance, point)
    if row is None:
        return None
    right, answered = (np.frombuffer(one, "<u2") / PARTS for one in (row.right_party, row.answered))
    return row.tried, right, answered
