"""What mobile networks say instead of an answer: the shipped announcements, and how they sound on one call.

`ANNOUNCEMENTS` is the only source: `make_sounds` speaks them, the carrier plays them, the tests know what each means.
No two calls sound alike: `on_one_call` adds the ringing before it, the noise of the way, the level, a lost beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from far_end.media import RATE, SOUNDS

FOLDER = SOUNDS / "announcements"
SIT = ((985.2, 0.38), (1428.5, 0.38), (1776.7, 0.38))  # special information tone (ITU-T E.180): Hz, seconds


@dataclass(frozen=True)
class Announcement:
    """`voice`, `pitch`, `speed` are espeak-ng's; `tone`: `sit` before the words, `beep` after them."""

    meaning: str  # as the product names it; "" = what no library knows yet
    language: str
    text: str
    voice: str = ""
    pitch: int = 50
    speed: int = 165
    tone: str = ""


# Carriers speak with one voice and begin alike whatever they go on to say: `*-not-in-service-2` and `*-switched-off-2`
# are such pairs.
ANNOUNCEMENTS = {
    "uk-not-in-service-1": Announcement(
        "not_in_service", "uk", "Набраний вами номер не існує. Перевірте, будь ласка, правильність набору.", "f2", 55, 155
    ),
    "uk-not-in-service-2": Announcement(
        "not_in_service", "uk", "Номер, на який ви телефонуєте, не обслуговується мережею.", "f4", 45, 170, "sit"
    ),
    "ru-not-in-service-1": Announcement(
        "not_in_service", "ru", "Абонентский номер не зарегистрирован в сети. Проверьте правильность набора.", "m3", 40, 160
    ),
    "ru-not-in-service-2": Announcement(
        "not_in_service", "ru", "Набранный вами номер не существует или больше не обслуживается.", "f3", 60, 150, "sit"
    ),
    "uk-switched-off-1": Announcement(
        "switched_off", "uk", "Абонент знаходиться поза зоною досяжності, або його телефон вимкнено.", "f2", 55, 155
    ),
    "uk-switched-off-2": Announcement(
        "switched_off", "uk", "Номер, на який ви телефонуєте, зараз вимкнено. Зателефонуйте пізніше.", "f4", 45, 170
    ),
    "ru-switched-off-1": Announcement(
        "switched_off", "ru", "Телефон абонента выключен или находится вне зоны действия сети.", "m3", 40, 160
    ),
    "ru-switched-off-2": Announcement(
        "switched_off", "ru", "Набранный вами номер временно недоступен. Перезвоните, пожалуйста, позднее.", "f3", 60, 150
    ),
    "uk-forbidden-1": Announcement(
        "forbidden", "uk", "За бажанням абонента вхідні дзвінки на цей номер обмежено.", "m1", 50, 165
    ),
    "ru-forbidden-1": Announcement(
        "forbidden", "ru", "Вызов запрещён: абонент ограничил приём входящих звонков.", "m7", 35, 175
    ),
    "uk-no-funds-1": Announcement(
        "no_funds", "uk", "Абонент не може прийняти ваш дзвінок: на його рахунку недостатньо коштів.", "f2", 55, 155
    ),
    "ru-no-funds-1": Announcement(
        "no_funds", "ru", "На счёте абонента недостаточно средств для приёма вызова.", "m3", 40, 160
    ),
    "uk-voicemail-1": Announcement(
        "voicemail", "uk", "Вас вітає голосова пошта. Залиште повідомлення після сигналу.", "f5", 65, 160, "beep"
    ),
    "ru-voicemail-1": Announcement(
        "voicemail", "ru", "Абонент не отвечает. Оставьте сообщение после звукового сигнала.", "m5", 55, 150, "beep"
    ),
    "melody-1": Announcement("ringback", "", ""),
    "uk-overload-1": Announcement(
        "", "uk", "Шановний клієнте, мережу перевантажено. Повторіть спробу за кілька хвилин.", "m4", 45, 160
    ),
}  # fmt: skip


def tone(hertz: float, seconds: float, level: float = 0.12) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)


def ringing(seconds: float) -> np.ndarray:
    """425 Hz, one second on and four off, as in Ukraine; the first ring begins at once."""
    at = np.arange(int(RATE * seconds))
    return np.where(at % (5 * RATE) < RATE, 0.1 * np.sin(2 * np.pi * 425 * at / RATE), 0.0)


