"""The listener's loops: AMI into the spool; spool and CEL file into the fold and into PostgreSQL; the look for what
nobody told.

The reader of AMI only enqueues: PostgreSQL, however slow or absent, never makes Asterisk cut us off.
"""

import asyncio
import contextlib
import math
from datetime import timedelta
from typing import Any

import structlog

from ami_listener.call_story import CallAnswered, CallRang, CodeHeard, Meaning, Stories
from ami_listener.catch_up import Search
from ami_listener.cel_tail import CelTail
from ami_listener.heard import Gap, Heard, Line, pack, parse, uniqueid_of, unpack
from ami_listener.spool import own_spool
from ami_listener.writer import Batch, Writer
from asterisk_conf import cel_file
from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import facts, settling
from backoffice_core.call_centre.desks import agents
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import AWAY, Database
from backoffice_core.parts.ready import mark_ready
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused, ActionUnknown, LinkDown, LinkUp

log = structlog.get_logger()
SWEEP_S = 3.0
CEL_LOOK_S = 0.25  # the CEL file is looked at with each event of AMI too
CEL_SOON_S = 0.05  # while of some end only one source told: the other is milliseconds behind
OVERDUE_EVERY_S = 0.5
GATHER_S = 0.02  # events come in flocks: one transaction serves them all
PACE_S = 0.25  # between transactions while calls come thick: the first of a flock is written at once, the rest together
# What nobody acts on waits so long for something that somebody does (after an answer the voices meet soon); all of it is
# safe in its sources.
WAIT_S: dict[type[Meaning], float] = {CallAnswered: 0.2, CallRang: 1.0, CodeHeard: 1.0}
FACTS_WAIT_S = 3.0  # facts without a meaning
BATCH = 500  # facts of one transaction, from each source
PURGE_S = 600.0
LINE_MEMORY = timedelta(minutes=30)  # a line's facts that may still matter to a call after our restart
WANTED = frozenset(
    {
        "Newchannel",
        "Newstate",
        "BridgeEnter",
        "BridgeLeave",
        "UserEvent",
        "ChannelTalkingStart",
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
        self.writer = Writer(settings, database, bus, clock)
        self.spool = own_spool(settings.data, settings.spool_mb * 1024 * 1024)
        self.cel = CelTail(cel_file(settings))
        self.search = Search(settings, database, self.ami, self.stories)
        self.found: list[Meaning] = []  # by the search; written by the same loop as all else
        self.meanings: list[Meaning] = []  # these and `rows`: heard and folded, not written yet
        self.rows: list[list[Any]] = []
        self.due_at = math.inf  # when the first of them wants to be written; seconds of the loop's clock, as the next
        self.written_at = self.overdue_at = 0.0
        self.drained = False  # nothing waits in either source
        self.caught_up = False  # all that was told up to now is written
        self.look = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.ami.run())
                group.create_task(self._hear())
                group.create_task(self.spool.keep_safe())
                group.create_task(self._write())
                group.create_task(self._sweep())
                group.create_task(self._purge())
        finally:
            self.spool.give_back()
            self.cel.close()

    # --- in ------------------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        missed = False  # the spool had no room for the last
        async for event in self.ami.events():
            heard: Heard | Gap | None
            if isinstance(event, LinkUp):
                restarted = (
                    self.stories.booted_at is not None and event.booted_at - self.stories.booted_at > LinkUp.SAME
                )
                log.info("link up; catching up", asterisk_uptime_s=event.uptime, asterisk_restarted=restarted)
                mark_ready(self.settings, "ami_listener")
                self.look.set()
                heard = Gap(event.at, event.booted_at)
            else:
                heard = parse(event)
            if heard is not None:
                lines = [pack(Gap(heard.at)), pack(heard)] if missed else [pack(heard)]
                self.caught_up = False
                missed = self.spool.append(lines) < len(lines)

    # --- out -----------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        await self._restore()
        while True:
            if self.drained:
                now = asyncio.get_running_loop().time()
                rest = max(self.written_at + PACE_S - now, GATHER_S)
                look = CEL_SOON_S if self.stories.half_told else CEL_LOOK_S
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(look, max(self.due_at - now, rest))):
                        await self.spool.more.wait()
                        await asyncio.sleep(rest)
            await self.step()

    async def step(self) -> int:
        """Folds what waits in both sources, at most BATCH of each, and writes it in one transaction when it is time; how
        many facts that were."""
        packed: list[list[Any]] = self.spool.read(BATCH)
        from_file = self.cel.read()
        heard = [fact for values in packed if (fact := unpack(values)) is not None] + from_file
        meant = [meaning for fact in heard for meaning in self.stories.hear(fact)]
        self.drained = self.spool.drained and self.cel.drained
        now = asyncio.get_running_loop().time()
        if self.drained:
            found, self.found = self.found, []
            meant += found
            if now - self.overdue_at >= OVERDUE_EVERY_S:
                self.overdue_at = now
                meant += self.stories.overdue(self.clock.wall())
        self._keep(meant, [values for values in packed if values[0] != "Gap"] + [pack(fact) for fact in from_file], now)
        if heard:
            self.caught_up = False  # also when the file alone told something: no search while this is written
        if now >= max(self.due_at, self.written_at + PACE_S) or len(self.rows) >= BATCH:
            await self._write_all()
            self.written_at = asyncio.get_running_loop().time()
        self.caught_up = self.drained and self.spool.drained and not self.meanings
        return len(heard)

    def _keep(self, meant: list[Meaning], rows: list[list[Any]], now: float) -> None:
        """Until `due_at`: the moment at which the most urgent of all wants to be written."""
        waits = [WAIT_S.get(type(meaning), 0.0) for meaning in meant] + ([FACTS_WAIT_S] if rows else [])
        self.due_at = min([self.due_at, *(now + wait for wait in waits)])
        self.meanings += meant
        self.rows += rows

    async def _write_all(self) -> None:
        meanings, rows, self.meanings, self.rows, self.due_at = self.meanings, self.rows, [], [], math.inf
        position = self.spool.position
        positions = {self.spool.folder.name: (self.spool.name, position), "cel": self.cel.position}
        await self.writer.write(Batch(meanings, rows, positions))
        self.spool.written(position)

    async def _restore(self) -> None:
        """Goes on where the last listener stopped: positions of both sources, and the stories of what is live."""
        while True:
            try:
                async with self.database.begin() as s:
                    calls = await settling.live(s)
                    lines = [Line(a.id, a.line_n) for a in await agents.lines_held(s)]
                    since = min([call.claimed_at for call in calls] + [self.clock.wall() - LINE_MEMORY])
                    names = [str(call.id) for call in calls] + [uniqueid_of(line) for line in lines]
                    known = await facts.of_channels(s, names, since) if names else []
                    kept = await facts.positions(s)
            except AWAY as error:
                log.warning("database away; events wait in the spool", error=type(error).__name__)
                await asyncio.sleep(1.0)
                continue
            break
        for values in known:
            if fact := unpack(values):
                self.stories.hear(fact)  # its meanings are written already
        self.spool.start_at(*kept.get(self.spool.folder.name, ("", 0)))
        if "cel" in kept:
            self.cel.start_at(*kept["cel"])
        else:
            self.cel.start_fresh(whole=bool(calls))

    # --- what nobody told ----------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self.look.wait()
                    await asyncio.sleep(GATHER_S * 5)
            self.look.clear()
            if self.ami.up and self.caught_up and not self.found:
                with contextlib.suppress(LinkDown, ActionUnknown, ActionRefused, *AWAY):
                    self.found += await self.search.look(self.clock.wall())

    async def _purge(self) -> None:
        while True:
            await asyncio.sleep(PURGE_S)
            with contextlib.suppress(*AWAY):
                async with self.database.begin() as s:
                    await facts.purge(s, self.clock.wall())
