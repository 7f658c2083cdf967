"""How a program tells that it works: a file in the run folder, made once it has its connections and listens."""

import os

from backoffice_core.config import Settings


def mark_ready(settings: Settings, name: str) -> None:
    """Call it when the program does its work. The supervisor removes the file before each start."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    (settings.run_dir / f"{name}.ready").write_text(str(os.getpid()))


def is_ready(settings: Settings, name: str) -> bool:
    return (settings.run_dir / f"{name}.ready").exists()


def unmark(settings: Settings, name: str) -> None:
    (settings.run_dir / f"{name}.ready").unlink(missing_ok=True)
