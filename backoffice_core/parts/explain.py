"""Errors that a command expects, as sentences: what is wrong and what to do. Read only when something went wrong."""

import tomllib
from socket import gaierror

from asyncpg import PostgresError
from pydantic import ValidationError
from pydantic_settings import SettingsError
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from backoffice_core.errors import Refused

Trouble = tuple[str, str]
_NO_DATABASE = "Run `backoffice up`; with BACKOFFICE_DATABASE_URL set, check that server and the URL."


def explain(error: Exception) -> list[Trouble]:
    """(message, remedy) of each trouble; empty for an error that nobody foresaw: it keeps its traceback."""
    if isinstance(error, Refused):
        return [(error.message, error.remedy)]
    if isinstance(error, ValidationError):
        return _settings(error) if error.title == "Settings" else []
    if isinstance(error, SettingsError):
        return [(f"settings: {error}", "Lists and groups are given as JSON, as in BACKOFFICE_TRUNKS='[{…}]'.")]
    if isinstance(error, tomllib.TOMLDecodeError):
        return [(f"backoffice.toml: {error}", "Correct that line.")]
    if isinstance(error, RedisError):
        return [("Redis does not answer.", "Run `backoffice up`; with BACKOFFICE_REDIS_URL set, check that server.")]
    return _database(error)


def _settings(error: ValidationError) -> list[Trouble]:
    troubles = []
    for one in error.errors(include_url=False, include_input=False):
        place = [str(step) for step in one["loc"]]
        variable = f"BACKOFFICE_{'__'.join(place).upper()}"
        remedy = f"Correct {variable} in the environment, or {'.'.join(place)} in backoffice.toml."
        troubles.append((f"setting {'.'.join(place)}: {one['msg']}", remedy))
    return troubles


def _database(error: Exception) -> list[Trouble]:
    said = f"{error.orig if isinstance(error, DBAPIError) else error}"
    if "relation" in said and "does not exist" in said:
        return [("The database lacks tables of this version.", "Run `backoffice migrate`.")]
    no_socket = isinstance(error, FileNotFoundError) and error.filename is None
    away = (ConnectionError, TimeoutError, gaierror, OperationalError, InterfaceError, PostgresError)
    if no_socket or isinstance(error, away):
        return [(f"PostgreSQL does not answer as it should ({type(error).__name__}).", _NO_DATABASE)]
    return []
