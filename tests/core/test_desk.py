"""What the desk hands out and takes in: nothing secret before the right party is confirmed, one result a call."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import select

from backoffice_core.borrowers.models import ContactPoint, PersonFlag
from backoffice_core.call_centre.calls import attempts, settling
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.call_centre.desks import agents, desk
from backoffice_core.call_centre.desks.desk import IdentityLocked, OutcomeNeedsConfirmation, Result
from backoffice_core.call_centre.models import AgentSession, CallAttempt
from backoffice_core.call_centre.queueing import queue
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case, CaseEvent, Task
from backoffice_core.cases.rules import CALLBACK, one_per_case
from backoffice_core.clock import Clock
from backoffice_core.collection.models import Promise
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput, Conflict, NotFound
from tests import house

S = timedelta(seconds=1)


class Talk:
    """A talk that has just ended: the agent is in wrap-up."""

    def __init__(self, database: Database, clock: Clock, borrower: house.Borrower, agent: UUID, call: UUID) -> None:
        self.database, self.clock, self.borrower, self.agent, self.call = database, clock, borrower, agent, call

    async def save(self, result: Result) -> desk.NextStep:
        async with self.database.begin() as s:
            return await desk.record_result(
                s, self.agent, self.call, result, now=self.clock.now(), today=self.clock.today(), wall=self.clock.wall()
            )

    async def answer(self, field: str, answer: str) -> desk.IdentityCheck:
        async with self.database.begin() as s:
            return await desk.check_identity(s, self.agent, self.call, field, answer, self.clock.wall())

    async def confirm(self) -> None:
        await self.answer("birth_date", "14.03.1985")
        assert (await self.answer("code_word", " калина ")).confirmed


@pytest.fixture
async def talk(database: Database, live_settings: Settings, clock: Clock) -> Talk:
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        borrower = await house.borrower(s, clock)
        seat = await house.agent(s, clock)
    async with database.begin() as s:
        placing = await attempts.claim(
            s, live_settings, trunk=live_settings.trunks[0], now=clock.now(), today=clock.today(), wall=clock.wall()
        )
        assert isinstance(placing, Placing)
    wall = clock.wall()
    async with database.begin() as s:
        await attempts.connect(s, placing.call_id, wall)
        await attempts.heard(s, placing.call_id, answered_at=wall, bridged_at=wall)
        await settling.settle(s, placing.call_id, CallFacts(ended_at=wall + 30 * S, cause=16), clock.now())
    return Talk(database, clock, borrower, seat.user_id, placing.call_id)


async def test_the_unconfirmed_card_holds_no_money_contract_or_history(talk: Talk) -> None:
    async with talk.database.begin() as s:
        card = await desk.card(s, talk.agent, talk.call, talk.clock.now())
    assert card is not None
    assert (card.confirmed, card.loans, card.promises, card.history, card.overdue) == (False, [], [], [], Decimal(0))
    assert (card.contacts_today, card.contacts_max) == (1, 2)
    await talk.confirm()
    async with talk.database.begin() as s:
        card = await desk.card(s, talk.agent, talk.call, talk.clock.now())
    assert card is not None
    assert (card.overdue, [loan.contract_no for loan in card.loans]) == (
        Decimal("1800.00"), [talk.borrower.loan.contract_no],
    )  # fmt: skip


async def test_another_agents_call_is_not_found(talk: Talk) -> None:
    async with talk.database.begin() as s:
        stranger = await house.agent(s, talk.clock)
        assert await desk.card(s, stranger.user_id, talk.call, talk.clock.now()) is None
        with pytest.raises(NotFound):
            await desk.check_identity(s, stranger.user_id, talk.call, "code_word", "калина", talk.clock.wall())
        with pytest.raises(NotFound):
            await desk.save_note(s, stranger.user_id, talk.call, "x")


@pytest.mark.parametrize("typed", ["14.03.1985", "14/3/1985", "1985-03-14", " 14 03 1985 "])
async def test_a_birth_date_is_understood_as_people_say_it(talk: Talk, typed: str) -> None:
    assert (await talk.answer("birth_date", typed)).match


async def test_a_date_that_no_calendar_has_is_no_miss(talk: Talk) -> None:
    with pytest.raises(BadInput):
        await talk.answer("birth_date", "32.13.1999")
    assert (await talk.answer("birth_date", "14.03.1985")).misses == 0


async def test_three_misses_close_the_check_for_the_call(talk: Talk) -> None:
    for n in range(3):
        check = await talk.answer("code_word", "не знаю")
        assert (check.match, check.misses, check.locked) == (False, n + 1, n == 2)
    with pytest.raises(IdentityLocked):
        await talk.answer("birth_date", "14.03.1985")


async def test_the_same_right_answer_twice_is_one_match(talk: Talk) -> None:
    await talk.answer("birth_date", "14.03.1985")
    check = await talk.answer("birth_date", "14.03.1985")
    assert (check.matches, check.confirmed) == (1, False)


async def test_no_ready_without_a_result(talk: Talk) -> None:
    """CC-13: an ended call without a disposition keeps the agent out of ready."""
    async with talk.database.begin() as s:
        with pytest.raises(agents.NoDisposition):
            await agents.go_ready(s, talk.agent, talk.clock.wall())
        with pytest.raises(agents.NoDisposition):
            await agents.close_session(s, talk.agent, talk.clock.wall())
    await talk.save(Result(outcome="LEFT_MSG_3P"))
    async with talk.database.begin() as s:
        seat = (await s.execute(select(AgentSession).where(AgentSession.user_id == talk.agent))).scalar_one()
        call = await s.get_one(CallAttempt, talk.call)
    assert (seat.state, seat.call_id, call.outcome) == ("READY", None, "LEFT_MSG_3P")


async def test_a_promise_becomes_promise_task_and_state(talk: Talk) -> None:
    """CC-13, CC-14: sum and date, the control date the day after, the case waits for it."""
    await talk.confirm()
    due = talk.clock.today() + timedelta(days=2)
    step = await talk.save(Result(outcome="PTP_FULL", amount=Decimal("1800.00"), due_date=due, note="зарплата 24-го"))
    assert (step.task, step.control_date, step.case_state) == ("CHECK_PROMISE", due + timedelta(days=1), "PROMISED")
    again = await talk.save(Result(outcome="PTP_FULL", amount=Decimal("1800.00"), due_date=due))
    assert again.task == "CHECK_PROMISE"
    async with talk.database.begin() as s:
        promises = (await s.execute(select(Promise))).scalars().all()
        tasks = (await s.execute(select(Task))).scalars().all()
        outcomes = (await s.execute(select(CaseEvent).where(CaseEvent.kind == "outcome"))).scalars().all()
        case = await s.get_one(Case, talk.borrower.case.id)
        number = await s.get_one(ContactPoint, talk.borrower.phone.id)
    assert [(p.amount, p.due_date, p.state) for p in promises] == [(Decimal("1800.00"), due, "OPEN")]
    assert [(t.kind, t.control_date) for t in tasks] == [("CHECK_PROMISE", due + timedelta(days=1))]
    assert [(o.data["outcome"], o.data["note"]) for o in outcomes] == [("PTP_FULL", "зарплата 24-го")]
    assert (case.state, number.state) == ("PROMISED", "VERIFIED")
    with pytest.raises(Conflict):
        await talk.save(Result(outcome="REFUSE"))


@pytest.mark.parametrize(
    ("result", "field"),
    [
        (Result(outcome="PTP_FULL"), "amount"),
        (Result(outcome="PTP_FULL", amount=Decimal("-1")), "amount"),
        (Result(outcome="PTP_FULL", amount=Decimal("10")), "due_date"),
        (Result(outcome="PTP_PART", amount=Decimal("1800.01")), "amount"),
        (Result(outcome="PTP_FULL", amount=Decimal("10000.01")), "amount"),  # the whole debt is 10 000.00
        (Result(outcome="CALLBACK"), "call_back_at"),
        (Result(outcome="NOTHING_LIKE_IT"), "outcome"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.outcome,
)
async def test_an_incomplete_result_names_its_field_and_changes_nothing(talk: Talk, result: Result, field: str) -> None:
    await talk.confirm()
    with pytest.raises(BadInput) as refused:
        await talk.save(result)
    assert refused.value.details["field"] == field
    async with talk.database.begin() as s:
        assert (await s.get_one(CallAttempt, talk.call)).outcome is None
        assert not (await s.execute(select(Task))).scalars().all()


async def test_a_promise_beyond_the_limit_is_refused(talk: Talk) -> None:
    await talk.confirm()
    far = talk.clock.today() + timedelta(days=31)
    with pytest.raises(BadInput) as refused:
        await talk.save(Result(outcome="PTP_FULL", amount=Decimal("100"), due_date=far))
    assert refused.value.details["field"] == "due_date"


async def test_a_result_that_says_borrower_needs_the_borrower_confirmed(talk: Talk) -> None:
    with pytest.raises(OutcomeNeedsConfirmation):
        await talk.save(Result(outcome="REFUSE"))


async def test_a_stop_said_on_the_phone_stops_treatment(talk: Talk) -> None:
    step = await talk.save(Result(outcome="MILITARY"))
    assert (step.task, step.case_state) == ("EVIDENCE", "ON_HOLD")
    async with talk.database.begin() as s:
        assert (await s.get_one(Case, talk.borrower.case.id)).state == "ON_HOLD"
        flags = (await s.execute(select(PersonFlag.flag))).scalars().all()
    assert flags == ["protected_military"]


async def test_a_wrong_number_is_never_dialed_again_for_this_person(talk: Talk) -> None:
    """CC-12: one task to refresh the contact data; the number is wrong for this borrower."""
    await talk.save(Result(outcome="WRONG_NUMBER"))
    async with talk.database.begin() as s:
        assert (await s.get_one(ContactPoint, talk.borrower.phone.id)).state == "WRONG_PARTY"
        tasks = (await s.execute(select(Task.kind))).scalars().all()
    assert tasks == ["REFRESH_CONTACT_DATA"]


async def test_a_pause_wished_during_the_talk_comes_after_the_result(talk: Talk) -> None:
    async with talk.database.begin() as s:
        seat = await agents.pause(s, talk.agent, "LUNCH", talk.clock.wall())
        assert (seat.state, seat.wants_pause) == ("WRAP_UP", "LUNCH")
    await talk.save(Result(outcome="HANGUP"))
    async with talk.database.begin() as s:
        seat = (await s.execute(select(AgentSession).where(AgentSession.user_id == talk.agent))).scalar_one()
    assert (seat.state, seat.reason) == ("PAUSED", "LUNCH")


async def test_the_hour_that_he_names_last_is_the_one_at_which_he_is_called(talk: Talk) -> None:
    """Issue 5, call backs: asked again in the very talk that served the first one, it is a new task; one is open, not two."""
    now = talk.clock.now()
    async with talk.database.begin() as s:
        await cases.raise_task(
            s, talk.borrower.case.id, CALLBACK, talk.clock.today(), one_per_case(CALLBACK, talk.borrower.case.id),
            now - timedelta(minutes=1), data={"missed": True}, at=now - timedelta(hours=1),
        )  # fmt: skip
    await talk.confirm()
    await talk.save(Result(outcome="CALLBACK", call_back_at=now + timedelta(hours=3), anybody=True))
    async with talk.database.begin() as s:
        await queue.close_served(s, now + timedelta(minutes=1), [talk.borrower.case.id])
        (task,) = [one for one in await cases.tasks_of(s, talk.borrower.case.id) if one.kind == CALLBACK]
    assert (task.earliest_at, task.data.get("anybody")) == (now + timedelta(hours=3), True)
