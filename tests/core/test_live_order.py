"""The order in which the queue is really called (issue 5, CC-10, CC-11, FL-17): what a night learns of numbers and hours places
the cases, says why, and finds new places with every hour."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select

from backoffice_core.borrowers.models import ContactPoint, Person
from backoffice_core.call_centre.dialing import campaign_lists, campaigns
from backoffice_core.call_centre.dialing.campaign_terms import strategy
from backoffice_core.call_centre.dialing.pacing_view import Floor
from backoffice_core.call_centre.models import CallAttempt, CallTask
from backoffice_core.call_centre.queueing import hour_order, learned, requeue
from backoffice_core.call_centre.queueing.chance_models import ChancesLearned, NumberChance
from backoffice_core.call_centre.queueing.queue_models import QueueDay
from backoffice_core.cases.models import Case
from backoffice_core.catalogue import Catalogue
from backoffice_core.clock import Clock
from backoffice_core.config import Settings
from backoffice_core.db import Database
from backoffice_core.errors import BadInput
from dialer.pool import Pool
from tests import house
from tests.core.bank import KYIV, WEDNESDAY, Bank
from tests.rules.test_pool import planned, row, seat, terms

EVENING, MORNING, BOTH, FRESH = 1, 2, 3, 4  # borrowers: who answers when; 3 has two numbers, nobody has called 4
LIST = [{"n": n} | ({"phones": "+380671000031|+380671000032"} if n == BOTH else {}) for n in range(1, 12)]


@pytest.fixture
async def bank(database: Database, live_settings: Settings, tmp_path: Path) -> Bank:
    bank = Bank(database, live_settings, tmp_path)
    await bank.open()
    await bank.file(*LIST)
    await bank.night()
    return bank


Answers = Mapping[int, tuple[str | None, str | None]]  # hour -> result, outcome


async def past(bank: Bank, n: int, answers: Answers, *, days: int = 20, phone: int = 0) -> None:
    """So many days in which borrower `n` was called at these hours."""
    at_night = datetime.combine(WEDNESDAY, datetime.min.time(), KYIV)
    async with bank.database.begin() as s:
        point, person, case = (await s.execute(
            select(ContactPoint.id, Person.id, Case.id).join(Person, Person.id == ContactPoint.person_id)
            .join(Case, Case.person_id == Person.id).where(Person.external_ref == f"P{n}", ContactPoint.rank == phone)
        )).one()  # fmt: skip
        rows: list[dict[str, Any]] = []
        for ago in range(2, days + 2):
            for hour, (result, outcome) in answers.items():
                wall = Clock.wall() - timedelta(days=ago)
                rows.append({
                    "id": uuid4(), "case_id": case, "person_id": person, "contact_point_id": point, "number": f"+38067{n:07}",
                    "campaign": "collection", "purpose": "collection", "trunk": "far-end", "caller_id": "", "language": "uk",
                    "fence": 1, "state": "ENDED", "claimed_at": wall, "ended_at": wall + timedelta(seconds=40),
                    "business_at": at_night - timedelta(days=ago) + timedelta(hours=hour), "result": result, "outcome": outcome,
                    "answered_at": wall if outcome else None, "bridged_at": wall if outcome else None,
                })  # fmt: skip
        await s.execute(insert(CallAttempt), rows)


VAIN, TALK, STRANGER = ("NO_ANSWER", None), ("ANSWERED_HUMAN", "REFUSE"), ("ANSWERED_HUMAN", "LEFT_MSG_3P")


async def taught(bank: Bank, *, agents: int = 30) -> None:
    """Three borrowers with hours of their own and a floor of agents; the night is run again."""
    await past(bank, EVENING, {10: VAIN, 12: VAIN, 18: TALK, 19: TALK})
    await past(bank, MORNING, {9: TALK, 10: TALK, 15: VAIN, 18: VAIN})
    await past(bank, BOTH, {9: VAIN, 13: VAIN, 18: STRANGER}, phone=0)
    await past(bank, BOTH, {9: TALK, 13: TALK, 18: TALK}, phone=1)
    async with bank.database.begin() as s:
        for _ in range(agents):
            await house.agent(s, bank.clock)
    await bank.night(again=True)


async def task(bank: Bank, n: int) -> CallTask:
    case = await bank.case(n)
    return next(one for one in await bank.tasks() if one.case_id == case.id)


async def hour(bank: Bank, at: float) -> int | None:
    """The clock comes to this hour; the worker plans it and judges the marked cases."""
    bank.at(WEDNESDAY, at)
    terms: dict[str, Any] = {"now": bank.now, "today": WEDNESDAY, "zone": KYIV}
    async with bank.database.begin() as s:
        planned = await hour_order.new_hour(s, **terms)
        for part in planned.parts if planned is not None else ():
            async with bank.database.begin() as one:
                await hour_order.move(one, part)
    async with bank.database.begin() as s:
        await requeue.rejudge(s, bank.settings, **terms)
    return planned and planned.cases


async def test_too_few_calls_teach_nothing(bank: Bank) -> None:
    """CC-11: below ENOUGH attempts the order is that of the debts alone."""
    await past(bank, EVENING, {18: TALK})
    report = await bank.night(again=True)
    assert report.counts("learn_chances") == {"attempts": 20, "numbers": 0}
    async with bank.database.begin() as s:
        assert "plan" not in (await s.get_one(QueueDay, WEDNESDAY)).norms
    assert all("reach" not in one.why for one in await bank.tasks())


async def test_the_night_learns_when_whom_and_by_which_number(bank: Bank) -> None:
    """CC-11, TL-07: chances per number and hour of the borrower's day, kept small, and those of numbers that nobody called."""
    await taught(bank)
    async with bank.database.begin() as s:
        assert (await s.get_one(ChancesLearned, WEDNESDAY)).numbers == 4
        points = {(await bank.phone(n)).id: n for n in (EVENING, MORNING)}
        right = {n: (await learned.of_number(s, point))[1] for point, n in points.items()}  # type: ignore[index]
        (row, *_) = await s.scalars(select(NumberChance))
        assert len(row.right_party) == len(row.answered) == 48, "24 hours, two bytes each"
    assert right[EVENING][18] > 2 * right[EVENING][10]
    assert right[MORNING][10] > 2 * right[MORNING][18]


