"""The websocket: carries kinds and ids, never data. The browser fetches what changed, and permission is asked there; it
answers only that a call's card is on the screen.

Each socket has one reader and one writer; the writer's queue is bounded, and who does not read is dropped (he comes
back and reads a snapshot). News can be lost, so every two seconds one query compares all agents with what was last
seen and tells those whose row changed.
"""

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from fastapi import APIRouter, WebSocket
from sqlalchemy import select
from starlette.websockets import WebSocketDisconnect

from agent_console.console import Console
from agent_console.deps import COOKIE, console_of, same_origin
from backoffice_core.call_centre.models import AgentSession
from backoffice_core.db import AWAY
from backoffice_core.events import (
    AgentChanged,
    CallChanged,
    CardShown,
    LoginTaken,
    News,
    QueueChanged,
    ScreenPop,
    SoundChanged,
    StopChanged,
    TrunksChanged,
)
from backoffice_core.staff import rules, service

log = structlog.get_logger()
router = APIRouter()

BEAT_S = 1.0
REREAD_S = 2.0
GATHER_S = 0.02
QUEUE = 128
EXPIRED, FOREIGN = 4401, 4403


@dataclass(eq=False)
class Socket:
    """One open page."""

    user_id: UUID
    floor: bool
    login: str = ""  # digest of its cookie
    over: asyncio.Event = field(default_factory=asyncio.Event)  # another login took the desk
    queue: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    slow: bool = False

    def push(self, message: dict[str, Any] | str) -> None:
        """`str`: JSON already, written once for all who are told the same."""
        try:
            self.queue.put_nowait(message if isinstance(message, str) else json.dumps(message))
        except asyncio.QueueFull:
            self.slow = True


class Hub:
    """All open pages of this process, what they are told, and how lost news are found."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.sockets: set[Socket] = set()
        self._seen: dict[UUID, str] = {}
        self._popped: dict[UUID, UUID | None] = {}
        self._changed: set[UUID] = set()  # agents of whom there is news that was not passed on yet
        self._wake = asyncio.Event()
        self._taken: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(w) for w in (self._hear(), self._tell_changed(), self._reread_for_ever())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hear(self) -> None:
        async for news in self.console.bus.hear():
            if news is None:  # the link was made again: something may have been missed
                self.tell_all({"kind": "reread"})
            else:
                self.pass_on(news)

    def pass_on(self, news: News) -> None:
        """Who hears what: an agent of his own call and state, the floor of everything, all of a stop."""
        match news:
            case ScreenPop():
                self._popped[news.agent_id] = news.call_id
                message = {"call_id": str(news.call_id), "case_id": str(news.case_id)}
                self.tell(news.agent_id, {"kind": "screen_pop", **message})
            case AgentChanged():
                self._changed.add(news.agent_id)
                self._wake.set()
            case CallChanged():
                message = {"kind": "call", "call_id": str(news.call_id)}
                if news.agent_id:
                    self.tell(news.agent_id, message)
                    message["agent_id"] = str(news.agent_id)
                self.tell_floor(message)
            case QueueChanged():
                self.tell_floor({"kind": "queue"})
            case TrunksChanged():
                self.tell_floor({"kind": "trunks"})
            case LoginTaken():
                self._taken.add(asyncio.create_task(self._end_taken(news.agent_id)))
            case SoundChanged():
                self.tell_floor({"kind": "sound"})
            case StopChanged():
                self.tell_all({"kind": "stop"})

    async def _end_taken(self, user_id: UUID) -> None:
        """Closes this person's pages whose login has ended; when the database is away their next request tells them."""
        with contextlib.suppress(*AWAY):
            async with self.console.database.begin() as s:
                known = await service.open_tokens(s, user_id, self.console.clock.wall())
            for socket in self.sockets:
                if socket.user_id == user_id and socket.login not in known:
                    socket.over.set()
        self._taken = {task for task in self._taken if not task.done() and task is not asyncio.current_task()}

    async def shown(self, user_id: UUID, call_id: UUID) -> None:
        """The card of this agent's own call is on his screen: the voices may meet."""
        if self._popped.get(user_id) == call_id:
            await self.console.bus.publish(CardShown(agent_id=user_id, call_id=call_id))

    async def _tell_changed(self) -> None:
        """The first news of a flock is told at once, the rest of the flock together; one query serves all that came while
        the last was told. `v` spares pages that show this state already."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = self._changed, set()
            try:
                now = await self._states(changed)
            except Exception as error:  # the database is away: pages are told to look, and see it by themselves
                log.warning("agents not read", error=type(error).__name__)
                now = {}
            for user_id in changed:
                self._seen[user_id] = now.get(user_id, "")
                message = {"kind": "agent", "agent_id": str(user_id), "v": now.get(user_id, "")}
                self.tell(user_id, message)
                self.tell_floor(message)
            await asyncio.sleep(GATHER_S)

    async def _states(self, of: set[UUID] | None = None) -> dict[UUID, str]:
        row = AgentSession
        fields = (row.state, row.reason, row.line, row.call_id, row.wants_pause, row.line_check, row.line_heard_at)
        query = select(row.user_id, *fields)
        query = query.where(row.ended_at.is_(None))
        if of is not None:
            query = query.where(row.user_id.in_(of))
        async with self.console.database.reading.connect() as connection:
            rows = (await connection.execute(query)).all()
        return {row[0]: version(*row[1:]) for row in rows}

    def tell(self, user_id: UUID, message: dict[str, Any]) -> bool:
        """Whether a page of his is open."""
        his = [socket for socket in self.sockets if socket.user_id == user_id]
        for socket in his:
            socket.push(message)
        return bool(his)

    def tell_floor(self, message: dict[str, Any]) -> None:
        text = json.dumps(message)
        for socket in self.sockets:
            if socket.floor:
                socket.push(text)

    def tell_all(self, message: dict[str, Any]) -> None:
        text = json.dumps(message)
        for socket in self.sockets:
            socket.push(text)

    async def _reread_for_ever(self) -> None:
        while True:
            try:
                await self.reread()
            except Exception as error:  # the database is away: pages see it by themselves, and this goes on
                log.warning("agents not re-read", error=type(error).__name__)
            await asyncio.sleep(REREAD_S)

    async def reread(self) -> None:
        """One query for all agents; tells those whose row is not what was seen two seconds ago. `v` lets a page that
        already shows this state ignore it."""
        if not self.sockets:
            self._seen.clear()
            return
        now = await self._states()
        for user_id, seen in now.items():
            state, _, _, call_id, _ = seen.split(":")
            new = call_id and str(self._popped.get(user_id)) != call_id and state in {"RESERVED", "TALKING"}
            if new and self.tell(user_id, {"kind": "screen_pop", "call_id": call_id, "case_id": None}):
                self._popped[user_id] = UUID(call_id)  # otherwise his page is not there yet: told at the next look
        for user_id in now.keys() | self._seen.keys():
            if now.get(user_id) != self._seen.get(user_id):
                message = {"kind": "agent", "agent_id": str(user_id), "v": now.get(user_id, "")}
                self.tell(user_id, message)
                self.tell_floor(message)
        self._seen = now


def version(
    state: str, reason: str, line: str, call_id: UUID | None, wants_pause: str, check: str, heard_at: datetime | None
) -> str:
    """What a page compares to know whether it shows an agent's present state."""
    tested = f"/{check}{'+' if heard_at else ''}" if check else ""
    return f"{state}:{reason}:{line}{tested}:{call_id or ''}:{wants_pause}"


