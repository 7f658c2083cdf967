"""One call through the rendered dialplan: talk, message, refusal; and that the AGI's death or silence is survived."""

import asyncio
import csv
import json
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from agi.session import AgiSession
from asterisk_conf import AGENTS_TRIED, AGI_SILENCE_S, CEL_COLUMNS, cel_file, prompts
from backoffice_core.pbx.actions import hang_up, list_channels, mute_recording, originate_leg
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import Event
from tests.conftest import until
from tests.real_asterisk.conftest import Exchange, Leg, Listener, channel, stopped_server

Serve = Callable[[Callable[[AgiSession], Awaitable[None]]], Awaitable[None]]

ANSWERS_TALKS_2_S = "020"
ANSWERS_TALKS_ON = "000"


def to(channel_id: str) -> Callable[[AgiSession], Awaitable[None]]:
    """An AGI handler that connects every borrower to this agent's line."""

    async def handler(session: AgiSession) -> None:
        await session.run(session.set_variable, "AGENT_CHANNEL", channel_id)

    return handler


def cel(exchange: Exchange, channel_id: str) -> list[dict[str, str]]:
    with cel_file(exchange.settings).open(newline="", encoding="utf-8") as file:
        rows = [dict(zip(CEL_COLUMNS, row, strict=True)) for row in csv.reader(file)]
    return [row for row in rows if row["uniqueid"] == channel_id]


async def test_a_borrower_talks_to_an_agent_and_the_agents_line_waits_again(
    exchange: Exchange, dialer: Ami, listener: Listener, agi: Serve, agent: Leg
) -> None:
    await agi(to(agent.channel_id))
    for _ in range(2):  # twice on one line: the second proves the return
        call_id = await exchange.call(dialer, ANSWERS_TALKS_2_S)
        up = await listener.first(call_id, "Newstate", ChannelStateDesc="Up")
        entered = await listener.first(call_id, "BridgeEnter")
        joined = await listener.first(agent.channel_id, "BridgeEnter", BridgeUniqueid=entered.get("BridgeUniqueid"))
        seconds = max(float(entered.get("Timestamp")), float(joined.get("Timestamp"))) - float(up.get("Timestamp"))
        assert seconds < 1.0
        waiting = (await channel(dialer, agent.channel_id)) or pytest.fail("the agent's line is gone")
        assert waiting.bridge_id == entered.get("BridgeUniqueid")
        gone = await listener.first(call_id, "Hangup")
        assert gone.get("Cause") == "0" or gone.get("Cause") == "16"
        await until(lambda: _holds(dialer, agent.channel_id), what="the agent's line is back in hold")
        assert not listener.of(call_id, "UserEvent")
        await _sound(exchange, call_id)
        await until(lambda i=call_id: "LINKEDID_END" in [row["eventtype"] for row in cel(exchange, i)])
        kinds = [row["eventtype"] for row in cel(exchange, call_id)]
        for kind in ("CHAN_START", "ANSWER", "BRIDGE_ENTER", "BRIDGE_EXIT", "HANGUP", "CHAN_END"):
            assert kind in kinds
        answered = next(row for row in cel(exchange, call_id) if row["eventtype"] == "ANSWER")
        assert abs(float(answered["eventtime"]) - float(up.get("Timestamp"))) < 1.0
        accounts = {row["account"] for row in cel(exchange, call_id) if row["eventtype"] != "CHAN_START"}
        assert accounts == {".".join([call_id.replace("-", "")] * 2)}, "FL-13: the file alone says whose call it was"
        assert "hangupcause" in json.loads(
            next(r["extra"] for r in cel(exchange, call_id) if r["eventtype"] == "HANGUP")
        )


async def _holds(ami: Ami, channel_id: str) -> bool:
    line = await channel(ami, channel_id)
    return line is not None and line.application == "BridgeWait" and line.context == "agent-hold"


