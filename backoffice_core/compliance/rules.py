"""May this person be contacted, by this channel, by whom, now? The one evaluator (pure: values in, values out).

Fails closed: without time zone, jurisdiction, rule set, calendar or time window the answer is no. It never reads a
clock, a setting or a table: `service.py` brings the rule book, the calendar and the ledger.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from backoffice_core.compliance import counting
from backoffice_core.compliance.grounds import Cap, Finding, Grounds, counted_over
from backoffice_core.compliance.late import LateSource, closed
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.terms import (
    REASON_ORDER,
    VOICE,
    Calendar,
    Contact,
    Decision,
    Entry,
    LedgerView,
    Must,
    Reason,
    ReasonCode,
    Rule,
    Window,
)

MOST_JUMPS = 100  # windows that never meet (zones half a world apart) end the search


def decide(
    contact: Contact,
    at: datetime,
    rules: RuleBook,
    calendar: Calendar,
    ledger: LedgerView,
    *,
    guard_minutes: int = 0,
    late: tuple[LateSource, ...] = (),
) -> Decision:
    """Whether `contact` is lawful at `at`, and if not, why and from when.

    `guard_minutes`: a call must begin so many minutes before a window ends, because the talk must fit. `late`: sources
    of contacts made elsewhere that have not reported in time.
    Raises ValueError when `at` has no zone.
    """
    return Alike(contact, at, rules, calendar, guard_minutes=guard_minutes, late=late).answer(_number(contact), ledger)


def today(
    contact: Contact, at: datetime, rules: RuleBook, calendar: Calendar, ledger: LedgerView
) -> tuple[int, int | None, datetime | None]:
    """What the card shows: contacts counted today and their limit, by the daily cap with the least room (None: there
    is no such cap), and when the hours of today end (UTC; None = closed now, or no time zone)."""
    moment = counting.utc(at)
    grounds = Grounds(contact, moment, rules, calendar, 0, ())
    return _Question(grounds, _number(contact), ledger).today(moment)


class Alike:
    """Contacts that differ in the person and the number's digits alone, asked about at one moment: each answer is what
    `decide` gives, and what they have in common is worked out once. Parameters are those of `decide`."""

    def __init__(
        self, contact: Contact, at: datetime, rules: RuleBook, calendar: Calendar, *, guard_minutes: int = 0,
        late: tuple[LateSource, ...] = (),
    ) -> None:  # fmt: skip
        if at.tzinfo is None:
            raise ValueError("the moment needs a time zone")
        self._at = counting.utc(at)
        self._grounds = Grounds(contact, self._at, rules, calendar, guard_minutes, late)

    def answer(self, number: str, ledger: LedgerView) -> Decision:
        """`number`: digits, "" = not known; `ledger`: the person's."""
        return _Question(self._grounds, number, ledger).answer(self._at)


def _number(contact: Contact) -> str:
    return contact.address.value if contact.address else ""


