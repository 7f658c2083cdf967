"""Many small steps in one transaction, with the statements of one: what they will touch is locked and loaded before, what
they append is written together at the end. A step does not know: it asks `locked`, and gives rows to `later`.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, any_, bindparam, inspect
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, attributes

T = TypeVar("T")


def among(column: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Is one of the parameter `ids`: for a statement that is made once, however many there are."""
    return column == any_(bindparam("ids", type_=ARRAY(column.type)))


def hold(s: AsyncSession, rows: Iterable[Any], key: str = "id") -> list[Any]:
    """These rows are locked by this transaction; `key` is the column by which the steps ask for them."""
    held: dict[tuple[type, Any], Any] = s.info.setdefault("held", {})
    found = list(rows)
    held.update({(type(row), getattr(row, key)): row for row in found})
    return found


def held(s: AsyncSession, model: type[T], key: Any) -> T | None:
    found: T | None = s.info.get("held", {}).get((model, key))
    return found


async def locked(s: AsyncSession, model: type[T], key: Any) -> T | None:
    """The row with this primary key, locked now or before. None when there is none."""
    return held(s, model, key) or await s.get(model, key, with_for_update=True)


def later(s: AsyncSession, kind: str, row: Any) -> bool:
    """True in a transaction of many steps: `row` is kept for its end (`kept`). False: the step writes it itself."""
    if "held" not in s.info:
        return False
    s.info.setdefault("later", {}).setdefault(kind, []).append(row)
    return True


def kept(s: AsyncSession, kind: str) -> list[Any]:
    """The rows given to `later`, taken out; the transaction is one of single steps again for that kind."""
    found: list[Any] = s.info.get("later", {}).pop(kind, [])
    return found


def close(s: AsyncSession) -> None:
    """From here on steps write by themselves again."""
    s.info.pop("held", None)


def write_alike(s: AsyncSession) -> None:
    """Held rows that changed are written with the same columns each, so that a table's go out as one statement: by itself
    each result of a call, setting its own columns, would be a statement and a wait. They are locked, so that a column that
    did not change is written as it stands."""
    changed: dict[type, list[Any]] = {}
    for row in {id(row): row for row in s.info.get("held", {}).values()}.values():
        if s.is_modified(row):
            changed.setdefault(type(row), []).append(row)
    for model, rows in changed.items():
        names: list[str] = inspect(model).column_attrs.keys()
        columns = {name for row in rows for name in names if inspect(row).attrs[name].history.has_changes()}
        for row in rows:
            for name in columns - inspect(row).unloaded:
                attributes.flag_modified(row, name)
