"""Words for codes of rules and for what is shipped, and where a rule's code leads."""

import re
from functools import cache

from markupsafe import Markup, escape

from backoffice_core.catalogue import Words
from backoffice_core.compliance import loader

_RULE = re.compile(r"[A-Z]{2,3}-[A-Z0-9-]+")


@cache
def _kinds() -> dict[str, str]:
    """Kinds of the shipped rules by their code; a bank's own rule shows its code alone."""
    return {str(row["id"]): str(row["kind"]) for row in loader.read_file()}


def rule_words(words: Words, code: str) -> str:
    """A house reason, a protected status, or what sort of rule a code of the law is."""
    for family in ("rule", "flag", "reason"):
        if words.catalogue.has(words.lang, f"{family}-{code}"):
            return words.code(family, code)
    kind = _kinds().get(code)
    return words.code("rule-kind", kind) if kind else code


def rule_link(words: Words, code: str | None, may_read: bool = True) -> Markup:
    """Its words, and for a rule of the law its code, which leads to its text."""
    if not code:
        return Markup("")
    said = rule_words(words, code)
    if not _RULE.fullmatch(code):
        return escape(said)
    named = Markup('<a href="/rules?q={0}#rule">{0}</a>').format(code) if may_read else escape(code)
    return named if said == code else Markup("{} ({})").format(said, named)


@cache
def _shipped(words_of: object) -> dict[str, str]:
    patterns = words_of.patterns("uk", "shipped-")  # type: ignore[attr-defined]
    return {"".join(parts): key for key, parts in patterns.items()}


def shipped(words: Words, text: str) -> str:
    """Words that came with the product in the reader's language; what a person wrote stays as it is."""
    key = _shipped(words.catalogue).get(text)
    return words(key) if key else text
