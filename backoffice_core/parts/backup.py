"""Backups of the installation: made while it works, sealed, and each restored into a scratch server before it counts.

A backup is a folder `<backups>/<UTC stamp>`: `database.sealed` (pg_basebackup; of a database by URL `dump.sealed`, see
parts/by_url.py), `files.sealed` (keys, settings, prompts,
Asterisk's call events, the index of recordings), with `--recordings` also `recordings.sealed`, and `manifest.json`,
written last. Beside them `wal/` grows (parts/wal.py): with both, any minute since the backup can be restored.
"""

import asyncio
import contextlib
import csv
import fcntl
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import asyncpg

from backoffice_core.config import Settings
from backoffice_core.errors import BadInput, Conflict, PartMissing
from backoffice_core.parts import by_url, postgres, process, wal
from backoffice_core.parts.scratch import Mark, TableSum, mark_now, scratch_server, sums
from backoffice_core.parts.shelf import DATABASE, FILES, RECORDINGS, Manifest, save, shelf
from backoffice_core.parts.strongbox import BackupKey, SealedWriter, backup_key, digest_of, opened, sealed_output

Step = Callable[[str, int, int], None]  # what, done, of
KEPT_ALWAYS = 2
# of the data folder, not in `files`: servers' own folders, what is backed up apart, and what only this machine needs
LEFT_OUT = {
    *("postgres", "valkey", "run", "log", "recordings", "backups", "wal-spool", "asterisk"),
    *("STOP", "DRAIN", "RESTORED", "backup.key"),
}


def make(settings: Settings, *, to: Path | None, recordings: bool, step: Step, now: datetime) -> Manifest:
    """Makes, verifies and keeps one backup; then forgets those that are older than the settings want.

    Raises PartMissing (no server), Conflict (another backup runs), BadInput (disk, or what was restored is not what was
    saved: then nothing is kept).
    """
    if settings.embedded_postgres and not postgres.healthy(settings):
        raise PartMissing("PostgreSQL does not run.", remedy="`backoffice up`, or `backoffice up --only postgres`.")
    folder = (to or settings.backups_dir).expanduser().resolve()
    process.own_folder(folder, unprivileged_owner=False)
    with _alone(folder):
        key = backup_key(settings, make=True)
        if settings.embedded_postgres:
            _begin_archiving(settings)
        part = folder / f".part-{now:%Y%m%dT%H%M%SZ}"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        try:
            write = _write if settings.embedded_postgres else _write_dump
            manifest = write(settings, part, key, recordings, step, now)
            step("verify", 0, 1)
            verify(settings, part, manifest, key, step)
            save(part, manifest, key)
            os.replace(part, folder / manifest.id)
        finally:
            shutil.rmtree(part, ignore_errors=True)
        wal.ship(settings)
        forget(settings, folder, now)
    return manifest


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Conflict(f"Another backup into {folder} is running.", remedy="Wait for its end.") from None
        yield


def _begin_archiving(settings: Settings) -> None:
    """From the first backup on the log is kept, and a piece of it ends each minute. Raises PartMissing."""

    async def ask() -> str:
        connection = await connect(settings)
        try:
            mode = str(await connection.fetchval("SHOW archive_mode"))
            if mode == "on":
                await connection.execute(f"ALTER SYSTEM SET archive_timeout = '{wal.PIECE_S}s'")
                await connection.execute("SELECT pg_reload_conf()")
            return mode
        finally:
            await connection.close()

    wal.open_spool(settings)
    if asyncio.run(ask()) != "on":
        raise PartMissing(
            "The running PostgreSQL was started by an older version and does not keep its log.",
            remedy="Restart it once when nobody is on the telephone: `backoffice down`, `backoffice up`.",
        )


async def connect(settings: Settings, host: Path | None = None) -> asyncpg.Connection:
    """To the database of these settings, or to a server on the socket in `host`. Raises OSError, asyncpg.PostgresError,
    PartMissing (a database by URL)."""
    if host is None and not settings.embedded_postgres:
        return await by_url.connect(settings)
    return await asyncpg.connect(
        host=str(host or settings.run_dir), user=postgres.USER, database=postgres.DATABASE, timeout=10,
        server_settings={"timezone": "UTC", "application_name": "backup"},
    )  # fmt: skip


# --- writing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Facts:
    mark: Mark
    bytes: int
    revision: str
    version: str


