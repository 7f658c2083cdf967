"""`python -m agi`: answers the dialplan's questions (FastAGI)."""

import asyncio

from agi.actions import Connect
from agi.session import serve
from backoffice_core import clock, config
from backoffice_core.bus import Bus
from backoffice_core.compliance import service as compliance
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.parts.ready import mark_ready
from backoffice_core.program import run_program


async def main() -> None:
    settings = config.load()
    business = clock.load(settings)
    bus, database = Bus(settings), Database(settings, pool=20, name="agi")
    async with database.begin() as s:
        limits = await compliance.dialer_limits(s, settings.jurisdiction, business.now())
    connect = Connect(database, bus, business, float(limits.connect_within_s))
    try:
        server = await serve(settings.bind, settings.ports.agi, connect)
    except OSError as error:
        raise BadInput(
            f"The AGI port {settings.ports.agi} cannot be opened: {error.strerror}.",
            remedy="Free it, or set BACKOFFICE_PORTS__AGI to another one.", field="ports.agi",
        ) from error  # fmt: skip
    mark_ready(settings, "agi")
    try:
        await connect.hear_news()
    finally:
        await server.stop()
        await asyncio.gather(bus.close(), database.close())


if __name__ == "__main__":
    run_program("agi", main)
