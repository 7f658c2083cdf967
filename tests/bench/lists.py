"""A list of 100,000 loans through `backoffice import portfolio`, as CSV and as XLSX: memory, seconds, and a floor.

`python -m tests.bench.lists [--json FILE] [--loans N]`

The command runs in a process of its own with a terminal for its progress bar, into a durable PostgreSQL of its own; its
peak of resident memory is what the kernel says when it has ended. The floor, in the same run: a process that reads the
same file's cells with `csv` or openpyxl and copies them into one table of the same database, with no rule and no check.
"""

import argparse
import csv
import json
import os
import pty
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from backoffice_core.clock import load as load_clock
from backoffice_core.config import Settings
from backoffice_core.migrations import migrate
from backoffice_core.parts import postgres as postgres_part
from far_end.portfolio import COLUMNS, Wish, rows
from tests.conftest import child_environment, fresh_settings, running

GOAL_MB = 300
SHEETS = ("csv", "xlsx")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write(folder: Path, kind: str, wish: Wish) -> Path:
    """Another seed is another bank: nothing of it stands in the database yet."""
    file = folder / f"list-{wish.seed}.{kind}"
    lines = ([one[name] for name in COLUMNS] for one in rows(wish))
    if kind == "csv":
        with file.open("w", encoding="utf-8-sig", newline="") as out:
            said = csv.writer(out, delimiter=";")
            said.writerow(COLUMNS)
            said.writerows(lines)
        return file
    book = Workbook(write_only=True)
    sheet = book.create_sheet("list")
    sheet.append(COLUMNS)
    for line in lines:
        sheet.append(line)
    book.save(file)
    return file


def measured(argv: list[str], env: dict[str, str]) -> dict[str, Any]:
    """Seconds, peak of resident memory in MB, what it said, and how often its bar on the terminal moved."""
    ours, theirs = pty.openpty()
    read_end, write_end = os.pipe()
    began = time.monotonic()
    child = os.posix_spawn(
        argv[0], argv, env,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, theirs, 2), (os.POSIX_SPAWN_DUP2, write_end, 1), (os.POSIX_SPAWN_CLOSE, ours),
        ],
    )  # fmt: skip
    os.close(theirs)
    os.close(write_end)
    drawn: list[bytes] = []
    drawing = threading.Thread(target=_drain, args=(ours, drawn))
    drawing.start()
    said: list[bytes] = []
    _drain(read_end, said)
    _, status, usage = os.wait4(child, 0)
    drawing.join()
    bar = b"".join(drawn)
    if status != 0:
        raise RuntimeError(f"{argv} ended with {status}: {b''.join(said).decode()} {bar.decode(errors='replace')}")
    return {
        "seconds": round(time.monotonic() - began, 1), "peak_mb": round(usage.ru_maxrss / 1024, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1), "bar_steps": bar.count(b"%"),
        "said": b"".join(said).decode(),
    }  # fmt: skip


def _drain(number: int, into: list[bytes]) -> None:
    while True:
        try:
            more = os.read(number, 65536)
        except OSError:  # a terminal whose other side is gone says it so
            more = b""
        if not more:
            os.close(number)
            return
        into.append(more)


def run(settings: Settings, folder: Path, loans: int) -> dict[str, Any]:
    env = child_environment(settings) | {"TERM": "xterm", "COLUMNS": "100"}
    as_at = load_clock(settings).now() - timedelta(hours=4)
    found: dict[str, Any] = {"loans": loans, "goal_mb": GOAL_MB}
    for seed, kind in enumerate(SHEETS, 31):
        file = write(folder, kind, Wish(loans=loans, seed=seed, as_at=as_at))
        command = [sys.executable, "-m", "backoffice_core", "import", "portfolio", str(file), "--json"]
        mine = measured(command, env)
        told = json.loads(mine.pop("said").strip().splitlines()[-1])
        if told["rows"] != loans:
            raise RuntimeError(f"{told['rows']} of {loans} loans are there")
        floor = measured([sys.executable, "-m", "tests.bench.lists_floor", str(file)], env)
        floor.pop("said")
        found[kind] = mine | {"file_mb": round(file.stat().st_size / 2**20, 1), "floor": floor}
        found[kind]["times_floor"] = round(mine["seconds"] / floor["seconds"], 1)
        say(
            f"{kind}: {loans} loans in {mine['seconds']} s = {found[kind]['times_floor']} × floor; peak {mine['peak_mb']} MB "
            f"(goal ≤ {GOAL_MB} MB), the bar moved {mine['bar_steps']} times"
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lists", description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--loans", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-lists-", ignore_cleanup_errors=True) as said:
        folder = Path(said)
        folder.chmod(0o755)
        settings = fresh_settings(folder / "house")
        with running(postgres_part.part(settings), settings.data / "log" / "postgres.log"):
            migrate(settings)
            found = run(settings, folder, options.loans)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    over = [kind for kind in SHEETS if found[kind]["peak_mb"] > GOAL_MB]
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