def melody(seed: int, seconds: float = 8.0) -> np.ndarray:
    """A tune on a few overtones, another one for each seed: what a subscriber lets his callers hear."""
    dice = np.random.default_rng(seed)
    out: list[np.ndarray] = []
    step = 0.12 + 0.02 * (seed % 9)
    while sum(len(note) for note in out) < RATE * seconds:
        length = int(RATE * step * dice.choice([1, 1, 2, 3]))
        at = np.arange(length) / RATE
        base = 196.0 * 2 ** (dice.integers(0, 22) / 12)
        chord = [base, base * dice.choice([1.26, 1.335, 1.5])]
        note = sum(np.sin(2 * np.pi * f * k * at) / k**1.4 for f in chord for k in (1, 2, 3, 4, 5))
        out.append(note * np.exp(-at * 3.0))
    joined = np.concatenate(out)[: int(RATE * seconds)]
    return 0.16 * joined / float(np.sqrt(np.mean(joined**2)))


def sound(name: str) -> np.ndarray:
    """A shipped announcement as floats of -1..1 at RATE. KeyError for an unknown name."""
    if name not in ANNOUNCEMENTS:
        raise KeyError(name)
    samples: np.ndarray = soundfile.read(FOLDER / f"{name}.wav")[0]
    return samples


def on_one_call(
    said: np.ndarray,
    *,
    seed: int,
    before: float = 0.0,
    ring: float = 0.0,
    cut: float = 0.0,
    snr_db: float | None = None,
    level_db: float = 0.0,
    twice: bool = False,
) -> np.ndarray:
    """What a caller hears of an announcement: `ring` seconds of ringing and `before` seconds of quiet come first, its
    first `cut` seconds are lost, noise lies `snr_db` below its speech, and all of it is `level_db` louder or softer."""
    dice = np.random.default_rng(seed)
    body = said[int(cut * RATE) :]
    if twice:
        body = np.concatenate([body, np.zeros(RATE // 2), said])
    heard = np.concatenate([ringing(ring), np.zeros(int(before * RATE)), body])
    if snr_db is not None:
        power = float(np.mean(said[np.abs(said) > 0.003] ** 2)) if np.any(np.abs(said) > 0.003) else 1e-4
        heard = heard + dice.normal(0, np.sqrt(power / 10 ** (snr_db / 10)), len(heard))
    return np.clip(heard * 10 ** (level_db / 20), -1, 1)


# What numbers that end in 990-999 hear, by the last digit, when the digit before these three is even and when it is odd.
HEARD = (
    ("uk-not-in-service-1", "uk-not-in-service-2"), ("ru-not-in-service-1", "ru-not-in-service-2"),
    ("uk-switched-off-1", "uk-switched-off-2"), ("ru-switched-off-1", "ru-switched-off-2"),
    ("uk-forbidden-1", "ru-forbidden-1"), ("uk-no-funds-1", "ru-no-funds-1"), ("uk-voicemail-1", "ru-voicemail-1"),
    ("melody-1", "melody-1"), ("uk-switched-off-2", "uk-not-in-service-2"), ("uk-overload-1", "uk-overload-1"),
)  # fmt: skip
# How it sounds, by half of that digit; odd digits come in PCMU where both are offered.
WAYS: tuple[dict[str, float], ...] = (
    {}, {"snr_db": 20}, {"snr_db": 10}, {"ring": 1.5, "snr_db": 20}, {"cut": 1.0, "snr_db": 10, "level_db": -10},
)  # fmt: skip


def heard_by(number: str) -> tuple[str, dict[str, float], bool]:
    """Name and way of the announcement for a number that ends in 990-999, and whether PCMU is wanted."""
    before = int(number[-4]) if number[-4:-3].isdigit() else 0
    return HEARD[int(number[-1])][before % 2], WAYS[before // 2], bool(before % 2)


def write(number: str, folder: Path) -> Path:
    """The sound of that number's call as an 8 kHz 16-bit WAV in `folder`; the same file for numbers that sound alike."""
    name, way, _ = heard_by(number)
    file = folder / f"{name}-{WAYS.index(way)}.wav"
    if not file.exists():
        samples = on_one_call(sound(name), seed=len(name), **way)  # type: ignore[arg-type]
        soundfile.write(file, (samples * 32767).astype("<i2"), RATE, subtype="PCM_16")
    return file
