"""The rule file: every shipped row is read, and a word that no rule knows is refused with file, row and word."""

from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from backoffice_core.compliance import loader
from backoffice_core.compliance.dialer_limits import dialer_limits
from backoffice_core.compliance.loader import RuleRefused
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.terms import ALL_CONTACT
from tests.rules.compliance_world import BOOK, ROWS, book, date

CAP = next(row for row in ROWS if row["id"] == "KZ-CALL-D")


def test_cp_02_all_72_shipped_rules_load() -> None:
    assert len(ROWS) == 74
    assert Counter(row["kind"] for row in ROWS)["time_window"] == 11
    rules = {rule.id: rule for rule in BOOK}
    assert rules["UA-TIME"].applies_to.channel == ALL_CONTACT
    assert rules["UA-WATERFALL"].params["order"][0] == ["overdue_principal", "overdue_interest"]
    assert rules["RU-REFUSE"].verified is False
    assert rules["KZ-TIME"].bound == {"agency"}


def test_a_row_read_back_from_json_is_the_same_rule() -> None:
    for row in ROWS:
        again = loader.parse(yaml.safe_load(yaml.safe_dump(row)))
        assert (again.id, again.effective_from.isoformat()) == (row["id"], row["effective_from"])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"kind": "time_windows"}, "time_windows"),
        ({"jurisdiction": "UK"}, "UK"),
        ({"colour": "red"}, "colour"),
        ({"applies_to": {"channel": ["cal"]}}, "cal"),
        ({"applies_to": {"chanel": ["call"]}}, "chanel"),
        ({"applies_to": {"channel": "call"}}, "list"),
        ({"applies_to": {"channel": []}}, "list"),
        ({"applies_to": {"actor": ["agent"]}}, "agent"),
        ({"applies_to": {"purpose": ["sales"]}}, "sales"),
        ({"bound": ["shop"]}, "shop"),
        ({"params": {"max": 3, "maximum": 4}}, "maximum"),
        ({"params": {"max": -1}}, "-1"),
        ({"params": {"max": True}}, "True"),
        ({"params": {}}, "params.max"),
        ({"count_unit": "calls"}, "calls"),
        ({"count_unit": None}, "None"),
        ({"window": {"type": "fortnight"}}, "fortnight"),
        ({"window": {"type": "calendar_day", "n": 0}}, "window.n"),
        ({"scope": "household"}, "household"),
        ({"exceptions": ["always"]}, "always"),
        ({"on_breach": "ignore"}, "ignore"),
        ({"effective_from": "soon"}, "soon"),
        ({"effective_to": "2001-01-01"}, "before effective_from"),
        ({"verified": "yes"}, "verified"),
        ({"source": ""}, "source"),
        ({"day_class": "sunday"}, "sunday"),
    ],
)
def test_an_unknown_word_is_refused_with_file_row_and_word(change: dict[str, Any], word: str, tmp_path: Path) -> None:
    file = tmp_path / "bank_rules.yaml"
    file.write_text(yaml.safe_dump({"rules": [deepcopy(CAP) | change]}))
    with pytest.raises(RuleRefused) as refusal:
        loader.read_file(file)
    assert "bank_rules.yaml" in str(refusal.value)
    assert "KZ-CALL-D" in str(refusal.value)
    assert word in str(refusal.value)


@pytest.mark.parametrize(
    "params", [{"from": "8:00", "to": "21:00"}, {"from": "21:00", "to": "08:00"}, {"from": "08:00"}, {"closed": False}]
)
def test_a_time_window_must_say_its_hours(params: dict[str, Any]) -> None:
    row = next(row for row in ROWS if row["id"] == "US-TIME")
    with pytest.raises(RuleRefused, match="US-TIME"):
        loader.parse(row | {"params": params})


def test_the_same_id_twice_a_broken_file_and_a_missing_one_are_refused(tmp_path: Path) -> None:
    twice = tmp_path / "twice.yaml"
    twice.write_text(yaml.safe_dump({"rules": [CAP, CAP]}))
    broken = tmp_path / "broken.yaml"
    broken.write_text("rules: [")
    for file, word in [(twice, "twice"), (broken, "cannot be read"), (tmp_path / "none.yaml", "cannot be read")]:
        with pytest.raises(RuleRefused, match=word):
            loader.read_file(file)


def test_dialer_limits_are_the_strictest_in_force() -> None:
    limits = dialer_limits(BOOK, {"GB", "US"}, date(2026, 11, 18))
    assert limits is not None
    assert (limits.connect_within_s, limits.ring_min_s, limits.ring_max_s, limits.max_abandon_pct) == (2, 15, 40, 3)
    assert limits.redial_hold_hours == 72
    assert limits.redial_ok_if_agent_guaranteed
    assert limits.message == {"name", "phone", "neutral_name", "call_back_number"}
    assert {rule for rule, _ in limits.consulted} == {"ANY-ABANDON", "UK-ABANDON", "US-ABANDON"}
    ours = dialer_limits(BOOK, "UA", date(2026, 11, 18))
    assert ours is not None
    assert [rule for rule, _ in ours.consulted] == ["ANY-ABANDON"]


def test_without_a_dialer_limit_in_force_there_is_none_and_the_campaign_is_progressive() -> None:
    assert dialer_limits(RuleBook([]), "UA", date(2026, 11, 18)) is None
    assert dialer_limits(book("ANY-ABANDON"), "UA", date(2019, 12, 31)) is None
