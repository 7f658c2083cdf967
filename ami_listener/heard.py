"""What the exchange said, as the listener's own words (pure): one AMI event -> at most one fact, or None.

Ids: a borrower's channel carries its call_id as Uniqueid, an agent's line `leg-<session>-<n>`; all else is not ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

UP, RINGING = "6", "5"  # ChannelState


@dataclass(frozen=True)
class Line:
    """One try of an agent's line: the n-th of this seat."""

    session_id: UUID
    n: int


Party = UUID | Line  # a call or an agent's line


@dataclass(frozen=True)
class Heard:
    who: Party
    at: datetime  # Asterisk's own stamp


@dataclass(frozen=True)
class Began(Heard):
    """A channel came to be."""


@dataclass(frozen=True)
class Rang(Heard):
    pass


@dataclass(frozen=True)
class Answered(Heard):
    channel: str


@dataclass(frozen=True)
class EnteredBridge(Heard):
    bridge: str


@dataclass(frozen=True)
class LeftBridge(Heard):
    bridge: str


@dataclass(frozen=True)
class MessagePlayed(Heard):
    """The dialplan tells the borrower that nobody is free."""


@dataclass(frozen=True)
class NotOriginated(Heard):
    """OriginateResponse Failure. For most failures HungUp comes too, before or after; for some it is all there is."""


@dataclass(frozen=True)
class FarSideHungUp(Heard):
    """The phone or the carrier ended it (BYE, or a refusal), not we. HungUp follows."""


@dataclass(frozen=True)
class HungUp(Heard):
    cause: int | None
    sip_code: int | None


def party(uniqueid: str) -> Party | None:
    try:
        if uniqueid.startswith("leg-"):
            session, _, n = uniqueid.removeprefix("leg-").rpartition("-")
            return Line(UUID(session), int(n))
        return UUID(uniqueid)
    except ValueError:
        return None


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) > 0 else None


def parse(event: Mapping[str, str]) -> Heard | None:
    """`event` needs `timestampevents=yes` in manager.conf; without a stamp the event is not used."""
    name = event.get("Event", "")
    who = party(event.get("ActionID" if name == "OriginateResponse" else "Uniqueid", "") or "")
    stamp = event.get("Timestamp", "")
    if who is None or not stamp:
        return None
    at = datetime.fromtimestamp(float(stamp), UTC)
    match name:
        case "Newchannel":
            return Began(who, at)
        case "Newstate" if event.get("ChannelState") == RINGING:
            return Rang(who, at)
        case "Newstate" if event.get("ChannelState") == UP:
            return Answered(who, at, event.get("Channel", ""))
        case "BridgeEnter":
            return EnteredBridge(who, at, event.get("BridgeUniqueid", ""))
        case "BridgeLeave":
            return LeftBridge(who, at, event.get("BridgeUniqueid", ""))
        case "UserEvent" if event.get("UserEvent") == "BoMessage":
            return MessagePlayed(who, at)
        case "OriginateResponse" if event.get("Response") == "Failure":
            return NotOriginated(who, at)
        case "HangupRequest":
            return FarSideHungUp(who, at)
        case "Hangup":
            return HungUp(who, at, _number(event.get("Cause", "")), _number(event.get("TechCause", "")))
    return None
