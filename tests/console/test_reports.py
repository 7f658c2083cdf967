"""The pages of reports: each figure opens as many rows, a wrong question is told at its field, files hold no formulas."""

import html
import json
import re
from datetime import date, timedelta
from decimal import Decimal

from backoffice_core.loans.models import LoanBalance
from backoffice_core.reports.service import FAMILIES
from tests import house
from tests.browser.world_reports import reported
from tests.console.conftest import Browser, RunningConsole

LINK = re.compile(r'<a href="(/reports/[a-z]+/rows\?[^"]+)">([^<]+)</a>')
SAID = re.compile(r"^\D*(\d[\d\u00a0]*)")


async def portfolio(console: RunningConsole) -> None:
    """Three borrowers with a debt; one contract's number is a formula."""
    async with console.database.begin() as s:
        for n in range(3):
            one = await house.borrower(s, console.clock)
            one.loan.branch, one.loan.product = ("Львів", "Київ", "Київ")[n], "CASH"
            one.loan.contract_no = ("=1+1", "C-2", "C-3")[n]
            one.loan.overdue_principal, one.loan.days_past_due = Decimal("100.10") * (n + 1), 10 + 30 * n
            await s.merge(one.loan)
            one.case.opened_at = console.clock.now() - timedelta(days=3)
            await s.merge(one.case)
            s.add(LoanBalance(
                loan_id=one.loan.id, as_at=one.loan.as_at, recorded_at=one.loan.as_at, balance=one.loan.balance,
                overdue_principal=one.loan.overdue_principal, overdue_interest=0, overdue_penalty=0, overdue_fee=0,
                days_past_due=one.loan.days_past_due,
            ))  # fmt: skip


async def text(browser: Browser, path: str, status: int = 200) -> str:
    answer = await browser.get(path)
    assert answer.status_code == status, (path, answer.text[:2000])
    return html.unescape(answer.text)


async def test_ck24_figures_open_their_rows_and_files_hold_no_formula(console: RunningConsole) -> None:
    """CK-24, DM-05: totals are the sum of their rows; CSV and XLSX with = + - @ made text."""
    await portfolio(console)
    boss = await console.logged_in("boss", "manager")
    assert (await boss.get("/reports")).headers["location"] == "/reports/portfolio"
    page = await text(boss, "/reports/portfolio?by=branch")
    found = [(link, int(SAID.match(said)[1].replace("\u00a0", ""))) for link, said in LINK.findall(page)]  # type: ignore[index]
    counts = [(link, n) for link, n in found if "figure=loans" in link]
    assert sorted(n for _, n in counts) == [1, 2]
    for link, n in counts:
        assert (await text(boss, link)).count("<tr data-row") == n, link
    assert "600,60" in page, "100.10 + 200.20 + 300.30"
    assert "<svg xmlns" in page
    for cut in FAMILIES["portfolio"].cuts:
        await text(boss, f"/reports/portfolio?by={cut}")
    for name in FAMILIES:
        await text(boss, f"/reports/{name}")
        await text(boss, f"/reports/{name}/rows")
        assert (await boss.get(f"/reports/{name}/figures.csv")).status_code == 200
    unowned = await text(boss, "/reports/load/rows?person=-&figure=cases")
    assert unowned.count("<tr data-row") == 3, "cases that nobody owns are counted where no person is named"
    rows = (await boss.get("/reports/portfolio/rows.csv?branch=Львів")).text
    assert "'=1+1" in rows
    assert rows.count("\n") == 2
    assert (await boss.get("/reports/portfolio/rows.xlsx")).content[:2] == b"PK"


async def test_every_figure_of_every_report_opens_as_many_rows(console: RunningConsole) -> None:
    """CK-24, CK-25: of a bank with a month behind it; counts by the first cut, and those of the arms compared."""
    await reported(console)
    boss = await console.logged_in("boss", "manager")
    for name in ("portfolio", "rolls", "promises", "arms", "load", "calls?by=hour"):
        page = await text(boss, f"/reports/{name}")
        links = [
            (link, said) for link, said in LINK.findall(page) if "," not in said and "=talk_s" not in link
        ]  # no sums
        assert len(links) > 5, name
        for link, said in links[::3]:
            rows = await text(boss, link)
            assert f'<small class="mid">{said} ряд' in rows, (link, said)
        assert all(f"/reports/{name.partition('?')[0]}/rows" in link for link, _ in links)
    page = await text(boss, "/reports/arms")
    assert "Інша гілка краща: увесь інтервал вище за нуль" in page
    assert "Справ ще замало" in page
    assert re.search(r"stage=1&segment=-[^>]*>\d+</a>", page) or re.search(r"segment=-[^>]*stage=1[^>]*>\d+</a>", page)


