"""Voices that can be recognised: a chord of three steady tones, chosen by a name (a number, an extension).

Who is heard on a line or in a recording can then be told by arithmetic. Borrowers and agents have tones of their own,
so one side is never taken for the other. Two names may share a chord (2024 chords a side): a match proves little, a
clear other chord proves that it is another voice.
"""

import functools
import itertools
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

RATE = 8000  # samples a second
FIRST, STEP, TONES = 420, 100, 24  # Hz: the borrowers' tones; the agents' lie half a step higher
HALF_STEP = 50
LOUD = 3600  # amplitude of one tone, 16 bit; three of them stay below full scale
CLEAR = 4.0  # times (in power) that the weakest of a chord's tones must exceed all others
AUDIBLE = 40_000.0  # mean square of a tone below which nothing was said
CHORDS = tuple(itertools.combinations(range(TONES), 3))


@dataclass(frozen=True)
class Chord:
    """Three tones in Hz, whole numbers: one second of it can be repeated without a seam."""

    hertz: tuple[int, int, int]

    def __str__(self) -> str:
        return "-".join(map(str, self.hertz))


def _of(name: str, first: int) -> Chord:
    a, b, c = CHORDS[zlib.crc32(name.encode()) % len(CHORDS)]
    return Chord((first + a * STEP, first + b * STEP, first + c * STEP))


def borrower(number: str) -> Chord:
    """The voice of a called number, with or without its plus."""
    return _of(number.lstrip("+"), FIRST)


def agent(user: str) -> Chord:
    """The voice of a desk phone by its SIP user."""
    return _of(user, FIRST + HALF_STEP)


@functools.lru_cache(maxsize=256)
def samples(chord: Chord) -> tuple[int, ...]:
    """One second of the chord, 16 bit."""
    table = [LOUD * math.sin(2 * math.pi * n / RATE) for n in range(RATE)]  # a whole number of Hz steps through it
    a, b, c = chord.hertz
    return tuple(int(table[a * n % RATE] + table[b * n % RATE] + table[c * n % RATE]) for n in range(RATE))


def heard(sound: Sequence[float], first: int = FIRST) -> Chord | None:
    """The chord in some tenths of a second of 16-bit samples; None when none stands out clearly.

    `first`: FIRST for borrowers, FIRST + HALF_STEP for agents.
    """
    count = len(sound) // 800 * 800  # whole tenths: every tone and every half step then has whole periods
    if not count:
        return None
    power = sorted(((_power(sound, count, first + n * STEP), first + n * STEP) for n in range(TONES)), reverse=True)
    (least, _), (other, _) = power[2], power[3]
    if least < AUDIBLE or least < CLEAR * max(other, 1.0):
        return None
    a, b, c = sorted(hertz for _, hertz in power[:3])
    return Chord((a, b, c))


def _power(sound: Sequence[float], count: int, hertz: int) -> float:
    """Mean square of one tone (Goertzel)."""
    factor, last, before = 2 * math.cos(2 * math.pi * hertz / RATE), 0.0, 0.0
    for n in range(count):
        last, before = sound[n] + factor * last - before, last
    return 2 * (last * last + before * before - factor * last * before) / (count * count)
