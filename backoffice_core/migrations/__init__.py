"""The tables' history: `migrate(settings)` brings the database to the newest revision."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config

from backoffice_core.call_centre.carriers import caller_ids
from backoffice_core.config import Settings
from backoffice_core.db import Database


def configuration(settings: Settings) -> Config:
    """Alembic's configuration, also for `alembic revision --autogenerate` from a Python shell."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["settings"] = settings
    return config


def migrate(settings: Settings, revision: str = "head") -> None:
    """Upgrades to the revision; several callers at once wait for one another. Runs an event loop of its own.

    Then the newest tables take over what still stands in the settings: the trunks' caller ids.

    Raises the driver's error (`OSError`, `sqlalchemy.exc.DBAPIError`) when PostgreSQL cannot be reached.
    """
    command.upgrade(configuration(settings), revision)
    if revision == "head":
        asyncio.run(_take_over(settings))


async def _take_over(settings: Settings) -> None:
    database = Database(settings, pool=1, name="migrate")
    try:
        async with database.begin() as s:
            await caller_ids.adopt(s, settings)
    finally:
        await database.close()
