"""What happened, judged (pure): the far end's log against what the product says. The counts are defined in __init__.py."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.rules import decide
from backoffice_core.compliance.terms import Calendar, Contact, Entry, LedgerView
from far_end import tones

COUNTS = ("dialed_twice", "caps_passed", "history_missing", "history_double", "mismatched", "orphan_recordings")
ANSWERS = {"ANSWERED_HUMAN", "ANSWERED_MACHINE", "ABANDONED", "SILENT", "ANNOUNCEMENT", "FAX", "UNKNOWN"}
NO_CONTACT = {500, 502, 503}  # refused by the network: the slot is given back
SLACK = timedelta(seconds=0.5)  # two programs' stamps of one moment
BEFORE_A_FAULT = timedelta(seconds=2)
RECOVERY_LIMIT_S = 30.0
CARD_GONE_LIMIT = timedelta(seconds=30)
NEVER_S = 999.0  # stands for a recovery that did not come
UNKNOWN_A_KILL = 0.2


@dataclass
class Call:
    """One INVITE at the far end and what came of it. `number` without a plus."""

    number: str
    invited_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    code: int | None = None  # it was refused with
    packets: int = 0  # of sound that came to the far end
    attempt: "Attempt | None" = None


@dataclass
class Attempt:
    """One call as the product has it. `withdrawn`: logins of agents who were chosen for it and lost it before the voices
    met, because their lines died, from when until when (its commit) it was theirs. `lines`: of it in the case history.
    `recording`: the state of its row; `file`: whether there is one. Chords: who is heard on which side of it, None =
    cannot be told."""

    id: str
    task_id: str
    person_id: UUID
    number: str
    claimed_at: datetime
    answered_at: datetime | None = None
    bridged_at: datetime | None = None
    ended_at: datetime | None = None
    result: str | None = None
    agent: str = ""  # login
    agent_user: str = ""  # SIP user of his phone
    outcome: str | None = None
    withdrawn: list[tuple[str, datetime, datetime]] = field(default_factory=list)
    lines: int = 1
    recording: str = "NONE"
    file: bool = False
    borrower_chord: str | None = None
    agent_chord: str | None = None


@dataclass(frozen=True)
class Done:
    """A fault that was made."""

    kind: str
    began: datetime
    ended: datetime


@dataclass
class Verdict:
    complaints: list[tuple[str, str, str]] = field(default_factory=list)  # (count, call, reason)
    tasks: int = 0
    unknown: int = 0
    slowest_recovery_s: float = 0.0

    def blame(self, count: str, call: str, reason: str) -> None:
        self.complaints.append((count, call, reason))

    def count(self, name: str) -> int:
        """Calls, not reasons: one call may be wrong in two ways."""
        return len({call for kind, call, _ in self.complaints if kind == name})


@dataclass
class Seen:
    """All that is judged."""

    calls: list[Call]
    attempts: list[Attempt]
    robots: list[dict[str, Any]] = field(default_factory=list)  # lines of their log
    faults: list[Done] = field(default_factory=list)
    strange_files: list[str] = field(default_factory=list)  # recordings that belong to no call
    contacts: Mapping[str, Contact] = field(default_factory=dict)  # by attempt
    offset: timedelta = timedelta()  # business time minus the machine's
    rules: RuleBook | None = None
    calendar: Calendar | None = None
    freed_s: float = 0.0  # until all agents were free at the end


def read_calls(lines: Iterable[Mapping[str, Any]]) -> list[Call]:
    """The far end's log as calls, in the order of their INVITEs."""
    calls: dict[tuple[str, str], Call] = {}
    for line in lines:
        if "number" not in line:
            continue
        key, at = (str(line["number"]), str(line["call_id"])), datetime.fromisoformat(line["at"])
        match line["event"]:
            case "INVITE":
                calls[key] = Call(key[0].lstrip("+"), at)
            case "ANSWER":
                calls[key].answered_at = at
            case "REFUSE" | "CANCEL":
                calls[key].ended_at, calls[key].code = at, line["code"]
            case "BYE" | "LOST":
                calls[key].ended_at = at
            case "HEARD":
                calls[key].packets = line["packets"]
    return sorted(calls.values(), key=lambda call: call.invited_at)


