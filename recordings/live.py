"""Listening while the talk runs: the level of what each side's file grew by. A side that is dead, or overdriven, is known
within a minute of the talk, also in the middle of it, not only at its end."""

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import numpy as np

from recordings import faults
from recordings.naming import AGENT, BORROWER, part
from recordings.sound import CLIPPED_AT, RATE, level

JUDGED_AFTER_S = 20.0  # of talk: long enough that even a listener has said a word, and past every write buffer
SILENT_FOR_S = (
    40.0  # after he was heard: he may be listening. With the looks' 10 s and Asterisk's 2 s it stays below 60
)
_HEADER = 44
_LOOKS = 4  # the last ones, in which a side's share of overdriven samples is taken


@dataclass
class _Side:
    at: int = -1  # bytes read so far; -1 = not looked at yet
    grown: int = 0
    audible: bool = False
    quiet: int = 0  # bytes since he was heard last
    loud: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=_LOOKS))  # samples, of them overdriven

    @property
    def silent(self) -> bool:
        return not self.audible or self.quiet >= SILENT_FOR_S * RATE * 2

    @property
    def clipped(self) -> bool:
        count = sum(samples for samples, _ in self.loud)
        return count > 0 and 100 * sum(full for _, full in self.loud) / count >= faults.CLIPPED_ABOVE_PCT


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
        agent, borrower = sides[AGENT], sides[BORROWER]
        return faults.silent_sides(agent.silent, borrower.silent) + faults.clipped_sides(
            agent.clipped, borrower.clipped
        )

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
    if len(samples):
        side.loud.append((len(samples), int((np.abs(samples.astype(np.int32)) >= CLIPPED_AT).sum())))
    for start in range(0, len(samples), RATE):
        second = samples[start : start + RATE]
        loud = level(float(np.square(second, dtype=np.float64).sum()), len(second))
        heard = loud >= faults.SILENT_BELOW_DBFS
        side.audible, side.quiet = side.audible or heard, 0 if heard else side.quiet + 2 * len(second)
