"""Files and rows against each other. Each call that was recorded has one good copy; each file has a call.

A file without a call is sealed, moved into `quarantine/` below the recordings folder and listed. Whatever was left half
done is ended; plain files without a sample are removed. Every step may be repeated.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import soundfile
import structlog

from backoffice_core.call_centre.models import Recording
from backoffice_core.config import Settings
from recordings import crypt, store
from recordings.keys import KeyMissing, KeyRing, Wrapped
from recordings.naming import KEY, PLAIN, QUARANTINE, SEALED, SUFFIXES, UNFINISHED, call_of, part
from recordings.sound import Unfaithful

log = structlog.get_logger()
YOUNG_S = 600.0  # a file of a call that begins right now has its row already; but a restored row may come later
KEY_KEPT_DAYS = 14  # beside the file; by then every backup of the database has it


@dataclass(frozen=True)
class Found:
    """One call's files: `base` = path below the folder without suffix."""

    folder: Path
    base: str
    suffixes: frozenset[str]
    newest: float  # when one of them was last written or moved, seconds since the epoch


@dataclass
class Swept:
    """What one look found and did. `again`: rows to seal (again); `lost`: rows whose sealed file is nowhere;
    `back`: MISSING rows whose sealed file is there; `quarantined`: files moved now; `foreign`: names that are not ours;
    `unsealed`: calls whose plain sound could not be sealed before (the worker's log says why); `soundless`: plain files
    without a sample, removed."""

    files: int = 0
    again: list[UUID] = field(default_factory=list)
    lost: list[UUID] = field(default_factory=list)
    back: list[UUID] = field(default_factory=list)
    plain_removed: list[str] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    unsealed: list[UUID] = field(default_factory=list)
    soundless: list[str] = field(default_factory=list)


def look_at_files(settings: Settings, since: date | None = None) -> tuple[dict[UUID, list[Found]], list[str]]:
    """Calls with files on any tier, of the days from `since` on (None = all), and names that are not ours."""
    calls: dict[UUID, dict[tuple[Path, str], Found]] = {}
    foreign: list[str] = []
    for folder in store.folders(settings):
        for path in _files(folder, since):
            known = call_of(path.name)
            if known is None:
                foreign.append(str(path.relative_to(folder)))
                continue
            call, suffix = known
            base = str(path.relative_to(folder))[: -len(suffix)]
            try:
                at = path.stat().st_ctime
            except FileNotFoundError:
                continue  # sealed meanwhile
            before = calls.setdefault(call, {}).get((folder, base))
            suffixes = before.suffixes | {suffix} if before else frozenset({suffix})
            newest = max(at, before.newest) if before else at
            calls[call][folder, base] = Found(folder, base, suffixes, newest)
    return {call: list(found.values()) for call, found in calls.items()}, sorted(foreign)


def _files(folder: Path, since: date | None) -> Iterator[Path]:
    if since is None:
        for path in folder.rglob("*"):
            if path.is_file() and path.relative_to(folder).parts[0] != QUARANTINE:
                yield path
        return
    day = since
    while day <= since + timedelta(days=7):
        yield from (path for path in (folder / f"{day:%Y/%m/%d}").glob("*") if path.is_file())
        day += timedelta(days=1)


def compare(
    settings: Settings,
    ring: KeyRing,
    calls: dict[UUID, list[Found]],
    known: dict[UUID, Recording],
    *,
    change: bool,
    retry: bool = False,
) -> Swept:
    """Looks at calls that have files. `change` False only tells; `retry`: try again what could not be sealed before.
    `known`: the rows of these calls."""
    swept = Swept(files=sum(len(found.suffixes) for places in calls.values() for found in places))
    for call, places in calls.items():
        row = known.get(call)
        for found in places:
            if row is None:
                if time.time() - found.newest > YOUNG_S:
                    swept.quarantined += _quarantine(settings, ring, call, found, swept, change=change)
            else:
                _one(settings, ring, row, found, swept, change=change, retry=retry)
    return swept


def _one(
    settings: Settings, ring: KeyRing, row: Recording, found: Found, swept: Swept, *, change: bool, retry: bool
) -> None:
    plain = bool(found.suffixes & set(PLAIN))
    if row.state == "DELETED":
        if change:
            store.remove_all(settings, row.path)
    elif row.state in {"NONE", "MISSING"} and (plain or SEALED in found.suffixes):
        if row.sealed_at and found.newest <= row.sealed_at.timestamp():
            _looked_at_before(row, found, swept, change=change, retry=retry)
            return
        (swept.back if row.wrapped_key and SEALED in found.suffixes else swept.again).append(row.call_id)
    elif row.state == "SEALED" and (plain or _has_unfinished(found)):
        wrapped = Wrapped(row.key_id, row.wrapped_key or b"")
        if not store.is_good(settings, row.call_id, row.path, ring, wrapped, row.sha256):
            swept.again.append(row.call_id)  # the plain sound is the only good copy
        elif change:
            store.remove_plain(found.folder, found.base)
            swept.plain_removed.append(found.base)


