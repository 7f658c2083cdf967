"""The order in which the queue is really called: the plan of `planning.py` over what was learned of each number (`learned.py`).

At night, and at the beginning of each hour, agents' time gets its price for every hour that is left, from all cases that may
be called; a case is then placed by these prices alone, so that one judged anew during the day stands where the plan would
have put it (`hour_order`: a new hour). While a campaign orders by value and enough calls have taught something; otherwise,
and for cases that asked for a call or broke a promise, `ordering` places as it does without.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from decimal import Decimal
from statistics import median
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backoffice_core.call_centre.dialing.campaign_rules import DEBT
from backoffice_core.call_centre.dialing.campaign_terms import Strategy
from backoffice_core.call_centre.queueing import learned, planning
from backoffice_core.call_centre.queueing.chances import HOURS, Floats
from backoffice_core.call_centre.queueing.judging import Judged, Terms
from backoffice_core.call_centre.queueing.learned import Learned
from backoffice_core.call_centre.queueing.ordering import DayPlan, Norms, Planned, contact_worth
from backoffice_core.compliance import service as compliance
from backoffice_core.db import fetch, new_key

LIKELY_BUSY = 0.85  # of an agent's hour that calls fill
LINES_AN_AGENT = 4
NOT_WORTH_IT = -5.0  # the score of a case that at no hour brings what a call costs: the last of all
_NOBODY = new_key()


@dataclass(slots=True, kw_only=True)
class Wanting:
    """A case as the plan sees it. `value`: what it is worth to reach him, 1 = the typical case; `needs`: the chance below
    which an attempt costs more than it brings; `points`: numbers with their rows of `Learned`; `opens`, `closes`: hours of
    the bank's day between which he may be called."""

    case_id: UUID
    value: float
    needs: float
    points: list[tuple[UUID, int]]
    offset: int
    opens: float
    closes: int
    allowed: int
    missed: Mapping[UUID, int] = field(default_factory=dict)


# --- arrays --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Grid:
    first: int  # the hour of column 0
    worth: Floats
    of: planning.OfCases
    allowed: Any
    points: list[UUID]
    rows: Any  # of each number
    numbers_right: Floats
    open: Any


def _grid(wanting: Sequence[Wanting], known: Learned, plan: DayPlan, at_hour: float) -> _Grid:
    """`wanting` not empty."""
    first = int(max(at_hour, min(one.opens for one in wanting)))
    hours = np.arange(first, max(*(one.closes for one in wanting), first + 1))
    points = [point for one in wanting for point, _ in one.points]
    rows = np.array([row for one in wanting for _, row in one.points])
    counts = np.array([len(one.points) for one in wanting])
    case_of = np.repeat(np.arange(len(wanting)), counts)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    offsets = np.array([one.offset for one in wanting])[case_of]
    by_bank = (hours[None, :] + offsets[:, None]) % HOURS
    right = known.right[rows[:, None], by_bank]
    if any(one.missed for one in wanting):  # today's calls in vain are not learned before the night
        faded = np.array([0.5 ** one.missed.get(point, 0) for one in wanting for point, _ in one.points])
        right = right * faded[:, None]
    answered = np.minimum(known.answered[rows[:, None], by_bank], 0.95)
    handle = (plan.handle[0], plan.handle[1])
    of = planning.of_cases(right, answered, case_of, starts, handle=handle, dial_s=plan.handle[2] / LINES_AN_AGENT)
    value, needs = (np.array([getattr(one, name) for one in wanting])[:, None] for name in ("value", "needs"))
    worth = np.sqrt(np.clip(value, 0.05, 20.0)) * np.maximum(of.best - needs, 0) - planning.ATTEMPT
    opens, closes = (np.array([getattr(one, name) for one in wanting])[:, None] for name in ("opens", "closes"))
    may = (opens < hours + 1) & (hours < closes)
    worth = np.where(may, np.maximum(worth, 0.0), 0.0)
    allowed = np.clip(np.array([one.allowed for one in wanting]), 0, None)
    return _Grid(first, worth, of, allowed, points, rows, right, may)


# --- prices --------------------------------------------------------------------------------------------------------


async def night(
    s: AsyncSession, norms: Norms, judged: Sequence[Judged], terms: Terms, most: int, part: float = 1.0
) -> Norms:
    """`norms` of a campaign with its plan of the day; without one when nothing was learned, or nobody is known to work.
    `part`: of all cases of the day, and so of the agents' time."""
    plan = await _begin(s, norms.strategy, [one for one in judged if one.refused is None], terms, most)
    if plan is None:
        return norms
    plan = replace(plan, part=part)
    wanting, known = await _wanting(
        s, [one for one in judged if one.refused is None], replace(norms, plan=plan), terms, {}
    )
    return replace(norms, plan=await priced(s, plan, wanting, known, terms.at.astimezone(terms.zone)))


