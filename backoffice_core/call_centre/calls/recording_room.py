"""How full the recordings volume is. Above the mark nobody is dialed: no call shall be answered that cannot be recorded."""

import os
from dataclasses import dataclass

from backoffice_core.config import Settings
from backoffice_core.errors import Refused

RECORDINGS_FULL = "RECORDINGS_FULL"  # the stop's reason code


class RecordingsFull(Refused):
    """The recordings volume is full: calls could not be recorded."""

    code = RECORDINGS_FULL


@dataclass(frozen=True)
class Room:
    """`used_pct` as `df` says it; `left_bytes`: until the mark at which dialing stops, never below 0."""

    total_bytes: int
    free_bytes: int
    used_pct: float
    left_bytes: int

    @property
    def full(self) -> bool:
        return self.left_bytes == 0


def look(settings: Settings) -> Room | None:
    """None while there is no recordings folder. A volume that does not answer counts as full."""
    try:
        found = os.statvfs(settings.recordings_dir)
    except FileNotFoundError:
        return None
    except OSError:
        return Room(0, 0, 100.0, 0)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    free = found.f_bavail * found.f_frsize
    total = used + free
    left = min(total * settings.recordings_full_pct // 100 - used, free - settings.recordings_min_free_mb * 2**20)
    return Room(total, free, round(100 * used / max(1, total), 1), max(0, left))
