"""Who leads: a lease in PostgreSQL, in PostgreSQL's time, with a fence that only grows.

Several programs of a kind may run; one holds the lease, the others look until it ends. A holder that was paused or cut
off may wake up and believe that it still leads: therefore whatever must have one author asks `confirm` (the claim of a
call asks the same function inside its first statement) in its own transaction, and the takeover waits for such
transactions to end. A lost database does not end the leading, another holder does: while nobody can take the lease,
nobody else leads.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import psutil
import structlog
from sqlalchemy import BigInteger, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backoffice_core.db import Base, Database
from backoffice_core.errors import Refused

log = structlog.get_logger()

POOL = "dialer:all"  # the pool of campaigns linked by shared agents; today it is one
TTL_S = 5.0  # a dead or paused holder is followed after so long at the latest, and the look below
RENEW_S = 1.0
LOOK_S = 0.5
PAUSED_S = 3.0  # a holder that is paused in a transaction keeps the takeover waiting no longer: less than TTL_S
AWAY = (DBAPIError, OSError, TimeoutError, PoolTimeout)


def node(host: str, port: int) -> str:
    """The name of the lease on one Asterisk node."""
    return f"asterisk:{host}:{port}"


class LeaseLost(Refused):
    """This program does not lead any more."""

    code = "LEASE_LOST"


class Lease(Base):
    """One thing that one program leads. `fence` grows by one with each holder; stamps are PostgreSQL's own clock."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str]
    fence: Mapped[int] = mapped_column(BigInteger)
    taken_at: Mapped[datetime]
    expires_at: Mapped[datetime]


@dataclass(frozen=True)
class Held:
    """A lease that this process took. Whether it still has it, only the database knows."""

    name: str
    holder: str
    fence: int


# --- holders -------------------------------------------------------------------------------------------------------


@cache
def _place() -> str:
    """The table of processes that this one is in: same boot of the same machine, same namespace of pids."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot[:8]}-{os.stat('/proc/self/ns/pid').st_ino}"


def this_process() -> str:
    """`host/pid/start@place`: readable in `backoffice status`, and enough to know that it is dead."""
    born = psutil.Process().create_time()
    return f"{socket.gethostname()}/{os.getpid()}/{born:.2f}@{_place()}"


def is_dead(holder: str) -> bool:
    """True only when it can be seen here that the process is gone. A paused one is not dead."""
    who, _, place = holder.rpartition("@")
    try:
        _, pid, born = who.rsplit("/", 2)
        if place != _place():
            return False
        process = psutil.Process(int(pid))
        return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - float(born)) > 1
    except psutil.NoSuchProcess:
        return True
    except (ValueError, psutil.AccessDenied):
        return False


# --- one step each -------------------------------------------------------------------------------------------------

_FREE = "(l.expires_at <= clock_timestamp() OR l.expires_at > clock_timestamp() + 2 * make_interval(secs => :ttl))"
# An end too far ahead comes from a clock that was put back: nobody waits for hours because of it.
_LOOK = text(f"SELECT l.holder, {_FREE} AS free FROM leases l WHERE l.name = :name")  # noqa: S608 (no value in it)
_GATE = text("SELECT pg_advisory_xact_lock(lease_gate(:name))")
_TAKE = text(f"""
    INSERT INTO leases AS l (name, holder, fence, taken_at, expires_at)
    VALUES (:name, :holder, 1, clock_timestamp(), clock_timestamp() + make_interval(secs => :ttl))
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = l.fence + 1, taken_at = excluded.taken_at,
        expires_at = excluded.expires_at
    WHERE {_FREE} OR l.holder = :dead
    RETURNING fence
""")  # noqa: S608 (no value in it)
_RENEW = text("""
    UPDATE leases SET expires_at = clock_timestamp() + make_interval(secs => :ttl)
    WHERE name = :name AND holder = :holder AND fence = :fence RETURNING fence
