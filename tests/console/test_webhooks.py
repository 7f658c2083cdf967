"""The page of the bank's systems: who is told, the secret once, attempts, pausing, sending again; refusals as events."""

import re
from datetime import timedelta

import httpx
from sqlalchemy import select, update

from backoffice_core.audit.models import AuditEntry
from backoffice_core.compliance.models import ComplianceDecision
from backoffice_core.db import new_key
from backoffice_core.outbox import refusals, service
from backoffice_core.outbox.models import OutboxEvent, Webhook
from backoffice_core.outbox.sender import Sender
from tests import house
from tests.conftest import until
from tests.console.conftest import Browser, RunningConsole
from tests.core.test_outbox import receiving


async def hook_of(console: RunningConsole) -> Webhook:
    async with console.database.begin() as s:
        return (await s.scalars(select(Webhook).where(Webhook.name == "crm", Webhook.state != "ENDED"))).one()


async def added(console: RunningConsole, url: str, *kinds: str) -> tuple[Browser, str]:
    """An administrator who has added the system crm, and its secret."""
    admin = await console.logged_in("denys", "admin")
    made = await admin.send_form("/webhooks", name="CRM", url=url, kinds=list(kinds or ["promise.kept"]))
    assert made.status_code == 200, made.text[:500]
    found = re.search(r'id="secret".*?<code[^>]*>([^<]+)</code>', made.text, re.S)
    assert found
    return admin, found[1]


async def test_a_system_is_added_with_its_secret_shown_once(console: RunningConsole) -> None:
    """Whoever keeps the house running adds it; what is wrong is told at its field; the secret is in one answer alone."""
    console.settings.webhook_hosts.append("crm.bank.ua")
    url = "https://crm.bank.ua/backoffice?token=abc"
    for login, role in (("olha", "supervisor"), ("petro", "manager"), ("anna", "agent")):
        stranger = await console.logged_in(login, role)
        assert (await stranger.get("/webhooks")).status_code == 403
        assert (await stranger.send_form("/webhooks", name="x", url=url)).status_code == 403
    admin = await console.logged_in("root", "admin")
    assert "Нікому ще не повідомляємо" in (await admin.get("/webhooks")).text
    good = {"name": "crm", "url": url, "kinds": ["promise.kept", "case.held"]}
    for change, words in (
        ({"name": "!"}, "не може бути клієнтом"), ({"url": "https://evil.example"}, "Цього хоста"),
        ({"kinds": []}, "Про які події"),
        ({"kinds": ["house.sold"]}, "house.sold"), ({"url": "http://crm.bank.ua"}, "Без шифрування"),
    ):  # fmt: skip
        bad = await admin.send_form("/webhooks", **good | change)
        assert (bad.status_code, words in bad.text) == (422, True), (change, words)
        assert 'aria-invalid="true"' in bad.text or "kinds" in change
    made = await admin.send_form("/webhooks", **good)
    hook = await hook_of(console)
    secret = service.secret(console.settings, hook)
    assert made.text.count(secret) == 1
    shown = (await admin.get("/webhooks?name=crm")).text
    assert secret not in shown
    assert "token=abc" not in shown, "what follows the question mark may be a secret of theirs"
    assert (await admin.send_form("/webhooks", **good)).status_code == 422, "a second click makes no second one"
    other = await admin.send_form("/webhooks/crm/secret", after=1)
    assert service.secret(console.settings, await hook_of(console)) in other.text
    assert (await admin.send_form("/webhooks/crm/secret", after=1)).status_code == 409
    assert (await admin.send_form("/webhooks/crm/change", url=url, kinds=["plan.done"])).status_code == 303
    assert (await hook_of(console)).kinds == ["plan.done"]
    assert (await admin.send_form("/webhooks/nobody/pause")).status_code == 404
    for odd, field in (("state=x", "state"), ("name=x", "name"), ("before=x", "before"), ("colour=red", "colour")):
        told = await admin.get(f"/webhooks?{odd}", headers={"Accept": "application/json"})
        assert (told.status_code, told.json()["field"]) == (422, field)
    async with console.database.begin() as s:
        who = set(await s.scalars(select(AuditEntry.who).where(AuditEntry.act == "WEBHOOK_SET")))
    assert [one.partition(":")[0] for one in who] == ["user"]


