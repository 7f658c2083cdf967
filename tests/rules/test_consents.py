"""Rules that need a consent (US-PREREC, ANY-MARKETING): which one meets them, which not, and what the refusal says."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backoffice_core.compliance.records import contact_json, contact_of
from backoffice_core.compliance.terms import ConsentView, Contact
from tests.rules.compliance_world import (
    BOOK,
    Address,
    Flag,
    book,
    codes,
    contact,
    date,
    decide,
    ids,
    local,
    person,
    timedelta,
)

NYC = "America/New_York"
AT = local("2026-11-18 12:00", NYC)
NUMBER = "+12125550147"
ROBOTS = book("US-TIME", "US-PREREC")
SURVEYS = book("UA-TIME", "ANY-MARKETING")


def agreed(**fields: Any) -> ConsentView:
    usual = {
        "id": UUID(int=5),
        "purpose": "collection",
        "channel": "robot",
        "number": "",
        "given_at": AT - timedelta(days=9),
    }
    return ConsentView(**(usual | fields))


def robot(*consents: ConsentView, **fields: Any) -> Contact:
    return contact(
        person("US"),
        **{"channel": "robot", "actor": "robot", "address": Address(NUMBER, "mobile")} | fields,
        consents=consents,
    )


@pytest.mark.parametrize(
    ("consent", "told"),
    [
        (agreed(), None),
        (agreed(number=NUMBER), None),
        (agreed(until=date(2026, 11, 18)), None),  # its last day
        (None, {}),
        (agreed(number="+12125550148"), {}),  # at another number
        (agreed(purpose="survey"), {}),
        (agreed(channel="call"), {}),  # to a person's call
        (agreed(until=date(2026, 11, 17)), {"ended": date(2026, 11, 17)}),
        (agreed(given_at=AT + timedelta(seconds=1)), {}),
        (agreed(withdrawn_at=AT - timedelta(days=1)), {"withdrawn_at": AT - timedelta(days=1)}),
    ],
)
def test_a_robot_may_call_whom_has_agreed_to_it(consent: ConsentView | None, told: dict[str, Any] | None) -> None:
    """Issue 5: prior express consent (US-PREREC) to this purpose, this channel, this number, given, not ended, not withdrawn."""
    decision = decide(robot(*([consent] if consent else [])), AT, rulebook=ROBOTS)
    assert decision.allow is (told is None)
    if told is not None:
        (reason,) = decision.reasons
        assert (reason.code, reason.rule_id, decision.next_allowed_at) == ("NO_CONSENT", "US-PREREC", None)
        assert reason.params == {"consent": "prior_express", "purpose": "collection", "channel": "robot", **told}


def test_only_robots_to_mobiles_need_it_and_an_unknown_number_may_be_one() -> None:
    """Issue 5: what is not known restricts."""
    assert decide(robot(address=Address(NUMBER, "fixed")), AT, rulebook=ROBOTS).allow
    assert decide(contact(person("US"), address=Address(NUMBER, "mobile")), AT, rulebook=ROBOTS).allow
    assert codes(decide(robot(address=Address(NUMBER)), AT, rulebook=ROBOTS)) == ["NO_CONSENT"]


@pytest.mark.parametrize(
    ("standing", "flags", "never"),
    [
        (frozenset(), (), None),
        (frozenset({"in_arrears"}), (), ["in_arrears"]),
        (frozenset({"hardship"}), (), ["hardship"]),
        (None, (), ["hardship", "in_arrears"]),  # not known
        (frozenset(), (Flag("refused_interaction", date(2026, 1, 1)),), ["refused_interaction"]),
        (frozenset(), (Flag("refused_interaction", date(2026, 1, 1), date(2026, 2, 1)),), None),
    ],
)
def test_no_consent_helps_whom_the_rule_never_lets_be_asked(
    standing: frozenset[str] | None, flags: tuple[Flag, ...], never: list[str] | None
) -> None:
    """CC-09, CC-15: surveys of nobody in arrears or hardship, nor of who refuses talks, whatever he agreed to."""
    said = agreed(purpose="survey", channel="call")
    asked = contact(person("UA", flags=flags), purpose="survey", consents=(said,), standing=standing)
    decision = decide(asked, local("2026-11-18 12:00"), rulebook=SURVEYS)
    if never is None:
        assert decision.allow
    else:
        assert ids(decision) == {"ANY-MARKETING"}
        assert decision.reasons[0].params["never_if"] == never


consents = st.builds(
    agreed,
    purpose=st.sampled_from(["collection", "survey"]), channel=st.sampled_from(["robot", "call"]),
    number=st.sampled_from(["", NUMBER, "+12125550148"]), given_at=st.integers(-40, 2).map(lambda d: AT + timedelta(days=d)),
    until=st.none() | st.integers(-5, 5).map(lambda d: AT.date() + timedelta(days=d)),
    withdrawn_at=st.none() | st.integers(0, 30).map(lambda d: AT - timedelta(days=d)),
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.lists(consents, max_size=4), consents, st.sampled_from(["call", "robot"]))
def test_consents_only_ever_allow_withdrawals_only_ever_refuse_and_no_cap_is_lifted(
    said: list[ConsentView], more: ConsentView, channel: str
) -> None:
    """Issue 5: one more consent turns no leave into a refusal, the withdrawal of all allows nothing that was refused; what
    else stands against a contact stays; the question is the same after it was kept."""
    asked = robot(*said, channel=channel, actor="robot" if channel == "robot" else "dialer")
    before, after = decide(asked, AT), decide(robot(*said, more, channel=channel, actor=asked.actor), AT)
    assert after.allow or not before.allow
    gone = [ConsentView(c.id, c.purpose, c.channel, c.number, c.given_at, c.until, AT) for c in said]
    refused = decide(robot(*gone, channel=channel, actor=asked.actor), AT)
    assert before.allow or not refused.allow
    assert channel == "call" or not refused.allow
    others = [r for r in refused.reasons if r.code != "NO_CONSENT"]
    assert [r for r in before.reasons if r.code != "NO_CONSENT"] == others
    assert contact_of(contact_json(asked)) == asked
    assert {rule.kind for rule in BOOK} >= {"consent_needed"}
