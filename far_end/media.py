"""RTP for the stand-ins: one socket and one 20 ms ticker carry every call of a process, RTCP goes out on another.

Payloads are encoded once per file and codec; a tick only stamps headers, sends, and drains what has arrived.
Times are `time.monotonic()` seconds unless a name says otherwise; levels are dBFS (0 = full-scale 16 bit).
"""

from __future__ import annotations

import array
import functools
import ipaddress
import math
import random
import socket
import struct
import threading
import time
import wave
from bisect import bisect_left
from collections import deque
from pathlib import Path

from far_end import rtcp, tones

RATE = 8000  # samples a second
FRAME = 160  # samples (and bytes of G.711) in 20 ms
PCMU, PCMA = 0, 8  # static payload types of RFC 3551
FLOOR = -100.0  # dBFS told for digital silence
AUDIBLE = -45.0  # dBFS of one frame above which it counts as sound (G.711 idle noise lies below -65)
SOUNDS = Path(__file__).parent / "sounds"
RECENT = 40  # the packets (0.8 s) that a stream remembers for `Stream.voice`
STALE = 1.5  # seconds after which a packet tells no more who is heard now
Address = tuple[str, int]
Sound = Path | tones.Chord  # a WAV, or a voice that can be recognised


def require_loopback(host: str) -> str:
    """`host` as an IPv4 loopback address; ValueError for anything else: the far end never leaves the machine."""
    host = "127.0.0.1" if host == "localhost" else host
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError as error:
        raise ValueError(f"{host!r} is not an IPv4 address") from error
    if not address.is_loopback:
        raise ValueError(f"{host} is not a loopback address; the far end works on 127.0.0.1 only")
    return host


def loopback_address(host: str, port: int) -> Address:
    """Where a packet may be sent; ValueError for another host than loopback, or no port."""
    if not 0 < port < 65536:
        raise ValueError(f"{port} is not a port")
    return require_loopback(host), port


def _decode_ulaw(code: int) -> int:
    code = ~code & 0xFF
    value = (((code & 0x0F) << 3) + 0x84 << ((code >> 4) & 7)) - 0x84
    return -value if code & 0x80 else value


def _decode_alaw(code: int) -> int:
    code ^= 0x55
    step, value = (code >> 4) & 7, ((code & 0x0F) << 4) + 8
    if step:
        value = (value + 0x100) << (step - 1)
    return value if code & 0x80 else -value


def _encoder(decode: list[int]) -> bytes:
    """The code nearest to each 16-bit value, by steps of 8 (the finest step of either law)."""
    order = sorted(range(256), key=decode.__getitem__)
    values = [decode[code] for code in order]
    table = bytearray()
    for sample in range(-32768, 32768, 8):
        at = min(bisect_left(values, sample), 255)
        if at and sample - values[at - 1] < values[at] - sample:
            at -= 1
        table.append(order[at])
    return bytes(table)


DECODE = {PCMU: [_decode_ulaw(code) for code in range(256)], PCMA: [_decode_alaw(code) for code in range(256)]}
_ENCODE = {law: _encoder(table) for law, table in DECODE.items()}
_POWER = {law: [value * value for value in table] for law, table in DECODE.items()}
SILENCE = {PCMU: b"\xff" * FRAME, PCMA: b"\xd5" * FRAME}


def dbfs(mean_square: float) -> float:
    """Level of a mean square of 16-bit samples, never below FLOOR."""
    return max(FLOOR, round(10 * math.log10(mean_square / 32768**2), 1)) if mean_square > 0 else FLOOR


@functools.lru_cache(maxsize=64)
def frames(sound: Sound, law: int) -> tuple[bytes, ...]:
    """A chord, or a WAV (8 kHz, mono, 16 bit), as 20 ms payloads, the rest of the last frame silent.

    ValueError when the file has another shape, OSError when it cannot be read.
    """
    samples = tones.samples(sound) if isinstance(sound, tones.Chord) else _read(sound)
    table = _ENCODE[law]
    data = bytes(table[(sample + 32768) >> 3] for sample in samples)
    return tuple(data[at : at + FRAME].ljust(FRAME, SILENCE[law][:1]) for at in range(0, len(data), FRAME))


def _read(path: Path) -> array.array[int]:
    with wave.open(str(path), "rb") as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            raise ValueError(f"{path.name}: 8 kHz mono 16-bit WAV wanted")
        return array.array("h", file.readframes(file.getnframes()))


KEYS = "0123456789*#ABCD"
KEY_PACKETS = 8  # of 20 ms


