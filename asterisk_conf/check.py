"""Does Asterisk read the rendered files without a complaint? Only Asterisk itself can tell, so it is started on them."""

import re
import subprocess
import time
from pathlib import Path

from asterisk_conf import AsteriskInstall, Phone, render
from backoffice_core.config import Settings

START_LIMIT_S = 30.0

# complaints that are no fault of the configuration: pattern -> reason
KNOWN: dict[str, str] = {
    r"res_timing_\w+\.c: .*not supported": "the kernel of a container may lack timerfd; another timer serves",
    r"Contact .* is now Unreachable": "the carrier may be down while only the files are checked",
}

_COMPLAINT = re.compile(r"\b(WARNING|ERROR)\[\d+\](?:\[[^\]]*\])?:? (.*)")


def problems(log: str) -> list[str]:
    """The warnings and errors in the text of Asterisk's messages.log that KNOWN does not explain."""
    found = (_COMPLAINT.search(line) for line in log.splitlines())
    complaints = [f"{match[1]} {match[2]}" for match in found if match]
    return [one for one in complaints if not any(re.search(pattern, one) for pattern in KNOWN)]


def check(settings: Settings, install: AsteriskInstall, phones: list[Phone], target: Path) -> list[str]:
    """Render into `target`, start Asterisk on it, end it; the problems found, none when all is well.

    The ports and the data folder of `settings` must be free: give a copy for the check, not the running installation.
    Raises BadInput as `render` does.
    """
    render(settings, install, phones, target)
    log = settings.data / "asterisk" / "log" / "messages.log"
    log.unlink(missing_ok=True)
    base = [*install.argv, "-C", str(target / "asterisk.conf")]
    with (settings.data / "asterisk" / "check.out").open("w") as out:
        child = subprocess.Popen([*base, "-f"], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        try:
            booted = _booted(base, child)
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    found = problems(text)
    if not booted:
        found.append(f"Asterisk did not finish its start within {START_LIMIT_S:g} s (exit code {child.returncode}).")
    return found


def _booted(base: list[str], child: "subprocess.Popen[bytes]") -> bool:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and child.poll() is None:
        asked = subprocess.run(
            [*base, "-rx", "core waitfullybooted"], capture_output=True, text=True, timeout=START_LIMIT_S, check=False
        )
        if "fully booted" in asked.stdout:
            return True
        time.sleep(0.1)
    return False
