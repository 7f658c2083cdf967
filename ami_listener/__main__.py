"""`python -m ami_listener`: hears the exchange and writes every call into the case."""

import asyncio

from ami_listener.wire import Listener
from backoffice_core import clock, config
from backoffice_core.bus import Bus
from backoffice_core.db import Database
from backoffice_core.program import run_program


async def main() -> None:
    settings = config.load()
    bus, database = Bus(settings), Database(settings, name="ami_listener")
    try:
        await Listener(settings, database, bus, clock.load(settings)).run()
    finally:
        await asyncio.gather(bus.close(), database.close())


if __name__ == "__main__":
    run_program("ami_listener", main)
