"""A new release takes over from the old one while people talk (FL-14): program by program, the servers stay.

Talks live in Asterisk, which nobody restarts. The old supervisor is paused, not ended, until all programs run in the new
release: whatever goes wrong before that, it wakes up and starts its own programs again. It needs to know nothing of
this, so any older release can be taken over from.
"""

import asyncio
import signal
import time
from typing import IO

import psutil
import structlog
from sqlalchemy import func, select

from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import Refused
from backoffice_core.parts import asterisk, catalogue, process
from backoffice_core.parts import state as states
from backoffice_core.parts.state import PartState, State
from backoffice_core.parts.supervisor import Adopted, Child, Failed, Stopped, Supervisor

LABEL = "upgrade"  # of the state file until the new supervisor is the only one
# The old dialer goes on dialing with the new desks and the new listener. Only while the AGI changes must nobody be about
# to answer, so the dialer ends before it and is the last to begin.
BEFORE, AFTER = ("worker", "agent_console", "ami_listener"), ("agi",)
END_LIMIT_S = 5.0
FLIGHT_MARGIN_S = 8.0  # beyond the time that a borrower's phone rings

log = structlog.get_logger()


class TakeOver:
    """Call it with the new supervisor; gives the lock of the installation."""

    def __init__(self, settings: Settings, old: State) -> None:
        self.settings, self.old = settings, old
        self.parts = {part.name: part for part in old.parts}
        self.begun: list[Child] = []

    def __call__(self, new: Supervisor) -> IO[str]:
        """Raises Failed: then the old supervisor runs on, with its programs."""
        paused = self.old.supervisor
        if paused is None:
            raise Failed(states.Failure("supervisor", "The old supervisor has ended.", "Run `backoffice up`."))
        new.label = LABEL
        process.send(paused, signal.SIGSTOP)
        try:
            self._adopt(new)
            self._programs(new)
        except BaseException as error:
            self._give_back(new, paused)
            if isinstance(error, Refused):
                raise Failed(states.Failure("upgrade", error.message, error.remedy)) from error
            raise
        process.send(paused, signal.SIGKILL)
        process.until(lambda: self.old.supervisor is None, END_LIMIT_S)
        states.file(self.settings, LABEL).unlink(missing_ok=True)
        new.label = ""
        lock = new.lock(wait=True)
        new.save()
        log.info("took over", from_pid=self.old.pid)
        return lock

    def _adopt(self, new: Supervisor) -> None:
        """Servers are taken as they are; each keeps the options that it was started with."""
        new.state.parts = [PartState(name=name) for name in new.names]
        for n, name in enumerate(new.names):
            child = Child(catalogue.make(self.settings, name))
            child.state = new.state.parts[n]
            child.state.port, child.state.sign = child.part.port, int(child.part.sign)
            new.children.append(child)
            known = self.parts.get(name)
            if name not in catalogue.SERVERS:
                continue
            if known is None or known.pid is None or known.process is None:
                raise Failed(states.Failure(name, f"{name} does not run.", "Run `backoffice status`."))
            child.popen = Adopted(known.pid, known.create_time)
            child.started = time.monotonic()
            child.state.pid, child.state.create_time, child.state.since = known.pid, known.create_time, known.since
            child.state.state = "up"
        new.save()

    def _programs(self, new: Supervisor) -> None:
        children = {child.part.name: child for child in new.children}
        for name in BEFORE:
            self._swap(new, children.get(name), name)
        self._end("dialer")
        self._nobody_about_to_answer()
        for name in AFTER:
            self._swap(new, children.get(name), name)
        if "asterisk" in children:
            for change in asterisk.take_over(self.settings):
                log.info("asterisk reloaded", file=change.file, at_start=change.at_start)
        for name, child in children.items():
            if child.popen is None:
                self._swap(new, child, name)  # the dialer, and programs that the old release did not have
        for name in self.parts.keys() - children.keys():
            self._end(name)

    def _swap(self, new: Supervisor, child: Child | None, name: str) -> None:
        if child is None:
            return
        self._end(name)
        try:
            new.start(child)
        except (Refused, OSError) as error:
            raise new.failed(name, error) from error
        self.begun.append(child)
        while child.state.state != "up":
            if new.stopping:
                raise Stopped
            new.check_start(child)
            time.sleep(0.03)

    def _end(self, name: str) -> None:
        """The old one. Its supervisor is paused, so it stays a zombie, which counts as ended."""
        known = self.parts.get(name)
        if known is None or known.process is None:
            return
        process.send(known.process, known.sign)
        if not process.until(lambda: known.process is None, END_LIMIT_S):
            found: psutil.Process | None = known.process
            if found:
                process.send(found, signal.SIGKILL)
            process.until(lambda: known.process is None, END_LIMIT_S)
        process.end_group(known.pid or 0) if known.pid else None

    def _nobody_about_to_answer(self) -> None:
        """Until every borrower who rings is with an agent, or gone. Whoever still rings then hears the message."""
        limit = time.monotonic() + self.settings.ring_timeout_s + FLIGHT_MARGIN_S
        while flights(self.settings) and time.monotonic() < limit:
            time.sleep(0.2)

    def _give_back(self, new: Supervisor, paused: psutil.Process) -> None:
        """The old release again, all of it: its supervisor finds its programs gone and starts them."""
        for child in reversed(self.begun):
            if found := child.state.process:
                process.end([(found, int(child.part.sign))], limit_s=END_LIMIT_S)
        for child in new.children:
            child.state.pid = None  # servers are not ours to end
            child.popen = None
        process.send(paused, signal.SIGCONT)


def flights(settings: Settings) -> int:
    """Calls that are not over and have no agent yet."""

    async def ask() -> int:
        database = Database(settings, pool=1, name="upgrade")
        query = select(func.count()).select_from(CallAttempt).where(
            CallAttempt.ended_at.is_(None), CallAttempt.bridged_at.is_(None), ~CallAttempt.abandoned
        )  # fmt: skip
        try:
            async with database.begin() as s:
                return int((await s.execute(query)).scalar_one())
        finally:
            await database.close()

    return asyncio.run(ask())
