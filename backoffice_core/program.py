"""How a program of the house runs: structured log lines, uvloop, SIGTERM ends it in order, a refusal is one clear line."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from backoffice_core import config, plain_log
from backoffice_core.errors import Refused


def set_up_log(name: str, level: str) -> None:
    """Log lines carry ids and codes, never names, numbers or answers of people."""
    plain_log.set_up(level)
    structlog.contextvars.bind_contextvars(program=name)


def calm_collector(young: int = 50_000) -> None:
    """For work that makes very many objects and lets them go: what the start has made is not looked through again and again
    (measured: a third of the time of judging a queue). `young`: objects more than were let go, from which on the new ones are
    looked through; with the objects of a part of the queue below it they are hardly ever (measured: 7 % of the time)."""
    gc.freeze()
    gc.set_threshold(young, 20, 100)


JUDGES = 200_000
"""`young` of programs that judge the queue, some thousand cases at a time: a look takes some 10 ms."""


def run_program(name: str, main: Callable[[], Awaitable[None]]) -> None:
    """Runs `main` until it ends or SIGTERM / SIGINT comes; exits 0 on a signal, 1 on a refusal."""
    settings = config.load()
    set_up_log(name, settings.log_level)

    async def until_told() -> None:
        task = asyncio.ensure_future(main())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            structlog.get_logger().info("stopped")

    try:
        uvloop.run(until_told())
    except Refused as refused:
        print(f"{name}: {refused.message} {refused.remedy}".strip(), file=sys.stderr)
        raise SystemExit(1) from None
