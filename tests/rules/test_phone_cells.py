"""FL-05: a table of cells as banks have them, each with what must be read from it or why it is refused."""

import re
from pathlib import Path

import pytest

from backoffice_core.borrowers.phones import OWNER_KINDS, REFUSALS, Cell, read_cell

TABLE = Path(__file__).with_name("phone_cells.tsv")
ESCAPE = re.compile(r"\\(u[0-9a-f]{4}|.)")


def unescape(cell: str) -> str:
    plain = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
    return ESCAPE.sub(lambda m: plain[m[1]] if len(m[1]) == 1 else chr(int(m[1][1:], 16)), cell)


def rows() -> list[tuple[str, str, str, str]]:
    lines = [line for line in TABLE.read_text(encoding="utf-8").split("\n") if line and not line.startswith("#")]
    return [(c, a, unescape(cell), expected) for c, a, cell, expected in (line.split("\t") for line in lines)]


def told(cell: Cell) -> str:
    """What was read, in the table's words."""
    out = []
    for phone in cell.numbers:
        extension = f"x{phone.extension}" if phone.extension else ""
        owner = phone.owner_kind if phone.guessed else f"={phone.owner_kind}"
        out.append(f"{phone.value}{extension}:{owner}" + (":fax" if phone.number_type == "fax" else ""))
    return " ".join([*out, *(f"!{refusal.code}" for refusal in cell.refused)])


def test_fl05_table_is_large_and_hand_made_cells_differ() -> None:
    table = rows()
    assert len(table) >= 400
    assert len({row[:3] for row in table}) == len(table)
    assert {code for row in table for code in re.findall(r"!(\w+)", row[3])} == set(REFUSALS)
    assert {owner for row in table for owner in re.findall(r":=?([a-z_]+)", row[3])} >= set(OWNER_KINDS)


@pytest.mark.parametrize(("country", "area", "cell", "expected"), rows(), ids=lambda v: ascii(v)[:40])
def test_fl05_cell(country: str, area: str, cell: str, expected: str) -> None:
    found = read_cell(cell, country, area)
    assert told(found) == expected
    assert found.original == cell.strip()
    assert all(phone.original == cell.strip() for phone in found.numbers)
    assert found.numbers or found.refused  # never neither: nothing is lost in silence
    assert all(str(refusal)[-1] != " " and "{" not in str(refusal) for refusal in found.refused)
