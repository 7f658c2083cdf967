"""What has changed in the configuration, shown without secrets, and how a running Asterisk takes it over (FL-14).

Never by a restart: talks go on. What only a start can read is told, and waits for the next one.
"""

import difflib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

# file -> what makes a running Asterisk read it; files that are not here are read at start only
RELOADS: dict[str, tuple[str, ...]] = {
    "acl.conf": ("module reload acl",),
    "ccss.conf": ("module reload ccss",),
    "cdr.conf": ("module reload cdr",),
    "cel.conf": ("module reload cel",),
    "cel_custom.conf": ("module reload cel_custom.so",),
    "extensions.conf": ("dialplan reload",),
    "features.conf": ("module reload features",),
    "http.conf": ("module reload http",),
    "indications.conf": ("module reload indications",),
    "logger.conf": ("logger reload",),
    "manager.conf": ("manager reload",),
    "pjproject.conf": ("module reload res_pjproject.so",),
    "pjsip.conf": (
        "module reload res_pjsip.so",
        "module reload res_pjsip_endpoint_identifier_ip.so",
        "module reload res_pjsip_outbound_registration.so",
    ),
    "rtp.conf": ("module reload res_rtp_asterisk.so",),
    "udptl.conf": ("module reload udptl",),
    "console.pem": ("module reload http",),
}
FIRST = ("modules.conf", "logger.conf")  # a dialplan may need an application that is loaded first
_SECRET = re.compile(r"(?i)^(\s*(?:secret|password)\s*=>?\s*)(.*)$")
_TRANSPORT = re.compile(r"^\[transport-[^\n]*\n(?:(?!\[)[^\n]*\n?)*", re.MULTILINE)


@dataclass(frozen=True)
class Change:
    """One file that differs. `commands` for the running Asterisk; `at_start` = why (a part of) it waits for a start."""

    file: str
    diff: str
    commands: tuple[str, ...]
    at_start: str = ""


def changes(wanted: dict[Path, str]) -> list[Change]:
    """Between the files on the disk and these texts, in the order in which they are to be taken over."""
    salt = secrets.token_bytes(16)
    found = []
    for file, text in wanted.items():
        known = file.read_text(encoding="utf-8") if file.exists() else ""
        if known != text:
            found.append(_change(file.name, known, text, salt))
    return sorted(found, key=lambda change: (change.file not in FIRST, change.file))


def _change(name: str, known: str, text: str, salt: bytes) -> Change:
    if name.endswith(".pem"):
        return Change(name, f"{name}: another certificate or key (hidden)\n", RELOADS.get(name, ()))
    before, after = (_masked(one, salt).splitlines(keepends=True) for one in (known, text))
    diff = "".join(difflib.unified_diff(before, after, f"{name} (running)", f"{name} (new)", n=2))
    if name == "modules.conf":
        loads = [line.removeprefix("load = ").strip() for line in text.splitlines() if line.startswith("load = ")]
        new = [module for module in loads if f"load = {module}" not in known]
        gone = any(line.startswith("load = ") and line not in text.splitlines() for line in known.splitlines())
        why = "modules that are no longer wanted stay loaded" if gone else ""
        return Change(name, diff, tuple(f"module load {module}" for module in new), why)
    if name not in RELOADS:
        return Change(name, diff, (), "Asterisk reads it at its start only")
    moved = name == "pjsip.conf" and known and _TRANSPORT.findall(known) != _TRANSPORT.findall(text)
    return Change(name, diff, RELOADS[name], "addresses and ports of SIP change at its start only" if moved else "")


def _masked(text: str, salt: bytes) -> str:
    """A secret is shown as a mark that tells only whether it is another one."""
    lines = []
    for line in text.splitlines():
        found = _SECRET.match(line)
        mark = hmac.new(salt, found[2].encode(), "sha256").hexdigest()[:6] if found else ""
        lines.append(f"{found[1]}(hidden, {mark})" if found else line)
    return "\n".join(lines) + "\n"
