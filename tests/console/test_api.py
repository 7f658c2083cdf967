"""The API for the bank's systems: keys, contacts (FL-09), stop-list (FL-08), counts; refusals that say what to do."""

import asyncio
import json
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, func, select

from agent_console.pages import api
from backoffice_core.audit.models import AuditEntry
from backoffice_core.call_centre.queueing.queue_models import QueueMark
from backoffice_core.collection import service as collection
from backoffice_core.compliance import elsewhere
from backoffice_core.compliance.models import ContactLedger, ContactUnmatched
from backoffice_core.events import StopListChanged
from backoffice_core.loans.models import Loan, StopEntry
from backoffice_core.staff import clients
from tests import house
from tests.conftest import until
from tests.console.conftest import RunningConsole


async def key_of(console: RunningConsole, name: str = "crm", *scopes: str, per_minute: int = 1000) -> str:
    async with console.database.begin() as s:
        return await clients.add(
            s, name, scopes=scopes or clients.SCOPES, per_minute=per_minute, wall=console.clock.wall(), by="test"
        )


def system(console: RunningConsole, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=console.url, headers={"Authorization": f"Bearer {key}"})


@pytest.fixture
async def borrower(console: RunningConsole) -> house.Borrower:
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        now = console.clock.now()
        await elsewhere.set_source(s, "gateway", channel="sms", every_minutes=15, now=now, by="test")
        return await house.borrower(s, console.clock)


async def test_a_key_opens_what_it_may_and_nothing_when_revoked(
    console: RunningConsole, borrower: house.Borrower
) -> None:
    """Keys: shown once, stored as a digest, by scope, revocable; a logged-in person's cookie opens no API."""
    key = await key_of(console, "crm", "counts")
    async with console.database.begin() as s:
        row = (await clients.every(s))[0]
        assert key not in json.dumps([row.key_hash, row.name, row.scopes])
    async with system(console, key) as crm:
        assert (await crm.get("/api/v1/counts")).status_code == 200
        refused = await crm.post("/api/v1/stop-list", json={"entries": []})
        assert (refused.status_code, refused.json()["error"]) in {(403, "NOT_ALLOWED"), (422, "BAD_INPUT")}
        body = {"entries": [{"kind": "person", "value": "P", "reason": "PAID"}]}
        refused = await crm.post("/api/v1/stop-list", json=body)
        assert (refused.status_code, refused.json()["error"]) == (403, "NOT_ALLOWED")
        assert "--scope stop-list" in refused.json()["remedy"]
        async with console.database.begin() as s:
            await clients.revoke(s, "crm", wall=console.clock.wall(), by="test")
        refused = await crm.get("/api/v1/counts")
        assert (refused.status_code, refused.json()["error"]) == (401, "KEY_UNKNOWN")
    new = await key_of(console, "crm")
    assert new != key
    async with system(console, key) as old:
        assert (await old.get("/api/v1/counts")).status_code == 401
    boss = await console.logged_in("boss", "supervisor")
    assert (await boss.get("/api/v1/counts")).status_code == 401
    async with console.database.begin() as s:
        acts = (await s.scalars(select(AuditEntry.act).where(AuditEntry.act.like("CLIENT%")))).all()
    assert acts == ["CLIENT_ADDED", "CLIENT_REVOKED", "CLIENT_ADDED"]


async def test_requests_beyond_the_clients_limit_and_guesses_wait(console: RunningConsole) -> None:
    async with system(console, await key_of(console, per_minute=3)) as crm:
        codes = [(await crm.get("/api/v1/counts")).status_code for _ in range(8)]
        assert codes[:3] == [200] * 3
        assert 429 in codes
    async with system(console, "bo_wrong") as stranger:
        answers = [await stranger.get("/api/v1/counts") for _ in range(2 * api.WRONG_KEYS + 2)]
    assert answers[0].status_code == 401
    assert 429 in {one.status_code for one in answers}


