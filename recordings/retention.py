"""How long a recording is kept (pure). The rows are those of compliance: dated, versioned, kind `retention`.

Of all rows that apply the longest counts. A row whose source nobody has verified may lengthen, but it alone deletes
nothing, and a recording to which no row applies is kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from backoffice_core.compliance.terms import Rule

DUE, NOT_YET, HELD, NO_RULE, NOT_VERIFIED = "DUE", "NOT_YET", "HELD", "NO_RULE", "NOT_VERIFIED"
VERDICTS = (DUE, NOT_YET, HELD, NO_RULE, NOT_VERIFIED)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A recording as the rules see it. `jurisdictions`: of the person and of the bank. Times are business time."""

    called_at: datetime
    last_activity: datetime
    purpose: str
    outcome: str
    jurisdictions: frozenset[str]
    held: bool


@dataclass(frozen=True)
class Verdict:
    """`code` is one of VERDICTS; `until` and `rule`: of the row that keeps it longest, where one applies."""

    code: str
    until: datetime | None = None
    rule: Rule | None = None


def judge(rules: Iterable[Rule], subject: Subject, now: datetime) -> Verdict:
    """`rules`: those in force today."""
    rows = [rule for rule in rules if _applies(rule, subject)]
    if not rows:
        return Verdict(HELD if subject.held else NO_RULE)
    until, rule = max(((_end(rule, subject), rule) for rule in rows), key=lambda found: found[0])
    if subject.held:
        return Verdict(HELD, until, rule)
    if now < until:
        return Verdict(NOT_YET, until, rule)
    return Verdict(DUE if any(row.verified for row in rows) else NOT_VERIFIED, until, rule)


def _applies(rule: Rule, subject: Subject) -> bool:
    to = rule.applies_to
    return (
        rule.kind == "retention"
        and "recording" in to.object
        and (rule.jurisdiction == "*" or rule.jurisdiction in subject.jurisdictions)
        and (not to.purpose or subject.purpose in to.purpose)
        and (not to.outcome or subject.outcome in to.outcome)
    )


def _end(rule: Rule, subject: Subject) -> datetime:
    begins = subject.called_at
    if rule.params["from"] == "last_collection_activity":
        begins = max(begins, subject.last_activity)
    if days := rule.params.get("days"):
        return begins + timedelta(days=days)
    try:
        return begins.replace(year=begins.year + rule.params["years"])
    except ValueError:  # 29 February: a day longer
        return begins.replace(year=begins.year + rule.params["years"], month=3, day=1)
