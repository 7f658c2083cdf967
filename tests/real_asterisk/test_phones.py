"""Who may register, and what a phone or a carrier that calls in gets."""

import asyncio
import secrets
import uuid

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from backoffice_core.pbx.actions import originate_leg
from backoffice_core.pbx.ami import Ami
from far_end.media import Engine
from far_end.phone import DeskPhone, RegistrationError
from far_end.sip import Challenge, Message, parameter
from tests.real_asterisk.conftest import Exchange, Listener

USER = "agent-102-web"


async def register(ws: ClientConnection, secret: str) -> int:
    """Register as a browser phone does; the final status."""
    uri, me, ident = "sip:127.0.0.1", f"<sip:{USER}@127.0.0.1>", secrets.token_hex(8)
    challenge: Challenge | None = None
    for number in (1, 2):
        message = Message(f"REGISTER {uri} SIP/2.0")
        message.headers = [
            ("Via", f"SIP/2.0/WS browser.invalid;branch=z9hG4bK{ident}{number}"),
            ("From", f"{me};tag=1"),
        ]
        message.headers += [("To", me), ("Call-ID", ident), ("CSeq", f"{number} REGISTER"), ("Max-Forwards", "70")]
        message.headers += [("Contact", f"<sip:{USER}@browser.invalid;transport=ws>"), ("Expires", "60")]
        if challenge:
            message.headers.append(("Authorization", challenge.answer(USER, secret, "REGISTER", uri)))
        await ws.send(message.render().decode())
        answer = await receive(ws, "SIP/2.0")
        if answer.status != 401 or challenge:
            break
        challenge = Challenge.strongest(answer)
    return answer.status


async def receive(ws: ClientConnection, start: str) -> Message:
    """The next message that begins so; an OPTIONS in between is answered."""
    async with asyncio.timeout(10):
        while True:
            data = await ws.recv()
            message = Message.parse(data.encode() if isinstance(data, str) else data)
            if message.start.startswith(start):
                return message
            if message.start.startswith("OPTIONS"):
                await ws.send(message.reply(200, "t").render().decode())


async def test_a_browser_phone_registers_and_is_offered_encrypted_g711(
    exchange: Exchange, dialer: Ami, listener: Listener
) -> None:
    address = f"ws://127.0.0.1:{exchange.settings.ports.asterisk_http}/ws"
    async with connect(address, subprotocols=[Subprotocol("sip")]) as ws:
        assert await register(ws, "wrong" * 8) == 401
        assert await register(ws, exchange.settings.derived_secret("phone:102")) == 200
        leg = f"leg-{uuid.uuid4()}-1"
        await originate_leg(dialer, channel_id=leg, endpoint=USER, ring_timeout_s=10)
        invite = await receive(ws, "INVITE")
        for part in ("UDP/TLS/RTP/SAVPF 8 0", "a=fingerprint:SHA-256", "a=ice-ufrag:", "a=rtcp-mux", "a=candidate:"):
            assert part.lower() in invite.body.lower(), part
        await ws.send(invite.reply(603, "t").render().decode())
        gone = await listener.first(leg, "Hangup")
        assert gone.get("TechCause") == "603"


async def test_a_desk_phone_needs_its_own_secret(exchange: Exchange) -> None:
    engine = Engine()
    registrar = ("127.0.0.1", exchange.settings.ports.sip)
    for user, secret in (
        ("agent-101", "wrong"),
        ("agent-101", exchange.settings.derived_secret("phone:102")),
        ("far-end", "x"),
        ("nobody", "x"),
    ):
        phone = DeskPhone(user, secret, registrar, engine=engine)
        with pytest.raises(RegistrationError):
            await phone.register()
        phone.close()
    engine.close()


class Caller(asyncio.DatagramProtocol):
    """Sends one INVITE from a port of its own and keeps the answers."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Message] = asyncio.Queue()

    def datagram_received(self, data: bytes, _: object) -> None:
        self.answers.put_nowait(Message.parse(data))


async def invite(exchange: Exchange, user: str, number: str) -> list[int]:
    """The statuses until a final one; a call that is answered is ended by us."""
    loop = asyncio.get_running_loop()
    target = ("127.0.0.1", exchange.settings.ports.sip)
    transport, caller = await loop.create_datagram_endpoint(Caller, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    ident = secrets.token_hex(6)
    sdp = f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"

    def request(method: str, to: str, sequence: int) -> Message:
        message = Message(f"{method} sip:{number}@127.0.0.1:{target[1]} SIP/2.0")
        message.headers = [("Via", f"SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{ident}{method}"), ("To", to)]
        message.headers += [("From", f"<sip:{user}@127.0.0.1>;tag={ident}"), ("Call-ID", ident)]
        message.headers += [("CSeq", f"{sequence} {method}"), ("Contact", f"<sip:{user}@127.0.0.1:{port}>")]
        return message

    first = request("INVITE", f"<sip:{number}@127.0.0.1>", 1)
    first.headers.append(("Content-Type", "application/sdp"))
    first.body = sdp
    transport.sendto(first.render(), target)
    statuses: list[int] = []
    try:
        async with asyncio.timeout(10):
            while not statuses or statuses[-1] < 200:
                answer = await caller.answers.get()
                statuses.append(answer.status)
            assert parameter(answer.get("To"), "tag")
            if statuses[-1] == 200:
                transport.sendto(request("ACK", answer.get("To"), 1).render(), target)
                transport.sendto(request("BYE", answer.get("To"), 2).render(), target)
    finally:
        transport.close()
    return statuses


async def test_a_carrier_that_calls_in_reaches_only_the_message(exchange: Exchange) -> None:
    assert (await invite(exchange, "+380671112233", "+380445550100"))[-1] == 200


async def test_a_phone_that_dials_without_its_secret_is_challenged(exchange: Exchange) -> None:
    assert (await invite(exchange, "agent-101", "+380671234567"))[-1] == 401
