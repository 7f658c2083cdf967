"""Listening while the talk runs: the level of what each side's file grew by. A dead side is known before the call's end."""

from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np

from recordings import faults
from recordings.naming import AGENT, BORROWER, part
from recordings.sound import RATE, level

JUDGED_AFTER_S = 20.0  # of talk: long enough that even a listener has said a word, and past every write buffer
_HEADER = 44


@dataclass
class _Side:
    at: int = -1  # bytes read so far; -1 = not looked at yet
    grown: int = 0
    audible: bool = False


@dataclass
class Ears:
    """One per worker. Only what is new since the last look is read."""

    _calls: dict[UUID, dict[str, _Side]] = field(default_factory=dict)

    def look(self, folder: Path, call_id: UUID, base: str, talk_s: float) -> list[str]:
        """Codes of faults so far; empty while all is well or it is too early to say."""
        sides = self._calls.setdefault(call_id, {AGENT: _Side(), BORROWER: _Side()})
        for suffix, side in sides.items():
            _listen(part(folder, base, suffix), side)
        if talk_s < JUDGED_AFTER_S:
            return []
        if not any(side.grown for side in sides.values()):
            return [faults.NOT_RECORDED]
        return faults.silent_sides(not sides[AGENT].audible, not sides[BORROWER].audible)

    def forget_but(self, calls: set[UUID]) -> None:
        for call in self._calls.keys() - calls:
            del self._calls[call]


def _listen(path: Path, side: _Side) -> None:
    """The first look begins at the end of what is there: what was before the talk says nothing of it."""
    try:
        size = path.stat().st_size
        if side.at < 0:
            side.at = max(_HEADER, size - (size - _HEADER) % 2)
        with path.open("rb") as wave:
            wave.seek(side.at)
            new = wave.read(min(size - side.at, RATE * 2 * 60) // 2 * 2)
    except (FileNotFoundError, ValueError):
        return
    side.at += len(new)
    side.grown += len(new)
    samples = np.frombuffer(new, dtype="<i2")
    for start in range(0, len(samples), RATE):
        second = samples[start : start + RATE]
        loud = level(float(np.square(second, dtype=np.float64).sum()), len(second))
        side.audible = side.audible or loud >= faults.SILENT_BELOW_DBFS
