"""Telling events: signed, by POST, each subscriber apart, so that one who hangs holds up no other."""

import asyncio
import json
import logging
import time
from datetime import timedelta
from uuid import UUID

import httpx
import structlog

from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import AWAY, Database
from backoffice_core.outbox import refusals, rules, service
from backoffice_core.outbox.models import Webhook
from backoffice_core.outbox.service import Parcel

log = structlog.get_logger()
logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells each address, which may hold a subscriber's token
LOOK_S = 0.5
AT_ONCE = 8  # events under way to one subscriber, each of another subject
QUIET_S = 30.0  # the longest that a subscriber whose tries fail is left alone


class Sender:
    """`run()` until cancelled. Several workers may send: an event is with one of them at a time."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self.settings, self.database, self.clock = settings, database, clock
        self.busy: dict[UUID, asyncio.Task[None]] = {}
        self.quiet: dict[UUID, float] = {}  # seconds to wait after a failure, doubled by the next

    async def run(self) -> None:
        timeout = httpx.Timeout(self.settings.webhook_timeout_s)
        async with httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False) as client:
            try:
                while True:
                    try:
                        await self._look(client)
                    except AWAY as error:
                        log.warning("webhooks wait", error=type(error).__name__)
                    await asyncio.sleep(LOOK_S)
            finally:
                for task in self.busy.values():
                    task.cancel()
                await asyncio.gather(*self.busy.values(), return_exceptions=True)

    async def _look(self, client: httpx.AsyncClient) -> None:
        async with self.database.begin() as s:
            hooks = await service.active(s)
            for hook in hooks:
                await refusals.gather(s, hook)
        for hook in hooks:
            if hook.id not in self.busy or self.busy[hook.id].done():
                self.busy[hook.id] = asyncio.create_task(self._serve(client, hook))

    async def _serve(self, client: httpx.AsyncClient, hook: Webhook) -> None:
        """Until nothing is due, or a try failed: then this subscriber is left alone for a while."""
        try:
            while await self.tell(client, hook):
                self.quiet.pop(hook.id, None)
        except AWAY as error:
            log.warning("webhook waits", webhook=hook.name, error=type(error).__name__)
        if wait := self.quiet.get(hook.id):
            await asyncio.sleep(wait)

    async def tell(self, client: httpx.AsyncClient, hook: Webhook) -> bool:
        """One handful; whether to go on at once: there was something, and all of it was heard."""
        lease = timedelta(seconds=self.settings.webhook_timeout_s * 3 + 10)
        async with self.database.begin() as s:
            parcels = await service.take(s, hook.id, most=AT_ONCE, lease=lease)
        if not parcels:
            return False
        heard = await asyncio.gather(*(self._tell(client, hook, parcel) for parcel in parcels))
        if not all(heard):
            self.quiet[hook.id] = min(self.quiet.get(hook.id, LOOK_S) * 2, QUIET_S)
        return all(heard)

    async def _tell(self, client: httpx.AsyncClient, hook: Webhook, parcel: Parcel) -> bool:
        begun = time.monotonic()
        status, error = await self._post(client, hook, parcel)
        took_ms = round((time.monotonic() - begun) * 1000)
        async with self.database.begin() as s:
            service.note_try(s, parcel.id, ms=took_ms, status=status, error=error)
            if status is not None and 200 <= status < 300:
                await service.was_told(s, parcel.id, status=status)
                return True
            last = parcel.tries >= self.settings.webhook_tries
            wait = rules.wait(parcel.tries)
            await service.was_not(s, parcel.id, status=status, error=error, wait=wait, last=last)
        told = log.error if last else log.warning
        told("event not heard", webhook=hook.name, event_id=parcel.event_id, tries=parcel.tries, error=error, dead=last)
        return False

    async def _post(self, client: httpx.AsyncClient, hook: Webhook, parcel: Parcel) -> tuple[int | None, str]:
        """HTTP status and what was wrong. An answer's body is not read: nothing in it is for us."""
        if why := rules.refusal(hook.url, self.settings.webhook_hosts):
            return None, f"the address {why}"
        body = json.dumps(parcel.said, ensure_ascii=False, separators=(",", ":")).encode()
        stamp = int(self.clock.wall().timestamp())
        head = {
            "Content-Type": "application/json; charset=utf-8", "User-Agent": "BackOffice", rules.TIMESTAMP: str(stamp),
            rules.SIGNATURE: rules.signature(service.secret(self.settings, hook), stamp, body),
            "X-BackOffice-Event": parcel.event_id,
        }  # fmt: skip
        try:
            async with (
                asyncio.timeout(self.settings.webhook_timeout_s),
                client.stream("POST", hook.url, content=body, headers=head) as answer,
            ):
                status = answer.status_code
        except TimeoutError:
            return None, "no answer in time"
        except (httpx.HTTPError, OSError) as error:
            return None, type(error).__name__
        return status, "" if 200 <= status < 300 else f"redirect {status}" if 300 <= status < 400 else f"HTTP {status}"
