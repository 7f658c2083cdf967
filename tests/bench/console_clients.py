"""Many consoles in a process of their own, so that what they cost is not the server's and can be told apart.

The first line of its input is JSON, a list of [name, address, cookie]; each further line asks: `back SECONDS` (how
long after that moment the last of them was back, once all are), `heard` (what each has heard since it was asked last).
Moments are those of time.monotonic(), which all processes of a machine share.
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from typing import Any

import uvloop
import websockets

FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 0.5  # as agent_console/static/console.js tries again
LINE_BYTES = 1 << 26


class Client:
    """One console: connects, comes back when cut off, and notes when which news came."""

    def __init__(self, name: str, address: str, cookie: str = "") -> None:
        self.name, self.address = name, address
        self.headers = {"Cookie": cookie} if cookie else {}
        self.back_at = 0.0  # when the last snapshot was asked for
        self.heard: list[tuple[float, str]] = []  # (when, whose change)

    async def live(self) -> None:
        wait = FIRST_WAIT_S
        while True:
            with contextlib.suppress(OSError, websockets.WebSocketException, TimeoutError):
                async with websockets.connect(
                    self.address, additional_headers=self.headers, compression=None, ping_interval=None, open_timeout=60
                ) as link:
                    async for raw in link:
                        wait = FIRST_WAIT_S
                        at, news = time.monotonic(), json.loads(raw)
                        if news["kind"] == "reread":
                            self.back_at = at
                        elif news["kind"] == "agent":
                            self.heard.append((at, news.get("v", "")))
            await asyncio.sleep(wait * random.uniform(0.8, 1.2))
            wait = min(wait * 2, LONGEST_WAIT_S)


async def all_back(clients: list[Client], since: float, limit_s: float = 120.0) -> float:
    """Seconds from `since` until the last was back. Raises TimeoutError."""
    async with asyncio.timeout(limit_s):
        while not all(client.back_at > since for client in clients):  # noqa: ASYNC110 (500 events would say it no sooner)
            await asyncio.sleep(0.02)
    return max(client.back_at for client in clients) - since


async def answer(clients: list[Client], asked: list[str]) -> Any:
    if asked[0] == "back":
        return await all_back(clients, float(asked[1]))
    heard = {client.name: client.heard for client in clients}
    for client in clients:
        client.heard = []
    return heard


async def main() -> None:
    reader = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    clients = [Client(*one) for one in json.loads(await reader.readline())]
    tasks = [asyncio.create_task(client.live()) for client in clients]
    while line := await reader.readline():
        sys.stdout.write(json.dumps(await answer(clients, line.decode().split())) + "\n")
        sys.stdout.flush()
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    uvloop.run(main())
