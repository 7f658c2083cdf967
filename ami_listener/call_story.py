"""The fold (pure): facts from AMI and from the CEL file -> what they mean for the bank.

Two sources tell of each call. AMI has the SIP code and the ringing, but is lost with its link; the CEL file is written
by Asterisk itself, in order, but has neither. Of each kind of fact a story keeps the first instant, by source, so
repetition, delay and order change nothing. A call is over for the bank when both sources have told its end; when one
stays silent, after GRACE. Tests are text tables of events.

A call whose trunk failed may go out on another one under the same id: a channel that begins after the end opens the
story of its next leg, and each leg's end is told.

One `Stories` holds what is known of calls that are not over; of a call that is over only its id, for a while.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from ami_listener.heard import (
    Answered,
    Began,
    EnteredBridge,
    FarSideHungUp,
    Gap,
    Heard,
    HungUp,
    Line,
    MessagePlayed,
    NotOriginated,
    Party,
    Rang,
    RobotAgent,
    RobotStop,
    RobotTold,
    Spoke,
)
from backoffice_core.call_centre.rules import CallFacts

NO_ROUTE = 3  # Q.850: Asterisk found no way to the trunk and made no channel
GRACE = timedelta(seconds=2)  # so long the second source is waited for; the two are milliseconds apart
PATIENCE = timedelta(seconds=20)  # an end from AMI alone, of an answered call whose middle may be missing
APART = timedelta(milliseconds=20)  # legs of a call are further apart than the stamps of the two sources
REMEMBERED = timedelta(minutes=5)  # so long a latecomer does not open the story of a call that is over again


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
    call_id: UUID
    facts: CallFacts


@dataclass(frozen=True)
class CodeHeard(Meaning):
    """The SIP code of a call that was closed by the CEL file before AMI told it."""

    call_id: UUID
    sip_code: int


@dataclass(frozen=True)
class LineUp(Meaning):
    line: Line
    channel: str


@dataclass(frozen=True)
class LineHeard(Meaning):
    """In the echo test: sound comes from the phone."""

    line: Line


@dataclass(frozen=True)
class LineDown(Meaning):
    line: Line
    hung_up: bool  # the phone ended it; otherwise we did, or it was never answered


Times = dict[type, datetime]  # kind of fact -> its first instant


@dataclass
class _Story:
    """What both sources told of one channel so far."""

    ami: Times = field(default_factory=dict)
    cel: Times = field(default_factory=dict)
    ends: dict[bool, HungUp] = field(default_factory=dict)  # from CEL? -> the end
    met: dict[bool, datetime] = field(default_factory=dict)  # from CEL? -> the voices met
    bridges: set[str] = field(default_factory=set)
    channel: str = ""
    far_side_hung_up: bool = False
    gap: bool = False  # something from AMI may be missing
    last_at: datetime | None = None
    told: set[type] = field(default_factory=set)
    leg: int = 1  # the n-th trunk that the call tries
    since: datetime | None = None  # what is older belongs to the leg before

    def note(self, kind: type, heard: Heard) -> None:
        times = self.cel if heard.cel else self.ami
        times[kind] = min(times.get(kind, heard.at), heard.at)

    def at(self, kind: type) -> datetime | None:
        return self.ami.get(kind) or self.cel.get(kind)

    @property
    def met_at(self) -> datetime | None:
        """A borrower enters no other bridge than that of a talk, so his own entry is enough when the line's is missing."""
        return self.met.get(False) or self.met.get(True) or self.at(EnteredBridge)

    @property
    def end_at(self) -> datetime | None:
        end = self.ends.get(False) or self.ends.get(True)
        return end.at if end else None


@dataclass
class _Over:
    at: datetime
    code_known: bool
    leg: int = 1


