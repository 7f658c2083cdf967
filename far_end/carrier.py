"""The stand-in carrier: `python -m far_end.carrier --port 5070 --rtp-port 5072 --log FILE`.

A process of its own: what it saw and did stays in its log whatever happens to the product's Asterisk. The last three
digits of the called number choose what happens (README.md has the table; `plan_for` is its only source).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from far_end import announcements, answers, tones
from far_end.endpoint import Call, Endpoint, NotAnswered
from far_end.media import PCMA, PCMU, SOUNDS, Engine, frames
from far_end.sip import Message, user_of

VOICES = (SOUNDS / "borrower-uk.wav", SOUNDS / "borrower-ru.wav")
ANSWER_AFTER = (0.0, 1.0, 4.0, 9.0)  # seconds, by the first of the three digits
TALK = (None, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 20.0, 30.0, 60.0)  # seconds, by the second; None: until they hang up
PRESSES = {970: "-", 971: "1", 979: "9"}  # numbers of people who listen, and press a key
PRESS_AFTER = 3.0
AT_ONCE = 0.2  # seconds between the answer and the BYE of a person who hangs up at once
TUNE = "0997"  # the number whose announcement is a subscriber's tune
AFTER_WORDS = 0.3  # seconds between the end of an announcement and the refusal
RING_LIMIT = 180.0  # seconds after which a call that nobody cancels (Asterisk was killed) is refused with 480
MISSED = 20.0  # seconds between two looks whether the other side of an endless talk still lives
CODES = (403, 404, 408, 410, 480, 484, 486, 503, 600, 603)  # numbers that end so are refused so


@dataclass(frozen=True)
class Plan:
    """What happens to a call. `code` set: refused with it, behind an announcement (183) if `early`. Otherwise `early`
    means a tune instead of ringing, and
    `answer_after` None: rings until CANCEL; else answered after that many seconds, hung up after `talk` (None: never).
    """

    code: int | None = None
    early: bool = False
    answer_after: float | None = None
    talk: float | None = None
    press: str = ""  # the key that a quiet person presses after PRESS_AFTER seconds; "-" = none
    once: int = 0  # a number of answers.NUMBERS: what it says, once, then its line's quiet
    person: bool = False  # the overrides of the command line apply
    voice: Path = VOICES[0]


def plan_for(number: str) -> Plan:
    """The table of README.md; 484 for a number of fewer than three digits."""
    if not re.search(r"[0-9]{3}$", number):
        return Plan(code=484)
    ending = int(number[-3:])
    first, second, third = divmod(ending, 100)[0], ending // 10 % 10, ending % 10
    if ending in CODES:
        return Plan(code=ending)
    if first <= 3:
        return Plan(answer_after=ANSWER_AFTER[first], talk=TALK[second], person=True, voice=VOICES[third % 2])
    if first == 4:
        return Plan(code=486)
    if first == 5:
        return Plan(answer_after=0.5, talk=AT_ONCE) if second <= 4 else Plan(code=480)
    if first == 6:
        return Plan(code=(603, 603, 603, 404, 404, 404, 404, 410, 410, 484)[second])
    if ending in PRESSES:
        return Plan(answer_after=0.5, talk=60.0, press=PRESSES[ending])
    if ending in answers.NUMBERS:
        return Plan(answer_after=0.5, talk=12.0, once=ending)
    if ending == 989:
        return Plan(early=True, answer_after=2.0, talk=3.0)
    return Plan(code=480, early=True) if ending >= 990 else Plan()


class Log:
    """One JSON object a line, each written at once and whole, so that several carriers can append to one file."""

    def __init__(self, path: Path) -> None:
        """OSError when the file cannot be opened."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, event: str, **more: object) -> None:
        line = {"at": datetime.now(UTC).isoformat(timespec="microseconds"), "event": event, **more}
        os.write(self._file, (json.dumps(line) + "\n").encode())

    def call(self, event: str, call: Call, **more: object) -> None:
        self.write(event, number=call.number, call_id=call.call_id, **more)


@dataclass(frozen=True)
class Span:
    """Seconds given as "2" or, drawn anew for each call, as "1.5-4"."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Span:
        """ValueError (argparse tells the user) for anything else."""
        low, _, high = text.partition("-")
        span = cls(float(low), float(high or low))
        if not 0 <= span.low <= span.high:
            raise ValueError(text)
        return span


@dataclass(frozen=True)
class CallBack:
    """`share` of those who missed a call (0 to 1) call back after so many seconds, at the exchange's SIP port."""

    share: float
    after: Span
    exchange: int


