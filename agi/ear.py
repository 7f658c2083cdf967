"""Listens to the first seconds of answered calls: the dialplan's `machine-ear` streams the borrower's side here
(AudioSocket), the detector of `machine_rules` says whether a machine talks.

It comes on the port of AGI: Asterisk's AudioSocket begins with a byte that no AGI request begins with. Whatever fails here,
the call is a person's.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy.exc import SQLAlchemyError

from backoffice_core.bus import Bus
from backoffice_core.call_centre.dialing import machines
from backoffice_core.call_centre.dialing.machine_rules import FRAME, LIMITS, Detector, Verdict
from backoffice_core.db import Database
from backoffice_core.events import CallChanged, MachineFound

log = structlog.get_logger()
ID, SOUND, HANG_UP = 0x01, 0x10, 0x00  # kinds of AudioSocket's messages
BYTES = 2 * FRAME


class Ear:
    def __init__(self, database: Database, bus: Bus) -> None:
        self.database, self.bus = database, bus
        self._verdicts: dict[UUID, asyncio.Future[bool]] = {}

    async def __call__(self, link: socket.socket, begun: bytes) -> None:
        """One call. Ends when there is a verdict, or the call is over."""
        call_id: UUID | None = None
        detectors: list[Detector] = []
        rest = b""
        async for kind, payload in _messages(link, begun):
            if kind == ID and len(payload) == 16:
                call_id = UUID(bytes=payload)
                detectors = await self._detectors(call_id)
            if kind == HANG_UP or not detectors or call_id is None:
                return
            if kind != SOUND:
                continue
            rest += payload
            while len(rest) >= BYTES:
                frame, rest = rest[:BYTES], rest[BYTES:]
                if await self._hear(call_id, detectors, np.frombuffer(frame, "<i2")):
                    return

    async def _detectors(self, call_id: UUID) -> list[Detector]:
        """None for a call that nobody listens to. Before the talk a quick one comes first; what it is not certain of goes to
        an agent, and the thorough one listens on beside the talk."""
        async with self.database.begin() as s:
            mode = await machines.mode_of(s, call_id)
        quick = [Detector(LIMITS["before"])] if mode == "before" else []
        return [*quick, Detector(LIMITS["beside"])] if mode in LIMITS else []

    async def _hear(self, call_id: UUID, detectors: list[Detector], frame: "np.ndarray[Any, Any]") -> bool:
        """True: enough was heard."""
        for detector in list(detectors):
            verdict = detector.hear(frame)
            if verdict is None:
                continue
            if verdict.kind != "MACHINE" and detector is not detectors[-1]:
                self._answer(call_id, False)
                detectors.remove(detector)
                continue
            await self._tell(call_id, verdict)
            return True
        return False

    def _answer(self, call_id: UUID, released: bool) -> None:
        waiting = self._verdicts.get(call_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(released)

    async def _tell(self, call_id: UUID, verdict: Verdict) -> None:
        released, agent = False, None
        try:
            async with self.database.begin() as s:
                released, agent = await machines.note(s, call_id, verdict)
        except SQLAlchemyError as error:
            log.warning("a verdict is lost; the call is a person's", call_id=str(call_id), error=type(error).__name__)
        log.info("who answers", call_id=str(call_id), verdict=verdict.kind, why=verdict.why, at_s=verdict.at_s)
        self._answer(call_id, released)
        await self.bus.publish(
            MachineFound(call_id=call_id) if released else CallChanged(call_id=call_id, agent_id=agent)
        )

    async def is_machine(self, call_id: UUID, within_s: float) -> bool:
        """For the mode `before`: waits for the verdict. False, a person, when there is none in time."""
        waiting = self._verdicts.setdefault(call_id, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(within_s):
                return await waiting
        except TimeoutError:
            return False
        finally:
            self._verdicts.pop(call_id, None)


async def _messages(link: socket.socket, begun: bytes) -> AsyncIterator[tuple[int, bytes]]:
    """AudioSocket: one byte of kind, two of length (the high one first), the payload."""
    loop, data = asyncio.get_running_loop(), begun
    while True:
        while len(data) >= 3 and len(data) >= 3 + (length := struct.unpack("!H", data[1:3])[0]):
            kind, payload, data = data[0], data[3 : 3 + length], data[3 + length :]
            yield kind, payload
        more = await loop.sock_recv(link, 4096)
        if not more:
            return
        data += more
