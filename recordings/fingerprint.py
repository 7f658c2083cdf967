"""Acoustic fingerprints (pure): what stays of a sound when noise, codec, level and beginning change.

A fingerprint is the sound's pattern of energy over `BANDS` bands of the telephone's hearing, 50 rows a second, as
differences from the second around and from the other bands: a steady noise or a filter on the way falls out of it, and
the loud parts, which survive a codec, weigh most. Two sounds are compared at every shift by the correlation of their
patterns. (Fingerprints of signs of differences, as music services use, were tried first: behind a GSM codec with noise
10 dB below the speech they hardly told the same announcement from another one of the same voice.)
"""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

RATE = 8000  # samples a second of all sound here
HOP = 160  # samples from row to row: 20 ms
FRAME = 512
BANDS = 24
LONGEST_S = 40.0  # nobody rings longer; what lies behind is not looked at
_ROWS_A_SECOND = RATE // HOP
_AROUND = _ROWS_A_SECOND  # rows of the moving mean
_VERSION = 1
_QUIET_DB, _ABOVE_FLOOR_DB = 35.0, 4.0
_TONE_SHARE, _TONE_ROWS = 0.85, 8  # a row whose energy stands in three bins, for 160 ms and more, is a tone


@dataclass(frozen=True)
class Print:
    """`rows`: int8, 20 ms each. `active`: rows that carry speech or music, neither silence nor a pure tone.
    `ringing`: seconds of 425 Hz, the tone that a caller hears while it rings."""

    rows: np.ndarray
    active: np.ndarray
    ringing: float = 0.0
    _spectra: dict[int, tuple[np.ndarray, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def seconds(self) -> float:
        """Of active sound."""
        return float(self.active.sum()) / _ROWS_A_SECOND

    def to_bytes(self) -> bytes:
        head = bytes([_VERSION]) + len(self.rows).to_bytes(2, "big")
        return head + np.packbits(self.active).tobytes() + self.rows.astype("int8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Print":
        """Raises ValueError for what is no fingerprint of this version."""
        count = int.from_bytes(data[1:3], "big")
        marks = (count + 7) // 8
        if data[:1] != bytes([_VERSION]) or len(data) != 3 + marks + count * BANDS:
            raise ValueError("no fingerprint of this version")
        active = np.unpackbits(np.frombuffer(data[3 : 3 + marks], "uint8"))[:count].astype(bool)
        return cls(np.frombuffer(data[3 + marks :], "int8").reshape(count, BANDS), active)

    def trimmed(self) -> "Print":
        """From the first active row to the last: what goes into a library."""
        found = np.flatnonzero(self.active)
        if not len(found):
            return self
        part = slice(int(found[0]), int(found[-1]) + 1)
        return Print(self.rows[part], self.active[part])


@dataclass(frozen=True)
class Match:
    """How well a known sound lies in a heard one, at the shift where it lies best.

    Similarities are -1..1. `whole`: over all of the known sound that can be heard; `share`: how much of it that is,
    0..1, and `seconds` the same in seconds. `end`: over its last two thirds, `last`: over its last third; 0 when a
    fifth of that part, or more, is not heard. `shift`: the row of the heard sound where the known one begins; may be
    negative.
    """

    whole: float
    share: float
    seconds: float
    end: float
    last: float
    shift: int


def _bands() -> list[np.ndarray]:
    hertz = np.fft.rfftfreq(FRAME, 1 / RATE)
    low, high = (2595 * np.log10(1 + f / 700) for f in (250.0, 3300.0))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 1) / 2595) - 1)
    return [
        np.flatnonzero((hertz >= a) & (hertz < b)) if np.any((hertz >= a) & (hertz < b))
        else np.array([int(np.argmin(np.abs(hertz - (a + b) / 2)))])
        for a, b in pairwise(edges)
    ]  # fmt: skip


_BINS = _bands()
_WINDOW = np.hanning(FRAME)
_HEARD_BINS = slice(int(250 * FRAME / RATE), int(3400 * FRAME / RATE) + 1)
_RINGING_BINS = slice(int(375 * FRAME / RATE), int(475 * FRAME / RATE) + 2)


def fingerprint(samples: np.ndarray) -> Print:
    """Of mono sound of -1..1 at RATE; of its first LONGEST_S. Silence gives a fingerprint without active rows."""
    sound = np.asarray(samples, dtype=np.float64)[: int(LONGEST_S * RATE)]
    if len(sound) < FRAME + HOP:
        return Print(np.zeros((0, BANDS), "int8"), np.zeros(0, bool))
    count = 1 + (len(sound) - FRAME) // HOP
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP][:count]
    power = np.abs(np.fft.rfft(frames * _WINDOW, axis=1)) ** 2
    total = power[:, _HEARD_BINS].sum(axis=1)
    loud = float(np.quantile(total, 0.95))
    if loud <= 1e-6:  # below -80 dBFS: digital silence, or the idle noise of a codec
        return Print(np.zeros((count, BANDS), "int8"), np.zeros(count, bool))
    rows = np.stack([power[:, bins].mean(axis=1) for bins in _BINS], axis=1)
    rows = (rows / loud) ** 0.25
    rows -= _mean_around(rows)
    rows -= rows.mean(axis=1, keepdims=True)
    tones = _runs(_is_tone(power, total), _TONE_ROWS)
    active = _is_loud(total) & ~tones
    scale = float(np.sqrt(np.mean(rows[active] ** 2))) if active.any() else 1.0
    ringing = tones & (power[:, _RINGING_BINS].sum(axis=1) > 0.7 * total) & _is_loud(total)
    quantised = np.clip(np.round(rows * (40 / max(scale, 1e-9))), -127, 127).astype("int8")
    return Print(quantised, active, float(ringing.sum()) / _ROWS_A_SECOND)


