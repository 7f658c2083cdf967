"""Which failures of the database pass: nothing that was to be written may be given up because of them."""

import asyncio
import struct
import time
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from backoffice_core.config import Settings
from backoffice_core.db import AWAY, Database, passes
from tests.chaos.links import Link


async def _failure(settings: Settings) -> BaseException:
    database = Database(settings, name="tests")
    with pytest.raises((SQLAlchemyError, OSError)) as failed:
        async with database.begin() as s:
            await s.execute(text("SELECT 1"))
    await database.close()
    return failed.value


@pytest.mark.parametrize("code", ["57P03", "57P01", "53300"])
async def test_a_server_that_starts_stops_or_is_full_passes(live_settings: Settings, tmp_path: Path, code: str) -> None:
    """Issue 4, PostgreSQL away: "the database system is starting up" is no fault of the event that was to be written."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        said = f"SFATAL\0VFATAL\0C{code}\0Mnot now\0\0".encode()
        writer.write(b"E" + struct.pack("!I", len(said) + 4) + said)
        writer.close()

    url = f"postgresql+asyncpg://backoffice@/backoffice?host={tmp_path}"
    settings = live_settings.model_copy(update={"database_url": url})
    assert passes(await _failure(settings)), "nobody listens"
    server = await asyncio.start_unix_server(refuse, tmp_path / ".s.PGSQL.5432")
    assert passes(await _failure(settings))
    server.close()


async def test_a_lock_that_is_not_got_passes_and_a_wrong_statement_does_not(live_settings: Settings) -> None:
    """A writer that meets a lock of a hanging program waits; it does not put the event aside."""
    one, other = Database(live_settings, name="one"), Database(live_settings, name="other")
    async with one.begin() as s:
        await s.execute(text("LOCK TABLE call_attempts"))
        async with other.sessions() as t:
            await t.execute(text("SET lock_timeout = '50ms'"))
            with pytest.raises(SQLAlchemyError) as locked:
                await t.execute(text("SELECT * FROM call_attempts"))
    assert passes(locked.value)
    async with other.sessions() as t:
        with pytest.raises(SQLAlchemyError) as wrong:
            await t.execute(text("SELECT 1 / 0"))
    assert not passes(wrong.value)
    await one.close()
    await other.close()


async def test_a_program_that_hangs_in_a_transaction_lets_its_locks_go(live_settings: Settings) -> None:
    """Issue 4: a frozen program, or one behind a dead link, blocks no settlement for longer than its `idle_s`."""
    frozen, other = Database(live_settings, name="frozen", idle_s=0.3), Database(live_settings, name="other")
    async with frozen.sessions() as s:
        await s.execute(text("LOCK TABLE call_attempts"))
        async with asyncio.timeout(5), other.begin() as t:
            await t.execute(text("SELECT * FROM call_attempts"))
        with pytest.raises(SQLAlchemyError) as ended:
            await s.commit()
    assert passes(ended.value)
    await frozen.close()
    await other.close()


async def test_a_link_that_is_dead_without_being_cut_is_noticed(live_settings: Settings, tmp_path: Path) -> None:
    """Issue 4, losing any link: a statement waits `answer_s` and not for ever; when the link is back, so is the program."""
    link = Link("postgres", tmp_path / ".s.PGSQL.5432", live_settings.run_dir / ".s.PGSQL.5432")
    await link.start()
    url = live_settings.database.replace(str(live_settings.run_dir), str(tmp_path))
    database = Database(live_settings.model_copy(update={"database_url": url}), name="far", answer_s=0.5)
    await database.ping()
    link.mute(True)
    began = time.monotonic()
    with pytest.raises(AWAY) as away:
        async with asyncio.timeout(20):
            await database.ping()
    assert passes(away.value)
    assert time.monotonic() - began < 10
    link.mute(False)
    await database.ping()
    await database.close()
    await link.close()


async def test_a_pool_whose_connections_are_all_stuck_is_a_database_away(live_settings: Settings) -> None:
    """Behind a mute link each statement hangs: the next one finds no connection. No loop may end because of that."""
    full = Database(live_settings, pool=1, name="full")
    full.engine.pool._timeout = 0.05
    async with full.engine.connect(), full.engine.connect(), full.engine.connect():
        with pytest.raises(AWAY) as away:
            await full.ping()
    assert passes(away.value)
    await full.close()