def _looked_at_before(row: Recording, found: Found, swept: Swept, *, change: bool, retry: bool) -> None:
    """The keeper found nothing to seal in these files: either they hold nothing, or they cannot be read."""
    plain = [part(found.folder, found.base, suffix) for suffix in sorted(found.suffixes & set(PLAIN))]
    if any(map(store.holds_sound, plain)):
        swept.unsealed.append(row.call_id)
        if retry:
            swept.again.append(row.call_id)
    elif plain:
        swept.soundless += store.remove_soundless(found.folder, found.base) if change else [p.name for p in plain]


def _has_unfinished(found: Found) -> bool:
    return any(suffix.endswith(UNFINISHED) for suffix in found.suffixes)


def _quarantine(
    settings: Settings, ring: KeyRing, call: UUID, found: Found, swept: Swept, *, change: bool
) -> list[str]:
    """Names of the files that were moved. No plain sound lies in quarantine, unless it cannot be read."""
    if not change:
        return [f"{found.base}{suffix}" for suffix in sorted(found.suffixes)]
    swept.soundless += _seal_strange(ring, call, found)
    moved = [f"{found.base}{suffix}" for suffix in sorted(SUFFIXES) if part(found.folder, found.base, suffix).exists()]
    for name in moved:
        target = settings.recordings_dir / QUARANTINE / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(found.folder / name, target)
    return moved


def _seal_strange(ring: KeyRing, call: UUID, found: Found) -> list[str]:
    """Names of the files that held nothing."""
    if not found.suffixes & set(PLAIN):
        return []
    soundless = store.remove_soundless(found.folder, found.base)
    try:
        if store.seal(found.folder, call, found.base, ring, one_side=True):
            store.remove_plain(found.folder, found.base)
    except (soundfile.LibsndfileError, Unfaithful, crypt.Damaged, KeyMissing, OSError, ValueError) as error:
        log.error("a strange recording cannot be sealed", file=found.base, error=type(error).__name__, said=str(error))
    return soundless


def quarantined(settings: Settings) -> list[str]:
    """What lies there, sorted."""
    folder = settings.recordings_dir / QUARANTINE
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def give_back(settings: Settings, call_id: UUID, base: str) -> bool:
    """Puts a call's quarantined files in their place again, once its row is there (after a restore)."""
    found = [path for path in (settings.recordings_dir / QUARANTINE).rglob(f"{call_id}*") if path.is_file()]
    for path in found:
        known = call_of(path.name)
        target = settings.recordings_dir / f"{base}{known[1] if known else ''}"
        if known and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    return bool(found)


def old_keys(settings: Settings, today: date) -> list[tuple[UUID, Path]]:
    """Keys beside files of calls older than KEY_KEPT_DAYS. Once those that a row has are gone, dropping the row's is final."""
    return [
        (known[0], key)
        for folder in store.folders(settings)
        for day, path in _days(folder)
        if day < today - timedelta(days=KEY_KEPT_DAYS)
        for key in path.glob(f"*{KEY}")
        if (known := call_of(key.name))
    ]


def archive(settings: Settings, today: date) -> int:
    """Moves sealed files of calls older than the setting to the older tier; a copy counts only when it is the same."""
    target_folder = settings.recordings_archive
    if target_folder is None:
        return 0
    moved = 0
    for day, folder in _days(settings.recordings_dir):
        if day >= today - timedelta(days=settings.recordings_archive_after_days):
            continue
        for path in [file for file in folder.iterdir() if file.suffix in {SEALED, KEY}]:
            target = target_folder / path.relative_to(settings.recordings_dir)
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(target.name + UNFINISHED)
            shutil.copyfile(path, unfinished)
            if unfinished.read_bytes() != path.read_bytes():
                unfinished.unlink()
                raise OSError(f"the copy of {path.name} on the older tier is not the same")
            unfinished.chmod(0o600)
            store.sync(unfinished)
            unfinished.replace(target)
            store.sync(target.parent)
            path.unlink()
            moved += path.suffix == SEALED
    return moved


def _days(folder: Path) -> Iterator[tuple[date, Path]]:
    for path in sorted(folder.glob("[0-9][0-9][0-9][0-9]/[0-9][0-9]/[0-9][0-9]")):
        try:
            yield date.fromisoformat("-".join(path.parts[-3:])), path
        except ValueError:
            continue