def _write(settings: Settings, part: Path, key: BackupKey, recordings: bool, step: Step, now: datetime) -> Manifest:
    facts = asyncio.run(_facts(settings))
    process.need_space(part, facts.bytes // 2**20 * 2 + 200)  # the sealed one, and the scratch server's
    files = {DATABASE: _database(settings, part / DATABASE, key, facts.bytes, step)}
    step("files", 0, 1)
    files[FILES], count = _files(settings, part / FILES, key)
    if recordings:
        files[RECORDINGS] = _recordings(settings, part / RECORDINGS, key, step)
    manifest = Manifest(
        id=f"{now:%Y%m%dT%H%M%SZ}", began_at=now, ended_at=datetime.now(UTC), key=key.id, release=_release(),
        revision=facts.revision, postgres=facts.version, first_piece="", database_bytes=facts.bytes,
        with_recordings=recordings, recordings=count, files=files,
    )  # fmt: skip
    manifest.tables["_mark"] = asdict(facts.mark)
    return manifest


def _write_dump(
    settings: Settings, part: Path, key: BackupKey, recordings: bool, step: Step, now: datetime
) -> Manifest:
    done = asyncio.run(by_url.dump(settings, part / by_url.DUMP, key, lambda n, of: step("database", min(n, of), of)))
    step("files", 0, 1)
    files, count = _files(settings, part / FILES, key)
    saved = {by_url.DUMP: done.file, FILES: files}
    if recordings:
        saved[RECORDINGS] = _recordings(settings, part / RECORDINGS, key, step)
    return Manifest(
        id=f"{now:%Y%m%dT%H%M%SZ}", began_at=now, ended_at=done.at, key=key.id, release=_release(), revision=done.revision,
        postgres=done.version, first_piece="", database_bytes=done.bytes, with_recordings=recordings, recordings=count,
        files=saved, tables={name: asdict(one) | {"changed": 0} for name, one in done.tables.items()},
    )  # fmt: skip


async def _facts(settings: Settings) -> _Facts:
    connection = await connect(settings)
    try:
        size = int(await connection.fetchval("SELECT sum(pg_database_size(oid)) FROM pg_database"))
        known = await connection.fetchval("SELECT to_regclass('alembic_version')")
        revision = await connection.fetchval("SELECT version_num FROM alembic_version") if known else ""
        version = str(await connection.fetchval("SHOW server_version"))
        return _Facts(await mark_now(connection), size, str(revision), version.split(" ", 1)[0])
    finally:
        await connection.close()


def _database(settings: Settings, file: Path, key: BackupKey, size: int, step: Step) -> dict[str, Any]:
    """pg_basebackup as one tar stream, sealed as it comes: nothing of it touches the disk in clear."""
    argv = [
        postgres.binary("pg_basebackup"), "-h", str(settings.run_dir), "-U", postgres.USER, "-D", "-", "-F", "tar",
        "-X", "fetch", "--checkpoint=fast", "--no-password", "--label=backoffice", "--manifest-checksums=SHA256",
    ]  # fmt: skip
    variables = os.environ | {"LC_ALL": "C"}
    return sealed_output(argv, variables, file, key, DATABASE, lambda n: step("database", min(n, size), size))


def _files(settings: Settings, file: Path, key: BackupKey) -> tuple[dict[str, Any], int]:
    """Keys, settings, prompts, whatever else stands in the data folder, Asterisk's call events, the recordings' index."""
    index = asyncio.run(_index(settings))
    with SealedWriter(file, key, FILES) as out, tarfile.open(fileobj=cast(Any, out), mode="w|", bufsize=1 << 20) as tar:
        for path in sorted(settings.data.iterdir()):
            if path.name not in LEFT_OUT and not path.name.startswith((".", "postgres.")):
                with contextlib.suppress(FileNotFoundError):
                    tar.add(path, arcname=f"data/{path.name}", filter=_plain_only)
        events = settings.data / "asterisk" / "log" / "cel-custom"
        if events.is_dir():
            tar.add(events, arcname="data/asterisk/log/cel-custom", filter=_plain_only)
        _add(tar, "recordings.csv", index[0])
        _add(tar, "settings.json", json.dumps(process.environment(settings), ensure_ascii=False).encode())
        toml = Path("backoffice.toml")
        if toml.is_file():
            _add(tar, "backoffice.toml", toml.read_bytes())
    return {"bytes": out.size, "sha256": out.digest}, index[1]


def _plain_only(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return member if member.isfile() or member.isdir() else None


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))


async def _index(settings: Settings) -> tuple[bytes, int]:
    """Recordings by reference: path, state, length and checksum of each, so that what is missing later can be named."""
    connection = await connect(settings)
    try:
        if not await connection.fetchval("SELECT to_regclass('recordings')"):
            return b"", 0
        rows = await connection.fetch("SELECT call_id, path, state, bytes, sha256 FROM recordings ORDER BY call_id")
    finally:
        await connection.close()
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("call_id", "path", "state", "bytes", "sha256"))
    writer.writerows(tuple(row) for row in rows)
    return text.getvalue().encode(), len(rows)


def _recordings(settings: Settings, file: Path, key: BackupKey, step: Step) -> dict[str, Any]:
    found = [path for path in sorted(settings.recordings_dir.rglob("*")) if path.is_file()]
    with SealedWriter(file, key, RECORDINGS, level=0) as out, tarfile.open(fileobj=cast(Any, out), mode="w|") as tar:
        for n, path in enumerate(found, start=1):
            with contextlib.suppress(FileNotFoundError):  # sealed or taken away by retention meanwhile
                tar.add(path, arcname=str(path.relative_to(settings.recordings_dir)), recursive=False)
            step("recordings", n, len(found))
    return {"bytes": out.size, "sha256": out.digest}