class Stream:
    """One call's sound: what is played to it and what was heard of it.

    `packets` counts audio packets, `first_packet` and `first_sound` are monotonic seconds or None. `muted` stops
    sending altogether (a held call).
    """

    def __init__(self, remote: Address, law: int, keep: bool) -> None:
        self.remote, self.law, self.muted = remote, law, False
        self.packets, self.power = 0, 0.0
        self.first_packet: float | None = None
        self.last_packet = time.monotonic()
        self.first_sound: float | None = None
        self.digits = ""  # keys heard as telephone-events (RFC 4733)
        self._key_began = -1
        self.events: int | None = None  # payload type of telephone-event, when the other side takes keys
        self._pressed: tuple[int, int, int] | None = None  # key, its timestamp, packets sent of it
        self._frames: tuple[bytes, ...] = ()
        self._at, self._loop = 0, False
        self._sequence, self._timestamp = random.randrange(1 << 15), random.randrange(1 << 31)
        self._ssrc, self._marker = random.randrange(1, 1 << 32), 0x80
        self._heard: bytearray | None = bytearray() if keep else None
        self._recent: deque[tuple[float, int, bytes]] = deque(maxlen=RECENT)
        self.reception, self.report_due, self._sent = rtcp.Reception(), rtcp.first_due(), 0
        self._base = 0

    def play(self, sound: Sound | None, loop: bool = True) -> None:
        """Speak a sound from its beginning, over and over or once and then silence; None is silence."""
        self._frames, self._at, self._loop = (frames(sound, self.law) if sound else ()), 0, loop

    def voice(self) -> tones.Chord | None:
        """Which borrower's chord is heard now; None when none stands out, or the line is silent (no packets come)."""
        since = time.monotonic() - STALE
        sound = [DECODE[law][code] for at, law, payload in tuple(self._recent) if at > since for code in payload]
        return tones.heard(sound)

    def press(self, key: str) -> None:
        """Press a key for 160 ms (RFC 4733), in place of the voice. ValueError for no key, or when the other side takes none."""
        if self.events is None or len(key) != 1 or key not in KEYS:
            raise ValueError(key)
        self._pressed = KEYS.index(key), self._timestamp & 0xFFFFFFFF, 0

    def _key_packet(self, key: int, began: int, n: int) -> bytes:
        """The n-th of eight that grow, and three of the end."""
        header = struct.pack(
            "!BBHII", 0x80, (self.events or 0) | (0 if n else 0x80), self._sequence & 0xFFFF, began, self._ssrc
        )
        over = n >= KEY_PACKETS
        self._pressed = (key, began, n + 1) if n < KEY_PACKETS + 2 else None
        self._sequence, self._timestamp, self._marker = self._sequence + 1, self._timestamp + FRAME, 0x80
        return header + struct.pack("!BBH", key, 0x8A if over else 0x0A, FRAME * min(n + 1, KEY_PACKETS))

    def next_packet(self) -> bytes:
        if self._pressed is not None:
            return self._key_packet(*self._pressed)
        payload, spoken = SILENCE[self.law], self._frames
        if self._at < len(spoken):
            payload = spoken[self._at]
            self._at += 1
            if self._loop and self._at == len(spoken):
                self._at = 0
        header = struct.pack(
            "!BBHII", 0x80, self.law | self._marker, self._sequence & 0xFFFF, self._timestamp & 0xFFFFFFFF, self._ssrc
        )
        self._sequence, self._timestamp, self._marker = self._sequence + 1, self._timestamp + FRAME, 0
        self._sent += 1
        return header + payload

    def report(self) -> bytes:
        """The RTCP packet that is due now."""
        self.report_due += rtcp.EVERY
        return rtcp.report(self._ssrc, self._timestamp, self._sent, self._sent * FRAME, self.reception)

    def hear(self, packet: bytes, now: float, came: float | None = None) -> None:
        """Take one packet in; anything but whole G.711 audio and keys (comfort noise) is ignored. `came`: the instant by
        the kernel's clock, of which jitter is measured; `now` is the tick's."""
        law = packet[1] & 0x7F
        if law >= 96 and len(packet) == 16 and packet[12] < len(KEYS):
            began = int.from_bytes(packet[4:8], "big")  # the packets of one key share their timestamp
            if began != self._key_began:
                self._key_began, self.digits = began, self.digits + KEYS[packet[12]]
            return
        if law not in _POWER or len(packet) <= 12 or packet[0] != 0x80:
            return
        self.reception.take(packet, now if came is None else came)
        payload = packet[12:]
        power = sum(map(_POWER[law].__getitem__, payload)) / len(payload)
        self.last_packet = now
        if self.first_packet is None:
            self.first_packet = now
        if self.first_sound is None and dbfs(power) > AUDIBLE:
            self.first_sound = now
        self.packets += 1
        self.power += power
        self._recent.append((now, law, payload))
        if self._heard is not None:
            self._store(
                self._heard, payload, law, int.from_bytes(packet[4:8], "big"), int((now - self.first_packet) * RATE)
            )

    def _store(self, heard: bytearray, payload: bytes, law: int, timestamp: int, due: int) -> None:
        """Keep the sound at its place in time: by RTP timestamp, anew by arrival when the timestamp jumps."""
        at = (timestamp - self._base) & 0xFFFFFFFF
        if abs(at - due) > RATE // 2:
            self._base, at = (timestamp - due) & 0xFFFFFFFF, due
        if at > 600 * RATE:  # ten minutes are enough to listen to, and bound the memory
            return
        table = DECODE[law]
        heard.extend(b"\0" * (2 * (at + len(payload)) - len(heard)))
        heard[2 * at : 2 * (at + len(payload))] = array.array("h", [table[code] for code in payload]).tobytes()

    @property
    def level(self) -> float | None:
        """Mean level of all that was heard in dBFS, None when nothing was."""
        return dbfs(self.power / self.packets) if self.packets else None

    def save(self, path: Path) -> None:
        """Write what was heard (16-bit WAV, at most ten minutes); only for a stream opened with keep."""
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(bytes(self._heard or b""))


