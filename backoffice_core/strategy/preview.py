"""Whom a version would touch before it is live: which steps each case would get, beside what governs it now."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.strategy import facts as reading
from backoffice_core.strategy import rules, service
from backoffice_core.strategy.models import StrategyVersion
from backoffice_core.strategy.rules import Facts, Version

MOST = 500  # cases listed; all are counted
Planned = tuple[str, date]  # kind, day


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    number: int
    stage: int
    arm: str
    now: tuple[Planned, ...]
    then: tuple[Planned, ...]


@dataclass(slots=True, kw_only=True)
class Preview:
    """`steps`: by key, how many cases would still get it in their present stage. `touched`: those for whom it differs."""

    day: date
    cases: int = 0
    governed: int = 0
    touched: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    before: Counter[tuple[int, str]] = field(default_factory=Counter)  # stage and kind: steps by what is live now
    after: Counter[tuple[int, str]] = field(default_factory=Counter)
    arms: Counter[str] = field(default_factory=Counter)
    listed: list[Touched] = field(default_factory=list)
    taken_before: Counter[str] = field(default_factory=Counter)  # by another strategy, whose code comes first: cases
    fitting: int = 0  # cases that the list was asked for, of which it names the first `MOST`


def planned(version: Version, facts: Facts, day: date) -> list[tuple[rules.Step, Planned]]:
    """What would still come in the case's present stage, from `day` on."""
    if not rules.governs(version, facts) or rules.stopped(facts):
        return []
    dated = (
        (step, (step.kind, facts.stage_since + timedelta(days=step.day))) for step in rules.fitting(version, facts)
    )
    return [(step, plan) for step, plan in dated if plan[1] >= day]


async def preview(
    s: AsyncSession, row: StrategyVersion, day: date, zone: ZoneInfo, *, stage: str = "", kind: str = "",
    branch: str = "",
) -> Preview:  # fmt: skip
    """As if the version were live from `day`. `stage`, `kind`, `branch` narrow the list of cases, not the figures."""
    version = rules.read(row.strategy, row.content)
    live = await service.live(s, day)
    others = [(r, v) for r, v in live if r.strategy != row.strategy]
    then_live = [v for _, v in sorted([*others, (row, version)], key=lambda one: one[0].strategy)]
    seen = Preview(day=day)
    async for part in reading.read(s, zone, day):
        for one in part:
            _add(seen, one.facts, [v for _, v in live], then_live, version, stage, kind, branch)
    return seen


def _add(
    seen: Preview, facts: Facts, live: list[Version], then_live: list[Version], version: Version, stage: str, kind: str,
    branch: str,
) -> None:  # fmt: skip
    seen.cases += 1
    governing = next((v for v in then_live if rules.governs(v, facts)), None)
    before = next((v for v in live if rules.governs(v, facts)), None)
    now = [plan for _, plan in planned(before, facts, seen.day)] if before else []
    new = planned(governing, facts, seen.day) if governing else []
    then = [plan for _, plan in new]
    if governing is version:
        seen.governed += 1
        seen.arms[rules.arm_of(version, facts.number)] += 1
        seen.steps.update(step.key for step, _ in new)
    elif governing is not None and rules.governs(version, facts):
        seen.taken_before[governing.strategy] += 1
    if governing is not version and before is governing:
        return
    seen.before.update((facts.stage, one) for one, _ in now)
    seen.after.update((facts.stage, one) for one, _ in then)
    if sorted(now) != sorted(then):
        seen.touched += 1
        fits = (not stage or str(facts.stage) == stage) and (not kind or kind in {k for k, _ in set(now) ^ set(then)})
        fits = fits and (not branch or facts.branch == branch)
        seen.fitting += fits
        if fits and len(seen.listed) < MOST:
            arm = rules.arm_of(version, facts.number)
            seen.listed.append(
                Touched(number=facts.number, stage=facts.stage, arm=arm, now=tuple(now), then=tuple(then))
            )  # fmt: skip
