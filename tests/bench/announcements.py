"""Announcements (FL-18): how many are recognised, and whether a good number is ever condemned. Needs espeak-ng.

`python -m tests.bench.announcements [--json FILE] [--calls N]`. The library holds each announcement once, clean; the calls
differ from it in noise, codec, offset, level, ringing before and lost beginnings. The 500 live or switched-off numbers are
people (new sentences in many voices, from espeak-ng), tunes, ringing, voicemail, switched-off texts, their beginnings, noise.
Exit code 1 when a goal is missed: 95 % recognised, none condemned.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from far_end.announcements import ANNOUNCEMENTS, on_one_call, ringing, sound
from far_end.make_sounds import speak
from recordings.fingerprint import fingerprint
from recordings.recognise import CONDEMNING, recognise
from tests.sounds import CODECS, library, through, tune, varied, voice

VOICES = ("m1", "m3", "m7", "f1", "f2", "f3", "f4", "f5")
PEOPLE = {
    "uk": ("Алло, слухаю вас уважно.", "Так, хто це телефонує? Я зараз за кермом.", "Передзвоніть, будь ласка, ввечері.",
           "Номер, який ви набрали, тепер мій, але я вас не знаю.", "Ні, його немає вдома, буде після шостої.",
           "Я вже все сплатив, перевірте, будь ласка, ще раз."),
    "ru": ("Алло, слушаю вас внимательно.", "Да, кто это звонит? Я сейчас за рулём.", "Перезвоните, пожалуйста, вечером.",
           "Набранный вами номер теперь мой, но я вас не знаю.", "Нет, его нет дома, будет после шести.",
           "Я уже всё оплатил, проверьте, пожалуйста, ещё раз."),
}  # fmt: skip


def live(dice: random.Random) -> Iterator[tuple[str, np.ndarray]]:
    """500 numbers that nobody may call dead: what each is, and what was heard of it."""
    for _ in range(200):
        language = dice.choice(("uk", "ru"))
        text, who = dice.choice(PEOPLE[language]), dice.choice(VOICES)
        yield "person", speak(f"{language}+{who}", str(dice.randrange(20, 80)), text, dice.randrange(140, 190))
    for number in range(40):
        yield "far end's person", voice(dice.choice(("borrower-uk", "borrower-ru", "agent-uk")), number)
    for number in range(80):
        yield "tune", tune(5000 + number)
    off = [name for name, one in ANNOUNCEMENTS.items() if one.meaning not in (CONDEMNING, "ringback")]
    for _ in range(120):
        name = dice.choice(off)
        yield ANNOUNCEMENTS[name].meaning or "unknown to the library", sound(name)
    for _ in range(40):
        name = dice.choice([name for name, one in ANNOUNCEMENTS.items() if one.meaning == CONDEMNING])
        whole = sound(name)
        yield "the beginning that dead and living share", whole[: int(len(whole) * dice.uniform(0.2, 0.7))]
    for number in range(20):
        yield "ringing or noise", ringing(8) if number % 2 else np.random.default_rng(number).normal(0, 0.02, 40_000)


def main() -> int:
    """0 when both goals are met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.announcements")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--calls", type=int, default=480, help="varied calls to recognise")
    options = parser.parse_args()
    known, dice = library(), random.Random(20)
    began = time.process_time()
    calls = [(call, recognise(call.print, known)) for call in varied(options.calls, seed=77)]
    each_ms = 1000 * (time.process_time() - began) / len(calls)
    good = sum(verdict.meaning == call.meaning for call, verdict in calls)
    wrong = Counter(f"{call.name} → {v.meaning or 'nothing'}" for call, v in calls if v.meaning != call.meaning)
    distances = sorted(v.distance for call, v in calls if v.meaning == call.meaning and v.distance is not None)
    condemned, kinds = Counter[str](), Counter[str]()
    for number, (kind, samples) in enumerate(live(dice)):
        heard = on_one_call(
            samples, seed=number, ring=dice.choice((0.0, 1.5)), snr_db=dice.choice((None, 20, 10)),
            level_db=dice.uniform(-20, 4),
        )  # fmt: skip
        meaning = recognise(fingerprint(through(dice.choice(CODECS), heard)), known).meaning
        kinds[kind] += 1
        condemned[kind] += meaning == CONDEMNING
    report = {
        "calls": len(calls), "recognised": good, "share": round(good / len(calls), 4), "wrong": dict(wrong),
        "distance": {"p50": distances[len(distances) // 2], "p99": distances[int(len(distances) * 0.99)]},
        "cpu_ms_a_call": round(each_ms, 1), "library": len(known),
        "live_numbers": sum(kinds.values()), "live_by_kind": dict(kinds), "condemned": sum(condemned.values()),
    }  # fmt: skip
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    if options.json:
        options.json.write_text(json.dumps(report, ensure_ascii=False), encoding="utf-8")
    return 0 if good >= 0.95 * len(calls) and not sum(condemned.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
