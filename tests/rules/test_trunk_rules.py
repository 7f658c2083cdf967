"""Trunks by rules alone: how numbers are written, where a trunk may call, when another is tried, when one is taken out."""

import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backoffice_core.call_centre.carriers.caller_id_accounts import standings
from backoffice_core.call_centre.carriers.caller_id_rules import Figures, IdView, SignRow, choose, needed, signs_met
from backoffice_core.call_centre.carriers.trunk_rules import (
    BreakerState,
    BreakerTerms,
    Leg,
    Spacing,
    Standing,
    fails_over,
    in_order,
    judge,
    leg_says,
    price,
)
from backoffice_core.call_centre.dialing.pacing_view import Count
from backoffice_core.compliance.dialer_limits import AbandonAccount
from backoffice_core.config import Settings, Trunk
from backoffice_core.numbering import FORMS, destination_refusal, longest, written

T0 = datetime(2026, 11, 18, 8, tzinfo=UTC)
S = timedelta(seconds=1)

# number | format | the trunk's country | technical prefix | as it is dialled
WRITTEN = """
+380671234567 | digits      | 380 |      | 380671234567
+380671234567 | plus        | 380 |      | +380671234567
380671234567  | double_zero | 380 |      | 00380671234567
+380671234567 | national    | 380 |      | 0671234567
+48601234567  | national    | 380 |      | 0048601234567
+77011234567  | eight       | 7   |      | 87011234567
+380671234567 | eight       | 7   |      | 810380671234567
+380671234567 | digits      | 380 | 7777 | 7777380671234567
+380671234567 | national    | 380 | 99   | 990671234567
+380671234567 | digits      | 380 | +    | +380671234567
"""


@pytest.mark.parametrize("row", WRITTEN.strip().splitlines())
def test_numbers_as_trunks_want_them(row: str) -> None:
    """FL-06: the same number, written for each kind of trunk."""
    number, form, country, prefix, dialled = (cell.strip() for cell in row.split("|"))
    assert written(number, form, country, prefix) == dialled


@given(
    st.sampled_from(sorted(FORMS)), st.from_regex(r"[1-9][0-9]{7,13}", fullmatch=True), st.sampled_from(["380", "7"])
)
def test_no_form_loses_or_invents_a_digit_of_the_subscriber(form: str, number: str, country: str) -> None:
    said = written(number, form, country)
    assert said.endswith(number[len(country) :] if number.startswith(country) else number)
    assert sum(c.isdigit() for c in said) <= len(number) + 3


@pytest.mark.parametrize("number", ["", "0671234567", "+0671234567", "112", "+38067;x", "380671234567890123"])
def test_a_number_without_its_country_is_not_written_and_not_called(number: str) -> None:
    with pytest.raises(ValueError, match="country code"):
        written(number, "plus", "380")
    assert destination_refusal(number, ["380"]) == "DESTINATION_UNREADABLE"


# number | allowed | denied | refusal
DESTINATIONS = """
+380671234567 | 380        |        |
+48601234567  | 380        |        | DESTINATION_NOT_ALLOWED
+380671234567 |            |        | DESTINATION_NOT_ALLOWED
+380441234567 | 380        | 38044  | DESTINATION_DENIED
+380445550199 | 380,38044555 | 38044 |
+380671234567 | 380        | 380    | DESTINATION_DENIED
+380900312345 | 380,380900 |        | DESTINATION_PREMIUM
+78091234567  | 7          |        | DESTINATION_PREMIUM
+77011234567  | 380,77     |        |
"""


@pytest.mark.parametrize("row", DESTINATIONS.strip("\n").splitlines())
def test_the_longest_prefix_decides_and_the_unnamed_is_refused(row: str) -> None:
    """FL-06: fail closed; a surcharge number is refused whoever allows it."""
    number, allow, deny, refusal = (cell.strip() for cell in row.split("|"))
    assert destination_refusal(number, allow.split(",") if allow else [], deny.split(",") if deny else []) == refusal


def test_a_trunk_that_says_nothing_calls_the_banks_country_only() -> None:
    """FL-06: the default of a new trunk is the narrowest, and it is the bank's country."""
    trunk = Trunk(name="a", host="192.0.2.7")
    for jurisdiction, code in (("UA", "380"), ("KZ", "7"), ("PL", "48")):
        (filled,) = Settings(trunks=[trunk], jurisdiction=jurisdiction).trunks
        assert (filled.allow, filled.country) == ([code], code)
    with pytest.raises(ValueError, match="rates"):
        Trunk(name="a", host="192.0.2.7", money_per_day=Decimal(10))


