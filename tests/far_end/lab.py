"""The other side of the far end, as small as can be: a caller with raw UDP, and a registrar that checks digests.

Both speak through far_end.sip.Message but keep no transactions: a test says what is sent, and sees all that comes.
"""

import asyncio
import itertools
import re
import secrets
from dataclasses import dataclass, field

from far_end.media import Address
from far_end.sip import Message, digest, parameter
from tests.conftest import until

_ids = itertools.count(1)


def offer(port: int, payloads: str = "8 0 101", extra: str = "") -> str:
    return (
        f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {payloads}\r\na=rtpmap:101 telephone-event/8000\r\n{extra}"
    )


@dataclass
class Leg:
    """One call that a Caller placed."""

    caller: "Caller"
    number: str
    call_id: str
    invite: Message
    target: Address
    sequence: int = 1
    got: list[Message] = field(default_factory=list)

    @property
    def codes(self) -> list[int]:
        return [message.status for message in self.got if message.status and message.method == "INVITE"]

    @property
    def requests(self) -> list[str]:
        return [message.method for message in self.got if not message.status]

    async def final(self, limit: float = 8.0) -> Message:
        """The final answer to the INVITE, acknowledged as RFC 3261 wants it."""
        message = await until(
            lambda: next((m for m in self.got if m.method == "INVITE" and m.status >= 200), None),
            limit,
            what="an answer",
        )
        self.acknowledge(message)
        return message

    def acknowledge(self, message: Message) -> None:
        own = message.status >= 300
        self._send("ACK", message.sequence, branch=self.invite.branch.partition(";")[2] if own else None)

    def cancel(self) -> None:
        self._send("CANCEL", 1, branch=self.invite.branch.partition(";")[2], to=self.invite.get("To"))

    def inside(self, method: str, body: str = "") -> int:
        """A request in the dialog; returns its CSeq."""
        self.sequence += 1
        self._send(method, self.sequence, body=body)
        return self.sequence

    def _send(self, method: str, number: int, branch: str | None = None, to: str = "", body: str = "") -> None:
        answers = [m for m in self.got if m.status > 100 and m.method == "INVITE"]
        to = to or (answers[-1].get("To") if answers else self.invite.get("To"))
        self.caller.send(
            self._message(method, number, branch or f"z9hG4bK{secrets.token_hex(6)}", to, body), self.target
        )

    def _message(self, method: str, number: int, branch: str, to: str, body: str) -> Message:
        message = Message(f"{method} {self.invite.uri} SIP/2.0", body=body)
        message.headers = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.caller.port};branch={branch};rport"),
            ("From", self.invite.get("From")), ("To", to), ("Call-ID", self.call_id), ("CSeq", f"{number} {method}"),
            ("Contact", self.invite.get("Contact")),
        ]  # fmt: skip
        return message


class Caller(asyncio.DatagramProtocol):
    """Places calls from one UDP port; answers BYE and OPTIONS with 200 unless `deaf`."""

    def __init__(self) -> None:
        self.legs: dict[str, Leg] = {}
        self.loose: list[Message] = []
        self.port, self.deaf = 0, False
        self._transport: asyncio.DatagramTransport

    async def open(self) -> "Caller":
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]
        return self

    def close(self) -> None:
        self._transport.close()

    def send(self, message: Message, target: Address) -> None:
        self._transport.sendto(message.render(), target)

    def call(
        self, number: str, port: int, rtp_port: int = 9, body: str | None = None, more: str = "", contact: str = ""
    ) -> Leg:
        """`more`: a Record-Route to put in."""
        call_id = f"test-{next(_ids)}-{secrets.token_hex(3)}"
        invite = Message(
            f"INVITE sip:{number}@127.0.0.1:{port} SIP/2.0", body=offer(rtp_port) if body is None else body
        )
        invite.headers = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{secrets.token_hex(6)};rport"),
            ("From", f'"Bank" <sip:bank@127.0.0.1:{self.port}>;tag={secrets.token_hex(4)}'),
            ("To", f"<sip:{number}@127.0.0.1:{port}>"), ("Call-ID", call_id), ("CSeq", "1 INVITE"),
            ("Contact", contact or f"<sip:bank@127.0.0.1:{self.port}>"),
        ]  # fmt: skip
        invite.headers += [("Record-Route", more)] if more else []
        leg = self.legs[call_id] = Leg(self, number, call_id, invite, ("127.0.0.1", port))
        self.send(invite, leg.target)
        return leg

    def datagram_received(self, data: bytes, addr: Address) -> None:
        message = Message.parse(data)
        leg = self.legs.get(message.get("Call-ID"))
        (leg.got if leg else self.loose).append(message)
        if not message.status and not self.deaf:
            self.send(message.reply(200, "bank"), addr)


class Registrar(Caller):
    """Knows one user. `algorithms` are offered in this order; `users` maps the registered user to his contact."""

    def __init__(self, user: str, secret: str, algorithms: tuple[str, ...] = ("MD5",)) -> None:
        super().__init__()
        self.user, self.secret, self.algorithms = user, secret, algorithms
        self.nonces: set[str] = set()
        self.users: dict[str, str] = {}
        self.used: list[str] = []  # algorithms of the proofs accepted

    def datagram_received(self, data: bytes, addr: Address) -> None:
        message = Message.parse(data)
        if message.status or message.method != "REGISTER":
            super().datagram_received(data, addr)
            return
        if self._proved(message.get("Authorization")):
            self.users[self.user] = message.get("Contact") if message.get("Expires") != "0" else ""
            self.send(message.reply(200, "r"), addr)
            return
        nonce = secrets.token_hex(8)
        self.nonces.add(nonce)
        challenges = [
            ("WWW-Authenticate", f'Digest realm="bank", nonce="{nonce}", opaque="o", algorithm={name}, qop="auth"')
            for name in self.algorithms
        ]
        self.send(message.reply(401, "r", *challenges), addr)

    def _proved(self, header: str) -> bool:
        said = {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header)}
        if said.get("nonce") not in self.nonces or said["username"] != self.user:
            return False
        proof = digest(
            said["algorithm"], self.user, "bank", self.secret, "REGISTER", said["uri"], said["nonce"], said["nc"],
            said["cnonce"],
        )  # fmt: skip
        if proof == said["response"]:
            self.used.append(said["algorithm"])
        return proof == said["response"]

    def invite(self, contact: str, rtp_port: int = 9) -> Leg:
        """Call a registered phone."""
        host, _, port = contact.partition("@")[2].strip("<>").partition(":")
        assert host == "127.0.0.1"
        return self.call(self.user, int(port), rtp_port)


def tag_of(message: Message) -> str:
    return parameter(message.get("To"), "tag")
