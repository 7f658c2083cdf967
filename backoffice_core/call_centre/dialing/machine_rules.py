"""A person or an answering machine? Heard from the first seconds of what a borrower's side says (pure; decision 0018).

20 ms frames of 8 kHz samples go in, at most one verdict comes out. Certain is only what a person hardly does: a tone, or
speech without a breath for longer than anybody's hello. Whatever is not certain is a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Literal

import numpy as np

RATE, FRAME = 8000, 160  # samples a second, samples of 20 ms
FRAME_S = FRAME / RATE
Kind = Literal["MACHINE", "PERSON", "UNSURE"]
MODES = ("beside", "before")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds. `total`: longest listening; `greeting`: speech without a pause of `pause` that is no hello any more;
    `quiet`: silence after speech that waits for an answer; `hello`: shortest speech; `beep`: shortest tone."""

    total: float
    greeting: float
    pause: float = 0.34
    quiet: float = 0.8
    hello: float = 0.12
    beep: float = 0.24


LIMITS = {
    # the agent talks meanwhile, so there is time to be certain
    "beside": Limits(total=7.0, greeting=2.9),
    # 1.3 s, and the ear begins 0.14 s late, of the rule's two: only who has been talking all along is a machine
    "before": Limits(total=1.3, greeting=1.26, quiet=0.36),
}
AUDIBLE_DB = -46.0  # dBFS: softer is no speech on any line
ABOVE_NOISE_DB = 9.0
SPREAD_DB = 7.0  # speech goes up and down by more than that, noise and hum do not
TONE_SHARE = 0.82  # of a frame's power in one narrow band: a tone
TONES_HZ = (600.0, 2600.0)  # beeps; below lies what networks ring and engage with


@dataclass(frozen=True)
class Verdict:
    """`why`: GREETING, BEEP, HELLO (speech, then somebody waits), TIME. `at_s`: heard so much until then."""

    kind: Kind
    why: str
    at_s: float


_WINDOW = np.hanning(FRAME)
_HZ = np.fft.rfftfreq(256, 1 / RATE)


@dataclass
class Detector:
    """One call. `hear` frame after frame until it gives a verdict."""

    limits: Limits
    heard: int = 0  # frames
    levels: list[float] = field(default_factory=list)  # dBFS
    run: int = 0  # frames since the speech without a pause began
    voiced: int = 0  # of them loud ones
    still: int = 0  # frames of quiet since the last speech
    spoken: bool = False
    beep: int = 0
    beep_hz: float = 0.0

    def hear(self, samples: "np.ndarray[tuple[int], np.dtype[np.int16]]") -> Verdict | None:
        """160 samples of 16 bit."""
        sound = samples.astype(np.float64) / 32768
        level = 20 * np.log10(max(sqrt(float(np.mean(sound**2))), 1e-5))
        self.heard += 1
        self.levels.append(float(level))
        if self._beeps(sound, float(level)):
            return self._say("MACHINE", "BEEP")
        if not self.beep:
            self._follow(float(level))
        limits = self.limits
        # the run that counts began this long ago; its last frames may be quiet
        if self.spoken and (self.run - self.still) * FRAME_S >= limits.greeting and self._lively():
            return self._say("MACHINE", "GREETING")
        if self.spoken and self.still * FRAME_S >= limits.quiet:
            return self._say("PERSON", "HELLO")
        return self._say("UNSURE", "TIME") if self.heard * FRAME_S >= limits.total else None

    def _follow(self, level: float) -> None:
        loud = level > max(self._noise() + ABOVE_NOISE_DB, AUDIBLE_DB)
        if self.run:
            self.run += 1
        if loud:
            self.run = self.run or 1
            self.voiced += 1
            self.still = 0
            self.spoken = self.spoken or self.voiced * FRAME_S >= self.limits.hello
        else:
            self.still += 1
            if self.still * FRAME_S > self.limits.pause and not self.spoken:  # a knock before any word is forgotten
                self.run = self.voiced = 0

    def _noise(self) -> float:
        """The level that a tenth of what was heard lies below; in the first moments a line is taken as still."""
        return _part(self.levels[-100:], 0.1) if self.heard >= 15 else -60.0

    def _lively(self) -> bool:
        """Whether what goes on has the ups and downs of speech."""
        recent = self.levels[-75:]
        return _part(recent, 0.9) - _part(recent, 0.1) >= SPREAD_DB

    def _beeps(self, sound: "np.ndarray[tuple[int], np.dtype[np.float64]]", level: float) -> bool:
        """One steady tone, as machines end their greeting with."""
        hz = 0.0
        if level > -38:
            power = np.abs(np.fft.rfft(sound * _WINDOW, 256)) ** 2
            peak = int(np.argmax(power))
            share = float(power[max(peak - 3, 0) : peak + 4].sum() / max(float(power.sum()), 1e-12))
            if share >= TONE_SHARE and TONES_HZ[0] <= _HZ[peak] <= TONES_HZ[1]:
                hz = float(_HZ[peak])
        steady = hz and (not self.beep or abs(hz - self.beep_hz) < 70)
        self.beep = self.beep + 1 if steady else (1 if hz else 0)
        self.beep_hz = hz or self.beep_hz
        return self.beep * FRAME_S >= self.limits.beep

    def _say(self, kind: Kind, why: str) -> Verdict:
        return Verdict(kind, why, round(self.heard * FRAME_S, 2))


def _part(levels: Sequence[float], share: float) -> float:
    """The level that this share of them lies below (numpy's own takes ten times as long for so few)."""
    return sorted(levels)[int(share * (len(levels) - 1))]


def judge(samples: "np.ndarray[tuple[int], np.dtype[np.int16]]", mode: str) -> Verdict:
    """A whole beginning of a call at once, silence after its end. `mode` of MODES."""
    limits = LIMITS[mode]
    detector = Detector(limits)
    whole = np.concatenate([samples, np.zeros(max(int(limits.total * RATE) + FRAME - len(samples), 0), np.int16)])
    for at in range(0, len(whole) - FRAME + 1, FRAME):
        if verdict := detector.hear(whole[at : at + FRAME]):
            return verdict
    return Verdict("UNSURE", "TIME", limits.total)


# --- the measured error ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """A call that was taken for a machine's and given to an agent all the same: what he said it was."""

    machine: bool


@dataclass(frozen=True)
class Correction:
    """Of `judged` sampled "machine" verdicts `wrong` were people. `error`: the share of people among such verdicts as it is
    counted with (the upper end of its 95 % interval, so that few samples do not flatter); `measured`: the plain share."""

    judged: int
    wrong: int
    measured: float
    error: float

    def abandoned(self, abandoned: int, released: int) -> float:
        """Abandoned calls with those people among `released` machine verdicts whom we hung up on."""
        return abandoned + self.error * released

    def live(self, live: int, released: int) -> float:
        """Answers by people, with the same people."""
        return live + self.error * released


_Z = 1.96  # 95 %


def correction(samples: Sequence[Sample]) -> Correction:
    """From what agents said of sampled verdicts (Wilson's interval). Without any sample every second one is taken as wrong:
    an error that nobody measures is not small."""
    n, wrong = len(samples), sum(not one.machine for one in samples)
    if not n:
        return Correction(0, 0, 0.0, 0.5)
    share = wrong / n
    middle = share + _Z**2 / (2 * n)
    reach = _Z * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return Correction(n, wrong, share, max(share, min(1.0, (middle + reach) / (1 + _Z**2 / n))))
