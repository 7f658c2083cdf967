"""Calls of the days before the demo opens: tries at the call steps that were due, talks with those who answered, hours at
the desk, a few complaints and acts. Invented: thrown with the chances of domain.md 5.3 and written into the tables as the
exchange and the desk would have left them, within the strictest caps of attempts and talks, but asked of no evaluator: these
calls have no decision and no line in the contact ledger.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.borrowers.models import ContactPoint
from backoffice_core.call_centre.models import AgentSession, CallAttempt
from backoffice_core.cases import service as cases
from backoffice_core.cases.models import Case
from backoffice_core.collection import complaints, late
from backoffice_core.db import new_key
from backoffice_core.staff.models import User
from backoffice_core.strategy.models import StepDue

# By stage: answered by a person, the right party of these (domain.md 5.3).
CHANCES = {1: (0.42, 0.80), 2: (0.35, 0.72), 3: (0.29, 0.64), 4: (0.23, 0.55)}
TRIES_A_DAY, TALKS_A_WEEK = 2, 2  # ANY-ATTEMPT-W, RU-CALL-W
LATER = 0.3  # how often a step that nobody reached in time is tried after its deadline
RPC_AN_HOUR = (7.0, 10.0)  # domain.md 2.4: what most can handle
SAID = (("CALLBACK", 3), ("REFUSE", 2), ("PAID_CLAIM", 2), ("PLAN_REQ", 1))
OTHERS = (("LEFT_MSG_3P", 4), ("WRONG_PERSON", 1), ("HANGUP", 3))
SILENT = (("NO_ANSWER", 7), ("BUSY", 2), ("REJECTED", 1))
TALK_S = (40, 260)


@dataclass
class Talks:
    """`shift`: business time less the machine's."""

    people: list[User]
    dice: random.Random
    zone: ZoneInfo
    shift: timedelta
    reached: dict[tuple[UUID, date], int] = field(default_factory=dict)
    days: set[tuple[UUID, date]] = field(default_factory=set)  # on which a person was called
    weeks: Counter[tuple[UUID, int]] = field(default_factory=Counter)  # talks

    @property
    def agents(self) -> list[User]:
        return [one for one in self.people if one.role == "agent"] or self.people

    def _one(self, of: tuple[tuple[str, int], ...]) -> str:
        return self.dice.choices([code for code, _ in of], [weight for _, weight in of])[0]

    def _may(self, person: UUID, day: date) -> bool:
        """One step a person and day, and no talk above those of the week."""
        return (person, day) not in self.days and self.weeks[person, day.isocalendar().week] < TALKS_A_WEEK

    async def call(self, s: AsyncSession, day: date, until: date) -> None:
        """Tries at the call steps that are open on the night of `day`, each on its own days, none on `until` or later."""
        waits = select(StepDue).where(StepDue.kind == "CALL", StepDue.done_on.is_(None), StepDue.skipped_on.is_(None))
        for step in list(await s.scalars(waits.order_by(StepDue.due_date, StepDue.id))):
            last = step.deadline + timedelta(days=2 if self.dice.random() < LATER else 0)
            await self._step(s, step, min(last, until - timedelta(days=1)))

    async def _step(self, s: AsyncSession, step: StepDue, last: date) -> None:
        point = await s.scalar(
            select(ContactPoint)
            .where(ContactPoint.person_id == step.person_id, ContactPoint.kind == "phone")
            .order_by(ContactPoint.rank)
            .limit(1)
        )
        if point is None:
            return
        human, right = CHANCES.get(step.stage, CHANCES[4])
        day = step.due_date
        while day <= last:
            may = day.weekday() < 5 and self._may(step.person_id, day)
            for n in range(TRIES_A_DAY if may else 0):
                at = datetime.combine(day, time(9 + 3 * n, self.dice.randint(0, 59)), self.zone)
                if self.dice.random() >= human:
                    await self._dialed(s, step, point, at, self._one(SILENT))
                    continue
                rpc = self.dice.random() < right
                await self.talked(s, step.case_id, point, at, self._one(SAID if rpc else OTHERS), rpc=rpc)
                if rpc:
                    return
                break
            day += timedelta(days=1)

    async def _dialed(
        self, s: AsyncSession, of: Any, point: ContactPoint, at: datetime, result: str, agent: UUID | None = None
    ) -> CallAttempt:
        """`of`: a step, or whatever names a case. With an agent it is a talk."""
        self.days.add((point.person_id, at.date()))
        self.weeks[point.person_id, at.isocalendar().week] += agent is not None
        wall, seconds = at - self.shift, self.dice.randint(*TALK_S) if agent else 0
        answered = wall + timedelta(seconds=self.dice.randint(8, 24)) if agent else None
        call = CallAttempt(
            id=new_key(), case_id=of if isinstance(of, UUID) else of.case_id, person_id=point.person_id,
            contact_point_id=point.id, direction="out", campaign="collection", number=point.value, trunk="past",
            purpose="collection", caller_id="", language="uk", fence=1, state="ENDED", business_at=at, claimed_at=wall,
            ringing_at=wall + timedelta(seconds=2), answered_at=answered, bridged_at=answered,
            ended_at=(answered or wall + timedelta(seconds=30)) + timedelta(seconds=seconds), agent_id=agent, result=result,
        )  # fmt: skip
        s.add(call)
        assert call.case_id is not None  # noqa: S101 (every step is a case's)
        data = {"direction": "out", "result": result, "number": point.value, "seconds": float(seconds), "abandoned": False,
                "campaign": "collection", "decision": ""}  # fmt: skip
        await cases.add_event(s, call.case_id, "call", at, agent, call.id, data)
        return call

    async def talked(
        self, s: AsyncSession, case_id: UUID, point: ContactPoint, at: datetime, outcome: str, *, rpc: bool
    ) -> CallAttempt:
        agent = self.dice.choice(self.agents).id
        call = await self._dialed(s, case_id, point, at, "ANSWERED_HUMAN", agent)
        assert call.ended_at is not None  # noqa: S101
        call.outcome, call.outcome_at = outcome, call.ended_at + timedelta(seconds=self.dice.randint(10, 40))
        call.identity_confirmed_at = call.answered_at if rpc else None
        data = {"outcome": outcome, "rpc": rpc}
        await cases.add_event(s, case_id, "outcome", call.outcome_at + self.shift, agent, call.id, data)
        self.reached[agent, at.date()] = self.reached.get((agent, at.date()), 0) + rpc
        await s.flush()
        return call

    async def promised(self, s: AsyncSession, case_id: UUID, person_id: UUID, at: datetime) -> tuple[UUID | None, UUID]:
        """The call in which somebody promised, if he may be called then (else he promised otherwise), and who took it."""
        point = await s.scalar(
            select(ContactPoint).where(ContactPoint.person_id == person_id, ContactPoint.kind == "phone").limit(1)
        )
        if point is None or not self._may(person_id, at.date()):
            return None, self.dice.choice(self.agents).id
        call = await self.talked(s, case_id, point, at, "PTP_FULL", rpc=True)
        assert call.agent_id is not None  # noqa: S101
        return call.id, call.agent_id

    def desks(self, s: AsyncSession) -> None:
        """For each day on which an agent talked, as many hours as his talks take."""
        for (agent, day), rpc in sorted(self.reached.items(), key=str):
            hours = max(rpc, 1) / self.dice.uniform(*RPC_AN_HOUR)
            since = datetime.combine(day, time(9), self.zone) - self.shift
            till = since + timedelta(hours=max(0.5, min(hours, 9)))
            s.add(AgentSession(id=new_key(), user_id=agent, phone="desk", endpoint="past", state="OFF", reason="", since=till,
                               started_at=since, ended_at=till))  # fmt: skip

    async def complained(self, s: AsyncSession, at: datetime) -> None:
        """One talk of those days ends in a complaint; what was complained of before is answered."""
        for one in await complaints.open_ones(s):
            who = next((p.id for p in self.people if p.id != one.about), None)
            if who is not None:
                words = "Перевірено за записом розмови, відповідь надіслано листом."
                await complaints.answer(s, one.id, self.dice.choice(complaints.ANSWERS), words, at=at, by=who)
        talked = select(CallAttempt).where(CallAttempt.outcome.in_(("REFUSE", "HANGUP")), CallAttempt.business_at < at)
        call = await s.scalar(talked.order_by(CallAttempt.business_at.desc()).limit(1))
        if call is not None and call.case_id is not None:
            await complaints.note(s, call.case_id, kind=self.dice.choice(("TONE", "TOO_OFTEN")), channel="call", at=at,
                                  text="Дзвонили надто наполегливо", about=call.agent_id, by=self.people[-1].id)  # fmt: skip

    async def acted(self, s: AsyncSession, day: date, at: datetime, many: int) -> None:
        """Of the oldest debts some go to an agency, one is sold; the last act waits for its second person."""
        query = select(Case).where(Case.state == "ACTIVE", Case.stage == 4, Case.bucket.in_(("181-360", "361+")))
        for n, case in enumerate((await s.scalars(query.order_by(Case.number).limit(many + 1))).all()):
            sale = n == 0
            one = await late.propose(
                s, case.id, "SALE" if sale else "AGENCY", counterparty="ТОВ «Фінансова компанія»" if sale else "ТОВ «Агентство»",
                number=f"{day:%y%m}-{n + 1}", on=day, reason="Понад пів року без платежів", price=Decimal(900) if sale else None,
                at=at, today=day, by=self.people[0].id,
            )  # fmt: skip
            if n < many and len(self.people) > 1:
                await late.approve(s, one.id, at=at + timedelta(hours=2), today=day, by=self.people[-1].id)
