"""Which campaign calls a case today: by what a campaign says of whom it takes, or by a list that was given to it (TL-07).

A case is in one campaign's list at a time, the most urgent one that takes it; a person has one open case, so nobody is in two
lists of one day. What no campaign takes is called by `collection`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre import campaign_terms
from backoffice_core.call_centre.campaign_models import Campaign, CampaignCase
from backoffice_core.call_centre.campaign_terms import Whom
from backoffice_core.db import fetch
from backoffice_core.errors import BadInput

REST = "collection"  # and the purpose for which cases are called


@dataclass(frozen=True, slots=True)
class Owners:
    """Who takes cases, the most urgent first; the given lists of those that have one, and what loans say, by case."""

    campaigns: tuple[tuple[str, Whom], ...] = ()
    given: Mapping[UUID, Collection[str]] = field(default_factory=dict)
    loans: Mapping[UUID, tuple[Collection[str], Collection[str]]] = field(default_factory=dict)

    def of(self, case_id: UUID, stage: int) -> str:
        for name, whom in self.campaigns:
            products, portfolios = self.loans.get(case_id, ((), ()))
            if whom.fits(stage, products, portfolios, name in self.given.get(case_id, ())):
                return name
        return REST


_LOANS = """
    SELECT c.id, array_agg(DISTINCT l.product), array_agg(DISTINCT l.portfolio) FROM cases c JOIN loans l USING (person_id)
    WHERE c.id = ANY($1) GROUP BY c.id
"""


async def owners(s: AsyncSession, case_ids: Collection[UUID]) -> Owners:
    """Of these cases; one short query while no campaign has a list of its own."""
    query = select(Campaign.name, Campaign.whom).where(Campaign.active, Campaign.purpose == REST, Campaign.name != REST)
    found = await s.execute(query.order_by(Campaign.priority, Campaign.name))
    campaigns = tuple((name, rule) for name, said in found if not (rule := campaign_terms.whom(said)).nobody)
    if not campaigns:
        return Owners()
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
    return Owners(campaigns, given, loans)


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
