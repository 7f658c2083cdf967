"""The database as it was at a minute of the past, out of a backup and the log since then (FL-13).

All is made beside the present folder and put in its place last; the present one is moved aside, never deleted. Before
anything else dialing is stopped with a reason of its own, which only a settled restore lets a person lift.
"""

import asyncio
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from backoffice_core.call_centre.calls import restores
from backoffice_core.call_centre.dialing import stop
from backoffice_core.config import Settings
from backoffice_core.errors import BadInput, NotFound, PartMissing
from backoffice_core.parts import backup, by_url, postgres, process, shelf, wal
from backoffice_core.parts import state as states
from backoffice_core.parts.backup import Step
from backoffice_core.parts.scratch import server
from backoffice_core.parts.shelf import Manifest
from backoffice_core.parts.strongbox import BackupKey, backup_key, digest_of, opened

RECOVERY_LIMIT_S = 12 * 3600.0
NOT_REACHED = "recovery ended before configured recovery target was reached"


@dataclass(frozen=True)
class Restored:
    """`to` = the last change that is there, at or before the moment asked for; `aside` = the folder that was replaced."""

    backup: str
    asked: datetime
    to: datetime
    whole: bool  # the log reached the moment asked for
    aside: str


Settle = Callable[[Settings, Restored], None]


