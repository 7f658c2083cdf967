"""Files that only the holder of the backup key can read: AES-256-GCM in chunks, each file under a key of its own.

The file key is wrapped by the backup key. A chunk's nonce carries its number and whether it is the last, so that chunks
cannot be left out, swapped or cut off unseen (the STREAM construction); the head of the file is bound to every chunk.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import secrets
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backoffice_core.config import Settings
from backoffice_core.errors import BadInput, NotFound

MAGIC = b"BackOffice strongbox 1\n"
CHUNK = 1 << 20
TAG = 16
_KEY_FORM = re.compile(r"[0-9a-f]{64}")


class BackupKey:
    """256 bits, written as 64 hexadecimal digits. `id` names it without telling it."""

    def __init__(self, text: str) -> None:
        """Raises BadInput, which does not repeat the key."""
        if not _KEY_FORM.fullmatch(text.strip().lower()):
            raise BadInput(
                "The backup key is not 64 hexadecimal digits.", remedy="Set BACKOFFICE_BACKUP_KEY to the key you kept."
            )
        self.text = text.strip().lower()
        self._key = bytes.fromhex(self.text)
        self.id = self._derive(b"id").hex()[:12]

    def _derive(self, label: bytes) -> bytes:
        return hmac.new(self._key, b"backoffice backup " + label, hashlib.sha256).digest()

    @property
    def wrapping(self) -> AESGCM:
        return AESGCM(self._derive(b"wrapping"))

    def mark(self, text: str) -> str:
        """Proves that the holder of the key wrote this text."""
        return hmac.new(self._derive(b"manifest"), text.encode(), hashlib.sha256).hexdigest()


def key_file(settings: Settings) -> Path:
    return settings.data / "backup.key"


def backup_key(settings: Settings, *, make: bool = False) -> BackupKey:
    """The key of the settings, else the kept one, else (`make`) a new one. Raises NotFound, BadInput."""
    said = settings.backup_key.get_secret_value()
    file = key_file(settings)
    if not said and not file.exists():
        if not make:
            raise NotFound(
                "There is no backup key here.",
                remedy="Set BACKOFFICE_BACKUP_KEY to the key you kept when the backup was made (`backoffice backup key`).",
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_hex(32))
            out.flush()
            os.fsync(out.fileno())
    return BackupKey(said or file.read_text())


class SealedWriter:
    """A binary file to write into once, from start to end. `digest` and `size` are those of the sealed file."""

    def __init__(self, file: Path, key: BackupKey, name: str, *, level: int = 1) -> None:
        """`name` is bound to the content: a file opened under another name is refused. `level` 0 = not compressed."""
        self.digest, self.size, self.plain = "", 0, 0
        file_key, nonce = AESGCM.generate_key(256), secrets.token_bytes(12)
        self._prefix, self._count = secrets.token_bytes(7), 0
        head: dict[str, Any] = {"name": name, "key": key.id, "packed": bool(level)}
        bound = json.dumps(head, sort_keys=True).encode()
        head["wrapped"] = base64.b64encode(nonce + key.wrapping.encrypt(nonce, file_key, bound)).decode()
        head["prefix"] = self._prefix.hex()
        self._head = MAGIC + json.dumps(head, sort_keys=True).encode() + b"\n"
        self._cipher = AESGCM(file_key)
        self._packer = zlib.compressobj(level) if level else None
        self._waiting = bytearray()
        self._hash = hashlib.sha256()
        self._out = file.open("xb")
        self._put(self._head)

    def write(self, data: bytes) -> int:
        self.plain += len(data)
        self._waiting += self._packer.compress(data) if self._packer else data
        while len(self._waiting) > CHUNK:  # one chunk stays back: it may be the last
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return len(data)

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._put(self._cipher.encrypt(_nonce(self._prefix, self._count, last), chunk, self._head))
        self._count += 1

    def _put(self, data: bytes) -> None:
        self._hash.update(data)
        self.size += len(data)
        self._out.write(data)

    def close(self) -> None:
        if self._out.closed:
            return
        if self._packer:
            self._waiting += self._packer.flush()
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        self._seal(bytes(self._waiting), last=True)
        self._out.flush()
        os.fsync(self._out.fileno())
        self._out.close()
        self.digest = self._hash.hexdigest()

    def __enter__(self) -> "SealedWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._out.close()


def sealed_output(
    argv: list[str], variables: dict[str, str], file: Path, key: BackupKey, name: str, step: Callable[[int], None]
) -> dict[str, Any]:
    """What a program writes, sealed as it comes: nothing of it touches the disk in clear. `step(bytes so far)`.

    Returns the sealed file's `bytes` and `sha256`. Raises BadInput with the program's last words when it fails.
    """
    with TemporaryFile() as words:  # a pipe that nobody empties meanwhile would stop the program
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=words, env=variables)
        assert child.stdout is not None  # noqa: S101 (for the type checker)
        try:
            with SealedWriter(file, key, name) as out:
                while data := child.stdout.read(CHUNK):
                    out.write(data)
                    step(out.plain)
            if child.wait(60):
                words.seek(0)
                said = words.read().decode(errors="replace").strip()
                raise BadInput(f"{Path(argv[0]).name} did not end well: {said[-400:]}", remedy="Repeat the backup.")
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
            child.stdout.close()
    return {"bytes": out.size, "sha256": out.digest}


def _nonce(prefix: bytes, count: int, last: bool) -> bytes:
    return prefix + count.to_bytes(4, "big") + bytes([last])


class SealedReader:
    """Reads what SealedWriter wrote, as a binary file: `read(n)`."""

    def __init__(self, raw: BinaryIO, pieces: Iterator[bytes]) -> None:
        self._raw, self._pieces, self._waiting = raw, pieces, bytearray()

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._waiting) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._waiting += piece
        end = len(self._waiting) if size < 0 else size
        data = bytes(self._waiting[:end])
        del self._waiting[:end]
        return data


@contextmanager
def opened(file: Path, key: BackupKey, name: str) -> Iterator[SealedReader]:
    """Raises BadInput while reading when the file is damaged, cut off, another one, or sealed with another key."""
    with file.open("rb") as raw:
        yield SealedReader(raw, _pieces(raw, file, key, name))


def _pieces(raw: BinaryIO, file: Path, key: BackupKey, name: str) -> Iterator[bytes]:
    cipher, prefix, head, packed = _head(raw, file, key, name)
    unpacker = zlib.decompressobj() if packed else None
    count, chunk = 0, raw.read(CHUNK + TAG)
    while True:
        following = raw.read(CHUNK + TAG)
        try:
            plain = cipher.decrypt(_nonce(prefix, count, not following), chunk, head)
            yield unpacker.decompress(plain) if unpacker else plain
        except (InvalidTag, zlib.error) as error:
            raise _damaged(file, f"its part {count + 1} is damaged, or the file is cut off") from error
        if not following:
            return
        count, chunk = count + 1, following


def _head(raw: BinaryIO, file: Path, key: BackupKey, name: str) -> tuple[AESGCM, bytes, bytes, bool]:
    if raw.read(len(MAGIC)) != MAGIC:
        raise _damaged(file, "it is no file of a backup")
    line = raw.readline(4096)
    try:
        head = json.loads(line)
        wrapped, prefix = base64.b64decode(head.pop("wrapped")), bytes.fromhex(head.pop("prefix"))
        if head["key"] != key.id:
            raise BadInput(
                f"{file.name} was sealed with the backup key {head['key']}, this one is {key.id}.",
                remedy="Set BACKOFFICE_BACKUP_KEY to the key that was kept then.",
            )
        if head["name"] != name:
            raise _damaged(file, f"it is {head['name']}, not {name}")
        bound = json.dumps(head, sort_keys=True).encode()
        file_key = key.wrapping.decrypt(wrapped[:12], wrapped[12:], bound)
    except (InvalidTag, ValueError, KeyError, TypeError, binascii.Error) as error:
        raise _damaged(file, "its head is damaged") from error
    return AESGCM(file_key), prefix, MAGIC + line, bool(head["packed"])


def _damaged(file: Path, why: str) -> BadInput:
    return BadInput(f"{file} cannot be used: {why}.", remedy="Use another backup: `backoffice backup list`.")


def digest_of(file: Path) -> str:
    with file.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()
