"""The small upgrade drill in every test run; `make upgrade-drill` has 25 robots."""

from pathlib import Path

from tests.drills import upgrade
from tests.drills.__main__ import GOALS


def test_an_upgrade_in_shift_cuts_no_talk(tmp_path: Path) -> None:
    """FL-14: the older release works on the new tables; its programs are replaced while people talk; Asterisk stays."""
    found = upgrade.drill(tmp_path / "data", robots=3, ref=upgrade.previous(), before_s=2, after_s=3)
    assert {name: found[name] for name in ("attempts_lost", "dialed_again", "talks_cut")} == {
        "attempts_lost": 0, "dialed_again": 0, "talks_cut": 0
    }  # fmt: skip
    assert found["asterisk_kept"]
    assert found["talks_up"] >= 1
    assert found["no_new_calls_s"] <= GOALS["no_new_calls_s"] * 3
