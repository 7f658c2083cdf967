"""A real, small recordings volume under the whole house: it fills up while calls go on (issue 4, FL-16)."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select

from backoffice_core.call_centre.calls import recording_room
from backoffice_core.call_centre.dialing import stop
from backoffice_core.call_centre.models import CallAttempt, Recording
from backoffice_core.cases.models import Task
from backoffice_core.cases.rules import CALLBACK
from backoffice_core.events import QueueChanged
from backoffice_core.parts import asterisk
from far_end.endpoint import Endpoint
from far_end.media import SOUNDS, Engine
from tests import house
from tests.conftest import until
from tests.running import RunningHouse, running_house

VOLUME_MB = 48
OURS = "380445550100"


@contextlib.contextmanager
def small_volume(folder: Path) -> Iterator[int]:
    """A volume of its own where this machine lets us mount one, else the real free space; gives the MB to be kept free."""
    folder.mkdir(parents=True)
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={VOLUME_MB}m", "none", str(folder)], check=False, capture_output=True
        ).returncode
    )
    free_mb = psutil.disk_usage(str(folder)).free // 2**20
    try:
        yield 0 if mounted else free_mb - 400
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: Path, keep_free: int) -> None:
    """Takes the room but for `keep_free` bytes."""
    with file.open("wb") as out:
        found = os.statvfs(file.parent)
        os.posix_fallocate(out.fileno(), 0, found.f_bavail * found.f_frsize - keep_free)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    data = tmp_path_factory.mktemp("small-volume") / "data"
    with (
        small_volume(data / "recordings") as must_stay_free,
        running_house(data, ring_timeout_s=15, recordings_min_free_mb=must_stay_free, recordings_full_pct=92) as one,
    ):
        yield one


async def test_a_volume_that_fills_up_stops_dialing_and_no_call_goes_unrecorded_in_silence(
    running: RunningHouse,
) -> None:
    """Issue 4: full above the mark: no call leaves us, ringing is taken back, the talk goes on and what its recording
    lacks stands on it; who calls us meanwhile hears the message; space alone lifts nothing, a person does."""
    recordings = running.settings.recordings_dir
    filler = recordings / "filler"
    async with running.robots(2):
        (talk, rings) = await running.dial("060", "777")  # talks 16 s; never answers

        async def both() -> bool:
            first, second = await running.attempt(talk), await running.attempt(rings)
            return bool(first and first.state == "CONNECTED" and second and second.state == "RINGING")

        await until(both, 30, what="one talks, one rings")
        before = len([e for e in running.carrier_events() if e["event"] == "INVITE"])
        mark = running.settings.recordings_min_free_mb
        await asyncio.to_thread(fill, filler, (mark - 1) * 2**20 if mark else 0)
        await until(lambda: stop.stopped(running.settings), 5)
        await running.dial("030")
        await until(
            lambda: any(e["event"] == "CANCEL" for e in running.carrier_events()), 10, what="ringing is taken back"
        )
        await until(running.settings.stop_file.exists, 10, what="the worker wrote the stop")
        notice = stop.stopped(running.settings)
        assert notice is not None
        assert (notice.by, notice.code) == (stop.THE_HOUSE, "RECORDINGS_FULL")
        await _calls_in_hear_the_message(running)
        await asyncio.to_thread(asterisk.refresh, running.settings)  # a phone can be added all the same
        with pytest.raises(recording_room.RecordingsFull):
            stop.lift_now(running.settings, "тест", "можна")
        call = await running.ended(talk)
        assert call.result == "ANSWERED_HUMAN", "the talk went on to its end"
        assert call.answered_at is not None
        assert call.ended_at is not None
        if not mark:  # the volume is truly full: what could not be written stands on the call
            row = await _judged(running, call.id)
            assert row.faults, "a recording that lacks something is told"
        filler.unlink()
        assert stop.stopped(running.settings) is not None, "space alone does not lift it"
        assert len([e for e in running.carrier_events() if e["event"] == "INVITE"]) == before
        stop.lift_now(running.settings, "тест", "том звільнено")
        await running.news(QueueChanged())
        await until(
            lambda: len([e for e in running.carrier_events() if e["event"] == "INVITE"]) > before,
            20,
            what="dialing goes on",
        )


async def _calls_in_hear_the_message(running: RunningHouse) -> None:
    """An agent is free, but the talk could not be recorded: the caller hears the neutral message and is called back."""
    number = "+380671110002"
    async with running.database() as database, database.begin() as s:
        known = await house.borrower(s, running.clock, number=number)
        known.task.state = "CANCELLED"
    caller = Endpoint(Engine(), "somebody", keep_heard=True)
    await caller.open()
    where = ("127.0.0.1", running.settings.ports.sip)
    assert any(seat.state == "READY" for seat in await running.seats()), "somebody could take it"
    call = await caller.dial(OURS, where, caller=number.removeprefix("+"), sound=SOUNDS / "borrower-uk.wav", limit=20)
    await asyncio.wait_for(call.over.wait(), 30)
    assert call.stream is not None
    assert call.stream.packets > 100, "he heard the message"

    async def called_back() -> bool:
        async with running.database() as database, database.begin() as s:
            tasks = select(Task).where(Task.case_id == known.case.id, Task.kind == CALLBACK)
            return (await s.execute(tasks)).scalar_one_or_none() is not None

    await until(called_back, 20, every=0.2, what="the task to call back")
    async with running.database() as database, database.begin() as s:
        query = select(CallAttempt, Recording).join(Recording, Recording.call_id == CallAttempt.id)
        attempt, recording = (await s.execute(query.where(CallAttempt.number == number))).one()
    assert (attempt.result, attempt.agent_id, attempt.bridged_at, recording.state) == ("MISSED", None, None, "NONE")


async def _judged(running: RunningHouse, call_id: object) -> Recording:
    async def look() -> Recording | None:
        async with running.database() as database, database.begin() as s:
            row = await s.get_one(Recording, call_id)
            return row if row.state != "EXPECTED" or row.faults else None

    found: Recording = await until(look, 60, every=0.5, what="told within 60 s of the call's end")
    return found


async def test_a_folder_that_asterisk_cannot_write_is_told_within_the_minute(running: RunningHouse) -> None:
    """Issue 4: MixMonitor cannot write: the call is marked as not recorded, and on the floor's list."""
    await running.clear_queue()
    day = running.settings.recordings_dir / f"{running.clock.today():%Y/%m/%d}"
    day.mkdir(parents=True, exist_ok=True)
    owner, mode = day.stat(), day.stat().st_mode
    os.chown(day, os.geteuid(), os.getegid())
    day.chmod(0o500 if os.geteuid() else 0o700)
    try:
        async with running.robots(1):
            (task,) = await running.dial("040")
            call = await running.ended(task)
            row = await _judged(running, call.id)
    finally:
        os.chown(day, owner.st_uid, owner.st_gid)
        day.chmod(mode)
    assert (row.state, row.faults) == ("MISSING", ["NOT_RECORDED"])
