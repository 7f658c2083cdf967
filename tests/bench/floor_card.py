"""The floor of a card: Redis → websocket → a GET of a static fragment, by the same libraries and nothing else."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI, WebSocket
from fastapi.responses import HTMLResponse
from starlette.websockets import WebSocketDisconnect

FRAGMENT = "<div class='card'>" + "<p>рядок картки</p>" * 200 + "</div>"  # about 6 KB, as a card is
sockets: set[WebSocket] = set()


def create(redis_url: str) -> FastAPI:
    import asyncio

    async def hear() -> None:
        async with redis.from_url(redis_url).pubsub() as pubsub:
            await pubsub.subscribe("floor")
            async for message in pubsub.listen():
                if message["type"] == "message":
                    for socket in list(sockets):
                        await socket.send_text(message["data"].decode())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(hear())
        yield
        task.cancel()

    app = FastAPI(lifespan=lifespan)

    @app.get("/card")
    async def card() -> HTMLResponse:
        return HTMLResponse(FRAGMENT)

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        sockets.add(socket)
        with suppress(WebSocketDisconnect):
            while True:
                await socket.receive_text()
        sockets.discard(socket)

    return app


if __name__ == "__main__":
    uvicorn.run(create(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
