"""Some days in a row with a finite list whose truth is known: what an order of calling is worth (pure but for the rules' file).

The shift simulator (`shift.py`) asks how many calls to place, with people that never run out. Here the people run out:
some thousands of cases with one to three numbers each, of which some are wrong, somebody else's or dead, borrowers who answer
at their own hours, phones that a household shares, people who ring back. The law is that of the shipped rules, asked before
each dial through the one evaluator. An order (`orders.py`) says which number is dialed next and hears how it ended.

The pace is the same for every order: as many agents, as busy as `utilisation`, as many dials a second as the lines bear.
"""

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np

from backoffice_core.call_centre.queueing.chances import DEAD, HOURS, MESSAGE, RIGHT, WRONG, Floats
from backoffice_core.compliance import loader, rules, workdays
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.terms import Address, Calendar, Contact, Entry, LedgerView, PersonView
from dialer.simulation.world import FiniteWorld

ZONES = {"UA": "Europe/Kyiv", "RU": "Europe/Moscow"}
# Last day past due -> share of cases, then domain.md 5.3: valid, answer, right party, promise of right parties, kept
BUCKETS = (
    (30, 0.46, 0.95, 0.42, 0.80, 0.60, 0.68),
    (60, 0.15, 0.91, 0.35, 0.72, 0.50, 0.55),
    (90, 0.08, 0.86, 0.29, 0.64, 0.42, 0.45),
    (180, 0.13, 0.78, 0.23, 0.55, 0.32, 0.35),
    (900, 0.18, 0.62, 0.17, 0.45, 0.22, 0.25),
)
FLOOR = (0.0,) * 8 + (0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 0.95, 0.95, 1.0, 1.1, 1.25, 1.3, 1.2, 1.0) + (0.0,) * 2


@dataclass(frozen=True, slots=True)
class Shown:
    """What an order may know of the list: arrays over numbers and over cases.

    `case_of`: the case of each number; `rank`: its place in the file, 0 first; `bucket`, `value` (overdue sum × chance of a
    promise that is kept, in the case's currency over the typical one), `zone_hours` (hours to add to Kyiv's) of each case.
    """

    case_of: np.ndarray
    rank: np.ndarray
    same_as: np.ndarray  # the first number of the list with the same digits
    bucket: np.ndarray
    value: Floats
    zone_hours: np.ndarray
    per_day: np.ndarray  # attempts that the law of each case allows a day,
    per_week: np.ndarray  # and in seven days
    history: tuple[tuple[int, int, str], ...] = ()  # calls of the months before: number, hour of his day, outcome


class Order(Protocol):
    def begin_day(self, day: int) -> None: ...
    def choose(self, t: float) -> int | None:
        """A number to dial now, t seconds after Kyiv's midnight; None: nobody."""

    def refused(self, number: int, until: float | None) -> None:
        """The law's answer to that choice; `until` on the same clock, None: not on this day."""

    def heard(self, number: int, t: float, outcome: str, *, promise: bool = False, asked: float | None = None) -> None:
        """`asked`: the moment at which the borrower wants the next call. Also of calls that he made himself."""


@cache
def _rows() -> list[dict[str, Any]]:
    return loader.read_file()


