"""Retention by rule (FL-16): the longest row counts, nothing is deleted on an unverified row alone, never within a hold."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backoffice_core.call_centre.rules import NO_DISPOSITION, OUTCOMES
from backoffice_core.compliance import loader, terms
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.terms import Rule
from recordings.retention import DUE, HELD, NO_RULE, NOT_VERIFIED, NOT_YET, Subject, judge

CALLED = datetime(2024, 2, 29, 10, tzinfo=UTC)


def row(
    name: str = "BANK-KEEP", *, days: int = 30, verified: bool = True, jurisdiction: str = "UA", **applies: Any
) -> Rule:
    return loader.parse(
        {"id": name, "jurisdiction": jurisdiction, "kind": "retention", "applies_to": {"object": ["recording"], **applies},
         "params": {"days": days, "from": "event"}, "effective_from": date(2021, 1, 1), "source": "test",
         "verified": verified}
    )  # fmt: skip


def subject(**said: Any) -> Subject:
    usual = {"called_at": CALLED, "last_activity": CALLED, "purpose": "collection", "outcome": "PTP_FULL",
             "jurisdictions": frozenset({"UA"}), "held": False}  # fmt: skip
    return Subject(**(usual | said))


def after(days: float) -> datetime:
    return CALLED + timedelta(days=days)


def test_the_longest_row_that_applies_counts() -> None:
    rules = [row(days=30), row("B", days=90, outcome=["DISPUTE"]), row("C", days=900, jurisdiction="KZ")]
    assert judge(rules, subject(), after(29.9)).code == NOT_YET
    found = judge(rules, subject(), after(30))
    assert (found.code, found.rule.id if found.rule else "", found.until) == (DUE, "BANK-KEEP", after(30))
    assert judge(rules, subject(outcome="DISPUTE"), after(31)).code == NOT_YET
    assert judge(rules, subject(jurisdictions=frozenset({"UA", "KZ"})), after(91)).code == NOT_YET


def test_what_no_row_or_only_an_unverified_row_covers_is_kept() -> None:
    """House decision 3.5: an unverified row restricts, and permits nothing."""
    assert judge([row(purpose=["marketing"])], subject(), after(9000)).code == NO_RULE
    assert judge([row(verified=False)], subject(), after(9000)).code == NOT_VERIFIED
    longer = [row(days=30), row("LAW", days=100, verified=False)]
    assert judge(longer, subject(), after(60)).code == NOT_YET
    assert judge(longer, subject(), after(100)).code == DUE


def test_a_hold_keeps_whatever_the_rows_say() -> None:
    assert judge([row()], subject(held=True), after(9000)).code == HELD


@given(st.lists(st.tuples(st.integers(1, 2000), st.booleans()), max_size=6), st.integers(0, 3000), st.booleans())
def test_never_due_before_any_applicable_row_ends(rows: list[tuple[int, bool]], age: int, held: bool) -> None:
    rules = [row(f"R{n}", days=days, verified=verified) for n, (days, verified) in enumerate(rows)]
    due = judge(rules, subject(held=held), after(age)).code == DUE
    assert due == (
        not held and bool(rows) and age >= max(days for days, _ in rows) and any(verified for _, verified in rows)
    )


def test_years_of_the_shipped_rows_and_the_last_contact() -> None:
    """domain.md 3: three years; in the US from the last activity for some objects; a leap day ends a day later."""
    shipped = RuleBook(loader.parse(raw) for raw in loader.read_file())
    rules = shipped.in_force(date(2026, 11, 18))
    russia = judge(rules, subject(jurisdictions=frozenset({"RU"})), after(0))
    assert (russia.code, russia.until) == (NOT_YET, datetime(2027, 3, 1, 10, tzinfo=UTC))
    ukraine = judge(rules, subject(), after(4000))
    assert ukraine.code == NOT_VERIFIED, "the shipped row for Ukraine is from memory: the bank must confirm it"
    activity = row(days=10)
    later = Rule(**{**{f: getattr(activity, f) for f in Rule.__dataclass_fields__},
                    "params": {"days": 10, "from": "last_collection_activity"}})  # fmt: skip
    assert judge([later], subject(last_activity=after(100)), after(105)).code == NOT_YET


def test_the_words_of_results_are_those_of_the_desk() -> None:
    assert set(OUTCOMES) | {NO_DISPOSITION} == terms.OUTCOMES


@pytest.mark.parametrize(
    "params", [{"from": "event"}, {"from": "event", "years": 1, "days": 2}, {"years": 0, "from": "event"}]
)
def test_a_row_without_one_clear_length_is_refused(params: dict[str, Any]) -> None:
    raw = {"id": "X", "jurisdiction": "UA", "kind": "retention", "applies_to": {"object": ["recording"]}, "params": params,
           "effective_from": date(2021, 1, 1), "source": "test", "verified": True}  # fmt: skip
    with pytest.raises(loader.RuleRefused):
        loader.parse(raw)
