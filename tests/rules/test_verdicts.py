"""What makes a number dead (CC-10): weights, half-life, trunks that lie; and 2,000 good numbers over two months, none condemned.
`python -m tests.bench.dead_numbers` is the same with more seeds."""

from datetime import date, timedelta
from typing import Any

import pytest

from backoffice_core.borrowers.verdicts import Heard, Seen, Terms, judge, terms_of, trunk_lies
from tests.bench.dead_numbers import figures

T = Terms()


def signs(*said: tuple[int, str] | tuple[int, str, dict[str, Any]]) -> list[Seen]:
    return [
        Seen(day=date(2026, 11, 1) + timedelta(days=one[0]), sign=one[1], **(one[2] if len(one) > 2 else {}))
        for one in said
    ]


VERDICTS = [
    ((), "UNVERIFIED"),
    (((1, "dead"),), "SUSPECT"),
    (((1, "dead"), (1, "dead"), (1, "dead")), "SUSPECT"),  # one day is one sign
    (((1, "dead"), (2, "dead")), "DEAD"),
    (((1, "dead"), (9, "dead")), "DEAD"),
    (((1, "dead"), (25, "dead")), "SUSPECT"),  # the first has faded
    (((1, "dead"), (2, "alive"), (3, "dead")), "SUSPECT"),  # an answer wipes out what was before
    (((1, "dead"), (2, "dead"), (3, "alive")), "UNVERIFIED"),
    (((1, "right_party"), (2, "dead"), (3, "alive")), "VERIFIED"),
    (((1, "right_party"), (2, "dead"), (3, "dead")), "SUSPECT"),  # he was just there: one day more
    (((1, "right_party"), (2, "dead"), (3, "dead"), (4, "dead")), "DEAD"),
    (((1, "dead"), (2, "trunk"), (3, "trunk")), "SUSPECT"),  # what a broken trunk says does not count
    (((1, "dead"), (2, "rings"), (3, "rings"), (4, "dead")), "SUSPECT"),  # dead numbers do not ring
    (((1, "wrong_party"), (2, "alive"), (3, "dead"), (4, "dead")), "WRONG_PARTY"),
    (((1, "wrong_party"), (2, "right_party")), "VERIFIED"),
    (((1, "wrong_party"), (2, "revived")), "UNVERIFIED"),
    (((1, "dead"), (2, "dead"), (3, "revived"), (4, "dead")), "SUSPECT"),
    (((1, "dead", {"sip_code": 484}), (2, "dead", {"sip_code": 484})), "SUSPECT"),  # maybe our own writing
    (((1, "dead", {"sip_code": 484}), (2, "dead", {"sip_code": 484}), (3, "dead", {"sip_code": 404})), "DEAD"),
    (((1, "dead", {"rang_s": 9}), (2, "dead", {"rang_s": 9})), "SUSPECT"),
    (((1, "dead", {"trunk": "a"}), (12, "dead", {"trunk": "b"})), "DEAD"),  # a second trunk says the same
    (((1, "dead", {"trunk": "a"}), (12, "dead", {"trunk": "a"})), "SUSPECT"),
]


@pytest.mark.parametrize(("said", "state"), VERDICTS)
def test_cc10_the_verdict_is_on_all_evidence(said: tuple[tuple[int, str], ...], state: str) -> None:
    assert judge(signs(*said)).state == state


def test_the_verdict_says_what_led_to_it() -> None:
    words = {"announcement": "not_in_service", "trunk": "a"}
    facts = judge(signs((1, "dead", words), (2, "dead", {"sip_code": 404, "trunk": "b"}), (4, "dead", words))).facts()
    assert (facts["codes"], facts["trunks"], facts["days"]) == ({"not_in_service": 2, "sip 404": 1}, 2, 4)
    assert facts["score"] > facts["needed"] == T.needed
    assert judge(signs((1, "alive"))).facts() == {}


def test_terms_are_data() -> None:
    strict = terms_of([("needed", 2.9), ("needed", 2.5), ("nonsense", 1)])
    assert (strict.needed, strict.exact) == (2.5, 1.0)
    two = signs((1, "dead"), (2, "dead"))
    assert (judge(two, strict).state, judge(two).state) == ("SUSPECT", "DEAD")


def test_a_trunk_that_refuses_those_who_answered_yesterday_lies() -> None:
    quiet = Heard(0, 0, 0)
    assert trunk_lies(Heard(40, 3, 20), Heard(9, 1, 8), T) == "all"
    assert trunk_lies(Heard(40, 3, 300), Heard(9, 3, 0), T) == "network"  # its route to one network is broken
    assert not trunk_lies(Heard(40, 2, 20), Heard(9, 2, 0), T)
    assert not trunk_lies(Heard(40, 3, 300), Heard(9, 1, 40), T)
    assert trunk_lies(Heard(30, 0, 2), quiet, T) == "all"  # no witnesses yet, and nobody gets through
    assert not trunk_lies(Heard(380, 0, 105), Heard(38, 0, 10), T)  # an old list, half dead by itself
    assert trunk_lies(Heard(2, 0, 0, since_answer=5), quiet, T) == "all"  # few calls, and it refuses everybody
    assert not trunk_lies(Heard(2, 0, 0, since_answer=4), quiet, T)
    assert not trunk_lies(Heard(5, 0, 1, since_answer=9), quiet, T)


def test_good_numbers_survive_two_months_of_bad_trunks_and_dead_ones_do_not() -> None:
    """Issue goal, a tenth of it: nobody is condemned; the dead are found within days."""
    found = figures(7, good=250, bad=40)
    assert found["condemned"] == 0
    assert found["dead_found"] >= 25
    assert found["days_until_dead"] < 5
