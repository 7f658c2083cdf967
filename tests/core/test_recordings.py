"""Recordings in the database and on the disk together: sealing, sweeping, tiers, retention, holds, keys, room (FL-16, TL-03)."""

import asyncio
import json
import os
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from backoffice_core.bus import Bus
from backoffice_core.call_centre.calls import recording_room
from backoffice_core.call_centre.calls import recordings as rows
from backoffice_core.call_centre.dialing import stop
from backoffice_core.call_centre.models import CallAttempt, DialingStop, LegalHold, Recording, RecordingDeletion
from backoffice_core.clock import Clock
from backoffice_core.compliance import loader
from backoffice_core.compliance import service as compliance
from backoffice_core.config import Settings
from backoffice_core.db import Database, new_key
from backoffice_core.errors import BadInput
from recordings import disposal, keys, store, sweeper
from recordings.keeper import Keeper
from recordings.keys import Wrapped
from recordings.naming import AGENT, KEY, QUARANTINE, SEALED, part
from recordings.playback import open_sound
from tests import house
from tests.core import talk_files
from tests.core.test_night_commands import run


@dataclass
class Archive:
    """Ended calls with their sound, in a folder of this test."""

    settings: Settings
    database: Database
    clock: Clock
    keeper: Keeper

    async def call(
        self, *, seconds: float = 6, ago: timedelta = timedelta(seconds=5), sound: bool = True, **fields: Any
    ) -> UUID:
        """A call that ended `ago`; its row expects a recording."""
        wall, now, call = self.clock.wall(), self.clock.now(), new_key()
        day = (now - ago).astimezone(self.clock.zone).date()
        async with self.database.begin() as s:
            lender = await house.borrower(s, self.clock)
            base = f"{day:%Y/%m/%d}/{call}"
            attempt = {
                "id": call, "task_id": lender.task.id, "case_id": lender.case.id, "person_id": lender.person.id,
                "contact_point_id": lender.phone.id, "number": lender.phone.value, "campaign": "collection",
                "purpose": "collection", "trunk": "far-end", "caller_id": "", "language": "uk", "fence": 1, "state": "ENDED",
                "business_at": now - ago, "claimed_at": wall - ago - timedelta(seconds=seconds + 2),
                "answered_at": wall - ago - timedelta(seconds=seconds), "bridged_at": wall - ago - timedelta(seconds=seconds),
                "ended_at": wall - ago, "result": "ANSWERED_HUMAN", "outcome": "REFUSE", "recording": base,
            }  # fmt: skip
            s.add(CallAttempt(**(attempt | fields)))
            s.add(Recording(call_id=call, case_id=lender.case.id, path=base, created_at=wall - ago))
        if sound:
            await asyncio.to_thread(talk_files.ordinary, self.settings.recordings_dir, base, seconds)
        return call

    async def sealed(self, **options: Any) -> UUID:
        call = await self.call(**options)
        await self.keeper.seal_due()
        assert (await self.row(call)).state == "SEALED"
        return call

    async def row(self, call: UUID) -> Recording:
        async with self.database.begin() as s:
            return await s.get_one(Recording, call)

    async def files(self, call: UUID) -> list[str]:
        found = self.settings.recordings_dir.rglob(f"{call}*")
        return sorted(path.name.removeprefix(str(call)) for path in found)

    async def plays(self, call: UUID) -> bool:
        row = await self.row(call)
        with open_sound(self.settings, row) as sound:
            return len(sound.whole()) > 1000


@pytest.fixture
async def archive(live_settings: Settings, database: Database, bus: Bus, clock: Clock, tmp_path: Path) -> Archive:
    settings = live_settings.model_copy(update={"data": tmp_path, "recordings_archive": tmp_path / "older"})
    settings.recordings_dir.mkdir()
    settings.recordings_archive.mkdir()  # type: ignore[union-attr]
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
    return Archive(settings, database, clock, Keeper(settings, database, bus, clock))


