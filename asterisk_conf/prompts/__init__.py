"""The spoken messages: one folder a language, text and sound side by side.

`python -m asterisk_conf.prompts` makes the shipped sounds again; they name the default bank and its default number.
A bank's own recordings `<data>/prompts/<language>/<name>.wav` (8 kHz, mono, 16 bit) or texts (`.txt`) win over them, and
a further language is a further folder there.
"""

import io
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from backoffice_core.config import Settings
from backoffice_core.errors import PartMissing

if TYPE_CHECKING:
    import numpy as np

HERE = Path(__file__).parent
RATE_HZ = 8000  # what the telephone network carries


def names() -> tuple[str, ...]:
    """What a call may need to say: the prompts of the language that is always there."""
    return tuple(sorted(file.stem for file in (HERE / "uk").glob("*.txt")))


def languages(settings: Settings) -> list[str]:
    """Those of the shipped folders and of the data folder (FL-19)."""
    folders = [*HERE.iterdir(), *(settings.own_prompts.iterdir() if settings.own_prompts.is_dir() else ())]
    return sorted({f.name for f in folders if re.fullmatch("[a-z]{2,3}", f.name) and any(f.glob("*.[tw][xa][tv]"))})


def sounds_dir(settings: Settings) -> Path:
    """Where Asterisk finds them: `<language>/<name>.wav`."""
    return settings.data / "asterisk" / "sounds"


@dataclass(frozen=True, slots=True)
class Prompt:
    """`origin`: RECORDING (the bank's own), TEXT (the bank's own, spoken), SHIPPED, SPOKEN (the shipped text with this
    bank's name and number), MISSING (no text in this language)."""

    language: str
    name: str
    origin: str
    text: str
    source: Path | None

    def file(self, settings: Settings) -> Path:
        return sounds_dir(settings) / self.language / f"{self.name}.wav"


def wanted(settings: Settings) -> list[Prompt]:
    """Each prompt in each language that is offered."""
    everything = dict.fromkeys((*names(), *robot_messages(settings)))
    return [_choose(settings, language, name) for language in languages(settings) for name in everything]


def _choose(settings: Settings, language: str, name: str) -> Prompt:
    own, shipped = settings.own_prompts / language / name, HERE / language / name
    if own.with_suffix(".wav").exists():
        return Prompt(language, name, "RECORDING", "", own.with_suffix(".wav"))
    for base, origin in ((own, "TEXT"), (shipped, "SPOKEN")):
        file = base.with_suffix(".txt")
        if file.exists():
            text = _text(file, settings)
            if origin == "SPOKEN" and text == _text(file, _default()):
                return Prompt(language, name, "SHIPPED", text, shipped.with_suffix(".wav"))
            return Prompt(language, name, origin, text, None)
    return Prompt(language, name, "MISSING", "", None)


ROBOT = "robot"  # what calls without an agent say


def robot_messages(settings: Settings) -> list[str]:
    """What a call without an agent may say: the shipped message and the bank's own ones, `robot-<name>` in the folder of
    every language."""
    folders = [settings.own_prompts / language for language in languages(settings)]
    own = [{file.stem for ending in ("txt", "wav") for file in one.glob(f"robot-*.{ending}")} for one in folders]
    everywhere = set.intersection(*own) if own else set()
    return [ROBOT, *sorted(name for name in everywhere - set(names()) if re.fullmatch("[a-z0-9-]{1,40}", name))]


def said_by_robot(settings: Settings, name: str, language: str) -> str:
    """`name` where there is such a sound in this language, else the shipped message."""
    return name if (sounds_dir(settings) / language / f"{name}.wav").exists() else ROBOT


def missing(settings: Settings) -> list[str]:
    """`language/name` of each prompt that Asterisk would not find: nothing is dialed while there is one (FL-19)."""
    return [f"{one.language}/{one.name}" for one in wanted(settings) if not one.file(settings).exists()]


