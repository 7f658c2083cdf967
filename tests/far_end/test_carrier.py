"""The stand-in carrier does what the number says and writes down what happened (issue 2, the far end; FL-13, FL-18)."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import wave
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from far_end import endpoint as endpoint_module
from far_end.carrier import CODES, Carrier, Log, Span, plan_for
from far_end.media import PCMA, SOUNDS, Engine
from far_end.sip import Session
from tests.conftest import until
from tests.far_end.lab import Caller, offer

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Scene:
    carrier: Carrier
    caller: Caller
    log: Path
    port: int

    def call(self, number: str, **how: Any) -> Any:
        return self.caller.call(number, self.port, **how)

    def lines(self, call_id: str = "") -> list[dict[str, Any]]:
        return [line for line in read(self.log) if not call_id or line.get("call_id") == call_id]

    def events(self, call_id: str) -> list[str]:
        return [line["event"] for line in self.lines(call_id)]


def read(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    engine = Engine()
    log = tmp_path / "far-end.log"
    carrier = Carrier(engine, Log(log), hear=tmp_path)
    await carrier.open()
    caller = await Caller().open()
    yield Scene(carrier, caller, log, carrier.port)
    caller.close()
    carrier.close()
    engine.close()


async def test_person_answers_talks_and_hangs_up(scene: Scene) -> None:
    leg = scene.call("+380671234110")  # after 1 s, talks 1 s
    await leg.final()
    assert leg.codes == [100, 180, 200]
    await until(lambda: "BYE" in leg.requests)
    assert scene.events(leg.call_id) == ["INVITE", "RINGING", "ANSWER", "BYE", "HEARD"]
    lines = scene.lines(leg.call_id)
    assert {line["number"] for line in lines} == {"+380671234110"}
    assert lines[3]["who"] == "us"
    at = [datetime.fromisoformat(line["at"]) for line in lines]
    assert all(moment.utcoffset() is not None and "." in line["at"] for moment, line in zip(at, lines, strict=True))
    assert 0.95 < (at[2] - at[0]).total_seconds() < 2.5
    assert 0.95 < (at[3] - at[2]).total_seconds() < 2.5


async def test_person_who_talks_until_the_other_side_hangs_up(scene: Scene) -> None:
    leg = scene.call("380671234000")
    answer = await leg.final()
    assert leg.codes == [100, 200]  # at once, without ringing
    media = Engine()
    stream = media.open(Session.parse(answer.body).remote, PCMA, keep=True)
    leg.inside("INVITE", offer(media.port, "8"))  # our true port comes in a re-INVITE
    await until(lambda: any(m.sequence == 2 and m.status == 200 for m in leg.got))
    leg.acknowledge(leg.got[-1])
    stream.play(SOUNDS / "agent-uk.wav")
    await until(lambda: stream.packets >= 75)
    assert stream.level is not None
    assert -25 < stream.level < -10
    number = leg.inside("BYE")
    await until(lambda: any(m.sequence == number and m.status == 200 for m in leg.got))
    media.close()
    bye, heard = scene.lines(leg.call_id)[-2:]
    assert (bye["event"], bye["who"]) == ("BYE", "them")
    assert heard["event"] == "HEARD"
    assert heard["packets"] >= 40
    assert heard["seconds"] == heard["packets"] / 50
    assert -25 < heard["dbfs"] < -10
    with wave.open(str(next(scene.log.parent.glob("*.wav")))) as file:
        assert file.getnframes() / 8000 > 0.7


async def test_hangs_up_at_once(scene: Scene) -> None:
    leg = scene.call("380671234500")
    await leg.final()
    await until(lambda: "BYE" in leg.requests)
    lines = {line["event"]: datetime.fromisoformat(line["at"]) for line in scene.lines(leg.call_id)}
    assert 0.1 < (lines["BYE"] - lines["ANSWER"]).total_seconds() < 1.5


@pytest.mark.parametrize("code", CODES)
async def test_number_that_ends_in_a_code_is_refused_with_it(scene: Scene, code: int) -> None:
    leg = scene.call(f"380671234{code}")
    assert (await leg.final()).status == code
    assert scene.events(leg.call_id) == ["INVITE", "REFUSE"]
    assert scene.lines(leg.call_id)[-1]["code"] == code


@pytest.mark.parametrize(
    ("ending", "code"), [("450", 486), ("570", 480), ("610", 603), ("650", 404), ("670", 410), ("690", 484)]
)
async def test_ranges_refuse_for_portfolios_with_any_numbers(scene: Scene, ending: str, code: int) -> None:
    assert (await scene.call(f"38067123{ending}").final()).status == code


async def test_rings_out_until_cancelled(scene: Scene) -> None:
    leg = scene.call("380671234777")
    await until(lambda: 180 in leg.codes)
    leg.cancel()
    assert (await leg.final()).status == 487
    assert any(m.method == "CANCEL" and m.status == 200 for m in leg.got)
    assert scene.events(leg.call_id) == ["INVITE", "RINGING", "CANCEL"]
    assert scene.lines(leg.call_id)[-1]["code"] == 487


async def test_announcement_before_any_answer(scene: Scene) -> None:
    """FL-18: 183 with a spoken announcement, then 480."""
    media = Engine()
    leg = scene.call("380671234990", rtp_port=media.port)
    stream = media.open(("127.0.0.1", scene.carrier.engine.port), PCMA)
    await until(lambda: 183 in leg.codes)
    assert (await leg.final()).status == 480
    media.close()
    assert 200 not in leg.codes
    assert stream.packets > 150
    assert stream.level is not None
    assert stream.level > -25


async def test_repeated_invite_is_one_call(scene: Scene) -> None:
    leg = scene.call("380671234020")
    for _ in range(3):
        scene.caller.send(leg.invite, leg.target)
    await leg.final()
    await until(lambda: leg.codes.count(200) >= 2)
    assert scene.events(leg.call_id).count("INVITE") == 1
    assert scene.events(leg.call_id).count("ANSWER") == 1
    assert len({m.get("To") for m in leg.got if m.status == 200}) == 1


@pytest.mark.parametrize("number", ["380671234000", "380671234486"])
async def test_final_answer_is_repeated_until_acknowledged(
    scene: Scene, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_module, "T1", 0.05)
    leg = scene.call(number)
    await until(lambda: len([code for code in leg.codes if code >= 200]) >= 3)
    await leg.final()
    await asyncio.sleep(0.05)  # what was already under way
    count = len(leg.codes)
    await asyncio.sleep(0.5)  # the next repetition would be due by now
    assert len(leg.codes) == count


async def test_dead_caller_is_noticed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The far end survives the product's death: an endless talk ends as LOST, and the next call is taken."""
    monkeypatch.setattr("far_end.carrier.MISSED", 0.2)
    leg = scene.call("380671234000")
    await leg.final()
    await until(lambda: "UPDATE" in leg.requests)
    assert "LOST" not in scene.events(leg.call_id)
    scene.caller.deaf = True
    await until(lambda: "LOST" in scene.events(leg.call_id))
    scene.caller.deaf = False
    assert (await scene.call("380671234020").final()).status == 200


