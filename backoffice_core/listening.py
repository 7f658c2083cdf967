"""Listens to ringing lines and recognises what networks say there, in the worker and out of the dialing path (FL-18).

A line that plays something before its answer (183) is recorded, which answers nothing: no Up, no CEL ANSWER. After the
call's end the file is recognised, the verdict goes to the attempt, and the file is deleted; an unknown announcement is
kept until a person has named it. Whatever is lost here costs a verdict, never a call.
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import soundfile
import structlog
from sqlalchemy.exc import DBAPIError

from asterisk_conf import early_dir
from backoffice_core.bus import Bus
from backoffice_core.call_centre.carriers import announcements
from backoffice_core.call_centre.carriers.announcements import Sound
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.events import CallChanged
from backoffice_core.pbx.actions import record_ringing, stop_recording_ringing
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused, ActionUnknown, Event, LinkDown
from recordings import early
from recordings.fingerprint import Print
from recordings.recognise import UNKNOWN, Known, Verdict, recognise

log = structlog.get_logger()
LOOK_S = 0.5
TIDY_EVERY_S = 3600.0
COMPLETE_AFTER = timedelta(seconds=1)  # a file is whole a moment after the call's end
ORPHAN_AFTER_S = 600.0  # a file whose call nobody knows


@dataclass(frozen=True)
class _Heard:
    """One file of an ended call."""

    file: Path
    attempt: CallAttempt


class Ears:
    def __init__(self, settings: Settings, database: Database, bus: Bus, clock: Clock) -> None:
        self.settings, self.database, self.bus, self.clock = settings, database, bus, clock
        self.folder = early_dir(settings)
        self.ami = Ami(
            settings.asterisk_host, settings.ports.ami, "ear", settings.derived_secret("ami:ear"), "ear",
            wanted=frozenset({"DialState", "Newstate"}),
        )  # fmt: skip
        self.recording: dict[str, str] = {}  # channel -> the recording's id
        self.answered: dict[str, float] = {}  # lately, for an answer that overtakes the order to record
        self.orders: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self.settings.early_media_s:
                group.create_task(self.ami.run())
                group.create_task(self._listen())
            group.create_task(self._look())

    # --- while it rings ------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        async for event in self.ami.events():
            if not isinstance(event, Event):
                self.recording.clear()
            elif event.name == "DialState" and event.get("DialStatus") == "PROGRESS":
                if (call_id := _call_of(event.get("DestUniqueid"))) and event.get("DestUniqueid") not in self.recording:
                    self._do(self._record(event.get("DestUniqueid"), call_id))
            elif event.name == "Newstate" and event.get("ChannelState") == "6":
                channel = event.get("Uniqueid")
                if recording := self.recording.pop(channel, ""):
                    self._do(self._stop(channel, recording))
                else:
                    self.answered = {c: at for c, at in self.answered.items() if time.monotonic() - at < 10}
                    self.answered[channel] = time.monotonic()

    def _do(self, order: Coroutine[Any, Any, None]) -> None:
        self.orders.add(task := asyncio.create_task(order))
        task.add_done_callback(self.orders.discard)

    async def _record(self, channel: str, call_id: UUID) -> None:
        """For `early_media_s` at most. A call that was answered meanwhile is not recorded here."""
        self.recording[channel] = ""
        try:
            recording = await record_ringing(self.ami, channel, early.new_file(self.folder, call_id))
        except (LinkDown, ActionUnknown, ActionRefused, BadInput) as error:
            log.warning("a ringing line is not heard", call_id=str(call_id), error=error.code)
            recording = ""
        if channel in self.answered and recording:
            await self._stop(channel, recording)
        elif recording:
            self.recording[channel] = recording
            await asyncio.sleep(self.settings.early_media_s)
            if self.recording.get(channel) == recording:
                await self._stop(channel, recording)
        self.recording.pop(channel, None)

    async def _stop(self, channel: str, recording: str) -> None:
        with contextlib.suppress(LinkDown, ActionUnknown, ActionRefused, BadInput):
            await stop_recording_ringing(self.ami, channel, recording)

    # --- after the call ------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        tidied = 0.0
        while True:
            try:
                await self.recognise_ended()
                if time.monotonic() - tidied > TIDY_EVERY_S:
                    tidied = time.monotonic()
                    await self._tidy()
            except (DBAPIError, OSError, TimeoutError) as error:
                log.warning("announcements wait", error=type(error).__name__)
            await asyncio.sleep(LOOK_S)

    async def recognise_ended(self) -> int:
        """One look at the folder: files of ended calls are recognised and go away. Returns how many were."""
        files = await asyncio.to_thread(lambda: sorted(self.folder.glob("*.wav")) if self.folder.is_dir() else [])
        if not files:
            return 0
        calls = {file: call_id for file in files if (call_id := early.call_of(file)) is not None}
        async with self.database.begin() as s:
            known = await announcements.calls_of(s, list(set(calls.values())))
        done = 0
        for file in files:
            attempt = known.get(calls[file]) if file in calls else None
            if attempt is None:
                _drop_old(file)
            elif attempt.answered_at is not None and attempt.ended_at is not None:
                file.unlink(missing_ok=True)
            elif attempt.ended_at is not None and self.clock.wall() - attempt.ended_at >= COMPLETE_AFTER:
                await self._recognise(_Heard(file, attempt))
                done += 1
        return done

    async def _recognise(self, heard: _Heard) -> None:
        attempt = heard.attempt
        carrier = announcements.network_of(attempt.number)
        async with self.database.begin() as s:
            entries = await announcements.library(s)
        library = [
            Known(e.announcement_id, e.meaning, Print.from_bytes(e.fingerprint), e.language, e.carrier) for e in entries
        ]
        try:
            samples, print_ = await asyncio.to_thread(early.read, heard.file)
        except (soundfile.LibsndfileError, ValueError):
            log.warning("what a line let us hear cannot be read", call_id=str(attempt.id))
            heard.file.unlink(missing_ok=True)
            return
        verdict = await asyncio.to_thread(recognise, print_, library, carrier)
        if verdict.meaning:
            file = f"{attempt.id}.wav"
            if verdict.meaning == UNKNOWN:
                await asyncio.to_thread(early.write_cut, samples, print_, self.settings.announcements_dir / file)
            kept = await self._write(attempt, verdict, print_.trimmed(), file, carrier)
            if not kept:
                (self.settings.announcements_dir / file).unlink(missing_ok=True)
        heard.file.unlink(missing_ok=True)

    async def _write(self, attempt: CallAttempt, verdict: Verdict, print_: Print, file: str, carrier: str) -> bool:
        """Whether the sound is kept."""
        kept, key = False, verdict.key
        async with self.database.begin() as s:
            if verdict.meaning == UNKNOWN:
                sound = Sound(fingerprint=print_.to_bytes(), seconds=print_.seconds, file=file, call_id=attempt.id)
                key, kept = await announcements.keep(
                    s, sound, wall=self.clock.wall(), announcement_id=key, language=attempt.language, carrier=carrier
                )
            now = self.clock.business(attempt.ended_at or self.clock.wall())
            noted = await announcements.note(s, attempt.id, verdict.meaning, verdict.distance, key, now)
        if noted is not None:
            log.info("announcement", call_id=str(attempt.id), meaning=verdict.meaning, distance=verdict.distance)
            await self.bus.publish(CallChanged(call_id=attempt.id, agent_id=None))
        return kept

    async def _tidy(self) -> None:
        async with self.database.begin() as s:
            files = await announcements.forget_old(s, self.clock.wall())
        for file in files:
            (self.settings.announcements_dir / file).unlink(missing_ok=True)


def _call_of(channel: str) -> UUID | None:
    try:
        return UUID(channel)
    except ValueError:
        return None


def _drop_old(file: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if time.time() - file.stat().st_mtime > ORPHAN_AFTER_S:
            file.unlink()
