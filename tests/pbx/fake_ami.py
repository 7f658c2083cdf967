"""A small server that speaks AMI badly on purpose: what a real Asterisk cannot be made to do on demand."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

BOOTED = "Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 77\r\nLastReload: 66\r\nStatus: Fully Booted\r\n\r\n"

Action = dict[str, list[str]]


@dataclass
class FakeAmi:
    """`received`: all actions but logins and pings. `answers`: action name -> what is written back, with {id}."""

    port: int = 0
    received: list[Action] = field(default_factory=list)
    logins: int = 0
    pings: int = 0
    accept_logins: bool = True
    answer_pings: bool = True
    answers: dict[str, str] = field(default_factory=dict)
    on_action: Callable[[Action, asyncio.StreamWriter], Awaitable[None]] | None = None
    links: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.links.append(writer)
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        try:
            while True:
                block = (await reader.readuntil(b"\r\n\r\n")).decode()
                await self._answer(self._parse(block), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass

    @staticmethod
    def _parse(block: str) -> Action:
        action: Action = {}
        for line in block.strip().split("\r\n"):
            key, _, value = line.partition(": ")
            action.setdefault(key.lower(), []).append(value)
        return action

    async def _answer(self, action: Action, writer: asyncio.StreamWriter) -> None:
        name, ident = action["action"][0].lower(), action["actionid"][0]
        if name == "login":
            self.logins += 1
            ok = (
                "Success\r\nMessage: Authentication accepted"
                if self.accept_logins
                else "Error\r\nMessage: Authentication failed"
            )
            writer.write(f"Response: {ok}\r\nActionID: {ident}\r\n\r\n".encode())
            if self.accept_logins:
                writer.write(BOOTED.encode())
        elif name == "ping":
            self.pings += 1
            if self.answer_pings:
                writer.write(f"Response: Success\r\nActionID: {ident}\r\nPing: Pong\r\n\r\n".encode())
        else:
            self.received.append(action)
            if self.on_action:
                await self.on_action(action, writer)
            elif name in self.answers:
                writer.write(self.answers[name].replace("{id}", ident).encode())
        await writer.drain()

    def say(self, data: bytes) -> None:
        """On the newest link."""
        self.links[-1].write(data)

    def cut(self) -> None:
        self.links[-1].transport.abort()


@asynccontextmanager
async def fake_ami() -> AsyncIterator[FakeAmi]:
    fake = FakeAmi()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        for link in fake.links:
            link.close()


class SilentProxy:
    """A TCP proxy that can go silent: both links stay up, and nothing passes any more (a half-open link)."""

    def __init__(self, target_port: int) -> None:
        self.target_port, self.port, self.links = target_port, 0, 0
        self.silent = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.links += 1
        silent = self.silent = asyncio.Event()  # each link has its own
        there = await asyncio.open_connection("127.0.0.1", self.target_port)
        for source, sink in ((reader, there[1]), (there[0], writer)):
            self._tasks.add(asyncio.create_task(self._pass(source, sink, silent)))

    @staticmethod
    async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter, silent: asyncio.Event) -> None:
        while data := await source.read(65536):
            if silent.is_set():
                await asyncio.Event().wait()
            sink.write(data)

    async def __aenter__(self) -> "SilentProxy":
        self._server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