async def test_a_wrong_question_is_told_at_its_field_and_nothing_is_left_out_in_silence(
    console: RunningConsole,
) -> None:
    boss = await console.logged_in("boss", "manager")
    tomorrow = console.clock.today() + timedelta(days=1)
    for query, field, words in (
        ("as_at=колись", "as_at", "Це не день або він ще не скінчився"), (f"as_at={tomorrow}", "as_at", "Це не день"),
        (f"first={tomorrow}", "first", "пізніший за день звіту"), ("branch=Марс", "branch", "Такого відділення немає"),
        ("by=moon", "by", "виберіть нижче"), ("colour=red", "unknown", "«colour»"), ("offset=-1", "offset", "почніть із першої"),
    ):  # fmt: skip
        page = await text(boss, f"/reports/rolls?{query}", 422)
        assert words in page, query
        assert f'id="bad-{field}"' in page
        if field in {"as_at", "first", "branch"}:
            assert 'aria-invalid="true"' in page
            assert query.split("=")[1] in page, "what was typed stays"
        assert (await boss.get(f"/reports/rolls/figures.csv?{query}")).status_code == 422
    for query, said in (
        ("bucket=bad", "«bucket=bad»"),
        ("stage=99x", "«stage=99x»"),
        ("offset=5000", "почніть із першої"),
    ):
        assert said in await text(boss, f"/reports/portfolio/rows?{query}", 422), query
    for path, field in (
        ("/proof?from=x", "from"), ("/proof?as_at=y", "as_at"), ("/proof?by=moon", "by"), ("/tasks?scope=zz", "scope"),
        ("/tasks?list=zz", "list"), ("/queue?show=not&reason=XX", "reason"), ("/queue?colour=red", "colour"),
    ):  # fmt: skip
        assert field in await text(boss, path, 422), path
    for path, field in (
        ("/proof?kind=HOUSE", "kind"), ("/proof?unit=moon", "unit"), ("/proof?person=1", "person"), ("/proof?arm=x", "arm"),
        ("/proof?version=collection/99", "version"), ("/proof/rows?reason=BORED", "reason"), ("/proof?stage=12", "stage"),
    ):  # fmt: skip
        refused = await boss.get(path, headers={"Accept": "application/json"})
        assert (refused.status_code, refused.json()["field"]) == (422, field), path
    for path in ("arms/rows?arm=x", "arms/rows?strategy=y", "arms/rows?segment=z", "portfolio/rows?currency=XXX",
                 "promises/rows?week=2026-W99", "promises/rows?week=soon", "steps/rows?version=collection/99"):  # fmt: skip
        assert f"«{path.partition('?')[2]}»" in await text(boss, f"/reports/{path}", 422), path
    toast = await boss.get("/proof?arm=x", headers={"HX-Request": "true"})
    assert "arm" in json.loads(toast.headers["hx-trigger"])["toast"]["text"]
    short = (console.clock.today() - timedelta(days=2)).strftime("%d%m")
    assert date.fromisoformat(str(console.clock.today() - timedelta(days=2))).strftime("%d.%m.%Y") in await text(
        boss, f"/reports/portfolio?as_at={short}"
    )
    assert (await boss.get("/reports/nothing")).status_code == 404


async def test_who_may_not_see_cases_sees_no_reports(console: RunningConsole) -> None:
    """CP-05: an agent and an administrator are refused."""
    agent = await console.logged_in("anna", "agent", extension=101)
    admin = await console.logged_in("denys", "admin")
    for path in ("/reports/portfolio", "/reports/load/rows", "/reports/portfolio/rows.csv"):
        for browser in (agent, admin):
            assert (await browser.get(path)).status_code == 403, path
