"""The case file says why a number fell out, and a person brings it back (CC-10)."""

from datetime import timedelta

from sqlalchemy import select

from backoffice_core.borrowers import service as borrowers
from backoffice_core.borrowers.models import ContactPoint
from backoffice_core.cases.models import CaseEvent
from tests import house
from tests.console.conftest import RunningConsole


async def test_a_dead_number_is_explained_and_a_supervisor_brings_it_back(console: RunningConsole) -> None:
    now = console.clock.now()
    async with console.database.begin() as s:
        borrower = await house.borrower(s, console.clock)
        point = borrower.phone.id
        for day, trunk in ((3, "a"), (0, "b")):
            seen = {"announcement": "not_in_service", "trunk": trunk}
            await borrowers.add_evidence(s, point, "dead", at=now - timedelta(days=day), **seen)
    boss = await console.logged_in("boss", "supervisor")
    page = (await boss.get(f"/case/{borrower.case.number}")).text
    assert "2 × «номер не обслуговується» через 2 транки за 4 дні" in " ".join(page.split())
    address = f"/case/{borrower.case.number}/phone/{point}"
    assert (await boss.send_form(address, act="try", reason=" ")).status_code in {400, 422}
    assert (await boss.send_form(address, act="try", reason="дзвонила дружина")).status_code == 303
    assert "набираємо ще раз" in (await boss.get(f"/case/{borrower.case.number}")).text
    assert (await boss.send_form(address, act="works", reason="написав із нього")).status_code == 303
    page = (await boss.get(f"/case/{borrower.case.number}")).text
    assert "слово людини" in page
    assert "написав із нього" in page
    stranger = await console.logged_in("olha", "agent", 150)
    assert (await stranger.send_form(address, act="works", reason="x")).status_code == 403
    async with console.database.begin() as s:
        assert (await s.get_one(ContactPoint, point)).state == "UNVERIFIED"
        kinds = await s.scalars(select(CaseEvent.kind).where(CaseEvent.case_id == borrower.case.id))
        assert list(kinds).count("number") == 2
