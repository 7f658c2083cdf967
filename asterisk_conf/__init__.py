"""Asterisk's configuration, rendered from the programs' own settings, so that the two cannot disagree.

Who reads which file, and which Python file depends on it, stands at the head of each template.
"""

import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from asterisk_conf import prompts
from backoffice_core import tls
from backoffice_core.clock import Clock
from backoffice_core.config import Settings, Trunk
from backoffice_core.errors import BadInput

TEMPLATES = Path(__file__).parent / "templates"
AMI_USERS = ("dialer", "listener", "console", "ear")
TLS_PEM = "console.pem"  # certificate and key of browser phones' wss, in the folder of the configuration
AGENTS_TRIED = 4  # for one call, while the rule's seconds last: each but the last had a line that died
ECHO_S = 60  # the longest echo test of an agent's line
ROBOT_S = 120  # the longest that a call without an agent lasts before a key
ROBOT_KEY_S = 4  # so long a key is waited for after the message
AGI_SILENCE_S = 2  # the longest that an answered borrower waits for Python: the seconds of the dialer_limit rules
# the columns of the CEL file, in the order of templates/cel_custom.conf.j2; times are seconds.microseconds UTC
CEL_COLUMNS = (
    "eventtype",
    "eventtime",
    "uniqueid",
    "linkedid",
    "channame",
    "peer",
    "context",
    "exten",
    "appname",
    "userevent",
    "extra",
    "account",  # `<task>.<contact point>` of a borrower's call, so that a restored database can tie it
)

# what Asterisk's configuration and dialplan give no meaning to; anything else in a value could end the line,
# start a comment or a section, or be evaluated
_PLAIN = re.compile(r"[\w .:/@+|~-]*")
_SECRET = re.compile(r"[^\s;\\\x00-\x1f\x7f](?:[^;\\\x00-\x1f\x7f]*[^\s;\\\x00-\x1f\x7f])?")
_TAKEN_NAMES = re.compile(r"agent-.*|bank-pbx|transport-.*|global|system|(desk|browser)-phone|phone-(auth|aor)")


@dataclass(frozen=True)
class AsteriskInstall:
    """A way to run Asterisk: the command without options, and the folders of its modules and of its own data."""

    argv: list[str]
    moddir: Path
    datadir: Path


@dataclass(frozen=True)
class Phone:
    """An agent's extension (2-6 digits). `agent-<ext>` (desk) and `agent-<ext>-web` (browser) share the secret."""

    extension: str
    secret: str
    login: str = field(default="", compare=False)  # whose phone it is, for a refusal

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9]{2,6}", self.extension):
            whose, login = (f" of {self.login}", self.login) if self.login else ("", "LOGIN")
            raise BadInput(
                f"The extension {self.extension!r}{whose} is not 2 to 6 digits.",
                remedy=f"Run `backoffice up --only postgres`, then `backoffice user set {login} --extension 101`.",
                field="extension",
            )
        if not re.fullmatch(r"[A-Za-z0-9]{16,80}", self.secret):
            raise BadInput(f"The secret of extension {self.extension} is not 16 to 80 letters and digits.")


class _Secret(str):
    """A value checked by the looser rule of a secret: it stands alone at the end of its line."""

    __slots__ = ()


def cel_file(settings: Settings) -> Path:
    """Where Asterisk appends one CSV line per channel event."""
    return settings.data / "asterisk" / "log" / "cel-custom" / "backoffice.csv"


def render(settings: Settings, install: AsteriskInstall, phones: list[Phone], target: Path) -> list[Path]:
    """Write the configuration into `target` and make the folders it names. Returns the files whose content changed.

    A file is replaced whole or not at all, and all are rendered before the first is written.
    Raises BadInput for a value that Asterisk would read as something else, and for a setting that cannot work.
    """
    wanted = texts(settings, install, phones, target)
    _make_folders(settings, target)
    prompts.provide(settings)
    return [file for file, text in wanted.items() if _write(file, text)]


def texts(settings: Settings, install: AsteriskInstall, phones: list[Phone], target: Path) -> dict[Path, str]:
    """What `render` would write, without writing. Raises BadInput as it does."""
    _refuse(settings, phones)
    values = _values(settings, install, phones, target)
    environment = Environment(  # noqa: S701 (not HTML; every value passes _plain instead)
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, finalize=_plain, keep_trailing_newline=True
    )
    environment.filters["secret"] = _secret
    found = {
        target / name.removesuffix(".j2"): environment.get_template(name).render(values)
        for name in sorted(environment.list_templates(extensions=["j2"]))
    }
    return found | ({target / TLS_PEM: tls.pem(settings)} if tls.on(settings) else {})


