"""CPU seconds of a house's PostgreSQL: on a machine that others use as well they say what a clock on the wall cannot."""

import os
from pathlib import Path

from backoffice_core.config import Settings

_TICKS = os.sysconf("SC_CLK_TCK")


def of_server(settings: Settings) -> float:
    """Of all its processes since they began, those that have ended included."""
    pid = int(next(settings.data.rglob("postmaster.pid")).read_text().splitlines()[0])
    own, ended = _stat(pid)
    return own + ended + sum(_stat(int(child))[0] for child in _children(pid))


def _children(pid: int) -> list[str]:
    return [child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]


def _stat(pid: int) -> tuple[float, float]:
    """Its own seconds, and those of children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0, 0.0  # it has ended between two looks
    user, system, users, systems = (int(one) / _TICKS for one in fields[11:15])
    return user + system, users + systems
