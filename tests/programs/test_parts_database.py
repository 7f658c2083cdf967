"""The parts on which everything stands: embedded PostgreSQL and Valkey, and the tests' own fixtures."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from backoffice_core.bus import Bus
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, PartMissing
from backoffice_core.events import News, QueueChanged
from backoffice_core.parts import postgres
from backoffice_core.parts.process import NOBODY, unprivileged
from tests.conftest import fresh_settings, running, until


@pytest.mark.parametrize(("memory_gb", "buffers"), [(0.5, "128MB"), (2, "256MB"), (24, "3072MB"), (512, "8192MB")])
def test_the_server_takes_its_part_of_the_machines_memory(memory_gb: float, buffers: str) -> None:
    assert postgres.shared_buffers(int(memory_gb * 2**30)) == buffers


async def test_database_is_utf8_and_listens_on_a_unix_socket_only(database: Database) -> None:
    async with database.begin() as session:
        assert await session.scalar(text("SELECT upper('їжак ёж')")) == "ЇЖАК ЁЖ"
        assert await session.scalar(text("SHOW listen_addresses")) == ""
        assert await session.scalar(text("SELECT current_setting('server_version_num')::int")) >= 150000
        assert await session.scalar(text("SHOW timezone")) == "UTC"


async def test_each_test_has_a_database_of_its_own(database: Database, settings: Settings) -> None:
    async with database.begin() as session:
        await session.execute(text("CREATE TABLE only_here (x int)"))
        assert await session.scalar(text("SELECT current_database()")) != "backoffice"
    kept = Database(settings)
    async with kept.begin() as session:
        assert await session.scalar(text("SELECT to_regclass('only_here')")) is None
    await kept.close()


async def test_news_goes_through_valkey(bus: Bus) -> None:
    heard: asyncio.Queue[News | None] = asyncio.Queue()

    async def listen() -> None:
        async for news in bus.hear():
            heard.put_nowait(news)

    task = asyncio.create_task(listen())
    assert await asyncio.wait_for(heard.get(), 5) is None, "the link was made"
    await bus.publish(QueueChanged())
    assert await asyncio.wait_for(heard.get(), 5) == QueueChanged()
    task.cancel()


def test_servers_run_without_root_and_yet_below_a_folder_that_only_root_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    tool = closed / "tool"
    tool.write_text('#!/bin/sh\n[ -x "$0" ] && [ -r "$0" ] && id -u\ngrep CapEff /proc/self/status\n')
    tool.chmod(0o755)
    said = subprocess.run(unprivileged([str(tool)]), capture_output=True, text=True, check=True).stdout.split()
    assert int(said[0]) == (NOBODY if os.geteuid() == 0 else os.geteuid())
    assert int(said[2], 16) in {0, 4}, "no right of root's but CAP_DAC_READ_SEARCH"


def test_a_full_disk_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = fresh_settings(tmp_path / "data")
    usage = shutil.disk_usage(tmp_path)._replace(free=5 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(BadInput, match="Only 5 MB are free") as refused:
        postgres.prepare(settings)
    assert "BACKOFFICE_DATA" in refused.value.remedy
    assert not (settings.data / "postgres").exists()


def test_a_cluster_of_another_major_version_is_not_touched(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path / "data")
    cluster = postgres.folder(settings)
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("15\n")
    with pytest.raises(BadInput, match="was made by PostgreSQL 15"):
        postgres.prepare(settings)
    assert [file.name for file in cluster.iterdir()] == ["PG_VERSION"]


async def test_no_second_server_while_a_session_of_a_killed_one_still_works(tmp_path: Path) -> None:
    """Issue 4, "nothing lost": the server is killed, a session of it hangs and could still write: nothing is started on
    the cluster until it is gone."""
    settings = fresh_settings(tmp_path / "data")
    settings.data.mkdir()
    with running(postgres.part(settings, fast=True), tmp_path / "postgres.log") as server:
        database = Database(settings, pool=1)
        async with database.engine.connect() as connection:
            session = psutil.Process(await connection.scalar(text("SELECT pg_backend_pid()")))
            session.suspend()
            try:
                server.kill()
                await asyncio.to_thread(server.wait)
                with pytest.raises(PartMissing, match=f"still work on .*{session.pid}"):
                    postgres.prepare(settings)
            finally:
                session.send_signal(signal.SIGCONT)
            await until(lambda: not session.is_running(), 10, what="the session sees that its server is gone")
            await connection.invalidate()
        await database.close()

        def free() -> bool:
            try:
                postgres.prepare(settings)
            except PartMissing:  # its other processes end as well
                return False
            return True

        await until(free, 10, what="the cluster may be started again")
