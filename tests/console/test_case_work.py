"""Holds, plans, hand-overs and corrections by people: rights, second persons, evidence, undo (issue 6, domain.md 4.2)."""

import io
from datetime import date, timedelta
from decimal import Decimal

import pytest
from pypdf import PdfReader
from sqlalchemy import select

from backoffice_core.cases.models import Case, CaseEvent, HandOver, Hold, Task
from backoffice_core.collection import service as collection
from backoffice_core.collection.models import PaymentPlan, Promise
from backoffice_core.db import Database
from backoffice_core.loans import balances
from backoffice_core.loans.models import Loan
from backoffice_core.staff import units
from tests import house
from tests.console.conftest import Browser, RunningConsole


@pytest.fixture
async def borrower(console: RunningConsole) -> house.Borrower:
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        for code in ("soft", "legal"):
            await units.put(s, code, who="test", name=code.title())
        one = await house.borrower(s, console.clock)
        (await s.get_one(Case, one.case.id)).unit = "soft"
    return one


async def post(browser: Browser, path: str, status: int = 303, **fields: str) -> str:
    answer = await browser.post(path, data=fields, headers={"X-CSRF-Token": browser.csrf})
    assert answer.status_code == status, answer.text[:2000]
    return answer.text


async def state_of(database: Database, borrower: house.Borrower) -> str:
    async with database.begin() as s:
        return (await s.scalars(select(Case.state).where(Case.id == borrower.case.id))).one()


async def test_a_hold_needs_evidence_and_an_end_stops_the_case_and_is_lifted(
    console: RunningConsole, borrower: house.Borrower
) -> None:
    """Holds (dispute, hardship, breathing space, protected status) with evidence, end and what they stop; what is typed wrong
    comes back with its field; two stand apart, and the case goes back with the last."""
    boss, base = await console.logged_in("boss", "supervisor"), f"/case/{borrower.case.number}"
    page = await post(boss, f"{base}/holds", 422, kind="DISPUTE", until="+30", evidence="")
    assert "Призупинення потребує підстави" in page
    assert 'value="+30"' in page
    for until, evidence in (("", "letter"), ("zz", "letter"), ("2020-01-01", "letter"), ("31.12.9999", "letter"),
                            ("+30", "x" * 1001)):  # fmt: skip
        await post(boss, f"{base}/holds", 422, kind="HARDSHIP", until=until, evidence=evidence)
    odd = await post(boss, f"{base}/holds", 422, kind="DISPUTE", until="+9999", evidence="letter")
    assert "не далі +999" in odd
    far = await post(boss, f"{base}/holds", 422, kind="DISPUTE", until="31.12.9999", evidence="letter")
    assert "має скінчитися не пізніше" in far
    ticked = await post(boss, f"{base}/holds", 422, kind="DISPUTE", until="+30", evidence="letter", channels="visit")
    assert "Канали вибирають лише для зупинки каналів" in ticked, "what was ticked is not passed over in silence"
    await post(boss, f"{base}/holds", kind="HARDSHIP", until="+30", evidence="certificate 17")
    await post(boss, f"{base}/holds", kind="PROTECTED", until="31.12.9999", evidence="military card")
    assert await state_of(console.database, borrower) == "ON_HOLD"
    async with console.database.begin() as s:
        held = (await s.scalars(select(Hold).order_by(Hold.id))).all()
        assert [(h.kind, h.evidence, bool(h.valid_to), h.pauses_days) for h in held] == [
            ("HARDSHIP", "certificate 17", True, True), ("PROTECTED", "military card", False, False),
        ]  # fmt: skip
        assert "call" in held[0].stops
    shown = (await boss.get(f"{base}/work")).text
    assert "certificate 17" in shown
    assert "military card" in shown
    await post(boss, f"{base}/holds/{held[0].id}/lift", 422, why="")
    await post(boss, f"{base}/holds/{held[0].id}/lift", why="he works again")
    assert await state_of(console.database, borrower) == "ON_HOLD"
    await post(boss, f"{base}/holds/{held[1].id}/lift", why="demobilised")
    assert await state_of(console.database, borrower) == "ACTIVE"
    await post(boss, f"{base}/holds/{held[1].id}/lift", 409, why="again")
    assert "he works again" in (await boss.get(base)).text


