"""RTCP for the stand-ins (RFC 3550): each stream tells every few seconds what it sent, and what it lost and how unevenly
it came. Nothing is read: who wants the other side's view asks Asterisk."""

import secrets
import socket
import struct
import time

EVERY = 5.0  # seconds between reports
RATE = 8000  # the clock of G.711
_NTP = 2_208_988_800  # seconds from 1900 to 1970
_NAME = b"far-end"
SO_TIMESTAMPNS = 35  # of Linux; Python's socket module does not name it


class Reception:
    """What one stream has received: numbers lost, jitter (RFC 3550, A.3 and A.8)."""

    def __init__(self, ssrc: int = 0, number: int = 0) -> None:
        self.ssrc = ssrc
        self.received = 0
        self.jitter = 0.0  # in units of RATE
        self._first = self._highest = number  # sequence numbers, the highest extended by its wraps
        self._transit: float | None = None
        self._told = (0, 0)  # expected and received at the last report

    def take(self, packet: bytes, now: float) -> None:
        """One RTP packet of audio. `now`: seconds of its arrival, by any clock."""
        _, _, number, timestamp, ssrc = struct.unpack("!BBHII", packet[:12])
        if ssrc != self.ssrc:
            Reception.__init__(self, ssrc, number)  # another source: nothing of the old one counts
        self.received += 1
        ahead = (number - self._highest) & 0xFFFF
        if 0 < ahead < 0x8000:
            self._highest += ahead
        transit = now * RATE - timestamp
        if self._transit is not None:
            step = abs(transit - self._transit)
            if step < RATE:  # a second and more is a jump of the other side's clock
                self.jitter += (step - self.jitter) / 16
        self._transit = transit

    def block(self) -> bytes:
        """The report block; empty when nothing was received."""
        if not self.received:
            return b""
        expected = self._highest - self._first + 1
        lost = max(expected - self.received, 0)
        due, came = expected - self._told[0], self.received - self._told[1]
        self._told = expected, self.received
        fraction = max(min(256 * (due - came) // due, 255), 0) if due > 0 else 0
        highest, jitter = self._highest & 0xFFFFFFFF, int(self.jitter)
        return struct.pack("!IIIIII", self.ssrc, fraction << 24 | lost & 0xFFFFFF, highest, jitter, 0, 0)


def report(ssrc: int, timestamp: int, packets: int, octets: int, reception: Reception) -> bytes:
    """A compound packet: a sender's report (a receiver's one of a stream that sent nothing), and who we are."""
    block = reception.block()
    if packets:
        at = time.time() + _NTP
        whole = int(at)
        sent = struct.pack("!IIIII", whole, int((at - whole) * 2**32), timestamp & 0xFFFFFFFF, packets, octets)
        first = _packet(200, len(block) // 24, struct.pack("!I", ssrc) + sent + block)
    else:
        first = _packet(201, len(block) // 24, struct.pack("!I", ssrc) + block)
    items = b"\x01" + bytes([len(_NAME)]) + _NAME
    chunk = struct.pack("!I", ssrc) + items + b"\0" * (4 - len(items) % 4)
    return first + _packet(202, 1, chunk)


def came_at(stamps: list[tuple[int, int, bytes]], otherwise: float) -> float:
    """When the kernel received a packet, by what it tells beside it (a socket with SO_TIMESTAMPNS); seconds."""
    for level, kind, data in stamps:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) == 16:
            whole, part = struct.unpack("=qq", data)
            return float(whole) + float(part) / 1e9
    return otherwise


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body


def first_due() -> float:
    """Monotonic seconds of a stream's first report: not all at once."""
    return time.monotonic() + EVERY / 2 + EVERY / 2 * secrets.randbelow(1000) / 1000
