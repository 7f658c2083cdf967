"""Caps, cooldowns, protected people, banned lines, what is not built: who is refused, by which rule, until when."""

from typing import Any

import pytest

from backoffice_core.compliance.terms import Address, Contact
from tests.rules.compliance_world import (
    LOAN,
    OTHER_LOAN,
    Decimal,
    Flag,
    book,
    codes,
    contact,
    date,
    decide,
    dialed,
    ids,
    local,
    person,
    talked,
    timedelta,
)

MSK, NYC, ALA = "Europe/Moscow", "America/New_York", "Asia/Almaty"
WED = "2026-11-18"


def moscow(text: str) -> Any:
    return local(text, MSK)


def new_york(text: str) -> Any:
    return local(text, NYC)


# --- caps ----------------------------------------------------------------------------------------------------------


def test_cp_02_ru_one_conversation_a_day() -> None:
    """CP-02: the cap is refused whoever asks."""
    russian = contact(person("RU"))
    decision = decide(russian, moscow(f"{WED} 15:00"), talked(moscow(f"{WED} 10:00")), rulebook=RU_CALLS)
    assert ids(decision) == {"RU-CALL-D"}
    assert codes(decision) == ["CAP_REACHED"]
    assert decision.reasons[0].params == {
        "unit": "conversation", "max": 1, "used": "1", "window": "calendar_day", "n": 1,
    }  # fmt: skip
    assert decision.next_allowed_at == moscow("2026-11-19 08:00")
    assert decide(russian, moscow(f"{WED} 15:00"), dialed(moscow(f"{WED} 10:00")), rulebook=RU_CALLS).allow


def test_ru_two_a_week_by_calendar_and_rolling_block_on_either() -> None:
    two = [talked(moscow("2026-11-19 10:00")), talked(moscow("2026-11-20 10:00"))]
    monday = decide(contact(person("RU")), moscow("2026-11-23 12:00"), *two, rulebook=RU_CALLS)
    assert ids(monday) == {"RU-CALL-7"}  # a new ISO week, but within seven days
    assert monday.next_allowed_at == moscow("2026-11-26 10:00")
    saturday = decide(contact(person("RU")), moscow("2026-11-21 12:00"), *two, rulebook=RU_CALLS)
    assert ids(saturday) == {"RU-CALL-W", "RU-CALL-7"}
    assert saturday.next_allowed_at == moscow("2026-11-26 10:00")


def test_ru_eight_a_month() -> None:
    rules = book("RU-TIME-WD", "RU-TIME-WE", "RU-CALL-M")
    eight = [talked(moscow(f"2026-11-{day:02d} 10:00")) for day in range(2, 10)]
    decision = decide(contact(person("RU")), moscow("2026-11-18 12:00"), *eight, rulebook=rules)
    assert ids(decision) == {"RU-CALL-M"}
    assert decision.next_allowed_at == moscow("2026-12-01 08:00")
    assert decide(contact(person("RU")), moscow("2026-11-18 12:00"), *eight[1:], rulebook=rules).allow


RU_CALLS = book("RU-TIME-WD", "RU-TIME-WE", "RU-CALL-D", "RU-CALL-W", "RU-CALL-M", "RU-CALL-7", "RU-CALL-30")


def test_ru_messages_are_counted_apart_from_calls() -> None:
    at = moscow(f"{WED} 15:00")
    two = [dialed(moscow(f"{WED} 10:0{n}"), channel="sms", actor="robot", delivered=True) for n in range(2)]
    assert ids(decide(contact(person("RU"), channel="sms"), at, *two)) == {"RU-MSG-D"}
    assert decide(contact(person("RU")), at, *two).allow


def test_ua_two_interactions_a_day_over_all_channels_together() -> None:
    at = local(f"{WED} 15:00")
    sms = dialed(local(f"{WED} 09:30"), channel="sms", delivered=True)
    machine = dialed(local(f"{WED} 10:00"), machine_message=True)
    unanswered = dialed(local(f"{WED} 10:00"))
    assert decide(contact(), at, sms, unanswered).allow
    refused = decide(contact(), at, sms, machine)
    assert ids(refused) == {"UA-DAY"}
    assert refused.next_allowed_at == local("2026-11-19 09:00")
    assert ids(decide(contact(channel="email"), at, sms, machine)) == {"UA-DAY"}


