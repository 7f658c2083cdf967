"""The fold (pure): facts in the order of the wire -> what they mean for the bank. Tests are text tables of events.

One `Stories` holds what is known of calls that are not over; it forgets a call at its end. Facts that come twice or
after the end change nothing.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from ami_listener.heard import (
    Answered,
    Began,
    EnteredBridge,
    FarSideHungUp,
    Heard,
    HungUp,
    LeftBridge,
    Line,
    MessagePlayed,
    NotOriginated,
    Party,
    Rang,
)
from backoffice_core.call_centre.rules import CallFacts

NO_ROUTE = 3  # Q.850: Asterisk found no way to the trunk and made no channel
NO_CHANNEL_AFTER = timedelta(seconds=2)  # a failed Originate whose Hangup has not come by then had no channel


@dataclass(frozen=True)
class Meaning:
    at: datetime


@dataclass(frozen=True)
class CallRang(Meaning):
    call_id: UUID


@dataclass(frozen=True)
class CallAnswered(Meaning):
    call_id: UUID


@dataclass(frozen=True)
class VoicesMet(Meaning):
    """Borrower and agent are in one bridge: the second of them entered."""

    call_id: UUID
    line: Line


@dataclass(frozen=True)
class MessageHeard(Meaning):
    call_id: UUID


@dataclass(frozen=True)
class CallEnded(Meaning):
    """`whole` False: the story's beginning was not heard (we were started in the middle), so facts may be missing."""

    call_id: UUID
    facts: CallFacts
    whole: bool = True


@dataclass(frozen=True)
class LineUp(Meaning):
    line: Line
    channel: str


@dataclass(frozen=True)
class LineDown(Meaning):
    line: Line
    hung_up: bool  # the phone ended it; otherwise we did, or it was never answered


@dataclass
class _Call:
    rang_at: datetime | None = None
    answered_at: datetime | None = None
    bridged_at: datetime | None = None
    message_at: datetime | None = None
    not_originated_at: datetime | None = None
    began: bool = False
    far_side_hung_up: bool = False


@dataclass
class Stories:
    calls: dict[UUID, _Call] = field(default_factory=dict)
    lines: set[Line] = field(default_factory=set)  # lines that are up
    put_down: set[Line] = field(default_factory=set)  # lines that their phone ended
    bridges: dict[str, set[Party]] = field(default_factory=dict)
    ended: dict[Party, datetime] = field(default_factory=dict)  # lately, so that latecomers do not open a story again

    def hear(self, heard: Heard) -> list[Meaning]:
        if heard.who in self.ended:
            return []
        return self._line(heard.who, heard) if isinstance(heard.who, Line) else self._call(heard.who, heard)

    def overdue(self, now: datetime) -> list[Meaning]:
        """Calls whose Originate failed without any channel. `now` is the exchange's clock. Also forgets old endings."""
        self.ended = {who: at for who, at in self.ended.items() if now - at < timedelta(minutes=5)}
        gone = [
            call_id
            for call_id, call in self.calls.items()
            if call.not_originated_at
            and not (call.began or call.rang_at or call.answered_at)
            and now - call.not_originated_at >= NO_CHANNEL_AFTER
        ]
        return [self._end(call_id, self.calls[call_id].not_originated_at or now, NO_ROUTE, None) for call_id in gone]

    def _call(self, call_id: UUID, heard: Heard) -> list[Meaning]:
        call = self.calls.setdefault(call_id, _Call())
        match heard:
            case Began():
                call.began = True
            case Rang() if call.rang_at is None:
                call.rang_at = heard.at
                return [CallRang(heard.at, call_id)]
            case Answered() if call.answered_at is None:
                call.answered_at = heard.at
                return [CallAnswered(heard.at, call_id)]
            case MessagePlayed() if call.message_at is None:
                call.message_at = heard.at
                return [MessageHeard(heard.at, call_id)]
            case EnteredBridge():
                return self._enter(heard)
            case LeftBridge():
                self._leave(heard)
            case NotOriginated():
                call.not_originated_at = heard.at
            case FarSideHungUp():
                call.far_side_hung_up = True
            case HungUp():
                return [self._end(call_id, heard.at, heard.cause, heard.sip_code)]
        return []

    def _line(self, line: Line, heard: Heard) -> list[Meaning]:
        match heard:
            case Answered() if line not in self.lines:
                self.lines.add(line)
                return [LineUp(heard.at, line, heard.channel)]
            case EnteredBridge():
                return self._enter(heard)
            case LeftBridge():
                self._leave(heard)
            case NotOriginated() if line not in self.lines:
                return self._line_down(line, heard.at, hung_up=False)
            case FarSideHungUp():
                self.put_down.add(line)
            case HungUp():
                return self._line_down(line, heard.at, hung_up=line in self.put_down)
        return []

    def _enter(self, heard: EnteredBridge) -> list[Meaning]:
        inside = self.bridges.setdefault(heard.bridge, set())
        inside.add(heard.who)
        call_id = next((who for who in inside if isinstance(who, UUID)), None)
        line = next((who for who in inside if isinstance(who, Line)), None)
        if call_id is None or line is None:
            return []
        call = self.calls.setdefault(call_id, _Call())
        if call.bridged_at is not None:
            return []
        call.bridged_at = heard.at
        return [VoicesMet(heard.at, call_id, line)]

    def _leave(self, heard: LeftBridge) -> None:
        inside = self.bridges.get(heard.bridge)
        if inside is not None:
            inside.discard(heard.who)
            if not inside:
                del self.bridges[heard.bridge]

    def _forget(self, who: Party, at: datetime) -> None:
        self.ended[who] = at
        for bridge in [name for name, inside in self.bridges.items() if who in inside]:
            self.bridges[bridge].discard(who)
            if not self.bridges[bridge]:
                del self.bridges[bridge]

    def _end(self, call_id: UUID, at: datetime, cause: int | None, sip_code: int | None) -> CallEnded:
        call = self.calls.pop(call_id)
        self._forget(call_id, at)
        facts = CallFacts(
            rang_at=call.rang_at, answered_at=call.answered_at, bridged_at=call.bridged_at, message_at=call.message_at,
            ended_at=at, cause=cause, sip_code=sip_code, far_side_hung_up=call.far_side_hung_up,
        )  # fmt: skip
        return CallEnded(at, call_id, facts, whole=call.began)

    def _line_down(self, line: Line, at: datetime, *, hung_up: bool) -> list[Meaning]:
        self.lines.discard(line)
        self.put_down.discard(line)
        self._forget(line, at)
        return [LineDown(at, line, hung_up)]
