"""No value, whatever is in it, ever makes a second AMI frame, a second AGI command or a second leg of a call.

Each example is sent over a real socket to a reader that parses as Asterisk does: one frame ends at an empty line, one
AGI command at a line end, a dial string has one leg between `&`, a variable one assignment between `,`.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agi.session import AgiSession, serve
from backoffice_core.config import FAR_END
from backoffice_core.errors import BadInput
from backoffice_core.pbx.actions import hang_up, mute_recording, originate_borrower, originate_leg
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import ActionRefused, Event
from tests.pbx.fake_ami import FakeAmi, fake_ami

NASTY = [
    "\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x1c", "\x1e", "\x7f", "\x85", "\u2028", "\u2029", "&", ",", ";", "|", '"', "'",
    "\\", "^", "$", "{", "}", "[", "]", "(", ")", "<", ">", ":", "=", "/", "@", "%", "!", " ", "\t", "500&PJSIP/trunk/1416",
    "${SHELL(id)}", "\r\n\r\nAction: Command\r\nCommand: core stop now", "Action: Originate", "/.*/", "٣", "é", "і", "+", "0",
    "380671234567", "agent-101", "leg-1-1", "2026/11", "..", "uk", "*", "#",
]  # fmt: skip
nasty = st.lists(st.one_of(st.sampled_from(NASTY), st.text(max_size=4)), max_size=5).map("".join)
economical = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
TEXT = r'"(?:\\.|[^"\\])*"'
OK = "Response: Success\r\nActionID: {id}\r\nMessage: done\r\n\r\n"


@pytest.fixture(scope="module")
async def fake() -> AsyncIterator[FakeAmi]:
    async with fake_ami() as server:

        async def answer(action: dict[str, list[str]], writer: asyncio.StreamWriter) -> None:
            writer.write(OK.replace("{id}", action["actionid"][0]).encode())

        server.on_action = answer
        yield server


@pytest.fixture(scope="module")
async def ami(fake: FakeAmi) -> AsyncIterator[Ami]:
    async with Ami("127.0.0.1", fake.port, "dialer", "secret") as link:
        yield link


async def frames_of(fake: FakeAmi, ami: Ami) -> list[dict[str, list[str]]]:
    """What has reached the exchange up to a marker that goes last."""
    await ami.action("CoreStatus")
    *frames, marker = fake.received
    assert marker["action"] == ["CoreStatus"]
    fake.received.clear()
    return frames


@economical
@given(number=nasty, caller_id=nasty, recording=nasty, language=nasty, account=nasty, which=st.integers(0, 31))
async def test_a_borrowers_call_is_one_frame_with_one_leg(
    fake: FakeAmi, ami: Ami, number: str, caller_id: str, recording: str, language: str, account: str, which: int
) -> None:
    """Numbers, caller ids, recordings' names, languages, accounts: refused, or one leg to one number on one trunk."""
    good = ("+380671234567", "+380445550100", "2026/11/ab", "uk", "")
    given_values = (number, caller_id, recording, language, account)
    # some fields as drawn, the others good: so that each is reached
    values = [drawn if which >> n & 1 else fine for n, (drawn, fine) in enumerate(zip(given_values, good, strict=True))]
    with contextlib.suppress(BadInput):
        await originate_borrower(
            ami, call_id=uuid4(), number=values[0], trunk=FAR_END, caller_id=values[1], ring_timeout_s=20,
            recording=values[2], language=values[3], account=values[4],
        )  # fmt: skip
    frames = await frames_of(fake, ami)
    assert len(frames) <= 1
    for frame in frames:
        assert frame["action"] == ["Originate"]
        assert set(frame) <= {
            "action", "actionid", "channel", "channelid", "context", "timeout", "callerid", "variable", "exten", "priority",
            "async", "account",
        }  # fmt: skip
        assert all(len(found) == 1 for key, found in frame.items() if key != "variable")
        assert re.fullmatch(r"PJSIP/[0-9]+@far-end", frame["channel"][0])
        assert re.fullmatch(r"(\+?[0-9]+)?", frame["callerid"][0])
        assert [re.fullmatch(r"(BO_REC|BO_LANG)=[0-9a-z/-]+", one) is not None for one in frame["variable"]] == [
            True
        ] * 2


