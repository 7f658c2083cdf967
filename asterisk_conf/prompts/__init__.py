"""The spoken messages: one folder a language, text and sound side by side.

`python -m asterisk_conf.prompts` makes the sounds again. A further language is a further folder. Own recordings
go to `<data>/prompts/<language>/<name>.wav` (8 kHz, mono, 16 bit) and win over the shipped ones, which name the default
bank and its default number.
"""

import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from backoffice_core.config import Settings
from backoffice_core.errors import PartMissing

if TYPE_CHECKING:
    import numpy as np

HERE = Path(__file__).parent
RATE_HZ = 8000  # what the telephone network carries


def languages() -> list[str]:
    return sorted(folder.name for folder in HERE.iterdir() if (folder / "abandoned.txt").exists())


def provide(settings: Settings, target: Path) -> None:
    """Put every prompt into `target/<language>/`: the bank's own recording, else the shipped one, else one made now.

    The shipped sound is used only while it says the right name and number.
    Raises PartMissing when a sound has to be made and espeak-ng is not there.
    """
    for text_file in sorted(HERE.glob("*/*.txt")):
        language, name = text_file.parent.name, text_file.stem
        out = target / language / f"{name}.wav"
        out.parent.mkdir(parents=True, exist_ok=True)
        text = _text(text_file, settings)
        own = settings.data / "prompts" / language / f"{name}.wav"
        said = out.with_suffix(".said")  # what the sound beside it says, so that it is made anew only when that changes
        if own.exists():
            shutil.copyfile(own, out)
            said.unlink(missing_ok=True)
        elif text == _text(text_file, _default()):
            shutil.copyfile(text_file.with_suffix(".wav"), out)
            said.unlink(missing_ok=True)
        elif not (out.exists() and said.exists() and said.read_text(encoding="utf-8") == text):
            out.write_bytes(speak(text, language))
            said.write_text(text, encoding="utf-8")


def speak(text: str, language: str) -> bytes:
    """A WAV file of the telephone's kind. Raises PartMissing without espeak-ng."""
    try:
        run = subprocess.run(
            ["espeak-ng", "-v", language, "-s", "165", "--stdin", "--stdout"],
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
    import numpy as np
    import soundfile

    # a streamed WAV's header cannot know its length: 44 bytes, then 16-bit samples at 22,050 Hz
    samples = np.frombuffer(run.stdout[44:], dtype="<i2").astype(np.float64) / 32768
    out = io.BytesIO()
    soundfile.write(out, _to_telephone(samples, 22_050), RATE_HZ, format="WAV", subtype="PCM_16")
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
    return file.read_text(encoding="utf-8").format(bank_name=" ".join(name.split()), bank_phone=digits)


def _default() -> Settings:
    fields = Settings.model_fields
    return Settings.model_construct(bank_name=fields["bank_name"].default, bank_phone=fields["bank_phone"].default)


def main() -> None:
    """Speak the shipped prompts for the default bank, into the source tree."""
    for text_file in sorted(HERE.glob("*/*.txt")):
        text_file.with_suffix(".wav").write_bytes(speak(_text(text_file, _default()), text_file.parent.name))
