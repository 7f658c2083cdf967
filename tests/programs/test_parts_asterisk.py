"""Asterisk as a part: which one is taken, what is said when none fits, and that it runs with the phones of the staff."""

import asyncio
import os
import socket
from pathlib import Path

import psutil
import pytest
from sqlalchemy import update

from asterisk_conf import AsteriskInstall, Phone
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, PartMissing
from backoffice_core.parts import asterisk, asterisk_root
from backoffice_core.parts.part import Part
from backoffice_core.parts.supervisor import Child, Supervisor
from backoffice_core.staff.models import User
from tests.conftest import fresh_settings, running, until
from tests.core.test_night_commands import said


def program(file: Path, prints: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\ncat <<'END'\n{prints}\nEND\n")
    file.chmod(0o755)
    return file


def test_an_asterisk_that_is_too_old_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/asterisk/modules").mkdir(parents=True)
    old = program(tmp_path / "usr/sbin/asterisk", "Asterisk 18.10.0~dfsg")
    with pytest.raises(PartMissing, match=r"18\.10\.0; 20 or newer") as refused:
        asterisk.find(fresh_settings(tmp_path / "data", asterisk=str(old)))
    assert "make setup" in refused.value.remedy


def test_asterisk_of_path_comes_before_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = tmp_path / "usr/lib/x86_64-linux-gnu/asterisk/modules"
    modules.mkdir(parents=True)
    found = program(tmp_path / "usr/sbin/asterisk", "Asterisk certified/20.7-cert3")
    monkeypatch.setenv("PATH", f"{found.parent}:{os.environ['PATH']}")
    install = asterisk.find(fresh_settings(tmp_path / "data", asterisk=""))
    assert install.argv == [str(found)]
    assert install.moddir == modules


def test_the_mirror_is_read_from_the_machines_own_apt_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = asterisk_root._os_release().get("VERSION_CODENAME", "")
    lines = [f"https://security.example/ {release}-security main", "https://other.example/ stable main"]
    tools = program(tmp_path / "apt-get", "\n".join([*lines, f"https://mirror.example/debian/ {release} main"])).parent
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    assert asterisk_root.mirror() == "https://mirror.example/debian/"
    program(tmp_path / "apt-get", lines[0])
    with pytest.raises(PartMissing, match="no Debian mirror") as refused:
        asterisk_root.mirror()
    assert "BACKOFFICE_ASTERISK" in refused.value.remedy


def test_the_package_of_the_distribution_counts_only_when_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for candidate, enough in (("1:20.6.0~dfsg+~cs6", True), ("1:18.10.0~dfsg", False), ("(none)", False)):
        program(tmp_path / "apt-cache", f"asterisk:\n  Installed: (none)\n  Candidate: {candidate}")
        assert asterisk_root.packaged() is enough, candidate


async def test_with_the_database_away_asterisk_comes_back_as_it_was(live_settings: Settings) -> None:
    """Issue 4: PostgreSQL and Asterisk killed together: the supervisor goes on, Asterisk starts with the phones it knew."""
    settings = live_settings.model_copy(update={"data": live_settings.data / "away"})
    settings.data.mkdir()
    away = settings.model_copy(update={"database_url": f"postgresql+asyncpg://nobody@/none?host={settings.data}"})
    found = asterisk.find(settings)
    with pytest.raises(OSError, match="No such file"):
        await asyncio.to_thread(asterisk.prepare, away, found)  # nothing is known yet: told
    await asyncio.to_thread(asterisk.prepare, settings, found, [Phone("201", "s" * 40, "olena")])
    await asyncio.to_thread(asterisk.prepare, away, found)
    assert "agent-201" in (asterisk.config_folder(settings) / "pjsip.conf").read_text()


def test_a_part_whose_start_fails_in_any_way_is_tried_again(tmp_path: Path) -> None:
    """Found by `make chaos`: an unforeseen error in the start of one part ended the supervisor, and with it all others."""

    def broken() -> None:
        raise RuntimeError("the database system is starting up")

    one = Supervisor(fresh_settings(tmp_path / "data"), [])
    child = Child(Part("asterisk", ["true"], healthy=lambda: False, prepare=broken))
    one._look_at(child)
    assert (child.state.state, child.state.error) == ("restarting", "the database system is starting up")
    assert child.again_at > 0


async def test_a_sip_port_in_use_names_its_holder(live_settings: Settings) -> None:
    nowhere = AsteriskInstall(["asterisk"], Path("/"), Path("/"))
    with socket.socket(type=socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", live_settings.ports.sip))
        with pytest.raises(PartMissing, match=f"pid {os.getpid()}") as refused:
            asterisk.prepare(live_settings, nowhere, [])
    assert "BACKOFFICE_PORTS__SIP" in refused.value.remedy


async def test_an_extension_that_asterisk_cannot_have_is_refused_with_its_login(
    live_settings: Settings, database: Database
) -> None:
    """Such a row can only be of an older version or made by hand."""
    async with database.begin() as session:
        session.add(
            User(
                login="olena", full_name="О", role="agent", password_hash="-", extension=5, created_at=live_settings.now
            )
        )
    with pytest.raises(BadInput, match="'5' of olena") as refused:
        await asyncio.to_thread(asterisk.staff_phones, live_settings)
    assert "backoffice user set olena --extension" in refused.value.remedy


async def test_runs_without_root_and_learns_phones_of_new_staff_while_it_runs(
    live_settings: Settings, database: Database
) -> None:
    install = asterisk.find(live_settings)

    def endpoints() -> str:
        return asterisk.command(live_settings, install, "pjsip show endpoints") or ""

    async def hire(extension: int) -> None:
        async with database.begin() as session:
            session.add(
                User(login=f"agent{extension}", full_name="Агент", role="agent", password_hash="-", extension=extension,
                     created_at=live_settings.now)
            )  # fmt: skip

    await hire(101)
    phones = await asyncio.to_thread(asterisk.staff_phones, live_settings)
    assert phones == [Phone("101", live_settings.derived_secret("phone:101"))]
    with running(asterisk.part(live_settings, install, phones), live_settings.data / "log" / "asterisk.log") as child:
        assert os.geteuid() != 0 or psutil.Process(child.pid).uids().effective != 0
        assert "agent-101-web" in endpoints()
        assert "agent-102" not in endpoints()
        await hire(102)
        assert await asyncio.to_thread(asterisk.refresh, live_settings) is True
        await until(lambda: "agent-102" in endpoints(), what="the phone of the new agent")
        assert await asyncio.to_thread(asterisk.refresh, live_settings) is False, "nothing changed since"
        async with database.begin() as session:
            await session.execute(update(User).where(User.extension == 102).values(active=False))
        assert await asyncio.to_thread(asterisk.refresh, live_settings) is True
        await until(lambda: "agent-102" not in endpoints(), what="the phone of who left is gone")
        added = await said(live_settings, "user", "add", "petro", "--name", "П", "--extension", "103", "--generate")
        assert added["phone"] == "Asterisk knows of the phone agent-103 now."
        await until(lambda: "agent-103" in endpoints(), what="the phone that a command made known")
    assert child.returncode == 0, "an ordered end"