def judge(seen: Seen) -> Verdict:
    verdict = Verdict()
    _pair(seen, verdict)
    _caps(seen, verdict)
    _history(seen, verdict)
    _mismatches(seen, verdict)
    _recordings(seen, verdict)
    _unknown(seen, verdict)
    verdict.tasks = len({call.attempt.task_id for call in seen.calls if call.attempt})
    verdict.slowest_recovery_s = max([seen.freed_s, *_recoveries(seen)])
    for attempt in seen.attempts:
        if attempt.ended_at is None:
            verdict.blame(
                "recovery", attempt.id, f"+{attempt.number}, claimed {_clock(attempt.claimed_at)}, never ended"
            )
    if verdict.slowest_recovery_s > RECOVERY_LIMIT_S:
        verdict.blame("recovery", "-", f"{verdict.slowest_recovery_s:.1f} s; the goal is {RECOVERY_LIMIT_S:g} s")
    return verdict


# --- who was dialed ----------------------------------------------------------------------------------------------


def _pair(seen: Seen, verdict: Verdict) -> None:
    """Each INVITE belongs to one attempt, each attempt has one at most, and they do not meet."""
    by_number: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in sorted(seen.attempts, key=lambda a: a.claimed_at):
        by_number[attempt.number.lstrip("+")].append(attempt)
    earlier: dict[str, list[Call]] = defaultdict(list)
    for call in seen.calls:
        taken = {id(other.attempt) for other in earlier[call.number]}
        fits = [a for a in by_number[call.number] if _within(call.invited_at, a) and id(a) not in taken]
        call.attempt = fits[0] if fits else None
        name = f"{call.attempt.id if call.attempt else '?'} +{call.number}"
        if call.attempt is None:
            verdict.blame("dialed_twice", name, f"INVITE at {_clock(call.invited_at)} that no attempt stands for")
        for other in earlier[call.number]:
            if (other.ended_at is None or other.ended_at > call.invited_at) and not _dead(seen, other):
                verdict.blame("dialed_twice", name, "dialed while another call to this number was up")
        unknown = [a for a in by_number[call.number] if a.result == "UNKNOWN" and a.ended_at]
        if any(a is not call.attempt and a.ended_at and a.ended_at < call.invited_at for a in unknown):
            verdict.blame("dialed_twice", name, "dialed after an attempt whose end nobody knows")
        earlier[call.number].append(call)


def _within(at: datetime, attempt: Attempt) -> bool:
    return attempt.claimed_at - SLACK <= at and (attempt.ended_at is None or at <= attempt.ended_at + SLACK)


def _dead(seen: Seen, call: Call) -> bool:
    """The exchange was killed while it was up: the far end only waits for nobody."""
    kills = [f.began for f in seen.faults if f.kind == "kill asterisk"]
    return any(call.invited_at <= at and (call.ended_at is None or at <= call.ended_at) for at in kills)


def _caps(seen: Seen, verdict: Verdict) -> None:
    if seen.rules is None or seen.calendar is None:
        return
    ledgers: dict[UUID, list[Entry]] = defaultdict(list)
    for call in seen.calls:
        contact = seen.contacts.get(call.attempt.id) if call.attempt else None
        if call.attempt is None or contact is None:
            continue
        at, ledger = call.invited_at + seen.offset, ledgers[call.attempt.person_id]
        decision = decide(contact, at, seen.rules, seen.calendar, LedgerView(tuple(ledger)))
        if not decision.allow:
            why = ", ".join(f"{reason.code.value} {reason.rule_id or ''}".strip() for reason in decision.reasons)
            verdict.blame("caps_passed", call.attempt.id, f"+{call.number} at {_clock(call.invited_at)}: {why}")
        if call.code not in NO_CONTACT:
            lasted = (call.ended_at or call.invited_at) - call.invited_at
            minutes = Decimal(str(round(lasted.total_seconds() / 60, 2)))
            answered = call.answered_at is not None
            ledger.append(Entry(at=at, channel="call", actor="dialer", conversation=answered, minutes=minutes))


