"""One pool: campaigns that are linked by shared agents, seen as one floor, paced by one pacer, its calls shared out.

What PostgreSQL and the dialer's ears tell becomes an `Observation`; what `Pacer`, the fixed ratio or the progressive rule
answer becomes calls by campaign.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from backoffice_core.call_centre import campaign_terms
from backoffice_core.call_centre.campaign_models import Campaign as Row
from backoffice_core.call_centre.campaign_rules import OVERDIALS
from backoffice_core.call_centre.pacing_view import Count, Ended, Floor
from dialer.observation import Observation
from dialer.pacing import Campaign, Decision, Pacer, PacingSettings, progressive, share
from dialer.terms import Terms

ENOUGH = 100_000  # a campaign takes any number of calls while its list is not known to be empty
OUTCOMES = {"BUSY": "busy", "REJECTED": "busy", "INVALID_NUMBER": "invalid", "NO_ANSWER": "no_answer",
            "ANNOUNCEMENT": "no_answer", "ANSWERED_MACHINE": "machine"}  # fmt: skip
"""What a call that nobody took says of people; a fault of the trunk says nothing."""
OVER_FOR_S = 1.0  # a call of which we heard the end may ring again on another trunk
KEPT_OF_SHARES = 0.98  # of what counts towards a campaign's share, from one placing step to the next
LOOK_AHEAD_S = 10.0  # a call placed now is answered about then: so far ahead those who call us are counted out


@dataclass(frozen=True)
class Heard:
    """What the dialer's own ears add: seconds ago, of calls that PostgreSQL may not know yet."""

    answered: Mapping[UUID, float] = field(default_factory=dict)
    over: Mapping[UUID, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """`given`: calls by campaign, the most urgent first. `accounts`: for people, by campaign."""

    decision: Decision
    given: Mapping[str, int]
    accounts: Mapping[str, Mapping[str, Any]]


def pools(campaigns: Sequence[Row], terms: Terms) -> list[list[Row]]:
    """Campaigns by pool: an agent at work links all that he can serve. Whom nobody serves now stands alone."""
    groups: list[set[str]] = [{one.name} for one in campaigns]
    for user in terms.skills:
        served = {one.name for one in campaigns if terms.can_serve(user, one)}
        linked = [group for group in groups if group & served]
        if len(linked) > 1:
            groups = [group for group in groups if not group & served] + [set().union(*linked)]
    found = [[one for one in campaigns if one.name in group] for group in groups]
    return sorted(found, key=lambda rows: (rows[0].priority, rows[0].name))


def name_of(rows: Sequence[Row]) -> str:
    return "+".join(sorted(one.name for one in rows))


class Pool:
    """Made anew, with the memory of the last one, whenever its campaigns are others."""

    def __init__(self, rows: Sequence[Row], memory: dict[str, Any] | None = None) -> None:
        self.name = name_of(rows)
        self.campaigns = {one.name for one in rows}
        self.pacer = Pacer(PacingSettings(), memory)
        self._flying: dict[UUID, datetime] = {}
        self._before: dict[UUID, tuple[str, datetime]] = {}
        self._had: dict[str, float] = {}  # calls of late by campaign, for their shares

    # --- seeing --------------------------------------------------------------------------------------------------

    def placed(self, call_id: UUID, at: datetime) -> None:
        """It rings, or may have been answered before anybody looks."""
        self._flying.setdefault(call_id, at)

    def gone(self, floor: Floor) -> list[UUID]:
        """Calls of ours that rang at the last look and stand no more among the live ones: how did they end?"""
        live = {call.id for call in floor.calls}
        return [one for one in self._flying if one not in live]

    def observe(
        self, floor: Floor, over: Mapping[UUID, Ended], heard: Heard, rows: Sequence[Row], terms: Terms, *, t: float,
        wall: datetime, horizon: float, lines: int, ring_timeout: float,
    ) -> Observation:  # fmt: skip
        """`over`: of the calls of `gone`."""
        before = {one.name for one in rows if one.machines == "before"}
        names = {one.name for one in rows}
        attempts = self._attempts(floor, over, before)
        ringing: list[float] = []
        waiting: list[float] = []
        for call in floor.calls:
            if call.with_agent or call.abandoned or not (call.inbound or call.campaign in names):
                continue
            if not call.inbound and call.answered_at is None:
                self.placed(call.id, call.claimed_at)
            if call.inbound or call.answered_at or call.id in heard.answered:
                waited = (wall - (call.answered_at or call.claimed_at)).total_seconds()
                waiting.append(max(heard.answered.get(call.id, waited), 0.0))
                continue
            if heard.over.get(call.id, OVER_FOR_S) >= OVER_FOR_S:
                ringing.append(max((wall - call.claimed_at).total_seconds(), 0.0))
        ours = [seat for seat in floor.seats if any(terms.can_serve(seat.user_id, one) for one in rows)]
        free = sorted((max((wall - seat.since).total_seconds(), 0.0) for seat in ours if seat.free), reverse=True)
        wanted_by_callers = int(terms.inbound_per_s * LOOK_AHEAD_S + 0.5)
        talks, wraps = self._ended_talks(ours)
        counts = [self.count(one, terms) for one in rows if self.mode(one, terms) in OVERDIALS]
        return Observation(
            t=t, horizon=horizon, free=tuple(free[wanted_by_callers:]),
            talking=self._since(ours, ("TALKING", "RESERVED"), wall), wrapping=self._since(ours, ("WRAP_UP",), wall),
            ringing=tuple(ringing), waiting=tuple(waiting),
            on_break=sum(seat.state in {"PAUSED", "UNREACHABLE"} for seat in ours), logged_in=len(ours),
            trunks_free=lines, attempts=tuple(attempts), talks=talks, wraps=wraps,
            live=sum(one[0] for one in counts), abandoned=sum(one[1] for one in counts),
            answer_limit=terms.answer_limit, ring_timeout=ring_timeout,
        )  # fmt: skip

    @staticmethod
    def _since(seats: Sequence[Any], states: Collection[str], wall: datetime) -> tuple[float, ...]:
        back = (seat for seat in seats if seat.state in states and not seat.leaves and not seat.held)
        return tuple(max((wall - seat.since).total_seconds(), 0.0) for seat in back)

    def _attempts(self, floor: Floor, over: Mapping[UUID, Ended], before: Collection[str]) -> list[tuple[str, float]]:
        """How ringing ended since the last look. With machines told apart first, an answer counts once it has its agent."""
        found: list[tuple[str, float]] = []
        for call in floor.calls:
            if call.id not in self._flying:
                continue
            if call.answered_at is None:
                continue  # it may have its agent before the listener has written when it was answered
            if call.with_agent or call.abandoned or call.campaign not in before:
                placed = self._flying.pop(call.id)
                found.append(("answer", max((call.answered_at - placed).total_seconds(), 0.0)))
        for call_id, end in over.items():
            one = self._flying.pop(call_id, None)
            rang_until = end.answered_at or end.ended_at
            if one is None or rang_until is None:
                continue
            answered = end.answered_at is not None and end.result != "ANSWERED_MACHINE"
            outcome = "answer" if answered else OUTCOMES.get(end.result, "")
            if outcome:
                found.append((outcome, max((rang_until - one).total_seconds(), 0.0)))
        return found

    def _ended_talks(self, seats: Sequence[Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        talks, wraps = [], []
        for seat in seats:
            state, since = self._before.get(seat.user_id, ("", seat.since))
            if (state, since) != (seat.state, seat.since):
                lasted = (seat.since - since).total_seconds()
                if state == "TALKING":
                    talks.append(lasted)
                elif state == "WRAP_UP":
                    wraps.append(lasted)
        self._before = {seat.user_id: (seat.state, seat.since) for seat in seats}
        return tuple(talks), tuple(wraps)

    # --- the account ---------------------------------------------------------------------------------------------

    @staticmethod
    def mode(row: Row, terms: Terms) -> str:
        running = terms.running.get(row.name)
        return running.mode if running else "progressive"

    @staticmethod
    def _of(row: Row, terms: Terms, window: str) -> dict[str, Count]:
        """Counts by caller id."""
        counts = terms.counts.get(window, {})
        return {number: one for (campaign, number), one in counts.items() if campaign == row.name}

    def count(self, row: Row, terms: Terms) -> tuple[int, int, float, str]:
        """Answers, abandoned, share allowed and window of the account that binds most: the campaign's own, or a rule's."""
        accounts = [(row.abandon_window, float(row.target_abandon_pct), row.denominator)]
        running = terms.running.get(row.name)
        if running is not None and running.limits is not None:
            for rule in running.limits.abandon_accounts:
                if "campaign" in rule.per:
                    window = "day" if rule.window_days <= 1 else f"{rule.window_days}d"
                    accounts.append((window, float(rule.max_pct), "live"))
        found = []
        for window, percent, of in accounts:
            total = sum(self._of(row, terms, window).values(), Count())
            answers = total.queued if of == "queued" else total.live
            misjudged = terms.misjudged.get(row.name, 0)
            found.append((answers + misjudged, total.abandoned + misjudged, percent / 100, window))
        return min(found, key=lambda one: one[2] * one[0] - one[1])

    def _room(self, row: Row, terms: Terms, to_come: float) -> float:
        """Abandoned calls that the campaign, and each number it shows, may still bear, with what the answers to come earn."""
        answers, lost, share_, _ = self.count(row, terms)
        room = share_ * (answers + to_come) - lost
        running = terms.running.get(row.name)
        for rule in running.limits.abandon_accounts if running is not None and running.limits is not None else ():
            if "caller_id" not in rule.per:
                continue
            window = "day" if rule.window_days <= 1 else f"{rule.window_days}d"
            for one in self._of(row, terms, window).values():
                part = to_come * one.live / max(answers, 1)
                room = min(room, float(rule.max_pct) / 100 * (one.live + part) - one.abandoned + 1)
        return room - 1

    # --- deciding ------------------------------------------------------------------------------------------------

    def plan(self, o: Observation, floor: Floor, rows: Sequence[Row], terms: Terms, empty: Collection[str]) -> Plan:
        """`empty`: campaigns whose list has nothing to call just now."""
        modes = {one.name: self.mode(one, terms) for one in rows}
        overdialing = [one for one in rows if modes[one.name] == "predictive"]
        in_flight, free = len(o.ringing) + len(o.waiting), len(o.free)
        sure = max(free - in_flight, 0)
        if overdialing:
            self.pacer.aim(min(self.count(one, terms)[2] for one in overdialing))
            decision = self.pacer.decide(o)
        else:
            self.pacer.watch(o)
            decision = progressive(free=free, in_flight=in_flight, lines_free=max(o.trunks_free, 0))
        to_come = 0.75 * self.pacer.account.to_come(o.horizon - o.t)
        rooms = {one.name: self._room(one, terms, to_come) for one in rows if modes[one.name] in OVERDIALS}
        powered = {
            one.name: max(int(free * float(one.ratio)) - in_flight, 0)
            for one in rows
            if modes[one.name] == "power" and rooms[one.name] > 0
        }
        calls = min(max([decision.calls, *powered.values()]), max(o.trunks_free, 0))
        asking = []
        for one in rows:
            wanted = 0 if one.name in empty or modes[one.name] == "preview" else ENOUGH
            room = 0.0
            if modes[one.name] == "predictive":
                wanted, room = min(wanted, decision.calls), rooms[one.name] if len(overdialing) > 1 else 1.0
            elif modes[one.name] == "power":
                wanted, room = min(wanted, powered.get(one.name, sure)), rooms[one.name]
            if (narrow := self._narrow(one, floor, rows, terms)) is not None:
                wanted, room = min(wanted, narrow), 0.0
            weight = campaign_terms.weight(one.whom or {})
            asking.append(Campaign(name=one.name, wanted=wanted, priority=one.priority, room=room, weight=weight))
        given = self._shared(calls, asking, sure)
        order = {one.name: given[one.name] for one in sorted(rows, key=lambda r: (r.priority, r.name))}
        accounts = {one.name: self._told(one, terms, modes[one.name], to_come / 0.75, o) for one in rows}
        bound = "lines" if calls and calls == o.trunks_free else decision.bound
        return Plan(Decision(calls, bound, decision.terms), order, accounts)

    def _shared(self, calls: int, asking: Sequence[Campaign], sure: int) -> dict[str, int]:
        """By priority and, among equals, by weight over the calls of late: one that had nothing to call earns no credit."""
        peers = [one for one in asking if one.weight > 0]
        level = {p: max((self._had.get(c.name, 0.0) / c.weight for c in peers if c.priority == p), default=0.0)
                 for p in {c.priority for c in peers}}  # fmt: skip
        for one in peers:
            if not one.wanted:
                self._had[one.name] = level[one.priority] * one.weight
        given = share(calls, [replace(one, had=self._had.get(one.name, 0.0)) for one in asking], sure=sure)
        if any(given.values()):
            self._had = {name: KEPT_OF_SHARES * self._had.get(name, 0.0) + n for name, n in given.items()}
        return given

    @staticmethod
    def _narrow(row: Row, floor: Floor, rows: Sequence[Row], terms: Terms) -> int | None:
        """A campaign that only some of the pool's agents serve gets a call for each of these who is free; None = all do."""
        ours = [seat for seat in floor.seats if any(terms.can_serve(seat.user_id, one) for one in rows)]
        can = [seat for seat in ours if terms.can_serve(seat.user_id, row)]
        if len(can) == len(ours):
            return None
        flying = sum(
            call.campaign == row.name and not (call.inbound or call.with_agent or call.abandoned)
            for call in floor.calls
        )
        return max(sum(seat.free for seat in can) - flying, 0)

    def _told(self, row: Row, terms: Terms, mode: str, to_come: float, o: Observation) -> dict[str, Any]:
        """The account for people, with what the shift's end will show if the pacer spends what it may."""
        answers, lost, limit, window = self.count(row, terms)
        steer = self.pacer.last_steer
        spends = steer.allowed if steer is not None and mode == "predictive" else 0.0
        ahead = answers + to_come
        return {
            "mode": mode, "answers": answers, "abandoned": lost, "limit_pct": round(100 * limit, 2), "window": window,
            "forecast_pct": round(100 * (lost + spends * to_come) / ahead, 2) if ahead >= 1 else 0.0,
        }  # fmt: skip
