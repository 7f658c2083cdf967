"""Tables as files for spreadsheets. A cell that a spreadsheet would take for a formula is made text."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv; charset=utf-8"


def cell(value: Any) -> Any:
    """Numbers and days stay what they are; text that begins as a formula gets an apostrophe before it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)  # spreadsheets know no zones: give it in the zone of the reader
    if isinstance(value, int | float | Decimal | date):
        return value
    text = str(value)
    return "'" + text if text.startswith(FORMULA) else text


def as_csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """UTF-8 with its mark and semicolons, as spreadsheets of this region open it."""
    out = io.StringIO(newline="")
    sheet = csv.writer(out, delimiter=";")
    sheet.writerow([cell(name) for name in head])
    sheet.writerows([cell(value) for value in row] for row in rows)
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def as_xlsx(head: Sequence[str], rows: Iterable[Sequence[Any]], title: str = "") -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title[:31] or None)
    sheet.append([cell(name) for name in head])
    for row in rows:
        sheet.append([cell(value) for value in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
