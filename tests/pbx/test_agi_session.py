"""The FastAGI server and session (libraries.md section 3), against raw sockets that behave as Asterisk, or do not."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from asterisk.agi import AGIError, AGIHangup, AGIInvalidCommand, AGIUsageError

from agi import session as session_module
from agi.session import AgiServer, AgiSession, serve
from backoffice_core.errors import BadInput
from tests.conftest import until

HEAD = b"agi_network: yes\nagi_network_script: connect\nagi_uniqueid: c-1\nagi_callerid: +380671234567\n\n"


@asynccontextmanager
async def server(handler: Callable[[AgiSession], Awaitable[None]], **limits: float) -> AsyncIterator[AgiServer]:
    running = await serve("127.0.0.1", 0, handler, **limits)  # type: ignore[arg-type]
    try:
        yield running
    finally:
        await running.stop(0.1)


async def talk(server: AgiServer, *answers: bytes, then_close: bool = False) -> list[bytes]:
    """Asterisk's side: the head, then one answer to each command; returns the commands until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(HEAD)
    commands = []
    async with asyncio.timeout(10):
        for answer in answers:
            commands.append(await reader.readline())
            writer.write(answer)
        if then_close:
            writer.close()
        rest = await reader.read()
    writer.close()
    return [*commands, rest]


async def outcome(*answers: bytes, then_close: bool = False) -> object:
    """What `get_variable` gives, or the exception it raises, when Asterisk answers so."""
    seen: list[object] = []

    async def handler(session: AgiSession) -> None:
        try:
            seen.append(await session.run(session.get_variable, "AGENT_CHANNEL"))
        except Exception as error:
            seen.append(error)

    async with server(handler) as running:
        await talk(running, *answers, then_close=then_close)
        await until(lambda: seen)
    return seen[0]


async def test_a_request_sets_a_variable_and_reads_one() -> None:
    seen: list[str] = []

    async def handler(session: AgiSession) -> None:
        assert session.env["agi_network_script"] == "connect"
        seen.append(session.env["agi_uniqueid"])
        await session.run(session.set_variable, "AGENT_CHANNEL", "leg-1-1")
        seen.append(await session.run(session.get_variable, "BO_LANG"))

    async with server(handler) as running:
        commands = await talk(running, b"200 result=1\n", b"200 result=1 (uk)\n")
    assert commands[:2] == [b'SET VARIABLE "AGENT_CHANNEL" "leg-1-1"\n', b'GET VARIABLE "BO_LANG"\n']
    assert seen == ["c-1", "uk"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((b"200 result=1 (value with (parentheses))\n",), "value with (parentheses)"),
        ((b"200 result=0\n",), ""),
        ((b"200 result=1 (hangup)\n",), "hangup"),
        ((b"100 Trying\n100 Trying\n200 result=1 (late)\n",), "late"),
        (("200 result=1 (Тарас)\n".encode(),), "Тарас"),
    ],
)
async def test_answers(answers: tuple[bytes, ...], expected: str) -> None:
    assert await outcome(*answers) == expected


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HANGUP\n", AGIHangup),
        (b"511 Command Not Permitted on a dead channel or intercept routine\n", AGIHangup),
        (b"200 result=-1\n", AGIHangup),
        (b"510 Invalid or unknown command\n", AGIInvalidCommand),
        (b"520-Invalid command syntax.  Proper usage follows:\nUsage: X\n520 End of proper usage.\n", AGIUsageError),
        (b"nonsense\n", AGIError),
        (b"\n", AGIError),
    ],
)
async def test_every_end_has_its_error(answer: bytes, error: type[Exception]) -> None:
    assert isinstance(await outcome(answer), error)


@pytest.mark.parametrize("last", [b"", b"200 resu", b"520-Invalid command syntax.\nUsage: never ends\n"])
async def test_an_end_of_file_anywhere_is_a_hang_up(last: bytes) -> None:
    assert isinstance(await outcome(last, then_close=True), AGIHangup)


