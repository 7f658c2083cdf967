"""The floor of `tests.bench.lists`: the cells of a list, read and copied into one table, with no rule and no check."""

import asyncio
import csv
import sys
from pathlib import Path

from openpyxl import load_workbook

from backoffice_core import config
from backoffice_core.db import Database
from far_end.portfolio import COLUMNS


async def copy(file: Path) -> None:
    database = Database(config.load(), pool=1, name="floor")
    pooled = await database.engine.connect()
    link = (await pooled.get_raw_connection()).driver_connection
    assert link is not None
    names = ", ".join(f"{name} text" for name in COLUMNS)
    await link.execute(f"DROP TABLE IF EXISTS bench_list; CREATE TABLE bench_list ({names})")
    if file.suffix == ".csv":
        with file.open(encoding="utf-8-sig", newline="") as lines:
            cells = csv.reader(lines, delimiter=";")
            next(cells)
            await link.copy_records_to_table("bench_list", records=cells)
    else:
        pages = load_workbook(file, read_only=True)["list"].iter_rows(min_row=2, values_only=True)
        texts = ([None if cell is None else str(cell) for cell in line] for line in pages)
        await link.copy_records_to_table("bench_list", records=texts)
    await pooled.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(copy(Path(sys.argv[1])))