async def test_only_who_has_the_case_or_works_on_all_changes_it(
    console: RunningConsole, borrower: house.Borrower
) -> None:
    """The owner acts; who had it before reads and is refused; a stranger finds nothing; a right to one case opens no other."""
    base = f"/case/{borrower.case.number}"
    owner, former = await console.logged_in("owner", "agent"), await console.logged_in("former", "agent")
    stranger, boss = await console.logged_in("stranger", "agent"), await console.logged_in("boss", "supervisor")
    async with console.database.begin() as s:
        ids = {login: (await units.person(s, login)).id for login in ("owner", "former")}
        (await s.get_one(Case, borrower.case.id)).owner_id = ids["former"]
        (await units.person(s, "owner")).unit = "legal"
    await post(former, f"{base}/hand-over", 422, to_unit="legal", reason="")
    await post(former, f"{base}/hand-over", 422, to_unit="nowhere", reason="court next")
    await post(former, f"{base}/hand-over", to_unit="legal", reason="court next")
    async with console.database.begin() as s:
        (given,) = (await s.scalars(select(HandOver))).all()
    await post(former, f"{base}/hand-over/{given.id}/accept", 403)  # who gives it away does not take it
    assert "Акт передачі справи № 1" in (await boss.get(f"{base}/work")).text
    await post(boss, f"{base}/hand-over/{given.id}/accept", owner=str(ids["owner"]))
    assert (await former.get(f"{base}/work")).status_code == 200
    assert (await owner.get(f"{base}/work")).status_code == 200
    assert (await stranger.get(f"{base}/work")).status_code == 403
    hold = {"kind": "DISPUTE", "until": "+5", "evidence": "letter"}
    await post(former, f"{base}/holds", 403, **hold)
    await post(stranger, f"{base}/holds", 403, **hold)
    await post(owner, f"{base}/holds", **hold)
    async with console.database.begin() as s:
        other = await house.borrower(s, console.clock)
        (placed,) = (await s.scalars(select(Hold.id))).all()
    await post(boss, f"/case/{other.case.number}/holds/{placed}/lift", 404, why="wrong case")


async def test_a_plan_counts_once_a_second_person_approves_it(
    console: RunningConsole, borrower: house.Borrower
) -> None:
    """domain.md 4.2: PROPOSED → ACTIVE by another person; each instalment is a promise; the cents stand in the last."""
    base = f"/case/{borrower.case.number}"
    boss, second = await console.logged_in("boss", "supervisor"), await console.logged_in("second", "manager")
    plan = {"amount": "1 000,00", "n": "3", "due_date": "+10", "reason": "salary on the 24th"}
    for wrong in (
        {"n": "0"},
        {"n": "zz"},
        {"amount": "much"},
        {"due_date": "2020-01-01"},
        {"due_date": "31.12.9999"},
        {"amount": "999999"},
    ):
        await post(boss, f"{base}/plans", 422, **(plan | wrong))
    await post(boss, f"{base}/plans", **plan)
    async with console.database.begin() as s:
        (one,) = (await s.scalars(select(PaymentPlan))).all()
    assert [i["amount"] for i in one.instalments] == ["333.33", "333.33", "333.34"]
    assert "Погоджує друга особа" in (await boss.get(f"{base}/work")).text
    waits = "/tasks?list=managers&kind=APPROVE"
    assert str(borrower.case.number) in (await second.get(waits)).text, (
        "what waits for a second person stands on a list"
    )
    await post(boss, f"{base}/plans/{one.id}/approve", 409)
    await post(second, f"{base}/plans/{one.id}/approve")
    assert str(borrower.case.number) not in (await second.get(waits)).text
    assert await state_of(console.database, borrower) == "PLAN"
    async with console.database.begin() as s:
        assert len((await s.scalars(select(Promise).where(Promise.plan_id == one.id))).all()) == 3
    await post(boss, f"{base}/plans/{one.id}/cancel", 422, why="")
    await post(boss, f"{base}/plans/{one.id}/cancel", why="he asked to")
    assert await state_of(console.database, borrower) == "ACTIVE"