async def test_each_attempt_is_kept_and_what_was_given_up_goes_out_again(console: RunningConsole) -> None:
    """Deliveries with their attempts: status, error, how long; dead is told, sent again by a person, heard."""
    async with receiving() as crm, httpx.AsyncClient(follow_redirects=False, trust_env=False) as client:
        console.settings.webhook_hosts.append(f"127.0.0.1:{crm.port}")
        settings = console.settings.model_copy(update={"webhook_timeout_s": 2.0, "webhook_tries": 2})
        admin, _ = await added(console, crm.url)
        sender, hook = Sender(settings, console.database, console.clock), await hook_of(console)
        assert (await admin.send_form("/webhooks/crm/test")).status_code == 303
        crm.does = "fail"
        for _ in range(2):
            async with console.database.begin() as s:
                await s.execute(update(OutboxEvent).values(next_at=console.clock.wall() - timedelta(hours=1)))
            await sender.tell(client, hook)
        async with console.database.begin() as s:
            (event,) = await s.scalars(select(OutboxEvent))
            assert (event.state, event.tries) == ("DEAD", 2)
            assert [(one.answered, one.error) for one in await service.tries_of(s, event.id)] == [(500, "HTTP 500")] * 2
        page = (await admin.get(f"/webhooks?name=crm&event={event.id}")).text
        assert page.count("HTTP 500") == 3, "two attempts, and the last answer in the list"
        assert "Не почули" in page
        assert 'id="again"' in (await admin.get("/webhooks?name=crm")).text
        assert "rowlink" not in (await admin.get("/webhooks?name=crm&state=SENT")).text
        for act, state in (("pause", "PAUSED"), ("resume", "ACTIVE")):
            assert (await admin.send_form(f"/webhooks/crm/{act}")).status_code == 303
            assert (await hook_of(console)).state == state
        crm.does = "ok"
        assert (await admin.send_form(f"/webhooks/crm/events/{event.id}/again")).status_code == 303
        assert (await admin.send_form(f"/webhooks/crm/events/{event.id}/again")).status_code == 409
        await sender.tell(client, hook)
        assert [one["kind"] for one in crm.events] == ["test"]
        assert "HTTP 204" in (await admin.get(f"/webhooks?event={event.id}")).text
        async with console.database.begin() as s:
            assert len(await service.tries_of(s, event.id)) == 3
        assert (await admin.send_form("/webhooks/crm/end")).headers["location"] == "/webhooks"
        assert (await admin.get("/webhooks?name=crm")).status_code == 422


async def test_refused_contacts_are_told_to_who_asked_for_them_by_name(console: RunningConsole) -> None:
    """decision.refused: from the subscription on, each once, with its reasons; “all” does not mean them."""
    console.settings.webhook_hosts.append("crm.bank.ua")
    await added(console, "https://crm.bank.ua/x", "decision.refused")
    async with console.database.begin() as s:
        all_of_it = await service.subscribe(s, console.settings, "all", "https://crm.bank.ua/y", ["*"],
                                            wall=console.clock.wall(), by="test")  # fmt: skip
        assert "decision.refused" not in all_of_it.kinds
        borrower = await house.borrower(s, console.clock)
        for allow in (True, False):
            s.add(
                ComplianceDecision(
                    id=new_key(), at=console.clock.now(), person_id=borrower.person.id, allow=allow,
                    contact={"channel": "call", "purpose": "collection"}, reasons=[{"code": "CAP_REACHED"}],
                    must=[], consulted=[],
                    next_allowed_at=None, call_id=None, inputs=None,
                )
            )  # fmt: skip

    async def told() -> list[OutboxEvent]:
        async with console.database.begin() as s:
            for hook in await service.active(s):
                await refusals.gather(s, hook)
        async with console.database.begin() as s:
            return list(await s.scalars(select(OutboxEvent).where(OutboxEvent.kind == "decision.refused")))

    await until(told, 20, what="the refusal, once nothing older can come")
    for _ in range(2):
        (event,) = await told()
    assert event.data["reasons"] == [{"code": "CAP_REACHED"}]
    async with console.database.begin() as s:
        hook = await hook_of(console)
        (parcel,) = await service.take(s, hook.id, most=8, lease=timedelta(minutes=1))
    assert parcel.said["data"]["person_ref"] == borrower.person.external_ref
    assert parcel.said["data"]["channel"] == "call"
