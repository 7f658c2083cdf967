"""Leases on real PostgreSQL: one leads, the next takes over in seconds, and who lost his lease can claim nothing."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest
from sqlalchemy import text

from backoffice_core import leases
from backoffice_core.call_centre.calls import attempts
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.leases import Held, LeaseLost
from tests import house
from tests.conftest import child_environment, until


async def take(database: Database, holder: str, ttl_s: float = leases.TTL_S) -> Held | None:
    async with database.begin() as s:
        return await leases.take(s, leases.POOL, holder, ttl_s=ttl_s)


async def taken(database: Database, holder: str, ttl_s: float = leases.TTL_S) -> Held:
    held = await take(database, holder, ttl_s)
    assert held is not None
    return held


async def run_out(database: Database, seconds_ago: int = 1) -> None:
    async with database.begin() as s:
        ends = text("UPDATE leases SET expires_at = clock_timestamp() - make_interval(secs => :ago)")
        await s.execute(ends, {"ago": seconds_ago})


async def test_one_of_many_gets_it_and_the_fence_grows_with_each_holder(database: Database) -> None:
    """Issue "Leadership": by lease with fence; a lease that ran out goes to exactly one of those who ask."""
    for fence in (1, 2, 3):
        got = [held for held in await asyncio.gather(*(take(database, f"d{n}") for n in range(8))) if held]
        assert [held.fence for held in got] == [fence]
        assert await take(database, "late") is None
        await run_out(database)


async def test_a_holder_renews_also_what_ran_out_but_never_what_another_took(database: Database) -> None:
    first = await taken(database, "first")
    await run_out(database)
    async with database.begin() as s:
        assert await leases.renew(s, first), "nobody took it meanwhile: it goes on"
        await leases.confirm(s, first)
    await run_out(database)
    second = await taken(database, "second")
    async with database.begin() as s:
        assert not await leases.renew(s, first)
        await leases.let_go(s, first)  # changes nothing
        await leases.confirm(s, second)
        await leases.let_go(s, second)
    assert (await taken(database, "third")).fence == 3


async def test_who_lost_the_lease_claims_nothing(database: Database, live_settings: Settings, clock: Clock) -> None:
    """Design "one dialer leads a pool": a paused dialer that wakes up is refused by the claim's own transaction."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        await house.borrower(s, clock)

    async def claim(lease: Held) -> object:
        async with database.begin() as s:
            return await attempts.claim(
                s, live_settings, trunk=live_settings.trunks[0], now=clock.now(), today=clock.today(),
                wall=clock.wall(), lease=lease,
            )  # fmt: skip

    paused = await taken(database, "paused")
    await run_out(database)
    with pytest.raises(LeaseLost):
        await claim(paused)
    second = await taken(database, "second")
    with pytest.raises(LeaseLost):
        await claim(paused)
    assert isinstance(await claim(second), Placing)


async def test_a_takeover_waits_for_the_claim_that_is_under_way(database: Database) -> None:
    """The old leader's claim was allowed while he led: the new one begins to count after it is committed."""
    old = await taken(database, "old")
    async with database.begin() as claiming:
        await leases.confirm(claiming, old)
        await run_out(database)
        takeover = asyncio.create_task(take(database, "new"))
        await asyncio.sleep(0.3)  # it must still be waiting after this; nothing is waited for
        assert not takeover.done()
    assert (await asyncio.wait_for(takeover, 10)) is not None


async def test_a_clock_that_was_put_back_does_not_hold_the_lease_for_hours(database: Database) -> None:
    await taken(database, "first")
    await run_out(database, -3600)
    assert await take(database, "second") is not None


async def test_a_dead_process_of_this_machine_is_followed_at_once_a_living_one_is_not(
    live_settings: Settings, database: Database
) -> None:
    """Takeover after kill -9 does not wait for the lease to run out when it can be seen that the holder is gone."""
    with program(live_settings, "import time; time.sleep(60)") as child:
        host, _, tail = leases.this_process().split("/", 2)
        born = f"{psutil.Process(child.pid).create_time():.2f}"
        await taken(database, f"{host}/{child.pid}/{born}@{tail.partition('@')[2]}")
        os.kill(child.pid, signal.SIGSTOP)
        assert await take(database, "next") is None, "paused is not dead"
    assert await take(database, "next") is not None
    assert not leases.is_dead("elsewhere/1/1.00@otherboot-1")
    assert not leases.is_dead("nonsense")


LEADER = """
import asyncio, sys
from backoffice_core import config, leases
from backoffice_core.db import Database

async def main():
    async def work(held):
        print("leads", held.fence, flush=True)
        await asyncio.Event().wait()
    await leases.lead(Database(config.load(), name="leader", idle_s=3.0), "test", work)

asyncio.run(main())
"""


@contextlib.contextmanager
def program(settings: Settings, code: str) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        [sys.executable, "-c", code], env=child_environment(settings), cwd="/", stdout=subprocess.DEVNULL
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


async def test_a_paused_leader_is_followed_within_ten_seconds_and_stays_behind(
    live_settings: Settings, database: Database
) -> None:
    """Issue "Leadership": takeover within 10 s, by processes of their own; SIGSTOP and SIGCONT change it once."""

    async def now() -> leases.Leading | None:
        async with database.begin() as s:
            return next((one for one in await leases.board(s) if one.holds), None)

    with program(live_settings, LEADER) as first:
        await until(now, 30, what="the first leads")
        with program(live_settings, LEADER) as second:
            os.kill(first.pid, signal.SIGSTOP)
            began = time.monotonic()

            async def followed() -> bool:
                one = await now()
                return one is not None and one.pid == second.pid

            await until(followed, 30, every=0.1, what="the second leads")
            assert time.monotonic() - began < 10 + 5  # the second's own start included
            os.kill(first.pid, signal.SIGCONT)
            one = await now()
            await asyncio.sleep(2 * leases.RENEW_S)  # time for the first to see that it lost; nothing is waited for
            again = await now()
            assert one is not None
            assert again is not None
            assert (again.pid, again.fence) == (second.pid, one.fence)
            second.terminate()


async def test_work_that_swallows_its_cancellation_ends_the_program(database: Database) -> None:
    """A rollback that was under way may eat the cancellation: whoever lost the lease must not wait for that work for ever, and
    never stand for the lease again while it goes on."""
    taken_by, over = list[Held](), asyncio.Event()

    async def work(held: Held) -> None:
        taken_by.append(held)
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()

    async def lead() -> None:
        await leases.lead(database, "swallow", work, ttl_s=1.5)

    leading = asyncio.create_task(lead())
    await until(lambda: taken_by, 10)
    async with database.begin() as s:
        await s.execute(text("UPDATE leases SET holder = 'other', fence = fence + 1"))
    with pytest.raises(RuntimeError, match="swallow"):
        await asyncio.wait_for(leading, 20)
    assert len(taken_by) == 1
    over.set()
