"""Names of recordings (pure). One base path for each call, below the recordings folder: `YYYY/MM/DD/<call_id>`."""

from pathlib import Path

MIXED, BORROWER, AGENT = ".wav", "-in.wav", "-out.wav"  # what MixMonitor writes while the call lasts
SEALED = ".stereo.wav"  # one file, left = agent, right = borrower


def part(folder: Path, base: str, suffix: str) -> Path:
    """Raises ValueError when the base path would leave the folder."""
    path = (folder / f"{base}{suffix}").resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError("a recording's path leaves the recordings folder")
    return path
