"""After the call: the two sides become one two-channel file with its digest, length and levels."""

import hashlib
import math
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import soundfile

from recordings.naming import AGENT, BORROWER, MIXED, SEALED, part

SILENCE_DBFS = -99.0


@dataclass(frozen=True)
class Sealed:
    """`agent_dbfs`, `borrower_dbfs`: mean level of a side, dB below full scale; -99 = digital silence."""

    path: Path
    sha256: str
    bytes: int
    seconds: Decimal
    agent_dbfs: Decimal
    borrower_dbfs: Decimal


def _level(samples: "np.ndarray") -> Decimal:
    mean = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0
    return Decimal(str(round(20 * math.log10(mean), 1) if mean > 1e-5 else SILENCE_DBFS))


def seal(folder: Path, base: str) -> Sealed | None:
    """Joins the sides of one ended call; idempotent. None when there is no file (yet).

    The digest is of the sealed file. The parts that MixMonitor wrote are removed after the sealed file is whole.
    Raises OSError when the disk is full, soundfile.LibsndfileError when a part is not a sound file.
    """
    target = part(folder, base, SEALED)
    sides = [part(folder, base, AGENT), part(folder, base, BORROWER)]
    if not target.exists():
        if not all(side.exists() for side in sides):
            return None
        agent, borrower = (soundfile.read(side, dtype="float32")[0] for side in sides)
        length = max(len(agent), len(borrower))
        stereo = np.zeros((length, 2), dtype="float32")
        # both sides end together, when the call ends; a side that began later (no sound yet) is shorter at its start
        stereo[length - len(agent) :, 0], stereo[length - len(borrower) :, 1] = agent, borrower
        unfinished = target.with_suffix(".part")
        soundfile.write(unfinished, stereo, 8000, format="WAV", subtype="PCM_16")
        unfinished.replace(target)
    samples, rate = soundfile.read(target, dtype="float32", always_2d=True)
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    for leftover in (*sides, part(folder, base, MIXED)):
        leftover.unlink(missing_ok=True)
    return Sealed(
        target, digest, target.stat().st_size, Decimal(str(round(len(samples) / rate, 3))),
        _level(samples[:, 0]), _level(samples[:, 1]),
    )  # fmt: skip
