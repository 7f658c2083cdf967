"""The sealed file: nothing plain survives, no crash loses or doubles a talk, what was changed is found, seeking is quick."""

import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backoffice_core.config import Settings
from backoffice_core.errors import BadInput
from recordings import crypt, keys, sound, store
from recordings.faults import AGENT_CLIPPED, BORROWER_SILENT, CUT_SHORT, NO_SOUND, NOT_RECORDED, Heard, faults_of
from recordings.keys import KeyRing, Wrapped
from recordings.live import Ears
from recordings.naming import AGENT, BORROWER, KEY, MIXED, SEALED, STEREO, call_of, part
from recordings.playback import asked_range
from tests.conftest import ROOT
from tests.core import talk_files

RING = KeyRing([b"\1" * 32])
STEPS = ("encoded", "key", "unfinished", "sealed")


def _decoded(folder: Path, call: UUID, base: str, wrapped: Wrapped, ring: KeyRing = RING) -> "sound._Meter":
    with crypt.SealedSound(part(folder, base, SEALED), ring.unwrap(call, wrapped)) as sealed:
        return sound.measure(sealed.whole())


def test_a_talk_is_kept_as_two_channel_opus_and_encrypted(tmp_path: Path) -> None:
    """TL-03, FL-16: both sides on their channels, as long as recorded, digests of both, nothing readable on the disk."""
    call, base = uuid4(), "2026/11/18/x"
    talk_files.ordinary(tmp_path, base, 12)
    kept = store.seal(tmp_path, call, base, RING)
    assert kept is not None
    assert (float(kept.seconds), len(kept.sha256), len(kept.wave_sha256)) == (12.0, 64, 64)
    meter = _decoded(tmp_path, call, base, kept.wrapped)
    assert abs(float(meter.seconds) - 12.0) < 0.05
    assert all(abs(a - b) < 2 for a, b in zip(meter.dbfs, (kept.agent_dbfs, kept.borrower_dbfs), strict=True))
    store.remove_plain(tmp_path, base)
    left = {path.name: path.read_bytes() for path in part(tmp_path, base, "").parent.iterdir()}
    assert set(left) == {f"x{SEALED}", f"x{KEY}"}
    assert not any(mark in data for data in left.values() for mark in (b"OggS", b"Opus", b"RIFF"))
    assert oct(part(tmp_path, base, SEALED).stat().st_mode & 0o777) == "0o600"


def test_one_side_is_not_heard_on_the_others_channel(tmp_path: Path) -> None:
    """TL-09's proof rests on it: the codec does not carry the agent over to a silent borrower's side."""
    talk_files.talk(tmp_path, "x", talk_files.voice(8), talk_files.silence(8))
    call = uuid4()
    kept = store.seal(tmp_path, call, "x", RING)
    assert kept is not None
    agent, borrower = _decoded(tmp_path, call, "x", kept.wrapped).dbfs
    assert agent > -30
    assert agent - borrower > 30


_CHILD = """
import os, sys
from pathlib import Path
from uuid import UUID
from recordings import store
from recordings.keys import KeyRing
store.seal(Path(sys.argv[1]), UUID(sys.argv[2]), "x", KeyRing([b"\\1" * 32]),
           step=lambda name: os._exit(9) if name == sys.argv[3] else None)
"""


@pytest.mark.parametrize("killed_at", STEPS)
def test_killed_at_any_step_the_next_sealing_ends_in_one_good_copy(tmp_path: Path, killed_at: str) -> None:
    """FL-16, issue 4: the process is gone without a word; the plain sound is still there, and seals anew."""
    call = uuid4()
    talk_files.ordinary(tmp_path, "x")
    before = sound.encode(
        lambda: sound.beside(*(sound.samples_of(part(tmp_path, "x", suffix)) for suffix in (AGENT, BORROWER)))
    )
    child = subprocess.run(
        [sys.executable, "-c", _CHILD, str(tmp_path), str(call), killed_at],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60, check=False,
    )  # fmt: skip
    assert child.returncode == 9
    assert store.has_plain(tmp_path, "x"), "the plain sound goes last"
    kept = store.seal(tmp_path, call, "x", RING)
    assert kept is not None
    assert before is not None
    assert kept.wave_sha256 == before.wave_sha256
    store.remove_plain(tmp_path, "x")
    assert {path.suffix for path in tmp_path.iterdir()} == {SEALED, KEY}
    assert float(_decoded(tmp_path, call, "x", kept.wrapped).seconds) == 6.0


