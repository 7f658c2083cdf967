"""How a number is written for a trunk, and where a trunk may call (FL-06). Pure: values in, values out.

Numbers come in as E.164 with or without the plus; prefixes are E.164 digits.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar

import phonenumbers

T = TypeVar("T")
_E164 = re.compile(r"\+?([1-9][0-9]{5,14})")


@dataclass(frozen=True)
class Form:
    """`home` is written instead of the trunk's own country code, None = that code stays; `abroad` before all else."""

    home: str | None
    abroad: str


FORMS: Mapping[str, Form] = MappingProxyType(
    {
        "digits": Form(None, ""),  # 380671234567
        "plus": Form(None, "+"),  # +380671234567
        "double_zero": Form(None, "00"),  # 00380671234567
        "national": Form("0", "00"),  # 0671234567, abroad 0048…
        "eight": Form("8", "810"),  # 87011234567, abroad 810380…
    }
)


def digits_of(number: str) -> str:
    """Raises ValueError unless `number` is E.164: a number without its country code would go astray."""
    found = _E164.fullmatch(number)
    if found is None:
        raise ValueError("not a number with its country code")
    return found[1]


def written(number: str, form: str, country: str, prefix: str = "") -> str:
    """The number as a trunk in `country` (calling code) wants it, its technical prefix first.

    Raises ValueError for a number without a country code, and for a national form without a country.
    """
    digits, rule = digits_of(number), FORMS[form]
    if rule.home is not None and not country:
        raise ValueError("the trunk's country is not set")
    if rule.home is not None and digits.startswith(country):
        return prefix + rule.home + digits[len(country) :]
    return prefix + rule.abroad + digits


def longest(by_prefix: Mapping[str, T], number: str) -> T | None:
    """The value of the longest prefix that begins the number."""
    digits = digits_of(number)
    fitting = [prefix for prefix in by_prefix if digits.startswith(prefix)]
    return by_prefix[max(fitting, key=len)] if fitting else None


def destination_refusal(number: str, allow: Iterable[str], deny: Collection[str] = ()) -> str:
    """Why a trunk may not call this number: a code of the catalogue's family `reason`, or "" when it may.

    The longest prefix decides, a denied one wins over an equal. What no prefix names is refused, and so is every
    number that the numbering plans know as one with a surcharge, whoever allows it.
    """
    try:
        digits = digits_of(number)
    except ValueError:
        return "DESTINATION_UNREADABLE"
    said = longest(dict.fromkeys(allow, True) | dict.fromkeys(deny, False), digits)
    if said is None:
        return "DESTINATION_NOT_ALLOWED"
    if not said:
        return "DESTINATION_DENIED"
    return "DESTINATION_PREMIUM" if _premium(digits) else ""


@lru_cache(maxsize=50_000)  # asked for each trunk of each call
def _premium(digits: str) -> bool:
    try:
        parsed = phonenumbers.parse(f"+{digits}")
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.number_type(parsed) == phonenumbers.PhoneNumberType.PREMIUM_RATE
