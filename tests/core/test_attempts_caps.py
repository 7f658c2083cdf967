"""Many dialers at once on real PostgreSQL: no cap is passed, nothing is claimed twice, whatever the calls come to."""

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from backoffice_core.call_centre.calls import attempts, settling
from backoffice_core.call_centre.calls.attempts import Placing
from backoffice_core.call_centre.models import CallAttempt, CallTask
from backoffice_core.call_centre.rules import CallFacts
from backoffice_core.clock import Clock
from backoffice_core.compliance import loader
from backoffice_core.compliance import service as compliance
from backoffice_core.compliance.models import ContactLedger
from backoffice_core.config import Settings
from backoffice_core.db import Database
from tests import house

S = timedelta(seconds=1)
DIALERS = 8
ENDS = (  # how a call may end: sip, cause, answered, heard
    ("NO_ANSWER", 480, 19, False, True), ("BUSY", 486, 17, False, True), ("CONGESTION", 503, 34, False, True),
    ("ABANDONED", None, 16, True, True), ("UNKNOWN", None, None, False, False),
)  # fmt: skip
OUT_FOR_TODAY = {"ABANDONED", "UNKNOWN"}


class Floor:
    """Business time moves by hand; each claim stands for a dialer of its own with a connection of its own.

    How calls end is drawn from decks, not by lot: a talk or an unknown end takes its borrower out of the day, and by lot so
    many may come first that nobody is left to be called.
    """

    def __init__(self, database: Database, settings: Settings, clock: Clock, seed: int) -> None:
        self.database, self.settings, self.clock = database, settings, clock
        self.now, self.dice = clock.now(), random.Random(seed)
        self.deck: list[tuple[str, int | None, int | None, bool, bool]] = []
        self.claimed: list[tuple[datetime, Placing]] = []
        self.results: dict[UUID, str] = {}

    async def dialer(self, at: datetime) -> None:
        async with self.database.begin() as s:
            taken = await attempts.claim(
                s,
                self.settings,
                trunk=self.settings.trunks[0],
                now=at,
                today=self.clock.today(),
                wall=self.clock.wall(),
            )
        if isinstance(taken, Placing):
            self.claimed.append((at, taken))
            assert (
                sum(1 for _, one in self.claimed if one.call_id not in self.results and one.number == taken.number) == 1
            )
            await asyncio.sleep(self.dice.random() / 50)
            await self.end(taken, at)

    async def end(self, call: Placing, at: datetime) -> None:
        if not self.deck:
            self.deck = [end for end in ENDS for _ in range(1 if end[0] in OUT_FOR_TODAY else 4)]
            self.dice.shuffle(self.deck)
        name, sip, cause, answered, heard = self.deck.pop()
        wall = self.clock.wall()
        facts = CallFacts(
            ended_at=wall + 30 * S, sip_code=sip, cause=cause, heard=heard, answered_at=wall if answered else None,
            message_at=wall + 2 * S if answered else None,
        )  # fmt: skip
        async with self.database.begin() as s:
            ended = await settling.settle(s, call.call_id, facts, at)
        assert ended is not None
        self.results[call.call_id] = name

    async def everybody_may_be_asked_again(self) -> None:
        """As if the night had laid them out anew: only the caps stand in the way, not the queue's own waiting."""
        async with self.database.begin() as s:
            waits = CallTask.state.in_(("RETRY_WAIT", "EXHAUSTED", "DONE"))
            await s.execute(update(CallTask).where(waits).values(state="ELIGIBLE", earliest_at=None, attempts=0))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_cap_is_passed_by_eight_dialers_whatever_the_calls_come_to(
    database: Database, live_settings: Settings, clock: Clock, seed: int
) -> None:
    """FL-20, CP: per person and, where a rule says so, per number; calendar day and rolling week. What our trunk lost is
    given back, UNKNOWN counts and is not dialed again."""
    by_number = {
        "id": "HOUSE-NUMBER-D", "jurisdiction": "UA", "kind": "frequency_cap", "count_unit": "attempt",
        "applies_to": {"purpose": ["collection"], "channel": ["call", "robot"]}, "scope": "number",
        "window": {"type": "calendar_day", "n": 1}, "params": {"max": 3}, "on_breach": "block",
        "effective_from": "2020-01-01", "source": "test", "verified": False,
    }  # fmt: skip
    gapless = next(row for row in loader.read_file() if row["id"] == "ANY-ATTEMPT-D") | {"params": {"max": 4}}
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        await compliance.load_rules(s, "test", [by_number, gapless])
        borrowers = [await house.borrower(s, clock) for _ in range(6)]
        shared = borrowers[0].phone.value  # two more people have the same number
        borrowers += [await house.borrower(s, clock, number=shared) for _ in range(2)]
    floor = Floor(database, live_settings, clock, seed)
    for hour in range(5):
        await asyncio.gather(*(floor.dialer(floor.now + timedelta(hours=hour, minutes=n)) for n in range(DIALERS * 2)))
        await floor.everybody_may_be_asked_again()

    async with database.begin() as s:
        rows = (await s.execute(select(ContactLedger))).scalars().all()
        calls = (await s.execute(select(CallAttempt))).scalars().all()
    assert len(floor.claimed) == len(calls) == len(rows) >= 12
    lost = {call for call, result in floor.results.items() if result == "CONGESTION"}
    assert {row.call_id for row in rows if row.state == "FREED"} == lost, "exactly what our trunk lost is given back"
    counted = [row for row in rows if row.state == "COMMITTED"]
    assert max(Counter(row.person_id for row in counted).values()) <= 4  # ANY-ATTEMPT-D
    assert max(Counter(row.number for row in counted).values()) <= 3  # ours by number, three people behind one
    talks = Counter(row.person_id for row in counted if row.conversation)
    assert max(talks.values(), default=0) <= 2  # UA-DAY
    unknown = {call.task_id: call.claimed_at for call in calls if floor.results[call.id] == "UNKNOWN"}
    again = [c for c in calls if c.task_id in unknown and c.claimed_at > unknown[c.task_id]]
    assert again == [], "UNKNOWN is never dialed again by itself"


