"""One number by the habits of its country: what a row of digits means in Ukraine, in Russia, anywhere (FL-05). Pure."""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

_TYPES = {PhoneNumberType.MOBILE: "mobile", PhoneNumberType.FIXED_LINE: "fixed"}
_PREMIUM = PhoneNumberType.PREMIUM_RATE
_ASCENDING = "01234567890"
# Without its plus a number of these countries is still told by its length; others must be written with a plus.
_TOLD_BY_LENGTH = {
    "7": (11,), "380": (12,), "375": (12,), "373": (11,), "48": (11,), "370": (11,), "371": (11,), "374": (11,),
    "992": (12,), "993": (11,), "994": (12,), "995": (12,), "996": (12,), "998": (12,), "49": (12, 13), "90": (12,),
    "420": (12,), "421": (12,), "972": (12,),
}  # fmt: skip


@lru_cache(maxsize=4096)
def read_number(text: str, region: str, area: str) -> tuple[str, str] | str:
    """E.164 and type of one number, or the code of a refusal."""
    digits = re.sub(r"\D", "", text)
    if not digits.strip("0"):
        return "PLACEHOLDER"
    counted = digits in _ASCENDING or digits in _ASCENDING[::-1]  # 123-45-67 may be somebody's in a town
    if len(digits) >= 5 and (len(set(digits)) == 1 or (counted and (len(digits) >= 9 or not area))):
        return "PLACEHOLDER"
    if len(digits) < 5:
        return "SHORT"
    plus = text.lstrip(" (").startswith("+")
    for one in _candidates(text, digits, plus, region, area):
        try:
            number = phonenumbers.parse("+" + one, None) if one.isdigit() else phonenumbers.parse(one[1:], region)
        except NumberParseException:
            continue
        kind = phonenumbers.number_type(number)  # UNKNOWN exactly when the number is not valid
        if kind == PhoneNumberType.UNKNOWN:
            continue
        if kind == _PREMIUM:
            return "PREMIUM"
        if len(set(str(number.national_number))) == 1:
            return "PLACEHOLDER"  # 099 999 99 99: what a clerk types to be let through
        return phonenumbers.format_number(number, PhoneNumberFormat.E164), _TYPES.get(kind, "unknown")
    if len(digits) <= 7 and not plus:
        return "IMPOSSIBLE" if area else "NO_AREA_CODE"
    return "IMPOSSIBLE"


def _candidates(text: str, digits: str, plus: bool, region: str, area: str) -> list[str]:
    """Readings in the order of trust: digits of E.164, or `=` and a text that phonenumbers reads as `region` would."""
    country = str(phonenumbers.country_code_for_region(region) or "")
    out: list[str] = []
    without = re.sub(r"\(\s*0\s*\)", "", text)
    if without != text and re.match(rf"\s*(?:\+|00|\(?\s*{country or '(?!)'}\b)", text):
        out += _candidates(without, re.sub(r"\D", "", without), plus, region, area)
    if plus and not digits.startswith("0"):
        out.append(digits)
    if digits.startswith("00"):
        out.append(digits[2:])
        if not plus:
            return out
    if plus and not digits.startswith(("0", "8")):
        return out
    out += _HABITS.get(region, _habit_of_others)(digits)
    out.append("=" + digits)
    if area and 5 <= len(digits) <= 7:
        out += [country + code + digits for code in dict.fromkeys((area, area.lstrip("0"), area[1:] if area[0] == "8" else area))
                if not code.startswith("0")]  # fmt: skip
    if not plus and not digits.startswith("0"):
        out += [digits for code, sizes in _TOLD_BY_LENGTH.items() if digits.startswith(code) and len(digits) in sizes]
    return out


def _habit_ua(d: str) -> list[str]:
    """067…, 8-067… (the trunk prefix of Soviet days), 67…, 380…, 380-067…, 8-10-380…"""
    n = len(d)
    if n == 10 and d[0] == "0":
        return ["380" + d[1:]]
    if n == 11 and d.startswith("80"):
        return ["380" + d[2:]]
    if n == 9 and d[0] != "0":
        return ["380" + d]
    if n == 12 and d.startswith("380"):
        return [d]
    if n == 13 and d.startswith(("3800", "3880")):
        return ["380" + d[4:]]
    return [d[3:]] if d.startswith("810") and n >= 13 else []


def _habit_seven(d: str) -> list[str]:
    """Russia and Kazakhstan share +7: 8 916…, 7 916…, 916…, 8 7 701…, 8-10-380…"""
    n = len(d)
    if n == 11 and d[0] in "78":
        return ["7" + d[1:]]
    if n == 10 and d[0] != "0":
        return ["7" + d]
    if n == 12 and d.startswith("87"):
        return [d[1:]]
    if n == 12 and d.startswith("78"):
        return ["7" + d[2:]]
    return [d[3:]] if d.startswith("810") and n >= 13 else []


def _habit_by(d: str) -> list[str]:
    n = len(d)
    if n == 11 and d.startswith("80"):
        return ["375" + d[2:]]
    if n == 10 and d[0] == "0":
        return ["375" + d[1:]]
    if n == 9 and d[0] != "0":
        return ["375" + d]
    return [d[3:]] if d.startswith("810") and n >= 13 else []


def _habit_pl(d: str) -> list[str]:
    if len(d) == 10 and d[0] == "0":
        return ["48" + d[1:]]
    return ["48" + d] if len(d) == 9 else []


def _habit_of_others(_: str) -> list[str]:
    return []


_HABITS = {"UA": _habit_ua, "RU": _habit_seven, "KZ": _habit_seven, "BY": _habit_by, "PL": _habit_pl}
