"""Backup and restore with a PostgreSQL of their own (FL-13): sealed, verified, to the minute, and nobody dialed twice."""

import asyncio
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import select

from backoffice_core import clock as clocks
from backoffice_core.audit import service as audit
from backoffice_core.borrowers.models import Person
from backoffice_core.call_centre.dialing import stop
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, Conflict, NotFound, PartMissing
from backoffice_core.parts import backup, by_url, control, restore, wal
from backoffice_core.parts.shelf import Manifest
from backoffice_core.parts.strongbox import BackupKey, SealedWriter, opened
from tests import house
from tests.conftest import fresh_settings
from tests.core.test_night_commands import run, said


def test_a_sealed_file_is_read_by_its_key_alone_and_no_part_can_be_left_out(tmp_path: Path) -> None:
    """Issue 4 "encrypted": another key, another name, a changed byte, a cut-off or swapped part are refused."""
    key, file = BackupKey("ab" * 32), tmp_path / "one"
    content = b"".join(n.to_bytes(4, "big") * 1000 for n in range(900))
    with SealedWriter(file, key, "database", level=0) as out:
        out.write(content)
    with opened(file, key, "database") as back:
        assert back.read() == content
    sealed = file.read_bytes()
    assert content[:4000] not in sealed
    head = sealed.index(b"\n", 30) + 1
    chunk = (1 << 20) + 16
    assert len(sealed) > head + 3 * chunk
    swapped = (
        sealed[:head]
        + sealed[head + chunk : head + 2 * chunk]
        + sealed[head : head + chunk]
        + sealed[head + 2 * chunk :]
    )
    for bad in (
        sealed[:-1], sealed[: head + 2 * chunk], sealed[:head] + sealed[head + chunk :], swapped,
        sealed[:-20] + bytes([sealed[-20] ^ 1]) + sealed[-19:], b"x" + sealed[1:],
    ):  # fmt: skip
        file.write_bytes(bad)
        with pytest.raises(BadInput), opened(file, key, "database") as back:
            back.read()
    file.write_bytes(sealed)
    with (
        pytest.raises(BadInput, match="sealed with the backup key"),
        opened(file, BackupKey("cd" * 32), "database") as back,
    ):
        back.read()
    with pytest.raises(BadInput), opened(file, key, "files") as back:
        back.read()


def test_an_empty_file_and_one_of_whole_parts_are_sealed_too(tmp_path: Path) -> None:
    key = BackupKey("01" * 32)
    for size in (0, 1, 1 << 20, (1 << 20) + 1, 3 << 20):
        for level in (0, 1):
            file = tmp_path / f"{size}-{level}"
            with SealedWriter(file, key, "x", level=level) as out:
                out.write(b"\x07" * size)
            with opened(file, key, "x") as back:
                assert back.read() == b"\x07" * size