async def test_after_the_call_it_is_sealed_measured_and_plays(archive: Archive) -> None:
    """TL-03, FL-16: row and file tied, digest and levels there, faults within the minute; nothing plain left."""
    good = await archive.call()
    quiet = await archive.call(sound=False)
    base = (await archive.row(quiet)).path
    talk_files.talk(archive.settings.recordings_dir, base, talk_files.voice(6), talk_files.silence(6))
    lost = await archive.call(sound=False, ago=timedelta(seconds=40))
    await archive.keeper.seal_due()
    row, dead, none = [await archive.row(call) for call in (good, quiet, lost)]
    assert (row.state, row.faults, len(row.sha256), len(row.wave_sha256)) == ("SEALED", [], 64, 64)
    assert await archive.files(good) == [KEY, SEALED]
    assert await archive.plays(good)
    assert (dead.state, dead.faults) == ("SEALED", ["BORROWER_SILENT"])
    assert (none.state, none.faults) == ("MISSING", ["NOT_RECORDED"])
    start, end = archive.clock.day_bounds(archive.clock.today())
    async with archive.database.begin() as s:
        told = {one.call_id: one.faults for one in await rows.bad_sound(s, start, end)}
    assert told == {quiet: ["BORROWER_SILENT"], lost: ["NOT_RECORDED"]}


async def test_calls_that_came_in_are_kept_as_all_others(archive: Archive) -> None:
    """TL-03, FL-02: sealed, judged and counted by retention; nobody records the message that a missed caller hears."""
    talked = await archive.call(direction="in", task_id=None)
    late = timedelta(seconds=40)
    lost = await archive.call(direction="in", task_id=None, sound=False, ago=late)
    missed = await archive.call(
        direction="in", task_id=None, sound=False, ago=late, bridged_at=None, result="MISSED", outcome=None
    )
    await archive.keeper.seal_due()
    found = [await archive.row(call) for call in (talked, lost, missed)]
    assert [row.state for row in found] == ["SEALED", "MISSING", "NONE"]
    assert [row.faults for row in found] == [[], ["NOT_RECORDED"], []]
    async with archive.database.begin() as s:
        aged = await rows.aged(s, archive.clock.now() + timedelta(days=1))
    assert [(one.call_id, one.held) for one in aged] == [(talked, False)]


async def test_two_workers_do_not_spoil_each_others_key(archive: Archive, bus: Bus) -> None:
    calls = [await archive.call(seconds=20) for _ in range(3)]
    other = Keeper(archive.settings, archive.database, bus, archive.clock)
    await asyncio.gather(archive.keeper.seal_due(), other.seal_due())
    await archive.keeper.seal_due()
    for call in calls:
        assert await archive.plays(call)


async def test_killed_after_the_commit_the_sweeper_removes_the_plain_sound(archive: Archive) -> None:
    """Issue 4, the last crash points: row committed, plain files not gone, or only some of them, or an unfinished file."""
    call = await archive.sealed()
    row = await archive.row(call)
    folder = archive.settings.recordings_dir
    talk_files.ordinary(folder, row.path)
    part(folder, row.path, SEALED + ".part").write_bytes(b"half")
    part(folder, row.path, AGENT).unlink()
    swept = await archive.keeper.sweep_recent()
    assert swept.plain_removed == [row.path]
    assert await archive.files(call) == [KEY, SEALED]
    assert await archive.plays(call)
    part(folder, row.path, SEALED).write_bytes(b"spoiled")
    talk_files.ordinary(folder, row.path)
    await archive.keeper.sweep_recent()
    assert len(await archive.files(call)) > 2, "the plain sound is the only good copy: it stays and is sealed anew"
    await archive.keeper.seal_due()
    assert await archive.plays(call)