def _release() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("backoffice-for-bank")
    except PackageNotFoundError:
        return ""


# --- verifying -----------------------------------------------------------------------------------------------------


def verify(settings: Settings, folder: Path, manifest: Manifest, key: BackupKey, step: Step) -> None:
    """Opens every file, restores the database into a scratch server and compares each table with the living one.

    Compared are the rows that were there when the backup began and have not changed since, by number and checksum.
    Raises BadInput with the first table, or file, that is not what was saved.
    """
    for name, said in manifest.files.items():
        if digest_of(folder / name) != said["sha256"]:
            raise BadInput(f"{name} is damaged on the disk already.", remedy="Check the disk, repeat the backup.")
    for name in (FILES, RECORDINGS):
        if name in manifest.files:
            _readable(folder / name, key, name)
    if manifest.is_dump:
        _verify_dump(settings, folder, manifest, key)
        return
    mark = Mark(**manifest.tables.pop("_mark"))
    scratch = settings.data / "postgres.verify"
    try:
        unpack_database(folder / DATABASE, key, scratch, lambda n: step("verify", n, manifest.database_bytes))
        manifest.first_piece = first_piece(scratch)
        with scratch_server(settings, scratch) as socket:
            step("compare", 0, 1)
            restored = asyncio.run(_sums(settings, mark, socket))
            living = asyncio.run(_sums(settings, mark, None))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for name, there in living.items():
        here = restored.get(name)
        if here is None or here.rows < there.rows or (here.rows == there.rows and here.checksum != there.checksum):
            raise BadInput(
                f"The backup is not kept: table {name} has {there.rows} rows, restored {here.rows if here else 'none'}.",
                remedy="Repeat the backup; if it repeats, check the disk (`backoffice logs postgres`).",
            )
        manifest.tables[name] = {
            "rows": here.rows,
            "checksum": str(here.checksum),
            "changed": here.rows - there.rows,
        }
    manifest.verified_at = datetime.now(UTC)


def _verify_dump(settings: Settings, folder: Path, manifest: Manifest, key: BackupKey) -> None:
    restored = by_url.restored_sums(settings, folder / by_url.DUMP, key)
    for name, saved in manifest.tables.items():
        here = restored.get(name)
        if here is None or (here.rows, here.checksum) != (saved["rows"], saved["checksum"]):
            raise BadInput(
                f"The backup is not kept: {name} has {saved['rows']} rows, restored {here.rows if here else 'none'}.",
                remedy="Repeat the backup.",
            )
        saved["checksum"] = str(here.checksum)
    manifest.verified_at = datetime.now(UTC)


async def _sums(settings: Settings, mark: Mark, host: Path | None) -> dict[str, TableSum]:
    connection = await connect(settings, host)
    try:
        return await sums(connection, mark)
    finally:
        await connection.close()


def _readable(file: Path, key: BackupKey, name: str) -> None:
    with opened(file, key, name) as content:
        while content.read(1 << 20):
            pass


def unpack_database(file: Path, key: BackupKey, target: Path, step: Callable[[int], None]) -> None:
    """Raises BadInput for a damaged file."""
    shutil.rmtree(target, ignore_errors=True)
    process.own_folder(target)
    done = 0
    with (
        opened(file, key, DATABASE) as content,
        tarfile.open(fileobj=cast(Any, content), mode="r|", bufsize=1 << 20) as tar,
    ):
        for member in tar:
            tar.extract(member, target, filter="data")
            done += member.size
            step(done)
    postgres.give_to_server(target)


def first_piece(cluster: Path) -> str:
    """The piece of the log at which the recovery of this base backup begins."""
    for line in (cluster / "backup_label").read_text().splitlines():
        if line.startswith("START WAL LOCATION") and "(file " in line:
            return line.split("(file ", 1)[1].rstrip(")")
    raise BadInput("The base backup has no label.", remedy="Repeat the backup.")


# --- forgetting ----------------------------------------------------------------------------------------------------


def forget(settings: Settings, folder: Path, now: datetime) -> list[str]:
    """Removes backups that are too old, never the newest two, then the pieces of the log that none needs."""
    known = shelf(folder)
    old = [
        (path, m) for path, m in known[:-KEPT_ALWAYS] if now - m.ended_at > timedelta(days=settings.backup_keep_days)
    ]
    for path, _ in old:
        shutil.rmtree(path)
    left = [m for path, m in known if path.exists() and not m.is_dump]
    if left:
        wal.forget_before(folder, min((m.first_piece for m in left), key=lambda name: name[8:24]))
    return [m.id for _, m in old]
