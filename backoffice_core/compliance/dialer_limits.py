"""What binds a dialer as a whole, not one contact (pure): the strictest of all `dialer_limit` rows in force."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from backoffice_core.compliance.rulebook import RuleBook
from backoffice_core.compliance.terms import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonAccount:
    """At most `max_pct` percent of `of` (live_answers) abandoned, per campaign or caller id and window."""

    rule_id: str
    max_pct: Decimal
    of: str
    per: tuple[str, ...]
    window: str  # calendar_day | rolling_days
    window_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DialerLimits:
    """None = no row says so. Seconds from the end of the greeting or the start of speech to the agent, of ringing
    before we give up (at least, at most); `redial_hold_hours` after an abandoned call; `message`: what an abandoned
    person must be told; `consulted`: rule ids with versions."""

    connect_within_s: Decimal | None
    ring_min_s: int | None
    ring_max_s: int | None
    max_abandon_pct: Decimal | None
    abandon_accounts: tuple[AbandonAccount, ...]
    redial_hold_hours: int | None
    redial_ok_if_agent_guaranteed: bool
    same_day_after_machine_needs_agent: bool
    message: frozenset[str]
    caller_id_required: bool
    keep_records: bool
    consulted: tuple[tuple[str, int], ...]


def dialer_limits(rules: RuleBook, jurisdiction: str | Collection[str], at: date | datetime) -> DialerLimits | None:
    """The strictest limits for a campaign that reaches into these jurisdictions.

    None when no row is in force: then the campaign runs progressive, never predictive (house decision 3.5).
    """
    places = {jurisdiction} if isinstance(jurisdiction, str) else set(jurisdiction)
    day = at.date() if isinstance(at, datetime) else at
    rows = [r for r in rules.in_force(day) if r.kind == "dialer_limit" and r.jurisdiction in places | {"*"}]
    if not rows:
        return None
    holds = [row.params for row in rows if row.params.get("redial_hold_hours")]
    accounts = tuple(_account(row) for row in rows if "max_abandon_pct" in row.params)
    return DialerLimits(
        connect_within_s=min(
            (Decimal(r.params["connect_within_s"]) for r in rows if "connect_within_s" in r.params), default=None
        ),
        ring_min_s=max((int(r.params["ring_min_s"]) for r in rows if "ring_min_s" in r.params), default=None),
        ring_max_s=min((int(r.params["ring_max_s"]) for r in rows if "ring_max_s" in r.params), default=None),
        max_abandon_pct=min((account.max_pct for account in accounts), default=None),
        abandon_accounts=accounts,
        redial_hold_hours=max((int(params["redial_hold_hours"]) for params in holds), default=None),
        redial_ok_if_agent_guaranteed=all(params.get("redial_ok_if") == "agent_guaranteed" for params in holds),
        same_day_after_machine_needs_agent=any(r.params.get("amd_same_day") == "agent_guaranteed" for r in rows),
        message=frozenset(word for row in rows for word in row.params.get("message", ())),
        caller_id_required=any(row.params.get("cli") == "required" for row in rows),
        keep_records=any(bool(row.params.get("keep_records")) for row in rows),
        consulted=tuple(sorted((row.id, row.version) for row in rows)),
    )


def _account(row: Rule) -> AbandonAccount:
    per = row.params.get("per", "campaign")
    days = row.params.get("window_days")
    return AbandonAccount(
        rule_id=row.id,
        max_pct=Decimal(row.params["max_abandon_pct"]),
        of=row.params.get("of", "live_answers"),
        per=(per,) if isinstance(per, str) else tuple(per),
        window="rolling_days" if days else "calendar_day",
        window_days=int(days or 1),
    )
