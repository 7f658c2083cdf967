"""What an operator may set, import and read as a reason stands in docs/operator.md, with the true default."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined
from typer.main import get_command

from agent_console.pages import announcements, desk, floor, lines, queue, unknown
from backoffice_core.__main__ import app
from backoffice_core.compliance.terms import ReasonCode
from backoffice_core.config import Ports, Settings, Trunk
from backoffice_core.loans.portfolio_file import OPTIONAL, REQUIRED

PAGES = (announcements, desk, floor, lines, queue, unknown)
ROOT = Path(__file__).resolve().parents[2]
OPERATOR = (ROOT / "docs/operator.md").read_text(encoding="utf-8")
ROWS = {row.split("|")[1].strip(): row.split("|")[2].strip() for row in OPERATOR.splitlines() if row.startswith("| `")}
SETTINGS = [
    *((f"BACKOFFICE_{name.upper()}", Settings, name) for name in Settings.model_fields),
    *((f"BACKOFFICE_PORTS__{name.upper()}", Ports, name) for name in Ports.model_fields),
    *((name, Trunk, name) for name in Trunk.model_fields),
]


@pytest.mark.parametrize(("shown", "model", "name"), SETTINGS)
def test_each_setting_has_a_row_with_its_default(shown: str, model: type[BaseModel], name: str) -> None:
    """Fails for a setting that nobody described, and for a default that was changed in the code alone."""
    said = ROWS.get(f"`{shown}`")
    assert said is not None, f"{shown} has no row"
    default: Any = model.model_fields[name].default
    if isinstance(default, bool):
        assert said == f"`{str(default).lower()}`"
    elif isinstance(default, str | int | Path) and default != "":
        assert said == f"`{default}`"
    elif default in ("", None) or isinstance(default, SecretStr):
        assert said in ("(empty)", "(unset)")
    elif default is PydanticUndefined:
        assert said == ""


def test_each_reason_and_each_column_of_the_portfolio_is_explained() -> None:
    """CC-08: why a case is not called can be looked up."""
    assert [code for code in ReasonCode if f"`{code.value}`" not in ROWS] == []
    assert [column for column in (*REQUIRED, *OPTIONAL) if f"`{column}`" not in OPERATOR] == []


def test_links_between_the_documents_lead_somewhere() -> None:
    for file in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))):
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


def test_monday_names_pages_and_commands_that_exist() -> None:
    """Issue 3: the shift lead's page leads to what is there."""
    text = (ROOT / "docs/monday-0800.md").read_text(encoding="utf-8")
    paths = {getattr(route, "path", "") for pages in PAGES for route in pages.router.routes}
    for page in re.findall(r"`(/[a-z]+)`", text):
        assert page in paths, page
    command = get_command(app)
    for line in re.findall(r"`backoffice ([^`…]+)`", text):
        found = command
        for word in line.split():
            if not hasattr(found, "commands"):
                break
            assert word in found.commands, line
            found = found.commands[word]
        options = {name for one in found.params for name in one.opts}
        assert {word for word in line.split() if word.startswith("--")} <= options, line
