"""The worker's care for recordings: seal after each call, listen meanwhile, watch the volume, sweep, delete by rule."""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import soundfile
import structlog
from sqlalchemy.exc import DBAPIError

from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import recording_room
from backoffice_core.call_centre.calls import recordings as rows
from backoffice_core.call_centre.dialing import stop
from backoffice_core.call_centre.models import CallAttempt, Recording
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import Refused
from backoffice_core.events import CallChanged, StopChanged
from recordings import crypt, disposal, faults, keys, store, sweeper
from recordings.live import Ears
from recordings.naming import AGENT, BORROWER, part
from recordings.sound import RATE, Unfaithful
from recordings.store import Kept
from recordings.sweeper import Swept

log = structlog.get_logger()
SEAL_EVERY_S, LISTEN_EVERY_S, ROOM_EVERY_S, SWEEP_EVERY_S, NIGHTLY_LOOK_S = 1.0, 10.0, 2.0, 300.0, 60.0
SHORTEST_S = 1.0  # a call that lasted less need not leave one sample (TL-03)
WRITTEN_EVERY_S = 2.048  # Asterisk writes a side's sound 32 KiB at a time: so much is lost with a killed exchange
_PAGE = 50


def _gently() -> None:
    os.nice(10)  # of this thread alone (Linux): encoding must not take the voices' time


