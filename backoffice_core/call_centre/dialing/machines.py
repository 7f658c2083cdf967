"""Answering machines: what becomes of a verdict, the sample that goes to agents, and the error that they measure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.dialing.machine_models import MachineVerdict
from backoffice_core.call_centre.dialing.machine_rules import Correction, Sample, Verdict, correction
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.errors import BadInput, Conflict, NotFound

JUDGEMENTS = ("MACHINE", "PERSON")


async def mode_of(s: AsyncSession, call_id: UUID) -> str:
    """beside, before, or "" for a call that nobody listens to."""
    return await s.scalar(select(CallAttempt.machine_mode).where(CallAttempt.id == call_id)) or ""


def is_sample(call_id: UUID, percent: Decimal) -> bool:
    """Whether this call's "machine" verdict goes to an agent: by the call's own id, so that asked again it is the same."""
    return call_id.int % 10_000 < int(percent * 100)


async def note(s: AsyncSession, call_id: UUID, verdict: Verdict) -> tuple[bool, UUID | None]:
    """Writes the verdict once. True: it is a machine, nobody is left with it, and the call is to be hung up. A talk in which
    the right party was confirmed, or that has a result, is a person's whatever was heard. Also the agent who is with it."""
    attempt = await s.get(CallAttempt, call_id, with_for_update=True)
    if attempt is None or attempt.ended_at is not None or not attempt.machine_mode:
        return False, None
    if await s.get(MachineVerdict, call_id) is not None:
        return attempt.machine, attempt.agent_id
    percent = await s.scalar(select(Campaign.machine_sample_pct).where(Campaign.name == attempt.campaign))
    machine = verdict.kind == "MACHINE"
    proved = attempt.identity_confirmed_at is not None or attempt.outcome is not None
    sampled = machine and is_sample(call_id, percent if percent is not None else Decimal(100))
    released = machine and not sampled and not proved and not attempt.message_played
    s.add(
        MachineVerdict(
            call_id=call_id, campaign=attempt.campaign, mode=attempt.machine_mode, verdict=verdict.kind, why=verdict.why,
            at_s=Decimal(str(verdict.at_s)), released=released, sampled=sampled, business_at=attempt.business_at,
        )
    )  # fmt: skip
    attempt.machine = released
    return released, attempt.agent_id


async def to_hang_up(s: AsyncSession) -> list[CallAttempt]:
    """Live calls that a machine answered and nobody is left with."""
    query = select(CallAttempt).where(CallAttempt.ended_at.is_(None), CallAttempt.machine)
    return list(await s.scalars(query))


async def sample_of(s: AsyncSession, user_id: UUID, call_id: UUID) -> MachineVerdict | None:
    """The verdict of an agent's own call that asks for his word: sampled, or heard as a machine's while he talked."""
    query = (
        select(MachineVerdict)
        .join(CallAttempt, CallAttempt.id == MachineVerdict.call_id)
        .where(MachineVerdict.call_id == call_id, CallAttempt.agent_id == user_id, MachineVerdict.sampled)
    )
    return (await s.execute(query)).scalar_one_or_none()


async def judge(s: AsyncSession, user_id: UUID, call_id: UUID, said: str, wall: datetime) -> None:
    """What the agent heard. The same again changes nothing. Raises BadInput, NotFound, Conflict for another word."""
    if said not in JUDGEMENTS:
        raise BadInput("Say whether it was a person or a machine.", field="said")
    found = await sample_of(s, user_id, call_id)
    if found is None:
        raise NotFound("This call is not yours.")
    if found.judged and found.judged != said:
        raise Conflict("This was said already.")
    if not found.judged:
        found.judged, found.judged_by, found.judged_at = said, user_id, wall


@dataclass(frozen=True, kw_only=True)
class Account:
    """Of one campaign between two instants: what was heard, and how wrong the verdict "machine" is."""

    campaign: str
    heard: int
    machines: int
    released: int
    sampled: int
    correction: Correction


async def account(s: AsyncSession, campaign: str, start: datetime, end: datetime) -> Account:
    """Of [start, end) in business time. What agents said of samples counts for the account of abandoned calls:
    `account.correction.abandoned(abandoned, account.released)`."""
    t = MachineVerdict
    within = (t.campaign == campaign, t.business_at >= start, t.business_at < end)
    query = select(
        func.count(), func.count().filter(t.verdict == "MACHINE"), func.count().filter(t.released),
        func.count().filter(t.sampled),
    ).where(*within)  # fmt: skip
    heard, found, released, sampled = (await s.execute(query)).one()
    judged = await s.scalars(select(t.judged).where(*within, t.sampled, t.judged != ""))
    return Account(
        campaign=campaign, heard=heard, machines=found, released=released, sampled=sampled,
        correction=correction([Sample(machine=one == "MACHINE") for one in judged]),
    )  # fmt: skip


async def accounts(s: AsyncSession, start: datetime, end: datetime) -> list[Account]:
    """Of every campaign that was listened to."""
    t = MachineVerdict
    names = await s.scalars(select(t.campaign).where(t.business_at >= start, t.business_at < end).distinct())
    return [await account(s, name, start, end) for name in sorted(names)]
