"""Time windows: the person's own hours, weekends and holidays, summer time, several zones, several jurisdictions."""

from dataclasses import replace
from typing import Any

import pytest

from backoffice_core.compliance.workdays import holidays_of, orthodox_easter, ukrainian
from tests.rules.compliance_world import (
    CALENDAR,
    ZONES,
    Calendar,
    RuleBook,
    book,
    codes,
    contact,
    date,
    decide,
    ids,
    local,
    person,
)

WED, SAT = "2026-11-18", "2026-11-21"

#  place, zone, local time, allowed?
EDGES = [
    ("UA", "Europe/Kyiv", f"{WED} 08:59:59", False),
    ("UA", "Europe/Kyiv", f"{WED} 09:00", True),
    ("UA", "Europe/Kyiv", f"{WED} 19:59:59", True),
    ("UA", "Europe/Kyiv", f"{WED} 20:00", False),
    ("UA", "Europe/Kyiv", f"{SAT} 12:00", False),
    ("UA", "Europe/Kyiv", "2026-08-24 12:00", False),  # Independence Day, a Monday
    ("UA", "Europe/Kyiv", "2026-04-13 12:00", False),  # the day off that Easter moves to Monday
    ("UA", "Europe/Kyiv", "2026-08-25 12:00", True),
    ("RU", "Europe/Moscow", f"{WED} 07:59:59", False),
    ("RU", "Europe/Moscow", f"{WED} 08:00", True),
    ("RU", "Europe/Moscow", f"{WED} 21:59:59", True),
    ("RU", "Europe/Moscow", f"{WED} 22:00", False),
    ("RU", "Europe/Moscow", f"{SAT} 08:30", False),
    ("RU", "Europe/Moscow", f"{SAT} 09:00", True),
    ("RU", "Europe/Moscow", f"{SAT} 19:59", True),
    ("RU", "Europe/Moscow", f"{SAT} 20:00", False),
    ("RU", "Europe/Moscow", "2026-11-04 08:30", False),  # Unity Day, a Wednesday
    ("RU", "Europe/Moscow", "2026-11-04 09:30", True),
    ("US", "America/New_York", f"{WED} 07:59", False),
    ("US", "America/New_York", f"{WED} 08:00", True),
    ("US", "America/New_York", f"{SAT} 20:59", True),
    ("US", "America/New_York", f"{SAT} 21:00", False),
    ("US", "Pacific/Honolulu", f"{WED} 08:00", True),
    ("KZ", "Asia/Almaty", f"{WED} 08:00", True),
    ("KZ", "Asia/Almaty", f"{WED} 21:00", False),
    ("KZ", "Asia/Almaty", f"{SAT} 12:00", False),
    ("KZ", "Asia/Almaty", "2026-12-16 12:00", False),  # Independence Day
    ("GB", "Europe/London", f"{WED} 08:00", True),
    ("GB", "Europe/London", f"{WED} 21:00", False),
    ("GB", "Europe/London", f"{SAT} 12:00", False),  # no row for weekends: closed
    ("GB", "Europe/London", "2026-11-30 12:00", False),  # St Andrew's Day: his nation is not known
    # summer time: 09:00 in Kyiv is 07:00 UTC in winter, 06:00 UTC in summer
    ("UA", "Europe/Kyiv", "2026-03-27 09:00", True),
    ("UA", "Europe/Kyiv", "2026-03-30 09:00", True),
    ("UA", "Europe/Kyiv", "2026-03-30 08:59", False),
    ("UA", "Europe/Kyiv", "2026-10-26 08:59", False),
    ("UA", "Europe/Kyiv", "2026-10-26 09:00", True),
    ("US", "America/New_York", "2026-11-01 08:00", True),
    ("US", "America/New_York", "2026-11-01 07:59", False),
]


@pytest.mark.parametrize(("place", "zone", "when", "allowed"), EDGES)
def test_cp_02_cp_03_hours_by_place(place: str, zone: str, when: str, allowed: bool) -> None:
    """CP-02, CP-03: the same moment is lawful in one jurisdiction and not in another, by the person's own hours."""
    decision = decide(contact(person(place, zones=[zone])), local(when, zone))
    assert decision.allow is allowed
    if allowed:
        assert decision.next_allowed_at == local(when, zone)
    else:
        assert codes(decision) == ["OUT_OF_HOURS"]
        assert decision.reasons[0].rule_id


#  place, refused at, lawful again at (local time)
AGAIN = [
    ("UA", f"{WED} 07:00", f"{WED} 09:00"),
    ("UA", f"{WED} 20:00", "2026-11-19 09:00"),
    ("UA", "2026-11-20 20:00", "2026-11-23 09:00"),  # over the weekend
    ("UA", "2026-08-21 20:30", "2026-08-25 09:00"),  # over the weekend and Independence Day
    ("UA", "2026-03-27 21:00", "2026-03-30 09:00"),  # over the night without 03:00
    ("UA", "2026-10-23 21:00", "2026-10-26 09:00"),  # over the night with 03:00 twice
    ("RU", "2026-11-20 23:00", "2026-11-21 09:00"),
    ("RU", "2026-11-22 20:00", "2026-11-23 08:00"),
    ("KZ", "2026-12-15 22:00", "2026-12-17 08:00"),
    ("US", "2026-10-31 21:30", "2026-11-01 08:00"),
]