def early_dir(settings: Settings) -> Path:
    """Where Asterisk writes what ringing lines let us hear, one file a call, until it is recognised."""
    return settings.data / "asterisk" / "early"


def _refuse(settings: Settings, phones: list[Phone]) -> None:
    tls.check(settings, Clock.wall())
    extensions = [phone.extension for phone in phones]
    if len(set(extensions)) != len(extensions):
        raise BadInput("Two phones have the same extension.")
    for trunk in settings.trunks:
        if _TAKEN_NAMES.fullmatch(trunk.name):
            raise BadInput(f"A trunk cannot be called {trunk.name!r}: Asterisk's configuration uses that name itself.")
        if trunk.register_with_carrier and not trunk.username:
            raise BadInput(f"Trunk {trunk.name!r} shall register with its carrier but has no username.")
        if not trunk.is_loopback and _is_loopback(settings.bind):
            raise BadInput(
                f"Trunk {trunk.name!r} leads to {trunk.host}, but the exchange listens on {settings.bind} only.",
                remedy="Set BACKOFFICE_BIND to this machine's address in that network.",
            )

    if settings.bank_pbx and not _is_loopback(settings.bank_pbx.host) and _is_loopback(settings.bind):
        raise BadInput(
            f"The bank's exchange is {settings.bank_pbx.host}, but our exchange listens on {settings.bind} only.",
            remedy="Set BACKOFFICE_BIND to this machine's address in that network.",
        )


def _values(settings: Settings, install: AsteriskInstall, phones: list[Phone], target: Path) -> dict[str, Any]:
    return {
        "target": target,
        "moddir": install.moddir,
        "modules": {file.stem for file in install.moddir.glob("*.so")},
        "datadir": install.datadir,
        "data": settings.data,
        "run_dir": settings.run_dir,
        "recordings": settings.recordings_dir,
        "sounds": prompts.sounds_dir(settings),
        "bind": settings.bind,
        "media_address": settings.bind if _is_loopback(settings.bind) else "",
        "ports": settings.ports,
        "trunks": settings.trunks,
        "bank_pbx": settings.bank_pbx,
        "tls_pem": target / TLS_PEM if tls.on(settings) else "",
        "phones": sorted(phones, key=lambda phone: phone.extension),
        "secrets": {user: settings.derived_secret(f"ami:{user}") for user in AMI_USERS},
        "agi_seconds": AGI_SILENCE_S,
        "echo_seconds": ECHO_S,
        "agents_tried": AGENTS_TRIED,
        "robot_seconds": ROBOT_S,
        "key_seconds": ROBOT_KEY_S,
        "calls_in_seconds": settings.calls_in_wait_s + AGI_SILENCE_S,
        "language": settings.language,
        "agent_hears": f"{settings.language}/recorded" if settings.recording_notice == "prompt" else "tone",
        "languages": prompts.languages(settings),
    }


def _is_loopback(host: str) -> bool:
    return Trunk(name="any", host=host).is_loopback if host != "0.0.0.0" else False  # noqa: S104 (compared, not bound)


def _plain(value: object) -> str:
    """Jinja's `finalize`: every value of every template comes through here."""
    text = value if isinstance(value, _Secret) else str(value)
    if not isinstance(text, _Secret) and (
        not _PLAIN.fullmatch(text) or any(ord(c) < 32 or ord(c) == 127 for c in text) or text != text.strip()
    ):
        raise BadInput(
            f"Asterisk's configuration cannot hold the value {text!r}.", remedy="Use letters, digits and ._-:/@+"
        )
    return text


def _secret(value: str) -> _Secret:
    """Any printable character but `;` and `\\` may be in it. Raises BadInput, which does not repeat the secret."""
    if not _SECRET.fullmatch(value):
        raise BadInput("A trunk's password is empty, or has ; or \\ or a control character, or a space at its end.")
    return _Secret(value)


def _make_folders(settings: Settings, target: Path) -> None:
    own = settings.data / "asterisk"
    for folder in (
        target,
        own / "lib",
        own / "cache",
        own / "spool",
        own / "log" / "cel-custom",
        early_dir(settings),
        settings.recordings_dir,
    ):
        folder.mkdir(parents=True, exist_ok=True)
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)


def _write(file: Path, text: str) -> bool:
    """True when the file changed. Readable by the owner only: secrets are in it."""
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    descriptor, part = tempfile.mkstemp(dir=file.parent, prefix=".part-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, file)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    return True
