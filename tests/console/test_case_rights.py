"""Whose case it is: the owner opens it, the former owner still reads it after a hand-over, anybody else does not."""

from sqlalchemy import select

from backoffice_core.cases.models import Case
from backoffice_core.collection import hand_over
from backoffice_core.staff.models import User
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
    assert (await stranger.get(page)).status_code == 404
    async with console.database.begin() as s:
        given = await hand_over.propose(
            s, borrower.case.id, to_unit="legal", at=console.clock.now(), by=owner, to_owner=me.id
        )
        await hand_over.accept(s, given.id, at=console.clock.now(), by=chief.id)
    assert (await former.get(page)).status_code == 200
    assert (await stranger.get(page)).status_code == 404
    refused = await former.post(f"{page}/complete", data={"call_id": str(given.id), "outcome": "REFUSE"})
    assert refused.status_code in {403, 404}