def test_prices_are_by_the_longest_prefix_and_in_decimals() -> None:
    rates = {"380": Decimal("0.50"), "38067": Decimal("0.80"), "38": Decimal(9)}
    assert longest(rates, "+380671234567") == Decimal("0.80")
    assert longest(rates, "+380441234567") == Decimal("0.50")
    assert longest(rates, "+48601234567") is None
    assert price(Decimal("0.80"), Decimal(90)) == Decimal("1.20")


# --- failover -----------------------------------------------------------------------------------------------------

FAILS_OVER = {408, 500, 502, 503, 504}
NEVER = {403, 404, 410, 480, 484, 486, 487, 600, 603, 607}


@pytest.mark.parametrize("code", sorted(FAILS_OVER | NEVER))
def test_only_the_trunks_own_fault_leads_to_another_trunk(code: int) -> None:
    """FL-04: 404, 410, 484, 480, 486, 603 never fail over; time-out, 5xx and congestion do, unless his phone rang."""
    told = {"legs": 1, "since_claim": S, "answered": False}
    assert fails_over(code, None, rang=False, **told) is (code in FAILS_OVER)
    assert not fails_over(code, None, rang=True, **told)


@pytest.mark.parametrize(("cause", "over"), [(34, True), (3, True), (38, True), (18, True), (1, False), (17, False),
                                             (16, False), (19, False), (21, False), (None, False)])  # fmt: skip
def test_without_a_sip_code_the_cause_decides(cause: int | None, over: bool) -> None:
    assert fails_over(None, cause, rang=False, answered=False, legs=1, since_claim=S) is over


@given(st.integers(1, 10), st.floats(0, 60), st.sampled_from(sorted(FAILS_OVER | NEVER)), st.booleans(), st.booleans())
def test_never_more_than_three_trunks_nor_after_six_seconds(
    legs: int, seconds: float, code: int, rang: bool, answered: bool
) -> None:
    """FL-04: at most two further trunks, six seconds in all."""
    over = fails_over(code, None, rang=rang, answered=answered, legs=legs, since_claim=timedelta(seconds=seconds))
    if over:
        assert legs <= 2
        assert seconds < 6
        assert not rang
        assert not answered


# --- the breaker --------------------------------------------------------------------------------------------------

TERMS = BreakerTerms(at_least=4, share=0.5, pause_s=30)
G, F, R, N = Leg.GOOD, Leg.FAULT, Leg.REFUSAL, Leg.NOTHING


def test_a_trunk_that_fails_is_taken_out_tried_by_one_call_and_taken_back() -> None:
    """FL-04: open on the share of faults, one call after the pause, closed by its success, longer after each failure."""
    closed = BreakerState()
    assert judge(closed, [F, F, F], TERMS, T0) == closed, "too few to say"
    assert judge(closed, [F, G, G, G], TERMS, T0) == closed
    opened = judge(closed, [F, F, G, G], TERMS, T0)
    assert (opened.state, opened.why, opened.until) == ("OPEN", "FAULTS", T0 + 30 * S)
    trunk = Standing(name="a", priority=1, lines=10, used=0, breaker=opened)
    assert (trunk.lines_free(T0 + 29 * S), trunk.lines_free(T0 + 30 * S)) == (0, 1)
    half = BreakerState("HALF_OPEN", opened.why, opened.until, opened.opened)
    assert judge(half, [G], TERMS, T0) == closed
    assert judge(half, [N], TERMS, T0) == half, "a call that we ended ourselves tells nothing"
    again = judge(half, [F], TERMS, T0 + 30 * S)
    assert (again.state, again.until) == ("OPEN", T0 + 90 * S)
    probing = Standing(name="a", priority=1, lines=10, used=1, breaker=half, probing=True)
    assert probing.lines_free(T0 + 60 * S) == 0


def test_a_trunk_that_refuses_everybody_is_suspect_and_a_bad_list_is_not() -> None:
    """CC-10, FL-04: nine of ten refused speak of the trunk; a list with many dead numbers still has its answers."""
    assert judge(BreakerState(), [R] * 8, TERMS, T0).why == "REFUSES_ALL"
    assert judge(BreakerState(), [R] * 8, TERMS, T0).suspect
    assert judge(BreakerState(), [R, R, R, G] * 4, TERMS, T0) == BreakerState()
    assert judge(BreakerState(), [R] * 7, TERMS, T0) == BreakerState()