async def test_a_value_from_outside_cannot_inject_a_command(caplog: pytest.LogCaptureFixture) -> None:
    refused: list[str] = []

    async def handler(session: AgiSession) -> None:
        await session.run(session.set_variable, "A", 'x" "y\\')
        for name, value in (("A", "x\nHANGUP"), ("A", "x\r\n"), ('A" "B', "1"), ("A B", "1"), ("SHELL(rm)x", "1")):
            with pytest.raises(BadInput):
                await session.run(session.set_variable, name, value)
            refused.append(name)
        with pytest.raises(BadInput):
            await session.run(session.execute, "EXEC", "Playback\nHANGUP")

    async with server(handler) as running:
        commands = await talk(running, b"200 result=1\n")
        await until(lambda: len(refused) == 5)
    assert commands == [b'SET VARIABLE "A" "x\\" \\"y\\\\"\n', b""]


async def test_nothing_of_a_talk_reaches_the_log_or_stderr(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async def handler(session: AgiSession) -> None:
        await session.run(session.get_variable, "CARD")

    with caplog.at_level(logging.DEBUG):
        async with server(handler) as running:
            await talk(running, b"200 result=1 (4111111111111111)\n")
    out = capfd.readouterr()
    for text in (caplog.text, out.out, out.err):
        assert "4111" not in text
        assert "380671234567" not in text


async def test_port_scans_and_health_checks_are_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    """panoramisk's server froze its loop for ever on a connect and close."""
    monkeypatch.setattr(session_module, "HEAD_LIMIT_S", 0.3)
    served: list[str] = []

    async def handler(session: AgiSession) -> None:
        served.append(session.env["agi_uniqueid"])

    async with server(handler) as running:
        for rubbish in (b"", b"GET / HTTP/1.1\r\n\r\n\n\n", b"\x16\x03\x01", b"a" * 20_000, b"\n\n"):
            _, writer = await asyncio.open_connection("127.0.0.1", running.port)
            writer.write(rubbish)
            writer.close()
        silent = [await asyncio.open_connection("127.0.0.1", running.port) for _ in range(20)]
        began = time.monotonic()
        await talk(running)
        assert time.monotonic() - began < 2
        async with asyncio.timeout(5):
            assert [await reader.read() for reader, _ in silent] == [b""] * 20
        for _, writer in silent:
            writer.close()
    assert served == ["c-1"]


async def test_a_slow_handler_is_cut_and_a_crashing_one_closes_the_link(caplog: pytest.LogCaptureFixture) -> None:
    async def slow(_: AgiSession) -> None:
        await asyncio.sleep(60)

    async with server(slow, request_limit_s=0.2) as running:
        assert await talk(running) == [b""]
    assert "longer than" in caplog.text

    async def crash(_: AgiSession) -> None:
        raise RuntimeError("provoked")

    async with server(crash) as running:
        assert await talk(running) == [b""]
        assert await talk(running) == [b""]
    assert "provoked" in caplog.text


async def test_an_asterisk_that_stops_answering_does_not_hold_a_request() -> None:
    async def handler(session: AgiSession) -> None:
        await session.run(session.answer)

    async with server(handler, request_limit_s=0.3) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(HEAD)
        async with asyncio.timeout(5):
            assert await reader.read() == b"ANSWER\n"
        writer.close()


async def test_stop_lets_a_request_finish_and_takes_no_new_one() -> None:
    release, done = asyncio.Event(), []

    async def handler(session: AgiSession) -> None:
        await release.wait()
        await session.run(session.set_variable, "A", "1")
        done.append(True)

    running = await serve("127.0.0.1", 0, handler)
    request = asyncio.create_task(talk(running, b"200 result=1\n"))
    await until(lambda: running._running)
    stopping = asyncio.create_task(running.stop(5))
    await asyncio.sleep(0)
    release.set()
    await stopping
    await request
    assert done == [True]
    with pytest.raises(OSError):  # noqa: PT011 (refused or reset, as the kernel likes)
        await talk(running)


async def test_two_hundred_requests_at_once() -> None:
    async def handler(session: AgiSession) -> None:
        await session.run(session.set_variable, "A", session.env["agi_uniqueid"])

    async with server(handler, request_limit_s=10) as running:
        results = await asyncio.gather(*(talk(running, b"200 result=1\n") for _ in range(200)))
    assert all(result[0] == b'SET VARIABLE "A" "c-1"\n' for result in results)