def test_a_sealed_file_whose_row_was_lost_is_taken_as_it_stands(tmp_path: Path) -> None:
    """FL-13: the database was restored to before the commit, the plain sound is gone; the key beside the file opens it."""
    call = uuid4()
    talk_files.ordinary(tmp_path, "x")
    first = store.seal(tmp_path, call, "x", RING)
    store.remove_plain(tmp_path, "x")
    again = store.seal(tmp_path, call, "x", RING)
    assert first is not None
    assert again is not None
    assert (again.sha256, again.seconds, again.wrapped) == (first.sha256, first.seconds, first.wrapped)


def test_a_recording_whose_writer_was_killed_is_whole(tmp_path: Path) -> None:
    """Asterisk killed: the header says nothing of the length, all the sound counts."""
    talk_files.talk(tmp_path, "x", talk_files.voice(3), talk_files.voice(4), header_written=False)
    kept = store.seal(tmp_path, uuid4(), "x", RING)
    assert kept is not None
    assert float(kept.seconds) == 4.0


def test_one_side_alone_and_an_older_stereo_file_are_kept_too(tmp_path: Path) -> None:
    talk_files.put(part(tmp_path, "one", BORROWER), talk_files.voice(3))
    assert store.seal(tmp_path, uuid4(), "one", RING) is None, "the other side may still come"
    kept = store.seal(tmp_path, uuid4(), "one", RING, one_side=True)
    assert kept is not None
    assert (float(kept.seconds), float(kept.agent_dbfs)) == (3.0, -99.0)
    both = np.stack([talk_files.voice(2), talk_files.voice(2, "borrower-uk")], axis=1)
    talk_files.put(part(tmp_path, "old", STEREO), both)
    kept = store.seal(tmp_path, uuid4(), "old", RING)
    assert kept is not None
    assert kept.borrower_dbfs > -40


def test_the_mix_alone_is_better_than_nothing_and_headers_are_nothing(tmp_path: Path) -> None:
    """Asterisk killed: of three files, each written 32 KiB at a time, the mix may be the only one with sound."""
    talk_files.talk(tmp_path, "x", talk_files.silence(0), talk_files.silence(0))
    assert store.seal(tmp_path, uuid4(), "x", RING, one_side=True) is None
    talk_files.put(part(tmp_path, "x", MIXED), talk_files.voice(2))
    assert store.seal(tmp_path, uuid4(), "x", RING) is None, "the sides may still come"
    kept = store.seal(tmp_path, uuid4(), "x", RING, one_side=True)
    assert kept is not None
    assert min(kept.agent_dbfs, kept.borrower_dbfs) > -40
    assert [store.remove_soundless(tmp_path, "x"), store.has_plain(tmp_path, "x")] == [["x-out.wav", "x-in.wav"], True]


def test_sound_that_opus_does_not_carry_is_kept_without_loss() -> None:
    """A carrier's tone of 3.9 kHz lies above what the codec keeps at 8 kHz; the recording must not be worse than the talk."""
    tone = (20000 * np.sin(np.arange(8000 * 4) * 2 * np.pi * 3990 / 8000)).astype("<i2")
    encoded = sound.encode(lambda: sound.blocks_of(np.stack([tone, tone], axis=1)))
    assert encoded is not None
    meter = sound.measure(encoded.stored)
    assert abs(meter.dbfs[0] - encoded.agent_dbfs) <= 3