class Keeper:
    """`run` until cancelled; each step can be called alone."""

    def __init__(self, settings: Settings, database: Database, bus: Bus, clock: Clock) -> None:
        self.settings, self.database, self.bus, self.clock = settings, database, bus, clock
        self.ears = Ears()
        self._background = ThreadPoolExecutor(2, "recordings", initializer=_gently)
        self._nightly_done: date | None = None

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for what, step, every_s in (
                ("seal", self.seal_due, SEAL_EVERY_S),
                ("listen", self.listen, LISTEN_EVERY_S),
                ("room", self.watch_room, ROOM_EVERY_S),
                ("sweep", self.sweep_recent, SWEEP_EVERY_S),
                ("nightly", self.nightly, NIGHTLY_LOOK_S),
            ):
                group.create_task(self._again(what, step, every_s))

    async def _again(self, what: str, step: Callable[[], Awaitable[Any]], every_s: float) -> None:
        while True:
            try:
                await step()
            except (DBAPIError, OSError, TimeoutError, Refused, crypt.Damaged) as error:
                log.warning("recordings wait", step=what, error=type(error).__name__, said=str(error)[:200])
            await asyncio.sleep(every_s)

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._background, lambda: work(*arguments, **options))

    # --- after the call --------------------------------------------------------------------------------------------

    async def seal_due(self) -> None:
        while await self._seal_some():
            pass

    async def _seal_some(self) -> bool:
        """True when there may be more. A call's files are complete a moment after its end."""
        wall = self.clock.wall()
        async with self.database.begin() as s:
            found = await rows.due(s, _PAGE)
        sealed_any = False
        for recording, attempt in found:
            age = wall - (attempt.ended_at or wall)
            if age >= timedelta(seconds=1):
                sealed_any |= await self._seal(recording.call_id, attempt, late=age >= rows.MISSING_AFTER)
        return sealed_any and len(found) == _PAGE

    async def _seal(self, call: UUID, attempt: CallAttempt, *, late: bool) -> bool:
        """The row stays locked meanwhile: two workers that seal one call would overwrite each other's key."""
        async with self.database.begin() as s:
            row = await s.get(Recording, call, with_for_update={"skip_locked": True})
            if row is None or row.state != "EXPECTED":
                return False
            try:
                kept = await self._sound_of(row, late=late)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                row.faults = await asyncio.to_thread(_lacks, self.settings.recordings_dir, row.path, attempt)
                return False  # sealed when there is room again; until then the plain sound is kept
            if kept is None and not late:
                return False
            row.sealed_at = self.clock.wall()
            if kept is not None:
                _write(row, kept, _faults(attempt, kept))
            else:
                row.state, row.faults = _without(attempt)
                if row.state == "MISSING":
                    log.error("an answered call has no recording", call_id=str(call), agent_id=str(attempt.agent_id))
        if row.state == "SEALED":
            await self._in_thread(store.remove_plain, self.settings.recordings_dir, row.path)
        elif removed := await self._in_thread(store.remove_soundless, self.settings.recordings_dir, row.path):
            log.info("files without a sample are removed", call_id=str(call), files=removed)
        if row.faults:
            log.warning("bad sound", call_id=str(call), faults=row.faults, agent_id=str(attempt.agent_id))
        await self.bus.publish(CallChanged(call_id=call, agent_id=attempt.agent_id))
        return kept is not None

    async def _sound_of(self, row: Recording, *, late: bool) -> Kept | None:
        folder, ring = self.settings.recordings_dir, keys.load(self.settings)
        try:
            kept: Kept | None = await self._in_thread(store.seal, folder, row.call_id, row.path, ring, one_side=late)
            if kept is None and late and await self._in_thread(sweeper.give_back, self.settings, row.call_id, row.path):
                kept = await self._in_thread(store.seal, folder, row.call_id, row.path, ring, one_side=True)
        except (soundfile.LibsndfileError, ValueError, Unfaithful, crypt.Damaged, keys.KeyMissing) as error:
            log.error(
                "a recording cannot be sealed", call_id=str(row.call_id), error=type(error).__name__, said=str(error)
            )
            return None
        return kept

    # --- while the talk runs ---------------------------------------------------------------------------------------

    async def listen(self) -> None:
        """Marks the talks that go on with a dead side, or without a recording; takes the mark away when sound comes."""
        wall = self.clock.wall()
        async with self.database.begin() as s:
            found = await rows.talking(s, wall)
        self.ears.forget_but({recording.call_id for recording, _ in found})
        for recording, attempt in found:
            talk_s = (wall - (attempt.bridged_at or wall)).total_seconds()
            heard = await asyncio.to_thread(
                self.ears.look, self.settings.recordings_dir, recording.call_id, recording.path, talk_s
            )
            if heard == recording.faults:
                continue
            async with self.database.begin() as s:
                row = await s.get_one(Recording, recording.call_id, with_for_update=True)
                if row.state == "EXPECTED":
                    row.faults = heard
            log.warning("sound of a talk", call_id=str(recording.call_id), faults=heard, agent_id=str(attempt.agent_id))
            await self.bus.publish(CallChanged(call_id=recording.call_id, agent_id=attempt.agent_id))

    # --- the volume ------------------------------------------------------------------------------------------------

    async def watch_room(self) -> None:
        """A full volume stops dialing until a person lifts the stop (decision 0011)."""
        room = recording_room.look(self.settings)
        if not (room and room.full):
            return
        notice, wall = stop.stopped(self.settings), self.clock.wall()
        if notice is None or notice.code != recording_room.RECORDINGS_FULL:
            return  # another stop stands already; this one is seen when that is lifted
        if not notice.at:
            log.error("the recordings volume is full: dialing is stopped", used_pct=room.used_pct, free=room.free_bytes)
            stop.stop_by_house(self.settings, recording_room.RECORDINGS_FULL, wall)
            await self.bus.publish(StopChanged())
        async with self.database.begin() as s:
            await stop.note_stop(s, stop.THE_HOUSE, recording_room.RECORDINGS_FULL, wall)

    # --- files and rows --------------------------------------------------------------------------------------------

    async def sweep_recent(self) -> Swept:
        return await self.sweep(since=self.clock.today() - timedelta(days=2))

    async def sweep(self, *, since: date | None = None, change: bool = True) -> Swept:
        """Files of the business days from `since` on (None = all) against their rows, and rows against files."""
        calls, foreign = await self._in_thread(sweeper.look_at_files, self.settings, since)
        async with self.database.begin() as s:
            known = await rows.by_calls(s, calls)
        ring = keys.load(self.settings)
        swept: Swept = await self._in_thread(
            sweeper.compare, self.settings, ring, calls, known, change=change, retry=since is None
        )
        swept.foreign = foreign
        await self._rows_without_file(swept, since)
        if change:
            await self._mend(swept)
        return swept

    async def _rows_without_file(self, swept: Swept, since: date | None) -> None:
        begun = datetime.combine(since, datetime.min.time(), self.clock.zone) - self.clock.offset if since else None
        after: UUID | None = None
        while True:
            async with self.database.begin() as s:
                page = await rows.sealed(s, begun, after)
            for row in page:
                if store.find(self.settings, row.path) is None:
                    swept.lost.append(row.call_id)
            if not page:
                return
            after = page[-1].call_id

    async def _mend(self, swept: Swept) -> None:
        for calls, state in ((swept.again, "EXPECTED"), (swept.back, "SEALED"), (swept.lost, "MISSING")):
            for call in calls:
                async with self.database.begin() as s:
                    row = await s.get_one(Recording, call, with_for_update=True)
                    if row.state in {state, "DELETED"}:
                        continue
                    row.state, row.faults = state, [faults.NOT_RECORDED] if state == "MISSING" else []
                if state == "MISSING":
                    log.error("the file of a recording is gone", call_id=str(call))
                await self.bus.publish(CallChanged(call_id=call))
        if swept.quarantined:
            log.error("files of recordings without a call", files=swept.quarantined[:20], count=len(swept.quarantined))
        if swept.unsealed:
            log.error("plain sound that cannot be sealed", calls=[str(call) for call in swept.unsealed[:20]])
        if swept.soundless:
            log.info("files without a sample are removed", files=swept.soundless[:60], count=len(swept.soundless))

    # --- once a night ----------------------------------------------------------------------------------------------

    async def nightly(self) -> None:
        now = self.clock.now().astimezone(self.clock.zone)
        if self._nightly_done == now.date() or f"{now:%H:%M}" < self.settings.nightly_at:
            return
        await self.sweep()
        moved = await self._in_thread(sweeper.archive, self.settings, now.date())
        await self._drop_old_keys(now.date())
        done = await disposal.run(self.database, self.settings, self.clock)
        log.info("recordings' night done", moved=moved, deleted=len(done.deleted), **done.verdicts)
        self._nightly_done = now.date()

    async def _drop_old_keys(self, today: date) -> None:
        found = await self._in_thread(sweeper.old_keys, self.settings, today)
        async with self.database.begin() as s:
            known = await rows.by_calls(s, {call for call, _ in found})
        for call, path in found:
            if call in known and known[call].wrapped_key is not None:
                path.unlink(missing_ok=True)


