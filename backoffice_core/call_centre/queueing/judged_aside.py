"""What the night has judged, put aside until all is known that a place in the queue is compared with: the first `KEPT` cases as
they are, the others in the database, so that a million cases cost no memory, in the night's own transaction, so that
nothing is left of it."""

import pickle
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.dialing import campaign_terms
from backoffice_core.call_centre.dialing.campaign_terms import Retries, Strategy
from backoffice_core.call_centre.queueing import learned, live_order
from backoffice_core.call_centre.queueing.judging import CAMPAIGN, Judged, Phone, Terms, Whom
from backoffice_core.call_centre.queueing.ordering import Norms, Worths
from backoffice_core.call_centre.queueing.queue_rules import CaseView, FlagView, NotToday, PhoneView, TaskView
from backoffice_core.db import copy_in
from backoffice_core.loans import sources

KEPT = 20_000  # cases; some 40 MB
_BEGIN = text("CREATE TEMP TABLE queue_judged (n int, part bytea) ON COMMIT DROP")
_READ = text("SELECT part FROM queue_judged WHERE n = :n")
_END = text("DROP TABLE queue_judged")
_RULES_COUNTED = frozenset({sources.NO_FILE, sources.NOT_IN_FILE, sources.NIGHT_LATE, sources.OLD_BALANCE})


Packed = tuple[Any, ...]


def packed(one: Judged) -> Packed:
    """Without the classes, which would cost most of the writing and reading."""
    *view, tasks, flags, phones = one.view
    digits = [said for said, _ in one.numbers]
    chosen = -1 if one.phone is None else [phone.id for phone in phones].index(one.phone.id)
    parts = [[tuple(each) for each in some] for some in (tasks, flags, phones)]
    refused = one.refused and tuple(one.refused)
    return view, *parts, digits, chosen, tuple(one.whom), refused, one.from_when, one.campaign


def unpacked(row: Packed) -> Judged:
    view, tasks, flags, phones, digits, chosen, whom, refused, from_when, campaign = row
    numbers = tuple(PhoneView(*phone) for phone in phones)
    seen = (*view, tuple(TaskView(*task) for task in tasks), tuple(FlagView(*flag) for flag in flags), numbers)
    return Judged(
        CaseView._make(seen), Whom(*whom),
        None if chosen < 0 else Phone.of(digits[chosen], numbers[chosen]), refused and NotToday(*refused), from_when,
        list(zip(digits, numbers, strict=True)) if digits else (), campaign,
    )  # fmt: skip


class Aside:
    """`counts`: callable or not, and of those not the reasons. `strategies`: by campaign, how it orders."""

    def __init__(self, strategies: dict[str, Strategy]) -> None:
        self.counts: Counter[str] = Counter({"callable": 0, "not_callable": 0})
        self._strategies = strategies
        self._worths = {CAMPAIGN: self._worths_of(CAMPAIGN)}
        self._callable: Counter[str] = Counter()  # by campaign
        self._kept: list[Sequence[Judged]] = []
        self._room = KEPT
        self._parts = 0  # in the database

    def _worths_of(self, campaign: str) -> Worths:
        return Worths(self._strategies.get(campaign, Strategy()))

    async def add(self, session: AsyncSession, judged: Sequence[Judged]) -> None:
        for one in judged:
            self._count(one)
        if self._room >= len(judged):
            self._kept.append(judged)
            self._room -= len(judged)
            return
        if not self._parts:
            await session.execute(_BEGIN)
        part = pickle.dumps([packed(one) for one in judged], pickle.HIGHEST_PROTOCOL)
        await copy_in(session, "queue_judged", ("n", "part"), [(self._parts, part)])
        self._parts += 1

    def _count(self, one: Judged) -> None:
        if one.refused is None:
            self.counts["callable"] += 1
            self._callable[one.campaign] += 1
            if one.campaign not in self._worths:
                self._worths[one.campaign] = self._worths_of(one.campaign)
            self._worths[one.campaign].add(one.view)
            return
        self.counts["not_callable"] += 1
        self.counts[one.refused.reason] += 1
        if one.refused.rule in _RULES_COUNTED:
            self.counts[one.refused.rule] += 1

    async def parts(self, session: AsyncSession) -> AsyncIterator[Sequence[Judged]]:
        """As they were given."""
        for part in self._kept:
            yield part
        for n in range(self._parts):
            rows = pickle.loads(await session.scalar(_READ, {"n": n}))  # noqa: S301 (written above, in this transaction)
            yield [unpacked(row) for row in rows]

    async def end(self, session: AsyncSession) -> None:
        if self._parts:
            await session.execute(_END)

    async def norms(self, session: AsyncSession, retries: dict[str, Retries], terms: Terms) -> Norms:
        """What this date's cases are compared with: those of each campaign's list among themselves. Where calls have taught
        when numbers are answered, the plan of the day is made of all that may be called: then they are all looked at."""
        taught = await learned.last(session, terms.day) is not None
        everybody = sum(self.counts[name] for name in ("callable", "not_callable"))
        found: dict[str, Norms] = {}
        for name, worths in self._worths.items():
            norms = worths.norms()
            if taught:
                rows = [
                    one async for part in self.parts(session) for one in part if one.refused is None and one.campaign == name
                ]  # fmt: skip
                most = (retries.get(name) or campaign_terms.retries({})).max_attempts
                norms = await live_order.night(session, norms, rows, terms, most, len(rows) / max(everybody, 1))
            found[name] = norms
        rest = found.pop(CAMPAIGN)
        return replace(rest, campaigns=found)
