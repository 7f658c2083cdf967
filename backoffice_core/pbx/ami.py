"""The link to Asterisk's manager interface: the only file that imports panoramisk.

panoramisk 1.4 is frozen and unsafe for a dialer as it comes, so one `Manager` lives as long as one TCP link, and its
wire is ours. The mends, each with a test in tests/pbx/test_ami.py: nothing is ever sent twice or kept for later; frames
are decoded whole; nothing of a program runs inside the socket's callback; no value may hold a control character; a
silent link is noticed; a result that never came is unknown, not failed; OriginateResponse is an event; a refused
password is said once and not hammered; `close()` closes.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import panoramisk
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol

from backoffice_core.errors import BadInput
from backoffice_core.pbx.frames import (
    ActionRefused,
    ActionUnknown,
    Event,
    LinkDown,
    LinkUp,
    LoginRefused,
    Reply,
    refuse_control_characters,
)

log = logging.getLogger(__name__)

Value = str | int | Sequence[str]

MAX_FRAME = 1 << 20  # bytes; Asterisk's longest events are some kilobytes
PING_EVERY_S = 3.0
PING_LIMIT_S = 4.0  # a dead link is noticed in PING_EVERY_S + PING_LIMIT_S
BACK_OFF_S = (0.1, 0.3, 1.0, 2.0, 5.0)
REFUSED_BACK_OFF_S = 60.0  # a wrong password must not trip an intrusion guard


class _Wire(AMIProtocol):
    """panoramisk's protocol with reading, sending and closing of our own."""

    def __init__(self, link: "_Link") -> None:
        self._link = link
        self._buffer = bytearray()
        self.responses: dict[str, Any] = {}
        self.closed = False
        self.heard_at = time.monotonic()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def send(self, data: Any, as_list: Any = False) -> "asyncio.Future[Any]":
        action = data if isinstance(data, Action) else Action(data)
        action.as_list = bool(as_list)
        action.rows = []
        if self.closed or self.transport.is_closing():
            raise LinkDown
        self.responses[action["ActionID"]] = action
        self.transport.write(str(action).encode())
        return action.future

    def data_received(self, data: bytes) -> None:
        self.heard_at = time.monotonic()
        self._buffer += data
        if len(self._buffer) > MAX_FRAME and b"\r\n\r\n" not in self._buffer:
            log.error("a frame without end from the telephone exchange: link closed")
            self.transport.abort()
            return
        *frames, rest = bytes(self._buffer).split(b"\r\n\r\n")
        self._buffer = bytearray(rest)
        for frame in frames:
            if frame.startswith(b"Asterisk Call Manager/"):
                frame = frame.partition(b"\r\n")[2]  # noqa: PLW2901 (the banner is one line before the first frame)
            self._take(frame.lstrip(b"\r\n"))

    def _take(self, frame: bytes) -> None:
        if frame.startswith(b"Event: "):
            name = frame[7 : max(frame.find(b"\r\n"), 7)] if b"\r\n" in frame else frame[7:]
            collecting = self.responses and self._collecting(frame)
            if collecting:
                collecting.rows.append(event := Event.from_frame(frame))
                if event.get("EventList") == "Complete":
                    self._finish(collecting)
            else:
                self._link.heard(name, frame)
        elif frame.startswith(b"Response: "):
            reply = Event.from_frame(frame)
            action = self.responses.get(reply.get("ActionID"))
            if action is None:
                return
            ok = reply.get("Response") in ("Success", "Follows", "Goodbye")
            action.reply = Reply(ok, reply.get("Message"), reply)
            if not (action.as_list and action.reply.ok and reply.get("EventList").lower() == "start"):
                self._finish(action)

    def _collecting(self, frame: bytes) -> Any:
        """The list action that waits for this event. An event may carry an ActionID without being part of a list."""
        at = frame.find(b"\r\nActionID: ")
        if at < 0:
            return None
        action = self.responses.get(frame[at + 12 :].partition(b"\r\n")[0].decode("utf-8", "replace"))
        return action if action is not None and action.as_list else None

    def _finish(self, action: Any) -> None:
        self.responses.pop(action["ActionID"], None)
        if not action.future.done():
            action.future.set_result((action.reply, action.rows))

    def forget(self, future: "asyncio.Future[Any]") -> None:
        self.responses = {key: action for key, action in self.responses.items() if action.future is not future}

    def connection_lost(self, exc: Any) -> None:
        self.close()
        self._link.connection_lost(exc)

    def close(self) -> None:
        """Whatever still waits gets ActionUnknown, and is forgotten: nothing is sent again."""
        waiting, self.responses = self.responses, {}
        for action in waiting.values():
            if not action.future.done():
                action.future.set_exception(ActionUnknown())
                action.future.exception()  # read here, so that an abandoned future is not logged at its end
        if not self.closed:
            self.closed = True
            self.transport.close()


