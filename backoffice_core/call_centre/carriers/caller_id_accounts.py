"""The account of abandoned calls of each number that we show, over all campaigns that show it (pure but for `of_today`).

Campaigns and numbers have accounts of their own by the `dialer_limit` rules (`per: [campaign, caller_id]`). A number rests
once one more abandoned call than its answers bear has happened; the first of a day is borne, as everywhere in the dialer.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.dialing import pacing_view
from backoffice_core.call_centre.dialing.pacing_view import Count, Counts
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.dialer_limits import AbandonAccount, dialer_limits


@dataclass(frozen=True, slots=True)
class Standing:
    """`abandoned` of `answers` in the window that binds most, and the share allowed, percent; `spare`: abandoned calls that it
    still bears, with the one of grace."""

    answers: int
    abandoned: int
    max_pct: Decimal
    window: str

    @property
    def spare(self) -> float:
        return float(self.max_pct) / 100 * self.answers - self.abandoned + 1

    @property
    def spent(self) -> bool:
        return self.abandoned > 0 and self.spare <= 0


def window_of(rule: AbandonAccount) -> str:
    return "day" if rule.window_days <= 1 else f"{rule.window_days}d"


def by_number(counts: Counts) -> dict[str, Count]:
    found: dict[str, Count] = {}
    for (_, number), one in counts.items():
        if number:
            found[number] = found.get(number, Count()) + one
    return found


def standings(rules: Iterable[AbandonAccount], counts: Mapping[str, Counts]) -> dict[str, Standing]:
    """By number, of those that were shown; the rule that binds most. `counts`: by window."""
    found: dict[str, Standing] = {}
    for rule in {one for one in rules if "caller_id" in one.per}:
        window = window_of(rule)
        for number, one in by_number(counts.get(window, {})).items():
            own = Standing(one.live, one.abandoned, rule.max_pct, window)
            if number not in found or own.spare < found[number].spare:
                found[number] = own
    return found


async def of_today(
    s: AsyncSession, places: Collection[str], day: date, starts: Mapping[str, datetime], wall: datetime
) -> dict[str, Standing]:
    """For people: by the rules in force in these jurisdictions; `starts`: when each window began, the machine's time."""
    limits = dialer_limits(await compliance.rulebook(s), places, day)
    rules = [one for one in (limits.abandon_accounts if limits else ()) if window_of(one) in starts]
    counts = {
        window: await pacing_view.count(s, starts[window], wall)
        for window in {window_of(one) for one in rules if "caller_id" in one.per}
    }
    return standings(rules, counts)
