"""Rules that need the person's consent (pure): whether he has agreed to this purpose by this channel at this number."""

from collections.abc import Iterable, Set
from datetime import date, datetime
from typing import Any

from backoffice_core.compliance.terms import STANDING, Contact, Reason, ReasonCode, Rule


def unmet(
    rows: Iterable[Rule], contact: Contact, excused: Set[str], days: Set[date], at: datetime
) -> Iterable[tuple[Rule, Reason]]:
    """Of these rows those that stand against the contact. `days`: the local dates of that moment in all of his zones.

    Where a row says never_if, no consent helps; what is not known of him is taken to be so."""
    number = contact.address.value if contact.address else ""
    mine = [one for one in contact.consents if one.meant_for(contact.purpose, contact.channel, number)]
    holds = any(one.holds(at, max(days)) for one in mine)
    for row in rows:
        if row.honoured_exceptions & excused:
            continue
        said = {"consent": row.params.get("consent", ""), "purpose": contact.purpose, "channel": contact.channel}
        if never := sorted(word for word in row.params.get("never_if", ()) if _stands(contact, word, days)):
            yield row, Reason(ReasonCode.NO_CONSENT, row.id, {**said, "never_if": never})
        elif not holds:
            over = max((one.withdrawn_at for one in mine if one.withdrawn_at), default=None)
            ended = max((one.until for one in mine if one.until), default=None)
            told: dict[str, Any] = {"withdrawn_at": over} if over else {"ended": ended} if ended else {}
            yield row, Reason(ReasonCode.NO_CONSENT, row.id, {**said, **told})


def _stands(contact: Contact, word: str, days: Set[date]) -> bool:
    if word in STANDING:
        return contact.standing is None or word in contact.standing
    return any(
        flag.name == word
        and (flag.since is None or max(days) >= flag.since)
        and (flag.until is None or min(days) <= flag.until)
        for flag in contact.person.flags
    )
