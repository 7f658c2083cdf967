"""The migrations make exactly the tables of the models."""

from alembic import command

from backoffice_core.config import Settings
from backoffice_core.migrations import configuration


def test_autogenerate_finds_no_difference(postgres: Settings) -> None:
    """Raises when a model was changed and no revision was written for it."""
    command.check(configuration(postgres))
