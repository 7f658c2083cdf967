"""All reports by name, what their filters may be, and one way to ask them."""

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.errors import NotFound
from backoffice_core.reports import (
    acts,
    arms,
    calls,
    complaints,
    hours,
    liquidation,
    load,
    portfolio,
    promises,
    reach,
    rolls,
    steps,
    tables,
)
from backoffice_core.reports.question import Question
from backoffice_core.reports.tables import Family, Report
from backoffice_core.strategy.models import StrategyVersion

_ALL = (portfolio, rolls, liquidation, promises, arms, steps, load, calls, reach, hours, complaints, acts)
FAMILIES = {one.FAMILY.name: one.FAMILY for one in _ALL}

_CHOICES = text(
    """
    -- report_choices: what loans are or were filed under
    SELECT DISTINCT portfolio, branch, product FROM loans UNION SELECT portfolio, branch, product FROM loan_places
    """
)
_OWNERS = text(
    """
    -- report_owners: who has a case, or had one
    SELECT u.id, u.full_name FROM staff_users u WHERE u.id IN (
           SELECT owner_id FROM cases WHERE owner_id IS NOT NULL UNION SELECT from_owner FROM hand_overs
            WHERE from_owner IS NOT NULL) ORDER BY u.full_name, u.id
    """
)


def family(name: str) -> Family:
    """Raises NotFound."""
    if name not in FAMILIES:
        raise NotFound(f"There is no report {name}.", remedy=f"Known are {', '.join(FAMILIES)}.", field="report")
    return FAMILIES[name]


async def choices(s: AsyncSession) -> dict[str, dict[str, str]]:
    """Of each filter: what may be asked for, and its name."""
    rows = (await s.execute(_CHOICES)).all()
    found = {
        name: {value: value for value in sorted({row[n] for row in rows} - {""})}
        for n, name in enumerate(("portfolio", "branch", "product"))
    }
    return found | {"owner": {str(row.id): row.full_name for row in await s.execute(_OWNERS)}}


async def strategy_words(s: AsyncSession) -> dict[str, set[str]]:
    """What may be asked of strategies: their codes, versions as `strategy/number`, arms and segments of all versions."""
    found: dict[str, set[str]] = {"strategy": set(), "version": set(), "arm": set(), "segment": set()}
    t = StrategyVersion
    for code, number, content in await s.execute(select(t.strategy, t.version, t.content)):
        found["strategy"].add(code)
        found["version"].add(f"{code}/{number}")
        found["arm"] |= {str(one["code"]) for one in content.get("arms") or ()}
        found["segment"] |= set(content.get("segments") or {})
    return found


async def currencies(s: AsyncSession) -> set[str]:
    return set(await s.scalars(text("SELECT DISTINCT currency FROM loans")))


async def ask(s: AsyncSession, question: Question) -> tuple[Report, list[arms.Comparison]]:
    """Figures in the order in which people read them; of the arms also how they compare."""
    one = family(question.report)
    rows = await one.base(s, question)
    report = await tables.count(s, one, question, rows)
    found = await arms.compared(s, question, rows) if one is arms.FAMILY else []
    return Report(tables.in_order(report.lines, question.by), report.totals), found
