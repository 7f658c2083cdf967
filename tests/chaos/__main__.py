"""`make chaos KILLS=n SEED=s JSON=file`; what is counted stands in __init__.py."""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import run, say


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description="Faults at random; the far end's log is the truth.")
    parser.add_argument("--kills", type=int, default=30, help="faults in all (default 30: about 3 minutes)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same faults at the same events")
    parser.add_argument("--only", default="", help="kinds that contain one of these words, parted by commas")
    parser.add_argument("--limit", type=float, default=float("inf"), help="seconds after which no fault is begun")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--keep", type=Path, help="the data folder, kept with its logs; default: one that is removed")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    try:
        result = asyncio.run(
            run(folder, kills=options.kills, seed=options.seed, only=options.only, limit_s=options.limit)
        )
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    text = json.dumps(result.figures, indent=2)
    say(text)
    if options.json:
        options.json.write_text(text + "\n")
    for count, call, reason in result.verdict.complaints:
        say(f"MISSED {count}: {call}: {reason}")
    say("all goals are reached" if result.passed else f"{len(result.verdict.complaints)} complaints")
    return 0 if result.passed else 1


if __name__ == "__main__":
    sys.exit(main())
