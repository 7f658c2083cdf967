"""Asterisk's own file of channel events, read as it grows: the second source, which no lost link and no restart of ours
can empty. The position is kept in PostgreSQL, committed with what was read.

The file may be rotated (another inode at its path: the old one is read to its end first), truncated (read from the
start again) and in the middle of being written (a line counts when its line end is there).
"""

import csv
import os
from pathlib import Path
from typing import BinaryIO

import structlog

from ami_listener.heard import Heard, parse_cel
from asterisk_conf import CEL_COLUMNS

log = structlog.get_logger()

READ_BYTES = 256 * 1024  # of one look: some 1,500 rows
FIRST_LOOK_BYTES = 32 * 1024 * 1024  # without a kept position: some 150,000 rows, more than a day of one node
LEAST_COLUMNS = CEL_COLUMNS.index("extra") + 1  # older files end here
_NOT_NEEDED = (b'"CHAN_END"', b'"LINKEDID_END"')


class CelTail:
    """One reader of one growing file. `drained`: at the last look nothing more was there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged = 0
        self.drained = False
        self._file: BinaryIO | None = None
        self._inode = 0
        self._offset = 0

    @property
    def position(self) -> tuple[str, int]:
        """Inode and bytes, as `start_at` takes them."""
        return str(self._inode), self._offset

    def start_at(self, inode: str, offset: int) -> None:
        """Go on where PostgreSQL says that we were; in a file that was rotated away meanwhile, if it is still there."""
        for file in [self.path, *sorted(self.path.parent.glob(self.path.name + "*"))]:
            try:
                if str(file.stat().st_ino) == inode:
                    self._open(file, offset)
                    return
            except OSError:
                continue
        log.warning("the CEL file that was read last is gone; reading the present one from its start")

    def start_fresh(self, whole: bool) -> None:
        """No position is kept. `whole`: calls are live whose beginning may stand in the file; else from its end."""
        try:
            size = self.path.stat().st_size
        except OSError:
            return
        start = max(size - FIRST_LOOK_BYTES, 0) if whole else size
        self._open(self.path, start)
        if start and self._file:
            self._file.seek(start - 1)
            self._offset = start - 1 + len(self._file.readline())  # a first line that is cut is no row

    def read(self) -> list[Heard]:
        """The facts of the next rows. Empty when nothing new is there, and when there is no file."""
        self.drained = True
        if self._file is None and not self._begin():
            return []
        found: list[Heard] = []
        for line in self._lines():
            row = next(csv.reader([line.decode("utf-8", "replace").rstrip("\r\n")]), [])
            if len(row) < LEAST_COLUMNS:
                self.damaged += 1
                log.error("a damaged row in the CEL file", inode=self._inode, offset=self._offset)
                continue
            heard = parse_cel(dict(zip(CEL_COLUMNS, row, strict=False)))
            if heard is not None:
                found.append(heard)
        return found

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _lines(self) -> list[bytes]:
        assert self._file is not None  # noqa: S101 (read has opened it)
        size = os.fstat(self._file.fileno()).st_size
        if size < self._offset:
            log.warning("the CEL file was truncated; reading it from its start", inode=self._inode)
            self._offset = 0
        if size == self._offset:
            return self._next_file()
        self._file.seek(self._offset)
        data = self._file.read(READ_BYTES)
        whole = data[: data.rfind(b"\n") + 1]
        if not whole and len(data) == READ_BYTES:
            log.error("a line without end in the CEL file was passed over", inode=self._inode, offset=self._offset)
            self.damaged += 1
            self._offset += len(data)
        self._offset += len(whole)
        self.drained = len(data) < READ_BYTES
        return [line for line in whole.splitlines(keepends=True) if not line.startswith(_NOT_NEEDED)]

    def _next_file(self) -> list[bytes]:
        """What we have is read to its end; another file at the path is the one Asterisk writes now."""
        try:
            rotated = self.path.stat().st_ino != self._inode
        except OSError:
            return []
        if rotated:
            log.info("the CEL file was rotated", inode=self._inode)
            self._open(self.path, 0)
            self.drained = False
        return []

    def _begin(self) -> bool:
        try:
            self._open(self.path, 0)
        except OSError:
            return False
        return True

    def _open(self, file: Path, offset: int) -> None:
        self.close()
        self._file = file.open("rb")
        self._inode = os.fstat(self._file.fileno()).st_ino
        self._offset = offset
