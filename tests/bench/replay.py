"""A server that speaks AMI as Asterisk does and replays stories at any rate, beside a CEL file that grows with them."""

import asyncio
import contextlib
import heapq
import subprocess
import sys
import time

from asterisk_conf import cel_file
from backoffice_core.config import Settings
from tests.conftest import child_environment

CUT_OFF_S = 0.1  # Asterisk's default `writetimeout`: who does not read for so long is cut off

Call = tuple[float, list[tuple[float, str]], list[tuple[float, str]]]  # when; its frames; its lines of the CEL file


class Replay:
    def __init__(self, settings: Settings, calls: list[Call]) -> None:
        self.settings, self.calls = settings, calls
        self.logins = self.sent = self.cut_off = 0
        self.late_s = 0.0
        self._live: set[str] = set()
        self._writer: asyncio.StreamWriter | None = None
        self._child: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> "Replay":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.settings.ports.ami)
        path = cel_file(self.settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._cel = path.open("a")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._child:
            self._child.terminate()
            await asyncio.to_thread(self._child.wait, 10)
        self._server.close()
        self._cel.close()

    def start_listener(self) -> subprocess.Popen[bytes]:
        """The real program."""
        with (self.settings.data / "listener.log").open("ab") as out:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "ami_listener"], env=child_environment(self.settings), cwd=self.settings.data,
                stdout=out, stderr=out,
            )  # fmt: skip
        return self._child

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                block = (await reader.readuntil(b"\r\n\r\n")).decode()
                action = dict(line.partition(": ")[::2] for line in block.strip().split("\r\n"))
                writer.write(self._answer(action).encode())
                if action["Action"].lower() == "login":
                    self.logins += 1
                    self._writer = writer

    def _answer(self, action: dict[str, str]) -> str:
        ident = action.get("ActionID", "")
        name = action["Action"].lower()
        if name == "login":
            booted = "Event: FullyBooted\r\nUptime: 500\r\nLastReload: 500\r\nStatus: Fully Booted\r\n\r\n"
            return f"Response: Success\r\nActionID: {ident}\r\nMessage: Authentication accepted\r\n\r\n{booted}"
        if name == "coreshowchannels":
            rows = "".join(
                f"Event: CoreShowChannel\r\nActionID: {ident}\r\nUniqueid: {one}\r\nChannel: PJSIP/x-{n}\r\n"
                f"ChannelStateDesc: Up\r\nDuration: 00:00:01\r\n\r\n"
                for n, one in enumerate(self._live)
            )
            done = f"Event: CoreShowChannelsComplete\r\nActionID: {ident}\r\nEventList: Complete\r\n\r\n"
            return f"Response: Success\r\nActionID: {ident}\r\nEventList: start\r\n\r\n{rows}{done}"
        return f"Response: Success\r\nActionID: {ident}\r\nPing: Pong\r\n\r\n"

    async def play(self) -> None:
        """All calls at their moments; `late_s`: how far behind its schedule the server itself was, at worst."""
        due: list[tuple[float, int, bool, str]] = []
        count = 0
        for at, frames, lines in self.calls:
            for cel, given in ((False, frames), (True, lines)):
                for after, text in given:
                    due.append((at + after, count, cel, text))
                    count += 1
        heapq.heapify(due)
        while due:
            wait = due[0][0] - time.time()
            if wait > 0:
                await asyncio.sleep(wait)
            self.late_s = max(self.late_s, -wait)
            now = time.time()
            frames, lines = [], []
            while due and due[0][0] <= now:
                at, _, cel, text = heapq.heappop(due)
                (lines if cel else frames).append(text.replace("{stamp}", f"{at:.6f}"))
                self._note(text)
            self.sent += len(frames) + len(lines)
            if lines:
                self._cel.write("".join(lines))
                self._cel.flush()
            if frames and self._writer:
                await self._send("".join(frames).encode())

    def _note(self, text: str) -> None:
        for key in ("Uniqueid: ",):
            at = text.find(key)
            if at >= 0:
                one = text[at + len(key) :].partition("\r\n")[0]
                if text.startswith("Event: Newchannel\r\n"):
                    self._live.add(one)
                elif text.startswith("Event: Hangup\r\n"):
                    self._live.discard(one)

    async def _send(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)
        began = time.monotonic()
        await self._writer.drain()
        if time.monotonic() - began > CUT_OFF_S:
            self.cut_off += 1
