"""Asterisk: which one to run, how to run it without root and without chroot, and whether it answers."""

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

import structlog

import asterisk_conf
from asterisk_conf import AsteriskInstall, Phone, reload
from asterisk_conf.reload import Change
from backoffice_core.config import Settings
from backoffice_core.errors import PartMissing
from backoffice_core.parts.part import Part
from backoffice_core.parts.process import NOBODY, alive, need_port, need_space, own_folder, unprivileged

log = structlog.get_logger()
OLDEST = 20
PHONES_LIMIT_S = 5.0  # the supervisor stands still while the staff's phones are asked for
_REMEDY = "Run `make setup`, or set BACKOFFICE_ASTERISK to the path of Asterisk 20 or newer."


def find(settings: Settings) -> AsteriskInstall:
    """The Asterisk of the settings (a binary, or a root file system's folder), else of PATH, else the cached root.

    Raises PartMissing when there is none, or when it is too old or does not run.
    """
    from backoffice_core.parts import asterisk_root

    if settings.asterisk:
        named = Path(settings.asterisk).expanduser()
        if not named.exists():
            raise PartMissing(f"BACKOFFICE_ASTERISK names {named}, which does not exist.", remedy=_REMEDY)
        install = _in_root(named) if named.is_dir() else _on_system(named)
    elif on_path := shutil.which("asterisk") or shutil.which("asterisk", path="/usr/sbin:/usr/local/sbin"):
        install = _on_system(Path(on_path))
    elif root := asterisk_root.built():
        install = _in_root(root)
    else:
        raise PartMissing("There is no Asterisk on this machine.", remedy=_REMEDY)
    _new_enough(install)
    return install


def _on_system(binary: Path) -> AsteriskInstall:
    prefix = binary.resolve().parent.parent
    libraries = [*sorted(prefix.glob("lib/*-linux-gnu")), prefix / "lib64", prefix / "lib"]
    modules = next((lib / "asterisk/modules" for lib in libraries if (lib / "asterisk/modules").is_dir()), None)
    if modules is None:
        raise PartMissing(f"The modules of {binary} were not found below {prefix}.", remedy=_REMEDY)
    data = prefix / "share/asterisk"
    return AsteriskInstall([str(binary)], modules, data if data.is_dir() else Path("/var/lib/asterisk"))


def _in_root(root: Path) -> AsteriskInstall:
    """Run through the root's own loader and libraries, so that neither chroot nor its rights are needed."""
    loaders = [*sorted(root.glob("lib64/ld-linux-*.so.*")), *sorted(root.glob("lib/ld-linux-*.so.*"))]
    modules = next(iter(sorted(root.glob("usr/lib/*-linux-gnu/asterisk/modules"))), None)
    if not loaders or modules is None:
        raise PartMissing(f"{root} is not a root file system with Asterisk in it.", remedy=_REMEDY)
    triplet = modules.parent.parent.name
    libraries = f"{root}/usr/lib/{triplet}:{root}/lib/{triplet}"
    argv = [str(loaders[0]), "--library-path", libraries, str(root / "usr/sbin/asterisk")]
    return AsteriskInstall(argv, modules, root / "usr/share/asterisk")


def version(install: AsteriskInstall) -> str:
    """As in "22.10.1". Raises PartMissing when it does not run."""
    try:
        said = subprocess.run([*install.argv, "-V"], capture_output=True, text=True, timeout=20, check=False)
    except OSError as error:
        raise PartMissing(f"{install.argv[-1]} does not run: {error.strerror}.", remedy=_REMEDY) from error
    found = re.search(r"Asterisk (?:certified/)?(\d+[\d.]*)", said.stdout)
    if said.returncode or not found:
        raise PartMissing(
            f"{install.argv[-1]} does not run: {(said.stderr or said.stdout).strip()[:300]}", remedy=_REMEDY
        )
    return found[1]


def _new_enough(install: AsteriskInstall) -> None:
    found = version(install)
    if int(found.split(".")[0]) < OLDEST:
        raise PartMissing(f"{install.argv[-1]} is Asterisk {found}; {OLDEST} or newer is needed.", remedy=_REMEDY)


def config_folder(settings: Settings) -> Path:
    return settings.data / "asterisk" / "etc"


def is_ours(settings: Settings) -> bool:
    """Whether this installation runs Asterisk itself, rather than one on another host."""
    return settings.asterisk_host in {"127.0.0.1", "localhost", "::1"}


def part(settings: Settings, install: AsteriskInstall | None = None, phones: list[Phone] | None = None) -> Part:
    """Asterisk as the supervisor runs it. Without `phones`, those of the staff in the database.

    Raises PartMissing when there is no Asterisk to run.
    """
    chosen = install or find(settings)
    return Part(
        name="asterisk",
        argv=unprivileged(
            [*chosen.argv, "-C", str(config_folder(settings) / "asterisk.conf"), "-f"], _reads(settings, chosen)
        ),
        prepare=lambda: prepare(settings, chosen, phones),
        healthy=lambda: healthy(settings, chosen),
        port=settings.ports.sip,
        stop_limit_s=4.0,
        variables={"HOME": str(settings.data / "asterisk" / "lib"), "TZ": "UTC"},
    )


def _reads(settings: Settings, install: AsteriskInstall) -> list[Path]:
    binaries = [Path(word) for word in install.argv if word.startswith("/") and ":" not in word]
    libraries = [Path(each) for word in install.argv if ":" in word for each in word.split(":")]
    own = [settings.data, settings.run_dir.parent]
    return [*binaries, *libraries, install.moddir, install.datadir, *own]


