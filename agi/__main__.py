"""`python -m agi`: answers the dialplan's questions (FastAGI)."""

import asyncio
import contextlib

from sqlalchemy.exc import DBAPIError

from agi.actions import Connect
from agi.ear import Ear
from agi.session import serve
from backoffice_core import clock, config
from backoffice_core.bus import Bus
from backoffice_core.clock import Clock
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.dialer_limits import dialer_limits
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.parts.ready import mark_ready
from backoffice_core.program import run_program

RULES_EVERY_S = 30.0
DEFAULT_WITHIN_S = 2.0  # the dialplan's own limit (asterisk_conf.AGI_SILENCE_S) leaves no room for more


async def main() -> None:
    settings = config.load()
    business = clock.load(settings)
    # Reservations need not outlive a crash of the database's machine: the dialplan refuses a line that is talking.
    bus, database = Bus(settings), Database(settings, pool=20, name="agi", durable=False, idle_s=5.0, answer_s=3.0)
    within_s = await _within_s(database, business, settings)
    ear = Ear(database, bus)
    connect = Connect(settings, database, bus, business, within_s, ear)
    try:
        server = await serve(
            "127.0.0.1", settings.ports.agi, connect, request_limit_s=settings.calls_in_wait_s + 10, sound=ear
        )  # where the dialplan asks, whatever BACKOFFICE_BIND is
    except OSError as error:
        raise BadInput(
            f"The AGI port {settings.ports.agi} cannot be opened: {error.strerror}.",
            remedy="Free it, or set BACKOFFICE_PORTS__AGI to another one.", field="ports.agi",
        ) from error  # fmt: skip
    mark_ready(settings, "agi")
    rules = asyncio.create_task(_follow_rules(connect, settings))
    try:
        await connect.hear_news()
    finally:
        rules.cancel()
        await server.stop()
        await asyncio.gather(bus.close(), database.close())


async def _within_s(database: Database, business: Clock, settings: config.Settings) -> float:
    async with database.begin() as s:
        limits = dialer_limits(await compliance.rulebook(s), settings.jurisdiction, business.now())
    said = float(limits.connect_within_s) if limits and limits.connect_within_s else DEFAULT_WITHIN_S
    return min(said, DEFAULT_WITHIN_S)


async def _follow_rules(connect: Connect, settings: config.Settings) -> None:
    """Rules that are loaded while this program runs count for the next answers."""
    while True:
        await asyncio.sleep(RULES_EVERY_S)
        with contextlib.suppress(DBAPIError, OSError, TimeoutError):
            connect.within_s = await _within_s(connect.database, connect.clock, settings)


if __name__ == "__main__":
    run_program("agi", main)
