"""A bad network between one phone and Asterisk: packets of each direction are lost, and held back and let go in bursts."""

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from backoffice_core.parts import process
from far_end.endpoint import Call
from far_end.media import Address, Engine


@dataclass
class Way:
    """One direction. `loss` is a share; a burst lets go every `burst_s` what came since the last."""

    loss: float = 0.0
    burst_s: float = 0.0


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, relay: "Relay", reports: bool) -> None:
        self.relay, self.reports = relay, reports
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """What comes from Asterisk goes to the phone, all else to Asterisk. RTCP passes untouched."""
        port = self.relay.exchange[1] + self.reports
        if addr[1] == port:
            self.relay.pass_on(self, data, (self.relay.phone[0], self.relay.phone[1] + self.reports), self.relay.down)
        elif self.relay.exchange[1]:
            self.relay.pass_on(self, data, (self.relay.exchange[0], port), self.relay.up)


class Relay:
    """Between an engine's one call and Asterisk. `up` is from the phone, `down` to it."""

    def __init__(self, engine: Engine, up: Way, down: Way) -> None:
        self.engine, self.phone, self.exchange = engine, ("127.0.0.1", engine.port), ("127.0.0.1", 0)
        self.up, self.down = up, down
        self._dice = random.Random(7)
        self._sockets: list[_Socket] = []

    async def open(self) -> None:
        """From here on the phone tells the relay's port as its own."""
        first, _ = ports = process.free_ports(2, together=True)
        for reports, port in enumerate(ports):
            one = _Socket(self, bool(reports))
            await asyncio.get_running_loop().create_datagram_endpoint(
                lambda one=one: one, local_addr=("127.0.0.1", port)
            )
            self._sockets.append(one)
        self.engine.port = first

    def take(self, call: Call) -> None:
        """The sound of this call goes through here."""
        assert call.stream is not None
        self.exchange = call.stream.remote
        self.engine.move(call.stream, self._sockets[0].transport.get_extra_info("sockname"))

    def pass_on(self, through: _Socket, data: bytes, where: Address, way: Way) -> None:
        if not through.reports and self._dice.random() < way.loss:
            return
        loop = asyncio.get_running_loop()
        wait = way.burst_s - loop.time() % way.burst_s if way.burst_s and not through.reports else 0.0
        loop.call_later(wait, self._send, through, data, where)

    @staticmethod
    def _send(through: _Socket, data: bytes, where: Address) -> None:
        if not through.transport.is_closing():
            through.transport.sendto(data, where)

    def close(self) -> None:
        for one in self._sockets:
            one.transport.close()
