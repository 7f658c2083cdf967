"""The folder of backups: what each holds, by its manifest, which the backup key marks."""

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from backoffice_core.errors import BadInput
from backoffice_core.parts import by_url
from backoffice_core.parts.strongbox import BackupKey

FORMAT = 1
DATABASE, FILES, RECORDINGS, MANIFEST = "database.sealed", "files.sealed", "recordings.sealed", "manifest.json"


@dataclass(kw_only=True)
class Manifest:
    """What a backup holds. Times are the machine's; `first_piece` of the log is the oldest that it needs. `ended_at`: any
    minute from then on can be restored; of a dump (a database by URL) that moment alone."""

    id: str
    began_at: datetime
    ended_at: datetime
    key: str
    release: str
    revision: str
    postgres: str
    first_piece: str
    database_bytes: int
    with_recordings: bool
    recordings: int = 0
    files: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> bytes, sha256
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)  # name -> rows, checksum, changed
    verified_at: datetime | None = None
    format: int = FORMAT

    @property
    def is_dump(self) -> bool:
        return by_url.DUMP in self.files

    @property
    def bytes(self) -> int:
        return sum(int(one["bytes"]) for one in self.files.values())

    @property
    def rows(self) -> int:
        return sum(int(one["rows"]) for one in self.tables.values())


def save(folder: Path, manifest: Manifest, key: BackupKey) -> None:
    text = json.dumps(asdict(manifest), default=lambda at: at.isoformat(), ensure_ascii=False, sort_keys=True)
    file = folder / MANIFEST
    with file.open("w", encoding="utf-8") as out:
        json.dump({"manifest": json.loads(text), "mark": key.mark(text)}, out, ensure_ascii=False, indent=1)
        out.flush()
        os.fsync(out.fileno())


def read_manifest(folder: Path, key: BackupKey | None = None) -> Manifest:
    """With a key its mark is checked too. Raises BadInput."""
    try:
        whole = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        said = whole["manifest"]
        if key is not None and said["key"] == key.id:
            text = json.dumps(said, ensure_ascii=False, sort_keys=True)
            if whole["mark"] != key.mark(text):
                raise BadInput(f"The manifest of {folder.name} was changed after the backup.")
        times = {name: datetime.fromisoformat(said[name]) for name in ("began_at", "ended_at", "verified_at")}
        return Manifest(**{**said, **times})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{folder} holds no whole backup.", remedy="See `backoffice backup list`.") from error


def shelf(folder: Path) -> list[tuple[Path, Manifest]]:
    """The whole backups of a folder, oldest first."""
    found = []
    for one in sorted(folder.glob("*Z")) if folder.is_dir() else []:
        with contextlib.suppress(BadInput):
            found.append((one, read_manifest(one)))
    return found
