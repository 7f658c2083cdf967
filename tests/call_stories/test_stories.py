"""Events of a real Asterisk 22, kept as text, folded into what they mean (TL-06).

The files in raw/ were captured from the exchange (tests/real_asterisk/capture_stories.py); the table says what each
kind of call must amount to.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ami_listener.call_story import GRACE, CallEnded, LineDown, Meaning, Stories
from ami_listener.catch_up import read_cel, rows_of
from ami_listener.heard import Heard, parse
from backoffice_core.call_centre.rules import evidence, is_abandoned, is_trunks_own, telephony_result

RAW = Path(__file__).parent / "raw"

# story | meanings in order | result when an agent was reserved | evidence on the number
STORIES = """
refused_404              | CallEnded                                       | INVALID_NUMBER | dead
refused_410              | CallEnded                                       | INVALID_NUMBER | dead
refused_484              | CallEnded                                       | INVALID_NUMBER | dead
refused_480              | CallEnded                                       | NO_ANSWER      | -
refused_480_behind_183   | CallEnded                                       | NO_ANSWER      | -
refused_486              | CallEnded                                       | BUSY           | -
refused_503              | CallEnded                                       | CONGESTION     | -
refused_603              | CallEnded                                       | REJECTED       | -
trunk_down               | CallEnded                                       | CONGESTION     | -
rings_out                | CallRang CallEnded                              | NO_ANSWER      | -
given_up_while_ringing   | CallRang CallEnded                              | NO_ANSWER      | -
hangs_up_at_once         | CallRang CallAnswered CallEnded                 | SILENT         | alive
talk_borrower_hangs_up   | CallAnswered VoicesMet CallEnded                | ANSWERED_HUMAN | alive
talk_desk_hangs_up       | CallAnswered VoicesMet CallEnded                | ANSWERED_HUMAN | alive
talk_agent_line_lost     | CallAnswered VoicesMet LineDown CallEnded       | ANSWERED_HUMAN | alive
message_no_agent         | CallAnswered MessageHeard CallEnded             | ABANDONED      | alive
message_agi_dead         | CallAnswered MessageHeard CallEnded             | ABANDONED      | alive
message_agi_hung         | CallAnswered MessageHeard CallEnded             | ABANDONED      | alive
message_leg_gone         | CallAnswered MessageHeard CallEnded             | ABANDONED      | alive
leg_up                   | LineUp                                          | -              | -
leg_phone_not_registered | LineDown                                        | -              | -
leg_not_answered         | LineDown                                        | -              | -
leg_lost_while_waiting   | LineDown                                        | -              | -
leg_ended_by_dialer      | LineDown                                        | -              | -
"""
TABLE = [[cell.strip() for cell in line.split("|")] for line in STORIES.strip().splitlines()]


def facts_of(name: str) -> list[Heard]:
    found = []
    for block in (RAW / f"{name}.txt").read_text().split("\n\n"):
        event: dict[str, str] = {}
        for line in block.splitlines():
            if not line.startswith("#"):
                key, _, value = line.partition(":")
                event.setdefault(key, value.strip())
        heard = parse(event)
        if heard is not None:
            found.append(heard)
    return found


def meanings_of(facts: list[Heard], stories: Stories | None = None) -> list[Meaning]:
    stories = stories or Stories()
    meant = [meaning for heard in facts for meaning in stories.hear(heard)]
    return meant + stories.overdue(max(heard.at for heard in facts) + GRACE)


@pytest.mark.parametrize(("name", "meant", "result", "sign"), TABLE, ids=[row[0] for row in TABLE])
def test_story(name: str, meant: str, result: str, sign: str) -> None:
    """TL-06: each kind of call, as Asterisk tells it, becomes the result and evidence that domain.md 2.3 names."""
    meanings = meanings_of(facts_of(name))
    assert [type(meaning).__name__ for meaning in meanings] == meant.split()
    ends = [meaning for meaning in meanings if isinstance(meaning, CallEnded)]
    assert [telephony_result(end.facts, reserved=True) for end in ends] == ([] if result == "-" else [result])
    assert [evidence(telephony_result(end.facts, reserved=True), end.facts) or "-" for end in ends] in ([], [sign])


def test_every_captured_story_is_in_the_table() -> None:
    named = {row[0] for row in TABLE} | {"phones_registered", "trunk_lost"}  # these two hold no call
    assert {file.stem for file in RAW.glob("*.txt")} == named


@pytest.mark.parametrize("name", ["leg_lost_while_waiting", "talk_agent_line_lost"])
def test_a_phone_that_is_put_down_is_told_from_a_line_that_we_end(name: str) -> None:
    downs = [meaning for meaning in meanings_of(facts_of(name)) if isinstance(meaning, LineDown)]
    assert [down.hung_up for down in downs] == [True]
    ours = [meaning for meaning in meanings_of(facts_of("leg_ended_by_dialer")) if isinstance(meaning, LineDown)]
    assert [down.hung_up for down in ours] == [False]


def test_an_answer_nobody_was_reserved_for_is_abandoned_whoever_hung_up_first() -> None:
    (end,) = [m for m in meanings_of(facts_of("hangs_up_at_once")) if isinstance(m, CallEnded)]
    result = telephony_result(end.facts, reserved=False)
    assert result == "ABANDONED"
    assert is_abandoned(end.facts, result)


def test_only_a_fault_of_our_trunk_gives_the_slot_back() -> None:
    def own(name: str) -> bool:
        (end,) = [m for m in meanings_of(facts_of(name)) if isinstance(m, CallEnded)]
        return is_trunks_own(telephony_result(end.facts, reserved=False), end.facts)

    assert {name for name, _, result, _ in TABLE if result != "-" and own(name)} == {"refused_503", "trunk_down"}


@given(st.sampled_from([row[0] for row in TABLE if row[2] != "-"]), st.lists(st.integers(0, 60), max_size=8))
def test_a_fact_heard_twice_changes_nothing(name: str, again: list[int]) -> None:
    """TL-06: events repeated at any later place give the same story, told once."""
    facts = facts_of(name)
    doubled = list(facts)
    for place in sorted((place % len(facts) for place in again), reverse=True):  # from behind: earlier places stay
        doubled.insert(place + 1, facts[place])
    ended = [m for m in meanings_of(doubled) if isinstance(m, CallEnded)]
    assert len(ended) == 1
    (true,) = [m for m in meanings_of(facts) if isinstance(m, CallEnded)]
    reserved = telephony_result(ended[0].facts, reserved=True)
    assert reserved == telephony_result(true.facts, reserved=True)


@pytest.mark.parametrize(("name", "result"), [(r[0], r[2]) for r in TABLE if r[2] != "-"])
def test_a_listener_started_in_the_middle_finds_the_beginning_in_the_cel_file(name: str, result: str) -> None:
    """TL-06: wherever in the story it was started again, the end is the same: Asterisk's own file has the rest."""
    facts = facts_of(name)
    for cut in range(1, len(facts)):
        ours = [heard.who for heard in facts if isinstance(heard.who, UUID)]
        ends = [m for m in meanings_of(facts[cut:] + rows_of(RAW / "cel.csv", ours)) if isinstance(m, CallEnded)]
        assert [telephony_result(end.facts, reserved=True) for end in ends] == [result], f"started before event {cut}"


@pytest.mark.parametrize(("name", "result"), [(r[0], r[2]) for r in TABLE if r[2] not in ("-", "CONGESTION")])
def test_the_cel_file_alone_tells_how_a_call_went(name: str, result: str) -> None:
    """FL-13: a call of which the database knows nothing any more."""
    (call,) = {heard.who for heard in facts_of(name) if isinstance(heard.who, UUID)}
    (facts,) = read_cel(RAW / "cel.csv", [call]).values()
    assert (telephony_result(facts, reserved=True), facts.estimated) == (result, False)


def test_the_listener_forgets_what_is_over() -> None:
    """Memory does not grow with the day: after each call's end nothing of it is kept but its id, for five minutes."""
    stories = Stories()
    for row in TABLE:
        if row[2] != "-" and row[0] != "trunk_down":
            for heard in facts_of(row[0]):
                stories.hear(heard)
    stories.overdue(max(heard.at for heard in facts_of("talk_agent_line_lost")) + GRACE)
    assert not [who for who in stories.open if isinstance(who, UUID)]
    stories.overdue(datetime.now(UTC) + timedelta(days=3650))
    assert not stories.over
    assert not stories.bridges
