"""All parts of an installation, in the order in which they are started."""

import sys
from collections.abc import Sequence
from pathlib import Path

import backoffice_core
from backoffice_core.config import Settings
from backoffice_core.errors import BadInput
from backoffice_core.parts import asterisk, postgres, valkey
from backoffice_core.parts.part import Part
from backoffice_core.parts.process import answers, ends_with_parent, need_port
from backoffice_core.parts.ready import is_ready, unmark

SERVERS = ("postgres", "valkey", "asterisk")
PROGRAMS = {  # name -> how Python starts it
    "worker": ("backoffice_core", "worker"),
    "agi": ("agi",),
    "ami_listener": ("ami_listener",),
    "dialer": ("dialer",),
    "agent_console": ("agent_console",),
}
NAMES = (*SERVERS, *PROGRAMS)
HEAR_RECORDINGS = ("worker", "agent_console")  # the only parts that are given the key of recordings


def wanted(settings: Settings, only: Sequence[str] = ()) -> list[str]:
    """Names of the parts to run, in order: all that are not served from elsewhere, or those of `only`.

    Raises BadInput for a name that is no part, and for a part whose place the settings give to another server.
    """
    unknown = [name for name in only if name not in NAMES]
    if unknown:
        raise BadInput(f"There is no part called {', '.join(unknown)}.", remedy=f"The parts are: {', '.join(NAMES)}.")
    elsewhere = {
        "postgres": "" if settings.embedded_postgres else "BACKOFFICE_DATABASE_URL",
        "valkey": "" if settings.embedded_redis else "BACKOFFICE_REDIS_URL",
        "asterisk": "" if asterisk.is_ours(settings) else "BACKOFFICE_ASTERISK_HOST",
    }
    for name in only:
        if setting := elsewhere.get(name):
            raise BadInput(f"{name} is not ours to start: {setting} names another one.", remedy=f"Unset {setting}.")
    return [name for name in NAMES if (name in only if only else not elsewhere.get(name))]


def make(settings: Settings, name: str) -> Part:
    """The part of that name. Raises PartMissing when what it runs is not installed."""
    servers = {"postgres": postgres.part, "valkey": valkey.part, "asterisk": asterisk.part}
    return servers[name](settings) if name in servers else _program(settings, name)


def _program(settings: Settings, name: str) -> Part:
    ports = {"agi": settings.ports.agi, "agent_console": settings.ports.console}
    port = ports.get(name)

    def prepare() -> None:
        unmark(settings, name)
        if port:
            field = "console" if name == "agent_console" else "agi"
            need_port(port, settings.bind, name, field)

    def healthy() -> bool:
        listens = name == "agent_console" and answers(settings.bind, settings.ports.console)
        return is_ready(settings, name) or listens

    return Part(
        name=name,
        argv=ends_with_parent([sys.executable, "-m", *PROGRAMS[name]]),
        prepare=prepare,
        healthy=healthy,
        port=port,
        start_limit_s=60.0,
        variables={"PYTHONPATH": str(Path(backoffice_core.__file__).parent.parent), "PYTHONUNBUFFERED": "1"},
    )
