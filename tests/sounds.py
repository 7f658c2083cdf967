"""Sounds as lines carry them, for the tests and the bench of announcements: codecs, ways, and numbers that live."""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile

from far_end.announcements import ANNOUNCEMENTS, melody, on_one_call, ringing, sound
from far_end.media import RATE, SOUNDS
from recordings.fingerprint import Print, fingerprint
from recordings.recognise import Known

_FORMATS = {"alaw": ("WAV", "ALAW"), "ulaw": ("WAV", "ULAW"), "gsm": ("WAV", "GSM610"), "opus": ("OGG", "OPUS")}
CODECS = tuple(_FORMATS)


def through(codec: str, samples: np.ndarray) -> np.ndarray:
    """What a codec leaves of a sound."""
    form, subtype = _FORMATS[codec]
    wire = io.BytesIO()
    soundfile.write(wire, samples, RATE, format=form, subtype=subtype)
    wire.seek(0)
    decoded: np.ndarray = soundfile.read(wire)[0]
    return decoded


def library() -> list[Known]:
    """All shipped announcements but the one that nobody has named, clean, as a carrier's alaw."""
    return [
        Known(number, one.meaning, fingerprint(through("alaw", sound(name))).trimmed(), one.language)
        for number, (name, one) in enumerate(ANNOUNCEMENTS.items(), 1)
        if one.meaning
    ]


@dataclass(frozen=True)
class Call:
    """`name`: the announcement; `way`: what happened to it, to be told when it is not recognised."""

    name: str
    way: dict[str, object]
    print: Print

    @property
    def meaning(self) -> str:
        return ANNOUNCEMENTS[self.name].meaning or "unknown"


def varied(count: int, seed: int = 1) -> Iterator[Call]:
    """Every announcement in turn, each time another way: codec, noise, level, ringing before, lost beginning, repetition."""
    dice = random.Random(seed)
    for number in range(count):
        name = list(ANNOUNCEMENTS)[number % len(ANNOUNCEMENTS)]
        way: dict[str, object] = {
            "before": round(dice.uniform(0, 1.5), 2), "ring": dice.choice([0.0, 1.5, 6.0]),
            "cut": dice.choice([0.0, 0.5, 1.0]), "snr_db": dice.choice([None, 20, 10]),
            "level_db": round(dice.uniform(-20, 4), 1), "twice": dice.random() < 0.3,
        }  # fmt: skip
        codec = dice.choice(CODECS)
        heard = on_one_call(sound(name), seed=seed * 100_000 + number, **way)  # type: ignore[arg-type]
        yield Call(name, way | {"codec": codec}, fingerprint(through(codec, heard)))


def voice(name: str, seed: int, seconds: float = 6.0) -> np.ndarray:
    """A person of the far end, from a place of his own in his sentence."""
    samples: np.ndarray = soundfile.read(SOUNDS / f"{name}.wav")[0]
    start = random.Random(seed).randrange(len(samples))
    return np.resize(np.roll(samples, -start), int(seconds * RATE))


def tune(seed: int) -> np.ndarray:
    return np.concatenate([ringing(1.0), melody(1000 + seed, 4 + seed % 9)])
