"""The supervisor: starts the parts in order, starts again what dies, ends all in reverse order.

One process without threads: it looks at its children every `TICK_S`. `backoffice up` starts it detached, containers
run it in the foreground.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import psutil
import structlog

from backoffice_core import plain_log
from backoffice_core.config import Settings
from backoffice_core.errors import Conflict, PartMissing, Refused
from backoffice_core.parts import catalogue, process
from backoffice_core.parts import state as states
from backoffice_core.parts.part import Part
from backoffice_core.parts.state import Failure, PartState, State

TICK_S = 0.1
BACK_OFF_S = (0.2, 1.0, 2.0, 5.0)  # and then 5 s for ever
STEADY_S = 60.0  # a part that ran that long begins the back-off anew
LOG_LIMIT = 50 * 2**20
STOP_ORDER = ((tuple(catalogue.PROGRAMS), 3.5), (("asterisk", "valkey"), 2.0), (("postgres",), 2.5))  # seconds

log = structlog.get_logger()


class Stopped(Exception):
    """A signal asked the supervisor to end while it was starting parts."""


class Failed(Exception):
    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.message)


class Adopted:
    """A process that another supervisor started. It is nobody's child here, so how it ended is not known."""

    def __init__(self, pid: int, create_time: float | None) -> None:
        self.pid, self._create_time = pid, create_time

    def poll(self) -> int | None:
        return None if process.alive(self.pid, self._create_time) else 255


