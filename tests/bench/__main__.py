"""Answer → both voices in one bridge, and answer → card on screen, at 1 and at 10 answers a second.

30 robot agents, far-end borrowers who answer at once and talk 2 s, everything recorded; once with the card's head
start before the voice and once without. Floors, taken in the same run on the same configuration: for the bridge a bare
AGI that answers at once, at the same rate; for the card Redis → websocket → GET of a static fragment.
`--json FILE`, `--seconds N` for each rate.
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis.asyncio as redis
import websockets
from sqlalchemy import select

from ami_listener.call_story import CallAnswered, LineUp, Stories, VoicesMet
from ami_listener.heard import parse
from ami_listener.wire import WANTED
from asterisk_conf import Phone
from backoffice_core.bus import Bus
from backoffice_core.call_centre.models import CallAttempt
from backoffice_core.config import Settings
from backoffice_core.events import QueueChanged
from backoffice_core.parts import asterisk as asterisk_part
from backoffice_core.parts import process
from backoffice_core.parts import state as states
from backoffice_core.pbx.actions import originate_borrower, originate_leg
from backoffice_core.pbx.ami import Ami
from backoffice_core.pbx.frames import Event
from tests import house
from tests.conftest import ROOT, fresh_settings, running, until
from tests.real_asterisk.conftest import carrier
from tests.running import RunningHouse, running_house

AGENTS = 30
ENDING = "020"  # answers at once, talks 2 s
RATES = (1, 10)  # answers a second
DEFAULT_HEAD_START = int(Settings.model_fields["card_head_start_ms"].default)
WRAP_UP = "0.4"  # seconds; with 2 s of talk, 30 robots take up to 12 calls a second


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(int(share * len(ordered)), len(ordered) - 1)], 1) if ordered else float("nan")


def figures(values: Sequence[float]) -> dict[str, float]:
    return {
        "n": len(values),
        "p50": quantile(values, 0.5),
        "p95": quantile(values, 0.95),
        "p99": quantile(values, 0.99),
    }


def cpu_seconds(found: psutil.Process) -> float:
    times = found.cpu_times()
    return float(times.user + times.system)


# --- the product -------------------------------------------------------------------------------------------------


async def feed(one: RunningHouse, rate: int, seconds: float) -> None:
    """One new call task every 1/rate seconds, so that answers come evenly, as they do at the floor."""
    bus, due = Bus(one.settings), time.monotonic()
    async with one.database() as database:
        for n in range(int(seconds * rate)):
            due += 1 / rate
            await asyncio.sleep(max(due - time.monotonic(), 0))
            async with database.begin() as s:
                await house.borrower(s, one.clock, number=f"+380{50 + rate}{n:04}{ENDING}")
            await bus.publish(QueueChanged())
    await bus.close()


async def product(one: RunningHouse, rate: int, seconds: float) -> dict[str, Any]:
    async with one.robots(AGENTS, talk="60", wrap=WRAP_UP) as log:
        state = states.read(one.settings)
        assert state is not None
        parts = {part.name: part.process for part in state.parts}
        before = {name: cpu_seconds(found) for name, found in parts.items() if found}
        far_end = psutil.Process(one.children[0].pid)
        far_before, began = cpu_seconds(far_end), time.monotonic()
        since = one.clock.wall()
        await feed(one, rate, seconds)
        took = time.monotonic() - began
        cores = {name: round((cpu_seconds(found) - before[name]) / took, 2) for name, found in parts.items() if found}
        far = round((cpu_seconds(far_end) - far_before) / took, 2)
        await one.clear_queue()
        await asyncio.sleep(3)
        cards = {
            line["call_id"]: datetime.fromisoformat(line["at"])
            for line in map(json.loads, log.read_text().splitlines())
            if line["event"] == "CARD" and line["named"]
        }
    async with one.database() as database, database.begin() as s:
        calls = list((await s.execute(select(CallAttempt).where(CallAttempt.claimed_at >= since))).scalars())
    met = [c for c in calls if c.answered_at and c.bridged_at]
    shown = [(c, cards[str(c.id)]) for c in met if str(c.id) in cards]
    return {
        "answers_per_s": round(len([c for c in calls if c.answered_at]) / seconds, 2),
        "bridge_ms": figures([(c.bridged_at - c.answered_at).total_seconds() * 1000 for c in met]),  # type: ignore[operator]
        "card_ms": figures([(at - c.answered_at).total_seconds() * 1000 for c, at in shown]),  # type: ignore[operator]
        "card_before_voice": round(sum(at <= c.bridged_at for c, at in shown) / max(len(met), 1), 3),  # type: ignore[operator]
        "abandoned": sum(c.abandoned for c in calls),
        "cpu_cores": cores,
        "far_end_cpu_cores": far,
    }


# --- floors ------------------------------------------------------------------------------------------------------


async def floor_bridge(
    settings: Settings, rate: int, seconds: float, lines: list[str], listener: Ami, dialer: Ami
) -> dict[str, float]:
    stories, answered, met = Stories(), {}, {}

    async def listen() -> None:
        async for event in listener.events():
            heard = parse(event) if isinstance(event, Event) else None
            for meaning in stories.hear(heard) if heard else ():
                if isinstance(meaning, CallAnswered):
                    answered[meaning.call_id] = meaning.at
                elif isinstance(meaning, VoicesMet):
                    met[meaning.call_id] = meaning.at

    task = asyncio.create_task(listen())
    due = time.monotonic()
    for n in range(int(seconds * rate)):
        due += 1 / rate
        await asyncio.sleep(max(due - time.monotonic(), 0))
        call_id = uuid.uuid4()
        await originate_borrower(
            dialer, call_id=call_id, number=f"+38067{n:04}{ENDING}", trunk=settings.trunks[0], caller_id="+380445550100",
            ring_timeout_s=15, recording=f"2026/01/{call_id}", language="uk",
        )  # fmt: skip
    await asyncio.sleep(3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return figures([(at - answered[call]).total_seconds() * 1000 for call, at in met.items() if call in answered])


async def bridge_floors(data: Path, seconds: float) -> dict[int, dict[str, float]]:
    settings = fresh_settings(data)
    extensions = [str(200 + n) for n in range(AGENTS)]
    phones = [Phone(extension, settings.derived_secret(f"phone:{extension}")) for extension in extensions]
    lines = [f"leg-{uuid.uuid4()}-1" for _ in phones]
    part = asterisk_part.part(settings, phones=phones)
    found: dict[int, dict[str, float]] = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(carrier(settings))
        stack.enter_context(running(part, settings.data / "log" / "asterisk.log"))
        seats = [f"{phone.extension}:{phone.secret}" for phone in phones]
        stack.enter_context(_child("tests.bench.phones", str(settings.ports.sip), *seats, wait_for="registered"))
        stack.enter_context(_child("tests.bench.floor_agi", str(settings.ports.agi), *lines))

        def ami(user: str, wanted: frozenset[str] = frozenset()) -> Ami:
            return Ami("127.0.0.1", settings.ports.ami, user, settings.derived_secret(f"ami:{user}"), wanted=wanted)

        async with ami("dialer") as dialer:
            up: set[str] = set()
            async with ami("listener", WANTED) as listener:
                for line, extension in zip(lines, extensions, strict=True):
                    await originate_leg(dialer, channel_id=line, endpoint=f"agent-{extension}", ring_timeout_s=10)
                async with asyncio.timeout(20):
                    stories = Stories()
                    async for event in listener.events():
                        heard = parse(event) if isinstance(event, Event) else None
                        up |= {str(m.line) for m in (stories.hear(heard) if heard else ()) if isinstance(m, LineUp)}
                        if len(up) == AGENTS:
                            break
            for rate in RATES:
                async with ami("listener", WANTED) as listener:
                    found[rate] = await floor_bridge(settings, rate, seconds, lines, listener, dialer)
                say(f"  floor, bare AGI, {rate:>2}/s: {found[rate]}")
    return found


@contextlib.contextmanager
def _child(*arguments: str, wait_for: str = "") -> Any:
    child = subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        if wait_for:
            assert child.stdout is not None
            assert wait_for.encode() in child.stdout.readline()
        yield child
    finally:
        child.kill()
        child.wait()


async def floor_card(one: RunningHouse, rate: int, seconds: float) -> dict[str, float]:
    (port,) = process.free_ports(1)
    took: list[float] = []
    with _child("tests.bench.floor_card", str(port), one.settings.redis):
        await until(lambda: process.answers("127.0.0.1", port), 15)
        publisher = redis.from_url(one.settings.redis)
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
            websockets.connect(f"ws://127.0.0.1:{port}/live") as socket,
        ):
            await asyncio.sleep(0.5)
            for n in range(int(rate * seconds)):
                began = time.monotonic()
                await publisher.publish("floor", str(n))
                await socket.recv()
                (await http.get("/card")).raise_for_status()
                took.append((time.monotonic() - began) * 1000)
                await asyncio.sleep(max(1 / rate - (time.monotonic() - began), 0))
        await publisher.aclose()
    return figures(took)


# --- both --------------------------------------------------------------------------------------------------------


def compare(name: str, rate: int, result: dict[str, Any]) -> dict[str, float]:
    """Says and gives the ratios to the floors of the same run."""
    mine, floor = result[f"{name}_{rate}"]["bridge_ms"]["p99"], result[f"bridge_floor_{rate}"]["p99"]
    card, card_floor = result[f"{name}_{rate}"]["card_ms"]["p95"], result["card_floor_ms"]["p95"]
    before = result[f"{name}_{rate}"]["card_before_voice"]
    say(
        f"{name} at {rate}/s: bridge p99 {mine} ms = {mine / floor:.1f} × floor (goal ≤ 100 ms, ≤ 5 ×); "
        f"card p95 {card} ms = {card / card_floor:.1f} × floor (goal ≤ 300 ms), before the voice {before:.0%} (goal ≥ 95 %)"
    )
    return {"bridge_p99": round(mine / floor, 2), "card_p95": round(card / card_floor, 2), "card_before_voice": before}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--seconds", type=float, default=45, help="for each rate")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result: dict[str, Any] = {"agents": AGENTS, "seconds": options.seconds}
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        base = Path(folder)
        base.chmod(0o755)
        for name, head_start in (("product", DEFAULT_HEAD_START), ("without_head_start", 0)):
            say(f"the product, the voice waits up to {head_start} ms for the card:")
            with running_house(base / name, card_head_start_ms=head_start) as one:
                for rate in RATES:
                    result[f"{name}_{rate}"] = asyncio.run(product(one, rate, options.seconds))
                    say(f"  {rate:>2}/s: {json.dumps(result[f'{name}_{rate}'])}")
                if name == "product":
                    result["card_floor_ms"] = asyncio.run(floor_card(one, 10, min(options.seconds, 20)))
                    say(f"  floor, card: {result['card_floor_ms']}")
        for rate, found in asyncio.run(bridge_floors(base / "floor", options.seconds)).items():
            result[f"bridge_floor_{rate}"] = found
    for rate in RATES:
        for name in ("product", "without_head_start"):
            result[f"ratios_{name}_{rate}"] = compare(name, rate, result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
