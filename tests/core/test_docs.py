"""What an operator may set, import and read as a reason stands in docs/operator.md, with the true default."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from backoffice_core.compliance.terms import ReasonCode
from backoffice_core.config import Ports, Settings, Trunk
from backoffice_core.loans.portfolio_file import OPTIONAL, REQUIRED

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