@given(st.integers(1, 200_000), st.integers(0, 250_000), st.integers(1, 250_000))
@settings(max_examples=60, deadline=None)
def test_any_range_of_a_sealed_file_is_what_was_sealed(length: int, start: int, size: int) -> None:
    """TL-04: seeking by Range gives the same bytes as playing through."""
    import tempfile

    plain, key = np.random.default_rng(length).bytes(length), crypt.new_key()
    with tempfile.TemporaryDirectory() as folder:
        crypt.write(Path(folder) / "f", plain, key)
        with crypt.SealedSound(Path(folder) / "f", key) as sealed:
            end = min(start + size, length)
            assert b"".join(sealed.read(min(start, end), end)) == plain[min(start, end) : end]


@pytest.mark.parametrize("harm", ["bit", "cut", "swapped chunks", "header", "other key"])
def test_a_harmed_file_is_found(tmp_path: Path, harm: str) -> None:
    """Issue 4: change, swap and cut-off are found, not played."""
    file, key = tmp_path / "f", crypt.new_key()
    crypt.write(file, os.urandom(3 * crypt.CHUNK + 100), key)
    data = bytearray(file.read_bytes())
    whole = crypt.CHUNK + crypt.TAG
    if harm == "bit":
        data[70_000] ^= 1
    elif harm == "cut":
        del data[-crypt.TAG - 100 :]
    elif harm == "swapped chunks":
        data[32 : 32 + 2 * whole] = data[32 + whole : 32 + 2 * whole] + data[32 : 32 + whole]
    elif harm == "header":
        data[19] ^= 1
    file.write_bytes(data)
    with (
        crypt.SealedSound(file, crypt.new_key() if harm == "other key" else key) as sealed,
        pytest.raises(crypt.Damaged),
    ):
        sealed.whole()


def test_an_hour_is_sought_in_well_under_two_seconds(tmp_path: Path) -> None:
    """FL-16: the last piece of an hour's talk, opened and decrypted, within the 2 s that a listener waits."""
    file, key = tmp_path / "f", crypt.new_key()
    crypt.write(file, os.urandom(20 * 2**20), key)
    began = time.perf_counter()
    with crypt.SealedSound(file, key) as sealed:
        assert len(b"".join(sealed.read(sealed.length - 200_000, sealed.length))) == 200_000
    assert time.perf_counter() - began < 0.5


def test_ranges_are_read_as_browsers_say_them() -> None:
    assert asked_range(None, 100) is None
    assert asked_range("bytes=0-", 100) == (0, 100)
    assert asked_range("bytes=10-19", 100) == (10, 20)
    assert asked_range("bytes=90-500", 100) == (90, 100)
    assert asked_range("bytes=-30", 100) == (70, 100)
    assert asked_range("bytes=1-2,5-6", 100) is None, "several at once: the whole is a lawful answer"
    for behind in ("bytes=100-", "bytes=5-2", "bytes=-0"):
        with pytest.raises(ValueError, match="behind"):
            asked_range(behind, 100)


# --- keys ------------------------------------------------------------------------------------------------------------


def test_a_files_key_opens_only_with_its_ring_and_only_for_its_call() -> None:
    call, key = uuid4(), crypt.new_key()
    wrapped = RING.wrap(call, key)
    assert RING.unwrap(call, wrapped) == key
    newer = KeyRing([b"\2" * 32, b"\1" * 32])
    assert newer.unwrap(call, wrapped) == key, "an older key still opens"
    assert newer.wrap(call, key).key_id == newer.current != wrapped.key_id
    for ring, who in ((KeyRing([b"\2" * 32]), call), (RING, uuid4())):
        with pytest.raises(keys.KeyMissing):
            ring.unwrap(who, wrapped)


def test_the_kept_keys_are_made_once_readable_by_the_owner_and_turned(tmp_path: Path) -> None:
    house = Settings(data=tmp_path)
    first = keys.load(house)
    assert keys.load(house).current == first.current
    assert oct(keys.key_file(house).stat().st_mode & 0o777) == "0o600"
    assert oct(keys.key_file(house).parent.stat().st_mode & 0o777) == "0o700"
    second = keys.add(house)
    assert second.ids == [second.current, first.current]
    assert keys.keep_only(house, 1).ids == [second.current]
    given_key = Settings(data=tmp_path, recordings_key="ab" * 32)
    assert keys.load(given_key).current not in second.ids
    for refuse in (lambda: keys.add(given_key), lambda: keys.load(Settings(data=tmp_path, recordings_key="abc"))):
        with pytest.raises(BadInput):
            refuse()


