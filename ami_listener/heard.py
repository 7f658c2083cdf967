"""What the exchange said, as the listener's own words (pure): one AMI event or one row of the CEL file -> at most one
fact, or None.

Ids: a borrower's channel carries its call_id as Uniqueid on each trunk that the call tries, an agent's line
`leg-<session>-<n>`. A borrower who calls us has a channel with an id of the exchange's own; its account code
`in.<call_id>.<contact point>` names it. All else is not ours.
A fact goes to disk and to PostgreSQL as plain values (`pack`, `unpack`).
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any
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
    cel: bool = field(default=False, kw_only=True)  # from the CEL file; otherwise from AMI


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
class Spoke(Heard):
    """The exchange hears sound from this phone; told in the echo test of an agent's line only (AMI only)."""


@dataclass(frozen=True)
class MessagePlayed(Heard):
    """The dialplan tells the borrower that nobody is free."""


@dataclass(frozen=True)
class RobotTold(Heard):
    """The message of a call without an agent was heard to its end."""


@dataclass(frozen=True)
class RobotAgent(Heard):
    """In such a call he pressed the key for an agent."""


@dataclass(frozen=True)
class RobotStop(Heard):
    """In such a call he pressed the key not to be called any more."""


@dataclass(frozen=True)
class NotOriginated(Heard):
    """OriginateResponse Failure. For most failures HungUp comes too, before or after; for some it is all there is.

    `leg`: which of the call's trunks it was, as the ActionID says."""

    leg: int = 1


@dataclass(frozen=True)
class FarSideHungUp(Heard):
    """The phone or the carrier ended it (BYE, or a refusal), not we. HungUp follows."""


@dataclass(frozen=True)
class HungUp(Heard):
    """`was_up`: the channel's own word that it had been answered (AMI only). `far_side`: CEL's for FarSideHungUp."""

    cause: int | None
    sip_code: int | None
    was_up: bool | None = None
    far_side: bool = False


@dataclass(frozen=True)
class Gap:
    """From here on something may be missing before it: a new link, or a spool that had no room."""

    at: datetime
    booted_at: datetime | None = None  # a new link: Asterisk's start


def party(uniqueid: str) -> Party | None:
    try:
        if uniqueid.startswith("leg-"):
            session, _, n = uniqueid.removeprefix("leg-").rpartition("-")
            return Line(UUID(session), int(n))
        return UUID(uniqueid)
    except ValueError:
        return None


def _party_of(uniqueid: str, account: str) -> Party | None:
    came_in = account.startswith("in.")
    return party(account.split(".")[1]) if came_in and not uniqueid.startswith("leg-") else party(uniqueid)


def uniqueid_of(who: Party) -> str:
    """What `party` reads."""
    return f"leg-{who.session_id}-{who.n}" if isinstance(who, Line) else str(who)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) > 0 else None


