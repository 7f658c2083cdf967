"""Champion against challenger, like for like (DM-08): cases opened between two days under a strategy with arms.

Which arm a case has follows from its number alone, and whether it counts from what it was when it opened: the version in
force that day, its stage and segment then. What was done with it later cannot move it from one group to another, and a
case that paid before its arm's first step counts as well as one that did not.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Subquery, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.reports import costs, standing
from backoffice_core.reports.compare import Interval, Means, Pair, difference, means, verdict, wilson
from backoffice_core.reports.question import Question
from backoffice_core.reports.tables import Column, Family, Figure, Rate, grouped, sql
from backoffice_core.strategy import rules
from backoffice_core.strategy.models import StrategyVersion
from backoffice_core.strategy.rules import Facts, Version

_OPENED = text(
    """
    -- report_opened: cases opened between two days as they were then; of the loan most late, as the bank's list said it
    SELECT c.id, c.number, CAST(c.opened_at AT TIME ZONE CAST(:zone AS text) AS date) AS opened_on,
           coalesce(CAST(m.after AS int), c.stage) AS stage, coalesce(m.days_past_due, l.days_past_due, 0) AS days_past_due,
           coalesce(l.overdue, 0) AS overdue, coalesce(l.currency, '') AS currency, coalesce(l.product, '') AS product,
           coalesce(l.branch, '') AS branch, p.language
      FROM cases c JOIN persons p ON p.id = c.person_id
      LEFT JOIN LATERAL (SELECT after, days_past_due FROM stage_moves WHERE case_id = c.id AND kind = 'stage'
                          ORDER BY as_at, id LIMIT 1) m ON true
      LEFT JOIN LATERAL (
          SELECT l.currency, coalesce(o.product, l.product) AS product, coalesce(o.branch, l.branch) AS branch, b.days_past_due,
                 sum(b.overdue_principal + b.overdue_interest + b.overdue_penalty + b.overdue_fee)
                     OVER (PARTITION BY l.currency) AS overdue
            FROM loans l
            JOIN LATERAL (SELECT * FROM loan_balances b WHERE b.loan_id = l.id AND b.as_at <= c.opened_at
                           ORDER BY b.as_at DESC, b.id DESC LIMIT 1) b ON true
            LEFT JOIN LATERAL (SELECT product, branch FROM loan_places o WHERE o.loan_id = l.id AND o.till > c.opened_at
                                ORDER BY o.till, o.id LIMIT 1) o ON true
           WHERE l.person_id = c.person_id ORDER BY b.days_past_due DESC, l.contract_no LIMIT 1) l ON true
     WHERE c.opened_at >= CAST(:begins AS timestamptz) AND c.opened_at < CAST(:until AS timestamptz)
    """
)
_ROWS = ("id", "person_id", "case_id", "currency", "portfolio", "branch", "product", "owner", "strategy", "arm", "stage",
         "segment", "opened_on", "rpc", "promised", "kept", "cured", "paid", "cost", "paid_squared")  # fmt: skip
_SQL = f"""
    -- report_arms: the cases of each arm, and what came of them before the end of the day
    SELECT x.*, x.paid * x.paid AS paid_squared FROM (
    SELECT c.id, c.person_id, c.id AS case_id, a.currency, coalesce(d.portfolio, '') AS portfolio, a.branch, a.product,
           {standing.owner()}, a.strategy, a.arm, a.stage, a.segment, a.opened_on,
           coalesce(e.rpc, false) AS rpc, coalesce(pr.promised, false) AS promised, coalesce(pr.kept, false) AS kept,
           coalesce(e.cured, false) AS cured, coalesce(pay.paid, 0.00) AS paid, coalesce(sp.cost, 0.00) AS cost
      FROM unnest(CAST(:ids AS uuid[]), CAST(:strategies AS text[]), CAST(:arms AS text[]), CAST(:stages AS text[]),
                  CAST(:segments AS text[]), CAST(:days AS date[]), CAST(:currencies AS text[]), CAST(:branches AS text[]),
                  CAST(:products AS text[])) AS a(id, strategy, arm, stage, segment, opened_on, currency, branch, product)
      JOIN cases c ON c.id = a.id {standing.handed()}
      LEFT JOIN LATERAL (SELECT l.portfolio FROM loans l WHERE l.person_id = c.person_id ORDER BY l.contract_no LIMIT 1) d ON true
      LEFT JOIN LATERAL (SELECT bool_or(e.kind = 'outcome' AND e.data->>'rpc' = 'true') AS rpc,
                                bool_or(e.kind = 'state' AND e.data->>'to' IN ('CURED', 'PAID_OFF')) AS cured
                           FROM case_events e WHERE e.case_id = c.id AND e.at < CAST(:until AS timestamptz)) e ON true
      LEFT JOIN LATERAL (SELECT true AS promised, bool_or(({standing.PROMISE_STATE}) = 'KEPT') AS kept FROM promises p
                          WHERE p.case_id = c.id AND p.made_at < CAST(:until AS timestamptz) HAVING count(*) > 0) pr ON true
      LEFT JOIN LATERAL (SELECT sum(CASE y.kind WHEN 'REVERSAL' THEN -y.amount ELSE y.amount END) AS paid
                           FROM loans l JOIN payments y ON y.loan_id = l.id WHERE l.person_id = c.person_id
                            AND y.currency = a.currency AND y.paid_at >= c.opened_at
                            AND y.paid_at < CAST(:until AS timestamptz)) pay ON true
      LEFT JOIN ({costs.SPENT}) sp ON sp.case_id = c.id) x
