"""`python -m tests.drills restore|upgrade [--robots 25] [--json FILE] [--from REF]`; exit code 0 when the goals are met."""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.drills import restore, upgrade

GOALS = {"attempts_lost": 0, "dialed_again": 0, "talks_cut": 0, "no_new_calls_s": 60}  # at most


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drills")
    parser.add_argument("drill", choices=("restore", "upgrade"))
    parser.add_argument("--robots", type=int, default=25)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--from", dest="ref", default=None, help="the release to upgrade from, as git names it")
    options = parser.parse_args()
    sys.stdout.write(f"{options.drill} drill with {options.robots} robot agents\n")

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        data = Path(folder) / "data"
        if options.drill == "restore":
            found = restore.drill(data, robots=options.robots, before_s=10, after_s=45, say=say)
        else:
            ref = upgrade.previous() if options.ref is None else options.ref
            found = upgrade.drill(data, robots=options.robots, ref=ref, before_s=10, after_s=10, say=say)
    met = all(found[name] <= most for name, most in GOALS.items())
    text = json.dumps({**found, "goals": GOALS, "met": met}, ensure_ascii=False, indent=2)
    say(text)
    if options.json:
        options.json.write_text(text + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
