"""Whose case it is: the owner opens it, the former owner still reads it after a hand-over, anybody else does not."""

from datetime import timedelta

from sqlalchemy import select, update

from backoffice_core.borrowers.models import Person
from backoffice_core.call_centre.models import AgentSession, CallAttempt, Recording
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.collection import complaints, hand_over, late
from backoffice_core.db import new_key
from backoffice_core.loans import balances
from backoffice_core.loans.models import Loan
from backoffice_core.reports.service import FAMILIES
from backoffice_core.staff.models import AccessEntry, User
from backoffice_core.strategy import service as strategies
from backoffice_core.strategy.models import StepDue
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
    for closed in (f"/case/{foreign.case.number}/dossier", "/tasks?list=all"):
        answer = await boss.get(closed)
        assert answer.status_code == 403 or str(foreign.case.number) not in answer.text, closed


async def test_cp05_no_page_file_or_fragment_has_a_row_of_another_branch(console: RunningConsole) -> None:
    """CP-05: queue, proof, dossier, notice, floor with its fragments, unknown ends, search, work list, strategies' preview and
    all reports, as pages and files: of two branches with the same rows in everything, a login of one sees one."""
    async with console.database.begin() as s:
        await house.rules_in_force(s, console.clock)
        mine, foreign = await house.borrower(s, console.clock), await house.borrower(s, console.clock)
        both, now, today = (mine, foreign), console.clock.now(), console.clock.today()
        content = {"steps": [{"key": "s1", "stage": 1, "day": 0, "kind": "LETTER"}]}
        version = await strategies.draft(s, "collection", content, who="os:a", at=now)
        other = await console.person("other", "agent", 301)
        for n, (one, branch) in enumerate(zip(both, "AB", strict=True)):
            loan = await s.get_one(Loan, one.loan.id)
            loan.branch, loan.contract_no = branch, f"CONTRACT-{branch}"
            (await s.get_one(Person, one.person.id)).last_name = f"Branch{branch}"
            case = await s.get_one(Case, one.case.id)
            case.opened_at = now - timedelta(hours=1)
            await balances.refresh(s, [loan.id])
            await cases.add_event(s, case.id, "state", now, data={"from": "", "to": "NEW"})
            await cases.raise_task(s, case.id, "LETTER", today, unit="letters", at=now)
            s.add(StepDue(
                id=new_key(), case_id=case.id, person_id=one.person.id, version_id=version.id, step="s1", stage=1, since=today,
                kind="LETTER", due_date=today, starts_at=now, deadline=today, unit="letters", state="OPEN", created_at=now,
            ))  # fmt: skip
            call = CallAttempt(
                id=new_key(), case_id=case.id, person_id=one.person.id, contact_point_id=one.phone.id, direction="out",
                campaign="collection", number=one.phone.value, trunk="t", purpose="collection", caller_id="", language="uk",
                fence=1, state="ENDED", business_at=now, claimed_at=now, ended_at=now, result="UNKNOWN", agent_id=other.id,
                outcome="NO_DISPOSITION",
            )  # fmt: skip
            live = CallAttempt(
                id=new_key(), case_id=case.id, person_id=one.person.id, contact_point_id=one.phone.id, direction="out",
                campaign="collection", number=one.phone.value, trunk="t", purpose="collection", caller_id="", language="uk",
                fence=2, state="RINGING", business_at=now, claimed_at=now, ringing_at=now,
            )  # fmt: skip
            s.add_all((call, live))
            await s.flush()
            s.add(
                Recording(
                    call_id=call.id, case_id=case.id, path=f"x{n}", state="SEALED", faults=["SILENT"], created_at=now
                )
            )
            await complaints.note(s, case.id, kind="TONE", channel="call", text="x", about=None, at=now, by=other.id)
            await late.propose(
                s, case.id, "WRITE_OFF", number="1", on=today, reason="r", at=now, today=today, by=other.id
            )
        s.add(AgentSession(id=new_key(), user_id=other.id, phone="desk", endpoint="agent-301", state="TALKING", since=now,
                           started_at=now, call_id=live.id))  # fmt: skip
    boss, whole = await console.logged_in("boss", "supervisor"), await console.logged_in("whole", "supervisor")
    async with console.database.begin() as s:
        await s.execute(update(User).where(User.login == "boss").values(branch="A", unit="letters"))
        await s.execute(update(User).where(User.login == "other").values(branch="A"))
    signs = (str(foreign.case.number), "BranchB", "CONTRACT-B", foreign.phone.value[-7:])
    phone = foreign.phone.value.replace("+", "%2B")
    pages = [
        "/queue", "/queue?show=done", "/queue?show=not", "/queue?show=waiting", "/proof", "/proof/rows", "/proof/export.csv",
        f"/dossier?phone={phone}", "/overdue", "/overdue.csv", "/overdue?branch=B", "/floor", "/floor/view",
        f"/floor/agents?id={other.id}", f"/floor/agents?id={other.id}&id={new_key()}", "/unknown", "/case?q=Branch",
        "/tasks?list=unit", "/tasks/export.csv?list=unit", "/strategies/collection/1/preview",
    ]  # fmt: skip
    for name, family in FAMILIES.items():
        pages += [f"/reports/{name}?branch=B", f"/reports/{name}/rows", f"/reports/{name}/rows.csv",
                  f"/reports/{name}/rows.csv?branch=B",
                  *(f"/reports/{name}?by={cut}" for cut in family.cuts[:2])]  # fmt: skip
    seen = 0
    for path in pages:
        answer = await boss.get(path)
        of_another = path.startswith("/reports/") and "branch=B" in path  # refused, not answered with his own
        assert answer.status_code in ({422} if of_another else {200, 303}), (path, answer.status_code)
        typed = signs[-1:] if "phone=" in path else ()  # what he typed stands in its field
        found = [
            sign for sign in signs if sign not in typed and sign in answer.text.replace(" ", "").replace("\u00a0", "")
        ]
        assert not found, (path, found)
        seen += str(mine.case.number) in answer.text
        open_to_all = await whole.get(path)
        assert open_to_all.status_code in {200, 303}, path
    assert seen >= 20, "a page that shows nobody proves nothing"
    floor = (await whole.get("/floor")).text
    assert str(foreign.case.number) in floor
    assert str(mine.case.number) in (await boss.get("/floor")).text
    for closed in ("/abandoned", "/abandoned.csv", f"/case/{foreign.case.number}/dossier", f"/case/{foreign.case.number}/work",
                   f"/case/{foreign.case.number}/dossier.pdf"):  # fmt: skip
        assert (await boss.get(closed)).status_code == 403, closed
    refused = await boss.send_form(f"/unknown/{call.id}", result="NO_ANSWER")
    assert refused.status_code == 404, "a call with another branch's borrower"
    refused = await boss.send_form(f"/case/{mine.case.number}/complete", call_id=str(call.id), outcome="REFUSE")
    assert refused.status_code == 404, "nor by the number of a case of one's own"