async def test_minutes_of_auto_dialing_are_counted_and_a_live_call_takes_them_all(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """UA-AUTODIAL: 30 minutes a day; what is not known yet, or any more, counts as all of them."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        one = await house.borrower(s, clock)
    floor = Floor(database, live_settings, clock, 1)
    for part, minutes in enumerate((Decimal(20), Decimal("9.5"), Decimal("0.4"))):
        async with database.begin() as s:
            s.add(
                ContactLedger(
                    person_id=one.person.id, number="+380440000000", channel="robot", actor="robot", purpose="marketing",
                    at=floor.now - timedelta(hours=3, minutes=part), minutes=minutes,
                )
            )  # fmt: skip
    async with database.begin() as s:
        await s.execute(update(ContactLedger).values(purpose="collection", channel="robot"))
        await s.execute(
            update(ContactLedger).where(ContactLedger.minutes == Decimal("0.4")).values(minutes=Decimal("0.5"))
        )
    await floor.dialer(floor.now)
    assert floor.claimed == []
    async with database.begin() as s:
        assert (await s.get_one(CallTask, one.task.id)).state_reason == "CAP_REACHED"


async def test_a_task_that_waits_for_its_hour_is_not_looked_at_until_it_comes(
    database: Database, live_settings: Settings, clock: Clock
) -> None:
    """The claim never walks past waiting tasks; when their hour comes they stand at their own place again."""
    async with database.begin() as s:
        await house.rules_in_force(s, clock)
        first, second, third = [await house.borrower(s, clock, position=n) for n in (1, 2, 3)]
        for waiting in (first, third):
            (await s.get_one(CallTask, waiting.task.id)).earliest_at = clock.now() + timedelta(hours=1)
    floor = Floor(database, live_settings, clock, 1)
    await floor.dialer(floor.now)
    await floor.dialer(floor.now)
    assert [one.task_id for _, one in floor.claimed] == [second.task.id]
    later = floor.now + timedelta(hours=1, seconds=1)
    async with database.begin() as s:
        assert await attempts.wake_due(s, clock.today(), later) == 2
        assert await attempts.wake_due(s, clock.today(), later) == 0
    await floor.dialer(later)
    await floor.dialer(later)
    assert [one.task_id for _, one in floor.claimed[1:]] == [first.task.id, third.task.id]
    async with database.begin() as s:
        assert await s.scalar(select(func.count()).select_from(ContactLedger)) == 3
