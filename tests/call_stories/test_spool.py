"""The spool on disk: what was heard survives a killed listener, a torn line and a full disk, in order and once."""

import os
from pathlib import Path

import pytest

from ami_listener import spool as spool_module
from ami_listener.spool import Spool, decode, encode, own_spool
from backoffice_core.errors import Conflict

MB = 1024 * 1024


def fact(n: int) -> list[object]:
    return ["HungUp", f"call-{n}", 1795303338.0 + n, False, 17, 486, False, False]


def test_facts_come_back_in_order_and_what_is_written_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Segments that PostgreSQL has are gone from the disk; the rest is read from the position it keeps."""
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 2_000)
    spool = Spool(tmp_path, MB)
    given = [fact(n) for n in range(200)]
    for one in given:
        assert spool.append([one]) == 1
    assert spool.more.is_set()
    first = spool.read(50)
    kept = spool.position
    assert first + spool.read(1_000) == given
    assert spool.drained
    assert not spool.more.is_set()
    before = len(list(tmp_path.glob("*.seg")))
    spool.written(kept)
    assert 1 < len(list(tmp_path.glob("*.seg"))) < before
    again = Spool(tmp_path, MB)  # the first was killed: nothing was closed
    again.start_at(again.name, kept)
    assert again.read(1_000) == given[50:]
    again.append([fact(200)])
    assert again.read(10) == [fact(200)]


def test_a_torn_last_line_is_cut_off_and_the_next_stands_whole(tmp_path: Path) -> None:
    """kill -9 in the middle of a write."""
    spool = Spool(tmp_path, MB)
    spool.append([fact(1), fact(2)])
    (segment,) = tmp_path.glob("*.seg")
    os.truncate(segment, segment.stat().st_size - 7)
    again = Spool(tmp_path, MB)
    again.append([fact(3)])
    assert again.read(10) == [fact(1), fact(3)]


def test_a_damaged_line_becomes_a_gap_and_the_rest_is_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path, MB)
    spool.append([fact(1), fact(2), fact(3)])
    (segment,) = tmp_path.glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[len(encode(fact(1))) + 30] ^= 1
    segment.write_bytes(data)
    found = Spool(tmp_path, MB).read(10)
    assert [one[0] for one in found] == ["HungUp", "Gap", "HungUp"]
    assert [found[0], found[2]] == [fact(1), fact(3)]


def test_a_full_spool_keeps_the_oldest_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bounded: the newest are left out with an alarm, and room comes back when PostgreSQL has what waited."""
    line = len(encode(fact(1)))
    spool = Spool(tmp_path, 5 * line + 3)
    assert spool.append([fact(n) for n in range(1, 9)]) == 5
    assert spool.append([fact(9)]) == 0
    assert spool.left_out == 4
    assert capsys.readouterr().out.count("SPOOL IS FULL") == 1
    assert sum(file.stat().st_size for file in tmp_path.glob("*.seg")) <= 5 * line
    assert spool.read(100) == [fact(n) for n in range(1, 6)]
    spool.written(spool.position)
    assert spool.append([fact(6)]) == 1
    assert spool.figures().left_out == 4


def test_a_full_disk_leaves_no_torn_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, MB)
    spool.append([fact(1)])
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:11]))
    assert spool.append([fact(2)]) == 0
    monkeypatch.setattr(os, "write", write)
    assert spool.append([fact(3)]) == 1
    assert spool.read(10) == [fact(1), fact(3)]
    assert spool.left_out == 1


@pytest.mark.parametrize("position", [0, 10**9])
def test_a_position_of_another_spool_is_not_believed(tmp_path: Path, position: int) -> None:
    """A database from a backup, or a data folder begun anew."""
    spool = Spool(tmp_path, MB)
    spool.append([fact(1)])
    spool.start_at("another", position)
    assert spool.read(10) == [fact(1)]
    spool.start_at(spool.name, 10**9)
    assert spool.read(10) == []
    assert spool.append([fact(2)]) == 1
    assert spool.read(10) == [fact(2)]


@pytest.mark.parametrize("line", [b"", b"\n", b"xxxxxxxx []\n", encode(fact(1))[1:], encode(fact(1)) * 2, b"0" * 9000])
def test_what_is_no_line_of_ours_is_no_fact(line: bytes) -> None:
    assert decode(line) is None


def test_two_listeners_of_one_machine_never_write_into_one_spool(tmp_path: Path) -> None:
    """One that was paused and followed may wake up and go on writing for a moment."""
    first, second = own_spool(tmp_path, MB), own_spool(tmp_path, MB)
    first.append([fact(1)])
    second.append([fact(2)])
    assert (first.read(10), second.read(10)) == ([fact(1)], [fact(2)])
    third = own_spool(tmp_path, MB)
    with pytest.raises(Conflict):
        own_spool(tmp_path, MB)
    first.give_back()
    again = own_spool(tmp_path, MB)
    assert again.read(10) == [fact(1)]
    for spool in (second, third, again):
        spool.give_back()