async def test_files_without_a_call_and_calls_without_a_file(archive: Archive) -> None:
    """FL-16: the sweeper both ways, twice the same; what came back is taken back; names of others are left alone."""
    folder = archive.settings.recordings_dir
    kept, gone, late = [await archive.sealed() for _ in range(3)]
    gone_row, stranger = await archive.row(gone), uuid4()
    day = f"{archive.clock.today():%Y/%m/%d}"
    talk_files.ordinary(folder, f"{day}/{stranger}")
    young = uuid4()
    talk_files.ordinary(folder, f"{day}/{young}")
    for path in (folder / day).glob(f"{stranger}*"):
        os.utime(path, (1, 1))
    (folder / "lost+found").mkdir()
    (folder / "notes.txt").write_text("x")
    part(folder, gone_row.path, SEALED).rename(archive.settings.data / "aside")
    calls, foreign = sweeper.look_at_files(archive.settings)
    for found in calls[stranger]:
        calls[stranger] = [sweeper.Found(found.folder, found.base, found.suffixes, newest=0)]
    known = {call: await archive.row(call) for call in (kept, gone, late)}
    ring = keys.load(archive.settings)
    swept = sweeper.compare(archive.settings, ring, calls, known, change=True)
    assert [Path(name).suffix for name in swept.quarantined] == [KEY, SEALED], "no plain sound lies in quarantine"
    assert all(str(stranger) in name for name in swept.quarantined)
    assert foreign == ["notes.txt"]
    assert sweeper.quarantined(archive.settings) == sorted(swept.quarantined)
    for _ in range(2):
        swept = await archive.keeper.sweep()
        assert (swept.again, swept.quarantined) == ([], [])
        row = await archive.row(gone)
        assert (row.state, row.faults) == ("MISSING", ["NOT_RECORDED"])
    (archive.settings.data / "aside").rename(part(folder, gone_row.path, SEALED))
    swept = await archive.keeper.sweep()
    assert swept.back == [gone]
    assert await archive.plays(gone)
    assert await archive.plays(kept)
    code, out, _ = await run(archive.settings, "recordings", "check", "--deep", "--json")
    told = json.loads(out)
    assert code == 1
    assert (told["rows"], len(told["in_quarantine"]), told["damaged"], told["lost"]) == ({"SEALED": 3}, 2, [], [])
    assert (folder / day / f"{young}-in.wav").exists(), "a young file may belong to a row that comes"


def _headers(folder: Path, base: str) -> None:
    """What an exchange leaves that was killed before it first wrote: three headers."""
    talk_files.talk(folder, base, talk_files.silence(0), talk_files.silence(0))


async def test_headers_without_a_sample_go_and_a_talk_that_was_not_written_is_told(archive: Archive) -> None:
    """FL-16, TL-03: Asterisk killed in the first two seconds of a call has written nothing. No file stays that belongs to
    nothing, and a talk without its sound is told; without the kill it would be a recording that is missing."""
    late, folder = timedelta(seconds=40), archive.settings.recordings_dir
    killed = await archive.call(sound=False, ago=late, seconds=2.5, estimated=True)
    later = await archive.call(sound=False, ago=late, seconds=5, estimated=True)
    unanswered = await archive.call(sound=False, ago=late, answered_at=None, bridged_at=None, result="NO_ANSWER")
    calls = (killed, later, unanswered)
    for call in calls:
        _headers(folder, (await archive.row(call)).path)
    async with archive.database.begin() as s:
        (await s.get_one(Recording, unanswered)).state = "NONE"  # settled as not answered: the keeper is not asked
    await archive.keeper.seal_due()
    assert [await archive.files(call) for call in calls[:2]] == [[], []]
    found = [await archive.row(call) for call in calls]
    assert [(row.state, row.faults) for row in found] == [
        ("NONE", ["NOT_RECORDED"]), ("MISSING", ["NOT_RECORDED"]), ("NONE", []),
    ]  # fmt: skip
    assert (await archive.keeper.sweep_recent()).again == [unanswered], "there are files: the keeper is to look"
    await archive.keeper.seal_due()
    assert await archive.files(unanswered) == []
    assert (await archive.row(unanswered)).state == "NONE"


async def test_the_sweeper_removes_headers_that_an_older_release_left(archive: Archive) -> None:
    """FL-16: looked at before, empty, left lying."""
    call = await archive.call(sound=False, ago=timedelta(seconds=40), seconds=0.3)
    await archive.keeper.seal_due()
    row = await archive.row(call)
    _headers(archive.settings.recordings_dir, row.path)
    async with archive.database.begin() as s:
        (await s.get_one(Recording, call)).sealed_at = archive.clock.wall() + timedelta(seconds=1)
    assert len((await archive.keeper.sweep(change=False)).soundless) == 3
    assert len(await archive.files(call)) == 3, "a look changes nothing"
    assert len((await archive.keeper.sweep_recent()).soundless) == 3
    assert await archive.files(call) == []