@pytest.mark.parametrize(("place", "at", "again"), AGAIN)
def test_out_of_hours_says_when_the_hours_begin(place: str, at: str, again: str) -> None:
    zone = ZONES[place]
    assert decide(contact(person(place)), local(at, zone)).next_allowed_at == local(again, zone)


@pytest.mark.parametrize("channel", ["call", "robot", "sms", "push", "email", "messenger", "voice_message", "visit"])
@pytest.mark.parametrize("actor", ["dialer", "human", "robot", "agency"])
def test_cp_02_at_a_forbidden_hour_dialer_agent_message_and_visit_are_all_refused(channel: str, actor: str) -> None:
    """CP-02: dialer, agent, message, visit: all refused by the one evaluator."""
    decision = decide(contact(channel=channel, actor=actor), local(f"{WED} 21:00"))
    assert not decision.allow
    assert "OUT_OF_HOURS" in codes(decision)


def test_a_letter_needs_no_hours_and_a_voicemail_without_a_window_is_refused() -> None:
    assert decide(contact(person(zones=()), channel="letter"), local(f"{SAT} 23:00")).allow
    assert codes(decide(contact(channel="voicemail"), local(f"{WED} 12:00"))) == ["NO_RULE"]


def test_a_visit_keeps_the_narrower_hours_and_needs_consent_and_place() -> None:
    agreed = frozenset({"prior_consent", "agreed_place_time"})
    visit = contact(channel="visit", actor="human", given=agreed)
    assert decide(visit, local(f"{WED} 18:59")).allow
    late = decide(visit, local(f"{WED} 19:00"))
    assert ids(late) == {"UA-VISIT"}
    assert late.next_allowed_at == local("2026-11-19 09:00")
    without = decide(contact(channel="visit", actor="human"), local(f"{WED} 12:00"))
    assert codes(without) == ["NO_RULE"]
    assert without.next_allowed_at is None


def test_the_guard_keeps_the_last_minutes_free_for_the_talk_but_not_for_a_message() -> None:
    assert decide(contact(), local(f"{WED} 19:54:59"), guard_minutes=5).allow
    late = decide(contact(), local(f"{WED} 19:55"), guard_minutes=5)
    assert late.next_allowed_at == local("2026-11-19 09:00")
    assert decide(contact(channel="sms"), local(f"{WED} 19:59"), guard_minutes=5).allow


def test_an_unsure_zone_must_be_lawful_in_every_candidate() -> None:
    unsure = person("RU", zones=["Europe/Kaliningrad", "Europe/Moscow", "Asia/Kamchatka"])  # UTC+2, +3, +12
    assert codes(decide(contact(unsure), local(f"{WED} 14:00", "Europe/Moscow"))) == ["OUT_OF_HOURS"]
    assert decide(contact(unsure), local(f"{WED} 09:00", "Europe/Moscow")).allow
    evening = decide(contact(unsure), local(f"{WED} 14:00", "Europe/Moscow"))
    assert evening.next_allowed_at == local("2026-11-19 08:00", "Europe/Kaliningrad")


def test_zones_that_never_meet_are_never_lawful() -> None:
    scattered = person("UA", zones=["Europe/Kyiv", "Pacific/Auckland"])
    decision = decide(contact(scattered), local(f"{WED} 12:00"))
    assert (decision.allow, decision.next_allowed_at) == (False, None)


@pytest.mark.parametrize("zones", [[], [""], ["Europe/Kiyv"], ["Europe/Kyiv", "../../etc/passwd"], ["Europe"]])
def test_no_time_zone_fails_closed(zones: list[str]) -> None:
    decision = decide(contact(person("UA", zones=zones)), local(f"{WED} 12:00"))
    assert codes(decision) == ["NO_TIME_ZONE"]
    assert decision.next_allowed_at is None


@pytest.mark.parametrize("places", [(), ("DE",), ("EU",), ("UA", "DE")])
def test_cp_02_without_jurisdiction_or_rules_or_window_it_fails_closed(places: tuple[str, ...]) -> None:
    """CP-02: what nobody has allowed is refused."""
    who = person(zones=["Europe/Kyiv"])
    who = type(who)(who.id, places, who.zones)
    decision = decide(contact(who), local(f"{WED} 12:00"))
    assert codes(decision) == ["NO_RULE"]
    assert decision.next_allowed_at is None