class _Link(panoramisk.Manager):
    """One TCP link from connect to loss; the next link is another object."""

    def __init__(self, ami: "Ami") -> None:
        loop = asyncio.get_running_loop()
        super().__init__(
            host=ami.host,
            port=ami.port,
            username=ami.username,
            secret=ami.secret,
            loop=loop,
            protocol_factory=lambda: _Wire(self),
        )
        self._ami = ami
        self.lost = asyncio.Event()
        self.settled = asyncio.Event()  # booted or lost
        self.booted = False

    def connection_made(self, f: "asyncio.Future[Any]") -> None:
        if not f.cancelled() and f.exception() is None:  # the caller of connect() handles the failure
            with contextlib.suppress(LinkDown):  # hung up at once: there is no authenticated_future then
                super().connection_made(f)

    def login(self, future: "asyncio.Future[Any]") -> None:
        if not future.cancelled() and future.exception() is None:
            self.authenticated = future.result()[0].ok

    def ping(self) -> None:
        """Not panoramisk's ping, which waits for ever: see Ami._watch."""

    def heard(self, name: bytes, frame: bytes) -> None:
        if name == b"FullyBooted" and not self.booted:
            self.booted = True
            self.settled.set()
            self._ami._up(Event.from_frame(frame))
        elif name in self._ami.wanted_bytes:
            self._ami._enqueue(Event.from_frame(frame))

    def connection_lost(self, exc: Any) -> None:
        if self.pinger:
            self.pinger.cancel()
        self.lost.set()
        self.settled.set()

    def close(self) -> None:
        super().close()
        self.lost.set()
        self.settled.set()