async def test_requests_inside_and_outside_a_call(scene: Scene) -> None:
    scene.caller.loose.clear()
    leg = scene.call("380671234000", more="<sip:127.0.0.1:9;lr>")
    answer = await leg.final()
    assert answer.get("Record-Route") == "<sip:127.0.0.1:9;lr>"
    for method in ("OPTIONS", "INFO", "UPDATE"):
        number = leg.inside(method)
        await until(lambda: any(m.sequence == number and m.status == 200 for m in leg.got))  # noqa: B023 - awaited here
    stranger = scene.call("380671234000")
    await stranger.final()
    stranger.invite.headers = [
        ("From", "<sip:x@127.0.0.1>;tag=other") if k == "From" else (k, v) for k, v in stranger.invite.headers
    ]
    number = stranger.inside("BYE")
    await until(lambda: any(m.sequence == number and m.status == 481 for m in stranger.got))
    assert (await scene.call("380671234000", body=offer(9, "111")).final()).status == 488
    assert (await scene.call("12").final()).status == 484


async def test_spans_replace_the_table_for_persons_only(scene: Scene, tmp_path: Path) -> None:
    carrier = Carrier(
        scene.carrier.engine, Log(tmp_path / "other.log"), answer_after=Span(0, 0), talk=Span.parse("0.1-0.2")
    )
    await carrier.open()
    person, busy = scene.caller.call("380671234390", carrier.port), scene.caller.call("380671234486", carrier.port)
    await person.final(2)
    await until(lambda: "BYE" in person.requests, 2)
    assert (await busy.final()).status == 486
    carrier.close()


