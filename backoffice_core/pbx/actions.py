"""What the programs ask of Asterisk. Every parameter has a form of its own here, and anything else is refused:

Asterisk reads `&` in a dial string as a second call, `,` in a variable as a second variable, `/` before a channel as
a pattern. All raise LinkDown (nothing sent), ActionUnknown (sent, no answer: may have happened) and BadInput.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from backoffice_core.config import Trunk
from backoffice_core.errors import BadInput
from backoffice_core.numbering import destination_refusal, written
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused

NORMAL_CLEARING, OUT_OF_ORDER = 16, 27  # Q.850

_NUMBER = re.compile(r"\+?[0-9]{1,20}")
_CALLER_ID = re.compile(r"(\+?[0-9]{1,15})?")
_RECORDING = re.compile(r"[0-9a-f-]+(/[0-9a-f-]+)*")
_LANGUAGE = re.compile(r"[a-z]{2}")
_ENDPOINT = re.compile(r"agent-[0-9]{2,6}(-web)?|bank:\+?[0-9]{2,15}")
BANK_PBX = "bank-pbx"  # the trunk to the bank's own exchange, in pjsip.conf
_LEG = re.compile(r"leg-[0-9A-Za-z]+(-[0-9A-Za-z]+)+")
_TEST = re.compile(r"test-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LISTEN = re.compile(r"beside|before")
_PROMPT = re.compile(r"[a-z0-9-]{1,40}")
_EXTENSION = re.compile(r"[0-9*#]{1,12}")
_ACCOUNT = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{32}(\.robot)?")
_FILE = re.compile(r"/[\w ./@+~-]*\.wav")
_CHANNEL = re.compile(r"[0-9A-Za-z][0-9A-Za-z@/.+_-]{0,149}")


@dataclass(frozen=True)
class LiveChannel:
    """One channel of `CoreShowChannels`. `bridge_id` is empty outside a bridge; `seconds` since its creation."""

    uniqueid: str
    linkedid: str
    name: str
    state: str
    application: str
    context: str
    seconds: int
    bridge_id: str


async def originate_borrower(
    ami: Ami,
    *,
    call_id: UUID,
    number: str,
    trunk: Trunk,
    caller_id: str,
    ring_timeout_s: int,
    recording: str,
    language: str,
    extension: str = "",
    account: str = "",
    leg: int = 1,
    listen: str = "",
    say: str = "",
) -> None:
    """Ring a borrower; on answer the dialplan's `borrower` takes over. Returns when Asterisk has queued the call.

    `call_id` becomes the channel's Uniqueid on each trunk that the call tries, and `leg_action` the ActionID, which
    OriginateResponse carries even when no channel came to be. `number`, `caller_id`: E.164; both are written as the trunk
    wants them. `extension`: digits that are dialled by tones once the number has answered. `recording`: path below the
    recordings folder without extension, of hexadecimal digits, `-` and `/`. `account` stands in each line of the CEL file
    (`account_of`). `listen`: beside or before: the ear of
    the AGI program hears who answers. `say`: the prompt that a call without an agent says.

    Whatever places a call to the telephone network comes through here: raises CallForbidden for a destination that the
    trunk may not call and for a hidden caller id, before anything is sent; ActionRefused when it was not queued.
    """
    await _originate(
        ami,
        ActionID=leg_action(call_id, leg),
        ChannelId=str(call_id),
        Context="borrower",
        Timeout=_milliseconds(ring_timeout_s),
        **_towards(trunk, number, caller_id),
        **({"Account": _form(_ACCOUNT, account, "an account")} if account else {}),
        Variable=[
            f"BO_REC={_form(_RECORDING, recording, 'a path of a recording')}",
            f"BO_LANG={_form(_LANGUAGE, language, 'a language')}",
            *([f"BO_EXT={_form(_EXTENSION, extension, 'an extension')}"] if extension else []),
            *([f"BO_HEAR={_form(_LISTEN, listen, 'a way to listen')}"] if listen else []),
            *([f"BO_SAY={_form(_PROMPT, say, 'a prompt')}"] if say else []),
        ],
    )


def leg_action(call_id: UUID, leg: int) -> str:
    """The ActionID of one leg: the call's id, and from the second leg on its number."""
    return str(call_id) if leg == 1 else f"{call_id}.{leg}"