async def test_each_is_called_in_his_hour_by_his_number_and_the_queue_says_why(bank: Bank) -> None:
    """FL-17, CC-10: with agents enough he who answers in the evening waits for it; the likelier number is called."""
    await taught(bank)
    evening, morning, both, fresh = [await task(bank, n) for n in (EVENING, MORNING, BOTH, FRESH)]
    assert evening.state_reason == "BEST_HOUR"
    assert evening.earliest_at is not None
    assert evening.earliest_at.astimezone(KYIV).hour >= 15, "of his attempts the first"
    assert (morning.earliest_at, fresh.earliest_at) == (datetime(2027, 2, 3, 9, tzinfo=KYIV),) * 2
    assert morning.position < evening.position
    async with bank.database.begin() as s:
        assert (await s.get_one(ContactPoint, both.contact_point_id)).rank == 1
    assert evening.why["best_hour"] in {17, 18, 19}
    assert float(evening.why["best_reach"]) > 2 * float(evening.why["reach"])
    assert (evening.why["tried"], fresh.why["tried"]) == (80, 0)
    said = _said(evening)
    assert "best at 1" in said
    assert "from 80 calls" in said
    assert "from numbers like it" in _said(fresh)


def _said(task: CallTask) -> str:
    from agent_console.view import _why

    return _why(Catalogue.load().words("en"), task.why)


async def test_each_hour_is_planned_once_and_places_move(bank: Bank) -> None:
    """CC-10: the place is that of the hour that runs; a case that waited for it comes to the front by itself."""
    await taught(bank)
    before = (await task(bank, MORNING)).position
    assert await hour(bank, 9.1) is None, "the night planned from the first lawful hour"
    assert await hour(bank, 14.01) == 11
    assert await hour(bank, 14.5) is None
    assert (await task(bank, MORNING)).position > before, "his morning is over"
    assert await hour(bank, 18.01) == 11
    evening, morning = await task(bank, EVENING), await task(bank, MORNING)
    assert (evening.earliest_at, evening.state_reason) == (None, "")
    assert evening.position < morning.position


