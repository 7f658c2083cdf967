"""Links that are lost, links that go silent, an Asterisk that ends and comes back, a database that is away: what the
programs notice, how soon, and that every call stands in the history exactly once.
"""

import asyncio
import contextlib
import getpass
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import func, select

from asterisk_conf import cel_file
from backoffice_core.audit.models import AuditEntry
from backoffice_core.call_centre.models import CallAttempt, CallTask, ListenerPosition
from backoffice_core.cases.models import CaseEvent
from backoffice_core.parts import asterisk as asterisk_part
from backoffice_core.parts import process
from backoffice_core.pbx.actions import list_channels
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import Event, LinkUp
from tests.conftest import ROOT, command, fresh_settings, running, until
from tests.pbx.fake_ami import SilentProxy
from tests.real_asterisk.conftest import Exchange, carrier
from tests.running import RunningHouse, running_house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHouse]:
    with running_house(tmp_path_factory.mktemp("restart"), ring_timeout_s=15) as one:
        yield one


async def test_a_restart_is_told_from_a_lost_link_and_a_silent_link_is_noticed(tmp_path: Path) -> None:
    """Half-open link: cut within 10 s. A new link to the same Asterisk tells the same start, one to a new Asterisk a
    later one; the call that was up is not listed, and no Hangup came for it."""
    exchange = Exchange(fresh_settings(tmp_path / "data"))
    settings = exchange.settings
    part = asterisk_part.part(settings, phones=[])
    seen: list[Event | LinkUp] = []
    async with SilentProxy(settings.ports.ami) as proxy:
        secret = settings.derived_secret("ami:dialer")
        dialer = Ami("127.0.0.1", proxy.port, "dialer", secret, wanted=frozenset({"Hangup", "Newstate"}))

        async def listen() -> None:
            async for event in dialer.events():
                seen.append(event)

        def ups() -> list[LinkUp]:
            return [event for event in seen if isinstance(event, LinkUp)]

        with carrier(settings):
            listening = asyncio.create_task(listen())
            with running(part, tmp_path / "asterisk.log") as first:
                keeping = asyncio.create_task(dialer.run())
                await until(lambda: dialer.up)
                call_id = await exchange.call(dialer, "700")
                await until(lambda: any(isinstance(e, Event) and e.get("ChannelStateDesc") == "Ringing" for e in seen))
                assert [one.uniqueid for one in await list_channels(dialer)] == [call_id]
                proxy.silent.set()
                silent_at = time.monotonic()
                await until(lambda: not dialer.up, 15, what="the silent link is cut")
                assert time.monotonic() - silent_at < 10
                await until(lambda: dialer.up, 10)
                assert proxy.links == len(ups()) == 2
                assert abs(ups()[1].booted_at - ups()[0].booted_at) <= LinkUp.SAME
                first.kill()
                await asyncio.to_thread(first.wait)
                await until(lambda: not dialer.up)
            with running(part, tmp_path / "asterisk.log"):
                await until(lambda: dialer.up, 20)
                assert ups()[-1].booted_at - ups()[1].booted_at > LinkUp.SAME
                assert await list_channels(dialer) == []
                assert not any(isinstance(event, Event) and event.name == "Hangup" for event in seen)
                text = cel_file(settings).read_text()
                assert call_id in text
                assert '"HANGUP"' not in text
                await dialer.close()
                await asyncio.gather(keeping, listening, return_exceptions=True)


async def history_lines(house: RunningHouse, calls: list[CallAttempt]) -> Counter[object]:
    async with house.database() as database, database.begin() as s:
        ids = [call.id for call in calls]
        query = select(CaseEvent.call_id).where(CaseEvent.call_id.in_(ids), CaseEvent.kind == "call")
        return Counter((await s.execute(query)).scalars())