"""  # noqa: S608
SHARES = ("rpc", "promised", "kept", "cured")
BY = ("strategy", "arm", "stage", "segment")


async def _base(s: AsyncSession, q: Question) -> Subquery:
    given = {"begins": q.begins, "until": q.until, "zone": str(q.zone)}
    live = await _in_force(s)
    found: dict[str, list[Any]] = {name: [] for name in (
        "ids", "strategies", "arms", "stages", "segments", "days", "currencies", "branches", "products",
    )}  # fmt: skip
    for row in (await s.execute(_OPENED, given)).all() if live else ():
        facts = Facts(
            number=row.number, stage=row.stage, stage_since=row.opened_on, state="ACTIVE", days_past_due=row.days_past_due,
            overdue=row.overdue, currency=row.currency, product=row.product, branch=row.branch, language=row.language,
        )  # fmt: skip
        version = _governing(live, facts, row.opened_on)
        if version is None or not version.arms:
            continue
        values = (row.id, version.strategy, rules.arm_of(version, row.number), str(row.stage), segment_of(version, facts),
                  row.opened_on, row.currency, row.branch, row.product)  # fmt: skip
        for name, value in zip(found, values, strict=True):
            found[name].append(value)
    return sql(_SQL, _ROWS, given | found)


Live = list[tuple[StrategyVersion, Version]]


async def _in_force(s: AsyncSession) -> Live:
    """Every version that ever was in force, by its strategy's code, the newest first."""
    t = StrategyVersion
    query = select(t).where(t.state == "APPROVED", t.live_from.is_not(None)).order_by(t.strategy, t.version.desc())
    return [(one, rules.read(one.strategy, one.content)) for one in await s.scalars(query)]


def _governing(live: Live, facts: Facts, day: date) -> Version | None:
    """As strategy/night.py decides: of each strategy the newest version in force, the first whose scope has the case."""
    seen: set[str] = set()
    for row, version in live:
        holds = row.live_from is not None and row.live_from <= day and (row.live_to is None or row.live_to >= day)
        if not holds or row.strategy in seen:
            continue
        seen.add(row.strategy)
        if rules.governs(version, facts):
            return version
    return None


def segment_of(version: Version, facts: Facts) -> str:
    """The first segment, by name, that the case is in; "" = none."""
    return next((name for name, one in sorted(version.segments.items()) if rules.matches(one, facts)), "")