async def test_a_plan_lifts_the_hold_that_asked_for_it_and_no_dispute(
    console: RunningConsole, borrower: house.Borrower
) -> None:
    """domain.md 4.2, issue 6: approval is refused while a dispute stands; hardship it lifts, and the page says so before."""
    base = f"/case/{borrower.case.number}"
    boss, second = await console.logged_in("boss", "supervisor"), await console.logged_in("second", "manager")
    await post(boss, f"{base}/plans", amount="900,00", n="3", due_date="+10", reason="asked for it")
    hold = {"evidence": "letter 12", "until": "+30"}
    for kind in ("HARDSHIP", "DISPUTE"):
        await post(boss, f"{base}/holds", kind=kind, **hold)
    async with console.database.begin() as s:
        (plan,) = (await s.scalars(select(PaymentPlan.id))).all()
        dispute = await s.scalar(select(Hold.id).where(Hold.kind == "DISPUTE"))
    assert "Не можна погодити, поки справу призупинено" in (await second.get(f"{base}/work")).text
    await post(second, f"{base}/plans/{plan}/approve", 409)
    assert await state_of(console.database, borrower) == "ON_HOLD"
    await post(boss, f"{base}/holds/{dispute}/lift", why="answered")
    assert "Погодження зніме призупинення" in (await second.get(f"{base}/work")).text
    await post(second, f"{base}/plans/{plan}/approve")
    assert await state_of(console.database, borrower) == "PLAN"
    page = (await second.get(f"{base}/work")).text
    assert "погоджено план погашення" in page
    paper = await second.get(f"{base}/dossier.pdf")
    text = "".join(one.extract_text() for one in PdfReader(io.BytesIO(paper.content)).pages)
    assert "погоджено план погашення" in text
    assert "PLAN_APPROVED" not in text
    assert "PLAN_APPROVED" not in page


async def test_a_balance_is_corrected_by_two_and_what_was_said_stays(
    console: RunningConsole, borrower: house.Borrower
) -> None:
    """A correction has a reason and a second person; the loan, its case and the report as at today follow; a report as it was
    known before comes out the same; who reads the history sees it."""
    base, contract = f"/case/{borrower.case.number}", borrower.loan.contract_no
    boss, second = await console.logged_in("boss", "supervisor"), await console.logged_in("second", "manager")
    said = {
        "contract": contract,
        "balance": "8000",
        "overdue_principal": "500,50",
        "days_past_due": "9",
        "reason": "memo 4",
    }
    async with console.database.begin() as s:
        (await s.get_one(Loan, borrower.loan.id)).opened = date(2020, 3, 2)
    for wrong in (
        {"reason": ""},
        {"balance": "100"},
        {"days_past_due": "0"},
        {"balance": "zz"},
        {"contract": "?"},
        {"as_at": "+3"},
        {"as_at": "31.12.1899"},  # issue 6
        {"as_at": "1.3.2020"},
    ):
        await post(boss, f"{base}/corrections", 422, **(said | wrong))
    await post(boss, f"{base}/corrections", **said)
    await post(boss, f"{base}/corrections", 409, **said)
    shown = (await second.get(f"{base}/work")).text
    assert "memo 4" in shown
    key = shown.partition("/corrections/")[2].partition("/")[0]
    await post(boss, f"{base}/corrections/{key}/approve", 409)
    now = console.clock.now()
    async with console.database.begin() as s:
        assert (await s.get_one(Loan, borrower.loan.id)).overdue == Decimal("1800.00")
    await post(second, f"{base}/corrections/{key}/approve")
    async with console.database.begin() as s:
        loan = await s.get_one(Loan, borrower.loan.id)
        assert (loan.balance, loan.overdue, loan.days_past_due) == (Decimal(8000), Decimal("500.50"), 9)
        until = now + timedelta(hours=1)
        after = await balances.as_at(s, until, ids=[loan.id])
        before = await balances.as_at(s, until, ids=[loan.id], known=now)
        assert (after[loan.id].overdue, before[loan.id].overdue) == (Decimal("500.50"), Decimal("1800.00"))
        events = (await s.scalars(select(CaseEvent.kind).where(CaseEvent.case_id == borrower.case.id))).all()
    assert "correction" in events
    assert "Баланс виправлено" in (await boss.get(base)).text
    await post(boss, f"{base}/corrections/{key}/refuse", 409, why="late")


