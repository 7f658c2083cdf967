"""A caller whom nobody knows at an agent's desk (FL-02, CC-01): chosen, tied, confirmed; and nothing said before."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from backoffice_core.audit.models import AuditEntry
from backoffice_core.borrowers.models import ContactPoint
from backoffice_core.call_centre.calls import attempts, call_backs, settling
from backoffice_core.call_centre.desks import agents
from backoffice_core.call_centre.models import CallAttempt, Recording, UnknownCaller
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.cases.models import CaseEvent
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.staff.models import AccessEntry
from tests import house
from tests.console.conftest import Browser, RunningConsole
from tests.console.test_desk import SECRETS

NUMBER = "+380671239876"
S = timedelta(seconds=1)


class Ringing:
    """An agent at a desk phone who talks with somebody who called us, and a borrower of the bank."""

    def __init__(self, console: RunningConsole, call: UUID, borrower: house.Borrower, browser: Browser) -> None:
        self.console, self.call, self.borrower, self.browser = console, call, borrower, browser

    async def end(self) -> None:
        async with self.console.database.begin() as s:
            await settling.settle(
                s, self.call, CallFacts(ended_at=self.console.clock.wall(), cause=16), self.console.clock.now()
            )

    async def attempt(self) -> CallAttempt:
        async with self.console.database.begin() as s:
            return await s.get_one(CallAttempt, self.call)

    async def post(self, path: str, **fields: object) -> int:
        answer = await self.browser.send_form(path, json=True, call_id=self.call, **fields)
        return answer.status_code

    async def confirm(self) -> None:
        for field, said in (("birth_date", "14.03.1985"), ("code_word", "Калина")):
            assert await self.post("/desk/identity", field=field, answer=said) == 200


async def calls_us(
    console: RunningConsole, number: str, *known: str, login: str = "ivanka", extension: int = 101
) -> Ringing:
    """Somebody calls from `number`; borrowers with the numbers `known` are in the house, the last one beside them."""
    clock = console.clock
    user = await console.person(login, "agent", extension, name="Бондар Ірина")
    async with console.database.begin() as s:
        await house.rules_in_force(s, clock)
        for one in known:
            await house.borrower(s, clock, number=one)
        borrower = await house.borrower(s, clock)
        seat = await agents.open_session(s, user, "desk", clock.wall())
        await agents.go_ready(s, user.id, clock.wall())
        seat.line, seat.line_n, seat.line_channel = "UP", 1, f"PJSIP/agent-{extension}-00000001"
        call = await call_backs.came_in(
            s, console.settings, channel_id=f"1795312345.{extension}", number=number, called="+380445550100", now=clock.now(),
            wall=clock.wall(), today=clock.today(),
        )  # fmt: skip
    wall = clock.wall() - 30 * S
    async with console.database.begin() as s:
        assert await call_backs.connect(s, call.id, wall) is not None
        await attempts.heard(s, call.id, answered_at=wall, bridged_at=wall)
    browser = console.browser()
    assert (await browser.log_in(login)).status_code == 303
    return Ringing(console, call.id, borrower, browser)


async def test_fl02_the_agent_finds_the_person_and_the_call_is_his(console: RunningConsole) -> None:
    """Card, search, choice, history, recording, number: and of a debt nothing before the identity."""
    one = await calls_us(console, NUMBER)
    card = (await one.browser.get("/desk/card")).text
    assert f'data-call-id="{one.call}"' in card
    assert "Невідомий абонент" in card
    assert await one.post("/desk/identity", field="code_word", answer="Калина") == 409, "of whom?"
    found = (await one.browser.send_form("/desk/caller/find", call_id=one.call, q="Коваленко")).text
    assert "Коваленко Олена Петрівна" in found
    offered = found.split('id="caller-found"')[1].split("</section>")[0].replace(str(one.borrower.case.number), "")
    assert [secret for secret in SECRETS if secret in offered] == []
    assert await one.post("/desk/caller", case_number=one.borrower.case.number) == 200
    card = (await one.browser.get("/desk/card")).text
    assert "Олена Петрівна Коваленко" in card
    assert one.borrower.loan.contract_no not in card
    assert "caller-number" not in card, "his number is added only once he is known"
    assert await one.post("/desk/caller/number") == 409
    await one.confirm()
    card = (await one.browser.get("/desk/card")).text
    assert one.borrower.loan.contract_no in card
    assert 'id="caller-number"' in card
    assert (await one.browser.send_form("/desk/caller/number", call_id=one.call)).status_code == 200
    await one.end()
    assert await one.post("/desk/result", outcome="REFUSE") == 200
    async with console.database.begin() as s:
        lines = (await s.execute(select(CaseEvent).where(CaseEvent.call_id == one.call))).scalars().all()
        recording = await s.get_one(Recording, one.call)
        added = (await s.execute(select(ContactPoint).where(ContactPoint.value == NUMBER))).scalar_one()
        acts = (
            await s.execute(select(AccessEntry.act, AccessEntry.case_id).where(AccessEntry.act.like("%CALLER%")))
        ).all()
        chained = (await s.execute(select(AuditEntry.subject).where(AuditEntry.act == "CALLER_CHOSEN"))).scalars().all()
        slots = await s.scalar(select(func.count()).select_from(ContactLedger))
    case = one.borrower.case.id
    assert {(line.kind, line.case_id) for line in lines} == {("call", case), ("outcome", case)}
    assert [line.data["direction"] for line in lines if line.kind == "call"] == ["in"]
    assert recording.case_id == case
    assert (added.person_id, added.state, added.owner_kind) == (one.borrower.person.id, "VERIFIED", "self")
    assert acts == [("CALLER_SEARCHED", None), ("CALLER_CHOSEN", case)]
    assert chained == [str(one.call)]
    assert slots == 0, "he called: no cap counts it"


async def test_fl02_of_several_with_the_number_the_agent_chooses_and_may_take_it_back(console: RunningConsole) -> None:
    """What was asked of the wrong one counts for nobody else; misses stay; once confirmed, the choice stands."""
    one = await calls_us(console, NUMBER, NUMBER, NUMBER)
    card = (await one.browser.get("/desk/card")).text
    assert card.count('name="case_number"') == 2
    attempt = await one.attempt()
    assert (attempt.candidates, attempt.case_id) == (2, None)
    first, second = sorted(int(part.split('"')[0]) for part in card.split('name="case_number" value="')[1:])
    assert await one.post("/desk/caller", case_number=first) == 200
    assert await one.post("/desk/caller", case_number=second) == 409, "it is somebody's already"
    assert await one.post("/desk/identity", field="birth_date", answer="14.03.1985") == 200
    assert await one.post("/desk/identity", field="code_word", answer="Береза") == 200
    assert await one.post("/desk/caller/back") == 200
    attempt = await one.attempt()
    assert (attempt.case_id, attempt.identity_matches, attempt.identity_misses) == (None, {}, 1)
    assert await one.post("/desk/caller", case_number=second) == 200
    await one.confirm()
    assert await one.post("/desk/caller/back") == 409
    attempt = await one.attempt()
    assert attempt.contact_point_id is not None, "the number stands with him: nothing to add"


async def test_fl02_chosen_after_the_talk_it_stands_in_the_history_as_well(console: RunningConsole) -> None:
    one = await calls_us(console, "anonymous")
    await one.end()
    assert await one.post("/desk/result", outcome="DECEASED") in {409, 422}, "of whom?"
    assert await one.post("/desk/caller", case_number=one.borrower.case.number) == 200
    assert await one.post("/desk/caller/back") == 409
    async with console.database.begin() as s:
        (line,) = (await s.execute(select(CaseEvent).where(CaseEvent.call_id == one.call))).scalars()
    assert (line.case_id, line.data["direction"]) == (one.borrower.case.id, "in")
    assert 25 < line.data["seconds"] < 90


@pytest.mark.parametrize("outcome", ["NO_CONTACT", "WRONG_NUMBER"])
async def test_fl02_a_call_that_stays_nobodys_ends_with_a_result_and_is_told(
    console: RunningConsole, outcome: str
) -> None:
    """CC-13: it has its result as every call; the agent is free again, the supervisor sees the number."""
    one = await calls_us(console, NUMBER)
    await one.end()
    assert (await one.browser.get("/desk")).status_code == 200
    assert await one.post("/desk/result", outcome=outcome) == 200
    assert (await one.browser.get("/desk/state")).json()["state"] == "READY"
    assert (await one.browser.get("/desk")).status_code == 200
    boss = await console.logged_in("boss", "supervisor")
    assert "+380 67 123 98 76" in (await boss.get("/floor")).text.replace("\u00a0", " ")
    async with console.database.begin() as s:
        assert (await s.execute(select(UnknownCaller.call_id))).scalars().all() == [one.call]


async def test_an_agent_searches_for_people_only_in_a_call_that_is_nobodys(console: RunningConsole) -> None:
    one = await calls_us(console, NUMBER)
    other = await console.logged_in("petro", extension=102)
    assert (await other.send_form("/desk/caller/find", call_id=one.call, q="Коваленко")).status_code == 404
    assert await one.post("/desk/caller", case_number=one.borrower.case.number) == 200
    assert (await one.browser.send_form("/desk/caller/find", call_id=one.call, q="Коваленко")).status_code == 404
    fields = {"call_id": one.call, "case_number": one.borrower.case.number}
    assert (await other.send_form("/desk/caller", **fields)).status_code == 404


async def test_the_floor_shows_a_call_of_nobody_while_it_lasts(console: RunningConsole) -> None:
    one = await calls_us(console, NUMBER)
    boss = await console.logged_in("boss", "supervisor")
    page = (await boss.get("/floor")).text
    assert f'id="call-{one.call}"' in page