class Truth:
    """The people: drawn from the seed, the same under every order."""

    def __init__(self, world: FiniteWorld, seed: int) -> None:
        self.world = w = world
        r = self.r = np.random.default_rng([seed, 1])
        n = w.cases
        bucket = r.choice(len(BUCKETS), n, p=[b[1] for b in BUCKETS])
        self.country = np.where(r.random(n) < w.russian, "RU", "UA")
        how_many = r.choice((1, 2, 3), n, p=w.numbers)
        self.case_of = np.repeat(np.arange(n), how_many)
        m = len(self.case_of)
        rank = np.arange(m) - np.repeat(np.concatenate([[0], np.cumsum(how_many)[:-1]]), how_many)
        self.same_as = np.arange(m)
        for k in np.flatnonzero(r.random(m) < w.shared).tolist():
            self.same_as[k] = self.same_as[min(k, int(r.integers(m)))]
        of = bucket[self.case_of]
        valid, answer, right = (_declining(np.array([b[k] for b in BUCKETS]), w.decline)[of] for k in (2, 3, 4))
        worth = np.array([1.0, 0.8, 0.65])[rank] ** w.decline  # the further back in the file, the worse
        u = r.random(m)
        alive = valid * (0.6 + 0.4 * worth)
        theirs = right * worth
        self.party = np.select(
            [u >= alive, u < alive * theirs, u < alive * (theirs + 0.6 * (1 - theirs))], [DEAD, RIGHT, MESSAGE], WRONG
        )
        self.says_invalid = r.random(m) < 0.6
        ready = np.exp(r.normal(0.0, 0.6, m) - 0.18)
        floor = np.array(w.by_hour or FLOOR)
        curve = floor / floor[9:20].mean()
        height, width = r.uniform(1.5, 3.5, m), r.uniform(1.2, 2.8, m)
        centre = r.choice(w.habit_hours, m) + r.normal(0, 0.8, m)
        hours = np.arange(HOURS) + 0.5
        own = 0.4 + height[:, None] * np.exp(-(((hours - centre[:, None]) / width[:, None]) ** 2))
        own /= own[:, 9:20].mean(axis=1, keepdims=True)
        own[r.random(m) >= w.habit] = 1.0
        self.answers = np.clip(answer[:, None] * ready[:, None] * own * curve, 0, 0.9)  # by the hour of his own day
        self.answers[self.party == DEAD] = 0.0
        for what in ("answers", "party", "says_invalid"):  # one telephone has one truth
            mine = getattr(self, what)
            setattr(self, what, mine[self.same_as])
        foreign = self.case_of != self.case_of[self.same_as]
        self.at_home = np.where(foreign, 0.5, 1.0)  # in a shared phone's house the other one may be out
        self.luck = r.random((m, 16))  # of the k-th call to a number: the same under every order
        overdue = np.exp(r.normal(math.log(9_000), 0.9, n))
        kept = np.array([b[5] * b[6] for b in BUCKETS])[bucket]
        self.promise = np.array([b[5] for b in BUCKETS])[bucket]
        self.money = overdue * np.array([b[6] for b in BUCKETS])[bucket]  # of a promise
        value = overdue * kept
        zone_hours = np.where(self.country == "RU", 1, 0)
        self.shown = Shown(
            case_of=self.case_of, rank=rank, same_as=self.same_as, bucket=bucket, value=value / np.median(value),
            zone_hours=zone_hours, per_day=self._attempts("calendar_day"), per_week=self._attempts("rolling_days"),
            history=tuple(self._history()),
        )  # fmt: skip

    def _attempts(self, window: str) -> np.ndarray:
        """The strictest cap on attempts to collect over a day, or over seven."""
        least = {place: min(
            (rule["params"]["max"] for rule in _rows() if rule.get("count_unit") == "attempt"
             and rule["jurisdiction"] in (place, "*") and rule["window"]["type"] == window
             and "collection" in rule["applies_to"].get("purpose", ["collection"])), default=99)
            for place in ZONES}  # fmt: skip
        return np.where(self.country == "RU", least["RU"], least["UA"])

    def _history(self) -> Iterator[tuple[int, int, str]]:
        """What the floor has seen of these numbers before, at whatever hours it happened to call."""
        calls = np.repeat(np.arange(len(self.party)), self.r.poisson(self.world.history, len(self.party)))
        hours = self.r.integers(9, 20, len(calls))
        luck, who = self.r.random(len(calls)), self.r.random(len(calls))
        for number, hour, u, v in zip(calls.tolist(), hours.tolist(), luck.tolist(), who.tolist(), strict=True):
            yield number, hour, self.outcome(number, u < self.answers[number, hour], v)

    def outcome(self, number: int, answered: bool, u: float, *, rang_us: bool = False) -> str:
        """`u` 0 … 1: who of the house picks up."""
        party = int(self.party[number])
        if not answered:
            return "invalid" if party == DEAD and self.says_invalid[number] else "no_answer"
        if party == WRONG:
            return "wrong_number"
        right = rang_us or u < self.at_home[number] if party == RIGHT else u < 0.05
        return "right_party" if right else "third_party"

    def right_party(self) -> Floats:
        """What nobody can know: numbers × hours, the chance that a call reaches the borrower."""
        chance = self.answers * self.at_home[:, None]
        return np.where(
            (self.party == RIGHT)[:, None], chance, 0.05 * np.where(self.party == MESSAGE, 1, 0)[:, None] * chance
        )


