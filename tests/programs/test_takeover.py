"""A new release takes over from a running one, or leaves it as it was (FL-14). The whole with talks: tests/drills."""

import getpass
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from backoffice_core.audit.models import AuditEntry
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import Conflict
from backoffice_core.parts import control, process
from backoffice_core.parts import state as states
from backoffice_core.parts.supervisor import Supervisor
from tests.conftest import ROOT, command, fresh_settings, until

PARTS = ["postgres", "valkey", "worker", "agi"]


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = fresh_settings(tmp_path / "data")
    control.up(settings, PARTS, say=lambda _: None)
    try:
        yield settings
    finally:
        control.down(settings, say=lambda _: None)


def release(folder: Path, *, broken: bool) -> Path:
    """Another tree of the same programs; in a broken one the AGI does not start."""
    folder.mkdir()
    for one in ROOT.iterdir():
        if one.is_dir() and not one.name.startswith("."):
            (folder / one.name).symlink_to(one)
    if broken:
        (folder / "agi").unlink()
        (folder / "agi").mkdir()
        (folder / "agi" / "__main__.py").write_text("raise SystemExit('this release is broken')\n")
    return folder


def upgrade(settings: Settings, tree: Path) -> "subprocess.CompletedProcess[str]":
    variables = os.environ | process.environment(settings) | {"PYTHONPATH": str(tree)}
    return subprocess.run(command("upgrade"), env=variables, cwd="/", capture_output=True, text=True, check=False)


def pids(settings: Settings) -> dict[str, int | None]:
    state = states.read(settings)
    assert state is not None
    return {"supervisor": state.pid} | {part.name: part.pid for part in state.parts}


async def test_programs_are_replaced_and_servers_stay(settings: Settings, tmp_path: Path) -> None:
    """A release that does not start changes nothing for good; one that does takes over, and ends in order later."""
    before = pids(settings)
    failed = upgrade(settings, release(tmp_path / "broken", broken=True))
    assert failed.returncode == 1
    assert "this release is broken" in failed.stderr
    assert "The old release goes on." in failed.stderr
    await until(
        lambda: all(part.state == "up" for part in control.look(settings)), 60, what="the old release is whole again"
    )
    again = pids(settings)
    assert {name: again[name] for name in ("supervisor", "postgres", "valkey")} == {
        name: before[name] for name in ("supervisor", "postgres", "valkey")
    }
    done = upgrade(settings, release(tmp_path / "good", broken=False))
    assert done.returncode == 0, done.stderr
    after = pids(settings)
    assert {name: after[name] for name in ("postgres", "valkey")} == {
        name: before[name] for name in ("postgres", "valkey")
    }
    assert all(after[name] not in {again[name], None} for name in ("supervisor", "worker", "agi"))
    assert all(part.state == "up" for part in control.look(settings))
    worker = next(part for part in control.look(settings) if part.name == "worker").process
    assert worker is not None
    assert worker.environ()["PYTHONPATH"] == str(tmp_path / "good")
    postgres = next(part for part in control.look(settings) if part.name == "postgres").process
    assert postgres is not None
    postgres.kill()  # an adopted server that dies is started again, like any other

    def started_again() -> bool:
        return (
            all(part.state == "up" for part in control.look(settings))
            and pids(settings)["postgres"] != before["postgres"]
        )

    await until(started_again, 60, what="PostgreSQL started again by the new supervisor")
    database = Database(settings, pool=1)
    async with database.begin() as s:  # the one that failed is none
        (noted,) = await s.scalars(select(AuditEntry).where(AuditEntry.act == "UPGRADED"))
    await database.close()
    assert (noted.who, set(noted.data["parts"])) == (f"os:{getpass.getuser()}", set(PARTS))
    control.down(settings, say=lambda _: None)
    assert control.look(settings) == []
    assert not process.alive(after["worker"], None)


def test_there_must_be_something_to_upgrade(tmp_path: Path) -> None:
    found = upgrade(fresh_settings(tmp_path / "nothing"), ROOT)
    assert found.returncode == 1
    assert "Nothing runs" in found.stderr


def test_who_takes_over_waits_until_the_killed_one_has_let_go(tmp_path: Path) -> None:
    """FL-14: on a busy machine a killed supervisor holds its lock for a while; giving up then would end what runs."""
    settings = fresh_settings(tmp_path / "data")
    process.own_folder(settings.run_dir)
    old, new = Supervisor(settings, PARTS), Supervisor(settings, PARTS)
    held = old.lock()
    with pytest.raises(Conflict):
        new.lock()
    let_go = threading.Timer(0.5, held.close)
    let_go.start()
    new.lock(wait=True).close()
    assert held.closed
