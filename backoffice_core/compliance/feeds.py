"""Contacts made elsewhere as their source tells them (pure, FL-09): one row, and what several rows of one id amount to.

Joining is associative, commutative and idempotent, so that feeds may come in any order and any number of times: what
reached the person in any row reached him, what is uncertain stays so only until one row knows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import reduce
from types import MappingProxyType
from typing import Any

from backoffice_core.compliance.terms import ACTORS, CHANNELS, PURPOSES

RESULTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "sent": frozenset(),  # it left, nothing more is known
        "delivered": frozenset({"delivered"}),
        "talk": frozenset({"conversation"}),
        "no_answer": frozenset(),
        "machine": frozenset({"machine_message"}),
        "visit": frozenset(),
        "failed": frozenset({"failed"}),  # nothing left: it does not count
        "": frozenset({"uncertain"}),  # what is uncertain counts
    }
)
KEYS = ("person_ref", "contract_no", "tax_id", "phone")  # the surest first
DIRECTIONS = frozenset({"outbound", "inbound"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """One contact. `at` is business time; `phone` is E.164; `facts`: of RESULTS; `purpose` None = not known.

    Raises ValueError whose second argument names the field.
    """

    external_id: str
    at: datetime
    channel: str
    actor: str
    facts: frozenset[str]
    direction: str = "outbound"
    purpose: str | None = None
    minutes: Decimal | None = None
    person_ref: str = ""
    contract_no: str = ""
    tax_id: str = ""
    phone: str = ""

    def __post_init__(self) -> None:
        if not self.external_id or len(self.external_id) > 200:
            raise ValueError("an id of the contact, at most 200 characters, is needed", "external_id")
        if not any(getattr(self, key) for key in KEYS):
            raise ValueError(f"names no person: one of {', '.join(KEYS)} is needed", "phone")
        for name, words in (("channel", CHANNELS), ("actor", ACTORS), ("direction", DIRECTIONS)):
            if getattr(self, name) not in words:
                raise ValueError(f"not one of {', '.join(sorted(words))}", name)
        if self.purpose is not None and self.purpose not in PURPOSES:
            raise ValueError(f"not one of {', '.join(sorted(PURPOSES))}", "purpose")
        if self.minutes is not None and not 0 <= self.minutes < 100_000:
            raise ValueError("not a number of minutes", "minutes")


def facts_of(result: str) -> frozenset[str]:
    """Raises ValueError."""
    try:
        return RESULTS[result.strip().lower()]
    except KeyError:
        raise ValueError(f"not one of {', '.join(filter(None, RESULTS))}", "result") from None


def joined(one: Fed, other: Fed) -> Fed:
    """Two rows of one id."""
    facts = one.facts | other.facts
    for weak in ("uncertain", "failed"):  # any row that knows more
        if not (weak in one.facts and weak in other.facts):
            facts -= {weak}
    same = {name: min(getattr(one, name), getattr(other, name)) for name in ("at", "channel", "actor", "direction")}
    known = {name: max(getattr(one, name), getattr(other, name)) for name in KEYS}
    minutes = max((m for m in (one.minutes, other.minutes) if m is not None), default=None)
    return replace(one, facts=facts, minutes=minutes, purpose=_one(one.purpose, other.purpose), **same, **known)


def _one(first: str | None, second: str | None) -> str | None:
    return min((p for p in (first, second) if p is not None), default=None)


def by_id(rows: Iterable[Fed]) -> dict[str, Fed]:
    found: dict[str, list[Fed]] = {}
    for row in rows:
        found.setdefault(row.external_id, []).append(row)
    return {key: reduce(joined, same) for key, same in found.items()}


def fed_json(row: Fed) -> dict[str, Any]:
    return {
        "external_id": row.external_id, "at": row.at.isoformat(), "channel": row.channel, "actor": row.actor,
        "facts": sorted(row.facts), "direction": row.direction, "purpose": row.purpose,
        "minutes": None if row.minutes is None else str(row.minutes), **{key: getattr(row, key) for key in KEYS},
    }  # fmt: skip


def fed_of(said: Mapping[str, Any]) -> Fed:
    values = dict(said)
    values["at"], values["facts"] = datetime.fromisoformat(values["at"]), frozenset(values["facts"])
    values["minutes"] = None if values["minutes"] is None else Decimal(values["minutes"])
    return Fed(**values)