class Installation:
    """A PostgreSQL that the supervisor started, with tables and rules."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        clocks.load(settings)

    def up(self) -> None:
        control.up(self.settings, ["postgres"], say=lambda _: None)

    def down(self) -> None:
        control.down(self.settings, say=lambda _: None)

    def backup(self) -> Manifest:
        return backup.make(self.settings, to=None, recordings=True, step=lambda *_: None, now=Clock.wall())


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    settings = fresh_settings(tmp_path / "data")
    one = Installation(settings)
    one.up()
    try:
        yield one
    finally:
        one.down()


def test_restore_to_the_moment(installation: Installation) -> None:
    """FL-13: what was committed before the moment is there, what came after is not; the old folder is kept."""
    settings = installation.settings
    asyncio.run(_numbers(settings, range(100)))
    (settings.recordings_dir / "2026").mkdir(parents=True)
    (settings.recordings_dir / "2026" / "talk.wav").write_bytes(b"RIFF" * 100)
    made = installation.backup()
    assert made.verified_at
    assert made.tables["public.numbers"]["rows"] == 100
    folder = settings.backups_dir / made.id
    assert all((folder / name).is_file() for name in ("database.sealed", "files.sealed", "recordings.sealed"))
    assert b"numbers" not in (folder / "database.sealed").read_bytes()
    asyncio.run(_numbers(settings, range(100, 200)))
    moment = asyncio.run(_server_time(settings))
    asyncio.run(_numbers(settings, range(200, 300)))
    assert wal.waiting(settings) or wal.ship(settings) == 0
    with pytest.raises(PartMissing, match="runs"):
        _restore(settings, moment)
    installation.down()
    shutil.rmtree(settings.recordings_dir)
    with pytest.raises(NotFound):
        _restore(settings, made.began_at - timedelta(days=1))
    done = _restore(settings, moment)
    assert done.whole
    assert done.to <= moment
    assert Path(done.aside, "PG_VERSION").exists()
    assert (settings.recordings_dir / "2026" / "talk.wav").exists()
    assert stop.stopped(settings) == stop.StopNotice("Оператор", stop.stopped(settings).at, "RESTORED")
    with pytest.raises(Conflict, match="restored"):
        stop.lift_now(settings, "Оператор", "можна")
    installation.up()
    assert asyncio.run(_count(settings)) == 200
    asyncio.run(_numbers(settings, range(500, 520)))
    second = installation.backup()  # on the new line of time
    asyncio.run(_numbers(settings, range(520, 530)))
    installation.down()
    done = _restore(settings, datetime.now(UTC))
    assert (done.backup, done.whole) == (second.id, False), "the log ends at the last change, all of which is there"
    installation.up()
    assert asyncio.run(_count(settings)) == 230


def _restore(settings: Settings, at: datetime) -> restore.Restored:
    return restore.restore(
        settings, at=at, source=settings.backups_dir, by="Оператор", wall=Clock.wall(), step=lambda *_: None,
        settle=lambda *_: None, beyond=False,
    )  # fmt: skip


async def _numbers(settings: Settings, numbers: range) -> None:
    connection = await backup.connect(settings)
    await connection.execute("CREATE TABLE IF NOT EXISTS numbers (n int PRIMARY KEY, told text)")
    await connection.executemany("INSERT INTO numbers VALUES ($1, $2)", [(n, "x" * 50) for n in numbers])
    await connection.close()


async def _server_time(settings: Settings) -> datetime:
    connection = await backup.connect(settings)
    at: datetime = await connection.fetchval("SELECT clock_timestamp()")
    await connection.close()
    return at


async def _count(settings: Settings) -> int:
    connection = await backup.connect(settings)
    count: int = await connection.fetchval("SELECT count(*) FROM numbers")
    await connection.close()
    return count


# --- a PostgreSQL of the bank's own --------------------------------------------------------------------------------


async def test_a_database_by_url_is_backed_up_and_comes_back_as_it_was(
    live_settings: Settings, database: Database, clock: Clock, tmp_path: Path
) -> None:
    """Issue 4, FL-13: sealed, each table compared with the snapshot, restored beside the present one, which is kept; then
    nobody is dialed until the calls since are accounted for. A minute between backups is refused with what to do."""
    settings = live_settings.model_copy(update={"data": tmp_path})
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        kept = await house.borrower(s, clock, number="+380671112233")
    made = await said(settings, "backup")
    assert made["rows"] > 100
    assert b"persons" not in (Path(made["folder"]) / "dump.sealed").read_bytes()
    async with database.begin() as s:
        lost = await house.borrower(s, clock, number="+380671112244")
        assert [(row.act, row.subject) for row in await audit.entries(s, act="BACKUP_MADE")] == [
            ("BACKUP_MADE", made["id"])
        ]
    words = ("restore", "--backup", made["id"], "--by", "Оператор")
    code, _, told = await run(settings, *words)
    assert (code, "in use by: tests" in told) == (1, True), told
    await database.close()
    code, _, told = await run(settings, "restore", "--at", datetime.now(UTC).isoformat(), "--by", "Оператор")
    assert (code, "restore settle --since" in told) == (1, True), told
    code, _, told = await run(settings, *words[:2], "20200101T000000Z", *words[3:])
    assert (code, "backup list" in told) == (1, True), told
    done = await said(settings, *words)
    async with database.begin() as s:
        people = set((await s.execute(select(Person.id))).scalars())
        acts = [row.act for row in await audit.entries(s)]
    assert kept.person.id in people
    assert lost.person.id not in people
    assert acts[0] == "DATABASE_RESTORED"
    assert stop.stopped(settings) == stop.StopNotice("Оператор", stop.stopped(settings).at, "RESTORED")
    aside = await asyncpg.connect(host=str(live_settings.run_dir), user="backoffice", database=done["aside"])
    assert await aside.fetchval("SELECT count(*) FROM persons WHERE id = $1", lost.person.id) == 1, "nothing is deleted"
    await aside.close()
    admin = await by_url.connect(live_settings, "postgres")
    await admin.execute(f"DROP DATABASE {done['aside']}")
    await admin.close()


async def test_a_server_by_url_that_is_away_is_told_with_the_remedy(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path).model_copy(
        update={"database_url": "postgresql+asyncpg://backoffice:secret@127.0.0.1:1/backoffice"}
    )
    code, _, told = await run(settings, "backup")
    assert (code, "does not let us in" in told, "secret" in told) == (1, True, False), told