async def _sound(exchange: Exchange, call_id: str) -> None:
    """Both sides carry sound, each in a file of its own, and the mixed file is as long as the talk."""
    base = exchange.settings.recordings_dir / exchange.recording(call_id)
    for ending in ("", "-in", "-out"):
        file = Path(f"{base}{ending}.wav")
        await until(file.exists, what=f"{file.name} written")
        await until(lambda f=file: soundfile.info(f).duration > 1.0, what=f"sound in {file.name}")
        samples, rate = soundfile.read(file)
        assert rate == 8000
        assert abs(samples).max() > 0.02, f"{ending or 'mixed'} is silent"


async def test_the_desk_hangs_up_the_borrower_and_pauses_the_recording(
    exchange: Exchange, dialer: Ami, listener: Listener, agi: Serve, agent: Leg
) -> None:
    await agi(to(agent.channel_id))
    call_id = await exchange.call(dialer, ANSWERS_TALKS_ON)
    await listener.first(call_id, "BridgeEnter")
    async with exchange.ami("console") as console:
        assert await mute_recording(console, call_id, True)
        await listener.first(call_id, "MixMonitorMute", State="1")
        assert await mute_recording(console, call_id, False)
        assert await hang_up(console, call_id)
        await listener.first(call_id, "Hangup")
        assert not await hang_up(console, call_id)
    await until(lambda: _holds(dialer, agent.channel_id))


async def test_the_warning_of_the_recording_is_spoken_to_both_as_they_meet(
    exchange: Exchange, dialer: Ami, listener: Listener, agi: Serve, agent: Leg, tmp_path: Path
) -> None:
    """FL-11: asked for by BO_NOTICE, in the borrower's language; the talk goes on after it."""

    async def handler(session: AgiSession) -> None:
        await session.run(session.set_variable, "BO_NOTICE", "1")
        await session.run(session.set_variable, "AGENT_CHANNEL", agent.channel_id)

    await agi(handler)
    call_id = await exchange.call(dialer, "040", language="uk")
    gone = await listener.first(call_id, "Hangup")
    met = await listener.first(call_id, "BridgeEnter")
    assert float(gone.get("Timestamp")) - float(met.get("Timestamp")) > 3
    said, rate = soundfile.read(prompts.HERE / "uk" / "recorded.wav")
    assert rate == 8000
    assert agent.phone.call is not None
    assert agent.phone.call.stream is not None
    agent.phone.call.stream.save(tmp_path / "agent.wav")
    borrower = exchange.settings.recordings_dir / f"{exchange.recording(call_id)}-out.wav"
    tone, _ = soundfile.read(prompts.HERE / "tone.wav")
    for ear, sound in ((borrower, said), (tmp_path / "agent.wav", tone)):
        heard, _ = soundfile.read(ear)
        assert likeness(sound, heard) > 0.4, f"not heard in {ear.name}"


def likeness(said: np.ndarray, heard: np.ndarray) -> float:
    """The best normalised correlation of `said` with any stretch of `heard`, 0 to 1; other speech stays below 0.2."""
    size = 1 << int(np.ceil(np.log2(len(said) + len(heard))))
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)), size)[: len(heard)]
    power = np.convolve(heard**2, np.ones(len(said)), mode="full")[len(said) - 1 :][: len(heard)]
    return float((np.abs(cross) / np.sqrt(np.maximum(power, 1e-3) * (said**2).sum())).max())


async def test_a_lost_agents_line_ends_the_talk_and_is_told(
    exchange: Exchange, dialer: Ami, listener: Listener, agi: Serve, agent: Leg
) -> None:
    await agi(to(agent.channel_id))
    call_id = await exchange.call(dialer, ANSWERS_TALKS_ON)
    await listener.first(call_id, "BridgeEnter")
    await agent.phone.hang_up()
    await listener.first(agent.channel_id, "Hangup")
    await listener.first(call_id, "Hangup")
    assert not listener.of(call_id, "UserEvent")


