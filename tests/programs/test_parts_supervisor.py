"""Start and end of the running parts: `backoffice up`, `down`, `status`, and what a killed part or supervisor leaves.

Proves of the issue's text: errors say what to do, nothing half done, no process is left behind, the holder of a port
is named.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from backoffice_core.config import Settings
from backoffice_core.parts import catalogue, process
from backoffice_core.parts import state as states
from tests.conftest import child_environment, command, fresh_settings, until

TWO = "postgres,valkey"


def backoffice(
    settings: Settings, *words: str, place: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs the command where no backoffice.toml lies."""
    return subprocess.run(
        command(*words), env=child_environment(settings) | variables, cwd=place or settings.data.parent,
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


def status(settings: Settings) -> dict[str, Any]:
    shown = json.loads(backoffice(settings, "status", "--json").stdout)
    return {part["name"]: part for part in shown["parts"]} | {"supervisor": shown["supervisor"]}


def below(settings: Settings) -> list[psutil.Process]:
    """All processes with this installation's data folder in their command line, environment or as their place.

    Each of the three alone misses some: servers write their title over their command line and environment.
    """
    mark = str(settings.data)
    found = []
    for one in psutil.process_iter(["cmdline", "cwd", "environ"]):
        words = [
            *(one.info["cmdline"] or []),
            one.info["cwd"] or "",
            (one.info["environ"] or {}).get("BACKOFFICE_DATA", ""),
        ]
        if any(mark in word for word in words):
            found.append(one)
    return found


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Settings]:
    settings = fresh_settings(tmp_path / "data")
    yield settings
    backoffice(settings, "down")
    assert below(settings) == [], "`down` leaves no process behind"


async def test_up_status_down(installation: Settings) -> None:
    began = backoffice(installation, "up", "--only", TWO)
    assert began.returncode == 0, began.stderr
    assert "postgres" in began.stdout
    now = status(installation)
    assert now["postgres"]["state"] == now["valkey"]["state"] == "up"
    assert backoffice(installation, "status").returncode == 0
    again = backoffice(installation, "up", "--only", TWO)
    assert again.returncode == 0
    assert "Already runs" in again.stdout
    assert status(installation)["postgres"]["pid"] == now["postgres"]["pid"]
    pids = [part.pid for part in below(installation)]
    assert {now["supervisor"], now["postgres"]["pid"], now["valkey"]["pid"]} <= set(pids)
    assert backoffice(installation, "down").returncode == 0
    assert not any(process.alive(pid, None) for pid in pids)
    assert "Nothing runs" in backoffice(installation, "down").stdout
    assert backoffice(installation, "status").returncode == 1


async def test_killed_part_comes_back_and_is_counted(installation: Settings) -> None:
    assert backoffice(installation, "up", "--only", TWO).returncode == 0
    before = status(installation)
    for name in ("valkey", "postgres"):
        os.kill(before[name]["pid"], signal.SIGKILL)

    def back() -> dict[str, Any] | None:
        state = states.read(installation)
        parts = {part.name: part for part in state.parts} if state else {}
        return parts if all(part.state == "up" and part.restarts == 1 for part in parts.values()) else None

    after = await until(back, 30, what="both parts run again")
    assert after["valkey"].pid != before["valkey"]["pid"]
    assert process.answers("127.0.0.1", installation.ports.redis, b"PING\r\n", b"+PONG")
    assert backoffice(installation, "migrate").returncode == 0, "PostgreSQL recovered from the kill"


async def test_killed_supervisor_leaves_nothing_that_down_does_not_find(installation: Settings) -> None:
    assert backoffice(installation, "up", "--only", TWO).returncode == 0
    now = status(installation)
    os.kill(now["supervisor"], signal.SIGKILL)
    await until(lambda: process.alive(now["supervisor"], None) is None)
    left = backoffice(installation, "status")
    assert left.returncode == 1
    assert "left behind" in left.stdout
    assert backoffice(installation, "down").returncode == 0
    assert below(installation) == []


