"""What is assumed while a source of contacts made elsewhere is late (pure, FL-09).

A gateway that has not reported may have written to the person meanwhile. A dated rule row of kind `late_source` says how
many contacts a day are assumed of it, or that nobody is contacted until it is heard of again.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from backoffice_core.compliance import counting
from backoffice_core.compliance.terms import MESSAGES, Entry, Reason, ReasonCode, Rule

RECHECK = timedelta(minutes=15)
"""Nobody knows when a late source reports: what is refused because of it may be asked again so much later."""


@dataclass(frozen=True, slots=True)
class LateSource:
    """`since`: up to when its contacts are known (business time)."""

    name: str
    channel: str
    actor: str
    since: datetime


def rows_of(rows: Iterable[Rule], source: LateSource) -> list[Rule]:
    """The rows that name the source; those for all (`*`) only when none does."""
    listed = list(rows)
    own = [row for row in listed if row.params["source"] == source.name]
    return own or [row for row in listed if row.params["source"] == "*"]


def assumed(rows: Iterable[Rule], late: Iterable[LateSource], at: datetime, zone: ZoneInfo, days: int) -> list[Entry]:
    """Entries as if each late source had reached the person `assume_per_day` times on each local day since it was heard
    of, at most `days` days back."""
    listed, found = list(rows), list[Entry]()
    for source in late:
        most = max((int(row.params.get("assume_per_day", 0)) for row in rows_of(listed, source)), default=0)
        day = max(source.since, at - timedelta(days=days)).astimezone(zone).date()
        while most and day <= at.astimezone(zone).date():
            moment = min(at, max(source.since, counting.start_of_day(day, zone)))
            reached = (
                {"delivered": True} if source.channel in MESSAGES else {"conversation": True, "minutes": Decimal(0)}
            )
            entry = Entry(at=counting.utc(moment), channel=source.channel, actor=source.actor, purpose=None, **reached)
            found += [entry] * most
            day += timedelta(days=1)
    return found


def closed(rows: Iterable[Rule], late: Iterable[LateSource], recheck: datetime) -> list[tuple[Rule, Reason]]:
    """Refusals by the rows that fail closed."""
    listed = list(rows)
    return [
        (row, Reason(ReasonCode.CAP_REACHED, row.id, {"late_source": source.name}, recheck))
        for source in late
        for row in rows_of(listed, source)
        if row.params.get("fail_closed")
    ]
