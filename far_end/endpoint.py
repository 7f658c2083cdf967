"""A SIP endpoint that is called, and may call: transactions, retransmission and dialogs over one UDP socket on loopback.

`Endpoint` answers what needs no thought (OPTIONS, INFO, UPDATE, re-INVITE, CANCEL, BYE) and tells its heir of the rest
through `invited` and `ended`. Timers are those of RFC 3261 section 17 (T1 0.5 s, T2 4 s, give up after 32 s).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from far_end.media import Address, Engine, Sound, Stream, require_loopback
from far_end.sip import Message, Session, address_of, describe, parameter, user_of

T1, T2, TIMEOUT = 0.5, 4.0, 32.0
ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY")
CALM = ("OPTIONS", "INFO", "UPDATE", "NOTIFY", "MESSAGE", "PRACK")  # answered 200 whatever they say


class NotAnswered(Exception):
    """Our call was refused; `code` is the final answer."""

    def __init__(self, code: int) -> None:
        super().__init__(f"refused with {code}")
        self.code = code


class Call:
    """One call that came in, or one of ours once it is answered. `state` goes ringing → up → over; `how` says who ended it:
    us, them, cancel, refused or lost (the other side no longer answers)."""

    def __init__(self, endpoint: Endpoint, invite: Message, source: Address) -> None:
        self.endpoint, self.invite, self.source = endpoint, invite, source
        self.number, self.caller = user_of(invite.uri), user_of(invite.get("From"))
        self.call_id, self.tag = invite.get("Call-ID"), secrets.token_hex(6)
        self.state, self.how = "ringing", ""
        self.stream: Stream | None = None
        self.over, self.acknowledged = asyncio.Event(), asyncio.Event()
        self.session = Session.parse(invite.body) if invite.body.strip() else None  # without: we offer, ACK answers
        if self.session:
            endpoint.engine.expect(self.session.remote)
        self.target, self.version, self._sequence = invite.get("Contact"), 1, 0
        self._sound: Sound | None = None
        self.repeats: dict[int, asyncio.Task[None]] = {}  # final answers to INVITEs, by CSeq, until their ACK

    def ring(self, early_sound: Path | None = None) -> None:
        """180, or 183 with a sound played once before any answer. Nothing when the call is no longer ringing."""
        if self.state != "ringing":
            return
        if early_sound is None or self.session is None:
            self.endpoint.respond(self.invite, self.source, 180, self)
            return
        self.stream = self._open(self.session)
        self.stream.play(early_sound, loop=False)
        self.endpoint.respond(self.invite, self.source, 183, self, body=self.description())

    def prefer(self, law: int) -> None:
        """Speak with this codec if it is offered; before `ring` and `answer`."""
        if self.session and law in self.session.laws:
            self.session = replace(self.session, law=law)

    def answer(self, sound: Sound | None = None, *, loop: bool = True) -> None:
        """200; then `sound` is spoken over and over, or once (None: silence). Nothing when the call is no longer ringing."""
        if self.state != "ringing":
            return
        self.state = "up"
        self._sound = sound
        if self.session:
            self.stream = self.stream or self._open(self.session)
            self.stream.play(sound, loop)
        self.endpoint.respond(self.invite, self.source, 200, self, body=self.description())

    def take_as_answered(self, sound: Path | None) -> None:
        """They answered our call: nothing is to be sent, the voices begin."""
        self.state, self._sound, self._sequence = "up", sound, 1
        self.acknowledged.set()
        if self.session:
            self.stream = self._open(self.session)
            self.stream.play(sound)

    def description(self) -> str:
        return describe(self.endpoint.engine.port, self.version, self.session)

    def refuse(self, code: int) -> None:
        """Any final refusal, 400 to 699. Nothing when the call is no longer ringing."""
        if self.state == "ringing":
            self.endpoint.respond(self.invite, self.source, code, self)
            self.finish("cancel" if code == 487 else "refused")

    async def hang_up(self) -> None:
        """BYE, once the other side has acknowledged our answer; returns when it is confirmed or given up on."""
        if self.state != "up":
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.acknowledged.wait(), 2)
        if self.state == "up":
            self.finish("us")
            with contextlib.suppress(TimeoutError):
                await self.request("BYE", limit=4)

    async def alive(self, limit: float = 2.0) -> bool:
        """Whether the other side still has this call: its sound comes, or it answers a request inside the dialog.

        The request is UPDATE, which changes nothing here; an Asterisk without res_pjsip_dlg_options leaves OPTIONS
        inside a dialog unanswered (seen with 22.10).
        """
        before = self.stream.packets if self.stream else 0
        await asyncio.sleep(0.1)
        if self.stream and self.stream.packets > before:
            return True
        try:
            return (await self.request("UPDATE", limit=limit)).status not in (408, 481)
        except TimeoutError:
            return False

    def lose(self) -> None:
        """Forget a call whose other side is dead."""
        if self.state != "over":
            self.finish("lost")

    def finish(self, how: str) -> None:
        self.state, self.how = "over", how
        if self.stream:
            self.endpoint.engine.end(self.stream)
        if how in ("us", "them", "lost"):  # nothing is left to be repeated
            for task in self.repeats.values():
                task.cancel()
        asyncio.get_running_loop().call_later(TIMEOUT, self.endpoint.forget, self)
        self.over.set()
        self.endpoint.ended(self)

    def _open(self, session: Session) -> Stream:
        stream = self.endpoint.engine.open(session.remote, session.law, keep=self.endpoint.keep_heard)
        stream.events = session.events
        return stream

    def hear_from(self, body: str) -> None:
        """Take the other side's new description (re-INVITE, UPDATE, or the answer in ACK); ValueError if unusable."""
        self.session = Session.parse(body)
        if self.stream is None:
            self.stream = self._open(self.session)
            self.stream.play(self._sound)
        elif self.stream.law != self.session.law:
            self.stream.law = self.session.law
            self.stream.play(self._sound)
        self.stream.muted = self.session.direction in ("sendonly", "inactive")
        if self.stream.remote != self.session.remote:
            self.endpoint.engine.move(self.stream, self.session.remote)

    async def request(self, method: str, limit: float) -> Message:
        """A request of ours inside the dialog; TimeoutError when nobody answers."""
        self._sequence += 1
        to = self.invite.get("To")
        ours = to if parameter(to, "tag") else f"{to};tag={self.tag}"
        message = Message(f"{method} {self.target.partition('<')[2].partition('>')[0] or self.target} SIP/2.0")
        routes = self.invite.every("Record-Route")
        message.headers = [("Route", route) for route in routes]
        message.headers += [("From", ours), ("To", self.invite.get("From")), ("Call-ID", self.call_id)]
        message.headers += [("CSeq", f"{self._sequence} {method}")]
        try:
            where = address_of(routes[0] if routes else self.target)
        except ValueError:  # a Contact from outside this machine: answer where the call came from
            where = self.source
        return await self.endpoint.request(message, where, limit)