async def test_up_after_a_killed_supervisor_starts_anew(installation: Settings) -> None:
    assert backoffice(installation, "up", "--only", "valkey").returncode == 0
    now = status(installation)
    os.kill(now["supervisor"], signal.SIGKILL)
    await until(lambda: process.alive(now["supervisor"], None) is None)
    assert backoffice(installation, "up", "--only", "valkey").returncode == 0
    assert status(installation)["valkey"]["pid"] != now["valkey"]["pid"]


async def test_a_part_that_cannot_start_names_the_holder_of_its_port_and_leaves_nothing(installation: Settings) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", installation.ports.redis))
        holder.listen()
        refused = backoffice(installation, "up", "--only", TWO)
    assert refused.returncode == 1
    assert f"pid {os.getpid()}" in refused.stderr
    assert "BACKOFFICE_PORTS__REDIS" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert below(installation) == [], "PostgreSQL, already started, was ended again"


async def test_a_program_that_falls_while_starting_shows_its_last_lines(installation: Settings) -> None:
    """The port of the AGI is held, so that program (or, without it, the check before) refuses with the reason."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", installation.ports.agi))
        holder.listen()
        refused = backoffice(installation, "up", "--only", "postgres,valkey,agi")
    assert refused.returncode == 1
    assert str(installation.ports.agi) in refused.stderr


def test_down_leaves_other_processes_alone(installation: Settings) -> None:
    """A recorded pid that now is another process (another start time) is not ours to end."""
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        part = states.PartState(name="valkey", state="up", pid=stranger.pid, create_time=1.0)
        process.own_folder(installation.run_dir)
        states.write(installation, states.State(pid=stranger.pid, create_time=1.0, since="", parts=[part]))
        assert backoffice(installation, "down").returncode == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.communicate()


async def test_stale_lock_files_of_postgres_do_not_stop_it(installation: Settings) -> None:
    assert backoffice(installation, "up", "--only", "postgres").returncode == 0
    assert backoffice(installation, "down").returncode == 0
    stale = f"{os.getpid()}\n{installation.data}/postgres\n"  # a pid that lives, but is no PostgreSQL
    (installation.data / "postgres" / "postmaster.pid").write_text(stale)
    (installation.run_dir / ".s.PGSQL.5432.lock").write_text(stale)
    began = backoffice(installation, "up", "--only", "postgres")
    assert began.returncode == 0, began.stderr


async def test_wrong_settings_give_field_and_remedy(installation: Settings) -> None:
    for variables, words in (
        ({"BACKOFFICE_WRAP_UP_S": "a while"}, ("wrap_up_s", "BACKOFFICE_WRAP_UP_S")),
        ({"BACKOFFICE_PORTS": '{"sip": "many"}'}, ("ports.sip", "BACKOFFICE_PORTS__SIP")),
        ({"BACKOFFICE_TRUNKS": "not json"}, ("trunks", "JSON")),
        ({"BACKOFFICE_NOW": "2026-11-18T10:00"}, ("now", "zone")),
    ):
        refused = backoffice(installation, "up", "--only", "valkey", **variables)
        assert refused.returncode == 1, variables
        assert all(word in refused.stderr for word in words), refused.stderr
        assert "Traceback" not in refused.stderr


async def test_shifted_clock_is_refused_with_a_trunk_that_leads_outside(installation: Settings) -> None:
    trunk = '[{"name": "carrier", "host": "192.0.2.1"}]'
    refused = backoffice(installation, "up", "--only", "valkey", BACKOFFICE_TRUNKS=trunk)
    assert refused.returncode == 1
    assert "carrier (192.0.2.1)" in refused.stderr
    assert status(installation)["supervisor"] is None


async def test_expected_troubles_are_one_clear_line(installation: Settings) -> None:
    for words, said in (
        (("up", "--only", "telephone"), "no part called telephone"),
        (("migrate",), "PostgreSQL does not answer"),
        (("logs", "dialer"), "no log"),
    ):
        refused = backoffice(installation, *words)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert "what to do:" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert backoffice(installation, "no-such-command").returncode == 2


async def test_no_asterisk_says_how_to_get_one(installation: Settings) -> None:
    refused = backoffice(installation, "up", "--only", "asterisk", BACKOFFICE_ASTERISK="/no/such/asterisk")
    assert refused.returncode == 1
    assert "/no/such/asterisk" in refused.stderr
    assert "make setup" in refused.stderr


async def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = fresh_settings(tmp_path / "file" / "data")
    refused = backoffice(settings, "up", "--only", "valkey", place=tmp_path)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "BACKOFFICE_DATA" in refused.stderr


async def test_parts_with_an_address_of_their_own_are_not_started(tmp_path: Path) -> None:
    settings = fresh_settings(tmp_path, database_url="postgresql+asyncpg://h/db", redis_url="redis://h")
    assert not {"postgres", "valkey"} & set(catalogue.wanted(settings))
    settings = fresh_settings(tmp_path, asterisk_host="192.0.2.7")
    assert "asterisk" not in catalogue.wanted(settings)


async def test_supervise_in_the_foreground_as_containers_do(installation: Settings) -> None:
    """Several on one data folder do not meet; each ends what it started when its container is stopped (SIGTERM)."""
    first, second = [
        await asyncio.create_subprocess_exec(
            *command("supervise", "--only", name), env=child_environment(installation), cwd=installation.data.parent,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )
        for name in ("valkey", "postgres")
    ]  # fmt: skip
    try:
        await until(lambda: process.answers("127.0.0.1", installation.ports.redis, b"PING\r\n", b"+PONG"), 20)
        await until((installation.run_dir / ".s.PGSQL.5432").exists, 30)
    finally:
        for one in (first, second):
            one.terminate()
        said = [await one.communicate() for one in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0]
    assert b"Ready to accept connections" in said[0][0], "a container's log is the terminal"


async def test_a_log_past_its_limit_begins_anew_without_losing_its_writer(tmp_path: Path) -> None:
    from backoffice_core.parts.supervisor import rotate

    log = tmp_path / "agi.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"x" * 2000)
        rotate(log, limit=1000)
        writer.write(b"after\n")
    assert log.read_bytes() == b"after\n"
    assert len((tmp_path / "agi.log.1").read_bytes()) == 2000


async def test_logs_shows_and_follows(installation: Settings) -> None:
    assert backoffice(installation, "up", "--only", "valkey").returncode == 0
    assert "Ready to accept" in backoffice(installation, "logs", "valkey").stdout
    assert "valkey         | " in backoffice(installation, "logs", "-n", "1").stdout
    follower = await asyncio.create_subprocess_exec(
        *command("logs", "valkey", "-n", "0", "-f"), env=child_environment(installation),
        cwd=installation.data.parent, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert follower.stdout
        line = asyncio.ensure_future(follower.stdout.readline())
        with (installation.data / "log" / "valkey.log").open("ab", buffering=0) as log:
            for number in range(200):
                log.write(f"told {number}\n".encode())
                if (await asyncio.wait([line], timeout=0.1))[0]:
                    break
        assert line.result().startswith(b"told ")
    finally:
        follower.terminate()
        await follower.wait()


async def test_one_command_starts_every_part_and_one_ends_them_within_ten_seconds(installation: Settings) -> None:
    began = backoffice(installation, "up")
    assert began.returncode == 0, began.stderr
    now = status(installation)
    assert {name for name, part in now.items() if name != "supervisor" and part["state"] == "up"} == set(
        catalogue.NAMES
    )
    for name in catalogue.PROGRAMS:
        os.kill(now[name]["pid"], signal.SIGKILL)

    def back() -> bool:
        state = states.read(installation)
        parts = [part for part in state.parts if part.name in catalogue.PROGRAMS] if state else []
        return bool(parts) and all(part.state == "up" and part.restarts == 1 for part in parts)

    await until(back, 60, what="every killed program runs again")
    ending = time.monotonic()
    assert backoffice(installation, "down").returncode == 0
    assert time.monotonic() - ending < 12, "ten seconds, and the start of the command itself"
    assert below(installation) == []


async def test_programs_end_by_themselves_when_the_supervisor_is_killed(installation: Settings) -> None:
    """A dialer without its supervisor would go on calling after `status` says that nothing runs."""
    assert backoffice(installation, "up", "--only", "postgres,valkey,worker").returncode == 0
    now = status(installation)
    os.kill(now["supervisor"], signal.SIGKILL)
    await until(lambda: process.alive(now["worker"]["pid"], None) is None, 15, what="the worker ended")
