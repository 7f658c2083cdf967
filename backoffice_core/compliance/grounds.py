"""What an answer hangs on beside the ledger (pure): rules, calendar, hours, protections, our own line. It is equal for contacts
that differ in the person and the number's digits alone, and so worked out once for as many as are asked about.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from backoffice_core.compliance import agreed, counting
from backoffice_core.compliance.late import RECHECK, LateSource, assumed, rows_of
from backoffice_core.compliance.rulebook import ByKind, RuleBook
from backoffice_core.compliance.terms import (
    VOICE,
    Calendar,
    Contact,
    Entry,
    Flag,
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
UNTIMED = frozenset({"letter"})  # a letter needs no time window
SILENT_KINDS = frozenset({"money_order", "money_cap", "retention", "notice_duty", "late_source"})

Finding = tuple[Rule | None, Reason]
_A_DAY = Window("calendar_day")


class Cap(NamedTuple):
    """A rule that counts: at most `most` of `unit` in the window; `gap`: minutes between two of them, 0 = none."""

    row: Rule
    unit: str
    window: Window
    most: int
    limit: Decimal
    gap: int = 0


class Grounds:
    """`late`: sources of contacts made elsewhere that had not reported at the moment of the question."""

    def __init__(
        self, contact: Contact, at: datetime, rules: RuleBook, calendar: Calendar, guard_minutes: int,
        late: tuple[LateSource, ...],
    ) -> None:  # fmt: skip
        self.contact = contact
        self.rules = rules
        self.calendar = calendar
        self.profile = contact.profile()
        self.guard = timedelta(minutes=guard_minutes) if contact.channel in VOICE else timedelta()
        self.zones, self.zones_known = _zones(contact.person.zones)
        # What the search for a lawful instant comes back to, for one contact after the other.
        self._days: dict[datetime, set[date]] = {}
        self._applicable: dict[datetime, ByKind] = {}
        self._changes: dict[datetime, datetime | None] = {}
        self._caps: dict[datetime, list[Cap]] = {}
        self._first: dict[datetime, list[Finding]] = {}
        self._last: dict[datetime, list[Finding]] = {}
        self._owed: dict[datetime, tuple[tuple[Must, ...], tuple[Must, ...], tuple[tuple[str, int], ...]]] = {}
        self._assume(late, at)

    def _assume(self, late: tuple[LateSource, ...], at: datetime) -> None:
        """Counts contacts that a late source may have made, until it may have been heard of again."""
        self.assumed: tuple[Entry, ...] = ()
        self.recheck: datetime | None = None
        rows = self.applicable(at).get("late_source", ()) if late else ()
        self.late = tuple(source for source in late if rows_of(rows, source))
        if self.late:
            self.assumed = tuple(assumed(rows, self.late, at, self.zones[0], self.rules.ledger_days))
            self.recheck = at + RECHECK

    # --- each worked out once for a moment --------------------------------------------------------------------------

    def first(self, at: datetime) -> list[Finding]:
        """What is found before anything is counted."""
        if at not in self._first:
            by_kind, excused = self.applicable(at), self.excused(at)
            found = [*self._unruled(at), *self._unbuilt(by_kind), *self._banned_lines(by_kind, excused)]
            found += self._protected(by_kind, excused, at)
            found += agreed.unmet(by_kind.get("consent_needed", ()), self.contact, excused, self.days(at), at)
            if not self.zones_known and self.contact.channel not in UNTIMED:
                found.append((None, Reason(ReasonCode.NO_TIME_ZONE, None, {})))
            self._first[at] = found
        return self._first[at]

    def last(self, at: datetime) -> list[Finding]:
        """What is found behind all that is counted: the hours."""
        if at not in self._last:
            timed = self.contact.channel not in UNTIMED
            self._last[at] = list(self._out_of_hours(at, self.excused(at))) if timed else []
        return self._last[at]

    def caps(self, at: datetime) -> list[Cap]:
        if at not in self._caps:
            self._caps[at] = list(self._counted(self.applicable(at), self.excused(at)))
        return self._caps[at]

    def owed(self, at: datetime) -> tuple[tuple[Must, ...], tuple[Must, ...], tuple[tuple[str, int], ...]]:
        """Duties, warnings of protections without their document, and the rules that were asked."""
        if at not in self._owed:
            self._owed[at] = tuple(self._duties(at)), tuple(self._unproven(at)), self._consulted(at)
        return self._owed[at]

    def next_change(self, at: datetime) -> datetime | None:
        """When next a rule begins or ends in any of the zones (UTC)."""
        if at not in self._changes:
            self._changes[at] = self.rules.next_change(at, self.zones)
        return self._changes[at]

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

    # --- working out -------------------------------------------------------------------------------------------------

    def _counted(self, by_kind: ByKind, excused: frozenset[str]) -> Iterable[Cap]:
        for row in by_kind.get("frequency_cap", ()):
            if row.honoured_exceptions & excused:
                continue
            window, unit = counted_over(row)
            daily, gap = row.params.get("max_per_day"), row.params.get("min_gap_minutes") or 0
            yield Cap(row, unit, window, row.params["max"], Decimal(row.params["max"]), gap if daily is None else 0)
            if daily is not None:
                yield Cap(row, unit, _A_DAY, daily, Decimal(daily), gap)

    def _unruled(self, at: datetime) -> Iterable[Finding]:
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

    def _unbuilt(self, by_kind: ByKind) -> Iterable[Finding]:
        for kind, rows in by_kind.items():
            if kind not in BUILT:
                for row in rows:
                    if row.blocks:
                        yield row, Reason(ReasonCode.NO_RULE, row.id, {"unbuilt": kind})

    def _banned_lines(self, by_kind: ByKind, excused: frozenset[str]) -> Iterable[Finding]:
        lawful = {
            "hidden_number": self.contact.caller_id_hidden is False,
            "undeclared_number": self.contact.caller_id_declared is True,
        }
        for row in by_kind.get("channel_ban", ()):
            if not lawful[row.params["ban"]] and not (row.honoured_exceptions & excused):
                yield row, Reason(ReasonCode.NO_RULE, row.id, {"ban": row.params["ban"]})

    def _protected(self, by_kind: ByKind, excused: frozenset[str], at: datetime) -> Iterable[Finding]:
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

    def _unproven(self, at: datetime) -> Iterable[Must]:
        for row in self.applicable(at).get("status_block", ()):
            for flag in self._flags(row, at):
                if _document_missing(row, flag):
                    yield Must("warn", row.id, {"flag": flag.name, "missing": "document"})

    def _out_of_hours(self, at: datetime, excused: frozenset[str]) -> Iterable[Finding]:
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

    def closes(self, at: datetime) -> datetime | None:
        """When the hours end that are open now (UTC); None = closed, or no time zone."""
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

    def _duties(self, at: datetime) -> Iterable[Must]:
        by_kind = self.applicable(at)
        for kind in ("recording", "disclosure"):
            for row in by_kind.get(kind, ()):
                yield Must(kind, row.id, row.params)

    def _consulted(self, at: datetime) -> tuple[tuple[str, int], ...]:
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
