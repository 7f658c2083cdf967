"""The process that is killed: reads the moments of nights from stdin, one a line, and answers each when it is done."""

import asyncio
import sys
from datetime import datetime

import structlog

from backoffice_core import config
from backoffice_core.clock import Clock
from backoffice_core.db import Database
from backoffice_core.nightly import run_night


async def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = config.load()
    for line in sys.stdin:
        clock = Clock("Europe/Kyiv", datetime.fromisoformat(line.strip()) - Clock.wall())
        database = Database(settings, pool=2, name="history")
        await run_night(database, clock, settings, clock.today())
        await database.close()
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