@dataclass
class Stories:
    open: dict[Party, _Story] = field(default_factory=dict)
    over: dict[Party, _Over] = field(default_factory=dict)
    bridges: dict[str, dict[tuple[Party, bool], datetime]] = field(default_factory=dict)  # (who, from CEL?) -> entered
    booted_at: datetime | None = None  # Asterisk's last start, as far as was heard

    # --- hearing -------------------------------------------------------------------------------------------------

    def hear(self, heard: Heard | Gap) -> list[Meaning]:
        if isinstance(heard, Gap):
            self.booted_at = heard.booted_at or self.booted_at
            for story in self.open.values():
                story.gap = True
            return []
        before = self._leg_before(heard)
        if heard.who in self.over:
            return self._late(heard)
        story = self.open.setdefault(heard.who, _Story())
        if (story.since and heard.at < story.since) or (isinstance(heard, NotOriginated) and heard.leg < story.leg):
            return []
        story.last_at = max(story.last_at or heard.at, heard.at)
        match heard:
            case HungUp():
                known = story.ends.get(heard.cel)
                if known is None or heard.at < known.at:
                    story.ends[heard.cel] = heard
                story.far_side_hung_up |= heard.far_side
            case FarSideHungUp():
                story.far_side_hung_up = True
            case EnteredBridge():
                story.bridges.add(heard.bridge)
                story.note(EnteredBridge, heard)
                return before + self._enter(heard) + self._tell(heard.who, story)
            case Answered():
                story.channel = heard.channel or story.channel
                story.note(Answered, heard)
            case Spoke():
                return [LineHeard(heard.at, heard.who)] if isinstance(heard.who, Line) else []
            case Began() | Rang() | MessagePlayed() | NotOriginated() | RobotTold() | RobotAgent() | RobotStop():
                story.note(type(heard), heard)
        return before + self._tell(heard.who, story)

    def _leg_before(self, heard: Heard) -> list[Meaning]:
        """Closes the leg before when this call goes out on a further trunk: by a channel that begins after the end, or by
        an Originate that made none. What only one source told of that end is told now."""
        who, meant = heard.who, list[Meaning]()
        if not isinstance(who, UUID):
            return []
        story = self.open.get(who)
        if story and story.end_at and isinstance(heard, Began) and heard.at > story.end_at + APART:
            meant.append(self._close(who, story, self._end_of(story)))
        over = self.over.get(who)
        if over and (
            (isinstance(heard, Began) and heard.at > over.at + APART)
            or (isinstance(heard, NotOriginated) and heard.leg > over.leg)
        ):
            del self.over[who]
            self.open[who] = _Story(leg=over.leg + 1, since=heard.at - APART)
        return meant

    def overdue(self, now: datetime) -> list[Meaning]:
        """Ends of which only one source told. `now` is the exchange's clock. Ask only when nothing waits to be heard.

        Also forgets what is long over.
        """
        self.over = {who: one for who, one in self.over.items() if now - one.at < REMEMBERED}
        stale = [name for name, inside in self.bridges.items() if now - max(inside.values()) > REMEMBERED]
        for name in stale:
            del self.bridges[name]
        over = [
            self._close(who, story, self._end_of(story))
            for who, story in list(self.open.items())
            if self._waited_enough(who, story, now)
        ]
        return sorted(over, key=lambda meaning: meaning.at)

    @property
    def half_told(self) -> bool:
        """Whether of some end only one source told so far."""
        return any(len(story.ends) == 1 for story in self.open.values())

    def last_evidence(self, call_id: UUID) -> datetime | None:
        """The last instant of which any source told while its end is not known; None when nothing was heard."""
        story = self.open.get(call_id)
        return story.last_at if story and not story.ends else None

    def forget_closed(self, live: Collection[UUID], now: datetime) -> None:
        """Stories that PostgreSQL does not know as `live`: opened by latecomers of a call closed before our start."""
        for who, story in list(self.open.items()):
            if isinstance(who, UUID) and who not in live and story.last_at and now - story.last_at > REMEMBERED:
                del self.open[who]

    def give_up(self, call_id: UUID, at: datetime) -> CallEnded:
        """The exchange does not have this call any more and nobody told its end: over at its last evidence `at`."""
        story = self.open.get(call_id, _Story())
        known = bool(story.ami or story.cel)
        ended = self._close(call_id, story, HungUp(call_id, at, None, None), estimated=True, heard=known)
        assert isinstance(ended, CallEnded)  # noqa: S101 (call_id is a call)
        return ended

    # --- telling -------------------------------------------------------------------------------------------------

    def _tell(self, who: Party, story: _Story) -> list[Meaning]:
        """What has become known and was not told yet, in the order in which it happens in a call."""
        told: list[Meaning] = []
        if isinstance(who, UUID):
            for kind, meaning in ((Rang, CallRang), (Answered, CallAnswered), (MessagePlayed, MessageHeard)):
                at = story.at(kind)
                if at and kind not in story.told:
                    story.told.add(kind)
                    told.append(meaning(at, who))
        elif story.at(Answered) and Answered not in story.told and not story.ends:
            story.told.add(Answered)
            told.append(LineUp(story.at(Answered) or story.last_at, who, story.channel))  # type: ignore[arg-type]
        elif story.at(NotOriginated) and not story.at(Answered):
            return [self._close(who, story, self._end_of(story))]
        if len(story.ends) == 2:
            told.append(self._close(who, story, self._end_of(story)))
        return told

    def _enter(self, heard: EnteredBridge) -> list[Meaning]:
        inside = self.bridges.setdefault(heard.bridge, {})
        key = (heard.who, heard.cel)
        inside[key] = min(inside.get(key, heard.at), heard.at)
        call_id = next((who for who, _ in inside if isinstance(who, UUID)), None)
        line = next((who for who, _ in inside if isinstance(who, Line)), None)
        story = self.open.get(call_id) if call_id else None
        if call_id is None or line is None or story is None:
            return []
        for cel in (False, True):
            both = [inside.get((who, cel)) or inside.get((who, not cel)) for who in (call_id, line)]
            if (call_id, cel) in inside or (line, cel) in inside:
                story.met[cel] = max(at for at in both if at)
        if EnteredBridge in story.told:
            return []
        story.told.add(EnteredBridge)
        return [VoicesMet(story.met_at or heard.at, call_id, line)]

    def _late(self, heard: Heard) -> list[Meaning]:
        over = self.over[heard.who]
        if isinstance(heard.who, UUID) and isinstance(heard, HungUp) and heard.sip_code and not over.code_known:
            over.code_known = True
            return [CodeHeard(heard.at, heard.who, heard.sip_code)]
        return []

    # --- ending --------------------------------------------------------------------------------------------------

    def _waited_enough(self, who: Party, story: _Story, now: datetime) -> bool:
        if not story.ends:
            refused = story.at(NotOriginated)
            channel_was = story.at(Began) or story.at(Rang) or story.at(Answered)
            return refused is not None and not channel_was and now - refused >= GRACE
        end = story.ends.get(False)
        if end is None or isinstance(who, Line):
            return now - (story.end_at or now) >= GRACE
        whole = Began in story.ami and not story.gap
        middle = Answered in story.ami and (story.met_at or MessagePlayed in story.ami)
        sure = middle or not end.was_up or (whole and Answered in story.ami)
        return now - end.at >= (GRACE if sure else PATIENCE)

    def _end_of(self, story: _Story) -> HungUp | None:
        """The end as both sources tell it: AMI's instant and SIP code, either's cause."""
        ami, cel = story.ends.get(False), story.ends.get(True)
        if ami and cel:
            return HungUp(ami.who, ami.at, ami.cause or cel.cause, ami.sip_code)
        return ami or cel

    def _close(
        self, who: Party, story: _Story, end: HungUp | None, *, estimated: bool = False, heard: bool = True
    ) -> Meaning:
        """Without an `end` there was no channel: Asterisk found no route."""
        at = end.at if end else story.at(NotOriginated) or story.last_at
        assert at is not None  # noqa: S101 (a story has an end or was not originated)
        self.open.pop(who, None)
        self.over[who] = _Over(at, code_known=bool(end and end.sip_code), leg=story.leg)
        if isinstance(who, Line):
            return LineDown(at, who, hung_up=story.far_side_hung_up)
        for bridge in story.bridges:
            self.bridges.pop(bridge, None)
        facts = CallFacts(
            rang_at=story.at(Rang), answered_at=story.at(Answered), bridged_at=story.met_at,
            message_at=story.at(MessagePlayed), told_at=story.at(RobotTold), asked_at=story.at(RobotAgent),
            stop_asked_at=story.at(RobotStop), ended_at=at, cause=end.cause if end else NO_ROUTE,
            sip_code=end.sip_code if end else None, far_side_hung_up=story.far_side_hung_up, heard=heard,
            estimated=estimated,
        )  # fmt: skip
        return CallEnded(at, who, facts)