def _next_to(port: int, host: str) -> socket.socket:
    """The socket that RTCP leaves from: the port after RTP's, or any when that is taken (Asterisk learns it)."""
    reports = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        reports.bind((require_loopback(host), port + 1))
    except (OSError, OverflowError):
        reports.bind((require_loopback(host), 0))
    reports.setblocking(False)
    return reports


class Engine:
    """The socket and the ticker. Packets are told apart by the address they come from, so every call needs its own
    remote port (Asterisk gives one; SIPp's default does not: there the newest call gets all that is heard)."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Bind (port 0 = any free one). OSError when the port is taken, ValueError when host is not loopback."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            self._socket.bind((require_loopback(host), port))
            self._socket.setsockopt(socket.SOL_SOCKET, rtcp.SO_TIMESTAMPNS, 1)
        except (OSError, ValueError):
            self._socket.close()
            raise
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._reports = _next_to(self.port, host)
        self._streams: tuple[Stream, ...] = ()  # replaced, never changed: the ticker reads it without a lock
        self._by_remote: dict[Address, Stream] = {}
        self._lock, self._work = threading.Lock(), threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="rtp-ticker", daemon=True)
        self._thread.start()

    def open(self, remote: Address, law: int, keep: bool = False) -> Stream:
        """Begin a call's sound (silence until `play`); `keep` stores what is heard for `save`.
        ValueError when remote is not loopback."""
        stream = Stream(loopback_address(*remote), law, keep)
        with self._lock:
            self._streams += (stream,)
            self._by_remote[stream.remote] = stream
        self._work.set()
        return stream

    def expect(self, remote: Address) -> None:
        """A new call names this port as its own: an older one that hears nothing from there any more is silent from now on,
        not only from its answer."""
        with self._lock:
            older = self._by_remote.get(remote)
            if older is not None and time.monotonic() - older.last_packet > STALE:
                del self._by_remote[remote]

    def move(self, stream: Stream, remote: Address) -> None:
        """The other side's new address, after a re-INVITE."""
        remote = loopback_address(*remote)
        with self._lock:
            if self._by_remote.get(stream.remote) is stream:
                del self._by_remote[stream.remote]
            stream.remote = remote
            self._by_remote[stream.remote] = stream

    def end(self, stream: Stream) -> None:
        """Stop a call's sound; doing it twice does no harm."""
        with self._lock:
            self._streams = tuple(other for other in self._streams if other is not stream)
            if self._by_remote.get(stream.remote) is stream:
                del self._by_remote[stream.remote]
            if not self._streams:
                self._work.clear()

    def close(self) -> None:
        """Stop the ticker and free the port."""
        self._closed = True
        self._work.set()
        self._thread.join(1)
        self._socket.close()
        self._reports.close()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._closed:
            if not self._work.is_set():
                self._work.wait()
                due = time.monotonic()
            self._tick()
            due += FRAME / RATE
            late = time.monotonic() - due
            if late < 0:
                time.sleep(-late)
            elif late > 0.2:  # the machine stood still: go on from here, a burst would help nobody
                due += late

    def _tick(self) -> None:
        send = self._socket.sendto
        by_remote, now = self._by_remote, time.monotonic()
        for stream in self._streams:
            # A call whose exchange died goes on speaking to its port, which the next exchange may give to another call. A
            # carrier's gateway has a port for each call, and the exchange refuses the stranger; here all come from one.
            if stream.muted or (by_remote.get(stream.remote) is not stream and now - stream.last_packet > STALE):
                continue
            try:
                send(stream.next_packet(), stream.remote)
                if stream.report_due < now:
                    self._reports.sendto(stream.report(), (stream.remote[0], stream.remote[1] + 1))
            except OSError:  # full buffer or a dead peer: RTP loses packets, the call goes on
                continue
        receive = self._socket.recvmsg
        try:
            while True:
                packet, stamps, _, source = receive(2048, 64)
                stream = by_remote.get(source)  # type: ignore[assignment]
                if stream is not None and len(packet) > 12:
                    stream.hear(packet, now, rtcp.came_at(stamps, now))
        except OSError:
            return