def _declining(of_buckets: Floats, decline: float) -> Floats:
    """Shares by bucket, drawn together towards the mean of all cases (0) or left as they are (1)."""
    mean = np.average(of_buckets, weights=[b[1] for b in BUCKETS])
    return np.asarray(np.clip(mean * (of_buckets / mean) ** decline, 0.0, 0.98), dtype=float)


class Law:
    """The shipped rules over a ledger of this run."""

    def __init__(self, truth: Truth) -> None:
        self.book = RuleBook(loader.parse(row) for row in _rows())
        first = truth.world.first_day
        self.calendar = Calendar(
            (place, day, False)
            for place, day, _ in workdays.days_of(workdays.SHIPPED, range(first.year, first.year + 2))
        )
        self.midnight = datetime.combine(first, datetime.min.time(), ZoneInfo("Europe/Kyiv"))
        self.people = [PersonView(UUID(int=n + 1), (c,), (ZONES[c],)) for n, c in enumerate(truth.country)]
        self.ledger: dict[int, list[Entry]] = {}

    def moment(self, day: int, t: float) -> datetime:
        return self.midnight + timedelta(days=day, seconds=t)

    def refuses(self, case: int, number: int, day: int, t: float) -> tuple[bool, float | None]:
        """Refused or not, and the second of this day from which it is lawful (None: not today)."""
        contact = Contact(
            person=self.people[case], channel="call", actor="dialer", purpose="collection", debt=UUID(int=case + 1),
            address=Address(str(number), "mobile"), caller_id_hidden=False, caller_id_declared=True,
        )  # fmt: skip
        at = self.moment(day, t)
        entries = tuple(self.ledger.get(case, ()))
        answer = rules.decide(contact, at, self.book, self.calendar, LedgerView(entries), guard_minutes=0)
        if answer.allow:
            return False, None
        free = answer.next_allowed_at
        if free is None or free >= self.moment(day + 1, 0):
            return True, None
        return True, (free - self.moment(day, 0)).total_seconds()

    def count(self, case: int, day: int, t: float, talk_s: float, inbound: bool) -> None:
        self.ledger.setdefault(case, []).append(
            Entry(
                at=self.moment(day, t), channel="call", actor="human" if inbound else "dialer", debt=UUID(int=case + 1),
                direction="inbound" if inbound else "outbound", conversation=talk_s > 0,
                minutes=Decimal(round(talk_s / 60, 2)).quantize(Decimal("0.01")),
            )
        )  # fmt: skip


@dataclass
class Counts:
    attempts: int = 0
    answers: int = 0
    right_party: int = 0
    promises: int = 0
    money: float = 0.0
    worked_s: float = 0.0
    rang_back: int = 0
    refused: int = 0


