"""PostgreSQL's log of changes on its way into the backups, so that any minute can be restored.

PostgreSQL copies each finished piece (16 MB) into a spool folder in the data folder; the worker seals it with the backup
key, which PostgreSQL's user never sees, into `<backups>/wal`. The spool folder exists from the first backup on: before
it nothing is kept. A piece ends after `PIECE_S` seconds at the latest, also when little was written.
"""

import contextlib
import os
import re
import shlex
from pathlib import Path

from backoffice_core.config import Settings
from backoffice_core.parts.process import own_folder
from backoffice_core.parts.strongbox import BackupKey, SealedWriter, backup_key, opened

PIECE_S = 60
SUFFIX = ".sealed"
_PIECE = re.compile(r"[0-9A-F]{24}(\.partial)?|[0-9A-F]{8}\.history|[0-9A-F]{24}\.[0-9A-F]{8}\.backup")


def spool(settings: Settings) -> Path:
    return settings.data / "wal-spool"


def archive_command(settings: Settings) -> str:
    """What PostgreSQL runs for each piece: whole or not at all, on disk before it says done. No spool: nothing to do."""
    folder = shlex.quote(str(spool(settings))).replace("%", "%%")
    copy = f"cp %p {folder}/.%f.part && sync {folder}/.%f.part && mv {folder}/.%f.part {folder}/%f"
    return f"if [ -d {folder} ] && [ ! -f {folder}/%f ]; then {copy}; fi"


def open_spool(settings: Settings) -> Path:
    return own_folder(spool(settings))


def is_kept(settings: Settings) -> bool:
    return spool(settings).is_dir()


def kept(folder: Path) -> dict[str, Path]:
    """Name of piece -> sealed file, of one backups folder."""
    return {file.name.removesuffix(SUFFIX): file for file in sorted((folder / "wal").glob(f"*{SUFFIX}"))}


def waiting(settings: Settings) -> list[Path]:
    """Pieces in the spool, oldest first."""
    if not is_kept(settings):
        return []
    return sorted(file for file in spool(settings).iterdir() if _PIECE.fullmatch(file.name))


def ship(settings: Settings) -> int:
    """Seals what is in the spool into the backups folder; how many pieces. Idempotent; a piece leaves the spool last.

    Raises OSError when the backups folder cannot be written, NotFound without a key.
    """
    pieces = waiting(settings)
    if not pieces:
        return 0
    key, target = backup_key(settings), settings.backups_dir / "wal"
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for piece in pieces:
        sealed = target / f"{piece.name}{SUFFIX}"
        part = sealed.with_name(f".{sealed.name}.{os.getpid()}.part")
        part.unlink(missing_ok=True)
        try:
            with SealedWriter(part, key, f"wal/{piece.name}") as out, piece.open("rb") as content:
                while data := content.read(1 << 20):
                    out.write(data)
            os.replace(part, sealed)
        except FileNotFoundError:
            if piece.exists():
                raise
            continue  # another program shipped it meanwhile
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        piece.unlink(missing_ok=True)
    return len(pieces)


def unseal(file: Path, key: BackupKey, target: Path) -> None:
    """Raises BadInput when it is damaged."""
    name = file.name.removesuffix(SUFFIX)
    with opened(file, key, f"wal/{name}") as content, target.open("wb") as out:
        while data := content.read(1 << 20):
            out.write(data)


def forget_before(folder: Path, oldest: str) -> int:
    """Removes pieces that no kept backup needs any more; `oldest` = the first piece that the oldest one needs."""
    gone = [file for name, file in kept(folder).items() if len(name) >= 24 and name[8:24] < oldest[8:24]]
    for file in gone:
        file.unlink(missing_ok=True)
    return len(gone)
