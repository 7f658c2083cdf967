"""Small drills in every test run; `make restore-drill` and `make upgrade-drill` have 25 robots."""

from pathlib import Path

from tests.drills import restore, upgrade
from tests.drills.__main__ import GOALS


def test_after_a_restore_in_shift_nobody_is_called_twice(tmp_path: Path) -> None:
    """FL-13: restored to before some calls: all are in the history again, none is dialed again, no talk was cut."""
    found = restore.drill(tmp_path / "data", robots=3, before_s=3, after_s=10)
    assert {name: found[name] for name in ("attempts_lost", "dialed_again", "talks_cut")} == {
        "attempts_lost": 0, "dialed_again": 0, "talks_cut": 0
    }  # fmt: skip
    assert found["nothing_dialed_while_stopped"]
    assert found["drained"]
    assert found["calls_since_point"] >= 3
    assert found["accounted"]["recreated"] >= 3
    assert found["accounted"]["untied"] == 0
    assert found["no_new_calls_s"] <= GOALS["no_new_calls_s"] * 3  # a loaded machine; the real drill keeps the goal


def test_an_upgrade_in_shift_cuts_no_talk(tmp_path: Path) -> None:
    """FL-14: the older release works on the new tables; its programs are replaced while people talk; Asterisk stays."""
    found = upgrade.drill(tmp_path / "data", robots=3, ref=upgrade.previous(), before_s=2, after_s=3)
    assert {name: found[name] for name in ("attempts_lost", "dialed_again", "talks_cut")} == {
        "attempts_lost": 0, "dialed_again": 0, "talks_cut": 0
    }  # fmt: skip
    assert found["asterisk_kept"]
    assert found["talks_up"] >= 1
    assert found["no_new_calls_s"] <= GOALS["no_new_calls_s"] * 3
