"""The floor of the consoles: Redis → the same frames to the same sockets, by the same libraries and nothing else.

A message names whom it is for and the mark of a change; he and every supervisor (`floor=1`) get the two frames that the
console sends of a change of an agent. Every socket gets a beat a second, as there.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI, WebSocket
from redis.exceptions import RedisError
from starlette.websockets import WebSocketDisconnect

sockets: dict[str, WebSocket] = {}
supervisors: dict[str, WebSocket] = {}


def create(redis_url: str) -> FastAPI:
    async def hear() -> None:
        with suppress(RedisError):
            async with redis.from_url(redis_url).pubsub() as pubsub:
                await pubsub.subscribe("floor")
                async for message in pubsub.listen():
                    if message["type"] == "message":
                        await tell(**json.loads(message["data"]))

    async def tell(name: str, v: str) -> None:
        agent = json.dumps({"kind": "agent", "agent_id": name, "v": v})
        call = json.dumps({"kind": "call", "call_id": v, "agent_id": name})
        for socket in [sockets[name], *supervisors.values()]:
            with suppress(RuntimeError, WebSocketDisconnect):
                await socket.send_text(call)
                await socket.send_text(agent)

    async def beat(socket: WebSocket) -> None:
        await asyncio.sleep(random.random())
        with suppress(RuntimeError, WebSocketDisconnect):
            while True:
                await socket.send_text(json.dumps({"kind": "beat", "at": round(time.time() * 1000)}))
                await asyncio.sleep(1)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(hear())
        yield
        task.cancel()

    app = FastAPI(lifespan=lifespan)

    @app.websocket("/live")
    async def live(socket: WebSocket, name: str, floor: bool = False) -> None:
        await socket.accept()
        sockets[name] = socket
        if floor:
            supervisors[name] = socket
        await socket.send_text('{"kind": "reread"}')
        beats = asyncio.create_task(beat(socket))
        with suppress(WebSocketDisconnect):
            while True:
                await socket.receive_text()
        beats.cancel()

    return app


if __name__ == "__main__":
    conf = {"log_level": "warning", "ws_per_message_deflate": False, "ws_ping_interval": 10, "ws_ping_timeout": 10}
    uvicorn.run(create(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), **conf)  # type: ignore[arg-type]
