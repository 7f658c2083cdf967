"""Every word a person sees, and how numbers, money, dates and phones are written, in each language.

A language is a file `locale/<code>.ftl` (Fluent), here or in the data folder; a further file offers a further language.
Codes are stored, words live here: `outcome-PTP_FULL`, `reason-OUT_OF_HOURS`. Formats are CLDR's with a few overrides.
"""

import datetime as dt
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal
from fluent.runtime import FluentBundle, FluentResource
from fluent.syntax.ast import Junk, Message, Placeable, StringLiteral, TextElement, VariableReference

FOLDER = Path(__file__).parent / "locale"
FALLBACK = "uk"
NBSP = "\u00a0"


class Catalogue:
    """`strict` makes a missing key or argument an error (tests); otherwise Ukrainian, then the key itself, is shown."""

    def __init__(
        self, bundles: dict[str, FluentBundle], entries: dict[str, list[Any]] | None = None, *, strict: bool = False
    ) -> None:
        self._bundles = bundles
        self._entries = entries or {}
        self._words: dict[str, Words] = {}
        self.strict = strict

    @classmethod
    def load(cls, folder: Path = FOLDER, *further: Path, strict: bool = False) -> "Catalogue":
        """A file of a later folder takes the place of one with the same name (FL-19).

        Raises ValueError, naming file and line, when a file is not Fluent.
        """
        bundles, entries = {}, {}
        for file in [one for where in (folder, *further) for one in sorted(where.glob("*.ftl"))]:
            resource = FluentResource(file.read_text(encoding="utf-8"))
            for entry in resource.body:
                if isinstance(entry, Junk):
                    start = entry.span.start if entry.span else 0
                    line = file.read_text(encoding="utf-8")[:start].count("\n") + 1
                    raise ValueError(f"{file.name}, line {line}: {entry.annotations[0].message}")
            bundle = FluentBundle([_locale_code(file.stem)], use_isolating=False)
            bundle.add_resource(resource)
            bundles[file.stem], entries[file.stem] = bundle, resource.body
        if FALLBACK not in bundles:
            raise ValueError(f"{folder} holds no {FALLBACK}.ftl")
        return cls(bundles, entries, strict=strict)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The shipped three first, further ones after them."""
        first = [code for code in ("uk", "ru", "en") if code in self._bundles]
        return (*first, *sorted(set(self._bundles) - set(first)))

    def has(self, lang: str, key: str) -> bool:
        return lang in self._bundles and self._bundles[lang].has_message(key)

    def patterns(self, lang: str, family: str) -> dict[str, list[str]]:
        """Messages whose keys begin with `family`, in parts: what stands there, and `$name` for each place."""
        found: dict[str, list[str]] = {}
        for entry in self._entries.get(lang, ()):
            if isinstance(entry, Message) and entry.id.name.startswith(family) and entry.value is not None:
                found[entry.id.name] = [_written(element) for element in entry.value.elements]
        return found

    def text(self, lang: str, key: str, /, **args: Any) -> str:
        """The words of `key`. Raises KeyError or ValueError when strict and the key or an argument is missing."""
        for code in (lang, FALLBACK):
            bundle = self._bundles.get(code)
            if bundle is not None and bundle.has_message(key):
                value, errors = bundle.format_pattern(bundle.get_message(key).value, args)  # type: ignore[arg-type]
                if errors and self.strict:
                    raise ValueError(f"{code}: {key}: {errors}")
                return str(value)
            if self.strict:
                raise KeyError(f"{code}: no words for {key}")
        return key

    def words(self, lang: str) -> "Words":
        """One person's language; an unknown one is Ukrainian."""
        code = lang if lang in self._bundles else FALLBACK
        if code not in self._words:
            self._words[code] = Words(self, code)
        return self._words[code]


def _written(element: TextElement | Placeable) -> str:
    if isinstance(element, TextElement):
        return str(element.value)
    inside = element.expression
    if isinstance(inside, VariableReference):
        return f"${inside.id.name}"
    return str(inside.parse()["value"]) if isinstance(inside, StringLiteral) else ""


def _locale_code(lang: str) -> str:
    try:
        return str(Locale.parse(lang))
    except (UnknownLocaleError, ValueError):
        return "en"


