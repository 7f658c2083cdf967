"""Which campaign calls a case today: by what a campaign says of whom it takes, or by a list that was given to it (TL-07).

A case is in one campaign's list at a time, the most urgent one that takes it; a person has one open case, so nobody is in two
lists of one day. What no campaign takes is called by `collection`, and so is what a campaign of another purpose may not call
today: a survey keeps nobody's debt from being called.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.dialing import campaign_terms
from backoffice_core.call_centre.dialing.campaign_models import Campaign, CampaignCase
from backoffice_core.call_centre.dialing.campaign_rules import DEBT
from backoffice_core.call_centre.dialing.campaign_terms import Whom
from backoffice_core.call_centre.rules import OF_OTHERS, ROBOT_TOLD
from backoffice_core.db import fetch
from backoffice_core.errors import BadInput

REST = "collection"


@dataclass(frozen=True, slots=True)
class Owners:
    """Who takes cases, the most urgent first; the given lists of those that have one, and what loans say, by case."""

    campaigns: tuple[tuple[str, Whom], ...] = ()
    given: Mapping[UUID, Collection[str]] = field(default_factory=dict)
    loans: Mapping[UUID, tuple[Collection[str], Collection[str]]] = field(default_factory=dict)
    robots: frozenset[str] = frozenset()  # campaigns whose calls no agent speaks in
    purposes: Mapping[str, str] = field(default_factory=dict)  # by campaign, where it is not DEBT
    over: Mapping[UUID, Collection[str]] = field(
        default_factory=dict
    )  # by case: of these, those that have told or asked him

    def purpose(self, name: str) -> str:
        return self.purposes.get(name, DEBT)

    def of(self, case_id: UUID, stage: int, *, debt: bool = False, robots: bool = True) -> str:
        """`debt`: among campaigns that call about debts alone; `robots` False: among those that agents speak in."""
        for name, whom in self.campaigns:
            if (debt and name in self.purposes) or (not robots and name in self.robots):
                continue
            if name in self.over.get(case_id, ()):
                continue
            products, portfolios = self.loans.get(case_id, ((), ()))
            if whom.fits(stage, products, portfolios, name in self.given.get(case_id, ())):
                return name
        return REST


TOLD = (*sorted(OF_OTHERS), ROBOT_TOLD)
"""Results after which a survey or information calls a person no more."""
_OVER = """
    SELECT DISTINCT case_id, campaign FROM call_attempts
    WHERE case_id = ANY($1) AND campaign = ANY($2) AND outcome = ANY($3) AND direction = 'out'
"""
_LOANS = """
    SELECT c.id, array_agg(DISTINCT l.product), array_agg(DISTINCT l.portfolio) FROM cases c JOIN loans l USING (person_id)
    WHERE c.id = ANY($1) GROUP BY c.id
"""


async def owners(s: AsyncSession, case_ids: Collection[UUID]) -> Owners:
    """Of these cases; one short query while no campaign has a list of its own."""
    query = select(Campaign.name, Campaign.whom, Campaign.mode, Campaign.purpose).where(Campaign.active)
    found = (await s.execute(query.order_by(Campaign.priority, Campaign.name))).all()
    robots = frozenset(name for name, _, mode, _ in found if mode == "agentless")
    purposes = {name: purpose for name, _, _, purpose in found if purpose != DEBT and name != REST}
    campaigns = tuple(
        (name, rule) for name, said, _, _ in found if name != REST and not (rule := campaign_terms.whom(said)).nobody
    )
    if not campaigns:
        return Owners(robots=robots)
    given: dict[UUID, list[str]] = {}
    if any(rule.given for _, rule in campaigns):
        members = select(CampaignCase.case_id, CampaignCase.campaign).where(
            CampaignCase.case_id == func.any(list(case_ids))
        )
        for case_id, name in await s.execute(members):
            given.setdefault(case_id, []).append(name)
    loans = {}
    if any(rule.products or rule.portfolios for _, rule in campaigns):
        loans = {row[0]: (row[1], row[2]) for row in await fetch(s, _LOANS, list(case_ids))}
    over: dict[UUID, list[str]] = {}
    if purposes:
        for case_id, name in await fetch(s, _OVER, list(case_ids), list(purposes), list(TOLD)):
            over.setdefault(case_id, []).append(name)
    return Owners(campaigns, given, loans, robots, purposes, over)


@dataclass(frozen=True, slots=True)
class Taken:
    """Of open cases: those that fit, those of them that a more urgent campaign takes, and of the rest those that stand in
    today's queue and those of people who have agreed to such contacts."""

    fit: int
    elsewhere: int
    queued: int
    agreed: int

    @property
    def cases(self) -> int:
        return self.fit - self.elsewhere