async def originate_test(
    ami: Ami, *, channel_id: str, number: str, trunk: Trunk, caller_id: str, ring_timeout_s: int, language: str
) -> None:
    """Ring a number and say that this is a test. `channel_id`: `test-<uuid>`; no borrower's call carries such an id.
    Raises as `originate_borrower`."""
    await _originate(
        ami,
        ActionID=_form(_TEST, channel_id, "a test call's id"),
        ChannelId=channel_id,
        Context="trunk-test",
        Timeout=_milliseconds(ring_timeout_s),
        **_towards(trunk, number, caller_id),
        Variable=[f"BO_LANG={_form(_LANGUAGE, language, 'a language')}"],
    )


class CallForbidden(BadInput):
    """This trunk may not place this call."""

    code = "CALL_FORBIDDEN"


def _towards(trunk: Trunk, number: str, caller_id: str) -> dict[str, str]:
    """The one gate before Originate (FL-06): destination allowed, caller id shown, both written as the trunk wants."""
    _form(_NUMBER, number, "a telephone number")
    if reason := destination_refusal(number, trunk.allow, trunk.deny):
        raise CallForbidden(f"Trunk {trunk.name} may not call this destination ({reason}).", reason=reason)
    if not caller_id:
        raise CallForbidden("A call with a hidden number is not placed.", reason="CALLER_ID_HIDDEN")
    _form(_CALLER_ID, caller_id, "a caller id")
    try:
        dialed = written(number, trunk.number_format, trunk.country, trunk.number_prefix)
        shown = written(caller_id, trunk.caller_id_format, trunk.country)
    except ValueError as error:
        raise BadInput(f"Trunk {trunk.name} cannot write this number: {error}.") from None
    return {"Channel": f"PJSIP/{dialed}@{trunk.name}", "CallerID": shown}


def account_of(task_id: UUID, contact_point_id: UUID, *, robot: bool = False) -> str:
    """Whose call it is, and whether a message speaks in it, for the CEL file: ids only, never the number. Asterisk keeps at
    most 80 characters."""
    return f"{task_id.hex}.{contact_point_id.hex}" + (".robot" if robot else "")


async def originate_leg(ami: Ami, *, channel_id: str, endpoint: str, caller_id: str = "", ring_timeout_s: int) -> None:
    """Ring an agent's phone and let the line wait in `agent-hold`.

    `channel_id`: `leg-<session>-<n>`. `endpoint`: `agent-<ext>`, `agent-<ext>-web`, or `bank:<number>` on the bank's own
    exchange. Raises ActionRefused.
    """
    kind, _, number = _form(_ENDPOINT, endpoint, "an agent phone").partition(":")
    await _originate(
        ami,
        ActionID=_form(_LEG, channel_id, "a line's id"),
        Channel=f"PJSIP/{number}@{BANK_PBX}" if number else f"PJSIP/{kind}",
        ChannelId=channel_id,
        Context="agent-hold",
        Timeout=_milliseconds(ring_timeout_s),
        CallerID=_form(_CALLER_ID, caller_id, "a caller id"),
    )


async def send_line(ami: Ami, line_id: str, *, echo: bool) -> bool:
    """Send an agent's waiting line to the echo test, or from there back to waiting. False when there is no such line.

    Never ask for a line that may be in a talk: the borrower would be left alone.
    """
    reply = await ami.action(
        "Redirect", Channel=_form(_LEG, line_id, "a line's id"), Context="agent-echo",
        Exten="s" if echo else "back", Priority=1,
    )  # fmt: skip
    if "permission" in reply.message.lower():
        raise ActionRefused(f"The telephone exchange refused to move a line: {reply.message}.")
    return reply.ok


async def hang_up(ami: Ami, channel_or_uniqueid: str, cause: int = NORMAL_CLEARING) -> bool:
    """False when there is no such channel (any more). `cause`: Q.850, 1-127. Raises ActionRefused on other refusals."""
    if not 1 <= cause <= 127:
        raise BadInput(f"{cause} is no hang-up cause.")
    channel = _form(_CHANNEL, channel_or_uniqueid, "a channel")
    reply = await ami.action("Hangup", Channel=channel, Cause=cause)
    if not reply.ok and "no such channel" not in reply.message.lower():
        raise ActionRefused(f"The telephone exchange refused to hang up: {reply.message}.")
    return reply.ok