async def test_the_credit_department_is_told_what_turned_overdue(console: RunningConsole) -> None:
    """DM-13: a loan that turns overdue is on the day's notice with its branch and sum, once, as list and as file; one that was
    overdue before, or is paid, is not."""
    clock = console.clock
    async with console.database.begin() as s:
        old = await house.borrower(s, clock)  # its case was opened days ago
        fresh = await house.borrower(s, clock)
        fresh.case.closed_at, fresh.case.state = clock.now() - timedelta(days=1), "CLOSED"
        fresh.loan.branch = "Полтава-2"
    async with console.database.begin() as s:
        assert await collection.open_cases(s, clock.now(), clock.today(), {fresh.person.id, old.person.id}) == 1
    boss = await console.logged_in("boss", "manager")
    page = (await boss.get("/overdue")).text
    assert fresh.loan.contract_no in page
    assert "Полтава-2" in page
    assert old.loan.contract_no not in page
    told = (await boss.get("/overdue.csv", params={"branch": "Полтава-2"})).text
    assert told.count(fresh.loan.contract_no) == 1
    assert fresh.loan.contract_no not in (await boss.get("/overdue", params={"branch": "Київ"})).text
    assert fresh.loan.contract_no not in (await boss.get("/overdue", params={"day": "01.11.2026"})).text
    assert (await boss.get("/overdue", params={"day": "zz"})).status_code == 422
    async with console.database.begin() as s:
        loan = await s.get_one(Loan, fresh.loan.id)
        loan.overdue_principal, loan.days_past_due = Decimal(0), 0
    assert fresh.loan.contract_no not in (await boss.get("/overdue")).text


async def test_dm01_the_court_is_noted_on_the_page_and_a_hand_over_waits_on_a_list(
    console: RunningConsole, borrower: house.Borrower
) -> None:
    """DM-01, DM-14: an act waits on the receiving unit's work list; accepted, the case is with the lawyers; claim and writ are
    forms of the case, a wrong one comes back with its field; the dossier has both."""
    boss, lawyer = await console.logged_in("boss", "supervisor"), await console.logged_in("lawyer", "agent")
    base = f"/case/{borrower.case.number}"
    async with console.database.begin() as s:
        await units.join(s, "lawyer", "legal", who="test")
    assert 'id="court"' not in (await boss.get(f"{base}/work")).text
    await post(boss, f"{base}/court", 409, act="CLAIM", court="Суд", number="1", on="+0")
    await post(boss, f"{base}/hand-over", to_unit="legal", reason="91 day")
    listed = (await lawyer.get("/tasks?list=unit")).text
    assert str(borrower.case.number) in listed
    assert "Прийняти справу за актом" in listed
    async with console.database.begin() as s:
        given = (await s.scalars(select(HandOver.id))).one()
        waits = (await s.scalars(select(Task.id).where(Task.kind == "TAKE_OVER"))).one()
    assert (await lawyer.get(f"{base}/work")).status_code == 403
    await post(lawyer, f"/tasks/{waits}/take")
    await post(lawyer, f"{base}/hand-over/{given}/refuse", why="no papers")
    assert (await lawyer.get(base)).status_code == 403, "refused: it is not his"
    await post(boss, f"{base}/hand-over", to_unit="legal", reason="with the papers")
    async with console.database.begin() as s:
        given = (await s.scalars(select(HandOver.id).where(HandOver.state == "PROPOSED"))).one()
        waits = (await s.scalars(select(Task.id).where(Task.kind == "TAKE_OVER", Task.state == "OPEN"))).one()
    await post(lawyer, f"/tasks/{waits}/take")
    await post(lawyer, f"{base}/hand-over/{given}/accept")
    assert await state_of(console.database, borrower) == "PRE_LEGAL"
    assert (await lawyer.get(f"{base}/work")).status_code == 200, "who accepts it for his unit and names nobody has it"
    assert "Прийняти справу за актом" not in (await lawyer.get("/tasks?list=unit")).text
    page = await post(boss, f"{base}/court", 422, act="CLAIM", court="", number="17/2027", on="+0", amount="100")
    assert 'value="17/2027"' in page
    for act, state in (("CLAIM", "LEGAL"), ("WRIT", "ENFORCEMENT")):
        await post(
            boss, f"{base}/court", act=act, court="Личаківський суд", number="17/2027", on="+0", amount="1500,50"
        )
        assert await state_of(console.database, borrower) == state
    await post(boss, f"{base}/court", 409, act="WRIT", court="Суд", number="1", on="+0")
    told = (await boss.get(f"{base}/dossier")).text
    assert "Позов подано: Личаківський суд, № 17/2027" in told
    assert "Личаківський суд" in (await boss.get(base)).text
