"""The tables' history: `migrate(settings)` brings the database to the newest revision."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from backoffice_core.config import Settings


def configuration(settings: Settings) -> Config:
    """Alembic's configuration, also for `alembic revision --autogenerate` from a Python shell."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["settings"] = settings
    return config


def migrate(settings: Settings, revision: str = "head") -> None:
    """Upgrades to the revision; several callers at once wait for one another. Runs an event loop of its own.

    Raises the driver's error (`OSError`, `sqlalchemy.exc.DBAPIError`) when PostgreSQL cannot be reached.
    """
    command.upgrade(configuration(settings), revision)