FAMILY = Family(
    name="arms", base=_base, cuts=("arm", "stage", "segment", "strategy", "branch", "product"),
    figures=(
        Figure("cases"), *(Figure(name, name) for name in SHARES), Figure("paid", sum="paid"),
        Figure("cost", "cost > 0", "cost"),
        Figure("paid_squared", sum="paid_squared"),
    ),
    rates=(*(Rate(f"{name}_rate", name, ("cases",)) for name in SHARES), Rate("cost_rate", "cost", ("paid",))),
    columns=(
        Column("strategy"), Column("arm"), Column("stage", "stage"), Column("segment"), Column("opened_on", "date"),
        *(Column(name, "flag") for name in SHARES), Column("paid", "money"), Column("cost", "money"), Column("branch"),
        Column("product"),
    ),
    order=("opened_on", "id"), chart=SHARES,
    hidden=("paid_squared",),
)  # fmt: skip


# --- like for like -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One arm: `n` cases, `k` with the result (or the sum of money), `value` the share (or the mean)."""

    arm: str
    n: int
    k: Any
    value: float
    interval: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`stage` None = all strata together. `interval`: `other` less `first`, a share of 1 or a sum of money."""

    strategy: str
    stage: str | None
    segment: str
    measure: str  # SHARES, paid
    currency: str
    first: Side
    other: Side
    interval: Interval | None
    verdict: str


async def compared(s: AsyncSession, q: Question, rows: Subquery | None = None) -> list[Comparison]:
    """Each further arm against the first (the one with the largest share of the newest version): each stratum, and all
    strata together, for each measure. `rows`: the report's base, when the caller has it already."""
    found = await grouped(s, FAMILY, q, rows if rows is not None else await _base(s, q), BY)
    champions: dict[str, str] = {}
    for row, version in await _in_force(s):
        if version.arms:
            champions.setdefault(row.strategy, max(version.arms, key=lambda arm: arm.share).code)
    groups: dict[tuple[str, str], dict[tuple[str, str], dict[str, dict[str, Any]]]] = {}
    for (strategy, arm, stage, segment, currency), values in found:
        strata = groups.setdefault((strategy, currency), defaultdict(dict))
        strata[stage, segment][arm] = values
    made: list[Comparison] = []
    for (strategy, currency), strata in sorted(groups.items()):
        first = champions.get(strategy, "")
        for other in sorted({arm for one in strata.values() for arm in one} - {first}):
            pairs = [
                (stage, segment, one.get(first, {}), one.get(other, {}))
                for (stage, segment), one in sorted(strata.items())
            ]
            for place in (None, *(range(len(pairs)) if len(pairs) > 1 else ())):
                part = pairs if place is None else [pairs[place]]
                made += [
                    _one(strategy, currency, name, first, other, part, place is None) for name in (*SHARES, "paid")
                ]
    return made


Stratum = tuple[str, str, dict[str, Any], dict[str, Any]]


def _one(
    strategy: str, currency: str, measure: str, first: str, other: str, strata: Sequence[Stratum], whole: bool
) -> Comparison:  # fmt: skip
    sides = [[one[2] for one in strata], [one[3] for one in strata]]
    nought = Decimal(0) if measure == "paid" else 0
    n0, n1 = (sum(one.get("cases", 0) for one in side) for side in sides)
    k0, k1 = (sum((one.get(measure, 0) for one in side), nought) for side in sides)
    hits: int | None = None
    if measure == "paid":
        interval = means([Means(*_sums(one[2]), *_sums(one[3])) for one in strata])
    else:
        interval = difference([Pair(*_counts(one[2], measure), *_counts(one[3], measure)) for one in strata])
        hits = int(k0 + k1)
    return Comparison(
        strategy=strategy, stage=None if whole else strata[0][0], segment="" if whole else strata[0][1], measure=measure,
        currency=currency, first=_side(first, n0, k0, measure), other=_side(other, n1, k1, measure), interval=interval,
        verdict=verdict(interval, n0, n1, hits),
    )  # fmt: skip


def _counts(values: dict[str, Any], measure: str) -> tuple[int, int]:
    return values.get("cases", 0), values.get(measure, 0)


def _sums(values: dict[str, Any]) -> tuple[int, float, float]:
    return values.get("cases", 0), float(values.get("paid", 0)), float(values.get("paid_squared", 0))


def _side(arm: str, n: int, k: Any, measure: str) -> Side:
    share = measure != "paid"
    return Side(arm=arm, n=n, k=k, value=float(k) / n if n else 0.0, interval=wilson(k, n) if share and n else None)