# --- what stands in the case file --------------------------------------------------------------------------------


def _history(seen: Seen, verdict: Verdict) -> None:
    for call in seen.calls:
        if call.answered_at is None:
            continue
        if call.attempt is None or call.attempt.lines == 0:
            verdict.blame(
                "history_missing", call.attempt.id if call.attempt else f"+{call.number}", "answered, no line"
            )
        elif call.packets and call.attempt.result not in ANSWERS:
            reason = f"answered at {_clock(call.answered_at)} and heard, but the line says {call.attempt.result}"
            verdict.blame("history_missing", call.attempt.id, reason)
    for attempt in seen.attempts:
        if attempt.lines > 1:
            verdict.blame("history_double", attempt.id, f"{attempt.lines} lines")


def _mismatches(seen: Seen, verdict: Verdict) -> None:
    attempts = {attempt.id: attempt for attempt in seen.attempts}
    for line in seen.robots:
        attempt = attempts.get(str(line.get("call_id", "")))
        event = line["event"]
        if event not in {"CARD", "VOICE", "RESULT"} or (event == "RESULT" and line["status"] >= 300):
            continue
        if attempt is None:
            verdict.blame("mismatched", str(line.get("call_id")), f"{event} of a call that is none, at {line['robot']}")
            continue
        if event == "CARD" and attempt.agent != line["robot"]:
            _card_elsewhere(attempt, line, seen, verdict)
        elif attempt.agent != line["robot"]:
            verdict.blame("mismatched", attempt.id, f"{event} at {line['robot']}, but its agent is {attempt.agent}")
        elif event == "VOICE" and line["chord"] != str(tones.borrower(attempt.number)):
            verdict.blame("mismatched", attempt.id, f"{line['robot']} heard {line['chord']}: another borrower's voice")
        elif event == "VOICE" and line["card"] != attempt.id:
            verdict.blame("mismatched", attempt.id, f"the card before {line['robot']} is of {line['card']}")
        elif event == "RESULT" and attempt.outcome != line["outcome"]:
            verdict.blame("mismatched", attempt.id, f"saved {line['outcome']}, kept {attempt.outcome}")
    for attempt in seen.attempts:
        if attempt.borrower_chord not in {None, str(tones.borrower(attempt.number))}:
            verdict.blame("mismatched", attempt.id, f"its recording has {attempt.borrower_chord} as borrower")
        if attempt.agent_user and attempt.agent_chord not in {None, str(tones.agent(attempt.agent_user))}:
            verdict.blame("mismatched", attempt.id, f"its recording has {attempt.agent_chord} as agent")
    _one_call_at_a_time(seen.attempts, verdict)


def _card_elsewhere(attempt: Attempt, card: Mapping[str, Any], seen: Seen, verdict: Verdict) -> None:
    if not _was_withdrawn(attempt, card):
        theirs = ", ".join(f"{who} {_clock(a)} to {_clock(b)}" for who, a, b in attempt.withdrawn)
        reason = (
            f"CARD at {card['robot']}, but its agent is {attempt.agent} (asked for {card['asked']}, there {card['at']};"
        )
        verdict.blame("mismatched", attempt.id, f"{reason} withdrawn: {theirs or 'from nobody'})")
    elif not _went(seen.robots, card):
        verdict.blame("mismatched", attempt.id, f"withdrawn from {card['robot']}, but its card stayed there")