class Endpoint(asyncio.DatagramProtocol):
    """One UDP socket and the calls that come to it. With `keep_heard` what is heard can be saved as a WAV."""

    def __init__(self, engine: Engine, name: str, keep_heard: bool = False) -> None:
        self.engine, self.name, self.keep_heard = engine, name, keep_heard
        self.port = 0
        self.calls: dict[tuple[str, str], Call] = {}  # by Call-ID and the caller's tag; kept 32 s after the end
        self._transport: asyncio.DatagramTransport | None = None
        self._served: dict[tuple[str, str], bytes] = {}  # the last answer to each request, for its repetitions
        self._asked: dict[str, asyncio.Future[Message]] = {}  # our open requests by branch
        self._tasks: set[asyncio.Task[Any]] = set()

    # What an heir overrides.

    def ignores(self, message: Message) -> bool:
        """Whether an INVITE is left without any answer at all, as by a carrier that is dead behind a living address."""
        return False

    def invited(self, call: Call) -> None:
        """A new call rings: the heir lets it ring, answers or refuses it, now or later."""
        call.refuse(480)

    def ended(self, call: Call) -> None:
        """A call is over; call.how says who ended it."""

    # The socket.

    async def open(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Bind; OSError when the port is taken, ValueError when the host is not loopback."""
        address = (require_loopback(host), port)
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=address)
        self.port = self._transport.get_extra_info("sockname")[1]

    def close(self) -> None:
        """Stop at once: no BYE, no refusal; the calls' sound ends."""
        for task in self._tasks:
            task.cancel()
        for call in self.calls.values():
            if call.stream:
                self.engine.end(call.stream)
        if self._transport:
            self._transport.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run beside; cancelled by close()."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _send(self, data: bytes, where: Address) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.sendto(data, where)

    def error_received(self, exc: Exception) -> None:
        """A dead peer's ICMP: retransmission and time-outs deal with it."""

    @property
    def contact(self) -> str:
        return f"<sip:{self.name}@127.0.0.1:{self.port}>"

    # Our requests and our answers.

    async def request(self, message: Message, where: Address, limit: float = TIMEOUT) -> Message:
        """Send until a final answer comes; TimeoutError after `limit` seconds."""
        via = f"SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{secrets.token_hex(8)};rport"
        message.headers[:0] = [("Via", via), ("Max-Forwards", "70")]
        message.headers += [("Contact", self.contact)] if not message.get("Contact") else []
        data, branch, pause = message.render(), message.branch, T1
        answer = self._asked[branch] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(limit):
                while True:
                    self._send(data, where)
                    done, _ = await asyncio.wait([answer], timeout=pause)
                    if done:
                        return answer.result()
                    pause = min(2 * pause, T2)
        finally:
            del self._asked[branch]

    async def dial(
        self, number: str, where: Address, *, caller: str, sound: Path | None = None, limit: float = 60.0
    ) -> Call:
        """Calls `number` at `where` as `caller`; returns the call when it is answered, with `sound` spoken into it.

        Raises NotAnswered; TimeoutError when no final answer comes within `limit` seconds.
        """
        tag, call_id = secrets.token_hex(6), f"{secrets.token_hex(12)}@127.0.0.1"
        me, them = f"<sip:{caller}@127.0.0.1:{self.port}>;tag={tag}", f"<sip:{number}@{where[0]}:{where[1]}>"
        invite = Message(f"INVITE {them[1:-1]} SIP/2.0", body=describe(self.engine.port, 1))
        invite.headers = [("From", me), ("To", them), ("Call-ID", call_id), ("CSeq", "1 INVITE")]
        invite.headers += [ALLOW, ("Content-Type", "application/sdp")]
        answer = await self.request(invite, where, limit)
        ack = Message(f"ACK {them[1:-1]} SIP/2.0")
        via = (
            invite.get("Via")
            if answer.status >= 300
            else invite.get("Via").replace("branch=z9hG4bK", "branch=z9hG4bKa")
        )
        ack.headers = [("Via", via), ("Max-Forwards", "70"), ("From", me), ("To", answer.get("To"))]
        ack.headers += [("Call-ID", call_id), ("CSeq", "1 ACK")]
        self._send(ack.render(), where)
        if answer.status >= 300:
            raise NotAnswered(answer.status)
        # the dialog as if they had called us: what ends and changes it is the same on both sides
        as_theirs = Message(f"INVITE sip:{caller}@127.0.0.1:{self.port} SIP/2.0", body=answer.body)
        as_theirs.headers = [("Via", via), ("From", answer.get("To")), ("To", me), ("Call-ID", call_id)]
        as_theirs.headers += [("CSeq", "1 INVITE"), ("Contact", answer.get("Contact"))]
        call = Call(self, as_theirs, where)
        call.take_as_answered(sound)
        self.calls[call_id, parameter(answer.get("To"), "tag")] = call
        return call

    def respond(self, request: Message, source: Address, code: int, call: Call | None = None, body: str = "") -> None:
        """Answer a request; a final answer to an INVITE is repeated until its ACK comes."""
        more = [ALLOW]
        if call and 100 < code < 300:
            more.append(("Contact", self.contact))
        answer = request.reply(code, call.tag if call else secrets.token_hex(6), *more, body=body)
        via = request.get("Via")
        if via.endswith(";rport") or ";rport;" in via:  # RFC 3581; we answer to the source address in any case
            answer.headers[0] = ("Via", via.replace(";rport", f";received={source[0]};rport={source[1]}", 1))
        data, key = answer.render(), (request.branch, request.method)
        self._served[key] = data
        self._send(data, source)
        if code >= 200:
            asyncio.get_running_loop().call_later(2 * TIMEOUT, self._served.pop, key, None)
            if call and request.method == "INVITE":
                call.repeats[request.sequence] = self.spawn(self._repeat(call, data, source, code))

    async def _repeat(self, call: Call, data: bytes, where: Address, code: int) -> None:
        pause, total = T1, 0.0
        while total < TIMEOUT:
            await asyncio.sleep(pause)
            self._send(data, where)
            pause, total = min(2 * pause, T2), total + pause
        if code < 300 and call.state == "up":
            call.lose()

    def forget(self, call: Call) -> None:
        key = (call.call_id, parameter(call.invite.get("From"), "tag"))
        if self.calls.get(key) is call:
            del self.calls[key]

    # What comes in.

    def datagram_received(self, data: bytes, addr: Address) -> None:
        try:
            require_loopback(addr[0])
            message = Message.parse(data)
        except (ValueError, IndexError):
            return  # keep-alives (CRLF) and noise
        if message.status:
            waiting = self._asked.get(message.branch)
            if waiting and not waiting.done() and message.status >= 200:
                waiting.set_result(message)
            return
        served = self._served.get((message.branch, message.method))
        if served is not None:
            self._send(served, addr)
            return
        call = self.calls.get((message.get("Call-ID"), parameter(message.get("From"), "tag")))
        self._serve(message, addr, call)

    def _serve(self, message: Message, source: Address, call: Call | None) -> None:
        method, inside = message.method, bool(parameter(message.get("To"), "tag"))
        if method == "ACK":
            self._acknowledged(message, call)
        elif method == "INVITE" and not inside:
            self._invited(message, source, call)
        elif method == "CANCEL":
            known = call is not None and call.invite.branch == message.branch
            self.respond(message, source, 200 if known else 481, call)
            if known and call:
                call.refuse(487)
        elif inside and (call is None or call.state == "over"):
            self.respond(message, source, 481)
        elif call and method == "BYE":
            self.respond(message, source, 200)
            call.finish("them")
        elif call and method in ("INVITE", "UPDATE"):
            self._changed(message, source, call)
        else:
            self.respond(message, source, 200 if method in CALM else 405)

    def _invited(self, message: Message, source: Address, call: Call | None) -> None:
        if call is not None and call.state != "over":
            self.respond(message, source, 482)
            return
        if self.ignores(message):
            return
        try:
            call = Call(self, message, source)
        except (ValueError, IndexError):
            self.respond(message, source, 488)
            return
        self.calls[call.call_id, parameter(message.get("From"), "tag")] = call
        self.respond(message, source, 100)
        self.invited(call)

    def _acknowledged(self, message: Message, call: Call | None) -> None:
        if call is None:
            return
        if task := call.repeats.pop(message.sequence, None):
            task.cancel()
        if call.state == "up":
            if call.session is None and message.body.strip():
                with contextlib.suppress(ValueError, IndexError):
                    call.hear_from(message.body)
            call.acknowledged.set()

    def _changed(self, message: Message, source: Address, call: Call) -> None:
        body = ""
        call.target = message.get("Contact") or call.target
        try:
            if message.body.strip():
                call.hear_from(message.body)
            if message.body.strip() or message.method == "INVITE":
                call.version += 1
                body = call.description()
        except (ValueError, IndexError):
            self.respond(message, source, 488, call)
            return
        self.respond(message, source, 200, call, body=body)
