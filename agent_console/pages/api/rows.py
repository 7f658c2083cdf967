"""Bodies whose rows are read one by one: a row that is none is told with its field, and holds up no other."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from agent_console.pages.api.access import MOST, Refusal
from agent_console.pages.api.faults import fault

UNSTORABLE = "Text with a NUL or a lone surrogate cannot be stored"
Row = TypeVar("Row", bound=BaseModel)


def rows_of(kind: type[BaseModel]) -> Any:
    """The field of a body; its rows stand in the description as `kind`."""
    name = kind.__name__
    return Field(
        min_length=1, max_length=MOST, description=f"rows as {name}",
        json_schema_extra={"items": {"$ref": f"#/components/schemas/{name}"}},
    )  # fmt: skip


def read(rows: Sequence[Any], kind: type[Row]) -> tuple[list[Row], list[int], list[Refusal]]:
    """The good rows, the index that each had, and what is no row of this kind at all."""
    good, where, refused = [], [], []
    for index, raw in enumerate(rows):
        if found := unstorable(raw):
            refused.append(Refusal(index=index, field=found, message=UNSTORABLE))
            continue
        try:
            good.append(kind.model_validate(raw))
            where.append(index)
        except ValidationError as error:
            refused.append(refusal(index, error.errors()[0], kind))
    return good, where, refused


def refusal(index: int, first: Mapping[str, Any], kind: type[BaseModel]) -> Refusal:
    """What is wrong with a row, in words."""
    message, remedy = fault(first, kind)
    return Refusal(
        index=index, field=".".join(map(str, first["loc"])), message=message,
        remedy=f"{remedy} Then send this row again; the others count.",
    )  # fmt: skip


def unstorable(value: Any, where: str = "") -> str:
    """The place of the first text in it that no database holds; "" = all can be stored."""
    if isinstance(value, str):
        return (where or "?") if unfit(value) else ""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if unfit(str(key)):
                return where or "?"
            if found := unstorable(one, f"{where}.{key}" if where else str(key)):
                return found
    elif isinstance(value, list):
        return next((found for n, one in enumerate(value) if (found := unstorable(one, f"{where}.{n}"))), "")
    return ""


def unfit(text: str) -> bool:
    """NUL, or half of a pair of UTF-16."""
    return any(sign == "\0" or "\ud800" <= sign <= "\udfff" for sign in text)


def joined(unreadable: list[Refusal], later: Sequence[Any], where: Sequence[int]) -> list[Refusal]:
    """With what was refused of the good rows later (index among these, field, message), in the order of the body."""
    said = [Refusal(index=where[one.index], field=one.field, message=one.message) for one in later]
    return sorted([*unreadable, *said], key=lambda one: one.index)