class Days:
    """One run of the days under one order."""

    def __init__(self, truth: Truth, order: Order, seed: int) -> None:
        self.truth, self.order, self.w = truth, order, truth.world
        self.r = np.random.default_rng([seed, 2])
        self.law = Law(truth)
        self.counts = Counts()
        self.reached: set[int] = set()
        self.promised: set[int] = set()
        self.back: list[tuple[float, int, int]] = []  # who rings us back: when, tie, number
        self.tried = np.zeros(len(truth.case_of), dtype=int)
        self.asked: dict[int, tuple[int, float]] = {}  # case -> day and second at which the borrower waits for a call

    def run(self) -> dict[str, Any]:
        for day in range(self.w.days):
            self.order.begin_day(day)
            self._day(day)
        c, paid = self.counts, self.w.agents * (self.w.closes - self.w.opens) * self.w.days
        return {
            "world": self.w.name, "cases": self.w.cases, "days": self.w.days, "paid_agent_hours": paid,
            "attempts": c.attempts, "answers": c.answers, "right_party_contacts": c.right_party,
            "people_reached": len(self.reached), "promises": c.promises, "rang_back": c.rang_back,
            "right_party_per_agent_hour": c.right_party / paid, "money_per_agent_hour": c.money / paid,
            "attempts_per_contact": c.attempts / max(c.right_party, 1), "refused_by_law": c.refused,
            "utilisation": c.worked_s / 3600 / paid,
        }  # fmt: skip

    def _day(self, day: int) -> None:
        w, gap = self.w, self.w.ring_time / self.w.lines
        t, ends, ties = w.opens * 3600.0, w.closes * 3600.0, itertools.count()
        free = [t] * w.agents
        heapq.heapify(free)
        self.back = []
        while t < ends:
            if self.back and self.back[0][0] <= t:
                _, _, number = heapq.heappop(self.back)
                t = self._talk(free, day, t, number, inbound=True)
                continue
            t = max(t, free[0])
            if t >= ends:
                break
            chosen = self.order.choose(t)
            if chosen is None:
                t += 30.0
                continue
            case = int(self.truth.case_of[chosen])
            refused, until = self.law.refuses(case, int(self.truth.same_as[chosen]), day, t)
            if refused:
                self.counts.refused += 1
                self.order.refused(chosen, until)
                continue
            self._dial(free, day, t, chosen, ties)
            t += gap

    def _dial(self, free: list[float], day: int, t: float, number: int, ties: "itertools.count[int]") -> None:
        truth, r = self.truth, self.r
        self.counts.attempts += 1
        case = int(truth.case_of[number])
        hour = int((t / 3600 + truth.shown.zone_hours[case]) % 24)
        chance = float(truth.answers[number, hour])
        asked_day, asked = self.asked.get(case, (-1, 0.0))
        if asked_day == day and abs(t - asked) < 1800 and truth.party[number] == RIGHT:
            chance = max(chance, 0.8)
        luck = truth.luck[number, self.tried[number] % truth.luck.shape[1]]
        self.tried[number] += 1
        if luck < chance:
            self._talk(free, day, t, number, inbound=False)
            return
        self.law.count(case, day, t, 0.0, inbound=False)
        self.order.heard(number, t, truth.outcome(number, False, 0.0))
        if truth.party[number] == RIGHT and r.random() < self.w.rings_back:
            heapq.heappush(self.back, (t + float(r.exponential(1800)), next(ties), number))

    def _talk(self, free: list[float], day: int, t: float, number: int, *, inbound: bool) -> float:
        """An agent is taken for it; gives t."""
        truth, r, c = self.truth, self.r, self.counts
        case = int(truth.case_of[number])
        outcome = truth.outcome(number, True, float(r.random()), rang_us=inbound)
        right = outcome == "right_party"
        talk = float(r.lognormal(math.log(self.w.talk_mean if right else self.w.other_talk_mean) - 0.18, 0.6))
        handled = talk + float(r.lognormal(math.log(self.w.wrap_mean) - 0.125, 0.5))
        began = max(t, heapq.heappop(free))
        heapq.heappush(free, began + handled / self.w.utilisation)
        c.answers += 1
        c.worked_s += handled
        c.rang_back += inbound
        self.law.count(case, day, t, talk, inbound)
        promise, asked = False, None
        if right:
            c.right_party += 1
            self.reached.add(case)
            promise = case not in self.promised and r.random() < truth.promise[case]
            if promise:
                self.promised.add(case)
                c.promises += 1
                c.money += float(truth.money[case])
            elif r.random() < self.w.asks_for_hour:
                asked = t + 3600.0 * float(r.integers(2, 6))
                self.asked[case] = (day, asked)
        self.order.heard(number, t, outcome, promise=promise, asked=asked)
        return t
