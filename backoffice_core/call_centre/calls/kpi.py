"""Figures of a span of days, from the rows (formulas: domain.md 2.4). Each is a share with its denominator.

`rpc_per_attempt`: right parties / attempts; `ptp_per_rpc`: promises / right parties, both of calls about a debt alone (in a
survey nobody can promise); `kept`: kept in full by date and grace / promises due; `cure`: loans back to 0 days / loans late
at the start; `roll_<bucket>`: loans one bucket further at the end / loans in the bucket at the start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.rules import OUTCOMES
from backoffice_core.collection import bands
from backoffice_core.db import typed_sql
from backoffice_core.loans import balances


@dataclass(frozen=True, slots=True)
class Share:
    """`value` None = nothing to divide by."""

    of: int
    n: int

    @property
    def value(self) -> Decimal | None:
        return (Decimal(self.of) / self.n).quantize(Decimal("0.000001")) if self.n else None


_CALLS = typed_sql(
    """
    -- kpi_calls
    SELECT count(*) AS attempts, count(*) FILTER (WHERE outcome = ANY(:right_party)) AS right_parties,
           count(*) FILTER (WHERE EXISTS (SELECT FROM promises p WHERE p.call_id = a.id)) AS promises
      FROM call_attempts a
     WHERE direction = 'out' AND purpose = 'collection' AND business_at >= :since AND business_at < :until
    """,
    right_party="text[]",
    since="timestamptz",
    until="timestamptz",
)
_PROMISES = typed_sql(
    """
    -- kpi_promises: those whose date and grace ended within these days; a cancelled one was due to nobody
    SELECT count(*) AS due, count(*) FILTER (WHERE state = 'KEPT') AS kept FROM promises
     WHERE state IN ('KEPT', 'BROKEN') AND due_date + grace_days >= :first AND due_date + grace_days < :last
    """,
    first="date",
    last="date",
)


async def calls(session: AsyncSession, since: datetime, until: datetime) -> dict[str, Share]:
    right_party = [code for code, rule in OUTCOMES.items() if rule.rpc]
    found = (await session.execute(_CALLS, {"right_party": right_party, "since": since, "until": until})).one()
    return {
        "rpc_per_attempt": Share(found.right_parties, found.attempts),
        "ptp_per_rpc": Share(found.promises, found.right_parties),
    }


async def promises(session: AsyncSession, first: date, last: date) -> dict[str, Share]:
    """Of promises due (with grace) from `first` up to, not with, `last`; those that the night has not judged yet are left out."""
    found = (await session.execute(_PROMISES, {"first": first, "last": last})).one()
    return {"kept": Share(found.kept, found.due)}


async def rolls(session: AsyncSession, moments: Sequence[datetime], day: date) -> dict[str, Share]:
    """Cure and roll rates of loans between each two moments that follow one another, added up. Buckets: as in force on `day`."""
    buckets = await bands.in_force(session, "bucket", day)
    codes = [band.code for band in sorted(buckets.bands, key=lambda one: one.first)]
    late = cured = 0
    start, further = dict.fromkeys(codes, 0), dict.fromkeys(codes, 0)
    query = text(f"SELECT loan_id, days_past_due FROM ({balances.AS_AT}) AS standing")  # noqa: S608
    before: dict[object, int] = {}
    for n, moment in enumerate(moments):
        rows = await session.execute(query, {"until": moment, "known": None, "ids": None})
        now: dict[object, int] = {loan: days for loan, days in rows}
        for loan, days in before.items() if n else ():
            code, later = buckets.code(days), now.get(loan, 0)
            start[code] += 1
            late += days > 0
            cured += days > 0 and later == 0
            place = codes.index(code)
            further[code] += place + 1 < len(codes) and buckets.code(later) == codes[place + 1]
        before = now
    return {"cure": Share(cured, late)} | {f"roll_{code}": Share(further[code], start[code]) for code in codes[:-1]}
