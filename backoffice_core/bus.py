"""News over Redis: sent only after commit, lost without harm (every reader also re-reads PostgreSQL now and then)."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import redis.asyncio as redis
import structlog
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from backoffice_core.config import Settings
from backoffice_core.events import News, from_wire, to_wire

CHANNEL = "backoffice:news"
QUIET_S = 3.0  # after which the server is asked whether it lives; a dead link is noticed in twice that
log = structlog.get_logger()


async def _messages(pubsub: PubSub) -> AsyncIterator[bytes]:
    """What is published. Raises TimeoutError when the server answers nothing, not even a ping: a link that is dead
    without being cut would be listened to for ever."""
    asked = False
    while True:
        heard = await pubsub.get_message(timeout=QUIET_S)
        if heard is None:
            if asked:
                raise TimeoutError
            await pubsub.ping()
            asked = True
            continue
        asked = False
        if heard["type"] == "message":
            yield heard["data"]


class Bus:
    """Publishes and hears news. Redis away is a delay for the reader, never an error for the writer."""

    def __init__(self, settings: Settings) -> None:
        self._redis = redis.from_url(settings.redis, socket_connect_timeout=0.5, socket_timeout=1)
        self._listening = redis.from_url(settings.redis, socket_connect_timeout=1)
        self.connected = False

    async def publish(self, *news: News) -> None:
        """Call it after the commit of what the news is about."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for one in news:
                    pipe.publish(CHANNEL, json.dumps(to_wire(one)))
                await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("news not sent", kinds=[n.kind for n in news], error=type(error).__name__)

    async def hear(self) -> AsyncIterator[News | None]:
        """All news from now on, for ever. Yields None each time the link was (re)made: news may have been missed, re-read."""
        delay = 0.1
        while True:
            try:
                async with self._listening.pubsub() as pubsub:
                    await pubsub.subscribe(CHANNEL)
                    self.connected, delay = True, 0.1
                    yield None
                    async for message in _messages(pubsub):
                        if news := from_wire(json.loads(message)):
                            yield news
            except (RedisError, OSError, TimeoutError):
                pass
            self.connected = False
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2.0)

    async def ping(self) -> None:
        await self._redis.ping()

    async def close(self) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._redis.aclose()
            await self._listening.aclose()
