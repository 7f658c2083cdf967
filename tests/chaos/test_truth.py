"""The judge of the chaos run finds each kind of harm when it is there, and none where there is none."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from far_end import media, tones
from tests.chaos.plan import DECK, plan
from tests.chaos.truth import COUNTS, Attempt, Done, Seen, judge, read_calls

T = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
S = timedelta(seconds=1)


def far_end(
    number: str, at: datetime, call: str = "1", *, answer: bool = True, packets: int = 100
) -> list[dict[str, Any]]:
    events: list[tuple[str, datetime, dict[str, Any]]] = [("INVITE", at, {})]
    if answer:
        events += [("ANSWER", at + S, {}), ("BYE", at + 4 * S, {}), ("HEARD", at + 4 * S, {"packets": packets})]
    else:
        events += [("REFUSE", at + S, {"code": 486})]
    return [{"event": e, "at": when.isoformat(), "number": number, "call_id": call, **more} for e, when, more in events]


def attempt(call: str, number: str, at: datetime, **fields: Any) -> Attempt:
    base: dict[str, Any] = {
        "task_id": f"task-{call}", "person_id": UUID(int=1), "ended_at": at + 4 * S, "bridged_at": at + S,
        "answered_at": at + S, "result": "ANSWERED_HUMAN", "agent": "robot200", "agent_user": "agent-200",
        "outcome": "HANGUP", "recording": "SEALED", "file": True, "borrower_chord": str(tones.borrower(number)),
        "agent_chord": str(tones.agent("agent-200")),
    }  # fmt: skip
    return Attempt(id=call, number=f"+{number}", claimed_at=at - 0.1 * S, **(base | fields))


def good() -> Seen:
    """Two calls to two borrowers, a fault between them."""
    robots = [
        {
            "event": "CARD",
            "robot": "robot200",
            "call_id": "a",
            "named": True,
            "asked": T.isoformat(),
            "at": T.isoformat(),
        },
        {"event": "VOICE", "robot": "robot200", "call_id": "a", "card": "a", "chord": str(tones.borrower("380671"))},
        {"event": "RESULT", "robot": "robot200", "call_id": "a", "outcome": "HANGUP", "status": 200},
    ]
    return Seen(
        read_calls(far_end("380671", T) + far_end("380672", T + 10 * S, "2")),
        [attempt("a", "380671", T), attempt("b", "380672", T + 10 * S)],
        robots,
        [Done("kill dialer", T + 5 * S, T + 5 * S)],
    )


def test_a_good_run_has_nothing_against_it() -> None:
    """FL-02: no false alarm; tasks and the recovery are counted."""
    verdict = judge(good())
    assert verdict.complaints == []
    assert (verdict.tasks, verdict.unknown, verdict.slowest_recovery_s) == (2, 0, 5.0)


def _again(seen: Seen) -> None:
    seen.calls = read_calls(
        far_end("380671", T) + far_end("380672", T + 10 * S, "2") + far_end("380671", T + 12 * S, "3", answer=False)
    )


def _after_unknown(seen: Seen) -> None:
    _again(seen)
    seen.attempts[0].result = "UNKNOWN"
    seen.attempts.append(attempt("c", "380671", T + 12 * S, task_id="task-a"))


def _at_once(seen: Seen) -> None:
    seen.calls = read_calls(far_end("380671", T) + far_end("380671", T + 2 * S, "2"))
    seen.attempts = [attempt("a", "380671", T), attempt("b", "380671", T + 2 * S)]


def _first_choice(seen: Seen, event: str, at: datetime, asked: datetime | None = None, *, gone: bool = True) -> None:
    """robot201 was chosen first, for half a second: then his line died, and what his desk showed went."""
    seen.attempts[0].withdrawn = [("robot201", T, T + 0.5 * S)]
    line = {"robot": "robot201", "at": at.isoformat(), "asked": (asked or at).isoformat()}
    seen.robots.insert(0, seen.robots[event == "VOICE"] | {"event": event} | line)
    if gone:
        seen.robots.append({"event": "CARD_GONE", "robot": "robot201", "call_id": "a", "at": (at + S).isoformat()})


HARMS: dict[str, tuple[str, Callable[[Seen], Any]]] = {
    "an INVITE too many": ("dialed_twice", _again),
    "dialed after UNKNOWN": ("dialed_twice", _after_unknown),
    "two calls to one number at once": ("dialed_twice", _at_once),
    "no line": ("history_missing", lambda seen: setattr(seen.attempts[0], "lines", 0)),
    "a line that knows of no answer": ("history_missing", lambda seen: setattr(seen.attempts[0], "result", "NO_ANSWER")),
    "two lines": ("history_double", lambda seen: setattr(seen.attempts[0], "lines", 2)),
    "another's card": ("mismatched", lambda seen: seen.robots[0].update(robot="robot201")),
    "a card that was not withdrawn": ("mismatched", lambda seen: _first_choice(seen, "CARD", T + 20 * S)),
    "a withdrawn card that stays": ("mismatched", lambda seen: _first_choice(seen, "CARD", T + 0.3 * S, gone=False)),
    "a voice at the agent who lost the call": ("mismatched", lambda seen: _first_choice(seen, "VOICE", T + 0.3 * S)),
    "another's voice": ("mismatched", lambda seen: seen.robots[1].update(chord=str(tones.borrower("380672")))),
    "another's result": ("mismatched", lambda seen: seen.robots[2].update(outcome="REFUSE")),
    "another borrower in the recording": (
        "mismatched", lambda seen: setattr(seen.attempts[0], "borrower_chord", str(tones.borrower("380672")))
    ),
    "another agent in the recording": (
        "mismatched", lambda seen: setattr(seen.attempts[0], "agent_chord", str(tones.agent("agent-201")))
    ),
    "one agent in two talks": ("mismatched", lambda seen: setattr(seen.attempts[0], "ended_at", T + 60 * S)),
    "no file": ("orphan_recordings", lambda seen: setattr(seen.attempts[0], "recording", "MISSING")),
    "a file of nobody": ("orphan_recordings", lambda seen: seen.strange_files.append("2026/11/18/x.wav")),
    "a slow recovery": ("recovery", lambda seen: setattr(seen, "freed_s", 31.0)),
    "a call that never ends": ("recovery", lambda seen: setattr(seen.attempts[1], "ended_at", None)),
    "an unknown end with no fault near": (
        "unknown", lambda seen: (setattr(seen.attempts[1], "result", "UNKNOWN"), seen.faults.extend([seen.faults[0]] * 9))
    ),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
def test_each_harm_is_found(harm: str) -> None:
    """Issue 4, the counts of `make chaos`: a judge that sees nothing would make every run look good."""
    count, do = HARMS[harm]
    seen = good()
    do(seen)
    assert count in {kind for kind, _, _ in judge(seen).complaints}


def test_a_card_that_was_withdrawn_with_the_call_is_no_harm() -> None:
    """FL-10: the first agent's line died between the choice and the bridge; the call and its card went on to the next."""
    seen = good()
    _first_choice(seen, "CARD", T + 0.3 * S)
    assert judge(seen).complaints == []


