"""Databases for tests: clones of the migrated one, emptied after a test and given to the next.

To empty one costs a tenth of making one. What a test changed of the tables themselves cannot be undone so: such a clone
is dropped.
"""

import itertools
from typing import Any

import asyncpg

from backoffice_core.parts import postgres

_numbers = itertools.count(1)
_clean: list[str] = []
_seeds: dict[str, list[Any]] = {}  # rows that the migrations put in
_shape: list[Any] = []
_sequences: list[tuple[str, int]] = []  # those that the migrations counted up


async def take(admin: asyncpg.Connection, template: str) -> str:
    """The name of a database with the migrations' tables and rows."""
    if _clean:
        return _clean.pop()
    name = f"test_{next(_numbers)}"
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return name


async def give_back(admin: asyncpg.Connection, name: str, host: str) -> None:
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    own = await asyncpg.connect(host=host, user=postgres.USER, database=name)
    try:
        if not _shape:
            fresh = await asyncpg.connect(host=host, user=postgres.USER, database=postgres.DATABASE)
            try:
                _shape.append(await fresh.fetchval(_SHAPE))
                _sequences.extend(tuple(row) for row in await fresh.fetch(_COUNTED))
                for table in await _with_rows(fresh):
                    _seeds[table] = await fresh.fetch(f"SELECT * FROM {table}")  # noqa: S608
            finally:
                await fresh.close()
        whole = await own.fetchval(_SHAPE) == _shape[0]
        if whole:
            await _empty(own)
    finally:
        await own.close()
    if whole:
        _clean.append(name)
    else:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def _empty(own: asyncpg.Connection) -> None:
    async with own.transaction():
        await own.execute("SET LOCAL session_replication_role = replica")
        tables = await _with_rows(own)
        guarded = [row for row in await own.fetch(_ALWAYS) if row["table"] in tables]
        for row in guarded:
            await own.execute(f"ALTER TABLE {row['table']} DISABLE TRIGGER {row['name']}")
        if tables:
            await own.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
        for table, rows in _seeds.items():
            await own.copy_records_to_table(table, records=rows)
        for row in guarded:
            await own.execute(f"ALTER TABLE {row['table']} ENABLE ALWAYS TRIGGER {row['name']}")
        await own.execute(_RESTART)
        await own.executemany("SELECT setval($1::text::regclass, $2)", _sequences)


async def _with_rows(connection: asyncpg.Connection) -> list[str]:
    return [row["table"] for row in await connection.fetch(_WITH_ROWS)]


_WITH_ROWS = """
    SELECT c.relname AS table FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    AND pg_relation_size(c.oid) > 0 ORDER BY 1
"""
_ALWAYS = """
    SELECT c.relname AS table, t.tgname AS name FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE t.tgenabled = 'A' AND NOT t.tgisinternal ORDER BY 1, 2
"""
_COUNTED = """
    SELECT sequencename::text, last_value FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
_RESTART = """
    SELECT setval(sequencename::text::regclass, start_value, false) FROM pg_sequences
    WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
# what a test may have changed of tables, columns, constraints, triggers, functions and settings
_SHAPE = """
    SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
        SELECT format('%s.%s.%s', attrelid::regclass, attname, atttypid) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND attnum > 0
        UNION ALL SELECT format('%s.%s', conrelid::regclass, conname) FROM pg_constraint
        UNION ALL SELECT format('%s.%s.%s', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT md5(prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT setconfig::text FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase
        WHERE d.datname = current_database()
    ) parts(part)
"""