def prepare(settings: Settings, install: AsteriskInstall, phones: list[Phone] | None = None) -> None:
    """Checks ports and disk, renders the configuration, and gives the folders to the user who runs Asterisk.

    With the database away an Asterisk that died comes back with the configuration that it had.
    Raises PartMissing or BadInput before anything of Asterisk is started.
    """
    own_folder(settings.run_dir)
    _no_other(settings)
    need_space(settings.data, 200)
    ports = settings.ports
    need_port(ports.sip, settings.bind, "SIP", "sip", udp=True)
    need_port(ports.ami, "127.0.0.1", "Asterisk's manager interface", "ami")
    need_port(ports.asterisk_http, settings.bind, "browser phones", "asterisk_http")
    try:
        known = staff_phones(settings) if phones is None else phones
    except Exception as error:
        from backoffice_core.db import passes

        if not passes(error) or not (config_folder(settings) / "pjsip.conf").exists():
            raise
        log.warning("the database is away: Asterisk starts with the phones that it knew", error=type(error).__name__)
        return
    render(settings, install, known)


def render(settings: Settings, install: AsteriskInstall, phones: list[Phone]) -> bool:
    """Writes the configuration. True when a file of it changed. Raises BadInput as asterisk_conf.render does."""
    changed = asterisk_conf.render(settings, install, phones, config_folder(settings))
    own_folder(settings.recordings_dir, may_be_full=True)  # dialing is stopped then; talks and phones go on
    own = settings.data / "asterisk"
    own_folder(own)
    if os.geteuid() == 0:
        for path in own.rglob("*"):
            if path.lstat().st_uid != NOBODY:
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return bool(changed)


def runs(settings: Settings) -> bool:
    """Whether our own Asterisk answers now."""
    return (settings.run_dir / "asterisk.ctl").exists() and healthy(settings, find(settings))


def changes(settings: Settings) -> list[Change]:
    """What a render now would change of the configuration that Asterisk has. Needs the database for the phones."""
    install = find(settings)
    return reload.changes(asterisk_conf.texts(settings, install, staff_phones(settings), config_folder(settings)))


def take_over(settings: Settings) -> list[Change]:
    """Writes the configuration and makes the running Asterisk read what changed; talks go on.

    Raises PartMissing when Asterisk is not there or refuses a command, which it names.
    """
    found = changes(settings)
    install = find(settings)
    render(settings, install, staff_phones(settings))
    for change in found:
        for words in change.commands:
            if command(settings, install, words) is None:
                raise PartMissing(f"Asterisk does not take `{words}`.", remedy="See `backoffice logs asterisk`.")
    return found


def refresh(settings: Settings) -> bool:
    """Makes phones of staff who came or went known to the running Asterisk. True when something changed.

    Calls that are up go on. Raises PartMissing when Asterisk is not there or refuses.
    """
    install = find(settings)
    changed = render(settings, install, staff_phones(settings))
    if changed and command(settings, install, "module reload res_pjsip.so") is None:
        raise PartMissing("Asterisk does not take its new configuration.", remedy="See `backoffice logs asterisk`.")
    return changed


def staff_phones(settings: Settings) -> list[Phone]:
    """One for each active member of staff with an extension; none before the first migration.

    Runs an event loop of its own. Raises the driver's error when PostgreSQL cannot be reached.
    """

    from sqlalchemy import text
    from sqlalchemy.exc import ProgrammingError

    from backoffice_core.db import Database

    async def extensions() -> list[tuple[int, str]]:
        database = Database(settings, pool=1, name="asterisk configuration")
        asked = "SELECT extension, login FROM staff_users WHERE extension IS NOT NULL AND active ORDER BY extension"
        try:
            async with asyncio.timeout(PHONES_LIMIT_S), database.begin() as session:
                return [(number, login) for number, login in await session.execute(text(asked))]
        except ProgrammingError:
            return []  # no such table yet
        finally:
            await database.close()

    found = asyncio.run(extensions())
    return [Phone(str(number), settings.derived_secret(f"phone:{number}"), login) for number, login in found]


def command(settings: Settings, install: AsteriskInstall, words: str, limit_s: float = 5.0) -> str | None:
    """What Asterisk says to a command of ours on its control socket; None when it does not answer."""
    argv = [*install.argv, "-C", str(config_folder(settings) / "asterisk.conf"), "-rx", words]
    try:
        said = subprocess.run(
            unprivileged(argv), capture_output=True, text=True, timeout=limit_s, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return None
    return said.stdout if said.returncode == 0 else None


def healthy(settings: Settings, install: AsteriskInstall) -> bool:
    """Whether the control socket answers and all modules are loaded."""
    if not (settings.run_dir / "asterisk.ctl").exists():
        return False
    return "fully booted" in (command(settings, install, "core waitfullybooted", limit_s=2.0) or "")


def _no_other(settings: Settings) -> None:
    try:
        pid = int((settings.run_dir / "asterisk.pid").read_text())
    except (OSError, ValueError):
        return
    process = alive(pid, None)
    if process and any("asterisk" in word for word in process.cmdline()):
        raise PartMissing(
            f"An Asterisk already runs on {settings.data}: pid {pid}.",
            remedy="Run `backoffice down`, or end that process.",
        )