async def test_sound_of_a_call_that_was_settled_as_unanswered_is_sealed(archive: Archive) -> None:
    """TL-06: killed between the answer and its news; the recording knows better, and stays with its call."""
    call = await archive.call(ago=timedelta(seconds=40), answered_at=None, bridged_at=None, result="NO_ANSWER")
    async with archive.database.begin() as s:
        (await s.get_one(Recording, call)).state = "NONE"
    await archive.keeper.sweep_recent()
    await archive.keeper.seal_due()
    assert await archive.files(call) == [KEY, SEALED]
    assert await archive.plays(call)


async def test_sound_that_cannot_be_read_is_never_removed_and_told_until_somebody_looks(archive: Archive) -> None:
    """FL-16: nothing with sound is destroyed in silence, and a mended file is taken."""
    call = await archive.call(sound=False, ago=timedelta(seconds=40))
    base, folder = (await archive.row(call)).path, archive.settings.recordings_dir
    _headers(folder, base)
    spoiled = part(folder, base, AGENT)
    spoiled.write_bytes(b"no sound" * 100)
    await archive.keeper.seal_due()
    assert (await archive.row(call)).state == "MISSING"
    assert await archive.files(call) == [AGENT], "headers without a sample are gone"
    swept = await archive.keeper.sweep_recent()
    assert (swept.unsealed, swept.again) == ([call], [])
    assert (await archive.keeper.sweep()).again == [call], "tried again every night"
    talk_files.put(spoiled, talk_files.voice(6))
    await archive.keeper.seal_due()
    assert (await archive.row(call)).state == "SEALED"
    assert await archive.files(call) == [KEY, SEALED]


async def test_after_a_restore_the_quarantined_sound_comes_back_with_its_row(archive: Archive) -> None:
    """FL-13: sealed after the backup, so the restored database knows nothing; the key beside the file opens it."""
    call = await archive.sealed()
    row = await archive.row(call)
    folder = archive.settings.recordings_dir
    for suffix in (SEALED, KEY):
        target = folder / QUARANTINE / f"{row.path}{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        part(folder, row.path, suffix).rename(target)
    async with archive.database.begin() as s:
        found = await s.get_one(Recording, call)
        found.state, found.wrapped_key, found.key_id, found.sha256 = "EXPECTED", None, "", ""
        (await s.get_one(CallAttempt, call)).ended_at = archive.clock.wall() - timedelta(minutes=5)
    await archive.keeper.seal_due()
    assert (await archive.row(call)).sha256 == row.sha256
    assert await archive.plays(call)
    assert sweeper.quarantined(archive.settings) == []


async def test_older_recordings_move_to_the_older_tier_and_play_as_fast(archive: Archive) -> None:
    """FL-16: by age, copy proved before the first one goes; the player finds it within 2 s."""
    old = await archive.sealed(seconds=120, ago=timedelta(days=40))
    new = await archive.sealed()
    today = archive.clock.today()
    assert await asyncio.to_thread(sweeper.archive, archive.settings, today) == 1
    assert await asyncio.to_thread(sweeper.archive, archive.settings, today) == 0
    row = await archive.row(old)
    older = archive.settings.recordings_archive
    assert older is not None
    assert part(older, row.path, SEALED).exists()
    assert not part(archive.settings.recordings_dir, row.path, SEALED).exists()
    began = time.perf_counter()
    assert await archive.plays(old)
    assert time.perf_counter() - began < 1
    assert await archive.plays(new)
    swept = await archive.keeper.sweep()
    assert (swept.lost, swept.quarantined, swept.again) == ([], [], [])


# --- retention -------------------------------------------------------------------------------------------------------


async def _keep_days(archive: Archive, days: int, **applies: Any) -> None:
    raw = {"id": "BANK-KEEP", "jurisdiction": "UA", "kind": "retention", "applies_to": {"object": ["recording"], **applies},
           "params": {"days": days, "from": "event"}, "effective_from": "2021-01-01", "source": "order 17 of the bank",
           "verified": True}  # fmt: skip
    shipped = next(row for row in loader.read_file() if row["id"] == "UA-KEEP")
    async with archive.database.begin() as s:  # rules only grow: the shipped row gets a version that is over
        await compliance.load_rules(s, "test", [{**shipped, "effective_to": "2022-01-01"}, raw])


