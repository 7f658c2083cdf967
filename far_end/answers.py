"""Who answers: short hellos, hellos with noise, chatty people, silence, answering machines with and without a beep.

`ANSWERS` is the only source: `make_sounds` speaks them (espeak-ng), the carrier plays them, tests and the bench know what
each is. `on_one_call` adds the way: noise, level, a lost beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from far_end.announcements import RATE, on_one_call, tone
from far_end.media import SOUNDS

FOLDER = SOUNDS / "answers"


@dataclass(frozen=True)
class Answer:
    """`machine`: what it truly is. `beep`: Hz of the tone behind the words, 0 = none."""

    machine: bool
    language: str
    text: str
    voice: str = ""
    pitch: int = 50
    speed: int = 165
    beep: int = 0


ANSWERS = {
    "hello-uk-1": Answer(False, "uk", "Алло?", "f2", 55, 160),
    "hello-uk-2": Answer(False, "uk", "Так, слухаю.", "m3", 45, 170),
    "hello-ru-1": Answer(False, "ru", "Да?", "m1", 40, 160),
    "hello-ru-2": Answer(False, "ru", "Алло, слушаю вас.", "f4", 60, 175),
    "hello-uk-3": Answer(False, "uk", "Добрий день, слухаю вас уважно.", "f5", 60, 170),
    "hello-ru-3": Answer(False, "ru", "Алло, кто это говорит?", "m5", 50, 165),
    "machine-uk-1": Answer(
        True, "uk", "Вас вітає автовідповідач. На жаль, зараз ми не можемо підійти до телефону. Залиште повідомлення після "
        "сигналу.", "f2", 55, 165, 1000,
    ),
    "machine-uk-2": Answer(
        True, "uk", "Привіт, це Олена. Я зараз зайнята, але обов'язково передзвоню вам, щойно звільнюся.", "f4", 60, 170, 1400
    ),
    "machine-ru-1": Answer(
        True, "ru", "Здравствуйте. Абонент сейчас не может ответить на ваш звонок, оставьте сообщение после сигнала.", "m3", 40,
        165, 800,
    ),
    "machine-ru-2": Answer(
        True, "ru", "Вы позвонили Ивановым, нас нет дома, перезвоните нам, пожалуйста, вечером после семи часов.", "m5", 50, 160
    ),
    "machine-ru-3": Answer(
        True, "ru", "Привет! Я не могу взять трубку. Говорите после гудка, я вам обязательно перезвоню сегодня.", "f3", 60, 175,
        1000,
    ),
}  # fmt: skip
# What answers at numbers that end so; `noise`: dB below the speech.
NUMBERS: dict[int, tuple[str, dict[str, float]]] = {
    981: ("hello-uk-1", {}), 982: ("hello-ru-2", {"snr_db": 8}), 983: ("machine-uk-1", {}), 984: ("machine-ru-3", {"snr_db": 15}),
    985: ("silence", {}), 986: ("beep", {}), 987: ("hello-uk-3", {"snr_db": 15}), 988: ("machine-ru-2", {}),
}  # fmt: skip


def sound(name: str) -> np.ndarray:
    """Floats of -1..1 at RATE, the beep behind the words. KeyError for an unknown name."""
    if name == "silence":
        return np.zeros(RATE // 2)
    if name == "beep":
        return np.concatenate([np.zeros(RATE // 2), tone(1000, 0.6)])
    if name not in ANSWERS:
        raise KeyError(name)
    said: np.ndarray = soundfile.read(FOLDER / f"{name}.wav")[0]
    beep = ANSWERS[name].beep
    return np.concatenate(
        [np.zeros(RATE // 5), said, np.zeros(RATE // 2), tone(beep, 0.5)] if beep else [np.zeros(RATE // 5), said]
    )


def heard(name: str, *, seed: int = 1, after: float = 4.0, way: dict[str, float] | None = None) -> np.ndarray:
    """What we hear of it on one call, the line's quiet or noise for `after` seconds behind it."""
    whole = np.concatenate([sound(name), np.zeros(int(after * RATE))])
    samples: np.ndarray = on_one_call(whole, seed=seed, **(way or {}))  # type: ignore[arg-type]
    return samples


def write(ending: int, folder: Path) -> Path:
    """The sound of a number with this ending as an 8 kHz 16-bit WAV in `folder`."""
    name, way = NUMBERS[ending]
    file = folder / f"answer-{ending}.wav"
    if not file.exists():
        soundfile.write(file, (heard(name, way=way) * 32767).astype("<i2"), RATE, subtype="PCM_16")
    return file
