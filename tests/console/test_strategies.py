"""The pages of strategies, of the proof and of the dossier: forms that lose nothing, the second person, figures with rows."""

import io
import re
import time
from datetime import timedelta

from pypdf import PdfReader

from backoffice_core.loans.models import Loan
from backoffice_core.nightly import run_night
from backoffice_core.strategy import service
from tests import house
from tests.console.conftest import Browser, RunningConsole

STEP = {"stage": "1", "day": "0", "kind": "LETTER", "within": "2", "note": "Лист"}


async def drafted(console: RunningConsole) -> tuple[Browser, Browser]:
    olha, petro = await console.logged_in("olha", "supervisor"), await console.logged_in("petro", "manager")
    assert "Стратегій ще немає" in (await olha.get("/strategies")).text
    assert (await olha.send_form("/strategies")).headers["location"] == "/strategies/collection?v=1"
    return olha, petro


async def test_ck25_a_strategy_is_edited_in_a_form_and_nothing_typed_is_lost(console: RunningConsole) -> None:
    """CK-25: a refused form comes back as it was typed."""
    olha, _ = await drafted(console)
    page = (await olha.get("/strategies/collection?v=1&step=new")).text
    assert 'name="fallback_on"' in page
    bad = await olha.send_form("/strategies/collection/1/step", **STEP | {"day": "рано", "note": "Дуже важливо"})
    assert bad.status_code == 422
    assert 'value="рано"' in bad.text
    assert 'value="Дуже важливо"' in bad.text
    assert 'aria-invalid="true"' in bad.text
    base = "/strategies/collection/1"
    before = (await olha.get("/strategies/collection")).text.count('id="step-s')
    assert (await olha.send_form(f"{base}/step", **STEP)).status_code == 303
    assert (await olha.get("/strategies/collection")).text.count('id="step-s') == before + 1
    assert (await olha.send_form(f"{base}/step/s1/down")).status_code == 303
    for _ in range(2):
        assert (await olha.send_form(f"{base}/step/s2/remove")).status_code == 303
    assert (
        await olha.send_form(f"{base}/segment", name="lviv", branch="Львів, Стрий", overdue_min="100,50")
    ).status_code == 303
    refused = await olha.send_form(f"{base}/segment", name="bad", overdue_min="9", overdue_max="3")
    assert refused.status_code == 422
    assert (await olha.send_form(f"{base}/arms", arms="a 70, b 20")).status_code == 422
    assert (await olha.send_form(f"{base}/arms", arms="champion 80, challenger 20")).status_code == 303
    async with console.database.begin() as s:
        content = (await service.find(s, "collection", 1)).content
    keys = [step["key"] for step in content["steps"] if step["stage"] == 1]
    assert "s2" not in keys
    assert keys.index("s1") > 0
    assert content["segments"]["lviv"] == {"branch": ["Львів", "Стрий"], "overdue_min": "100.50"}
    assert content["arms"][1] == {"code": "challenger", "share": 20}
    agent = await console.logged_in("anna", "agent", extension=101)
    for path in ("/strategies", "/strategies/collection", "/proof", "/dossier", "/case/1/dossier"):
        assert (await agent.get(path)).status_code == 403, path


async def test_a_second_strategy_is_begun_and_told_whom_it_is_for(console: RunningConsole) -> None:
    """Issue 6: title and scope (stages × segment) on the page; what is refused is told at its field, as it was typed."""
    olha, _ = await drafted(console)
    for fields, words in (({"code": "a b", "title": "Суд"}, "a–z"), ({"code": "court", "title": ""}, "Потрібна назва"),
                          ({"code": "collection", "title": "Ще одна"}, "з таким кодом уже є")):  # fmt: skip
        bad = await olha.send_form("/strategies", **fields)
        assert (bad.status_code, words in bad.text, f'value="{fields["code"]}"' in bad.text) == (422, True, True), (
            fields
        )
    made = await olha.send_form("/strategies", code="court", title="Суд")
    assert made.headers["location"] == "/strategies/court?v=1"
    scope = {"title": "Суд і виконання", "stage": ["5", "6"], "product": "CASH"}
    assert (await olha.send_form("/strategies/court/1/scope", **scope | {"title": " "})).status_code == 422
    assert (await olha.send_form("/strategies/court/1/scope", **scope | {"stage": ["12"]})).status_code == 422
    assert (await olha.send_form("/strategies/court/1/scope", **scope)).status_code == 303
    async with console.database.begin() as s:
        one = await service.find(s, "court", 1)
        assert (one.title, one.content["scope"]) == ("Суд і виконання", {"stage": [5, 6], "product": ["CASH"]})
    assert "Етап 5, 6 · Продукт CASH" in (await olha.get("/strategies")).text
    async with console.database.begin() as s:
        one = await house.borrower(s, console.clock)
        (await s.get_one(Loan, one.loan.id)).product = "CASH"
    for field, value, known in (
        ("product", "CASHH", "Відомі: CASH"),
        ("currency", "UAX", "UAH"),
        ("language", "xx", "uk"),
    ):
        asked = {"title": "Суд", field: value}
        for path, more in (("scope", {}), ("segment", {"name": "some"})):
            strange = await olha.send_form(f"/strategies/court/1/{path}", **asked | more)
            assert (strange.status_code, f"«{value}» немає" in strange.text, known in strange.text) == (422, True, True)
            assert f'name="{field}" value="{value}"' in strange.text