class Words:
    """How one language says and writes things."""

    def __init__(self, catalogue: Catalogue, lang: str) -> None:
        self.catalogue = catalogue
        self.lang = lang
        self._locale = Locale.parse(_locale_code(lang))
        self._dotted = lang != "en"  # 20.11.2026, as everywhere around Kyiv; English writes 20 Nov 2026

    def __call__(self, key: str, /, **args: Any) -> str:
        return self.catalogue.text(self.lang, key, **args)

    def code(self, family: str, code: str | None) -> str:
        """The words of a stored code; a code newer than the catalogue is shown as it is."""
        key = f"{family}-{code}"
        if not code:
            return "—"
        return self(key) if self.catalogue.has(self.lang, key) or self.catalogue.has(FALLBACK, key) else code

    def money(self, amount: Decimal | None, currency: str = "UAH", *, digits: int = 2) -> str:
        """18 462,75 ₴ · UAH 18,462.75; `digits=0` for speech."""
        if amount is None:
            return "—"
        if self.lang == "en":
            return f"{currency}{NBSP}{self.number(amount, digits)}"
        text = format_currency(
            amount,
            currency,
            locale=self._locale,
            currency_digits=False,
            format=f"#,##0{'.00' if digits else ''}\u00a0¤",
        )
        return _minus(text)

    def number(self, value: Decimal | int, digits: int = 0) -> str:
        """12 480; with `digits` that many decimals."""
        exact = Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
        return _minus(format_decimal(exact, format=f"#,##0{'.' + '0' * digits if digits else ''}", locale=self._locale))

    def percent(self, part: int, whole: int, digits: int = 1) -> str:
        """2,4 % of a whole; a dash when there is no whole."""
        if not whole:
            return "—"
        return self.number(Decimal(100 * part) / whole, digits) + ("%" if self.lang == "en" else f"{NBSP}%")

    def date(self, day: dt.date | None) -> str:
        if day is None:
            return "—"
        return day.strftime("%d.%m.%Y") if self._dotted else format_date(day, "d MMM y", locale=self._locale)

    def short_date(self, day: dt.date) -> str:
        """Without the year, for narrow columns."""
        return day.strftime("%d.%m") if self._dotted else format_date(day, "d MMM", locale=self._locale)

    def moment(self, at: dt.datetime, *, year: bool = False, seconds: bool = False) -> str:
        """20.11 11:42 · 20 Nov 11:42, in the zone that it bears."""
        day = self.date(at.date()) if year else self.short_date(at.date())
        return f"{day} {at:%H:%M:%S}" if seconds else f"{day} {at:%H:%M}"

    def of_hundred(self, value: Decimal | float, digits: int = 0) -> str:
        """2,41 % · 2.41%"""
        return self.number(Decimal(str(value)), digits) + ("%" if self.lang == "en" else f"{NBSP}%")

    def month(self, day: dt.date) -> str:
        """November 2026, with its capital."""
        said = str(format_date(day, "LLLL y", locale=self._locale))
        return said[:1].upper() + said[1:]

    def weekday(self, day: dt.date) -> str:
        """Two or three letters, for the head of a calendar."""
        return str(format_date(day, "ccc", locale=self._locale))

    def long_date(self, day: dt.date) -> str:
        return str(format_date(day, "EEEE, d MMMM", locale=self._locale))

    def duration(self, seconds: float | Decimal | timedelta | None) -> str:
        """04:38; over an hour 1:04:38; blank when there is none."""
        if seconds is None:
            return ""
        whole = max(0, int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds))
        minutes, rest = divmod(whole, 60)
        return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes:02}:{rest:02}"

    def hours(self, seconds: float) -> str:
        """2 год 42 хв."""
        minutes = int(seconds) // 60
        return (
            self("hours-minutes", hours=minutes // 60, minutes=minutes % 60)
            if minutes >= 60
            else self("minutes", n=minutes)
        )


def clock_time(at: datetime) -> str:
    """11:42, in the zone that `at` carries."""
    return at.strftime("%H:%M")


def phone(number: str) -> str:
    """+380 67 555 01 42, for every language."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    national = phonenumbers.national_significant_number(parsed)
    if parsed.country_code == 380 and len(national) == 9:
        groups: Iterable[str] = (national[:2], national[2:5], national[5:7], national[7:])
        return NBSP.join(["+380", *groups])
    said = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return said.replace("-", " ").replace(" ", NBSP)


def short_name(full_name: str) -> str:
    """Коваленко О. П., for tables."""
    last, *given = full_name.split()
    if any(name[0].isdigit() for name in given):
        return NBSP.join([last, *given])  # a robot's name has a number, which is no initial
    return NBSP.join([last, *(f"{name[0]}." for name in given)]) if given else last


def masked(full_name: str) -> str:
    """As a file has it that leaves the house: the name that tables show, the rest is looked up in the case (CP-05)."""
    return short_name(full_name).replace(NBSP, " ") if full_name.strip() else ""


def _minus(text: str) -> str:
    return text.replace("-", "\u2212")
