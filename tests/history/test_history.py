"""A short history with kills: the same state to the byte, figures equal to the world's own books (issue 6)."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_a_killed_history_ends_as_the_unkilled_one_and_its_figures_are_the_truth(tmp_path: Path) -> None:
    out = tmp_path / "history.json"
    argv = [sys.executable, "-m", "tests.history", "--days", "6", "--loans", "120", "--kills", "3", "--json", str(out)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    found = json.loads(out.read_text()) if out.exists() else {}
    assert done.returncode == 0, done.stderr[-2000:]
    assert found["kills"] == 3
    assert found["state_hash"] == found["state_hash_unkilled"]
    assert found["kpi"] == found["truth"]
    assert {"cure", "kept", "rpc_per_attempt", "ptp_per_rpc", "roll_1-30"} <= found["kpi"].keys()