@pytest.mark.parametrize(
    ("ordering", "agents"), [({"hours": "order"}, 30), ({"hours": "off"}, 30), ({"by": "amount"}, 30), ({}, 0)]
)
async def test_nobody_waits_for_an_hour_unless_asked_and_staffed(
    bank: Bank, ordering: dict[str, str], agents: int
) -> None:
    """TL-07: the campaign decides; where nobody is known to work there is no plan."""
    async with bank.database.begin() as s:
        await campaigns.change(s, "collection", {"ordering": ordering}, who="os:x", by="x", wall=Clock.wall())
    await taught(bank, agents=agents)
    assert {one.state_reason for one in await bank.tasks()} == {""}
    assert ("reach" in (await task(bank, EVENING)).why) == (ordering == {"hours": "order"})


async def test_what_an_attempt_costs_is_taken_from_what_it_brings(bank: Bank) -> None:
    """TL-07, expected recovery minus cost of the attempt: a case that a call cannot pay for stands last."""
    async with bank.database.begin() as s:
        ordering = {"hours": "order", "cost": {"UAH": "100"}, "weights": {"0": "1"}}
        await campaigns.change(s, "collection", {"ordering": ordering}, who="os:x", by="x", wall=Clock.wall())
    await bank.file({"n": 12, "overdue_principal": "5"}, *LIST)
    await bank.night(again=True)
    await taught(bank)
    await hour(bank, 10.01)
    last = (await bank.tasks())[-1]
    assert last.case_id == (await bank.case(12)).id
    assert "brings less than a call costs" in _said(last)
    assert "brings less" not in _said(await task(bank, MORNING))
    with pytest.raises(BadInput, match="ordering"):
        strategy({"hours": "whenever"})


async def test_campaigns_take_their_lists_and_nobody_is_in_two(bank: Bank, tmp_path: Path) -> None:
    """TL-07, mix of lists: by stage, product, or a given list, the most urgent first; what changes moves cases at once."""

    async def set_(name: str, **fields: Any) -> None:
        async with bank.database.begin() as s:
            await campaigns.change(s, name, fields, who="os:x", by="x", wall=Clock.wall(), new=True)

    async def lists() -> dict[str, int]:
        async with bank.database.begin() as s:
            await requeue.rejudge(s, bank.settings, now=bank.now, today=WEDNESDAY, zone=KYIV)
        return dict(Counter(one.campaign for one in await bank.tasks()))

    assert await lists() == {"collection": 11}
    await set_("cards", whom={"products": ["card"]}, priority="5")
    await set_("hand", whom={"given": True}, priority="3", ordering={"by": "amount"})
    await bank.file(*(row | ({"product": "card"} if row["n"] in {5, 6, 7} else {}) for row in LIST))
    async with bank.database.begin() as s:
        numbers = [str((await bank.case(n)).number) for n in (7, 8)]
        assert await campaign_lists.give(s, "hand", [*numbers, "C9", "", "nobody"]) == (3, ["nobody"])
    assert await lists() == {"collection": 6, "cards": 2, "hand": 3}
    assert (await task(bank, 7)).campaign == "hand"
    await bank.night(again=True)
    assert (await task(bank, 8)).why["by"] == "amount", "each list in its own order"
    assert "by" not in (await task(bank, 5)).why
    await set_("hand", active=False)
    assert await lists() == {"collection": 8, "cards": 3}
    for said in ({"stages": [7]}, {"products": "card"}, {"colour": "red"}, {"weight": "heavy"}):
        with pytest.raises(BadInput):
            await set_("cards", whom=said)


def test_equals_share_calls_by_their_weights_one_by_one() -> None:
    """TL-07, mix of lists with shares: 3 to 1 also where each step places one call; who had nothing earns no credit."""
    held, floor = terms(row("a", whom={"weight": 3}), row("b")), Floor([], [seat()])
    pool = Pool(held.campaigns)

    def steps(many: int, *empty: str) -> Counter[str]:
        plans = (planned(floor, held, empty, pool=pool) for _ in range(many))
        return Counter(name for plan in plans for name, n in plan.given.items() if n)

    assert 290 <= steps(400)["a"] <= 310
    assert steps(300, "a") == {"b": 300}
    assert steps(40)["b"] >= 8
