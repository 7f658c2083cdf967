"""One pool: campaigns that are linked by shared agents, seen as one floor, paced by one pacer, its calls shared out.

What PostgreSQL and the dialer's ears tell becomes an `Observation`; what `Pacer`, the fixed ratio or the progressive rule
answer becomes calls by campaign.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from backoffice_core.call_centre.dialing import campaign_terms
from backoffice_core.call_centre.dialing.campaign_models import Campaign as Row
from backoffice_core.call_centre.dialing.campaign_rules import OVERDIALS
from backoffice_core.call_centre.dialing.pacing_view import Count, Ended, Floor, Seat
from dialer.hand_in_hand import Asking, left_to, take
from dialer.observation import Observation
from dialer.pacing import Campaign, Decision, Pacer, PacingSettings, progressive, share
from dialer.sight import Sight
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
    """`given`: calls by campaign, the most urgent first. `accounts`: for people, by campaign. `in_hand`: campaigns whose calls
    begin with an agent reserved."""

    decision: Decision
    given: Mapping[str, int]
    accounts: Mapping[str, Mapping[str, Any]]
    in_hand: frozenset[str] = frozenset()


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
        # of campaigns that only some of the agents serve, each for its own agents
        self.narrow: dict[str, Pacer] = {
            name: Pacer(PacingSettings(), kept)
            for name, kept in (memory or {}).get("narrow", {}).items()
            if name in self.campaigns
        }
        self.sight: Sight | None = None
        self._flying: dict[UUID, tuple[str, datetime]] = {}
        self._before: dict[UUID, tuple[str, datetime]] = {}
        self._had: dict[str, float] = {}  # calls of late by campaign, for their shares
        self._spent: set[str] = set()  # campaigns whose own account bore no more at the last step

    def memory(self) -> dict[str, Any]:
        """JSON, for `Pool(rows, memory)`."""
        return self.pacer.memory() | {"narrow": {name: one.memory() for name, one in self.narrow.items()}}

    # --- seeing --------------------------------------------------------------------------------------------------

    def placed(self, call_id: UUID, at: datetime, campaign: str = "") -> None:
        """It rings, or may have been answered before anybody looks."""
        self._flying.setdefault(call_id, (campaign, at))

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
        ringing: list[tuple[str, float]] = []
        waiting: list[tuple[str, float]] = []
        for call in floor.calls:
            if call.with_agent or call.abandoned or not (call.inbound or call.campaign in names):
                continue
            if not call.inbound and call.answered_at is None:
                self.placed(call.id, call.claimed_at, call.campaign)
            if call.inbound or call.answered_at or call.id in heard.answered:
                waited = (wall - (call.answered_at or call.claimed_at)).total_seconds()
                whose = "" if call.inbound else call.campaign
                waiting.append((whose, max(heard.answered.get(call.id, waited), 0.0)))
                continue
            if heard.over.get(call.id, OVER_FOR_S) >= OVER_FOR_S:
                ringing.append((call.campaign, max((wall - call.claimed_at).total_seconds(), 0.0)))
        ours = [seat for seat in floor.seats if any(terms.can_serve(seat.user_id, one) for one in rows)]
        talks, wraps = self._ended_talks(ours)
        self.sight = Sight(
            t=t, horizon=horizon, wall=wall, lines=lines, answer_limit=terms.answer_limit, ring_timeout=ring_timeout,
            seats=ours, ringing=ringing, waiting=waiting, attempts=attempts, talks=talks, wraps=wraps,
            callers=int(terms.inbound_per_s * LOOK_AHEAD_S + 0.5),
        )  # fmt: skip
        live, abandoned = self._counts(rows, terms)
        return self.sight.of(live=live, abandoned=abandoned)

    def _counts(self, rows: Sequence[Row], terms: Terms) -> tuple[int, int]:
        """Answers and abandoned calls of those that dial ahead."""
        counts = [self.count(one, terms) for one in rows if self.mode(one, terms) in OVERDIALS]
        return sum(one[0] for one in counts), sum(one[1] for one in counts)

    def _attempts(
        self, floor: Floor, over: Mapping[UUID, Ended], before: Collection[str]
    ) -> list[tuple[str, str, float]]:
        """How ringing ended since the last look, by campaign. With machines told apart first, an answer counts once it has
        its agent."""
        found: list[tuple[str, str, float]] = []
        for call in floor.calls:
            if call.id not in self._flying:
                continue
            if call.answered_at is None:
                continue  # it may have its agent before the listener has written when it was answered
            if call.with_agent or call.abandoned or call.campaign not in before:
                _, placed = self._flying.pop(call.id)
                found.append((call.campaign, "answer", max((call.answered_at - placed).total_seconds(), 0.0)))
        for call_id, end in over.items():
            one = self._flying.pop(call_id, None)
            rang_until = end.answered_at or end.ended_at
            if one is None or rang_until is None:
                continue
            answered = end.answered_at is not None and end.result != "ANSWERED_MACHINE"
            outcome = "answer" if answered else OUTCOMES.get(end.result, "")
            if outcome:
                found.append((one[0], outcome, max((rang_until - one[1]).total_seconds(), 0.0)))
        return found

    def _ended_talks(self, seats: Sequence[Seat]) -> tuple[list[tuple[UUID, float]], list[tuple[UUID, float]]]:
        """Their seconds, by agent."""
        talks: list[tuple[UUID, float]] = []
        wraps: list[tuple[UUID, float]] = []
        for seat in seats:
            state, since = self._before.get(seat.user_id, ("", seat.since))
            if (state, since) != (seat.state, seat.since):
                lasted = (seat.since - since).total_seconds()
                if state == "TALKING":
                    talks.append((seat.user_id, lasted))
                elif state == "WRAP_UP":
                    wraps.append((seat.user_id, lasted))
        self._before = {seat.user_id: (seat.state, seat.since) for seat in seats}
        return talks, wraps

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
        """Abandoned calls that the campaign, and each number it shows, may still bear, with what the answers to come earn. A
        number that rests is not shown while another can be, and binds nobody then."""
        answers, lost, share_, _ = self.count(row, terms)
        room = share_ * (answers + to_come) - lost
        own = sum(self._of(row, terms, "day").values(), Count()).live
        for number in self._shown(row, terms):
            if (one := terms.ids.get(number)) is not None:
                of_it = self._of(row, terms, "day").get(number, Count()).live
                room = min(room, one.spare + float(one.max_pct) / 100 * to_come * of_it / max(own, 1))
        return room - 1

    @staticmethod
    def _shown(row: Row, terms: Terms) -> list[str]:
        """Numbers that its calls may show now: those that do not rest, else all."""
        usable = [one for one in terms.shown if row.name in one.campaigns and one.state == "IN"]
        awake = [one.number for one in usable if one.number not in terms.ids or not terms.ids[one.number].spent]
        return awake or [one.number for one in usable]

    # --- deciding ------------------------------------------------------------------------------------------------

    def plan(
        self, o: Observation, floor: Floor, rows: Sequence[Row], terms: Terms, empty: Collection[str], pace: float = 1.0
    ) -> Plan:
        """After `observe`, which gave `o`. `empty`: campaigns whose list has nothing to call just now. `pace`: after an
        alarm only this share of the agents, 0 … 1, is counted on."""
        assert self.sight is not None  # noqa: S101 (whoever plans has looked)
        modes = {one.name: self.mode(one, terms) for one in rows}
        parties = self._parties(rows, terms, floor)
        everybody = frozenset(seat.user_id for seat in self.sight.seats)
        narrow = {name for name, one in parties.items() if one.agents != everybody}
        in_hand = self._in_hand(modes, narrow)
        able = {
            one.name
            for one in rows
            if one.name not in empty and modes[one.name] != "preview" and parties[one.name].weight > 0
        }
        asking = [parties[name] for name in able & in_hand]
        rivals = [parties[name] for name in able - in_hand]
        ahead = any(modes[one.name] in OVERDIALS for one in rivals)
        sure = max(math.ceil(pace * len(o.free)) - len(o.waiting) - (0 if ahead else len(o.ringing)), 0)
        hands = take(asking, rivals, [one.user_id for one in self.sight.seats if one.free], min(sure, o.trunks_free))
        taken = frozenset(user for users in hands.values() for user in users)
        counted_on = (left_to(rivals, asking) if rivals else everybody) - taken
        seen = self.sight.of(live=o.live, abandoned=o.abandoned, counted_on=counted_on, part=pace)
        seen = replace(seen, trunks_free=max(o.trunks_free - len(taken), 0))

        overdialing = [one for one in rows if modes[one.name] == "predictive"]
        in_flight, free = len(seen.ringing) + len(seen.waiting), len(seen.free)
        if overdialing:
            self.pacer.aim(min(self.count(one, terms)[2] for one in overdialing))
            decision = self.pacer.decide(seen)
        else:
            self.pacer.watch(seen)
            decision = progressive(free=free, in_flight=in_flight, lines_free=seen.trunks_free)
        own = self._own_decisions(overdialing, parties, able, terms, counted_on, pace)
        to_come = 0.75 * self.pacer.account.to_come(o.horizon - o.t)
        rooms = {one.name: self._room(one, terms, to_come) for one in rows if modes[one.name] in OVERDIALS}
        self._spent = {one.name for one in overdialing if rooms[one.name] <= 0} if len(overdialing) > 1 else set()
        powered = {
            one.name: self._powered(one, seen, parties[one.name], counted_on, whole=one.name not in narrow)
            for one in rows
            if modes[one.name] == "power" and rooms[one.name] > 0
        }
        calls = min(max([decision.calls, *powered.values()]), seen.trunks_free)
        asked = []
        for one in rows:
            wanted = ENOUGH if one.name in able and one.name not in in_hand else 0
            room = 0.0
            if modes[one.name] == "predictive":
                most = min(decision.calls, own[one.name].calls) if one.name in own else decision.calls
                wanted, room = min(wanted, most), rooms[one.name] if len(overdialing) > 1 else 1.0
            elif modes[one.name] == "power":
                wanted, room = min(wanted, powered.get(one.name, max(free - in_flight, 0))), rooms[one.name]
            party = parties[one.name]
            asked.append(
                Campaign(
                    name=one.name, wanted=wanted, priority=one.priority, room=room, weight=party.weight, had=party.had
                )
            )
        given = share(calls, asked, sure=max(free - in_flight, 0))
        given |= {name: len(users) for name, users in hands.items()}
        self._remember(given, parties, able)
        order = {one.name: given[one.name] for one in sorted(rows, key=lambda r: (r.priority, r.name))}
        accounts = {one.name: self._told(one, terms, modes[one.name], to_come / 0.75, o) for one in rows}
        bound = "lines" if calls and calls == seen.trunks_free else decision.bound
        terms_of = dict(decision.terms) | self._besides(rows, modes, taken, pace, o)
        return Plan(Decision(calls + len(taken), bound, terms_of), order, accounts, frozenset(in_hand))

    def _parties(self, rows: Sequence[Row], terms: Terms, floor: Floor) -> dict[str, Asking]:
        """Each campaign with the agents at work who can serve it, and the calls of late that count towards its part."""
        return {
            one.name: Asking(
                name=one.name, priority=one.priority, weight=campaign_terms.weight(one.whom or {}),
                had=self._had.get(one.name, 0.0),
                agents=frozenset(seat.user_id for seat in floor.seats if terms.can_serve(seat.user_id, one)),
            )
            for one in rows
        }  # fmt: skip

    def _in_hand(self, modes: Mapping[str, str], narrow: Collection[str]) -> set[str]:
        """Campaigns whose calls begin with their agent in hand: those that promise each call one, where others dial ahead, or
        where only some agents will do."""
        ahead = {name for name, mode in modes.items() if mode in OVERDIALS and name not in self._spent}
        return {
            name
            for name, mode in modes.items()
            if (mode == "progressive" and (ahead or name in narrow)) or (name in self._spent and ahead)
        }

    def _own_decisions(
        self, rows: Sequence[Row], parties: Mapping[str, Asking], able: Collection[str], terms: Terms,
        counted_on: Collection[UUID], pace: float,
    ) -> dict[str, Decision]:  # fmt: skip
        """How many calls each of these may place by its own agents, calls and account, where not all of the pool's agents are
        its own: only some serve it, or some are a more urgent campaign's while that has somebody to call."""
        assert self.sight is not None  # noqa: S101
        everybody = frozenset(seat.user_id for seat in self.sight.seats)
        found, pacers = {}, {}
        for one in rows:
            urgent = [parties[row.name].agents for row in rows if row.name in able and row.priority < one.priority]
            theirs = frozenset().union(*(agents for agents in urgent if agents != everybody))
            if parties[one.name].agents == everybody and not theirs:
                continue
            pacer = pacers[one.name] = self.narrow.get(one.name) or self._apprentice()
            answers, lost, limit, _ = self.count(one, terms)
            pacer.aim(limit)
            found[one.name] = pacer.decide(
                self.sight.of(
                    live=answers, abandoned=lost, agents=parties[one.name].agents, campaigns={one.name},
                    counted_on=frozenset(counted_on) - theirs, part=pace,
                )
            )  # fmt: skip
        self.narrow = pacers
        return found

    def _apprentice(self) -> Pacer:
        """Knows what the pool's pacer knows of calls and talks, and has an account of its own."""
        return Pacer(PacingSettings(), {"model": self.pacer.memory()["model"]})

    def _powered(self, row: Row, seen: Observation, party: Asking, counted_on: Collection[UUID], *, whole: bool) -> int:
        """Calls that fill its ratio: of the pool's free agents, or of its own."""
        assert self.sight is not None  # noqa: S101
        if whole:
            return max(int(len(seen.free) * float(row.ratio)) - len(seen.ringing) - len(seen.waiting), 0)
        free = sum(
            seat.free for seat in self.sight.seats if seat.user_id in party.agents and seat.user_id in counted_on
        )
        flying = sum(campaign == row.name for campaign, _ in (*self.sight.ringing, *self.sight.waiting))
        return max(int(free * float(row.ratio)) - flying, 0)

    def _remember(self, given: Mapping[str, int], parties: Mapping[str, Asking], able: Collection[str]) -> None:
        """Calls of late, for the next step's shares: one that had nothing to call earns no credit."""
        peers = [one for one in parties.values() if one.weight > 0]
        level = {p: max((one.had / one.weight for one in peers if one.priority == p), default=0.0)
                 for p in {one.priority for one in peers}}  # fmt: skip
        for one in peers:
            if one.name not in able:
                self._had[one.name] = level[one.priority] * one.weight
        if any(given.values()):
            self._had = {name: KEPT_OF_SHARES * self._had.get(name, 0.0) + n for name, n in given.items()}

    def _besides(
        self, rows: Sequence[Row], modes: Mapping[str, str], taken: Collection[UUID], pace: float, o: Observation
    ) -> dict[str, float]:
        """What else led to a decision, for the sentence that tells it."""
        assert self.sight is not None  # noqa: S101
        ratios = [float(one.ratio) for one in rows if modes[one.name] == "power"]
        free = sum(seat.free for seat in self.sight.seats)
        told = {
            "in_hand": len(taken), "callers": free - len(o.free), "ratio": max(ratios, default=0.0),
            "pace": pace if pace < 1 else 0.0,
        }  # fmt: skip
        return {name: value for name, value in told.items() if value}

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
