"""Strategies, pure: segments, arms, what is due on a day, what stands in the way, and what a step was as at a date."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backoffice_core.cases.rules import HOLD_STOPS
from backoffice_core.errors import BadInput
from backoffice_core.strategy import rules, service
from backoffice_core.strategy.rules import STATES, Facts, arm_of, deadline, due, read, state_as_at

SINCE = date(2027, 2, 1)  # Monday
FACTS = Facts(number=100001, stage=1, stage_since=SINCE, state="ACTIVE", days_past_due=5, overdue=Decimal(1500))


def version(*steps: dict[str, object], **more: object) -> rules.Version:
    given_steps = [{"key": f"s{n}", "stage": 1, "day": 0, "kind": "SMS"} | step for n, step in enumerate(steps)]
    return read("collection", {"steps": given_steps, **more})


def kinds(one: rules.Version, facts: Facts, day: int) -> list[tuple[str, str]]:
    on = SINCE + timedelta(days=day)
    return [(d.kind, d.reason) for d in due(one, facts, on, on)]


def test_the_shipped_strategy_can_be_read_and_covers_the_stages() -> None:
    code, title, content = service.read_file(service.DEFAULT)
    shipped = read(code, content)
    assert title
    assert {step.stage for step in shipped.steps} == {1, 2, 3, 4, 5, 6}


def test_ck25_steps_fall_due_by_the_day_of_their_stage() -> None:
    """CK-25: each step on its day, counted from the day of the stage."""
    one = version({}, {"day": 3, "kind": "CALL"}, {"stage": 2})
    assert [kinds(one, FACTS, day) for day in (0, 1, 3)] == [[("SMS", "")], [], [("CALL", "")]]
    assert kinds(one, replace(FACTS, stage=2), 0) == [("SMS", "")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"state": "CURED"}, ("SMS", "CURED")), ({"days_past_due": 0}, ("SMS", "CURED")),
        ({"state": "PAID_OFF"}, ("SMS", "CLOSED")), ({"state": "PLACED"}, ("SMS", "ELSEWHERE")),
        ({"promise_open": True}, ("SMS", "PROMISE_OPEN")), ({"state": "ON_HOLD"}, ("SMS", "HOLD")),
        ({"has_phone": False}, ("LETTER", "")), ({"refused": {"sms": "UA-TIME"}}, ("SMS", "NOT_LAWFUL")),
        ({"has_phone": False, "refused": {"letter": "X"}}, ("SMS", "NO_PHONE")),
    ],
)  # fmt: skip
def test_cp06_what_stands_in_the_way(change: dict[str, object], expected: tuple[str, str]) -> None:
    """CP-06: cured, promised, held, no number, not lawful: something else in its place, or skipped with the reason."""
    one = version({"fallback": "LETTER", "fallback_on": ["NO_PHONE"]})
    assert kinds(one, replace(FACTS, **change), 0) == [expected]  # type: ignore[arg-type]


def test_a_hold_of_one_channel_stops_that_channel_alone() -> None:
    """Issue 6: holds say what they stop. A case that waits without such a hold is stopped whole."""
    one = version(
        {}, {"kind": "CALL"}, {"kind": "SPECIALIST"}, {"kind": "EMAIL", "fallback": "LETTER", "fallback_on": ["HOLD"]}
    )
    quiet = replace(FACTS, held=frozenset({"sms", "email"}))
    assert kinds(one, quiet, 0) == [("SMS", "HOLD"), ("CALL", ""), ("SPECIALIST", ""), ("LETTER", "")]
    waits = replace(FACTS, state="ON_HOLD", held=frozenset({"call"}))
    assert kinds(one, waits, 0) == [("SMS", ""), ("CALL", "HOLD"), ("SPECIALIST", "HOLD"), ("EMAIL", "")]
    assert {reason for _, reason in kinds(one, replace(FACTS, state="ON_HOLD"), 0)[:3]} == {"HOLD"}


def test_a_scope_is_stages_and_segment() -> None:
    one = version({}, {"stage": 2}, scope={"stage": ["1", "3"], "product": "CASH"})
    cash = replace(FACTS, product="CASH")
    assert [rules.governs(one, f) for f in (cash, FACTS, replace(cash, stage=2), replace(cash, stage=3))] == [
        True, False, False, True,
    ]  # fmt: skip
    for wrong in (["x"], "1,10", [-1]):
        with pytest.raises(BadInput) as refused:
            version({}, scope={"stage": wrong})
        assert refused.value.details["field"] == "stage"


def test_work_inside_the_house_goes_on_during_a_hold() -> None:
    one = version({"fallback": "SPECIALIST", "fallback_on": ["HOLD"]})
    assert kinds(one, replace(FACTS, state="ON_HOLD"), 0) == [("SPECIALIST", "")]


def test_cp06_a_hold_stops_what_it_names() -> None:
    """Hardship lets an email out and no call; a dispute stops the claim; a hold of a case in court stops as well."""
    one = version({"kind": "EMAIL"}, {"kind": "CALL"}, {"kind": "LEGAL_STEP"})
    hardship = replace(FACTS, state="ON_HOLD", held=frozenset(HOLD_STOPS["HARDSHIP"][0]))
    assert kinds(one, hardship, 0) == [("EMAIL", ""), ("CALL", "HOLD"), ("LEGAL_STEP", "")]
    dispute = replace(FACTS, state="LEGAL", held=frozenset(HOLD_STOPS["DISPUTE"][0]))
    assert kinds(one, dispute, 0) == [("EMAIL", "HOLD"), ("CALL", "HOLD"), ("LEGAL_STEP", "HOLD")]
    assert {reason for _, reason in kinds(one, replace(FACTS, state="ON_HOLD"), 0)} == {"HOLD"}


def test_segments_and_conditions() -> None:
    one = version(
        {"segment": "big"}, {"kind": "CALL", "only_if": "no_contact"}, {"kind": "SPECIALIST", "only_if": "broken_promise"},
        segments={"big": {"overdue_min": "1000,50", "currency": ["UAH"]}},
    )  # fmt: skip
    uah = replace(FACTS, currency="UAH")
    assert kinds(one, uah, 0) == [("SMS", ""), ("CALL", ""), ("SPECIALIST", "NOT_NEEDED")]
    assert kinds(one, replace(uah, overdue=Decimal("1000.49"), contact=True, broken=1), 0) == [
        ("CALL", "NOT_NEEDED"), ("SPECIALIST", ""),
    ]  # fmt: skip
    scoped = version({}, scope={"branch": ["Львів"]})
    assert kinds(scoped, uah, 0) == []
    assert kinds(scoped, replace(uah, branch="Львів"), 0) == [("SMS", "")]


def test_arms_are_stable_and_have_their_shares() -> None:
    """Champion and challenger by SHA-256 of case number and strategy: the same on every machine, for ever."""
    one = version({}, arms=[{"code": "champion", "share": 80}, {"code": "challenger", "share": 20}])
    arms = [arm_of(one, number) for number in range(100_000, 110_000)]
    assert arms[:5] == [arm_of(one, number) for number in range(100_000, 100_005)]
    assert 0.18 < Counter(arms)["challenger"] / len(arms) < 0.22
    assert [arm_of(one, n) for n in (100001, 100002, 100006)] == ["champion", "champion", "challenger"]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"steps": [{"key": "a", "stage": 11, "day": 0, "kind": "SMS"}]}, "stage"),
        ({"steps": [{"key": "a", "stage": 1, "day": "x", "kind": "SMS"}]}, "day"),
        ({"steps": [{"key": "a", "stage": 1, "day": 0, "kind": "PIGEON"}]}, "kind"),
        ({"steps": [{"key": "a", "stage": 1, "day": 0, "kind": "SMS", "segment": "nobody"}]}, "segment"),
        ({"steps": [{"key": "a", "stage": 1, "day": 0, "kind": "SMS", "fallback": "LETTER"}]}, "fallback_on"),
        ({"arms": [{"code": "a", "share": 60}, {"code": "b", "share": 60}]}, "arms"),
        ({"segments": {"s": {"overdue_min": 5, "overdue_max": 4}}}, "overdue_max"),
        ({"segments": {"s": {"mood": "bad"}}}, "mood"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(content: dict[str, object], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        read("collection", content)
    assert refused.value.details["field"] == field


def test_deadlines_are_working_days() -> None:
    friday, working = date(2027, 2, 5), lambda day: day.weekday() < 5
    assert [deadline(friday, n, working) for n in (0, 1, 2)] == [friday, date(2027, 2, 8), date(2027, 2, 9)]


days = st.dates(date(2027, 1, 1), date(2027, 3, 1))


@given(day=days, due_by=days, done=st.none() | days, skipped=st.none() | days)
def test_as_at_a_date_never_changes_by_later_facts(
    day: date, due_by: date, done: date | None, skipped: date | None
) -> None:
    """CK-25: one of four states on every day, and what happened after the day says nothing of it."""
    state = state_as_at(day, due_by, done, skipped)
    assert state in STATES
    known = [one if one is not None and one <= day else None for one in (done, skipped)]
    assert state == state_as_at(day, due_by, *known)
    assert (state == "OPEN") == (known == [None, None] and day <= due_by)
