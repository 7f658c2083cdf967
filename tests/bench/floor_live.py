"""The floor of the consoles: Redis → one websocket of many, by the same libraries and nothing else."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI, WebSocket
from redis.exceptions import RedisError
from starlette.websockets import WebSocketDisconnect

sockets: dict[str, WebSocket] = {}


def create(redis_url: str) -> FastAPI:
    async def hear() -> None:
        with suppress(RedisError):
            async with redis.from_url(redis_url).pubsub() as pubsub:
                await pubsub.subscribe("floor")
                async for message in pubsub.listen():
                    if message["type"] == "message" and (socket := sockets.get(message["data"].decode())):
                        with suppress(RuntimeError, WebSocketDisconnect):
                            await socket.send_text('{"kind": "agent"}')

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(hear())
        yield
        task.cancel()

    app = FastAPI(lifespan=lifespan)

    @app.websocket("/live")
    async def live(socket: WebSocket, name: str) -> None:
        await socket.accept()
        sockets[name] = socket
        await socket.send_text('{"kind": "reread"}')
        with suppress(WebSocketDisconnect):
            while True:
                await socket.receive_text()

    return app


if __name__ == "__main__":
    uvicorn.run(create(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