def test_random_numbers_mix_as_a_real_night_does() -> None:
    """README's shares, over all thousand endings."""
    plans = [plan_for(f"380671{ending:06}") for ending in range(1000)]
    kinds = Counter(
        plan.code or ("rings" if plan.answer_after is None else "person" if plan.person else "gone") for plan in plans
    )
    assert kinds["person"] == 400
    assert kinds["rings"] == 278
    assert 90 <= kinds[486] <= 100
    assert (
        kinds["gone"] == 61
    )  # 503 lies in their range; 970, 971, 979 listen; 981-988 say one thing, 989 answers behind a tune
    dead = kinds[404] + kinds[410] + kinds[484]
    assert 60 <= dead <= 80


def start(log: Path, *more: str) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-m", "far_end.carrier", "--port", "0", "--rtp-port", "0", "--log", str(log), *more]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout
    hello = child.stdout.readline()
    return child, int(hello.split("127.0.0.1:")[1].split(",")[0])


def test_carrier_as_a_process_with_sipp(tmp_path: Path) -> None:
    """SIPp's own caller gets its calls answered; CPU is told on SIGUSR1 and at the end; restarts append to one log."""
    log = tmp_path / "log" / "far-end.log"
    for _ in range(2):
        child, port = start(log)
        try:
            sipp = [
                "sipp",
                "-sn",
                "uac",
                f"127.0.0.1:{port}",
                "-i",
                "127.0.0.1",
                "-s",
                "380671234000",
                "-m",
                "3",
                "-d",
                "300",
            ]
            done = subprocess.run(
                [*sipp, "-r", "10", "-nostdin", "-timeout", "20"],
                cwd=tmp_path,
                capture_output=True,
                timeout=30,
                check=False,
            )
            assert done.returncode == 0, done.stdout[-2000:]
            child.send_signal(signal.SIGUSR1)
            assert child.stdout
            assert json.loads(child.stdout.readline())["cpu_seconds"] > 0
        finally:
            child.terminate()
            out, err = child.communicate(timeout=10)
        assert child.returncode == 0, err
        assert json.loads(out)["pid"] == child.pid
    events = Counter(line["event"] for line in read(log))
    assert events == {"START": 2, "INVITE": 6, "ANSWER": 6, "BYE": 6, "HEARD": 6, "CPU": 4}


async def test_ordered_stop_ends_its_calls(tmp_path: Path) -> None:
    log = tmp_path / "far-end.log"
    child, port = start(log)
    caller = await Caller().open()
    talking, ringing = caller.call("380671234000", port), caller.call("380671234700", port)
    await talking.final()
    await until(lambda: 180 in ringing.codes)
    child.terminate()
    assert (await ringing.final()).status == 503
    await until(lambda: "BYE" in talking.requests)
    await until(lambda: child.poll() is not None)
    child.communicate()
    caller.close()
    assert [line["event"] for line in read(log)][-4:] == ["REFUSE", "BYE", "HEARD", "CPU"]


async def test_nonsense_leaves_the_carrier_working(scene: Scene) -> None:
    """Broken messages, ports and addresses from a caller neither kill the socket nor the ticker."""
    scene.caller._transport.sendto(b"\x00\xff garbage", ("127.0.0.1", scene.port))
    assert (await scene.call("380671234000", body=offer(99999)).final()).status == 488
    assert (await scene.call("380671234000", body="m=audio\r\n").final()).status == 488
    odd = scene.caller.call("380671234010", scene.port, contact="<sip:bank@192.0.2.1:99999>")
    await odd.final()
    await until(lambda: "BYE" in odd.requests)  # sent to where the call came from
    assert (await scene.call("380671234020").final()).status == 200


def test_taken_port_and_foreign_host_are_told(tmp_path: Path) -> None:
    child, port = start(tmp_path / "log")
    try:
        for wrong in (["--port", str(port)], ["--host", "192.0.2.1"]):
            command = [sys.executable, "-m", "far_end.carrier", "--rtp-port", "0", "--log", os.devnull, *wrong]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
            assert done.returncode == 2
            assert done.stderr.startswith("far end: ")
            assert "Traceback" not in done.stderr
    finally:
        child.terminate()
        child.communicate(timeout=10)