@given(st.lists(st.sampled_from(list(Leg)), max_size=30))
def test_a_fault_more_never_closes_what_was_open(legs: list[Leg]) -> None:
    before = judge(BreakerState(), legs, TERMS, T0)
    after = judge(BreakerState(), [F, *[leg for leg in legs if leg is not N]], TERMS, T0)
    if before.why == "FAULTS":
        assert after.state == "OPEN"


def test_what_a_leg_says_of_its_trunk() -> None:
    assert [leg_says(code, None, rang=False, answered=False) for code in (486, 480, 404, 403, 503, 408, 487)] == [
        G, G, R, R, F, F, N,
    ]  # fmt: skip
    assert leg_says(503, 34, rang=True, answered=False) is G


# --- which trunk, how fast ------------------------------------------------------------------------------------------


def test_order_is_priority_then_free_lines_and_who_is_out_is_not_in_it() -> None:
    out = BreakerState("OPEN", "FAULTS", T0 + 30 * S, 1)
    trunks = [
        Standing(name="backup", priority=2, lines=100, used=0),
        Standing(name="full", priority=1, lines=5, used=5),
        Standing(name="busy", priority=1, lines=20, used=15),
        Standing(name="free", priority=1, lines=20, used=3),
        Standing(name="broken", priority=1, lines=20, used=0, breaker=out),
        Standing(name="poor", priority=1, lines=20, used=0, spent=Decimal("100.00"), budget=Decimal(100)),
    ]
    assert [one.name for one in in_order(trunks, T0)] == ["free", "busy", "backup"]


@given(st.floats(0.5, 50), st.lists(st.floats(0, 0.4), min_size=5, max_size=60))
def test_no_second_has_more_calls_than_the_limit(rate: float, pauses: list[float]) -> None:
    """Limits per trunk: calls per second without bursts, however long nothing was dialed before."""
    spacing, now, began = Spacing(rate), 100.0, []
    for pause in pauses:
        now += pause
        now += spacing.wait_s(now)
        spacing.take(now)
        began.append(now)
    gaps = [b - a for a, b in itertools.pairwise(began)]
    assert min(gaps) >= 1 / rate - 1e-9


# --- caller ids -----------------------------------------------------------------------------------------------------

DAY = date(2026, 11, 18)


def an_id(number: str = "+380445550100", **fields: object) -> IdView:
    given = {"trunks": frozenset({"a"}), "campaigns": frozenset({"collection"})} | fields
    return IdView(number=number, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"campaigns": frozenset({"survey"})}, "CALLER_ID_ABSENT"),
        ({"state": "RETIRED"}, "CALLER_ID_ABSENT"),
        ({"state": "OUT"}, "CALLER_ID_OUT"),
        ({"valid_to": DAY - timedelta(days=1)}, "CALLER_ID_EXPIRED"),
        ({"valid_from": DAY + timedelta(days=1)}, "CALLER_ID_EXPIRED"),
        ({"trunks": frozenset({"b"})}, "CALLER_ID_NOT_ADMITTED"),
    ],
)
def test_an_id_that_may_not_be_shown_has_its_own_reason(fields: dict[str, object], refusal: str) -> None:
    """FL-03: absent, out, expired, not admitted: each a sentence of its own."""
    assert choose([an_id(**fields)], "a", "collection", DAY) == refusal
    assert choose([], "a", "collection", DAY) == "CALLER_ID_ABSENT"


def test_calls_are_not_spread_over_the_pool() -> None:
    """FL-03: no rotation to dodge blocking: always the first usable; another only when it is out and was assigned."""
    first, second = an_id(position=1), an_id("+380445550101", position=2)
    assert [choose([second, first], "a", "collection", DAY) for _ in range(50)] == [first] * 50
    out = an_id(position=1, state="OUT")
    assert choose([out, second], "a", "collection", DAY) == second
    stranger = an_id("+380445550102", campaigns=frozenset({"survey"}))
    assert choose([out, stranger], "a", "collection", DAY) == "CALLER_ID_OUT"


