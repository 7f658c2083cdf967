"""SIP as written on the wire: messages, addresses, digest authentication, session descriptions.

Just what a stand-in for a carrier and for desk phones needs of RFC 3261, 3264, 4566 and 8760; UDP, IPv4, loopback.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field

from far_end.media import PCMA, PCMU, Address, loopback_address

_COMPACT = {
    "v": "Via", "f": "From", "t": "To", "i": "Call-ID", "m": "Contact", "l": "Content-Length", "c": "Content-Type",
}  # fmt: skip
_LISTS = ("via", "record-route", "route", "contact")  # headers whose values may stand on one line, apart by commas
_COMMA = re.compile(r',(?=(?:[^"<>]|"[^"]*"|<[^>]*>)*$)')
_URI = re.compile(r"sips?:(?:([^@;>\s]*)@)?([^;:>?\s]+)(?::(\d{1,5}))?")
REASONS = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 408: "Request Timeout", 410: "Gone", 480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist", 482: "Loop Detected", 484: "Address Incomplete", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 503: "Service Unavailable", 600: "Busy Everywhere",
    603: "Decline",
}  # fmt: skip


@dataclass
class Message:
    """A request (`start` = "METHOD uri SIP/2.0") or a response ("SIP/2.0 code reason"); Content-Length is implied."""

    start: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Message:
        """ValueError for what is not SIP or lacks Via, From, To, Call-ID or CSeq."""
        head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
        message = cls(lines[0])
        if not re.fullmatch(r"SIP/2\.0 \d{3} ?.*|[A-Z]+ \S+ SIP/2\.0", lines[0]):
            raise ValueError("not a SIP start line")
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise ValueError("a header without a colon")
            name, value = _COMPACT.get(name.strip().lower(), name.strip()), value.strip()
            parts = _COMMA.split(value) if name.lower() in _LISTS else [value]
            message.headers += [(name, part.strip()) for part in parts]
        length = message.get("Content-Length")
        message.body = body[: int(length)] if length.isdigit() else body
        if not all(message.get(name) for name in ("Via", "From", "To", "Call-ID")):
            raise ValueError("a mandatory header is missing")
        if not re.fullmatch(r"\d{1,10}\s+[A-Z]+", message.get("CSeq")):
            raise ValueError("no usable CSeq")
        return message

    def render(self) -> bytes:
        body = self.body.encode()
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers if name != "Content-Length")]
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body

    def get(self, name: str) -> str:
        """The first value of a header, "" when there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def every(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def status(self) -> int:
        """The response's code; 0 for a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/") else 0

    @property
    def method(self) -> str:
        """The method of the request, or of the request that this response answers."""
        return self.get("CSeq").split()[1]

    @property
    def sequence(self) -> int:
        return int(self.get("CSeq").split()[0])

    @property
    def branch(self) -> str:
        """Names the transaction: the top Via's branch with the host that sent it."""
        via = self.get("Via")
        return via.split(";")[0].split()[-1] + ";" + parameter(via, "branch")

    @property
    def uri(self) -> str:
        return self.start.split()[1]

    def reply(self, code: int, tag: str, *more: tuple[str, str], body: str = "") -> Message:
        """The response to this request, with our `tag` in To where the request had none."""
        answer = Message(f"SIP/2.0 {code} {REASONS.get(code, 'Other')}", body=body)
        answer.headers = [("Via", via) for via in self.every("Via")]
        answer.headers += [("Record-Route", route) for route in self.every("Record-Route")]
        to = self.get("To")
        if code > 100 and not parameter(to, "tag"):
            to += f";tag={tag}"
        answer.headers += [("From", self.get("From")), ("To", to)]
        answer.headers += [("Call-ID", self.get("Call-ID")), ("CSeq", self.get("CSeq")), *more]
        if body:
            answer.headers.append(("Content-Type", "application/sdp"))
        return answer


def parameter(value: str, name: str) -> str:
    """A ;name=value parameter of a header, outside its <address>; "" when absent."""
    outside = re.sub(r'"[^"]*"|<[^>]*>', "", value)
    found = re.search(rf";\s*{name}\s*=\s*([^;,\s]+)", outside, re.IGNORECASE)
    return found[1] if found else ""


def user_of(value: str) -> str:
    """The user part of a header's or request's SIP address, "" when it has none."""
    found = _URI.search(value)
    return (found[1] or "") if found else ""


def address_of(value: str) -> Address:
    """Where a SIP address points; ValueError unless that is loopback."""
    found = _URI.search(value)
    if not found:
        raise ValueError("no SIP address")
    return loopback_address(found[2], int(found[3] or 5060))


@dataclass
class Challenge:
    """A registrar's WWW-Authenticate (RFC 7616, 8760)."""

    realm: str
    nonce: str
    algorithm: str  # MD5 or SHA-256
    qop: bool
    opaque: str
    uses: int = 0  # how often we answered it: the nonce count

    @classmethod
    def strongest(cls, refusal: Message) -> Challenge:
        """The best of the challenges offered; ValueError when there is none that we can answer."""
        found = []
        for value in refusal.every("WWW-Authenticate"):
            pairs = re.findall(r'(\w+)\s*=\s*(?:"([^"]*)"|([^\s,]+))', value)
            fields = {name.lower(): quoted or plain for name, quoted, plain in pairs}
            algorithm = fields.get("algorithm", "MD5").upper()
            if value[:7].lower() == "digest " and algorithm in ("MD5", "SHA-256") and fields.get("nonce"):
                qop = "auth" in re.split(r"[\s,]+", fields.get("qop", ""))
                found.append(cls(fields.get("realm", ""), fields["nonce"], algorithm, qop, fields.get("opaque", "")))
        if not found:
            raise ValueError("the registrar offers no digest that is spoken here (MD5, SHA-256)")
        return max(found, key=lambda challenge: challenge.algorithm == "SHA-256")

    def answer(self, user: str, secret: str, method: str, uri: str) -> str:
        """The Authorization header for one more request."""
        self.uses += 1
        count, cnonce = f"{self.uses:08x}", secrets.token_hex(8)
        proof = digest(
            self.algorithm, user, self.realm, secret, method, uri, self.nonce, count if self.qop else "", cnonce
        )
        header = (
            f'Digest username="{user}", realm="{self.realm}", nonce="{self.nonce}", uri="{uri}", '
            f'response="{proof}", algorithm={self.algorithm}'
        )
        if self.opaque:
            header += f', opaque="{self.opaque}"'
        return header + (f', qop=auth, nc={count}, cnonce="{cnonce}"' if self.qop else "")


def digest(
    algorithm: str, user: str, realm: str, secret: str, method: str, uri: str, nonce: str, count: str, cnonce: str
) -> str:
    """The response of RFC 7616 3.4.1; an empty `count` means without qop (RFC 2617)."""

    def hashed(text: str) -> str:
        return (hashlib.sha256 if algorithm == "SHA-256" else hashlib.md5)(text.encode()).hexdigest()

    middle = f"{nonce}:{count}:{cnonce}:auth" if count else nonce
    return hashed(f"{hashed(f'{user}:{realm}:{secret}')}:{middle}:{hashed(f'{method}:{uri}')}")


@dataclass(frozen=True)
class Session:
    """What a session description says about its first audio stream."""

    remote: Address
    law: int  # PCMU or PCMA, the first of the two that is offered
    events: int | None  # payload type of telephone-event at 8 kHz
    direction: str  # as the describing side sees it: sendrecv, sendonly, recvonly, inactive
    laws: tuple[int, ...]  # both, when both are
    lines: tuple[str, ...]  # each m= line's kind and protocol, for the answer

    @classmethod
    def parse(cls, body: str) -> Session:
        """ValueError when there is no loopback audio in PCMA or PCMU over plain RTP."""
        host, lines, audio, in_audio, direction, events = "", [], None, False, "sendrecv", None
        for line in body.splitlines():
            kind, _, value = line.strip().partition("=")
            if kind == "m":
                words = value.split()
                in_audio = audio is None and words[0] == "audio" and words[2:3] == ["RTP/AVP"] and words[1] != "0"
                lines.append("" if in_audio else f"m={words[0]} 0 {' '.join(words[2:])}")
                audio = words if in_audio else audio
            elif kind == "c" and (in_audio or not lines):
                host = value.split()[-1]
            elif kind == "a" and value in ("sendrecv", "sendonly", "recvonly", "inactive") and (in_audio or not lines):
                direction = value
            elif in_audio and (found := re.fullmatch(r"rtpmap:(\d+) telephone-event/8000.*", value, re.IGNORECASE)):
                events = int(found[1])
        laws = tuple(int(word) for word in (audio or [])[3:] if word in (str(PCMU), str(PCMA)))
        if audio is None or not laws:
            raise ValueError("no PCMA or PCMU audio offered")
        return cls(loopback_address(host, int(audio[1])), laws[0], events, direction, laws, tuple(lines))


def describe(port: int, version: int, offer: Session | None = None) -> str:
    """Our session description: the answer to `offer`, or an offer of our own when there is none."""
    laws = [offer.law] if offer else [PCMA, PCMU]
    events = offer.events if offer else 101
    back = {"sendonly": "recvonly", "recvonly": "sendonly"}
    direction = back.get(offer.direction, offer.direction) if offer else "sendrecv"
    types = " ".join(str(number) for number in [*laws, *([] if events is None else [events])])
    audio = [f"m=audio {port} RTP/AVP {types}"]
    audio += [f"a=rtpmap:{law} {'PCMA' if law == PCMA else 'PCMU'}/8000" for law in laws]
    if events is not None:
        audio += [f"a=rtpmap:{events} telephone-event/8000", f"a=fmtp:{events} 0-16"]
    audio += ["a=ptime:20", f"a={direction}"]
    lines = ["v=0", f"o=- {port} {version} IN IP4 127.0.0.1", "s=far end", "c=IN IP4 127.0.0.1", "t=0 0"]
    for line in offer.lines if offer else ("",):
        lines += [line] if line else audio
    return "\r\n".join(lines) + "\r\n"
