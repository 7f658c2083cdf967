"""Preview mode on real PostgreSQL: one card, one agent; dialed with him in hand, skipped, left alone, or taken away."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from backoffice_core.call_centre.calls import attempts, settling
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.call_centre.desks import preview
from backoffice_core.call_centre.desks.preview_models import Preview
from backoffice_core.call_centre.dialing.campaign_models import Campaign
from backoffice_core.call_centre.models import AgentSession, CallAttempt, CallTask
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.cases.models import Case
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from backoffice_core.staff.models import User
from tests import house

S = timedelta(seconds=1)


class Floor:
    """Two agents ready, three borrowers in a campaign that is in preview mode."""

    def __init__(self, database: Database, settings: Settings, clock: Clock) -> None:
        self.database, self.settings, self.clock = database, settings, clock
        self.agents: list[UUID] = []
        self.tasks: list[UUID] = []

    async def open(self) -> "Floor":
        async with self.database.begin() as s:
            await house.rules_in_force(s, self.clock)
            await s.execute(update(Campaign).values(mode="preview"))
            for n in range(3):
                self.tasks.append((await house.borrower(s, self.clock, position=n + 1)).task.id)
            for n in range(2):
                self.agents.append((await house.agent(s, self.clock, since=self.clock.wall() - (9 - n) * S)).user_id)
        return self

    async def offer(self, agent: int) -> Preview | preview.Nothing:
        async with self.database.begin() as s:
            return await preview.offer(
                s,
                self.settings,
                self.agents[agent],
                now=self.clock.now(),
                today=self.clock.today(),
                wall=self.clock.wall(),
            )

    async def shown(self, agent: int) -> Preview:
        found = await self.offer(agent)
        assert isinstance(found, Preview), found
        return found

    async def dial(self, shown: Preview, *, late: timedelta = timedelta()) -> Placing | None:
        async with self.database.begin() as s:
            await preview.want_dial(s, self.settings, shown.user_id, shown.id, self.clock.wall() - late)
        async with self.database.begin() as s:
            assert await preview.wanted(s) == [shown.id]
            placing, agent = await preview.claim(
                s, self.settings, shown.id, order=self.settings.trunks, now=self.clock.now(), today=self.clock.today(),
                wall=self.clock.wall(),
            )  # fmt: skip
            assert agent == shown.user_id
            return placing

    async def sweep(self, later: timedelta = timedelta()) -> list[UUID]:
        async with self.database.begin() as s:
            return await preview.sweep(s, self.clock.wall() + later)

    async def seat(self, agent: int) -> AgentSession:
        async with self.database.begin() as s:
            query = select(AgentSession).where(AgentSession.user_id == self.agents[agent])
            return (await s.execute(query)).scalar_one()

    async def task(self, n: int) -> CallTask:
        async with self.database.begin() as s:
            return await s.get_one(CallTask, self.tasks[n])


@pytest.fixture
async def floor(database: Database, live_settings: Settings, clock: Clock) -> Floor:
    return await Floor(database, live_settings, clock).open()


async def test_a_card_is_one_agents_until_it_is_dialed_with_him_in_hand(floor: Floor) -> None:
    """Issue 5, preview: the second agent gets the next one and sees who has the first; nobody else's claim takes it; the
    dial asks the law and reserves him in one commit; unanswered, he is ready again."""
    first, second = await floor.shown(0), await floor.shown(1)
    assert [first.task_id, second.task_id] == floor.tasks[:2]
    assert (await floor.shown(0)).id == first.id, "asked again, the same card"
    async with floor.database.begin() as s:
        (seen,) = await preview.taken(s, first.case_id)
        assert seen.agent_name == (await s.get_one(User, floor.agents[0])).full_name
        assert len(await preview.taken(s)) == 2
        card = await preview.card(s, floor.agents[0], floor.clock.now())
        assert card is not None
        assert card.person.id == (await s.get_one(CallTask, first.task_id)).person_id
        other = await attempts.claim(
            s, floor.settings, trunk=floor.settings.trunks[0], now=floor.clock.now(), today=floor.clock.today(),
            wall=floor.clock.wall(),
        )  # fmt: skip
        assert other is None, "a task that no agent has seen is not dialed in this mode"
    placing = await floor.dial(first)
    assert placing is not None
    assert (placing.task_id, placing.agent_id) == (first.task_id, floor.agents[0])
    seat = await floor.seat(0)
    assert (seat.state, seat.call_id) == ("RESERVED", placing.call_id)
    async with floor.database.begin() as s:
        call = await s.get_one(CallAttempt, placing.call_id)
        assert (call.held, call.agent_id, call.decision_id is not None) == (True, floor.agents[0], True)
        facts = CallFacts(ended_at=floor.clock.wall(), cause=17, sip_code=486)
        await settling.settle(s, placing.call_id, facts, floor.clock.now())
    assert (await floor.seat(0)).state == "READY"


async def test_skipped_left_alone_or_taken_away_it_goes_back(floor: Floor) -> None:
    """Skips wait half an hour and are counted by reason; a card left alone is callable at once and its agent paused; a task
    that a payment cancelled takes its card away; an agent who leaves gives his back."""
    shown = await floor.shown(0)
    async with floor.database.begin() as s:
        with pytest.raises(BadInput):
            await preview.skip(
                s, floor.agents[0], shown.id, "NO_REASON", now=floor.clock.now(), wall=floor.clock.wall()
            )
    async with floor.database.begin() as s:
        await preview.skip(s, floor.agents[0], shown.id, "SPOKE_LATELY", now=floor.clock.now(), wall=floor.clock.wall())
    task = await floor.task(0)
    assert task.earliest_at is not None
    assert (task.state_reason, (await floor.seat(0)).state) == ("SKIPPED", "READY")
    assert task.earliest_at - floor.clock.now() > 29 * 60 * S

    await floor.shown(0)
    assert await floor.sweep() == []
    assert await floor.sweep(later=61 * S) == [floor.agents[0]]
    left, seat = await floor.task(1), await floor.seat(0)
    assert (left.earliest_at, seat.state, seat.reason) == (None, "PAUSED", "PREVIEW_LEFT")

    await floor.shown(1)
    async with floor.database.begin() as s:
        await s.execute(update(CallTask).where(CallTask.id == floor.tasks[1]).values(state="CANCELLED"))
    assert await floor.sweep() == [floor.agents[1]]
    assert (await floor.seat(1)).state == "READY"

    await floor.shown(1)
    async with floor.database.begin() as s:
        await s.execute(update(AgentSession).values(state="PAUSED", reason="BREAK", call_id=None))
    assert await floor.sweep() == []
    assert (await floor.task(2)).earliest_at is None
    async with floor.database.begin() as s:
        day = timedelta(days=1)
        found = await preview.counts(s, floor.clock.now() - day, floor.clock.now() + day)
    assert found == {"SKIPPED:SPOKE_LATELY": 1, "LEFT": 1, "WITHDRAWN": 2}


async def test_refused_in_words_at_the_second_of_dialing_and_when_nothing_is_callable(floor: Floor) -> None:
    """The law is asked when the key is pressed: a status that came meanwhile refuses, with the reason for the desk; a wish
    that is too old is not dialed; with nothing callable the desk knows why and until when."""
    shown = await floor.shown(0)
    async with floor.database.begin() as s:
        await s.execute(update(Case).where(Case.id == shown.case_id).values(state="ON_HOLD"))
    assert await floor.dial(shown) is None
    async with floor.database.begin() as s:
        told = await preview.last_refusal(s, floor.agents[0], floor.clock.wall())
    assert told is not None
    assert told[1] == "ON_HOLD"
    shown = await floor.shown(0)
    assert await floor.dial(shown, late=9 * S) is None
    async with floor.database.begin() as s:
        assert (await preview.last_refusal(s, floor.agents[0], floor.clock.wall()) or ("", ""))[1] == "TOO_LATE"
        await s.execute(
            update(CallTask).values(state="RETRY_WAIT", state_reason="BUSY", earliest_at=floor.clock.now() + 60 * S)
        )
    nothing = await floor.offer(0)
    assert isinstance(nothing, preview.Nothing)
    assert (nothing.code, nothing.tasks, nothing.reason) == ("WAITING", 3, "BUSY")
    async with floor.database.begin() as s:
        await s.execute(update(CallTask).values(state="DONE"))
        assert (await preview.standing(s, floor.settings, floor.agents[0], floor.clock.today())) == preview.Nothing(
            "EMPTY"
        )
        await s.execute(update(Campaign).values(mode="progressive"))
        assert await preview.standing(s, floor.settings, floor.agents[0], floor.clock.today()) is None


async def test_a_campaign_that_leaves_preview_mode_takes_its_cards_back_at_once(floor: Floor) -> None:
    """TL-07: changed while running: the card goes back to the queue, and its agent is ready, not paused."""
    for change in ({"mode": "progressive"}, {"active": False}):
        await floor.shown(0)
        assert await floor.sweep() == []
        async with floor.database.begin() as s:
            await s.execute(update(Campaign).values(**change))
        assert await floor.sweep() == [floor.agents[0]]
        seat, task = await floor.seat(0), await floor.task(0)
        assert (seat.state, task.earliest_at, task.state_reason) == ("READY", None, "")
        async with floor.database.begin() as s:
            await s.execute(update(Campaign).values(mode="preview", active=True))