def test_an_id_whose_account_is_spent_rests_while_another_is_free() -> None:
    """Issue 5, caller ids by account: the next of its pool is shown; where all rest, the first, and no reason is made of it."""
    tired, fresh = an_id(position=1, rests=True), an_id("+380445550101", position=2)
    assert choose([tired, fresh], "a", "collection", DAY) == fresh
    assert choose([tired, an_id("+380445550101", position=2, rests=True)], "a", "collection", DAY) == tired
    elsewhere = an_id("+380445550101", position=2, trunks=frozenset({"b"}))
    assert choose([tired, elsewhere], "a", "collection", DAY) == tired, "not free on this trunk"
    account = AbandonAccount(
        rule_id="X",
        max_pct=Decimal(3),
        of="live_answers",
        per=("campaign", "caller_id"),
        window="calendar_day",
        window_days=1,
    )
    counts = {"day": {("a", "1"): Count(20, 20, 1), ("b", "1"): Count(10, 10, 1), ("a", "2"): Count(40, 40, 2),
                      ("a", "3"): Count(2, 2, 1)}}  # fmt: skip
    found = standings([account], counts)
    assert {number: one.spent for number, one in found.items()} == {"1": True, "2": False, "3": False}
    assert (found["1"].answers, found["1"].abandoned) == (30, 2), "over all campaigns that show it; the first is borne"
    of_campaigns = AbandonAccount(
        rule_id="Y", max_pct=Decimal(1), of="live_answers", per=("campaign",), window="calendar_day", window_days=1
    )
    assert standings([of_campaigns], counts) == {}


ROWS = [
    SignRow(sign="SHORT_TALKS", span="day", threshold=Decimal(60), min_calls=10, valid_from=date(2025, 10, 2)),
    SignRow(sign="NEW_NUMBERS", span="day", threshold=Decimal("0.5"), min_calls=10, valid_from=date(2025, 10, 2)),
    SignRow(sign="SILENT", span="day", threshold=Decimal("0.1"), min_calls=10, valid_from=date(2025, 10, 2)),
    SignRow(sign="COMPLAINTS", span="week", threshold=Decimal(1), min_calls=1, valid_from=date(2025, 10, 2)),
    SignRow(
        sign="ANSWERS_BELOW_POOL", span="day", threshold=Decimal("0.5"), min_calls=10, valid_from=date(2025, 10, 2)
    ),
    SignRow(sign="NO_CALL_BACK", span="day", threshold=Decimal("0.5"), min_calls=2, valid_from=date(2025, 10, 2)),
    SignRow(sign="RECORDED", span="day", threshold=Decimal("0.5"), min_calls=10, valid_from=date(2026, 12, 1)),
]
GOOD = Figures(calls=100, answered=40, talks=40, talk_s=40 * 120.0, new_numbers=20)


@pytest.mark.parametrize(
    ("figures", "signs"),
    [
        (GOOD, []),
        (Figures(calls=100, answered=40, talks=40, talk_s=40 * 30.0, new_numbers=20), ["SHORT_TALKS"]),
        (Figures(calls=100, answered=40, talks=40, talk_s=40 * 30.0, new_numbers=80), ["SHORT_TALKS", "NEW_NUMBERS"]),
        (Figures(calls=5, answered=5, talks=5, talk_s=5.0, new_numbers=5), []),
        (Figures(calls=100, answered=40, talks=30, talk_s=3600.0, silent=3, abandoned=2), ["SILENT"]),
        (Figures(calls=100, answered=10, talks=10, talk_s=1200.0), ["ANSWERS_BELOW_POOL"]),
        (
            Figures(calls=100, answered=40, talks=40, talk_s=4800.0, call_backs=4, call_backs_answered=1),
            ["NO_CALL_BACK"],
        ),
        (Figures(calls=100, answered=40, talks=40, talk_s=4800.0, recorded=40), []),  # its row is not in force yet
    ],
)
def test_signs_of_the_operators(figures: Figures, signs: list[str]) -> None:
    """FL-03: thresholds are dated rows; too few calls say nothing."""
    pool = Figures(calls=300, answered=110)
    assert signs_met({"day": figures, "week": Figures()}, {"day": pool}, ROWS, DAY) == signs


def test_one_complaint_counts_and_how_many_signs_are_needed_is_a_row() -> None:
    assert signs_met({"day": GOOD, "week": Figures(complaints=1)}, {}, ROWS, DAY) == ["COMPLAINTS"]
    assert signs_met({"day": GOOD, "week": Figures(complaints=1)}, {}, ROWS, date(2025, 10, 1)) == []
    assert needed(ROWS, DAY) == 2
    three = SignRow(sign="SIGNS_NEEDED", span="day", threshold=Decimal(3), min_calls=0, valid_from=date(2026, 1, 1))
    assert needed([*ROWS, three], DAY) == 3
