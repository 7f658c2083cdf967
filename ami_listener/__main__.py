"""`python -m ami_listener`: hears the exchange and writes every call into the case.

Several may run: one owns an Asterisk node by lease, the others wait; the next one catches up from Asterisk's own files.
"""

import asyncio

from ami_listener.wire import Listener
from backoffice_core import clock, config, leases
from backoffice_core.bus import Bus
from backoffice_core.db import Database
from backoffice_core.parts.ready import mark_ready
from backoffice_core.program import run_program


async def main() -> None:
    settings = config.load()
    bus, database = Bus(settings), Database(settings, name="ami_listener", idle_s=leases.PAUSED_S, answer_s=10.0)
    try:
        shared = clock.load(settings)
        await leases.lead(
            database,
            leases.node(settings.asterisk_host, settings.ports.ami),
            lambda _: Listener(settings, database, bus, shared).run(),
            waiting=lambda: mark_ready(settings, "ami_listener"),
        )
    finally:
        await asyncio.gather(bus.close(), database.close())


if __name__ == "__main__":
    run_program("ami_listener", main)