def test_a_year_without_a_calendar_counts_as_holiday_and_working_day_at_once() -> None:
    empty = Calendar([])
    assert codes(decide(contact(), local(f"{WED} 12:00"), calendar=empty)) == ["OUT_OF_HOURS"]
    russian = contact(person("RU"))
    assert decide(russian, local(f"{WED} 12:00", "Europe/Moscow"), calendar=empty).allow
    assert not decide(russian, local(f"{WED} 08:30", "Europe/Moscow"), calendar=empty).allow
    assert decide(contact(person("US")), local(f"{WED} 12:00", "America/New_York"), calendar=empty).allow


def test_a_lawyer_may_open_a_holiday() -> None:
    lifted = Calendar([("UA", date(2026, 8, 24), True), ("UA", date(2026, 1, 1), False)])
    assert decide(contact(), local("2026-08-24 12:00"), calendar=lifted).allow


def test_cp_03_the_strictest_of_two_jurisdictions_wins() -> None:
    """CP-03: two jurisdictions decide differently; whoever is under both has the stricter."""
    both = person("UA", "RU", zones=["Europe/Kyiv"])
    assert ids(decide(contact(both), local(f"{WED} 08:30"))) == {"UA-TIME"}
    assert ids(decide(contact(both), local(f"{SAT} 12:00"))) == {"UA-WEEKEND"}
    assert decide(contact(both), local(f"{WED} 12:00")).allow
    # 4 November is a holiday in Russia, and opens there at 09:00: Ukraine's 09:00 and Russia's 09:00 in Kyiv's zone
    assert not decide(contact(both), local("2026-11-04 08:59")).allow


def test_cp_04_a_rule_changes_on_its_day_without_a_deploy() -> None:
    """CP-04: the old row holds up to its last day, the new one from its first."""
    (old_row,) = book("RU-TIME-WD")
    narrow = {"from": "10:00", "to": "18:00", "tz": "person"}
    new_row = replace(old_row, version=2, params=narrow, effective_from=date(2027, 2, 1))
    rules = RuleBook([*book("RU-TIME-WD", "RU-TIME-WE"), new_row])
    russian = contact(person("RU"))
    before = decide(russian, local("2027-01-29 08:30", "Europe/Moscow"), rulebook=rules)
    assert before.allow
    assert ("RU-TIME-WD", 1) in before.consulted
    refused = decide(russian, local("2027-02-01 09:30", "Europe/Moscow"), rulebook=rules)
    assert not refused.allow
    assert ("RU-TIME-WD", 2) in refused.consulted
    assert refused.next_allowed_at == local("2027-02-01 10:00", "Europe/Moscow")
    night = decide(russian, local("2027-01-31 21:00", "Europe/Moscow"), rulebook=rules)
    assert night.next_allowed_at == local("2027-02-01 10:00", "Europe/Moscow")


def test_a_purpose_without_a_window_uses_that_of_collection() -> None:
    service = contact(purpose="service")
    assert decide(service, local(f"{WED} 12:00")).allow
    assert ids(decide(service, local(f"{WED} 20:00"))) == {"UA-TIME"}


def test_the_persons_own_initiative_opens_the_hours_only_where_a_verified_row_says_so() -> None:
    asked = contact(person_initiative=True)
    assert decide(asked, local(f"{SAT} 22:00")).allow
    kazakh = contact(
        person("KZ"), person_initiative=True
    )  # the bank's row in KZ is unverified: its exception is absent
    assert ids(decide(kazakh, local(f"{SAT} 12:00", "Asia/Almaty"))) == {"KZ-BANK-WEEKEND"}
    agency = contact(person("KZ"), person_initiative=True, bound="agency", actor="agency")
    assert decide(agency, local(f"{SAT} 12:00", "Asia/Almaty")).allow


def test_statutory_holidays_of_ukraine_are_shipped() -> None:
    assert orthodox_easter(2026) == date(2026, 4, 12)
    assert orthodox_easter(2024) == date(2024, 5, 5)
    assert orthodox_easter(2027) == date(2027, 5, 2)
    days = ukrainian(2026)
    assert days[date(2026, 6, 28)] == "Constitution Day"
    assert days[date(2026, 6, 29)] == "Constitution Day (moved)"
    assert all(not CALENDAR.working("UA", day) for day in days)
    assert {date(2026, 4, 6), date(2026, 8, 31), date(2026, 8, 3)} <= set(holidays_of("GB", 2026))


def test_a_day_that_may_be_a_holiday_must_be_lawful_as_a_working_day_too() -> None:
    open_on_days_off: dict[str, dict[str, Any]] = {
        "UA-TIME": {"params": {"closed": True}},
        "UA-WEEKEND": {"params": {"from": "09:00", "to": "20:00"}},
    }
    rules = book("UA-TIME", "UA-WEEKEND", change=open_on_days_off)
    assert not decide(contact(), local(f"{WED} 12:00"), rulebook=rules, calendar=Calendar([])).allow
    assert decide(contact(), local(f"{SAT} 12:00"), rulebook=rules).allow