""")
_LET_GO = text(
    "UPDATE leases SET expires_at = clock_timestamp() WHERE name = :name AND holder = :holder AND fence = :fence"
)


async def take(s: AsyncSession, name: str, holder: str, *, ttl_s: float = TTL_S) -> Held | None:
    """The lease, when it is free, has run out, or its holder is known to be dead; else None."""
    terms = {"name": name, "ttl": ttl_s}
    row = (await s.execute(_LOOK, terms)).one_or_none()
    dead = row.holder if row is not None and not row.free and is_dead(row.holder) else ""
    if row is not None and not row.free and not dead:
        return None
    await s.execute(text("SET LOCAL lock_timeout = '2s'"))
    await s.execute(_GATE, {"name": name})  # claims under the old fence end first
    fence = (await s.execute(_TAKE, {**terms, "holder": holder, "dead": dead})).scalar_one_or_none()
    return Held(name, holder, fence) if fence is not None else None


async def renew(s: AsyncSession, held: Held, *, ttl_s: float = TTL_S) -> bool:
    """False when somebody else took it. One that ran out while nobody took it goes on."""
    row = await s.execute(_RENEW, {**_terms(held), "ttl": ttl_s})
    return row.one_or_none() is not None


async def let_go(s: AsyncSession, held: Held) -> None:
    """Ends it now, so that nobody has to wait. Nothing happens when it is lost already."""
    await s.execute(_LET_GO, _terms(held))


async def confirm(s: AsyncSession, held: Held) -> None:
    """Raises LeaseLost when it ran out or another has it. Until this transaction ends nobody can take it over."""
    if not await s.scalar(text("SELECT lease_holds(:name, :holder, :fence)"), _terms(held)):
        raise LeaseLost


def _terms(held: Held) -> dict[str, Any]:
    return {"name": held.name, "holder": held.holder, "fence": held.fence}


@dataclass(frozen=True, slots=True)
class Leading:
    """For people: who leads what since when. `holds` False = it ran out, nobody leads."""

    name: str
    host: str
    pid: int
    fence: int
    since: datetime
    holds: bool


async def board(s: AsyncSession) -> list[Leading]:
    query = select(Lease, (Lease.expires_at > func.clock_timestamp()).label("holds")).order_by(Lease.name)
    found = []
    for lease, holds in (await s.execute(query)).all():
        host, pid, _ = lease.holder.rpartition("@")[0].rsplit("/", 2)
        alive = bool(holds) and not is_dead(lease.holder)
        found.append(Leading(lease.name, host, int(pid), lease.fence, lease.taken_at, alive))
    return found


# --- leading -------------------------------------------------------------------------------------------------------


async def lead(
    database: Database,
    name: str,
    work: Callable[[Held], Awaitable[object]],
    *,
    waiting: Callable[[], object] = lambda: None,
    ttl_s: float = TTL_S,
) -> NoReturn:
    """Runs `work(held)` whenever this process holds the lease, cancels it when another took it; until cancelled.

    `waiting` is called at each look at a lease that another has. What `work` raises ends the program; one that does not end
    within `ttl_s` of its cancellation (a rollback under way may swallow it) does too: RuntimeError, and the supervisor starts
    the program again.
    """
    me, told = this_process(), ""
    while True:
        try:
            async with asyncio.timeout(ttl_s), database.begin() as s:
                held = await take(s, name, me, ttl_s=ttl_s)
            said = "this program leads" if held else "another leads; waiting"
        except AWAY as error:
            held, said = None, f"cannot look who leads: {type(error).__name__}"
        if said != told:
            log.info(said, lease=name)
        told = said
        if held is not None:
            await _lead(database, held, work, ttl_s)
            told = ""
        elif said.startswith("another"):
            waiting()
        await asyncio.sleep(LOOK_S)


async def _lead(database: Database, held: Held, work: Callable[[Held], Awaitable[object]], ttl_s: float) -> None:
    task = asyncio.ensure_future(work(held))
    try:
        while not (await asyncio.wait({task}, timeout=RENEW_S))[0]:
            try:
                async with asyncio.timeout(ttl_s), database.begin() as s:
                    ours = await renew(s, held, ttl_s=ttl_s)
            except AWAY as error:
                log.warning("lease not renewed", lease=held.name, error=type(error).__name__)
                continue
            if not ours:
                log.warning("another leads now", lease=held.name, fence=held.fence)
                return
        task.result()
    finally:
        task.cancel()
        ended, _ = await asyncio.wait({task}, timeout=ttl_s)
        if not ended:
            # the lease is not let go while somebody works under it: it runs out, or is followed as a dead one's
            raise RuntimeError(f"the work under the lease {held.name} does not end")
        with contextlib.suppress(*AWAY):
            async with asyncio.timeout(1), database.begin() as s:
                await let_go(s, held)
