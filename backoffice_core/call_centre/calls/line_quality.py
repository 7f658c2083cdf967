"""How good the sound of a talk is on the agent's line (TL-12): kept with the call, and the phone named when it is bad."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, true
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.calls.sound_rules import ENOUGH_PACKETS, OneWay, Reading, loss_percent, mean
from backoffice_core.call_centre.models import AgentSession, CallAttempt, LineFigures
from backoffice_core.config import Settings
from backoffice_core.staff.models import User

SHOWN = timedelta(minutes=30)  # so long a phone's last talks stand on the floor page


@dataclass(frozen=True, kw_only=True)
class Talking:
    """An agent with a borrower: whose line is to be read."""

    user_id: UUID
    endpoint: str
    line_id: str
    call_id: UUID
    channel_id: str = ""  # the borrower's


async def talking(s: AsyncSession) -> list[Talking]:
    query = (
        select(AgentSession, CallAttempt.id, CallAttempt.channel_id)
        .join(CallAttempt, CallAttempt.id == AgentSession.call_id)
        .where(AgentSession.state == "TALKING", AgentSession.line == "UP")
    )
    return [
        Talking(
            user_id=seat.user_id, endpoint=seat.endpoint, line_id=seat.line_id, call_id=call_id,
            channel_id=channel or str(call_id),
        )
        for seat, call_id, channel in await s.execute(query)
    ]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Sound:
    """One talk. Loss in percent, jitter in milliseconds (RFC 3550): the worse of both directions."""

    agent_name: str
    endpoint: str
    call_id: UUID
    at: datetime
    loss: float
    jitter_ms: int
    one_way: str
    bad: bool


async def note(
    s: AsyncSession, settings: Settings, who: Talking, more: Reading, one_way: OneWay, wall: datetime
) -> bool:
    """Adds what came between two readings to the call's figures. True when the talk has become a bad one by it."""
    row = await s.get(LineFigures, who.call_id, with_for_update=True)
    if row is None:
        row = LineFigures(
            call_id=who.call_id, user_id=who.user_id, endpoint=who.endpoint, readings=0, received=0, lost_in=0,
            jitter_in_ms=0, sent=0, lost_out=0, jitter_out_ms=0, one_way="",
        )  # fmt: skip
        s.add(row)
    was_bad = _is_bad(settings, row)
    row.at = wall
    row.received, row.lost_in = row.received + more.received, row.lost_in + more.lost
    row.sent, row.lost_out = row.sent + more.sent, row.lost_out + more.lost_there
    row.jitter_in_ms = round(mean(row.jitter_in_ms, row.readings, more.jitter_ms))
    row.jitter_out_ms = round(mean(row.jitter_out_ms, row.readings, more.jitter_there_ms))
    row.readings += 1
    row.one_way = row.one_way or one_way
    return _is_bad(settings, row) and not was_bad


def worst(row: LineFigures) -> tuple[float, int]:
    """Loss in percent and jitter in milliseconds of the worse direction."""
    loss = max(loss_percent(row.lost_in, row.received), loss_percent(row.lost_out, row.sent - row.lost_out))
    return loss, max(row.jitter_in_ms, row.jitter_out_ms)


def _is_bad(settings: Settings, row: LineFigures) -> bool:
    if row.one_way:
        return True
    loss, jitter_ms = worst(row)
    enough = max(row.received, row.sent) >= ENOUGH_PACKETS
    return enough and (loss >= settings.line_loss_pct or jitter_ms >= settings.line_jitter_ms)


async def phones(s: AsyncSession, settings: Settings, wall: datetime, branch: str = "") -> list[Sound]:
    """Each agent's phone with its worst talk within SHOWN, the worst phone first."""
    query = (
        select(LineFigures, User.full_name)
        .join(User, User.id == LineFigures.user_id)
        .where(LineFigures.at > wall - SHOWN, User.branch == branch if branch else true())
        .order_by(LineFigures.at.desc())
    )
    talks = [_sound(settings, row, name) for row, name in (await s.execute(query)).all()]
    found: dict[str, Sound] = {}
    for one in sorted(talks, key=lambda one: (one.bad, bool(one.one_way), one.loss, one.jitter_ms), reverse=True):
        found.setdefault(one.endpoint, one)
    return list(found.values())


def bad(found: Sequence[Sound]) -> list[Sound]:
    return [one for one in found if one.bad]


def _sound(settings: Settings, row: LineFigures, name: str) -> Sound:
    loss, jitter_ms = worst(row)
    return Sound(
        agent_name=name, endpoint=row.endpoint, call_id=row.call_id, at=row.at, loss=loss, jitter_ms=jitter_ms,
        one_way=row.one_way, bad=_is_bad(settings, row),
    )  # fmt: skip
