"""A sealed recording for the console, which has asked for permission and noted the listening before."""

import re

from backoffice_core.call_centre.models import Recording
from backoffice_core.config import Settings
from backoffice_core.errors import NotFound
from recordings import keys, store
from recordings.crypt import SealedSound
from recordings.keys import Wrapped

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def open_sound(settings: Settings, recording: Recording) -> SealedSound:
    """Opened, not read. Raises NotFound when it is not sealed (yet) or its file is gone, KeyMissing without its key."""
    path = store.find(settings, recording.path) if recording.state == "SEALED" else None
    if path is None or recording.wrapped_key is None:
        raise NotFound("The recording is not there.", remedy="It appears some seconds after the call's end.")
    key = keys.load(settings).unwrap(recording.call_id, Wrapped(recording.key_id, recording.wrapped_key))
    return SealedSound(path, key)


def media_type(sound: SealedSound) -> str:
    return "audio/flac" if next(sound.read(0, min(4, sound.length)), b"") == b"fLaC" else "audio/ogg"


def asked_range(header: str | None, length: int) -> tuple[int, int] | None:
    """First byte and the one after the last that a Range header asks for. None = the whole: no header, or one of a kind
    that may be passed over. Raises ValueError when it lies behind the end (416).
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if not found or not any(found.groups()):
        return None
    first, last = found.groups()
    start = int(first) if first else max(0, length - int(last))
    end = min(int(last) + 1, length) if first and last else length
    if start >= end:
        raise ValueError("behind the end")
    return start, end
