"""Campaigns: reading them, changing them (audited), what they run as now, and who can serve them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.audit import service as audit
from backoffice_core.borrowers.models import Person
from backoffice_core.call_centre.dialing import campaign_terms
from backoffice_core.call_centre.dialing.campaign_lists import REST
from backoffice_core.call_centre.dialing.campaign_models import AgentSkill, Campaign
from backoffice_core.call_centre.dialing.campaign_rules import CHOICES, DEBT, NAME, RANGES, Running, runs_as
from backoffice_core.call_centre.models import AgentSession, CallTask
from backoffice_core.compliance import service as compliance
from backoffice_core.errors import BadInput, NotFound
from backoffice_core.staff.models import User

FIELDS = (
    "purpose", "mode", "priority", "ratio", "target_abandon_pct", "abandon_window", "denominator", "skill", "machines",
    "machine_sample_pct", "ordering", "retries", "whom", "robot", "script", "active",
)  # fmt: skip
"""What `change` changes."""


_TERMS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "ordering": campaign_terms.strategy, "retries": campaign_terms.retries, "whom": campaign_terms.whom,
    "robot": campaign_terms.robot, "script": campaign_terms.script,
}  # fmt: skip


async def listed(s: AsyncSession) -> list[Campaign]:
    """All, the most urgent first."""
    return list(await s.scalars(select(Campaign).order_by(Campaign.priority, Campaign.name)))


async def named(s: AsyncSession, name: str, *, lock: bool = False) -> Campaign:
    """Raises NotFound."""
    found = await s.get(Campaign, name, with_for_update=lock)
    if found is None:
        raise NotFound(f"There is no campaign {name}.", remedy="`backoffice campaign list` names them.")
    return found


async def change(
    s: AsyncSession, name: str, fields: Mapping[str, Any], *, who: str, by: str, wall: datetime, new: bool = False
) -> Campaign:
    """Sets these of `FIELDS` of a campaign; one that is not there is made when `new`. Audited; a running dialer follows at
    the next step. Raises NotFound, BadInput naming the field."""
    meant = {field: _read(field, value) for field, value in fields.items()}
    if name == REST and meant.get("purpose", DEBT) != DEBT:
        raise BadInput(
            f"{REST} calls about debts alone.", remedy="Make a campaign of its own for this purpose.", field="purpose"
        )
    campaign = await s.get(Campaign, name, with_for_update=True)
    before: dict[str, Any] = {}
    if campaign is None:
        if not new:
            raise NotFound(f"There is no campaign {name}.", remedy="`backoffice campaign list` names them.")
        if not NAME.fullmatch(name):
            raise BadInput(
                f"{name} is no name of a campaign.", remedy="Small Latin letters, digits, - and _, as spring-survey.",
                field="name",
            )  # fmt: skip
        await s.execute(insert(Campaign).values(name=name).on_conflict_do_nothing())
        campaign = await named(s, name, lock=True)
        before["new"] = True
    changed = {field: value for field, value in meant.items() if getattr(campaign, field) != value}
    if not changed and not before:
        return campaign
    told = {field: {"from": getattr(campaign, field), "to": value} for field, value in changed.items()}
    for field, value in changed.items():
        setattr(campaign, field, value)
    campaign.changed_at, campaign.changed_by = wall, by
    audit.note(s, who, "CAMPAIGN_CHANGED", name, before | told)
    await s.flush()
    return campaign


def _read(field: str, value: Any) -> Any:
    """Raises BadInput for a field that is none, or what it cannot be."""
    if field not in FIELDS:
        raise BadInput(f"A campaign has no {field}.", remedy=f"It has {', '.join(FIELDS)}.", field=field)
    if field in CHOICES:
        if value not in CHOICES[field]:
            raise BadInput(f"{field} cannot be “{value}”.", remedy=f"One of: {', '.join(CHOICES[field])}.", field=field)
        return value
    if field in RANGES:
        least, most = RANGES[field]
        try:
            number = Decimal(str(value).replace(",", "."))
        except InvalidOperation:
            number = Decimal("NaN")
        if not (number.is_finite() and least <= number <= most):
            raise BadInput(
                f"{field} cannot be “{value}”.", remedy=f"Give a number from {least} to {most}.", field=field
            )
        if field == "priority":
            if number != int(number):
                raise BadInput(
                    f"{field} cannot be “{value}”.", remedy=f"Give a number from {least} to {most}.", field=field
                )
            return int(number)
        return number.quantize(Decimal("0.01"))
    if field == "skill":
        skill = str(value).strip()
        if skill and not NAME.fullmatch(skill):
            raise BadInput(
                f"{skill} is no name of a skill.",
                remedy="Small Latin letters, digits, - and _, as mortgage.",
                field=field,
            )
        return skill
    if field in _TERMS:
        if not isinstance(value, dict):
            raise BadInput(f"{field} must be a JSON object.", remedy="Write it as JSON, in braces.", field=field)
        checked = _TERMS[field](value)
        return checked if field == "script" else value
    return bool(value) if field == "active" else value


# --- what they run as ----------------------------------------------------------------------------------------------


async def places(s: AsyncSession, day: date, home: str) -> dict[str, frozenset[str]]:
    """The jurisdictions that each campaign's tasks of a date reach into; `home` where it has none. Reads the whole list of
    the day: ask once a minute at most."""
    query = (
        select(CallTask.campaign, Person.jurisdiction)
        .join(Person, Person.id == CallTask.person_id)
        .where(CallTask.business_date == day)
        .group_by(CallTask.campaign, Person.jurisdiction)
    )
    found: dict[str, set[str]] = {}
    for campaign, jurisdiction in await s.execute(query):
        found.setdefault(campaign, set()).add(jurisdiction or home)
    return {campaign: frozenset(one) for campaign, one in found.items()}


async def running(
    s: AsyncSession, campaigns: Iterable[Campaign], reach: Mapping[str, Collection[str]], home: str, day: date
) -> dict[str, Running]:
    """As what each runs on this day (`reach` of `places`)."""
    rules = await compliance.rulebook(s)
    return {
        one.name: runs_as(one.mode, one.target_abandon_pct, one.purpose, rules, reach.get(one.name) or {home}, day)
        for one in campaigns
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A campaign for people: as what it runs, tasks of today that are still to do, agents at work who can serve it."""

    campaign: Campaign
    running: Running
    tasks: int
    agents: int


