"""Robot agents: people at desks who are not there. Each has a SIP phone and a console client, as an agent's browser is one.

A robot logs in by the console's own doors, goes ready, takes the screen pop, fetches the card, checks the speaker's
identity, hangs up after its patience, waits, and saves a disposition. What it saw is written as JSON lines: `CARD` with
the machine's time at which the whole card was in its hands (`asked`: since when it wanted it) and `CARD_GONE` when the
desk had that call no more, `VOICE` (with --chords: whom it heard), `RESULT`, `LOST` when the console was away.

    python -m far_end.robots --agents agents.json --log robots.jsonl [--talk 8-20] [--wrap 1-4] [--truth portfolio.csv]
"""

import argparse
import asyncio
import contextlib
import csv
import json
import os
import random
import re
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import websockets
from websockets.exceptions import ConnectionClosed, WebSocketException

from far_end import tones
from far_end.carrier import Log, Span
from far_end.media import Engine, Stream
from far_end.phone import AGENT_VOICE, DeskPhone, RegistrationError

OUTCOMES_CONFIRMED = ("PTP_FULL", "PTP_FULL", "PTP_PART", "PAID_CLAIM", "REFUSE", "CALLBACK", "HARDSHIP")
OUTCOMES_UNCONFIRMED = ("LEFT_MSG_3P", "HANGUP", "LEFT_MSG_3P", "NO_CONTACT")
PATIENCE_S = 60  # a browser waits long for an answer; who gives up soon and asks again only adds to the load
LOGIN_OVER = 4401  # the websocket's close code
AWAY = (httpx.HTTPError, WebSocketException, OSError, TimeoutError, ValueError, KeyError)


@dataclass(frozen=True)
class Seat:
    """One robot's login and phone."""

    login: str
    password: str
    extension: int
    phone_secret: str
    number: str = ""  # of a phone on the bank's own exchange, which stands at `exchange`
    exchange: int = 0


@dataclass(frozen=True)
class Manner:
    """How the robots behave: seconds of patience in a talk, seconds of wrap-up, who they believe to speak with."""

    talk: Span
    wrap: Span
    truth: dict[frozenset[str], dict[str, str]]  # the words of a person's name -> what he would answer
    today: str  # the bank's business date, for dates of promises
    chords: bool = False  # each phone speaks a chord of its own, and whom it hears is written down (tones.py)


class NoSeat(ValueError):
    """The desk knows the login but no seat (the house was restored to before it was taken): a new login takes one."""


