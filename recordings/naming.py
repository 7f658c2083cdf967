"""Names of recordings (pure). One base path for each call, below the recordings folder: `YYYY/MM/DD/<call_id>`."""

from pathlib import Path
from uuid import UUID

MIXED, BORROWER, AGENT = ".wav", "-in.wav", "-out.wav"  # what MixMonitor writes while the call lasts
STEREO = ".stereo.wav"  # how version 0.1 kept a talk; sealed anew where it is found
SEALED = ".rec"  # the kept one: two-channel Opus (left = agent, right = borrower), encrypted
KEY = ".key"  # its wrapped key, until the database's backups surely hold it
UNFINISHED = ".part"

PLAIN = (AGENT, BORROWER, MIXED, STEREO)
SUFFIXES = (STEREO, BORROWER, AGENT, SEALED + UNFINISHED, KEY + UNFINISHED, SEALED, KEY, MIXED)  # the longer ones first
QUARANTINE = "quarantine"


def part(folder: Path, base: str, suffix: str) -> Path:
    """Raises ValueError when the base path would leave the folder."""
    path = (folder / f"{base}{suffix}").resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError("a recording's path leaves the recordings folder")
    return path


def call_of(name: str) -> tuple[UUID, str] | None:
    """The call and the suffix of a file's name; None for a file that is not ours."""
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            try:
                return UUID(name.removesuffix(suffix)), suffix
            except ValueError:
                return None
    return None
