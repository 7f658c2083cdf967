"""Asterisk's file of channel events, read as it grows: rotated, truncated, cut in the middle of a line, begun again."""

import os
from pathlib import Path

import pytest

from ami_listener import cel_tail
from ami_listener.cel_tail import CelTail
from ami_listener.heard import Heard
from tests.call_stories.test_stories import RAW

LINES = (RAW / "cel.csv").read_bytes().splitlines(keepends=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backoffice.csv"


def whole() -> list[Heard]:
    return CelTail(RAW / "cel.csv").read()


def test_it_is_read_byte_by_byte_and_from_any_kept_position(file: Path) -> None:
    """A line counts when its end is there; a new reader goes on where the position says, nothing twice, nothing lost."""
    tail, found = CelTail(file), []
    assert tail.read() == []
    data = b"".join(LINES[:40])
    for at in range(0, len(data), 97):
        with file.open("ab") as out:
            out.write(data[at : at + 97])
        found += tail.read()
        assert tail.drained
        if at % 970 == 0:
            again = CelTail(file)
            again.start_at(*tail.position)
            tail = again
    expected = CelTail(RAW / "cel.csv")
    assert found == expected.read()[: len(found)]
    assert len(found) > 15


def test_a_rotated_file_is_read_to_its_end_and_then_the_new_one(file: Path) -> None:
    file.write_bytes(b"".join(LINES[:20]))
    tail = CelTail(file)
    found = tail.read()
    with file.open("ab") as out:
        out.write(b"".join(LINES[20:30]))
    file.rename(file.with_name("backoffice.csv.1"))
    file.write_bytes(b"".join(LINES[30:]))
    for _ in range(4):
        found += tail.read()
    assert found == whole()


def test_a_file_that_was_rotated_while_nobody_read_is_found_by_its_inode(file: Path) -> None:
    file.write_bytes(b"".join(LINES[:20]))
    tail = CelTail(file)
    found = tail.read()
    position = tail.position
    tail.close()
    with file.open("ab") as out:
        out.write(b"".join(LINES[20:30]))
    file.rename(file.with_name("backoffice.csv-20261122"))
    file.write_bytes(b"".join(LINES[30:]))
    again = CelTail(file)
    again.start_at(*position)
    for _ in range(4):
        found += again.read()
    assert found == whole()


def test_a_truncated_file_is_read_from_its_start(file: Path) -> None:
    file.write_bytes(b"".join(LINES[:40]))
    tail = CelTail(file)
    tail.read()
    os.truncate(file, 0)
    assert tail.read() == []
    file.write_bytes(LINES[0])
    assert len(tail.read()) == 1


def test_what_is_no_row_is_passed_over_with_a_count(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cel_tail, "READ_BYTES", 4096)
    bad = [
        b'"ANSWER","x"\n',
        b"\xff\xfe\x00\n",
        b'"ANSWER","not a time"' + b',"x"' * 9 + b"\n",
        b"\n",
        b'"' * 5000 + b"\n",
    ]
    file.write_bytes(LINES[0] + b"".join(bad) + LINES[1])
    tail, found = CelTail(file), []
    for _ in range(6):
        found += tail.read()
    assert len(found) == 2
    assert tail.damaged >= 3


def test_without_a_kept_position_only_live_calls_need_the_past(file: Path) -> None:
    file.write_bytes(b"".join(LINES))
    fresh, past = CelTail(file), CelTail(file)
    fresh.start_fresh(whole=False)
    past.start_fresh(whole=True)
    assert fresh.read() == []
    assert past.read() == whole()
    with file.open("ab") as out:
        out.write(LINES[0])
    assert len(fresh.read()) == 1