class Robot:
    def __init__(
        self, seat: Seat, console: str, registrar: tuple[str, int], engine: Engine, manner: Manner, log: Log
    ) -> None:
        self.seat, self.console, self.manner, self.log = seat, console, manner, log
        user = seat.number or f"agent-{seat.extension}"
        registrar = (registrar[0], seat.exchange) if seat.exchange else registrar
        voice = tones.agent(user) if manner.chords else AGENT_VOICE
        self.phone = DeskPhone(user, seat.phone_secret, registrar, engine=engine, voice=voice)
        self.http = httpx.AsyncClient(base_url=console, timeout=PATIENCE_S, headers={"Accept": "application/json"})
        self.dice = random.Random(seat.login)
        self.logged_in = False
        self.call_id: str | None = None  # whose card it holds
        self.shows = False  # that card is before it now
        self.name = ""  # of the person on the card
        self.stranger: str | None = None  # the call of which nobody knows whose it is
        self.callers: list[str] = []  # cases that the card of such a call offers
        self.known = ""  # the state that the last news told, until it is used
        self.confirmed: str | None = None  # the call whose speaker proved who he is
        self.changed = asyncio.Event()
        self._taking = asyncio.Lock()

    async def work(self) -> None:
        """Until cancelled; a console that is away is tried again every second."""
        while not self.phone.registered.is_set():
            try:
                await self.phone.register()
            except (RegistrationError, TimeoutError, OSError):
                await asyncio.sleep(1)
        try:
            while True:
                try:
                    if not self.logged_in:
                        await self._log_in()
                    await self._shift()
                except AWAY as error:
                    told = error.rcvd.code if isinstance(error, ConnectionClosed) and error.rcvd else 0
                    if told == LOGIN_OVER or isinstance(error, httpx.HTTPStatusError | NoSeat):
                        self.logged_in = False  # a console that was only away knows the login still
                    self.log.write("LOST", robot=self.seat.login, error=type(error).__name__)
                    await asyncio.sleep(1)
        finally:
            await self.http.aclose()
            self.phone.close()

    async def _log_in(self) -> None:
        self.http.cookies.clear()  # a login that still counts gives no seat: the house may have been restored meanwhile
        form = {"login": self.seat.login, "password": self.seat.password}
        form["phone"] = "bank" if self.seat.number else "desk"
        answer = await self.http.post("/login", data=form)
        if answer.status_code != 303:
            raise ValueError(f"login refused with {answer.status_code}")
        self.http.headers["X-CSRF-Token"] = answer.headers["X-CSRF-Token"]
        self.logged_in = True

    async def _shift(self) -> None:
        cookies = "; ".join(f"{c.name}={c.value}" for c in self.http.cookies.jar)
        address = self.console.replace("http", "ws", 1) + "/live"
        async with websockets.connect(address, additional_headers={"Cookie": cookies}) as socket:
            hearing = asyncio.create_task(self._hear(socket))
            acting = asyncio.create_task(self._act())
            try:
                done, _ = await asyncio.wait({hearing, acting}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in (hearing, acting):
                    task.cancel()
                await asyncio.gather(hearing, acting, return_exceptions=True)

    async def _hear(self, socket: Any) -> None:
        async for raw in socket:
            news = json.loads(raw)
            if news["kind"] == "screen_pop":
                await self._take_card(news["call_id"])
                await socket.send(json.dumps({"shown": self.call_id}))
            if news["kind"] == "agent":
                self.known = news.get("v", "")
            if news["kind"] in {"agent", "reread"}:
                self.changed.set()

    async def _take_card(self, call_id: str) -> None:
        """The card itself, not only its id: the fragment must name the call and a person."""
        async with self._taking:
            if call_id == self.call_id:
                return
            asked = datetime.now(UTC)
            answer = await self.http.get("/desk/card", headers={"Accept": "text/html"})
            if answer.status_code != 200 or f'data-call-id="{call_id}"' not in answer.text:
                return
            self.call_id, self.shows = call_id, True
            self.name = answer.text.partition('class="who"')[2].partition(">")[2].partition("<")[0].strip()
            self.stranger = call_id if 'data-caller="unknown"' in answer.text else None
            self.callers = re.findall(r'name="case_number" value="(\d+)"', answer.text)
            self.log.write(
                "CARD", robot=self.seat.login, call_id=call_id, named=bool(self.name), asked=asked.isoformat()
            )

    async def _state(self) -> dict[str, Any]:
        """The desk's state, as the last news had it; asked for when there was none. Its card goes with its call."""
        found = await self._told()
        held = bool(found["call_id"]) and found["call_id"] == self.call_id
        if self.shows and not held:
            self.log.write("CARD_GONE", robot=self.seat.login, call_id=self.call_id)
        self.shows = held
        return found

    async def _told(self) -> dict[str, Any]:
        said, self.known = self.known, ""
        if said:
            state, _, line, call_id, _ = said.split(":")
            tested = line.partition("/")[2]
            return {"state": state, "call_id": call_id, "line_check": tested.rstrip("+"), "line_heard": "+" in tested}
        answer = await self.http.get("/desk/state")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        if found["state"] == "OFF":
            raise NoSeat
        return found

    async def _until(self, *states: str, limit: float) -> dict[str, Any]:
        """The desk's state once it is one of these, or what it is after `limit` seconds."""
        end = asyncio.get_running_loop().time() + limit
        while True:
            left = end - asyncio.get_running_loop().time()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), max(left, 0.0))
            self.changed.clear()
            state = await self._state()
            if state["state"] in states or left <= 0:
                return state

    async def _act(self) -> None:
        state = await self._state()
        while True:
            if state["call_id"] and state["call_id"] != self.call_id:
                await self._take_card(state["call_id"])
            if state["state"] == "TALKING":
                state = await self._talk(state["call_id"])
            elif state["state"] == "WRAP_UP":
                state = await self._wrap_up(state["call_id"])
            elif state["state"] in {"PAUSED", "UNREACHABLE"}:
                state = await self._go_ready(state)
            else:
                state = await self._until("TALKING", "WRAP_UP", "PAUSED", limit=5)

    async def _go_ready(self, state: dict[str, Any]) -> dict[str, Any]:
        """Ready, and where the desk asks for it, by way of the echo test: it says yes when it heard its own voice."""
        if state.get("line_check") == "WANTED":
            return await self._until("READY", limit=2)
        if state.get("line_check") == "ECHO":
            if not (state.get("line_heard") and self._hears_itself()):
                return await self._until("READY", limit=0.3)
            said = await self.http.post("/desk/line/heard")
            self.log.write("LINE", robot=self.seat.login, status=said.status_code)
        answer = await self.http.post("/desk/ready")
        refused = answer.json().get("error") if answer.status_code == 409 else None
        if refused == "LINE_NOT_CHECKED" or (refused == "LINE_NOT_UP" and state["state"] == "PAUSED"):
            if stream := self._stream():
                stream.first_sound = None
            await self.http.post("/desk/line")
            return await self._until("READY", limit=2)
        return await self._until("READY", "RESERVED", "TALKING", limit=2)

    def _stream(self) -> Stream | None:
        return self.phone.call.stream if self.phone.call else None

    def _hears_itself(self) -> bool:
        stream = self._stream()
        return stream is not None and stream.first_sound is not None

    async def _talk(self, call_id: str) -> dict[str, Any]:
        patience = self.dice.uniform(self.manner.talk.low, self.manner.talk.high)
        after = await self._until("WRAP_UP", "READY", "PAUSED", limit=min(patience, 1.0))
        if after["state"] == "TALKING":
            self._note_voice(after["call_id"])
            await self._choose_caller(call_id)
            await self._ask_identity(call_id)
            after = await self._until("WRAP_UP", "READY", "PAUSED", limit=max(patience - 1.0, 0.0))
        if after["state"] == "TALKING":
            await self.http.post("/desk/hangup")
            after = await self._until("WRAP_UP", "READY", "PAUSED", limit=5)
        return after

    def _note_voice(self, call_id: str) -> None:
        """Whom it hears while the desk says that it speaks in this call; nothing when it cannot be told."""
        stream = self.phone.call.stream if self.manner.chords and self.phone.call else None
        if stream and (voice := stream.voice()):
            self.log.write("VOICE", robot=self.seat.login, call_id=call_id, card=self.call_id, chord=str(voice))

    async def _choose_caller(self, call_id: str) -> None:
        """Of several borrowers with the number: the first that the card offers."""
        if self.stranger != call_id or not self.callers:
            return
        said = await self.http.post("/desk/caller", data={"call_id": call_id, "case_number": self.callers[0]})
        self.log.write("CALLER", robot=self.seat.login, call_id=call_id, status=said.status_code)
        if said.status_code == 200:
            self.call_id = None
            await self._take_card(call_id)

    async def _ask_identity(self, call_id: str) -> None:
        known = self.manner.truth.get(frozenset(self.name.split()))
        if known is None or self.dice.random() > 0.75:  # the others are not the right party
            return
        for field, answer in (("birth_date", known["birth_date"]), ("tax_id_last4", known["tax_id"][-4:])):
            said = await self.http.post("/desk/identity", data={"call_id": call_id, "field": field, "answer": answer})
            if said.status_code == 200 and said.json()["confirmed"]:
                self.confirmed = call_id

    async def _wrap_up(self, call_id: str) -> dict[str, Any]:
        await asyncio.sleep(self.dice.uniform(self.manner.wrap.low, self.manner.wrap.high))
        outcomes = OUTCOMES_CONFIRMED if self.confirmed == call_id else OUTCOMES_UNCONFIRMED
        outcome = "NO_CONTACT" if self.stranger == call_id else self.dice.choice(outcomes)
        form = {"call_id": call_id, "outcome": outcome, "note": "", "wants": "ready"}
        day = datetime.fromisoformat(self.manner.today).date() + timedelta(days=self.dice.randint(1, 7))
        form |= {"amount": "500,00", "due_date": day.isoformat(), "call_back_at": f"{day}T12:00"}
        answer = await self.http.post("/desk/result", data=form)
        self.log.write(
            "RESULT", robot=self.seat.login, call_id=call_id, outcome=form["outcome"], status=answer.status_code
        )
        if answer.status_code >= 400:
            return await self._until("READY", "PAUSED", limit=1)
        return await self._until("READY", "RESERVED", "TALKING", "PAUSED", limit=5)