async def _begin(
    s: AsyncSession, strategy: Strategy, judged: Sequence[Judged], terms: Terms, most: int
) -> DayPlan | None:
    taught = await learned.last(s, terms.day)
    if taught is None or strategy.by != "value" or strategy.hours == "off" or not judged:
        return None
    worth: dict[str, list[Decimal]] = {}
    for one in judged:
        worth.setdefault(one.view.currency, []).append(contact_worth(one.view, strategy))
    places = {(one.whom.jurisdiction, one.whom.time_zone) for one in judged}
    return DayPlan(
        learned=taught.business_date, hour=-1, prices=(0.0,) * HOURS, right=taught.groups["right"],
        answered=taught.groups["answered"], handle=taught.handle["seconds"], attempts=most,
        typical={currency: median(values) for currency, values in worth.items()},
        places={f"{place}|{zone}": await _place(s, place, zone, terms) for place, zone in sorted(places)},
    )  # fmt: skip


async def _place(s: AsyncSession, place: str, zone: str, terms: Terms) -> tuple[int, int, int]:
    """Hours by which its clock is ahead of the bank's, the hour of the bank's day at which calling ends there, and attempts
    that the law allows a day."""
    day = await compliance.contacts_of_day(
        s, _NOBODY, terms.at, zone=zone or terms.settings.bank_time_zone, jurisdiction=place, bound=terms.settings.bound
    )
    ends = day.until.astimezone(terms.zone) if day.until is not None else None
    closes = 24 if ends is None else 24 if ends.date() > terms.day else ends.hour + (ends.minute > 0)
    book = await compliance.rulebook(s)
    caps = [
        int(row.params["max"]) for row in book.in_force(terms.day)
        if row.kind == "frequency_cap" and row.count_unit == "attempt" and row.jurisdiction in {place, "*"}
        and row.window is not None and row.window.type == "calendar_day" and row.window.n == 1 and "max" in row.params
        and (not row.applies_to.channel or "call" in row.applies_to.channel)
        and (not row.applies_to.purpose or DEBT in row.applies_to.purpose)
    ]  # fmt: skip
    return learned.offset_hours(zone, terms.at, terms.zone), closes, min(caps, default=99)


async def priced(
    s: AsyncSession, plan: DayPlan, wanting: Sequence[Wanting], known: Learned, local: datetime
) -> DayPlan | None:
    usual, at_work = await _agents(s, local)
    if not wanting or not max(usual, at_work):
        return None
    at_hour = local.hour + local.minute / 60
    grid = _grid(wanting, known, plan, at_hour)
    room = np.full(grid.worth.shape[1], plan.part * max(usual, at_work) * LIKELY_BUSY * 3600.0 * planning.OVERBOOK)
    if grid.first == local.hour:
        room[0] *= max((at_work or usual) / max(usual, at_work), 0.01) * max(1 - local.minute / 60, 0.05)
    before = np.array(plan.prices)
    ends = grid.first + grid.worth.shape[1]
    before[grid.first : ends] = planning.prices(
        grid.worth, grid.of.cost, grid.allowed, room, before[grid.first : ends]
    )  # fmt: skip
    return replace(plan, prices=tuple(before.round(8).tolist()), hour=grid.first)


_AGENTS = text("""
    -- usual_agents: the most in a day of the last week, and those at work
    SELECT coalesce((SELECT max(n) FROM (SELECT count(DISTINCT user_id) AS n FROM agent_sessions
                     WHERE started_at >= now() - interval '8 days' GROUP BY date_trunc('day', started_at)) d), 0),
           (SELECT count(*) FROM agent_sessions WHERE ended_at IS NULL AND state <> 'OFF')
""")


async def _agents(s: AsyncSession, local: datetime) -> tuple[int, int]:
    usual, at_work = (await s.execute(_AGENTS)).one()
    return int(usual), int(at_work)


# --- places --------------------------------------------------------------------------------------------------------


async def places(
    s: AsyncSession, norms: Norms, judged: Sequence[Judged], terms: Terms, attempts: Mapping[UUID, int]
) -> dict[UUID, Planned]:
    """Where each of these cases stands by the plan, and by which number it is called: a case with several numbers alike to
    the law has its `phone` set to the likeliest. `attempts`: of its task today. Empty without a plan."""
    found: dict[UUID, Planned] = {}
    for name in {one.campaign for one in judged}:
        own = norms.of(name)
        if own.plan is not None:
            found |= await _places(s, own, own.plan, [one for one in judged if one.campaign == name], terms, attempts)
    return found