async def board(s: AsyncSession, day: date, home: str) -> list[Row]:
    found = await listed(s)
    states = await running(s, found, await places(s, day, home), home, day)
    open_tasks = (
        select(CallTask.campaign, func.count())
        .where(CallTask.business_date == day, CallTask.state.in_(("ELIGIBLE", "RETRY_WAIT")))
        .group_by(CallTask.campaign)
    )
    tasks: dict[str, int] = {name: count for name, count in await s.execute(open_tasks)}
    can = await skills_at_work(s)
    return [
        Row(
            campaign=one, running=states[one.name], tasks=tasks.get(one.name, 0),
            agents=sum(not one.skill or one.skill in skills for skills in can.values()),
        )
        for one in found
    ]  # fmt: skip


_STILL = text("""
    -- campaigns_still: campaigns whose waiting tasks the dialer does not place by itself, and why
    SELECT c.name, q.tasks, CASE WHEN NOT c.active THEN 'OFF' WHEN c.mode = 'agentless' THEN ''
        WHEN c.mode = 'preview' THEN 'PREVIEW'
        WHEN c.skill <> '' AND NOT EXISTS (SELECT FROM agent_skills k WHERE k.skill = c.skill) THEN 'NO_SKILL'
        WHEN c.skill <> '' AND NOT EXISTS (SELECT FROM agent_skills k JOIN agent_sessions a ON a.user_id = k.user_id
            AND a.ended_at IS NULL WHERE k.skill = c.skill) THEN 'NOBODY' ELSE '' END AS why, c.skill,
        (SELECT count(*) FROM previews p WHERE p.campaign = c.name AND p.ended_at IS NULL) AS cards
    FROM campaigns c JOIN (SELECT campaign, count(*) AS tasks FROM call_tasks WHERE business_date = :day
        AND state IN ('ELIGIBLE','RETRY_WAIT') GROUP BY campaign) q ON q.campaign = c.name ORDER BY c.priority, c.name
""")


@dataclass(frozen=True, slots=True)
class Still:
    """`why`: OFF; PREVIEW (agents dial its cards); NO_SKILL (no agent has its skill); NOBODY (who has it is not at work)."""

    campaign: str
    tasks: int
    why: str
    skill: str
    cards: int


async def still(s: AsyncSession, day: date) -> list[Still]:
    """Campaigns with tasks of the day to which no agent at work is called by the dialer itself."""
    return [Still(*row) for row in await s.execute(_STILL, {"day": day}) if row.why]


# --- skills --------------------------------------------------------------------------------------------------------


async def skills_at_work(s: AsyncSession) -> dict[UUID, dict[str, int]]:
    """Skills with their priority of each agent who has taken a seat, by his user id."""
    query = (
        select(AgentSession.user_id, AgentSkill.skill, AgentSkill.priority)
        .outerjoin(AgentSkill, AgentSkill.user_id == AgentSession.user_id)
        .where(AgentSession.ended_at.is_(None))
    )
    found: dict[UUID, dict[str, int]] = {}
    for user, skill, priority in await s.execute(query):
        own = found.setdefault(user, {})
        if skill is not None:
            own[skill] = priority
    return found


async def skills(s: AsyncSession) -> Sequence[Any]:
    """Rows of login, full name, skill, priority, by login."""
    query = (
        select(User.login, User.full_name, AgentSkill.skill, AgentSkill.priority)
        .join(AgentSkill, AgentSkill.user_id == User.id)
        .order_by(User.login, AgentSkill.priority, AgentSkill.skill)
    )
    return (await s.execute(query)).all()


async def agent_names(s: AsyncSession) -> Sequence[Any]:
    """Rows of login and full name of agents who may log in, by name."""
    query = select(User.login, User.full_name).where(User.role == "agent", User.active).order_by(User.full_name)
    return (await s.execute(query)).all()


async def set_skill(s: AsyncSession, login: str, skill: str, priority: int | None, *, who: str) -> None:
    """An agent has this skill, the lower `priority` the sooner he gets its calls; None takes it away. Raises NotFound,
    BadInput."""
    user = await s.scalar(select(User).where(User.login == login))
    if user is None:
        raise NotFound(f"There is no login {login}.", remedy="`backoffice user list` names them.")
    if not NAME.fullmatch(skill):
        raise BadInput(
            f"{skill} is no name of a skill.",
            remedy="Small Latin letters, digits, - and _, as mortgage.",
            field="skill",
        )
    if priority is None:
        await s.execute(delete(AgentSkill).where(AgentSkill.user_id == user.id, AgentSkill.skill == skill))
    else:
        row = insert(AgentSkill).values(user_id=user.id, skill=skill, priority=priority)
        await s.execute(
            row.on_conflict_do_update(index_elements=["user_id", "skill"], set_={"priority": row.excluded.priority})
        )
    audit.note(s, who, "SKILL_CHANGED", login, {"skill": skill, "priority": priority})
