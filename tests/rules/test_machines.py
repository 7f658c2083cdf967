"""Who answers: the detector's confusion table over voices and ways, and what the measured error does to the account."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backoffice_core.call_centre.dialing.machine_rules import Sample, correction, judge
from far_end import answers

WAYS: tuple[dict[str, float], ...] = ({}, {"snr_db": 12}, {"level_db": -12, "snr_db": 12}, {"cut": 0.3})


def heard(name: str, way: dict[str, float], seed: int) -> np.ndarray:
    return (answers.heard(name, seed=seed, after=6.0, way=way) * 32767).astype(np.int16)


@pytest.mark.parametrize("mode", ["beside", "before"])
def test_no_hello_is_a_machine_and_no_greeting_a_person_where_there_is_time(mode: str) -> None:
    """Issue 5: beside the talk every person keeps his agent and every greeting is found; before it uncertain is a person."""
    table: Counter[tuple[bool, str]] = Counter()
    for n, (name, answer) in enumerate(answers.ANSWERS.items()):
        for way in WAYS:
            table[answer.machine, judge(heard(name, way, n), mode).kind] += 1
    people = sum(n for (machine, _), n in table.items() if not machine)
    if mode == "beside":
        assert table[False, "MACHINE"] == 0, table
        assert table[True, "MACHINE"] == sum(n for (machine, _), n in table.items() if machine), table
    else:
        assert table[False, "MACHINE"] <= people / 10, table
    assert judge(np.zeros(80_000, np.int16), mode).kind == "UNSURE"


def test_the_error_that_agents_measure_is_added_to_the_abandoned() -> None:
    """Five of a hundred sampled machines were people: of 400 released calls at least 20 are counted as abandoned people."""
    found = correction([Sample(machine=n >= 5) for n in range(100)])
    assert (found.judged, found.wrong, found.measured) == (100, 5, 0.05)
    assert 0.05 < found.error < 0.12
    assert found.abandoned(10, 400) == 10 + 400 * found.error
    assert found.live(1000, 400) == 1000 + 400 * found.error
    assert correction([]).error == 0.5, "what nobody measures is not small"


@given(st.integers(0, 300), st.integers(0, 300))
def test_more_checks_of_the_same_share_never_raise_the_error(wrong: int, right: int) -> None:
    samples = [Sample(machine=False)] * wrong + [Sample(machine=True)] * right
    one, more = correction(samples), correction(samples * 2)
    assert 0 <= one.measured <= one.error <= 1 or not samples
    assert not samples or more.error <= one.error + 1e-9