def provide(settings: Settings) -> list[Prompt]:
    """Puts every prompt where Asterisk plays it from: the bank's own recording, else its own text or the shipped one
    spoken, else the shipped sound while that says the right name and number. Returns those it wrote.

    Raises PartMissing when a sound has to be made and espeak-ng is not there or knows no such voice.
    """
    written = []
    sounds_dir(settings).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HERE / "tone.wav", sounds_dir(settings) / "tone.wav")
    for one in wanted(settings):
        out = one.file(settings)
        said = out.with_suffix(".said")  # what the sound beside it says, so that it is made anew only when that changes
        if one.origin == "MISSING":
            continue
        out.parent.mkdir(parents=True, exist_ok=True)
        if one.source is not None:
            if not out.exists() or out.read_bytes() != one.source.read_bytes():
                shutil.copyfile(one.source, out)
                written.append(one)
            said.unlink(missing_ok=True)
        elif not (out.exists() and said.exists() and said.read_text(encoding="utf-8") == one.text):
            out.write_bytes(speak(one.text, one.language))
            said.write_text(one.text, encoding="utf-8")
            written.append(one)
    return written


def speak(text: str, language: str) -> bytes:
    """A WAV file of the telephone's kind. A first line `voice: NAME` chooses espeak-ng's voice, else it is the language's.

    Raises PartMissing without espeak-ng, or when it has no such voice.
    """
    first, _, rest = text.partition("\n")
    voice = first.removeprefix("voice:").strip() if first.startswith("voice:") else language
    text = rest if first.startswith("voice:") else text
    try:
        run = subprocess.run(
            ["espeak-ng", "-v", voice, "-s", "165", "--stdin", "--stdout"],
            input=text.encode(),
            capture_output=True,
            check=True,
            timeout=60,
        )
    except FileNotFoundError:
        raise PartMissing(
            "The announcement must be spoken anew for this bank's name and number, and espeak-ng is not installed.",
            remedy="Install espeak-ng, or put your own recordings into <data>/prompts/<language>/abandoned.wav.",
        ) from None
    except subprocess.CalledProcessError:
        raise PartMissing(
            f"espeak-ng has no voice {voice!r} for the prompts of the language {language}.",
            remedy="Begin the text with a line as `voice: en` (`espeak-ng --voices` lists them), or give recordings.",
        ) from None
    import numpy as np
    import soundfile

    # a streamed WAV's header cannot know its length: 44 bytes, then 16-bit samples at 22,050 Hz
    samples = np.frombuffer(run.stdout[44:], dtype="<i2").astype(np.float64) / 32768
    out = io.BytesIO()
    soundfile.write(out, _to_telephone(samples, 22_050), RATE_HZ, format="WAV", subtype="PCM_16")
    return out.getvalue()


def tone(hz: float = 880.0, seconds: float = 0.15) -> bytes:
    """A short sound without a click: the borrower comes now."""
    import numpy as np
    import soundfile

    at = np.arange(int(RATE_HZ * seconds)) / RATE_HZ
    out = io.BytesIO()
    soundfile.write(
        out, 0.25 * np.sin(2 * np.pi * hz * at) * np.hanning(at.size), RATE_HZ, format="WAV", subtype="PCM_16"
    )
    return out.getvalue()


def _to_telephone(samples: "np.ndarray", rate_hz: int) -> "np.ndarray":
    """Cut above 3.6 kHz (else it folds back as hiss), take every n-th value, leave 3 dB of headroom."""
    import numpy as np

    taps = np.arange(-200, 201)
    cut = 2 * 3600 / rate_hz
    smooth = np.convolve(samples, cut * np.sinc(cut * taps) * np.hamming(taps.size), mode="same")
    at = np.arange(0, smooth.size - 1, rate_hz / RATE_HZ)
    thin = np.interp(at, np.arange(smooth.size), smooth)
    return thin * (0.7 / max(1e-6, float(np.abs(thin).max())))


def _text(file: Path, settings: Settings) -> str:
    digits = ", ".join(" ".join(group) for group in re.findall(r"\d+", settings.bank_phone))
    name = re.sub(r"[«»\"'<>&]", " ", settings.bank_name)
    opens, closes = (hour.removesuffix(":00").lstrip("0") for hour in (settings.calls_in_from, settings.calls_in_until))
    return file.read_text(encoding="utf-8").format(
        bank_name=" ".join(name.split()), bank_phone=digits, opens=opens, closes=closes
    )


def _default() -> Settings:
    fields = Settings.model_fields
    said = ("bank_name", "bank_phone", "calls_in_from", "calls_in_until")
    return Settings.model_construct(**{name: fields[name].default for name in said})


def main() -> None:
    """Speak the shipped prompts for the default bank, into the source tree; and the tone that an agent hears first."""
    (HERE / "tone.wav").write_bytes(tone())
    for text_file in sorted(HERE.glob("*/*.txt")):
        text_file.with_suffix(".wav").write_bytes(speak(_text(text_file, _default()), text_file.parent.name))
