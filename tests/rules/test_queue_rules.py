"""Who is not called tonight and why, by which phone, in what order: pure decisions of the queue."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from backoffice_core.call_centre.queueing.ordering import order
from backoffice_core.call_centre.queueing.queue_rules import (
    CaseView,
    FlagView,
    PhoneView,
    TaskView,
    best_phone,
    earliest,
    first_of,
    lawful_refusal,
    own_refusal,
)
from backoffice_core.cases.rules import next_working_day
from backoffice_core.compliance.terms import Decision, Reason, ReasonCode

KYIV = ZoneInfo("Europe/Kyiv")
TODAY = date(2026, 11, 18)
NINE = datetime(2026, 11, 18, 9, tzinfo=KYIV)
ENDS = datetime(2026, 11, 19, tzinfo=KYIV)


def phone(n: int = 1, **fields: object) -> PhoneView:
    given = {"owner_kind": "self", "state": "UNVERIFIED", "number_type": "mobile", "rank": 0} | fields
    return PhoneView(UUID(int=n), **given)  # type: ignore[arg-type]


def case(number: int = 1, **fields: object) -> CaseView:
    given = {"state": "ACTIVE", "currency": "UAH", "overdue": Decimal(1000), "days_past_due": 10, "phones": (phone(),)}
    return CaseView(case_id=uuid4(), number=number, **(given | fields))  # type: ignore[arg-type]


REFUSED = [
    (case(state="PAID_OFF"), "CLOSED", None),
    (case(state="ON_HOLD", hold_until=date(2026, 11, 20)), "ON_HOLD", datetime(2026, 11, 21, tzinfo=KYIV)),
    (case(state="PLACED"), "ON_HOLD", None),
    (case(state="ON_HOLD", hold_until=date.max), "ON_HOLD", None),  # issue 6: a date at the end of time is no end
    (case(flags=(FlagView("inpatient", date(2026, 11, 1), date.max),)), "STATUS_BLOCK", None),
    (case(stop="PAID", stop_until=date.max), "STOP_LIST", None),
    (case(no_disposition=True), "ON_HOLD", None),
    (case(tasks=(TaskView("DISPUTE", TODAY),)), "ON_HOLD", None),
    (case(flags=(FlagView("deceased", date(2026, 1, 1)),)), "STATUS_BLOCK", None),
    (case(flags=(FlagView("inpatient", date(2026, 11, 1), TODAY),)), "STATUS_BLOCK", ENDS),
    (case(state="CURED", days_past_due=0), "NOT_DUE", None),
    (case(tasks=(TaskView("CHECK_POSTING", date(2026, 11, 20)),)), "NOT_DUE", datetime(2026, 11, 20, tzinfo=KYIV)),
    (case(tasks=(TaskView("CALLBACK", TODAY, ENDS + timedelta(hours=10)),)), "NOT_DUE", ENDS + timedelta(hours=10)),
    (case(promise_ends=date(2026, 11, 25)), "PROMISE_OPEN", datetime(2026, 11, 25, tzinfo=KYIV)),
    (case(phones=()), "NO_PHONE", None),
    (case(phones=(phone(state="DEAD"), phone(2, state="WRONG_PARTY"))), "NO_PHONE", None),
    (case(phones=(phone(owner_kind="relative"),)), "NO_PHONE", None),
    (case(state="ON_HOLD", phones=(), promise_ends=date(2026, 11, 25)), "ON_HOLD", None),  # the first that applies
]


@pytest.mark.parametrize(("view", "reason", "until"), REFUSED)
def test_one_reason_the_first_that_applies_and_when_it_ends(
    view: CaseView, reason: str, until: datetime | None
) -> None:
    refused = own_refusal(view, TODAY, KYIV)
    assert refused is not None
    assert (refused.reason, refused.until) == (reason, until)


@pytest.mark.parametrize(
    "view",
    [
        case(),
        case(tasks=(TaskView("CALLBACK", TODAY, NINE + timedelta(hours=5)),)),
        case(tasks=(TaskView("CHECK_POSTING", TODAY),)),
        case(flags=(FlagView("inpatient", date(2026, 10, 1), date(2026, 11, 17)),)),
        case(flags=(FlagView("vulnerable", date(2026, 10, 1)),)),
    ],
)
def test_a_case_with_nothing_against_it_has_no_reason(view: CaseView) -> None:
    assert own_refusal(view, TODAY, KYIV) is None


def decision(*reasons: tuple[str, datetime | None], then: datetime | None) -> Decision:
    found = tuple(Reason(ReasonCode(code), "R", {}, until) for code, until in reasons)
    return Decision(allow=not found, reasons=found, next_allowed_at=then, must=(), consulted=())


def test_out_of_hours_now_but_lawful_later_today_is_no_refusal() -> None:
    assert lawful_refusal(decision(("OUT_OF_HOURS", NINE), then=NINE), ENDS) is None


def test_no_lawful_moment_left_on_the_date_is_out_of_hours_until_the_next_one() -> None:
    monday = datetime(2026, 11, 23, 9, tzinfo=KYIV)
    refused = lawful_refusal(decision(("OUT_OF_HOURS", monday), then=monday), ENDS)
    assert refused is not None
    assert (refused.reason, refused.until, refused.rule) == ("OUT_OF_HOURS", monday, "R")


def test_the_reason_that_lasts_is_named_not_the_night_that_ends() -> None:
    asked = decision(("COOLDOWN", NINE), ("OUT_OF_HOURS", ENDS + timedelta(hours=9)), then=ENDS + timedelta(hours=9))
    assert lawful_refusal(asked, ENDS).reason == "OUT_OF_HOURS"  # type: ignore[union-attr]


def test_a_legal_reason_may_stand_before_our_own() -> None:
    own = own_refusal(case(promise_ends=date(2026, 11, 25)), TODAY, KYIV)
    law = lawful_refusal(decision(("STATUS_BLOCK", None), then=None), ENDS)
    assert first_of(own, law).reason == "STATUS_BLOCK"  # type: ignore[union-attr]


def test_best_phone_is_the_borrowers_own_and_verified() -> None:
    own, verified, work = (
        phone(1, rank=0),
        phone(2, rank=1, state="VERIFIED"),
        phone(3, owner_kind="work", state="VERIFIED"),
    )
    assert best_phone([work, own, verified]) == verified
    assert best_phone([work, own]) == own
    assert best_phone([phone(1, missed=3), phone(2, rank=1)]).id == UUID(int=2)  # type: ignore[union-attr]
    assert best_phone([phone(1, state="DEAD"), phone(2, state="UNREACHABLE")]) is None


def test_call_back_waits_for_the_hour_that_the_borrower_named() -> None:
    asked = NINE + timedelta(hours=5, minutes=30)
    view = case(tasks=(TaskView("CALLBACK", TODAY, asked),))
    assert earliest(view, NINE, NINE - timedelta(hours=6)) == asked
    assert earliest(case(), NINE, NINE) is None


def test_order_is_call_backs_then_broken_promises_then_value_and_says_why() -> None:
    soon, later = NINE + timedelta(hours=1), NINE + timedelta(hours=2)
    placed = order(
        [
            case(1, overdue=Decimal(500)),
            case(2, overdue=Decimal(90_000)),
            case(3, overdue=Decimal(90_000), days_past_due=200),
            case(4, tasks=(TaskView("FOLLOW_UP", TODAY),)),
            case(5, tasks=(TaskView("CALLBACK", TODAY, later),)),
            case(6, tasks=(TaskView("CALLBACK", TODAY, soon),)),
        ],
        TODAY,
        KYIV,
    )
    assert [p.case.number for p in placed] == [6, 5, 4, 2, 3, 1]
    assert len({p.position for p in placed}) == 6
    assert placed[3].why == {
        "group": "VALUE", "overdue": "90000", "currency": "UAH", "days_past_due": 10, "bucket": "1-30",
        "chance": "0.1302", "expected": "11721.02", "times_typical": placed[3].why["times_typical"],
    }  # fmt: skip


def test_currencies_are_not_compared_by_their_figures() -> None:
    """Ten thousand tenge are not twice five thousand hryvnias: each is measured by what is typical of its currency."""
    hryvnias = [case(n, overdue=Decimal(5_000)) for n in (1, 2)] + [case(3, overdue=Decimal(20_000))]
    tenge = [case(n, overdue=Decimal(50_000), currency="KZT") for n in (4, 5)]
    assert [p.case.number for p in order(hryvnias + tenge, TODAY, KYIV)] == [3, 1, 2, 4, 5]


def test_order_is_the_same_whatever_the_order_of_reading() -> None:
    cases = [case(n, overdue=Decimal(1000 + n % 3)) for n in range(1, 40)]
    forth, back = order(cases, TODAY, KYIV), order(cases[::-1], TODAY, KYIV)
    assert [p.case.number for p in forth] == [p.case.number for p in back]


def test_next_working_day_passes_weekend_and_holiday() -> None:
    friday, monday = date(2026, 11, 20), date(2026, 11, 23)
    assert next_working_day(friday, lambda day: day.weekday() < 5) == monday
    assert next_working_day(friday, lambda day: day.weekday() < 5 and day != monday) == date(2026, 11, 24)
    with pytest.raises(ValueError, match="no working day"):
        next_working_day(friday, lambda _: False)
