"""What neither source told: PostgreSQL's live calls and lines beside Asterisk's list of channels.

A call that the exchange does not have, and whose end nobody told, is closed at the last instant for which there is
evidence, and marked as estimated. Without any evidence it is UNKNOWN after the quarantine: it counts against the limits
and is never dialed again by itself.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import structlog

from ami_listener.call_story import PATIENCE, CallEnded, LineDown, LineUp, Meaning, Stories
from ami_listener.heard import Heard, Line, parse_cel, uniqueid_of
from asterisk_conf import CEL_COLUMNS, cel_file
from backoffice_core.call_centre.calls import settling
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.pbx.actions import LiveChannel, list_channels
from backoffice_core.pbx.ami import Ami
from recordings.naming import AGENT, BORROWER, MIXED, part

log = structlog.get_logger()

YOUNG = timedelta(seconds=8)  # a claim this fresh may still be on its way to the exchange
QUARANTINE = timedelta(seconds=20)
LOOKS = 2  # in so many looks in a row a channel must be absent: its end may just be on its way to us
TAIL_BYTES = 32 * 1024 * 1024  # some 150,000 rows: more than a day of one node


def read_cel(file: Path, calls: Iterable[UUID]) -> dict[UUID, CallFacts]:
    """How these calls went by the CEL file alone. One without an end (Asterisk was killed) ends, estimated, at its last row."""
    stories, ends = Stories(), []
    for heard in rows_of(file, calls):
        ends += stories.hear(heard)
    last = max((story.last_at for story in stories.open.values() if story.last_at), default=None)
    ends += stories.overdue(last + PATIENCE) if last else []
    ends += [stories.give_up(call, at) for call in calls if (at := stories.last_evidence(call))]
    return {end.call_id: end.facts for end in ends if isinstance(end, CallEnded)}


def rows_of(file: Path, calls: Iterable[UUID | str]) -> list[Heard]:
    """What the last 32 MB of the CEL file know of these calls (or channels, by Uniqueid), whatever was read of it before."""
    wanted = {str(call) for call in calls}
    try:
        with file.open("rb") as raw:
            raw.seek(0, 2)
            start = max(raw.tell() - TAIL_BYTES, 0)
            raw.seek(start)
            if start:
                raw.readline()  # the first line may be cut
            lines = raw.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
    rows = (dict(zip(CEL_COLUMNS, values, strict=False)) for values in csv.reader(lines))
    return [heard for row in rows if row.get("uniqueid") in wanted and (heard := parse_cel(row))]


def _channel(call: CallAttempt) -> str:
    """Its Uniqueid: ours, or the exchange's for a call that came in."""
    return call.channel_id or str(call.id)


class Search:
    """One look after the other; `absent` remembers in how many in a row a channel was not there."""

    def __init__(self, settings: Settings, database: Database, ami: Ami, stories: Stories) -> None:
        self.settings, self.database, self.ami, self.stories = settings, database, ami, stories
        self.absent: Counter[str] = Counter()
        self.seen: dict[UUID, datetime] = {}  # when a call's channel was last in the list

    async def look(self, wall: datetime) -> list[Meaning]:
        """What the comparison means. Ask only when all that was heard is written. Raises LinkDown, DBAPIError …"""
        async with self.database.begin() as s:
            calls = await settling.live(s)
            held = [(a.line, Line(a.id, a.line_n)) for a in await agents.lines_held(s)]
        if not calls and not held:
            self.stories.forget_closed(set(), wall)
            self.absent.clear()
            self.seen.clear()
            return []
        channels = {c.uniqueid: c for c in await list_channels(self.ami)}  # asked after PostgreSQL: a new call is in it
        believed = {_channel(call) for call in calls} | {uniqueid_of(line) for _, line in held}
        self.absent = Counter({one: self.absent[one] + 1 for one in believed if one not in channels})
        self.stories.forget_closed({call.id for call in calls}, wall)
        there = {call.id: wall for call in calls if _channel(call) in channels}
        self.seen = {call.id: self.seen[call.id] for call in calls if call.id in self.seen} | there
        gone = [call for call in calls if self._is_gone(call, wall)]
        return self._lines(held, channels, wall) + await self._calls(gone, wall)

    def _is_gone(self, call: CallAttempt, wall: datetime) -> bool:
        """Not there, its end not told by either source, and not just being placed."""
        told = self.stories.open.get(call.id)
        if not self.absent[_channel(call)] or (told and told.ends):
            return False
        booted, last = self.stories.booted_at, told.last_at if told else None
        if booted and last and last < booted:
            return True  # Asterisk was started after the last that was heard of it
        return self.absent[_channel(call)] >= LOOKS and wall - call.claimed_at > YOUNG

    async def _calls(self, gone: Sequence[CallAttempt], wall: datetime) -> list[Meaning]:
        if not gone:
            return []
        async with self.database.begin() as s:
            for call in gone:
                await settling.start_settling(s, call.id)
        unheard = [_channel(call) for call in gone if call.id not in self.stories.open]
        meant: list[Meaning] = []
        for heard in rows_of(cel_file(self.settings), unheard) if unheard else ():
            meant += self.stories.hear(heard)  # the kept position had gone astray
        for call in gone:
            evidence = self._last_evidence(call)
            if evidence is None and wall - call.claimed_at <= QUARANTINE:
                continue
            told = self.stories.open.get(call.id)
            if told and told.ends:
                continue  # found in the file just now
            log.info("settled without its end", call_id=str(call.id), by="evidence" if evidence else "quarantine")
            meant.append(self.stories.give_up(call.id, evidence or call.claimed_at))
        return meant

    def _last_evidence(self, call: CallAttempt) -> datetime | None:
        """The last that was heard or seen of the call, and, of an answered one, the last sound in its recording."""
        known = [call.ringing_at, call.answered_at, call.bridged_at, self.seen.get(call.id)]
        instants = [at for at in (self.stories.last_evidence(call.id), *known) if at]
        if instants and call.answered_at:
            instants += self._recorded_until(call)
        return max(instants, default=None)

    def _recorded_until(self, call: CallAttempt) -> list[datetime]:
        found = []
        for suffix in (MIXED, BORROWER, AGENT):
            try:
                stamp = part(self.settings.recordings_dir, call.recording, suffix).stat().st_mtime
            except (OSError, ValueError):
                continue
            found.append(datetime.fromtimestamp(stamp, UTC))
        return found

    def _lines(
        self, held: Sequence[tuple[str, Line]], channels: dict[str, LiveChannel], wall: datetime
    ) -> list[Meaning]:
        meant: list[Meaning] = []
        for state, line in held:
            channel = channels.get(uniqueid_of(line))
            if channel is None:
                # CALLING is written before Originate: such a line gets three looks to come to be
                if state == "UP" or self.absent[uniqueid_of(line)] >= 3:
                    meant.append(LineDown(wall, line, hung_up=False))
            elif state == "CALLING" and channel.state == "Up":
                meant.append(LineUp(wall, line, channel.name))
        return meant