async def test_a_preview_says_which_strategy_takes_its_cases_first(console: RunningConsole) -> None:
    """Issue 6: whom a change would touch is shown before it is live, and whom another strategy takes before it."""
    olha, _ = await drafted(console)
    now, today = console.clock.now(), console.clock.today()
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        await house.borrower(s, console.clock)
        step = [{"key": "s1", "kind": "LETTER", "stage": 1, "day": 0}]
        await service.draft(s, "all", {"steps": step}, who="os:a", at=now, title="Для всіх")
        await service.submit(s, "all", 1, who="os:a", at=now)
        await service.approve(s, "all", 1, who="os:b", at=now, today=today, live_from=today)
        await service.draft(s, "zz", {"steps": step}, who="os:a", at=now, title="Остання")
    page = (await olha.get("/strategies/zz/1/preview")).text
    assert 'id="taken-before-all"' in page
    assert "раніше бере стратегія «Для всіх» (all): 1." in page
    assert "taken-before" not in (await olha.get("/strategies/all/1/preview")).text


async def test_the_editor_may_not_approve_his_own(console: RunningConsole) -> None:
    olha, petro = await drafted(console)
    base = "/strategies/collection/1"
    for _ in range(2):
        assert (await olha.send_form(f"{base}/submit")).status_code == 303
    own = await olha.send_form(f"{base}/approve", live_from="+0")
    assert own.status_code == 403
    assert "Затверджує друга людина" in own.text
    assert (await petro.send_form(f"{base}/approve", live_from="колись")).status_code == 422
    assert (await petro.send_form(f"{base}/back", why="")).status_code == 422
    for _ in range(2):
        assert (await petro.send_form(f"{base}/approve", live_from="+0")).status_code == 303
    assert (await petro.send_form(f"{base}/step", **STEP)).status_code == 409
    assert (await petro.send_form(f"{base}/copy")).headers["location"] == "/strategies/collection?v=2"


async def test_figures_open_their_rows_and_the_dossier_is_found_in_time(console: RunningConsole) -> None:
    """CK-25: each figure leads to as many rows; from a phone number and a day to the dossier's PDF within ten seconds."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        borrowers = [await house.borrower(s, console.clock) for _ in range(3)]
        for n, one in enumerate(borrowers):
            one.case.opened_at = console.clock.now() - timedelta(days=n)
            await s.merge(one.case)
        steps = [{"key": f"s{n}", "kind": "LETTER", "stage": 1, "day": n, "within": 0} for n in range(3)]
        await service.draft(s, "collection", {"steps": steps}, who="os:a", at=console.clock.now())
        await service.submit(s, "collection", 1, who="os:a", at=console.clock.now())
        today = console.clock.today()
        await service.approve(s, "collection", 1, who="os:b", at=console.clock.now(), today=today, live_from=today)
    await run_night(console.database, console.clock, console.settings, console.clock.today())
    boss = await console.logged_in("boss", "manager")
    page = (await boss.get("/proof?by=unit")).text
    figures = re.findall(r'href="(/proof/rows[^"]*)">(?:<svg.*?</svg> )?(\d+)</a>', page)
    assert figures
    for link, n in figures:
        rows = (await boss.get(link.replace("&amp;", "&"))).text
        assert rows.count('id="due-') == int(n), link
    assert (await boss.get("/proof/export.csv")).text.count("\n") == 1 + 3
    began = time.monotonic()
    borrower = borrowers[0]
    found = await boss.get(f"/dossier?phone={borrower.phone.value[3:]}&day={console.clock.today():%d.%m.%Y}")
    assert found.headers["location"] == f"/case/{borrower.case.number}/dossier?day={console.clock.today()}"
    shown = (await boss.get(found.headers["location"])).text
    paper = await boss.get(f"/case/{borrower.case.number}/dossier.pdf?day={console.clock.today()}")
    assert time.monotonic() - began < 10
    assert "Лист поштою" in shown
    text = "".join(one.extract_text() for one in PdfReader(io.BytesIO(paper.content)).pages)
    for words in (
        f"Досьє справи {borrower.case.number}",
        "Коваленко Олена Петрівна",
        "Лист поштою",
        "Контакти цього дня",
    ):
        assert words in text
    second = await boss.get(f"/case/{borrowers[1].case.number}/dossier.pdf")
    assert f"Досьє справи {borrowers[1].case.number}" in PdfReader(io.BytesIO(second.content)).pages[0].extract_text()
    assert "Це не номер телефону" in (await boss.get("/dossier?phone=абв")).text
    assert (await boss.get("/dossier?phone=%2B380670000001")).status_code == 200