def _mean_around(rows: np.ndarray) -> np.ndarray:
    width = _AROUND
    padded = np.concatenate([np.repeat(rows[:1], width // 2, 0), rows, np.repeat(rows[-1:], width - width // 2, 0)])
    sums = np.cumsum(padded, axis=0)
    moving: np.ndarray = (sums[width:] - sums[:-width])[: len(rows)] / width
    return moving


def _is_loud(total: np.ndarray) -> np.ndarray:
    """Above a steady floor of noise (which keeps within 3 dB), and not far below the loudest."""
    level = 10 * np.log10(total + 1e-12)
    floor = float(np.quantile(level, 0.05))
    top = float(np.quantile(level, 0.98))
    marks: np.ndarray = level > max(top - _QUIET_DB, floor + _ABOVE_FLOOR_DB)
    return marks


def _is_tone(power: np.ndarray, total: np.ndarray) -> np.ndarray:
    heard = power[:, _HEARD_BINS]
    peak = np.argmax(heard, axis=1)
    around = [np.take_along_axis(heard, np.clip(peak + k, 0, heard.shape[1] - 1)[:, None], 1)[:, 0] for k in (-1, 0, 1)]
    marks: np.ndarray = sum(around) > _TONE_SHARE * total
    return marks


def _runs(marks: np.ndarray, shortest: int) -> np.ndarray:
    """Only runs of at least `shortest` rows, and the row before and after each."""
    out = np.zeros_like(marks)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(int)))
    for start, end in edges.reshape(-1, 2):
        if end - start >= shortest:
            out[max(start - 2, 0) : end + 2] = True
    return out


def compare(known: Print, heard: Print, least_share: float = 0.4) -> Match | None:
    """Where `known` lies best in `heard`. None when less than `least_share` of it, or less than a second, can be in it."""
    wanted = float(known.active.sum())
    if wanted < _ROWS_A_SECOND or len(heard.rows) < _ROWS_A_SECOND:
        return None
    size = 1 << (len(known.rows) + len(heard.rows)).bit_length()
    pattern = known.rows.astype(np.float32) * known.active[:, None]
    there = heard.rows.astype(np.float32)
    marks = _spectrum(known.active.astype(np.float32), size)
    if size not in heard._spectra:  # one heard sound meets a whole library
        heard._spectra[size] = (
            _spectrum(there, size), _spectrum((there**2).sum(axis=1), size), _spectrum(np.ones(len(there), "f4"), size)
        )  # fmt: skip
    of_heard, of_power, ones = heard._spectra[size]
    common = np.fft.irfft((np.conj(_spectrum(pattern, size)) * of_heard).sum(axis=1), size)
    known_power = np.fft.irfft(np.conj(_spectrum((pattern**2).sum(axis=1), size)) * ones, size)
    heard_power = np.fft.irfft(np.conj(marks) * of_power, size)
    overlap = np.fft.irfft(np.conj(marks) * ones, size)
    similarity = common / np.sqrt(np.maximum(known_power, 1.0) * np.maximum(heard_power, 1.0))
    similarity[overlap < max(least_share * wanted, _ROWS_A_SECOND) - 0.5] = -1.0
    at = int(np.argmax(similarity))
    if similarity[at] <= -1.0:
        return None
    shift = at if at < len(heard.rows) else at - size
    return Match(
        float(similarity[at]), float(overlap[at] / wanted), float(overlap[at] / _ROWS_A_SECOND),
        _part(pattern, known.active, there, shift, 1 / 3), _part(pattern, known.active, there, shift, 2 / 3), shift,
    )  # fmt: skip


def _spectrum(values: np.ndarray, size: int) -> np.ndarray:
    return np.fft.rfft(values, size, axis=0)


def _part(pattern: np.ndarray, active: np.ndarray, heard: np.ndarray, shift: int, begin: float) -> float:
    """Similarity of what lies behind the share `begin` of the known sound, at this shift; 0 when it is not heard."""
    wanted = active & (np.cumsum(active) > begin * active.sum())
    rows = np.arange(len(pattern)) + shift
    inside = wanted & (rows >= 0) & (rows < len(heard))
    if inside.sum() < 0.8 * wanted.sum():
        return 0.0
    own, other = pattern[inside], heard[rows[inside]]
    return float((own * other).sum() / np.sqrt(max(float((own**2).sum() * (other**2).sum()), 1.0)))
