"""The rule book (pure): which version of which rule is in force, to which contact it applies, when a day is open."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from backoffice_core.compliance import counting
from backoffice_core.compliance.terms import Calendar, Profile, Rule
from backoffice_core.days import day_after

ByKind = Mapping[str, tuple[Rule, ...]]


@dataclass(frozen=True, slots=True)
class OpenHours:
    """One local day in one zone: open from..until (UTC), or closed, and the row that says so."""

    opens: datetime | None
    closes: datetime | None
    rule_id: str | None
    params: Mapping[str, Any]


class RuleBook:
    """All versions of all rules. Immutable; what it has worked out once it remembers."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        versions: dict[str, list[Rule]] = {}
        for rule in sorted(rules, key=lambda r: (r.id, r.version)):
            versions.setdefault(rule.id, []).append(rule)
        self._versions = versions
        changes = {rule.effective_from for rows in versions.values() for rule in rows}
        changes |= {day for rows in versions.values() for r in rows if (day := day_after(r.effective_to))}
        self._changes = sorted(changes)
        self._in_force: dict[int, tuple[Rule, ...]] = {}
        self._applicable: dict[tuple[Profile, tuple[int, ...]], ByKind] = {}
        self._windows: dict[tuple[Profile, str, int], tuple[Rule, ...]] = {}
        self._known: dict[int, frozenset[str]] = {}  # jurisdictions that have a rule
        self._days: WeakKeyDictionary[Calendar, dict[Any, OpenHours]] = WeakKeyDictionary()

    def __iter__(self) -> Iterator[Rule]:
        return (rule for rows in self._versions.values() for rule in rows)

    def in_force(self, day: date) -> tuple[Rule, ...]:
        """Of each rule the latest version whose day has come, unless its last day is past."""
        era = bisect_right(self._changes, day)
        if era not in self._in_force:
            latest = ([r for r in rows if r.effective_from <= day] for rows in self._versions.values())
            rows = (come[-1] for come in latest if come)
            self._in_force[era] = tuple(r for r in rows if r.effective_to is None or day <= r.effective_to)
        return self._in_force[era]

    def applicable(self, profile: Profile, days: Iterable[date]) -> ByKind:
        """Rules on such a contact that are in force on any of the days, by kind."""
        by_era = {bisect_right(self._changes, day): day for day in days}
        key = (profile, tuple(sorted(by_era)))
        if key not in self._applicable:
            found: dict[str, dict[tuple[str, int], Rule]] = {}
            for day in by_era.values():
                for rule in self.in_force(day):
                    if rule.matches(profile):
                        found.setdefault(rule.kind, {})[rule.id, rule.version] = rule
            self._applicable[key] = {kind: tuple(rows.values()) for kind, rows in found.items()}
        return self._applicable[key]

    def windows(self, profile: Profile, jurisdiction: str, day: date) -> tuple[Rule, ...]:
        """Time windows of one jurisdiction; a purpose without any of its own uses those of collection."""
        key = profile, jurisdiction, bisect_right(self._changes, day)
        if key not in self._windows:
            self._windows[key] = self._find_windows(profile, jurisdiction, day)
        return self._windows[key]

    def _find_windows(self, profile: Profile, jurisdiction: str, day: date) -> tuple[Rule, ...]:
        for purpose in (profile.purpose, "collection"):
            rows = self.applicable(profile._replace(purpose=purpose), (day,)).get("time_window", ())
            own = tuple(r for r in rows if r.jurisdiction in (jurisdiction, "*") and r.blocks)
            if own:
                return own
        return ()

    def knows(self, jurisdiction: str, day: date) -> bool:
        era = bisect_right(self._changes, day)
        if era not in self._known:
            self._known[era] = frozenset(rule.jurisdiction for rule in self.in_force(day))
        return jurisdiction in self._known[era]

    def next_change(self, at: datetime, zones: Collection[ZoneInfo]) -> datetime | None:
        """When next a rule begins or ends in any of the zones (UTC)."""
        first = min(at.astimezone(zone).date() for zone in zones)
        later = self._changes[bisect_right(self._changes, first - timedelta(days=1)) :]
        starts = (counting.utc(counting.start_of_day(day, zone)) for day in later[:3] for zone in zones)
        return min((start for start in starts if start > at), default=None)

    @cached_property
    def ledger_days(self) -> int:
        """How many days back a ledger must reach so that no rule misses an entry."""
        days = {"calendar_day": 1, "iso_week": 7, "calendar_month": 31, "rolling_days": 1}
        reach = [days[r.window.type] * r.window.n for r in self if r.window]
        reach += [int(r.params.get("redial_hold_hours", 0)) // 24 for r in self]
        reach += [int(r.params.get("min_gap_minutes", 0)) // 1440 for r in self]
        return max(reach, default=0) + 3

    @cached_property
    def by_number(self) -> bool:
        """Whether any rule counts what went to a number, whoever was called there."""
        return any(rule.scope == "number" for rule in self)

    def day(
        self, profile: Profile, jurisdiction: str, zone: ZoneInfo, day: date, calendar: Calendar, terms: tuple[Any, ...]
    ) -> OpenHours:
        """The opening of one day. `terms` = (exceptions that hold, guard)."""
        known = self._days.setdefault(calendar, {})
        key = (profile, jurisdiction, zone.key, day, terms)
        if key not in known:
            if len(known) > 100_000:
                known.clear()
            known[key] = self._work_out(profile, jurisdiction, zone, day, calendar, *terms)
        return known[key]

    def _work_out(
        self,
        profile: Profile,
        jurisdiction: str,
        zone: ZoneInfo,
        day: date,
        calendar: Calendar,
        excused: frozenset[str],
        guard: timedelta,
    ) -> OpenHours:
        rows = self.windows(profile, jurisdiction, day)
        working = calendar.working(jurisdiction, day)
        # A day of which nobody knows whether it is a holiday must be lawful as either.
        classes = ("working", "nonworking") if working is None else ("working" if working else "nonworking",)
        opens = counting.utc(counting.start_of_day(day, zone))
        closes = counting.utc(counting.start_of_day(day + timedelta(days=1), zone))
        rule_id: str | None = None
        params: dict[str, Any] = {"day_class": classes[0]}
        for day_class in classes:
            these = [row for row in rows if row.day_class in (day_class, "any")]
            if not these:
                missing = {"missing": "calendar"} if working is None else {}
                return OpenHours(
                    None, None, rows[0].id if rows else None, {"day_class": day_class, "closed": True, **missing}
                )
            for row in these:
                if row.honoured_exceptions & excused:
                    continue
                if row.params.get("closed"):
                    missing = {"missing": "calendar"} if working is None else {}
                    return OpenHours(None, None, row.id, {"day_class": day_class, "closed": True, **missing})
                start = counting.instant(day, time.fromisoformat(row.params["from"]), zone)
                end = counting.instant(day, time.fromisoformat(row.params["to"]), zone)
                opens, closes = max(opens, counting.utc(start)), min(closes, counting.utc(end) - guard)
                rule_id = row.id
                params |= {"from": row.params["from"], "to": row.params["to"]}
        if opens >= closes:
            return OpenHours(None, None, rule_id, params)
        return OpenHours(opens, closes, rule_id, params)