class Ami:
    """One program's link. `wanted`: the event names that `events()` yields; all others are dropped undecoded.

    Either `async with Ami(…)`, which raises when the first login fails, or a task with `run()`, which goes on trying.
    `name` only stands in the log. Not for several event loops.
    """

    def __init__(
        self,
        host: str,
        port: int,
        username: str,
        secret: str,
        name: str = "",
        *,
        wanted: frozenset[str] = frozenset(),
        queue_limit: int = 20_000,
    ) -> None:
        self.host, self.port, self.username, self.secret = host, port, username, secret
        refuse_control_characters("Username", username)
        refuse_control_characters("Secret", secret)
        self.name = name or username
        self.wanted_bytes = frozenset(event.encode() for event in wanted)
        self._queue: asyncio.Queue[Event | LinkUp | None] = asyncio.Queue()
        self._limit = queue_limit
        self._paused = False
        self._link: _Link | None = None
        self._runner: asyncio.Task[None] | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def __aenter__(self) -> "Ami":
        await self.connect()
        self._runner = asyncio.create_task(self.run(), name=f"ami {self.name}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def up(self) -> bool:
        return self._link is not None and not self._link.lost.is_set() and self._link.booted

    async def connect(self, timeout_s: float = 10.0) -> None:
        """One try. Raises LinkDown when nobody answers or Asterisk is not started within the time, LoginRefused."""
        async with self._opening:
            if self._closed:
                raise LinkDown("This link was closed.")
            if self.up:
                return
            link = _Link(self)
            try:
                async with asyncio.timeout(timeout_s):
                    await self._open(link)
            except BaseException as error:
                link.close()
                if isinstance(error, TimeoutError | OSError):
                    raise LinkDown(f"The telephone exchange does not answer on {self.host}:{self.port}.") from error
                raise
            self._watcher = asyncio.create_task(self._watch(link), name=f"ami watch {self.name}")

    async def _open(self, link: _Link) -> None:
        self._link = link  # before the login: whoever hears LinkUp may act at once
        self._paused = False  # that was the old link; a queue still full pauses the new one with its next event
        await link.connect()
        try:
            if link.authenticated_future is None:
                raise ActionUnknown
            reply, _ = await link.authenticated_future
        except ActionUnknown:
            raise LinkDown("The telephone exchange hung up before the login was answered.") from None
        if not reply.ok:
            raise LoginRefused(
                f"The telephone exchange refused the login of {self.username!r}: {reply.message}.",
                remedy="Render its configuration again and reload: the secret there is not this installation's.",
            )
        await link.settled.wait()
        if not link.booted or link.lost.is_set():
            raise LinkDown("The telephone exchange hung up while it was starting.")

    async def run(self) -> None:
        """Keep the link up until `close()`: a lost one is opened again, with back-off. Never raises by itself."""
        failures = 0
        said = ""
        while not self._closed:
            try:
                await self.connect()
            except LoginRefused as refused:
                if said != refused.message:
                    log.error("%s", refused)
                said, pause = refused.message, REFUSED_BACK_OFF_S
            except LinkDown as down:
                if said != down.message:
                    log.warning("%s", down)
                said, pause = down.message, BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
                failures += 1
            except Exception:
                log.exception("%s: the link to the telephone exchange could not be opened", self.name)
                pause = BACK_OFF_S[-1]
            else:
                failures, said, pause = 0, "", BACK_OFF_S[0]
                assert self._link is not None  # noqa: S101
                await self._link.lost.wait()
                if not self._closed:
                    log.warning("%s: the link to the telephone exchange is lost", self.name)
            if not self._closed:
                await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 (programs shall not knock in step)

    async def close(self) -> None:
        """End the link for good; what waits gets ActionUnknown, `events()` ends."""
        self._closed = True
        if self._link is not None:
            self._link.close()
        tasks = [task for task in (self._runner, self._watcher) if task is not None]
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        self._queue.put_nowait(None)

    async def events(self) -> AsyncIterator[Event | LinkUp]:
        """Wanted events in the order of the wire, and a LinkUp after each login. One consumer. Ends with `close()`."""
        while (item := await self._queue.get()) is not None:
            if self._paused and self._queue.qsize() <= self._limit // 2:
                self._paused = False
                self._set_reading(True)
            yield item
        self._queue.put_nowait(None)  # whoever asks again is told again

    async def action(self, name: str, *, timeout_s: float = 5.0, **fields: Value) -> Reply:
        """Send one action once. Reply.ok tells whether Asterisk took it.

        Raises LinkDown (nothing was sent), ActionUnknown (sent, no answer), BadInput (a field with control characters).
        """
        reply, _ = await self._send(name, timeout_s, False, fields)
        return reply

    async def list_action(self, name: str, *, timeout_s: float = 10.0, **fields: Value) -> list[Event]:
        """The events that answer a list action, without the one that ends the list.

        Raises as `action`, and ActionRefused when Asterisk does not give the list.
        """
        reply, rows = await self._send(name, timeout_s, True, fields)
        if not reply.ok:
            raise ActionRefused(f"The telephone exchange refused {name}: {reply.message}.")
        return [row for row in rows if row.get("EventList") != "Complete"]

    async def _send(self, name: str, timeout_s: float, as_list: bool, fields: Mapping[str, Value]) -> Any:
        checked: dict[str, str | list[str]] = {"Action": refuse_control_characters("Action", name)}
        for key, value in fields.items():
            if not key.isascii() or not key.isalpha():
                raise BadInput(f"{key!r} is no field of an action.")
            if isinstance(value, str | int):
                checked[key] = refuse_control_characters(key, str(value))
            else:
                checked[key] = [refuse_control_characters(key, str(one)) for one in value]
        if name.lower() == "originate":
            checked["Async"] = "true"  # without it the call blocks the session until it is answered
        link = self._link
        if link is None or not self.up:
            raise LinkDown
        future = link.send_action(checked, as_list=as_list)
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            link.protocol.forget(future)
            raise ActionUnknown(f"No answer to {name} within {timeout_s:g} s.") from None

    def _up(self, booted: Event) -> None:
        uptime, reload = (booted.get(key, "0") for key in ("Uptime", "LastReload"))
        numbers = [int(text) if text.isdecimal() else 0 for text in (uptime, reload)]
        self._queue.put_nowait(LinkUp(numbers[0], numbers[1], datetime.now(UTC)))

    def _enqueue(self, event: Event) -> None:
        self._queue.put_nowait(event)
        if not self._paused and self._queue.qsize() >= self._limit:
            # Asterisk tries to write for `writetimeout`, then cuts us off, and the next LinkUp says: catch up
            self._paused = True
            self._set_reading(False)
            log.warning("%s: %s events wait to be worked off; reading paused", self.name, self._limit)

    def _set_reading(self, on: bool) -> None:
        link = self._link
        if link is None or link.protocol is None or link.protocol.transport.is_closing():
            return
        transport = link.protocol.transport
        with contextlib.suppress(RuntimeError):
            transport.resume_reading() if on else transport.pause_reading()

    async def _watch(self, link: _Link) -> None:
        """Abort a link that says nothing, not even to a ping. Any byte counts: a reply may stand behind events."""
        while not link.lost.is_set():
            await asyncio.sleep(PING_EVERY_S)
            if self._paused:
                continue
            asked_at = time.monotonic()
            with contextlib.suppress(LinkDown):
                link.send_action({"Action": "Ping"})
            while link.protocol.heard_at < asked_at and not link.lost.is_set() and not self._paused:
                if time.monotonic() - asked_at > PING_LIMIT_S:
                    log.warning("%s: the telephone exchange is silent; link cut", self.name)
                    link.protocol.transport.abort()
                    return
                await asyncio.sleep(0.1)