async def test_fl09_contacts_by_api_count_once_and_bad_rows_are_named(
    console: RunningConsole, borrower: house.Borrower
) -> None:
    now = console.clock.now()
    good = {"external_id": "g1", "at": now.isoformat(), "contract_no": borrower.loan.contract_no, "result": "delivered"}
    lost = {"external_id": "g2", "at": now.isoformat(), "phone": "+380501112233"}
    bad: list[dict[str, Any]] = [
        good | {"external_id": "b1", "at": "yesterday"}, good | {"external_id": "b2", "result": "eaten"},
        good | {"external_id": "b3", "strange": 1}, {"external_id": "b4", "at": now.isoformat()},
    ]  # fmt: skip
    async with system(console, await key_of(console)) as gateway:
        for n in range(3):
            answer = await gateway.post("/api/v1/contacts", json={"source": "gateway", "contacts": [good, lost, *bad]})
            assert answer.status_code == 200, answer.text
            said = answer.json()
            assert (said["received"], said["new"], said["changed"], said["unmatched"]) == (6, 1 if n == 0 else 0, 0, 1)
            assert [(one["index"], one["field"]) for one in said["refused"]] == [
                (2, "at"), (3, "result"), (4, "strange"), (5, "phone"),
            ]  # fmt: skip
        ref = borrower.person.external_ref
        (person,) = (await gateway.get("/api/v1/counts/person", params={"person_ref": ref})).json()
        assert (person["person_ref"], person["count"], person["limit"], person["stopped"]) == (ref, 1, 2, False)
        (source,) = (await gateway.get("/api/v1/counts")).json()
        assert (source["source"], source["contacts_today"], source["unmatched"], source["late"]) == (
            "gateway",
            1,
            1,
            False,
        )
        nobody = await gateway.post("/api/v1/contacts", json={"source": "nobody", "contacts": []})
        assert (nobody.status_code, nobody.json()["field"]) == (404, "source")
        many = await gateway.post("/api/v1/contacts", json={"source": "gateway", "contacts": [good] * 1001})
        assert (many.status_code, many.json()["field"]) == (422, "contacts")
        lacking = await gateway.get("/api/v1/counts/person")
        assert (lacking.status_code, lacking.json()["field"]) == (422, "person_ref")
    async with console.database.begin() as s:
        assert await s.scalar(select(func.count()).select_from(ContactLedger)) == 1
        assert await s.scalar(select(func.count()).select_from(ContactUnmatched)) == 1


async def test_fl09_a_late_source_is_on_the_floor_until_it_reports(
    console: RunningConsole, borrower: house.Borrower
) -> None:
    async with console.database.begin() as s:
        (await elsewhere.find_source(s, "gateway")).covered_to -= timedelta(hours=1)
    boss = await console.logged_in("boss", "supervisor")
    assert 'id="alarm-late-contacts"' in (await boss.get("/floor")).text
    async with system(console, await key_of(console)) as gateway:
        assert (await gateway.get("/api/v1/counts")).json()[0]["late"]
        await gateway.post("/api/v1/contacts", json={"source": "gateway", "contacts": []})
    assert "alarm-late-contacts" not in (await boss.get("/floor")).text


async def test_fl08_the_stop_list_by_api_is_written_told_and_lifted(
    console: RunningConsole, borrower: house.Borrower
) -> None:
    heard: list[object] = []

    async def listen() -> None:
        async for news in console.bus.hear():
            heard.append(news)

    listener = asyncio.create_task(listen())
    await until(lambda: heard, 10, what="the link to the news")
    ref = borrower.person.external_ref
    entries = [
        {"kind": "phone", "value": "067 123 45 67", "reason": "PAID"},
        {"kind": "person", "value": ref, "reason": "COMPLAINT", "until": "2099-01-01"},
    ]
    async with system(console, await key_of(console)) as crm:
        for new in (2, 0):
            answer = await crm.post("/api/v1/stop-list", json={"entries": entries})
            expected = {"received": 2, "new": new, "changed": 0, "refused": [], "unknown": []}
            if borrower.phone.value != "+380671234567":
                expected["unknown"] = [
                    {"index": 0, "field": "value", "message": "no number is known as +380671234567 yet"}
                ]
            assert (answer.status_code, answer.json()) == (200, expected)
        await until(lambda: StopListChanged() in heard, 10, what="news of the stop-list")
        wrong = (
            ({"kind": "house"}, "kind"), ({"value": "12"}, "value"), ({"reason": "1"}, "reason"), ({"reason": "??"}, "reason"),
            ({"until": "2001-01-01"}, "until"), ({"since": "колись"}, "since"), ({"colour": "red"}, "colour"),
        )  # fmt: skip
        bad = [{"kind": "phone", "value": "0671234568", "reason": "PAID"} | change for change, _ in wrong]
        said = (await crm.post("/api/v1/stop-list", json={"entries": [*bad, entries[0]]})).json()
        assert [(one["index"], one["field"]) for one in said["refused"]] == [(n, f) for n, (_, f) in enumerate(wrong)]
        assert all(one["message"] and "send this row again" in one["remedy"] for one in said["refused"])
        assert (said["received"], said["new"], said["changed"]) == (8, 0, 0), "a bad row holds up no other"
        stranger = {"kind": "contract", "value": "КД-немає", "reason": "COMPLAINT"}
        told = (await crm.post("/api/v1/stop-list", json={"entries": [stranger]})).json()
        assert told["unknown"][0]["message"] == "no loan is known as КД-немає yet", (
            "taken, and told: it may be misspelt"
        )
        await crm.delete("/api/v1/stop-list", params={"kind": "contract", "value": "КД-немає"})
        console.settings.stop_reasons.append("PAID")
        said = (await crm.post("/api/v1/stop-list", json={"entries": [stranger, entries[0]]})).json()
        console.settings.stop_reasons.clear()
        assert [(one["index"], one["field"]) for one in said["refused"]] == [(0, "reason")]
        assert "Known are PAID" in said["refused"][0]["remedy"]
        async with console.database.begin() as s:
            rows = (await s.execute(select(StopEntry.kind, StopEntry.value, StopEntry.reason, StopEntry.source))).all()
        assert sorted(tuple(row) for row in rows) == [
            ("person", ref, "COMPLAINT", "crm"), ("phone", "+380671234567", "PAID", "crm"),
        ]  # fmt: skip
        async with system(console, await key_of(console, "other")) as other:
            gone = await other.delete("/api/v1/stop-list", params={"kind": "phone", "value": "0671234567"})
            assert gone.json() == {"lifted": 0}  # an entry of another system
        for lifted in (1, 0):
            gone = await crm.delete("/api/v1/stop-list", params={"kind": "phone", "value": "0671234567"})
            assert gone.json() == {"lifted": lifted}
    listener.cancel()
    async with console.database.begin() as s:
        acts = (await s.execute(select(AuditEntry.who, AuditEntry.act).where(AuditEntry.act.like("STOP_LIST%")))).all()
    assert [tuple(row) for row in acts] == [
        ("client:crm", act) for act in ("STOP_LIST_SET", "STOP_LIST_SET", "STOP_LIST_LIFTED", "STOP_LIST_LIFTED")
    ]


