"""Robot desk phones: registered with the product's Asterisk, answering by themselves, speaking and listening.

Many phones share one `Engine` (one RTP port, one ticker); each has a SIP port of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable

from far_end.endpoint import Call, Endpoint
from far_end.media import PCMA, PCMU, SOUNDS, Address, Engine, Sound, frames, require_loopback
from far_end.sip import Challenge, Message

PATIENCE = 4.0  # seconds that a registrar has to answer
AGENT_VOICE = SOUNDS / "agent-uk.wav"


class RegistrationError(Exception):
    """The registrar answered, but not 200: wrong user or secret, or a contact too many."""


class DeskPhone(Endpoint):
    """One phone with one line.

    `voice` is what it says on each call (None: silence, still sent as RTP). `on_up(phone, call)` and
    `on_down(phone, call)` are called in the event loop; `call.how` then says who ended the call. A second call while
    one is up gets 486, unless the other side of the first turns out to be dead (Asterisk was killed): then the old one
    is dropped and the new one answered. `refresh` is seconds between registrations; after a failure it tries again
    every second, so a restarted registrar knows the phone again within `refresh` + 5 s.
    """

    def __init__(
        self,
        user: str,
        secret: str,
        registrar: Address = ("127.0.0.1", 5060),
        *,
        engine: Engine,
        voice: Sound | None = AGENT_VOICE,
        answer_after: float = 0.0,
        refresh: float = 15.0,
        keep_heard: bool = False,
        on_up: Callable[[DeskPhone, Call], None] | None = None,
        on_down: Callable[[DeskPhone, Call], None] | None = None,
    ) -> None:
        """ValueError when the registrar is not loopback."""
        super().__init__(engine, user, keep_heard)
        self.user, self._secret, self.voice = user, secret, voice
        self.registrar = (require_loopback(registrar[0]), registrar[1])
        self._answer_after, self._refresh, self._on_up, self._on_down = answer_after, refresh, on_up, on_down
        self.call: Call | None = None  # the call that rings or is up, else the last one
        self.up, self.down, self.registered = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.down.set()
        self._challenge: Challenge | None = None
        self._sequence, self._register_id = 0, secrets.token_hex(8)
        self._keeper: asyncio.Task[None] | None = None
        for law in (PCMA, PCMU) if voice else ():  # encoded before the first call
            frames(voice, law)

    async def register(self) -> None:
        """Register and keep registered until `close`. The first attempt's failure is raised: RegistrationError when
        refused, TimeoutError when nobody answers within PATIENCE, OSError when no port can be bound."""
        if not self.port:
            await self.open()
        await self._register(expires=120)
        self._keeper = self._keeper or self.spawn(self._keep())

    async def unregister(self) -> None:
        """Take the registration back; errors as `register`."""
        if self._keeper:
            self._keeper.cancel()
            self._keeper = None
        await self._register(expires=0)
        self.registered.clear()

    async def hang_up(self) -> None:
        """End the call that is up; nothing when there is none."""
        if self.call:
            await self.call.hang_up()

    def say(self, sound: Sound | None, loop: bool = True) -> None:
        """Change what this call hears from us; nothing when no call is up."""
        if self.call and self.call.stream:
            self.call.stream.play(sound, loop)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._refresh if self.registered.is_set() else 1.0)
            with contextlib.suppress(TimeoutError, RegistrationError, OSError):
                await self._register(expires=120)

    async def _register(self, expires: int) -> None:
        uri = f"sip:127.0.0.1:{self.registrar[1]}"
        me = f"<sip:{self.user}@127.0.0.1:{self.registrar[1]}>"
        for _ in range(3):  # with the nonce we have; with a fresh one; and once more should that have gone stale
            self._sequence += 1
            message = Message(f"REGISTER {uri} SIP/2.0")
            message.headers = [("From", f"{me};tag={self._register_id}"), ("To", me)]
            message.headers += [("Call-ID", f"{self._register_id}@127.0.0.1"), ("CSeq", f"{self._sequence} REGISTER")]
            message.headers += [("Contact", self.contact), ("Expires", str(expires))]
            if self._challenge:
                proof = self._challenge.answer(self.user, self._secret, "REGISTER", uri)
                message.headers.append(("Authorization", proof))
            fresh = self._challenge is None or self._challenge.uses > 1
            try:
                answer = await self.request(message, self.registrar, limit=PATIENCE)
            except TimeoutError:
                self.registered.clear()
                raise
            if answer.status == 200:
                self.registered.set()
                return
            stale = "stale=true" in answer.get("WWW-Authenticate").lower()
            if answer.status != 401 or not (fresh or stale):
                break
            try:
                self._challenge = Challenge.strongest(answer)
            except ValueError as error:
                raise RegistrationError(f"{self.user}: {error}") from error
        self.registered.clear()
        self._challenge = None
        raise RegistrationError(f"{self.user}: the registrar answered {answer.status}")

    def invited(self, call: Call) -> None:
        self.spawn(self._take(call))

    async def _take(self, call: Call) -> None:
        if self.call and self.call.state == "up" and not await self.call.alive(limit=1.0):
            self.call.lose()
        if self.call and self.call.state != "over":
            call.refuse(486)
            return
        if call.state == "over":
            return
        self.call = call
        call.ring()
        if self._answer_after:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(call.over.wait(), self._answer_after)
        call.answer(self.voice)
        if call.state == "up":
            self.down.clear()
            self.up.set()
            if self._on_up:
                self._on_up(self, call)

    def ended(self, call: Call) -> None:
        if call is self.call and call.how in ("us", "them", "lost"):
            self.up.clear()
            self.down.set()
            if self._on_down:
                self._on_down(self, call)