@economical
@given(channel_id=nasty, endpoint=nasty, which=st.integers(0, 3))
async def test_an_agents_line_is_one_frame_with_one_leg(
    fake: FakeAmi, ami: Ami, channel_id: str, endpoint: str, which: int
) -> None:
    with contextlib.suppress(BadInput):
        await originate_leg(
            ami, channel_id=channel_id if which & 1 else "leg-a-1", endpoint=endpoint if which & 2 else "agent-101",
            ring_timeout_s=10,
        )  # fmt: skip
    frames = await frames_of(fake, ami)
    assert len(frames) <= 1
    for frame in frames:
        assert re.fullmatch(r"PJSIP/agent-[0-9]{2,6}(-web)?", frame["channel"][0])
        assert re.fullmatch(r"leg-[0-9A-Za-z-]+", frame["channelid"][0])


@economical
@given(channel=nasty)
async def test_a_channel_to_end_or_to_pause_is_one_channel(fake: FakeAmi, ami: Ami, channel: str) -> None:
    """Asterisk reads `/…/` as a pattern of channels."""
    for action in (hang_up, lambda link, name: mute_recording(link, name, True)):
        with contextlib.suppress(BadInput, ActionRefused):
            await action(ami, channel)
    for frame in await frames_of(fake, ami):
        assert re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z@/.+_-]*", frame["channel"][0])


@economical
@given(name=nasty, key=nasty, value=nasty, listed=st.lists(nasty, max_size=3))
async def test_any_action_is_one_frame_or_refused(
    fake: FakeAmi, ami: Ami, name: str, key: str, value: str, listed: list[str]
) -> None:
    """Whatever a program puts into an action: names, variables, reasons. What is sent arrives as it was given."""
    for action, field in (("Setvar", "Value"), (name or "Setvar", "Value"), ("Setvar", key or "Value")):
        with contextlib.suppress(BadInput):
            await ami.action(action, **{field: value, "Variable": listed})  # type: ignore[arg-type]
        frames = await frames_of(fake, ami)
        assert len(frames) <= 1
        for frame in frames:
            keys = {key.rstrip(":") for key in frame}  # an empty value
            assert keys - {"variable"} <= {"action", "actionid", field.lower(), "async"}
            assert [name.strip() for name in frame["action"]] == [action.strip()]


@economical
@given(name=nasty, value=nasty, which=st.integers(0, 1))
async def test_an_agi_command_is_one_line(name: str, value: str, which: int) -> None:
    """Variables and their values, prompts' names, a reason for the log: one command, and nothing outside its quotes."""
    lines = await said(name if which else "AGENT_CHANNEL", value)
    assert len(lines) <= 3
    for line in lines:
        assert re.fullmatch(
            rf"(SET VARIABLE {TEXT} {TEXT}|STREAM FILE [\w./:@+*#-]* {TEXT} 0|VERBOSE {TEXT} 1)", line
        ), line


async def said(name: str, value: str) -> list[str]:
    """The command lines that reach Asterisk's side."""
    done = asyncio.Event()

    async def handler(session: AgiSession) -> None:
        for command in (
            lambda: session.set_variable(name, value),
            lambda: session.stream_file(value),
            lambda: session.verbose(value, 1),
        ):
            with contextlib.suppress(BadInput):
                await session.run(command)
        done.set()

    server = await serve("127.0.0.1", 0, handler)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"agi_network: yes\nagi_uniqueid: c\n\n")
        lines = []
        async with asyncio.timeout(10):
            while line := await reader.readline():
                lines.append(line.decode().rstrip("\n"))
                writer.write(b"200 result=0 endpos=0\n")
        writer.close()
        await asyncio.wait_for(done.wait(), 5)
        return lines
    finally:
        await server.stop(0.1)


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_a_frame_of_any_bytes_is_read_without_a_second_event(data: bytes) -> None:
    """What Asterisk sends on from a far end (caller names, reasons): one frame stays one event, and its name its first line's."""
    frame = b"Event: Hangup\r\nCallerIDName: " + data.replace(b"\r\n", b"") + b"\r\nCause: 16"
    event = Event.from_frame(frame)
    assert event.name == "Hangup"
    assert event.getall("Event") == ["Hangup"]
