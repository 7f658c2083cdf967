"""A migration only adds while an older release runs beside it (FL-14, decision 0010).

What takes away (a column that the last release still writes, a default that it leans on) is a *contract*: allowed one
release later, in a file that says `CONTRACT_OF = "0.1"`, the release that first worked without it.
"""

import ast
from pathlib import Path

import pytest

from backoffice_core import migrations

FOLDER = Path(migrations.__file__).parent / "versions"
# 0.1 is not released: nothing older runs beside these. From the first release on this number stays as it is.
BEFORE_THE_FIRST_RELEASE = "0012"
TAKES_AWAY = {"drop_table", "drop_column", "rename_table", "drop_constraint"}
WORDS = ("DROP TABLE", "DROP COLUMN", "RENAME ", "SET NOT NULL", "DROP DEFAULT", "TRUNCATE", "ALTER COLUMN")


def complaints(text: str) -> list[str]:
    """What in `upgrade()` an older release could stumble over; none in a file that is marked as a contract."""
    tree = ast.parse(text)
    if any(isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == "CONTRACT_OF" for n in tree.body):
        return []
    upgrade = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "upgrade")
    made = {_text(call.args[0]) for call in _calls(upgrade) if _name(call) == "create_table"}
    return [said for call in _calls(upgrade) if (said := _complaint(call, made))]


def _calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)


def _complaint(call: ast.Call, made: set[str]) -> str:
    name, given = _name(call), {k.arg: k.value for k in call.keywords}
    if name in TAKES_AWAY and not any(_text(one) in made for one in call.args[:2]):
        return f"line {call.lineno}: {name}"
    if name == "alter_column" and not {_text(one) for one in call.args[:1]} & made:
        nullable, default = given.get("nullable"), given.get("server_default")
        loosens = set(given) <= {"nullable", "existing_type"} and nullable and ast.unparse(nullable) == "True"
        adds_default = set(given) <= {"server_default", "existing_type"} and default and ast.unparse(default) != "None"
        return "" if loosens or adds_default else f"line {call.lineno}: alter_column"
    if name == "add_column":
        column = next((one for one in call.args if isinstance(one, ast.Call)), None)
        said = {k.arg: ast.unparse(k.value) for k in column.keywords} if column else {}
        if said.get("nullable") == "False" and said.get("server_default", "None") == "None":
            return f"line {call.lineno}: a column that must be given and has no default"
    if name == "execute" and any(word in ast.unparse(call).upper() for word in WORDS):
        return f"line {call.lineno}: {ast.unparse(call)[:60]}"
    return ""


@pytest.mark.parametrize("file", sorted(FOLDER.glob("[0-9]*.py")), ids=lambda file: file.name)
def test_a_migration_only_adds(file: Path) -> None:
    if file.name[:4] > BEFORE_THE_FIRST_RELEASE:
        assert complaints(file.read_text()) == []


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ('op.drop_column("calls", "note")', True),
        ('op.drop_table("calls")', True),
        ('op.rename_table("calls", "talks")', True),
        ('op.alter_column("calls", "note", new_column_name="text")', True),
        ('op.alter_column("calls", "note", nullable=False)', True),
        ('op.alter_column("calls", "note", server_default=None)', True),
        ('op.alter_column("calls", "note", nullable=True)', False),
        ('op.alter_column("calls", "note", server_default="x")', False),
        ('op.add_column("calls", sa.Column("n", sa.Text(), nullable=False))', True),
        ('op.add_column("calls", sa.Column("n", sa.Text(), nullable=False, server_default=""))', False),
        ('op.add_column("calls", sa.Column("n", sa.Text(), nullable=True))', False),
        ('op.execute("ALTER TABLE calls RENAME COLUMN a TO b")', True),
        ('op.execute("alter table calls alter column a set not null")', True),
        ('op.execute("UPDATE calls SET n = 1")', False),
        ('op.create_index("ix", "calls", ["n"])', False),
        ('op.create_table("mine", sa.Column("n", sa.Text(), nullable=False)); op.drop_column("mine", "n")', False),
    ],
)
def test_the_check_knows_what_takes_away(line: str, refused: bool) -> None:
    text = f"from alembic import op\nimport sqlalchemy as sa\n\ndef upgrade():\n    {line}\n"
    assert bool(complaints(text)) is refused
    assert not complaints(f'CONTRACT_OF = "0.1"\n{text}')
