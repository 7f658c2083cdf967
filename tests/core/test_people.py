"""Logins as an operator keeps them: extensions, roles, passwords, the desk phone's secret."""

import asyncio
import os
import pty
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from backoffice_core.call_centre.desks import agents
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.staff import service as staff
from backoffice_core.staff.models import AccessEntry, User
from tests import house
from tests.conftest import child_environment, command
from tests.core.test_night_commands import run, said


async def hire(database: Database, login: str, extension: int | None = None, role: str = "agent") -> User:
    async with database.begin() as s:
        return await staff.create_user(
            s, login=login, full_name="Олена Коваль", role=role, password="first-password", wall=Clock.wall(),
            extension=extension,
        )  # fmt: skip


async def may_log_in(database: Database, login: str, password: str) -> bool:
    async with database.begin() as s:
        return await staff.authenticate(s, login, password, Clock.wall()) is not None


@pytest.mark.parametrize("extension", [0, 5, -101, 1_000_000])
async def test_an_extension_that_asterisk_cannot_have_is_refused(database: Database, extension: int) -> None:
    """It would keep the whole exchange from starting."""
    with pytest.raises(BadInput, match="2 to 6 digits") as refused:
        await hire(database, "olena", extension)
    assert refused.value.details["field"] == "extension"


async def test_a_taken_extension_names_its_holder(database: Database) -> None:
    await hire(database, "olena", 101)
    with pytest.raises(BadInput, match="101 is that of olena") as refused:
        await hire(database, "petro", 101)
    assert refused.value.details["field"] == "extension"
    assert "user set olena --extension none" in refused.value.remedy


async def test_a_branch_that_no_loan_has_is_refused(live_settings: Settings, database: Database, clock: Clock) -> None:
    """CP-05: who mistypes the branch of a login would leave it with nobody to see."""
    await hire(database, "olena")
    async with database.begin() as s:
        one = await house.borrower(s, clock)
        one.loan.branch = "007"
    code, _, refusal = await run(live_settings, "user", "set", "olena", "--branch", "070")
    assert code != 0
    assert "070" in refusal
    assert "007" in refusal
    assert (await said(live_settings, "user", "set", "olena", "--branch", "007"))["changed"] == ["branch"]


async def test_a_person_is_changed_by_command(live_settings: Settings, database: Database) -> None:
    person = await hire(database, "olena", 101)
    async with database.begin() as s:
        token, _ = await staff.start_login(s, await s.get_one(User, person.id), Clock.wall())
    done = await said(live_settings, "user", "set", "olena", "--extension", "102", "--role", "supervisor", "--generate")
    assert done["changed"] == ["extension", "password", "role"]
    assert "learns of the phone agent-102 when it starts" in done["phone"]
    async with database.begin() as s:
        assert await staff.find_login(s, token, Clock.wall()) is None, "his browsers are logged out"
        kept = await s.get_one(User, person.id)
        entries = (await s.scalars(select(AccessEntry).where(AccessEntry.act == "USER_CHANGED"))).all()
    assert (kept.extension, kept.role) == (102, "supervisor")
    assert [entry.object_id for entry in entries] == ["olena"]
    assert done["password"] not in str(entries[0].detail)
    assert not await may_log_in(database, "olena", "first-password")
    assert await may_log_in(database, "olena", done["password"])
    await said(live_settings, "user", "set", "olena", "--inactive", "--extension", "none")
    assert not await may_log_in(database, "olena", done["password"])
    await hire(database, "petro", 102)
    await said(live_settings, "user", "set", "olena", "--active")
    assert await may_log_in(database, "olena", done["password"])


async def test_a_locked_login_is_opened_by_command(live_settings: Settings, database: Database) -> None:
    await hire(database, "olena")
    for _ in range(5):
        assert not await may_log_in(database, "olena", "wrong")
    assert not await may_log_in(database, "olena", "first-password")
    await said(live_settings, "user", "set", "olena", "--unlock")
    assert await may_log_in(database, "olena", "first-password")


async def test_wrong_changes_are_refused_with_the_remedy(live_settings: Settings, database: Database) -> None:
    await hire(database, "olena", 101)
    await hire(database, "petro", 102)
    for words in (["nobody", "--unlock"], ["olena"], ["olena", "--role", "boss"], ["olena", "--extension", "102"],
                  ["olena", "--extension", "5"], ["olena", "--extension", "x"], ["olena", "--password"]):  # fmt: skip
        code, _, err = await run(live_settings, "user", "set", *words)
        assert code == 1, words
        assert "what to do" in err, words


async def test_who_talks_keeps_his_phone_until_the_talk_is_over(live_settings: Settings, database: Database) -> None:
    person = await hire(database, "olena", 101)
    async with database.begin() as s:
        seat = await agents.open_session(s, person, "desk", Clock.wall() - timedelta(seconds=9))
        agents.change(s, seat, "TALKING", "CALL", Clock.wall())
    code, _, err = await run(live_settings, "user", "set", "olena", "--extension", "103")
    assert (code, "A call is going on" in err) == (1, True)
    async with database.begin() as s:
        assert (await s.get_one(User, person.id)).extension == 101
        open_one = await agents.current(s, person.id)
        assert open_one is not None
        agents.change(s, open_one, "PAUSED", "BREAK", Clock.wall())
    await said(live_settings, "user", "set", "olena", "--extension", "103")
    async with database.begin() as s:
        assert await agents.current(s, person.id) is None, "the seat with the old phone is closed"


async def test_the_desk_phones_secret_goes_to_a_terminal_only(live_settings: Settings, database: Database) -> None:
    await hire(database, "olena", 101)
    code, out, err = await run(live_settings, "user", "phone", "olena")
    assert (code, out) == (1, "")
    assert "terminal only" in err
    secret = live_settings.derived_secret("phone:101")
    assert secret not in err
    ours, theirs = pty.openpty()
    child = await asyncio.create_subprocess_exec(
        *command("user", "phone", "olena"), cwd=live_settings.data, env=child_environment(live_settings), stdout=theirs
    )
    os.close(theirs)
    assert await asyncio.wait_for(child.wait(), 60) == 0
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert re.search(rf"agent-101\s.*127\.0\.0\.1, port {live_settings.ports.sip}, UDP\s.*{secret}", shown, re.DOTALL)
    async with database.begin() as s:
        assert await s.scalar(select(AccessEntry.object_id).where(AccessEntry.act == "PHONE_SHOWN")) == "olena"
