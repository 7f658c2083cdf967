"""From what MixMonitor wrote to two-channel Opus, in memory, with digest, length, levels; nothing plain is written again."""

import hashlib
import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import soundfile

Block = np.ndarray  # 16-bit samples, one row a moment, two columns
RATE = 8000
HEADER_BYTES = 44
SILENCE_DBFS = -99.0
CLIPPED_AT = 32100  # of 32767: the loudest value that A-law and µ-law can say lies just above
_BLOCK = RATE * 60
_SAME_LENGTH = RATE // 50
_SAME_LEVEL_DB = 3.0


class Unfaithful(Exception):
    """What was encoded does not sound as long, or as loud, as what was recorded."""


@dataclass(frozen=True)
class Encoded:
    """`…_dbfs`: mean level of a side, dB below full scale, -99 = digital silence. `…_clipped`: percent of its samples at
    full scale. `wave_sha256`: of the 16-bit samples as recorded, both sides interleaved; `sha256`: of `stored`."""

    stored: bytes
    sha256: str
    wave_sha256: str
    seconds: Decimal
    agent_dbfs: Decimal
    borrower_dbfs: Decimal
    agent_clipped: Decimal
    borrower_clipped: Decimal


def samples_of(file: Path) -> np.ndarray:
    """16-bit samples, one row a moment, one column a channel.

    The header's length is not believed: an exchange that was killed never wrote it. A file that is no longer than a header
    has none. Raises soundfile.LibsndfileError when this is no 8 kHz wave file.
    """
    with file.open("rb") as wave:
        head = wave.read(4096)
    if len(head) <= HEADER_BYTES:
        return np.zeros((0, 1), dtype="<i2")
    at = head.find(b"data")
    plain = head[:4] == b"RIFF" and head[8:16] == b"WAVEfmt " and head[20:22] == b"\x01\x00" and at > 0
    if not plain or int.from_bytes(head[24:28], "little") != RATE or head[34:36] != b"\x10\x00":
        found, rate = soundfile.read(file, dtype="int16", always_2d=True)
        if rate != RATE:
            raise soundfile.LibsndfileError(0, f"{rate} Hz instead of {RATE}: ")
        return found
    channels = int.from_bytes(head[22:24], "little")
    count = (file.stat().st_size - at - 8) // (2 * channels)
    if count <= 0:
        return np.zeros((0, channels), dtype="<i2")
    return np.memmap(file, dtype="<i2", mode="r", offset=at + 8, shape=(count, channels))


def beside(agent: np.ndarray | None, borrower: np.ndarray | None) -> Iterator[np.ndarray]:
    """Blocks of both sides, agent left. Both end together, when the call ends; one that began later is silent before."""
    sides = [side if side is not None else np.zeros((0, 1), dtype="<i2") for side in (agent, borrower)]
    length = max(len(side) for side in sides)
    for start in range(0, length, _BLOCK):
        block = np.zeros((min(_BLOCK, length - start), 2), dtype="<i2")
        for column, side in enumerate(sides):
            late = length - len(side)
            piece = side[max(0, start - late) : max(0, start + len(block) - late), 0]
            block[len(block) - len(piece) :, column] = piece
        yield block


def blocks_of(stereo: np.ndarray) -> Iterator[np.ndarray]:
    return (np.ascontiguousarray(stereo[start : start + _BLOCK]) for start in range(0, len(stereo), _BLOCK))


def encode(blocks: Callable[[], Iterator[np.ndarray]]) -> Encoded | None:
    """None when there is not one sample. Sound that Opus does not carry faithfully is kept as FLAC, four times as large.

    Raises Unfaithful when that fails, too.
    """
    try:
        return _encode(blocks(), "OGG", "OPUS")
    except Unfaithful:
        return _encode(blocks(), "FLAC", "PCM_16")


def _encode(blocks: Iterator[np.ndarray], container: str, codec: str) -> Encoded | None:
    out, digest, meter = io.BytesIO(), hashlib.sha256(), _Meter()
    with soundfile.SoundFile(out, "w", RATE, 2, subtype=codec, format=container) as file:
        for block in blocks:
            digest.update(block.tobytes())
            meter.add(block)
            file.write(block)
    if not meter.count:
        return None
    stored = out.getvalue()
    _compare(meter, measure(stored))
    (agent, borrower), (agent_clipped, borrower_clipped) = meter.dbfs, meter.clipped
    return Encoded(
        stored, hashlib.sha256(stored).hexdigest(), digest.hexdigest(), meter.seconds,
        agent, borrower, agent_clipped, borrower_clipped,
    )  # fmt: skip


class _Meter:
    def __init__(self) -> None:
        self.count = 0
        self._squares, self._full = np.zeros(2), np.zeros(2)

    def add(self, block: np.ndarray) -> None:
        self.count += len(block)
        self._squares += np.square(block, dtype=np.float64).sum(axis=0)
        self._full += (np.abs(block.astype(np.int32)) >= CLIPPED_AT).sum(axis=0)

    @property
    def seconds(self) -> Decimal:
        return Decimal(str(round(self.count / RATE, 3)))

    @property
    def dbfs(self) -> list[Decimal]:
        return [level(squares, self.count) for squares in self._squares]

    @property
    def clipped(self) -> list[Decimal]:
        return [Decimal(str(round(100 * full / max(1, self.count), 2))) for full in self._full]


def level(squares: float, count: int) -> Decimal:
    """dB below full scale of 16-bit samples, from the sum of their squares."""
    mean = math.sqrt(squares / count) / 32768 if count else 0.0
    return Decimal(str(round(20 * math.log10(mean), 1) if mean > 1e-5 else SILENCE_DBFS))


def measure(stored: bytes) -> _Meter:
    """Decodes the whole of it. Raises soundfile.LibsndfileError when it is no sound."""
    meter = _Meter()
    with soundfile.SoundFile(io.BytesIO(stored)) as opus:
        for block in opus.blocks(_BLOCK, dtype="int16", always_2d=True):
            meter.add(block)
    return meter


def _compare(recorded: _Meter, decoded: _Meter) -> None:
    if abs(recorded.count - decoded.count) > _SAME_LENGTH:
        raise Unfaithful(f"{recorded.count} samples became {decoded.count}")
    for was, now in zip(recorded.dbfs, decoded.dbfs, strict=True):
        audible = max(was, now) > -50 and recorded.count > RATE  # shorter than a second the codec is not settled
        if audible and abs(was - now) > _SAME_LEVEL_DB:
            raise Unfaithful(f"{was} dBFS became {now}")