async def test_what_no_rule_keeps_goes_key_first_and_leaves_a_row(archive: Archive) -> None:
    """FL-16: dry run, holds of case and call, deletion with its row; the files of a killed run go with the next."""
    await _keep_days(archive, 30)
    old, on_case, on_call = [await archive.sealed(ago=timedelta(days=40)) for _ in range(3)]
    new = await archive.sealed(ago=timedelta(days=2))
    case_of = (await archive.row(on_case)).case_id
    async with archive.database.begin() as s:
        await rows.place_hold(
            s, case_id=case_of, call_id=None, reason="суд", by="Юрист", wall=archive.clock.wall()
        )  # fmt: skip
        hold = await rows.place_hold(
            s, case_id=None, call_id=on_call, reason="скарга", by="Юрист", wall=archive.clock.wall()
        )  # fmt: skip
        with pytest.raises(BadInput):
            await rows.place_hold(s, case_id=case_of, call_id=None, reason=" ", by="Юрист", wall=archive.clock.wall())
    code, out, _ = await run(archive.settings, "recordings", "retention", "--dry-run", "--json")
    dry = json.loads(out)
    assert code == 0
    assert [UUID(one["call_id"]) for one in dry["deleted"]] == [old]
    assert dry["verdicts"] == {"DUE": 1, "HELD": 2, "NOT_YET": 1}
    assert await archive.plays(old), "a dry run deletes nothing"
    before = await archive.row(old)
    await disposal.run(archive.database, archive.settings, archive.clock)
    row = await archive.row(old)
    assert (row.state, row.wrapped_key, await archive.files(old)) == ("DELETED", None, [])
    async with archive.database.begin() as s:
        (left,) = (await s.scalars(select(RecordingDeletion))).all()
    assert (left.call_id, left.sha256, left.rule_id, left.rule["source"]) == (
        old, before.sha256, "BANK-KEEP", "order 17 of the bank",
    )  # fmt: skip
    assert left.files_gone_at is not None
    for call in (on_case, on_call, new):
        assert await archive.plays(call)
    async with archive.database.begin() as s:
        await rows.lift_hold(s, hold.id, reason="вирішено", by="Юрист", wall=archive.clock.wall())
        (aged,) = [a for a in await rows.aged(s, archive.clock.now()) if a.call_id == on_call]
        assert await rows.delete(s, aged, rule_id="R", rule_version=1, rule={}, wall=archive.clock.wall())
    assert await archive.files(on_call) == [KEY, SEALED], "killed here: the key is gone, the files are not"
    await disposal.run(archive.database, archive.settings, archive.clock)
    assert await archive.files(on_call) == []
    swept = await archive.keeper.sweep()
    assert (swept.lost, swept.again) == ([], [])


async def test_a_hold_that_comes_during_the_deletion_wins(archive: Archive) -> None:
    await _keep_days(archive, 30)
    call = await archive.sealed(ago=timedelta(days=40))
    async with archive.database.begin() as s:
        (aged,) = await rows.aged(s, archive.clock.now())
        s.add(LegalHold(call_id=call, reason="x", placed_by="y", placed_at=archive.clock.wall()))
    async with archive.database.begin() as s:
        assert not await rows.delete(s, aged, rule_id="R", rule_version=1, rule={}, wall=archive.clock.wall())
    assert await archive.plays(call)


async def test_the_shipped_rules_alone_delete_no_ukrainian_recording(archive: Archive) -> None:
    call = await archive.sealed(ago=timedelta(days=4000))
    done = await disposal.run(archive.database, archive.settings, archive.clock)
    assert (done.verdicts["NOT_VERIFIED"], done.deleted) == (1, [])
    assert await archive.plays(call)


# --- keys, commands, room ----------------------------------------------------------------------------------------------