def _call_s(attempt: CallAttempt) -> float:
    """From answer to end; 0 = not known."""
    if attempt.ended_at is None or attempt.answered_at is None:
        return 0.0
    return (attempt.ended_at - attempt.answered_at).total_seconds()


def _without(attempt: CallAttempt) -> tuple[str, list[str]]:
    """State and faults of a call of which not one sample was written. NONE: too short for one, or he called us and heard
    our message alone, or the exchange was killed before it first wrote; that a talk has no sound is told all the same."""
    if attempt.result == "UNKNOWN":
        return "MISSING", [faults.NOT_RECORDED] if attempt.answered_at else []
    if attempt.direction == "in" and attempt.bridged_at is None:
        return "NONE", []
    if attempt.estimated and _call_s(attempt) < SHORTEST_S + WRITTEN_EVERY_S:
        return "NONE", [faults.NOT_RECORDED] if attempt.bridged_at else []
    if _call_s(attempt) < SHORTEST_S:
        return "NONE", []
    return "MISSING", [faults.NOT_RECORDED] if attempt.answered_at else []


def _faults(attempt: CallAttempt, kept: Kept) -> list[str]:
    if attempt.ended_at is None or attempt.answered_at is None or attempt.result == "UNKNOWN":
        return []  # when it ended is not known
    talk = (attempt.ended_at - attempt.bridged_at).total_seconds() if attempt.bridged_at else 0.0
    return faults.faults_of(
        faults.Heard(
            call_s=_call_s(attempt), talk_s=talk, seconds=kept.seconds,
            agent_dbfs=kept.agent_dbfs, borrower_dbfs=kept.borrower_dbfs, agent_clipped=kept.agent_clipped,
            borrower_clipped=kept.borrower_clipped,
        )
    )  # fmt: skip


def _lacks(folder: Path, base: str, attempt: CallAttempt) -> list[str]:
    """What can be said of a talk for whose sealing there is no room: whether its sound was written to the end."""
    sizes = [path.stat().st_size for path in (part(folder, base, side) for side in (AGENT, BORROWER)) if path.exists()]
    seconds = max(0, max(sizes, default=0) - 44) / (2 * RATE)
    if not seconds:
        return [faults.NOT_RECORDED]
    return [faults.CUT_SHORT] if faults.is_cut_short(_call_s(attempt), seconds) else []


def _write(row: Recording, kept: Kept, found: list[str]) -> None:
    row.state, row.sha256, row.bytes, row.seconds = "SEALED", kept.sha256, kept.bytes, kept.seconds
    row.wave_sha256 = kept.wave_sha256 or row.wave_sha256
    row.agent_dbfs, row.borrower_dbfs = kept.agent_dbfs, kept.borrower_dbfs
    row.agent_clipped, row.borrower_clipped = kept.agent_clipped, kept.borrower_clipped
    row.key_id, row.wrapped_key = kept.wrapped.key_id, kept.wrapped.blob
    row.faults = found
