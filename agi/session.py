"""FastAGI: Asterisk connects for each request, and pyst2's `AGI` gives the words to talk to it.

pyst2 0.5.1 cannot be used as it comes: its constructor needs the main thread, it logs numbers and typed digits, it
reads a hang-up as ValueError and an end of file inside a usage text for ever, and it does not escape what it quotes.
The subclass here mends that. Handlers are coroutines; a command of pyst2 blocks, so it runs in a thread:
`await session.run(session.answer)`.
"""

import asyncio
import contextlib
import functools
import logging
import re
import socket
import time
import unicodedata
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from asterisk.agi import AGI, AGIError, AGIHangup, AGIInvalidCommand, AGIUsageError

from backoffice_core.errors import BadInput

log = logging.getLogger(__name__)

T = TypeVar("T")
Handler = Callable[["AgiSession"], Awaitable[None]]
Sound = Callable[[socket.socket, bytes], Awaitable[None]]
AUDIOSOCKET = b"\x01"  # the first byte of a stream of sound; requests begin with a letter

HEAD_LIMIT = 16_384  # bytes of the request's variables; Asterisk sends about one thousand
HEAD_LIMIT_S = 2.0
LINE_LIMIT = 65_536  # characters of one answer
USAGE_LINES = 200

_CODE = re.compile(r"(\d{3})[ -]?(.*)", re.DOTALL)
_PAIR = re.compile(r"(\w+)=(\S*)(?:\s+\((.*)\))?", re.DOTALL)
_ARGUMENT = re.compile(r'"(\\.|[^"\\])*"|[\w./:@+*#-]*')
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}(\([A-Za-z0-9_,:-]*\))?")


class _Sink:
    """Where pyst2 writes each line it reads and sends; they hold numbers and digits."""

    def write(self, _: str) -> None:
        pass


