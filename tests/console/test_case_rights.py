"""Whose case it is: the owner opens it, the former owner still reads it after a hand-over, anybody else does not."""

from sqlalchemy import select, update

from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.collection import hand_over
from backoffice_core.loans import balances
from backoffice_core.loans.models import Loan
from backoffice_core.staff.models import AccessEntry, User
from tests import house
from tests.console.conftest import RunningConsole


async def test_the_former_owner_reads_a_handed_over_case_and_changes_nothing(
    console: RunningConsole,
) -> None:
    """Issue 6: a hand-over between units with act, the previous owner read-only."""
    async with console.database.begin() as s:
        borrower = await house.borrower(s, console.clock)
    page = f"/case/{borrower.case.number}"
    former, stranger = await console.logged_in("former", "agent"), await console.logged_in("stranger", "agent")
    me, chief = await console.person("me"), await console.person("chief", "supervisor")
    async with console.database.begin() as s:
        owner = (await s.scalars(select(User.id).where(User.login == "former"))).one()
        case = await s.get_one(Case, borrower.case.id)
        case.unit, case.owner_id = "soft", owner
    assert (await former.get(page)).status_code == 200
    assert (await stranger.get(page)).status_code == 403
    async with console.database.begin() as s:
        given = await hand_over.propose(
            s, borrower.case.id, to_unit="legal", at=console.clock.now(), by=owner, to_owner=me.id
        )
        await hand_over.accept(s, given.id, at=console.clock.now(), by=chief.id)
    assert (await former.get(page)).status_code == 200
    assert (await stranger.get(page)).status_code == 403
    refused = await former.post(f"{page}/complete", data={"call_id": str(given.id), "outcome": "REFUSE"})
    assert refused.status_code in {403, 404}


async def test_cp05_a_login_of_a_branch_sees_its_cases_alone(console: RunningConsole) -> None:
    """CP-05: a case of branch B is refused to people of branch A (403) and the attempt stands in the journal; a case that is
    not there is told alike; search, work list and reports hold their own branch; pages over the whole house are closed."""
    async with console.database.begin() as s:
        mine, foreign = await house.borrower(s, console.clock), await house.borrower(s, console.clock)
        for one, branch in ((mine, "A"), (foreign, "B")):
            (await s.get_one(Loan, one.loan.id)).branch = branch
            await balances.refresh(s, [one.loan.id])
            await cases.raise_task(
                s, one.case.id, "LETTER", console.clock.today(), unit="letters", at=console.clock.now()
            )
    boss, agent = await console.logged_in("boss", "supervisor"), await console.logged_in("anna", "agent")
    async with console.database.begin() as s:
        await s.execute(update(User).where(User.login.in_(("boss", "anna"))).values(branch="A", unit="letters"))
    assert (await boss.get(f"/case/{mine.case.number}")).status_code == 200
    for browser, number in ((boss, foreign.case.number), (agent, foreign.case.number), (boss, 999_999_999)):
        answer = await browser.get(f"/case/{number}")
        assert answer.status_code == 403
        assert "Цю справу вам не відкрито" in answer.text
    async with console.database.begin() as s:
        noted = list(
            await s.scalars(
                select(AccessEntry.object_id).where(AccessEntry.act == "CASE_REFUSED").order_by(AccessEntry.id)
            )
        )
    assert noted == [str(foreign.case.number), str(foreign.case.number), "999999999"]
    found = await boss.get("/case", params={"q": foreign.loan.contract_no})
    assert f"/case/{foreign.case.number}" not in found.text
    listed = (await boss.get("/tasks?list=unit")).text
    assert str(mine.case.number) in listed
    assert str(foreign.case.number) not in listed
    rows = (await boss.get("/reports/portfolio/rows")).text
    assert mine.loan.contract_no in rows
    assert foreign.loan.contract_no not in rows
    assert foreign.loan.contract_no not in (await boss.get("/reports/portfolio/rows.csv?branch=B")).text
    file = (await boss.get("/reports/portfolio/rows.csv")).text
    assert "Коваленко О. П." in file, (
        "who it is stands in the case; a file that leaves the house has the name of tables"
    )
    assert "Олена" not in file
    for closed in ("/queue", "/proof", f"/case/{foreign.case.number}/dossier", "/tasks?list=all"):
        answer = await boss.get(closed)
        assert answer.status_code == 403 or str(foreign.case.number) not in answer.text, closed
