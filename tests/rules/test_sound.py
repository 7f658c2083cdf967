"""TL-12: RTCP's figures of a leg that lives all shift -> how a talk sounds."""

import pytest

from backoffice_core.call_centre.calls.sound_rules import Reading, loss_percent, mean, reading, silent, since

FORM = "ssrc=1;themssrc=2;lp={};rxjitter={};rxcount={};txjitter={};txcount={};rlp={};rtt=0.0;rxmes=0.0;txmes=0.0"


def test_a_reading_names_the_jitters_as_they_are() -> None:
    """Asterisk calls its own measure `txjitter` and the phone's report `rxjitter`."""
    assert reading(FORM.format(3, 0.004, 500, 0.0305, 490, 7)) == Reading(500, 490, 3, 7, 30.5, 4.0)


@pytest.mark.parametrize(
    "text", ["", "lp=1", "rubbish", FORM.format("x", 0, 0, 0, 0, 0), FORM.format(0, 0, "nan", 0, 0, 0)]
)
def test_what_is_no_reading_says_nothing(text: str) -> None:
    assert reading(text) is None


def test_a_talk_is_the_difference_of_readings() -> None:
    first, last = Reading(1000, 1000, 10, 5, 1.0, 2.0), Reading(1500, 1490, 35, 6, 9.0, 8.0)
    assert since(first, last) == Reading(500, 490, 25, 1, 9.0, 8.0)
    assert since(last, first) == Reading(0, 0, 0, 0, 1.0, 2.0), "a leg that counts anew"


@pytest.mark.parametrize(
    ("phone", "borrower", "said"),
    [
        ((150, 150), (150, 150), ""),
        ((0, 150), (150, 0), "FROM_PHONE"),
        ((150, 0), (0, 150), "FROM_BORROWER"),
        ((0, 0), (0, 0), ""),  # nobody sends: a hold, or the end
        ((0, 40), (40, 0), ""),  # too short to say
        ((0, 150), None, "FROM_PHONE"),  # the borrower's leg told nothing
        ((150, 150), None, ""),
    ],
)
def test_one_way_is_a_side_without_packets_while_the_other_has_its_own(
    phone: tuple[int, int], borrower: tuple[int, int] | None, said: str
) -> None:
    legs = [Reading(*one, 0, 0, 0, 0) if one else None for one in (phone, borrower)]
    assert legs[0] is not None
    assert silent(legs[0], legs[1]) == said


def test_loss_is_a_share_of_what_was_sent() -> None:
    assert [loss_percent(*one) for one in ((5, 95), (0, 0), (0, 9), (7, 0))] == [5.0, 0.0, 0.0, 100.0]
    assert mean(10.0, 0, 4.0) == 4.0
    assert mean(10.0, 3, 2.0) == 8.0