@pytest.mark.parametrize("away_s", [0, 40])
def test_a_withdrawn_card_goes_soon_after_its_console_is_back(away_s: int) -> None:
    """FL-10: 41 s later is too late for a desk that could be told, not for one whose console was away for 40 of them."""
    seen = good()
    _first_choice(seen, "CARD", T + 0.3 * S, gone=False)
    lost = {"event": "LOST", "robot": "robot201", "error": "ConnectionRefusedError"}
    seen.robots += [lost | {"at": (T + n * S).isoformat()} for n in range(1, away_s)]
    seen.robots.append({"event": "CARD_GONE", "robot": "robot201", "call_id": "a", "at": (T + 41 * S).isoformat()})
    assert bool(judge(seen).complaints) is not bool(away_s)


def test_a_card_on_its_way_when_the_call_was_withdrawn_is_no_harm() -> None:
    """FL-10: the console stood still for four seconds (or its database was slow) between the question and the answer."""
    seen = good()
    _first_choice(seen, "CARD", T + 4 * S, asked=T + 0.2 * S)
    assert judge(seen).complaints == []


def test_a_seed_gives_the_same_faults_and_all_kinds_come() -> None:
    """A failing seed can be repeated."""
    assert plan(40, 7) == plan(40, 7)
    assert plan(40, 7)[:10] == plan(10, 7)
    assert plan(40, 7) != plan(40, 8)
    assert {fault.kind for fault in plan(len([k for k, n in DECK.items() for _ in range(n)]), 1)} == set(DECK)
    assert {fault.kind for fault in plan(9, 1, "asterisk")} == {"kill asterisk"}
    with pytest.raises(ValueError, match="there are: kill dialer"):
        plan(1, 1, "nonsense")


def test_a_voice_of_a_while_ago_is_not_heard_now() -> None:
    """A line that has fallen silent keeps nobody's voice: the last talk's borrower is not taken for this one's."""
    person = tones.borrower("380671")
    said = media.frames(person, media.PCMA)[:50]
    stream = media.Stream(("127.0.0.1", 4000), media.PCMA, keep=False)
    for age, expected in ((0.0, person), (media.STALE + 0.1, None)):
        for n, payload in enumerate(said):
            head = bytes([0x80, media.PCMA]) + n.to_bytes(2, "big") + bytes(8)
            stream.hear(head + payload, time.monotonic() - age)
        assert stream.voice() == expected


def test_chords_are_told_apart_on_a_mixed_line() -> None:
    """Both sides of a talk are recognised, and silence is nobody."""
    person, agent = tones.borrower("+380670001030"), tones.agent("agent-200")
    both = [a + b for a, b in zip(tones.samples(person), tones.samples(agent), strict=True)]
    assert tones.heard(both) == person
    assert tones.heard(both, tones.FIRST + tones.HALF_STEP) == agent
    assert tones.heard([0.0] * 8000) is None
    assert set(COUNTS) >= {"mismatched"}
