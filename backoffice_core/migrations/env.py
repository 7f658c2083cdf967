"""Alembic's entry: every noun's tables, one connection, one transaction, one migrating process at a time."""

import asyncio
import importlib
import pkgutil

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import backoffice_core
from backoffice_core.config import load
from backoffice_core.db import Base

LOCK = 0x6261636B  # "back"; any number that nothing else in this database uses

for module in pkgutil.iter_modules(backoffice_core.__path__, "backoffice_core."):
    if module.ispkg and importlib.util.find_spec(f"{module.name}.models"):
        importlib.import_module(f"{module.name}.models")
for name in (
    "nightly",
    "leases",
    "call_centre.dialing.campaign_models",
    "call_centre.queueing.queue_models",
    "call_centre.desks.preview_models",
    "call_centre.dialing.machine_models",
    "call_centre.dialing.shelter_models",
    "call_centre.queueing.chance_models",
):  # tables outside a noun's models.py
    importlib.import_module(f"backoffice_core.{name}")


def _upgrade(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    context.configure(connection=connection, target_metadata=Base.metadata, compare_server_default=True)
    context.run_migrations()


async def _connect() -> None:
    settings = context.config.attributes.get("settings") or load()
    engine = create_async_engine(
        settings.database, poolclass=NullPool, hide_parameters=True, connect_args={"timeout": 10}
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


asyncio.run(_connect())
