"""Files of what ringing lines let us hear: names, reading, and the cut that is kept for a person to listen to."""

import secrets
from pathlib import Path
from uuid import UUID

import numpy as np
import soundfile

from recordings.fingerprint import HOP, RATE, Print, fingerprint

KEPT_S = 15.0  # of a sound that waits for a name
BEFORE_S = 0.3


def new_file(folder: Path, call_id: UUID) -> Path:
    """Never the name of another one: two programs that hear the same line write two files."""
    return folder / f"{call_id}-{secrets.token_hex(3)}.wav"


def call_of(file: Path) -> UUID | None:
    """None for a file of another name."""
    try:
        return UUID(file.stem.rpartition("-")[0])
    except ValueError:
        return None


def read(file: Path) -> tuple[np.ndarray, Print]:
    """Mono samples of -1..1 at RATE, and their fingerprint. Another rate is brought to RATE.

    Raises OSError, soundfile.LibsndfileError when it is no sound file.
    """
    sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
    samples = sound.mean(axis=1)
    if rate != RATE:
        places = np.arange(0, len(samples), rate / RATE)
        samples = np.interp(places, np.arange(len(samples)), samples).astype("float32")
    return samples, fingerprint(samples)


def write_cut(samples: np.ndarray, print_: Print, target: Path) -> None:
    """From just before the first active sound, KEPT_S at most. Raises OSError."""
    found = np.flatnonzero(print_.active)
    start = max(int(found[0]) * HOP - int(BEFORE_S * RATE), 0) if len(found) else 0
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    soundfile.write(part, samples[start : start + int(KEPT_S * RATE)], RATE, format="WAV", subtype="PCM_16")
    part.replace(target)
