"""Facts and what they mean into PostgreSQL, in order, many in one transaction; news goes out after the commit."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from ami_listener.call_story import (
    CallAnswered,
    CallEnded,
    CallRang,
    CodeHeard,
    LineDown,
    LineHeard,
    LineUp,
    Meaning,
    MessageHeard,
    VoicesMet,
)
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import attempts, facts, legs, settling, unknown
from backoffice_core.call_centre.desks import agents, line_check
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database, passes
from backoffice_core.errors import Refused
from backoffice_core.events import AgentChanged, CallChanged, LegWanted, News, TrunksChanged

log = structlog.get_logger()

RETRY_S = 1.0
OF_CALLS = CallRang | CallAnswered | MessageHeard | VoicesMet | CallEnded


@dataclass(frozen=True)
class Batch:
    """What one transaction holds: facts as `heard.pack` gives them, what they mean, and how far the sources are read."""

    meanings: Sequence[Meaning]
    facts: Sequence[Sequence[Any]] = ()
    positions: Mapping[str, tuple[str, int]] = field(default_factory=dict)


class Writer:
    """One batch after the other: the order of events is kept for each call."""

    def __init__(self, settings: Settings, database: Database, bus: Bus, clock: Clock) -> None:
        self.settings, self.database, self.bus, self.clock = settings, database, bus, clock

    async def write(self, batch: Batch) -> None:
        """Until it is written. The database away: the batch waits, and what follows it waits in the spool. What cannot
        be written is put aside alone, with its id in the log."""
        while True:
            try:
                news = await self._once(batch)
            except (SQLAlchemyError, Refused, OSError, TimeoutError) as error:
                if passes(error):
                    log.warning("database away; events wait", error=type(error).__name__)
                    await asyncio.sleep(RETRY_S)
                    continue
                await self._one_by_one(batch)
                return
            else:
                if news:
                    await self.bus.publish(*dict.fromkeys(news))
                return

    async def _once(self, batch: Batch) -> list[News]:
        async with self.database.begin() as s:
            await facts.save(s, batch.facts, batch.positions, self.clock.wall())
            if not batch.meanings:
                return []
            heard = {m.call_id for m in batch.meanings if isinstance(m, OF_CALLS)}
            met = {m.call_id for m in batch.meanings if isinstance(m, VoicesMet)}
            over = {m.call_id for m in batch.meanings if isinstance(m, CallEnded)}
            seats = {m.line.session_id for m in batch.meanings if isinstance(m, LineUp | LineDown | LineHeard)}
            await settling.begin_many(s, heard, met, over, seats)
            news = [one for meaning in batch.meanings for one in await self._apply(s, meaning)]
            await settling.finish_many(s)
        return news

    async def _one_by_one(self, batch: Batch) -> None:
        if len(batch.meanings) == 1 and not batch.facts and not batch.positions:
            log.exception("event cannot be written", meaning=type(batch.meanings[0]).__name__)
            await self._put_aside(batch.meanings[0])
            return
        for meaning in batch.meanings:
            await self.write(Batch([meaning]))
        if batch.facts or batch.positions:
            await self.write(Batch([], batch.facts, batch.positions))

    async def _put_aside(self, meaning: Meaning) -> None:
        """An end that cannot be settled is written as far as it goes: no sweep tries it again, a person is asked."""
        if not isinstance(meaning, CallEnded):
            return
        now = self.clock.business(meaning.facts.ended_at)
        try:
            async with self.database.begin() as s:
                news = self._of(await unknown.put_aside(s, meaning.call_id, meaning.facts.ended_at, now))
        except SQLAlchemyError:
            log.exception("call cannot be put aside", call_id=str(meaning.call_id))
            return
        await self.bus.publish(*news)

    async def _apply(self, s: AsyncSession, meaning: Meaning) -> list[News]:
        match meaning:
            case CallRang(at, call_id):
                return self._of(await attempts.heard(s, call_id, rang_at=at))
            case CallAnswered(at, call_id):
                return self._of(await attempts.heard(s, call_id, answered_at=at))
            case MessageHeard(at, call_id):
                attempt, loser = await attempts.message_heard(s, call_id, at)
                return self._of(attempt) + ([AgentChanged(agent_id=loser)] if loser else [])
            case VoicesMet(at, call_id, _):
                return self._of(await attempts.heard(s, call_id, bridged_at=at))
            case CallEnded(_, call_id, found):
                return await self._ended(s, call_id, found)
            case CodeHeard(_, call_id, sip_code):
                await settling.late_code(s, call_id, sip_code)
                return []
            case LineUp(at, line, channel):
                agent = await agents.line_up(s, line.session_id, line.n, channel, at)
            case LineHeard(at, line):
                agent = await line_check.heard(s, line.session_id, line.n, at)
            case LineDown(at, line, hung_up):
                agent = await agents.line_down(s, line.session_id, line.n, at, hung_up=hung_up)
            case _:
                agent = None
        return [AgentChanged(agent_id=agent)] if agent else []

    async def _ended(self, s: AsyncSession, call_id: UUID, found: CallFacts) -> list[News]:
        """The end of a leg: another trunk is tried, or the call is over."""
        now = self.clock.business(found.ended_at)
        over = await legs.leg_over(s, self.settings, call_id, found, now=now, wall=self.clock.wall())
        news: list[News] = [TrunksChanged()] if over.trunks_changed else []
        if over.wanted:
            news += [LegWanted(call_id=call_id), CallChanged(call_id=call_id)]
        if over.settles_with is not None:
            closed = await settling.settle(s, call_id, over.settles_with, now)
            if closed is None and found.sip_code:
                await settling.late_code(s, call_id, found.sip_code)  # closed before by the CEL file
            news += self._of(closed)
        return news

    @staticmethod
    def _of(attempt: CallAttempt | None) -> list[News]:
        if attempt is None:
            return []
        news: list[News] = [CallChanged(call_id=attempt.id, agent_id=attempt.agent_id)]
        return news + ([AgentChanged(agent_id=attempt.agent_id)] if attempt.agent_id else [])
