"""`python -m dialer`: places tonight's calls and keeps the agents' lines."""

from backoffice_core import clock, config, leases
from backoffice_core.bus import Bus
from backoffice_core.db import Database
from backoffice_core.program import run_program
from dialer.loop import Dialer


async def main() -> None:
    settings = config.load()
    bus, database = Bus(settings), Database(settings, name="dialer", idle_s=leases.PAUSED_S, answer_s=8.0)
    try:
        await Dialer(settings, database, bus, clock.load(settings)).run()
    finally:
        await bus.close()
        await database.close()


if __name__ == "__main__":
    run_program("dialer", main)
