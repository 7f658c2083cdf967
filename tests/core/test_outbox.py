"""Events for the bank's systems: written with the fact, told at least once, signed, in order, given up, sent again (issue 6)."""

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
import structlog.testing
from sqlalchemy import select, update

from backoffice_core.cases import service as cases
from backoffice_core.clock import Clock
from backoffice_core.collection import service as collection
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.loans import stop_list
from backoffice_core.outbox import rules, service
from backoffice_core.outbox.models import OutboxEvent, Webhook
from backoffice_core.outbox.sender import Sender
from tests import house
from tests.conftest import until


@dataclass
class Receiver:
    """A subscriber on a free port. `does`: ok, fail, hang, redirect, drop."""

    port: int = 0
    does: str = "ok"
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    asked: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.heard]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            head = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:]) if k}
            body = await reader.readexactly(int(head["content-length"]))
            self.asked += 1
            if self.does == "hang":
                await asyncio.sleep(5)
            if self.does in {"ok", "drop"}:
                self.heard.append((head, body))
            status = {"ok": "204 No Content", "redirect": "302 Found\r\nLocation: " + self.url}.get(self.does, "500 Oh")
            if self.does != "drop":  # heard, and the answer lost: it must come again
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    one = Receiver()
    server = await asyncio.start_server(one.answer, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    yield one
    server.close()


@dataclass
class World:
    settings: Settings
    database: Database
    clock: Clock
    crm: Receiver
    hook: Webhook
    sender: Sender

    async def tell(self, times: int = 1) -> None:
        """Looks at what is due, with all waiting times over."""
        async with httpx.AsyncClient(follow_redirects=False, trust_env=False) as client:
            for _ in range(times):
                async with self.database.begin() as s:
                    late = update(OutboxEvent).where(OutboxEvent.state == "WAITING")
                    await s.execute(late.values(next_at=self.clock.wall() - timedelta(hours=1)))
                await self.sender.tell(client, self.hook)

    async def rows(self) -> list[OutboxEvent]:
        async with self.database.begin() as s:
            return list(await s.scalars(select(OutboxEvent).order_by(OutboxEvent.id)))


@pytest.fixture
async def world(live_settings: Settings, database: Database, clock: Clock) -> AsyncIterator[World]:
    async with receiving() as crm:
        hosts = [f"127.0.0.1:{crm.port}"]
        settings = live_settings.model_copy(
            update={"webhook_hosts": hosts, "webhook_timeout_s": 0.5, "webhook_tries": 3}
        )
        async with database.begin() as s:
            hook = await service.subscribe(s, settings, "crm", crm.url, [], wall=clock.wall(), by="test")
        yield World(settings, database, clock, crm, hook, Sender(settings, database, clock))


async def promise(world: World, case_id: Any, amount: int) -> None:
    async with world.database.begin() as s:
        await collection.make_promise(
            s, case_id, amount=Decimal(amount), currency="UAH", at=world.clock.now(),
            due_date=world.clock.today() + timedelta(days=3),
        )  # fmt: skip


async def test_an_event_is_written_with_its_fact_and_told_signed_and_in_order(world: World) -> None:
    """The outbox: what was rolled back is told to nobody; what was committed is, by kind, with case and person, in order,
    signed over timestamp and body; words that people typed stay here."""
    async with world.database.begin() as s:
        borrower = await house.borrower(s, world.clock)
    case = borrower.case.id
    async with world.database.sessions() as s:
        await cases.hold(s, case, reason="DISPUTE", at=world.clock.now())
        await s.rollback()
    assert await world.rows() == []
    await promise(world, case, 500)
    await promise(world, case, 600)
    async with world.database.begin() as s:
        await cases.hold(s, case, reason="DISPUTE", at=world.clock.now(), evidence="letter 7")
        today = world.clock.today()
        stop = stop_list.Stop("contract", borrower.loan.contract_no, "PAID", today)
        await stop_list.add(s, [stop], at=world.clock.now(), by="abs", source="abs")
        await stop_list.lift(s, "contract", stop.value, source="abs", by="abs")
    await world.tell(12)
    kinds = ["promise.made", "case.moved", "promise.cancelled", "promise.made", "case.held"]
    mine = [one for one in world.crm.events if "case" in one]
    assert [one["kind"] for one in mine] == kinds
    assert [one["kind"] for one in world.crm.events if "case" not in one] == ["stop.added", "stop.lifted"]
    assert [one["sequence"] for one in mine] == sorted(one["sequence"] for one in mine)
    first = mine[0]
    assert (first["data"]["amount"], first["case"]["person_ref"]) == ("500.00", borrower.person.external_ref)
    assert first["case"]["contracts"] == [borrower.loan.contract_no]
    assert "letter 7" not in b"".join(body for _, body in world.crm.heard).decode()
    secret = service.secret(world.settings, world.hook)
    for head, body in world.crm.heard:
        signed = f"{head['x-backoffice-timestamp']}.".encode() + body
        assert head["x-backoffice-signature"] == "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        assert head["x-backoffice-event"] == json.loads(body)["event_id"]
    assert {row.state for row in await world.rows()} == {"SENT"}
    assert len({one["event_id"] for one in world.crm.events}) == len(world.crm.events)


@pytest.mark.parametrize("does", ["fail", "hang", "redirect", "drop"])
async def test_who_does_not_hear_is_told_again_then_given_up_then_sent_again_by_a_person(
    world: World, does: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At least once: an error, a silence, a redirect and a lost answer are told again under the same id, the case's next event
    waits behind it; after the last try it is dead, is seen, and a person sends it again. No secret and no body in the log."""
    async with world.database.begin() as s:
        borrower = await house.borrower(s, world.clock)
    await promise(world, borrower.case.id, 500)
    world.crm.does = does
    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.INFO):
        await world.tell(3)
    assert world.crm.url not in caplog.text
    first, second = await world.rows()
    assert (first.state, first.tries, second.state, second.tries) == ("DEAD", 3, "WAITING", 0)
    assert first.error
    assert world.crm.asked == 3
    said = json.dumps(logs, default=str)
    assert service.secret(world.settings, world.hook) not in said
    assert borrower.person.external_ref not in said
    async with world.database.begin() as s:
        assert await service.dead(s) == 1
        (state,) = await service.states(s)
        assert (state.dead, state.waiting) == (1, 1)
        assert await service.again(s, "crm", by="test") == 1
    world.crm.does, before = "ok", len(world.crm.heard)
    await world.tell(2)
    assert [one["kind"] for one in world.crm.events[before:]] == ["promise.made", "case.moved"]
    assert len({one["event_id"] for one in world.crm.events}) == 2


async def test_a_subscriber_hears_its_kinds_only_and_a_pause_loses_nothing(world: World) -> None:
    async with world.database.begin() as s:
        borrower = await house.borrower(s, world.clock)
        await service.subscribe(
            s, world.settings, "crm", world.crm.url, ["promise.*"], wall=world.clock.wall(), by="test"
        )
        await service.change(s, "crm", by="test", state="PAUSED")
    await promise(world, borrower.case.id, 500)
    async with world.database.begin() as s:
        assert await service.active(s) == []
        await service.change(s, "crm", by="test", state="ACTIVE")
    running = asyncio.create_task(world.sender.run())  # as the worker does

    async def told() -> bool:
        return [row.state for row in await world.rows()] == ["SENT"]

    await until(told, 20, what="the event is told")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [one["kind"] for one in world.crm.events] == ["promise.made"]
    async with world.database.begin() as s:
        await service.change(s, "crm", by="test", state="ENDED")
    await promise(world, borrower.case.id, 600)
    assert len(await world.rows()) == 1


async def test_two_workers_tell_no_event_twice_at_a_time(world: World) -> None:
    """A taken event is leased: nobody else takes it, nor the next of its case, until its try is over."""
    async with world.database.begin() as s:
        borrowers = [await house.borrower(s, world.clock) for _ in range(3)]
    for one in borrowers:
        await promise(world, one.case.id, 500)
    lease = timedelta(minutes=1)
    async with world.database.begin() as s:
        mine = await service.take(s, world.hook.id, most=2, lease=lease)
        async with world.database.begin() as other:
            theirs = await service.take(other, world.hook.id, most=9, lease=lease)
    async with world.database.begin() as s:
        assert await service.take(s, world.hook.id, most=9, lease=lease) == []
    assert (len(mine), len(theirs)) == (2, 1)
    assert {p.said["kind"] for p in (*mine, *theirs)} == {"promise.made"}


@pytest.mark.parametrize(
    ("url", "why"),
    [("https://evil.example/x", "webhook_hosts"), ("http://crm.bank.ua/x", "encrypted"), ("ftp://crm.bank.ua", "https"),
     ("https://crm.bank.ua:444/x", ""), ("https://u:p@crm.bank.ua/x", "password"), ("http://[::1", "address"),
     ("https://crm.bank.ua/x", ""), ("http://127.0.0.1:9000/x", ""), ("http://127.0.0.1:9001/x", "webhook_hosts")],
)  # fmt: skip
def test_only_addresses_that_the_setting_names_are_written_to(url: str, why: str) -> None:
    said = rules.refusal(url, ["crm.bank.ua", "127.0.0.1:9000"])
    assert (why in said) if why else said == ""


async def test_a_subscription_elsewhere_is_refused(world: World) -> None:
    async with world.database.begin() as s:
        for url, kinds in (("https://evil.example/x", []), (world.crm.url, ["loan.*"])):
            with pytest.raises(BadInput):
                await service.subscribe(s, world.settings, "crm", url, kinds, wall=world.clock.wall(), by="test")