def test_ua_consent_and_own_initiative_are_not_counted_nor_stopped() -> None:
    at, morning = local(f"{WED} 15:00"), local(f"{WED} 09:30")
    used = [dialed(morning, channel="sms", delivered=True), dialed(morning, channel="sms", delivered=True)]
    assert decide(contact(consent_at=local("2026-10-01 12:00")), at, *used).allow
    assert decide(contact(person_initiative=True), at, *used).allow
    assert not decide(contact(consent_at=at + timedelta(hours=1)), at, *used).allow
    inbound = talked(morning, direction="inbound")
    agreed = talked(local(f"{WED} 10:00"), exceptions=frozenset({"consent"}))
    assert "UA-DAY" not in ids(decide(contact(), at, used[0], inbound, agreed))


def test_ua_thirty_minutes_of_machine_dialing_a_day() -> None:
    at = local(f"{WED} 15:00")
    rules = book("UA-TIME", "UA-AUTODIAL")
    long = talked(local(f"{WED} 10:00"), minutes=Decimal("29.5"))
    short = talked(local(f"{WED} 11:00"), minutes=Decimal("0.5"))
    assert decide(contact(), at, long, rulebook=rules).allow
    assert ids(decide(contact(), at, long, short, rulebook=rules)) == {"UA-AUTODIAL"}
    assert decide(contact(actor="human"), at, long, short, rulebook=rules).allow
    by_hand = talked(local(f"{WED} 11:00"), minutes=Decimal(20), actor="human")
    assert decide(contact(), at, long, by_hand, rulebook=rules).allow
    lost = talked(local(f"{WED} 11:00"), minutes=None, uncertain=True)
    assert ids(decide(contact(), at, lost, rulebook=rules)) == {"UA-AUTODIAL"}


def test_kz_three_attempts_a_day_bind_bank_and_agency_each_by_its_own_row() -> None:
    three = [dialed(local(f"{WED} {hour}:00", ALA)) for hour in ("09", "11", "13")]
    at = local(f"{WED} 16:00", ALA)
    assert ids(decide(contact(person("KZ")), at, *three)) == {"KZ-BANK-CALL-D"}
    assert ids(decide(contact(person("KZ"), bound="agency", actor="agency"), at, *three)) == {"KZ-CALL-D"}


def test_kz_a_visit_a_day_and_three_a_week() -> None:
    one = [dialed(local(f"{WED} 10:00", ALA), channel="visit", actor="human")]
    visit = contact(person("KZ"), channel="visit", actor="human", bound="agency")
    assert decide(visit, local(f"{WED} 12:00", ALA), *one).next_allowed_at == local("2026-11-19 08:00", ALA)


def test_house_four_attempts_a_day_two_hours_apart() -> None:
    at = local(f"{WED} 15:00")
    soon = decide(contact(), at, dialed(local(f"{WED} 14:00")))
    assert (codes(soon), ids(soon)) == (["COOLDOWN"], {"ANY-ATTEMPT-D"})
    assert soon.next_allowed_at == local(f"{WED} 16:00")
    four = [dialed(local(f"{WED} {hour}:00")) for hour in ("09", "10", "11", "12")]
    assert codes(decide(contact(), at, *four)) == ["CAP_REACHED"]


@pytest.mark.parametrize(
    ("what", "counted"),
    [
        ({"state": "RESERVED"}, True),
        ({"uncertain": True}, True),
        ({"state": "FREED"}, False),
        ({"direction": "inbound"}, False),
        ({"actor": "agency"}, True),
        ({"purpose": None}, True),
        ({"purpose": "service"}, False),
        ({"channel": "sms"}, False),
    ],
)
def test_a_reserved_or_uncertain_slot_counts_and_a_freed_one_never(what: dict[str, Any], counted: bool) -> None:
    rules = book("KZ-BANK-TIME", "KZ-BANK-CALL-D")
    three = [dialed(local(f"{WED} 10:0{n}", ALA), **(what if n == 0 else {})) for n in range(3)]
    assert decide(contact(person("KZ")), local(f"{WED} 12:00", ALA), *three, rulebook=rules).allow is not counted


