"""The listener's two loops: events in from the exchange, and the look for what was missed."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import replace

import structlog
from sqlalchemy.exc import DBAPIError

from ami_listener.call_story import CallEnded, LineDown, LineUp, Meaning, Stories
from ami_listener.catch_up import QUARANTINE, YOUNG, joined, lines_of, read_cel
from ami_listener.heard import Line, parse
from ami_listener.writer import Writer
from asterisk_conf import cel_file
from backoffice_core.bus import Bus
from backoffice_core.call_centre import agents, settling
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.parts.ready import mark_ready
from backoffice_core.pbx.actions import LiveChannel, list_channels
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused, ActionUnknown, LinkDown, LinkUp

log = structlog.get_logger()
SWEEP_S = 3.0
WANTED = frozenset(
    {
        "Newchannel",
        "Newstate",
        "BridgeEnter",
        "BridgeLeave",
        "UserEvent",
        "OriginateResponse",
        "HangupRequest",
        "Hangup",
    }
)


class Listener:
    def __init__(self, settings: Settings, database: Database, bus: Bus, clock: Clock) -> None:
        self.settings, self.database, self.clock = settings, database, clock
        self.ami = Ami(
            settings.asterisk_host, settings.ports.ami, "listener", settings.derived_secret("ami:listener"), "listener",
            wanted=WANTED,
        )  # fmt: skip
        self.stories = Stories()
        self.writer = Writer(database, bus, clock)
        self.looking: set[asyncio.Task[None]] = set()  # reads of the CEL file under way
        self.absent: Counter[Line] = Counter()  # in how many sweeps in a row a line was not there

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.ami.run())
            group.create_task(self._hear())
            group.create_task(self.writer.run())
            group.create_task(self._sweep())

    async def _hear(self) -> None:
        async for event in self.ami.events():
            if isinstance(event, LinkUp):
                log.info("link up; catching up", asterisk_uptime_s=event.uptime)
                mark_ready(self.settings, "ami_listener")
                continue
            heard = parse(event)
            if heard is not None:
                for meaning in self.stories.hear(heard):
                    self._pass_on(meaning)

    def _pass_on(self, meaning: Meaning) -> None:
        if isinstance(meaning, CallEnded) and not meaning.whole:
            self.looking.add(task := asyncio.create_task(self._complete(meaning)))
            task.add_done_callback(self.looking.discard)
        else:
            self.writer.queue.put_nowait(meaning)

    async def _complete(self, end: CallEnded) -> None:
        """A call whose beginning nobody heard: whether it was answered and bridged stands in the CEL file."""
        found = await asyncio.to_thread(read_cel, cel_file(self.settings), [end.call_id])
        self.writer.queue.put_nowait(replace(end, facts=joined(end.facts, found.get(end.call_id))))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            for meaning in self.stories.overdue(self.clock.wall()):
                self._pass_on(meaning)
            if not self.ami.up:
                continue
            with contextlib.suppress(LinkDown, ActionUnknown, ActionRefused, DBAPIError, OSError, TimeoutError):
                await self.catch_up()

    async def catch_up(self) -> None:
        """Compares what PostgreSQL believes to be live with what the exchange has. Raises LinkDown, DBAPIError …"""
        async with self.database.begin() as s:
            calls = await settling.live(s)
            held = [(a.line, Line(a.id, a.line_n)) for a in await agents.lines_held(s)]
        if not calls and not held:
            return
        channels = {c.uniqueid: c for c in await list_channels(self.ami)}  # asked after PostgreSQL: a new call is in it
        await self._missed_lines(held, channels)
        wall = self.clock.wall()
        gone = [c for c in calls if str(c.id) not in channels and wall - c.claimed_at > YOUNG]
        if not gone:
            return
        async with self.database.begin() as s:
            for call in gone:
                await settling.start_settling(s, call.id)
        found = await asyncio.to_thread(read_cel, cel_file(self.settings), [c.id for c in gone])
        for call in gone:
            facts = found.get(call.id)
            if facts is None and wall - call.claimed_at > QUARANTINE:
                facts = CallFacts(ended_at=wall, heard=False)
            if facts is not None:
                log.info("settled without its end", call_id=str(call.id), by="cel" if facts.heard else "quarantine")
                self.writer.queue.put_nowait(CallEnded(facts.ended_at, call.id, facts))

    async def _missed_lines(self, held: list[tuple[str, Line]], channels: dict[str, LiveChannel]) -> None:
        alive = lines_of(channels)
        wall = self.clock.wall()
        absent = {line for _, line in held if line not in alive}
        self.absent = Counter({line: self.absent[line] + 1 for line in absent})
        for state, line in held:
            if line in absent:
                # CALLING is written before Originate: such a line gets three sweeps to come to be
                if state == "UP" or self.absent[line] >= 3:
                    self.writer.queue.put_nowait(LineDown(wall, line, hung_up=False))
            elif state == "CALLING" and (channel := channels[f"leg-{line.session_id}-{line.n}"]).state == "Up":
                self.writer.queue.put_nowait(LineUp(wall, line, channel.name))