@router.websocket("/live")
async def live(websocket: WebSocket) -> None:
    """Opens only from our own page and with a living login; ends when the login does."""
    console = console_of(websocket)
    token = websocket.cookies.get(COOKIE, "")
    async with console.database.begin() as s:
        found = await service.find_login(s, token, console.clock.wall())
    await websocket.accept()
    if not same_origin(websocket) or found is None:
        await websocket.close(EXPIRED if found is None else FOREIGN)
        return
    user, login = found
    socket = Socket(user.id, floor=rules.may(user.role, "floor"), login=login.token_hash)
    console.hub.sockets.add(socket)
    socket.push({"kind": "reread"})
    reader = asyncio.create_task(_read(websocket, console.hub, user.id))
    writer = asyncio.create_task(_write(websocket, socket, console, login.expires_at.timestamp()))
    over = asyncio.create_task(socket.over.wait())
    try:
        await asyncio.wait({reader, writer, over}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        console.hub.sockets.discard(socket)
        for task in (reader, writer, over):
            task.cancel()
        await asyncio.gather(reader, writer, over, return_exceptions=True)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await websocket.close(EXPIRED if socket.over.is_set() else 1000)


async def _read(websocket: WebSocket, hub: Hub, user_id: UUID) -> None:
    """A page says one thing: that it shows the card of a call. Anything else is not heard."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while True:
            said = await websocket.receive_text()
            with contextlib.suppress(ValueError, TypeError, KeyError):
                await hub.shown(user_id, UUID(json.loads(said[:100])["shown"]))


async def _write(websocket: WebSocket, socket: Socket, console: Console, expires: float) -> None:
    # At another moment for each page: 500 that came back together would else be told together, and news would wait behind.
    pause = BEAT_S * random.random()  # noqa: S311 (nobody guesses it)
    with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
        while not socket.slow:
            try:
                async with asyncio.timeout(pause):
                    message = await socket.queue.get()
            except TimeoutError:
                wall = console.clock.wall().timestamp()
                if wall > expires:
                    await websocket.close(EXPIRED)
                    return
                message = json.dumps({"kind": "beat", "at": round(wall * 1000)})
            pause = BEAT_S
            async with asyncio.timeout(5):
                await websocket.send_text(message)