def restore(
    settings: Settings, *, at: datetime, source: Path, by: str, wall: datetime, step: Step, beyond: bool,
    settle: Settle,
) -> Restored:  # fmt: skip
    """`settle` runs with the restored database answering, before it takes its place. `beyond`: the end of the log will do.

    Raises PartMissing (parts run), NotFound (no such backup), BadInput (damaged, the log ends before, a database by URL).
    """
    if not settings.embedded_postgres:
        raise BadInput(
            "The log of the PostgreSQL of BACKOFFICE_DATABASE_URL is not kept by us: only the moments of our backups are.",
            remedy="Give --backup ID instead of --at (`backoffice backup list`). For another minute let the server's keeper "
            "restore it, then `backoffice restore settle --since TIME --by NAME`.",
            field="at",
        )
    _refuse(settings, by)
    key = backup_key(settings)
    folder, manifest = choose(source, at, key)
    _check(folder, manifest)
    settings.data.mkdir(parents=True, exist_ok=True)
    process.need_space(settings.data, manifest.database_bytes // 2**20 + 200)
    restores.mark_unsettled(settings, at)
    stop.stop_after_restore(settings, by, wall)
    made, pieces = settings.data / "postgres.restoring", settings.data / "postgres.log-restoring"
    aside = settings.data / f"postgres.before-{wall:%Y%m%dT%H%M%SZ}"
    try:
        _bring_files(settings, folder, key, step)
        backup.unpack_database(
            folder / shelf.DATABASE, key, made, lambda n: step("database", n, manifest.database_bytes)
        )
        whole_log = _bring_log(settings, source, key, manifest, pieces, step)
        restored = _recover(settings, made, pieces, at, beyond or whole_log, manifest, str(aside), settle, step)
        if postgres.folder(settings).exists():
            postgres.folder(settings).rename(aside)
        made.rename(postgres.folder(settings))
    finally:
        shutil.rmtree(made, ignore_errors=True)
        shutil.rmtree(pieces, ignore_errors=True)
    return restored


def restore_dump(
    settings: Settings, *, backup_id: str, source: Path, by: str, wall: datetime, step: Step, settle: Settle
) -> Restored:
    """A database by URL as it was when that backup was made. `settle` gets settings that lead to the restored one.

    Raises PartMissing (parts run, no right to make a database), Conflict (somebody is connected), NotFound, BadInput.
    """
    if settings.embedded_postgres:
        raise BadInput("The embedded database goes back to any minute.", remedy="Give --at TIME.", field="backup")
    _refuse(settings, by)
    key = backup_key(settings)
    folder, manifest = _one(source, backup_id, key)
    _check(folder, manifest)
    settings.data.mkdir(parents=True, exist_ok=True)
    restores.mark_unsettled(settings, manifest.ended_at)
    stop.stop_after_restore(settings, by, wall)
    _bring_files(settings, folder, key, step)
    step("database", 0, 1)
    with by_url.beside(settings, folder / by_url.DUMP, key, f"{wall:%Y%m%dT%H%M%SZ}") as (there, swap):
        settle(there, Restored(manifest.id, manifest.ended_at, manifest.ended_at, True, ""))
        return Restored(manifest.id, manifest.ended_at, manifest.ended_at, True, swap())


def _one(source: Path, backup_id: str, key: BackupKey) -> tuple[Path, Manifest]:
    """A dump by its id. Raises NotFound, BadInput."""
    for path, manifest in shelf.shelf(source) if source.is_dir() else []:
        if manifest.id == backup_id and manifest.is_dump:
            return path, _ours(path, manifest, key)
    raise NotFound(
        f"There is no backup {backup_id} of a database by URL in {source}.", remedy="`backoffice backup list`."
    )


def _refuse(settings: Settings, by: str) -> None:
    if not by.strip():
        raise BadInput("Who restores? A name is needed.", remedy="Give --by NAME.", field="by")
    state = states.read(settings)
    if (state and state.supervisor) or (settings.embedded_postgres and postgres.healthy(settings)):
        raise PartMissing(
            "The installation runs.", remedy="`backoffice drain` lets the talks end, then `backoffice down`."
        )


def choose(source: Path, at: datetime, key: BackupKey) -> tuple[Path, Manifest]:
    """The newest backup that was whole at that moment. Raises NotFound, BadInput."""
    if not source.is_dir():
        raise NotFound(f"There is no folder {source}.", remedy="Give --from DIR, the folder with the backups.")
    known = [(path, m) for path, m in shelf.shelf(source) if not m.is_dump]
    before = [(path, m) for path, m in known if m.ended_at <= at]
    if not before:
        first = (
            f"The oldest is whole from {known[0][1].ended_at:%Y-%m-%d %H:%M:%S} UTC on." if known else "There is none."
        )
        raise NotFound(
            f"No backup in {source} is older than {at.isoformat()}. {first}", remedy="See `backoffice backup list`."
        )
    path, manifest = before[-1]
    return path, _ours(path, manifest, key)


def _ours(path: Path, manifest: Manifest, key: BackupKey) -> Manifest:
    shelf.read_manifest(path, key)  # its mark
    if manifest.key != key.id:
        raise BadInput(
            f"Backup {manifest.id} was sealed with the backup key {manifest.key}, this one is {key.id}.",
            remedy="Set BACKOFFICE_BACKUP_KEY to the key that was kept then.",
        )
    return manifest


def _check(folder: Path, manifest: Manifest) -> None:
    for name, said in manifest.files.items():
        if not (folder / name).is_file() or digest_of(folder / name) != said["sha256"]:
            raise BadInput(f"{folder / name} is damaged or gone.", remedy="Give an earlier --at, or another --from.")


def _bring_files(settings: Settings, folder: Path, key: BackupKey, step: Step) -> None:
    """What the data folder lacks; a file that is there is newer and stays. Settings are laid beside, not put in force."""
    step("files", 0, 1)
    with (
        opened(folder / shelf.FILES, key, shelf.FILES) as content,
        tarfile.open(fileobj=cast(Any, content), mode="r|") as tar,
    ):
        for member in tar:
            inside = member.name.startswith("data/")
            target = settings.data / (member.name.removeprefix("data/") if inside else f"restored-{member.name}")
            if target.exists() and inside:
                continue
            member.name = str(target.relative_to(settings.data))
            tar.extract(member, settings.data, filter="data")
    recordings = folder / shelf.RECORDINGS
    if recordings.is_file():
        with (
            opened(recordings, key, shelf.RECORDINGS) as content,
            tarfile.open(fileobj=cast(Any, content), mode="r|") as tar,
        ):
            for member in tar:
                if not (settings.recordings_dir / member.name).exists():
                    settings.recordings_dir.mkdir(parents=True, exist_ok=True)
                    tar.extract(member, settings.recordings_dir, filter="data")


def _bring_log(settings: Settings, source: Path, key: BackupKey, manifest: Manifest, target: Path, step: Step) -> bool:
    """All pieces of the log since the backup, from the backups, the spool and the present database's own folder.

    True when the present database's folder is there: then the log is whole up to its last change.
    """
    shutil.rmtree(target, ignore_errors=True)
    process.own_folder(target)
    sealed = wal.kept(settings.backups_dir) | wal.kept(source)
    wanted = {n: f for n, f in sealed.items() if len(n) < 24 or n[8:24] >= manifest.first_piece[8:24]}
    for count, (name, file) in enumerate(sorted(wanted.items()), start=1):
        wal.unseal(file, key, target / name)
        step("log", count, len(wanted))
    own = postgres.folder(settings) / "pg_wal"
    present = [*wal.waiting(settings), *(sorted(own.glob("[0-9A-F]*")) if own.is_dir() else [])]
    for piece in present:
        if piece.is_file() and not (target / piece.name).exists():
            shutil.copyfile(piece, target / piece.name)
    postgres.give_to_server(target)
    return own.is_dir()


def _recover(
    settings: Settings, made: Path, pieces: Path, at: datetime, end_will_do: bool, manifest: Manifest, aside: str,
    settle: Settle, step: Step,
) -> Restored:  # fmt: skip
    process.own_folder(settings.run_dir)
    quoted = str(pieces).replace("%", "%%").replace('"', "")
    more = {
        "restore_command": f'cp "{quoted}/%f" "%p"',
        "recovery_target_time": at.isoformat(),
        "recovery_target_action": "promote",
        "hot_standby": "off",
    }
    for reaches in (True, False):
        if not reaches:
            del more["recovery_target_time"]
        (made / "recovery.signal").touch()
        postgres.give_to_server(made)
        step("recover", 0, 1)
        try:
            with server(postgres.server(settings, made, more), made, settings.run_dir, limit_s=RECOVERY_LIMIT_S):
                to = asyncio.run(_promoted(settings))
                restored = Restored(manifest.id, at, to or manifest.ended_at, reaches, aside)
                settle(settings, restored)
                return restored
        except BadInput as error:
            if NOT_REACHED not in str(error.details.get("log", "")):
                raise
            if not end_will_do:
                raise BadInput(
                    f"The log in the backups ends before {at.isoformat()}.",
                    remedy="Give an earlier --at, or --beyond to take all that there is.",
                ) from error
    raise AssertionError("not reached")


async def _promoted(settings: Settings) -> datetime | None:
    """The time of the last change that was taken over. Sessions are let in only when the recovery is over."""
    connection = await backup.connect(settings)
    try:
        await connection.execute("CHECKPOINT")
        last: datetime | None = await connection.fetchval("SELECT pg_last_xact_replay_timestamp()")
        return last
    finally:
        await connection.close()


def moment(text: str) -> datetime:
    """A time with its zone. Raises BadInput."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise BadInput(
            f"“{text}” is not a time with its zone.", remedy="Write it as 2026-11-22T10:15+02:00.", field="at"
        )
    if at > datetime.now(at.tzinfo) + timedelta(seconds=1):
        raise BadInput(f"{text} is in the future.", remedy="Give a moment of the past.", field="at")
    return at
