"""What a campaign may be and as what it runs (pure)."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from backoffice_core.compliance.dialer_limits import DialerLimits, dialer_limits
from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.terms import PURPOSES

MODES = ("preview", "progressive", "power", "predictive", "agentless")
WINDOWS = ("shift", "day", "30d")
DENOMINATORS = ("live", "queued")
MACHINES = ("off", "beside", "before")
CHOICES = {"mode": MODES, "abandon_window": WINDOWS, "denominator": DENOMINATORS, "machines": MACHINES,
           "purpose": tuple(sorted(PURPOSES))}  # fmt: skip
RANGES = {
    "priority": (Decimal(1), Decimal(99)),  # lower numbers first
    "ratio": (Decimal(1), Decimal(10)),  # lines an agent
    "target_abandon_pct": (Decimal(0), Decimal(100)),
    "machine_sample_pct": (Decimal(0), Decimal(100)),
}
NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
DEBT = "collection"  # the purpose of calls about what is overdue
OVERDIALS = frozenset({"power", "predictive"})  # more lines than agents: somebody may find nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """As what a campaign is dialed now. `why`: the code of what keeps it from its own mode, "" = nothing does: NO_LIMIT, NO_CAPS
    (both: progressive), NO_ROBOT_CAPS, NO_PURPOSE_CAPS (not dialed at all), in `where`. `target_pct`: abandoned / answered by
    a person, percent, the strictest rule's or its own. `consent_in`: where a rule lets it call only those who have agreed."""

    mode: str
    target_pct: Decimal
    why: str = ""
    where: str = ""  # jurisdiction
    limits: DialerLimits | None = None
    consent_in: str = ""  # jurisdiction


def runs_as(
    mode: str, target_pct: Decimal, purpose: str, rules: RuleBook, places: Collection[str], day: date
) -> Running:
    """As `_dialed_as`, with where it may call only those who have agreed to it."""
    channel = "robot" if mode == "agentless" else "call"
    asks = (place for place in sorted(places) if _rules(rules, "consent_needed", place, purpose, day, channel))
    return replace(_dialed_as(mode, target_pct, purpose, rules, places, day), consent_in=next(asks, ""))


def _dialed_as(
    mode: str, target_pct: Decimal, purpose: str, rules: RuleBook, places: Collection[str], day: date
) -> Running:
    """Modes that dial more lines than agents are locked until frequency caps and a `dialer_limit` row are in force in every
    jurisdiction (`places`) that the campaign reaches into; until then it is dialed progressively. Calls without an agent
    need caps of robots' calls, and no limit: they abandon nobody. Another purpose than DEBT needs what `barred` asks for."""
    limits = dialer_limits(rules, places, day)
    if limits is not None and limits.max_abandon_pct is not None:
        target_pct = min(target_pct, limits.max_abandon_pct)
    if found := barred(rules, purpose, places, day, robot=mode == "agentless"):
        still = "progressive" if mode in OVERDIALS else mode
        return Running(mode=still, target_pct=target_pct, why=found[0], where=found[1], limits=limits)
    if mode == "agentless":
        place = next((one for one in sorted(places) if not _capped(rules, one, purpose, day, "robot")), "")
        why = "NO_ROBOT_CAPS" if place else ""
        return Running(mode=mode, target_pct=target_pct, why=why, where=place, limits=limits)
    if mode in OVERDIALS:
        for place in sorted(places):
            own = dialer_limits(rules, place, day)
            if own is None or own.max_abandon_pct is None:
                return Running(mode="progressive", target_pct=target_pct, why="NO_LIMIT", where=place, limits=limits)
            if not _capped(rules, place, purpose, day):
                return Running(mode="progressive", target_pct=target_pct, why="NO_CAPS", where=place, limits=limits)
    return Running(mode=mode, target_pct=target_pct, limits=limits)


def barred(
    rules: RuleBook, purpose: str, places: Collection[str], day: date, *, robot: bool = False
) -> tuple[str, str] | None:
    """Why nobody may be called for this purpose, and in which of these jurisdictions: no rule caps such calls
    (NO_PURPOSE_CAPS). None for DEBT: the evaluator knows its rules, those of other purposes only the bank."""
    if purpose == DEBT:
        return None
    channel = "robot" if robot else "call"
    for place in sorted(places):
        if not _capped(rules, place, purpose, day, channel):
            return "NO_PURPOSE_CAPS", place
    return None


def _capped(rules: RuleBook, place: str, purpose: str, day: date, channel: str = "call") -> bool:
    return _rules(rules, "frequency_cap", place, purpose, day, channel)


def _rules(rules: RuleBook, kind: str, place: str, purpose: str, day: date, channel: str) -> bool:
    """Whether a rule of this kind that blocks is in force on such calls."""
    actor = "robot" if channel == "robot" else "dialer"
    return any(
        row.kind == kind
        and row.blocks
        and row.jurisdiction in {place, "*"}
        and (not row.applies_to.channel or channel in row.applies_to.channel)
        and (not row.applies_to.actor or actor in row.applies_to.actor)
        and (not row.applies_to.purpose or purpose in row.applies_to.purpose)
        for row in rules.in_force(day)
    )
