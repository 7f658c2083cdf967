"""Meanings into PostgreSQL, in order, many in one transaction; news goes out after the commit."""

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from ami_listener.call_story import (
    CallAnswered,
    CallEnded,
    CallRang,
    LineDown,
    LineUp,
    Meaning,
    MessageHeard,
    VoicesMet,
)
from backoffice_core.bus import Bus
from backoffice_core.call_centre import agents, attempts, settling
from backoffice_core.clock import Clock
from backoffice_core.db import Database
from backoffice_core.errors import Refused
from backoffice_core.events import AgentChanged, CallChanged, News

log = structlog.get_logger()

BATCH = 200
GATHER_S = 0.02
RETRY_S = 1.0


class Writer:
    """One consumer of one queue: the order of events is kept for each call."""

    def __init__(self, database: Database, bus: Bus, clock: Clock) -> None:
        self.database, self.bus, self.clock = database, bus, clock
        self.queue: asyncio.Queue[Meaning] = asyncio.Queue()

    async def run(self) -> None:
        while True:
            batch = [await self.queue.get()]
            deadline = asyncio.get_running_loop().time() + GATHER_S
            while len(batch) < BATCH and (left := deadline - asyncio.get_running_loop().time()) > 0:
                try:
                    batch.append(await asyncio.wait_for(self.queue.get(), left))
                except TimeoutError:
                    break
            await self.write(batch)

    async def write(self, batch: Sequence[Meaning]) -> None:
        """Until it is written. The database away: the batch waits; a single bad one is put aside, with its id in the log."""
        while True:
            try:
                async with self.database.begin() as s:
                    news = [n for meaning in batch for n in await self._apply(s, meaning)]
            except (OperationalError, InterfaceError, OSError, TimeoutError) as error:
                log.warning(
                    "database away; events wait", waiting=self.queue.qsize() + len(batch), error=type(error).__name__
                )
                await asyncio.sleep(RETRY_S)
            except (SQLAlchemyError, Refused) as error:
                if isinstance(error, DBAPIError) and error.connection_invalidated:
                    await asyncio.sleep(RETRY_S)
                    continue
                if len(batch) == 1:
                    log.exception("event cannot be written", meaning=type(batch[0]).__name__)
                    return
                for meaning in batch:
                    await self.write([meaning])
                return
            else:
                if news:
                    await self.bus.publish(*dict.fromkeys(news))
                return

    async def _apply(self, s: AsyncSession, meaning: Meaning) -> list[News]:
        match meaning:
            case CallRang(at, call_id):
                return self._of(await attempts.heard(s, call_id, rang_at=at))
            case CallAnswered(at, call_id):
                return self._of(await attempts.heard(s, call_id, answered_at=at))
            case MessageHeard(at, call_id):
                return self._of(await attempts.heard(s, call_id, message_at=at))
            case VoicesMet(at, call_id, _):
                return self._of(await attempts.heard(s, call_id, bridged_at=at))
            case CallEnded(_, call_id, facts):
                return self._of(await settling.settle(s, call_id, facts, self.clock.business(facts.ended_at)))
            case LineUp(at, line, channel):
                agent = await agents.line_up(s, line.session_id, line.n, channel, at)
            case LineDown(at, line, hung_up):
                agent = await agents.line_down(s, line.session_id, line.n, at, hung_up=hung_up)
            case _:
                agent = None
        return [AgentChanged(agent_id=agent)] if agent else []

    @staticmethod
    def _of(attempt: attempts.CallAttempt | None) -> list[News]:
        if attempt is None:
            return []
        news: list[News] = [CallChanged(call_id=attempt.id, agent_id=attempt.agent_id)]
        return news + ([AgentChanged(agent_id=attempt.agent_id)] if attempt.agent_id else [])