async def would_take(
    s: AsyncSession, name: str, whom: Whom, priority: int, day: date, *, purpose: str, robot: bool
) -> Taken:
    """What a campaign with this list would have, as things stand; reads all open cases once. `robot`: it needs no agents."""
    query = select(Campaign.name, Campaign.whom).where(Campaign.active, Campaign.name != REST)
    before = tuple_(Campaign.priority, Campaign.name) < tuple_(priority, name)
    values: dict[str, Any] = {"day": day, "purpose": purpose, "channel": "robot" if robot else "call", "name": name}
    values |= {"told": list(TOLD) if purpose != DEBT else []}
    others = [
        _fits(rule, other, f"o{n}", values)
        for n, (other, said) in enumerate(await s.execute(query.where(before, Campaign.name != name)))
        if not (rule := campaign_terms.whom(said)).nobody
    ]
    sooner = " OR ".join(others) or "false"
    row = await s.execute(
        text(f"""
        -- would_take
        SELECT count(*), count(*) FILTER (WHERE f.sooner), count(*) FILTER (WHERE NOT f.sooner AND EXISTS (
            SELECT FROM call_tasks t WHERE t.case_id = f.id AND t.business_date = :day
                AND t.state IN ('ELIGIBLE', 'RETRY_WAIT'))), count(*) FILTER (WHERE NOT f.sooner AND EXISTS (
            SELECT FROM consents o WHERE o.person_id = f.person_id AND o.purpose = :purpose AND o.channel = :channel
                AND o.withdrawn_at IS NULL AND (o.until IS NULL OR o.until >= :day)))
        FROM (SELECT c.id, c.person_id, ({sooner}) AS sooner FROM cases c
              WHERE c.closed_at IS NULL AND {_fits(whom, name, "mine", values)} AND NOT EXISTS (
                  SELECT FROM call_attempts a WHERE a.case_id = c.id AND a.campaign = :name AND a.outcome = ANY(:told))) f
        """),  # noqa: S608 (no value in it)
        values,
    )
    return Taken(*row.one())


def _fits(whom: Whom, name: str, mark: str, values: dict[str, Any]) -> str:
    """`Whom.fits` of a case `c` as SQL; its values go into `values`."""
    parts = []
    for column, said in (("product", whom.products), ("portfolio", whom.portfolios)):
        if said:
            values[f"{mark}_{column}"] = sorted(said)
            of_his = f"SELECT FROM loans l WHERE l.person_id = c.person_id AND l.{column} = ANY(:{mark}_{column})"
            parts.append(f"EXISTS ({of_his})")
    if whom.stages:
        values[f"{mark}_stages"] = sorted(whom.stages)
        parts.append(f"c.stage = ANY(:{mark}_stages)")
    if whom.given:
        values[f"{mark}_name"] = name
        parts.append(f"EXISTS (SELECT FROM campaign_cases g WHERE g.case_id = c.id AND g.campaign = :{mark}_name)")
    return f"({' AND '.join(parts) or 'false'})"


async def purposes(s: AsyncSession) -> dict[str, str]:
    """Of campaigns that call about something else than debts, by name."""
    query = select(Campaign.name, Campaign.purpose).where(Campaign.purpose != DEBT, Campaign.name != REST)
    return {name: purpose for name, purpose in await s.execute(query)}


_SAID = text("""
    -- said_of_loans: what a list may name
    SELECT array(SELECT DISTINCT product FROM loans WHERE product <> '' ORDER BY 1),
           array(SELECT DISTINCT portfolio FROM loans WHERE portfolio <> '' ORDER BY 1),
           array(SELECT DISTINCT currency FROM loans ORDER BY 1)
""")


async def said_of_loans(s: AsyncSession) -> tuple[list[str], list[str], list[str]]:
    """Products, portfolios and currencies that loans have."""
    row = (await s.execute(_SAID)).one()
    return list(row[0]), list(row[1]), list(row[2])


async def given_count(s: AsyncSession, name: str) -> int:
    """Cases of the list that was given to it."""
    return await s.scalar(select(func.count()).where(CampaignCase.campaign == name)) or 0


_FIND = text("""
    -- cases_of_list: open ones by their number or by a contract's
    SELECT w.said, c.id FROM unnest(CAST(:said AS text[])) AS w(said) JOIN cases c ON c.closed_at IS NULL
     AND (c.number::text = w.said OR c.person_id = (SELECT person_id FROM loans WHERE contract_no = w.said))
""")


async def give(s: AsyncSession, campaign: str, lines: Iterable[str]) -> tuple[int, list[str]]:
    """The whole list of a campaign, in place of the last one: case or contract numbers. How many open cases it names, and the
    lines that name none. They are judged anew. Raises BadInput for an empty one."""
    said = sorted({line.strip() for line in lines if line.strip()})
    if not said:
        raise BadInput("The list is empty.", remedy="One number of a case or a contract in a line.", field="file")
    rows = (await s.execute(_FIND, {"said": said})).all()
    found = {case_id for _, case_id in rows}
    before = delete(CampaignCase).where(CampaignCase.campaign == campaign).returning(CampaignCase.case_id)
    changed = found | set(await s.scalars(before))
    if found:
        await s.execute(insert(CampaignCase), [{"campaign": campaign, "case_id": one} for one in sorted(found)])
    await s.execute(_MARK, {"cases": list(changed)})
    return len(found), sorted(set(said) - {line for line, _ in rows})


_MARK = text("INSERT INTO queue_marks (case_id, why, bulk) SELECT unnest(CAST(:cases AS uuid[])), 'campaign', true")