def test_us_seven_in_seven_per_debt_with_consent_of_the_last_week() -> None:
    rules = book("US-TIME", "US-7IN7")
    at = new_york(f"{WED} 12:00")
    seven = [dialed(new_york(f"2026-11-{day} 10:00")) for day in range(12, 19)]
    decision = decide(contact(person("US")), at, *seven, rulebook=rules)
    assert ids(decision) == {"US-7IN7"}
    assert decision.next_allowed_at == new_york("2026-11-19 10:00")
    assert decide(contact(person("US"), debt=OTHER_LOAN), at, *seven, rulebook=rules).allow
    assert not decide(contact(person("US"), debt=None), at, *seven, rulebook=rules).allow
    nobody_knows_which = [dialed(entry.at, debt=None) for entry in seven]
    assert not decide(contact(person("US")), at, *nobody_knows_which, rulebook=rules).allow
    fresh = contact(person("US"), consent_at=at - timedelta(days=6, hours=23))
    stale = contact(person("US"), consent_at=at - timedelta(days=7))
    assert decide(fresh, at, *seven, rulebook=rules).allow
    assert not decide(stale, at, *seven, rulebook=rules).allow


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
def test_us_7after_the_day_of_the_talk_is_the_first_of_seven(direction: str) -> None:
    rules = book("US-TIME", "US-7AFTER")
    spoke = talked(new_york("2026-11-10 18:30"), direction=direction)  # a Tuesday
    last = decide(contact(person("US")), new_york("2026-11-16 20:00"), spoke, rulebook=rules)
    assert (codes(last), ids(last)) == (["COOLDOWN"], {"US-7AFTER"})
    assert last.next_allowed_at == new_york("2026-11-17 08:00")
    assert decide(contact(person("US")), new_york("2026-11-17 08:00"), spoke, rulebook=rules).allow
    assert decide(contact(person("US"), debt=OTHER_LOAN), new_york("2026-11-16 12:00"), spoke, rulebook=rules).allow


def test_with_several_zones_the_widest_day_is_counted() -> None:
    rules = book("US-TIME", "KZ-BANK-CALL-D", change={"KZ-BANK-CALL-D": {"jurisdiction": "US", "params": {"max": 1}}})
    unsure = contact(person("US", zones=["America/New_York", "America/Los_Angeles"]))
    night = dialed(new_york(f"{WED} 02:00"))  # still Tuesday in Los Angeles
    decision = decide(unsure, new_york(f"{WED} 12:00"), night, rulebook=rules)
    assert decision.next_allowed_at == local("2026-11-19 08:00", "America/Los_Angeles")


# --- protected people, lines, what is not built --------------------------------------------------------------------


def test_ua_military_by_the_persons_word_from_and_to() -> None:
    at = local(f"{WED} 12:00")
    forever = decide(contact(person(flags=[Flag("protected_military", date(2026, 1, 1))])), at)
    assert (codes(forever), ids(forever), forever.next_allowed_at) == (["STATUS_BLOCK"], {"UA-MILITARY"}, None)
    until = decide(contact(person(flags=[Flag("close_to_protected", None, date(2026, 11, 20))])), at)
    assert until.next_allowed_at == local("2026-11-23 09:00")  # Friday is protected, then comes the weekend
    assert decide(contact(person(flags=[Flag("protected_military", date(2026, 11, 19))])), at).allow
    assert decide(contact(person(flags=[Flag("protected_military", None, date(2026, 11, 17))])), at).allow


def test_ru_status_needs_a_document_and_says_so_without_one() -> None:
    at = moscow(f"{WED} 12:00")
    proved = decide(contact(person("RU", flags=[Flag("inpatient", date(2026, 11, 1), evidence=True)])), at)
    assert ids(proved) == {"RU-STATUS"}
    said = decide(contact(person("RU", flags=[Flag("inpatient", date(2026, 11, 1))])), at)
    assert said.allow
    assert [must.params for must in said.must if must.kind == "warn"] == [{"flag": "inpatient", "missing": "document"}]


def test_an_unverified_delay_of_a_refusal_is_treated_as_absent() -> None:
    refused = person("RU", flags=[Flag("refused_interaction", date(2026, 11, 1))])
    early = contact(refused, delinquency_months=1)
    assert ids(decide(early, moscow(f"{WED} 12:00"))) == {"RU-REFUSE"}
    lawyer_confirmed = book("RU-TIME-WD", "RU-REFUSE", change={"RU-REFUSE": {"verified": True}})
    assert decide(early, moscow(f"{WED} 12:00"), rulebook=lawyer_confirmed).allow
    late = contact(refused, delinquency_months=4)
    assert not decide(late, moscow(f"{WED} 12:00"), rulebook=lawyer_confirmed).allow
    assert not decide(contact(refused), moscow(f"{WED} 12:00"), rulebook=lawyer_confirmed).allow