async def _hears_the_message(exchange: Exchange, listener: Listener, call_id: str, agi_status: str) -> float:
    """Seconds from the answer to the message; the call's own recording holds the sound of it."""
    up = await listener.first(call_id, "Newstate", ChannelStateDesc="Up")
    told = await listener.first(call_id, "UserEvent", UserEvent="BoMessage")
    assert told.get("Agi") == agi_status
    await listener.first(call_id, "Hangup", timeout_s=40)
    out = exchange.settings.recordings_dir / f"{exchange.recording(call_id)}-out.wav"
    samples, rate = soundfile.read(out)
    assert (abs(samples) > 0.02).sum() > 3 * rate, "no three seconds of sound were played"
    assert "BoMessage" in [row["userevent"] for row in cel(exchange, call_id)]
    return float(told.get("Timestamp")) - float(up.get("Timestamp"))


async def test_dead_agi_server_the_borrower_hears_the_message(
    exchange: Exchange, dialer: Ami, listener: Listener
) -> None:
    """DI: never dropped in silence. Nobody listens on the AGI port."""
    call_id = await exchange.call(dialer, ANSWERS_TALKS_ON, language="ru")
    assert await _hears_the_message(exchange, listener, call_id, "FAILURE") < 2


async def test_stopped_agi_server_the_borrower_hears_the_message(
    exchange: Exchange, dialer: Ami, listener: Listener
) -> None:
    with stopped_server(exchange.settings.ports.agi):
        call_id = await exchange.call(dialer, ANSWERS_TALKS_ON)
        silence = await _hears_the_message(exchange, listener, call_id, "HANGUP")
    assert AGI_SILENCE_S - 0.5 < silence < AGI_SILENCE_S + 0.5


async def test_a_crashing_handler_and_a_free_agent_who_is_gone_end_in_the_message(
    exchange: Exchange, dialer: Ami, listener: Listener, agi: Serve
) -> None:
    requests: list[str] = []

    async def handler(session: AgiSession) -> None:
        requests.append(session.env["agi_uniqueid"])
        if len(requests) == 1:
            raise RuntimeError("provoked")
        await session.run(session.set_variable, "AGENT_CHANNEL", f"leg-{uuid.uuid4()}-1")

    await agi(handler)
    crashed = await exchange.call(dialer, ANSWERS_TALKS_ON)
    await listener.first(crashed, "UserEvent", UserEvent="BoMessage", Bridge="")
    nobody = await exchange.call(dialer, ANSWERS_TALKS_ON)
    await listener.first(nobody, "UserEvent", UserEvent="BoMessage", Agi="SUCCESS", Bridge="NONEXISTENT")
    assert requests == [crashed] + [nobody] * AGENTS_TRIED, "FL-10: the next agent was not asked for"
    for call_id in (crashed, nobody):
        await hang_up(dialer, call_id)


async def test_at_the_edge_of_the_seconds_there_is_the_message_or_the_agent_never_both(
    exchange: Exchange, dialer: Ami, listener: Listener, agi: Serve, agent: Leg
) -> None:
    """Issue 5: the agent is named just before, at and after the dialplan's limit: each borrower gets one of the two, and the
    message begins within the rule's seconds."""
    edges = (-0.25, -0.02, 0.0, 0.02, 0.3)
    waits = iter(edges)

    async def handler(session: AgiSession) -> None:
        await asyncio.sleep(AGI_SILENCE_S + next(waits))
        await session.run(session.set_variable, "AGENT_CHANNEL", agent.channel_id)

    await agi(handler)
    for edge in edges:
        call_id = await exchange.call(dialer, ANSWERS_TALKS_ON)
        up = await listener.first(call_id, "Newstate", ChannelStateDesc="Up")

        def fate(call: str = call_id) -> Event | None:
            return next(iter(listener.of(call, "BridgeEnter") + listener.of(call, "UserEvent")), None)

        first = await until(fate, 10, what=f"agent or message {edge} s from the limit")
        await hang_up(dialer, call_id)
        await listener.first(call_id, "Hangup")
        await until(lambda: _holds(dialer, agent.channel_id), what="the agent's line waits")
        met, told = listener.of(call_id, "BridgeEnter"), listener.of(call_id, "UserEvent")
        assert bool(met) != bool(told), f"{edge} s from the limit: both, or neither"
        assert float(first.get("Timestamp")) - float(up.get("Timestamp")) < AGI_SILENCE_S + 0.25
        assert edge > -0.2 or met, "in time, and not connected"
        assert edge < 0.2 or told, "too late, and connected"


