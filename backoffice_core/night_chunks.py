"""The night's big steps in ranges of persons: one transaction each, so that a kill costs one range, and one portfolio after
another, so that those that are complete can be published when the time is over."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Json
from backoffice_core.loans.models import PortfolioNight

LEAST, MOST = UUID(int=0), UUID(int=2**128 - 1)


class NightChunk(Base):
    """A range of persons of one portfolio, one transaction a step: what is DONE is not done again after a kill."""

    __tablename__ = "night_chunks"
    __table_args__ = (CheckConstraint("state IN ('TODO','DONE')", name="state"),)

    business_date: Mapped[date] = mapped_column(primary_key=True)
    step: Mapped[str] = mapped_column(primary_key=True)
    portfolio: Mapped[str] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    low: Mapped[UUID]  # persons from here …
    high: Mapped[UUID]  # … to here, both included
    state: Mapped[str] = mapped_column(default="TODO")
    counts: Mapped[Json] = mapped_column(default=dict)


async def ranges(session: AsyncSession, size: int) -> list[tuple[str, UUID, UUID]]:
    """Of some `size` persons each: portfolio, first and last person. A person belongs to the first portfolio, by name, in
    which he has a loan. Where there is one portfolio the ranges leave no gap, and its name is "" = whoever lies in it."""
    found = (await session.execute(_RANGES, {"size": size})).all()
    if len({row.portfolio for row in found}) > 1:
        return [(row.portfolio, row.low, row.high) for row in found]
    return _without_gaps([row.low for row in found])


async def ranges_of_cases(session: AsyncSession, size: int) -> list[tuple[str, UUID, UUID]]:
    """The same of persons with an open case, of all portfolios together, without gaps."""
    return _without_gaps(list(await session.scalars(_OF_CASES, {"size": size})))


def _without_gaps(lows: Sequence[UUID]) -> list[tuple[str, UUID, UUID]]:
    begins = [LEAST, *(UUID(str(low)) for low in lows[1:])]
    ends = [UUID(int=one.int - 1) for one in begins[1:]] + [MOST]
    return [("", low, high) for low, high in zip(begins, ends, strict=True)]


_OF_CASES = text(
    """
    -- night_ranges_of_cases
    SELECT person_id FROM (SELECT person_id, row_number() OVER (ORDER BY person_id) AS n
                             FROM (SELECT DISTINCT person_id FROM cases WHERE closed_at IS NULL) AS whose) AS numbered
     WHERE (n - 1) % CAST(:size AS int) = 0 ORDER BY person_id
    """
)


_RANGES = text(
    """
    -- night_ranges
    SELECT portfolio, min(CAST(person_id AS text))::uuid AS low, max(CAST(person_id AS text))::uuid AS high
      FROM (SELECT person_id, portfolio, row_number() OVER (PARTITION BY portfolio ORDER BY person_id) - 1 AS n,
                   count(*) OVER (PARTITION BY portfolio) - 1 AS last
              FROM (SELECT person_id, min(portfolio) AS portfolio FROM loans GROUP BY person_id) AS whose) AS numbered
     WHERE n % CAST(:size AS int) IN (0, CAST(:size AS int) - 1) OR n = last
     GROUP BY portfolio, n / CAST(:size AS int) ORDER BY portfolio, n / CAST(:size AS int)
    """
)


async def plan(session: AsyncSession, day: date, step: str, spans: list[tuple[str, UUID, UUID]]) -> None:
    """All of a step is to be done (again)."""
    await session.execute(delete(NightChunk).where(NightChunk.business_date == day, NightChunk.step == step))
    await session.execute(
        insert(NightChunk),
        [{"business_date": day, "step": step, "portfolio": portfolio, "n": n, "low": low, "high": high}
         for n, (portfolio, low, high) in enumerate(spans, 1)],
    )  # fmt: skip


async def left(session: AsyncSession, day: date, step: str, portfolio: str) -> list[NightChunk]:
    query = select(NightChunk).where(
        NightChunk.business_date == day,
        NightChunk.step == step,
        NightChunk.portfolio == portfolio,
        NightChunk.state == "TODO",
    )
    return list(await session.scalars(query.order_by(NightChunk.n)))


async def done(session: AsyncSession, chunk: NightChunk, counts: dict[str, int]) -> None:
    key = (NightChunk.business_date == chunk.business_date, NightChunk.step == chunk.step, NightChunk.n == chunk.n)
    await session.execute(update(NightChunk).where(*key).values(state="DONE", counts=counts))


async def summed(session: AsyncSession, day: date, step: str) -> tuple[int, int, dict[str, int]]:
    """Ranges done, ranges in all, and the counts of those done together."""
    rows = list(
        await session.scalars(select(NightChunk).where(NightChunk.business_date == day, NightChunk.step == step))
    )
    counts: dict[str, int] = {}
    for row in sorted(rows, key=lambda one: one.n):
        for name, count in row.counts.items():
            counts[name] = counts.get(name, 0) + count
    return sum(row.state == "DONE" for row in rows), len(rows), counts


async def forget(session: AsyncSession, before: date) -> None:
    """What nobody resumes any more."""
    await session.execute(delete(NightChunk).where(NightChunk.business_date < before))


async def publish(session: AsyncSession, day: date, portfolio: str, state: str, at: datetime) -> None:
    row = upsert(PortfolioNight).values(portfolio=portfolio, business_date=day, state=state, at=at)
    await session.execute(
        row.on_conflict_do_update(index_elements=["portfolio", "business_date"], set_={"state": state, "at": at})
    )


async def names(session: AsyncSession, portfolio: str) -> list[str]:
    """ "" stands for the only one there is."""
    from backoffice_core.loans.models import Loan

    return (
        [portfolio]
        if portfolio
        else list(await session.scalars(select(func.min(Loan.portfolio)).group_by(Loan.portfolio)))
    )
