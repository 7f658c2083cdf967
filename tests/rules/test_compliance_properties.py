"""Properties of the evaluator over random people, moments and ledgers."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules.compliance_world import (
    LOAN,
    OTHER_LOAN,
    Address,
    Contact,
    Decimal,
    Entry,
    Flag,
    contact,
    date,
    datetime,
    decide,
    local,
    person,
)

PLACES = [
    (("UA",), ("Europe/Kyiv",)),
    (("RU",), ("Europe/Moscow",)),
    (("RU",), ("Europe/Kaliningrad", "Europe/Samara", "Asia/Vladivostok")),
    (("US",), ("America/New_York",)),
    (("US",), ("America/New_York", "America/Denver", "America/Los_Angeles")),
    (("KZ",), ("Asia/Almaty",)),
    (("GB",), ("Europe/London",)),
    (("UA", "RU"), ("Europe/Kyiv",)),
    (("US", "GB"), ("America/New_York",)),
    (("KZ", "RU"), ("Asia/Almaty", "Asia/Yekaterinburg")),
]
# around the ends of summer time, Russian January, holidays and weekends of 2026 and 2027
FIRST, LAST = datetime(2026, 2, 1), datetime(2027, 4, 30)
moments = st.datetimes(FIRST, LAST).map(lambda naive: local(naive.isoformat(sep=" "), "UTC"))


@st.composite
def questions(draw: Any) -> tuple[Contact, datetime, list[Entry]]:
    at = draw(moments)
    places, zones = draw(st.sampled_from(PLACES))
    flags = []
    if draw(st.integers(0, 4)) == 0:
        since = date(at.year, at.month, at.day) - timedelta(days=draw(st.integers(0, 5)))
        word = draw(st.sampled_from(["inpatient", "protected_military", "breathing_space", "refused_interaction"]))
        flags = [Flag(word, since, since + timedelta(days=draw(st.integers(0, 20))), evidence=True)]
    channel, actor = draw(
        st.sampled_from(
            [("call", "dialer"), ("call", "human"), ("sms", "robot"), ("visit", "human"), ("call", "agency")]
        )
    )
    asked = contact(
        person(*places, zones=zones, flags=flags),
        channel=channel,
        actor=actor,
        bound=draw(st.sampled_from(["bank", "agency"])),
        address=Address("+380671234567", "fixed"),
        given=frozenset({"prior_consent", "agreed_place_time"}),
        consent_at=draw(st.none() | st.integers(0, 400).map(lambda h: at - timedelta(hours=h))),
        person_initiative=draw(st.integers(0, 9)) == 0,
    )
    return asked, at, [draw(entries(at)) for _ in range(draw(st.integers(0, 10)))]


@st.composite
def entries(draw: Any, at: datetime) -> Entry:
    channel = draw(st.sampled_from(["call", "call", "call", "sms", "visit"]))
    return Entry(
        at=at - timedelta(minutes=draw(st.integers(0, 35 * 24 * 60))),
        channel=channel,
        actor=draw(st.sampled_from(["dialer", "human", "agency"])),
        direction=draw(st.sampled_from(["outbound", "outbound", "inbound"])),
        state=draw(st.sampled_from(["COMMITTED", "COMMITTED", "RESERVED", "FREED"])),
        debt=draw(st.sampled_from([LOAN, OTHER_LOAN, None])),
        conversation=draw(st.booleans()),
        delivered=draw(st.booleans()),
        abandoned=draw(st.integers(0, 5)) == 0,
        uncertain=draw(st.integers(0, 5)) == 0,
        minutes=draw(st.none() | st.sampled_from([Decimal(0), Decimal("2.5"), Decimal(20)])),
        exceptions=draw(st.sampled_from([frozenset(), frozenset({"consent"}), frozenset({"consent", "consent_7d"})])),
    )


@settings(max_examples=300, deadline=None)
@given(questions(), st.integers(0, 30), st.lists(st.floats(0, 1), max_size=12))
def test_next_allowed_at_is_allowed_and_nothing_before_it_is(
    question: tuple[Contact, datetime, list[Entry]], guard: int, samples: list[float]
) -> None:
    asked, at, ledger = question
    decision = decide(asked, at, *ledger, guard_minutes=guard)
    assert decision.allow is (not decision.reasons)
    if decision.allow:
        assert decision.next_allowed_at == at
        return
    again = decision.next_allowed_at
    assert again is not None, decision.reasons  # every reason drawn here ends by itself
    assert decide(asked, again, *ledger, guard_minutes=guard).allow
    wait = again - at
    assert wait > timedelta()
    just_before = again - timedelta(microseconds=1)
    for moment in [just_before, *(at + wait * share * 0.999999 for share in samples)]:
        if at <= moment < again:
            assert not decide(asked, moment, *ledger, guard_minutes=guard).allow, moment


@settings(max_examples=200, deadline=None)
@given(questions(), st.data())
def test_one_more_contact_never_turns_a_refusal_into_leave(
    question: tuple[Contact, datetime, list[Entry]], data: st.DataObject
) -> None:
    asked, at, ledger = question
    before = decide(asked, at, *ledger)
    after = decide(asked, at, *ledger, data.draw(entries(at)))
    assert before.allow or not after.allow
    if before.next_allowed_at and after.next_allowed_at:
        assert before.next_allowed_at <= after.next_allowed_at


@settings(max_examples=100, deadline=None)
@given(questions(), st.sampled_from(PLACES))
def test_cp_03_one_more_jurisdiction_or_zone_never_turns_a_refusal_into_leave(
    question: tuple[Contact, datetime, list[Entry]], more: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    asked, at, ledger = question
    who = asked.person
    places = tuple(dict.fromkeys(who.jurisdictions + more[0]))
    zones = tuple(dict.fromkeys(who.zones + more[1]))
    for wider in (
        person(*places, zones=who.zones, flags=who.flags),
        person(*who.jurisdictions, zones=zones, flags=who.flags),
    ):
        stricter = Contact(**{name: getattr(asked, name) for name in asked.__dataclass_fields__} | {"person": wider})
        assert decide(asked, at, *ledger).allow or not decide(stricter, at, *ledger).allow


@settings(max_examples=100, deadline=None)
@given(questions())
def test_the_same_question_has_the_same_answer_in_any_order_of_the_ledger(
    question: tuple[Contact, datetime, list[Entry]],
) -> None:
    asked, at, ledger = question
    assert decide(asked, at, *ledger) == decide(asked, at, *reversed(ledger))
