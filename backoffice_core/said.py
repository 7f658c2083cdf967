"""What the commands say, in the language of who types: BACKOFFICE_LANGUAGE, else the terminal's (LANG), else English.

The code says English sentences. Each stands in the catalogue as `said-…` with its places, in all languages; a sentence is
known again by its English one, and what stood in its places goes into the other language's. What scripts read (`--json`)
stays as it is.
"""

import os
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from backoffice_core.catalogue import FOLDER, Catalogue

FAMILY = "said-"
_SOURCE = "en"


def language(variables: Mapping[str, str]) -> str:
    """The language of a terminal with these variables; English for one that we do not speak."""
    asked = variables.get("BACKOFFICE_LANGUAGE", "")
    if not asked:
        asked = next((variables[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if variables.get(name)), "")
    code = re.split(r"[_.@-]", asked.lower())[0]
    return code if (FOLDER / f"{code}.ftl").is_file() else _SOURCE


@cache
def spoken() -> str:
    """The language of this process's terminal."""
    return language(os.environ)


def said(text: str, lang: str = "") -> str:
    """A sentence of the code in `lang`, by default the terminal's; one that the catalogue lacks stays English.

    Of several lines each is a sentence of its own when the whole is none.
    """
    lang = lang or spoken()
    if lang == _SOURCE or not text.strip():
        return text
    whole = _one(text, lang)
    if whole is None and "\n" in text:
        return "\n".join(said(line, lang) for line in text.split("\n"))
    return text if whole is None else whole


def word(family: str, code: object, lang: str = "") -> object:
    """The words of a stored code in a table; English tables show the code itself."""
    lang = lang or spoken()
    if lang == _SOURCE or not isinstance(code, str) or not code:
        return code
    return _catalogue().words(lang).code(family, code)


def _one(text: str, lang: str) -> str | None:
    bare = text.strip()
    indent, tail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    if (whole := _exact().get(bare)) is not None:
        return indent + _catalogue().text(lang, whole) + tail
    for key, pattern in _known():
        if found := pattern.fullmatch(bare):
            return indent + _catalogue().text(lang, key, **found.groupdict()) + tail
    return None


@lru_cache(maxsize=1)
def _catalogue() -> Catalogue:
    return Catalogue.load()


@lru_cache(maxsize=1)
def _exact() -> dict[str, str]:
    """Keys of the sentences without a place."""
    patterns = _catalogue().patterns(_SOURCE, FAMILY)
    return {"".join(parts): key for key, parts in patterns.items() if not _places(parts)}


def _places(parts: list[str]) -> list[str]:
    return [part for part in parts if part.startswith("$")]


@lru_cache(maxsize=1)
def _known() -> list[tuple[str, re.Pattern[str]]]:
    """Keys with what their English sentence looks like; the ones that say most of their own words first."""
    patterns = {key: parts for key, parts in _catalogue().patterns(_SOURCE, FAMILY).items() if _places(parts)}
    ordered = sorted(patterns.items(), key=lambda one: -sum(len(part) for part in one[1] if not part.startswith("$")))
    return [(key, re.compile("".join(map(_part, parts)), re.DOTALL)) for key, parts in ordered]


def _part(part: str) -> str:
    return f"(?P<{part[1:]}>.*?)" if part.startswith("$") else re.escape(part)


# --- help ----------------------------------------------------------------------------------------------------------


def help_in_words(command: Any, lang: str = "") -> Any:
    """The help of a command, of what it takes and of the commands below it, in `lang`. Tables of columns stay English."""
    command.help = _paragraphs(command.help, lang)
    for parameter in command.params:
        if getattr(parameter, "help", None):
            parameter.help = _paragraphs(parameter.help, lang)
    for below in getattr(command, "commands", {}).values():
        help_in_words(below, lang)
    return command


def _paragraphs(text: str | None, lang: str) -> str | None:
    if not text:
        return text
    parts = text.strip().split("\n\n")
    return "\n\n".join(part if part.startswith("\b") else said(" ".join(part.split("\n")), lang) for part in parts)