def _moment(stamp: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        return None


_OF_DIALPLAN: dict[str, type[Heard]] = {  # its own events, the same names in AMI and in the CEL file
    "BoMessage": MessagePlayed,
    "BoCallIn": Began,
    "BoRobotTold": RobotTold,
    "BoRobotAgent": RobotAgent,
    "BoRobotStop": RobotStop,
}
_BARE: dict[str, type[Heard]] = {
    "Newchannel": Began,
    "HangupRequest": FarSideHungUp,
    "ChannelTalkingStart": Spoke,
}


def parse(event: Mapping[str, str]) -> Heard | None:
    """`event` needs `timestampevents=yes` in manager.conf; without a stamp the event is not used."""
    name, further = event.get("Event", ""), ""
    uniqueid = event.get("ActionID" if name == "OriginateResponse" else "Uniqueid", "") or ""
    if name == "OriginateResponse":  # <call_id> or, from the second trunk on, <call_id>.<n>
        uniqueid, _, further = uniqueid.partition(".")
    who = _party_of(uniqueid, event.get("AccountCode", "") or "")
    at = _moment(event.get("Timestamp", ""))
    if who is None or at is None:
        return None
    if name in _BARE:
        return _BARE[name](who, at)
    match name:
        case "Newstate" if event.get("ChannelState") == RINGING:
            return Rang(who, at)
        case "Newstate" if event.get("ChannelState") == UP:
            return Answered(who, at, event.get("Channel", ""))
        case "BridgeEnter":
            return EnteredBridge(who, at, event.get("BridgeUniqueid", ""))
        case "BridgeLeave":
            return LeftBridge(who, at, event.get("BridgeUniqueid", ""))
        case "UserEvent" if event.get("UserEvent") in _OF_DIALPLAN:
            return _OF_DIALPLAN[event["UserEvent"]](who, at)
        case "OriginateResponse" if event.get("Response") == "Failure":
            return NotOriginated(who, at, _number(further) or 1)
        case "Hangup":
            cause, code = _number(event.get("Cause", "")), _number(event.get("TechCause", ""))
            return HungUp(who, at, cause, code, was_up=event.get("ChannelState") == UP)
    return None


def parse_cel(row: Mapping[str, str]) -> Heard | None:
    """One row of the CEL file (`asterisk_conf.CEL_COLUMNS`). It has the cause of an end, but no SIP code."""
    who = _party_of(row.get("uniqueid", ""), row.get("account", "") or "")
    at = _moment(row.get("eventtime", ""))
    if who is None or at is None:
        return None
    match row.get("eventtype"):
        case "CHAN_START":
            return Began(who, at, cel=True)
        case "ANSWER":
            return Answered(who, at, row.get("channame", ""), cel=True)
        case "BRIDGE_ENTER":
            return EnteredBridge(who, at, str(_extra(row).get("bridge_id", "")), cel=True)
        case "BRIDGE_EXIT":
            return LeftBridge(who, at, str(_extra(row).get("bridge_id", "")), cel=True)
        case "HANGUP":
            extra = _extra(row)
            far_side = bool(row.get("channame")) and extra.get("hangupsource") == row.get("channame")
            return HungUp(who, at, _number(str(extra.get("hangupcause", ""))), None, far_side=far_side, cel=True)
        case _ if row.get("userevent") in _OF_DIALPLAN:
            return _OF_DIALPLAN[row["userevent"]](who, at, cel=True)
    return None


def _extra(row: Mapping[str, str]) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        found = json.loads(row.get("extra", "") or "{}")
        return found if isinstance(found, dict) else {}
    return {}


KINDS: dict[str, type[Heard]] = {
    kind.__name__: kind
    for kind in (
        Began,
        Rang,
        Answered,
        EnteredBridge,
        LeftBridge,
        Spoke,
        MessagePlayed,
        RobotTold,
        RobotAgent,
        RobotStop,
        NotOriginated,
        FarSideHungUp,
        HungUp,
    )
}
_DETAILS = {name: [f.name for f in fields(kind) if f.name not in ("who", "at", "cel")] for name, kind in KINDS.items()}


def pack(heard: Heard | Gap) -> list[Any]:
    """Values that JSON knows: kind, uniqueid, stamp in seconds, from CEL?, then the kind's own."""
    if isinstance(heard, Gap):
        return ["Gap", "", heard.at.timestamp(), False, heard.booted_at and heard.booted_at.timestamp()]
    name = type(heard).__name__
    details = [getattr(heard, detail) for detail in _DETAILS[name]]
    return [name, uniqueid_of(heard.who), heard.at.timestamp(), heard.cel, *details]


def unpack(values: Sequence[Any]) -> Heard | Gap | None:
    """None for what another version wrote and this one does not know."""
    try:
        name, uniqueid, stamp, cel, *details = values
        at = datetime.fromtimestamp(stamp, UTC)
        if name == "Gap":
            return Gap(at, datetime.fromtimestamp(details[0], UTC) if details[0] else None)
        who = party(uniqueid)
        return None if who is None else KINDS[name](who, at, *details, cel=cel)
    except (ValueError, TypeError, KeyError, IndexError):
        return None