async def _places(
    s: AsyncSession, norms: Norms, plan: DayPlan, judged: Sequence[Judged], terms: Terms, attempts: Mapping[UUID, int]
) -> dict[UUID, Planned]:
    callable_ = [one for one in judged if one.refused is None and one.phone is not None]
    wanting, known = await _wanting(s, callable_, norms, terms, attempts)
    if not wanting:
        return {}
    by_case = {one.view.case_id: one for one in callable_}
    found = {}
    local, waits = terms.at.astimezone(terms.zone), norms.strategy.hours == "wait"
    for one, planned, point in stand_by_plan(wanting, known, plan, local, waits=waits):
        found[one.case_id] = planned
        _choose(by_case[one.case_id], point)
    return found


def stand_by_plan(
    wanting: Sequence[Wanting], known: Learned, plan: DayPlan, local: datetime, *, waits: bool
) -> Iterator[tuple[Wanting, Planned, UUID]]:
    """Each case with its place and the number to call now. `waits`: who is likelier reached at a later hour waits for it while
    agents have time now."""
    grid = _grid(wanting, known, plan, local.hour + local.minute / 60)
    price = np.array((*plan.prices, *plan.prices))[grid.first : grid.first + grid.worth.shape[1]]
    stands = planning.stand(grid.worth, grid.of.cost, grid.allowed, price)
    best, pays = np.where(grid.open, grid.of.best, 0.0), grid.worth.max(axis=1) > 0
    waits = waits and price[0] == 0
    top, later = best.argmax(axis=1), stands.picked.argmax(axis=1)
    for n, one in enumerate(wanting):
        chosen = int(grid.of.chosen[n])
        wait = None
        if waits and not stands.take[n] and stands.picked[n].any():
            wait = at_hour(local, grid.first + int(later[n]))
        planned = Planned(
            score=float(stands.score[n]) if pays[n] else NOT_WORTH_IT, now=bool(stands.take[n]), waits_until=wait,
            chance=float(grid.numbers_right[chosen, 0]), best_hour=(grid.first + int(top[n]) + one.offset) % HOURS,
            best_chance=float(best[n, top[n]]), tried=known.tried.get(grid.points[chosen], 0), pays=bool(pays[n]),
        )  # fmt: skip
        yield one, planned, grid.points[chosen]


def at_hour(local: datetime, hour: int) -> datetime:
    """Of the day of `local`, in the bank's zone."""
    return datetime.combine(local.date(), time(), local.tzinfo) + timedelta(hours=hour)


def _choose(one: Judged, point: UUID) -> None:
    if one.phone is not None and one.phone.id != point:
        one.phone = next((phone for phone in one.phones if phone.id == point), one.phone)


MISSED = """
    SELECT contact_point_id, case_id, count(*) FROM call_attempts
    WHERE case_id = ANY($1) AND business_at >= $2 AND direction = 'out' AND answered_at IS NULL GROUP BY 1, 2
"""


async def _wanting(
    s: AsyncSession, judged: Iterable[Judged], norms: Norms, terms: Terms, attempts: Mapping[UUID, int]
) -> tuple[list[Wanting], Learned]:
    plan = norms.plan
    assert plan is not None  # noqa: S101
    alike = {one.view.case_id: _alike(one) for one in judged}
    judged = [one for one in judged if alike[one.view.case_id]]
    points = [phone.id for some in alike.values() for phone in some]
    known = await learned.of_numbers(s, plan.groups, points)
    called = [one.view.case_id for one in judged if one.view.last_called is not None]
    missed: dict[UUID, dict[UUID, int]] = {}
    for point, case_id, n in await fetch(s, MISSED, called, terms.day_begins) if called else ():
        missed.setdefault(case_id, {})[point] = n
    found = []
    for one in judged:
        view, key = one.view, f"{one.whom.jurisdiction}|{one.whom.time_zone}"
        offset, closes, cap = plan.places.get(key, (0, 20, 99))
        typical = float(plan.typical.get(view.currency) or 0)
        worth = float(contact_worth(view, norms.strategy))
        cost = float(norms.strategy.cost.get(view.currency, 0))
        local = (one.from_when or terms.at).astimezone(terms.zone)
        days = view.days_past_due
        found.append(Wanting(
            case_id=view.case_id, value=worth / typical if typical else 1.0, needs=min(cost / worth, 1.0) if worth else 1.0,
            points=[(phone.id, known.row(phone.id, days, phone.rank)) for phone in alike[view.case_id]],
            offset=offset, opens=local.hour + local.minute / 60 if local.date() <= terms.day else 24.0, closes=closes,
            allowed=min(plan.attempts, cap) - attempts.get(view.case_id, 0), missed=missed.get(view.case_id, {}),
        ))  # fmt: skip
    return found, known


def _alike(one: Judged) -> list[Any]:
    """Numbers that the law and the rules of the queue do not tell apart from the one that was judged."""
    if one.phone is None:
        return []
    same = (one.phone.owner_kind, one.phone.number_type, one.phone.state)
    usable = {phone.id for phone in one.view.phones if not phone.stopped}
    return [p for p in one.phones if (p.owner_kind, p.number_type, p.state) == same and p.id in usable] or [one.phone]
