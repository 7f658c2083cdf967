"""PostgreSQL: one engine a program, one transaction a request or dialing step, committed once at the program's edge."""

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import uuid_utils.compat as uuids
from sqlalchemy import (
    BigInteger,
    ColumnDefault,
    CursorResult,
    MetaData,
    Numeric,
    Text,
    TextClause,
    event,
    literal,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, mapped_column

from backoffice_core.config import Settings

# SQLSTATE: link lost, out of resources, operator's intervention (starting, stopping), lock not got, deadlock, paused too long
PASSING = ("08", "53", "57P", "55P03", "40", "25P03")

Key = Annotated[UUID, mapped_column(primary_key=True)]
Serial = Annotated[int, mapped_column(BigInteger, primary_key=True, autoincrement=True)]
Money = Annotated[Decimal, mapped_column(Numeric(18, 2))]
Json = Annotated[dict[str, Any], mapped_column(JSONB, default=dict)]


class Base(DeclarativeBase):
    """Tables of all nouns. Times are aware; strings are text; names of constraints are predictable for migrations."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own protocol)
        datetime: TIMESTAMP(timezone=True),
        str: Text,
        dict[str, Any]: JSONB,
        list[str]: JSONB,
        list[dict[str, str]]: JSONB,
    }


def new_key() -> UUID:
    """A UUIDv7: unique without asking the database, and ordered by time in its indexes."""
    return uuids.uuid7()


def insert_sql(model: type[Base], given: Iterable[str], **named: str) -> str:
    """An INSERT of one row as text, for a statement that writes several tables at once and is written out once.

    `given`: columns whose parameter bears their name; `named`: the parameters of others. JSON goes in as text. What is not
    named gets the model's own default.
    """
    values = {name: f":{name}" for name in given} | {column: f":{name}" for column, name in named.items()}
    for column in model.__table__.columns:
        if column.name not in values and isinstance(column.default, ColumnDefault):
            default = column.default.arg(None) if column.default.is_callable else column.default.arg
            value = literal(json.dumps(default) if isinstance(default, dict | list) else default)
            values[column.name] = str(value.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
    return f"INSERT INTO {model.__tablename__} ({', '.join(values)}) VALUES ({', '.join(values.values())})"  # noqa: S608


async def driver(session: AsyncSession) -> Any:
    """asyncpg's connection in the session's transaction: for very many rows, past SQLAlchemy's own handling of each."""
    await session.flush()
    connection = await session.connection()
    await connection.execute(_BEGIN)  # the driver's transaction begins with the first statement
    link = (await connection.get_raw_connection()).driver_connection
    assert link is not None  # noqa: S101
    return link


async def fetch(session: AsyncSession, query: str, *values: Any) -> list[Any]:
    """Many rows in the session's transaction. `query`: PostgreSQL's ($1 …)."""
    return list(await (await driver(session)).fetch(query, *values))


def keys(ids: Iterable[UUID]) -> str:
    """Very many keys as one parameter of queries made by `by_keys`: put into words once for several of them."""
    return "{" + ",".join(map(str, ids)) + "}"


def by_keys(query: str) -> str:
    """The query with `ANY($n)` taking what `keys` gives; the server reads it once, and goes by its index."""
    return re.sub(r"ANY\(\$(\d)\)", r"ANY((SELECT $\1::text::uuid[])::uuid[])", query)


async def copy_in(session: AsyncSession, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Many new rows at once; JSON goes in as text. What is not named gets the server's default, not the model's."""
    if rows:
        await (await driver(session)).copy_records_to_table(table, columns=columns, records=rows)


_BEGIN = text("SELECT 1")


class Ready:
    """One statement of a hot path, written out once for the driver: past SQLAlchemy's compiling and its handling of each
    value, inside the session's transaction and with its errors. Parameters are named (`:name`) and must have types that
    PostgreSQL can see; JSON goes in as text."""

    def __init__(self, sql: str) -> None:
        self.text = sql
        self.names = list(dict.fromkeys(_PARAMETER.findall(sql)))
        self._sql = _PARAMETER.sub(lambda found: f"${self.names.index(found[1]) + 1}", sql)

    async def rows(self, session: AsyncSession, values: Mapping[str, Any]) -> CursorResult[Any]:
        if session.new or session.dirty or session.deleted:
            await session.flush()
        connection = await session.connection()
        return await connection.exec_driver_sql(self._sql, tuple(values[name] for name in self.names))


_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
_TYPES = {
    "low": "uuid", "high": "uuid", "ids": "uuid[]", "at": "timestamptz", "today": "date", "portfolio": "text", "zone": "text",
}  # fmt: skip


def typed_sql(sql: str, **types: str) -> TextClause:
    """A statement whose parameters have their PostgreSQL types: in `INSERT … SELECT :at` the server would take text.

    `types` of parameters beside those that bear the same name everywhere.
    """
    known = _TYPES | types

    def cast(found: re.Match[str]) -> str:
        return f"CAST(:{found[1]} AS {known[found[1]]})" if found[1] in known else found[0]

    return text(re.sub(r"(?<!CAST\()(?<![:\w]):(\w+)", cast, sql))


_DIALECT = postgresql.dialect()

AWAY = (DBAPIError, PoolTimeout, OSError, TimeoutError)
"""What a loop that tries again by itself catches: PoolTimeout, all connections being stuck, is none of the other three."""


def unfit(error: BaseException) -> bool:
    """Whether a statement failed by what it was given: no text that can be stored, a number out of range. Never passes."""
    if not isinstance(error, DBAPIError):
        return False
    cause = getattr(error.orig, "__cause__", None)  # of the driver, which looks at values before it sends them
    return isinstance(cause, ValueError | OverflowError) or str(getattr(error.orig, "sqlstate", None) or "").startswith(
        "22"
    )


def passes(error: BaseException) -> bool:
    """Whether a failure of a statement or a commit is the server's, not the statement's: it is away, starting or stopping,
    a lock took too long, a deadlock was broken. Then the same may be tried again, and nothing was wrong with it."""
    if unfit(error):
        return False
    if isinstance(error, OSError | TimeoutError | PoolTimeout | OperationalError | InterfaceError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or str(getattr(error.orig, "sqlstate", None) or "").startswith(PASSING)


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """A connection whose server went away is known to be closed: the pool makes a new one, without asking the server."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


class Database:
    """The engine and its sessions. `pool` bounds the connections of this program.

    `durable` False: a commit does not wait for the disk, and the last moments are lost should the server's machine die.
    `idle_s`: a program that is paused in the middle of a transaction holds its locks no longer than this.
    `answer_s`: a statement without an answer raises TimeoutError then: a link that is dead without being cut.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        pool: int = 8,
        name: str = "backoffice",
        durable: bool = True,
        idle_s: float | None = None,
        answer_s: float | None = None,
    ) -> None:
        server = {"application_name": name, "timezone": "UTC"} | ({} if durable else {"synchronous_commit": "off"})
        if idle_s is not None:
            server["idle_in_transaction_session_timeout"] = f"{idle_s * 1000:.0f}"
        self.engine: AsyncEngine = create_async_engine(
            settings.database,
            hide_parameters=True,  # a log has no person's data
            pool_size=pool,
            max_overflow=2,
            pool_timeout=5,
            pool_use_lifo=True,  # the last used connection has its statements prepared
            connect_args={"timeout": 5, "command_timeout": answer_s, "server_settings": server},
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self.reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        """For one SELECT that needs no transaction around it: two round trips less. The pool is the same."""
        self.sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """One transaction: commits at the end, rolls back on any exception."""
        async with self.sessions() as session, session.begin():
            yield session

    async def ping(self) -> None:
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self.engine.dispose()
