"""The files of recordings: sealing after the call, finding, removing. Every step may be the last before a power cut.

Order of a sealing: encode in memory and compare → key beside the file → file → (the row is committed by the caller) → the
plain sound is removed. Whoever stops in between, the next sealing begins anew from the plain sound, or, when that is
gone, takes what stands.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import soundfile

from backoffice_core.config import Settings
from recordings import crypt, sound
from recordings.keys import KeyRing, Wrapped
from recordings.naming import AGENT, BORROWER, KEY, MIXED, PLAIN, SEALED, STEREO, UNFINISHED, part

Step = Callable[[str], None]
Block = sound.Block


def _no_step(_: str) -> None:
    pass


@dataclass(frozen=True)
class Kept:
    """One sealed recording; figures as in `sound.Encoded`, `bytes` on the disk. `wave_sha256` "" = not known any more."""

    bytes: int
    sha256: str
    wave_sha256: str
    seconds: Decimal
    agent_dbfs: Decimal
    borrower_dbfs: Decimal
    agent_clipped: Decimal
    borrower_clipped: Decimal
    wrapped: Wrapped


def seal(
    folder: Path, call_id: UUID, base: str, ring: KeyRing, *, one_side: bool = False, step: Step = _no_step
) -> Kept | None:
    """Seals one ended call; safe to repeat. None when there is no sound (yet). The plain files stay: see `remove_plain`.

    `one_side`: be content with one, or with both mixed. Raises OSError when the disk is full, soundfile.LibsndfileError
    when a part is no sound file, sound.Unfaithful when the encoded sound is not the recorded one.
    """
    blocks = _plain_blocks(folder, base, one_side)
    if blocks is None:
        return _what_stands(folder, call_id, base, ring)
    encoded = sound.encode(blocks)
    if encoded is None:
        return None
    step("encoded")
    key = crypt.new_key()
    wrapped = ring.wrap(call_id, key)
    write_key(folder, base, wrapped)
    step("key")
    target = part(folder, base, SEALED)
    unfinished = part(folder, base, SEALED + UNFINISHED)
    crypt.write(unfinished, encoded.stored, key)
    step("unfinished")
    unfinished.replace(target)
    sync(target.parent)
    with crypt.SealedSound(target, key) as written:
        if hashlib.sha256(written.whole()).hexdigest() != encoded.sha256:
            raise sound.Unfaithful("the written file is not what was encoded")
    step("sealed")
    return Kept(
        target.stat().st_size, encoded.sha256, encoded.wave_sha256, encoded.seconds, encoded.agent_dbfs,
        encoded.borrower_dbfs, encoded.agent_clipped, encoded.borrower_clipped, wrapped,
    )  # fmt: skip


def _plain_blocks(folder: Path, base: str, one_side: bool) -> Callable[[], Iterator[Block]] | None:
    """None when no file holds a sample."""
    sides = [_samples(folder, base, suffix) for suffix in (AGENT, BORROWER)]
    there = [side for side in sides if side is not None]
    if any(map(len, there)) and (len(there) == 2 or one_side):
        return lambda: sound.beside(*sides)
    stereo = _samples(folder, base, STEREO)
    if stereo is not None and len(stereo):
        return lambda: sound.blocks_of(stereo)
    mixed = _samples(folder, base, MIXED) if one_side else None
    if mixed is not None and len(mixed):
        return lambda: sound.beside(mixed, mixed)
    return None


def _samples(folder: Path, base: str, suffix: str) -> np.ndarray | None:
    path = part(folder, base, suffix)
    return sound.samples_of(path) if path.exists() else None


def _what_stands(folder: Path, call_id: UUID, base: str, ring: KeyRing) -> Kept | None:
    """A sealed file whose row was lost: killed before the commit, or the database was restored to an earlier moment."""
    target, wrapped = part(folder, base, SEALED), read_key(folder, base)
    if wrapped is None or not target.exists():
        return None
    with crypt.SealedSound(target, ring.unwrap(call_id, wrapped)) as sealed:
        stored = sealed.whole()
    meter = sound.measure(stored)
    (agent, borrower), (agent_clipped, borrower_clipped) = meter.dbfs, meter.clipped
    return Kept(
        target.stat().st_size, hashlib.sha256(stored).hexdigest(), "", meter.seconds, agent, borrower,
        agent_clipped, borrower_clipped, wrapped,
    )  # fmt: skip


def write_key(folder: Path, base: str, wrapped: Wrapped) -> None:
    """The wrapped key beside the file, whole or not at all."""
    unfinished = part(folder, base, KEY + UNFINISHED)
    with unfinished.open("w") as out:
        out.write(f"{wrapped.key_id} {wrapped.blob.hex()}\n")
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(part(folder, base, KEY))


def read_key(folder: Path, base: str) -> Wrapped | None:
    try:
        key_id, blob = part(folder, base, KEY).read_text().split()
        return Wrapped(key_id, bytes.fromhex(blob))
    except (FileNotFoundError, ValueError):
        return None


def folders(settings: Settings) -> list[Path]:
    """Where sealed recordings may lie: the recordings volume first, then the older tier."""
    return [settings.recordings_dir, *([settings.recordings_archive] if settings.recordings_archive else [])]


def find(settings: Settings, base: str) -> Path | None:
    """The sealed file, on whichever tier."""
    return next((path for f in folders(settings) if (path := part(f, base, SEALED)).is_file()), None)


def is_good(settings: Settings, call_id: UUID, base: str, ring: KeyRing, wrapped: Wrapped, sha256: str) -> bool:
    """Whether the sealed file opens with this key and is what was sealed."""
    path = find(settings, base)
    if path is None:
        return False
    try:
        with crypt.SealedSound(path, ring.unwrap(call_id, wrapped)) as sealed:
            return hashlib.sha256(sealed.whole()).hexdigest() == sha256
    except crypt.Damaged:
        return False


def has_plain(folder: Path, base: str) -> bool:
    return any(part(folder, base, suffix).exists() for suffix in PLAIN)


def remove_soundless(folder: Path, base: str) -> list[str]:
    """Removes those plain files of a call that hold not one sample: an exchange that was killed leaves their headers.
    Their names."""
    removed = []
    for suffix in PLAIN:
        path = part(folder, base, suffix)
        if not holds_sound(path):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
                removed.append(path.name)
    return removed


def holds_sound(path: Path) -> bool:
    """Whether there may be a sample in it; what cannot be read may hold some."""
    try:
        return len(sound.samples_of(path)) > 0
    except FileNotFoundError:
        return False
    except (soundfile.LibsndfileError, OSError, ValueError):
        return True


def remove_plain(folder: Path, base: str) -> None:
    """Only after the row is committed."""
    for suffix in (*PLAIN, SEALED + UNFINISHED, KEY + UNFINISHED):
        part(folder, base, suffix).unlink(missing_ok=True)


def remove_all(settings: Settings, base: str) -> None:
    """Every trace of one recording, its key first."""
    for folder in folders(settings):
        part(folder, base, KEY).unlink(missing_ok=True)
        part(folder, base, SEALED).unlink(missing_ok=True)
        remove_plain(folder, base)


def sync(path: Path) -> None:
    """A file's content, or a folder's names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
