"""What is wrong with a value that the API was sent, and what to do: in words, not in the framework's (pure)."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

Said = tuple[str, str]  # message, remedy
_DATE = ("is no date", "Write it as 2026-12-31.")
_TIME = ("is no moment of time", "Write it as 2026-11-25T10:00:00+02:00.")
_SUM = ("is no sum", "Write it as “1500.00”.")
_WHOLE = ("is no whole number", "Write digits alone, as 12.")
_TEXT = ("is no text", "Write it in quotes.")
_LIST = ("is no list", "Write it in square brackets.")
_OBJECT = ("is no object", "Write it in braces, as the description shows.")
_BOOL = ("is neither true nor false", "Write true or false.")
_PLAIN: dict[str, Said] = {
    "missing": ("is missing", "Give it."),
    "string_type": _TEXT, "string_unicode": _TEXT, "list_type": _LIST, "dict_type": _OBJECT, "model_type": _OBJECT,
    "model_attributes_type": _OBJECT, "dataclass_type": _OBJECT,
    "date_type": _DATE, "date_parsing": _DATE, "date_from_datetime_parsing": _DATE, "date_from_datetime_inexact": _DATE,
    "datetime_type": _TIME, "datetime_parsing": _TIME, "datetime_from_date_parsing": _TIME, "datetime_object_invalid": _TIME,
    "timezone_aware": ("has no time zone", "Write it as 2026-11-25T10:00:00+02:00."),
    "decimal_type": _SUM, "decimal_parsing": _SUM, "finite_number": _SUM, "decimal_max_digits": _SUM,
    "int_type": _WHOLE, "int_parsing": _WHOLE, "int_from_float": _WHOLE, "int_parsing_size": _WHOLE,
    "bool_type": _BOOL, "bool_parsing": _BOOL,
    "json_invalid": ("is no JSON", "Send the body as JSON, in UTF-8."), "uuid_parsing": ("is no key", "Copy it as it was given."),
}  # fmt: skip


def _literal(of: Mapping[str, Any], kind: type[BaseModel] | None) -> Said:
    return "is none of those that are known", f"Known are {of['expected'].replace(' or ', ', ')}."


def _strange(of: Mapping[str, Any], kind: type[BaseModel] | None) -> Said:
    known = f" Known are {', '.join(kind.model_fields)}." if kind else ""
    return "is no field of this", f"Leave it out, or correct its name.{known}"


_SAYS: dict[str, Callable[[Mapping[str, Any], type[BaseModel] | None], Said]] = {
    "literal_error": _literal,
    "extra_forbidden": _strange,
    "string_too_long": lambda of, _: (f"is longer than {of['max_length']} signs", "Shorten it."),
    "string_too_short": lambda of, _: (
        "is empty" if of["min_length"] == 1 else f"is shorter than {of['min_length']} signs", "Give it."
    ),
    "too_long": lambda of, _: (f"has more than {of['max_length']} rows", "Send them in several requests."),
    "too_short": lambda of, _: (f"has fewer than {of['min_length']} rows", "Send nothing, or what there is."),
    "greater_than_equal": lambda of, _: (f"is below {of['ge']}", f"Give {of['ge']} or more."),
    "less_than_equal": lambda of, _: (f"is above {of['le']}", f"Give {of['le']} or less."),
    "greater_than": lambda of, _: (f"is not above {of['gt']}", f"Give more than {of['gt']}."),
}  # fmt: skip


def fault(error: Mapping[str, Any], kind: type[BaseModel] | None = None) -> Said:
    """Of one of pydantic's errors: “is …” and the remedy, both without the field. `kind`: of the row that it stands in."""
    code, of = str(error["type"]), error.get("ctx") or {}
    if code in _PLAIN:
        return _PLAIN[code]
    if code in _SAYS:
        return _SAYS[code](of, kind if len(error["loc"]) == 1 else None)
    own = str(error["msg"]).removeprefix("Value error, ")
    return (own if own.startswith("is ") else f"is {own}") if code == "value_error" else own, "Compare with /api/docs."
