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
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused

NORMAL_CLEARING = 16  # Q.850

_NUMBER = re.compile(r"\+?[0-9]{1,20}")
_CALLER_ID = re.compile(r"(\+?[0-9]{1,15})?")
_RECORDING = re.compile(r"[0-9a-f-]+(/[0-9a-f-]+)*")
_LANGUAGE = re.compile(r"[a-z]{2}")
_ENDPOINT = re.compile(r"agent-[0-9]{2,6}(-web)?")
_LEG = re.compile(r"leg-[0-9A-Za-z]+(-[0-9A-Za-z]+)+")
_ACCOUNT = re.compile(r"[0-9a-f]{32}\.[0-9a-f]{32}")
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
    account: str = "",
) -> None:
    """Ring a borrower; on answer the dialplan's `borrower` takes over. Returns when Asterisk has queued the call.

    `call_id` becomes the channel's Uniqueid and the ActionID, which OriginateResponse carries even when no channel came
    to be. `number`: E.164 digits, the trunk's prefix is put before them. `recording`: path below the recordings folder
    without extension, of hexadecimal digits, `-` and `/`. `account` stands in each line of the CEL file (`account_of`).
    Raises ActionRefused when it was not queued.
    """
    digits = _form(_NUMBER, number, "a telephone number").lstrip("+")
    await _originate(
        ami,
        ActionID=str(call_id),
        Channel=f"PJSIP/{trunk.number_prefix}{digits}@{trunk.name}",
        ChannelId=str(call_id),
        Context="borrower",
        Timeout=_milliseconds(ring_timeout_s),
        CallerID=_form(_CALLER_ID, caller_id, "a caller id"),
        **({"Account": _form(_ACCOUNT, account, "an account")} if account else {}),
        Variable=[
            f"BO_REC={_form(_RECORDING, recording, 'a path of a recording')}",
            f"BO_LANG={_form(_LANGUAGE, language, 'a language')}",
        ],
    )


def account_of(task_id: UUID, contact_point_id: UUID) -> str:
    """Whose call it is, for the CEL file: ids only, never the number. Asterisk keeps at most 80 characters."""
    return f"{task_id.hex}.{contact_point_id.hex}"


async def originate_leg(ami: Ami, *, channel_id: str, endpoint: str, caller_id: str = "", ring_timeout_s: int) -> None:
    """Ring an agent's phone and let the line wait in `agent-hold`.

    `channel_id`: `leg-<session>-<n>`. `endpoint`: `agent-<ext>` or `agent-<ext>-web`. Raises ActionRefused.
    """
    await _originate(
        ami,
        ActionID=_form(_LEG, channel_id, "a line's id"),
        Channel=f"PJSIP/{_form(_ENDPOINT, endpoint, 'an agent phone')}",
        ChannelId=channel_id,
        Context="agent-hold",
        Timeout=_milliseconds(ring_timeout_s),
        CallerID=_form(_CALLER_ID, caller_id, "a caller id"),
    )


async def hang_up(ami: Ami, channel_or_uniqueid: str, cause: int = NORMAL_CLEARING) -> bool:
    """False when there is no such channel (any more). `cause`: Q.850, 1-127. Raises ActionRefused on other refusals."""
    if not 1 <= cause <= 127:
        raise BadInput(f"{cause} is no hang-up cause.")
    channel = _form(_CHANNEL, channel_or_uniqueid, "a channel")
    reply = await ami.action("Hangup", Channel=channel, Cause=cause)
    if not reply.ok and "no such channel" not in reply.message.lower():
        raise ActionRefused(f"The telephone exchange refused to hang up: {reply.message}.")
    return reply.ok


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
