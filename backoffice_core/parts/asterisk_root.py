"""Asterisk where the distribution has none: a root file system of its own, built once, in a cache outside the tree.

`python -m backoffice_core.parts.asterisk_root` says which Asterisk would be used, or gets one (`make setup` calls it).
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backoffice_core import config
from backoffice_core.errors import PartMissing, Refused
from backoffice_core.parts import asterisk

SUITE = "forky"  # Debian 12 and 13 have no Asterisk; this suite has 22
NEEDED_MB = 1000
SHARED_CACHE = Path("/var/cache/backoffice-for-bank")


def places() -> list[Path]:
    """Where a built root file system may lie: one's own cache first, then the one that root fills for everybody."""
    own = os.environ.get("XDG_CACHE_HOME", "")
    if not own and os.geteuid() != 0:  # root's home is closed to `nobody`, as whom Asterisk runs
        own = str(Path.home() / ".cache")
    caches = [Path(own) / SHARED_CACHE.name] if own else []
    return [cache / "asterisk-root" for cache in [*caches, SHARED_CACHE]]


def built() -> Path | None:
    """The built root file system, if there is one."""
    return next((place for place in places() if (place / "usr/sbin/asterisk").exists()), None)


def mirror() -> str:
    """The package mirror of this machine's own apt sources. Raises PartMissing when there is none for Debian."""
    release = _os_release()
    fields = "$(REPO_URI) $(CODENAME) $(COMPONENT)"
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", fields, "Identifier: Packages"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    for line in listed.stdout.splitlines():
        uri, codename, component = line.rsplit(" ", 2)
        if codename == release.get("VERSION_CODENAME") and component == "main":
            return uri.strip()
    raise PartMissing(
        "The apt sources of this machine name no Debian mirror.",
        remedy="Install Asterisk 20 or newer yourself and set BACKOFFICE_ASTERISK to its path.",
    )


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def packaged() -> bool:
    """Whether apt offers Asterisk 20 or newer here (Ubuntu, Debian forky and later)."""
    policy = subprocess.run(["apt-cache", "policy", "asterisk"], capture_output=True, text=True, check=False).stdout
    for line in policy.splitlines():
        if line.strip().startswith("Candidate:"):
            version = line.split(":", 1)[1].strip().split(":")[-1].split(".")[0]
            return version.isdigit() and int(version) >= asterisk.OLDEST
    return False


def build() -> Path:
    """Builds the root file system: about 45 s and 340 MB. All or nothing; two builds at once wait for one another.

    Raises PartMissing when it cannot be built, with what to do instead.
    """
    target = places()[0]
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent / "build.lock"):
        if (target / "usr/sbin/asterisk").exists():
            return target
        if shutil.disk_usage(target.parent).free < NEEDED_MB * 2**20:
            raise PartMissing(f"{target.parent} needs {NEEDED_MB} MB of free disk.", remedy="Free some disk space.")
        begun = target.with_name(f"{target.name}.part")
        _remove(begun)
        date_check = 'Acquire::Check-Valid-Until "false"'  # a mirror may be days behind; signatures are checked
        command = ["mmdebstrap", "--variant=apt", f"--aptopt={date_check}", "--include=asterisk", SUITE, str(begun)]
        done = subprocess.run([*command, f"deb {mirror()} {SUITE} main"], check=False, cwd="/")
        if done.returncode:
            _remove(begun)
            raise PartMissing(
                f"mmdebstrap could not build Asterisk's root file system (exit code {done.returncode}, reason above).",
                remedy="Check the network, run `make setup` again, or set BACKOFFICE_ASTERISK to an Asterisk of yours.",
            )
        _remove(target)
        begun.rename(target)
    return target


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove(folder: Path) -> None:
    """Removes a half-built root; refuses while something (/proc, /dev) is mounted in it."""
    if f" {folder}/" in Path("/proc/mounts").read_text():
        raise PartMissing(
            f"Something is mounted below {folder}.", remedy=f"Unmount it (see /proc/mounts) under {folder}."
        )
    if folder.exists():
        shutil.rmtree(folder)


def _install_package() -> None:
    """The distribution's own package; its service must not start, it would take our ports."""
    if shutil.which("systemctl"):
        subprocess.run(["systemctl", "mask", "asterisk.service"], check=False, capture_output=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", "asterisk"], check=True, env=environment)


def main() -> int:
    """Prints the Asterisk to be used; gets one first when there is none, through sudo when we are not root.

    `--check` only looks (exit code 1: there is none), `--packaged` tells whether apt has one that is new enough.
    """
    if "--packaged" in sys.argv:
        return 0 if packaged() else 1
    settings = config.Settings()
    try:
        install = asterisk.find(settings)
    except PartMissing:
        if settings.asterisk:
            raise  # named by hand, so nothing else is taken in its place
        if "--check" in sys.argv:
            return 1
        sudo = shutil.which("sudo")
        if os.geteuid() != 0 and sudo:
            return subprocess.run([sudo, sys.executable, "-B", "-m", __spec__.name], check=False).returncode
        if packaged() and os.geteuid() == 0:
            _install_package()
        else:
            build()
        install = asterisk.find(settings)
    if "--check" not in sys.argv:
        print(f"Asterisk {asterisk.version(install)}: {install.moddir.parent}")  # noqa: T201
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Refused as refused:
        print(f"error: {refused.message}\n  what to do: {refused.remedy}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