async def test_the_description_is_shown_to_administrators_and_keys_only(console: RunningConsole) -> None:
    admin, agent = await console.logged_in("root", "admin"), await console.logged_in("olena", "agent")
    page = await admin.get("/api/docs")
    assert page.status_code == 200
    for words in ("/api/v1/contacts", "/api/v1/stop-list", "external_id", "API для систем банку"):
        assert words in page.text
    assert (await agent.get("/api/docs")).status_code == 403
    assert (await console.browser().get("/api/openapi.json")).status_code in {303, 401}
    async with system(console, await key_of(console, "crm", "docs")) as crm:
        said = (await crm.get("/api/openapi.json")).json()
    names = (
        "contacts",
        "stop-list",
        "shelter",
        "payments",
        "counts",
        "counts/person",
        "persons",
        "loans",
        "balances",
        "schedules",
        "consents",
    )
    assert set(said["paths"]) == {f"/api/v1/{name}" for name in (*names, "promises", "decisions")}
    assert set(said["paths"]["/api/v1/stop-list"]) == {"post", "delete"}
    assert said["components"]["schemas"]["ContactRow"]["required"] == ["external_id", "at"]


async def test_payments_by_api_count_once_keep_the_promise_and_reach_the_queue_at_once(
    console: RunningConsole, borrower: house.Borrower
) -> None:
    """Issue 6: a payment posted → promise kept → the case marked for the queue, in one answer ; the same
    reference again is once, another amount under it is refused by name; the case page shows it."""
    now = console.clock.now()
    async with console.database.begin() as s:
        await collection.make_promise(
            s, borrower.case.id, amount=Decimal(500), currency="UAH", due_date=console.clock.today(), at=now
        )
        await s.execute(delete(QueueMark))
    row = {
        "external_ref": "ABS-1",
        "contract_no": borrower.loan.contract_no,
        "paid_at": now.isoformat(),
        "amount": "600.00",
    }
    bad = [row | {"external_ref": "ABS-2", "amount": "0"}, row | {"external_ref": "ABS-3", "principal": "1"}]
    async with system(console, await key_of(console)) as core:
        began = time.monotonic()
        answer = await core.post("/api/v1/payments", json={"payments": [row, *bad]})
        took = time.monotonic() - began
        said = answer.json()
        assert (answer.status_code, said["new"], said["known"], said["promises_kept"]) == (200, 1, 0, 1)
        assert [(one["index"], one["field"]) for one in said["refused"]] == [(1, "amount"), (2, "amount")]
        assert took < 5.0  # the second itself is proved by tests/core/test_money.py, on the best of several
        again = (await core.post("/api/v1/payments", json={"payments": [row, row | {"amount": "601"}]})).json()
        assert (again["new"], again["known"]) == (0, 1)
        assert "ABS-1 is known with the amount 600.00" in again["refused"][0]["message"]
    async with console.database.begin() as s:
        marks = {why for (why,) in await s.execute(select(QueueMark.why).where(QueueMark.case_id == borrower.case.id))}
        assert "payment" in marks
        assert (await s.get_one(Loan, borrower.loan.id)).overdue == Decimal("1200.00")
    boss = await console.logged_in("boss", "supervisor")
    assert "ABS-1" in (await boss.get(f"/case/{borrower.case.number}")).text
    async with system(console, await key_of(console, "other", "counts")) as other:
        assert (await other.post("/api/v1/payments", json={"payments": [row]})).status_code == 403
