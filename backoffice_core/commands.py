"""The commands of the bank's work, beside those that start and stop the parts."""

import typer


def register(app: typer.Typer) -> None:
    """Adds them to `backoffice`."""