async def trunk_is_silent(ami: Ami, call_id: UUID) -> bool:
    """Whether the trunk has answered this call's INVITE with nothing at all, not even 100. False without such a channel.

    Asterisk tells no event of a 100, but keeps the last SIP answer with the channel.
    """
    reply = await ami.action("Getvar", Channel=str(call_id), Variable="HANGUPCAUSE_KEYS()")
    return reply.ok and not reply.fields.get("Value")


async def sound_of(ami: Ami, channel_id: str) -> str:
    """RTCP's figures of a channel, as `CHANNEL(rtcp,all)` writes them; empty when it is gone or has no sound."""
    channel = _form(_CHANNEL, channel_id, "a channel")
    reply = await ami.action("Getvar", Channel=channel, Variable="CHANNEL(rtcp,all)")
    return str(reply.fields.get("Value") or "") if reply.ok else ""


async def list_channels(ami: Ami) -> list[LiveChannel]:
    """All channels that are up now. Raises ActionRefused for a user without the right."""
    return [
        LiveChannel(
            uniqueid=row.get("Uniqueid"),
            linkedid=row.get("Linkedid"),
            name=row.get("Channel"),
            state=row.get("ChannelStateDesc"),
            application=row.get("Application"),
            context=row.get("Context"),
            seconds=_seconds(row.get("Duration")),
            bridge_id=row.get("BridgeId"),
        )
        for row in await ami.list_action("CoreShowChannels")
    ]


async def mute_recording(ami: Ami, channel: str, on: bool) -> bool:
    """Write silence into the recording of both sides while `on` (card data). False when the channel has none."""
    reply = await ami.action(
        "MixMonitorMute", Channel=_form(_CHANNEL, channel, "a channel"), Direction="both", State=int(on)
    )
    if "permission" in reply.message.lower():
        raise ActionRefused(f"The telephone exchange refused to pause the recording: {reply.message}.")
    return reply.ok


async def record_ringing(ami: Ami, channel_id: str, file: Path) -> str:
    """Record what a ringing line lets us hear, without answering it; returns the recording's id, "" when the channel is
    gone. The dialplan's `borrower` ends it at the answer. `file`: ends in .wav. Raises ActionRefused.
    """
    path = _form(_FILE, str(file), "a file for a recording")
    channel = _form(_CHANNEL, channel_id, "a channel")
    reply = await ami.action("MixMonitor", Channel=channel, File=path, Options="i(BO_EAR)")
    if not reply.ok and "no such channel" not in reply.message.lower():
        raise ActionRefused(f"The telephone exchange refused to record a ringing line: {reply.message}.")
    return str(reply.fields.get("MixMonitorID")) if reply.ok else ""


async def stop_recording_ringing(ami: Ami, channel_id: str, recording: str) -> bool:
    """False when the channel or its recording is gone."""
    reply = await ami.action(
        "StopMixMonitor", Channel=_form(_CHANNEL, channel_id, "a channel"),
        MixMonitorID=_form(_CHANNEL, recording, "a recording's id"),
    )  # fmt: skip
    return reply.ok


async def _originate(ami: Ami, **fields: Any) -> None:
    reply = await ami.action("Originate", Exten="s", Priority=1, Async="true", **fields)
    if not reply.ok:
        raise ActionRefused(f"The telephone exchange refused the call: {reply.message}.")


def _form(pattern: re.Pattern[str], value: str, what: str) -> str:
    if not pattern.fullmatch(value):
        raise BadInput(f"This is not {what}.")  # the value itself may be personal data
    return value


def _milliseconds(ring_timeout_s: int) -> int:
    if not 1 <= ring_timeout_s <= 120:
        raise BadInput(f"{ring_timeout_s} s is no time to ring.")
    return ring_timeout_s * 1000


def _seconds(duration: str) -> int:
    """`HH:MM:SS` of CoreShowChannels."""
    parts = duration.split(":")
    if not all(part.isdecimal() for part in parts):
        return 0
    total = 0
    for part in parts:
        total = total * 60 + int(part)
    return total