class _Question:
    def __init__(self, grounds: Grounds, number: str, ledger: LedgerView) -> None:
        self.grounds, self.number, self.ledger = grounds, number, ledger
        self.contact, self.zones, self.recheck = grounds.contact, grounds.zones, grounds.recheck
        # What the search for a lawful instant comes back to: the same at each of its stops.
        self._weighed: dict[tuple[Rule, Window, int], list[counting.Weighed]] = {}
        self._cooled: dict[Rule, datetime | None] = {}

    def answer(self, at: datetime) -> Decision:
        found = self.findings(at)
        refusals = sorted(
            (reason for rule, reason in found if rule is None or rule.blocks),
            key=lambda reason: (REASON_ORDER[reason.code], reason.rule_id or ""),
        )
        duties, unproven, consulted = self.grounds.owed(at)
        return Decision(
            allow=not refusals,
            reasons=tuple(refusals),
            next_allowed_at=self.first_lawful(at, refusals),
            must=(*duties, *_warnings(found), *unproven),
            consulted=consulted,
        )

    # --- the search for the next lawful instant --------------------------------------------------------------------

    def first_lawful(self, at: datetime, refusals: list[Reason]) -> datetime | None:
        """Jumps from the end of what blocks to the end of what blocks then. Each reason holds without a gap until its
        `until`, so no lawful instant is jumped over; rules that begin or end on the way are stops of their own."""
        for _ in range(MOST_JUMPS):
            if not refusals:
                return at
            if any(reason.code == ReasonCode.NO_TIME_ZONE for reason in refusals):
                return None
            ends = [reason.until for reason in refusals]
            change = self.grounds.next_change(at)
            known = [end for end in ends if end is not None]
            if len(known) < len(ends):
                if change is None:
                    return None
                at = change
            else:
                at = min(max(known), change) if change else max(known)
            refusals = [reason for rule, reason in self.findings(at) if rule is None or rule.blocks]
        return None

    # --- what stands against the contact ---------------------------------------------------------------------------

    def findings(self, at: datetime) -> list[Finding]:
        grounds = self.grounds
        found = list(grounds.first(at))
        if not grounds.zones_known:
            return found
        found += self.capped(at)
        if self.recheck is not None and at < self.recheck:
            found += closed(grounds.applicable(at).get("late_source", ()), grounds.late, self.recheck)
        found += self.cooling(at)
        found += self.held_from_redial(at)
        found += grounds.last(at)
        return found

    def capped(self, at: datetime) -> Iterable[Finding]:
        for cap in self.grounds.caps(at):
            yield from self._full(cap, at)
            if cap.gap:
                yield from self._gap(cap, at)

    def _full(self, cap: Cap, at: datetime) -> Iterable[Finding]:
        row, unit, window, most, limit, _ = cap
        key = row, window, most
        if key not in self._weighed:  # at the first stop; the others are later
            entries, debt = self.counted(row), self.contact.debt
            self._weighed[key] = counting.weigh(row, unit, window, limit, entries, debt, self.zones, at)
        weighed = self._weighed[key]
        used = counting.used(weighed, at)
        if used >= limit:
            yield row, Reason(ReasonCode.CAP_REACHED, row.id, _said(cap, used), counting.released(weighed, limit))
        elif self.recheck is not None and at < self.recheck:
            assumed = self.grounds.assumed
            more = counting.weigh(row, unit, window, limit, assumed, self.contact.debt, self.zones, at)
            if used + (unproven := counting.used(more, at)) >= limit:
                late = [source.name for source in self.grounds.late]
                params = _said(cap, used) | {"assumed": str(unproven), "late_source": late}
                yield row, Reason(ReasonCode.CAP_REACHED, row.id, params, self.recheck)

    def counted(self, row: Rule) -> Iterable[Entry]:
        return counting.looked_at(row, self.ledger, self.number)

    def _gap(self, cap: Cap, at: datetime) -> Iterable[Finding]:
        row, unit, minutes = cap.row, cap.unit, cap.gap
        counted = [
            entry.at
            for entry in self.counted(row)
            if counting.concerns(row, entry, self.contact.debt) and counting.weight(entry, unit, counting.ONE) > 0
        ]
        until = counting.utc(max(counted)) + timedelta(minutes=minutes) if counted else at
        if until > at:
            yield row, Reason(ReasonCode.COOLDOWN, row.id, {"minutes": minutes}, until)

    def cooling(self, at: datetime) -> Iterable[Finding]:
        excused = self.grounds.excused(at)
        for row in self.grounds.applicable(at).get("cooldown_after", ()):
            if row.honoured_exceptions & excused:
                continue
            window, unit = counted_over(row)
            if row not in self._cooled:
                self._cooled[row] = self._cooled_at(row, unit, window, at)
            ends = self._cooled[row]
            if ends is not None and ends > at:
                params = {"unit": unit, "days": window.n}
                yield row, Reason(ReasonCode.COOLDOWN, row.id, params, ends)

    def _cooled_at(self, row: Rule, unit: str, window: Window, at: datetime) -> datetime | None:
        # A cooldown runs by whole local days; the day of the talk is the first where the rule says so.
        quiet = Window("calendar_day", window.n + (0 if row.params.get("day_of_talk_counts") else 1))
        over = counting.over_before(at, quiet)
        ends = (
            counting.expiry(entry.at, quiet, zone)
            for entry in self.counted(row)
            if entry.at > over
            and counting.concerns(row, entry, self.contact.debt, heed_exceptions=False)
            and counting.UNITS[unit](entry)
            for zone in self.zones
        )
        return max(ends, default=None)

    def held_from_redial(self, at: datetime) -> Iterable[Finding]:
        """After an abandoned call no machine dials the person again for hours, unless an agent waits on the line."""
        if self.contact.channel not in VOICE or self.contact.actor not in {"dialer", "robot"}:
            return
        for row in self.grounds.applicable(at).get("dialer_limit", ()):
            hours = row.params.get("redial_hold_hours")
            if not hours or (row.params.get("redial_ok_if") == "agent_guaranteed" and self.contact.agent_guaranteed):
                continue
            dropped = [
                entry.at
                for entry in self.ledger.entries
                if counting.attempt(entry) and (entry.abandoned or (entry.uncertain and entry.state == "COMMITTED"))
            ]
            until = counting.utc(max(dropped)) + timedelta(hours=hours) if dropped else at
            if until > at:
                # The row itself never refuses a contact (it has no on_breach): this part of it does.
                yield None, Reason(ReasonCode.COOLDOWN, row.id, {"hours": hours, "after": "abandoned"}, until)

    def today(self, at: datetime) -> tuple[int, int | None, datetime | None]:
        caps = []
        for row in self.grounds.applicable(at).get("frequency_cap", ()):
            window, unit = counted_over(row)
            if window == Window("calendar_day") and unit != "minutes":
                limit = Decimal(row.params["max"])
                weighed = counting.weigh(row, unit, window, limit, self.counted(row), self.contact.debt, self.zones, at)
                caps.append((row.params["max"], int(counting.used(weighed, at))))
        most, count = min(caps, key=lambda cap: (cap[0] - cap[1], cap[0]), default=(None, 0))
        return count, most, self.grounds.closes(at)


def _said(cap: Cap, used: Decimal) -> dict[str, object]:
    window = cap.window
    return {"unit": cap.unit, "max": cap.most, "used": str(used), "window": window.type, "n": window.n}


def _warnings(found: Iterable[Finding]) -> Iterable[Must]:
    for rule, reason in found:
        if rule is not None and not rule.blocks and rule.on_breach is not None:
            yield Must("warn", rule.id, {"code": reason.code.value, **reason.params})
