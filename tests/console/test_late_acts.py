"""Acts of the late stages and complaints on the page of a case: forms, second persons, what the dossier says after."""

import io

from pypdf import PdfReader
from sqlalchemy import select

from backoffice_core.cases.models import Task
from backoffice_core.collection.models import Complaint, LateAct
from backoffice_core.db import new_key
from backoffice_core.staff import units
from backoffice_core.strategy import service as strategies
from backoffice_core.strategy.models import StepDue
from tests import house
from tests.console.conftest import RunningConsole
from tests.console.test_case_work import post, state_of


async def test_dm01_a_sale_is_drawn_up_approved_proved_and_reversed_on_the_page(console: RunningConsole) -> None:
    """Issue 6: what the form lacks comes back with its field; who proposed sees no button; once approved, the steps of the
    strategy end with their reason, the dossier and its PDF name the act; a mistake is taken back by two."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        await units.put(s, "soft", who="test", name="Soft")
        one = await house.borrower(s, console.clock)
        content = {"steps": [{"key": "s1", "stage": 1, "day": 0, "kind": "LETTER"}]}
        version = await strategies.draft(s, "collection", content, who="os:a", at=console.clock.now())
        s.add(StepDue(
            id=new_key(), case_id=one.case.id, person_id=one.person.id, version_id=version.id, step="s1", stage=one.case.stage,
            since=console.clock.today(), kind="LETTER", due_date=console.clock.today(), starts_at=console.clock.now(),
            deadline=console.clock.today(), unit="letters", state="OPEN", created_at=console.clock.now(),
        ))  # fmt: skip
    boss, chief = await console.logged_in("boss", "supervisor"), await console.logged_in("chief", "manager")
    base = f"/case/{one.case.number}"
    typed = {"act": "SALE", "number": "7", "reason": "tender", "counterparty": "Покупець",
             "on": f"{console.clock.today():%d.%m.%Y}", "price": ""}  # fmt: skip
    page = await post(boss, f"{base}/late-acts", 422, **typed)
    assert "За яку ціну?" in page
    assert 'value="Покупець"' in page
    await post(boss, f"{base}/late-acts", **typed | {"price": "100,50"})
    async with console.database.begin() as s:
        act = (await s.scalars(select(LateAct))).one()
        assert [t.kind for t in await s.scalars(select(Task).where(Task.state == "OPEN"))] == ["APPROVE"]
    assert f"/late-acts/{act.id}/approve" not in (await boss.get(f"{base}/work")).text
    assert (await boss.send_form(f"{base}/late-acts/{act.id}/approve")).status_code == 403
    assert f"/late-acts/{act.id}/approve" in (await chief.get(f"{base}/work")).text
    await post(chief, f"{base}/late-acts/{act.id}/approve")
    assert await state_of(console.database, one) == "SOLD"
    async with console.database.begin() as s:
        step = (await s.scalars(select(StepDue))).one()
        assert (step.state, step.reason) == ("SKIPPED", "CLOSED"), "proof says why the letter was never sent"
    dossier = (await boss.get(f"{base}/dossier")).text
    assert "Продаж боргу: чинний" in dossier
    assert "Покупець, № 7" in dossier
    told = PdfReader(io.BytesIO((await boss.get(f"{base}/dossier.pdf")).content))
    assert "Продаж боргу" in " ".join(p.extract_text() for p in told.pages)
    assert "Продаж боргу: чинний" in (await boss.get(base)).text
    assert "Продаж боргу" in (await boss.get("/reports/acts")).text
    await post(boss, f"{base}/late-acts/{act.id}/mistaken", 422, why="")
    await post(boss, f"{base}/late-acts/{act.id}/mistaken", why="інша справа")
    assert (await boss.send_form(f"{base}/late-acts/{act.id}/reverse")).status_code == 403
    await post(chief, f"{base}/late-acts/{act.id}/reverse")
    assert await state_of(console.database, one) == "ACTIVE"
    assert "Скасовано як помилковий" in (await boss.get(f"{base}/work")).text


async def test_a_complaint_is_noted_by_who_sees_the_case_and_answered_by_another(console: RunningConsole) -> None:
    """Complaints per 10,000 contacts need complaints: noted on the case, on a list until answered, not by whom it is about."""
    async with console.database.begin() as s:
        one = await house.borrower(s, console.clock)
    boss, chief = await console.logged_in("boss", "supervisor"), await console.logged_in("chief", "manager")
    base = f"/case/{one.case.number}"
    async with console.database.begin() as s:
        me = {name: key for key, name, _ in await units.people(s)}["Boss Тест"]
    page = await post(boss, f"{base}/complaints", 422, kind="TONE", channel="call", text=" ", about=str(me))
    assert "Що сказано?" in page
    await post(boss, f"{base}/complaints", kind="TONE", channel="call", text="кричав", about=str(me))
    async with console.database.begin() as s:
        noted = (await s.scalars(select(Complaint))).one()
    assert (await boss.send_form(f"{base}/complaints/{noted.id}/answer", state="REJECTED", why="ні")).status_code == 403
    assert "№ 1 · Тиск чи грубість" in (await chief.get(f"{base}/work")).text
    await post(chief, f"{base}/complaints/{noted.id}/answer", 422, state="UPHELD", why="")
    await post(chief, f"{base}/complaints/{noted.id}/answer", state="UPHELD", why="вибачились")
    assert "Обґрунтована" in (await chief.get(f"{base}/work")).text
    assert "вибачились" in (await chief.get(f"{base}/dossier")).text
