"""Processes and ports: run without root, see who holds what, end what we started and nothing else."""

import contextlib
import errno
import json
import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, SecretStr

from backoffice_core.config import Settings
from backoffice_core.errors import BadInput, PartMissing

NOBODY = 65534
_DAC_READ_SEARCH = 1 << 2  # linux/capability.h


def unprivileged(argv: Sequence[str], reads: Sequence[Path] = ()) -> list[str]:
    """The command as `nobody` when we are root (PostgreSQL refuses root, Asterisk does not need it), else unchanged.

    It keeps one right of root's: to read, and to pass folders that only root may enter, as a checkout below /root.
    Without the securebit, access(2) would deny what open(2) then grants, and initdb asks access(2) first. Where the
    bounding set lacks the right (containers) it is left out, and also where all the folders of `reads` are open to
    `nobody` anyway: a server that needs no more shall not be able to read other people's keys.
    """
    if os.geteuid() != 0:
        return list(argv)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise PartMissing("setpriv is not installed.", remedy="Install the Debian package util-linux.")
    command = [setpriv, "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", "--no-new-privs"]
    if _bounding_set() & _DAC_READ_SEARCH and not (reads and all(open_to_nobody(path) for path in reads)):
        command += ["--securebits=+no_setuid_fixup", "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return [*command, *argv]


def open_to_nobody(path: Path) -> bool:
    """Whether `nobody` may list this folder (or read this file), and pass all folders above it, without any right of root's."""

    def may(place: Path, bits: int) -> bool:
        found = place.stat()
        return found.st_mode & bits == bits or (found.st_uid == NOBODY and found.st_mode & (bits << 6) == bits << 6)

    try:
        real = path.resolve(strict=True)
        return may(real, 0o5 if real.is_dir() else 0o4) and all(may(above, 0o1) for above in real.parents)
    except OSError:
        return False


def _bounding_set() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapBnd:"):
            return int(line.split()[1], 16)
    return 0


def ends_with_parent(argv: Sequence[str]) -> list[str]:
    """The command, told to end (SIGTERM) when the process that started it dies, however it dies."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", *argv] if setpriv else list(argv)


def own_folder(path: Path, *, mode: int = 0o700, unprivileged_owner: bool = True, may_be_full: bool = False) -> Path:
    """Makes the folder, for `nobody` when we are root.

    Raises BadInput when it cannot be made or written: no permission, a file in the way, no space unless `may_be_full`.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0 and unprivileged_owner:
            os.chown(path, NOBODY, NOBODY)
        path.chmod(mode)
        probe = path / ".writable"
        try:
            probe.write_bytes(b"x" * 4096)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        if may_be_full and error.errno == errno.ENOSPC:
            return path
        raise cannot_write(path, error) from error
    return path


def cannot_write(path: Path, error: OSError) -> BadInput:
    """The refusal that names the folder, what the system said and what to do."""
    remedy = "Give the folder to the user that runs this, or set BACKOFFICE_DATA to a folder that you may write."
    if error.errno == errno.ENOSPC:
        remedy = "Free some disk space, or set BACKOFFICE_DATA to a folder on another disk."
    return BadInput(f"Cannot write in {path}: {error.strerror or error}.", remedy=remedy)


def need_space(path: Path, megabytes: int) -> None:
    """Raises BadInput when the disk of `path` has less free space than that."""
    free = shutil.disk_usage(path).free // 2**20
    if free < megabytes:
        raise BadInput(
            f"Only {free} MB are free on the disk of {path}; at least {megabytes} MB are needed.",
            remedy="Free some disk space, or set BACKOFFICE_DATA to a folder on another disk.",
        )


def need_port(port: int, host: str, what: str, field: str, *, udp: bool = False) -> None:
    """Raises PartMissing, naming the process that holds the port, when it cannot be bound."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as probe:
        if not udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            holder = port_holder(port, udp=udp)
            raise PartMissing(
                f"Port {port}{'/udp' if udp else ''} for {what} is not free: "
                + (f"it is held by {holder}." if holder else f"{error.strerror} (held by another user's process)."),
                remedy=f"End that process, or choose another port with BACKOFFICE_PORTS__{field.upper()}.",
                port=port,
            ) from error


def port_holder(port: int, *, udp: bool = False) -> str:
    """ "name (pid 123)" of the process that holds the port; empty when it cannot be seen."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("udp" if udp else "tcp"):
            listening = udp or connection.status == psutil.CONN_LISTEN
            if listening and connection.laddr and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""


def free_ports(count: int, *, together: bool = False) -> list[int]:
    """That many ports, free now for TCP and UDP; `together` = one after the other, from an even one (RTP).

    They lie between 20000 and 32000: below the range from which Linux serves outgoing connections, which could
    take one of them before it is used.
    """
    dice = secrets.SystemRandom()
    for _ in range(1000):
        first = dice.randrange(20000, 32000 - count, 2)
        wanted = list(range(first, first + count)) if together else dice.sample(range(20000, 32000), count)
        if all(_is_free(port) for port in wanted):
            return wanted
    raise PartMissing(f"There are no {count} free ports between 20000 and 32000.", remedy="End some programs.")


def _is_free(port: int) -> bool:
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        try:
            tcp.bind(("", port))
            udp.bind(("", port))
        except OSError:
            return False
    return True


def alive(pid: int | None, create_time: float | None) -> psutil.Process | None:
    """The process, if it is still the one that was started then (a pid is used again, with another start time)."""
    if not pid:
        return None
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        if (create_time is None or abs(process.create_time() - create_time) < 1.0) and process.status() != "zombie":
            return process
    return None


def at_work_in(folder: Path, name: str) -> list[int]:
    """Pids of processes of this name that stand in this folder, as the children of a server that was killed do."""
    found = []
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            if process.info["name"] == name and process.cwd() == str(folder.resolve()) and process.status() != "zombie":
                found.append(process.pid)
    return found


def send(process: psutil.Process, sign: int) -> None:
    """A process that is gone is no error."""
    with contextlib.suppress(psutil.Error):
        process.send_signal(sign)


def end(processes: Iterable[tuple[psutil.Process, int]], *, limit_s: float) -> None:
    """Ends processes and what they started: each gets its signal, SIGKILL after the limit. Never raises."""
    roots = list(processes)
    all_of_them = [process for process, _ in roots]
    for process, _ in roots:
        with contextlib.suppress(psutil.Error):
            all_of_them += process.children(recursive=True)
    for process, sign in roots:
        send(process, sign)
    _, left = psutil.wait_procs(all_of_them, timeout=limit_s)
    for process in left:
        send(process, signal.SIGKILL)
    psutil.wait_procs(left, timeout=1)


def end_group(pid: int) -> None:
    """Kills what is left of the process group that this process led, once it is gone itself.

    A group's number is not given away while somebody is in it, so this meets nobody else.
    """
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def answers(host: str, port: int, say: bytes = b"", hear: bytes = b"") -> bool:
    """Whether something accepts a connection there, and answers what is expected of it."""
    try:
        with socket.create_connection((host, port), timeout=0.5) as link:
            if say:
                link.sendall(say)
            return not hear or link.recv(256).startswith(hear)
    except OSError:
        return False


def tail(file: Path, lines: int) -> list[str]:
    """The last lines of a log, at most 64 KB of it; empty when there is none."""
    try:
        with file.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 65536))
            return log.read().decode(errors="replace").splitlines()[-lines:] if lines else []
    except OSError:
        return []


def environment(settings: Settings) -> dict[str, str]:
    """The variables that give a child process exactly these settings: every field that was set, as BACKOFFICE_…."""

    def plain(value: Any) -> Any:
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        if isinstance(value, BaseModel):
            return {name: plain(getattr(value, name)) for name in type(value).model_fields}
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        if isinstance(value, Decimal):
            return str(value)
        return [plain(one) for one in value] if isinstance(value, list) else value

    variables: dict[str, str] = {}
    for name in settings.model_fields_set | {"data"}:
        value = plain(getattr(settings, name))
        if value is None:
            continue
        text = json.dumps(value) if isinstance(value, dict | list) else str(value)
        variables[f"BACKOFFICE_{name.upper()}"] = value.isoformat() if name == "now" else text
    return variables


def until(check: Any, limit_s: float, every_s: float = 0.05) -> bool:
    """Polls `check()` until it is true; False when the limit passed first."""
    deadline = time.monotonic() + limit_s
    while not check():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True