class AgiSession(AGI):
    """One request. `env` as Asterisk gave it: `agi_network_script` (which request), `agi_uniqueid` (which channel).

    Every command raises AGIHangup when the call or the link is gone or no answer came within `command_limit_s`,
    AGIInvalidCommand, AGIUsageError, AGIError, and BadInput for a control character in an argument.
    """

    def __init__(
        self, link: socket.socket, head: str, threads: ThreadPoolExecutor, command_limit_s: float = 5.0
    ) -> None:
        # not super().__init__: it calls signal.signal and reads the head without a limit
        link.settimeout(command_limit_s)
        self.stdin = link.makefile("r", encoding="utf-8", errors="replace", newline="\n")
        self.stdout = link.makefile("w", encoding="utf-8", newline="\n")
        self.stderr = _Sink()
        self._got_sighup = False
        self._threads = threads
        pairs = (line.partition(":") for line in head.splitlines())
        self.env: dict[str, str] = {key.strip(): value.strip() for key, colon, value in pairs if colon}

    async def run(self, command: Callable[..., T], *arguments: Any) -> T:
        """One blocking command (`session.set_variable`, …) in a thread; one at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(command, *arguments))

    def set_variable(self, name: str, value: str | int) -> None:
        super().set_variable(self._name(name), str(value))

    def get_variable(self, name: str) -> str:
        """Empty when it is not set."""
        return str(super().get_variable(self._name(name)))

    def send_command(self, command: str, *args: object) -> None:
        line = " ".join([command.strip(), *(str(arg) for arg in args)]).strip()
        _refuse_control_characters(line)
        if not all(_ARGUMENT.fullmatch(str(arg)) for arg in args):  # pyst2 does not quote names of files, for one
            raise BadInput("A value for the telephone exchange is neither quoted nor one plain word.")
        try:
            self.stdout.write(line + "\n")
            self.stdout.flush()
        except (OSError, ValueError) as error:  # ValueError: closed by our own side
            raise AGIHangup("the link is gone") from error

    def get_result(self, stdin: object = None) -> dict[str, tuple[str, str]]:
        while True:
            line = self._line()
            if line.startswith("HANGUP"):
                self._got_sighup = True
                raise AGIHangup("the call ended")
            found = _CODE.match(line)
            code, rest = (int(found[1]), found[2]) if found else (0, "")
            if 100 <= code < 200:
                continue  # "100 Trying": the answer comes later
            if code == 200:
                return self._pairs(rest)
            if code == 511:
                raise AGIHangup("the channel is dead")
            if code == 510:
                raise AGIInvalidCommand(rest)
            if code == 520:
                raise AGIUsageError(self._usage(line))
            raise AGIError("an answer that is not AGI")

    def test_hangup(self) -> None:
        if self._got_sighup:
            raise AGIHangup("the call ended")

    def _line(self) -> str:
        try:
            line = self.stdin.readline(LINE_LIMIT)
        except (OSError, ValueError) as error:
            raise AGIHangup("no answer") from error
        if not line.endswith("\n"):
            raise AGIHangup("the link is gone")
        return line.strip()

    @staticmethod
    def _pairs(text: str) -> dict[str, tuple[str, str]]:
        result = {"result": ("", "")}
        for key, value, data in _PAIR.findall(text):
            result[key] = (value, data)
        if result["result"][0] == "-1":
            raise AGIHangup("refused by the channel, most often because it is gone")
        return result

    def _usage(self, first: str) -> str:
        """`520-…` opens a text of several lines that `520 End of proper usage.` ends; `520 …` stands alone."""
        lines = [first]
        while first.startswith("520-") and len(lines) < USAGE_LINES:
            lines.append(self._line())
            if lines[-1].startswith("520"):
                break
        return "\n".join(lines)

    def _quote(self, string: object) -> str:
        text = str(string)
        _refuse_control_characters(text)
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    @staticmethod
    def _name(name: str) -> str:
        if not _VARIABLE.fullmatch(name):
            raise BadInput("This is no name of a channel variable.")
        return name


def _refuse_control_characters(text: str) -> None:
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in text):
        raise BadInput("A value for the telephone exchange holds a control character.")


class AgiServer:
    """Made by `serve`."""

    def __init__(
        self,
        listener: socket.socket,
        handler: Handler,
        request_limit_s: float,
        at_once: int,
        sound: Sound | None = None,
    ) -> None:
        self.port: int = listener.getsockname()[1]
        self._listener, self._handler, self._limit_s, self._sound = listener, handler, request_limit_s, sound
        self._threads = ThreadPoolExecutor(max_workers=min(at_once, 64), thread_name_prefix="agi")
        self._room = asyncio.Semaphore(at_once)
        self._running: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept(), name="agi accept")

    async def stop(self, grace_s: float = 2.0) -> None:
        """Accept no more, let what runs finish within `grace_s`, end the rest: their borrowers hear the message."""
        self._accepting.cancel()
        await asyncio.gather(self._accepting, return_exceptions=True)
        self._listener.close()
        if self._running:
            await asyncio.wait(self._running, timeout=grace_s)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._room.acquire()
            try:
                link, _ = await loop.sock_accept(self._listener)
            except OSError as error:  # too many open files: wait for some to close
                self._room.release()
                log.error("AGI cannot accept: %s", error)
                await asyncio.sleep(0.2)
                continue
            except asyncio.CancelledError:
                self._room.release()
                raise
            task = asyncio.create_task(self._serve(link))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            task.add_done_callback(lambda _: self._room.release())

    async def _serve(self, link: socket.socket) -> None:
        try:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            head = await _head(link)
            if head is None:
                return  # a port scan or a health check
            if isinstance(head, bytes):
                if self._sound is not None:
                    async with asyncio.timeout(self._limit_s):
                        await self._sound(link, head)
                return
            session = AgiSession(link, head, self._threads)
            began = time.monotonic()
            async with asyncio.timeout(self._limit_s):
                await self._handler(session)
            log.debug("agi %s %.1f ms", session.env.get("agi_network_script"), (time.monotonic() - began) * 1000)
        except AGIHangup:
            log.info("an AGI request ended because its call did")
        except TimeoutError:
            log.error("an AGI request took longer than %s s and was ended", self._limit_s)
        except OSError as error:
            log.info("an AGI link broke: %s", error)
        except Exception:
            log.exception("an AGI request failed; its borrower hears the message")
        finally:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)  # also wakes a thread that reads
            link.close()


async def _head(link: socket.socket) -> str | bytes | None:
    """The lines before the first empty one; the first bytes of a stream of sound. None when the other side is not Asterisk:
    ends, stays silent, talks on."""
    loop = asyncio.get_running_loop()
    data = b""
    try:
        async with asyncio.timeout(HEAD_LIMIT_S):
            while b"\n\n" not in data:
                more = await loop.sock_recv(link, 4096)
                data += more
                if not more or len(data) > HEAD_LIMIT:
                    return None
                if data.startswith(AUDIOSOCKET):
                    return data
    except (TimeoutError, OSError):
        return None
    return data.decode("utf-8", "replace") if data.startswith(b"agi_") else None


async def serve(
    host: str, port: int, handler: Handler, *, request_limit_s: float = 2.5, at_once: int = 200,
    sound: Sound | None = None,
) -> AgiServer:  # fmt: skip
    """Listen and run `handler` in this event loop for each request, at most `at_once` together; `sound` for each stream of
    AudioSocket, with its first bytes.

    A handler that takes longer than `request_limit_s` is cancelled. The dialplan stops waiting after AGI_SILENCE_S of
    asterisk_conf, or its longer limit for those who call us. Port 0 takes a free one. Raises OSError when the port is taken.
    """
    listener = socket.create_server((host, port), backlog=256)
    listener.setblocking(False)
    return AgiServer(listener, handler, request_limit_s, at_once, sound)
