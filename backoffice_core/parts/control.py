"""What `backoffice up`, `down`, `status` and `logs` do; they meet the supervisor in its state file, and by signals."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

import backoffice_core
from backoffice_core import clock, plain_log, tls
from backoffice_core.config import Settings
from backoffice_core.errors import NotFound, PartMissing
from backoffice_core.parts import catalogue, process, supervisor
from backoffice_core.parts import state as states
from backoffice_core.parts.ready import unmark
from backoffice_core.parts.state import PartState, State

Say = Callable[[str], None]


def up(settings: Settings, only: Sequence[str] = (), say: Say = print) -> State:
    """Starts everything (or the parts of `only`) and returns when all work. Does nothing when it already runs.

    Raises Refused with the failing part's last lines when a part does not start; nothing is left running then.
    """
    names = catalogue.wanted(settings, only)
    tls.check(settings, clock.Clock.wall())
    known = states.read(settings)
    if known and known.supervisor and known.phase in {"starting", "running"}:
        say(f"Already runs (supervisor pid {known.pid}, since {known.since}). See `backoffice status`.")
        return known
    if known and known.phase != "failed":
        say("The last supervisor died; ending what it left behind.")
    down(settings, say=lambda _: None)
    process.own_folder(settings.run_dir)
    process.own_folder(settings.data / "log", unprivileged_owner=False)
    clock.load(settings, restart=True)
    child = _spawn(settings, names)
    try:
        return _follow(settings, child, say)
    except BaseException:  # a Ctrl-C while starting as well
        if child.poll() is None:
            child.terminate()
            _wait(child, 12)
        down(settings, say=lambda _: None)
        raise


def upgrade(settings: Settings, say: Say = print) -> State:
    """This release takes over from the one that runs: tables first, then program by program; talks go on (FL-14).

    Raises Refused when nothing runs, or when a program of this release does not start: then the old ones go on.
    """
    from backoffice_core.migrations import migrate
    from backoffice_core.parts import asterisk, takeover

    old = states.read(settings)
    if old is None or old.supervisor is None or old.phase != "running":
        raise PartMissing("Nothing runs that could be upgraded.", remedy="Run `backoffice up`.")
    migrate(settings)  # only adds (docs/decisions/0010): the old programs work on
    say("The tables are those of this release.")
    names = catalogue.wanted(settings, [p.name for p in old.parts if p.name in catalogue.NAMES])
    if "asterisk" in names:
        for change in asterisk.changes(settings):
            say(change.diff)
    states.file(settings, takeover.LABEL).unlink(missing_ok=True)
    child = _spawn(settings, names, "--take-over")
    began, told = time.monotonic(), set[str]()
    while True:
        ended, now = child.poll() is not None, states.read(settings)
        moving = states.read(settings, takeover.LABEL)
        for part in (moving or now or old).parts:
            if part.state == "up" and part.name in catalogue.PROGRAMS and part.name not in told and (
                moving or (now and now.pid == child.pid)
            ):  # fmt: skip
                told.add(part.name)
                say(f"  {part.name:<14} replaced  ({time.monotonic() - began:.1f} s)")
        if now and now.pid == child.pid and now.phase == "running":
            return now
        if ended:
            failure = moving.failure if moving else None
            states.file(settings, takeover.LABEL).unlink(missing_ok=True)
            lines = [f"  {failure.part} | {line}" for line in failure.log] if failure else []
            said = failure.message if failure else "The new supervisor ended."
            raise PartMissing(
                "\n".join([said, *lines, "The old release goes on."]), remedy="`backoffice logs supervisor`."
            )
        time.sleep(0.05)


def _spawn(settings: Settings, names: Sequence[str], *more: str) -> subprocess.Popen[bytes]:
    log = settings.data / "log" / "supervisor.log"
    supervisor.rotate(log)
    package = str(Path(backoffice_core.__file__).parent.parent)
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    with plain_log.file(log) as out:
        return subprocess.Popen(
            [sys.executable, "-m", "backoffice_core", "supervise", "--detached", *more, "--only", ",".join(names)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=os.environ | process.environment(settings) | {"PYTHONPATH": path},
            start_new_session=True,
        )


def _follow(settings: Settings, child: subprocess.Popen[bytes], say: Say) -> State:
    """Tells each part as it comes up. Raises PartMissing when the supervisor gives up."""
    began = time.monotonic()
    told: set[str] = set()
    while True:
        ended = child.poll() is not None
        state = states.read(settings)
        if state and state.pid == child.pid:
            for part in state.parts:
                if part.state == "up" and part.name not in told:
                    told.add(part.name)
                    port = f", port {part.port}" if part.port else ""
                    say(f"  {part.name:<14} up  (pid {part.pid}{port}; {time.monotonic() - began:.1f} s)")
            if state.phase == "running":
                return state
            if state.phase == "failed" and state.failure and ended:
                lines = [f"  {state.failure.part} | {line}" for line in state.failure.log]
                raise PartMissing("\n".join([state.failure.message, *lines]), remedy=state.failure.remedy)
        if ended:
            log = settings.data / "log" / "supervisor.log"
            raise PartMissing(
                "\n".join(["The supervisor ended while starting.", *process.tail(log, 8)]), remedy=f"Its log is {log}."
            )
        time.sleep(0.05)


def _wait(child: subprocess.Popen[bytes], limit_s: float) -> None:
    try:
        child.wait(limit_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def down(settings: Settings, say: Say = print) -> None:
    """Ends what `up` started, and what a killed supervisor left behind, within 10 s. Nothing to end is no error."""
    state = states.read(settings)
    if state is None:
        say("Nothing runs.")
        return
    if found := state.supervisor:
        process.send(found, signal.SIGTERM)
        process.until(lambda: state.supervisor is None, 9.5)
        if state.supervisor:
            process.send(found, signal.SIGKILL)
        state = states.read(settings) or state  # parts that were started again meanwhile have other pids
    supervisor.end_parts(state.parts)
    for name in catalogue.NAMES:
        unmark(settings, name)
    states.file(settings).unlink(missing_ok=True)
    say("All parts are stopped.")


def look(settings: Settings) -> list[PartState]:
    """The parts as they are now; empty when nothing was started. "left behind" = alive without a supervisor."""
    state = states.read(settings)
    if state is None:
        return []
    for part in state.parts:
        lives = part.process is not None
        if not state.supervisor:
            part.state = "left behind" if lives else "stopped"
        elif part.state in {"up", "starting"} and not lives:
            part.state = "restarting"
        if not lives:
            part.pid = None
    return state.parts


def log_files(settings: Settings, name: str = "") -> list[Path]:
    """The log of one part ("supervisor" too), or all. Asterisk has a second one, its messages.

    Raises NotFound when there is none.
    """
    files = sorted((settings.data / "log").glob("*.log"))
    if not name:
        return files
    own_messages = settings.data / "asterisk" / "log" / "messages.log"
    for file in files:
        if file.stem == name:
            return [file, own_messages] if name == "asterisk" and own_messages.exists() else [file]
    known = ", ".join(file.stem for file in files) or "none yet; run `backoffice up`"
    raise NotFound(f"There is no log of {name!r}.", remedy=f"There are: {known}.")


def follow(files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """(name, line) for each line that is written from now on, for ever."""
    places = {file: file.stat().st_size for file in files}
    while True:
        for file, place in places.items():
            size = file.stat().st_size if file.exists() else 0
            if size > place or size < place:
                with file.open("rb") as log:
                    log.seek(place if size > place else 0)
                    whole, _, _ = log.read().rpartition(b"\n")
                    places[file] = (place if size > place else 0) + (len(whole) + 1 if whole else 0)
                for line in whole.decode(errors="replace").splitlines():
                    yield file.stem, line
        time.sleep(0.2)


def runs(settings: Settings) -> psutil.Process | None:
    """The supervisor's process."""
    state = states.read(settings)
    return state.supervisor if state else None
