"""The spool: facts from AMI on this machine's disk, until PostgreSQL has them.

Append-only segments below `<data>/spool`, one fact a line with its CRC-32. A write goes to the operating system at once,
so a killed listener loses nothing; it is forced to the disk every FSYNC_S, so a machine that dies loses at most that
much, which Asterisk's CEL file has as well. A segment is deleted when all of it is written. When the spool is full, the
newest facts are left out and a gap is noted: the calls they belong to are settled from the CEL file.
"""

import asyncio
import errno
import fcntl
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

import structlog

from backoffice_core.errors import Conflict

log = structlog.get_logger()

SEGMENT_BYTES = 4 * 1024 * 1024
FSYNC_S = 1.0
LINE_LIMIT = 4096  # bytes; a longer line is no fact of ours


@dataclass
class Figures:
    """For the operator. `waiting` and `limit` in bytes; `left_out`: facts for which there was no room since the start."""

    waiting: int
    limit: int
    left_out: int
    damaged: int


class Spool:
    """One writer and one reader, in one process. A position is a number of bytes since the spool was made."""

    def __init__(self, folder: Path, limit: int) -> None:
        """`limit`: bytes. Raises OSError when the folder cannot be written."""
        self.folder, self.limit = folder, limit
        folder.mkdir(parents=True, exist_ok=True)
        self.name = self._own_name()
        self.more = asyncio.Event()
        self.lock: TextIO | None = None
        self.left_out = self.damaged = 0
        self._full = False
        self._dirty = False
        self._out: int | None = None
        self._starts = sorted(int(file.stem) for file in folder.glob("*.seg") if file.stem.isdecimal())
        self._first = self._starts[0] if self._starts else 0
        self._end = self._starts[-1] + self._repair(self._starts[-1]) if self._starts else 0
        self._read_at = self._first

    # --- writing -------------------------------------------------------------------------------------------------

    def append(self, facts: Sequence[list[Any]]) -> int:
        """Appends all, or as many as there is room for; returns how many. Never waits for anything but the disk."""
        taken = 0
        lines = []
        room = self.limit - (self._end - self._first)
        for fact in facts:
            line = encode(fact)
            if len(line) > room and fact[0] != "Gap":
                break
            lines.append(line)
            room -= len(line)
            taken += 1
        try:
            self._write(b"".join(lines))
        except OSError as error:
            self._say_full(error.strerror or "OSError")
            self.left_out += len(facts)
            return 0
        if taken < len(facts):
            self._say_full("limit")
            self.left_out += len(facts) - taken
        elif self._full and room > self.limit // 10:
            log.info("the spool has room again", left_out=self.left_out)
            self._full = False
        self.more.set()
        return taken

    def _say_full(self, why: str) -> None:
        if not self._full:
            log.error("THE SPOOL IS FULL: events of calls are left out and will be read from the CEL file", why=why)
        self._full = True

    def _write(self, data: bytes) -> None:
        if not data:
            return
        if self._out is None or self._end - self._starts[-1] >= SEGMENT_BYTES:
            self.close()
            self._out = os.open(self._path(self._end), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._starts = [*(start for start in self._starts if start != self._end), self._end]
        written = os.write(self._out, data)
        if written < len(data):  # no room on the disk: take the torn line away again
            os.ftruncate(self._out, self._end - self._starts[-1])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._end += written
        self._dirty = True

    async def keep_safe(self) -> None:
        """Forces to the disk what was written, every FSYNC_S. Until cancelled."""
        while True:
            await asyncio.sleep(FSYNC_S)
            if self._dirty and self._out is not None:
                self._dirty = False
                copy = os.dup(self._out)
                try:
                    await asyncio.to_thread(os.fsync, copy)
                finally:
                    os.close(copy)

    # --- reading -------------------------------------------------------------------------------------------------

    def start_at(self, name: str, position: int) -> None:
        """Go on where `name` and `position` (as PostgreSQL has them) say; a spool of another name is read from its start."""
        if name == self.name:
            self._read_at = min(max(position, self._first), self._end)
            self.written(self._read_at)
        if self._read_at < self._end:
            log.info("events wait in the spool", bytes=self._end - self._read_at)
            self.more.set()

    def read(self, most: int) -> list[list[Any]]:
        """The next facts, at most `most`. A damaged line is passed over, and a gap stands in its place."""
        facts: list[list[Any]] = []
        while len(facts) < most and self._read_at < self._end:
            start = max(one for one in self._starts if one <= self._read_at)
            with self._path(start).open("rb") as file:
                file.seek(self._read_at - start)
                before = self._read_at
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._read_at += len(line)
                    fact = decode(line)
                    if fact is None:
                        self.damaged += 1
                        log.error("a damaged line in the spool", segment=start)
                        fact = ["Gap", "", facts[-1][2] if facts else 0.0, False, None]
                    facts.append(fact)
                    if len(facts) >= most:
                        break
            if self._read_at == before:  # the segment is read to its end
                later = [one for one in self._starts if one > start]
                if not later:
                    break
                self._read_at = later[0]
        if self._read_at >= self._end:
            self.more.clear()
        return facts

    @property
    def position(self) -> int:
        """Up to here `read` has given."""
        return self._read_at

    @property
    def drained(self) -> bool:
        return self._read_at >= self._end

    def written(self, position: int) -> None:
        """All before `position` is in PostgreSQL: whole segments before it are deleted."""
        for start, following in zip(self._starts, self._starts[1:], strict=False):
            if following <= position:
                self._path(start).unlink(missing_ok=True)
                self._starts = [one for one in self._starts if one != start]
        self._first = max(self._first, min(position, self._end))

    def figures(self) -> Figures:
        return Figures(self._end - self._read_at, self.limit, self.left_out, self.damaged)

    def close(self) -> None:
        if self._out is not None:
            os.fsync(self._out)
            os.close(self._out)
            self._out = None

    def give_back(self) -> None:
        """Closes it for good; another process may take it."""
        self.close()
        if self.lock:
            self.lock.close()

    # --- files ---------------------------------------------------------------------------------------------------

    def _path(self, start: int) -> Path:
        return self.folder / f"{start:020}.seg"

    def _own_name(self) -> str:
        """Made with the spool: PostgreSQL's position belongs to this one only."""
        file = self.folder / "name"
        if not file.exists():
            part = file.with_suffix(".part")
            part.write_text(uuid4().hex)
            os.replace(part, file)
        return file.read_text().strip()

    def _repair(self, start: int) -> int:
        """The length of the last segment's whole lines; a torn last one (killed while writing) is cut off."""
        path = self._path(start)
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            log.warning("a torn line at the end of the spool was cut off", bytes=len(data) - whole)
            os.truncate(path, whole)
        self._out = os.open(path, os.O_WRONLY | os.O_APPEND)
        return whole


def own_spool(data: Path, limit: int) -> Spool:
    """The spool of this machine. A listener that was paused may still have it: then a second one, so that two processes
    never write into one. The kernel gives it free when its process ends, however it does."""
    for name in ("spool", "spool-2", "spool-3"):
        folder = data / name
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            log.warning("another process has this spool", name=name)
            continue
        spool = Spool(folder, limit)
        spool.lock = lock
        return spool
    raise Conflict(
        "Other listeners have all spools of this machine.",
        remedy="One listener a machine is enough, two for a quick takeover: end the others.",
    )


def encode(fact: list[Any]) -> bytes:
    body = json.dumps(fact, separators=(",", ":")).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode(line: bytes) -> list[Any] | None:
    """None for a line that is not what was written."""
    body = line[9:-1]
    try:
        if len(line) <= LINE_LIMIT and int(line[:8], 16) == zlib.crc32(body):
            found = json.loads(body)
            return found if isinstance(found, list) else None
    except ValueError:
        pass
    return None