async def test_asterisk_killed_in_a_talk_closes_the_call_and_frees_the_agent(house: RunningHouse) -> None:
    """Issue "Asterisk restarted mid-call: calls closed, agents freed within 30 s"; the end is the last evidence, marked."""
    async with house.robots(1):
        (talk,) = await house.dial("200")  # talks until we hang up

        async def connected() -> CallAttempt | None:
            found = await house.attempt(talk)
            return found if found and found.state == "CONNECTED" else None

        before = await until(connected, 25)
        await asyncio.sleep(3)  # so that the recording has something to tell; nothing is waited for
        killed_at, killed = house.clock.wall(), time.monotonic()
        house.part("asterisk").send_signal(signal.SIGKILL)
        call = await house.ended(talk, 30)

        async def free() -> bool:
            return all(seat.state not in {"RESERVED", "TALKING"} for seat in await house.seats())

        await until(free, 30 - (time.monotonic() - killed), what="the agent is free again")
        assert time.monotonic() - killed < 30
    assert (call.result, call.estimated) == ("ANSWERED_HUMAN", True)
    assert call.ended_at is not None
    assert before.bridged_at is not None
    assert before.bridged_at < call.ended_at <= killed_at
    assert (killed_at - call.ended_at).total_seconds() < 3.5, "the recording tells how long it lasted"
    assert set((await history_lines(house, [call])).values()) == {1}
    async with house.database() as database, database.begin() as s:
        line = (await s.execute(select(CaseEvent).where(CaseEvent.call_id == call.id))).scalars().first()
        assert line is not None
        assert line.data["estimated"] is True


async def test_the_database_away_and_the_listener_killed_lose_no_call(house: RunningHouse) -> None:
    """Database stopped under load, the listener killed -9 meanwhile: Asterisk never cuts a link, the spool keeps what is
    heard, and afterwards every call stands in the history once, with its true result."""
    await house.clear_queue()
    talks, later = ["050", "051", "050", "051"], ["486", "404", "030", "603"]
    async with house.robots(4, talk="20"):
        tasks = await house.dial(*talks)
        await house.met(tasks)  # nobody is answered while no agent can be found
        tasks += await house.dial(*later)
        postgres = house.part("postgres")
        servers = [postgres, *postgres.children(recursive=True)]
        spool = house.settings.data / "spool"
        for server in servers:
            server.suspend()
        try:
            await asyncio.sleep(6)  # the outage: talks end meanwhile
            kept = sum(file.stat().st_size for file in spool.glob("*.seg"))
            house.part("ami_listener").send_signal(signal.SIGKILL)
            await asyncio.sleep(3)
        finally:
            for server in servers:
                resume(server)
        assert kept > 0
        calls = [await house.ended(task, 60) for task in tasks]
    truth = {"486": "BUSY", "404": "INVALID_NUMBER", "603": "REJECTED"}
    found = [call.result for call in calls]
    assert found == [truth.get(ending, "ANSWERED_HUMAN") for ending in talks + later]
    assert not any(call.estimated for call in calls)
    assert set((await history_lines(house, calls)).values()) == {1}
    async with house.database() as database, database.begin() as s:
        doubled = select(CallAttempt.task_id).group_by(CallAttempt.task_id).having(func.count() > 1)
        assert (await s.execute(doubled.where(CallAttempt.task_id.in_(tasks)))).scalars().all() == []
        left = select(func.count()).where(
            CallTask.id.in_(tasks), CallTask.state.in_(("DIALING", "SETTLING", "UNKNOWN"))
        )
        assert await s.scalar(left) == 0

    async def all_read() -> bool:
        async with house.database() as database, database.begin() as s:
            kept = {one.source: one.position for one in await s.scalars(select(ListenerPosition))}
        return kept["cel"] == cel_file(house.settings).stat().st_size

    await until(all_read, 20, every=0.2, what="the position at the end of the CEL file")
    log = (house.settings.data / "asterisk" / "log" / "messages.log").read_text(errors="replace")
    assert "writetimeout" not in log.lower()


def resume(server: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        server.resume()


async def test_a_reload_is_in_the_audit_and_one_that_changes_nothing_is_not(house: RunningHouse) -> None:
    """FL-14: `backoffice asterisk reload` with another setting; who did it and which files it was, without a restart."""
    pid = house.part("asterisk").pid

    async def reload(**changed: str) -> list[dict[str, Any]]:
        variables = os.environ | process.environment(house.settings) | {"PYTHONPATH": str(ROOT)} | changed
        words = command("asterisk", "reload", "--json")
        done = await asyncio.to_thread(subprocess.run, words, env=variables, cwd="/", capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    changes = [await reload(BACKOFFICE_LANGUAGE="ru"), await reload(), await reload()]
    assert ["extensions.conf" in {one["file"] for one in change} for change in changes] == [True, True, False]
    async with house.database() as database, database.begin() as s:
        query = select(AuditEntry).where(AuditEntry.act == "ASTERISK_RELOADED").order_by(AuditEntry.seq)
        noted = (await s.scalars(query)).all()
    assert [set(entry.data["files"]) for entry in noted] == [{one["file"] for one in change} for change in changes[:2]]
    assert {entry.who for entry in noted} == {f"os:{getpass.getuser()}"}
    assert house.part("asterisk").pid == pid
