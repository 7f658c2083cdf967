"""A real Asterisk on the rendered configuration, the shipped far end as its carrier, robot desk phones as agents."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agi.session import AgiServer, AgiSession, serve
from asterisk_conf import Phone
from backoffice_core.config import Settings
from backoffice_core.parts import asterisk as asterisk_part
from backoffice_core.parts import process
from backoffice_core.pbx.actions import LiveChannel, list_channels, originate_borrower, originate_leg
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import Event, LinkUp
from far_end.media import Engine
from far_end.phone import DeskPhone
from tests.conftest import ROOT, fresh_settings, running, until

EXTENSIONS = ("101", "102")


@dataclass
class Exchange:
    """What a test needs to know of the running Asterisk."""

    settings: Settings

    @property
    def log(self) -> Path:
        return self.settings.data / "asterisk" / "log" / "messages.log"

    def ami(self, user: str, wanted: frozenset[str] = frozenset()) -> Ami:
        return Ami(
            "127.0.0.1", self.settings.ports.ami, user, self.settings.derived_secret(f"ami:{user}"), wanted=wanted
        )

    async def call(self, dialer: Ami, ending: str, language: str = "uk") -> str:
        """Call the far end's number with this ending; returns the call's id."""
        call_id = uuid.uuid4()
        await originate_borrower(
            dialer,
            call_id=call_id,
            number=f"+380671234{ending}",
            trunk=self.settings.trunks[0],
            caller_id="+380445550100",
            ring_timeout_s=15,
            recording=self.recording(str(call_id)),
            language=language,
            account=f"{call_id.hex}.{call_id.hex}",
        )
        return str(call_id)

    @staticmethod
    def recording(call_id: str) -> str:
        return f"2026/11/{call_id}"


@contextlib.contextmanager
def carrier(settings: Settings) -> Iterator[Path]:
    """The far end as a process of its own; gives its log."""
    log = settings.data / "far-end.log"
    command = [sys.executable, "-m", "far_end.carrier", "--log", str(log)]
    command += ["--port", str(settings.ports.far_end), "--rtp-port", str(settings.ports.far_end_rtp)]
    with (settings.data / "far-end.out").open("ab") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd="/")
    try:
        assert process.until(lambda: child.poll() is not None or (log.exists() and "START" in log.read_text()), 20)
        assert child.poll() is None, (settings.data / "far-end.out").read_text()
        yield log
    finally:
        child.terminate()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def stopped_server(port: int) -> Iterator[None]:
    """A server on this port that is under SIGSTOP: the kernel accepts for it, and it never answers."""
    program = "import socket,sys,time; s=socket.create_server(('127.0.0.1',int(sys.argv[1]))); print(1,flush=True)"
    child = subprocess.Popen([sys.executable, "-c", f"{program}; time.sleep(99)", str(port)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"1\n"
        os.kill(child.pid, signal.SIGSTOP)
        yield
    finally:
        child.kill()
        child.wait()


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    settings = fresh_settings(tmp_path_factory.mktemp("exchange"))
    phones = [Phone(extension, settings.derived_secret(f"phone:{extension}")) for extension in EXTENSIONS]
    part = asterisk_part.part(settings, phones=phones)
    with carrier(settings), running(part, settings.data / "log" / "asterisk.log"):
        yield Exchange(settings)


@dataclass
class Listener:
    """The `listener` user's events, kept."""

    ami: Ami
    heard: list[Event] = field(default_factory=list)

    async def listen(self) -> None:
        async for event in self.ami.events():
            if not isinstance(event, LinkUp):
                self.heard.append(event)

    def of(self, channel_id: str, name: str) -> list[Event]:
        keys = ("Uniqueid", "DestUniqueid", "Call", "ActionID")
        return [e for e in self.heard if e.name == name and channel_id in [e.get(key) for key in keys]]

    async def first(self, channel_id: str, name: str, timeout_s: float = 15, **fields: str) -> Event:
        """The first event of that name about the channel whose fields have these values; waits for it."""

        def found() -> Event | None:
            return next((e for e in self.of(channel_id, name) if all(e.get(k) == v for k, v in fields.items())), None)

        try:
            event = await until(found, timeout_s)
        except AssertionError:
            seen = "\n".join(f"{e.name} {dict(e)}" for e in self.heard[-40:])
            raise AssertionError(f"no {name} {fields} of {channel_id} in {timeout_s} s; heard:\n{seen}") from None
        assert isinstance(event, Event)
        return event


HEARD = frozenset(
    {"Newchannel", "Newstate", "Hangup", "DialBegin", "DialState", "DialEnd", "BridgeEnter", "BridgeLeave"}
    | {"OriginateResponse", "UserEvent", "MixMonitorStart", "MixMonitorMute", "ContactStatus", "HangupRequest"}
)


@pytest.fixture
async def dialer(exchange: Exchange) -> AsyncIterator[Ami]:
    async with exchange.ami("dialer") as ami:
        yield ami


@pytest.fixture
async def listener(exchange: Exchange) -> AsyncIterator[Listener]:
    async with exchange.ami("listener", HEARD) as ami:
        one = Listener(ami)
        task = asyncio.create_task(one.listen())
        yield one
        task.cancel()


@pytest.fixture
async def agi(
    exchange: Exchange,
) -> AsyncIterator[Callable[[Callable[[AgiSession], Awaitable[None]]], Awaitable[None]]]:
    """`await agi(handler)` serves the requests of Asterisk with this handler until the test's end."""
    servers: list[AgiServer] = []

    async def start(handler: Callable[[AgiSession], Awaitable[None]]) -> None:
        servers.append(await serve("127.0.0.1", exchange.settings.ports.agi, handler))

    yield start
    for server in servers:
        await server.stop(0.2)


@dataclass
class Leg:
    channel_id: str
    phone: DeskPhone


@pytest.fixture
async def agent(exchange: Exchange, dialer: Ami, listener: Listener) -> AsyncIterator[Leg]:
    """Agent 101's own line, up and waiting."""
    engine = Engine()
    phone = DeskPhone(
        "agent-101",
        exchange.settings.derived_secret("phone:101"),
        ("127.0.0.1", exchange.settings.ports.sip),
        engine=engine,
        keep_heard=True,
    )
    await phone.register()
    leg = Leg(f"leg-{uuid.uuid4()}-1", phone)
    await originate_leg(dialer, channel_id=leg.channel_id, endpoint="agent-101", ring_timeout_s=10)
    await listener.first(leg.channel_id, "BridgeEnter", BridgeTechnology="holding_bridge")
    yield leg
    await phone.hang_up()
    await listener.first(leg.channel_id, "Hangup")
    await phone.unregister()
    phone.close()
    engine.close()


async def channel(ami: Ami, channel_id: str) -> LiveChannel | None:
    return next((one for one in await list_channels(ami) if one.uniqueid == channel_id), None)
