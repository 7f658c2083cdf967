"""A campaign's order and retries are data: read, checked, and what they do (pure)."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backoffice_core.call_centre.dialing import campaign_terms
from backoffice_core.call_centre.dialing.campaign_terms import Strategy
from backoffice_core.call_centre.queueing.ordering import order
from backoffice_core.call_centre.queueing.queue_rules import Stand, change_of
from backoffice_core.call_centre.rules import RETRY_AFTER
from backoffice_core.cases.rules import CALLBACK
from backoffice_core.errors import BadInput
from tests.rules.test_queue_rules import KYIV, NINE, TODAY, TaskView, case, phone

MINUTE = timedelta(minutes=1)


def test_what_a_campaign_does_not_say_is_as_shipped() -> None:
    shipped = campaign_terms.retries({})
    assert {result: shipped.after(result, 1) for result in RETRY_AFTER} == dict(RETRY_AFTER)
    assert shipped.after("BUSY", 4) == RETRY_AFTER["BUSY"]
    own = campaign_terms.retries(
        {"max_attempts": 3, "BUSY": {"after_minutes": 20, "backoff": 2, "next_number_minutes": 5}}
    )
    assert [own.after("BUSY", n) / MINUTE for n in (1, 2, 3)] == [20, 40, 80]
    assert (own.max_attempts, own.next_number("BUSY")) == (3, 5 * MINUTE)
    assert own.after("BUSY", 30) == timedelta(days=1)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("ordering", {"by": "height"}), ("ordering", {"colour": 1}), ("ordering", {"weights": {"9": 1}}),
        ("ordering", {"cost": {"UAH": "much"}}), ("ordering", {"cost": 5}), ("retries", {"BUSY": {"after_minutes": -1}}),
        ("retries", {"BUSY": 30}), ("retries", {"LUNCH": {}}), ("retries", {"max_attempts": 0}),
        ("retries", {"BUSY": {"backoff": 0.5}}),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_field(field: str, said: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as refused:
        (campaign_terms.strategy if field == "ordering" else campaign_terms.retries)(said)
    assert refused.value.details["field"] == field


def test_order_by_strategy_says_its_terms() -> None:
    cases = [
        case(1, overdue=Decimal(500), days_past_due=50, stage=2), case(2, overdue=Decimal(900), days_past_due=5, stage=1),
        case(3, overdue=Decimal(20), days_past_due=200, stage=4), case(4, overdue=Decimal(700), days_past_due=90, stage=3),
    ]  # fmt: skip

    def numbers(said: dict[str, Any]) -> list[int]:
        placed = order(cases, TODAY, KYIV, strategy=campaign_terms.strategy(said))
        return [one.case.number for one in placed]

    assert numbers({"by": "amount"}) == [2, 4, 1, 3]
    assert numbers({"by": "days"}) == [3, 4, 1, 2]
    assert numbers({"by": "amount", "weights": {"4": "100"}})[0] == 3
    assert numbers({"cost": {"UAH": "30"}})[-2:] == [3, 4]  # what one call costs is more than is expected of them
    (first, *_) = order(cases, TODAY, KYIV, strategy=Strategy("days", weights={4: Decimal(2)}))
    assert (first.why["by"], first.why["weight"]) == ("days", "2")


@given(
    st.sampled_from(["ELIGIBLE", "RETRY_WAIT", "DONE", "EXHAUSTED", "UNKNOWN", "CANCELLED"]),
    st.sampled_from(["", "BUSY", "NO_ANSWER", "INVALID_NUMBER", "CAP_REACHED", "NO_TRUNK"]),
    st.none() | st.integers(-200, 400), st.none() | st.integers(1, 400), st.none() | st.integers(-100, 400),
    st.booleans(), st.sets(st.sampled_from(["call", "loan", "cancelled", "night"]), min_size=1),
)  # fmt: skip
def test_no_task_is_ever_called_before_the_law_allows_nor_a_finished_one_again(
    state: str, reason: str, waits: int | None, lawful: int | None, other: int | None, asked: bool, whys: set[str]
) -> None:
    tasks = (TaskView(CALLBACK, TODAY, NINE + 30 * MINUTE),) if asked else ()
    view = case(1, phones=(phone(),), tasks=tasks, last_called=NINE - 60 * MINUTE)
    hour = lambda minutes: None if minutes is None else NINE + minutes * MINUTE  # noqa: E731
    stand = Stand(view.case_id, state, reason, 1, 1, hour(waits))
    change = change_of(stand, view, None, hour(lawful), NINE, whys, hour(other))
    if change.act == "place":
        assert (change.earliest_at or NINE) >= (hour(lawful) or NINE)
        assert state != "UNKNOWN"
        assert state not in {"DONE", "EXHAUSTED"} or asked or (state == "DONE" and reason == "INVALID_NUMBER")
        assert state != "CANCELLED" or whys != {"cancelled"}
    again = change_of(stand, view, None, hour(lawful), NINE, whys, hour(other))
    assert change == again
