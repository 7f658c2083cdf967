"""Arms compared like for like (DM-08): published examples of the intervals, weights over strata, and what may be said."""

import random

import pytest

from backoffice_core.reports.compare import FEWEST, Means, Pair, difference, means, verdict, wilson


def close(value: float, expected: float, places: int = 4) -> bool:
    return round(value, places) == expected


def test_intervals_are_those_of_the_papers() -> None:
    """Newcombe 1998: 81 of 263 gives 0.2553–0.3662; 56/70 less 48/80 gives 0.0524–0.3339."""
    one = wilson(81, 263)
    assert close(one.low, 0.2553)
    assert close(one.high, 0.3662)
    two = difference([Pair(n0=80, k0=48, n1=70, k1=56)])
    assert two is not None
    assert close(two.low, 0.0524)
    assert close(two.mid, 0.2)
    assert close(two.high, 0.3339)
    assert (wilson(0, 10).low, wilson(10, 10).high) == (0.0, pytest.approx(1.0))


def test_a_mix_of_strata_is_no_difference() -> None:
    """Simpson: in both strata the arms are equal, but the other arm was given the easy cases. Together they are equal."""
    strata = [Pair(n0=100, k0=80, n1=400, k1=320), Pair(n0=400, k0=80, n1=100, k1=20)]
    both = difference(strata)
    naive = difference([Pair(n0=500, k0=160, n1=500, k1=340)])
    assert both is not None
    assert naive is not None
    assert both.mid == pytest.approx(0)
    assert both.low < 0 < both.high
    assert naive.low > 0.3
    assert difference([Pair(n0=10, k0=1, n1=0, k1=0)]) is None, "nothing to compare with"


def test_the_interval_over_strata_holds_the_truth_as_often_as_it_says() -> None:
    """95 %, on 400 drawn comparisons of three strata with a true difference of 0.08: 92–98 % hold it."""
    dice, held = random.Random(5), 0
    for _ in range(400):
        strata = []
        for base, n0, n1 in ((0.1, 120, 40), (0.35, 80, 30), (0.6, 60, 25)):
            strata.append(Pair(n0=n0, k0=sum(dice.random() < base for _ in range(n0)),
                               n1=n1, k1=sum(dice.random() < base + 0.08 for _ in range(n1))))  # fmt: skip
        found = difference(strata)
        assert found is not None
        held += found.low <= 0.08 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_means_of_money() -> None:
    """Two strata by hand: 10 and 20 against 30 and 40; 100 and 100 against 100 and 120: (20·1 + 10·1) / 2 = 15."""
    found = means([Means(2, 30, 500, 2, 70, 2500), Means(2, 200, 20000, 2, 220, 24400)])
    assert found is not None
    assert found.mid == pytest.approx(15)
    # variances 50, 50, 0, 200, over two cases each: sqrt(25 + 25 + 0 + 100) / 2
    assert found.high - found.mid == pytest.approx(1.959964 * 150**0.5 / 2)
    assert means([Means(1, 5, 25, 9, 5, 25)]) is None


def test_what_may_be_said() -> None:
    big, small = Pair(n0=400, k0=100, n1=400, k1=160), Pair(n0=29, k0=10, n1=400, k1=160)
    assert verdict(difference([big]), 400, 400, 260) == "better"
    assert verdict(difference([Pair(n0=400, k0=160, n1=400, k1=100)]), 400, 400, 260) == "worse"
    assert verdict(difference([Pair(n0=400, k0=100, n1=400, k1=101)]), 400, 400, 201) == "same"
    assert verdict(difference([small]), 29, 400, 170) == "few", f"fewer than {FEWEST} in one arm"
    assert verdict(difference([Pair(n0=400, k0=0, n1=400, k1=4)]), 400, 400, 4) == "few", "four results are an accident"
    assert verdict(None, 400, 400, 200) == "few"
