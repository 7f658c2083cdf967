"""Stages and buckets as dated data: the version that holds on a day, and a new one from a day on."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.collection.models import StageBand, StageMove
from backoffice_core.collection.rules import Band, Bands
from backoffice_core.db import typed_sql
from backoffice_core.errors import BadInput, NotFound

KINDS = ("stage", "bucket", "cbr")


async def in_force(session: AsyncSession, kind: str, day: date) -> Bands:
    """Raises NotFound when the kind has no version on that day."""
    query = (
        select(StageBand)
        .where(StageBand.kind == kind, StageBand.valid_from <= day)
        .where(or_(StageBand.valid_to.is_(None), StageBand.valid_to >= day))
        .order_by(StageBand.version.desc(), StageBand.first)
    )
    rows = list(await session.scalars(query))
    if not rows:
        raise NotFound(f"No bands of kind {kind} hold on {day}.", remedy="Add a version that begins earlier.")
    mine = [row for row in rows if row.version == rows[0].version]
    return Bands(rows[0].version, tuple(Band(row.code, row.first, row.last) for row in mine))


async def replace(session: AsyncSession, kind: str, bands: Sequence[Band], *, valid_from: date, source: str) -> int:
    """A new version from that day on; the one before ends the day before. Returns its number.

    Raises BadInput for gaps, overlaps, a set that does not begin at 0 or has an end, and a day that is not after the last
    version's first.
    """
    if kind not in KINDS:
        raise BadInput(f"“{kind}” is no kind of bands.", remedy=f"Say one of {', '.join(KINDS)}.", field="kind")
    expected = 0
    for band in sorted(bands, key=lambda one: one.first):
        if band.first != expected:
            raise BadInput(
                f"The band {band.code} begins at {band.first}, not at {expected} days.", remedy="Leave no gap and no overlap.",
                field="first",
            )  # fmt: skip
        if kind == "stage" and band.code not in {"0", "1", "2", "3", "4"}:
            raise BadInput("Stages by days are 0 to 4.", remedy="Higher ones are given by what was done.", field="code")
        expected = -1 if band.last is None else band.last + 1
    if expected != -1:
        raise BadInput("The last band has an end.", remedy="Leave its last day empty.", field="last")
    newest = (await session.execute(
        select(func.max(StageBand.version), func.max(StageBand.valid_from)).where(StageBand.kind == kind)
    )).one()  # fmt: skip
    if newest[1] is not None and valid_from <= newest[1]:
        raise BadInput(f"A version begins on {newest[1]} already.", remedy="Choose a later day.", field="valid_from")
    version = (newest[0] or 0) + 1
    ends = update(StageBand).where(StageBand.kind == kind, StageBand.valid_to.is_(None))
    await session.execute(ends.values(valid_to=valid_from - timedelta(days=1)))
    session.add_all(
        StageBand(kind=kind, version=version, code=b.code, first=b.first, last=b.last, valid_from=valid_from, source=source)
        for b in bands
    )  # fmt: skip
    await session.flush()
    return version


async def give_stage(
    session: AsyncSession,
    case: Case,
    stage: int,
    *,
    why: str,
    days: int,
    version: int,
    at: datetime,
    today: date,
    by: UUID,
) -> None:
    """The stage that an act gives, with its lines in both histories; the same again leaves none."""
    if case.stage == stage:
        return
    before, case.stage = case.stage, stage
    session.add(
        StageMove(case_id=case.id, kind="stage", before=str(before), after=str(stage), as_at=today, why=why, days_past_due=days,
                  version=version, recorded_at=at)
    )  # fmt: skip
    await cases.add_event(session, case.id, "stage", at, by, data={"from": before, "to": stage})
    await session.flush()


_AS_AT = typed_sql(
    """
    -- stages_as_at: where each case stood at the end of a business date
    SELECT DISTINCT ON (case_id) case_id, after FROM stage_moves
     WHERE kind = :kind AND as_at <= :today AND (:known IS NULL OR recorded_at < :known)
     ORDER BY case_id, as_at DESC, id DESC
    """,
    kind="text",
    known="timestamptz",
)


async def as_at(session: AsyncSession, kind: str, day: date, *, known: datetime | None = None) -> dict[UUID, str]:
    """Stage or bucket (`kind`) of each case at the end of a business date: no later move changes it. `known`: leave out what
    was recorded from then on."""
    rows = await session.execute(_AS_AT, {"kind": kind, "today": day, "known": known})
    return {case_id: after for case_id, after in rows}