def _was_withdrawn(attempt: Attempt, card: Mapping[str, Any]) -> bool:
    """The desk asked for the card while the call was the agent's; then his line died, and the call went on to another.
    A console that stands still, or a slow database, may give the answer when that is over."""
    asked, at = datetime.fromisoformat(card["asked"]), datetime.fromisoformat(card["at"])
    return any(
        login == card["robot"] and since - SLACK <= at and asked <= until + SLACK
        for login, since, until in attempt.withdrawn
    )


def _went(robots: Iterable[Mapping[str, Any]], card: Mapping[str, Any]) -> bool:
    """The withdrawn card left that desk; while the console is away (LOST) no desk can be told, and pages say so."""
    shown = told = datetime.fromisoformat(card["at"])
    for line in robots:
        at = datetime.fromisoformat(line["at"]) if line.get("robot") == card["robot"] else shown
        if at <= shown:
            continue
        if line["event"] == "LOST":
            told = at
        elif line["event"] == "CARD_GONE" and line["call_id"] == card["call_id"]:
            return at <= told + CARD_GONE_LIMIT
    return False


def _one_call_at_a_time(attempts: Sequence[Attempt], verdict: Verdict) -> None:
    last: dict[str, Attempt] = {}
    bridged = [a for a in attempts if a.agent and a.bridged_at and a.ended_at]
    for attempt in sorted(bridged, key=lambda a: a.bridged_at or a.claimed_at):
        before = last.get(attempt.agent)
        if before and before.ended_at and attempt.bridged_at and before.ended_at > attempt.bridged_at + SLACK:
            verdict.blame("mismatched", attempt.id, f"{attempt.agent} was still with {before.id}")
        last[attempt.agent] = attempt


def _recordings(seen: Seen, verdict: Verdict) -> None:
    for file in seen.strange_files:
        verdict.blame("orphan_recordings", file, "a file without a call")
    heard = {id(call.attempt) for call in seen.calls if call.attempt and call.answered_at and call.packets}
    for attempt in seen.attempts:
        if attempt.answered_at is None and id(attempt) not in heard:
            continue  # a call whose end nobody knows has no recording to lose
        if attempt.recording not in {"SEALED", "NONE"} or (attempt.recording == "SEALED" and not attempt.file):
            reason = f"{attempt.result}, answered {attempt.answered_at}: {attempt.recording}, no file"
            verdict.blame("orphan_recordings", attempt.id, reason)


# --- after the faults --------------------------------------------------------------------------------------------


def _unknown(seen: Seen, verdict: Verdict) -> None:
    unknown = [a for a in seen.attempts if a.result == "UNKNOWN"]
    verdict.unknown = len(unknown)
    for attempt in unknown:
        if not any(f.began - BEFORE_A_FAULT <= attempt.claimed_at <= f.ended + SLACK for f in seen.faults):
            verdict.blame("unknown", attempt.id, f"claimed at {_clock(attempt.claimed_at)}, with no fault near")
    if len(unknown) > UNKNOWN_A_KILL * max(len(seen.faults), 1):
        for attempt in unknown:
            verdict.blame("unknown", attempt.id, f"one of {len(unknown)} after {len(seen.faults)} faults")


def _recoveries(seen: Seen) -> list[float]:
    """Seconds from each fault's end to the first call that was claimed after it, or to the next fault."""
    placed = sorted((c.attempt.claimed_at, c.invited_at) for c in seen.calls if c.attempt)
    found = []
    for n, fault in enumerate(seen.faults):
        again = next((invited for claimed, invited in placed if claimed >= fault.ended), None)
        after = seen.faults[n + 1].began if n + 1 < len(seen.faults) else None
        ends = [at for at in (again, after) if at is not None]
        found.append(max((min(ends) - fault.ended).total_seconds(), 0.0) if ends else NEVER_S)
    return found


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S.%f}"[:-3]