def test_uk_breathing_space_lasts_sixty_days_and_reaches_letters() -> None:
    resting = person("GB", flags=[Flag("breathing_space", date(2026, 9, 21))])
    decision = decide(contact(resting), local("2026-11-18 12:00", "Europe/London"))
    assert ids(decision) == {"UK-BREATH"}
    assert decision.next_allowed_at == local("2026-11-23 08:00", "Europe/London")  # over on Friday's midnight
    assert not decide(contact(resting, channel="letter"), local("2026-11-18 12:00", "Europe/London")).allow
    crisis = person("GB", flags=[Flag("breathing_space_mh", date(2026, 9, 1), date(2026, 10, 1))])
    assert not decide(contact(crisis), local("2026-10-30 12:00", "Europe/London")).allow
    assert decide(contact(crisis), local("2026-11-02 12:00", "Europe/London")).allow


@pytest.mark.parametrize(("hidden", "allowed"), [(False, True), (True, False), (None, False)])
def test_ua_a_hidden_or_unknown_caller_id_is_refused(hidden: bool | None, allowed: bool) -> None:
    decision = decide(contact(caller_id_hidden=hidden), local(f"{WED} 12:00"))
    assert decision.allow is allowed
    assert ids(decision) == (set() if allowed else {"UA-CLI"})
    assert decision.reasons == () or decision.reasons[0].params == {"ban": "hidden_number"}


@pytest.mark.parametrize(("declared", "allowed"), [(True, True), (False, False), (None, False)])
def test_kz_an_undeclared_number_is_refused(declared: bool | None, allowed: bool) -> None:
    decision = decide(contact(person("KZ"), caller_id_declared=declared), local(f"{WED} 12:00", ALA))
    assert decision.allow is allowed


@pytest.mark.parametrize(
    ("what", "zone", "rule"),
    [
        (contact(purpose="marketing"), "Europe/Kyiv", "ANY-MARKETING"),
        (contact(purpose="survey", channel="sms"), "Europe/Kyiv", "ANY-MARKETING"),
        (contact(person("US"), actor="robot", channel="robot"), NYC, "US-PREREC"),
        (contact(person("US"), actor="robot", channel="robot", address=Address("+12125550100")), NYC, "US-PREREC"),
        (contact(subject="third_party"), "Europe/Kyiv", "UA-3P"),
        (contact(person("RU"), subject="third_party"), MSK, "RU-3P"),
        (contact(person("US"), subject="third_party"), NYC, None),
        (contact(person("GB"), subject="third_party"), "Europe/London", None),
        (contact(person("US"), template_tags=frozenset({"legal_threat"}), stage="legal"), NYC, "US-TIMEBARRED"),
        (contact(person("US"), template_tags=frozenset({"legal_threat"})), NYC, "US-TIMEBARRED"),
    ],
)
def test_cp_02_a_kind_that_is_not_built_or_not_met_refuses_what_it_applies_to(
    what: Contact, zone: str, rule: str | None
) -> None:
    decision = decide(what, local(f"{WED} 12:00", zone))
    assert codes(decision) == ["NO_CONSENT" if rule in {"ANY-MARKETING", "US-PREREC"} else "NO_RULE"]
    assert rule is None or ids(decision) == {rule}
    assert decision.next_allowed_at is None


def test_a_robot_may_call_a_landline_in_the_us_and_a_call_without_a_threat_is_free() -> None:
    at = new_york(f"{WED} 12:00")
    fixed = contact(person("US"), actor="robot", channel="robot", address=Address("+12125550100", "fixed"))
    assert decide(fixed, at).allow
    assert decide(contact(person("US"), stage="legal"), at).allow


def test_an_abandoned_person_is_not_redialed_for_72_hours_unless_an_agent_is_guaranteed() -> None:
    dropped = dialed(local("2026-11-16 10:00"), abandoned=True)
    at = local(f"{WED} 15:00")
    decision = decide(contact(), at, dropped)
    assert (codes(decision), ids(decision)) == (["COOLDOWN"], {"ANY-ABANDON"})
    assert decision.next_allowed_at == local("2026-11-19 10:00")
    assert decide(contact(agent_guaranteed=True), at, dropped).allow
    assert decide(contact(actor="human"), at, dropped).allow


# --- what goes with an answer --------------------------------------------------------------------------------------


