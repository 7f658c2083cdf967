"""Keys that wrap the keys of recordings. Who has one of them and the database can hear; the exchange has neither.

They come from the setting `recordings_key`, or are made once and kept in `<data>/keys/recordings`. The first is used for
new recordings; older ones only open what they closed. Turning to a new one wraps the files' keys anew, no file is touched.
"""

import contextlib
import hashlib
import os
import secrets
import tempfile
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from backoffice_core.config import Settings
from backoffice_core.errors import BadInput, Refused


class KeyMissing(Refused):
    """The key that closed this recording is not among those of this installation."""

    code = "KEY_MISSING"


@dataclass(frozen=True)
class Wrapped:
    """A file's key, closed by the key of that id and bound to its call."""

    key_id: str
    blob: bytes


class KeyRing:
    """`keys`: 32 bytes each, the current one first."""

    def __init__(self, keys: list[bytes]) -> None:
        self._keys = {hashlib.sha256(b"recordings" + key).hexdigest()[:12]: key for key in keys}
        self.current = next(iter(self._keys))

    @property
    def ids(self) -> list[str]:
        return list(self._keys)

    def wrap(self, call_id: UUID, key: bytes) -> Wrapped:
        nonce = os.urandom(12)
        return Wrapped(self.current, nonce + AESGCM(self._keys[self.current]).encrypt(nonce, key, call_id.bytes))

    def unwrap(self, call_id: UUID, wrapped: Wrapped) -> bytes:
        """Raises KeyMissing when the wrapping key is not there, or this is another call's or a changed key."""
        if wrapped.key_id not in self._keys:
            raise KeyMissing(remedy="Give the older key, too, in BACKOFFICE_RECORDINGS_KEY or data/keys/recordings.")
        try:
            return AESGCM(self._keys[wrapped.key_id]).decrypt(wrapped.blob[:12], wrapped.blob[12:], call_id.bytes)
        except (InvalidTag, ValueError):
            raise KeyMissing("The recording's key does not belong to this call, or was changed.") from None


def load(settings: Settings) -> KeyRing:
    """Raises BadInput for a key that is not 64 hexadecimal digits."""
    said = settings.recordings_key.get_secret_value()
    words = said.split(",") if said else _kept(settings).split()
    try:
        keys = [bytes.fromhex(word.strip()) for word in words]
    except ValueError:
        keys = []
    if not keys or any(len(key) != 32 for key in keys):
        raise BadInput(
            "A key of recordings is not 64 hexadecimal digits.",
            remedy="Give BACKOFFICE_RECORDINGS_KEY as made by `openssl rand -hex 32`; older keys follow, parted by commas.",
        )
    return KeyRing(keys)


def add(settings: Settings) -> KeyRing:
    """A new current key in the kept file. Raises BadInput when the keys come from the setting."""
    _own_file(settings)
    _write(key_file(settings), [secrets.token_hex(32), *_kept(settings).split()])
    return load(settings)


def keep_only(settings: Settings, count: int) -> KeyRing:
    """Drops all but the newest `count` keys of the kept file: what only they could open is lost for good."""
    _own_file(settings)
    _write(key_file(settings), _kept(settings).split()[: max(1, count)])
    return load(settings)


def key_file(settings: Settings) -> Path:
    return settings.data / "keys" / "recordings"


def _own_file(settings: Settings) -> None:
    if settings.recordings_key.get_secret_value():
        raise BadInput(
            "The keys of recordings come from BACKOFFICE_RECORDINGS_KEY.",
            remedy="Put the new key first there, restart, then run `backoffice recordings rotate-key` again.",
        )


def _kept(settings: Settings) -> str:
    file = key_file(settings)
    if not file.exists():
        _write(file, [secrets.token_hex(32)], only_new=True)
    return file.read_text()


def _write(file: Path, keys: list[str], *, only_new: bool = False) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, unfinished = tempfile.mkstemp(dir=file.parent)  # made 0600
    try:
        with os.fdopen(descriptor, "w") as out:
            out.write("\n".join(keys) + "\n")
            out.flush()
            os.fsync(out.fileno())
        if only_new:
            with contextlib.suppress(FileExistsError):
                os.link(unfinished, file)  # the first of several programs wins, the others read its key
        else:
            os.replace(unfinished, file)
    finally:
        Path(unfinished).unlink(missing_ok=True)
