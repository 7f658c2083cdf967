"""One sealed file: AES-256-GCM in chunks, so that a player may seek; a key of its own, used for this file alone.

Layout: a header of 32 bytes (magic, chunk size, length of the sound), then chunks of 64 KiB, each with its 16-byte tag.
A chunk's nonce is its number: the key never encrypts a second file. Header and number are authenticated with each
chunk, so that a changed, swapped, moved or missing chunk is found.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK, TAG = 64 * 1024, 16
_MAGIC = b"BOREC\x00\x00\x01"
_HEADER = struct.Struct(">8sIQ12x")


class Damaged(Exception):
    """The sealed file is not what was written with this key."""


def new_key() -> bytes:
    return AESGCM.generate_key(256)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def write(path: Path, sound: bytes, key: bytes) -> None:
    """Writes and syncs the file. `key` must be new: see the module. Raises OSError when the disk is full."""
    cipher, header = AESGCM(key), _HEADER.pack(_MAGIC, CHUNK, len(sound))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(header)
        for number, start in enumerate(range(0, len(sound), CHUNK)):
            out.write(cipher.encrypt(_nonce(number), sound[start : start + CHUNK], header + _nonce(number)))
        out.flush()
        os.fsync(out.fileno())


class SealedSound:
    """A sealed file opened for reading at any place. Raises Damaged when it is no sealed file, OSError when it is gone."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._file: BinaryIO = path.open("rb")
        try:
            self._header = self._file.read(_HEADER.size)
            magic, self._chunk, self.length = _HEADER.unpack(self._header)
        except struct.error:
            self.close()
            raise Damaged("too short") from None
        if magic != _MAGIC or not self._chunk:
            self.close()
            raise Damaged("not a sealed recording")
        self._cipher = AESGCM(key)

    def read(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to `end` (not included), piece by piece. Raises Damaged."""
        for number in range(start // self._chunk, -(-end // self._chunk)):
            first = number * self._chunk
            self._file.seek(_HEADER.size + number * (self._chunk + TAG))
            size = min(self._chunk, self.length - first)
            sealed = self._file.read(size + TAG)
            try:
                plain = self._cipher.decrypt(_nonce(number), sealed, self._header + _nonce(number))
            except (InvalidTag, ValueError):
                raise Damaged(f"chunk {number}") from None
            yield plain[max(0, start - first) : end - first]

    def whole(self) -> bytes:
        return b"".join(self.read(0, self.length))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> "SealedSound":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