def read_truth(file: Path | None) -> dict[frozenset[str], dict[str, str]]:
    """The generated portfolio by full name; names that stand there twice are left out."""
    if file is None:
        return {}
    found: dict[frozenset[str], dict[str, str]] = {}
    refs: dict[frozenset[str], set[str]] = {}
    with file.open(encoding="utf-8-sig", newline="") as lines:
        header = lines.readline().strip()
        delimiter = ";" if ";" in header else ","
        for row in csv.DictReader(lines, fieldnames=header.split(delimiter), delimiter=delimiter):
            name = frozenset(row[k] for k in ("last_name", "first_name", "middle_name") if row.get(k))
            refs.setdefault(name, set()).add(row["person_ref"])
            found[name] = row
    return {name: row for name, row in found.items() if len(refs[name]) == 1}


async def run(options: argparse.Namespace) -> None:
    seats = [Seat(**seat) for seat in json.loads(options.agents.read_text())]
    manner = Manner(options.talk, options.wrap, read_truth(options.truth), options.today, options.chords)
    engine, log = Engine(), Log(options.log)
    log.write("START", pid=os.getpid(), robots=len(seats))
    robots = [Robot(seat, options.console, ("127.0.0.1", options.sip_port), engine, manner, log) for seat in seats]
    working = asyncio.gather(*(robot.work() for robot in robots))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, working.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await working
    times = os.times()
    log.write("CPU", seconds=round(times.user + times.system, 2))
    engine.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m far_end.robots", description="Agents that are not people.")
    parser.add_argument(
        "--agents", type=Path, required=True, help="JSON list of login, password, extension, phone_secret"
    )
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--console", default="http://127.0.0.1:8080")
    parser.add_argument("--sip-port", type=int, default=5060)
    parser.add_argument("--talk", type=Span.parse, default=Span.parse("8-20"), metavar="S[-S]")
    parser.add_argument("--wrap", type=Span.parse, default=Span.parse("1-4"), metavar="S[-S]")
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--today", default=datetime.now(UTC).date().isoformat())
    parser.add_argument("--chords", action="store_true", help="phones speak and recognise chords (tones.py)")
    asyncio.run(run(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
