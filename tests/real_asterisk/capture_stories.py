"""Write tests/call_stories/raw/*.txt anew: what a real Asterisk tells the `listener` user about each kind of call.

`python -m tests.real_asterisk.capture_stories` (some two minutes). One AMI event per block, as it came over the wire.
Ids and times differ from run to run; the names, keys and order are what the listener's fold is written from.
"""

import asyncio
import contextlib
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from agi.session import AgiSession, serve
from asterisk_conf import Phone, cel_file
from backoffice_core.parts import asterisk as asterisk_part
from backoffice_core.pbx.actions import hang_up, mute_recording, originate_leg
from backoffice_core.pbx.ami import Ami
from far_end.media import Engine
from far_end.phone import DeskPhone
from tests.conftest import ROOT, fresh_settings, running, until
from tests.real_asterisk.conftest import Exchange, carrier, stopped_server

OUT = ROOT / "tests" / "call_stories" / "raw"


class Tape:
    """A second, raw link as `listener`: every byte of an event is kept."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.events: list[str] = []

    async def __aenter__(self) -> "Tape":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._exchange.settings.ports.ami)
        secret = self._exchange.settings.derived_secret("ami:listener")
        self._writer.write(f"Action: Login\r\nUsername: listener\r\nSecret: {secret}\r\n\r\n".encode())
        self._task = asyncio.create_task(self._read())
        await until(lambda: any(event.startswith("Event: FullyBooted") for event in self.events))
        self.events.clear()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        self._writer.close()

    async def _read(self) -> None:
        while True:
            block = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip()
            if block.startswith("Event: "):
                self.events.append(block.replace("\r\n", "\n"))

    async def until(self, *parts: str, limit_s: float = 40) -> None:
        """Waits for an event that holds all these lines."""
        await until(
            lambda: any(all(part in event for part in parts) for event in self.events), limit_s, what=str(parts)
        )

    def save(self, name: str, title: str) -> None:
        text = f"# {title}\n# captured from Asterisk 22 by tests/real_asterisk/capture_stories.py\n\n"
        (OUT / f"{name}.txt").write_text(text + "\n\n".join(self.events) + "\n", encoding="utf-8")
        self.events.clear()


@contextlib.asynccontextmanager
async def answering(exchange: Exchange, handler: Callable[[AgiSession], Awaitable[None]]) -> AsyncIterator[None]:
    server = await serve("127.0.0.1", exchange.settings.ports.agi, handler)
    try:
        yield
    finally:
        await server.stop(0.2)


async def capture(exchange: Exchange) -> None:
    engine = Engine()
    registrar = ("127.0.0.1", exchange.settings.ports.sip)
    phone = DeskPhone("agent-101", exchange.settings.derived_secret("phone:101"), registrar, engine=engine)
    slow = DeskPhone(
        "agent-102", exchange.settings.derived_secret("phone:102"), registrar, engine=engine, answer_after=30
    )
    async with Tape(exchange) as tape, exchange.ami("dialer") as dialer, exchange.ami("console") as console:
        await refusals(exchange, tape, dialer)
        await messages(exchange, tape, dialer)
        await phone.register()
        await slow.register()
        await tape.until("Event: ContactStatus", "ContactStatus: Reachable", "AOR: agent-102")
        tape.save("phones_registered", "two desk phones register")
        await talks(exchange, tape, dialer, console, phone)
        await legs(exchange, tape, dialer, phone)
    for one in (phone, slow):
        await one.unregister()
        one.close()
    engine.close()


async def refusals(exchange: Exchange, tape: Tape, dialer: Ami) -> None:
    for code in ("404", "410", "480", "484", "486", "503", "603"):
        call_id = await exchange.call(dialer, code)
        await tape.until("Event: Hangup\n", f"Uniqueid: {call_id}")
        await tape.until("Event: OriginateResponse", call_id)
        tape.save(f"refused_{code}", f"the far end refuses with {code}")
    call_id = await exchange.call(dialer, "995")
    await tape.until("Event: Hangup\n", f"Uniqueid: {call_id}")
    await tape.until("Event: OriginateResponse", call_id)
    tape.save("refused_480_behind_183", "an announcement as early media (183), then 480")
    call_id = await exchange.call(dialer, "700")
    await tape.until("Event: OriginateResponse", call_id)
    await tape.until("Event: Hangup\n", f"Uniqueid: {call_id}")
    tape.save("rings_out", "nobody answers within Timeout (15 s)")
    call_id = await exchange.call(dialer, "700")
    await tape.until("Event: Newstate", "ChannelStateDesc: Ringing", call_id)
    await hang_up(dialer, call_id)
    await tape.until("Event: OriginateResponse", call_id)
    await tape.until("Event: Hangup\n", f"Uniqueid: {call_id}")
    tape.save("given_up_while_ringing", "the dialer hangs up the ringing call")


async def messages(exchange: Exchange, tape: Tape, dialer: Ami) -> None:
    call_id = await exchange.call(dialer, "000")
    await tape.until("Event: Hangup\n", f"Uniqueid: {call_id}")
    tape.save("message_agi_dead", "answered; nobody listens on the AGI port; the message is played to its end")
    with stopped_server(exchange.settings.ports.agi):
        call_id = await exchange.call(dialer, "000")
        await tape.until("Event: Hangup\n", f"Uniqueid: {call_id}")
    tape.save("message_agi_hung", "answered; the AGI server is stopped; the message after the time limit")

    async def nobody(session: AgiSession) -> None:
        pass

    async with answering(exchange, nobody):
        call_id = await exchange.call(dialer, "020")
        await tape.until("Event: Hangup\n", f"Uniqueid: {call_id}")
        tape.save("message_no_agent", "answered; no agent is free; the borrower hangs up during the message")

    async def gone(session: AgiSession) -> None:
        await session.run(session.set_variable, "AGENT_CHANNEL", f"leg-{uuid.uuid4()}-1")

    async with answering(exchange, gone):
        call_id = await exchange.call(dialer, "020")
        await tape.until("Event: Hangup\n", f"Uniqueid: {call_id}")
        tape.save("message_leg_gone", "answered; the reserved agent's line is gone")

    async def waits(session: AgiSession) -> None:
        await asyncio.sleep(2)

    async with answering(exchange, waits):
        call_id = await exchange.call(dialer, "500")
        await tape.until("Event: Hangup\n", f"Uniqueid: {call_id}")
        tape.save("hangs_up_at_once", "answered and hung up by the borrower before an agent was found")


async def talks(exchange: Exchange, tape: Tape, dialer: Ami, console: Ami, phone: DeskPhone) -> None:
    leg = f"leg-{uuid.uuid4()}-1"
    await originate_leg(dialer, channel_id=leg, endpoint="agent-101", ring_timeout_s=10)
    await tape.until("Event: BridgeEnter", f"Uniqueid: {leg}")
    await tape.until("Event: OriginateResponse", leg)
    tape.save("leg_up", "the agent's line comes up and waits")

    async def connect(session: AgiSession) -> None:
        await session.run(session.set_variable, "AGENT_CHANNEL", leg)

    async with answering(exchange, connect):
        for name, ending, title in (
            ("talk_borrower_hangs_up", "020", "answered, bridged, the borrower hangs up, the agent's line waits again"),
            ("talk_desk_hangs_up", "000", "answered, bridged, the recording is paused and goes on, the desk hangs up"),
        ):
            call_id = await exchange.call(dialer, ending)
            await tape.until("Event: BridgeEnter", f"Uniqueid: {call_id}")
            if ending == "000":
                await mute_recording(console, call_id, True)
                await mute_recording(console, call_id, False)
                await tape.until("Event: MixMonitorMute", "State: 0")
                await hang_up(console, call_id)
            await tape.until("Event: Hangup\n", f"Uniqueid: {call_id}")
            await tape.until("Event: BridgeEnter", "BridgeTechnology: holding_bridge", f"Uniqueid: {leg}")
            tape.save(name, title)
        call_id = await exchange.call(dialer, "000")
        await tape.until("Event: BridgeEnter", f"Uniqueid: {call_id}")
        await phone.hang_up()
        await tape.until("Event: Hangup\n", f"Uniqueid: {leg}")
        await tape.until("Event: Hangup\n", f"Uniqueid: {call_id}")
        tape.save("talk_agent_line_lost", "answered, bridged, the agent's phone hangs up: both lines end")


async def legs(exchange: Exchange, tape: Tape, dialer: Ami, phone: DeskPhone) -> None:
    leg = f"leg-{uuid.uuid4()}-2"
    await originate_leg(dialer, channel_id=leg, endpoint="agent-101", ring_timeout_s=10)
    await tape.until("Event: BridgeEnter", f"Uniqueid: {leg}")
    await tape.until("Event: OriginateResponse", leg)
    tape.events.clear()
    await phone.hang_up()
    await tape.until("Event: Hangup\n", f"Uniqueid: {leg}")
    tape.save("leg_lost_while_waiting", "the agent's phone hangs up the waiting line")
    leg = f"leg-{uuid.uuid4()}-3"
    await originate_leg(dialer, channel_id=leg, endpoint="agent-101", ring_timeout_s=10)
    await tape.until("Event: BridgeEnter", f"Uniqueid: {leg}")
    await tape.until("Event: OriginateResponse", leg)
    tape.events.clear()
    await hang_up(dialer, leg)
    await tape.until("Event: Hangup\n", f"Uniqueid: {leg}")
    tape.save("leg_ended_by_dialer", "the dialer ends the waiting line (pause, end of shift)")
    leg = f"leg-{uuid.uuid4()}-4"
    await originate_leg(dialer, channel_id=leg, endpoint="agent-102", ring_timeout_s=3)
    await tape.until("Event: OriginateResponse", leg)
    await tape.until("Event: Hangup\n", f"Uniqueid: {leg}")
    tape.save("leg_not_answered", "the agent's phone rings and nobody lifts it")
    leg = f"leg-{uuid.uuid4()}-5"
    await originate_leg(dialer, channel_id=leg, endpoint="agent-103", ring_timeout_s=3)
    await tape.until("Event: OriginateResponse", leg)
    tape.save("leg_phone_not_registered", "no phone is registered: no channel comes to be")


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        settings = fresh_settings(Path(folder))
        phones = [Phone(one, settings.derived_secret(f"phone:{one}")) for one in ("101", "102", "103")]
        part = asterisk_part.part(settings, phones=phones)
        with running(part, settings.data / "asterisk.log"):
            with carrier(settings):
                asyncio.run(capture(Exchange(settings)))
                shutil.copyfile(cel_file(settings), OUT / "cel.csv")
            asyncio.run(trunk_down(Exchange(settings)))


async def trunk_down(exchange: Exchange) -> None:
    async with Tape(exchange) as tape, exchange.ami("dialer") as dialer:
        await tape.until("Event: ContactStatus", "ContactStatus: Unreachable", "AOR: far-end")
        tape.save("trunk_lost", "the carrier no longer answers OPTIONS")
        call_id = await exchange.call(dialer, "020")
        await tape.until("Event: OriginateResponse", call_id)
        tape.save("trunk_down", "a call over a trunk that is known to be down: no channel comes to be")


if __name__ == "__main__":
    main()
