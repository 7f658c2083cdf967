"""What the commands say, in three languages: no sentence of the code lacks its words, and each finds its own again."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from backoffice_core import said as spoken
from backoffice_core.__main__ import app
from backoffice_core.catalogue import Catalogue
from backoffice_core.said import FAMILY, language, said, word
from tests.conftest import ROOT

# What only pages, programs and the log show: pages have `error-CODE`, programs read English.
ELSEWHERE = (
    "agent_console", "agi", "ami_listener", "backoffice_core/pbx", "backoffice_core/call_centre/desks/agents.py",
    "backoffice_core/call_centre/calls/callers.py", "backoffice_core/call_centre/desks/desk.py",
    "backoffice_core/call_centre/desks/line_check.py", "backoffice_core/call_centre/desks/wrap_up.py",
    "backoffice_core/compliance/service.py", "backoffice_core/borrowers/service.py", "backoffice_core/collection/",
)  # fmt: skip
PLACE = "\0"


def _text(node: ast.expr) -> str | None:
    """A sentence of the code, PLACE where a value goes; None for what is made elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else PLACE for v in node.values)
    return None


def _refusals() -> set[str]:
    """Names of all classes of refusals, from the code itself."""
    names, before = {"Refused"}, set[str]()
    trees = [ast.parse(file.read_text()) for file in _files()]
    while names != before:
        before = set(names)
        for tree in trees:
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    bases = {getattr(b, "id", getattr(b, "attr", "")) for b in node.bases}
                    names |= {node.name} if bases & names else set()
    return names


def _files() -> Iterator[Path]:
    for folder in ("backoffice_core", "asterisk_conf", "recordings", "dialer"):
        for file in (ROOT / folder).rglob("*.py"):
            if not str(file.relative_to(ROOT)).startswith(ELSEWHERE):
                yield file


def sentences() -> set[str]:
    """Refusals with their remedies, and what commands say beside their tables."""
    refusals, found = _refusals(), set[str]()
    for file in _files():
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in refusals:
                asked = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "remedy")]
            elif name == "say" and node.args:
                asked = node.args[:1]
            elif name in {"table", "bar"} and node.args:
                heads = node.args[1].elts if len(node.args) > 1 and isinstance(node.args[1], ast.Tuple) else []
                asked = [*node.args[:1], *heads]
            else:
                continue
            found |= {text for text in map(_text, asked) if text and text.strip(PLACE + " .:,()/-")}
    return found


def test_every_refusal_and_every_saying_of_a_command_stands_in_the_catalogue() -> None:
    """Issue 3: every refusal is a sentence in three languages; a new one without words fails here."""
    lacking = [
        text.replace(PLACE, "{…}")
        for text in sorted(sentences())
        if any(spoken._one(line, "uk") is None for line in text.replace(PLACE, "xyz").split("\n")[:1])
    ]
    assert lacking == []


def test_each_sentence_has_its_places_in_every_language() -> None:
    catalogue = Catalogue.load(strict=True)
    english = catalogue.patterns("en", FAMILY)
    assert len(english) > 500
    for lang in ("uk", "ru"):
        others = catalogue.patterns(lang, FAMILY)
        assert others.keys() == english.keys()
        for key, parts in others.items():
            places = {part for part in parts if part.startswith("$")}
            assert places <= {part for part in english[key] if part.startswith("$")}, (lang, key)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"), ({"LANG": "C.UTF-8"}, "en"), ({"LANG": "uk_UA.UTF-8"}, "uk"), ({"LANG": "ru_RU"}, "ru"),
        ({"LANG": "uk_UA.UTF-8", "LC_ALL": "C"}, "en"), ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "C", "BACKOFFICE_LANGUAGE": "uk"}, "uk"), ({"LANG": "uk_UA.UTF-8", "BACKOFFICE_LANGUAGE": "ru"}, "ru"),
    ],
)  # fmt: skip
def test_the_terminals_language(variables: dict[str, str], expected: str) -> None:
    assert language(variables) == expected


def test_what_stands_in_the_places_is_kept() -> None:
    assert said("“abc” is not a date.", "uk") == "“abc” — не дата."
    assert said("Trunk life may not call +380671112233 (NOT_ALLOWED).", "ru") == (
        "Линии life нельзя звонить на +380671112233 (NOT_ALLOWED)."
    )
    assert said("/data could not make the database:\ninitdb: no room", "uk") == (
        "/data не зміг створити базу:\ninitdb: no room"
    )
    assert said("Nobody has ever written this.", "uk") == "Nobody has ever written this."
    assert said("“abc” is not a date.", "en") == "“abc” is not a date."
    assert word("task-state", "ELIGIBLE", "en") == "ELIGIBLE"
    assert word("result", "NO_ANSWER", "uk") == "Немає відповіді"


def test_the_help_of_every_command_has_its_words() -> None:
    """Only the description of the portfolio's columns, which is the format itself, stays English."""
    for lang in ("uk", "ru"):
        english = _helps(get_command(app))
        spoken_in = _helps(spoken.help_in_words(get_command(app), lang))
        same = {a for a, b in zip(english, spoken_in, strict=True) if a == b and "_" not in a and "," not in a}
        assert {one for one in same if not one.startswith("The bank's portfolio file")} == set()


def _helps(command: Any) -> list[str]:
    own = [command.help or "", *(getattr(one, "help", None) or "" for one in command.params if one.name != "help")]
    below = [text for one in getattr(command, "commands", {}).values() for text in _helps(one)]
    return [text for text in [*own, *below] if text]


@pytest.mark.parametrize(("lang", "expected"), [("uk", "дата"), ("ru", "дата"), ("en", "date")])
def test_a_command_refuses_in_the_language_of_its_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lang: str, expected: str
) -> None:
    """What scripts read stays as it is; what a person reads does not."""
    from backoffice_core import __main__

    monkeypatch.setattr(spoken, "spoken", lambda: lang)
    monkeypatch.setattr(__main__, "spoken", lambda: lang)
    monkeypatch.setattr("sys.argv", ["backoffice", "queue", "--date", "abc"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    assert ended.value.code == 1
    assert expected in capsys.readouterr().err
    assert CliRunner().invoke(app, ["status", "--json"]).stdout.startswith('{"supervisor"')
