"""May this person be contacted, by this channel, by whom, now? The one evaluator (pure: values in, values out).

Fails closed: without time zone, jurisdiction, rule set, calendar or time window the answer is no. It never reads a
clock, a setting or a table: `service.py` brings the rule book, the calendar and the ledger.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from backoffice_core.compliance import agreed, counting
from backoffice_core.compliance.late import RECHECK, LateSource, assumed, closed, rows_of
from backoffice_core.compliance.rulebook import ByKind, RuleBook
from backoffice_core.compliance.terms import (
    REASON_ORDER,
    VOICE,
    Calendar,
    Contact,
    Decision,
    Entry,
    Flag,
    LedgerView,
    Must,
    Reason,
    ReasonCode,
    Rule,
    Window,
)
from backoffice_core.days import day_after, later

BUILT = frozenset(
    {"time_window", "frequency_cap", "cooldown_after", "status_block", "channel_ban", "dialer_limit"}
    | {"disclosure", "recording", "late_source", "consent_needed"}
)
"""Kinds that are evaluated here. A row of another kind that applies and blocks is a refusal."""

LOOK_AHEAD_DAYS = 40  # the longest run of closed days (Russian January) is 11
MOST_JUMPS = 100  # windows that never meet (zones half a world apart) end the search
UNTIMED = frozenset({"letter"})  # a letter needs no time window
SILENT_KINDS = frozenset({"money_order", "money_cap", "retention", "notice_duty", "late_source"})

Finding = tuple[Rule | None, Reason]


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
    if at.tzinfo is None:
        raise ValueError("the moment needs a time zone")
    question = _Question(contact, rules, calendar, ledger, guard_minutes)
    question.assume(late, counting.utc(at))
    return question.answer(counting.utc(at))


def today(
    contact: Contact, at: datetime, rules: RuleBook, calendar: Calendar, ledger: LedgerView
) -> tuple[int, int | None, datetime | None]:
    """What the card shows: contacts counted today and their limit, by the daily cap with the least room (None: there
    is no such cap), and when the hours of today end (UTC; None = closed now, or no time zone)."""
    return _Question(contact, rules, calendar, ledger, 0).today(counting.utc(at))


class _Question:
    def __init__(
        self, contact: Contact, rules: RuleBook, calendar: Calendar, ledger: LedgerView, guard_minutes: int
    ) -> None:
        self.contact = contact
        self.rules = rules
        self.calendar = calendar
        self.ledger = ledger
        self.profile = contact.profile()
        self.guard = timedelta(minutes=guard_minutes) if contact.channel in VOICE else timedelta()
        self.zones, self.zones_known = _zones(contact.person.zones)
        self.late: tuple[LateSource, ...] = ()
        self.assumed: tuple[Entry, ...] = ()
        self.recheck: datetime | None = None
        # What the search for a lawful instant comes back to: the same at each of its stops.
        self._days: dict[datetime, set[date]] = {}
        self._applicable: dict[datetime, ByKind] = {}
        self._weighed: dict[tuple[Rule, Window, int], list[counting.Weighed]] = {}
        self._cooled: dict[Rule, datetime | None] = {}

    def assume(self, late: tuple[LateSource, ...], at: datetime) -> None:
        """Counts contacts that a late source may have made, until it may have been heard of again."""
        rows = self.applicable(at).get("late_source", ()) if late else ()
        self.late = tuple(source for source in late if rows_of(rows, source))
        if self.late:
            self.assumed = tuple(assumed(rows, self.late, at, self.zones[0], self.rules.ledger_days))
            self.recheck = at + RECHECK

    def answer(self, at: datetime) -> Decision:
        found = self.findings(at)
        refusals = sorted(
            (reason for rule, reason in found if rule is None or rule.blocks),
            key=lambda reason: (REASON_ORDER[reason.code], reason.rule_id or ""),
        )
        return Decision(
            allow=not refusals,
            reasons=tuple(refusals),
            next_allowed_at=self.first_lawful(at, refusals),
            must=(*self.duties(at), *_warnings(found), *self.unproven(at)),
            consulted=self.consulted(at),
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
            change = self.rules.next_change(at, self.zones)
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
        by_kind = self.applicable(at)
        excused = self.excused(at)
        found: list[Finding] = [*self.unruled(at), *self.unbuilt(by_kind)]
        found += self.banned_lines(by_kind, excused)
        found += self.protected(by_kind, excused, at)
        found += agreed.unmet(by_kind.get("consent_needed", ()), self.contact, excused, self.days(at), at)
        if not self.zones_known:
            if self.contact.channel not in UNTIMED:
                found.append((None, Reason(ReasonCode.NO_TIME_ZONE, None, {})))
            return found
        found += self.capped(by_kind, excused, at)
        if self.recheck is not None and at < self.recheck:
            found += closed(by_kind.get("late_source", ()), self.late, self.recheck)
        found += self.cooling(by_kind, excused, at)
        found += self.held_from_redial(by_kind, at)
        if self.contact.channel not in UNTIMED:
            found += self.out_of_hours(at, excused)
        return found

    def days(self, at: datetime) -> set[date]:
        if at not in self._days:
            self._days[at] = {at.astimezone(zone).date() for zone in self.zones}
        return self._days[at]

    def applicable(self, at: datetime) -> ByKind:
        if at not in self._applicable:
            self._applicable[at] = self.rules.applicable(self.profile, self.days(at))
        return self._applicable[at]

    def excused(self, at: datetime) -> frozenset[str]:
        """The exceptions that this contact can claim at that moment."""
        given = self.contact.consent_at
        held = {"person_initiative"} if self.contact.person_initiative else set()
        if given is not None and given <= at:
            held.add("consent")
            if at < given + timedelta(days=7):
                held.add("consent_7d")
        return frozenset(held)

    def unruled(self, at: datetime) -> Iterable[Finding]:
        if not self.contact.person.jurisdictions:
            yield None, Reason(ReasonCode.NO_RULE, None, {"missing": "jurisdiction"})
        for jurisdiction in self.contact.person.jurisdictions:
            for missing in self._missing(jurisdiction, at):
                yield None, Reason(ReasonCode.NO_RULE, None, {"missing": missing, "jurisdiction": jurisdiction})

    def _missing(self, jurisdiction: str, at: datetime) -> Iterable[str]:
        days = self.days(at)
        if not all(self.rules.knows(jurisdiction, day) for day in days):
            yield "rule_set"
            return
        timed = self.contact.channel not in UNTIMED
        if timed and not all(self.rules.windows(self.profile, jurisdiction, day) for day in days):
            yield "time_window"
        if self.contact.subject == "third_party":
            rows = self.applicable(at).get("third_party", ())
            if not any(row.jurisdiction in (jurisdiction, "*") for row in rows):
                yield "third_party"  # nobody has said when a stranger may be spoken to there

    def unbuilt(self, by_kind: ByKind) -> Iterable[Finding]:
        for kind, rows in by_kind.items():
            if kind not in BUILT:
                for row in rows:
                    if row.blocks:
                        yield row, Reason(ReasonCode.NO_RULE, row.id, {"unbuilt": kind})

    def banned_lines(self, by_kind: ByKind, excused: frozenset[str]) -> Iterable[Finding]:
        lawful = {
            "hidden_number": self.contact.caller_id_hidden is False,
            "undeclared_number": self.contact.caller_id_declared is True,
        }
        for row in by_kind.get("channel_ban", ()):
            if not lawful[row.params["ban"]] and not (row.honoured_exceptions & excused):
                yield row, Reason(ReasonCode.NO_RULE, row.id, {"ban": row.params["ban"]})

    def protected(self, by_kind: ByKind, excused: frozenset[str], at: datetime) -> Iterable[Finding]:
        for row in by_kind.get("status_block", ()):
            if row.honoured_exceptions & excused or self._too_early(row):
                continue
            for flag in self._flags(row, at):
                if not _document_missing(row, flag):
                    after = day_after(_last_day(row, flag))
                    until = counting.latest_start(after, self.zones) if after else None
                    yield row, Reason(ReasonCode.STATUS_BLOCK, row.id, {"flag": flag.name}, until)

    def _flags(self, row: Rule, at: datetime) -> Iterable[Flag]:
        days = self.days(at)
        for flag in self.contact.person.flags:
            last = _last_day(row, flag)
            begun = flag.since is None or max(days) >= flag.since
            if flag.name in row.params["flags"] and begun and (last is None or min(days) <= last):
                yield flag

    def _too_early(self, row: Rule) -> bool:
        """A refusal that takes effect only after months of delinquency; heeded only where that is verified."""
        months = row.params.get("min_delinquency_months")
        known = self.contact.delinquency_months
        return bool(months and row.verified and known is not None and known < months)

    def unproven(self, at: datetime) -> Iterable[Must]:
        for row in self.applicable(at).get("status_block", ()):
            for flag in self._flags(row, at):
                if _document_missing(row, flag):
                    yield Must("warn", row.id, {"flag": flag.name, "missing": "document"})

    def capped(self, by_kind: ByKind, excused: frozenset[str], at: datetime) -> Iterable[Finding]:
        for row in by_kind.get("frequency_cap", ()):
            if row.honoured_exceptions & excused:
                continue
            window, unit = counted_over(row)
            yield from self._full(row, unit, window, row.params["max"], at)
            if "max_per_day" in row.params:
                yield from self._full(row, unit, Window("calendar_day"), row.params["max_per_day"], at)
            if gap := row.params.get("min_gap_minutes"):
                yield from self._gap(row, unit, gap, at)

    def _full(self, row: Rule, unit: str, window: Window, most: int, at: datetime) -> Iterable[Finding]:
        limit = Decimal(most)
        key = row, window, most
        if key not in self._weighed:  # at the first stop; the others are later
            entries, debt = self.counted(row), self.contact.debt
            self._weighed[key] = counting.weigh(row, unit, window, limit, entries, debt, self.zones, at)
        weighed = self._weighed[key]
        used = counting.used(weighed, at)
        params = {"unit": unit, "max": most, "used": str(used), "window": window.type, "n": window.n}
        if used >= limit:
            yield row, Reason(ReasonCode.CAP_REACHED, row.id, params, counting.released(weighed, limit))
        elif self.recheck is not None and at < self.recheck:
            more = counting.weigh(row, unit, window, limit, self.assumed, self.contact.debt, self.zones, at)
            if used + (unproven := counting.used(more, at)) >= limit:
                params |= {"assumed": str(unproven), "late_source": [source.name for source in self.late]}
                yield row, Reason(ReasonCode.CAP_REACHED, row.id, params, self.recheck)

    def counted(self, row: Rule) -> Iterable[Entry]:
        return counting.looked_at(row, self.ledger, self.contact.address.value if self.contact.address else "")

    def _gap(self, row: Rule, unit: str, minutes: int, at: datetime) -> Iterable[Finding]:
        counted = [
            entry.at
            for entry in self.counted(row)
            if counting.concerns(row, entry, self.contact.debt) and counting.weight(entry, unit, counting.ONE) > 0
        ]
        until = counting.utc(max(counted)) + timedelta(minutes=minutes) if counted else at
        if until > at:
            yield row, Reason(ReasonCode.COOLDOWN, row.id, {"minutes": minutes}, until)

    def cooling(self, by_kind: ByKind, excused: frozenset[str], at: datetime) -> Iterable[Finding]:
        for row in by_kind.get("cooldown_after", ()):
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

    def held_from_redial(self, by_kind: ByKind, at: datetime) -> Iterable[Finding]:
        """After an abandoned call no machine dials the person again for hours, unless an agent waits on the line."""
        if self.contact.channel not in VOICE or self.contact.actor not in {"dialer", "robot"}:
            return
        for row in by_kind.get("dialer_limit", ()):
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

    def out_of_hours(self, at: datetime, excused: frozenset[str]) -> Iterable[Finding]:
        for jurisdiction in self.contact.person.jurisdictions:
            rows = {row for day in self.days(at) for row in self.rules.windows(self.profile, jurisdiction, day)}
            for row in rows:
                if needs := set(row.params.get("needs", ())) - self.contact.given:
                    yield None, Reason(ReasonCode.NO_RULE, row.id, {"needs": sorted(needs)})
            if rows:
                closed = [reason for zone in self.zones if (reason := self._closed(jurisdiction, zone, at, excused))]
                if closed:  # the zone that opens last is the one that is named; one that never opens, before all
                    yield None, max(closed, key=lambda reason: (reason.until is None, reason.until or at))

    def _closed(self, jurisdiction: str, zone: ZoneInfo, at: datetime, excused: frozenset[str]) -> Reason | None:
        today = at.astimezone(zone).date()
        terms = (excused, self.guard)
        now = self.rules.day(self.profile, jurisdiction, zone, today, self.calendar, terms)
        params = {"jurisdiction": jurisdiction, "zone": zone.key, **now.params}
        for ahead in range(LOOK_AHEAD_DAYS):
            day = today + timedelta(days=ahead)
            hours = self.rules.day(self.profile, jurisdiction, zone, day, self.calendar, terms)
            if hours.opens is None or hours.closes is None or hours.closes <= at:
                continue
            return Reason(ReasonCode.OUT_OF_HOURS, now.rule_id, params, hours.opens) if at < hours.opens else None
        return Reason(ReasonCode.OUT_OF_HOURS, now.rule_id, params)

    def today(self, at: datetime) -> tuple[int, int | None, datetime | None]:
        caps = []
        for row in self.applicable(at).get("frequency_cap", ()):
            window, unit = counted_over(row)
            if window == Window("calendar_day") and unit != "minutes":
                limit = Decimal(row.params["max"])
                weighed = counting.weigh(row, unit, window, limit, self.counted(row), self.contact.debt, self.zones, at)
                caps.append((row.params["max"], int(counting.used(weighed, at))))
        most, count = min(caps, key=lambda cap: (cap[0] - cap[1], cap[0]), default=(None, 0))
        return count, most, self._closes(at)

    def _closes(self, at: datetime) -> datetime | None:
        ends = []
        for jurisdiction in self.contact.person.jurisdictions:
            for zone in self.zones if self.zones_known else ():
                day, terms = at.astimezone(zone).date(), (self.excused(at), self.guard)
                hours = self.rules.day(self.profile, jurisdiction, zone, day, self.calendar, terms)
                if hours.opens is None or hours.closes is None or not hours.opens <= at < hours.closes:
                    return None
                ends.append(hours.closes)
        return min(ends, default=None)

    # --- what the contact owes, and what was asked -----------------------------------------------------------------

    def duties(self, at: datetime) -> Iterable[Must]:
        by_kind = self.applicable(at)
        for kind in ("recording", "disclosure"):
            for row in by_kind.get(kind, ()):
                yield Must(kind, row.id, row.params)

    def consulted(self, at: datetime) -> tuple[tuple[str, int], ...]:
        days = self.days(at)
        rows = [row for kind, same in self.applicable(at).items() if kind not in SILENT_KINDS for row in same]
        for source in self.late:
            rows += rows_of(self.applicable(at).get("late_source", ()), source)
        for jurisdiction in self.contact.person.jurisdictions:
            rows += [row for day in days for row in self.rules.windows(self.profile, jurisdiction, day)]
        return tuple(sorted({(row.id, row.version) for row in rows}))


def counted_over(row: Rule) -> tuple[Window, str]:
    """Raises ValueError for a row that the loader would have refused."""
    if row.window is None or row.count_unit is None:
        raise ValueError(f"rule {row.id} counts, but says not what or over what time")
    return row.window, row.count_unit


def _zones(names: Iterable[str]) -> tuple[tuple[ZoneInfo, ...], bool]:
    """The zones, and whether they are all known; UTC stands in where none is, for rules that only need a date."""
    try:
        zones = tuple(ZoneInfo(name) for name in dict.fromkeys(names))
    except (ValueError, OSError, KeyError):  # what ZoneInfo raises for a name that is not in the tables
        zones = ()
    return (zones, True) if zones else ((ZoneInfo("UTC"),), False)


def _warnings(found: Iterable[Finding]) -> Iterable[Must]:
    for rule, reason in found:
        if rule is not None and not rule.blocks and rule.on_breach is not None:
            yield Must("warn", rule.id, {"code": reason.code.value, **reason.params})


def _document_missing(row: Rule, flag: Flag) -> bool:
    """A protection that takes effect only with a document; heeded only where that is verified."""
    return bool(row.params.get("needs_document")) and row.verified and not flag.evidence


def _last_day(row: Rule, flag: Flag) -> date | None:
    """The last day on which the flag protects. A term of an unverified row is not relied on."""
    if flag.until is not None:
        return later(flag.until, int(row.params.get("days_after_treatment", 0)))
    if flag.since is not None and row.verified and "days" in row.params:
        return later(flag.since, int(row.params["days"]))
    return None