class Child:
    """A part, the process that runs it now, and when to start it again."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.state = PartState(name=part.name, port=part.port, sign=int(part.sign))
        self.popen: subprocess.Popen[bytes] | Adopted | None = None
        self.started = 0.0
        self.again_at = 0.0
        self.falls = 0


class Supervisor:
    """`run()` blocks until a signal ends it. With `to_terminal` the parts write there, else to `<data>/log`.

    `label` sets it apart from others on the same data folder (one container a part, one volume for all).
    """

    def __init__(self, settings: Settings, names: Sequence[str], *, to_terminal: bool = False, label: str = "") -> None:
        self.settings = settings
        self.label = label
        self.names = names
        self.to_terminal = to_terminal
        self.children: list[Child] = []
        self.stopping = False
        self.dirty = False
        self.rotate_at = 0.0
        me = psutil.Process()
        self.state = State(pid=me.pid, create_time=me.create_time(), since=_now())

    def run(self, take_over: Callable[["Supervisor"], IO[str]] | None = None) -> int:
        """0 after an ordered end, 1 when a part could not be started (then nothing is left running).

        `take_over` (parts/takeover.py) takes the parts from another supervisor instead of starting them, and gives the
        lock. Raises Conflict when another supervisor runs on this data folder.
        """
        process.own_folder(self.settings.run_dir)
        process.own_folder(self.settings.data / "log", unprivileged_owner=False)
        lock = None if take_over else self.lock()
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._on_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            if take_over:
                lock = take_over(self)
            else:
                self._start_all()
            self.state.phase = "running"
            self.save()
            while not self.stopping:
                self._look_after()
                time.sleep(TICK_S)
            return 0
        except Stopped:
            return 0
        except Failed as failed:
            self.state.failure = failed.failure
            return 1
        finally:
            self._stop_all()
            if lock:
                lock.close()

    def lock(self, *, wait: bool = False) -> IO[str]:
        """Of the installation. `wait`: its holder was killed and is about to let go of it, which on a busy machine may be
        after he looks dead: without end. Otherwise raises Conflict when another supervisor runs."""
        lock = states.file(self.settings, self.label).with_suffix(".lock").open("w")
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if not wait:
                    raise Conflict(
                        f"A supervisor already runs on {self.settings.data}.", remedy="See `backoffice status`."
                    ) from None
                time.sleep(TICK_S)
            else:
                return lock

    def _on_signal(self, *_: object) -> None:
        self.stopping = True

    # ---- starting

    def _start_all(self) -> None:
        self.state.parts = [PartState(name=name) for name in self.names]
        self.save()
        databases = [name for name in self.names if name in {"postgres", "valkey"}]
        rest = [name for name in self.names if name not in databases]
        self._start_together(databases)
        if {"postgres", "worker"} & set(self.names):
            self._migrate()
        self._start_together(rest)  # Asterisk after the migrations: its phones stand in the database

    def _start_together(self, names: Sequence[str]) -> None:
        begun = []
        for name in names:
            try:
                child = Child(catalogue.make(self.settings, name))
            except Refused as refused:
                raise self.failed(name, refused) from refused
            self.children.append(child)
            self.state.parts[list(self.names).index(name)] = child.state
            try:
                self.start(child)
            except (Refused, OSError) as error:
                raise self.failed(name, error) from error
            begun.append(child)
        waiting = list(begun)
        while waiting:
            if self.stopping:
                raise Stopped
            for child in self.children:
                self.check_start(child)
            waiting = [child for child in waiting if child.state.state != "up"]
            time.sleep(0.03)

    def check_start(self, child: Child) -> None:
        assert child.popen is not None  # noqa: S101 (for the type checker)
        code = child.popen.poll()
        if code is not None:
            raise self.failed(child.part.name, PartMissing(f"{child.part.name} ended while starting: {_how(code)}."))
        if child.state.state == "up":
            return
        if child.part.healthy():
            child.state.state = "up"
            self.save()
        elif time.monotonic() - child.started > child.part.start_limit_s:
            late = PartMissing(f"{child.part.name} did not become ready within {child.part.start_limit_s:g} s.")
            raise self.failed(child.part.name, late)

    def failed(self, name: str, error: Refused | OSError) -> Failed:
        lines = [] if self.to_terminal else process.tail(self._log_file(name), 12)
        message = error.message if isinstance(error, Refused) else f"{name} could not be started: {error}"
        remedy = error.remedy if isinstance(error, Refused) else ""
        if not any(child.popen for child in self.children if child.part.name == name):
            lines = []  # what its log says is of an earlier run
        default = f"Its log is {self._log_file(name)}." if lines else ""
        return Failed(Failure(name, message, remedy or default, lines))

    def _migrate(self) -> None:
        from backoffice_core.migrations import migrate

        try:
            migrate(self.settings)
        except Exception as error:  # whatever a revision can raise: told, and nothing is left running
            log.exception("the migrations failed")
            reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            remedy = (
                "If BACKOFFICE_DATABASE_URL is set, check it. `backoffice migrate` shows the same without starting."
            )
            raise Failed(Failure("migrate", f"The database could not be migrated. {reason}", remedy)) from error

    def start(self, child: Child) -> None:
        """Raises PartMissing, BadInput or OSError; then nothing was started."""
        part = child.part
        part.prepare()
        variables = os.environ | process.environment(self.settings) | part.variables
        if part.name not in catalogue.HEAR_RECORDINGS:
            variables.pop("BACKOFFICE_RECORDINGS_KEY", None)
        with self._output(part.name) as out:
            child.popen = subprocess.Popen(
                part.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=variables,
                start_new_session=True,  # a Ctrl-C in the terminal is ours to hand on, in order
            )
        child.started = time.monotonic()
        child.state.pid = child.popen.pid
        child.state.create_time = _create_time(child.popen.pid)
        child.state.since = _now()
        child.state.error = ""
        child.state.state = "starting"
        self.save()
        log.info("started", part=part.name, pid=child.popen.pid)

    def _log_file(self, name: str) -> Path:
        return self.settings.data / "log" / f"{name}.log"

    def _output(self, name: str) -> IO[bytes]:
        if self.to_terminal:
            return open(os.dup(sys.stdout.fileno()), "wb")
        file = self._log_file(name)
        rotate(file)
        return plain_log.file(file)

    # ---- looking after

    def _look_after(self) -> None:
        for child in self.children:
            self._look_at(child)
        if time.monotonic() > self.rotate_at and not self.to_terminal:
            self.rotate_at = time.monotonic() + 60
            for child in self.children:
                rotate(self._log_file(child.part.name))
        if self.dirty:
            self.save()

    def _look_at(self, child: Child) -> None:
        now = time.monotonic()
        if child.popen is not None:
            code = child.popen.poll()
            if code is not None:
                self._fell(child, f"ended: {_how(code)}", now)
            elif child.state.state == "starting" and child.part.healthy():
                child.state.state = "up"
                self.dirty = True
        elif now >= child.again_at:
            child.state.restarts += 1
            try:
                self.start(child)
            except Exception as error:  # whatever one part's start can raise: the others need this process
                self._fell(child, str(error).splitlines()[0] if str(error) else type(error).__name__, now)

    def _fell(self, child: Child, reason: str, now: float) -> None:
        child.falls = 1 if child.popen and now - child.started > STEADY_S else child.falls + 1
        wait = BACK_OFF_S[min(child.falls, len(BACK_OFF_S)) - 1]
        child.popen = None
        child.again_at = now + wait
        child.state.state, child.state.error = "restarting", reason
        child.state.pid = child.state.create_time = None
        self.dirty = True
        log.warning("fell", part=child.part.name, reason=reason, again_in_s=wait)

    # ---- ending

    def _stop_all(self) -> None:
        self.state.phase = "stopping"
        self.save()
        end_parts([child.state for child in self.children])
        for part in self.state.parts:
            part.state, part.pid = "stopped", None
        if self.state.failure:
            self.state.phase = "failed"
            self.save()
        else:
            states.file(self.settings, self.label).unlink(missing_ok=True)
        log.info("stopped")

    def save(self) -> None:
        self.dirty = False
        try:
            states.write(self.settings, self.state, self.label)
        except OSError as error:  # the parts go on without their state on disk
            log.warning("state not written", error=str(error))


def end_parts(parts: Sequence[PartState]) -> None:
    """Ends these parts in the reverse order of their start, within 9 s whatever they do."""
    for names, limit_s in STOP_ORDER:
        living = [(found, part.sign) for part in parts if part.name in names and (found := part.process)]
        process.end(living, limit_s=limit_s)
        for found, _ in living:
            process.end_group(found.pid)


def rotate(file: Path, limit: int = LOG_LIMIT) -> None:
    """Past the limit the log becomes `<name>.log.1` and begins anew; its writer, who appends, goes on undisturbed."""
    try:
        if file.stat().st_size > limit:
            shutil.copy(file, file.with_name(f"{file.name}.1"))
            os.truncate(file, 0)
    except FileNotFoundError:
        return


def _how(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _create_time(pid: int) -> float | None:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