# --- faults ----------------------------------------------------------------------------------------------------------


def _heard(**said: object) -> Heard:
    good = {"call_s": 30.0, "talk_s": 20.0, "seconds": 30, "agent_dbfs": -25, "borrower_dbfs": -25,
            "agent_clipped": 0, "borrower_clipped": 0}  # fmt: skip
    return Heard(**(good | said))  # type: ignore[arg-type]


def test_faults_are_named() -> None:
    """FL-16, TL-12: one-way audio says which way; a short talk is not judged; the robot's message to nobody neither."""
    assert faults_of(_heard()) == []
    assert faults_of(_heard(borrower_dbfs=-99)) == [BORROWER_SILENT]
    assert faults_of(_heard(borrower_dbfs=-99, agent_dbfs=-70)) == [NO_SOUND]
    assert faults_of(_heard(agent_clipped=3)) == [AGENT_CLIPPED]
    assert faults_of(_heard(seconds=12)) == [CUT_SHORT]
    assert faults_of(_heard(talk_s=3, borrower_dbfs=-99)) == []


def test_clipping_is_measured_on_real_sound(tmp_path: Path) -> None:
    talk_files.talk(tmp_path, "x", talk_files.voice(8, gain=12), talk_files.voice(8, "borrower-uk"))
    kept = store.seal(tmp_path, uuid4(), "x", RING)
    assert kept is not None
    assert kept.agent_clipped > 2
    assert kept.borrower_clipped < 0.1


def test_a_dead_side_is_known_while_the_talk_runs(tmp_path: Path) -> None:
    """FL-16: the sides' files grow; who has not been heard for 20 s of talk is named, and no longer once he is heard."""
    ears, call = Ears(), uuid4()
    talk_files.talk(tmp_path, "x", talk_files.voice(2), talk_files.voice(2))
    assert ears.look(tmp_path, call, "x", 1) == []
    for seconds, agent, borrower, expected in (
        (12, 10, 0, []), (22, 10, 0, [BORROWER_SILENT]), (32, 0, 5, []),
    ):  # fmt: skip
        for suffix, said in ((AGENT, agent), (BORROWER, borrower)):
            with part(tmp_path, "x", suffix).open("ab") as out:
                out.write((talk_files.voice(10) if said else talk_files.silence(10)).tobytes())
        assert ears.look(tmp_path, call, "x", seconds) == expected
    assert ears.look(tmp_path, uuid4(), "none", 25) == [NOT_RECORDED]


def test_a_side_that_dies_or_is_overdriven_in_the_middle_of_a_talk_is_named(tmp_path: Path) -> None:
    """Issue 4: noticed within 60 s, not at the end of a talk of half an hour; no longer once it is mended."""
    ears, call, heard = Ears(), uuid4(), []
    talk_files.talk(tmp_path, "x", talk_files.silence(0), talk_files.silence(0))
    for n in range(
        14
    ):  # looks, 10 s apart: the borrower falls silent after the fourth, the agent shouts from the tenth
        for suffix, samples in (
            (AGENT, talk_files.voice(10, gain=12 if 10 <= n < 12 else 1)),
            (BORROWER, talk_files.voice(10, "borrower-uk") if n < 4 or n > 9 else talk_files.silence(10)),
        ):
            with part(tmp_path, "x", suffix).open("ab") as out:
                out.write(samples.tobytes())
        heard.append(ears.look(tmp_path, call, "x", 10.0 * (n + 1)))
    assert heard[:7] == [[]] * 7
    assert heard[7:10] == [[BORROWER_SILENT]] * 3, "40 s after he was heard last"
    assert heard[10:12] == [[AGENT_CLIPPED]] * 2


def test_names_are_read_back() -> None:
    call = uuid4()
    for suffix in (AGENT, BORROWER, SEALED, KEY, STEREO, SEALED + ".part"):
        assert call_of(f"{call}{suffix}") == (call, suffix)
    assert call_of("lost+found") is None
    assert call_of("notes.wav") is None
