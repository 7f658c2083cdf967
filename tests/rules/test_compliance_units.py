"""Count units, each against a table of cases: what happened, and whether it is an attempt, a conversation …"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backoffice_core.compliance import counting
from backoffice_core.compliance.terms import Entry, Window
from tests.rules.compliance_world import Decimal, local

AT = local("2026-11-18 10:00")

#  what happened                         fields of the ledger row                             att  conv inter msg visit
CASES: list[tuple[str, dict[str, Any], tuple[bool, ...]]] = [
    ("rang out", {}, (True, False, False, False, False)),
    ("slot reserved, still ringing", {"state": "RESERVED"}, (True, True, True, False, False)),
    ("trunk refused, slot given back", {"state": "FREED"}, (False, False, False, False, False)),
    ("given back, whatever else it says", {"state": "FREED", "conversation": True, "uncertain": True}, (False,) * 5),
    ("person answered", {"conversation": True}, (True, True, True, False, False)),
    ("answered, no agent: abandoned", {"abandoned": True}, (True, True, True, False, False)),
    ("nobody knows how it ended", {"uncertain": True}, (True, True, True, False, False)),
    ("machine, nothing said", {}, (True, False, False, False, False)),
    ("machine that got a message", {"machine_message": True}, (True, False, True, False, False)),
    ("robot talked", {"channel": "robot", "actor": "robot", "conversation": True}, (True, True, True, False, False)),
    ("agency's call from a file", {"actor": "agency", "conversation": True}, (True, True, True, False, False)),
    ("person called us", {"direction": "inbound", "conversation": True}, (False, True, True, False, False)),
    ("person called, nobody took it", {"direction": "inbound"}, (False, False, False, False, False)),
    ("SMS delivered", {"channel": "sms", "delivered": True}, (False, False, True, True, False)),
    ("SMS surely not delivered", {"channel": "sms"}, (False, False, False, True, False)),
    ("SMS without receipt", {"channel": "sms", "uncertain": True}, (False, False, True, True, False)),
    ("SMS on its way", {"channel": "sms", "state": "RESERVED"}, (False, False, True, True, False)),
    ("SMS never sent", {"channel": "sms", "state": "FREED"}, (False, False, False, False, False)),
    ("SMS from the person", {"channel": "sms", "direction": "inbound"}, (False, False, False, False, False)),
    ("letter", {"channel": "letter", "delivered": True}, (False, False, False, False, False)),
    ("visit, nobody at home", {"channel": "visit", "actor": "human"}, (False, False, True, False, True)),
    ("visit called off", {"channel": "visit", "state": "FREED"}, (False, False, False, False, False)),
]


@pytest.mark.parametrize(("_what", "fields", "counts"), CASES, ids=[case[0] for case in CASES])
def test_what_counts_as_what(_what: str, fields: dict[str, Any], counts: tuple[bool, ...]) -> None:
    entry = Entry(at=AT, **({"channel": "call", "actor": "dialer"} | fields))
    units = (counting.attempt, counting.conversation, counting.interaction, counting.message, counting.visit)
    assert tuple(unit(entry) for unit in units) == counts


@pytest.mark.parametrize(
    ("fields", "minutes"),
    [
        ({"conversation": True, "minutes": Decimal("2.5")}, Decimal("2.5")),
        ({}, Decimal(0)),
        ({"state": "FREED", "minutes": Decimal(9)}, Decimal(0)),
        ({"uncertain": True}, None),
        ({"state": "RESERVED"}, None),
        ({"conversation": True}, None),
    ],
)
def test_minutes_that_nobody_knows_take_all_of_the_limit(fields: dict[str, Any], minutes: Decimal | None) -> None:
    entry = Entry(at=AT, channel="call", actor="dialer", **fields)
    assert counting.minutes(entry) == minutes
    assert counting.weight(entry, "minutes", Decimal(30)) == (Decimal(30) if minutes is None else minutes)


@pytest.mark.parametrize(
    ("at", "window", "ends"),
    [
        ("2026-11-18 10:00", Window("calendar_day"), "2026-11-19 00:00"),
        ("2026-11-18 00:00", Window("calendar_day"), "2026-11-19 00:00"),
        ("2026-11-18 10:00", Window("iso_week"), "2026-11-23 00:00"),
        ("2026-11-22 23:59", Window("iso_week"), "2026-11-23 00:00"),
        ("2026-11-23 00:00", Window("iso_week"), "2026-11-30 00:00"),
        ("2026-12-31 10:00", Window("calendar_month"), "2027-01-01 00:00"),
        ("2028-02-29 10:00", Window("calendar_month"), "2028-03-01 00:00"),
        ("2026-11-18 10:00", Window("rolling_days", 7), "2026-11-25 10:00"),
        ("2026-10-20 10:00", Window("rolling_days", 7), "2026-10-27 10:00"),  # 169 hours: summer time ended
        ("2026-03-24 10:00", Window("rolling_days", 7), "2026-03-31 10:00"),  # 167 hours: it began
        ("2026-10-24 23:30", Window("calendar_day"), "2026-10-25 00:00"),
    ],
)
def test_windows_end_by_the_persons_wall_clock(at: str, window: Window, ends: str) -> None:
    zone = counting.ZoneInfo("Europe/Kyiv")
    assert counting.expiry(local(at), window, zone) == local(ends)


@given(
    at=st.integers(0, 4 * 366 * 24 * 60).map(
        lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    ),
    back=st.integers(0, 100 * 24 * 60),
    window=st.builds(
        Window, st.sampled_from(["calendar_day", "iso_week", "calendar_month", "rolling_days"]), st.integers(1, 4)
    ),
    zone=st.sampled_from(
        ["Europe/Kyiv", "Asia/Vladivostok", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe"]
    ),
)
def test_what_is_passed_over_without_a_look_had_ended(at: datetime, back: int, window: Window, zone: str) -> None:
    """CC-11: an entry that a cap no longer looks at is one that no longer counts, in every zone and over every window."""
    entry = at - timedelta(minutes=back)
    if entry <= counting.over_before(at, window):
        assert counting.expiry(entry, window, counting.ZoneInfo(zone)) <= at
