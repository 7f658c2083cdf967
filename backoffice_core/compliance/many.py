"""The evaluator asked about very many people at one moment, as the queue does it.

Most of them differ in nothing that a rule reads: one jurisdiction and zone, one kind of number, a few contacts long ago.
Those get one answer, which the evaluator gave for one of them with an empty ledger; whoever was contacted so often or so lately
that a rule might count it (`Reach`, which errs on that side) is asked about by himself.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.compliance import books, rules
from backoffice_core.compliance.asking import GUARD_MINUTES, NOTHING, ledgers_of
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.terms import Contact, Decision, Profile

_DAYS = {"calendar_day": 1, "iso_week": 7, "calendar_month": 31, "rolling_days": 1}
_SLACK = 0.1  # days: an hour of summer time, and more


@dataclass(frozen=True, slots=True)
class Question:
    """`alike`: equal for contacts that differ in the person alone."""

    person_id: UUID
    alike: Hashable
    contact: Callable[[], Contact]


class Reach:
    """From how many contacts within how many days on, whatever the date, any rule on such a contact could count them."""

    def __init__(self, book: RuleBook, profile: Profile) -> None:
        caps: dict[float, float] = {}
        self.dropped_days = 0.0
        for rule in book:
            if not rule.matches(profile):
                continue
            found: list[tuple[float, float]] = []
            if rule.window is not None and rule.kind in {"frequency_cap", "cooldown_after"}:
                later = 1 if rule.kind == "cooldown_after" else 0  # it begins the day after
                days = _DAYS[rule.window.type] * rule.window.n + later + _SLACK
                counted = rule.kind == "frequency_cap" and rule.count_unit != "minutes"
                found.append((days, float(rule.params["max"]) if counted else 1))
            if "max_per_day" in rule.params:
                found.append((1 + _SLACK, float(rule.params["max_per_day"])))
            if gap := rule.params.get("min_gap_minutes"):
                found.append((gap / 1440, 1))
            for days, most in found:
                caps[days] = min(most, caps.get(days, most))
            self.dropped_days = max(self.dropped_days, float(rule.params.get("redial_hold_hours", 0)) / 24)
        self.caps = sorted(caps.items())
        self.least = min((most for _, most in self.caps), default=float("inf"))

    def counts(self, ages: Sequence[float], dropped: float | None) -> bool:
        """`ages`: days since each contact; `dropped`: since the latest that was abandoned, or may have been."""
        if dropped is not None and dropped < self.dropped_days:
            return True
        if len(ages) < self.least:
            return False
        ages = sorted(ages)
        return any(bisect_right(ages, days) >= most for days, most in self.caps)


async def answer_many(
    session: AsyncSession, questions: Sequence[Question], at: datetime, *, guard_minutes: int = GUARD_MINUTES
) -> list[Decision]:
    """As `ask_many` answers, in the order of `questions`; nothing is stored."""
    book = await books.current(session)
    late = book.late(at)
    ages, dropped = await _contacted(session, [one.person_id for one in questions], at, book.rules.ledger_days)
    groups: dict[Hashable, tuple[Decision, Reach]] = {}
    found: list[Decision | None] = []
    terms = (at, book.rules, book.calendar)
    for one in questions:
        group = groups.get(one.alike)
        if group is None:
            contact = one.contact()
            answer = rules.decide(contact, *terms, NOTHING, guard_minutes=guard_minutes, late=late)
            group = groups[one.alike] = (answer, Reach(book.rules, contact.profile()))
        mine = ages.get(one.person_id)
        alone = mine is not None and (bool(late) or group[1].counts(mine, dropped.get(one.person_id)))
        found.append(None if alone else group[0])
    by_themselves = {one.person_id for one, answer in zip(questions, found, strict=True) if answer is None}
    ledgers = await ledgers_of(session, by_themselves, at, book.rules) if by_themselves else {}
    return [
        answer
        or rules.decide(
            one.contact(), *terms, ledgers.get(one.person_id, NOTHING), guard_minutes=guard_minutes, late=late
        )
        for one, answer in zip(questions, found, strict=True)
    ]


_CONTACTED = text("""
    -- contacted: how long ago each was, in days, and the latest that may have been abandoned
    SELECT person_id, array_agg(extract(epoch FROM CAST(:at AS timestamptz) - at)::float8 / 86400),
           min(extract(epoch FROM CAST(:at AS timestamptz) - at)::float8 / 86400) FILTER (WHERE abandoned OR uncertain)
    FROM contact_ledger WHERE person_id = ANY(:persons) AND at >= :since AND state <> 'FREED' GROUP BY person_id
""")


async def _contacted(
    session: AsyncSession, persons: list[UUID], at: datetime, days: int
) -> tuple[dict[UUID, list[float]], dict[UUID, float]]:
    terms = {"persons": persons, "at": at, "since": at - timedelta(days=days)}
    ages: dict[UUID, list[float]] = {}
    dropped: dict[UUID, float] = {}
    for person, since, lost in await session.execute(_CONTACTED, terms):
        ages[person] = since
        if lost is not None:
            dropped[person] = lost
    return ages, dropped