async def test_turning_the_key_wraps_anew_and_touches_no_sound(archive: Archive) -> None:
    """FL-16: after the rotation the old key opens nothing, and every recording plays."""
    call = await archive.sealed()
    before = await archive.row(call)
    old_ring = keys.load(archive.settings)
    sealed = part(archive.settings.recordings_dir, before.path, SEALED).read_bytes()
    code, out, err = await run(archive.settings, "recordings", "rotate-key", "--drop-old", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert (told["wrapped_anew"], told["keys"]) == (1, 1)
    row = await archive.row(call)
    assert row.key_id == told["key"] != before.key_id
    assert part(archive.settings.recordings_dir, row.path, SEALED).read_bytes() == sealed
    assert await archive.plays(call)
    beside = store.read_key(archive.settings.recordings_dir, row.path)
    for wrapped in (Wrapped(row.key_id, row.wrapped_key or b""), beside):
        assert wrapped is not None
        with pytest.raises(keys.KeyMissing):
            old_ring.unwrap(call, wrapped)
    assert (await disposal.rewrap(archive.database, archive.settings)) == 0


async def test_holds_by_command(archive: Archive) -> None:
    call = await archive.sealed()
    code, out, err = await run(archive.settings, "recordings", "hold", "--call", str(call), "--json")
    assert (code, "--by" in err) == (1, True)
    code, out, err = await run(
        archive.settings, "recordings", "hold", "--call", str(call), "--by", "Юрист", "--reason", "суд", "--json"
    )
    assert code == 0, err
    number = json.loads(out)["hold"]
    _, out, _ = await run(archive.settings, "recordings", "holds", "--json")
    assert [(h["hold"], h["reason"], h["placed_by"]) for h in json.loads(out)] == [(number, "суд", "Юрист")]
    code, *_ = await run(archive.settings, "recordings", "release", str(number), "--by", "Юрист", "--reason", "кінець")
    assert code == 0
    _, out, _ = await run(archive.settings, "recordings", "holds", "--json")
    assert json.loads(out) == []


async def test_status_says_how_long_the_volume_lasts(archive: Archive) -> None:
    """FL-16: GB per day and days until full, from what was truly stored."""
    for days in (0, 1, 2):
        await archive.sealed(seconds=60, ago=timedelta(days=days, seconds=5))
    code, out, _ = await run(archive.settings, "status", "--json")
    told = json.loads(out)["recordings"]
    assert code == 1, "nothing runs here, and that is told as before"
    assert told["hours_per_day"] == 0.02
    assert 2 < told["mb_per_hour"] < 40
    room = recording_room.look(archive.settings)
    assert room is not None
    async with archive.database.begin() as s:
        per_day = await rows.stored_per_day(s, archive.clock.wall())
    assert per_day is not None
    assert per_day.days == 3
    assert told["days_until_full"] == pytest.approx(room.left_bytes / per_day.bytes, rel=0.01)
    assert told["full"] is False


async def test_a_full_volume_is_a_stop_with_its_own_code_and_a_row(archive: Archive) -> None:
    """Issue 4: at once by whoever asks, then as the file, which stays when space is back; a person's stop is left alone."""
    full = archive.settings.model_copy(update={"recordings_min_free_mb": 10**9})
    notice = stop.stopped(full)
    assert notice is not None
    assert (notice.by, notice.code) == (stop.THE_HOUSE, "RECORDINGS_FULL")
    assert not full.stop_file.exists()
    archive.keeper.settings = full
    await archive.keeper.watch_room()
    await archive.keeper.watch_room()
    assert json.loads(full.stop_file.read_text())["code"] == "RECORDINGS_FULL"
    assert stop.stopped(archive.settings) is not None, "space alone does not lift it"
    async with archive.database.begin() as s:
        (row,) = (await s.scalars(select(DialingStop))).all()
    assert (row.stopped_by, row.reason, row.lifted_at) == (stop.THE_HOUSE, "RECORDINGS_FULL", None)
    with pytest.raises(recording_room.RecordingsFull):
        stop.lift_now(full, "Олена", "треба")
    stop.lift_now(archive.settings, "Олена", "том збільшено")
    stop.stop_now(full, "Олена", "скарга", archive.clock.wall())
    await archive.keeper.watch_room()
    found = stop.stopped(full)
    assert found is not None
    assert found.by == "Олена"


async def test_keys_beside_the_files_go_when_every_backup_has_them(archive: Archive) -> None:
    old = await archive.sealed(ago=timedelta(days=20))
    new = await archive.sealed()
    await archive.keeper._drop_old_keys(archive.clock.today())
    assert (await archive.files(old), await archive.files(new)) == ([SEALED], [KEY, SEALED])
    assert await archive.plays(old)
