"""Sound as MixMonitor leaves it: three wave files of one call, made of the far end's voices."""

import wave
from pathlib import Path

import numpy as np
import soundfile

from recordings.naming import AGENT, BORROWER, MIXED, part
from tests.conftest import ROOT

RATE = 8000
SOUNDS = ROOT / "far_end" / "sounds"


def voice(seconds: float, name: str = "agent-uk", gain: float = 1.0) -> np.ndarray:
    """Speech, repeated until it is that long."""
    said, _ = soundfile.read(SOUNDS / f"{name}.wav", dtype="float32")
    wanted = int(seconds * RATE)
    long = np.tile(said, wanted // len(said) + 1)[:wanted]
    return np.clip(long * gain * 32767, -32767, 32767).astype("<i2")


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE), dtype="<i2")


def put(file: Path, samples: np.ndarray, *, header_written: bool = True) -> None:
    """A wave file; `header_written` False = its writer was killed before it told the length."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(samples.tobytes())
    if not header_written:
        with file.open("r+b") as out:
            for at in (4, 40):
                out.seek(at)
                out.write(b"\0\0\0\0")


def talk(folder: Path, base: str, agent: np.ndarray, borrower: np.ndarray, *, header_written: bool = True) -> None:
    for suffix, samples in ((AGENT, agent), (BORROWER, borrower), (MIXED, agent)):
        put(part(folder, base, suffix), samples, header_written=header_written)


def ordinary(folder: Path, base: str, seconds: float = 6.0) -> None:
    """Both are heard; the borrower's side begins with the call, the agent's later."""
    talk(folder, base, voice(seconds - 1), voice(seconds, "borrower-uk"))
