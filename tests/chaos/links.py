"""Links that can be cut: a proxy on TCP or a Unix socket, in the event loop of the run."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

Place = int | Path  # a port on 127.0.0.1, or a Unix socket
LIMIT = 1 << 16


class Link:
    """Passes bytes between whoever connects to `here` and the server at `there`.

    `cut`: connections are aborted, new ones refused. `muted`: nothing passes and nothing is refused, as behind a
    firewall that drops. `delay_s`: each piece comes so much later.
    """

    def __init__(self, name: str, here: Place, there: Place) -> None:
        self.name, self.here, self.there = name, here, there
        self.delay_s = 0.0
        self._open = asyncio.Event()
        self._open.set()
        self._cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._trap: Trap | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        if isinstance(self.here, Path):
            self.here.parent.mkdir(parents=True, exist_ok=True)
            self._server = await asyncio.start_unix_server(self._serve, self.here)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.here)

    async def close(self) -> None:
        self.cut(True)
        if self._server:
            self._server.close()
            await self._server.wait_closed()

    def cut(self, on: bool) -> None:
        self._cut = on
        if on:
            for writer in tuple(self._writers):
                writer.transport.abort()

    def mute(self, on: bool) -> None:
        self._open.clear() if on else self._open.set()

    def trap(self, fits: Callable[[bytes], bool], *, before: bool) -> "Trap":
        """Waits for a piece towards the server that fits; it is let through before or after `Trap.release`."""
        self._trap = Trap(fits, before)
        return self._trap

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        try:
            if isinstance(self.there, Path):
                far_reader, far_writer = await asyncio.open_unix_connection(self.there)
            else:
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.there)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        pumps = [
            asyncio.create_task(self._pump(reader, far_writer, to_server=True)),
            asyncio.create_task(self._pump(far_reader, writer, to_server=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._writers -= both
            for one in both:
                with contextlib.suppress(OSError, RuntimeError):
                    one.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, to_server: bool) -> None:
        """Pieces keep their order; a delay is each piece's own, so it slows the link without narrowing it."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def read() -> None:
            data = b"-"
            while data:
                try:
                    data = await reader.read(LIMIT)
                except OSError:  # aborted there: it ends here too
                    data = b""
                pieces.put_nowait((time.monotonic() + self.delay_s, data))

        reading = asyncio.create_task(read())
        try:
            with contextlib.suppress(OSError):
                while True:
                    due, data = await pieces.get()
                    if not data:
                        return
                    if (wait := due - time.monotonic()) > 0:
                        await asyncio.sleep(wait)
                    await self._open.wait()
                    trap = self._trap
                    if to_server and trap and not trap.sprung.is_set() and trap.fits(data):
                        self._trap = None
                        await trap.hold(writer, data)
                    else:
                        writer.write(data)
                    await writer.drain()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


class Trap:
    """A piece that is waited for."""

    def __init__(self, fits: Callable[[bytes], bool], before: bool) -> None:
        self.fits, self._before = fits, before
        self.sprung, self._released = asyncio.Event(), asyncio.Event()

    def release(self) -> None:
        self._released.set()

    async def hold(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if not self._before:
            writer.write(data)
        self.sprung.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._released.wait(), 2)
        if self._before:
            writer.write(data)
