"""Speak the stand-ins' sounds anew: `python -m far_end.make_sounds` (needs espeak-ng on PATH and numpy).

People's phrases, and the announcements of networks (`announcements.py` has their texts), which keep their pauses.
8 kHz mono 16-bit, pauses cut to 60 ms and the level evened out, so that any half second of a recording carries sound.
"""

import io
import subprocess
import wave
from pathlib import Path

import numpy as np
import soundfile

from far_end.announcements import ANNOUNCEMENTS, FOLDER, SIT, Announcement, melody, tone
from far_end.answers import ANSWERS
from far_end.answers import FOLDER as ANSWERS_FOLDER
from far_end.media import RATE, SOUNDS

PHRASES = {
    "borrower-uk": ("uk", "40", "Алло, добрий день. Так, я вас слухаю. Я пам'ятаю про платіж, заплачу у п'ятницю."),
    "borrower-ru": ("ru", "65", "Алло, здравствуйте. Да, слушаю вас. Зарплата будет в среду, тогда я и заплачу."),
    "agent-uk": ("uk", "80", "Добрий день, вас турбує банк. Розмова записується. Коли вам зручно внести платіж?"),
}
PAUSE = 0.06  # seconds of quiet that stay between words


def speak(voice: str, pitch: str, text: str, speed: int = 165) -> np.ndarray:
    """The phrase as floats of -1..1 at RATE."""
    said = subprocess.run(
        ["espeak-ng", "-v", voice, "-p", pitch, "-s", str(speed), "--stdout", text], check=True, capture_output=True
    )
    with wave.open(io.BytesIO(said.stdout)) as file:
        rate = file.getframerate()
        sound = np.frombuffer(file.readframes(-1), "<i2").astype(float) / 32768
    spectrum = np.fft.rfft(sound)
    spectrum[np.fft.rfftfreq(len(sound), 1 / rate) > 3400] = 0  # the telephone band; no aliases after resampling
    sound = np.fft.irfft(spectrum, len(sound))
    return np.interp(np.arange(0, len(sound) / rate, 1 / RATE), np.arange(len(sound)) / rate, sound)


def even(sound: np.ndarray) -> np.ndarray:
    """Without long pauses, every 20 ms of speech near one level."""
    step, kept, quiet = RATE // 50, [], 0.0
    for at in range(0, len(sound) - step, step):
        block = sound[at : at + step]
        loud = float(np.sqrt(np.mean(block**2)))
        quiet = 0.0 if loud > 0.01 else quiet + 0.02
        if quiet <= PAUSE:
            kept.append(block)
    joined = np.concatenate(kept)
    envelope = np.sqrt(np.convolve(joined**2, np.ones(1600) / 1600, "same"))
    return np.tanh(joined / np.maximum(envelope, 0.02) * 0.16)


def announce(one: Announcement) -> np.ndarray:
    """An announcement with its tones, at -18 dBFS."""
    voice = f"{one.language}+{one.voice}" if one.voice else one.language
    said = speak(voice, str(one.pitch), one.text, one.speed)
    said = np.trim_zeros(np.where(np.abs(said) < 1e-4, 0, said))
    said = said * 0.126 / float(np.sqrt(np.mean(said**2)))
    before = [tone(hertz, seconds) for hertz, seconds in SIT] + [np.zeros(RATE // 5)] if one.tone == "sit" else []
    after = [np.zeros(RATE // 5), tone(1000, 0.5)] if one.tone == "beep" else []
    return np.concatenate([*before, said, *after])


def write(file: Path, sound: np.ndarray, subtype: str = "PCM_16") -> None:
    soundfile.write(file, (np.clip(sound, -1, 1) * 32767).astype("<i2"), RATE, subtype=subtype)


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, (voice, pitch, text) in PHRASES.items():
        write(SOUNDS / f"{name}.wav", even(speak(voice, pitch, text)))
    for name, one in ANNOUNCEMENTS.items():
        write(
            FOLDER / f"{name}.wav", announce(one) if one.text else melody(1, 6.0), "GSM610"
        )  # small, as networks keep them
    ANSWERS_FOLDER.mkdir(parents=True, exist_ok=True)
    for name, answer in ANSWERS.items():
        said = announce(Announcement("", answer.language, answer.text, answer.voice, answer.pitch, answer.speed))
        write(ANSWERS_FOLDER / f"{name}.wav", said, "GSM610")


if __name__ == "__main__":
    main()