def test_cp_01_recording_and_disclosure_stand_in_must_and_all_rules_in_consulted() -> None:
    """CP-01: a decision names every rule that was consulted."""
    decision = decide(contact(), local(f"{WED} 12:00"))
    assert decision.allow
    assert {(must.kind, must.rule_id) for must in decision.must} == {
        ("recording", "UA-REC"), ("disclosure", "UA-DISCLOSE"),
    }  # fmt: skip
    assert {rule for rule, _ in decision.consulted} == {
        "ANY-ABANDON", "ANY-ATTEMPT-D", "ANY-ATTEMPT-W", "UA-AUTODIAL", "UA-CLI", "UA-DAY", "UA-DISCLOSE",
        "UA-MILITARY", "UA-REC", "UA-TIME", "UA-WEEKEND",
    }  # fmt: skip
    robot = decide(contact(person("RU"), actor="robot", channel="robot"), moscow(f"{WED} 12:00"))
    assert "RU-ROBOT-SAY" in {must.rule_id for must in robot.must}


def test_the_first_reason_is_the_one_to_show() -> None:
    soldier = contact(person(flags=[Flag("protected_military")]), caller_id_hidden=True)
    decision = decide(soldier, local(f"{WED} 22:00"), dialed(local(f"{WED} 21:00")))
    assert codes(decision) == ["STATUS_BLOCK", "NO_RULE", "COOLDOWN", "OUT_OF_HOURS"]
    assert decision.reason is decision.reasons[0]


def test_a_rule_that_warns_allows_and_shows() -> None:
    rules = book("UA-TIME", "UA-DAY", change={"UA-DAY": {"on_breach": "warn", "params": {"max": 0}}})
    decision = decide(contact(), local(f"{WED} 12:00"), rulebook=rules)
    assert decision.allow
    assert [(must.kind, must.rule_id) for must in decision.must] == [("warn", "UA-DAY")]


@pytest.mark.parametrize(
    "word", [{"channel": "phone"}, {"actor": "agent"}, {"purpose": "sales"}, {"bound": "shop"}, {"stage": "late"}]
)
def test_a_contact_with_an_unknown_word_cannot_be_asked_about(word: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unknown"):
        contact(**word)


def test_a_moment_without_a_zone_cannot_be_asked_about() -> None:
    with pytest.raises(ValueError, match="zone"):
        decide(contact(debt=LOAN), local(f"{WED} 12:00").replace(tzinfo=None))


def test_cp_04_a_rule_that_ends_meanwhile_ends_the_wait() -> None:
    """CP-04: a dated end is part of the answer."""
    at = local(f"{WED} 12:00")
    ends = {"effective_to": "2026-11-19"}
    full = book("UA-TIME", "ANY-ATTEMPT-W", change={"ANY-ATTEMPT-W": {"params": {"max": 1}, **ends}})
    assert decide(contact(), at, dialed(at), rulebook=full).next_allowed_at == local("2026-11-20 09:00")
    soldier = contact(person(flags=[Flag("protected_military")]))
    protected = book("UA-TIME", "UA-MILITARY", change={"UA-MILITARY": ends})
    assert decide(soldier, at, rulebook=protected).next_allowed_at == local("2026-11-20 09:00")


def test_a_protection_ends_when_its_last_day_has_ended_in_every_zone() -> None:
    rules = book("US-TIME", "UK-BREATH", change={"UK-BREATH": {"jurisdiction": "US"}, "US-TIME": ROUND_THE_CLOCK})
    resting = person("US", zones=[NYC, "Pacific/Honolulu"], flags=[Flag("breathing_space", None, date(2026, 11, 17))])
    decision = decide(contact(resting), new_york(f"{WED} 02:00"), rulebook=rules)
    assert decision.reasons[0].until == decision.next_allowed_at == local(f"{WED} 00:00", "Pacific/Honolulu")


ROUND_THE_CLOCK = {"params": {"from": "00:00", "to": "23:59"}}


def test_a_cooldown_whose_day_of_talk_does_not_count_lasts_a_day_longer() -> None:
    rules = book("US-TIME", "US-7AFTER", change={"US-7AFTER": {"params": {"day_of_talk_counts": False}}})
    decision = decide(
        contact(person("US")), new_york("2026-11-16 12:00"), talked(new_york("2026-11-10 18:30")), rulebook=rules
    )
    assert decision.next_allowed_at == new_york("2026-11-18 08:00")