async def test_a_line_id_that_begins_another_one_does_not_reach_it(
    exchange: Exchange, dialer: Ami, listener: Listener, agi: Serve, agent: Leg
) -> None:
    """`leg-…-` must not find `leg-…-1`: Bridge takes a name's beginning for the name."""
    await agi(to(agent.channel_id.removesuffix("1")))
    call_id = await exchange.call(dialer, ANSWERS_TALKS_ON)
    told = await listener.first(call_id, "UserEvent", UserEvent="BoMessage")
    assert told.get("Bridge") == "NONEXISTENT"
    await hang_up(dialer, call_id)


@pytest.mark.parametrize(
    ("ending", "cause", "sip"),
    [("404", "1", "404"), ("410", "22", "410"), ("480", "19", "480"), ("484", "28", "484"), ("486", "17", "486"),
     ("503", "34", "503"), ("603", "21", "603")],
)  # fmt: skip
async def test_a_refusal_keeps_its_cause_and_sip_code(
    exchange: Exchange, dialer: Ami, listener: Listener, ending: str, cause: str, sip: str
) -> None:
    call_id = await exchange.call(dialer, ending)
    gone = await listener.first(call_id, "Hangup")
    assert (gone.get("Cause"), gone.get("TechCause")) == (cause, sip)
    answer = await listener.first(call_id, "OriginateResponse")
    assert answer.get("Response") == "Failure"


async def test_a_busy_or_absent_phone_refuses_the_agents_line(
    exchange: Exchange, dialer: Ami, listener: Listener
) -> None:
    """Nobody is registered on 102: there is no channel, and only OriginateResponse says so, by its ActionID."""
    leg = f"leg-{uuid.uuid4()}-1"
    await originate_leg(dialer, channel_id=leg, endpoint="agent-102", ring_timeout_s=5)
    answer = await listener.first(leg, "OriginateResponse")
    assert answer.get("Response") == "Failure"
    assert leg not in [one.uniqueid for one in await list_channels(dialer)]


async def test_a_talking_agent_is_not_pulled_out_of_the_talk(
    exchange: Exchange, dialer: Ami, listener: Listener, agi: Serve, agent: Leg
) -> None:
    """Even if the programs hand out one line twice, the second borrower hears the message and the talk goes on."""
    await agi(to(agent.channel_id))
    first = await exchange.call(dialer, ANSWERS_TALKS_ON)
    talk = await listener.first(first, "BridgeEnter")
    second = await exchange.call(dialer, ANSWERS_TALKS_ON)
    await listener.first(second, "UserEvent", UserEvent="BoMessage", Bridge="BUSY")
    line = await channel(dialer, agent.channel_id)
    assert line is not None
    assert line.bridge_id == talk.get("BridgeUniqueid")
    for call_id in (first, second):
        await hang_up(dialer, call_id)
        await listener.first(call_id, "Hangup")


async def test_nothing_needless_comes_over_the_wire(exchange: Exchange, dialer: Ami) -> None:
    """This Asterisk is built with its test framework, which would send an event for every RTCP packet."""
    needless = frozenset(
        {"TestEvent", "RTCPSent", "RTCPReceived", "VarSet", "Newexten", "DeviceStateChange", "NewConnectedLine"}
    )
    async with exchange.ami("listener", needless | {"Hangup"}) as ami:
        call_id = await exchange.call(dialer, "020")
        names: list[str] = []
        async with asyncio.timeout(40):
            async for event in ami.events():
                if isinstance(event, Event):
                    names.append(event.name)
                    if event.name == "Hangup" and event.get("Uniqueid") == call_id:
                        break
    assert names == ["Hangup"]
