"""A second server on a copy of the database, for a moment, and the comparison of two databases table by table.

Rows are compared that were there at a mark and have not changed since: their transaction is older than the mark. In the
copy there are at least as many of them as in the living database afterwards, and the same where the numbers agree.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from backoffice_core.config import Settings
from backoffice_core.errors import BadInput
from backoffice_core.parts import postgres, process

START_LIMIT_S = 600.0


@dataclass(frozen=True)
class Mark:
    """`xid`: all transactions older than this were over; the 32 bits that rows carry."""

    xid: int


@dataclass(frozen=True)
class TableSum:
    rows: int
    checksum: int  # the sum of the rows' hashes, so that their order does not matter


async def mark_now(connection: asyncpg.Connection) -> Mark:
    return Mark(int(await connection.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")) % 2**32)


async def sums(connection: asyncpg.Connection, mark: Mark | None) -> dict[str, TableSum]:
    """Every ordinary table of the database; with a mark, only rows older than it. Reads each page once, so damage in one is
    found too (checksums)."""
    tables = await connection.fetch(
        """-- tables_to_compare: what is written to the log; unlogged tables are empty after any restore
        SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
         ORDER BY 1"""
    )
    found = {}
    for row in tables:
        name = row["name"]
        one = await connection.fetchrow(
            # the name comes from the catalogue, quoted there; the second half keeps rows of a wrapped-around counter
            f"""SELECT count(*) AS rows, coalesce(sum(hashtextextended(t::text, 0)), 0) AS checksum FROM {name} t
                 WHERE $1::bigint IS NULL OR (t.xmin::text::bigint - $1::bigint + 4294967296) % 4294967296 >= 2147483648
                    OR t.xmin::text::bigint < 3""",  # noqa: S608
            mark.xid if mark else None,
        )
        found[str(name)] = TableSum(int(one["rows"]), int(one["checksum"]))
    return found


@contextmanager
def scratch_server(settings: Settings, cluster: Path) -> Iterator[Path]:
    """The folder of its socket, while it runs. Raises BadInput with its last words when it does not start."""
    socket = settings.run_dir / "v"
    process.own_folder(settings.run_dir)
    process.own_folder(socket)
    more = {"unix_socket_directories": str(socket), "archive_mode": "off", "fsync": "off", "full_page_writes": "off"}
    try:
        with server(postgres.server(settings, cluster, more), cluster, socket):
            yield socket
    finally:
        shutil.rmtree(socket, ignore_errors=True)


@contextmanager
def server(
    argv: list[str], cluster: Path, socket: Path, limit_s: float = START_LIMIT_S
) -> Iterator["subprocess.Popen[bytes]"]:
    """A PostgreSQL without the supervisor, ready for sessions; ended in order afterwards. Raises BadInput."""
    said = cluster.with_name(f"{cluster.name}.log")
    asked = [postgres.binary("pg_isready"), "-q", "-h", str(socket), "-p", "5432", "-d", postgres.DATABASE]
    with said.open("wb") as out:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", env=postgres.variables()
        )
    try:
        ready = lambda: child.poll() is not None or subprocess.run(asked, check=False).returncode == 0  # noqa: E731
        if not process.until(ready, limit_s, 0.1) or child.poll() is not None:
            lines = "\n".join(process.tail(said, 8))
            raise BadInput(f"The restored database does not start:\n{lines}", remedy="Use another backup.", log=lines)
        yield child
    finally:
        if child.poll() is None:
            process.end([(psutil.Process(child.pid), postgres.STOP_SIGN)], limit_s=60)
        child.wait()
        said.unlink(missing_ok=True)