class Carrier(Endpoint):
    """Answers as the table says and writes down what happened. `answer_after` and `talk` replace the table's seconds
    for persons (not for those who hang up at once); `hear` is a folder for a WAV of what each answered call heard;
    with `chords` each number has a voice of its own that can be recognised (tones.py); with `call_back` who missed
    our call may call the number that called him."""

    def __init__(
        self,
        engine: Engine,
        log: Log,
        hear: Path | None = None,
        answer_after: Span | None = None,
        talk: Span | None = None,
        seed: int | None = None,
        chords: bool = False,
        call_back: CallBack | None = None,
        mood: Path | None = None,
    ) -> None:
        super().__init__(engine, "far-end", keep_heard=hear is not None)
        self._chords = chords
        self.log, self._hear, self._answer_after, self._talk = log, hear, answer_after, talk
        self._dice, self._call_back, self._mood_file = random.Random(seed), call_back, mood
        self._announcements = tempfile.TemporaryDirectory(prefix="far-end-")
        for sound in VOICES:  # encoded now, so that the first answers are as quick as the later ones
            for law in (PCMA, PCMU):
                frames(sound, law)

    def _mood(self) -> str:
        """What the operator of this carrier wants just now: a SIP code for every call, `silent`, or nothing."""
        try:
            return self._mood_file.read_text().strip() if self._mood_file else ""
        except FileNotFoundError:
            return ""

    def ignores(self, message: Message) -> bool:
        silent = self._mood() == "silent"
        if silent:
            self.log.write("IGNORED", number=user_of(message.uri), call_id=message.get("Call-ID"))
        return silent

    def invited(self, call: Call) -> None:
        asserted = user_of(call.invite.get("P-Asserted-Identity")) or None
        self.log.call("INVITE", call, caller=call.caller, asserted=asserted)
        mood = self._mood()
        plan = Plan(code=int(mood)) if mood else plan_for(call.number)
        self.spawn(self._act(call, plan))

    async def _act(self, call: Call, plan: Plan) -> None:
        if call.state != "ringing":  # cancelled already
            return
        if plan.code:
            if not plan.early or not await self._over_within(call, self._announce(call)):
                self._refuse(call, plan.code)
            return
        answer_after, talk = plan.answer_after, plan.talk
        if plan.person and self._answer_after:
            answer_after = self._dice.uniform(self._answer_after.low, self._answer_after.high)
        if plan.person and self._talk:
            talk = self._dice.uniform(self._talk.low, self._talk.high)
        if answer_after != 0:
            call.ring(announcements.write(TUNE, Path(self._announcements.name)) if plan.early else None)
            self.log.call("RINGING", call, code=183 if plan.early else 180)
        if await self._over_within(call, RING_LIMIT if answer_after is None else answer_after):
            return
        if answer_after is None:
            self._refuse(call, 480)
            return
        self._answer(call, plan)
        self.log.call("ANSWER", call)
        if talk is not None:
            if not await self._over_within(call, talk):
                await call.hang_up()
            return
        while not await self._over_within(call, MISSED):
            if not await call.alive():
                call.lose()

    def _answer(self, call: Call, plan: Plan) -> None:
        if plan.press:
            call.answer(None)
            self.spawn(self._press(call, plan.press))
        elif plan.once:
            call.answer(answers.write(plan.once, Path(self._announcements.name)), loop=False)
        else:
            call.answer(tones.borrower(call.number) if self._chords else plan.voice)

    async def _press(self, call: Call, key: str) -> None:
        if key != "-" and not await self._over_within(call, PRESS_AFTER) and call.stream:
            call.stream.press(key)
            self.log.call("PRESS", call, key=key)

    def _announce(self, call: Call) -> float:
        """183 with what this number's network says; how many seconds that takes."""
        file = announcements.write(call.number, Path(self._announcements.name))
        if announcements.heard_by(call.number)[2]:
            call.prefer(PCMU)
        call.ring(file)
        self.log.call("RINGING", call, code=183)
        return len(frames(file, PCMA)) / 50 + AFTER_WORDS

    def _refuse(self, call: Call, code: int) -> None:
        if call.state == "ringing":
            self.log.call("REFUSE", call, code=code)
            call.refuse(code)

    async def _over_within(self, call: Call, seconds: float | None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await call.over.wait()
        except TimeoutError:
            return False
        return True

    def ended(self, call: Call) -> None:
        if call.how == "cancel":
            self.log.call("CANCEL", call, code=487)
            if self._call_back and self._dice.random() < self._call_back.share:
                self.spawn(self.calls_back(call.number, call.caller))
        elif call.how in ("us", "them", "lost"):
            self.log.call("BYE" if call.how != "lost" else "LOST", call, who=call.how)
            if stream := call.stream:
                self.log.call(
                    "HEARD",
                    call,
                    packets=stream.packets,
                    seconds=round(stream.packets / 50, 2),
                    dbfs=stream.level,
                    keys=stream.digits,
                )
                if self._hear:
                    stream.save(
                        self._hear / re.sub(r"[^0-9A-Za-z@._+-]", "_", f"{call.number}-{call.call_id}.wav")[-200:]
                    )

    async def calls_back(self, number: str, called: str) -> None:
        """The owner of `number` calls the number that he saw, and talks as the table says of him."""
        back = self._call_back
        if back is None:
            return
        await asyncio.sleep(self._dice.uniform(back.after.low, back.after.high))
        self.log.write("CALL_BACK", number=number, called=called)
        talk = plan_for(number).talk or 8.0
        if self._talk:
            talk = self._dice.uniform(self._talk.low, self._talk.high)
        try:
            call = await self.dial(called, ("127.0.0.1", back.exchange), caller=number, sound=VOICES[0])
        except (NotAnswered, TimeoutError) as error:
            self.log.write("CALL_BACK_REFUSED", number=number, code=getattr(error, "code", 408))
            return
        self.log.write("CALL_BACK_ANSWERED", number=number)
        if not await self._over_within(call, talk):
            await call.hang_up()

    def status(self) -> dict[str, object]:
        """CPU seconds of this process since its start, its age in seconds, and the calls up and ringing now."""
        states = [call.state for call in self.calls.values()]
        return {
            "pid": os.getpid(),
            "cpu_seconds": round(time.process_time(), 3),
            "age_seconds": round(time.monotonic() - STARTED, 3),
            "up": states.count("up"),
            "ringing": states.count("ringing"),
        }

    async def stop(self) -> None:
        """Refuse what rings (503), hang up what is up, within two seconds."""
        for call in list(self.calls.values()):
            self._refuse(call, 503)
        talks = [asyncio.create_task(call.hang_up()) for call in self.calls.values() if call.state == "up"]
        if talks:
            await asyncio.wait(talks, timeout=2)
        self._announcements.cleanup()


STARTED = time.monotonic()


async def run(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT; SIGUSR1 writes a CPU line to log and standard output."""
    engine = Engine(options.rtp_port, options.host)
    log = Log(options.log)
    if options.hear:
        options.hear.mkdir(parents=True, exist_ok=True)
    back = CallBack(options.call_back, options.call_back_after, options.exchange) if options.call_back else None
    carrier = Carrier(
        engine, log, options.hear, options.answer_after, options.talk, options.seed, options.chords, back, options.mood
    )
    await carrier.open(options.port, options.host)

    def tell() -> None:
        status = carrier.status()
        log.write("CPU", **status)
        sys.stdout.write(json.dumps(status) + "\n")
        sys.stdout.flush()

    end, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    loop.add_signal_handler(signal.SIGUSR1, tell)
    log.write("START", pid=os.getpid(), sip_port=carrier.port, rtp_port=engine.port, seed=options.seed)
    sys.stdout.write(f"far end: carrier on SIP {options.host}:{carrier.port}, RTP port {engine.port}\n")
    sys.stdout.flush()
    await end.wait()
    await carrier.stop()
    tell()
    carrier.close()
    engine.close()


def main(arguments: list[str] | None = None) -> int:
    """0 after an ordered stop, 2 when a port is taken, the host is not loopback or the log cannot be written."""
    parser = argparse.ArgumentParser(
        prog="python -m far_end.carrier", description="A telephone carrier that is not one."
    )
    parser.add_argument("--host", default="127.0.0.1", help="loopback only")
    parser.add_argument(
        "--port", type=int, default=5070, help="SIP over UDP; 0 = any free one, told on standard output"
    )
    parser.add_argument("--rtp-port", type=int, default=5072, help="one for all calls; 0 = any free one")
    parser.add_argument("--log", type=Path, required=True, help="appended to, one JSON object a line")
    parser.add_argument("--hear", type=Path, help="a folder for a WAV of what each answered call heard")
    parser.add_argument(
        "--mood", type=Path, help="file that is read at each call: a SIP code refuses it, `silent` leaves it unanswered"
    )
    parser.add_argument("--seed", type=int, help="makes the draws from spans repeatable")
    parser.add_argument("--answer-after", type=Span.parse, metavar="S[-S]", help="seconds before a person answers")
    parser.add_argument("--talk", type=Span.parse, metavar="S[-S]", help="seconds until a person hangs up")
    parser.add_argument("--chords", action="store_true", help="each number speaks a chord of its own (tones.py)")
    parser.add_argument(
        "--call-back", type=float, default=0.0, metavar="SHARE", help="of those who missed a call, 0 to 1"
    )
    parser.add_argument("--call-back-after", type=Span.parse, default=Span(5, 20), metavar="S[-S]", help="seconds")
    parser.add_argument("--exchange", type=int, default=5060, help="SIP port of the exchange that is called back")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(run(options))
    except (OSError, ValueError) as error:
        sys.stderr.write(
            f"far end: {error}; is another carrier running on port {options.port} or {options.rtp_port}?\n"
        )
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
